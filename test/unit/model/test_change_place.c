// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_place.c - placement with documents: rules of group and request,
 * neighbours, cordon, properties that weigh, what is promised, explanations and
 * outlooks (model/change_place.c, candidates.c, change_explain.c, tuning.c, node.c).
 */
#include "model/place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/policy.h"
#include "support/modelworld.h"

TestSuite(change_place);

static struct world w;

static int set_props(const char *node, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(&w, change_node_modify, node, body);

	json_object_put(body);
	return rv;
}

static void label(const char *node, const char *key, const char *value)
{
	char text[200];

	snprintf(text, sizeof(text), "{\"override_props\":{\"%s\":\"%s\"}}", key, value);
	cr_assert_eq(set_props(node, text), 0);
}

static int group(const char *name, const char *filter, struct err *warn)
{
	char text[600];
	json *body;
	int rv;

	snprintf(text, sizeof(text), "{\"name\":\"%s\",\"select_filter\":%s}", name, filter);
	body = world_json(text);
	rv = WORLD(&w, change_group_create, body, warn);
	json_object_put(body);
	return rv;
}

/* where its copies went, "n1 n3"; "": refused */
static const char *spawn(const char *name, const char *of, const char *filter, int64_t size_kib)
{
	static struct change_place place;
	static char text[128];
	json *doc = filter ? world_json(filter) : NULL, *replica;
	char key[STORE_KEY_MAX], node[16];

	text[0] = '\0';
	cr_assert_eq(change_place_parse(doc, &place, &w.err), 0, "%s", w.err.text);
	WORLD(&w, change_spawn, of, name, &size_kib, 1, false, NULL, &place);
	for (int i = 1; i <= 9; i++) {
		snprintf(node, sizeof(node), "n%d", i);
		replica_key(name, node, key, sizeof(key));
		replica = world_doc(&w, key);
		if (replica)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 text[0] ? " " : "", node);
		json_object_put(replica);
	}
	json_object_put(doc);
	return text;
}

/* a document of cluster or pool properties, as the API would store it */
static void cluster_props(const char *props)
{
	struct txn *t = world_txn();
	json *doc = json_object_new_object();

	jset(doc, "props", world_json(props));
	txn_put(t, CONTROLLER_KEY, doc);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
}

static void pool_props(const char *node, const char *props)
{
	struct txn *t = world_txn();
	char key[STORE_KEY_MAX];
	json *doc;

	pool_key(node, "ssd", key, sizeof(key));
	doc = world_doc(&w, key);
	cr_assert(doc);
	jset(doc, "props", world_json(props));
	txn_put(t, key, doc);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
}

Test(change_place, rules_of_the_group_and_of_the_request)
{
	world_cluster(&w, 4);
	label("n1", "Aux/rack", "a");
	label("n2", "Aux/rack", "a");
	label("n3", "Aux/rack", "b");
	cr_assert_eq(group("racks", "{\"replicas_on_different\":\"Aux/rack\"}", NULL), 0);
	cr_expect_str_eq(spawn("db", "racks", NULL, GIB), "n1 n3");
	/* n4 has no rack, which is one of its own */
	cr_expect_str_eq(spawn("db3", "racks", "{\"place_count\":3}", GIB), "n2 n3 n4");
	cr_expect_str_eq(spawn("db4", "racks", "{\"place_count\":4}", GIB), "");
	cr_expect(world_says(&w, "4 copies wanted, 3 possible"), "%s", w.err.text);
	/* the request's rule takes the place of the group's */
	cr_expect_str_eq(spawn("same", "racks",
			       "{\"replicas_on_same\":[\"Aux/rack\"],"
			       "\"replicas_on_different\":[\"Aux/no\"]}",
			       GIB),
			 "n1 n2");
	world_check(&w);
	world_close(&w);
}

