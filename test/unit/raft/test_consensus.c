// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_consensus.c - one node, then three real ones over TLS: proposals,
 * barriers, a stopped leader, restarts, catching up, membership.
 */
#include "support/raftcluster.h"

#include <errno.h>

#include "raft/instance.h"
#include "raft/members.h"

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

/* Two of three are lost; the third one goes on with all it has, and takes new ones. */
Test(consensus, recovered_from_one)
{
	struct consensus_server servers[3];
	struct cluster_node *node = &cl.nodes[2];
	struct err err = { 0 };

	start_three();
	for (int i = 0; i < 30; i++)
		cluster_put(cluster_leader(&cl), "k/x", i);
	cluster_converge(&cl);
	for (int i = 0; i < 3; i++)
		node_stop(&cl.nodes[i]);
	for (int again = 0; again < 2; again++)
		cr_assert_eq(consensus_recover(node->dir, node->id, node->address, &err), 0, "%s",
			     err.text);
	node_start(node);
	cr_assert_eq(cluster_leader(&cl), node);
	cr_expect_eq(consensus_servers(node->consensus, servers, 3), 1);
	cr_expect_eq(servers[0].id, node->id);
	cr_expect_eq(scratch_n(node->store, "k/x", NULL), 29);
	cluster_put(node, "k/y", 1);
	node_stop(node);
	node_start(node);
	cluster_put(cluster_leader(&cl), "k/z", 1);
	cr_expect_eq(scratch_n(node->store, "k/y", NULL), 1);
	cr_expect_eq(consensus_recover(node->dir, 0, node->address, &err), -E_INVALID);
}

/* Nobody is told anything by the clock for a while, and nobody misses it. */
static void stop_heartbeats(void)
{
	for (int i = 0; i < cl.n; i++) {
		struct raft *r = &cl.nodes[i].consensus->raft;

		raft_set_heartbeat_timeout(r, 600000);
		raft_set_election_timeout(r, 900000);
		if (r->state == RAFT_FOLLOWER)
			r->follower_state.randomized_election_timeout = 900000;
	}
}

/* The leader and one that had it on its disk in time for the commit. Who stores it later is told
 * with the next heartbeat. */
static bool most_have_it(struct cluster *cluster, void *arg)
{
	const uint64_t *index = arg;
	int n = 0;

	for (int i = 0; i < cluster->n; i++)
		n += store_applied(cluster->nodes[i].store) >= *index;
	return 2 * n > cluster->n;
}

