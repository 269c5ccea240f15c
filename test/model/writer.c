/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writer.c - the writer's role in the model: P1 to P10, C1 to C4, RELEASE. What
 * the writer does by itself follows at once on what made it possible
 * (writer_settle); what depends on time or on others is a step of its own.
 */
#include "model.h"
#include <string.h>

static void send(struct state *s, u8 w, u8 n, struct msg m)
{
	struct chan *c = &s->c[w][n];

	if (c->n == QUEUE_MAX) { /* no room: not a state of the model, see model_expand */
		s->n_writes = 0xff;
		return;
	}
	c->q[c->n++] = m;
	if (n == w && !(cfg->how & OWN_QUEUE)) {
		replica_consume(s, w, n);
		chan_receive(s, w, n);
	}
}

static void send_all(struct state *s, u8 w, struct msg m)
{
	for (u8 n = 0; n < cfg->nodes; n++)
		if (s->c[w][n].wopen)
			send(s, w, n, m);
}

void chan_receive(struct state *s, u8 w, u8 n)
{
	struct chan *c = &s->c[w][n];

	c->v_started = c->r_started;
	c->v_synced = c->r_synced;
	c->v_ready = c->r_ready;
	c->v_acked = c->r_acked;
	c->v_flushed = c->r_flushed;
}

/* The writer's end closes; what is under way may still arrive. */
static void chan_close_writer_end(struct chan *c)
{
	struct chan keep = *c;

	memset(c, 0, sizeof(*c));
	c->ropen = keep.ropen;
	c->n = keep.n;
	memcpy(c->q, keep.q, sizeof(c->q));
	if (out == COMPLETE_LOST)
		c->v_acked = keep.v_acked;
}

static void read_clear(struct writer *p)
{
	p->read = READ_NONE;
	p->read_block = p->read_source = p->read_value = p->read_floor = 0;
}

/* The session ended: P6 */
void writer_break(struct state *s, u8 w, u8 n)
{
	struct writer *p = &s->w[w];

	chan_close_writer_end(&s->c[w][n]);
	if (p->state != SERVING)
		return;
	if (p->read == READ_ASKED && p->read_source == n) /* asked again by a step of its own */
		read_clear(p);
	if (p->set & BIT(n))
		p->lost |= (u8)BIT(n);
	if (p->join == n && p->cas != CAS_GROW) /* P9: an outstanding GROW keeps it */
		p->join = NONE;
	writer_settle(s, w);
}

static void start(struct state *s, u8 w, u8 n, u8 kind)
{
	struct writer *p = &s->w[w];
	struct chan *c = &s->c[w][n];
	u8 seq0 = kind == START_LEARNER ? p->seq : p->committed;

	if (s->r[n].session == w) /* its old link is gone when the new one is there */
		replica_session_end(s, n);
	memset(c, 0, sizeof(*c));
	c->wopen = c->ropen = 1;
	c->r_acked = c->v_acked = seq0;
	send(s, w, n,
	     (struct msg){ .kind = MSG_START,
			   .epoch = p->epoch,
			   .seq = seq0,
			   .set = p->set,
			   .start = kind });
}

static void writer_clear(struct writer *p)
{
	memset(p, 0, sizeof(*p));
	p->join = NONE;
}

static void release_sessions(struct state *s, u8 n)
{
	send_all(s, n, (struct msg){ .kind = MSG_RELEASE });
	for (u8 o = 0; o < cfg->nodes; o++)
		if (s->c[n][o].wopen)
			chan_close_writer_end(&s->c[n][o]);
}

/* P10 */
void writer_stop(struct state *s, u8 n)
{
	release_sessions(s, n);
	writer_clear(&s->w[n]);
}

static void propose(struct state *s, u8 n, u8 what, u8 set, u8 kind)
{
	struct writer *p = &s->w[n];

	if (p->epoch >= cfg->epochs)
		return;
	p->cas = what;
	p->cas_set = set;
	p->cas_start = kind;
	p->cas_result = CAS_OUT;
}

/* --- what follows by itself ------------------------------------------------- */

