// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm_tool.c - see lvm_tool.h. Called by lvm_pair.c, lvm.c and lvm_thin.c.
 *
 * What is told to LVM with each command (LVM_CONFIG), beside the machine's own
 * lvm.conf: our devices are not looked at (reads of one that waits for a writer
 * or a network would hang the command, and the content of volumes may look like
 * a volume group); nor are logical volumes and volumes of ZFS, which have such
 * content too; reports have the form that lvm_report.c reads, whatever the
 * machine's default is.
 * devices/filter is taken for this, so that a global_filter of the machine counts
 * as well. Hints are for commands that see the same devices: we neither use nor
 * write them.
 */
#include "storage/lvm_tool.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/nvme.h"
#include "storage/tool.h"

/* %s: more that is rejected */
#define LVM_CONFIG                                                                             \
	"devices { filter = [%s \"r|^/dev/rvol.*|\", \"r|^/dev/drbd.*|\", \"r|^/dev/nbd.*|\"," \
	" \"r|^/dev/mapper/sdsd-.*|\", \"r|^/dev/zd.*|\", \"r|^/dev/zvol/.*|\" ]"              \
	" scan_lvs = 0 hints = \"none\" }"                                                     \
	" log { report_command_log = 0 }"                                                      \
	" report { compact_output = 0 compact_output_cols = \"\" list_item_separator = \",\""  \
	" binary_values_as_numeric = 0 }"

#define WORDS_MAX 48
#define NVME_NAMES_MAX 3072 /* of volumes by NVMe: of a few hundred */
#define CONFIG_MAX 4096
#define PATH_MAX_LVM (2 * LVM_NAME_MAX + 2)
#define SELECT_MAX (LVM_LOOK_MAX * (LVM_NAME_MAX + 20))

/* a command line; the words are borrowed */
struct words {
	const char *v[WORDS_MAX + 1];
	int n;
	char config[CONFIG_MAX];
};

static void put(struct words *w, const char *word)
{
	assert(w->n < WORDS_MAX);
	w->v[w->n++] = word;
	w->v[w->n] = NULL;
}

/* What is reached by NVMe has names as any other disk has, and to read it waits while its node is
 * away: it is left out by name. */
static void put_config(struct words *w)
{
	char names[NVME_NAMES_MAX], reject[NVME_NAMES_MAX + 40] = "";

	if (nvme_ours("", names, sizeof(names)) > 0)
		snprintf(reject, sizeof(reject), "\"r#^/dev/(%s)(p[0-9]+)?$#\", ", names);
	snprintf(w->config, sizeof(w->config), LVM_CONFIG, reject);
	put(w, w->config);
}

static void begin(struct words *w, const char *tool)
{
	w->n = 0;
	put(w, tool);
	put(w, "--config");
	put_config(w);
}

static void put_report(struct words *w, const char *fields)
{
	put(w, "--reportformat");
	put(w, "json");
	put(w, "--units");
	put(w, "b");
	put(w, "--nosuffix");
	put(w, "-o");
	put(w, fields);
}

/* --- names ---------------------------------------------------------------- */

static size_t name_len(const char *text)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_.-";
	size_t len = strspn(text, allowed);
	bool dots = (len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' && text[1] == '.');

	return text[0] == '-' || dots || len > LVM_NAME_MAX ? 0 : len;
}

int lvm_source_parse(const char *source, struct lvm_source *ret)
{
	size_t group = name_len(source), pool = 0;

	if (group == 0 || (source[group] && source[group] != '/'))
		return -E_INVALID;
	if (source[group]) {
		pool = name_len(source + group + 1);
		if (pool == 0 || source[group + 1 + pool])
			return -E_INVALID;
	}
	snprintf(ret->group, sizeof(ret->group), "%.*s", (int)group, source);
	snprintf(ret->pool, sizeof(ret->pool), "%.*s", (int)pool, pool ? source + group + 1 : "");
	return 0;
}

static struct lvm_source source_of(const struct storage_pool *p)
{
	struct lvm_source s;
	int rv = lvm_source_parse(p->source, &s);

	assert(rv == 0); /* the front door has asked check() */
	return s;
}

static void path_of(const struct storage_pool *p, const char *name, char out[PATH_MAX_LVM])
{
	struct lvm_source s = source_of(p);

	snprintf(out, PATH_MAX_LVM, "%s/%s", s.group, name);
}

/* --- running -------------------------------------------------------------- */

static int run(const struct storage_pool *p, const struct words *w, int deadline_ms, json **ret,
	       struct err *err)
{
	struct err why = { 0 };
	int rv = tool_run(p, w->v, deadline_ms, ret, &why);

	if (rv == -EIO)
		rv = lvm_meaning(why.text, rv);
	return rv < 0 ? err_set(err, rv, "%s", why.text) : 0;
}

static int change(const struct storage_pool *p, const struct words *w, struct err *err)
{
	return run(p, w, TOOL_CHANGE_MS, NULL, err);
}

int lvm_run(const struct storage_pool *p, const char *const argv[], int deadline_ms, json **ret,
	    struct err *err)
{
	struct words w;

	begin(&w, argv[0]);
	for (int i = 1; argv[i]; i++)
		put(&w, argv[i]);
	return run(p, &w, deadline_ms, ret, err);
}

/* --- looking -------------------------------------------------------------- */

static int about_report(const struct storage_pool *p, int rv, const struct err *why,
			struct err *err)
{
	return rv < 0 ? err_set(err, rv, "pool %s: %s", p->name, why->text) : 0;
}

int lvm_look(const struct storage_pool *p, const char *const names[], int n, struct lvm_lv ret[],
	     struct err *err)
{
	struct lvm_source s = source_of(p);
	char select[SELECT_MAX] = "";
	struct err why = { 0 };
	struct words w;
	size_t at = 0;
	json *report;
	int rv;

