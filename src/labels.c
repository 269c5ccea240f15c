// SPDX-License-Identifier: GPL-2.0-or-later
/* labels.c - see labels.h. A storage_volume as the metadata's label says it, and back. */
#include "labels.h"

#include <stdio.h>
#include <string.h>

#include "replication/meta_file.h"

_Static_assert(STORAGE_SLOTS == REPL_SLOTS_MAX, "a label has a place for each slot");

static void name_to(char out[META_NAME_MAX], const char *name)
{
	snprintf(out, META_NAME_MAX, "%.*s", (int)META_NAME_MAX - 1, name);
}

/* "<resource>_00000" */
static void resource_to(char out[META_NAME_MAX], const char *files)
{
	const char *end = strrchr(files, '_');

	snprintf(out, META_NAME_MAX, "%.*s", end ? (int)(end - files) : (int)META_NAME_MAX - 1,
		 files);
}

static struct meta_label label_of(const struct storage_volume *v)
{
	struct meta_label l = { .number = (u32)v->number,
				.slot = (u32)v->slot,
				.size_bytes = v->size_bytes };

	memcpy(l.cluster, v->cluster, sizeof(l.cluster));
	memcpy(l.resource, v->resource, sizeof(l.resource));
	memcpy(l.replica, v->owner, sizeof(l.replica));
	memcpy(l.volume, v->volume, sizeof(l.volume));
	resource_to(l.name, v->name);
	name_to(l.node, v->node);
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		name_to(l.peer[s], v->copy[s]);
	return l;
}

static int format(int fd, const struct storage_volume *v, struct err *err)
{
	struct meta_label l = label_of(v);

	return meta_file_format(fd, &l, v->born ? REPL_STAMP_BORN : REPL_STAMP_FRESH, err);
}

static int grow(int fd, const struct storage_volume *v, struct err *err)
{
	struct meta_label l = label_of(v);

	return meta_file_grow(fd, &l, err);
}

static int read_label(int fd, struct storage_label *ret, struct err *err)
{
	struct meta_label l;
	int rv = meta_file_label(fd, &l, err);

	if (rv < 0)
		return rv;
	memcpy(ret->owner, l.replica, sizeof(ret->owner));
	memcpy(ret->volume, l.volume, sizeof(ret->volume));
	ret->size_bytes = l.size_bytes;
	return 0;
}

const struct storage_meta_ops labels_meta_ops = {
	.bytes = meta_file_bytes,
	.format = format,
	.label = read_label,
	.grow = grow,
};
