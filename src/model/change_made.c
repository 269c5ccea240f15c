// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_made.c - what agents say they have done for replicas: files that are
 * made, leftovers that are removed. They say it again until it is heard, so by
 * then another replica or volume may have the name: uuids are compared.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* whether the resource has this very volume: a number may be in use again */
static int check_volume(struct change_env *env, struct txn *t, const char *resource, int number,
			const char *uuid, struct err *err)
{
	const struct volume *v;
	struct resource r;
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	resource_key(resource, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	if (rv == 0)
		rv = resource_parse(doc, &r, err);
	json_object_put(doc);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return rv;
	v = rv == 0 ? resource_volume(&r, number) : NULL;
	if (v && strcasecmp(v->uuid, uuid) == 0)
		return 0;
	return err_set(err, -E_NOT_FOUND, "resource %.60s: has no volume %d (%.36s) any more",
		       resource, number, uuid);
}

int change_replica_created(struct change_env *env, struct txn *t, const char *resource,
			   const char *node, const char *uuid, int number, const char *volume,
			   struct err *err)
{
	char key[STORE_KEY_MAX];
	struct replica r;
	json *doc = NULL;
	int rv;

	replica_key(resource, node, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	if (rv == 0)
		rv = replica_parse(doc, &r, err);
	if (rv == -E_NOT_FOUND || (rv == 0 && strcmp(r.uuid, uuid) != 0))
		rv = err_set(err, -E_NOT_FOUND,
			     "resource %.60s: has no replica %.36s on %.60s (any more)", resource,
			     uuid, node);
	/* volume 0 lives as long as the replica, whose uuid was compared */
	if (rv == 0 && number != 0)
		rv = check_volume(env, t, resource, number, volume, err);
	if (rv == 0 && !(r.made & 1u << number)) {
		replica_write_made(doc, r.made | 1u << number);
		txn_put(t, key, json_object_get(doc));
	}
	json_object_put(doc);
	return rv;
}

int change_leftover_done(struct change_env *env, struct txn *t, const char *node, const char *uuid,
			 int number, const char *volume, struct err *err)
{
	char key[STORE_KEY_MAX], id[LEFTOVER_ID_MAX];
	uint8_t raw[16];
	json *doc;
	int rv;

	/* it becomes a part of a key */
	rv = text_uuid_parse(uuid, raw) < 0 || (number != 0 && text_uuid_parse(volume, raw) < 0)
		     ? -E_NOT_FOUND
		     : 0;
	if (rv == 0) {
		leftover_id(uuid, number, volume, id);
		leftover_key(node, id, key, sizeof(key));
		rv = txn_get(t, env->store, key, &doc);
	}
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "node %.60s: has no leftover %.36s (any more)", node, uuid);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	json_object_put(doc);
	txn_put(t, key, NULL);
	return 0;
}
