/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zfs_tool.h - ZFS's programs as functions. Each runs one program and blocks
 * until that has ended. Datasets are named in full here: "tank/sdsd/db_00000".
 */
#ifndef SDSD_STORAGE_ZFS_TOOL_H
#define SDSD_STORAGE_ZFS_TOOL_H

#include "storage/storage.h"
#include "storage/zfs_report.h"

#define ZFS_LOOK_MAX 6
#define ZFS_BLOCK 16384  /* volblocksize: ZFS's own default. Sizes are multiples of it */
#define ZFS_BUSY_MS 3000 /* udev looks at what is new, or was just closed */

/* what a volume begins as */
struct zfs_new {
	const char *name;
	uint64_t size_bytes; /* made a multiple of ZFS_BLOCK */
	bool thin;           /* no space is set aside */
	const char *of;      /* the snapshot whose content it has, for size_bytes at least; NULL */
	char set[2][ZFS_SETTING_MAX];
};

/* A program of ZFS with these words; argv ends with NULL. What it complains of tells the code. */
int zfs_run(const struct storage_pool *p, const char *const argv[], struct err *err);
/* The same of one that only asks; *ret is what it says, for the caller to free. */
int zfs_ask(const struct storage_pool *p, const char *const argv[], char **ret, struct err *err);
#define ZFS_RUN(p, err, ...) zfs_run(p, (const char *const[]){ __VA_ARGS__, NULL }, err)
#define ZFS_ASK(p, ret, err, ...) zfs_ask(p, (const char *const[]){ __VA_ARGS__, NULL }, ret, err)

/* Those of these names, at most ZFS_LOOK_MAX; there false where there is none. -ENOENT: the pool's
 * source is not there, of which *source is filled (NULL: nobody wants it). */
int zfs_look(const struct storage_pool *p, const char *const names[], int n, struct zfs_row ret[],
	     struct zfs_row *source, struct err *err);
/* All snapshots of a volume; of NULL: all volumes right below the source, and all their snapshots.
 * *ret is the caller's to free. */
int zfs_list(const struct storage_pool *p, const char *of, struct zfs_row **ret, int *n,
	     struct err *err);

/* -ENOSPC. ZFS writes first the volume and then its properties, so it is to be made under a name of
 * ZFS_NEW. */
int zfs_make(const struct storage_pool *p, const struct zfs_new *o, struct err *err);
int zfs_resize(const struct storage_pool *p, const char *name, uint64_t size_bytes,
	       struct err *err);
int zfs_set(const struct storage_pool *p, const char *name, const char *setting, struct err *err);
int zfs_unset(const struct storage_pool *p, const char *name, const char *property,
	      struct err *err);
int zfs_rename(const struct storage_pool *p, const char *name, const char *to, struct err *err);
/* One dataset or snapshot, nothing with it. -EBUSY: somebody has it open, for ZFS_BUSY_MS at least;
 * -ENOTEMPTY: a snapshot with clones. Missing is fine. */
int zfs_destroy(const struct storage_pool *p, const char *name, struct err *err);

/* as ZFS takes it: a multiple of ZFS_BLOCK */
uint64_t zfs_size(uint64_t size_bytes);
/* About what ZFS sets aside for a volume of that size, or for one to grow to it from another one:
 * the blocks that point to its blocks, and something for the volume itself. */
uint64_t zfs_reserve(uint64_t size_bytes);

#endif
