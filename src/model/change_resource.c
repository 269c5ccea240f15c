// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_resource.c - resources come, change and go; their single volumes are
 * in change_volume.c. Called by the API. Deleting never waits for a node: what has files becomes a
 * leftover of its node, and the name is free at once.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/place.h"
#include "model/policy.h"
#include "model/props.h"

/* NULL: as it is named */
static int set_external(struct bundle *b, const char *external, struct err *err)
{
	if (!external || strcmp(external, b->resource.name) == 0)
		return 0;
	if (strlen(external) > EXTERNAL_NAME_MAX)
		return err_set(err, -E_INVALID,
			       "resource %s: its external name has %zu bytes, %d can be",
			       b->resource.name, strlen(external), EXTERNAL_NAME_MAX);
	jset_str(b->doc, "external_name", external);
	return 0;
}

int change_resource_create_as(struct change_env *env, struct txn *t, const char *name,
			      const char *external, const char *group, enum layers layers,
			      json *props, struct err *err)
{
	struct bundle b;
	int rv;

	rv = bundle_make(env, t, name, group, layers, props, &b, err);
	if (rv == 0)
		rv = set_external(&b, external, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

int change_resource_create(struct change_env *env, struct txn *t, const char *name,
			   const char *group, enum layers layers, json *props, struct err *err)
{
	return change_resource_create_as(env, t, name, NULL, group, layers, props, err);
}

/* What is on the disks does not change with a word. */
static int check_layers(const char *what, json *doc, json *body, struct err *err)
{
	enum layers has, wanted;
	int rv;

	rv = layers_parse(jget(body, "layer_stack"), &wanted, err);
	if (rv < 0 || wanted == LAYERS_UNSAID)
		return rv;
	layers_parse(jget(doc, "layers"), &has, NULL);
	if ((has | LAYERS_PLAIN) == wanted)
		return 0;
	return err_set(err, -E_BAD_LAYERS,
		       "%s: its layers cannot change: create another one and copy", what);
}

/* body's "resource_group", which must exist */
static int set_group(struct change_env *env, struct txn *t, json *doc, json *body, struct err *err)
{
	const char *group = jget_str(body, "resource_group", "");
	char key[STORE_KEY_MAX];
	json *group_doc;
	int rv;

	if (!group[0])
		return 0;
	group_key(group, key, sizeof(key));
	rv = txn_get(t, env->store, key, &group_doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv,
			       "resource group %.60s: there is no such group; create it first",
			       group);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	jset_str(doc, "group", jget_str(group_doc, "name", group));
	json_object_put(group_doc);
	return 0;
}

int change_resource_modify(struct change_env *env, struct txn *t, const char *name, json *body,
			   struct err *err)
{
	char key[STORE_KEY_MAX], what[NAME_MAX_LEN + 16];
	json *doc;
	int rv;

	resource_key(name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource %.60s: there is no such resource", name);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	snprintf(what, sizeof(what), "resource %.48s", name);
	if ((rv = check_layers(what, doc, body, err)) < 0 ||
	    (rv = props_modify(what, doc, body, err)) < 0 ||
	    (rv = policy_check(what, jget(doc, "props"), err)) < 0 ||
	    (rv = set_group(env, t, doc, body, err)) < 0) {
		json_object_put(doc);
		return rv;
	}
	txn_put(t, key, doc);
	return 0;
}

/* b, wherever it is not open, with everything that belongs to it */
static int delete_in(struct bundle *b, struct err *err)
{
	char key[STORE_KEY_MAX];
	int rv;

	rv = change_service_none_of(b->env, b->t, b->resource.name, -1, err);
	if (rv == 0)
		rv = bundle_check_closed(b, err);
	if (rv == 0)
		rv = bundle_drop_all(b, err);
	if (rv == 0) {
		b->dirty = false;
		bundle_save(b); /* the record */
		resource_key(b->resource.name, key, sizeof(key));
		txn_put(b->t, key, NULL);
	}
	return rv;
}

int change_resource_delete(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, name, &b, err);
	if (rv < 0)
		return rv;
	rv = delete_in(&b, err);
	bundle_release(&b);
	return rv;
}

struct snapshots {
	const char *but; /* NULL: none is passed over */
	int n;
};

static int count_snapshot(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct snapshots *s = arg;

	if (!s->but || strcasecmp(jget_str(doc, "name", ""), s->but) != 0)
		s->n++;
	return 0;
}

/* whether the resource has snapshots, but for the one of that name */
static int has_snapshots(struct bundle *b, const char *but, bool *ret, struct err *err)
{
	struct snapshots s = { .but = but };
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	int rv;

	name_key(b->resource.name, low);
	snprintf(prefix, sizeof(prefix), "snapshot/%s/", low);
	rv = txn_list(b->t, b->env->store, prefix, count_snapshot, &s);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", prefix, err_name(rv));
	*ret = s.n > 0;
	return 0;
}

int change_resource_truncate(struct change_env *env, struct txn *t, const char *name,
			     bool delete_empty, bool *ret, struct err *err)
{
	bool stays = true;
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, name, &b, err);
	if (rv < 0)
		return rv;
	if (delete_empty)
		rv = has_snapshots(&b, NULL, &stays, err);
	if (rv == 0 && !stays) {
		rv = delete_in(&b, err);
	} else if (rv == 0 && b.n > 0) {
		rv = change_service_none_of(env, t, b.resource.name, -1, err);
		if (rv == 0)
			rv = bundle_check_closed(&b, err);
		if (rv == 0)
			rv = bundle_drop_replicas(&b, err);
		if (rv == 0)
			bundle_save(&b);
	}
	bundle_release(&b);
	if (rv == 0)
		*ret = !stays;
	return rv;
}

int change_resource_delete_empty(struct change_env *env, struct txn *t, const char *name,
				 const char *but, bool *ret, struct err *err)
{
	bool stays = true;
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, name, &b, err);
	if (rv < 0)
		return rv;
	if (b.n == 0)
		rv = has_snapshots(&b, but, &stays, err);
	if (rv == 0 && !stays)
		rv = delete_in(&b, err);
	bundle_release(&b);
	if (rv == 0)
		*ret = !stays;
	return rv;
}

