/* SPDX-License-Identifier: GPL-2.0-or-later */
/* node.c - a node: does what the core emits, starts and crashes, takes events.
 */
#include "sim/register.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

struct node_sink sinks[SIM_NODES];

/* ---- what the core wants ---------------------------------------------------
 */

static struct repl_msg copy_for_link(struct sim_world *w, const struct repl_msg *m)
{
	struct repl_msg c = *m;

	if (m->kind == REPL_MSG_WRITE && m->buf)
		sim_payload_ref(w, m->buf); /* on a wire it would be a copy */
	return c;
}

static bool telling(u8 kind)
{
	static const bool is[REPL_MSG_KINDS] = {
		[REPL_MSG_START] = true,    [REPL_MSG_EPOCH] = true,  [REPL_MSG_JOIN] = true,
		[REPL_MSG_STARTED] = true,  [REPL_MSG_READY] = true,  [REPL_MSG_FLUSHED] = true,
		[REPL_MSG_PROMISED] = true, [REPL_MSG_SYNCED] = true,
	};

	return is[kind];
}

static void do_send(struct sim_world *w, u8 node, const struct repl_effect *e)
{
	struct repl_msg m = copy_for_link(w, e->msg);
	u32 index;
	int side;

	if (e->link == REPL_LINK_LOCAL)
		return; /* the reference just taken is the replica's */
	side = find_end(w, node, e->link, &index);
	if (side < 0) {
		sim_payload_drop(w, m.buf);
		return;
	}
	if (telling(m.kind))
		sim_ambush(w, sim_random(w, 2) ? node : links[index].node[!side]);
	sim_trace(w, "%u.%u sends %u e=%u seq=%llu x=%u n=%u r=%u", node, e->link, m.kind, m.epoch,
		  (unsigned long long)m.seq, m.region, m.count, m.reason);
	link_send(w, index, !side, &m);
}

static u64 disk_delay(struct sim_world *w, u8 node, enum sim_event_kind kind)
{
	u64 d = 10000 + sim_random(w, w->opt.disk_delay_max);

	if (w->opt.slow & (1u << node))
		d *= 6;
	return kind == EV_DISK_FLUSH || kind == EV_META_FLUSH ? d * 3 : d;
}

static void do_disk(struct sim_world *w, u8 node, const struct repl_effect *e,
		    enum sim_event_kind kind)
{
	struct sim_event v = { .kind = kind,
			       .node = node,
			       .boot = w->node[node].boot,
			       .id = e->id,
			       .off = e->off,
			       .len = e->len,
			       .op = e->op,
			       .buf = e->buf,
			       .buf_off = e->buf_off,
			       .fua = e->fua };

	if (kind == EV_DISK_WRITE && e->shared)
		sim_payload_ref(w, e->buf);
	if (kind == EV_META_WRITE) {
		v.page = malloc(REPL_META_PAGE);
		memcpy(v.page, e->page, REPL_META_PAGE);
	}
	if (kind == EV_DISK_FLUSH) {
		v.off = w->node[node].disk->backs;
		v.snapshot = malloc(sizeof(w->node[node].disk->cached));
		memcpy(v.snapshot, w->node[node].disk->cached, sizeof(w->node[node].disk->cached));
	}
	if (kind == EV_META_WRITE)
		sim_ambush(w, node);
	sim_schedule(w, disk_delay(w, node, kind), &v);
}

static struct sim_request *request_of(struct sim_world *w, u8 node, u64 id)
{
	return &w->node[node].request[id % SIM_REQUESTS];
}

