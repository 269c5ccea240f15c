/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica_pull.c - how a learner catches up (R9, R11): for each region it asks a
 * member "is my stamp yours?" and takes the content where it is not. A question
 * may cover a run of regions that all have one stamp; "differ" splits the run.
 * Regions below the cursor and in no range of pull[] are synced.
 */
#include "replication/core/replica.h"

#define CHUNK_BIG 32u                    /* 1024 -> 32 -> 1 */
#define KEEP_SINGLE (REPL_PULLS_MAX / 4) /* entries that only single regions may take */
#define REFUSED_MAX 40u                  /* answers "no" in a row: another source may do better */

static bool in_range(const struct replica_pull *p, u32 region)
{
	return p->state != PULL_FREE && region >= p->region && region - p->region < p->count;
}

bool pull_synced(const struct repl_replica *r, u32 region)
{
	if (r->mode != REPLICA_LEARNER)
		return true;
	if (region >= r->cursor)
		return false;
	for (u32 i = 0; r->n_pulls && i < REPL_PULLS_MAX; i++)
		if (in_range(&r->pull[i], region))
			return false;
	return true;
}

bool pull_all_synced(const struct repl_replica *r)
{
	return r->mode == REPLICA_LEARNER && r->cursor == REPL_REGIONS_END && !r->n_pulls;
}

u64 repl_replica_synced(const struct repl_replica *r)
{
	u64 n = 0;

	if (r->mode != REPLICA_LEARNER)
		return r->mode == REPLICA_MEMBER ? repl_replica_regions(r) : 0;
	for (u32 v = 0; v < REPL_VOLUMES_MAX; v++) {
		u64 first = (u64)v * REPL_REGIONS_PER_VOLUME;

		if (r->cursor > first)
			n += PORT_MIN(r->cursor - first, replica_regions_of(r, v));
	}
	for (u32 i = 0; i < REPL_PULLS_MAX; i++)
		n -= r->pull[i].state == PULL_FREE ? 0 : r->pull[i].count;
	return n;
}

static void pull_free(struct repl_replica *r, struct replica_pull *p)
{
	replica_drop(r, p->buf);
	memset(p, 0, sizeof(*p));
	r->n_pulls--;
}

static void pull_again(struct repl_replica *r, struct replica_pull *p, u64 at)
{
	replica_drop(r, p->buf);
	p->buf = 0;
	p->same = false;
	p->state = PULL_WANTED;
	p->forgotten = false;
	p->retry_at = at;
}

static void choose_source(struct repl_replica *r)
{
	struct repl_effect e = { .kind = REPL_PULL_LINK };
	u32 others = r->members & ~(1u << r->self);
	u8 from = (u8)(r->pull_slot == REPL_NO_SLOT ? 0 : r->pull_slot + 1);

	r->pull_slot = REPL_NO_SLOT;
	r->pull_link = false;
	r->refused = 0;
	for (u32 i = 0; i < REPL_SLOTS_MAX; i++) {
		u8 s = (u8)((from + i) % REPL_SLOTS_MAX);

		if (others & (1u << s)) {
			r->pull_slot = s;
			break;
		}
	}
	e.slot = r->pull_slot;
	r->sink->emit(r->sink, &e);
}

void pull_begin(struct repl_replica *r)
{
	r->cursor = replica_region_from(r, 0);
	choose_source(r);
}

void pull_end(struct repl_replica *r)
{
	struct repl_effect e = { .kind = REPL_PULL_LINK, .slot = REPL_NO_SLOT };

	for (u32 i = 0; i < REPL_PULLS_MAX; i++) {
		struct replica_pull *p = &r->pull[i];

		if (p->state == PULL_WRITING)
			p->orphan = true; /* its region keeps stamp 0 */
		else if (p->state != PULL_FREE)
			pull_free(r, p);
	}
	if (r->pull_slot == REPL_NO_SLOT)
		return;
	r->pull_slot = REPL_NO_SLOT;
	r->pull_link = false;
	r->sink->emit(r->sink, &e);
}

