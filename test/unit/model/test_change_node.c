// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_node.c - the first transaction, nodes, pools and tokens
 * (model/change_cluster.c, change_node.c, change_pool.c, change_token.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

#define SECRET "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER_SECRET "baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define INIT                                                                                 \
	"{\"cluster\":\"11111111-1111-4111-8111-111111111111\",\"name\":\"lab\","            \
	"\"ca_cert_pem\":\"cert\",\"ca_key_sealed\":\"key\",\"token\":{\"id\":\"0123abcd\"," \
	"\"secret_sha256\":\"" SECRET "\",\"expires_ms\":1700000001000},"                    \
	"\"node\":{\"name\":\"n1\",\"id\":1,\"address\":\"10.0.0.1\",\"port\":7000,"         \
	"\"uuid\":\"22222222-2222-4222-8222-222222222222\",\"fingerprint\":\"" SECRET "\"}}"

TestSuite(change_node);

Test(change_node, init)
{
	static const char *const tables[] = { "cluster/self", "ca/self", "node/n1",
					      "group/dfltrscgrp", "token/0123abcd" };
	json *init = world_json(INIT), *doc;
	struct world w;

	world_open(&w);
	cr_assert_eq(WORLD(&w, change_cluster_init, init), 0, "%s", w.err.text);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		doc = world_doc(&w, tables[i]);
		cr_expect(doc, "%s", tables[i]);
		json_object_put(doc);
	}
	doc = world_doc(&w, "group/dfltrscgrp");
	cr_expect_eq(jget_i64_or(jget(doc, "select_filter"), "place_count", 0), COPIES_DEFAULT);
	json_object_put(doc);
	cr_expect_eq(WORLD(&w, change_cluster_init, init), -E_EXISTS);
	cr_expect(world_says(&w, "lab already"), "%s", w.err.text);
	json_object_put(init);
	world_close(&w);
}

Test(change_node, init_refuses)
{
	static const struct {
		const char *field, *value;
	} rows[] = {
		{ "cluster", NULL },
		{ "cluster", "\"x\"" },
		{ "cluster", "7" },
		{ "name", "null" },
		{ "ca_cert_pem", NULL },
		{ "ca_key_sealed", "\"\"" },
		{ "node", NULL },
		{ "node", "[]" },
		{ "token", "7" },
		{ "token", "{\"id\":\"0123abcd\"}" },
		{ "token", "{\"id\":\"0123abcd\",\"secret_sha256\":\"" SECRET "\"}" },
		{ "node", "{\"name\":\"n1\",\"id\":2,\"address\":\"10.0.0.1\",\"port\":7000,"
			  "\"uuid\":\"22222222-2222-4222-8222-222222222222\",\"fingerprint\":"
			  "\"" SECRET "\"}" },
	};
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *init = world_with(INIT, rows[i].field, rows[i].value);

		cr_expect_eq(WORLD(&w, change_cluster_init, init), -E_INVALID, "%s=%s",
			     rows[i].field, rows[i].value);
		json_object_put(init);
	}
	cr_expect_eq(WORLD(&w, change_cluster_init, NULL), -E_INVALID);
	cr_expect_eq(store_applied(w.store), 0);
	world_close(&w);
}

/* Those that the file names are lost and barred, not one that has the name of one of them since. */
Test(change_node, recover)
{
	json *file = world_json("{\"node\":\"n1\",\"lost\":[{\"name\":\"n2\",\"id\":2},"
				"{\"name\":\"n3\",\"id\":9},{\"name\":\"n8\",\"id\":8}]}");
	json *bad = world_json("{\"lost\":7}"), *doc;
	int64_t next;
	struct world w;
	struct txn *t;

	world_cluster(&w, 3);
	doc = world_doc(&w, CLUSTER_KEY);
	next = jget_i64_or(doc, "next_node_id", 0);
	json_object_put(doc);
	for (int i = 0; i < RECOVER_RECORDS_MAX + 5; i++) {
		char key[STORE_KEY_MAX];

		t = world_txn();
		snprintf(key, sizeof(key), "record/r%d", i);
		txn_put(t, key,
			world_json("{\"uuid\":\"22222222-2222-4222-8222-222222222222\","
				   "\"epoch\":7,\"writer\":1,\"in_sync\":3}"));
		cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	}
	cr_expect_eq(WORLD(&w, change_cluster_recover, bad), -E_INVALID);
	for (int i = 0; i < 3; i++) {
		doc = world_doc(&w, "node/n2");
		cr_expect_not(node_is_barred(doc), "epochs first");
		json_object_put(doc);
		cr_assert_eq(WORLD(&w, change_cluster_recover, file), 0, "%s", w.err.text);
	}
	for (int i = 0; i < RECOVER_RECORDS_MAX + 5; i++) {
		char key[STORE_KEY_MAX];

		snprintf(key, sizeof(key), "record/r%d", i);
		doc = world_doc(&w, key);
		cr_expect_eq(jget_i64_or(doc, "epoch", 0), 7 + RECOVER_EPOCH_STEP, "%s", key);
		cr_expect_eq(jget_i64_or(doc, "writer", 0), 1);
		json_object_put(doc);
	}
	doc = world_doc(&w, "node/n2");
	cr_expect(node_is_barred(doc) && node_has_flag(doc, NODE_LOST));
	json_object_put(doc);
	doc = world_doc(&w, "node/n3");
	cr_expect(!node_is_barred(doc) && !node_has_flag(doc, NODE_LOST), "another one");
	json_object_put(doc);
	doc = world_doc(&w, CLUSTER_KEY);
	cr_expect_eq(jget_i64_or(doc, "next_node_id", 0), next + RECOVER_ID_STEP);
	cr_expect_not(jget(doc, "recovering"));
	json_object_put(doc);
	t = world_txn();
	cr_expect_eq(change_cluster_recover(&w.env, t, file, &w.err), 0);
	cr_expect(txn_is_empty(t), "it was done already");
	txn_free(t);
	json_object_put(file);
	json_object_put(bad);
	world_close(&w);
}

