// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk.c - threads that do blocking I/O for all volumes of a plane. A disk
 * with jobs stands in the pool's queue; a free thread takes one job of the
 * first disk and puts the disk back at the end. What is done goes onto one
 * list and the loop is woken once for many. Called by volume.c; it knows
 * nothing of the protocol: no order between jobs is promised.
 */
#include "replication/disk.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define ZEROS_BYTES 65536u

struct disk_pool {
	struct turn *turn; /* borrowed */
	uv_async_t wake;   /* something is in done */
	uv_mutex_t lock;
	uv_cond_t work;
	uv_thread_t thread[DISK_THREADS_MAX];
	void (*closed)(void *arg);
	void *closed_arg;
	/* below: lock */
	u32 threads;
	u32 idle;  /* threads that wait and were not told yet */
	u32 wakes; /* threads told and not awake yet */
	u32 fresh; /* threads made that have not looked for a job yet */
	struct disk *head, *tail;
	struct disk_job *done_head, *done_tail;
	bool stopping;
};

static const u8 zeros[ZEROS_BYTES];

/* ---- the I/O itself, in a thread ---- */

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

static bool unsupported(int code)
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
	return unsupported(errno) ? 1 : -errno;
}

/* both read back as zeros: all copies must be alike, whatever their devices can */
static int zero_range(int fd, u8 op, u64 off, u32 len)
{
	int rv = 1;

	if (op == REPL_OP_ZERO)
		rv = try_fallocate(fd, FALLOC_FL_ZERO_RANGE, off, len);
	if (rv == 1)
		rv = try_fallocate(fd, FALLOC_FL_PUNCH_HOLE, off, len);
	if (rv == 1)
		rv = write_zeros(fd, len, off);
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
		if (n < 0 && errno != EINTR && !unsupported(errno))
			return -errno;
	}
	rv = write_all(fd, page, len, off);
	return rv == 0 && fua ? sync_data(fd) : rv;
}

