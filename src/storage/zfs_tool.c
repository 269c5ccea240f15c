// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs_tool.c - see zfs_tool.h. Called by zfs*.c.
 *
 * What each volume of ours is made with, whatever it would inherit: volmode=dev
 * (nobody looks for partitions in the content of volumes), sync=standard (what
 * was flushed is on the disks), and com.sun:auto-snapshot=false (programs that
 * take snapshots of all there is keep away).
 */
#include "storage/zfs_tool.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/tool.h"

#define WORDS_MAX 32
#define AGAIN_MS 200
#define MS 1000000ull

/* of ZFS's volsize_to_reservation(), rounded up */
#define RESERVE_SHARE 64
#define RESERVE_EACH (2ull << 20)

struct words {
	const char *v[WORDS_MAX + 1];
	int n;
};

static void put(struct words *w, const char *word)
{
	assert(w->n < WORDS_MAX);
	w->v[w->n++] = word;
	w->v[w->n] = NULL;
}

static void put_option(struct words *w, const char *setting)
{
	put(w, "-o");
	put(w, setting);
}

static const char *text_of(const struct buf *b)
{
	return b->data ? (const char *)b->data : "";
}

/* --- running -------------------------------------------------------------- */

int zfs_run(const struct storage_pool *p, const char *const argv[], struct err *err)
{
	struct proc_result r;
	struct err why = { 0 };
	int rv = tool_result(p, argv, TOOL_CHANGE_MS, &r, &why);

	if (rv == -EIO)
		rv = zfs_meaning(text_of(&r.errout), rv);
	proc_release(&r);
	return rv < 0 ? err_set(err, rv, "%s", why.text) : 0;
}

/* missing: nothing but that something is not there is fine */
static int ask(const struct storage_pool *p, const char *const argv[], bool missing, char **ret,
	       struct err *err)
{
	struct proc_result r;
	struct err why = { 0 };
	int rv = tool_result(p, argv, TOOL_QUERY_MS, &r, &why);

	if (rv == -EIO && missing && r.status == 1 && zfs_only_missing(text_of(&r.errout)))
		rv = 0;
	else if (rv == -EIO)
		rv = zfs_meaning(text_of(&r.errout), rv);
	if (rv == 0) {
		*ret = strdup(text_of(&r.out));
		if (!*ret)
			abort();
	}
	proc_release(&r);
	return rv < 0 ? err_set(err, rv, "%s", why.text) : 0;
}

int zfs_ask(const struct storage_pool *p, const char *const argv[], char **ret, struct err *err)
{
	return ask(p, argv, false, ret, err);
}

/* --- looking -------------------------------------------------------------- */

static int parse(const struct storage_pool *p, char *text, struct zfs_row **ret, int *n,
		 struct err *err)
{
	int rv = zfs_report(text, ret, n, err);

	free(text);
	if (rv < 0)
		err_prefix(err, "pool %s", p->name);
	return rv;
}