void pull_unask(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_PULLS_MAX; i++)
		if (r->pull[i].state == PULL_ASKED)
			pull_again(r, &r->pull[i], 0);
	if (r->session && r->mode == REPLICA_LEARNER)
		choose_source(r);
}

void pull_forget(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_PULLS_MAX; i++) {
		struct replica_pull *p = &r->pull[i];

		if (p->state == PULL_ASKED || p->state == PULL_COLD)
			pull_again(r, p, 0);
		else if (p->state == PULL_WRITING)
			p->forgotten = true;
	}
}

static void touch_sectors(struct replica_pull *p, u64 off, u32 len)
{
	u64 base = (u64)p->region * REPL_REGION_BYTES;
	u64 first = (PORT_MAX(off, base) - base) / REPL_SECTOR;
	u64 end = (PORT_MIN(off + len, base + REPL_REGION_BYTES) - base) / REPL_SECTOR;

	for (u64 s = first; s < end; s++)
		p->touched[s / 64] |= 1ull << (s % 64);
}

void pull_touch(struct repl_replica *r, u64 off, u32 len)
{
	for (u32 i = 0; r->n_pulls && i < REPL_PULLS_MAX; i++) {
		struct replica_pull *p = &r->pull[i];
		u64 base = (u64)p->region * REPL_REGION_BYTES;

		if (p->state == PULL_FREE || off >= base + (u64)p->count * REPL_REGION_BYTES ||
		    base >= off + len)
			continue;
		p->any_touched = true;
		if (p->count == 1)
			touch_sectors(p, off, len);
	}
}

bool pull_overlaps(const struct repl_replica *r, u64 off, u64 len)
{
	for (u32 i = 0; r->n_pulls && i < REPL_PULLS_MAX; i++) {
		const struct replica_pull *p = &r->pull[i];
		u64 base = (u64)p->region * REPL_REGION_BYTES;

		if (p->state == PULL_WRITING && off < base + REPL_REGION_BYTES && base < off + len)
			return true;
	}
	return false;
}

void pull_mark_extents(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_PULLS_MAX; i++)
		if (r->pull[i].state == PULL_COLD || r->pull[i].state == PULL_WRITING)
			hotlog_mark(&r->hot, r->pull[i].region / REPL_REGIONS_PER_EXTENT);
}

/* How many regions from first on, at most max, have the stamp of the first; unknown ones go alone,
 * and no run leaves its page. 0: the stamps are not in memory yet. */
static u32 run_length(struct repl_replica *r, u32 first, u32 max, u32 *ret_stamp)
{
	u32 in_volume = first % REPL_REGIONS_PER_VOLUME, stamp, n = 1;

	if (!map_stamp(r, first, ret_stamp))
		return 0;
	if (*ret_stamp == REPL_STAMP_UNKNOWN)
		return 1;
	max = PORT_MIN(max, map_page_rest(first));
	max = PORT_MIN(max, replica_regions_of(r, first / REPL_REGIONS_PER_VOLUME) - in_volume);
	for (; n < max; n++) {
		if (!map_stamp(r, first + n, &stamp))
			return 0;
		if (stamp != *ret_stamp)
			break;
	}
	return n;
}

static void pull_ask(struct repl_replica *r, struct replica_pull *p, u32 stamp)
{
	struct repl_msg m = { .kind = REPL_MSG_PULL,
			      .epoch = r->re,
			      .region = p->region,
			      .count = p->count,
			      .seq = r->rseq,
			      .stamp = stamp };

	p->stamp = stamp;
	p->touched[0] = p->touched[1] = 0;
	p->any_touched = false;
	p->state = PULL_ASKED;
	replica_send(r, REPL_LINK_PULL, &m);
}

static void pull_split(struct replica_pull *p)
{
	p->state = PULL_WANTED;
	p->split = true;
	p->retry_at = 0;
	p->chunk = p->count > CHUNK_BIG ? CHUNK_BIG : 1;
}

