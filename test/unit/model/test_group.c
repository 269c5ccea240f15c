// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_group.c - select_filter as clients send it, and the life of a group
 * (model/group.c, model/change_group.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(group);

Test(group, filter_as_clients_send_it)
{
	static const struct {
		const char *text;
		int rv, place, additional, nodes, pools;
		bool has_rest, rest;
	} rows[] = {
		{ "{}", 0, 0, 0, 0, 0, false, false },
		{ "{\"place_count\":\"2\"}", 0, 2, 0, 0, 0, false, false },
		{ "{\"place_count\":3.0,\"additional_place_count\":1}", 0, 3, 1, 0, 0, false,
		  false },
		{ "{\"place_count\":null,\"diskless_on_remaining\":null}", 0, 0, 0, 0, 0, false,
		  false },
		{ "{\"diskless_on_remaining\":\"True\"}", 0, 0, 0, 0, 0, true, true },
		{ "{\"diskless_on_remaining\":false}", 0, 0, 0, 0, 0, true, false },
		{ "{\"node_name_list\":[\"n1\",\"n2\"],\"storage_pool\":\"ssd\"}", 0, 0, 0, 2, 1,
		  false, false },
		{ "{\"storage_pool_list\":[\"ssd\",\"hdd\"],\"storage_pool\":\"ssd\"}", 0, 0, 0, 0,
		  2, false, false },
		{ "{\"storage_pool_list\":[],\"storage_pool\":null,\"node_name_list\":[]}", 0, 0, 0,
		  0, 0, false, false },
		{ "{\"replicas_on_same\":[],\"not_place_with_rsc_regex\":\"\"}", 0, 0, 0, 0, 0,
		  false, false },
		{ "{\"diskless_type\":\"DRBD_DISKLESS\",\"storage_pool_diskless_list\":null}", 0, 0,
		  0, 0, 0, false, false },
		{ "{\"diskless_type\":\"NVME_INITIATOR\"}", .rv = -E_INVALID },
		{ "{\"storage_pool_diskless_list\":[\"a/b\"]}", .rv = -E_INVALID },
		{ "{\"place_count\":7}", 0, 7, 0, 0, 0, false, false },
		{ "{\"place_count\":8}", .rv = -E_INVALID },
		{ "{\"place_count\":-1}", .rv = -E_INVALID },
		{ "{\"place_count\":\"x\"}", .rv = -E_INVALID },
		{ "{\"place_count\":[]}", .rv = -E_INVALID },
		{ "{\"node_name_list\":[7]}", .rv = -E_INVALID },
		{ "{\"node_name_list\":[\"a/b\"]}", .rv = -E_INVALID },
		{ "{\"node_name_list\":{\"a\":1}}", .rv = -E_INVALID },
		{ "[]", .rv = -E_INVALID },
	};
	static struct group_select f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *o = world_json(rows[i].text);
		int rv = group_filter_parse(o, &f, NULL);

		cr_expect_eq(rv, rows[i].rv, "%s", rows[i].text);
		if (rv == 0) {
			cr_expect_eq(f.place_count, rows[i].place, "%s", rows[i].text);
			cr_expect_eq(f.additional, rows[i].additional, "%s", rows[i].text);
			cr_expect_eq(f.n_nodes, rows[i].nodes, "%s", rows[i].text);
			cr_expect_eq(f.n_pools, rows[i].pools, "%s", rows[i].text);
			cr_expect_eq(f.has_diskless_on_remaining, rows[i].has_rest);
			cr_expect_eq(f.diskless_on_remaining, rows[i].rest, "%s", rows[i].text);
		}
		json_object_put(o);
	}
	cr_expect_eq(group_filter_parse(NULL, &f, NULL), 0);
	world_no_leaks();
}

Test(group, filter_names_limit)
{
	static struct group_select f;
	json *o = json_object_new_object(), *list = json_object_new_array();
	char name[16];

	for (int i = 0; i < NODES_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		json_object_array_add(list, json_object_new_string(name));
	}
	jset(o, "node_name_list", list);
	cr_assert_eq(group_filter_parse(o, &f, NULL), 0);
	cr_expect_eq(f.n_nodes, NODES_MAX);
	json_object_array_add(list, json_object_new_string("more"));
	cr_expect_eq(group_filter_parse(o, &f, NULL), -E_INVALID);
	json_object_put(o);
	world_no_leaks();
}

static int create(struct world *w, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_group_create, body, NULL);

	json_object_put(body);
	return rv;
}

static int modify(struct world *w, const char *name, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_group_modify, name, body, NULL);

	json_object_put(body);
	return rv;
}