Test(change_node, add)
{
	struct node n = world_node("n2", 2);
	struct world w;
	uint32_t id = 0;

	world_start(&w);
	cr_assert_eq(WORLD(&w, change_node_add, &n, &id), 0, "%s", w.err.text);
	cr_expect_eq(id, 2);
	n = world_node("N2", 3);
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), -E_EXISTS);
	cr_expect(world_says(&w, "sdsd node delete n2"), "%s", w.err.text);
	n = world_node("n3", 2);
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), -E_EXISTS);
	cr_expect(world_says(&w, "node n2 has the address 10.0.0.2 port 7000"), "%s", w.err.text);
	n.port = 7001;
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), 0);
	cr_expect_eq(id, 3);
	/* an id is never used again */
	cr_assert_eq(WORLD(&w, change_node_delete, "n3"), 0, "%s", w.err.text);
	n = world_node("n3", 3);
	n.id = 3;
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), -E_EXISTS);
	n.id = 0;
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), 0);
	cr_expect_eq(id, 4);
	n = world_node("n9", 9);
	n.id = 9;
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), 0);
	cr_expect_eq(id, 9);
	n = world_node("n10", 10);
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), 0);
	cr_expect_eq(id, 10);
	snprintf(n.address, sizeof(n.address), "host");
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), -E_INVALID);
	cr_expect(world_says(&w, "IP address"), "%s", w.err.text);
	world_close(&w);
}

Test(change_node, as_many_as_possible)
{
	struct node n = world_node("more", 999);
	struct world w;
	char name[16];
	uint32_t id;

	world_start(&w);
	for (int i = 2; i <= NODES_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		world_add_node(&w, name, i);
	}
	cr_expect_eq(WORLD(&w, change_node_add, &n, &id), -E_INVALID);
	cr_expect(world_says(&w, "256 nodes"), "%s", w.err.text);
	world_close(&w);
}

Test(change_node, two_of_one_name_conflict)
{
	struct node a = world_node("n2", 2), b = world_node("N2", 3);
	struct txn *one = world_txn(), *two = world_txn();
	struct world w;
	uint32_t id;

	world_start(&w);
	cr_assert_eq(change_node_add(&w.env, one, &a, &id, &w.err), 0);
	cr_assert_eq(change_node_add(&w.env, two, &b, &id, &w.err), 0);
	cr_expect_eq(world_apply(&w, two), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, one), TXN_CONFLICT);
	world_close(&w);
}

Test(change_node, modify)
{
	json *body = world_json("{\"override_props\":{\"AutoplaceTarget\":false}}");
	struct world w;
	json *doc;

	world_start(&w);
	cr_expect_eq(WORLD(&w, change_node_modify, "N1", body), 0);
	doc = world_doc(&w, "node/n1");
	cr_expect_str_eq(jget_str(jget(doc, "props"), "AutoplaceTarget", ""), "false");
	cr_expect_eq(jget_i64_or(doc, "joined_ms", 0), WORLD_START_MS);
	json_object_put(doc);
	cr_expect_eq(WORLD(&w, change_node_modify, "n7", body), -E_NOT_FOUND);
	json_object_put(body);
	body = world_json("{\"override_props\":7}");
	cr_expect_eq(WORLD(&w, change_node_modify, "n1", body), -E_BAD_PROP);
	json_object_put(body);
	world_close(&w);
}

