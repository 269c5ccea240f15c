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
	/* its disk is not attached while the volume goes on by way of the others */
	u->waits = r->drawn_ms && u->open && !u->in_set && strcmp(mode, "none") == 0;
	if (node_has_flag(node, NODE_LOST))
		u->fate = UPKEEP_LOST;
	else if (node_has_flag(node, NODE_EVACUATE) || is_source(b, r))
		u->fate = UPKEEP_LEAVES;
	if (!observed_online(env->observed, r->node, env->mono_ms))
		u->out_ms = away_ms > 0 && away_ms < env->now_ms ? env->now_ms - away_ms : 0;
	else if (r->quarantined)
		u->out_ms = r->quarantined_ms < env->now_ms ? env->now_ms - r->quarantined_ms : 0;
	json_object_put(seen);
}

/* Some other node has a link to it that is up. */
static bool is_linked(struct bundle *b, const struct replica *r)
{
	char slot[12];
	bool linked = false;

	snprintf(slot, sizeof(slot), "%d", r->slot);
	for (int i = 0; i < b->n; i++) {
		const struct replica *o = &b->replica[i];
		json *seen =
			observed_replica(b->env->observed, o->node, o->resource, b->env->mono_ms);

		linked |= o != r && jget_bool(jget(jget(seen, "peers"), slot), "connected", false);
		json_object_put(seen);
	}
	return linked;
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

/* When a client is to get a disk, and for how long it has been open. */
static int look_at_client(struct bundle *b, const struct replica *r, struct upkeep_replica *u,
			  struct err *err)
{
	int64_t now = b->env->now_ms;
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = bundle_replica_doc(b, r, key, &doc, err);
	if (rv < 0)
		return rv;
	u->diskful_ms = b->resource.nvme
				? -1
				: policy_load_replica(b->env->store, b->doc, doc).diskful_after_ms;
	if (r->open_ms > 0)
		u->open_ms = r->open_ms < now ? now - r->open_ms : 0;
	json_object_put(doc);
	return 0;
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
		.writer = b->record_doc && b->record.writer == r->slot,
		.drawn_ms = r->drawn_ms,
		.diskful_ms = -1,
		.open_ms = -1,
	};
	node_key(r->node, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &node);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	look_at_node(b, r, node, u);
	u->lives = u->writer && u->out_ms >= 0 && (bundle_writer_is_active(b) || is_linked(b, r));
	if (u->fate == UPKEEP_STAYS && moves(b, r))
		u->fate = UPKEEP_LEAVES;
	json_object_put(node);
	return r->diskless ? look_at_client(b, r, u, err) : 0;
}

/* What placement has to know: a copy that does not count keeps no other one out of its rack. */
static void prepare(struct bundle *b, const struct upkeep_input *in, uint32_t *ret_clients)
{
	*ret_clients = 0;
	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];
		const struct upkeep_replica *u = &in->replica[i];

		if (!r->diskless && !u->waits && !upkeep_counts(in, u))
			b->discounted |= 1u << r->slot;
		if (u->fate == UPKEEP_STAYS && place_takes(b, r))
			*ret_clients |= 1u << r->slot;
	}
}

/* It cannot be done now: that is said, and tried again. */
static int refuse(struct upkeep_plan *plan, const char *what, const struct err *why)
{
	plan->what = UPKEEP_NOTHING;
	plan->refused = true;
	snprintf(plan->why, sizeof(plan->why), "%s%.120s", what, why->text);
	return 0;
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
	if (rv == -E_NO_NODES || rv == -E_INVALID)
		return refuse(plan, "no place for another copy: ", &err);
	if (rv == 0)
		bundle_want(b, copies);
	return rv;
}

