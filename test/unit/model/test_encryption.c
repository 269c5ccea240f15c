// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_encryption.c - layers of resources, keys of their volumes, and the
 * document of the master key, which the model does not look into.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/snapshot.h"
#include "support/modelworld.h"

static struct world w;
static int n_keys;
static bool is_locked;

static int volume_key(char out[VOLUME_SEALED_MAX], struct err *err, void *arg)
{
	cr_expect_eq(arg, &w);
	if (is_locked)
		return err_set(err, -E_LOCKED, "locked");
	snprintf(out, VOLUME_SEALED_MAX, "sealed%d", ++n_keys);
	return 0;
}

static json *sealed_doc(const char *sealed)
{
	json *doc = json_object_new_object();

	jset_str(doc, "key_sealed", sealed);
	return doc;
}

static void setup(void)
{
	world_cluster(&w, 3);
	w.env.volume_key = volume_key;
	w.env.arg = &w;
	n_keys = 0;
	is_locked = false;
}

static void teardown(void)
{
	world_check(&w);
	world_close(&w);
}

TestSuite(encryption, .init = setup, .fini = teardown);

static void have_passphrase(void)
{
	json *doc = sealed_doc("first");

	cr_assert_eq(WORLD(&w, change_encryption_create, doc), 0, "%s", w.err.text);
	json_object_put(doc);
}

static int spawn(const char *name, enum layers layers)
{
	static const int64_t sizes[] = { 4096, 8192 };
	struct change_place place = { .copies = 2, .layers = layers };

	return WORLD(&w, change_spawn, NULL, name, sizes, 2, false, NULL, &place);
}

Test(encryption, the_master_key)
{
	json *first = sealed_doc("first"), *second = sealed_doc("second");
	json *doc;

	cr_expect_eq(WORLD(&w, change_encryption_modify, first, second), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_encryption_create, first), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_encryption_create, second), -E_EXISTS);
	cr_expect_eq(WORLD(&w, change_encryption_modify, second, first), -E_CONFLICT);
	cr_expect_eq(WORLD(&w, change_encryption_modify, first, second), 0, "%s", w.err.text);
	doc = world_doc(&w, ENCRYPTION_KEY);
	cr_expect_str_eq(jget_str(doc, "key_sealed", ""), "second");
	json_object_put(doc);
	json_object_put(first);
	json_object_put(second);
}

Test(encryption, needs_a_passphrase_and_a_key)
{
	cr_expect_eq(spawn("db", LAYERS_LUKS), -E_LOCKED);
	cr_expect(world_says(&w, "create-passphrase"), "%s", w.err.text);
	have_passphrase();
	is_locked = true;
	cr_expect_eq(spawn("db", LAYERS_LUKS), -E_LOCKED);
	cr_expect_eq(spawn("plain", LAYERS_PLAIN), 0);
	w.env.volume_key = NULL;
	cr_expect_eq(spawn("db", LAYERS_LUKS), -E_LOCKED);
}

Test(encryption, each_volume_has_a_key)
{
	struct resource r;
	int number;

	have_passphrase();
	cr_assert_eq(spawn("db", LAYERS_LUKS), 0, "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, 4096, NULL, &number), 0);
	r = world_resource(&w, "db");
	cr_expect(r.encrypted);
	cr_expect_eq(r.n_volumes, 3);
	cr_expect_str_eq(r.volume[0].key, "sealed1");
	cr_expect_str_eq(r.volume[1].key, "sealed2");
	cr_expect_str_eq(r.volume[2].key, "sealed3");
	cr_assert_eq(spawn("plain", LAYERS_UNSAID), 0);
	r = world_resource(&w, "plain");
	cr_expect_not(r.encrypted);
	cr_expect_str_eq(r.volume[0].key, "");
}

/* no region of the replication has made and grown space */
Test(encryption, sizes_are_whole_regions)
{
	static const int64_t size = 4100;
	struct change_place luks = { .copies = 1, .layers = LAYERS_LUKS };
	struct change_place plain = { .copies = 1 };

	have_passphrase();
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "db", &size, 1, false, NULL, &luks), 0);
	cr_expect_eq(world_resource(&w, "db").volume[0].size_kib, 4160);
	cr_assert_eq(WORLD(&w, change_volume_modify, "db", 0, 4161, NULL), 0, "%s", w.err.text);
	cr_expect_eq(world_resource(&w, "db").volume[0].size_kib, 4224);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "plain", &size, 1, false, NULL, &plain), 0);
	cr_expect_eq(world_resource(&w, "plain").volume[0].size_kib, 4100);
}

