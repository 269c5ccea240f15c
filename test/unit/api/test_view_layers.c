// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_view_layers.c - copies and clients of resources with a cache, as LINSTOR's clients are shown
 * their layers (api/view_shape.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "api/view.h"
#include "support/modelworld.h"

TestSuite(view_layers);

static struct world w;
static struct api a; /* only what views need */

/* n1 has a copy of it, n2 reaches it without a disk */
static void start(enum layers layers, const char *props)
{
	static const char pools[] = "{\"node\":\"n1\",\"pools\":{"
				    "\"hdd\":{\"free_kib\":4194304,\"total_kib\":4194304},"
				    "\"ssd\":{\"free_kib\":4194304,\"total_kib\":4194304}}}";
	struct change_place place = { .copies = 1, .layers = layers };
	json *p = world_json(props), *report = world_json(pools);
	const int64_t size = GIB;

	world_start(&w);
	a = (struct api){ .config.store = w.store, .observed = w.observed };
	world_add_node(&w, "n2", 2);
	world_add_pool(&w, "n1", "hdd", POOL_LVM);
	world_add_pool(&w, "n1", "ssd", POOL_LVM);
	cr_assert_eq(observed_report(w.observed, report, w.env.mono_ms, NULL), 0);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "db", &size, 1, false, p, &place), 0, "%s",
		     w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n2", NULL, true), 0, "%s", w.err.text);
	json_object_put(report);
	json_object_put(p);
}

static void check_types(json *list, const char *expected)
{
	char out[64] = "";

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *one = json_object_array_get_idx(list, i);
		size_t len = strlen(out);

		snprintf(out + len, sizeof(out) - len, "%s%s", i ? "," : "",
			 jget_str(one, "type", "?"));
	}
	cr_expect_str_eq(out, expected);
}

/* the only child of a layer */
static json *below(json *layer)
{
	json *children = jget(layer, "children");

	cr_assert_eq(json_object_array_length(children), 1);
	return json_object_array_get_idx(children, 0);
}

static void check_replica(const struct view *v, const char *node, const char *stack,
			  const char *key, const char *volumes, const char *pool, bool meta)
{
	int i = view_find(v, node);
	json *r = view_resource(&a, v, i, true), *cache = below(jget(r, "layer_object")), *one;

	one = json_object_array_get_idx(jget(r, "volumes"), 0);
	check_types(jget(one, "layer_data_list"), stack);
	cr_expect(strstr(stack, jget_str(cache, "type", "?")));
	cr_expect_str_eq(jget_str(below(cache), "type", ""), "STORAGE");
	one = json_object_array_get_idx(jget(jget(cache, key), volumes), 0);
	cr_assert(one, "%s", json_object_to_json_string(cache));
	cr_expect_eq(jget_i64_or(one, "volume_number", -1), 0);
	cr_expect_str_eq(jget_str(one, "storage_pool_name_cache", ""), pool);
	cr_expect_str_eq(jget_str(one, "device_path_cache", "?"), "");
	cr_expect_str_eq(jget_str(one, "device_path_meta", "?"), meta ? "" : "?");
	json_object_put(r);
}

static void check(const char *stack, const char *key, const char *volumes, bool meta)
{
	struct view v;
	json *d;

	cr_assert_eq(view_load(&a, "db", &v), 0);
	d = view_definition(&v, false);
	check_types(jget(d, "layer_data"), stack);
	json_object_put(d);
	check_replica(&v, "n1", stack, key, volumes, "ssd", meta);
	check_replica(&v, "n2", stack, key, volumes, "DfltDisklessStorPool", meta);
	view_release(&v);
	world_close(&w);
}

Test(view_layers, of_what_is_written)
{
	start(LAYERS_WRITECACHE, "{\"Writecache/PoolName\":\"ssd\"}");
	check("DRBD,WRITECACHE,STORAGE", "writecache", "writecache_volumes", false);
}

Test(view_layers, of_what_is_read)
{
	start(LAYERS_CACHE, "{\"Cache/CachePool\":\"ssd\"}");
	check("DRBD,CACHE,STORAGE", "cache", "cache_volumes", true);
}
