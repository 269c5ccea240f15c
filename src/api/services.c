// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * services.c - /v1/sds/services: services that follow a volume, how they stand, and what users do
 * with them. Called through routes.c; once a second on the leader by api.c, which then asks for the
 * decisions that are due. What is decided is model/service_decide.c's.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/metric.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/service_decide.h"

#define SERVICE_CALL_MS 10000
#define SERVICE_SLICE_MS 10   /* of looking at them, at a stretch */
#define SERVICE_WAIT_MS 20000 /* until it runs, or has stopped; less than a client waits */

/* ---- how one stands ---- */

struct stand {
	struct service s;
	struct service_decision d;
	bool due;          /* d would change something; not asked for of one that runs */
	const char *state; /* static */
	char error[SERVICE_WHY_MAX + 1]; /* of the node where it is to run */
};

/* What would be decided now; nothing is changed. */
static int peek(struct api *a, const char *name, struct service_decision *d, struct service *s)
{
	struct change_env env = api_env(a);
	struct txn *t = txn_new("", "service");
	int rv = change_service_decide(&env, t, name, d, s, NULL);

	if (rv == 0)
		rv = !txn_is_empty(t);
	txn_free(t);
	return rv;
}

/* what a node reported of it, borrowed; NULL: nothing lately */
static json *report_of(struct api *a, const char *node, const char *name)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	return jget(jget(observed_node(a->observed, node, api_mono_ms()), "services"), low);
}

struct holder {
	struct api *api;
	const char *name;
	bool any;
};

static void look_for_holder(json *doc, void *arg)
{
	struct holder *h = arg;

	h->any |= jget_bool(report_of(h->api, jget_str(doc, "name", ""), h->name), "holds", false);
}

/* on any node that answers */
static bool is_held(struct api *a, const char *name)
{
	struct holder h = { .api = a, .name = name };

	view_docs(a, "node/", look_for_holder, &h);
	return h.any;
}

/* It runs where it is to run: no decision is due unless something else has changed. */
static bool is_steady(struct api *a, const struct service *s)
{
	json *seen = s->node[0] && !s->wish[0] ? report_of(a, s->node, s->name) : NULL;

	return seen && jget_i64_or(seen, "generation", 0) == s->generation &&
	       strcmp(jget_str(seen, "state", ""), "running") == 0;
}

static const char *state_on_node(struct api *a, const struct service *s)
{
	json *seen = report_of(a, s->node, s->name);
	const char *state = jget_str(seen, "state", "");

	if (!seen)
		return "unknown";
	if (s->wish[0])
		return "moving";
	if (jget_i64_or(seen, "generation", 0) < s->generation)
		return "starting";
	if (jget_bool(seen, "gave_up", false))
		return "failed";
	/* what it stops by itself, it begins again */
	return strcmp(state, "running") == 0 ? "running" : "starting";
}

static const char *state_of(struct api *a, const struct stand *x)
{
	const struct service *s = &x->s;

	if (!s->enabled)
		return is_held(a, s->name) ? "stopping" : "stopped";
	if (s->node[0])
		return state_on_node(a, s);
	if (x->d.stuck)
		return s->n_failed > 0 ? "failed" : "waiting";
	return s->wish[0] ? "moving" : "starting";
}

/* -E_NOT_FOUND and what else may be wrong with a document */
static int stand_of(struct api *a, json *doc, bool stale, struct stand *ret)
{
	struct service after;
	int rv = service_parse(doc, &ret->s, NULL);

	if (rv < 0)
		return rv;
	memset(&ret->d, 0, sizeof(ret->d));
	ret->due = false;
	ret->error[0] = '\0';
	ret->state = "unknown";
	if (stale)
		return 0;
	if (ret->s.enabled && !is_steady(a, &ret->s)) {
		rv = peek(a, ret->s.name, &ret->d, &after);
		if (rv < 0)
			return rv;
		ret->due = rv > 0;
	}
	snprintf(ret->error, sizeof(ret->error), "%s",
		 jget_str(report_of(a, ret->s.node, ret->s.name), "error", ""));
	ret->state = state_of(a, ret);
	return 0;
}

