/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica.c - the copies in the model: R1 to R15. A message is carried out in
 * one step, with all its writes to the disk; what a crash in the middle could
 * leave is among what a crash before or after it leaves.
 */
#include "model.h"
#include <string.h>

bool replica_intact(const struct replica *r)
{
	return r->mode == MEMBER || (r->mode == LEARNER && r->ready);
}

bool replica_pending(const struct replica *r)
{
	return r->pending[0].seq || r->pending[1].seq;
}

/* U is not empty: what is received or left of an old session counts like what was applied */
bool replica_uncommitted(const struct replica *r)
{
	return r->rseq > r->committed || r->left || replica_pending(r);
}

/* of U, what has reached the disk in this session: the rest is stamped when it gets there */
static bool uncommitted_applied(const struct replica *r)
{
	u8 waiting = 0;

	for (u8 i = 0; i < PENDING_MAX; i++)
		waiting += r->pending[i].seq > r->committed;
	return r->rseq - r->committed > waiting;
}

/* cumulative */
static u8 acked(const struct replica *r)
{
	u8 a = r->rseq;

	for (u8 i = 0; i < PENDING_MAX; i++)
		if (r->pending[i].seq && r->pending[i].seq <= a)
			a = (u8)(r->pending[i].seq - 1);
	return a;
}

void chan_close_replica_end(struct chan *c)
{
	c->ropen = 0;
	c->n = 0;
	memset(c->q, 0, sizeof(c->q));
}

static void pull_clear(struct replica *r)
{
	r->pull = PULL_NONE;
	r->pull_source = NONE;
	r->pull_stamp = r->pull_seen = r->pull_touched = 0;
	r->answer_same = r->answer_stamp = 0;
	memset(r->answer, 0, sizeof(r->answer));
}

/* R12: mode, re and U stay */
void replica_session_end(struct state *s, u8 n)
{
	struct replica *r = &s->r[n];

	r->session = NONE;
	if (r->epoch_wait && out != EPOCH_LAZY)
		r->learner_epoch = r->d_learner_epoch; /* it must not be written any more */
	r->epoch_wait = 0;
	if (out == LOST_NOT_IN_U)
		r->rseq = acked(r);
	else if (replica_pending(r))
		r->left = 1;
	memset(r->pending, 0, sizeof(r->pending));
	pull_clear(r);
}

/* what the writer hears of it; nothing when its end is closed */
static void report(struct state *s, u8 w, u8 n, bool started, bool ready, u8 flushed)
{
	struct chan *c = &s->c[w][n];

	if (!c->wopen)
		return;
	c->r_started |= started;
	c->r_ready |= ready;
	c->r_acked = acked(&s->r[n]);
	c->r_synced = s->r[n].mode == LEARNER && s->r[n].pull == PULL_SYNCED;
	if (flushed)
		c->r_flushed = flushed;
}

/* A message that does not fit ends the link. */
static void refuse(struct state *s, u8 w, u8 n)
{
	if (s->r[n].session == w)
		replica_session_end(s, n);
	chan_close_replica_end(&s->c[w][n]);
}

static void disk_flush(struct replica *r)
{
	for (u8 b = 0; b < BLOCKS; b++)
		r->may[b] = (u8)BIT(r->now[b]);
}

static void disk_write(struct replica *r, u8 block, u8 id)
{
	r->now[block] = id;
	r->may[block] |= (u8)BIT(id);
}

/* R3 */
static void start_learner(struct replica *r, const struct msg *m)
{
	u8 was = r->mode == LEARNER ? r->re : 0;

	if (r->left)
		r->hot = 1;
	if (replica_uncommitted(r) && out != NO_ZERO_U)
		r->stamp = 0;
	if (was && r->stamp >= was)
		r->stamp = 0;
	if (out != ZERO_NOT_PERSISTED)
		r->d_stamp = r->stamp;
	r->d_learner_epoch = r->learner_epoch = m->epoch;
	r->mode = LEARNER;
}

