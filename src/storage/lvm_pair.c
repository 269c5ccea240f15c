// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm_pair.c - a volume as two logical volumes: <group>/<name> with the data
 * from offset 0, <group>/<name>.meta with the metadata. Called by storage.c in
 * worker threads, by way of lvm.c and lvm_thin.c, which hold what differs.
 *
 * Each of the two carries tags that name the replica and the volume; one
 * without them is somebody else's and never touched, whatever its name. LVM
 * writes a volume and its tags at once, so no crash leaves one of ours without.
 * Whether a pair is complete is told by one tag more:
 *   1. <name>.meta is made, with the tag sdsd.making
 *   2. <name> is made; it reads as zeros, or as its snapshot. A plain one is
 *      made zero by the front door, while the group has no lock of ours
 *   3. the metadata is formatted, so that its label names the owner
 *   4. the tag sdsd.making goes
 * What is found with that tag is half-made: it is dropped and made anew. Removal
 * takes the data first and the metadata, which names the owner, last.
 *
 * Growth has no need of a tag: the label says how far the data is good. Data
 * grows first, then what is new is made zero, from the end that the label tells,
 * then metadata grows, and its label last; cut anywhere, it is done again from
 * that end, while nobody has used what lies behind it.
 *
 * A pair may have a write cache (cached.c), which a tag of both names; it goes when they do.
 *
 * Finding a pair, which a node does for all its volumes at a start, runs no
 * program: the kernel is asked whether the devices are there, and the label is
 * read. LVM is asked when they are not.
 */
#include "storage/lvm_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/cache.h"
#include "storage/cached.h"
#include "storage/dm.h"
#include "storage/step.h"

#define META_SUFFIX ".meta"
#define POOL_SUFFIX "-tpool"
#define KERNEL_NAME_MAX 160
#define SUSPENDED_MS 3000 /* for longer LVM suspends nothing, unless it was killed */
#define LOOK_AGAIN_MS 50
#define MS 1000000ull

/* --- names and owners ----------------------------------------------------- */

/* LVM doubles hyphens in what it puts together with one. */
void lvm_device_name(const char *group, const char *lv, char *out, size_t len)
{
	const char *part[2] = { group, lv };
	size_t at = 0;

	for (int i = 0; i < 2; i++) {
		for (const char *c = part[i]; *c && at + 3 < len; c++) {
			out[at++] = *c;
			if (*c == '-')
				out[at++] = '-';
		}
		if (i == 0)
			out[at++] = '-';
	}
	out[at] = 0;
}

/* Not /dev/<group>/<name>, which only udev makes. */
static void device_path(const struct lvm_pair *q, enum lvm_role role, char *out, size_t len)
{
	snprintf(out, len, DM_NODES);
	lvm_device_name(q->source.group, q->name[role], out + strlen(DM_NODES),
			len - strlen(DM_NODES));
}

void lvm_pair_init(struct lvm_pair *q, const struct storage_pool *p, const struct storage_volume *v,
		   const char *snapshot)
{
	memset(q, 0, sizeof(*q));
	q->p = p;
	q->v = v;
	lvm_source_parse(p->source, &q->source); /* the front door has asked check() */
	q->thin = q->source.pool[0];
	snprintf(q->name[LVM_DATA], sizeof(q->name[0]), "%s", v->name);
	snprintf(q->name[LVM_META], sizeof(q->name[0]), "%s" META_SUFFIX, v->name);
	snprintf(q->name[LVM_POOL], sizeof(q->name[0]), "%s", q->source.pool);
	snprintf(q->name[LVM_SNAPSHOT], sizeof(q->name[0]), "%s", snapshot ? snapshot : "");
	device_path(q, LVM_DATA, q->paths.data, sizeof(q->paths.data));
	device_path(q, LVM_META, q->paths.meta, sizeof(q->paths.meta));
}

int lvm_pair_look(struct lvm_pair *q, struct err *err)
{
	const char *names[LVM_ROLES];
	struct lvm_lv found[LVM_ROLES];
	int n = 0, rv;

	for (int i = 0; i < LVM_ROLES; i++) {
		if (q->name[i][0])
			names[n++] = q->name[i];
	}
	rv = lvm_look(q->p, names, n, found, err);
	if (rv < 0)
		return rv;
	n = 0;
	for (int i = 0; i < LVM_ROLES; i++) {
		if (q->name[i][0])
			q->lv[i] = found[n++];
	}
	return 0;
}

