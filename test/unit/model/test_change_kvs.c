// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_kvs.c - key-value stores, the controller's properties (both
 * model/change_kvs.c) and definitions of pools (change_pool_definition.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/policy.h"
#include "model/pool_definition.h"
#include "support/modelworld.h"

TestSuite(change_kvs);

static int modify(struct world *w, const char *name, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_kvs_modify, name, body);

	json_object_put(body);
	return rv;
}

static void holds(struct world *w, const char *key, const char *want)
{
	json *doc = world_doc(w, key);

	cr_expect_str_eq(doc ? json_text(jget(doc, "props")) : "none", want, "%s", key);
	json_object_put(doc);
}

Test(change_kvs, life)
{
	struct world w;

	world_start(&w);
	cr_assert_eq(modify(&w, "__gui__Users", "{\"override_props\":{\"/xcp//vol/1\":5}}"), 0);
	holds(&w, "kvs/__gui__users", "{\"xcp/vol/1\":\"5\"}");
	cr_expect_eq(modify(&w, "__GUI__users", "{\"override_props\":{\"b\":\"x\"}}"), 0);
	cr_expect_eq(modify(&w, "__gui__users", "{\"delete_namespaces\":[\"xcp/\"]}"), 0);
	holds(&w, "kvs/__gui__users", "{\"b\":\"x\"}");
	cr_expect_eq(modify(&w, "empty", "{}"), 0);
	holds(&w, "kvs/empty", "{}");
	cr_expect_eq(WORLD(&w, change_kvs_delete, "Empty"), 0);
	cr_expect_eq(WORLD(&w, change_kvs_delete, "empty"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_kvs_delete, "a/b"), -E_NOT_FOUND);
	cr_expect_eq(world_count(&w, "kvs/"), 1);
	world_close(&w);
}

Test(change_kvs, refused_without_a_trace)
{
	static const char *const names[] = { "",
					     "a",
					     "a b",
					     "a/b",
					     "\xc3\xbc"
					     "ber",
					     "a123456789012345678901234567890123456789012345678" };
	static const char *const bodies[] = {
		"{\"override_props\":{\"a\":[]}}",
		"{\"override_props\":7}",
		"{\"delete_props\":{}}",
		"{\"override_props\":{\"b\":1,\"/\":1}}",
	};
	struct world w;

	world_start(&w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_eq(modify(&w, names[i], "{}"), -E_INVALID, "%s", names[i]);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		cr_expect_eq(modify(&w, "store", bodies[i]), -E_BAD_PROP, "%s", bodies[i]);
	cr_expect_eq(world_count(&w, "kvs/"), 0);
	world_close(&w);
}

Test(change_kvs, limits)
{
	json *given = json_object_new_object(), *body = json_object_new_object();
	char name[24];
	struct world w;

	world_start(&w);
	for (int i = 0; i < KVS_PROPS_MAX; i++) {
		snprintf(name, sizeof(name), "key%d", i);
		jset_str(given, name, "v");
	}
	jset(body, "override_props", given);
	cr_expect_eq(WORLD(&w, change_kvs_modify, "store", body), 0, "%s", w.err.text);
	cr_expect_eq(modify(&w, "store", "{\"override_props\":{\"more\":1}}"), -E_BAD_PROP);
	for (int i = 1; i < KVS_MAX; i++) {
		snprintf(name, sizeof(name), "store%d", i);
		cr_assert_eq(modify(&w, name, "{}"), 0, "%s", w.err.text);
	}
	cr_expect_eq(modify(&w, "more", "{}"), -E_INVALID);
	cr_expect(world_says(&w, "which is the limit"), "%s", w.err.text);
	cr_expect_eq(modify(&w, "store7", "{\"override_props\":{\"a\":1}}"), 0);
	json_object_put(body);
	world_close(&w);
}

static int controller(struct world *w, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_controller_modify, body);

	json_object_put(body);
	return rv;
}

Test(change_kvs, controller)
{
	struct world w;

	world_start(&w);
	holds(&w, CONTROLLER_KEY, "none");
	cr_expect_eq(controller(&w, "{\"override_props\":{\"sds/read-policy\":\"fast\"}}"),
		     -E_BAD_PROP);
	cr_expect_eq(controller(&w, "{\"override_props\":[1]}"), -E_BAD_PROP);
	holds(&w, CONTROLLER_KEY, "none");
	cr_expect_eq(controller(&w, "{\"override_props\":{\"a/b\":1,\"sds/freeze-ms\":500}}"), 0);
	cr_expect_eq(controller(&w, "{\"delete_props\":[\"/a/b\"]}"), 0);
	holds(&w, CONTROLLER_KEY, "{\"sds/freeze-ms\":\"500\"}");
	world_close(&w);
}

static int definition(struct world *w, const char *name, const char *props)
{
	json *given = world_json(props);
	int rv = WORLD(w, change_pool_definition_create, name, given);

	json_object_put(given);
	return rv;
}

static int define(struct world *w, const char *name, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_pool_definition_modify, name, body);

	json_object_put(body);
	return rv;
}

Test(change_kvs, pool_definitions)
{
	struct world w;

	world_cluster(&w, 2);
	cr_expect_eq(definition(&w, "SSD", "{}"), -E_EXISTS, "there are pools of this name");
	cr_expect_eq(definition(&w, POOL_DISKLESS, "{}"), -E_EXISTS);
	cr_expect_eq(definition(&w, "ab", "{}"), -E_INVALID);
	cr_expect_eq(definition(&w, "fast", "{\"a\":[]}"), -E_BAD_PROP);
	cr_expect_eq(world_count(&w, "pool-definition/"), 0);
	cr_expect_eq(definition(&w, "Fast", "{\"a\":1}"), 0);
	cr_expect_eq(definition(&w, "fast", "{}"), -E_EXISTS);
	holds(&w, "pool-definition/fast", "{\"a\":\"1\"}");
	cr_expect_eq(define(&w, "FAST", "{\"delete_props\":[\"a\"]}"), 0);
	holds(&w, "pool-definition/fast", "{}");
	cr_expect_eq(define(&w, "SSD", "{\"override_props\":{\"b\":2}}"), 0);
	holds(&w, "pool-definition/ssd", "{\"b\":\"2\"}");
	cr_expect_eq(define(&w, POOL_DISKLESS, "{\"override_props\":{\"b\":2}}"), 0);
	cr_expect_eq(define(&w, "none", "{}"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_pool_definition_delete, "fast"), 0);
	cr_expect_eq(WORLD(&w, change_pool_definition_delete, "fast"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_pool_definition_delete, "ssd"), -E_IN_USE);
	cr_expect_eq(WORLD(&w, change_pool_definition_delete, POOL_DISKLESS), -E_IN_USE);
	cr_assert_eq(WORLD(&w, change_pool_delete, "n1", "ssd"), 0);
	cr_assert_eq(WORLD(&w, change_pool_delete, "n2", "ssd"), 0);
	cr_expect_eq(WORLD(&w, change_pool_definition_delete, "ssd"), 0);
	world_close(&w);
}

Test(change_kvs, limit_of_pool_definitions)
{
	struct world w;
	char name[24];

	world_start(&w);
	for (int i = 0; i < POOL_DEFINITIONS_MAX; i++) {
		snprintf(name, sizeof(name), "pool%d", i);
		cr_assert_eq(definition(&w, name, "{}"), 0, "%s", w.err.text);
	}
	cr_expect_eq(definition(&w, "more", "{}"), -E_INVALID);
	world_close(&w);
}
