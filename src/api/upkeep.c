// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * upkeep.c - has the leader look after the copies of all resources. Called once a
 * second by api.c, and through routes.c. What is to be done is decided by model/upkeep.c; here is
 * when it is asked, for which resources, and how many things go on at a time.
 *
 * A resource is looked at when one of its documents has changed (survey.c), when it is due, and
 * every few seconds while it is not as it is to be, for what nodes report of it. All are looked at
 * when the leader is new, or when nodes, pools, groups or who answers are different.
 * UPKEEP_PER_TICK in a second.
 */
#include "model/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/known.h"
#include "api/view.h"
#include "base/log.h"

#define UPKEEP_PER_TICK 100
#define UPKEEP_CALL_MS 10000
#define UPKEEP_AGAIN_MS 15000   /* for what could not be done */
#define UPKEEP_RESTLESS_MS 5000 /* for what is not as it is to be */
#define UPKEEP_AWAY_MS 30000    /* a node is away when it was not heard of for so long */

/* ---- what is known of resources, by name in lower case ---- */

static void note(struct upkeep *u, const char *name, const char *text)
{
	if (text[0])
		known_set(&u->notes, name, json_object_new_string(text));
	else
		known_drop(&u->notes, name);
}

const char *upkeep_note(struct api *a, const char *resource)
{
	char low[NAME_MAX_LEN + 1];

	name_key(resource, low);
	return jget_str(a->upkeep.notes, low, "");
}

static void due_in(struct upkeep *u, const char *name, int64_t ms)
{
	int64_t at = api_mono_ms() + ms, before;

	if (jget_i64(u->due, name, &before) < 0 || at < before)
		known_set(&u->due, name, json_object_new_int64(at));
}

static void forget_one(struct upkeep *u, const char *name)
{
	known_drop(&u->notes, name);
	known_drop(&u->due, name);
	known_drop(&u->learning, name);
	known_drop(&u->held, name);
}

void upkeep_forget_all(struct api *a)
{
	struct upkeep *u = &a->upkeep;
	int asked = u->asked;

	backlog_clear(&u->names);
	json_object_put(u->notes);
	json_object_put(u->due);
	json_object_put(u->learning);
	json_object_put(u->held);
	*u = (struct upkeep){ .asked = asked };
}

/* ---- requests to the leader, which is this node ---- */

static void on_asked(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->upkeep.asked--;
}

/* takes body */
static void ask(struct api *a, const char *path, json *body)
{
	a->upkeep.asked++;
	leader_call(a->leader, "POST", path, json_text(body), NULL, UPKEEP_CALL_MS, on_asked, a);
	json_object_put(body);
}

/* ---- nodes ---- */

static bool is_away(struct api *a, const char *node, int64_t now)
{
	int64_t age = observed_age_ms(a->observed, node, now);

	return (age < 0 ? now - a->led_since_ms : age) >= UPKEEP_AWAY_MS;
}

static int stop_at_first(const char *key, void *arg)
{
	return 1;
}

/* Until its last replica is gone it is not forgotten: nobody has to be asked. */
static bool has_replicas(struct api *a, const char *node)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];

	name_key(node, low);
	snprintf(prefix, sizeof(prefix), "placed/%s/", low);
	return store_list_keys(a->config.store, prefix, stop_at_first, NULL) != 0;
}

struct nodes {
	struct api *api;
	uint64_t online; /* which of them answer, as one number */
};

static void look_at_node(json *doc, void *arg)
{
	struct nodes *l = arg;
	struct api *a = l->api;
	const char *name = jget_str(doc, "name", "");
	int64_t now = api_mono_ms();
	bool online = observed_online(a->observed, name, now);
	bool noted = jget_i64_or(doc, "away_ms", 0) > 0, away = is_away(a, name, now);
	json *body;

	l->online = l->online * 31 + online;
	if (a->upkeep.asked >= UPKEEP_CALLS_NODES)
		return;
	if (away ? !noted : noted && online) {
		body = view_object();
		jset_str(body, "node", name);
		jset_bool(body, "away", away);
		ask(a, "/v1/sds/node-away", body);
	}
	if (node_has_flag(doc, NODE_LOST) && !has_replicas(a, name) &&
	    a->upkeep.asked < UPKEEP_CALLS_NODES) {
		body = view_object();
		jset_str(body, "node", name);
		ask(a, "/v1/sds/node-forget", body);
	}
}

/* Others answer than at the last look: that concerns all resources. */
static void look_at_nodes(struct api *a)
{
	struct nodes l = { .api = a, .online = 1 };

	view_docs(a, "node/", look_at_node, &l);
	a->upkeep.all |= l.online != a->upkeep.online;
	a->upkeep.online = l.online;
}

/* ---- resources ---- */

static void add_due(struct upkeep *u)
{
	int64_t now = api_mono_ms();

	if (!u->due)
		return;
	json_object_object_foreach(u->due, name, value)
	{
		if (json_object_get_int64(value) > now)
			continue;
		backlog_add(&u->names, name);
		json_object_object_del(u->due, name); /* the look says when again */
	}
}

static int peek(struct api *a, const char *resource, const struct upkeep_sight *sight,
		struct upkeep_plan *plan)
{
	struct change_env env = api_env(a);
	struct txn *t = txn_new("", "upkeep");
	int rv = change_upkeep(&env, t, resource, sight, plan, NULL);

