// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * meta_file.c - formats, grows and reads metadata devices. The agent formats
 * and grows; the plane reads when a replica is attached. What the pages mean is
 * core/meta.c's; this file only knows files. While the replica lives its state,
 * hot log and map are written by the core, through disk.c.
 */
#include "replication/meta_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

#define BATCH_PAGES 256u /* map pages read or written at a time: 1 MiB */
#define BATCH_BYTES (BATCH_PAGES * REPL_META_PAGE)
#define HEAD_BYTES (REPL_META_HEAD_PAGES * REPL_META_PAGE)
#define MARK_TEXT_MAX 32

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

/* The regions of one page; behind the end of the volume it will be zeros when it has grown. */
static void put_map(u8 *page, u32 number, u32 regions, u32 all)
{
	u32 stamp[REPL_STAMPS_PER_PAGE];

	for (u32 i = 0; i < REPL_STAMPS_PER_PAGE; i++)
		stamp[i] = number * REPL_STAMPS_PER_PAGE + i < regions ? all : REPL_STAMP_FRESH;
	meta_put_map(page, number, 0, stamp);
}

/* map pages from `page` to `end` - 1, of a volume with so many regions of this stamp */
static int write_map(int fd, u32 page, u32 end, u32 regions, u32 all, u8 *batch, struct err *err)
{
	while (page < end) {
		u32 n = PORT_MIN(end - page, BATCH_PAGES);
		int rv;

		for (u32 i = 0; i < n; i++)
			put_map(batch + i * REPL_META_PAGE, page + i, regions, all);
		rv = write_at(fd, batch, n * REPL_META_PAGE, REPL_META_MAP_OFF(page), err);
		if (rv < 0)
			return rv;
		page += n;
	}
	return 0;
}

/* both copies of all are valid from the start; copy 0 is the newer one */
static void put_head(u8 *head, const struct meta_label *label)
{
	struct meta_label l = *label;
	struct meta_state s = { 0 };

	for (u32 copy = 0; copy < 2; copy++) {
		l.generation = s.generation = 2 - copy;
		meta_put_label(head + REPL_META_LABEL_OFF(copy), &l);
		meta_put_state(head + REPL_META_STATE_OFF(copy), &s);
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

int meta_file_format(int fd, const struct meta_label *label, u32 stamp, struct err *err)
{
	u8 *batch;
	int rv;

	rv = check_length(fd, label->size_bytes, err);
	if (rv < 0)
		return rv;
	batch = calloc(1, BATCH_BYTES);
	if (!batch)
		return err_set(err, -ENOMEM, "no memory to format metadata");
	/* The old head goes first and the new one comes last: what is cut in the
	 * middle is nobody's metadata, not half of ours. */
	rv = write_at(fd, batch, HEAD_BYTES, 0, err);
	if (rv == 0)
		rv = sync_file(fd, err);
	if (rv == 0)
		rv = write_map(fd, 0, meta_map_pages(label->size_bytes),
			       meta_regions(label->size_bytes), stamp, batch, err);
	if (rv == 0)
		rv = sync_file(fd, err);
	if (rv == 0) {
		put_head(batch, label);
		rv = write_at(fd, batch, HEAD_BYTES, 0, err);
	}
	if (rv == 0)
		rv = sync_file(fd, err);
	free(batch);
	return rv;
}

/* ---- labels ---- */

static int pick_label(const u8 *head, struct meta_label *ret, int *ret_copy, struct err *err)
{
	int rv = meta_pick_label(head + REPL_META_LABEL_OFF(0), head + REPL_META_LABEL_OFF(1), ret,
				 ret_copy);

	if (rv == -EPROTONOSUPPORT)
		return err_set(err, rv, "the metadata was written by a newer version of sdsd");
	if (rv < 0)
		return err_set(err, -E_CORRUPT,
			       "both labels of the metadata are damaged or "
			       "this is no metadata of sdsd");
	return 0;
}

static int read_label(int fd, struct meta_label *ret, int *ret_copy, struct err *err)
{
	u8 head[2 * REPL_META_PAGE];
	int rv = read_at(fd, head, sizeof(head), 0, err);

	return rv < 0 ? rv : pick_label(head, ret, ret_copy, err);
}

/* to the copy that counts less, durable */
static int write_label(int fd, struct meta_label *l, int copy, struct err *err)
{
	u8 page[REPL_META_PAGE];
	int rv;

	l->generation++;
	meta_put_label(page, l);
	rv = write_at(fd, page, sizeof(page), REPL_META_LABEL_OFF(!copy), err);
	return rv < 0 ? rv : sync_file(fd, err);
}

/* The lock belongs to the open file, so it also keeps threads of this process apart. */
static int lock(int fd, short type, struct err *err)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_len = REPL_META_PAGE };

	while (fcntl(fd, F_OFD_SETLKW, &l) < 0)
		if (errno != EINTR)
			return err_set(err, -errno, "cannot lock metadata: %s", err_name(-errno));
	return 0;
}

