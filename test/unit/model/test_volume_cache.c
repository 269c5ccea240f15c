// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_volume_cache.c - volumes with a write cache: what properties say of it, where copies go and
 * why not, and what the pools that keep caches promise.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/promise.h"
#include "model/snapshot.h"
#include "support/modelworld.h"

#define MIB 1024ll /* in KiB */

static struct world w;

/* n1 to n3: hdd (LVM) and ssd, which is LVM but on n3 */
static void setup(void)
{
	world_start(&w);
	for (int i = 2; i <= 3; i++)
		world_add_node(&w, i == 2 ? "n2" : "n3", i);
	for (int i = 1; i <= 3; i++) {
		char node[4];

		snprintf(node, sizeof(node), "n%d", i);
		world_add_pool(&w, node, "hdd", POOL_LVM);
		world_add_pool(&w, node, "ssd", i == 3 ? POOL_LVM_THIN : POOL_LVM);
	}
}

static void reports(int64_t ssd_free_kib)
{
	for (int i = 1; i <= 3; i++) {
		struct err err = { 0 };
		char text[512];
		json *doc;

		snprintf(text, sizeof(text),
			 "{\"node\":\"n%d\",\"pools\":{"
			 "\"hdd\":{\"free_kib\":%lld,\"total_kib\":%lld,\"ours_kib\":0},"
			 "\"ssd\":{\"free_kib\":%lld,\"total_kib\":%lld,\"ours_kib\":0}}}",
			 i, 100 * GIB, 100 * GIB, (long long)ssd_free_kib, 4 * GIB);
		doc = world_json(text);
		cr_assert_eq(observed_report(w.observed, doc, w.env.mono_ms, &err), 0, "%s",
			     err.text);
		json_object_put(doc);
	}
}

static void teardown(void)
{
	world_check(&w);
	world_close(&w);
}

TestSuite(volume_cache, .init = setup, .fini = teardown);

static int spawn(const char *name, int copies, const char *props, enum layers layers)
{
	static const int64_t sizes[] = { 1 * GIB, 2 * GIB };
	struct change_place place = { .copies = copies, .layers = layers };
	json *p = world_json(props);
	int rv = WORLD(&w, change_spawn, NULL, name, sizes, 2, false, p, &place);

	json_object_put(p);
	return rv;
}

static int64_t promised(const char *node, const char *pool)
{
	struct promise p;

	cr_assert_eq(promise_peek(w.store, node, pool, &p), 0);
	return p.kib;
}

