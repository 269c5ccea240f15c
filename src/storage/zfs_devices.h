/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zfs_devices.h - zpools that sdsd makes of devices itself.
 */
#ifndef SDSD_STORAGE_ZFS_DEVICES_H
#define SDSD_STORAGE_ZFS_DEVICES_H

#include "storage/storage.h"

int zfs_task(const struct storage_pool *p, const struct storage_task *t, struct err *err);

/* --- for zfs_devices.c and its test; pure, all of them ------------------------ */

/* The comment of each zpool that we make: it is in the labels of its disks, too. */
#define ZFS_MARK_LEN 28
void zfs_mark(const uint8_t pool[16], char ret[ZFS_MARK_LEN + 1]);
/* The first such mark in what is read of a disk; false: there is none. */
bool zfs_mark_in(const void *data, size_t len, char ret[ZFS_MARK_LEN + 1]);
/* The next device that `zpool list -HPLv` tells, from *text on, which moves behind it; false: there
 * is none */
bool zfs_next_device(const char **text, char *ret, size_t len);

#endif
