// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - finds the verb of a command line and runs it; help. Called by
 * src/main.c. To add a verb: a function in a file named after its noun, and a
 * row in that file's table, which is listed in own_tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/alike.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/watch.h"

struct verb_table {
	const struct cli_verb *verbs;
	int n;
};

static struct verb_table registered[CLI_TABLES_MAX];
static int n_registered;

void cli_register(const struct cli_verb *verbs, int n)
{
	if (n_registered == CLI_TABLES_MAX)
		abort();
	registered[n_registered++] = (struct verb_table){ verbs, n };
}

static struct verb_table own_table(int i)
{
	static const struct cli_verb *const tables[] = {
		status_verbs,  why_verbs,        doctor_verbs,     log_verbs,        volume_verbs,
		replica_verbs, property_verbs,   node_verbs,       node_state_verbs, disk_verbs,
		pool_verbs,    group_verbs,      snapshot_verbs,   service_verbs,    token_verbs,
		access_verbs,  encryption_verbs, completion_verbs, version_verbs
	};
	struct verb_table t = { 0 };

	if (i >= (int)(sizeof(tables) / sizeof(tables[0])))
		return t;
	t.verbs = tables[i];
	while (t.verbs[t.n].noun)
		t.n++;
	return t;
}

const struct cli_verb *cli_verb_at(int i)
{
	struct verb_table t;

	for (int k = 0; k < n_registered; k++) {
		if (i < registered[k].n)
			return &registered[k].verbs[i];
		i -= registered[k].n;
	}
	for (int k = 0; (t = own_table(k)).verbs; k++) {
		if (i < t.n)
			return &t.verbs[i];
		i -= t.n;
	}
	return NULL;
}

static bool noun_exists(const char *noun)
{
	const struct cli_verb *v;

	for (int i = 0; (v = cli_verb_at(i)); i++) {
		if (strcmp(v->noun, noun) == 0)
			return true;
	}
	return false;
}

/* verb may be NULL: only a command of one word fits then */
static const struct cli_verb *find(const char *noun, const char *verb)
{
	const struct cli_verb *v;

	for (int i = 0; (v = cli_verb_at(i)); i++) {
		if (strcmp(v->noun, noun) != 0)
			continue;
		if (!v->verb || (verb && strcmp(v->verb, verb) == 0))
			return v;
	}
	return NULL;
}

static void print_verb(FILE *to, const struct cli_verb *v)
{
	char words[256];

	snprintf(words, sizeof(words), "%s%s%s%s%s", v->noun, v->verb ? " " : "",
		 v->verb ? v->verb : "", v->args && v->args[0] ? " " : "", v->args ? v->args : "");
	if (strlen(words) <= 44)
		fprintf(to, "  %-44s  %s\n", words, v->help);
	else
		fprintf(to, "  %s\n  %-44s  %s\n", words, "", v->help);
}

const char cli_global_help[] =
	"Global options:\n"
	"  --output table|json   how answers are printed (default table)\n"
	"  --socket PATH         the daemon's socket (default $SDSD_SOCKET or\n"
	"                        " CLIENT_SOCKET_DEFAULT ")\n"
	"  --watch               shows it again when something changes, every 5 s at least:\n"
	"                        status, volume list and show, node list, pool list\n"
	"  --help                help for a noun or a verb; the same: sdsd help VERB\n"
	"Exit status: 0 done, 1 refused or failed, 2 wrong command line, 3 no daemon, "
	"4 outcome unknown\n";

static void help_global(FILE *to)
{
	fputs(cli_global_help, to);
}

static void help_noun(FILE *to, const char *noun)
{
	const struct cli_verb *v;

	fputs("Usage: sdsd <noun> <verb> [options]\n\n", to);
	for (int i = 0; (v = cli_verb_at(i)); i++) {
		if (!noun || strcmp(v->noun, noun) == 0)
			print_verb(to, v);
	}
	fputc('\n', to);
	help_global(to);
}

static void help_verb(FILE *to, const struct cli_verb *v)
{
	fprintf(to, "Usage: sdsd %s%s%s %s\n\n%s\n", v->noun, v->verb ? " " : "",
		v->verb ? v->verb : "", v->args ? v->args : "", v->help);
	if (v->more)
		fprintf(to, "\n%s\n", v->more);
	fputc('\n', to);
	help_global(to);
}

static int unknown(const char *noun, const char *verb)
{
	struct alike_command meant[ALIKE_MAX];
	bool known = noun_exists(noun);
	int n = alike_commands(cli_verb_at, noun, verb, meant);

	if (known && !verb) {
		help_noun(stderr, noun);
		return CLI_USAGE;
	}
	client_fail(CLI_USAGE, "unknown command %s%s%s", noun, known ? " " : "", known ? verb : "");
	if (n > 0)
		fputs(n == 1 ? "Is this meant?\n" : "Is one of these meant?\n", stderr);
	for (int i = 0; i < n; i++)
		fprintf(stderr, "  sdsd %s%s%s\n", meant[i].noun, meant[i].verb ? " " : "",
			meant[i].verb ? meant[i].verb : "");
	fprintf(stderr, "All commands: sdsd help%s%s\n", known ? " " : "", known ? noun : "");
	return CLI_USAGE;
}

struct globals {
	bool help, watch;
};

