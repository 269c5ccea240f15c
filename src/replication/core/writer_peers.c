/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writer_peers.c - the copies as the writer sees them: sessions, who is lost
 * (P6), learners on their way in (P8, P9), the lease (P5), the silence limits.
 */
#include "replication/core/writer.h"

#define LEARNER_PAUSE_NS (500 * REPL_MS) /* between two starts of a learner that does not hold; */
#define LEARNER_DOUBLINGS 6u             /* doubled each time so often: 32 s */

enum writer_role peers_role(const struct repl_writer *w, u8 slot)
{
	if (w->members & (1u << slot))
		return ROLE_MEMBER;
	if (w->join == slot)
		return ROLE_JOIN;
	return w->sent & (1u << slot) ? ROLE_LEARNER : ROLE_NONE;
}

const char *repl_writer_peer_name(const struct repl_writer *w, u8 slot)
{
	static const char *const names[] = { "none", "member", "learner", "joining" };

	if (w->state != WRITER_SERVING)
		return "none";
	if (w->lost & (1u << slot))
		return "lost";
	return names[peers_role(w, slot)];
}

/* START is the first message of a session */
void peers_start(struct repl_writer *w, u8 slot, u8 start, u64 now)
{
	struct writer_peer *p = &w->peer[slot];
	struct repl_msg m = { .kind = REPL_MSG_START,
			      .start = start,
			      .epoch = w->pe,
			      .mask = w->members,
			      .tag = w->tag };

	/* P7: a member gets what is in flight again; a learner pulls what was before */
	m.seq = start == REPL_START_LEARNER ? w->seq : w->committed;
	if (p->tried_epoch == w->pe) {
		peers_cut(w, slot, now);
		return;
	}
	w->sent |= 1u << slot;
	p->started = p->synced = p->join_sent = p->ready = false;
	p->start = start;
	p->start_epoch = p->tried_epoch = w->pe;
	p->acked = m.seq;
	p->echo = 0;
	p->since = p->moved_at = now;
	p->reading = 0;
	p->flushed = 0;
	writer_send(w, slot, &m);
}

void peers_epoch(struct repl_writer *w)
{
	struct repl_msg m = { .kind = REPL_MSG_EPOCH, .epoch = w->pe, .mask = w->members };

	for (u32 left = w->sent; left; left &= left - 1)
		writer_send(w, (u8)__builtin_ctz(left), &m);
}

void peers_end(struct repl_writer *w, u8 slot, u64 now)
{
	struct writer_peer *p = &w->peer[slot];
	bool had = w->sent & (1u << slot);

	w->sent &= ~(1u << slot);
	p->started = p->synced = p->join_sent = p->ready = false;
	p->echo = 0;
	if (had) {
		p->not_before =
			now + (LEARNER_PAUSE_NS << PORT_MIN(p->failures, LEARNER_DOUBLINGS));
		p->failures++;
	}
	if (w->state != WRITER_SERVING)
		return;
	if (w->members & (1u << slot)) /* P6; for good in this epoch [F20] */
		w->lost |= 1u << slot;
	if (w->join == slot &&
	    w->grow_slot != slot) /* P9: an outstanding GROW keeps it until the answer */
		w->join = REPL_NO_SLOT;
	w->sizes_due = true;
	if (had)
		requests_source_gone(w, slot);
}

void peers_cut(struct repl_writer *w, u8 slot, u64 now)
{
	struct repl_effect e = { .kind = REPL_LINK_CLOSE, .link = REPL_LINK_SLOT(slot) };
	bool up = w->peer[slot].up;

	w->peer[slot].up = w->peer[slot].known = false;
	w->peer[slot].promise = PROMISE_NONE;
	peers_end(w, slot, now);
	if (up)
		w->sink->emit(w->sink, &e);
}

/* While it serves, WRITE and PING carry the commit point; the last one would be lost with the
 * session. */
void peers_commit(struct repl_writer *w)
{
	struct repl_msg m = { .kind = REPL_MSG_COMMIT, .commit = w->committed };

	for (u32 left = w->sent; left; left &= left - 1)
		writer_send(w, (u8)__builtin_ctz(left), &m);
}

void peers_release(struct repl_writer *w)
{
	struct repl_msg m = { .kind = REPL_MSG_RELEASE };

	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		if ((w->sent & (1u << s)) && w->peer[s].up)
			writer_send(w, s, &m);
		w->peer[s].started = false;
		w->peer[s].promise = PROMISE_NONE;
	}
	w->sent = 0;
}

