// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm_devices.c - makes, extends and removes the volume group, and the thin pool
 * in it, of a pool that sdsd makes of devices. Called through the table of
 * backends, in a worker thread, again and again until it succeeds.
 *
 * What is ours is known at each moment of a crash: physical volumes by the
 * beginning of their uuid (lvm_mark), which pvcreate writes with the label; the
 * group by its tag, which vgcreate writes with the group; all that is in such a
 * group while it is being made, as nobody was told of it yet. Nothing else is
 * touched. All devices are judged before the first is touched.
 *
 * Data is moved off a disk by LVM itself, in the background: we start that, look
 * how far it is, and take the disk out when nothing of it is used any more.
 */
#include "storage/lvm_devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "storage/lvm_tool.h"
#include "storage/step.h"
#include "storage/tool.h"

#define TAG_LEN 64

struct device {
	struct disk d;
	const char *asked; /* as it was named */
	bool ours, wipe;
};
struct work {
	const struct storage_pool *p;
	const struct storage_task *t;
	struct lvm_source source;
	char tag[TAG_LEN], mark[LVM_MARK_LEN + 1];
	struct device device[STORAGE_DEVICES_MAX]; /* t->n of them */
};

static int run(const struct work *w, const char *const argv[], json **ret, struct err *err)
{
	return lvm_run(w->p, argv, ret ? TOOL_QUERY_MS : TOOL_CHANGE_MS, ret, err);
}

#define RUN(w, err, ...) run(w, (const char *const[]){ __VA_ARGS__, NULL }, NULL, err)
#define ASK(w, ret, err, ...) run(w, (const char *const[]){ __VA_ARGS__, NULL }, ret, err)
#define REPORT "--reportformat", "json", "--units", "b", "--nosuffix"

/* --- what is there ---------------------------------------------------------- */

/* the rows of a report, borrowed; NULL: it has none, or there is no report */
static json *rows_of(json *report, const char *kind)
{
	json *all = jget(report, "report"), *rows;

	if (!json_object_is_type(all, json_type_array))
		return NULL;
	rows = jget(json_object_array_get_idx(all, 0), kind);
	return json_object_is_type(rows, json_type_array) ? rows : NULL;
}

static size_t len_of(json *rows)
{
	return rows ? json_object_array_length(rows) : 0;
}