Test(group, life)
{
	struct world w;
	json *doc;

	world_start(&w);
	cr_expect_eq(create(&w, "{\"name\":\"dfltrscgrp\"}"), -E_EXISTS);
	cr_expect_eq(create(&w,
			    "{\"name\":\"Gold\",\"description\":\"two\",\"props\":{\"/a\":1},"
			    "\"select_filter\":{\"place_count\":\"2\",\"layer_stack\":[\"drbd\"],"
			    "\"storage_pool\":\"ssd\",\"diskless_on_remaining\":null}}"),
		     0, "%s", w.err.text);
	cr_expect_eq(create(&w, "{\"name\":\"gOLD\"}"), -E_EXISTS);
	cr_expect(world_says(&w, "gOLD exists already"));
	cr_expect_eq(modify(&w, "gold",
			    "{\"override_props\":{\"b\":\"2\"},\"delete_props\":[\"a\"],"
			    "\"select_filter\":{\"place_count\":3,"
			    "\"storage_pool_list\":[\"ssd\",\"hdd\"]}}"),
		     0);
	doc = world_doc(&w, "group/gold");
	cr_expect_str_eq(jget_str(doc, "name", ""), "Gold");
	cr_expect_str_eq(jget_str(doc, "description", ""), "two");
	cr_expect_str_eq(json_text(jget(doc, "props")), "{\"b\":\"2\"}");
	cr_expect_str_eq(json_text(jget(doc, "select_filter")),
			 "{\"place_count\":3,\"layer_stack\":[\"DRBD\"],"
			 "\"storage_pool_list\":[\"ssd\",\"hdd\"]}");
	json_object_put(doc);

	cr_expect_eq(WORLD(&w, change_resource_create, "db", "GOLD", LAYERS_UNSAID, NULL), 0);
	doc = world_doc(&w, "resource/db");
	cr_expect_str_eq(jget_str(doc, "group", ""), "Gold");
	json_object_put(doc);
	cr_expect_eq(WORLD(&w, change_group_delete, "gold"), -E_IN_USE);
	cr_expect(world_says(&w, "such as db"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), 0);
	cr_expect_eq(WORLD(&w, change_group_delete, "gold"), 0);
	cr_expect_eq(WORLD(&w, change_group_delete, "gold"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_group_delete, "DfltRscGrp"), -E_IN_USE);
	cr_expect_eq(modify(&w, "a/b", "{}"), -E_NOT_FOUND);
	world_close(&w);
}

Test(group, refused_bodies)
{
	struct world w;
	char text[GROUP_DESCRIPTION_MAX + 128];

	world_start(&w);
	cr_expect_eq(create(&w, "{}"), -E_INVALID);
	cr_expect_eq(create(&w, "{\"name\":\"a\"}"), -E_INVALID);
	cr_expect_eq(create(&w, "{\"name\":\"gg\",\"select_filter\":7}"), -E_INVALID);
	cr_expect_eq(create(&w, "{\"name\":\"gg\",\"props\":7}"), -E_BAD_PROP);
	cr_expect_eq(create(&w, "{\"name\":\"gg\",\"volume_groups\":{}}"), -E_INVALID);
	cr_expect_eq(create(&w, "{\"name\":\"gg\",\"volume_groups\":[{},{},{},{},{},{},{},{},{},"
				"{},{},{},{},{},{},{},{}]}"),
		     -E_INVALID, "17, 16 can be");
	cr_expect_eq(create(&w, "{\"name\":\"gg\",\"props\":{\"sds/handover\":\"maybe\"}}"),
		     -E_BAD_PROP);
	snprintf(text, sizeof(text), "{\"name\":\"gg\",\"description\":%s}",
		 world_long('d', GROUP_DESCRIPTION_MAX + 1));
	cr_expect_eq(create(&w, text), -E_INVALID);
	snprintf(text, sizeof(text), "{\"name\":\"gg\",\"description\":%s,\"volume_groups\":[{}]}",
		 world_long('d', GROUP_DESCRIPTION_MAX));
	cr_expect_eq(create(&w, text), 0, "%s", w.err.text);
	cr_expect_eq(modify(&w, "gg", "{\"override_props\":7}"), -E_BAD_PROP);
	cr_expect_eq(modify(&w, "gg", "{\"select_filter\":{\"place_count\":9}}"), -E_INVALID);
	world_close(&w);
}