/* a free entry while more than keep are free: each level of splitting keeps room for the next */
static struct replica_pull *pull_new(struct repl_replica *r, u32 keep, u32 region, u32 count)
{
	if (REPL_PULLS_MAX - r->n_pulls <= keep)
		return NULL;
	for (u32 i = 0; i < REPL_PULLS_MAX; i++) {
		struct replica_pull *p = &r->pull[i];

		if (p->state != PULL_FREE)
			continue;
		p->state = PULL_WANTED;
		p->region = region;
		p->count = count;
		r->n_pulls++;
		return p;
	}
	return NULL;
}

/* Entries that must stay free for smaller ranges when one of n regions is taken: most of the table
 * belongs to single regions, whose answers carry the data. */
static u32 keep_free(u32 n)
{
	return n > CHUNK_BIG ? REPL_PULLS_MAX / 2 : n > 1 ? KEEP_SINGLE : 2;
}

/* takes smaller ranges off the front of a split one */
static void split_settle(struct repl_replica *r, struct replica_pull *parent)
{
	while (parent->count) {
		u32 max = PORT_MIN(parent->chunk, parent->count), stamp;
		u32 n = run_length(r, parent->region, max, &stamp);
		struct replica_pull *p =
			n ? pull_new(r, parent->chunk > 1 ? KEEP_SINGLE : 0, parent->region, n)
			  : NULL;

		if (!p)
			return;
		parent->region += n;
		parent->count -= n;
		pull_ask(r, p, stamp);
	}
	pull_free(r, parent);
}

static void wanted_settle(struct repl_replica *r, struct replica_pull *p)
{
	u32 stamp, n;

	if (!p->split) {
		n = run_length(r, p->region, p->count, &stamp);
		if (!n)
			return;
		if (n == p->count) {
			pull_ask(r, p, stamp);
			return;
		}
		pull_split(p); /* written to since it was asked first */
	}
	split_settle(r, p);
}

static void ask_settle(struct repl_replica *r, u64 now)
{
	for (u32 i = 0; i < REPL_PULLS_MAX; i++)
		if (r->pull[i].state == PULL_WANTED && now >= r->pull[i].retry_at)
			wanted_settle(r, &r->pull[i]);
	while (r->cursor < REPL_REGIONS_END) {
		u32 first = (u32)r->cursor, stamp;
		u32 n = run_length(r, first, REPL_PULL_RUN_MAX, &stamp);
		struct replica_pull *p = n ? pull_new(r, keep_free(n), first, n) : NULL;

		if (!p)
			break;
		r->cursor = replica_region_from(r, r->cursor + n);
		pull_ask(r, p, stamp);
	}
}

static u32 region_len(const struct repl_replica *r, u32 region)
{
	u64 off = (u64)region * REPL_REGION_BYTES;

	return (u32)PORT_MIN(r->size[REPL_ADDRESS_VOLUME(off)] - REPL_ADDRESS_OFF(off),
			     REPL_REGION_BYTES);
}

static bool sector_touched(const struct replica_pull *p, u32 s)
{
	return p->touched[s / 64] & (1ull << (s % 64));
}

/* the next piece of the answer that the stream has not written meanwhile; false: all done */
static bool write_piece(struct repl_replica *r, struct replica_pull *p)
{
	struct repl_effect e = {
		.kind = REPL_DISK_WRITE, .op = p->op, .buf = p->buf, .shared = true
	};
	u32 sectors = PORT_MIN(p->len, region_len(r, p->region)) / REPL_SECTOR, first;

	while (p->at < sectors && sector_touched(p, p->at))
		p->at++;
	if (p->at >= sectors)
		return false;
	first = p->at;
	while (p->at < sectors && !sector_touched(p, p->at))
		p->at++;
	e.id = DISK_ID(DISK_PULL, p - r->pull);
	e.volume = (u8)(p->region / REPL_REGIONS_PER_VOLUME);
	e.off = (u64)(p->region % REPL_REGIONS_PER_VOLUME) * REPL_REGION_BYTES +
		(u64)first * REPL_SECTOR;
	e.len = (p->at - first) * REPL_SECTOR;
	e.buf_off = first * REPL_SECTOR;
	r->disk_writes++;
	r->sink->emit(r->sink, &e);
	return true;
}

