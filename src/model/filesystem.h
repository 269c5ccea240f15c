/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filesystem.h - the file system that a volume is born with. LINSTOR's words for it, of the
 * volume, its resource, the resource group or the controller, the nearest one counts:
 *   FileSystem/Type        ext4, xfs
 *   FileSystem/MkfsParams  further words for mkfs, split at blanks; no paths
 *   FileSystem/User, FileSystem/Group  who owns its root directory, names or numbers
 * What they say when the volume gets its first copies is kept in the volume:
 * "filesystem": {"type":"ext4","state":"wanted","begun":false,"uuid","params":"","user":"",
 *                "group":"","since_ms","error":""}
 * wanted: to be made by the node of one of its copies (filesystem_maker), once; until then no other
 * node may open the resource, for FILESYSTEM_GATE_MS at most. begun: that node may have written.
 * made and failed are final. A volume with the content of a snapshot, or of somebody else's, has
 * none.
 */
#ifndef SDSD_MODEL_FILESYSTEM_H
#define SDSD_MODEL_FILESYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "model/props.h"

#define FILESYSTEM_TYPE "FileSystem/Type"
#define FILESYSTEM_PARAMS "FileSystem/MkfsParams"
#define FILESYSTEM_USER "FileSystem/User"
#define FILESYSTEM_GROUP "FileSystem/Group"

#define FILESYSTEM_PARAMS_MAX 200 /* bytes */
#define FILESYSTEM_OWNER_MAX 32   /* of the name of a user or group */
#define FILESYSTEM_ERROR_MAX 300  /* longer ones are cut */
/* since it is wanted, or its node has begun: then another node may open the resource, and there
 * will be no file system */
#define FILESYSTEM_GATE_MS 120000

enum filesystem_type { FILESYSTEM_NONE, FILESYSTEM_EXT4, FILESYSTEM_XFS, FILESYSTEM_TYPES };
enum filesystem_state { FILESYSTEM_WANTED, FILESYSTEM_MADE, FILESYSTEM_FAILED, FILESYSTEM_STATES };

struct filesystem {
	enum filesystem_type type; /* NONE: all else means nothing */
	enum filesystem_state state;
	bool begun;
	char uuid[37]; /* it is made with this one, so that it is recognised */
	char params[FILESYSTEM_PARAMS_MAX + 1];
	char user[FILESYSTEM_OWNER_MAX + 1], group[FILESYSTEM_OWNER_MAX + 1]; /* "": root */
	int64_t since_ms;                                                     /* wall clock */
	char error[FILESYSTEM_ERROR_MAX + 1];                                 /* of a failed one */
};

const char *filesystem_type_name(enum filesystem_type type); /* "ext4"; of NONE "" */
/* -E_BAD_PROP, with what is possible; what: "volume db/0" */
int filesystem_check(const char *what, json *props, struct err *err);
/* What the properties say: false, none is wanted (values that filesystem_check refuses count as not
 * set). uuid and since_ms are the caller's. */
bool filesystem_of(const struct props_chain *c, struct filesystem *ret);
bool filesystem_is_wanted(const struct filesystem *f);
/* "filesystem" of a volume's document */
int filesystem_parse(json *doc, const char *what, struct filesystem *ret, struct err *err);
void filesystem_write(json *volume, const struct filesystem *f);

struct replica;
/* The slot of the copy whose node is to make it; -1: there is none that could now */
int filesystem_maker(const struct replica *replicas, int n);

#endif
