// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_history.c - who changed what, when: what an entry says, which ring it
 * goes to, what is trimmed first, and that snapshots, old stores and restarts
 * agree about it.
 */
#include "support/scratch.h"

#include <lmdb.h>

#include "store/history.h"

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

TestSuite(history, .init = setup, .fini = teardown, .timeout = 300);

struct seen {
	int n, stop_after;
	uint64_t first, last;
	char text[4096]; /* of the last entry */
};

static int see(uint64_t index, json *entry, void *arg)
{
	struct seen *x = arg;

	if (x->n++ == 0)
		x->first = index;
	x->last = index;
	snprintf(x->text, sizeof(x->text), "%s", json_text(entry));
	return x->n == x->stop_after;
}

static struct seen look(uint64_t from)
{
	struct seen x = { 0 };

	cr_assert_eq(store_history(s, from, see, &x), 0);
	return x;
}

static struct txn *by(const char *author, int64_t at_ms, const char *what)
{
	struct txn *t = txn_new("", author);

	txn_note(t, at_ms, what);
	return t;
}

/* an entry of the ring that the author and the key say */
static void change(struct store *to, uint64_t index, const char *author, const char *key)
{
	struct txn *t = by(author, (int64_t)index, "x");

	txn_put(t, key, scratch_doc((int64_t)index));
	cr_assert_eq(scratch_apply(to, index, t).outcome, TXN_APPLIED);
}

Test(history, says_who_when_what)
{
	struct txn *t = by("local via n1", 1700000000123, "Resource 'db' created.");
	struct seen x;

	txn_put(t, "resource/db", scratch_doc(1));
	txn_put(t, "minor/1000", scratch_doc(2));
	txn_put(t, "minor/gone", NULL);
	scratch_apply(s, 7, t);
	x = look(0);
	cr_assert_eq(x.n, 1);
	cr_assert_eq(x.first, 7);
	cr_expect_str_eq(x.text, "{\"at\":1700000000123,\"by\":\"local via n1\","
				 "\"what\":\"Resource 'db' created.\",\"changes\":["
				 "{\"key\":\"resource/db\",\"op\":\"made\"},"
				 "{\"key\":\"minor/1000\",\"op\":\"made\"}]}");
	t = txn_new("", "");
	txn_put(t, "resource/db", scratch_doc(3));
	txn_put(t, "minor/1000", NULL);
	scratch_apply(s, 9, t);
	x = look(8);
	cr_assert_eq(x.n, 1);
	cr_expect_str_eq(x.text, "{\"at\":0,\"by\":\"\",\"what\":\"\",\"changes\":["
				 "{\"key\":\"resource/db\",\"op\":\"changed\"},"
				 "{\"key\":\"minor/1000\",\"op\":\"deleted\"}]}");
}

Test(history, only_what_changes_documents)
{
	struct txn *t = txn_new("req", "a");

	txn_answer(t, scratch_doc(1));
	scratch_apply(s, 1, t);
	t = txn_new("", "a");
	txn_put(t, "k/missing", NULL);
	scratch_apply(s, 2, t);
	t = txn_new("", "a");
	txn_read(t, "k/a", 99);
	txn_put(t, "k/a", scratch_doc(1));
	cr_assert_eq(scratch_apply(s, 3, t).outcome, TXN_CONFLICT);
	cr_expect_eq(look(0).n, 0);
	change(s, 4, "a", "k/a");
	t = txn_new("req", "a");
	txn_put(t, "k/b", scratch_doc(1));
	cr_assert_eq(scratch_apply(s, 5, t).outcome, TXN_DUPLICATE);
	cr_expect_eq(look(0).n, 1);
}

Test(history, no_content_of_documents)
{
	json *doc = json_object_new_object();
	struct txn *t = by("a", 1, "Token made.");
	struct seen x;

	jset_str(doc, "secret", "hunter2");
	txn_answer(t, json_copy(doc));
	txn_put(t, "token/1", doc);
	scratch_apply(s, 1, t);
	x = look(0);
	cr_assert_eq(x.n, 1);
	cr_expect_null(strstr(x.text, "hunter2"));
}

