/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk.c - disks: a volatile cache, metadata pages, and what goes wrong with them. */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

static u64 disk_delay(struct sim_world *w, u8 node, enum sim_event_kind kind)
{
	struct sim_disk *disk = w->node[node].disk;
	u64 d = 10000 + sim_random(w, w->opt.disk_delay_max);

	if (w->node[node].disk_takes)
		return w->node[node].disk_takes;
	if (w->faults && ((w->opt.slow & (1u << node)) || disk->slow_until > w->now))
		d *= w->opt.slow_factor;
	if (kind == EV_DISK_FLUSH || kind == EV_META_FLUSH)
		d *= 3;
	if (w->faults && w->opt.spike && chance(w, w->opt.spike))
		d += sim_random(w, 3000 * REPL_MS);
	if (w->faults && w->opt.hang && chance(w, w->opt.hang)) {
		disk->hung_since = w->now;
		d += 3600000 * REPL_MS;
		sim_trace(w, "%u an operation of its disk hangs", node);
	}
	return d;
}

void do_disk(struct sim_world *w, u8 node, const struct repl_effect *e, enum sim_event_kind kind)
{
	struct sim_disk *d = w->node[node].disk;
	struct sim_event v = { .kind = kind,
			       .node = node,
			       .boot = w->node[node].boot,
			       .id = e->id,
			       .off = (u64)sim_volume_base(e->volume) * SIM_BLOCK + e->off,
			       .len = e->len,
			       .op = e->op,
			       .buf = e->buf,
			       .buf_off = e->buf_off,
			       .fua = e->fua };

	if (kind == EV_DISK_WRITE && e->shared)
		sim_payload_ref(w, e->buf);
	if (kind == EV_META_WRITE || kind == EV_META_READ)
		v.off = (u64)e->volume * SIM_META_PAGES * REPL_META_PAGE + e->off;
	if (kind == EV_META_WRITE) {
		v.page = malloc(REPL_META_PAGE);
		memcpy(v.page, e->page, REPL_META_PAGE);
		sim_ambush(w, AT_META, node, node);
	}
	if (kind == EV_DISK_FLUSH) {
		size_t bytes = w->opt.device_blocks * sizeof(d->cached[0]);

		v.off = d->backs;
		v.snapshot = malloc(bytes);
		memcpy(v.snapshot, d->cached, bytes);
		sim_ambush(w, AT_DISK_FLUSH, node, node);
	}
	if (kind == EV_DISK_WRITE)
		sim_ambush(w, AT_DISK_WRITE, node, node);
	sim_schedule(w, disk_delay(w, node, kind), &v);
}

u32 disk_value(struct sim_world *w, const struct sim_event *e, u32 i)
{
	if (e->op == REPL_OP_DATA)
		return sim_payload(w, e->buf)->block[e->buf_off / SIM_BLOCK + i];
	return e->op == REPL_OP_DISCARD ? SIM_NOISE : 0;
}

void node_add_disk(struct sim_world *w, u8 n, bool alike)
{
	struct sim_disk *d = calloc(1, sizeof(*d));
	struct meta_state state = { .generation = 1 };
	u32 stamp[SIM_VOLUMES * SIM_META_PAGES][REPL_STAMPS_PER_PAGE], number, at;

	w->node[n].disk = d;
	d->blocks = w->faults || w->opt.scripted ? w->opt.first_blocks : w->opt.device_blocks;
	for (u32 p = 0; p < SIM_VOLUMES * SIM_META_PAGES; p++)
		for (u32 i = 0; i < REPL_STAMPS_PER_PAGE; i++)
			stamp[p][i] = REPL_STAMP_FRESH;
	for (u32 b = 0; !alike && b < d->blocks; b++) {
		u8(*page)[REPL_META_PAGE] =
			(void *)sim_map_page(d->meta, b / SIM_PER_REGION, &number, &at);

		d->cached[b] = d->durable[b] = SIM_GARBAGE;
		stamp[page - d->meta][at] = REPL_STAMP_UNKNOWN;
	}
	meta_put_state(d->meta[2], &state);
	meta_put_hot(d->meta[4], 1, NULL, 0);
	for (u32 v = 0; v < SIM_VOLUMES; v++)
		for (u32 p = REPL_META_HEAD_PAGES; p < SIM_META_PAGES; p++)
			meta_put_map(d->meta[v * SIM_META_PAGES + p], p - REPL_META_HEAD_PAGES, 0,
				     stamp[v * SIM_META_PAGES + p]);
	memcpy(d->meta_durable, d->meta, sizeof(d->meta));
	d->meta_version = 1;
}

