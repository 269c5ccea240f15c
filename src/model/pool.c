// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pool.c - the document of a pool and its struct. Called by change_pool.c, the
 * agent and the API. To add a kind: the enum, a row of kinds, and a
 * backend in src/storage.
 */
#include "model/pool.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/field.h"
#include "model/pool_task.h"

#define LVM_NAME_MAX 127
#define ZFS_SOURCE_MAX 100 /* the rest of what ZFS allows is for the names of volumes */

static const struct {
	const char *name;
	const char *joined; /* as some clients write it */
	bool thin, file, lvm, snapshots;
} kinds[POOL_KINDS] = {
	[POOL_FILE] = { "FILE", "file", false, true, false, true },
	[POOL_FILE_THIN] = { "FILE_THIN", "filethin", true, true, false, true },
	[POOL_LVM] = { "LVM", "lvm", false, false, true, false },
	[POOL_LVM_THIN] = { "LVM_THIN", "lvmthin", true, false, true, true },
	[POOL_ZFS] = { "ZFS", "zfs", false, false, false, true },
	[POOL_ZFS_THIN] = { "ZFS_THIN", "zfsthin", true, false, false, true },
};

const char *pool_kind_name(enum pool_kind k)
{
	return kinds[k].name;
}

int pool_kind_parse(const char *text, enum pool_kind *ret)
{
	for (int k = 0; text && k < POOL_KINDS; k++) {
		if (strcasecmp(text, kinds[k].name) == 0 ||
		    strcasecmp(text, kinds[k].joined) == 0) {
			*ret = (enum pool_kind)k;
			return 0;
		}
	}
	return -E_INVALID;
}

bool pool_kind_is_thin(enum pool_kind k)
{
	return kinds[k].thin;
}

bool pool_kind_is_file(enum pool_kind k)
{
	return kinds[k].file;
}

bool pool_kind_is_lvm(enum pool_kind k)
{
	return kinds[k].lvm;
}

bool pool_kind_is_zfs(enum pool_kind k)
{
	return !kinds[k].file && !kinds[k].lvm;
}

bool pool_kind_can_snapshot(enum pool_kind k)
{
	return kinds[k].snapshots;
}

/* No "..", so that two pools are in one directory only when their texts say so. */
static bool is_plain_dir(const char *dir)
{
	size_t len = strlen(dir);

	if (dir[0] != '/' || strstr(dir, "//") || strstr(dir, "/../") || strstr(dir, "/./"))
		return false;
	if (len < 2 || dir[len - 1] == '/')
		return false;
	for (const char *p = dir; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return strcmp(dir + len - 2, "/.") != 0 && (len < 3 || strcmp(dir + len - 3, "/..") != 0);
}

/* a name of LVM: of a volume group, of a logical volume */
static size_t lvm_name_len(const char *text)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_.-";
	size_t len = strspn(text, allowed);
	bool dots = (len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' && text[1] == '.');

	return text[0] == '-' || dots || len > LVM_NAME_MAX ? 0 : len;
}

static bool is_volume_group(const char *source)
{
	size_t len = lvm_name_len(source);

	return len && !source[len];
}

static bool is_thin_pool(const char *source)
{
	size_t len = lvm_name_len(source);

	return len && source[len] == '/' && is_volume_group(source + len + 1);
}

/* The name of a zpool, or of a file system in one. What begins with "sdsd:" is for what we make. */
static bool is_dataset(const char *source)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";

	if (strlen(source) > ZFS_SOURCE_MAX || (source[0] | 32) < 'a' || (source[0] | 32) > 'z')
		return false;
	while (*source) {
		size_t len = strspn(source, allowed);

		if (len == 0 || strchr(".-:", source[0]) || strncmp(source, "sdsd:", 5) == 0)
			return false;
		source += len;
		if (*source && (*source != '/' || !source[1]))
			return false;
		source += *source == '/';
	}
	return true;
}

static bool is_source(enum pool_kind kind, const char *source)
{
	if (pool_kind_is_zfs(kind))
		return is_dataset(source);
	return kind == POOL_LVM        ? is_volume_group(source)
	       : kind == POOL_LVM_THIN ? is_thin_pool(source)
				       : is_plain_dir(source);
}

