// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_resource.c - resources and volumes from creation to deletion,
 * placed or not, and what conflicts (model/change_resource.c, change_place.c,
 * bundle.c, promise.c).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(change_resource);

static int spawn(struct world *w, const char *name, int64_t size_kib, int copies)
{
	struct change_place place = { .copies = copies };

	return WORLD(w, change_spawn, NULL, name, &size_kib, 1, false, NULL, &place);
}

Test(change_resource, create_and_modify)
{
	json *props = world_json("{\"Aux/x\":1}");
	json *body = world_json("{\"override_props\":{\"b\":\"2\"},\"resource_group\":\"Gold\"}");
	json *group = world_json("{\"name\":\"Gold\"}"), *doc;
	struct world w;

	world_start(&w);
	cr_assert_eq(WORLD(&w, change_resource_create, "Db", NULL, LAYERS_UNSAID, props), 0);
	doc = world_doc(&w, "resource/db");
	cr_expect_str_eq(jget_str(doc, "name", ""), "Db");
	cr_expect_str_eq(jget_str(doc, "group", ""), GROUP_DEFAULT);
	cr_expect_str_eq(json_text(jget(doc, "props")), "{\"Aux/x\":\"1\"}");
	cr_expect_str_eq(json_text(jget(doc, "volumes")), "[]");
	json_object_put(doc);
	cr_expect_eq(WORLD(&w, change_resource_create, "dB", NULL, LAYERS_UNSAID, NULL), -E_EXISTS);
	cr_expect(world_says(&w, "resource Db exists already"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_resource_create, "all", NULL, LAYERS_UNSAID, NULL),
		     -E_INVALID);
	cr_expect_eq(WORLD(&w, change_resource_create, "x1", "none", LAYERS_UNSAID, NULL),
		     -E_NOT_FOUND);
	cr_expect(world_says(&w, "group none"), "%s", w.err.text);

	cr_expect_eq(WORLD(&w, change_resource_modify, "db", body), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_group_create, group, NULL), 0);
	cr_expect_eq(WORLD(&w, change_resource_modify, "DB", body), 0);
	cr_expect_eq(WORLD(&w, change_resource_modify, "none", body), -E_NOT_FOUND);
	doc = world_doc(&w, "resource/db");
	cr_expect_str_eq(jget_str(doc, "group", ""), "Gold");
	cr_expect_str_eq(json_text(jget(doc, "props")), "{\"Aux/x\":\"1\",\"b\":\"2\"}");
	json_object_put(doc);
	json_object_put(group);
	json_object_put(props);
	json_object_put(body);
	world_close(&w);
}

Test(change_resource, external_names_have_a_length)
{
	static char external[EXTERNAL_NAME_MAX + 2];
	struct world w;

	memset(external, 'x', sizeof(external) - 1);
	world_start(&w);
	cr_expect_eq(WORLD(&w, change_resource_create_as, "db", external, NULL, LAYERS_UNSAID,
			   NULL),
		     -E_INVALID);
	cr_expect(world_says(&w, "has 256 bytes, 255 can be"), "%s", w.err.text);
	external[EXTERNAL_NAME_MAX] = '\0';
	cr_expect_eq(
		WORLD(&w, change_resource_create_as, "db", external, NULL, LAYERS_UNSAID, NULL), 0);
	world_close(&w);
}

Test(change_resource, two_of_one_name_conflict)
{
	struct txn *a = world_txn(), *b = world_txn();
	struct world w;

	world_start(&w);
	cr_assert_eq(change_resource_create(&w.env, a, "db", NULL, LAYERS_UNSAID, NULL, &w.err), 0);
	cr_assert_eq(change_resource_create(&w.env, b, "DB", NULL, LAYERS_UNSAID, NULL, &w.err), 0);
	cr_expect_eq(world_apply(&w, b), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, a), TXN_CONFLICT);
	/* of different names they do not */
	a = world_txn();
	b = world_txn();
	cr_assert_eq(change_resource_create(&w.env, a, "x1", NULL, LAYERS_UNSAID, NULL, &w.err), 0);
	cr_assert_eq(change_resource_create(&w.env, b, "x2", NULL, LAYERS_UNSAID, NULL, &w.err), 0);
	cr_expect_eq(world_apply(&w, b), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, a), TXN_APPLIED);
	world_close(&w);
}