Test(change_place, what_is_there_counts_for_one_more)
{
	struct change_place one = { .additional = 1 };
	json *doc;
	int added;

	world_cluster(&w, 3);
	label("n1", "Aux/rack", "a");
	label("n2", "Aux/rack", "a");
	label("n3", "Aux/rack", "b");
	cr_assert_eq(group("racks", "{\"place_count\":1,\"replicas_on_different\":[\"Aux/rack\"]}",
			   NULL),
		     0);
	cr_expect_str_eq(spawn("db", "racks", NULL, GIB), "n1");
	cr_assert_eq(WORLD(&w, change_autoplace, "db", &one, &added), 0, "%s", w.err.text);
	doc = world_doc(&w, "replica/db/n3");
	cr_expect(doc);
	json_object_put(doc);
	world_close(&w);
}

Test(change_place, away_from_neighbours)
{
	world_cluster(&w, 3);
	cr_expect_str_eq(
		spawn("db-1", NULL, "{\"node_name_list\":[\"n1\"],\"place_count\":1}", GIB), "n1");
	cr_expect_str_eq(spawn("web", NULL, "{\"not_place_with_rsc\":[\"DB-1\"]}", GIB), "n2 n3");
	cr_expect_str_eq(spawn("web2", NULL, "{\"not_place_with_rsc_regex\":\"^DB-[0-9]$\"}", GIB),
			 "n2 n3");
	cr_expect_str_eq(spawn("web3", NULL, "{\"not_place_with_rsc_regex\":\"web\"}", GIB), "");
	cr_expect(world_says(&w, "n2: has a replica of web"), "%s", w.err.text);
	world_close(&w);
}

Test(change_place, not_with_itself)
{
	struct change_place place;
	json *filter = world_json("{\"place_count\":2,\"not_place_with_rsc_regex\":\"db\"}");
	int added;

	world_cluster(&w, 2);
	cr_expect_str_eq(spawn("db", NULL, "{\"place_count\":1}", GIB), "n1");
	cr_assert_eq(change_place_parse(filter, &place, NULL), 0);
	cr_expect_eq(WORLD(&w, change_autoplace, "db", &place, &added), 0, "%s", w.err.text);
	json_object_put(filter);
	world_close(&w);
}

Test(change_place, cordon)
{
	static const char *const closed[] = {
		"{\"override_props\":{\"sds/cordon\":\"on\"}}",
		"{\"override_props\":{\"sds/cordon\":\"true\"}}",
		"{\"override_props\":{\"AutoplaceTarget\":\"false\"}}",
	};

	world_cluster(&w, 3);
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		char name[16];

		snprintf(name, sizeof(name), "db%zu", i);
		cr_assert_eq(set_props("n1", closed[i]), 0);
		cr_expect_str_eq(spawn(name, NULL, NULL, GIB), "n2 n3", "%s", closed[i]);
		/* who names it gets it */
		cr_expect_eq(WORLD(&w, change_replica_create, name, "n1", NULL, false), 0);
		cr_assert_eq(set_props("n1", "{\"delete_props\":[\"sds/cordon\","
					     "\"AutoplaceTarget\"]}"),
			     0);
	}
	cr_expect_eq(set_props("n1", "{\"override_props\":{\"sds/cordon\":\"maybe\"}}"),
		     -E_BAD_PROP);
	world_close(&w);
}

