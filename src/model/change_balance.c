// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_balance.c - moves one copy of the whole cluster at a time to make pools equally full
 * (sds/balance): gathers what is known of pools and copies, has balance.c choose, and makes the new
 * copy with the mark by which the old one goes when the new one has everything (migrates,
 * resource.h). Called by the API's leader.
 *
 * "balance/self": {"resource","from","to"}: this move is under way; {"done_ms"}: none is, since
 * then. Every decision reads and writes it, so that two leaders cannot begin two.
 */
#include "model/balance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/candidates.h"
#include "model/place.h"
#include "model/policy.h"

#define BALANCE_KEY "balance/self"

struct source { /* a copy that may move; of the same index as its balance_copy */
	char resource[NAME_MAX_LEN + 1];
	bool stuck; /* seen to stay where it is, wherever it might go */
};

struct balancing {
	struct change_env *env;
	struct txn *t;
	const struct upkeep_sight *sight;
	struct candidates all;
	struct balance_pool *pool; /* of the same index as all's */
	struct source *source;
	struct balance_copy *copy;
	int n, cap;
	int at;    /* the pool whose copies are gathered */
	int tries; /* placements asked for */
	int rv;    /* of what went wrong */
	struct err *err;
};

bool change_balance_is_on(struct store *store)
{
	json *doc = NULL;
	bool on;

	store_get(store, CONTROLLER_KEY, &doc, NULL);
	on = strcmp(jget_str(jget(doc, "props"), POLICY_BALANCE, "off"), "on") == 0;
	json_object_put(doc);
	return on;
}

/* ---- what there is ---- */

static int note_leftover(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct balancing *g = arg;
	const char *node = jget_str(doc, "node", ""), *pool = jget_str(doc, "pool", "");

	for (int i = 0; i < g->all.n; i++) {
		if (strcasecmp(g->all.spot[i].node, node) == 0 &&
		    strcasecmp(g->all.spot[i].pool, pool) == 0)
			g->pool[i].gives = g->pool[i].takes = false;
	}
	return 0;
}

/* Pools as their nodes report them. While files are being removed a report says little. */
static int gather_pools(struct balancing *g)
{
	int rv = candidates_find(g->env, NULL, NULL, &g->all, g->err);

	if (rv < 0)
		return rv;
	g->pool = calloc((size_t)g->all.n + 1, sizeof(*g->pool));
	if (!g->pool)
		return err_set(g->err, -ENOMEM, "balance: out of memory");
	for (int i = 0; i < g->all.n; i++) {
		const struct placement_pool *p = &g->all.pool[i];
		bool known = p->pool && p->online && p->free_kib >= 0 &&
			     p->total_kib >= p->free_kib && p->total_kib > 0 &&
			     !(p->error && p->error[0]);

		if (!known)
			continue;
		g->pool[i] = (struct balance_pool){
			.used_kib = p->total_kib - p->free_kib,
			.total_kib = p->total_kib,
			.gives = !g->all.spot[i].closed_named, /* else all of it leaves anyway */
			.takes = !p->closed,
		};
	}
	rv = store_list(g->env->store, "leftover/", note_leftover, g);
	return rv < 0 ? err_set(g->err, rv, "balance: %s", err_name(rv)) : 0;
}

static int grow(struct balancing *g)
{
	int cap = g->cap ? 2 * g->cap : 64;
	struct source *source = realloc(g->source, (size_t)cap * sizeof(*source));
	struct balance_copy *copy = realloc(g->copy, (size_t)cap * sizeof(*copy));

	g->source = source ? source : g->source;
	g->copy = copy ? copy : g->copy;
	if (!source || !copy)
		return -ENOMEM;
	g->cap = cap;
	return 0;
}

/* What a copy takes in a thin pool its node says. */
static int64_t allocated_kib(struct balancing *g, const char *node, const char *resource)
{
	json *seen = observed_replica(g->env->observed, node, resource, g->env->mono_ms);
	int64_t kib = jget_i64_or(seen, "allocated_kib", 0);

	json_object_put(seen);
	return kib;
}

static int add_copy(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct balancing *g = arg;
	int rv;

	if (g->n == g->cap && (rv = grow(g)) < 0)
		return rv;
	g->source[g->n].stuck = false;
	snprintf(g->source[g->n].resource, NAME_MAX_LEN + 1, "%s", jget_str(doc, "resource", ""));
	g->copy[g->n] = (struct balance_copy){ .pool = g->at };
	g->n++;
	return 0;
}