int disk_load(struct sim_world *w, struct sim_disk *d, struct repl_disk *ret)
{
	int rc = meta_pick_state(d->meta[2], d->meta[3], &ret->state, &ret->state_copy);

	if (!rc)
		rc = meta_pick_hot(d->meta[4], d->meta[5], &ret->hot_generation, d->hot,
				   &ret->n_hot, &ret->hot_copy);
	ret->hot = d->hot;
	for (u32 v = 0; v < REPL_VOLUMES_MAX; v++)
		ret->size[v] = sim_volume_bytes(v, d->blocks);
	return rc;
}

/* What is new of it has been zeros, with stamps that say so, all the time. */
void disk_grow(struct sim_world *w, u8 n)
{
	struct sim_node *node = &w->node[n];

	if (!node->disk || node->disk->blocks == w->opt.device_blocks)
		return;
	sim_trace(w, "%u its disk grows", n);
	w->grown++;
	node->disk->blocks = w->opt.device_blocks;
	if (!node->up)
		return; /* seen when it starts */
	for (u32 v = 0; v < SIM_VOLUMES; v++)
		repl_mirror_grow(node->mirror, v, sim_volume_bytes(v, node->disk->blocks),
				 &sinks[n].sink, node_now(w, n));
	node_after(w, n);
}

/* ---- crashes --------------------------------------------------------------- */

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
			if (sim_random(w, 2)) {
				d->cached[e->off / SIM_BLOCK + i] = disk_value(w, e, i);
				d->bad[e->off / SIM_BLOCK + i] = 0;
			}
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

/*
 * A page of stamps goes bad: a bit of it, or another page was written in its place. Both copies of
 * state and hot log are spared: they are two against what a crash tears, and a newer copy that
 * rots after it was relied on is more than the format promises (docs/ondisk.md).
 */
static void rot(struct sim_world *w, u8 n, struct sim_disk *d)
{
	u32 number, at, region = (u32)sim_random(w, sim_regions(w));
	u8(*place)[REPL_META_PAGE] = (void *)sim_map_page(d->meta, region, &number, &at);
	u32 page = (u32)(place - d->meta);

	if (sim_random(w, 100) >= w->opt.rot)
		return;
	sim_trace(w, "%u page %u goes bad", n, page);
	if (sim_random(w, 2))
		d->meta[page][sim_random(w, REPL_META_PAGE)] ^= (u8)(1u << sim_random(w, 8));
	else
		memcpy(d->meta[page], d->meta[number ? page - 1 : 2], REPL_META_PAGE);
	memcpy(d->meta_durable[page], d->meta[page], REPL_META_PAGE);
}

void disk_crash(struct sim_world *w, u8 n, struct sim_disk *d)
{
	/* A process that dies leaves the cache as it is; data and stamps may fare differently. */
	static const u32 keeps[] = { 0, 100, 50 };
	bool process = !w->opt.scripted && !sim_random(w, 4);
	u32 keep = process ? 100 : w->opt.keep_cached, keep_meta = keep;

	crashing = n;
	if (!process && !w->opt.scripted && !sim_random(w, 2)) {
		keep = keeps[sim_random(w, 3)];
		keep_meta = keeps[sim_random(w, 3)];
	}
	sim_events_each(w, land_in_part);
	for (u32 b = 0; b < w->opt.device_blocks; b++)
		if (d->cached[b] != d->durable[b]) {
			if (sim_random(w, 100) < keep)
				d->durable[b] = d->cached[b];
			else
				d->cached[b] = d->durable[b];
		}
	for (u32 p = 0; p < SIM_VOLUMES * SIM_META_PAGES; p++) {
		u8 *src = sim_random(w, 100) < keep_meta ? d->meta[p] : d->meta_durable[p];
		u8 *dst = src == d->meta[p] ? d->meta_durable[p] : d->meta[p];

		memcpy(dst, src, REPL_META_PAGE);
	}
	d->hung_since = 0;
	d->meta_version++;
	if (w->faults && w->opt.rot)
		rot(w, n, d);
}

