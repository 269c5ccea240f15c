// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node.c - sdsd node list | delete. Called by main.c.
 */
#include <string.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

static int list(int argc, char **argv)
{
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, NULL, 0, NULL);

	if (rv == CLI_OK)
		rv = client_call("GET", client_settings.json ? "/v1/nodes" : "/v1/sds/status", NULL,
				 &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	show_nodes(jget(doc, "nodes"));
	json_object_put(doc);
	return CLI_OK;
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "node delete <node>", "/v1/nodes/%", 1);
}

const struct cli_verb node_verbs[] = {
	{ "node", "list", "", "the nodes, whether they answer, their part in the cluster", list,
	  NULL },
	{ "node", "delete", "<node>", "removes a node that holds no replicas", delete, NULL },
	{ .noun = NULL },
};
