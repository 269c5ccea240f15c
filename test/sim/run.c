/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run.c - one run: the application, the faults, then healing and the last
 * checks. */
#include "sim/register.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#define QUANTUM_NS 100000ull
#define FAULT_STEP_NS 1000000ull
#define STEADY_NS (4000 * REPL_MS)
/* liveness: everything is in sync so long after the last fault */
#define SETTLE_NS (90000 * REPL_MS)

static int requests_of(const struct sim_node *n)
{
	int k = 0;

	for (u32 r = 0; r < SIM_REQUESTS; r++)
		k += n->request[r].kind != SIM_FREE;
	return k;
}

static void app_request(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];
	u32 slot = (u32)sim_random(w, SIM_REQUESTS), each = w->opt.blocks / w->opt.extents;
	u64 off;
	struct sim_request *q = &node->request[slot];
	u64 pick = sim_random(w, w->opt.write + w->opt.read + w->opt.flush);
	int rc = 0;

	if (q->kind != SIM_FREE)
		return;
	q->n = 1 + (u32)sim_random(w, 8);
	q->first = (u32)sim_random(w, w->opt.blocks - q->n + 1);
	if (q->first / each != (q->first + q->n - 1) / each)
		q->n = 1; /* not across an extent's end */
	off = (u64)sim_device_block(w, q->first) * SIM_BLOCK;
	q->value = ++w->next_value;
	q->buf = 0;
	if (pick < w->opt.write) {
		u8 op = sim_random(w, 8) ? REPL_OP_DATA : REPL_OP_ZERO;

		if (op == REPL_OP_ZERO)
			q->value = 0;
		q->kind = SIM_WRITE;
		q->buf = sim_payload_new(w, q->n);
		for (u32 i = 0; i < q->n; i++)
			sim_payload(w, q->buf)->block[i] = q->value;
		check_write_begin(w, n, q);
		rc = repl_mirror_write(node->mirror, slot, op, off, q->n * SIM_BLOCK,
				       op == REPL_OP_DATA ? q->buf : 0, &sinks[n].sink,
				       node_now(w, n));
	} else if (pick < w->opt.write + w->opt.read) {
		q->kind = SIM_READ;
		check_read_begin(w, q);
		rc = repl_mirror_read(node->mirror, slot, off, q->n * SIM_BLOCK, &sinks[n].sink,
				      node_now(w, n));
	} else {
		q->kind = SIM_FLUSH;
		check_flush_begin(w, q);
		rc = repl_mirror_flush(node->mirror, slot, &sinks[n].sink, node_now(w, n));
	}
	if (rc) {
		sim_payload_drop(w, q->buf);
		free(q->completed);
		q->completed = NULL;
		q->kind = SIM_FREE;
	}
}

static void app_step(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];
	struct repl_mirror *m = node->mirror;

	if (!node_runs(w, n) || !node->open)
		return;
	if (m->writer.state == WRITER_STOPPED || (node->closing && !requests_of(node))) {
		sim_trace(w, "%u closes the volume", n);
		node->open = node->closing = false;
		repl_mirror_close(m, &sinks[n].sink, node_now(w, n));
		node_after(w, n);
		return;
	}
	if (!node->closing && m->writer.state == WRITER_SERVING && w->pace &&
	    sim_random(w, w->pace) == 0) {
		app_request(w, n);
		node_after(w, n);
	}
}

static void app_open(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];

	if (!node_runs(w, n) || node->open)
		return;
	sim_trace(w, "%u opens the volume", n);
	node->open = true;
	node->closing = false;
	node->opened_at = w->now;
	repl_mirror_open(node->mirror, &sinks[n].sink, node_now(w, n));
	node_after(w, n);
}

static int openers(const struct sim_world *w)
{
	int k = 0;

	for (int n = 0; n < w->opt.nodes; n++)
		k += w->node[n].up && w->node[n].open;
	return k;
}

static void choose_opener(struct sim_world *w)
{
	int k = openers(w);

	if (k == 0 && chance(w, 20000))
		app_open(w, (u8)sim_random(w, (u64)w->opt.nodes));
	else if (k < (int)w->opt.openers_max && w->faults && chance(w, 500))
		app_open(w, (u8)sim_random(w, (u64)w->opt.nodes));
	for (int n = 0; n < w->opt.nodes; n++)
		if (w->node[n].open && (k > 1 || w->faults) &&
		    (chance(w, 200) || (k > 1 && w->now > w->node[n].opened_at + 8000 * REPL_MS)))
			w->node[n].closing = true;
}

