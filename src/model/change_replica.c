// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_replica.c - single replicas come and go. Called by the API for users
 * and for agents. The rules of leaving: never the last copy, never where the
 * device is open, and a member of the in-sync set only by a new epoch, which an
 * active writer makes itself (the replica is marked deleting until then).
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/place.h"

static int check_absent(struct bundle *b, const char *node, bool diskless, struct err *err)
{
	struct replica *r = bundle_replica_on(b, node);

	if (!r)
		return 0;
	if (r->deleting)
		return err_set(err, -E_IN_USE,
			       "resource %s: its replica on %s is being deleted; try again when it "
			       "is gone",
			       b->resource.name, r->node);
	if (r->diskless && !diskless)
		return err_set(err, -E_EXISTS,
			       "resource %s: has a replica without a disk on %s; delete that first",
			       b->resource.name, r->node);
	return err_set(err, -E_EXISTS, "resource %s: has a replica on %s already", b->resource.name,
		       r->node);
}

static int add_diskless(struct bundle *b, const char *node, struct err *err)
{
	char key[STORE_KEY_MAX], name[NAME_MAX_LEN + 1];
	json *doc;
	int rv;

	if (!b->record_doc)
		return err_set(err, -E_INVALID,
			       "resource %s: has no copy yet; place its copies first",
			       b->resource.name);
	node_key(node, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "node %.60s: there is no such node", node);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	snprintf(name, sizeof(name), "%s", jget_str(doc, "name", node));
	json_object_put(doc);
	return bundle_add_replica(b, name, NULL, NULL, err);
}

int change_replica_create(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, const char *pool, bool diskless, struct err *err)
{
	struct placement_want want = {
		.copies = 1,
		.nodes = &node,
		.n_nodes = 1,
		.pools = &pool,
		.n_pools = pool && *pool ? 1 : 0,
	};
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	want.size_kib = resource_size_kib(&b.resource);
	if ((rv = check_absent(&b, node, diskless, err)) < 0 ||
	    (rv = place_check(&b, diskless ? 0 : 1, err)) < 0)
		goto release;
	rv = diskless ? add_diskless(&b, node, err) : place_copies(&b, &want, true, err);
	if (rv == 0 && !diskless)
		bundle_want_those(&b);
	if (rv == 0)
		bundle_save(&b);
release:
	bundle_release(&b);
	return rv;
}

/* a member of the in-sync set while nobody writes: a new epoch without it */
static int leave_set(struct bundle *b, const struct replica *r, struct err *err)
{
	uint32_t rest = b->record.in_sync & ~(1u << r->slot);

	if (rest == 0)
		return err_set(err, -E_IN_USE,
			       "resource %s: the copy on %s is the only one in sync; wait until "
			       "another one is",
			       b->resource.name, r->node);
	return bundle_bump_record(b, rest, err);
}

static int mark_deleting(struct bundle *b, struct replica *r, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	if (r->deleting)
		return 0;
	replica_key(r->resource, r->node, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &doc);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	jset_bool(doc, "deleting", true);
	txn_put(b->t, key, doc);
	r->deleting = true;
	return 0;
}

static bool is_in_set(const struct bundle *b, const struct replica *r)
{
	return b->record_doc && (b->record.in_sync & (1u << r->slot));
}

int place_leave(struct bundle *b, struct replica *r, struct err *err)
{
	bool was_writer = b->record_doc && b->record.writer == r->slot;
	int rv = 0;

	if (bundle_is_open_on(b, r->node))
		return err_set(err, -E_IN_USE, "resource %s: open on %s: close it there first",
			       b->resource.name, r->node);
	if (!r->diskless && bundle_copies(b) - !r->deleting == 0)
		return err_set(
			err, -E_IN_USE,
			"resource %s: the copy on %s is the last one; add another copy first, "
			"or delete the resource",
			b->resource.name, r->node);
	if (is_in_set(b, r)) {
		/* the writer's own copy cannot wait for the writer: closed, as seen above */
		if (!was_writer && bundle_writer_is_active(b))
			return mark_deleting(b, r, err);
		rv = leave_set(b, r, err);
	} else if (was_writer) {
		/* its slot may get another node, which must not be taken for the writer */
		rv = bundle_bump_record(b, b->record.in_sync, err);
	}
	return rv < 0 ? rv : bundle_drop_replica(b, r, err);
}

/* A copy that somebody takes away is not wanted any more; one that is of no use is. */
static int delete_one(struct bundle *b, struct replica *r, struct err *err)
{
	bool online = observed_online(b->env->observed, r->node, b->env->mono_ms);
	bool of_use = !r->diskless && !r->deleting && !r->quarantined && online;
	int copies = bundle_wanted(b);

	if (!r->diskless && !r->deleting)
		bundle_want(b, of_use && copies > 1 ? copies - 1 : copies);
	return place_leave(b, r, err);
}

int change_replica_delete(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	r = bundle_replica_on(&b, node);
	if (!r)
		rv = err_set(err, -E_NOT_FOUND, "resource %s: has no replica on %.60s",
			     b.resource.name, node);
	else
		rv = bundle_check_heard(&b, err);
	if (rv == 0)
		rv = delete_one(&b, r, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

/* what of the set leaves with the replicas marked deleting, now that nobody writes */
static uint32_t leaving(const struct bundle *b)
{
	uint32_t slots = 0;

	for (int i = 0; i < b->n; i++) {
		if (b->replica[i].deleting && is_in_set(b, &b->replica[i]))
			slots |= 1u << b->replica[i].slot;
	}
	return slots;
}

static int reap(struct bundle *b, struct err *err)
{
	uint32_t out = leaving(b);
	int rv;

	if (out && !bundle_writer_is_active(b) && (b->record.in_sync & ~out)) {
		rv = bundle_bump_record(b, b->record.in_sync & ~out, err);
		if (rv < 0)
			return rv;
	}
	for (int i = b->n - 1; i >= 0; i--) {
		struct replica *r = &b->replica[i];

		if (!r->deleting || is_in_set(b, r) || bundle_is_open_on(b, r->node))
			continue;
		if (b->record.writer == r->slot)
			rv = bundle_bump_record(b, b->record.in_sync, err);
		else
			rv = 0;
		if (rv == 0)
			rv = bundle_drop_replica(b, r, err);
		if (rv < 0)
			return rv;
	}
	return 0;
}

int change_replica_reap(struct change_env *env, struct txn *t, const char *resource,
			struct err *err)
{
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	rv = bundle_check_heard(&b, err);
	if (rv == 0)
		rv = reap(&b, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

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
