// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * why.c - sdsd why: all that is known of how one volume stands, on one screen. Called
 * by main.c. Each part is asked for by itself: what cannot be had is left out, since
 * the question is asked when something is wrong.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "cli/advice.h"
#include "cli/log.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define CHANGES_SHOWN 5
#define PLACES_SHOWN 6
#define LOOK_MS 10000

/* of a node that does not answer; -1 */
static int64_t away_ms(json *status, const char *node)
{
	json *list = jget(status, "nodes");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *n = json_object_array_get_idx(list, i);

		if (strcasecmp(jget_str(n, "name", ""), node) == 0 &&
		    strcmp(jget_str(n, "state", ""), "online") != 0)
			return jget_i64_or(n, "age_ms", -1);
	}
	return -1;
}

static void print_replicas(json *status, json *resource)
{
	static const char *const heads[] = { "NODE", "POOL", "IN SYNC", "OPEN", "HOW IT IS", NULL };
	json *list = jget(resource, "replicas");
	struct table t;
	char text[ADVICE_MAX];

	table_init(&t, heads);
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *r = json_object_array_get_idx(list, i);
		const char *node = jget_str(r, "node", "");
		bool diskless = jget_bool(r, "diskless", false);

		table_cell(&t, "%s", node);
		table_cell(&t, "%s", diskless ? "(no disk)" : jget_str(r, "pool", ""));
		table_cell(&t, "%s",
			   diskless                         ? "-"
			   : jget_bool(r, "in_sync", false) ? "yes"
							    : "no");
		table_cell(&t, "%s", jget_bool(r, "open", false) ? "yes" : "no");
		table_cell(&t, "%s", advice_replica(r, away_ms(status, node), text, sizeof(text)));
	}
	table_print_whole(&t);
	table_release(&t);
}

static void print_line(const char *head, const char *text)
{
	if (text[0])
		printf("%-8s %s\n", head, text);
}

static bool is_safe(json *resource)
{
	return strcmp(jget_str(resource, "verdict", ""), "safe") == 0;
}

/* where one more copy could go; NULL: not needed, or nobody can say now */
static json *ask_placement(json *resource, bool quorum)
{
	json *body, *filter, *doc = NULL;

	if (is_safe(resource) || !quorum)
		return NULL;
	body = json_object_new_object();
	filter = json_object_new_object();
	jset_i64(filter, "additional_place_count", 1);
	jset_str(body, "resource", jget_str(resource, "name", ""));
	jset(body, "select_filter", filter);
	return client_call("POST", "/v1/sds/explain", body, &doc) == CLI_OK ? doc : NULL;
}

/* the last changes of the volume, the newest last; NULL */
static json *ask_changes(json *resource)
{
	char path[512], pattern[96];
	json *doc, *list;
	struct err err;

	snprintf(pattern, sizeof(pattern), "/v1/sds/history?limit=%d&object=volume/%%",
		 CHANGES_SHOWN);
	client_path(path, sizeof(path), pattern, jget_str(resource, "name", ""), NULL);
	if (client_look(path, LOOK_MS, &doc, &err) < 0)
		return NULL;
	list = json_object_get(jget(doc, "history"));
	json_object_put(doc);
	return list;
}

static void print_head(json *r)
{
	char size[32];
	const char *writer = jget_str(r, "writer", "");

	printf("Volume %s, %s: %s, %lld of %lld copies in sync, %s%s\n", jget_str(r, "name", ""),
	       text_size_kib(jget_i64_or(r, "size_kib", 0), size, sizeof(size)),
	       jget_str(r, "verdict", ""), (long long)jget_i64_or(r, "in_sync", 0),
	       (long long)jget_i64_or(r, "copies", 0), writer[0] ? "open on " : "not open", writer);
	print_line("Reason", jget_str(r, "reason", ""));
	print_line("Next", jget_str(r, "next", ""));
	print_line("Upkeep", jget_str(r, "upkeep", ""));
	putchar('\n');
}

