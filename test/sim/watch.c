/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.c - invariants of docs/protocol.md that only somebody outside can see, who looks at all
 * copies, their stamps and the record at one moment. checker.c would notice most of what they
 * forbid too, but only after the damage has spread to an application.
 */
#include <string.h>

#include "sim/world.h"

/* of the page on the disk, as a replica in that state would take it */
static u32 stamp_on_disk(struct sim_disk *d, const struct meta_state *state, u32 region)
{
	u32 number, at, page;
	u8 *bytes = sim_map_page(d->meta, region, &number, &at);

	page = (u32)(bytes - d->meta[0]) / REPL_META_PAGE;
	if (d->page_version[page] != d->meta_version) {
		d->page_version[page] = d->meta_version;
		if (meta_get_map(bytes, number, &d->page_seen[page], d->page_stamp[page])) {
			d->page_seen[page] = 0;
			memset(d->page_stamp[page], 0, sizeof(d->page_stamp[page]));
		}
	}
	return meta_void_apply(state, d->page_seen[page], d->page_stamp[page][at]);
}

/* What the core would find: in the hot log, in a page in memory, or on the disk. */
u32 sim_stamp(const struct sim_world *w, u8 node, u32 region)
{
	const struct repl_replica *r = &w->node[node].mirror->replica;
	u32 core = sim_region(region), extent = core / REPL_REGIONS_PER_EXTENT;
	u32 at = hotlog_find(&r->hot, extent), stamp;

	if (core % REPL_REGIONS_PER_VOLUME >= replica_regions_of(r, core / REPL_REGIONS_PER_VOLUME))
		return REPL_STAMP_FRESH;
	if (at < REPL_HOT_MAX && hotlog_stamp(&r->hot, at, core, &stamp))
		return stamp;
	for (u32 i = 0; i < REPL_MAP_CACHE; i++)
		if (r->map[i].key == map_key(extent) &&
		    (r->map[i].state == MAP_VALID || r->map[i].state == MAP_WRITING))
			return r->map[i]
				.stamp[core % REPL_REGIONS_PER_VOLUME % REPL_STAMPS_PER_PAGE];
	stamp = stamp_on_disk(w->node[node].disk, &r->state, region);
	return !stamp && r->mode == REPLICA_MEMBER ? r->re : stamp;
}

static const struct repl_replica *replica_of(const struct sim_world *w, u8 n)
{
	const struct sim_node *o = &w->node[n];
	const struct repl_replica *r = &o->mirror->replica;

	return o->up && o->booted && o->disk && r->mode != REPLICA_FAILED ? r : NULL;
}

/* ---- V7 -------------------------------------------------------------------- */

void watch_sent(struct sim_world *w, u8 node, const struct repl_msg *m)
{
	w->node[node].sent[m->seq % SIM_SENT_MAX] = (struct sim_sent){ .seq = m->seq,
								       .first = sim_block(m->off),
								       .n = m->len / SIM_BLOCK };
}

u32 watch_served_else(const struct sim_world *w, u8 node)
{
	u32 epoch = 0;

	for (u8 n = 0; n < w->opt.nodes; n++)
		if (n != node)
			epoch = PORT_MAX(epoch, w->node[n].served);
	return epoch;
}

/* Once another writer has completed something in a later epoch, no read is answered any more, and
 * no write or flush that was submitted after that. One submitted before may have had all its
 * answers on the way. */
void watch_served(struct sim_world *w, u8 node, const struct sim_request *q)
{
	u32 epoch = w->node[node].mirror->writer.pe;
	u32 other = q->kind == SIM_READ ? watch_served_else(w, node) : q->served_else;

	w->node[node].served = PORT_MAX(w->node[node].served, epoch);
	if (other > epoch)
		sim_fail(w, "V7: node %u completes a %s in epoch %u, another node served in %u",
			 node, q->kind == SIM_READ ? "read" : "write or flush", epoch, other);
}

/* ---- V1, V2, V8, V9 --------------------------------------------------------- */

static void watch_content(struct sim_world *w, u8 n)
{
	const struct sim_disk *d = w->node[n].disk;

	for (u32 b = 0; b < w->opt.blocks; b++) {
		u32 value = d->cached[sim_device_block(w, b)];

		if (!check_allows(w, b, value)) {
			sim_fail(w, "V1: member %u holds %u in block %u, completed is %u", n, value,
				 b, w->block[b].completed);
			return;
		}
	}
}

