/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.c - the world a seed stands for. Each fault is in some worlds only, and often rare:
 * together they leave no time for work. Swarms of unlike worlds find more than one rich one.
 */
#include "sim/world.h"

#include <string.h>

/* A rate up to max; low ones are as likely as high ones, since learners need some quiet. */
static u32 rate(struct sim_world *r, u32 max)
{
	u32 most = max >> sim_random(r, 6);

	return most ? (u32)sim_random(r, most) : 0;
}

static bool one_in(struct sim_world *r, u32 n)
{
	return sim_random(r, n) == 0;
}

static void draw_disks(struct sim_options *o, struct sim_world *r)
{
	static const u32 factors[] = { 6, 6, 30, 100 };

	o->disk_delay_max = 100000 + sim_random(r, one_in(r, 4) ? 20000000 : 3000000);
	o->keep_cached = one_in(r, 3) ? 0 : (u32)sim_random(r, 101);
	o->writeback = one_in(r, 2) ? (u32)sim_random(r, 60) : 0;
	o->torn = one_in(r, 2) ? (u32)sim_random(r, 30) : 0;
	o->disk_error = one_in(r, 4) ? rate(r, 600) : 0;
	o->spike = one_in(r, 3) ? rate(r, 10000) : 0;
	o->hang = one_in(r, 6) ? rate(r, 300) : 0;
	o->latent = one_in(r, 5) ? rate(r, 1000) : 0;
	o->rot = one_in(r, 4) ? (u32)sim_random(r, 40) : 0;
	o->slow = one_in(r, 2) ? (u32)sim_random(r, 16) : 0;
	o->slow_factor = factors[sim_random(r, PORT_ARRAY_SIZE(factors))];
}

static void draw_network(struct sim_options *o, struct sim_world *r)
{
	static const u64 stalls[] = { 300, 1300, 1300, 4000 };
	static const u32 notices[] = { 10, 300, 3000 };

	o->link_delay_max = 100000 + sim_random(r, one_in(r, 5) ? 30000000 : 3000000);
	o->record_delay_max = 1000000 + sim_random(r, one_in(r, 4) ? 300000000 : 20000000);
	o->record_late = one_in(r, 2) ? (u32)sim_random(r, 40) : 0;
	o->cut = one_in(r, 3) ? 0 : rate(r, 800);
	o->stall = one_in(r, 3) ? 0 : rate(r, 1000);
	o->stall_max = stalls[sim_random(r, PORT_ARRAY_SIZE(stalls))] * REPL_MS;
	o->silence = one_in(r, 2) ? rate(r, 1500) : 0;
	o->partition = one_in(r, 3) ? rate(r, 600) : 0;
	o->notice_ms = notices[sim_random(r, PORT_ARRAY_SIZE(notices))];
}

static void draw_nodes(struct sim_options *o, struct sim_world *r)
{
	static const u32 drift[] = { 0, 1000, 120000, 120000 };
	static const u32 fast[] = { 20, 60, 95 };

	o->crash = one_in(r, 3) ? 0 : rate(r, 600);
	o->blackout = one_in(r, 4) ? rate(r, 300) : 0;
	o->pause = one_in(r, 2) ? rate(r, 300) : 0;
	o->reshape = one_in(r, 4) ? rate(r, 400) : 0;
	o->drift_ppm = drift[sim_random(r, PORT_ARRAY_SIZE(drift))];
	o->restart_fast = fast[sim_random(r, PORT_ARRAY_SIZE(fast))];
}

/* What kinds of moments are followed by what: half of the worlds have one or a few of them. */
static void draw_ambush(struct sim_options *o, struct sim_world *r)
{
	u64 told = 1ull << REPL_MSG_START | 1ull << REPL_MSG_EPOCH | 1ull << REPL_MSG_JOIN |
		   1ull << REPL_MSG_STARTED | 1ull << REPL_MSG_READY | 1ull << REPL_MSG_FLUSHED |
		   1ull << REPL_MSG_PROMISED | 1ull << REPL_MSG_SYNCED | 1ull << AT_META |
		   1ull << AT_CAS_LAND | 1ull << AT_CAS_OUT | 1ull << REPL_MSG_WRITE |
		   1ull << REPL_MSG_ACK;

	if (one_in(r, 6))
		return;
	o->ambush = 10 + (u32)sim_random(r, 120);
	o->ambush_at = told;
	o->ambush_how = 1u << TRICK_CRASH | 1u << TRICK_CUT_ALL;
	if (one_in(r, 3))
		return;
	o->ambush = 50 + (u32)sim_random(r, 400);
	o->ambush_at = 0;
	for (u64 i = 0, n = 1 + sim_random(r, 6); i < n || !o->ambush_at; i++)
		o->ambush_at |= 1ull << sim_random(r, AT_MOMENTS) & (one_in(r, 3) ? ~0ull : told);
	if (one_in(r, 4))
		o->ambush_at = ~0ull;
	o->ambush_how = 1u << sim_random(r, TRICKS) | 1u << sim_random(r, TRICKS) |
			1u << sim_random(r, TRICKS);
}

