// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_snapshot.c - snapshots are begun, taken and deleted, resources are
 * made from them and go back to them (model/change_snapshot.c, snapshot.c).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(change_snapshot);

static const char *const n1_n2[] = { "n1", "N2" };

/* three nodes with a copy of db, two volumes */
static void start(struct world *w)
{
	struct change_place place = { .copies = 3 };
	const int64_t sizes[] = { 10 * GIB, GIB };

	world_cluster(w, 4);
	place.nodes[0] = "n1";
	place.nodes[1] = "n2";
	place.nodes[2] = "n3";
	place.n_nodes = 3;
	cr_assert_eq(WORLD(w, change_spawn, NULL, "db", sizes, 2, false, NULL, &place), 0, "%s",
		     w->err.text);
}

static struct replica replica(struct world *w, const char *name, const char *node)
{
	struct replica r = { 0 };
	char key[64];
	json *doc;

	replica_key(name, node, key, sizeof(key));
	doc = world_doc(w, key);
	cr_assert_eq(replica_parse(doc, &r, NULL), 0);
	json_object_put(doc);
	return r;
}

/* the node has made the files of both volumes */
static void make(struct world *w, const char *node)
{
	struct resource res = world_resource(w, "db");
	struct replica r = replica(w, "db", node);

	for (int i = 0; i < 2; i++)
		cr_assert_eq(WORLD(w, change_replica_created, "db", node, r.uuid, i,
				   res.volume[i].uuid),
			     0, "%s", w->err.text);
}

static void make_all(struct world *w)
{
	make(w, "n1");
	make(w, "n2");
	make(w, "n3");
}

static struct snapshot snapshot(struct world *w, const char *name)
{
	struct snapshot s = { 0 };
	char key[64];
	json *doc;

	snapshot_key("DB", name, key, sizeof(key));
	doc = world_doc(w, key);
	cr_assert_not_null(doc, "%s", key);
	cr_assert_eq(snapshot_parse(doc, &s, &w->err), 0, "%s", w->err.text);
	json_object_put(doc);
	return s;
}

static int begin(struct world *w, const char *name)
{
	return WORLD(w, change_snapshot_begin, "db", name, NULL);
}

static int taken(struct world *w, const char *name, const char *const nodes[], int n)
{
	return WORLD(w, change_snapshot_taken, "db", name, snapshot(w, name).uuid, nodes, n);
}

static void take(struct world *w, const char *name)
{
	cr_assert_eq(begin(w, name), 0, "%s", w->err.text);
	cr_assert_eq(taken(w, name, n1_n2, 2), 0, "%s", w->err.text);
}

Test(change_snapshot, who_takes_it)
{
	struct snapshot s;
	struct world w;

	start(&w);
	cr_expect_eq(begin(&w, "a"), -E_INVALID, "a name of one letter");
	cr_expect_eq(begin(&w, "s1"), -E_INVALID);
	cr_expect(world_says(&w, "no copy of it is made"), "%s", w.err.text);
	make(&w, "n1");
	make(&w, "n3");
	cr_assert_eq(begin(&w, "s1"), 0, "%s", w.err.text);
	s = snapshot(&w, "S1");
	cr_expect_not(s.taken);
	cr_assert_eq(s.n_copies, 2, "n2 has not made its files");
	cr_expect(snapshot_copy_on(&s, "n1") && snapshot_copy_on(&s, "N3"));
	cr_assert_eq(s.n_volumes, 2);
	cr_expect_eq(s.volume[0].size_kib, 10 * GIB);
	cr_expect_str_eq(s.volume[1].uuid, world_resource(&w, "db").volume[1].uuid);
	cr_expect_eq(begin(&w, "s2"), -E_IN_USE, "one at a time");
	cr_expect(world_says(&w, "s1 is being taken"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_snapshot_delete, "db", "s1"), -E_IN_USE);
	cr_expect_eq(WORLD(&w, change_snapshot_begin, "none", "s2", NULL), -E_NOT_FOUND);
	world_close(&w);
}

Test(change_snapshot, pools_that_cannot)
{
	struct change_place place = { .copies = 1, .pools = { "hdd" }, .n_pools = 1 };
	const int64_t size = GIB;
	struct world w;

	world_start(&w);
	world_add_pool(&w, "n1", "hdd", POOL_LVM);
	world_report(&w, "n1", "hdd", 100 * GIB, 100 * GIB);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_created, "db", "n1", replica(&w, "db", "n1").uuid, 0,
			   ""),
		     0);
	cr_expect_eq(begin(&w, "s1"), -E_INVALID);
	cr_expect(world_says(&w, "use a thin pool"), "%s", w.err.text);
	world_close(&w);
}

