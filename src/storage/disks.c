// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disks.c - finds the block devices of this node in sysfs and gathers what speaks
 * for and against them; disk_judge.c decides, disk_probe.c reads what is on them.
 * Called from worker threads: by the agent for its report, and by what makes pools
 * of devices. Devices are looked up anew each time: what was true a moment ago is
 * worth nothing before something is written.
 */
#include "storage/disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/nvme.h"

#define TABLE_MAX (8u << 20) /* of the text of mountinfo */
#define SECTOR 512

struct look {
	const char *root;
	struct buf mounts, swaps; /* texts of /proc */
};

/* --- texts of sysfs and proc --------------------------------------------- */

/* the first line, without blanks at its ends; "" when there is none */
static void read_line(char *ret, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void read_line(char *ret, size_t len, const char *fmt, ...)
{
	char path[PATH_MAX], text[512] = "";
	const char *start;
	size_t size;
	ssize_t n;
	va_list ap;
	int fd;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	ret[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	start = text + strspn(text, " \t");
	size = strcspn(start, "\n");
	while (size > 0 && (start[size - 1] == ' ' || start[size - 1] == '\t'))
		size--;
	snprintf(ret, len, "%.*s", (int)size, start);
}

static void look_begin(struct look *l, const char *root)
{
	char path[PATH_MAX];

	l->root = root;
	buf_init(&l->mounts, TABLE_MAX);
	buf_init(&l->swaps, TABLE_MAX);
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	fs_read(path, &l->mounts, NULL);
	/* a service may have mounts of its own, so that it does not see all of the machine's */
	snprintf(path, sizeof(path), "%s/proc/1/mountinfo", root);
	fs_read(path, &l->mounts, NULL);
	snprintf(path, sizeof(path), "%s/proc/swaps", root);
	fs_read(path, &l->swaps, NULL);
}

static void look_end(struct look *l)
{
	buf_release(&l->mounts);
	buf_release(&l->swaps);
}

static const char *text_of(const struct buf *b)
{
	return b->data ? (const char *)b->data : "";
}

/* the entries of a folder that are wanted, sorted; the caller frees each and the list */
static int entries(const char *path, int (*wanted)(const struct dirent *), struct dirent ***ret)
{
	int n = scandir(path, ret, wanted, versionsort);

	return n < 0 ? 0 : n;
}

static void entries_free(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n > 0)
		free(list);
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* --- facts ----------------------------------------------------------------- */

static void node_path(const struct look *l, const struct disk_facts *f, char *out, size_t len)
{
	struct stat st;

	snprintf(out, len, "/dev/mapper/%s", f->dm_name);
	if (f->dm_name[0] && stat(out, &st) == 0)
		return;
	snprintf(out, len, "/dev/%s", f->name);
	for (char *c = out; *c; c++) {
		if (*c == '!') /* sysfs writes "cciss/c0d0" so */
			*c = '/';
	}
}

static void find_holder(const struct look *l, const char *name, struct disk_facts *f)
{
	char path[PATH_MAX], called[128];
	struct dirent **list;
	int n;

	if (f->holder[0])
		return;
	snprintf(path, sizeof(path), "%s/sys/class/block/%s/holders", l->root, name);
	n = entries(path, not_hidden, &list);
	if (n > 0) {
		read_line(called, sizeof(called), "%s/sys/class/block/%s/dm/name", l->root,
			  list[0]->d_name);
		snprintf(f->holder, sizeof(f->holder), called[0] ? "%.60s (%.60s)" : "%.60s",
			 list[0]->d_name, called);
	}
	entries_free(list, n);
}

/* what uses the device itself, or a partition of it */
static void find_users(const struct look *l, const char *name, const char *path,
		       struct disk_facts *f)
{
	char number[32];

	read_line(number, sizeof(number), "%s/sys/class/block/%s/dev", l->root, name);
	if (!f->mount[0])
		disk_mounted(text_of(&l->mounts), number, path, f->mount, sizeof(f->mount));
	f->swap |= disk_swapped(text_of(&l->swaps), path);
	find_holder(l, name, f);
}

static bool is_partition(const struct look *l, const char *name)
{
	char text[16];

	read_line(text, sizeof(text), "%s/sys/class/block/%s/partition", l->root, name);
	return text[0];
}

/* its partitions; the caller frees them with entries_free */
static int partitions(const struct look *l, const char *name, struct dirent ***ret)
{
	char path[PATH_MAX];
	struct dirent **all;
	int n, kept = 0;

	snprintf(path, sizeof(path), "%s/sys/class/block/%s/", l->root, name);
	n = entries(path, not_hidden, &all);
	for (int i = 0; i < n; i++) {
		if (strncmp(all[i]->d_name, name, strlen(name)) == 0 &&
		    is_partition(l, all[i]->d_name))
			all[kept++] = all[i];
		else
			free(all[i]);
	}
	if (n > 0 && kept == 0)
		free(all);
	*ret = all;
	return kept;
}

static void find_partitions(const struct look *l, struct disk_facts *f)
{
	struct dirent **list;
	int n = partitions(l, f->name, &list);

	for (int i = 0; i < n; i++) {
		struct disk_facts part = { .dm_name = "" };
		char path[DISK_PATH_MAX];

		snprintf(part.name, sizeof(part.name), "%.63s", list[i]->d_name);
		node_path(l, &part, path, sizeof(path));
		find_users(l, part.name, path, f);
		if (!f->partition[0])
			memcpy(f->partition, part.name, sizeof(f->partition));
	}
	entries_free(list, n);
}

static void gather(const struct look *l, const char *name, struct disk_facts *f, char *path,
		   size_t len)
{
	char text[64];

	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%.63s", name);
	read_line(text, sizeof(text), "%s/sys/class/block/%s/size", l->root, name);
	f->size_bytes = strtoull(text, NULL, 10) * SECTOR;
	read_line(text, sizeof(text), "%s/sys/class/block/%s/ro", l->root, name);
	f->read_only = text[0] == '1';
	f->nvme = nvme_is_ours(l->root, name);
	read_line(f->dm_uuid, sizeof(f->dm_uuid), "%s/sys/class/block/%s/dm/uuid", l->root, name);
	read_line(f->dm_name, sizeof(f->dm_name), "%s/sys/class/block/%s/dm/name", l->root, name);
	node_path(l, f, path, len);
	find_users(l, name, path, f);
	find_partitions(l, f);
}

/* --- description ------------------------------------------------------------ */

/* names by content or by protocol are not what is printed on a disk */
static int rank(const char *id)
{
	static const char *const late[] = { "wwn-", "nvme-eui.", "nvme-nvme.", "dm-uuid-",
					    "lvm-pv-" };

	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		if (strncmp(id, late[i], strlen(late[i])) == 0)
			return (int)i + 1;
	}
	return 0;
}

static void find_id(const struct look *l, const char *path, struct disk *d)
{
	char folder[PATH_MAX], node[PATH_MAX], link[2 * PATH_MAX], real[PATH_MAX];
	struct dirent **list;
	int n, best = -1;

	snprintf(folder, sizeof(folder), "%s/dev/disk/by-id", l->root);
	snprintf(node, sizeof(node), "%s%s", l->root, path);
	n = entries(folder, not_hidden, &list);
	for (int i = 0; i < n; i++) {
		snprintf(link, sizeof(link), "%s/%s", folder, list[i]->d_name);
		if (!realpath(link, real) || strcmp(real, node) != 0)
			continue;
		if (best < 0 || rank(list[i]->d_name) < rank(list[best]->d_name))
			best = i;
	}
	if (best >= 0)
		snprintf(d->by_id, sizeof(d->by_id), "/dev/disk/by-id/%s", list[best]->d_name);
	entries_free(list, n);
}

/* sysfs has it in different places; a partition's is that of its disk */
static void describe(const struct look *l, const char *name, struct disk *d)
{
	const char *above = is_partition(l, name) ? ".." : ".", *root = l->root;
	char text[16];

	read_line(d->model, sizeof(d->model), "%s/sys/class/block/%s/%s/device/model", root, name,
		  above);
	read_line(d->serial, sizeof(d->serial), "%s/sys/class/block/%s/%s/serial", root, name,
		  above);
	if (!d->serial[0])
		read_line(d->serial, sizeof(d->serial), "%s/sys/class/block/%s/%s/device/serial",
			  root, name, above);
	read_line(text, sizeof(text), "%s/sys/class/block/%s/%s/queue/rotational", root, name,
		  above);
	d->rotational = text[0] == '1';
	find_id(l, d->path, d);
}

/* All of one device. probe: false where it is certain that nothing can be read. */
static void fill(const struct look *l, const struct disk_facts *found, const char *path,
		 struct disk *d)
{
	struct disk_facts f = *found;
	char node[PATH_MAX];
	int rv;

	memset(d, 0, sizeof(*d));
	memcpy(d->name, f.name, sizeof(d->name));
	snprintf(d->path, sizeof(d->path), "%s", path);
	d->size_bytes = f.size_bytes;
	describe(l, f.name, d);
	snprintf(node, sizeof(node), "%s%s", l->root, path);
	rv = disk_probe(node, d);
	f.silent = rv == -ETIMEDOUT;
	f.failed = rv < 0 && !f.silent;
	memcpy(f.content, d->content, sizeof(f.content));
	disk_judge(&f, d);
}

/* --- the list ---------------------------------------------------------------- */

/* returns how many it added */
static int add(const struct look *l, const char *name, struct disk *out, int room)
{
	char path[DISK_PATH_MAX];
	struct disk_facts f;

	gather(l, name, &f, path, sizeof(path));
	if (room <= 0 || disk_is_hidden(&f))
		return 0;
	fill(l, &f, path, out);
	return 1;
}

int disks_list(const char *root, struct disk *out, int max)
{
	char path[PATH_MAX];
	struct dirent **list, **parts;
	struct look l;
	int n, m, count = 0;

	look_begin(&l, root);
	snprintf(path, sizeof(path), "%s/sys/block", root);
	n = entries(path, not_hidden, &list);
	for (int i = 0; i < n; i++) {
		count += add(&l, list[i]->d_name, out + count, max - count);
		m = partitions(&l, list[i]->d_name, &parts);
		for (int k = 0; k < m; k++)
			count += add(&l, parts[k]->d_name, out + count, max - count);
		entries_free(parts, m);
	}
	entries_free(list, n);
	look_end(&l);
	return count;
}

/* The kernel's name of what a path leads to. Below a root of their own tests have files. */
static int name_of(const char *root, const char *path, char *name, size_t len, struct err *err)
{
	char full[PATH_MAX], link[PATH_MAX], real[PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", root, path);
	if (stat(full, &st) < 0)
		return err_set(err, -errno, "device %s: %s", path,
			       errno == ENOENT ? "there is no such device" : strerror(errno));
	if (S_ISBLK(st.st_mode))
		snprintf(link, sizeof(link), "%s/sys/dev/block/%u:%u", root, major(st.st_rdev),
			 minor(st.st_rdev));
	else if (root[0])
		snprintf(link, sizeof(link), "%s", full);
	else
		return err_set(err, -E_INVALID, "device %s: it is no block device", path);
	if (!realpath(link, real))
		return err_set(err, -errno, "device %s: the kernel does not know it", path);
	snprintf(name, len, "%s", strrchr(real, '/') + 1);
	return 0;
}

int disks_find(const char *root, const char *path, struct disk *ret, struct err *err)
{
	char name[64], node[DISK_PATH_MAX];
	struct disk_facts f;
	struct look l;
	int rv = name_of(root, path, name, sizeof(name), err);

	if (rv < 0)
		return rv;
	look_begin(&l, root);
	gather(&l, name, &f, node, sizeof(node));
	fill(&l, &f, node, ret);
	look_end(&l);
	return 0;
}

int disks_each_partition(const char *root, const struct disk *d,
			 int (*each)(const char *path, struct err *err), struct err *err)
{
	struct look l = { .root = root };
	struct dirent **list;
	int n = partitions(&l, d->name, &list), rv = 0;

	for (int i = 0; i < n && rv == 0; i++) {
		struct disk_facts part = { .dm_name = "" };
		char path[DISK_PATH_MAX];

		snprintf(part.name, sizeof(part.name), "%.63s", list[i]->d_name);
		node_path(&l, &part, path, sizeof(path));
		rv = each(path, err);
	}
	entries_free(list, n);
	return rv < 0 ? rv : n;
}