static void watch_stamps(struct sim_world *w, u8 n)
{
	struct sim_node *o = &w->node[n];

	for (u32 x = 0; x < sim_regions(w); x++) {
		u32 s = sim_stamp(w, n, x);

		if (!s)
			sim_fail(w, "V8: member %u has stamp 0 for region %u", n, x);
		if (o->was_member && s < o->was_stamp[x])
			sim_fail(w, "V9: member %u: the stamp of region %u goes from %u to %u", n,
				 x, o->was_stamp[x], s);
		o->was_stamp[x] = s;
	}
	o->was_member = true;
}

static bool is_written(const struct repl_replica *r, u32 key)
{
	for (u32 i = 0; i < REPL_MAP_CACHE; i++)
		if (r->map[i].state == MAP_WRITING && r->map[i].key == key)
			return true;
	return false;
}

/* What is kept of a page in brief is what would be found on the disk. */
static void watch_briefs(struct sim_world *w, u8 n, const struct repl_replica *r)
{
	for (u32 x = 0; r->n_briefs && x < sim_regions(w); x++) {
		u32 core = sim_region(x), key = map_key(core / REPL_REGIONS_PER_EXTENT);
		const struct map_brief *b = brief_find(r->brief, r->n_briefs, key);
		u32 at = core % REPL_REGIONS_PER_VOLUME % REPL_STAMPS_PER_PAGE, stamp;

		if (!b || is_written(r, key))
			continue;
		stamp = stamp_on_disk(w->node[n].disk, &r->state, x);
		if (brief_stamp(b, at) != stamp)
			sim_fail(w, "node %u keeps stamp %u of region %u, its disk has %u", n,
				 brief_stamp(b, at), x, stamp);
	}
}

void watch_members(struct sim_world *w)
{
	for (u8 n = 0; n < w->opt.nodes; n++) {
		const struct repl_replica *r = replica_of(w, n);

		if (!r)
			continue;
		watch_briefs(w, n, r);
		if ((w->record.in_sync & (1u << n)) && repl_replica_intact(r))
			watch_content(w, n);
		if (r->mode == REPLICA_MEMBER && r->session)
			watch_stamps(w, n);
		else
			w->node[n].was_member = false;
	}
}

/* V2: what a flush covered is on the disk of every member, even if its node is down */
void watch_durable(struct sim_world *w, u32 members)
{
	members &= w->record.in_sync;
	for (u8 n = 0; n < w->opt.nodes; n++) {
		const struct sim_disk *d = w->node[n].disk;

		if (!(members & (1u << n)) || !d)
			continue;
		for (u32 b = 0; b < w->opt.blocks; b++) {
			u32 value = d->durable[sim_device_block(w, b)];

			if (check_allows_durable(w, b, value))
				continue;
			sim_fail(w, "V2: member %u has %u of block %u on its disk, flushed is %u",
				 n, value, b, w->block[b].flushed);
			return;
		}
	}
}

/* ---- V3, V4 ----------------------------------------------------------------- */

static u8 skip[SIM_BLOCKS]; /* blocks that may differ */
static u32 skipped[SIM_BLOCKS], n_skipped;

static void skip_range(const struct sim_world *w, u32 first, u32 n)
{
	for (u32 b = first; b < first + n && b < w->opt.device_blocks; b++)
		if (!skip[b]) {
			skip[b] = 1;
			skipped[n_skipped++] = b;
		}
}

static void skip_none(void)
{
	while (n_skipped)
		skip[skipped[--n_skipped]] = 0;
}

/* writes that r has taken and does not know to be committed */
static void skip_uncommitted(const struct sim_world *w, const struct repl_replica *r, u64 after)
{
	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++)
		if (r->io[i].state != IO_FREE && r->io[i].seq > after)
			skip_range(w, sim_block(r->io[i].off), r->io[i].len / SIM_BLOCK);
}

/* false: more than we remember */
static bool skip_sent(const struct sim_world *w, u8 writer, u64 after)
{
	u64 last = w->node[writer].mirror->writer.seq;

	if (last - after >= SIM_SENT_MAX)
		return false;
	for (u64 s = after + 1; s <= last; s++) {
		const struct sim_sent *o = &w->node[writer].sent[s % SIM_SENT_MAX];

		if (o->seq == s)
			skip_range(w, o->first, o->n);
	}
	return true;
}

