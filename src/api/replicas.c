// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replicas.c - the replicas of resources, which LINSTOR calls resources: shown,
 * placed, made, removed; and the waiting for what the nodes make of it. Called
 * through routes.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "api/view_texts.h"
#include "base/clock.h"

#define FAILED_SETTLES_MS 3000 /* a failure is retried by its node: it may pass */

/* Showing */

static bool load(struct api_call *c, struct view *v)
{
	struct err err;
	int rv = view_load(c->api, c->match.arg[0], v);

	if (rv == 0)
		return true;
	err_set(&err, rv, "Resource definition '%.100s' not found.", c->match.arg[0]);
	call_fail_object(c, RC_RSC_DFN, rv, &err);
	return false;
}

/* the replica that the path names; on -1 the call was answered and v released */
static int load_replica(struct api_call *c, struct view *v)
{
	struct err err;
	int i;

	if (!load(c, v))
		return -1;
	i = view_find(v, c->match.arg[1]);
	if (i >= 0)
		return i;
	view_release(v);
	err_set(&err, -E_NOT_FOUND, "Resource '%.100s' on node '%.100s' not found.",
		c->match.arg[0], c->match.arg[1]);
	call_fail(c, -E_NOT_FOUND, &err);
	return -1;
}

void replicas_list(struct api_call *c)
{
	json *list;
	struct view v;

	if (!load(c, &v))
		return;
	list = view_list();
	for (int i = 0; i < v.n; i++)
		view_push(list, view_resource(c->api, &v, i, false));
	view_release(&v);
	call_reply_json(c, 200, call_query_page(c, list));
}

void replicas_get(struct api_call *c)
{
	struct view v;
	int i = load_replica(c, &v);

	if (i < 0)
		return;
	call_reply_json(c, 200, view_resource(c->api, &v, i, false));
	view_release(&v);
}

void replicas_volumes(struct api_call *c)
{
	struct view v;
	json *list;
	int i = load_replica(c, &v);

	if (i < 0)
		return;
	list = view_list();
	for (int k = 0; k < v.res.n_volumes; k++)
		view_push(list, view_volume(c->api, &v, i, k));
	view_release(&v);
	call_reply_json(c, 200, call_query_page(c, list));
}

void replicas_volume(struct api_call *c)
{
	struct view v;
	struct err err;
	int i = load_replica(c, &v);

	if (i < 0)
		return;
	for (int k = 0; k < v.res.n_volumes; k++) {
		char number[16];

		snprintf(number, sizeof(number), "%d", v.res.volume[k].number);
		if (strcmp(number, c->match.arg[2]) == 0) {
			call_reply_json(c, 200, view_volume(c->api, &v, i, k));
			view_release(&v);
			return;
		}
	}
	view_release(&v);
	err_set(&err, -E_NOT_FOUND, "Volume %.20s of resource '%.100s' not found.", c->match.arg[2],
		c->match.arg[0]);
	call_fail_object(c, RC_VLM_DFN, -E_NOT_FOUND, &err);
}

struct replica_listing {
	struct api_call *call;
	struct call_list list;
	bool by_props;
};

static bool view_wanted(const char *name, void *arg)
{
	struct replica_listing *l = arg;

	return call_query_has(l->call, "resources", name);
}

/* props=: of the documents, which texts do not tell apart from what is shown beside them */
static bool has_props(struct replica_listing *l, const char *name, const char *node)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	bool has;

	if (!l->by_props)
		return true;
	replica_key(name, node, key, sizeof(key));
	store_get(l->call->api->config.store, key, &doc, NULL);
	has = call_query_props(l->call, jget(doc, "props"));
	json_object_put(doc);
	return has;
}

static void view_one(const char *name, void *arg)
{
	struct replica_listing *l = arg;
	const struct view_texts *t;

	if (call_list_is_done(&l->list))
		return;
	t = texts_of(l->call->api->texts, name);
	for (int i = 0; t && i < t->n && !call_list_is_done(&l->list); i++) {
		const struct view_text *r = &t->text[i];

		if (call_query_has(l->call, "nodes", r->node) &&
		    call_query_has(l->call, "storage_pools", r->pool) &&
		    has_props(l, name, r->node))
			call_list_push_text(&l->list, r->json, r->len);
	}
}

