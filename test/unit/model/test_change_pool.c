// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_pool.c - pools that sdsd makes of devices: tasks in their documents
 * (model/change_pool.c, pool_task.c) and what placement makes of them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/pool_task.h"
#include "support/modelworld.h"

TestSuite(change_pool);

static struct pool_task task_of(enum pool_task_kind kind, const char *a, const char *b)
{
	struct pool_task t = { .kind = kind };

	if (a)
		cr_assert_eq(pool_task_add(&t, a, NULL), 0);
	if (b)
		cr_assert_eq(pool_task_add(&t, b, NULL), 0);
	return t;
}

static int make(struct world *w, const char *name, enum pool_kind kind, const char *a,
		const char *b)
{
	struct pool p = { .node = "n1", .kind = kind };
	struct pool_task t = task_of(TASK_MAKE, a, b);

	snprintf(p.name, sizeof(p.name), "%s", name);
	return WORLD(w, change_pool_make, &p, NULL, &t);
}

static struct pool_task task_there(struct world *w, const char *key)
{
	json *doc = world_doc(w, key);
	struct pool_task t;

	cr_assert(doc);
	cr_assert_eq(pool_task_parse(doc, &t, NULL), 0);
	json_object_put(doc);
	return t;
}

static void done(struct world *w, const char *name)
{
	char key[128];
	struct pool_task t;

	snprintf(key, sizeof(key), "pool/n1/%s", name);
	t = task_there(w, key);
	cr_assert_eq(WORLD(w, change_pool_done, "n1", name, t.uuid), 0, "%s", w->err.text);
}

/* "a b" */
static void has(struct world *w, const char *name, const char *devices)
{
	char key[128], text[512] = "";
	json *doc, *list;

	snprintf(key, sizeof(key), "pool/n1/%s", name);
	doc = world_doc(w, key);
	list = jget(doc, "devices");
	cr_assert(json_object_is_type(list, json_type_array));
	for (size_t i = 0; i < json_object_array_length(list); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 json_object_get_string(json_object_array_get_idx(list, i)));
	cr_expect_str_eq(text, devices);
	json_object_put(doc);
}

Test(change_pool, life)
{
	struct pool_task t;
	struct pool p;
	struct world w;
	json *doc;

	world_start(&w);
	cr_assert_eq(make(&w, "ssd", POOL_LVM_THIN, "/dev/sdb", "/dev/sdc"), 0, "%s", w.err.text);
	doc = world_doc(&w, "pool/n1/ssd");
	cr_assert_eq(pool_parse(doc, &p, NULL), 0);
	json_object_put(doc);
	cr_expect_str_eq(p.source, "sdsd_ssd/thin");
	cr_expect(p.ours && p.task == TASK_MAKE);
	t = task_there(&w, "pool/n1/ssd");
	cr_expect(t.n == 2 && !t.wipe);
	cr_expect_str_eq(t.device[1], "/dev/sdc");
	has(&w, "ssd", "");

	t = task_of(TASK_EXTEND, "/dev/sdd", NULL);
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), -E_IN_USE);
	cr_expect(world_says(&w, "still being made"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_pool_done, "n1", "ssd",
			   "11111111-1111-4111-8111-111111111111"),
		     -E_NOT_FOUND);
	done(&w, "ssd");
	has(&w, "ssd", "/dev/sdb /dev/sdc");

	cr_assert_eq(WORLD(&w, change_pool_task, "N1", "SSD", &t), 0, "%s", w.err.text);
	t = task_of(TASK_EXTEND, "/dev/sde", NULL); /* the other was a mistake */
	cr_assert_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), 0, "%s", w.err.text);
	done(&w, "ssd");
	has(&w, "ssd", "/dev/sdb /dev/sdc /dev/sde");

	t = task_of(TASK_REPLACE, "/dev/sdf", NULL);
	snprintf(t.old, sizeof(t.old), "/dev/sdc");
	cr_assert_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), 0, "%s", w.err.text);
	t = task_there(&w, "pool/n1/ssd");
	cr_expect_str_eq(t.old, "/dev/sdc");
	done(&w, "ssd");
	has(&w, "ssd", "/dev/sdb /dev/sde /dev/sdf");
	cr_expect_eq(WORLD(&w, change_pool_done, "n1", "ssd", t.uuid), -E_NOT_FOUND, "told twice");

	cr_assert_eq(WORLD(&w, change_pool_destroy, "n1", "ssd"), 0, "%s", w.err.text);
	t = task_of(TASK_EXTEND, "/dev/sdg", NULL);
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), -E_IN_USE);
	cr_assert_eq(WORLD(&w, change_pool_destroy, "n1", "ssd"), 0, "again: nothing to do");
	done(&w, "ssd");
	cr_expect_eq(world_count(&w, "pool/"), 0);
	world_close(&w);
}

