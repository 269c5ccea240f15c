/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.h - the mapping /dev/mapper/sdsd-<volume>.cached, by which a data device is reached that
 * has a cache: what write_cache.c (of what is written) and read_cache.c (of what is read) share.
 * Blocking; called in the jobs' threads.
 */
#ifndef SDSD_STORAGE_CACHE_H
#define SDSD_STORAGE_CACHE_H

#include "storage/storage.h"

#define CACHE_BYTES_MIN (16ull << 20)
#define CACHE_PATH_MAX 128
#define CACHE_NUMBERS_MAX 24

struct cache_parts {
	const struct storage_volume *v;
	const char *origin; /* paths of block devices */
	const char *cache;
	const char *meta; /* read_cache.c only */
};

/* Is one of that name there, whatever it lies on? Cheap. */
bool cache_is_open(const char *volume);
void cache_path(const char *volume, char out[CACHE_PATH_MAX]);
/* What was written through it is on the devices below. */
int cache_sync(const char *volume, struct err *err);
/* -EBUSY: somebody uses it. Not open: fine. */
int cache_close(const char *volume, struct err *err);

/* For those two. What device-mapper calls it. */
void cache_name(const char *volume, char out[CACHE_PATH_MAX]);
/* "254:3", as tables have it; -errno */
int cache_numbers(const char *path, char out[CACHE_NUMBERS_MAX]);
/* One of libdevmapper's DM_DEVICE_..., with a table of one target, or table NULL; -errno */
int cache_run(int what, const char *name, uint64_t bytes, const char *type, const char *table);
/* The open one's path, which leads to it. */
int cache_reach(const char *volume, char ret_path[CACHE_PATH_MAX], struct err *err);

#endif
