// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * candidates.c - gathers the candidates of placement. Called by change_place.c
 * and change_explain.c. It decides nothing.
 */
#include "model/candidates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/policy.h"
#include "model/promise.h"

static struct spot *add_spot(struct candidates *s)
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
	node_takes_new(doc, false, &s->closed);
	node_takes_new(doc, true, &s->closed_named);
	s->node_props = json_object_get(jget(doc, "props"));
	s->node_revision = revision;
	return 0;
}

static int add_pool(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct candidates *all = arg;
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
		json_object_get(s->node_props);
		of_node = s;
	}
	memcpy(of_node->pool, p.name, sizeof(p.name));
	of_node->kind = p.kind;
	of_node->task = p.task;
	of_node->pool_props = json_object_get(jget(doc, "props"));
	of_node->pool_revision = revision;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;
	int c = strcasecmp(x->node, y->node);

	return c != 0 ? c : strcasecmp(x->pool, y->pool);
}

/* Neighbours: which nodes have a replica of a resource to keep away from */

struct neighbours {
	struct candidates *all;
	const regex_t *regex; /* NULL: every replica of the listing counts */
	const char *self;     /* the resource that is placed */
};

static int note_neighbour(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct neighbours *l = arg;
	const char *node = jget_str(doc, "node", ""), *name = jget_str(doc, "resource", "");

	if (strcasecmp(name, l->self) == 0 ||
	    (l->regex && regexec(l->regex, name, 0, NULL, 0) != 0))
		return 0;
	for (int i = 0; i < l->all->n; i++) {
		struct spot *s = &l->all->spot[i];

		if (!s->neighbour[0] && strcasecmp(s->node, node) == 0)
			snprintf(s->neighbour, sizeof(s->neighbour), "%s", name);
	}
	return 0;
}

static int find_neighbours(struct change_env *env, const struct place_rules *rules,
			   const char *self, struct candidates *c, struct err *err)
{
	struct neighbours l = { .all = c, .self = self };
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	regex_t regex;
	int rv = 0;

	for (int i = 0; i < rules->n_not_with && rv == 0; i++) {
		name_key(rules->not_with[i], low);
		snprintf(prefix, sizeof(prefix), "replica/%s/", low);
		rv = store_list(env->store, prefix, note_neighbour, &l);
	}
	if (rv == 0 && rules->not_with_regex) {
		rv = rules_regex(rules->not_with_regex, &regex, err);
		if (rv < 0)
			return rv;
		l.regex = &regex;
		rv = store_list(env->store, "placed/", note_neighbour, &l);
		regfree(&regex);
	}
	return rv < 0 ? err_set(err, rv, "placement: %s", err_name(rv)) : 0;
}

static void fill_report(struct change_env *env, const struct spot *s, struct placement_pool *p)
{
	json *report = observed_pool(env->observed, s->node, s->pool, env->mono_ms);

	p->free_kib = jget_i64_or(report, "free_kib", -1);
	p->total_kib = jget_i64_or(report, "total_kib", -1);
	p->meta_percent = (int)jget_i64_or(report, "meta_percent", -1);
	p->error = s->task == TASK_MAKE      ? "it is still being made"
		   : s->task == TASK_DESTROY ? "it is being destroyed"
					     : jget_str(report, "error", NULL);
}

/* Copies of a thick pool that are promised and not made yet will take what its node calls free. */
static int64_t owed_kib(struct change_env *env, const struct spot *s, int64_t promised_kib)
{
	json *report = observed_pool(env->observed, s->node, s->pool, env->mono_ms);
	int64_t ours_kib = jget_i64_or(report, "ours_kib", -1);

	return ours_kib >= 0 && ours_kib < promised_kib ? promised_kib - ours_kib : 0;
}

static int fill(struct change_env *env, struct bundle *b, const struct candidates *c, int i)
{
	struct placement_pool *p = &c->pool[i];
	const struct spot *s = &c->spot[i];
	const struct replica *r = b ? bundle_replica_on(b, s->node) : NULL;
	bool stays = r && !r->diskless && !r->deleting && !(b->discounted & 1u << r->slot);
	struct promise promise;
	int rv;

	*p = (struct placement_pool){
		.node = s->node,
		.closed = s->closed,
		.neighbour = s->neighbour[0] ? s->neighbour : NULL,
		.props = s->node_props,
		.online = observed_online(env->observed, s->node, env->mono_ms),
		.has_replica = r && !(b->clients & 1u << r->slot),
		.free_kib = -1,
		.total_kib = -1,
		.meta_percent = -1,
	};
	if (!s->pool[0])
		return 0;
	p->pool = s->pool;
	p->kind = s->kind;
	p->thin = pool_kind_is_thin(s->kind);
	/* on a node that is lost or evacuated it is about to go, and no rule need heed it */
	p->has_copy = stays && !s->closed_named && strcasecmp(r->pool, s->pool) == 0;
	p->ratios = tuning_ratios(s->pool_props, c->cluster_props);
	p->throughput = tuning_throughput(s->pool_props);
	fill_report(env, s, p);
	rv = promise_peek(env->store, s->node, s->pool, &promise);
	if (rv < 0)
		return rv;
	p->promised_kib = promise.kib + promise.extra_kib;
	p->owed_kib = p->thin ? 0 : owed_kib(env, s, p->promised_kib);
	p->replicas = promise.replicas < INT32_MAX ? (int)promise.replicas : INT32_MAX;
	return 0;
}

/* what all volumes want of a pool that keeps caches */
static int64_t caches_kib(const struct resource *r, const char *pool)
{
	int64_t kib = 0;

	for (int i = 0; i < r->n_volumes; i++)
		kib += strcasecmp(r->volume[i].cache.pool, pool) == 0 ? r->volume[i].cache.size_kib
								      : 0;
	return kib;
}

