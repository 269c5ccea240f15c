// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_scrub.c - the result of a comparison is kept, so that any leader knows it and when the
 * next one is due. Called by the API.
 */
#include "model/change.h"

#include <stdio.h>

#include "model/resource.h"
#include "model/scrub.h"

int change_scrub_done(struct change_env *env, struct txn *t, const char *resource, json *result,
		      struct err *err)
{
	json *doc, *known, *own;
	char key[STORE_KEY_MAX];
	int rv;

	resource_key(resource, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0)
		return err_set(err, rv, "resource %.60s: there is no such resource", resource);
	own = json_copy(result);
	jset_str(own, "resource", jget_str(doc, "name", ""));
	jset_str(own, "uuid", jget_str(doc, "uuid", ""));
	jset_i64(own, "ended_ms", env->now_ms);
	scrub_key(resource, key, sizeof(key));
	if (txn_get(t, env->store, key, &known) == 0) {
		/* what was repaired is to be compared all the same */
		if (jget_bool(known, "again", false) && jget_str(own, "error", "")[0])
			jset_bool(own, "again", true);
		json_object_put(known);
	}
	txn_put(t, key, own);
	json_object_put(doc);
	return 0;
}

int change_scrub_again(struct change_env *env, struct txn *t, const char *resource, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	scrub_key(resource, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return 0;
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	jset_bool(doc, "again", true);
	jset_str(doc, "error", "");
	txn_put(t, key, doc);
	return 0;
}