/* The replica goes, or the record names it as writer no more. */
static int let_go(struct bundle *b, struct upkeep_plan *plan)
{
	struct replica *r = &b->replica[plan->which];
	struct err err;
	int rv;

	rv = bundle_check_heard(b, &err);
	if (rv == 0)
		rv = plan->what == UPKEEP_REMOVE ? place_leave(b, r, &err)
						 : place_retire(b, r, &err);
	if (rv == -E_IN_USE || rv == -EAGAIN)
		return refuse(plan, "", &err);
	return rv;
}

/* It was open for long: a copy more for it, of which another one goes in the end, or not. */
static int draw(struct bundle *b, const struct upkeep_input *in, struct upkeep_plan *plan)
{
	struct replica *r = &b->replica[plan->which];
	char key[STORE_KEY_MAX];
	int copies = bundle_wanted(b), rv;
	uint32_t clients;
	struct err err;
	bool stays;
	json *doc;

	rv = bundle_replica_doc(b, r, key, &doc, &err);
	if (rv < 0)
		return rv;
	stays = policy_load_replica(b->env->store, b->doc, doc).diskful_stays;
	json_object_put(doc);
	prepare(b, in, &clients);
	r->open_ms = 0;
	r->drawn_ms = stays ? 0 : b->env->now_ms;
	rv = place_draw(b, r, &err);
	if (rv == 0)
		bundle_want(b, copies + stays);
	if (rv == -E_NO_NODES || rv == -E_INVALID || rv == -E_IN_USE)
		return refuse(plan, "no copy where it is open: ", &err);
	return rv;
}

/* The time begins, or is forgotten. */
static int note(struct bundle *b, const struct upkeep_input *in, struct upkeep_plan *plan)
{
	struct replica *r = &b->replica[plan->which];

	r->open_ms = in->replica[plan->which].open_ms < 0 ? b->env->now_ms : 0;
	return bundle_put_plans(b, r, NULL);
}

/* Where there is no place for the copy that is missing, there may be one for a client. */
static int add_or_draw(struct bundle *b, struct upkeep_input *in, struct upkeep_plan *plan)
{
	struct upkeep_plan other;
	int rv = add_copy(b, in, plan);

	if (rv < 0 || !plan->refused)
		return rv;
	in->no_place = true;
	upkeep_decide(in, &other);
	if (other.again_ms >= 0)
		plan->again_ms = other.again_ms;
	if (other.what != UPKEEP_DISK && other.what != UPKEEP_NOTE)
		return 0;
	*plan = other;
	return other.what == UPKEEP_DISK ? draw(b, in, plan) : note(b, in, plan);
}

static int act(struct bundle *b, struct upkeep_input *in, struct upkeep_plan *plan)
{
	switch (plan->what) {
	case UPKEEP_NOTHING:
		break;
	case UPKEEP_ADD:
		return add_or_draw(b, in, plan);
	case UPKEEP_REMOVE:
	case UPKEEP_UNNAME:
		return let_go(b, plan);
	case UPKEEP_NOTE:
		return note(b, in, plan);
	case UPKEEP_DISK:
		return draw(b, in, plan);
	}
	return 0;
}

int place_look(struct bundle *b, const struct upkeep_sight *sight, struct upkeep_input *ret,
	       struct err *err)
{
	int rv = 0;

	*ret = (struct upkeep_input){ .sight = *sight, .n = b->n, .copies = bundle_wanted(b) };
	ret->after_ms = policy_load(b->env->store, b->doc).rebuild_after_ms;
	for (int i = 0; i < b->n && rv == 0; i++)
		rv = look(b, &b->replica[i], &ret->replica[i], err);
	return rv;
}

static int step(struct bundle *b, const struct upkeep_sight *sight, struct upkeep_plan *plan,
		struct err *err)
{
	struct upkeep_input in;
	int copies = bundle_wanted(b);
	int rv = place_look(b, sight, &in, err);

	if (rv < 0)
		return rv;
	upkeep_decide(&in, plan);
	rv = act(b, &in, plan);
	if (rv == 0 && (plan->what == UPKEEP_ADD || plan->what == UPKEEP_REMOVE))
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
