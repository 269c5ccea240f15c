/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loopdev.h - files as block devices, for the kernel module: loop devices that
 * detach themselves when the last user has closed them. Which file one has is
 * asked of the kernel each time; nothing is remembered. Blocking; called from
 * worker threads.
 */
#ifndef SDSD_REPLICATION_LOOPDEV_H
#define SDSD_REPLICATION_LOOPDEV_H

#include "base/err.h"
#include "shared/port.h"

#define LOOPDEV_PATH_MAX 256 /* "/dev/loop123", or the path of a block device */

/* The loop device that has this very file (not one of the same name before it). -ENOENT: none. */
int loopdev_find(const char *path, char ret_dev[LOOPDEV_PATH_MAX], struct err *err);
/* The one that there is, or a new one; direct I/O where the file system can. *ret_fd keeps it: it
 * goes when that and all others that have opened it are closed. A path that is a block device
 * itself is given back as it is. */
int loopdev_attach(const char *path, char ret_dev[LOOPDEV_PATH_MAX], int *ret_fd, struct err *err);
/* the file has grown: so does the device. A block device needs no word. */
int loopdev_refresh(const char *path, struct err *err);

#endif
