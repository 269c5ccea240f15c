// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_apply.c - the state machine: conflicts, phantoms, duplicates, malformed
 * entries, pruning of request ids, a full map, a full file system.
 */
#include "support/scratch.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

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

TestSuite(apply, .init = setup, .fini = teardown, .timeout = 300);

Test(apply, writes_and_revisions)
{
	uint64_t revision = 0;
	struct txn *t = txn_new("", "uid=0");

	cr_assert_eq(store_applied(s), 0);
	txn_read(t, "nodes/a", 0);
	txn_put(t, "nodes/a", scratch_doc(1));
	txn_put(t, "nodes/b", scratch_doc(2));
	cr_assert_eq(scratch_apply(s, 7, t).revision, 7);
	cr_assert_eq(store_applied(s), 7);
	cr_assert_eq(scratch_n(s, "nodes/a", &revision), 1);
	cr_assert_eq(revision, 7);
	t = txn_new("", "");
	txn_put(t, "nodes/a", NULL);
	txn_put(t, "nodes/missing", NULL);
	cr_assert_eq(scratch_apply(s, 9, t).outcome, TXN_APPLIED);
	cr_assert_eq(scratch_n(s, "nodes/a", NULL), -1);
	cr_assert_eq(scratch_n(s, "nodes/b", NULL), 2);
}

Test(apply, unknown_fields_and_bytes_are_kept)
{
	const char *text = "{\"z\":1.50,\"a\":{\"new\":[1,2,{\"deep\":null}]},\"s\":\"\\u00e9/\"}";
	json *doc = NULL, *back = NULL;
	struct txn *t = txn_new("", "");

	cr_assert_eq(json_parse(text, strlen(text), &doc, NULL), 0);
	txn_put(t, "t/x", json_copy(doc));
	scratch_apply(s, 1, t);
	cr_assert_eq(store_get(s, "t/x", &back, NULL), 0);
	cr_assert(json_object_equal(doc, back));
	json_object_put(doc);
	json_object_put(back);
}

Test(apply, conflict_on_a_read_key)
{
	struct txn_result r;
	struct txn *t;

	scratch_put(s, 1, "nodes/a", 1);
	scratch_put(s, 2, "nodes/a", 2);
	t = txn_new("", "");
	txn_read(t, "nodes/a", 1);
	txn_put(t, "nodes/b", scratch_doc(5));
	r = scratch_apply(s, 3, t);
	cr_assert_eq(r.outcome, TXN_CONFLICT);
	cr_assert_str_eq(r.conflict, "nodes/a");
	cr_assert_eq(scratch_n(s, "nodes/b", NULL), -1);
	cr_assert_eq(store_applied(s), 3, "a conflict consumes its entry");
	t = txn_new("", "");
	txn_read(t, "nodes/c", 0);
	txn_read(t, "nodes/a", 0);
	cr_assert_str_eq(scratch_apply(s, 4, t).conflict, "nodes/a",
			 "it was missing, now it is not");
}

