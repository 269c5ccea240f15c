// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * marks.c - one small file in the state directory for each volume of a replica
 * whose files this node has made. Written after the files and before the leader
 * is told; removed when they are removed. Blocking calls: mark_write runs in a
 * worker.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"

#define MARK_BYTES_MAX 65536
#define MARK_PATH_MAX (PATH_LEN_MAX + 64)

static void path_of(const char *dir, const char *uuid, int number, char out[MARK_PATH_MAX])
{
	if (number == 0)
		snprintf(out, MARK_PATH_MAX, "%s/replicas/%s", dir, uuid);
	else
		snprintf(out, MARK_PATH_MAX, "%s/replicas/%s.%d", dir, uuid, number);
}

int mark_write(const char *dir, const char *uuid, int number, const struct agent_mark *m,
	       struct err *err)
{
	json *doc = json_object_new_object();
	char path[MARK_PATH_MAX];
	const char *text;
	int rv;

	jset_str(doc, "name", m->name);
	jset_str(doc, "volume", m->volume);
	jset_str(doc, "pool", m->pool.name);
	jset_str(doc, "kind", m->pool.kind);
	jset_str(doc, "source", m->pool.source);
	text = json_text(doc);
	path_of(dir, uuid, number, path);
	rv = fs_write(path, text, strlen(text), 0600, err);
	json_object_put(doc);
	return rv;
}

static int take(json *doc, const char *key, char *out, size_t len)
{
	const char *text = jget_str(doc, key, "");

	if (!text[0] || strlen(text) >= len)
		return -E_CORRUPT;
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

int mark_read(const char *dir, const char *uuid, int number, struct agent_mark *ret,
	      struct err *err)
{
	struct agent_mark m = { .name = "" };
	char path[MARK_PATH_MAX];
	struct buf text;
	json *doc = NULL;
	int rv;

	path_of(dir, uuid, number, path);
	buf_init(&text, MARK_BYTES_MAX);
	rv = fs_read(path, &text, err);
	if (rv == 0)
		rv = json_parse(text.data ? (char *)text.data : "", text.len, &doc, err);
	buf_release(&text);
	if (rv < 0)
		return rv;
	if (take(doc, "name", m.name, sizeof(m.name)) < 0 ||
	    take(doc, "pool", m.pool.name, sizeof(m.pool.name)) < 0 ||
	    take(doc, "kind", m.pool.kind, sizeof(m.pool.kind)) < 0 ||
	    take(doc, "source", m.pool.source, sizeof(m.pool.source)) < 0)
		rv = err_set(err, -E_CORRUPT, "%s is damaged", path);
	else
		*ret = m;
	/* marks of volume 0 that an older version made name no volume: any is meant */
	if (rv == 0)
		snprintf(ret->volume, sizeof(ret->volume), "%s", jget_str(doc, "volume", ""));
	json_object_put(doc);
	return rv;
}

void mark_remove(const char *dir, const char *uuid, int number)
{
	char path[MARK_PATH_MAX];

	path_of(dir, uuid, number, path);
	fs_remove(path); /* what stays is written anew with the next files of this number */
	if (number != 0)
		return;
	snprintf(path, sizeof(path), "%s/attached/%s", dir, uuid);
	fs_remove(path);
}
