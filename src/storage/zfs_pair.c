// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs_pair.c - a volume as two volumes of ZFS: <source>/<name> with the data from
 * offset 0, <source>/<name>.meta with the metadata. Called by storage.c in worker
 * threads, by way of zfs.c's tables.
 *
 * Each of the two carries properties that name the replica and the volume; one
 * without them is somebody else's and never touched, whatever its name. ZFS
 * writes a volume and then its properties, so a power cut could leave one of
 * ours without. That is why a pair is made under names that nobody else gives:
 *   1. <source>/sdsd:new:<owner>:<name>.meta, then ...:<name>, are made; the
 *      data reads as zeros, or is a clone of its snapshot
 *   2. the metadata is formatted, so that its label names the owner
 *   3. the data gets its name, then the metadata
 * What is found without metadata under its last name is half-made: it is dropped
 * and made anew. Removal takes the data first and the metadata last.
 *
 * Growth: the label says how far the data is good. Data grows first, then
 * metadata, and its label last; what is new reads as zeros. Cut anywhere, it is
 * done again.
 *
 * Finding a pair, which a node does for all its volumes at a start, runs no
 * program: the kernel is asked for the devices, and the label is read. ZFS is
 * asked when they are not there.
 */
#include "storage/zfs_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "storage/block_queue.h"
#include "storage/step.h"
#include "storage/zfs_snapshot.h"

#define META_SUFFIX ".meta"
#define SIZE_MS 5000 /* until a device is as long as ZFS says */
#define LOOK_AGAIN_MS 50
#define MS 1000000ull

/* --- names and owners ----------------------------------------------------- */

bool zfs_is_thin(const struct storage_pool *p)
{
	return strcmp(p->kind, "ZFS_THIN") == 0;
}

void zfs_pair_init(struct zfs_pair *q, const struct storage_pool *p, const struct storage_volume *v)
{
	char making[ZFS_NAME_MAX + 1 - ZFS_SOURCE_MAX - sizeof(META_SUFFIX)];

	memset(q, 0, sizeof(*q));
	q->p = p;
	q->v = v;
	q->thin = zfs_is_thin(p);
	zfs_new_name(v->owner, v->name, making, sizeof(making));
	snprintf(q->name[ZFS_DATA], sizeof(q->name[0]), "%.*s/%s", ZFS_SOURCE_MAX, p->source,
		 v->name);
	snprintf(q->name[ZFS_META], sizeof(q->name[0]), "%.*s/%s" META_SUFFIX, ZFS_SOURCE_MAX,
		 p->source, v->name);
	snprintf(q->name[ZFS_NEW_DATA], sizeof(q->name[0]), "%.*s/%s", ZFS_SOURCE_MAX, p->source,
		 making);
	snprintf(q->name[ZFS_NEW_META], sizeof(q->name[0]), "%.*s/%s" META_SUFFIX, ZFS_SOURCE_MAX,
		 p->source, making);
}

int zfs_pair_look(struct zfs_pair *q, struct err *err)
{
	const char *const names[] = { q->name[ZFS_DATA], q->name[ZFS_META], q->name[ZFS_NEW_DATA],
				      q->name[ZFS_NEW_META] };

	return zfs_look(q->p, names, ZFS_ROLES, q->row, &q->source, err);
}

enum zfs_owner zfs_owner_of(const struct zfs_row *row, const struct storage_volume *v)
{
	if (!row->there)
		return ZFS_NOBODY;
	if (!row->has[ZFS_TAG_REPLICA] || row->type != ZFS_VOLUME)
		return ZFS_STRANGER;
	return memcmp(row->uuid[ZFS_TAG_REPLICA], v->owner, 16) == 0 && row->has[ZFS_TAG_VOLUME] &&
			       memcmp(row->uuid[ZFS_TAG_VOLUME], v->volume, 16) == 0
		       ? ZFS_US
		       : ZFS_OTHER;
}

static enum zfs_owner owner(const struct zfs_pair *q, enum zfs_role role)
{
	return zfs_owner_of(&q->row[role], q->v);
}

int zfs_foreign(const struct storage_pool *p, const char *name, enum zfs_owner who, struct err *err)
{
	return err_set(err, -E_EXISTS,
		       who == ZFS_OTHER ? "pool %s: %s belongs to another replica, volume or "
					  "snapshot and is left alone"
					: "pool %s: %s is there already and is not of sdsd: "
					  "rename it",
		       p->name, name);
}

int zfs_missing(const struct zfs_pair *q, enum zfs_role role, struct err *err)
{
	return err_set(err, -ENOENT,
		       "pool %s: %s is missing: it is not made anew, since it held data",
		       q->p->name, q->name[role]);
}

