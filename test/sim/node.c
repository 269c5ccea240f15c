/* SPDX-License-Identifier: GPL-2.0-or-later */
/* node.c - a node: does what the core emits, starts and crashes, takes events.
 */
#include "sim/register.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

struct node_sink sinks[SIM_NODES];

/* ---- what the core wants --------------------------------------------------- */

static struct repl_msg copy_for_link(struct sim_world *w, const struct repl_msg *m)
{
	struct repl_msg c = *m;

	if (m->kind == REPL_MSG_WRITE && m->buf)
		sim_payload_ref(w, m->buf); /* on a wire it would be a copy */
	return c;
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
		sim_fail(w, "node %u sends message %u on link %u, which is not there", node, m.kind,
			 e->link);
		return;
	}
	if (m.kind == REPL_MSG_WRITE)
		watch_sent(w, node, &m);
	sim_ambush(w, m.kind, node, links[index].node[!side]);
	sim_trace(w, "%u.%u sends %u e=%u seq=%llu x=%u n=%u r=%u", node, e->link, m.kind, m.epoch,
		  (unsigned long long)m.seq, m.region, m.count, m.reason);
	say_message(w, node, links[index].node[!side], &m);
	link_send(w, index, !side, &m);
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
		watch_durable(w, w->node[node].mirror->writer.members);
	}
	if (!e->status) {
		watch_served(w, node, q);
		sim_ambush(w, AT_COMPLETE, node, node);
	}
	scenario_answered(w, node, (u32)e->id, e->status,
			  e->buf ? sim_payload(w, e->buf)->block[0] : 0);
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
	if (w->faults && w->record_slow_until > w->now)
		d += sim_random(w, w->record_slow_until - w->now);
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
		sim_schedule(w, record_delay(w) + w->script_land, &v);
	if (e->kind == REPL_CAS)
		sim_ambush(w, AT_CAS_OUT, node, (u8)__builtin_ctz(e->record.in_sync));
}

void node_emit(struct repl_sink *sink, const struct repl_effect *e)
{
	struct node_sink *s = (struct node_sink *)sink;
	struct sim_world *w = s->w;
	struct sim_node *n = &w->node[s->node];
	u32 index;
	int side;

	n->burst++;
	w->high_burst = PORT_MAX(w->high_burst, n->burst);
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
	case REPL_META_READ:
		do_disk(w, s->node, e, EV_META_READ);
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
		n->pull_slot = e->slot;
		if (n->pull_link)
			end_close(w, n->pull_link - 1, 0);
		break;
	case REPL_CHANGED:
		sim_trace(w, "%u changed: writer %s, replica %s", s->node,
			  repl_writer_state_name(n->mirror->writer.state),
			  repl_replica_mode_name(n->mirror->replica.mode));
		n->was_member &= n->mirror->replica.mode == REPLICA_MEMBER;
		say_changed(w, s->node);
		sim_ambush(w, AT_CHANGED, s->node, s->node);
		break;
	}
}

/* The replica's session: who writes there. False when there is none or its other end is gone. */
bool session_writer(struct sim_world *w, u8 n, u8 *ret_writer)
{
	const struct repl_replica *r = &w->node[n].mirror->replica;
	u32 index;
	int side;

	if (!r->session || r->start.kind)
		return false;
	*ret_writer = n;
	if (r->session_link == REPL_LINK_LOCAL)
		return true;
	side = find_end(w, n, r->session_link, &index);
	if (side < 0 || !end_alive(w, &links[index], !side))
		return false;
	*ret_writer = links[index].node[!side];
	return true;
}

bool node_runs(const struct sim_world *w, u8 n)
{
	return w->node[n].up && w->node[n].booted && w->node[n].paused_until <= w->now;
}