void repl_writer_link_up(struct repl_writer *w, u8 slot, u64 now)
{
	struct writer_peer *p = &w->peer[slot];

	p->up = true;
	p->known = false;
	w->lags &= ~(1u << slot);
	memset(p->size, 0, sizeof(p->size));
	p->promise = PROMISE_NONE;
	p->promise_at = 0;
	writer_settle(w, now);
}

void repl_writer_link_down(struct repl_writer *w, u8 slot, u64 now)
{
	struct writer_peer *p = &w->peer[slot];

	p->up = p->known = false;
	if (p->promise == PROMISE_ASKED || p->promise == PROMISE_LATER)
		p->promise =
			PROMISE_NONE; /* given promises stay: they are in the fence of the copy */
	peers_end(w, slot, now);
	writer_settle(w, now);
}

static void on_promise(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now)
{
	static const char *const why[REPL_REASONS] = {
		[REPL_NOT_MEMBER] = "a copy says it is not in the set",
		[REPL_HEARS] = "in use on another node",
		[REPL_LEASED] = "waiting for the lease of the last writer to run out",
		[REPL_DISK] = "the disk of a copy has failed",
		[REPL_NOT_BOOTED] = "a copy is starting",
	};
	struct writer_peer *p = &w->peer[slot];

	if (w->state != WRITER_PROMISING || m->epoch != w->record.epoch ||
	    p->promise != PROMISE_ASKED)
		return;
	if (m->kind == REPL_MSG_PROMISED) {
		p->promise = m->intact ? PROMISE_INTACT : PROMISE_RESTARTED;
		return;
	}
	p->promise = m->reason == REPL_DISK ? PROMISE_NONE : PROMISE_LATER;
	p->promise_at = now + PORT_MIN(PORT_MAX(m->time, REPL_MS), REPL_GRACE_NS);
	if (m->reason < REPL_REASONS && why[m->reason])
		w->reason = why[m->reason];
	if (m->reason == REPL_STALE) {
		w->wake = now + REPL_RETRY_NS;
		writer_move(w, WRITER_BACKOFF, "the record has moved on");
	}
}

static void on_ack(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now)
{
	struct writer_peer *p = &w->peer[slot];

	if (m->seq > w->seq || m->seq < p->acked) {
		peers_cut(w, slot, now);
		return;
	}
	p->acked = m->seq;
	p->moved_at = now;
}

static void on_refused(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now)
{
	if (m->reason == REPL_DISK)
		w->reason = "the disk of a copy has failed";
	peers_cut(w, slot, now);
}

/* messages that count only after STARTED of the present session (P2) */
static void on_started_session(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now)
{
	struct writer_peer *p = &w->peer[slot];

	switch (m->kind) {
	case REPL_MSG_ACK:
		on_ack(w, slot, m, now);
		break;
	case REPL_MSG_FLUSHED:
		p->flushed = PORT_MAX(p->flushed, m->id);
		p->moved_at = now;
		break;
	case REPL_MSG_SYNCED:
		p->synced = true;
		break;
	case REPL_MSG_READY:
		if (p->join_sent)
			p->ready = true;
		break;
	case REPL_MSG_ECHO:
		if (m->time <= now && m->time > p->echo)
			p->echo = m->time;
		break;
	case REPL_MSG_WANTED:
		w->wanted = true;
		writer_changed(w);
		break;
	case REPL_MSG_READ_DATA:
		requests_read_data(w, slot, m, now);
		break;
	default: /* nothing a replica sends here; it may bring a payload */
		writer_drop(w, m->buf);
		break;
	}
}

bool peers_fit(const struct repl_writer *w, u8 slot)
{
	for (u32 v = 0; v < REPL_VOLUMES_MAX; v++)
		if (w->peer[slot].size[v] < w->size[v])
			return false;
	return true;
}

bool peers_lag(const struct repl_writer *w)
{
	for (u32 left = w->lags & ~w->members; left; left &= left - 1)
		if (w->peer[__builtin_ctz(left)].started)
			return true;
	return false;
}

void repl_writer_link_lags(struct repl_writer *w, u8 slot, bool lags, u64 now)
{
	w->lags = lags ? w->lags | 1u << slot : w->lags & ~(1u << slot);
	writer_settle(w, now);
}

static void ping(struct repl_writer *w, u8 slot, u64 now)
{
	struct repl_msg m = { .kind = REPL_MSG_PING, .time = now, .commit = w->committed };

	writer_send(w, slot, &m);
}

