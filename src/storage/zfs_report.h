/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zfs_report.h - what `zfs list` says, names of datasets, and the properties by
 * which we know what is ours. Pure.
 */
#ifndef SDSD_STORAGE_ZFS_REPORT_H
#define SDSD_STORAGE_ZFS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ZFS_NAME_MAX 255   /* ZFS's limit, with snapshot */
#define ZFS_SOURCE_MAX 100 /* of a pool's source: the rest is for what we put behind it */

enum zfs_type { ZFS_FILESYSTEM, ZFS_VOLUME, ZFS_SNAPSHOT };
enum zfs_tag {
	ZFS_TAG_REPLICA,  /* whose data or metadata it is */
	ZFS_TAG_VOLUME,   /* of which volume */
	ZFS_TAG_SNAPSHOT, /* which snapshot it is */
	ZFS_TAGS
};
#define ZFS_PROPERTY_GONE "org.sdsd:gone" /* kept for its snapshots only: the volume's name */

struct zfs_row {
	bool there;
	char name[ZFS_NAME_MAX + 1];
	enum zfs_type type;
	uint64_t volsize, used, available, referenced; /* bytes; 0 where it has none */
	uint64_t written;                              /* since its newest snapshot */
	uint64_t createtxg;                            /* in the order in which they were made */
	bool reserved;                                 /* a volume: its size is set aside */
	bool clone;    /* made of a snapshot, which it still needs */
	bool deferred; /* a snapshot: goes with the last clone of it */
	bool has[ZFS_TAGS];
	uint8_t uuid[ZFS_TAGS][16];
	char gone[64]; /* ZFS_PROPERTY_GONE; "" */
};

/* the columns that zfs_report wants, of `zfs list -Hp` */
#define ZFS_FIELDS                                                                             \
	"name,type,volsize,used,available,referenced,written,createtxg,refreservation,origin," \
	"defer_destroy,org.sdsd:replica,org.sdsd:volume,org.sdsd:snapshot," ZFS_PROPERTY_GONE

/* All lines of a report; *ret is an array of *n for the caller to free. -E_CORRUPT with a sentence
 * when it is no such report: what is understood in part could hide a volume that exists. */
int zfs_report(const char *text, struct zfs_row **ret, int *n, struct err *err);
/* Does every line of a complaint only say that something asked for does not exist? "": false */
bool zfs_only_missing(const char *complaint);
/* what a complaint means: -ENOSPC, -EBUSY, -ENOENT, -E_EXISTS, -ENOTEMPTY (clones of it are there),
 * else code */
int zfs_meaning(const char *complaint, int code);

/* Can it be a pool's source: the name of a zpool, or of a file system in one? */
bool zfs_source_ok(const char *source);
/* Length of the zpool's name at the beginning of a dataset's. */
size_t zfs_pool_len(const char *dataset);
/* "org.sdsd:replica=<uuid>" */
#define ZFS_SETTING_MAX 80
void zfs_setting(enum zfs_tag tag, const uint8_t uuid[16], char out[ZFS_SETTING_MAX]);
/* Without a source, as everything below: "sdsd:new:<owner>:<volume>" is being made, and
 * "sdsd:gone:..." is what others still need. No resource or snapshot has a name with a colon. */
#define ZFS_NEW "sdsd:new:"
#define ZFS_GONE "sdsd:gone:"
/* of a volume that is being made for this owner */
void zfs_new_name(const uint8_t owner[16], const char *volume, char *out, size_t len);
/* What a snapshot of a volume is called behind the @: "db_00000_one" of db_00000 is "one". */
const char *zfs_short_name(const char *volume, const char *snapshot);
/* the last component of a dataset's name; of a snapshot: with the @ and what follows */
const char *zfs_base_name(const char *dataset);

#endif