Test(change_snapshot, taken_by_some)
{
	struct snapshot s;
	struct world w;

	start(&w);
	make_all(&w);
	cr_assert_eq(begin(&w, "s1"), 0);
	cr_expect_eq(WORLD(&w, change_snapshot_taken, "db", "s1", w.err.text, n1_n2, 2),
		     -E_NOT_FOUND, "of another uuid");
	cr_assert_eq(taken(&w, "s1", n1_n2, 2), 0);
	s = snapshot(&w, "s1");
	cr_expect(s.taken);
	cr_expect_eq(s.n_copies, 2);
	cr_expect_eq(world_count(&w, "leftover/n3/"), 2, "whatever it has of it goes");
	cr_expect_eq(world_count(&w, "leftover/"), 2);
	cr_expect_eq(taken(&w, "s1", n1_n2, 2), -E_NOT_FOUND, "a second verdict");
	for (int i = 0; i < 2; i++)
		cr_expect_eq(WORLD(&w, change_leftover_done, "n3", s.uuid, i, s.volume[i].uuid), 0);
	cr_expect_eq(world_count(&w, "leftover/"), 0);
	world_close(&w);
}

Test(change_snapshot, taken_by_nobody)
{
	struct world w;

	start(&w);
	make_all(&w);
	cr_assert_eq(begin(&w, "s1"), 0);
	cr_assert_eq(taken(&w, "s1", NULL, 0), 0);
	cr_expect_eq(world_count(&w, "snapshot/"), 0);
	cr_expect_eq(world_count(&w, "leftover/"), 6);
	cr_expect_eq(begin(&w, "s1"), 0, "the name is free at once: %s", w.err.text);
	world_close(&w);
}

Test(change_snapshot, deleted)
{
	struct world w;

	start(&w);
	make_all(&w);
	take(&w, "s1");
	cr_expect_eq(begin(&w, "S1"), -E_EXISTS);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "ssd"), -E_IN_USE);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "snapshot/"), 1, "it outlives its resource");
	cr_expect_eq(WORLD(&w, change_node_delete, "n1"), -E_IN_USE);
	cr_expect(world_says(&w, "has snapshot s1 of db in pool ssd"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n2", "ssd"), -E_IN_USE);
	cr_expect(world_says(&w, "has snapshot s1"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_snapshot_delete, "DB", "S1"), 0);
	cr_expect_eq(WORLD(&w, change_snapshot_delete, "db", "s1"), -E_NOT_FOUND);
	cr_expect_eq(world_count(&w, "snapshot/"), 0);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 4, "two of the copy, two of the snapshot");
	world_close(&w);
}

Test(change_snapshot, limit)
{
	char name[16];
	struct world w;

	start(&w);
	make_all(&w);
	for (int i = 0; i < SNAPSHOTS_PER_RESOURCE_MAX; i++) {
		snprintf(name, sizeof(name), "s%03d", i);
		take(&w, name);
	}
	cr_expect_eq(begin(&w, "more"), -E_INVALID);
	cr_expect(world_says(&w, "has 256 snapshots, which is the limit"), "%s", w.err.text);
	world_close(&w);
}

static int restore(struct world *w, const char *to, const char *const nodes[], int n)
{
	return WORLD(w, change_snapshot_restore, "db", "s1", to, nodes, n);
}

Test(change_snapshot, restored)
{
	static const char *const n3[] = { "n3" };
	struct resource r;
	struct replica one;
	struct record rec;
	struct world w;

	start(&w);
	make_all(&w);
	take(&w, "s1");
	cr_assert_eq(WORLD(&w, change_resource_create, "new", NULL, LAYERS_UNSAID, NULL), 0);
	cr_expect_eq(restore(&w, "new", NULL, 0), -E_INVALID, "it has no volumes yet");
	cr_assert_eq(WORLD(&w, change_snapshot_volumes, "db", "s1", "new"), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_snapshot_volumes, "db", "s1", "new"), -E_EXISTS);
	cr_expect_eq(restore(&w, "new", n3, 1), -E_INVALID);
	cr_expect(world_says(&w, "n3: has no snapshot s1 of db"), "%s", w.err.text);
	cr_assert_eq(restore(&w, "new", NULL, 0), 0, "%s", w.err.text);
	r = world_resource(&w, "new");
	cr_expect_eq(r.volume[0].size_kib, 10 * GIB);
	cr_expect_str_eq(r.volume[1].origin.uuid, snapshot(&w, "s1").uuid);
	cr_expect_str_eq(r.volume[1].origin.resource, "db");
	rec = world_record(&w, "new");
	cr_expect_eq(rec.epoch, 1);
	cr_expect_eq(rec.writer, WRITER_NONE);
	for (int i = 0; i < 2; i++) {
		one = replica(&w, "new", n1_n2[i]);
		cr_expect(one.born);
		cr_expect(rec.in_sync & 1u << one.slot);
	}
	cr_expect_eq(__builtin_popcount(rec.in_sync), 2);
	cr_expect_eq(restore(&w, "new", NULL, 0), -E_EXISTS);
	/* a copy that is added is made of zeros and catches up */
	cr_assert_eq(WORLD(&w, change_replica_create, "new", "n3", NULL, false), 0, "%s",
		     w.err.text);
	cr_expect_not(replica(&w, "new", "n3").born);
	cr_expect_eq(world_record(&w, "new").in_sync, rec.in_sync);
	world_check(&w);
	world_close(&w);
}

