// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_replica.c - single replicas come and go, and the record's
 * compare-and-swap (model/change_replica.c, change_record.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(change_replica);

static void spawn(struct world *w, const char *name, int copies)
{
	struct change_place place = { .copies = copies };
	const int64_t size = GIB;

	cr_assert_eq(WORLD(w, change_spawn, NULL, name, &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
}

static struct replica replica(struct world *w, const char *node)
{
	struct replica r = { .slot = -1 };
	char key[64];
	json *doc;

	snprintf(key, sizeof(key), "replica/db/%s", node);
	doc = world_doc(w, key);
	if (doc)
		cr_assert_eq(replica_parse(doc, &r, NULL), 0);
	json_object_put(doc);
	return r;
}

static int cas(struct world *w, uint32_t epoch, int writer, uint32_t in_sync,
	       struct record *ret_present)
{
	struct record next = { epoch, writer, in_sync, { 1, 1ull << 63, 3 } };
	json *doc = world_doc(w, "resource/db");
	struct record present;
	int rv;

	rv = WORLD(w, change_record, "DB", jget_str(doc, "uuid", ""), &next,
		   ret_present ? ret_present : &present);
	json_object_put(doc);
	return rv;
}

static void created(struct world *w, const char *node)
{
	struct replica r = replica(w, node);

	cr_assert_eq(WORLD(w, change_replica_created, "db", node, r.uuid, 0, ""), 0, "%s",
		     w->err.text);
}

/* copies on n1, n2 (and n3), all made; epoch 2 with the writer on n1 */
static void start(struct world *w, int copies, uint32_t in_sync)
{
	world_cluster(w, 4);
	spawn(w, "db", copies);
	for (int i = 1; i <= copies; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		created(w, name);
	}
	cr_assert_eq(cas(w, 2, 0, in_sync, NULL), 0, "%s", w->err.text);
}

Test(change_replica, create)
{
	struct world w;

	world_cluster(&w, 3);
	world_add_pool(&w, "n1", "hdd", POOL_FILE);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n1", NULL, false), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_resource_create, "db", NULL, LAYERS_UNSAID, NULL), 0);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n1", NULL, false), -E_INVALID);
	int number;
	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, GIB, NULL, &number), 0);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n1", NULL, true), -E_INVALID);
	cr_expect(world_says(&w, "no copy yet"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n9", NULL, true), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n1", "hdd", false), -E_NO_NODES);
	cr_expect(world_says(&w, "n1/hdd: no report from the node yet"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n9", NULL, false), -E_NOT_FOUND);
	cr_expect(world_says(&w, "n9: there is no such node"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "N2", NULL, false), 0);
	cr_expect_eq(world_record(&w, "db").in_sync, 1);
	cr_expect_eq(world_record(&w, "db").epoch, 1);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n2", NULL, false), -E_EXISTS);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n1", "ssd", false), 0);
	cr_expect_eq(world_record(&w, "db").in_sync, 1, "a later copy must learn first");
	cr_expect_eq(world_record(&w, "db").epoch, 1);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "N3", NULL, true), 0);
	cr_expect_str_eq(replica(&w, "n3").node, "n3");
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, false), -E_EXISTS);
	cr_expect(world_says(&w, "without a disk"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), -E_EXISTS);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n9", NULL, true), -E_NOT_FOUND);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, limits_and_slots)
{
	struct world w;
	char name[16];

	world_cluster(&w, REPLICAS_MAX + 2);
	spawn(&w, "db", COPIES_MAX);
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n17", NULL, false), -E_INVALID);
	cr_expect(world_says(&w, "8 copies wanted, 7 can be"), "%s", w.err.text);
	for (int i = COPIES_MAX + 1; i <= REPLICAS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (replica(&w, name).slot < 0)
			cr_assert_eq(WORLD(&w, change_replica_create, "db", name, NULL, true), 0);
	}
	for (int i = 1; i <= COPIES_MAX && world_count(&w, "replica/db/") < REPLICAS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (replica(&w, name).slot < 0)
			cr_assert_eq(WORLD(&w, change_replica_create, "db", name, NULL, true), 0);
	}
	cr_assert_eq(world_count(&w, "replica/db/"), REPLICAS_MAX);
	for (int i = REPLICAS_MAX + 1; i <= REPLICAS_MAX + 2; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (replica(&w, name).slot >= 0)
			continue;
		cr_expect_eq(WORLD(&w, change_replica_create, "db", name, NULL, true), -E_INVALID);
		cr_expect(world_says(&w, "16 nodes have a replica"), "%s", w.err.text);
	}
	world_check(&w);
	/* slots are used again, and never run out */
	for (int i = 0; i < 100; i++) {
		int slot = replica(&w, "n9").slot;

		cr_assert_geq(slot, 0);
		cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n9"), 0, "%s", w.err.text);
		cr_assert_eq(WORLD(&w, change_replica_create, "db", "n9", NULL, true), 0);
		cr_assert_eq(replica(&w, "n9").slot, slot);
	}
	world_check(&w);
	world_close(&w);
}

