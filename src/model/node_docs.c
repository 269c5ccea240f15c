// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node_docs.c - see node_docs.h. Called by change_node.c, change_node_state.c and whoever
 * needs a node that exists. To add a table of a node's own: a line in node_docs_drop.
 */
#include "model/node_docs.h"

#include <stdio.h>
#include <strings.h>

int node_docs_read(struct change_env *env, struct txn *t, const char *name, char key[STORE_KEY_MAX],
		   json **ret, struct err *err)
{
	int rv;

	node_key(name, key, STORE_KEY_MAX);
	rv = txn_get(t, env->store, key, ret);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "node %.60s: there is no such node", name);
	return rv < 0 ? err_set(err, rv, "%s: %s", key, err_name(rv)) : 0;
}

int node_docs_find(struct change_env *env, struct txn *t, const char *name,
		   char out[NAME_MAX_LEN + 1], struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = node_docs_read(env, t, name, key, &doc, err);

	if (rv < 0)
		return rv;
	snprintf(out, NAME_MAX_LEN + 1, "%s", jget_str(doc, "name", name));
	json_object_put(doc);
	return 0;
}

static int delete_key(const char *key, json *doc, uint64_t revision, void *arg)
{
	txn_put(arg, key, NULL);
	return 0;
}

/* all documents "<table>/<node>/..." */
static int delete_below(struct change_env *env, struct txn *t, const char *table,
			const char *low_node, struct err *err)
{
	char prefix[STORE_KEY_MAX];
	int rv;

	snprintf(prefix, sizeof(prefix), "%s/%s/", table, low_node);
	rv = txn_list(t, env->store, prefix, delete_key, t);
	return rv < 0 ? err_set(err, rv, "%s: %s", prefix, err_name(rv)) : 0;
}

struct node_pairs {
	struct txn *t;
	const char *node;
};

static int delete_pair(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct node_pairs *p = arg;

	if (strcasecmp(jget_str(doc, "node_a", ""), p->node) == 0 ||
	    strcasecmp(jget_str(doc, "node_b", ""), p->node) == 0)
		txn_put(p->t, key, NULL);
	return 0;
}

static int delete_connections(struct change_env *env, struct txn *t, const char *name,
			      struct err *err)
{
	struct node_pairs p = { t, name };
	int rv = txn_list(t, env->store, "node-connection/", delete_pair, &p);

	return rv < 0 ? err_set(err, rv, "connections of node %s: %s", name, err_name(rv)) : 0;
}

int node_docs_drop(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	char key[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	int rv;

	name_key(name, low);
	if ((rv = delete_below(env, t, "pool", low, err)) < 0 ||
	    (rv = delete_below(env, t, "promise", low, err)) < 0 ||
	    (rv = delete_below(env, t, "leftover", low, err)) < 0 ||
	    (rv = delete_connections(env, t, name, err)) < 0)
		return rv;
	node_key(name, key, sizeof(key));
	txn_put(t, key, NULL);
	return 0;
}
