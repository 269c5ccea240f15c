// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume.c - sdsd volume create | adopt | add | grow | list | show | delete |
 * attach | detach | repair | replace | clone | verify. Called by main.c. A volume of
 * the CLI is a resource: mostly with one volume, number 0; further ones are named by
 * --volume.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/text.h"
#include "cli/explain.h"
#include "cli/progress.h"
#include "cli/rules.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "cli/verify.h"

#define CREATE_ARGS                                                                  \
	"<name> <size> " RULES_ARGS " [--group GROUP] [--encrypt] [--luks-discards]" \
	" [--write-cache POOL[:SIZE]] [--read-cache POOL[:SIZE]] [--nvme]"           \
	" [--explain] [--wait]"
#define ADOPT_ARGS "<node> </dev/vg/lv> [--name NAME] [--group GROUP]"
#define ADD_ARGS "<name> <size> [--volume N]"
#define GROW_ARGS "<name> <size> [--volume N]"
#define DELETE_ARGS "<name>... | <name> --volume N"
#define CLONE_ARGS "<name> <new name> [--group GROUP]"
#define CREATE_SPECS 8 /* beside those of rules */
#define CLONE_PAUSE_NS 300000000
#define NUMBER_MAX 65535 /* the daemon knows the real one */
#define GROUP_DEFAULT "DfltRscGrp"
#define LUKS_DISCARDS_PROP "sds/luks-discards"

/* LINSTOR's words for either kind of cache */
struct cache_words {
	const char *layer, *pool, *size;
};
static const struct cache_words write_cache = { ",writecache", "Writecache/PoolName",
						"Writecache/Size" };
static const struct cache_words read_cache = { ",cache", "Cache/CachePool", "Cache/Cachesize" };

struct create_options {
	struct rules_options rules;
	const char *group, *write_cache, *read_cache;
	bool encrypt, luks_discards, nvme, explain, wait;
};

/* NULL: it is to have none */
static const struct cache_words *cache_of(const struct create_options *o)
{
	return o->write_cache ? &write_cache : o->read_cache ? &read_cache : NULL;
}

static int filter_of(const struct create_options *o, json *filter, struct err *err)
{
	const struct cache_words *cache = cache_of(o);
	char layers[48];
	json *nodes;
	int rv = rules_filter(&o->rules, filter, err);

	if (rv < 0)
		return rv;
	nodes = jget(filter, "node_name_list");
	if (nodes && !o->rules.copies) /* whoever names two nodes wants two copies */
		jset_i64(filter, "place_count", (int64_t)json_object_array_length(nodes));
	if (o->nvme || o->encrypt || cache) {
		snprintf(layers, sizeof(layers), "%s%s%s,storage", o->nvme ? "nvme" : "drbd",
			 o->encrypt ? ",luks" : "", cache ? cache->layer : "");
		jset(filter, "layer_stack", show_split(layers));
	}
	return 0;
}

/* POOL[:SIZE], the size as of a volume or "5%" */
static int cache_props(const char *said, const struct cache_words *words, json *props,
		       struct err *err)
{
	const char *size = strchr(said, ':');
	char pool[128], bytes[32];
	int64_t kib;
	int rv;

	snprintf(pool, sizeof(pool), "%.*s", size ? (int)(size - said) : (int)strlen(said), said);
	jset_str(props, words->pool, pool);
	if (!size)
		return 0;
	if (size[1] && size[strlen(size) - 1] == '%') {
		jset_str(props, words->size, size + 1);
		return 0;
	}
	rv = text_parse_size_kib(size + 1, &kib, err);
	if (rv < 0)
		return rv;
	snprintf(bytes, sizeof(bytes), "%lld", (long long)kib * 1024);
	jset_str(props, words->size, bytes);
	return 0;
}

