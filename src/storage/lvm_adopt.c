// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm_adopt.c - see lvm_adopt.h. Called by storage.c in worker threads, by way of
 * lvm.c and lvm_thin.c.
 *
 * The content is never written here, and the volume never dropped:
 *   1. <name>.meta is made, with the tags of its owner, and formatted
 *   2. the volume gets the same tags
 *   3. it is renamed to <name>: from here on it is a pair like any other
 * Cut before 3 there is no <name>, so what lvm_pair.c drops of a pair that is not
 * complete is metadata only; the next attempt makes that anew and goes on with the
 * volume, which has the tags or not. One that bears the name already becomes ours
 * by its tags, which come last then.
 *
 * Nobody may have it open, and nobody can open it for itself (mount it) while it is
 * tagged and renamed. After that its former name is gone.
 */
#include "storage/lvm_adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/dm.h"
#include "storage/lvm_pair.h"
#include "storage/step.h"

#define DEV "/dev/"

/* --- names ---------------------------------------------------------------- */

/* "vg-my--data" -> "vg/my-data": LVM doubles hyphens in what it puts together with one */
static int split_mapped(const char *text, char *out, size_t len)
{
	size_t at = 0;

	for (; *text && *text != '/' && at + 1 < len; text++) {
		char c = *text;

		if (c == '-' && text[1] == '-')
			text++;
		else if (c == '-')
			c = '/';
		out[at++] = c; /* a second slash is no name of a volume any more */
	}
	out[at] = 0;
	return *text ? -E_INVALID : 0;
}

int lvm_adopt_parse(const char *device, struct lvm_source *ret)
{
	char text[STORAGE_DEVICE_MAX];
	int rv = 0;

	if (strncmp(device, DM_NODES, strlen(DM_NODES)) == 0)
		rv = split_mapped(device + strlen(DM_NODES), text, sizeof(text));
	else if ((size_t)snprintf(text, sizeof(text), "%s",
				  strncmp(device, DEV, strlen(DEV)) == 0 ? device + strlen(DEV)
									 : device) >= sizeof(text))
		rv = -E_INVALID;
	if (rv == 0)
		rv = lvm_source_parse(text, ret);
	return rv == 0 && ret->pool[0] ? 0 : -E_INVALID;
}

/* --- what may be taken ---------------------------------------------------- */

static bool is_in_pool(const struct lvm_source *s, const struct lvm_lv *lv)
{
	return s->pool[0] ? lv->thin && strcmp(lv->in, s->pool) == 0 : !lv->thin;
}

static bool has_tags(const struct lvm_tags *t)
{
	return t->has[LVM_TAG_REPLICA] || t->has[LVM_TAG_VOLUME] || t->has[LVM_TAG_SNAPSHOT] ||
	       t->making;
}

int lvm_adopt_judge(const struct storage_pool *p, const char *name, const struct lvm_lv *lv,
		    struct err *err)
{
	struct lvm_source s;
	const char *why = NULL;

	lvm_source_parse(p->source, &s);
	if (!lv->there)
		return err_set(err, -ENOENT, "%s/%s: there is no such logical volume", s.group,
			       name);
	if (!is_in_pool(&s, lv))
		return err_set(err, -ENOENT, "%s/%s is not in %s, which pool %s is made of",
			       s.group, name, p->source, p->name);
	if (lv->snapshot)
		why = "is a snapshot of something else";
	else if (lv->origin)
		why = "has snapshots that need it: remove them first";
	else if (lv->type != (s.pool[0] ? 'V' : '-'))
		why = "is neither a linear, a striped nor a thin volume";
	else if (!lv->writable)
		why = "is read-only";
	if (why)
		return err_set(err, -E_INVALID, "%s/%s %s", s.group, name, why);
	if (lv->health[0])
		return err_set(err, -EIO, "%s/%s is not well, LVM says: %s", s.group, name,
			       lv->health);
	if (lv->size_bytes == 0 || lv->size_bytes % STORAGE_BLOCK)
		return err_set(err, -E_INVALID,
			       "%s/%s has %llu bytes, which is no multiple of %d: extend it",
			       s.group, name, (unsigned long long)lv->size_bytes, STORAGE_BLOCK);
	return 0;
}

