// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * connection.c - pairs of nodes in documents. Called by change_connection.c, by
 * bundle.c when a replica goes, by policy.c and the API. Pure.
 */
#include "model/connection.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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

void node_connection_key(const char *a, const char *b, char *out, size_t len)
{
	char low_a[NAME_MAX_LEN + 1], low_b[NAME_MAX_LEN + 1];

	connection_order(&a, &b);
	name_key(a, low_a);
	name_key(b, low_b);
	snprintf(out, len, "node-connection/%s/%s", low_a, low_b);
}
