// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_volumes.c - several volumes of a replica on one node: they come, grow and
 * go, also while the node was away, and their numbers are used again.
 */
#include "unit/agent/agent_world.h"

TestSuite(agent_volumes, .init = setup, .fini = teardown, .timeout = 120);

static int64_t size_of(const char *name)
{
	struct stat st;

	return stat(in_pool(name), &st) < 0 ? -1 : (int64_t)st.st_size;
}

static void add_volume(int size_kib)
{
	int number;

	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, size_kib, NULL, &number), 0, "%s",
		     w.err.text);
}

/* "db" has so many volumes in the plane, and no leftover waits */
static bool has_volumes(const void *arg)
{
	struct held *h = find_held("db");

	return h && h->r.n_volumes == *(const int *)arg && world_count(&w, "leftover/n1/") == 0;
}

static bool has_size(const void *arg)
{
	struct held *h = find_held("db");

	return h && h->r.volume[h->r.n_volumes - 1].size_bytes == *(const uint64_t *)arg;
}

Test(agent_volumes, volumes_come_and_go)
{
	static const int one = 1, two = 2, three = 3;
	uint8_t id[16];
	struct held *h;
	ino_t first;

	add_resource("db");
	add_copy("db", "n1", false);
	add_copy("db", "n2", false);
	cr_assert(until(is_up, "db"));
	first = inode("db_00000");
	cr_expect_eq(last_format.slot, find_held("db")->r.self);
	cr_expect_str_eq(last_format.node, "n1");
	cr_expect_str_eq(last_format.copy[1 - last_format.slot], "n2");
	cr_expect_str_eq(last_format.copy[last_format.slot], "");
	cr_expect_eq(memcmp(last_format.resource, find_held("db")->r.uuid, 16), 0);
	cr_expect_eq(last_format.cluster[0], 0x11);
	add_volume(8192);
	add_volume(12288);
	cr_assert(until(has_volumes, &three));
	h = find_held("db");
	for (int i = 0; i < 3; i++)
		cr_expect_eq(h->r.volume[i].number, i);
	cr_expect_str_eq(h->r.volume[2].data_path, in_pool("db_00002"));
	cr_expect_eq(h->r.volume[2].size_bytes, 12288 * 1024);
	pump(200); /* a report */
	cr_expect_str_eq(nbd_of("db", "2"), h->r.volume[2].socket_path);
	cr_expect_str_neq(h->r.volume[2].socket_path, h->r.volume[0].socket_path);
	cr_expect_eq(size_of("db_00001"), 8192 * 1024);
	cr_expect_eq(files_in(pool_dir), 6);
	memcpy(id, h->r.volume[1].uuid, 16);
	cr_expect_neq(memcmp(id, h->r.volume[2].uuid, 16), 0);

	cr_assert_eq(WORLD(&w, change_volume_delete, "db", 1), 0, "%s", w.err.text);
	cr_assert(until(has_volumes, &two));
	cr_expect_eq(files_in(pool_dir), 4);
	pump(200);
	cr_expect_null(volume("db", "1"));
	add_volume(16384); /* the number again */
	cr_assert(until(has_volumes, &three));
	h = find_held("db");
	cr_expect_neq(memcmp(id, h->r.volume[1].uuid, 16), 0, "another volume");
	cr_expect_eq(size_of("db_00001"), 16384 * 1024);
	cr_expect_eq(inode("db_00000"), first, "the others are left alone");

	agent_down();
	agent_up();
	cr_assert(until(has_volumes, &three), "found again");
	for (int number = 2; number > 0; number--)
		cr_assert_eq(WORLD(&w, change_volume_delete, "db", number), 0, "%s", w.err.text);
	cr_assert(until(has_volumes, &one));
	cr_expect_eq(files_in(pool_dir), 2);
	drop_resource("db");
	cr_assert(until(is_gone, "db"));
	cr_expect_eq(files_in(pool_dir), 0);
}

