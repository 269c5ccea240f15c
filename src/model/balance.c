// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance.c - which copy moves to make pools equally full; see balance.h. Called by
 * change_balance.c.
 */
#include "model/balance.h"

#include <stddef.h>

static double percent(int64_t used_kib, int64_t total_kib)
{
	return 100.0 * (double)used_kib / (double)total_kib;
}

static double fullness(const struct balance_pool *p)
{
	return percent(p->used_kib, p->total_kib);
}

/* The index of the pool that follows `last` in the order of how full they are: giving ones from the
 * fullest on, taking ones from the emptiest on, equal ones by index. last -1: the first; -1: no
 * more. */
static int next_pool(const struct balance_pool *pools, int n, bool giving, int last)
{
	int best = -1;

	for (int i = 0; i < n; i++) {
		const struct balance_pool *p = &pools[i];
		double f;

		if (p->total_kib <= 0 || !(giving ? p->gives : p->takes))
			continue;
		f = giving ? -fullness(p) : fullness(p);
		if (last >= 0) {
			double l = giving ? -fullness(&pools[last]) : fullness(&pools[last]);

			if (f < l || (f == l && i <= last))
				continue;
		}
		if (best < 0 || f < (giving ? -fullness(&pools[best]) : fullness(&pools[best])))
			best = i;
	}
	return best;
}

static bool is_far(const struct balance_pool *from, const struct balance_pool *to)
{
	return fullness(from) - fullness(to) > BALANCE_STEP_PERCENT;
}

/* what no later move takes back */
static bool is_better(const struct balance_pool *from, const struct balance_pool *to,
		      const struct balance_copy *c)
{
	return c->gives_kib > 0 && percent(to->used_kib + c->takes_kib, to->total_kib) <=
					   percent(from->used_kib - c->gives_kib, from->total_kib);
}

/* The largest copy that fits and may: fewest are moved so. last: the one that was tried before */
static int next_copy(const struct balance_pool *pools, const struct balance_copy *copies, int n,
		     int from, int to, int last)
{
	int best = -1;

	for (int i = 0; i < n; i++) {
		const struct balance_copy *c = &copies[i];

		if (c->pool != from || !is_better(&pools[from], &pools[to], c))
			continue;
		if (last >= 0 && (c->takes_kib > copies[last].takes_kib ||
				  (c->takes_kib == copies[last].takes_kib && i <= last)))
			continue;
		if (best < 0 || c->takes_kib > copies[best].takes_kib)
			best = i;
	}
	return best;
}

double balance_difference(const struct balance_pool *pools, int n_pools)
{
	int from = next_pool(pools, n_pools, true, -1), to = next_pool(pools, n_pools, false, -1);

	return from < 0 || to < 0 ? 0 : fullness(&pools[from]) - fullness(&pools[to]);
}

static bool from_to(const struct balance_pool *pools, const struct balance_copy *copies,
		    int n_copies, int from, int to, balance_may may, void *arg,
		    struct balance_move *ret)
{
	int copy = next_copy(pools, copies, n_copies, from, to, -1);

	while (copy >= 0) {
		struct balance_move move = { copy, to };

		if (may(&move, arg)) {
			*ret = move;
			return true;
		}
		copy = next_copy(pools, copies, n_copies, from, to, copy);
	}
	return false;
}

bool balance_decide(const struct balance_pool *pools, int n_pools,
		    const struct balance_copy *copies, int n_copies, balance_may may, void *arg,
		    struct balance_move *ret)
{
	for (int from = next_pool(pools, n_pools, true, -1); from >= 0;
	     from = next_pool(pools, n_pools, true, from)) {
		for (int to = next_pool(pools, n_pools, false, -1);
		     to >= 0 && is_far(&pools[from], &pools[to]);
		     to = next_pool(pools, n_pools, false, to)) {
			if (from_to(pools, copies, n_copies, from, to, may, arg, ret))
				return true;
		}
	}
	return false;
}
