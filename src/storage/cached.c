// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cached.c - see cached.h. Called by storage.c in worker threads, in the turn of
 * the pool that has the data: the cache's group has no turn of ours, as only LVM's
 * own lock is needed there.
 *
 * Made after its pair, while nobody has written to that:
 *   1. <name>.cache is made, with the tag sdsd.making
 *   2. its head is written: the label, and zeros for the kernel, which takes them
 *      for a new cache
 *   3. it is opened once, and the kernel writes its superblock
 *   4. the tag sdsd.making goes
 * What is found with that tag by the next attempt is dropped and made anew; without
 * it, and when the copy is looked for later, the cache has to be whole (cache.c):
 * what it holds is nowhere else.
 * Removal takes the data, then the cache, then the metadata, whose tag names the cache's group.
 */
#include "storage/cached.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/cache.h"
#include "storage/dm.h"
#include "storage/lvm.h"
#include "storage/lvm_pair.h"
#include "storage/step.h"

#define CACHE_SUFFIX ".cache"

struct cached {
	const struct storage_volume *v;
	struct storage_pool at; /* where the cache is */
	char name[LVM_NAME_MAX + 1];
	char path[STORAGE_PATH_MAX];
	struct lvm_lv lv; /* as last looked at */
};

static const struct storage_ops *under(const struct storage_pool *p)
{
	return strcmp(p->kind, storage_lvm_thin.kind) == 0 ? &storage_lvm_thin : &storage_lvm;
}

bool cached_can(const char *kind)
{
	return strcmp(kind, storage_lvm.kind) == 0 || strcmp(kind, storage_lvm_thin.kind) == 0;
}

static void cached_init(struct cached *q, const struct storage_pool *p,
			const struct storage_volume *v, const char *pool, const char *group)
{
	memset(q, 0, sizeof(*q));
	q->v = v;
	snprintf(q->at.kind, sizeof(q->at.kind), "%s", storage_lvm.kind);
	snprintf(q->at.name, sizeof(q->at.name), "%s", pool);
	snprintf(q->at.source, sizeof(q->at.source), "%s", group);
	q->at.watch = p->watch;
	snprintf(q->name, sizeof(q->name), "%s" CACHE_SUFFIX, v->name);
	snprintf(q->path, sizeof(q->path), DM_NODES);
	lvm_device_name(group, q->name, q->path + strlen(DM_NODES),
			sizeof(q->path) - strlen(DM_NODES));
}

static void cached_of(struct cached *q, const struct storage_pool *p,
		      const struct storage_volume *v)
{
	cached_init(q, p, v, v->cache.pool, v->cache.source);
}

int cached_check(const struct storage_pool *p, const struct storage_volume *v, struct err *err)
{
	struct cached q;

	if (!cached_can(p->kind))
		return err_set(
			err, -E_INVALID,
			"pool %s: a volume in a pool of kind %s has no write cache: it takes "
			"one of LVM",
			p->name, p->kind);
	if (!v->cache.source[0])
		return err_set(err, -E_INVALID,
			       "storage pool %s, for the write cache of %s, is not defined on this "
			       "node",
			       v->cache.pool, v->name);
	if (v->cache.bytes < CACHE_BYTES_MIN || v->cache.bytes % CACHE_BLOCK)
		return err_set(err, -E_INVALID, "pool %s: a write cache of %llu bytes cannot be",
			       p->name, (unsigned long long)v->cache.bytes);
	cached_of(&q, p, v);
	return storage_lvm.check(&q.at, err);
}

/* --- the logical volume --------------------------------------------------- */

static int cached_look(struct cached *q, struct err *err)
{
	const char *name = q->name;
	int rv = lvm_look(&q->at, &name, 1, &q->lv, err);

	return rv < 0 ? err_prefix(err, "write cache of %s", q->v->name) : 0;
}

static int check_owner(const struct cached *q, enum lvm_owner who, struct err *err)
{
	if (who == LVM_US || who == LVM_NOBODY)
		return 0;
	return err_set(err, -E_EXISTS,
		       who == LVM_OTHER
			       ? "pool %s: %s/%s belongs to another replica or volume and is left "
				 "alone"
			       : "pool %s: %s/%s is there already and is not of sdsd: rename it",
		       q->at.name, q->at.source, q->name);
}

/* LVM's program was killed while it had it suspended. What cannot go on is seen by what is done
 * next. */
static void let_go_on(const struct cached *q)
{
	struct err ignored;

	lvm_resume(&q->at, q->at.source, q->name, q->path + strlen(DM_NODES), &ignored);
}

static int reach(const struct cached *q, struct err *err)
{
	const char *name = q->name;
	int rv = 0, state;

	let_go_on(q);
	state = dm_node(q->path);
	if (state == -ENXIO)
		rv = lvm_activate(&q->at, &name, 1, err);
	else if (state < 0)
		rv = lvm_nodes(&q->at, err);
	if (rv < 0 || dm_node(q->path) == 0)
		return rv;
	return err_set(err, -ENODEV, "pool %s: %s/%s is active, but %s does not lead to it",
		       q->at.name, q->at.source, q->name, q->path);
}

static int open_over(const struct cached *q, enum cache_state state, struct storage_paths *paths,
		     struct err *err)
{
	struct cache_parts parts = { .v = q->v, .origin = paths->data, .cache = q->path };
	char path[CACHE_PATH_MAX];
	int rv = cache_open(&parts, state, path, err);

	/* where a crash has come between the growth of the one and of the other */
	if (rv == 0)
		rv = cache_fit(&parts, err);
	if (rv < 0)
		return rv;
	snprintf(paths->data, sizeof(paths->data), "%s", path);
	if (paths->discard_bytes)
		paths->discard_bytes = dm_discard_bytes(path + strlen(DM_NODES));
	return 0;
}

