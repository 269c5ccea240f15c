/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run.c - one run: the application, the faults, then healing and the last
 * checks. */
#include "sim/register.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#define QUANTUM_NS 100000ull
#define FAULT_STEP_NS 1000000ull
#define WATCH_NS (40 * REPL_MS)
#define CALM_NS (3 * REPL_MS) /* nothing takes longer after the faults */
#define STEADY_NS (4000 * REPL_MS)
/* liveness: everything is in sync so long after the last fault */
#define SETTLE_NS (90000 * REPL_MS)

int requests_of(const struct sim_node *n)
{
	int k = 0;

	for (u32 r = 0; r < SIM_REQUESTS; r++)
		k += n->request[r].kind != SIM_FREE;
	return k;
}

/* q->first and q->n say where, or nothing for a flush */
int app_submit(struct sim_world *w, u8 n, u32 slot, u8 op)
{
	struct sim_node *node = &w->node[n];
	struct sim_request *q = &node->request[slot];
	u64 off = sim_address(sim_device_block(w, q->first));
	int rc;

	q->buf = 0;
	q->served_else = watch_served_else(w, n);
	node->burst = 0;
	if (q->kind == SIM_WRITE) {
		q->value = op == REPL_OP_ZERO      ? 0
			   : op == REPL_OP_DISCARD ? SIM_NOISE
						   : ++w->next_value;
		q->buf = sim_payload_new(w, q->n);
		for (u32 i = 0; i < q->n; i++)
			sim_payload(w, q->buf)->block[i] = q->value;
		check_write_begin(w, q);
		rc = repl_mirror_write(node->mirror, slot, op, off, q->n * SIM_BLOCK,
				       op == REPL_OP_DATA ? q->buf : 0, &sinks[n].sink,
				       node_now(w, n));
	} else if (q->kind == SIM_READ) {
		check_read_begin(w, n, q);
		rc = repl_mirror_read(node->mirror, slot, off, q->n * SIM_BLOCK, &sinks[n].sink,
				      node_now(w, n));
	} else {
		check_flush_begin(w, q);
		rc = repl_mirror_flush(node->mirror, slot, &sinks[n].sink, node_now(w, n));
	}
	if (rc) {
		sim_payload_drop(w, q->buf);
		free(q->completed);
		q->completed = NULL;
		q->kind = SIM_FREE;
	}
	return rc;
}

/* is the place there, as large as the volume is now? */
static bool served(const struct sim_world *w, u8 n, const struct sim_request *q)
{
	u64 address = sim_address(sim_device_block(w, q->first));

	return REPL_ADDRESS_OFF(address) + (u64)q->n * SIM_BLOCK <=
	       repl_mirror_size(w->node[n].mirror, REPL_ADDRESS_VOLUME(address));
}

static u8 some_op(struct sim_world *w)
{
	static const u8 rare[] = { REPL_OP_ZERO, REPL_OP_DISCARD };
	u64 pick = sim_random(w, 16);

	return pick < PORT_ARRAY_SIZE(rare) ? rare[pick] : REPL_OP_DATA;
}

/* Reads have slots of their own: they go on while writes wait for a copy that is lost. */
static void app_request(struct sim_world *w, u8 n)
{
	u64 pick = sim_random(w, w->mix_write + w->mix_read + w->mix_flush);
	bool reads = pick >= w->mix_write && pick < w->mix_write + w->mix_read;
	u32 slot = (u32)sim_random(w, w->opt.depth) + (reads ? SIM_REQUESTS / 2 : 0);
	u32 each = w->opt.blocks / w->opt.extents;
	struct sim_request *q = &w->node[n].request[slot];

	if (q->kind != SIM_FREE)
		return;
	q->n = 1 + (u32)sim_random(w, PORT_MIN(8u, w->opt.blocks));
	q->first = (u32)sim_random(w, w->opt.blocks - q->n + 1);
	if (q->first / each != (q->first + q->n - 1) / each || w->opt.stride > 1)
		q->n = 1; /* not across an extent's end, and what is asked for is one piece */
	if (!served(w, n, q))
		return;
	q->kind = pick < w->mix_write ? SIM_WRITE : reads ? SIM_READ : SIM_FLUSH;
	app_submit(w, n, slot, some_op(w));
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
	if (w->opt.handover && repl_writer_serving(&m->writer) && m->writer.wanted &&
	    !m->writer.yielding) {
		sim_trace(w, "%u yields the volume", n);
		w->yields++;
		repl_mirror_yield(m, &sinks[n].sink, node_now(w, n));
	}
	if (!node->closing && (m->writer.state == WRITER_SERVING || m->writer.yielding) &&
	    w->pace && sim_random(w, w->pace) == 0) {
		app_request(w, n);
		node_after(w, n);
	}
}

