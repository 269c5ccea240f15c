/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * volume_cache.h - the cache of each copy of a volume: of what is written, where its resource has
 * the layer WRITECACHE, or of what is read, where it has the layer CACHE; the copy is whole
 * without the latter. LINSTOR's words for it, of the volume, its resource, the resource group or
 * the controller, the nearest one counts:
 *   Writecache/PoolName, Cache/CachePool  the pool that keeps it, on every node with a copy; of
 *                                         kind LVM
 *   Writecache/Size, Cache/Cachesize      bytes, or "5%" of the volume (this is what there is
 *                                         without it)
 * What they say when the volume is defined is kept in it; later they change nothing:
 * "cache": {"pool":"ssd","size_kib":524288}
 */
#ifndef SDSD_MODEL_VOLUME_CACHE_H
#define SDSD_MODEL_VOLUME_CACHE_H

#include "base/json.h"
#include "model/name.h"
#include "model/props.h"

#define VOLUME_CACHE_PERCENT 5
#define VOLUME_CACHE_UNIT_KIB 4096         /* sizes are multiples of it, as LVM makes them */
#define VOLUME_CACHE_KIB_MIN (16ll << 10)  /* what a percentage is at least */
#define VOLUME_CACHE_KIB_MAX (256ll << 20) /* 256 GiB, for which the kernel needs 6 GiB of memory */

struct volume_cache {
	char pool[NAME_MAX_LEN + 1]; /* "": none */
	int64_t size_kib;
	/* Of what is read, else of what is written. The resource's layers say it, not the document:
	 * a version without the layer CACHE refuses that, and takes neither for the other. */
	bool reads;
};

const char *volume_cache_noun(bool reads); /* "write cache" */
/* What the properties say for a volume of that size. -E_BAD_PROP, with what is possible; what:
 * "volume db/0" */
int volume_cache_of(const struct props_chain *c, const char *what, bool reads, int64_t size_kib,
		    struct volume_cache *ret, struct err *err);
/* Properties that say it, for another volume; props that name a pool stay as they are. */
void volume_cache_tell(const struct volume_cache *c, json *props);
/* "cache" of a volume's document, of which kind is the caller's to know */
int volume_cache_parse(json *doc, const char *what, struct volume_cache *ret, struct err *err);
void volume_cache_write(json *volume, const struct volume_cache *c);

#endif
