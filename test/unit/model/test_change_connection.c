// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_connection.c - properties of pairs of nodes and of replicas
 * (model/change_connection.c, connection.c), and what a pair says about the
 * handover of a resource (policy.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/connection.h"
#include "model/policy.h"
#include "support/modelworld.h"

TestSuite(change_connection);

#define YES "{\"override_props\":{\"DrbdOptions/Net/allow-two-primaries\":\"yes\"}}"
#define NO_MORE "{\"delete_props\":[\"DrbdOptions/Net/allow-two-primaries\"]}"

static int of_nodes(struct world *w, const char *a, const char *b, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_node_connection, a, b, body);

	json_object_put(body);
	return rv;
}

static int of_replicas(struct world *w, const char *a, const char *b, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_resource_connection, "db", a, b, body);

	json_object_put(body);
	return rv;
}

static void start(struct world *w)
{
	static const char *const nodes[] = { "n1", "n2", "n3" };
	const struct change_place place = { .copies = 3,
					    .n_nodes = 3,
					    .nodes = { nodes[0], nodes[1], nodes[2] } };
	const int64_t size = GIB;

	world_cluster(w, 4);
	cr_assert_eq(WORLD(w, change_spawn, GROUP_DEFAULT, "db", &size, 1, false, NULL, &place), 0,
		     "%s", w->err.text);
}

static bool hands_over(struct world *w)
{
	json *doc = world_doc(w, "resource/db");
	bool handover = policy_load(w->store, doc).handover;

	json_object_put(doc);
	return handover;
}

Test(change_connection, of_nodes)
{
	struct world w;
	json *doc;

	world_cluster(&w, 3);
	cr_assert_eq(of_nodes(&w, "N2", "n1", "{\"override_props\":{\"/a\":1}}"), 0);
	doc = world_doc(&w, "node-connection/n1/n2");
	cr_assert(doc);
	cr_expect_str_eq(json_text(doc),
			 "{\"node_a\":\"n1\",\"node_b\":\"n2\",\"props\":{\"a\":\"1\"}}");
	json_object_put(doc);
	cr_expect_eq(of_nodes(&w, "n1", "N2", "{\"override_props\":{\"b\":2}}"), 0);
	cr_expect_eq(world_count(&w, "node-connection/"), 1, "it is the same pair");
	cr_expect_eq(of_nodes(&w, "n1", "n2", "{\"delete_props\":[\"a\",\"b\"]}"), 0);
	cr_expect_eq(of_nodes(&w, "n1", "n2", "{\"delete_props\":[\"a\"]}"), 0);
	cr_expect_eq(of_nodes(&w, "n1", "n2", "{}"), 0);
	cr_expect_eq(of_nodes(&w, "n1", "N1", "{}"), -E_INVALID);
	cr_expect_eq(of_nodes(&w, "n1", "n9", YES), -E_NOT_FOUND);
	cr_expect_eq(of_nodes(&w, "a/b", "n1", YES), -E_NOT_FOUND);
	cr_expect_eq(of_nodes(&w, "n1", "n2", "{\"override_props\":{\"x\":[]}}"), -E_BAD_PROP);
	cr_expect_eq(world_count(&w, "node-connection/"), 0, "nothing is left behind");
	world_close(&w);
}

Test(change_connection, they_go_with_the_node)
{
	struct world w;

	world_cluster(&w, 3);
	cr_assert_eq(of_nodes(&w, "n1", "n2", YES), 0);
	cr_assert_eq(of_nodes(&w, "n2", "n3", YES), 0);
	cr_assert_eq(of_nodes(&w, "n1", "n3", YES), 0);
	cr_assert_eq(WORLD(&w, change_node_delete, "N2"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "node-connection/"), 1);
	cr_expect_eq(world_count(&w, "node-connection/n1/"), 1);
	world_close(&w);
}