Test(change_pool, refused)
{
	struct pool theirs = { .node = "n1", .name = "old", .kind = POOL_LVM, .source = "vg0" };
	struct pool_task t = task_of(TASK_EXTEND, "/dev/sdx", NULL);
	struct world w;

	world_start(&w);
	cr_expect_eq(make(&w, "ssd", POOL_FILE, "/dev/sdb", NULL), -E_INVALID);
	cr_expect(world_says(&w, "not made of devices"), "%s", w.err.text);
	cr_expect_eq(make(&w, "ssd", POOL_LVM, NULL, NULL), -E_INVALID);
	cr_expect(world_says(&w, "no device is named"), "%s", w.err.text);
	cr_expect_eq(make(&w, "ssd", POOL_LVM, "sdb", NULL), -E_INVALID);
	cr_expect_eq(make(&w, "ssd", POOL_LVM, "/dev/", NULL), -E_INVALID);
	cr_expect_eq(make(&w, "ssd", POOL_LVM, "/dev/../etc/x", NULL), -E_INVALID);
	cr_expect_eq(make(&w, "ssd", POOL_LVM, "/dev/s b", NULL), -E_INVALID);
	cr_expect_eq(make(&w, "ssd", POOL_LVM, "/dev/sdb", "/dev/sdb"), -E_INVALID);
	cr_expect(world_says(&w, "named twice"), "%s", w.err.text);
	cr_assert_eq(make(&w, "ssd", POOL_LVM, "/dev/sdb", NULL), 0, "%s", w.err.text);
	cr_expect_eq(make(&w, "hdd", POOL_LVM, "/dev/sdb", NULL), -E_EXISTS);
	cr_expect(world_says(&w, "/dev/sdb: it belongs to pool n1/ssd"), "%s", w.err.text);
	done(&w, "ssd");
	cr_expect_eq(make(&w, "hdd", POOL_LVM, "/dev/sdc", "/dev/sdb"), -E_EXISTS);
	snprintf(t.old, sizeof(t.old), "/dev/sdx");
	t.kind = TASK_REPLACE;
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), -E_INVALID);
	cr_expect(world_says(&w, "replaced by itself"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "none", &t), -E_NOT_FOUND);

	cr_assert_eq(WORLD(&w, change_pool_create, &theirs, NULL), 0, "%s", w.err.text);
	t.kind = TASK_EXTEND;
	t.old[0] = '\0';
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "old", &t), -E_INVALID);
	cr_expect(world_says(&w, "not made by sdsd"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_pool_destroy, "n1", "old"), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "old"), 0, "%s", w.err.text);
	world_close(&w);
}

/* a zpool of its own; a disk of it only ZFS replaces */
Test(change_pool, zpool)
{
	struct pool_task t;
	struct pool p;
	struct world w;
	json *doc;

	world_start(&w);
	cr_assert_eq(make(&w, "ssd", POOL_ZFS_THIN, "/dev/sdb", NULL), 0, "%s", w.err.text);
	doc = world_doc(&w, "pool/n1/ssd");
	cr_assert_eq(pool_parse(doc, &p, NULL), 0);
	json_object_put(doc);
	cr_expect_str_eq(p.source, "sdsd_ssd");
	done(&w, "ssd");
	t = task_of(TASK_REPLACE, "/dev/sdf", NULL);
	snprintf(t.old, sizeof(t.old), "/dev/sdb");
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), -E_INVALID);
	cr_expect(world_says(&w, "zpool replace sdsd_ssd"), "%s", w.err.text);
	t = task_of(TASK_EXTEND, "/dev/sdc", NULL);
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), 0, "%s", w.err.text);
	world_close(&w);
}

Test(change_pool, limits)
{
	struct pool_task t = { .kind = TASK_MAKE };
	char path[DEVICE_LEN_MAX + 2];

	for (int i = 0; i < POOL_DEVICES_MAX; i++) {
		snprintf(path, sizeof(path), "/dev/sd%d", i);
		cr_assert_eq(pool_task_add(&t, path, NULL), 0);
	}
	cr_expect_eq(pool_task_check(&t, NULL), 0);
	cr_expect_eq(pool_task_add(&t, "/dev/one", NULL), -E_INVALID);
	t.n = 0;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	cr_expect_eq(pool_task_add(&t, path, NULL), -E_INVALID);
}