static void compare(struct sim_world *w, u32 x, const u32 *a, const u32 *b, const char *what, u8 na,
		    u8 nb)
{
	u32 first = x * SIM_PER_REGION;
	u32 end = PORT_MIN(first + SIM_PER_REGION, w->opt.device_blocks);

	w->compared++;
	if (!memcmp(a + first, b + first, (end - first) * sizeof(*a)))
		return;
	for (u32 i = first; i < end; i++)
		if (a[i] != b[i] && !skip[i]) {
			sim_fail(w, "%s: block %u is %u at member %u and %u at node %u", what, i,
				 a[i], na, b[i], nb);
			return;
		}
}

/* the writer at whose stream the replica is, as both ends see it */
static bool in_stream(struct sim_world *w, u8 n, u8 *ret_writer)
{
	const struct repl_replica *r = replica_of(w, n);
	const struct repl_writer *writer;

	if (!r || !session_writer(w, n, ret_writer))
		return false;
	writer = &w->node[*ret_writer].mirror->writer;
	return writer->state == WRITER_SERVING && writer->peer[n].started &&
	       writer->peer[n].start_epoch <= r->re && r->re == writer->pe;
}

/* Both follow the same stream: where stamps are equal, or b has synced, content is, up to b's
 * place and a's. */
static void watch_pair(struct sim_world *w, u8 na, u8 nb, u8 writer)
{
	const struct repl_replica *a = replica_of(w, na), *b = replica_of(w, nb);
	u64 after = PORT_MIN(a->acked, b->acked);

	skip_none();
	skip_uncommitted(w, a, after);
	skip_uncommitted(w, b, after);
	if (!skip_sent(w, writer, after))
		return;
	for (u32 x = 0; x < sim_regions(w); x++) {
		if (pull_synced(b, sim_region(x)))
			compare(w, x, w->node[na].disk->cached, w->node[nb].disk->cached, "V4", na,
				nb);
		else if (sim_stamp(w, nb, x) && sim_stamp(w, na, x) == sim_stamp(w, nb, x))
			compare(w, x, w->node[na].disk->cached, w->node[nb].disk->cached, "V3", na,
				nb);
	}
}

/* What R3 and R14 make of the stamp when b becomes a learner next. */
static u32 stamp_later(const struct sim_world *w, u8 nb, u32 x)
{
	const struct repl_replica *b = replica_of(w, nb);
	u32 s = sim_stamp(w, nb, x);

	return b->state.learner_epoch && s >= b->state.learner_epoch ? REPL_STAMP_UNKNOWN : s;
}

static bool uncommitted(const struct repl_replica *b, u32 region)
{
	u32 x = sim_region(region);

	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++) {
		const struct replica_io *io = &b->io[i];

		if (io->state != IO_FREE && x >= io->off / REPL_REGION_BYTES &&
		    x <= (io->off + io->len - 1) / REPL_REGION_BYTES)
			return true;
	}
	return false;
}

/* b follows nobody, or somebody else: it would be a learner next. What a has not committed gets a
 * new stamp before that. */
static void watch_left(struct sim_world *w, u8 na, u8 nb)
{
	const struct repl_replica *a = replica_of(w, na), *b = replica_of(w, nb);

	skip_none();
	skip_uncommitted(w, a, 0);
	for (u32 x = 0; x < sim_regions(w); x++) {
		u32 s = stamp_later(w, nb, x);

		if (s && s == sim_stamp(w, na, x) && !uncommitted(b, x))
			compare(w, x, w->node[na].disk->cached, w->node[nb].disk->cached,
				"V3 (no session)", na, nb);
	}
}

/* a member of the record's epoch, with the writer that the record names */
static bool is_authority(struct sim_world *w, u8 n, u8 *ret_writer)
{
	const struct repl_replica *r = replica_of(w, n);

	return r && r->mode == REPLICA_MEMBER && in_stream(w, n, ret_writer) &&
	       r->re == w->record.epoch && (w->record.in_sync & (1u << n)) &&
	       *ret_writer == w->record.writer;
}

void watch_maps(struct sim_world *w)
{
	u8 wa, wb;

	w->watched++;
	for (u8 a = 0; a < w->opt.nodes && !w->failure[0]; a++) {
		if (!replica_of(w, a) || replica_of(w, a)->mode != REPLICA_MEMBER ||
		    !in_stream(w, a, &wa))
			continue;
		for (u8 b = 0; b < w->opt.nodes && !w->failure[0]; b++) {
			const struct repl_replica *r = replica_of(w, b);

			if (a == b || !r || r->start.kind)
				continue;
			if (in_stream(w, b, &wb) && wa == wb)
				watch_pair(w, a, b, wa);
			else if (is_authority(w, a, &wa))
				watch_left(w, a, b);
		}
	}
}

/* ---- V3, if a node crashed now ------------------------------------------------ */

