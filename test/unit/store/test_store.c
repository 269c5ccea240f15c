// SPDX-License-Identifier: GPL-2.0-or-later
/* test_store.c - reading, listing, watching, reopening. */
#include "support/scratch.h"

#include <errno.h>

static struct store *s;
static char dir[64];

static void setup(void)
{
	s = scratch_open(scratch_make(dir), 0);
}

static void teardown(void)
{
	store_close(s);
	scratch_remove(dir);
	test_no_leaks();
}

TestSuite(store, .init = setup, .fini = teardown, .timeout = 60);

static int collect(const char *key, json *doc, uint64_t revision, void *arg)
{
	char *out = arg;

	snprintf(out + strlen(out), 256 - strlen(out), "%s@%d ", key, (int)revision);
	cr_expect_not_null(jget(doc, "n"));
	return strcmp(key, "b/stop") == 0 ? 17 : 0;
}

Test(store, list_in_key_order_below_the_prefix)
{
	static const struct {
		const char *prefix, *want;
		int rv;
	} rows[] = {
		{ "a/", "a/1@3 a/10@1 a/2@2 ", 0 },
		{ "a/1/", "", 0 },
		{ "b/", "b/1@4 b/stop@5 ", 17 },
		{ "c/", "", 0 },
		{ "z/", "z/1@7 ", 0 },
		{ "", "a/1@3 a/10@1 a/2@2 b/1@4 b/stop@5 ", 17 },
	};

	scratch_put(s, 1, "a/10", 1);
	scratch_put(s, 2, "a/2", 1);
	scratch_put(s, 3, "a/1", 1);
	scratch_put(s, 4, "b/1", 1);
	scratch_put(s, 5, "b/stop", 1);
	scratch_put(s, 6, "b/t", 1);
	scratch_put(s, 7, "z/1", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[256] = "";

		cr_expect_eq(store_list(s, rows[i].prefix, collect, out), rows[i].rv);
		cr_expect_str_eq(out, rows[i].want, "prefix '%s'", rows[i].prefix);
	}
}

static int get_inside(const char *key, json *doc, uint64_t revision, void *arg)
{
	/* reading again while listing is allowed */
	return scratch_n(s, key, NULL) == jget_i64_or(doc, "n", -5) ? 0 : 1;
}

static int collect_key(const char *key, void *arg)
{
	char *out = arg;
	size_t n = strlen(out);

	snprintf(out + n, 256 - n, "%s ", key);
	return strcmp(key, "b/stop") == 0 ? 17 : 0;
}

Test(store, keys_without_their_documents)
{
	char out[256] = "";

	scratch_put(s, 1, "a/10", 1);
	scratch_put(s, 2, "a/2", 1);
	scratch_put(s, 3, "b/1", 1);
	scratch_put(s, 4, "b/stop", 1);
	scratch_put(s, 5, "b/t", 1);
	cr_expect_eq(store_list_keys(s, "a/", collect_key, out), 0);
	cr_expect_str_eq(out, "a/10 a/2 ");
	out[0] = 0;
	cr_expect_eq(store_list_keys(s, "b/", collect_key, out), 17);
	cr_expect_str_eq(out, "b/1 b/stop ");
	out[0] = 0;
	cr_expect_eq(store_list_keys(s, "c/", collect_key, out), 0);
	cr_expect_str_eq(out, "");
}

Test(store, reading_inside_of_list)
{
	scratch_put(s, 1, "a/1", 1);
	scratch_put(s, 2, "a/2", 2);
	cr_expect_eq(store_list(s, "a/", get_inside, NULL), 0);
}

Test(store, missing_and_impossible_keys)
{
	char longest[2000];
	json *doc;

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	cr_expect_eq(store_get(s, "a/1", &doc, NULL), -E_NOT_FOUND);
	cr_expect_eq(store_get(s, "", &doc, NULL), -E_NOT_FOUND);
	cr_expect_eq(store_get(s, longest, &doc, NULL), -E_NOT_FOUND);
	cr_expect_eq(store_request(s, longest, NULL, NULL), -E_NOT_FOUND);
}

Test(store, reopened_as_it_was)
{
	uint64_t revision;

	scratch_put(s, 4, "a/1", 77);
	store_close(s);
	s = scratch_open(dir, 0);
	cr_expect_eq(store_applied(s), 4);
	cr_expect_eq(scratch_n(s, "a/1", &revision), 77);
	cr_expect_eq(revision, 4);
}

