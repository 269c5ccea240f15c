// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * connections.c - /v1/node-connections and a resource's resource-connections:
 * properties of pairs of nodes. Called through routes.c. LINSTOR's paths (which
 * addresses a pair uses) are kept and have no effect.
 */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"
#include "model/connection.h"
#include "model/props.h"

#define PATHS "Paths"

/* connection NULL: without properties */
static json *shape(const char *a, const char *b, json *connection)
{
	json *o = view_object();

	connection_order(&a, &b);
	jset_str(o, "node_a", a);
	jset_str(o, "node_b", b);
	jset(o, "props", view_props(connection));
	jset(o, "flags", view_list());
	return o;
}

static bool is_path(const char *raw)
{
	char key[PROP_KEY_MAX + 1];

	return props_key(raw, key) == 0 && strncmp(key, PATHS "/", strlen(PATHS "/")) == 0;
}

static bool has_paths(json *props)
{
	if (!json_object_is_type(props, json_type_object))
		return false;
	json_object_object_foreach(props, key, value)
	{
		if (value && is_path(key))
			return true;
	}
	return false;
}

static void say(struct mutation *m, const char *what, const char *a, const char *b)
{
	uint64_t object = m->call->match.route->object;
	json *entry = mutation_done(
		m, RC_MODIFIED, "%s connection between nodes '%s' and '%s' modified.", what, a, b);

	rc_ref(entry, "FirstNode", a);
	rc_ref(entry, "SecondNode", b);
	if (has_paths(jget(m->call->doc, "override_props")))
		mutation_note(m, rc_code(RC_WARN, RC_MOD, object, RC_WARN_INEFFECTIVE_PROP),
			      "Paths are kept and have no effect: nodes speak to each other by the "
			      "address that they have joined with.");
}

/* ---- of nodes ---- */

struct listing {
	struct api_call *call;
	json *list;
};

static void list_node_connection(json *doc, void *arg)
{
	struct listing *l = arg;
	const char *a = jget_str(doc, "node_a", ""), *b = jget_str(doc, "node_b", "");

	/* the query names a pair in either order */
	if ((call_query_has(l->call, "node_a", a) && call_query_has(l->call, "node_b", b)) ||
	    (call_query_has(l->call, "node_a", b) && call_query_has(l->call, "node_b", a)))
		view_push(l->list, shape(a, b, doc));
}

void node_connections_list(struct api_call *c)
{
	struct listing l = { c, view_list() };

	view_docs(c->api, "node-connection/", list_node_connection, &l);
	call_reply_json(c, 200, call_query_page(c, l.list));
}

/* the node's name as it is written there; "": no such node */
static void node_name(struct api *a, const char *node, char out[NAME_MAX_LEN + 1])
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	node_key(node, key, sizeof(key));
	store_get(a->config.store, key, &doc, NULL);
	snprintf(out, NAME_MAX_LEN + 1, "%s", jget_str(doc, "name", ""));
	json_object_put(doc);
}

void node_connections_get(struct api_call *c)
{
	char a[NAME_MAX_LEN + 1], b[NAME_MAX_LEN + 1], key[STORE_KEY_MAX];
	json *doc = NULL, *o;
	struct err err;

	node_name(c->api, c->match.arg[0], a);
	node_name(c->api, c->match.arg[1], b);
	if (!a[0] || !b[0]) {
		err_set(&err, -E_NOT_FOUND, "Node '%.100s' not found.", c->match.arg[a[0] ? 1 : 0]);
		call_fail_object(c, RC_NODE, -E_NOT_FOUND, &err);
		return;
	}
	node_connection_key(a, b, key, sizeof(key));
	store_get(c->api->config.store, key, &doc, NULL);
	o = shape(a, b, doc);
	json_object_put(doc);
	call_reply_json(c, 200, o);
}

static int modify_nodes(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *a = m->call->match.arg[0], *b = m->call->match.arg[1];
	int rv = change_node_connection(env, t, a, b, m->call->doc, err);

	if (rv == -E_NOT_FOUND)
		m->object = RC_NODE;
	if (rv == 0)
		say(m, "Node", a, b);
	return rv;
}

void node_connections_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify_nodes, NULL);
}

/* ---- of a resource's replicas ---- */

static bool load(struct api_call *c, struct view *v)
{
	struct err err;
	int rv = view_load(c->api, c->match.arg[0], v);

	if (rv == 0)
		return true;
	err_set(&err, rv, "Resource definition '%.100s' not found.", c->match.arg[0]);
	call_fail_object(c, RC_RSC_DFN, rv, &err);
	return false;
}

static json *pair(const struct view *v, int i, int j)
{
	const char *a = v->rep[i].r.node, *b = v->rep[j].r.node;

	return shape(a, b, connection_find(jget(v->doc, "connections"), a, b));
}

void resource_connections_list(struct api_call *c)
{
	json *list;
	struct view v;

	if (!load(c, &v))
		return;
	list = view_list();
	for (int i = 0; i < v.n; i++) {
		for (int j = i + 1; j < v.n; j++)
			view_push(list, pair(&v, i, j));
	}
	view_release(&v);
	call_reply_json(c, 200, call_query_page(c, list));
}

void resource_connections_get(struct api_call *c)
{
	const char *a = c->match.arg[1], *b = c->match.arg[2];
	json *o = NULL;
	struct view v;
	struct err err;
	int i, j;

	if (!load(c, &v))
		return;
	i = view_find(&v, a);
	j = view_find(&v, b);
	if (i >= 0 && j >= 0 && i != j)
		o = pair(&v, i, j);
	view_release(&v);
	if (o) {
		call_reply_json(c, 200, o);
		return;
	}
	err_set(&err, -E_NOT_FOUND,
		"Resource '%.60s' has no connection between nodes '%.60s' and '%.60s'.",
		c->match.arg[0], a, b);
	call_fail(c, -E_NOT_FOUND, &err);
}

static int modify_replicas(struct mutation *m, struct change_env *env, struct txn *t,
			   struct err *err)
{
	const char *resource = m->call->match.arg[0];
	const char *a = m->call->match.arg[1], *b = m->call->match.arg[2];
	int rv = change_resource_connection(env, t, resource, a, b, m->call->doc, err);
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	resource_key(resource, key, sizeof(key));
	if (rv == -E_NOT_FOUND)
		m->object = store_get(env->store, key, &doc, NULL) < 0 ? RC_RSC_DFN : RC_RSC;
	json_object_put(doc);
	if (rv == 0)
		say(m, "Resource", a, b);
	return rv;
}

void resource_connections_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify_replicas, NULL);
}
