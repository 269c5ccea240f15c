// SPDX-License-Identifier: GPL-2.0-or-later
/* test_pace.c - rates and times left (base/pace.c). */
#include <criterion/criterion.h>

#include "base/pace.h"

Test(pace, one_count_tells_nothing)
{
	struct pace p = { 0 };

	pace_note(&p, 1000, 50);
	cr_expect(!p.known);
	pace_note(&p, 1000 + PACE_SAMPLE_MS - 1, 60);
	cr_expect(!p.known, "too near to the one before");
	pace_note(&p, 2000, 150);
	cr_expect(p.known);
	cr_expect_float_eq(p.per_s, 100, 0.001, "%f", p.per_s);
}

Test(pace, the_past_fades)
{
	struct pace p = { 0 };
	uint64_t done = 0;
	int64_t now = 0;

	pace_note(&p, now, done);
	for (int i = 0; i < 60; i++)
		pace_note(&p, now += 1000, done += 1000);
	cr_expect_float_eq(p.per_s, 1000, 0.001);
	pace_note(&p, now += 1000, done += 10);
	cr_expect(p.per_s > 500 && p.per_s < 1000, "one slow second is not all: %f", p.per_s);
	for (int i = 0; i < 20; i++)
		pace_note(&p, now += 1000, done += 10);
	cr_expect(p.per_s < 30, "%f", p.per_s);
	pace_note(&p, now += PACE_SETTLE_MS, done);
	cr_expect(p.per_s < 15, "what stands still for long has no rate: %f", p.per_s);
}

Test(pace, less_than_before_is_a_new_beginning)
{
	struct pace p = { 0 };

	pace_note(&p, 0, 0);
	pace_note(&p, 1000, 5000);
	pace_note(&p, 2000, 10);
	cr_expect(!p.known && p.counted && p.done == 10);
	pace_note(&p, 3000, 30);
	cr_expect_float_eq(p.per_s, 20, 0.001, "%f", p.per_s);
}

Test(pace, what_is_left)
{
	static const struct {
		double per_s, left;
		int64_t s;
	} rows[] = {
		{ 10, 0, 0 },
		{ 10, 100, 10 },
		{ 10, 101, 11 },
		{ 0, 100, -1 },
		{ 0, 0, 0 },
		{ 1, PACE_LEFT_MAX_S, PACE_LEFT_MAX_S },
		{ 1, PACE_LEFT_MAX_S + 1, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(pace_left_s(rows[i].per_s, rows[i].left), rows[i].s, "row %zu", i);
}