Test(change_node, delete)
{
	static const char *const nodes[] = { "n2" };
	const int64_t size = GIB;
	struct change_place place = { .copies = 1, .n_nodes = 1, .nodes = { nodes[0] } };
	struct world w;
	char name[16];

	world_cluster(&w, 2);
	cr_expect_eq(WORLD(&w, change_node_delete, "none"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_node_delete, "a/b"), -E_NOT_FOUND);
	for (int i = 1; i <= 7; i++) {
		snprintf(name, sizeof(name), "db%d", i);
		cr_assert_eq(WORLD(&w, change_spawn, NULL, name, &size, 1, false, NULL, &place), 0);
	}
	cr_expect_eq(WORLD(&w, change_node_delete, "N2"), -E_IN_USE);
	cr_expect(world_says(&w, "7 resources (db1, db2, db3, db4, db5, ...)"), "%s", w.err.text);
	for (int i = 3; i <= 7; i++) {
		snprintf(name, sizeof(name), "db%d", i);
		cr_assert_eq(WORLD(&w, change_resource_delete, name), 0);
	}
	cr_expect_eq(WORLD(&w, change_node_delete, "n2"), -E_IN_USE);
	cr_expect(world_says(&w, "of db1, db2;"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db1"), 0);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db2"), 0);
	cr_expect_eq(world_count(&w, "leftover/n2/"), 7);
	cr_expect_eq(WORLD(&w, change_node_delete, "n2"), 0, "%s", w.err.text);
	cr_expect_eq(world_count(&w, "leftover/"), 0);
	cr_expect_eq(world_count(&w, "pool/n2/"), 0);
	cr_expect_eq(world_count(&w, "promise/"), 0);
	cr_expect_eq(WORLD(&w, change_node_delete, "n1"), -E_IN_USE);
	cr_expect(world_says(&w, "last node"), "%s", w.err.text);
	world_close(&w);
}

Test(change_node, delete_conflicts_with_placing_there)
{
	const int64_t size = GIB;
	struct txn *del, *spawn;
	struct world w;

	for (int first = 0; first < 2; first++) {
		world_cluster(&w, 2);
		del = world_txn();
		spawn = world_txn();
		cr_assert_eq(change_node_delete(&w.env, del, "n2", &w.err), 0);
		cr_assert_eq(change_spawn(&w.env, spawn, NULL, "db", &size, 1, false, NULL, NULL,
					  &w.err),
			     0);
		cr_expect_eq(world_apply(&w, first ? del : spawn), TXN_APPLIED);
		cr_expect_eq(world_apply(&w, first ? spawn : del), TXN_CONFLICT);
		world_check(&w);
		world_close(&w);
	}
}

Test(change_node, pools)
{
	struct pool p = { .node = "N1", .name = "ssd", .source = "/var/lib/sdsd/ssd" };
	const int64_t size = GIB;
	struct world w;
	char name[16];
	json *doc;

	world_start(&w);
	cr_assert_eq(WORLD(&w, change_pool_create, &p, NULL), 0, "%s", w.err.text);
	doc = world_doc(&w, "pool/n1/ssd");
	cr_expect_str_eq(jget_str(doc, "node", ""), "n1"); /* as the node is written */
	cr_expect_eq(strlen(jget_str(doc, "uuid", "")), 36);
	json_object_put(doc);
	snprintf(p.name, sizeof(p.name), "SSD");
	cr_expect_eq(WORLD(&w, change_pool_create, &p, NULL), -E_EXISTS);
	snprintf(p.name, sizeof(p.name), "hdd");
	cr_expect_eq(WORLD(&w, change_pool_create, &p, NULL), -E_EXISTS);
	cr_expect(world_says(&w, "belongs to pool n1/ssd"), "%s", w.err.text);
	snprintf(p.node, sizeof(p.node), "n9");
	cr_expect_eq(WORLD(&w, change_pool_create, &p, NULL), -E_NOT_FOUND);
	snprintf(p.node, sizeof(p.node), "n1");
	p.source[0] = '\0';
	cr_expect_eq(WORLD(&w, change_pool_create, &p, NULL), -E_INVALID);
	for (int i = 1; i < POOLS_PER_NODE_MAX; i++) {
		snprintf(name, sizeof(name), "pool%d", i);
		world_add_pool(&w, "n1", name, POOL_FILE);
	}
	snprintf(p.source, sizeof(p.source), "/more");
	cr_expect_eq(WORLD(&w, change_pool_create, &p, NULL), -E_INVALID);
	cr_expect(world_says(&w, "32 pools"), "%s", w.err.text);

	world_report(&w, "n1", "ssd", 100 * GIB, 100 * GIB);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "none"), -E_NOT_FOUND);
	struct change_place place = { .copies = 1 };
	cr_assert_eq(WORLD(&w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w.err.text);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "SSD"), -E_IN_USE);
	cr_expect(world_says(&w, "has 1 replicas"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_resource_delete, "db"), 0);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "ssd"), -E_IN_USE);
	cr_expect(world_says(&w, "try again in a moment"), "%s", w.err.text);
	w.env.mono_ms += OBSERVED_STALE_MS;
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "ssd"), -E_IN_USE);
	cr_expect(world_says(&w, "offline"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_pool_delete, "n1", "pool1"), 0);
	world_close(&w);
}

