// SPDX-License-Identifier: GPL-2.0-or-later
/* test_zfs_report.c - lists as ZFS 2.3 has written them, and what is none; names, marks. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/zfs_devices.h"
#include "storage/zfs_report.h"

#define U1 "01010101-0101-0101-0101-010101010101"
#define U2 "02020202-0202-0202-0202-020202020202"
#define SOURCE "tank/sdsd\tfilesystem\t-\t24576\t469648384\t24576\t24576\t8\t0\t-\t-\t-\t-\t-\t-\n"
#define DATA                                                                               \
	"tank/sdsd/db_00000\tvolume\t16777216\t6361088\t469648384\t4229120\t2131968\t31\t" \
	"18000000\t-\t-\t" U1 "\t" U2 "\t-\t-\n"
#define TAKEN                                                                                \
	"tank/sdsd/sdsd:gone:12@one\tsnapshot\t16777216\t2131968\t-\t4229120\t4229120\t40\t" \
	"-\t\ton\t" U1 "\t" U2 "\t" U2 "\tdb_00000\n"
#define CLONE                                                            \
	"tank/sdsd/new\tvolume\t33554432\t12288\t1\t4229120\t0\t50\t0\t" \
	"tank/sdsd/db_00000@one\t-\tsomething\t-\t-\t-\n"

Test(zfs_report, rows)
{
	static const uint8_t one[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct zfs_row *rows;
	struct err err = { 0 };
	int n;

	cr_assert_eq(zfs_report(SOURCE DATA TAKEN CLONE, &rows, &n, &err), 0, "%s", err.text);
	cr_assert_eq(n, 4);
	cr_expect_str_eq(rows[0].name, "tank/sdsd");
	cr_expect_eq(rows[0].type, ZFS_FILESYSTEM);
	cr_expect_eq(rows[0].used, 24576);
	cr_expect_eq(rows[0].available, 469648384);
	cr_expect(!rows[0].reserved && !rows[0].clone && !rows[0].has[ZFS_TAG_REPLICA]);
	cr_expect_eq(rows[1].type, ZFS_VOLUME);
	cr_expect_eq(rows[1].volsize, 16777216);
	cr_expect_eq(rows[1].referenced, 4229120);
	cr_expect_eq(rows[1].written, 2131968);
	cr_expect(rows[1].reserved && !rows[1].clone && !rows[1].deferred);
	cr_expect(rows[1].has[ZFS_TAG_REPLICA] && rows[1].has[ZFS_TAG_VOLUME] &&
		  !rows[1].has[ZFS_TAG_SNAPSHOT]);
	cr_expect_arr_eq(rows[1].uuid[ZFS_TAG_REPLICA], one, 16);
	cr_expect_eq(rows[2].type, ZFS_SNAPSHOT);
	cr_expect_eq(rows[2].createtxg, 40);
	cr_expect(rows[2].deferred && rows[2].has[ZFS_TAG_SNAPSHOT] && !rows[2].clone);
	cr_expect_str_eq(rows[2].gone, "db_00000");
	cr_expect(rows[3].clone && !rows[3].reserved, "a clone");
	cr_expect_not(rows[3].has[ZFS_TAG_REPLICA], "no uuid");
	free(rows);
	cr_assert_eq(zfs_report("", &rows, &n, &err), 0);
	cr_expect_eq(n, 0);
	free(rows);
}

Test(zfs_report, strict)
{
	static const char *const rows[] = {
		"tank\n",
		"\n",
		"no datasets available\n",
		"tank\tfilesystem\t-\t1\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\n",       /* one too few */
		"tank\tfilesystem\t-\t1\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-\t-\n", /* one too many */
		"tank\tfilesystem\t-\t1\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-",      /* cut off */
		"\tfilesystem\t-\t1\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-\n",
		"tank\tbookmark\t-\t1\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-\n",
		"tank\tfilesystem\t-\t1K\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-\n",
		"tank\tfilesystem\t-\t-1\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-\n",
		"tank\tfilesystem\t-\t99999999999999999999\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-\n",
		"tank/v\tvolume\t-\t1\t1\t1\t1\t1\t0\t-\t-\t-\t-\t-\t-\n",
		DATA "tank",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zfs_row *got;
		struct err err = { 0 };
		int n;

		cr_expect_eq(zfs_report(rows[i], &got, &n, &err), -E_CORRUPT, "row %zu", i);
		cr_expect_not_null(strstr(err.text, "a report of ZFS"), "%s", err.text);
	}
}