static int read_doc(struct balancing *g, const char *key, json **ret)
{
	int rv = store_get(g->env->store, key, ret, NULL);

	return rv < 0 ? err_set(g->err, rv, "%s: %s", key, err_name(rv)) : 0;
}

/* How large it is; one of another pool of the node, or a client, is in no pool here. */
static int measure(struct balancing *g, int i)
{
	struct balance_copy *c = &g->copy[i];
	const struct spot *spot = &g->all.spot[c->pool];
	const char *name = g->source[i].resource;
	struct resource r = { 0 };
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	replica_key(name, spot->node, key, sizeof(key));
	rv = read_doc(g, key, &doc);
	if (rv < 0)
		return rv;
	if (strcasecmp(jget_str(doc, "pool", ""), spot->pool) != 0)
		c->pool = -1;
	json_object_put(doc);
	resource_key(name, key, sizeof(key));
	if (c->pool < 0 || (rv = read_doc(g, key, &doc)) < 0)
		return rv;
	rv = resource_parse(doc, &r, g->err);
	json_object_put(doc);
	c->takes_kib = resource_size_kib(&r) + resource_extra_kib(&r);
	c->gives_kib = c->takes_kib;
	if (pool_kind_is_thin(spot->kind))
		c->gives_kib = allocated_kib(g, spot->node, name);
	if (c->gives_kib > c->takes_kib)
		c->gives_kib = c->takes_kib;
	return rv;
}

/* Something of it might move. */
static bool is_far(const struct balancing *g, int i)
{
	for (int k = 0; k < g->all.n; k++) {
		struct balance_pool pair[2] = { g->pool[i], g->pool[k] };

		pair[0].takes = pair[1].gives = false;
		if (balance_difference(pair, 2) > BALANCE_STEP_PERCENT)
			return true;
	}
	return false;
}

static int gather_copies(struct balancing *g)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	int rv = 0;

	for (g->at = 0; g->at < g->all.n && rv == 0; g->at++) {
		if (!is_far(g, g->at))
			continue;
		name_key(g->all.spot[g->at].node, low);
		snprintf(prefix, sizeof(prefix), "placed/%s/", low);
		rv = store_list(g->env->store, prefix, add_copy, g);
	}
	if (rv < 0)
		return err_set(g->err, rv, "balance: %s", err_name(rv));
	for (int i = 0; i < g->n && rv == 0; i++)
		rv = measure(g, i);
	return rv;
}

/* ---- may it? ---- */

/* Everything of it is as it is to be, and it is not used where it would leave. */
static bool is_calm(struct bundle *b, const struct replica *from, const struct upkeep_sight *sight)
{
	struct upkeep_input in;
	struct upkeep_plan plan;
	int copies = 0;

	if (from->drawn_ms || place_look(b, sight, &in, NULL) < 0)
		return false;
	upkeep_decide(&in, &plan);
	if (plan.what != UPKEEP_NOTHING || plan.why[0])
		return false;
	for (int i = 0; i < b->n; i++) {
		const struct upkeep_replica *u = &in.replica[i];

		if (u->deleting || b->replica[i].migrates[0] || u->fate != UPKEEP_STAYS)
			return false;
		if (u->diskless)
			continue;
		copies++;
		if (!u->in_set || !u->fit || (u->open && &b->replica[i] == from))
			return false;
	}
	return copies == in.copies;
}

/* Its files would stay for the sake of a snapshot, and the pool as full as it is. */
static bool has_snapshots(struct balancing *g, const char *resource)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	struct store_stamp stamp;

	name_key(resource, low);
	snprintf(prefix, sizeof(prefix), "snapshot/%s/", low);
	return store_prefix_stamp(g->env->store, prefix, &stamp) < 0 || stamp.count > 0;
}

static int place_it(struct balancing *g, struct bundle *b, struct replica *from,
		    const struct spot *to)
{
	char source[NAME_MAX_LEN + 1];
	int copies = bundle_wanted(b), rv;

	snprintf(source, sizeof(source), "%s", from->node);
	b->discounted |= 1u << from->slot;
	rv = place_by_rules(b, to->node, to->pool, NULL);
	if (rv < 0)
		return rv;
	place_migrates(b, &b->replica[b->n - 1], source);
	bundle_want(b, copies);
	bundle_save(b);
	return 0;
}

