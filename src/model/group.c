// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * group.c - the select_filter of resource groups and requests. Called by
 * change_group.c, change_place.c and the API. Where a filter leads to nodes is
 * placement.c's business.
 */
#include "model/group.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Selectors whose silent loss would place copies where the user did not want them. */
static const char *const unsupported[] = {
	"replicas_on_same",   "replicas_on_different",    "x_replicas_on_different_map",
	"not_place_with_rsc", "not_place_with_rsc_regex",
};

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

int group_filter_parse(json *filter, struct group_select *ret, struct err *err)
{
	struct group_select f = { 0 };
	int rv;

	if (filter && !json_object_is_type(filter, json_type_object))
		return err_set(err, -E_INVALID, "select_filter must be an object");
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
		if (!is_empty(jget(filter, unsupported[i])))
			return err_set(err, -E_INVALID,
				       "%s is not supported yet; leave it out, or name the nodes "
				       "with node_name_list",
				       unsupported[i]);
	}
	if ((rv = count_of(filter, "place_count", &f.place_count, err)) < 0 ||
	    (rv = count_of(filter, "additional_place_count", &f.additional, err)) < 0 ||
	    (rv = names_of(filter, "node_name_list", NAME_MIN_LEN, f.nodes, &f.n_nodes, err)) < 0 ||
	    (rv = names_of(filter, "storage_pool_list", POOL_NAME_MIN_LEN, f.pools, &f.n_pools,
			   err)) < 0 ||
	    (rv = layers_parse(is_empty(jget(filter, "layer_stack")) ? NULL
								     : jget(filter, "layer_stack"),
			       &f.layers, err)) < 0)
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
		else
			jset(filter, key, json_copy(value));
	}
	merge_pools(filter, body);
}

void group_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "group/%s", low);
}
