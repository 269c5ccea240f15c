// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_meta.c - pages of the metadata device: there and back, torn, foreign,
 * misplaced, of a newer version, and which of two copies counts.
 */
#include "replication/core/meta.h"

#include <criterion/criterion.h>

#include "shared/crc32c.h"
#include "shared/cursor.h"

TestSuite(meta, .timeout = 60);

static const struct meta_super super = {
	.generation = 1ull << 40,
	.replica = "0123456789abcde",
	.name = "vol/0",
	.size_bytes = 5ull << 30,
	.epoch = 17,
	.learner_epoch = 16,
};

static u8 a[REPL_META_PAGE], b[REPL_META_PAGE];
static u32 list[REPL_HOT_MAX + 1], got[REPL_HOT_MAX + 1];

static void put_u32(u8 *page, u32 at, u32 value)
{
	struct cursor c;

	cursor_init(&c, page + at, 4);
	cursor_put(&c, value, 4);
	memset(page + 12, 0, 4);
	cursor_init(&c, page + 12, 4);
	cursor_put(&c, shared_crc32c(0, page, REPL_META_PAGE), 4);
}

Test(meta, sizes)
{
	static const struct {
		u64 bytes;
		u32 regions, pages;
	} rows[] = {
		{ 512, 1, 1 },
		{ REPL_REGION_BYTES, 1, 1 },
		{ REPL_REGION_BYTES + 512, 2, 1 },
		{ (u64)REPL_STAMPS_PER_PAGE * REPL_REGION_BYTES, 1008, 1 },
		{ (u64)REPL_STAMPS_PER_PAGE * REPL_REGION_BYTES + 512, 1009, 2 },
		{ 1ull << 40, 16777216, 16645 },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		cr_expect_eq(meta_regions(rows[i].bytes), rows[i].regions, "row %zu", i);
		cr_expect_eq(meta_map_pages(rows[i].bytes), rows[i].pages, "row %zu", i);
		cr_expect_eq(meta_bytes(rows[i].bytes), (4ull + rows[i].pages) * REPL_META_PAGE);
	}
}

Test(meta, a_superblock_comes_back)
{
	struct meta_super s;

	meta_put_super(a, &super);
	cr_assert_eq(meta_get_super(a, &s), 0);
	cr_expect_eq(s.generation, super.generation);
	cr_expect_arr_eq(s.replica, super.replica, 16);
	cr_expect_str_eq(s.name, super.name);
	cr_expect_eq(s.size_bytes, super.size_bytes);
	cr_expect_eq(s.epoch, super.epoch);
	cr_expect_eq(s.learner_epoch, super.learner_epoch);
}

Test(meta, a_name_without_an_end_gets_one)
{
	struct meta_super s = super;

	memset(s.name, 'x', sizeof(s.name));
	meta_put_super(a, &s);
	cr_assert_eq(meta_get_super(a, &s), 0);
	cr_expect_eq(strnlen(s.name, REPL_NAME_MAX), REPL_NAME_MAX - 1);
}

static void refused(const char *what, int want_super, int want_hot, int want_map)
{
	struct meta_super s;
	u64 generation;
	u32 n;

	cr_expect_eq(meta_get_super(a, &s), want_super, "%s: super", what);
	cr_expect_eq(meta_get_hot(a, &generation, got, &n), want_hot, "%s: hot", what);
	cr_expect_eq(meta_get_map(a, 3, got, 9), want_map, "%s: map", what);
}

Test(meta, each_page_is_only_what_it_is)
{
	meta_put_super(a, &super);
	refused("super", 0, -EBADMSG, -EBADMSG);
	meta_put_hot(a, 1, list, 0);
	refused("hot", -EBADMSG, 0, -EBADMSG);
	meta_put_map(a, 3, list, 9);
	refused("map", -EBADMSG, -EBADMSG, 0);
	meta_put_map(a, 2, list, 9);
	refused("map page in another's place", -EBADMSG, -EBADMSG, -EBADMSG);
	memset(a, 0, sizeof(a));
	refused("zeros", -EBADMSG, -EBADMSG, -EBADMSG);
	memset(a, 0xff, sizeof(a));
	refused("ones", -EBADMSG, -EBADMSG, -EBADMSG);
}

Test(meta, versions)
{
	meta_put_super(a, &super);
	put_u32(a, 4, REPL_META_VERSION + 1);
	refused("newer super", -EPROTONOSUPPORT, -EBADMSG, -EBADMSG);
	put_u32(a, 4, 0);
	refused("version 0", -EBADMSG, -EBADMSG, -EBADMSG);
	meta_put_hot(a, 1, list, 0);
	put_u32(a, 4, ~0u);
	refused("newer hot", -EBADMSG, -EPROTONOSUPPORT, -EBADMSG);
	meta_put_map(a, 3, list, 9);
	put_u32(a, 4, REPL_META_VERSION + 1);
	refused("newer map", -EBADMSG, -EBADMSG, -EPROTONOSUPPORT);
}

Test(meta, other_units_are_not_ours_to_read)
{
	struct meta_super s;

	meta_put_super(a, &super);
	put_u32(a, 16 + 8 + 16 + REPL_NAME_MAX + 8, REPL_REGION_BYTES / 2);
	cr_expect_eq(meta_get_super(a, &s), -EPROTONOSUPPORT);
	meta_put_super(a, &super);
	put_u32(a, 16 + 8 + 16 + REPL_NAME_MAX + 12, REPL_EXTENT_BYTES * 2);
	cr_expect_eq(meta_get_super(a, &s), -EPROTONOSUPPORT);
}