/* From one region to two pages of stamps. In a small one all writes meet, a learner is in sync
 * after a moment, and much more happens in the same time. */
static void draw_size(struct sim_options *o, struct sim_world *r)
{
	static const u32 regions[] = { 1, 2, 3, 8, 24 };

	o->device_blocks = o->first_blocks = SIM_BLOCKS;
	if (one_in(r, 3)) { /* a second volume that comes later, or grows */
		o->first_blocks = SIM_SPLIT_BLOCKS + (u32)sim_random(r, 2) * 4 * SIM_PER_EXTENT;
		o->grow = 50 + (u32)sim_random(r, 400);
	}
	if (!one_in(r, 3)) {
		o->device_blocks = SIM_PER_REGION * regions[sim_random(r, 5)] -
				   (u32)sim_random(r, SIM_PER_REGION / 2);
		o->first_blocks = o->device_blocks;
		o->extents = 1;
		o->blocks = 1 + (u32)sim_random(r, PORT_MIN(o->device_blocks, 24u));
		return;
	}
	o->extents = one_in(r, 3) ? 2 : 1 + (u32)sim_random(r, SIM_EXTENTS);
	o->blocks = one_in(r, 3) ? SIM_USED_MAX : 16 + (u32)sim_random(r, 64);
	if (one_in(r, 2)) { /* every extent, a few blocks of each: they come and go */
		o->extents = SIM_EXTENTS;
		o->blocks = SIM_EXTENTS * (2 + (u32)sim_random(r, 6));
	}
	o->blocks = PORT_MAX(o->blocks / o->extents, 2) * o->extents;
}

/* Neighbours in one region, or each block in a region of its own: what one write does to a region
 * must not hide what another lacks there. */
static void draw_stride(struct sim_options *o, struct sim_world *r)
{
	u32 room = PORT_MIN(o->device_blocks, SIM_PER_EXTENT), each = o->blocks / o->extents;
	static const u32 strides[] = { 1, 1, 5, SIM_PER_REGION, SIM_PER_REGION + 1 };

	o->stride = strides[sim_random(r, PORT_ARRAY_SIZE(strides))];
	if (o->stride > 1 && o->extents == 1)
		o->blocks = each = PORT_MIN(each, (room - 1) / o->stride + 1);
	while (o->stride > 1 && (each - 1) * o->stride + 1 > room)
		o->stride /= 2;
}

/* Some worlds have a writer that stays, in others it changes all the time. */
static void draw_users(struct sim_options *o, struct sim_world *r)
{
	static const u64 patience[] = { 1000, 8000, 30000 };
	static const u32 depths[] = { 1, 3, 8, 16, SIM_REQUESTS / 2 };

	o->write = 1 + (u32)sim_random(r, 10);
	o->read = 1 + (u32)sim_random(r, 10);
	o->flush = (u32)sim_random(r, 3);
	o->moods = rate(r, 6000);
	o->heal_pace = one_in(r, 8) ? 1 + (u32)sim_random(r, 8) : 30;
	o->depth = depths[sim_random(r, PORT_ARRAY_SIZE(depths))];
	o->openers_max = one_in(r, 4) ? 1 : 2 + (u32)sim_random(r, 2);
	o->open_more = 50 + rate(r, 30000);
	o->close = one_in(r, 3) ? 0 : rate(r, 3000);
	o->handover = one_in(r, 3);
	o->patience = patience[sim_random(r, PORT_ARRAY_SIZE(patience))] * REPL_MS;
}

/* Mostly three nodes with two or three copies: a writer with or without one, somebody to ask, and
 * somebody who lacks something. */
static void draw_copies(struct sim_options *o, struct sim_world *r)
{
	static const int nodes[] = { 2, 3, 3, 3, 3, 4, 4 };

	o->nodes = nodes[sim_random(r, PORT_ARRAY_SIZE(nodes))];
	o->copies = 1 + (u32)sim_random(r, (1u << o->nodes) - 1);
	if (one_in(r, 2))
		o->copies |= (u32)sim_random(r, 1u << o->nodes);
	if (!(o->copies & (o->copies - 1)) && !one_in(r, 3))
		o->copies |= 3; /* one copy alone shows little */
	o->alike = o->copies;
	if (__builtin_popcount(o->copies) > 1 && one_in(r, 3))
		o->alike &= ~(1u << (u32)__builtin_ctz(o->copies));
}

void sim_options_draw(struct sim_options *o, u64 seed)
{
	struct sim_world r = { .random = seed * 0x9e3779b97f4a7c15ull + 88172645463325252ull };

	for (int i = 0; i < 8; i++)
		sim_random(&r, 2);
	memset(o, 0, sizeof(*o));
	o->seed = seed;
	draw_copies(o, &r);
	draw_disks(o, &r);
	draw_network(o, &r);
	draw_nodes(o, &r);
	draw_ambush(o, &r);
	draw_size(o, &r);
	draw_stride(o, &r);
	draw_users(o, &r);
	o->faults_ns = (5000 + sim_random(&r, 20000)) * REPL_MS;
	o->faults_ns -= o->faults_ns % REPL_MS;
	o->heals = one_in(&r, 4);
}
