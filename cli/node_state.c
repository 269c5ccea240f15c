// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node_state.c - sdsd node drain | evacuate | restore | lost. Called by main.c. The cluster does
 * the work by itself; here it is asked for and, with --wait, watched.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define DRAIN_ARGS "<node> [--timeout TIME] [--quiet]"
#define EVACUATE_ARGS "<node> [--wait] [--timeout TIME] [--quiet]"
#define WAITS_SHOWN_MAX 10 /* at a time */
#define WAIT_LINE_MAX 512
#define WAITS_TOLD_MAX (64u << 10) /* bytes; what is told beyond may be told again */

struct wait {
	const char *node;
	bool empty; /* until nothing is on it, not only until nothing depends on it alone */
	struct progress *progress;
	char told[WAITS_TOLD_MAX]; /* what waits for what, as it was told last */
};

/* which resources wait and for what, without how far they are: an empty line, and one for each */
static void name_waits(json *waits, char *out, size_t len)
{
	size_t used = (size_t)snprintf(out, len, "\n");

	for (size_t i = 0; i < json_object_array_length(waits) && used < len; i++) {
		json *w = json_object_array_get_idx(waits, i);

		used += (size_t)snprintf(out + used, len - used, "%s: %s\n",
					 jget_str(w, "resource", ""), jget_str(w, "why", ""));
	}
}

/* each of them once, when it begins: somebody may have to do something */
static void tell_waits(struct wait *w, json *waits)
{
	char now[sizeof(w->told)], one[WAIT_LINE_MAX];
	int n = 0;

	name_waits(waits, now, sizeof(now));
	for (size_t i = 0; i < json_object_array_length(waits); i++) {
		json *o = json_object_array_get_idx(waits, i);

		snprintf(one, sizeof(one), "\n%s: %s\n", jget_str(o, "resource", ""),
			 jget_str(o, "why", ""));
		if (strstr(w->told, one) || n++ >= WAITS_SHOWN_MAX)
			continue;
		progress_tell(w->progress, "  %s: %s", jget_str(o, "resource", ""),
			      jget_str(o, "why", ""));
	}
	if (n > WAITS_SHOWN_MAX)
		progress_tell(w->progress, "  and %d more", n - WAITS_SHOWN_MAX);
	memcpy(w->told, now, sizeof(w->told));
}

static void say_left(struct wait *w, json *doc)
{
	long long n = w->empty ? jget_i64_or(doc, "replicas", 0)
			       : (long long)json_object_array_length(jget(doc, "waits"));
	long long catching_up = jget_i64_or(doc, "catching_up", 0);
	const char *what = w->empty ? "replicas to leave" : "volumes to wait for";
	char left[128];

	if (catching_up > 0)
		progress_say(w->progress, "%s: %s: %lld; %lld copying: %s", w->node, what, n,
			     catching_up, show_progress(doc, left, sizeof(left)));
	else
		progress_say(w->progress, "%s: %s: %lld", w->node, what, n);
}

static int look(struct progress *p, void *arg, bool *ret)
{
	struct wait *w = arg;
	char path[512];
	json *doc;
	int rv = client_call("GET",
			     client_path(path, sizeof(path), "/v1/sds/drain/%", w->node, NULL),
			     NULL, &doc);

	w->progress = p;
	if (rv != CLI_OK)
		return rv;
	*ret = w->empty ? jget_i64_or(doc, "replicas", 1) == 0 : jget_bool(doc, "ready", false);
	if (!*ret) {
		tell_waits(w, jget(doc, "waits"));
		say_left(w, doc);
	}
	json_object_put(doc);
	return CLI_OK;
}

static int wait_for(const char *node, bool empty, bool quiet, int64_t timeout_s)
{
	static const char emptied[] = "no longer waiting; its copies move on: sdsd status, "
				      "sdsd node restore";
	static const char drained[] = "no longer waiting; it takes no new copies until "
				      "sdsd node uncordon";
	struct wait w = { .node = node, .empty = empty };
	char late[128];
	const struct progress_goal goal = {
		.goes_on = empty ? emptied : drained,
		.late = late,
		.look = look,
		.arg = &w,
	};

	snprintf(late, sizeof(late), "node %s: not done", node);
	return progress_wait(&goal, quiet, timeout_s);
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
	bool quiet = false;
	const struct option_spec specs[] = { { "--timeout", &timeout, NULL },
					     { "--quiet", NULL, &quiet } };
	json *body, *props;
	int64_t timeout_s;
	int rv = show_words(argc, argv, specs, 2, words, 1, "node drain " DRAIN_ARGS);

	if (rv != CLI_OK || (rv = progress_timeout(timeout, &timeout_s)) != CLI_OK)
		return rv;
	body = json_object_new_object();
	props = json_object_new_object();
	jset_str(props, "sds/cordon", "on");
	jset(body, "override_props", props);
	rv = ask("PUT", "/v1/nodes/%", words[0], body);
	if (rv == CLI_OK)
		rv = service_move_away(words[0]);
	if (rv == CLI_OK)
		rv = wait_for(words[0], false, quiet, timeout_s);
	if (rv == CLI_OK && !client_settings.json)
		printf("%s: nothing depends on it alone; it can be switched off. Afterwards: "
		       "sdsd node uncordon %s\n",
		       words[0], words[0]);
	return rv;
}

static int evacuate(int argc, char **argv)
{
	const char *words[1], *timeout = NULL;
	bool wait = false, quiet = false;
	const struct option_spec specs[] = { { "--timeout", &timeout, NULL },
					     { "--wait", NULL, &wait },
					     { "--quiet", NULL, &quiet } };
	int64_t timeout_s;
	int rv = show_words(argc, argv, specs, 3, words, 1, "node evacuate " EVACUATE_ARGS);

	if (rv != CLI_OK || (rv = progress_timeout(timeout, &timeout_s)) != CLI_OK)
		return rv;
	rv = ask("PUT", "/v1/nodes/%/evacuate", words[0], NULL);
	if (rv == CLI_OK && wait)
		rv = wait_for(words[0], true, quiet, timeout_s);
	if (rv == CLI_OK && wait && !client_settings.json)
		printf("%s: nothing is on it any more\n", words[0]);
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
	  "  --timeout TIME  give up waiting (default 1h); what goes on goes on\n"
	  "  --quiet         says nothing while it waits\n\n"
	  "It takes no new copies from then on, until sdsd node uncordon; services move\n"
	  "away. Ctrl-C ends the waiting, not the work.\n\n"
	  "Example: sdsd node drain n1" },
	{ "node", "evacuate", EVACUATE_ARGS, "moves all its copies to other nodes", evacuate,
	  "  --wait          until nothing is on it any more; tells what is left, at which rate,\n"
	  "                  for how long\n"
	  "  --timeout TIME  give up waiting (default 1h); the move goes on\n"
	  "  --quiet         says nothing while it waits\n\n"
	  "Ctrl-C ends the waiting, not the work.\n\n"
	  "Example: sdsd node evacuate n1 --wait" },
	{ "node", "restore", "<node>", "takes an evacuation back: what is still on it stays",
	  restore, "Example: sdsd node restore n1" },
	{ "node", "lost", "<node>", "a node that will never be back: drops its copies, forgets it",
	  lost,
	  "Refused while it answers. What has no other good copy is kept until\n"
	  "somebody deletes it.\n\n"
	  "Example: sdsd node lost n1" },
	{ .noun = NULL },
};
