/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli.h - what src/main.c knows of the command line: every verb is found by
 * cli_main in one table. The verbs that work without a daemon (run, init, join)
 * live above this folder; main registers them before it calls cli_main.
 */
#ifndef SDSD_CLI_CLI_H
#define SDSD_CLI_CLI_H

#include "base/json.h"

#define CLI_OK 0
#define CLI_FAILED 1 /* refused or failed; nothing was left half done unless the message says so */
#define CLI_USAGE 2  /* the command line is wrong */
#define CLI_UNREACHABLE 3 /* no daemon answers on the socket */
#define CLI_UNKNOWN 4     /* timeout: the outcome is not known */

struct cli_verb {
	const char *noun; /* "volume"; the command itself when there is no verb ("status") */
	const char *verb; /* "create"; NULL for a command of one word */
	const char *args; /* "<name> <size> [--copies N]", for the help */
	const char *help; /* one line: what it does */
	/* argv[0] is the last word of the command ("create"), argv[argc] is NULL. Of a registered
	 * verb all options are its own, except --help; from the others' the global ones (--output,
	 * --socket) have been taken out. Returns the exit status. */
	int (*fn)(int argc, char **argv);
	const char *more; /* NULL or further lines for --help: options, an example */
};

/* Adds a table of verbs; it is borrowed for the life of the process. */
#define CLI_TABLES_MAX 4
void cli_register(const struct cli_verb *verbs, int n);
/* Who puts the versions of the linked libraries into an object (sdsd version --verbose) */
void cli_set_libraries(void (*add)(json *into));
/* Finds the verb and runs it; argv as main got it. Returns the exit status. */
int cli_main(int argc, char **argv);

#endif