Test(apply, phantoms_are_seen_through_the_prefix)
{
	/* what happens under "vol/r/" between the decision and the apply */
	static const struct {
		const char *name, *put, *delete;
		enum txn_outcome want;
	} rows[] = {
		{ "nothing", NULL, NULL, TXN_APPLIED },
		{ "new", "vol/r/9", NULL, TXN_CONFLICT },
		{ "changed", "vol/r/1", NULL, TXN_CONFLICT },
		{ "deleted", NULL, "vol/r/1", TXN_CONFLICT },
		{ "one for another", "vol/r/9", "vol/r/2", TXN_CONFLICT },
		{ "outside", "vol/rr/1", "vol/q/1", TXN_APPLIED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t index = store_applied(s);
		struct store_stamp stamp;
		struct txn *t = txn_new("", ""), *other = txn_new("", "");

		scratch_put(s, ++index, "vol/r/1", 1);
		scratch_put(s, ++index, "vol/r/2", 2);
		scratch_put(s, ++index, "vol/q/1", 2);
		cr_assert_eq(store_prefix_stamp(s, "vol/r/", &stamp), 0);
		txn_read_prefix(t, "vol/r/", stamp);
		txn_put(t, "out/x", scratch_doc(1));
		if (rows[i].put)
			txn_put(other, rows[i].put, scratch_doc(7));
		if (rows[i].delete)
			txn_put(other, rows[i].delete, NULL);
		scratch_apply(s, ++index, other);
		cr_expect_eq(scratch_apply(s, ++index, t).outcome, rows[i].want, "row '%s'",
			     rows[i].name);
	}
}

static void expect_count(const char *table, uint64_t documents, uint64_t changed)
{
	struct store_count count;

	cr_assert_eq(store_count(s, table, &count), 0);
	cr_expect_eq(count.documents, documents, "%s has %d documents", table,
		     (int)count.documents);
	cr_expect_eq(count.changed, changed, "%s was changed at %d", table, (int)count.changed);
}

Test(apply, counts)
{
	struct txn *t = txn_new("", "");

	expect_count("vol/", 0, 0);
	txn_put(t, "vol/a", scratch_doc(1));
	txn_put(t, "vol/b/c", scratch_doc(1));
	txn_put(t, "volume/a", scratch_doc(1));
	scratch_apply(s, 3, t);
	scratch_put(s, 4, "vol/a", 2);
	scratch_put(s, 5, "other/a", 2);
	expect_count("vol/", 2, 4);
	expect_count("volume/", 1, 3);
	t = txn_new("", "");
	txn_read(t, "vol/a", 3); /* it is at 4 */
	txn_put(t, "vol/new", scratch_doc(1));
	cr_assert_eq(scratch_apply(s, 6, t).outcome, TXN_CONFLICT);
	expect_count("vol/", 2, 4);
	t = txn_new("", "");
	txn_put(t, "vol/a", NULL);
	txn_put(t, "vol/missing", NULL);
	scratch_apply(s, 7, t);
	expect_count("vol/", 1, 7);
	expect_count("other/", 1, 5);
}

Test(apply, counts_of_a_store_that_is_opened_or_replaced)
{
	struct buf dump;

	scratch_put(s, 1, "vol/a", 1);
	scratch_put(s, 2, "other/a", 1);
	store_close(s);
	s = scratch_open(dir, 0);
	expect_count("vol/", 1, 2); /* at the latest */
	buf_init(&dump, 1u << 20);
	cr_assert_eq(store_dump(s, &dump, NULL), 0);
	scratch_put(s, 3, "vol/b", 1);
	scratch_put(s, 4, "third/b", 1);
	expect_count("vol/", 2, 3);
	cr_assert_eq(store_restore(s, dump.data, dump.len, NULL), 0);
	expect_count("vol/", 1, 2);
	expect_count("third/", 0, 0);
	buf_release(&dump);
}

/* those that find no place are counted when they are asked for, and may have been changed now */
Test(apply, counts_of_too_many_tables)
{
	char key[64];

	for (int i = 0; i < STORE_COUNTED_MAX + 2; i++) {
		snprintf(key, sizeof(key), "table%d/a", i);
		scratch_put(s, 1 + (uint64_t)i, key, 1);
	}
	snprintf(key, sizeof(key), "table%d/", STORE_COUNTED_MAX);
	expect_count("table0/", 1, 1);
	expect_count(key, 1, STORE_COUNTED_MAX + 2);
	expect_count("missing/", 0, STORE_COUNTED_MAX + 2);
	scratch_put(s, 100, "a-table-of-a-very-long-name/x", 1);
	expect_count("a-table-of-a-very-long-name/", 1, 100);
}

Test(apply, duplicate_request_id)
{
	struct txn_result r;
	uint64_t revision;
	json *answer = NULL;
	struct txn *t = txn_new("req-1", "");

	txn_put(t, "nodes/a", scratch_doc(1));
	txn_answer(t, scratch_doc(42));
	cr_assert_eq(scratch_apply(s, 1, t).outcome, TXN_APPLIED);
	t = txn_new("req-1", "");
	txn_read(t, "nodes/a", 0); /* would conflict: the id is looked at first */
	txn_put(t, "nodes/a", scratch_doc(2));
	r = scratch_apply(s, 2, t);
	cr_assert_eq(r.outcome, TXN_DUPLICATE);
	cr_assert_eq(r.revision, 1);
	cr_assert_eq(scratch_n(s, "nodes/a", NULL), 1);
	cr_assert_eq(store_request(s, "req-1", &revision, &answer), 0);
	cr_assert_eq(revision, 1);
	cr_assert_eq(jget_i64_or(answer, "n", 0), 42);
	json_object_put(answer);
	cr_assert_eq(store_request(s, "req-2", &revision, &answer), -E_NOT_FOUND);
	/* a conflict is not remembered: the same id may come again with a fresh decision */
	t = txn_new("req-3", "");
	txn_read(t, "nodes/a", 0);
	cr_assert_eq(scratch_apply(s, 3, t).outcome, TXN_CONFLICT);
	t = txn_new("req-3", "");
	txn_read(t, "nodes/a", 1);
	cr_assert_eq(scratch_apply(s, 4, t).outcome, TXN_APPLIED);
	cr_assert_eq(store_request(s, "req-3", &revision, &answer), 0);
	cr_assert_null(answer);
}

Test(apply, skipped)
{
	struct txn_result r;
	struct txn *t = txn_new("", "");

	scratch_put(s, 5, "nodes/a", 1);
	txn_put(t, "nodes/a", scratch_doc(2));
	r = scratch_apply(s, 5, t);
	cr_assert_eq(r.outcome, TXN_SKIPPED);
	cr_assert_eq(scratch_n(s, "nodes/a", NULL), 1);
	cr_assert_eq(store_applied(s), 5);
}

Test(apply, malformed_entries_are_consumed)
{
	static const char *const rows[] = {
		"",
		"\0\0\0",
		"{",
		"[]",
		"null",
		"{}",
		"{\"v\":2}",
		"{\"v\":\"x\"}",
		"{\"v\":1,\"r\":{}}",
		"{\"v\":1,\"r\":[1]}",
		"{\"v\":1,\"r\":[[\"a/b\"]]}",
		"{\"v\":1,\"r\":[[\"a/b\",-1]]}",
		"{\"v\":1,\"r\":[[\"a/b\",\"1\"]]}",
		"{\"v\":1,\"r\":[[\"a/b\",1.5]]}",
		"{\"v\":1,\"r\":[[\"ab\",1]]}",
		"{\"v\":1,\"r\":[[\"A/b\",1]]}",
		"{\"v\":1,\"r\":[[\"a/\",1]]}",
		"{\"v\":1,\"r\":[[\"/a\",1]]}",
		"{\"v\":1,\"r\":[[\"a/b c\",1]]}",
		"{\"v\":1,\"p\":[[\"a/b\",1,1]]}",
		"{\"v\":1,\"p\":[[\"a/\",1]]}",
		"{\"v\":1,\"w\":[[\"a/b\",{}]]}",
		"{\"v\":1,\"w\":[[\"a/b\",\"[]\"]]}",
		"{\"v\":1,\"w\":[[\"a/b\",\"{\"]]}",
		"{\"v\":1,\"w\":[[\"\",\"{}\"]]}",
		"{\"v\":1,\"w\":[[null,\"{}\"]]}",
		"{\"v\":1,\"w\":[[\"a/b\"]]}",
		"{\"v\":1,\"id\":\"a b\"}",
		"{\"v\":1,\"a\":{}}",
		"{\"v\":1,\"a\":\"{\"}",
		("{\"v\":1,\"id\":"
		 "\"01234567890123456789012345678901234567890123456789012345678901234\"}"),
		"{\"v\":1} x",
	};
	uint64_t index = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct txn_result r = { 0 };
		struct err err = { 0 };

		cr_expect_eq(store_apply(s, ++index, rows[i], strlen(rows[i]), &r, &err), 0);
		cr_expect_eq(r.outcome, TXN_BAD, "row '%s'", rows[i]);
		cr_expect_eq(store_applied(s), index);
	}
}

