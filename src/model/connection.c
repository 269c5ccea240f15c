// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * connection.c - pairs of nodes in documents. Called by change_connection.c, by
 * bundle.c when a replica goes, by policy.c and the API. Pure.
 */
#include "model/connection.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/policy.h"

bool connection_order(const char **a, const char **b)
{
	int order = strcasecmp(*a, *b);
	const char *first = order > 0 ? *b : *a;

	*b = order > 0 ? *a : *b;
	*a = first;
	return order != 0;
}

static size_t count(json *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static bool is_of(json *connection, const char *node)
{
	return strcasecmp(jget_str(connection, "node_a", ""), node) == 0 ||
	       strcasecmp(jget_str(connection, "node_b", ""), node) == 0;
}

json *connection_find(json *list, const char *a, const char *b)
{
	for (size_t i = 0; i < count(list); i++) {
		json *connection = json_object_array_get_idx(list, i);

		if (is_of(connection, a) && is_of(connection, b))
			return connection;
	}
	return NULL;
}

bool connection_any(json *list, const char *key, const char *value)
{
	for (size_t i = 0; i < count(list); i++) {
		json *props = jget(json_object_array_get_idx(list, i), "props");

		if (strcasecmp(jget_str(props, key, ""), value) == 0)
			return true;
	}
	return false;
}

bool connection_forget(json *resource, const char *a, const char *b)
{
	json *list = jget(resource, "connections");
	json *kept = json_object_new_array();
	bool some;

	for (size_t i = 0; i < count(list); i++) {
		json *connection = json_object_array_get_idx(list, i);

		if (!is_of(connection, a) || (b && !is_of(connection, b)))
			json_object_array_add(kept, json_object_get(connection));
	}
	some = json_object_array_length(kept) < count(list);
	if (some)
		jset(resource, "connections", kept);
	else
		json_object_put(kept);
	return some;
}

/* the pair's entry, made when there is none; borrowed */
static json *entry_of(json *resource, const char *a, const char *b)
{
	json *list = jget(resource, "connections");
	json *connection = connection_find(list, a, b);

	if (connection)
		return connection;
	if (!list) {
		list = json_object_new_array();
		jset(resource, "connections", list);
	}
	connection_order(&a, &b);
	connection = json_object_new_object();
	jset_str(connection, "node_a", a);
	jset_str(connection, "node_b", b);
	jset(connection, "props", json_object_new_object());
	json_object_array_add(list, connection);
	return connection;
}

bool connection_migrate(json *resource, const char *a, const char *b)
{
	json *props = jget(entry_of(resource, a, b), "props");

	if (strcasecmp(jget_str(props, POLICY_TWO_PRIMARIES, ""), "yes") == 0)
		return false;
	jset_str(props, POLICY_TWO_PRIMARIES, "yes");
	jset_str(props, CONNECTION_MIGRATION, "yes");
	return true;
}

bool connection_migrated(json *resource, const char *node)
{
	json *list = jget(resource, "connections");
	bool some = false;

	for (size_t i = count(list); i-- > 0;) {
		json *connection = json_object_array_get_idx(list, i);
		json *props = jget(connection, "props");

		if (!is_of(connection, node) || !jget(props, CONNECTION_MIGRATION))
			continue;
		some = true;
		json_object_object_del(props, POLICY_TWO_PRIMARIES);
		json_object_object_del(props, CONNECTION_MIGRATION);
		if (json_object_object_length(props) == 0)
			json_object_array_del_idx(list, i, 1);
	}
	if (some && count(list) == 0)
		json_object_object_del(resource, "connections");
	return some;
}

void node_connection_key(const char *a, const char *b, char *out, size_t len)
{
	char low_a[NAME_MAX_LEN + 1], low_b[NAME_MAX_LEN + 1];

	connection_order(&a, &b);
	name_key(a, low_a);
	name_key(b, low_b);
	snprintf(out, len, "node-connection/%s/%s", low_a, low_b);
}
