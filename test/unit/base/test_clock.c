// SPDX-License-Identifier: GPL-2.0-or-later
/* test_clock.c - the real sources run forwards and have the right unit. */
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

Test(clock, units)
{
	uint64_t start = clock_boot_ns();
	int64_t wall = clock_wall_ms();

	usleep(20000);
	cr_expect_geq(clock_boot_ns() - start, 20000000u);
	cr_expect_lt(clock_boot_ns() - start, 20000000000u);
	cr_expect_leq(llabs(wall / 1000 - (int64_t)time(NULL)), 5);
}

Test(clock, random_bytes)
{
	uint8_t a[300] = { 0 }, b[300] = { 0 };

	rand_bytes(a, sizeof(a));
	rand_bytes(b, sizeof(b));
	cr_expect_neq(memcmp(a, b, sizeof(a)), 0);
	rand_bytes(a, 0);
}
