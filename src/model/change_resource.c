// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_resource.c - resources come, change and go; their single volumes are
 * in change_volume.c. Called by the API. Deleting never waits for a node: what has files becomes a
 * leftover of its node, and the name is free at once.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>

#include "model/place.h"
#include "model/policy.h"
#include "model/props.h"

int change_resource_create(struct change_env *env, struct txn *t, const char *name,
			   const char *group, enum layers layers, json *props, struct err *err)
{
	struct bundle b;
	int rv;

	rv = bundle_make(env, t, name, group, layers, props, &b, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
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
	if ((has == LAYERS_LUKS) == (wanted == LAYERS_LUKS))
		return 0;
	return err_set(err, -E_INVALID, "%s: its layers cannot change: create another one and copy",
		       what);
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

int change_resource_delete(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	char key[STORE_KEY_MAX];
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, name, &b, err);
	if (rv < 0)
		return rv;
	rv = bundle_check_heard(&b, err);
	if (rv == 0)
		rv = bundle_check_closed(&b, err);
	if (rv == 0)
		rv = bundle_drop_all(&b, err);
	if (rv == 0) {
		b.dirty = false;
		bundle_save(&b); /* the record */
		resource_key(name, key, sizeof(key));
		txn_put(t, key, NULL);
	}
	bundle_release(&b);
	return rv;
}

static int add_volumes(struct bundle *b, const int64_t *sizes_kib, int n_sizes, struct err *err)
{
	int rv;

	if (n_sizes > VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID,
			       "resource %s: %d volumes wanted, a resource can have %d",
			       b->resource.name, n_sizes, VOLUMES_PER_RESOURCE_MAX);
	for (int i = 0; i < n_sizes; i++) {
		rv = bundle_add_volume(b, i, sizes_kib[i], NULL, err);
		if (rv < 0)
			return rv;
	}
	return 0;
}

int change_spawn(struct change_env *env, struct txn *t, const char *group, const char *name,
		 const int64_t *sizes_kib, int n_sizes, bool definitions_only, json *props,
		 const struct change_place *place, struct err *err)
{
	static const struct change_place as_group_says;
	struct bundle b;
	int added, rv;

	rv = bundle_make(env, t, name, group, place ? place->layers : LAYERS_UNSAID, props, &b,
			 err);
	if (rv == 0)
		rv = add_volumes(&b, sizes_kib, n_sizes, err);
	if (rv == 0 && !definitions_only && n_sizes == 0)
		rv = err_set(err, -E_INVALID,
			     "resource %s: the size of a volume is missing; give volume_sizes, or "
			     "definitions_only",
			     name);
	if (rv == 0 && !definitions_only)
		rv = place_bundle(&b, place ? place : &as_group_says, &added, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}
