/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults.c - what breaks by chance, and what administrators do. */
#include "sim/register.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

void set_copies(struct sim_world *w, u32 copies)
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
void replica_add(struct sim_world *w, u8 n)
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
	(void)w;
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

/* The replica of who died as writer goes: the record names nobody (bundle_bump_record). */
void forget_writer(struct sim_world *w)
{
	struct repl_record *r = &w->record;
	u32 rest = r->in_sync & ~(1u << r->writer);

	r->epoch++;
	r->writer = REPL_NO_SLOT;
	r->in_sync = rest ? rest : r->in_sync;
	r->tag = (struct repl_tag){ 0 };
	sim_trace(w, "the control plane: e=%u, no writer, I=%x", r->epoch, r->in_sync);
}

static bool died_as_writer(const struct sim_world *w)
{
	u8 n = w->record.writer;

	return !w->opt.reg && n != REPL_NO_SLOT && !(w->node[n].up && w->node[n].open);
}

/* What the control plane does: replicas come and go, one at a time, and never
 * the last good one. */
void reshape_step(struct sim_world *w)
{
	u8 n = (u8)sim_random(w, (u64)w->opt.nodes);
	u32 bit = 1u << n, left = w->copies & ~bit;

	for (u8 o = 0; o < w->opt.nodes; o++)
		replica_drop_settle(w, o);
	if (!(w->record.in_sync & w->copies))
		set_copies(w, w->copies | w->record.in_sync);
	if (!w->faults || !w->opt.reshape)
		return;
	if (died_as_writer(w) && chance(w, 2000))
		forget_writer(w);
	if (!chance(w, w->opt.reshape))
		return;
	w->reshapes++;
	sim_trace(w, "replica %u is to %s", n, w->copies & bit ? "go" : "come");
	if (!(w->copies & bit))
		replica_add(w, n);
	else if (w->record.in_sync & left)
		set_copies(w, left);
}