static int use(struct world *w, const char *secret, const char *node)
{
	return WORLD(w, change_token_use, "0123ABCD", secret, node);
}

Test(change_node, tokens)
{
	int64_t expires = WORLD_START_MS + 1000;
	struct world w;

	world_start(&w);
	cr_expect_eq(use(&w, SECRET, "n2"), -E_DENIED);
	cr_expect(world_says(&w, "token is not valid"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_token_create, "0123abc", SECRET, expires), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_token_create, "0123abcx", SECRET, expires), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_token_create, "0123abcd", "aa", expires), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_token_create, "0123abcd", SECRET, WORLD_START_MS),
		     -E_INVALID);
	cr_assert_eq(WORLD(&w, change_token_create, "0123abcd", SECRET, expires), 0);
	cr_expect_eq(WORLD(&w, change_token_create, "0123abcd", SECRET, expires), -E_EXISTS);
	cr_expect_eq(use(&w, OTHER_SECRET, "n2"), -E_DENIED);
	cr_expect(world_says(&w, "token is not valid"), "%s", w.err.text);
	cr_expect_eq(use(&w, NULL, "n2"), -E_DENIED);
	cr_assert_eq(use(&w, SECRET, "n2"), 0);
	cr_expect_eq(use(&w, SECRET, "n3"), -E_DENIED);
	cr_expect(world_says(&w, "used already, by node n2"), "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_token_delete, "0123abcd"), 0);
	cr_expect_eq(WORLD(&w, change_token_delete, "0123abcd"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_token_delete, "../x"), -E_NOT_FOUND);

	cr_assert_eq(WORLD(&w, change_token_create, "0123abcd", SECRET, expires), 0);
	w.env.now_ms = expires + 7500;
	cr_expect_eq(use(&w, SECRET, "n2"), -E_DENIED);
	cr_expect(world_says(&w, "expired since 7 s"), "%s", w.err.text);
	world_close(&w);
}

Test(change_node, token_and_node_in_one_transaction)
{
	struct node n = world_node("n2", 2), same = world_node("n2", 3);
	struct txn *a, *b;
	struct world w;
	uint32_t id;

	world_start(&w);
	cr_assert_eq(WORLD(&w, change_token_create, "0123abcd", SECRET, WORLD_START_MS + 1), 0);
	a = world_txn();
	b = world_txn();
	cr_assert_eq(change_token_use(&w.env, a, "0123abcd", SECRET, "n2", &w.err), 0);
	cr_assert_eq(change_node_add(&w.env, a, &n, &id, &w.err), 0);
	cr_assert_eq(change_token_use(&w.env, b, "0123abcd", SECRET, "n3", &w.err), 0);
	cr_expect_eq(world_apply(&w, a), TXN_APPLIED);
	cr_expect_eq(world_apply(&w, b), TXN_CONFLICT); /* one use */

	/* a name that is taken does not use up a token */
	cr_assert_eq(WORLD(&w, change_token_create, "0123abce", SECRET, WORLD_START_MS + 1), 0);
	a = world_txn();
	cr_assert_eq(change_token_use(&w.env, a, "0123abce", SECRET, "n2", &w.err), 0);
	cr_assert_eq(change_node_add(&w.env, a, &same, &id, &w.err), -E_EXISTS);
	txn_free(a);
	cr_assert_eq(WORLD(&w, change_token_use, "0123abce", SECRET, "n3"), 0);
	world_close(&w);
}

Test(change_node, tokens_are_limited)
{
	struct world w;
	char id[9];

	world_start(&w);
	for (int i = 0; i < TOKENS_MAX; i++) {
		snprintf(id, sizeof(id), "%08x", i);
		cr_assert_eq(WORLD(&w, change_token_create, id, SECRET, WORLD_START_MS + 1), 0);
	}
	cr_expect_eq(WORLD(&w, change_token_create, "ffffffff", SECRET, WORLD_START_MS + 1),
		     -E_INVALID);
	world_close(&w);
}