static u8 must_answer(const struct writer *p)
{
	return p->set | (u8)(p->join == NONE || out == GROW_NOACK ? 0 : BIT(p->join));
}

static void join_settle(struct state *s, u8 w)
{
	struct writer *p = &s->w[w];

	if (p->join != NONE || p->lost)
		return;
	for (u8 n = 0; n < cfg->nodes; n++) {
		struct chan *c = &s->c[w][n];

		if (!c->wopen || !c->v_started || !c->v_synced || (p->set & BIT(n)))
			continue;
		p->join = n;
		p->join_seq = p->seq;
		send(s, w, n, (struct msg){ .kind = MSG_JOIN });
		if (p->flush)
			send(s, w, n, (struct msg){ .kind = MSG_FLUSH, .id = p->flush_id });
		return;
	}
}

static void commit_settle(struct state *s, u8 w)
{
	struct writer *p = &s->w[w];
	u8 c = p->seq, who = must_answer(p);

	if (out == SHRINK_NOWAIT)
		who &= (u8)~p->lost;
	for (u8 n = 0; n < cfg->nodes; n++) {
		const struct chan *l = &s->c[w][n];
		bool counts = l->v_started || (out == COMPLETE_LOST && !l->wopen);
		u8 acked = counts ? l->v_acked : p->committed;

		if ((who & BIT(n)) && acked < c)
			c = acked;
	}
	while (p->committed < c) {
		u8 id = p->log[++p->committed];

		p->log[p->committed] = 0;
		p->dirty = 1;
		if (s->acked[s->block_of[id]] < id && id > s->forgiven)
			s->acked[s->block_of[id]] = id;
	}
}

static void flush_settle(struct state *s, u8 w)
{
	struct writer *p = &s->w[w];

	if (!p->flush)
		return;
	for (u8 n = 0; n < cfg->nodes; n++)
		if ((must_answer(p) & BIT(n)) && s->c[w][n].v_flushed < p->flush_id)
			return;
	p->flush = 0;
	p->dirty = p->committed > p->flush_seq;
	p->flush_seq = 0;
	for (u8 b = 0; b < BLOCKS; b++) {
		if (s->flushed[b] < p->flush_holds[b])
			s->flushed[b] = p->flush_holds[b];
		p->flush_holds[b] = 0;
	}
}

static void set_settle(struct state *s, u8 w)
{
	struct writer *p = &s->w[w];
	u8 left = p->set & (u8)~p->lost;

	if (p->cas)
		return;
	if (p->lost) {
		if (left)
			propose(s, w, CAS_SHRINK, left, 0);
		return; /* none left: P7, a step of its own */
	}
	if (p->join != NONE && s->c[w][p->join].v_ready && p->committed >= p->join_seq)
		propose(s, w, CAS_GROW, p->set | (u8)BIT(p->join), 0);
}

void writer_settle(struct state *s, u8 w)
{
	struct writer *p = &s->w[w];

	if (p->state != SERVING)
		return;
	join_settle(s, w);
	if (!p->lost || out == COMPLETE_LOST || out == SHRINK_NOWAIT)
		commit_settle(s, w);
	if (!p->lost)
		flush_settle(s, w);
	if (p->committed == p->seq && p->commit_sent != p->committed) {
		p->commit_sent = p->committed;
		send_all(s, w, (struct msg){ .kind = MSG_COMMIT, .commit = p->committed });
	}
	set_settle(s, w);
}

/* --- answers of consensus --------------------------------------------------- */

void record_land(struct state *s, u8 owner, u8 set, bool lossy)
{
	bool intact = false;

	for (u8 n = 0; n < cfg->nodes; n++)
		intact |= (s->set & BIT(n)) && replica_intact(&s->r[n]);
	s->epoch++;
	s->owner = owner;
	s->set = set;
	/* C2 may lose what was not flushed: but only when nobody has it any more. That includes a
	 * write whose last acknowledgement is still on its way to a writer cut off long ago. */
	if (lossy && !intact) {
		memcpy(s->acked, s->flushed, sizeof(s->acked));
		s->forgiven = s->n_writes;
	}
}