Test(change_resource, volumes)
{
	struct world w;
	int number = -1;
	json *doc, *volume;

	world_start(&w);
	cr_assert_eq(WORLD(&w, change_resource_create, "db", NULL, LAYERS_UNSAID, NULL), 0);
	cr_expect_eq(WORLD(&w, change_volume_create, "none", -1, 4, NULL, &number), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_volume_create, "db", -1, 3, NULL, &number), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_volume_create, "db", -2, 4, NULL, &number), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_volume_create, "db", 1, 4, NULL, &number), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_volume_create, "db", -1, VOLUME_KIB_MAX + 1, NULL, &number),
		     -E_INVALID);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, 5, NULL, &number), 0);
	cr_expect_eq(number, 0);
	cr_expect_eq(WORLD(&w, change_volume_create, "db", 0, 4, NULL, &number), -E_EXISTS);
	doc = world_doc(&w, "resource/db");
	volume = json_object_array_get_idx(jget(doc, "volumes"), 0);
	cr_expect_eq(jget_i64_or(volume, "number", -1), 0);
	cr_expect_eq(jget_i64_or(volume, "size_kib", -1), 8);
	cr_expect_eq(jget_i64_or(volume, "minor", -1), 1000);
	cr_expect_eq(strlen(jget_str(volume, "uuid", "")), 36);
	json_object_put(doc);
	world_check(&w);
	cr_expect_eq(WORLD(&w, change_volume_delete, "db", 1), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_volume_delete, "db", 0), 0);
	cr_expect_eq(WORLD(&w, change_volume_delete, "db", 0), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_volume_delete, "none", 0), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", 0, VOLUME_KIB_MAX, NULL, &number), 0);
	doc = world_doc(&w, "minor/1001"); /* the next one, not the same again */
	cr_expect_str_eq(jget_str(doc, "resource", ""), "db");
	json_object_put(doc);
	world_check(&w);
	world_close(&w);
}

static void set_next_minor(struct world *w, int64_t minor)
{
	json *doc = world_doc(w, CLUSTER_KEY);
	struct txn *t = world_txn();

	jset_i64(doc, "next_minor", minor);
	txn_put(t, CLUSTER_KEY, doc);
	cr_assert_eq(world_apply(w, t), TXN_APPLIED);
}

Test(change_resource, minors_go_around)
{
	struct world w;
	json *doc;

	world_cluster(&w, 1);
	cr_assert_eq(spawn(&w, "a1", 4, 1), 0, "%s", w.err.text); /* 1000 */
	set_next_minor(&w, MINOR_LAST);
	cr_assert_eq(spawn(&w, "a2", 4, 1), 0);
	cr_assert_eq(spawn(&w, "a3", 4, 1), 0);
	doc = world_doc(&w, "minor/1048575");
	cr_expect_str_eq(jget_str(doc, "resource", ""), "a2");
	json_object_put(doc);
	doc = world_doc(&w, "minor/1001"); /* 1000 is taken */
	cr_expect_str_eq(jget_str(doc, "resource", ""), "a3");
	json_object_put(doc);
	world_check(&w);
	world_close(&w);
}

