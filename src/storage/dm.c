// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm.c - see dm.h. Called by the LVM backends, for what is asked often: a
 * thousand volumes are found at a start, and measured twice a minute.
 */
#include "storage/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "storage/block_queue.h"

#define CONTROL DM_NODES DM_CONTROL_NODE
#define SECTOR 512u
#define ANSWER_MAX 4096

struct question {
	struct dm_ioctl head;
	char answer[ANSWER_MAX];
};

static int ask(const char *name, unsigned long request, uint32_t flags, struct question *q)
{
	int fd, rv = 0;

	if (strlen(name) >= sizeof(q->head.name))
		return -ENAMETOOLONG;
	memset(q, 0, sizeof(*q));
	q->head.version[0] = DM_VERSION_MAJOR;
	q->head.data_size = sizeof(*q);
	q->head.data_start = offsetof(struct question, answer);
	q->head.flags = flags;
	snprintf(q->head.name, sizeof(q->head.name), "%s", name);
	fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENXIO : -errno;
	if (ioctl(fd, request, q) < 0)
		rv = -errno;
	close(fd);
	return rv;
}

int dm_look(const char *name, struct dm_device *ret)
{
	struct question q;
	int rv = ask(name, DM_DEV_STATUS, 0, &q);

	if (rv < 0)
		return rv;
	*ret = (struct dm_device){ .major = major(q.head.dev),
				   .minor = minor(q.head.dev),
				   .opens = q.head.open_count,
				   .live = q.head.flags & DM_ACTIVE_PRESENT_FLAG,
				   .suspended = q.head.flags & DM_SUSPEND_FLAG };
	return 0;
}

int dm_thin_mapped(const char *name, uint64_t *ret_bytes)
{
	const struct dm_target_spec *target;
	struct question q;
	unsigned long long sectors;
	size_t at;
	int rv = ask(name, DM_TABLE_STATUS, DM_NOFLUSH_FLAG, &q);

	if (rv < 0)
		return rv;
	at = q.head.data_start - offsetof(struct question, answer);
	if (q.head.target_count != 1 || (q.head.flags & DM_BUFFER_FULL_FLAG) ||
	    at > sizeof(q.answer) - sizeof(*target) - 1)
		return -EINVAL;
	q.answer[sizeof(q.answer) - 1] = 0;
	target = (const struct dm_target_spec *)(q.answer + at);
	/* "<mapped sectors> <highest mapped sector>", or a word */
	if (strncmp(target->target_type, "thin", sizeof(target->target_type)) != 0 ||
	    sscanf(q.answer + at + sizeof(*target), "%llu", &sectors) != 1)
		return -EINVAL;
	*ret_bytes = sectors * SECTOR;
	return 0;
}

uint32_t dm_discard_bytes(const char *name)
{
	struct dm_device d;

	return dm_look(name, &d) < 0 ? 0 : block_queue_discard(d.major, d.minor);
}

int dm_resume(const char *name)
{
	struct question q;

	return ask(name, DM_DEV_SUSPEND, 0, &q);
}