Test(change_place, flags_of_a_node_close_it)
{
	static const struct {
		const char *doc, *why; /* NULL: open */
		bool named;
	} rows[] = {
		{ "{}", NULL, false },
		{ "{\"flags\":[],\"props\":{\"sds/cordon\":\"off\"}}", NULL, false },
		{ "{\"flags\":[\"EVACUATE\"]}", "it is being evacuated", false },
		{ "{\"flags\":[\"EVACUATE\"]}", "it is being evacuated", true },
		{ "{\"flags\":[\"x\",\"evacuate\"]}", "it is being evacuated", true },
		{ "{\"flags\":[\"LOST\"]}", "it is lost", true },
		{ "{\"flags\":[null,7]}", NULL, false },
		{ "{\"props\":{\"sds/cordon\":\"On\"}}", "cordoned", false },
		{ "{\"props\":{\"sds/cordon\":\"on\"}}", NULL, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *doc = world_json(rows[i].doc);
		const char *why = NULL;

		cr_expect_eq(node_takes_new(doc, rows[i].named, &why), !rows[i].why, "%zu", i);
		cr_expect_eq(node_takes_new(doc, rows[i].named, NULL), !rows[i].why, "%zu", i);
		cr_expect(!rows[i].why || (why && strcmp(why, rows[i].why) == 0), "%zu", i);
		json_object_put(doc);
	}
	world_no_leaks();
}

Test(change_place, no_clients_on_what_is_closed)
{
	world_cluster(&w, 3);
	cr_assert_eq(set_props("n3", "{\"override_props\":{\"sds/cordon\":\"on\"}}"), 0);
	cr_expect_str_eq(spawn("db", NULL, "{\"place_count\":1,\"diskless_on_remaining\":true}",
			       GIB),
			 "n1 n2");
	world_close(&w);
}

Test(change_place, ratios)
{
	world_cluster(&w, 1);
	cr_expect_str_eq(spawn("ra", NULL, "{\"place_count\":1}", 199 * GIB), "n1");
	cr_expect_str_eq(spawn("rb", NULL, "{\"place_count\":1}", 10 * GIB), "");
	cr_expect(world_says(&w, "promised of 2.0 x 100.00 GiB"), "%s", w.err.text);
	cluster_props("{\"MaxOversubscriptionRatio\":\"3\"}");
	cr_expect_str_eq(spawn("rb", NULL, "{\"place_count\":1}", 10 * GIB), "n1");
	/* the pool's before the cluster's, also one that is less narrow */
	pool_props("n1", "{\"MaxOversubscriptionRatio\":\"2.5\"}");
	cluster_props("{\"MaxTotalCapacityOversubscriptionRatio\":\"9\"}");
	cr_expect_str_eq(spawn("rc", NULL, "{\"place_count\":1}", 50 * GIB), "");
	cr_expect(world_says(&w, "promised of 2.5 x 100.00 GiB"), "%s", w.err.text);
	pool_props("n1", "{\"MaxTotalCapacityOversubscriptionRatio\":\"9\","
			 "\"MaxFreeCapacityOversubscriptionRatio\":\"0.5\"}");
	cr_expect_str_eq(spawn("rc", NULL, "{\"place_count\":1}", 51 * GIB), "");
	cr_expect(world_says(&w, "51.00 GiB wanted, 50.00 GiB can be (0.5 x 100.00 GiB free)"),
		  "%s", w.err.text);
	cr_expect_str_eq(spawn("rc", NULL, "{\"place_count\":1}", 49 * GIB), "n1");
	/* growth by the same */
	cr_expect_eq(WORLD(&w, change_volume_modify, "rc", 0, 101 * GIB, NULL), -ENOSPC);
	cr_expect(world_says(&w, "0.5 x 100.00 GiB free"), "%s", w.err.text);
	world_close(&w);
}

Test(change_place, weights)
{
	world_cluster(&w, 3);
	world_report(&w, "n3", "ssd", 90 * GIB, 100 * GIB);
	cr_expect_str_eq(spawn("ra", NULL, "{\"place_count\":1,\"node_name_list\":[\"n1\"]}", GIB),
			 "n1");
	cr_expect_str_eq(spawn("rb", NULL, "{\"place_count\":1,\"node_name_list\":[\"n1\"]}", GIB),
			 "n1");
	cr_expect_str_eq(spawn("rc", NULL, "{\"place_count\":1,\"node_name_list\":[\"n2\"]}",
			       20 * GIB),
			 "n2");
	/* n1 has two copies of 2 GiB, n2 one of 20, n3 none but less space */
	cr_expect_str_eq(spawn("rd", NULL, "{\"place_count\":1}", GIB), "n1");
	cluster_props("{\"Autoplacer/Weights/MaxFreeSpace\":\"0\","
		      "\"Autoplacer/Weights/MinReservedSpace\":\"1\"}");
	cr_expect_str_eq(spawn("re", NULL, "{\"place_count\":1}", GIB), "n3");
	cluster_props("{\"Autoplacer/Weights/MinRscCount\":\"10\"}");
	cr_expect_str_eq(spawn("rf", NULL,
			       "{\"place_count\":1,"
			       "\"node_name_list\":[\"n1\",\"n2\"]}",
			       GIB),
			 "n2");
	pool_props("n1", "{\"Autoplacer/MaxThroughput\":\"200\"}");
	pool_props("n2", "{\"Autoplacer/MaxThroughput\":\"100\"}");
	cluster_props("{\"Autoplacer/Weights/MaxThroughput\":\"10\"}");
	cr_expect_str_eq(spawn("rg", NULL, "{\"place_count\":1}", GIB), "n1");
	world_close(&w);
}

Test(change_place, numbers_of_properties)
{
	static const char *const keys[] = { "MaxOversubscriptionRatio",
					    "MaxTotalCapacityOversubscriptionRatio",
					    "MaxFreeCapacityOversubscriptionRatio",
					    "Autoplacer/Weights/MaxFreeSpace",
					    "Autoplacer/Weights/MinReservedSpace",
					    "Autoplacer/Weights/MinRscCount",
					    "Autoplacer/Weights/MaxThroughput",
					    "Autoplacer/MaxThroughput" };
	static const char *const bad[] = { "", "x", "-1", "1e99", "nan", "inf", "2 ", "1,5" };
	struct pool p = { .node = "n1", .name = "hdd", .source = "/hdd" };
	json *props = json_object_new_object();
	struct err err;

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			jset_str(props, keys[k], bad[i]);
			cr_expect_eq(tuning_check("pool n1/hdd", props, &err), -E_BAD_PROP, "%s=%s",
				     keys[k], bad[i]);
		}
		cr_expect_eq(tuning_ratios(props, props).total, RATIO_DEFAULT);
		jset_str(props, keys[k], "1.5");
		cr_expect_eq(tuning_check("pool n1/hdd", props, &err), 0, "%s", err.text);
		json_object_object_del(props, keys[k]);
	}
	world_start(&w);
	jset_str(props, keys[0], "0");
	cr_expect_eq(WORLD(&w, change_pool_create, &p, props), -E_BAD_PROP);
	cr_expect(world_says(&w, "possible are numbers from 0.01 to 1000"), "%s", w.err.text);
	json_object_put(props);
	world_close(&w);
}