/* --- devices -------------------------------------------------------------- */

static bool has_nodes(struct zfs_pair *q)
{
	return zfs_node(q->name[ZFS_DATA], q->paths.data) == 0 &&
	       zfs_node(q->name[ZFS_META], q->paths.meta) == 0;
}

static int find_node(const struct zfs_pair *q, enum zfs_role role, char ret[ZFS_NODE_MAX],
		     struct err *err)
{
	int rv = zfs_node_wait(q->name[role], ret);

	return rv < 0 ? err_set(err, -ENODEV,
				"pool %s: %s is there but has no device: zfs get volmode %s",
				q->p->name, q->name[role], q->name[role])
		      : 0;
}

/* ZFS has the two (somebody has looked). */
static int find_nodes(struct zfs_pair *q, struct err *err)
{
	char data[ZFS_NODE_MAX], meta[ZFS_NODE_MAX];
	int rv = find_node(q, ZFS_DATA, data, err);

	if (rv == 0)
		rv = find_node(q, ZFS_META, meta, err);
	if (rv < 0)
		return rv;
	snprintf(q->paths.data, sizeof(q->paths.data), "%s", data);
	snprintf(q->paths.meta, sizeof(q->paths.meta), "%s", meta);
	return 0;
}

static int meta_open(const struct zfs_pair *q, const char *path, int flags, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "pool %s: cannot open %s: %s", q->p->name, path,
			       err_name(-errno));
	/* No reading ahead: those pages may be written past the page cache by a kernel module. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

static int check_label(const struct zfs_pair *q, int fd, uint64_t *ret_size, struct err *err)
{
	struct storage_label label = { 0 };
	int rv = storage_meta_ops()->label(fd, &label, err);

	if (rv < 0) {
		err_prefix(err, "pool %s: %s", q->p->name, q->name[ZFS_META]);
		return rv;
	}
	if (!storage_label_is(&label, q->v))
		return zfs_foreign(q->p, q->name[ZFS_META], ZFS_OTHER, err);
	*ret_size = label.size_bytes ? label.size_bytes : q->v->size_bytes;
	return 0;
}

/* how far the data is good, by the label; what was cut off must not come back as zeros */
static int read_label(const struct zfs_pair *q, uint64_t *ret_size, struct err *err)
{
	int fd = meta_open(q, q->paths.meta, O_RDONLY, err), rv;
	uint64_t have;

	if (fd < 0)
		return fd;
	rv = check_label(q, fd, ret_size, err);
	close(fd);
	if (rv < 0)
		return rv;
	have = zfs_node_bytes(q->paths.data);
	if (have < *ret_size)
		return err_set(err, -E_CORRUPT, "pool %s: %s has %llu bytes, %llu expected",
			       q->p->name, q->name[ZFS_DATA], (unsigned long long)have,
			       (unsigned long long)*ret_size);
	return 0;
}

/* Blocks that nobody has written read as zeros, and a discard takes blocks away. */
static void give(const struct zfs_pair *q, uint64_t size, struct storage_paths *ret)
{
	*ret = q->paths;
	ret->size_bytes = size;
	ret->discard_bytes = block_queue_discard_at(q->paths.data);
}

/* --- locate --------------------------------------------------------------- */

static int check_owned(const struct zfs_pair *q, struct err *err)
{
	static const enum zfs_role roles[] = { ZFS_META, ZFS_DATA };

	for (int i = 0; i < 2; i++) {
		enum zfs_owner who = owner(q, roles[i]);

		if (who == ZFS_NOBODY)
			return zfs_missing(q, roles[i], err);
		if (who != ZFS_US)
			return zfs_foreign(q->p, q->name[roles[i]], who, err);
	}
	return 0;
}

int zfs_pair_locate(const struct storage_pool *p, const struct storage_volume *v,
		    struct storage_paths *ret, struct err *err)
{
	struct zfs_pair q;
	uint64_t size = 0;
	int rv = 0;

	zfs_pair_init(&q, p, v);
	if (!has_nodes(&q)) {
		rv = zfs_pair_look(&q, err);
		if (rv == 0)
			rv = check_owned(&q, err);
		if (rv == 0)
			rv = find_nodes(&q, err);
	}
	if (rv == 0)
		rv = read_label(&q, &size, err);
	if (rv < 0)
		return rv;
	give(&q, size, ret);
	return 0;
}