/* C3 */
static void begin_serving(struct state *s, u8 w, u8 kind)
{
	struct writer *p = &s->w[w];

	p->state = SERVING;
	p->restarted = p->intact = p->released = 0;
	p->dirty = 1;
	for (u8 n = 0; n < cfg->nodes; n++)
		if (p->set & BIT(n))
			start(s, w, n, kind);
}

/* P7 */
static void revived(struct state *s, u8 w, u8 kind)
{
	struct writer *p = &s->w[w];

	for (u8 n = 0; n < cfg->nodes; n++)
		if (s->c[w][n].wopen)
			chan_close_writer_end(&s->c[w][n]);
	p->join = NONE;
	p->lost = 0;
	for (u8 n = 0; n < cfg->nodes; n++) {
		if (!(p->set & BIT(n)))
			continue;
		start(s, w, n, kind);
		for (u8 q = p->committed + 1; q <= p->seq; q++)
			send(s, w, n,
			     (struct msg){ .kind = MSG_WRITE,
					   .epoch = p->epoch,
					   .seq = q,
					   .id = p->log[q],
					   .commit = p->committed });
		if (p->flush)
			send(s, w, n, (struct msg){ .kind = MSG_FLUSH, .id = p->flush_id });
	}
}

static void serving_accepted(struct state *s, u8 w, u8 what, u8 kind)
{
	struct writer *p = &s->w[w];
	u8 learners = p->learners;

	p->learners = 0;
	p->lost &= p->set;
	if (what == CAS_REVIVE) {
		revived(s, w, kind);
		return;
	}
	if (what == CAS_GROW) {
		if (!s->c[w][p->join].wopen)
			p->lost |= (u8)BIT(p->join);
		p->join = NONE;
		p->join_seq = 0;
	}
	send_all(s, w, (struct msg){ .kind = MSG_EPOCH, .epoch = p->epoch, .set = p->set });
	for (u8 n = 0; n < cfg->nodes; n++)
		if ((learners & BIT(n)) && !s->c[w][n].wopen)
			start(s, w, n, START_LEARNER);
}

static void read_record(struct state *s, u8 n)
{
	struct writer *p = &s->w[n];

	p->epoch = s->epoch;
	p->set = s->set;
	p->released = s->owner == NONE || out == RELEASED_ANY;
	p->restarted = p->intact = 0;
}

static void answer(struct state *s, u8 w)
{
	struct writer *p = &s->w[w];
	u8 what = p->cas, kind = p->cas_start;
	bool won = p->cas_result == CAS_WON;

	if (won) {
		p->epoch++;
		p->set = p->cas_set;
	}
	p->cas = p->cas_set = p->cas_start = p->cas_result = 0;
	if (p->state == RELEASING) {
		writer_stop(s, w);
	} else if (!won && p->state == SERVING) {
		writer_stop(s, w);
	} else if (!won) {
		p->state = PROMISING; /* C4 */
		read_record(s, w);
	} else if (p->state == PROPOSING) {
		begin_serving(s, w, kind);
	} else {
		serving_accepted(s, w, what, kind);
	}
	writer_settle(s, w);
}

static void cas_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct writer *p = &s->w[n];
	struct state t = *s;

	if (p->cas_result == CAS_OUT) {
		if (s->epoch == p->epoch) {
			record_land(&t, p->cas == CAS_RELEASE ? NONE : n, p->cas_set,
				    p->cas == CAS_PROMOTE && p->cas_start == START_RESTARTED);
			t.w[n].cas_result = CAS_WON;
		} else {
			t.w[n].cas_result = CAS_REFUSED;
		}
		emit(&t, (struct label){ ACT_LAND, n, t.w[n].cas_result, 0, 0 });
	} else if (p->cas_result) {
		answer(&t, n);
		emit(&t, (struct label){ ACT_ANSWER, n, p->cas_result, p->cas, 0 });
	}
}

/* --- candidate --------------------------------------------------------------- */

