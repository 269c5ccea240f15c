// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk_threads.c - threads that do blocking I/O for all volumes of a plane. A
 * disk with jobs stands in the queue; a free thread takes one job of the first
 * disk and puts the disk back at the end. What is done goes onto one list and
 * the loop is woken once for many. Called by disk.c.
 */
#include <assert.h>

#include "base/clock.h"
#include "replication/disk_priv.h"

/* ---- the queue of disks; lock held ---- */

static void enqueue(struct disk_threads *t, struct disk *d)
{
	if (d->queued || !d->head || d->running >= DISK_PARALLEL_MAX)
		return;
	d->queued = true;
	d->next = NULL;
	if (t->tail)
		t->tail->next = d;
	else
		t->head = d;
	t->tail = d;
}

static struct disk_job *take_job(struct disk_threads *t)
{
	struct disk *d = t->head;
	struct disk_job *job;

	if (!d)
		return NULL;
	t->head = d->next;
	if (!t->head)
		t->tail = NULL;
	d->queued = false;
	job = d->head;
	d->head = job->next;
	if (!d->head)
		d->tail = NULL;
	d->running++;
	enqueue(t, d);
	return job;
}

/* true: the loop has to be woken */
static bool put_done(struct disk_threads *t, struct disk_job *job)
{
	bool wake = !t->done_head && !t->lingering;

	job->disk->running--;
	enqueue(t, job->disk);
	job->next = NULL;
	if (t->done_tail)
		t->done_tail->next = job;
	else
		__atomic_store_n(&t->done_head, job, __ATOMIC_RELAXED);
	t->done_tail = job;
	return wake;
}

/* lock held; NULL: the pool ends */
static struct disk_job *wait_for_job(struct disk_threads *t)
{
	struct disk_job *job;

	while (!(job = take_job(t)) && !t->stopping) {
		t->idle++;
		while (t->wakes == 0 && !t->stopping)
			uv_cond_wait(&t->work, &t->lock);
		if (t->wakes > 0)
			t->wakes--; /* who told it took it off idle */
		else
			t->idle--;
	}
	return job;
}

static void worker(void *arg);

/* lock held; a thread that cannot be made is no failure while there is another */
static int add_thread(struct disk_threads *t)
{
	int rv;

	if (t->threads == DISK_THREADS_MAX)
		return 0;
	rv = uv_thread_create(&t->thread[t->threads], worker, t);
	if (rv == 0) {
		t->threads++;
		t->fresh++;
	}
	return rv;
}

/* Lock held; true: the work condition has to be signalled. There is one thread at a time on its way
 * to a job; when it finds more of them than one it calls the next. So short jobs are done by a few
 * threads that stay awake, and jobs that block bring in as many as they can use. */
static bool call_thread(struct disk_threads *t)
{
	if (!t->head || t->wakes > 0 || t->fresh > 0)
		return false;
	if (t->idle == 0) {
		add_thread(t);
		return false;
	}
	t->idle--;
	t->wakes++;
	return true;
}

static void worker(void *arg)
{
	struct disk_threads *t = arg;
	struct disk_job *job;
	bool call, wake;

	uv_mutex_lock(&t->lock);
	t->fresh--;
	while ((job = wait_for_job(t))) {
		call = call_thread(t);
		uv_mutex_unlock(&t->lock);
		if (call)
			uv_cond_signal(&t->work);
		job->status = disk_perform(job);
		uv_mutex_lock(&t->lock);
		wake = put_done(t, job);
		if (!wake)
			continue;
		/* outside of the lock: the loop comes for it at once */
		uv_mutex_unlock(&t->lock);
		uv_async_send(&t->wake);
		uv_mutex_lock(&t->lock);
	}
	uv_mutex_unlock(&t->lock);
}

/* ---- the loop's side ---- */

/* lock held */
static struct disk_job *take_done(struct disk_threads *t)
{
	struct disk_job *job = t->done_head;

	__atomic_store_n(&t->done_head, NULL, __ATOMIC_RELAXED);
	t->done_tail = NULL;
	return job;
}

static void finish_all(struct disk_threads *t, struct disk_job *job)
{
	struct disk_job *next;

	for (; job; job = next) {
		next = job->next;
		t->jobs--;
		disk_finish(job);
	}
}

static void on_wake(uv_async_t *async)
{
	struct disk_threads *t = async->data;
	struct disk_job *job;

	uv_mutex_lock(&t->lock);
	job = take_done(t);
	uv_mutex_unlock(&t->lock);
	finish_all(t, job);
}

