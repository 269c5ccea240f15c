// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_place.c - copies are placed: gathers the candidates, lets placement.c
 * choose, and puts the replicas into the bundle. Called by change_resource.c
 * (spawn) and change_replica.c, and by the API for autoplace.
 *
 * Candidates are looked at without noting them as read, so that two placements
 * conflict only in what they chose: the pool, its node and its promise.
 */
#include "model/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/placement.h"
#include "model/promise.h"

struct spot { /* owns the strings of a candidate */
	char node[NAME_MAX_LEN + 1];
	char pool[NAME_MAX_LEN + 1]; /* "": the node has no pool */
	enum pool_task_kind task;
	bool thin, target;
	uint64_t node_revision, pool_revision;
};

struct spots {
	struct spot *spot;
	int n, cap;
};

static struct spot *add_spot(struct spots *s)
{
	int cap = s->cap ? s->cap * 2 : 64;
	struct spot *grown;

	if (s->n == s->cap) {
		grown = realloc(s->spot, (size_t)cap * sizeof(*grown));
		if (!grown)
			return NULL;
		s->spot = grown;
		s->cap = cap;
	}
	s->spot[s->n] = (struct spot){ 0 };
	return &s->spot[s->n++];
}

static int add_node(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct spot *s = add_spot(arg);

	if (!s)
		return -ENOMEM;
	snprintf(s->node, sizeof(s->node), "%s", jget_str(doc, "name", "?"));
	s->target = jget_bool(jget(doc, "props"), "AutoplaceTarget", true) &&
		    !node_has_flag(doc, NODE_EVACUATE) && !node_has_flag(doc, NODE_LOST);
	s->node_revision = revision;
	return 0;
}

static int add_pool(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct spots *all = arg;
	struct spot *s, *of_node = NULL;
	struct pool p;

	if (pool_parse(doc, &p, NULL) < 0)
		return 0; /* one damaged pool must not stop placement in the others */
	for (int i = 0; i < all->n && !of_node; i++) {
		if (strcasecmp(all->spot[i].node, p.node) == 0)
			of_node = &all->spot[i];
	}
	if (!of_node)
		return 0;
	if (of_node->pool[0]) { /* its spot is taken by another pool: one more */
		struct spot copy = *of_node;

		s = add_spot(all);
		if (!s)
			return -ENOMEM;
		*s = copy;
		of_node = s;
	}
	memcpy(of_node->pool, p.name, sizeof(p.name));
	of_node->thin = pool_kind_is_thin(p.kind);
	of_node->task = p.task;
	of_node->pool_revision = revision;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;
	int c = strcasecmp(x->node, y->node);

	return c != 0 ? c : strcasecmp(x->pool, y->pool);
}

static int find_spots(struct change_env *env, struct spots *all, struct err *err)
{
	int rv;

	rv = store_list(env->store, "node/", add_node, all);
	if (rv == 0)
		rv = store_list(env->store, "pool/", add_pool, all);
	if (rv < 0)
		return err_set(err, rv, "placement: %s", err_name(rv));
	if (all->n > 0)
		qsort(all->spot, (size_t)all->n, sizeof(*all->spot), by_name);
	return 0;
}

static int fill_candidate(struct bundle *b, const struct spot *s, struct placement_pool *c)
{
	struct change_env *env = b->env;
	struct promise promise;
	json *report;
	int rv;

	*c = (struct placement_pool){
		.node = s->node,
		.thin = s->thin,
		.target = s->target,
		.online = observed_online(env->observed, s->node, env->mono_ms),
		.has_replica = bundle_replica_on(b, s->node) != NULL,
		.free_kib = -1,
		.total_kib = -1,
		.meta_percent = -1,
	};
	if (!s->pool[0])
		return 0;
	c->pool = s->pool;
	report = observed_pool(env->observed, s->node, s->pool, env->mono_ms);
	c->free_kib = jget_i64_or(report, "free_kib", -1);
	c->total_kib = jget_i64_or(report, "total_kib", -1);
	c->meta_percent = (int)jget_i64_or(report, "meta_percent", -1);
	c->error = s->task == TASK_MAKE      ? "it is still being made"
		   : s->task == TASK_DESTROY ? "it is being destroyed"
					     : jget_str(report, "error", NULL);
	rv = promise_peek(env->store, s->node, s->pool, &promise);
	if (rv < 0)
		return rv;
	c->promised_kib = promise.kib;
	c->replicas = promise.replicas < INT32_MAX ? (int)promise.replicas : INT32_MAX;
	return 0;
}

static void note_chosen(struct bundle *b, const struct spot *s)
{
	char key[STORE_KEY_MAX];

	node_key(s->node, key, sizeof(key));
	txn_read(b->t, key, s->node_revision);
	pool_key(s->node, s->pool, key, sizeof(key));
	txn_read(b->t, key, s->pool_revision);
	/* the promise is noted by bundle_add_replica, at the same state */
}

static int add_chosen(struct bundle *b, const struct spots *all, const int *chosen, int n,
		      struct err *err)
{
	uint32_t slots = 0;
	int slot, rv;

	for (int i = 0; i < n; i++) {
		const struct spot *s = &all->spot[chosen[i]];

		note_chosen(b, s);
		rv = bundle_add_replica(b, s->node, s->pool, &slot, err);
		if (rv < 0)
			return rv;
		slots |= 1u << slot;
	}
	bundle_add_record(b, slots);
	return 0;
}

