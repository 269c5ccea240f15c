// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_hotlog.c - the table of extents in use: what is durable when, who leaves,
 * and that a write in between takes an extent back.
 */
#include "replication/core/hotlog.h"

#include <criterion/criterion.h>

TestSuite(hotlog, .timeout = 60);

static struct hotlog h;
static u8 page[REPL_META_PAGE];
static u32 list[REPL_HOT_MAX];

static void empty(void)
{
	hotlog_init(&h, 10, 0, NULL, 0);
}

/* the page as it would be found after a crash; how many extents it names */
static u32 on_page(void)
{
	u64 generation;
	u32 n = 0;

	cr_assert_eq(meta_get_hot(page, &generation, list, &n), 0);
	cr_expect_eq(generation, h.generation);
	return n;
}

static bool named(u32 extent)
{
	u32 n = on_page();

	for (u32 i = 0; i < n; i++)
		if (list[i] == extent)
			return true;
	return false;
}

static void write_page(void)
{
	hotlog_drop_leaving(&h);
	hotlog_page(&h, page);
	hotlog_durable(&h);
}

static void fill(u32 n)
{
	for (u32 i = 0; i < n; i++)
		cr_assert(hotlog_add(&h, i));
	write_page();
}

Test(hotlog, hot_is_what_a_durable_page_names)
{
	empty();
	cr_expect_eq(hotlog_touch(&h, 7), HOTLOG_FREE);
	cr_assert(hotlog_add(&h, 7));
	cr_expect_eq(hotlog_touch(&h, 7), HOTLOG_ADDING);
	cr_expect_lt(hotlog_find(&h, 7), REPL_HOT_MAX);
	hotlog_page(&h, page);
	cr_expect(named(7));
	cr_expect_eq(hotlog_touch(&h, 7), HOTLOG_ADDING, "the page is on its way only");
	hotlog_durable(&h);
	cr_expect_eq(hotlog_touch(&h, 7), HOTLOG_HOT);
	cr_expect_eq(h.n_adding, 0);
}

Test(hotlog, an_extent_added_while_a_page_is_on_its_way_waits_for_the_next)
{
	empty();
	hotlog_add(&h, 1);
	hotlog_page(&h, page);
	hotlog_add(&h, 2);
	hotlog_durable(&h);
	cr_expect_eq(hotlog_touch(&h, 1), HOTLOG_HOT);
	cr_expect_eq(hotlog_touch(&h, 2), HOTLOG_ADDING);
	cr_expect_eq(h.n_adding, 1);
	write_page();
	cr_expect_eq(hotlog_touch(&h, 2), HOTLOG_HOT);
}

Test(hotlog, a_touch_while_a_page_is_on_its_way_changes_nothing_durable)
{
	empty();
	fill(2);
	hotlog_page(&h, page);
	cr_expect_eq(hotlog_touch(&h, 0), HOTLOG_HOT);
	cr_expect_eq(hotlog_touch(&h, 1), HOTLOG_HOT);
	hotlog_durable(&h);
	cr_expect_eq(on_page(), 2);
	cr_expect_eq(h.n, 2);
}

Test(hotlog, copies_and_generations_alternate)
{
	empty();
	for (u32 i = 0; i < 4; i++) {
		hotlog_page(&h, page);
		cr_expect_eq(h.generation, 11 + i);
		cr_expect_eq(h.copy, i % 2 ? 0 : 1);
		hotlog_durable(&h);
	}
}

Test(hotlog, a_full_table_takes_no_more_until_somebody_left)
{
	empty();
	fill(REPL_HOT_MAX);
	cr_expect_not(hotlog_add(&h, REPL_HOT_MAX));
	cr_expect_not(hotlog_find(&h, REPL_HOT_MAX) < REPL_HOT_MAX);
	hotlog_unmark(&h);
	cr_expect_eq(hotlog_pick(&h), HOTLOG_VICTIMS_MAX);
	cr_expect_not(hotlog_add(&h, REPL_HOT_MAX), "they are leaving, not gone");
	write_page();
	cr_expect_eq(h.n, REPL_HOT_MAX - HOTLOG_VICTIMS_MAX);
	cr_expect(hotlog_add(&h, REPL_HOT_MAX));
}

