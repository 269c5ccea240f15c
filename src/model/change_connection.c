// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_connection.c - what is said of pairs of nodes, as nodes and as those of
 * a resource's replicas. Called by the API. A pair without properties leaves no
 * document and no entry.
 */
#include <stdio.h>

#include "model/node_docs.h"
#include "model/connection.h"
#include "model/policy.h"
#include "model/props.h"

static int no_pair(const char *node, struct err *err)
{
	return err_set(err, -E_INVALID,
		       "a connection is one between two nodes, and %.60s is named twice", node);
}

static json *new_connection(const char *a, const char *b)
{
	json *doc = json_object_new_object();

	jset_str(doc, "node_a", a);
	jset_str(doc, "node_b", b);
	return doc;
}

static bool is_bare(json *connection)
{
	return json_object_object_length(jget(connection, "props")) == 0;
}

int change_node_connection(struct change_env *env, struct txn *t, const char *a, const char *b,
			   json *body, struct err *err)
{
	char key[STORE_KEY_MAX], what[2 * NAME_MAX_LEN + 32];
	char name_a[NAME_MAX_LEN + 1], name_b[NAME_MAX_LEN + 1];
	bool known;
	json *doc;
	int rv;

	if (!connection_order(&a, &b))
		return no_pair(a, err);
	if ((rv = node_docs_find(env, t, a, name_a, err)) < 0 ||
	    (rv = node_docs_find(env, t, b, name_b, err)) < 0)
		return rv;
	node_connection_key(a, b, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	known = rv == 0;
	if (!known)
		doc = new_connection(name_a, name_b);
	snprintf(what, sizeof(what), "connection %s - %s", name_a, name_b);
	rv = props_modify(what, doc, body, err);
	if (rv == 0 && !is_bare(doc))
		txn_put(t, key, json_object_get(doc));
	else if (rv == 0 && known)
		txn_put(t, key, NULL);
	json_object_put(doc);
	return rv;
}

static int find_replica(struct change_env *env, struct txn *t, const char *resource,
			const char *node, char out[NAME_MAX_LEN + 1], struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	replica_key(resource, node, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource %.60s: has no replica on node %.60s", resource,
			       node);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	snprintf(out, NAME_MAX_LEN + 1, "%s", jget_str(doc, "node", node));
	json_object_put(doc);
	return 0;
}

/* the pair's entry in the resource's document, changed, or without it when nothing is left */
static int modify_in(json *doc, const char *what, const char *a, const char *b, json *body,
		     struct err *err)
{
	json *connection = json_copy(connection_find(jget(doc, "connections"), a, b));
	int rv;

	if (!connection)
		connection = new_connection(a, b);
	if ((rv = props_modify(what, connection, body, err)) < 0 ||
	    (rv = policy_check(what, jget(connection, "props"), err)) < 0) {
		json_object_put(connection);
		return rv;
	}
	connection_forget(doc, a, b);
	if (!jget(doc, "connections"))
		jset(doc, "connections", json_object_new_array());
	if (is_bare(connection))
		json_object_put(connection);
	else
		json_object_array_add(jget(doc, "connections"), connection);
	if (json_object_array_length(jget(doc, "connections")) == 0)
		json_object_object_del(doc, "connections");
	return 0;
}

int change_resource_connection(struct change_env *env, struct txn *t, const char *resource,
			       const char *a, const char *b, json *body, struct err *err)
{
	char key[STORE_KEY_MAX], what[3 * NAME_MAX_LEN + 32];
	char name_a[NAME_MAX_LEN + 1], name_b[NAME_MAX_LEN + 1];
	json *doc;
	int rv;

	if (!connection_order(&a, &b))
		return no_pair(a, err);
	resource_key(resource, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource %.60s: there is no such resource", resource);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	if ((rv = find_replica(env, t, resource, a, name_a, err)) == 0 &&
	    (rv = find_replica(env, t, resource, b, name_b, err)) == 0) {
		snprintf(what, sizeof(what), "resource %.48s, connection %s - %s", resource, name_a,
			 name_b);
		rv = modify_in(doc, what, name_a, name_b, body, err);
	}
	if (rv == 0)
		txn_put(t, key, json_object_get(doc));
	json_object_put(doc);
	return rv;
}
