/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * members.h - keeps the Raft configuration equal to the wanted set of nodes:
 * adds newcomers as spares, promotes to voters up to CONSENSUS_VOTERS_MAX (an
 * odd number where possible), the rest stand by, removes who left; replaces
 * a voter that has been unreachable for a time by a reachable stand-by.
 * The decision is a pure function; the driver runs on the leader.
 */
#ifndef SDSD_RAFT_MEMBERS_H
#define SDSD_RAFT_MEMBERS_H

#include "raft/consensus.h"

/*
 * How many voters: every node up to three (with two, no failure is survived either way, but the
 * log is on two disks), three of four (a fourth vote must be waited for and allows no further
 * failure), five of five or more. The others stand by: they get the log and can be promoted at
 * once.
 */
int members_voters_wanted(int nodes);

#define MEMBERS_GRACE_MS 30000 /* a voter is unreachable for so long before it is replaced */
/* A node whose step failed is not promoted for so long, twice as long each time, up to the second.
 * At first it is short: without it a new cluster of three may survive no failure. */
#define MEMBERS_PENALTY_MS 2000
#define MEMBERS_PENALTY_MAX_MS 60000

/* reachable: for a voter "not missed for longer than the grace time", else "answers now" */
struct member_wish {
	uint32_t id;
	char address[CONSENSUS_ADDRESS_MAX];
	bool reachable;
};
enum member_verb {
	MEMBER_NOTHING,
	MEMBER_ADD,
	MEMBER_PROMOTE,
	MEMBER_DEMOTE,
	MEMBER_STANDBY,
	MEMBER_REMOVE
};
struct member_step {
	enum member_verb verb;
	uint32_t id;
	char address[CONSENSUS_ADDRESS_MAX];
};

/* The next single step toward the wish; self (the leader) is never demoted nor removed here. A
 * voter that is unreachable is demoted only when a reachable stand-by can take its place. Pure. */
struct member_step members_decide(const struct consensus_server *have, int n_have,
				  const struct member_wish *want, int n_want, uint32_t self);

/* Driver: call members_update whenever the wish may have changed, and every second; it does nothing
 * on a node that is not leader. reachable is what is seen now: the driver keeps the grace time.
 * One step at a time. want includes the leader itself. members_free before or after
 * consensus_stop. */
struct members;
struct members *members_new(struct consensus *c);
void members_update(struct members *m, const struct member_wish *want, int n_want);
void members_free(struct members *m);

#endif
