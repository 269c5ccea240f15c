/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * txn.h - a transaction on the store: what the decision was based on (read
 * set) and what shall be written (write set). Built by the leader's change
 * functions, encoded as JSON, carried by Raft, checked and applied by
 * store_apply on every node.
 */
#ifndef SDSD_STORE_TXN_H
#define SDSD_STORE_TXN_H

#include "store/store.h"

#define TXN_BYTES_MAX (1u << 20) /* encoded */
#define TXN_AUTHOR_MAX 256       /* bytes */
#define TXN_OPS_MAX 4096         /* reads + writes */
#define TXN_REQUESTS_KEPT 20000  /* request ids remembered, by count of newer ones */

enum txn_outcome {
	TXN_APPLIED,   /* revision = the entry's index */
	TXN_CONFLICT,  /* something of the read set has changed; nothing written */
	TXN_DUPLICATE, /* this request id was applied before, as "revision"; nothing written */
	TXN_SKIPPED,   /* entry older than the store */
	TXN_BAD        /* not a transaction (also: document too large); nothing written */
};

struct txn_result {
	enum txn_outcome outcome;
	uint64_t revision;
	char conflict[STORE_KEY_MAX]; /* the key or prefix that had changed */
};

struct txn;
/* request_id: up to 64 characters or "" for none; makes the change exactly-once.
 * author: who asked, for the history ("uid=0", "node=n1"). */
struct txn *txn_new(const char *request_id, const char *author);
void txn_free(struct txn *t); /* NULL is fine */
/* The decision read key at revision (0: it was missing). */
void txn_read(struct txn *t, const char *key, uint64_t revision);
void txn_read_prefix(struct txn *t, const char *prefix, struct store_stamp stamp);
/* Reads through the store and notes the read: the usual way. As store_get; a miss is noted too. */
int txn_get(struct txn *t, struct store *s, const char *key, json **ret);
int txn_list(struct txn *t, struct store *s, const char *prefix, store_each each, void *arg);
/* What the transaction itself holds for key, of its last txn_put: 1 and *ret, a parsed copy that
 * the caller owns, NULL: it deletes; 0: it does not touch it. Those who add to a document more than
 * once add to this. */
int txn_written(const struct txn *t, const char *key, json **ret);
/* takes doc (one reference); NULL deletes */
void txn_put(struct txn *t, const char *key, json *doc);
/* The answer to remember for the request id (a JSON text; optional) */
void txn_answer(struct txn *t, json *answer);
/* For the history: when this was decided (ms of the wall clock) and what it is, in one sentence, of
 * which HISTORY_WHAT_MAX bytes stay. The last call counts; without one neither is known. */
void txn_note(struct txn *t, int64_t at_ms, const char *what);
/* no writes, and none that could not be taken: there is nothing to encode */
bool txn_is_empty(const struct txn *t);
/* appends the encoded form; -EMSGSIZE beyond the limits; a sticky -ENOMEM/-EMSGSIZE/-E_INVALID
 * (bad key, no object) of the calls above */
int txn_encode(const struct txn *t, struct buf *out, struct err *err);

/* What is remembered of a request id: its revision and answer (owned copy, may be NULL).
 * -E_NOT_FOUND */
int store_request(struct store *s, const char *request_id, uint64_t *ret_revision,
		  json **ret_answer);

#endif