Test(volume_cache, names_of_layers)
{
	static const struct {
		const char *list;
		int rv;
		enum layers layers;
		const char *says;
	} rows[] = {
		{ "[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]", 0, LAYERS_WRITECACHE, "" },
		{ "[\"drbd\",\"luks\",\"writecache\",\"storage\"]", 0, LAYERS_LUKS_WRITECACHE, "" },
		{ "[\"WRITECACHE\",\"STORAGE\"]", 0, LAYERS_WRITECACHE, "" },
		{ "[\"DRBD\",\"WRITECACHE\",\"LUKS\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "would not be encrypted" },
		{ "[\"WRITECACHE\",\"DRBD\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "on one node only" },
		{ "[\"NVME\",\"WRITECACHE\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "do not go together" },
		{ "[\"DRBD\",\"CACHE\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "'CACHE' is not supported" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *list = world_json(rows[i].list), *again;
		struct err err = { 0 };
		enum layers layers, same;

		cr_expect_eq(layers_parse(list, &layers, &err), rows[i].rv, "%s: %s", rows[i].list,
			     err.text);
		cr_expect_eq(layers, rows[i].layers, "%s", rows[i].list);
		cr_expect(strstr(err.text, rows[i].says), "%s: %s", rows[i].list, err.text);
		again = layers_doc(layers);
		if (rows[i].rv == 0) {
			cr_expect_eq(layers_parse(again, &same, NULL), 0);
			cr_expect_eq(same, layers);
		}
		json_object_put(again);
		json_object_put(list);
	}
}

Test(volume_cache, sizes)
{
	static const struct {
		const char *size; /* NULL: not set */
		int64_t volume_kib;
		int64_t kib; /* -1: refused */
	} rows[] = {
		{ NULL, 10 * GIB, 512 * MIB },
		{ "5%", 10 * GIB, 512 * MIB },
		{ "100%", 1 * GIB, 1 * GIB },
		{ "1%", 100 * MIB, 16 * MIB },
		{ "1%", 2 * GIB, 24 * MIB },
		{ "16777216", GIB, 16 * MIB },
		{ "16777217", GIB, 20 * MIB },
		{ "16773120", GIB, 16 * MIB },
		{ "1048576", GIB, -1 },
		{ "0", GIB, -1 },
		{ "0%", GIB, -1 },
		{ "101%", GIB, -1 },
		{ "5%%", GIB, -1 },
		{ "-5", GIB, -1 },
		{ "", GIB, -1 },
		{ "1G", GIB, -1 },
		{ " 5%", GIB, -1 },
		{ "274877906944", GIB, 256 * GIB },
		{ "274877906945", GIB, -1 },
		{ "99999999999999999999", GIB, -1 },
		{ "100%", 300 * GIB, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *props = json_object_new_object();
		struct props_chain c = { { NULL } };
		struct volume_cache v = { .pool = "" };
		struct err err = { 0 };
		int rv;

		jset_str(props, VOLUME_CACHE_POOL, "ssd");
		if (rows[i].size)
			jset_str(props, VOLUME_CACHE_SIZE, rows[i].size);
		c.level[PROPS_RESOURCE_GROUP] = props;
		rv = volume_cache_of(&c, "volume db/0", rows[i].volume_kib, &v, &err);
		cr_expect_eq(rv, rows[i].kib < 0 ? -E_BAD_PROP : 0, "%s: %s",
			     rows[i].size ? rows[i].size : "(none)", err.text);
		if (rv == 0)
			cr_expect_eq(v.size_kib, rows[i].kib, "%s: %lld",
				     rows[i].size ? rows[i].size : "(none)", (long long)v.size_kib);
		json_object_put(props);
	}
}

Test(volume_cache, needs_a_pool_and_no_options)
{
	reports(4 * GIB);
	cr_expect_eq(spawn("db", 2, "{}", LAYERS_WRITECACHE), -E_BAD_PROP);
	cr_expect(world_says(&w, VOLUME_CACHE_POOL), "%s", w.err.text);
	cr_expect_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"a b\"}", LAYERS_WRITECACHE),
		     -E_BAD_PROP);
	cr_expect_eq(spawn("db", 2,
			   "{\"Writecache/PoolName\":\"ssd\",\"Writecache/Options/jobs\":\"1\"}",
			   LAYERS_WRITECACHE),
		     -E_BAD_PROP);
	cr_expect(world_says(&w, "not supported"), "%s", w.err.text);
	/* without the layer the properties mean nothing */
	cr_expect_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"ssd\"}", LAYERS_PLAIN), 0, "%s",
		     w.err.text);
	cr_expect(!world_resource(&w, "db").cached);
}

Test(volume_cache, is_promised_and_given_back)
{
	struct resource r;
	int number;

	reports(4 * GIB);
	cr_assert_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"ssd\",\"Writecache/Size\":\"10%\"}",
			   LAYERS_WRITECACHE),
		     0, "%s", w.err.text);
	r = world_resource(&w, "db");
	cr_expect(r.cached && !r.encrypted);
	cr_expect_str_eq(r.volume[0].cache.pool, "ssd");
	cr_expect_eq(r.volume[0].cache.size_kib, 104 * MIB);
	cr_expect_eq(r.volume[1].cache.size_kib, 208 * MIB);
	cr_expect_eq(promised("n1", "ssd") + promised("n2", "ssd"), 2 * (104 + 208) * MIB);
	cr_expect_eq(promised("n3", "ssd"), 0);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "ssd"), -E_IN_USE, "%s", w.err.text);
	world_check(&w);

	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, GIB, NULL, &number), 0, "%s",
		     w.err.text);
	cr_expect_eq(promised("n1", "ssd"), (104 + 208 + 104) * MIB);
	cr_assert_eq(WORLD(&w, change_volume_modify, "db", 0, 4 * GIB, NULL), 0, "%s", w.err.text);
	cr_expect_eq(promised("n1", "ssd"), (104 + 208 + 104) * MIB, "a cache does not grow");
	world_check(&w);
	cr_assert_eq(WORLD(&w, change_volume_delete, "db", number), 0, "%s", w.err.text);
	cr_expect_eq(promised("n1", "ssd"), (104 + 208) * MIB);
	world_check(&w);
	for (int i = 1; i <= 2; i++)
		world_report_open(&w, i == 1 ? "n1" : "n2", "db", false);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
	cr_expect_eq(promised("n1", "ssd") + promised("n2", "ssd"), 0);
}

