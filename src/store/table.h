/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - inside of the store: its LMDB tables and the form of their values.
 * Included by store.c, apply.c, dump.c only.
 *
 *   meta      "state"           -> struct store_state
 *   docs      key               -> value: revision, crc, JSON text of an object
 *   requests  request id        -> value: revision, crc, JSON text of the answer, maybe empty
 *   order     revision, 8 bytes -> request id: which request ids to forget first
 *             big-endian
 */
#ifndef SDSD_STORE_TABLE_H
#define SDSD_STORE_TABLE_H

#include <lmdb.h>
#include <stdint.h>

#include "store/store.h"

enum store_table { TABLE_META, TABLE_DOCS, TABLE_REQUESTS, TABLE_ORDER, TABLE_COUNT };

#define STORE_FORMAT 1
#define REQUEST_ID_MAX 64 /* characters */

struct store_watch {
	char *prefix;
	store_watch_cb cb; /* NULL: unwatched while callbacks run; freed after them */
	void *arg;
	uint64_t number; /* in order of store_watch */
	struct store_watch *next;
};

struct store {
	MDB_env *env;
	MDB_dbi dbi[TABLE_COUNT];
	char *dir;
	char *path;
	uint64_t map_bytes;
	uint64_t applied; /* as committed in TABLE_META */
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

/* calls the watches of key; "" calls all */
void store_notify(struct store *s, const char *key, uint64_t revision);

#endif
