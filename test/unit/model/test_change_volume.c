// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_volume.c - several volumes of a resource, with and without copies:
 * numbers, growth, what the pools promise, what is left on the nodes
 * (model/change_volume.c, bundle_volume.c, policy.c).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/policy.h"
#include "support/modelworld.h"

TestSuite(change_volume);

static int n; /* number of the volume made last */

static int create(struct world *w, int number, int64_t size_kib)
{
	return WORLD(w, change_volume_create, "db", number, size_kib, NULL, &n);
}

static int grow(struct world *w, int number, int64_t size_kib)
{
	return WORLD(w, change_volume_modify, "db", number, size_kib, NULL);
}

static int delete (struct world *w, int number)
{
	return WORLD(w, change_volume_delete, "db", number);
}

/* nodes n1 .. with a copy of db, whose volume 0 has 10 GiB */
static void start(struct world *w, int nodes)
{
	struct change_place place = { .copies = nodes };
	const int64_t size = 10 * GIB;

	world_cluster(w, nodes);
	cr_assert_eq(WORLD(w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
}

static struct replica replica(struct world *w, const char *node)
{
	struct replica r = { 0 };
	char key[64];
	json *doc;

	snprintf(key, sizeof(key), "replica/db/%s", node);
	doc = world_doc(w, key);
	cr_assert_eq(replica_parse(doc, &r, NULL), 0);
	json_object_put(doc);
	return r;
}

static int64_t promised(struct world *w, const char *node)
{
	char key[64];
	json *doc;
	int64_t kib;

	snprintf(key, sizeof(key), "promise/%s/ssd", node);
	doc = world_doc(w, key);
	kib = jget_i64_or(doc, "kib", 0);
	json_object_put(doc);
	return kib;
}

Test(change_volume, numbers)
{
	struct resource r;
	struct world w;

	world_start(&w);
	cr_assert_eq(WORLD(&w, change_resource_create, "db", NULL, LAYERS_UNSAID, NULL), 0);
	cr_expect_eq(create(&w, 3, 4), -E_INVALID);
	cr_expect(world_says(&w, "volume 0 comes first"), "%s", w.err.text);
	cr_expect_eq(create(&w, 16, 4), -E_INVALID);
	cr_expect(world_says(&w, "from 0 to 15"), "%s", w.err.text);
	cr_assert_eq(create(&w, -1, 4), 0);
	cr_assert_eq(create(&w, 3, 8), 0);
	cr_assert_eq(create(&w, -1, 12), 0);
	cr_expect_eq(n, 1, "the lowest free one");
	cr_expect_eq(create(&w, 3, 4), -E_EXISTS);
	r = world_resource(&w, "db");
	cr_assert_eq(r.n_volumes, 3);
	cr_expect(r.volume[0].number == 0 && r.volume[1].number == 1 && r.volume[2].number == 3,
		  "in order");
	cr_expect_eq(r.volume[1].size_kib, 12);
	cr_expect_str_neq(r.volume[1].uuid, r.volume[2].uuid);
	cr_expect_neq(r.volume[1].minor, r.volume[2].minor);
	world_check(&w);
	for (int i = 3; i < VOLUMES_PER_RESOURCE_MAX; i++)
		cr_assert_eq(create(&w, -1, 4), 0, "%s", w.err.text);
	cr_expect_eq(create(&w, -1, 4), -E_INVALID);
	cr_expect(world_says(&w, "has 16 volumes, which is the limit"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_resource_delete, "db"), 0);
	cr_expect_eq(world_count(&w, "minor/"), 0);
	world_close(&w);
}

Test(change_volume, several_at_once_have_minors_of_their_own)
{
	const int64_t sizes[4] = { GIB, 2 * GIB, 4, 4 };
	struct resource r;
	struct world w;

	world_cluster(&w, 2);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "db", sizes, 4, false, NULL, NULL), 0, "%s",
		     w.err.text);
	r = world_resource(&w, "db");
	cr_assert_eq(r.n_volumes, 4);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(r.volume[i].minor, MINOR_FIRST + i);
	cr_expect_eq(promised(&w, "n1"), 3 * GIB + 8);
	world_check(&w);
	cr_assert_eq(create(&w, -1, 4), 0);
	cr_expect_eq(world_resource(&w, "db").volume[4].minor, MINOR_FIRST + 4);
	world_check(&w);
	world_close(&w);
}