static void do_complete(struct sim_world *w, u8 node, const struct repl_effect *e)
{
	struct sim_request *q = request_of(w, node, e->id);

	sim_trace(w, "%u complete kind=%d first=%u n=%u v=%u status=%d", node, q->kind, q->first,
		  q->n, q->value, e->status);
	if (q->kind == SIM_WRITE) {
		check_write_done(w, node, q, e->status);
		sim_payload_drop(w, q->buf);
	} else if (q->kind == SIM_READ && !e->status) {
		check_read_done(w, node, q, sim_payload(w, e->buf)->block);
	} else if (q->kind == SIM_FLUSH && !e->status) {
		check_flush_done(w, q);
	}
	if (!e->status)
		sim_ambush(w, node);
	sim_payload_drop(w, e->buf);
	free(q->completed);
	q->completed = NULL;
	q->kind = SIM_FREE;
}

u64 record_delay(struct sim_world *w)
{
	u64 d = 100000 + sim_random(w, w->opt.record_delay_max);

	if (w->faults && sim_random(w, 100) < w->opt.record_late)
		d += sim_random(w, (sim_random(w, 4) ? 3000 : 15000) * REPL_MS);
	return d;
}

static void do_record(struct sim_world *w, u8 node, const struct repl_effect *e)
{
	struct sim_event v = { .kind = e->kind == REPL_CAS ? EV_CAS_LAND : EV_RECORD,
			       .node = node,
			       .boot = w->node[node].boot,
			       .id = e->id,
			       .record = e->record };
	const struct repl_writer *writer = &w->node[node].mirror->writer;

	v.restarted = writer->cas_out == CAS_PROMOTE && writer->cas_start == REPL_START_RESTARTED;
	if (w->opt.reg)
		register_ask(w, &v);
	else
		sim_schedule(w, record_delay(w), &v);
}

void node_emit(struct repl_sink *sink, const struct repl_effect *e)
{
	struct node_sink *s = (struct node_sink *)sink;
	struct sim_world *w = s->w;
	u32 index;
	int side;

	switch (e->kind) {
	case REPL_SEND:
		do_send(w, s->node, e);
		break;
	case REPL_LINK_CLOSE:
		sim_trace(w, "%u closes %u", s->node, e->link);
		side = find_end(w, s->node, e->link, &index);
		if (side >= 0)
			end_close(w, index, side);
		break;
	case REPL_DISK_WRITE:
		do_disk(w, s->node, e, EV_DISK_WRITE);
		break;
	case REPL_DISK_READ:
		do_disk(w, s->node, e, EV_DISK_READ);
		break;
	case REPL_DISK_FLUSH:
		do_disk(w, s->node, e, EV_DISK_FLUSH);
		break;
	case REPL_META_WRITE:
		do_disk(w, s->node, e, EV_META_WRITE);
		break;
	case REPL_META_FLUSH:
		do_disk(w, s->node, e, EV_META_FLUSH);
		break;
	case REPL_BUF_DROP:
		sim_payload_drop(w, e->buf);
		break;
	case REPL_COMPLETE:
		do_complete(w, s->node, e);
		break;
	case REPL_READ_RECORD:
	case REPL_CAS:
		do_record(w, s->node, e);
		break;
	case REPL_PULL_LINK:
		w->node[s->node].pull_slot = e->slot;
		if (w->node[s->node].pull_link) {
			index = w->node[s->node].pull_link - 1;
			end_close(w, index, 0);
		}
		break;
	case REPL_CHANGED:
		sim_trace(w, "%u changed: writer %s, replica %s", s->node,
			  repl_writer_state_name(w->node[s->node].mirror->writer.state),
			  repl_replica_mode_name(w->node[s->node].mirror->replica.mode));
		break;
	}
}

static u32 disk_value(struct sim_world *w, const struct sim_event *e, u32 i)
{
	return e->op == REPL_OP_DATA ? sim_payload(w, e->buf)->block[e->buf_off / SIM_BLOCK + i]
				     : 0;
}

/* ---- nodes -----------------------------------------------------------------
 */

static u32 stamps_in(u32 page)
{
	return PORT_MIN(REPL_STAMPS_PER_PAGE, meta_regions(SIM_SIZE) - page * REPL_STAMPS_PER_PAGE);
}