	txn_free(t);
	return rv;
}

/* takes name in lower case; the request and what is logged have it as people wrote it */
static void ask_for(struct api *a, const char *name)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL, *body = view_object();

	resource_key(name, key, sizeof(key));
	store_get(a->config.store, key, &doc, NULL);
	jset_str(body, "resource", jget_str(doc, "name", name));
	json_object_put(doc);
	ask(a, "/v1/sds/upkeep", body);
}

/* What is not as it is to be is looked at again without a change of a document: it may wait for
 * something that only reports show. So is what is asked for, as that may fail. */
static void look_at(struct api *a, const char *name, const struct upkeep_sight *sight)
{
	struct upkeep *u = &a->upkeep;
	int64_t held_ms = jget_i64_or(u->held, name, 0);
	struct upkeep_plan plan;
	bool adds;
	int rv;

	forget_one(u, name);
	rv = peek(a, name, sight, &plan);
	if (rv < 0 && rv != -E_NOT_FOUND)
		due_in(u, name, UPKEEP_AGAIN_MS);
	if (rv < 0)
		return;
	note(u, name, plan.why);
	known_mark(&u->learning, name, plan.learning);
	if (plan.again_ms >= 0)
		due_in(u, name, plan.again_ms);
	if (plan.what == UPKEEP_NOTHING) {
		/* its node makes it: it learns when that reports it */
		if (api_mono_ms() < held_ms && !plan.calm && !plan.learning)
			known_set(&u->held, name, json_object_new_int64(held_ms));
		if (!plan.calm)
			due_in(u, name, plan.refused ? UPKEEP_AGAIN_MS : UPKEEP_RESTLESS_MS);
		return;
	}
	due_in(u, name, UPKEEP_AGAIN_MS);
	adds = plan.what == UPKEEP_ADD || plan.what == UPKEEP_DISK;
	if (adds && known_count(u->learning) + known_count(u->held) >= UPKEEP_LEARNING_MAX) {
		note(u, name, "another copy is made when fewer others are being made");
		return;
	}
	if (adds)
		known_set(&u->held, name, json_object_new_int64(api_mono_ms() + UPKEEP_AGAIN_MS));
	ask_for(a, name);
}

struct upkeep_sight upkeep_sight(struct api *a)
{
	struct change_env env = { .store = a->config.store };
	struct upkeep_sight sight = { .watched_ms = api_mono_ms() - a->led_since_ms };

	if (change_upkeep_many_away(&env, &sight.many_away, NULL) < 0)
		sight.many_away = true;
	return sight;
}

bool upkeep_is_busy(struct api *a)
{
	const struct upkeep *u = &a->upkeep;

	return u->all || !u->looked || !backlog_is_empty(&u->names) || u->asked ||
	       known_count(u->learning) > 0 || known_count(u->held) > 0;
}

static void look_at_some(struct api *a)
{
	struct upkeep *u = &a->upkeep;
	struct upkeep_sight sight = upkeep_sight(a);
	const char *name;

	for (int i = 0; i < UPKEEP_PER_TICK && u->asked < UPKEEP_CALLS_MAX; i++) {
		name = backlog_next(&u->names);
		if (!name)
			return;
		look_at(a, name, &sight);
	}
}

void upkeep_tick(struct api *a)
{
	struct upkeep *u = &a->upkeep;

	if (u->asked >= UPKEEP_CALLS_MAX)
		return;
	look_at_nodes(a);
	if (u->all && !backlog_has_rest(&u->names) && survey_all(a, &u->names))
		u->all = false;
	add_due(u);
	if (!backlog_is_empty(&u->names))
		look_at_some(a);
	u->looked |= backlog_is_empty(&u->names);
}

/* ---- requests ---- */

static int step(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = jget_str(m->call->doc, "resource", "");
	struct upkeep_sight sight = upkeep_sight(m->call->api);
	struct upkeep_plan plan;
	int rv = change_upkeep(env, t, resource, &sight, &plan, err);

	if (rv < 0)
		return rv;
	mutation_done(m, RC_MODIFIED, "%s", plan.why[0] ? plan.why : "Nothing to do.");
	return 0;
}

static void say_step(struct mutation *m)
{
	mutation_say(m, "resource");
}

void upkeep_step(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, step, say_step);
}

static int away(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *node = jget_str(m->call->doc, "node", "");
	bool is = jget_bool(m->call->doc, "away", false);
	int rv = change_node_away(env, t, node, is, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Node '%s' is %s.", node, is ? "away" : "back");
	return rv;
}

void upkeep_away(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, away, NULL);
}

static int forget(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *node = jget_str(m->call->doc, "node", "");
	int rv = change_node_forget(env, t, node, err);

	if (rv == 0)
		mutation_done(m, RC_DELETED, "Node '%s' looked at.", node);
	return rv;
}

static void forgotten(struct mutation *m)
{
	struct api *a = m->call->api;

	if (m->wrote)
		observed_forget(a->observed, jget_str(m->call->doc, "node", ""));
	if (a->members)
		api_update_members(a);
	mutation_reply(m);
}

void upkeep_forget(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, forget, forgotten);
}
