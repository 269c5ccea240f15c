// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cached.c - see cached.h. Called by storage.c in worker threads, in the turn of the pool that has
 * the data: the cache's group has no turn of ours, as only LVM's own lock is needed there. A
 * removal takes the data, then the cache, then the metadata, whose tag names the cache's group.
 */
#include "storage/cached.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/cache.h"
#include "storage/dm.h"
#include "storage/lvm.h"

static const char *const suffix[CACHED_ROLES] = { ".cache", ".cmeta" };

const struct storage_ops *cached_ops(const struct storage_volume *v)
{
	return v->cache.reads ? &storage_read_cached : &storage_write_cached;
}

const struct storage_ops *cached_under(const struct storage_pool *p)
{
	return strcmp(p->kind, storage_lvm_thin.kind) == 0 ? &storage_lvm_thin : &storage_lvm;
}

const char *cached_noun(const struct storage_volume *v)
{
	return v->cache.reads ? "read cache" : "write cache";
}

bool cached_can(const char *kind)
{
	return strcmp(kind, storage_lvm.kind) == 0 || strcmp(kind, storage_lvm_thin.kind) == 0;
}

static void cached_init(struct cached *q, const struct storage_pool *p,
			const struct storage_volume *v, const char *pool, const char *group, int n)
{
	size_t head = strlen(DM_NODES);

	memset(q, 0, sizeof(*q));
	q->v = v;
	q->n = n;
	snprintf(q->at.kind, sizeof(q->at.kind), "%s", storage_lvm.kind);
	snprintf(q->at.name, sizeof(q->at.name), "%s", pool);
	snprintf(q->at.source, sizeof(q->at.source), "%s", group);
	q->at.watch = p->watch;
	for (int i = 0; i < n; i++) {
		snprintf(q->name[i], sizeof(q->name[i]), "%s%s", v->name, suffix[i]);
		snprintf(q->path[i], sizeof(q->path[i]), DM_NODES);
		lvm_device_name(group, q->name[i], q->path[i] + head, sizeof(q->path[i]) - head);
	}
}

void cached_of(struct cached *q, const struct storage_pool *p, const struct storage_volume *v)
{
	cached_init(q, p, v, v->cache.pool, v->cache.source, v->cache.reads ? 2 : 1);
}

int cached_check(const struct storage_pool *p, const struct storage_volume *v, struct err *err)
{
	struct cached q;

	if (!cached_can(p->kind))
		return err_set(err, -E_INVALID,
			       "pool %s: a volume in a pool of kind %s has no %s: it takes one of "
			       "LVM",
			       p->name, p->kind, cached_noun(v));
	if (!v->cache.source[0])
		return err_set(err, -E_INVALID,
			       "storage pool %s, for the %s of %s, is not defined on this node",
			       v->cache.pool, cached_noun(v), v->name);
	if (v->cache.bytes < CACHE_BYTES_MIN || v->cache.bytes % STORAGE_BLOCK)
		return err_set(err, -E_INVALID, "pool %s: a %s of %llu bytes cannot be", p->name,
			       cached_noun(v), (unsigned long long)v->cache.bytes);
	cached_of(&q, p, v);
	return storage_lvm.check(&q.at, err);
}

/* --- the logical volumes -------------------------------------------------- */

int cached_look(struct cached *q, struct err *err)
{
	const char *const names[CACHED_ROLES] = { q->name[CACHED_DATA], q->name[CACHED_META] };
	int rv = lvm_look(&q->at, names, q->n, q->lv, err);

	return rv < 0 ? err_prefix(err, "%s of %s", cached_noun(q->v), q->v->name) : 0;
}

int cached_check_owner(const struct cached *q, struct err *err)
{
	for (int i = 0; i < q->n; i++) {
		enum lvm_owner who = lvm_owner_of(&q->lv[i], q->v);

		if (who != LVM_US && who != LVM_NOBODY)
			return err_set(
				err, -E_EXISTS,
				who == LVM_OTHER
					? "pool %s: %s/%s belongs to another replica or volume "
					  "and is left alone"
					: "pool %s: %s/%s is there already and is not of sdsd: "
					  "rename it",
				q->at.name, q->at.source, q->name[i]);
	}
	return 0;
}

/* LVM's program was killed while it had it suspended. What cannot go on is seen by what is done
 * next. */
static void let_go_on(const struct cached *q, enum cached_role role)
{
	struct err ignored;

	lvm_resume(&q->at, q->at.source, q->name[role], q->path[role] + strlen(DM_NODES), &ignored);
}

int cached_reach(const struct cached *q, enum cached_role role, struct err *err)
{
	const char *name = q->name[role], *path = q->path[role];
	int rv = 0, state;

	let_go_on(q, role);
	state = dm_node(path);
	if (state == -ENXIO)
		rv = lvm_activate(&q->at, &name, 1, err);
	else if (state < 0)
		rv = lvm_nodes(&q->at, err);
	if (rv < 0 || dm_node(path) == 0)
		return rv;
	return err_set(err, -ENODEV, "pool %s: %s/%s is active, but %s does not lead to it",
		       q->at.name, q->at.source, name, path);
}

int cached_make(const struct cached *q, enum cached_role role, uint64_t bytes, const char *tag,
		struct err *err)
{
	struct lvm_new o = { .name = q->name[role], .size_bytes = bytes };

	lvm_tag(LVM_TAG_REPLICA, q->v->owner, o.tag[o.n_tags++]);
	lvm_tag(LVM_TAG_VOLUME, q->v->volume, o.tag[o.n_tags++]);
	if (tag)
		snprintf(o.tag[o.n_tags++], LVM_TAG_MAX, "%s", tag);
	return lvm_make(&q->at, &o, err);
}

int cached_remove(const struct cached *q, enum cached_role role, struct err *err)
{
	let_go_on(q, role);
	return lvm_remove(&q->at, q->name[role], err);
}

int cached_zero(const struct storage_pool *p, const struct storage_paths *paths, struct err *err)
{
	return storage_lvm.zero(p, paths, err);
}

int cached_drop(const struct storage_pool *p, const struct storage_volume *v, const char *group,
		struct err *err)
{
	struct cached q;
	int rv;

	/* whoever removes does not know of which kind it is */
	cached_init(&q, p, v, p->name, group, CACHED_ROLES);
	rv = cached_look(&q, err);
	if (rv == -ENOENT) {
		log_warn("storage", "pool=%s the cache of %s is not removed: %s", p->name, v->name,
			 err->text);
		return 0;
	}
	for (int i = 0; i < q.n && rv == 0; i++) {
		if (lvm_owner_of(&q.lv[i], v) == LVM_US)
			rv = cached_remove(&q, i, err);
	}
	return rv;
}
