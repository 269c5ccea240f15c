// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_options.c - the command line's grammar (cli/options.c).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/options.h"

TestSuite(options);

static const char *copies, *nodes;
static bool verbose;
static const struct option_spec specs[] = { { "--copies", &copies, NULL },
					    { "--nodes", &nodes, NULL },
					    { "--verbose", NULL, &verbose } };

Test(options, rows)
{
	static const struct {
		char *argv[8];
		int rv, n;
		const char *copies, *nodes;
		bool verbose;
		const char *last; /* word */
	} rows[] = {
		{ { "create", "db", "10G" }, 0, 2, NULL, NULL, false, "10G" },
		{ { "create", "--copies", "2", "db", "10G" }, 0, 2, "2", NULL, false, "10G" },
		{ { "create", "db", "--copies=3", "10G", "--verbose" },
		  0,
		  2,
		  "3",
		  NULL,
		  true,
		  "10G" },
		{ { "create", "--nodes=", "db" }, 0, 1, NULL, "", false, "db" },
		{ { "create", "--nodes", "a,b", "--nodes", "c" }, 0, 0, NULL, "c", false, NULL },
		{ { "create", "--", "--copies", "2" }, 0, 2, NULL, NULL, false, "2" },
		{ { "create", "-" }, 0, 1, NULL, NULL, false, "-" },
		{ { "create" }, 0, 0, NULL, NULL, false, NULL },
		{ { "create", "--copies" }, .rv = -E_INVALID },
		{ { "create", "--copys", "2" }, .rv = -E_INVALID },
		{ { "create", "--cop", "2" }, .rv = -E_INVALID },
		{ { "create", "-c" }, .rv = -E_INVALID },
		{ { "create", "--verbose=1" }, .rv = -E_INVALID },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *argv[8];
		const char *words[8];
		struct err err = { 0 };
		int argc = 0, n = -1, rv;

		memcpy(argv, rows[i].argv, sizeof(argv));
		while (argv[argc])
			argc++;
		copies = nodes = NULL;
		verbose = false;
		rv = options_parse(argc, argv, specs, 3, words, 8, &n, &err);
		cr_expect_eq(rv, rows[i].rv, "row %zu: %d", i, rv);
		if (rv < 0) {
			cr_expect(err.text[0], "row %zu says nothing", i);
			continue;
		}
		cr_expect_eq(n, rows[i].n, "row %zu: %d words", i, n);
		cr_expect(!rows[i].copies ? !copies : strcmp(copies, rows[i].copies) == 0,
			  "row %zu", i);
		cr_expect(!rows[i].nodes ? !nodes : strcmp(nodes, rows[i].nodes) == 0, "row %zu",
			  i);
		cr_expect_eq(verbose, rows[i].verbose, "row %zu", i);
		cr_expect(!rows[i].last || strcmp(words[n - 1], rows[i].last) == 0, "row %zu", i);
	}
}

Test(options, words_are_limited)
{
	char *argv[] = { "delete", "a", "b", "c", NULL };
	const char *words[2];
	struct err err;
	int n;

	cr_expect_eq(options_parse(4, argv, NULL, 0, words, 2, &n, &err), -E_INVALID);
	cr_expect_eq(options_parse(3, argv, NULL, 0, words, 2, &n, &err), 0);
}

Test(options, times)
{
	static const struct {
		const char *text;
		int rv;
		int64_t s;
	} rows[] = {
		{ "90", 0, 90 },          { "90s", 0, 90 },
		{ "30m", 0, 1800 },       { "1h", 0, 3600 },
		{ "7d", 0, 604800 },      { "0", -E_INVALID, 0 },
		{ "-1h", -E_INVALID, 0 }, { "", -E_INVALID, 0 },
		{ "h", -E_INVALID, 0 },   { "1w", -E_INVALID, 0 },
		{ "1hh", -E_INVALID, 0 }, { "99999999999999999999", -E_INVALID, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t s = 0;
		struct err err;

		cr_expect_eq(options_seconds(rows[i].text, &s, &err), rows[i].rv, "%s",
			     rows[i].text);
		cr_expect_eq(s, rows[i].s, "%s: %lld", rows[i].text, (long long)s);
	}
}

Test(options, numbers)
{
	struct err err;
	int64_t n = 0;

	cr_expect_eq(options_number("--copies", "3", 1, 7, &n, &err), 0);
	cr_expect_eq(n, 3);
	cr_expect_eq(options_number("--copies", "0", 1, 7, &n, &err), -E_INVALID);
	cr_expect_eq(options_number("--copies", "8", 1, 7, &n, &err), -E_INVALID);
	cr_expect_eq(options_number("--copies", "two", 1, 7, &n, &err), -E_INVALID);
	cr_expect_eq(options_number("--copies", "2x", 1, 7, &n, &err), -E_INVALID);
	cr_expect_eq(options_number("--copies", "", 1, 7, &n, &err), -E_INVALID);
	cr_expect(strstr(err.text, "--copies") && strstr(err.text, "1 to 7"));
}