Test(change_resource, spawn)
{
	int64_t sizes[VOLUMES_PER_RESOURCE_MAX + 1] = { GIB, GIB };
	struct record r;
	struct world w;
	json *doc;

	world_cluster(&w, 3);
	cr_assert_eq(spawn(&w, "db", GIB + 1, 0), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "replica/db/"), COPIES_DEFAULT);
	doc = world_doc(&w, "record/db");
	cr_assert_eq(record_parse(doc, &r, NULL), 0);
	cr_expect_eq(r.epoch, 1);
	cr_expect_eq(r.writer, WRITER_NONE);
	cr_expect_eq(r.in_sync, 3);
	json_object_put(doc);
	doc = world_doc(&w, "promise/n1/ssd");
	cr_expect_eq(jget_i64_or(doc, "kib", 0), GIB + 4);
	json_object_put(doc);
	world_check(&w);

	cr_expect_eq(spawn(&w, "DB", GIB, 0), -E_EXISTS);
	cr_expect_eq(spawn(&w, "x1", GIB, 4), -E_NO_NODES);
	cr_expect(world_says(&w, "resource x1: 4 copies wanted, 3 possible: n1/ssd chosen"), "%s",
		  w.err.text);
	cr_expect_eq(spawn(&w, "x1", GIB, COPIES_MAX + 1), -E_INVALID);
	cr_expect_eq(spawn(&w, "x1", 0, 1), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_spawn, NULL, "x1", sizes, VOLUMES_PER_RESOURCE_MAX + 1, false,
			   NULL, NULL),
		     -E_INVALID);
	cr_expect_eq(WORLD(&w, change_spawn, NULL, "x1", sizes, 0, false, NULL, NULL), -E_INVALID);
	cr_expect(world_says(&w, "size"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_spawn, NULL, "x1", sizes, 1, true, NULL, NULL), 0);
	cr_expect_eq(world_count(&w, "replica/x1/"), 0);
	cr_expect_eq(WORLD(&w, change_spawn, NULL, "x2", sizes, 0, true, NULL, NULL), 0);
	cr_expect_eq(world_count(&w, "resource/"), 3);
	world_check(&w);
	world_close(&w);
}

Test(change_resource, room_for_one_only)
{
	struct change_place place = { .copies = 1 };
	const int64_t size = 60 * GIB;
	struct txn *a = world_txn(), *b = world_txn();
	struct world w;
	json *doc;

	world_start(&w);
	world_add_pool(&w, "n1", "hdd", POOL_FILE);
	world_report(&w, "n1", "hdd", 100 * GIB, 100 * GIB);
	cr_assert_eq(change_spawn(&w.env, a, NULL, "a1", &size, 1, false, NULL, &place, &w.err), 0,
		     "%s", w.err.text);
	cr_assert_eq(change_spawn(&w.env, b, NULL, "a2", &size, 1, false, NULL, &place, &w.err), 0);
	cr_expect_eq(world_apply(&w, a), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, b), TXN_CONFLICT);
	cr_expect_eq(spawn(&w, "a2", size, 1), -E_NO_NODES);
	cr_expect(world_says(&w, "n1/hdd: 60.00 GiB wanted, 40.00 GiB free"), "%s", w.err.text);
	/* and it is given back */
	cr_assert_eq(WORLD(&w, change_resource_delete, "a1"), 0);
	doc = world_doc(&w, "promise/n1/hdd");
	cr_expect_null(doc);
	cr_expect_eq(spawn(&w, "a2", size, 1), 0, "%s", w.err.text);
	world_check(&w);
	world_close(&w);
}

/* replica creation in other pools, of resources that exist: nothing in common */
Test(change_resource, independent_placements_do_not_conflict)
{
	struct txn *a, *b, *c;
	const int64_t size = GIB;
	struct world w;
	int added;

	world_cluster(&w, 4);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "a1", &size, 1, true, NULL, NULL), 0);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "a2", &size, 1, true, NULL, NULL), 0);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "a3", &size, 1, true, NULL, NULL), 0);
	struct change_place low = { .copies = 2, .n_nodes = 2, .nodes = { "n1", "n2" } };
	struct change_place high = { .copies = 2, .n_nodes = 2, .nodes = { "n3", "n4" } };
	struct change_place mid = { .copies = 2, .n_nodes = 2, .nodes = { "n2", "n3" } };
	a = world_txn();
	b = world_txn();
	c = world_txn();
	cr_assert_eq(change_autoplace(&w.env, a, "a1", &low, &added, &w.err), 0);
	cr_assert_eq(change_autoplace(&w.env, b, "a2", &high, &added, &w.err), 0);
	cr_assert_eq(change_autoplace(&w.env, c, "a3", &mid, &added, &w.err), 0);
	cr_expect_eq(world_apply(&w, a), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, b), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, c), TXN_CONFLICT);
	world_check(&w);
	world_close(&w);
}