static u32 stamp_after_boot(u8 (*meta)[REPL_META_PAGE], const struct meta_state *state, u32 region)
{
	static u32 stamp[REPL_STAMPS_PER_PAGE], seen;
	static int rc;
	u32 number, at;
	const u8 *page = sim_map_page(meta, region, &number, &at);

	if (!at) /* regions come in their order */
		rc = meta_get_map(page, number, &seen, stamp);
	if (rc)
		return REPL_STAMP_UNKNOWN;
	for (u32 i = 0; i < state->n_voids; i++)
		if (state->voids[i].number > seen && stamp[at] >= state->voids[i].from &&
		    stamp[at] < state->voids[i].to)
			return REPL_STAMP_UNKNOWN;
	return state->learner_epoch && stamp[at] >= state->learner_epoch ? REPL_STAMP_UNKNOWN
									 : stamp[at];
}

/* What R14 makes of the pages that would be there. Written from the protocol, not with the core. */
static void stamps_after_boot(struct sim_world *w, struct sim_disk *d, bool kept)
{
	u8(*meta)[REPL_META_PAGE] = kept ? d->meta : d->meta_durable;
	u32 *after = d->after[kept];
	struct meta_state state;
	u32 hot[REPL_HOT_MAX], n_hot;
	u64 generation;
	int copy;

	memset(after, 0, sizeof(d->after[0]));
	if (meta_pick_state(meta[2], meta[3], &state, &copy) ||
	    meta_pick_hot(meta[4], meta[5], &generation, hot, &n_hot, &copy))
		return;
	for (u32 x = 0; x < sim_regions(w); x++) {
		after[x] = stamp_after_boot(meta, &state, x);
		for (u32 i = 0; i < n_hot; i++)
			if (hot[i] == sim_region(x) / REPL_REGIONS_PER_EXTENT)
				after[x] = 0;
	}
}

static void watch_crashed(struct sim_world *w, u8 na, u8 nb, bool meta_kept, bool data_kept)
{
	struct sim_disk *d = w->node[nb].disk;
	u32 *after = d->after[meta_kept];

	if (d->after_version[meta_kept] != d->meta_version)
		stamps_after_boot(w, d, meta_kept);
	d->after_version[meta_kept] = d->meta_version;
	for (u32 x = 0; x < sim_regions(w); x++)
		if (after[x] && after[x] == sim_stamp(w, na, x))
			compare(w, x, w->node[na].disk->cached, data_kept ? d->cached : d->durable,
				"V3 (after a crash)", na, nb);
}

void watch_after_crash(struct sim_world *w)
{
	u8 na = (u8)sim_random(w, (u64)w->opt.nodes), nb = (u8)sim_random(w, (u64)w->opt.nodes), by;

	if (na == nb || !w->node[nb].disk || !is_authority(w, na, &by))
		return;
	skip_none();
	skip_uncommitted(w, replica_of(w, na), 0);
	watch_crashed(w, na, nb, sim_random(w, 2), sim_random(w, 2));
}

/* ---- nothing grows without bound ------------------------------------------------ */

static void bound(struct sim_world *w, u32 *high, u32 now, u32 limit, const char *what)
{
	*high = PORT_MAX(*high, now);
	if (now > limit)
		sim_fail(w, "%s: %u, limit %u", what, now, limit);
}

void watch_bounds(struct sim_world *w)
{
	u32 used = 0;

	bound(w, &w->high_payloads, w->n_payloads, SIM_PAYLOADS_LIMIT, "payloads");
	bound(w, &w->high_events, sim_events(), SIM_EVENTS_LIMIT, "events");
	bound(w, &w->high_burst, 0, SIM_BURST_LIMIT, "effects of one call");
	for (u32 i = 0; i < links_high; i++) {
		used += links[i].used;
		for (int s = 0; links[i].used && s < 2; s++)
			bound(w, &w->high_held, links[i].held[s].len, SIM_HELD_LIMIT,
			      "messages not taken");
	}
	bound(w, &w->high_links, used, SIM_LINKS_LIMIT, "links");
	for (u8 n = 0; n < w->opt.nodes; n++) {
		const struct repl_mirror *m = w->node[n].mirror;

		bound(w, &w->high_loop, m->to_replica.len, SIM_LOOP_LIMIT, "loop to the replica");
		bound(w, &w->high_loop, m->to_writer.len, SIM_LOOP_LIMIT, "loop to the writer");
		bound(w, &w->high_burst, w->node[n].burst, SIM_BURST_LIMIT, "effects of one call");
	}
}
