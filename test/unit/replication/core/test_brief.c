// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_brief.c - pages of the epoch map in brief: what comes out is what went in, or nothing
 * (replication/core/brief.c); how much memory is asked for (replica_map.c).
 */
#include "replication/core/brief.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "replication/core/mirror.h"

TestSuite(brief, .timeout = 60);

#define N 4
#define LEN REPL_STAMPS_PER_PAGE
#define EXTENT REPL_REGIONS_PER_EXTENT

static struct map_brief b[N];
static u32 page[LEN];

static void fill(u32 stamp)
{
	for (u32 x = 0; x < LEN; x++)
		page[x] = stamp;
}

/* what is kept of the page is all of it */
static bool is_kept(u32 key)
{
	const struct map_brief *p = brief_find(b, N, key);
	u32 out[LEN];

	if (!p)
		return false;
	brief_expand(p, out);
	cr_assert_arr_eq(out, page, sizeof(page));
	for (u32 x = 0; x < LEN; x++)
		cr_assert_eq(brief_stamp(p, x), page[x], "region %u", x);
	return true;
}

static void change(u32 key, u32 from, u32 n, u32 stamp)
{
	struct map_brief *p = brief_find(b, N, key);
	u32 extent = from / EXTENT * EXTENT;
	u64 changed = 0;

	for (u32 x = from; x < from + n; x++) {
		page[x] = stamp;
		changed |= 1ull << x % EXTENT;
	}
	cr_assert(p);
	brief_change(p, extent, page + extent, changed);
}

Test(brief, one_stamp_or_two)
{
	fill(1);
	cr_expect_not(brief_find(b, N, 0), "nothing is kept at first");
	brief_keep(b, N, 0, page);
	cr_expect(is_kept(0));
	page[0] = page[31] = page[32] = page[LEN - 1] = 7;
	brief_keep(b, N, 0, page);
	cr_expect(is_kept(0));
	page[100] = 8;
	brief_keep(b, N, 0, page);
	cr_expect_not(is_kept(0), "a third one");
}

Test(brief, changes)
{
	fill(1);
	brief_keep(b, N, 2, page);
	change(2, 5, 3, 9);
	cr_expect(is_kept(2));
	change(2, EXTENT, EXTENT, 9);
	cr_expect(is_kept(2));
	change(2, 6, 1, 1);
	cr_expect(is_kept(2), "and back");
	change(2, LEN - 1, 1, 10);
	cr_expect_not(is_kept(2), "a third one");
}

/* A stamp that no region has any more makes room: epochs come one after the other. */
Test(brief, epochs_follow_each_other)
{
	fill(1);
	brief_keep(b, N, 2, page);
	for (u32 epoch = 2; epoch < 6; epoch++) {
		for (u32 from = 0; from < LEN; from += EXTENT) {
			change(2, from, EXTENT, epoch);
			cr_assert(is_kept(2), "epoch %u, region %u", epoch, from);
		}
	}
	change(2, 3, 2, 6);
	change(2, 3, 2, 5);
	change(2, 70, 1, 7);
	cr_expect(is_kept(2), "6 is nowhere");
}

Test(brief, a_place_for_each_number)
{
	fill(1);
	brief_keep(b, N, 1, page);
	brief_keep(b, N, 2, page);
	cr_expect(is_kept(1) && is_kept(2));
	fill(3);
	brief_keep(b, N, 1 + N, page);
	cr_expect_not(brief_find(b, N, 1));
	cr_expect(is_kept(1 + N));
	page[0] = 4, page[1] = 5; /* nothing of this one, nor of the other any more */
	brief_keep(b, N, 1, page);
	cr_expect_not(brief_find(b, N, 1));
	cr_expect_not(brief_find(b, N, 1 + N));
	brief_forget(b, N);
	cr_expect_not(brief_find(b, N, 2));
	brief_keep(NULL, 0, 1, page);
	cr_expect_not(brief_find(NULL, 0, 1));
}

Test(brief, by_chance)
{
	int kept = 0;

	srand(1);
	for (int life = 0; life < 200; life++) {
		fill((u32)rand() % 3);
		brief_keep(b, N, 3, page);
		for (int i = 0; i < 20 && brief_find(b, N, 3); i++) {
			u32 from = (u32)rand() % LEN, most = EXTENT - from % EXTENT;

			change(3, from, 1 + (u32)rand() % most, (u32)rand() % (rand() % 9 ? 2 : 4));
			kept += is_kept(3);
		}
	}
	cr_expect_gt(kept, 1000, "%d", kept);
}

Test(brief, memory)
{
	const u64 whole = (u64)REPL_STAMPS_PER_PAGE * REPL_REGION_BYTES;
	u64 size[REPL_VOLUMES_MAX] = { REPL_MAP_CACHE * whole };

	cr_expect_eq(repl_briefs(size), 0, "all its pages are kept whole");
	size[0]++;
	cr_expect_eq(repl_briefs(size), REPL_MAP_CACHE + 1);
	size[3] = 2 * whole;
	cr_expect_eq(repl_briefs(size), REPL_MAP_CACHE + 3);
	size[0] = REPL_BRIEFS_MAX * whole;
	cr_expect_eq(repl_briefs(size), REPL_BRIEFS_MAX);
	cr_expect_leq(repl_mirror_bytes(REPL_BRIEFS_MAX) - repl_mirror_bytes(0), 2400u << 10);
}
