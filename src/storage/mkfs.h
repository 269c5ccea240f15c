/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mkfs.h - makes a file system on a block device, by mkfs.ext4 and mkfs.xfs, and
 * says what is on it before. Blocking: called from worker threads. Both programs
 * write past the page cache, and what makes the file system valid last of all:
 * ext4 its first superblock, xfs the end of sb_inprogress. So a device with the
 * wanted uuid on it says by itself whether mkfs had ended when the power went.
 */
#ifndef SDSD_STORAGE_MKFS_H
#define SDSD_STORAGE_MKFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define MKFS_DEADLINE_MS 60000
#define MKFS_LOOK_BYTES 65536 /* at either end of the device */
#define MKFS_WORDS_MAX 64     /* of the command line */

struct mkfs {
	bool xfs; /* else ext4 */
	char uuid[37];
	const char *params;       /* further words, split at blanks; borrowed */
	const char *user, *group; /* of its root directory, names or numbers; "": root; borrowed */
	const char *dir;          /* for a file while it runs; borrowed */
};

enum mkfs_found {
	MKFS_NOTHING,
	MKFS_PART,    /* xfs of that uuid whose making was interrupted */
	MKFS_THERE,   /* a whole file system of that uuid */
	MKFS_FOREIGN, /* something else */
};

/* By the first MKFS_LOOK_BYTES of the device (fewer are nothing). Pure. FOREIGN is never returned:
 * see mkfs_look. */
enum mkfs_found mkfs_recognise(const struct mkfs *m, const uint8_t *head, size_t len);
/* fd: of the device at path. begun: mkfs may have run there before, and a rest of it counts as
 * nothing; zeros: a volume that nobody has written is zeros, and one that is not counts as foreign.
 * 0 or -errno; err says what is foreign, too. */
int mkfs_look(const struct mkfs *m, const char *path, int fd, bool begun, bool zeros,
	      enum mkfs_found *ret, struct err *err);
/* found: as mkfs_look has said, NOTHING or PART. -ENOENT: no such program, user or group; -EIO: the
 * program's own words; -ETIMEDOUT: killed after MKFS_DEADLINE_MS. */
int mkfs_make(const struct mkfs *m, const char *path, enum mkfs_found found, struct err *err);

#endif