void app_open(struct sim_world *w, u8 n, bool heals)
{
	struct sim_node *node = &w->node[n];

	if (!node_runs(w, n) || node->open)
		return;
	sim_trace(w, "%u opens the volume%s", n, heals ? " for the copies" : "");
	node->open = true;
	node->closing = false;
	node->opened_at = w->now;
	if (heals)
		repl_mirror_heal(node->mirror, &sinks[n].sink, node_now(w, n));
	else
		repl_mirror_open(node->mirror, &sinks[n].sink, node_now(w, n));
	node_after(w, n);
}

/* by the clock: other worlds draw the same numbers as without it */
static void open_somehow(struct sim_world *w, u8 n)
{
	app_open(w, n, w->opt.heals && w->now / REPL_MS % 2);
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

	if (k == 0 && chance(w, 200000))
		open_somehow(w, (u8)sim_random(w, (u64)w->opt.nodes));
	else if (k < (int)w->opt.openers_max && w->faults && chance(w, w->opt.open_more))
		open_somehow(w, (u8)sim_random(w, (u64)w->opt.nodes));
	for (int n = 0; n < w->opt.nodes; n++)
		if (w->node[n].open && (k > 1 || w->faults) &&
		    (chance(w, w->opt.close) ||
		     (k > 1 && w->now > w->node[n].opened_at + w->opt.patience)))
			w->node[n].closing = true;
}

static void tick(struct sim_world *w)
{
	for (u8 n = 0; n < w->opt.nodes; n++) {
		if (!node_runs(w, n))
			continue;
		w->node[n].burst = 0;
		repl_mirror_tick(w->node[n].mirror, &sinks[n].sink, node_now(w, n));
		node_after(w, n);
	}
}

static void watch(struct sim_world *w)
{
	watch_bounds(w);
	watch_members(w);
	watch_maps(w);
	watch_after_crash(w);
}

