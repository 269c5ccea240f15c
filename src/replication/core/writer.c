/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writer.c - the states of the writer's role and its dealings with consensus.
 * State changes in writer_move() only. At most one CAS is out at a time; what
 * it is for is told by what was proposed, its answer is handled in one place.
 */
#include "replication/core/writer.h"

/* A candidate whose copies are all silent or have promised would not hear that the record has moved
 * on, to a set that could serve it. */
#define REREAD_NS (3 * REPL_GRACE_NS)
#define BACKOFF_NS (300 * REPL_MS) /* C4: a random part of it is added to itself */
/* A released record: its copies are all alike, and promises of more than one are worth a moment. */
#define GATHER_NS (300 * REPL_MS)

static const char *const state_names[WRITER_STATES] = {
	"idle", "reading", "promising", "proposing", "backoff", "serving", "releasing", "stopped",
};

#define TO(s) (1u << (s))
static const u16 state_to[WRITER_STATES] = {
	[WRITER_IDLE] = TO(WRITER_READING),
	[WRITER_READING] = TO(WRITER_PROMISING) | TO(WRITER_STOPPED) | TO(WRITER_IDLE),
	[WRITER_PROMISING] = TO(WRITER_PROPOSING) | TO(WRITER_BACKOFF) | TO(WRITER_IDLE),
	[WRITER_PROPOSING] = TO(WRITER_SERVING) | TO(WRITER_BACKOFF) | TO(WRITER_IDLE),
	[WRITER_BACKOFF] = TO(WRITER_READING) | TO(WRITER_IDLE),
	[WRITER_SERVING] = TO(WRITER_RELEASING) | TO(WRITER_STOPPED),
	[WRITER_RELEASING] = TO(WRITER_IDLE) | TO(WRITER_READING),
	[WRITER_STOPPED] = TO(WRITER_IDLE) | TO(WRITER_READING),
};

const char *repl_writer_state_name(enum writer_state s)
{
	return s < WRITER_STATES ? state_names[s] : "?";
}

static void emit(struct repl_writer *w, const struct repl_effect *e)
{
	w->sink->emit(w->sink, e);
}

void writer_changed(struct repl_writer *w)
{
	struct repl_effect e = { .kind = REPL_CHANGED };

	emit(w, &e);
}

void writer_move(struct repl_writer *w, enum writer_state to, const char *reason)
{
	if (!(state_to[w->state] & TO(to)))
		return;
	w->state = to;
	w->reason = reason;
	writer_changed(w);
}

void writer_send(struct repl_writer *w, u8 slot, const struct repl_msg *m)
{
	struct repl_effect e = { .kind = REPL_SEND, .link = REPL_LINK_SLOT(slot), .msg = m };

	emit(w, &e);
}

void writer_drop(struct repl_writer *w, repl_buf buf)
{
	struct repl_effect e = { .kind = REPL_BUF_DROP, .buf = buf };

	if (buf)
		emit(w, &e);
}

static u64 random_below(struct repl_writer *w, u64 below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % below;
}

void repl_writer_init(struct repl_writer *w, u8 self, bool self_disk, u32 copies,
		      const struct repl_tag *tag, u64 seed, struct repl_sink *sink)
{
	w->sink = sink;
	w->self = self;
	w->self_disk = self_disk;
	w->copies = copies;
	w->tag = *tag;
	w->random = seed | 1;
	w->reason = "";
	w->join = w->grow_slot = REPL_NO_SLOT;
}

/* One at a time: an application may come and go as often as it likes while nobody answers. The
 * answer to an earlier one is as good, it might as well have been slow. */
static void read_record(struct repl_writer *w)
{
	struct repl_effect e = { .kind = REPL_READ_RECORD };

	writer_move(w, WRITER_READING, w->reason);
	if (w->read_out)
		return;
	e.id = w->read_out = ++w->cas_token;
	emit(w, &e);
}

