/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apilab.h - an API with real consensus, store and timer, on the loop of a raftcluster, as node n1
 * of it; and the node port of a node, which answers nothing by itself. For the tests of src/api
 * that need more than a store.
 */
#ifndef SDSD_TEST_SUPPORT_APILAB_H
#define SDSD_TEST_SUPPORT_APILAB_H

#include "api/state.h"
#include "support/modelworld.h"
#include "support/raftcluster.h"

#define APILAB_HELD 1024

struct apilab {
	struct cluster cl;
	struct api *a;
	struct world w; /* over the store and what is observed: its changes are proposed */
	/* requests at the node port, as they came; taken out by who answers them */
	struct http_request *held[APILAB_HELD];
	int n_held, n_came, most_held;
};

enum apilab_kind {
	APILAB_LEADS,   /* n1 is alone, and leads; its store has the cluster of n1 */
	APILAB_FOLLOWS, /* another node leads, whose node port is the lab's */
	APILAB_ALONE,   /* there is no leader, ever */
};

void apilab_open(struct apilab *l, enum apilab_kind kind);
void apilab_close(struct apilab *l); /* checks for leaks */
/* runs the loop until what(), which also sees each turn; fails the test after timeout_ms */
void apilab_until(struct apilab *l, bool (*what)(struct apilab *l, void *arg), void *arg,
		  int timeout_ms);
void apilab_run(struct apilab *l, int ms);
bool apilab_is_idle(struct apilab *l, void *arg); /* nothing of leader.h is under way */
/* every node n1.. and its pool "ssd" is heard of, now */
void apilab_report(struct apilab *l, int n);

/* answers the i-th of those held */
void apilab_answer(struct apilab *l, int i, int status, const char *body);
void apilab_answer_all(struct apilab *l, int status, const char *body);
/* where that node port is */
int apilab_port(const struct apilab *l);

/* A request of this process, as a node's: the answer, once it has come. */
struct apilab_answer {
	int status; /* 0: none yet */
	int calls;  /* of the callback */
	char text[16384];
};
void apilab_ask(struct apilab *l, const char *method, const char *url, const char *body,
		struct apilab_answer *ret);
/* the same, waited for */
struct apilab_answer apilab_get(struct apilab *l, const char *method, const char *url,
				const char *body);

#endif
