// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * snapshot.c - sdsd snapshot create | list | schedule | restore | rollback | delete. Called by
 * main.c. A restore is three requests, as LINSTOR's clients make them.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define CREATE_ARGS "<volume> <snapshot> [--with A,B]"
#define RESTORE_ARGS "<volume> <snapshot> <new volume> [--nodes A,B] [--group GROUP]"
#define SCHEDULE_ARGS "<volume> <every>|off [--keep N]"
#define NAMES_TEXT_MAX 4096

static json *one_of(const char *volume, const char *name)
{
	json *o = json_object_new_object();

	jset_str(o, "resource_name", volume);
	jset_str(o, "name", name);
	return o;
}

static int create(int argc, char **argv)
{
	const char *words[2], *with = NULL;
	const struct option_spec specs[] = { { "--with", &with, NULL } };
	json *body, *list, *others, *doc;
	char path[512];
	int rv = show_words(argc, argv, specs, 1, words, 2, "snapshot create " CREATE_ARGS);

	if (rv != CLI_OK)
		return rv;
	body = json_object_new_object();
	if (!with) {
		jset_str(body, "name", words[1]);
		rv = client_call("POST",
				 client_path(path, sizeof(path),
					     "/v1/resource-definitions/%/snapshots", words[0],
					     NULL),
				 body, &doc);
		return rv == CLI_OK ? show_done(doc) : rv;
	}
	list = json_object_new_array();
	json_object_array_add(list, one_of(words[0], words[1]));
	others = show_split(with);
	for (size_t i = 0; i < json_object_array_length(others); i++)
		json_object_array_add(
			list, one_of(json_object_get_string(json_object_array_get_idx(others, i)),
				     words[1]));
	json_object_put(others);
	jset(body, "snapshots", list);
	rv = client_call("POST", "/v1/actions/snapshot/multi", body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

/* "n1, n2" of a list of texts */
static const char *joined(json *list, char *out, size_t len)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && used < len; i++)
		used += (size_t)snprintf(
			out + used, len - used, "%s%s", i ? ", " : "",
			json_object_get_string(json_object_array_get_idx(list, i)));
	return out;
}

static int64_t size_of(json *snapshot)
{
	json *volumes = jget(snapshot, "volume_definitions");
	int64_t kib = 0;

	for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++)
		kib += jget_i64_or(json_object_array_get_idx(volumes, i), "size_kib", 0);
	return kib;
}

static void row(struct table *t, json *s)
{
	json *first = json_object_array_get_idx(jget(s, "snapshots"), 0);
	json *flags = jget(s, "flags");
	time_t made = (time_t)(jget_i64_or(first, "create_timestamp", 0) / 1000);
	char text[NAMES_TEXT_MAX];
	struct tm local;

	table_cell(t, "%s", jget_str(s, "resource_name", ""));
	table_cell(t, "%s", jget_str(s, "name", ""));
	table_cell(t, "%s", text_size_kib(size_of(s), text, sizeof(text)));
	if (!first || !localtime_r(&made, &local) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0)
		text[0] = '\0';
	table_cell(t, "%s", text);
	table_cell(t, "%s", joined(jget(s, "nodes"), text, sizeof(text)));
	table_cell(t, "%s", flags && json_object_array_length(flags) > 0 ? "ok" : "being taken");
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "VOLUME", "SNAPSHOT", ">SIZE", "TAKEN",
					     "ON",     "STATE",    NULL };

	return show_list(argc, argv, "snapshot list", "/v1/view/snapshots", heads, row);
}

static int define(const char *name, const char *group)
{
	json *body = json_object_new_object(), *definition = json_object_new_object();

	jset_str(definition, "name", name);
	if (group)
		jset_str(definition, "resource_group_name", group);
	jset(body, "resource_definition", definition);
	return client_call("POST", "/v1/resource-definitions", body, NULL);
}

static int restore_step(const char *what, const char *const words[3], const char *nodes, json **ret)
{
	json *body = json_object_new_object();
	char pattern[128], path[512];

	snprintf(pattern, sizeof(pattern), "/v1/resource-definitions/%%/%s/%%", what);
	jset_str(body, "to_resource", words[2]);
	if (nodes)
		jset(body, "nodes", show_split(nodes));
	return client_call("POST", client_path(path, sizeof(path), pattern, words[0], words[1]),
			   body, ret);
}

