// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm.c - see dm.h. Called by the LVM backends, for what is asked often: a
 * thousand volumes are found at a start, and measured twice a minute; and by
 * cache.c.
 */
#include "storage/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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

static int prepare(const char *name, uint32_t flags, struct question *q)
{
	if (strlen(name) >= sizeof(q->head.name))
		return -ENAMETOOLONG;
	memset(q, 0, sizeof(*q));
	q->head.version[0] = DM_VERSION_MAJOR;
	q->head.data_size = sizeof(*q);
	q->head.data_start = offsetof(struct question, answer);
	q->head.flags = flags;
	snprintf(q->head.name, sizeof(q->head.name), "%s", name);
	return 0;
}

static int put_question(unsigned long request, struct question *q)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC), rv = 0;

	if (fd < 0)
		return errno == ENOENT ? -ENXIO : -errno;
	if (ioctl(fd, request, q) < 0)
		rv = -errno;
	close(fd);
	return rv;
}

static int ask(const char *name, unsigned long request, uint32_t flags, struct question *q)
{
	int rv = prepare(name, flags, q);

	return rv < 0 ? rv : put_question(request, q);
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

/* of a device with one target of that type: what the kernel says of it */
static int ask_target(const char *name, uint32_t flags, const char *type, struct question *q,
		      const struct dm_target_spec **ret, const char **ret_words)
{
	const struct dm_target_spec *target;
	size_t at;
	int rv = ask(name, DM_TABLE_STATUS, flags, q);

	if (rv < 0)
		return rv;
	at = q->head.data_start - offsetof(struct question, answer);
	if (q->head.target_count != 1 || (q->head.flags & DM_BUFFER_FULL_FLAG) ||
	    at > sizeof(q->answer) - sizeof(*target) - 1)
		return -EINVAL;
	q->answer[sizeof(q->answer) - 1] = 0;
	target = (const struct dm_target_spec *)(q->answer + at);
	if (strncmp(target->target_type, type, sizeof(target->target_type)) != 0)
		return -EINVAL;
	*ret = target;
	*ret_words = q->answer + at + sizeof(*target);
	return 0;
}

int dm_thin_mapped(const char *name, uint64_t *ret_bytes)
{
	const struct dm_target_spec *target;
	struct question q;
	unsigned long long sectors;
	const char *words;
	int rv = ask_target(name, DM_NOFLUSH_FLAG, "thin", &q, &target, &words);

	if (rv < 0)
		return rv;
	/* "<mapped sectors> <highest mapped sector>", or a word */
	if (sscanf(words, "%llu", &sectors) != 1)
		return -EINVAL;
	*ret_bytes = sectors * SECTOR;
	return 0;
}

int dm_target(const char *name, const char *type, enum dm_words which, struct dm_target *ret)
{
	const struct dm_target_spec *target;
	struct question q;
	const char *words;
	int rv = ask_target(name, which == DM_TABLE ? DM_STATUS_TABLE_FLAG : DM_NOFLUSH_FLAG, type,
			    &q, &target, &words);

	if (rv < 0)
		return rv;
	ret->bytes = target->length * SECTOR;
	snprintf(ret->words, sizeof(ret->words), "%.*s", (int)sizeof(ret->words) - 1, words);
	return 0;
}

bool dm_knows(const char *type, uint32_t major, uint32_t minor)
{
	const struct dm_target_versions *v;
	struct question q;
	size_t at;

	if (ask("", DM_LIST_VERSIONS, 0, &q) < 0)
		return false;
	at = q.head.data_start - offsetof(struct question, answer);
	q.answer[sizeof(q.answer) - 1] = 0;
	while (at < sizeof(q.answer) - sizeof(*v)) {
		v = (const struct dm_target_versions *)(q.answer + at);
		if (strcmp(v->name, type) == 0)
			return v->version[0] > major ||
			       (v->version[0] == major && v->version[1] >= minor);
		if (!v->next)
			return false;
		at += v->next;
	}
	return false;
}

int dm_message(const char *name, const char *text)
{
	struct question q;
	struct dm_target_msg *m = (struct dm_target_msg *)q.answer;
	int rv = prepare(name, 0, &q);

	if (rv < 0)
		return rv;
	snprintf(m->message, sizeof(q.answer) - sizeof(*m), "%s", text);
	return put_question(DM_TARGET_MSG, &q);
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

int dm_node(const char *path)
{
	struct dm_device d;
	struct stat st;

	if (dm_look(path + strlen(DM_NODES), &d) < 0 || !d.live)
		return -ENXIO;
	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode) || major(st.st_rdev) != d.major ||
	    minor(st.st_rdev) != d.minor)
		return -ENODEV;
	return 0;
}

/* --- the library ---------------------------------------------------------- */

static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

void dm_library_enter(void)
{
	pthread_mutex_lock(&library);
}

void dm_library_leave(void)
{
	pthread_mutex_unlock(&library);
}
