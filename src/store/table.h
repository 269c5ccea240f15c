/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - inside of the store: its LMDB tables and the form of their values.
 * Included by store.c, apply.c, count.c, dump.c, history.c only.
 *
 *   meta      "state"           -> struct store_state
 *   docs      key               -> value: revision, crc, JSON text of an object
 *   requests  request id        -> value: revision, crc, JSON text of the answer, maybe empty
 *   order     revision, 8 bytes -> request id: which request ids to forget first
 *             big-endian
 *   history   ring, 1 byte, and  -> value: revision, crc, JSON text of an entry (history.h); the
 *             index, 8 bytes       key of zeros: which index the oldest complete stretch begins
 *             big-endian           behind, as its revision
 */
#ifndef SDSD_STORE_TABLE_H
#define SDSD_STORE_TABLE_H

#include <lmdb.h>
#include <stdint.h>

#include "store/store.h"

enum store_table {
	TABLE_META,
	TABLE_DOCS,
	TABLE_REQUESTS,
	TABLE_ORDER,
	TABLE_HISTORY,
	TABLE_COUNT
};

#define STORE_FORMAT 1
#define REQUEST_ID_MAX 64 /* characters */

struct store_watch {
	char *prefix;
	store_watch_cb cb; /* NULL: unwatched while callbacks run; freed after them */
	void *arg;
	uint64_t number; /* in order of store_watch */
	struct store_watch *next;
};

/* the rings of the history (history.h) */
enum { HISTORY_PEOPLE, HISTORY_NODES, HISTORY_RECORDS, HISTORY_RINGS };

struct history_ring {
	uint64_t count, bytes; /* entries, and of their texts */
};

struct history { /* of what is committed; changed by a copy until then */
	struct history_ring ring[HISTORY_RINGS];
	uint64_t floor; /* see store_history_floor */
};

#define COUNT_TABLE_MAX 23 /* bytes of "<table>/" of one that is */

struct count {
	char table[COUNT_TABLE_MAX];
	uint8_t len;
	struct store_count what;
};

struct counts { /* of what is committed; changed by a copy until then */
	struct count of[STORE_COUNTED_MAX];
	int n;
	bool others; /* there are, or were, tables that are not counted */
};

struct store {
	MDB_env *env;
	MDB_dbi dbi[TABLE_COUNT];
	char *dir;
	char *path;
	uint64_t map_bytes;
	uint64_t applied; /* as committed in TABLE_META */
	struct history history;
	struct counts counts;
	uint64_t watch_number;
	unsigned notifying; /* depth of watch callbacks */
	struct store_watch *watches, **watches_end;
};

/* A value of docs or requests, pointing into the map: valid until its transaction ends */
struct table_value {
	uint64_t revision;
	const char *text;
	size_t len;
};

static inline void put_le(uint8_t *out, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static inline uint64_t get_le(const uint8_t *in, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

/* LMDB's code -> ours: -ENOSPC, -E_CORRUPT, -E_NOT_FOUND, -errno; 0 stays 0 */
int table_error(int mdb_code);
/* As above with a sentence that names the file and what to do */
int table_fail(const struct store *s, int mdb_code, const char *doing, struct err *err);

/* 0, -E_NOT_FOUND, -E_CORRUPT (checksum) */
int table_get(struct store *s, MDB_txn *txn, enum store_table table, const char *key,
	      struct table_value *ret);
/* returns LMDB's code */
int table_put(struct store *s, MDB_txn *txn, enum store_table table, const char *key,
	      uint64_t revision, const char *text, size_t len);
/* as above with a key of any bytes */
int table_put_key(struct store *s, MDB_txn *txn, enum store_table table, MDB_val *key,
		  uint64_t revision, const char *text, size_t len);
/* Takes a raw value apart; -E_CORRUPT */
int table_parse(const MDB_val *key, const MDB_val *raw, struct table_value *ret);
int table_read_state(struct store *s, MDB_txn *txn, uint64_t *ret_applied, struct err *err);
/* returns LMDB's code */
int table_write_state(struct store *s, MDB_txn *txn, uint64_t applied);

void order_key(uint64_t revision, uint8_t out[8]);
int table_stamp(struct store *s, MDB_txn *txn, const char *prefix, struct store_stamp *ret);
/* is it "<table>/<id>...", of visible lower case ASCII, short enough */
bool key_is_valid(const char *key, size_t len);
/* as above, but ending in '/' */
bool prefix_is_valid(const char *prefix, size_t len);

/* history.c. What one transaction changes, collected while it is applied. */
enum history_op { HISTORY_MADE, HISTORY_CHANGED, HISTORY_DELETED };

struct history_change {
	const char *key;
	size_t len;
	enum history_op op;
};

struct history_note {
	const char *author, *what; /* borrowed */
	int64_t at_ms;
	int n;             /* changes */
	bool only_records; /* all of them */
	json *changes;     /* the first HISTORY_CHANGES_MAX; owned until the end */
};

void history_note_begin(struct history_note *n);
void history_note_change(struct history_note *n, const struct history_change *c);
/* Writes the entry, if there were changes, trims its ring, counts in h; releases n. LMDB's code */
int history_note_end(struct store *s, MDB_txn *txn, uint64_t index, struct history_note *n,
		     struct history *h);
/* Counts what is there; a table without a floor gets this one. LMDB's code, MDB_CORRUPTED */
int history_load(struct store *s, MDB_txn *txn, uint64_t applied, struct history *ret);
bool history_key_is_valid(const MDB_val *key);

/* count.c: more documents (1, 0, -1) of the table of key at this index */
void counts_note(struct counts *c, const char *key, size_t key_len, int more, uint64_t index);
/* all there are; LMDB's code */
int counts_load(struct store *s, MDB_txn *txn, uint64_t applied, struct counts *ret);

/* calls the watches of key; "" calls all */
void store_notify(struct store *s, const char *key, uint64_t revision);

#endif
