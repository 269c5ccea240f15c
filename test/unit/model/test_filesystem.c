// SPDX-License-Identifier: GPL-2.0-or-later
/* test_filesystem.c - when a volume is to be born with a file system, who makes it, and that it is
 * made once. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

TestSuite(filesystem);

#define SIZE_KIB (1ll << 20)

static int refused(const char *props, const char *part)
{
	json *doc = world_json(props);
	struct err err = { 0 };
	int rv = filesystem_check("volume db/0", doc, &err);

	json_object_put(doc);
	if (rv < 0)
		cr_expect(strstr(err.text, part), "%s: %s", props, err.text);
	return rv;
}

Test(filesystem, values, .fini = world_no_leaks)
{
	char text[400];

	cr_expect_eq(refused("{\"FileSystem/Type\":\"ext4\"}", ""), 0);
	cr_expect_eq(refused("{\"FileSystem/Type\":\"xfs\",\"FileSystem/MkfsParams\":\"-m crc=1 "
			     "-L a_b\",\"FileSystem/User\":\"postgres\",\"FileSystem/Group\":99}",
			     ""),
		     0);
	cr_expect_eq(refused("{\"FileSystem/Type\":\"btrfs\"}", "ext4 and xfs"), -E_BAD_PROP);
	cr_expect_eq(refused("{\"FileSystem/Type\":\"\"}", "ext4 and xfs"), -E_BAD_PROP);
	cr_expect_eq(refused("{\"FileSystem/MkfsParams\":\"-l logdev=/dev/sda\"}", "MkfsParams"),
		     -E_BAD_PROP);
	cr_expect_eq(refused("{\"FileSystem/MkfsParams\":\"-J device=UUID=1\"}", "no other device"),
		     -E_BAD_PROP);
	cr_expect_eq(refused("{\"FileSystem/MkfsParams\":\"-d name=x\"}", "no other device"),
		     -E_BAD_PROP);
	cr_expect_eq(refused("{\"FileSystem/MkfsParams\":\"-L a;b\"}", "MkfsParams"), -E_BAD_PROP);
	cr_expect_eq(refused("{\"FileSystem/User\":\"-1\"}", "FileSystem/User"), -E_BAD_PROP);
	cr_expect_eq(refused("{\"FileSystem/Group\":\"a b\"}", "FileSystem/Group"), -E_BAD_PROP);
	/* the limits, and one more */
	for (int more = 0; more < 2; more++) {
		snprintf(text, sizeof(text), "{\"FileSystem/MkfsParams\":%s}",
			 world_long('a', FILESYSTEM_PARAMS_MAX + more));
		cr_expect_eq(refused(text, "200 bytes"), more ? -E_BAD_PROP : 0);
		snprintf(text, sizeof(text), "{\"FileSystem/User\":%s}",
			 world_long('u', FILESYSTEM_OWNER_MAX + more));
		cr_expect_eq(refused(text, "32 letters"), more ? -E_BAD_PROP : 0);
	}
}

static struct filesystem of(struct world *w, const char *name, int number)
{
	char key[STORE_KEY_MAX];
	struct resource r = { 0 };
	json *doc;

	resource_key(name, key, sizeof(key));
	doc = world_doc(w, key);
	cr_assert_eq(resource_parse(doc, &r, &w->err), 0, "%s", w->err.text);
	json_object_put(doc);
	cr_assert(resource_volume(&r, number));
	return resource_volume(&r, number)->filesystem;
}

static const char *uuid_of(struct world *w, int number)
{
	static char uuid[37];
	struct resource r = { 0 };
	json *doc = world_doc(w, "resource/db");

	cr_assert_eq(resource_parse(doc, &r, &w->err), 0, "%s", w->err.text);
	json_object_put(doc);
	memcpy(uuid, resource_volume(&r, number)->uuid, sizeof(uuid));
	return uuid;
}

/* db with one volume and copies on n1 and n2, which the group's properties are for */
static void start(struct world *w, const char *group_props)
{
	json *body;
	char text[300];
	int64_t size = SIZE_KIB;

	world_cluster(w, 3);
	snprintf(text, sizeof(text), "{\"override_props\":%s}", group_props);
	body = world_json(text);
	cr_assert_eq(WORLD(w, change_group_modify, GROUP_DEFAULT, body, NULL), 0, "%s",
		     w->err.text);
	json_object_put(body);
	cr_assert_eq(WORLD(w, change_spawn, GROUP_DEFAULT, "db", &size, 1, false, NULL, NULL), 0,
		     "%s", w->err.text);
}

static int slot_of(struct world *w, const char *node)
{
	char key[STORE_KEY_MAX];
	struct replica r;
	json *doc;

	replica_key("db", node, key, sizeof(key));
	doc = world_doc(w, key);
	cr_assert_eq(replica_parse(doc, &r, &w->err), 0, "%s", w->err.text);
	json_object_put(doc);
	return r.slot;
}