Test(change_place, metadata_and_headers_are_promised)
{
	json *doc;

	world_cluster(&w, 1);
	cr_expect_str_eq(spawn("ra", NULL, "{\"place_count\":1}", 60 * 1024), "n1");
	doc = world_doc(&w, "promise/n1/ssd");
	/* 960 regions of 64 KiB: one page of stamps and six others */
	cr_expect_eq(jget_i64_or(doc, "extra_kib", 0), 28);
	json_object_put(doc);
	cr_expect_eq(volume_extra_kib(60 * 1024 + 4, false), 32);
	cr_expect_eq(volume_extra_kib(60 * 1024, true), 28 + 16 * 1024);
	cr_expect_eq(WORLD(&w, change_volume_modify, "ra", 0, 120 * 1024, NULL), 0, "%s",
		     w.err.text);
	world_check(&w);
	cr_expect_eq(WORLD(&w, change_resource_delete, "ra"), 0);
	world_check(&w);
	world_close(&w);
}

Test(change_place, a_promise_of_an_older_version)
{
	struct txn *t;
	json *doc;

	world_cluster(&w, 1);
	cr_expect_str_eq(spawn("ra", NULL, "{\"place_count\":1}", GIB), "n1");
	cr_expect_str_eq(spawn("rb", NULL, "{\"place_count\":1}", GIB), "n1");
	t = world_txn();
	txn_put(t, "promise/n1/ssd", world_json("{\"kib\":2097152,\"replicas\":2}"));
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	cr_expect_eq(WORLD(&w, change_resource_delete, "ra"), 0);
	doc = world_doc(&w, "promise/n1/ssd");
	cr_expect_eq(jget_i64_or(doc, "kib", 0), GIB);
	cr_expect_eq(jget_i64_or(doc, "extra_kib", -1), 0);
	json_object_put(doc);
	world_close(&w);
}