Test(consensus, a_commit_is_told_without_a_heartbeat)
{
	struct cluster_node *leader;
	uint64_t index;

	start_three();
	leader = cluster_leader(&cl);
	cluster_put(leader, "k/0", 0);
	cluster_converge(&cl);
	stop_heartbeats();
	for (int i = 1; i < 4; i++) {
		cluster_put(leader, "k/1", i);
		index = store_applied(leader->store);
		cr_assert(cluster_until(&cl, most_have_it, &index, 10000), "change %d", i);
		cr_expect_eq(leader->consensus->raft.heartbeat_timeout, 600000, "it is put back");
	}
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

/* --- results and indexes --- */

#define MANY 700 /* more than CONSENSUS_INFLIGHT_MAX */

struct many {
	int answered, applied, busy, other;
	uint64_t last_revision;
	bool ordered;
};

static void on_one_of_many(int status, const struct txn_result *result, void *arg)
{
	struct many *m = arg;

	m->answered++;
	if (status == -EBUSY) {
		m->busy++;
	} else if (status == 0 && result->outcome == TXN_APPLIED) {
		m->applied++;
		m->ordered = m->ordered && result->revision > m->last_revision;
		m->last_revision = result->revision;
	} else {
		m->other++;
	}
}

static bool many_answered(struct cluster *c, void *arg)
{
	return ((struct many *)arg)->answered == MANY;
}

Test(consensus, proposals_in_flight_are_limited_and_answered_in_order)
{
	struct many m = { .ordered = true };

	start_three();
	struct cluster_node *leader = cluster_leader(&cl);

	for (int i = 0; i < MANY; i++) {
		char text[96];
		int len = snprintf(text, sizeof(text), "{\"v\":1,\"w\":[[\"k/%d\",\"{}\"]]}", i);

		consensus_propose(leader->consensus, text, (size_t)len, on_one_of_many, &m);
	}
	cr_assert_eq(m.answered, 0, "never inside of the call");
	cr_assert(cluster_until(&cl, many_answered, &m, 20000));
	cr_expect_eq(m.applied, CONSENSUS_INFLIGHT_MAX);
	cr_expect_eq(m.busy, MANY - CONSENSUS_INFLIGHT_MAX);
	cr_expect_eq(m.other, 0);
	cr_expect(m.ordered);
	cluster_put(leader, "k/after", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
}

static bool counted(struct cluster *c, void *arg)
{
	return *(int *)arg == 0;
}

static void count_down(int status, void *arg)
{
	--*(int *)arg;
	cr_expect(status == 0 || status == -EBUSY, "%d", status);
}

static void count_down_propose(int status, const struct txn_result *r, void *arg)
{
	--*(int *)arg;
	cr_expect_eq(status, 0, "%d", status);
}

static void propose_async(struct cluster_node *leader, int n, int *open)
{
	char text[96];
	int len = snprintf(text, sizeof(text), "{\"v\":1,\"w\":[[\"k/%d\",\"{\\\"n\\\":%d}\"]]}",
			   n % 50, n);

	++*open;
	consensus_propose(leader->consensus, text, (size_t)len, count_down_propose, open);
}

/* The index an entry is applied under must be the library's, whatever lies between the entries:
 * barriers, membership changes, restarts, a snapshot on another node. Each node counts by itself,
 * so equal revisions everywhere mean equal indexes. */
Test(consensus, indexes_are_exact)
{
	struct cluster_node *leader;
	int open = 0;

	start_three();
	for (int round = 0; round < 6; round++) {
		leader = cluster_leader(&cl);
		for (int i = 0; i < 40; i++) {
			propose_async(leader, round * 40 + i, &open);
			if (i % 3 == 0) {
				open++;
				consensus_barrier(leader->consensus, count_down, &open);
			}
			if (i % 10 == 5) {
				uint32_t other = leader->id % 3 + 1;

				open++;
				consensus_assign(leader->consensus, other,
						 i % 20 == 5 ? CONSENSUS_STANDBY : CONSENSUS_VOTER,
						 count_down, &open);
			}
			if (i % 7 == 0)
				uv_run(&cl.loop, UV_RUN_NOWAIT);
		}
		cr_assert(cluster_until(&cl, counted, &open, 20000));
		cluster_put(leader, "k/x", round);
		/* the entry applied last is a proposal's, so both counts agree */
		cr_expect_eq(raft_last_applied(&leader->consensus->raft),
			     store_applied(leader->store));
		cluster_converge(&cl);
		cluster_expect_equal(&cl);
		cr_assert(cluster_assign(leader, 1, CONSENSUS_VOTER) == 0);
		cr_assert(cluster_assign(leader, 2, CONSENSUS_VOTER) == 0);
		cr_assert(cluster_assign(leader, 3, CONSENSUS_VOTER) == 0);
		if (round % 2 == 0) {
			node_stop(leader);
			cluster_put(cluster_leader(&cl), "k/while-one-is-away", round);
			node_start(leader);
		} else {
			for (int i = 0; i < 3; i++)
				node_stop(&cl.nodes[i]);
			for (int i = 0; i < 3; i++)
				node_start(&cl.nodes[i]);
		}
		cluster_put(cluster_leader(&cl), "k/y", round);
		cluster_converge(&cl);
		cluster_expect_equal(&cl);
	}
	/* a store that is lost is filled again from the log, to the same revisions */
	node_stop(&cl.nodes[2]);
	char path[160];

	snprintf(path, sizeof(path), "%s/store.mdb", cl.nodes[2].dir);
	cr_assert_eq(remove(path), 0);
	node_start(&cl.nodes[2]);
	cluster_put(cluster_leader(&cl), "k/z", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
}

static void fill(struct cluster_node *leader, int n)
{
	int open = 0;

	for (int i = 0; i < n; i++) {
		propose_async(leader, i, &open);
		if (i % 200 == 199)
			cr_assert(cluster_until(&cl, counted, &open, 20000));
	}
	cr_assert(cluster_until(&cl, counted, &open, 20000));
}

Test(consensus, catching_up_by_snapshot)
{
	struct cluster_node *leader, *late;

	start_three();
	leader = cluster_leader(&cl);
	cluster_converge(&cl);
	late = &cl.nodes[leader->id == 3 ? 1 : 2];
	node_stop(late);
	fill(leader, 5000); /* more than the threshold; less than that stays in the log */
	cluster_run(&cl, 300);
	cr_assert_gt(leader->consensus->raft.configuration_last_snapshot.n, 0u,
		     "no snapshot taken");
	node_start(late);
	cluster_put(leader, "k/last", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
	cr_expect_gt(late->consensus->raft.configuration_last_snapshot.n, 0u,
		     "came by the log, not by a snapshot");
	/* from the snapshot and the rest of the log, everywhere */
	for (int i = 0; i < 3; i++)
		node_stop(&cl.nodes[i]);
	for (int i = 0; i < 3; i++)
		node_start(&cl.nodes[i]);
	leader = cluster_leader(&cl);
	cluster_put(leader, "k/more", 1);
	cr_expect_eq(raft_last_applied(&leader->consensus->raft), store_applied(leader->store));
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
	/* the snapshot alone makes a lost store again */
	node_stop(late);
	char path[160];

	snprintf(path, sizeof(path), "%s/store.mdb", late->dir);
	cr_assert_eq(remove(path), 0);
	node_start(late);
	cluster_put(cluster_leader(&cl), "k/end", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
}

/* --- refusals --- */

Test(consensus, only_the_leader_takes_requests)
{
	struct cluster_node *leader, *other;
	struct txn *t = txn_new("", "");
	char address[CONSENSUS_ADDRESS_MAX];

	start_three();
	leader = cluster_leader(&cl);
	cluster_put(leader, "a/1", 1);
	cluster_converge(&cl);
	other = &cl.nodes[leader->id % 3];
	txn_put(t, "a/1", scratch_doc(1));
	cr_expect_eq(cluster_propose(other, t, NULL), -E_NOT_LEADER);
	cr_expect_eq(cluster_barrier(other), -E_NOT_LEADER);
	cr_expect_eq(cluster_remove(other, 3), -E_NOT_LEADER);
	cr_expect_eq(cluster_transfer(other, 3), -E_NOT_LEADER);
	cr_expect_eq(consensus_leader(other->consensus, address), leader->id);
	cr_expect_str_eq(address, leader->address);
	cr_expect_eq(consensus_leader(leader->consensus, NULL), leader->id);
	cr_expect_not(consensus_is_leader(other->consensus));
	cr_expect_eq(consensus_term(other->consensus), consensus_term(leader->consensus));
}

static void on_status_at(int status, void *arg)
{
	*(int *)arg = status;
}

static bool both_set(struct cluster *c, void *arg)
{
	int *status = arg;

	return status[0] != 1 && status[1] != 1;
}

Test(consensus, membership)
{
	struct consensus_server servers[8];
	struct cluster_node *leader;
	int status[2] = { 1, 1 };

	start_three();
	leader = cluster_leader(&cl);
	cr_expect_eq(cluster_add(leader, &cl.nodes[1]), -E_EXISTS);
	cr_expect_eq(cluster_remove(leader, 77), -E_NOT_FOUND);
	cr_expect_eq(cluster_assign(leader, 77, CONSENSUS_VOTER), -E_NOT_FOUND);
	cr_expect_eq(cluster_assign(leader, 2, CONSENSUS_VOTER), 0, "is one already");
	cr_expect_eq(consensus_servers(leader->consensus, servers, 8), 3);
	cr_expect_eq(servers[2].role, CONSENSUS_VOTER);
	cr_expect_str_eq(servers[2].address, cl.nodes[2].address);
	cr_expect_eq(consensus_servers(leader->consensus, NULL, 0), 3);
	/* one at a time */
	consensus_assign(leader->consensus, 2, CONSENSUS_STANDBY, on_status_at, &status[0]);
	consensus_assign(leader->consensus, 3, CONSENSUS_STANDBY, on_status_at, &status[1]);
	cr_assert(cluster_until(&cl, both_set, status, 5000));
	cr_expect_eq(status[0], 0);
	cr_expect_eq(status[1], -EBUSY);
	/* who is away cannot be promoted */
	node_stop(&cl.nodes[1]);
	cluster_put(leader, "a/1", 1);
	cr_expect_eq(cluster_assign(leader, 2, CONSENSUS_VOTER), -ETIMEDOUT);
	node_start(&cl.nodes[1]);
	cr_expect_eq(cluster_assign(leader, 2, CONSENSUS_VOTER), 0);
	cr_expect_eq(cluster_transfer(leader, 2), 0);
	leader = cluster_leader(&cl);
	cr_expect_eq(leader->id, 2);
	cr_expect_eq(cluster_remove(leader, 3), 0);
	cr_expect_eq(consensus_servers(leader->consensus, servers, 8), 2);
	node_stop(&cl.nodes[2]);
	cluster_put(leader, "a/2", 1);
}

static bool fatal_on(struct cluster *c, void *arg)
{
	return ((struct cluster_node *)arg)->fatal.code != 0;
}

struct pending {
	int status;
	bool done;
};

static void on_pending(int status, const struct txn_result *r, void *arg)
{
	struct pending *p = arg;

	p->status = status;
	p->done = true;
}

static bool pending_done(struct cluster *c, void *arg)
{
	return ((struct pending *)arg)->done;
}

Test(consensus, lost_leadership_is_reported_as_unknown)
{
	struct pending p = { 0 }, later = { 0 };
	struct cluster_node *leader;
	const char *text = "{\"v\":1}";

	start_three();
	leader = cluster_leader(&cl);
	for (int i = 0; i < 3; i++) {
		if (&cl.nodes[i] != leader)
			node_stop(&cl.nodes[i]);
	}
	consensus_propose(leader->consensus, text, 8, on_pending, &p);
	cr_assert(cluster_until(&cl, pending_done, &p, 5000));
	cr_expect_eq(p.status, -E_UNKNOWN);
	cluster_run(&cl, 20);
	cr_expect_not(leader->is_leader);
	consensus_propose(leader->consensus, text, 8, on_pending, &later);
	cr_assert(cluster_until(&cl, pending_done, &later, 5000));
	cr_expect_eq(later.status, -E_NOT_LEADER);
	for (int i = 0; i < 3; i++) {
		if (&cl.nodes[i] != leader)
			node_start(&cl.nodes[i]);
	}
	cluster_put(cluster_leader(&cl), "a/1", 1);
}

Test(consensus, stopping_answers_everything)
{
	struct pending p[3] = { 0 };
	struct cluster_node *leader;
	int status[2] = { 1, 1 };
	const char *text = "{\"v\":1}";

	start_three();
	leader = cluster_leader(&cl);
	consensus_propose(leader->consensus, text, 8, on_pending, &p[0]);
	uv_run(&cl.loop, UV_RUN_NOWAIT); /* on its way */
	consensus_propose(leader->consensus, text, 8, on_pending, &p[1]);
	consensus_barrier(leader->consensus, on_status_at, &status[0]);
	consensus_remove(leader->consensus, 77, on_status_at, &status[1]);
	node_stop(leader);
	cr_expect(p[0].done && (p[0].status == -E_UNKNOWN || p[0].status == 0), "%d", p[0].status);
	cr_expect(p[1].done && p[1].status == -ECANCELED, "%d", p[1].status);
	cr_expect_eq(status[0], -ECANCELED);
	cr_expect_eq(status[1], -ECANCELED);
}

Test(consensus, start_and_stop_at_any_moment)
{
	cluster_init(&cl, 3);
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	cr_assert_eq(cluster_add(&cl.nodes[0], &cl.nodes[1]), 0);
	cr_assert_eq(cluster_add(&cl.nodes[0], &cl.nodes[2]), 0);
	cr_assert_eq(cluster_assign(&cl.nodes[0], 2, CONSENSUS_STANDBY), 0);
	for (int i = 0; i < 60; i++) {
		/* while it connects, greets, is greeted, sends */
		cl.nodes[2].deaf = i % 7 == 0;
		node_start(&cl.nodes[1]);
		if (i % 3 == 0)
			node_start(&cl.nodes[2]);
		for (int k = 0; k < i % 20; k++)
			uv_run(&cl.loop, UV_RUN_NOWAIT);
		if (i % 2)
			cluster_run(&cl, i % 12);
		node_stop(&cl.nodes[1]);
		node_stop(&cl.nodes[2]);
		if (i % 5 == 0) {
			node_stop(&cl.nodes[0]);
			node_start(&cl.nodes[0]);
		}
	}
}

Test(consensus, too_large_and_too_full)
{
	static char large[TXN_BYTES_MAX + 1];
	struct pending p = { 0 };
	struct txn_result r;
	int rv = 0, n = 0;

	cluster_init(&cl, 1);
	cl.nodes[0].map_bytes = 4u << 20;
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	consensus_propose(cl.nodes[0].consensus, large, sizeof(large), on_pending, &p);
	cr_assert(cluster_until(&cl, pending_done, &p, 5000));
	cr_expect_eq(p.status, -EMSGSIZE);
	while (rv == 0 && n < 500) {
		char key[32], pad[2001] = "";
		struct txn *t = txn_new("", "");
		json *doc = scratch_doc(n);

		memset(pad, 'x', 2000);
		jset_str(doc, "pad", pad);
		snprintf(key, sizeof(key), "k/%d", n++);
		txn_put(t, key, doc);
		rv = cluster_propose(&cl.nodes[0], t, &r);
	}
	cr_expect_eq(rv, -ENOSPC, "%s", err_name(rv));
	cr_expect_eq(cl.nodes[0].fatal.code, 0, "a full store is the caller's error: %s",
		     cl.nodes[0].fatal.text);
	cr_expect_eq(cluster_barrier(&cl.nodes[0]), 0);
	node_stop(&cl.nodes[0]);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	cr_expect_eq(scratch_n(cl.nodes[0].store, "k/10", NULL), 10);
}

Test(consensus, a_follower_that_cannot_apply_stops)
{
	struct cluster_node *leader;
	char pad[60001] = "";

	cluster_init(&cl, 3);
	cl.nodes[2].map_bytes = 1u << 20;
	cluster_bootstrap(&cl);
	for (int i = 0; i < 3; i++)
		node_start(&cl.nodes[i]);
	leader = cluster_leader(&cl);
	for (int i = 1; i < 3; i++) {
		cr_assert_eq(cluster_add(leader, &cl.nodes[i]), 0);
		cr_assert_eq(cluster_assign(leader, cl.nodes[i].id, CONSENSUS_VOTER), 0);
	}
	memset(pad, 'x', 60000);
	for (int i = 0; i < 40; i++) {
		struct txn *t = txn_new("", "");
		json *doc = scratch_doc(i);
		char key[32];

		jset_str(doc, "pad", pad);
		snprintf(key, sizeof(key), "k/%d", i);
		txn_put(t, key, doc);
		cr_assert_eq(cluster_propose(leader, t, NULL), 0);
	}
	cr_assert(cluster_until(&cl, fatal_on, &cl.nodes[2], 5000));
	cr_expect_eq(cl.nodes[2].fatal.code, -ENOSPC);
	cr_expect(strstr(cl.nodes[2].fatal.text, "store.mdb"), "%s", cl.nodes[2].fatal.text);
	/* with a larger map it goes on exactly where it stopped */
	node_stop(&cl.nodes[2]);
	cl.nodes[2].map_bytes = 0;
	node_start(&cl.nodes[2]);
	cluster_put(cluster_leader(&cl), "k/end", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
}

/* --- members.c on a real cluster --- */

Test(consensus, members_drive_five_nodes)
{
	struct member_wish want[5] = { 0 };
	struct consensus_server servers[8];
	struct cluster_node *leader;
	struct members *m;
	int voters = 0;

	cluster_init(&cl, 5);
	cluster_bootstrap(&cl);
	for (int i = 0; i < 5; i++) {
		node_start(&cl.nodes[i]);
		want[i].id = cl.nodes[i].id;
		want[i].reachable = true;
		snprintf(want[i].address, sizeof(want[i].address), "%s", cl.nodes[i].address);
	}
	leader = cluster_leader(&cl);
	m = members_new(leader->consensus);
	for (int i = 0; i < 100 && voters < 5; i++) {
		members_update(m, want, 5);
		cluster_run(&cl, 30);
		int n = consensus_servers(leader->consensus, servers, 8);

		voters = 0;
		for (int k = 0; k < n; k++)
			voters += servers[k].role == CONSENSUS_VOTER;
	}
	cr_expect_eq(voters, 5);
	for (int i = 0; i < 60; i++) {
		members_update(m, want, 2);
		cluster_run(&cl, 30);
	}
	cr_expect_eq(consensus_servers(leader->consensus, servers, 8), 2);
	cluster_put(leader, "a/1", 1);
	members_update(m, want, 3);
	members_free(m); /* with a step under way */
	cluster_run(&cl, 50);
}
