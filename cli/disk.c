// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk.c - sdsd disk list: what pools can be made of. Called by main.c.
 */
#include <stdint.h>

#include "base/text.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

static void row(struct table *t, json *disk)
{
	const char *reason = jget_str(disk, "reason", "");
	int64_t bytes = jget_i64_or(disk, "size_bytes", 0);
	char size[32];

	table_cell(t, "%s", jget_str(disk, "node", ""));
	if (!jget(disk, "device")) {
		for (int i = 0; i < 4; i++)
			table_cell(t, "?");
		table_cell(t, "unknown: the node does not report");
		return;
	}
	table_cell(t, "%s", jget_str(disk, "device", ""));
	table_cell(t, "%s", text_size_kib(bytes / 1024, size, sizeof(size)));
	table_cell(t, "%s", jget_str(disk, "model", ""));
	table_cell(t, "%s", jget_str(disk, "content", ""));
	if (!reason[0])
		table_cell(t, "yes");
	else if (jget_bool(disk, "wipeable", false))
		table_cell(t, "with --wipe: %s", reason);
	else
		table_cell(t, "no: %s", reason);
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "NODE",    "DEVICE", ">SIZE", "MODEL",
					     "CONTENT", "USABLE", NULL };
	const char *node = NULL;
	const struct option_spec specs[] = { { "--node", &node, NULL } };
	char path[512] = "/v1/sds/disks";
	int rv = show_words(argc, argv, specs, 1, NULL, 0, "disk list [--node NODE]");

	if (rv != CLI_OK)
		return rv;
	if (node)
		client_path(path, sizeof(path), "/v1/sds/disks?nodes=%", node, NULL);
	return show_table(path, heads, row);
}

const struct cli_verb disk_verbs[] = {
	{ "disk", "list", "[--node NODE]",
	  "the block devices of the nodes, what is on them, and whether they are usable", list,
	  "  --node NODE  of this node only\n\n"
	  "Usable means: sdsd pool create NODE POOL --device DEVICE makes a pool of it.\n\n"
	  "Example: sdsd disk list --node n1" },
	{ .noun = NULL },
};
