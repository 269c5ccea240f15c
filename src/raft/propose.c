// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * propose.c - requests to the Raft library and their answers: proposals,
 * barriers, membership changes, transfer. Called by the leader's API layer and
 * members.c. A request waits, is submitted by consensus_turn_asks, and is
 * answered by a later one; see instance.h for the reason. To add a kind: embed
 * struct ask first, write its submit and answer.
 */
#include <assert.h>
#include <errno.h>
#include <raft.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "raft/instance.h"

#define ENTRY_ALIGN 8 /* the library wants lengths that are multiples of it */

struct proposal {
	struct ask ask;
	struct raft_apply req;
	struct raft_buffer buf; /* ours until submitted */
	size_t bytes;           /* counted in proposal_bytes */
	struct txn_result result;
	struct consensus *c;
	consensus_cb cb;
	void *arg;
};

struct waiter {
	struct ask ask;
	bool first; /* of a reign */
	void (*cb)(int status, void *arg);
	void *arg;
};

enum change_verb { CHANGE_ADD, CHANGE_ASSIGN, CHANGE_REMOVE, CHANGE_TRANSFER };

struct change {
	struct ask ask;
	union {
		struct raft_change change;
		struct raft_transfer transfer;
	} req;
	enum change_verb verb;
	uint32_t id;
	int role;
	char address[CONSENSUS_ADDRESS_MAX];
	struct consensus *c;
	void (*cb)(int status, void *arg);
	void *arg;
};

