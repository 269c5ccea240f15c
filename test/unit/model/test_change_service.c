// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_service.c - services made, moved, stopped, deleted, and decided about from reports
 * (change_service.c); what they keep from being deleted.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/service_decide.h"
#include "support/modelworld.h"

TestSuite(change_service);

#define BODY "{\"name\":\"db\",\"resource\":\"vol\",\"mount\":\"/srv/db\",\"unit\":\"a.service\"}"

static int create(struct world *w, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_service_create, body);

	json_object_put(body);
	return rv;
}

/* BODY with one field more, or another */
static int create_with(struct world *w, const char *field, const char *value)
{
	json *body = world_with(BODY, field, value);
	int rv = WORLD(w, change_service_create, body);

	json_object_put(body);
	return rv;
}

/* of a node with the kernel module: its part in the service as it says */
static void report(struct world *w, const char *node, const char *service)
{
	char text[512];
	json *doc;

	snprintf(text, sizeof(text),
		 "{\"node\":\"%s\",\"plane\":\"kernel\",\"services\":{%s},\"pools\":{\"ssd\":{"
		 "\"free_kib\":104857600,\"total_kib\":104857600}},\"replicas\":{\"vol\":{"
		 "\"state\":\"up\"}}}",
		 node, service);
	doc = world_json(text);
	cr_assert_eq(observed_report(w->observed, doc, w->env.mono_ms, &w->err), 0, "%s",
		     w->err.text);
	json_object_put(doc);
}

/* all have heard of the decision; the one that it names does as it says */
static void obey(struct world *w, int n)
{
	char key[STORE_KEY_MAX], node[8], text[256];
	json *doc;

	service_key("db", key, sizeof(key));
	doc = world_doc(w, key);
	for (int i = 1; i <= n; i++) {
		snprintf(node, sizeof(node), "n%d", i);
		snprintf(text, sizeof(text),
			 "\"db\":{\"generation\":%lld,\"holds\":%s,\"state\":\"running\"}",
			 (long long)jget_i64_or(doc, "generation", 0),
			 strcmp(jget_str(doc, "node", ""), node) == 0 &&
					 jget_bool(doc, "enabled", false)
				 ? "true"
				 : "false");
		report(w, node, text);
	}
	json_object_put(doc);
}

static struct service decide(struct world *w)
{
	struct service_decision d;
	struct service s;

	cr_assert_eq(WORLD(w, change_service_decide, "DB", &d, &s), 0, "%s", w->err.text);
	return s;
}

/* decided and obeyed until nothing changes: where it is */
static const char *settle(struct world *w, int n)
{
	static struct service s;

	for (int i = 0; i < 4; i++) {
		obey(w, n);
		s = decide(w);
	}
	return s.node;
}

static void begin(struct world *w)
{
	const int64_t size = GIB;

	world_cluster(w, 4);
	cr_assert_eq(WORLD(w, change_spawn, "DfltRscGrp", "vol", &size, 1, false, NULL, NULL), 0,
		     "%s", w->err.text);
}

/* where the copies are: which of n1 to n4 */
static void copies(struct world *w, const char *ret[2])
{
	static const char *const names[] = { "n1", "n2", "n3", "n4" };
	int n = 0;

	for (int i = 0; i < 4 && n < 2; i++) {
		char key[STORE_KEY_MAX];
		json *doc;

		replica_key("vol", names[i], key, sizeof(key));
		doc = world_doc(w, key);
		if (doc)
			ret[n++] = names[i];
		json_object_put(doc);
	}
	cr_assert_eq(n, 2);
}

