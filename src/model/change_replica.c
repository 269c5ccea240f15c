// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_replica.c - single replicas come and go. Called by the API for users
 * and for agents. The rules of leaving: never the last copy while there are
 * clients or copies to come, never where the device is open, and a member of the
 * in-sync set only by a new epoch, which an active writer makes itself (the
 * replica is marked deleting until then).
 */
#include "model/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/connection.h"
#include "model/node_docs.h"
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
	if (!b->record_doc)
		return err_set(err, -E_INVALID,
			       "resource %s: has no copy yet; place its copies first",
			       b->resource.name);
	return bundle_add_replica(b, node, NULL, NULL, err);
}

/* one more copy, on this node, in the pool that is named or one of those that the group says */
static int place_in(struct bundle *b, const char *node, const char *const *pools, int n_pools,
		    struct err *err)
{
	struct placement_want want = {
		.size_kib = resource_size_kib(&b->resource) + resource_extra_kib(&b->resource),
		.copies = 1,
		.nodes = &node,
		.n_nodes = 1,
		.pools = pools,
		.n_pools = n_pools,
	};

	return place_copies(b, &want, true, err);
}

/* pool NULL: choose */
static int place_on(struct bundle *b, const char *node, const char *pool, struct err *err)
{
	struct group_select *filter;
	json *group = NULL;
	int rv;

	if (pool && *pool)
		return place_in(b, node, &pool, 1, err);
	filter = malloc(sizeof(*filter));
	if (!filter)
		return err_set(err, -ENOMEM, "placement: out of memory");
	rv = place_filter(b, filter, &group, err);
	if (rv == 0)
		rv = place_in(b, node, filter->pools, filter->n_pools, err);
	json_object_put(group);
	free(filter);
	return rv;
}

static int create_in(struct bundle *b, const char *node, const char *pool, bool diskless,
		     struct err *err)
{
	char name[NAME_MAX_LEN + 1]; /* as it is written in its document */
	int rv;

	/* the node first: that there is none of the name is told by a code of its own */
	if ((rv = node_docs_find(b->env, b->t, node, name, err)) < 0 ||
	    (rv = check_absent(b, name, diskless, err)) < 0 ||
	    (rv = place_check(b, diskless ? 0 : 1, err)) < 0)
		return rv;
	rv = diskless ? add_diskless(b, name, err) : place_on(b, name, pool, err);
	if (rv == 0 && !diskless)
		bundle_want_those(b);
	return rv;
}

