// SPDX-License-Identifier: GPL-2.0-or-later
/* test_metric.c - the text format of Prometheus: numbers, labels, what does not fit. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "api/metric.h"

static struct buf out;

static void setup(void)
{
	buf_init(&out, 4096);
}

static void teardown(void)
{
	buf_release(&out);
}

TestSuite(metric, .init = setup, .fini = teardown);

Test(metric, numbers)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = {
		{ 0, "m 0\n" },
		{ 1, "m 1\n" },
		{ -3, "m -3\n" },
		{ 0.5, "m 0.5\n" },
		{ 1e12, "m 1000000000000\n" },
		{ 9e18, "m 9e+18\n" },
		{ 1764190000.125, "m 1764190000.125\n" },
		{ NAN, "m NaN\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&out);
		metric_add(&out, "m", "", rows[i].value, NULL);
		cr_expect_str_eq((char *)out.data, rows[i].text);
	}
}

Test(metric, labels_are_escaped)
{
	metric_add(&out, "m", "_sum", 2, "a", "x\\y\"z\n", "b", "", NULL);
	cr_expect_str_eq((char *)out.data, "m_sum{a=\"x\\\\y\\\"z\\n\",b=\"\"} 2\n");
}

Test(metric, head)
{
	metric_one(&out, "m", "gauge", "What it is.", 7);
	cr_expect_str_eq((char *)out.data, "# HELP m What it is.\n# TYPE m gauge\nm 7\n");
}

Test(metric, what_does_not_fit_is_left_out_whole)
{
	static char huge[8192];
	size_t len;

	memset(huge, 'a', sizeof(huge) - 1);
	metric_add(&out, "m", "", 1, "l", huge, NULL);
	cr_expect_eq(out.len, 0);
	for (int i = 0; i < 2000; i++)
		metric_add(&out, "metric", "", i, NULL);
	len = out.len;
	cr_expect_leq(len, 4096);
	cr_expect_gt(len, 4000);
	cr_expect_eq(out.data[len - 1], '\n');
}