void node_start(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];
	struct repl_mirror_config c = { .self = n, .copies = w->copies };
	struct sim_event e = { .kind = EV_RECORD, .node = n, .flag = true };
	struct repl_disk disk;

	node->up = true;
	node->booted = false;
	node->paused_until = 0;
	node->open = node->closing = false;
	node->boot++;
	node->drift_ppm = (int)sim_random(w, 2 * w->opt.drift_ppm + 1) - (int)w->opt.drift_ppm;
	if (sim_random(w, 2)) /* the ends of the range matter most */
		node->drift_ppm = (int)w->opt.drift_ppm * (node->drift_ppm < 0 ? -1 : 1);
	node->clock_offset = sim_random(w, 100000 * REPL_MS) + 20000 * REPL_MS;
	c.seed = sim_random(w, ~0ull >> 1) + 1;
	c.tag = (struct repl_tag){ .node = n + 1u, .boot = node->boot };
	if (!w->opt.scripted)
		c.read_policy = (enum repl_read_policy)sim_random(w, REPL_READ_POLICIES);
	if (node->disk) {
		if (disk_load(w, node->disk, &disk))
			sim_fail(w, "node %u: metadata unreadable after a crash", n);
		c.disk = &disk;
		c.n_briefs = (n + node->boot) % 4 ? SIM_BRIEFS : 0;
	}
	node->served = 0;
	node->was_member = false;
	memset(node->mirror, 0, repl_mirror_bytes(SIM_BRIEFS));
	repl_mirror_init(node->mirror, &c, node_now(w, n));
	sim_trace(w, "%u starts, boot %llu", n, (unsigned long long)node->boot);
	e.boot = node->boot;
	if (w->opt.reg)
		register_ask(w, &e);
	else
		sim_schedule(w, record_delay(w), &e);
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
				schedule_down(w, i, !s, w->opt.notice_ms * REPL_MS + 1);
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
	for (u32 i = 0; i < PORT_ARRAY_SIZE(node->mirror->replica.serve); i++)
		if (node->mirror->replica.serve[i].state == SERVE_READ)
			sim_payload_drop(w, node->mirror->replica.serve[i].msg.buf);
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
	const char *broken;

	if (!node_runs(w, n))
		return;
	drain(w, n);
	broken = repl_mirror_check(node->mirror);
	if (broken)
		sim_fail(w, "node %u: %s", n, broken);
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

/* ---- events ---------------------------------------------------------------- */

static void on_deliver(struct sim_world *w, struct sim_event *e)
{
	struct sim_link *l = &links[e->link];

	if (!l->used || l->gen != e->gen || !end_alive(w, l, e->side)) {
		sim_payload_drop(w, e->msg.buf);
		return;
	}
	if (l->cut && (w->opt.scripted || sim_random(w, 2)))
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

static void told(struct sim_world *w, const struct sim_event *e, bool ok)
{
	sim_trace(w, "CAS of %u: e=%u p=%u I=%x %s", e->node, e->record.epoch, e->record.writer,
		  e->record.in_sync, ok ? "accepted" : "refused");
	if (w->opt.scripted && e->record.writer == REPL_NO_SLOT)
		say(w, "record: e=%u no writer, I=%s%s", e->record.epoch,
		    say_mask(e->record.in_sync), ok ? "" : " refused");
	else
		say(w, "record: e=%u p=%u I=%s%s", e->record.epoch, e->record.writer,
		    say_mask(e->record.in_sync), ok ? "" : " refused");
}

void record_decided(struct sim_world *w, struct sim_event *e)
{
	if (e->restarted && !none_intact(w, w->record.in_sync))
		sim_fail(w, "a restarted copy of %x is promoted, an intact one of %x is there",
			 e->record.in_sync, w->record.in_sync);
	w->joins += __builtin_popcount(e->record.in_sync) > __builtin_popcount(w->record.in_sync);
	w->record = e->record;
	sim_ambush(w, AT_CAS_LAND, e->node, (u8)__builtin_ctz(e->record.in_sync));
	told(w, e, true);
	watch_members(w);
	watch_durable(w, w->record.in_sync);
}

static void on_cas_land(struct sim_world *w, struct sim_event *e)
{
	bool ok = e->record.epoch == w->record.epoch + 1;

	if (ok)
		record_decided(w, e);
	else
		told(w, e, false);
	e->kind = EV_CAS_ANSWER;
	e->flag = ok;
	sim_schedule(w, record_delay(w) + w->script_answer, e);
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

static void on_crash(struct sim_world *w, struct sim_event *e)
{
	struct sim_event again = { .kind = EV_START, .node = e->node };

	node_crash(w, e->node);
	if (!w->faults || sim_random(w, 100) < w->opt.restart_fast) /* or nobody would */
		sim_schedule(w, sim_random(w, 100 * REPL_MS), &again);
}

void dispatch(struct sim_world *w, struct sim_event *e)
{
	struct sim_node *n = &w->node[e->node];
	bool alive = n->up && n->boot == e->boot;

	/* By its own time, not by now: one that was due in the pause must not overtake those that
	 * wait for its end. */
	if (alive && n->paused_until > e->at && e->kind != EV_CAS_LAND && e->kind != EV_CRASH) {
		sim_schedule(w, PORT_MAX(n->paused_until, w->now) - w->now, e);
		return;
	}
	w->steps++;
	n->burst = 0;
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
	else if (e->kind == EV_META_READ)
		on_meta_read(w, e);
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