int meta_file_label(int fd, struct meta_label *ret, struct err *err)
{
	int copy;

	return read_label(fd, ret, &copy, err);
}

int meta_file_whole(int fd, const struct meta_label *label, struct err *err)
{
	off_t have = lseek(fd, 0, SEEK_END);
	u64 want = meta_bytes(label->size_bytes);

	if (have >= 0 && (u64)have < want)
		return err_set(err, -E_CORRUPT,
			       "the metadata ends at byte %lld, it is cut short: %llu are needed",
			       (long long)have, (unsigned long long)want);
	return 0;
}

static int grow_locked(int fd, const struct meta_label *want, struct err *err)
{
	struct meta_label l;
	u8 *batch;
	int copy, rv;

	rv = read_label(fd, &l, &copy, err);
	if (rv < 0)
		return rv;
	if (memcmp(l.replica, want->replica, sizeof(l.replica)) != 0 || l.number != want->number)
		return err_set(err, -E_CORRUPT, "the metadata belongs to volume %u of %s", l.number,
			       l.name);
	if (want->size_bytes == l.size_bytes)
		return 0;
	if (want->size_bytes < l.size_bytes)
		return err_set(err, -E_INVALID,
			       "the volume has %llu bytes, it cannot be made smaller",
			       (unsigned long long)l.size_bytes);
	rv = check_length(fd, want->size_bytes, err);
	if (rv < 0)
		return rv;
	batch = malloc(BATCH_BYTES);
	if (!batch)
		return err_set(err, -ENOMEM, "no memory to grow metadata");
	/* The last page of the old map says behind the old end what was said at its making. */
	rv = write_map(fd, meta_map_pages(l.size_bytes), meta_map_pages(want->size_bytes), 0,
		       REPL_STAMP_FRESH, batch, err);
	free(batch);
	if (rv == 0)
		rv = sync_file(fd, err);
	l.size_bytes = want->size_bytes;
	return rv < 0 ? rv : write_label(fd, &l, copy, err);
}

int meta_file_grow(int fd, const struct meta_label *label, struct err *err)
{
	int rv = lock(fd, F_WRLCK, err);

	if (rv < 0)
		return rv;
	rv = grow_locked(fd, label, err);
	lock(fd, F_UNLCK, err);
	return rv;
}

int meta_file_name_peers(int fd, char peer[REPL_SLOTS_MAX][META_NAME_MAX], struct err *err)
{
	struct meta_label l;
	int copy, rv;

	rv = lock(fd, F_WRLCK, err);
	if (rv < 0)
		return rv;
	rv = read_label(fd, &l, &copy, err);
	if (rv == 0 && memcmp(l.peer, peer, sizeof(l.peer)) != 0) {
		memcpy(l.peer, peer, sizeof(l.peer));
		rv = write_label(fd, &l, copy, err);
	}
	lock(fd, F_UNLCK, err);
	return rv;
}

/* ---- regions that are wrong ---- */

/* A page that cannot be read has no stamp that counts already; it is written for good. */
static int void_region(int fd, u32 region, struct err *err)
{
	u32 number = region / REPL_STAMPS_PER_PAGE, seen = 0, stamp[REPL_STAMPS_PER_PAGE];
	u8 page[REPL_META_PAGE];
	int rv = read_at(fd, page, sizeof(page), REPL_META_MAP_OFF(number), err);

	if (rv < 0)
		return rv;
	if (meta_get_map(page, number, &seen, stamp) < 0) {
		seen = 0;
		memset(stamp, 0, sizeof(stamp));
	}
	stamp[region % REPL_STAMPS_PER_PAGE] = 0;
	meta_put_map(page, number, seen, stamp);
	return write_at(fd, page, sizeof(page), REPL_META_MAP_OFF(number), err);
}