static bool has_replica(json *resource, const char *node)
{
	json *list = jget(resource, "replicas");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		if (strcasecmp(jget_str(json_object_array_get_idx(list, i), "node", ""), node) == 0)
			return true;
	}
	return false;
}

/* of the nodes that have nothing of it: those that could take a copy, and why others could not */
static void print_placement(json *resource, json *placement)
{
	json *list = jget(placement, "candidates");
	int shown = 0;

	printf("\nOne more copy: %s\n",
	       jget_bool(placement, "possible", false) ? "possible" : "not possible");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *c = json_object_array_get_idx(list, i);
		const char *pool = jget_str(c, "pool", ""), *reason = jget_str(c, "reason", "");
		const char *verdict = jget_str(c, "verdict", "");

		if (has_replica(resource, jget_str(c, "node", "")) || shown++ >= PLACES_SHOWN)
			continue;
		printf("  %s%s%s: %s\n", jget_str(c, "node", ""), pool[0] ? "/" : "", pool,
		       strcmp(verdict, "refused") == 0 ? reason : verdict);
	}
	if (shown > PLACES_SHOWN)
		printf("  and %d more: sdsd why --output json\n", shown - PLACES_SHOWN);
}

struct findings {
	json *status, *resource; /* the second is part of the first */
	json *placement;         /* NULL: not asked for */
	json *changes;           /* NULL: not known */
	char command[ADVICE_MAX], command_why[ADVICE_MAX];
};

static void print_services(json *services, const char *resource)
{
	char text[1024];

	for (size_t i = 0; services && i < json_object_array_length(services); i++) {
		if (show_service_trouble(json_object_array_get_idx(services, i), resource, text,
					 sizeof(text)))
			puts(text);
	}
}

static void print_findings(const struct findings *f)
{
	print_head(f->resource);
	print_replicas(f->status, f->resource);
	print_services(jget(f->status, "services"), jget_str(f->resource, "name", ""));
	if (f->placement)
		print_placement(f->resource, f->placement);
	if (f->changes && json_object_array_length(f->changes) > 0) {
		puts("\nLast changes:");
		log_print(f->changes);
	}
	if (f->command[0])
		printf("\nTo do:  %s\n        (%s)\n", f->command, f->command_why);
	else
		puts("\nNothing has to be done.");
}

static void print_json(const struct findings *f)
{
	json *o = json_object_new_object();

	jset(o, "volume", json_object_get(f->resource));
	jset(o, "placement", json_object_get(f->placement));
	jset(o, "changes", f->changes ? json_object_get(f->changes) : json_object_new_array());
	jset_str(o, "command", f->command);
	jset_str(o, "command_why", f->command_why);
	client_print_json(o);
}

static int why(int argc, char **argv)
{
	struct findings f = { 0 };
	const char *words[1];
	bool quorum;
	int rv = show_words(argc, argv, NULL, 0, words, 1, "why <volume>");

	if (rv == CLI_OK)
		rv = client_call("GET", "/v1/sds/status", NULL, &f.status);
	if (rv != CLI_OK)
		return rv;
	f.resource = show_find(f.status, words[0]);
	if (!f.resource) {
		json_object_put(f.status);
		return client_fail(CLI_FAILED, "there is no volume %s; sdsd volume list shows all",
				   words[0]);
	}
	quorum = jget_bool(jget(f.status, "cluster"), "quorum", false);
	f.placement = ask_placement(f.resource, quorum);
	f.changes = ask_changes(f.resource);
	advice_command(f.resource, quorum, f.command, f.command_why);
	if (client_settings.json)
		print_json(&f);
	else
		print_findings(&f);
	json_object_put(f.changes);
	json_object_put(f.placement);
	json_object_put(f.status);
	return CLI_OK;
}

const struct cli_verb why_verbs[] = {
	{ "why", NULL, "<volume>", "how a volume stands, why, and what to do", why,
	  "Its verdict, each copy with what is wrong and since when, where one more copy could go\n"
	  "when one is missing, the last changes, and the next command to type.\n\n"
	  "Example: sdsd why db" },
	{ .noun = NULL },
};