Test(change_volume, beside_copies)
{
	char uuid[37];
	struct replica r;
	struct world w;

	start(&w, 2);
	cr_assert_eq(create(&w, -1, 5 * GIB), 0, "%s", w.err.text);
	cr_expect_eq(promised(&w, "n1"), 15 * GIB);
	cr_expect_eq(promised(&w, "n2"), 15 * GIB);
	world_check(&w);
	r = replica(&w, "n1");
	snprintf(uuid, sizeof(uuid), "%s", world_resource(&w, "db").volume[1].uuid);
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n1", r.uuid, 0, ""), 0);
	cr_expect_eq(replica(&w, "n1").made, 1);
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n1", r.uuid, 1, ""), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n1", r.uuid, 2, uuid), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n1", r.uuid, -1, uuid), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n1", r.uuid, 1, uuid), 0);
	cr_expect_eq(replica(&w, "n1").made, 3);
	cr_expect_eq(replica(&w, "n2").made, 0);

	/* deleted: what was made is left behind, and not taken for made when the number returns */
	cr_expect_eq(delete (&w, 0), -E_IN_USE);
	cr_expect(world_says(&w, "volume 0 goes last"), "%s", w.err.text);
	cr_assert_eq(delete (&w, 1), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 1);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 1);
	cr_expect_eq(replica(&w, "n1").made, 1);
	cr_expect_eq(promised(&w, "n1"), 10 * GIB);
	world_check(&w);
	cr_assert_eq(create(&w, 1, GIB), 0);
	cr_expect_str_neq(world_resource(&w, "db").volume[1].uuid, uuid);
	cr_expect_eq(WORLD(&w, change_replica_created, "db", "n1", r.uuid, 1, uuid), -E_NOT_FOUND,
		     "of the former one");
	cr_assert_eq(delete (&w, 1), 0);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 2, "one for each of them");
	cr_expect_eq(WORLD(&w, change_leftover_done, "n1", r.uuid, 1, uuid), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_leftover_done, "n1", r.uuid, 1, uuid), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_leftover_done, "n1", r.uuid, 1, "x"), -E_NOT_FOUND);
	cr_expect_eq(world_count(&w, "leftover/n1/"), 1);
	world_close(&w);
}

Test(change_volume, a_replica_leaves_all_its_volumes)
{
	struct world w;

	start(&w, 3);
	cr_assert_eq(create(&w, -1, GIB), 0);
	cr_assert_eq(create(&w, -1, GIB), 0);
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n3"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "leftover/n3/"), 3);
	cr_expect_eq(promised(&w, "n3"), 0);
	world_check(&w);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0);
	cr_expect_eq(world_count(&w, "leftover/"), 9);
	cr_expect_eq(world_count(&w, "minor/"), 0);
	world_check(&w);
	world_close(&w);
}

Test(change_volume, grows)
{
	json *body = world_json("{\"override_props\":{\"Aux/x\":\"1\"}}");
	struct world w;
	json *doc;

	start(&w, 2);
	cr_assert_eq(create(&w, -1, GIB), 0);
	cr_expect_eq(grow(&w, 1, 2 * GIB + 1), 0, "%s", w.err.text);
	cr_expect_eq(world_resource(&w, "db").volume[1].size_kib, 2 * GIB + 4, "rounded up");
	cr_expect_eq(promised(&w, "n2"), 12 * GIB + 4);
	world_check(&w);
	cr_expect_eq(grow(&w, 1, 2 * GIB), -E_INVALID);
	cr_expect(world_says(&w, "cannot shrink to 2.00 GiB"), "%s", w.err.text);
	cr_expect_eq(grow(&w, 2, 2 * GIB), -E_NOT_FOUND);
	cr_expect_eq(grow(&w, 0, VOLUME_KIB_MAX + 4), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_volume_modify, "none", 0, GIB, NULL), -E_NOT_FOUND);
	/* open, and with a node away */
	world_report_open(&w, "n1", "db", true);
	w.env.mono_ms += OBSERVED_STALE_MS;
	world_report_open(&w, "n1", "db", true);
	cr_expect_eq(grow(&w, 0, 20 * GIB), 0, "%s", w.err.text);
	cr_expect_eq(promised(&w, "n2"), 22 * GIB + 4, "of the one that is away too");
	world_check(&w);
	/* properties alone, and both */
	cr_expect_eq(WORLD(&w, change_volume_modify, "db", 0, 0, body), 0);
	cr_expect_eq(WORLD(&w, change_volume_modify, "db", 1, 30 * GIB, body), 0, "%s", w.err.text);
	doc = world_doc(&w, "resource/db");
	for (size_t i = 0; i < 2; i++)
		cr_expect_str_eq(
			jget_str(jget(json_object_array_get_idx(jget(doc, "volumes"), i), "props"),
				 "Aux/x", ""),
			"1");
	json_object_put(doc);
	cr_expect_eq(world_resource(&w, "db").volume[1].size_kib, 30 * GIB);
	json_object_put(body);
	world_close(&w);
}

