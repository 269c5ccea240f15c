// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_upkeep.c - copies are made and dropped by the cluster itself, and nodes
 * are away, evacuated and lost (model/change_upkeep.c, change_node_state.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/upkeep.h"
#include "support/modelworld.h"

TestSuite(change_upkeep);

#define HOUR_MS 3600000

static const struct upkeep_sight sight = { .watched_ms = 10 * HOUR_MS };

static void spawn(struct world *w, const char *group)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = GIB;

	cr_assert_eq(WORLD(w, change_spawn, group, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
}

/* a copy on n1 and n2 of four nodes, all in sync and up */
static void start(struct world *w)
{
	world_cluster(w, 4);
	spawn(w, NULL);
}

static bool has_replica(struct world *w, const char *node)
{
	char key[64];

	snprintf(key, sizeof(key), "replica/db/%s", node);
	return world_count(w, key) > 0;
}

/* all nodes but one report, with a copy that is up where there is one */
static void report_but(struct world *w, const char *silent)
{
	static const char *const names[] = { "n1", "n2", "n3", "n4" };

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(names[i], silent) == 0)
			continue;
		if (has_replica(w, names[i]))
			world_report_open(w, names[i], "db", false);
		else
			world_report(w, names[i], "ssd", 100 * GIB, 100 * GIB);
	}
}

static struct upkeep_plan look(struct world *w)
{
	struct upkeep_plan plan;

	cr_assert_eq(WORLD(w, change_upkeep, "db", &sight, &plan), 0, "%s", w->err.text);
	return plan;
}

static void put_in_sync(struct world *w, uint32_t in_sync)
{
	world_put_record(w, "db", WRITER_NONE, in_sync);
}

static void pass(struct world *w, int64_t ms)
{
	w->env.now_ms += ms;
	w->env.mono_ms += ms;
}

Test(change_upkeep, a_node_that_stays_away)
{
	struct world w;
	struct upkeep_plan plan;
	json *doc;

	start(&w);
	report_but(&w, "");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	pass(&w, 40000);
	report_but(&w, "n2");
	cr_assert_eq(WORLD(&w, change_node_away, "n2", true), 0);
	doc = world_doc(&w, "node/n2");
	cr_expect_eq(jget_i64_or(doc, "away_ms", 0), w.env.now_ms - 40000, "since it was heard of");
	json_object_put(doc);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_NOTHING);
	cr_expect(strstr(plan.why, "n2"), "%s", plan.why);
	pass(&w, HOUR_MS);
	report_but(&w, "n2");
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_ADD, "%s", plan.why);
	cr_expect(has_replica(&w, "n3") || has_replica(&w, "n4"));
	cr_expect_eq(world_count(&w, "replica/db/"), 3);
	report_but(&w, "n2");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING, "one is enough");
	/* it is back, and the new one is in sync without it */
	put_in_sync(&w, 1 | 4);
	report_but(&w, "");
	cr_assert_eq(WORLD(&w, change_node_away, "n2", false), 0);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_REMOVE, "%s", plan.why);
	cr_expect_not(has_replica(&w, "n2"));
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	report_but(&w, "");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	world_check(&w);
	world_close(&w);
}

/* n2, slot 1, died as writer; n1's report says whether it has a link to it */
static void report_link(struct world *w, bool connected)
{
	char text[256];
	json *doc;

	snprintf(text, sizeof(text),
		 "{\"node\":\"n1\",\"replicas\":{\"db\":{\"state\":\"up\",\"open\":false,"
		 "\"peers\":{\"1\":{\"connected\":%s}}}}}",
		 connected ? "true" : "false");
	doc = world_json(text);
	cr_assert_eq(observed_report(w->observed, doc, w->env.mono_ms, &w->err), 0);
	json_object_put(doc);
}