/* --- watches --- */

struct seen {
	char text[512];
	struct store_watch *to_remove[2];
	struct store_watch *made;
};

static void note(const char *key, uint64_t revision, void *arg)
{
	struct seen *seen = arg;

	snprintf(seen->text + strlen(seen->text), sizeof(seen->text) - strlen(seen->text), "%s@%d ",
		 key, (int)revision);
}

static void note_and_unwatch(const char *key, uint64_t revision, void *arg)
{
	struct seen *seen = arg;

	note(key, revision, arg);
	for (int i = 0; i < 2; i++) {
		store_unwatch(s, seen->to_remove[i]);
		seen->to_remove[i] = NULL;
	}
}

static void note_and_watch(const char *key, uint64_t revision, void *arg)
{
	struct seen *seen = arg;

	note(key, revision, arg);
	if (!seen->made)
		seen->made = store_watch(s, "a/", note, arg);
}

Test(store, watch_sees_what_was_applied)
{
	struct seen a = { 0 }, all = { 0 };
	struct txn *t;

	store_watch(s, "a/", note, &a);
	store_watch(s, "", note, &all);
	scratch_put(s, 1, "a/1", 1);
	scratch_put(s, 2, "ab/1", 1);
	t = txn_new("", "");
	txn_put(t, "a/1", NULL);
	txn_put(t, "a/2", scratch_doc(1));
	scratch_apply(s, 3, t);
	t = txn_new("", "");
	txn_read(t, "a/2", 1); /* a conflict is no change */
	txn_put(t, "a/2", scratch_doc(1));
	scratch_apply(s, 4, t);
	cr_expect_str_eq(a.text, "a/1@1 a/1@3 a/2@3 ");
	cr_expect_str_eq(all.text, "a/1@1 ab/1@2 a/1@3 a/2@3 ");
}

Test(store, unwatch_inside_of_the_callback)
{
	struct seen first = { 0 }, second = { 0 }, third = { 0 };

	first.to_remove[0] = store_watch(s, "a/", note_and_unwatch, &first);
	first.to_remove[1] = store_watch(s, "a/", note, &second);
	store_watch(s, "a/", note, &third);
	scratch_put(s, 1, "a/1", 1);
	scratch_put(s, 2, "a/2", 1);
	cr_expect_str_eq(first.text, "a/1@1 ");
	cr_expect_str_eq(second.text, "", "removed before its turn");
	cr_expect_str_eq(third.text, "a/1@1 a/2@2 ");
	store_unwatch(s, NULL);
}

Test(store, watch_inside_of_the_callback_begins_with_the_next_change)
{
	struct seen seen = { 0 };

	store_watch(s, "a/", note_and_watch, &seen);
	scratch_put(s, 1, "a/1", 1);
	cr_expect_str_eq(seen.text, "a/1@1 ");
	scratch_put(s, 2, "a/2", 1);
	cr_expect_str_eq(seen.text, "a/1@1 a/2@2 a/2@2 ");
}

/* --- dump and restore --- */

Test(store, restore_replaces_everything)
{
	struct seen seen = { 0 };
	struct store *other;
	struct buf b, again;
	char dir2[64];
	uint64_t index;
	struct txn *t;

	t = txn_new("req", "");
	txn_put(t, "a/1", scratch_doc(1));
	txn_answer(t, scratch_doc(9));
	scratch_apply(s, 10, t);
	scratch_put(s, 12, "a/2", 2);
	buf_init(&b, 1u << 20);
	buf_init(&again, 1u << 20);
	cr_assert_eq(store_dump(s, &b, NULL), 0);
	cr_assert_eq(store_dump_index(b.data, b.len, &index), 0);
	cr_assert_eq(index, 12);

	other = scratch_open(scratch_make(dir2), 0);
	scratch_put(other, 3, "a/1", 5);
	scratch_put(other, 4, "old/1", 5);
	store_watch(other, "whatever/", note, &seen);
	cr_assert_eq(store_restore(other, b.data, b.len, NULL), 0);
	cr_expect_str_eq(seen.text, "@12 ");
	store_close(other);
	other = scratch_open(dir2, 0);
	cr_expect_eq(store_applied(other), 12);
	cr_expect_eq(scratch_n(other, "a/1", NULL), 1);
	cr_expect_eq(scratch_n(other, "old/1", NULL), -1);
	cr_expect_eq(store_request(other, "req", &index, NULL), 0);
	cr_expect_eq(index, 10);
	cr_assert_eq(store_dump(other, &again, NULL), 0);
	cr_expect_eq(again.len, b.len);
	cr_expect_eq(memcmp(again.data, b.data, b.len), 0);
	store_close(other);
	scratch_remove(dir2);
	buf_release(&b);
	buf_release(&again);
}

