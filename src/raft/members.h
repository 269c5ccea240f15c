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

struct member_wish { uint32_t id; char address[CONSENSUS_ADDRESS_MAX]; bool reachable; };
enum member_verb { MEMBER_NOTHING, MEMBER_ADD, MEMBER_PROMOTE, MEMBER_DEMOTE, MEMBER_STANDBY, MEMBER_REMOVE };
struct member_step { enum member_verb verb; uint32_t id; char address[CONSENSUS_ADDRESS_MAX]; };

/* The next single step toward the wish; self (the leader) is never demoted nor removed here. Pure. */
struct member_step members_decide(const struct consensus_server *have, int n_have,
				  const struct member_wish *want, int n_want, uint32_t self);

/* Driver: call members_update on the leader whenever the wish may have changed, and every second. */
struct members;
struct members *members_new(struct consensus *c);
void members_update(struct members *m, const struct member_wish *want, int n_want);
void members_free(struct members *m);

#endif