static const struct zfs_row *row_of(const struct zfs_row *rows, int n, const char *name)
{
	static const struct zfs_row none;

	for (int i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return &none;
}

static int check_source(const struct storage_pool *p, const struct zfs_row *source, struct err *err)
{
	if (!source->there)
		return err_set(err, -ENOENT, "pool %s: there is no %s in ZFS here: is it imported?",
			       p->name, p->source);
	if (source->type != ZFS_FILESYSTEM)
		return err_set(err, -E_INVALID,
			       "pool %s: %s is a volume: volumes are made below a zpool or a file "
			       "system of one",
			       p->name, p->source);
	return 0;
}

int zfs_look(const struct storage_pool *p, const char *const names[], int n, struct zfs_row ret[],
	     struct zfs_row *source, struct err *err)
{
	struct zfs_row *rows = NULL;
	struct words w = { .n = 0 };
	char *text = NULL;
	int found = 0, rv;

	assert(n <= ZFS_LOOK_MAX);
	put(&w, "zfs");
	put(&w, "list");
	put(&w, "-Hp");
	put_option(&w, ZFS_FIELDS);
	put(&w, p->source);
	for (int i = 0; i < n; i++)
		put(&w, names[i]);
	rv = ask(p, w.v, true, &text, err);
	if (rv == 0)
		rv = parse(p, text, &rows, &found, err);
	if (rv < 0)
		return rv;
	for (int i = 0; i < n; i++)
		ret[i] = *row_of(rows, found, names[i]);
	rv = check_source(p, row_of(rows, found, p->source), err);
	if (source)
		*source = *row_of(rows, found, p->source);
	free(rows);
	return rv;
}

int zfs_list(const struct storage_pool *p, const char *of, struct zfs_row **ret, int *n,
	     struct err *err)
{
	char *text = NULL;
	int rv = ZFS_ASK(p, &text, err, "zfs", "list", "-Hp", "-t",
			 of ? "snapshot" : "volume,snapshot", "-r", "-d", of ? "1" : "2", "-o",
			 ZFS_FIELDS, of ? of : p->source);

	return rv < 0 ? rv : parse(p, text, ret, n, err);
}

/* --- changing ------------------------------------------------------------- */

uint64_t zfs_size(uint64_t size_bytes)
{
	return (size_bytes + ZFS_BLOCK - 1) / ZFS_BLOCK * ZFS_BLOCK;
}

uint64_t zfs_reserve(uint64_t size_bytes)
{
	return size_bytes ? zfs_size(size_bytes) + size_bytes / RESERVE_SHARE + RESERVE_EACH : 0;
}

static void put_ours(struct words *w, const struct zfs_new *o)
{
	put_option(w, "volmode=dev");
	put_option(w, "sync=standard");
	put_option(w, "com.sun:auto-snapshot=false");
	for (int i = 0; i < 2; i++)
		put_option(w, o->set[i]);
}

static int make_clone(const struct storage_pool *p, const struct zfs_new *o, struct err *err)
{
	struct words w = { .n = 0 };
	int rv;

	put(&w, "zfs");
	put(&w, "clone");
	put_ours(&w, o);
	put(&w, o->of);
	put(&w, o->name);
	rv = zfs_run(p, w.v, err);
	if (rv == 0)
		rv = zfs_resize(p, o->name, o->size_bytes, err);
	/* what it shares with the snapshot is to be had again when it is written */
	if (rv == 0 && !o->thin)
		rv = zfs_set(p, o->name, "refreservation=auto", err);
	return rv;
}

int zfs_make(const struct storage_pool *p, const struct zfs_new *o, struct err *err)
{
	struct words w = { .n = 0 };
	char size[32], block[32];

	if (o->of)
		return make_clone(p, o, err);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)zfs_size(o->size_bytes));
	snprintf(block, sizeof(block), "%d", ZFS_BLOCK);
	put(&w, "zfs");
	put(&w, "create");
	put(&w, "-b");
	put(&w, block);
	put(&w, "-V");
	put(&w, size);
	if (o->thin)
		put(&w, "-s");
	put_ours(&w, o);
	put(&w, o->name);
	return zfs_run(p, w.v, err);
}

int zfs_resize(const struct storage_pool *p, const char *name, uint64_t size_bytes, struct err *err)
{
	char setting[48];

	snprintf(setting, sizeof(setting), "volsize=%llu",
		 (unsigned long long)zfs_size(size_bytes));
	return zfs_set(p, name, setting, err);
}

int zfs_set(const struct storage_pool *p, const char *name, const char *setting, struct err *err)
{
	return ZFS_RUN(p, err, "zfs", "set", setting, name);
}

int zfs_unset(const struct storage_pool *p, const char *name, const char *property, struct err *err)
{
	return ZFS_RUN(p, err, "zfs", "inherit", property, name);
}

int zfs_rename(const struct storage_pool *p, const char *name, const char *to, struct err *err)
{
	return ZFS_RUN(p, err, "zfs", "rename", name, to);
}

int zfs_destroy(const struct storage_pool *p, const char *name, struct err *err)
{
	uint64_t until = clock_boot_ns() + ZFS_BUSY_MS * MS;
	int rv;

	while ((rv = ZFS_RUN(p, err, "zfs", "destroy", name)) == -EBUSY && clock_boot_ns() < until)
		usleep(AGAIN_MS * 1000);
	return rv == -ENOENT ? 0 : rv;
}