static void write_on(struct repl_replica *r, struct replica_pull *p)
{
	if (write_piece(r, p))
		return;
	if (p->forgotten) {
		pull_again(r, p, 0);
		return;
	}
	map_set(r, p->region, p->any_touched ? r->re : p->answer);
	pull_free(r, p);
}

void pull_done(struct repl_replica *r, u32 index)
{
	struct replica_pull *p = &r->pull[index % REPL_PULLS_MAX];

	if (p->state != PULL_WRITING)
		return;
	if (p->orphan || r->mode == REPLICA_FAILED)
		pull_free(r, p);
	else
		write_on(r, p);
}

/* R8: pulled data goes through the hot log as a write does */
static void answer_settle(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_PULLS_MAX; i++) {
		struct replica_pull *p = &r->pull[i];

		if (p->state != PULL_COLD || !persist_hot(r, p->region / REPL_REGIONS_PER_EXTENT))
			continue;
		p->state = PULL_WRITING;
		if (!p->same) {
			map_set(r, p->region, REPL_STAMP_UNKNOWN);
			p->at = 0;
		}
		write_on(r, p);
	}
}

static struct replica_pull *asked(struct repl_replica *r, const struct repl_msg *m)
{
	for (u32 i = 0; i < REPL_PULLS_MAX; i++) {
		struct replica_pull *p = &r->pull[i];

		if (p->state == PULL_ASKED && p->region == m->region && p->count == m->count)
			return p;
	}
	return NULL;
}

static void on_same(struct repl_replica *r, struct replica_pull *p)
{
	if (p->any_touched && p->count > 1) {
		pull_split(p); /* which of them was touched is not known */
	} else if (p->any_touched) {
		p->state = PULL_COLD; /* only the stamp changes: to re */
		p->same = true;
		p->at = REPL_REGION_BYTES / REPL_SECTOR;
	} else {
		pull_free(r, p); /* it has that stamp */
	}
}

/* R11 */
void pull_answer(struct repl_replica *r, const struct repl_msg *m, u64 now)
{
	struct replica_pull *p = r->session && m->epoch == r->re ? asked(r, m) : NULL;

	if (!p) {
		replica_drop(r, m->buf);
		return;
	}
	if (m->kind == REPL_MSG_SAME && p->stamp != REPL_STAMP_UNKNOWN) {
		on_same(r, p);
	} else if (m->kind == REPL_MSG_DIFFER && p->count > 1) {
		pull_split(p);
	} else if (m->kind == REPL_MSG_DATA && m->stamp != REPL_STAMP_UNKNOWN && p->count == 1) {
		/* The source's volume may end earlier, or later, while it is being grown: what is
		 * behind the end of the smaller one has never been written. */
		p->state = PULL_COLD;
		p->op = m->op;
		p->len = m->op == REPL_OP_DATA ? m->payload_len : REPL_REGION_BYTES;
		p->answer = m->stamp;
		p->buf = m->buf;
	} else { /* NO, or an answer that makes no sense */
		replica_drop(r, m->buf);
		pull_again(r, p, now + REPL_RETRY_NS);
		if (++r->refused >= REFUSED_MAX)
			pull_unask(r);
		return;
	}
	r->refused = 0;
}

void pull_settle(struct repl_replica *r, u64 now)
{
	if (!r->session || r->start.kind)
		return;
	if (r->pull_slot == REPL_NO_SLOT || !(r->members & (1u << r->pull_slot)))
		choose_source(r);
	answer_settle(r);
	if (r->pull_link)
		ask_settle(r, now);
	if (pull_all_synced(r) && !r->synced_sent) {
		r->synced_sent = true;
		replica_send(r, r->session_link, &(struct repl_msg){ .kind = REPL_MSG_SYNCED });
	}
}
