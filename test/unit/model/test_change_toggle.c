// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_toggle.c - replicas become something else: clients get disks, copies
 * lose theirs, move, are served or not (model/change_replica.c); properties of
 * replicas (change_replica_props.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/upkeep.h"
#include "support/modelworld.h"

TestSuite(change_toggle);

static struct world w;
static bool changed;

static struct replica replica(const char *node)
{
	struct replica r = { .slot = -1 };
	char key[64];
	json *doc;

	snprintf(key, sizeof(key), "replica/db/%s", node);
	doc = world_doc(&w, key);
	if (doc)
		cr_assert_eq(replica_parse(doc, &r, NULL), 0);
	json_object_put(doc);
	return r;
}

static int cas(uint32_t epoch, int writer, uint32_t in_sync)
{
	struct record next = { epoch, writer, in_sync, { 1, 1, 3 } }, present;
	json *doc = world_doc(&w, "resource/db");
	int rv = WORLD(&w, change_record, "db", jget_str(doc, "uuid", ""), &next, &present);

	json_object_put(doc);
	return rv;
}

static void created(const char *node)
{
	struct replica r = replica(node);

	cr_assert_eq(WORLD(&w, change_replica_created, "db", node, r.uuid, 0, ""), 0, "%s",
		     w.err.text);
}

/* four nodes; copies on n1 and n2, nobody has opened it yet */
static void spawn(void)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = GIB;

	world_cluster(&w, 4);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w.err.text);
	created("n1");
	created("n2");
}

/* in sync at epoch 2, the writer's slot as given */
static void start(int writer)
{
	spawn();
	cr_assert_eq(cas(2, writer, 3), 0, "%s", w.err.text);
}

static void end(void)
{
	world_check(&w);
	world_close(&w);
}

#define DISKLESS(node) WORLD(&w, change_replica_diskless, "db", node, &changed)
#define DISKFUL(node, pool) WORLD(&w, change_replica_diskful, "db", node, pool, &changed)
#define MIGRATE(from, to, pool) WORLD(&w, change_replica_migrate, "db", from, to, pool, &changed)
#define ACTIVE(node, on) WORLD(&w, change_replica_active, "db", node, on, &changed)
#define REAP() WORLD(&w, change_replica_reap, "db")

Test(change_toggle, a_client_gets_a_disk)
{
	struct replica before, after;

	start(WRITER_NONE);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n4", NULL, true), 0);
	before = replica("n4");
	cr_expect_eq(DISKFUL("n4", "nix"), -E_NO_NODES);
	cr_expect_eq(DISKFUL("n9", NULL), -E_NOT_FOUND);
	cr_expect(replica("n4").diskless);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n3"), 0, "its slot is free");
	world_report_open(&w, "n4", "db", true);
	cr_assert_eq(DISKFUL("n4", NULL), 0, "%s", w.err.text);
	cr_expect(changed);
	after = replica("n4");
	cr_expect_not(after.diskless);
	cr_expect_str_eq(after.pool, "ssd");
	cr_expect_eq(after.made, 0);
	cr_expect_eq(after.slot, before.slot);
	cr_expect_str_eq(after.uuid, before.uuid, "it is the same replica to who has it open");
	cr_expect_eq(world_record(&w, "db").in_sync, 3, "it has to learn first");
	cr_expect_eq(world_record(&w, "db").epoch, 2);
	cr_assert_eq(DISKFUL("n4", "SSD"), 0);
	cr_expect_not(changed);
	world_add_pool(&w, "n4", "hdd", POOL_FILE);
	cr_expect_eq(DISKFUL("n4", "hdd"), -E_EXISTS);
	end();
}

Test(change_toggle, no_disk_before_the_last_one_is_swept)
{
	struct replica r;

	start(WRITER_NONE);
	cr_assert_eq(DISKLESS("n2"), 0, "%s", w.err.text);
	cr_expect(changed);
	r = replica("n2");
	cr_expect(r.diskless);
	cr_expect_eq(r.made, 0);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	cr_expect_eq(world_record(&w, "db").in_sync, 1, "nobody writes: it leaves the set at once");
	cr_expect_eq(world_record(&w, "db").epoch, 3);
	cr_expect_eq(DISKFUL("n2", NULL), -E_IN_USE);
	cr_expect(world_says(&w, "still removing"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_leftover_done, "n2", r.uuid, 0, ""), 0);
	cr_assert_eq(DISKFUL("n2", NULL), 0, "%s", w.err.text);
	cr_expect_not(replica("n2").diskless);
	end();
}

