// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_node.c - nodes come, change and go. Called by the API; joining is
 * checked by the cluster folder first (token, certificate). Membership in Raft
 * is not known here.
 */
#include "model/node_docs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/props.h"

#define LISTED_MAX 5 /* names in one sentence */

struct add_check {
	const struct node *n;
	int count;
	struct err *err;
};

static int check_against(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct add_check *c = arg;
	const char *name = jget_str(doc, "name", "");
	const char *address = jget_str(doc, "address", "");

	c->count++;
	if (strcasecmp(name, c->n->name) == 0)
		return err_set(c->err, -E_EXISTS,
			       "node %s: the cluster has a node of this name (at %s); join under "
			       "another name, or delete that node first when it is gone for good: "
			       "sdsd node delete %s",
			       c->n->name, address, name);
	if (strcmp(address, c->n->address) == 0 && jget_i64_or(doc, "port", 0) == c->n->port)
		return err_set(c->err, -E_EXISTS,
			       "node %s: node %s has the address %s port %d already; join with "
			       "another address or port, or delete node %s first when it is gone",
			       c->n->name, name, address, c->n->port, name);
	if (c->n->id && jget_i64_or(doc, "id", 0) == c->n->id)
		return err_set(c->err, -E_EXISTS, "node %s: node %s has the id %u already",
			       c->n->name, name, c->n->id);
	return 0;
}

/* Takes the next id, or the one wished when it was never used */
static int take_id(struct change_env *env, struct txn *t, uint32_t wish, uint32_t *ret,
		   struct err *err)
{
	json *cluster;
	int64_t next;
	int rv;

	rv = txn_get(t, env->store, CLUSTER_KEY, &cluster);
	if (rv < 0)
		return err_set(err, rv, "cluster/self: %s", err_name(rv));
	next = jget_i64_or(cluster, "next_node_id", 1);
	if (wish && wish < next) {
		json_object_put(cluster);
		return err_set(err, -E_EXISTS, "node id %u was used before; leave it out", wish);
	}
	if (wish)
		next = wish;
	if (next >= UINT32_MAX) {
		json_object_put(cluster);
		return err_set(err, -E_INVALID, "node ids are used up");
	}
	jset_i64(cluster, "next_node_id", next + 1);
	txn_put(t, CLUSTER_KEY, cluster);
	*ret = (uint32_t)next;
	return 0;
}

int change_node_add(struct change_env *env, struct txn *t, const struct node *n, uint32_t *ret_id,
		    struct err *err)
{
	struct add_check c = { .n = n, .err = err };
	struct node added = *n;
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = node_check(n, err);
	if (rv < 0)
		return rv;
	rv = txn_list(t, env->store, "node/", check_against, &c);
	if (rv == -E_EXISTS)
		return rv;
	if (rv < 0)
		return err_set(err, rv, "nodes: %s", err_name(rv));
	if (c.count >= NODES_MAX)
		return err_set(err, -E_INVALID,
			       "node %s: the cluster has %d nodes, which is the limit", n->name,
			       NODES_MAX);
	rv = take_id(env, t, n->id, &added.id, err);
	if (rv < 0)
		return rv;
	if (!added.uuid[0])
		env->uuid(added.uuid);
	doc = node_doc(&added);
	jset_i64(doc, "joined_ms", env->now_ms);
	node_key(added.name, key, sizeof(key));
	txn_put(t, key, doc);
	*ret_id = added.id;
	return 0;
}

struct names {
	char text[LISTED_MAX * (NAME_MAX_LEN + 2) + 1];
	int n;
};

static int list_name(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct names *l = arg;
	size_t used = strlen(l->text);

	if (l->n++ < LISTED_MAX)
		snprintf(l->text + used, sizeof(l->text) - used, "%s%.48s", used ? ", " : "",
			 jget_str(doc, "resource", "?"));
	return 0;
}

static int count_key(const char *key, json *doc, uint64_t revision, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

static int check_unused(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	struct names l = { .n = 0 };
	int nodes = 0, rv;

	name_key(name, low);
	snprintf(prefix, sizeof(prefix), "placed/%s/", low);
	rv = txn_list(t, env->store, prefix, list_name, &l);
	if (rv == 0)
		rv = txn_list(t, env->store, "node/", count_key, &nodes);
	if (rv < 0)
		return err_set(err, rv, "node %s: %s", name, err_name(rv));
	if (l.n > LISTED_MAX)
		return err_set(
			err, -E_IN_USE,
			"node %s: has replicas of %d resources (%s, ...); delete or move them "
			"first",
			name, l.n, l.text);
	if (l.n > 0)
		return err_set(err, -E_IN_USE,
			       "node %s: has replicas of %s; delete or move them first", name,
			       l.text);
	if (nodes <= 1)
		return err_set(err, -E_IN_USE, "node %s: is the last node of the cluster", name);
	return 0;
}

int change_node_delete(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = node_docs_read(env, t, name, key, &doc, err);
	if (rv < 0)
		return rv;
	json_object_put(doc);
	if ((rv = check_unused(env, t, name, err)) < 0 ||
	    (rv = change_snapshot_none_on(env, t, name, NULL, err)) < 0)
		return rv;
	return node_docs_drop(env, t, name, err);
}

int change_node_modify(struct change_env *env, struct txn *t, const char *name, json *body,
		       struct err *err)
{
	char key[STORE_KEY_MAX], what[NAME_MAX_LEN + 16];
	json *doc;
	int rv;

	rv = node_docs_read(env, t, name, key, &doc, err);
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "node %.48s", name);
	rv = props_modify(what, doc, body, err);
	if (rv == 0)
		rv = node_check_props(what, jget(doc, "props"), err);
	if (rv < 0) {
		json_object_put(doc);
		return rv;
	}
	txn_put(t, key, doc);
	return 0;
}