Test(change_resource, placing_conflicts_with_deleting_the_pool)
{
	struct txn *del, *place;
	const int64_t size = GIB;
	struct world w;

	for (int first = 0; first < 2; first++) {
		world_cluster(&w, 2);
		del = world_txn();
		place = world_txn();
		cr_assert_eq(change_pool_delete(&w.env, del, "n2", "ssd", &w.err), 0);
		cr_assert_eq(change_spawn(&w.env, place, NULL, "db", &size, 1, false, NULL, NULL,
					  &w.err),
			     0);
		cr_expect_eq(world_apply(&w, first ? del : place), TXN_APPLIED);
		cr_expect_eq(world_apply(&w, first ? place : del), TXN_CONFLICT);
		world_check(&w);
		world_close(&w);
	}
}

Test(change_resource, autoplace)
{
	struct change_place place = { .copies = 2 };
	json *group = world_json("{\"name\":\"gold\",\"select_filter\":{\"place_count\":3,"
				 "\"node_name_list\":[\"n2\",\"n3\",\"n4\"]}}");
	const int64_t size = GIB;
	struct world w;
	int added = -1;

	world_cluster(&w, 5);
	cr_expect_eq(WORLD(&w, change_autoplace, "none", &place, &added), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_resource_create, "empty", NULL, LAYERS_UNSAID, NULL), 0);
	cr_expect_eq(WORLD(&w, change_autoplace, "empty", &place, &added), -E_INVALID);
	cr_expect(world_says(&w, "no volume yet"), "%s", w.err.text);

	cr_assert_eq(spawn(&w, "db", GIB, 1), 0);
	cr_assert_eq(WORLD(&w, change_autoplace, "db", &place, &added), 0);
	cr_expect_eq(added, 1);
	cr_assert_eq(WORLD(&w, change_autoplace, "db", &place, &added), 0);
	cr_expect_eq(added, 0); /* enough already: no error */
	place.additional = 1;
	cr_assert_eq(WORLD(&w, change_autoplace, "db", &place, &added), 0);
	cr_expect_eq(added, 1);
	cr_expect_eq(world_count(&w, "replica/db/"), 3);
	place = (struct change_place){ .diskless_on_remaining = true };
	w.env.mono_ms += 1;
	observed_forget(w.observed, "n5"); /* offline: gets none */
	cr_assert_eq(WORLD(&w, change_autoplace, "db", &place, &added), 0);
	cr_expect_eq(added, 0);
	cr_expect_eq(world_count(&w, "replica/db/"), 4);
	world_check(&w);

	/* what the request leaves open the group says */
	cr_assert_eq(WORLD(&w, change_group_create, group, NULL), 0);
	cr_assert_eq(WORLD(&w, change_spawn, "gold", "web", &size, 1, false, NULL, NULL), 0, "%s",
		     w.err.text);
	for (int i = 2; i <= 4; i++) {
		char key[32];
		json *doc;

		snprintf(key, sizeof(key), "replica/web/n%d", i);
		doc = world_doc(&w, key);
		cr_expect(doc, "%s", key);
		json_object_put(doc);
	}
	place = (struct change_place){ .copies = 4 };
	cr_expect_eq(WORLD(&w, change_autoplace, "web", &place, &added), -E_NO_NODES);
	place.n_nodes = 1;
	place.nodes[0] = "N1";
	cr_expect_eq(WORLD(&w, change_autoplace, "web", &place, &added), 0);
	json_object_put(group);
	world_check(&w);
	world_close(&w);
}

Test(change_resource, autoplace_target_and_witness)
{
	json *body = world_json("{\"override_props\":{\"AutoplaceTarget\":\"False\"}}");
	struct world w;

	world_cluster(&w, 2);
	world_add_node(&w, "n3", 3);
	world_report(&w, "n3", NULL, 0, 0);
	cr_assert_eq(WORLD(&w, change_node_modify, "n2", body), 0);
	cr_expect_eq(spawn(&w, "db", GIB, 2), -E_NO_NODES);
	cr_expect_str_eq(w.err.text, "resource db: 2 copies wanted, 1 possible: n1/ssd chosen; "
				     "n2: cordoned; n3: no pool "
				     "(witness)");
	cr_assert_eq(spawn(&w, "db", GIB, 1), 0);
	/* a person may name the node all the same */
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n2", NULL, false), 0);
	json_object_put(body);
	world_close(&w);
}