void repl_writer_open(struct repl_writer *w, bool heals, u64 now)
{
	w->opened = true;
	w->heals = heals;
	w->yielding = false;
	if (w->state == WRITER_IDLE || w->state == WRITER_STOPPED)
		read_record(w);
	writer_settle(w, now);
}

/* Nothing of the old term may reach into a new one. */
static void forget_term(struct repl_writer *w)
{
	w->cas_out = CAS_NONE;
	w->grow_slot = w->join = REPL_NO_SLOT;
	w->members = w->lost = w->learners_out = 0;
	w->flush.out = false;
}

void writer_stop(struct repl_writer *w, const char *reason)
{
	requests_fail(w, -EIO);
	peers_release(w);
	forget_term(w);
	writer_move(w, WRITER_STOPPED, reason);
}

bool repl_writer_alone(const struct repl_writer *w)
{
	if (w->state != WRITER_SERVING)
		return false;
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		if ((w->members & ~w->lost & (1u << s)) && w->peer[s].started)
			return false;
	return true;
}

/* The outcome of what is under way is unknown, as for any writer that goes: a REVIVE that is out
 * may still be decided, and the next candidate reads the record anew. */
void repl_writer_abandon(struct repl_writer *w)
{
	if (repl_writer_alone(w))
		writer_stop(w, "no copy in sync has answered for too long");
}

/* No request is under way; before a planned move some may wait. With a whole set the record says
 * that nobody is writer, so that "in use" is a fact and all of the set may go on together (C1);
 * otherwise it stays and the next candidate goes on from it. */
static void release(struct repl_writer *w, u64 now)
{
	u32 members = w->members;
	bool whole = !w->lost && !w->cas_out;

	if (whole)
		peers_commit(w);
	if (!w->yielding)
		requests_fail(w, -EIO);
	w->yield_until = now + REPL_YIELD_NS;
	peers_release(w);
	forget_term(w);
	writer_move(w, WRITER_RELEASING, "");
	if (whole)
		writer_propose(w, CAS_RELEASE, REPL_NO_SLOT, members);
	else
		writer_move(w, WRITER_IDLE, "");
}

/* P11. The volume is released as by a close, once nothing is under way. Requests that come later
 * wait for the volume to be taken back: by an open, or by themselves when nobody else took it. */
void repl_writer_yield(struct repl_writer *w, u64 now)
{
	/* one that has not served yet knows no sizes, so no request could ask for it back */
	if (!repl_writer_serving(w) || !w->opened)
		return;
	w->yielding = true;
	writer_settle(w, now);
}

void repl_writer_close(struct repl_writer *w, u64 now)
{
	w->opened = w->yielding = false;
	if (w->state == WRITER_IDLE || w->state == WRITER_RELEASING || w->state == WRITER_PROPOSING)
		requests_fail(w, -EIO); /* waiting since a yield */
	if (w->state == WRITER_STOPPED || w->state == WRITER_BACKOFF ||
	    w->state == WRITER_READING || w->state == WRITER_PROMISING) {
		requests_fail(w, -EIO);
		peers_release(w);
		writer_move(w, WRITER_IDLE, "");
	}
	writer_settle(w,
		      now); /* PROPOSING: when the answer is there; SERVING: when no CAS is out */
}

void writer_propose(struct repl_writer *w, enum writer_cas what, u8 writer, u32 in_sync)
{
	struct repl_effect e = { .kind = REPL_CAS };

	w->tag.counter++;
	w->cas = (struct repl_record){
		.epoch = w->record.epoch + 1, .writer = writer, .in_sync = in_sync, .tag = w->tag
	};
	w->cas_out = (u8)what;
	e.id = ++w->cas_token;
	e.record = w->cas;
	emit(w, &e);
}

/* Who opens it for the copies alone does so against nobody: the driver's store was late. Were it to
 * ask the copies, it would take the volume from an application whose links fail for a moment. */
static bool gives_way(const struct repl_writer *w)
{
	return w->heals && w->record.writer != REPL_NO_SLOT && w->record.writer != w->self;
}

