/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * balance.h - which copy moves so that pools become equally full: one at a time, from the fullest
 * pool that has a fitting one to the emptiest that takes it. Pure. What is moved, and when, is
 * change_balance.c's; that a new copy is made first, and the old one goes for it, is upkeep.c's.
 *
 * A move has to be worth it: the pools differ by more than BALANCE_STEP_PERCENT. And it has to be
 * an improvement that no later move takes back: after it the pool that got the copy is not fuller
 * than the one that gave it, even if all of the volume is written there. Why that comes to an end:
 * write down how full all pools are, the fullest first. A move makes one pool emptier (from f to
 * f' < f) and fills another up to f' at most, so that in this list, of all places where something
 * changes, the first one becomes smaller. The list therefore becomes smaller in the order of
 * dictionaries with each move; no arrangement of copies comes back, and there are finitely many.
 */
#ifndef SDSD_MODEL_BALANCE_H
#define SDSD_MODEL_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#define BALANCE_STEP_PERCENT 20
#define BALANCE_SETTLE_MS 30000 /* after a move: reports say by then what has become free */
/* Places that are asked for in a step: where more than that are against the rules of the groups,
 * nothing is moved */
#define BALANCE_TRIES_MAX 64
#define BALANCE_TEXT_MAX 400

struct balance_pool {
	int64_t used_kib, total_kib; /* total 0: not known, it takes no part */
	bool gives, takes;
};

struct balance_copy {
	int pool;          /* index */
	int64_t gives_kib; /* as much becomes free */
	int64_t takes_kib; /* as much at most is used elsewhere; at least gives_kib */
};

struct balance_move {
	int copy, to; /* indexes of the copy and the pool */
};

/* whether this copy may move to this pool: the rules of placement, asked for moves that are worth
 * it, the best first */
typedef bool (*balance_may)(const struct balance_move *move, void *arg);

/* a difference in percent, of the fullest that gives and the emptiest that takes; negative or 0:
 * none */
double balance_difference(const struct balance_pool *pools, int n_pools);
/* false: nothing is to be moved */
bool balance_decide(const struct balance_pool *pools, int n_pools,
		    const struct balance_copy *copies, int n_copies, balance_may may, void *arg,
		    struct balance_move *ret);

#endif