void node_add_disk(struct sim_world *w, u8 n, bool alike)
{
	struct sim_disk *d = calloc(1, sizeof(*d));
	struct meta_super s = { .generation = 1, .size_bytes = SIM_SIZE };

	w->node[n].disk = d;
	for (u32 i = 0; i < meta_regions(SIM_SIZE); i++)
		d->stamp[i] = alike ? REPL_STAMP_FRESH : REPL_STAMP_UNKNOWN;
	for (u32 b = 0; !alike && b < SIM_BLOCKS; b++)
		d->cached[b] = d->durable[b] = SIM_GARBAGE;
	meta_put_super(d->meta[0], &s);
	meta_put_hot(d->meta[2], 1, NULL, 0);
	for (u32 p = 0; p < meta_map_pages(SIM_SIZE); p++)
		meta_put_map(d->meta[4 + p], p, d->stamp + p * REPL_STAMPS_PER_PAGE, stamps_in(p));
	memcpy(d->meta_durable, d->meta, sizeof(d->meta));
}

static int load_disk(struct sim_disk *d, struct repl_disk *ret, u64 *ret_hot_generation)
{
	int rc = meta_pick_super(d->meta[0], d->meta[1], &ret->super, &ret->super_copy);

	if (!rc)
		rc = meta_pick_hot(d->meta[2], d->meta[3], ret_hot_generation, d->hot, &ret->n_hot,
				   &ret->hot_copy);
	ret->hot = d->hot;
	ret->hot_generation = *ret_hot_generation;
	ret->stamp = d->stamp;
	ret->map_dirty = d->dirty;
	memset(d->dirty, 0, sizeof(d->dirty));
	memset(d->stamp, 0, sizeof(d->stamp));
	/* a page that fails its checksum counts as unknown stamps */
	for (u32 p = 0; p < meta_map_pages(SIM_SIZE); p++) {
		u32 *stamp = d->stamp + p * REPL_STAMPS_PER_PAGE;
		u32 n = stamps_in(p);

		if (meta_get_map(d->meta[4 + p], p, stamp, n))
			memset(stamp, 0, n * sizeof(*stamp));
	}
	return rc;
}

bool node_runs(const struct sim_world *w, u8 n)
{
	return w->node[n].up && w->node[n].booted && w->node[n].paused_until <= w->now;
}

void node_start(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];
	struct repl_mirror_config c = { .self = n, .copies = w->copies, .size_bytes = SIM_SIZE };
	struct sim_event e = { .kind = EV_RECORD, .node = n, .flag = true };
	struct repl_disk disk;
	u64 generation = 0;

	node->up = true;
	node->booted = false;
	node->paused_until = 0;
	node->open = node->closing = false;
	node->boot++;
	node->drift_ppm = (int)sim_random(w, 2 * w->opt.drift_ppm + 1) - (int)w->opt.drift_ppm;
	node->clock_offset = sim_random(w, 100000 * REPL_MS) + 20000 * REPL_MS;
	c.seed = sim_random(w, ~0ull >> 1) + 1;
	c.tag = (struct repl_tag){ .node = n + 1u, .boot = node->boot };
	if (node->disk) {
		if (load_disk(node->disk, &disk, &generation))
			sim_fail(w, "node %u: metadata unreadable after a crash", n);
		c.disk = &disk;
	}
	memset(node->mirror, 0, sizeof(*node->mirror));
	memset(node->mirror, 0, sizeof(*node->mirror));
	repl_mirror_init(node->mirror, &c, node_now(w, n));
	sim_trace(w, "%u starts, boot %llu", n, (unsigned long long)node->boot);
	e.boot = node->boot;
	if (w->opt.reg)
		register_ask(w, &e);
	else
		sim_schedule(w, record_delay(w), &e);
}

static u8 crashing;

