// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm.c - volumes in a volume group of LVM, whose space is reserved when they
 * are made. Called by storage.c in worker threads. What it shares with thin
 * pools, and how it is kept safe from crashes, is in lvm_pair.c; here is what a
 * plain volume needs: room in whole extents, and zeros where it has old content.
 */
#include "storage/lvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "storage/block_queue.h"
#include "storage/lvm_adopt.h"
#include "storage/lvm_devices.h"
#include "storage/lvm_pair.h"
#include "storage/step.h"

#define ZERO_CHUNK (64ull << 20) /* at once: nothing ends a call of the kernel that zeroes */
#define ZERO_TELL_MS 10000
#define MS 1000000ull

static int check(const struct storage_pool *p, struct err *err)
{
	struct lvm_source s;

	if (lvm_source_parse(p->source, &s) < 0 || s.pool[0])
		return err_set(err, -E_INVALID,
			       "pool %s: \"%.200s\" is no name of a volume group, such as vg0",
			       p->name, p->source);
	return 0;
}

/* Commands on one volume group wait for each other anyway. */
static void lock(const struct storage_pool *p, char *out, size_t len)
{
	struct lvm_source s;

	lvm_source_parse(p->source, &s);
	snprintf(out, len, "%s", s.group);
}

static int probe(const struct storage_pool *p, struct storage_space *ret, struct err *err)
{
	struct lvm_group g;
	int rv = lvm_group_look(p, &g, err);

	if (rv < 0)
		return rv;
	ret->total_kib = (int64_t)(g.size_bytes / 1024);
	ret->free_kib = (int64_t)(g.free_bytes / 1024);
	ret->meta_percent = -1;
	ret->queues = false;
	return 0;
}

static uint64_t extents(uint64_t bytes, uint64_t extent)
{
	return (bytes + extent - 1) / extent;
}

int lvm_check_room(const struct storage_pool *p, uint64_t data_from, uint64_t data_to,
		   uint64_t meta_from, uint64_t meta_to, struct err *err)
{
	struct lvm_group g;
	char text[2][32];
	uint64_t want;
	int rv = lvm_group_look(p, &g, err);

	if (rv < 0)
		return rv;
	want = (extents(data_to, g.extent_bytes) - extents(data_from, g.extent_bytes) +
		extents(meta_to, g.extent_bytes) - extents(meta_from, g.extent_bytes)) *
	       g.extent_bytes;
	if (want <= g.free_bytes)
		return 0;
	return err_set(err, -ENOSPC, "pool %s: volume group %s is full: %s more wanted, %s free",
		       p->name, p->source,
		       text_size_kib((int64_t)(want / 1024), text[0], sizeof(text[0])),
		       text_size_kib((int64_t)(g.free_bytes / 1024), text[1], sizeof(text[1])));
}

static int zero_all(const struct storage_pool *p, const char *path, int fd, uint64_t from,
		    uint64_t to, struct err *err)
{
	uint64_t told = clock_boot_ns(), begin = from;

	while (from < to) {
		uint64_t range[2] = { from, to - from < ZERO_CHUNK ? to - from : ZERO_CHUNK };

		storage_step("zero");
		if (ioctl(fd, BLKZEROOUT, range) < 0 && errno != EINTR)
			return err_set(err, -errno, "pool %s: cannot write zeros to %s: %s",
				       p->name, path, err_name(-errno));
		from += range[1];
		if (clock_boot_ns() - told < ZERO_TELL_MS * MS)
			continue;
		told = clock_boot_ns();
		log_info("storage", "pool=%s %s is made zero: %llu of %llu MiB", p->name, path,
			 (unsigned long long)((from - begin) >> 20),
			 (unsigned long long)((to - begin) >> 20));
	}
	if (fsync(fd) < 0)
		return err_set(err, -errno, "pool %s: cannot sync %s: %s", p->name, path,
			       err_name(-errno));
	return 0;
}

/* Durable. The kernel hands this to the disk where that can do it by itself. As long as it is open
 * LVM does not remove it. */
static int zero(const struct storage_pool *p, const struct storage_paths *paths, struct err *err)
{
	int fd = open(paths->data, O_WRONLY | O_CLOEXEC), rv;

	if (fd < 0)
		return err_set(err, -errno, "pool %s: cannot open %s: %s", p->name, paths->data,
			       err_name(-errno));
	rv = zero_all(p, paths->data, fd, paths->zero_from, paths->zero_to, err);
	close(fd);
	storage_step("zeroed");
	return rv;
}

/* What is reserved: asked of the kernel, as this is asked often. */
static int allocated(const struct storage_pool *p, const struct storage_volume *v, int64_t *ret_kib,
		     struct err *err)
{
	struct lvm_pair q;
	int64_t kib = 0;

	lvm_pair_init(&q, p, v, NULL);
	for (int i = 0; i < 2; i++) {
		const char *path = i == 0 ? q.paths.data : q.paths.meta;
		uint64_t bytes;
		int rv = block_queue_size(path, &bytes);

		if (rv < 0)
			return err_set(err, rv, "pool %s: cannot examine %s: %s", p->name, path,
				       err_name(rv));
		kib += (int64_t)(bytes / 1024);
	}
	*ret_kib = kib;
	return 0;
}

const struct storage_ops storage_lvm = {
	.kind = "LVM",
	.check = check,
	.lock = lock,
	.probe = probe,
	.create = lvm_pair_create_empty,
	.locate = lvm_pair_locate,
	.grow = lvm_pair_grow,
	.remove = lvm_pair_remove,
	.allocated = allocated,
	.adoptable = lvm_adoptable,
	.adopt = lvm_adopt,
	.zero = zero,
	.task = lvm_task,
};
