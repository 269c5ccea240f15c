// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_place.c - copies are placed: lets placement.c choose among the
 * candidates, and puts the replicas into the bundle. Called by change_resource.c
 * (spawn) and change_replica.c, and by the API for autoplace.
 */
#include "model/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/candidates.h"

/* A node that was chosen although it has a replica has a client (bundle.clients). */
static int add_copy(struct bundle *b, const struct spot *s, int *ret_slot, struct err *err)
{
	struct replica *client = bundle_replica_on(b, s->node);

	if (!client)
		return bundle_add_replica(b, s->node, s->pool, ret_slot, err);
	*ret_slot = client->slot;
	return bundle_give_disk(b, client, s->pool, err);
}

static int add_chosen(struct bundle *b, const struct candidates *all, const int *chosen, int n,
		      struct err *err)
{
	uint32_t slots = 0;
	int slot, rv;

	for (int i = 0; i < n; i++) {
		const struct spot *s = &all->spot[chosen[i]];

		candidates_note(all, chosen[i], b->t);
		rv = add_copy(b, s, &slot, err);
		if (rv < 0)
			return rv;
		slots |= 1u << slot;
	}
	bundle_add_record(b, slots);
	return 0;
}

int place_copies(struct bundle *b, const struct placement_want *given, bool named, struct err *err)
{
	struct placement_want want = *given;
	struct candidates all;
	int chosen[COPIES_MAX], rv;

	rv = candidates_find(b->env, b, want.rules, &all, err);
	if (rv < 0)
		goto release;
	for (int i = 0; named && i < all.n; i++)
		all.pool[i].closed = all.spot[i].closed_named;
	want.weights = tuning_weights(all.cluster_props);
	rv = placement_choose(all.pool, all.n, &want, chosen, err, NULL);
	if (rv == 0)
		rv = add_chosen(b, &all, chosen, want.copies, err);
	else
		err_prefix(err, "resource %s", b->resource.name);
release:
	candidates_release(&all);
	return rv;
}

int place_room(struct bundle *b, int64_t more_kib, struct err *err)
{
	struct candidates present;
	int rv;

	rv = candidates_present(b, &present, err);
	if (rv == 0 && placement_room(present.pool, present.n, more_kib, err) < 0)
		rv = err_prefix(err, "resource %s", b->resource.name);
	candidates_release(&present);
	return rv;
}

/* Clients without a disk on all other nodes that are there; as many as there are slots. */
static int place_diskless(struct bundle *b, struct err *err)
{
	struct change_env *env = b->env;
	struct candidates all;
	int rv;

	rv = candidates_find(env, b, NULL, &all, err);
	for (int i = 0; i < all.n && b->n < REPLICAS_MAX && rv == 0; i++) {
		const struct spot *s = &all.spot[i];

		if (bundle_replica_on(b, s->node) || s->closed ||
		    !observed_online(env->observed, s->node, env->mono_ms))
			continue;
		candidates_note(&all, i, b->t);
		rv = bundle_add_replica(b, s->node, NULL, NULL, err);
	}
	candidates_release(&all);
	return rv;
}

int place_check(struct bundle *b, int more_copies, struct err *err)
{
	int copies = 0;

	if (b->resource.n_volumes == 0)
		return err_set(err, -E_INVALID,
			       "resource %s: has no volume yet; create its volume first",
			       b->resource.name);
	for (int i = 0; i < b->n; i++)
		copies += !b->replica[i].diskless;
	if (copies + more_copies > COPIES_MAX)
		return err_set(err, -E_INVALID, "resource %s: %d copies wanted, %d can be",
			       b->resource.name, copies + more_copies, COPIES_MAX);
	return 0;
}

int place_want(struct bundle *b, const struct change_place *place, struct group_select *f,
	       struct placement_want *ret, struct err *err)
{
	struct group_select request = { .place_count = place->copies,
					.n_nodes = place->n_nodes,
					.n_pools = place->n_pools };
	int present = bundle_copies(b), rv;

	memcpy(request.nodes, place->nodes, sizeof(request.nodes));
	memcpy(request.pools, place->pools, sizeof(request.pools));
	request.rules = place->rules;
	rv = group_select_over(f, &request, err);
	if (rv < 0)
		return err_prefix(err, "resource %s", b->resource.name);
	f->diskless_on_remaining |= place->diskless_on_remaining;
	if (b->resource.nvme && place->copies == 0)
		f->place_count = 1; /* whatever the group has for those that are replicated */
	if (f->place_count == 0)
		f->place_count = COPIES_DEFAULT;
	*ret = (struct placement_want){
		.size_kib = resource_size_kib(&b->resource) + resource_extra_kib(&b->resource),
		.copies = place->additional > 0      ? place->additional
			  : f->place_count > present ? f->place_count - present
						     : 0,
		.nodes = f->nodes,
		.n_nodes = f->n_nodes,
		.pools = f->pools,
		.n_pools = f->n_pools,
		.rules = &f->rules,
	};
	return 0;
}