Test(apply, limits_of_an_entry)
{
	struct txn_result r;
	struct err err = { 0 };
	struct buf b;
	int rv;

	buf_init(&b, 4u << 20);
	/* a document of exactly STORE_DOC_MAX, then one more byte */
	for (int more = 0; more < 2; more++) {
		buf_clear(&b);
		buf_printf(&b, "{\"v\":1,\"w\":[[\"a/b\",\"{\\\"x\\\":\\\"");
		for (size_t i = 0; i < STORE_DOC_MAX - 8 + (size_t)more; i++)
			buf_append(&b, "x", 1);
		buf_printf(&b, "\\\"}\"]]}");
		rv = store_apply(s, store_applied(s) + 1, b.data, b.len, &r, &err);
		cr_assert_eq(rv, 0);
		cr_expect_eq(r.outcome, more ? TXN_BAD : TXN_APPLIED);
	}
	/* TXN_OPS_MAX reads, then one more */
	for (int more = 0; more < 2; more++) {
		buf_clear(&b);
		buf_printf(&b, "{\"v\":1,\"r\":[");
		for (int i = 0; i < TXN_OPS_MAX + more; i++)
			buf_printf(&b, "%s[\"a/c\",0]", i ? "," : "");
		buf_printf(&b, "]}");
		rv = store_apply(s, store_applied(s) + 1, b.data, b.len, &r, &err);
		cr_assert_eq(rv, 0);
		cr_expect_eq(r.outcome, more ? TXN_BAD : TXN_APPLIED);
	}
	/* longer than TXN_BYTES_MAX, by blanks */
	buf_clear(&b);
	buf_printf(&b, "{\"v\":1}");
	while (b.len <= TXN_BYTES_MAX)
		buf_append(&b, " ", 1);
	cr_assert_eq(store_apply(s, store_applied(s) + 1, b.data, b.len, &r, &err), 0);
	cr_expect_eq(r.outcome, TXN_BAD);
	cr_assert_eq(store_apply(s, store_applied(s) + 1, b.data, b.len - 1, &r, &err), 0);
	cr_expect_eq(r.outcome, TXN_APPLIED);
	buf_release(&b);
}