int place_copies(struct bundle *b, const struct placement_want *want, bool any_target,
		 struct err *err)
{
	struct placement_pool *candidates;
	struct spots all = { 0 };
	int chosen[NODES_MAX], rv;

	rv = find_spots(b->env, &all, err);
	if (rv < 0)
		goto free_spots;
	candidates = calloc((size_t)all.n + 1, sizeof(*candidates));
	if (!candidates) {
		rv = err_set(err, -ENOMEM, "placement: out of memory");
		goto free_spots;
	}
	for (int i = 0; i < all.n; i++) {
		if (any_target)
			all.spot[i].target = true;
		rv = fill_candidate(b, &all.spot[i], &candidates[i]);
		if (rv < 0) {
			err_set(err, rv, "placement: %s", err_name(rv));
			goto free_candidates;
		}
	}
	rv = placement_choose(candidates, all.n, want, chosen, err, NULL);
	if (rv == 0)
		rv = add_chosen(b, &all, chosen, want->copies, err);
	else
		err_prefix(err, "resource %s", b->resource.name);
free_candidates:
	free(candidates);
free_spots:
	free(all.spot);
	return rv;
}

static int fill_present(struct bundle *b, const struct replica *r, struct spot *s,
			struct placement_pool *c)
{
	char key[STORE_KEY_MAX];
	struct pool p;
	json *doc;
	int rv;

	*s = (struct spot){ .target = true };
	memcpy(s->node, r->node, sizeof(s->node));
	memcpy(s->pool, r->pool, sizeof(s->pool));
	pool_key(r->node, r->pool, key, sizeof(key));
	rv = store_get(b->env->store, key, &doc, NULL); /* its kind does not change */
	if (rv < 0)
		return rv;
	rv = pool_parse(doc, &p, NULL);
	json_object_put(doc);
	s->thin = rv == 0 && pool_kind_is_thin(p.kind);
	return rv < 0 ? rv : fill_candidate(b, s, c);
}

int place_room(struct bundle *b, int64_t more_kib, struct err *err)
{
	struct placement_pool pools[REPLICAS_MAX];
	struct spot spots[REPLICAS_MAX];
	int n = 0, rv;

	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];

		if (r->diskless || r->deleting)
			continue;
		rv = fill_present(b, r, &spots[n], &pools[n]);
		if (rv < 0)
			return err_set(err, rv, "pool %s/%s: %s", r->node, r->pool, err_name(rv));
		n++;
	}
	rv = placement_room(pools, n, more_kib, err);
	return rv < 0 ? err_prefix(err, "resource %s", b->resource.name) : 0;
}

/* Clients without a disk on all other nodes that are there; as many as there are slots. */
static int place_diskless(struct bundle *b, struct err *err)
{
	struct change_env *env = b->env;
	struct spots all = { 0 };
	char key[STORE_KEY_MAX];
	int rv;

	rv = store_list(env->store, "node/", add_node, &all);
	if (rv < 0)
		err_set(err, rv, "placement: %s", err_name(rv));
	for (int i = 0; i < all.n && b->n < REPLICAS_MAX && rv == 0; i++) {
		const struct spot *s = &all.spot[i];

		if (bundle_replica_on(b, s->node) ||
		    !observed_online(env->observed, s->node, env->mono_ms))
			continue;
		node_key(s->node, key, sizeof(key));
		txn_read(b->t, key, s->node_revision);
		rv = bundle_add_replica(b, s->node, NULL, NULL, err);
	}
	free(all.spot);
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

static int wanted_copies(const struct change_place *place, const struct group_select *group,
			 int present)
{
	int total;

	if (place->additional > 0)
		return place->additional;
	total = place->copies > 0        ? place->copies
		: group->place_count > 0 ? group->place_count
					 : COPIES_DEFAULT;
	return total > present ? total - present : 0;
}

static int place_with(struct bundle *b, const struct change_place *place,
		      const struct group_select *group, int *ret_added, struct err *err)
{
	struct placement_want want = {
		.size_kib = resource_size_kib(&b->resource),
		.copies = wanted_copies(place, group, bundle_copies(b)),
		.nodes = place->n_nodes > 0 ? place->nodes : group->nodes,
		.n_nodes = place->n_nodes > 0 ? place->n_nodes : group->n_nodes,
		.pools = place->n_pools > 0 ? place->pools : group->pools,
		.n_pools = place->n_pools > 0 ? place->n_pools : group->n_pools,
	};
	int before = b->n, rv;

	rv = place_check(b, want.copies, err);
	if (rv == 0 && want.copies > 0)
		rv = place_copies(b, &want, false, err);
	if (rv == 0)
		*ret_added = b->n - before;
	if (rv == 0 && (place->diskless_on_remaining || group->diskless_on_remaining))
		rv = place_diskless(b, err);
	return rv;
}

int place_bundle(struct bundle *b, const struct change_place *place, int *ret_added,
		 struct err *err)
{
	struct group_select *filter;
	char key[STORE_KEY_MAX];
	json *group = NULL;
	int rv;

	filter = malloc(sizeof(*filter));
	if (!filter)
		return err_set(err, -ENOMEM, "placement: out of memory");
	group_key(b->resource.group, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &group);
	if (rv < 0)
		err_set(err, rv, "resource group %s: %s", b->resource.group, err_name(rv));
	else
		rv = group_filter_parse(jget(group, "select_filter"), filter, err);
	if (rv == 0)
		rv = place_with(b, place, filter, ret_added, err);
	if (rv == 0 && *ret_added > 0)
		bundle_want_those(b);
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
