// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_lvm_share.c - how the space of a group is shared, and the uuids of its
 * physical volumes.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "storage/lvm_devices.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define TIB (1ull << 40)

Test(lvm_share, rows)
{
	static const struct {
		uint64_t group, chunk, want_chunk, want_meta;
	} rows[] = {
		{ 124 * MIB, 0, 64 << 10, 8 * MIB },
		{ 100 * GIB, 0, 64 << 10, 380 * MIB }, /* 95 GiB / 256 */
		{ 4 * TIB, 0, 128 << 10, 7784 * MIB },
		{ 8 * TIB, 0, 256 << 10, 7784 * MIB },
		{ 64 * TIB, 0, 1 << 20, 15 * GIB },
		{ 200 * TIB, 0, 1 << 20, 15 * GIB }, /* no larger chunks: fewer snapshots fit */
		{ 8 * TIB, 64 << 10, 64 << 10, 15 * GIB },
	};
	struct lvm_share s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(lvm_share(rows[i].group, 4 * MIB, rows[i].chunk, &s), 0);
		cr_expect_eq(s.chunk_bytes, rows[i].want_chunk, "%zu: %llu", i,
			     (unsigned long long)s.chunk_bytes);
		cr_expect_eq(s.meta_bytes, rows[i].want_meta, "%zu: %llu MiB", i,
			     (unsigned long long)(s.meta_bytes / MIB));
		cr_expect_eq(s.data_bytes % (4 * MIB), 0);
		cr_expect_leq(s.data_bytes + 2 * s.meta_bytes, rows[i].group / 100 * 95);
		cr_expect_geq(s.data_bytes + 2 * s.meta_bytes + 4 * MIB, rows[i].group / 100 * 95);
	}
	cr_expect_eq(lvm_share(20 * MIB, 4 * MIB, 0, &s), -ENOSPC);
	cr_expect_eq(lvm_share(0, 4 * MIB, 0, &s), -ENOSPC);
}

Test(lvm_share, mark)
{
	char mark[LVM_MARK_LEN + 1], other[LVM_MARK_LEN + 1], text[LVM_PV_TEXT];
	char pv[DISK_PV_LEN + 1];
	uint8_t uuid[16];

	cr_assert_eq(text_uuid_parse("01234567-89ab-4cde-8f01-23456789abcd", uuid), 0);
	lvm_mark(uuid, mark);
	cr_expect_str_eq(mark, "sdsd0123456789ab23456789abcd");
	uuid[15] ^= 1;
	lvm_mark(uuid, other);
	cr_expect_str_neq(mark, other);
	lvm_mark_uuid(mark, 0xabcd1234, text);
	cr_expect_str_eq(text, "sdsd01-2345-6789-ab23-4567-89ab-cd1234");
	cr_assert(disk_pv_parse(text, pv));
	cr_expect(lvm_is_marked(pv));
	cr_expect_eq(strncmp(pv, mark, LVM_MARK_LEN), 0);
	cr_expect_not(lvm_is_marked("abcdef0123456789abcdef0123456789"));
	cr_expect_not(lvm_is_marked(""));
}
