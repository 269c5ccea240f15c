// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_netif.c - further addresses of a node come, change and go. Called by the
 * API. Its own one, "default", is what it has joined with: the certificates and
 * the consensus know the node by it.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/netif.h"
#include "model/node_docs.h"

static int get_node(struct change_env *env, struct txn *t, const char *name, json **ret,
		    struct err *err)
{
	char key[STORE_KEY_MAX];

	return node_docs_read(env, t, name, key, ret, err);
}

static void put_node(struct txn *t, const char *name, json *doc)
{
	char key[STORE_KEY_MAX];

	node_key(name, key, sizeof(key));
	txn_put(t, key, doc);
}

static bool is_default(const char *name)
{
	return strcasecmp(name, NETIF_DEFAULT) == 0;
}

static json *list_of(json *doc)
{
	json *list = jget(doc, "net_interfaces");

	if (!json_object_is_type(list, json_type_array)) {
		list = json_object_new_array();
		jset(doc, "net_interfaces", list);
	}
	return list;
}

static int add(json *doc, const char *node, const char *name, const char *uuid, json *body,
	       struct err *err)
{
	char what[2 * NAME_MAX_LEN + 32];
	json *nic;
	int rv;

	rv = name_check("network interface name", name, NETIF_NAME_MIN_LEN, err);
	if (rv < 0)
		return rv;
	if (strlen(name) > NETIF_NAME_MAX_LEN)
		return err_set(err, -E_INVALID,
			       "network interface name \"%.60s\": %d to %d characters are possible",
			       name, NETIF_NAME_MIN_LEN, NETIF_NAME_MAX_LEN);
	if (is_default(name) || netif_find(doc, name, NULL))
		return err_set(err, -E_EXISTS, "node %.48s has a network interface %s already",
			       node, name);
	if (json_object_array_length(list_of(doc)) + 1 >= NETIFS_MAX)
		return err_set(err, -E_INVALID,
			       "node %.48s has %d network interfaces, which is the limit", node,
			       NETIFS_MAX);
	snprintf(what, sizeof(what), "network interface %.48s/%s", node, name);
	rv = netif_make(what, name, uuid, NULL, body, &nic, err);
	if (rv == 0)
		json_object_array_add(list_of(doc), nic);
	return rv;
}

int change_netif_create(struct change_env *env, struct txn *t, const char *node, json *body,
			struct err *err)
{
	char uuid[37];
	json *doc;
	int rv;

	rv = get_node(env, t, node, &doc, err);
	if (rv < 0)
		return rv;
	env->uuid(uuid);
	rv = add(doc, node, jget_str(body, "name", NULL), uuid, body, err);
	if (rv == 0)
		put_node(t, node, json_object_get(doc));
	json_object_put(doc);
	return rv;
}

/* Only what it is already may be said of it. */
static int check_default(json *doc, const char *node, json *body, struct err *err)
{
	const char *address = jget_str(doc, "address", "");
	int64_t port = jget_i64_or(doc, "port", 0), wanted = port;

	if (strcmp(jget_str(body, "address", address), address) == 0 &&
	    (jget_i64(body, "satellite_port", &wanted), wanted == port))
		return 0;
	return err_set(err, -E_INVALID,
		       "node %.48s: its interface " NETIF_DEFAULT
		       " is the address %s port %lld, which it has joined with: to change it, "
		       "delete the node and let it join with the other one",
		       node, address, (long long)port);
}

static int not_there(const char *node, const char *name, struct err *err)
{
	return err_set(err, -E_NOT_FOUND, "node %.48s has no network interface %.60s", node, name);
}

int change_netif_modify(struct change_env *env, struct txn *t, const char *node, const char *name,
			json *body, struct err *err)
{
	char what[2 * NAME_MAX_LEN + 32];
	json *doc, *old, *nic;
	size_t at;
	int rv;

	rv = get_node(env, t, node, &doc, err);
	if (rv < 0)
		return rv;
	old = netif_find(doc, name, &at);
	snprintf(what, sizeof(what), "network interface %.48s/%.32s", node, name);
	if (is_default(name)) {
		rv = check_default(doc, node, body, err);
	} else if (!old) {
		rv = not_there(node, name, err);
	} else if ((rv = netif_make(what, name, "", old, body, &nic, err)) == 0) {
		json_object_array_put_idx(list_of(doc), at, nic);
		put_node(t, node, json_object_get(doc));
	}
	json_object_put(doc);
	return rv;
}

int change_netif_delete(struct change_env *env, struct txn *t, const char *node, const char *name,
			struct err *err)
{
	json *doc;
	size_t at;
	int rv;

	rv = get_node(env, t, node, &doc, err);
	if (rv < 0)
		return rv;
	if (is_default(name)) {
		rv = err_set(err, -E_IN_USE,
			     "node %.48s: its interface " NETIF_DEFAULT
			     " is the address that it has joined with, and stays",
			     node);
	} else if (!netif_find(doc, name, &at)) {
		rv = not_there(node, name, err);
	} else {
		json_object_array_del_idx(list_of(doc), at, 1);
		put_node(t, node, json_object_get(doc));
	}
	json_object_put(doc);
	return rv;
}
