// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rules.c - see rules.h. Called by volume.c, group.c and node.c. What the rules
 * mean is the daemon's business.
 */
#include "cli/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/show.h"

#define COPIES_LIMIT 16 /* far above any: the daemon knows the real one */
#define KEY_MAX 512

void rules_specs(struct rules_options *o, struct option_spec *specs)
{
	const struct option_spec all[RULES_SPECS] = {
		{ "--copies", &o->copies, NULL },
		{ "--nodes", &o->nodes, NULL },
		{ "--pool", &o->pool, NULL },
		{ "--same", &o->same, NULL },
		{ "--different", &o->different, NULL },
		{ "--max-per", &o->most, NULL },
		{ "--not-with", &o->not_with, NULL },
		{ "--not-with-regex", &o->not_with_regex, NULL },
		{ "--provider", &o->provider, NULL },
	};

	memcpy(specs, all, sizeof(all));
}

const char *rules_key(const char *key, char *out, size_t len)
{
	const char *end = strchr(key, '='), *slash = strchr(key, '/');
	bool has_slash = slash && (!end || slash < end);

	snprintf(out, len, "%s%s", has_slash ? "" : "Aux/", key);
	return out;
}

/* "a,b=1" -> ["Aux/a","Aux/b=1"] */
static json *keys_of(const char *text)
{
	json *words = show_split(text), *keys = json_object_new_array();
	char key[KEY_MAX];

	for (size_t i = 0; i < json_object_array_length(words); i++)
		json_object_array_add(
			keys, json_object_new_string(rules_key(
				      json_object_get_string(json_object_array_get_idx(words, i)),
				      key, sizeof(key))));
	json_object_put(words);
	return keys;
}

/* "a=2" -> {"Aux/a":2} */
static int most_of(const char *text, json **ret, struct err *err)
{
	json *words = show_split(text), *map = json_object_new_object();
	char key[KEY_MAX], *eq;
	int64_t most;
	int rv = 0;

	for (size_t i = 0; i < json_object_array_length(words) && rv == 0; i++) {
		rules_key(json_object_get_string(json_object_array_get_idx(words, i)), key,
			  sizeof(key));
		eq = strrchr(key, '=');
		if (!eq)
			rv = err_set(err, -E_INVALID,
				     "--max-per %s: KEY=N is needed, such as "
				     "--max-per rack=2",
				     text);
		else
			rv = options_number("--max-per", eq + 1, 1, COPIES_LIMIT, &most, err);
		if (rv == 0) {
			*eq = '\0';
			jset_i64(map, key, most);
		}
	}
	json_object_put(words);
	if (rv == 0)
		*ret = map;
	else
		json_object_put(map);
	return rv;
}

/* "lvm-thin" -> "LVM_THIN", as the API has it */
static json *kinds_of(const char *text)
{
	char copy[KEY_MAX];

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = copy; *p; p++) {
		if (*p == '-')
			*p = '_';
		else if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	}
	return show_split(copy);
}

static int copies_of(const struct rules_options *o, json *filter, struct err *err)
{
	int64_t copies = 0;
	int rv = 0;

	if (o->copies)
		rv = options_number("--copies", o->copies, 1, COPIES_LIMIT, &copies, err);
	if (rv < 0)
		return rv;
	if (o->nodes)
		jset(filter, "node_name_list", show_split(o->nodes));
	if (copies)
		jset_i64(filter, "place_count", copies);
	return 0;
}

int rules_filter(const struct rules_options *o, json *filter, struct err *err)
{
	json *most;
	int rv = copies_of(o, filter, err);

	if (rv < 0)
		return rv;
	if (o->pool)
		jset(filter, "storage_pool_list", show_split(o->pool));
	if (o->same)
		jset(filter, "replicas_on_same", keys_of(o->same));
	if (o->different)
		jset(filter, "replicas_on_different", keys_of(o->different));
	if (o->most) {
		rv = most_of(o->most, &most, err);
		if (rv < 0)
			return rv;
		jset(filter, "x_replicas_on_different_map", most);
	}
	if (o->not_with)
		jset(filter, "not_place_with_rsc", show_split(o->not_with));
	if (o->not_with_regex)
		jset_str(filter, "not_place_with_rsc_regex", o->not_with_regex);
	if (o->provider)
		jset(filter, "provider_list", kinds_of(o->provider));
	return 0;
}

static void print_value(const char *head, json *value)
{
	const char *before = "  ";

	if (json_object_is_type(value, json_type_array)) {
		if (json_object_array_length(value) == 0)
			return;
		printf("%-15s", head);
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			printf("%s%s", before,
			       json_object_get_string(json_object_array_get_idx(value, i)));
			before = ", ";
		}
	} else if (json_object_is_type(value, json_type_object)) {
		if (json_object_object_length(value) == 0)
			return;
		printf("%-15s", head);
		json_object_object_foreach(value, key, most)
		{
			printf("%s%s=%s", before, key, json_object_get_string(most));
			before = ", ";
		}
	} else if (value && json_object_get_string(value)[0]) {
		printf("%-15s  %s", head, json_object_get_string(value));
	} else {
		return;
	}
	putchar('\n');
}

void rules_print(json *filter)
{
	static const char *const lines[][2] = {
		{ "Copies", "place_count" },
		{ "Nodes", "node_name_list" },
		{ "Pools", "storage_pool_list" },
		{ "Same", "replicas_on_same" },
		{ "Different", "replicas_on_different" },
		{ "At most", "x_replicas_on_different_map" },
		{ "Not with", "not_place_with_rsc" },
		{ "Not with regex", "not_place_with_rsc_regex" },
		{ "Providers", "provider_list" },
		{ "Layers", "layer_stack" },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		print_value(lines[i][0], jget(filter, lines[i][1]));
}
