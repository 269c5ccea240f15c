// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk_io.c - one job of a disk, done by blocking calls. Run by the threads of
 * disk_threads.c; it knows neither loop nor queue.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "replication/disk_priv.h"

#define ZEROS_BYTES 65536u
#define LOOK_BYTES 65536u

static const u8 zeros[ZEROS_BYTES] __attribute__((aligned(REPL_DISCARD_BYTES)));

static int write_all(int fd, const u8 *data, u32 len, u64 off)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		off += (u64)n;
		len -= (u32)n;
	}
	return 0;
}

static int read_all(int fd, u8 *data, u32 len, u64 off)
{
	while (len > 0) {
		ssize_t n = pread(fd, data, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* the end comes too early */
		data += n;
		off += (u64)n;
		len -= (u32)n;
	}
	return 0;
}

static int write_zeros(int fd, u32 len, u64 off)
{
	while (len > 0) {
		u32 part = PORT_MIN(len, ZEROS_BYTES);
		int rv = write_all(fd, zeros, part, off);

		if (rv < 0)
			return rv;
		off += part;
		len -= part;
	}
	return 0;
}

bool disk_unsupported(int code)
{
	return code == EOPNOTSUPP || code == ENOSYS || code == EINVAL || code == ENOTTY;
}

/* 0, a negative errno, or 1: this device or file system cannot */
static int try_fallocate(int fd, int mode, u64 off, u32 len)
{
	int rv;

	do
		rv = fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off, len);
	while (rv < 0 && errno == EINTR);
	if (rv == 0)
		return 0;
	return disk_unsupported(errno) ? 1 : -errno;
}

static int discard(int fd, u64 off, u64 len)
{
	u64 range[2] = { off, len };

	return ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

/* A range that cannot be read is none of zeros: the write tells what is wrong with the disk. */
static bool is_zeros(int fd, u32 len, u64 off)
{
	u8 found[LOOK_BYTES];

	return read_all(fd, found, len, off) == 0 && memcmp(found, zeros, len) == 0;
}

static int look_and_write(int fd, u64 off, u64 end)
{
	int rv = 0;

	for (u32 part; rv == 0 && off < end; off += part) {
		part = (u32)PORT_MIN(end - off, (u64)LOOK_BYTES);
		if (!is_zeros(fd, part, off))
			rv = write_zeros(fd, part, off);
	}
	return rv;
}

/* Such a device says of no discard whether it was carried out: what covers no whole unit is passed
 * over, and a thin pool that has turned read-only answers that all is well. What it gives back
 * reads as zeros for good, so a look tells; and where there are zeros already nothing is written,
 * as that would take space. The edges apart, as what is written of them must not be of a unit that
 * was given back. */
int disk_trim(int fd, u64 off, u32 len, u32 unit, int (*give_back)(int fd, u64 off, u64 len))
{
	u64 end = off + len, first = (off + unit - 1) / unit * unit, last = end / unit * unit;
	int rv;

	if (first < last)
		(void)give_back(fd, first, last - first); /* refused: zeros are written */
	else
		first = last = end;
	rv = look_and_write(fd, off, first);
	if (rv == 0)
		rv = look_and_write(fd, first, last);
	if (rv == 0)
		rv = look_and_write(fd, last, end);
	/* what was looked at is of no use in the page cache */
	posix_fadvise(fd, (off_t)off, len, POSIX_FADV_DONTNEED);
	return rv;
}

/* both read back as zeros: all copies must be alike, whatever their devices can */
static int zero_range(const struct disk *d, u8 op, u64 off, u32 len)
{
	int rv = 1, fd = d->data_fd;

	if (disk_trims(d, op))
		return disk_trim(fd, off, len, d->discard_bytes, discard);
	if (op == REPL_OP_ZERO)
		rv = try_fallocate(fd, FALLOC_FL_ZERO_RANGE, off, len);
	if (rv == 1)
		rv = try_fallocate(fd, FALLOC_FL_PUNCH_HOLE, off, len);
	if (rv == 1)
		rv = write_zeros(fd, len, off);
	return rv;
}

/* What is under the layer becomes zeros, and what the page cache has of the layer is what that
 * reads as. Nothing of the range may be on its way from there meanwhile. Space that was given back
 * would be taken again by the write: so none is. */
static int discard_below(const struct disk *d, u64 off, u32 len)
{
	u8 noise[LOOK_BYTES] __attribute__((aligned(REPL_DISCARD_BYTES)));
	int rv = 0;

	if (d->below_fd < 0)
		return -EOPNOTSUPP;
	if (sync_file_range(d->data_fd, (off_t)off, len,
			    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER) < 0)
		return -errno;
	for (u32 part; rv == 0 && len; off += part, len -= part) {
		part = PORT_MIN(len, LOOK_BYTES);
		rv = write_all(d->below_fd, zeros, part, d->below_off + off);
		if (rv == 0)
			rv = read_all(d->direct_fd, noise, part, off);
		if (rv == 0)
			rv = write_all(d->data_fd, noise, part, off);
	}
	return rv;
}

static int sync_data(int fd)
{
	int rv;

	do
		rv = fdatasync(fd);
	while (rv < 0 && errno == EINTR);
	return rv < 0 ? -errno : 0;
}

static int write_page(int fd, const u8 *page, u32 len, u64 off, bool fua)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)page, .iov_len = len };
	ssize_t n;
	int rv;

	if (fua) {
		n = pwritev2(fd, &iov, 1, (off_t)off, RWF_DSYNC);
		if (n == (ssize_t)len)
			return 0;
		if (n < 0 && errno != EINTR && !disk_unsupported(errno))
			return -errno;
	}
	rv = write_all(fd, page, len, off);
	return rv == 0 && fua ? sync_data(fd) : rv;
}

int disk_perform(const struct disk_job *job)
{
	const struct disk *d = job->disk;

	switch (job->kind) {
	case DISK_JOB_READ:
		return read_all(d->data_fd, job->buf->data, job->len, job->off);
	case DISK_JOB_WRITE:
		if (job->op == REPL_OP_DISCARD)
			return discard_below(d, job->off, job->len);
		if (job->op != REPL_OP_DATA)
			return zero_range(d, job->op, job->off, job->len);
		return write_all(d->data_fd, job->buf->data + job->buf_off, job->len, job->off);
	case DISK_JOB_FLUSH:
		return sync_data(d->data_fd);
	case DISK_JOB_META_WRITE:
		return write_page(d->meta_fd, job->page, job->len, job->off, job->fua);
	case DISK_JOB_META_READ:
		return read_all(d->meta_fd, job->page, job->len, job->off);
	case DISK_JOB_META_FLUSH:
		return sync_data(d->meta_fd);
	case DISK_JOB_CALL:
		return job->call(job->call_arg);
	}
	return -EINVAL;
}