int place_filter(struct bundle *b, struct group_select *ret, json **ret_group, struct err *err)
{
	char key[STORE_KEY_MAX];
	int rv;

	group_key(b->resource.group, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, ret_group);
	if (rv < 0)
		return err_set(err, rv, "resource group %s: %s", b->resource.group, err_name(rv));
	rv = group_filter_parse(jget(*ret_group, "select_filter"), ret, err);
	if (rv < 0) {
		json_object_put(*ret_group);
		*ret_group = NULL;
	}
	return rv;
}

static int place_with(struct bundle *b, const struct change_place *place, struct group_select *f,
		      int *ret_added, struct err *err)
{
	struct placement_want want;
	int rv;

	rv = place_want(b, place, f, &want, err);
	if (rv == 0)
		rv = place_check(b, want.copies, err);
	if (rv == 0 && want.copies > 0)
		rv = place_copies(b, &want, false, err);
	if (rv == 0)
		*ret_added = want.copies;
	if (rv == 0 && f->diskless_on_remaining)
		rv = place_diskless(b, err);
	return rv;
}

int place_bundle(struct bundle *b, const struct change_place *place, int *ret_added,
		 struct err *err)
{
	struct group_select *filter = malloc(sizeof(*filter));
	json *group = NULL;
	int rv;

	if (!filter)
		return err_set(err, -ENOMEM, "placement: out of memory");
	rv = place_filter(b, filter, &group, err);
	if (rv == 0)
		rv = place_with(b, place, filter, ret_added, err);
	if (rv == 0 && *ret_added > 0)
		bundle_want_those(b);
	json_object_put(group);
	free(filter);
	return rv;
}

/* whether a list of names allows it; an empty one allows all */
static bool allows(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcasecmp(names[i], name) == 0)
			return true;
	}
	return n == 0;
}

static int place_there(struct bundle *b, struct group_select *f, const char *node, const char *pool,
		       struct err *err)
{
	const struct change_place one_more = { .additional = 1 };
	struct placement_want want;
	int rv = place_want(b, &one_more, f, &want, err);

	if (rv < 0)
		return rv;
	if (!allows(want.nodes, want.n_nodes, node) ||
	    (pool && !allows(want.pools, want.n_pools, pool)))
		return err_set(err, -E_NO_NODES, "resource %s: its group names others than %s%s%s",
			       b->resource.name, node, pool ? "/" : "", pool ? pool : "");
	want.nodes = &node;
	want.n_nodes = 1;
	if (pool) {
		want.pools = &pool;
		want.n_pools = 1;
	}
	return place_copies(b, &want, false, err);
}

int place_by_rules(struct bundle *b, const char *node, const char *pool, struct err *err)
{
	struct group_select *filter;
	json *group = NULL;
	int rv = place_check(b, 1, err);

	if (rv < 0)
		return rv;
	filter = malloc(sizeof(*filter));
	if (!filter)
		return err_set(err, -ENOMEM, "placement: out of memory");
	rv = place_filter(b, filter, &group, err);
	if (rv == 0)
		rv = place_there(b, filter, node, pool, err);
	json_object_put(group);
	free(filter);
	return rv;
}

int change_place_parse(json *select_filter, struct change_place *ret, struct err *err)
{
	struct group_select f;
	int rv = group_filter_parse(select_filter, &f, err);

	if (rv < 0)
		return rv;
	*ret = (struct change_place){
		.copies = f.place_count,
		.additional = f.additional,
		.n_nodes = f.n_nodes,
		.n_pools = f.n_pools,
		.diskless_on_remaining = f.diskless_on_remaining,
		.layers = f.layers,
		.rules = f.rules,
	};
	memcpy(ret->nodes, f.nodes, sizeof(ret->nodes));
	memcpy(ret->pools, f.pools, sizeof(ret->pools));
	return 0;
}

int change_autoplace(struct change_env *env, struct txn *t, const char *resource,
		     const struct change_place *place, int *ret_added, struct err *err)
{
	struct bundle b;
	int added, rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	rv = place_bundle(&b, place, &added, err);
	if (rv == 0) {
		bundle_save(&b);
		*ret_added = added;
	}
	bundle_release(&b);
	return rv;
}