static int perform(const struct disk_job *job)
{
	const struct disk *d = job->disk;

	switch (job->kind) {
	case DISK_JOB_READ:
		return read_all(d->data_fd, job->buf->data, job->len, job->off);
	case DISK_JOB_WRITE:
		if (job->op != REPL_OP_DATA)
			return zero_range(d->data_fd, job->op, job->off, job->len);
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

/* ---- the queue of disks; lock held ---- */

static void enqueue(struct disk_pool *pool, struct disk *d)
{
	if (d->queued || !d->head || d->running >= DISK_PARALLEL_MAX)
		return;
	d->queued = true;
	d->next = NULL;
	if (pool->tail)
		pool->tail->next = d;
	else
		pool->head = d;
	pool->tail = d;
}

static struct disk_job *take_job(struct disk_pool *pool)
{
	struct disk *d = pool->head;
	struct disk_job *job;

	if (!d)
		return NULL;
	pool->head = d->next;
	if (!pool->head)
		pool->tail = NULL;
	d->queued = false;
	job = d->head;
	d->head = job->next;
	if (!d->head)
		d->tail = NULL;
	d->running++;
	enqueue(pool, d);
	return job;
}

/* true: the loop has to be woken */
static bool put_done(struct disk_pool *pool, struct disk_job *job)
{
	bool first = !pool->done_head;

	job->disk->running--;
	enqueue(pool, job->disk);
	job->next = NULL;
	if (pool->done_tail)
		pool->done_tail->next = job;
	else
		pool->done_head = job;
	pool->done_tail = job;
	return first;
}

/* lock held; NULL: the pool ends */
static struct disk_job *wait_for_job(struct disk_pool *pool)
{
	struct disk_job *job;

	while (!(job = take_job(pool)) && !pool->stopping) {
		pool->idle++;
		while (pool->wakes == 0 && !pool->stopping)
			uv_cond_wait(&pool->work, &pool->lock);
		if (pool->wakes > 0)
			pool->wakes--; /* who told it took it off idle */
		else
			pool->idle--;
	}
	return job;
}

static void worker(void *arg);

/* lock held; a thread that cannot be made is no failure while there is another */
static int add_thread(struct disk_pool *pool)
{
	int rv;

	if (pool->threads == DISK_THREADS_MAX)
		return 0;
	rv = uv_thread_create(&pool->thread[pool->threads], worker, pool);
	if (rv == 0) {
		pool->threads++;
		pool->fresh++;
	}
	return rv;
}

/* Lock held; true: the work condition has to be signalled. There is one thread at a time on its way
 * to a job; when it finds more of them than one it calls the next. So short jobs are done by a few
 * threads that stay awake, and jobs that block bring in as many as they can use. */
static bool call_thread(struct disk_pool *pool)
{
	if (!pool->head || pool->wakes > 0 || pool->fresh > 0)
		return false;
	if (pool->idle == 0) {
		add_thread(pool);
		return false;
	}
	pool->idle--;
	pool->wakes++;
	return true;
}

static void worker(void *arg)
{
	struct disk_pool *pool = arg;
	struct disk_job *job;
	bool call, wake;

	uv_mutex_lock(&pool->lock);
	pool->fresh--;
	while ((job = wait_for_job(pool))) {
		call = call_thread(pool);
		uv_mutex_unlock(&pool->lock);
		if (call)
			uv_cond_signal(&pool->work);
		job->status = perform(job);
		uv_mutex_lock(&pool->lock);
		wake = put_done(pool, job);
		if (!wake)
			continue;
		/* outside of the lock: the loop comes for it at once */
		uv_mutex_unlock(&pool->lock);
		uv_async_send(&pool->wake);
		uv_mutex_lock(&pool->lock);
	}
	uv_mutex_unlock(&pool->lock);
}

/* ---- the loop's side ---- */

static void finish(struct disk_job *job)
{
	struct disk *d = job->disk;

	assert(d->jobs > 0);
	d->jobs--;
	d->done(job, d->owner);
	job->next = d->free;
	d->free = job;
}

static void on_wake(uv_async_t *async)
{
	struct disk_pool *pool = async->data;
	struct disk_job *job, *next;

	uv_mutex_lock(&pool->lock);
	job = pool->done_head;
	pool->done_head = pool->done_tail = NULL;
	uv_mutex_unlock(&pool->lock);
	for (; job; job = next) {
		next = job->next;
		finish(job);
	}
}

static void on_now_turn(struct turn_item *item)
{
	struct disk *d = (struct disk *)((char *)item - offsetof(struct disk, now_turn));
	struct disk_job *job, *next;

	job = d->now;
	d->now = NULL;
	for (; job; job = next) {
		next = job->next;
		finish(job);
	}
}

struct disk_pool *disk_pool_new(uv_loop_t *loop, struct turn *turn)
{
	struct disk_pool *pool = calloc(1, sizeof(*pool));
	int rv;

	if (!pool)
		return NULL;
	pool->turn = turn;
	if (uv_mutex_init(&pool->lock) < 0)
		goto free_pool;
	if (uv_cond_init(&pool->work) < 0)
		goto destroy_lock;
	uv_mutex_lock(&pool->lock);
	rv = add_thread(pool);
	uv_mutex_unlock(&pool->lock);
	if (rv < 0)
		goto destroy_cond;
	if (uv_async_init(loop, &pool->wake, on_wake) < 0)
		goto stop_thread;
	pool->wake.data = pool;
	return pool;

stop_thread:
	uv_mutex_lock(&pool->lock);
	pool->stopping = true;
	uv_cond_broadcast(&pool->work);
	uv_mutex_unlock(&pool->lock);
	uv_thread_join(&pool->thread[0]);
destroy_cond:
	uv_cond_destroy(&pool->work);
destroy_lock:
	uv_mutex_destroy(&pool->lock);
free_pool:
	free(pool);
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct disk_pool *pool = handle->data;
	void (*closed)(void *arg) = pool->closed;
	void *arg = pool->closed_arg;

	uv_cond_destroy(&pool->work);
	uv_mutex_destroy(&pool->lock);
	free(pool);
	if (closed)
		closed(arg);
}

void disk_pool_free(struct disk_pool *pool, void (*closed)(void *arg), void *arg)
{
	uv_mutex_lock(&pool->lock);
	assert(!pool->head && !pool->done_head);
	pool->stopping = true;
	uv_cond_broadcast(&pool->work);
	uv_mutex_unlock(&pool->lock);
	for (u32 i = 0; i < pool->threads; i++)
		uv_thread_join(&pool->thread[i]);
	pool->closed = closed;
	pool->closed_arg = arg;
	uv_close((uv_handle_t *)&pool->wake, on_closed);
}

void disk_init(struct disk *d, struct disk_pool *pool,
	       void (*done)(struct disk_job *job, void *owner), void *owner)
{
	*d = (struct disk){
		.pool = pool, .done = done, .owner = owner, .data_fd = -1, .meta_fd = -1
	};
	d->now_turn.run = on_now_turn;
}

void disk_close(struct disk *d)
{
	if (d->data_fd >= 0)
		close(d->data_fd);
	if (d->meta_fd >= 0)
		close(d->meta_fd);
	d->data_fd = d->meta_fd = -1;
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

static int open_one(const char *path, int *ret_fd, struct err *err)
{
	int flags = O_RDWR | O_CLOEXEC;
	struct stat st;
	int fd;

	/* exclusive on a block device: nobody else has it mounted or claimed */
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
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

	rv = open_one(data_path, &d->data_fd, err);
	if (rv == 0)
		rv = disk_check_size(d, data_path, size_bytes, err);
	if (rv == 0)
		rv = open_one(meta_path, &d->meta_fd, err);
	if (rv < 0)
		disk_close(d);
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
	if (n < 0 && unsupported(errno))
		d->no_nowait = true; /* this file system cannot say */
	if (n != (ssize_t)job->len)
		return false;
	job->status = 0;
	job->next = d->now;
	d->now = job;
	turn_add(d->pool->turn, &d->now_turn);
	return true;
}

void disk_submit(struct disk_job *job)
{
	struct disk *d = job->disk;
	struct disk_pool *pool = d->pool;
	bool call;

	d->jobs++;
	if (read_now(job))
		return;
	job->next = NULL;
	uv_mutex_lock(&pool->lock);
	if (d->tail)
		d->tail->next = job;
	else
		d->head = job;
	d->tail = job;
	enqueue(pool, d);
	call = call_thread(pool);
	uv_mutex_unlock(&pool->lock);
	if (call)
		uv_cond_signal(&pool->work);
}