Test(change_snapshot, restored_larger)
{
	struct world w;

	start(&w);
	make_all(&w);
	take(&w, "s1");
	cr_assert_eq(WORLD(&w, change_resource_create, "new", NULL, LAYERS_UNSAID, NULL), 0);
	cr_assert_eq(WORLD(&w, change_snapshot_volumes, "db", "s1", "new"), 0);
	cr_assert_eq(WORLD(&w, change_volume_modify, "new", 0, 20 * GIB, NULL), 0, "%s",
		     w.err.text);
	cr_assert_eq(restore(&w, "new", n1_n2 + 1, 1), 0, "%s", w.err.text);
	cr_expect_eq(world_resource(&w, "new").volume[0].size_kib, 20 * GIB);
	cr_expect_eq(world_resource(&w, "new").volume[0].origin.size_kib, 10 * GIB);
	cr_expect_eq(world_count(&w, "replica/new/"), 1);
	world_check(&w);
	world_close(&w);
}

static int roll_back(struct world *w)
{
	return WORLD(w, change_snapshot_rollback, "db", "s1");
}

Test(change_snapshot, rolled_back)
{
	struct replica before, after;
	struct resource was, is;
	struct record rec;
	struct world w;

	start(&w);
	make_all(&w);
	take(&w, "s1");
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n4", NULL, true), 0, "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_volume_modify, "db", 1, 2 * GIB, NULL), 0);
	was = world_resource(&w, "db");
	before = replica(&w, "db", "n1");
	for (int i = 1; i <= 4; i++) {
		char node[8];

		snprintf(node, sizeof(node), "n%d", i);
		world_report_open(&w, node, "db", i == 2);
	}
	cr_expect_eq(roll_back(&w), -E_IN_USE, "it is open");
	/* nor does it wait for a writer that nobody has open but that others copy from */
	world_report_replica(&w, "n2", "db", "\"open\":false,\"serving\":true");
	world_put_record(&w, "db", replica(&w, "db", "n2").slot, 7);
	cr_assert_eq(roll_back(&w), 0, "%s", w.err.text);
	is = world_resource(&w, "db");
	after = replica(&w, "db", "n1");
	cr_expect_str_neq(is.uuid, was.uuid, "a node that has slept has another resource");
	cr_expect_str_neq(is.volume[0].uuid, was.volume[0].uuid);
	cr_expect_eq(is.volume[0].minor, was.volume[0].minor);
	cr_expect_eq(is.volume[1].size_kib, 2 * GIB, "it does not shrink");
	cr_expect_str_neq(after.uuid, before.uuid);
	cr_expect_eq(after.slot, before.slot);
	cr_expect(after.born && !after.made);
	cr_expect_not(replica(&w, "db", "n3").born, "it has no snapshot");
	cr_expect(replica(&w, "db", "n4").diskless);
	rec = world_record(&w, "db");
	cr_expect_eq(rec.epoch, 1);
	cr_expect_eq(rec.in_sync, 1u << after.slot | 1u << replica(&w, "db", "n2").slot);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 2);
	cr_expect_eq(world_count(&w, "leftover/n3/"), 4, "the copy, and the snapshot it lacks");
	cr_expect_eq(world_count(&w, "leftover/n4/"), 0);
	world_check(&w);
	make_all(&w);
	world_check(&w);
	world_close(&w);
}

