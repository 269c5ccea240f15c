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

static const struct meta_label label = {
	.generation = 1ull << 40,
	.cluster = "cluster-cluster",
	.resource = "resourceresourc",
	.replica = "0123456789abcde",
	.volume = "volumevolumevol",
	.number = 3,
	.slot = 2,
	.size_bytes = 5ull << 30,
	.name = "db",
	.node = "n1",
	.peer = { "", "n2", "n3" },
};
static const struct meta_state state = {
	.generation = 1ull << 41,
	.attached = 12,
	.epoch = 17,
	.learner_epoch = 16,
	.n_voids = 2,
	.voids = { { 4, 7, 9 }, { 6, 12, 14 } },
};

static u8 a[REPL_META_PAGE], b[REPL_META_PAGE];
static u32 list[REPL_HOT_MAX + 1], got[REPL_HOT_MAX + 1], seen;

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
		{ (u64)REPL_STAMPS_PER_PAGE * REPL_REGION_BYTES, 960, 1 },
		{ (u64)REPL_STAMPS_PER_PAGE * REPL_REGION_BYTES + 512, 961, 2 },
		{ 1ull << 40, 16777216, 17477 },
		{ REPL_VOLUME_BYTES_MAX, 268435456, 279621 },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		cr_expect_eq(meta_regions(rows[i].bytes), rows[i].regions, "row %zu", i);
		cr_expect_eq(meta_map_pages(rows[i].bytes), rows[i].pages, "row %zu", i);
		cr_expect_eq(meta_bytes(rows[i].bytes), (6ull + rows[i].pages) * REPL_META_PAGE);
	}
}

Test(meta, a_label_comes_back)
{
	struct meta_label l;

	meta_put_label(a, &label);
	cr_assert_eq(meta_get_label(a, &l), 0);
	cr_expect_eq(l.generation, label.generation);
	cr_expect_arr_eq(l.cluster, label.cluster, 16);
	cr_expect_arr_eq(l.resource, label.resource, 16);
	cr_expect_arr_eq(l.replica, label.replica, 16);
	cr_expect_arr_eq(l.volume, label.volume, 16);
	cr_expect_eq(l.number, label.number);
	cr_expect_eq(l.slot, label.slot);
	cr_expect_eq(l.size_bytes, label.size_bytes);
	cr_expect_str_eq(l.name, label.name);
	cr_expect_str_eq(l.node, label.node);
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		cr_expect_str_eq(l.peer[s], label.peer[s]);
}

Test(meta, a_state_comes_back)
{
	struct meta_state s;

	meta_put_state(a, &state);
	cr_assert_eq(meta_get_state(a, &s), 0);
	cr_expect_eq(s.generation, state.generation);
	cr_expect_eq(s.attached, state.attached);
	cr_expect_eq(s.epoch, state.epoch);
	cr_expect_eq(s.learner_epoch, state.learner_epoch);
	cr_expect_eq(s.n_voids, 2);
	cr_expect_arr_eq(s.voids, state.voids, sizeof(s.voids));
}

Test(meta, names_without_an_end_get_one)
{
	struct meta_label l = label;

	memset(l.name, 'x', sizeof(l.name));
	memset(l.peer, 'y', sizeof(l.peer));
	meta_put_label(a, &l);
	cr_assert_eq(meta_get_label(a, &l), 0);
	cr_expect_eq(strnlen(l.name, META_NAME_MAX), META_NAME_MAX - 1);
	cr_expect_eq(strnlen(l.peer[15], META_NAME_MAX), META_NAME_MAX - 1);
}

/* a page of each kind, read as each kind; codes in the order label, state, hot, map */
static void refused(const char *what, int want_label, int want_state, int want_hot, int want_map)
{
	struct meta_label l;
	struct meta_state s;
	u64 generation;
	u32 n;

	cr_expect_eq(meta_get_label(a, &l), want_label, "%s: label", what);
	cr_expect_eq(meta_get_state(a, &s), want_state, "%s: state", what);
	cr_expect_eq(meta_get_hot(a, &generation, got, &n), want_hot, "%s: hot", what);
	cr_expect_eq(meta_get_map(a, 3, &seen, got), want_map, "%s: map", what);
}

#define BAD (-EBADMSG)
#define NEW (-EPROTONOSUPPORT)

Test(meta, each_page_is_only_what_it_is)
{
	meta_put_label(a, &label);
	refused("label", 0, BAD, BAD, BAD);
	meta_put_state(a, &state);
	refused("state", BAD, 0, BAD, BAD);
	meta_put_hot(a, 1, list, 0);
	refused("hot", BAD, BAD, 0, BAD);
	meta_put_map(a, 3, 0, list);
	refused("map", BAD, BAD, BAD, 0);
	meta_put_map(a, 2, 0, list);
	refused("map page in another's place", BAD, BAD, BAD, BAD);
	memset(a, 0, sizeof(a));
	refused("zeros", BAD, BAD, BAD, BAD);
	memset(a, 0xff, sizeof(a));
	refused("ones", BAD, BAD, BAD, BAD);
}

