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

#define CREATE_ARGS                                                                      \
	"<node> <name> --dir DIR | --vg VG | --thin-pool VG/POOL | --zpool POOL[/FS] | " \
	"--device DEVICE... [--thin] [--kind KIND] [--wipe]"
#define EXTEND_ARGS "<node> <name> --device DEVICE... [--wipe]"
#define REPLACE_ARGS "<node> <name> <old> <new> [--wipe]"
#define DELETE_ARGS "<node> <name> [--destroy]"

#define STATE_MAX 1024

/* the kind's name in the API; NULL: there is no such kind */
static const char *kind_of(const char *text)
{
	static const char *const kinds[][2] = { { "file", "FILE" }, { "file-thin", "FILE_THIN" },
						{ "lvm", "LVM" },   { "lvm-thin", "LVM_THIN" },
						{ "zfs", "ZFS" },   { "zfs-thin", "ZFS_THIN" } };

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

/* Takes every "--device DEVICE" out of the command line: the table of options has no such that
 * may come several times. The caller owns the list. */
static json *take_devices(int *argc, char **argv)
{
	json *list = json_object_new_array();
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		const char *value = NULL;

		if (strncmp(argv[i], "--device=", 9) == 0)
			value = argv[i] + 9;
		else if (strcmp(argv[i], "--device") == 0 && i + 1 < *argc)
			value = argv[++i];
		if (value)
			json_object_array_add(list, json_object_new_string(value));
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return list;
}

/* takes devices; NULL: none */
static void put_devices(json *body, json *devices, bool wipe)
{
	if (!devices)
		return;
	jset(body, "devices", devices);
	jset_bool(body, "wipe", wipe);
}

/* what the options of "pool create" say */
struct making {
	const char *dir, *vg, *thin_pool, *zpool, *kind;
	bool thin, wipe;
};

static const char *source_of(const struct making *m)
{
	return m->dir         ? m->dir
	       : m->vg        ? m->vg
	       : m->thin_pool ? m->thin_pool
	       : m->zpool     ? m->zpool
			      : "";
}

static const char *usual_kind(const struct making *m)
{
	if (m->zpool)
		return m->thin ? "zfs-thin" : "zfs";
	return m->dir ? "file-thin" : m->vg ? "lvm" : "lvm-thin";
}

/* made: of devices */
static int check_making(const struct making *m, bool made)
{
	if (!!m->dir + !!m->vg + !!m->thin_pool + !!m->zpool + made != 1)
		return client_fail(CLI_USAGE,
				   "a pool is made of one of --dir DIR, --vg VG, "
				   "--thin-pool VG/POOL, --zpool POOL and --device DEVICE...");
	if (m->wipe && !made)
		return client_fail(CLI_USAGE, "--wipe is for devices");
	if (m->thin && !m->zpool)
		return client_fail(CLI_USAGE, "--thin is for --zpool; elsewhere --kind says it");
	if (!kind_of(m->kind))
		return client_fail(CLI_USAGE,
				   "--kind is file, file-thin, lvm, lvm-thin, zfs or zfs-thin, not "
				   "%s",
				   m->kind);
	return CLI_OK;
}

static int create(int argc, char **argv)
{
	struct making m = { .dir = NULL };
	const char *words[2];
	const struct option_spec specs[] = { { "--dir", &m.dir, NULL },
					     { "--vg", &m.vg, NULL },
					     { "--thin-pool", &m.thin_pool, NULL },
					     { "--zpool", &m.zpool, NULL },
					     { "--kind", &m.kind, NULL },
					     { "--thin", NULL, &m.thin },
					     { "--wipe", NULL, &m.wipe } };
	json *doc, *body, *devices = take_devices(&argc, argv);
	char path[512];
	int rv = show_words(argc, argv, specs, 7, words, 2, "pool create " CREATE_ARGS);
	bool made = json_object_array_length(devices) > 0;

	if (!m.kind)
		m.kind = usual_kind(&m);
	if (rv == CLI_OK)
		rv = check_making(&m, made);
	if (rv != CLI_OK) {
		json_object_put(devices);
		return rv;
	}
	body = pool_body(words[1], kind_of(m.kind), source_of(&m));
	put_devices(body, made ? devices : NULL, m.wipe);
	if (!made)
		json_object_put(devices);
	rv = client_call("POST",
			 client_path(path, sizeof(path), "/v1/nodes/%/storage-pools", words[0],
				     NULL),
			 body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int extend(int argc, char **argv)
{
	const char *words[2];
	bool wipe = false;
	const struct option_spec specs[] = { { "--wipe", NULL, &wipe } };
	json *doc, *body = json_object_new_object(), *devices = take_devices(&argc, argv);
	char path[512];
	int rv = show_words(argc, argv, specs, 1, words, 2, "pool extend " EXTEND_ARGS);

	if (rv == CLI_OK && json_object_array_length(devices) == 0)
		rv = client_fail(CLI_USAGE, "by what? --device DEVICE");
	put_devices(body, devices, wipe);
	if (rv != CLI_OK) {
		json_object_put(body);
		return rv;
	}
	rv = client_call("POST",
			 client_path(path, sizeof(path), "/v1/sds/pools/%/%/extend", words[0],
				     words[1]),
			 body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int replace(int argc, char **argv)
{
	const char *words[4];
	bool wipe = false;
	const struct option_spec specs[] = { { "--wipe", NULL, &wipe } };
	json *doc, *body;
	char path[512];
	int rv = show_words(argc, argv, specs, 1, words, 4, "pool replace-disk " REPLACE_ARGS);

	if (rv != CLI_OK)
		return rv;
	body = json_object_new_object();
	jset_str(body, "old", words[2]);
	jset_str(body, "new", words[3]);
	jset_bool(body, "wipe", wipe);
	rv = client_call("POST",
			 client_path(path, sizeof(path), "/v1/sds/pools/%/%/replace", words[0],
				     words[1]),
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
	bool destroy = false;
	const struct option_spec specs[] = { { "--destroy", NULL, &destroy } };
	const char *words[2];
	char path[512];
	json *doc;
	int rv = show_words(argc, argv, specs, 1, words, 2, "pool delete " DELETE_ARGS);

	if (rv == CLI_OK)
		rv = client_call("DELETE",
				 client_path(path, sizeof(path),
					     destroy ? "/v1/nodes/%/storage-pools/%?destroy=true"
						     : "/v1/nodes/%/storage-pools/%",
					     words[0], words[1]),
				 NULL, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

const struct cli_verb pool_verbs[] = {
	{ "pool", "create", CREATE_ARGS, "makes something of a node a storage pool", create,
	  "  --dir DIR              absolute path of an existing directory on that node\n"
	  "  --vg VG                an existing volume group of LVM\n"
	  "  --thin-pool VG/POOL    an existing thin pool of LVM: copies take space as they are\n"
	  "                         written, and snapshots are possible\n"
	  "  --zpool POOL[/FS]      an existing zpool of ZFS, or a file system in it; copies take\n"
	  "                         their whole size at once, or with --thin as they are written\n"
	  "  --device DEVICE        a disk or partition of it (sdsd disk list), can be given\n"
	  "                         several times; sdsd makes a volume group of them, and a thin\n"
	  "                         pool in it unless --kind is lvm; a zpool with --kind zfs or\n"
	  "                         zfs-thin\n"
	  "  --wipe                 what is on the devices may be erased; what is mounted or held\n"
	  "                         by something is refused all the same\n"
	  "  --kind KIND            in a directory: file (copies take their whole size at once)\n"
	  "                         or file-thin (they grow as they are written; the default)\n\n"
	  "Examples: sdsd pool create n1 ssd --dir /var/lib/sdsd/ssd\n"
	  "          sdsd pool create n1 fast --thin-pool vg0/thin\n"
	  "          sdsd pool create n1 disks --device /dev/sdb --device /dev/sdc" },
	{ "pool", "list", "", "the storage pools of all nodes", list, "Example: sdsd pool list" },
	{ "pool", "extend", EXTEND_ARGS, "adds disks to a pool that was made of devices", extend,
	  "  --wipe  what is on the devices may be erased\n\n"
	  "The node does it when it is there; sdsd pool list shows how far it is.\n\n"
	  "Example: sdsd pool extend n1 ssd --device /dev/sdd" },
	{ "pool", "replace-disk", REPLACE_ARGS,
	  "moves what is on one disk of such a pool to another and takes the old one out", replace,
	  "  --wipe  what is on the new one may be erased\n\n"
	  "Volumes stay in use meanwhile. The old disk must still be readable, and is empty then;\n"
	  "sdsd pool list shows how far it is.\n\n"
	  "Example: sdsd pool replace-disk n1 ssd /dev/sdb /dev/sdd" },
	{ "pool", "delete", DELETE_ARGS, "forgets a pool that holds no copies", delete,
	  "  --destroy  of a pool that was made of devices: removes the volume group, too, so\n"
	  "             that the devices are empty. Refused when something else is in it.\n\n"
	  "Example: sdsd pool delete n1 ssd" },
	{ .noun = NULL },
};
