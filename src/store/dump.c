// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dump.c - the whole store as bytes for a Raft snapshot, and back. Called by
 * the FSM. A dump holds the applied index it was made at; restoring replaces
 * everything in one LMDB transaction, so a crash leaves the old or the new.
 *
 *   "SDSDDUMP" | format u32 | applied u64 | records | 0xff | crc32c of all before u32
 *   record: table u8 | key length u32 | value length u32 | key | value
 *
 * All numbers are little-endian; values are as in their LMDB table. Format 1, which is still read,
 * has no history: a store made of it begins one at its index.
 */
#include "store/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/crc.h"

#define DUMP_MAGIC "SDSDDUMP"
#define DUMP_FORMAT 2
#define DUMP_FORMAT_BARE 1 /* without a history */
#define DUMP_HEAD 20       /* magic 8, format 4, applied 8 */
#define DUMP_TAIL 5        /* end 1, crc 4 */
#define DUMP_END 0xff
#define DUMP_RECORD 9 /* table 1, key length 4, value length 4 */

struct store_view {
	struct store *store;
	MDB_txn *txn;
	uint64_t applied;
};

int store_view_begin(struct store *s, struct store_view **ret, struct err *err)
{
	struct store_view *v = calloc(1, sizeof(*v));
	int rv;

	if (!v)
		return err_set(err, -ENOMEM, "store: out of memory");
	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &v->txn);
	if (rv != 0) {
		free(v);
		return table_fail(s, rv, "dumping", err);
	}
	v->store = s;
	v->applied = s->applied;
	*ret = v;
	return 0;
}

static int dump_record(struct buf *out, enum store_table table, const MDB_val *key,
		       const MDB_val *value)
{
	uint8_t head[DUMP_RECORD];
	int rv;

	head[0] = (uint8_t)table;
	put_le(head + 1, key->mv_size, 4);
	put_le(head + 5, value->mv_size, 4);
	rv = buf_append(out, head, sizeof(head));
	if (rv == 0)
		rv = buf_append(out, key->mv_data, key->mv_size);
	return rv < 0 ? rv : buf_append(out, value->mv_data, value->mv_size);
}