void world_step(struct sim_world *w)
{
	struct sim_event e;

	register_run(w);
	while (!w->failure[0] && sim_next(w, &e))
		dispatch(w, &e);
	for (u8 n = 0; n < w->opt.nodes && !w->opt.scripted; n++)
		app_step(w, n);
	if (!w->opt.scripted && w->now % FAULT_STEP_NS == 0)
		choose_opener(w);
	if (w->faults && w->now % FAULT_STEP_NS == 0)
		fault_step(w);
	if (w->now % FAULT_STEP_NS == 0)
		reshape_step(w);
	if (w->now % REPL_TICK_NS == 0)
		tick(w);
	if (w->now % WATCH_NS == 0 && !w->opt.scripted)
		watch(w);
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

static void mix_reset(struct sim_world *w)
{
	w->mix_write = w->opt.write;
	w->mix_read = w->opt.read;
	w->mix_flush = w->opt.flush;
}

/* nobody asks for anything new */
static void run_out(struct sim_world *w, u64 end, bool until_idle)
{
	struct sim_event e;

	while (!w->failure[0] && w->now < end && !(until_idle && idle(w))) {
		register_run(w);
		while (!w->failure[0] && sim_next(w, &e))
			dispatch(w, &e);
		if (w->now % REPL_TICK_NS == 0)
			tick(w);
		w->now += QUANTUM_NS;
	}
}

static void run_healing(struct sim_world *w)
{
	u64 end, began = w->now, since = began;

	w->faults = false;
	if (w->opt.reg)
		w->opt.reg->calm(w->now);
	w->pace = w->opt.heal_pace;
	mix_reset(w);
	w->opt.link_delay_max = PORT_MIN(w->opt.link_delay_max, CALM_NS);
	w->opt.disk_delay_max = PORT_MIN(w->opt.disk_delay_max, CALM_NS);
	w->opt.record_delay_max = PORT_MIN(w->opt.record_delay_max, 10 * CALM_NS);
	memset(w->silent_until, 0, sizeof(w->silent_until));
	for (u8 n = 0; n < w->opt.nodes; n++) {
		if (sick_disk(w, n))
			node_crash(w, n);
		if (!w->node[n].up)
			node_start(w, n);
		disk_grow(w, n);
		if (w->node[n].disk)
			memset(w->node[n].disk->bad, 0, sizeof(w->node[n].disk->bad));
	}
	for (u32 i = 0; i < links_high; i++)
		for (int s = 0; s < 2; s++)
			if (links[i].used && links[i].stalled[s] != ~0ull)
				links[i].stalled[s] = 0;
	end = w->now + SETTLE_NS;
	/* whole for a while: what a crash at the last moment broke has been noticed
   * by then */
	while (!w->failure[0] && w->now < end && w->now < since + STEADY_NS) {
		world_step(w);
		if (!healthy(w) || paused(w))
			since = w->now;
	}
	w->healed_ns = since - began;
	if (!w->failure[0] && !healthy(w))
		sim_fail(w, "not in sync %llu s after the last fault: I=%x openers=%d",
			 SETTLE_NS / 1000000000ull, w->record.in_sync, openers(w));
	for (int n = 0; n < w->opt.nodes; n++)
		w->node[n].closing = true;
	end = w->now + 20000 * REPL_MS; /* an answer of consensus may still be on its way, 15 s */
	w->mix_write = w->mix_read = 0;
	run_out(w, end, true);
	if (!w->failure[0] && !idle(w))
		sim_fail(w, "requests hang");
	end = w->now + 500 * REPL_MS;
	run_out(w, end, false);
	if (!w->failure[0] && w->record.in_sync == w->copies)
		check_quiescent(w);
}

void world_free(struct sim_world *w)
{
	sim_events_clear(w);
	for (int n = 0; n < SIM_NODES; n++) {
		free(w->node[n].mirror);
		free(w->node[n].disk);
		free(w->node[n].sent);
		free(w->node[n].was_stamp);
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

void world_begin(struct sim_world *w, const struct sim_options *o)
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
	w->faults = !o->scripted;
	w->copies = o->copies;
	w->pace = 3;
	mix_reset(w);
	for (u8 n = 0; n < o->nodes; n++) {
		sinks[n] = (struct node_sink){ .sink.emit = node_emit, .w = w, .node = n };
		w->node[n].mirror = calloc(1, repl_mirror_bytes(SIM_BRIEFS));
		w->node[n].sent = calloc(SIM_SENT_MAX, sizeof(*w->node[n].sent));
		w->node[n].was_stamp = calloc(SIM_REGIONS, sizeof(u32));
		w->node[n].pull_slot = REPL_NO_SLOT;
		if (o->copies & (1u << n))
			node_add_disk(w, n, o->alike & (1u << n));
		node_start(w, n);
	}
}

int sim_run(struct sim_world *w, const struct sim_options *o)
{
	world_begin(w, o);
	while (!w->failure[0] && w->now < 10000 * REPL_MS + o->faults_ns)
		world_step(w);
	if (!w->failure[0])
		run_healing(w);
	world_free(w);
	return w->failure[0] ? 1 : 0;
}
