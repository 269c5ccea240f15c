/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cached.h - volumes of LVM with a write cache: the operations of storage_ops over
 * those of the pool's kind. The cache is a logical volume <name>.cache in the volume
 * group of another pool of the node. Its tags are those of the pair; the pair's have
 * the group's name (LVM_TAG_CACHE), so that the cache is found when they are removed.
 */
#ifndef SDSD_STORAGE_CACHED_H
#define SDSD_STORAGE_CACHED_H

#include "storage/storage.h"

extern const struct storage_ops storage_cached;

/* Can a pool of that kind have volumes with a write cache? */
bool cached_can(const char *kind);
/* of what the volume says of its cache; -E_INVALID */
int cached_check(const struct storage_pool *p, const struct storage_volume *v, struct err *err);
/* lvm_pair.c: the cache that v has in that group goes, whose mapping is closed already. Not there
 * or another's: fine. */
int cached_drop(const struct storage_pool *p, const struct storage_volume *v, const char *group,
		struct err *err);

#endif
