// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - sdsd log: who changed what, when. Called by main.c.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "net/http.h"

#define LOG_LINES_DEFAULT "50"
#define LOG_LINES_MAX 1000 /* = HISTORY_LIST_MAX of the API */

static void time_cell(struct table *t, int64_t at_ms)
{
	time_t s = (time_t)(at_ms / 1000);
	struct tm tm;
	char text[32] = "-";

	if (at_ms > 0 && localtime_r(&s, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	table_cell(t, "%s", text);
}

/* without a sentence: what was changed */
static void what_cell(struct table *t, json *entry)
{
	const char *what = jget_str(entry, "what", "");
	json *change = json_object_array_get_idx(jget(entry, "changes"), 0);

	if (what[0])
		table_cell(t, "%s", what);
	else
		table_cell(t, "%s %s", jget_str(change, "key", ""), jget_str(change, "op", ""));
}

static void row(struct table *t, json *entry)
{
	table_cell(t, "%lld", (long long)jget_i64_or(entry, "index", 0));
	time_cell(t, jget_i64_or(entry, "at", 0));
	table_cell(t, "%s", jget_str(entry, "by", ""));
	what_cell(t, entry);
}

static void print_entries(json *list)
{
	static const char *const heads[] = { ">INDEX", "TIME", "BY", "WHAT", NULL };
	struct table t;

	table_init(&t, heads);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		row(&t, json_object_array_get_idx(list, i));
	table_print(&t);
	table_release(&t);
}

/* the path of the request, or CLI_USAGE: said why */
static int make_path(const char *object, const char *since, const char *lines, char *out,
		     size_t len)
{
	int64_t n, seconds;
	struct err err;
	char escaped[512];
	size_t at;

	if (options_number("-n", lines, 1, LOG_LINES_MAX, &n, &err) < 0 ||
	    (since && options_seconds(since, &seconds, &err) < 0))
		return client_fail(CLI_USAGE, "%s", err.text);
	if (object && http_escape(object, escaped, sizeof(escaped)) < 0)
		return client_fail(CLI_USAGE, "the name is too long");
	snprintf(out, len, "/v1/sds/history?limit=%lld", (long long)n);
	at = strlen(out);
	if (since)
		snprintf(out + at, len - at, "&since=%lld",
			 (long long)(clock_wall_ms() - seconds * 1000));
	at = strlen(out);
	if (object)
		snprintf(out + at, len - at, "&object=%s", escaped);
	return CLI_OK;
}

static int show_log(int argc, char **argv)
{
	const char *object = NULL, *since = NULL, *lines = LOG_LINES_DEFAULT;
	const struct option_spec specs[] = { { "--object", &object, NULL },
					     { "--since", &since, NULL },
					     { "-n", &lines, NULL } };
	char path[700];
	json *doc;
	int rv = show_words(argc, argv, specs, 3, NULL, 0,
			    "log [--object volume/NAME] [--since 1h] [-n N]");

	if (rv == CLI_OK)
		rv = make_path(object, since, lines, path, sizeof(path));
	if (rv == CLI_OK)
		rv = client_call("GET", path, NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	print_entries(jget(doc, "history"));
	json_object_put(doc);
	return CLI_OK;
}

const struct cli_verb log_verbs[] = {
	{ "log", NULL, "[--object volume/NAME] [--since 1h] [-n N]", "who changed what, when",
	  show_log,
	  "  --object O   only what concerns it: volume/db (or db), node/n1, pool/n1/ssd,\n"
	  "               group/G, snapshot/db/S, token/ID\n"
	  "  --since T    not older than 90s, 30m, 1h, 7d\n"
	  "  -n N         the newest N, 50 when not said" },
	{ .noun = NULL },
};
