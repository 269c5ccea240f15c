/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read_cache.h - dm-cache in write-through mode over a data device: what is read often is read from
 * a faster device. The mapping of cache.h. Blocking; called by read_cached.c in the jobs' threads.
 * docs/storage.md, "Read cache".
 *
 * All that was written is on the data device, so the mapping always goes on, with a cache or
 * without: its table is dm-cache's or a linear one. What is in a cache that was made earlier is
 * never believed: it begins empty whenever it is opened. So a device that is damaged, or another
 * one, or one that lacks what a crash or a failed write has kept from it, is no danger, and needs
 * no label; and data may be written past a mapping that is opened anew before anybody reads it.
 */
#ifndef SDSD_STORAGE_READ_CACHE_H
#define SDSD_STORAGE_READ_CACHE_H

#include "storage/cache.h"

/* How the bytes of a cache are shared between blocks and the kernel's metadata of them. Pure. */
struct read_cache_share {
	uint64_t block_bytes; /* its unit: 64 KiB, more where they would be too many */
	uint64_t data_bytes, meta_bytes;
};
#define READ_CACHE_BLOCK_MIN (64u << 10)
#define READ_CACHE_BLOCKS_MAX (1u << 20) /* what the kernel warns of, for the memory it takes */
/* bytes: at least CACHE_BYTES_MIN */
void read_cache_share(uint64_t bytes, struct read_cache_share *ret);

/* It is open, as long as its data device, and has no cache; what was open goes on, also if it is in
 * use. -E_EXISTS when what has the name lies on another data device. */
int read_cache_open(const struct cache_parts *c, char ret_path[CACHE_PATH_MAX], struct err *err);
/* 1: the open one has its cache now, which is empty; 0: as before, and *why says what is wrong with
 * that; else the mapping does not go on until it is opened again */
int read_cache_add(const struct cache_parts *c, struct err *why, struct err *err);

/* Of the state that the kernel tells of a cache ("8 72/1024 128 ... rw -"): it works. Pure. */
bool read_cache_is_well(const char *state);

#endif