Test(history, limits_of_an_entry)
{
	char what[HISTORY_WHAT_MAX + 8], key[32];
	struct txn_result r;
	struct txn *t;
	struct buf b;
	json *entry;
	struct seen x;
	const char *kept;

	/* two bytes a character, one of them across the limit */
	memset(what, 'x', sizeof(what));
	memcpy(what + HISTORY_WHAT_MAX - 1, "\303\251", 2);
	what[HISTORY_WHAT_MAX + 1] = 0;
	t = by("a", 1, what);
	for (int i = 0; i <= HISTORY_CHANGES_MAX; i++) {
		snprintf(key, sizeof(key), "k/%d", i);
		txn_put(t, key, scratch_doc(i));
	}
	scratch_apply(s, 1, t);
	x = look(0);
	cr_assert_eq(x.n, 1);
	cr_assert_eq(json_parse(x.text, strlen(x.text), &entry, NULL), 0);
	kept = jget_str(entry, "what", "");
	cr_expect_eq(strlen(kept), HISTORY_WHAT_MAX - 1);
	cr_expect_eq(json_object_array_length(jget(entry, "changes")), HISTORY_CHANGES_MAX);
	cr_expect_eq(jget_i64_or(entry, "more", 0), 1);
	json_object_put(entry);

	/* what only a bad peer writes does not get in, and is no reason to refuse the change */
	buf_init(&b, TXN_BYTES_MAX);
	buf_printf(&b, "{\"v\":1,\"by\":\"");
	for (int i = 0; i <= TXN_AUTHOR_MAX; i++)
		buf_append(&b, "a", 1);
	buf_printf(&b, "\",\"at\":-5,\"what\":\"");
	for (int i = 0; i <= HISTORY_WHAT_MAX; i++)
		buf_append(&b, "a", 1);
	buf_printf(&b, "\",\"w\":[[\"k/a\",\"{}\"]]}");
	cr_assert_eq(store_apply(s, 2, b.data, b.len, &r, NULL), 0);
	buf_release(&b);
	cr_assert_eq(r.outcome, TXN_APPLIED);
	cr_expect_str_eq(look(2).text, "{\"at\":0,\"by\":\"\",\"what\":\"\",\"changes\":[{\"key\":"
				       "\"k/a\",\"op\":\"made\"}]}");
}

Test(history, one_list_of_all_rings_both_ways)
{
	static const char *const author[] = { "local", "node=n1", "node=n1" };
	static const char *const key[] = { "k/a", "replica/a/n1", "record/a" };
	struct seen x = { .stop_after = 4 };

	for (uint64_t i = 1; i <= 30; i++)
		change(s, i * 2, author[i % 3], key[i % 3]);
	cr_expect_eq(look(0).n, 30);
	cr_expect_eq(look(0).last, 60);
	cr_expect_eq(look(31).first, 32);
	cr_expect_eq(look(32).n, 15);
	cr_expect_eq(look(61).n, 0);
	cr_assert_eq(store_history_back(s, UINT64_MAX, see, &x), 1, "what each returned");
	cr_expect_eq(x.first, 60);
	cr_expect_eq(x.last, 54);
	x = (struct seen){ 0 };
	cr_assert_eq(store_history_back(s, 9, see, &x), 0);
	cr_expect_eq(x.first, 8);
	cr_expect_eq(x.last, 2);
	cr_expect_eq(x.n, 4);
	cr_expect_eq(store_history_floor(s), 0);
}

Test(history, records_do_not_push_out_people)
{
	uint64_t index = 1;
	struct seen x;

	change(s, index, "local", "k/a");
	change(s, ++index, "node=n1", "replica/a/n1");
	change(s, ++index, "local", "record/a"); /* a record changed by somebody is no noise */
	for (int i = 0; i < HISTORY_RECORDS_MAX + 5; i++)
		change(s, ++index, "node=n1", "record/a");
	cr_expect_eq(look(0).n, HISTORY_RECORDS_MAX + 3);
	cr_expect_eq(look(0).first, 1);
	cr_expect_eq(store_history_floor(s), 8, "the last one that went");
	x = look(store_history_floor(s) + 1);
	cr_expect_eq(x.n, HISTORY_RECORDS_MAX);
	cr_expect_eq(x.first, 9);
}

Test(history, trimmed_by_count)
{
	uint64_t index = 0;

	for (int i = 0; i < HISTORY_NODES_MAX + 2; i++)
		change(s, ++index, "node=n1", "replica/a/n1");
	cr_expect_eq(look(0).n, HISTORY_NODES_MAX);
	for (int i = 0; i < HISTORY_MAX + 3; i++)
		change(s, ++index, "local", "k/a");
	cr_expect_eq(look(0).n, HISTORY_NODES_MAX + HISTORY_MAX);
	cr_expect_eq(look(0).first, 3);
	cr_expect_eq(store_history_floor(s), HISTORY_NODES_MAX + 2 + 3);
}

/* many changes in one transaction: the bytes end before the count does */
Test(history, trimmed_by_bytes)
{
	char pad[401], key[STORE_KEY_MAX];
	uint64_t index = 0;
	struct seen x;
	int n;

	memset(pad, 'a', 400);
	pad[400] = 0;
	for (n = 0; n < 400; n++) {
		struct txn *t = by("local", 1, "x");

		for (int i = 0; i < HISTORY_CHANGES_MAX; i++) {
			snprintf(key, sizeof(key), "k/%s%d", pad, i);
			txn_put(t, key, scratch_doc(1));
		}
		scratch_apply(s, ++index, t);
	}
	x = look(0);
	cr_expect_gt(x.n, 200);
	cr_expect_lt(x.n, 400);
	cr_expect_lt((uint64_t)x.n * HISTORY_CHANGES_MAX * 400, HISTORY_BYTES_MAX);
	cr_expect_eq(store_history_floor(s), (uint64_t)(400 - x.n));
}

