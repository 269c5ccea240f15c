// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_service.c - services that follow a volume: made, stopped, moved, deleted; and the decision
 * of where each is to run, which is service_decide.c's, from what is defined and observed. Called
 * by the API, for users and for its leader.
 */
#include "model/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/node.h"
#include "model/policy.h"
#include "model/service_decide.h"

/* --- documents ---------------------------------------------------------- */

/* *ret: the caller's, at key. -E_NOT_FOUND */
static int load_doc(struct change_env *env, struct txn *t, const char *name, char *key, size_t len,
		    json **ret, struct err *err)
{
	int rv;

	service_key(name, key, len);
	rv = txn_get(t, env->store, key, ret);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "service %.60s: there is no such service", name);
	return rv < 0 ? err_set(err, rv, "%s: %s", key, err_name(rv)) : 0;
}

/* *ret_doc: the caller's. -E_NOT_FOUND */
static int load(struct change_env *env, struct txn *t, const char *name, struct service *ret,
		json **ret_doc, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = load_doc(env, t, name, key, sizeof(key), &doc, err);

	if (rv < 0)
		return rv;
	rv = service_parse(doc, ret, err);
	if (rv < 0)
		json_object_put(doc);
	else
		*ret_doc = doc;
	return rv;
}

/* takes doc */
static void save(struct txn *t, const struct service *s, json *doc)
{
	char key[STORE_KEY_MAX];

	service_key(s->name, key, sizeof(key));
	service_write(doc, s);
	txn_put(t, key, doc);
}

/* --- a new one ---------------------------------------------------------- */

struct compare {
	const struct service *s;
	int n;
	struct err *err;
};

/* What two services share would be taken from one by the other. */
static int check_other(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct compare *c = arg;
	const struct service *s = c->s;
	struct service o;

	c->n++;
	if (service_parse(doc, &o, NULL) < 0)
		return 0;
	if (strcasecmp(o.name, s->name) == 0)
		return err_set(c->err, -E_EXISTS, "service %s exists already", o.name);
	if (strcasecmp(o.resource, s->resource) == 0)
		return err_set(c->err, -E_IN_USE,
			       "service %s: service %s uses volume %s already, and a resource is "
			       "open on one node at a time",
			       s->name, o.name, o.resource);
	if (strcmp(o.mount, s->mount) == 0)
		return err_set(c->err, -E_IN_USE, "service %s: %s is where service %s is mounted",
			       s->name, o.mount, o.name);
	if (s->unit[0] && strcmp(o.unit, s->unit) == 0)
		return err_set(c->err, -E_IN_USE, "service %s: unit %s belongs to service %s",
			       s->name, o.unit, o.name);
	if (s->vip[0] && strncasecmp(o.vip, s->vip, strcspn(s->vip, "/") + 1) == 0)
		return err_set(c->err, -E_IN_USE, "service %s: %s is the address of service %s",
			       s->name, o.vip, o.name);
	return 0;
}

static int check_others(struct change_env *env, struct txn *t, const struct service *s,
			struct err *err)
{
	struct compare c = { .s = s, .err = err };
	int rv = txn_list(t, env->store, "service/", check_other, &c);

	if (rv == 0 && c.n >= SERVICES_MAX)
		return err_set(err, -E_INVALID,
			       "service %s: there are %d of them, which is the limit", s->name,
			       c.n);
	return rv;
}

static int check_nodes(struct change_env *env, struct txn *t, struct service *s, struct err *err)
{
	for (int i = 0; i < s->n_nodes; i++) {
		char key[STORE_KEY_MAX];
		json *doc;
		int rv;

		node_key(s->nodes[i], key, sizeof(key));
		rv = txn_get(t, env->store, key, &doc);
		if (rv < 0)
			return err_set(err, rv == -E_NOT_FOUND ? -E_INVALID : rv,
				       "service %s: there is no node %s", s->name, s->nodes[i]);
		snprintf(s->nodes[i], sizeof(s->nodes[i]), "%s",
			 jget_str(doc, "name", s->nodes[i]));
		json_object_put(doc);
	}
	return 0;
}