Test(change_toggle, a_member_leaves_the_set_before_its_disk_goes)
{
	start(0);
	world_report_open(&w, "n1", "db", true);
	world_report_open(&w, "n2", "db", false);
	cr_assert_eq(DISKLESS("n1"), 0, "%s", w.err.text);
	cr_expect(replica("n1").deleting && replica("n1").becomes_client);
	cr_expect_not(replica("n1").diskless, "the writer has not dropped it yet");
	cr_expect_eq(world_record(&w, "db").in_sync, 3);
	cr_expect_eq(DISKFUL("n1", NULL), -E_IN_USE);
	cr_expect_eq(DISKLESS("n2"), -E_IN_USE, "it is the only one that stays");
	cr_expect_eq(WORLD(&w, change_replica_delete, "db", "n2"), -E_IN_USE);
	cr_assert_eq(REAP(), 0);
	cr_expect_not(replica("n1").diskless, "still not");
	cr_assert_eq(cas(3, 0, 2), 0, "%s", w.err.text);
	cr_expect_eq(cas(4, 0, 3), -E_INVALID, "it does not join any more");
	cr_assert_eq(REAP(), 0);
	cr_expect(replica("n1").diskless, "open or not");
	cr_expect_not(replica("n1").deleting);
	cr_expect_eq(world_record(&w, "db").writer, 0, "and it goes on writing");
	cr_expect_eq(world_record(&w, "db").epoch, 3);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 1);
	cr_expect_eq(DISKLESS("n2"), -E_IN_USE);
	cr_expect(world_says(&w, "the last one"), "%s", w.err.text);
	end();
}

Test(change_toggle, what_was_to_lose_its_disk_can_be_deleted)
{
	start(0);
	world_report_open(&w, "n1", "db", true);
	world_report_open(&w, "n2", "db", false);
	cr_assert_eq(DISKLESS("n2"), 0);
	cr_expect(replica("n2").becomes_client);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n2"), 0, "%s", w.err.text);
	cr_expect(replica("n2").deleting && !replica("n2").becomes_client);
	cr_assert_eq(cas(3, 0, 1), 0);
	cr_assert_eq(REAP(), 0);
	cr_expect_eq(replica("n2").slot, -1);
	end();
}

Test(change_toggle, a_writer_that_has_gone_drops_nobody)
{
	start(0);
	world_report_open(&w, "n1", "db", true);
	world_report_open(&w, "n2", "db", false);
	cr_assert_eq(DISKLESS("n2"), 0);
	world_report_open(&w, "n1", "db", false);
	cr_assert_eq(REAP(), 0);
	cr_expect_eq(world_record(&w, "db").in_sync, 1);
	cr_expect_eq(world_record(&w, "db").epoch, 3);
	cr_expect(replica("n2").diskless);
	end();
}

Test(change_toggle, a_copy_moves)
{
	start(WRITER_NONE);
	cr_expect_eq(MIGRATE("n3", "n4", NULL), -E_NOT_FOUND, "no copy to move");
	cr_expect_eq(MIGRATE("n1", "n1", NULL), -E_INVALID);
	cr_expect_eq(MIGRATE("n1", "n2", NULL), -E_EXISTS);
	cr_expect_eq(MIGRATE("n1", "n9", NULL), -E_NO_NODES);
	cr_expect_eq(MIGRATE("n1", "n3", "nix"), -E_NO_NODES);
	cr_expect_eq(world_count(&w, "replica/db/"), 2, "no trace");
	cr_assert_eq(MIGRATE("n1", "n3", NULL), 0, "%s", w.err.text);
	cr_expect(changed);
	cr_expect_str_eq(replica("n3").migrates, "n1");
	cr_assert_eq(MIGRATE("N1", "n3", NULL), 0, "asked again");
	cr_expect_not(changed);
	cr_assert_eq(REAP(), 0);
	cr_expect_eq(replica("n1").slot, 0, "it stays until the other one is in sync");
	created("n3");
	cr_assert_eq(cas(3, WRITER_NONE, 7), 0, "%s", w.err.text);
	cr_assert_eq(REAP(), 0);
	cr_expect_eq(replica("n1").slot, -1);
	cr_expect_str_eq(replica("n3").migrates, "");
	cr_expect_eq(world_record(&w, "db").in_sync, 6);
	cr_expect_eq(world_record(&w, "db").epoch, 4);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 1);
	cr_assert_eq(REAP(), 0);
	cr_expect_eq(world_record(&w, "db").epoch, 4, "nothing more to do");
	end();
}