Test(change_replica, created_by_its_uuid)
{
	struct replica r;
	struct world w;
	uint64_t index;

	world_cluster(&w, 2);
	spawn(&w, "db", 2);
	r = replica(&w, "n1");
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n1", replica(&w, "n2").uuid, 0, ""),
		     -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n9", r.uuid, 0, ""), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_created, "a/b", "n9", r.uuid, 0, ""), -E_NOT_FOUND);
	cr_expect_not(replica(&w, "n1").made);
	created(&w, "n1");
	cr_expect(replica(&w, "n1").made);
	struct txn *t = world_txn();
	index = store_applied(w.store);
	cr_expect_eq(change_replica_created(&w.env, t, "db", "n1", r.uuid, 0, "", &w.err), 0);
	cr_expect(txn_is_empty(t), "nothing to do twice (%llu)", (unsigned long long)index);
	txn_free(t);
	world_close(&w);
}

Test(change_replica, last_copy_stays)
{
	struct world w;

	start(&w, 1, 1);
	cr_expect_eq(WORLD(&w, change_replica_delete, "none", "n1"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n2"), -E_NOT_FOUND);
	/* not under a client */
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n1"), -E_IN_USE);
	cr_expect(world_says(&w, "is the last one"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n3"), 0);
	/* a second one that is not in sync does not help yet */
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n2", NULL, false), 0);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n1"), -E_IN_USE);
	cr_expect(world_says(&w, "only one in sync"), "%s", w.err.text);
	/* it can go itself, at once */
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	cr_expect_eq(world_record(&w, "db").epoch, 2);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, last_copy_goes_alone)
{
	struct world w;

	start(&w, 1, 1);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n1"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 1);
	cr_expect_eq(world_count(&w, "replica/db/"), 0);
	cr_expect_eq(world_count(&w, "record/db"), 0);
	world_check(&w);
	/* what is left can have copies again */
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n2", NULL, false), 0, "%s",
		     w.err.text);
	cr_expect_eq(world_record(&w, "db").in_sync, 1);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, member_leaves_while_nobody_writes)
{
	struct record r;
	struct world w;

	start(&w, 3, 7); /* the writer's node reports: not open */
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0, "%s", w.err.text);
	r = world_record(&w, "db");
	cr_expect_eq(r.epoch, 3);
	cr_expect_eq(r.writer, WRITER_NONE);
	cr_expect_eq(r.in_sync, 5);
	cr_expect(r.tag.node == 0 && r.tag.boot == 0 && r.tag.counter == 0);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	/* the slot is free for another node, which is not in the set */
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n4", NULL, false), 0);
	cr_expect_eq(replica(&w, "n4").slot, 1);
	cr_expect_eq(world_record(&w, "db").in_sync, 5);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, member_of_an_active_writer_is_marked)
{
	struct world w;

	start(&w, 2, 3);
	world_report_open(&w, "n1", "db", true);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n1"), -E_IN_USE);
	cr_expect(world_says(&w, "open on n1"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0, "%s", w.err.text);
	cr_expect(replica(&w, "n2").deleting);
	cr_expect_eq(world_record(&w, "db").epoch, 2);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0); /* asked again: the same */
	cr_expect_eq(WORLD(&w, change_replica_create, "db", "n2", NULL, false), -E_IN_USE);
	cr_expect(world_says(&w, "being deleted"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_reap, "db"), 0); /* too early: nothing */
	cr_expect(replica(&w, "n2").deleting);
	/* n2 does not count as a copy any more */
	world_report_open(&w, "n1", "db", false);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n1"), -E_IN_USE);
	world_report_open(&w, "n1", "db", true);
	/* the writer drops it; back in it may not come */
	cr_assert_eq(cas(&w, 3, 0, 1, NULL), 0, "%s", w.err.text);
	cr_expect_eq(cas(&w, 4, 0, 3, NULL), -E_INVALID);
	cr_expect(world_says(&w, "being deleted"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_reap, "db"), 0);
	cr_expect_eq(replica(&w, "n2").slot, -1);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	cr_expect_eq(world_record(&w, "db").epoch, 3);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, reap_when_the_writer_is_gone)
{
	struct world w;

	start(&w, 2, 3);
	world_report_open(&w, "n1", "db", true);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0);
	w.env.mono_ms += OBSERVED_STALE_MS;
	cr_assert_eq(WORLD(&w, change_replica_reap, "db"), 0);
	cr_expect_eq(replica(&w, "n2").slot, -1);
	cr_expect_eq(world_record(&w, "db").epoch, 3);
	cr_expect_eq(world_record(&w, "db").in_sync, 1);
	cr_expect_eq(world_record(&w, "db").writer, WRITER_NONE);
	cr_expect_eq(WORLD(&w, change_replica_reap, "none"), -E_NOT_FOUND);
	struct txn *t = world_txn();
	cr_expect_eq(change_replica_reap(&w.env, t, "db", &w.err), 0);
	cr_expect(txn_is_empty(t));
	txn_free(t);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, reap_leaves_the_last_in_sync)
{
	struct world w;

	start(&w, 2, 3);
	world_report_open(&w, "n1", "db", true);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0);
	/* n1 fails; n2 takes over although it was to go */
	cr_assert_eq(cas(&w, 3, 1, 2, NULL), 0, "%s", w.err.text);
	w.env.mono_ms += OBSERVED_STALE_MS;
	cr_assert_eq(WORLD(&w, change_replica_reap, "db"), 0);
	cr_expect_eq(replica(&w, "n2").slot, 1);
	cr_expect_eq(world_record(&w, "db").in_sync, 2);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, diskless)
{
	struct world w;

	start(&w, 2, 3);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n4", NULL, true), 0);
	cr_assert_eq(cas(&w, 3, 2, 3, NULL), 0, "%s", w.err.text);
	world_report_open(&w, "n4", "db", true);
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n4"), -E_IN_USE);
	cr_expect(world_says(&w, "open on n4"), "%s", w.err.text);
	world_report_open(&w, "n4", "db", false);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n4"), 0);
	cr_expect_eq(world_count(&w, "leftover/"), 0);
	/* its slot may go to another node, so the record must not name it any more */
	cr_expect_eq(world_record(&w, "db").writer, WRITER_NONE);
	cr_expect_eq(world_record(&w, "db").epoch, 4);
	cr_expect_eq(world_record(&w, "db").in_sync, 3);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, record_rules)
{
	static const struct {
		const char *name;
		uint32_t epoch;
		int writer;
		uint32_t in_sync;
		int rv;
	} rows[] = {
		{ "same epoch", 2, 0, 3, -E_CONFLICT },
		{ "older", 1, 0, 3, -E_CONFLICT },
		{ "two ahead", 4, 0, 3, -E_CONFLICT },
		{ "empty set", 3, 0, 0, -E_INVALID },
		{ "a slot without replica", 3, 0, 8, -E_INVALID },
		{ "a slot beyond", 3, 0, 1u << 16, -E_INVALID },
		{ "all bits", 3, 0, UINT32_MAX, -E_INVALID },
		{ "a diskless one", 3, 0, 1 | 4, -E_INVALID },
		{ "a copy that is not made", 3, 0, 1 | 16, -E_INVALID },
		{ "writer without replica", 3, 7, 3, -E_INVALID },
		{ "writer beyond", 3, 16, 3, -E_INVALID },
		{ "writer below", 3, -2, 3, -E_INVALID },
		{ "smaller set, diskless writer", 3, 2, 1, 0 },
		{ "nobody", 4, WRITER_NONE, 1, 0 },
		{ "larger set", 5, 0, 3, 0 },
	};
	struct record present, next = { .epoch = 6, .writer = 0, .in_sync = 1 };
	struct world w;

	world_cluster(&w, 5);
	spawn(&w, "db", 2);
	created(&w, "n1");
	created(&w, "n2");
	cr_assert_eq(cas(&w, 2, 0, 3, NULL), 0, "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);  /* slot 2 */
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n5", NULL, true), 0);  /* slot 3 */
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n4", NULL, false), 0); /* slot 4 */
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n5"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record before = world_record(&w, "db"), after;
		int rv = cas(&w, rows[i].epoch, rows[i].writer, rows[i].in_sync, &present);

		cr_expect_eq(rv, rows[i].rv, "row '%s': %d %s", rows[i].name, rv, w.err.text);
		after = world_record(&w, "db");
		cr_expect(record_same(&present, &before), "row '%s'", rows[i].name);
		cr_expect_eq(record_same(&after, &before), rv < 0, "row '%s'", rows[i].name);
	}
	cr_expect_eq(world_record(&w, "db").tag.boot, 1ull << 63);
	cr_expect_eq(WORLD(&w, change_record, "none", "", &next, &present), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_record, "db", "00000000-0000-4000-8000-ffffffffffff", &next,
			   &present),
		     -E_NOT_FOUND);
	world_check(&w);
	world_close(&w);
}