Test(hotlog, the_oldest_unmarked_leave)
{
	u32 out[HOTLOG_VICTIMS_MAX], n;

	empty();
	fill(100);
	for (u32 i = 0; i < 20; i++)
		hotlog_touch(&h, i); /* now the youngest */
	hotlog_unmark(&h);
	hotlog_mark(&h, 20);
	hotlog_mark(&h, 21);
	hotlog_mark(&h, 12345); /* is not in the table */
	cr_assert_eq(hotlog_pick(&h), HOTLOG_VICTIMS_MAX);
	n = hotlog_leaving(&h, out);
	cr_assert_eq(n, HOTLOG_VICTIMS_MAX);
	for (u32 i = 1; i < n; i++)
		cr_expect_gt(out[i], out[i - 1]);
	for (u32 i = 0; i < n; i++)
		cr_expect(out[i] >= 22 && out[i] < 22 + HOTLOG_VICTIMS_MAX, "%u", out[i]);
}

Test(hotlog, places_are_used_again)
{
	empty();
	fill(REPL_HOT_MAX);
	for (u32 i = 0; i < 100; i++)
		hotlog_touch(&h, i);
	hotlog_unmark(&h);
	hotlog_pick(&h); /* 100 to 163 */
	write_page();
	for (u32 i = 0; i < HOTLOG_VICTIMS_MAX; i++)
		cr_assert(hotlog_add(&h, REPL_HOT_MAX + i));
	cr_expect_not(hotlog_add(&h, 100), "full again");
	write_page();
	cr_expect_eq(h.n_adding, 0);
	cr_expect_eq(hotlog_touch(&h, REPL_HOT_MAX + 63), HOTLOG_HOT);
}

Test(hotlog, room_is_short_before_there_is_none)
{
	empty();
	fill(REPL_HOT_MAX - HOTLOG_ROOM);
	cr_expect_not(hotlog_is_short(&h));
	cr_assert(hotlog_add(&h, REPL_HOT_MAX));
	cr_expect(hotlog_is_short(&h));
}

Test(hotlog, marks_and_adding_keep_an_extent)
{
	u32 out[HOTLOG_VICTIMS_MAX];

	empty();
	fill(3);
	hotlog_add(&h, 50); /* not durable yet: cannot leave */
	hotlog_unmark(&h);
	for (u32 i = 0; i < 3; i++)
		hotlog_mark(&h, i);
	cr_expect_eq(hotlog_pick(&h), 0);
	cr_expect_eq(hotlog_leaving(&h, out), 0);
	hotlog_unmark(&h);
	cr_expect_eq(hotlog_pick(&h), 3);
	cr_expect_eq(hotlog_touch(&h, 50), HOTLOG_ADDING);
}

Test(hotlog, a_write_rescues_an_extent_that_is_leaving)
{
	u32 out[HOTLOG_VICTIMS_MAX];

	empty();
	fill(3);
	hotlog_unmark(&h);
	cr_expect_eq(hotlog_pick(&h), 3);
	cr_expect(hotlog_find(&h, 1) < REPL_HOT_MAX);
	cr_expect_eq(hotlog_touch(&h, 1), HOTLOG_HOT);
	cr_expect_eq(hotlog_leaving(&h, out), 2);
	write_page();
	cr_expect_eq(on_page(), 1);
	cr_expect(named(1));
	cr_expect_eq(hotlog_touch(&h, 0), HOTLOG_FREE);
	cr_expect_eq(hotlog_touch(&h, 1), HOTLOG_HOT);
	cr_expect_eq(hotlog_touch(&h, 2), HOTLOG_FREE);
	cr_expect_eq(h.n, 1);
}

/* A page that is written while extents leave still names them. */
Test(hotlog, what_leaves_is_named_until_it_is_dropped)
{
	empty();
	fill(3);
	hotlog_unmark(&h);
	cr_expect_eq(hotlog_pick(&h), 3);
	cr_assert(hotlog_add(&h, 9));
	hotlog_page(&h, page);
	hotlog_durable(&h);
	cr_expect(on_page() == 4 && named(1) && named(9));
	hotlog_drop_leaving(&h);
	hotlog_page(&h, page);
	hotlog_durable(&h);
	cr_expect(on_page() == 1 && named(9));
}

/* Its slot may serve another extent before that page is durable: it does not name the new one. */
Test(hotlog, a_slot_used_again_is_not_made_durable_by_the_older_page)
{
	empty();
	fill(REPL_HOT_MAX);
	hotlog_unmark(&h);
	hotlog_pick(&h);
	hotlog_drop_leaving(&h);
	hotlog_page(&h, page);
	for (u32 i = 0; i < HOTLOG_VICTIMS_MAX; i++)
		cr_assert(hotlog_add(&h, 5000 + i));
	hotlog_durable(&h);
	for (u32 i = 0; i < HOTLOG_VICTIMS_MAX; i++)
		cr_expect_eq(hotlog_touch(&h, 5000 + i), HOTLOG_ADDING);
	cr_expect_eq(h.n_adding, HOTLOG_VICTIMS_MAX);
}

