// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_blame.c - which copies are wrong (api/blame.c): rows, and worlds by chance in which the
 * plan is carried out, with the worst choice of sources, until nothing differs any more.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/blame.h"

TestSuite(blame);

#define MAX 8

struct table {
	int n, n_d;
	bool more;
	uint32_t crc[MAX][REPLICAS_MAX];
};

struct found {
	struct difference d[MAX];
	uint32_t unlike[REPLICAS_MAX];
};

static struct blame_input input(const struct table *t, struct found *f)
{
	int n_d = 0;

	memset(f, 0, sizeof(*f));
	for (int r = 0; r < t->n_d; r++) {
		struct difference d = { .off = (uint64_t)r * REFETCH_REGION,
					.in = (1u << t->n) - 1 };

		memcpy(d.crc, t->crc[r], sizeof(d.crc));
		d.odd = blame_odd(d.in, d.crc, t->n);
		for (int i = 0; i < t->n; i++) {
			for (int k = 0; k < t->n; k++)
				f->unlike[i] |= d.crc[i] != d.crc[k] ? 1u << k : 0;
		}
		if (d.odd)
			f->d[n_d++] = d;
	}
	return (struct blame_input){ t->n, f->d, n_d, t->more, f->unlike };
}

Test(blame, odd)
{
	const uint32_t crc[] = { 1, 1, 2, 3 };

	cr_expect_eq(blame_odd(3, crc, 4), 0);
	cr_expect_eq(blame_odd(7, crc, 4), 4);
	cr_expect_eq(blame_odd(5, crc, 4), 5, "of two that differ both");
	cr_expect_eq(blame_odd(15, crc, 4), 15, "half is no majority");
	cr_expect_eq(blame_odd(13, crc, 4), 13);
	cr_expect_eq(blame_odd(0, crc, 4), 0);
}

Test(blame, rows)
{
	static const struct {
		const char *what;
		struct table t;
		int from;
		uint32_t out;
	} rows[] = {
		{ "one of three", { 3, 1, false, { { 1, 1, 2 } } }, BLAME_MAJORITY, 4 },
		{ "one of two", { 2, 1, false, { { 1, 2 } } }, BLAME_MAJORITY, 0 },
		{ "one of two, by word", { 2, 1, false, { { 1, 2 } } }, 1, 1 },
		{ "three differ", { 3, 1, false, { { 1, 2, 3 } } }, BLAME_MAJORITY, 0 },
		{ "three differ, by word", { 3, 1, false, { { 1, 2, 3 } } }, 0, 6 },
		{ "the majority is wrong", { 3, 1, false, { { 1, 1, 2 } } }, 2, 3 },
		{ "at two places, one after the other",
		  { 3, 2, false, { { 2, 1, 1 }, { 1, 2, 1 } } },
		  BLAME_MAJORITY,
		  1 },
		{ "the first is nobody's",
		  { 3, 2, false, { { 1, 2, 3 }, { 1, 2, 1 } } },
		  BLAME_MAJORITY,
		  2 },
		{ "two against two", { 4, 1, false, { { 1, 1, 2, 2 } } }, BLAME_MAJORITY, 0 },
		{ "too many, one is bad", { 3, 1, true, { { 1, 1, 2 } } }, BLAME_MAJORITY, 4 },
		{ "too many, at different places",
		  { 3, 2, true, { { 2, 1, 1 }, { 1, 2, 1 } } },
		  BLAME_MAJORITY,
		  0 },
		{ "too many, by word", { 3, 2, true, { { 2, 1, 1 }, { 1, 2, 1 } } }, 2, 3 },
		{ "alike", { 3, 1, false, { { 1, 1, 1 } } }, BLAME_MAJORITY, 0 },
		{ "alike, by word", { 3, 1, false, { { 1, 1, 1 } } }, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct refetch what[REPLICAS_MAX];
		struct table t = rows[i].t;
		struct found f;
		struct blame_input in = input(&t, &f);
		uint32_t out = blame_plan(&in, rows[i].from, what);

		cr_expect_eq(out, rows[i].out, "%s: %x", rows[i].what, out);
		for (int k = 0; k < t.n; k++) {
			cr_expect_eq(what[k].wanted, out >> k & 1, "%s", rows[i].what);
			cr_expect_eq(what[k].whole, t.more && (out >> k & 1), "%s", rows[i].what);
		}
	}
}

Test(blame, a_copy_that_was_not_compared_there)
{
	struct refetch what[REPLICAS_MAX];
	struct table t = { 4, 1, false, { { 1, 1, 2, 9 } } };
	struct found f;
	struct blame_input in = input(&t, &f);

	f.d[0].in = 7;
	f.d[0].odd = 4;
	cr_expect_eq(blame_plan(&in, BLAME_MAJORITY, what), 0, "it may be a source of anything");
}

static void fetch(struct table *t, int copy, int region, uint32_t out, uint32_t want)
{
	for (int s = 0; s < t->n; s++) {
		if (!(out >> s & 1))
			cr_assert_eq(t->crc[region][s], want, "any other copy is right there");
	}
	t->crc[region][copy] = want;
}

static void carry_out(struct table *t, uint32_t out, const struct refetch *what)
{
	struct table was = *t;

	cr_assert_neq(out, (1u << t->n) - 1, "one is left");
	for (int i = 0; i < t->n; i++) {
		for (int k = 0; k < what[i].n; k++)
			fetch(t, i, (int)what[i].at[k].region, out, 1);
		for (int k = 0; k < t->n_d && what[i].whole; k++)
			fetch(t, i, k, out, 1);
	}
	cr_assert(memcmp(&was, t, sizeof(was)) != 0, "something is mended in each round");
}

/* right content is 1, at each place of more than half of the copies or of the one that is named */
Test(blame, worlds_by_chance)
{
	for (unsigned seed = 1; seed <= 3000; seed++) {
		struct table t = { .n_d = MAX };
		int rounds = 0, from;
		uint32_t out;

		srand(seed);
		t.n = 2 + rand() % 5;
		from = t.n < 3 || rand() % 2 ? rand() % t.n : BLAME_MAJORITY;
		for (int r = 0; r < MAX; r++) {
			int bad = from == BLAME_MAJORITY ? (t.n - 1) / 2 : t.n;

			for (int i = 0; i < t.n; i++)
				t.crc[r][i] = 1;
			while (bad-- > 0)
				t.crc[r][rand() % t.n] = 1 + (uint32_t)rand() % 3;
			if (from >= 0)
				t.crc[r][from] = 1;
		}
		do {
			struct refetch what[REPLICAS_MAX];
			struct found f;
			struct blame_input in = input(&t, &f);

			out = blame_plan(&in, from, what);
			if (out)
				carry_out(&t, out, what);
			cr_assert_lt(rounds++, 2 * MAX);
		} while (out);
		for (int r = 0; r < MAX; r++) {
			for (int i = 0; i < t.n; i++)
				cr_assert_eq(t.crc[r][i], 1, "seed %u", seed);
		}
	}
}
