// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_replica_props.c - properties of single replicas, and of a volume at one
 * of them. Called by the API. They are kept and shown; most with a meaning are
 * of resources and volumes, sds/diskful-after is of replicas, too.
 */
#include "model/change.h"

#include <stdio.h>

#include "model/policy.h"
#include "model/props.h"

#define WHAT_MAX (2 * NAME_MAX_LEN + 48)

static int load(struct change_env *env, struct txn *t, const char *resource, const char *node,
		char *key, size_t len, json **ret, struct err *err)
{
	int rv;

	replica_key(resource, node, key, len);
	rv = txn_get(t, env->store, key, ret);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource %.60s: has no replica on %.60s", resource, node);
	return rv < 0 ? err_set(err, rv, "%s: %s", key, err_name(rv)) : 0;
}

int change_replica_modify(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, json *body, struct err *err)
{
	char key[STORE_KEY_MAX], what[WHAT_MAX];
	json *doc;
	int rv = load(env, t, resource, node, key, sizeof(key), &doc, err);

	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "resource %.48s on %.48s", resource, node);
	rv = props_modify(what, doc, body, err);
	if (rv == 0)
		rv = policy_check(what, jget(doc, "props"), err);
	if (rv < 0)
		json_object_put(doc);
	else
		txn_put(t, key, doc);
	return rv;
}

static int check_volume(struct change_env *env, struct txn *t, const char *resource, int number,
			struct err *err)
{
	char key[STORE_KEY_MAX];
	struct resource r;
	json *doc;
	int rv;

	resource_key(resource, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0)
		return err_set(err, rv, "resource %.60s: there is no such resource", resource);
	rv = resource_parse(doc, &r, err);
	json_object_put(doc);
	if (rv == 0 && !resource_volume(&r, number))
		rv = err_set(err, -E_NOT_FOUND, "resource %.60s: has no volume %d", resource,
			     number);
	return rv;
}

int change_replica_volume_modify(struct change_env *env, struct txn *t, const char *resource,
				 const char *node, int number, json *body, struct err *err)
{
	char key[STORE_KEY_MAX], what[WHAT_MAX], name[16];
	json *doc, *all, *one;
	int rv;

	if ((rv = load(env, t, resource, node, key, sizeof(key), &doc, err)) < 0)
		return rv;
	rv = check_volume(env, t, resource, number, err);
	if (rv < 0)
		goto put;
	all = jget(doc, REPLICA_VOLUMES);
	if (!json_object_is_type(all, json_type_object)) {
		all = json_object_new_object();
		jset(doc, REPLICA_VOLUMES, all);
	}
	snprintf(name, sizeof(name), "%d", number);
	one = jget(all, name);
	if (!json_object_is_type(one, json_type_object)) {
		one = json_object_new_object();
		jset(all, name, one);
	}
	snprintf(what, sizeof(what), "volume %.48s/%d on %.48s", resource, number, node);
	rv = props_modify(what, one, body, err);
	if (rv < 0)
		goto put;
	txn_put(t, key, doc);
	return 0;
put:
	json_object_put(doc);
	return rv;
}