Test(change_replica, two_proposals_one_wins)
{
	struct record a = { 3, 0, 1, { 1, 1, 1 } }, b = { 3, 1, 2, { 2, 1, 1 } }, present;
	struct txn *one, *two, *del;
	struct world w;
	char uuid[37];
	json *doc;

	start(&w, 3, 7);
	doc = world_doc(&w, "resource/db");
	snprintf(uuid, sizeof(uuid), "%s", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	one = world_txn();
	two = world_txn();
	cr_assert_eq(change_record(&w.env, one, "db", uuid, &a, &present, &w.err), 0);
	cr_assert_eq(change_record(&w.env, two, "db", uuid, &b, &present, &w.err), 0);
	cr_expect_eq(world_apply(&w, two), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, one), TXN_CONFLICT);
	cr_expect_eq(world_record(&w, "db").writer, 1);

	/* a copy goes while the writer takes it in: one of both must lose */
	for (int first = 0; first < 2; first++) {
		b = world_record(&w, "db");
		cr_expect_eq(b.in_sync, 2);
		b.epoch++;
		b.in_sync = 6; /* n3 joins */
		one = world_txn();
		del = world_txn();
		cr_assert_eq(change_record(&w.env, one, "db", uuid, &b, &present, &w.err), 0);
		cr_assert_eq(change_replica_delete(&w.env, del, "db", "n3", &w.err), 0);
		cr_expect_eq(world_apply(&w, first ? one : del), TXN_APPLIED);
		cr_expect_eq(world_apply(&w, first ? del : one), TXN_CONFLICT);
		world_check(&w);
		if (first)
			break;
		cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, false), 0);
		created(&w, "n3");
	}
	world_close(&w);
}

Test(change_replica, epochs_end)
{
	struct record r = { .epoch = UINT32_MAX, .writer = WRITER_NONE, .in_sync = 3 };
	struct txn *t = world_txn();
	struct world w;
	json *doc;

	start(&w, 2, 3);
	doc = world_doc(&w, "record/db");
	record_write(doc, &r);
	txn_put(t, "record/db", doc);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	cr_expect_eq(cas(&w, 0, 0, 3, NULL), -E_CONFLICT); /* no wrapping around */
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n2"), -E_INVALID);
	cr_expect(world_says(&w, "epochs are used up"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), 0);
	world_close(&w);
}
