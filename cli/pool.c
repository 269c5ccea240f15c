// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pool.c - sdsd pool create | list | delete: where copies live. Called by main.c.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define CREATE_ARGS "<node> <name> --dir DIR | --vg VG | --thin-pool VG/POOL [--kind KIND]"

#define STATE_MAX 1024

/* the kind's name in the API; NULL: there is no such kind */
static const char *kind_of(const char *text)
{
	static const char *const kinds[][2] = { { "file", "FILE" },
						{ "file-thin", "FILE_THIN" },
						{ "lvm", "LVM" },
						{ "lvm-thin", "LVM_THIN" } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(text, kinds[i][0]) == 0)
			return kinds[i][1];
	}
	return NULL;
}

static json *pool_body(const char *name, const char *kind, const char *source)
{
	json *body = json_object_new_object(), *props = json_object_new_object();

	jset_str(props, "StorDriver/StorPoolName", source);
	jset_str(body, "storage_pool_name", name);
	jset_str(body, "provider_kind", kind);
	jset(body, "props", props);
	return body;
}

static int create(int argc, char **argv)
{
	const char *words[2], *dir = NULL, *vg = NULL, *thin = NULL, *kind = NULL, *source;
	const struct option_spec specs[] = { { "--dir", &dir, NULL },
					     { "--vg", &vg, NULL },
					     { "--thin-pool", &thin, NULL },
					     { "--kind", &kind, NULL } };
	json *doc;
	char path[512];
	int rv = show_words(argc, argv, specs, 4, words, 2, "pool create " CREATE_ARGS);

	if (rv != CLI_OK)
		return rv;
	if (!!dir + !!vg + !!thin != 1)
		return client_fail(CLI_USAGE, "a pool is made of one of --dir DIR, --vg VG and "
					      "--thin-pool VG/POOL");
	source = dir ? dir : vg ? vg : thin;
	if (!kind)
		kind = dir ? "file-thin" : vg ? "lvm" : "lvm-thin";
	if (!kind_of(kind))
		return client_fail(CLI_USAGE, "--kind is file, file-thin, lvm or lvm-thin, not %s",
				   kind);
	rv = client_call("POST",
			 client_path(path, sizeof(path), "/v1/nodes/%/storage-pools", words[0],
				     NULL),
			 pool_body(words[1], kind_of(kind), source), &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static void size_cell(struct table *t, json *pool, const char *key)
{
	int64_t kib = jget_i64_or(pool, key, -1);
	char size[32];

	if (kib < 0)
		table_cell(t, "unknown");
	else
		table_cell(t, "%s", text_size_kib(kib, size, sizeof(size)));
}

/* all that the node and the leader have to say about it */
static void state_cell(struct table *t, json *reports)
{
	char text[STATE_MAX] = "ok";
	size_t at = 0;

	for (size_t i = 0; i < json_object_array_length(reports) && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? "; " : "",
				       jget_str(json_object_array_get_idx(reports, i), "message",
						""));
	table_cell(t, "%s", text);
}

static void row(struct table *t, json *pool)
{
	json *reports = jget(pool, "reports");

	/* the pool of replicas without a disk says nothing to people */
	if (strcmp(jget_str(pool, "provider_kind", ""), "DISKLESS") == 0)
		return;
	table_cell(t, "%s", jget_str(pool, "node_name", ""));
	table_cell(t, "%s", jget_str(pool, "storage_pool_name", ""));
	table_cell(t, "%s", jget_str(pool, "provider_kind", ""));
	size_cell(t, pool, "free_capacity");
	size_cell(t, pool, "total_capacity");
	table_cell(t, "%s", jget_str(jget(pool, "props"), "StorDriver/StorPoolName", ""));
	if (json_object_is_type(reports, json_type_array))
		state_cell(t, reports);
	else
		table_cell(t, "ok");
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "NODE",   "POOL",   "KIND",  ">FREE",
					     ">TOTAL", "SOURCE", "STATE", NULL };

	return show_list(argc, argv, "pool list", "/v1/view/storage-pools", heads, row);
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "pool delete <node> <name>", "/v1/nodes/%/storage-pools/%",
			   2);
}

const struct cli_verb pool_verbs[] = {
	{ "pool", "create", CREATE_ARGS, "makes something of a node a storage pool", create,
	  "  --dir DIR              absolute path of an existing directory on that node\n"
	  "  --vg VG                an existing volume group of LVM\n"
	  "  --thin-pool VG/POOL    an existing thin pool of LVM: copies take space as they are\n"
	  "                         written, and snapshots are possible\n"
	  "  --kind KIND            in a directory: file (copies take their whole size at once)\n"
	  "                         or file-thin (they grow as they are written; the default)\n\n"
	  "Examples: sdsd pool create n1 ssd --dir /var/lib/sdsd/ssd\n"
	  "          sdsd pool create n1 fast --thin-pool vg0/thin" },
	{ "pool", "list", "", "the storage pools of all nodes", list, NULL },
	{ "pool", "delete", "<node> <name>", "forgets a pool that holds no copies", delete, NULL },
	{ .noun = NULL },
};
