// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs_snapshot.c - snapshots, and what ZFS has to keep because of them. Called
 * by zfs_pair.c and through zfs.c's tables.
 *
 * To ZFS a snapshot is a part of its volume (<source>/<volume>@<snapshot>), and
 * goes neither after it nor before the clones that were made from it. To sdsd all
 * three are independent. So:
 *   - a volume with snapshots that is removed gets another name,
 *     <source>/sdsd:gone:<number>, loses its device and its reservation, and is
 *     rolled back to its newest snapshot, so that it holds nothing but these;
 *   - a snapshot with clones that is removed gets another name, too
 *     (...@sdsd:gone:<number>), and is destroyed by ZFS itself with the last
 *     clone of it ("deferred");
 *   - after each removal that may have freed one of them zfs_sweep() destroys
 *     what is needed no more.
 * Who is who says org.sdsd:snapshot of a snapshot, which ZFS writes at once with
 * it, and org.sdsd:gone of a volume that was put away: its name.
 */
#include "storage/zfs_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define SWEEP_ROUNDS 16 /* each may free what the next one destroys */

/* "sdsd:gone:" and a number nobody has drawn before */
static void gone_name(char *out, size_t len)
{
	uint8_t number[8];
	char hex[2 * sizeof(number) + 1];

	rand_bytes(number, sizeof(number));
	text_hex(number, sizeof(number), hex);
	snprintf(out, len, ZFS_GONE "%s", hex);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* --- finding ---------------------------------------------------------------- */

static const char *behind_at(const struct zfs_row *row)
{
	const char *at = strchr(row->name, '@');

	return at ? at + 1 : "";
}

/* Its volume's name as people know that, with length: its dataset's may be another one by now. */
static const char *volume_of(const struct zfs_row *row, size_t *len)
{
	const char *base = zfs_base_name(row->name);

	if (!begins(base, ZFS_GONE)) {
		*len = strcspn(base, "@");
		return base;
	}
	*len = strlen(row->gone);
	return row->gone;
}

/* Does it bear that name, or had it before it was removed as far as possible? */
static bool has_name(const struct zfs_row *row, const struct storage_snapshot *s)
{
	size_t len;
	const char *volume = volume_of(row, &len);

	if (begins(behind_at(row), ZFS_GONE))
		return len == strlen(s->volume) && strncmp(volume, s->volume, len) == 0;
	return strncmp(s->name, volume, len) == 0 && s->name[len] == '_' &&
	       strcmp(s->name + len + 1, behind_at(row)) == 0;
}

static bool has_uuid(const struct zfs_row *row, const struct storage_snapshot *s)
{
	return row->has[ZFS_TAG_SNAPSHOT] && memcmp(row->uuid[ZFS_TAG_SNAPSHOT], s->uuid, 16) == 0;
}

/* Among all snapshots of the pool: s, also one that was given another name to be removed; else
 * one of the same name. */
static const struct zfs_row *pick(const struct zfs_row *rows, int n,
				  const struct storage_snapshot *s)
{
	const struct zfs_row *same = NULL;

	for (int i = 0; i < n; i++) {
		if (rows[i].type != ZFS_SNAPSHOT || rows[i].deferred || !has_name(&rows[i], s))
			continue;
		if (has_uuid(&rows[i], s))
			return &rows[i];
		if (!begins(behind_at(&rows[i]), ZFS_GONE))
			same = &rows[i];
	}
	return same;
}

static void present_name(const struct storage_pool *p, const struct storage_snapshot *s,
			 char out[ZFS_NAME_MAX + 1])
{
	snprintf(out, ZFS_NAME_MAX + 1, "%.*s/%s@%.120s", ZFS_SOURCE_MAX - 40, p->source, s->volume,
		 zfs_short_name(s->volume, s->name));
}

int zfs_snapshot_find(const struct storage_pool *p, const struct storage_snapshot *s,
		      struct zfs_row *ret, struct err *err)
{
	char name[ZFS_NAME_MAX + 1];
	const char *names = name;
	const struct zfs_row *found;
	struct zfs_row *rows;
	int n, rv;

	present_name(p, s, name);
	rv = zfs_look(p, &names, 1, ret, NULL, err);
	if (rv < 0 || (ret->there && has_uuid(ret, s)))
		return rv;
	rv = zfs_list(p, NULL, &rows, &n, err);
	if (rv < 0)
		return rv;
	found = pick(rows, n, s);
	if (!found)
		rv = err_set(err, -ENOENT, "pool %s: the snapshot %s is not there", p->name,
			     s->name);
	else if (!has_uuid(found, s))
		rv = zfs_foreign(p, found->name,
				 found->has[ZFS_TAG_SNAPSHOT] ? ZFS_OTHER : ZFS_STRANGER, err);
	else
		*ret = *found;
	free(rows);
	return rv;
}

/* --- taking ----------------------------------------------------------------- */

/* What is in the device's cache is not in ZFS yet. */
static int sync_node(const struct zfs_pair *q, struct err *err)
{
	char path[ZFS_NODE_MAX];
	int fd, rv = 0;

	if (zfs_node(q->name[ZFS_DATA], path) < 0)
		return 0; /* then nobody has it open */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		rv = err_set(err, -errno, "pool %s: cannot sync %s: %s", q->p->name, path,
			     err_name(-errno));
	if (fd >= 0)
		close(fd);
	return rv;
}

static int take(const struct zfs_pair *q, const struct storage_snapshot *s, struct err *err)
{
	char setting[ZFS_SETTING_MAX], name[ZFS_NAME_MAX + 1];
	int rv = sync_node(q, err);

	if (rv < 0)
		return rv;
	zfs_setting(ZFS_TAG_SNAPSHOT, s->uuid, setting);
	present_name(q->p, s, name);
	return ZFS_RUN(q->p, err, "zfs", "snapshot", "-o", setting, name);
}

int zfs_snapshot(const struct storage_pool *p, const struct storage_volume *v,
		 const struct storage_snapshot *s, struct err *err)
{
	char name[ZFS_NAME_MAX + 1];
	const char *names[2] = { NULL, name };
	struct zfs_row row[2];
	enum zfs_owner data;
	struct zfs_pair q;
	int rv;

	zfs_pair_init(&q, p, v);
	names[0] = q.name[ZFS_DATA];
	present_name(p, s, name);
	rv = zfs_look(p, names, 2, row, &q.source, err);
	if (rv < 0)
		return rv;
	if (row[1].there && has_uuid(&row[1], s))
		return 0;
	if (row[1].there)
		return zfs_foreign(p, name, row[1].has[ZFS_TAG_SNAPSHOT] ? ZFS_OTHER : ZFS_STRANGER,
				   err);
	data = zfs_owner_of(&row[0], v);
	if (data == ZFS_NOBODY)
		return zfs_missing(&q, ZFS_DATA, err);
	if (data != ZFS_US)
		return zfs_foreign(p, q.name[ZFS_DATA], data, err);
	rv = zfs_check_room(p, &q.source, 0, err);
	return rv < 0 ? rv : take(&q, s, err);
}

/* --- removing --------------------------------------------------------------- */

static int defer(const struct storage_pool *p, const char *name, struct err *err)
{
	return ZFS_RUN(p, err, "zfs", "destroy", "-d", name);
}

/* The name is free at once, the snapshot goes with its last clone. */
static int defer_under_new_name(const struct storage_pool *p, const char *name, struct err *err)
{
	char gone[40], to[ZFS_NAME_MAX + 1];
	int rv;

	gone_name(gone, sizeof(gone));
	snprintf(to, sizeof(to), "%.*s@%s", (int)strcspn(name, "@"), name, gone);
	rv = zfs_rename(p, name, to, err);
	return rv < 0 ? rv : defer(p, to, err);
}

int zfs_snapshot_remove(const struct storage_pool *p, const struct storage_snapshot *s,
			struct err *err)
{
	struct zfs_row row;
	int rv = zfs_snapshot_find(p, s, &row, err);

	if (rv < 0 && rv != -ENOENT)
		return rv;
	/* the pool is not there, or the snapshot is not: then what it has left may be */
	if (rv == -ENOENT) {
		rv = zfs_look(p, NULL, 0, NULL, &row, err);
		if (rv == 0)
			zfs_sweep(p);
		return rv;
	}
	rv = begins(behind_at(&row), ZFS_GONE) ? defer(p, row.name, err)
					       : zfs_destroy(p, row.name, err);
	if (rv == -ENOTEMPTY)
		rv = defer_under_new_name(p, row.name, err);
	if (rv == 0)
		zfs_sweep(p);
	return rv;
}

/* --- volumes ---------------------------------------------------------------- */

static int put_under_new_name(const struct storage_pool *p, const struct zfs_row *volume,
			      struct err *err)
{
	char setting[sizeof(volume->gone) + sizeof(ZFS_PROPERTY_GONE)], gone[40];
	char to[ZFS_NAME_MAX + 1];
	struct err ignored;
	int rv;

	snprintf(setting, sizeof(setting), ZFS_PROPERTY_GONE "=%.63s", zfs_base_name(volume->name));
	rv = zfs_set(p, volume->name, setting, err);
	/* what is open keeps its device */
	if (rv == 0)
		rv = zfs_set(p, volume->name, "volmode=none", err);
	if (rv == 0 && zfs_node_gone(volume->name) < 0) {
		zfs_set(p, volume->name, "volmode=dev", &ignored);
		return err_set(err, -EBUSY, "pool %s: %s is in use", p->name, volume->name);
	}
	if (rv == 0 && volume->reserved)
		rv = zfs_set(p, volume->name, "refreservation=none", err);
	gone_name(gone, sizeof(gone));
	snprintf(to, sizeof(to), "%.*s/%s", ZFS_SOURCE_MAX, p->source, gone);
	return rv < 0 ? rv : zfs_rename(p, volume->name, to, err);
}

int zfs_put_away(const struct storage_pool *p, const struct zfs_row *volume, struct err *err)
{
	struct zfs_row *rows;
	bool foreign = false;
	int n, rv = zfs_list(p, volume->name, &rows, &n, err);

	if (rv < 0)
		return rv;
	for (int i = 0; i < n; i++)
		foreign |= !rows[i].has[ZFS_TAG_SNAPSHOT];
	free(rows);
	if (foreign)
		return err_set(err, -EBUSY,
			       "pool %s: %s has snapshots that are not of sdsd and would go with "
			       "it: remove them first",
			       p->name, volume->name);
	rv = n ? put_under_new_name(p, volume, err) : zfs_destroy(p, volume->name, err);
	if (rv == 0 && (n || volume->clone))
		zfs_sweep(p);
	return rv;
}

/* --- sweeping --------------------------------------------------------------- */

static const struct zfs_row *newest_of(const struct zfs_row *rows, int n, const char *dataset)
{
	size_t len = strlen(dataset);
	const struct zfs_row *newest = NULL;

	for (int i = 0; i < n; i++) {
		if (rows[i].type == ZFS_SNAPSHOT && strncmp(rows[i].name, dataset, len) == 0 &&
		    rows[i].name[len] == '@' && (!newest || rows[i].createtxg > newest->createtxg))
			newest = &rows[i];
	}
	return newest;
}

/* 1: it was destroyed, so something else may be free now */
static int sweep_one(const struct storage_pool *p, const struct zfs_row *rows, int n,
		     const struct zfs_row *row, struct err *err)
{
	const struct zfs_row *newest;
	int rv;

	if (row->type == ZFS_SNAPSHOT)
		return begins(behind_at(row), ZFS_GONE) && !row->deferred &&
				       row->has[ZFS_TAG_SNAPSHOT]
			       ? defer(p, row->name, err)
			       : 0;
	if (!begins(zfs_base_name(row->name), ZFS_GONE) || !row->gone[0])
		return 0;
	newest = newest_of(rows, n, row->name);
	if (newest)
		return row->written ? ZFS_RUN(p, err, "zfs", "rollback", newest->name) : 0;
	rv = zfs_destroy(p, row->name, err);
	return rv < 0 ? rv : 1;
}

void zfs_sweep(const struct storage_pool *p)
{
	struct err err = { 0 };

	for (int round = 0; round < SWEEP_ROUNDS; round++) {
		struct zfs_row *rows;
		bool freed = false;
		int n, rv = zfs_list(p, NULL, &rows, &n, &err);

		if (rv < 0) {
			log_warn("storage", "%s", err.text);
			return;
		}
		for (int i = 0; i < n; i++) {
			rv = sweep_one(p, rows, n, &rows[i], &err);
			if (rv < 0)
				log_warn("storage", "%s", err.text);
			freed |= rv == 1;
		}
		free(rows);
		if (!freed)
			return;
	}
}
