// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk.c - disks and their jobs on the plane's loop. A job is done on the spot
 * when the page cache has what is read, else by the ring (disk_ring.c) or by
 * threads (disk_threads.c). Called by volume.c; it knows nothing of the
 * protocol: no order between jobs is promised.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "replication/disk_priv.h"

void disk_finish(struct disk_job *job)
{
	struct disk *d = job->disk;

	assert(d->jobs > 0);
	d->jobs--;
	d->done(job, d->owner);
	job->next = d->free;
	d->free = job;
}

static void on_now_turn(struct turn_item *item)
{
	struct disk *d = (struct disk *)((char *)item - offsetof(struct disk, now_turn));
	struct disk_job *job, *next;

	job = d->now;
	d->now = NULL;
	for (; job; job = next) {
		next = job->next;
		disk_finish(job);
	}
}

struct disk_pool *disk_pool_new(uv_loop_t *loop, struct turn *turn, enum disk_engine engine)
{
	struct disk_pool *pool = calloc(1, sizeof(*pool));
	const char *why = "threads were asked for";

	if (!pool)
		return NULL;
	pool->loop = loop;
	pool->turn = turn;
	pool->linger = uv_available_parallelism() > 1;
	if (disk_threads_start(pool) < 0) {
		free(pool);
		return NULL;
	}
	if (engine != DISK_ENGINE_THREADS)
		pool->ring = disk_ring_start(pool, &why);
	pool->both = pool->ring && engine == DISK_ENGINE_BOTH;
	if (pool->ring)
		log_info("disk", "I/O of disks goes through io_uring%s",
			 pool->both ? ", single operations are done by threads" : "");
	else
		log_info("disk", "I/O of disks is done by threads: %s", why);
	return pool;
}

enum disk_engine disk_pool_engine(const struct disk_pool *pool)
{
	if (pool->both)
		return DISK_ENGINE_BOTH;
	return pool->ring ? DISK_ENGINE_RING : DISK_ENGINE_THREADS;
}

void disk_handle_closed(struct disk_pool *pool)
{
	void (*closed)(void *arg) = pool->closed;
	void *arg = pool->closed_arg;

	if (--pool->handles > 0)
		return;
	disk_threads_release(pool);
	if (pool->ring)
		disk_ring_release(pool->ring);
	free(pool);
	if (closed)
		closed(arg);
}

void disk_pool_free(struct disk_pool *pool, void (*closed)(void *arg), void *arg)
{
	pool->closed = closed;
	pool->closed_arg = arg;
	disk_threads_end(pool);
	if (pool->ring)
		disk_ring_end(pool->ring);
}

void disk_init(struct disk *d, struct disk_pool *pool,
	       void (*done)(struct disk_job *job, void *owner), void *owner)
{
	*d = (struct disk){
		.pool = pool,
		.done = done,
		.owner = owner,
		.data_fd = -1,
		.meta_fd = -1,
		.below_fd = -1,
		.direct_fd = -1,
	};
	d->now_turn.run = on_now_turn;
}

void disk_close(struct disk *d)
{
	int *const fds[] = { &d->data_fd, &d->meta_fd, &d->below_fd, &d->direct_fd };

	for (size_t i = 0; i < PORT_ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

void disk_release(struct disk *d)
{
	struct disk_job *job;

	assert(d->jobs == 0);
	while ((job = d->free)) {
		d->free = job->next;
		free(job->page);
		free(job);
	}
	disk_close(d);
}

static int open_one(const char *path, bool shared, int *ret_fd, struct err *err)
{
	int flags = O_RDWR | O_CLOEXEC;
	struct stat st;
	int fd;

	/* exclusive on a block device: nobody else has it mounted or claimed */
	if (!shared && stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	fd = open(path, flags);
	if (fd < 0)
		return err_set(err, -errno, "cannot open %s: %s%s", path, err_name(-errno),
			       errno == EBUSY ? " (mounted or used by another program?)" : "");
	*ret_fd = fd;
	return 0;
}

int disk_check_size(const struct disk *d, const char *data_path, u64 size_bytes, struct err *err)
{
	off_t size = lseek(d->data_fd, 0, SEEK_END);

	if (size < 0)
		return err_set(err, -errno, "cannot tell the size of %s: %s", data_path,
			       err_name(-errno));
	if ((u64)size < size_bytes)
		return err_set(err, -E_INVALID, "%s has %lld bytes, the volume needs %llu",
			       data_path, (long long)size, (unsigned long long)size_bytes);
	return 0;
}

int disk_open(struct disk *d, const char *data_path, const char *meta_path, u64 size_bytes,
	      struct err *err)
{
	int rv;

	rv = open_one(data_path, d->shared, &d->data_fd, err);
	if (rv == 0)
		rv = disk_check_size(d, data_path, size_bytes, err);
	if (rv == 0)
		rv = open_one(meta_path, d->shared, &d->meta_fd, err);
	if (rv < 0)
		disk_close(d);
	return rv;
}

static int open_direct(const char *path, int *ret_fd, struct err *err)
{
	*ret_fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	return *ret_fd < 0 ? err_set(err, -errno, "cannot open %s past the page cache: %s", path,
				     err_name(-errno))
			   : 0;
}

int disk_open_below(struct disk *d, const char *data_path, const char *path, u64 off,
		    struct err *err)
{
	int rv = open_direct(path, &d->below_fd, err);

	if (rv == 0)
		rv = open_direct(data_path, &d->direct_fd, err);
	if (rv < 0)
		disk_close(d);
	d->below_off = off;
	return rv;
}

struct disk_job *disk_job_new(struct disk *d, enum disk_job_kind kind, bool meta_page)
{
	struct disk_job *job = d->free;
	u8 *page;

	if (job)
		d->free = job->next;
	else
		job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	page = job->page;
	if (meta_page && !page) {
		page = malloc(REPL_META_PAGE);
		if (!page) {
			job->next = d->free;
			d->free = job;
			return NULL;
		}
	}
	*job = (struct disk_job){ .disk = d, .kind = kind, .page = page };
	return job;
}

/* A read that the page cache can answer needs no thread. It is the loop's own list that it goes to:
 * done() is never called inside submit. */
static bool read_now(struct disk_job *job)
{
	struct disk *d = job->disk;
	struct iovec iov;
	ssize_t n;

	if (job->kind != DISK_JOB_READ || job->len > DISK_NOW_MAX || d->no_nowait)
		return false;
	iov = (struct iovec){ .iov_base = job->buf->data, .iov_len = job->len };
	n = preadv2(d->data_fd, &iov, 1, (off_t)job->off, RWF_NOWAIT);
	if (n < 0 && disk_unsupported(errno))
		d->no_nowait = true; /* this file system cannot say */
	if (n != (ssize_t)job->len)
		return false;
	job->status = 0;
	job->next = d->now;
	d->now = job;
	turn_add(d->pool->turn, &d->now_turn);
	return true;
}

/* A job that is alone is done sooner by a thread of ours than by a worker of the kernel behind the
 * ring; several at a time cost less through the ring, which takes them all in one call
 * (docs/performance.md). */
void disk_submit(struct disk_job *job)
{
	struct disk *d = job->disk;
	bool alone = d->jobs++ == 0 && d->pool->both;
	bool steps = job->kind == DISK_JOB_WRITE && disk_in_steps(d, job->op);

	if (read_now(job))
		return;
	if (alone || steps || !d->pool->ring || !disk_ring_submit(d->pool->ring, job))
		disk_threads_submit(job);
}
