// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_group.c - resource groups. Called by the API with LINSTOR's request
 * bodies. What a filter means is group.c's and placement.c's business.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/place.h"
#include "model/policy.h"
#include "model/props.h"

static int read_group(struct change_env *env, struct txn *t, const char *name, char *key,
		      size_t len, json **ret, struct err *err)
{
	int rv;

	group_key(name, key, len);
	rv = txn_get(t, env->store, key, ret);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource group %.60s: there is no such group", name);
	return rv < 0 ? err_set(err, rv, "%s: %s", key, err_name(rv)) : 0;
}

/* The filter as it is now: rules that exclude each other are refused; what only the present nodes
 * make impossible is said, since nodes may be added. */
static int check_filter(struct change_env *env, json *filter, struct err *warn, struct err *err)
{
	struct group_select f;
	struct err unheard = { 0 };
	int rv;

	rv = group_filter_parse(filter, &f, err);
	if (rv == 0)
		rv = group_select_check(&f, err);
	return rv < 0 ? rv : place_outlook(env, filter, warn ? warn : &unheard, err);
}

/* description, select_filter and volume_groups, as far as body has them */
static int apply_body(struct change_env *env, const char *what, json *doc, json *body,
		      struct err *warn, struct err *err)
{
	const char *description = jget_str(body, "description", NULL);
	json *volumes = jget(body, "volume_groups"), *filter;
	struct group_select f;
	int rv;

	rv = group_filter_parse(jget(body, "select_filter"), &f, err);
	if (rv < 0)
		return rv;
	if (description && strlen(description) > GROUP_DESCRIPTION_MAX)
		return err_set(err, -E_INVALID, "%s: its description has more than %d bytes", what,
			       GROUP_DESCRIPTION_MAX);
	if (volumes && (!json_object_is_type(volumes, json_type_array) ||
			json_object_array_length(volumes) > VOLUMES_PER_RESOURCE_MAX))
		return err_set(err, -E_INVALID,
			       "%s: volume_groups must be a list of up to %d, as many as a "
			       "resource has volumes",
			       what, VOLUMES_PER_RESOURCE_MAX);
	if (description)
		jset_str(doc, "description", description);
	if (volumes)
		jset(doc, "volume_groups", json_copy(volumes));
	filter = jget(doc, "select_filter");
	if (!filter) {
		filter = json_object_new_object();
		jset(doc, "select_filter", filter);
	}
	group_filter_merge(filter, jget(body, "select_filter"));
	rv = jget(body, "select_filter") ? check_filter(env, filter, warn, err) : 0;
	return rv < 0 ? err_prefix(err, "%s", what) : 0;
}

int change_group_create(struct change_env *env, struct txn *t, json *body, struct err *warn,
			struct err *err)
{
	const char *name = jget_str(body, "name", NULL);
	char key[STORE_KEY_MAX], what[NAME_MAX_LEN + 24], uuid[37];
	json *doc, *props;
	int rv;

	rv = name_check("resource group name", name, NAME_MIN_LEN, err);
	if (rv < 0)
		return rv;
	rv = read_group(env, t, name, key, sizeof(key), &doc, NULL);
	if (rv == 0) {
		json_object_put(doc);
		return err_set(
			err, -E_EXISTS,
			"resource group %s exists already; modify it, or choose another name",
			name);
	}
	if (rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	snprintf(what, sizeof(what), "resource group %s", name);
	rv = props_new(what, jget(body, "props"), &props, err);
	if (rv == 0 && (rv = policy_check(what, props, err)) < 0)
		json_object_put(props);
	if (rv < 0)
		return rv;
	env->uuid(uuid);
	doc = json_object_new_object();
	jset_str(doc, "name", name);
	jset_str(doc, "uuid", uuid);
	jset_str(doc, "description", "");
	jset(doc, "props", props);
	jset(doc, "volume_groups", json_object_new_array());
	rv = apply_body(env, what, doc, body, warn, err);
	if (rv < 0) {
		json_object_put(doc);
		return rv;
	}
	txn_put(t, key, doc);
	return 0;
}

int change_group_modify(struct change_env *env, struct txn *t, const char *name, json *body,
			struct err *warn, struct err *err)
{
	char key[STORE_KEY_MAX], what[NAME_MAX_LEN + 24];
	json *doc;
	int rv;

	rv = read_group(env, t, name, key, sizeof(key), &doc, err);
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "resource group %.48s", name);
	if ((rv = apply_body(env, what, doc, body, warn, err)) < 0 ||
	    (rv = props_modify(what, doc, body, err)) < 0 ||
	    (rv = policy_check(what, jget(doc, "props"), err)) < 0) {
		json_object_put(doc);
		return rv;
	}
	txn_put(t, key, doc);
	return 0;
}

struct user {
	const char *group;
	char first[NAME_MAX_LEN + 1];
	int n;
};

static int find_user(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct user *u = arg;

	if (strcasecmp(jget_str(doc, "group", ""), u->group) != 0)
		return 0;
	if (u->n++ == 0)
		snprintf(u->first, sizeof(u->first), "%s", jget_str(doc, "name", "?"));
	return 0;
}

int change_group_delete(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	struct user u = { .group = name };
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = read_group(env, t, name, key, sizeof(key), &doc, err);
	if (rv < 0)
		return rv;
	json_object_put(doc);
	if (strcasecmp(name, GROUP_DEFAULT) == 0)
		return err_set(err, -E_IN_USE,
			       "resource group %s is always there; modify it instead",
			       GROUP_DEFAULT);
	/* All resources are in the read set: a new one in this group must make this conflict. */
	rv = txn_list(t, env->store, "resource/", find_user, &u);
	if (rv < 0)
		return err_set(err, rv, "resources: %s", err_name(rv));
	if (u.n > 0)
		return err_set(err, -E_IN_USE,
			       "resource group %s: %d resources belong to it, such as %s; delete "
			       "them or give them another group first",
			       name, u.n, u.first);
	txn_put(t, key, NULL);
	return 0;
}