/* the files of all copies are made; the node of the first copy, and of the other */
static void made(struct world *w, const char **ret_first, const char **ret_other)
{
	static const char *const nodes[] = { "n1", "n2", "n3" };

	for (int i = 0; i < 3; i++) {
		char key[STORE_KEY_MAX];
		json *doc;

		replica_key("db", nodes[i], key, sizeof(key));
		doc = world_doc(w, key);
		if (!doc)
			continue;
		cr_assert_eq(WORLD(w, change_replica_created, "db", nodes[i],
				   jget_str(doc, "uuid", ""), 0, ""),
			     0, "%s", w->err.text);
		json_object_put(doc);
		if (slot_of(w, nodes[i]) == 0)
			*ret_first = nodes[i];
		else
			*ret_other = nodes[i];
	}
}

static int open_on(struct world *w, const char *node)
{
	struct record next = world_record(w, "db"), present;
	json *doc = world_doc(w, "resource/db");
	char uuid[37];

	snprintf(uuid, sizeof(uuid), "%s", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	next.epoch++;
	next.writer = node ? slot_of(w, node) : WRITER_NONE;
	return WORLD(w, change_record, "db", uuid, &next, &present);
}

Test(filesystem, once)
{
	const char *first = NULL, *other = NULL;
	struct filesystem f;
	struct world w;

	start(&w, "{\"FileSystem/Type\":\"ext4\",\"FileSystem/User\":\"1000\"}");
	made(&w, &first, &other);
	cr_assert(first && other);
	f = of(&w, "db", 0);
	cr_expect_eq(f.type, FILESYSTEM_EXT4);
	cr_expect(filesystem_is_wanted(&f) && !f.begun);
	cr_expect_str_eq(f.user, "1000");
	cr_expect_eq(f.since_ms, w.env.now_ms);
	/* not before it is open there, and nobody else opens it */
	cr_expect_eq(WORLD(&w, change_filesystem_begin, "db", first, 0, uuid_of(&w, 0)), -E_IN_USE);
	cr_expect_eq(open_on(&w, other), -E_IN_USE);
	cr_expect(world_says(&w, "being made on another node"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_filesystem_done, "db", 0, uuid_of(&w, 0), NULL), -E_IN_USE);
	cr_assert_eq(open_on(&w, first), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_filesystem_begin, "db", other, 0, uuid_of(&w, 0)), -E_IN_USE);
	cr_expect_eq(WORLD(&w, change_filesystem_begin, "db", first, 0, "x"), -E_NOT_FOUND);
	w.env.now_ms += 1000;
	cr_assert_eq(WORLD(&w, change_filesystem_begin, "db", first, 0, uuid_of(&w, 0)), 0, "%s",
		     w.err.text);
	f = of(&w, "db", 0);
	cr_expect(filesystem_is_wanted(&f) && f.begun);
	cr_expect_eq(f.since_ms, w.env.now_ms);
	cr_expect_eq(open_on(&w, other), -E_IN_USE);
	cr_assert_eq(open_on(&w, NULL), 0, "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_filesystem_done, "db", 0, uuid_of(&w, 0), NULL), 0, "%s",
		     w.err.text);
	cr_expect_eq(of(&w, "db", 0).state, FILESYSTEM_MADE);
	/* that is final */
	cr_expect_eq(open_on(&w, other), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_filesystem_begin, "db", other, 0, uuid_of(&w, 0)), -E_IN_USE);
	cr_expect_eq(WORLD(&w, change_filesystem_done, "db", 0, uuid_of(&w, 0), "late"), 0);
	cr_expect_eq(of(&w, "db", 0).state, FILESYSTEM_MADE);
	world_check(&w);
	world_close(&w);
}

/* the node that was to make it is away: others wait for so long and no longer */
Test(filesystem, gate_opens)
{
	const char *first = NULL, *other = NULL;
	struct world w;

	start(&w, "{\"FileSystem/Type\":\"xfs\"}");
	made(&w, &first, &other);
	w.env.now_ms += FILESYSTEM_GATE_MS - 1;
	cr_expect_eq(open_on(&w, other), -E_IN_USE);
	w.env.now_ms += 1;
	cr_assert_eq(open_on(&w, other), 0, "%s", w.err.text);
	cr_expect_eq(of(&w, "db", 0).state, FILESYSTEM_FAILED);
	cr_expect(strstr(of(&w, "db", 0).error, "not made in time"));
	/* and it is never made over what they write */
	cr_assert_eq(open_on(&w, first), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_filesystem_begin, "db", first, 0, uuid_of(&w, 0)), -E_IN_USE);
	world_close(&w);
}

