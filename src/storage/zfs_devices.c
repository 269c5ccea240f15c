// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs_devices.c - makes, extends and destroys the zpool of a pool that sdsd makes
 * of devices. Called through the table of backends, in a worker thread, again and
 * again until it succeeds.
 *
 * What is ours is known by the zpool's comment (zfs_mark), which zpool create
 * writes with the zpool; it is in the label of each disk, too, so a disk whose
 * zpool was destroyed, or made by an attempt that was cut and is not imported, is
 * known as well. Nothing else is touched. All devices are judged before the first
 * is touched.
 */
#include "storage/zfs_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/disks.h"
#include "storage/lvm_devices.h"
#include "storage/step.h"
#include "storage/zfs_snapshot.h"

#define LABEL_AT (16u << 10) /* of the first label: its configuration */
#define LABEL_BYTES (112u << 10)
#define WORDS_MAX (2 * STORAGE_DEVICES_MAX + 24)
#define PART_PATH_MAX (DISK_PATH_MAX + 4)

struct device {
	struct disk d;
	const char *asked; /* as it was named */
	bool inside;       /* of the zpool already */
	bool wipe;
};
struct work {
	const struct storage_pool *p;
	const struct storage_task *t;
	char zpool[ZFS_SOURCE_MAX + 1], mark[ZFS_MARK_LEN + 1];
	struct device device[STORAGE_DEVICES_MAX]; /* t->n of them */
};

/* --- what is there ---------------------------------------------------------- */

/* 1: there is a zpool of this name and it is ours; 0: there is none; -E_EXISTS: somebody else's */
static int find_pool(const struct work *w, struct err *err)
{
	char *text = NULL;
	int rv = ZFS_ASK(w->p, &text, err, "zpool", "list", "-H", "-o", "comment", w->zpool);

	if (rv == -ENOENT)
		return 0;
	if (rv < 0)
		return rv;
	text[strcspn(text, "\n")] = 0;
	rv = strcmp(text, w->mark) == 0
		     ? 1
		     : err_set(err, -E_EXISTS,
			       "pool %s: there is a zpool %s already, and it is not this pool's",
			       w->p->name, w->zpool);
	free(text);
	return rv;
}

/* Is the device of the zpool this disk, or a partition of it? */
static bool is_on(const char *device, const struct disk *d)
{
	char link[PATH_MAX], real[PATH_MAX], *slash;

	if (strcmp(zfs_base_name(device), d->name) == 0)
		return true;
	snprintf(link, sizeof(link), "/sys/class/block/%.200s", zfs_base_name(device));
	if (!realpath(link, real) || !(slash = strrchr(real, '/')))
		return false;
	*slash = 0;
	return strcmp(zfs_base_name(real), d->name) == 0;
}

/* which of our devices the zpool has */
static int find_inside(struct work *w, struct err *err)
{
	char *text = NULL, device[DISK_PATH_MAX];
	int rv = ZFS_ASK(w->p, &text, err, "zpool", "list", "-HPLv", "-o", "name", w->zpool);
	const char *at = text;

	if (rv < 0)
		return rv;
	while (zfs_next_device(&at, device, sizeof(device))) {
		for (int i = 0; i < w->t->n; i++)
			w->device[i].inside |= is_on(device, &w->device[i].d);
	}
	free(text);
	return 0;
}

/* the mark in the label of a device */
static bool read_mark(const char *path, char ret[ZFS_MARK_LEN + 1])
{
	char *data = malloc(LABEL_BYTES);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found = false;
	ssize_t n;

	if (data && fd >= 0) {
		n = pread(fd, data, LABEL_BYTES, LABEL_AT);
		found = n > 0 && zfs_mark_in(data, (size_t)n, ret);
	}
	if (fd >= 0)
		close(fd);
	free(data);
	return found;
}

/* Of a whole disk ZFS makes partitions, and uses the first. */
static void first_partition(const struct disk *d, char ret[PART_PATH_MAX])
{
	size_t len = strlen(d->path);
	bool digit = len && strchr("0123456789", d->path[len - 1]);

	snprintf(ret, PART_PATH_MAX, "%s%s1", d->path, digit ? "p" : "");
}

