// SPDX-License-Identifier: GPL-2.0-or-later
/* test_change_adopt.c - a logical volume of somebody else's becomes a resource. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(change_adopt);

static const struct volume_adopted lv = { .lv = "data", .size_kib = 40 * 1024 };

/* n1 and n2 with pools of files, n1 also with a volume group */
static void start(struct world *w)
{
	world_cluster(w, 2);
	world_add_pool(w, "n1", "group", POOL_LVM);
}

static int adopt(struct world *w, const char *name, const char *node, const char *pool)
{
	return WORLD(w, change_adopt, name, NULL, node, pool, &lv);
}

Test(change_adopt, first_copy)
{
	struct world w;
	struct resource r;
	struct replica copy;
	struct record record;
	json *doc;

	start(&w);
	cr_assert_eq(adopt(&w, "db", "N1", "Group"), 0, "%s", w.err.text);
	r = world_resource(&w, "db");
	cr_assert_eq(r.n_volumes, 1);
	cr_expect_eq(r.volume[0].number, 0);
	cr_expect_eq(r.volume[0].size_kib, lv.size_kib);
	cr_expect_str_eq(r.volume[0].adopts.lv, "data");
	cr_expect_eq(r.volume[0].adopts.size_kib, lv.size_kib);
	cr_expect_str_eq(r.volume[0].origin.uuid, "");
	doc = world_doc(&w, "replica/db/n1");
	cr_assert_eq(replica_parse(doc, &copy, &w.err), 0, "%s", w.err.text);
	json_object_put(doc);
	cr_expect(copy.born && copy.made == 0 && !copy.diskless);
	cr_expect_str_eq(copy.node, "n1");
	cr_expect_str_eq(copy.pool, "group");
	doc = world_doc(&w, "record/db");
	cr_assert_eq(record_parse(doc, &record, &w.err), 0);
	json_object_put(doc);
	cr_expect_eq(record.epoch, 1);
	cr_expect_eq(record.writer, WRITER_NONE);
	cr_expect_eq(record.in_sync, 1u << copy.slot);
	world_check(&w);
	world_close(&w);
}

/* further copies are made of zeros and are not in the set */
Test(change_adopt, second_copy)
{
	struct world w;
	struct replica copy;
	struct record record;
	json *doc;

	start(&w);
	cr_assert_eq(adopt(&w, "db", "n1", "group"), 0, "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_replica_create, "db", "n2", "ssd", false), 0, "%s",
		     w.err.text);
	doc = world_doc(&w, "replica/db/n2");
	cr_assert_eq(replica_parse(doc, &copy, &w.err), 0);
	json_object_put(doc);
	cr_expect_not(copy.born);
	doc = world_doc(&w, "record/db");
	cr_assert_eq(record_parse(doc, &record, &w.err), 0);
	json_object_put(doc);
	cr_expect_not(record.in_sync & 1u << copy.slot);
	world_check(&w);
	world_close(&w);
}

Test(change_adopt, refused)
{
	static const struct volume_adopted odd = { .lv = "data", .size_kib = 4097 };
	static const struct volume_adopted none = { .lv = "data", .size_kib = 0 };
	struct world w;

	start(&w);
	cr_expect_eq(adopt(&w, "db", "n3", "group"), -E_NOT_FOUND);
	cr_expect(world_says(&w, "pool n3/group: there is no such pool"), "%s", w.err.text);
	cr_expect_eq(adopt(&w, "db", "n1", "ssd"), -E_INVALID);
	cr_expect(world_says(&w, "only logical volumes"), "%s", w.err.text);
	cr_expect_eq(adopt(&w, "lv.data!", "n1", "group"), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_adopt, "db", "gold", "n1", "group", &lv), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_adopt, "db", NULL, "n1", "group", &odd), -E_INVALID);
	cr_expect(world_says(&w, "no multiple of 4"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_adopt, "db", NULL, "n1", "group", &none), -E_INVALID);
	cr_assert_eq(adopt(&w, "db", "n1", "group"), 0, "%s", w.err.text);
	cr_expect_eq(adopt(&w, "DB", "n1", "group"), -E_EXISTS);
	cr_expect_eq(world_count(&w, "resource/"), 1);
	world_check(&w);
	world_close(&w);
}

/* deleted like any other */
Test(change_adopt, deleted)
{
	struct world w;

	start(&w);
	cr_assert_eq(adopt(&w, "db", "n1", "group"), 0, "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 1);
	cr_expect_eq(world_count(&w, "replica/"), 0);
	world_check(&w);
	world_close(&w);
}