/* C2 */
static void choose_restarted(struct state *t, u8 w, struct label l, emit_fn emit)
{
	t->w[w].state = PROPOSING;
	for (u8 o = 0; o < cfg->nodes; o++) {
		if (!(t->w[w].restarted & BIT(o)))
			continue;
		propose(t, w, CAS_PROMOTE, (u8)BIT(o), START_RESTARTED);
		l.d = (u8)(o + 1);
		emit(t, l);
	}
}

static void promise(const struct state *s, u8 w, u8 n, emit_fn emit)
{
	const struct replica *r = &s->r[n];
	struct label l = { ACT_PROMISE, w, n, replica_intact(r), 0 };
	struct state t = *s;
	struct writer *p = &t.w[w];

	if (!(p->set & BIT(n)) || r->fence > p->epoch || r->session != NONE ||
	    ((p->restarted | p->intact) & BIT(n)))
		return;
	if (r->grant && out != NO_GRACE) /* so long a time ends every lease it gave */
		for (u8 o = 0; o < cfg->nodes; o++)
			t.c[o][n].lease = 0;
	t.r[n].grant = 0;
	t.r[n].fence = p->epoch;
	if (p->released) {
		*(replica_intact(r) ? &p->intact : &p->restarted) |= (u8)BIT(n);
		emit(&t, l); /* choose_released() follows, when it likes */
		return;
	}
	if (replica_intact(r)) {
		p->state = PROPOSING;
		propose(&t, w, CAS_PROMOTE, (u8)BIT(n), START_MEMBER);
		emit(&t, l);
		return;
	}
	p->restarted |= (u8)BIT(n);
	if (p->restarted != p->set && out != PROMO_ANY) {
		emit(&t, l);
		return;
	}
	choose_restarted(&t, w, l, emit);
}

/* C1 of a released record: all that have promised themselves and are intact, which may be fewer
 * than would have; before the first serving epoch those that restarted, too. None: C2. */
static void choose_released(const struct state *s, u8 w, emit_fn emit)
{
	bool untouched = s->w[w].epoch == 1 || out == RELEASED_RESTARTED;
	struct label l = { ACT_CHOOSE, w, 0, 0, 0 };
	struct state t = *s;
	struct writer *p = &t.w[w];
	u8 chosen = p->intact | (untouched ? p->restarted : 0);

	if (chosen) {
		l.b = chosen;
		p->state = PROPOSING;
		propose(&t, w, CAS_PROMOTE, chosen, untouched ? START_RESTARTED : START_MEMBER);
		emit(&t, l);
	} else if (p->restarted == p->set) {
		choose_restarted(&t, w, l, emit);
	}
}

static void candidate_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct writer *p = &s->w[n];
	struct state t = *s;

	if (p->state == IDLE && s->n_opens < cfg->opens) {
		t.n_opens++;
		t.w[n].state = PROMISING;
		read_record(&t, n);
		emit(&t, (struct label){ ACT_OPEN, n, 0, 0, 0 });
	}
	if (p->state != PROMISING)
		return;
	if (p->epoch != s->epoch) {
		read_record(&t, n);
		emit(&t, (struct label){ ACT_REREAD, n, 0, 0, 0 });
	}
	for (u8 o = 0; o < cfg->nodes && p->epoch < cfg->epochs; o++)
		promise(s, n, o, emit);
	if (p->released && p->epoch < cfg->epochs)
		choose_released(s, n, emit);
}

/* --- serving ----------------------------------------------------------------- */

bool writer_flying(const struct state *s, u8 n, u8 block)
{
	const struct writer *p = &s->w[n];

	for (u8 q = p->committed + 1; q <= p->seq; q++)
		if (s->block_of[p->log[q]] == block)
			return true;
	return false;
}

/* P5 */
bool writer_may_read(const struct state *s, u8 n)
{
	const struct writer *p = &s->w[n];
	u8 need = p->set | (p->cas == CAS_GROW ? p->cas_set : 0);

	if (p->state != SERVING && !(out == RELEASE_SERVING && p->state == RELEASING))
		return false;
	for (u8 o = 0; o < cfg->nodes; o++) {
		const struct chan *c = &s->c[n][o];

		if (!(need & BIT(o)) || (o == n && out == NO_OWN_LEASE))
			continue;
		if (!c->wopen || !c->v_started || (!c->lease && out != NO_LEASE))
			return false;
	}
	return true;
}

