/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm.h - what the kernel's device-mapper knows of a device, asked directly: no
 * program is run, no lock of LVM is waited for. Blocking, but briefly.
 */
#ifndef SDSD_STORAGE_DM_H
#define SDSD_STORAGE_DM_H

#include <stdbool.h>
#include <stdint.h>

#define DM_NODES "/dev/mapper/"

struct dm_device {
	uint32_t major, minor;
	int opens;
	bool live;      /* it has a table: reads and writes go somewhere */
	bool suspended; /* they wait */
};

/* -ENXIO: there is none of that name */
int dm_look(const char *name, struct dm_device *ret);
/* what a thin device takes in its pool; -EINVAL: it is no thin device, or its pool has failed */
int dm_thin_mapped(const char *name, uint64_t *ret_bytes);
/* What a discard has to cover, aligned to it, to have an effect on this device: of a thin one the
 * pool's chunk. 0: it takes none, or does not say. */
uint32_t dm_discard_bytes(const char *name);
int dm_resume(const char *name);

#endif