Test(change_snapshot, not_rolled_back)
{
	int number;
	struct world w;

	start(&w);
	make_all(&w);
	take(&w, "s1");
	cr_expect_eq(WORLD(&w, change_snapshot_rollback, "db", "s2"), -E_NOT_FOUND);
	cr_assert_eq(begin(&w, "s2"), 0);
	cr_expect_eq(roll_back(&w), -E_IN_USE, "a snapshot is being taken");
	cr_expect(world_says(&w, "snapshot s2 is being taken"), "%s", w.err.text);
	cr_assert_eq(taken(&w, "s2", NULL, 0), 0);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", 2, GIB, NULL, &number), 0);
	cr_expect_eq(roll_back(&w), -E_INVALID);
	cr_expect(world_says(&w, "volume 2 is not in snapshot s1"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_volume_delete, "db", 2), 0);
	cr_assert_eq(WORLD(&w, change_volume_delete, "db", 1), 0);
	cr_expect_eq(roll_back(&w), -E_INVALID);
	cr_expect(world_says(&w, "has 1 volumes, snapshot s1 of db has 2"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0);
	cr_expect_eq(roll_back(&w), -E_NOT_FOUND);
	world_close(&w);
}

Test(change_snapshot, documents)
{
	static const char text[] =
		"{\"resource\":\"db\",\"name\":\"s1\",\"uuid\":"
		"\"11111111-2222-3333-4444-555555555555\",\"created_ms\":5,\"taken\":true,"
		"\"volumes\":[{\"number\":0,\"uuid\":\"11111111-2222-3333-4444-555555555555\","
		"\"size_kib\":4}],\"copies\":[{\"node\":\"n1\",\"pool\":\"ssd\"}],\"props\":{}}";
	static const struct {
		const char *field, *value;
	} bad[] = {
		{ "resource", "\"all\"" },
		{ "name", "\"x\"" },
		{ "uuid", "\"1\"" },
		{ "created_ms", "-1" },
		{ "taken", "1" },
		{ "volumes", NULL },
		{ "volumes", "[{\"number\":16}]" },
		{ "copies", "{}" },
		{ "copies", "[{\"node\":\"n1\",\"pool\":\"s\"}]" },
	};
	json *doc = world_json(text), *again;
	struct snapshot s;

	cr_assert_eq(snapshot_parse(doc, &s, NULL), 0);
	again = snapshot_doc(&s);
	cr_expect(json_object_equal(doc, again), "%s", json_text(again));
	json_object_put(doc);
	json_object_put(again);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };

		doc = world_with(text, bad[i].field, bad[i].value);
		cr_expect_eq(snapshot_parse(doc, &s, &err), -E_INVALID, "row %zu", i);
		cr_expect_neq(err.text[0], 0, "row %zu", i);
		json_object_put(doc);
	}
}

static int advance(struct world *w, const char *snapshot)
{
	return WORLD(w, change_clone_advance, "db", snapshot);
}

Test(change_snapshot, cloned)
{
	char name[NAME_MAX_LEN + 1];
	struct resource twin;
	struct world w;
	json *doc;

	start(&w);
	make_all(&w);
	cr_expect_eq(WORLD(&w, change_clone_begin, "none", "twin", NULL, NULL, name), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_clone_begin, "db", "db", NULL, NULL, name), -E_EXISTS);
	doc = world_json("{\"Aux/x\":\"1\"}");
	cr_assert_eq(WORLD(&w, change_clone_begin, "db", "twin", NULL, doc, name), 0, "%s",
		     w.err.text);
	json_object_put(doc);
	cr_expect_eq(advance(&w, name), 0, "it is not taken yet");
	cr_expect_eq(world_resource(&w, "twin").n_volumes, 0);
	cr_assert_eq(taken(&w, name, n1_n2, 2), 0);
	cr_assert_eq(advance(&w, name), 0, "%s", w.err.text);
	twin = world_resource(&w, "twin");
	cr_assert_eq(twin.n_volumes, 2);
	cr_expect_eq(advance(&w, name), 0);
	cr_expect_eq(world_count(&w, "snapshot/"), 1, "its copies are not made yet");
	for (int i = 0; i < 4; i++)
		cr_assert_eq(WORLD(&w, change_replica_created, "twin", n1_n2[i / 2],
				   replica(&w, "twin", n1_n2[i / 2]).uuid, i % 2,
				   twin.volume[i % 2].uuid),
			     0, "%s", w.err.text);
	cr_expect_eq(advance(&w, name), 0);
	cr_expect_eq(world_count(&w, "snapshot/"), 0, "it has done its work");
	doc = world_doc(&w, "resource/twin");
	cr_expect_str_eq(jget_str(jget(doc, "props"), "Aux/x", ""), "1");
	cr_expect_str_eq(jget_str(jget(doc, "props"), CLONE_SOURCE, ""), "db");
	json_object_put(doc);
	world_check(&w);
	world_close(&w);
}