enum lvm_owner lvm_owner_of(const struct lvm_lv *lv, const struct storage_volume *v)
{
	const struct lvm_tags *t = &lv->tags;

	if (!lv->there)
		return LVM_NOBODY;
	if (t->has[LVM_TAG_REPLICA])
		return memcmp(t->uuid[LVM_TAG_REPLICA], v->owner, 16) == 0 &&
				       t->has[LVM_TAG_VOLUME] &&
				       memcmp(t->uuid[LVM_TAG_VOLUME], v->volume, 16) == 0
			       ? LVM_US
			       : LVM_OTHER;
	return t->has[LVM_TAG_SNAPSHOT] ? LVM_OTHER : LVM_STRANGER;
}

static enum lvm_owner owner(const struct lvm_pair *q, enum lvm_role role)
{
	return lvm_owner_of(&q->lv[role], q->v);
}

int lvm_foreign(const struct lvm_pair *q, enum lvm_role role, enum lvm_owner who, struct err *err)
{
	return err_set(err, -E_EXISTS,
		       who == LVM_OTHER ? "pool %s: %s/%s belongs to another replica, volume or "
					  "snapshot and is left alone"
					: "pool %s: %s/%s is there already and is not of sdsd: "
					  "rename it",
		       q->p->name, q->source.group, q->name[role]);
}

int lvm_missing(const struct lvm_pair *q, enum lvm_role role, struct err *err)
{
	return err_set(err, -ENOENT,
		       "pool %s: %s/%s is missing: it is not made anew, since it held data",
		       q->p->name, q->source.group, q->name[role]);
}

static int device_fail(const struct lvm_pair *q, const char *what, const char *path, int code,
		       struct err *err)
{
	return err_set(err, code, "pool %s: cannot %s %s: %s", q->p->name, what, path,
		       err_name(code));
}

/* --- devices -------------------------------------------------------------- */

/* of the role, as the kernel calls it; of a thin pool the device that its volumes use */
static void kernel_name(const struct lvm_pair *q, enum lvm_role role, char out[KERNEL_NAME_MAX])
{
	lvm_device_name(q->source.group, q->name[role], out, KERNEL_NAME_MAX - sizeof(POOL_SUFFIX));
	if (role == LVM_POOL)
		snprintf(out + strlen(out), sizeof(POOL_SUFFIX), POOL_SUFFIX);
}

/* LVM suspends devices for a moment when it changes them. A program that was killed just then
 * leaves them so: who reads or writes them waits for ever. */
static bool stays_suspended(const char *device)
{
	uint64_t until = clock_boot_ns() + SUSPENDED_MS * MS;
	struct dm_device d;

	while (dm_look(device, &d) == 0 && d.suspended) {
		if (clock_boot_ns() > until)
			return true;
		usleep(LOOK_AGAIN_MS * 1000);
	}
	return false;
}

static bool is_suspended(const struct lvm_pair *q, enum lvm_role role)
{
	char name[KERNEL_NAME_MAX];

	if (!q->name[role][0])
		return false;
	kernel_name(q, role, name);
	return stays_suspended(name);
}

int lvm_resume(const struct storage_pool *p, const char *group, const char *lv, const char *device,
	       struct err *err)
{
	int rv;

	if (!stays_suspended(device))
		return 0;
	log_warn("storage", "pool=%s %s/%s was left suspended", p->name, group, lv);
	rv = lvm_refresh(p, &lv, 1, err);
	if (stays_suspended(device))
		rv = dm_resume(device);
	return rv < 0 ? err_set(err, rv, "pool %s: %s/%s is suspended and cannot go on", p->name,
				group, lv)
		      : 0;
}

int lvm_pair_resume(const struct lvm_pair *q, struct err *err)
{
	static const enum lvm_role roles[] = { LVM_POOL, LVM_DATA, LVM_META };
	char name[KERNEL_NAME_MAX];
	int rv = 0;

	for (int i = 0; i < 3 && rv == 0; i++) {
		const char *lv = q->name[roles[i]];

		if (!lv[0])
			continue;
		kernel_name(q, roles[i], name);
		rv = lvm_resume(q->p, q->source.group, lv, name, err);
	}
	return rv;
}

static int device_state(const struct lvm_pair *q, enum lvm_role role)
{
	return dm_node(role == LVM_DATA ? q->paths.data : q->paths.meta);
}