Test(change_upkeep, a_dead_writer_that_stays_away)
{
	struct world w;

	start(&w);
	world_put_record(&w, "db", 1, 1 | 2);
	report_but(&w, "");
	pass(&w, 40000);
	report_but(&w, "n2");
	cr_assert_eq(WORLD(&w, change_node_away, "n2", true), 0);
	pass(&w, HOUR_MS);
	report_but(&w, "n2");
	cr_expect_eq(look(&w).what, UPKEEP_ADD);
	report_but(&w, "n2");
	report_link(&w, true);
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING, "n1 hears of it what the leader does not");
	cr_expect_eq(world_record(&w, "db").writer, 1);
	report_link(&w, false);
	cr_expect_eq(look(&w).what, UPKEEP_UNNAME);
	cr_expect_eq(world_record(&w, "db").writer, WRITER_NONE);
	cr_expect_eq(world_record(&w, "db").in_sync, 1, "its copy is not in the set any more");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, what_somebody_takes_away_is_not_wanted)
{
	struct world w;

	start(&w);
	report_but(&w, "");
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, false), 0);
	put_in_sync(&w, 7);
	report_but(&w, "");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING, "three are wanted now");
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n1"), 0, "%s", w.err.text);
	report_but(&w, "");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING, "and now two");
	/* one that is of no use is taken away to get another */
	pass(&w, 10000);
	report_but(&w, "n2");
	put_in_sync(&w, 4);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0, "%s", w.err.text);
	cr_expect_eq(look(&w).what, UPKEEP_ADD);
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, no_place)
{
	struct world w;
	struct upkeep_plan plan;

	start(&w);
	cr_assert_eq(WORLD(&w, change_node_evacuate, "n3", true), 0);
	cr_assert_eq(WORLD(&w, change_node_evacuate, "n4", true), 0);
	cr_assert_eq(WORLD(&w, change_node_evacuate, "n1", true), 0);
	report_but(&w, "");
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_NOTHING);
	cr_expect(plan.refused);
	cr_expect(strstr(plan.why, "no place for another copy"), "%s", plan.why);
	cr_expect_eq(world_count(&w, "replica/db/"), 2, "and nothing was done by halves");
	cr_assert_eq(WORLD(&w, change_node_evacuate, "n4", false), 0);
	cr_expect_eq(look(&w).what, UPKEEP_ADD);
	cr_expect(has_replica(&w, "n4"));
	world_check(&w);
	world_close(&w);
}

static void rack(struct world *w, const char *node, const char *name)
{
	char text[100];
	json *body;

	snprintf(text, sizeof(text), "{\"override_props\":{\"Aux/rack\":\"%s\"}}", name);
	body = world_json(text);
	cr_assert_eq(WORLD(w, change_node_modify, node, body), 0);
	json_object_put(body);
}

/* n1 and n4 in one rack, n2 and n3 in another, and never two copies in one */
static void start_in_racks(struct world *w)
{
	json *body = world_json("{\"name\":\"racks\",\"select_filter\":{\"place_count\":2,"
				"\"replicas_on_different\":[\"Aux/rack\"]}}");

	world_cluster(w, 4);
	rack(w, "n1", "a");
	rack(w, "n2", "b");
	rack(w, "n3", "b");
	rack(w, "n4", "a");
	cr_assert_eq(WORLD(w, change_group_create, body, NULL), 0, "%s", w->err.text);
	json_object_put(body);
	spawn(w, "racks");
}

Test(change_upkeep, into_the_rack_of_one_that_is_away)
{
	struct world w;
	struct upkeep_plan plan;

	start_in_racks(&w);
	pass(&w, 40000);
	report_but(&w, "n2");
	cr_assert_eq(WORLD(&w, change_node_away, "n2", true), 0);
	pass(&w, HOUR_MS);
	report_but(&w, "n2");
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_ADD, "%s", plan.why);
	cr_expect(has_replica(&w, "n3"));
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, not_into_the_rack_of_one_that_counts)
{
	struct world w;
	struct upkeep_plan plan;

	start_in_racks(&w);
	cr_assert_eq(WORLD(&w, change_node_evacuate, "n3", true), 0);
	pass(&w, 40000);
	report_but(&w, "n2");
	cr_assert_eq(WORLD(&w, change_node_away, "n2", true), 0);
	pass(&w, HOUR_MS);
	report_but(&w, "n2");
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_NOTHING);
	cr_expect(plan.refused);
	cr_expect_not(has_replica(&w, "n4"), "n1's copy is in its rack");
	world_close(&w);
}

static bool is_client(struct world *w, const char *node)
{
	char key[64];
	json *doc;
	bool is;

	snprintf(key, sizeof(key), "replica/db/%s", node);
	doc = world_doc(w, key);
	is = jget_bool(doc, "diskless", false);
	json_object_put(doc);
	return is;
}

