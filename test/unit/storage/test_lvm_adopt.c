// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_lvm_adopt.c - which logical volumes of others may become volumes: how they are
 * called, what LVM says of them, and that nothing is run for one that may not. What LVM
 * really does is in test/vm/case_adopt.py.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storage/lvm_adopt.h"

Test(lvm_adopt, names)
{
	static const struct {
		const char *device, *group, *lv; /* group NULL: it is none */
	} rows[] = {
		{ "/dev/vg0/data", "vg0", "data" },
		{ "vg0/data", "vg0", "data" },
		{ "/dev/mapper/vg0-data", "vg0", "data" },
		{ "/dev/mapper/my--vg-a--b--c", "my-vg", "a-b-c" },
		{ "/dev/mapper/vg-db_00000", "vg", "db_00000" },
		{ "", NULL, NULL },
		{ "/dev/sda", NULL, NULL },
		{ "/dev/vg0/", NULL, NULL },
		{ "/dev/vg0/a/b", NULL, NULL },
		{ "/dev/vg0/-y", NULL, NULL },
		{ "/dev/vg0/a b", NULL, NULL },
		{ "/dev/vg0/a\" || 1", NULL, NULL },
		{ "/dev/mapper/vg0", NULL, NULL },
		{ "/dev/mapper/a-b-c", NULL, NULL },
		{ "/dev/mapper/vg0/data", NULL, NULL },
		{ "/dev/../etc/passwd", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lvm_source s = { "", "" };
		int rv = lvm_adopt_parse(rows[i].device, &s);

		cr_expect_eq(rv, rows[i].group ? 0 : -E_INVALID, "%s: %d", rows[i].device, rv);
		if (rv < 0 || !rows[i].group)
			continue;
		cr_expect_str_eq(s.group, rows[i].group, "%s", rows[i].device);
		cr_expect_str_eq(s.pool, rows[i].lv, "%s", rows[i].device);
	}
}

Test(lvm_adopt, long_names)
{
	char device[STORAGE_DEVICE_MAX + 200] = "/dev/mapper/vg-";
	struct lvm_source s;

	memset(device + 15, 'a', LVM_NAME_MAX);
	cr_expect_eq(lvm_adopt_parse(device, &s), 0);
	device[15 + LVM_NAME_MAX] = 'a';
	cr_expect_eq(lvm_adopt_parse(device, &s), -E_INVALID);
	memset(device + 15, 'a', sizeof(device) - 16);
	cr_expect_eq(lvm_adopt_parse(device, &s), -E_INVALID);
	memcpy(device, "/dev/vg/aaaaaaa", 15);
	cr_expect_eq(lvm_adopt_parse(device, &s), -E_INVALID);
}

/* one thing is different from a volume that may be taken */
static struct lvm_lv good(bool thin)
{
	struct lvm_lv lv = { .there = true,
			     .name = "data",
			     .size_bytes = 16 << 20,
			     .thin = thin,
			     .type = thin ? 'V' : '-',
			     .writable = true };

	if (thin)
		snprintf(lv.in, sizeof(lv.in), "thin");
	return lv;
}

static void expect(bool thin, struct lvm_lv lv, int status, const char *words)
{
	struct storage_pool pool = { .kind = "LVM", .name = "ssd", .source = "vg" };
	struct err err = { 0 };
	int rv;

	if (thin)
		snprintf(pool.source, sizeof(pool.source), "vg/thin");
	rv = lvm_adopt_judge(&pool, "data", &lv, &err);
	cr_expect_eq(rv, status, "%s: %d %s", words, rv, err.text);
	cr_expect(strstr(err.text, words), "'%s' is not in '%s'", words, err.text);
}

Test(lvm_adopt, what_may_be_taken)
{
	for (int thin = 0; thin < 2; thin++) {
		struct lvm_lv lv = good(thin);

		expect(thin, lv, 0, "");
		lv.active = true;
		expect(thin, lv, 0, "");
		lv.there = false;
		expect(thin, lv, -ENOENT, "vg/data: there is no such logical volume");
		lv = good(thin);
		lv.snapshot = true;
		expect(thin, lv, -E_INVALID, "is a snapshot");
		lv = good(thin);
		lv.origin = true;
		expect(thin, lv, -E_INVALID, "has snapshots that need it");
		lv = good(thin);
		lv.type = 'r';
		expect(thin, lv, -E_INVALID, "neither a linear");
		lv = good(thin);
		lv.writable = false;
		expect(thin, lv, -E_INVALID, "is read-only");
		lv = good(thin);
		snprintf(lv.health, sizeof(lv.health), "partial");
		expect(thin, lv, -EIO, "partial");
		lv = good(thin);
		lv.size_bytes += 512;
		expect(thin, lv, -E_INVALID, "no multiple of 4096");
		expect(thin, good(!thin), -ENOENT, "is not in");
	}
}

Test(lvm_adopt, another_thin_pool)
{
	struct lvm_lv lv = good(true);

	snprintf(lv.in, sizeof(lv.in), "other");
	expect(true, lv, -ENOENT, "vg/data is not in vg/thin, which pool ssd is made of");
}