/* Takes the global options out; the rest stays in order. Returns the new count, or -1: said why. */
static int take_globals(int argc, char **argv, struct globals *ret)
{
	const char *output = "table";
	int n = 0;

	for (int i = 0; i < argc; i++) {
		const char **value = strncmp(argv[i], "--output", 8) == 0 ? &output
				     : strncmp(argv[i], "--socket", 8) == 0
					     ? &client_settings.socket
					     : NULL;

		if (strcmp(argv[i], "--") == 0) {
			while (i < argc)
				argv[n++] = argv[i++];
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			ret->help = true;
		} else if (strcmp(argv[i], "--watch") == 0) {
			ret->watch = true;
		} else if (value && argv[i][8] == '=') {
			*value = argv[i] + 9;
		} else if (value && !argv[i][8] && i + 1 < argc) {
			*value = argv[++i];
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	client_settings.json = strcmp(output, "json") == 0;
	if (client_settings.json || strcmp(output, "table") == 0)
		return n;
	client_fail(CLI_USAGE, "--output is table or json, not %s", output);
	return -1;
}

/* Of a verb whose noun was not said: its help, or, when several nouns have it, a line for each.
 * false: none has it */
static bool help_verb_alone(const char *verb)
{
	const struct cli_verb *v, *only = NULL;
	int n = 0;

	for (int i = 0; (v = cli_verb_at(i)); i++) {
		if (!v->verb || strcmp(v->verb, verb) != 0)
			continue;
		n++;
		only = v;
	}
	if (n == 1)
		help_verb(stdout, only);
	for (int i = 0; n > 1 && (v = cli_verb_at(i)); i++) {
		if (v->verb && strcmp(v->verb, verb) == 0)
			print_verb(stdout, v);
	}
	return n > 0;
}

static int help_for(const char *noun, const char *verb)
{
	const struct cli_verb *v = noun ? find(noun, verb) : NULL;

	if (v)
		help_verb(stdout, v);
	else if (!noun || (noun_exists(noun) && !verb))
		help_noun(stdout, noun);
	else if (verb || !help_verb_alone(noun))
		return unknown(noun, verb);
	return CLI_OK;
}

/* A verb from above this folder has all options to itself: its --socket is not the client's. */
static const struct cli_verb *find_registered(const char *noun, const char *verb)
{
	for (int k = 0; noun && k < n_registered; k++) {
		for (int i = 0; i < registered[k].n; i++) {
			const struct cli_verb *v = &registered[k].verbs[i];

			if (strcmp(v->noun, noun) == 0 &&
			    (!v->verb || (verb && strcmp(v->verb, verb) == 0)))
				return v;
		}
	}
	return NULL;
}

static int run_verb(const struct cli_verb *v, int argc, char **argv)
{
	int skip = v->verb ? 2 : 1;

	return v->fn(argc - skip, argv + skip);
}

struct command {
	const struct cli_verb *verb;
	int argc;
	char **argv;
};

static int run_command(void *arg)
{
	struct command *c = arg;

	return run_verb(c->verb, c->argc, c->argv);
}

/* what --watch can show again and again: verbs that change nothing, of one screen */
static bool can_be_watched(const struct cli_verb *v)
{
	static const char *const verbs[][2] = { { "status", "" },
						{ "volume", "list" },
						{ "volume", "show" },
						{ "node", "list" },
						{ "pool", "list" } };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(v->noun, verbs[i][0]) == 0 &&
		    strcmp(v->verb ? v->verb : "", verbs[i][1]) == 0)
			return true;
	}
	return false;
}

static int watch_verb(const struct cli_verb *v, int argc, char **argv)
{
	struct command c = { v, argc, argv };

	if (!can_be_watched(v))
		return client_fail(CLI_USAGE,
				   "%s%s%s is not shown again and again: without --watch", v->noun,
				   v->verb ? " " : "", v->verb ? v->verb : "");
	return watch_run(run_command, &c);
}

static int run_registered(const struct cli_verb *v, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			help_verb(stdout, v);
			return CLI_OK;
		}
	}
	return run_verb(v, argc, argv);
}

static int run(int argc, char **argv)
{
	const struct cli_verb *v = find_registered(argv[1], argc > 1 ? argv[2] : NULL);
	struct globals globals = { 0 };

	if (v)
		return run_registered(v, argc, argv);
	argc = take_globals(argc, argv, &globals);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 2 && strcmp(argv[1], "help") == 0 && strcmp(argv[2], "--man") == 0) {
		manual_print();
		return CLI_OK;
	}
	if (argc > 1 && strcmp(argv[1], "help") == 0)
		return help_for(argv[2], argc > 2 ? argv[3] : NULL);
	if (argc < 2 || globals.help) {
		if (argc < 2 && !globals.help)
			help_noun(stderr, NULL);
		return globals.help ? help_for(argv[1], argc > 1 ? argv[2] : NULL) : CLI_USAGE;
	}
	v = find(argv[1], argv[2]);
	if (!v)
		return unknown(argv[1], argv[2]);
	return globals.watch ? watch_verb(v, argc, argv) : run_verb(v, argc, argv);
}

int cli_main(int argc, char **argv)
{
	/* main's argv may not be written to by us: registered verbs see a copy without globals */
	char **copy = calloc((size_t)argc + 2, sizeof(*copy));
	int rv;

	if (!copy)
		return client_fail(CLI_FAILED, "no memory");
	for (int i = 0; i < argc; i++)
		copy[i] = argv[i];
	client_settings.socket = getenv("SDSD_SOCKET");
	if (!client_settings.socket || !client_settings.socket[0])
		client_settings.socket = CLIENT_SOCKET_DEFAULT;
	rv = run(argc, copy);
	free(copy);
	return rv;
}
