/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica_source.c - what a replica answers to others: reads of the writer (P5)
 * and questions of learners (R10). serve[] is in two parts: the first
 * REPL_SERVES_MAX for questions, the rest for reads.
 */
#include "replication/core/replica.h"

#define SERVES_ALL (REPL_SERVES_MAX + REPL_REQUESTS_MAX)
#define WAIT_NS (1000 * REPL_MS) /* for an epoch or a write to arrive; then NO */

static struct replica_serve *serve_new(struct repl_replica *r, u32 from, u32 to, u32 link,
				       const struct repl_msg *m, u64 now)
{
	for (u32 i = from; i < to; i++) {
		struct replica_serve *s = &r->serve[i];

		if (s->state != SERVE_FREE)
			continue;
		*s = (struct replica_serve){
			.state = SERVE_WAITING, .link = link, .msg = *m, .since = now
		};
		r->n_serves++;
		return s;
	}
	return NULL;
}

static void serve_free(struct repl_replica *r, struct replica_serve *s)
{
	s->state = SERVE_FREE;
	r->n_serves--;
}

static void answer(struct repl_replica *r, const struct replica_serve *s, u8 kind, u8 op, u32 stamp)
{
	struct repl_msg m = s->msg;

	m.kind = kind;
	m.op = op;
	m.stamp = stamp;
	m.buf = 0;
	m.payload_len = 0;
	replica_send(r, s->link, &m);
}

static void submit_read(struct repl_replica *r, struct replica_serve *s, u64 off, u32 len)
{
	struct repl_effect e = { .kind = REPL_DISK_READ,
				 .id = DISK_ID(DISK_SERVE, s - r->serve),
				 .volume = (u8)REPL_ADDRESS_VOLUME(off),
				 .off = REPL_ADDRESS_OFF(off),
				 .len = len };

	s->state = SERVE_READING;
	r->sink->emit(r->sink, &e);
}

static void refuse_read(struct repl_replica *r, u32 link, const struct repl_msg *m, u32 reason)
{
	struct repl_msg a = { .kind = REPL_MSG_READ_DATA,
			      .id = m->id,
			      .off = m->off,
			      .len = m->len,
			      .reason = reason };

	replica_send(r, link, &a);
}

static void on_read(struct repl_replica *r, u32 link, const struct repl_msg *m, u64 now)
{
	struct replica_serve *s;

	if (!replica_has(r, m->off, m->len)) {
		replica_break(r, link);
		return;
	}
	if (r->mode != REPLICA_MEMBER || !r->session || r->session_link != link) {
		refuse_read(r, link, m, REPL_NOT_MEMBER);
		return;
	}
	s = serve_new(r, REPL_SERVES_MAX, SERVES_ALL, link, m, now);
	if (s)
		submit_read(r, s, m->off, m->len);
	else
		replica_break(r, link); /* more than a writer may have under way */
}

void source_ask(struct repl_replica *r, u32 link, const struct repl_msg *m, u64 now)
{
	struct repl_msg no = *m;

	if (m->kind == REPL_MSG_READ) {
		on_read(r, link, m, now);
		return;
	}
	if (m->count > map_page_rest(m->region)) {
		replica_break(r, link);
		return;
	}
	if (serve_new(r, 0, REPL_SERVES_MAX, link, m, now))
		return; /* source_settle answers */
	no.kind = REPL_MSG_NO;
	replica_send(r, link, &no);
}

void source_link_down(struct repl_replica *r, u32 link)
{
	for (u32 i = 0; r->n_serves && i < SERVES_ALL; i++) {
		struct replica_serve *s = &r->serve[i];

		if (s->state == SERVE_FREE || s->link != link)
			continue;
		s->cancelled = true;
		if (s->state == SERVE_READ)
			replica_drop(r, s->msg.buf);
		if (s->state != SERVE_READING)
			serve_free(r, s);
	}
}

/* Without a session rseq counts writes that were given up when it ended: the content may lack
 * what a learner has seen. */
static bool may_answer(const struct repl_replica *r)
{
	return r->mode == REPLICA_MEMBER && r->session;
}

/* R10: not yet, although it may come. A write that the learner had not seen when it asked is no
 * reason: it comes to the learner by its own stream, and its stamp is set before its data is there.
 * Waiting for those, too, would starve the learner of a region that is written all the time. */
static bool must_wait(const struct repl_replica *r, const struct repl_msg *m)
{
	return m->epoch > r->re || m->seq > r->rseq ||
	       stream_overlaps(r, (u64)m->region * REPL_REGION_BYTES,
			       (u64)m->count * REPL_REGION_BYTES, m->seq);
}