void ask_queue_init(struct ask_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

void ask_push(struct ask_queue *q, struct ask *a)
{
	a->next = NULL;
	*q->tail = a;
	q->tail = &a->next;
}

static struct ask *ask_pop(struct ask_queue *q)
{
	struct ask *a = q->head;

	if (!a)
		return NULL;
	q->head = a->next;
	if (!q->head)
		q->tail = &q->head;
	return a;
}

/* moves all of from to the end of to */
static void ask_move(struct ask_queue *from, struct ask_queue *to)
{
	if (!from->head)
		return;
	*to->tail = from->head;
	to->tail = from->tail;
	ask_queue_init(from);
}

static void finish(struct consensus *c, struct ask *a, int status)
{
	a->status = status;
	ask_push(&c->done, a);
	consensus_wake(c);
}

static void ask_for(struct consensus *c, struct ask *a)
{
	ask_push(&c->waiting, a);
	consensus_wake(c);
}

/* 0 when the instance still takes requests */
static int closed_code(const struct consensus *c)
{
	return c->running && !c->stopping && !c->fatal.code ? 0 : -ECANCELED;
}

/* --- proposals --- */

static void proposal_answer(struct consensus *c, struct ask *a)
{
	struct proposal *p = (struct proposal *)a;

	c->proposals--;
	c->proposal_bytes -= p->bytes;
	raft_free(p->buf.base);
	p->cb(a->status, a->status == 0 ? &p->result : NULL, p->arg);
	free(p);
}

/* The library calls this right after fsm_apply of the same entry, or with a failure. */
static void proposal_applied(struct raft_apply *req, int status)
{
	struct proposal *p = req->data;
	struct consensus *c = p->c;

	if (status != 0) {
		/* it may have reached other nodes and be committed by the next leader */
		finish(c, &p->ask, -E_UNKNOWN);
		return;
	}
	assert(c->last_index == req->index);
	p->result = c->last_result;
	if (p->result.outcome == TXN_SKIPPED) {
		consensus_fail(
			c, -E_CORRUPT,
			"the Raft log in %s is behind the store: it has lost committed entries",
			c->raft_dir);
		finish(c, &p->ask, -E_UNKNOWN);
		return;
	}
	finish(c, &p->ask, 0);
}

static void proposal_submit(struct consensus *c, struct ask *a)
{
	struct proposal *p = (struct proposal *)a;
	int rv = closed_code(c);

	if (rv == 0 && !consensus_is_leader(c))
		rv = -E_NOT_LEADER;
	if (rv == 0) {
		p->req.data = p;
		rv = consensus_code(raft_apply(&c->raft, &p->req, &p->buf, 1, proposal_applied));
		if (rv == 0)
			p->buf.base = NULL; /* the library's now */
	}
	if (rv < 0)
		finish(c, a, rv);
}

static int proposal_check(struct consensus *c, size_t len)
{
	struct err err = { 0 };
	int rv = closed_code(c);

	if (rv < 0)
		return rv;
	if (!consensus_is_leader(c))
		return -E_NOT_LEADER;
	if (len == 0 || len > TXN_BYTES_MAX)
		return -EMSGSIZE;
	if (c->proposals > CONSENSUS_INFLIGHT_MAX)
		return -EBUSY;
	rv = store_room(c->store, c->proposal_bytes + len, &err);
	if (rv == 0)
		rv = disk_room(c, &err);
	if (rv < 0)
		log_warn("raft", "proposal refused: %s", err.text);
	return rv;
}

void consensus_propose(struct consensus *c, const void *data, size_t len, consensus_cb cb,
		       void *arg)
{
	struct proposal *p = calloc(1, sizeof(*p));
	int rv;

	if (!p) {
		cb(-ENOMEM, NULL, arg); /* nothing to remember it by until later */
		return;
	}
	p->ask.submit = proposal_submit;
	p->ask.answer = proposal_answer;
	p->c = c;
	p->cb = cb;
	p->arg = arg;
	c->proposals++;
	rv = proposal_check(c, len);
	if (rv == 0) {
		p->buf.len = (len + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
		p->buf.base = raft_malloc(p->buf.len);
		if (!p->buf.base)
			rv = -ENOMEM;
	}
	if (rv < 0) {
		finish(c, &p->ask, rv);
		return;
	}
	memcpy(p->buf.base, data, len);
	memset((char *)p->buf.base + len, ' ', p->buf.len - len); /* blanks end a JSON text well */
	p->bytes = len;
	c->proposal_bytes += len;
	ask_for(c, &p->ask);
}

/* --- barriers --- */

static void waiter_answer(struct consensus *c, struct ask *a)
{
	struct waiter *w = (struct waiter *)a;

	w->cb(a->status, w->arg);
	free(w);
}

static void barrier_passed(struct raft_barrier *req, int status)
{
	struct consensus *c = req->data;
	struct ask *a;

	c->barrier_busy = false;
	while ((a = ask_pop(&c->barrier_sharing)))
		finish(c, a, status == 0 ? 0 : c->stopping ? -ECANCELED : -E_NOT_LEADER);
	consensus_wake(c); /* for those that wait for the next one */
}

/* A barrier under way is of no use to who asks now: its answer may tell of a time before the
 * question. So all that come meanwhile share the next one. */
static void start_barrier(struct consensus *c)
{
	struct ask *a;
	int rv;

	if (c->barrier_busy || !c->barrier_waiting.head)
		return;
	rv = closed_code(c);
	if (rv == 0) {
		c->barrier.data = c;
		c->barrier_busy = true;
		ask_move(&c->barrier_waiting, &c->barrier_sharing);
		rv = consensus_code(raft_barrier(&c->raft, &c->barrier, barrier_passed));
		if (rv == 0)
			return;
		c->barrier_busy = false;
		ask_move(&c->barrier_sharing, &c->barrier_waiting);
	}
	while ((a = ask_pop(&c->barrier_waiting)))
		finish(c, a, rv);
}

static void waiter_submit(struct consensus *c, struct ask *a)
{
	struct waiter *w = (struct waiter *)a;
	int rv = closed_code(c);

	/* Until its first barrier has passed a leader's barriers are merged by the library with the
	 * one it made by itself at the beginning, which may be older than the question. */
	if (rv == 0 && !w->first && !consensus_is_leader(c))
		rv = -E_NOT_LEADER;
	if (rv < 0)
		finish(c, a, rv);
	else
		ask_push(&c->barrier_waiting, a);
}

static void barrier_ask(struct consensus *c, bool first, void (*cb)(int status, void *arg),
			void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		cb(-ENOMEM, arg);
		return;
	}
	w->ask.submit = waiter_submit;
	w->ask.answer = waiter_answer;
	w->first = first;
	w->cb = cb;
	w->arg = arg;
	ask_for(c, &w->ask);
}

void consensus_barrier(struct consensus *c, void (*cb)(int status, void *arg), void *arg)
{
	barrier_ask(c, false, cb, arg);
}

void consensus_first_barrier(struct consensus *c, void (*cb)(int status, void *arg), void *arg)
{
	barrier_ask(c, true, cb, arg);
}

/* --- membership --- */

static void change_answer(struct consensus *c, struct ask *a)
{
	struct change *ch = (struct change *)a;

	ch->cb(a->status, ch->arg);
	free(ch);
}

static void change_finish(struct change *ch, int status)
{
	struct consensus *c = ch->c;

	assert(c->change == ch);
	c->change = NULL;
	finish(c, &ch->ask, status);
}

static void change_made(struct raft_change *req, int status)
{
	change_finish(req->data, status == 0                   ? 0
				 : status == RAFT_NOCONNECTION ? -ETIMEDOUT
							       : -E_UNKNOWN);
}

static void transfer_made(struct raft_transfer *req)
{
	struct change *ch = req->data;
	const char *address;
	raft_id id;

	raft_leader(&ch->c->raft, &id, &address);
	change_finish(ch, id == req->id ? 0 : -ETIMEDOUT);
}

static int change_call(struct consensus *c, struct change *ch)
{
	struct raft *r = &c->raft;
	struct raft_change *req = &ch->req.change;

	switch (ch->verb) {
	case CHANGE_ADD:
		req->data = ch;
		return raft_add(r, req, ch->id, ch->address, change_made);
	case CHANGE_ASSIGN:
		req->data = ch;
		return raft_assign(r, req, ch->id, ch->role, change_made);
	case CHANGE_REMOVE:
		req->data = ch;
		return raft_remove(r, req, ch->id, change_made);
	case CHANGE_TRANSFER:
		ch->req.transfer.data = ch;
		return raft_transfer(r, &ch->req.transfer, ch->id, transfer_made);
	}
	return RAFT_INVALID;
}

static void change_submit(struct consensus *c, struct ask *a)
{
	struct change *ch = (struct change *)a;
	int rv = closed_code(c);

	if (rv == 0 && c->change)
		rv = -EBUSY;
	if (rv == 0 && ch->verb == CHANGE_ADD && c->raft.configuration.n >= CONSENSUS_SERVERS_MAX)
		rv = -E_INVALID;
	if (rv == 0) {
		int code;

		c->change = ch;
		code = change_call(c, ch);
		if (code == 0)
			return;
		/* a failed raft_assign leaves the request behind, to be called later */
		if (ch->verb != CHANGE_TRANSFER && c->raft.state == RAFT_LEADER &&
		    c->raft.leader_state.change == &ch->req.change)
			c->raft.leader_state.change = NULL;
		c->change = NULL;
		rv = code == RAFT_BADROLE ? 0 : consensus_code(code); /* has the role already */
	}
	finish(c, a, rv);
}

static void change_init(struct consensus *c, struct change *ch, void (*cb)(int status, void *arg),
			void *arg)
{
	ch->ask.submit = change_submit;
	ch->ask.answer = change_answer;
	ch->c = c;
	ch->cb = cb;
	ch->arg = arg;
}

static void change_ask(struct consensus *c, struct change *ch, void (*cb)(int status, void *arg),
		       void *arg)
{
	change_init(c, ch, cb, arg);
	ask_for(c, &ch->ask);
}

static struct change *change_new(enum change_verb verb, uint32_t id,
				 void (*cb)(int status, void *arg), void *arg)
{
	struct change *ch = calloc(1, sizeof(*ch));

	if (!ch) {
		cb(-ENOMEM, arg);
		return NULL;
	}
	ch->verb = verb;
	ch->id = id;
	return ch;
}

void consensus_add(struct consensus *c, uint32_t id, const char *address,
		   void (*cb)(int status, void *arg), void *arg)
{
	struct change *ch = change_new(CHANGE_ADD, id, cb, arg);
	size_t len = strlen(address);

	if (!ch)
		return;
	if (len < sizeof(ch->address)) {
		memcpy(ch->address, address, len + 1);
		change_ask(c, ch, cb, arg);
	} else {
		change_init(c, ch, cb, arg);
		finish(c, &ch->ask, -E_INVALID);
	}
}

void consensus_assign(struct consensus *c, uint32_t id, enum consensus_role role,
		      void (*cb)(int status, void *arg), void *arg)
{
	static const int roles[] = { [CONSENSUS_SPARE] = RAFT_SPARE,
				     [CONSENSUS_STANDBY] = RAFT_STANDBY,
				     [CONSENSUS_VOTER] = RAFT_VOTER };
	struct change *ch = change_new(CHANGE_ASSIGN, id, cb, arg);

	if (!ch)
		return;
	ch->role = roles[role];
	change_ask(c, ch, cb, arg);
}

void consensus_remove(struct consensus *c, uint32_t id, void (*cb)(int status, void *arg),
		      void *arg)
{
	struct change *ch = change_new(CHANGE_REMOVE, id, cb, arg);

	if (ch)
		change_ask(c, ch, cb, arg);
}

void consensus_transfer(struct consensus *c, uint32_t id, void (*cb)(int status, void *arg),
			void *arg)
{
	struct change *ch = change_new(CHANGE_TRANSFER, id, cb, arg);

	if (ch)
		change_ask(c, ch, cb, arg);
}

/* --- the turn --- */

static void take(struct ask_queue *from, struct ask_queue *to)
{
	ask_queue_init(to);
	ask_move(from, to);
}

void consensus_turn_asks(struct consensus *c)
{
	struct ask_queue now;
	struct ask *a;

	take(&c->waiting, &now);
	while ((a = ask_pop(&now)))
		a->submit(c, a);
	start_barrier(c);
	/* callbacks may ask for more: that is for the next turn */
	take(&c->done, &now);
	while ((a = ask_pop(&now)))
		a->answer(c, a);
}

void consensus_cancel_asks(struct consensus *c)
{
	struct ask *a;

	/* an answered caller may ask again, in vain */
	while (c->waiting.head || c->barrier_waiting.head || c->done.head) {
		while ((a = ask_pop(&c->waiting)))
			finish(c, a, -ECANCELED);
		while ((a = ask_pop(&c->barrier_waiting)))
			finish(c, a, -ECANCELED);
		while ((a = ask_pop(&c->done)))
			a->answer(c, a);
	}
}
