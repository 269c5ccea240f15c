// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * write_cached.c - volumes with a write cache (cached.h).
 *
 * Made after its pair, while nobody has written to that:
 *   1. <name>.cache is made, with the tag sdsd.making
 *   2. its head is written: the label, and zeros for the kernel, which takes them
 *      for a new cache
 *   3. it is opened once, and the kernel writes its superblock
 *   4. the tag sdsd.making goes
 * What is found with that tag by the next attempt is dropped and made anew; without
 * it, and when the copy is looked for later, the cache has to be whole (write_cache.c):
 * what it holds is nowhere else.
 */
#include "storage/cached.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/dm.h"
#include "storage/write_cache.h"

static int open_over(const struct cached *q, enum write_cache_state state,
		     struct storage_paths *paths, struct err *err)
{
	struct cache_parts parts = { .v = q->v,
				     .origin = paths->data,
				     .cache = q->path[CACHED_DATA] };
	char path[CACHE_PATH_MAX];
	int rv = write_cache_open(&parts, state, path, err);

	/* where a crash has come between the growth of the one and of the other */
	if (rv == 0)
		rv = write_cache_fit(&parts, err);
	if (rv < 0)
		return rv;
	snprintf(paths->data, sizeof(paths->data), "%s", path);
	if (paths->discard_bytes)
		paths->discard_bytes = dm_discard_bytes(path + strlen(DM_NODES));
	return 0;
}

/* --- create --------------------------------------------------------------- */

/* what an attempt has left that was cut */
static int clear_way(struct cached *q, struct err *err)
{
	int rv;

	if (!q->lv[CACHED_DATA].there || !q->lv[CACHED_DATA].tags.making)
		return 0;
	rv = cache_close(q->v->name, err);
	if (rv == 0)
		rv = cached_remove(q, CACHED_DATA, err);
	q->lv[CACHED_DATA].there = rv < 0;
	return rv;
}

/* before the pair is made, which may take long */
static int make_room(struct cached *q, struct err *err)
{
	int rv = cached_look(q, err);

	if (rv == 0)
		rv = cached_check_owner(q, err);
	if (rv == 0)
		rv = clear_way(q, err);
	if (rv == 0 && !q->lv[CACHED_DATA].there)
		rv = lvm_check_room(&q->at, 0, q->v->cache.bytes, 0, 0, err);
	return rv;
}

static int make_new(struct cached *q, struct storage_paths *paths, struct err *err)
{
	struct cache_parts parts = { .v = q->v,
				     .origin = paths->data,
				     .cache = q->path[CACHED_DATA] };
	int rv = cached_make(q, CACHED_DATA, q->v->cache.bytes, LVM_TAG_MAKING, err);

	if (rv == 0)
		rv = cached_reach(q, CACHED_DATA, err);
	if (rv == 0)
		rv = write_cache_format(&parts, err);
	if (rv == 0)
		rv = open_over(q, WRITE_CACHE_NEW, paths, err);
	if (rv == 0)
		rv = lvm_untag(&q->at, q->name[CACHED_DATA], LVM_TAG_MAKING, err);
	return rv;
}

/* over the pair that is complete */
static int make(struct cached *q, struct storage_paths *paths, struct err *err)
{
	int rv;

	if (!q->lv[CACHED_DATA].there)
		return make_new(q, paths, err);
	rv = cached_reach(q, CACHED_DATA, err);
	return rv < 0 ? rv : open_over(q, WRITE_CACHE_MUST_BE, paths, err);
}

static int create(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	struct cached q;
	int rv;

	cached_of(&q, p, v);
	rv = make_room(&q, err);
	if (rv == 0)
		rv = cached_under(p)->create(p, v, ret, err);
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
		rv = cached_under(p)->restore(p, v, s, ret, err);
	return rv < 0 ? rv : make(&q, ret, err);
}

/* --- what is there -------------------------------------------------------- */

static int find(struct cached *q, struct err *err)
{
	int rv;

	if (dm_node(q->path[CACHED_DATA]) == 0)
		return cached_reach(q, CACHED_DATA, err);
	rv = cached_look(q, err);
	if (rv == 0)
		rv = cached_check_owner(q, err);
	if (rv < 0)
		return rv;
	if (!q->lv[CACHED_DATA].there)
		return err_set(err, -ENOENT,
			       "write cache of %s: %s/%s is missing; what was written last is lost "
			       "with it, so the copy is not used. Replace it by one of the good "
			       "ones (sdsd volume replace)",
			       q->v->name, q->at.source, q->name[CACHED_DATA]);
	return cached_reach(q, CACHED_DATA, err);
}

static int attach(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *paths, struct err *err)
{
	struct cached q;
	int rv;

	cached_of(&q, p, v);
	rv = find(&q, err);
	return rv < 0 ? rv : open_over(&q, WRITE_CACHE_MUST_BE, paths, err);
}

static int locate(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	int rv = cached_under(p)->locate(p, v, ret, err);

	return rv < 0 ? rv : attach(p, v, ret, err);
}

/* What it grows by is made zero on the data device: the cache holds nothing of it. Nothing grows
 * whose cache is not there. */
static int grow(const struct storage_pool *p, const struct storage_volume *v,
		struct storage_paths *ret, struct err *err)
{
	int rv = locate(p, v, ret, err);

	if (rv == 0)
		rv = cached_under(p)->grow(p, v, ret, err);
	if (rv < 0 || ret->zero_from < ret->zero_to)
		return rv;
	return attach(p, v, ret, err);
}

static int snapshot(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *s, struct err *err)
{
	int rv = write_cache_empty(v->name, err);

	return rv < 0 ? rv : cached_under(p)->snapshot(p, v, s, err);
}

const struct storage_ops storage_write_cached = {
	.kind = "", /* it is found by what a volume says */
	.create = create,
	.locate = locate,
	.grow = grow,
	.snapshot = snapshot,
	.restore = restore,
	.zero = cached_zero,
};
