/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copylife.h - a cluster's life as far as copies are concerned: nodes and data planes are played,
 * and what happens to them by chance, on the real documents and change functions (modelworld.h).
 * A step is a second. What the cluster does by itself meanwhile is the test's to do
 * (test/unit/model/test_upkeep_world.c).
 */
#ifndef TEST_COPYLIFE_H
#define TEST_COPYLIFE_H

#include "model/bundle.h"
#include "support/modelworld.h"

#define LIFE_NODES 6
#define LIFE_RESOURCES 4
#define LIFE_AFTER "10s" /* sds/rebuild-after, sds/diskful-after */

struct place { /* what a node has of a resource */
	char uuid[37];
	bool open, disk; /* the plane has its disk */
	int learned;     /* per cent */
};

struct last {     /* the last step of the cluster's own at a place */
	int what; /* 1: it got a copy; -1: it lost it */
	bool balance;
	long cause;
};

struct shape { /* of a resource, as far as it can be known */
	int wanted, good, copies, missing;
	int waiting; /* of those: their disks take part once they are closed */
	bool has[LIFE_NODES], open[LIFE_NODES], counts[LIFE_NODES];
};

struct life {
	struct world w;
	uint64_t seed;
	bool down[LIFE_NODES], lost[LIFE_NODES];
	int64_t extra_kib[LIFE_NODES], total_kib[LIFE_NODES], used_kib[LIFE_NODES];
	struct place place[LIFE_RESOURCES][LIFE_NODES];
	struct last last[LIFE_RESOURCES][LIFE_NODES];
	struct shape seen[LIFE_RESOURCES]; /* at the last look */
	int64_t led_ms;
	long causes; /* what has happened so far that a step may be based on */
	long moved;  /* as much of that as the last move for balance was based on */
	bool say;
	long faults; /* and wishes */
	int steps;   /* of the cluster's own, in all */
};

extern const char *const life_nodes[LIFE_NODES];
extern const char *const life_names[LIFE_RESOURCES]; /* of resources */

/* what somebody asks for and may be refused; rv of it */
#define LIFE_TRY(l, fn, ...)                                                   \
	({                                                                     \
		struct txn *txn_ = world_txn();                                \
		int try_ = fn(&(l)->w.env, txn_, __VA_ARGS__, &(l)->w.err);    \
		if (try_ == 0)                                                 \
			cr_assert_eq(world_apply(&(l)->w, txn_), TXN_APPLIED); \
		else                                                           \
			txn_free(txn_);                                        \
		try_;                                                          \
	})

/* a cluster with resources, the same for the same seed */
void life_begin(struct life *l, uint64_t seed);
int life_draw(int n);            /* 0 to n - 1 */
int life_node(const char *name); /* its index */
void life_tell(struct life *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* a look at a resource, to be released; false: there is none of this index */
bool life_load(struct life *l, int r, struct bundle *b);
/* A second passes: data planes attach, learn, leave the set; nodes report, in a calm all do. */
void life_play(struct life *l, bool calm);
/* A fault, a wish of somebody, an opening, another leader, a pool that fills */
void life_happen(struct life *l);
/* All faults end; some volumes stay open. */
void life_calm(struct life *l);

#endif
