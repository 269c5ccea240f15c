/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - the replicated documents in LMDB: the same on every node, changed
 * only by transactions that Raft has committed (txn.h), read by anybody on the
 * main loop. A document is a JSON object under a key "<table>/<id>" (ids of
 * two parts: "<table>/<a>/<b>", lower case), with the revision (Raft index) of its last change.
 * The only code that includes <lmdb.h>. Layout: docs/ondisk.md#lmdb.
 */
#ifndef SDSD_STORE_STORE_H
#define SDSD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define STORE_KEY_MAX 500          /* bytes with the end */
#define STORE_DOC_MAX (256u << 10) /* bytes of one document */
#define STORE_MAP_DEFAULT (1ull << 30)

struct store;

/* Opens or creates <dir>/store.mdb. map_bytes 0: default. -E_CORRUPT with what and where when the
 * file is damaged or of a newer format; -ENOSPC; -EACCES. */
int store_open(const char *dir, uint64_t map_bytes, struct store **ret, struct err *err);
void store_close(struct store *s);

/* index of the last applied entry; 0 in a new store. Survives crashes exactly. */
uint64_t store_applied(const struct store *s);

/* A parsed copy owned by the caller, and its revision (may be NULL). -E_NOT_FOUND, -E_CORRUPT */
int store_get(struct store *s, const char *key, json **ret, uint64_t *ret_revision);
/* Calls each in key order for the documents below prefix (a whole "<table>/" or "<table>/<a>/");
 * doc is borrowed. Stops when each returns non-zero and returns that. */
typedef int (*store_each)(const char *key, json *doc, uint64_t revision, void *arg);
int store_list(struct store *s, const char *prefix, store_each each, void *arg);
/* The same for their keys only, of which each is borrowed: nothing is parsed, nor checked. */
typedef int (*store_each_key)(const char *key, void *arg);
int store_list_keys(struct store *s, const char *prefix, store_each_key each, void *arg);
/* What a prefix holds, as one number to compare later: changes whenever any key below it is made,
 * changed or deleted (count and highest revision). */
struct store_stamp {
	uint64_t count, revision;
};
int store_prefix_stamp(struct store *s, const char *prefix, struct store_stamp *ret);

/* Of one table: how many documents it has, and the index of the last transaction that has touched
 * one of them, as far as this process knows: of the whole store when it was opened or replaced. It
 * costs nothing, and is nothing to base a transaction on: other nodes know another index.
 * table: "<table>/". 0; negative as store_prefix_stamp, *ret is zeros then */
#define STORE_COUNTED_MAX \
	48 /* tables; there are some 25, of further ones each is counted when asked */
struct store_count {
	uint64_t documents, changed;
};
int store_count(struct store *s, const char *table, struct store_count *ret);

struct store_usage {
	uint64_t used_bytes; /* of pages that are in use */
	uint64_t documents;
	uint64_t history; /* entries */
};
/* Fields that cannot be found out stay 0. */
void store_usage(struct store *s, struct store_usage *ret);

/* Watches: called on the main loop after each applied transaction that touched a key below prefix
 * (and once with key "" after a snapshot replaced everything). */
typedef void (*store_watch_cb)(const char *key, uint64_t revision, void *arg);
struct store_watch;
struct store_watch *store_watch(struct store *s, const char *prefix, store_watch_cb cb, void *arg);
void store_unwatch(struct store *s, struct store_watch *w);

/* Applies one encoded transaction (txn.h) as the entry "index", in one LMDB transaction with the
 * applied index. Entries at or below store_applied are skipped: result says TXN_SKIPPED.
 * Deterministic. 0 with *ret set when the entry was consumed, whatever its outcome; negative when
 * the disk failed (-ENOSPC: LMDB or disk full; nothing was changed, applied index neither). */
struct txn_result;
int store_apply(struct store *s, uint64_t index, const void *data, size_t len,
		struct txn_result *ret, struct err *err);
/* The whole content as bytes for a Raft snapshot, and back (replaces everything atomically). */
int store_dump(struct store *s, struct buf *out, struct err *err);
int store_restore(struct store *s, const void *data, size_t len, struct err *err);
/* The applied index inside of a dump, without looking at the rest. -E_CORRUPT */
int store_dump_index(const void *data, size_t len, uint64_t *ret);

/* The same dump in three steps, so that another thread can do the long one: begin and end on the
 * main loop, write on any thread. What is written is the state at begin. */
struct store_view;
int store_view_begin(struct store *s, struct store_view **ret, struct err *err);
int store_view_write(struct store_view *v, struct buf *out, struct err *err);
void store_view_end(struct store_view *v); /* NULL is fine */

/* Is there room for applying a transaction of so many encoded bytes, with a reserve? Asked before
 * proposing, so that a full store refuses a request instead of stopping every node. -ENOSPC */
#define STORE_ROOM_RESERVE (1u << 20) /* bytes that must stay free in the map and on the disk */
#define STORE_ROOM_FACTOR 8           /* bytes of pages for one byte of transaction */
#define STORE_ROOM_OP_BYTES 12        /* the shortest encoded write; each may cost two pages */
#define STORE_ROOM_OPS_MAX 4096       /* = TXN_OPS_MAX */
#define STORE_USED_MAX (448ull << 20) /* a snapshot must fit into one Raft message (500 MiB) */
int store_room(struct store *s, size_t bytes, struct err *err);

#endif