/* a copy on n1 of one volume, made; and its snapshot s1 */
static void snapshot_of(const char *name, enum layers layers)
{
	static const char *const n1[] = { "n1" };
	static const int64_t size = 4096;
	struct change_place place = {
		.copies = 1, .layers = layers, .nodes = { "n1" }, .n_nodes = 1
	};
	char key[64], uuid[37];
	json *doc;

	cr_assert_eq(WORLD(&w, change_spawn, NULL, name, &size, 1, false, NULL, &place), 0, "%s",
		     w.err.text);
	replica_key(name, "n1", key, sizeof(key));
	doc = world_doc(&w, key);
	snprintf(uuid, sizeof(uuid), "%s", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	cr_assert_eq(WORLD(&w, change_replica_created, name, "n1", uuid, 0, ""), 0, "%s",
		     w.err.text);
	cr_assert_eq(WORLD(&w, change_snapshot_begin, name, "s1", NULL), 0, "%s", w.err.text);
	snapshot_key(name, "s1", key, sizeof(key));
	doc = world_doc(&w, key);
	snprintf(uuid, sizeof(uuid), "%s", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	cr_assert_eq(WORLD(&w, change_snapshot_taken, name, "s1", uuid, n1, 1), 0, "%s",
		     w.err.text);
}

static int restore(const char *from, const char *to, enum layers layers)
{
	cr_assert_eq(WORLD(&w, change_resource_create, to, NULL, layers, NULL), 0, "%s",
		     w.err.text);
	cr_assert_eq(WORLD(&w, change_snapshot_volumes, from, "s1", to), 0, "%s", w.err.text);
	return WORLD(&w, change_snapshot_restore, from, "s1", to, NULL, 0);
}

/* a snapshot has the header in it, which opens with the key of that time only */
Test(encryption, keys_go_with_snapshots)
{
	have_passphrase();
	snapshot_of("db", LAYERS_LUKS);
	snapshot_of("plain", LAYERS_PLAIN);
	cr_expect_str_eq(world_resource(&w, "db").volume[0].key, "sealed1");
	cr_expect_eq(restore("db", "same", LAYERS_LUKS), 0, "%s", w.err.text);
	cr_expect_str_eq(world_resource(&w, "same").volume[0].key, "sealed1");
	cr_expect_eq(restore("db", "bare", LAYERS_PLAIN), 0, "%s", w.err.text);
	cr_expect(world_resource(&w, "bare").encrypted);
	cr_expect_str_eq(world_resource(&w, "bare").volume[0].key, "sealed1");
	cr_expect_eq(restore("plain", "over", LAYERS_LUKS), -E_INVALID);
	cr_expect(world_says(&w, "has no LUKS layer"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_snapshot_rollback, "db", "s1"), 0, "%s", w.err.text);
	cr_expect_str_eq(world_resource(&w, "db").volume[0].key, "sealed1");
}

Test(encryption, layers_of_the_group)
{
	json *group = world_json("{\"name\":\"safe\",\"select_filter\":{\"place_count\":2,"
				 "\"layer_stack\":[\"drbd\",\"luks\",\"storage\"]}}");
	static const int64_t size = 4096;
	struct change_place plain = { .copies = 1, .layers = LAYERS_PLAIN };

	have_passphrase();
	cr_assert_eq(WORLD(&w, change_group_create, group, NULL), 0, "%s", w.err.text);
	json_object_put(group);
	cr_expect_eq(WORLD(&w, change_spawn, "safe", "a1", &size, 1, false, NULL, NULL), 0);
	cr_expect(world_resource(&w, "a1").encrypted);
	cr_expect_eq(WORLD(&w, change_resource_create, "a2", "safe", LAYERS_UNSAID, NULL), 0);
	cr_expect(world_resource(&w, "a2").encrypted);
	cr_expect_eq(WORLD(&w, change_spawn, "safe", "a3", &size, 1, false, NULL, &plain), 0);
	cr_expect_not(world_resource(&w, "a3").encrypted);
	cr_expect_eq(WORLD(&w, change_resource_create, "a4", NULL, LAYERS_LUKS, NULL), 0);
	cr_expect(world_resource(&w, "a4").encrypted);
}

Test(encryption, layers_stay)
{
	static const struct {
		const char *resource, *body;
		int rv;
	} rows[] = {
		{ "db", "{\"layer_stack\":[\"DRBD\",\"LUKS\",\"STORAGE\"]}", 0 },
		{ "db", "{\"layer_stack\":[\"DRBD\",\"STORAGE\"]}", -E_BAD_LAYERS },
		{ "plain", "{\"layer_stack\":[\"DRBD\",\"LUKS\",\"STORAGE\"]}", -E_BAD_LAYERS },
		{ "plain", "{\"layer_stack\":[\"DRBD\",\"STORAGE\"]}", 0 },
		{ "plain", "{\"layer_stack\":[]}", 0 },
		{ "plain", "{\"layer_stack\":[\"NVME\"]}", -E_BAD_LAYERS },
	};

	have_passphrase();
	cr_assert_eq(spawn("db", LAYERS_LUKS), 0);
	cr_assert_eq(spawn("plain", LAYERS_PLAIN), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *body = world_json(rows[i].body);

		cr_expect_eq(WORLD(&w, change_resource_modify, rows[i].resource, body), rows[i].rv,
			     "row %zu: %s", i, w.err.text);
		json_object_put(body);
	}
}

Test(encryption, names_of_layers)
{
	static const struct {
		const char *list;
		int rv;
		enum layers layers;
	} rows[] = {
		{ "null", 0, LAYERS_UNSAID },
		{ "[]", 0, LAYERS_UNSAID },
		{ "[\"drbd\",\"Storage\"]", 0, LAYERS_PLAIN },
		{ "[\"STORAGE\"]", 0, LAYERS_PLAIN },
		{ "[\"DRBD\",\"luks\",\"STORAGE\"]", 0, LAYERS_LUKS },
		{ "[{\"type\":\"DRBD\"},{\"type\":\"LUKS\"},{\"type\":\"STORAGE\"}]", 0,
		  LAYERS_LUKS },
		{ "[\"LUKS\",\"STORAGE\"]", 0, LAYERS_LUKS },
		{ "[\"LUKS\",\"DRBD\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "[\"DRBD\",\"NVME\",\"STORAGE\"]", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "[\"DRBD\",7]", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "[{}]", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "\"LUKS\"", -E_BAD_LAYERS, LAYERS_UNSAID },
		{ "{}", -E_BAD_LAYERS, LAYERS_UNSAID },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *list = strcmp(rows[i].list, "null") == 0 ? NULL : world_json(rows[i].list);
		struct err err = { 0 };
		enum layers layers;

		cr_expect_eq(layers_parse(list, &layers, &err), rows[i].rv, "%s: %s", rows[i].list,
			     err.text);
		if (rows[i].rv == 0)
			cr_expect_eq(layers, rows[i].layers, "%s", rows[i].list);
		json_object_put(list);
	}
}

/* a key without the layer, or the layer without a key */
Test(encryption, documents)
{
	json *doc, *volume;
	struct resource r;
	struct err err;

	have_passphrase();
	cr_assert_eq(spawn("db", LAYERS_LUKS), 0);
	doc = world_doc(&w, "resource/db");
	volume = json_object_array_get_idx(jget(doc, "volumes"), 1);
	json_object_object_del(volume, "key");
	cr_expect_eq(resource_parse(doc, &r, &err), -E_INVALID);
	jset_str(volume, "key", "again");
	cr_expect_eq(resource_parse(doc, &r, &err), 0);
	json_object_object_del(doc, "layers");
	cr_expect_eq(resource_parse(doc, &r, &err), -E_INVALID);
	jset(doc, "layers", world_json("[\"DRBD\",\"VDO\"]"));
	cr_expect_eq(resource_parse(doc, &r, &err), -E_BAD_LAYERS);
	json_object_put(doc);
}
