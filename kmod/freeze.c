// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * freeze.c - writes of the application are held for a moment, so that what all
 * copies have can be cut at one point (a snapshot): from FREEZE on until THAW,
 * at most until the deadline, which the module keeps itself. A held write is the
 * application's bio and nothing more: no memory, and nothing that the core knows
 * of. Called by orders.c, device.c and the section; knows no disk and no link.
 */
#include "rvol.h"

/* Its own queue: a write that goes on may wait for requests to end, which rvol_wq sees to. */
static struct workqueue_struct *thaw_wq;

int freeze_init(void)
{
	thaw_wq = alloc_workqueue("rvol_thaw", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return thaw_wq ? 0 : -ENOMEM;
}

void freeze_exit(void)
{
	destroy_workqueue(thaw_wq);
}

/* ---- writes ---- */

/* false: it has ended meanwhile */
static bool hold(struct rvol *r, struct bio *bio)
{
	struct rvol_freeze *f = &r->freeze;
	bool held;

	spin_lock(&f->lock);
	held = f->state != FREEZE_NONE;
	if (held) {
		rvol_get(r);
		bio_list_add(&f->held, bio);
		f->n_held++;
	}
	spin_unlock(&f->lock);
	return held;
}

bool freeze_admits(struct rvol *r, struct bio *bio)
{
	do {
		atomic_inc(&r->freeze.writing);
		/* the state is set before writing is looked at: one sees the other */
		smp_mb__after_atomic();
		if (likely(READ_ONCE(r->freeze.state) == FREEZE_NONE))
			return true;
		freeze_write_over(r);
	} while (!hold(r, bio));
	return false;
}

void freeze_write_over(struct rvol *r)
{
	if (atomic_dec_and_test(&r->freeze.writing) &&
	    unlikely(READ_ONCE(r->freeze.state) == FREEZE_BEGUN))
		rvol_work_soon(r); /* it may have been the last */
}

/* What was held goes the way that it would have gone. */
static void on_thaw(struct work_struct *work)
{
	struct rvol *r = container_of(work, struct rvol, freeze.work);
	struct bio_list list;
	struct blk_plug plug;
	struct bio *bio;

	spin_lock(&r->freeze.lock);
	list = r->freeze.held;
	bio_list_init(&r->freeze.held);
	r->freeze.n_held = 0;
	spin_unlock(&r->freeze.lock);
	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&list))) {
		vol_submit_long(bio);
		rvol_put(r);
	}
	blk_finish_plug(&plug);
	rvol_put(r);
}

/* ---- its life; entered ---- */

void freeze_prepare(struct rvol *r)
{
	spin_lock_init(&r->freeze.lock);
	bio_list_init(&r->freeze.held);
	INIT_WORK(&r->freeze.work, on_thaw);
}

static void move(struct rvol *r, enum rvol_freeze_state to)
{
	spin_lock(&r->freeze.lock);
	WRITE_ONCE(r->freeze.state, to);
	spin_unlock(&r->freeze.lock);
	r->changed = true;
}

int freeze_begin(struct rvol *r, u64 token, u32 deadline_ms, const char **ret_why)
{
	struct rvol_freeze *f = &r->freeze;

	*ret_why = "only the node where it is served can freeze it";
	if (r->mirror->writer.state != WRITER_SERVING)
		return -EREMOTE;
	*ret_why = "it is frozen already";
	if (f->state != FREEZE_NONE)
		return -EBUSY;
	f->token = token;
	f->until = r->now + deadline_ms * REPL_MS;
	f->lapsed = NULL;
	move(r, FREEZE_BEGUN);
	smp_mb(); /* see freeze_admits */
	return 0;
}

void freeze_end(struct rvol *r, const char *why)
{
	if (r->freeze.state == FREEZE_NONE)
		return;
	r->freeze.lapsed = why;
	move(r, FREEZE_NONE);
	rvol_get(r);
	if (!queue_work(thaw_wq, &r->freeze.work))
		rvol_put(r);
}

/* Another node may have become writer for it, and what was cut there be of another moment. */
static bool member_lost(const struct rvol *r)
{
	const struct repl_writer *w = &r->mirror->writer;

	return !repl_writer_serving(w) || (r->freeze.members & ~w->members);
}

int freeze_thaw(struct rvol *r, u64 token, const char **ret_why)
{
	struct rvol_freeze *f = &r->freeze;

	*ret_why = "it was not frozen under that token, or has been frozen anew since";
	if (token != f->token)
		return -ENOENT;
	if (f->state == FREEZE_DONE && !repl_mirror_leased(r->mirror, r->now))
		freeze_end(r, "the freeze has ended as a copy was not heard of: another node may "
			      "have written");
	*ret_why = f->lapsed ? f->lapsed : "it was thawed already";
	if (f->state == FREEZE_NONE)
		return f->lapsed ? -ETIMEDOUT : -EALREADY;
	freeze_end(r, NULL);
	return 0;
}

void freeze_settle(struct rvol *r)
{
	struct rvol_freeze *f = &r->freeze;

	if (likely(f->state == FREEZE_NONE))
		return;
	if (r->now >= f->until)
		freeze_end(r, "the freeze has ended at its deadline");
	else if (r->mirror->writer.state != WRITER_SERVING || r->close_wanted)
		freeze_end(r, "the freeze has ended as this node gave up serving");
	else if (f->state == FREEZE_DONE && member_lost(r))
		freeze_end(r, "the freeze has ended as a copy was lost");
	else if (f->state == FREEZE_BEGUN && atomic_read(&f->writing) == 0 &&
		 repl_mirror_leased(r->mirror, r->now)) {
		f->members = r->mirror->writer.members;
		move(r, FREEZE_DONE);
	}
}
