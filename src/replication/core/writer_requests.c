/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writer_requests.c - requests of the application: order and overlap (P1),
 * completion (P2, P3), flush (P4), reads (P5). Writes complete in the order of
 * their seq, since acknowledgements are cumulative.
 */
#include "replication/core/writer.h"

static bool overlap(const struct writer_request *a, const struct writer_request *b)
{
	return a->off < b->off + b->len && b->off < a->off + a->len;
}

static void complete(struct repl_writer *w, struct writer_request *q, int status, repl_buf buf)
{
	struct repl_effect e = { .kind = REPL_COMPLETE, .id = q->id, .status = status, .buf = buf };

	w->n_lease -= q->state == REQ_LEASE;
	q->state = REQ_FREE;
	w->n_requests--;
	w->low = PORT_MIN(w->low, (u32)(q - w->request));
	while (w->high && w->request[w->high - 1].state == REQ_FREE)
		w->high--;
	w->sink->emit(w->sink, &e);
}

/* P1: of two that overlap, one of them a write, the younger waits; reads among themselves do not.
 * A read that is under way holds a write back, or it could return what a fail-over then loses. */
static bool blocked(const struct repl_writer *w, const struct writer_request *q)
{
	for (u32 i = 0; i < w->high; i++) {
		const struct writer_request *o = &w->request[i];

		if (o->state == REQ_FREE || (o->kind != REQ_WRITE && q->kind != REQ_WRITE) ||
		    o == q || !overlap(o, q))
			continue;
		if (o->state != REQ_WAITING || o->order < q->order)
			return true;
	}
	return false;
}

static void send_write(struct repl_writer *w, u8 slot, const struct writer_request *q)
{
	struct repl_msg m = { .kind = REPL_MSG_WRITE,
			      .epoch = w->pe,
			      .seq = q->seq,
			      .commit = w->committed,
			      .op = q->op,
			      .off = q->off,
			      .len = q->len,
			      .buf = q->buf };

	m.payload_len = q->op == REPL_OP_DATA ? q->len : 0;
	writer_send(w, slot, &m);
}

static bool go_write(struct repl_writer *w, struct writer_request *q)
{
	if (w->seq - w->committed >= REPL_INFLIGHT_MAX || blocked(w, q))
		return false;
	if (peers_lag(w)) {
		u32 bytes = q->op == REPL_OP_DATA ? q->len : REPL_SECTOR; /* on the link */

		if (w->pace_left < bytes)
			return false;
		w->pace_left -= bytes;
	}
	q->seq = ++w->seq;
	q->state = REQ_FLYING;
	w->n_waiting--;
	w->flying[q->seq % REPL_INFLIGHT_MAX] = (u16)(q - w->request);
	for (u32 left = w->sent; left; left &= left - 1)
		send_write(w, (u8)__builtin_ctz(left), q);
	return true;
}

/* Counted by hand: without an instruction for it the compiler calls its library, which a kernel
 * does not have. */
static u8 striped(u32 may, u32 stripe)
{
	u32 n = 0;

	for (u32 left = may; left; left &= left - 1)
		n++;
	for (n = stripe % n; n; n--)
		may &= may - 1;
	return (u8)__builtin_ctz(may);
}

static u8 in_turn(struct repl_writer *w, u32 may)
{
	u32 later = may & ~((2u << w->read_next) - 1);

	return w->read_next = (u8)__builtin_ctz(later ? later : may);
}

static u8 least_pending(const struct repl_writer *w, u32 may)
{
	u8 best = (u8)__builtin_ctz(may);

	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if ((may & (1u << s)) && w->peer[s].reading < w->peer[best].reading)
			best = s;
	return best;
}

/* P5, by the policy; REPL_NO_SLOT when no member is there now that has not failed to read it */
static u8 read_source(struct repl_writer *w, const struct writer_request *q)
{
	u32 may = 0;

	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if ((w->members & ~w->lost & (1u << s)) && w->peer[s].started)
			may |= 1u << s;
	may &= ~(u32)q->tried;
	if (!may)
		return REPL_NO_SLOT;
	switch (w->read_policy) {
	case REPL_READ_LEAST_PENDING:
		return least_pending(w, may);
	case REPL_READ_STRIPED:
		return striped(may, (u32)(q->off / REPL_STRIPE_BYTES));
	case REPL_READ_ROUND_ROBIN:
		return in_turn(w, may);
	default:
		return may & (1u << w->self) ? w->self : in_turn(w, may);
	}
}

