// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_refetch.c - regions that are wrong are fetched again (model/change_refetch.c,
 * model/refetch.c), and comparisons are kept and due (model/scrub.c, model/change_scrub.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/scrub.h"
#include "support/modelworld.h"

TestSuite(change_refetch);

static struct replica replica(struct world *w, const char *node)
{
	struct replica r = { .slot = -1 };
	char key[64];
	json *doc;

	snprintf(key, sizeof(key), "replica/db/%s", node);
	doc = world_doc(w, key);
	if (doc)
		cr_assert_eq(replica_parse(doc, &r, NULL), 0);
	json_object_put(doc);
	return r;
}

/* copies on n1 (slot 0), n2, n3, none of them open */
static void start(struct world *w, uint32_t in_sync)
{
	struct change_place place = { .copies = 3 };
	const int64_t size = GIB;

	world_cluster(w, 4);
	cr_assert_eq(WORLD(w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
	world_put_record(w, "db", WRITER_NONE, in_sync);
}

static int refetch(struct world *w, const char *node, const char *another)
{
	struct refetch what = { 0 };
	struct change_refetch of[] = { { node, &what }, { another, &what } };

	refetch_add(&what, 0, 9);
	return WORLD(w, change_replica_refetch, "DB", of, another ? 2 : 1);
}

static int refetched(struct world *w, const char *node)
{
	struct replica r = replica(w, node);

	return WORLD(w, change_replica_refetched, "db", node, r.uuid);
}

Test(change_refetch, life)
{
	struct world w;
	struct replica r;

	start(&w, 7);
	cr_assert_eq(refetch(&w, "N2", NULL), 0, "%s", w.err.text);
	r = replica(&w, "n2");
	cr_expect(r.inactive && r.refetch.wanted && !r.refetch.whole);
	cr_expect_eq(r.refetch.n, 1);
	cr_expect_eq(r.refetch.at[0].region, 9);
	cr_expect_eq(world_record(&w, "db").in_sync, 5, "it leaves the set at once: nobody writes");
	cr_expect_eq(world_record(&w, "db").epoch, 8);
	cr_expect_eq(refetch(&w, "n2", NULL), -E_IN_USE, "it is not in sync");
	cr_expect_eq(refetch(&w, "n3", NULL), -E_IN_USE, "as long as another one is not");
	world_put_record(&w, "db", WRITER_NONE, 7);
	cr_expect_eq(refetched(&w, "n2"), -E_IN_USE, "a member is not made unknown");
	world_put_record(&w, "db", WRITER_NONE, 5);
	cr_expect_eq(WORLD(&w, change_replica_refetched, "db", "n2", "another"), -E_NOT_FOUND);
	cr_assert_eq(refetched(&w, "n2"), 0);
	r = replica(&w, "n2");
	cr_expect_not(r.inactive || r.refetch.wanted);
	cr_expect_eq(refetched(&w, "n2"), 0, "told twice");
	cr_expect_eq(refetched(&w, "n3"), 0, "nothing to do");
	world_check(&w);
	world_close(&w);
}

Test(change_refetch, who_is_left)
{
	struct change_refetch all[3];
	struct refetch what = { 0 };
	struct world w;

	start(&w, 7);
	refetch_add(&what, 0, 0);
	for (int i = 0; i < 3; i++)
		all[i].what = &what;
	all[0].node = "n1";
	all[1].node = "n2";
	all[2].node = "n3";
	cr_expect_eq(WORLD(&w, change_replica_refetch, "db", all, 3), -E_IN_USE);
	cr_expect(world_says(&w, "no copy would be left"), "%s", w.err.text);
	cr_expect_eq(refetch(&w, "n4", NULL), -E_NOT_FOUND);
	cr_assert_eq(refetch(&w, "n1", "n3"), 0, "%s", w.err.text);
	cr_expect_eq(world_record(&w, "db").in_sync, 2);
	world_put_record(&w, "db", WRITER_NONE, 3);
	cr_assert_eq(refetch(&w, "n1", NULL), -E_IN_USE, "n3 is not back");
	world_check(&w);
	world_close(&w);
}

Test(change_refetch, taken_back)
{
	struct world w;
	bool was;

	start(&w, 7);
	cr_assert_eq(refetch(&w, "n2", NULL), 0);
	cr_assert_eq(WORLD(&w, change_replica_active, "db", "n2", true, &was), 0);
	cr_expect_not(replica(&w, "n2").refetch.wanted, "by hand");
	world_put_record(&w, "db", WRITER_NONE, 7);
	cr_assert_eq(refetch(&w, "n2", NULL), 0);
	cr_assert_eq(WORLD(&w, change_replica_replace, "db", "n2"), 0, "%s", w.err.text);
	cr_expect_not(replica(&w, "n2").inactive, "a new copy fetches everything");
	cr_expect_not(replica(&w, "n2").refetch.wanted);
	world_check(&w);
	world_close(&w);
}

Test(change_refetch, list)
{
	struct refetch r = { 0 }, back;
	json *doc = json_object_new_object(), *own;
	struct err err;

	for (uint32_t i = 0; i < REFETCH_MAX; i++)
		refetch_add(&r, 15, UINT32_MAX - i);
	cr_expect_not(r.whole);
	refetch_write(doc, &r);
	cr_assert_eq(refetch_parse(doc, "x", &back, &err), 0, "%s", err.text);
	cr_expect(refetch_same(&r, &back));
	refetch_add(&r, 0, 1);
	cr_expect(r.whole && r.n == 0, "one more than are listed");
	cr_expect_not(refetch_same(&r, &back));
	refetch_write(doc, &r);
	cr_assert_eq(refetch_parse(doc, "x", &back, &err), 0);
	cr_expect(back.whole);
	own = jget(doc, "refetch");
	json_object_object_del(own, "whole");
	cr_expect_eq(refetch_parse(doc, "x", &back, &err), -E_INVALID, "none");
	cr_expect(back.whole, "filled on success only");
	json_object_put(doc);
}

static json *result(int64_t differing, const char *error)
{
	json *o = json_object_new_object(), *nodes = json_object_new_array();

	jset_i64(o, "regions_compared", 100);
	jset_i64(o, "regions_differing", differing);
	jset_str(o, "error", error);
	json_object_array_add(nodes, json_object_new_string("n2"));
	jset(o, "nodes", nodes);
	return o;
}

static struct scrub kept(struct world *w)
{
	json *doc = world_doc(w, "scrub/db"), *res = world_doc(w, "resource/db");
	struct scrub s = scrub_of(doc, jget_str(res, "uuid", ""));

	cr_expect_not(scrub_of(doc, "another").any);
	json_object_put(doc);
	json_object_put(res);
	return s;
}

Test(change_refetch, the_nodes_of_a_comparison_are_cut)
{
	json *doc = json_object_new_object(), *nodes = json_object_new_array();
	struct scrub s;
	char name[16];

	for (int i = 0; i < REPLICAS_MAX; i++) {
		snprintf(name, sizeof(name), "node-%02d", i);
		json_object_array_add(nodes, json_object_new_string(name));
	}
	jset_str(doc, "uuid", "u");
	jset(doc, "nodes", nodes);
	s = scrub_of(doc, "u");
	cr_expect_eq(strlen(s.nodes), SCRUB_NODES_MAX - 1);
	cr_expect_eq(strncmp(s.nodes, "node-00, node-01, ", 18), 0, "%s", s.nodes);
	json_object_put(doc);
}

Test(change_refetch, comparisons_are_kept)
{
	json *bad = result(2, ""), *cut = result(0, "gone");
	struct world w;

	start(&w, 7);
	cr_expect_eq(WORLD(&w, change_scrub_done, "nix", bad), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_scrub_done, "DB", bad), 0);
	cr_expect(kept(&w).any && !kept(&w).again && !kept(&w).failed);
	cr_expect_eq(kept(&w).differing, 2);
	cr_expect_str_eq(kept(&w).nodes, "n2");
	cr_assert_eq(refetch(&w, "n2", NULL), 0);
	cr_assert_eq(refetched(&w, "n2"), 0);
	cr_expect(kept(&w).again, "repaired");
	cr_assert_eq(WORLD(&w, change_scrub_done, "db", cut), 0);
	cr_expect(kept(&w).again && kept(&w).failed, "it was not compared");
	cr_assert_eq(WORLD(&w, change_scrub_done, "db", bad), 0);
	cr_expect_not(kept(&w).again);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "scrub/"), 0);
	world_check(&w);
	world_close(&w);
	json_object_put(bad);
	json_object_put(cut);
}

