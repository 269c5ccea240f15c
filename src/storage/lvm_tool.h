/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lvm_tool.h - LVM's programs as functions. Each runs one program, in the
 * volume group of a pool, and blocks until that has ended.
 */
#ifndef SDSD_STORAGE_LVM_TOOL_H
#define SDSD_STORAGE_LVM_TOOL_H

#include "storage/lvm_report.h"
#include "storage/storage.h"

#define LVM_LOOK_MAX 4

/* what a pool is made of */
struct lvm_source {
	char group[LVM_NAME_MAX + 1];
	char pool[LVM_NAME_MAX + 1]; /* "": none, the volumes are in the group itself */
};
/* -E_INVALID: the text cannot be one */
int lvm_source_parse(const char *source, struct lvm_source *ret);

struct lvm_new {
	const char *name;
	uint64_t size_bytes;
	const char *of; /* the snapshot or volume whose content it begins with; NULL: zeros */
	bool inactive;  /* stays so until somebody activates it by name: a snapshot */
	char tag[4][LVM_TAG_MAX];
	int n_tags;
};

/* Any of LVM's programs, with what is told to LVM each time; argv ends with NULL, *ret is as with
 * tool_run. */
int lvm_run(const struct storage_pool *p, const char *const argv[], int deadline_ms, json **ret,
	    struct err *err);
/* Those of these names, in one look; n at most LVM_LOOK_MAX. -ENOENT: the group is not there */
int lvm_look(const struct storage_pool *p, const char *const names[], int n, struct lvm_lv ret[],
	     struct err *err);
int lvm_group_look(const struct storage_pool *p, struct lvm_group *ret, struct err *err);
/* In the thin pool, if the pool has one; sizes become whole extents. A plain one has what was there
 * before, without signatures. -ENOSPC */
int lvm_make(const struct storage_pool *p, const struct lvm_new *o, struct err *err);
int lvm_extend(const struct storage_pool *p, const char *name, uint64_t size_bytes,
	       struct err *err);
int lvm_activate(const struct storage_pool *p, const char *const names[], int n, struct err *err);
/* what was left suspended, by a program that was cut, goes on */
int lvm_refresh(const struct storage_pool *p, const char *const names[], int n, struct err *err);
/* device nodes that are missing are made */
int lvm_nodes(const struct storage_pool *p, struct err *err);
int lvm_untag(const struct storage_pool *p, const char *name, const char *tag, struct err *err);
int lvm_add_tags(const struct storage_pool *p, const char *name, const char *const tags[], int n,
		 struct err *err);
int lvm_rename(const struct storage_pool *p, const char *name, const char *to, struct err *err);
/* -EBUSY: somebody has it open */
int lvm_remove(const struct storage_pool *p, const char *name, struct err *err);

#endif