static bool has_mark(const struct disk *d, char ret[ZFS_MARK_LEN + 1])
{
	char part[PART_PATH_MAX];

	first_partition(d, part);
	return read_mark(d->path, ret) || read_mark(part, ret);
}

/* --- judging ---------------------------------------------------------------- */

static int find_devices(struct work *w, struct err *err)
{
	for (int i = 0; i < w->t->n; i++) {
		struct device *v = &w->device[i];
		int rv;

		v->asked = w->t->device[i];
		rv = disks_find("", v->asked, &v->d, err);
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

static int judge(const struct work *w, struct device *v, struct err *err)
{
	char mark[ZFS_MARK_LEN + 1];
	bool marked = has_mark(&v->d, mark), ours = marked && strcmp(mark, w->mark) == 0;

	if (v->inside)
		return 0;
	if ((marked && !ours) || lvm_is_marked(v->d.pv))
		return err_set(
			err, -E_EXISTS,
			"device %s: it belongs to another pool of sdsd: destroy that one, or "
			"erase it with wipefs",
			v->asked);
	if (v->d.reason[0] && !(v->d.wipeable && (w->t->wipe || ours)))
		return err_set(err, -E_IN_USE, "device %s: %s%s", v->asked, v->d.reason,
			       v->d.wipeable ? "; asked to wipe it, sdsd would erase that" : "");
	v->wipe = v->d.reason[0];
	return disks_claim(&v->d, err);
}

static int judge_all(struct work *w, struct err *err)
{
	int rv = 0;

	for (int i = 0; i < w->t->n && rv == 0; i++)
		rv = judge(w, &w->device[i], err);
	return rv;
}

/* --- emptying --------------------------------------------------------------- */

static int wipe(const struct work *w, const struct disk *d, struct err *err)
{
	char mark[ZFS_MARK_LEN + 1], part[PART_PATH_MAX];
	struct err ignored;

	log_warn("storage", "pool=%s %s is wiped: %s", w->p->name, d->path, d->reason);
	first_partition(d, part);
	/* ZFS has more signatures on a disk than others, and knows all of them */
	if (read_mark(part, mark))
		ZFS_RUN(w->p, &ignored, "zpool", "labelclear", "-f", part);
	if (read_mark(d->path, mark))
		ZFS_RUN(w->p, &ignored, "zpool", "labelclear", "-f", d->path);
	storage_step("wipe");
	return disks_wipe(d, err);
}

static int wipe_all(const struct work *w, struct err *err)
{
	int rv = 0;

	for (int i = 0; i < w->t->n && rv == 0; i++) {
		if (w->device[i].wipe)
			rv = wipe(w, &w->device[i].d, err);
	}
	return rv;
}

/* --- make, extend ------------------------------------------------------------ */

/* A zpool that stands still when a disk fails would hold up all that is in it: with "continue"
 * writes fail, and the copies elsewhere go on. */
static int join(const struct work *w, bool there, struct err *err)
{
	const char *argv[WORDS_MAX] = { "zpool", there ? "add" : "create" };
	char comment[ZFS_MARK_LEN + 16];
	const char *const options[] = { "-o", comment,           "-o", "failmode=continue",
					"-o", "ashift=12",       "-o", "autoexpand=on",
					"-O", "mountpoint=none", "-O", "canmount=off" };
	int n = 2, fixed;

	snprintf(comment, sizeof(comment), "comment=%s", w->mark);
	for (size_t i = 0; !there && i < sizeof(options) / sizeof(options[0]); i++)
		argv[n++] = options[i];
	argv[n++] = w->zpool;
	fixed = n;
	for (int i = 0; i < w->t->n; i++) {
		if (!w->device[i].inside)
			argv[n++] = w->device[i].d.path;
	}
	argv[n] = NULL;
	return n > fixed ? zfs_run(w->p, argv, err) : 0;
}

/* One that an attempt has made which did not live to see it, and the machine neither. */
static void import(const struct work *w)
{
	const char *argv[WORDS_MAX] = { "zpool", "import", "-N" };
	char mark[ZFS_MARK_LEN + 1], part[STORAGE_DEVICES_MAX][PART_PATH_MAX];
	struct err ignored;
	int n = 3;

	for (int i = 0; i < w->t->n; i++) {
		if (!has_mark(&w->device[i].d, mark) || strcmp(mark, w->mark) != 0)
			continue;
		first_partition(&w->device[i].d, part[i]);
		argv[n++] = "-d";
		argv[n++] = access(part[i], F_OK) == 0 ? part[i] : w->device[i].d.path;
	}
	if (n == 3)
		return;
	argv[n++] = w->zpool;
	argv[n] = NULL;
	zfs_run(w->p, argv, &ignored);
}

static int extend(struct work *w, struct err *err)
{
	int rv = find_devices(w, err), there;

	if (rv < 0)
		return rv;
	there = find_pool(w, err);
	if (there == 0 && w->t->kind == STORAGE_MAKE) {
		import(w);
		there = find_pool(w, err);
	}
	if (there < 0)
		return there;
	if (!there && w->t->kind != STORAGE_MAKE)
		return err_set(err, -ENOENT, "pool %s: there is no zpool %s", w->p->name, w->zpool);
	rv = there ? find_inside(w, err) : 0;
	if (rv == 0)
		rv = judge_all(w, err);
	if (rv == 0)
		rv = wipe_all(w, err);
	return rv < 0 ? rv : join(w, there, err);
}

/* --- destroy ----------------------------------------------------------------- */

static int check_alone(const struct work *w, struct err *err)
{
	char *text = NULL, *second;
	int rv;

	zfs_sweep(w->p);
	rv = ZFS_ASK(w->p, &text, err, "zfs", "list", "-H", "-o", "name", "-t", "all", "-r",
		     w->zpool);
	if (rv < 0)
		return rv;
	second = strchr(text, '\n'); /* the first one is the zpool itself */
	if (second && second[1])
		rv = err_set(err, -E_IN_USE,
			     "pool %s: %.*s is there, which is not the pool's own: remove it first",
			     w->p->name, (int)strcspn(second + 1, "\n"), second + 1);
	free(text);
	return rv;
}

/* A partition that ZFS has made itself, of a whole disk: the disk is to be empty, then. */
static bool is_made_by_zfs(const char *part)
{
	char path[PATH_MAX], line[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%.200s/uevent", zfs_base_name(part));
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		found |= strncmp(line, "PARTNAME=zfs-", 13) == 0;
	fclose(f);
	return found;
}

static int empty(const struct work *w, const struct disk *d, struct err *err)
{
	char mark[ZFS_MARK_LEN + 1], part[PART_PATH_MAX];

	first_partition(d, part);
	if (read_mark(d->path, mark) && strcmp(mark, w->mark) == 0 && !is_made_by_zfs(d->path))
		return wipe(w, d, err);
	if (read_mark(part, mark) && strcmp(mark, w->mark) == 0 && is_made_by_zfs(part))
		return wipe(w, d, err);
	return 0;
}

static int destroy(const struct work *w, struct err *err)
{
	int there = find_pool(w, err), rv, n;
	struct disk *disks;

	/* a zpool of somebody else's: ours has never been made */
	if (there < 0 && there != -E_EXISTS)
		return there;
	rv = there == 1 ? check_alone(w, err) : 0;
	if (rv == 0 && there == 1)
		rv = ZFS_RUN(w->p, err, "zpool", "destroy", w->zpool);
	if (rv < 0)
		return rv;
	disks = calloc(DISKS_MAX, sizeof(*disks));
	if (!disks)
		abort();
	n = disks_list("", disks, DISKS_MAX);
	for (int i = 0; i < n && rv == 0; i++)
		rv = empty(w, &disks[i], err);
	free(disks);
	return rv;
}

int zfs_task(const struct storage_pool *p, const struct storage_task *t, struct err *err)
{
	struct work *w;
	int rv;

	if (t->kind == STORAGE_REPLACE)
		return err_set(err, -EOPNOTSUPP,
			       "pool %s: disks of a zpool are replaced with zpool replace",
			       p->name);
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->p = p;
	w->t = t;
	snprintf(w->zpool, sizeof(w->zpool), "%.*s", (int)zfs_pool_len(p->source), p->source);
	zfs_mark(t->pool, w->mark);
	rv = t->kind == STORAGE_DESTROY ? destroy(w, err) : extend(w, err);
	free(w);
	return rv;
}