static int check_untagged(const struct lvm_pair *q, struct err *err)
{
	if (!has_tags(&q->lv[LVM_DATA].tags))
		return 0;
	return err_set(err, -E_EXISTS,
		       "%s/%s has tags of sdsd: it is in a volume of sdsd already, or was meant "
		       "to be (lvchange --deltag, if it is in none)",
		       q->source.group, q->name[LVM_DATA]);
}

/* how often it may be open */
static int check_closed(const struct lvm_pair *q, int opens, struct err *err)
{
	struct dm_device d;
	int rv = dm_look(q->paths.data + strlen(DM_NODES), &d);

	if (rv == -ENXIO || (rv == 0 && d.opens <= opens))
		return 0;
	if (rv < 0)
		return err_set(err, rv, "pool %s: cannot examine %s: %s", q->p->name, q->paths.data,
			       err_name(rv));
	return err_set(err, -E_IN_USE,
		       "%s/%s is open: unmount it, and stop what uses it (dmsetup ls --tree, lsof)",
		       q->source.group, q->name[LVM_DATA]);
}

/* a pair whose data still bears the name that somebody else has given it */
static void pair_of(struct lvm_pair *q, const struct storage_pool *p,
		    const struct storage_volume *v, const char *name)
{
	lvm_pair_init(q, p, v, NULL);
	snprintf(q->name[LVM_DATA], sizeof(q->name[0]), "%s", name);
	snprintf(q->paths.data, sizeof(q->paths.data), DM_NODES);
	lvm_device_name(q->source.group, name, q->paths.data + strlen(DM_NODES),
			sizeof(q->paths.data) - strlen(DM_NODES));
}

static int check_pool(const struct lvm_pair *q, struct err *err)
{
	return q->thin ? lvm_thin_check_pool(q->p, &q->lv[LVM_POOL], err) : 0;
}

int lvm_adoptable(const struct storage_pool *p, const char *device, struct storage_foreign *ret,
		  struct err *err)
{
	const struct storage_volume nobody = { .name = "" };
	struct lvm_source of;
	struct lvm_pair q;
	int rv = lvm_adopt_parse(device, &of);

	if (rv < 0)
		return err_set(err, rv,
			       "\"%.200s\" is no name of a logical volume, such as /dev/vg0/data",
			       device);
	pair_of(&q, p, &nobody, of.pool);
	if (strcmp(of.group, q.source.group) != 0)
		return err_set(err, -ENOENT, "%s is not in volume group %s of pool %s", device,
			       q.source.group, p->name);
	rv = lvm_pair_look(&q, err);
	if (rv == 0)
		rv = lvm_adopt_judge(p, of.pool, &q.lv[LVM_DATA], err);
	if (rv == 0)
		rv = check_untagged(&q, err);
	if (rv == 0)
		rv = check_closed(&q, 0, err);
	if (rv == 0)
		rv = check_pool(&q, err);
	if (rv < 0)
		return rv;
	snprintf(ret->name, sizeof(ret->name), "%s", of.pool);
	ret->size_bytes = q.lv[LVM_DATA].size_bytes;
	return 0;
}

/* --- taken ---------------------------------------------------------------- */

/* The metadata of an attempt before goes; it says nothing that is not said again. */
static int make_meta(const struct lvm_pair *q, struct err *err)
{
	struct lvm_new o = { .name = q->name[LVM_META], .size_bytes = q->v->meta_bytes };
	int rv = 0;

	if (q->lv[LVM_META].there)
		rv = lvm_remove(q->p, q->name[LVM_META], err);
	if (rv == 0)
		rv = q->thin ? lvm_thin_check_room(q->p, &q->lv[LVM_POOL], o.size_bytes, err)
			     : lvm_check_room(q->p, 0, 0, 0, o.size_bytes, err);
	if (rv < 0)
		return rv;
	lvm_tag(LVM_TAG_REPLICA, q->v->owner, o.tag[o.n_tags++]);
	lvm_tag(LVM_TAG_VOLUME, q->v->volume, o.tag[o.n_tags++]);
	rv = lvm_make(q->p, &o, err);
	if (rv == 0)
		rv = lvm_pair_usable(q, err);
	return rv < 0 ? rv : lvm_pair_format(q, err);
}