/* Since when it is so (wall clock), as far as this leader has seen */
static int64_t since_of(struct api *a, const struct stand *x)
{
	char low[NAME_MAX_LEN + 1];
	json *seen;

	name_key(x->s.name, low);
	seen = jget(a->services_seen, low);
	return strcmp(jget_str(seen, "state", ""), x->state) == 0
		       ? jget_i64_or(seen, "state_since_ms", clock_wall_ms())
		       : clock_wall_ms();
}

static json *failures(const struct service *s)
{
	json *list = view_list();

	for (int i = 0; i < s->n_failed; i++) {
		json *o = view_object();

		jset_str(o, "node", s->failed[i].node);
		jset_str(o, "why", s->failed[i].why);
		jset_i64(o, "at_ms", s->failed[i].at_ms);
		view_push(list, o);
	}
	return list;
}

static json *shape(struct api *a, const struct stand *x)
{
	const struct service *s = &x->s;
	json *o = view_object(), *nodes = view_list();

	for (int i = 0; i < s->n_nodes; i++)
		view_push(nodes, json_object_new_string(s->nodes[i]));
	jset_str(o, "name", s->name);
	jset_str(o, "resource", s->resource);
	jset_i64(o, "number", s->number);
	jset_str(o, "mount", s->mount);
	jset_str(o, "options", s->options);
	jset_str(o, "unit", s->unit);
	jset_str(o, "vip", s->vip);
	jset_str(o, "interface", s->interface);
	jset(o, "nodes", nodes);
	jset_bool(o, "enabled", s->enabled);
	jset_str(o, "state", x->state);
	jset_i64(o, "state_since_ms", since_of(a, x));
	jset_str(o, "node", s->node);
	jset_str(o, "moves_to", s->wish);
	jset_i64(o, "generation", s->generation);
	jset_i64(o, "starts", s->starts);
	jset_i64(o, "decided_ms", s->decided_ms);
	jset_str(o, "why", x->d.why[0] ? x->d.why : s->why);
	jset_str(o, "error", x->error);
	jset(o, "failed", failures(s));
	return o;
}

/* ---- reading ---- */

struct listing {
	struct api *api;
	bool stale;
	struct call_list *list; /* or */
	json *array;
};

static void list_one(json *doc, void *arg)
{
	struct listing *l = arg;
	struct stand x;

	if (stand_of(l->api, doc, l->stale, &x) < 0)
		return;
	if (l->list)
		call_list_push(l->list, shape(l->api, &x));
	else
		view_push(l->array, shape(l->api, &x));
}

void services_list(struct api_call *c)
{
	struct call_list list;
	struct listing l = { .api = c->api, .stale = c->stale, .list = &list };

	call_list_init(&list, c);
	view_docs(c->api, "service/", list_one, &l);
	call_list_reply(&list);
}

json *services_view(struct api *a, bool stale)
{
	struct listing l = { .api = a, .stale = stale, .array = view_list() };

	view_docs(a, "service/", list_one, &l);
	return l.array;
}

/* the document, the caller's; NULL: there is none */
static json *doc_of(struct api *a, const char *name)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	service_key(name, key, sizeof(key));
	store_get(a->config.store, key, &doc, NULL);
	return doc;
}

void services_get(struct api_call *c)
{
	const char *name = c->match.arg[0];
	json *doc = doc_of(c->api, name);
	struct stand x;
	struct err err;
	int rv = doc ? stand_of(c->api, doc, c->stale, &x) : -E_NOT_FOUND;

	json_object_put(doc);
	if (rv < 0) {
		err_set(&err, rv, "Service '%.100s' not found.", name);
		call_fail(c, rv, &err);
		return;
	}
	call_reply_json(c, 200, shape(c->api, &x));
}

