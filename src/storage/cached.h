/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cached.h - volumes of LVM with a cache: the operations of storage_ops over those of the pool's
 * kind, of a write cache (write_cached.c) and of a read cache (read_cached.c). The cache is a
 * logical volume <name>.cache in the volume group of another pool of the node; a read cache has a
 * second one, <name>.cmeta. Their tags are those of the pair; the pair's have the group's name
 * (LVM_TAG_CACHE), so that the cache is found when they are removed.
 */
#ifndef SDSD_STORAGE_CACHED_H
#define SDSD_STORAGE_CACHED_H

#include "storage/lvm_pair.h"

/* Of what handles a volume that has a cache. */
const struct storage_ops *cached_ops(const struct storage_volume *v);

/* Can a pool of that kind have volumes with a cache? */
bool cached_can(const char *kind);
/* of what the volume says of its cache; -E_INVALID */
int cached_check(const struct storage_pool *p, const struct storage_volume *v, struct err *err);
/* lvm_pair.c: the cache that v has in that group goes, whose mapping is closed already. Not there
 * or another's: fine. */
int cached_drop(const struct storage_pool *p, const struct storage_volume *v, const char *group,
		struct err *err);

/* --- for those two --- */

extern const struct storage_ops storage_write_cached, storage_read_cached;

enum cached_role { CACHED_DATA, CACHED_META, CACHED_ROLES };
struct cached {
	const struct storage_volume *v;
	struct storage_pool at; /* where the cache is */
	int n;                  /* its logical volumes: the first of these */
	char name[CACHED_ROLES][LVM_NAME_MAX + 1];
	char path[CACHED_ROLES][STORAGE_PATH_MAX];
	struct lvm_lv lv[CACHED_ROLES]; /* as last looked at */
};

void cached_of(struct cached *q, const struct storage_pool *p, const struct storage_volume *v);
/* the operations of the pool's kind */
const struct storage_ops *cached_under(const struct storage_pool *p);
const char *cached_noun(const struct storage_volume *v); /* "write cache" */
int cached_look(struct cached *q, struct err *err);
/* -E_EXISTS: one that is there is not the volume's */
int cached_check_owner(const struct cached *q, struct err *err);
/* One that LVM has becomes a device. */
int cached_reach(const struct cached *q, enum cached_role role, struct err *err);
/* One that is not there is made, with the tags of the pair and this one, or NULL. */
int cached_make(const struct cached *q, enum cached_role role, uint64_t bytes, const char *tag,
		struct err *err);
int cached_remove(const struct cached *q, enum cached_role role, struct err *err);
int cached_zero(const struct storage_pool *p, const struct storage_paths *paths, struct err *err);

#endif
