/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zfs_snapshot.h - snapshots, and what ZFS has to keep because of them.
 */
#ifndef SDSD_STORAGE_ZFS_SNAPSHOT_H
#define SDSD_STORAGE_ZFS_SNAPSHOT_H

#include "storage/zfs_pair.h"

int zfs_snapshot(const struct storage_pool *p, const struct storage_volume *v,
		 const struct storage_snapshot *s, struct err *err);
int zfs_snapshot_remove(const struct storage_pool *p, const struct storage_snapshot *s,
			struct err *err);
/* Where it is today: its volume may be gone. -ENOENT: it is nowhere; -E_EXISTS: another one has
 * its name */
int zfs_snapshot_find(const struct storage_pool *p, const struct storage_snapshot *s,
		      struct zfs_row *ret, struct err *err);
/* A volume of ours goes: destroyed, or, when snapshots of it stay, put away under another name and
 * without a device. -EBUSY: it is open, or has snapshots that are not of sdsd. */
int zfs_put_away(const struct storage_pool *p, const struct zfs_row *volume, struct err *err);
/* What was put away and is needed by nobody any more goes; what fails the next one does. */
void zfs_sweep(const struct storage_pool *p);

#endif
