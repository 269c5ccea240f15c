// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats.c - /v1/stats/<kind>: how many there are. Called through routes.c. To add
 * a kind: a row in kinds[].
 */
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"

static const struct {
	const char *name;
	const char *prefixes[2]; /* of documents, each of which is one */
} kinds[] = {
	{ "nodes", { "node/" } },
	{ "resource-definitions", { "resource/" } },
	{ "resource-groups", { "group/" } },
	{ "resources", { "replica/" } },
	/* each node has one for replicas without a disk */
	{ "storage-pools", { "pool/", "node/" } },
	{ "error-reports", { NULL } },
};

static int64_t count(struct store *s, const char *const prefixes[2])
{
	struct store_count what;
	int64_t n = 0;

	for (int i = 0; i < 2 && prefixes[i]; i++) {
		if (store_count(s, prefixes[i], &what) == 0)
			n += (int64_t)what.documents;
	}
	return n;
}

void stats_get(struct api_call *c)
{
	const char *name = c->match.arg[0];
	struct err err;
	json *o;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		o = view_object();
		jset_i64(o, "count", count(c->api->config.store, kinds[i].prefixes));
		call_reply_json(c, 200, o);
		return;
	}
	err_set(&err, -E_NOT_FOUND, "Nothing is counted under the name '%.60s'.", name);
	call_reply_json(c, 404, call_error_list(0, 0, -E_NOT_FOUND, &err));
}
