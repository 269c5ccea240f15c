/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.h - asks the daemon over its unix socket, one request at a time, and
 * tells the user in words when that fails.
 */
#ifndef SDSD_CLI_CLIENT_H
#define SDSD_CLI_CLIENT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "cli/cli.h"

#define CLIENT_SOCKET_DEFAULT "/run/sdsd/sdsd.sock"
#define CLIENT_TIMEOUT_MS 45000 /* longer than the daemon's own deadline */

struct client_settings {
	const char *socket; /* path */
	bool json;          /* --output json: answers are printed as they came */
	bool line_stands;   /* on standard error, a terminal, there is a line without an end */
};
extern struct client_settings client_settings;

/* Takes body (may be NULL). CLI_OK: *ret is the answer, owned by the caller (ret may be NULL).
 * Else the reason was printed and this is the exit status. Warnings of an answer are printed. */
int client_call(const char *method, const char *path, json *body, json **ret);
/* GET without a word to the user: 0 and the answer, owned by the caller; -errno of the connection
 * (-ENOENT: no socket), -E_INVALID for an answer that is no 2xx. err says it in words. */
int client_look(const char *path, int timeout_ms, json **ret, struct err *err);
/* Builds a path: "%" in the pattern is replaced by the next name, percent-encoded. Returns out. */
const char *client_path(char *out, size_t len, const char *pattern, const char *a, const char *b);
/* Takes away the line that stands, if there is one. */
void client_clear_line(void);
/* Prints a refusal of the command line's own: "sdsd: ..." ; returns status */
int client_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* --output json: the document, one line per field; takes doc */
void client_print_json(json *doc);
/* The messages of an ApiCallRc list: successes to stdout, warnings to stderr */
void client_print_messages(json *list);

#endif