static void expect_same(struct store *a, struct store *b)
{
	struct buf x, y;

	buf_init(&x, 64u << 20);
	buf_init(&y, 64u << 20);
	cr_assert_eq(store_dump(a, &x, NULL), 0);
	cr_assert_eq(store_dump(b, &y, NULL), 0);
	cr_assert_eq(x.len, y.len);
	cr_assert_eq(memcmp(x.data, y.data, x.len), 0);
	buf_release(&x);
	buf_release(&y);
}

Test(history, snapshots_have_it)
{
	struct store *other;
	uint64_t index = 0;
	struct buf b;
	char dir2[64];

	for (int i = 0; i < HISTORY_RECORDS_MAX + 10; i++)
		change(s, ++index, i % 100 ? "node=n1" : "local", "record/a");
	other = scratch_open(scratch_make(dir2), 0);
	change(other, 1, "somebody", "k/else"); /* goes with everything else */
	buf_init(&b, 64u << 20);
	cr_assert_eq(store_dump(s, &b, NULL), 0);
	cr_assert_eq(store_restore(other, b.data, b.len, NULL), 0);
	buf_release(&b);
	expect_same(s, other);
	/* both trim the same from here on, also after being opened again */
	store_close(other);
	other = scratch_open(dir2, 0);
	for (int i = 0; i < 100; i++) {
		change(s, ++index, "node=n1", "record/a");
		change(other, index, "node=n1", "record/a");
	}
	cr_expect_gt(store_history_floor(s), 0);
	expect_same(s, other);
	store_close(other);
	scratch_remove(dir2);
}

/* The bytes of a dump before there was a history, by hand: one document, index 5 */
static size_t old_dump(uint8_t out[256])
{
	static const uint8_t tail[] = { 0xff };
	struct buf b;
	uint32_t crc;
	size_t at, len;

	/* of the present form, cut behind the documents */
	buf_init(&b, 64u << 20);
	cr_assert_eq(store_dump(s, &b, NULL), 0);
	for (at = 20; b.data[at] == 1;)
		at += 9 + b.data[at + 1] + (size_t)b.data[at + 5];
	cr_assert_lt(at + 5, 256);
	memcpy(out, b.data, at);
	buf_release(&b);
	out[8] = 1;
	out[at] = tail[0];
	len = at + 1;
	crc = 0xffffffff;
	for (size_t i = 0; i < len; i++) {
		crc ^= out[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	crc = ~crc;
	for (int i = 0; i < 4; i++)
		out[len++] = (uint8_t)(crc >> (8 * i));
	return len;
}

Test(history, a_dump_of_the_former_format)
{
	uint8_t bytes[256];
	uint64_t index;
	size_t len;

	change(s, 5, "local", "k/a");
	len = old_dump(bytes);
	change(s, 6, "local", "k/b");
	cr_assert_eq(store_dump_index(bytes, len, &index), 0);
	cr_assert_eq(index, 5);
	cr_assert_eq(store_restore(s, bytes, len, NULL), 0);
	cr_expect_eq(scratch_n(s, "k/a", NULL), 5);
	cr_expect_eq(look(0).n, 0, "it has no history");
	cr_expect_eq(store_history_floor(s), 5);
	change(s, 6, "local", "k/b");
	cr_expect_eq(look(0).n, 1);
	bytes[8] = 3;
	cr_expect_eq(store_restore(s, bytes, len, NULL), -E_CORRUPT, "a later one is refused");
}

/* A store of a build that kept no history has no such table. */
static void forget_table(const char *where)
{
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	snprintf(path, sizeof(path), "%s/store.mdb", where);
	cr_assert_eq(mdb_env_create(&env), 0);
	cr_assert_eq(mdb_env_set_maxdbs(env, 8), 0);
	cr_assert_eq(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	cr_assert_eq(mdb_dbi_open(txn, "history", 0, &dbi), 0);
	cr_assert_eq(mdb_drop(txn, dbi, 1), 0);
	cr_assert_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

Test(history, a_store_that_had_none)
{
	change(s, 5, "local", "k/a");
	store_close(s);
	forget_table(dir);
	s = scratch_open(dir, 0);
	cr_expect_eq(look(0).n, 0);
	cr_expect_eq(store_history_floor(s), 5);
	change(s, 6, "local", "k/a");
	store_close(s);
	s = scratch_open(dir, 0);
	cr_expect_eq(look(0).n, 1);
	cr_expect_eq(store_history_floor(s), 5, "it stays where it began");
}
