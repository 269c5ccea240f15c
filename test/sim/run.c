/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run.c - one run: the application, the faults, then healing and the last checks. */
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
	u32 slot = (u32)sim_random(w, SIM_REQUESTS);
	struct sim_request *q = &node->request[slot];
	u64 pick = sim_random(w, w->opt.write + w->opt.read + w->opt.flush);
	int rc = 0;

	if (q->kind != SIM_FREE)
		return;
	q->n = 1 + (u32)sim_random(w, 8);
	q->first = (u32)sim_random(w, w->opt.blocks - q->n + 1);
	if (q->first / 1024 != (q->first + q->n - 1) / 1024)
		q->n = 1; /* not across an extent's end */
	q->value = ++w->next_value;
	q->since = w->now;
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
		rc = repl_mirror_write(node->mirror, slot, op, (u64)q->first * SIM_BLOCK,
				       q->n * SIM_BLOCK, op == REPL_OP_DATA ? q->buf : 0,
				       &sinks[n].sink, w->now);
	} else if (pick < w->opt.write + w->opt.read) {
		q->kind = SIM_READ;
		check_read_begin(w, q);
		rc = repl_mirror_read(node->mirror, slot, (u64)q->first * SIM_BLOCK,
				      q->n * SIM_BLOCK, &sinks[n].sink, w->now);
	} else {
		q->kind = SIM_FLUSH;
		check_flush_begin(w, q);
		rc = repl_mirror_flush(node->mirror, slot, &sinks[n].sink, w->now);
	}
	if (rc) {
		sim_payload_drop(w, q->buf);
		q->kind = SIM_FREE;
	}
}

static void app_step(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];
	struct repl_mirror *m = node->mirror;

	if (!node->up || !node->booted || !node->open)
		return;
	if (m->writer.state == WRITER_STOPPED || (node->closing && !requests_of(node))) {
		sim_trace(w, "%u closes the volume", n);
		node->open = node->closing = false;
		repl_mirror_close(m, &sinks[n].sink, w->now);
		node_after(w, n);
		return;
	}
	if (!node->closing && m->writer.state == WRITER_SERVING && sim_random(w, 3) == 0) {
		app_request(w, n);
		node_after(w, n);
	}
}

static void app_open(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];

	if (!node->up || !node->booted || node->open)
		return;
	sim_trace(w, "%u opens the volume", n);
	node->open = true;
	node->closing = false;
	node->opened_at = w->now;
	repl_mirror_open(node->mirror, &sinks[n].sink, w->now);
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
	else if (k == 1 && w->faults && w->opt.two_writers && chance(w, 500))
		app_open(w, (u8)sim_random(w, (u64)w->opt.nodes));
	for (int n = 0; n < w->opt.nodes; n++)
		if (w->node[n].open && (k > 1 || w->faults) &&
		    (chance(w, 200) || (k > 1 && w->now > w->node[n].opened_at + 8000 * REPL_MS)))
			w->node[n].closing = true;
}

static void fault_step(struct sim_world *w)
{
	for (u8 n = 0; n < w->opt.nodes; n++) {
		if (w->node[n].up && chance(w, w->opt.crash))
			node_crash(w, n);
		else if (!w->node[n].up && chance(w, 1500))
			node_start(w, n);
	}
	for (u32 i = 0; i < SIM_LINKS; i++) {
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
		if (!w->node[n].up || !w->node[n].booted)
			continue;
		repl_mirror_tick(w->node[n].mirror, &sinks[n].sink, w->now);
		node_after(w, n);
	}
}

static void step(struct sim_world *w)
{
	struct sim_event e;

	while (!w->failure[0] && sim_next(w, &e))
		dispatch(w, &e);
	for (u8 n = 0; n < w->opt.nodes; n++)
		app_step(w, n);
	choose_opener(w);
	if (w->faults && w->now % FAULT_STEP_NS == 0)
		fault_step(w);
	if (w->now % REPL_TICK_NS == 0)
		tick(w);
	w->now += QUANTUM_NS;
}

static bool healthy(const struct sim_world *w)
{
	if (w->record.in_sync != w->opt.copies || openers(w) != 1)
		return false;
	for (int n = 0; n < w->opt.nodes; n++)
		if (w->node[n].open && repl_writer_serving(&w->node[n].mirror->writer))
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
	for (u8 n = 0; n < w->opt.nodes; n++)
		if (!w->node[n].up)
			node_start(w, n);
	for (u32 i = 0; i < SIM_LINKS; i++)
		for (int s = 0; s < 2; s++)
			if (links[i].used && links[i].stalled[s] != ~0ull)
				links[i].stalled[s] = 0;
	end = w->now + SETTLE_NS;
	/* whole for a while: what a crash at the last moment broke has been noticed by then */
	for (u64 since = w->now; !w->failure[0] && w->now < end && w->now < since + STEADY_NS;) {
		step(w);
		if (!healthy(w))
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

		while (!w->failure[0] && sim_next(w, &e))
			dispatch(w, &e);
		if (w->now % REPL_TICK_NS == 0)
			tick(w);
		w->now += QUANTUM_NS;
	}
	if (!w->failure[0] && w->record.in_sync == w->opt.copies)
		check_quiescent(w);
}

static void format_disk(struct sim_disk *d)
{
	struct meta_super s = { .generation = 1, .size_bytes = SIM_SIZE };
	u32 fresh[1008];

	for (u32 i = 0; i < 1008; i++)
		fresh[i] = REPL_STAMP_FRESH;
	meta_put_super(d->meta[0], &s);
	meta_put_hot(d->meta[2], 1, NULL, 0);
	meta_put_map(d->meta[4], 0, fresh, meta_regions(SIM_SIZE));
	memcpy(d->meta_durable, d->meta, sizeof(d->meta));
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
	o->record_late = sim_random(&r, 2) ? (u32)sim_random(&r, 20) : 0;
	o->keep_cached = (u32)sim_random(&r, 101);
	o->write = 1 + (u32)sim_random(&r, 10);
	o->read = 1 + (u32)sim_random(&r, 10);
	o->flush = (u32)sim_random(&r, 3);
	o->blocks = sim_random(&r, 2) ? 16 + (u32)sim_random(&r, 64) : SIM_BLOCKS;
	o->faults_ns = (5000 + sim_random(&r, 20000)) * REPL_MS;
	o->faults_ns -= o->faults_ns % FAULT_STEP_NS;
	o->two_writers = sim_random(&r, 2);
}

static void world_free(struct sim_world *w)
{
	sim_events_clear(w);
	for (int n = 0; n < SIM_NODES; n++) {
		free(w->node[n].mirror);
		free(w->node[n].disk);
	}
	for (u32 i = 0; i < SIM_LINKS; i++)
		for (int s = 0; s < 2; s++)
			free(links[i].held[s].msg);
	memset(links, 0, sizeof(links));
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
	w->faults = true;
	for (u8 n = 0; n < o->nodes; n++) {
		sinks[n] = (struct node_sink){ .sink.emit = node_emit, .w = w, .node = n };
		w->node[n].mirror = calloc(1, sizeof(struct repl_mirror));
		w->node[n].pull_slot = REPL_NO_SLOT;
		if (o->copies & (1u << n)) {
			w->node[n].disk = calloc(1, sizeof(struct sim_disk));
			format_disk(w->node[n].disk);
		}
		node_start(w, n);
	}
	while (!w->failure[0] && w->now < 10000 * REPL_MS + o->faults_ns)
		step(w);
	if (!w->failure[0])
		run_healing(w);
	world_free(w);
	return w->failure[0] ? 1 : 0;
}
