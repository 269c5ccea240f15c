// SPDX-License-Identifier: GPL-2.0-or-later
/* test_backoff.c - from the least to the most, twice as long each time. */
#include <criterion/criterion.h>
#include <limits.h>

#include "base/backoff.h"

static void expect_doubling(uint64_t least, uint64_t most)
{
	uint64_t before = backoff_ms(1, least, most);

	cr_expect_eq(before, least);
	for (int i = 2; before < most; i++) {
		uint64_t ms = backoff_ms(i, least, most);

		cr_assert_gt(ms, before);
		cr_assert(ms == 2 * before || ms == most);
		before = ms;
	}
	cr_expect_eq(backoff_ms(INT_MAX, least, most), most);
}

Test(backoff, doubles)
{
	expect_doubling(2000, 60000); /* passes the most */
	expect_doubling(100, 1600);   /* meets it */
	expect_doubling(5, 5);
	cr_expect_eq(backoff_ms(0, 200, 1000), 200);
	cr_expect_eq(backoff_ms(4, 200, 10000), 1600);
}
