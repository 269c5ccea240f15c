// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_store.c - what Raft hands to the store: the bytes of a transaction
 * (first byte 0..2) or of a snapshot (3). A transaction is consumed, whatever
 * it is, and the store stays readable and dumps the same after a restore; a
 * snapshot is taken whole or refused.
 */
#include "fuzz/fuzz.h"

#include "store/crc.h"
#include "store/txn.h"

static struct store *store;
static struct buf base;

static int each(const char *key, json *doc, uint64_t revision, void *arg)
{
	FUZZ_CHECK(key && doc && revision > 0);
	return 0;
}

static void look(void)
{
	static const char *const prefixes[] = { "a/", "node/", "a/b/" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct store_stamp stamp;

		FUZZ_CHECK(store_list(store, prefixes[i], each, NULL) == 0);
		FUZZ_CHECK(store_prefix_stamp(store, prefixes[i], &stamp) == 0);
	}
}

static void dump(struct buf *out)
{
	struct err err = { 0 };

	buf_init(out, 64u << 20);
	FUZZ_CHECK(store_dump(store, out, &err) == 0);
}

static void back_to_base(void)
{
	struct err err = { 0 };

	FUZZ_CHECK(store_restore(store, base.data, base.len, &err) == 0);
}

static void apply(const uint8_t *data, size_t len)
{
	uint64_t index = store_applied(store) + 1;
	struct txn_result result = { 0 };
	struct err err = { 0 };

	FUZZ_CHECK(store_apply(store, index, data, len, &result, &err) == 0);
	FUZZ_CHECK(store_applied(store) == index);
	FUZZ_CHECK(memchr(result.conflict, 0, sizeof(result.conflict)));
	if (result.outcome == TXN_APPLIED)
		FUZZ_CHECK(result.revision == index);
	else
		FUZZ_CHECK(result.outcome == TXN_CONFLICT || result.outcome == TXN_DUPLICATE ||
			   result.outcome == TXN_BAD);
	FUZZ_CHECK(store_apply(store, index, data, len, &result, &err) == 0);
	FUZZ_CHECK(result.outcome == TXN_SKIPPED);
}

/* each line a transaction; then a dump brings back what there is */
static void transactions(struct input *in)
{
	struct buf one, two;
	struct err err = { 0 };

	for (int i = 0; i < 4 && (in->left > 0 || i == 0); i++) {
		char *text = input_line(in);

		apply((const uint8_t *)text, strlen(text));
		free(text);
	}
	look();
	dump(&one);
	FUZZ_CHECK(store_restore(store, one.data, one.len, &err) == 0);
	dump(&two);
	FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	buf_release(&one);
	buf_release(&two);
}

static void seal(uint8_t *p, size_t len)
{
	uint32_t crc = crc_update(0, p, len - 4);

	for (int i = 0; i < 4; i++)
		p[len - 4 + i] = (uint8_t)(crc >> (8 * i));
}

static void snapshot(struct input *in)
{
	bool whole = input_u8(in) & 1;
	struct err err = { 0 };
	struct buf before, after;
	uint64_t index;
	uint8_t *copy = malloc(in->left + 1);
	size_t len = in->left;

	FUZZ_CHECK(copy);
	memcpy(copy, in->at, len);
	if (whole && len > 4)
		seal(copy, len);
	dump(&before);
	store_dump_index(copy, len, &index);
	if (store_restore(store, copy, len, &err) < 0) {
		FUZZ_CHECK(err.text[0]);
		dump(&after);
		FUZZ_CHECK(before.len == after.len &&
			   memcmp(before.data, after.data, after.len) == 0);
		buf_release(&after);
	} else {
		look();
	}
	buf_release(&before);
	free(copy);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char first[] =
		"{\"v\":1,\"id\":\"first\",\"by\":\"x\",\"w\":[[\"a/b\",\"{\\\"n\\\":1}\"],"
		"[\"a/b/c\",\"{}\"],[\"node/n1\",\"{\\\"n\\\":[1,2]}\"]],\"a\":\"{}\"}";
	struct err err = { 0 };

	FUZZ_CHECK(store_open(fuzz_dir(), 16u << 20, &store, &err) == 0);
	apply((const uint8_t *)first, sizeof(first) - 1);
	dump(&base);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };

	if (input_u8(&in) % 4 == 3)
		snapshot(&in);
	else
		transactions(&in);
	back_to_base();
	return 0;
}
