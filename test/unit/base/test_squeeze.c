// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_squeeze.c - what was squeezed comes back, whatever it was (base/squeeze.c).
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/squeeze.h"

#define ROUNDS 2000
#define LONGEST 20000

TestSuite(squeeze);

static void there_and_back(const uint8_t *data, size_t len)
{
	uint8_t *back = malloc(len + 1), *block;
	size_t used;

	cr_assert_not_null(back);
	back[len] = 0xa5;
	block = squeeze(data, len, &used);
	unsqueeze(block, used, back, len);
	cr_assert(len == 0 || memcmp(back, data, len) == 0, "of %zu bytes", len);
	cr_assert_eq(back[len], 0xa5, "not a byte more than the %zu", len);
	free(block);
	free(back);
}

Test(squeeze, nothing_and_little)
{
	there_and_back((const uint8_t *)"", 0);
	there_and_back((const uint8_t *)"x", 1);
	there_and_back((const uint8_t *)"{\"a\":1}", 8);
}

/* pieces of earlier bytes, and of noise, in turn: from all alike to nothing alike */
Test(squeeze, whatever_it_was)
{
	static uint8_t data[LONGEST];

	for (unsigned int seed = 1; seed <= ROUNDS; seed++) {
		unsigned int r = seed;
		size_t len = 0, most = (size_t)rand_r(&r) % LONGEST;

		while (len < most) {
			size_t n = 1 + (size_t)rand_r(&r) % 300;
			size_t from = len ? (size_t)rand_r(&r) % len : 0;
			bool again = len && rand_r(&r) % 3;

			for (size_t i = 0; i < n && len < most; i++)
				data[len++] = again ? data[from + i] : (uint8_t)rand_r(&r);
		}
		there_and_back(data, len);
	}
}

Test(squeeze, what_repeats_itself_takes_less)
{
	static uint8_t data[LONGEST];
	size_t used;

	for (size_t i = 0; i < LONGEST; i++)
		data[i] = (uint8_t)("0123456789abcdefghijklmnop"[i % 26]);
	free(squeeze(data, LONGEST, &used));
	cr_expect_lt(used, LONGEST / 50);
}

Test(squeeze, a_block_that_was_cut, .signal = SIGABRT)
{
	uint8_t data[300] = { 1, 2, 3 }, *block;
	size_t used;

	block = squeeze(data, sizeof(data), &used);
	unsqueeze(block, used - 1, data, sizeof(data));
}
