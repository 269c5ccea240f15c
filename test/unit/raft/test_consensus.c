// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_consensus.c - one node, then three real ones over TLS: proposals,
 * barriers, a stopped leader, restarts, catching up, membership.
 */
#include "support/raftcluster.h"

#include <errno.h>

static struct cluster cl;

static void teardown(void)
{
	cluster_release(&cl);
}

TestSuite(consensus, .fini = teardown, .timeout = 120);

static void start_three(void)
{
	struct cluster_node *leader;

	cluster_init(&cl, 3);
	cluster_bootstrap(&cl);
	for (int i = 0; i < 3; i++)
		node_start(&cl.nodes[i]);
	leader = cluster_leader(&cl);
	for (int i = 1; i < 3; i++) {
		cr_assert_eq(cluster_add(leader, &cl.nodes[i]), 0);
		cr_assert_eq(cluster_assign(leader, cl.nodes[i].id, CONSENSUS_VOTER), 0);
	}
}

Test(consensus, one_node)
{
	struct txn_result r;
	struct err err = { 0 };
	struct txn *t;
	uint64_t index;

	cluster_init(&cl, 1);
	cluster_bootstrap(&cl);
	cr_expect_eq(consensus_bootstrap(cl.nodes[0].dir, 1, cl.nodes[0].address, &err), -E_EXISTS);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	cluster_put(&cl.nodes[0], "a/1", 1);
	index = store_applied(cl.nodes[0].store);
	t = txn_new("", "");
	txn_read(t, "a/1", 0);
	txn_put(t, "a/2", scratch_doc(2));
	cr_assert_eq(cluster_propose(&cl.nodes[0], t, &r), 0);
	cr_expect_eq(r.outcome, TXN_CONFLICT);
	cr_expect_str_eq(r.conflict, "a/1");
	cr_expect_eq(store_applied(cl.nodes[0].store), index + 1);
	cr_expect_eq(cluster_barrier(&cl.nodes[0]), 0);
	node_stop(&cl.nodes[0]);
	cr_expect_eq(consensus_bootstrap(cl.nodes[0].dir, 1, cl.nodes[0].address, &err), -E_EXISTS);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	cr_expect_eq(scratch_n(cl.nodes[0].store, "a/1", NULL), 1);
	cluster_put(&cl.nodes[0], "a/3", 3);
}

Test(consensus, three_nodes_lose_their_leader)
{
	struct cluster_node *old, *leader;

	start_three();
	leader = cluster_leader(&cl);
	for (int i = 0; i < 200; i++) {
		char key[32];

		snprintf(key, sizeof(key), "k/%d", i);
		cluster_put(leader, key, i);
	}
	cluster_converge(&cl);
	cluster_expect_equal(&cl);

	old = leader;
	node_stop(old);
	leader = cluster_leader(&cl);
	cr_assert_neq(leader, old);
	cr_expect_eq(scratch_n(leader->store, "k/199", NULL), 199);
	cluster_put(leader, "k/new", 1);
	node_start(old);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
	cr_expect_eq(scratch_n(old->store, "k/new", NULL), 1);

	/* all at once */
	for (int i = 0; i < 3; i++)
		node_stop(&cl.nodes[i]);
	for (int i = 0; i < 3; i++)
		node_start(&cl.nodes[i]);
	leader = cluster_leader(&cl);
	cluster_put(leader, "k/again", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
}
