// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * meta.c - what backends call for metadata: the registered operations, told of
 * the content. Called by the front door and, in worker threads, by the backends.
 */
#include <assert.h>
#include <string.h>

#include "storage/storage.h"

static const struct storage_meta_ops *meta_ops;

void storage_set_meta_ops(const struct storage_meta_ops *ops)
{
	meta_ops = ops;
}

/* Metadata tells the size of the content: of a LUKS header it knows nothing. */
static struct storage_volume content_of(const struct storage_volume *v)
{
	struct storage_volume c = *v;

	c.size_bytes -= c.header_bytes;
	explicit_bzero(c.key, sizeof(c.key));
	return c;
}

static uint64_t meta_bytes(uint64_t size_bytes)
{
	return meta_ops->bytes(size_bytes);
}

static int meta_format(int fd, const struct storage_volume *v, struct err *err)
{
	struct storage_volume c = content_of(v);

	return meta_ops->format(fd, &c, err);
}

static int meta_label(int fd, struct storage_label *ret, struct err *err)
{
	return meta_ops->label(fd, ret, err);
}

static int meta_grow(int fd, const struct storage_volume *v, struct err *err)
{
	struct storage_volume c = content_of(v);

	return v->label_stays || !meta_ops->grow ? 0 : meta_ops->grow(fd, &c, err);
}

const struct storage_meta_ops *storage_meta_ops(void)
{
	static const struct storage_meta_ops of_content = {
		.bytes = meta_bytes,
		.format = meta_format,
		.label = meta_label,
		.grow = meta_grow,
	};

	assert(meta_ops);
	return &of_content;
}

bool storage_is_meta(int fd)
{
	struct storage_label label;

	return meta_ops && meta_ops->label(fd, &label, NULL) == 0;
}

bool storage_label_is(const struct storage_label *l, const struct storage_volume *v)
{
	static const uint8_t not_told[16];

	return memcmp(l->owner, v->owner, 16) == 0 &&
	       (memcmp(l->volume, v->volume, 16) == 0 || memcmp(l->volume, not_told, 16) == 0);
}
