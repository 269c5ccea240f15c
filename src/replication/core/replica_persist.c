/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica_persist.c - metadata writes of a replica, strictly one after another:
 *   GOAL_START  the state; a START (R3) or EPOCH (R4) waits for it
 *   GOAL_HOT    [flush data, stamp pages of the victims, flush,] hot log page (R5, R8)
 *   GOAL_LAZY   the state, nobody waits for it
 */
#include "replication/core/replica.h"

/* What is in use keeps its entries: if that could fill the table, a write whose extent finds no
 * room would wait for commits that wait for it. */
_Static_assert(REPL_HOT_MAX > REPL_INFLIGHT_MAX + REPL_PULLS_MAX, "the hot log can run full");

bool persist_hot(struct repl_replica *r, u32 extent)
{
	enum hotlog_state s = hotlog_touch(&r->hot, extent);

	if (s == HOTLOG_FREE && !hotlog_add(&r->hot, extent))
		r->hot_full = true;
	return s == HOTLOG_HOT && r->hot.loaded[hotlog_find(&r->hot, extent)];
}

static void meta_write(struct repl_replica *r, u64 off, bool fua)
{
	struct repl_effect e = { .kind = REPL_META_WRITE,
				 .id = DISK_ID(DISK_META, 0),
				 .volume = REPL_META_HOME,
				 .off = off,
				 .len = REPL_META_PAGE,
				 .page = r->page,
				 .fua = fua };

	r->sink->emit(r->sink, &e);
}

static void write_state(struct repl_replica *r)
{
	r->step = PERSIST_STATE;
	r->state.generation++;
	r->state_copy = !r->state_copy;
	r->state_stale = false;
	meta_put_state(r->page, &r->state);
	meta_write(r, REPL_META_STATE_OFF(r->state_copy), true);
}

static void write_hot(struct repl_replica *r)
{
	r->step = PERSIST_HOT;
	r->hot_full = false;
	hotlog_page(&r->hot, r->page);
	meta_write(r, REPL_META_HOT_OFF(r->hot.copy), true);
}

/* the pages of the victims, one after another; those on the disk like that are passed over */
static void step_map(struct repl_replica *r)
{
	struct repl_effect flush = { .kind = REPL_META_FLUSH, .id = DISK_ID(DISK_META, 0) };
	struct repl_effect write = { .kind = REPL_META_WRITE,
				     .id = DISK_ID(DISK_META, 0),
				     .len = REPL_META_PAGE,
				     .page = r->page };

	for (; r->victim_at < r->n_victims; r->victim_at++) {
		switch (map_write(r, r->victim[r->victim_at], &write)) {
		case MAP_WRITE_WAIT:
			r->step = PERSIST_MAP_READ; /* persist_settle goes on */
			return;
		case MAP_WRITE_SAME:
			break;
		case MAP_WRITE_READY:
			r->step = PERSIST_MAP;
			r->map_written = true;
			r->sink->emit(r->sink, &write);
			return;
		}
	}
	if (!r->map_written) {
		write_hot(r);
		return;
	}
	r->step = PERSIST_MAP_FLUSH;
	r->sink->emit(r->sink, &flush);
}

/* Victims are chosen only when an extent finds no room. */
static void begin_hot(struct repl_replica *r)
{
	r->n_victims = 0;
	if (r->hot_full) {
		hotlog_unmark(&r->hot);
		stream_mark_extents(r);
		pull_mark_extents(r);
		hotlog_pick(&r->hot);
		r->n_victims = hotlog_leaving(&r->hot, r->victim);
	}
	if (r->n_victims) {
		r->step = PERSIST_FLUSH;
		stream_want_flush(r, FLUSH_EVICT);
	} else if (r->hot.n_adding) {
		write_hot(r);
	} else {
		r->goal = GOAL_NONE; /* all in use: the next commit makes room */
		r->hot_full = false;
	}
}

void persist_begin(struct repl_replica *r, enum replica_persist_goal goal)
{
	r->goal = goal;
	r->victim_at = 0;
	r->map_written = false;
	r->goal_epoch = r->start.epoch;
	if (goal == GOAL_HOT)
		begin_hot(r);
	else
		write_state(r);
}

void persist_flushed(struct repl_replica *r)
{
	if (r->step == PERSIST_FLUSH)
		step_map(r);
}

void persist_done(struct repl_replica *r, u64 now)
{
	enum replica_persist_step step = r->step;
	enum replica_persist_goal goal = r->goal;

	r->step = PERSIST_IDLE;
	switch (step) {
	case PERSIST_MAP:
		map_written(r);
		step_map(r);
		return;
	case PERSIST_MAP_FLUSH:
		write_hot(r);
		return;
	case PERSIST_HOT:
		hotlog_durable(&r->hot);
		break;
	default:
		break;
	}
	r->goal = GOAL_NONE;
	if (goal == GOAL_START && r->goal_epoch == r->start.epoch)
		replica_start_durable(r, now);
}

void persist_map_settle(struct repl_replica *r)
{
	if (r->step == PERSIST_MAP_READ)
		step_map(r);
}

void persist_settle(struct repl_replica *r)
{
	if (r->goal != GOAL_NONE || !r->booted)
		return;
	if (r->hot.n_adding || r->hot_full)
		persist_begin(r, GOAL_HOT);
	else if (r->state_stale)
		persist_begin(r, GOAL_LAZY);
}