void repl_writer_record(struct repl_writer *w, u64 token, const struct repl_record *r, u64 now)
{
	if (token != w->read_out)
		return;
	w->read_out = 0;
	if (w->state != WRITER_READING)
		return;
	w->record = *r;
	if (gives_way(w)) {
		writer_stop(w, "another node has the volume open");
		return;
	}
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++) {
		w->peer[s].promise = PROMISE_NONE;
		w->peer[s].promise_at = 0;
	}
	w->reread_at = now + REREAD_NS;
	w->gather_until = now + GATHER_NS;
	writer_move(w, WRITER_PROMISING, w->reason);
	writer_settle(w, now);
}

static void backoff(struct repl_writer *w, const char *reason, u64 now)
{
	w->wake = now + BACKOFF_NS + random_below(w, BACKOFF_NS);
	writer_move(w, WRITER_BACKOFF, reason);
}

/* C1, C2: s, or REPL_NO_SLOT while more answers are needed */
static u8 choose_promised(const struct repl_writer *w, u8 *ret_start)
{
	u32 all = w->record.in_sync, intact = 0, restarted = 0;

	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		intact |= w->peer[s].promise == PROMISE_INTACT ? 1u << s : 0;
		restarted |= w->peer[s].promise == PROMISE_RESTARTED ? 1u << s : 0;
	}
	intact &= all;
	restarted &= all;
	*ret_start = intact ? REPL_START_MEMBER : REPL_START_RESTARTED;
	if (!intact && restarted != all)
		return REPL_NO_SLOT; /* [F18] a restarted copy only when no other can be better */
	if (!intact)
		intact = restarted;
	if (intact & (1u << w->self))
		return w->self;
	/* own copy first: it would answer within the grace time unless it cannot */
	if ((all & (1u << w->self)) && w->self_disk &&
	    (w->peer[w->self].promise == PROMISE_LATER ||
	     w->peer[w->self].promise == PROMISE_ASKED))
		return REPL_NO_SLOT;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if (intact & (1u << s))
			return s;
	return REPL_NO_SLOT;
}

/* A writer has said so, or nobody has written yet. Without a tag the control plane has taken out a
 * writer that had released nothing: its last writes may be on some copies only. */
static bool is_released(const struct repl_record *r)
{
	const struct repl_tag *t = &r->tag;

	return r->writer == REPL_NO_SLOT &&
	       (t->node || t->boot || t->counter || r->epoch < REPL_EPOCH_FIRST);
}

/*
 * C1 of a released record: its writer had nothing under way, so all copies of the set that are
 * still intact are alike, and go on together. Before the first serving epoch nobody has written:
 * then that is so for restarted ones, too. 0: none, or more may come.
 */
static u32 choose_released(const struct repl_writer *w, u8 *ret_start, u64 now)
{
	bool untouched = w->record.epoch < REPL_EPOCH_FIRST;
	u32 chosen = 0;

	if (!is_released(&w->record))
		return 0;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if ((w->record.in_sync & (1u << s)) &&
		    (w->peer[s].promise == PROMISE_INTACT ||
		     (untouched && w->peer[s].promise == PROMISE_RESTARTED)))
			chosen |= 1u << s;
	*ret_start = untouched ? REPL_START_RESTARTED : REPL_START_MEMBER;
	return chosen == w->record.in_sync || now >= w->gather_until ? chosen : 0;
}

static u32 choose_set(const struct repl_writer *w, u8 *ret_start, u64 now)
{
	u32 chosen = choose_released(w, ret_start, now);
	u8 one;

	if (chosen)
		return chosen;
	if (is_released(&w->record) && now < w->gather_until)
		return 0;
	one = choose_promised(w, ret_start);
	return one == REPL_NO_SLOT ? 0 : 1u << one;
}