/* *ret: NULL when there is nothing to say */
static int props_of(const struct create_options *o, json **ret, struct err *err)
{
	const struct cache_words *cache = cache_of(o);
	json *props;
	int rv = 0;

	*ret = NULL;
	if (o->write_cache && o->read_cache)
		return err_set(err, -E_INVALID,
			       "--write-cache and --read-cache do not go together");
	if (!cache && !o->luks_discards)
		return 0;
	props = json_object_new_object();
	if (o->luks_discards)
		jset_str(props, LUKS_DISCARDS_PROP, "on");
	if (cache)
		rv = cache_props(o->write_cache ? o->write_cache : o->read_cache, cache, props,
				 err);
	if (rv == 0)
		*ret = props;
	else
		json_object_put(props);
	return rv;
}

/* Says what is there now; the creation itself has succeeded whatever happens here. */
static void show_new(const char *name)
{
	json *doc = NULL, *r;
	char size[32];

	if (client_call("GET", "/v1/sds/status", NULL, &doc) != CLI_OK)
		return;
	r = show_find(doc, name);
	if (r) {
		printf("Volume %s, %s, %lld copies: %s\n", jget_str(r, "name", ""),
		       text_size_kib(jget_i64_or(r, "size_kib", 0), size, sizeof(size)),
		       (long long)jget_i64_or(r, "copies", 0), jget_str(r, "verdict", ""));
		show_replicas(r);
		show_sockets(r);
	}
	json_object_put(doc);
}

static int create(int argc, char **argv)
{
	struct create_options o = { .group = GROUP_DEFAULT };
	struct option_spec specs[RULES_SPECS + CREATE_SPECS] = {
		{ "--group", &o.group, NULL },
		{ "--encrypt", NULL, &o.encrypt },
		{ "--write-cache", &o.write_cache, NULL },
		{ "--read-cache", &o.read_cache, NULL },
		{ "--nvme", NULL, &o.nvme },
		{ "--explain", NULL, &o.explain },
		{ "--wait", NULL, &o.wait },
		{ "--luks-discards", NULL, &o.luks_discards }
	};
	json *body, *sizes, *filter, *doc, *props;
	const char *words[2];
	char path[512];
	int64_t size_kib;
	struct err err;
	int rv;

	rules_specs(&o.rules, specs + CREATE_SPECS);
	rv = show_words(argc, argv, specs, RULES_SPECS + CREATE_SPECS, words, 2,
			"volume create " CREATE_ARGS);
	if (rv != CLI_OK)
		return rv;
	filter = json_object_new_object();
	if (text_parse_size_kib(words[1], &size_kib, &err) < 0 || filter_of(&o, filter, &err) < 0 ||
	    props_of(&o, &props, &err) < 0) {
		json_object_put(filter);
		return client_fail(CLI_USAGE, "%s", err.text);
	}
	sizes = json_object_new_array();
	json_object_array_add(sizes, json_object_new_int64(size_kib));
	if (o.explain)
		return explain_volume(words[0], o.group, sizes, filter, props);
	body = json_object_new_object();
	jset_str(body, "resource_definition_name", words[0]);
	jset(body, "volume_sizes", sizes);
	jset(body, "select_filter", filter);
	if (props)
		jset(body, "resource_definition_props", props);
	rv = client_call("POST",
			 client_path(path, sizeof(path), "/v1/resource-groups/%/spawn", o.group,
				     NULL),
			 body, &doc);
	if (rv != CLI_OK)
		return rv;
	if (o.wait)
		rv = progress_wait_volume(words[0], false, PROGRESS_WAIT_S);
	if (client_settings.json) {
		show_done(doc);
		return rv;
	}
	json_object_put(doc);
	show_new(words[0]);
	return rv;
}

static const char *base_of(const char *device)
{
	const char *slash = strrchr(device, '/');

	return slash ? slash + 1 : device;
}

static int adopt(int argc, char **argv)
{
	const char *words[2], *name = NULL, *group = NULL;
	const struct option_spec specs[] = { { "--name", &name, NULL },
					     { "--group", &group, NULL } };
	json *body, *doc;
	int rv = show_words(argc, argv, specs, 2, words, 2, "volume adopt " ADOPT_ARGS);

	if (rv != CLI_OK)
		return rv;
	body = json_object_new_object();
	jset_str(body, "node", words[0]);
	jset_str(body, "device", words[1]);
	if (name)
		jset_str(body, "name", name);
	if (group)
		jset_str(body, "group", group);
	rv = client_call("POST", "/v1/sds/adopt", body, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json)
		return show_done(doc);
	json_object_put(doc);
	/* of /dev/mapper/... the daemon knows the name, and this finds nothing */
	show_new(name ? name : base_of(words[1]));
	return CLI_OK;
}