Test(change_connection, two_primaries_hand_over)
{
	json *off = world_json("{\"override_props\":{\"sds/handover\":\"off\"}}");
	json *no =
		world_json("{\"override_props\":{\"DrbdOptions/Net/allow-two-primaries\":\"no\"}}");
	struct world w;
	json *doc;

	start(&w);
	cr_expect_not(hands_over(&w));
	cr_assert_eq(of_replicas(&w, "n3", "n1", YES), 0, "%s", w.err.text);
	cr_expect(hands_over(&w));
	cr_expect_eq(of_replicas(&w, "n1", "n3", NO_MORE), 0);
	cr_expect_not(hands_over(&w));
	doc = world_doc(&w, "resource/db");
	cr_expect_null(jget(doc, "connections"), "nothing is left behind: %s", json_text(doc));
	json_object_put(doc);
	/* the pair is nearer than the definition, but not than what was said in our own words */
	cr_assert_eq(of_replicas(&w, "n1", "n2", YES), 0);
	cr_assert_eq(WORLD(&w, change_resource_modify, "db", no), 0);
	cr_expect(hands_over(&w));
	cr_assert_eq(WORLD(&w, change_resource_modify, "db", off), 0);
	cr_expect_not(hands_over(&w));
	json_object_put(no);
	json_object_put(off);
	world_check(&w);
	world_close(&w);
}

Test(change_connection, of_a_controller)
{
	json *body = world_json(YES);
	struct world w;

	start(&w);
	cr_assert_eq(WORLD(&w, change_controller_modify, body), 0);
	cr_expect(hands_over(&w));
	json_object_put(body);
	world_close(&w);
}

Test(change_connection, refused)
{
	struct world w;
	json *before, *after;

	start(&w);
	cr_assert_eq(of_replicas(&w, "n1", "n2", "{\"override_props\":{\"a\":1}}"), 0);
	before = world_doc(&w, "resource/db");
	cr_expect_eq(of_replicas(&w, "n1", "n1", YES), -E_INVALID);
	cr_expect_eq(of_replicas(&w, "n1", "n4", YES), -E_NOT_FOUND);
	cr_expect(world_says(&w, "has no replica on node n4"), "%s", w.err.text);
	cr_expect_eq(of_replicas(&w, "n9", "n1", YES), -E_NOT_FOUND);
	cr_expect_eq(of_replicas(&w, "n1", "n2", "{\"override_props\":{\"a\":{}}}"), -E_BAD_PROP);
	cr_expect_eq(of_replicas(&w, "n1", "n2",
				 "{\"override_props\":{\"sds/handover\":\"perhaps\"}}"),
		     -E_BAD_PROP);
	after = world_doc(&w, "resource/db");
	cr_expect_str_eq(json_text(before), json_text(after));
	json_object_put(before);
	json_object_put(after);
	world_close(&w);
}

Test(change_connection, they_go_with_the_replica)
{
	struct world w;
	json *doc;

	start(&w);
	cr_assert_eq(of_replicas(&w, "n1", "n2", YES), 0);
	cr_assert_eq(of_replicas(&w, "n2", "n3", "{\"override_props\":{\"a\":1}}"), 0);
	cr_assert_eq(of_replicas(&w, "n1", "n3", "{\"override_props\":{\"b\":1}}"), 0);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0, "%s", w.err.text);
	doc = world_doc(&w, "resource/db");
	cr_expect_eq(json_object_array_length(jget(doc, "connections")), 1);
	cr_expect(connection_find(jget(doc, "connections"), "N3", "n1"));
	cr_expect_null(connection_find(jget(doc, "connections"), "n1", "n2"));
	json_object_put(doc);
	cr_expect_not(hands_over(&w));
	world_check(&w);
	world_close(&w);
}

static json *connections(struct world *w)
{
	json *doc = world_doc(w, "resource/db");
	json *list = json_object_get(jget(doc, "connections"));

	json_object_put(doc);
	return list;
}