Test(store, a_damaged_dump_is_refused_and_changes_nothing)
{
	struct buf b;

	scratch_put(s, 1, "a/1", 1);
	buf_init(&b, 1u << 20);
	cr_assert_eq(store_dump(s, &b, NULL), 0);
	scratch_put(s, 2, "a/2", 2);
	for (size_t i = 0; i < b.len; i++) {
		struct err err = { 0 };

		b.data[i] ^= 0x40;
		cr_expect_eq(store_restore(s, b.data, b.len, &err), -E_CORRUPT, "byte %zu", i);
		cr_expect(err.text[0]);
		b.data[i] ^= 0x40;
		cr_expect_eq(store_restore(s, b.data, i, &err), -E_CORRUPT, "cut at %zu", i);
	}
	cr_expect_eq(store_applied(s), 2);
	cr_expect_eq(scratch_n(s, "a/2", NULL), 2);
	buf_release(&b);
}

Test(store, restoring_more_than_fits_is_refused_and_changes_nothing)
{
	char dir2[64], *pad = calloc(1, 200001);
	struct err err = { 0 };
	struct store *small;
	struct buf b;

	memset(pad, 'x', 200000);
	for (int i = 1; i <= 30; i++) {
		struct txn *t = txn_new("", "");
		json *doc = scratch_doc(i);
		char key[32];

		jset_str(doc, "pad", pad);
		snprintf(key, sizeof(key), "big/%d", i);
		txn_put(t, key, doc);
		scratch_apply(s, (uint64_t)i, t);
	}
	free(pad);
	buf_init(&b, 16u << 20);
	cr_assert_eq(store_dump(s, &b, NULL), 0);
	small = scratch_open(scratch_make(dir2), 2u << 20);
	scratch_put(small, 1, "a/1", 1);
	cr_expect_eq(store_restore(small, b.data, b.len, &err), -ENOSPC);
	cr_expect(strstr(err.text, "store.mdb"), "%s", err.text);
	cr_expect_eq(store_applied(small), 1);
	cr_expect_eq(scratch_n(small, "a/1", NULL), 1);
	scratch_put(small, 2, "a/1", 2);
	store_close(small);
	scratch_remove(dir2);
	buf_release(&b);
}

Test(store, a_view_shows_the_state_at_its_begin)
{
	struct store_view *v;
	struct buf b;
	uint64_t index;

	scratch_put(s, 1, "a/1", 1);
	cr_assert_eq(store_view_begin(s, &v, NULL), 0);
	scratch_put(s, 2, "a/2", 2);
	buf_init(&b, 1u << 20);
	cr_assert_eq(store_view_write(v, &b, NULL), 0);
	store_view_end(v);
	cr_assert_eq(store_dump_index(b.data, b.len, &index), 0);
	cr_expect_eq(index, 1);
	cr_assert_eq(store_restore(s, b.data, b.len, NULL), 0);
	cr_expect_eq(scratch_n(s, "a/2", NULL), -1);
	buf_release(&b);
	/* a dump larger than its buffer may be */
	buf_init(&b, 16);
	cr_expect_eq(store_dump(s, &b, NULL), -EMSGSIZE);
	buf_release(&b);
}

Test(store, room)
{
	struct err err = { 0 };
	struct store *small;
	char dir2[64];

	cr_expect_eq(store_room(s, TXN_BYTES_MAX, &err), 0, "%s", err.text);
	small = scratch_open(scratch_make(dir2), 1u << 20);
	cr_expect_eq(store_room(small, 100, &err), -ENOSPC);
	store_close(small);
	scratch_remove(dir2);
	cr_expect_eq(STORE_ROOM_OPS_MAX, TXN_OPS_MAX);
}