static void set_copies(struct sim_world *w, u32 copies)
{
	w->copies = copies;
	for (u8 n = 0; n < w->opt.nodes; n++)
		if (w->node[n].up && w->node[n].booted) {
			repl_mirror_set_copies(w->node[n].mirror, copies, &sinks[n].sink,
					       node_now(w, n));
			node_after(w, n);
		}
}

/* a disk comes with the next start of its node */
static void replica_add(struct sim_world *w, u8 n)
{
	if (!w->node[n].disk) {
		if (w->node[n].up)
			node_crash(w, n);
		node_add_disk(w, n, false);
		node_start(w, n);
	}
	set_copies(w, w->copies | 1u << n);
}

static u32 pending_sets;

static void note_pending(struct sim_world *w, struct sim_event *e)
{
	if (e->kind == EV_CAS_LAND)
		pending_sets |= e->record.in_sync;
}

/* A replica on its way out goes when it is in no set and none that is being
 * proposed. */
static void replica_drop_settle(struct sim_world *w, u8 n)
{
	if (!w->node[n].disk || (w->copies & (1u << n)))
		return;
	pending_sets = w->record.in_sync | register_pending();
	sim_events_each(w, note_pending);
	for (int o = 0; o < w->opt.nodes; o++)
		if (w->node[o].up && w->node[o].mirror->writer.cas_out)
			pending_sets |= w->node[o].mirror->writer.cas.in_sync;
	if (pending_sets & (1u << n))
		return;
	sim_trace(w, "%u loses its disk", n);
	if (w->node[n].up)
		node_crash(w, n);
	free(w->node[n].disk);
	w->node[n].disk = NULL;
	node_start(w, n);
}

/* What the control plane does: replicas come and go, one at a time, and never
 * the last good one. */
static void reshape_step(struct sim_world *w)
{
	u8 n = (u8)sim_random(w, (u64)w->opt.nodes);
	u32 bit = 1u << n, left = w->copies & ~bit;

	for (u8 o = 0; o < w->opt.nodes; o++)
		replica_drop_settle(w, o);
	if (!(w->record.in_sync & w->copies))
		set_copies(w, w->copies | w->record.in_sync);
	if (!w->faults || !w->opt.reshape || !chance(w, w->opt.reshape))
		return;
	w->reshapes++;
	sim_trace(w, "replica %u is to %s", n, w->copies & bit ? "go" : "come");
	if (!(w->copies & bit))
		replica_add(w, n);
	else if (w->record.in_sync & left)
		set_copies(w, left);
}

static bool failed_disk(const struct sim_world *w, u8 n)
{
	return w->node[n].up && w->node[n].disk &&
	       w->node[n].mirror->replica.mode == REPLICA_FAILED;
}

static void silence_step(struct sim_world *w)
{
	u32 from = (u32)sim_random(w, (u64)w->opt.nodes);
	u32 to = (u32)sim_random(w, (u64)w->opt.nodes);

	if (from != to && chance(w, w->opt.silence))
		w->silent_until[from][to] = w->now + sim_random(w, 5000 * REPL_MS);
	if (from != to && chance(w, w->opt.silence / 4))
		for (int n = 0; n < w->opt.nodes; n++) /* nobody hears it any more */
			w->silent_until[from][n] = w->now + sim_random(w, 5000 * REPL_MS);
}

/* What went on meanwhile may become known late: the network to it is not back at once. */
static void pause_node(struct sim_world *w, u8 n)
{
	u64 until = w->now + 1 + sim_random(w, 5000 * REPL_MS);

	w->node[n].paused_until = until;
	for (int o = 0; o < w->opt.nodes && sim_random(w, 4); o++)
		w->silent_until[o][n] = until + sim_random(w, 1000 * REPL_MS);
}

static void fault_step(struct sim_world *w)
{
	static const u32 paces[] = { 0, 1, 3, 3, 3, 10, 100 };
	bool blackout = chance(w, w->opt.blackout);

	if (chance(w, 1500))
		w->pace = paces[sim_random(w, PORT_ARRAY_SIZE(paces))];
	silence_step(w);
	for (u8 n = 0; n < w->opt.nodes; n++) {
		if (w->node[n].up && (chance(w, w->opt.crash) || (blackout && w->node[n].disk)))
			node_crash(w, n);
		else if (!w->node[n].up && chance(w, 1500))
			node_start(w, n);
		else if (failed_disk(w, n) && chance(w, 2000))
			node_crash(w, n); /* somebody sees to it */
		else if (w->node[n].up && chance(w, w->opt.pause))
			pause_node(w, n);
	}
	for (u32 i = 0; i < links_high; i++) {
		if (!links[i].used || links[i].cut)
			continue;
		if (chance(w, w->opt.cut))
			link_cut(w, i);
		else if (chance(w, w->opt.stall))
			links[i].stalled[sim_random(w, 2)] = w->now + sim_random(w, 4000 * REPL_MS);
	}
}

