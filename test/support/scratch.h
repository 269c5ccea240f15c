/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scratch.h - a directory of its own for one test (scratch_dir.h), and small helpers around
 * the store. Used by the tests of src/store and src/raft.
 */
#ifndef SDSD_TEST_SUPPORT_SCRATCH_H
#define SDSD_TEST_SUPPORT_SCRATCH_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "store/txn.h"
#include "support/leaks.h"
#include "support/scratch_dir.h"

__attribute__((unused)) static struct store *scratch_open(const char *dir, uint64_t map)
{
	struct store *s = NULL;
	struct err err = { 0 };

	cr_assert_eq(store_open(dir, map, &s, &err), 0, "%s", err.text);
	return s;
}

/* {"n":n} */
__attribute__((unused)) static json *scratch_doc(int64_t n)
{
	json *doc = json_object_new_object();

	jset_i64(doc, "n", n);
	return doc;
}

/* encodes, frees t, applies */
__attribute__((unused)) static struct txn_result scratch_apply(struct store *s, uint64_t index,
							       struct txn *t)
{
	struct txn_result r = { 0 };
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, TXN_BYTES_MAX);
	cr_assert_eq(txn_encode(t, &b, &err), 0, "%s", err.text);
	txn_free(t);
	cr_assert_eq(store_apply(s, index, b.data, b.len, &r, &err), 0, "%s", err.text);
	buf_release(&b);
	return r;
}

/* puts {"n":n} under key as the entry index */
__attribute__((unused)) static void scratch_put(struct store *s, uint64_t index, const char *key,
						int64_t n)
{
	struct txn *t = txn_new("", "");

	txn_put(t, key, scratch_doc(n));
	cr_assert_eq(scratch_apply(s, index, t).outcome, TXN_APPLIED);
}

/* the n of the document, -1 when missing */
__attribute__((unused)) static int64_t scratch_n(struct store *s, const char *key,
						 uint64_t *ret_revision)
{
	json *doc = NULL;
	int64_t n;

	if (store_get(s, key, &doc, ret_revision) < 0)
		return -1;
	n = jget_i64_or(doc, "n", -2);
	json_object_put(doc);
	return n;
}

#endif