Test(group, delete_conflicts_with_a_new_resource)
{
	struct txn *del = world_txn(), *use = world_txn();
	struct world w;

	world_start(&w);
	cr_assert_eq(create(&w, "{\"name\":\"gold\"}"), 0);
	cr_assert_eq(change_group_delete(&w.env, del, "gold", &w.err), 0);
	cr_assert_eq(change_resource_create(&w.env, use, "db", "gold", LAYERS_UNSAID, NULL, &w.err),
		     0);
	cr_expect_eq(world_apply(&w, use), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, del), TXN_CONFLICT);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0);

	del = world_txn();
	use = world_txn();
	cr_assert_eq(change_group_delete(&w.env, del, "gold", &w.err), 0);
	cr_assert_eq(change_resource_create(&w.env, use, "db", "gold", LAYERS_UNSAID, NULL, &w.err),
		     0);
	cr_expect_eq(world_apply(&w, del), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, use), TXN_CONFLICT);
	world_close(&w);
}

/* ---- volume groups ---- */

static int vg_create(struct world *w, const char *group, const char *text, int *number)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_volume_group_create, group, body, number);

	json_object_put(body);
	return rv;
}

static int vg_modify(struct world *w, int number, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_volume_group_modify, "gg", number, body);

	json_object_put(body);
	return rv;
}

Test(group, volume_groups)
{
	struct world w;
	int n = -1;
	json *doc;

	world_start(&w);
	cr_assert_eq(create(&w, "{\"name\":\"gg\"}"), 0);
	cr_expect_eq(vg_create(&w, "nix", "{}", &n), -E_NOT_FOUND);
	cr_assert_eq(
		vg_create(&w, "GG", "{\"volume_number\":\"3\",\"flags\":[\"gross_size\"]}", &n), 0);
	cr_expect_eq(n, 3);
	cr_expect_eq(vg_create(&w, "gg", "{\"volume_number\":3}", &n), -E_EXISTS);
	cr_expect_eq(vg_create(&w, "gg", "{\"volume_number\":16}", &n), -E_INVALID);
	cr_expect_eq(vg_create(&w, "gg", "{\"flags\":[7]}", &n), -E_INVALID);
	cr_assert_eq(vg_create(&w, "gg", "{}", &n), 0);
	cr_expect_eq(n, 0, "the lowest that is free");
	doc = world_doc(&w, "group/gg");
	cr_expect_eq(jget_i64_or(json_object_array_get_idx(jget(doc, "volume_groups"), 0),
				 "volume_number", -1),
		     0, "in order");
	json_object_put(doc);
	cr_expect_eq(vg_modify(&w, 1, "{}"), -E_NOT_FOUND);
	cr_expect_eq(vg_modify(&w, 3, "{\"flags\":[\"x\"]}"), -E_INVALID);
	cr_assert_eq(vg_modify(&w, 3, "{\"flags\":[],\"override_props\":{\"Aux/a\":1}}"), 0);
	for (int i = 2; i < VOLUMES_PER_RESOURCE_MAX; i++)
		cr_assert_eq(vg_create(&w, "gg", "{}", &n), 0, "%d: %s", i, w.err.text);
	cr_expect_eq(vg_create(&w, "gg", "{}", &n), -E_INVALID);
	cr_expect(world_says(&w, "which is the limit"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_volume_group_delete, "gg", 16), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_volume_group_delete, "gg", 15), 0);
	world_close(&w);
}

/* by the rules of placement: one more step than the largest is refused */
Test(group, the_largest_volume_that_fits)
{
	struct change_place three = { .copies = 3 }, four = { .copies = 4 };
	struct change_spots spots;
	int64_t kib = -1, size;
	struct world w;
	struct err err;

	world_cluster(&w, 3);
	cr_assert_eq(change_probe(&w.env, NULL, &three, &kib, &spots, &err), 0);
	/* thin pools of 100 GiB promise twice as much, of which metadata takes its part */
	cr_expect(kib <= 200 * GIB && kib > 199 * GIB, "%lld", (long long)kib);
	cr_expect_eq(spots.n, 3);
	cr_expect_str_eq(spots.spot[0].pool, "ssd");
	size = kib + VOLUME_KIB_MIN;
	cr_expect_eq(WORLD(&w, change_spawn, NULL, "db", &size, 1, false, NULL, &three),
		     -E_NO_NODES);
	cr_expect_eq(WORLD(&w, change_spawn, NULL, "db", &kib, 1, false, NULL, &three), 0);
	cr_assert_eq(change_probe(&w.env, NULL, &four, &kib, &spots, &err), 0);
	cr_expect_eq(kib, 0);
	cr_expect_eq(spots.n, 0);
	cr_expect_eq(change_probe(&w.env, "nix", NULL, &kib, &spots, &err), -E_NOT_FOUND);
	world_close(&w);
}
