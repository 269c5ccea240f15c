// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk_ring.c - jobs of disks through one io_uring, submitted together at the
 * end of a loop turn. Called by disk.c; completions come by polling the ring's
 * descriptor in the loop.
 *
 * Every operation goes to the kernel's workers at once (IOSQE_ASYNC): tried in
 * line, a buffered read may start readahead, and that can block the loop behind
 * a device that hangs. Some kernels let buffered writes to one file in one
 * after another and find the file by a small hash, so a hung file may hold up
 * others that share its bucket (not seen with Linux 6.18). That is why what
 * takes too long is suspected: the ring is suspended, what has not begun in it
 * is cancelled, and threads do it until the ring is empty again.
 */
#include <assert.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>

#include "replication/disk_priv.h"

#define RING_ENTRIES 256u
#define RING_JOBS_MAX 256u /* in the kernel; with as many cancellations they fit the other queue */
#define RING_WATCH_MS 100  /* while there is I/O: looks for what hangs */
#define RING_HUNG_MS 500   /* in the kernel so long: suspected */

struct disk_ring {
	struct disk_pool *pool;
	struct io_uring uring;
	uv_poll_t poll;
	uv_timer_t watch;
	struct turn_item turn;
	struct disk *head, *tail;         /* have jobs that wait and may run */
	struct disk_job *oldest, *newest; /* in the kernel */
	u32 n_jobs;                       /* of these */
	bool suspended;
};

/* ---- what is an operation, what is its end ---- */

bool disk_ring_outcome(const struct disk_job *job, int res, int *ret_status)
{
	bool moves_bytes = job->kind == DISK_JOB_READ || job->kind == DISK_JOB_META_WRITE ||
			   job->kind == DISK_JOB_META_READ ||
			   (job->kind == DISK_JOB_WRITE && job->op == REPL_OP_DATA);
	bool flushes = job->kind == DISK_JOB_FLUSH || job->kind == DISK_JOB_META_FLUSH;

	/* Not begun, or interrupted without an effect that counts. A flush that failed is never
	 * repeated: the kernel reports a lost write once. */
	if (res == -ECANCELED || res == -EINTR || res == -EAGAIN)
		return false;
	if (res < 0 && !flushes && disk_unsupported(-res))
		return false;
	if (res >= 0 && moves_bytes && (u32)res != job->len)
		return false;
	*ret_status = PORT_MIN(res, 0);
	return true;
}

static void prepare(struct io_uring_sqe *sqe, struct disk_job *job)
{
	struct disk *d = job->disk;

	switch (job->kind) {
	case DISK_JOB_READ:
		io_uring_prep_read(sqe, d->data_fd, job->buf->data, job->len, job->off);
		break;
	case DISK_JOB_WRITE:
		if (job->op == REPL_OP_DATA)
			io_uring_prep_write(sqe, d->data_fd, job->buf->data + job->buf_off,
					    job->len, job->off);
		else
			io_uring_prep_fallocate(sqe, d->data_fd,
						FALLOC_FL_KEEP_SIZE |
							(job->op == REPL_OP_ZERO
								 ? FALLOC_FL_ZERO_RANGE
								 : FALLOC_FL_PUNCH_HOLE),
						(off_t)job->off, job->len);
		break;
	case DISK_JOB_FLUSH:
		io_uring_prep_fsync(sqe, d->data_fd, IORING_FSYNC_DATASYNC);
		break;
	case DISK_JOB_META_WRITE:
		io_uring_prep_write(sqe, d->meta_fd, job->page, job->len, job->off);
		sqe->rw_flags = job->fua ? RWF_DSYNC : 0;
		break;
	case DISK_JOB_META_READ:
		io_uring_prep_read(sqe, d->meta_fd, job->page, job->len, job->off);
		break;
	case DISK_JOB_META_FLUSH:
		io_uring_prep_fsync(sqe, d->meta_fd, IORING_FSYNC_DATASYNC);
		break;
	case DISK_JOB_CALL:
		assert(false);
	}
	sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data(sqe, job);
}

/* ---- disks that wait for room ---- */

static void enqueue(struct disk_ring *r, struct disk *d)
{
	if (d->ring.queued || !d->ring.head || d->ring.running >= DISK_PARALLEL_MAX)
		return;
	d->ring.queued = true;
	d->ring.next = NULL;
	if (r->tail)
		r->tail->ring.next = d;
	else
		r->head = d;
	r->tail = d;
	turn_add(r->pool->turn, &r->turn);
}

static struct disk *dequeue(struct disk_ring *r)
{
	struct disk *d = r->head;

	r->head = d->ring.next;
	if (!r->head)
		r->tail = NULL;
	d->ring.queued = false;
	return d;
}

static struct disk_job *take_job(struct disk *d)
{
	struct disk_job *job = d->ring.head;

	d->ring.head = job->next;
	if (!d->ring.head)
		d->ring.tail = NULL;
	return job;
}

/* ---- into the kernel and out of it ---- */

static void on_watch(uv_timer_t *timer);

static void to_kernel(struct disk_ring *r, struct disk_job *job, struct io_uring_sqe *sqe)
{
	prepare(sqe, job);
	job->since = uv_now(r->pool->loop);
	job->next = NULL;
	job->prev = r->newest;
	if (r->newest)
		r->newest->next = job;
	else
		r->oldest = job;
	r->newest = job;
	job->disk->ring.running++;
	if (r->n_jobs++ == 0 && !uv_is_active((uv_handle_t *)&r->watch))
		uv_timer_start(&r->watch, on_watch, RING_WATCH_MS, RING_WATCH_MS);
}