static void promising_settle(struct repl_writer *w, u64 now)
{
	struct repl_msg m = { .kind = REPL_MSG_PROMISE,
			      .epoch = w->record.epoch,
			      .mask = w->record.in_sync };
	u8 start;
	u32 chosen = choose_set(w, &start, now);

	if (chosen) {
		w->cas_start = start;
		writer_move(w, WRITER_PROPOSING, "");
		writer_propose(w, CAS_PROMOTE, w->self, chosen);
		return;
	}
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		struct writer_peer *p = &w->peer[s];

		if (!(w->record.in_sync & (1u << s)) || !p->up || now < p->promise_at ||
		    p->promise == PROMISE_INTACT || p->promise == PROMISE_RESTARTED)
			continue;
		p->promise = PROMISE_ASKED;
		p->promise_at = now + 5 * REPL_RETRY_NS;
		writer_send(w, s, &m);
	}
}

/* C3 */
static void begin_serving(struct repl_writer *w, u64 now)
{
	w->pe = w->record.epoch;
	w->members = w->record.in_sync;
	w->lost = 0;
	w->seq = w->committed = 0;
	w->dirty = true; /* [F5b] */
	w->flush.out = false;
	w->join = REPL_NO_SLOT;
	w->wanted = false;
	w->sizes_due = true;
	w->wake = 0;
	requests_renew(w);
	writer_move(w, WRITER_SERVING, "");
	w->sent = 0;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		w->peer[s].started = false;
		w->peer[s].tried_epoch = 0;
		w->peer[s].echo = 0;
		if (!(w->members & (1u << s)))
			continue;
		if (w->peer[s].up)
			peers_start(w, s, w->cas_start, now);
		else
			w->lost |= 1u << s;
	}
}

/* P7: the member that came back is the set; learners go, since what was in flight is sent again */
static void on_revived(struct repl_writer *w, u64 now)
{
	u8 s = (u8)__builtin_ctz(w->members);

	for (u8 o = 0; o < REPL_SLOTS_MAX; o++)
		if (o != s && (w->sent & (1u << o)))
			peers_cut(w, o, now);
	w->lost = w->members;
	if (!w->peer[s].up)
		return;
	w->lost = 0;
	peers_start(w, s, w->cas_start, now);
	requests_resend(w, s);
}

/* P9 */
static void on_grown(struct repl_writer *w)
{
	u8 s = w->grow_slot;

	w->join = w->grow_slot = REPL_NO_SLOT;
	w->peer[s].failures = 0;
	if (!w->peer[s].started)
		w->lost |= 1u << s; /* lost while the proposal was out: P6 follows */
}

/* what a rejected GROW left behind is void: its epoch is taken */
static void bury_grow(struct repl_writer *w)
{
	if (w->grow_slot != REPL_NO_SLOT && w->join == w->grow_slot)
		w->join = REPL_NO_SLOT;
	w->grow_slot = REPL_NO_SLOT;
}

/* the epoch went on by our own proposal while serving */
static void serving_accepted(struct repl_writer *w, enum writer_cas what, u64 now)
{
	w->pe = w->record.epoch;
	w->members = w->record.in_sync;
	w->sizes_due = true;
	if (what == CAS_GROW)
		on_grown(w);
	else
		bury_grow(w);
	if (what == CAS_REVIVE) {
		on_revived(w, now);
		return;
	}
	w->lost &= w->members;
	peers_epoch(w);
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if (what == CAS_LEARNERS && (w->learners_out & (1u << s)) && w->peer[s].up &&
		    !(w->sent & (1u << s)) && peers_fit(w, s))
			peers_start(w, s, REPL_START_LEARNER, now);
	w->learners_out = 0;
}

/*
 * The record is what we made it with ours: nobody was faster. When a cluster was recovered from one
 * node its epoch is a higher one, and that is all; whoever else changes a record takes our tag out.
 */
static bool is_ours(const struct repl_record *ours, const struct repl_record *r)
{
	return r->epoch >= ours->epoch && r->tag.node == ours->tag.node &&
	       r->tag.boot == ours->tag.boot && r->tag.counter == ours->tag.counter &&
	       r->writer == ours->writer && r->in_sync == ours->in_sync;
}