/* It is known of all that answer, and of one at least, that they have no block devices. */
static bool all_in_user_space(struct change_env *env, const struct bundle *b)
{
	int user = 0;

	for (int i = 0; i < b->n; i++) {
		json *seen = observed_node(env->observed, b->replica[i].node, env->mono_ms);
		const char *plane = jget_str(seen, "plane", "");

		if (seen && strcmp(plane, "user") != 0)
			return false;
		user += seen != NULL;
	}
	return user > 0;
}

static int check_volume(struct change_env *env, struct txn *t, struct service *s, struct err *err)
{
	struct policy policy;
	struct bundle b;
	int rv = bundle_load(env, t, s->resource, &b, err);

	if (rv < 0)
		return rv;
	policy = policy_load(env->store, b.doc);
	snprintf(s->resource, sizeof(s->resource), "%s", b.resource.name);
	if (!resource_volume(&b.resource, s->number))
		rv = err_set(err, -E_INVALID, "service %s: resource %s has no volume %d", s->name,
			     b.resource.name, s->number);
	else if (b.resource.nvme)
		rv = err_set(err, -E_INVALID,
			     "service %s: resource %s is not replicated (NVME): nothing keeps two "
			     "nodes from writing to it at once",
			     s->name, b.resource.name);
	else if (policy.handover)
		rv = err_set(
			err, -E_INVALID,
			"service %s: resource %s may be opened by a second node (" POLICY_HANDOVER
			"), which a file system does not survive: turn that off first",
			s->name, b.resource.name);
	else if (s->enabled && all_in_user_space(env, &b))
		rv = err_set(err, -E_INVALID,
			     "service %s: the nodes of %s serve volumes in user space, so there is "
			     "no block device to mount: load the kernel module (docs/kernel.md)",
			     s->name, b.resource.name);
	bundle_release(&b);
	return rv;
}

int change_service_create(struct change_env *env, struct txn *t, json *body, struct err *err)
{
	char key[STORE_KEY_MAX];
	struct service s;
	int rv = service_parse(body, &s, err);

	if (rv < 0)
		return rv;
	if ((rv = check_others(env, t, &s, err)) < 0 || (rv = check_nodes(env, t, &s, err)) < 0 ||
	    (rv = check_volume(env, t, &s, err)) < 0)
		return rv;
	/* what is decided is not the request's to say */
	s.node[0] = s.wish[0] = s.why[0] = '\0';
	s.n_failed = 0;
	s.generation = 1;
	s.decided_ms = env->now_ms;
	service_key(s.name, key, sizeof(key));
	txn_put(t, key, service_doc(&s));
	return 0;
}

int change_service_delete(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = load_doc(env, t, name, key, sizeof(key), &doc, err);

	if (rv < 0)
		return rv;
	json_object_put(doc);
	txn_put(t, key, NULL);
	return 0;
}

int change_service_enable(struct change_env *env, struct txn *t, const char *name, bool on,
			  bool *ret, struct err *err)
{
	struct service s;
	json *doc;
	int rv = load(env, t, name, &s, &doc, err);

	if (rv < 0)
		return rv;
	*ret = s.enabled != on;
	if (!*ret) {
		json_object_put(doc);
		return 0;
	}
	s.enabled = on;
	s.generation++;
	s.wish[0] = s.why[0] = '\0';
	service_forgive(&s, NULL);
	save(t, &s, doc);
	return 0;
}

int change_service_retry(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	struct service s;
	json *doc;
	int rv = load(env, t, name, &s, &doc, err);

	if (rv < 0)
		return rv;
	s.generation++; /* what was given up is tried again */
	service_forgive(&s, NULL);
	save(t, &s, doc);
	return 0;
}

/* --- where it is to run ------------------------------------------------- */

struct gather {
	struct change_env *env;
	const struct service *s;
	struct bundle *b;
	struct service_candidate *c; /* room for NODES_MAX */
	json *docs[NODES_MAX];       /* owned: names and reports point into them */
	int n;
};

