// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_upkeep.c - does the next step of what upkeep.c decides: gathers what is
 * known of a resource's copies and their nodes, and adds or removes one. Called by the API's
 * leader, for one resource after the other.
 */
#include "model/upkeep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/place.h"
#include "model/policy.h"

/* Another copy is to take its place: change_replica.c sees to the end of that. */
static bool is_source(struct bundle *b, const struct replica *r)
{
	for (int i = 0; i < b->n; i++) {
		if (strcasecmp(b->replica[i].migrates, r->node) == 0)
			return true;
	}
	return false;
}

/* What its node says of it, and whether it says anything. */
static void look_at_node(struct bundle *b, const struct replica *r, json *node,
			 struct upkeep_replica *u)
{
	struct change_env *env = b->env;
	json *seen = observed_replica(env->observed, r->node, r->resource, env->mono_ms);
	const char *mode = jget_str(seen, "mode", "");
	int64_t away_ms = jget_i64_or(node, "away_ms", 0);

	u->fit = !r->inactive && strcmp(jget_str(seen, "state", ""), "up") == 0 &&
		 strcmp(mode, "failed") != 0 && strcmp(mode, "broken") != 0;
	u->open = jget_bool(seen, "open", false);
	if (node_has_flag(node, NODE_LOST))
		u->fate = UPKEEP_LOST;
	else if (node_has_flag(node, NODE_EVACUATE) || is_source(b, r))
		u->fate = UPKEEP_LEAVES;
	if (!observed_online(env->observed, r->node, env->mono_ms))
		u->out_ms = away_ms > 0 && away_ms < env->now_ms ? env->now_ms - away_ms : 0;
	else if (r->quarantined)
		u->out_ms = r->quarantined_ms < env->now_ms ? env->now_ms - r->quarantined_ms : 0;
}

/* Another copy is to replace it. */
static bool moves(const struct bundle *b, const struct replica *r)
{
	for (int i = 0; i < b->n; i++) {
		if (strcasecmp(b->replica[i].migrates, r->node) == 0)
			return !r->diskless;
	}
	return false;
}

static int look(struct bundle *b, const struct replica *r, struct upkeep_replica *u,
		struct err *err)
{
	char key[STORE_KEY_MAX];
	json *node;
	int rv;

	*u = (struct upkeep_replica){
		.node = r->node,
		.diskless = r->diskless,
		.deleting = r->deleting,
		.in_set = !r->diskless && b->record_doc && (b->record.in_sync & 1u << r->slot),
		.out_ms = -1,
	};
	node_key(r->node, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &node);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	look_at_node(b, r, node, u);
	if (u->fate == UPKEEP_STAYS && moves(b, r))
		u->fate = UPKEEP_LEAVES;
	json_object_put(node);
	return 0;
}

/* What placement has to know: a copy that does not count keeps no other one out of its rack. */
static void prepare(struct bundle *b, const struct upkeep_input *in, uint32_t *ret_clients)
{
	*ret_clients = 0;
	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];
		const struct upkeep_replica *u = &in->replica[i];

		if (!r->diskless && !upkeep_counts(in, u))
			b->discounted |= 1u << r->slot;
		if (u->fate == UPKEEP_STAYS && place_takes(b, r))
			*ret_clients |= 1u << r->slot;
	}
}

/* The rules of placement may have nothing to offer: that is said, and tried again. Clients are
 * given a disk where there is no other place: they may be there for a reason. */
static int add_copy(struct bundle *b, const struct upkeep_input *in, struct upkeep_plan *plan)
{
	const struct change_place one_more = { .additional = 1 };
	int copies = bundle_wanted(b), added, rv;
	uint32_t clients;
	struct err err;

	prepare(b, in, &clients);
	rv = place_bundle(b, &one_more, &added, &err);
	if (rv == -E_NO_NODES && clients) {
		b->clients = clients;
		rv = place_bundle(b, &one_more, &added, &err);
	}
	if (rv == -E_NO_NODES || rv == -E_INVALID) {
		plan->what = UPKEEP_NOTHING;
		plan->refused = true;
		snprintf(plan->why, sizeof(plan->why), "no place for another copy: %.120s",
			 err.text);
		return 0;
	}
	if (rv == 0)
		bundle_want(b, copies);
	return rv;
}

static int remove_replica(struct bundle *b, struct upkeep_plan *plan)
{
	struct replica *r = &b->replica[plan->which];
	struct err err;
	int rv;

	rv = bundle_check_heard(b, &err);
	if (rv == 0)
		rv = place_leave(b, r, &err);
	if (rv == -E_IN_USE || rv == -EAGAIN) {
		plan->what = UPKEEP_NOTHING;
		plan->refused = true;
		snprintf(plan->why, sizeof(plan->why), "%.150s", err.text);
		return 0;
	}
	return rv;
}

static int step(struct bundle *b, const struct upkeep_sight *sight, struct upkeep_plan *plan,
		struct err *err)
{
	struct upkeep_input in = { .sight = *sight, .n = b->n };
	int copies = bundle_wanted(b), rv = 0;

	in.copies = copies;
	in.after_ms = policy_load(b->env->store, b->doc).rebuild_after_ms;
	for (int i = 0; i < b->n; i++) {
		rv = look(b, &b->replica[i], &in.replica[i], err);
		if (rv < 0)
			return rv;
	}
	upkeep_decide(&in, plan);
	if (plan->what == UPKEEP_ADD)
		rv = add_copy(b, &in, plan);
	else if (plan->what == UPKEEP_REMOVE)
		rv = remove_replica(b, plan);
	if (rv == 0 && plan->what != UPKEEP_NOTHING)
		bundle_want(b, copies); /* of a resource that has never been told how many */
	return rv < 0 ? err_set(err, rv, "resource %s: %s", b->resource.name, err_name(rv)) : 0;
}

int change_upkeep(struct change_env *env, struct txn *t, const char *resource,
		  const struct upkeep_sight *sight, struct upkeep_plan *ret, struct err *err)
{
	struct bundle b;
	int rv;

	*ret = (struct upkeep_plan){ .which = -1, .again_ms = -1 };
	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	if (b.resource.n_volumes > 0 && b.record_doc)
		rv = step(&b, sight, ret, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

struct away_count {
	int nodes, away;
};

static int count_away(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct away_count *c = arg;

	/* one that was given up says nothing of the network */
	if (node_has_flag(doc, NODE_LOST))
		return 0;
	c->nodes++;
	c->away += jget_i64_or(doc, "away_ms", 0) > 0;
	return 0;
}

int change_upkeep_many_away(struct change_env *env, bool *ret, struct err *err)
{
	struct away_count c = { 0 };
	int rv = store_list(env->store, "node/", count_away, &c);

	*ret = c.away * 100 > c.nodes * UPKEEP_AWAY_MAX_PERCENT;
	return rv < 0 ? err_set(err, rv, "nodes: %s", err_name(rv)) : 0;
}
