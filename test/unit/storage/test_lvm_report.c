// SPDX-License-Identifier: GPL-2.0-or-later
/* test_lvm_report.c - reports as LVM 2.03.16 has written them, and what is none; tags. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/lvm_report.h"
#include "support/leaks.h"

#define U1 "01010101-0101-0101-0101-010101010101"
#define U2 "02020202-0202-0202-0202-020202020202"
#define ROW(name, tags, rest) \
	"{\"lv_name\":\"" name "\", \"lv_size\":\"16777216\", \"lv_tags\":\"" tags "\", " rest "}"
#define THIN_REST                                                                            \
	"\"lv_active\":\"active\", \"lv_layout\":\"thin,sparse\", "                          \
	"\"lv_role\":\"public,origin,thinorigin\", \"lv_attr\":\"Vwi-a-tz--\", "             \
	"\"data_percent\":\"25.00\", \"metadata_percent\":\"\", \"lv_health_status\":\"\", " \
	"\"pool_lv\":\"thin\", \"lv_when_full\":\"\""
#define PLAIN_REST                                                                             \
	"\"lv_active\":\"\", \"lv_layout\":\"linear\", "                                       \
	"\"lv_role\":\"public,origin,thickorigin\", \"lv_attr\":\"owi---s---\", "              \
	"\"data_percent\":\"\", \"metadata_percent\":\"\", \"lv_health_status\":\"partial\", " \
	"\"pool_lv\":\"\", \"lv_when_full\":\"\""
#define POOL_REST                                                                                 \
	"\"lv_active\":\"active\", \"lv_layout\":\"thin,pool\", \"lv_role\":\"private\", "        \
	"\"lv_attr\":\"twi-aotz--\", \"data_percent\":\"1.61\", \"metadata_percent\":\"11.13\", " \
	"\"lv_health_status\":\"\", \"pool_lv\":\"\", \"lv_when_full\":\"queue\""
#define LVS(rows) "{\"report\": [{\"lv\": [" rows "]}]}"

TestSuite(lvm_report, .fini = test_no_leaks);

static struct err err;

static int lvs(const char *text, struct lvm_lv ret[3])
{
	static const char *const names[] = { "db_00000", "db_00000.meta", "thin" };
	json *report = NULL;
	int rv;

	err = (struct err){ 0 };
	cr_assert_eq(json_parse(text, strlen(text), &report, &err), 0, "%s: %s", err.text, text);
	rv = lvm_report_lvs(report, names, 3, ret, &err);
	json_object_put(report);
	cr_expect_eq(err.code, rv, "%s", err.text);
	return rv;
}

Test(lvm_report, volumes)
{
	struct lvm_lv lv[3];

	cr_assert_eq(
		lvs(LVS(ROW("db_00000", "sdsd.replica." U1 ",x,sdsd.volume." U2, THIN_REST) "," ROW(
			    "db_00000.meta", "sdsd.making",
			    PLAIN_REST) "," ROW("other", "", PLAIN_REST) "," ROW("thin", "",
										 POOL_REST)),
		    lv),
		0, "%s", err.text);
	cr_expect(lv[0].there && lv[0].thin && !lv[0].pool && lv[0].active && !lv[0].origin);
	cr_expect_str_eq(lv[0].name, "db_00000");
	cr_expect_eq(lv[0].size_bytes, 16777216);
	cr_expect(lv[0].tags.has[LVM_TAG_REPLICA] && lv[0].tags.has[LVM_TAG_VOLUME]);
	cr_expect_eq(lv[0].tags.uuid[LVM_TAG_REPLICA][3], 1);
	cr_expect_eq(lv[0].tags.uuid[LVM_TAG_VOLUME][15], 2);
	cr_expect_not(lv[0].tags.making);
	cr_expect_str_eq(lv[0].in, "thin");
	cr_expect(lv[0].type == 'V' && lv[0].writable && !lv[0].snapshot);
	cr_expect_not(lv[1].thin);
	cr_expect(lv[1].type == 'o' && lv[1].writable);
	cr_expect(lv[1].there && !lv[1].active && lv[1].origin && lv[1].tags.making);
	cr_expect_eq(lv[1].data_cent, -1);
	cr_expect_str_eq(lv[1].health, "partial");
	cr_expect(lv[2].pool && !lv[2].thin && lv[2].zeroes && lv[2].queues);
	cr_expect_not(lv[0].queues);
	cr_expect_eq(lv[2].data_cent, 161);
	cr_expect_eq(lv[2].meta_cent, 1113);
}

Test(lvm_report, none)
{
	struct lvm_lv lv[3];

	cr_assert_eq(lvs(LVS(""), lv), 0);
	for (int i = 0; i < 3; i++)
		cr_expect_not(lv[i].there);
}

#define BROKEN(from, to) \
	{                \
		from, to \
	}

/* one thing is changed in a good report */
Test(lvm_report, strict)
{
	static const char good[] = LVS(ROW("db_00000", "", THIN_REST));
	static const char *const rows[][2] = {
		BROKEN("\"16777216\"", "16777216"),
		BROKEN("\"16777216\"", "\"16m\""),
		BROKEN("\"16777216\"", "\"-1\""),
		BROKEN("\"16777216\"", "\"\""),
		BROKEN("\"16777216\"", "\"99999999999999999999999\""),
		BROKEN("\"lv_tags\"", "\"tags\""),
		BROKEN("\"lv_when_full\"", "\"when\""),
		BROKEN("\"lv_attr\":\"Vwi-a-tz--\"", "\"lv_attr\":\"Vwi\""),
		BROKEN("\"25.00\"", "\"25\""),
		BROKEN("\"25.00\"", "\"25.000\""),
		BROKEN("\"25.00\"", "\"125.00\""),
		BROKEN("\"25.00\"", "\"25.00%\""),
		BROKEN("\"25.00\"", "null"),
		BROKEN("\"pool_lv\"", "\"pool\""),
		BROKEN("{\"report\"", "{\"log\""),
		BROKEN("\"lv\": [", "\"pv\": ["),
		BROKEN("[{\"lv\": [", "[{}, {\"lv\": ["),
		BROKEN("\"lv_name\":\"db_00000\"", "\"lv_name\":7"),
		BROKEN("\"lv\": [{", "\"lv\": [" ROW("db_00000", "", THIN_REST) ", {"),
		BROKEN("\"lv\": [{", "\"lv\": [[], {"),
	};
	struct lvm_lv lv[3];

	cr_assert_eq(lvs(good, lv), 0, "%s", err.text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = strstr(good, rows[i][0]);
		char text[2000];

		cr_assert(at, "row %zu", i);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, rows[i][1],
			 at + strlen(rows[i][0]));
		cr_expect_eq(lvs(text, lv), -E_CORRUPT, "row %zu: %s", i, text);
	}
}