static int rank_of(const struct gather *g, const struct replica *r, const char *node)
{
	for (int i = 0; i < g->s->n_nodes; i++) {
		if (strcasecmp(g->s->nodes[i], node) == 0)
			return i;
	}
	return !r || r->diskless ? 2 : !bundle_in_set(g->b, r);
}

static bool is_named(const struct service *s, const char *node)
{
	for (int i = 0; i < s->n_nodes; i++) {
		if (strcasecmp(s->nodes[i], node) == 0)
			return true;
	}
	return s->n_nodes == 0;
}

/* seen: the node's report, NULL when there is none lately */
static const char *unfit(const struct gather *g, const struct replica *r, const char *node,
			 json *doc, json *seen)
{
	if (!is_named(g->s, node))
		return "is not one of its nodes";
	if (!r || r->deleting)
		return "has no replica of the volume";
	if (r->inactive || r->quarantined)
		return r->inactive ? "has a replica that is not active"
				   : "has a replica in quarantine";
	if (node_has_flag(doc, NODE_LOST))
		return "is lost";
	if (seen && !jget(seen, "services"))
		return "runs a version that knows no services";
	if (seen && strcmp(jget_str(seen, "plane", ""), "kernel") != 0)
		return "serves volumes in user space, without the kernel module";
	return NULL;
}

static void take_report(const struct gather *g, json *seen, struct service_candidate *c)
{
	char low[NAME_MAX_LEN + 1];
	json *mine;

	name_key(g->s->name, low);
	mine = jget(jget(seen, "services"), low);
	c->generation = jget_i64_or(mine, "generation", -1);
	c->holds = jget_bool(mine, "holds", false);
	c->gave_up = jget_bool(mine, "gave_up", false);
	c->error = jget_str(mine, "error", "");
}

static int add_node(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct gather *g = arg;
	struct change_env *env = g->env;
	const char *node = jget_str(doc, "name", "");
	const struct replica *r = bundle_replica_on(g->b, node);
	int64_t age = observed_age_ms(env->observed, node, env->mono_ms);
	json *seen = observed_node(env->observed, node, env->mono_ms);
	struct service_candidate *c = &g->c[g->n];

	if (g->n == NODES_MAX)
		return 0;
	*c = (struct service_candidate){
		.node = node,
		.rank = rank_of(g, r, node),
		.online = age >= 0 && age < SERVICE_GONE_MS,
		.awaited = observed_awaited(env->observed, node, env->mono_ms),
		.unfit = unfit(g, r, node, doc, seen),
		.barred = !node_takes_new(doc, false, NULL),
		.leaves = node_has_flag(doc, NODE_EVACUATE),
		.concerned = r && (!seen || jget(seen, "services")),
	};
	take_report(g, seen, c);
	g->docs[g->n++] = json_object_get(doc);
	return 0;
}

/* what: with all candidates, before they go */
static int with_candidates(struct change_env *env, struct txn *t, const struct service *s,
			   void (*what)(const struct gather *g, void *arg), void *arg,
			   struct err *err)
{
	struct gather *g = calloc(1, sizeof(*g));
	struct bundle b;
	int rv;

	if (!g)
		abort();
	*g = (struct gather){ .env = env, .s = s, .b = &b };
	rv = bundle_load(env, t, s->resource, &b, err);
	if (rv < 0)
		goto free_gather;
	g->c = calloc(NODES_MAX, sizeof(*g->c));
	if (!g->c)
		abort();
	rv = txn_list(t, env->store, "node/", add_node, g);
	if (rv < 0)
		err_set(err, rv, "nodes: %s", err_name(rv));
	else
		what(g, arg);
	for (int i = 0; i < g->n; i++)
		json_object_put(g->docs[i]);
	free(g->c);
	bundle_release(&b);
free_gather:
	free(g);
	return rv;
}

struct deciding {
	struct service *s;
	struct service_decision *d;
	int64_t now_ms;
	bool changed;
};

static void decide_one(const struct gather *g, void *arg)
{
	struct deciding *x = arg;

	service_decide(x->s, g->c, g->n, x->now_ms, x->d);
	x->changed = service_apply(x->s, x->d, g->c, x->now_ms);
}

