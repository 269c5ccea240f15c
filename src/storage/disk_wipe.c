// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk_wipe.c - erases what tells what is on a device, after somebody has said so
 * in words. Called by what makes pools of devices. Only signatures go; they are
 * erased one by one as libblkid finds them, partitions before the table that names
 * them, so that nothing of an old file system shows up inside of what is made.
 */
#include "storage/disks.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SIGNATURES_MAX 64 /* on one device; a file system has two or three */

static int erase_all(blkid_probe b)
{
	for (int n = 0; n < SIGNATURES_MAX; n++) {
		int rv = blkid_do_probe(b);

		if (rv == 1)
			return 0;
		if (rv < 0 || blkid_do_wipe(b, 0) < 0)
			return -EIO;
	}
	return -E2BIG;
}

static int erase(int fd)
{
	blkid_probe b = blkid_new_probe();
	int rv;

	if (!b || blkid_probe_set_device(b, fd, 0, 0) < 0) {
		blkid_free_probe(b);
		return -EIO;
	}
	blkid_probe_enable_superblocks(b, 1);
	blkid_probe_set_superblocks_flags(b, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE |
						     BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(b, 1);
	blkid_probe_set_partitions_flags(b, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	rv = erase_all(b);
	blkid_free_probe(b);
	if (rv == 0 && fsync(fd) < 0)
		rv = -errno;
	return rv;
}

static int open_alone(const char *path, int how, struct err *err)
{
	int fd = open(path, how | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EBUSY)
		return err_set(err, -EBUSY, "device %s: something uses it", path);
	return err_set(err, -errno, "device %s: cannot be opened: %s", path, strerror(errno));
}

static int wipe_path(const char *path, struct err *err)
{
	int fd = open_alone(path, O_RDWR, err), rv;

	if (fd < 0)
		return fd;
	rv = erase(fd);
	close(fd);
	return rv < 0 ? err_set(err, rv, "device %s: cannot be wiped: %s", path, strerror(-rv)) : 0;
}

static int forget_partitions(const char *path, struct err *err)
{
	int fd = open_alone(path, O_RDONLY, err), rv = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, BLKRRPART) < 0)
		rv = err_set(err, -errno, "device %s: the kernel still uses its old partitions: %s",
			     path, strerror(errno));
	close(fd);
	return rv;
}

int disks_wipe(const struct disk *d, struct err *err)
{
	int parts = disks_each_partition("", d, wipe_path, err);
	int rv = parts < 0 ? parts : wipe_path(d->path, err);

	return rv == 0 && parts > 0 ? forget_partitions(d->path, err) : rv;
}

int disks_claim(const struct disk *d, struct err *err)
{
	int fd = open_alone(d->path, O_RDONLY, err);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}