/* Upkeep must take neither copy for one too many, and may finish the move itself. */
Test(change_toggle, upkeep_knows_of_moves)
{
	struct upkeep_sight sight = { .watched_ms = 1 << 30 };
	struct upkeep_plan plan;

	start(WRITER_NONE);
	cr_assert_eq(MIGRATE("n1", "n3", NULL), 0, "%s", w.err.text);
	created("n3");
	cr_assert_eq(WORLD(&w, change_upkeep, "db", &sight, &plan), 0);
	cr_expect_eq(plan.what, UPKEEP_NOTHING, "%s", plan.why);
	cr_assert_eq(cas(3, WRITER_NONE, 7), 0, "%s", w.err.text);
	for (int i = 1; i <= 3; i++) {
		char node[8];

		snprintf(node, sizeof(node), "n%d", i);
		world_report_open(&w, node, "db", false);
	}
	cr_assert_eq(REAP(), 0, "%s", w.err.text);
	cr_expect_eq(replica("n1").slot, -1);
	cr_assert_eq(WORLD(&w, change_upkeep, "db", &sight, &plan), 0);
	cr_expect_eq(plan.what, UPKEEP_NOTHING, "two copies, as before: %s", plan.why);
	end();
}

/* A copy that was taken away on purpose does not come back. */
Test(change_toggle, upkeep_knows_of_disks_that_went)
{
	struct upkeep_sight sight = { .watched_ms = 1 << 30 };
	struct upkeep_plan plan;

	start(WRITER_NONE);
	cr_assert_eq(DISKLESS("n2"), 0);
	cr_assert_eq(WORLD(&w, change_upkeep, "db", &sight, &plan), 0);
	cr_expect_eq(plan.what, UPKEEP_NOTHING, "%s", plan.why);
	end();
}

Test(change_toggle, where_it_is_open_the_disk_moves_only)
{
	start(0);
	world_report_open(&w, "n1", "db", true);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);
	cr_assert_eq(MIGRATE("n1", "n3", "ssd"), 0, "%s", w.err.text);
	created("n3");
	cr_assert_eq(cas(3, 0, 7), 0, "%s", w.err.text);
	cr_assert_eq(REAP(), 0);
	cr_expect(replica("n1").becomes_client);
	cr_assert_eq(cas(4, 0, 6), 0);
	cr_assert_eq(REAP(), 0);
	cr_expect(replica("n1").diskless);
	end();
}

Test(change_toggle, a_move_whose_source_goes_is_over)
{
	start(WRITER_NONE);
	cr_assert_eq(MIGRATE("n1", "n3", NULL), 0);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n1"), 0, "%s", w.err.text);
	cr_assert_eq(REAP(), 0);
	cr_expect_str_eq(replica("n3").migrates, "");
	end();
}