Test(change_snapshot, clone_given_up)
{
	char name[NAME_MAX_LEN + 1];
	struct world w;

	start(&w);
	make_all(&w);
	cr_assert_eq(WORLD(&w, change_clone_begin, "db", "twin", NULL, NULL, name), 0);
	cr_assert_eq(taken(&w, name, n1_n2, 2), 0);
	cr_assert_eq(WORLD(&w, change_resource_delete, "twin"), 0);
	cr_expect_eq(advance(&w, name), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "snapshot/"), 0, "nobody wants it any more");
	world_close(&w);
}

Test(change_snapshot, deleted_on_some_nodes)
{
	static const char *const three[] = { "n1", "n2", "n3" }, *const two[] = { "N1", "n2" },
				 *const third[] = { "n3" };
	bool gone = true;
	struct world w;

	start(&w);
	make_all(&w);
	cr_assert_eq(begin(&w, "s1"), 0);
	cr_expect_eq(WORLD(&w, change_snapshot_delete_on, "db", "s1", two, 2, &gone), -E_IN_USE,
		     "it is being taken");
	cr_assert_eq(
		WORLD(&w, change_snapshot_taken, "db", "s1", snapshot(&w, "s1").uuid, three, 3), 0);
	cr_assert_eq(WORLD(&w, change_snapshot_delete_on, "DB", "S1", two, 2, &gone), 0, "%s",
		     w.err.text);
	cr_expect_not(gone);
	cr_expect_eq(snapshot(&w, "s1").n_copies, 1);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 2, "one for each volume");
	cr_expect_eq(world_count(&w, "leftover/n3/"), 0);
	cr_expect_eq(WORLD(&w, change_snapshot_delete_on, "db", "s1", two, 2, &gone), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_snapshot_delete_on, "db", "s1", two, 0, &gone), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_snapshot_delete_on, "db", "s2", two, 2, &gone), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_snapshot_delete_on, "db", "s1", third, 1, &gone), 0);
	cr_expect(gone);
	cr_expect_eq(world_count(&w, "snapshot/"), 0);
	world_check(&w);
	world_close(&w);
}

/* All copies at once; the definition stays as long as there are snapshots. */
Test(change_snapshot, truncated_resource)
{
	bool gone = true;
	struct world w;

	start(&w);
	make_all(&w);
	take(&w, "s1");
	take(&w, "s2");
	world_report_open(&w, "n2", "db", true);
	cr_expect_eq(WORLD(&w, change_resource_truncate, "db", true, &gone), -E_IN_USE);
	cr_expect(world_says(&w, "open on n2"), "%s", w.err.text);
	world_report_open(&w, "n2", "db", false);
	cr_expect_eq(WORLD(&w, change_resource_delete_empty, "db", NULL, &gone), 0);
	cr_expect_not(gone, "it has replicas");
	cr_assert_eq(WORLD(&w, change_resource_truncate, "DB", true, &gone), 0, "%s", w.err.text);
	cr_expect_not(gone, "it has snapshots");
	cr_expect_eq(world_count(&w, "replica/db/"), 0);
	cr_expect_eq(world_count(&w, "record/db"), 0);
	cr_expect_eq(world_count(&w, "minor/"), 2, "of the definition's volumes");
	world_check(&w);
	cr_assert_eq(WORLD(&w, change_resource_truncate, "db", false, &gone), 0, "twice");
	cr_expect_not(gone);
	cr_assert_eq(WORLD(&w, change_resource_delete_empty, "db", "S1", &gone), 0);
	cr_expect_not(gone, "there is another");
	cr_assert_eq(WORLD(&w, change_snapshot_delete, "db", "s2"), 0);
	cr_assert_eq(WORLD(&w, change_resource_delete_empty, "db", "S1", &gone), 0);
	cr_expect(gone);
	cr_expect_eq(world_count(&w, "resource/db"), 0);
	cr_expect_eq(world_count(&w, "minor/"), 0);
	cr_expect_eq(WORLD(&w, change_resource_delete_empty, "db", NULL, &gone), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_resource_truncate, "db", true, &gone), -E_NOT_FOUND);
	world_check(&w);
	world_close(&w);
}

Test(change_snapshot, truncated_with_its_definition)
{
	bool gone = false;
	struct world w;

	start(&w);
	make_all(&w);
	cr_assert_eq(WORLD(&w, change_resource_truncate, "db", true, &gone), 0, "%s", w.err.text);
	cr_expect(gone);
	cr_expect_eq(world_count(&w, "resource/db"), 0);
	cr_expect_eq(world_count(&w, "replica/db/"), 0);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 2);
	world_check(&w);
	world_close(&w);
}