static void tick(struct sim_world *w)
{
	for (u8 n = 0; n < w->opt.nodes; n++) {
		if (!node_runs(w, n))
			continue;
		repl_mirror_tick(w->node[n].mirror, &sinks[n].sink, node_now(w, n));
		node_after(w, n);
	}
}

static void step(struct sim_world *w)
{
	struct sim_event e;

	register_run(w);
	while (!w->failure[0] && sim_next(w, &e))
		dispatch(w, &e);
	for (u8 n = 0; n < w->opt.nodes; n++)
		app_step(w, n);
	choose_opener(w);
	if (w->faults && w->now % FAULT_STEP_NS == 0)
		fault_step(w);
	if (w->now % FAULT_STEP_NS == 0)
		reshape_step(w);
	if (w->now % REPL_TICK_NS == 0)
		tick(w);
	w->now += QUANTUM_NS;
}

static bool healthy(const struct sim_world *w)
{
	if (w->record.in_sync != w->copies || openers(w) != 1)
		return false;
	for (int n = 0; n < w->opt.nodes; n++)
		if (w->node[n].open && repl_writer_serving(&w->node[n].mirror->writer))
			return true;
	return false;
}

static bool paused(const struct sim_world *w)
{
	for (int n = 0; n < w->opt.nodes; n++)
		if (w->node[n].paused_until > w->now)
			return true;
	return false;
}

static bool idle(const struct sim_world *w)
{
	for (int n = 0; n < w->opt.nodes; n++)
		if (requests_of(&w->node[n]))
			return false;
	return true;
}

static void run_healing(struct sim_world *w)
{
	u64 end;

	w->faults = false;
	w->pace = 30; /* a region that is written all the time keeps a learner waiting */
	memset(w->silent_until, 0, sizeof(w->silent_until));
	for (u8 n = 0; n < w->opt.nodes; n++) {
		if (failed_disk(w, n))
			node_crash(w, n);
		if (!w->node[n].up)
			node_start(w, n);
	}
	for (u32 i = 0; i < links_high; i++)
		for (int s = 0; s < 2; s++)
			if (links[i].used && links[i].stalled[s] != ~0ull)
				links[i].stalled[s] = 0;
	if (w->opt.reg)
		w->opt.reg->calm(w->now);
	end = w->now + SETTLE_NS;
	/* whole for a while: what a crash at the last moment broke has been noticed
   * by then */
	for (u64 since = w->now; !w->failure[0] && w->now < end && w->now < since + STEADY_NS;) {
		step(w);
		if (!healthy(w) || paused(w))
			since = w->now;
	}
	if (!w->failure[0] && !healthy(w))
		sim_fail(w, "not in sync %llu s after the last fault: I=%x openers=%d",
			 SETTLE_NS / 1000000000ull, w->record.in_sync, openers(w));
	for (int n = 0; n < w->opt.nodes; n++)
		w->node[n].closing = true;
	end = w->now + 5000 * REPL_MS;
	w->opt.write = w->opt.read = 0;
	while (!w->failure[0] && w->now < end && !idle(w)) {
		struct sim_event e;

		register_run(w);
		while (!w->failure[0] && sim_next(w, &e))
			dispatch(w, &e);
		if (w->now % REPL_TICK_NS == 0)
			tick(w);
		w->now += QUANTUM_NS;
	}
	if (!w->failure[0] && !idle(w))
		sim_fail(w, "requests hang");
	end = w->now + 500 * REPL_MS;
	while (!w->failure[0] && w->now < end) {
		struct sim_event e;

		register_run(w);
		while (!w->failure[0] && sim_next(w, &e))
			dispatch(w, &e);
		if (w->now % REPL_TICK_NS == 0)
			tick(w);
		w->now += QUANTUM_NS;
	}
	if (!w->failure[0] && w->record.in_sync == w->copies)
		check_quiescent(w);
}

