/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * write_cache.h - dm-writecache over a data device: what is written goes to a faster device first,
 * and from there to the data device by and by. The mapping of cache.h, fitted to a data device that
 * has grown, emptied. Blocking; called by write_cached.c in the jobs' threads.
 *
 * The cache device holds what nobody else has: without it, or with another one, the data device is
 * not used. So its first MiB is ours and names the volume (WRITE_CACHE_HEAD_BYTES), and a cache
 * that is to be there is looked at before the kernel is: that would take zeros for a new one.
 */
#ifndef SDSD_STORAGE_WRITE_CACHE_H
#define SDSD_STORAGE_WRITE_CACHE_H

#include "storage/cache.h"

#define WRITE_CACHE_BLOCK STORAGE_BLOCK /* its unit, and with it the volume's logical block */
#define WRITE_CACHE_HEAD_BYTES (1u << 20)

/* The device is new: nothing of what it held is in force. Durable. */
int write_cache_format(const struct cache_parts *c, struct err *err);
enum write_cache_state {
	WRITE_CACHE_MUST_BE, /* -E_CORRUPT when the cache is not the volume's, whole */
	WRITE_CACHE_NEW,     /* it was formatted and perhaps never opened */
};
/* One that is open already and lies on these very devices is taken as it is; -E_EXISTS when it lies
 * on others. One that has failed and that nobody uses is opened anew; -EIO when it is in use, or
 * fails again. -EOPNOTSUPP: this kernel has no dm-writecache */
int write_cache_open(const struct cache_parts *c, enum write_cache_state state,
		     char ret_path[CACHE_PATH_MAX], struct err *err);
/* The open one becomes as long as its data device is now. */
int write_cache_fit(const struct cache_parts *c, struct err *err);
/* All that was written through it is on the data device. May take long. */
int write_cache_empty(const char *volume, struct err *err);

/* The first block of a cache device, and the kernel's superblock behind the head: pure. */
void write_cache_label(const struct storage_volume *v, uint8_t out[WRITE_CACHE_BLOCK]);
bool write_cache_superblock_ok(const uint8_t block[WRITE_CACHE_BLOCK], uint64_t room_bytes);

#endif