static bool whole(const struct state *s, u8 n)
{
	for (u8 o = 0; o < cfg->nodes; o++)
		if ((s->w[n].set & BIT(o)) && !s->c[n][o].v_started)
			return false;
	return !s->w[n].lost;
}

static void write_expand(const struct state *s, u8 n, emit_fn emit)
{
	for (u8 b = 0; b < BLOCKS && s->n_writes < cfg->writes; b++) {
		struct state t = *s;
		struct writer *p = &t.w[n];
		u8 id = ++t.n_writes;

		if (writer_flying(s, n, b) || (p->read && p->read_block == b && out != READ_UNHELD))
			continue; /* P1 */
		t.block_of[id] = b;
		p->log[++p->seq] = id;
		send_all(&t, n,
			 (struct msg){ .kind = MSG_WRITE,
				       .epoch = p->epoch,
				       .seq = p->seq,
				       .id = id,
				       .commit = p->committed });
		writer_settle(&t, n);
		emit(&t, (struct label){ ACT_WRITE, n, b, id, 0 });
	}
}

static void flush_expand(const struct state *s, u8 n, emit_fn emit)
{
	struct state t = *s;
	struct writer *p = &t.w[n];

	if (s->n_flushes >= cfg->flushes || p->flush || p->lost)
		return;
	p->flush = 1;
	p->flush_id = ++t.n_flushes;
	p->flush_seq = p->committed;
	memcpy(p->flush_holds, s->acked, sizeof(p->flush_holds));
	for (u8 o = 0; o < cfg->nodes; o++)
		if ((must_answer(p) & BIT(o)) && t.c[n][o].wopen)
			send(&t, n, o, (struct msg){ .kind = MSG_FLUSH, .id = p->flush_id });
	writer_settle(&t, n);
	emit(&t, (struct label){ ACT_FLUSH, n, 0, 0, 0 });
}

/* RELEASE, then the record without a writer when the set is whole */
static void close_expand(const struct state *s, u8 n, emit_fn emit)
{
	struct state t = *s;
	struct writer *p = &t.w[n];
	u8 epoch = p->epoch, set = p->set;
	bool flying = p->seq != p->committed || p->flush || p->read;

	if (s->n_closes >= cfg->closes || (p->cas && out != RELEASED_NOT_WHOLE) ||
	    (flying && out != YIELD_NODRAIN && (!p->lost || out != RELEASED_NOT_WHOLE)))
		return;
	t.n_closes++;
	if (p->cas_result == CAS_OUT && !s->orphan.epoch) { /* RELEASED_NOT_WHOLE */
		t.orphan.epoch = epoch;
		t.orphan.owner = n;
		t.orphan.set = p->cas_set;
	}
	if (out == RELEASE_SERVING) {
		send_all(&t, n, (struct msg){ .kind = MSG_RELEASE });
		p->state = RELEASING;
		propose(&t, n, CAS_RELEASE, set, 0);
	} else if (p->lost && out != RELEASED_NOT_WHOLE) {
		writer_stop(&t, n);
	} else {
		writer_stop(&t, n);
		p->state = RELEASING;
		p->epoch = epoch;
		p->set = set;
		propose(&t, n, CAS_RELEASE, set, 0);
	}
	if (p->state == RELEASING && !p->cas)
		writer_stop(&t, n);
	emit(&t, (struct label){ ACT_CLOSE, n, 0, 0, 0 });
}

/* P8 */
static void learn_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct writer *p = &s->w[n];

	if (p->lost || p->cas || p->epoch >= cfg->epochs)
		return;
	for (u8 mask = cfg->how & ELSEWHERE ? 0 : 1; mask < BIT(cfg->nodes); mask++) {
		struct state t = *s;
		bool may = !(mask & (p->set | ~cfg->disks));

		for (u8 o = 0; o < cfg->nodes; o++)
			may &= !(mask & BIT(o)) || !s->c[n][o].wopen;
		if (!may)
			continue;
		propose(&t, n, CAS_LEARNERS, p->set, 0);
		t.w[n].learners = mask;
		emit(&t, (struct label){ ACT_LEARN, n, mask, 0, 0 });
	}
}

