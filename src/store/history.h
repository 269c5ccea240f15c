/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history.h - who changed what, when: one entry for each applied transaction
 * that changed documents, written in the same LMDB transaction, so that it is
 * the same on every node and part of every snapshot. It holds keys, never
 * documents: no secret can get into it.
 *
 * What machines do must not push out what people did, so the entries are in
 * three rings, each with a size of its own, and a reader sees one list:
 *   people   everything that is not one of the other two
 *   nodes    by an author "node=<name>": copies made, leftovers gone, schedules
 *   records  of nodes, and nothing but documents below "record/": the most
 *            frequent, a few for each open, close and lost copy
 *
 * An entry is an object: {"at": ms of the leader's wall clock, 0 unknown,
 * "by": author, "what": one sentence, "changes": [{"key","op"}], "more": how many
 * changes are not listed}; op is made, changed or deleted.
 */
#ifndef SDSD_STORE_HISTORY_H
#define SDSD_STORE_HISTORY_H

#include "store/store.h"

/* how many of the newest entries stay, and the bytes of their texts */
#define HISTORY_MAX 10000
#define HISTORY_BYTES_MAX (8u << 20)
#define HISTORY_NODES_MAX 5000
#define HISTORY_NODES_BYTES_MAX (4u << 20)
#define HISTORY_RECORDS_MAX 3000
#define HISTORY_RECORDS_BYTES_MAX (2u << 20)
#define HISTORY_CHANGES_MAX 64 /* listed in one entry */
#define HISTORY_WHAT_MAX 240   /* bytes of a sentence */

#define HISTORY_AUTHOR_NODE "node=" /* how the authors begin that are nodes */

/* entry is borrowed. Non-zero stops. */
typedef int (*history_each)(uint64_t index, json *entry, void *arg);
/* The entries from index on, in order. Returns what stopped it; -E_CORRUPT */
int store_history(struct store *s, uint64_t from, history_each each, void *arg);
/* The entries before index (UINT64_MAX: all), the newest first. */
int store_history_back(struct store *s, uint64_t before, history_each each, void *arg);
/* Entries of this index and before it may be missing; all after it are there. 0: none ever went. */
uint64_t store_history_floor(const struct store *s);

#endif