Test(filesystem, failed)
{
	const char *first = NULL, *other = NULL;
	char text[FILESYSTEM_ERROR_MAX + 100];
	struct world w;

	start(&w, "{\"FileSystem/Type\":\"xfs\"}");
	made(&w, &first, &other);
	memset(text, 'e', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cr_assert_eq(WORLD(&w, change_filesystem_done, "db", 0, uuid_of(&w, 0), text), 0, "%s",
		     w.err.text);
	cr_expect_eq(of(&w, "db", 0).state, FILESYSTEM_FAILED);
	cr_expect_eq(strlen(of(&w, "db", 0).error), FILESYSTEM_ERROR_MAX);
	cr_expect_eq(open_on(&w, other), 0, "%s", w.err.text);
	world_close(&w);
}

/* the nearest value counts; a volume that comes later gets its own; none asked for, none wanted */
Test(filesystem, inherited)
{
	json *props = world_json("{\"FileSystem/Type\":\"xfs\"}"), *plain = world_json("{}"), *body;
	struct world w;
	int number;

	start(&w, "{\"FileSystem/Type\":\"ext4\"}");
	cr_expect_eq(of(&w, "db", 0).type, FILESYSTEM_EXT4);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, SIZE_KIB, props, &number), 0, "%s",
		     w.err.text);
	cr_expect_eq(of(&w, "db", number).type, FILESYSTEM_XFS);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, SIZE_KIB, plain, &number), 0, "%s",
		     w.err.text);
	cr_expect_eq(of(&w, "db", number).type, FILESYSTEM_EXT4);
	/* without a copy there is nothing to make it on yet: what counts is what is said then */
	cr_assert_eq(WORLD(&w, change_resource_create, "late", NULL, LAYERS_UNSAID, NULL), 0, "%s",
		     w.err.text);
	cr_assert_eq(WORLD(&w, change_volume_create, "late", 0, SIZE_KIB, NULL, &number), 0);
	cr_expect_eq(of(&w, "late", 0).type, FILESYSTEM_NONE);
	body = world_json("{\"override_props\":{\"FileSystem/Type\":\"xfs\"}}");
	cr_assert_eq(WORLD(&w, change_resource_modify, "late", body), 0, "%s", w.err.text);
	json_object_put(body);
	cr_assert_eq(WORLD(&w, change_replica_create, "late", "n2", "ssd", false), 0, "%s",
		     w.err.text);
	cr_expect_eq(of(&w, "late", 0).type, FILESYSTEM_XFS);
	/* refused where it is said */
	body = world_json("{\"override_props\":{\"FileSystem/Type\":\"ntfs\"}}");
	cr_expect_eq(WORLD(&w, change_volume_modify, "db", 0, 0, body), -E_BAD_PROP);
	cr_expect_eq(WORLD(&w, change_resource_modify, "db", body), -E_BAD_PROP);
	cr_expect_eq(WORLD(&w, change_group_modify, GROUP_DEFAULT, body, NULL), -E_BAD_PROP);
	cr_expect_eq(WORLD(&w, change_controller_modify, body), -E_BAD_PROP);
	json_object_put(body);
	body = world_json("{\"props\":{\"FileSystem/Type\":\"ntfs\"}}");
	cr_expect_eq(WORLD(&w, change_volume_group_create, GROUP_DEFAULT, body, &number),
		     -E_BAD_PROP);
	cr_expect_eq(WORLD(&w, change_volume_create, "db", -1, SIZE_KIB, jget(body, "props"),
			   &number),
		     -E_BAD_PROP);
	json_object_put(body);
	json_object_put(plain);
	json_object_put(props);
	world_check(&w);
	world_close(&w);
}

/* what was adopted has its content, whatever the group says */
Test(filesystem, none_over_content)
{
	static const struct volume_adopted lv = { .lv = "data", .size_kib = 40 * 1024 };
	struct world w;

	start(&w, "{\"FileSystem/Type\":\"ext4\"}");
	world_add_pool(&w, "n1", "group", POOL_LVM);
	cr_assert_eq(WORLD(&w, change_adopt, "old", NULL, "n1", "group", &lv), 0, "%s", w.err.text);
	cr_expect_eq(of(&w, "old", 0).type, FILESYSTEM_NONE);
	world_close(&w);
}

/* the lowest slot whose node serves a copy */
Test(filesystem, maker, .fini = world_no_leaks)
{
	struct replica r[4] = {
		{ .slot = 3 },
		{ .slot = 0, .diskless = true },
		{ .slot = 2, .quarantined = true },
		{ .slot = 1, .deleting = true },
	};

	cr_expect_eq(filesystem_maker(r, 4), 3);
	r[2].quarantined = false;
	cr_expect_eq(filesystem_maker(r, 4), 2);
	r[2].inactive = r[0].inactive = true;
	cr_expect_eq(filesystem_maker(r, 4), -1);
	cr_expect_eq(filesystem_maker(r, 0), -1);
}
