// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_refetch.c - regions that are wrong in a copy, as a comparison has shown, are fetched from
 * the other copies again. Called by the API. The copy leaves the in-sync set as one that is
 * deactivated does; its node, which has detached it, makes the stamps of these regions unknown
 * and says so; then it is attached again and catches up.
 */
#include "model/bundle.h"

#include <string.h>

static struct replica *find(struct bundle *b, const struct change_refetch *of, int n, int i)
{
	for (int k = 0; k < n; k++) {
		if (bundle_replica_on(b, of[k].node) == &b->replica[i])
			return &b->replica[i];
	}
	return NULL;
}

/* The others are what is fetched from. With one more copy away nobody knows which content is whose,
 * and the last good one must not be left alone longer than needed. */
static int check_others(struct bundle *b, const struct change_refetch *of, int n, struct err *err)
{
	int good = 0;

	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];

		if (r->diskless)
			continue;
		if (r->deleting || r->inactive || r->quarantined || !bundle_in_set(b, r))
			return err_set(err, -E_IN_USE,
				       "resource %s: the copy on %s is not in sync; wait until all "
				       "copies are",
				       b->resource.name, r->node);
		good += !find(b, of, n, i);
	}
	return good > 0 ? 0
			: err_set(err, -E_IN_USE, "resource %s: no copy would be left in sync",
				  b->resource.name);
}

static int mark(struct bundle *b, const struct change_refetch *of, uint32_t *out, struct err *err)
{
	struct replica *r = bundle_replica_on(b, of->node);

	if (!r || r->diskless)
		return err_set(err, -E_NOT_FOUND, "resource %s: has no copy on %.60s",
			       b->resource.name, of->node);
	if (bundle_is_open_on(b, r->node))
		return err_set(err, -E_IN_USE,
			       "resource %s: open on %s, whose copy is to be repaired: close it "
			       "there first, or open it on another node",
			       b->resource.name, r->node);
	r->inactive = true;
	r->refetch = *of->what;
	*out |= 1u << r->slot;
	return bundle_put_plans(b, r, err);
}

int change_replica_refetch(struct change_env *env, struct txn *t, const char *resource,
			   const struct change_refetch *of, int n, struct err *err)
{
	uint32_t out = 0;
	struct bundle b;
	int rv = bundle_load(env, t, resource, &b, err);

	if (rv < 0)
		return rv;
	rv = bundle_check_heard(&b, err);
	if (rv == 0)
		rv = check_others(&b, of, n, err);
	for (int i = 0; i < n && rv == 0; i++)
		rv = mark(&b, &of[i], &out, err);
	/* a writer takes them out of its set itself */
	if (rv == 0 && !bundle_writer_is_active(&b))
		rv = bundle_bump_record(&b, b.record.in_sync & ~out, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

int change_replica_refetched(struct change_env *env, struct txn *t, const char *resource,
			     const char *node, const char *uuid, struct err *err)
{
	struct replica *r;
	struct bundle b;
	int rv = bundle_load(env, t, resource, &b, err);

	if (rv < 0)
		return rv;
	r = bundle_replica_on(&b, node);
	if (!r || strcmp(r->uuid, uuid) != 0)
		rv = err_set(err, -E_NOT_FOUND,
			     "resource %.60s: has no replica %.36s on %.60s (any more)", resource,
			     uuid, node);
	else if (r->refetch.wanted && bundle_in_set(&b, r))
		rv = err_set(err, -E_IN_USE, "resource %s: the copy on %s is in sync still",
			     b.resource.name, r->node);
	if (rv == 0 && r->refetch.wanted) {
		r->inactive = false;
		r->refetch = (struct refetch){ 0 };
		rv = bundle_put_plans(&b, r, err);
		if (rv == 0)
			rv = change_scrub_again(env, t, resource, err);
	}
	bundle_release(&b);
	return rv;
}