static void go_read(struct repl_writer *w, struct writer_request *q)
{
	struct repl_msg m = { .kind = REPL_MSG_READ, .off = q->off, .len = q->len };
	u8 s;

	if (blocked(w, q))
		return;
	s = read_source(w, q);
	if (s == REPL_NO_SLOT) {
		/* every member failed to read it: the application must know */
		if (q->tried && !w->lost && (w->members & ~(u32)q->tried) == 0) {
			w->n_waiting--;
			complete(w, q, -EIO, 0);
		}
		return;
	}
	q->state = REQ_READING;
	q->source = s;
	w->peer[s].reading++;
	w->n_waiting--;
	m.id = (u64)(q - w->request) | q->order << 16;
	writer_send(w, s, &m);
}

void requests_read_data(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now)
{
	struct writer_request *q = &w->request[(m->id & 0xffff) % REPL_REQUESTS_MAX];

	if (q->state != REQ_READING || q->source != slot ||
	    (m->id >> 16) != (q->order & ~0ull >> 16)) {
		writer_drop(w, m->buf);
		return;
	}
	w->peer[slot].reading--;
	if (m->reason || m->payload_len != q->len) {
		writer_drop(w, m->buf);
		q->tried |= (u16)(1u << slot);
		q->state = REQ_WAITING;
		w->n_waiting++;
		return;
	}
	q->state = REQ_LEASE; /* the data has arrived; it counts once the lease is seen to run */
	q->buf = m->buf;
	w->n_lease++;
	if (peers_lease(w, now))
		complete(w, q, 0, q->buf);
}

void requests_source_gone(struct repl_writer *w, u8 slot)
{
	w->peer[slot].reading = 0;
	for (u32 i = 0; i < w->high; i++) {
		struct writer_request *q = &w->request[i];

		if (q->state != REQ_READING || q->source != slot)
			continue;
		q->state = REQ_WAITING;
		w->n_waiting++;
	}
}

static void flush_send(struct repl_writer *w, u8 slot)
{
	struct repl_msg m = { .kind = REPL_MSG_FLUSH, .id = w->flush.id };

	writer_send(w, slot, &m);
}

static u32 must_answer(const struct repl_writer *w)
{
	return w->members | (w->join == REPL_NO_SLOT ? 0 : 1u << w->join);
}

/* P4: flushes that waited share one round. P11 [F26]: what was acknowledged is flushed before the
 * volume is handed over, for an application that lives on; its requests wait. */
static void flush_begin(struct repl_writer *w)
{
	bool any = w->yielding;

	if (w->flush.out || w->lost || (w->yielding && (!w->dirty || !requests_quiet(w))))
		return;
	for (u32 i = 0; !w->yielding && w->n_flushes && i < w->high; i++) {
		struct writer_request *q = &w->request[i];

		if (q->state != REQ_WAITING || q->kind != REQ_FLUSH)
			continue;
		q->state = REQ_FLUSHING;
		w->n_waiting--;
		w->n_flushes--;
		any = true;
	}
	if (!any)
		return;
	w->flush.out = true;
	w->flush.id = ++w->flush_ids;
	w->flush.seq = w->committed;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if (must_answer(w) & w->sent & (1u << s))
			flush_send(w, s);
}

void requests_flush_again(struct repl_writer *w, u8 slot)
{
	if (w->flush.out && (w->sent & (1u << slot)) && w->peer[slot].flushed < w->flush.id)
		flush_send(w, slot);
}

static void flush_settle(struct repl_writer *w)
{
	if (!w->flush.out)
		return;
	for (u32 left = must_answer(w); left; left &= left - 1)
		if (w->peer[__builtin_ctz(left)].flushed < w->flush.id)
			return;
	w->flush.out = false;
	w->dirty = w->committed > w->flush.seq;
	for (u32 i = 0; i < w->high; i++)
		if (w->request[i].state == REQ_FLUSHING)
			complete(w, &w->request[i], 0, 0);
}

