// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * read_cached.c - volumes with a read cache (cached.h). The pair is whole without the cache
 * (read_cache.c), so nothing of it is kept that cannot be used: its logical volumes are made where
 * they are missing, at any time, and what cannot be made is done without. Only who makes a copy is
 * told so.
 */
#include "storage/cached.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/lvm.h"
#include "storage/read_cache.h"

/* Its logical volumes become devices; q was looked at. */
static int bring(const struct cached *q, struct err *err)
{
	struct read_cache_share share;
	int rv = cached_check_owner(q, err);

	read_cache_share(q->v->cache.bytes, &share);
	for (int i = 0; i < q->n && rv == 0; i++) {
		if (!q->lv[i].there)
			rv = cached_make(q, i,
					 i == CACHED_META ? share.meta_bytes : share.data_bytes,
					 NULL, err);
		if (rv == 0)
			rv = cached_reach(q, i, err);
	}
	return rv;
}

/* The pair's data becomes the mapping over it, at once, and the mapping gets its cache, for which
 * LVM may be needed. why->code: 0, or what is wrong with the cache */
static int attach(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *paths, struct err *why, struct err *err)
{
	struct cache_parts parts = { .v = v, .origin = paths->data };
	char path[CACHE_PATH_MAX];
	struct cached q;
	int rv = read_cache_open(&parts, path, err);

	if (rv < 0)
		return rv;
	cached_of(&q, p, v);
	why->code = 0;
	parts.cache = q.path[CACHED_DATA];
	parts.meta = q.path[CACHED_META];
	if (cached_look(&q, why) == 0 && bring(&q, why) == 0)
		rv = read_cache_add(&parts, why, err);
	if (rv < 0)
		return rv;
	if (rv == 0) {
		log_warn("storage", "volume=%s goes on without its read cache: %s", v->name,
			 why->text);
		snprintf(paths->no_cache, sizeof(paths->no_cache), "%s", why->text);
	}
	snprintf(paths->data, sizeof(paths->data), "%s", path);
	/* dm-cache passes a discard on, and answers reads with what it held before */
	paths->discard_bytes = 0;
	return 0;
}

static int attach_made(const struct storage_pool *p, const struct storage_volume *v,
		       struct storage_paths *paths, struct err *err)
{
	struct err why;
	int rv = attach(p, v, paths, &why, err);

	if (rv == 0 && why.code < 0) {
		*err = why;
		return why.code;
	}
	return rv;
}

/* before the pair is made, which may take long */
static int make_room(const struct storage_pool *p, const struct storage_volume *v, struct err *err)
{
	struct read_cache_share share;
	struct cached q;
	int rv;

	cached_of(&q, p, v);
	read_cache_share(v->cache.bytes, &share);
	rv = cached_look(&q, err);
	if (rv == 0)
		rv = cached_check_owner(&q, err);
	if (rv < 0)
		return rv;
	return lvm_check_room(&q.at, 0, q.lv[CACHED_DATA].there ? 0 : share.data_bytes, 0,
			      q.lv[CACHED_META].there ? 0 : share.meta_bytes, err);
}

static int create(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	int rv = make_room(p, v, err);

	if (rv == 0)
		rv = cached_under(p)->create(p, v, ret, err);
	if (rv < 0 || ret->zero_from < ret->zero_to)
		return rv;
	return attach_made(p, v, ret, err);
}

static int restore(const struct storage_pool *p, const struct storage_volume *v,
		   const struct storage_snapshot *s, struct storage_paths *ret, struct err *err)
{
	int rv = make_room(p, v, err);

	if (rv == 0)
		rv = cached_under(p)->restore(p, v, s, ret, err);
	return rv < 0 ? rv : attach_made(p, v, ret, err);
}

static int locate(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	int rv = cached_under(p)->locate(p, v, ret, err);
	struct err why;

	return rv < 0 ? rv : attach(p, v, ret, &why, err);
}

static int grow(const struct storage_pool *p, const struct storage_volume *v,
		struct storage_paths *ret, struct err *err)
{
	int rv = cached_under(p)->grow(p, v, ret, err);
	struct err why;

	if (rv < 0 || ret->zero_from < ret->zero_to)
		return rv;
	return attach(p, v, ret, &why, err);
}

/* What was written through the mapping, not past the page cache, is on the data device. */
static int snapshot(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *s, struct err *err)
{
	int rv = cache_sync(v->name, err);

	return rv < 0 ? rv : cached_under(p)->snapshot(p, v, s, err);
}

const struct storage_ops storage_read_cached = {
	.kind = "", /* it is found by what a volume says */
	.create = create,
	.locate = locate,
	.grow = grow,
	.snapshot = snapshot,
	.restore = restore,
	.zero = cached_zero,
};