static int dump_table(struct store_view *v, enum store_table table, struct buf *out)
{
	struct table_value parsed;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rv, bad = 0;

	rv = mdb_cursor_open(v->txn, v->store->dbi[table], &cursor);
	if (rv != 0)
		return table_error(rv);
	while (bad == 0 && (rv = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		/* never hand damage on to other nodes */
		if (table != TABLE_ORDER)
			bad = table_parse(&key, &value, &parsed);
		if (bad == 0)
			bad = dump_record(out, table, &key, &value);
	}
	mdb_cursor_close(cursor);
	if (bad < 0)
		return bad;
	return rv == MDB_NOTFOUND ? 0 : table_error(rv);
}

int store_view_write(struct store_view *v, struct buf *out, struct err *err)
{
	static const enum store_table tables[] = { TABLE_DOCS, TABLE_REQUESTS, TABLE_ORDER,
						   TABLE_HISTORY };
	uint8_t head[DUMP_HEAD], tail[DUMP_TAIL];
	size_t start = out->len;
	int rv;

	memcpy(head, DUMP_MAGIC, 8);
	put_le(head + 8, DUMP_FORMAT, 4);
	put_le(head + 12, v->applied, 8);
	rv = buf_append(out, head, sizeof(head));
	for (size_t i = 0; rv == 0 && i < sizeof(tables) / sizeof(tables[0]); i++)
		rv = dump_table(v, tables[i], out);
	tail[0] = DUMP_END;
	if (rv == 0)
		rv = buf_append(out, tail, 1);
	if (rv == 0) {
		put_le(tail, crc_update(0, out->data + start, out->len - start), 4);
		rv = buf_append(out, tail, 4);
	}
	return rv == 0 ? 0
		       : err_set(err, rv, "dumping the store %s: %s", v->store->path, err_name(rv));
}

void store_view_end(struct store_view *v)
{
	if (!v)
		return;
	mdb_txn_abort(v->txn);
	free(v);
}

int store_dump(struct store *s, struct buf *out, struct err *err)
{
	struct store_view *v;
	int rv;

	rv = store_view_begin(s, &v, err);
	if (rv < 0)
		return rv;
	rv = store_view_write(v, out, err);
	store_view_end(v);
	return rv;
}

int store_dump_index(const void *data, size_t len, uint64_t *ret)
{
	const uint8_t *p = data;

	if (len < DUMP_HEAD + DUMP_TAIL || memcmp(p, DUMP_MAGIC, 8) != 0 ||
	    (get_le(p + 8, 4) != DUMP_FORMAT && get_le(p + 8, 4) != DUMP_FORMAT_BARE))
		return -E_CORRUPT;
	*ret = get_le(p + 12, 8);
	return 0;
}

struct record {
	enum store_table table;
	MDB_val key, value;
};

/* Takes the record at *at; 1: taken, 0: the end was reached, -E_CORRUPT */
static int next_record(const uint8_t *p, size_t len, size_t *at, struct record *r)
{
	size_t left = len - *at;

	if (left < 1)
		return -E_CORRUPT;
	if (p[*at] == DUMP_END)
		return left == 1 ? 0 : -E_CORRUPT;
	if (left < DUMP_RECORD || p[*at] == TABLE_META || p[*at] >= TABLE_COUNT)
		return -E_CORRUPT;
	r->table = (enum store_table)p[*at];
	r->key.mv_size = get_le(p + *at + 1, 4);
	r->value.mv_size = get_le(p + *at + 5, 4);
	*at += DUMP_RECORD;
	left -= DUMP_RECORD;
	if (r->key.mv_size == 0 || r->key.mv_size >= STORE_KEY_MAX || r->key.mv_size > left ||
	    r->value.mv_size > left - r->key.mv_size)
		return -E_CORRUPT;
	r->key.mv_data = (void *)(p + *at);
	r->value.mv_data = (void *)(p + *at + r->key.mv_size);
	*at += r->key.mv_size + r->value.mv_size;
	return 1;
}

/* returns LMDB's code */
static int load_records(struct store *s, MDB_txn *txn, const uint8_t *p, size_t len)
{
	size_t at = DUMP_HEAD;
	struct table_value v;
	struct record r;
	int rv;

	for (int i = TABLE_DOCS; i < TABLE_COUNT; i++) {
		rv = mdb_drop(txn, s->dbi[i], 0);
		if (rv != 0)
			return rv;
	}
	while ((rv = next_record(p, len, &at, &r)) == 1) {
		if (r.table != TABLE_ORDER && table_parse(&r.key, &r.value, &v) < 0)
			return MDB_CORRUPTED;
		if (r.table == TABLE_HISTORY && !history_key_is_valid(&r.key))
			return MDB_CORRUPTED;
		rv = mdb_put(txn, s->dbi[r.table], &r.key, &r.value, 0);
		if (rv != 0)
			return rv;
	}
	return rv < 0 ? MDB_CORRUPTED : 0;
}

int store_restore(struct store *s, const void *data, size_t len, struct err *err)
{
	const uint8_t *p = data;
	struct counts counts;
	struct history h;
	uint64_t applied;
	MDB_txn *txn;
	int rv;

	if (store_dump_index(data, len, &applied) < 0 ||
	    get_le(p + len - 4, 4) != crc_update(0, p, len - 4))
		return err_set(err, -E_CORRUPT,
			       "the snapshot for the store is damaged or of another version");
	rv = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rv != 0)
		return table_fail(s, rv, "restoring a snapshot", err);
	rv = load_records(s, txn, p, len - 4);
	if (rv == 0)
		rv = history_load(s, txn, applied, &h);
	if (rv == 0)
		rv = counts_load(s, txn, applied, &counts);
	if (rv == 0)
		rv = table_write_state(s, txn, applied);
	if (rv == 0)
		rv = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	if (rv != 0)
		return table_fail(s, rv, "restoring a snapshot", err);
	s->applied = applied;
	s->history = h;
	s->counts = counts;
	store_notify(s, "", applied);
	return 0;
}
