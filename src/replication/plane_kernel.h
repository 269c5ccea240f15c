/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plane_kernel.h - the plane whose mirrors run in the kernel module. Use it by
 * plane.h's plane_kernel; this is for tests, which have a module of their own.
 */
#ifndef SDSD_REPLICATION_PLANE_KERNEL_H
#define SDSD_REPLICATION_PLANE_KERNEL_H

#include "replication/kernel_resource.h"

#define KERNEL_RETRY_MS 1000 /* the module is looked for again */
#define KERNEL_SWEEP_MS 1000 /* what nobody knows is looked for so long after it was heard of */
#define KERNEL_SWEEP_AGAIN_MS 10000 /* what was left since it was open is looked at again */
#define KERNEL_ORPHANS_MAX 1024     /* in one sweep */

/* Called by start of each plane from now on; NULL: kernel_nl_new. dev_dir NULL: /dev. */
void plane_kernel_fake(struct kernel_port *(*port)(void), const char *dev_dir);

#endif
