// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replica.c - where the copies of a volume are: sdsd volume replica add | remove, move,
 * toggle-disk, activate, deactivate. Called by main.c. The daemon makes, fills and
 * removes them; here it is asked for.
 */
#include <stdio.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define REPLICA_ARGS \
	"add|remove <volume> [<node>] [--pool POOL] [--wait] [--timeout TIME] [--quiet]"
#define MOVE_ARGS "<volume> <from> <to> [--pool POOL]"
#define TOGGLE_ARGS "<volume> <node> [--pool POOL] [--diskless]"
#define RESOURCES "/v1/resource-definitions/%/resources/%"
#define PATH_ROOM 1024

/* takes body; prints what the daemon says */
static int ask(const char *method, const char *path, json *body)
{
	json *doc;
	int rv = client_call(method, path, body, &doc);

	return rv == CLI_OK ? show_done(doc) : rv;
}

/* appends "/name", percent-encoded; NULL: nothing */
static void append(char *path, size_t len, const char *name)
{
	size_t used = strlen(path);

	if (name)
		client_path(path + used, len - used, "/%", name, NULL);
}

static int add_anywhere(const char *volume, const char *pool)
{
	json *body = json_object_new_object(), *filter = json_object_new_object();
	char path[PATH_ROOM];

	jset_i64(filter, "additional_place_count", 1);
	if (pool)
		jset(filter, "storage_pool_list", show_split(pool));
	jset(body, "select_filter", filter);
	client_path(path, sizeof(path), "/v1/resource-definitions/%/autoplace", volume, NULL);
	return ask("POST", path, body);
}

static int add_on(const char *volume, const char *node, const char *pool)
{
	json *body = json_object_new_object(), *resource = json_object_new_object();
	json *props = json_object_new_object();
	char path[PATH_ROOM];

	if (pool)
		jset_str(props, "StorPoolName", pool);
	jset(resource, "props", props);
	jset(body, "resource", resource);
	return ask("POST", client_path(path, sizeof(path), RESOURCES, volume, node), body);
}

static int replica(int argc, char **argv)
{
	static const char usage[] = "Usage: sdsd volume replica " REPLICA_ARGS;
	const char *words[3] = { NULL }, *pool = NULL, *timeout = NULL;
	bool wait = false, quiet = false;
	const struct option_spec specs[] = { { "--pool", &pool, NULL },
					     { "--timeout", &timeout, NULL },
					     { "--wait", NULL, &wait },
					     { "--quiet", NULL, &quiet } };
	char path[PATH_ROOM];
	int64_t timeout_s;
	struct err err;
	int n, rv;

	if (options_parse(argc, argv, specs, 4, words, 3, &n, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	if (progress_timeout(timeout, &timeout_s) != CLI_OK)
		return CLI_USAGE;
	if ((n == 2 || n == 3) && strcmp(words[0], "add") == 0) {
		rv = n == 2 ? add_anywhere(words[1], pool) : add_on(words[1], words[2], pool);
		return rv == CLI_OK && wait ? progress_wait_volume(words[1], quiet, timeout_s) : rv;
	}
	if (n == 3 && strcmp(words[0], "remove") == 0 && !pool && !wait)
		return ask("DELETE", client_path(path, sizeof(path), RESOURCES, words[1], words[2]),
			   NULL);
	fprintf(stderr, "%s\n", usage);
	return CLI_USAGE;
}

static int move(int argc, char **argv)
{
	const char *words[3], *pool = NULL;
	const struct option_spec specs[] = { { "--pool", &pool, NULL } };
	char path[PATH_ROOM];
	int rv = show_words(argc, argv, specs, 1, words, 3, "volume move " MOVE_ARGS);

	if (rv != CLI_OK)
		return rv;
	client_path(path, sizeof(path), RESOURCES "/migrate-disk", words[0], words[2]);
	append(path, sizeof(path), words[1]);
	append(path, sizeof(path), pool);
	return ask("PUT", path, NULL);
}

static int toggle(int argc, char **argv)
{
	const char *words[2], *pool = NULL;
	bool diskless = false;
	const struct option_spec specs[] = { { "--pool", &pool, NULL },
					     { "--diskless", NULL, &diskless } };
	char path[PATH_ROOM];
	int rv = show_words(argc, argv, specs, 2, words, 2, "volume toggle-disk " TOGGLE_ARGS);

	if (rv != CLI_OK)
		return rv;
	if (pool && diskless)
		return client_fail(CLI_USAGE, "either --pool or --diskless");
	client_path(path, sizeof(path),
		    diskless ? RESOURCES "/toggle-disk/diskless" : RESOURCES "/toggle-disk/diskful",
		    words[0], words[1]);
	append(path, sizeof(path), pool);
	return ask("PUT", path, NULL);
}

/* pattern: of the call; of one copy */
static int see_to(int argc, char **argv, const char *usage, const char *pattern)
{
	const char *words[2];
	char path[PATH_ROOM];
	int rv = show_words(argc, argv, NULL, 0, words, 2, usage);

	if (rv != CLI_OK)
		return rv;
	return ask("POST", client_path(path, sizeof(path), pattern, words[0], words[1]), NULL);
}

static int activate(int argc, char **argv)
{
	return see_to(argc, argv, "volume activate <volume> <node>", RESOURCES "/activate");
}

static int deactivate(int argc, char **argv)
{
	return see_to(argc, argv, "volume deactivate <volume> <node>", RESOURCES "/deactivate");
}

const struct cli_verb replica_verbs[] = {
	{ "volume", "replica", REPLICA_ARGS, "one more copy, or one less", replica,
	  "  <node>       where; add without it: where the rules of placement say\n"
	  "  --pool POOL  only in a pool of this name\n"
	  "  --wait       add: until all copies are in sync; tells what is left, at which rate,\n"
	  "               for how long. Ctrl-C ends the waiting, not the work\n"
	  "  --timeout TIME  give up waiting (default 1h)\n"
	  "  --quiet      says nothing while it waits\n\n"
	  "The number of copies that the volume is to have changes with it.\n\n"
	  "Example: sdsd volume replica add db n3" },
	{ "volume", "move", MOVE_ARGS, "moves a copy to a node that has the volume without one",
	  move,
	  "  --pool POOL  the pool there\n\n"
	  "The old copy goes when the new one is in sync. On a node that has nothing of the\n"
	  "volume yet: sdsd volume attach first.\n\n"
	  "Example: sdsd volume move db n1 n3" },
	{ "volume", "toggle-disk", TOGGLE_ARGS, "gives a node's replica a disk, or takes it",
	  toggle,
	  "  --pool POOL  the pool of its copy (default: as placement says)\n"
	  "  --diskless   takes the copy: the node still can open the volume\n\n"
	  "Example: sdsd volume toggle-disk db n3 --pool ssd" },
	{ "volume", "activate", "<volume> <node>", "serves a deactivated copy again", activate,
	  "Example: sdsd volume activate db n2" },
	{ "volume", "deactivate", "<volume> <node>", "a copy is kept, but not served", deactivate,
	  "Example: sdsd volume deactivate db n2" },
	{ .noun = NULL },
};
