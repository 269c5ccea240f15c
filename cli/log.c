// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - sdsd log: who changed what, when. Called by main.c.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/log.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "cli/watch.h"
#include "net/http.h"

#define LOG_LINES_DEFAULT "50"
#define LOG_ARGS "[--object volume/NAME] [--since 1h] [-n N] [--follow]"
#define FOLLOW_RETRY_MS 1000
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

void log_print(json *list)
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

/* a line as soon as it happens, without knowing how wide the coming ones are */
static void print_line(json *entry)
{
	static const char *const heads[] = { ">INDEX", "TIME", "BY", "WHAT", NULL };
	struct buf text;
	struct table t;
	char *line;

	buf_init(&text, WATCH_EVENT_MAX);
	table_init(&t, heads);
	row(&t, entry);
	table_format(&t, 0, &text);
	line = text.len > 0 ? strchr((char *)text.data, '\n') : NULL;
	if (line)
		fputs(line + 1, stdout);
	table_release(&t);
	buf_release(&text);
}

/* takes one event; the index that is wanted next */
static int64_t take_event(const struct watch_event *e, int64_t next)
{
	json *doc;

	if (json_parse(e->data, strlen(e->data), &doc, NULL) < 0)
		return next;
	if (strcmp(e->name, "reset") == 0) {
		client_fail(CLI_FAILED, "some entries are not kept any more");
		next = jget_i64_or(doc, "applied", next) + 1;
	} else if (strcmp(e->name, "change") == 0) {
		next = jget_i64_or(doc, "index", next) + 1;
		if (client_settings.json)
			puts(json_text(doc));
		else
			print_line(doc);
		fflush(stdout);
	}
	json_object_put(doc);
	return next;
}

/* Until nobody reads it any more, also when the daemon is away for a while. next: the first index
 * to be shown */
static int follow(const char *object, int64_t next)
{
	char path[700], escaped[512] = "";
	struct watch_event e;
	struct watch w;

	watch_init(&w);
	if (object)
		http_escape(object, escaped, sizeof(escaped)); /* it fitted before */
	while (!ferror(stdout)) {
		snprintf(path, sizeof(path), "/v1/sds/events?from=%lld%s%s", (long long)next,
			 object ? "&object=" : "", escaped);
		if (w.fd < 0 && watch_open(&w, path) < 0)
			poll(NULL, 0, FOLLOW_RETRY_MS);
		else if (watch_next(&w, -1, &e) > 0 && e.data[0])
			next = take_event(&e, next);
	}
	watch_close(&w);
	return CLI_OK;
}

static void print_answer(json *doc, bool lines)
{
	json *list = jget(doc, "history");

	if (!client_settings.json)
		log_print(list);
	else if (!lines)
		client_print_json(json_object_get(doc));
	for (size_t i = 0; client_settings.json && lines && i < json_object_array_length(list); i++)
		puts(json_text(json_object_array_get_idx(list, i)));
	fflush(stdout);
}

static int show_log(int argc, char **argv)
{
	const char *object = NULL, *since = NULL, *lines = LOG_LINES_DEFAULT;
	bool on = false;
	const struct option_spec specs[] = { { "--object", &object, NULL },
					     { "--since", &since, NULL },
					     { "-n", &lines, NULL },
					     { "--follow", NULL, &on } };
	char path[700];
	int64_t next;
	json *doc;
	int rv = show_words(argc, argv, specs, 4, NULL, 0, "log " LOG_ARGS);

	if (rv == CLI_OK)
		rv = make_path(object, since, lines, path, sizeof(path));
	if (rv == CLI_OK)
		rv = client_call("GET", path, NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	print_answer(doc, on);
	next = jget_i64_or(doc, "applied", 0) + 1;
	json_object_put(doc);
	return on ? follow(object, next) : CLI_OK;
}

const struct cli_verb log_verbs[] = {
	{ "log", NULL, LOG_ARGS, "who changed what, when", show_log,
	  "  --object O   only what concerns it: volume/db (or db), node/n1, pool/n1/ssd,\n"
	  "               group/G, snapshot/db/S, token/ID\n"
	  "  --since T    not older than 90s, 30m, 1h, 7d\n"
	  "  -n N         the newest N, 50 when not said\n"
	  "  --follow     and then each one as it comes\n\n"
	  "Example: sdsd log --object db --since 1h" },
	{ .noun = NULL },
};
