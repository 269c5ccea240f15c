// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explain.c - sdsd volume create --explain. Called by volume.c. Nothing is made.
 */
#include "cli/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/print.h"

static void row(struct table *t, json *c)
{
	const char *pool = jget_str(c, "pool", ""), *verdict = jget_str(c, "verdict", "");
	bool refused = strcmp(verdict, "refused") == 0;
	char size[32];

	table_cell(t, "%s", jget_str(c, "node", ""));
	table_cell(t, "%s", *pool ? pool : "-");
	if (jget(c, "free_kib"))
		table_cell(t, "%s",
			   text_size_kib(jget_i64_or(c, "free_kib", 0), size, sizeof(size)));
	else
		table_cell(t, "-");
	table_cell(t, "%s", verdict);
	table_cell(t, "%s", refused ? jget_str(c, "reason", "") : "");
}

static void print(json *doc)
{
	static const char *const heads[] = { "NODE", "POOL", ">FREE", "VERDICT", "REASON", NULL };
	json *list = jget(doc, "candidates");
	struct table t;
	char size[32];

	table_init(&t, heads);
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		row(&t, json_object_array_get_idx(list, i));
	table_print(&t);
	table_release(&t);
	printf("\n%lld more %s of %s each (with metadata): %s\n",
	       (long long)jget_i64_or(doc, "copies", 0),
	       jget_i64_or(doc, "copies", 0) == 1 ? "copy" : "copies",
	       text_size_kib(jget_i64_or(doc, "size_kib", 0), size, sizeof(size)),
	       jget_bool(doc, "possible", false) ? "possible" : "not possible");
	if (jget_str(doc, "violations", "")[0])
		printf("The copies that are there are against the rules: %s\n",
		       jget_str(doc, "violations", ""));
}

int explain_volume(const char *name, const char *group, json *sizes, json *filter, json *props)
{
	json *body = json_object_new_object(), *doc;
	int rv;

	jset_str(body, "resource", name);
	jset_str(body, "resource_group", group);
	jset(body, "volume_sizes", sizes);
	jset(body, "select_filter", filter);
	if (props)
		jset(body, "resource_definition_props", props);
	rv = client_call("POST", "/v1/sds/explain", body, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	print(doc);
	json_object_put(doc);
	return CLI_OK;
}