static void remember(struct store *to, uint64_t index, uint64_t n)
{
	struct txn_result r;
	char text[64];

	snprintf(text, sizeof(text), "{\"v\":1,\"id\":\"r%llu\"}", (unsigned long long)n);
	cr_assert_eq(store_apply(to, index, text, strlen(text), &r, NULL), 0);
	cr_assert_eq(r.outcome, TXN_APPLIED);
}

Test(apply, old_request_ids_are_forgotten_by_count)
{
	struct store *other;
	struct buf a, b;
	char dir2[64];
	uint64_t n;

	/* every third index is no request: the count matters, not the distance */
	for (n = 1; n <= TXN_REQUESTS_KEPT + 5; n++)
		remember(s, n * 3, n);
	cr_expect_eq(store_request(s, "r5", NULL, NULL), -E_NOT_FOUND);
	cr_expect_eq(store_request(s, "r6", NULL, NULL), 0);
	cr_expect_eq(store_request(s, "r20005", NULL, NULL), 0);
	/* a store that came from a snapshot forgets the same ones */
	other = scratch_open(scratch_make(dir2), 0);
	buf_init(&a, 64u << 20);
	buf_init(&b, 64u << 20);
	cr_assert_eq(store_dump(s, &a, NULL), 0);
	cr_assert_eq(store_restore(other, a.data, a.len, NULL), 0);
	for (; n <= TXN_REQUESTS_KEPT + 9; n++) {
		remember(s, n * 3, n);
		remember(other, n * 3, n);
	}
	buf_clear(&a);
	cr_assert_eq(store_dump(s, &a, NULL), 0);
	cr_assert_eq(store_dump(other, &b, NULL), 0);
	cr_assert_eq(a.len, b.len);
	cr_assert_eq(memcmp(a.data, b.data, a.len), 0);
	buf_release(&a);
	buf_release(&b);
	store_close(other);
	scratch_remove(dir2);
}

