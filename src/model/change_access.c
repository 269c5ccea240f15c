// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_access.c - tokens and certificates of users: made, deleted; and whether
 * they are needed on loopback, too. Called by the API. Only hashes come here.
 */
#include "model/change.h"

#include "model/name.h"

int change_access_create(struct change_env *env, struct txn *t, const struct access *a,
			 struct err *err)
{
	struct store_stamp stamp;
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = name_check("name of a token or certificate", a->name, NAME_MIN_LEN, err);
	if (rv < 0)
		return rv;
	if (a->expires_ms > 0 && a->expires_ms <= env->now_ms)
		return err_set(err, -E_INVALID, "%s %s: its time is over already",
			       access_kind_name(a->kind), a->name);
	access_key(a->name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == 0) {
		rv = err_set(err, -E_EXISTS, "a %s with the name %s exists already",
			     jget_str(doc, "kind", "token"), jget_str(doc, "name", a->name));
		json_object_put(doc);
		return rv;
	}
	if (rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	/* not noted: a rough limit will do */
	rv = store_prefix_stamp(env->store, ACCESS_PREFIX, &stamp);
	if (rv < 0)
		return err_set(err, rv, "tokens and certificates: %s", err_name(rv));
	if (stamp.count >= ACCESS_MAX)
		return err_set(err, -E_INVALID,
			       "there are %d tokens and certificates, which is the limit; delete "
			       "those that are not needed any more",
			       ACCESS_MAX);
	txn_put(t, key, access_doc(a));
	return 0;
}

int change_access_delete(struct change_env *env, struct txn *t, const char *name,
			 enum access_kind kind, struct err *err)
{
	char key[STORE_KEY_MAX];
	struct access a;
	json *doc;
	int rv;

	access_key(name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == 0) {
		/* one that cannot be read lets nobody in: it may go under either kind */
		if (access_parse(doc, &a, NULL) == 0 && a.kind != kind)
			rv = -E_NOT_FOUND;
		json_object_put(doc);
	}
	if (rv < 0)
		return err_set(err, rv, "%s %.60s: %s", access_kind_name(kind), name, err_name(rv));
	txn_put(t, key, NULL);
	return 0;
}

int change_access_require(struct change_env *env, struct txn *t, bool required, struct err *err)
{
	json *doc, *options;
	int rv = txn_get(t, env->store, CLUSTER_KEY, &doc);

	if (rv < 0)
		return err_set(err, rv, CLUSTER_KEY ": %s", err_name(rv));
	options = jget(doc, "options");
	if (jget_bool(options, "require_token", false) == required) {
		json_object_put(doc);
		return 0;
	}
	if (!json_object_is_type(options, json_type_object)) {
		options = json_object_new_object();
		jset(doc, "options", options);
	}
	jset_bool(options, "require_token", required);
	txn_put(t, CLUSTER_KEY, doc);
	return 0;
}