struct user {
	const char *resource;
	char *name;
};

static void find_user(json *doc, void *arg)
{
	struct user *u = arg;

	if (strcasecmp(jget_str(doc, "resource", ""), u->resource) == 0)
		snprintf(u->name, NAME_MAX_LEN + 1, "%s", jget_str(doc, "name", ""));
}

void services_user(struct api *a, const char *resource, char name[NAME_MAX_LEN + 1])
{
	struct user u = { resource, name };

	name[0] = '\0';
	view_docs(a, "service/", find_user, &u);
}

/* ---- waiting ---- */

static const char *name_of(const struct mutation *m)
{
	return m->call->match.n_args ? m->call->match.arg[0] : jget_str(m->call->doc, "name", "");
}

static bool load(struct mutation *m, struct stand *x)
{
	json *doc = doc_of(m->call->api, name_of(m));
	int rv = doc ? stand_of(m->call->api, doc, false, x) : -E_NOT_FOUND;

	json_object_put(doc);
	return rv == 0;
}

static bool is_settled(void *arg, int64_t waited_ms)
{
	struct mutation *m = arg;
	struct stand x;

	return !load(m, &x) || strcmp(x.state, "running") == 0 || strcmp(x.state, "failed") == 0 ||
	       strcmp(x.state, "stopped") == 0 ||
	       (strcmp(x.state, "waiting") == 0 && waited_ms > OBSERVED_FRESH_MS);
}

static void say_where(void *arg, bool in_time)
{
	struct mutation *m = arg;
	const struct route *route = m->call->match.route;
	struct stand x;

	if (!load(m, &x)) {
		mutation_reply(m);
		return;
	}
	if (strcmp(x.state, "running") == 0)
		mutation_done(m, RC_MODIFIED, "Service '%s' runs on %s.", x.s.name, x.s.node);
	else
		mutation_note(m, rc_code(RC_WARN, route->op, route->object, RC_WARN_NOT_UPDATED),
			      "Service '%s' does not run yet (%s)%s%s", x.s.name, x.state,
			      x.error[0] || x.d.why[0] ? ": " : ".",
			      x.error[0] ? x.error : x.d.why);
	mutation_reply(m);
}

static void wait_running(struct mutation *m)
{
	wait_start(m->call->api, SERVICE_WAIT_MS, is_settled, say_where, m);
}

static bool is_down(void *arg, int64_t waited_ms)
{
	struct mutation *m = arg;

	/* the nodes need a moment to see the change */
	return waited_ms >= OBSERVED_STALE_MS / 2 && !is_held(m->call->api, name_of(m));
}

static void say_down(void *arg, bool in_time)
{
	struct mutation *m = arg;
	const struct route *route = m->call->match.route;

	if (!in_time)
		mutation_note(m, rc_code(RC_WARN, route->op, route->object, RC_WARN_NOT_UPDATED),
			      "Service '%s' has not stopped yet; its node goes on with that.",
			      name_of(m));
	mutation_reply(m);
}

static void wait_down(struct mutation *m)
{
	wait_start(m->call->api, SERVICE_WAIT_MS, is_down, say_down, m);
}

/* ---- changes ---- */

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	int rv = change_service_create(env, t, doc, err);

	if (rv == 0)
		mutation_done(m, RC_CREATED, "Service '%s' follows volume '%s'.",
			      jget_str(doc, "name", ""), jget_str(doc, "resource", ""));
	return rv;
}

static void created(struct mutation *m)
{
	if (jget_bool(m->call->doc, "enabled", true))
		wait_running(m);
	else
		mutation_reply(m);
}