static int put_large(struct store *to, uint64_t index, int n, struct txn_result *r, struct err *err)
{
	char *pad = calloc(1, 60001), key[32];
	struct txn *t = txn_new("", "");
	json *doc = scratch_doc(n);
	struct buf b;
	int rv;

	memset(pad, 'x', 60000);
	jset_str(doc, "pad", pad);
	free(pad);
	snprintf(key, sizeof(key), "big/%d", n);
	txn_put(t, key, doc);
	buf_init(&b, TXN_BYTES_MAX);
	cr_assert_eq(txn_encode(t, &b, err), 0);
	txn_free(t);
	rv = store_apply(to, index, b.data, b.len, r, err);
	buf_release(&b);
	return rv;
}

/* A write that finds room for its first half only is EIO to LMDB: people must hear of the room. The
 * sizes differ by a page, so that some transaction ends in the middle of one of its writes. */
Test(apply, a_full_file_system_is_called_so)
{
	struct txn_result r;
	struct err err = { 0 };

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		cr_skip_test("needs root and a mount namespace");
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	for (int kib = 600; kib < 680; kib += 4) {
		char dir2[64], size[32];
		struct store *full;
		int n, rv = 0;

		snprintf(size, sizeof(size), "size=%dk", kib);
		cr_assert_eq(mount("tmpfs", scratch_make(dir2), "tmpfs", 0, size), 0);
		full = scratch_open(dir2, 64u << 20);
		for (n = 1; n < 100 && rv == 0; n++)
			rv = put_large(full, (uint64_t)n, n, &r, &err);
		cr_expect_eq(rv, -ENOSPC, "%d KiB: %d %s", kib, rv, err.text);
		store_close(full);
		cr_assert_eq(umount(dir2), 0);
		scratch_remove(dir2);
	}
}

Test(apply, a_full_map_is_an_error_and_changes_nothing)
{
	struct txn_result r;
	struct err err = { 0 };
	struct store *small;
	int n = 0, rv = 0;
	bool refused = false;
	char dir2[64];

	small = scratch_open(scratch_make(dir2), 4u << 20);
	while (rv == 0 && n < 1000) {
		if (store_room(small, 60100, &err) == -ENOSPC && !refused) {
			refused = true; /* before the map is full */
			cr_expect(strstr(err.text, "nearly full"), "%s", err.text);
			cr_expect_lt(n, 50);
		}
		n++;
		rv = put_large(small, (uint64_t)n, n, &r, &err);
	}
	cr_assert_eq(rv, -ENOSPC, "%d %s", rv, err.text);
	cr_expect(refused);
	cr_expect(strstr(err.text, "store.mdb"), "%s", err.text);
	cr_expect_eq(store_applied(small), (uint64_t)n - 1);
	cr_expect_eq(scratch_n(small, "big/1", NULL), 1);
	/* still usable: the same entry fails again, deleting works, then there is room */
	cr_expect_eq(put_large(small, (uint64_t)n, n, &r, &err), -ENOSPC);
	for (int i = 1; i <= 20; i++) {
		struct txn *t = txn_new("", "");
		char key[32];

		snprintf(key, sizeof(key), "big/%d", i);
		txn_put(t, key, NULL);
		cr_assert_eq(scratch_apply(small, (uint64_t)(n + i), t).outcome, TXN_APPLIED);
	}
	cr_expect_eq(put_large(small, (uint64_t)n + 21, n, &r, &err), 0, "%s", err.text);
	store_close(small);
	small = scratch_open(dir2, 4u << 20);
	cr_expect_eq(store_applied(small), (uint64_t)n + 21);
	store_close(small);
	scratch_remove(dir2);
}
