/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worlds.c - what main.c searches: worlds with all rules, and for each rule that
 * can be taken out a world that is small and can show why the rule is there.
 *
 * A row: name, what it is about, nodes, who has a disk, who may be opened, the
 * set of epoch 2, its writer, who may crash; then the bounds: the highest epoch,
 * writes, crashes, cuts, flushes, opens, closes, evictions, reads; own_queue.
 */
#include "model.h"

enum { NO_ONE = 0, A = 1, B = 2, AB = 3, C = 4, BC = 6, ABC = 7 };
enum { A_SERVES, B_SERVES, C_SERVES };

/* clang-format off */
const struct config worlds[] = {
	{ "two copies", "failover, shrink, RELEASE and its proposal",
	  2, AB, AB, AB, A_SERVES, AB, 4, 2, 1, 1, 0, 1, 1, 0, 0, false },
	{ "own copy lags", "the writer's disk is the slow one",
	  2, AB, AB, AB, A_SERVES, AB, 4, 2, 1, 1, 0, 1, 0, 0, 0, true },
	{ "learner", "catching up, hot log, stamps, growing",
	  2, AB, NO_ONE, A, A_SERVES, AB, 5, 2, 1, 1, 0, 0, 0, 1, 0, false },
	{ "learner, failover", "the set changes under a flush",
	  2, AB, AB, A, A_SERVES, AB, 4, 2, 1, 1, 1, 1, 0, 0, 0, false },
	{ "power loss", "both crash; C2; what was flushed stays",
	  2, AB, AB, AB, A_SERVES, AB, 4, 2, 2, 0, 1, 1, 0, 0, 0, false },
	{ "diskless writer", "last member lost (P7)",
	  3, AB, C, AB, C_SERVES, ABC, 4, 2, 1, 1, 1, 1, 0, 0, 0, false },
	{ "release", "leases of three writers, one cut off, RELEASE",
	  3, AB, AB, AB, C_SERVES, NO_ONE, 4, 1, 0, 2, 0, 2, 1, 0, 1, false },
	{ "many writers", "late answers, RELEASE on old links",
	  3, A, BC, A, B_SERVES, NO_ONE, 6, 1, 0, 1, 0, 3, 2, 0, 1, false },
	{ "three copies", "two members and a learner",
	  3, ABC, B, AB, A_SERVES, ABC, 4, 1, 1, 1, 0, 1, 0, 0, 0, false },
};
const u32 n_worlds = sizeof(worlds) / sizeof(worlds[0]);

