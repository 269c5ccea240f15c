// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm_thin.c - volumes in a thin pool of LVM, which take space as they are
 * written, and their snapshots. Called by storage.c in worker threads. What it
 * shares with plain volumes, and how it is kept safe from crashes, is in
 * lvm_pair.c.
 *
 * A block that is new in a thin volume reads as zeros, also where only a part of
 * it was written, but only when the pool zeroes: a pool that does not is refused,
 * as what others had there before would show through.
 *
 * A snapshot is a thin volume of the pool with the tag that names it, made with
 * its tag at once. It stays inactive; nobody needs it as a device. Volumes that
 * begin with its content are snapshots of it.
 */
#include "storage/lvm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "storage/dm.h"
#include "storage/lvm_adopt.h"
#include "storage/lvm_devices.h"
#include "storage/lvm_pair.h"

/* Of a pool's own metadata: what is left is for the volumes there are. When it is full the pool
 * turns read-only. */
#define META_FULL_CENT 9500
#define DATA_FULL_CENT 10000

static int check(const struct storage_pool *p, struct err *err)
{
	struct lvm_source s;

	if (lvm_source_parse(p->source, &s) < 0 || !s.pool[0])
		return err_set(err, -E_INVALID,
			       "pool %s: \"%.200s\" must name a volume group and its thin pool, "
			       "such as vg0/thin",
			       p->name, p->source);
	return 0;
}

static void lock(const struct storage_pool *p, char *out, size_t len)
{
	struct lvm_source s;

	lvm_source_parse(p->source, &s);
	snprintf(out, len, "%s", s.group);
}

/* --- the pool ------------------------------------------------------------- */

int lvm_thin_check_pool(const struct storage_pool *p, const struct lvm_lv *pool, struct err *err)
{
	if (!pool->there)
		return err_set(err, -ENOENT, "pool %s: there is no %s in its volume group", p->name,
			       p->source);
	if (!pool->pool)
		return err_set(err, -E_INVALID, "pool %s: %s is no thin pool", p->name, p->source);
	if (!pool->zeroes)
		return err_set(err, -E_INVALID,
			       "pool %s: %s does not zero new blocks, so old content would show in "
			       "new volumes: lvchange --zero y %s",
			       p->name, p->source, p->source);
	/* full of data is a matter of room */
	if (pool->health[0] && strcmp(pool->health, "out_of_data") != 0)
		return err_set(err, -EIO, "pool %s: %s is not well, LVM says: %s", p->name,
			       p->source, pool->health);
	return 0;
}

int64_t lvm_thin_free(const struct lvm_lv *pool)
{
	uint64_t unit = pool->size_bytes / DATA_FULL_CENT;

	return pool->data_cent < 0 ? -1
				   : (int64_t)(unit * (uint64_t)(DATA_FULL_CENT - pool->data_cent));
}

int lvm_thin_check_room(const struct storage_pool *p, const struct lvm_lv *pool, uint64_t bytes,
			struct err *err)
{
	int64_t free_bytes = lvm_thin_free(pool);
	char text[2][32];

	/* not active: then it becomes so with the volume, and LVM looks by itself */
	if (free_bytes < 0)
		return 0;
	if (pool->meta_cent >= META_FULL_CENT)
		return err_set(err, -ENOSPC,
			       "pool %s: the metadata of %s is full to %d.%02d %%: lvextend "
			       "--poolmetadatasize +1G %s",
			       p->name, p->source, pool->meta_cent / 100, pool->meta_cent % 100,
			       p->source);
	if ((uint64_t)free_bytes >= bytes && pool->data_cent < DATA_FULL_CENT)
		return 0;
	return err_set(err, -ENOSPC, "pool %s: thin pool %s is full: %s more wanted, %s free",
		       p->name, p->source,
		       text_size_kib((int64_t)(bytes / 1024), text[0], sizeof(text[0])),
		       text_size_kib(free_bytes / 1024, text[1], sizeof(text[1])));
}

static int probe(const struct storage_pool *p, struct storage_space *ret, struct err *err)
{
	struct lvm_source s;
	const char *name = s.pool;
	struct lvm_lv pool;
	int rv;

	lvm_source_parse(p->source, &s);
	rv = lvm_look(p, &name, 1, &pool, err);
	if (rv == 0)
		rv = lvm_thin_check_pool(p, &pool, err);
	if (rv < 0)
		return rv;
	if (lvm_thin_free(&pool) < 0 || pool.meta_cent < 0)
		return err_set(err, -EAGAIN,
			       "pool %s: %s is not active, its space is not known: lvchange -ay %s",
			       p->name, p->source, p->source);
	ret->total_kib = (int64_t)(pool.size_bytes / 1024);
	ret->free_kib = lvm_thin_free(&pool) / 1024;
	ret->meta_percent = pool.meta_cent / 100;
	ret->queues = pool.queues;
	return 0;
}