/* What happened while the node was away: one gone, one of its number new, one grown. */
Test(agent_volumes, volumes_change_while_away)
{
	static const int two = 2;
	struct held *h;

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	add_volume(8192);
	cr_assert(until(has_volumes, &two));
	agent_down();
	cr_assert_eq(WORLD(&w, change_volume_delete, "db", 1), 0, "%s", w.err.text);
	add_volume(4096);
	cr_assert_eq(WORLD(&w, change_volume_modify, "db", 0, 20480, NULL), 0, "%s", w.err.text);
	cr_expect_eq(size_of("db_00001"), 8192 * 1024, "nobody has touched it");
	agent_up();
	cr_assert(until(has_volumes, &two));
	h = find_held("db");
	cr_expect_eq(h->sets, 1, "attached when all is right");
	cr_expect_eq(h->r.volume[0].size_bytes, 20480 * 1024);
	cr_expect_eq(size_of("db_00000"), 20480 * 1024);
	cr_expect_eq(size_of("db_00001"), 4096 * 1024);
	cr_expect_eq(files_in(pool_dir), 4);
}

Test(agent_volumes, volume_grows)
{
	static const uint64_t big = 40960 * 1024, bigger = 81920 * 1024;
	static const int two = 2;
	struct held *h;

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	cr_assert_eq(WORLD(&w, change_volume_modify, "db", 0, 40960, NULL), 0, "%s", w.err.text);
	cr_assert(until(has_size, &big));
	cr_expect_eq(size_of("db_00000"), (int64_t)big);
	cr_expect_eq(find_held("db")->sets, 2);

	/* in vain: it goes on as it is, and what else changes is not held up */
	grow_breaks = true;
	cr_assert_eq(WORLD(&w, change_volume_modify, "db", 0, 81920, NULL), 0, "%s", w.err.text);
	pump(600);
	cr_expect_str_eq(jget_str(replica("db"), "state", ""), "up");
	cr_expect_not_null(strstr(jget_str(replica("db"), "error", ""), "no room to grow"));
	cr_expect_str_eq(jget_str(volume("db", "0"), "state", ""), "failed");
	add_copy("db", "n2", true);
	pump(600);
	h = find_held("db");
	cr_expect(h->r.peer[1].used, "the new peer is known");
	cr_expect_eq(h->r.volume[0].size_bytes, big);
	add_volume(4096);
	cr_expect(until(has_volumes, &two), "another volume is made all the same");
	agent_down();
	agent_up();
	cr_expect(until(has_volumes, &two), "attached as it is");
	cr_expect_eq(find_held("db")->r.volume[0].size_bytes, big);
	grow_breaks = false;
	for (int i = 0; i < 300 && find_held("db")->r.volume[0].size_bytes != bigger; i++)
		pump(50);
	cr_expect_eq(find_held("db")->r.volume[0].size_bytes, bigger);
	pump(200);
	cr_expect_str_eq(jget_str(replica("db"), "error", "x"), "");
}

/* A store that lags shows the leftover of a volume whose number is in use again. */
Test(agent_volumes, stale_leftover_spares_the_new_files)
{
	static const int two = 2;
	char key[STORE_KEY_MAX];
	struct replica r;
	struct txn *t;
	json *doc;
	int files;

	label_is_old = true; /* so the mark alone tells */
	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	add_volume(4096);
	cr_assert(until(has_volumes, &two));
	files = files_in(pool_dir);
	agent_down();
	doc = world_doc(&w, "replica/db/n1");
	cr_assert_eq(replica_parse(doc, &r, NULL), 0);
	json_object_put(doc);
	doc = json_object_new_object();
	jset_str(doc, "node", "n1");
	jset_str(doc, "pool", "ssd");
	jset_str(doc, "resource", "db");
	jset_str(doc, "uuid", r.uuid);
	jset_i64(doc, "number", 1);
	jset_str(doc, "volume", "99999999-9999-4999-8999-999999999999");
	snprintf(key, sizeof(key), "leftover/n1/%s.99999999-9999-4999-8999-999999999999", r.uuid);
	t = world_txn();
	txn_put(t, key, doc);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	agent_up();
	cr_assert(until(has_volumes, &two));
	cr_expect_eq(files_in(pool_dir), files);
}

