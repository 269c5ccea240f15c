// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_parse.c - documents of nodes, pools, resources, records and replicas:
 * each field missing, null, of a wrong type, at and beyond its limits; and that
 * what is written can be read (model/node.c, pool.c, resource.c, field.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

#define UUID "\"33333333-3333-4333-8333-333333333333\""
#define FINGERPRINT "\"00000000000000000000000000000000000000000000000000000000000000aF\""
#define NODE                                                                                  \
	"{\"name\":\"n1\",\"id\":1,\"uuid\":" UUID ",\"address\":\"10.0.0.1\",\"port\":7000," \
	"\"fingerprint\":" FINGERPRINT "}"
#define POOL                                                                                       \
	"{\"node\":\"n1\",\"name\":\"ssd\",\"kind\":\"FILE_THIN\",\"source\":\"/var/lib/sdsd/p\"," \
	"\"uuid\":" UUID "}"
#define VOLUME "{\"number\":0,\"size_kib\":1048576,\"minor\":1000}"
#define RESOURCE                                                                             \
	"{\"name\":\"db\",\"uuid\":" UUID ",\"group\":\"g1\",\"created_ms\":17,\"volumes\":" \
	"[" VOLUME "]}"
#define RECORD                                                                            \
	"{\"uuid\":" UUID ",\"epoch\":1,\"writer\":-1,\"in_sync\":3,\"tag\":{\"node\":0," \
	"\"boot\":\"0\",\"counter\":0}}"
#define REPLICA                                                                                 \
	"{\"resource\":\"db\",\"node\":\"n1\",\"uuid\":" UUID ",\"slot\":0,\"diskless\":false," \
	"\"pool\":\"ssd\",\"created\":true,\"deleting\":false}"

TestSuite(parse, .fini = world_no_leaks);

struct row {
	const char *field;
	const char *value; /* NULL: left out */
	bool good;
};

typedef int (*parse_fn)(json *doc, struct err *err);

static void check_rows(const char *text, const struct row *rows, size_t n, parse_fn parse)
{
	struct err err;

	for (size_t i = 0; i < n; i++) {
		json *doc = world_with(text, rows[i].field, rows[i].value);
		int rv;

		err = (struct err){ 0 };
		rv = parse(doc, &err);
		cr_expect_eq(rv, rows[i].good ? 0 : -E_INVALID, "%s = %.60s: %d %s", rows[i].field,
			     rows[i].value ? rows[i].value : "(missing)", rv, err.text);
		cr_expect_eq(err.text[0] == '\0', rows[i].good, "%s: %s", rows[i].field, err.text);
		json_object_put(doc);
	}
	cr_expect_eq(parse(NULL, &err), -E_INVALID);
	json_object *list = json_object_new_array();
	cr_expect_eq(parse(list, &err), -E_INVALID);
	json_object_put(list);
}

static void check_text(const char *text, const char *field, int longest, parse_fn parse)
{
	struct row rows[] = {
		{ field, NULL, false },   { field, "null", false }, { field, "7", false },
		{ field, "true", false }, { field, "[]", false },   { field, "{}", false },
		{ field, "\"\"", false },
	};
	struct row huge = { field, world_long('a', longest + 1), false };

	check_rows(text, rows, sizeof(rows) / sizeof(rows[0]), parse);
	check_rows(text, &huge, 1, parse);
}

static void check_number(const char *text, const char *field, parse_fn parse)
{
	struct row rows[] = {
		{ field, NULL, false },
		{ field, "null", false },
		{ field, "true", false },
		{ field, "[]", false },
		{ field, "{}", false },
		{ field, "\"x\"", false },
		{ field, "1.5", false },
		{ field, "-2", false },
		{ field, "1e300", false },
		{ field, "9223372036854775807", false },
		{ field, "18446744073709551615", false },
	};

	check_rows(text, rows, sizeof(rows) / sizeof(rows[0]), parse);
}

static int node(json *doc, struct err *err)
{
	struct node n;

	return node_parse(doc, &n, err);
}

Test(parse, node_fields)
{
	static const struct row rows[] = {
		{ "name", "\"N-1\"", true },
		{ "name", "\"1n\"", false },
		{ "id", "\"12\"", true },
		{ "id", "4294967295", true },
		{ "id", "4294967296", false },
		{ "id", "0", false },
		{ "address", "\"fd00::1\"", true },
		{ "address", "\"10.0.0.256\"", false },
		{ "address", "\"host.example\"", false },
		{ "port", "65535", true },
		{ "port", "65536", false },
		{ "port", "0", false },
		{ "uuid", "\"33333333-3333-4333-8333-33333333333\"", false },
		{ "uuid", "\"33333333x3333-4333-8333-333333333333\"", false },
		{ "fingerprint", "\"00\"", false },
		{ "unknown", "{\"kept\":true}", true },
	};

	check_rows(NODE, rows, sizeof(rows) / sizeof(rows[0]), node);
	check_text(NODE, "name", NAME_MAX_LEN, node);
	check_text(NODE, "address", ADDRESS_LEN_MAX - 1, node);
	check_text(NODE, "fingerprint", 64, node);
	check_text(NODE, "uuid", 36, node);
	check_number(NODE, "id", node);
	check_number(NODE, "port", node);
}

static int pool(json *doc, struct err *err)
{
	struct pool p;

	return pool_parse(doc, &p, err);
}

Test(parse, pool_fields)
{
	static const struct row rows[] = {
		{ "kind", "\"FILE\"", true },        { "kind", "\"filethin\"", true },
		{ "kind", "\"File_Thin\"", true },   { "kind", "\"LVM\"", false },
		{ "name", "\"ab\"", false },         { "name", "\"DFLTDISKLESSSTORPOOL\"", false },
		{ "source", "\"relative\"", false }, { "source", "\"/\"", false },
		{ "source", "\"/a/../b\"", false },  { "source", "\"/a/..\"", false },
		{ "source", "\"/a/.\"", false },     { "source", "\"/a//b\"", false },
		{ "source", "\"/a/\"", false },      { "source", "\"/a\\nb\"", false },
		{ "source", "\"/a/..b\"", true },
	};
	char dir[PATH_LEN_MAX + 8];

	check_rows(POOL, rows, sizeof(rows) / sizeof(rows[0]), pool);
	check_text(POOL, "node", NAME_MAX_LEN, pool);
	check_text(POOL, "name", NAME_MAX_LEN, pool);
	check_text(POOL, "kind", 31, pool);
	check_text(POOL, "source", PATH_LEN_MAX - 1, pool);
	check_text(POOL, "uuid", 36, pool);
	snprintf(dir, sizeof(dir), "%s", world_long('a', PATH_LEN_MAX - 1));
	dir[1] = '/';
	check_rows(POOL, &(struct row){ "source", dir, true }, 1, pool);
}

Test(parse, pool_sources)
{
	static const struct {
		enum pool_kind kind;
		const char *source;
		bool fine;
	} rows[] = {
		{ POOL_LVM, "vg0", true },
		{ POOL_LVM, "a+b_c.d-e", true },
		{ POOL_LVM, "", false },
		{ POOL_LVM, "-vg", false },
		{ POOL_LVM, ".", false },
		{ POOL_LVM, "..", false },
		{ POOL_LVM, "/dev/vg0", false },
		{ POOL_LVM, "vg0/thin", false },
		{ POOL_LVM, "vg 0", false },
		{ POOL_LVM_THIN, "vg0/thin", true },
		{ POOL_LVM_THIN, "vg0", false },
		{ POOL_LVM_THIN, "vg0/", false },
		{ POOL_LVM_THIN, "/thin", false },
		{ POOL_LVM_THIN, "vg0/thin/x", false },
		{ POOL_LVM_THIN, "vg0/-x", false },
		{ POOL_FILE, "vg0", false },
		{ POOL_ZFS, "tank", true },
		{ POOL_ZFS_THIN, "tank/sdsd/a_b.c-d:e", true },
		{ POOL_ZFS, "", false },
		{ POOL_ZFS, "/tank", false },
		{ POOL_ZFS, "tank/", false },
		{ POOL_ZFS, "tank//a", false },
		{ POOL_ZFS, "tank/.a", false },
		{ POOL_ZFS, "tank@a", false },
		{ POOL_ZFS, "0tank", false },
		{ POOL_ZFS, "tank/sdsd:new", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pool p = { .node = "n1", .name = "ssd", .kind = rows[i].kind };
		struct err err = { 0 };

		snprintf(p.source, sizeof(p.source), "%s", rows[i].source);
		cr_expect_eq(pool_check(&p, &err), rows[i].fine ? 0 : -E_INVALID, "%s: %s",
			     rows[i].source, err.text);
	}
}

Test(parse, pool_source_length)
{
	struct pool p = { .node = "n1", .name = "ssd", .kind = POOL_LVM };

	memset(p.source, 'v', 127); /* what LVM allows */
	cr_expect_eq(pool_check(&p, NULL), 0);
	p.source[127] = 'v';
	cr_expect_eq(pool_check(&p, NULL), -E_INVALID);
}

Test(parse, pool_kinds)
{
	enum pool_kind kind;

	for (int k = 0; k < POOL_KINDS; k++) {
		cr_expect_eq(pool_kind_parse(pool_kind_name((enum pool_kind)k), &kind), 0);
		cr_expect_eq((int)kind, k);
	}
	cr_expect_eq(pool_kind_parse("", &kind), -E_INVALID);
	cr_expect_eq(pool_kind_parse(NULL, &kind), -E_INVALID);
}

static int resource(json *doc, struct err *err)
{
	struct resource r;

	return resource_parse(doc, &r, err);
}

Test(parse, resource_fields)
{
	static const struct row rows[] = {
		{ "name", "\"all\"", false },
		{ "volumes", NULL, true },
		{ "volumes", "null", true },
		{ "volumes", "[]", true },
		{ "volumes", "{}", false },
		{ "volumes", "\"x\"", false },
		{ "volumes", "[7]", false },
		{ "volumes", "[null]", false },
		{ "volumes", "[" VOLUME "," VOLUME "]", false },
		{ "created_ms", "0", true },
	};
	static const struct row volume_rows[] = {
		{ "number", "0", true },
		{ "number", "1", false }, /* 0 is always there */
		{ "uuid", NULL, true },   /* of an older version */
		{ "uuid", "\"x\"", false },
		{ "size_kib", "4", true },
		{ "size_kib", "17179869184", true },
		{ "size_kib", "17179869188", false },
		{ "size_kib", "0", false },
		{ "size_kib", "6", false },
		{ "minor", "1048575", true },
		{ "minor", "1048576", false },
		{ "minor", "999", false },
	};

	check_rows(RESOURCE, rows, sizeof(rows) / sizeof(rows[0]), resource);
	check_text(RESOURCE, "name", NAME_MAX_LEN, resource);
	check_text(RESOURCE, "group", NAME_MAX_LEN, resource);
	check_text(RESOURCE, "uuid", 36, resource);
	for (size_t i = 0; i < sizeof(volume_rows) / sizeof(volume_rows[0]); i++) {
		json *v = world_with(VOLUME, volume_rows[i].field, volume_rows[i].value);
		char list[256];

		snprintf(list, sizeof(list), "[%s]", json_text(v));
		json_object_put(v);
		check_rows(RESOURCE, &(struct row){ "volumes", list, volume_rows[i].good }, 1,
			   resource);
	}
}

static int record(json *doc, struct err *err)
{
	struct record r;

	return record_parse(doc, &r, err);
}

Test(parse, record_fields)
{
	static const struct row rows[] = {
		{ "epoch", "4294967295", true },
		{ "epoch", "4294967296", false },
		{ "epoch", "0", false },
		{ "writer", "15", true },
		{ "writer", "16", false },
		{ "in_sync", "0", false },
		{ "in_sync", "65535", true },
		{ "in_sync", "65536", false },
		{ "tag", NULL, true },
		{ "tag", "7", false },
		{ "tag", "{}", false },
		{ "tag", "{\"node\":1,\"counter\":1,\"boot\":\"18446744073709551615\"}", true },
		{ "tag", "{\"node\":1,\"counter\":1,\"boot\":18446744073709551615}", true },
		{ "tag", "{\"node\":1,\"counter\":1,\"boot\":\"18446744073709551616\"}", false },
		{ "tag", "{\"node\":1,\"counter\":1,\"boot\":\"-1\"}", false },
		{ "tag", "{\"node\":1,\"counter\":1,\"boot\":\" 1\"}", false },
		{ "tag", "{\"node\":1,\"counter\":1,\"boot\":\"1x\"}", false },
		{ "tag", "{\"node\":1,\"counter\":1,\"boot\":[]}", false },
		{ "tag", "{\"node\":4294967296,\"counter\":1}", false },
		{ "tag", "{\"node\":1,\"counter\":4294967296}", false },
	};

	check_rows(RECORD, rows, sizeof(rows) / sizeof(rows[0]), record);
	check_number(RECORD, "epoch", record);
	check_number(RECORD, "writer", record);
	check_number(RECORD, "in_sync", record);
}

static int replica(json *doc, struct err *err)
{
	struct replica r;

	return replica_parse(doc, &r, err);
}

/* by number, from 0 on, each once */
Test(parse, volumes_in_order)
{
	static const struct {
		int number[3];
		bool good;
	} rows[] = {
		{ { 0, 1, 2 }, true },  { { 0, 1, 15 }, true }, { { 0, 2, 1 }, false },
		{ { 0, 1, 1 }, false }, { { 1, 2, 3 }, false }, { { 0, 1, 16 }, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char list[512];
		struct row row = { "volumes", list, rows[i].good };
		size_t used = 0;

		for (int k = 0; k < 3; k++)
			used += (size_t)snprintf(list + used, sizeof(list) - used,
						 "%c{\"number\":%d,\"size_kib\":4,\"minor\":%d,"
						 "\"uuid\":" UUID "}",
						 k ? ',' : '[', rows[i].number[k], 1000 + k);
		snprintf(list + used, sizeof(list) - used, "]");
		check_rows(RESOURCE, &row, 1, resource);
	}
}

Test(parse, replica_fields)
{
	static const struct row rows[] = {
		{ "slot", "15", true },
		{ "slot", "16", false },
		{ "diskless", "true", false }, /* but in a pool */
		{ "diskless", "\"true\"", false },
		{ "created", NULL, true },
		{ "created", "1", false },
		{ "made", "[]", true },
		{ "made", "[1,15]", true },
		{ "made", "[0]", false }, /* that is created */
		{ "made", "[16]", false },
		{ "made", "[\"1\"]", false },
		{ "made", "{}", false },
		{ "deleting", "null", true },
		{ "deleting", "\"no\"", false },
		{ "quarantined", "true", true },
		{ "quarantined", "1", false },
		{ "complaint", "\"\"", true },
		{ "complaint", "3", false },
		{ "pool", "\"\"", false },
		{ "pool", "\"ab\"", false },
	};

	check_rows(REPLICA, rows, sizeof(rows) / sizeof(rows[0]), replica);
	check_text(REPLICA, "resource", NAME_MAX_LEN, replica);
	check_text(REPLICA, "node", NAME_MAX_LEN, replica);
	check_text(REPLICA, "pool", NAME_MAX_LEN, replica);
	check_text(REPLICA, "uuid", 36, replica);
	check_number(REPLICA, "slot", replica);
}

Test(parse, what_is_written_can_be_read)
{
	json *doc = world_json(NODE), *again;
	struct resource r, r2;
	struct replica p, p2;
	struct node n, n2;
	struct pool q, q2;

	cr_assert_eq(node_parse(doc, &n, NULL), 0);
	again = node_doc(&n);
	cr_assert_eq(node_parse(again, &n2, NULL), 0);
	cr_expect_eq(memcmp(&n, &n2, sizeof(n)), 0);
	json_object_put(doc);
	json_object_put(again);

	doc = world_json(POOL);
	cr_assert_eq(pool_parse(doc, &q, NULL), 0);
	again = pool_doc(&q);
	cr_assert_eq(pool_parse(again, &q2, NULL), 0);
	cr_expect_str_eq(q.source, q2.source);
	cr_expect_eq(q.kind, q2.kind);
	json_object_put(doc);
	json_object_put(again);

	doc = world_json(RESOURCE);
	cr_assert_eq(resource_parse(doc, &r, NULL), 0);
	again = resource_doc(&r);
	cr_assert_eq(resource_parse(again, &r2, NULL), 0);
	cr_expect_eq(r2.n_volumes, 1);
	cr_expect_eq(r2.volume[0].size_kib, 1048576);
	cr_expect_eq(resource_size_kib(&r2), 1048576);
	cr_expect_str_eq(r2.group, "g1");
	json_object_put(doc);
	json_object_put(again);

	doc = world_json(REPLICA);
	cr_assert_eq(replica_parse(doc, &p, NULL), 0);
	again = replica_doc(&p);
	cr_assert_eq(replica_parse(again, &p2, NULL), 0);
	cr_expect_str_eq(p2.pool, "ssd");
	cr_expect(p2.made == 1 && !p2.deleting && !p2.diskless);
	json_object_put(doc);
	json_object_put(again);
}

Test(parse, record_keeps_what_it_does_not_know)
{
	struct record r = {
		.epoch = 7, .writer = 2, .in_sync = 5, .tag = { 3, UINT64_MAX, UINT32_MAX }
	};
	json *doc = world_with(RECORD, "future", "{\"a\":1}");
	struct record again;

	record_write(doc, &r);
	cr_expect(jget(doc, "future"));
	cr_expect_str_eq(jget_str(doc, "uuid", ""), "33333333-3333-4333-8333-333333333333");
	cr_assert_eq(record_parse(doc, &again, NULL), 0);
	cr_expect(record_same(&r, &again));
	again.tag.boot--;
	cr_expect_not(record_same(&r, &again));
	json_object_put(doc);
}

Test(parse, volume_size)
{
	struct err err = { 0 };

	cr_expect_eq(volume_check_size(VOLUME_KIB_MIN, &err), 0);
	cr_expect_eq(volume_check_size(VOLUME_KIB_MAX, &err), 0);
	cr_expect_eq(volume_check_size(VOLUME_KIB_MIN - 1, &err), -E_INVALID);
	cr_expect_eq(volume_check_size(VOLUME_KIB_MAX + 1, &err), -E_INVALID);
	cr_expect(strstr(err.text, "16.00 TiB"), "%s", err.text);
	cr_expect_eq(volume_check_size(-4, &err), -E_INVALID);
}
