/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.c - the first state and the steps of the world around the nodes: links
 * that carry messages or break, crashes, proposals of the dead.
 */
#include "model.h"
#include <string.h>

const struct config *cfg;
enum rule_out out;

/* Epoch 2 under way: its writer serves, all of its set have started. Or the record as it was made,
 * all copies alike and just booted. */
void model_first(struct state *s)
{
	struct writer *p;

	memset(s, 0, sizeof(*s));
	s->epoch = cfg->writer == NONE ? 1 : 2;
	s->owner = cfg->writer;
	s->set = cfg->set;
	for (u8 n = 0; n < NODES_MAX; n++) {
		struct replica *r = &s->r[n];

		s->w[n].join = NONE;
		r->session = r->pull_source = NONE;
		if (!(cfg->disks & BIT(n)))
			continue;
		r->may[0] = r->may[1] = BIT(0);
		r->stamp = r->d_stamp = 1;
		r->fence = 1;
		if (!(cfg->set & BIT(n)) || cfg->writer == NONE)
			continue;
		r->mode = MEMBER;
		r->re = r->fence = 2;
		r->set = cfg->set;
		r->session = cfg->writer;
		r->grant = 1;
		s->c[cfg->writer][n] = (struct chan){
			.wopen = 1, .ropen = 1, .lease = 1, .r_started = 1, .v_started = 1
		};
	}
	if (cfg->writer == NONE)
		return;
	p = &s->w[cfg->writer];
	p->state = SERVING;
	p->epoch = 2;
	p->set = cfg->set;
	p->dirty = 1;
}

static void crash(const struct state *s, u8 n, u8 v0, u8 v1, bool orphan, emit_fn emit)
{
	const struct writer *p = &s->w[n];
	struct state t = *s;

	t.n_crashes++;
	if (orphan) {
		t.orphan.epoch = p->epoch;
		t.orphan.owner = p->cas == CAS_RELEASE ? NONE : n;
		t.orphan.set = p->cas_set;
		t.orphan.lossy = p->cas == CAS_PROMOTE && p->cas_start == START_RESTARTED;
	}
	memset(&t.w[n], 0, sizeof(t.w[n]));
	t.w[n].join = NONE;
	for (u8 o = 0; o < cfg->nodes; o++) {
		struct chan *to = &t.c[n][o], *from = &t.c[o][n], keep = *to;

		memset(to, 0, sizeof(*to)); /* the writer's end of those it opened */
		to->ropen = keep.ropen;
		to->n = keep.n;
		memcpy(to->q, keep.q, sizeof(to->q));
		chan_close_replica_end(from);
		if (o == n)
			chan_close_replica_end(to);
	}
	if (cfg->disks & BIT(n))
		replica_crash(&t, n, v0, v1);
	emit(&t, (struct label){ ACT_CRASH, n, v0, v1, orphan });
}

static void crash_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct replica *r = &s->r[n];
	bool out_now = s->w[n].cas_result == CAS_OUT && s->w[n].epoch == s->epoch;
	bool disk = cfg->disks & BIT(n);

	if (s->n_crashes >= cfg->crashes || !(cfg->may_crash & BIT(n)))
		return;
	for (u8 v = 0; v < 64; v++) {
		u8 v0 = v % 8, v1 = v / 8;

		if (disk ? !(r->may[0] & BIT(v0)) || !(r->may[1] & BIT(v1)) : v > 0)
			continue;
		crash(s, n, v0, v1, false, emit);
		if (out_now && !s->orphan.epoch)
			crash(s, n, v0, v1, true, emit);
	}
}

/* Inside of a node both ends go at once: a disk that fails, or a promise after a pause. */
static void own_break_expand(const struct state *s, u8 n, emit_fn emit)
{
	struct state t = *s;

	if (s->n_cuts >= cfg->cuts)
		return;
	t.n_cuts++;
	chan_close_replica_end(&t.c[n][n]);
	if (s->r[n].session == n)
		replica_session_end(&t, n);
	writer_break(&t, n, n);
	emit(&t, (struct label){ ACT_WRITER_BREAK, n, n, 0, 0 });
}

/* Each end notices by itself that the link is gone; the first to do so makes it a cut. */
static void break_expand(const struct state *s, u8 w, u8 n, emit_fn emit)
{
	const struct chan *c = &s->c[w][n];
	struct state t = *s;

	if (w == n && c->wopen && c->ropen) {
		own_break_expand(s, n, emit);
		return;
	}
	if (c->wopen && (!c->ropen || c->r_refused || s->n_cuts < cfg->cuts)) {
		t.n_cuts += c->ropen && !c->r_refused;
		writer_break(&t, w, n);
		emit(&t, (struct label){ ACT_WRITER_BREAK, w, n, !c->ropen || c->r_refused, 0 });
	}
	if (c->ropen && (!c->wopen || s->n_cuts < cfg->cuts)) {
		t = *s;
		t.n_cuts += c->wopen;
		chan_close_replica_end(&t.c[w][n]);
		if (s->r[n].session == w)
			replica_session_end(&t, n);
		emit(&t, (struct label){ ACT_REPLICA_BREAK, n, w, !c->wopen, 0 });
	}
}

static void link_expand(const struct state *s, u8 w, u8 n, emit_fn emit)
{
	const struct chan *c = &s->c[w][n];
	struct state t = *s;

	if (!c->wopen && !c->ropen)
		return;
	if (c->ropen && c->n && replica_takes(s, w, n)) {
		struct msg m = c->q[0];

		replica_consume(&t, w, n);
		emit(&t, (struct label){ ACT_CONSUME, n, w, m.kind, m.epoch });
	}
	if (c->wopen && (c->v_started != c->r_started || c->v_synced != c->r_synced ||
			 c->v_ready != c->r_ready || c->v_acked != c->r_acked ||
			 c->v_flushed != c->r_flushed)) {
		t = *s;
		chan_receive(&t, w, n);
		writer_settle(&t, w);
		emit(&t, (struct label){ ACT_RECEIVE, w, n, c->r_acked, 0 });
	}
	break_expand(s, w, n, emit);
}

void model_expand(const struct state *s, emit_fn emit)
{
	if (s->orphan.epoch) {
		struct state t = *s;

		record_land(&t, s->orphan.owner, s->orphan.set, s->orphan.lossy);
		memset(&t.orphan, 0, sizeof(t.orphan));
		emit(&t, (struct label){ ACT_LAND_ORPHAN, t.owner, 0, 0, 0 });
	}
	for (u8 n = 0; n < cfg->nodes; n++) {
		writer_expand(s, n, emit);
		replica_expand(s, n, emit);
		crash_expand(s, n, emit);
		for (u8 o = 0; o < cfg->nodes; o++)
			link_expand(s, n, o, emit);
	}
}