/* What was made of the new volume goes again when a later step is refused. */
static int restore(int argc, char **argv)
{
	const char *words[3], *nodes = NULL, *group = NULL;
	const struct option_spec specs[] = { { "--nodes", &nodes, NULL },
					     { "--group", &group, NULL } };
	char path[512];
	json *doc;
	int rv = show_words(argc, argv, specs, 2, words, 3, "snapshot restore " RESTORE_ARGS);

	if (rv == CLI_OK)
		rv = define(words[2], group);
	if (rv != CLI_OK)
		return rv;
	rv = restore_step("snapshot-restore-volume-definition", words, NULL, NULL);
	if (rv == CLI_OK)
		rv = restore_step("snapshot-restore-resource", words, nodes, &doc);
	if (rv == CLI_OK)
		return show_done(doc);
	client_call("DELETE",
		    client_path(path, sizeof(path), "/v1/resource-definitions/%", words[2], NULL),
		    NULL, NULL);
	return rv;
}

static int schedule(int argc, char **argv)
{
	const char *words[2], *keep = NULL;
	const struct option_spec specs[] = { { "--keep", &keep, NULL } };
	json *body, *props, *doc;
	char path[512];
	int rv = show_words(argc, argv, specs, 1, words, 2, "snapshot schedule " SCHEDULE_ARGS);

	if (rv != CLI_OK)
		return rv;
	body = json_object_new_object();
	props = json_object_new_object();
	jset_str(props, "sds/snapshot-every", words[1]);
	if (keep)
		jset_str(props, "sds/snapshot-keep", keep);
	jset(body, "override_props", props);
	rv = client_call("PUT",
			 client_path(path, sizeof(path), "/v1/resource-definitions/%", words[0],
				     NULL),
			 body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int rollback(int argc, char **argv)
{
	const char *words[2];
	char path[512];
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, words, 2, "snapshot rollback <volume> <snapshot>");

	if (rv != CLI_OK)
		return rv;
	rv = client_call("POST",
			 client_path(path, sizeof(path),
				     "/v1/resource-definitions/%/snapshot-rollback/%", words[0],
				     words[1]),
			 json_object_new_object(), &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int delete (int argc, char **argv)
{
	return show_delete(argc, argv, "snapshot delete <volume> <snapshot>",
			   "/v1/resource-definitions/%/snapshots/%", 2);
}

const struct cli_verb snapshot_verbs[] = {
	{ "snapshot", "create", CREATE_ARGS, "takes a snapshot on all copies at one moment", create,
	  "Writes are held back while it is taken, for 2 s at most (property sds/freeze-ms of\n"
	  "the volume or its group); when that is not enough it fails, and writes go on.\n\n"
	  "  --with A,B             of these volumes, too, at the same moment\n\n"
	  "The pools of the copies must be able to: thin pools of LVM, directories of a file\n"
	  "system that can share blocks (xfs, btrfs).\n\n"
	  "Example: sdsd snapshot create db before-upgrade" },
	{ "snapshot", "list", "", "all snapshots, and the nodes that have them", list,
	  "Example: sdsd snapshot list" },
	{ "snapshot", "restore", RESTORE_ARGS, "makes a new volume from a snapshot", restore,
	  "  --nodes A,B            copies on these nodes, which have the snapshot (default: all)\n"
	  "  --group GROUP          of the new volume\n\n"
	  "Example: sdsd snapshot restore db before-upgrade db-test" },
	{ "snapshot", "rollback", "<volume> <snapshot>",
	  "a volume that nobody has open goes back to a snapshot", rollback,
	  "What was written since is lost. The snapshot stays.\n\n"
	  "Example: sdsd snapshot rollback db before-upgrade" },
	{ "snapshot", "schedule", SCHEDULE_ARGS, "takes snapshots of a volume by the clock",
	  schedule,
	  "  <every>                60s to 366d, such as 15m, 1h, 7d; off: no more\n"
	  "  --keep N               so many are kept, the oldest go (default 10)\n\n"
	  "The first is taken at once. For all volumes of a group set the properties\n"
	  "sds/snapshot-every and sds/snapshot-keep of the group.\n\n"
	  "Example: sdsd snapshot schedule db 1h --keep 24" },
	{ "snapshot", "delete", "<volume> <snapshot>", "deletes a snapshot", delete,
	  "Example: sdsd snapshot delete db before-upgrade" },
	{ .noun = NULL },
};
