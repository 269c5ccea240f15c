// SPDX-License-Identifier: GPL-2.0-or-later
/* test_txn.c - building transactions: noted reads, sticky errors, limits. */
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

TestSuite(txn, .init = setup, .fini = teardown, .timeout = 60);

static int encode(struct txn *t, struct err *err)
{
	struct buf b;
	int rv;

	buf_init(&b, 8u << 20);
	rv = txn_encode(t, &b, err);
	cr_expect((rv == 0) == (b.len > 0));
	cr_expect_leq(b.len, TXN_BYTES_MAX);
	buf_release(&b);
	txn_free(t);
	return rv;
}

static int count(const char *key, json *doc, uint64_t revision, void *arg)
{
	++*(int *)arg;
	return 0;
}

Test(txn, get_and_list_note_what_was_read)
{
	struct txn *t = txn_new("", "");
	json *doc = NULL;
	int n = 0;

	scratch_put(s, 1, "nodes/a", 1);
	scratch_put(s, 2, "nodes/b", 2);
	cr_assert_eq(txn_get(t, s, "nodes/a", &doc), 0);
	cr_assert_eq(jget_i64_or(doc, "n", 0), 1);
	json_object_put(doc);
	cr_assert_eq(txn_get(t, s, "nodes/c", &doc), -E_NOT_FOUND);
	cr_assert(txn_is_empty(t));
	txn_put(t, "x/y", scratch_doc(1));
	cr_assert_not(txn_is_empty(t));
	scratch_put(s, 3, "nodes/c", 3); /* breaks the miss */
	cr_assert_str_eq(scratch_apply(s, 4, t).conflict, "nodes/c");

	t = txn_new("", "");
	cr_assert_eq(txn_list(t, s, "nodes/", count, &n), 0);
	cr_assert_eq(n, 3);
	txn_put(t, "x/y", scratch_doc(1));
	scratch_put(s, 5, "nodes/d", 4);
	cr_assert_str_eq(scratch_apply(s, 6, t).conflict, "nodes/");
}

Test(txn, what_it_holds_already)
{
	struct txn *t = txn_new("", "");
	json *doc = NULL;

	scratch_put(s, 1, "nodes/a", 1);
	cr_expect_eq(txn_written(t, "nodes/a", &doc), 0, "the store's is not its own");
	txn_put(t, "nodes/a", scratch_doc(2));
	txn_put(t, "nodes/b", NULL);
	txn_put(t, "nodes/a", scratch_doc(3));
	cr_assert_eq(txn_written(t, "nodes/a", &doc), 1);
	cr_expect_eq(jget_i64_or(doc, "n", 0), 3, "the last counts");
	json_object_put(doc);
	cr_assert_eq(txn_written(t, "nodes/b", &doc), 1);
	cr_expect_null(doc, "it is deleted");
	cr_expect_eq(txn_written(t, "nodes/c", &doc), 0);
	cr_assert_eq(scratch_apply(s, 2, t).outcome, TXN_APPLIED);
	cr_expect_eq(scratch_n(s, "nodes/a", NULL), 3, "as it is applied");
}

Test(txn, errors_stick)
{
	static const char *const keys[] = { "",    "a",     "/a",     "a/",
					    "a/B", "a/b c", "a/\x7f", "a/\xc3\xa9" };
	struct err err = { 0 };
	struct txn *t;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		t = txn_new("", "");
		txn_put(t, keys[i], scratch_doc(1));
		txn_put(t, "good/key", scratch_doc(1));
		cr_expect_eq(encode(t, &err), -E_INVALID, "key '%s'", keys[i]);
		t = txn_new("", "");
		txn_read(t, keys[i], 1);
		cr_expect_eq(encode(t, &err), -E_INVALID, "key '%s'", keys[i]);
	}
	t = txn_new("", "");
	txn_read_prefix(t, "a/b", (struct store_stamp){ 0 });
	cr_expect_eq(encode(t, &err), -E_INVALID);
	t = txn_new("", "");
	txn_put(t, "a/b", json_object_new_array());
	cr_expect_eq(encode(t, &err), -E_INVALID, "a document is an object");
	t = txn_new("01234567890123456789012345678901234567890123456789012345678901234", "");
	cr_expect_eq(encode(t, &err), -EMSGSIZE);
	t = txn_new("0123456789012345678901234567890123456789012345678901234567890123", "");
	cr_expect_eq(encode(t, &err), 0);
	txn_free(NULL);
}

static json *doc_of_size(size_t len)
{
	json *doc = json_object_new_object();
	char *text = calloc(1, len);

	memset(text, 'x', len - 8); /* {"x":""} and the end */
	jset_str(doc, "x", text);
	cr_assert_eq(strlen(json_text(doc)), len);
	free(text);
	return doc;
}

Test(txn, limits)
{
	struct err err = { 0 };
	char key[STORE_KEY_MAX + 1] = "k/";
	struct txn *t;

	memset(key + 2, 'x', STORE_KEY_MAX - 3);
	t = txn_new("", "");
	txn_put(t, key, scratch_doc(1));
	cr_expect_eq(scratch_apply(s, 1, t).outcome, TXN_APPLIED);
	cr_expect_eq(scratch_n(s, key, NULL), 1);
	t = txn_new("", "");
	txn_read(t, key, 0);
	cr_expect_str_eq(scratch_apply(s, 2, t).conflict, key);
	key[STORE_KEY_MAX - 1] = 'x';
	t = txn_new("", "");
	txn_put(t, key, scratch_doc(1));
	cr_expect_eq(encode(t, &err), -E_INVALID);
	cr_expect_eq(scratch_n(s, key, NULL), -1, "asking for it is harmless");

	t = txn_new("", "");
	txn_put(t, "d/x", doc_of_size(STORE_DOC_MAX));
	cr_expect_eq(scratch_apply(s, 3, t).outcome, TXN_APPLIED);
	t = txn_new("", "");
	txn_put(t, "d/x", doc_of_size(STORE_DOC_MAX + 1));
	cr_expect_not(txn_is_empty(t), "a write that was refused is not a change of nothing");
	cr_expect_eq(encode(t, &err), -EMSGSIZE);
	cr_expect(strstr(err.text, "d/x"), "%s", err.text);

	t = txn_new("", "");
	for (int i = 0; i < TXN_OPS_MAX; i++)
		txn_read(t, "a/b", 0);
	cr_expect_eq(encode(t, &err), 0);
	t = txn_new("", "");
	for (int i = 0; i <= TXN_OPS_MAX; i++)
		txn_read(t, "a/b", 0);
	cr_expect_eq(encode(t, &err), -EMSGSIZE);

	t = txn_new("", "");
	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "d/%d", i);
		txn_put(t, key, doc_of_size(STORE_DOC_MAX - 1024));
	}
	cr_expect_eq(encode(t, &err), 0);
	t = txn_new("", "");
	for (int i = 0; i < 5; i++) {
		snprintf(key, sizeof(key), "d/%d", i);
		txn_put(t, key, doc_of_size(STORE_DOC_MAX - 1024));
	}
	cr_expect_eq(encode(t, &err), -EMSGSIZE, "more than TXN_BYTES_MAX");
}