Test(meta, versions)
{
	meta_put_label(a, &label);
	put_u32(a, 4, REPL_META_VERSION + 1);
	refused("newer label", NEW, BAD, BAD, BAD);
	put_u32(a, 4, 0);
	refused("version 0", BAD, BAD, BAD, BAD);
	meta_put_state(a, &state);
	put_u32(a, 4, REPL_META_VERSION + 1);
	refused("newer state", BAD, NEW, BAD, BAD);
	meta_put_hot(a, 1, list, 0);
	put_u32(a, 4, ~0u);
	refused("newer hot", BAD, BAD, NEW, BAD);
	meta_put_map(a, 3, 0, list);
	put_u32(a, 4, REPL_META_VERSION + 1);
	refused("newer map", BAD, BAD, BAD, NEW);
}

#define LABEL_UNITS (16 + 8 + 4 * 16 + 4) /* region, extent */
#define STATE_VOIDS (16 + 8 + 8 + 4 + 4)  /* count, then the list */

Test(meta, other_units_are_not_ours_to_read)
{
	struct meta_label l;

	meta_put_label(a, &label);
	put_u32(a, LABEL_UNITS, REPL_REGION_BYTES / 2);
	cr_expect_eq(meta_get_label(a, &l), -EPROTONOSUPPORT);
	meta_put_label(a, &label);
	put_u32(a, LABEL_UNITS + 4, REPL_EXTENT_BYTES * 2);
	cr_expect_eq(meta_get_label(a, &l), -EPROTONOSUPPORT);
}

Test(meta, rightly_summed_nonsense_is_refused)
{
	struct meta_label l = label;
	struct meta_state s;

	l.number = REPL_VOLUMES_MAX;
	meta_put_label(a, &l);
	cr_expect_eq(meta_get_label(a, &l), -EBADMSG);
	l = label;
	l.size_bytes = REPL_VOLUME_BYTES_MAX + 512;
	meta_put_label(a, &l);
	cr_expect_eq(meta_get_label(a, &l), -EBADMSG);
	meta_put_state(a, &state);
	put_u32(a, STATE_VOIDS, META_VOIDS_MAX + 1);
	cr_expect_eq(meta_get_state(a, &s), -EBADMSG, "more voids than can be");
	meta_put_state(a, &state);
	put_u32(a, STATE_VOIDS + 4, 6);
	cr_expect_eq(meta_get_state(a, &s), -EBADMSG, "their numbers do not ascend");
}

Test(meta, every_damaged_byte_is_refused)
{
	struct meta_label l;
	struct meta_state s;

	for (u32 at = 0; at < REPL_META_PAGE; at++) {
		meta_put_label(a, &label);
		a[at] ^= 0x40;
		cr_assert_eq(meta_get_label(a, &l), -EBADMSG, "byte %u", at);
		meta_put_state(a, &state);
		a[at] ^= 0x40;
		cr_assert_eq(meta_get_state(a, &s), -EBADMSG, "byte %u", at);
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

Test(meta, voids)
{
	/* what counts of a stamp on a page that has seen so many voids */
	static const struct {
		u32 seen, stamp, counts;
	} rows[] = {
		{ 0, 6, 6 },   { 0, 7, 0 }, { 0, 8, 0 },  { 0, 9, 9 },  { 0, 12, 0 },
		{ 0, 14, 14 }, { 4, 7, 7 }, { 4, 13, 0 }, { 5, 13, 0 }, { 6, 13, 13 },
		{ 9, 13, 13 }, { 0, 1, 1 }, { 0, 0, 0 },
	};
	struct meta_state s = state;

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++)
		cr_expect_eq(meta_void_apply(&s, rows[i].seen, rows[i].stamp), rows[i].counts,
			     "row %zu", i);
	cr_expect_eq(meta_void_last(&s), 6);
	meta_void_add(&s, 20, 22);
	cr_expect_eq(meta_void_last(&s), 7);
	cr_expect_eq(meta_void_apply(&s, 6, 21), 0);
}

Test(meta, more_voids_than_fit_make_more_unknown_never_less)
{
	struct meta_state s = { 0 };
	u32 number = 0;

	for (u32 e = 10; e < 10 + 4 * (META_VOIDS_MAX + 9); e += 4) {
		meta_void_add(&s, e, e + 2);
		cr_expect_eq(meta_void_last(&s), ++number);
		cr_expect_leq(s.n_voids, META_VOIDS_MAX);
	}
	for (u32 e = 10; e < 10 + 4 * (META_VOIDS_MAX + 9); e += 4) {
		cr_expect_eq(meta_void_apply(&s, 0, e), 0, "epoch %u", e);
		cr_expect_eq(meta_void_apply(&s, 0, e + 1), 0);
	}
	cr_expect_eq(meta_void_apply(&s, 0, 9), 9);
	cr_expect_eq(meta_void_apply(&s, number, 11), 11, "a page of today has seen all");
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
			struct meta_state s = state, out = { .generation = 0 };
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
					meta_put_state(page, &s);
				if (how < 0)
					put_u32(page, 4, REPL_META_VERSION + 1);
				else if (!how)
					page[100] ^= 1;
			}
			rc = hot ? meta_pick_hot(a, b, &generation, got, &n, &copy)
				 : meta_pick_state(a, b, &out, &copy);
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
		meta_put_map(a, number, 40 + number, stamp);
		cr_assert_eq(meta_get_map(a, number, &seen, out), 0);
		cr_expect_arr_eq(out, stamp, sizeof(stamp));
		cr_expect_eq(seen, 40 + number);
		cr_expect_eq(meta_get_map(a, number + 1, &seen, out), -EBADMSG);
	}
}