Test(zfs_report, complaints)
{
	static const struct {
		const char *text;
		bool missing;
		int code;
	} rows[] = {
		{ "cannot open 'tank/a': dataset does not exist\n", true, -ENOENT },
		{ "cannot open 'a': dataset does not exist\ncannot open 'b@c': dataset does not "
		  "exist\n",
		  true, -ENOENT },
		{ "", false, -EIO },
		{ "cannot open 'a': dataset does not exist\ncannot open 'b': I/O error\n", false,
		  -ENOENT },
		{ "cannot open 'tank': no such pool\n", false, -ENOENT },
		{ "cannot create 'tank/big': out of space\n", false, -ENOSPC },
		{ "cannot destroy 'tank/m': dataset is busy\n", false, -EBUSY },
		{ "cannot destroy 'tank/a@b': snapshot has dependent clones\nuse '-R'", false,
		  -ENOTEMPTY },
		{ "cannot create snapshot 'tank/a@b': dataset already exists\n", false, -E_EXISTS },
		{ "could not find any snapshots to destroy; check snapshot names.\n", false,
		  -ENOENT },
		{ "internal error\n", false, -EIO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(zfs_only_missing(rows[i].text), rows[i].missing, "%s", rows[i].text);
		cr_expect_eq(zfs_meaning(rows[i].text, -EIO), rows[i].code, "%s", rows[i].text);
	}
}

Test(zfs_report, names)
{
	static const uint8_t owner[16] = { 0xab, [15] = 1 };
	char name[ZFS_NAME_MAX + 1], setting[ZFS_SETTING_MAX];

	zfs_new_name(owner, "db_00000", name, sizeof(name));
	cr_expect_str_eq(name, "sdsd:new:ab000000000000000000000000000001:db_00000");
	zfs_setting(ZFS_TAG_VOLUME, owner, setting);
	cr_expect_str_eq(setting, "org.sdsd:volume=ab000000-0000-0000-0000-000000000001");
	cr_expect_str_eq(zfs_short_name("db_00000", "db_00000_one"), "one");
	cr_expect_str_eq(zfs_short_name("db_00000", "db_00000_"), "db_00000_");
	cr_expect_str_eq(zfs_short_name("db_00000", "dc_00000_one"), "dc_00000_one");
	cr_expect_str_eq(zfs_base_name("tank/sdsd/a@b"), "a@b");
	cr_expect_str_eq(zfs_base_name("tank"), "tank");
	cr_expect_eq(zfs_pool_len("tank/sdsd/a"), 4);
	cr_expect_eq(zfs_pool_len("tank"), 4);
}

Test(zfs_report, marks)
{
	static const uint8_t pool[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4c, 0xd0,
					  0x80, 0x00, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67 };
	char mark[ZFS_MARK_LEN + 1], found[ZFS_MARK_LEN + 1], data[200] = "sdsdsdsd0123";

	zfs_mark(pool, mark);
	cr_expect_str_eq(mark, "sdsd0123456789abcdef01234567");
	cr_expect_not(zfs_mark_in(data, sizeof(data), found));
	cr_expect_not(zfs_mark_in(data, 3, found));
	memcpy(data + 100, mark, sizeof(mark));
	cr_expect(zfs_mark_in(data, sizeof(data), found));
	cr_expect_str_eq(found, mark);
	cr_expect_not(zfs_mark_in(data, 100 + ZFS_MARK_LEN, found), "its end is not there");
	data[100 + ZFS_MARK_LEN] = 'x';
	cr_expect_not(zfs_mark_in(data, sizeof(data), found), "it goes on");
}

Test(zfs_report, devices)
{
	const char *text = "tank\t576M\n\tmirror-0\t630M\n\t  /dev/vda1\t630M\t344K\n\t/dev/dm-3\n";
	char device[32];

	cr_assert(zfs_next_device(&text, device, sizeof(device)));
	cr_expect_str_eq(device, "/dev/vda1");
	cr_assert(zfs_next_device(&text, device, sizeof(device)));
	cr_expect_str_eq(device, "/dev/dm-3");
	cr_expect_not(zfs_next_device(&text, device, sizeof(device)));
	text = "\t/dev/a-name-that-is-too-long-for-that\n";
	cr_expect_not(zfs_next_device(&text, device, 10));
}
