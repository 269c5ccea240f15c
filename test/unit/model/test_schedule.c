// SPDX-License-Identifier: GPL-2.0-or-later
/* test_schedule.c - times of day and counts of snapshots by the clock (model/schedule.c). */
#include <criterion/criterion.h>
#include <stdio.h>

#include "model/schedule.h"

TestSuite(schedule);

Test(schedule, every)
{
	static const struct {
		const char *text;
		int64_t s;
	} rows[] = {
		{ "off", 0 },
		{ "60s", 60 },
		{ "59s", -1 },
		{ "15m", 900 },
		{ "1h", 3600 },
		{ "7d", 604800 },
		{ "366d", 31622400 },
		{ "367d", -1 },
		{ "1", -1 },
		{ "", -1 },
		{ "h", -1 },
		{ "-1h", -1 },
		{ " 1h", -1 },
		{ "1hh", -1 },
		{ "1w", -1 },
		{ "0h", -1 },
		{ "1.5h", -1 },
		{ "+1h", -1 },
		{ "99999999999999999999d", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(schedule_parse_every(rows[i].text), rows[i].s, "%s", rows[i].text);
}

Test(schedule, keep)
{
	char text[16];

	cr_expect_eq(schedule_parse_keep("1"), 1);
	snprintf(text, sizeof(text), "%d", SCHEDULE_KEEP_MAX);
	cr_expect_eq(schedule_parse_keep(text), SCHEDULE_KEEP_MAX);
	snprintf(text, sizeof(text), "%d", SCHEDULE_KEEP_MAX + 1);
	cr_expect_eq(schedule_parse_keep(text), -1);
	cr_expect_eq(schedule_parse_keep("0"), -1);
	cr_expect_eq(schedule_parse_keep("x"), -1);
	cr_expect_eq(schedule_parse_keep("3x"), -1);
	cr_expect_eq(schedule_parse_keep(""), -1);
}

Test(schedule, due)
{
	const int64_t made[] = { 1000000, 5000000, 3000000 }; /* in no order */

	cr_expect(schedule_is_due(NULL, 0, 3600, 0), "the first one at once");
	cr_expect_not(schedule_is_due(made, 3, 60, 5059999));
	cr_expect(schedule_is_due(made, 3, 60, 5060000));
	cr_expect_not(schedule_is_due(made, 3, 60, 4000000), "the clock was put back");
}

Test(schedule, excess)
{
	const int64_t made[] = { 3, 1, 2 };

	cr_expect_eq(schedule_excess(made, 3, 3), -1);
	cr_expect_eq(schedule_excess(made, 3, 2), 1);
	cr_expect_eq(schedule_excess(made, 1, 1), -1);
	cr_expect_eq(schedule_excess(made, 0, 1), -1);
}

Test(schedule, name)
{
	char name[SCHEDULE_NAME_MAX];

	schedule_name(1700000000123, name);
	cr_expect_str_eq(name, "auto-20231114-221320");
}
