// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * group.c - the select_filter of resource groups and requests. Called by
 * change_group.c, change_place.c and the API. Where a filter leads to nodes is
 * placement.c's business.
 */
#include "model/group.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* fields that are lists of texts, and may come as one text */
static const char *const lists[] = { "node_name_list",        "replicas_on_same",
				     "replicas_on_different", "not_place_with_rsc",
				     "provider_list",         "storage_pool_diskless_list" };

static bool is_empty(json *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		return true;
	case json_type_array:
		return json_object_array_length(value) == 0;
	case json_type_object:
		return json_object_object_length(value) == 0;
	case json_type_string:
		return json_object_get_string_len(value) == 0;
	default:
		return false;
	}
}

static int count_of(json *filter, const char *key, int *ret, struct err *err)
{
	int64_t n;
	int rv = jget_i64(filter, key, &n);

	if (rv == -ENOENT) {
		*ret = 0;
		return 0;
	}
	if (rv < 0 || n < 0 || n > COPIES_MAX)
		return err_set(err, -E_INVALID, "%s must be a number from 1 to %d", key,
			       COPIES_MAX);
	*ret = (int)n;
	return 0;
}

static int add_name(const char *key, json *value, int min_len, const char **names, int *n,
		    struct err *err)
{
	int rv;

	if (!json_object_is_type(value, json_type_string))
		return err_set(err, -E_INVALID, "%s must hold names", key);
	if (*n == NODES_MAX)
		return err_set(err, -E_INVALID, "%s holds more than %d names", key, NODES_MAX);
	rv = name_check(key, json_object_get_string(value), min_len, err);
	if (rv < 0)
		return rv;
	names[(*n)++] = json_object_get_string(value);
	return 0;
}

/* a list of names, or one name */
static int names_of(json *filter, const char *key, int min_len, const char **names, int *n,
		    struct err *err)
{
	json *list = jget(filter, key);
	int rv;

	if (is_empty(list))
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return add_name(key, list, min_len, names, n, err);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		rv = add_name(key, json_object_array_get_idx(list, i), min_len, names, n, err);
		if (rv < 0)
			return rv;
	}
	return 0;
}

/* Kept for clients: a replica without a disk is here always of one kind, in one pool. */
static int check_diskless(json *filter, struct err *err)
{
	const char *pools[NODES_MAX], *type = jget_str(filter, "diskless_type", "");
	int n = 0;

	if (*type && strcasecmp(type, "DISKLESS") != 0 && strcasecmp(type, "DRBD_DISKLESS") != 0)
		return err_set(err, -E_INVALID,
			       "diskless_type \"%.40s\" is not supported; there is DRBD_DISKLESS",
			       type);
	return names_of(filter, "storage_pool_diskless_list", POOL_NAME_MIN_LEN, pools, &n, err);
}

int group_filter_parse(json *filter, struct group_select *ret, struct err *err)
{
	struct group_select f = { 0 };
	int rv;

	if (filter && !json_object_is_type(filter, json_type_object))
		return err_set(err, -E_INVALID, "select_filter must be an object");
	if ((rv = count_of(filter, "place_count", &f.place_count, err)) < 0 ||
	    (rv = count_of(filter, "additional_place_count", &f.additional, err)) < 0 ||
	    (rv = names_of(filter, "node_name_list", NAME_MIN_LEN, f.nodes, &f.n_nodes, err)) < 0 ||
	    (rv = names_of(filter, "storage_pool_list", POOL_NAME_MIN_LEN, f.pools, &f.n_pools,
			   err)) < 0 ||
	    (rv = layers_parse(is_empty(jget(filter, "layer_stack")) ? NULL
								     : jget(filter, "layer_stack"),
			       &f.layers, err)) < 0 ||
	    (rv = rules_parse(filter, &f.rules, err)) < 0 || (rv = check_diskless(filter, err)) < 0)
		return rv;
	if (f.n_pools == 0) /* clients send the list, the one, or both alike */
		rv = names_of(filter, "storage_pool", POOL_NAME_MIN_LEN, f.pools, &f.n_pools, err);
	if (rv < 0)
		return rv;
	f.has_diskless_on_remaining = jget(filter, "diskless_on_remaining") != NULL;
	f.diskless_on_remaining = jget_bool(filter, "diskless_on_remaining", false);
	*ret = f;
	return 0;
}

