// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history.c - the history's rings in one LMDB table. Called by apply.c within
 * the transaction that changes documents, by store.c and dump.c when a store is
 * opened or replaced, and by readers. Which ring an entry belongs to and what is
 * trimmed follows from entries alone, so every node keeps the same.
 */
#include "store/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/table.h"

#define KEY_LEN 9 /* ring 1, index 8 big-endian */

static const struct {
	uint64_t count, bytes;
} limits[HISTORY_RINGS] = {
	{ HISTORY_MAX, HISTORY_BYTES_MAX },
	{ HISTORY_NODES_MAX, HISTORY_NODES_BYTES_MAX },
	{ HISTORY_RECORDS_MAX, HISTORY_RECORDS_BYTES_MAX },
};

static void make_key(uint8_t out[KEY_LEN], int ring, uint64_t index)
{
	out[0] = (uint8_t)ring;
	order_key(index, out + 1);
}

static uint64_t key_index(const MDB_val *key)
{
	const uint8_t *p = key->mv_data;
	uint64_t index = 0;

	for (int i = 1; i < KEY_LEN; i++)
		index = index << 8 | p[i];
	return index;
}

bool history_key_is_valid(const MDB_val *key)
{
	return key->mv_size == KEY_LEN && ((const uint8_t *)key->mv_data)[0] < HISTORY_RINGS;
}

/* the floor is kept as the entry of ring 0 and index 0, which no transaction has */
static int write_floor(struct store *s, MDB_txn *txn, uint64_t floor)
{
	uint8_t raw[KEY_LEN];
	MDB_val key = { .mv_size = KEY_LEN, .mv_data = raw };

	make_key(raw, 0, 0);
	return table_put_key(s, txn, TABLE_HISTORY, &key, floor, "", 0);
}

