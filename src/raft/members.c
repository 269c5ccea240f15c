// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * members.c - see members.h. members_decide is the whole policy, a function of
 * its arguments; the driver below it only keeps the time that peers have been
 * unreachable and has one step under way.
 */
#include "raft/members.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

static const struct consensus_server *find_server(const struct consensus_server *have, int n,
						  uint32_t id)
{
	for (int i = 0; i < n; i++) {
		if (have[i].id == id)
			return &have[i];
	}
	return NULL;
}

static const struct member_wish *find_wish(const struct member_wish *want, int n, uint32_t id)
{
	for (int i = 0; i < n; i++) {
		if (want[i].id == id)
			return &want[i];
	}
	return NULL;
}

int members_voters_wanted(int nodes)
{
	if (nodes >= CONSENSUS_VOTERS_MAX)
		return CONSENSUS_VOTERS_MAX;
	/* a fourth voter adds a node that must answer, but none that may fail */
	return nodes == 4 ? 3 : nodes;
}

static struct member_step step(enum member_verb verb, uint32_t id, const char *address)
{
	struct member_step s = { .verb = verb, .id = id };

	snprintf(s.address, sizeof(s.address), "%s", address);
	return s;
}

struct view {
	const struct consensus_server *have;
	int n_have;
	const struct member_wish *want;
	int n_want;
	uint32_t self;
};

static bool is_reachable(const struct view *v, uint32_t id)
{
	const struct member_wish *w = find_wish(v->want, v->n_want, id);

	return id == v->self || (w && w->reachable);
}

/* Has left, or comes back under another address: must go, then may come as new */
static bool is_unwanted(const struct view *v, const struct consensus_server *s)
{
	const struct member_wish *w = find_wish(v->want, v->n_want, s->id);

	return s->id != v->self && (!w || strcmp(w->address, s->address) != 0);
}

static int count_voters(const struct view *v)
{
	int n = 0;

	for (int i = 0; i < v->n_have; i++)
		n += v->have[i].role == CONSENSUS_VOTER;
	return n;
}

/* The server with the lowest id that is (or is not) a voter, wanted and reachable as asked */
static const struct consensus_server *pick(const struct view *v, bool voter, bool reachable)
{
	const struct consensus_server *best = NULL;

	for (int i = 0; i < v->n_have; i++) {
		const struct consensus_server *s = &v->have[i];

		if (s->id == v->self || is_unwanted(v, s) ||
		    (s->role == CONSENSUS_VOTER) != voter || is_reachable(v, s->id) != reachable)
			continue;
		if (!best || s->id < best->id)
			best = s;
	}
	return best;
}

static const struct consensus_server *pick_unwanted(const struct view *v, bool voter)
{
	for (int i = 0; i < v->n_have; i++) {
		if (is_unwanted(v, &v->have[i]) && (v->have[i].role == CONSENSUS_VOTER) == voter)
			return &v->have[i];
	}
	return NULL;
}

static const struct consensus_server *pick_spare(const struct view *v)
{
	for (int i = 0; i < v->n_have; i++) {
		if (v->have[i].role == CONSENSUS_SPARE && v->have[i].id != v->self &&
		    !is_unwanted(v, &v->have[i]))
			return &v->have[i];
	}
	return NULL;
}

/* Of too many voters: one that does not answer, else the one with the highest id */
static const struct consensus_server *pick_surplus(const struct view *v)
{
	const struct consensus_server *best = pick(v, true, false);

	if (best)
		return best;
	for (int i = 0; i < v->n_have; i++) {
		const struct consensus_server *s = &v->have[i];

		if (s->role == CONSENSUS_VOTER && s->id != v->self && (!best || s->id > best->id))
			best = s;
	}
	return best;
}

static const struct member_wish *pick_newcomer(const struct view *v)
{
	for (int i = 0; i < v->n_want; i++) {
		bool taken = false;

		/* an address is refused while another server has it: that one goes first */
		for (int k = 0; k < v->n_have; k++)
			taken = taken || v->have[k].id == v->want[i].id ||
				strcmp(v->have[k].address, v->want[i].address) == 0;
		if (!taken && v->n_have < CONSENSUS_SERVERS_MAX)
			return &v->want[i];
	}
	return NULL;
}

/* Voters that shall stay */
static int count_good(const struct view *v)
{
	int n = 0;

	for (int i = 0; i < v->n_have; i++)
		n += v->have[i].role == CONSENSUS_VOTER && !is_unwanted(v, &v->have[i]);
	return n;
}

struct member_step members_decide(const struct consensus_server *have, int n_have,
				  const struct member_wish *want, int n_want, uint32_t self)
{
	struct view v = { have, n_have, want, n_want, self };
	int wanted = members_voters_wanted(find_wish(want, n_want, self) ? n_want : n_want + 1);
	const struct consensus_server *s, *candidate = pick(&v, false, true);
	const struct member_wish *w;

	/* what no majority depends on comes first */
	if ((s = pick_unwanted(&v, false)))
		return step(MEMBER_REMOVE, s->id, "");
	if ((w = pick_newcomer(&v)))
		return step(MEMBER_ADD, w->id, w->address);
	/* as a stand-by it can take its time to get the log; a promotion cannot */
	if ((s = pick_spare(&v)))
		return step(MEMBER_STANDBY, s->id, "");
	/* the new voter before the old one goes, so that the log is never on fewer disks */
	if (candidate && count_good(&v) < wanted)
		return step(MEMBER_PROMOTE, candidate->id, "");
	if ((s = pick_unwanted(&v, true)))
		return step(MEMBER_REMOVE, s->id, "");
	if (count_voters(&v) > wanted && (s = pick_surplus(&v)))
		return step(MEMBER_DEMOTE, s->id, "");
	/* a dead voter makes room for one that answers; without one it stays, it may come back */
	if (candidate && (s = pick(&v, true, false)))
		return step(MEMBER_DEMOTE, s->id, "");
	return step(MEMBER_NOTHING, 0, "");
}