/* What is behind the end of a volume, here or on the learner's side while it is being grown, was
 * never written. false: the stamp is not in memory yet. */
static bool source_stamp(struct repl_replica *r, u32 region, u32 *ret)
{
	*ret = REPL_STAMP_FRESH;
	return region % REPL_REGIONS_PER_VOLUME >=
		       replica_regions_of(r, region / REPL_REGIONS_PER_VOLUME) ||
	       map_stamp(r, region, ret);
}

/* What was found alike stays so: a write since then has a seq behind the learner's question, so the
 * learner has noted it as touched. */
static void serve_pull(struct repl_replica *r, struct replica_serve *s)
{
	const struct repl_msg *m = &s->msg;
	u64 off = (u64)m->region * REPL_REGION_BYTES, size = r->size[REPL_ADDRESS_VOLUME(off)];
	u32 stamp = REPL_STAMP_UNKNOWN;

	for (; s->compared < m->count; s->compared++) {
		if (!source_stamp(r, m->region + s->compared, &stamp))
			return;
		if (stamp != m->stamp || stamp == REPL_STAMP_UNKNOWN)
			break;
	}
	if (s->compared == m->count)
		answer(r, s, REPL_MSG_SAME, 0, m->stamp);
	else if (m->count > 1)
		answer(r, s, REPL_MSG_DIFFER, 0, m->stamp);
	else if (stamp == REPL_STAMP_FRESH)
		answer(r, s, REPL_MSG_DATA, REPL_OP_ZERO, REPL_STAMP_FRESH);
	else {
		submit_read(r, s, off,
			    (u32)PORT_MIN(size - REPL_ADDRESS_OFF(off), REPL_REGION_BYTES));
		return;
	}
	serve_free(r, s);
}

/* The content was read first, the stamp is sampled now [F16], or as soon as it is in memory. */
static void serve_read(struct repl_replica *r, struct replica_serve *s)
{
	struct repl_msg m = s->msg;

	if (may_answer(r) && m.epoch == r->re) {
		if (!map_stamp(r, m.region, &m.stamp))
			return;
	} else {
		m.stamp = REPL_STAMP_UNKNOWN;
	}
	if (m.stamp == REPL_STAMP_UNKNOWN) {
		replica_drop(r, m.buf);
		answer(r, s, REPL_MSG_NO, 0, 0);
	} else {
		m.kind = REPL_MSG_DATA;
		m.op = REPL_OP_DATA;
		replica_send(r, s->link, &m);
	}
	serve_free(r, s);
}

void source_settle(struct repl_replica *r, u64 now)
{
	if (!r->n_serves)
		return;
	for (u32 i = 0; i < REPL_SERVES_MAX; i++) {
		struct replica_serve *s = &r->serve[i];

		if (s->state == SERVE_READ)
			serve_read(r, s);
		if (s->state != SERVE_WAITING)
			continue;
		if (!may_answer(r) || s->msg.epoch < r->re || now > s->since + WAIT_NS) {
			answer(r, s, REPL_MSG_NO, 0, 0);
			serve_free(r, s);
		} else if (!must_wait(r, &s->msg)) {
			serve_pull(r, s);
		}
	}
}

static void read_done(struct repl_replica *r, struct replica_serve *s, int status, repl_buf buf,
		      u32 len)
{
	struct repl_msg m = { .kind = REPL_MSG_READ_DATA,
			      .id = s->msg.id,
			      .off = s->msg.off,
			      .len = len,
			      .payload_len = len,
			      .buf = buf };

	if (!status && len == s->msg.len) {
		replica_send(r, s->link, &m);
		return;
	}
	replica_drop(r, buf);
	refuse_read(r, s->link, &s->msg, REPL_DISK);
}

void source_read_done(struct repl_replica *r, u32 index, int status, repl_buf buf, u32 len)
{
	struct replica_serve *s = &r->serve[index % SERVES_ALL];

	if (s->cancelled) {
		replica_drop(r, buf);
	} else if (s->msg.kind == REPL_MSG_READ) {
		read_done(r, s, status, buf, len);
	} else if (status) {
		replica_drop(r, buf);
		answer(r, s, REPL_MSG_NO, 0, 0);
	} else {
		s->state = SERVE_READ;
		s->msg.buf = buf;
		s->msg.payload_len = len;
		serve_read(r, s);
		return;
	}
	serve_free(r, s);
}