Test(hotlog, what_was_found_on_the_disk_is_hot)
{
	const u32 found[] = { 4, 9, 4, 1u << 31 }; /* a damaged list names one twice */

	hotlog_init(&h, 3, 1, found, 4);
	cr_expect_eq(h.n, 3);
	cr_expect_eq(hotlog_touch(&h, 4), HOTLOG_HOT);
	cr_expect_eq(hotlog_touch(&h, 1u << 31), HOTLOG_HOT);
	hotlog_page(&h, page);
	cr_expect_eq(h.copy, 0, "never over the copy that counts");
	cr_expect_eq(on_page(), 3);
}

/* the page names each of these, and each once */
static void expect_on_page(const u8 in[4096])
{
	u8 seen[4096] = { 0 };
	u32 n = on_page();

	for (u32 i = 0; i < n; i++)
		seen[list[i]]++;
	cr_assert_eq(n, h.n);
	cr_assert_arr_eq(seen, in, sizeof(seen));
}

/* Against a plain model: no extent is lost or doubled, whatever the hash chains do. */
Test(hotlog, many_comings_and_goings)
{
	static u8 in[4096];
	u32 random = 12345;

	empty();
	memset(in, 0, sizeof(in));
	for (u32 step = 0; step < 20000; step++) {
		u32 out[HOTLOG_VICTIMS_MAX], x, n;

		random = random * 1664525u + 1013904223u;
		x = (random >> 8) % 4096;
		cr_assert_eq(hotlog_find(&h, x) < REPL_HOT_MAX, in[x], "step %u", step);
		if (!in[x] && hotlog_add(&h, x))
			in[x] = 1;
		else if (in[x])
			hotlog_touch(&h, x);
		if (step % 37 == 0) {
			write_page();
			expect_on_page(in);
		}
		if (h.n < REPL_HOT_MAX)
			continue;
		write_page();
		hotlog_unmark(&h);
		hotlog_pick(&h);
		n = hotlog_leaving(&h, out);
		write_page();
		for (u32 i = 0; i < n; i++)
			in[out[i]] = 0;
	}
}

/* What did not change since the extent came is what the page of the map says. */
Test(hotlog, stamps_that_changed_are_merged_and_no_others)
{
	u32 stamp[REPL_REGIONS_PER_EXTENT] = { 7, 8, 9 }, at, found;

	empty();
	cr_assert(hotlog_add(&h, 5));
	at = hotlog_find(&h, 5);
	cr_expect_not(hotlog_stamp(&h, at, 5 * REPL_REGIONS_PER_EXTENT, &found));
	cr_expect_eq(hotlog_merge(&h, at, stamp), 0, "nothing has changed");
	hotlog_stamp_set(&h, at, 5 * REPL_REGIONS_PER_EXTENT + 1, 11);
	cr_expect(hotlog_stamp(&h, at, 5 * REPL_REGIONS_PER_EXTENT + 1, &found) && found == 11);
	cr_expect_not(hotlog_stamp(&h, at, 5 * REPL_REGIONS_PER_EXTENT + 2, &found));
	cr_expect_eq(hotlog_merge(&h, at, stamp), 1ull << 1);
	cr_expect(stamp[0] == 7 && stamp[1] == 11 && stamp[2] == 9);
	cr_expect_eq(hotlog_merge(&h, at, stamp), 0, "it has it now");
	hotlog_stamp_set(&h, at, 5 * REPL_REGIONS_PER_EXTENT + 63, REPL_STAMP_UNKNOWN);
	stamp[63] = 3;
	cr_expect_eq(hotlog_merge(&h, at, stamp), 1ull << 63);
	cr_expect_eq(stamp[63], REPL_STAMP_UNKNOWN);
	write_page();
	hotlog_unmark(&h);
	cr_assert_eq(hotlog_pick(&h), 1);
	write_page();
	cr_assert(hotlog_add(&h, 6));
	cr_expect_not(hotlog_stamp(&h, hotlog_find(&h, 6), 6 * REPL_REGIONS_PER_EXTENT + 1, &found),
		      "of the extent that was there before");
}

Test(hotlog, after_a_crash_the_stamps_of_its_extents_are_unknown)
{
	static const u32 extents[] = { 3, 9 };

	hotlog_init(&h, 10, 0, extents, 2);
	for (u32 x = 0; x < REPL_REGIONS_PER_EXTENT; x++)
		cr_expect_eq(h.stamp[hotlog_find(&h, 9)][x], REPL_STAMP_UNKNOWN);
}
