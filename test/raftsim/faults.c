// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * faults.c - what goes wrong, and who comes and goes, by chance: crashes, cuts
 * of one or both directions, pauses, changes of the membership and of the
 * leader. Each kind has its own rhythm; to add one: a value of enum fault, its
 * rhythm in every(), its doing in ctl_fault_step.
 */
#include <string.h>

#include "raft/members.h"
#include "raftsim/world.h"

enum fault {
	FAULT_CRASH,
	FAULT_STOP,
	FAULT_CUT,
	FAULT_PAUSE,
	FAULT_CHANGE,
	FAULT_TRANSFER,
	FAULT_LAG,
	FAULTS
};

#define VOTERS_KEPT 2 /* a cluster of the policy does not become smaller by our wish */

static u64 every(u64 which)
{
	switch ((enum fault)which) {
	case FAULT_CRASH:
		return ctl.o.crash_every;
	case FAULT_STOP:
		return ctl.o.stop_every;
	case FAULT_CUT:
		return ctl.o.cut_every;
	case FAULT_PAUSE:
		return ctl.o.pause_every;
	case FAULT_CHANGE:
		return ctl.o.change_every;
	case FAULT_TRANSFER:
		return ctl.o.transfer_every;
	case FAULT_LAG:
		return ctl.o.lag_every;
	case FAULTS:
		break;
	}
	return 0;
}

static void again(u64 which)
{
	struct ctl_event e = { .kind = EV_FAULT, .arg = which };

	if (every(which))
		ctl_schedule(ctl_around(every(which)), &e);
}

void faults_start(void)
{
	for (u64 k = 0; k < FAULTS; k++)
		again(k);
}

static struct server *some_server(void)
{
	u32 from = (u32)ctl_below(SERVERS_MAX);

	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct server *s = &ctl.server[(from + k) % SERVERS_MAX];

		if (s->inst)
			return s;
	}
	return NULL;
}

static void crash(void)
{
	struct server *s = some_server();

	if (ctl_chance(ctl.o.all_crash_rate, 100)) {
		ctl.stats.all_crashes++;
		for (u32 k = 0; k < SERVERS_MAX; k++)
			if (ctl.server[k].inst)
				server_crash(&ctl.server[k], ctl_around(ctl.o.down_for));
	} else if (s) {
		server_crash(s, ctl_around(ctl.o.down_for));
	}
}

static void stop(void)
{
	struct ctl_event e = { .kind = EV_RESTART };
	struct server *s = some_server();

	if (!s)
		return;
	server_stop(s);
	e.server = s->slot;
	e.arg = s->down_until = ctl.now + ctl_around(ctl.o.down_for);
	ctl_schedule(e.arg - ctl.now, &e);
}

static void cut_one(u32 from, u32 to, u64 until)
{
	if (until > ctl.cut_until[from][to])
		ctl.cut_until[from][to] = until;
	ctl.last_delivery[from][to] = 0;
}

static void cut(void)
{
	u64 until = ctl.now + ctl_around(2 * SEC);
	u32 side = (u32)ctl_random() & ((1u << SERVERS_MAX) - 1);
	bool oneway = ctl_chance(ctl.o.oneway_rate, 100);

	ctl.stats.cuts++;
	if (ctl_chance(1, 2))
		side = 1u << ctl_below(SERVERS_MAX);
	ctl_note("cut %x%s until %llu ms", side, oneway ? " one way" : "",
		 (unsigned long long)(until / MS));
	for (u32 a = 0; a < SERVERS_MAX; a++) {
		for (u32 b = 0; b < SERVERS_MAX; b++) {
			if (!(side & (1u << a)) || (side & (1u << b)))
				continue;
			cut_one(a, b, until);
			if (!oneway)
				cut_one(b, a, until);
		}
	}
}

static void pause_one(void)
{
	struct server *s = some_server();

	if (!s)
		return;
	server_busy(s, ctl_around(SEC));
	ctl_note("s%u stands still until %llu ms", s->slot,
		 (unsigned long long)(s->inst->busy_until / MS));
}

/* What is sent to a server arrives late, in its order. Mostly the others do not hear it any more,
 * when it is late enough: they elect another one while it still gets answers from before that. */
static void lag(void)
{
	struct server *leader = server_leader();
	struct server *s = leader && ctl_chance(3, 4) ? leader : some_server();
	u64 by = ctl.o.lag / 2 + ctl_below(ctl.o.lag);

	if (!s || ctl.lag[s->slot].until > ctl.now)
		return;
	ctl.lag[s->slot].since = ctl.now;
	ctl.lag[s->slot].by = by;
	ctl.lag[s->slot].until = ctl.now + 4 * by;
	ctl.lag[s->slot].unheard_at = ctl_chance(3, 4) ? ctl.now + 2 * by : 0;
	ctl.stats.lags++;
	ctl_note("s%u gets everything late, in the end by %llu ms%s", s->slot,
		 (unsigned long long)(by / MS),
		 ctl.lag[s->slot].unheard_at ? ", and is not heard then" : "");
}

/* --- membership --- */

static void on_change(int status, void *arg)
{
	ctl.changing = false;
	if (status == 0)
		ctl.stats.changes++;
	ctl_note("membership change of %u: %s", ctl.change_id, status ? err_name(status) : "done");
}

static void change_begin(struct server *leader, u32 id, const char *what)
{
	ctl.changing = true;
	ctl.change_id = id;
	ctl_note("s%u %s %u", leader->slot, what, id);
}

