/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.c - links between nodes: FIFO each way, they delay, stall one way, and
 * break. */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

struct sim_link links[SIM_LINKS];
u32 links_high;
u32 next_core_link;

void hold_clear(struct sim_world *w, struct sim_queue *q)
{
	while (q->len) {
		sim_payload_drop(w, q->msg[q->head].buf);
		q->head = (q->head + 1) % q->cap;
		q->len--;
	}
}

void hold_push(struct sim_queue *q, const struct repl_msg *m)
{
	if (q->len == q->cap) {
		u32 cap = q->cap ? q->cap * 2 : 64;
		struct repl_msg *n = calloc(cap, sizeof(*n));

		for (u32 i = 0; i < q->len; i++)
			n[i] = q->msg[(q->head + i) % q->cap];
		free(q->msg);
		q->msg = n;
		q->head = 0;
		q->cap = cap;
	}
	q->msg[(q->head + q->len++) % q->cap] = *m;
}

bool end_alive(struct sim_world *w, const struct sim_link *l, int side)
{
	const struct sim_node *n = &w->node[l->node[side]];

	return l->used && l->open[side] && n->up && n->boot == l->boot[side];
}

void link_gc(struct sim_world *w, struct sim_link *l)
{
	if (!l->used || end_alive(w, l, 0) || end_alive(w, l, 1))
		return;
	hold_clear(w, &l->held[0]);
	hold_clear(w, &l->held[1]);
	l->used = false;
	while (links_high && !links[links_high - 1].used)
		links_high--;
}

/* the other end learns of it after its last delivery */
void schedule_down(struct sim_world *w, u32 index, int side, u64 max_delay)
{
	struct sim_link *l = &links[index];
	struct sim_event e = { .kind = EV_LINK_DOWN,
			       .link = index,
			       .gen = l->gen,
			       .side = (u8)side,
			       .node = l->node[side],
			       .boot = l->boot[side] };
	u64 delay = sim_random(w, max_delay);
	u64 silent = w->silent_until[l->node[!side]][l->node[side]];

	if (l->last[side] > w->now)
		delay += l->last[side] - w->now;
	if (silent > w->now + delay)
		delay = silent - w->now;
	sim_schedule(w, delay, &e);
}

void link_send(struct sim_world *w, u32 index, int to, const struct repl_msg *m)
{
	struct sim_link *l = &links[index];
	struct sim_event e = { .kind = EV_DELIVER,
			       .link = index,
			       .gen = l->gen,
			       .side = (u8)to,
			       .msg = *m,
			       .node = l->node[to],
			       .boot = l->boot[to] };
	u64 at = w->now + 20000 + sim_random(w, w->opt.link_delay_max) * l->slow;
	u64 silent = w->silent_until[l->node[!to]][l->node[to]];

	if (l->cut) {
		sim_payload_drop(w, m->buf);
		return;
	}
	if (at < l->stalled[to])
		at = l->stalled[to];
	if (at < silent)
		at = silent;
	if (at <= l->last[to])
		at = l->last[to] + 1;
	l->last[to] = at;
	sim_schedule(w, at - w->now, &e);
}

void link_cut(struct sim_world *w, u32 index)
{
	if (!links[index].used || links[index].cut)
		return;
	links[index].cut = true;
	links[index].last[0] = links[index].last[1] = 0;
	schedule_down(w, index, 0, w->opt.notice_ms * REPL_MS + 1);
	schedule_down(w, index, 1, w->opt.notice_ms * REPL_MS + 1);
}

static u32 link_new(struct sim_world *w, u8 from, u8 to, u32 core)
{
	for (u32 i = 0; i < SIM_LINKS; i++) {
		struct sim_link *l = &links[i];
		struct sim_queue h0 = l->held[0], h1 = l->held[1];
		u32 gen = l->gen + 1;

		if (l->used)
			continue;
		memset(l, 0, sizeof(*l));
		l->held[0] = h0;
		l->held[1] = h1;
		l->gen = gen;
		l->used = true;
		l->slow = w->opt.scripted || sim_random(w, 4) ? 1 : 1 + (u32)sim_random(w, 8);
		l->node[0] = from;
		l->node[1] = to;
		l->boot[0] = w->node[from].boot;
		l->boot[1] = w->node[to].boot;
		l->open[0] = l->open[1] = true;
		l->core[0] = core;
		l->core[1] = REPL_LINK_FIRST + next_core_link++;
		if (i >= links_high)
			links_high = i + 1;
		return i;
	}
	sim_fail(w, "links leak");
	return 0;
}

/* a link from node "from" to the replica of node "to"; returns link + 1, or 0
 * when it can't be */
u32 link_open(struct sim_world *w, u8 from, u8 to, u32 core)
{
	struct sim_node *b = &w->node[to];
	u32 i;

	if (!node_runs(w, to) || !b->disk || w->silent_until[from][to] > w->now ||
	    w->silent_until[to][from] > w->now)
		return 0;
	i = link_new(w, from, to, core);
	sim_trace(w, "%u>%u link %u opens as %u", from, to, i, core);
	repl_mirror_link_up(b->mirror, links[i].core[1], &sinks[to].sink, node_now(w, to));
	return i + 1;
}

static int side_of(u32 index, u8 node, u32 core)
{
	for (int s = 0; s < 2; s++)
		if (links[index].node[s] == node && links[index].core[s] == core)
			return s;
	return -1;
}

int find_end(struct sim_world *w, u8 node, u32 core, u32 *ret_index)
{
	for (u32 i = 0; i < links_high; i++) {
		int s = links[i].used ? side_of(i, node, core) : -1;

		if (s >= 0 && end_alive(w, &links[i], s)) {
			*ret_index = i;
			return s;
		}
	}
	return -1;
}

void forget_link(struct sim_node *n, u32 index)
{
	for (int s = 0; s < SIM_NODES; s++)
		if (n->slot_link[s] == index + 1)
			n->slot_link[s] = 0;
	if (n->pull_link == index + 1)
		n->pull_link = 0;
}

void end_close(struct sim_world *w, u32 index, int side)
{
	struct sim_link *l = &links[index];

	l->open[side] = false;
	hold_clear(w, &l->held[side]);
	forget_link(&w->node[l->node[side]], index);
	if (!l->cut)
		schedule_down(w, index, !side, w->opt.link_delay_max + 1);
	link_gc(w, l);
}
