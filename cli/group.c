// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * group.c - sdsd resource-group list | create | delete. Called by main.c.
 */
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define CREATE_ARGS "<name> [--copies N] [--pool POOL] [--description TEXT]"
#define COPIES_LIMIT 16

static void names_cell(struct table *t, json *list)
{
	char text[TABLE_CELL_MAX] = "";
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%s", used ? "," : "",
			 json_object_get_string(json_object_array_get_idx(list, i)));
	}
	table_cell(t, "%s", n > 0 ? text : "any");
}

static void row(struct table *t, json *g)
{
	json *filter = jget(g, "select_filter");

	table_cell(t, "%s", jget_str(g, "name", ""));
	table_cell(t, "%s", jget_str(filter, "place_count", ""));
	names_cell(t, jget(filter, "storage_pool_list"));
	names_cell(t, jget(filter, "node_name_list"));
	table_cell(t, "%s", jget_str(g, "description", ""));
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "GROUP", ">COPIES",     "POOLS",
					     "NODES", "DESCRIPTION", NULL };

	return show_list(argc, argv, "resource-group list", "/v1/resource-groups", heads, row);
}

static int create(int argc, char **argv)
{
	const char *words[1], *copies = NULL, *pool = NULL, *description = NULL;
	const struct option_spec specs[] = { { "--copies", &copies, NULL },
					     { "--pool", &pool, NULL },
					     { "--description", &description, NULL } };
	json *body, *filter, *doc;
	int64_t n = 0;
	struct err err;
	int rv = show_words(argc, argv, specs, 3, words, 1, "resource-group create " CREATE_ARGS);

	if (rv != CLI_OK)
		return rv;
	if (copies && options_number("--copies", copies, 1, COPIES_LIMIT, &n, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	body = json_object_new_object();
	filter = json_object_new_object();
	if (n)
		jset_i64(filter, "place_count", n);
	if (pool)
		jset_str(filter, "storage_pool", pool);
	jset_str(body, "name", words[0]);
	if (description)
		jset_str(body, "description", description);
	jset(body, "select_filter", filter);
	rv = client_call("POST", "/v1/resource-groups", body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "resource-group delete <name>", "/v1/resource-groups/%", 1);
}

const struct cli_verb group_verbs[] = {
	{ "resource-group", "list", "", "the groups that volumes are made from", list, NULL },
	{ "resource-group", "create", CREATE_ARGS, "makes a group: copies and pools of its volumes",
	  create, NULL },
	{ "resource-group", "delete", "<name>", "deletes a group without volumes", delete, NULL },
	{ .noun = NULL },
};