/* --- volumes -------------------------------------------------------------- */

/* Asked of the kernel, as this is asked often. */
static int allocated(const struct storage_pool *p, const struct storage_volume *v, int64_t *ret_kib,
		     struct err *err)
{
	struct lvm_pair q;
	uint64_t sum = 0;

	lvm_pair_init(&q, p, v, NULL);
	for (int i = 0; i < 2; i++) {
		const char *path = i == 0 ? q.paths.data : q.paths.meta;
		uint64_t bytes = 0;
		int rv = dm_thin_mapped(path + strlen(DM_NODES), &bytes);

		if (rv < 0)
			return err_set(err, rv, "pool %s: cannot examine %s: %s", p->name, path,
				       err_name(rv));
		sum += bytes;
	}
	*ret_kib = (int64_t)(sum / 1024);
	return 0;
}

/* --- snapshots ------------------------------------------------------------ */

bool lvm_is_snapshot(const struct lvm_lv *lv, const struct storage_snapshot *s)
{
	return lv->there && lv->thin && lv->tags.has[LVM_TAG_SNAPSHOT] &&
	       memcmp(lv->tags.uuid[LVM_TAG_SNAPSHOT], s->uuid, 16) == 0;
}

static int take(const struct lvm_pair *q, const struct storage_snapshot *s, struct err *err)
{
	struct lvm_new o = { .name = s->name, .of = q->name[LVM_DATA], .inactive = true };
	struct err ignored;
	int rv;

	lvm_tag(LVM_TAG_SNAPSHOT, s->uuid, o.tag[o.n_tags++]);
	rv = lvm_make(q->p, &o, err);
	if (rv < 0) /* writers of the volume may wait */
		lvm_pair_resume(q, &ignored);
	return rv;
}

static int snapshot(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *s, struct err *err)
{
	struct lvm_pair q;
	enum lvm_owner data;
	int rv;

	lvm_pair_init(&q, p, v, s->name);
	rv = lvm_pair_look(&q, err);
	if (rv < 0)
		return rv;
	if (lvm_is_snapshot(&q.lv[LVM_SNAPSHOT], s))
		return 0;
	if (q.lv[LVM_SNAPSHOT].there)
		return lvm_foreign(&q, LVM_SNAPSHOT,
				   lvm_owner_of(&q.lv[LVM_SNAPSHOT], v) == LVM_STRANGER
					   ? LVM_STRANGER
					   : LVM_OTHER,
				   err);
	data = lvm_owner_of(&q.lv[LVM_DATA], v);
	if (data == LVM_NOBODY)
		return lvm_missing(&q, LVM_DATA, err);
	if (data != LVM_US)
		return lvm_foreign(&q, LVM_DATA, data, err);
	rv = lvm_thin_check_pool(p, &q.lv[LVM_POOL], err);
	if (rv == 0)
		rv = lvm_thin_check_room(p, &q.lv[LVM_POOL], 0, err);
	return rv < 0 ? rv : take(&q, s, err);
}

static int snapshot_remove(const struct storage_pool *p, const struct storage_snapshot *s,
			   struct err *err)
{
	struct storage_volume v = { .name = "" };
	const char *name = s->name;
	struct err ignored;
	struct lvm_pair q;
	int rv;

	lvm_pair_init(&q, p, &v, s->name);
	rv = lvm_look(p, &name, 1, &q.lv[LVM_SNAPSHOT], err);
	if (rv < 0 || !q.lv[LVM_SNAPSHOT].there)
		return rv;
	if (!lvm_is_snapshot(&q.lv[LVM_SNAPSHOT], s))
		return lvm_foreign(&q, LVM_SNAPSHOT, LVM_OTHER, err);
	rv = lvm_remove(p, s->name, err);
	if (rv < 0)
		lvm_pair_resume(&q, &ignored);
	return rv;
}

const struct storage_ops storage_lvm_thin = {
	.kind = "LVM_THIN",
	.check = check,
	.lock = lock,
	.probe = probe,
	.create = lvm_pair_create_empty,
	.locate = lvm_pair_locate,
	.grow = lvm_pair_grow,
	.remove = lvm_pair_remove,
	.allocated = allocated,
	.snapshot = snapshot,
	.restore = lvm_pair_create,
	.snapshot_remove = snapshot_remove,
	.adoptable = lvm_adoptable,
	.adopt = lvm_adopt,
	.task = lvm_task,
};