/* ---- operations that come back --------------------------------------------- */

/* 0, or the error that this operation ends with */
static int disk_luck(struct sim_world *w, const struct sim_event *e)
{
	bool writes = e->kind == EV_DISK_WRITE || e->kind == EV_META_WRITE;
	int rc = w->node[e->node].disk->next_fails;

	if (rc) {
		w->node[e->node].disk->next_fails = 0;
		return rc;
	}
	if (!w->faults || !w->opt.disk_error || !chance(w, w->opt.disk_error))
		return 0;
	sim_trace(w, "%u disk error", e->node);
	w->disk_errors++;
	return writes && sim_random(w, 2) ? -ENOSPC : -EIO;
}

void on_disk_write(struct sim_world *w, struct sim_event *e)
{
	struct sim_disk *d = w->node[e->node].disk;
	int status = disk_luck(w, e);

	for (u32 i = 0; i < e->len / SIM_BLOCK; i++) {
		u32 b = (u32)(e->off / SIM_BLOCK) + i;

		if (status && (status == -ENOSPC || sim_random(w, 2)))
			continue;
		d->cached[b] = disk_value(w, e, i);
		d->bad[b] = 0;
		if (w->opt.writeback && sim_random(w, 100) < w->opt.writeback) {
			d->durable[b] = d->cached[b];
			d->back[b] = ++d->backs;
		}
	}
	sim_payload_drop(w, e->buf);
	repl_mirror_disk_done(w->node[e->node].mirror, e->id, status, &sinks[e->node].sink,
			      node_now(w, e->node));
}

static bool unreadable(const struct sim_disk *d, const struct sim_event *e)
{
	for (u32 i = 0; i < e->len / SIM_BLOCK; i++)
		if (d->bad[e->off / SIM_BLOCK + i])
			return true;
	return false;
}

void on_disk_read(struct sim_world *w, struct sim_event *e)
{
	struct sim_disk *d = w->node[e->node].disk;
	repl_buf b;

	if (disk_luck(w, e) || unreadable(d, e)) {
		sim_trace(w, "%u can't read", e->node);
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

void on_meta(struct sim_world *w, struct sim_event *e)
{
	struct sim_disk *d = w->node[e->node].disk;
	int status = disk_luck(w, e);

	d->meta_version++;
	if (status) {
		/* nothing of it is there */
	} else if (e->kind == EV_META_WRITE) {
		memcpy(d->meta[e->off / REPL_META_PAGE], e->page, REPL_META_PAGE);
		if (e->fua)
			memcpy(d->meta_durable[e->off / REPL_META_PAGE], e->page, REPL_META_PAGE);
	} else {
		memcpy(d->meta_durable, d->meta, sizeof(d->meta));
	}
	sim_ambush(w, AT_META_DONE, e->node, e->node);
	repl_mirror_disk_done(w->node[e->node].mirror, e->id, status, &sinks[e->node].sink,
			      node_now(w, e->node));
}

void on_meta_read(struct sim_world *w, struct sim_event *e)
{
	repl_mirror_meta_read_done(w->node[e->node].mirror, e->id, disk_luck(w, e),
				   w->node[e->node].disk->meta[e->off / REPL_META_PAGE],
				   &sinks[e->node].sink, node_now(w, e->node));
}

/* what was written back meanwhile is newer than the snapshot */
void on_disk_flush(struct sim_world *w, struct sim_event *e)
{
	struct sim_node *n = &w->node[e->node];
	int status = disk_luck(w, e);

	for (u32 b = 0; !status && b < w->opt.device_blocks; b++)
		if (n->disk->back[b] <= e->off)
			n->disk->durable[b] = e->snapshot[b];
	repl_mirror_disk_done(n->mirror, e->id, status, &sinks[e->node].sink, node_now(w, e->node));
}
