/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modelworld.h - a real store in a temporary directory and the change
 * functions' environment around it, with time and uuids under control: what the
 * tests of src/model need. Transactions are encoded and applied as Raft would.
 */
#ifndef TEST_MODELWORLD_H
#define TEST_MODELWORLD_H

#include "model/change.h"

#define WORLD_START_MS 1700000000000ll
#define GIB (1ll << 20) /* in KiB */

struct world {
	char dir[64];
	struct store *store;
	struct observed *observed;
	struct change_env env;
	uint64_t index; /* of the last entry */
	struct err err; /* of the last change */
	/* takes t and applies it somehow; NULL: as Raft's next entry */
	enum txn_outcome (*propose)(struct txn *t, void *arg);
	void *propose_arg;
};

void world_open(struct world *w);  /* an empty store */
void world_start(struct world *w); /* and a cluster of the node n1 */
void world_init(struct world *w);  /* that cluster, in a store that is empty */
void world_close(struct world *w); /* removes the directory; checks for leaks */
void world_no_leaks(void);         /* a .fini for tests without a world */

struct txn *world_txn(void);
/* encodes, applies and frees t; the outcome */
enum txn_outcome world_apply(struct world *w, struct txn *t);
/* rv of the change: 0 applies (and must apply), an error throws t away; returns rv */
int world_end(struct world *w, struct txn *t, int rv);
#define WORLD(w, fn, ...)                                              \
	({                                                             \
		struct txn *txn_ = world_txn();                        \
		(w)->err = (struct err){ 0 };                          \
		int rv_ = fn(&(w)->env, txn_, __VA_ARGS__, &(w)->err); \
		world_end(w, txn_, rv_);                               \
	})

struct node world_node(const char *name, int host); /* 10.0.0.<host> */
void world_add_node(struct world *w, const char *name, int host);
void world_add_pool(struct world *w, const char *node, const char *pool, enum pool_kind kind);
/* n nodes n1.. with a thin pool "ssd" of 100 GiB each, all of them online */
void world_cluster(struct world *w, int n);
void world_fill(struct world *w, int n); /* the same, in the cluster of the node n1 */
/* a report of the node and its pool (NULL: none) at the world's present time */
void world_report(struct world *w, const char *node, const char *pool, int64_t free_kib,
		  int64_t total_kib);
/* the same, of a thick pool of which our copies take so much */
void world_report_ours(struct world *w, const char *node, const char *pool, int64_t free_kib,
		       int64_t total_kib, int64_t ours_kib);
/* as world_report of pool "ssd", 100 GiB free, with these fields of the resource's replica */
void world_report_replica(struct world *w, const char *node, const char *resource,
			  const char *fields);
/* the same, open or not */
void world_report_open(struct world *w, const char *node, const char *resource, bool open);
json *world_json(const char *text); /* owned */
/* the object of text with one field set to a JSON value, or left out (value NULL); owned */
json *world_with(const char *text, const char *field, const char *value);
/* a string literal of n characters c as a JSON value; borrowed until the next call */
const char *world_long(char c, int n);
json *world_doc(struct world *w, const char *key);                 /* owned; NULL: missing */
struct resource world_resource(struct world *w, const char *name); /* it is there */
struct record world_record(struct world *w, const char *name);     /* it is there */
/* epoch 7, of that writer (WRITER_NONE: none) and set, instead of the one that is there */
void world_put_record(struct world *w, const char *name, int writer, uint32_t in_sync);
int world_count(struct world *w, const char *prefix);
/* promises, placed documents, minors and slots agree with the replicas; aborts the test if not */
void world_check(struct world *w);
bool world_says(const struct world *w, const char *part); /* err.text holds part */

#endif