/* One that failed can be deleted, and one with copies cannot be destroyed. */
Test(change_pool, placement)
{
	struct change_place place = { .copies = 1, .nodes = { "n1" }, .n_nodes = 1 };
	int64_t size[] = { GIB };
	struct world w;

	world_start(&w);
	cr_assert_eq(make(&w, "ssd", POOL_LVM_THIN, "/dev/sdb", NULL), 0, "%s", w.err.text);
	world_report(&w, "n1", "ssd", 100 * GIB, 100 * GIB); /* it knows better than the store */
	cr_expect_eq(WORLD(&w, change_spawn, "DfltRscGrp", "db", size, 1, false, NULL, &place),
		     -E_NO_NODES);
	cr_expect(world_says(&w, "still being made"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_pool_delete, "n1", "ssd"), 0, "%s", w.err.text);
	cr_assert_eq(make(&w, "ssd", POOL_LVM_THIN, "/dev/sdb", NULL), 0, "%s", w.err.text);
	done(&w, "ssd");
	cr_assert_eq(WORLD(&w, change_spawn, "DfltRscGrp", "db", size, 1, false, NULL, &place), 0,
		     "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_pool_destroy, "n1", "ssd"), -E_IN_USE);
	world_check(&w);
	world_close(&w);
}

/* What the node has reported of a device is answered at once. */
Test(change_pool, reported)
{
	struct pool p = { .node = "n1", .name = "ssd", .kind = POOL_LVM };
	struct pool_task t = task_of(TASK_MAKE, "/dev/disk/by-id/b", NULL);
	struct world w;
	json *doc;

	world_start(&w);
	doc = world_json("{\"node\":\"n1\",\"disks\":["
			 "{\"device\":\"/dev/sda\",\"by_id\":\"\",\"reason\":\"\"},"
			 "{\"device\":\"/dev/sdb\",\"by_id\":\"/dev/disk/by-id/b\","
			 "\"reason\":\"it is not empty: ext4\",\"wipeable\":true},"
			 "{\"device\":\"/dev/sdc\",\"reason\":\"it is mounted at /home\","
			 "\"wipeable\":false}]}");
	cr_assert_eq(observed_report(w.observed, doc, w.env.mono_ms, NULL), 0);
	json_object_put(doc);
	cr_expect_eq(WORLD(&w, change_pool_make, &p, NULL, &t), -E_INVALID);
	cr_expect(world_says(&w, "by-id/b: it is not empty: ext4"), "%s", w.err.text);
	t.wipe = true;
	cr_expect_eq(WORLD(&w, change_pool_make, &p, NULL, &t), 0, "%s", w.err.text);
	done(&w, "ssd");
	t = task_of(TASK_EXTEND, "/dev/sda", "/dev/sdc");
	t.wipe = true;
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), -E_IN_USE);
	cr_expect(world_says(&w, "/dev/sdc: it is mounted at /home"), "%s", w.err.text);
	t = task_of(TASK_EXTEND, "/dev/sda", "/dev/sdz"); /* of that one nothing is known */
	cr_expect_eq(WORLD(&w, change_pool_task, "n1", "ssd", &t), 0, "%s", w.err.text);
	world_close(&w);
}

/* A damaged task is an error where it is read, and no crash. */
Test(change_pool, damaged)
{
	static const char *const rows[] = {
		"{\"task\":7}",
		"{\"task\":{\"kind\":\"paint\"}}",
		"{\"task\":{\"kind\":\"make\",\"uuid\":\"x\"}}",
		"{\"task\":{\"kind\":\"make\",\"uuid\":\"11111111-1111-4111-8111-111111111111\"}}",
		"{\"task\":{\"kind\":\"make\",\"uuid\":\"11111111-1111-4111-8111-111111111111\","
		"\"devices\":[null,7]}}",
	};
	struct pool_task t;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *doc = world_json(rows[i]);

		cr_expect_eq(pool_task_parse(doc, &t, NULL), -E_INVALID, "%s", rows[i]);
		json_object_put(doc);
	}
}

static int modify(struct world *w, const char *name, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_pool_modify, "n1", name, body);

	json_object_put(body);
	return rv;
}

Test(change_pool, properties)
{
	struct world w;
	json *doc;

	world_cluster(&w, 1);
	cr_expect_eq(modify(&w, "SSD", "{\"override_props\":{\"/PrefNic\":\"data\",\"n\":1.5}}"),
		     0);
	/* what it is made of: shown as a property, and none that could change */
	cr_expect_eq(modify(&w, "ssd", "{\"override_props\":{\"StorDriver/StorPoolName\":\"x\"}}"),
		     -E_BAD_PROP);
	cr_expect(world_says(&w, "create another pool"), "%s", w.err.text);
	cr_expect_eq(modify(&w, "ssd", "{\"override_props\":{\"//StorDriver//FileDir\":\"/x\"}}"),
		     -E_BAD_PROP);
	cr_expect_eq(modify(&w, "ssd", "{\"delete_props\":[\"StorDriver/StorPoolName\"]}"),
		     -E_BAD_PROP);
	cr_expect_eq(modify(&w, "ssd", "{\"delete_namespaces\":[\"StorDriver\"]}"), -E_BAD_PROP);
	cr_expect_eq(modify(&w, "ssd", "{\"override_props\":7}"), -E_BAD_PROP);
	cr_expect_eq(modify(&w, "nix", "{}"), -E_NOT_FOUND);
	cr_expect_eq(modify(&w, "ssd", "{\"delete_props\":[\"n\"]}"), 0);
	doc = world_doc(&w, "pool/n1/ssd");
	cr_expect_str_eq(json_text(jget(doc, "props")), "{\"PrefNic\":\"data\"}");
	json_object_put(doc);
	world_close(&w);
}