/* --- the driver --- */

/* What is remembered of a node between updates */
struct memory {
	uint32_t id;
	uint64_t lost_ns;  /* unreachable since; 0: reachable */
	uint64_t spare_ns; /* a step with it failed: not tried as a voter before this time */
	int failures;      /* of steps with it, since the last one that did not fail */
};

struct members {
	struct consensus *c;
	bool busy;    /* a step is under way */
	bool freed;   /* free when it ends */
	uint32_t who; /* of the step under way */
	int n;
	struct memory memory[CONSENSUS_SERVERS_MAX];
	struct consensus_server have[CONSENSUS_SERVERS_MAX];
	struct member_wish want[CONSENSUS_SERVERS_MAX];
};

struct members *members_new(struct consensus *c)
{
	struct members *m = calloc(1, sizeof(*m));

	if (m)
		m->c = c;
	return m;
}

void members_free(struct members *m)
{
	if (!m)
		return;
	m->freed = true;
	if (!m->busy)
		free(m);
}

static struct memory *memory_of(struct members *m, uint32_t id)
{
	for (int i = 0; i < m->n; i++) {
		if (m->memory[i].id == id)
			return &m->memory[i];
	}
	if (m->n == CONSENSUS_SERVERS_MAX)
		m->n = 0; /* of nodes that left long ago; what is lost is a little time */
	m->memory[m->n] = (struct memory){ .id = id };
	return &m->memory[m->n++];
}

static void note_failure(struct members *m, int status)
{
	struct memory *memory = memory_of(m, m->who);
	uint64_t ms = backoff_ms(++memory->failures, MEMBERS_PENALTY_MS, MEMBERS_PENALTY_MAX_MS);

	log_warn("raft", "peer=%u membership change failed: %s; again after %llu s", m->who,
		 err_name(status), (unsigned long long)ms / 1000);
	memory->spare_ns = clock_boot_ns() + ms * 1000000;
}

static void on_step(int status, void *arg)
{
	struct members *m = arg;

	m->busy = false;
	if (m->freed) {
		free(m);
		return;
	}
	if (status < 0)
		note_failure(m, status);
	else
		memory_of(m, m->who)->failures = 0;
}

static void run_step(struct members *m, const struct member_step *s)
{
	static const char *const verbs[] = { "nothing", "add",      "promote",
					     "demote",  "stand by", "remove" };

	m->busy = true;
	m->who = s->id;
	log_info("raft", "peer=%u membership: %s", s->id, verbs[s->verb]);
	switch (s->verb) {
	case MEMBER_NOTHING:
		assert(false);
		break;
	case MEMBER_ADD:
		consensus_add(m->c, s->id, s->address, on_step, m);
		break;
	case MEMBER_PROMOTE:
		consensus_assign(m->c, s->id, CONSENSUS_VOTER, on_step, m);
		break;
	case MEMBER_DEMOTE:
	case MEMBER_STANDBY:
		consensus_assign(m->c, s->id, CONSENSUS_STANDBY, on_step, m);
		break;
	case MEMBER_REMOVE:
		consensus_remove(m->c, s->id, on_step, m);
		break;
	}
}

/* A voter counts as unreachable after the grace time only; another node only counts as reachable
 * when it is so now and did not fail lately. */
static bool effective_reach(struct members *m, const struct member_wish *w, bool voter)
{
	struct memory *memory = memory_of(m, w->id);
	uint64_t now = clock_boot_ns();

	if (w->reachable)
		memory->lost_ns = 0;
	else if (!memory->lost_ns)
		memory->lost_ns = now;
	if (!voter)
		return w->reachable && now >= memory->spare_ns;
	return w->reachable || now - memory->lost_ns < MEMBERS_GRACE_MS * 1000000ull;
}

void members_update(struct members *m, const struct member_wish *want, int n_want)
{
	uint32_t self = consensus_leader(m->c, NULL);
	struct member_step s;
	int n_have;

	if (!consensus_is_leader(m->c)) {
		m->n = 0; /* what was seen as an earlier leader is old */
		return;
	}
	if (n_want > CONSENSUS_SERVERS_MAX)
		n_want = CONSENSUS_SERVERS_MAX;
	n_have = consensus_servers(m->c, m->have, CONSENSUS_SERVERS_MAX);
	for (int i = 0; i < n_want; i++) {
		const struct consensus_server *server = find_server(m->have, n_have, want[i].id);

		m->want[i] = want[i];
		m->want[i].reachable =
			effective_reach(m, &want[i], server && server->role == CONSENSUS_VOTER);
	}
	if (m->busy)
		return;
	s = members_decide(m->have, n_have, m->want, n_want, self);
	if (s.verb != MEMBER_NOTHING)
		run_step(m, &s);
}