void services_create(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 201, create, created);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = name_of(m);
	int rv = change_service_delete(env, t, name, err);

	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_RSC_DFN, RC_WARN_NOT_FOUND),
			      "Service '%.100s' not found; nothing to delete.", name);
		return 0;
	}
	if (rv == 0)
		mutation_done(m, RC_DELETED, "Service '%s' deleted.", name);
	return rv;
}

static void deleted(struct mutation *m)
{
	if (m->wrote)
		wait_down(m);
	else
		mutation_reply(m);
}

void services_delete(struct api_call *c)
{
	mutate(c, 200, delete, deleted);
}

static int enable(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	bool changed;
	int rv = change_service_enable(env, t, name_of(m), true, &changed, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Service '%s' is started.", name_of(m));
	return rv;
}

void services_enable(struct api_call *c)
{
	mutate(c, 200, enable, wait_running);
}

static int disable(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	bool changed;
	int rv = change_service_enable(env, t, name_of(m), false, &changed, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Service '%s' is stopped.", name_of(m));
	return rv;
}

void services_disable(struct api_call *c)
{
	mutate(c, 200, disable, wait_down);
}

static int retry(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	int rv = change_service_retry(env, t, name_of(m), err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Service '%s' is tried again on all of its nodes.",
			      name_of(m));
	return rv;
}

void services_retry(struct api_call *c)
{
	mutate(c, 200, retry, wait_running);
}

static int move(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *node = jget_str(m->call->doc, "node", "");
	struct service s;
	int rv = change_service_move(env, t, name_of(m), node[0] ? node : NULL, &s, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Service '%s' moves to %s.", s.name, s.wish);
	return rv;
}

void services_move(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "node", json_type_string, &err) < 0)
		call_bad_body(c, "%s", err.text);
	else
		mutate(c, 200, move, wait_running);
}

/* ---- decisions ---- */

static int decide(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = jget_str(m->call->doc, "service", "");
	struct service_decision d;
	struct service s;
	int rv = change_service_decide(env, t, name, &d, &s, err);

	if (rv < 0)
		return rv;
	if (d.what == SERVICE_ASSIGN)
		mutation_what(m, "Service '%s' is to run on %s%s%.150s", s.name, s.node,
			      d.why[0] ? ": " : "", d.why);
	else if (d.what == SERVICE_RELEASE)
		mutation_what(m, "Service '%s' is to stop: %.200s", s.name, d.why);
	else
		mutation_what(m, "Service '%s' stays where it is.", s.name);
	mutation_done(m, RC_MODIFIED, "Decided.");
	return 0;
}

static void say_decision(struct mutation *m)
{
	mutation_say(m, "service");
}

void services_decide(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, decide, say_decision);
}

static void on_decided(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->services_asked--;
	if (answer->status != 200)
		a->services_applied = 0; /* all are looked at once more */
}

struct look {
	struct api *api;
	bool all;       /* definitions have changed: also those that run are looked at */
	bool more;      /* the next look goes on behind last */
	int64_t end_ms; /* monotonic: no longer than this */
	char last[NAME_MAX_LEN + 1]; /* that was looked at, in lower case; "" none yet */
	json *seen; /* name -> {"state","state_since_ms"}, of this look or an earlier one */
};

/* One that is stopped and was not changed stays so: no node has to be looked at for it. */
static bool is_at_rest(const struct look *l, json *doc, const char *low)
{
	return !l->all && !jget_bool(doc, "enabled", true) &&
	       strcmp(jget_str(jget(l->api->services_seen, low), "state", ""), "stopped") == 0;
}

static void note_state(struct look *l, const char *low, const struct stand *x)
{
	json *o = view_object();

	jset_str(o, "state", x->state);
	jset_i64(o, "state_since_ms", since_of(l->api, x));
	jset(l->seen, low, o);
}

static bool is_due(const struct look *l, const struct stand *x)
{
	struct service_decision d;
	struct service s;

	if (!x->s.enabled)
		return false;
	return x->due ||
	       (l->all && is_steady(l->api, &x->s) && peek(l->api, x->s.name, &d, &s) > 0);
}

