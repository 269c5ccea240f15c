// SPDX-License-Identifier: GPL-2.0-or-later
/* test_json.c - what is refused as JSON, and the conversions clients rely on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "support/leaks.h"

TestSuite(json, .fini = test_no_leaks);

static json *parse(const char *text)
{
	struct err err = { 0 };
	json *o = NULL;

	cr_assert_eq(json_parse(text, strlen(text), &o, &err), 0, "%s: %s", text, err.text);
	return o;
}

/* The parser that is kept says the same as a new one, whatever it was given before. */
Test(json, parse_often)
{
	static const char *const rows[] = { "{\"a\":[1,\"x\"]}",
					    "{\"a\":",
					    "[[[[",
					    "\"cut \\u00",
					    "1",
					    "tru",
					    "",
					    "{} x",
					    "[NaN]",
					    "{\"b\":{}}" };
	char large[70000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
			json *kept = NULL, *fresh = NULL;
			int rv = json_parse(rows[k], strlen(rows[k]), &fresh, NULL);

			if (json_parse_often(rows[i], strlen(rows[i]), &kept, NULL) == 0)
				json_object_put(kept);
			kept = NULL;
			cr_expect_eq(json_parse_often(rows[k], strlen(rows[k]), &kept, NULL), rv,
				     "'%s' after '%s'", rows[k], rows[i]);
			cr_expect(json_object_equal(kept, fresh), "'%s' after '%s'", rows[k],
				  rows[i]);
			json_object_put(kept);
			json_object_put(fresh);
		}
	}
	memset(large, ' ', sizeof(large)); /* for a parser of its own */
	memcpy(large + sizeof(large) - 4, "[7]", 3);
	for (size_t len = sizeof(large) - 1; len > 65000; len -= 1000) {
		json *o = NULL;

		cr_assert_eq(json_parse_often(large + sizeof(large) - 1 - len, len, &o, NULL), 0);
		cr_expect_eq(json_object_array_length(o), 1);
		json_object_put(o);
	}
}

Test(json, refused)
{
	static const char *const rows[] = {
		"",         "  \n",        "{",
		"[1,2",     "tru",         "{} x",
		"{}{}",     "'a'",         "{a:1}",
		"[1,]",     "{\"a\":1,}",  "/*c*/1",
		"NaN",      "[Infinity]",  "-Infinity",
		"1e400",    "01",          "+1",
		"\"\xff\"", "\"\\u0000\"", "{\"a\":{\"b\":\"x\\u0000y\"}}",
		"\"a",      "nul",         "[1 2]",
		"\x01",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };
		json *o = (json *)&err;

		cr_expect_eq(json_parse(rows[i], strlen(rows[i]), &o, &err), -E_INVALID, "row '%s'",
			     rows[i]);
		cr_expect_eq(o, (json *)&err, "set on failure: row '%s'", rows[i]);
		cr_expect_neq(err.text[0], '\0', "row '%s'", rows[i]);
	}
	cr_expect_eq(json_parse("{}\0", 3, NULL, NULL), -E_INVALID);
}

Test(json, accepted)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ " {\"a\" : [1, 2.5, null, true]} \r\n", "{\"a\":[1,2.5,null,true]}" },
		{ "5", "5" },
		{ "\"a/b\"", "\"a/b\"" },
		{ "null", "null" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *o = parse(rows[i].in);

		cr_expect_str_eq(json_text(o), rows[i].out);
		json_object_put(o);
	}
}

Test(json, depth)
{
	char text[2 * JSON_DEPTH_MAX + 8];

	for (int depth = JSON_DEPTH_MAX - 2; depth <= JSON_DEPTH_MAX + 2; depth++) {
		json *o = NULL;
		int rv;

		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		rv = json_parse(text, 2 * (size_t)depth, &o, NULL);
		cr_expect_eq(rv, depth <= JSON_DEPTH_MAX ? 0 : -E_INVALID, "depth %d", depth);
		json_object_put(o);
	}
}

Test(json, getters_take_anything)
{
	json *o = parse("{\"n\":null,\"o\":{},\"a\":[1],\"s\":\"x\"}"), *number = parse("5");
	int64_t n = 77;

	cr_expect_null(jget(NULL, "a"));
	cr_expect_null(jget(number, "a"));
	cr_expect_null(jget(o, "n"));
	cr_expect_null(jget(o, "missing"));
	cr_expect_str_eq(jget_str(NULL, "a", "def"), "def");
	cr_expect_str_eq(jget_str(o, "o", "def"), "def");
	cr_expect_str_eq(jget_str(o, "a", "def"), "def");
	cr_expect_eq(jget_i64(NULL, "a", &n), -ENOENT);
	cr_expect_eq(jget_i64(o, "n", &n), -ENOENT);
	cr_expect_eq(jget_i64(o, "o", &n), -E_INVALID);
	cr_expect_eq(jget_i64(o, "s", &n), -E_INVALID);
	cr_expect_eq(n, 77);
	cr_expect_eq(jget_i64_or(o, "s", 3), 3);
	cr_expect(jget_bool(number, "s", true));
	cr_expect_null(json_copy(NULL));
	json_object_put(o);
	json_object_put(number);
}

