// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nodes.c - /v1/nodes: list, one, modify, reconnect, delete. Called through routes.c. Nodes
 * are not made here: a machine proves itself with a token (sds.c).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"

struct node_listing {
	struct api_call *call;
	json *list;
};

static void list_one(json *doc, void *arg)
{
	struct node_listing *l = arg;
	json *o;

	if (!call_query_has(l->call, "nodes", jget_str(doc, "name", "")) ||
	    !call_query_props(l->call, jget(doc, "props")))
		return;
	o = view_node(l->call->api, doc);
	if (o)
		view_push(l->list, o);
}

void nodes_list(struct api_call *c)
{
	struct node_listing l = { c, view_list() };

	view_docs(c->api, "node/", list_one, &l);
	call_reply_json(c, 200, call_query_page(c, l.list));
}

static int get_node(struct api_call *c, const char *name, json **ret)
{
	char key[STORE_KEY_MAX];

	if (name_check("node name", name, NAME_MIN_LEN, NULL) < 0)
		return -E_NOT_FOUND;
	node_key(name, key, sizeof(key));
	return store_get(c->api->config.store, key, ret, NULL);
}

void nodes_get(struct api_call *c)
{
	json *doc = NULL, *o;
	struct err err;
	int rv = get_node(c, c->match.arg[0], &doc);

	if (rv < 0) {
		err_set(&err, rv, "Node '%.100s' not found.", c->match.arg[0]);
		call_fail(c, rv, &err);
		return;
	}
	o = view_node(c->api, doc);
	json_object_put(doc);
	if (o)
		call_reply_json(c, 200, o);
	else
		call_fail(c, -E_CORRUPT, NULL);
}

void nodes_post(struct api_call *c)
{
	json *list = rc_list(), *entry;

	entry = rc_add(list, rc_code(RC_ERROR, RC_CRT, RC_NODE, RC_UNKNOWN_ERROR),
		       "Nodes are not added through the API: a machine joins with a token");
	jset_str(entry, "cause",
		 "A node proves itself by a certificate that only it has the key of.");
	jset_str(entry, "correction",
		 "Make a token with: sdsd token create; then run on the new machine: "
		 "sdsd join <this node> --token <token>");
	call_reply_rc(c, 201, list);
}

/* Every node here holds copies and answers clients; LINSTOR's other types are no nodes of ours. */
static bool type_can_be(const char *type)
{
	return strcasecmp(type, "COMBINED") == 0 || strcasecmp(type, "SATELLITE") == 0;
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	const char *type = jget_str(m->call->doc, "node_type", "COMBINED");
	int rv = change_node_modify(env, t, name, m->call->doc, err);

	if (rv == 0)
		rc_ref(mutation_done(m, RC_MODIFIED, "Node '%s' modified.", name), "Node", name);
	if (rv == 0 && strcasecmp(type, "COMBINED") != 0)
		mutation_note(m, rc_code(RC_WARN, RC_MOD, RC_NODE, RC_WARN_INVLD_CONF),
			      "Node '%s' stays of type COMBINED: every node holds copies and "
			      "answers clients.",
			      name);
	return rv;
}

void nodes_modify(struct api_call *c)
{
	const char *type;
	struct err err;
	json *list;

	if (!call_props_change(c))
		return;
	if (call_check_type(c->doc, "node_type", json_type_string, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	type = jget_str(c->doc, "node_type", "COMBINED");
	if (type_can_be(type)) {
		mutate(c, 200, modify, NULL);
		return;
	}
	list = rc_list();
	rc_add(list, rc_code(RC_ERROR, RC_MOD, RC_NODE, RC_INVLD_NODE_TYPE),
	       "Node '%.60s' cannot be of type '%.40s': every node is COMBINED.", c->match.arg[0],
	       type);
	call_reply_rc(c, 200, list);
}

/* Connections between nodes are looked after by those who have them, all the time. */
void nodes_reconnect(struct api_call *c)
{
	const char *name = c->match.arg[0];
	json *doc = NULL, *list = rc_list();
	struct err err;
	int rv = get_node(c, name, &doc);

	if (rv < 0) {
		json_object_put(list);
		err_set(&err, rv, "Node '%.100s' not found.", name);
		call_fail(c, rv, &err);
		return;
	}
	rc_ref(rc_add(list, rc_code(RC_SUCCESS, RC_MOD, RC_NODE, RC_MODIFIED),
		      "Nothing to do for node '%s': lost connections are renewed by themselves.",
		      jget_str(doc, "name", name)),
	       "Node", jget_str(doc, "name", name));
	if (strcmp(view_connection(c->api, name), "OFFLINE") == 0)
		rc_add(list, rc_code(RC_WARN, RC_MOD, RC_NODE, RC_WARN_NOT_CONNECTED),
		       "Node '%s' does not answer at present.", jget_str(doc, "name", name));
	json_object_put(doc);
	call_reply_rc(c, 200, list);
}

static void forget(struct mutation *m)
{
	observed_forget(m->call->api->observed, m->call->match.arg[0]);
	if (m->call->api->members)
		api_update_members(m->call->api);
	mutation_reply(m);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_node_delete(env, t, name, err);

	if (rv == -E_NOT_FOUND) {
		rc_ref(mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_NODE, RC_WARN_NOT_FOUND),
				     "Node '%s' not found; nothing to delete.", name),
		       "Node", name);
		return 0;
	}
	if (rv == 0)
		rc_ref(mutation_done(m, RC_DELETED, "Node '%s' deleted.", name), "Node", name);
	return rv;
}

void nodes_delete(struct api_call *c)
{
	mutate(c, 200, delete, forget);
}