/* each of these in some worlds only: together they leave no time for work */
static void draw_rare(struct sim_options *o, struct sim_world *r)
{
	static const u32 drift[] = { 0, 1000, 120000, 120000 };

	o->blackout = sim_random(r, 3) ? 0 : (u32)sim_random(r, 300);
	o->silence = sim_random(r, 2) ? 0 : (u32)sim_random(r, 1500);
	o->ambush = sim_random(r, 3) ? (u32)sim_random(r, 120) : 0;
	o->writeback = sim_random(r, 2) ? (u32)sim_random(r, 60) : 0;
	o->torn = sim_random(r, 2) ? (u32)sim_random(r, 30) : 0;
	o->disk_error = sim_random(r, 4) ? 0 : (u32)sim_random(r, 600);
	o->reshape = sim_random(r, 3) ? 0 : (u32)sim_random(r, 400);
	o->slow = sim_random(r, 2) ? (u32)sim_random(r, 16) : 0;
	o->pause = sim_random(r, 2) ? (u32)sim_random(r, 300) : 0;
	o->drift_ppm = drift[sim_random(r, 4)];
}

void sim_options_draw(struct sim_options *o, u64 seed)
{
	struct sim_world r = { .random = seed * 0x9e3779b97f4a7c15ull + 88172645463325252ull };

	for (int i = 0; i < 8; i++)
		sim_random(&r, 2);
	memset(o, 0, sizeof(*o));
	o->seed = seed;
	o->nodes = 2 + (int)sim_random(&r, 3);
	o->copies = 1 + (u32)sim_random(&r, (1u << o->nodes) - 1);
	o->alike = o->copies;
	if (__builtin_popcount(o->copies) > 1 && sim_random(&r, 3) == 0)
		o->alike &= ~(1u << (u32)__builtin_ctz(o->copies));
	o->link_delay_max = 100000 + sim_random(&r, 3000000);
	o->disk_delay_max = 100000 + sim_random(&r, 3000000);
	o->record_delay_max = 1000000 + sim_random(&r, 20000000);
	o->crash = sim_random(&r, 4) ? (u32)sim_random(&r, 600) : 0;
	o->cut = sim_random(&r, 4) ? (u32)sim_random(&r, 800) : 0;
	o->stall = sim_random(&r, 4) ? (u32)sim_random(&r, 500) : 0;
	o->record_late = sim_random(&r, 2) ? (u32)sim_random(&r, 40) : 0;
	o->keep_cached = (u32)sim_random(&r, 101);
	o->write = 1 + (u32)sim_random(&r, 10);
	o->read = 1 + (u32)sim_random(&r, 10);
	o->flush = (u32)sim_random(&r, 3);
	o->extents = sim_random(&r, 3) ? 1 + (u32)sim_random(&r, SIM_EXTENTS) : 2;
	o->blocks = sim_random(&r, 3) ? 16 + (u32)sim_random(&r, 64) : SIM_USED_MAX;
	o->blocks = PORT_MAX(o->blocks / o->extents, 2) * o->extents;
	o->faults_ns = (5000 + sim_random(&r, 20000)) * REPL_MS;
	o->faults_ns -= o->faults_ns % FAULT_STEP_NS;
	o->openers_max = 1 + (u32)sim_random(&r, 3);
	draw_rare(o, &r);
}

static void world_free(struct sim_world *w)
{
	sim_events_clear(w);
	for (int n = 0; n < SIM_NODES; n++) {
		free(w->node[n].mirror);
		free(w->node[n].disk);
		for (u32 r = 0; r < SIM_REQUESTS; r++)
			free(w->node[n].request[r].completed);
	}
	for (u32 i = 0; i < SIM_LINKS; i++)
		for (int s = 0; s < 2; s++)
			free(links[i].held[s].msg);
	memset(links, 0, sizeof(links));
	links_high = 0;
	free(w->payload);
}

int sim_run(struct sim_world *w, const struct sim_options *o)
{
	memset(w, 0, sizeof(*w));
	w->opt = *o;
	w->random = o->seed * 6364136223846793005ull + 1442695040888963407ull;
	w->hash = 14695981039346656037ull;
	w->now = 10000 * REPL_MS;
	w->payload = calloc(SIM_PAYLOADS, sizeof(*w->payload));
	w->record = (struct repl_record){ .epoch = 1, .writer = REPL_NO_SLOT, .in_sync = o->alike };
	next_core_link = 0;
	register_reset();
	w->faults = true;
	w->copies = o->copies;
	w->pace = 3;
	for (u8 n = 0; n < o->nodes; n++) {
		sinks[n] = (struct node_sink){ .sink.emit = node_emit, .w = w, .node = n };
		w->node[n].mirror = calloc(1, sizeof(struct repl_mirror));
		w->node[n].pull_slot = REPL_NO_SLOT;
		if (o->copies & (1u << n))
			node_add_disk(w, n, o->alike & (1u << n));
		node_start(w, n);
	}
	while (!w->failure[0] && w->now < 10000 * REPL_MS + o->faults_ns)
		step(w);
	if (!w->failure[0])
		run_healing(w);
	world_free(w);
	return w->failure[0] ? 1 : 0;
}
