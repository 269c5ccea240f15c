// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_balance.c - which copy moves (model/balance.c): the rules one by one, and random
 * arrangements of copies, in which each move is an improvement and none comes back.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "model/balance.h"

TestSuite(balance);

static bool always(const struct balance_move *move, void *arg)
{
	return true;
}

/* one copy never moves */
static bool but_one(const struct balance_move *move, void *arg)
{
	return move->copy != *(int *)arg;
}

static struct balance_pool pool(int64_t used, int64_t total)
{
	return (struct balance_pool){ used, total, true, true };
}

Test(balance, from_the_fullest_to_the_emptiest)
{
	struct balance_pool pools[] = { pool(60, 100), pool(80, 100), pool(10, 100),
					pool(30, 100) };
	struct balance_copy copies[] = {
		{ 0, 20, 20 }, { 1, 10, 10 }, { 1, 30, 30 }, { 1, 40, 40 }
	};
	struct balance_move move;
	int not = 2;

	cr_expect_eq(balance_difference(pools, 4), 70);
	cr_assert(balance_decide(pools, 4, copies, 4, always, NULL, &move));
	cr_expect_eq(move.copy, 2, "40 would make it the fuller one");
	cr_expect_eq(move.to, 2);
	cr_assert(balance_decide(pools, 4, copies, 4, but_one, &not, &move));
	cr_expect_eq(move.copy, 1);
	pools[1].gives = false;
	cr_assert(balance_decide(pools, 4, copies, 4, always, NULL, &move));
	cr_expect_eq(move.copy, 0);
	pools[2].takes = false;
	pools[3].total_kib = 0; /* nothing is known of it */
	cr_expect_not(balance_decide(pools, 4, copies, 4, always, NULL, &move));
}

Test(balance, not_for_little)
{
	struct balance_pool pools[] = { pool(50, 100), pool(30, 100) };
	struct balance_copy copies[] = { { 0, 5, 5 }, { 0, 1, 40 }, { 0, 0, 0 } };
	struct balance_move move;

	cr_expect_not(balance_decide(pools, 2, copies, 3, always, NULL, &move), "20 %%");
	pools[0].used_kib = 51;
	cr_assert(balance_decide(pools, 2, copies, 3, always, NULL, &move));
	cr_expect_eq(move.copy, 0, "a thin one may become as large as its volume");
	cr_expect_not(balance_decide(pools, 2, copies + 1, 2, always, NULL, &move));
	cr_expect_eq(balance_difference(pools, 0), 0);
}

/* ---- at random ---- */

#define POOLS 6
#define COPIES 40
#define SEEDS 3000

static uint64_t state;

static int draw(int n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int)(state % (uint64_t)n);
}

static int downwards(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void sorted(const struct balance_pool *pools, double *out)
{
	for (int i = 0; i < POOLS; i++)
		out[i] = (double)pools[i].used_kib / (double)pools[i].total_kib;
	qsort(out, POOLS, sizeof(*out), downwards);
}

/* the order of dictionaries */
static bool is_smaller(const double *a, const double *b)
{
	for (int i = 0; i < POOLS; i++) {
		if (a[i] != b[i])
			return a[i] < b[i];
	}
	return false;
}

static bool by_chance(const struct balance_move *move, void *arg)
{
	return (move->copy + move->to) % 7 != 0;
}

static int settle(uint64_t seed)
{
	struct balance_pool pools[POOLS];
	struct balance_copy copies[COPIES];
	double before[POOLS], after[POOLS];
	struct balance_move move;
	int moves = 0, thin;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < POOLS; i++)
		pools[i] = pool(draw(50), 200 + draw(400));
	for (int i = 0; i < COPIES; i++) {
		thin = 1 + draw(30);
		copies[i] =
			(struct balance_copy){ draw(draw(2) ? 2 : POOLS), thin, thin + draw(20) };
		pools[copies[i].pool].used_kib += copies[i].gives_kib;
	}
	while (balance_decide(pools, POOLS, copies, COPIES, by_chance, NULL, &move)) {
		struct balance_copy *c = &copies[move.copy];

		sorted(pools, before);
		pools[c->pool].used_kib -= c->gives_kib;
		c->gives_kib += draw((int)(c->takes_kib - c->gives_kib) + 1);
		pools[move.to].used_kib += c->gives_kib;
		c->pool = move.to;
		sorted(pools, after);
		cr_assert(is_smaller(after, before), "seed %llu", (unsigned long long)seed);
		cr_assert_lt(++moves, 10 * COPIES, "seed %llu", (unsigned long long)seed);
	}
	return moves;
}

Test(balance, at_random)
{
	int moves = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		moves += settle(seed);
	cr_expect_gt(moves, SEEDS);
}
