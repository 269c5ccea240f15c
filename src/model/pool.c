// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pool.c - the document of a pool and its struct. Called by change_pool.c, the
 * agent and the API. To add a kind: the enum, a row of kind_names, and a
 * backend in src/storage.
 */
#include "model/pool.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/field.h"

static const struct {
	const char *name;
	const char *joined; /* as some clients write it */
} kind_names[POOL_KINDS] = {
	[POOL_FILE] = { "FILE", "file" },
	[POOL_FILE_THIN] = { "FILE_THIN", "filethin" },
};

const char *pool_kind_name(enum pool_kind k)
{
	return kind_names[k].name;
}

int pool_kind_parse(const char *text, enum pool_kind *ret)
{
	for (int k = 0; text && k < POOL_KINDS; k++) {
		if (strcasecmp(text, kind_names[k].name) == 0 ||
		    strcasecmp(text, kind_names[k].joined) == 0) {
			*ret = (enum pool_kind)k;
			return 0;
		}
	}
	return -E_INVALID;
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
	if (!is_plain_dir(p->dir))
		return err_set(err, -E_INVALID,
			       "pool %s/%s: directory \"%.200s\" must be an absolute path such as "
			       "/var/lib/sdsd/pool, without //, . or .. and not /",
			       p->node, p->name, p->dir);
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
	    (rv = field_str(doc, what, "dir", p.dir, sizeof(p.dir), err)) < 0)
		return rv;
	if (pool_kind_parse(kind, &p.kind) < 0)
		return err_set(err, -E_INVALID,
			       "%s: kind \"%s\" is not known; use FILE or FILE_THIN", what, kind);
	rv = pool_check(&p, err);
	if (rv < 0)
		return rv;
	*ret = p;
	return 0;
}

json *pool_doc(const struct pool *p)
{
	json *doc = json_object_new_object();

	jset_str(doc, "node", p->node);
	jset_str(doc, "name", p->name);
	jset_str(doc, "kind", pool_kind_name(p->kind));
	jset_str(doc, "dir", p->dir);
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
