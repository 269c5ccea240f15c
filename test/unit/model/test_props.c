// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_props.c - property maps: what is taken, changed and refused, and the
 * limits (model/props.c).
 */
#include "model/props.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(props, .fini = world_no_leaks);

Test(props, made)
{
	static const struct {
		const char *given, *want; /* NULL: refused */
	} rows[] = {
		{ "null", "{}" },
		{ "{}", "{}" },
		{ "{\"a/b\":\"x\"}", "{\"a/b\":\"x\"}" },
		{ "{\"//a/b\":\"x\"}", "{\"a/b\":\"x\"}" },
		{ "{\"n\":100,\"t\":true,\"z\":null}", "{\"n\":\"100\",\"t\":\"true\"}" },
		{ "{\"a\":[]}", NULL },
		{ "{\"a\":{}}", NULL },
		{ "{\"/\":\"x\"}", NULL },
		{ "{\"\":\"x\"}", NULL },
		{ "[]", NULL },
		{ "\"a\"", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *given = strcmp(rows[i].given, "null") ? world_json(rows[i].given) : NULL;
		struct err err = { 0 };
		json *props = NULL;
		int rv = props_new("node n1", given, &props, &err);

		cr_expect_eq(rv, rows[i].want ? 0 : -E_INVALID, "%s", rows[i].given);
		if (rv == 0 && rows[i].want)
			cr_expect_str_eq(json_text(props), rows[i].want);
		else
			cr_expect(strstr(err.text, "node n1"), "%s", err.text);
		json_object_put(props);
		json_object_put(given);
	}
}

Test(props, modified)
{
	static const struct {
		const char *body, *want; /* NULL: refused, nothing changed */
	} rows[] = {
		{ "{}", "{\"a\":\"1\",\"ns/b\":\"2\",\"ns/c/d\":\"3\",\"nsx\":\"4\"}" },
		{ "{\"override_props\":{\"a\":\"9\"},\"delete_props\":[\"nsx\"],"
		  "\"delete_namespaces\":[\"/ns/c/\"]}",
		  "{\"a\":\"9\",\"ns/b\":\"2\"}" },
		{ "{\"delete_namespaces\":[\"ns\"]}", "{\"a\":\"1\",\"nsx\":\"4\"}" },
		{ "{\"delete_namespaces\":[\"/\"]}",
		  "{\"a\":\"1\",\"ns/b\":\"2\",\"ns/c/d\":\"3\",\"nsx\":\"4\"}" },
		{ "{\"delete_props\":[\"/a\",\"none\"]}",
		  "{\"ns/b\":\"2\",\"ns/c/d\":\"3\",\"nsx\":\"4\"}" },
		{ "{\"delete_props\":\"a\"}", NULL },
		{ "{\"delete_props\":[7]}", NULL },
		{ "{\"delete_props\":[\"a\"],\"override_props\":{\"x\":[]}}", NULL },
		{ "{\"override_props\":[]}", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *doc = world_json("{\"props\":{\"a\":\"1\",\"ns/b\":\"2\",\"ns/c/d\":\"3\","
				       "\"nsx\":\"4\"},\"kept\":1}");
		json *body = world_json(rows[i].body);
		int rv = props_modify("node n1", doc, body, NULL);

		cr_expect_eq(rv, rows[i].want ? 0 : -E_INVALID, "%s", rows[i].body);
		cr_expect_str_eq(json_text(jget(doc, "props")),
				 rows[i].want ? rows[i].want : rows[0].want, "%s", rows[i].body);
		cr_expect(jget(doc, "kept"));
		json_object_put(doc);
		json_object_put(body);
	}
}

static int try_one(const char *key, const char *value)
{
	json *given = json_object_new_object(), *props = NULL;
	int rv;

	jset(given, key, world_json(value));
	rv = props_new("node n1", given, &props, NULL);
	json_object_put(given);
	json_object_put(props);
	return rv;
}

Test(props, limits)
{
	json *given = json_object_new_object(), *props = NULL;
	char key[PROP_KEY_MAX + 2];

	memset(key, 'k', sizeof(key));
	key[PROP_KEY_MAX] = '\0';
	cr_expect_eq(try_one(key, "\"x\""), 0);
	key[PROP_KEY_MAX] = 'k';
	key[PROP_KEY_MAX + 1] = '\0';
	cr_expect_eq(try_one(key, "\"x\""), -E_INVALID);
	cr_expect_eq(try_one("k", world_long('v', PROP_VALUE_MAX)), 0);
	cr_expect_eq(try_one("k", world_long('v', PROP_VALUE_MAX + 1)), -E_INVALID);

	for (int i = 0; i < PROPS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		jset_str(given, key, "v");
	}
	cr_assert_eq(props_new("node n1", given, &props, NULL), 0);
	json_object_put(props);
	jset_str(given, "more", "v");
	cr_expect_eq(props_new("node n1", given, &props, NULL), -E_INVALID);
	json_object_put(given);
}