/* --volume, -1 when it is not given */
static int number_of(const char *text, int64_t *ret, struct err *err)
{
	*ret = -1;
	return text ? options_number("--volume", text, 0, NUMBER_MAX, ret, err) : 0;
}

/* <name> <size> [--volume N] */
static int size_words(int argc, char **argv, const char *usage, const char **name, int64_t *ret_kib,
		      int64_t *ret_number)
{
	const char *words[2], *number = NULL;
	const struct option_spec specs[] = { { "--volume", &number, NULL } };
	struct err err;
	int rv = show_words(argc, argv, specs, 1, words, 2, usage);

	if (rv != CLI_OK)
		return rv;
	if (text_parse_size_kib(words[1], ret_kib, &err) < 0 ||
	    number_of(number, ret_number, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	*name = words[0];
	return CLI_OK;
}

/* consumes body; then shows the resource as it is now */
static int change(const char *method, const char *path, json *body, const char *name)
{
	json *doc;
	int rv = client_call(method, path, body, &doc);

	if (rv != CLI_OK)
		return rv;
	show_done(doc);
	if (!client_settings.json)
		show_new(name);
	return CLI_OK;
}

static int add(int argc, char **argv)
{
	json *body, *volume;
	int64_t size_kib, number;
	const char *name;
	char path[512];
	int rv = size_words(argc, argv, "volume add " ADD_ARGS, &name, &size_kib, &number);

	if (rv != CLI_OK)
		return rv;
	body = json_object_new_object();
	volume = json_object_new_object();
	jset_i64(volume, "size_kib", size_kib);
	if (number >= 0)
		jset_i64(volume, "volume_number", number);
	jset(body, "volume_definition", volume);
	client_path(path, sizeof(path), "/v1/resource-definitions/%/volume-definitions", name,
		    NULL);
	return change("POST", path, body, name);
}

static int grow(int argc, char **argv)
{
	json *body;
	int64_t size_kib, number;
	const char *name;
	char path[512], text[16];
	int rv = size_words(argc, argv, "volume grow " GROW_ARGS, &name, &size_kib, &number);

	if (rv != CLI_OK)
		return rv;
	body = json_object_new_object();
	jset_i64(body, "size_kib", size_kib);
	snprintf(text, sizeof(text), "%lld", number < 0 ? 0ll : (long long)number);
	client_path(path, sizeof(path), "/v1/resource-definitions/%/volume-definitions/%", name,
		    text);
	return change("PUT", path, body, name);
}

static int list(int argc, char **argv)
{
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, NULL, 0, "volume list");

	if (rv == CLI_OK)
		rv = client_call("GET", "/v1/sds/status", NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	if (client_settings.json)
		client_print_json(json_object_get(jget(doc, "resources")));
	else
		show_volumes(jget(doc, "resources"));
	json_object_put(doc);
	return CLI_OK;
}

static int no_volume(json *doc, const char *name)
{
	json_object_put(doc);
	return client_fail(CLI_FAILED, "there is no volume %s; sdsd volume list shows all", name);
}

static void show_compared(json *scrub)
{
	time_t ended = (time_t)(jget_i64_or(scrub, "ended_ms", 0) / 1000);
	char when[32] = "";
	struct tm tm;

	if (!scrub)
		return;
	localtime_r(&ended, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	printf("Compared %s, %lld regions differ%s\n", when,
	       (long long)jget_i64_or(scrub, "regions_differing", 0),
	       jget_bool(scrub, "failed", false)  ? "; it did not come to its end"
	       : jget_bool(scrub, "again", false) ? "; repaired since"
						  : "");
}

/* a line for each copy that does: in the table there is no room for it */
static void show_catching_up(json *resource)
{
	json *list = jget(resource, "replicas");
	char text[128];

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *r = json_object_array_get_idx(list, i);

		if (jget(r, "progress"))
			printf("Copying  to %s: %s\n", jget_str(r, "node", ""),
			       show_progress(r, text, sizeof(text)));
	}
}

static int show(int argc, char **argv)
{
	const char *words[1];
	char size[32];
	json *doc, *r;
	int rv = show_words(argc, argv, NULL, 0, words, 1, "volume show <name>");

	if (rv == CLI_OK)
		rv = client_call("GET", "/v1/sds/status", NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	r = show_find(doc, words[0]);
	if (!r)
		return no_volume(doc, words[0]);
	if (client_settings.json) {
		client_print_json(json_object_get(r));
		json_object_put(doc);
		return CLI_OK;
	}
	printf("Volume   %s\n", jget_str(r, "name", ""));
	printf("Size     %s\n", text_size_kib(jget_i64_or(r, "size_kib", 0), size, sizeof(size)));
	printf("Verdict  %s\n", jget_str(r, "verdict", ""));
	if (jget_str(r, "reason", "")[0])
		printf("Reason   %s\n", jget_str(r, "reason", ""));
	if (jget_str(r, "next", "")[0])
		printf("Next     %s\n", jget_str(r, "next", ""));
	if (jget_str(r, "upkeep", "")[0])
		printf("Upkeep   %s\n", jget_str(r, "upkeep", ""));
	printf("Writer   %s\n", jget_str(r, "writer", "")[0] ? jget_str(r, "writer", "") : "-");
	printf("Epoch    %lld\n", (long long)jget_i64_or(r, "epoch", 0));
	show_compared(jget(r, "scrub"));
	show_catching_up(r);
	printf("\n");
	show_replicas(r);
	show_sockets(r);
	json_object_put(doc);
	return CLI_OK;
}

/* one of several volumes */
static int delete_one(const char *name, int64_t number)
{
	char path[512], text[16];
	json *doc;
	int rv;

	snprintf(text, sizeof(text), "%lld", (long long)number);
	rv = client_call("DELETE",
			 client_path(path, sizeof(path),
				     "/v1/resource-definitions/%/volume-definitions/%", name, text),
			 NULL, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int delete (int argc, char **argv)
{
	const char *words[OPTIONS_WORDS_MAX], *number_text = NULL;
	const struct option_spec specs[] = { { "--volume", &number_text, NULL } };
	struct err err;
	char path[512];
	int64_t number;
	int n, worst = CLI_OK;

	if (options_parse(argc, argv, specs, 1, words, OPTIONS_WORDS_MAX, &n, &err) < 0 ||
	    number_of(number_text, &number, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	if (n == 0 || (number >= 0 && n > 1))
		return client_fail(CLI_USAGE, "Usage: sdsd volume delete " DELETE_ARGS);
	if (number >= 0)
		return delete_one(words[0], number);
	for (int i = 0; i < n; i++) {
		json *doc;
		int rv = client_call("DELETE",
				     client_path(path, sizeof(path), "/v1/resource-definitions/%",
						 words[i], NULL),
				     NULL, &doc);

		if (rv == CLI_OK)
			rv = show_done(doc);
		if (rv == CLI_UNREACHABLE)
			return rv; /* the others would fail the same way */
		if (rv > worst)
			worst = rv;
	}
	return worst;
}

/* "" when there is none */
static void print_uri(const char *name, const char *node)
{
	json *doc = NULL, *list;

	if (client_call("GET", "/v1/sds/status", NULL, &doc) != CLI_OK)
		return;
	list = jget(show_find(doc, name), "replicas");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *r = json_object_array_get_idx(list, i);

		if (strcasecmp(jget_str(r, "node", ""), node) == 0)
			show_uris(r);
	}
	json_object_put(doc);
}

static int attach(int argc, char **argv)
{
	const char *words[2];
	char path[512];
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, words, 2, "volume attach <name> <node>");

	if (rv == CLI_OK)
		rv = client_call(
			"POST",
			client_path(path, sizeof(path),
				    "/v1/resource-definitions/%/resources/%/make-available",
				    words[0], words[1]),
			NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	show_done(doc);
	if (!client_settings.json)
		print_uri(words[0], words[1]);
	return CLI_OK;
}

/* of one copy */
static int see_to(int argc, char **argv, const char *usage, const char *path)
{
	const char *words[2];
	char text[512];
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, words, 2, usage);

	if (rv == CLI_OK)
		rv = client_call("POST", client_path(text, sizeof(text), path, words[0], words[1]),
				 NULL, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static int repair(int argc, char **argv)
{
	return see_to(argc, argv, "volume repair <name> <node>", "/v1/sds/replicas/%/%/repair");
}

static int replace(int argc, char **argv)
{
	return see_to(argc, argv, "volume replace <name> <node>", "/v1/sds/replicas/%/%/replace");
}

static bool has_flag(json *resource, const char *flag)
{
	json *flags = jget(resource, "flags");

	for (size_t i = 0; flags && i < json_object_array_length(flags); i++) {
		json *one = json_object_array_get_idx(flags, i);

		if (one && strcmp(json_object_get_string(one), flag) == 0)
			return true;
	}
	return false;
}

static int detach(int argc, char **argv)
{
	const char *words[2];
	char path[512];
	json *doc;
	bool diskless;
	int rv = show_words(argc, argv, NULL, 0, words, 2, "volume detach <name> <node>");

	if (rv != CLI_OK)
		return rv;
	client_path(path, sizeof(path), "/v1/resource-definitions/%/resources/%", words[0],
		    words[1]);
	rv = client_call("GET", path, NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	diskless = has_flag(doc, "DISKLESS");
	json_object_put(doc);
	if (!diskless)
		return client_fail(
			CLI_FAILED,
			"%s has a copy of %s: it can be opened there without attach, and "
			"detach removes no copies",
			words[1], words[0]);
	rv = client_call("DELETE", path, NULL, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

static bool is_cloned(const char *path, int *rv)
{
	json *doc = NULL;
	bool done;

	*rv = client_call("GET", path, NULL, &doc);
	done = *rv != CLI_OK || strcmp(jget_str(doc, "status", ""), "CLONING") != 0;
	if (*rv == CLI_OK && strcmp(jget_str(doc, "status", ""), "FAILED") == 0)
		*rv = client_fail(CLI_FAILED,
				  "the snapshot for it could not be taken; the log of the "
				  "leader says why. Delete the new volume and try again");
	json_object_put(doc);
	return done;
}

static int clone(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = CLONE_PAUSE_NS };
	const char *words[2], *group = NULL;
	const struct option_spec specs[] = { { "--group", &group, NULL } };
	char path[512], progress[512];
	json *body, *doc;
	int rv = show_words(argc, argv, specs, 1, words, 2, "volume clone " CLONE_ARGS);

	if (rv != CLI_OK)
		return rv;
	body = json_object_new_object();
	jset_str(body, "name", words[1]);
	if (group)
		jset_str(body, "resource_group", group);
	client_path(path, sizeof(path), "/v1/resource-definitions/%/clone", words[0], NULL);
	client_path(progress, sizeof(progress), "/v1/resource-definitions/%/clone/%", words[0],
		    words[1]);
	rv = client_call("POST", path, body, &doc);
	if (rv != CLI_OK)
		return rv;
	while (!is_cloned(progress, &rv))
		nanosleep(&pause, NULL);
	if (rv != CLI_OK || client_settings.json) {
		if (rv == CLI_OK)
			return show_done(doc);
		json_object_put(doc);
		return rv;
	}
	json_object_put(doc);
	show_new(words[1]);
	return CLI_OK;
}

const struct cli_verb volume_verbs[] = {
	{ "volume", "create", CREATE_ARGS, "makes a replicated volume", create,
	  "  <size>         10G, 512MiB, 1.5T ...\n" RULES_HELP
	  "  --group GROUP  resource group that it is made from (default " GROUP_DEFAULT ")\n"
	  "  --encrypt      LUKS under each copy; see sdsd encryption\n"
	  "  --luks-discards  what is discarded of it gives space back to thin pools, and shows\n"
	  "                 who has a disk which blocks are in use\n"
	  "  --write-cache POOL[:SIZE]  what is written goes to this LVM pool of the node\n"
	  "                 first: 2G, or 10% of the volume (5%)\n"
	  "  --read-cache POOL[:SIZE]  what is read often is kept in this LVM pool of the node,\n"
	  "                 too; the copy is whole without it\n"
	  "  --explain      only shows whether copies could go to each pool, and why not\n"
	  "  --wait         until all its copies are in sync, an hour at most\n\n"
	  "Rules that are not given are the group's; without any, two copies.\n\n"
	  "Example: sdsd volume create db 10G" },
	{ "volume", "adopt", ADOPT_ARGS, "makes an existing logical volume one, with its content",
	  adopt,
	  "  --name NAME    of the new volume (default: the logical volume's)\n"
	  "  --group GROUP  resource group that it is in (default " GROUP_DEFAULT ")\n\n"
	  "The logical volume must be in the volume group (or thin pool) of a pool of that\n"
	  "node, and not open: unmount it first. Nothing of it is copied or written; it becomes\n"
	  "<name>_00000. More copies are added as to any volume. Deleting the volume deletes its\n"
	  "data too, as of any other.\n\n"
	  "Example: sdsd volume adopt alpha /dev/vg0/data --name data" },
	{ "volume", "add", ADD_ARGS, "one more volume beside a present one", add,
	  "  --volume N  its number, 0 to 15 (default: the lowest free one)\n\n"
	  "The volumes of a resource are replicated and fail over as one, so that a crash finds\n"
	  "all of them at the same moment. Each has a socket of its own.\n\n"
	  "Example: sdsd volume add db 5G" },
	{ "volume", "grow", GROW_ARGS, "makes a volume larger, also while it is open", grow,
	  "  <size>      what it shall have in all: 20G\n"
	  "  --volume N  which of several (default 0)\n\n"
	  "Nodes that are away follow when they are back. A volume cannot shrink.\n\n"
	  "Example: sdsd volume grow db 20G" },
	{ "volume", "resize", GROW_ARGS, "the same as grow", grow,
	  "Example: sdsd volume resize db 20G" },
	{ "volume", "clone", CLONE_ARGS, "a second volume with the content that the first has now",
	  clone,
	  "A snapshot is taken for it (see there), and goes when the copies are made.\n\n"
	  "Example: sdsd volume clone db db-test" },
	{ "volume", "verify", VERIFY_ARGS, "compares the copies, also while the volume is used",
	  volume_verify, VERIFY_HELP },
	{ "volume", "list", "", "all volumes and how they stand", list,
	  "Example: sdsd volume list --watch" },
	{ "volume", "show", "<name>", "one volume: its copies, where it can be opened", show,
	  "Example: sdsd volume show db" },
	{ "volume", "delete", DELETE_ARGS, "deletes volumes with all their copies", delete,
	  "  --volume N  only this one of several; number 0 goes last\n\n"
	  "Example: sdsd volume delete db" },
	{ "volume", "attach", "<name> <node>", "lets a node without a copy open the volume", attach,
	  "Example: sdsd volume attach db n3" },
	{ "volume", "detach", "<name> <node>", "takes that back", detach,
	  "Example: sdsd volume detach db n3" },
	{ "volume", "repair", "<name> <node>", "uses a quarantined copy again: its disk is well",
	  repair,
	  "It catches up by what differs. sdsd volume show says why it was left alone.\n\n"
	  "Example: sdsd volume repair db n2" },
	{ "volume", "replace", "<name> <node>", "makes a copy anew at its place", replace,
	  "The old one is deleted; the new one, in the same pool, gets all from the others.\n"
	  "Refused when no other copy is in sync, or when this one is in use.\n\n"
	  "Example: sdsd volume replace db n2" },
	{ .noun = NULL },
};