/* what was under way to the disk may be there, in part */
static void land_in_part(struct sim_world *w, struct sim_event *e)
{
	struct sim_disk *d = w->node[crashing].disk;
	u32 page = (u32)(e->off / REPL_META_PAGE), half = REPL_META_PAGE / 2;

	if (e->node != crashing || e->boot != w->node[crashing].boot)
		return;
	if (e->kind == EV_DISK_WRITE) {
		for (u32 i = 0; i < e->len / SIM_BLOCK; i++)
			if (sim_random(w, 2))
				d->cached[e->off / SIM_BLOCK + i] = disk_value(w, e, i);
	} else if (e->kind == EV_META_WRITE) {
		if (sim_random(w, 100) < w->opt.torn)
			memcpy(d->meta[page] + half, e->page + half, half);
		else if (sim_random(w, 2))
			memcpy(d->meta[page], e->page, REPL_META_PAGE);
		else
			return;
		if (e->fua || sim_random(w, 2))
			memcpy(d->meta_durable[page], d->meta[page], REPL_META_PAGE);
	}
}

static void disk_crash(struct sim_world *w, u8 n, struct sim_disk *d)
{
	/* a process that dies leaves the cache as it is */
	u32 keep = sim_random(w, 4) ? w->opt.keep_cached : 100;

	crashing = n;
	sim_events_each(w, land_in_part);
	for (u32 b = 0; b < SIM_BLOCKS; b++)
		if (d->cached[b] != d->durable[b]) {
			if (sim_random(w, 100) < keep)
				d->durable[b] = d->cached[b];
			else
				d->cached[b] = d->durable[b];
		}
	for (u32 p = 0; p < SIM_META_PAGES; p++) {
		u8 *src = sim_random(w, 100) < keep ? d->meta[p] : d->meta_durable[p];
		u8 *dst = src == d->meta[p] ? d->meta_durable[p] : d->meta[p];

		memcpy(dst, src, REPL_META_PAGE);
	}
}

void node_crash(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];
	struct sim_disk *d = node->disk;

	sim_trace(w, "%u CRASHES", n);
	w->crashes++;
	for (u32 i = 0; i < links_high; i++)
		for (int s = 0; s < 2; s++)
			if (links[i].used && links[i].node[s] == n && end_alive(w, &links[i], s)) {
				links[i].open[s] = false;
				links[i].cut = true;
				schedule_down(w, i, !s, 3000 * REPL_MS);
			}
	node->up = node->booted = node->open = false;
	memset(node->slot_link, 0, sizeof(node->slot_link));
	node->pull_link = 0;
	node->pull_slot = REPL_NO_SLOT;
	for (u32 r = 0; r < SIM_REQUESTS; r++) {
		if (node->request[r].kind == SIM_WRITE)
			sim_payload_drop(w, node->request[r].buf);
		free(node->request[r].completed);
		node->request[r].completed = NULL;
		node->request[r].kind = SIM_FREE; /* its writes stay "maybe" */
	}
	if (d)
		disk_crash(w, n, d);
	/* payloads in the core's hands go with its memory: the wire's and the disk's
   * are dropped by events */
	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++)
		sim_payload_drop(w, node->mirror->replica.io[i].state == IO_FREE
					    ? 0
					    : node->mirror->replica.io[i].buf);
	for (u32 i = 0; i < REPL_PULLS_MAX; i++)
		sim_payload_drop(w, node->mirror->replica.pull[i].buf);
	for (u32 i = 0; i < REPL_REQUESTS_MAX; i++)
		if (node->mirror->writer.request[i].state == REQ_LEASE)
			sim_payload_drop(w, node->mirror->writer.request[i].buf);
	while (node->mirror->to_replica.len || node->mirror->to_writer.len) {
		struct repl_queue *q = node->mirror->to_replica.len ? &node->mirror->to_replica
								    : &node->mirror->to_writer;
		sim_payload_drop(w, q->msg[q->head].buf);
		q->head = (q->head + 1) % REPL_LOCAL_MAX;
		q->len--;
	}
}

