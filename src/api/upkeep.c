// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * upkeep.c - has the leader look after the copies of all resources. Called once a
 * second by api.c, and through routes.c. What is to be done is decided by model/upkeep.c; here is
 * when it is asked, for which resources, and how many things go on at a time.
 *
 * A pass goes over all resources, UPKEEP_PER_TICK in a second. It begins when something has changed
 * that could matter: definitions, records, who answers; or when something is due.
 */
#include "model/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define UPKEEP_PER_TICK 100
#define UPKEEP_CALLS_MAX 16    /* requests under way */
#define UPKEEP_LEARNING_MAX 16 /* resources whose copies are being made at a time */
#define UPKEEP_CALL_MS 10000
#define UPKEEP_AGAIN_MS 15000 /* for what could not be done */
#define UPKEEP_AWAY_MS 30000  /* a node is away when it was not heard of for so long */

const char *upkeep_note(struct api *a, const char *resource)
{
	return jget_str(a->upkeep.notes, resource, "");
}

void upkeep_stop(struct api *a)
{
	struct upkeep *u = &a->upkeep;

	json_object_put(u->names);
	json_object_put(u->notes);
	u->names = u->notes = NULL;
	u->seen = 0;
	u->due_ms = 0;
}

static void on_asked(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->upkeep.asked--;
	if (answer->status < 200 || answer->status >= 300)
		a->upkeep.due_ms = api_mono_ms() + UPKEEP_AGAIN_MS;
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

static void look_at_node(json *doc, void *arg)
{
	struct api *a = arg;
	const char *name = jget_str(doc, "name", "");
	int64_t now = api_mono_ms();
	bool noted = jget_i64_or(doc, "away_ms", 0) > 0, away = is_away(a, name, now);
	json *body;

	if (a->upkeep.asked >= UPKEEP_CALLS_MAX)
		return;
	if (away ? !noted : noted && observed_online(a->observed, name, now)) {
		body = view_object();
		jset_str(body, "node", name);
		jset_bool(body, "away", away);
		ask(a, "/v1/sds/node-away", body);
	}
	if (node_has_flag(doc, NODE_LOST)) {
		body = view_object();
		jset_str(body, "node", name);
		ask(a, "/v1/sds/node-forget", body);
	}
}

/* ---- passes ---- */

struct online {
	struct api *api;
	uint64_t sum;
};

static void add_online(json *doc, void *arg)
{
	struct online *o = arg;

	o->sum = o->sum * 31 +
		 observed_online(o->api->observed, jget_str(doc, "name", ""), api_mono_ms());
}

/* The documents that decisions are based on, as one number; 0: they cannot be read */
static uint64_t docs_basis(struct api *a)
{
	static const char *const prefixes[] = { "node/",  "resource/",   "replica/", "record/",
						"group/", "controller/", "pool/" };
	struct store_count count;
	uint64_t sum = 1;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (store_count(a->config.store, prefixes[i], &count) < 0)
			return 0;
		sum = sum * 31 + count.changed;
	}
	return sum;
}

/* As one number: does any of what decisions are based on differ from the last time? */
static uint64_t basis(struct api *a)
{
	struct online online = { .api = a, .sum = docs_basis(a) };

	view_docs(a, "node/", add_online, &online);
	return online.sum;
}

static void add_name(json *doc, void *arg)
{
	json_object_array_add(arg, json_object_new_string(jget_str(doc, "name", "")));
}

static bool begin_pass(struct api *a)
{
	struct upkeep *u = &a->upkeep;
	int64_t now = api_mono_ms();
	uint64_t seen = basis(a);

	if (seen == u->seen && (u->due_ms == 0 || now < u->due_ms))
		return false;
	u->seen = seen;
	u->due_ms = 0;
	u->learning = u->held = 0;
	u->at = 0;
	u->names = view_list();
	view_docs(a, "resource/", add_name, u->names);
	return true;
}

static void due_in(struct upkeep *u, int64_t ms)
{
	int64_t at = api_mono_ms() + ms;

	if (u->due_ms == 0 || at < u->due_ms)
		u->due_ms = at;
}

static void note(struct upkeep *u, const char *resource, const char *text)
{
	if (!u->notes)
		u->notes = view_object();
	if (text[0])
		jset_str(u->notes, resource, text);
	else
		json_object_object_del(u->notes, resource);
}

static int peek(struct api *a, const char *resource, const struct upkeep_sight *sight,
		struct upkeep_plan *plan)
{
	struct change_env env = {
		.store = a->config.store,
		.observed = a->observed,
		.now_ms = clock_wall_ms(),
		.mono_ms = api_mono_ms(),
		.uuid = text_uuid,
	};
	struct txn *t = txn_new("", "upkeep");
	int rv = change_upkeep(&env, t, resource, sight, plan, NULL);

	txn_free(t);
	return rv;
}

static void look_at(struct api *a, const char *resource, const struct upkeep_sight *sight)
{
	struct upkeep *u = &a->upkeep;
	struct upkeep_plan plan;
	json *body;
	bool adds;

	if (peek(a, resource, sight, &plan) < 0)
		return;
	note(u, resource, plan.why);
	u->learning += plan.learning;
	if (plan.again_ms >= 0)
		due_in(u, plan.again_ms);
	if (plan.what == UPKEEP_NOTHING) {
		if (plan.refused)
			due_in(u, UPKEEP_AGAIN_MS);
		return;
	}
	adds = plan.what == UPKEEP_ADD || plan.what == UPKEEP_DISK;
	if (adds && u->learning + u->held >= UPKEEP_LEARNING_MAX) {
		note(u, resource, "another copy is made when fewer others are being made");
		due_in(u, UPKEEP_AGAIN_MS);
		return;
	}
	u->held += adds;
	body = view_object();
	jset_str(body, "resource", resource);
	ask(a, "/v1/sds/upkeep", body);
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

	return u->names || u->asked || u->learning || u->held || u->seen == 0;
}

void upkeep_tick(struct api *a)
{
	struct upkeep *u = &a->upkeep;
	struct upkeep_sight sight;
	size_t end;

	if (u->asked >= UPKEEP_CALLS_MAX)
		return;
	if (!u->names) {
		view_docs(a, "node/", look_at_node, a);
		if (!begin_pass(a))
			return;
	}
	sight = upkeep_sight(a);
	end = u->at + UPKEEP_PER_TICK;
	if (end > json_object_array_length(u->names))
		end = json_object_array_length(u->names);
	while (u->at < end && u->asked < UPKEEP_CALLS_MAX)
		look_at(a, json_object_get_string(json_object_array_get_idx(u->names, u->at++)),
			&sight);
	if (u->at == json_object_array_length(u->names)) {
		json_object_put(u->names);
		u->names = NULL;
	}
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
	if (!txn_is_empty(t))
		log_info("api", "resource=%s %s", resource, plan.why);
	mutation_done(m, RC_MODIFIED, "%s", plan.why[0] ? plan.why : "Nothing to do.");
	return 0;
}

void upkeep_step(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, step, NULL);
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
