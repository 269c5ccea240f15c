/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checker.c - what the application may see, kept outside the code under test:
 * each block is a register; a completed write stays; a flushed one stays even
 * when every copy restarts; a read returns something that was current between
 * its call and its answer.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

#define MAYBES 128u /* also of writes since a flush */

static bool listed(const u32 *list, u32 n, u32 value)
{
	for (u32 i = 0; i < n; i++)
		if (list[i] == value)
			return true;
	return false;
}

static void read_may_see(struct sim_request *q, u32 i, u32 value)
{
	if (listed(q->ok[i], q->n_ok[i], value))
		return;
	if (q->n_ok[i] == 64)
		q->loose[i] = true;
	else
		q->ok[i][q->n_ok[i]++] = value;
}

/* every read under way that covers the block may return value too */
static void reads_may_see(struct sim_world *w, u32 block, u32 value)
{
	for (int n = 0; n < w->opt.nodes; n++)
		for (u32 r = 0; r < SIM_REQUESTS; r++) {
			struct sim_request *q = &w->node[n].request[r];

			if (q->kind == SIM_READ && block >= q->first && block < q->first + q->n)
				read_may_see(q, block - q->first, value);
		}
}

void check_write_begin(struct sim_world *w, struct sim_request *q)
{
	for (u32 b = q->first; b < q->first + q->n; b++) {
		struct sim_block *k = &w->block[b];

		if (k->n_maybe == MAYBES)
			k->loose = true;
		else
			k->maybe[k->n_maybe++] = q->value;
		if (k->n_since < MAYBES) {
			k->since_done[k->n_since] = 0;
			k->since_flush[k->n_since++] = q->value;
		}
		reads_may_see(w, b, q->value);
	}
}

/* What is done, and what was never answered, is over; other writes of the same
 * application stay open, and those that wait on a node which has yielded the volume. */
static void keep_open(struct sim_world *w, u32 node, const struct sim_request *done, u32 block)
{
	struct sim_block *k = &w->block[block];

	k->n_maybe = 0;
	for (u32 i = 0; i < SIM_NODES * SIM_REQUESTS; i++) {
		const struct sim_node *n = &w->node[i / SIM_REQUESTS];
		const struct sim_request *q = &n->request[i % SIM_REQUESTS];

		if (q == done || q->kind != SIM_WRITE || block < q->first ||
		    block >= q->first + q->n)
			continue;
		if (i / SIM_REQUESTS != node && n->mirror->writer.state == WRITER_SERVING)
			continue;
		if (k->n_maybe == MAYBES)
			k->loose = true;
		else
			k->maybe[k->n_maybe++] = q->value;
	}
}

/* what is not open any more took effect before, or never: a flush that begins
 * from now on covers it
 */
static void since_flush_done(struct sim_block *k)
{
	for (u32 i = 0; i < k->n_since; i++)
		if (!k->since_done[i] && !listed(k->maybe, k->n_maybe, k->since_flush[i]))
			k->since_done[i] = k->completed_at;
}

/* There is a later writer: the answers to this one were on the way, and what it did was before all
 * that the later one does. */
static bool overtaken(const struct sim_world *w, u32 node)
{
	u32 epoch = w->node[node].mirror->writer.pe;

	for (u32 n = 0; n < SIM_NODES; n++) {
		const struct repl_mirror *m = w->node[n].mirror;

		if (n != node && m && m->writer.state == WRITER_SERVING && m->writer.pe > epoch)
			return true;
	}
	return watch_served_else(w, (u8)node) > epoch;
}

/*
 * A write that completes after a write of a later writer to the same block has
 * completed took effect before that one: it is no longer listed, and what
 * counts is the later one. */
void check_write_done(struct sim_world *w, u32 node, struct sim_request *q, int status)
{
	if (status)
		return; /* failed: it may or may not be there */
	w->writes_done++;
	if (overtaken(w, node))
		return;
	for (u32 b = q->first; b < q->first + q->n; b++) {
		struct sim_block *k = &w->block[b];

		if (!k->loose && !listed(k->maybe, k->n_maybe, q->value))
			continue;
		k->completed = q->value;
		k->completed_at = ++w->serial;
		k->loose = false;
		keep_open(w, node, q, b);
		since_flush_done(k);
	}
}

/* A read here has returned a write that is still under way: the next one must not go back, as long
 * as the writer lives. */
static bool was_overtaken(const struct sim_world *w, u8 node, u32 block)
{
	const struct sim_block *k = &w->block[block];

	if (!k->seen || k->seen_node != node || k->seen_boot != w->node[node].boot)
		return false;
	for (u32 r = 0; r < SIM_REQUESTS; r++) {
		const struct sim_request *q = &w->node[node].request[r];

		if (q->kind == SIM_WRITE && q->value == k->seen && block >= q->first &&
		    block < q->first + q->n)
			return true;
	}
	return false;
}

void check_read_begin(struct sim_world *w, u8 node, struct sim_request *q)
{
	q->serial = w->serial;
	memset(q->n_ok, 0, sizeof(q->n_ok));
	memset(q->loose, 0, sizeof(q->loose));
	for (u32 i = 0; i < q->n; i++) {
		struct sim_block *k = &w->block[q->first + i];

		if (!was_overtaken(w, node, q->first + i))
			read_may_see(q, i, k->completed);
		for (u32 m = 0; m < k->n_maybe; m++)
			read_may_see(q, i, k->maybe[m]);
		q->loose[i] |= k->loose;
	}
}