/*
 * The proposal was not allowed, or the epoch is another one.
 * A copy that is just being removed cannot join any more, for one. An earlier try of the same
 * proposal may still be under way in the network and land: so a rejected GROW stays outstanding
 * (join and lease include its copy, nothing completes) until another CAS of ours has taken that
 * epoch.
 */
static void on_rejected(struct repl_writer *w, enum writer_cas what, u32 epoch, u64 now)
{
	w->record.epoch =
		epoch; /* the next proposal builds on it; sessions go on in pe until then */
	w->wake = now + REPL_RETRY_NS;
	w->learners_out = 0;
	if (what == CAS_GROW)
		peers_cut(w, w->grow_slot, now);
}

void repl_writer_cas_done(struct repl_writer *w, u64 token, bool accepted,
			  const struct repl_record *r, u64 now)
{
	enum writer_cas what = w->cas_out;

	if (!what || token != w->cas_token)
		return;
	w->cas_out = CAS_NONE;
	if (!accepted && is_ours(&w->cas, r)) { /* it had won before the recovery */
		w->cas.epoch = r->epoch;
		accepted = true;
	}
	if (accepted)
		w->record = w->cas;
	switch (w->state) {
	case WRITER_PROPOSING:
		if (accepted)
			begin_serving(w, now);
		else if (w->opened)
			backoff(w, "another node changed the record first", now);
		else
			writer_move(w, WRITER_IDLE, ""); /* closed meanwhile */
		break;
	case WRITER_SERVING:
		if (accepted)
			serving_accepted(w, what, now);
		else if (is_ours(&w->record, r))
			on_rejected(w, what, r->epoch, now);
		else
			writer_stop(w, "another node has taken over"); /* P10 */
		break;
	case WRITER_RELEASING:
		writer_move(w, WRITER_IDLE, "");
		if (w->opened && !w->yielding)
			read_record(w);
		break;
	default:
		break;
	}
	writer_settle(w, now);
}

/* P7. No member is left: wait for one of them. */
static void revive_settle(struct repl_writer *w)
{
	u32 restarted = 0;

	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		const struct writer_peer *p = &w->peer[s];

		if (!(w->members & (1u << s)) || !p->up || !p->known)
			continue;
		if (!p->intact) {
			restarted |= 1u << s;
			continue;
		}
		w->cas_start = REPL_START_MEMBER;
		writer_propose(w, CAS_REVIVE, w->self, 1u << s);
		return;
	}
	if (restarted != w->members)
		return;
	/* [F5] acknowledged writes may be gone: never go on as if nothing had happened */
	if (w->dirty) {
		writer_stop(w, "every copy restarted or failed: unflushed writes may be lost");
		return;
	}
	w->cas_start = REPL_START_RESTARTED;
	writer_propose(w, CAS_REVIVE, w->self, 1u << (u32)__builtin_ctz(restarted));
}

/* A member that is being removed counts as lost, once another good copy stays. */
static void leaving_settle(struct repl_writer *w, u64 now)
{
	u32 live = w->members & ~w->lost, gone = live & ~w->copies;

	for (u32 left = gone == live ? 0 : gone; left; left &= left - 1)
		peers_cut(w, (u8)__builtin_ctz(left), now);
}

/* P6, P8, P9: what the set should be next */
/* P11: nothing is under way, and what was acknowledged is on the members' disks [F26] */
static bool yields_now(const struct repl_writer *w)
{
	return w->yielding && !w->lost && !w->dirty && requests_quiet(w);
}