Test(change_upkeep, a_client_becomes_a_copy)
{
	struct world w;
	struct upkeep_plan plan;
	json *doc;

	start(&w);
	report_but(&w, "");
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n4", NULL, true), 0);
	cr_assert_eq(WORLD(&w, change_node_evacuate, "n1", true), 0);
	report_but(&w, "");
	world_report_open(&w, "n3", "db", true);
	world_report_open(&w, "n4", "db", true);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_NOTHING, "its disk would have to wait until it is closed");
	cr_expect(plan.refused);
	world_report_open(&w, "n4", "db", false);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_ADD, "%s", plan.why);
	cr_expect(is_client(&w, "n3"));
	cr_expect_not(is_client(&w, "n4"));
	cr_expect_eq(world_count(&w, "replica/db/"), 4);
	doc = world_doc(&w, "replica/db/n4");
	cr_expect_eq(jget_i64_or(doc, "slot", -1), 3, "in its slot");
	cr_expect_str_eq(jget_str(doc, "pool", ""), "ssd");
	json_object_put(doc);
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING, "one is enough");
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, a_lost_node_is_forgotten)
{
	struct world w;
	json *props;

	start(&w);
	report_but(&w, "");
	props = world_json("{\"override_props\":{\"Aux/a\":\"b\"}}");
	cr_assert_eq(WORLD(&w, change_node_connection, "n1", "n2", props), 0, "%s", w.err.text);
	json_object_put(props);
	cr_expect_eq(world_count(&w, "node-connection/"), 1);
	cr_expect_eq(WORLD(&w, change_node_lose, "n2"), -E_IN_USE);
	cr_expect(world_says(&w, "it answers"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_node_lose, "n9"), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_node_forget, "n2"), 0, "no reason to");
	cr_expect_eq(world_count(&w, "node/"), 4);
	pass(&w, 10000);
	report_but(&w, "n2");
	cr_assert_eq(WORLD(&w, change_node_lose, "n2"), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_node_evacuate, "n2", true), -E_INVALID);
	cr_assert_eq(WORLD(&w, change_node_forget, "n2"), 0);
	cr_expect_eq(world_count(&w, "node/"), 4, "something is on it");
	cr_expect_eq(look(&w).what, UPKEEP_REMOVE);
	cr_assert_eq(WORLD(&w, change_node_forget, "n2"), 0);
	cr_expect_eq(world_count(&w, "node/"), 3);
	cr_expect_eq(world_count(&w, "pool/n2/"), 0);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 0);
	cr_expect_eq(world_count(&w, "node-connection/"), 0);
	report_but(&w, "n2");
	cr_expect_eq(look(&w).what, UPKEEP_ADD, "and a copy takes the place of that one");
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, the_last_good_copy_was_there)
{
	struct world w;
	struct upkeep_plan plan;

	start(&w);
	report_but(&w, "");
	put_in_sync(&w, 2); /* n1 is behind */
	pass(&w, 10000);
	report_but(&w, "n2");
	cr_assert_eq(WORLD(&w, change_node_lose, "n2"), 0);
	plan = look(&w);
	cr_expect_neq(plan.what, UPKEEP_REMOVE);
	cr_expect(has_replica(&w, "n2"), "nobody gives up data by itself");
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, many_nodes_away)
{
	struct world w;
	bool many;

	start(&w);
	cr_assert_eq(change_upkeep_many_away(&w.env, &many, &w.err), 0);
	cr_expect_not(many);
	cr_assert_eq(WORLD(&w, change_node_away, "n3", true), 0);
	cr_assert_eq(change_upkeep_many_away(&w.env, &many, &w.err), 0);
	cr_expect_not(many, "one of four");
	cr_assert_eq(WORLD(&w, change_node_away, "n4", true), 0);
	cr_assert_eq(change_upkeep_many_away(&w.env, &many, &w.err), 0);
	cr_expect(many, "two of four");
	world_close(&w);
}

/* ---- copies where the volume is used ---- */

static void set_props(struct world *w, const char *node, const char *props)
{
	char text[200];
	json *body;

	snprintf(text, sizeof(text), "{\"override_props\":%s}", props);
	body = world_json(text);
	if (node)
		cr_assert_eq(WORLD(w, change_replica_modify, "db", node, body), 0, "%s",
			     w->err.text);
	else
		cr_assert_eq(WORLD(w, change_resource_modify, "db", body), 0, "%s", w->err.text);
	json_object_put(body);
}

/* as a client, or a copy whose disk waits */
static void report_client(struct world *w, const char *node, bool open)
{
	char text[300];
	json *o;

	snprintf(text, sizeof(text),
		 "{\"node\":\"%s\",\"pools\":{\"ssd\":{\"free_kib\":%lld,\"total_kib\":%lld}},"
		 "\"replicas\":{\"db\":{\"state\":\"up\",\"mode\":\"none\",\"open\":%s}}}",
		 node, 100 * GIB, 100 * GIB, open ? "true" : "false");
	o = world_json(text);
	cr_assert_eq(observed_report(w->observed, o, w->env.mono_ms, &w->err), 0);
	json_object_put(o);
}

