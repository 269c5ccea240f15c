/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * luks.h - LUKS2 over a data device: made, opened as /dev/mapper/sdsd-<name>, fitted to a device
 * that has grown, closed. Blocking; called by storage.c in its jobs' threads. libcryptsetup and
 * libdevmapper keep things of their process, so one call runs at a time: a device that hangs in one
 * of them holds up the others.
 */
#ifndef SDSD_STORAGE_LUKS_H
#define SDSD_STORAGE_LUKS_H

#include "storage/storage.h"

/* In front of the content, as cryptsetup makes it: two headers of 16 KiB, key slots. */
#define LUKS_HEADER_BYTES (16u << 20)
#define LUKS_PATH_MAX 128

/* What is asked of a header that is not there or not complete. */
enum luks_header {
	LUKS_MUST_BE,  /* -E_CORRUPT, nothing is written */
	LUKS_MAY_MAKE, /* the device is new: it is made */
};

/* Of a volume and the data device under it; key NULL: it is not known now. A mapping that is open
 * already and lies on this very device is taken as it is, with or without a key; -E_EXISTS when it
 * lies on another one, -E_LOCKED when it is to be opened without a key, -E_CORRUPT when the header
 * does not open with it. */
int luks_open(const char *device, const char *volume, const uint8_t *key, enum luks_header header,
	      char ret_path[LUKS_PATH_MAX], struct err *err);
/* The block device that the open mapping lies on: of a file its loop device. */
int luks_below(const char *volume, char *ret_path, size_t len, struct err *err);
/* The open mapping becomes as large as its device is now. */
int luks_fit(const char *device, const char *volume, struct err *err);
/* Zeros from content offset from to to, as they are read through the mapping; durable. */
int luks_zero(const char *volume, uint64_t from, uint64_t to, struct err *err);
/* What was written through the mapping is on its device. Not open: fine. */
int luks_sync(const char *volume, struct err *err);
/* Is a mapping of that name there, whatever it lies on? Cheap. */
bool luks_is_open(const char *volume);
/* -EBUSY: somebody uses it. Not open, or on another device: fine, nothing is done. */
int luks_close(const char *device, const char *volume, struct err *err);

#endif