/* Can the pool of this name keep the caches of a copy in the candidate i? */
static bool keeps_cache(const struct candidates *c, int i, const struct resource *r,
			const char *pool, char out[PLACEMENT_REASON_MAX])
{
	const char *noun = volume_cache_noun(r->reads);
	char why[PLACEMENT_REASON_MAX];
	int k = 0;

	while (k < c->n && (strcasecmp(c->spot[k].node, c->spot[i].node) != 0 ||
			    strcasecmp(c->spot[k].pool, pool) != 0))
		k++;
	if (k == c->n)
		snprintf(out, PLACEMENT_REASON_MAX, "no pool %s on this node, for the %s", pool,
			 noun);
	else if (k == i)
		snprintf(out, PLACEMENT_REASON_MAX, "it keeps the %ss", noun);
	else if (c->spot[k].kind != POOL_LVM)
		snprintf(out, PLACEMENT_REASON_MAX, "pool %s, for the %s, is %s: it has to be LVM",
			 pool, noun, pool_kind_name(c->spot[k].kind));
	else if (!placement_fits(&c->pool[k], caches_kib(r, pool), why))
		snprintf(out, PLACEMENT_REASON_MAX, "pool %s, for the %s: %.120s", pool, noun, why);
	else
		return true;
	return false;
}

static void judge_cache(struct candidates *c, int i, const struct resource *r)
{
	struct spot *s = &c->spot[i];

	if (!s->pool[0] || !r->cached)
		return;
	if (!pool_kind_is_lvm(s->kind))
		snprintf(s->cache, sizeof(s->cache), "is %s: a %s goes with LVM only",
			 pool_kind_name(s->kind), volume_cache_noun(r->reads));
	for (int k = 0; k < r->n_volumes && !s->cache[0]; k++)
		keeps_cache(c, i, r, r->volume[k].cache.pool, s->cache);
	c->pool[i].cache = s->cache[0] ? s->cache : NULL;
}

static int read_cluster_props(struct change_env *env, struct candidates *c)
{
	json *doc = NULL;
	int rv = store_get(env->store, CONTROLLER_KEY, &doc, NULL);

	if (rv == 0)
		c->cluster_props = json_object_get(jget(doc, "props"));
	json_object_put(doc);
	return rv == -E_NOT_FOUND ? 0 : rv;
}

static int fill_all(struct change_env *env, struct bundle *b, struct candidates *c, struct err *err)
{
	int rv = read_cluster_props(env, c);

	c->pool = calloc((size_t)c->n + 1, sizeof(*c->pool));
	if (!c->pool)
		return err_set(err, -ENOMEM, "placement: out of memory");
	for (int i = 0; i < c->n && rv == 0; i++)
		rv = fill(env, b, c, i);
	return rv < 0 ? err_set(err, rv, "placement: %s", err_name(rv)) : 0;
}

int candidates_find(struct change_env *env, struct bundle *b, const struct place_rules *rules,
		    struct candidates *c, struct err *err)
{
	int rv;

	*c = (struct candidates){ 0 };
	rv = store_list(env->store, "node/", add_node, c);
	if (rv == 0)
		rv = store_list(env->store, "pool/", add_pool, c);
	if (rv < 0)
		return err_set(err, rv, "placement: %s", err_name(rv));
	if (c->n > 0)
		qsort(c->spot, (size_t)c->n, sizeof(*c->spot), by_name);
	if (rules)
		rv = find_neighbours(env, rules, b ? b->resource.name : "", c, err);
	if (rv == 0)
		rv = fill_all(env, b, c, err);
	for (int i = 0; i < c->n && rv == 0 && b; i++)
		judge_cache(c, i, &b->resource);
	return rv;
}

int candidates_present(struct bundle *b, struct candidates *c, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = 0;

	*c = (struct candidates){ 0 };
	for (int i = 0; i < b->n && rv == 0; i++) {
		const struct replica *r = &b->replica[i];
		struct spot *s;

		if (r->diskless || r->deleting)
			continue;
		s = add_spot(c);
		if (!s)
			return err_set(err, -ENOMEM, "placement: out of memory");
		memcpy(s->node, r->node, sizeof(s->node));
		pool_key(r->node, r->pool, key, sizeof(key));
		rv = store_get(b->env->store, key, &doc, NULL); /* its kind does not change */
		if (rv == 0) {
			rv = add_pool(key, doc, 0, c);
			json_object_put(doc);
		}
		if (rv == 0 && !s->pool[0])
			rv = -E_CORRUPT;
		if (rv < 0)
			err_set(err, rv, "pool %s/%s: %s", r->node, r->pool, err_name(rv));
	}
	return rv < 0 ? rv : fill_all(b->env, b, c, err);
}

void candidates_release(struct candidates *c)
{
	for (int i = 0; i < c->n; i++) {
		json_object_put(c->spot[i].node_props);
		json_object_put(c->spot[i].pool_props);
	}
	json_object_put(c->cluster_props);
	free(c->spot);
	free(c->pool);
	*c = (struct candidates){ 0 };
}

void candidates_note(const struct candidates *c, int i, struct txn *t)
{
	const struct spot *s = &c->spot[i];
	char key[STORE_KEY_MAX];

	node_key(s->node, key, sizeof(key));
	txn_read(t, key, s->node_revision);
	if (!s->pool[0])
		return;
	pool_key(s->node, s->pool, key, sizeof(key));
	txn_read(t, key, s->pool_revision);
	/* the promise is noted by bundle_add_replica, at the same state */
}
