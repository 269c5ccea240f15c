/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zfs_node.h - the block device of a volume of ZFS, found without running a
 * program: the kernel is asked what a device is.
 */
#ifndef SDSD_STORAGE_ZFS_NODE_H
#define SDSD_STORAGE_ZFS_NODE_H

#include <stdint.h>

#include "storage/zfs_report.h"

#define ZFS_NODE_MAX 32 /* "/dev/zd16" */

/* -ENXIO: it has none */
int zfs_node(const char *dataset, char ret[ZFS_NODE_MAX]);
/* The same, waiting for a moment: devices are made, renamed and removed behind the back of the
 * program that asked for it. */
int zfs_node_wait(const char *dataset, char ret[ZFS_NODE_MAX]);
/* 0: it has none any more; -EBUSY: it stays, as somebody has it open */
int zfs_node_gone(const char *dataset);
/* how long it is; 0: nobody knows */
uint64_t zfs_node_bytes(const char *path);

#endif