Test(agent_volumes, properties_reach_the_plane)
{
	json *body = world_json("{\"override_props\":{\"sds/read-policy\":\"striped\"}}");
	json *group = world_json("{\"override_props\":{\"sds/handover\":\"on\"}}");
	struct held *h;

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	h = find_held("db");
	cr_expect_eq(h->r.read_policy, PLANE_READ_LOCAL);
	cr_expect_not(h->r.handover);
	cr_assert_eq(WORLD(&w, change_resource_modify, "db", body), 0, "%s", w.err.text);
	pump(200);
	cr_expect_eq(h->r.read_policy, PLANE_READ_STRIPED);
	cr_assert_eq(WORLD(&w, change_group_modify, GROUP_DEFAULT, group, NULL), 0, "%s",
		     w.err.text);
	pump(200);
	cr_expect(h->r.handover, "inherited from the group");
	cr_expect_eq(h->sets, 3);
	json_object_put(group);
	json_object_put(body);
}

enum { CYCLES = 80 };

/* more leftovers of one name than there are volumes, and the number in use again */
Test(agent_volumes, many_came_and_went_while_away)
{
	static const int two = 2;

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	add_volume(8192);
	cr_assert(until(has_volumes, &two));
	agent_down();
	for (int i = 0; i < CYCLES; i++) {
		cr_assert_eq(WORLD(&w, change_volume_delete, "db", 1), 0, "%s", w.err.text);
		add_volume(4096);
	}
	cr_assert_eq(world_count(&w, "leftover/n1/"), CYCLES);
	agent_up();
	cr_assert(until(has_volumes, &two), "%d leftovers stay", world_count(&w, "leftover/n1/"));
	cr_expect_eq(size_of("db_00001"), 4096 * 1024);
	cr_expect_eq(files_in(pool_dir), 4);
}

/* n1 reaches it without a disk; its copy, with a cache, is on n2. What n1's front takes. */
static uint32_t block_bytes(const char *name, enum layers layers, const char *props)
{
	json *doc = world_json(props);
	int number;

	cr_assert_eq(WORLD(&w, change_resource_create, name, GROUP_DEFAULT, layers, doc), 0, "%s",
		     w.err.text);
	json_object_put(doc);
	cr_assert_eq(WORLD(&w, change_volume_create, name, -1, 4096, NULL, &number), 0, "%s",
		     w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_create, name, "n2", "slow", false), 0, "%s",
		     w.err.text);
	add_copy(name, "n1", true);
	cr_assert(until(is_up, name));
	return find_held(name)->r.volume[0].block_bytes;
}

Test(agent_volumes, blocks_with_a_cache)
{
	static const char pools[] = "{\"node\":\"n2\",\"pools\":{"
				    "\"slow\":{\"free_kib\":1048576,\"total_kib\":1048576},"
				    "\"fast\":{\"free_kib\":1048576,\"total_kib\":1048576}}}";
	struct err err = { 0 };
	json *doc;

	add_pool("n2", "slow", POOL_LVM, "slow");
	add_pool("n2", "fast", POOL_LVM, "fast");
	doc = world_json(pools);
	cr_assert_eq(observed_report(w.observed, doc, w.env.mono_ms, &err), 0, "%s", err.text);
	json_object_put(doc);
	cr_expect_eq(block_bytes("plain", LAYERS_PLAIN, "{}"), 0);
	cr_expect_eq(block_bytes("written", LAYERS_WRITECACHE,
				 "{\"Writecache/PoolName\":\"fast\"}"),
		     4096);
	cr_expect_eq(block_bytes("read", LAYERS_CACHE, "{\"Cache/CachePool\":\"fast\"}"), 0,
		     "as without one");
}