/* They can be read, without waiting for what was left suspended. */
static bool is_usable(const struct lvm_pair *q)
{
	return device_state(q, LVM_DATA) == 0 && device_state(q, LVM_META) == 0 &&
	       !is_suspended(q, LVM_DATA) && !is_suspended(q, LVM_META) &&
	       !is_suspended(q, LVM_POOL);
}

int lvm_pair_usable(const struct lvm_pair *q, struct err *err)
{
	const char *const names[] = { q->name[LVM_DATA], q->name[LVM_META] };
	int data, meta, rv;

	if (is_usable(q))
		return 0;
	rv = lvm_pair_resume(q, err);
	data = device_state(q, LVM_DATA);
	meta = device_state(q, LVM_META);
	if (rv == 0 && (data == -ENXIO || meta == -ENXIO))
		rv = lvm_activate(q->p, names, 2, err);
	else if (rv == 0 && (data < 0 || meta < 0))
		rv = lvm_nodes(q->p, err);
	if (rv < 0 || is_usable(q))
		return rv;
	return err_set(err, -ENODEV, "pool %s: %s/%s is active, but %s does not lead to it",
		       q->p->name, q->source.group, q->name[LVM_DATA], q->paths.data);
}

static int device_bytes(const struct lvm_pair *q, const char *path, uint64_t *ret, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rv = 0;
	uint64_t bytes;

	if (fd < 0)
		return device_fail(q, "open", path, -errno, err);
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		rv = device_fail(q, "examine", path, -errno, err);
	else
		*ret = bytes;
	close(fd);
	return rv;
}

