// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * status.c - sdsd status: the cluster on one screen. Called by main.c.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/show.h"
#include "cli/status_page.h"
#include "cli/verbs.h"

static void print_page(json *doc)
{
	struct buf page;
	json *local = NULL;

	buf_init(&page, STATUS_PAGE_MAX);
	client_call("GET", "/v1/sds/local", NULL, &local);
	status_page(doc, local, screen_of(STDOUT_FILENO), &page);
	fwrite(page.data, 1, page.len, stdout);
	json_object_put(local);
	buf_release(&page);
}

static int status(int argc, char **argv)
{
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, NULL, 0, "status");

	if (rv == CLI_OK)
		rv = client_call("GET", "/v1/sds/status", NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	print_page(doc);
	json_object_put(doc);
	return CLI_OK;
}

const struct cli_verb status_verbs[] = {
	{ "status", NULL, "", "the cluster on one screen: nodes, volumes, what happens next",
	  status,
	  "On a terminal what is wrong comes first where room is short; volumes that are fine\n"
	  "share a line then. Long reasons are cut: sdsd why VOLUME shows all. Otherwise: one\n"
	  "line for each node and volume, nothing cut.\n\n"
	  "Example: sdsd status --watch" },
	{ .noun = NULL },
};
