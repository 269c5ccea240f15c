// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs_node.c - see zfs_node.h. Called by zfs_pair.c and others of ZFS.
 *
 * A device is /dev/zd<number>, and the number is another one after each import
 * of the pool. Where udev runs there is a link /dev/zvol/<dataset> to it, which
 * may be late or old: the device itself is asked for its name (BLKZNAME, as
 * ZFS's own zvol_id does). Without a link all zd devices are asked.
 */
#include "storage/zfs_node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/block_queue.h"

#define BLKZNAME _IOR(0x12, 125, char[ZFS_NAME_MAX + 1])
#define LINKS "/dev/zvol/"
#define WAIT_MS 5000
#define LOOK_AGAIN_MS 50
#define MS 1000000ull

static bool is_of(const char *path, const char *dataset)
{
	char name[ZFS_NAME_MAX + 1] = "";
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), rv;

	if (fd < 0)
		return false;
	rv = ioctl(fd, BLKZNAME, name);
	close(fd);
	return rv == 0 && strncmp(name, dataset, sizeof(name)) == 0;
}

static bool is_zd(const char *name)
{
	return strncmp(name, "zd", 2) == 0 && name[2] &&
	       strspn(name + 2, "0123456789") == strlen(name + 2);
}

/* where a path leads, as far as it is a device of ZFS */
static bool by_link(const char *dataset, char ret[ZFS_NODE_MAX])
{
	char link[sizeof(LINKS) + ZFS_NAME_MAX + 1], target[64];
	const char *base;
	ssize_t len;

	snprintf(link, sizeof(link), LINKS "%s", dataset);
	len = readlink(link, target, sizeof(target) - 1);
	if (len <= 0)
		return false;
	target[len] = 0;
	base = zfs_base_name(target);
	if (!is_zd(base) || strlen(base) > ZFS_NODE_MAX - sizeof("/dev/"))
		return false;
	snprintf(ret, ZFS_NODE_MAX, "/dev/%.20s", base);
	return is_of(ret, dataset);
}

static bool by_asking(const char *dataset, char ret[ZFS_NODE_MAX])
{
	DIR *dir = opendir("/sys/block");
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir)) != NULL) {
		if (!is_zd(e->d_name) || strlen(e->d_name) > ZFS_NODE_MAX - sizeof("/dev/"))
			continue;
		snprintf(ret, ZFS_NODE_MAX, "/dev/%.20s", e->d_name);
		found = is_of(ret, dataset);
	}
	if (dir)
		closedir(dir);
	return found;
}

int zfs_node(const char *dataset, char ret[ZFS_NODE_MAX])
{
	return by_link(dataset, ret) || by_asking(dataset, ret) ? 0 : -ENXIO;
}

int zfs_node_wait(const char *dataset, char ret[ZFS_NODE_MAX])
{
	uint64_t until = clock_boot_ns() + WAIT_MS * MS;
	int rv;

	while ((rv = zfs_node(dataset, ret)) < 0 && clock_boot_ns() < until)
		usleep(LOOK_AGAIN_MS * 1000);
	return rv;
}

int zfs_node_gone(const char *dataset)
{
	uint64_t until = clock_boot_ns() + WAIT_MS * MS;
	char path[ZFS_NODE_MAX];

	while (zfs_node(dataset, path) == 0) {
		if (clock_boot_ns() > until)
			return -EBUSY;
		usleep(LOOK_AGAIN_MS * 1000);
	}
	return 0;
}

uint64_t zfs_node_bytes(const char *path)
{
	uint64_t bytes;

	return block_queue_size(path, &bytes) < 0 ? 0 : bytes;
}