static void view_done(void *arg, bool in_time)
{
	struct replica_listing *l = arg;

	call_list_finish(l->call, &l->list, in_time);
	free(l);
}

void replicas_view(struct api_call *c)
{
	struct replica_listing *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->call = c;
	l->by_props = !call_query_props(c, NULL);
	call_list_init(&l->list, c);
	view_walk_names(c->api, view_wanted, view_one, view_done, l);
}

/* Waiting until the nodes have done it */

struct target {
	struct mutation *m;
	char resource[ROUTER_ARG_MAX], node[ROUTER_ARG_MAX]; /* node "": all */
	int64_t failed_ms[REPLICAS_MAX]; /* by slot: waited so long when it was first seen failed */
};

static struct target *target_new(struct mutation *m, const char *resource, const char *node)
{
	struct target *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->m = m;
	snprintf(g->resource, sizeof(g->resource), "%s", resource);
	snprintf(g->node, sizeof(g->node), "%s", node ? node : "");
	return g;
}

static bool deposed(struct mutation *m)
{
	return !consensus_is_leader(m->call->api->config.consensus);
}

/* The new leader hears the reports now: the same request id is answered there. */
static void follow_leader(struct target *g)
{
	struct api_call *c = g->m->call;

	json_object_put(g->m->answer);
	free(g->m->own);
	free(g->m);
	free(g);
	call_moved(c, CALL_MOVED_MAYBE);
}

static bool has_failed(const struct view *v, int i)
{
	bool failed = strcmp(view_state(v, i), "failed") == 0;

	for (int k = 0; k < v->res.n_volumes; k++)
		failed |= strcmp(jget_str(view_volume_seen(v, i, k), "state", ""), "failed") == 0;
	return failed;
}

static bool replica_settled(struct target *g, const struct view *v, int i, int64_t waited_ms)
{
	int64_t *failed_ms = &g->failed_ms[v->rep[i].r.slot];

	if (v->rep[i].r.inactive) /* its node has let go of it */
		return strcmp(view_state(v, i), "inactive") == 0 ||
		       (!v->rep[i].online && waited_ms >= OBSERVED_STALE_MS);
	if (view_ready(v, i))
		return true;
	if (v->rep[i].r.quarantined)
		return true; /* nothing comes of it before somebody has seen to it */
	if (!v->rep[i].online)
		return waited_ms >= OBSERVED_STALE_MS;
	if (!has_failed(v, i)) {
		*failed_ms = 0;
		return false;
	}
	if (*failed_ms == 0)
		*failed_ms = waited_ms + 1;
	return waited_ms - *failed_ms >= FAILED_SETTLES_MS;
}

static bool wants_filesystem(const struct view *v)
{
	bool wanted = false;

	for (int k = 0; k < v->res.n_volumes; k++)
		wanted |= filesystem_is_wanted(&v->res.volume[k].filesystem);
	return wanted;
}

static bool is_ready(void *arg, int64_t waited_ms)
{
	struct target *g = arg;
	struct view v;
	bool ready;

	if (deposed(g->m))
		return true;
	if (view_load(g->m->call->api, g->resource, &v) < 0)
		return true; /* deleted meanwhile */
	ready = !wants_filesystem(&v);
	for (int i = 0; i < v.n; i++) {
		if (!g->node[0] || strcasecmp(g->node, v.rep[i].r.node) == 0)
			ready &= replica_settled(g, &v, i, waited_ms);
	}
	view_release(&v);
	return ready;
}

static void warn_not_ready(struct mutation *m, const struct view *v, int i)
{
	const struct view_replica *rep = &v->rep[i];
	const char *error = jget_str(rep->seen, "error", "");
	json *entry;

	if (!rep->online)
		entry = mutation_note(m, rc_code(RC_WARN, RC_CRT, RC_RSC, RC_WARN_NOT_CONNECTED),
				      "Node '%s' does not report: its replica of '%s' is made when "
				      "it is back.",
				      rep->r.node, v->res.name);
	else
		entry = mutation_note(m, rc_code(RC_WARN, RC_CRT, RC_RSC, RC_WARN_NOT_UPDATED),
				      "The replica of '%s' on node '%s' is not ready: %s",
				      v->res.name, rep->r.node,
				      error[0] ? error : view_state(v, i));
	jset_str(entry, "correction", "The node goes on trying; sdsd status shows how it stands.");
	rc_ref(entry, "Node", rep->r.node);
}