int change_replica_create(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, const char *pool, bool diskless, struct err *err)
{
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	rv = create_in(&b, node, pool, diskless, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

/* Those who have it open, and the node, may at once. */
static bool open_way(struct bundle *b, const struct replica *to)
{
	bool some = false;

	for (int i = 0; i < b->n; i++) {
		const char *from = b->replica[i].node;

		if (&b->replica[i] != to && bundle_is_open_on(b, from))
			some |= connection_migrate(b->doc, from, to->node);
	}
	b->dirty |= some;
	return some;
}

int change_replica_migration(struct change_env *env, struct txn *t, const char *resource,
			     const char *node, bool create, bool diskless, bool *ret,
			     struct err *err)
{
	struct bundle b;
	bool some;
	int rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	rv = bundle_check_heard(&b, err);
	if (rv == 0 && create)
		rv = create_in(&b, node, NULL, diskless, err);
	if (rv == 0 && !bundle_replica_on(&b, node))
		rv = err_set(err, -E_NOT_FOUND, "resource %s: has no replica on %.60s",
			     b.resource.name, node);
	if (rv == 0) {
		some = open_way(&b, bundle_replica_on(&b, node));
		bundle_save(&b);
		*ret = some;
	}
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

/* Nobody writes: a member leaves the set, which the writer does itself where there is one. Who died
 * as writer is not to be named any more: it could not release the record, nobody heals until then,
 * and its slot may get another node. */
int place_retire(struct bundle *b, const struct replica *r, struct err *err)
{
	if (bundle_in_set(b, r))
		return leave_set(b, r, err);
	if (b->record_doc && b->record.writer == r->slot)
		return bundle_bump_record(b, b->record.in_sync, err);
	return 0;
}

static int mark_deleting(struct bundle *b, struct replica *r, bool becomes_client, struct err *err)
{
	if (r->deleting && r->becomes_client == becomes_client)
		return 0;
	r->deleting = true;
	r->becomes_client = becomes_client;
	return bundle_put_plans(b, r, err);
}

static int check_not_last(struct bundle *b, const struct replica *r, struct err *err)
{
	if (r->diskless || bundle_copies(b) - !r->deleting > 0)
		return 0;
	return err_set(err, -E_IN_USE,
		       "resource %s: the copy on %s is the last one; add another copy first, or "
		       "delete what else there is of it before, or the resource",
		       b->resource.name, r->node);
}

int place_leave(struct bundle *b, struct replica *r, struct err *err)
{
	bool was_writer = b->record_doc && b->record.writer == r->slot;
	int rv = 0;

	if (bundle_is_open_on(b, r->node))
		return err_set(err, -E_IN_USE, "resource %s: open on %s: close it there first",
			       b->resource.name, r->node);
	rv = check_not_last(b, r, err);
	if (rv < 0)
		return rv;
	/* the writer's own copy cannot wait for the writer: closed, as seen above */
	if (bundle_in_set(b, r) && !was_writer && bundle_writer_is_active(b))
		return mark_deleting(b, r, false, err);
	rv = place_retire(b, r, err);
	return rv < 0 ? rv : bundle_drop_replica(b, r, err);
}

static bool is_of_use(struct bundle *b, const struct replica *r)
{
	return !r->diskless && !r->deleting && !r->quarantined &&
	       observed_online(b->env->observed, r->node, b->env->mono_ms);
}

/* A copy that somebody takes away is not wanted any more; one that is of no use is, and so are the
 * others when it is one of too many. */
static void want_no_more(struct bundle *b, const struct replica *r)
{
	int copies = bundle_wanted(b), of_use = 0;

	for (int i = 0; i < b->n; i++)
		of_use += is_of_use(b, &b->replica[i]);
	if (!r->diskless && !r->deleting)
		bundle_want(b, is_of_use(b, r) && of_use <= copies && copies > 1 ? copies - 1
										 : copies);
}

/* The only replica goes: what is left is a definition without copies, as before the first one. */
static int delete_last(struct bundle *b, struct replica *r, struct err *err)
{
	int rv = bundle_check_closed(b, err);

	if (rv == 0)
		rv = bundle_drop_replica(b, r, err);
	b->record_gone = rv == 0 && b->record_doc;
	return rv;
}

static int delete_one(struct bundle *b, struct replica *r, struct err *err)
{
	if (b->n == 1)
		return delete_last(b, r, err);
	want_no_more(b, r);
	return place_leave(b, r, err);
}

/* the replica on the node, of a resource that is heard; the caller releases *b when this is 0 */
static int load_heard(struct change_env *env, struct txn *t, const char *resource, const char *node,
		      struct bundle *b, struct replica **ret, struct err *err)
{
	int rv = bundle_load(env, t, resource, b, err);

	if (rv < 0)
		return rv;
	*ret = bundle_replica_on(b, node);
	if (!*ret)
		rv = err_set(err, -E_NOT_FOUND, "resource %s: has no replica on %.60s",
			     b->resource.name, node);
	else
		rv = bundle_check_heard(b, err);
	if (rv < 0)
		bundle_release(b);
	return rv;
}

int change_replica_delete(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv;

	rv = load_heard(env, t, resource, node, &b, &r, err);
	if (rv < 0)
		return rv;
	rv = delete_one(&b, r, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

int change_replica_unavailable(struct change_env *env, struct txn *t, const char *resource,
			       const char *node, bool *ret, struct err *err)
{
	struct replica *r;
	bool diskless;
	struct bundle b;
	int rv;

	rv = load_heard(env, t, resource, node, &b, &r, err);
	if (rv < 0)
		return rv;
	if (bundle_is_open_on(&b, node))
		rv = err_set(err, -E_IN_USE, "resource %s: open on %s: close it there first",
			     b.resource.name, r->node);
	if (rv == 0) {
		diskless = r->diskless;
		b.dirty |= connection_migrated(b.doc, node);
		if (diskless)
			rv = delete_one(&b, r, err);
	}
	if (rv == 0) {
		bundle_save(&b);
		*ret = diskless;
	}
	bundle_release(&b);
	return rv;
}

/* members beside r that serve and stay */
static uint32_t others_in_sync(const struct bundle *b, const struct replica *r)
{
	uint32_t slots = 0;

	for (int i = 0; i < b->n; i++) {
		const struct replica *o = &b->replica[i];

		if (o != r && bundle_in_set(b, o) && !o->deleting && !o->inactive)
			slots |= 1u << o->slot;
	}
	return slots;
}

static int check_not_needed(const struct bundle *b, const struct replica *r, struct err *err)
{
	if (!bundle_in_set(b, r) || others_in_sync(b, r))
		return 0;
	return err_set(
		err, -E_IN_USE,
		"resource %s: the copy on %s is the only one in sync that serves; wait until "
		"another one is",
		b->resource.name, r->node);
}

/* The disk goes and the replica stays, open or not: a member leaves the set first, at the hands of
 * the writer if there is one, be it on this node. */
static int drop_disk(struct bundle *b, struct replica *r, struct err *err)
{
	int rv = check_not_last(b, r, err);

	if (rv == 0)
		rv = check_not_needed(b, r, err);
	if (rv < 0)
		return rv;
	if (bundle_in_set(b, r)) {
		if (bundle_writer_is_active(b) || bundle_is_open_on(b, r->node))
			return mark_deleting(b, r, true, err);
		rv = leave_set(b, r, err);
	}
	return rv < 0 ? rv : bundle_drop_disk(b, r, err);
}

/* *ret: the replica on the node, for a change of what it is */
static int load_one(struct change_env *env, struct txn *t, const char *resource, const char *node,
		    struct bundle *b, struct replica **ret, struct err *err)
{
	int rv = load_heard(env, t, resource, node, b, ret, err);

	if (rv < 0)
		return rv;
	if (!(*ret)->deleting || (*ret)->becomes_client)
		return 0;
	rv = err_set(err, -E_IN_USE, "resource %s: its replica on %s is being deleted",
		     b->resource.name, (*ret)->node);
	bundle_release(b);
	return rv;
}

int change_replica_diskless(struct change_env *env, struct txn *t, const char *resource,
			    const char *node, bool *ret, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv = load_one(env, t, resource, node, &b, &r, err);

	if (rv < 0)
		return rv;
	*ret = !r->diskless;
	if (*ret) {
		want_no_more(&b, r);
		rv = drop_disk(&b, r, err);
	}
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

struct sweeping {
	const char *uuid;
	int n;
};

static int count_one(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct sweeping *s = arg;

	s->n += strcmp(jget_str(doc, "uuid", ""), s->uuid) == 0;
	return 0;
}

/* Files of the disk that it had before bear its uuid, too. */
static int check_swept(struct bundle *b, const struct replica *r, struct err *err)
{
	struct sweeping s = { r->uuid, 0 };
	char prefix[STORE_KEY_MAX];
	int rv;

	leftover_key(r->node, "", prefix, sizeof(prefix));
	/* not noted as read: the node removes others meanwhile, and these become no more */
	rv = store_list(b->env->store, prefix, count_one, &s);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", prefix, err_name(rv));
	if (s.n == 0)
		return 0;
	return err_set(err, -E_IN_USE,
		       "resource %s: %s is still removing the disk that its replica had; try again "
		       "when it has",
		       b->resource.name, r->node);
}

/* The client on the node gets a disk in a pool that placement chooses. It stays the same replica,
 * in its slot: whoever has it open there is not disturbed. */
static int add_disk(struct bundle *b, struct replica *r, const char *pool, const char *migrates,
		    struct err *err)
{
	int rv;

	if ((rv = check_swept(b, r, err)) < 0 || (rv = place_check(b, 1, err)) < 0)
		return rv;
	snprintf(r->migrates, sizeof(r->migrates), "%s", migrates);
	b->clients = 1u << r->slot;
	return place_on(b, r->node, pool, err);
}

int place_draw(struct bundle *b, struct replica *r, struct err *err)
{
	int rv = check_swept(b, r, err);

	if (rv < 0)
		return rv;
	b->clients = 1u << r->slot;
	return place_by_rules(b, r->node, NULL, err);
}

bool place_takes(struct bundle *b, const struct replica *r)
{
	return r->diskless && !r->deleting && !r->inactive && !bundle_is_open_on(b, r->node) &&
	       check_swept(b, r, NULL) == 0;
}

int change_replica_diskful(struct change_env *env, struct txn *t, const char *resource,
			   const char *node, const char *pool, bool *ret, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv = load_one(env, t, resource, node, &b, &r, err);

	if (rv < 0)
		return rv;
	*ret = r->diskless;
	if (r->becomes_client)
		rv = err_set(
			err, -E_IN_USE,
			"resource %s: the copy on %s is losing its disk; try again when it has",
			b.resource.name, r->node);
	else if (r->diskless)
		rv = add_disk(&b, r, pool, "", err);
	else if (pool && strcasecmp(pool, r->pool) != 0)
		rv = err_set(err, -E_EXISTS,
			     "resource %s: the copy on %s is in pool %s already; to have it "
			     "elsewhere, take its disk first",
			     b.resource.name, r->node, r->pool);
	if (rv == 0 && *ret)
		bundle_want_those(&b);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

void place_migrates(struct bundle *b, struct replica *r, const char *from)
{
	char key[STORE_KEY_MAX];
	json *doc = replica_doc(r);

	snprintf(r->migrates, sizeof(r->migrates), "%s", from);
	replica_key(r->resource, r->node, key, sizeof(key));
	replica_write_plans(doc, r);
	txn_put(b->t, key, doc);
}

/* a copy on a node that has no replica yet */
static int add_copy(struct bundle *b, const char *node, const char *pool, const char *migrates,
		    struct err *err)
{
	int rv;

	if ((rv = place_check(b, 1, err)) < 0 || (rv = place_on(b, node, pool, err)) < 0)
		return rv;
	place_migrates(b, &b->replica[b->n - 1], migrates);
	return 0;
}

static int migrate(struct bundle *b, const char *from, const char *node, const char *pool,
		   bool *ret, struct err *err)
{
	struct replica *source = bundle_replica_on(b, from), *r = bundle_replica_on(b, node);

	*ret = true;
	if (!source || source->diskless || source->deleting)
		return err_set(err, -E_NOT_FOUND, "resource %s: has no copy on %.60s to move",
			       b->resource.name, from);
	if (r == source)
		return err_set(err, -E_INVALID, "resource %s: its copy is on %s already",
			       b->resource.name, r->node);
	if (r && strcasecmp(r->migrates, from) == 0) {
		*ret = false; /* on its way */
		return 0;
	}
	if (r && r->deleting)
		return err_set(err, -E_IN_USE, "resource %s: its replica on %s is being deleted",
			       b->resource.name, r->node);
	if (r && !r->diskless)
		return err_set(err, -E_EXISTS,
			       "resource %s: has a copy on %s already; delete the one on %s if it "
			       "is not needed",
			       b->resource.name, r->node, source->node);
	/* source may move within the bundle: its node's name is copied first */
	return r ? add_disk(b, r, pool, strdupa(source->node), err)
		 : add_copy(b, node, pool, strdupa(source->node), err);
}

int change_replica_migrate(struct change_env *env, struct txn *t, const char *resource,
			   const char *from, const char *node, const char *pool, bool *ret,
			   struct err *err)
{
	struct bundle b;
	int rv = bundle_load(env, t, resource, &b, err), copies;

	if (rv < 0)
		return rv;
	copies = bundle_wanted(&b);
	rv = bundle_check_heard(&b, err);
	if (rv == 0)
		rv = migrate(&b, from, node, pool, ret, err);
	if (rv == 0)
		bundle_want(&b, copies); /* for a while it has one more */
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

static int check_deactivation(struct bundle *b, const struct replica *r, struct err *err)
{
	if (bundle_is_open_on(b, r->node))
		return err_set(err, -E_IN_USE, "resource %s: open on %s: close it there first",
			       b->resource.name, r->node);
	return check_not_needed(b, r, err);
}

int change_replica_active(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, bool active, bool *ret, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv = load_one(env, t, resource, node, &b, &r, err);

	if (rv < 0)
		return rv;
	*ret = r->inactive == active;
	if (*ret && !active)
		rv = check_deactivation(&b, r, err);
	if (rv == 0 && *ret && !active && !bundle_writer_is_active(&b))
		rv = place_retire(&b, r, err);
	if (rv == 0 && *ret) {
		r->inactive = !active;
		rv = bundle_put_plans(&b, r, err);
	}
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

/* what of the set leaves with the replicas marked deleting or inactive, now that nobody writes */
static uint32_t leaving(const struct bundle *b)
{
	uint32_t slots = 0;

	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];

		if ((r->deleting || r->inactive) && bundle_in_set(b, r))
			slots |= 1u << r->slot;
	}
	return slots;
}

/* Without this copy there are as many good ones as are wanted, or none is missing at present. */
static bool is_covered(struct bundle *b, const struct replica *r)
{
	bool all = true;
	int good = 0;

	for (int i = 0; i < b->n; i++) {
		const struct replica *o = &b->replica[i];
		bool is_good = bundle_in_set(b, o) && is_of_use(b, o) && !o->inactive;

		if (o == r || o->diskless || o->deleting)
			continue;
		good += is_good;
		all &= is_good;
	}
	return all || good >= bundle_wanted(b);
}

/* A copy that was to replace another is in sync: the other one goes, or, where the resource is
 * open, its disk does. Not while a third one is away and this one has to stand for it. */
static int finish_migration(struct bundle *b, struct replica *r, struct err *err)
{
	struct replica *source = bundle_replica_on(b, r->migrates);
	int rv;

	if (source && !source->diskless && !source->deleting) {
		if (!bundle_in_set(b, r) || r->deleting || r->quarantined || r->inactive ||
		    !is_covered(b, source))
			return 0;
		r->migrates[0] = '\0';
		rv = bundle_put_plans(b, r, err);
		if (rv < 0)
			return rv;
		return bundle_is_open_on(b, source->node) ? drop_disk(b, source, err)
							  : place_leave(b, source, err);
	}
	r->migrates[0] = '\0';
	return bundle_put_plans(b, r, err);
}

static int finish_migrations(struct bundle *b, struct err *err)
{
	for (int i = 0; i < b->n; i++) {
		if (!b->replica[i].migrates[0])
			continue;
		/* the bundle may have lost a replica by it: the next one the next time */
		return finish_migration(b, &b->replica[i], err);
	}
	return 0;
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

		if (!r->deleting || bundle_in_set(b, r))
			continue;
		if (r->becomes_client) {
			rv = bundle_drop_disk(b, r, err);
			if (rv < 0)
				return rv;
			continue;
		}
		if (bundle_is_open_on(b, r->node))
			continue;
		rv = place_retire(b, r, err);
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
	/* not both: a record changes by one epoch */
	if (rv == 0 && txn_is_empty(t) && !b.record_dirty)
		rv = finish_migrations(&b, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}
