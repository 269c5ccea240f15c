// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clients.c - who asks for changes, as the leader's API does it (src/api/mutate.c):
 * known request id? decide, propose; after a conflict decide anew, before a
 * refusal a barrier. A client that does not know what became of its request
 * asks again with the same id, perhaps while the first attempt is still on its way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

#define SOON (20 * MS)

struct attempt {
	u32 client, number, attempt;
	u32 slot;
	u64 life;
	u64 acked_before; /* barriers: the last revision that somebody had been told */
	char request[32], author[32];
};

static void again(struct client *c, u64 delay)
{
	struct ctl_event e = { .kind = EV_CLIENT, .arg = c->id, .life = ++c->turn };

	ctl_schedule(ctl_around(delay), &e);
}

static void finish(struct client *c)
{
	c->busy = false;
	c->asked = false;
	again(c, ctl.o.think);
}

static struct attempt *attempt_new(struct client *c, struct server *s)
{
	struct attempt *a = calloc(1, sizeof(*a));

	c->attempt++;
	c->asked = true;
	c->asked_at = ctl.now;
	a->client = c->id;
	a->number = c->number;
	a->attempt = c->attempt;
	a->slot = s->slot;
	a->life = s->inst->life;
	snprintf(a->request, sizeof(a->request), "%s", c->request);
	snprintf(a->author, sizeof(a->author), "c%u.%u", c->id, c->attempt);
	return a;
}

/* Does the client still wait for this one, and did the answer get to it? */
static struct client *waiting(const struct attempt *a)
{
	struct client *c = &ctl.client[a->client];

	return c->asked && c->number == a->number && c->attempt == a->attempt ? c : NULL;
}

static bool is_dead(const struct attempt *a)
{
	struct inst *i = ctl.server[a->slot].inst;

	return !i || i->life != a->life || i->dying;
}

static void succeed(struct client *c, u64 revision, bool duplicate)
{
	checker_acked(c->request, revision, duplicate);
	if (duplicate)
		ctl.stats.duplicates++;
	else
		ctl.stats.acked++;
	if (c->verb == VERB_FOUND)
		ctl.founding++;
	if (c->verb == VERB_ASK)
		joint_answer(c, NULL, true);
	else
		finish(c);
}

static void retry(struct client *c, u64 delay)
{
	c->asked = false;
	c->tries++;
	if (ctl.o.mutant & MUTANT_TWO_IDS)
		snprintf(c->request, sizeof(c->request), "c%u-%u.%u", c->id, c->number, c->tries);
	again(c, delay);
}

static void on_answer(int status, const struct txn_result *r, void *arg)
{
	struct attempt *a = arg;
	struct client *c = waiting(a);

	if (is_dead(a)) {
		free(a);
		return;
	}
	ctl_note("c%u answer to %s: %d outcome %d revision %llu", a->client, a->request, status,
		 r ? (int)r->outcome : -1, r ? (unsigned long long)r->revision : 0);
	if (status == 0 && (r->outcome == TXN_APPLIED || r->outcome == TXN_DUPLICATE) && !c)
		checker_acked(a->request, r->revision, r->outcome == TXN_DUPLICATE);
	if (status == 0 && r->outcome != TXN_APPLIED && r->outcome != TXN_DUPLICATE &&
	    r->outcome != TXN_CONFLICT)
		ctl_fail("c%u: outcome %d of a good transaction", a->client, r->outcome);
	if (status == -E_NOT_LEADER || status == -EBUSY || status == -ENOSPC ||
	    status == -ECANCELED)
		checker_refused(a->author);
	else if (status != 0 && status != -E_UNKNOWN)
		ctl_fail("c%u: a proposal is answered %s", a->client, err_name(status));
	if (status == -E_UNKNOWN)
		ctl.stats.unknown++;
	if (c && status == 0 && r->outcome == TXN_CONFLICT) {
		ctl.stats.conflicts++;
		retry(c, MS);
	} else if (c && status == 0) {
		succeed(c, r->revision, r->outcome == TXN_DUPLICATE);
	} else if (c) {
		retry(c, SOON);
	}
	free(a);
}