Test(change_volume, nothing_to_do_when_the_size_is_the_same)
{
	struct txn *t = world_txn();
	struct world w;

	start(&w, 1);
	cr_expect_eq(change_volume_modify(&w.env, t, "db", 0, 10 * GIB, NULL, &w.err), 0);
	cr_expect(txn_is_empty(t));
	txn_free(t);
	world_close(&w);
}

Test(change_volume, room_in_every_pool)
{
	struct world w;

	start(&w, 3);
	world_report(&w, "n2", "ssd", 20 * GIB, 20 * GIB); /* 40 GiB may be promised */
	world_report(&w, "n3", "ssd", 3 * GIB, 100 * GIB); /* less than 5 % free */
	cr_expect_eq(grow(&w, 0, 50 * GIB), -ENOSPC);
	cr_expect_str_eq(w.err.text,
			 "resource db: not every pool with a copy has room: n2/ssd: 40.00 GiB "
			 "wanted, 30.00 GiB free to promise (10.00 GiB promised of 2.0 x 20.00 "
			 "GiB); n3/ssd: 97 % full (97.00 GiB of 100.00 GiB), "
			 "nothing new from 95 % on; n1/ssd: has room");
	cr_expect_eq(create(&w, -1, 40 * GIB), -ENOSPC);
	cr_expect(world_says(&w, "n2/ssd: 40.00 GiB wanted"), "%s", w.err.text);
	cr_expect_eq(world_resource(&w, "db").n_volumes, 1);
	world_report(&w, "n3", "ssd", 100 * GIB, 100 * GIB);
	/* 30 GiB more would fit without the metadata of the replication */
	cr_expect_eq(grow(&w, 0, 40 * GIB), -ENOSPC);
	cr_expect_eq(grow(&w, 0, 39 * GIB), 0, "29 more: %s", w.err.text);
	/* who is away is not asked, nor counted against */
	w.env.mono_ms += OBSERVED_STALE_MS;
	world_report(&w, "n1", "ssd", 100 * GIB, 100 * GIB);
	cr_expect_eq(grow(&w, 0, 60 * GIB), 0, "%s", w.err.text);
	cr_expect_eq(grow(&w, 0, 300 * GIB), -ENOSPC);
	cr_expect(world_says(&w, "n2/ssd: not known at present"), "%s", w.err.text);
	world_check(&w);
	world_close(&w);
}

Test(change_volume, two_that_grow_in_one_pool_conflict)
{
	const int64_t size = GIB;
	struct txn *a, *b;
	struct world w;

	start(&w, 1);
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "other", &size, 1, false, NULL,
			   &(struct change_place){ .copies = 1 }),
		     0);
	a = world_txn();
	b = world_txn();
	cr_assert_eq(change_volume_modify(&w.env, a, "db", 0, 150 * GIB, NULL, &w.err), 0);
	cr_assert_eq(change_volume_modify(&w.env, b, "other", 0, 150 * GIB, NULL, &w.err), 0);
	cr_expect_eq(world_apply(&w, a), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, b), TXN_CONFLICT);
	cr_expect_eq(WORLD(&w, change_volume_modify, "other", 0, 150 * GIB, NULL), -ENOSPC);
	world_check(&w);
	world_close(&w);
}

