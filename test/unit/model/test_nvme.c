// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_nvme.c - resources of the layers NVME and STORAGE: what is refused before somebody has said
 * that the network may read along, that there is one copy, and what else there is none of.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/policy.h"
#include "model/service.h"
#include "support/modelworld.h"

static struct world w;

static void setup(void)
{
	world_cluster(&w, 3);
}

static void teardown(void)
{
	world_check(&w);
	world_close(&w);
}

TestSuite(nvme, .init = setup, .fini = teardown);

static void allow(void)
{
	json *body = world_json("{\"override_props\":{\"" POLICY_NVME "\":\"on\"}}");

	cr_assert_eq(WORLD(&w, change_controller_modify, body), 0, "%s", w.err.text);
	json_object_put(body);
}

static int spawn(int copies)
{
	const int64_t size = 4096;
	struct change_place place = { .copies = copies, .layers = LAYERS_NVME };

	return WORLD(&w, change_spawn, NULL, "db", &size, 1, false, NULL, &place);
}

static void made(void)
{
	allow();
	cr_assert_eq(spawn(0), 0, "%s", w.err.text);
}

static const char *other(void)
{
	json *doc = world_doc(&w, "replica/db/n1");
	const char *node = doc ? "n2" : "n1";

	json_object_put(doc);
	return node;
}

Test(nvme, names_of_layers)
{
	static const struct {
		const char *list;
		int rv;
		enum layers layers;
	} rows[] = {
		{ "[\"NVME\",\"STORAGE\"]", 0, LAYERS_NVME },
		{ "[\"nvme\",\"luks\",\"storage\"]", 0, LAYERS_NVME_LUKS },
		{ "[{\"type\":\"NVME\"},{\"type\":\"STORAGE\"}]", 0, LAYERS_NVME },
		{ "[\"NVME\",\"DRBD\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "[\"DRBD\",\"NVME\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "[\"LUKS\",\"NVME\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "[\"NVME\",\"BCACHE\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *list = world_json(rows[i].list);
		struct err err = { 0 };
		enum layers layers;

		cr_expect_eq(layers_parse(list, &layers, &err), rows[i].rv, "%s: %s", rows[i].list,
			     err.text);
		cr_expect_eq(layers, rows[i].layers, "%s", rows[i].list);
		json_object_put(list);
	}
}

Test(nvme, is_asked_for)
{
	cr_expect_eq(spawn(0), -E_BAD_LAYERS);
	cr_expect(world_says(&w, POLICY_NVME), "%s", w.err.text);
	allow();
	cr_expect_eq(spawn(0), 0, "%s", w.err.text);
}

Test(nvme, not_any_more)
{
	json *body = world_json("{\"override_props\":{\"" POLICY_NVME "\":\"off\"}}");

	made();
	cr_assert_eq(WORLD(&w, change_resource_modify, "db", body), 0, "%s", w.err.text);
	json_object_put(body);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", other(), NULL, true), -E_BAD_LAYERS);
	cr_expect(world_says(&w, POLICY_NVME), "%s", w.err.text);
}

Test(nvme, layers_are_kept)
{
	json *doc, *body = world_json("{\"layer_stack\":[\"DRBD\",\"STORAGE\"]}");
	struct resource r;

	made();
	doc = world_doc(&w, "resource/db");
	cr_assert_eq(resource_parse(doc, &r, NULL), 0);
	cr_expect(r.nvme && !r.encrypted);
	json_object_put(doc);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", body), -E_BAD_LAYERS);
	json_object_put(body);
}

Test(nvme, one_copy)
{
	bool changed;

	allow();
	cr_expect_eq(spawn(2), -E_INVALID);
	cr_expect(world_says(&w, "have one copy"), "%s", w.err.text);
	cr_assert_eq(spawn(0), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "replica/db/"), 1, "the group's place count is of others");
	cr_expect_eq(WORLD(&w, change_replica_create, "db", other(), "ssd", false), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", other(), NULL, true), 0, "%s",
		     w.err.text);
	cr_expect_eq(WORLD(&w, change_replica_diskful, "db", other(), "ssd", &changed), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_replica_migrate, "db",
			   strcmp(other(), "n1") == 0 ? "n2" : "n1", "n3", "ssd", &changed),
		     -E_INVALID);
	cr_expect_eq(world_count(&w, "replica/db/"), 2);
}

Test(nvme, the_copy_is_the_last_to_go)
{
	const char *copy;

	made();
	copy = strcmp(other(), "n1") == 0 ? "n2" : "n1";
	cr_assert_eq(WORLD(&w, change_replica_create, "db", other(), NULL, true), 0);
	for (int i = 1; i <= 3; i++)
		world_report_open(&w, (const char *[]){ "", "n1", "n2", "n3" }[i], "db", false);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", copy), -E_IN_USE);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
}

Test(nvme, no_snapshots)
{
	made();
	cr_expect_eq(WORLD(&w, change_snapshot_begin, "db", "s1", NULL), -E_INVALID);
	cr_expect(world_says(&w, "no snapshots"), "%s", w.err.text);
}

Test(nvme, no_file_system)
{
	static const char with[] = "{\"FileSystem/Type\":\"ext4\"}";
	json *props = world_json(with);
	int number;

	made();
	cr_expect_eq(WORLD(&w, change_volume_create, "db", -1, 4096, props, &number), -E_INVALID);
	cr_expect(world_says(&w, "FileSystem/Type"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_volume_create, "db", -1, 4096, NULL, &number), 0, "%s",
		     w.err.text);
	json_object_put(props);
}

Test(nvme, no_service)
{
	json *body = world_json("{\"name\":\"web\",\"resource\":\"db\",\"mount\":\"/srv/web\"}");

	made();
	cr_expect_eq(WORLD(&w, change_service_create, body), -E_INVALID, "%s", w.err.text);
	cr_expect(world_says(&w, "not replicated"), "%s", w.err.text);
	json_object_put(body);
}
