// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * status.c - sdsd status: the cluster on one screen. Called by main.c.
 */
#include <stdio.h>
#include <string.h>

#include "cli/show.h"
#include "cli/verbs.h"

static void cluster_line(json *c)
{
	const char *leader = jget_str(c, "leader", "");
	char age[32];

	printf("Cluster %s: %lld of %lld nodes online, ", jget_str(c, "name", ""),
	       (long long)jget_i64_or(c, "online", 0), (long long)jget_i64_or(c, "nodes", 0));
	if (jget_bool(c, "quorum", false))
		printf("leader %s, %lld of %lld voters answer\n", leader[0] ? leader : "-",
		       (long long)jget_i64_or(c, "voters_online", 0),
		       (long long)jget_i64_or(c, "voters", 0));
	else
		printf("NO LEADER since %s: changes wait until more than half of the %lld voters "
		       "run\n",
		       show_age(jget_i64_or(c, "no_leader_ms", 0), age, sizeof(age)),
		       (long long)jget_i64_or(c, "voters", 0));
}

/* those that somebody should do something about */
static void full_pools(json *pools)
{
	for (size_t i = 0; i < json_object_array_length(pools); i++) {
		json *p = json_object_array_get_idx(pools, i);

		printf("Pool %s/%s: %s\n", jget_str(p, "node", ""), jget_str(p, "name", ""),
		       jget_str(p, "text", ""));
	}
}

/* of this node: those that should be served and are not */
static void closed_listeners(void)
{
	json *doc, *list;

	if (client_call("GET", "/v1/sds/local", NULL, &doc) != CLI_OK)
		return;
	list = jget(doc, "listeners");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);
		const char *error = jget_str(o, "error", "");

		if (error[0])
			printf("Node %s does not serve %s: %s\n", jget_str(doc, "node", ""),
			       jget_str(o, "url", ""), error);
	}
	json_object_put(doc);
}

static int status(int argc, char **argv)
{
	json *doc, *resources;
	int rv = show_words(argc, argv, NULL, 0, NULL, 0, "status");

	if (rv == CLI_OK)
		rv = client_call("GET", "/v1/sds/status", NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	cluster_line(jget(doc, "cluster"));
	if (jget_str(jget(doc, "cluster"), "balance", "")[0])
		printf("Balance: %s\n", jget_str(jget(doc, "cluster"), "balance", ""));
	if (jget(doc, "full_pools"))
		full_pools(jget(doc, "full_pools"));
	closed_listeners();
	putchar('\n');
	show_nodes(jget(doc, "nodes"));
	putchar('\n');
	resources = jget(doc, "resources");
	if (json_object_array_length(resources) > 0)
		show_volumes(resources);
	else
		puts("No volumes yet. A first one: sdsd volume create db 10G");
	json_object_put(doc);
	return CLI_OK;
}

const struct cli_verb status_verbs[] = {
	{ "status", NULL, "", "the cluster on one screen: nodes, volumes, what happens next",
	  status, NULL },
	{ .noun = NULL },
};