static int void_all(int fd, u64 size_bytes, struct err *err)
{
	u8 *batch = malloc(BATCH_BYTES);
	int rv;

	if (!batch)
		return err_set(err, -ENOMEM, "no memory to write metadata");
	rv = write_map(fd, 0, meta_map_pages(size_bytes), meta_regions(size_bytes), 0, batch, err);
	free(batch);
	return rv;
}

int meta_file_void(int fd, const u32 *region, u32 n, bool whole, struct err *err)
{
	struct meta_label l;
	int rv = meta_file_label(fd, &l, err);

	if (rv == 0)
		rv = meta_file_whole(fd, &l, err);
	if (rv == 0 && whole)
		rv = void_all(fd, l.size_bytes, err);
	for (u32 i = 0; i < n && rv == 0 && !whole; i++) {
		if (region[i] < meta_regions(l.size_bytes))
			rv = void_region(fd, region[i], err);
	}
	return rv < 0 ? rv : sync_file(fd, err);
}

/* ---- attaching ---- */

static int read_home(int fd, struct repl_disk *d, u32 *hot, struct err *err)
{
	u8 head[HEAD_BYTES];
	int rv;

	rv = read_at(fd, head, sizeof(head), 0, err);
	if (rv < 0)
		return rv;
	rv = meta_pick_state(head + REPL_META_STATE_OFF(0), head + REPL_META_STATE_OFF(1),
			     &d->state, &d->state_copy);
	if (rv < 0)
		return err_set(err, -E_CORRUPT, "both copies of the replica's state are damaged");
	rv = meta_pick_hot(head + REPL_META_HOT_OFF(0), head + REPL_META_HOT_OFF(1),
			   &d->hot_generation, hot, &d->n_hot, &d->hot_copy);
	if (rv < 0)
		return err_set(err, -E_CORRUPT, "both copies of the hot log are damaged");
	d->hot = hot;
	return 0;
}

/* 0 when there is no mark yet */
static int read_mark(const char *path, u64 *ret, struct err *err)
{
	char text[MARK_TEXT_MAX] = "";
	struct buf file;
	int rv;

	*ret = 0;
	buf_init(&file, MARK_TEXT_MAX - 1);
	rv = fs_read(path, &file, err);
	if (rv == 0)
		memcpy(text, file.data, file.len);
	*ret = strtoull(text, NULL, 10);
	buf_release(&file);
	return rv == -ENOENT ? 0 : rv;
}

static int check_mark(const char *path, const struct meta_state *s, struct err *err)
{
	u64 seen;
	int rv = read_mark(path, &seen, err);

	if (rv < 0 || s->attached >= seen)
		return rv;
	return err_set(err, -E_CORRUPT,
		       "its metadata was attached %llu times, this node remembers %llu: put back "
		       "from a backup? Delete this replica and make it anew; if it is the only "
		       "copy, remove %s to go on with what it holds",
		       (unsigned long long)s->attached, (unsigned long long)seen, path);
}

/* The device first: a crash in between leaves it ahead of the mark, which is fine. */
static int count_attach(int fd, const char *mark_path, struct repl_disk *d, struct err *err)
{
	u8 page[REPL_META_PAGE];
	char text[MARK_TEXT_MAX];
	int rv;

	d->state.attached++;
	d->state.generation++;
	d->state_copy = !d->state_copy;
	meta_put_state(page, &d->state);
	rv = write_at(fd, page, sizeof(page), REPL_META_STATE_OFF(d->state_copy), err);
	if (rv == 0)
		rv = sync_file(fd, err);
	if (rv < 0 || !mark_path)
		return rv;
	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)d->state.attached);
	return fs_write(mark_path, text, strlen(text), 0600, err);
}

int meta_file_attach(int fd, const char *mark_path, struct meta_file *ret, struct err *err)
{
	int rv;

	*ret = (struct meta_file){ 0 };
	rv = read_home(fd, &ret->disk, ret->hot, err);
	if (rv == 0 && mark_path)
		rv = check_mark(mark_path, &ret->disk.state, err);
	return rv < 0 ? rv : count_attach(fd, mark_path, &ret->disk, err);
}
