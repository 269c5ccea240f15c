// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_balance.c - copies move from full pools to emptier ones (model/change_balance.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/balance.h"
#include "model/upkeep.h"
#include "support/modelworld.h"

TestSuite(change_balance);

static const struct upkeep_sight sight = { .watched_ms = 36000000 };
static const char *const names[] = { "n1", "n2", "n3", "n4" };

static void props(struct world *w, const char *text)
{
	json *body = world_json(text);

	cr_assert_eq(WORLD(w, change_controller_modify, body), 0, "%s", w->err.text);
	json_object_put(body);
}

/* All nodes report: n1's pool is so full, the others are at 20 %; db is up where it is. */
static void report(struct world *w, int percent, const char *open)
{
	char text[512], key[64];

	for (int i = 0; i < 4; i++) {
		int free = 100 - (i == 0 ? percent : 20);
		bool has;
		json *o;

		snprintf(key, sizeof(key), "replica/db/%s", names[i]);
		has = world_count(w, key) > 0;
		snprintf(text, sizeof(text),
			 "{\"node\":\"%s\",\"pools\":{\"ssd\":{\"free_kib\":%lld,"
			 "\"total_kib\":%lld}},"
			 "\"replicas\":{%s%s%s}}",
			 names[i], free * GIB, 100 * GIB,
			 has ? "\"db\":{\"state\":\"up\",\"allocated_kib\":10485760,\"open\":" : "",
			 has ? strcmp(open, names[i]) == 0 ? "true" : "false" : "", has ? "}" : "");
		o = world_json(text);
		cr_assert_eq(observed_report(w->observed, o, w->env.mono_ms, &w->err), 0);
		json_object_put(o);
	}
}

/* a volume of 10 GiB with copies on n1 and n2, and balance is on */
static void start(struct world *w)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = 10 * GIB;

	world_cluster(w, 4);
	cr_assert_eq(WORLD(w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0);
	report(w, 80, "");
	props(w, "{\"override_props\":{\"sds/balance\":\"on\"}}");
}

static const char *look(struct world *w)
{
	static char why[BALANCE_TEXT_MAX];

	cr_assert_eq(WORLD(w, change_balance, &sight, why, sizeof(why)), 0, "%s", w->err.text);
	return why;
}

static int copies(struct world *w)
{
	return world_count(w, "replica/db/");
}

static void put_in_sync(struct world *w, uint32_t in_sync)
{
	struct record r = { 7, WRITER_NONE, in_sync, { 1, 1, 1 } };
	struct txn *t = world_txn();
	json *doc = world_doc(w, "record/db");

	record_write(doc, &r);
	txn_put(t, "record/db", doc);
	cr_assert_eq(world_apply(w, t), TXN_APPLIED);
}

static void pass(struct world *w, int64_t ms)
{
	w->env.now_ms += ms;
	w->env.mono_ms += ms;
}