/* what its group says about single volumes: a list, the caller's, or NULL */
static json *volume_groups(struct bundle *b)
{
	char key[STORE_KEY_MAX];
	json *group = NULL, *list;

	group_key(b->resource.group, key, sizeof(key));
	if (store_get(b->env->store, key, &group, NULL) < 0)
		return NULL; /* bundle_make has noted that it was read */
	list = jget(group, "volume_groups");
	list = json_object_is_type(list, json_type_array) ? json_object_get(list) : NULL;
	json_object_put(group);
	return list;
}

static int check_sizes(struct bundle *b, int n_sizes, int n_groups, bool partial, struct err *err)
{
	if (n_sizes > VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID,
			       "resource %s: %d volumes wanted, a resource can have %d",
			       b->resource.name, n_sizes, VOLUMES_PER_RESOURCE_MAX);
	if (n_groups == 0 || n_sizes == n_groups || n_sizes == 0 || (partial && n_sizes < n_groups))
		return 0;
	return err_set(err, -E_INVALID,
		       "resource %s: %d sizes of volumes, but group %s has %d volume groups; give "
		       "as many%s",
		       b->resource.name, n_sizes, b->resource.group, n_groups,
		       n_sizes < n_groups ? ", or say partial" : "");
}

/* One for each size: of the numbers and with the properties of the group's volume groups. */
static int add_volumes(struct bundle *b, const int64_t *sizes_kib, int n_sizes, bool partial,
		       struct err *err)
{
	json *groups = volume_groups(b);
	int n = groups ? (int)json_object_array_length(groups) : 0;
	int rv = check_sizes(b, n_sizes, n, partial, err);

	for (int i = 0; i < n_sizes && rv == 0; i++) {
		json *one = i < n ? json_object_array_get_idx(groups, (size_t)i) : NULL;
		int number = (int)jget_i64_or(one, "volume_number", i);

		if (i == 0 && number != 0)
			rv = err_set(err, -E_INVALID,
				     "resource %s: group %s has no volume group 0, which every "
				     "resource begins with",
				     b->resource.name, b->resource.group);
		else
			rv = bundle_add_volume(b, number, sizes_kib[i], jget(one, "props"), err);
	}
	json_object_put(groups);
	return rv;
}

int change_spawn(struct change_env *env, struct txn *t, const char *group, const char *name,
		 const int64_t *sizes_kib, int n_sizes, bool definitions_only, json *props,
		 const struct change_place *place, struct err *err)
{
	static const struct change_place as_group_says;
	struct bundle b;
	int added, rv;

	if (!place)
		place = &as_group_says;
	rv = bundle_make(env, t, name, group, place->layers, props, &b, err);
	if (rv == 0)
		rv = set_external(&b, place->external_name, err);
	if (rv == 0)
		rv = add_volumes(&b, sizes_kib, n_sizes, place->partial, err);
	if (rv == 0 && !definitions_only && n_sizes == 0)
		rv = err_set(err, -E_INVALID,
			     "resource %s: the size of a volume is missing; give volume_sizes, or "
			     "definitions_only",
			     name);
	if (rv == 0 && !definitions_only)
		rv = place_bundle(&b, place, &added, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}
