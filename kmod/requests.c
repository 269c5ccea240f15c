// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * requests.c - what the application asks of a resource, step by step: a flush
 * before, the range (a discard goes extent by extent), a flush after. Called by
 * device.c with new ones and by resource.c with what the core has completed.
 */
#include "rvol.h"

static u64 id_of(const struct rvol_io *io)
{
	return (u64)(uintptr_t)io;
}

static void finish(struct rvol *r, struct rvol_io *io, int status)
{
	io->status = errno_to_blk_status(status);
	if (!io->read)
		shortcut_write_ends(r, io->bio);
	if (io->lower)
		io->ended = true;
	else
		list_add_tail(&io->list, &r->done);
}

void io_lower_done(struct rvol *r, struct rvol_io *io)
{
	io->lower = false;
	if (io->ended)
		list_add_tail(&io->list, &r->done);
}

static int range(struct rvol *r, struct rvol_io *io, u64 now)
{
	u64 address = REPL_ADDRESS(io->vol->number, io->at);
	u64 rest = REPL_EXTENT_BYTES - io->at % REPL_EXTENT_BYTES;

	if (!io->read && io->op != REPL_OP_DATA) {
		io->step = (u32)min(io->left, rest);
		return repl_mirror_write(r->mirror, id_of(io), io->op, address, io->step, 0,
					 &r->sink, now);
	}
	io->step = (u32)io->left; /* the disk's limits keep it inside an extent */
	if (io->read)
		return repl_mirror_read(r->mirror, id_of(io), address, io->step, &r->sink, now);
	return repl_mirror_write(r->mirror, id_of(io), io->op, address, io->step,
				 buf_handle(io->buf), &r->sink, now);
}

/* 0: it is under way; else as repl_mirror_write */
static int next_step(struct rvol *r, struct rvol_io *io, u64 now)
{
	io->step = 0;
	if (!(io->todo & IO_PREFLUSH) && (io->todo & IO_RANGE))
		return range(r, io, now);
	return repl_mirror_flush(r->mirror, id_of(io), &r->sink, now);
}

static void go(struct rvol *r, struct rvol_io *io, u64 now)
{
	int rv;

	/* before the call: it may be completed in it */
	list_add_tail(&io->list, &r->flying);
	io->flying = true;
	rv = rvol_live(r) ? next_step(r, io, now) : -EIO;
	if (rv < 0)
		io->flying = false;
	if (rv == -EBUSY) {
		list_move(&io->list, &r->waiting);
	} else if (rv < 0) {
		list_del(&io->list);
		finish(r, io, -EIO);
	}
}

static void start(struct rvol *r, struct rvol_io *io, u64 now)
{
	if (io->read)
		r->shortcut.n_long++;
	else
		shortcut_write_begins(r, io->bio);
	if (!rvol_live(r) || !r->opened)
		finish(r, io, -EIO);
	else if (!list_empty(&r->waiting))
		list_add_tail(&io->list, &r->waiting);
	else
		go(r, io, now);
}

void ios_take(struct rvol *r, u64 now)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&r->incoming));
	struct rvol_io *io, *next;

	lull_writes_taken(r);
	llist_for_each_entry_safe(io, next, list, incoming) start(r, io, now);
}

/* Has it brought the data? What the bio's memory held before is nobody's business. */
static bool brought(const struct rvol_io *io, const struct repl_effect *e)
{
	return e->buf ? buf_of(e->buf)->len >= io->step : io->straight;
}

void io_complete(struct rvol *r, const struct repl_effect *e)
{
	struct rvol_io *io = (struct rvol_io *)(uintptr_t)e->id;
	bool known = io && io->flying;

	if (!known || (io->read && e->status == 0 && !brought(io, e))) {
		rvol_fence(r, known ? "a read has brought less than was asked for"
				    : "a request ends that is not under way");
		fence_effect(e);
		return;
	}
	io->flying = false;
	io->result = e->status;
	if (io->read)
		io->buf = buf_of(e->buf);
	list_move_tail(&io->list, &r->completed);
}

/* the step that is over; true: there is another */
static bool advance(struct rvol_io *io)
{
	if (io->todo & IO_PREFLUSH) {
		io->todo &= ~IO_PREFLUSH;
	} else if (io->todo & IO_RANGE) {
		io->at += io->step;
		io->left -= io->step;
		if (io->left == 0)
			io->todo &= ~IO_RANGE;
	} else {
		io->todo = 0;
	}
	return io->todo != 0;
}

static struct rvol_io *take(struct list_head *list)
{
	struct rvol_io *io = list_first_entry_or_null(list, struct rvol_io, list);

	if (io)
		list_del(&io->list);
	return io;
}

static void retry(struct rvol *r, u64 now)
{
	struct rvol_io *io;

	while ((io = take(&r->waiting))) {
		go(r, io, now);
		if (list_first_entry_or_null(&r->waiting, struct rvol_io, list) == io)
			return; /* put back: there is no room */
	}
}

void ios_settle(struct rvol *r, u64 now)
{
	struct rvol_io *io;

	while ((io = take(&r->completed))) {
		if (io->result < 0 || !advance(io))
			finish(r, io, io->result);
		else
			go(r, io, now);
		if (list_empty(&r->completed))
			retry(r, now);
	}
}

void ios_fail_waiting(struct rvol *r)
{
	struct rvol_io *io;

	while ((io = take(&r->waiting)))
		finish(r, io, -EIO);
}

void ios_fail(struct rvol *r)
{
	struct rvol_io *io;

	ios_fail_waiting(r);
	while ((io = take(&r->flying)) || (io = take(&r->completed)))
		finish(r, io, -EIO);
}

static void end(struct rvol_io *io)
{
	struct rvol *r = io->vol->r;
	struct bio *bio = io->bio;
	bool read = io->read;

	lockdep_assert_not_held(&r->lock); /* who is told may ask for more, and wait for it */
	if (read && io->buf && !io->status)
		buf_to_bio(io->buf, bio, bio->bi_iter);
	if (io->buf == &io->lent)
		buf_end_lent(io->buf);
	else
		buf_put(io->buf);
	bio_end_io_acct(bio, io->began);
	bio->bi_status = io->status;
	mempool_free(io, &r->ios);
	bio_endio(bio);
	if (!read)
		freeze_write_over(r);
	rvol_put(r);
}

void ios_end(struct list_head *done)
{
	struct rvol_io *io, *next;

	list_for_each_entry_safe(io, next, done, list)
		if (io->buf != &io->lent || buf_put_lent(io->buf))
			end(io);
	INIT_LIST_HEAD(done);
}

/* Mostly ios_end has the last reference. Else whoever has it may be in a section, which no bio ends
 * in: who is told of its end may come with the next one. */
void io_given_back(struct rvol_io *io)
{
	struct rvol *r = io->vol->r;

	llist_add(&io->incoming, &r->given_back);
	rvol_work_soon(r);
}

void ios_end_given_back(struct rvol *r)
{
	struct llist_node *list = llist_del_all(&r->given_back);
	struct rvol_io *io, *next;

	llist_for_each_entry_safe(io, next, list, incoming) end(io);
}
