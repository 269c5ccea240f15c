// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lull.c - sections that may wait until a processor has nothing better to do, so that more comes
 * together for each: writes of an application that goes on submitting, and answers of a disk that
 * has more to answer. A processor that is idle takes them at once. One that is busy goes on with
 * what it does, and takes them when that sleeps: what an application has submitted by then leaves
 * in one call, is on the own disk in one plug, is read in one section by the other copy, and
 * acknowledged by one message. That saves half of a write's instructions (docs/performance.md).
 *
 * How: threads of SCHED_BATCH, which preempt nobody when they are woken. Workers of rvol_wq do: on
 * one processor they would carry each write through before the next one is submitted.
 *
 * It is bounded: by LULL_US, kept by a timer and rvol_wq, also when the thread is held up by
 * another resource; and by LULL_WRITES, with which the submitter goes into the section itself. And
 * any other section takes along what waits.
 *
 * Who writes one at a time must not pay for a thread's wake-up. Whether there will be another write
 * cannot be known when the last one has ended already, so it is tried: after a write for which none
 * came, the next ones do not wait, twice as many each time, up to LULL_ALONE_MAX. The same happens
 * where another processor is idle: there nothing is saved.
 */
#include <linux/sched.h>
#include <uapi/linux/sched/types.h>

#include "rvol.h"

#define LULL_US 1000u
#define LULL_WRITES 32u  /* of a resource */
#define LULL_THREADS 16u /* of the module, at most; else one for each processor */
#define LULL_ALONE_MIN 8u
#define LULL_ALONE_MAX 1024u

static struct kthread_worker *threads[LULL_THREADS];
static u32 n_threads;
static atomic_t last_thread = ATOMIC_INIT(0);

static bool is_left(const struct rvol *r)
{
	return !llist_empty(&r->incoming) || !llist_empty(&r->answers);
}

/* The barrier: who puts something into a list of r looks at since afterwards (llist_add is a full
 * barrier), we at the list after since was changed: one of both sees the other. */
static void over(struct rvol *r)
{
	WRITE_ONCE(r->lull.since, 0);
	smp_mb();
}

/* entered: the submitter sleeps, or another processor was idle. Only then it is known. */
static void judge(struct rvol_lull *l)
{
	u32 n = (u32)atomic_read(&l->writes);

	if (n == 1) {
		WRITE_ONCE(l->direct, l->alone);
		l->alone = min(2 * l->alone, LULL_ALONE_MAX);
	} else if (n) {
		l->alone = LULL_ALONE_MIN;
	}
}

static void on_lull(struct kthread_work *work)
{
	struct rvol *r = container_of(work, struct rvol, lull.work);

	over(r);
	if (is_left(r)) { /* not taken by another section meanwhile */
		rvol_enter(r);
		judge(&r->lull);
		rvol_leave(r);
	}
	rvol_put(r);
}

static void start_timer(struct rvol *r, u64 at)
{
	hrtimer_start(&r->lull.timer, ns_to_ktime(at), HRTIMER_MODE_ABS);
}

/* Interrupts. It is not cancelled when the lull is over: most of the time it runs once for many. */
static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	struct rvol *r = container_of(timer, struct rvol, lull.timer);
	u64 since, now = ktime_get_ns();

	smp_mb(); /* it is not queued any more: see lull_wait */
	since = READ_ONCE(r->lull.since);
	if (!since)
		return HRTIMER_NORESTART;
	if (now < since + LULL_US * NSEC_PER_USEC) {
		start_timer(r, since + LULL_US * NSEC_PER_USEC);
		return HRTIMER_NORESTART;
	}
	r->lull.n_late++;
	over(r);
	if (kref_get_unless_zero(&r->ref)) { /* the thread may just have put the last one */
		rvol_work_soon(r);
		rvol_put(r);
	}
	return HRTIMER_NORESTART;
}

void lull_wait(struct rvol *r)
{
	u64 now;

	if (READ_ONCE(r->lull.since))
		return;
	now = ktime_get_ns();
	WRITE_ONCE(r->lull.since, now);
	rvol_get(r);
	if (!kthread_queue_work(r->lull.thread, &r->lull.work))
		rvol_put(r); /* not the last: the caller has one */
	smp_mb();            /* on_timer sees since, or we that it is not queued */
	if (!hrtimer_is_queued(&r->lull.timer))
		start_timer(r, now + LULL_US * NSEC_PER_USEC);
}

static bool goes_at_once(struct rvol *r)
{
	u32 direct = READ_ONCE(r->lull.direct);

	if (READ_ONCE(r->only_copy)) /* nothing is sent: there is less to save than it costs */
		return true;
	if (!direct)
		return false;
	WRITE_ONCE(r->lull.direct, direct - 1);
	return true;
}

bool lull_takes_write(struct rvol *r)
{
	if (goes_at_once(r) || (u32)atomic_inc_return(&r->lull.writes) >= LULL_WRITES)
		return false;
	lull_wait(r);
	return true;
}

void lull_writes_taken(struct rvol *r)
{
	struct rvol_lull *l = &r->lull;
	u32 n = atomic_read(&l->writes) ? (u32)atomic_xchg(&l->writes, 0) : 0;

	if (!n)
		return;
	l->n_lulls++;
	l->n_writes += n;
	l->n_full += n >= LULL_WRITES;
}

void lull_prepare(struct rvol *r)
{
	r->lull.thread = threads[(u32)atomic_inc_return(&last_thread) % n_threads];
	r->lull.alone = LULL_ALONE_MIN;
	kthread_init_work(&r->lull.work, on_lull);
	hrtimer_init(&r->lull.timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	r->lull.timer.function = on_timer;
}

void lull_end(struct rvol *r)
{
	hrtimer_cancel(&r->lull.timer);
}

int lull_init(void)
{
	const struct sched_attr attr = { .size = sizeof(attr), .sched_policy = SCHED_BATCH };
	u32 wanted = min(num_online_cpus(), LULL_THREADS);

	while (n_threads < wanted) {
		struct kthread_worker *t = kthread_create_worker(0, "rvol_lull/%u", n_threads);

		if (IS_ERR(t)) {
			lull_exit();
			return PTR_ERR(t);
		}
		sched_setattr_nocheck(t->task, &attr);
		threads[n_threads++] = t;
	}
	return 0;
}

void lull_exit(void)
{
	while (n_threads > 0)
		kthread_destroy_worker(threads[--n_threads]);
}