/* R2. A restart has set the stamps of what was hot to 0. */
static void start_member(struct replica *r, const struct msg *m)
{
	if (r->left)
		r->hot = 1;
	if ((replica_uncommitted(r) && out != NO_RESTAMP) || !r->stamp)
		r->stamp = m->epoch;
	r->learner_epoch = 0;
	if (!cfg->evictions)
		r->d_learner_epoch = 0;
	r->mode = MEMBER;
}

static void on_start(struct state *s, u8 w, u8 n, const struct msg *m)
{
	struct replica *r = &s->r[n];

	if ((m->epoch <= r->fence && out != NO_FENCE) ||
	    (m->start == START_MEMBER && !replica_intact(r) && out != START_NOCHECK)) {
		s->c[w][n].r_refused = s->c[w][n].wopen; /* the link stays, the writer cuts it */
		return;
	}
	if (r->session != NONE && r->session != w)
		chan_close_replica_end(&s->c[r->session][n]);
	replica_session_end(s, n);
	r->fence = m->epoch;
	if (m->start == START_LEARNER)
		start_learner(r, m);
	else
		start_member(r, m);
	r->re = m->epoch;
	r->set = m->set;
	r->rseq = r->committed = m->seq;
	r->left = 0;
	r->ready = 0;
	r->session = w;
	r->grant = 1;
	s->c[w][n].lease = s->c[w][n].wopen;
	report(s, w, n, true, false, 0);
}

/* R4 */
static void on_epoch(struct state *s, u8 w, u8 n, const struct msg *m)
{
	struct replica *r = &s->r[n];
	bool in = m->set & BIT(n);

	if (m->epoch <= r->re || (in && !replica_intact(r)) || (!in && r->mode == MEMBER)) {
		refuse(s, w, n);
		return;
	}
	r->re = r->fence = m->epoch;
	r->set = m->set;
	if (uncommitted_applied(r) && out != NO_RESTAMP &&
	    (r->mode == MEMBER || r->pull == PULL_SYNCED))
		r->stamp = m->epoch;
	if (in) {
		r->learner_epoch = 0;
		if (!cfg->evictions)
			r->d_learner_epoch = 0;
		r->mode = MEMBER;
		r->ready = 0;
		pull_clear(r);
		return;
	}
	r->learner_epoch = m->epoch;
	if (replica_pending(r) && out != EPOCH_COLD)
		r->epoch_wait = 1;
	else
		r->d_learner_epoch = m->epoch;
	if (r->pull != PULL_SYNCED)
		pull_clear(r);
}

/* the extent hot and durable, then the stamp */
static void stamp_write(struct replica *r)
{
	r->hot = 1;
	r->stamp = r->mode == MEMBER || r->pull == PULL_SYNCED ? r->re : 0;
}

/* R7 */
static void on_commit(struct replica *r, u8 commit)
{
	if (commit <= r->rseq && commit > r->committed)
		r->committed = commit;
}

/* R5 */
static void on_write(struct state *s, u8 w, u8 n, const struct msg *m)
{
	struct replica *r = &s->r[n];
	u8 block = s->block_of[m->id];

	on_commit(r, m->commit);
	if (m->epoch != r->re || m->seq != r->rseq + 1) {
		refuse(s, w, n);
		return;
	}
	if (r->mode == LEARNER && (r->pull == PULL_ASKED || r->pull == PULL_ANSWERED))
		r->pull_touched |= (u8)BIT(block);
	r->rseq = m->seq;
	if ((cfg->how & SPLIT) && (w != n || (cfg->how & OWN_QUEUE))) {
		u8 i = r->pending[0].seq ? 1 : 0;

		r->pending[i].seq = m->seq & 0xf;
		r->pending[i].id = m->id;
		return;
	}
	stamp_write(r);
	disk_write(r, block, m->id);
	report(s, w, n, false, false, 0);
}

static void on_release(struct state *s, u8 w, u8 n)
{
	struct replica *r = &s->r[n];

	if (r->session != w && out != RELEASE_ANY_LINK)
		return;
	r->grant = 0;
	if (r->session == w)
		replica_session_end(s, n);
}

