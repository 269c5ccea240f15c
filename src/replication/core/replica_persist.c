/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica_persist.c - metadata writes of a replica, strictly one after another:
 *   GOAL_START  all changed stamp pages, flush, superblock (R3)
 *   GOAL_EPOCH  superblock (R4)
 *   GOAL_HOT    [flush data, stamp pages of the victims, flush,] hot log page (R5, R8)
 *   GOAL_LAZY   superblock, nobody waits for it
 */
#include "replication/core/replica.h"

/* What is in use keeps its entries: if that could fill the table, a write whose extent finds no
 * room would wait for commits that wait for it. */
_Static_assert(REPL_HOT_MAX > REPL_INFLIGHT_MAX + REPL_PULLS_MAX, "the hot log can run full");

void stamp_set(struct repl_replica *r, u32 region, u32 stamp)
{
	if (r->stamp[region] == stamp)
		return;
	r->stamp[region] = stamp;
	r->map_dirty[region / REPL_STAMPS_PER_PAGE] = 1;
}

bool persist_hot(struct repl_replica *r, u32 extent)
{
	enum hotlog_state s = hotlog_touch(&r->hot, extent);

	if (s == HOTLOG_FREE && !hotlog_add(&r->hot, extent))
		r->hot_full = true;
	return s == HOTLOG_HOT;
}

static void meta_write(struct repl_replica *r, u64 off, bool fua)
{
	struct repl_effect e = { .kind = REPL_META_WRITE,
				 .id = DISK_ID(DISK_META, 0),
				 .off = off,
				 .len = REPL_META_PAGE,
				 .page = r->page,
				 .fua = fua };

	r->sink->emit(r->sink, &e);
}

static void write_super(struct repl_replica *r)
{
	r->step = PERSIST_SUPER;
	r->super.generation++;
	r->super_copy = !r->super_copy;
	r->super_stale = false;
	meta_put_super(r->page, &r->super);
	meta_write(r, REPL_META_SUPER_OFF(r->super_copy), true);
}

static void write_hot(struct repl_replica *r)
{
	r->step = PERSIST_HOT;
	r->hot_full = false;
	hotlog_page(&r->hot, r->page);
	meta_write(r, REPL_META_HOT_OFF(r->hot.copy), true);
}

static void write_map(struct repl_replica *r, u32 page)
{
	u32 first = page * REPL_STAMPS_PER_PAGE;

	r->step = PERSIST_MAP;
	r->map_written = true;
	r->map_dirty[page] = 0;
	meta_put_map(r->page, page, r->stamp + first,
		     PORT_MIN(REPL_STAMPS_PER_PAGE, r->regions - first));
	meta_write(r, REPL_META_MAP_OFF(page), false);
}

/* the next changed page that the goal needs; false when there is none left */
static bool next_page(struct repl_replica *r, u32 *ret)
{
	if (r->goal == GOAL_START) {
		for (; r->page_at < r->pages; r->page_at++)
			if (r->map_dirty[r->page_at]) {
				*ret = r->page_at;
				return true;
			}
		return false;
	}
	for (; r->page_at < 2 * r->n_victims; r->page_at++) {
		u32 x = r->victim[r->page_at / 2] * REPL_REGIONS_PER_EXTENT;

		if (r->page_at % 2)
			x = PORT_MIN(x + REPL_REGIONS_PER_EXTENT, r->regions) - 1;
		if (r->map_dirty[x / REPL_STAMPS_PER_PAGE]) {
			*ret = x / REPL_STAMPS_PER_PAGE;
			return true;
		}
	}
	return false;
}

static void step_map(struct repl_replica *r)
{
	struct repl_effect flush = { .kind = REPL_META_FLUSH, .id = DISK_ID(DISK_META, 0) };
	u32 page;

	if (next_page(r, &page)) {
		write_map(r, page);
	} else if (r->map_written) {
		r->step = PERSIST_MAP_FLUSH;
		r->sink->emit(r->sink, &flush);
	} else if (r->goal == GOAL_START) {
		write_super(r);
	} else {
		write_hot(r);
	}
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
	r->page_at = 0;
	r->map_written = false;
	r->goal_epoch = r->start.epoch;
	if (goal == GOAL_START)
		step_map(r);
	else if (goal == GOAL_HOT)
		begin_hot(r);
	else
		write_super(r);
}

void persist_flushed(struct repl_replica *r)
{
	if (r->step != PERSIST_FLUSH)
		return;
	r->page_at = 0;
	step_map(r);
}

void persist_done(struct repl_replica *r, u64 now)
{
	enum replica_persist_step step = r->step;

	r->step = PERSIST_IDLE;
	switch (step) {
	case PERSIST_MAP:
		step_map(r);
		return;
	case PERSIST_MAP_FLUSH:
		if (r->goal == GOAL_START)
			write_super(r);
		else
			write_hot(r);
		return;
	case PERSIST_HOT:
		hotlog_durable(&r->hot);
		break;
	case PERSIST_SUPER:
	case PERSIST_FLUSH:
	case PERSIST_IDLE:
		break;
	}
	if ((r->goal == GOAL_START || r->goal == GOAL_EPOCH) && r->goal_epoch == r->start.epoch) {
		r->goal = GOAL_NONE;
		replica_start_durable(r, now);
	}
	r->goal = GOAL_NONE;
}

void persist_settle(struct repl_replica *r)
{
	if (r->goal != GOAL_NONE || !r->booted)
		return;
	if (r->hot.n_adding || r->hot_full)
		persist_begin(r, GOAL_HOT);
	else if (r->super_stale)
		persist_begin(r, GOAL_LAZY);
}