static void serving_settle(struct repl_writer *w, u64 now)
{
	u32 left, waiting = 0;

	if (w->cas_out || now < w->wake)
		return;
	if ((!w->opened && requests_idle(w)) || yields_now(w)) {
		release(w, now);
		return;
	}
	leaving_settle(w, now);
	left = w->members & ~w->lost;
	if (w->lost) {
		if (left)
			writer_propose(w, CAS_SHRINK, w->self, left);
		else
			revive_settle(w);
		return;
	}
	if (w->join != REPL_NO_SLOT && w->peer[w->join].ready &&
	    w->committed >= w->peer[w->join].join_seq) {
		w->grow_slot = w->join;
		writer_propose(w, CAS_GROW, w->self, w->members | 1u << w->join);
		return;
	}
	for (u32 outside = w->copies & ~w->members; outside; outside &= outside - 1) {
		u8 s = (u8)__builtin_ctz(outside);

		if (w->peer[s].up && w->peer[s].known && !(w->sent & (1u << s)) &&
		    now >= w->peer[s].not_before && repl_writer_serving(w) && peers_fit(w, s))
			waiting |= 1u << s;
	}
	if (waiting || w->grow_slot != REPL_NO_SLOT) {
		w->learners_out = waiting;
		writer_propose(w, CAS_LEARNERS, w->self, w->members);
	}
}

/* A volume is as large as it is on all members; a learner that is smaller has to grow first. */
static void sizes_settle(struct repl_writer *w, u64 now)
{
	u32 all = w->members | (w->join == REPL_NO_SLOT ? 0 : 1u << w->join);
	bool grown = false;

	if (!w->sizes_due || !repl_writer_serving(w))
		return;
	w->sizes_due = false;
	for (u32 v = 0; v < REPL_VOLUMES_MAX; v++) {
		u64 size = REPL_VOLUME_BYTES_MAX;

		for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
			if (all & (1u << s))
				size = PORT_MIN(size, w->peer[s].size[v]);
		if (size <= w->size[v])
			continue;
		w->size[v] = size;
		grown = true;
	}
	if (!grown)
		return;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if ((w->sent & (1u << s)) && !peers_fit(w, s))
			peers_cut(w, s, now);
	writer_changed(w);
}

void writer_settle(struct repl_writer *w, u64 now)
{
	if (w->state == WRITER_PROMISING)
		promising_settle(w, now);
	if (w->state != WRITER_SERVING)
		return;
	peers_settle(w, now);
	sizes_settle(w, now);
	requests_settle(w, now);
	serving_settle(w, now);
}

void repl_writer_set_copies(struct repl_writer *w, u32 copies, u64 now)
{
	u32 gone = w->copies & ~copies & ~w->members;

	w->copies = copies;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if (gone & (1u << s))
			peers_cut(w, s, now);
	writer_settle(w, now); /* members among them: leaving_settle */
}

bool repl_writer_wants_link(const struct repl_writer *w, u8 slot)
{
	if (slot == w->self || w->state == WRITER_IDLE || w->state == WRITER_STOPPED ||
	    w->state == WRITER_RELEASING)
		return false;
	/* a member that is being removed, too, as long as it is one */
	return (w->copies | w->record.in_sync) & (1u << slot);
}

bool repl_writer_busy(const struct repl_writer *w)
{
	return (w->state != WRITER_IDLE && w->state != WRITER_STOPPED) ||
	       (w->yielding && w->n_waiting);
}

bool repl_writer_serving(const struct repl_writer *w)
{
	if (w->state != WRITER_SERVING || w->lost)
		return false;
	for (u32 left = w->members; left; left &= left - 1) /* asked for with each message */
		if (!w->peer[__builtin_ctz(left)].started)
			return false;
	return true;
}

void repl_writer_tick(struct repl_writer *w, u64 now)
{
	if (w->state == WRITER_PROMISING && now >= w->reread_at)
		backoff(w, w->reason, now);
	if (w->state == WRITER_BACKOFF && now >= w->wake)
		read_record(w);
	if (w->state == WRITER_SERVING)
		peers_tick(w, now);
	if (w->state == WRITER_IDLE && w->yielding && w->n_waiting && now >= w->yield_until)
		repl_writer_open(w, false, now); /* nobody has taken it: P11 */
	w->pace_left = REPL_PACE_BYTES;
	writer_settle(w, now);
}