/* deletes the oldest entries of the ring until it is within its limits; LMDB's code */
static int trim(struct store *s, MDB_txn *txn, struct history *h, int ring)
{
	struct history_ring *r = &h->ring[ring];
	uint8_t raw[KEY_LEN];
	uint64_t floor = h->floor;
	MDB_cursor *cursor;
	int rv;

	if (r->count <= limits[ring].count && r->bytes <= limits[ring].bytes)
		return 0;
	rv = mdb_cursor_open(txn, s->dbi[TABLE_HISTORY], &cursor);
	if (rv != 0)
		return rv;
	make_key(raw, ring, 1);
	while (rv == 0 && (r->count > limits[ring].count || r->bytes > limits[ring].bytes)) {
		MDB_val key = { .mv_size = KEY_LEN, .mv_data = raw }, value;
		struct table_value v;

		rv = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		if (rv == 0 && table_parse(&key, &value, &v) < 0)
			rv = MDB_CORRUPTED;
		if (rv != 0)
			break;
		r->count--;
		r->bytes -= v.len;
		if (key_index(&key) > floor)
			floor = key_index(&key);
		rv = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	if (rv == 0 && floor != h->floor) {
		h->floor = floor;
		rv = write_floor(s, txn, floor);
	}
	return rv == MDB_NOTFOUND ? MDB_CORRUPTED : rv;
}

static int ring_of(const char *author, bool only_records)
{
	if (strncmp(author, HISTORY_AUTHOR_NODE, strlen(HISTORY_AUTHOR_NODE)) != 0)
		return HISTORY_PEOPLE;
	return only_records ? HISTORY_RECORDS : HISTORY_NODES;
}

static void add_change(json *changes, const struct history_change *c)
{
	static const char *const ops[] = { "made", "changed", "deleted" };
	json *o = json_object_new_object(), *key = json_object_new_string_len(c->key, (int)c->len);

	if (!o || !key)
		abort();
	jset(o, "key", key);
	jset_str(o, "op", ops[c->op]);
	if (json_object_array_add(changes, o) < 0)
		abort();
}

void history_note_begin(struct history_note *n)
{
	*n = (struct history_note){ .only_records = true, .changes = json_object_new_array() };
	if (!n->changes)
		abort();
}

void history_note_change(struct history_note *n, const struct history_change *c)
{
	if (c->len < 7 || memcmp(c->key, "record/", 7) != 0)
		n->only_records = false;
	if (n->n++ < HISTORY_CHANGES_MAX)
		add_change(n->changes, c);
}

int history_note_end(struct store *s, MDB_txn *txn, uint64_t index, struct history_note *n,
		     struct history *h)
{
	json *entry = json_object_new_object();
	uint8_t raw[KEY_LEN];
	MDB_val key = { .mv_size = KEY_LEN, .mv_data = raw };
	const char *text;
	size_t len = 0;
	int ring, rv = 0;

	if (!entry)
		abort();
	jset_i64(entry, "at", n->at_ms);
	jset_str(entry, "by", n->author);
	jset_str(entry, "what", n->what);
	jset(entry, "changes", n->changes);
	if (n->n > HISTORY_CHANGES_MAX)
		jset_i64(entry, "more", n->n - HISTORY_CHANGES_MAX);
	if (n->n > 0) {
		ring = ring_of(n->author, n->only_records);
		text = json_object_to_json_string_length(
			entry, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
		if (!text)
			abort();
		make_key(raw, ring, index);
		rv = table_put_key(s, txn, TABLE_HISTORY, &key, index, text, len);
		h->ring[ring].count++;
		h->ring[ring].bytes += len;
		if (rv == 0)
			rv = trim(s, txn, h, ring);
	}
	json_object_put(entry);
	return rv;
}

int history_load(struct store *s, MDB_txn *txn, uint64_t applied, struct history *ret)
{
	struct history h = { 0 };
	bool has_floor = false;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rv;

	rv = mdb_cursor_open(txn, s->dbi[TABLE_HISTORY], &cursor);
	if (rv != 0)
		return rv;
	while ((rv = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct table_value v;
		int ring;

		if (!history_key_is_valid(&key) || table_parse(&key, &value, &v) < 0) {
			rv = MDB_CORRUPTED;
			break;
		}
		ring = ((const uint8_t *)key.mv_data)[0];
		if (key_index(&key) > 0) {
			h.ring[ring].count++;
			h.ring[ring].bytes += v.len;
		} else {
			has_floor = true;
			h.floor = v.revision;
		}
	}
	mdb_cursor_close(cursor);
	if (rv != MDB_NOTFOUND)
		return rv;
	/* a store of a build that kept no history: it begins here */
	if (!has_floor) {
		h.floor = applied;
		rv = write_floor(s, txn, h.floor);
		if (rv != 0)
			return rv;
	}
	*ret = h;
	return 0;
}

uint64_t store_history_floor(const struct store *s)
{
	return s->history.floor;
}

/* Reading: the rings side by side */

struct walk {
	MDB_cursor *cursor[HISTORY_RINGS];
	MDB_val key[HISTORY_RINGS], value[HISTORY_RINGS];
	bool there[HISTORY_RINGS]; /* key and value are an entry of this ring */
	bool back;
};

static int settle(struct walk *w, int ring, int rv)
{
	w->there[ring] = rv == 0 && history_key_is_valid(&w->key[ring]) &&
			 ((const uint8_t *)w->key[ring].mv_data)[0] == ring &&
			 key_index(&w->key[ring]) > 0;
	return rv == MDB_NOTFOUND ? 0 : rv;
}

/* the first entry of a ring at index or behind it (back: before it); LMDB's code */
static int seek(struct walk *w, int ring, uint64_t index)
{
	uint8_t raw[KEY_LEN];
	int rv;

	make_key(raw, ring, index);
	w->key[ring] = (MDB_val){ .mv_size = KEY_LEN, .mv_data = raw };
	rv = mdb_cursor_get(w->cursor[ring], &w->key[ring], &w->value[ring], MDB_SET_RANGE);
	if (w->back)
		rv = mdb_cursor_get(w->cursor[ring], &w->key[ring], &w->value[ring],
				    rv == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
	return settle(w, ring, rv);
}

/* the ring whose entry comes next; -1: none */
static int next_ring(const struct walk *w)
{
	int best = -1;

	for (int i = 0; i < HISTORY_RINGS; i++) {
		if (!w->there[i])
			continue;
		if (best < 0 || (key_index(&w->key[i]) < key_index(&w->key[best])) != w->back)
			best = i;
	}
	return best;
}

/* Calls each with one entry. What it returns in *ret_stop; -E_CORRUPT or 0. */
static int visit(struct walk *w, int ring, history_each each, void *arg, int *ret_stop)
{
	uint64_t index = key_index(&w->key[ring]);
	struct table_value v;
	json *entry;

	if (table_parse(&w->key[ring], &w->value[ring], &v) < 0 ||
	    json_parse(v.text, v.len, &entry, NULL) < 0)
		return -E_CORRUPT;
	*ret_stop = each(index, entry, arg);
	json_object_put(entry);
	return 0;
}

static int run(struct store *s, MDB_txn *txn, uint64_t index, bool back, history_each each,
	       void *arg)
{
	struct walk w = { .back = back };
	int rv = 0, stop = 0, ring;

	for (int i = 0; i < HISTORY_RINGS && rv == 0; i++) {
		rv = mdb_cursor_open(txn, s->dbi[TABLE_HISTORY], &w.cursor[i]);
		if (rv == 0)
			rv = seek(&w, i, index);
	}
	rv = table_error(rv);
	while (rv == 0 && stop == 0 && (ring = next_ring(&w)) >= 0) {
		rv = visit(&w, ring, each, arg, &stop);
		if (rv == 0)
			rv = table_error(
				settle(&w, ring,
				       mdb_cursor_get(w.cursor[ring], &w.key[ring], &w.value[ring],
						      back ? MDB_PREV : MDB_NEXT)));
	}
	for (int i = 0; i < HISTORY_RINGS; i++) {
		if (w.cursor[i])
			mdb_cursor_close(w.cursor[i]);
	}
	return rv < 0 ? rv : stop;
}

static int read_history(struct store *s, uint64_t index, bool back, history_each each, void *arg)
{
	MDB_txn *txn;
	int rv;

	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rv != 0)
		return table_error(rv);
	rv = run(s, txn, index, back, each, arg);
	mdb_txn_abort(txn);
	return rv;
}

int store_history(struct store *s, uint64_t from, history_each each, void *arg)
{
	return read_history(s, from > 0 ? from : 1, false, each, arg);
}

int store_history_back(struct store *s, uint64_t before, history_each each, void *arg)
{
	return read_history(s, before, true, each, arg);
}