static void on_session(struct state *s, u8 w, u8 n, const struct msg *m)
{
	struct replica *r = &s->r[n];

	switch (m->kind) {
	case MSG_EPOCH:
		on_epoch(s, w, n, m);
		break;
	case MSG_WRITE:
		on_write(s, w, n, m);
		break;
	case MSG_COMMIT:
		on_commit(r, m->commit);
		break;
	case MSG_FLUSH: /* R6 */
		disk_flush(r);
		report(s, w, n, false, false, m->id);
		break;
	case MSG_JOIN:
		if (r->mode != LEARNER || r->pull != PULL_SYNCED) {
			refuse(s, w, n);
			break;
		}
		if (out != NO_JOIN_FLUSH)
			disk_flush(r);
		r->ready = 1;
		report(s, w, n, false, true, 0);
		break;
	default:
		break;
	}
}

/* FLUSH and JOIN act after the writes before them; here they wait in the link for that. */
bool replica_takes(const struct state *s, u8 w, u8 n)
{
	const struct replica *r = &s->r[n];
	u8 kind = s->c[w][n].q[0].kind;

	if (r->epoch_wait)
		return false;
	if (r->session != w)
		return true;
	if (kind == MSG_WRITE)
		return !r->pending[0].seq || !r->pending[1].seq;
	return (kind != MSG_FLUSH && kind != MSG_JOIN) || !replica_pending(r);
}

void replica_consume(struct state *s, u8 w, u8 n)
{
	struct chan *c = &s->c[w][n];
	struct msg m = c->q[0];

	c->n--;
	memmove(c->q, c->q + 1, (QUEUE_MAX - 1) * sizeof(c->q[0]));
	memset(&c->q[c->n], 0, sizeof(c->q[0]));
	if (m.kind == MSG_START)
		on_start(s, w, n, &m);
	else if (m.kind == MSG_RELEASE)
		on_release(s, w, n);
	else if (s->r[n].session == w)
		on_session(s, w, n, &m);
}

/* The crash and the boot (R14) in one: a copy that boots later is one that nobody asks. */
void replica_crash(struct state *s, u8 n, u8 v0, u8 v1)
{
	struct replica *r = &s->r[n], was = *r;

	memset(r, 0, sizeof(*r));
	r->now[0] = v0;
	r->now[1] = v1;
	disk_flush(r);
	r->hot = was.hot;
	r->d_stamp = r->stamp = was.d_stamp;
	r->d_learner_epoch = r->learner_epoch = was.d_learner_epoch;
	if (r->hot || (r->learner_epoch && r->stamp >= r->learner_epoch))
		r->stamp = 0;
	r->fence = out == NO_BOOT_FENCE ? 0 : s->epoch;
	r->session = NONE;
	r->pull_source = NONE;
	r->grant = 1;
}

/* R10; false: not now, or "no" */
static bool source_answer(struct state *s, u8 n)
{
	struct replica *l = &s->r[n];
	const struct replica *a = &s->r[l->pull_source];

	if (a->mode != MEMBER || a->session == NONE || a->re != l->re || !a->stamp)
		return false;
	if (a->rseq < l->pull_seen && out != PULL_NOSEEN)
		return false;
	if (acked(a) < l->pull_seen && replica_pending(a)) /* its own writes that were seen */
		return false;
	l->answer_same = l->pull_stamp && l->pull_stamp == a->stamp;
	if (!l->answer_same) {
		l->answer_stamp = a->stamp;
		memcpy(l->answer, a->now, sizeof(l->answer));
	}
	l->pull = PULL_ANSWERED;
	return true;
}

/* R11 */
static void pulled(struct state *s, u8 n)
{
	struct replica *r = &s->r[n];
	u8 touched = r->pull_touched, stamp = r->answer_same ? r->pull_stamp : r->answer_stamp;

	for (u8 b = 0; !r->answer_same && b < BLOCKS; b++)
		if (!(touched & BIT(b)))
			disk_write(r, b, r->answer[b]);
	if (!r->answer_same && out != PULL_NOHOT)
		r->hot = 1;
	r->stamp = touched ? r->re : stamp;
	pull_clear(r);
	r->pull = PULL_SYNCED;
	report(s, r->session, n, false, false, 0);
}