/* n3 has been a client that has the volume open for so long */
static void start_open(struct world *w, int64_t ms)
{
	start(w);
	cr_assert_eq(WORLD(w, change_replica_create, "db", "n3", NULL, true), 0);
	report_but(w, "");
	report_client(w, "n3", true);
	cr_assert_eq(look(w).what, UPKEEP_NOTHING, "nobody has asked for it");
	set_props(w, NULL, "{\"DrbdOptions/auto-diskful\":\"5\"}");
	cr_assert_eq(look(w).what, UPKEEP_NOTE);
	pass(w, ms);
	report_but(w, "");
	report_client(w, "n3", true);
}

Test(change_upkeep, a_copy_where_it_is_used)
{
	struct world w;
	struct upkeep_plan plan;

	start_open(&w, 299000);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_NOTHING);
	cr_expect_leq(plan.again_ms, 2000);
	pass(&w, 1000);
	report_but(&w, "");
	report_client(&w, "n3", true);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_DISK, "%s", plan.why);
	cr_expect_not(is_client(&w, "n3"));
	report_client(&w, "n3", true);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_NOTHING, "%s", plan.why);
	cr_expect(strstr(plan.why, "n3 takes part when"), "%s", plan.why);
	report_but(&w, ""); /* closed: it learns */
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	put_in_sync(&w, 7);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_REMOVE, "%s", plan.why);
	cr_expect(has_replica(&w, "n3"));
	cr_expect_not(has_replica(&w, "n2"));
	report_but(&w, "");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, all_stay_where_cleanup_is_not_allowed)
{
	struct world w;

	start_open(&w, 300000);
	set_props(&w, NULL, "{\"DrbdOptions/auto-diskful-allow-cleanup\":\"False\"}");
	cr_expect_eq(look(&w).what, UPKEEP_DISK);
	put_in_sync(&w, 7);
	report_but(&w, "");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	cr_expect_eq(world_count(&w, "replica/db/"), 3);
	world_check(&w);
	world_close(&w);
}

Test(change_upkeep, the_replica_says_it_first)
{
	struct world w;
	json *body = world_json("{\"override_props\":{\"sds/diskful-after\":\"1\"}}");

	start_open(&w, 300000);
	cr_expect_eq(WORLD(&w, change_replica_modify, "db", "n3", body), -E_BAD_PROP);
	json_object_put(body);
	set_props(&w, "n3", "{\"sds/diskful-after\":\"off\"}");
	cr_expect_eq(look(&w).what, UPKEEP_NOTE, "it is not watched any more");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	cr_expect(is_client(&w, "n3"));
	world_close(&w);
}

Test(change_upkeep, closed_in_between)
{
	struct world w;

	start_open(&w, 200000);
	report_client(&w, "n3", false);
	cr_expect_eq(look(&w).what, UPKEEP_NOTE);
	report_client(&w, "n3", true);
	cr_expect_eq(look(&w).what, UPKEEP_NOTE);
	pass(&w, 200000);
	report_but(&w, "");
	report_client(&w, "n3", true);
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	cr_expect(is_client(&w, "n3"));
	world_close(&w);
}

Test(change_upkeep, no_disk_where_the_node_takes_none)
{
	struct world w;
	json *body = world_json("{\"override_props\":{\"sds/cordon\":\"on\"}}");
	struct upkeep_plan plan;

	start_open(&w, 300000);
	cr_assert_eq(WORLD(&w, change_node_modify, "n3", body), 0);
	json_object_put(body);
	plan = look(&w);
	cr_expect_eq(plan.what, UPKEEP_NOTHING);
	cr_expect(plan.refused);
	cr_expect(strstr(plan.why, "no copy where it is open"), "%s", plan.why);
	cr_expect(is_client(&w, "n3"));
	world_check(&w);
	world_close(&w);
}

/* A disk that somebody takes away again, one of too many, takes none from the others. */
Test(change_upkeep, who_takes_it_back)
{
	struct world w;
	bool changed;

	start_open(&w, 300000);
	cr_assert_eq(look(&w).what, UPKEEP_DISK);
	report_client(&w, "n3", true);
	cr_assert_eq(WORLD(&w, change_replica_diskless, "db", "n3", &changed), 0, "%s", w.err.text);
	cr_expect(is_client(&w, "n3"));
	report_but(&w, "");
	report_client(&w, "n3", true);
	cr_expect_eq(look(&w).what, UPKEEP_NOTE, "it is watched from the beginning");
	cr_expect_eq(look(&w).what, UPKEEP_NOTHING);
	cr_expect_eq(world_count(&w, "replica/db/"), 3);
	world_check(&w);
	world_close(&w);
}