static json *explain(const char *text)
{
	json *body = world_json(text), *ret = NULL;

	w.err = (struct err){ 0 };
	change_explain(&w.env, body, &ret, &w.err);
	json_object_put(body);
	return ret;
}

static int all_documents(void)
{
	static const char *const tables[] = { "resource/", "replica/", "record/", "promise/",
					      "minor/",    "placed/",  "group/" };
	int n = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		n += world_count(&w, tables[i]);
	return n;
}

static const char *of_candidate(json *doc, size_t i, const char *field)
{
	return jget_str(json_object_array_get_idx(jget(doc, "candidates"), i), field, "?");
}

Test(change_place, explained)
{
	json *doc;
	int before;

	world_cluster(&w, 2);
	world_add_node(&w, "n3", 3);
	before = all_documents();
	doc = explain("{\"volume_sizes\":[1048576]}");
	cr_assert(doc, "%s", w.err.text);
	cr_expect(jget_bool(doc, "possible", false));
	cr_expect_eq(jget_i64_or(doc, "copies", 0), 2);
	cr_expect_eq(jget_i64_or(doc, "size_kib", 0), GIB + volume_extra_kib(GIB, false));
	cr_expect_str_eq(jget_str(doc, "violations", "?"), "");
	cr_expect_str_eq(of_candidate(doc, 0, "verdict"), "chosen");
	cr_expect_str_eq(of_candidate(doc, 0, "provider"), "FILE_THIN");
	cr_expect_str_eq(of_candidate(doc, 2, "verdict"), "refused");
	cr_expect_str_eq(of_candidate(doc, 2, "rule"), "no-pool");
	json_object_put(doc);
	doc = explain("{\"volume_sizes\":[1048576],\"select_filter\":{\"place_count\":3}}");
	cr_expect(!jget_bool(doc, "possible", true));
	cr_expect(strstr(jget_str(doc, "message", ""), "3 copies wanted, 2 possible"), "%s",
		  json_text(doc));
	json_object_put(doc);
	cr_expect_eq(all_documents(), before);
	world_close(&w);
}

Test(change_place, explained_for_a_resource_that_is_there)
{
	json *doc;

	world_cluster(&w, 3);
	label("n1", "Aux/rack", "a");
	label("n2", "Aux/rack", "a");
	cr_expect_str_eq(spawn("db", NULL, NULL, GIB), "n1 n2");
	doc = explain("{\"resource\":\"DB\",\"select_filter\":{\"place_count\":3,"
		      "\"replicas_on_different\":[\"Aux/rack\"]}}");
	cr_assert(doc, "%s", w.err.text);
	cr_expect(jget_bool(doc, "possible", false), "%s", json_text(doc));
	cr_expect_eq(jget_i64_or(doc, "copies", 0), 1);
	cr_expect_str_eq(jget_str(doc, "violations", ""),
			 "n1: Aux/rack is a, as of the copy on n2; n2: Aux/rack is a, as of the "
			 "copy on n1");
	cr_expect_str_eq(of_candidate(doc, 2, "verdict"), "chosen");
	json_object_put(doc);
	world_close(&w);
}