/* P2, P3 */
static void commit_settle(struct repl_writer *w)
{
	u64 c = w->seq;

	for (u32 left = must_answer(w); left; left &= left - 1) {
		const struct writer_peer *p = &w->peer[__builtin_ctz(left)];

		c = PORT_MIN(c, p->started ? p->acked : w->committed);
	}
	while (w->committed < c) {
		struct writer_request *q =
			&w->request[w->flying[++w->committed % REPL_INFLIGHT_MAX]];

		w->dirty = true;
		complete(w, q, 0, 0);
	}
}

/* The oldest that waits and is younger than from; n: how many there are. A pass over the table,
 * since few wait at a time. */
static struct writer_request *next_waiting(struct repl_writer *w, u64 from, u32 n)
{
	struct writer_request *next = NULL, *last = &w->request[w->low - (w->low > 0)];

	if (n == 1 && last->order == w->orders && last->state == REQ_WAITING &&
	    last->kind != REQ_FLUSH)
		return last; /* mostly: it was submitted just now */
	for (u32 i = 0; i < w->high; i++) {
		struct writer_request *q = &w->request[i];

		if (q->state == REQ_WAITING && q->kind != REQ_FLUSH && q->order > from &&
		    (!next || q->order < next->order))
			next = q;
	}
	return next;
}

static void waiting_settle(struct repl_writer *w)
{
	u64 from = 0;

	for (u32 n = w->n_waiting - w->n_flushes; n; n--) {
		struct writer_request *next = next_waiting(w, from, n);

		if (!next)
			return;
		from = next->order;
		if (next->kind == REQ_READ)
			go_read(w, next);
		else if (!go_write(w, next) && w->seq - w->committed >= REPL_INFLIGHT_MAX)
			return;
	}
}

void requests_settle(struct repl_writer *w, u64 now)
{
	if (!w->lost) { /* P2 [F22] */
		commit_settle(w);
		flush_settle(w);
		flush_begin(w);
	}
	if (w->n_lease && peers_lease(w, now))
		for (u32 i = 0; i < w->high; i++)
			if (w->request[i].state == REQ_LEASE)
				complete(w, &w->request[i], 0, w->request[i].buf);
	if (w->n_waiting && !w->yielding && repl_writer_serving(w))
		waiting_settle(w);
}

void requests_fail(struct repl_writer *w, int status)
{
	for (u32 i = 0; i < w->high; i++) {
		struct writer_request *q = &w->request[i];

		if (q->state == REQ_FREE)
			continue;
		if (q->state == REQ_LEASE)
			writer_drop(w, q->buf);
		complete(w, q, status, 0);
	}
	w->n_waiting = w->n_flushes = 0;
	w->committed = w->seq; /* nothing is in flight any more */
}

bool requests_idle(const struct repl_writer *w)
{
	return !w->n_requests;
}

bool requests_quiet(const struct repl_writer *w)
{
	return w->n_requests == w->n_waiting && !w->flush.out;
}

/* P7: everything in flight again, in order, to the member that came back. Learners were cut: to
 * them the same seqs would be a gap. */
void requests_resend(struct repl_writer *w, u8 slot)
{
	for (u64 s = w->committed + 1; s <= w->seq; s++)
		send_write(w, slot, &w->request[w->flying[s % REPL_INFLIGHT_MAX]]);
	if (w->flush.out)
		flush_send(w, slot);
}

void requests_renew(struct repl_writer *w)
{
	for (u32 i = 0; i < w->high; i++)
		w->request[i].tried = 0;
}

int repl_writer_submit(struct repl_writer *w, u8 kind, u64 id, u8 op, u64 off, u32 len,
		       repl_buf buf, u64 now)
{
	struct writer_request *q = &w->request[w->low];

	if (w->state == WRITER_STOPPED ||
	    (!w->yielding && (w->state == WRITER_IDLE || w->state == WRITER_RELEASING)))
		return -EIO;
	if (w->n_requests == REPL_REQUESTS_MAX)
		return -EBUSY;
	while (q->state != REQ_FREE)
		q++;
	*q = (struct writer_request){ .state = REQ_WAITING,
				      .kind = kind,
				      .op = op,
				      .off = off,
				      .len = len,
				      .id = id,
				      .buf = buf,
				      .order = ++w->orders };
	w->low = (u32)(q - w->request) + 1;
	w->high = PORT_MAX(w->high, w->low);
	w->n_requests++;
	w->n_waiting++;
	w->n_flushes += kind == REQ_FLUSH;
	writer_settle(w, now);
	return 0;
}
