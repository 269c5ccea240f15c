// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node_state.c - sdsd node drain | evacuate | restore | lost. Called by main.c. The cluster does
 * the work by itself; here it is asked for and, with --wait, watched.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/options.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define DRAIN_ARGS "<node> [--timeout TIME]"
#define EVACUATE_ARGS "<node> [--wait] [--timeout TIME]"
#define WAIT_DEFAULT_S 3600
#define LOOK_EVERY_S 1
#define WAITS_SHOWN_MAX 10

static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void print_waits(json *waits)
{
	size_t n = json_object_array_length(waits);

	for (size_t i = 0; i < n && i < WAITS_SHOWN_MAX; i++) {
		json *w = json_object_array_get_idx(waits, i);

		printf("  %s: %s", jget_str(w, "resource", ""), jget_str(w, "why", ""));
		if (jget(w, "progress"))
			printf(" (%.0f %%)", json_object_get_double(jget(w, "progress")));
		putchar('\n');
	}
	if (n > WAITS_SHOWN_MAX)
		printf("  and %zu more\n", n - WAITS_SHOWN_MAX);
}

/* Until nothing depends on the node alone, or (empty) nothing is on it any more. Prints what is
 * waited for when that changes. */
static int wait_for(const char *node, bool empty, int64_t timeout_s)
{
	int64_t until = now_s() + timeout_s;
	char path[512], last[4096] = "";
	json *doc;

	for (;;) {
		int rv = client_call("GET",
				     client_path(path, sizeof(path), "/v1/sds/drain/%", node, NULL),
				     NULL, &doc);
		bool ready;

		if (rv != CLI_OK)
			return rv;
		ready = empty ? jget_i64_or(doc, "replicas", 1) == 0
			      : jget_bool(doc, "ready", false);
		if (!ready && strncmp(last, json_text(doc), sizeof(last) - 1) != 0) {
			snprintf(last, sizeof(last), "%s", json_text(doc));
			printf("%s: waiting for %lld replicas\n", node,
			       (long long)(empty ? jget_i64_or(doc, "replicas", 0)
						 : (int64_t)json_object_array_length(
							   jget(doc, "waits"))));
			print_waits(jget(doc, "waits"));
			fflush(stdout);
		}
		json_object_put(doc);
		if (ready)
			return CLI_OK;
		if (now_s() >= until)
			return client_fail(CLI_FAILED, "node %s: not done after %lld s; it goes on",
					   node, (long long)timeout_s);
		nanosleep(&(struct timespec){ .tv_sec = LOOK_EVERY_S }, NULL);
	}
}

static int parse_timeout(const char *text, int64_t *ret)
{
	struct err err;

	*ret = WAIT_DEFAULT_S;
	if (text && options_seconds(text, ret, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	return CLI_OK;
}

/* PUT or DELETE on the node, and the messages of the answer */
static int ask(const char *method, const char *pattern, const char *node, json *body)
{
	char path[512];
	json *doc;
	int rv = client_call(method, client_path(path, sizeof(path), pattern, node, NULL), body,
			     &doc);

	return rv == CLI_OK ? show_done(doc) : rv;
}

static int drain(int argc, char **argv)
{
	const char *words[1], *timeout = NULL;
	const struct option_spec specs[] = { { "--timeout", &timeout, NULL } };
	json *body, *props;
	int64_t timeout_s;
	int rv = show_words(argc, argv, specs, 1, words, 1, "node drain " DRAIN_ARGS);

	if (rv != CLI_OK || (rv = parse_timeout(timeout, &timeout_s)) != CLI_OK)
		return rv;
	body = json_object_new_object();
	props = json_object_new_object();
	jset_str(props, "sds/cordon", "on");
	jset(body, "override_props", props);
	rv = ask("PUT", "/v1/nodes/%", words[0], body);
	if (rv == CLI_OK)
		rv = service_move_away(words[0]);
	if (rv == CLI_OK)
		rv = wait_for(words[0], false, timeout_s);
	if (rv == CLI_OK)
		printf("%s: nothing depends on it alone; it can be switched off. Afterwards: "
		       "sdsd node uncordon %s\n",
		       words[0], words[0]);
	return rv;
}

static int evacuate(int argc, char **argv)
{
	const char *words[1], *timeout = NULL;
	bool wait = false;
	const struct option_spec specs[] = { { "--timeout", &timeout, NULL },
					     { "--wait", NULL, &wait } };
	int64_t timeout_s;
	int rv = show_words(argc, argv, specs, 2, words, 1, "node evacuate " EVACUATE_ARGS);

	if (rv != CLI_OK || (rv = parse_timeout(timeout, &timeout_s)) != CLI_OK)
		return rv;
	rv = ask("PUT", "/v1/nodes/%/evacuate", words[0], NULL);
	if (rv == CLI_OK && wait)
		rv = wait_for(words[0], true, timeout_s);
	return rv;
}

static int restore(int argc, char **argv)
{
	const char *words[1];
	int rv = show_words(argc, argv, NULL, 0, words, 1, "node restore <node>");

	return rv == CLI_OK ? ask("PUT", "/v1/nodes/%/restore", words[0], NULL) : rv;
}

static int lost(int argc, char **argv)
{
	const char *words[1];
	int rv = show_words(argc, argv, NULL, 0, words, 1, "node lost <node>");

	return rv == CLI_OK ? ask("DELETE", "/v1/nodes/%/lost", words[0], NULL) : rv;
}

const struct cli_verb node_state_verbs[] = {
	{ "node", "drain", DRAIN_ARGS,
	  "before it is switched off: waits until nothing depends on it alone", drain,
	  "  It takes no new copies from then on, until sdsd node uncordon; services move away.\n"
	  "  --timeout TIME  give up waiting (default 1h); what goes on goes on\n" },
	{ "node", "evacuate", EVACUATE_ARGS, "moves all its copies to other nodes", evacuate,
	  "  --wait          until nothing is on it any more\n"
	  "  --timeout TIME  give up waiting (default 1h); the move goes on\n" },
	{ "node", "restore", "<node>", "takes an evacuation back: what is still on it stays",
	  restore, NULL },
	{ "node", "lost", "<node>", "a node that will never be back: drops its copies, forgets it",
	  lost, NULL },
	{ .noun = NULL },
};