/* --- grow ----------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int zfs_check_room(const struct storage_pool *p, const struct zfs_row *source, uint64_t bytes,
		   struct err *err)
{
	char text[2][32];

	if (source->available >= larger(bytes, ZFS_BLOCK))
		return 0;
	return err_set(err, -ENOSPC, "pool %s: %s is full: %s more wanted, %s free", p->name,
		       p->source, text_size_kib((int64_t)(bytes / 1024), text[0], sizeof(text[0])),
		       text_size_kib((int64_t)(source->available / 1024), text[1],
				     sizeof(text[1])));
}

static uint64_t more(const struct zfs_row *row, uint64_t want)
{
	return row->volsize < want ? zfs_reserve(want) - zfs_reserve(row->volsize) : 0;
}

static int grow_room(const struct zfs_pair *q, struct err *err)
{
	uint64_t data = q->thin ? 0 : more(&q->row[ZFS_DATA], q->v->size_bytes);

	return zfs_check_room(q->p, &q->source, data + more(&q->row[ZFS_META], q->v->meta_bytes),
			      err);
}

static int lengthen(const struct zfs_pair *q, enum zfs_role role, uint64_t want, struct err *err)
{
	uint64_t until = clock_boot_ns() + SIZE_MS * MS;
	const char *path = role == ZFS_DATA ? q->paths.data : q->paths.meta;
	int rv = q->row[role].volsize < want ? zfs_resize(q->p, q->name[role], want, err) : 0;

	while (rv == 0 && zfs_node_bytes(path) < want) {
		if (clock_boot_ns() > until)
			return err_set(err, -EAGAIN, "pool %s: %s has grown, but %s has not yet",
				       q->p->name, q->name[role], path);
		usleep(LOOK_AGAIN_MS * 1000);
	}
	return rv;
}

static int grow_label(const struct zfs_pair *q, struct err *err)
{
	int fd = meta_open(q, q->paths.meta, O_RDWR, err), rv;

	if (fd < 0)
		return fd;
	storage_step("grow label");
	rv = storage_meta_ops()->grow ? storage_meta_ops()->grow(fd, q->v, err) : 0;
	if (rv < 0)
		err_prefix(err, "pool %s: %s", q->p->name, q->name[ZFS_META]);
	close(fd);
	storage_step("label grown");
	return rv;
}

/* of a pair that has been looked at and is ours */
static int grow_found(struct zfs_pair *q, struct storage_paths *ret, struct err *err)
{
	uint64_t size = 0, want = q->v->size_bytes;
	int rv = find_nodes(q, err);

	if (rv == 0)
		rv = read_label(q, &size, err);
	if (rv == 0 && size < want) {
		rv = grow_room(q, err);
		if (rv == 0)
			rv = lengthen(q, ZFS_DATA, want, err);
		if (rv == 0)
			rv = lengthen(q, ZFS_META, q->v->meta_bytes, err);
		if (rv == 0)
			rv = grow_label(q, err);
	}
	if (rv == 0)
		give(q, larger(size, want), ret);
	return rv;
}

int zfs_pair_grow(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	struct zfs_pair q;
	int rv;

	zfs_pair_init(&q, p, v);
	rv = zfs_pair_look(&q, err);
	if (rv == 0)
		rv = check_owned(&q, err);
	return rv < 0 ? rv : grow_found(&q, ret, err);
}

/* --- remove --------------------------------------------------------------- */

/* What is being made is ours by its name. */
static int drop_new(const struct zfs_pair *q, struct err *err)
{
	static const enum zfs_role roles[] = { ZFS_NEW_DATA, ZFS_NEW_META };
	int rv = 0;

	for (int i = 0; i < 2 && rv == 0; i++) {
		if (q->row[roles[i]].there)
			rv = zfs_destroy(q->p, q->name[roles[i]], err);
	}
	return rv;
}

static int drop(const struct zfs_pair *q, struct err *err)
{
	int rv = 0;

	if (owner(q, ZFS_DATA) == ZFS_US)
		rv = zfs_put_away(q->p, &q->row[ZFS_DATA], err);
	else if (owner(q, ZFS_META) == ZFS_US) /* by an attempt that was cut? */
		zfs_sweep(q->p);
	if (rv == 0)
		rv = drop_new(q, err);
	if (rv == 0 && owner(q, ZFS_META) == ZFS_US)
		rv = zfs_destroy(q->p, q->name[ZFS_META], err);
	return rv;
}

int zfs_pair_remove(const struct storage_pool *p, const struct storage_volume *v, struct err *err)
{
	enum zfs_owner meta, data;
	struct zfs_pair q;
	int rv;

	zfs_pair_init(&q, p, v);
	rv = zfs_pair_look(&q, err);
	if (rv < 0)
		return rv;
	meta = owner(&q, ZFS_META);
	data = owner(&q, ZFS_DATA);
	if (meta == ZFS_US || data == ZFS_US || q.row[ZFS_NEW_DATA].there ||
	    q.row[ZFS_NEW_META].there)
		return drop(&q, err);
	if (meta == ZFS_OTHER || data == ZFS_OTHER)
		return zfs_foreign(p, q.name[meta == ZFS_OTHER ? ZFS_META : ZFS_DATA], ZFS_OTHER,
				   err);
	/* whatever else has these names never was ours */
	return 0;
}