Test(volume_cache, where_copies_go)
{
	static const char props[] = "{\"Writecache/PoolName\":\"ssd\",\"Writecache/Size\":\"10%\"}";

	reports(4 * GIB);
	cr_expect_eq(spawn("db", 3, props, LAYERS_WRITECACHE), -E_NO_NODES);
	cr_expect(world_says(&w, "pool ssd, for the write cache, is LVM_THIN"), "%s", w.err.text);
	cr_expect(world_says(&w, "n1/ssd: it keeps the write caches"), "%s", w.err.text);
	cr_expect_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"nvme\"}", LAYERS_WRITECACHE),
		     -E_NO_NODES);
	cr_expect(world_says(&w, "no pool nvme on this node"), "%s", w.err.text);
	reports(250 * MIB);
	cr_expect_eq(spawn("db", 2, props, LAYERS_WRITECACHE), -E_NO_NODES);
	cr_expect(world_says(&w, "pool ssd, for the write cache: "), "%s", w.err.text);
	reports(4 * GIB);
	cr_expect_eq(spawn("db", 2, props, LAYERS_WRITECACHE), 0, "%s", w.err.text);
	/* whoever names the place himself */
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n3", "hdd", false), -E_NO_NODES);
	cr_expect(world_says(&w, "LVM"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0, "%s", w.err.text);
}

Test(volume_cache, a_copy_is_in_lvm)
{
	reports(4 * GIB);
	world_add_node(&w, "n4", 4);
	world_add_pool(&w, "n4", "files", POOL_FILE);
	world_add_pool(&w, "n4", "ssd", POOL_LVM);
	world_report(&w, "n4", "files", 100 * GIB, 100 * GIB);
	cr_expect_eq(spawn("db", 3, "{\"Writecache/PoolName\":\"ssd\"}", LAYERS_WRITECACHE),
		     -E_NO_NODES);
	cr_expect(world_says(&w, "n4/files: is FILE: a write cache goes with LVM only"), "%s",
		  w.err.text);
}

Test(volume_cache, layers_stay)
{
	json *body = world_json("{\"layer_stack\":[\"DRBD\",\"STORAGE\"]}");
	json *same = world_json("{\"layer_stack\":[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]}");
	json *props = world_json("{\"override_props\":{\"Writecache/PoolName\":\"hdd\"}}");

	reports(4 * GIB);
	cr_assert_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"ssd\"}", LAYERS_WRITECACHE), 0);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", body), -E_BAD_LAYERS);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", same), 0, "%s", w.err.text);
	/* what properties say later is for volumes that are added */
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", props), 0, "%s", w.err.text);
	cr_expect_str_eq(world_resource(&w, "db").volume[0].cache.pool, "ssd");
	json_object_put(body);
	json_object_put(same);
	json_object_put(props);
}

Test(volume_cache, documents)
{
	static const struct {
		const char *cache; /* NULL: left out */
		const char *layers;
		int rv;
	} rows[] = {
		{ "{\"pool\":\"ssd\",\"size_kib\":16384}", "[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]",
		  0 },
		{ NULL, "[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]", -E_INVALID },
		{ "{\"pool\":\"ssd\",\"size_kib\":16384}", "[\"DRBD\",\"STORAGE\"]", -E_INVALID },
		{ "{\"pool\":\"\",\"size_kib\":16384}", "[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]",
		  -E_INVALID },
		{ "{\"pool\":\"ssd\",\"size_kib\":1}", "[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]",
		  -E_INVALID },
		{ "[]", "[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]", -E_INVALID },
	};
	json *doc, *volume;
	struct resource r;

	reports(4 * GIB);
	cr_assert_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"ssd\"}", LAYERS_WRITECACHE), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };

		doc = world_doc(&w, "resource/db");
		volume = json_object_array_get_idx(jget(doc, "volumes"), 0);
		jset(doc, "layers", world_json(rows[i].layers));
		json_object_object_del(volume, "cache");
		if (rows[i].cache)
			jset(volume, "cache", world_json(rows[i].cache));
		if (strstr(rows[i].layers, "WRITECACHE") == NULL)
			json_object_object_del(json_object_array_get_idx(jget(doc, "volumes"), 1),
					       "cache");
		cr_expect_eq(resource_parse(doc, &r, &err), rows[i].rv, "row %zu: %s", i, err.text);
		json_object_put(doc);
	}
}