static int meta_open(const struct lvm_pair *q, int flags, struct err *err)
{
	int fd = open(q->paths.meta, flags | O_CLOEXEC);

	if (fd < 0)
		return device_fail(q, "open", q->paths.meta, -errno, err);
	/* No reading ahead: those pages may be written past the page cache by a kernel module. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

static int check_label(const struct lvm_pair *q, int fd, uint64_t *ret_size, struct err *err)
{
	struct storage_label label = { 0 };
	int rv = storage_meta_ops()->label(fd, &label, err);

	if (rv < 0) {
		err_prefix(err, "pool %s: %s/%s", q->p->name, q->source.group, q->name[LVM_META]);
		return rv;
	}
	if (!storage_label_is(&label, q->v))
		return lvm_foreign(q, LVM_META, LVM_OTHER, err);
	*ret_size = label.size_bytes ? label.size_bytes : q->v->size_bytes;
	return 0;
}

/* how far the data is good, by the label */
static int read_label(const struct lvm_pair *q, uint64_t *ret_size, struct err *err)
{
	int fd = meta_open(q, O_RDONLY, err), rv;

	if (fd < 0)
		return fd;
	rv = check_label(q, fd, ret_size, err);
	close(fd);
	return rv;
}

static int check_data(const struct lvm_pair *q, uint64_t want, struct err *err)
{
	uint64_t have = 0;
	int rv = device_bytes(q, q->paths.data, &have, err);

	if (rv == 0 && have < want)
		return err_set(err, -E_CORRUPT, "pool %s: %s/%s has %llu bytes, %llu expected",
			       q->p->name, q->source.group, q->name[LVM_DATA],
			       (unsigned long long)have, (unsigned long long)want);
	return rv;
}

/* What a thin volume has no block for reads as zeros, and a discard takes blocks away. */
static void give(const struct lvm_pair *q, uint64_t size, struct storage_paths *ret)
{
	*ret = q->paths;
	ret->size_bytes = size;
	if (q->thin)
		ret->discard_bytes = dm_discard_bytes(q->paths.data + strlen(DM_NODES));
}

/* --- locate --------------------------------------------------------------- */

/* Both are LVM's, and ours by their tags. */
static int check_owned(const struct lvm_pair *q, struct err *err)
{
	static const enum lvm_role roles[] = { LVM_META, LVM_DATA };

	for (int i = 0; i < 2; i++) {
		enum lvm_owner who = owner(q, roles[i]);

		if (who == LVM_NOBODY)
			return lvm_missing(q, roles[i], err);
		if (who != LVM_US)
			return lvm_foreign(q, roles[i], who, err);
	}
	return 0;
}

int lvm_pair_locate(const struct storage_pool *p, const struct storage_volume *v,
		    struct storage_paths *ret, struct err *err)
{
	struct lvm_pair q;
	uint64_t size = 0;
	int rv = 0;

	lvm_pair_init(&q, p, v, NULL);
	if (!is_usable(&q)) {
		rv = lvm_pair_look(&q, err);
		if (rv == 0)
			rv = check_owned(&q, err);
		if (rv == 0)
			rv = lvm_pair_usable(&q, err);
	}
	if (rv == 0)
		rv = read_label(&q, &size, err);
	if (rv == 0)
		rv = check_data(&q, size, err);
	if (rv < 0)
		return rv;
	give(&q, size, ret);
	return 0;
}

/* --- grow ----------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int grow_room(const struct lvm_pair *q, struct err *err)
{
	uint64_t data = q->lv[LVM_DATA].size_bytes, meta = q->lv[LVM_META].size_bytes;
	uint64_t to_data = larger(data, q->v->size_bytes), to_meta = larger(meta, q->v->meta_bytes);
	int rv;

	if (data == to_data && meta == to_meta)
		return 0;
	if (!q->thin)
		return lvm_check_room(q->p, data, to_data, meta, to_meta, err);
	rv = lvm_thin_check_pool(q->p, &q->lv[LVM_POOL], err);
	return rv < 0 ? rv : lvm_thin_check_room(q->p, &q->lv[LVM_POOL], to_meta - meta, err);
}

static int lengthen(const struct lvm_pair *q, enum lvm_role role, uint64_t want, struct err *err)
{
	return q->lv[role].size_bytes < want ? lvm_extend(q->p, q->name[role], want, err) : 0;
}

static int grow_label(const struct lvm_pair *q, struct err *err)
{
	int fd = meta_open(q, O_RDWR, err), rv;

	if (fd < 0)
		return fd;
	rv = storage_meta_ops()->grow ? storage_meta_ops()->grow(fd, q->v, err) : 0;
	if (rv < 0)
		err_prefix(err, "pool %s: %s/%s", q->p->name, q->source.group, q->name[LVM_META]);
	close(fd);
	return rv;
}

/* Whoever has made it zero calls again with the same volume; a process that has not lived to do so
 * has left no word of it. */
static bool wants_zeros(const struct lvm_pair *q, uint64_t from, uint64_t to)
{
	return !q->thin && (from < q->v->zeroed_from || to > q->v->zeroed_to);
}

static void ask_zeros(const struct lvm_pair *q, uint64_t from, uint64_t to,
		      struct storage_paths *ret)
{
	*ret = q->paths;
	ret->zero_from = from;
	ret->zero_to = to;
}

/* of a pair that has been looked at and is ours */
static int grow_found(struct lvm_pair *q, struct storage_paths *ret, struct err *err)
{
	uint64_t size = 0, had, want = q->v->size_bytes;
	struct err ignored;
	int rv = lvm_pair_usable(q, err);

	if (rv == 0)
		rv = read_label(q, &size, err);
	/* what was cut off must not come back as zeros */
	if (rv == 0)
		rv = check_data(q, size, err);
	had = size + q->v->header_bytes; /* of the device: the label tells of the content */
	if (rv == 0 && had < want) {
		rv = grow_room(q, err);
		if (rv == 0)
			rv = lengthen(q, LVM_DATA, want, err);
		if (rv == 0 && wants_zeros(q, had, want)) {
			ask_zeros(q, had, want, ret);
			return 0;
		}
		if (rv == 0)
			rv = lengthen(q, LVM_META, q->v->meta_bytes, err);
		storage_step("grow label");
		if (rv == 0)
			rv = grow_label(q, err);
		storage_step("label grown");
	}
	if (rv < 0) {
		lvm_pair_resume(q, &ignored);
		return rv;
	}
	give(q, larger(size, want), ret);
	return 0;
}

int lvm_pair_grow(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	struct lvm_pair q;
	int rv;

	lvm_pair_init(&q, p, v, NULL);
	rv = lvm_pair_look(&q, err);
	if (rv == 0)
		rv = check_owned(&q, err);
	return rv < 0 ? rv : grow_found(&q, ret, err);
}

/* --- remove --------------------------------------------------------------- */

static int drop_one(const struct lvm_pair *q, enum lvm_role role, struct err *err)
{
	if (owner(q, role) != LVM_US)
		return 0;
	if (q->lv[role].origin)
		return err_set(err, -EBUSY,
			       "pool %s: %s/%s has snapshots that are not of sdsd and would go "
			       "with it: remove them first",
			       q->p->name, q->source.group, q->name[role]);
	return lvm_remove(q->p, q->name[role], err);
}

/* the group that keeps its write cache; "": it has none */
static const char *cache_group(const struct lvm_pair *q)
{
	if (owner(q, LVM_META) == LVM_US && q->lv[LVM_META].tags.cache[0])
		return q->lv[LVM_META].tags.cache;
	return owner(q, LVM_DATA) == LVM_US ? q->lv[LVM_DATA].tags.cache : "";
}

static int drop(const struct lvm_pair *q, struct err *err)
{
	const char *cache = cache_group(q);
	int rv = cache[0] ? cache_close(q->v->name, err) : 0;
	struct err ignored;

	if (rv == 0)
		rv = drop_one(q, LVM_DATA, err);
	if (rv == 0 && cache[0])
		rv = cached_drop(q->p, q->v, cache, err);
	if (rv == 0)
		rv = drop_one(q, LVM_META, err);
	if (rv < 0)
		lvm_pair_resume(q, &ignored);
	return rv;
}

int lvm_pair_remove(const struct storage_pool *p, const struct storage_volume *v, struct err *err)
{
	enum lvm_owner meta, data;
	struct lvm_pair q;
	int rv;

	lvm_pair_init(&q, p, v, NULL);
	rv = lvm_pair_look(&q, err);
	if (rv < 0)
		return rv;
	meta = owner(&q, LVM_META);
	data = owner(&q, LVM_DATA);
	if (meta == LVM_US || data == LVM_US)
		return drop(&q, err);
	if (meta == LVM_OTHER || data == LVM_OTHER)
		return lvm_foreign(&q, meta == LVM_OTHER ? LVM_META : LVM_DATA, LVM_OTHER, err);
	/* whatever else has these names never was ours */
	return 0;
}

/* --- create --------------------------------------------------------------- */

/* as it is left while its data is made zero, by this very call */
static bool is_half_made(const struct lvm_pair *q)
{
	return q->v->zeroed_to > 0 && owner(q, LVM_META) == LVM_US && q->lv[LVM_META].tags.making;
}

/* 0: nothing of these names is in the way any more; 1: the pair is complete and ours */
static int clear_way(struct lvm_pair *q, struct err *err)
{
	static const enum lvm_role roles[] = { LVM_META, LVM_DATA };
	int rv;

	for (int i = 0; i < 2; i++) {
		enum lvm_owner who = owner(q, roles[i]);

		if (who == LVM_OTHER || who == LVM_STRANGER)
			return lvm_foreign(q, roles[i], who, err);
	}
	if (q->lv[LVM_META].there && !q->lv[LVM_META].tags.making && q->lv[LVM_DATA].there)
		return 1;
	rv = drop(q, err);
	if (rv == 0)
		q->lv[LVM_META].there = q->lv[LVM_DATA].there = false;
	return rv;
}

static int check_from(const struct lvm_pair *q, const struct storage_snapshot *from,
		      struct err *err)
{
	const struct lvm_lv *lv = &q->lv[LVM_SNAPSHOT];

	if (lvm_is_snapshot(lv, from))
		return 0;
	return err_set(err, -ENOENT, "pool %s: the snapshot %s/%s is %s", q->p->name,
		       q->source.group, from->name,
		       lv->there ? "another one of that name" : "not there");
}

static int create_room(const struct lvm_pair *q, struct err *err)
{
	int rv;

	if (!q->thin)
		return lvm_check_room(q->p, 0, q->v->size_bytes, 0, q->v->meta_bytes, err);
	rv = lvm_thin_check_pool(q->p, &q->lv[LVM_POOL], err);
	return rv < 0 ? rv : lvm_thin_check_room(q->p, &q->lv[LVM_POOL], q->v->meta_bytes, err);
}

static void tag_ours(const struct lvm_pair *q, struct lvm_new *o)
{
	lvm_tag(LVM_TAG_REPLICA, q->v->owner, o->tag[o->n_tags++]);
	lvm_tag(LVM_TAG_VOLUME, q->v->volume, o->tag[o->n_tags++]);
	if (q->v->cache.pool[0])
		snprintf(o->tag[o->n_tags++], LVM_TAG_MAX, LVM_TAG_CACHE "%.*s", LVM_NAME_MAX,
			 q->v->cache.source);
}

static int make_meta(const struct lvm_pair *q, struct err *err)
{
	struct lvm_new o = { .name = q->name[LVM_META], .size_bytes = q->v->meta_bytes };

	tag_ours(q, &o);
	snprintf(o.tag[o.n_tags++], LVM_TAG_MAX, LVM_TAG_MAKING);
	return lvm_make(q->p, &o, err);
}

static int make_data(const struct lvm_pair *q, const struct storage_snapshot *from, struct err *err)
{
	struct lvm_new o = { .name = q->name[LVM_DATA], .size_bytes = q->v->size_bytes };
	int rv;

	tag_ours(q, &o);
	if (from)
		o.of = from->name;
	rv = lvm_make(q->p, &o, err);
	/* what a thin volume is made longer by has no blocks: it reads as zeros */
	if (rv == 0 && from && q->lv[LVM_SNAPSHOT].size_bytes < q->v->size_bytes)
		rv = lvm_extend(q->p, o.name, q->v->size_bytes, err);
	return rv == 0 ? lvm_pair_usable(q, err) : rv;
}

int lvm_pair_format(const struct lvm_pair *q, struct err *err)
{
	int fd = meta_open(q, O_RDWR, err), rv;

	if (fd < 0)
		return fd;
	storage_step("format");
	rv = storage_meta_ops()->format(fd, q->v, err);
	if (rv < 0)
		err_prefix(err, "pool %s: %s/%s", q->p->name, q->source.group, q->name[LVM_META]);
	storage_step("formatted");
	close(fd);
	return rv;
}

/* Gives the space back; what fails here the next try repeats. */
static void undo(struct lvm_pair *q)
{
	struct err ignored;

	if (lvm_pair_look(q, &ignored) == 0 && q->lv[LVM_META].tags.making &&
	    owner(q, LVM_META) == LVM_US)
		drop(q, &ignored);
}

/* what has data is complete but for its metadata */
static int complete(const struct lvm_pair *q, struct err *err)
{
	int rv = lvm_pair_format(q, err);

	return rv < 0 ? rv : lvm_untag(q->p, q->name[LVM_META], LVM_TAG_MAKING, err);
}

/* The pair whose data was made zero meanwhile: is it the one that was left half-made for that? */
static int check_half_made(const struct lvm_pair *q, struct err *err)
{
	if (is_half_made(q) && owner(q, LVM_DATA) == LVM_US &&
	    q->lv[LVM_DATA].size_bytes >= q->v->size_bytes)
		return 0;
	return err_set(err, -EAGAIN, "pool %s: %s/%s was removed while it was being made",
		       q->p->name, q->source.group, q->name[LVM_DATA]);
}

/* 0: complete, or *ret asks for zeros */
static int make(struct lvm_pair *q, const struct storage_snapshot *from, struct storage_paths *ret,
		struct err *err)
{
	bool again = q->v->zeroed_to > 0;
	struct err ignored;
	int rv = again ? check_half_made(q, err) : create_room(q, err);

	if (rv < 0)
		return rv;
	if (!again) {
		rv = make_meta(q, err);
		if (rv == 0)
			rv = make_data(q, from, err);
	}
	if (rv == 0 && wants_zeros(q, 0, q->v->size_bytes)) {
		ask_zeros(q, 0, q->v->size_bytes, ret);
		return 0;
	}
	if (rv == 0)
		rv = complete(q, err);
	if (rv == 0)
		give(q, q->v->size_bytes, ret);
	if (rv < 0)
		lvm_pair_resume(q, &ignored);
	/* where a program hangs the next one would, too */
	if (rv < 0 && rv != -ETIMEDOUT)
		undo(q);
	return rv;
}

int lvm_pair_create(const struct storage_pool *p, const struct storage_volume *v,
		    const struct storage_snapshot *from, struct storage_paths *ret, struct err *err)
{
	struct lvm_pair q;
	int rv;

	lvm_pair_init(&q, p, v, from ? from->name : NULL);
	rv = lvm_pair_look(&q, err);
	if (rv == 0 && !is_half_made(&q))
		rv = clear_way(&q, err);
	if (rv == 1) /* made by an attempt nobody heard of, perhaps for another size */
		return grow_found(&q, ret, err);
	if (rv == 0 && from)
		rv = check_from(&q, from, err);
	return rv < 0 ? rv : make(&q, from, ret, err);
}

int lvm_pair_create_empty(const struct storage_pool *p, const struct storage_volume *v,
			  struct storage_paths *ret, struct err *err)
{
	return lvm_pair_create(p, v, NULL, ret, err);
}
