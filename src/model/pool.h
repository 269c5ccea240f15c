/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool.h - where replicas of a node live. Document "pool/<node>/<name>":
 * {"node","name","kind":"FILE"|"FILE_THIN"|"LVM"|"LVM_THIN"|"ZFS"|"ZFS_THIN",
 *  "source","uuid","props":{},
 *  "devices":[],"task":{}}
 * source: what it is made of: a directory, a volume group, "<group>/<thin pool>", a zpool or a file
 * system of one, "tank/sdsd"
 * (LINSTOR: provider_kind; the source travels as props StorDriver/StorPoolName)
 * devices: of which sdsd has made it; missing: somebody else has. task: pool_task.h
 */
#ifndef SDSD_MODEL_POOL_H
#define SDSD_MODEL_POOL_H

#include <stdbool.h>

#include "base/json.h"
#include "model/name.h"

#define POOL_DISKLESS "DfltDisklessStorPool" /* shown by the API on every node, no document */

/* in what a pool is made of, for its node to do */
enum pool_task_kind { TASK_NONE, TASK_MAKE, TASK_EXTEND, TASK_REPLACE, TASK_DESTROY, TASK_KINDS };

enum pool_kind {
	POOL_FILE,
	POOL_FILE_THIN,
	POOL_LVM,
	POOL_LVM_THIN,
	POOL_ZFS,
	POOL_ZFS_THIN,
	POOL_KINDS
};
#define POOL_KINDS_TEXT "FILE, FILE_THIN, LVM, LVM_THIN, ZFS or ZFS_THIN"

struct pool {
	char node[NAME_MAX_LEN + 1];
	char name[NAME_MAX_LEN + 1];
	enum pool_kind kind;
	char uuid[37];
	char source[PATH_LEN_MAX];
	bool ours;                /* sdsd makes it, or has made it, of devices */
	enum pool_task_kind task; /* what its node is to do with it at present */
};

/* The rules of the fields themselves; uuid may be "". -E_INVALID */
int pool_check(const struct pool *p, struct err *err);
int pool_parse(json *doc, struct pool *ret, struct err *err);
json *pool_doc(const struct pool *p);
void pool_key(const char *node, const char *name, char *out, size_t len);
const char *pool_kind_name(enum pool_kind k);               /* "FILE_THIN" */
int pool_kind_parse(const char *text, enum pool_kind *ret); /* any case, also "filethin" */
bool pool_kind_is_thin(enum pool_kind k);      /* copies take space as they are written */
bool pool_kind_is_file(enum pool_kind k);      /* its source is a directory */
bool pool_kind_is_lvm(enum pool_kind k);       /* a volume group or a thin pool in one */
bool pool_kind_is_zfs(enum pool_kind k);       /* a zpool or a file system of one */
bool pool_kind_can_snapshot(enum pool_kind k); /* all but LVM without thin pool */

#endif
