/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lvm_pair.h - the two logical volumes of a volume, data and metadata, in a
 * volume group or in a thin pool of it: what lvm.c and lvm_thin.c share.
 */
#ifndef SDSD_STORAGE_LVM_PAIR_H
#define SDSD_STORAGE_LVM_PAIR_H

#include "storage/lvm_tool.h"

enum lvm_role {
	LVM_DATA,
	LVM_META,
	LVM_POOL,     /* thin only */
	LVM_SNAPSHOT, /* when it is about one */
	LVM_ROLES
};
enum lvm_owner { LVM_NOBODY, LVM_US, LVM_OTHER, LVM_STRANGER /* not of sdsd */ };

struct lvm_pair {
	const struct storage_pool *p;
	const struct storage_volume *v;
	struct lvm_source source;
	bool thin;
	char name[LVM_ROLES][LVM_NAME_MAX + 1]; /* "": none */
	struct storage_paths paths;             /* once it is known that they lead there */
	struct lvm_lv lv[LVM_ROLES];            /* as last looked at */
};

/* snapshot: the name of the one it is about, or NULL */
void lvm_pair_init(struct lvm_pair *q, const struct storage_pool *p, const struct storage_volume *v,
		   const char *snapshot);
int lvm_pair_look(struct lvm_pair *q, struct err *err);
enum lvm_owner lvm_owner_of(const struct lvm_lv *lv, const struct storage_volume *v);
int lvm_foreign(const struct lvm_pair *q, enum lvm_role role, enum lvm_owner who, struct err *err);
int lvm_missing(const struct lvm_pair *q, enum lvm_role role, struct err *err);
/* LVM lets go on what it has left suspended. Where it cannot, the kernel does: nothing is worse for
 * who waits. device: as the kernel calls it */
int lvm_resume(const struct storage_pool *p, const char *group, const char *lv, const char *device,
	       struct err *err);
/* After a program that may have been killed: neither the pair nor its pool stays suspended. */
int lvm_pair_resume(const struct lvm_pair *q, struct err *err);
/* LVM has the two (somebody has looked): they become devices. */
int lvm_pair_usable(const struct lvm_pair *q, struct err *err);
/* metadata of its owner, as when the pair is made */
int lvm_pair_format(const struct lvm_pair *q, struct err *err);
/* the name of the device that the kernel has for it */
void lvm_device_name(const char *group, const char *lv, char *out, size_t len);

/* the operations of storage_ops; create with what the snapshot holds, or NULL: zeros */
int lvm_pair_create(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *from, struct storage_paths *ret,
		    struct err *err);
/* of zeros: the create of both backends */
int lvm_pair_create_empty(const struct storage_pool *p, const struct storage_volume *v,
			  struct storage_paths *ret, struct err *err);
int lvm_pair_locate(const struct storage_pool *p, const struct storage_volume *v,
		    struct storage_paths *ret, struct err *err);
int lvm_pair_grow(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err);
int lvm_pair_remove(const struct storage_pool *p, const struct storage_volume *v, struct err *err);

/* room for two volumes to become longer by as much, in whole extents; -ENOSPC */
int lvm_check_room(const struct storage_pool *p, uint64_t data_from, uint64_t data_to,
		   uint64_t meta_from, uint64_t meta_to, struct err *err);
/* lvm_thin.c: is this a thin pool, and one that we can use? */
int lvm_thin_check_pool(const struct storage_pool *p, const struct lvm_lv *pool, struct err *err);
/* and has it room for more? bytes: what is written at once */
int lvm_thin_check_room(const struct storage_pool *p, const struct lvm_lv *pool, uint64_t bytes,
			struct err *err);
int64_t lvm_thin_free(const struct lvm_lv *pool); /* bytes; -1: not known */
bool lvm_is_snapshot(const struct lvm_lv *lv, const struct storage_snapshot *s);

#endif