static void pull_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct replica *r = &s->r[n];
	struct state t;
	bool refused;

	if (r->mode != LEARNER || r->session == NONE)
		return;
	t = *s;
	refused = r->pull == PULL_ASKED && !source_answer(&t, n);
	for (u8 a = 0; (r->pull == PULL_NONE || refused) && a < cfg->nodes; a++) {
		if (a == n || !(r->set & BIT(a)))
			continue;
		t = *s;
		pull_clear(&t.r[n]);
		t.r[n].pull = PULL_ASKED;
		t.r[n].pull_source = a;
		t.r[n].pull_stamp = r->stamp;
		t.r[n].pull_seen = r->rseq;
		emit(&t, (struct label){ ACT_ASK, n, a, 0, 0 });
	}
	t = *s;
	if (r->pull == PULL_ASKED && source_answer(&t, n))
		emit(&t, (struct label){ ACT_SOURCE, r->pull_source, n, 0, 0 });
	if (r->pull == PULL_ANSWERED) {
		t = *s;
		pulled(&t, n);
		emit(&t, (struct label){ ACT_PULLED, n, r->pull_source, 0, 0 });
	}
}

/* R8, and pages that are written for the sake of other regions on them */
static void meta_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct replica *r = &s->r[n];
	struct state t;

	if (s->n_evictions < cfg->evictions && r->hot &&
	    (!replica_uncommitted(r) || out == HOT_EARLY)) {
		t = *s;
		disk_flush(&t.r[n]);
		t.r[n].d_stamp = r->stamp;
		t.r[n].hot = 0;
		t.n_evictions++;
		emit(&t, (struct label){ ACT_EVICT, n, 0, 0, 0 });
	}
	if (cfg->evictions && r->d_stamp != r->stamp) {
		t = *s;
		t.r[n].d_stamp = r->stamp;
		emit(&t, (struct label){ ACT_PAGE, n, 0, 0, 0 });
	}
	if (r->d_learner_epoch != r->learner_epoch && !r->epoch_wait) {
		t = *s;
		t.r[n].d_learner_epoch = r->learner_epoch;
		emit(&t, (struct label){ ACT_SUPER, n, 0, 0, 0 });
	}
}

/* R5: what was received goes to the disk: the stamp at some time, the data at some later one */
static void pending_expand(const struct state *s, u8 n, emit_fn emit)
{
	const struct replica *r = &s->r[n];
	struct state t = *s;

	for (u8 i = 0; i < PENDING_MAX; i++) {
		u8 other = (u8)(1 - i), id = r->pending[i].id;

		if (!r->pending[i].seq)
			continue;
		if (r->pending[other].seq && r->pending[other].seq < r->pending[i].seq &&
		    s->block_of[id] == s->block_of[r->pending[other].id])
			continue; /* order of the stream */
		t = *s;
		stamp_write(&t.r[n]);
		if (t.r[n].hot != r->hot || t.r[n].stamp != r->stamp)
			emit(&t, (struct label){ ACT_STAMP, n, id, 0, 0 });
		disk_write(&t.r[n], s->block_of[id], id);
		t.r[n].pending[i] = t.r[n].pending[1];
		memset(&t.r[n].pending[1], 0, sizeof(t.r[n].pending[1]));
		report(&t, r->session, n, false, false, 0);
		emit(&t, (struct label){ ACT_APPLY, n, id, 0, 0 });
	}
	if (r->epoch_wait) { /* R4 */
		t = *s;
		t.r[n].hot |= replica_pending(r);
		t.r[n].d_learner_epoch = r->learner_epoch;
		t.r[n].epoch_wait = 0;
		emit(&t, (struct label){ ACT_EPOCH, n, r->learner_epoch, 0, 0 });
	}
}

void replica_expand(const struct state *s, u8 n, emit_fn emit)
{
	if (!(cfg->disks & BIT(n)))
		return;
	pending_expand(s, n, emit);
	pull_expand(s, n, emit);
	meta_expand(s, n, emit);
}