static void ask(struct look *l, const struct stand *x)
{
	struct api *a = l->api;
	json *body = view_object();

	jset_str(body, "service", x->s.name);
	a->services_asked++;
	leader_call(a->leader, "POST", "/v1/sds/service-decide", json_text(body), NULL,
		    SERVICE_CALL_MS, on_decided, a);
	json_object_put(body);
}

/* Not in this look: before the first, or more than it can do */
static bool is_left(struct look *l, const char *low)
{
	l->more |= l->api->services_asked == SERVICE_CALLS_MAX ||
		   (l->last[0] && api_mono_ms() >= l->end_ms);
	return l->more || strcmp(low, l->api->services_after) <= 0;
}

static void look_at(json *doc, void *arg)
{
	struct look *l = arg;
	char low[NAME_MAX_LEN + 1];
	struct stand x;

	name_key(jget_str(doc, "name", ""), low);
	if (is_left(l, low) || is_at_rest(l, doc, low)) {
		jset(l->seen, low, json_object_get(jget(l->api->services_seen, low)));
		return;
	}
	snprintf(l->last, sizeof(l->last), "%s", low);
	if (stand_of(l->api, doc, false, &x) < 0)
		return;
	note_state(l, low, &x);
	if (is_due(l, &x))
		ask(l, &x);
}

/* In the order of their names, until SERVICE_CALLS_MAX are asked for or SERVICE_SLICE_MS are over;
 * the next look goes on there, so that none has to wait for others that are due again and again. */
void services_look(struct api *a)
{
	uint64_t applied = store_applied(a->config.store);
	struct look l = { .api = a, .end_ms = api_mono_ms() + SERVICE_SLICE_MS };

	/* what was asked for is decided first: it is not asked for twice */
	if (a->services_asked > 0)
		return;
	if (!services_has_more(a)) {
		a->services_all = applied != a->services_applied;
		a->services_applied = applied;
	}
	l.all = a->services_all;
	l.seen = view_object();
	view_docs(a, "service/", look_at, &l);
	json_object_put(a->services_seen);
	a->services_seen = l.seen;
	snprintf(a->services_after, sizeof(a->services_after), "%s", l.more ? l.last : "");
}

bool services_has_more(const struct api *a)
{
	return a->services_after[0];
}

void services_stop(struct api *a)
{
	json_object_put(a->services_seen);
	a->services_seen = NULL;
	a->services_after[0] = '\0';
}

/* ---- metrics ---- */

static void write_number(struct buf *out, json *list, const char *name, const char *type,
			 const char *help, const char *field, double factor)
{
	metric_begin(out, name, type, help);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);

		metric_add(out, name, "", (double)jget_i64_or(o, field, 0) * factor, "service",
			   jget_str(o, "name", ""), NULL);
	}
}

static void write_word(struct buf *out, json *list, const char *name, const char *help,
		       const char *field)
{
	metric_begin(out, name, "gauge", help);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);
		const char *word = jget_str(o, field, "");

		if (word[0])
			metric_add(out, name, "", 1, "service", jget_str(o, "name", ""), field,
				   word, NULL);
	}
}

void services_write(struct api *a, struct buf *out)
{
	json *list = services_view(a, false);

	write_word(out, list, "sdsd_service_state",
		   "1, with the state: running, starting, stopping, moving, stopped, waiting, "
		   "failed, unknown.",
		   "state");
	write_word(out, list, "sdsd_service_node", "1, with the node where it is to run.", "node");
	write_number(out, list, "sdsd_service_state_since_timestamp_seconds", "gauge",
		     "Since when it is in its state, as far as this leader has seen.",
		     "state_since_ms", 0.001);
	write_number(out, list, "sdsd_service_starts_total", "counter",
		     "How often it was given to a node: once, and for each move and fail-over.",
		     "starts", 1);
	json_object_put(list);
}
