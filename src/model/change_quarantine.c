// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_quarantine.c - copies whose disk fails time and again. Called by the
 * API: for a node, which says that one is to be left alone, and for users, who
 * have repaired the disk or want a new copy in its place. Both only where
 * another copy is in sync: what may hold the last valid content is kept, and
 * tried.
 */
#include "model/bundle.h"

#include <stdio.h>
#include <string.h>

/* Some other copy has all that was acknowledged, and is not to go either. */
static bool is_spare(struct bundle *b, const struct replica *r)
{
	for (int i = 0; i < b->n; i++) {
		const struct replica *o = &b->replica[i];

		if (o != r && !o->diskless && !o->deleting && !o->quarantined && !o->inactive &&
		    b->record_doc && (b->record.in_sync & 1u << o->slot))
			return true;
	}
	return false;
}

/* the copy on the node, with a disk; *b is released by the caller when this is 0 */
static int load_copy(struct change_env *env, struct txn *t, const char *resource, const char *node,
		     struct bundle *b, struct replica **ret, struct err *err)
{
	int rv = bundle_load(env, t, resource, b, err);

	if (rv < 0)
		return rv;
	*ret = bundle_replica_on(b, node);
	if (*ret && !(*ret)->diskless)
		return 0;
	rv = err_set(err, -E_NOT_FOUND, "resource %s: has no copy on %.60s", b->resource.name,
		     node);
	bundle_release(b);
	return rv;
}

/* complaint NULL: out of it */
static int write_quarantine(struct bundle *b, const struct replica *r, const char *complaint,
			    struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = bundle_replica_doc(b, r, key, &doc, err);
	if (rv < 0)
		return rv;
	replica_write_quarantine(doc, complaint, b->env->now_ms);
	txn_put(b->t, key, doc);
	return 0;
}

int change_replica_failed(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, const char *uuid, const char *complaint, bool *ret,
			  struct err *err)
{
	char text[COMPLAINT_MAX];
	struct replica *r;
	struct bundle b;
	int rv;

	rv = load_copy(env, t, resource, node, &b, &r, err);
	if (rv < 0)
		return rv;
	if (strcmp(r->uuid, uuid) != 0)
		rv = err_set(err, -E_NOT_FOUND,
			     "resource %.60s: has no replica %.36s on %.60s (any more)", resource,
			     uuid, node);
	*ret = rv == 0 && !r->deleting && (r->quarantined || is_spare(&b, r));
	if (*ret && !r->quarantined) {
		snprintf(text, sizeof(text), "%s", complaint);
		rv = write_quarantine(&b, r, text, err);
	}
	bundle_release(&b);
	return rv;
}

int change_replica_repair(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, bool *ret, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv;

	rv = load_copy(env, t, resource, node, &b, &r, err);
	if (rv < 0)
		return rv;
	*ret = r->quarantined;
	if (*ret)
		rv = write_quarantine(&b, r, NULL, err);
	bundle_release(&b);
	return rv;
}

static int check_replaceable(struct bundle *b, const struct replica *r, struct err *err)
{
	const char *name = b->resource.name;

	if (r->deleting)
		return err_set(err, -E_IN_USE, "resource %s: the copy on %s is being deleted", name,
			       r->node);
	if (bundle_is_open_on(b, r->node))
		return err_set(err, -E_IN_USE, "resource %s: open on %s: close it there first",
			       name, r->node);
	if (!is_spare(b, r))
		return err_set(err, -E_IN_USE,
			       "resource %s: no other copy than the one on %s is in sync and fit; "
			       "wait until another one is",
			       name, r->node);
	return 0;
}

static int replace(struct bundle *b, struct replica *r, struct err *err)
{
	bool in_set = b->record.in_sync & 1u << r->slot, was_writer = b->record.writer == r->slot;
	int rv = check_replaceable(b, r, err);

	if (rv < 0)
		return rv;
	/* only the writer itself can take it out of its set, and does when its disk has failed */
	if (in_set && !was_writer && bundle_writer_is_active(b))
		return err_set(err, -E_IN_USE,
			       "resource %s: the copy on %s is in sync and written to; there is "
			       "nothing to replace",
			       b->resource.name, r->node);
	/* the new one has the slot, and must not be taken for a member or the last writer */
	if (in_set || was_writer)
		rv = bundle_bump_record(b, b->record.in_sync & ~(1u << r->slot), err);
	return rv < 0 ? rv : bundle_renew_replica(b, r, false, err);
}

int change_replica_replace(struct change_env *env, struct txn *t, const char *resource,
			   const char *node, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv;

	rv = load_copy(env, t, resource, node, &b, &r, err);
	if (rv < 0)
		return rv;
	rv = bundle_check_heard(&b, err);
	if (rv == 0)
		rv = replace(&b, r, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}