static json *name_list(const char *const *names, int n)
{
	json *list = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_string(names[i]));
	return list;
}

static bool is_list(const char *field)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (strcmp(lists[i], field) == 0)
			return true;
	}
	return false;
}

static json *as_list(json *value)
{
	json *list;

	if (json_object_is_type(value, json_type_array))
		return json_copy(value);
	list = json_object_new_array();
	if (!is_empty(value))
		json_object_array_add(list, json_copy(value));
	return list;
}

/* Clients compare the names of layers with their own, which are in upper case. */
static json *as_layers(json *value)
{
	json *list = as_list(value), *upper = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		char *name = strdup(json_object_get_string(json_object_array_get_idx(list, i)));

		for (char *c = name; c && *c; c++)
			*c = (char)toupper((unsigned char)*c);
		json_object_array_add(upper, json_object_new_string(name ? name : ""));
		free(name);
	}
	json_object_put(list);
	return upper;
}

static json *as_numbers(json *map)
{
	json *numbers = json_object_new_object();
	int64_t n;

	json_object_object_foreach(map, key, value)
	{
		if (value && jget_i64(map, key, &n) == 0)
			jset_i64(numbers, key, n);
	}
	return numbers;
}

static void merge_pools(json *filter, json *body)
{
	struct group_select f;

	if (!jget(body, "storage_pool") && !jget(body, "storage_pool_list"))
		return;
	if (group_filter_parse(body, &f, NULL) < 0)
		return;
	jset(filter, "storage_pool_list", name_list(f.pools, f.n_pools));
	if (f.n_pools == 1)
		jset_str(filter, "storage_pool", f.pools[0]);
	else
		json_object_object_del(filter, "storage_pool");
}

void group_filter_merge(json *filter, json *body)
{
	int64_t n;

	if (!json_object_is_type(body, json_type_object))
		return;
	json_object_object_foreach(body, key, value)
	{
		if (!value || strcmp(key, "additional_place_count") == 0)
			continue; /* the latter is of one request, never of a group */
		if (strcmp(key, "storage_pool") == 0 || strcmp(key, "storage_pool_list") == 0)
			continue;
		if (strcmp(key, "place_count") == 0 && jget_i64(body, key, &n) == 0)
			jset_i64(filter, key, n);
		else if (strcmp(key, "diskless_on_remaining") == 0)
			jset_bool(filter, key, jget_bool(body, key, false));
		else if (strcmp(key, "layer_stack") == 0)
			jset(filter, key, as_layers(value));
		else if (is_list(key))
			jset(filter, key, as_list(value));
		else if (strcmp(key, "x_replicas_on_different_map") == 0)
			jset(filter, key, as_numbers(value));
		else
			jset(filter, key, json_copy(value));
	}
	merge_pools(filter, body);
}

int group_select_over(struct group_select *group, const struct group_select *request,
		      struct err *err)
{
	if (request->place_count > 0)
		group->place_count = request->place_count;
	if (request->n_nodes > 0) {
		memcpy(group->nodes, request->nodes, sizeof(group->nodes));
		group->n_nodes = request->n_nodes;
	}
	if (request->n_pools > 0) {
		memcpy(group->pools, request->pools, sizeof(group->pools));
		group->n_pools = request->n_pools;
	}
	if (request->has_diskless_on_remaining)
		group->diskless_on_remaining = request->diskless_on_remaining;
	return rules_over(&group->rules, &request->rules, err);
}

int group_select_check(const struct group_select *f, struct err *err)
{
	int copies = f->place_count > 0 ? f->place_count : COPIES_DEFAULT;

	if (f->n_nodes > 0 && f->place_count > f->n_nodes)
		return err_set(err, -E_INVALID,
			       "place_count is %d, and node_name_list has %d nodes: one copy is "
			       "on a node",
			       f->place_count, f->n_nodes);
	return rules_check(&f->rules, copies, err);
}

void group_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "group/%s", low);
}