Test(change_refetch, due)
{
	const int64_t day = 86400, made = 1000;
	struct scrub s = { 0 };

	cr_expect_eq(scrub_due_ms(&s, 0, made), -1);
	cr_expect_eq(scrub_due_ms(&s, day, made), made + day * 1000);
	s = (struct scrub){ .any = true, .ended_ms = 5000 };
	cr_expect_eq(scrub_due_ms(&s, day, made), 5000 + day * 1000);
	s.failed = true;
	cr_expect_eq(scrub_due_ms(&s, day, made), 5000 + SCRUB_RETRY_S * 1000);
	cr_expect_eq(scrub_due_ms(&s, 0, made), -1);
	s = (struct scrub){ .any = true, .ended_ms = 5000, .again = true };
	cr_expect_eq(scrub_due_ms(&s, 0, made), 5000 + SCRUB_AGAIN_S * 1000);
	s.failed = true;
	cr_expect_eq(scrub_due_ms(&s, 0, made), 5000 + SCRUB_RETRY_S * 1000);
}

Test(change_refetch, words)
{
	static const struct {
		const char *every, *rate;
		int64_t s;
		int mib_s;
	} rows[] = {
		{ "off", "1", 0, 1 },
		{ "1d", "1024", SCRUB_EVERY_MIN_S, SCRUB_RATE_MAX },
		{ "366d", "40", SCRUB_EVERY_MAX_S, 40 },
		{ "24h", "0", 86400, -1 },
		{ "23h", "1025", -1, -1 },
		{ "367d", "", -1, -1 },
		{ "", "4x", -1, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(scrub_parse_every(rows[i].every), rows[i].s, "%s", rows[i].every);
		cr_expect_eq(scrub_parse_rate(rows[i].rate), rows[i].mib_s, "%s", rows[i].rate);
	}
}