Test(json, integers)
{
	static const struct {
		const char *value;
		int rv;
		int64_t n;
	} rows[] = {
		{ "5", 0, 5 },
		{ "-5", 0, -5 },
		{ "\"5\"", 0, 5 },
		{ "\"-7\"", 0, -7 },
		{ "5.0", 0, 5 },
		{ "1e3", 0, 1000 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "\"9223372036854775807\"", 0, INT64_MAX },
		{ "9223372036854775808", -E_INVALID, 0 },
		{ "\"9223372036854775808\"", -E_INVALID, 0 },
		{ "99999999999999999999999", -E_INVALID, 0 },
		{ "1e19", -E_INVALID, 0 },
		{ "5.5", -E_INVALID, 0 },
		{ "\"\"", -E_INVALID, 0 },
		{ "\" 5\"", -E_INVALID, 0 },
		{ "\"+5\"", -E_INVALID, 0 },
		{ "\"5x\"", -E_INVALID, 0 },
		{ "\"-\"", -E_INVALID, 0 },
		{ "\"0x10\"", -E_INVALID, 0 },
		{ "true", -E_INVALID, 0 },
		{ "[]", -E_INVALID, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64];
		int64_t n = 0;
		json *o;

		snprintf(text, sizeof(text), "{\"v\":%s}", rows[i].value);
		o = parse(text);
		cr_expect_eq(jget_i64(o, "v", &n), rows[i].rv, "row %s", rows[i].value);
		cr_expect_eq(n, rows[i].n, "row %s", rows[i].value);
		json_object_put(o);
	}
}

Test(json, booleans_and_strings)
{
	static const struct {
		const char *value;
		bool if_false, if_true; /* with that default */
		const char *text;
	} rows[] = {
		{ "true", true, true, "true" },     { "false", false, false, "false" },
		{ "\"True\"", true, true, "True" }, { "\"true\"", true, true, "true" },
		{ "\"1\"", true, true, "1" },       { "\"False\"", false, false, "False" },
		{ "\"0\"", false, false, "0" },     { "1", true, true, "1" },
		{ "0", false, false, "0" },         { "\"perhaps\"", false, true, "perhaps" },
		{ "\"\"", false, true, "" },        { "1.5", false, true, "1.5" },
		{ "null", false, true, "def" },     { "[]", false, true, "def" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64];
		json *o;

		snprintf(text, sizeof(text), "{\"v\":%s}", rows[i].value);
		o = parse(text);
		cr_expect_eq(jget_bool(o, "v", false), rows[i].if_false, "row %s", rows[i].value);
		cr_expect_eq(jget_bool(o, "v", true), rows[i].if_true, "row %s", rows[i].value);
		cr_expect_str_eq(jget_str(o, "v", "def"), rows[i].text, "row %s", rows[i].value);
		json_object_put(o);
	}
}

Test(json, setters_and_copy)
{
	json *o = json_object_new_object(), *copy;

	jset_str(o, "s", "x\"y");
	jset_str(o, "none", NULL);
	jset_i64(o, "i", INT64_MIN);
	jset_bool(o, "b", true);
	jset(o, "o", json_object_new_object());
	jset_str(jget(o, "o"), "in", "side");
	copy = json_copy(o);
	jset_str(jget(o, "o"), "in", "changed");
	cr_expect_str_eq(json_text(copy),
			 "{\"s\":\"x\\\"y\",\"none\":null,\"i\":-9223372036854775808,"
			 "\"b\":true,\"o\":{\"in\":\"side\"}}");
	json_object_put(o);
	json_object_put(copy);
}

Test(json, set_on_no_object, .signal = SIGABRT)
{
	jset_str(NULL, "a", "b");
}

/* nothing is left of them, and nothing else is changed */
Test(json, wipe)
{
	const char text[] = "{\"a\":\"secret\",\"b\":[\"more\",7,null],\"c\":{\"d\":\"deep\"}}";
	json *o = NULL;
	const char *a, *more;

	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0);
	a = jget_str(o, "a", "");
	more = json_object_get_string(json_object_array_get_idx(jget(o, "b"), 0));
	jwipe(o);
	for (int i = 0; i < 6; i++)
		cr_expect_eq(a[i], 0);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(more[i], 0);
	cr_expect_eq(json_object_get_int(json_object_array_get_idx(jget(o, "b"), 1)), 7);
	json_object_put(o);
	jwipe(NULL);
}
