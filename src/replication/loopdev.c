// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * loopdev.c - see loopdev.h. Called by kernel_job.c. The device's name comes
 * from /sys, whose text may be cut or old: what counts is the inode that the
 * kernel tells of it.
 */
#include "replication/loopdev.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYS_BLOCK "/sys/block"
#define CONTROL "/dev/loop-control"
#define TRIES 16 /* somebody else may take the free device before us */

static int failed(struct err *err, const char *what, const char *path)
{
	int code = -errno;

	return err_set(err, code, "%s %s: %s", what, path, err_name(code));
}

static int file_of(const char *path, struct stat *ret, struct err *err)
{
	return stat(path, ret) < 0 ? failed(err, "cannot look at", path) : 0;
}

/* ---- which one has it ---- */

/* fd: of a loop device */
static bool has_file(int fd, const struct stat *st)
{
	struct loop_info64 info;

	return ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == st->st_ino &&
	       info.lo_device == st->st_dev;
}

/* only those in use have the file; an open of each would be an event for udev */
static bool is_bound(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/loop/backing_file", name);
	return access(path, F_OK) == 0;
}

/* an open descriptor of it, or -ENOENT */
static int find(const struct stat *st, char ret_dev[LOOPDEV_PATH_MAX], struct err *err)
{
	DIR *dir = opendir(SYS_BLOCK);
	struct dirent *d;
	int fd = -ENOENT;

	if (!dir)
		return failed(err, "cannot read", SYS_BLOCK);
	while (fd < 0 && (d = readdir(dir))) {
		char dev[sizeof(d->d_name) + 8];

		if (strncmp(d->d_name, "loop", 4) != 0 || !is_bound(d->d_name))
			continue;
		snprintf(dev, sizeof(dev), "/dev/%s", d->d_name);
		/* not for writing: udev looks at a device that somebody has closed after that */
		fd = open(dev, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && has_file(fd, st)) {
			snprintf(ret_dev, LOOPDEV_PATH_MAX, "%s", dev);
			break;
		}
		if (fd >= 0)
			close(fd);
		fd = -ENOENT;
	}
	closedir(dir);
	return fd;
}

int loopdev_find(const char *path, char ret_dev[LOOPDEV_PATH_MAX], struct err *err)
{
	struct stat st;
	int fd, rv = file_of(path, &st, err);

	if (rv < 0)
		return rv;
	fd = find(&st, ret_dev, err);
	if (fd == -ENOENT)
		return err_set(err, -ENOENT, "no loop device has %s", path);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* ---- a new one ---- */

static int configure(int fd, int backing, const char *path)
{
	struct loop_config c = { .fd = (u32)backing };

	c.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
	snprintf((char *)c.info.lo_file_name, sizeof(c.info.lo_file_name), "%s", path);
	if (ioctl(fd, LOOP_CONFIGURE, &c) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR; /* a file system without direct I/O */
	return ioctl(fd, LOOP_CONFIGURE, &c) == 0 ? 0 : -errno;
}

/* an open descriptor of it, -EBUSY: somebody else was faster */
static int take_free(int control, int backing, const char *path, char ret_dev[LOOPDEV_PATH_MAX],
		     struct err *err)
{
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	int fd, rv;

	if (number < 0)
		return failed(err, "no free loop device for", path);
	snprintf(ret_dev, LOOPDEV_PATH_MAX, "/dev/loop%d", number);
	fd = open(ret_dev, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return failed(err, "cannot open", ret_dev);
	rv = configure(fd, backing, path);
	if (rv == 0)
		return fd;
	close(fd);
	return err_set(err, rv, "%s cannot be given to %s: %s", path, ret_dev, err_name(rv));
}

static int make(const char *path, char ret_dev[LOOPDEV_PATH_MAX], struct err *err)
{
	int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	int backing, fd = -EBUSY;

	if (control < 0)
		return failed(err, "cannot open", CONTROL);
	backing = open(path, O_RDWR | O_CLOEXEC);
	if (backing < 0)
		fd = failed(err, "cannot open", path);
	for (int i = 0; backing >= 0 && fd == -EBUSY && i < TRIES; i++)
		fd = take_free(control, backing, path, ret_dev, err);
	if (backing >= 0)
		close(backing);
	close(control);
	return fd;
}

int loopdev_attach(const char *path, char ret_dev[LOOPDEV_PATH_MAX], int *ret_fd, struct err *err)
{
	struct stat st;
	int fd, rv = file_of(path, &st, err);

	if (rv < 0)
		return rv;
	if (S_ISBLK(st.st_mode)) {
		if ((size_t)snprintf(ret_dev, LOOPDEV_PATH_MAX, "%s", path) >= LOOPDEV_PATH_MAX)
			return err_set(err, -ENAMETOOLONG, "%s is too long", path);
		*ret_fd = -1;
		return 0;
	}
	fd = find(&st, ret_dev, err);
	if (fd == -ENOENT)
		fd = make(path, ret_dev, err);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int loopdev_refresh(const char *path, struct err *err)
{
	char dev[LOOPDEV_PATH_MAX];
	struct stat st;
	int fd, rv = file_of(path, &st, err);

	if (rv < 0 || S_ISBLK(st.st_mode))
		return rv;
	fd = find(&st, dev, err);
	if (fd == -ENOENT)
		return err_set(err, -ENOENT, "no loop device has %s", path);
	if (fd < 0)
		return fd;
	rv = ioctl(fd, LOOP_SET_CAPACITY) < 0 ? failed(err, "cannot enlarge", dev) : 0;
	close(fd);
	return rv;
}
