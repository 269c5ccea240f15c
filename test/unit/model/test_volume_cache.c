// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_volume_cache.c - volumes with a cache of what is written or read: what properties say of it,
 * where copies go and why not, and what the pools that keep caches promise.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/promise.h"
#include "model/snapshot.h"
#include "support/modelworld.h"

#define MIB 1024ll /* in KiB */
#define POOL_PROP "Writecache/PoolName"
#define SIZE_PROP "Writecache/Size"
#define READ_POOL_PROP "Cache/CachePool"
#define READ_SIZE_PROP "Cache/Cachesize"

static struct world w;

/* n1 to n3: hdd (LVM) and ssd, which is LVM but on n3; thin (LVM_THIN) is reported, too */
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
			 "\"thin\":{\"free_kib\":%lld,\"total_kib\":%lld},"
			 "\"ssd\":{\"free_kib\":%lld,\"total_kib\":%lld,\"ours_kib\":0}}}",
			 i, 100 * GIB, 100 * GIB, 100 * GIB, 100 * GIB, (long long)ssd_free_kib,
			 4 * GIB);
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
		{ "[\"DRBD\",\"CACHE\",\"STORAGE\"]", 0, LAYERS_CACHE, "" },
		{ "[\"drbd\",{\"type\":\"luks\"},{\"type\":\"cache\"},\"storage\"]", 0,
		  LAYERS_LUKS_CACHE, "" },
		{ "[\"DRBD\",\"CACHE\",\"LUKS\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "Layer 'CACHE' above LUKS" },
		{ "[\"CACHE\",\"DRBD\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "Layer 'CACHE' above DRBD" },
		{ "[\"NVME\",\"CACHE\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "'NVME' and 'CACHE' do not go together" },
		{ "[\"DRBD\",\"WRITECACHE\",\"CACHE\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "'WRITECACHE' and 'CACHE' do not go together" },
		{ "[\"DRBD\",\"CACHE\",\"WRITECACHE\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "'WRITECACHE' and 'CACHE' do not go together" },
		{ "[\"DRBD\",\"BCACHE\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID,
		  "'BCACHE' is not supported" },
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

Test(volume_cache, layers_that_are_missing)
{
	static const struct {
		enum layers has, wanted;
		const char *missing;
	} rows[] = {
		{ LAYERS_LUKS_CACHE, LAYERS_LUKS_CACHE, "" },
		{ LAYERS_LUKS_CACHE, LAYERS_PLAIN, "" },
		{ LAYERS_PLAIN, LAYERS_LUKS_CACHE, "LUKS" },
		{ LAYERS_LUKS, LAYERS_LUKS_CACHE, "CACHE" },
		{ LAYERS_CACHE, LAYERS_WRITECACHE, "WRITECACHE" },
		{ LAYERS_WRITECACHE, LAYERS_CACHE, "CACHE" },
		{ LAYERS_LUKS, LAYERS_NVME_LUKS, "NVME" },
	};
	json *all = layers_all();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *missing = layers_missing(rows[i].has, rows[i].wanted);

		cr_expect_str_eq(missing ? missing : "", rows[i].missing, "row %zu", i);
	}
	cr_expect_str_eq(json_object_to_json_string_ext(all, 0),
			 "[\"DRBD\",\"NVME\",\"LUKS\",\"WRITECACHE\",\"CACHE\",\"STORAGE\"]");
	json_object_put(all);
}

/* what one property map says for a volume of that size */
static int cache_of(json *props, bool reads, int64_t volume_kib, struct volume_cache *ret,
		    struct err *err)
{
	struct props_chain c = { .level[PROPS_RESOURCE_GROUP] = props };

	return volume_cache_of(&c, "volume db/0", reads, volume_kib, ret, err);
}

static void check_size(const char *size, bool reads, int64_t volume_kib, int64_t kib)
{
	json *props = json_object_new_object(), *told = json_object_new_object();
	struct volume_cache v = { .pool = "" }, again = { .pool = "" };
	struct err err = { 0 };
	int rv;

	jset_str(props, reads ? READ_POOL_PROP : POOL_PROP, "ssd");
	if (size)
		jset_str(props, reads ? READ_SIZE_PROP : SIZE_PROP, size);
	rv = cache_of(props, reads, volume_kib, &v, &err);
	cr_expect_eq(rv, kib < 0 ? -E_BAD_PROP : 0, "%s: %s", size ? size : "(none)", err.text);
	if (rv == 0) {
		cr_expect_eq(v.size_kib, kib, "%s: %lld", size ? size : "(none)",
			     (long long)v.size_kib);
		cr_expect_eq(v.reads, reads);
		volume_cache_tell(&v, told);
		cr_expect_eq(cache_of(told, reads, GIB, &again, &err), 0, "%s", err.text);
		cr_expect_eq(again.size_kib, kib);
		cr_expect_str_eq(again.pool, "ssd");
	} else {
		cr_expect(strstr(err.text, reads ? READ_SIZE_PROP : SIZE_PROP), "%s", err.text);
		cr_expect(strstr(err.text, volume_cache_noun(reads)), "%s", err.text);
	}
	json_object_put(told);
	json_object_put(props);
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
		check_size(rows[i].size, false, rows[i].volume_kib, rows[i].kib);
		check_size(rows[i].size, true, rows[i].volume_kib, rows[i].kib);
	}
}

Test(volume_cache, needs_a_pool_and_no_options)
{
	reports(4 * GIB);
	cr_expect_eq(spawn("db", 2, "{}", LAYERS_WRITECACHE), -E_BAD_PROP);
	cr_expect(world_says(&w, POOL_PROP), "%s", w.err.text);
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

/* of a read cache: what could only be ignored, and what is so anyway */
Test(volume_cache, options_of_a_read_cache)
{
	static const struct {
		const char *of_group, *of_resource; /* the nearer one counts */
		int rv;
		const char *says;
	} rows[] = {
		{ "{}", "{}", -E_BAD_PROP, "the layer CACHE needs the property Cache/CachePool" },
		{ "{\"Writecache/PoolName\":\"ssd\"}", "{}", -E_BAD_PROP, "Cache/CachePool" },
		{ "{\"Cache/CachePool\":\"a b\"}", "{}", -E_BAD_PROP, "Cache/CachePool" },
		{ "{}", "{\"Cache/CachePool\":\"ssd\"}", 0, "" },
		{ "{\"Cache/CachePool\":\"ssd\",\"Cache/Cachesize\":\"10%\"}", "{}", 0, "" },
		{ "{\"Cache/OpMode\":\"writethrough\"}", "{\"Cache/CachePool\":\"ssd\"}", 0, "" },
		{ "{\"Cache/OpMode\":\"WriteThrough\"}", "{\"Cache/CachePool\":\"ssd\"}", 0, "" },
		{ "{\"Cache/OpMode\":\"writeback\"}", "{\"Cache/CachePool\":\"ssd\"}", -E_BAD_PROP,
		  "Cache/OpMode is \"writeback\"; possible is \"writethrough\" only" },
		{ "{\"Cache/OpMode\":\"writeback\"}",
		  "{\"Cache/CachePool\":\"ssd\",\"Cache/OpMode\":\"writethrough\"}", 0, "" },
		{ "{\"Cache/OpMode\":\"passthrough\"}", "{\"Cache/CachePool\":\"ssd\"}",
		  -E_BAD_PROP, "possible is" },
		{ "{\"Cache/OpMode\":\"\"}", "{\"Cache/CachePool\":\"ssd\"}", -E_BAD_PROP,
		  "possible is" },
		{ "{\"Cache/Policy\":\"smq\"}", "{\"Cache/CachePool\":\"ssd\"}", 0, "" },
		{ "{\"Cache/Policy\":\"cleaner\"}", "{\"Cache/CachePool\":\"ssd\"}", -E_BAD_PROP,
		  "possible is \"smq\" only" },
		{ "{\"Cache/MetaPool\":\"SSD\"}", "{\"Cache/CachePool\":\"ssd\"}", 0, "" },
		{ "{\"Cache/MetaPool\":\"nvme\"}", "{\"Cache/CachePool\":\"ssd\"}", -E_BAD_PROP,
		  "Cache/MetaPool is \"nvme\"; possible is \"ssd\" only" },
		{ "{\"Cache/CachePool\":\"nvme\",\"Cache/MetaPool\":\"nvme\"}",
		  "{\"Cache/CachePool\":\"ssd\"}", -E_BAD_PROP, "Cache/MetaPool" },
		{ "{\"Cache/Metasize\":\"12M\"}", "{\"Cache/CachePool\":\"ssd\"}", -E_BAD_PROP,
		  "Cache/Metasize: options of dm-cache are not supported: unset it" },
		{ "{\"Cache/Blocksize\":\"4096\"}", "{\"Cache/CachePool\":\"ssd\"}", -E_BAD_PROP,
		  "Cache/Blocksize" },
		{ "{\"Cache/Policy/migration_threshold\":\"1\"}", "{\"Cache/CachePool\":\"ssd\"}",
		  -E_BAD_PROP, "Cache/Policy/migration_threshold" },
		/* of the other kind */
		{ "{\"Writecache/Options/jobs\":\"1\"}", "{\"Cache/CachePool\":\"ssd\"}", 0, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *group = world_json(rows[i].of_group), *own = world_json(rows[i].of_resource);
		struct props_chain c = { .level[PROPS_RESOURCE_DEFINITION] = own,
					 .level[PROPS_RESOURCE_GROUP] = group };
		struct volume_cache v = { .pool = "" };
		struct err err = { 0 };

		cr_expect_eq(volume_cache_of(&c, "volume db/0", true, GIB, &v, &err), rows[i].rv,
			     "row %zu: %s", i, err.text);
		cr_expect(strstr(err.text, rows[i].says), "row %zu: %s", i, err.text);
		cr_expect_str_eq(v.pool, rows[i].rv == 0 ? "ssd" : "", "row %zu", i);
		json_object_put(own);
		json_object_put(group);
	}
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

Test(volume_cache, of_what_is_read)
{
	static const char props[] = "{\"Cache/CachePool\":\"ssd\",\"Cache/Cachesize\":\"10%\"}";
	struct resource r, again;
	struct err err = { 0 };
	json *doc;

	reports(4 * GIB);
	cr_expect_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"ssd\"}", LAYERS_CACHE),
		     -E_BAD_PROP);
	cr_expect_eq(spawn("db", 3, props, LAYERS_CACHE), -E_NO_NODES);
	cr_expect(world_says(&w, "pool ssd, for the read cache, is LVM_THIN"), "%s", w.err.text);
	cr_expect(world_says(&w, "n1/ssd: it keeps the read caches"), "%s", w.err.text);
	reports(250 * MIB);
	cr_expect_eq(spawn("db", 2, props, LAYERS_CACHE), -E_NO_NODES);
	cr_expect(world_says(&w, "pool ssd, for the read cache: "), "%s", w.err.text);
	reports(4 * GIB);
	cr_assert_eq(spawn("db", 2, props, LAYERS_CACHE), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n3", "hdd", false), -E_NO_NODES);
	cr_expect(world_says(&w, "pool ssd, for the read cache, is LVM_THIN"), "%s", w.err.text);
	cr_expect_eq(promised("n1", "ssd"), (104 + 208) * MIB);

	doc = world_doc(&w, "resource/db");
	cr_assert_eq(resource_parse(doc, &r, &err), 0, "%s", err.text);
	cr_expect(r.cached && r.reads && r.volume[0].cache.reads && r.volume[1].cache.reads);
	cr_expect_eq(resource_layers(&r), LAYERS_CACHE);
	json_object_put(doc);
	doc = resource_doc(&r);
	cr_expect_str_eq(json_object_to_json_string_ext(jget(doc, "layers"), 0),
			 "[\"DRBD\",\"CACHE\",\"STORAGE\"]");
	cr_assert_eq(resource_parse(doc, &again, &err), 0, "%s", err.text);
	cr_expect(again.volume[1].cache.reads);
	cr_expect_str_eq(again.volume[1].cache.pool, "ssd");
	json_object_put(doc);
	world_check(&w);
	for (int i = 1; i <= 2; i++)
		world_report_open(&w, i == 1 ? "n1" : "n2", "db", false);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
	cr_expect_eq(promised("n1", "ssd") + promised("n2", "ssd"), 0);
}

/* A clone has a cache as its source has, also where only the source's volume says so. */
Test(volume_cache, cloned)
{
	static const struct {
		enum layers layers;
		const char *props, *pool, *size;
	} rows[] = {
		{ LAYERS_WRITECACHE, "{\"Writecache/PoolName\":\"ssd\"}", POOL_PROP, SIZE_PROP },
		{ LAYERS_CACHE, "{\"Cache/CachePool\":\"ssd\"}", READ_POOL_PROP, READ_SIZE_PROP },
	};
	char snapshot[NAME_MAX_LEN + 1], source[8], target[8], key[32];
	struct replica r;
	int number;

	reports(4 * GIB);
	world_add_pool(&w, "n1", "thin", POOL_LVM_THIN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *props = world_json(rows[i].props), *doc;

		snprintf(source, sizeof(source), "db%zu", i);
		snprintf(target, sizeof(target), "twin%zu", i);
		cr_assert_eq(WORLD(&w, change_resource_create, source, "DfltRscGrp", rows[i].layers,
				   NULL),
			     0, "%s", w.err.text);
		cr_assert_eq(WORLD(&w, change_volume_create, source, -1, GIB, props, &number), 0,
			     "%s", w.err.text);
		cr_assert_eq(WORLD(&w, change_replica_create, source, "n1", "thin", false), 0, "%s",
			     w.err.text);
		snprintf(key, sizeof(key), "replica/%s/n1", source);
		doc = world_doc(&w, key);
		cr_assert_eq(replica_parse(doc, &r, NULL), 0);
		json_object_put(doc);
		cr_assert_eq(WORLD(&w, change_replica_created, source, "n1", r.uuid, 0, ""), 0,
			     "%s", w.err.text);
		cr_assert_eq(WORLD(&w, change_clone_begin, source, target, NULL, NULL, snapshot), 0,
			     "%s", w.err.text);
		snprintf(key, sizeof(key), "resource/%s", target);
		doc = world_doc(&w, key);
		cr_expect_str_eq(jget_str(jget(doc, "props"), rows[i].pool, ""), "ssd");
		cr_expect_str_eq(jget_str(jget(doc, "props"), rows[i].size, ""), "54525952");
		json_object_put(doc);
		json_object_put(props);
		cr_expect_eq(world_resource(&w, target).reads, rows[i].layers == LAYERS_CACHE);
	}
}

Test(volume_cache, layers_stay)
{
	json *body = world_json("{\"layer_stack\":[\"DRBD\",\"STORAGE\"]}");
	json *other = world_json("{\"layer_stack\":[\"DRBD\",\"CACHE\",\"STORAGE\"]}");
	json *same = world_json("{\"layer_stack\":[\"DRBD\",\"WRITECACHE\",\"STORAGE\"]}");
	json *props = world_json("{\"override_props\":{\"Writecache/PoolName\":\"hdd\"}}");

	reports(4 * GIB);
	cr_assert_eq(spawn("db", 2, "{\"Writecache/PoolName\":\"ssd\"}", LAYERS_WRITECACHE), 0);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", body), -E_BAD_LAYERS);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", other), -E_BAD_LAYERS);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", same), 0, "%s", w.err.text);
	/* what properties say later is for volumes that are added */
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", props), 0, "%s", w.err.text);
	cr_expect_str_eq(world_resource(&w, "db").volume[0].cache.pool, "ssd");
	json_object_put(body);
	json_object_put(other);
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
		{ "{\"pool\":\"ssd\",\"size_kib\":16384}", "[\"DRBD\",\"CACHE\",\"STORAGE\"]", 0 },
		{ NULL, "[\"DRBD\",\"CACHE\",\"STORAGE\"]", -E_INVALID },
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
		if (strstr(rows[i].layers, "CACHE") == NULL)
			json_object_object_del(json_object_array_get_idx(jget(doc, "volumes"), 1),
					       "cache");
		cr_expect_eq(resource_parse(doc, &r, &err), rows[i].rv, "row %zu: %s", i, err.text);
		json_object_put(doc);
	}
}
