// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * group.c - sdsd resource-group list | show | create | modify | delete. Called by
 * main.c.
 */
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/rules.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define CREATE_ARGS "<name> " RULES_ARGS " [--description TEXT]"
#define MODIFY_ARGS CREATE_ARGS

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

/* <name> and the options of a group -> a request */
static int body_of(int argc, char **argv, const char *usage, const char **name, json **ret)
{
	const char *words[1], *description = NULL;
	struct rules_options rules = { 0 };
	struct option_spec specs[RULES_SPECS + 1] = { { "--description", &description, NULL } };
	json *body, *filter;
	struct err err;
	int rv;

	rules_specs(&rules, specs + 1);
	rv = show_words(argc, argv, specs, RULES_SPECS + 1, words, 1, usage);
	if (rv != CLI_OK)
		return rv;
	filter = json_object_new_object();
	if (rules_filter(&rules, filter, &err) < 0) {
		json_object_put(filter);
		return client_fail(CLI_USAGE, "%s", err.text);
	}
	body = json_object_new_object();
	if (description)
		jset_str(body, "description", description);
	jset(body, "select_filter", filter);
	*name = words[0];
	*ret = body;
	return CLI_OK;
}

static int create(int argc, char **argv)
{
	const char *name;
	json *body, *doc;
	int rv = body_of(argc, argv, "resource-group create " CREATE_ARGS, &name, &body);

	if (rv != CLI_OK)
		return rv;
	jset_str(body, "name", name);
	rv = client_call("POST", "/v1/resource-groups", body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int modify(int argc, char **argv)
{
	char path[512];
	const char *name;
	json *body, *doc;
	int rv = body_of(argc, argv, "resource-group modify " MODIFY_ARGS, &name, &body);

	if (rv != CLI_OK)
		return rv;
	client_path(path, sizeof(path), "/v1/resource-groups/%", name, NULL);
	rv = client_call("PUT", path, body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int show(int argc, char **argv)
{
	const char *words[1];
	char path[512];
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, words, 1, "resource-group show <name>");

	if (rv != CLI_OK)
		return rv;
	client_path(path, sizeof(path), "/v1/resource-groups/%", words[0], NULL);
	rv = client_call("GET", path, NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	printf("Group            %s\n", jget_str(doc, "name", ""));
	if (jget_str(doc, "description", "")[0])
		printf("Description      %s\n", jget_str(doc, "description", ""));
	rules_print(jget(doc, "select_filter"));
	json_object_put(doc);
	return CLI_OK;
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "resource-group delete <name>", "/v1/resource-groups/%", 1);
}

const struct cli_verb group_verbs[] = {
	{ "resource-group", "list", "", "the groups that volumes are made from", list,
	  "Example: sdsd resource-group list" },
	{ "resource-group", "show", "<name>", "one group: where copies of its volumes go", show,
	  "Example: sdsd resource-group show gold" },
	{ "resource-group", "create", CREATE_ARGS, "makes a group: copies and pools of its volumes",
	  create,
	  RULES_HELP "  --description TEXT\n\n"
		     "Example: sdsd resource-group create gold --copies 3 --different rack" },
	{ "resource-group", "modify", MODIFY_ARGS,
	  "changes what is given; copies that are there stay", modify,
	  RULES_HELP "  --description TEXT\n\n"
		     "A raised number of copies adds copies to the volumes of the group.\n\n"
		     "Example: sdsd resource-group modify gold --copies 3" },
	{ "resource-group", "delete", "<name>", "deletes a group without volumes", delete,
	  "Example: sdsd resource-group delete gold" },
	{ .noun = NULL },
};
