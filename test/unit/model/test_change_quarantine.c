// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_quarantine.c - copies whose disk fails time and again
 * (model/change_quarantine.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(change_quarantine);

#define WHY "its disk failed 3 times in 4 min"

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

/* copies on n1 (slot 0), n2, n3, none of them open */
static void start(struct world *w, int copies, int writer, uint32_t in_sync)
{
	struct change_place place = { .copies = copies };
	const int64_t size = GIB;

	world_cluster(w, 4);
	cr_assert_eq(WORLD(w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
	world_put_record(w, "db", writer, in_sync);
}

static bool quarantine(struct world *w, const char *node)
{
	struct replica r = replica(w, node);
	bool taken = false;

	cr_assert_eq(WORLD(w, change_replica_failed, "DB", node, r.uuid, WHY, &taken), 0, "%s",
		     w->err.text);
	cr_expect_eq(replica(w, node).quarantined, taken);
	return taken;
}

Test(change_quarantine, life)
{
	struct record before;
	struct world w;
	bool was = true;

	start(&w, 3, 0, 5);
	before = world_record(&w, "db");
	cr_expect_eq(WORLD(&w, change_replica_repair, "db", "n2", &was), 0);
	cr_expect_not(was);
	cr_expect(quarantine(&w, "n2"), "out of sync");
	cr_expect_str_eq(replica(&w, "n2").complaint, WHY);
	cr_expect(quarantine(&w, "n2"), "told twice");
	cr_expect(quarantine(&w, "n3"), "in sync, but not the only one");
	cr_expect_not(quarantine(&w, "n1"), "the last one");
	cr_expect(record_same(&before, &(struct record){ 7, 0, 5, { 1, 1, 1 } }));
	cr_expect(({
			  struct record now = world_record(&w, "db");
			  record_same(&before, &now);
		  }),
		  "who is in sync is the writer's business");
	cr_expect_eq(WORLD(&w, change_replica_repair, "db", "N3", &was), 0);
	cr_expect(was);
	cr_expect_not(replica(&w, "n3").quarantined);
	cr_expect_str_eq(replica(&w, "n3").complaint, "");
	cr_expect(quarantine(&w, "n1"), "n3 is fit again");
	world_check(&w);
	world_close(&w);
}

Test(change_quarantine, who_is_not_there)
{
	struct world w;
	bool taken;

	start(&w, 2, WRITER_NONE, 3);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n3", NULL, true), 0);
	cr_expect_eq(WORLD(&w, change_replica_failed, "nix", "n1", "", WHY, &taken), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_failed, "db", "n4", "", WHY, &taken), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_failed, "db", "n1", "another", WHY, &taken),
		     -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_failed, "db", "n3", replica(&w, "n3").uuid, WHY,
			   &taken),
		     -E_NOT_FOUND, "it has no disk");
	cr_expect_eq(WORLD(&w, change_replica_repair, "db", "n4", &taken), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_replace, "db", "n3"), -E_NOT_FOUND);
	cr_expect(world_says(&w, "has no copy on n3"), "%s", w.err.text);
	world_close(&w);
}

Test(change_quarantine, the_only_copy)
{
	struct world w;

	start(&w, 1, WRITER_NONE, 1);
	cr_expect_not(quarantine(&w, "n1"));
	cr_expect_eq(WORLD(&w, change_replica_replace, "db", "n1"), -E_IN_USE);
	world_close(&w);
}

Test(change_quarantine, replace)
{
	struct replica old, new;
	struct world w;

	start(&w, 2, 0, 1);
	world_report_open(&w, "n1", "db", true);
	cr_expect_eq(WORLD(&w, change_replica_replace, "db", "n1"), -E_IN_USE, "the last one");
	cr_expect(quarantine(&w, "n2"));
	old = replica(&w, "n2");
	cr_assert_eq(WORLD(&w, change_replica_replace, "db", "n2"), 0, "%s", w.err.text);
	new = replica(&w, "n2");
	cr_expect_str_neq(new.uuid, old.uuid);
	cr_expect_eq(new.slot, old.slot);
	cr_expect_eq(new.made, 0);
	cr_expect_not(new.quarantined);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	cr_expect_eq(world_record(&w, "db").epoch, 7, "it was not in the set");
	world_check(&w);
	world_close(&w);
}

Test(change_quarantine, replace_of_a_member)
{
	struct world w;

	start(&w, 2, 0, 3);
	world_report_open(&w, "n1", "db", true);
	cr_expect_eq(WORLD(&w, change_replica_replace, "db", "n2"), -E_IN_USE);
	cr_expect(world_says(&w, "in sync and written to"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_replica_replace, "db", "n1"), -E_IN_USE);
	cr_expect(world_says(&w, "open on n1"), "%s", w.err.text);
	world_report_open(&w, "n1", "db", false);
	cr_assert_eq(WORLD(&w, change_replica_replace, "db", "n1"), 0, "%s", w.err.text);
	cr_expect_eq(world_record(&w, "db").epoch, 8);
	cr_expect_eq(world_record(&w, "db").writer, WRITER_NONE);
	cr_expect_eq(world_record(&w, "db").in_sync, 2);
	cr_expect_eq(WORLD(&w, change_replica_replace, "db", "n2"), -E_IN_USE,
		     "the new one has nothing yet");
	world_check(&w);
	world_close(&w);
}

/* The slot of the last writer gets a new copy: nothing is to be asked of it. */
Test(change_quarantine, replace_of_the_last_writer)
{
	struct world w;

	start(&w, 2, 0, 2);
	cr_assert_eq(WORLD(&w, change_replica_replace, "db", "n1"), 0, "%s", w.err.text);
	cr_expect_eq(world_record(&w, "db").epoch, 8);
	cr_expect_eq(world_record(&w, "db").writer, WRITER_NONE);
	cr_expect_eq(world_record(&w, "db").in_sync, 2);
	world_close(&w);
}