static json *first_row(json *report, const char *kind)
{
	json *rows = rows_of(report, kind);

	return rows ? json_object_array_get_idx(rows, 0) : NULL;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool has_tag(const char *tags, const char *tag)
{
	size_t len = strlen(tag);

	while (*tags) {
		size_t n = strcspn(tags, ",");

		if (n == len && strncmp(tags, tag, n) == 0)
			return true;
		tags += n + (tags[n] == ',');
	}
	return false;
}

/* 1: there is a group of this name and it is ours; 0: there is none; -E_EXISTS: somebody else's */
static int find_group(const struct work *w, struct err *err)
{
	const char *name = w->source.group, *tags;
	json *report = NULL, *row;
	int rv = ASK(w, &report, err, "vgs", REPORT, "-o", "vg_name,vg_tags", name);

	if (rv == -ENOENT)
		return 0;
	if (rv < 0)
		return rv;
	row = first_row(report, "vg");
	tags = jget_str(row, "vg_tags", "");
	rv = has_tag(tags, w->tag) ? 1 : 0;
	if (!rv)
		rv = err_set(err, -E_EXISTS,
			     "pool %s: there is a volume group %s already, and it is not this "
			     "pool's",
			     w->p->name, name);
	json_object_put(report);
	return rv;
}

/* all physical volumes that LVM knows; the caller puts *ret */
static int find_pvs(const struct work *w, json **ret, struct err *err)
{
	return ASK(w, ret, err, "pvs", REPORT, "-o", "pv_name,pv_uuid,vg_name,pv_used");
}

/* the row of a physical volume, borrowed; pv without hyphens */
static json *pv_row(json *report, const char *pv)
{
	json *rows = rows_of(report, "pv");
	char plain[DISK_PV_LEN + 1];

	for (size_t i = 0; i < len_of(rows); i++) {
		json *row = json_object_array_get_idx(rows, i);

		if (disk_pv_parse(jget_str(row, "pv_uuid", ""), plain) && strcmp(plain, pv) == 0)
			return row;
	}
	return NULL;
}

/* --- judging ---------------------------------------------------------------- */

static int refuse(const struct device *v, bool hint, struct err *err)
{
	return err_set(err, -E_IN_USE, "device %s: %s%s", v->asked, v->d.reason,
		       hint ? "; asked to wipe it, sdsd would erase that" : "");
}

static int judge(const struct work *w, struct device *v, struct err *err)
{
	int rv = disks_find("", v->asked, &v->d, err);

	if (rv < 0)
		return rv;
	v->ours = begins(v->d.pv, w->mark);
	if (v->ours)
		return 0;
	if (lvm_is_marked(v->d.pv))
		return err_set(
			err, -E_EXISTS,
			"device %s: it belongs to another pool of sdsd: destroy that one, or "
			"erase it with wipefs",
			v->asked);
	if (v->d.reason[0] && !(v->d.wipeable && w->t->wipe))
		return refuse(v, v->d.wipeable, err);
	v->wipe = v->d.reason[0];
	return disks_claim(&v->d, err);
}

static int judge_all(struct work *w, struct err *err)
{
	for (int i = 0; i < w->t->n; i++) {
		struct device *v = &w->device[i];
		int rv;

		v->asked = w->t->device[i];
		rv = judge(w, v, err);
		if (rv < 0)
			return rv;
		for (int k = 0; k < i; k++) {
			if (strcmp(w->device[k].d.name, v->d.name) == 0)
				return err_set(err, -E_INVALID, "device %s: it is %s, too",
					       v->asked, w->device[k].asked);
		}
	}
	return 0;
}

/* --- the group -------------------------------------------------------------- */

static int make_pv(const struct work *w, struct device *v, struct err *err)
{
	char uuid[LVM_PV_TEXT];
	uint32_t number;
	int rv;

	if (v->wipe) {
		log_warn("storage", "pool=%s %s is wiped: %s", w->p->name, v->d.path, v->d.reason);
		storage_step("wipe");
		rv = disks_wipe(&v->d, err);
		if (rv < 0)
			return rv;
	}
	if (v->ours)
		return 0;
	rand_bytes(&number, sizeof(number));
	lvm_mark_uuid(w->mark, number, uuid);
	rv = RUN(w, err, "pvcreate", "--uuid", uuid, "--norestorefile", v->d.path);
	if (rv == 0)
		disk_pv_parse(uuid, v->d.pv);
	return rv;
}

/* those of the devices that are in no group yet, put into ours */
static int join_group(const struct work *w, bool there, struct err *err)
{
	const char *argv[STORAGE_DEVICES_MAX + 8], *group = w->source.group;
	int n = 0, fixed, rv;
	json *report = NULL;

	argv[n++] = there ? "vgextend" : "vgcreate";
	if (!there) {
		argv[n++] = "--addtag";
		argv[n++] = w->tag;
	}
	argv[n++] = group;
	fixed = n;
	rv = find_pvs(w, &report, err);
	if (rv < 0)
		return rv;
	for (int i = 0; i < w->t->n; i++) {
		const struct device *v = &w->device[i];
		const char *of = jget_str(pv_row(report, v->d.pv), "vg_name", "");

		if (!of[0])
			argv[n++] = v->d.path;
		else if (strcmp(of, group) != 0)
			rv = err_set(err, -E_EXISTS, "device %s: it is in volume group %s",
				     v->asked, of);
	}
	argv[n] = NULL;
	if (rv == 0 && n > fixed)
		rv = run(w, argv, NULL, err);
	json_object_put(report);
	return rv;
}

/* --- the thin pool ----------------------------------------------------------- */

static char *bytes_text(uint64_t bytes, char out[32])
{
	snprintf(out, 32, "%llub", (unsigned long long)bytes);
	return out;
}

static int remove_lv(const struct work *w, const char *name, struct err *err)
{
	char path[2 * LVM_NAME_MAX + 2];

	snprintf(path, sizeof(path), "%s/%s", w->source.group, name);
	return RUN(w, err, "lvremove", "-y", path);
}

/* What a creation of the thin pool that was cut has left. Called only while the group is made, when
 * nobody else can have made anything there. */
static int remove_remains(const struct work *w, struct err *err)
{
	json *report = NULL, *rows;
	int rv = ASK(w, &report, err, "lvs", REPORT, "-o", "lv_name", w->source.group);

	rows = rows_of(report, "lv");
	for (size_t i = 0; rv == 0 && i < len_of(rows); i++) {
		const char *name = jget_str(json_object_array_get_idx(rows, i), "lv_name", "");

		if (begins(name, w->source.pool) || begins(name, "lvol"))
			rv = remove_lv(w, name, err);
	}
	json_object_put(report);
	return rv;
}

static int share(const struct work *w, uint64_t chunk_bytes, struct lvm_share *ret, struct err *err)
{
	struct lvm_group g;
	int rv = lvm_group_look(w->p, &g, err);

	if (rv < 0)
		return rv;
	rv = lvm_share(g.size_bytes, g.extent_bytes, chunk_bytes, ret);
	return rv < 0 ? err_set(err, rv, "pool %s: its devices are too small for a thin pool",
				w->p->name)
		      : 0;
}

/* New blocks are zeroed, as volumes must read as zeros where nobody has written. */
static int create_thin(const struct work *w, struct err *err)
{
	char data[32], meta[32], chunk[32];
	struct lvm_share s;
	int rv = remove_remains(w, err);

	if (rv == 0)
		rv = share(w, 0, &s, err);
	if (rv < 0)
		return rv;
	return RUN(w, err, "lvcreate", "-y", "--type", "thin-pool", "-L",
		   bytes_text(s.data_bytes, data), "--poolmetadatasize",
		   bytes_text(s.meta_bytes, meta), "-c", bytes_text(s.chunk_bytes, chunk), "-Z",
		   "y", "--poolmetadataspare", "y", "-n", w->source.pool, w->source.group);
}

/* A full pool is to fail at once: its copy leaves the set of those in sync then, which is better
 * than an application that waits a minute for space. lvcreate cannot be told. */
static int fail_when_full(const struct work *w, const char *path, const char *present,
			  struct err *err)
{
	if (strcmp(present, "error") == 0)
		return 0;
	return RUN(w, err, "lvchange", "--errorwhenfull", "y", path);
}

/* what a pool that is there still needs to be as it should */
static int tune_thin(const struct work *w, struct err *err)
{
	char path[2 * LVM_NAME_MAX + 2], text[32];
	uint64_t data, meta, chunk;
	json *report = NULL, *row;
	struct lvm_share s;
	int rv;

	snprintf(path, sizeof(path), "%s/%s", w->source.group, w->source.pool);
	rv = ASK(w, &report, err, "lvs", REPORT, "-o",
		 "lv_size,lv_metadata_size,chunk_size,lv_when_full", path);
	if (rv < 0)
		return rv;
	row = first_row(report, "lv");
	data = (uint64_t)jget_i64_or(row, "lv_size", 0);
	meta = (uint64_t)jget_i64_or(row, "lv_metadata_size", 0);
	chunk = (uint64_t)jget_i64_or(row, "chunk_size", 0);
	rv = fail_when_full(w, path, jget_str(row, "lv_when_full", ""), err);
	json_object_put(report);
	if (rv < 0)
		return rv;
	if (!data || !meta || !chunk)
		return err_set(err, -E_CORRUPT, "pool %s: the size of %s is not known", w->p->name,
			       path);
	rv = share(w, chunk, &s, err);
	if (rv == 0 && s.meta_bytes > meta)
		rv = RUN(w, err, "lvextend", "--poolmetadatasize", bytes_text(s.meta_bytes, text),
			 path);
	if (rv == 0 && s.data_bytes > data)
		rv = RUN(w, err, "lvextend", "-L", bytes_text(s.data_bytes, text), path);
	return rv;
}

static int settle_thin(const struct work *w, struct err *err)
{
	const char *name = w->source.pool;
	struct lvm_lv lv;
	int rv;

	if (!name[0])
		return 0;
	rv = lvm_look(w->p, &name, 1, &lv, err);
	if (rv < 0)
		return rv;
	if (!(lv.there && lv.pool) && w->t->kind != STORAGE_MAKE)
		return err_set(err, -ENOENT, "pool %s: there is no thin pool %s", w->p->name,
			       w->p->source);
	if (!(lv.there && lv.pool))
		rv = create_thin(w, err);
	return rv < 0 ? rv : tune_thin(w, err);
}

/* --- make, extend ------------------------------------------------------------ */

static int take_devices(struct work *w, struct err *err)
{
	int there = find_group(w, err), rv;

	if (there < 0)
		return there;
	if (!there && w->t->kind != STORAGE_MAKE)
		return err_set(err, -ENOENT, "pool %s: there is no volume group %s", w->p->name,
			       w->source.group);
	rv = judge_all(w, err);
	for (int i = 0; i < w->t->n && rv == 0; i++)
		rv = make_pv(w, &w->device[i], err);
	return rv < 0 ? rv : join_group(w, there, err);
}

static int extend(struct work *w, struct err *err)
{
	int rv = take_devices(w, err);

	return rv < 0 ? rv : settle_thin(w, err);
}

/* --- replace ----------------------------------------------------------------- */

/* how far the data of a physical volume is moved, in per cent; -1: it is not being moved */
static int moved(const struct work *w, const char *pv_name, int *ret, struct err *err)
{
	json *report = NULL, *rows;
	int rv = ASK(w, &report, err, "lvs", "-a", REPORT, "-o", "lv_name,move_pv,copy_percent",
		     w->source.group);

	rows = rows_of(report, "lv");
	*ret = -1;
	for (size_t i = 0; rv == 0 && i < len_of(rows); i++) {
		json *row = json_object_array_get_idx(rows, i);

		if (strcmp(jget_str(row, "move_pv", ""), pv_name) == 0)
			*ret = (int)strtol(jget_str(row, "copy_percent", "0"), NULL, 10);
	}
	json_object_put(report);
	return rv;
}

/* -EINPROGRESS as long as there is something on it */
static int move_off(const struct work *w, const char *from, const char *to, struct err *err)
{
	int percent, rv = moved(w, from, &percent, err);

	if (rv < 0)
		return rv;
	/* nobody goes on with it after a restart of the machine */
	if (percent < 0 || w->t->stuck)
		rv = percent < 0 ? RUN(w, err, "pvmove", "-b", "-i", "2", from, to)
				 : RUN(w, err, "pvmove", "-b", "-i", "2");
	if (rv < 0)
		return rv;
	return err_set(err, -EINPROGRESS, "moves from %s to %s: %d %%", from, to,
		       percent < 0 ? 0 : percent);
}

static int drop_pv(const struct work *w, const char *name, const char *group, struct err *err)
{
	int rv = group[0] ? RUN(w, err, "vgreduce", group, name) : 0;

	return rv < 0 ? rv : RUN(w, err, "pvremove", name);
}

/* The old one is known by its mark, whatever it is called today. */
static int replace(struct work *w, struct err *err)
{
	json *report = NULL, *row;
	struct disk old;
	int rv = disks_find("", w->t->old, &old, err);

	if (rv < 0)
		return rv;
	if (!begins(old.pv, w->mark)) {
		/* taken out already, and nothing was told? */
		rv = judge_all(w, err);
		if (rv == 0 && w->device[0].ours)
			return settle_thin(w, err);
		return err_set(err, -E_INVALID, "device %s: it is no disk of this pool", w->t->old);
	}
	rv = take_devices(w, err);
	if (rv == 0)
		rv = find_pvs(w, &report, err);
	if (rv < 0)
		return rv;
	row = pv_row(report, old.pv);
	if (!row)
		rv = err_set(err, -EIO, "device %s: LVM does not see it", w->t->old);
	else if (jget_i64_or(row, "pv_used", -1) != 0 && jget_str(row, "vg_name", "")[0])
		rv = move_off(w, jget_str(row, "pv_name", ""), w->device[0].d.path, err);
	else
		rv = drop_pv(w, jget_str(row, "pv_name", ""), jget_str(row, "vg_name", ""), err);
	json_object_put(report);
	return rv < 0 ? rv : settle_thin(w, err);
}

/* --- destroy ----------------------------------------------------------------- */

static int check_alone(const struct work *w, bool *ret_thin, struct err *err)
{
	json *report = NULL, *rows;
	int rv = ASK(w, &report, err, "lvs", REPORT, "-o", "lv_name", w->source.group);

	rows = rows_of(report, "lv");
	*ret_thin = false;
	for (size_t i = 0; rv == 0 && i < len_of(rows); i++) {
		const char *name = jget_str(json_object_array_get_idx(rows, i), "lv_name", "");

		if (w->source.pool[0] && strcmp(name, w->source.pool) == 0)
			*ret_thin = true;
		else
			rv = err_set(err, -E_IN_USE,
				     "pool %s: %s/%s is there, which is not the pool's own: remove "
				     "it first",
				     w->p->name, w->source.group, name);
	}
	json_object_put(report);
	return rv;
}

static int destroy_group(const struct work *w, struct err *err)
{
	bool thin;
	int rv = check_alone(w, &thin, err);

	if (rv == 0 && thin)
		rv = remove_lv(w, w->source.pool, err);
	return rv < 0 ? rv : RUN(w, err, "vgremove", w->source.group);
}

static int destroy(const struct work *w, struct err *err)
{
	int there = find_group(w, err), rv;
	char plain[DISK_PV_LEN + 1];
	json *report = NULL, *rows;

	/* a group of somebody else's: ours has never been made */
	if (there < 0 && there != -E_EXISTS)
		return there;
	rv = there == 1 ? destroy_group(w, err) : 0;
	if (rv == 0)
		rv = find_pvs(w, &report, err);
	rows = rows_of(report, "pv");
	for (size_t i = 0; rv == 0 && i < len_of(rows); i++) {
		json *row = json_object_array_get_idx(rows, i);

		if (disk_pv_parse(jget_str(row, "pv_uuid", ""), plain) && begins(plain, w->mark) &&
		    !jget_str(row, "vg_name", "")[0])
			rv = RUN(w, err, "pvremove", jget_str(row, "pv_name", ""));
	}
	json_object_put(report);
	return rv;
}

int lvm_task(const struct storage_pool *p, const struct storage_task *t, struct err *err)
{
	struct work *w = calloc(1, sizeof(*w));
	char uuid[UUID_TEXT_LEN + 1];
	int rv;

	if (!w)
		return err_set(err, -ENOMEM, "pool %s: no memory", p->name);
	w->p = p;
	w->t = t;
	lvm_source_parse(p->source, &w->source);
	lvm_mark(t->pool, w->mark);
	text_uuid_format(t->pool, uuid);
	snprintf(w->tag, sizeof(w->tag), "sdsd.pool.%s", uuid);
	rv = t->kind == STORAGE_REPLACE   ? replace(w, err)
	     : t->kind == STORAGE_DESTROY ? destroy(w, err)
					  : extend(w, err);
	free(w);
	return rv;
}