/* Those that it could not be made on, just now, or not yet: who mounts the volume would find
 * nothing. */
static void warn_no_filesystem(struct mutation *m, const struct view *v)
{
	for (int k = 0; k < v->res.n_volumes; k++) {
		const struct filesystem *f = &v->res.volume[k].filesystem;
		json *entry;

		if (f->type == FILESYSTEM_NONE || f->state == FILESYSTEM_MADE ||
		    (f->state == FILESYSTEM_FAILED &&
		     clock_wall_ms() - f->since_ms > FILESYSTEM_GATE_MS))
			continue;
		entry = mutation_note(m, rc_code(RC_WARN, RC_CRT, RC_VLM, RC_WARN_NOT_UPDATED),
				      "Volume %d of '%s' has no %s file system%s%s",
				      v->res.volume[k].number, v->res.name,
				      filesystem_type_name(f->type),
				      f->state == FILESYSTEM_FAILED ? ": " : " yet.", f->error);
		jset_str(entry, "correction",
			 f->state == FILESYSTEM_FAILED
				 ? "Make it by hand, or delete the volume and create it again."
				 : "It is still being made; until then the volume cannot be opened "
				   "on other nodes.");
	}
}

static void ready_answer(void *arg, bool in_time)
{
	struct target *g = arg;
	struct mutation *m = g->m;
	struct view v;

	if (deposed(m)) {
		follow_leader(g);
		return;
	}
	if (view_load(m->call->api, g->resource, &v) == 0) {
		for (int i = 0; i < v.n; i++) {
			if ((!g->node[0] || strcasecmp(g->node, v.rep[i].r.node) == 0) &&
			    !v.rep[i].r.inactive && !view_ready(&v, i))
				warn_not_ready(m, &v, i);
		}
		warn_no_filesystem(m, &v);
		view_release(&v);
	}
	free(g);
	mutation_reply(m);
}

void mutation_wait_ready(struct mutation *m, const char *resource, const char *node)
{
	int wait_ms = READY_WAIT_MS;
	struct view v;

	if (view_load(m->call->api, resource, &v) == 0) {
		if (wants_filesystem(&v))
			wait_ms = FILESYSTEM_WAIT_MS;
		view_release(&v);
	}
	wait_start(m->call->api, wait_ms, is_ready, ready_answer, target_new(m, resource, node));
}

struct leftovers {
	struct target *target;
	bool any; /* on a node that reports */
};

static void look_at_leftover(json *doc, void *arg)
{
	struct leftovers *l = arg;
	struct target *g = l->target;
	const char *node = jget_str(doc, "node", "");

	if (strcasecmp(jget_str(doc, "resource", ""), g->resource) != 0 ||
	    (g->node[0] && strcasecmp(node, g->node) != 0))
		return;
	l->any |= observed_online(g->m->call->api->observed, node, api_mono_ms());
}

/* a replica that must leave the in-sync set first is still there */
static bool is_leaving(struct target *g)
{
	bool leaving = false;
	struct view v;

	if (view_load(g->m->call->api, g->resource, &v) < 0)
		return false;
	for (int i = 0; i < v.n; i++) {
		if (g->node[0] && strcasecmp(g->node, v.rep[i].r.node) != 0)
			continue;
		leaving |= v.rep[i].r.deleting && v.rep[i].online;
	}
	view_release(&v);
	return leaving;
}

static bool is_removed(void *arg, int64_t waited_ms)
{
	struct leftovers l = { .target = arg };

	if (deposed(l.target->m))
		return true;
	if (is_leaving(l.target))
		return false;
	view_docs(l.target->m->call->api, "leftover/", look_at_leftover, &l);
	return !l.any;
}

static void removed_answer(void *arg, bool in_time)
{
	struct target *g = arg;
	struct mutation *m = g->m;

	if (deposed(m)) {
		follow_leader(g);
		return;
	}
	free(g);
	mutation_reply(m);
}

void mutation_wait_removed(struct mutation *m, const char *resource, const char *node)
{
	wait_start(m->call->api, REMOVED_WAIT_MS, is_removed, removed_answer,
		   target_new(m, resource, node));
}
