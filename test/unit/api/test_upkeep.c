// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_upkeep.c - how much the leader asks for at a time when copies of many resources are to be
 * made or to go, and when nodes are away or lost (api/upkeep.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/node.h"
#include "support/apilab.h"

TestSuite(upkeep, .timeout = 120);

#define N (2 * UPKEEP_CALLS_MAX + 5)

static void name_at(int i, char out[16])
{
	snprintf(out, 16, "vol%03d", i);
}

/* n1 and n2 have copies of n resources, which are up */
static void report_copies(struct apilab *l, const char *node, int n)
{
	json *doc = world_json("{\"pools\":{\"ssd\":{\"free_kib\":104857600,"
			       "\"total_kib\":104857600}},\"replicas\":{}}");
	char name[16];

	jset_str(doc, "node", node);
	for (int i = 0; i < n; i++) {
		name_at(i, name);
		jset(jget(doc, "replicas"), name, world_json("{\"state\":\"up\"}"));
	}
	cr_assert_eq(observed_report(l->w.observed, doc, api_mono_ms(), &l->w.err), 0);
	json_object_put(doc);
}

static void put(struct apilab *l, struct txn *t, const char *key, const char *field, json *value)
{
	json *doc = world_doc(&l->w, key);

	if (!doc)
		doc = json_object_new_object();
	jset(doc, field, value);
	txn_put(t, key, doc);
}

static void lose(struct apilab *l, struct txn *t, const char *node)
{
	char key[STORE_KEY_MAX];
	json *doc;

	node_key(node, key, sizeof(key));
	doc = world_doc(&l->w, key);
	node_write_flag(doc, NODE_LOST, true);
	txn_put(t, key, doc);
}

/* N resources with copies on n1, n2 and, copies being 3, n3 */
static void create(struct apilab *l, int copies)
{
	struct change_place place = { .copies = copies,
				      .nodes = { "n1", "n2", "n3" },
				      .n_nodes = copies };
	const int64_t size = GIB / 64;
	char name[16];

	for (int i = 0; i < N; i++) {
		name_at(i, name);
		apilab_report(l, 3);
		cr_assert_eq(WORLD(&l->w, change_spawn, NULL, name, &size, 1, false, NULL, &place),
			     0, "%s", l->w.err.text);
	}
}

struct progress {
	int most;   /* calls under way */
	int wanted; /* replicas in the end */
	int copies_there;
};

/* a look as soon as what was asked for is answered */
static void look(struct apilab *l, struct progress *p)
{
	if (l->a->upkeep.asked == 0) {
		report_copies(l, "n1", p->copies_there);
		report_copies(l, "n2", p->copies_there);
		upkeep_tick(l->a);
	}
	if (l->a->upkeep.asked > p->most)
		p->most = l->a->upkeep.asked;
}

static bool are_so_many(struct apilab *l, void *arg)
{
	struct progress *p = arg;

	look(l, p);
	return world_count(&l->w, "replica/") == p->wanted;
}

/* Copies on a lost node go, while other lost nodes, more than there are calls, have replicas still:
 * they are not asked for in vain, and take nobody's turn. */
Test(upkeep, so_many_calls_at_a_time)
{
	static struct apilab l;
	struct progress p = { .wanted = 2 * N, .copies_there = N };
	char name[16], key[64];
	struct txn *t;

	apilab_open(&l, APILAB_LEADS);
	world_fill(&l.w, 3);
	create(&l, 3);
	for (int i = 4; i < 4 + UPKEEP_CALLS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		world_add_node(&l.w, name, i);
	}
	t = world_txn();
	for (int i = 3; i < 4 + UPKEEP_CALLS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		lose(&l, t, name);
		snprintf(key, sizeof(key), "placed/%s/other", name);
		if (i > 3)
			put(&l, t, key, "resource", json_object_new_string("other"));
	}
	apilab_report(&l, 3);
	cr_assert_eq(world_apply(&l.w, t), TXN_APPLIED);
	cr_assert_eq(world_count(&l.w, "replica/"), 3 * N);
	apilab_until(&l, are_so_many, &p, 20000);
	cr_expect_eq(p.most, UPKEEP_CALLS_MAX, "%d at a time", p.most);
	apilab_close(&l);
}

static bool nodes_are_settled(struct apilab *l, void *arg)
{
	look(l, arg);
	return world_count(&l->w, "node/") == 3;
}

/* Those whose last replica is gone are forgotten. */
Test(upkeep, so_many_calls_about_nodes)
{
	static struct apilab l;
	struct progress p = { 0 };
	char name[16];
	struct txn *t;

	apilab_open(&l, APILAB_LEADS);
	world_fill(&l.w, 3);
	for (int i = 4; i < 4 + 2 * UPKEEP_CALLS_NODES + 1; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		world_add_node(&l.w, name, i);
	}
	t = world_txn();
	for (int i = 4; i < 4 + 2 * UPKEEP_CALLS_NODES + 1; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		lose(&l, t, name);
	}
	cr_assert_eq(world_apply(&l.w, t), TXN_APPLIED);
	apilab_until(&l, nodes_are_settled, &p, 10000);
	cr_expect_eq(p.most, UPKEEP_CALLS_NODES, "%d at a time", p.most);
	apilab_close(&l);
}

static bool nothing_is_asked(struct apilab *l, void *arg)
{
	return l->a->upkeep.asked == 0 && !survey_tick(l->a);
}

/* looks at all of them a few times; how many replicas there are then */
static int look_around(struct apilab *l, struct progress *p)
{
	for (int i = 0; i < 3; i++) {
		l->a->upkeep.all = true;
		look(l, p);
		apilab_until(l, nothing_is_asked, NULL, 10000);
	}
	return world_count(&l->w, "replica/");
}

Test(upkeep, so_many_copies_are_made_at_a_time)
{
	static struct apilab l;
	struct progress p = { .copies_there = N };
	char name[16], key[64];
	struct txn *t;
	json *doc;

	apilab_open(&l, APILAB_LEADS);
	world_fill(&l.w, 3);
	create(&l, 2);
	t = world_txn();
	for (int i = 0; i < N; i++) {
		name_at(i, name);
		snprintf(key, sizeof(key), "resource/%s", name);
		put(&l, t, key, "copies", json_object_new_int(3));
	}
	cr_assert_eq(world_apply(&l.w, t), TXN_APPLIED);
	apilab_report(&l, 3);
	cr_expect_eq(look_around(&l, &p), 2 * N + UPKEEP_LEARNING_MAX, "n3 does not say yet");

	/* they are made, and learn */
	report_copies(&l, "n3", N);
	cr_expect_eq(look_around(&l, &p), 2 * N + UPKEEP_LEARNING_MAX);

	/* two have everything: there is room for two others */
	t = world_txn();
	for (int i = 0, done = 0; i < N && done < 2; i++) {
		name_at(i, name);
		snprintf(key, sizeof(key), "replica/%s/n3", name);
		doc = world_doc(&l.w, key);
		json_object_put(doc);
		if (!doc)
			continue;
		snprintf(key, sizeof(key), "record/%s", name);
		put(&l, t, key, "in_sync", json_object_new_int(7));
		done++;
	}
	cr_assert_eq(world_apply(&l.w, t), TXN_APPLIED);
	report_copies(&l, "n3", N);
	cr_expect_eq(look_around(&l, &p), 2 * N + UPKEEP_LEARNING_MAX + 2);
	for (int i = 0, waiting = 0; i < N; i++) {
		name_at(i, name);
		waiting += strstr(upkeep_note(l.a, name), "when fewer others are being made") != 0;
		cr_expect(i < N - 1 || waiting == N - UPKEEP_LEARNING_MAX - 2, "%d are told why",
			  waiting);
	}
	apilab_close(&l);
}
