// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_adopt.c - a logical volume that somebody else has made becomes the first
 * copy of a new resource. Called by the API, which has asked the node. To the others
 * it is a copy like one that was made from a snapshot: nothing of it is zeros, and
 * copies that come later fetch all (docs/protocol.md#born-from-a-snapshot).
 */
#include "model/change.h"

#include <string.h>

#include "model/bundle.h"
#include "model/pool.h"

/* read in the transaction, so that a pool that is deleted meanwhile is a conflict */
static int check_pool(struct change_env *env, struct txn *t, const char *node, const char *name,
		      struct pool *ret, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	pool_key(node, name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "pool %.60s/%.60s: there is no such pool", node, name);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	rv = pool_parse(doc, ret, err);
	json_object_put(doc);
	if (rv < 0)
		return rv;
	if (!pool_kind_is_lvm(ret->kind))
		return err_set(err, -E_INVALID,
			       "pool %s/%s is none of LVM: only logical volumes are adopted",
			       ret->node, ret->name);
	if (ret->task == TASK_MAKE || ret->task == TASK_DESTROY)
		return err_set(err, -E_IN_USE, "pool %s/%s is being %s", ret->node, ret->name,
			       ret->task == TASK_MAKE ? "made" : "destroyed");
	return 0;
}

static int adopt(struct bundle *b, const struct pool *p, const struct volume_adopted *from,
		 struct err *err)
{
	int slot, rv;

	if (from->size_kib != volume_round_size(from->size_kib, false))
		return err_set(err, -E_INVALID,
			       "resource %s: %s has %lld KiB, which is no multiple of 4",
			       b->resource.name, from->lv, (long long)from->size_kib);
	rv = bundle_add_volume(b, 0, from->size_kib, NULL, err);
	if (rv < 0)
		return rv;
	bundle_set_adopted(b, 0, from);
	rv = bundle_bear_replica(b, p->node, p->name, &slot, err);
	if (rv == 0)
		bundle_add_record(b, 1u << slot);
	return rv;
}

int change_adopt(struct change_env *env, struct txn *t, const char *name, const char *group,
		 const char *node, const char *pool, const struct volume_adopted *from,
		 struct err *err)
{
	struct pool p = { 0 };
	struct bundle b;
	int rv = check_pool(env, t, node, pool, &p, err);

	if (rv < 0)
		return rv;
	rv = bundle_make(env, t, name, group, LAYERS_PLAIN, NULL, &b, err);
	if (rv == 0)
		rv = adopt(&b, &p, from, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}