static void from_kernel(struct disk_ring *r, struct disk_job *job)
{
	if (job->prev)
		job->prev->next = job->next;
	else
		r->oldest = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		r->newest = job->prev;
	job->disk->ring.running--;
	r->n_jobs--;
}

/* What the kernel does not take now (no memory) stays in the queue: the watch tries again. */
static void submit(struct disk_ring *r)
{
	while (io_uring_sq_ready(&r->uring) > 0 && io_uring_submit(&r->uring) > 0)
		;
}

static void on_turn(struct turn_item *item)
{
	struct disk_ring *r = (struct disk_ring *)((char *)item - offsetof(struct disk_ring, turn));
	struct io_uring_sqe *sqe;

	while (r->head && r->n_jobs < RING_JOBS_MAX && (sqe = io_uring_get_sqe(&r->uring))) {
		struct disk *d = dequeue(r);

		to_kernel(r, take_job(d), sqe);
		enqueue(r, d);
	}
	submit(r);
}

static void ended(struct disk_ring *r, struct disk_job *job, int res)
{
	struct disk *d = job->disk;

	from_kernel(r, job);
	enqueue(r, d);
	if (disk_ring_outcome(job, res, &job->status))
		disk_finish(job); /* the disk may be gone now */
	else
		disk_threads_submit(job);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct disk_ring *r = poll->data;
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&r->uring, &cqe) == 0) {
		struct disk_job *job = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&r->uring, cqe);
		if (job) /* else of a cancellation */
			ended(r, job, res);
	}
	if (r->n_jobs == 0)
		r->suspended = false;
	if (r->head)
		turn_add(r->pool->turn, &r->turn);
}

/* ---- what hangs ---- */

/* Everything goes to the threads that can: what waits here at once, what is in the kernel and has
 * not begun when its cancellation is reported. */
static void suspend(struct disk_ring *r)
{
	r->suspended = true;
	while (r->head) {
		struct disk *d = dequeue(r);

		while (d->ring.head)
			disk_threads_submit(take_job(d));
	}
	for (struct disk_job *job = r->oldest; job; job = job->next) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

		if (!sqe) {
			submit(r);
			sqe = io_uring_get_sqe(&r->uring);
		}
		if (!sqe)
			break; /* the next watch tries again */
		io_uring_prep_cancel64(sqe, (u64)(uintptr_t)job, 0);
		io_uring_sqe_set_data(sqe, NULL);
		/* what waits at its disk for room goes with it */
		while (job->disk->ring.head)
			disk_threads_submit(take_job(job->disk));
	}
	submit(r);
}

static void on_watch(uv_timer_t *timer)
{
	struct disk_ring *r = timer->data;

	submit(r);
	if (r->n_jobs == 0) {
		uv_timer_stop(&r->watch);
		return;
	}
	if (!r->suspended && uv_now(r->pool->loop) - r->oldest->since >= RING_HUNG_MS)
		suspend(r);
}

/* ---- for disk.c ---- */

bool disk_ring_submit(struct disk_ring *r, struct disk_job *job)
{
	struct disk *d = job->disk;

	if (job->kind == DISK_JOB_CALL || r->suspended)
		return false;
	job->next = NULL;
	if (d->ring.tail)
		d->ring.tail->next = job;
	else
		d->ring.head = job;
	d->ring.tail = job;
	enqueue(r, d);
	return true;
}

static bool can_all(struct io_uring *uring)
{
	static const int needed[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC,
				      IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL };
	struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
	bool all = probe && (uring->features & IORING_FEAT_NODROP);

	for (u32 i = 0; all && i < PORT_ARRAY_SIZE(needed); i++)
		all = io_uring_opcode_supported(probe, needed[i]);
	if (probe)
		io_uring_free_probe(probe);
	return all;
}

/* NULL or what is missing */
static const char *open_uring(struct io_uring *uring)
{
	unsigned int workers[2] = { DISK_THREADS_MAX, DISK_THREADS_MAX };
	struct io_uring_params params = { 0 };
	int rv = io_uring_queue_init_params(RING_ENTRIES, uring, &params);

	if (rv == -EPERM || rv == -EACCES)
		return "this machine does not allow io_uring";
	if (rv < 0)
		return "io_uring does not start";
	/* as many as there would be threads: each disk keeps its share when others hang */
	if (can_all(uring) && io_uring_register_iowq_max_workers(uring, workers) == 0)
		return NULL;
	io_uring_queue_exit(uring);
	return "this kernel's io_uring is too old";
}

struct disk_ring *disk_ring_start(struct disk_pool *pool, const char **ret_why)
{
	struct disk_ring *r = calloc(1, sizeof(*r));

	*ret_why = "no memory for io_uring";
	if (!r)
		return NULL;
	*ret_why = open_uring(&r->uring);
	if (*ret_why)
		goto free_ring;
	*ret_why = "the loop cannot poll io_uring";
	if (uv_poll_init(pool->loop, &r->poll, r->uring.ring_fd) < 0)
		goto close_uring;
	uv_timer_init(pool->loop, &r->watch);
	r->pool = pool;
	r->turn.run = on_turn;
	r->poll.data = r->watch.data = r;
	pool->handles += 2;
	uv_poll_start(&r->poll, UV_READABLE, on_poll); /* cannot fail once it was made */
	return r;

close_uring:
	io_uring_queue_exit(&r->uring);
free_ring:
	free(r);
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct disk_ring *r = handle->data;

	disk_handle_closed(r->pool);
}

void disk_ring_end(struct disk_ring *r)
{
	assert(r->n_jobs == 0 && !r->head);
	turn_drop(r->pool->turn, &r->turn);
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->watch, on_closed);
}

void disk_ring_release(struct disk_ring *r)
{
	io_uring_queue_exit(&r->uring);
	free(r);
}