Test(change_service, life)
{
	const char *on[2];
	struct service s;
	struct world w;
	bool changed;

	begin(&w);
	copies(&w, on);
	obey(&w, 4);
	cr_assert_eq(create(&w, BODY), 0, "%s", w.err.text);
	cr_expect_str_eq(settle(&w, 4), on[0]);
	/* moved by hand, stopped, started: it stays where it was */
	cr_assert_eq(WORLD(&w, change_service_move, "db", NULL, &s), 0, "%s", w.err.text);
	cr_expect_str_eq(s.wish, on[1]);
	cr_expect_str_eq(settle(&w, 4), on[1]);
	cr_assert_eq(WORLD(&w, change_service_enable, "db", false, &changed), 0);
	cr_expect(changed);
	cr_expect_eq(WORLD(&w, change_service_move, "db", NULL, &s), -E_INVALID);
	cr_assert_eq(WORLD(&w, change_service_enable, "db", false, &changed), 0);
	cr_expect_not(changed);
	cr_assert_eq(WORLD(&w, change_service_enable, "db", true, &changed), 0);
	cr_expect_str_eq(settle(&w, 4), on[1]);
	/* a service keeps its volume */
	cr_expect_eq(WORLD(&w, change_resource_delete, "vol"), -E_IN_USE);
	cr_expect(world_says(&w, "service db uses it"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_volume_delete, "vol", 0), -E_IN_USE);
	cr_assert_eq(WORLD(&w, change_service_delete, "db"), 0);
	cr_expect_eq(WORLD(&w, change_service_delete, "db"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_resource_delete, "vol"), 0, "%s", w.err.text);
	world_close(&w);
}

Test(change_service, its_node_is_gone)
{
	const char *on[2];
	struct world w;

	begin(&w);
	copies(&w, on);
	obey(&w, 4);
	cr_assert_eq(create(&w, BODY), 0);
	cr_expect_str_eq(settle(&w, 4), on[0]);
	w.env.mono_ms += SERVICE_GONE_MS - 1;
	for (int i = 0; i < 4; i++) { /* all but that one */
		char node[8], text[64];

		snprintf(node, sizeof(node), "n%d", i + 1);
		snprintf(text, sizeof(text), "\"db\":{\"generation\":2,\"holds\":false}");
		if (strcmp(node, on[0]) != 0)
			report(&w, node, text);
	}
	cr_expect_str_eq(decide(&w).node, on[0], "a moment more");
	w.env.mono_ms++;
	cr_expect_str_eq(decide(&w).node, on[1]);
	world_close(&w);
}

Test(change_service, gives_up_and_is_tried_again)
{
	char text[128];
	const char *on[2];
	struct service s;
	struct world w;

	begin(&w);
	copies(&w, on);
	obey(&w, 4);
	cr_assert_eq(create(&w, BODY), 0);
	settle(&w, 4);
	s = decide(&w);
	snprintf(text, sizeof(text),
		 "\"db\":{\"generation\":%lld,\"gave_up\":true,\"error\":\"no such unit\"}",
		 (long long)s.generation);
	report(&w, on[0], text);
	decide(&w);
	cr_expect_str_eq(settle(&w, 4), on[1]);
	s = decide(&w);
	cr_expect_str_eq(service_failure_on(&s, on[0])->why, "no such unit");
	cr_expect_eq(WORLD(&w, change_service_retry, "db"), 0);
	s = decide(&w);
	cr_expect_eq(s.n_failed, 0);
	cr_expect_eq(WORLD(&w, change_service_retry, "none"), -E_NOT_FOUND);
	world_close(&w);
}

Test(change_service, refused_without_a_trace)
{
	const int64_t size = GIB;
	struct world w;

	begin(&w);
	obey(&w, 4);
	cr_assert_eq(WORLD(&w, change_spawn, "DfltRscGrp", "vol2", &size, 1, false, NULL, NULL), 0);
	cr_expect_eq(create_with(&w, "resource", "\"none\""), -E_NOT_FOUND);
	cr_expect_eq(create_with(&w, "number", "1"), -E_INVALID);
	cr_expect_eq(create_with(&w, "mount", "\"srv\""), -E_INVALID);
	cr_expect_eq(create_with(&w, "nodes", "[\"n9\"]"), -E_INVALID);
	cr_expect(world_says(&w, "no node n9"));
	cr_expect_eq(world_count(&w, "service/"), 0);
	cr_assert_eq(create_with(&w, "vip", "\"10.0.0.5/24\""), 0);
	cr_expect_eq(create(&w, BODY), -E_EXISTS);
	cr_expect_eq(create_with(&w, "name", "\"DB\""), -E_EXISTS);
	cr_expect_eq(create_with(&w, "name", "\"other\""), -E_IN_USE);
	cr_expect(world_says(&w, "volume vol"), "%s", w.err.text);
	cr_expect_eq(create(&w, "{\"name\":\"b2\",\"resource\":\"vol2\",\"mount\":\"/srv/db\"}"),
		     -E_IN_USE);
	cr_expect_eq(create(&w, "{\"name\":\"b2\",\"resource\":\"vol2\",\"mount\":\"/srv/b\","
				"\"unit\":\"a.service\"}"),
		     -E_IN_USE);
	cr_expect_eq(create(&w, "{\"name\":\"b2\",\"resource\":\"vol2\",\"mount\":\"/srv/b\","
				"\"vip\":\"10.0.0.5/16\"}"),
		     -E_IN_USE);
	cr_expect_eq(create(&w, "{\"name\":\"b2\",\"resource\":\"vol2\",\"mount\":\"/srv/b\","
				"\"vip\":\"10.0.0.50/24\"}"),
		     0, "%s", w.err.text);
	world_close(&w);
}