static int group(const char *text, struct lvm_group *ret)
{
	json *report = NULL;
	int rv;

	err = (struct err){ 0 };
	cr_assert_eq(json_parse(text, strlen(text), &report, &err), 0);
	rv = lvm_report_group(report, ret, &err);
	json_object_put(report);
	return rv;
}

#define VG                                                                            \
	"{\"vg_name\":\"vg\", \"vg_size\":\"532676608\", \"vg_free\":\"218103808\", " \
	"\"vg_extent_size\":\"4194304\"}"

Test(lvm_report, groups)
{
	struct lvm_group g;

	cr_assert_eq(group("{\"report\":[{\"vg\":[" VG "]}]}", &g), 0);
	cr_expect_eq(g.size_bytes, 532676608);
	cr_expect_eq(g.free_bytes, 218103808);
	cr_expect_eq(g.extent_bytes, 4194304);
	cr_expect_eq(group("{\"report\":[{\"vg\":[]}]}", &g), -ENOENT);
	cr_expect_eq(group("{\"report\":[{\"vg\":[" VG "," VG "]}]}", &g), -E_CORRUPT);
	cr_expect_eq(group("{\"report\":[{\"vg\":[{\"vg_size\":\"1\",\"vg_free\":\"1\","
			   "\"vg_extent_size\":\"0\"}]}]}",
			   &g),
		     -E_CORRUPT);
}

Test(lvm_report, tags)
{
	uint8_t uuid[16];
	char tag[LVM_TAG_MAX];
	struct lvm_tags t;

	memset(uuid, 1, sizeof(uuid));
	for (int i = 0; i < LVM_TAGS; i++) {
		lvm_tag((enum lvm_tag)i, uuid, tag);
		lvm_tags_parse(tag, &t);
		for (int k = 0; k < LVM_TAGS; k++)
			cr_expect_eq(t.has[k], i == k, "%s", tag);
		cr_expect_arr_eq(t.uuid[i], uuid, 16);
	}
	lvm_tag(LVM_TAG_SNAPSHOT, uuid, tag);
	cr_expect_str_eq(tag, "sdsd.snapshot." U1);
	/* not ours, or of no form */
	lvm_tags_parse("sdsd.replica,sdsd.replica.,sdsd.replica.x,asdsd.replica." U1
		       ",sdsd.replica." U1 "0,sdsd.making.,sdsd.makin,,linstor",
		       &t);
	cr_expect_not(t.making);
	for (int k = 0; k < LVM_TAGS; k++)
		cr_expect_not(t.has[k]);
}

Test(lvm_report, the_tag_of_a_cache)
{
	char longest[LVM_NAME_MAX + 1], text[LVM_TAG_MAX];
	struct lvm_tags t;

	lvm_tags_parse("a,sdsd.cache.vg+_.-1,sdsd.volume." U1, &t);
	cr_expect_str_eq(t.cache, "vg+_.-1");
	cr_expect(t.has[LVM_TAG_VOLUME]);
	lvm_tags_parse("sdsd.cache.,sdsd.cache,xsdsd.cache.vg", &t);
	cr_expect_str_eq(t.cache, "");
	memset(longest, 'v', LVM_NAME_MAX);
	longest[LVM_NAME_MAX] = 0;
	cr_expect_lt(snprintf(text, sizeof(text), LVM_TAG_CACHE "%s", longest), LVM_TAG_MAX);
	lvm_tags_parse(text, &t);
	cr_expect_str_eq(t.cache, longest);
	snprintf(text, sizeof(text), LVM_TAG_CACHE "%sv", longest);
	lvm_tags_parse(text, &t);
	cr_expect_str_eq(t.cache, "", "no name of LVM");
}

/* what LVM 2.03.16 said */
Test(lvm_report, meanings)
{
	cr_expect_eq(lvm_meaning("Volume group \"vg\" has insufficient free space (5 extents): 10 "
				 "required",
				 -EIO),
		     -ENOSPC);
	cr_expect_eq(lvm_meaning("Cannot create new thin volume, free space in thin pool vg/thin "
				 "reached threshold",
				 -EIO),
		     -ENOSPC);
	cr_expect_eq(lvm_meaning("Volume group \"vg\" not found", -EIO), -ENOENT);
	cr_expect_eq(lvm_meaning("Logical volume vg/db_00000 in use", -EIO), -EBUSY);
	cr_expect_eq(lvm_meaning("Names including \"_tmeta\" are reserved", -EIO), -EIO);
}
