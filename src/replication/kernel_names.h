/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_names.h - block devices by the names of their resources:
 * <dev>/rvol/by-res/<resource>/<number>, and the same below <dev>/drbd, where
 * drivers of LINSTOR look. A name there that leads to somebody else's device is
 * left as it is. What fails here is told in the log and hinders nothing.
 */
#ifndef SDSD_REPLICATION_KERNEL_NAMES_H
#define SDSD_REPLICATION_KERNEL_NAMES_H

#include "replication/plane.h"

#define KERNEL_DEVICE_MAX 32 /* "rvol1000" */

void kernel_names_set(const char *dev_dir, const struct plane_resource *r);
/* The same with devices that have no minor of their own ("nvme0n1"), by number; "": none */
void kernel_names_lead(const char *dev_dir, const char *resource,
		       const char device[PLANE_VOLUMES][KERNEL_DEVICE_MAX]);
void kernel_names_remove(const char *dev_dir, const char *resource);

#endif
