// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service.c - sdsd service add | list | show | move | start | stop | retry | delete: services that
 * follow a volume. Called by main.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define SERVICES "/v1/sds/services"
#define ADD_ARGS                                                                   \
	"<name> --volume V[/N] --mount PATH [--unit UNIT] [--vip ADDRESS/PREFIX] " \
	"[--interface I] [--nodes A,B] [--options O] [--stopped]"

/* "db/1": volume 1 of db */
static int put_volume(json *body, const char *volume)
{
	const char *slash = strrchr(volume, '/');
	int64_t number = 0;
	char name[256];
	struct err err;

	snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - volume) : (int)strlen(volume),
		 volume);
	if (slash && options_number("the volume's number", slash + 1, 0, 255, &number, &err) < 0)
		return client_fail(CLI_USAGE, "--volume %s: %s", volume, err.text);
	jset_str(body, "resource", name);
	jset_i64(body, "number", number);
	return CLI_OK;
}

/* a unit without a suffix is a service, as systemctl takes it, too */
static void put_unit(json *body, const char *unit)
{
	char name[256];

	snprintf(name, sizeof(name), "%s%s", unit, strchr(unit, '.') ? "" : ".service");
	jset_str(body, "unit", name);
}

static int add(int argc, char **argv)
{
	const char *name, *volume = NULL, *mount = NULL, *unit = NULL, *vip = NULL;
	const char *interface = NULL, *nodes = NULL, *options = NULL;
	bool stopped = false;
	const struct option_spec specs[] = {
		{ "--volume", &volume, NULL },       { "--mount", &mount, NULL },
		{ "--unit", &unit, NULL },           { "--vip", &vip, NULL },
		{ "--interface", &interface, NULL }, { "--nodes", &nodes, NULL },
		{ "--options", &options, NULL },     { "--stopped", NULL, &stopped },
	};
	json *body, *doc;
	int rv = show_words(argc, argv, specs, 8, &name, 1, "service add " ADD_ARGS);

	if (rv != CLI_OK)
		return rv;
	if (!volume || !mount)
		return client_fail(CLI_USAGE, "a service needs --volume and --mount");
	body = json_object_new_object();
	rv = put_volume(body, volume);
	if (rv != CLI_OK) {
		json_object_put(body);
		return rv;
	}
	jset_str(body, "name", name);
	jset_str(body, "mount", mount);
	if (unit)
		put_unit(body, unit);
	if (vip)
		jset_str(body, "vip", vip);
	if (interface)
		jset_str(body, "interface", interface);
	if (options)
		jset_str(body, "options", options);
	if (nodes)
		jset(body, "nodes", show_split(nodes));
	jset_bool(body, "enabled", !stopped);
	rv = client_call("POST", SERVICES, body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

/* what a person should know of how it stands */
static const char *remark(json *o)
{
	const char *error = jget_str(o, "error", "");

	return error[0] && strcmp(jget_str(o, "state", ""), "running") != 0
		       ? error
		       : jget_str(o, "why", "");
}

static void row(struct table *t, json *o)
{
	int64_t number = jget_i64_or(o, "number", 0);

	table_cell(t, "%s", jget_str(o, "name", ""));
	table_cell(t, "%s", jget_str(o, "state", ""));
	table_cell(t, "%s", or_dash(jget_str(o, "node", "")));
	if (number > 0)
		table_cell(t, "%s/%lld", jget_str(o, "resource", ""), (long long)number);
	else
		table_cell(t, "%s", jget_str(o, "resource", ""));
	table_cell(t, "%s", jget_str(o, "mount", ""));
	table_cell(t, "%s", or_dash(jget_str(o, "unit", "")));
	table_cell(t, "%s", or_dash(jget_str(o, "vip", "")));
	table_cell(t, "%s", remark(o));
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "SERVICE", "STATE", "NODE", "VOLUME", "MOUNT",
					     "UNIT",    "VIP",   "WHY",  NULL };

	return show_list(argc, argv, "service list", SERVICES, heads, row);
}

static void line(const char *head, const char *text)
{
	if (text[0])
		printf("%-10s %s\n", head, text);
}

static void print_nodes(json *nodes)
{
	size_t n = json_object_array_length(nodes);

	if (n > 0)
		printf("%-10s ", "Nodes:");
	for (size_t i = 0; i < n; i++)
		printf("%s%s", i ? ", " : "",
		       json_object_get_string(json_object_array_get_idx(nodes, i)));
	if (n > 0)
		putchar('\n');
}

static void print_failures(json *o)
{
	json *failed = jget(o, "failed");
	size_t n = json_object_array_length(failed);

	for (size_t i = 0; i < n; i++) {
		json *f = json_object_array_get_idx(failed, i);

		printf("%-10s %s: %s\n", "Failed on", jget_str(f, "node", ""),
		       jget_str(f, "why", ""));
	}
	if (n > 0)
		printf("\nWhen that is mended: sdsd service retry %s\n", jget_str(o, "name", ""));
}

static void print_service(json *o)
{
	char volume[128], where[128];
	const char *node = jget_str(o, "node", ""), *to = jget_str(o, "moves_to", "");

	snprintf(where, sizeof(where), "%s%s%s%s%s", jget_str(o, "state", ""),
		 node[0] ? ", on " : "", node, to[0] ? ", moves to " : "", to);
	snprintf(volume, sizeof(volume), "%s/%lld", jget_str(o, "resource", ""),
		 (long long)jget_i64_or(o, "number", 0));
	printf("Service %s: %s\n", jget_str(o, "name", ""), where);
	line("Why:", jget_str(o, "why", ""));
	line("Error:", jget_str(o, "error", ""));
	line("Volume:", volume);
	line("Mount:", jget_str(o, "mount", ""));
	line("Options:", jget_str(o, "options", ""));
	line("Unit:", jget_str(o, "unit", ""));
	line("Address:", jget_str(o, "vip", ""));
	line("Interface:", jget_str(o, "interface", ""));
	print_nodes(jget(o, "nodes"));
	printf("%-10s %lld\n", "Decision:", (long long)jget_i64_or(o, "generation", 0));
	print_failures(o);
}

static int show(int argc, char **argv)
{
	const char *name;
	char path[512];
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, &name, 1, "service show <name>");

	if (rv == CLI_OK)
		rv = client_call("GET", client_path(path, sizeof(path), SERVICES "/%", name, NULL),
				 NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	print_service(doc);
	json_object_put(doc);
	return CLI_OK;
}

/* POST services/<name>/<what>; takes body, may be NULL */
static int ask(const char *name, const char *what, json *body)
{
	char path[512], pattern[64];
	json *doc;
	int rv;

	snprintf(pattern, sizeof(pattern), SERVICES "/%%/%s", what);
	rv = client_call("POST", client_path(path, sizeof(path), pattern, name, NULL), body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

int service_move_away(const char *node)
{
	json *list, *body;
	int rv = client_call("GET", SERVICES, NULL, &list);

	for (size_t i = 0; rv == CLI_OK && i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);

		if (strcasecmp(jget_str(o, "node", ""), node) != 0 ||
		    !jget_bool(o, "enabled", false))
			continue;
		body = json_object_new_object();
		rv = ask(jget_str(o, "name", ""), "move", body);
	}
	if (rv == CLI_OK)
		json_object_put(list);
	return rv;
}

static int move(int argc, char **argv)
{
	const char *words[2] = { NULL, NULL };
	struct err err;
	json *body;
	int n;

	if (options_parse(argc, argv, NULL, 0, words, 2, &n, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	if (n < 1)
		return client_fail(CLI_USAGE, "Usage: sdsd service move <name> [<node>]");
	body = json_object_new_object();
	if (n == 2)
		jset_str(body, "node", words[1]);
	return ask(words[0], "move", body);
}

static int one(int argc, char **argv, const char *usage, const char *what)
{
	const char *name;
	int rv = show_words(argc, argv, NULL, 0, &name, 1, usage);

	return rv == CLI_OK ? ask(name, what, NULL) : rv;
}

static int start(int argc, char **argv)
{
	return one(argc, argv, "service start <name>", "enable");
}

static int stop(int argc, char **argv)
{
	return one(argc, argv, "service stop <name>", "disable");
}

static int retry(int argc, char **argv)
{
	return one(argc, argv, "service retry <name>", "retry");
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "service delete <name>", SERVICES "/%", 1);
}

const struct cli_verb service_verbs[] = {
	{ "service", "add", ADD_ARGS, "mount, unit and address that follow a volume", add,
	  "  --volume V[/N]    the volume, with a file system (N: its number, 0 unless said)\n"
	  "  --mount PATH      where that is mounted, an absolute path; the folder is made\n"
	  "  --unit UNIT       the systemd unit that uses it; not to be enabled at boot\n"
	  "  --vip A/P         an address with its prefix, such as 10.0.0.5/24\n"
	  "  --interface I     for the address; else the one whose network it is in\n"
	  "  --nodes A,B       where it may run, the most wanted first; else where the volume is\n"
	  "  --options O       of mount, such as noatime\n"
	  "  --stopped         not started yet\n\n"
	  "It runs on one node at a time; when that is gone, or cannot, on another one.\n\n"
	  "Example: sdsd service add db --volume db --mount /srv/db --unit postgresql.service \\\n"
	  "             --vip 10.0.0.5/24" },
	{ "service", "list", "", "all services, and where they run", list, NULL },
	{ "service", "show", "<name>", "one of them, and why it is as it is", show, NULL },
	{ "service", "move", "<name> [<node>]", "runs it on another node, or on this one", move,
	  NULL },
	{ "service", "start", "<name>", "runs it again after a stop", start, NULL },
	{ "service", "stop", "<name>", "stops it until it is started; its volume stays", stop,
	  NULL },
	{ "service", "retry", "<name>", "tries it again on all nodes where it failed", retry,
	  NULL },
	{ "service", "delete", "<name>", "stops and forgets it; its volume stays", delete, NULL },
	{ .noun = NULL },
};
