// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * meta_file.c - formats and reads the metadata device of a replica. The agent
 * formats when a replica is made; volume.c reads when it is attached. What the
 * pages mean is core/meta.c's; this file only knows files. Writing while the
 * replica lives is the core's, through disk.c.
 */
#include "replication/meta_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_PAGES 256u /* map pages read or written at a time: 1 MiB */
#define BATCH_BYTES (BATCH_PAGES * REPL_META_PAGE)
#define HEAD_PAGES 4u /* two superblocks, two hot log pages */

uint64_t meta_file_bytes(uint64_t size_bytes)
{
	return meta_bytes(size_bytes);
}

static int write_at(int fd, const u8 *data, size_t len, u64 off, struct err *err)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int code = n < 0 ? -errno : -EIO;

			return err_set(err, code, "cannot write metadata at byte %llu: %s",
				       (unsigned long long)off, err_name(code));
		}
		data += n;
		off += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_at(int fd, u8 *data, size_t len, u64 off, struct err *err)
{
	while (len > 0) {
		ssize_t n = pread(fd, data, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return err_set(err, -E_CORRUPT,
				       "the metadata ends at byte %llu, it is cut short",
				       (unsigned long long)off);
		if (n < 0)
			return err_set(err, -errno, "cannot read metadata at byte %llu: %s",
				       (unsigned long long)off, err_name(-errno));
		data += n;
		off += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_file(int fd, struct err *err)
{
	if (fsync(fd) < 0)
		return err_set(err, -errno, "cannot sync metadata: %s", err_name(-errno));
	return 0;
}

static u32 stamps_in_page(u32 page, u32 regions)
{
	u32 first = page * REPL_STAMPS_PER_PAGE;

	return PORT_MIN(regions - first, REPL_STAMPS_PER_PAGE);
}

static int write_fresh_map(int fd, u64 size_bytes, u8 *batch, struct err *err)
{
	u32 regions = meta_regions(size_bytes), pages = meta_map_pages(size_bytes);
	u32 stamp[REPL_STAMPS_PER_PAGE];

	for (u32 i = 0; i < REPL_STAMPS_PER_PAGE; i++)
		stamp[i] = REPL_STAMP_FRESH;
	for (u32 page = 0; page < pages;) {
		u32 n = PORT_MIN(pages - page, BATCH_PAGES);
		int rv;

		for (u32 i = 0; i < n; i++)
			meta_put_map(batch + i * REPL_META_PAGE, page + i, stamp,
				     stamps_in_page(page + i, regions));
		rv = write_at(fd, batch, n * REPL_META_PAGE, REPL_META_MAP_OFF(page), err);
		if (rv < 0)
			return rv;
		page += n;
	}
	return 0;
}

/* both copies of both are valid from the start; copy 0 is the newer one */
static void put_head(u8 *head, const uint8_t owner[16], const char *name, u64 size_bytes)
{
	struct meta_super s = { .size_bytes = size_bytes };

	memcpy(s.replica, owner, sizeof(s.replica));
	strncpy(s.name, name, sizeof(s.name) - 1);
	for (u32 copy = 0; copy < 2; copy++) {
		s.generation = 2 - copy;
		meta_put_super(head + REPL_META_SUPER_OFF(copy), &s);
		meta_put_hot(head + REPL_META_HOT_OFF(copy), 2 - copy, NULL, 0);
	}
}

static int check_length(int fd, u64 size_bytes, struct err *err)
{
	off_t have = lseek(fd, 0, SEEK_END);
	u64 want = meta_bytes(size_bytes);

	if (have < 0)
		return err_set(err, -errno, "cannot tell the size of the metadata device: %s",
			       err_name(-errno));
	if ((u64)have < want)
		return err_set(err, -ENOSPC, "the metadata device has %lld bytes, %llu are needed",
			       (long long)have, (unsigned long long)want);
	return 0;
}

int meta_file_format(int fd, const uint8_t owner[16], const char *name, uint64_t size_bytes,
		     struct err *err)
{
	u8 *batch;
	int rv;

	rv = check_length(fd, size_bytes, err);
	if (rv < 0)
		return rv;
	batch = calloc(1, BATCH_BYTES);
	if (!batch)
		return err_set(err, -ENOMEM, "no memory to format metadata");
	/* The old superblocks go first and the new ones come last: what is cut in the
	 * middle is nobody's metadata, not half of ours. */
	rv = write_at(fd, batch, HEAD_PAGES * REPL_META_PAGE, 0, err);
	if (rv < 0)
		goto free_batch;
	rv = sync_file(fd, err);
	if (rv < 0)
		goto free_batch;
	rv = write_fresh_map(fd, size_bytes, batch, err);
	if (rv < 0)
		goto free_batch;
	rv = sync_file(fd, err);
	if (rv < 0)
		goto free_batch;
	put_head(batch, owner, name, size_bytes);
	rv = write_at(fd, batch, HEAD_PAGES * REPL_META_PAGE, 0, err);
	if (rv < 0)
		goto free_batch;
	rv = sync_file(fd, err);

free_batch:
	free(batch);
	return rv;
}

static int pick_super(const u8 *head, struct meta_super *ret, int *ret_copy, struct err *err)
{
	int rv = meta_pick_super(head + REPL_META_SUPER_OFF(0), head + REPL_META_SUPER_OFF(1), ret,
				 ret_copy);

	if (rv == -EPROTONOSUPPORT)
		return err_set(err, rv, "the metadata was written by a newer version of sdsd");
	if (rv < 0)
		return err_set(err, -E_CORRUPT,
			       "both superblocks of the metadata are damaged or "
			       "this is no metadata of sdsd");
	return 0;
}

int meta_file_owner(int fd, uint8_t ret_owner[16], struct err *err)
{
	u8 head[2 * REPL_META_PAGE];
	struct meta_super s;
	int copy, rv;

	rv = read_at(fd, head, sizeof(head), 0, err);
	if (rv < 0)
		return rv;
	rv = pick_super(head, &s, &copy, err);
	if (rv < 0)
		return rv;
	memcpy(ret_owner, s.replica, sizeof(s.replica));
	return 0;
}

static int read_map(int fd, u64 size_bytes, struct meta_file *m, u8 *batch, struct err *err)
{
	u32 regions = meta_regions(size_bytes), pages = meta_map_pages(size_bytes);

	for (u32 page = 0; page < pages;) {
		u32 n = PORT_MIN(pages - page, BATCH_PAGES);
		int rv = read_at(fd, batch, n * REPL_META_PAGE, REPL_META_MAP_OFF(page), err);

		if (rv < 0)
			return rv;
		for (u32 i = 0; i < n; i++, page++) {
			u32 *stamp = m->stamp + (size_t)page * REPL_STAMPS_PER_PAGE;
			u32 count = stamps_in_page(page, regions);

			if (meta_get_map(batch + i * REPL_META_PAGE, page, stamp, count) == 0)
				continue;
			memset(stamp, 0, count * sizeof(*stamp));
			m->bad_pages++;
		}
	}
	return 0;
}

static int read_head(int fd, const uint8_t owner[16], u64 size_bytes, struct meta_file *m,
		     struct err *err)
{
	u8 head[HEAD_PAGES * REPL_META_PAGE];
	struct repl_disk *d = &m->disk;
	int rv;

	rv = read_at(fd, head, sizeof(head), 0, err);
	if (rv < 0)
		return rv;
	rv = pick_super(head, &d->super, &d->super_copy, err);
	if (rv < 0)
		return rv;
	if (memcmp(d->super.replica, owner, sizeof(d->super.replica)) != 0)
		return err_set(err, -E_CORRUPT,
			       "the metadata belongs to another replica, of volume %.*s",
			       (int)sizeof(d->super.name), d->super.name);
	if (d->super.size_bytes != size_bytes)
		return err_set(err, -E_CORRUPT,
			       "the metadata is of a volume of %llu bytes, this one has %llu",
			       (unsigned long long)d->super.size_bytes,
			       (unsigned long long)size_bytes);
	rv = meta_pick_hot(head + REPL_META_HOT_OFF(0), head + REPL_META_HOT_OFF(1),
			   &d->hot_generation, m->hot, &d->n_hot, &d->hot_copy);
	if (rv < 0)
		return err_set(err, -E_CORRUPT, "both copies of the hot log are damaged");
	d->hot = m->hot;
	return 0;
}

int meta_file_read(int fd, const uint8_t owner[16], uint64_t size_bytes, struct meta_file *ret,
		   struct err *err)
{
	u8 *batch = NULL;
	int rv;

	*ret = (struct meta_file){ 0 };
	rv = read_head(fd, owner, size_bytes, ret, err);
	if (rv < 0)
		goto release;
	batch = malloc(BATCH_BYTES);
	ret->stamp = calloc(meta_regions(size_bytes) + 1u, sizeof(*ret->stamp));
	ret->map_dirty = calloc(meta_map_pages(size_bytes) + 1u, 1);
	if (!batch || !ret->stamp || !ret->map_dirty) {
		rv = err_set(err, -ENOMEM, "no memory for the epoch map of %u regions",
			     meta_regions(size_bytes));
		goto release;
	}
	rv = read_map(fd, size_bytes, ret, batch, err);
	if (rv < 0)
		goto release;
	ret->disk.stamp = ret->stamp;
	ret->disk.map_dirty = ret->map_dirty;
	free(batch);
	return 0;

release:
	free(batch);
	meta_file_release(ret);
	return rv;
}

void meta_file_release(struct meta_file *m)
{
	free(m->stamp);
	free(m->map_dirty);
	*m = (struct meta_file){ 0 };
}
