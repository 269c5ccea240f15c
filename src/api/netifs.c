// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netifs.c - /v1/nodes/<node>/net-interfaces: the addresses of a node, of which the
 * one called "default" is what it has joined with. Called through routes.c.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "model/netif.h"

/* all of them; NULL: c was answered */
static json *load(struct api_call *c)
{
	const char *node = c->match.arg[0];
	char key[STORE_KEY_MAX];
	json *doc = NULL, *list = NULL;
	struct err err;
	struct node n;
	int rv;

	node_key(node, key, sizeof(key));
	rv = store_get(c->api->config.store, key, &doc, NULL);
	if (rv == 0)
		rv = node_parse(doc, &n, NULL);
	if (rv == 0)
		list = view_netifs(&n, doc);
	json_object_put(doc);
	if (rv < 0) {
		err_set(&err, rv, "Node '%.100s' not found.", node);
		call_fail_object(c, RC_NODE, rv, &err);
	}
	return list;
}

void netifs_list(struct api_call *c)
{
	json *list = load(c);

	if (list)
		call_reply_json(c, 200, call_query_page(c, list));
}

void netifs_get(struct api_call *c)
{
	const char *name = c->match.arg[1];
	json *list = load(c), *nic;
	struct err err;

	if (!list)
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		nic = json_object_array_get_idx(list, i);
		if (strcasecmp(jget_str(nic, "name", ""), name) == 0) {
			json_object_get(nic);
			json_object_put(list);
			call_reply_json(c, 200, nic);
			return;
		}
	}
	json_object_put(list);
	err_set(&err, -E_NOT_FOUND, "Node '%.60s' has no network interface '%.60s'.",
		c->match.arg[0], name);
	call_fail(c, -E_NOT_FOUND, &err);
}

/* Of which object does "not found" speak? */
static int of_node(struct mutation *m, int rv)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	node_key(m->call->match.arg[0], key, sizeof(key));
	if (rv == -E_NOT_FOUND && store_get(m->call->api->config.store, key, &doc, NULL) < 0)
		m->object = RC_NODE;
	json_object_put(doc);
	return rv;
}

static void say(struct mutation *m, unsigned number, const char *done, const char *name)
{
	const char *node = m->call->match.arg[0];

	rc_ref(mutation_done(m, number, "Network interface '%s' of node '%s' %s.", name, node,
			     done),
	       "Node", node);
	if (jget_bool(m->call->doc, "is_active", false) && strcasecmp(name, NETIF_DEFAULT) != 0)
		mutation_note(m,
			      rc_code(RC_WARN, m->call->match.route->op, RC_NET_IF,
				      RC_WARN_INVLD_CONF),
			      "It is not used by the cluster: nodes speak to each other by the "
			      "interface '" NETIF_DEFAULT "', which stays the active one.");
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	int rv = change_netif_create(env, t, m->call->match.arg[0], m->call->doc, err);

	if (rv == 0)
		say(m, RC_CREATED, "created", jget_str(m->call->doc, "name", ""));
	return of_node(m, rv);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[1];
	int rv = change_netif_modify(env, t, m->call->match.arg[0], name, m->call->doc, err);

	if (rv == 0)
		say(m, RC_MODIFIED, "modified", name);
	return of_node(m, rv);
}

static bool body_is_fine(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return false;
	if (call_check_type(c->doc, "name", json_type_string, &err) == 0 &&
	    call_check_type(c->doc, "address", json_type_string, &err) == 0 &&
	    call_check_type(c->doc, "satellite_encryption_type", json_type_string, &err) == 0)
		return true;
	call_bad_body(c, "%s", err.text);
	return false;
}

void netifs_create(struct api_call *c)
{
	if (body_is_fine(c))
		mutate(c, 201, create, NULL);
}

void netifs_modify(struct api_call *c)
{
	if (body_is_fine(c))
		mutate(c, 200, modify, NULL);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *node = m->call->match.arg[0], *name = m->call->match.arg[1];
	int rv = of_node(m, change_netif_delete(env, t, node, name, err));

	if (rv == -E_NOT_FOUND && m->object == RC_NET_IF) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_NET_IF, RC_WARN_NOT_FOUND), "%s",
			      err->text);
		return 0;
	}
	if (rv == 0)
		say(m, RC_DELETED, "deleted", name);
	return rv;
}

void netifs_delete(struct api_call *c)
{
	mutate(c, 200, delete, NULL);
}
