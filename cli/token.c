// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * token.c - sdsd token create | list | delete: what a machine joins with. Called by
 * main.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

static int create(int argc, char **argv)
{
	const char *ttl = "1h";
	const struct option_spec specs[] = { { "--ttl", &ttl, NULL } };
	json *body, *doc;
	int64_t seconds;
	struct err err;
	int rv = show_words(argc, argv, specs, 1, NULL, 0, "token create [--ttl 1h]");

	if (rv != CLI_OK)
		return rv;
	if (options_seconds(ttl, &seconds, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	body = json_object_new_object();
	jset_i64(body, "ttl_s", seconds);
	rv = client_call("POST", "/v1/sds/tokens", body, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	printf("%s\n", jget_str(doc, "token", ""));
	fprintf(stderr, "Good for one machine, for %s. Run there: sdsd join %s --token <token>\n",
		ttl, jget_str(doc, "join", "<address of a node>"));
	json_object_put(doc);
	return CLI_OK;
}

static void row(struct table *t, json *o)
{
	bool open = strcmp(jget_str(o, "state", ""), "open") == 0;
	int64_t left_ms = jget_i64_or(o, "expires_ms", 0) - clock_wall_ms();
	char age[32];

	table_cell(t, "%s", jget_str(o, "id", ""));
	table_cell(t, "%s", jget_str(o, "state", ""));
	table_cell(t, "%s", jget_str(o, "used_by", ""));
	table_cell(t, "%s", open ? text_age(left_ms, age, sizeof(age)) : "");
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "TOKEN", "STATE", "USED BY", "EXPIRES IN", NULL };

	return show_list(argc, argv, "token list", "/v1/sds/tokens", heads, row);
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "token delete <id>", "/v1/sds/tokens/%", 1);
}

const struct cli_verb token_verbs[] = {
	{ "token", "create", "[--ttl 1h]", "a token for one machine to join with", create,
	  "  --ttl TIME  how long it can be used: 90s, 30m, 1h (default), 7d, at most 30d\n\n"
	  "Example: sdsd token create --ttl 30m" },
	{ "token", "list", "", "tokens: open, used, expired (never their secrets)", list,
	  "Example: sdsd token list" },
	{ "token", "delete", "<id>", "makes a token worthless", delete,
	  "Example: sdsd token delete 5f0c" },
	{ .noun = NULL },
};
