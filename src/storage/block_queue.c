// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * block_queue.c - see block_queue.h. Called by the devices of LVM and of ZFS, and by cache.c.
 */
#include "storage/block_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTOR 512u

/* 0: not told */
static uint64_t limit(unsigned int major, unsigned int minor, const char *name)
{
	unsigned long long value = 0;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/%s", major, minor, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

uint32_t block_queue_discard(unsigned int major, unsigned int minor)
{
	uint64_t bytes = limit(major, minor, "discard_granularity");

	if (limit(major, minor, "discard_max_bytes") == 0)
		return 0;
	return bytes <= UINT32_MAX && bytes % SECTOR == 0 ? (uint32_t)bytes : 0;
}

uint32_t block_queue_discard_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	return block_queue_discard(major(st.st_rdev), minor(st.st_rdev));
}

static int ask(const char *path, unsigned long request, void *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rv = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, request, ret) < 0)
		rv = -errno;
	close(fd);
	return rv;
}

int block_queue_size(const char *path, uint64_t *ret)
{
	return ask(path, BLKGETSIZE64, ret);
}

int block_queue_sector(const char *path, uint32_t *ret)
{
	int bytes = 0, rv = ask(path, BLKSSZGET, &bytes);

	*ret = (uint32_t)bytes;
	return rv;
}