Test(meta, every_damaged_byte_is_refused)
{
	struct meta_super s;

	meta_put_super(a, &super);
	for (u32 at = 0; at < REPL_META_PAGE; at++) {
		a[at] ^= 0x40;
		cr_assert_eq(meta_get_super(a, &s), -EBADMSG, "byte %u", at);
		a[at] ^= 0x40;
	}
}

Test(meta, a_torn_page_is_refused_wherever_it_tore)
{
	u8 torn[REPL_META_PAGE];

	for (u32 i = 0; i < REPL_HOT_MAX; i++)
		list[i] = i * 3;
	meta_put_hot(a, 5, list, REPL_HOT_MAX);
	meta_put_hot(b, 6, list + 1, REPL_HOT_MAX - 1);
	for (u32 cut = 512; cut < REPL_META_PAGE; cut += 512) {
		u64 generation;
		u32 n;

		memcpy(torn, b, cut);
		memcpy(torn + cut, a + cut, REPL_META_PAGE - cut);
		cr_expect_eq(meta_get_hot(torn, &generation, got, &n), -EBADMSG, "cut %u", cut);
		memset(torn + cut, 0, REPL_META_PAGE - cut);
		cr_expect_eq(meta_get_hot(torn, &generation, got, &n), -EBADMSG, "cut %u", cut);
	}
}

Test(meta, the_copy_that_counts)
{
	/* what is in a and in b: 0 damaged, n generation n, -1 newer version */
	static const struct {
		int a, b, rc, copy;
		u64 generation;
	} rows[] = {
		{ 1, 2, 0, 1, 2 },
		{ 2, 1, 0, 0, 2 },
		{ 3, 3, 0, 0, 3 },
		{ 0, 1, 0, 1, 1 },
		{ 4, 0, 0, 0, 4 },
		{ 0, 0, -EBADMSG, 0, 0 },
		{ -1, 5, -EPROTONOSUPPORT, 0, 0 },
		{ 5, -1, -EPROTONOSUPPORT, 0, 0 },
		{ -1, 0, -EPROTONOSUPPORT, 0, 0 },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		for (int hot = 0; hot < 2; hot++) {
			struct meta_super s = super, out = { .generation = 0 };
			u64 generation = 0;
			u32 n;
			int copy = 0, rc;

			for (int k = 0; k < 2; k++) {
				u8 *page = k ? b : a;
				int how = k ? rows[i].b : rows[i].a;

				s.generation = (u64)(how < 0 ? 9 : how);
				list[0] = (u32)s.generation;
				if (hot)
					meta_put_hot(page, s.generation, list, 1);
				else
					meta_put_super(page, &s);
				if (how < 0)
					put_u32(page, 4, REPL_META_VERSION + 1);
				else if (!how)
					page[100] ^= 1;
			}
			rc = hot ? meta_pick_hot(a, b, &generation, got, &n, &copy)
				 : meta_pick_super(a, b, &out, &copy);
			cr_expect_eq(rc, rows[i].rc, "row %zu hot %d", i, hot);
			cr_expect_eq(copy, rows[i].copy, "row %zu hot %d", i, hot);
			cr_expect_eq(hot ? generation : out.generation, rows[i].generation);
			if (hot && !rc)
				cr_expect_eq(got[0], rows[i].generation, "the list of that copy");
		}
	}
}

Test(meta, hot_lists_up_to_the_limit)
{
	static const u32 sizes[] = { 0, 1, REPL_HOT_MAX - 1, REPL_HOT_MAX };
	u64 generation;
	u32 n;

	for (u32 i = 0; i < REPL_HOT_MAX; i++)
		list[i] = ~0u - 1 - i;
	for (size_t i = 0; i < PORT_ARRAY_SIZE(sizes); i++) {
		meta_put_hot(a, 77, list, sizes[i]);
		cr_assert_eq(meta_get_hot(a, &generation, got, &n), 0);
		cr_expect_eq(n, sizes[i]);
		cr_expect_eq(generation, 77);
		cr_expect_arr_eq(got, list, n * sizeof(u32));
	}
	put_u32(a, 24, REPL_HOT_MAX + 1); /* rightly summed, but longer than can be */
	cr_expect_eq(meta_get_hot(a, &generation, got, &n), -EBADMSG);
	put_u32(a, 24, ~0u);
	cr_expect_eq(meta_get_hot(a, &generation, got, &n), -EBADMSG);
}

Test(meta, map_pages_hold_their_stamps)
{
	static u32 stamp[REPL_STAMPS_PER_PAGE], out[REPL_STAMPS_PER_PAGE];

	for (u32 i = 0; i < REPL_STAMPS_PER_PAGE; i++)
		stamp[i] = i * 7 + 1;
	for (u32 number = 0; number < 3; number++) {
		meta_put_map(a, number, stamp, REPL_STAMPS_PER_PAGE);
		cr_assert_eq(meta_get_map(a, number, out, REPL_STAMPS_PER_PAGE), 0);
		cr_expect_arr_eq(out, stamp, sizeof(stamp));
		cr_expect_eq(meta_get_map(a, number + 1, out, 1), -EBADMSG);
	}
	meta_put_map(a, 1, stamp, 1); /* the last page of a small volume */
	cr_assert_eq(meta_get_map(a, 1, out, 1), 0);
	cr_expect_eq(out[0], stamp[0]);
}
