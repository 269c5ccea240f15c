// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_segment.c - the reader of open segments on bytes made up here. What it
 * says of real ones, whole and damaged, is in test_crash.c.
 */
#include "raft/segment.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(segment, made_up_bytes)
{
	static uint8_t data[64 * 1024];
	size_t at;

	cr_expect_eq(segment_check(data, 0, &at), SEGMENT_UNUSED);
	cr_expect_eq(segment_check(data, sizeof(data), &at), SEGMENT_UNUSED);
	data[100] = 1;
	cr_expect_eq(segment_check(data, sizeof(data), &at), SEGMENT_DAMAGED, "no format");
	data[0] = 1;
	cr_expect_eq(segment_check(data, sizeof(data), &at), SEGMENT_TORN);
	cr_expect_eq(at, 8u);
	data[100] = 0;
	cr_expect_eq(segment_check(data, sizeof(data), &at), SEGMENT_WHOLE, "format only");
	cr_expect_eq(segment_check(data, 5, &at), SEGMENT_DAMAGED, "too short for a format");
	/* any bytes at all: no crash, no reading outside (the sanitizer watches) */
	uint32_t seed = 99;

	for (int round = 0; round < 300; round++) {
		size_t len = 9 + seed % 2000;
		uint8_t *copy = malloc(len);

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			copy[i] = (uint8_t)(seed >> 24) & (uint8_t)(round % 3 ? 0xff : 3);
		}
		memcpy(copy, "\1\0\0\0\0\0\0\0", 8);
		segment_check(copy, len, &at);
		cr_expect_leq(at, len);
		free(copy);
	}
}