/* It is moved, in the transaction, if it may. */
static bool may(const struct balance_move *move, void *arg)
{
	struct balancing *g = arg;
	struct source *s = &g->source[move->copy];
	const struct spot *from = &g->all.spot[g->copy[move->copy].pool];
	const struct spot *to = &g->all.spot[move->to];
	struct replica *r;
	struct bundle b;
	bool done = false;
	int rv;

	if (s->stuck || g->tries >= BALANCE_TRIES_MAX ||
	    bundle_load(g->env, g->t, s->resource, &b, NULL) < 0)
		return false;
	r = bundle_replica_on(&b, from->node);
	s->stuck = !r || has_snapshots(g, s->resource) || bundle_check_heard(&b, NULL) < 0 ||
		   !is_calm(&b, r, g->sight);
	if (!s->stuck && !bundle_replica_on(&b, to->node)) {
		g->tries++;
		rv = place_it(g, &b, r, to);
		done = rv == 0;
		if (rv < 0 && rv != -E_NO_NODES && rv != -E_INVALID)
			g->rv = rv;
	}
	bundle_release(&b);
	return done;
}

/* ---- a step ---- */

static void put_state(struct balancing *g, json *doc)
{
	txn_put(g->t, BALANCE_KEY, doc);
}

/* Is the last move still under way? *ret false: the next one may begin. */
static int look_at_last(struct balancing *g, bool *ret, char *why, size_t len)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL, *replica = NULL, *over;
	const char *resource, *from, *to;
	int rv = txn_get(g->t, g->env->store, BALANCE_KEY, &doc);
	int64_t since;

	*ret = false;
	if (rv == -E_NOT_FOUND)
		return 0;
	if (rv < 0)
		return rv;
	resource = jget_str(doc, "resource", "");
	from = jget_str(doc, "from", "");
	to = jget_str(doc, "to", "");
	since = g->env->now_ms - jget_i64_or(doc, "done_ms", 0);
	if (!resource[0]) {
		*ret = since >= 0 && since < BALANCE_SETTLE_MS;
		json_object_put(doc);
		return 0;
	}
	replica_key(resource, to, key, sizeof(key));
	rv = txn_get(g->t, g->env->store, key, &replica);
	*ret = true;
	if (rv == 0 && strcasecmp(jget_str(replica, "migrates", ""), from) == 0) {
		snprintf(why, len, "resource %s moves from %s to %s, which is emptier", resource,
			 from, to);
	} else if (rv == 0 || rv == -E_NOT_FOUND) {
		over = json_object_new_object();
		jset_i64(over, "done_ms", g->env->now_ms);
		put_state(g, over);
		rv = 0;
	}
	json_object_put(replica);
	json_object_put(doc);
	return rv;
}

static void tell(struct balancing *g, const struct balance_move *move, char *why, size_t len)
{
	const struct balance_pool *p = &g->pool[g->copy[move->copy].pool], *q = &g->pool[move->to];
	const struct spot *from = &g->all.spot[g->copy[move->copy].pool];
	const struct spot *to = &g->all.spot[move->to];
	const char *resource = g->source[move->copy].resource;
	json *doc = json_object_new_object();

	jset_str(doc, "resource", resource);
	jset_str(doc, "from", from->node);
	jset_str(doc, "to", to->node);
	put_state(g, doc);
	snprintf(why, len, "resource %s moves from %s/%s (%d %% full) to %s/%s (%d %%)", resource,
		 from->node, from->pool, (int)(100 * p->used_kib / p->total_kib), to->node,
		 to->pool, (int)(100 * q->used_kib / q->total_kib));
}

static int step(struct balancing *g, char *why, size_t len)
{
	struct balance_move move;
	bool busy;
	int rv = look_at_last(g, &busy, why, len);

	if (rv < 0)
		return err_set(g->err, rv, BALANCE_KEY ": %s", err_name(rv));
	if (busy || (rv = gather_pools(g)) < 0 ||
	    balance_difference(g->pool, g->all.n) <= BALANCE_STEP_PERCENT ||
	    (rv = gather_copies(g)) < 0)
		return rv;
	if (balance_decide(g->pool, g->all.n, g->copy, g->n, may, g, &move))
		tell(g, &move, why, len);
	else
		snprintf(why, len, "pools differ by %.0f %%, and no copy can move to change that",
			 balance_difference(g->pool, g->all.n));
	return g->rv < 0 ? err_set(g->err, g->rv, "balance: %s", err_name(g->rv)) : 0;
}

int change_balance(struct change_env *env, struct txn *t, const struct upkeep_sight *sight,
		   char *why, size_t len, struct err *err)
{
	struct balancing g = { .env = env, .t = t, .sight = sight, .err = err };
	int rv = 0;

	why[0] = '\0';
	if (change_balance_is_on(env->store))
		rv = step(&g, why, len);
	candidates_release(&g.all);
	free(g.pool);
	free(g.source);
	free(g.copy);
	return rv;
}
