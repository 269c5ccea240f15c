// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node.c - sdsd node list | label | cordon | uncordon | delete. Called by main.c.
 */
#include <string.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rules.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define LABEL_ARGS "<node> KEY=VALUE..."

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

/* takes props: key -> value, and gone: a list of keys */
static int set_props(const char *node, json *props, json *gone)
{
	json *body = json_object_new_object(), *doc;
	char path[512];
	int rv;

	jset(body, "override_props", props);
	jset(body, "delete_props", gone);
	rv = client_call("PUT", client_path(path, sizeof(path), "/v1/nodes/%", node, NULL), body,
			 &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int label(int argc, char **argv)
{
	json *props = json_object_new_object(), *gone = json_object_new_array();
	const char *words[OPTIONS_WORDS_MAX];
	char key[512];
	struct err err;
	int n, rv = options_parse(argc, argv, NULL, 0, words, OPTIONS_WORDS_MAX, &n, &err);

	for (int i = 1; rv == 0 && i < n; i++) {
		char *eq;

		rules_key(words[i], key, sizeof(key));
		eq = strchr(key, '=');
		if (!eq) {
			rv = err_set(&err, -E_INVALID, "%s: KEY=VALUE is needed, such as rack=a",
				     words[i]);
			break;
		}
		*eq = '\0';
		if (eq[1])
			jset_str(props, key, eq + 1);
		else
			json_object_array_add(gone, json_object_new_string(key));
	}
	if (rv == 0 && n < 2)
		rv = err_set(&err, -E_INVALID, "Usage: sdsd node label " LABEL_ARGS);
	if (rv == 0)
		return set_props(words[0], props, gone);
	json_object_put(props);
	json_object_put(gone);
	return client_fail(CLI_USAGE, "%s", err.text);
}

static int cordon(int argc, char **argv)
{
	const char *words[1];
	json *props;
	int rv = show_words(argc, argv, NULL, 0, words, 1, "node cordon <node>");

	if (rv != CLI_OK)
		return rv;
	props = json_object_new_object();
	jset_str(props, "sds/cordon", "on");
	return set_props(words[0], props, json_object_new_array());
}

static int uncordon(int argc, char **argv)
{
	const char *words[1];
	json *gone;
	int rv = show_words(argc, argv, NULL, 0, words, 1, "node uncordon <node>");

	if (rv != CLI_OK)
		return rv;
	gone = json_object_new_array();
	json_object_array_add(gone, json_object_new_string("sds/cordon"));
	json_object_array_add(gone, json_object_new_string("AutoplaceTarget"));
	return set_props(words[0], json_object_new_object(), gone);
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "node delete <node>", "/v1/nodes/%", 1);
}

const struct cli_verb node_verbs[] = {
	{ "node", "list", "", "the nodes, whether they answer, their part in the cluster", list,
	  "Example: sdsd node list --watch" },
	{ "node", "label", LABEL_ARGS, "sets labels that rules of placement speak of", label,
	  "  rack=a    the property Aux/rack; a key with a slash stays as it is\n"
	  "  rack=     takes it away\n\n"
	  "Example: sdsd node label n1 rack=a room=cellar" },
	{ "node", "cordon", "<node>", "nothing new is placed there; what is there stays", cordon,
	  "A copy that is asked for on this very node is still made.\n\n"
	  "Example: sdsd node cordon n1" },
	{ "node", "uncordon", "<node>", "takes that back", uncordon,
	  "Example: sdsd node uncordon n1" },
	{ "node", "delete", "<node>", "removes a node that holds no replicas", delete,
	  "Example: sdsd node delete n1" },
	{ .noun = NULL },
};