const struct missing missing[] = {
	{ NO_FENCE, "R1 [F9]",
	  { "NO_FENCE", "a copy takes START of an old epoch",
	    3, A, C, A, B_SERVES, NO_ONE, 4, 2, 0, 1, 0, 1, 0, 0, 0, false } },
	{ NO_BOOT_FENCE, "R14 [F9]",
	  { "NO_BOOT_FENCE", "a restarted copy does not know the record",
	    3, A, BC, A, A_SERVES, A, 4, 1, 2, 0, 0, 2, 0, 0, 0, false } },
	{ NO_LEASE, "P5 [F4]",
	  { "NO_LEASE", "reads need no lease",
	    2, AB, AB, AB, A_SERVES, AB, 4, 2, 0, 1, 0, 1, 0, 0, 0, false } },
	{ NO_OWN_LEASE, "P5 [F3]",
	  { "NO_OWN_LEASE", "reads do not need the lease of the own copy",
	    2, B, AB, B, B_SERVES, B, 4, 1, 1, 0, 0, 2, 0, 0, 0, false } },
	{ NO_GRACE, "R13 [F4]",
	  { "NO_GRACE", "a promise while a lease it gave may still run",
	    2, AB, AB, AB, A_SERVES, AB, 4, 2, 0, 1, 0, 1, 0, 0, 0, false } },
	{ NO_RESTAMP, "R2, R4",
	  { "NO_RESTAMP", "U keeps its stamps at a change of epoch",
	    2, AB, AB, AB, A_SERVES, AB, 4, 2, 0, 1, 0, 1, 0, 0, 0, false } },
	{ NO_ZERO_U, "R3",
	  { "NO_ZERO_U", "a learner trusts its stamps of U",
	    2, AB, AB, AB, A_SERVES, AB, 4, 2, 0, 1, 0, 1, 0, 0, 0, false } },
	{ ZERO_NOT_PERSISTED, "R3 [F11]",
	  { "ZERO_NOT_PERSISTED", "learner_epoch goes up, the zeroed stamps stay in RAM",
	    2, AB, NO_ONE, A, A_SERVES, B, 5, 3, 1, 1, 0, 0, 0, 1, 0, false } },
	{ PROMO_ANY, "C2 [F18]",
	  { "PROMO_ANY", "a restarted copy is promoted, others are not asked",
	    2, AB, AB, AB, A_SERVES, AB, 4, 2, 1, 1, 0, 1, 0, 0, 0, false } },
	{ COMPLETE_LOST, "P2 [F22]",
	  { "COMPLETE_LOST", "writes complete while a member is lost, by its old acks",
	    3, AB, NO_ONE, A, C_SERVES, A, 4, 1, 1, 0, 1, 0, 0, 0, 0, false } },
	{ SHRINK_NOWAIT, "P2, P6",
	  { "SHRINK_NOWAIT", "writes complete without the lost member before the CAS",
	    2, AB, AB, AB, A_SERVES, AB, 4, 2, 0, 1, 0, 1, 0, 0, 0, false } },
	{ START_NOCHECK, "R2 [F10]",
	  { "START_NOCHECK", "START(member) is taken by a restarted copy",
	    3, A, C, A, B_SERVES, A, 4, 2, 1, 1, 0, 1, 0, 0, 0, false } },
	{ DIRTY_GOES_ON, "P7 [F5]",
	  { "DIRTY_GOES_ON", "the writer goes on although unflushed writes are gone",
	    2, A, NO_ONE, A, B_SERVES, A, 4, 2, 1, 0, 0, 0, 0, 0, 0, false } },
	{ NO_JOIN_FLUSH, "R6 [F13]",
	  { "NO_JOIN_FLUSH", "a learner joins with its disk cache not flushed",
	    2, AB, NO_ONE, A, A_SERVES, AB, 4, 2, 0, 0, 1, 0, 0, 0, 0, false } },
	{ GROW_NOACK, "P9 [F19]",
	  { "GROW_NOACK", "the joining learner's acks are not waited for",
	    2, AB, NO_ONE, A, A_SERVES, AB, 4, 2, 0, 1, 0, 0, 0, 0, 0, false } },
	{ PULL_NOSEEN, "R10 [F15]",
	  { "PULL_NOSEEN", "a source behind the learner answers",
	    3, AB, NO_ONE, A, C_SERVES, NO_ONE, 4, 2, 0, 0, 0, 0, 0, 0, 0, false } },
	{ PULL_NOHOT, "R8 [F14]",
	  { "PULL_NOHOT", "pulled data is not in the hot log",
	    2, AB, NO_ONE, A, A_SERVES, AB, 4, 2, 1, 1, 0, 0, 0, 1, 0, false } },
	{ HOT_EARLY, "R8",
	  { "HOT_EARLY", "an extent leaves the hot log with uncommitted writes",
	    2, AB, AB, AB, A_SERVES, AB, 4, 2, 1, 1, 0, 1, 0, 1, 0, false } },
	{ RELEASE_SERVING, "RELEASE",
	  { "RELEASE_SERVING", "RELEASE is sent by a writer that still answers reads",
	    2, AB, AB, AB, A_SERVES, AB, 4, 1, 0, 0, 0, 1, 1, 0, 0, false } },
	{ RELEASE_ANY_LINK, "RELEASE",
	  { "RELEASE_ANY_LINK", "RELEASE counts on a link without the session",
	    3, A, BC, A, B_SERVES, NO_ONE, 6, 0, 0, 1, 0, 3, 2, 0, 0, false } },
};
const u32 n_missing = sizeof(missing) / sizeof(missing[0]);
/* clang-format on */