static bool is_member(struct server *leader, u32 id)
{
	struct raft *r = &leader->inst->c->raft;

	for (unsigned k = 0; k < r->configuration.n; k++)
		if (r->configuration.servers[k].id == id)
			return true;
	return false;
}

/* A ready leader's configuration without an uncommitted entry is what the cluster has agreed on */
static void retire_removed(struct server *leader)
{
	if (leader->inst->c->raft.configuration_uncommitted_index != 0)
		return;
	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct server *s = &ctl.server[k];

		if (s->id && s->retired && !is_member(leader, s->id)) {
			ctl_note("s%u has left", s->slot);
			server_retire(s);
		}
	}
}

static struct server *free_slot(void)
{
	for (u32 k = 0; k < SERVERS_MAX; k++)
		if (!ctl.server[k].id && !ctl.server[k].inst)
			return &ctl.server[k];
	return NULL;
}

static bool is_reachable(struct server *leader, struct server *s)
{
	return s->inst && ctl.cut_until[leader->slot][s->slot] <= ctl.now &&
	       ctl.cut_until[s->slot][leader->slot] <= ctl.now;
}

static void do_step(struct server *leader, const struct member_step *m)
{
	struct consensus *c = leader->inst->c;

	if (m->verb == MEMBER_NOTHING)
		return;
	change_begin(leader, m->id,
		     m->verb == MEMBER_ADD      ? "adds"
		     : m->verb == MEMBER_REMOVE ? "removes"
						: "gives a role to");
	if (m->verb == MEMBER_ADD)
		consensus_add(c, m->id, m->address, on_change, NULL);
	else if (m->verb == MEMBER_REMOVE)
		consensus_remove(c, m->id, on_change, NULL);
	else
		consensus_assign(c, m->id,
				 m->verb == MEMBER_PROMOTE ? CONSENSUS_VOTER : CONSENSUS_STANDBY,
				 on_change, NULL);
}

/* As the product does it: a wish, and one step towards it at a time */
static void change_policy(struct server *leader)
{
	struct consensus_server have[SERVERS_MAX + 1];
	struct member_wish want[SERVERS_MAX];
	struct member_step step;
	int n_have, n_want = 0;

	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct server *s = &ctl.server[k];

		if (!s->id || s->retired)
			continue;
		want[n_want].id = s->id;
		want[n_want].reachable = is_reachable(leader, s);
		snprintf(want[n_want].address, sizeof(want[n_want].address), "%s", s->address);
		n_want++;
	}
	n_have = consensus_servers(leader->inst->c, have, SERVERS_MAX + 1);
	if (n_want > VOTERS_KEPT && n_have == n_want && ctl_chance(1, 6)) {
		struct server *s = &ctl.server[ctl_below(SERVERS_MAX)];

		if (s != leader && s->id) {
			s->retired = true;
			return;
		}
	}
	if (n_have > SERVERS_MAX)
		return;
	step = members_decide(have, n_have, want, n_want, leader->id);
	do_step(leader, &step);
}

/* Whatever the interface allows but what members.c never asks for: changes of the leader itself */
static void change_by_chance(struct server *leader)
{
	static const enum member_verb verbs[] = { MEMBER_ADD,    MEMBER_PROMOTE, MEMBER_PROMOTE,
						  MEMBER_DEMOTE, MEMBER_STANDBY, MEMBER_REMOVE };
	struct member_step step = { .verb = verbs[ctl_below(6)] };
	struct server *s = &ctl.server[ctl_below(SERVERS_MAX)];

	if (!s->id || s == leader)
		return;
	if (!is_member(leader, s->id))
		step.verb = MEMBER_ADD;
	if (step.verb == MEMBER_REMOVE)
		s->retired = true;
	step.id = s->id;
	snprintf(step.address, sizeof(step.address), "%s", s->address);
	do_step(leader, &step);
}

static void change(void)
{
	struct server *leader = server_leader(), *s = free_slot();

	if (!leader)
		return;
	retire_removed(leader);
	if (s && ctl_chance(1, 2)) {
		server_join(s);
		return;
	}
	if (ctl.changing)
		return;
	if (ctl.o.policy)
		change_policy(leader);
	else
		change_by_chance(leader);
}

static void transfer(void)
{
	struct server *leader = server_leader(), *s = some_server();

	if (!leader || ctl.changing || !s || s == leader || !is_member(leader, s->id))
		return;
	ctl.stats.transfers++;
	change_begin(leader, s->id, "hands over to");
	consensus_transfer(leader->inst->c, s->id, on_change, NULL);
}

void ctl_fault_step(u64 which)
{
	if (ctl.quiet)
		return;
	switch ((enum fault)which) {
	case FAULT_CRASH:
		crash();
		break;
	case FAULT_STOP:
		stop();
		break;
	case FAULT_CUT:
		cut();
		break;
	case FAULT_PAUSE:
		pause_one();
		break;
	case FAULT_CHANGE:
		change();
		break;
	case FAULT_TRANSFER:
		transfer();
		break;
	case FAULT_LAG:
		lag();
		break;
	case FAULTS:
		break;
	}
	again(which);
}

void faults_heal(void)
{
	memset(ctl.cut_until, 0, sizeof(ctl.cut_until));
	memset(ctl.lag, 0, sizeof(ctl.lag));
	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct server *s = &ctl.server[k];

		if (s->id && !s->inst) {
			s->down_until = 0;
			server_start(s);
		}
	}
}
