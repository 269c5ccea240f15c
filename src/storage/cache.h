/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.h - dm-writecache over a data device: what is written goes to a faster device first, and
 * from there to the data device by and by. Opened as /dev/mapper/sdsd-<volume>.cached, fitted to a
 * data device that has grown, emptied, closed. Blocking; called by cached.c in the jobs' threads.
 *
 * The cache device holds what nobody else has: without it, or with another one, the data device is
 * not used. So its first MiB is ours and names the volume (CACHE_HEAD_BYTES), and a cache that is
 * to be there is looked at before the kernel is: that would take zeros for a new one.
 */
#ifndef SDSD_STORAGE_CACHE_H
#define SDSD_STORAGE_CACHE_H

#include "storage/storage.h"

#define CACHE_BLOCK STORAGE_BLOCK /* its unit, and with it the logical block of the volume */
#define CACHE_HEAD_BYTES (1u << 20)
#define CACHE_BYTES_MIN (16ull << 20)
#define CACHE_PATH_MAX 128

struct cache_parts {
	const struct storage_volume *v;
	const char *origin; /* paths of block devices */
	const char *cache;
};

/* The device is new: nothing of what it held is in force. Durable. */
int cache_format(const struct cache_parts *c, struct err *err);
enum cache_state {
	CACHE_MUST_BE, /* -E_CORRUPT when the cache is not the volume's, whole */
	CACHE_NEW,     /* it was formatted and perhaps never opened */
};
/* One that is open already and lies on these very devices is taken as it is; -E_EXISTS when it lies
 * on others. One that has failed and that nobody uses is opened anew; -EIO when it is in use, or
 * fails again. -EOPNOTSUPP: this kernel has no dm-writecache */
int cache_open(const struct cache_parts *c, enum cache_state state, char ret_path[CACHE_PATH_MAX],
	       struct err *err);
/* The open one becomes as long as its data device is now. */
int cache_fit(const struct cache_parts *c, struct err *err);
/* All that was written through it is on the data device. May take long. */
int cache_empty(const char *volume, struct err *err);
/* Is one of that name there, whatever it lies on? Cheap. */
bool cache_is_open(const char *volume);
void cache_path(const char *volume, char out[CACHE_PATH_MAX]);
/* -EBUSY: somebody uses it. Not open: fine. */
int cache_close(const char *volume, struct err *err);

/* The first block of a cache device, and the kernel's superblock behind the head: pure. */
void cache_label(const struct storage_volume *v, uint8_t out[CACHE_BLOCK]);
bool cache_superblock_ok(const uint8_t block[CACHE_BLOCK], uint64_t room_bytes);

#endif