Test(change_balance, one_moves)
{
	struct world w;
	const char *why;

	start(&w);
	why = look(&w);
	cr_expect_str_eq(why, "resource db moves from n1/ssd (80 % full) to n3/ssd (20 %)");
	cr_assert_eq(copies(&w), 3);
	report(&w, 80, "");
	cr_expect(strstr(look(&w), "moves from n1 to n3"), "it is under way");
	cr_expect_eq(copies(&w), 3);
	put_in_sync(&w, 7);
	cr_assert_eq(WORLD(&w, change_replica_reap, "db"), 0, "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_reap, "db"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "replica/db/n1"), 0);
	cr_expect_str_empty(look(&w), "it is over");
	report(&w, 80, "");
	cr_expect_str_empty(look(&w), "reports have to follow first");
	pass(&w, BALANCE_SETTLE_MS);
	report(&w, 80, "");
	cr_expect_str_empty(look(&w), "nor while files are being removed");
	cr_expect_eq(copies(&w), 2);
	world_check(&w);
	world_close(&w);
}

Test(change_balance, when_it_does_not)
{
	struct txn *t = world_txn();
	struct world w;

	start(&w);
	report(&w, 40, "");
	cr_expect_str_empty(look(&w), "20 %% are not enough");
	report(&w, 80, "n1");
	cr_expect(strstr(look(&w), "no copy can move"), "it is open there");
	put_in_sync(&w, 1);
	report(&w, 80, "");
	cr_expect(strstr(look(&w), "no copy can move"), "the other one is not in sync");
	put_in_sync(&w, 3);
	txn_put(t, "snapshot/db/before", world_json("{}"));
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	cr_expect(strstr(look(&w), "no copy can move"), "a snapshot would stay");
	cr_expect_eq(copies(&w), 2);
	props(&w, "{\"override_props\":{\"sds/balance\":\"off\"}}");
	cr_expect_str_empty(look(&w));
	cr_expect_eq(copies(&w), 2);
	world_close(&w);
}

/* n3 and n4 are in the rack of n2 */
Test(change_balance, by_the_rules)
{
	json *body = world_json("{\"override_props\":{\"Aux/rack\":\"a\"}}");
	json *group = world_json("{\"select_filter\":{\"replicas_on_different\":[\"Aux/rack\"]}}");
	struct world w;

	start(&w);
	for (int i = 1; i < 4; i++)
		cr_assert_eq(WORLD(&w, change_node_modify, names[i], body), 0);
	cr_assert_eq(WORLD(&w, change_group_modify, "DfltRscGrp", group, NULL), 0, "%s",
		     w.err.text);
	cr_expect(strstr(look(&w), "no copy can move"));
	cr_expect_eq(copies(&w), 2);
	json_object_put(group);
	json_object_put(body);
	world_check(&w);
	world_close(&w);
}

/* a node's report of all that is placed there, everything up */
static void report_all(struct world *w, const char *node, int percent, int volumes)
{
	json *o = json_object_new_object(), *pools = json_object_new_object();
	json *pool = json_object_new_object(), *replicas = json_object_new_object();
	char key[STORE_KEY_MAX], name[16];

	for (int i = 0; i <= volumes; i++) {
		json *r = json_object_new_object();

		snprintf(name, sizeof(name), i < volumes ? "r%02d" : "db", i);
		replica_key(name, node, key, sizeof(key));
		jset_str(r, "state", "up");
		jset_i64(r, "allocated_kib", i < volumes ? GIB : GIB / 2);
		if (world_count(w, key) > 0)
			jset(replicas, name, r);
		else
			json_object_put(r);
	}
	jset_i64(pool, "free_kib", (100 - percent) * 10 * GIB);
	jset_i64(pool, "total_kib", 1000 * GIB);
	jset(pools, "ssd", pool);
	jset_str(o, "node", node);
	jset(o, "pools", pools);
	jset(o, "replicas", replicas);
	cr_assert_eq(observed_report(w->observed, o, w->env.mono_ms, &w->err), 0, "%s",
		     w->err.text);
	json_object_put(o);
}

/* So many volumes that may not move, each larger than db, which may. */
static const char *among_tied(struct world *w, int volumes)
{
	json *tied = world_json("{\"name\":\"tied\",\"select_filter\":{\"place_count\":2,"
				"\"replicas_on_different\":[\"Aux/rack\"]}}");
	json *rack = world_json("{\"override_props\":{\"Aux/rack\":\"a\"}}");
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = GIB, half = GIB / 2;
	char name[16];

	world_cluster(w, 4);
	for (int i = 0; i < 4; i++)
		report_all(w, names[i], 0, 0);
	cr_assert_eq(WORLD(w, change_group_create, tied, NULL), 0, "%s", w->err.text);
	for (int i = 0; i <= volumes; i++) {
		snprintf(name, sizeof(name), i < volumes ? "r%02d" : "db", i);
		cr_assert_eq(WORLD(w, change_spawn, i < volumes ? "tied" : NULL, name,
				   i < volumes ? &size : &half, 1, false, NULL, &place),
			     0, "%s", w->err.text);
	}
	for (int i = 1; i < 4; i++) /* n1 is in no rack */
		cr_assert_eq(WORLD(w, change_node_modify, names[i], rack), 0);
	for (int i = 0; i < 4; i++)
		report_all(w, names[i], i == 0 ? 80 : 20, volumes);
	props(w, "{\"override_props\":{\"sds/balance\":\"on\"}}");
	json_object_put(tied);
	json_object_put(rack);
	return look(w);
}

Test(change_balance, so_many_places_are_asked_for)
{
	const char *why;
	struct world w;

	why = among_tied(&w, BALANCE_TRIES_MAX - 1);
	cr_expect(strstr(why, "resource db moves from n1/ssd"), "the last try: %s", why);
	world_close(&w);
	why = among_tied(&w, BALANCE_TRIES_MAX);
	cr_expect(strstr(why, "no copy can move"), "one more: %s", why);
	world_close(&w);
}

Test(change_balance, bad_value)
{
	json *body = world_json("{\"override_props\":{\"sds/balance\":\"maybe\"}}");
	struct world w;

	start(&w);
	cr_expect_eq(WORLD(&w, change_controller_modify, body), -E_BAD_PROP);
	json_object_put(body);
	world_close(&w);
}
