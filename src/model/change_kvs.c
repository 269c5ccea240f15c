// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_kvs.c - key-value stores, where clients keep what is their own, and the
 * cluster's own properties. Called by the API. A key-value store comes with the
 * first change and goes when it is deleted. How much one can hold is bounded by the
 * size of a document, too.
 */
#include <stdio.h>

#include "model/change.h"
#include "model/policy.h"
#include "model/props.h"
#include "model/tuning.h"

void kvs_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "kvs/%s", low);
}

static int count(const char *key, json *doc, uint64_t revision, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

static int make(struct change_env *env, struct txn *t, const char *name, json **ret,
		struct err *err)
{
	int n = 0, rv;

	rv = txn_list(t, env->store, "kvs/", count, &n);
	if (rv < 0)
		return err_set(err, rv, "key-value stores: %s", err_name(rv));
	if (n >= KVS_MAX)
		return err_set(err, -E_INVALID,
			       "key-value store %s: there are %d of them, which is the limit", name,
			       n);
	*ret = json_object_new_object();
	jset_str(*ret, "name", name);
	return 0;
}

int change_kvs_modify(struct change_env *env, struct txn *t, const char *name, json *body,
		      struct err *err)
{
	char key[STORE_KEY_MAX], what[NAME_MAX_LEN + 24];
	json *doc = NULL;
	int rv;

	rv = name_check("key-value store name", name, NAME_MIN_LEN, err);
	if (rv < 0)
		return rv;
	kvs_key(name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		rv = make(env, t, name, &doc, err);
	else if (rv < 0)
		err_set(err, rv, "%s: %s", key, err_name(rv));
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "key-value store %s", name);
	rv = props_modify_max(what, doc, body, KVS_PROPS_MAX, err);
	if (rv == 0)
		txn_put(t, key, json_object_get(doc));
	json_object_put(doc);
	return rv;
}

int change_kvs_delete(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	kvs_key(name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "key-value store %.60s: there is none of this name", name);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	json_object_put(doc);
	txn_put(t, key, NULL);
	return 0;
}

int change_controller_modify(struct change_env *env, struct txn *t, json *body, struct err *err)
{
	json *doc = NULL;
	int rv;

	rv = txn_get(t, env->store, CONTROLLER_KEY, &doc);
	if (rv == -E_NOT_FOUND)
		doc = json_object_new_object();
	else if (rv < 0)
		return err_set(err, rv, CONTROLLER_KEY ": %s", err_name(rv));
	if ((rv = props_modify("controller", doc, body, err)) == 0 &&
	    (rv = policy_check("controller", jget(doc, "props"), err)) == 0 &&
	    (rv = tuning_check("controller", jget(doc, "props"), err)) == 0)
		txn_put(t, CONTROLLER_KEY, json_object_get(doc));
	json_object_put(doc);
	return rv;
}
