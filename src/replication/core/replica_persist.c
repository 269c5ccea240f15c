/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica_persist.c - metadata writes of a replica, strictly one after another:
 *   the state when a START (R3) or EPOCH (R4) waits for it
 *   pages of the hot log, when extents wait to be in it (R5), and in turn with them
 *   what extents that leave the hot log need (R8): their stamps, a flush, a page without them
 *   the state when nobody waits for it
 * Extents begin to leave when room is short, and writes need not wait for that.
 */
#include "replication/core/replica.h"

#define WANTED_MAX (REPL_MAP_CACHE / 2) /* pages that are read ahead for what leaves */

/* What is in use keeps its entries: if that could fill the table, a write whose extent finds no
 * room would wait for commits that wait for it. */
_Static_assert(REPL_HOT_MAX > REPL_INFLIGHT_MAX + REPL_PULLS_MAX, "the hot log can run full");

bool persist_hot(struct repl_replica *r, u32 extent)
{
	enum hotlog_state s = hotlog_touch(&r->hot, extent);

	if (s == HOTLOG_FREE && (!hotlog_add(&r->hot, extent) || hotlog_is_short(&r->hot)))
		r->hot_short = true;
	return s == HOTLOG_HOT;
}

static void go(struct repl_replica *r, enum replica_persist_step step, const struct repl_effect *e)
{
	r->step = step;
	r->hot_last = step == PERSIST_HOT;
	r->sink->emit(r->sink, e);
}

static void meta_write(struct repl_replica *r, enum replica_persist_step step, u64 off)
{
	struct repl_effect e = { .kind = REPL_META_WRITE,
				 .id = DISK_ID(DISK_META, 0),
				 .volume = REPL_META_HOME,
				 .off = off,
				 .len = REPL_META_PAGE,
				 .page = r->page,
				 .fua = true };

	go(r, step, &e);
}

static void write_state(struct repl_replica *r, enum replica_persist_step step)
{
	r->state.generation++;
	r->state_copy = !r->state_copy;
	r->state_stale = false;
	meta_put_state(r->page, &r->state);
	meta_write(r, step, REPL_META_STATE_OFF(r->state_copy));
}

static void write_hot(struct repl_replica *r)
{
	if (r->leave == LEAVE_GONE) {
		hotlog_drop_leaving(&r->hot);
		r->leave = LEAVE_NONE;
		r->hot_short |= hotlog_is_short(&r->hot);
	}
	hotlog_page(&r->hot, r->page);
	meta_write(r, PERSIST_HOT, REPL_META_HOT_OFF(r->hot.copy));
}

/* ---- extents leave ---- */

/* What is in use stays. When that is all, the next write that finds no room comes here again. */
static void leave_begin(struct repl_replica *r)
{
	r->hot_short = false;
	hotlog_unmark(&r->hot);
	stream_mark_extents(r);
	pull_mark_extents(r);
	if (!hotlog_pick(&r->hot))
		return;
	r->n_victims = hotlog_leaving(&r->hot, r->victim);
	r->victim_at = r->wanted_at = 0;
	r->map_written = false;
	r->leave = LEAVE_FLUSH;
	stream_want_flush(r, FLUSH_EVICT);
}

void persist_flushed(struct repl_replica *r)
{
	if (r->leave == LEAVE_FLUSH)
		r->leave = LEAVE_PAGES;
}

void persist_want(struct repl_replica *r)
{
	if (r->leave == LEAVE_PAGES && r->victim_at < r->n_victims)
		map_want(r, r->victim[r->victim_at]);
	if (r->leave != LEAVE_FLUSH && r->leave != LEAVE_PAGES)
		return;
	while (r->wanted_at < PORT_MIN(r->n_victims, r->victim_at + WANTED_MAX))
		map_want(r, r->victim[r->wanted_at++]);
}

static void write_next_page(struct repl_replica *r)
{
	struct repl_effect write = { .kind = REPL_META_WRITE,
				     .id = DISK_ID(DISK_META, 0),
				     .len = REPL_META_PAGE,
				     .page = r->page };

	for (; r->victim_at < r->n_victims; r->victim_at++) {
		switch (map_write(r, &write)) {
		case MAP_WRITE_WAIT:
			return;
		case MAP_WRITE_SAME:
			break;
		case MAP_WRITE_READY:
			r->map_written = true;
			go(r, PERSIST_MAP, &write);
			return;
		}
	}
	r->leave = r->map_written ? LEAVE_SYNC : LEAVE_GONE;
}

static void leave_settle(struct repl_replica *r)
{
	struct repl_effect flush = { .kind = REPL_META_FLUSH, .id = DISK_ID(DISK_META, 0) };

	if (r->leave == LEAVE_NONE && r->hot_short)
		leave_begin(r);
	if (r->leave == LEAVE_PAGES)
		write_next_page(r);
	if (r->leave == LEAVE_SYNC)
		go(r, PERSIST_MAP_FLUSH, &flush);
	else if (r->leave == LEAVE_GONE)
		write_hot(r);
}

/* ---- what is next ---- */

bool persist_idle(const struct repl_replica *r)
{
	return r->step == PERSIST_IDLE;
}

void persist_start(struct repl_replica *r)
{
	r->start_epoch = r->start.epoch;
	write_state(r, PERSIST_START);
}

void persist_done(struct repl_replica *r, u64 now)
{
	enum replica_persist_step step = r->step;

	r->step = PERSIST_IDLE;
	if (step == PERSIST_MAP)
		map_written(r);
	else if (step == PERSIST_MAP_FLUSH)
		r->leave = LEAVE_GONE;
	else if (step == PERSIST_HOT)
		hotlog_durable(&r->hot);
	else if (step == PERSIST_START && r->start_epoch == r->start.epoch)
		replica_start_durable(r, now);
}

void persist_settle(struct repl_replica *r)
{
	if (!persist_idle(r) || !r->booted)
		return;
	if (r->hot.n_adding && !r->hot_last)
		write_hot(r);
	else
		leave_settle(r);
	if (persist_idle(r) && r->hot.n_adding)
		write_hot(r);
	else if (persist_idle(r) && r->state_stale)
		write_state(r, PERSIST_LAZY);
}

void persist_forget(struct repl_replica *r)
{
	r->step = PERSIST_IDLE;
	r->leave = LEAVE_NONE;
}
