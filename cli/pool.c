// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pool.c - sdsd pool create | list | delete: where copies live. Called by main.c.
 */
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define CREATE_ARGS "<node> <name> --dir DIR [--kind file|file-thin]"

static const char *kind_of(const char *text)
{
	if (strcmp(text, "file") == 0)
		return "FILE";
	if (strcmp(text, "file-thin") == 0)
		return "FILE_THIN";
	return NULL;
}

static int create(int argc, char **argv)
{
	const char *words[2], *dir = NULL, *kind = "file-thin";
	const struct option_spec specs[] = { { "--dir", &dir, NULL }, { "--kind", &kind, NULL } };
	json *body, *props, *doc;
	char path[512];
	int rv = show_words(argc, argv, specs, 2, words, 2, "pool create " CREATE_ARGS);

	if (rv != CLI_OK)
		return rv;
	if (!dir)
		return client_fail(CLI_USAGE, "a pool needs its directory: --dir DIR");
	if (!kind_of(kind))
		return client_fail(CLI_USAGE, "--kind is file or file-thin, not %s", kind);
	body = json_object_new_object();
	props = json_object_new_object();
	jset_str(props, "StorDriver/FileDir", dir);
	jset_str(body, "storage_pool_name", words[1]);
	jset_str(body, "provider_kind", kind_of(kind));
	jset(body, "props", props);
	rv = client_call("POST",
			 client_path(path, sizeof(path), "/v1/nodes/%/storage-pools", words[0],
				     NULL),
			 body, &doc);
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

static void row(struct table *t, json *pool)
{
	json *report = json_object_array_get_idx(jget(pool, "reports"), 0);

	/* the pool of replicas without a disk says nothing to people */
	if (strcmp(jget_str(pool, "provider_kind", ""), "DISKLESS") == 0)
		return;
	table_cell(t, "%s", jget_str(pool, "node_name", ""));
	table_cell(t, "%s", jget_str(pool, "storage_pool_name", ""));
	table_cell(t, "%s", jget_str(pool, "provider_kind", ""));
	size_cell(t, pool, "free_capacity");
	size_cell(t, pool, "total_capacity");
	table_cell(t, "%s", jget_str(jget(pool, "props"), "StorDriver/FileDir", ""));
	table_cell(t, "%s", report ? jget_str(report, "message", "") : "ok");
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "NODE",   "POOL",      "KIND",  ">FREE",
					     ">TOTAL", "DIRECTORY", "STATE", NULL };

	return show_list(argc, argv, "pool list", "/v1/view/storage-pools", heads, row);
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "pool delete <node> <name>", "/v1/nodes/%/storage-pools/%",
			   2);
}

const struct cli_verb pool_verbs[] = {
	{ "pool", "create", CREATE_ARGS, "makes a directory of a node a storage pool", create,
	  "  --dir DIR              absolute path of an existing directory on that node\n"
	  "  --kind file            copies take their whole size at once\n"
	  "  --kind file-thin       copies grow as they are written (default)\n\n"
	  "Example: sdsd pool create n1 ssd --dir /var/lib/sdsd/ssd" },
	{ "pool", "list", "", "the storage pools of all nodes", list, NULL },
	{ "pool", "delete", "<node> <name>", "forgets a pool that holds no copies", delete, NULL },
	{ .noun = NULL },
};