Test(change_volume, in_use)
{
	struct record next = { .epoch = 2, .writer = 0, .in_sync = 3 }, present;
	struct world w;

	start(&w, 2);
	cr_assert_eq(create(&w, -1, GIB), 0);
	for (int i = 1; i <= 2; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		cr_assert_eq(WORLD(&w, change_replica_created, "db", name, replica(&w, name).uuid,
				   0, ""),
			     0);
	}
	cr_assert_eq(WORLD(&w, change_record, "db", world_resource(&w, "db").uuid, &next, &present),
		     0, "%s", w.err.text);
	world_report_open(&w, "n1", "db", true);
	cr_expect_eq(delete (&w, 1), -E_IN_USE);
	cr_expect(world_says(&w, "open on n1: close it there first"), "%s", w.err.text);
	cr_expect_eq(create(&w, -1, GIB), 0, "one more can come all the same: %s", w.err.text);
	world_report_open(&w, "n1", "db", false);
	cr_expect_eq(delete (&w, 1), 0, "%s", w.err.text);
	observed_clear(w.observed);
	observed_begin(w.observed, w.env.mono_ms);
	cr_expect_eq(delete (&w, 2), -EAGAIN, "a new leader waits for the reports");
	world_close(&w);
}

/* as an older version wrote it: a volume 0 without a uuid */
Test(change_volume, of_an_older_version)
{
	struct txn *t = world_txn();
	struct resource r;
	struct world w;
	json *doc, *v;

	start(&w, 1);
	doc = world_doc(&w, "resource/db");
	v = json_object_array_get_idx(jget(doc, "volumes"), 0);
	json_object_object_del(v, "uuid");
	txn_put(t, "resource/db", doc);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	r = world_resource(&w, "db");
	cr_expect_str_eq(r.volume[0].uuid, r.uuid);
	cr_expect_eq(grow(&w, 0, 20 * GIB), 0);
	cr_expect_eq(create(&w, -1, GIB), 0);
	cr_expect_str_eq(world_resource(&w, "db").volume[0].uuid, r.uuid, "and it stays that");
	cr_expect_eq(delete (&w, 1), 0);
	cr_expect_eq(delete (&w, 0), 0);
	world_check(&w);
	world_close(&w);
}

/* of a definition, its group and the controller */
static struct policy of(json *props, json *group, json *controller)
{
	struct props_chain c = { { NULL } };

	c.level[PROPS_RESOURCE_DEFINITION] = props;
	c.level[PROPS_RESOURCE_GROUP] = group;
	c.level[PROPS_CONTROLLER] = controller;
	return policy_of(&c, NULL);
}