/* the pair's property of that key is "yes" */
static bool says_yes(struct world *w, const char *a, const char *b, const char *key)
{
	json *list = connections(w);
	bool yes =
		strcmp(jget_str(jget(connection_find(list, a, b), "props"), key, ""), "yes") == 0;

	json_object_put(list);
	return yes;
}

Test(change_connection, live_migration)
{
	bool some = true, gone = true;
	struct world w;

	start(&w);
	cr_assert_eq(WORLD(&w, change_replica_migration, "db", "n2", false, false, &some), 0);
	cr_expect_not(some, "nobody has it open");
	cr_expect_null(connections(&w));
	world_report_open(&w, "n1", "db", true);
	cr_expect_eq(WORLD(&w, change_replica_migration, "db", "n4", false, true, &some),
		     -E_NOT_FOUND);
	/* a client is made for it, in the same transaction */
	cr_assert_eq(WORLD(&w, change_replica_migration, "db", "n4", true, true, &some), 0, "%s",
		     w.err.text);
	cr_expect(some);
	cr_expect(says_yes(&w, "n1", "n4", POLICY_TWO_PRIMARIES));
	cr_expect(hands_over(&w));
	cr_assert_eq(WORLD(&w, change_replica_migration, "db", "n1", false, false, &some), 0);
	cr_expect_not(some, "it is open there, and nowhere else");
	/* the source has a copy, which stays; it is still open there */
	cr_expect_eq(WORLD(&w, change_replica_unavailable, "db", "n1", &gone), -E_IN_USE);
	cr_expect(world_says(&w, "open on n1: close it there first"), "%s", w.err.text);
	cr_expect(hands_over(&w));
	world_report_open(&w, "n1", "db", false);
	cr_assert_eq(WORLD(&w, change_replica_unavailable, "DB", "N1", &gone), 0);
	cr_expect_not(gone);
	cr_expect_null(connections(&w));
	cr_expect_not(hands_over(&w));
	cr_assert_eq(WORLD(&w, change_replica_unavailable, "db", "n1", &gone), 0, "twice");
	/* a client goes */
	cr_assert_eq(WORLD(&w, change_replica_unavailable, "db", "n4", &gone), 0, "%s", w.err.text);
	cr_expect(gone);
	cr_expect_eq(world_count(&w, "replica/db/"), 3);
	cr_expect_eq(WORLD(&w, change_replica_unavailable, "db", "n4", &gone), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_unavailable, "none", "n1", &gone), -E_NOT_FOUND);
	world_check(&w);
	world_close(&w);
}

/* What was set by somebody else stays. */
Test(change_connection, live_migration_takes_only_its_own)
{
	bool some = true, gone = true;
	struct world w;

	start(&w);
	cr_assert_eq(of_replicas(&w, "n1", "n2", YES), 0);
	cr_assert_eq(of_replicas(&w, "n2", "n3", "{\"override_props\":{\"a\":\"yes\"}}"), 0);
	world_report_open(&w, "n1", "db", true);
	cr_assert_eq(WORLD(&w, change_replica_migration, "db", "n2", false, false, &some), 0);
	cr_expect_not(some, "they can already");
	world_report_open(&w, "n1", "db", false);
	world_report_open(&w, "n3", "db", true);
	cr_assert_eq(WORLD(&w, change_replica_migration, "db", "n2", false, false, &some), 0);
	cr_expect(some);
	world_report_open(&w, "n3", "db", false);
	cr_assert_eq(WORLD(&w, change_replica_unavailable, "db", "n2", &gone), 0);
	cr_expect(says_yes(&w, "n1", "n2", POLICY_TWO_PRIMARIES));
	cr_expect_not(says_yes(&w, "n2", "n3", POLICY_TWO_PRIMARIES));
	cr_expect_not(says_yes(&w, "n2", "n3", CONNECTION_MIGRATION));
	cr_expect(says_yes(&w, "n2", "n3", "a"));
	world_check(&w);
	world_close(&w);
}