Test(change_toggle, served_or_not)
{
	start(0);
	world_report_open(&w, "n1", "db", true);
	world_report_open(&w, "n2", "db", false);
	cr_expect_eq(ACTIVE("n1", false), -E_IN_USE);
	cr_expect_eq(ACTIVE("n3", false), -E_NOT_FOUND);
	cr_assert_eq(ACTIVE("n2", true), 0);
	cr_expect_not(changed);
	cr_assert_eq(ACTIVE("n2", false), 0, "%s", w.err.text);
	cr_expect(changed && replica("n2").inactive);
	cr_expect_eq(world_record(&w, "db").in_sync, 3, "its writer drops it");
	cr_expect_eq(DISKLESS("n1"), -E_IN_USE, "the only one that serves");
	cr_assert_eq(cas(3, 0, 1), 0);
	cr_expect_eq(cas(4, 0, 3), -E_INVALID, "it does not come back");
	cr_assert_eq(ACTIVE("n2", true), 0);
	cr_expect_not(replica("n2").inactive);
	cr_assert_eq(cas(4, 0, 3), 0);
	world_report_open(&w, "n1", "db", false);
	cr_assert_eq(ACTIVE("n2", false), 0);
	cr_expect_eq(world_record(&w, "db").in_sync, 1, "nobody writes: at once");
	cr_expect_eq(ACTIVE("n1", false), -E_IN_USE);
	end();
}

Test(change_toggle, who_died_as_writer_is_deactivated)
{
	static const struct {
		const char *node;
		int writer;
	} rows[] = { { "n2", 1 }, { "n3", 2 } }; /* a copy out of sync, and a client */

	for (size_t i = 0; i < 2; i++) {
		start(0);
		cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);
		cr_assert_eq(cas(3, rows[i].writer, 1), 0);
		cr_assert_eq(ACTIVE(rows[i].node, false), 0, "%s", w.err.text);
		cr_expect_eq(world_record(&w, "db").writer, WRITER_NONE,
			     "row %zu: nobody else would heal", i);
		cr_expect_eq(world_record(&w, "db").epoch, 4);
		cr_expect_eq(world_record(&w, "db").in_sync, 1);
		end();
	}
}

/* F17: copies of who died as writer may differ; the first of them has to release the record */
Test(change_toggle, only_a_released_record_stays_one)
{
	static const struct {
		int writer; /* before n2 is deactivated */
		int settler;
	} rows[] = { { 1, 0 }, { WRITER_NONE, WRITER_NONE } };
	struct record r;

	for (size_t i = 0; i < 2; i++) {
		start(0);
		cr_assert_eq(cas(3, rows[i].writer, 3), 0);
		r = world_record(&w, "db");
		cr_expect_eq(record_settler(&r), rows[i].writer);
		cr_assert_eq(ACTIVE("n2", false), 0, "%s", w.err.text);
		r = world_record(&w, "db");
		cr_expect_eq(r.writer, WRITER_NONE);
		cr_expect_eq(r.in_sync, 1);
		cr_expect_eq(record_settler(&r), rows[i].settler, "row %zu", i);
		cr_expect_eq(record_is_released(&r), rows[i].settler == WRITER_NONE, "row %zu", i);
		end();
	}
}

Test(change_toggle, a_record_that_nobody_has_written_stays_so)
{
	struct record r;

	spawn();
	cr_assert_eq(world_record(&w, "db").epoch, 1);
	cr_assert_eq(ACTIVE("n2", false), 0, "%s", w.err.text);
	r = world_record(&w, "db");
	cr_expect_eq(r.epoch, 2);
	cr_expect(record_is_released(&r));
	end();
}

Test(change_toggle, properties)
{
	json *doc;

	start(WRITER_NONE);
	doc = world_json("{\"override_props\":{\"Aux/x\":1}}");
	cr_expect_eq(WORLD(&w, change_replica_modify, "db", "n3", doc), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_replica_modify, "db", "n2", doc), 0);
	cr_expect_eq(WORLD(&w, change_replica_volume_modify, "db", "n2", 1, doc), -E_NOT_FOUND);
	cr_assert_eq(WORLD(&w, change_replica_volume_modify, "db", "n2", 0, doc), 0);
	json_object_put(doc);
	doc = world_doc(&w, "replica/db/n2");
	cr_expect_str_eq(jget_str(jget(doc, "props"), "Aux/x", ""), "1");
	cr_expect_str_eq(jget_str(jget(jget(jget(doc, "volumes"), "0"), "props"), "Aux/x", ""),
			 "1");
	json_object_put(doc);
	end();
}