	assert(n > 0 && n <= LVM_LOOK_MAX);
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(select + at, sizeof(select) - at, "%slv_name=\"%s\"",
				       i ? " || " : "", names[i]);
	begin(&w, "lvs");
	put_report(&w, LVM_LV_FIELDS);
	put(&w, "--select");
	put(&w, select);
	put(&w, s.group);
	rv = run(p, &w, TOOL_QUERY_MS, &report, err);
	if (rv < 0)
		return rv;
	rv = lvm_report_lvs(report, names, n, ret, &why);
	json_object_put(report);
	return about_report(p, rv, &why, err);
}

int lvm_group_look(const struct storage_pool *p, struct lvm_group *ret, struct err *err)
{
	struct lvm_source s = source_of(p);
	struct err why = { 0 };
	struct words w;
	json *report;
	int rv;

	begin(&w, "vgs");
	put_report(&w, LVM_GROUP_FIELDS);
	put(&w, s.group);
	rv = run(p, &w, TOOL_QUERY_MS, &report, err);
	if (rv < 0)
		return rv;
	rv = lvm_report_group(report, ret, &why);
	json_object_put(report);
	return about_report(p, rv, &why, err);
}

/* --- changing ------------------------------------------------------------- */

/* -y answers two questions only: whether signatures that were found on a volume just made are to be
 * wiped, and whether an active volume that we name may go. */
int lvm_make(const struct storage_pool *p, const struct lvm_new *o, struct err *err)
{
	struct lvm_source s = source_of(p);
	char path[PATH_MAX_LVM], size[32];
	struct words w;

	snprintf(size, sizeof(size), "%llub", (unsigned long long)o->size_bytes);
	begin(&w, "lvcreate");
	put(&w, "-y");
	put(&w, "-n");
	put(&w, o->name);
	for (int i = 0; i < o->n_tags; i++) {
		put(&w, "--addtag");
		put(&w, o->tag[i]);
	}
	put(&w, "-k");
	put(&w, o->inactive ? "y" : "n");
	if (o->of) {
		path_of(p, o->of, path);
		put(&w, "-s");
		put(&w, path);
		return change(p, &w, err);
	}
	put(&w, "--type");
	put(&w, s.pool[0] ? "thin" : "linear");
	put(&w, s.pool[0] ? "-V" : "-L");
	put(&w, size);
	if (s.pool[0]) {
		put(&w, "--thinpool");
		put(&w, s.pool);
	} else {
		/* before anybody else, udev for one, takes the old content for something */
		put(&w, "-W");
		put(&w, "y");
		put(&w, "-Z");
		put(&w, "y");
	}
	put(&w, s.group);
	return change(p, &w, err);
}

int lvm_extend(const struct storage_pool *p, const char *name, uint64_t size_bytes, struct err *err)
{
	char path[PATH_MAX_LVM], size[32];
	struct words w;

	path_of(p, name, path);
	snprintf(size, sizeof(size), "%llub", (unsigned long long)size_bytes);
	begin(&w, "lvextend");
	put(&w, "-L");
	put(&w, size);
	put(&w, path);
	return change(p, &w, err);
}

static int change_all(const struct storage_pool *p, const char *const options[],
		      const char *const names[], int n, struct err *err)
{
	char path[LVM_LOOK_MAX][PATH_MAX_LVM];
	struct words w;

	assert(n > 0 && n <= LVM_LOOK_MAX);
	begin(&w, "lvchange");
	for (int i = 0; options[i]; i++)
		put(&w, options[i]);
	for (int i = 0; i < n; i++) {
		path_of(p, names[i], path[i]);
		put(&w, path[i]);
	}
	return change(p, &w, err);
}

int lvm_activate(const struct storage_pool *p, const char *const names[], int n, struct err *err)
{
	static const char *const options[] = { "-a", "y", "-K", NULL };

	return change_all(p, options, names, n, err);
}

int lvm_refresh(const struct storage_pool *p, const char *const names[], int n, struct err *err)
{
	static const char *const options[] = { "--refresh", NULL };

	return change_all(p, options, names, n, err);
}

int lvm_nodes(const struct storage_pool *p, struct err *err)
{
	struct lvm_source s = source_of(p);
	struct words w;

	begin(&w, "vgmknodes");
	put(&w, s.group);
	return change(p, &w, err);
}

int lvm_untag(const struct storage_pool *p, const char *name, const char *tag, struct err *err)
{
	const char *const options[] = { "--deltag", tag, NULL };

	return change_all(p, options, &name, 1, err);
}

int lvm_add_tags(const struct storage_pool *p, const char *name, const char *const tags[], int n,
		 struct err *err)
{
	char path[PATH_MAX_LVM];
	struct words w;

	path_of(p, name, path);
	begin(&w, "lvchange");
	for (int i = 0; i < n; i++) {
		put(&w, "--addtag");
		put(&w, tags[i]);
	}
	put(&w, path);
	return change(p, &w, err);
}

int lvm_rename(const struct storage_pool *p, const char *name, const char *to, struct err *err)
{
	struct lvm_source s = source_of(p);
	struct words w;

	begin(&w, "lvrename");
	put(&w, s.group);
	put(&w, name);
	put(&w, to);
	return change(p, &w, err);
}

int lvm_remove(const struct storage_pool *p, const char *name, struct err *err)
{
	char path[PATH_MAX_LVM];
	struct words w;

	path_of(p, name, path);
	begin(&w, "lvremove");
	put(&w, "-y");
	put(&w, path);
	return change(p, &w, err);
}
