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
/* 0: the path, below DM_NODES, leads to the device of that name; -ENXIO: there is none that is
 * live; -ENODEV: no, or a wrong, node */
int dm_node(const char *path);

/* a device with one target of a type */
#define DM_WORDS_MAX 256
enum dm_words { DM_TABLE, DM_STATE };
struct dm_target {
	uint64_t bytes;
	char words[DM_WORDS_MAX]; /* of its table, or of its state, as the target puts it; cut */
};
/* -ENXIO: there is none of that name; -EINVAL: it is of something else */
int dm_target(const char *name, const char *type, enum dm_words which, struct dm_target *ret);
/* Does the kernel have this target at present, of that version at least? */
bool dm_knows(const char *type, uint32_t major, uint32_t minor);
/* May take as long as the target needs for it. */
int dm_message(const char *name, const char *text);

/* libdevmapper, and libcryptsetup on it, keep things of their process: whoever calls one of them
 * does so between these two. */
void dm_library_enter(void);
void dm_library_leave(void);

#endif