/* --- create --------------------------------------------------------------- */

/* 0: nothing of these names is in the way any more; 1: the pair is complete and ours */
static int clear_way(const struct zfs_pair *q, struct err *err)
{
	static const enum zfs_role roles[] = { ZFS_META, ZFS_DATA };

	for (int i = 0; i < 2; i++) {
		enum zfs_owner who = owner(q, roles[i]);

		if (who == ZFS_OTHER || who == ZFS_STRANGER)
			return zfs_foreign(q->p, q->name[roles[i]], who, err);
	}
	if (q->row[ZFS_META].there && q->row[ZFS_DATA].there)
		return 1;
	return drop(q, err);
}

static int create_room(const struct zfs_pair *q, struct err *err)
{
	uint64_t meta = zfs_reserve(q->v->meta_bytes);

	return zfs_check_room(q->p, &q->source,
			      q->thin ? meta : meta + zfs_reserve(q->v->size_bytes), err);
}

static int make_one(const struct zfs_pair *q, enum zfs_role role, const char *of, struct err *err)
{
	bool data = role == ZFS_NEW_DATA;
	struct zfs_new o = { .name = q->name[role],
			     .size_bytes = data ? q->v->size_bytes : q->v->meta_bytes,
			     .thin = data && q->thin,
			     .of = of };

	zfs_setting(ZFS_TAG_REPLICA, q->v->owner, o.set[0]);
	zfs_setting(ZFS_TAG_VOLUME, q->v->volume, o.set[1]);
	return zfs_make(q->p, &o, err);
}

static int format(const struct zfs_pair *q, struct err *err)
{
	char path[ZFS_NODE_MAX];
	int fd, rv = find_node(q, ZFS_NEW_META, path, err);

	if (rv < 0)
		return rv;
	fd = meta_open(q, path, O_RDWR, err);
	if (fd < 0)
		return fd;
	storage_step("format");
	rv = storage_meta_ops()->format(fd, q->v, err);
	if (rv < 0)
		err_prefix(err, "pool %s: %s", q->p->name, q->name[ZFS_META]);
	storage_step("formatted");
	close(fd);
	return rv;
}

static int make(struct zfs_pair *q, const char *of, struct storage_paths *ret, struct err *err)
{
	struct err ignored;
	int rv = create_room(q, err);

	if (rv < 0)
		return rv;
	rv = make_one(q, ZFS_NEW_META, NULL, err);
	if (rv == 0)
		rv = make_one(q, ZFS_NEW_DATA, of, err);
	if (rv == 0)
		rv = format(q, err);
	if (rv == 0)
		rv = zfs_rename(q->p, q->name[ZFS_NEW_DATA], q->name[ZFS_DATA], err);
	if (rv == 0)
		rv = zfs_rename(q->p, q->name[ZFS_NEW_META], q->name[ZFS_META], err);
	if (rv == 0)
		rv = find_nodes(q, err);
	if (rv == 0)
		give(q, q->v->size_bytes, ret);
	/* The space is given back; where a program hangs the next one would, too, and what fails
	 * here the next try repeats. */
	if (rv < 0 && rv != -ETIMEDOUT && zfs_pair_look(q, &ignored) == 0 &&
	    !q->row[ZFS_META].there)
		drop(q, &ignored);
	return rv;
}

int zfs_pair_create(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *from, struct storage_paths *ret, struct err *err)
{
	struct zfs_row snapshot;
	struct zfs_pair q;
	int rv;

	zfs_pair_init(&q, p, v);
	rv = zfs_pair_look(&q, err);
	if (rv == 0)
		rv = clear_way(&q, err);
	if (rv == 1) /* made by an attempt nobody heard of, perhaps for another size */
		return grow_found(&q, ret, err);
	if (rv == 0 && from) {
		rv = zfs_snapshot_find(p, from, &snapshot, err);
		if (rv == -E_EXISTS)
			rv = err_set(err, -ENOENT, "pool %s: the snapshot %s is %s", p->name,
				     from->name, "another one of that name");
	}
	return rv < 0 ? rv : make(&q, from ? snapshot.name : NULL, ret, err);
}

int zfs_pair_create_empty(const struct storage_pool *p, const struct storage_volume *v,
			  struct storage_paths *ret, struct err *err)
{
	return zfs_pair_create(p, v, NULL, ret, err);
}