/* gates messages by repl_mirror_takes_input, keeps wanted links */
static void drain(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];

	for (u32 i = 0; i < links_high; i++)
		for (int s = 0; s < 2; s++) {
			struct sim_link *l = &links[i];

			while (l->used && l->node[s] == n && end_alive(w, l, s) && l->held[s].len &&
			       (l->core[s] < REPL_LINK_PULL ||
				repl_mirror_takes_input(node->mirror, l->core[s]))) {
				struct sim_queue *q = &l->held[s];
				struct repl_msg m = q->msg[q->head];

				q->head = (q->head + 1) % q->cap;
				q->len--;
				repl_mirror_receive(node->mirror, l->core[s], &m, &sinks[n].sink,
						    node_now(w, n));
			}
		}
}

void node_after(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];

	if (!node_runs(w, n))
		return;
	drain(w, n);
	for (u8 s = 0; s < w->opt.nodes; s++) {
		bool want = repl_mirror_wants_link(node->mirror, s);

		if (!want && node->slot_link[s]) {
			u32 i = node->slot_link[s] - 1;

			end_close(w, i, 0);
			repl_mirror_link_down(node->mirror, REPL_LINK_SLOT(s), &sinks[n].sink,
					      node_now(w, n));
		} else if (want && !node->slot_link[s] && w->now >= node->retry_at[s]) {
			node->retry_at[s] = w->now + 50 * REPL_MS + sim_random(w, 200 * REPL_MS);
			node->slot_link[s] = link_open(w, n, s, REPL_LINK_SLOT(s));
			if (node->slot_link[s])
				repl_mirror_link_up(node->mirror, REPL_LINK_SLOT(s), &sinks[n].sink,
						    node_now(w, n));
		}
	}
	if (node->pull_slot != REPL_NO_SLOT && !node->pull_link && w->now >= node->pull_retry_at) {
		node->pull_retry_at = w->now + 50 * REPL_MS;
		node->pull_link = link_open(w, n, node->pull_slot, REPL_LINK_PULL);
		if (node->pull_link)
			repl_mirror_pull_up(node->mirror, &sinks[n].sink, node_now(w, n));
		else
			repl_mirror_pull_down(node->mirror, &sinks[n].sink, node_now(w, n));
	}
}

/* ---- events ----------------------------------------------------------------
 */

static void on_deliver(struct sim_world *w, struct sim_event *e)
{
	struct sim_link *l = &links[e->link];

	if (!l->used || l->gen != e->gen || !end_alive(w, l, e->side)) {
		sim_payload_drop(w, e->msg.buf);
		return;
	}
	if (l->cut && sim_random(w, 2))
		l->stalled[e->side] = ~0ull; /* nothing after a gap */
	if (l->stalled[e->side] == ~0ull) {
		sim_payload_drop(w, e->msg.buf);
		return;
	}
	hold_push(&l->held[e->side], &e->msg);
	node_after(w, e->node);
}

static void on_link_down(struct sim_world *w, struct sim_event *e)
{
	struct sim_link *l = &links[e->link];
	struct sim_node *n = &w->node[e->node];

	if (!l->used || l->gen != e->gen || !end_alive(w, l, e->side))
		return;
	l->open[e->side] = false;
	hold_clear(w, &l->held[e->side]);
	forget_link(n, e->link);
	sim_trace(w, "%u link %u down", e->node, e->link);
	if (l->core[e->side] == REPL_LINK_PULL)
		repl_mirror_pull_down(n->mirror, &sinks[e->node].sink, node_now(w, e->node));
	else
		repl_mirror_link_down(n->mirror, l->core[e->side], &sinks[e->node].sink,
				      node_now(w, e->node));
	link_gc(w, l);
	node_after(w, e->node);
}