/* P7 */
static void revive_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct writer *p = &s->w[n];
	struct label l = { ACT_REVIVE, n, 0, 0, 0 };
	struct state t = *s;
	bool intact = false;

	if (p->cas || p->lost != p->set || p->epoch >= cfg->epochs)
		return;
	for (u8 o = 0; o < cfg->nodes; o++)
		intact |= (p->set & BIT(o)) && replica_intact(&s->r[o]);
	if (!intact && p->dirty && out != DIRTY_GOES_ON) {
		writer_stop(&t, n);
		l.c = 2;
		emit(&t, l);
		return;
	}
	for (u8 o = 0; o < cfg->nodes; o++) {
		if (!(p->set & BIT(o)) || replica_intact(&s->r[o]) != intact)
			continue;
		t = *s;
		propose(&t, n, CAS_REVIVE, (u8)BIT(o), intact ? START_MEMBER : START_RESTARTED);
		l.b = o;
		l.c = !intact;
		emit(&t, l);
	}
}

/* A read that takes its time: asked of a member, the data arrives, and counts when the lease is
 * seen to run after that. */
static void slow_read_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct writer *p = &s->w[n];
	struct state t = *s;
	struct writer *q = &t.w[n];

	if (p->read == READ_ASKED && s->r[p->read_source].session == n) {
		q->read = READ_ARRIVED;
		q->read_value = s->r[p->read_source].now[p->read_block];
		emit(&t, (struct label){ ACT_READ_DATA, n, p->read_source, p->read_block,
					 q->read_value });
	}
	if (p->read == READ_ARRIVED && writer_may_read(s, n)) {
		t.n_reads++;
		if (t.acked[p->read_block] < p->read_value)
			t.acked[p->read_block] = p->read_value;
		read_clear(q);
		emit(&t,
		     (struct label){ ACT_READ, n, p->read_source, p->read_block, p->read_value });
	}
	if (p->read || s->n_reads >= cfg->reads || !whole(s, n))
		return;
	for (u8 o = 0; o < cfg->nodes; o++)
		for (u8 b = 0; b < BLOCKS; b++) {
			if (!(p->set & BIT(o)) || writer_flying(s, n, b))
				continue;
			t = *s;
			q->read = READ_ASKED;
			q->read_block = b;
			q->read_source = o;
			q->read_floor = s->acked[b];
			emit(&t, (struct label){ ACT_READ_BEGIN, n, o, b, 0 });
		}
}

/* what an application has seen must not go away again: the ghost takes it for acknowledged */
static void read_expand(const struct state *s, u8 n, emit_fn emit)
{
	for (u8 o = 0; o < cfg->nodes && s->n_reads < cfg->reads && writer_may_read(s, n); o++)
		for (u8 b = 0; b < BLOCKS; b++) {
			struct state t = *s;

			if (!(s->w[n].set & BIT(o)) || s->r[o].session != n ||
			    writer_flying(s, n, b) || s->r[o].now[b] <= s->acked[b])
				continue;
			t.n_reads++;
			t.acked[b] = s->r[o].now[b];
			emit(&t, (struct label){ ACT_READ, n, o, b, t.acked[b] });
		}
}

void writer_expand(const struct state *s, u8 n, emit_fn emit)
{
	cas_expand(s, n, emit);
	if (cfg->candidates & BIT(n))
		candidate_expand(s, n, emit);
	if (s->w[n].state != SERVING)
		return;
	if (whole(s, n))
		write_expand(s, n, emit);
	flush_expand(s, n, emit);
	close_expand(s, n, emit);
	learn_expand(s, n, emit);
	revive_expand(s, n, emit);
	if (cfg->how & SLOW_READS)
		slow_read_expand(s, n, emit);
	else
		read_expand(s, n, emit);
}