void repl_writer_receive(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now)
{
	struct writer_peer *p = &w->peer[slot];

	switch (m->kind) {
	case REPL_MSG_STATE:
		p->known = true;
		p->intact = m->intact;
		break;
	case REPL_MSG_SIZE:
		if (m->id < REPL_VOLUMES_MAX)
			p->size[m->id] = PORT_MAX(p->size[m->id], m->seq);
		w->sizes_due = true;
		break;
	case REPL_MSG_PROMISED:
	case REPL_MSG_UNPROMISED:
		on_promise(w, slot, m, now);
		break;
	case REPL_MSG_STARTED:
		if (w->state == WRITER_SERVING && (w->sent & (1u << slot)) &&
		    m->epoch == p->start_epoch) {
			p->started = w->sizes_due = true;
			p->since = now;
			ping(w, slot, now); /* the first read need not wait for the tick */
		}
		break;
	case REPL_MSG_REFUSED:
		if (w->state == WRITER_SERVING)
			on_refused(w, slot, m, now);
		break;
	default:
		if (w->state == WRITER_SERVING && p->started)
			on_started_session(w, slot, m, now);
		else
			writer_drop(w, m->buf);
	}
	writer_settle(w, now);
}

/* P5: everybody who could let another writer in still holds to us. Own copy included [F3], and the
 * learner of an outstanding GROW. */
u64 repl_writer_lease_end(const struct repl_writer *w)
{
	u64 oldest = ~0ull - REPL_LEASE_NS;
	u32 need = w->members;

	if (w->grow_slot != REPL_NO_SLOT)
		need |= 1u << w->grow_slot;
	for (; need; need &= need - 1) {
		const struct writer_peer *p = &w->peer[__builtin_ctz(need)];

		if (!p->started || !p->echo)
			return 0;
		oldest = PORT_MIN(oldest, p->echo);
	}
	return oldest + REPL_LEASE_NS;
}

bool peers_lease(const struct repl_writer *w, u64 now)
{
	return now < repl_writer_lease_end(w);
}

/* P9: one learner at a time comes in */
void peers_settle(struct repl_writer *w, u64 now)
{
	u32 left = w->copies & ~w->members;

	if (!left || w->join != REPL_NO_SLOT || w->lost)
		return;
	for (; left; left &= left - 1) {
		u8 s = (u8)__builtin_ctz(left);
		struct writer_peer *p = &w->peer[s];

		if (!p->synced || !p->started)
			continue;
		w->join = s;
		p->join_sent = true;
		p->join_seq = w->seq;
		p->moved_at = now; /* from now on it is waited for */
		writer_send(w, s, &(struct repl_msg){ .kind = REPL_MSG_JOIN });
		requests_flush_again(w, s);
		return;
	}
}

/* A learner's answers stand behind what it has not taken yet, and nobody waits for it: it gets more
 * time than a member, whose silence holds up every write. */
static bool silent(const struct repl_writer *w, u8 slot, u64 now)
{
	const struct writer_peer *p = &w->peer[slot];
	enum writer_role role = peers_role(w, slot);

	if (!p->started || (role != ROLE_MEMBER && role != ROLE_JOIN))
		return now >= PORT_MAX(p->echo, p->since) + REPL_START_NS;
	return now >= PORT_MAX(p->echo, p->since) + REPL_SILENCE_NS;
}

/* Writes or a flush wait for its disk, and it has answered none for long; or its START. A flush may
 * have much to write: it has more time. */
static bool stalled(struct repl_writer *w, u8 slot, u64 now)
{
	struct writer_peer *p = &w->peer[slot];
	bool flushes = w->flush.out && p->flushed < w->flush.id;

	if (!p->started)
		return (w->sent & (1u << slot)) && now >= p->since + REPL_START_NS;
	if (p->acked == w->seq && !flushes)
		p->moved_at = now;
	return now >= p->moved_at + (flushes ? REPL_STALL_FLUSH_NS : REPL_STALL_NS);
}

/* A disk that hangs must not hold up the others; when those of all members hang there is nothing to
 * gain. */
static void stalls_settle(struct repl_writer *w, u64 now)
{
	u32 all = w->members & ~w->lost, hung = 0;

	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if ((all & (1u << s)) && stalled(w, s, now))
			hung |= 1u << s;
	if (hung == all)
		hung = 0;
	if (w->join != REPL_NO_SLOT && stalled(w, w->join, now))
		hung |= 1u << w->join;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if (hung & (1u << s)) {
			w->reason = "the disk of a copy does not answer";
			peers_cut(w, s, now);
		}
}

void peers_tick(struct repl_writer *w, u64 now)
{
	bool due = now >= w->ping_at;

	if (due)
		w->ping_at = now + REPL_PING_NS;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		if (!(w->sent & (1u << s)))
			continue;
		if (silent(w, s, now) && s != w->self)
			peers_cut(w, s, now);
		else if (due)
			ping(w, s, now);
	}
	stalls_settle(w, now);
}