/* 0, or the error that this operation ends with */
static int disk_luck(struct sim_world *w, const struct sim_event *e)
{
	if (!w->faults || !w->opt.disk_error || !chance(w, w->opt.disk_error))
		return 0;
	sim_trace(w, "%u disk error", e->node);
	w->disk_errors++;
	return -EIO;
}

static void on_disk_write(struct sim_world *w, struct sim_event *e)
{
	struct sim_disk *d = w->node[e->node].disk;
	int status = disk_luck(w, e);

	for (u32 i = 0; i < e->len / SIM_BLOCK; i++) {
		u32 b = (u32)(e->off / SIM_BLOCK) + i;

		if (status && sim_random(w, 2))
			continue;
		d->cached[b] = disk_value(w, e, i);
		if (w->opt.writeback && sim_random(w, 100) < w->opt.writeback) {
			d->durable[b] = d->cached[b];
			d->back[b] = ++d->backs;
		}
	}
	sim_payload_drop(w, e->buf);
	repl_mirror_disk_done(w->node[e->node].mirror, e->id, status, &sinks[e->node].sink,
			      node_now(w, e->node));
}

static void on_disk_read(struct sim_world *w, struct sim_event *e)
{
	struct sim_disk *d = w->node[e->node].disk;
	repl_buf b;

	if (disk_luck(w, e)) {
		repl_mirror_disk_read_done(w->node[e->node].mirror, e->id, -EIO, 0, 0,
					   &sinks[e->node].sink, node_now(w, e->node));
		return;
	}
	b = sim_payload_new(w, e->len / SIM_BLOCK);
	memcpy(sim_payload(w, b)->block, d->cached + e->off / SIM_BLOCK,
	       e->len / SIM_BLOCK * sizeof(u32));
	repl_mirror_disk_read_done(w->node[e->node].mirror, e->id, 0, b, e->len,
				   &sinks[e->node].sink, node_now(w, e->node));
}

static void on_meta(struct sim_world *w, struct sim_event *e)
{
	struct sim_disk *d = w->node[e->node].disk;
	int status = disk_luck(w, e);

	if (status) {
		/* nothing of it is there */
	} else if (e->kind == EV_META_WRITE) {
		memcpy(d->meta[e->off / REPL_META_PAGE], e->page, REPL_META_PAGE);
		if (e->fua)
			memcpy(d->meta_durable[e->off / REPL_META_PAGE], e->page, REPL_META_PAGE);
	} else {
		memcpy(d->meta_durable, d->meta, sizeof(d->meta));
	}
	repl_mirror_disk_done(w->node[e->node].mirror, e->id, status, &sinks[e->node].sink,
			      node_now(w, e->node));
}

static void on_record(struct sim_world *w, struct sim_event *e)
{
	struct sim_node *n = &w->node[e->node];
	const struct repl_record *present = w->opt.reg ? &e->record : &w->record;

	if (e->flag) {
		n->booted = true;
		repl_mirror_set_copies(n->mirror, w->copies, &sinks[e->node].sink,
				       node_now(w, e->node));
		repl_mirror_boot(n->mirror, present, &sinks[e->node].sink, node_now(w, e->node));
	} else {
		repl_mirror_record(n->mirror, e->id, present, &sinks[e->node].sink,
				   node_now(w, e->node));
	}
}

/* C2 allows what an unclean end costs only then */
static bool none_intact(const struct sim_world *w, u32 mask)
{
	for (int n = 0; n < w->opt.nodes; n++)
		if ((mask & (1u << n)) && w->node[n].up && w->node[n].disk &&
		    repl_replica_intact(&w->node[n].mirror->replica))
			return false;
	return true;
}

void record_decided(struct sim_world *w, struct sim_event *e)
{
	if (e->restarted)
		e->restarted = none_intact(w, w->record.in_sync);
	w->joins += __builtin_popcount(e->record.in_sync) > __builtin_popcount(w->record.in_sync);
	w->record = e->record;
	if (w->node[e->node].boot == e->boot)
		sim_ambush(w, e->node);
	sim_ambush(w, (u8)__builtin_ctz(e->record.in_sync));
	sim_trace(w, "CAS of %u: e=%u p=%u I=%x accepted", e->node, e->record.epoch,
		  e->record.writer, e->record.in_sync);
}