Test(change_resource, place_parse)
{
	json *filter = world_json("{\"place_count\":\"2\",\"additional_place_count\":1,"
				  "\"node_name_list\":[\"n1\"],\"storage_pool\":\"ssd\","
				  "\"diskless_on_remaining\":true}");
	static struct change_place p;

	cr_assert_eq(change_place_parse(filter, &p, NULL), 0);
	cr_expect(p.copies == 2 && p.additional == 1 && p.n_nodes == 1 && p.n_pools == 1 &&
		  p.diskless_on_remaining);
	cr_expect_str_eq(p.nodes[0], "n1");
	cr_expect_str_eq(p.pools[0], "ssd");
	json_object_put(filter);
	filter = world_json("{\"place_count\":\"x\"}");
	cr_expect_eq(change_place_parse(filter, &p, NULL), -E_INVALID);
	json_object_put(filter);
	world_no_leaks();
}

/* "not open" of a leader that has heard of nobody would be a guess */
Test(change_resource, delete_waits_for_reports_to_a_new_leader)
{
	struct world w;

	world_cluster(&w, 2);
	cr_assert_eq(spawn(&w, "db", GIB, 2), 0);
	observed_clear(w.observed);
	observed_begin(w.observed, w.env.mono_ms);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), -EAGAIN);
	cr_expect_eq(WORLD(&w, change_volume_delete, "db", 0), -EAGAIN);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n1"), -EAGAIN);
	world_report_open(&w, "n1", "db", true);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), -EAGAIN, "n2 may have it open too");
	world_report_open(&w, "n2", "db", false);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), -E_IN_USE);
	world_report_open(&w, "n1", "db", false);
	observed_forget(w.observed, "n2");
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), -EAGAIN);
	w.env.mono_ms += OBSERVED_FRESH_MS; /* a node that is gone holds up nothing */
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
	world_close(&w);
}

Test(change_resource, delete)
{
	struct record next = { .epoch = 2, .writer = 0, .in_sync = 3 }, present;
	struct world w;
	char uuid[37];
	json *doc;

	world_cluster(&w, 3);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), -E_NOT_FOUND);
	cr_assert_eq(spawn(&w, "db", GIB, 2), 0);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);
	doc = world_doc(&w, "resource/db");
	snprintf(uuid, sizeof(uuid), "%s", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	/* open where there is no copy */
	world_report_open(&w, "n3", "db", true);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), -E_IN_USE);
	cr_expect(world_says(&w, "open on n3: close it there first"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_volume_delete, "db", 0), -E_IN_USE);
	/* a node that is gone holds up nothing */
	w.env.mono_ms += OBSERVED_STALE_MS;
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "resource/"), 0);
	cr_expect_eq(world_count(&w, "record/"), 0);
	cr_expect_eq(world_count(&w, "replica/"), 0);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 1);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	cr_expect_eq(world_count(&w, "leftover/n3/"), 0); /* had no disk */
	world_check(&w);
	/* the name is free at once, and the old incarnation's data plane is told so */
	for (int i = 1; i <= 2; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		world_report_open(&w, name, "db", false);
	}
	cr_assert_eq(spawn(&w, "db", GIB, 2), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_record, "db", uuid, &next, &present), -E_NOT_FOUND);
	world_close(&w);
}

Test(change_resource, volume_delete_takes_the_copies)
{
	struct world w;

	world_cluster(&w, 2);
	cr_assert_eq(spawn(&w, "db", GIB, 2), 0);
	cr_assert_eq(WORLD(&w, change_volume_delete, "db", 0), 0);
	cr_expect_eq(world_count(&w, "leftover/"), 2);
	cr_expect_eq(world_count(&w, "record/"), 0);
	cr_expect_eq(world_count(&w, "resource/"), 1);
	world_check(&w);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0);
	world_close(&w);
}

