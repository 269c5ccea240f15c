/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zfs.h - the backends that keep volumes as volumes of ZFS (storage.c's table only). */
#ifndef SDSD_STORAGE_ZFS_H
#define SDSD_STORAGE_ZFS_H

#include "storage/storage.h"

extern const struct storage_ops storage_zfs;      /* space is reserved */
extern const struct storage_ops storage_zfs_thin; /* and is not */

#endif
