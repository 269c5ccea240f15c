// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_name.c - the rules for names and their keys (model/name.c).
 */
#include "model/name.h"

#include <criterion/criterion.h>
#include <string.h>

#include "model/resource.h"
#include "support/modelworld.h"

TestSuite(name, .fini = world_no_leaks);

Test(name, check)
{
	static const struct {
		const char *name;
		int min_len, rv;
		const char *says;
	} rows[] = {
		{ "n1", 2, 0, NULL },
		{ "_a", 2, 0, NULL },
		{ "A-b_9", 2, 0, NULL },
		{ "n", 2, -E_INVALID, "2 to 48" },
		{ "ab", 3, -E_INVALID, "3 to 48" },
		{ "", 2, -E_INVALID, "missing" },
		{ NULL, 2, -E_INVALID, "missing" },
		{ "1a", 2, -E_INVALID, "beginning with a letter" },
		{ "-a", 2, -E_INVALID, "beginning with a letter" },
		{ "a b", 2, -E_INVALID, "letters" },
		{ "a/b", 2, -E_INVALID, "letters" },
		{ "a.b", 2, -E_INVALID, "letters" },
		{ "\xc3\xa4h", 2, -E_INVALID, "letters" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 2, 0, NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 2, -E_INVALID, "48" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };
		int rv = name_check("node name", rows[i].name, rows[i].min_len, &err);

		cr_expect_eq(rv, rows[i].rv, "row %zu: %d", i, rv);
		if (rows[i].says) {
			cr_expect(strstr(err.text, "node name"), "row %zu: %s", i, err.text);
			cr_expect(strstr(err.text, rows[i].says), "row %zu: %s", i, err.text);
		}
	}
}

Test(name, key)
{
	static const struct {
		const char *name, *key;
	} rows[] = {
		{ "Node-1", "node-1" },
		{ "db", "db" },
		{ "a/b", "?" },
		{ "", "?" },
		{ NULL, "?" },
		{ "a b", "?" },
		{ "\xc3\xa4h", "?" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "?" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char key[NAME_MAX_LEN + 1];

		name_key(rows[i].name, key);
		cr_expect_str_eq(key, rows[i].key, "row %zu: %s", i, key);
	}
}

Test(name, reserved_resource_names)
{
	struct err err = { 0 };

	cr_expect_eq(resource_check_name("db", &err), 0);
	cr_expect_eq(resource_check_name("All", &err), -E_INVALID);
	cr_expect(strstr(err.text, "reserved"), "%s", err.text);
	cr_expect_eq(resource_check_name("PROXY", &err), -E_INVALID);
}