Test(change_place, explained_badly)
{
	static const char *const bad[] = {
		"{}",
		"{\"volume_sizes\":[]}",
		"{\"volume_sizes\":[\"x\"]}",
		"{\"volume_sizes\":[1]}",
		"{\"volume_sizes\":7}",
		"{\"volume_sizes\":[1048576],\"select_filter\":[]}",
		"{\"volume_sizes\":[1048576],\"resource_group\":\"none\"}",
		"{\"volume_sizes\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
	};

	world_cluster(&w, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json *doc = explain(bad[i]);

		cr_expect_null(doc, "%s", bad[i]);
		cr_expect(w.err.text[0], "%s", bad[i]);
		json_object_put(doc);
	}
	world_close(&w);
}

Test(change_place, outlook_of_a_group)
{
	static const struct {
		const char *filter, *warns; /* NULL: says nothing */
		int rv;
	} rows[] = {
		{ "{}", NULL, 0 },
		{ "{\"place_count\":2}", NULL, 0 },
		{ "{\"place_count\":3}", "3 copies wanted, 2 possible: n1/ssd chosen", 0 },
		{ "{\"storage_pool\":\"tape\"}", "n1/ssd: not among the pools asked for", 0 },
		{ "{\"storage_pool_list\":[\"ssd\",\"tape\"]}", "no node has a pool tape", 0 },
		{ "{\"node_name_list\":[\"n1\",\"n2\",\"n7\"]}", "there is no node n7", 0 },
		{ "{\"node_name_list\":[\"n1\"]}", "2 copies wanted, 1 possible", 0 },
		{ "{\"replicas_on_different\":[\"Aux/no\"]}", "no node has the property Aux/no",
		  0 },
		{ "{\"replicas_on_same\":[\"Aux/no\"]}", "n1: has no property Aux/no", 0 },
		{ "{\"provider_list\":[\"ZFS\"]}", "is FILE_THIN, which is not among", 0 },
		{ "{\"replicas_on_same\":[\"a\"],\"replicas_on_different\":[\"a\"]}", NULL,
		  -E_INVALID },
		{ "{\"place_count\":3,\"node_name_list\":[\"n1\",\"n2\"]}", NULL, -E_INVALID },
		{ "{\"not_place_with_rsc_regex\":\"[\"}", NULL, -E_INVALID },
	};

	world_cluster(&w, 2);
	world_add_node(&w, "n3", 3);
	w.env.mono_ms += OBSERVED_STALE_MS; /* who is away may come back */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err warn = { 0 };
		char name[16];

		snprintf(name, sizeof(name), "g%zu", i);
		cr_expect_eq(group(name, rows[i].filter, &warn), rows[i].rv, "%s: %s",
			     rows[i].filter, w.err.text);
		if (rows[i].warns)
			cr_expect(strstr(warn.text, rows[i].warns), "%s: %s", rows[i].filter,
				  warn.text);
		else
			cr_expect_str_eq(warn.text, "", "%s: %s", rows[i].filter, warn.text);
	}
	world_close(&w);
}

/* Copies are asked for faster than a thick pool, which holds other data too, makes them. */
Test(change_place, a_burst_into_a_thick_pool)
{
	world_start(&w);
	world_add_pool(&w, "n1", "hdd", POOL_FILE);
	world_report_ours(&w, "n1", "hdd", 50 * GIB, 100 * GIB, 0);
	cr_expect_str_eq(spawn("va", NULL, "{\"place_count\":1}", 20 * GIB), "n1");
	cr_expect_str_eq(spawn("vb", NULL, "{\"place_count\":1}", 20 * GIB), "n1");
	cr_expect_str_eq(spawn("vc", NULL, "{\"place_count\":1}", 20 * GIB), "");
	cr_expect(world_says(&w, "20.00 GiB wanted, 10.00 GiB free"), "%s", w.err.text);
	/* va has been made */
	world_report_ours(&w, "n1", "hdd", 29 * GIB, 100 * GIB, 21 * GIB);
	cr_expect_str_eq(spawn("vd", NULL, "{\"place_count\":1}", 20 * GIB), "");
	cr_expect_str_eq(spawn("ve", NULL, "{\"place_count\":1}", 9 * GIB), "n1", "%s", w.err.text);
	world_close(&w);
}