static struct disk_pool *pool_of(struct disk_threads *t)
{
	return (struct disk_pool *)((char *)t - offsetof(struct disk_pool, threads));
}

/* After lingering in vain, chances are let pass: 1, 2, 4 ... of them */
static bool may_linger(struct disk_threads *t)
{
	const struct disk_pool *pool = pool_of(t);

	if (t->jobs == 0 || t->jobs > LINGER_JOBS_MAX || !pool->linger)
		return false;
	if (t->skipped < (1u << t->missed) - 1) {
		t->skipped++;
		return false;
	}
	t->skipped = 0;
	return true;
}

static struct disk_job *linger(struct disk_threads *t)
{
	u64 end = clock_boot_ns() + LINGER_NS;
	struct disk_job *job;

	uv_mutex_lock(&t->lock);
	t->lingering = true;
	uv_mutex_unlock(&t->lock);
	while (!__atomic_load_n(&t->done_head, __ATOMIC_RELAXED) && clock_boot_ns() < end)
		;
	uv_mutex_lock(&t->lock);
	t->lingering = false;
	job = take_done(t);
	uv_mutex_unlock(&t->lock);
	return job;
}

/* The answer to a few small jobs is nearly there, and to sleep and be woken for it takes longer
 * than it does: wait for it awake, for a moment (docs/performance.md). */
bool disk_pool_linger(void *pool)
{
	struct disk_threads *t = &((struct disk_pool *)pool)->threads;
	struct disk_job *job;

	if (!may_linger(t))
		return false;
	job = linger(t);
	if (job)
		t->missed = 0;
	else if (t->missed < LINGER_MISSED_MAX)
		t->missed++;
	finish_all(t, job);
	return job;
}

void disk_threads_submit(struct disk_job *job)
{
	struct disk *d = job->disk;
	struct disk_threads *t = &d->pool->threads;

	job->next = NULL;
	uv_mutex_lock(&t->lock);
	if (d->tail)
		d->tail->next = job;
	else
		d->head = job;
	d->tail = job;
	t->jobs++;
	enqueue(t, d);
	uv_mutex_unlock(&t->lock);
	turn_add(d->pool->turn, &t->call);
}

/* Later than the links that were given something before: waking a thread takes longer than sending,
 * and the other copies have the longer way. */
static void on_call_turn(struct turn_item *item)
{
	struct disk_threads *t =
		(struct disk_threads *)((char *)item - offsetof(struct disk_threads, call));
	bool call;

	uv_mutex_lock(&t->lock);
	call = call_thread(t);
	uv_mutex_unlock(&t->lock);
	if (call)
		uv_cond_signal(&t->work);
}

static void stop_and_join(struct disk_threads *t)
{
	uv_mutex_lock(&t->lock);
	t->stopping = true;
	uv_cond_broadcast(&t->work);
	uv_mutex_unlock(&t->lock);
	for (u32 i = 0; i < t->threads; i++)
		uv_thread_join(&t->thread[i]);
}

int disk_threads_start(struct disk_pool *pool)
{
	struct disk_threads *t = &pool->threads;
	int rv;

	rv = uv_mutex_init(&t->lock);
	if (rv < 0)
		return rv;
	rv = uv_cond_init(&t->work);
	if (rv < 0)
		goto destroy_lock;
	uv_mutex_lock(&t->lock);
	rv = add_thread(t);
	uv_mutex_unlock(&t->lock);
	if (rv < 0)
		goto destroy_cond;
	rv = uv_async_init(pool->loop, &t->wake, on_wake);
	if (rv < 0)
		goto stop_thread;
	t->wake.data = t;
	t->call.run = on_call_turn;
	pool->handles++;
	return 0;

stop_thread:
	stop_and_join(t);
destroy_cond:
	uv_cond_destroy(&t->work);
destroy_lock:
	uv_mutex_destroy(&t->lock);
	return rv;
}

static void on_closed(uv_handle_t *handle)
{
	struct disk_threads *t = handle->data;

	disk_handle_closed(pool_of(t));
}

void disk_threads_end(struct disk_pool *pool)
{
	struct disk_threads *t = &pool->threads;

	assert(!t->head && !t->done_head);
	stop_and_join(t);
	uv_close((uv_handle_t *)&t->wake, on_closed);
}

void disk_threads_release(struct disk_pool *pool)
{
	uv_cond_destroy(&pool->threads.work);
	uv_mutex_destroy(&pool->threads.lock);
}