bool sick_disk(const struct sim_world *w, u8 n)
{
	const struct sim_node *o = &w->node[n];

	return o->up && o->disk &&
	       (o->mirror->replica.mode == REPLICA_FAILED || o->disk->hung_since);
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

/* ---- right after a telling moment ------------------------------------------ */

static void cut_links(struct sim_world *w, u8 a, int b)
{
	for (u32 i = 0; i < links_high; i++) {
		const u8 *n = links[i].node;

		if ((n[0] == a && (b < 0 || n[1] == b)) || (n[1] == a && (b < 0 || n[0] == b)))
			link_cut(w, i);
	}
}

static void stall_links(struct sim_world *w, u8 from, u8 to)
{
	u64 until = w->now + sim_delay(w, w->opt.stall_max);

	for (u32 i = 0; i < links_high; i++)
		for (int s = 0; s < 2; s++)
			if (links[i].used && links[i].node[!s] == from && links[i].node[s] == to &&
			    links[i].stalled[s] != ~0ull)
				links[i].stalled[s] = until;
}

static void crash_soon(struct sim_world *w, u8 node)
{
	struct sim_event e = { .kind = EV_CRASH, .node = node, .boot = w->node[node].boot };

	sim_schedule(w, sim_random(w, 2) ? 0 : sim_random(w, 4 * REPL_MS), &e);
}

static void play_trick(struct sim_world *w, enum sim_trick trick, u8 node, u8 other)
{
	switch (trick) {
	case TRICK_CRASH:
		crash_soon(w, node);
		break;
	case TRICK_CUT_ALL:
		cut_links(w, node, -1);
		break;
	case TRICK_CUT_LINK:
		cut_links(w, node, other);
		break;
	case TRICK_PAUSE:
		pause_node(w, node, 5000 * REPL_MS);
		break;
	case TRICK_SILENCE:
		if (node != other)
			w->silent_until[node][other] = w->now + sim_delay(w, 5000 * REPL_MS);
		break;
	case TRICK_STALL:
		stall_links(w, node, other);
		break;
	case TRICK_SLOW:
		if (w->node[node].disk)
			w->node[node].disk->slow_until = w->now + sim_delay(w, 4000 * REPL_MS);
		break;
	case TRICK_RECORD:
		w->record_slow_until = w->now + sim_delay(w, 8000 * REPL_MS);
		break;
	case TRICK_OTHERS:
		for (u8 n = 0; n < w->opt.nodes; n++)
			if (n != node && w->node[n].disk && w->node[n].up)
				crash_soon(w, n);
		break;
	case TRICKS:
		break;
	}
}

/* what comes hundreds of times a second is followed by something more seldom */
static bool frequent(u8 moment)
{
	return moment == REPL_MSG_WRITE || moment == REPL_MSG_ACK || moment == REPL_MSG_COMMIT ||
	       moment == REPL_MSG_READ || moment == REPL_MSG_READ_DATA || moment == AT_COMPLETE ||
	       moment == AT_DISK_WRITE || moment == REPL_MSG_PULL || moment == REPL_MSG_DATA;
}

void sim_ambush(struct sim_world *w, u8 moment, u8 node, u8 other)
{
	u32 in = frequent(moment) ? 30000 : 1000;
	u8 third = (u8)sim_random(w, (u64)w->opt.nodes), who;
	u32 trick = (u32)sim_random(w, TRICKS);

	if (!w->faults || !(w->opt.ambush_at & (1ull << moment)) ||
	    sim_random(w, in) >= w->opt.ambush)
		return;
	while (!(w->opt.ambush_how & (1u << trick)))
		trick = (trick + 1) % TRICKS;
	switch (sim_random(w, 5)) {
	case 0:
	case 1:
		who = node;
		break;
	case 2:
	case 3:
		who = other;
		other = node;
		break;
	default:
		who = third;
		break;
	}
	w->ambushes++;
	sim_trace(w, "ambush %u at %u: trick %u", who, moment, trick);
	play_trick(w, trick, who, other);
}

/* ---- by chance --------------------------------------------------------------- */

/* What went on meanwhile may become known late: the network to it is not back at once. */
void pause_node(struct sim_world *w, u8 n, u64 max)
{
	u64 until = w->now + 1 + sim_random(w, max);

	/* never shorter: what waits for the end of the first pause would be overtaken */
	w->node[n].paused_until = PORT_MAX(w->node[n].paused_until, until);
	for (int o = 0; o < w->opt.nodes && sim_random(w, 4); o++)
		w->silent_until[o][n] = until + sim_random(w, 1000 * REPL_MS);
}

static void node_faults(struct sim_world *w, u8 n, bool blackout)
{
	struct sim_node *node = &w->node[n];

	if (node->up && (chance(w, w->opt.crash) || (blackout && node->disk)))
		node_crash(w, n);
	else if (!node->up && chance(w, 1500))
		node_start(w, n);
	else if (sick_disk(w, n) && chance(w, 2000))
		node_crash(w, n); /* somebody sees to it */
	else if (node->up && chance(w, w->opt.pause))
		pause_node(w, n, 5000 * REPL_MS);
	if (w->opt.grow && chance(w, w->opt.grow))
		disk_grow(w, n);
	if (node->disk && w->opt.latent && chance(w, w->opt.latent))
		node->disk->bad[sim_device_block(w, (u32)sim_random(w, w->opt.blocks))] = 1;
}

/* The workload has moods: idle, busy, only reads, a flush after each write. */
static void mood_step(struct sim_world *w)
{
	static const u32 paces[] = { 0, 1, 3, 3, 3, 10, 100 };
	static const u32 mixes[][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 1, 0, 3 }, { 1, 6, 1 } };
	u32 mix = (u32)sim_random(w, 8);

	if (!chance(w, w->opt.moods))
		return;
	w->pace = paces[sim_random(w, PORT_ARRAY_SIZE(paces))];
	w->mix_write = mix < 4 ? mixes[mix][0] : w->opt.write;
	w->mix_read = mix < 4 ? mixes[mix][1] : w->opt.read;
	w->mix_flush = mix < 4 ? mixes[mix][2] : w->opt.flush;
}

/* Some nodes do not hear the others, nor are heard. Most notice by the silence only. */
static void partition_step(struct sim_world *w)
{
	u32 side = (u32)sim_random(w, 1u << w->opt.nodes);
	u64 until = w->now + sim_delay(w, 8000 * REPL_MS);

	if (!w->opt.partition || !chance(w, w->opt.partition))
		return;
	sim_trace(w, "partition %x", side);
	for (int a = 0; a < w->opt.nodes; a++)
		for (int b = 0; b < w->opt.nodes; b++)
			if (((side >> a) ^ (side >> b)) & 1)
				w->silent_until[a][b] = until;
}

void fault_step(struct sim_world *w)
{
	bool blackout = chance(w, w->opt.blackout);

	mood_step(w);
	silence_step(w);
	partition_step(w);
	for (u8 n = 0; n < w->opt.nodes; n++)
		node_faults(w, n, blackout);
	if (w->opt.pause && chance(w, w->opt.pause / 8)) /* the machine they all run on */
		for (u8 n = 0; n < w->opt.nodes; n++)
			pause_node(w, n, 3000 * REPL_MS);
	for (u32 i = 0; i < links_high; i++) {
		if (!links[i].used || links[i].cut)
			continue;
		if (chance(w, w->opt.cut))
			link_cut(w, i);
		else if (chance(w, w->opt.stall) && links[i].stalled[0] != ~0ull)
			links[i].stalled[sim_random(w, 2)] =
				w->now + sim_delay(w, w->opt.stall_max);
	}
}