static void on_cas_land(struct sim_world *w, struct sim_event *e)
{
	bool ok = e->record.epoch == w->record.epoch + 1;

	if (ok)
		record_decided(w, e);
	else
		sim_trace(w, "CAS of %u: e=%u p=%u I=%x refused", e->node, e->record.epoch,
			  e->record.writer, e->record.in_sync);
	e->kind = EV_CAS_ANSWER;
	e->flag = ok;
	sim_schedule(w, record_delay(w), e);
}

static void on_cas_answer(struct sim_world *w, struct sim_event *e)
{
	struct repl_mirror *m = w->node[e->node].mirror;
	enum writer_cas what = m->writer.cas_out;

	if (e->flag && what == CAS_PROMOTE && m->writer.cas_token == e->id) {
		w->promotions++;
		if (m->writer.cas_start == REPL_START_RESTARTED)
			w->restarts_promoted++;
		if (e->restarted)
			check_cache_lost(w);
	}
	repl_mirror_cas_done(m, e->id, e->flag, w->opt.reg ? &e->record : &w->record,
			     &sinks[e->node].sink, node_now(w, e->node));
}

/* what was written back meanwhile is newer than the snapshot */
static void on_disk_flush(struct sim_world *w, struct sim_event *e)
{
	struct sim_node *n = &w->node[e->node];
	int status = disk_luck(w, e);

	for (u32 b = 0; !status && b < SIM_BLOCKS; b++)
		if (n->disk->back[b] <= e->off)
			n->disk->durable[b] = e->snapshot[b];
	repl_mirror_disk_done(n->mirror, e->id, status, &sinks[e->node].sink, node_now(w, e->node));
}

static void on_crash(struct sim_world *w, struct sim_event *e)
{
	struct sim_event again = { .kind = EV_START, .node = e->node };

	node_crash(w, e->node);
	if (sim_random(w, 2))
		sim_schedule(w, sim_random(w, 100 * REPL_MS), &again);
}

void dispatch(struct sim_world *w, struct sim_event *e)
{
	struct sim_node *n = &w->node[e->node];
	bool alive = n->up && n->boot == e->boot;

	if (alive && n->paused_until > w->now && e->kind != EV_CAS_LAND && e->kind != EV_CRASH) {
		sim_schedule(w, n->paused_until - w->now, e); /* in the order of now */
		return;
	}
	w->steps++;
	if (e->kind == EV_DELIVER)
		on_deliver(w, e);
	else if (e->kind == EV_LINK_DOWN)
		on_link_down(w, e);
	else if (e->kind == EV_CAS_LAND)
		on_cas_land(w, e); /* lands although its proposer may be dead */
	else if (e->kind == EV_START) {
		if (!n->up)
			node_start(w, e->node);
	} else if (!alive)
		sim_payload_drop(w, e->kind == EV_DISK_WRITE ? e->buf : 0);
	else if (e->kind == EV_DISK_WRITE)
		on_disk_write(w, e);
	else if (e->kind == EV_DISK_READ)
		on_disk_read(w, e);
	else if (e->kind == EV_META_WRITE || e->kind == EV_META_FLUSH)
		on_meta(w, e);
	else if (e->kind == EV_RECORD)
		on_record(w, e);
	else if (e->kind == EV_CRASH)
		on_crash(w, e);
	else if (e->kind == EV_CAS_ANSWER)
		on_cas_answer(w, e);
	else if (e->kind == EV_DISK_FLUSH)
		on_disk_flush(w, e);
	free(e->page);
	free(e->snapshot);
	if (n->up)
		node_after(w, e->node);
}