int change_service_decide(struct change_env *env, struct txn *t, const char *name,
			  struct service_decision *ret, struct service *ret_service,
			  struct err *err)
{
	struct deciding x = { .s = ret_service, .d = ret, .now_ms = env->now_ms };
	json *doc;
	int rv = load(env, t, name, ret_service, &doc, err);

	if (rv < 0)
		return rv;
	rv = with_candidates(env, t, ret_service, decide_one, &x, err);
	if (rv == 0 && x.changed)
		save(t, ret_service, json_object_get(doc));
	json_object_put(doc);
	return rv;
}

/* --- moving ------------------------------------------------------------- */

struct wishing {
	const char *node; /* NULL: any other than the present one */
	struct service *s;
	struct err *err;
	int rv;
};

static int refuse(const struct wishing *w, const char *node, const char *why)
{
	return err_set(w->err, -E_INVALID, "service %s: node %.60s %s", w->s->name, node, why);
}

static void wish_named(const struct gather *g, struct wishing *w)
{
	const struct service_candidate *c = NULL;

	for (int i = 0; i < g->n; i++) {
		if (strcasecmp(g->c[i].node, w->node) == 0)
			c = &g->c[i];
	}
	if (!c)
		w->rv = refuse(w, w->node, "is not there");
	else if (c->unfit)
		w->rv = refuse(w, c->node, c->unfit);
	else if (!c->online)
		w->rv = refuse(w, c->node, "does not answer");
	else
		snprintf(w->s->wish, sizeof(w->s->wish), "%s", c->node);
}

static void wish_other(const struct gather *g, struct wishing *w)
{
	const struct service_candidate *best = NULL;

	for (int i = 0; i < g->n; i++) {
		const struct service_candidate *c = &g->c[i];

		if (!c->unfit && c->online && !c->barred && strcasecmp(c->node, w->s->node) != 0 &&
		    (!best || c->rank < best->rank))
			best = c;
	}
	if (best)
		snprintf(w->s->wish, sizeof(w->s->wish), "%s", best->node);
	else
		w->rv = err_set(w->err, -E_NO_NODES, "service %s: no other node can have it",
				w->s->name);
}

static void wish(const struct gather *g, void *arg)
{
	struct wishing *w = arg;

	if (w->node)
		wish_named(g, w);
	else
		wish_other(g, w);
}

int change_service_move(struct change_env *env, struct txn *t, const char *name, const char *node,
			struct service *ret, struct err *err)
{
	struct wishing w = { .node = node, .s = ret, .err = err };
	json *doc;
	int rv = load(env, t, name, ret, &doc, err);

	if (rv < 0)
		return rv;
	if (!ret->enabled)
		rv = err_set(err, -E_INVALID, "service %s: it is stopped; start it first",
			     ret->name);
	if (rv == 0)
		rv = with_candidates(env, t, ret, wish, &w, err);
	if (rv == 0)
		rv = w.rv;
	if (rv == 0) {
		service_forgive(ret, ret->wish);
		save(t, ret, json_object_get(doc));
	}
	json_object_put(doc);
	return rv;
}

/* --- what others ask ---------------------------------------------------- */

struct user {
	const char *resource;
	int number; /* -1: any */
	char name[NAME_MAX_LEN + 1];
};

static int find_user(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct user *u = arg;

	if (strcasecmp(jget_str(doc, "resource", ""), u->resource) == 0 &&
	    (u->number < 0 || jget_i64_or(doc, "number", 0) == u->number))
		snprintf(u->name, sizeof(u->name), "%s", jget_str(doc, "name", ""));
	return 0;
}

int change_service_none_of(struct change_env *env, struct txn *t, const char *resource, int number,
			   struct err *err)
{
	struct user u = { .resource = resource, .number = number };
	int rv = txn_list(t, env->store, "service/", find_user, &u);

	if (rv < 0)
		return err_set(err, rv, "services: %s", err_name(rv));
	if (!u.name[0])
		return 0;
	return err_set(err, -E_IN_USE,
		       "resource %.60s: service %s uses it; delete that first: sdsd service delete "
		       "%s",
		       resource, u.name, u.name);
}
