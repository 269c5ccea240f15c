/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zfs_pair.h - the two volumes of ZFS that are a volume of ours: what zfs.c and
 * zfs_snapshot.c share.
 */
#ifndef SDSD_STORAGE_ZFS_PAIR_H
#define SDSD_STORAGE_ZFS_PAIR_H

#include "storage/zfs_node.h"
#include "storage/zfs_tool.h"

enum zfs_role {
	ZFS_DATA,
	ZFS_META,
	ZFS_NEW_DATA, /* as they are being made */
	ZFS_NEW_META,
	ZFS_ROLES
};
enum zfs_owner { ZFS_NOBODY, ZFS_US, ZFS_OTHER, ZFS_STRANGER /* not of sdsd */ };

struct zfs_pair {
	const struct storage_pool *p;
	const struct storage_volume *v;
	bool thin;
	char name[ZFS_ROLES][ZFS_NAME_MAX + 1];
	struct storage_paths paths;
	struct zfs_row row[ZFS_ROLES], source; /* as last looked at */
};

bool zfs_is_thin(const struct storage_pool *p);
void zfs_pair_init(struct zfs_pair *q, const struct storage_pool *p,
		   const struct storage_volume *v);
int zfs_pair_look(struct zfs_pair *q, struct err *err);
enum zfs_owner zfs_owner_of(const struct zfs_row *row, const struct storage_volume *v);
int zfs_foreign(const struct storage_pool *p, const char *name, enum zfs_owner who,
		struct err *err);
int zfs_missing(const struct zfs_pair *q, enum zfs_role role, struct err *err);
/* Is there room for so many bytes more? -ENOSPC with the numbers */
int zfs_check_room(const struct storage_pool *p, const struct zfs_row *source, uint64_t bytes,
		   struct err *err);

/* the operations of storage_ops; create with what the snapshot holds, or NULL: zeros */
int zfs_pair_create(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *from, struct storage_paths *ret,
		    struct err *err);
int zfs_pair_create_empty(const struct storage_pool *p, const struct storage_volume *v,
			  struct storage_paths *ret, struct err *err);
int zfs_pair_locate(const struct storage_pool *p, const struct storage_volume *v,
		    struct storage_paths *ret, struct err *err);
int zfs_pair_grow(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err);
int zfs_pair_remove(const struct storage_pool *p, const struct storage_volume *v, struct err *err);

#endif