Test(change_volume, policies)
{
	static const struct {
		const char *props, *group;
		enum read_policy read;
		bool handover, fine;
	} rows[] = {
		{ "{}", "{}", READ_LOCAL, false, true },
		{ "{\"sds/read-policy\":\"round-robin\"}", "{}", READ_ROUND_ROBIN, false, true },
		{ "{\"sds/read-policy\":\"least-pending\",\"sds/handover\":\"on\"}", "{}",
		  READ_LEAST_PENDING, true, true },
		{ "{\"sds/read-policy\":\"striped\"}", "{\"sds/read-policy\":\"local\"}",
		  READ_STRIPED, false, true },
		{ "{}", "{\"sds/read-policy\":\"striped\",\"sds/handover\":\"on\"}", READ_STRIPED,
		  true, true },
		{ "{\"sds/handover\":\"off\"}", "{\"sds/handover\":\"on\"}", READ_LOCAL, false,
		  true },
		{ "{\"DrbdOptions/Net/allow-two-primaries\":\"yes\"}", "{}", READ_LOCAL, true,
		  true },
		{ "{\"DrbdOptions/Net/allow-two-primaries\":\"no\"}", "{\"sds/handover\":\"on\"}",
		  READ_LOCAL, false, true },
		{ "{\"DrbdOptions/Net/allow-two-primaries\":\"yes\",\"sds/handover\":\"off\"}",
		  "{}", READ_LOCAL, false, true },
		{ "{\"sds/read-policy\":\"fast\"}", "{}", READ_LOCAL, false, false },
		{ "{\"sds/read-policy\":\"\"}", "{}", READ_LOCAL, false, false },
		{ "{\"sds/handover\":\"yes\"}", "{}", READ_LOCAL, false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *props = world_json(rows[i].props), *group = world_json(rows[i].group);
		struct policy p = of(props, group, NULL);
		struct err err = { 0 };

		cr_expect_eq(p.read, rows[i].read, "row %zu", i);
		cr_expect_eq(p.handover, rows[i].handover, "row %zu", i);
		cr_expect_eq(policy_check("resource db", props, &err),
			     rows[i].fine ? 0 : -E_BAD_PROP, "row %zu", i);
		cr_expect(rows[i].fine || strstr(err.text, "possible are"), "%s", err.text);
		json_object_put(props);
		json_object_put(group);
	}
	cr_expect_eq(of(NULL, NULL, NULL).read, READ_LOCAL);
}

Test(change_volume, what_is_copied)
{
	static const struct {
		const char *props, *group;
		enum copy_writes copy;
		bool fine;
	} rows[] = {
		{ "{}", "{}", COPY_ALWAYS, true },
		{ "{\"sds/copy-writes\":\"direct\"}", "{\"sds/copy-writes\":\"never\"}",
		  COPY_DIRECT, true },
		{ "{}", "{\"sds/copy-writes\":\"never\"}", COPY_NEVER, true },
		{ "{\"sds/copy-writes\":\"sometimes\"}", "{}", COPY_ALWAYS, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *props = world_json(rows[i].props), *group = world_json(rows[i].group);
		struct err err = { 0 };

		cr_expect_eq(of(props, group, NULL).copy_writes, rows[i].copy, "row %zu", i);
		cr_expect_eq(policy_check("resource db", props, &err),
			     rows[i].fine ? 0 : -E_BAD_PROP, "row %zu", i);
		cr_expect(rows[i].fine || strstr(err.text, "direct and never"), "%s", err.text);
		json_object_put(props);
		json_object_put(group);
	}
}

Test(change_volume, what_is_discarded_under_encryption)
{
	json *on = world_json("{\"sds/luks-discards\":\"on\"}");
	json *off = world_json("{\"sds/luks-discards\":\"off\"}");
	json *odd = world_json("{\"sds/luks-discards\":\"yes\"}");
	struct err err;

	cr_expect_not(of(NULL, NULL, NULL).luks_discards, "it tells which blocks are in use");
	cr_expect(of(on, off, NULL).luks_discards);
	cr_expect(of(NULL, on, NULL).luks_discards);
	cr_expect_not(of(off, on, NULL).luks_discards);
	cr_expect_eq(policy_check("resource db", on, &err), 0);
	cr_expect_eq(policy_check("resource db", odd, &err), -E_BAD_PROP);
	json_object_put(on);
	json_object_put(off);
	json_object_put(odd);
}

Test(change_volume, how_long_it_freezes_and_how_often)
{
	static const struct {
		const char *props, *group;
		int freeze_ms, keep;
		int64_t every_s;
		bool fine;
	} rows[] = {
		{ "{}", "{}", FREEZE_MS_DEFAULT, 10, 0, true },
		{ "{\"sds/freeze-ms\":\"100\"}", "{\"sds/freeze-ms\":\"10000\"}", 100, 10, 0,
		  true },
		{ "{}", "{\"sds/freeze-ms\":\"10000\"}", 10000, 10, 0, true },
		{ "{\"sds/freeze-ms\":\"99\"}", "{}", FREEZE_MS_DEFAULT, 10, 0, false },
		{ "{\"sds/freeze-ms\":\"10001\"}", "{}", FREEZE_MS_DEFAULT, 10, 0, false },
		{ "{\"sds/freeze-ms\":\"2s\"}", "{}", FREEZE_MS_DEFAULT, 10, 0, false },
		{ "{\"sds/snapshot-every\":\"1h\",\"sds/snapshot-keep\":\"3\"}", "{}",
		  FREEZE_MS_DEFAULT, 3, 3600, true },
		{ "{\"sds/snapshot-every\":\"off\"}", "{\"sds/snapshot-every\":\"1h\"}",
		  FREEZE_MS_DEFAULT, 10, 0, true },
		{ "{}", "{\"sds/snapshot-every\":\"1d\",\"sds/snapshot-keep\":\"7\"}",
		  FREEZE_MS_DEFAULT, 7, 86400, true },
		{ "{\"sds/snapshot-every\":\"1s\"}", "{}", FREEZE_MS_DEFAULT, 10, 0, false },
		{ "{\"sds/snapshot-keep\":\"0\"}", "{}", FREEZE_MS_DEFAULT, 10, 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *props = world_json(rows[i].props), *group = world_json(rows[i].group);
		struct policy p = of(props, group, NULL);
		struct err err = { 0 };

		cr_expect_eq(p.freeze_ms, rows[i].freeze_ms, "row %zu", i);
		cr_expect_eq(p.snapshot_every_s, rows[i].every_s, "row %zu", i);
		cr_expect_eq(p.snapshot_keep, rows[i].keep, "row %zu", i);
		cr_expect_eq(policy_check("resource db", props, &err),
			     rows[i].fine ? 0 : -E_BAD_PROP, "row %zu", i);
		cr_expect(rows[i].fine || strstr(err.text, "possible are"), "%s", err.text);
		json_object_put(props);
		json_object_put(group);
	}
}

/* what a level cannot mean counts as not said there */
Test(change_volume, policies_are_inherited)
{
	static const struct {
		const char *props, *group, *controller;
		enum read_policy read;
		int freeze_ms;
		bool handover;
	} rows[] = {
		{ "{}", "{}", "{\"sds/read-policy\":\"striped\",\"sds/freeze-ms\":\"500\"}",
		  READ_STRIPED, 500, false },
		{ "{}", "{\"sds/read-policy\":\"local\"}",
		  "{\"sds/read-policy\":\"striped\",\"sds/handover\":\"on\"}", READ_LOCAL,
		  FREEZE_MS_DEFAULT, true },
		{ "{\"sds/read-policy\":\"fast\",\"sds/freeze-ms\":\"x\"}", "{}",
		  "{\"sds/read-policy\":\"striped\",\"sds/freeze-ms\":\"500\"}", READ_STRIPED, 500,
		  false },
		{ "{\"sds/handover\":\"off\"}", "{\"sds/handover\":\"on\"}",
		  "{\"DrbdOptions/Net/allow-two-primaries\":\"yes\"}", READ_LOCAL,
		  FREEZE_MS_DEFAULT, false },
		{ "{}", "{}", "{\"DrbdOptions/Net/allow-two-primaries\":\"yes\"}", READ_LOCAL,
		  FREEZE_MS_DEFAULT, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *props = world_json(rows[i].props), *group = world_json(rows[i].group);
		json *controller = world_json(rows[i].controller);
		struct policy p = of(props, group, controller);

		cr_expect_eq(p.read, rows[i].read, "row %zu", i);
		cr_expect_eq(p.freeze_ms, rows[i].freeze_ms, "row %zu", i);
		cr_expect_eq(p.handover, rows[i].handover, "row %zu", i);
		json_object_put(props);
		json_object_put(group);
		json_object_put(controller);
	}
}

Test(change_volume, policies_are_checked_where_they_are_set)
{
	json *bad = world_json("{\"override_props\":{\"sds/read-policy\":\"fast\"}}");
	json *props = world_json("{\"sds/read-policy\":\"fast\"}");
	struct world w;

	start(&w, 1);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", bad), -E_BAD_PROP);
	cr_expect(world_says(&w, "local, round-robin, least-pending and striped"), "%s",
		  w.err.text);
	cr_expect_eq(WORLD(&w, change_group_modify, GROUP_DEFAULT, bad, NULL), -E_BAD_PROP);
	cr_expect_eq(WORLD(&w, change_resource_create, "x1", NULL, LAYERS_UNSAID, props),
		     -E_BAD_PROP);
	json_object_put(props);
	json_object_put(bad);
	world_close(&w);
}
