// SPDX-License-Identifier: GPL-2.0-or-later
/* test_watermark.c - how full a pool is, and when that is news (model/watermark.c). */
#include "model/watermark.h"

#include <criterion/criterion.h>

TestSuite(watermark);

Test(watermark, used)
{
	static const struct {
		int64_t free_kib, total_kib;
		int used;
	} rows[] = {
		{ -1, 100, -1 },  { 0, -1, -1 },
		{ 0, 0, -1 },     { 100, 100, 0 },
		{ 101, 100, 0 },  { 0, 100, 100 },
		{ 1, 1000, 99 },  { 51, 1000, 94 },
		{ 50, 1000, 95 }, { INT64_MAX / 2, INT64_MAX, 50 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(watermark_used(rows[i].free_kib, rows[i].total_kib), rows[i].used,
			     "row %zu: %d", i, watermark_used(rows[i].free_kib, rows[i].total_kib));
}

/* a sequence of percentages, and the mark after each */
Test(watermark, crossings)
{
	static const struct {
		int percent, mark;
	} rows[] = { { 10, 0 },   { 74, 0 },    { 75, 75 }, { 74, 75 }, { 75, 75 }, { -1, 75 },
		     { 73, 0 },   { 93, 90 },   { 89, 90 }, { 94, 90 }, { 95, 95 }, { 100, 100 },
		     { 99, 100 }, { 98, 95 },   { 94, 95 }, { 93, 90 }, { 76, 75 }, { 0, 0 },
		     { 96, 95 },  { 100, 100 }, { 40, 0 } };
	int mark = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mark = watermark_next(mark, rows[i].percent);
		cr_expect_eq(mark, rows[i].mark, "row %zu: %d", i, mark);
	}
}

Test(watermark, words)
{
	static const struct {
		int percent;
		const char *text;
	} rows[] = {
		{ -1, "" },
		{ 74, "" },
		{ 75, "75 % full" },
		{ 93, "93 % full: no new volumes from 95 % on" },
		{ 95, "95 % full: no new volumes, and none grows" },
		{ 100, "100 % full: what needs new space fails" },
	};
	char text[WATERMARK_TEXT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(watermark_text(rows[i].percent, text, sizeof(text)), rows[i].text);
}