static int check_source(const struct pool *p, struct err *err)
{
	static const char *const expected[POOL_KINDS] = {
		[POOL_FILE] = "an absolute path such as /var/lib/sdsd/pool, without //, . or .. "
			      "and not /",
		[POOL_FILE_THIN] = "an absolute path such as /var/lib/sdsd/pool, without //, . or "
				   ".. and not /",
		[POOL_LVM] = "the name of a volume group, such as vg0",
		[POOL_LVM_THIN] = "a volume group and its thin pool, such as vg0/thin",
		[POOL_ZFS] = "the name of a zpool or of a file system in one, such as tank or "
			     "tank/sdsd",
		[POOL_ZFS_THIN] = "the name of a zpool or of a file system in one, such as tank or "
				  "tank/sdsd",
	};

	if (is_source(p->kind, p->source))
		return 0;
	return err_set(err, -E_INVALID, "pool %s/%s: \"%.200s\" must be %s", p->node, p->name,
		       p->source, expected[p->kind]);
}

int pool_check(const struct pool *p, struct err *err)
{
	uint8_t raw[16];
	int rv;

	if ((rv = name_check("node name", p->node, NAME_MIN_LEN, err)) < 0 ||
	    (rv = name_check("pool name", p->name, POOL_NAME_MIN_LEN, err)) < 0)
		return rv;
	if (strcasecmp(p->name, POOL_DISKLESS) == 0)
		return err_set(err, -E_INVALID,
			       "pool name \"%s\" is reserved for replicas without a disk; choose "
			       "another name",
			       p->name);
	if ((unsigned)p->kind >= POOL_KINDS)
		return err_set(err, -E_INVALID, "pool %s/%s: unknown kind %d", p->node, p->name,
			       (int)p->kind);
	rv = check_source(p, err);
	if (rv < 0)
		return rv;
	if (p->uuid[0] && text_uuid_parse(p->uuid, raw) < 0)
		return err_set(err, -E_INVALID, "pool %s/%s: \"%s\" is not a uuid", p->node,
			       p->name, p->uuid);
	return 0;
}

int pool_parse(json *doc, struct pool *ret, struct err *err)
{
	char what[2 * NAME_MAX_LEN + 16], kind[32];
	struct pool p = { 0 };
	int rv;

	rv = field_object(doc, "pool", err);
	if (rv == 0)
		rv = field_str(doc, "pool", "name", p.name, sizeof(p.name), err);
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "pool %s", p.name);
	rv = field_str(doc, what, "node", p.node, sizeof(p.node), err);
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "pool %s/%s", p.node, p.name);
	if ((rv = field_uuid(doc, what, p.uuid, err)) < 0 ||
	    (rv = field_str(doc, what, "kind", kind, sizeof(kind), err)) < 0 ||
	    (rv = field_str(doc, what, "source", p.source, sizeof(p.source), err)) < 0)
		return rv;
	if (pool_kind_parse(kind, &p.kind) < 0)
		return err_set(err, -E_INVALID,
			       "%s: kind \"%s\" is not known; use " POOL_KINDS_TEXT, what, kind);
	rv = pool_check(&p, err);
	if (rv < 0)
		return rv;
	p.ours = jget(doc, "devices");
	p.task = pool_task_kind(doc);
	*ret = p;
	return 0;
}

json *pool_doc(const struct pool *p)
{
	json *doc = json_object_new_object();

	jset_str(doc, "node", p->node);
	jset_str(doc, "name", p->name);
	jset_str(doc, "kind", pool_kind_name(p->kind));
	jset_str(doc, "source", p->source);
	jset_str(doc, "uuid", p->uuid);
	jset(doc, "props", json_object_new_object());
	return doc;
}

void pool_key(const char *node, const char *name, char *out, size_t len)
{
	char low_node[NAME_MAX_LEN + 1], low[NAME_MAX_LEN + 1];

	name_key(node, low_node);
	name_key(name, low);
	snprintf(out, len, "pool/%s/%s", low_node, low);
}