static bool in_flight(const struct sim_world *w, u32 block, u32 nodes)
{
	for (int n = 0; n < w->opt.nodes; n++)
		for (u32 r = 0; r < SIM_REQUESTS; r++) {
			const struct sim_request *q = &w->node[n].request[r];

			if ((nodes & (1u << n)) && q->kind == SIM_WRITE && block >= q->first &&
			    block < q->first + q->n)
				return true;
		}
	return false;
}

/* What was seen has happened; while a write is still under way others may
 * follow. */
static void read_settles(struct sim_world *w, struct sim_block *k, u32 value, bool others)
{
	if (others && value == k->completed)
		return;
	k->completed = value;
	k->completed_at = ++w->serial;
	if (others)
		return;
	k->n_maybe = 0;
	k->loose = false;
	since_flush_done(k);
}

void check_read_done(struct sim_world *w, u32 node, struct sim_request *q, const u32 *values)
{
	w->reads_done++;
	for (u32 i = 0; i < q->n; i++) {
		struct sim_block *k = &w->block[q->first + i];

		if (!q->loose[i] && !listed(q->ok[i], q->n_ok[i], values[i]))
			sim_fail(w, "node %u: read of block %u returned %u, completed is %u", node,
				 q->first + i, values[i], k->completed);
		if (values[i] != k->completed && listed(k->maybe, k->n_maybe, values[i])) {
			k->seen = values[i];
			k->seen_node = (u8)node;
			k->seen_boot = w->node[node].boot;
		}
		/* an aborted write that was seen has happened, if nothing was completed
     * meanwhile */
		if (k->n_maybe && k->completed_at <= q->serial &&
		    (values[i] == k->completed || listed(k->maybe, k->n_maybe, values[i])))
			read_settles(w, k, values[i], in_flight(w, q->first + i, ~0u));
	}
}

void check_flush_begin(struct sim_world *w, struct sim_request *q)
{
	q->serial = w->serial;
	q->completed = malloc(w->opt.blocks * sizeof(u32));
	for (u32 b = 0; b < w->opt.blocks; b++)
		q->completed[b] = w->block[b].completed;
}

static void flushed(struct sim_block *k, u32 value, u64 serial)
{
	u32 n = 0;

	if (k->flushed_at >= serial)
		return;
	k->flushed = value;
	k->flushed_at = serial;
	if (k->n_since == MAYBES)
		return; /* more than fit: not known what is missing */
	for (u32 i = 0; i < k->n_since; i++) {
		if (k->since_done[i] && k->since_done[i] <= serial)
			continue;
		k->since_flush[n] = k->since_flush[i];
		k->since_done[n++] = k->since_done[i];
	}
	k->n_since = (u8)n;
}

void check_flush_done(struct sim_world *w, struct sim_request *q)
{
	w->flushes_done++;
	for (u32 b = 0; b < w->opt.blocks; b++)
		flushed(&w->block[b], q->completed[b], q->serial);
}

void check_cache_lost(struct sim_world *w)
{
	for (u32 b = 0; b < w->opt.blocks; b++) {
		struct sim_block *k = &w->block[b];

		memset(k->since_done, 0, sizeof(k->since_done)); /* all of it is open again */
		for (u32 i = 0; i < k->n_since; i++)
			if (k->n_maybe < MAYBES && !listed(k->maybe, k->n_maybe, k->since_flush[i]))
				k->maybe[k->n_maybe++] = k->since_flush[i];
			else
				k->loose |= k->n_maybe == MAYBES;
		k->loose |= k->n_since == MAYBES;
		if (k->completed != k->flushed) {
			k->completed = k->flushed;
			reads_may_see(w, b, k->flushed);
		}
		for (u32 i = 0; i < k->n_maybe; i++)
			reads_may_see(w, b, k->maybe[i]);
	}
}

bool check_allows(const struct sim_world *w, u32 block, u32 value)
{
	const struct sim_block *k = &w->block[block];

	return k->loose || value == k->completed || listed(k->maybe, k->n_maybe, value);
}

bool check_allows_durable(const struct sim_world *w, u32 block, u32 value)
{
	const struct sim_block *k = &w->block[block];

	return check_allows(w, block, value) || value == k->flushed || k->n_since == MAYBES ||
	       listed(k->since_flush, k->n_since, value);
}

void check_quiescent(struct sim_world *w)
{
	const struct sim_disk *first = NULL;

	for (int n = 0; n < w->opt.nodes; n++) {
		const struct sim_disk *d = w->node[n].disk;

		if (!d || !(w->record.in_sync & (1u << n)))
			continue;
		for (u32 b = 0; first && b < w->opt.device_blocks; b++)
			if (d->cached[b] != first->cached[b])
				sim_fail(w, "members differ: block %u is %u on node %d", b,
					 d->cached[b], n);
		for (u32 b = 0; b < w->opt.blocks; b++) {
			u32 value = d->cached[sim_device_block(w, b)];

			if (!check_allows(w, b, value))
				sim_fail(w, "node %d holds %u in block %u, completed is %u", n,
					 value, b, w->block[b].completed);
		}
		if (!first)
			first = d;
	}
}
