// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs.c - volumes in a zpool, or below a file system of one, with space that is
 * reserved when they are made (ZFS) or taken as they are written (ZFS_THIN).
 * Called by storage.c in worker threads. Volumes are in zfs_pair.c, snapshots in
 * zfs_snapshot.c; here is what the pool as a whole is asked.
 */
#include "storage/zfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "storage/zfs_devices.h"
#include "storage/zfs_pair.h"
#include "storage/zfs_snapshot.h"

#define TAKEN_MS 20000 /* less than between two questions about one volume */
#define MS 1000000ull

static int check(const struct storage_pool *p, struct err *err)
{
	if (zfs_source_ok(p->source))
		return 0;
	return err_set(err, -E_INVALID,
		       "pool %s: \"%.200s\" is no name of a zpool or of a file system in one, such "
		       "as tank or tank/sdsd, of %d characters at most",
		       p->name, p->source, ZFS_SOURCE_MAX);
}

/* What hangs holds up its zpool. */
static void lock(const struct storage_pool *p, char *out, size_t len)
{
	snprintf(out, len, "zpool/%.*s", (int)zfs_pool_len(p->source), p->source);
}

/* --- space ------------------------------------------------------------------ */

/* Of a zpool that stands still nothing else would answer. */
static int check_health(const struct storage_pool *p, struct err *err)
{
	char zpool[ZFS_SOURCE_MAX + 1], *text = NULL;
	int rv;

	snprintf(zpool, sizeof(zpool), "%.*s", (int)zfs_pool_len(p->source), p->source);
	rv = ZFS_ASK(p, &text, err, "zpool", "list", "-H", "-o", "health", zpool);
	if (rv < 0)
		return rv;
	text[strcspn(text, "\n")] = 0;
	if (strcmp(text, "ONLINE") != 0 && strcmp(text, "DEGRADED") != 0)
		rv = err_set(err, -EIO, "pool %s: zpool %s is %.20s: zpool status", p->name, zpool,
			     text);
	free(text);
	return rv;
}

static int probe(const struct storage_pool *p, struct storage_space *ret, struct err *err)
{
	struct zfs_row source;
	int rv = check_health(p, err);

	if (rv == 0)
		rv = zfs_look(p, NULL, 0, NULL, &source, err);
	if (rv < 0)
		return rv;
	ret->total_kib = (int64_t)((source.used + source.available) / 1024);
	ret->free_kib = (int64_t)(source.available / 1024);
	ret->meta_percent = -1;
	ret->queues = false;
	return 0;
}

/* What is reserved, asked of the kernel. */
static int allocated(const struct storage_pool *p, const struct storage_volume *v, int64_t *ret_kib,
		     struct err *err)
{
	struct zfs_pair q;
	uint64_t sum = 0;

	zfs_pair_init(&q, p, v);
	for (int i = ZFS_DATA; i <= ZFS_META; i++) {
		char path[ZFS_NODE_MAX];
		int rv = zfs_node(q.name[i], path);

		if (rv < 0)
			return err_set(err, rv, "pool %s: %s has no device", p->name, q.name[i]);
		sum += zfs_node_bytes(path);
	}
	*ret_kib = (int64_t)(sum / 1024);
	return 0;
}

/* What volumes take only a program can tell, and each of them is asked for often: so one answer
 * about all of a source is kept for a while. */
static struct {
	pthread_mutex_t lock;
	char source[ZFS_SOURCE_MAX + 1];
	uint64_t until_ns; /* clock_boot_ns */
	struct zfs_row *rows;
	int n;
} taken = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct zfs_row *taken_row(const char *source, const char *name)
{
	if (strcmp(taken.source, source) != 0 || clock_boot_ns() > taken.until_ns)
		return NULL;
	for (int i = 0; i < taken.n; i++) {
		if (strcmp(taken.rows[i].name, name) == 0)
			return &taken.rows[i];
	}
	return NULL;
}

/* takes rows */
static void taken_keep(const char *source, struct zfs_row *rows, int n)
{
	free(taken.rows);
	snprintf(taken.source, sizeof(taken.source), "%.*s", ZFS_SOURCE_MAX, source);
	taken.rows = rows;
	taken.n = n;
	taken.until_ns = clock_boot_ns() + TAKEN_MS * MS;
}

/* with the lock; *ret_kib -1: it is not there */
static void taken_kib(const struct zfs_pair *q, int64_t *ret_kib)
{
	const struct zfs_row *data = taken_row(q->p->source, q->name[ZFS_DATA]);
	const struct zfs_row *meta = taken_row(q->p->source, q->name[ZFS_META]);

	/* of metadata the space is reserved */
	*ret_kib = data && meta ? (int64_t)((data->referenced + meta->volsize) / 1024) : -1;
}

static int allocated_thin(const struct storage_pool *p, const struct storage_volume *v,
			  int64_t *ret_kib, struct err *err)
{
	struct zfs_row *rows;
	struct zfs_pair q;
	int n, rv;

	zfs_pair_init(&q, p, v);
	pthread_mutex_lock(&taken.lock);
	taken_kib(&q, ret_kib);
	pthread_mutex_unlock(&taken.lock);
	if (*ret_kib >= 0)
		return 0;
	rv = zfs_list(p, NULL, &rows, &n, err);
	if (rv < 0)
		return rv;
	pthread_mutex_lock(&taken.lock);
	taken_keep(p->source, rows, n);
	taken_kib(&q, ret_kib);
	pthread_mutex_unlock(&taken.lock);
	return *ret_kib < 0 ? zfs_missing(&q, ZFS_DATA, err) : 0;
}

const struct storage_ops storage_zfs = {
	.kind = "ZFS",
	.check = check,
	.lock = lock,
	.probe = probe,
	.create = zfs_pair_create_empty,
	.locate = zfs_pair_locate,
	.grow = zfs_pair_grow,
	.remove = zfs_pair_remove,
	.allocated = allocated,
	.snapshot = zfs_snapshot,
	.restore = zfs_pair_create,
	.snapshot_remove = zfs_snapshot_remove,
	.task = zfs_task,
};

const struct storage_ops storage_zfs_thin = {
	.kind = "ZFS_THIN",
	.check = check,
	.lock = lock,
	.probe = probe,
	.create = zfs_pair_create_empty,
	.locate = zfs_pair_locate,
	.grow = zfs_pair_grow,
	.remove = zfs_pair_remove,
	.allocated = allocated_thin,
	.snapshot = zfs_snapshot,
	.restore = zfs_pair_create,
	.snapshot_remove = zfs_snapshot_remove,
	.task = zfs_task,
};
