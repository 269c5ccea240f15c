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
		{ "{\"/a//b/\":\"x\"}", "{\"a/b\":\"x\"}" },
		{ "{\"a///b\":1.5}", "{\"a/b\":\"1.5\"}" },
		{ "{\"\u00fcber\":\"\u00fc\"}", "{\"\u00fcber\":\"\u00fc\"}" },
		{ "{\"a\":\"\"}", "{\"a\":\"\"}" },
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

		cr_expect_eq(rv, rows[i].want ? 0 : -E_BAD_PROP, "%s", rows[i].given);
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
		{ "{\"delete_props\":[null,\"//ns///b/\",\"nsx\",\"\"],"
		  "\"delete_namespaces\":[null],\"override_props\":null}",
		  "{\"a\":\"1\",\"ns/c/d\":\"3\"}" },
		{ "{\"delete_props\":[\"a\"],\"override_props\":{\"a\":true,\"nsx\":null}}",
		  "{\"ns/b\":\"2\",\"ns/c/d\":\"3\",\"nsx\":\"4\",\"a\":\"true\"}" },
		{ "{\"delete_namespaces\":{}}", NULL },
		{ "{\"delete_namespaces\":[[]]}", NULL },
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

		cr_expect_eq(rv, rows[i].want ? 0 : -E_BAD_PROP, "%s", rows[i].body);
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
	cr_expect_eq(try_one(key, "\"x\""), -E_BAD_PROP);
	cr_expect_eq(try_one("k", world_long('v', PROP_VALUE_MAX)), 0);
	cr_expect_eq(try_one("k", world_long('v', PROP_VALUE_MAX + 1)), -E_BAD_PROP);

	for (int i = 0; i < PROPS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		jset_str(given, key, "v");
	}
	cr_assert_eq(props_new("node n1", given, &props, NULL), 0);
	json_object_put(props);
	jset_str(given, "more", "v");
	cr_expect_eq(props_new("node n1", given, &props, NULL), -E_BAD_PROP);
	json_object_put(given);
}

/* as many names may be deleted as there can be properties */
Test(props, limit_of_a_larger_object)
{
	json *doc = json_object_new_object(), *body = json_object_new_object();
	json *given = json_object_new_object(), *names = json_object_new_array();
	char key[16];

	for (int i = 0; i < PROPS_MAX + 1; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		jset_str(given, key, "v");
		json_object_array_add(names, json_object_new_string(key));
	}
	jset(body, "override_props", given);
	cr_expect_eq(props_modify("kvs x", doc, body, NULL), -E_BAD_PROP);
	cr_expect_null(jget(doc, "props"));
	cr_expect_eq(props_modify_max("kvs x", doc, body, PROPS_MAX + 1, NULL), 0);
	cr_expect_eq(json_object_object_length(jget(doc, "props")), PROPS_MAX + 1);
	json_object_object_del(body, "override_props");
	jset(body, "delete_props", names);
	cr_expect_eq(props_modify("kvs x", doc, body, NULL), -E_BAD_PROP);
	cr_expect_eq(props_modify_max("kvs x", doc, body, PROPS_MAX + 1, NULL), 0);
	cr_expect_str_eq(json_text(jget(doc, "props")), "{}");
	json_object_put(body);
	json_object_put(doc);
}

Test(props, inherited)
{
	enum props_level at = 0;
	struct props_chain c = { { NULL } };

	for (int i = 0; i < PROPS_LEVELS; i++) {
		if (i != PROPS_RESOURCE)
			c.level[i] = json_object_new_object();
	}
	cr_expect_null(props_value(&c, "k", &at));
	cr_expect_eq(at, PROPS_LEVELS);
	cr_expect_null(props_value(&c, "k", &at), "there is nothing after the last");

	jset_str(c.level[PROPS_CONTROLLER], "k", "controller");
	jset_str(c.level[PROPS_RESOURCE_GROUP], "k", "group");
	jset_str(c.level[PROPS_VOLUME_DEFINITION], "k", "volume");
	at = 0;
	cr_expect_str_eq(props_value(&c, "k", &at), "volume");
	cr_expect_str_eq(props_value(&c, "k", &at), "group");
	cr_expect_str_eq(props_value(&c, "k", &at), "controller");
	cr_expect_null(props_value(&c, "k", &at));
	at = 0;
	cr_expect_null(props_value(&c, "other", &at));
	for (int i = 0; i < PROPS_LEVELS; i++)
		json_object_put(c.level[i]);
}