/* --- create --------------------------------------------------------------- */

static int drop(const struct cached *q, struct err *err)
{
	let_go_on(q);
	return lvm_remove(&q->at, q->name, err);
}

/* what an attempt has left that was cut */
static int clear_way(struct cached *q, struct err *err)
{
	int rv;

	if (!q->lv.there || !q->lv.tags.making)
		return 0;
	rv = cache_close(q->v->name, err);
	if (rv == 0)
		rv = drop(q, err);
	q->lv.there = rv < 0;
	return rv;
}

/* before the pair is made, which may take long */
static int make_room(struct cached *q, struct err *err)
{
	int rv = cached_look(q, err);

	if (rv == 0)
		rv = check_owner(q, lvm_owner_of(&q->lv, q->v), err);
	if (rv == 0)
		rv = clear_way(q, err);
	if (rv == 0 && !q->lv.there)
		rv = lvm_check_room(&q->at, 0, q->v->cache.bytes, 0, 0, err);
	return rv;
}

static int make_new(struct cached *q, struct storage_paths *paths, struct err *err)
{
	struct lvm_new o = { .name = q->name, .size_bytes = q->v->cache.bytes };
	struct cache_parts parts = { .v = q->v, .origin = paths->data, .cache = q->path };
	int rv;

	lvm_tag(LVM_TAG_REPLICA, q->v->owner, o.tag[o.n_tags++]);
	lvm_tag(LVM_TAG_VOLUME, q->v->volume, o.tag[o.n_tags++]);
	snprintf(o.tag[o.n_tags++], LVM_TAG_MAX, LVM_TAG_MAKING);
	rv = lvm_make(&q->at, &o, err);
	if (rv == 0)
		rv = reach(q, err);
	if (rv == 0)
		rv = cache_format(&parts, err);
	if (rv == 0)
		rv = open_over(q, CACHE_NEW, paths, err);
	if (rv == 0)
		rv = lvm_untag(&q->at, q->name, LVM_TAG_MAKING, err);
	return rv;
}

/* over the pair that is complete */
static int make(struct cached *q, struct storage_paths *paths, struct err *err)
{
	int rv;

	if (!q->lv.there)
		return make_new(q, paths, err);
	rv = reach(q, err);
	return rv < 0 ? rv : open_over(q, CACHE_MUST_BE, paths, err);
}

static int create(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	struct cached q;
	int rv;

	cached_of(&q, p, v);
	rv = make_room(&q, err);
	if (rv == 0)
		rv = under(p)->create(p, v, ret, err);
	if (rv < 0 || ret->zero_from < ret->zero_to)
		return rv;
	return make(&q, ret, err);
}

static int restore(const struct storage_pool *p, const struct storage_volume *v,
		   const struct storage_snapshot *s, struct storage_paths *ret, struct err *err)
{
	struct cached q;
	int rv;

	cached_of(&q, p, v);
	rv = make_room(&q, err);
	if (rv == 0)
		rv = under(p)->restore(p, v, s, ret, err);
	return rv < 0 ? rv : make(&q, ret, err);
}

/* --- what is there -------------------------------------------------------- */

static int find(struct cached *q, struct err *err)
{
	int rv;

	if (dm_node(q->path) == 0)
		return reach(q, err);
	rv = cached_look(q, err);
	if (rv == 0)
		rv = check_owner(q, lvm_owner_of(&q->lv, q->v), err);
	if (rv < 0)
		return rv;
	if (!q->lv.there)
		return err_set(err, -ENOENT,
			       "write cache of %s: %s/%s is missing; what was written last is lost "
			       "with it, so the copy is not used. Replace it by one of the good "
			       "ones (sdsd volume replace)",
			       q->v->name, q->at.source, q->name);
	return reach(q, err);
}

static int attach(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *paths, struct err *err)
{
	struct cached q;
	int rv;

	cached_of(&q, p, v);
	rv = find(&q, err);
	return rv < 0 ? rv : open_over(&q, CACHE_MUST_BE, paths, err);
}

static int locate(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	int rv = under(p)->locate(p, v, ret, err);

	return rv < 0 ? rv : attach(p, v, ret, err);
}

/* What it grows by is made zero on the data device: the cache holds nothing of it. Nothing grows
 * whose cache is not there. */
static int grow(const struct storage_pool *p, const struct storage_volume *v,
		struct storage_paths *ret, struct err *err)
{
	int rv = locate(p, v, ret, err);

	if (rv == 0)
		rv = under(p)->grow(p, v, ret, err);
	if (rv < 0 || ret->zero_from < ret->zero_to)
		return rv;
	return attach(p, v, ret, err);
}

static int snapshot(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *s, struct err *err)
{
	int rv = cache_empty(v->name, err);

	return rv < 0 ? rv : under(p)->snapshot(p, v, s, err);
}

static int zero(const struct storage_pool *p, const struct storage_paths *paths, struct err *err)
{
	return storage_lvm.zero(p, paths, err);
}

int cached_drop(const struct storage_pool *p, const struct storage_volume *v, const char *group,
		struct err *err)
{
	struct cached q;
	int rv;

	cached_init(&q, p, v, p->name, group);
	rv = cached_look(&q, err);
	if (rv == -ENOENT) {
		log_warn("storage", "pool=%s the write cache of %s is not removed: %s", p->name,
			 v->name, err->text);
		return 0;
	}
	if (rv < 0 || lvm_owner_of(&q.lv, v) != LVM_US)
		return rv;
	return drop(&q, err);
}

const struct storage_ops storage_cached = {
	.kind = "", /* it is found by what a volume says */
	.create = create,
	.locate = locate,
	.grow = grow,
	.snapshot = snapshot,
	.restore = restore,
	.zero = zero,
};