/* A refusal speaks of what is committed: the barrier proves that the leader knew all of it. */
static void on_barrier(int status, void *arg)
{
	struct attempt *a = arg;
	struct client *c = waiting(a);

	if (is_dead(a)) {
		free(a);
		return;
	}
	if (status == 0) {
		u64 applied = store_applied(ctl.server[a->slot].store);

		ctl.stats.barriers++;
		if (applied < a->acked_before)
			ctl_fail("after a barrier s%u is at %llu, but %llu was acknowledged before",
				 a->slot, (unsigned long long)applied,
				 (unsigned long long)a->acked_before);
	}
	if (c && status == 0 && c->verb == VERB_ASK) {
		joint_answer(c, &ctl.server[a->slot], false);
	} else if (c && status == 0) {
		ctl.stats.refused++;
		if (c->verb == VERB_FOUND && !ctl.o.mutant)
			ctl_fail("the founding is refused at step %u", ctl.founding);
		finish(c);
	} else if (c) {
		retry(c, SOON);
	}
	free(a);
}

static void ask_barrier(struct client *c, struct server *s)
{
	struct attempt *a = attempt_new(c, s);

	a->acked_before = checker_last_acked();
	consensus_barrier(s->inst->c, on_barrier, a);
}

static void ask(struct client *c, struct server *s)
{
	struct attempt *a;
	struct err err = { 0 };
	struct buf out;
	struct txn *t;
	u64 revision;
	int rv;

	if (store_request(s->store, c->request, &revision, NULL) == 0) {
		succeed(c, revision, true);
		return;
	}
	a = attempt_new(c, s);
	t = txn_new(a->request, a->author);
	rv = client_decide(c, s->inst, t, &err);
	if (ctl_chance(3, 4)) /* older leaders did not say it */
		txn_note(t, (int64_t)(server_clock_us(s) / 1000), a->request);
	if (rv < 0 || txn_is_empty(t)) {
		ctl_note("c%u %s verb %d %s: %s", c->id, c->request, c->verb, c->name,
			 rv < 0 ? err_name(rv) : "nothing to do");
		txn_free(t);
		free(a);
		ask_barrier(c, s);
		return;
	}
	buf_init(&out, TXN_BYTES_MAX);
	rv = txn_encode(t, &out, &err);
	txn_free(t);
	if (rv < 0)
		ctl_fail("c%u: cannot encode: %s", c->id, err.text);
	ctl_note("c%u asks s%u for %s, verb %d %s", c->id, s->slot, c->request, c->verb, c->name);
	ctl.stats.proposals++;
	consensus_propose(s->inst->c, out.data, out.len, on_answer, a);
	buf_release(&out);
}

static struct server *choose(struct client *c)
{
	struct server *s = &ctl.server[c->hint % SERVERS_MAX], *leader;

	if (!s->inst || ctl_chance(1, 10)) {
		c->hint = (u32)ctl_below(SERVERS_MAX);
		s = &ctl.server[c->hint];
	}
	if (!s->inst || s->inst->busy_until > ctl.now)
		return NULL;
	if (consensus_is_leader(s->inst->c))
		return s;
	leader = server_by_id(consensus_leader(s->inst->c, NULL));
	c->hint = leader ? leader->slot : (u32)ctl_below(SERVERS_MAX);
	return NULL;
}

void client_step(u32 id, u64 turn)
{
	struct client *c = &ctl.client[id];
	struct server *s;

	if (turn != c->turn)
		return;
	if (!c->busy) {
		bool founding = ctl.o.joint_copies && ctl.founding < founding_steps();

		if ((ctl.quiet && !founding) || id >= CLIENTS_MAX)
			return;
		if (ctl.founding < founding_steps() && id > 0) {
			again(c, 200 * MS);
			return;
		}
		client_draw(c);
		c->busy = true;
	}
	if (c->asked) {
		if (ctl.now - c->asked_at < ctl.o.patience) {
			again(c, ctl.o.patience);
			return;
		}
		retry(c, SOON);
		return;
	}
	s = choose(c);
	if (!s) {
		again(c, SOON);
		return;
	}
	ask(c, s);
	if (c->asked)
		again(c, ctl.o.patience);
}

void clients_init(void)
{
	for (u32 k = 0; k < ctl.o.clients; k++) {
		ctl.client[k].id = k;
		again(&ctl.client[k], 100 * MS);
	}
}