static int first_leftover(const char *key, json *doc, uint64_t revision, void *arg)
{
	snprintf(arg, 37, "%s", jget_str(doc, "uuid", ""));
	return 1;
}

Test(change_resource, leftovers_are_done_once)
{
	char uuid[37] = "";
	struct world w;

	world_cluster(&w, 1);
	cr_assert_eq(spawn(&w, "db", GIB, 1), 0);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0);
	store_list(w.store, "leftover/n1/", first_leftover, uuid);
	cr_expect_eq(WORLD(&w, change_leftover_done, "n1", "x/y", 0, ""), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_leftover_done, "n1", uuid, 0, ""), 0);
	cr_expect_eq(WORLD(&w, change_leftover_done, "n1", uuid, 0, ""), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "ssd"), 0, "%s", w.err.text);
	world_close(&w);
}

Test(change_resource, unknown_fields_live_on)
{
	json *doc, *body = world_json("{\"override_props\":{\"a\":\"1\"}}");
	struct txn *t = world_txn();
	struct world w;
	int number;

	world_start(&w);
	cr_assert_eq(WORLD(&w, change_resource_create, "db", NULL, LAYERS_UNSAID, NULL), 0);
	doc = world_doc(&w, "resource/db");
	jset_str(doc, "future", "kept");
	txn_put(t, "resource/db", doc);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, 4, NULL, &number), 0);
	cr_assert_eq(WORLD(&w, change_resource_modify, "db", body), 0);
	cr_assert_eq(WORLD(&w, change_volume_delete, "db", 0), 0);
	doc = world_doc(&w, "resource/db");
	cr_expect_str_eq(jget_str(doc, "future", ""), "kept");
	json_object_put(doc);
	json_object_put(body);
	world_close(&w);
}

Test(change_resource, placing_conflicts_with_changes_of_the_node)
{
	struct change_place one = { .copies = 1, .diskless_on_remaining = true };
	json *body = world_json("{\"override_props\":{\"AutoplaceTarget\":\"false\"}}");
	const int64_t size = GIB;
	struct txn *del, *place;
	struct world w;

	/* n2 gets a client without a disk: only its node document tells of its end */
	for (int first = 0; first < 2; first++) {
		world_cluster(&w, 2);
		del = world_txn();
		place = world_txn();
		cr_assert_eq(change_node_delete(&w.env, del, "n2", &w.err), 0);
		cr_assert_eq(change_spawn(&w.env, place, NULL, "db", &size, 1, false, NULL, &one,
					  &w.err),
			     0);
		cr_expect_eq(world_apply(&w, first ? del : place), TXN_APPLIED);
		cr_expect_eq(world_apply(&w, first ? place : del), TXN_CONFLICT);
		world_check(&w);
		world_close(&w);
	}
	world_cluster(&w, 2);
	place = world_txn();
	one.diskless_on_remaining = false;
	cr_assert_eq(change_spawn(&w.env, place, NULL, "db", &size, 1, false, NULL, &one, &w.err),
		     0);
	cr_assert_eq(WORLD(&w, change_node_modify, "n1", body), 0);
	cr_expect_eq(world_apply(&w, place), TXN_CONFLICT);
	json_object_put(body);
	world_close(&w);
}

Test(change_resource, as_many_as_possible)
{
	struct txn *t = NULL;
	struct world w;
	char key[64];

	world_start(&w);
	for (int i = 0; i < RESOURCES_MAX; i++) {
		if (i % TXN_OPS_MAX == 0) {
			cr_assert(!t || world_apply(&w, t) == TXN_APPLIED);
			t = world_txn();
		}
		snprintf(key, sizeof(key), "resource/r%d", i);
		txn_put(t, key, json_object_new_object());
	}
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	cr_expect_eq(WORLD(&w, change_resource_create, "more", NULL, LAYERS_UNSAID, NULL),
		     -E_INVALID);
	cr_expect(world_says(&w, "100000 resources, which is the limit"), "%s", w.err.text);
	t = world_txn();
	txn_put(t, "resource/r7", NULL);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	cr_expect_eq(WORLD(&w, change_resource_create, "more", NULL, LAYERS_UNSAID, NULL), 0);
	world_close(&w);
}
