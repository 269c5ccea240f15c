/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raftcluster.h - real consensus instances in one process on one loop: each with a
 * directory, a store, a certificate and a TLS port on loopback. For the tests
 * of src/raft. A port stays open over a restart of its node.
 */
#ifndef SDSD_TEST_SUPPORT_RAFTCLUSTER_H
#define SDSD_TEST_SUPPORT_RAFTCLUSTER_H

#include "support/scratch.h"

#include "raft/consensus.h"
#include "support/testpki.h"

#define CLUSTER_MAX 7

struct cluster_node {
	struct cluster *cluster;
	uint32_t id;
	char dir[128];
	char address[CONSENSUS_ADDRESS_MAX];
	uint64_t map_bytes; /* of the store; 0: default */
	struct tls *tls;
	struct listener *listener;
	struct store *store;
	struct consensus *consensus; /* NULL: stopped */
	bool is_leader;              /* as told by on_leader */
	int leader_calls;
	struct err fatal;
	bool closed;
	bool deaf; /* refuses what comes to its port */
	/* takes what comes as HTTP; NULL: it goes to consensus, which refuses it */
	void (*on_http)(struct conn *c, void *arg);
	void *http_arg;
};

struct cluster {
	uv_loop_t loop;
	uv_timer_t timer;
	bool timed_out;
	char dir[64];
	struct testpki *pki;
	struct cluster_node nodes[CLUSTER_MAX]; /* node i has id i + 1 */
	int n;
};

void cluster_init(struct cluster *cl, int n);
/* stops everything, removes the files, checks for leaks */
void cluster_release(struct cluster *cl);

/* the first one is bootstrapped */
void cluster_bootstrap(struct cluster *cl);
void node_start(struct cluster_node *node);
int node_try_start(struct cluster_node *node, struct err *err);
void node_stop(struct cluster_node *node);

/* runs the loop until what() or the time is over; its last value */
bool cluster_until(struct cluster *cl, bool (*what)(struct cluster *cl, void *arg), void *arg,
		   int timeout_ms);
void cluster_run(struct cluster *cl, int ms);
/* waits for one; fails the test when none comes */
struct cluster_node *cluster_leader(struct cluster *cl);
/* until every running node has applied what the leader has */
void cluster_converge(struct cluster *cl);
/* equal content of all running nodes */
void cluster_expect_equal(struct cluster *cl);

/* Blocking forms, run the loop */
int cluster_propose(struct cluster_node *node, struct txn *t, struct txn_result *ret);
/* puts {"n":n}; asserts success */
void cluster_put(struct cluster_node *node, const char *key, int64_t n);
int cluster_barrier(struct cluster_node *node);
int cluster_add(struct cluster_node *leader, struct cluster_node *node);
int cluster_assign(struct cluster_node *leader, uint32_t id, enum consensus_role role);
int cluster_remove(struct cluster_node *leader, uint32_t id);
int cluster_transfer(struct cluster_node *leader, uint32_t id);

#endif