Test(change_service, volume_that_cannot_be_mounted)
{
	json *body = world_json("{\"override_props\":{\"sds/handover\":\"on\"}}");
	struct world w;

	begin(&w);
	for (int i = 1; i <= 4; i++) {
		char text[64];
		json *doc;

		snprintf(text, sizeof(text), "{\"node\":\"n%d\",\"plane\":\"user\"}", i);
		doc = world_json(text);
		observed_report(w.observed, doc, w.env.mono_ms, NULL);
		json_object_put(doc);
	}
	cr_expect_eq(create(&w, BODY), -E_INVALID);
	cr_expect(world_says(&w, "user space"), "%s", w.err.text);
	cr_expect_eq(create_with(&w, "enabled", "false"), 0, "not yet to be run: %s", w.err.text);
	cr_expect_eq(WORLD(&w, change_service_delete, "db"), 0);
	obey(&w, 0);
	cr_expect_eq(WORLD(&w, change_resource_modify, "vol", body), 0);
	for (int i = 1; i <= 4; i++) {
		char node[8];

		snprintf(node, sizeof(node), "n%d", i);
		report(&w, node, "");
	}
	cr_expect_eq(create(&w, BODY), -E_INVALID);
	cr_expect(world_says(&w, "second node"), "%s", w.err.text);
	json_object_put(body);
	world_close(&w);
}

Test(change_service, limit)
{
	struct world w;

	world_cluster(&w, 1);
	for (int i = 0; i < SERVICES_MAX; i++) {
		struct txn *t = world_txn();
		char key[STORE_KEY_MAX], text[160];

		snprintf(text, sizeof(text),
			 "{\"name\":\"s%d\",\"resource\":\"r%d\",\"mount\":\"/srv/%d\"}", i, i, i);
		snprintf(key, sizeof(key), "service/s%d", i);
		txn_put(t, key, world_json(text));
		cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	}
	cr_expect_eq(create(&w, BODY), -E_INVALID);
	cr_expect(world_says(&w, "limit"), "%s", w.err.text);
	world_close(&w);
}

Test(change_service, only_nodes_that_can)
{
	const char *on[2];
	struct service s;
	struct world w;

	begin(&w);
	copies(&w, on);
	obey(&w, 4);
	cr_assert_eq(create(&w, BODY), 0);
	settle(&w, 4);
	for (int i = 1; i <= 4; i++) {
		char node[8];

		snprintf(node, sizeof(node), "n%d", i);
		if (strcmp(node, on[0]) == 0 || strcmp(node, on[1]) == 0)
			continue;
		cr_expect_eq(WORLD(&w, change_service_move, "db", node, &s), -E_INVALID);
		cr_expect(world_says(&w, "has no replica"), "%s", w.err.text);
	}
	cr_expect_eq(WORLD(&w, change_service_move, "db", "none", &s), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_node_evacuate, on[1], true), 0);
	cr_expect_eq(WORLD(&w, change_service_move, "db", NULL, &s), -E_NO_NODES);
	cr_expect_str_eq(settle(&w, 4), on[0]);
	cr_expect_eq(WORLD(&w, change_node_evacuate, on[1], false), 0);
	cr_expect_eq(WORLD(&w, change_node_evacuate, on[0], true), 0);
	cr_expect_str_eq(settle(&w, 4), on[1], "it leaves the node that is evacuated");
	world_close(&w);
}