static int tag_and_rename(const struct lvm_pair *q, struct err *err)
{
	char tag[2][LVM_TAG_MAX];
	const char *const tags[] = { tag[0], tag[1] };
	int rv = 0;

	lvm_tag(LVM_TAG_REPLICA, q->v->owner, tag[0]);
	lvm_tag(LVM_TAG_VOLUME, q->v->volume, tag[1]);
	if (lvm_owner_of(&q->lv[LVM_DATA], q->v) != LVM_US)
		rv = lvm_add_tags(q->p, q->name[LVM_DATA], tags, 2, err);
	if (rv == 0 && strcmp(q->name[LVM_DATA], q->v->name) != 0)
		rv = lvm_rename(q->p, q->name[LVM_DATA], q->v->name, err);
	return rv;
}

/* while nobody else can have it for itself */
static int claim(const struct lvm_pair *q, struct err *err)
{
	int fd = open(q->paths.data, O_RDONLY | O_EXCL | O_CLOEXEC), rv;

	if (fd < 0 && errno != EBUSY)
		return err_set(err, -errno, "pool %s: cannot open %s: %s", q->p->name,
			       q->paths.data, err_name(-errno));
	rv = check_closed(q, fd < 0 ? 0 : 1, err);
	if (fd < 0)
		return rv < 0 ? rv
			      : err_set(err, -E_IN_USE, "%s/%s was open a moment ago",
					q->source.group, q->name[LVM_DATA]);
	if (rv == 0)
		rv = tag_and_rename(q, err);
	close(fd);
	return rv;
}

static int take(struct lvm_pair *q, struct err *err)
{
	struct err ignored;
	int rv = lvm_pair_look(q, err);

	if (rv == 0)
		rv = lvm_adopt_judge(q->p, q->name[LVM_DATA], &q->lv[LVM_DATA], err);
	if (rv == 0 && lvm_owner_of(&q->lv[LVM_DATA], q->v) != LVM_US)
		rv = check_untagged(q, err);
	if (rv == 0 && q->lv[LVM_DATA].size_bytes < q->v->size_bytes)
		rv = err_set(err, -E_INVALID, "%s/%s has become smaller meanwhile", q->source.group,
			     q->name[LVM_DATA]);
	if (rv == 0)
		rv = check_closed(q, 0, err);
	if (rv == 0)
		rv = check_pool(q, err);
	if (rv < 0)
		return rv;
	rv = make_meta(q, err);
	if (rv == 0)
		rv = claim(q, err);
	if (rv < 0)
		lvm_pair_resume(q, &ignored);
	return rv;
}

/* Of the names that the pair will have, both are free, or there is our metadata, or the volume
 * itself. */
static int check_names(const struct lvm_pair *there, const char *from, struct err *err)
{
	enum lvm_owner data = lvm_owner_of(&there->lv[LVM_DATA], there->v);
	enum lvm_owner meta = lvm_owner_of(&there->lv[LVM_META], there->v);

	if (data != LVM_NOBODY && strcmp(from, there->name[LVM_DATA]) != 0)
		return lvm_foreign(there, LVM_DATA, data, err);
	if (meta != LVM_NOBODY && meta != LVM_US)
		return lvm_foreign(there, LVM_META, meta, err);
	return 0;
}

int lvm_adopt(const struct storage_pool *p, const struct storage_volume *v,
	      const struct storage_foreign *from, struct storage_paths *ret, struct err *err)
{
	struct storage_volume now = *v; /* it may have been grown before it was taken */
	struct lvm_pair there, q;
	int rv;

	lvm_pair_init(&there, p, v, NULL);
	rv = lvm_pair_look(&there, err);
	if (rv == 0 && lvm_owner_of(&there.lv[LVM_DATA], v) != LVM_US) {
		now.size_bytes = from->size_bytes;
		pair_of(&q, p, &now, from->name);
		rv = check_names(&there, from->name, err);
		if (rv == 0)
			rv = take(&q, err);
	}
	return rv < 0 ? rv : lvm_pair_grow(p, v, ret, err);
}
