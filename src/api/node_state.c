// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node_state.c - nodes that are to be emptied, are to stay after all, or are lost; and
 * what depends on a node that somebody wants to switch off. Called through routes.c. What
 * follows for each resource is done by upkeep.c.
 */
#include <stdio.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/pace.h"

static int evacuate(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_node_evacuate(env, t, name, true, err);

	if (rv == 0)
		rc_ref(mutation_done(m, RC_MODIFIED,
				     "Node '%s' is evacuated: its copies move to other nodes.",
				     name),
		       "Node", name);
	return rv;
}

void nodes_evacuate(struct api_call *c)
{
	mutate(c, 200, evacuate, NULL);
}

static int restore(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_node_evacuate(env, t, name, false, err);

	if (rv == 0)
		rc_ref(mutation_done(m, RC_MODIFIED, "Node '%s' keeps what is on it.", name),
		       "Node", name);
	return rv;
}

void nodes_restore(struct api_call *c)
{
	mutate(c, 200, restore, NULL);
}

static int lost(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_node_lose(env, t, name, err);

	if (rv == -E_NOT_FOUND) {
		rc_ref(mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_NODE, RC_WARN_NOT_FOUND),
				     "Node '%s' not found; nothing to delete.", name),
		       "Node", name);
		return 0;
	}
	if (rv == 0)
		rc_ref(mutation_done(m, RC_DELETED,
				     "Node '%s' is given up: its replicas are dropped, and then it "
				     "is forgotten.",
				     name),
		       "Node", name);
	return rv;
}

/* Most of it is done in a moment; what is not goes on by itself. */
#define LOST_WAIT_MS 5000

static bool is_forgotten(void *arg, int64_t waited_ms)
{
	struct mutation *m = arg;
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	node_key(m->call->match.arg[0], key, sizeof(key));
	rv = store_get(m->call->api->config.store, key, &doc, NULL);
	json_object_put(doc);
	return rv == -E_NOT_FOUND;
}

static void lost_reply(void *arg, bool in_time)
{
	struct mutation *m = arg;
	const char *name = m->call->match.arg[0];

	if (!in_time)
		rc_ref(mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_NODE, RC_WARN_NOT_UPDATED),
				     "Node '%s' is not forgotten yet; sdsd status says what is "
				     "waited for.",
				     name),
		       "Node", name);
	mutation_reply(m);
}

static void lost_wait(struct mutation *m)
{
	wait_start(m->call->api, LOST_WAIT_MS, is_forgotten, lost_reply, m);
}

void nodes_lost(struct api_call *c)
{
	mutate(c, 200, lost, lost_wait);
}

/* ---- what depends on a node alone ---- */

struct drain {
	struct api *api;
	const char *node;
	json *waits;
	int64_t replicas;
	int64_t catching_up;   /* copies elsewhere of what is here */
	struct view_left left; /* of all of those */
};

/* left NULL: of something that does not go on by itself */
static void wait_for(struct drain *d, const struct view *v, const char *why,
		     const struct view_left *left)
{
	json *o = view_object();

	jset_str(o, "resource", v->res.name);
	jset_str(o, "why", why);
	if (left)
		view_put_left(o, left);
	view_push(d->waits, o);
}

/* one more copy that catches up */
static void add_left(struct drain *d, const struct view_left *l)
{
	d->catching_up++;
	d->left.kib += l->kib;
	if (l->kib_per_s > 0)
		d->left.kib_per_s = (d->left.kib_per_s > 0 ? d->left.kib_per_s : 0) + l->kib_per_s;
}

static void look_at(struct view *v, void *arg)
{
	struct drain *d = arg;
	int here = view_find(v, d->node), others = 0, copies = 0;
	char service[NAME_MAX_LEN + 1], why[NAME_MAX_LEN + 64];
	struct view_left left, best = { .progress = -1 };

	if (here < 0)
		return;
	d->replicas++;
	for (int i = 0; i < v->n; i++) {
		if (i == here || v->rep[i].r.diskless || v->rep[i].r.deleting)
			continue;
		copies++;
		others += view_in_sync(v, i) && view_ready(v, i);
		if (!view_left(v, i, &left))
			continue;
		add_left(d, &left);
		if (left.progress > best.progress)
			best = left;
	}
	services_user(d->api, v->res.name, service);
	snprintf(why, sizeof(why), "service %s runs here: it has to move", service);
	if (view_open(v, here))
		wait_for(d, v, service[0] ? why : "it is open here: close it, or move what uses it",
			 NULL);
	else if (v->rep[here].r.diskless || !view_in_sync(v, here) || others > 0)
		return;
	else if (copies == 0)
		wait_for(d, v, "its only copy is here: add another one, or evacuate the node",
			 NULL);
	else
		wait_for(d, v, "no other copy is in sync yet", best.progress >= 0 ? &best : NULL);
}

void nodes_drain(struct api_call *c)
{
	struct drain d = { .api = c->api,
			   .node = c->match.arg[0],
			   .left = { .progress = -1, .kib_per_s = -1 } };
	char key[STORE_KEY_MAX];
	json *doc = NULL, *o;
	struct err err;
	int rv = -E_NOT_FOUND;

	if (name_check("node name", d.node, NAME_MIN_LEN, NULL) == 0) {
		node_key(d.node, key, sizeof(key));
		rv = store_get(c->api->config.store, key, &doc, NULL);
	}
	if (rv < 0) {
		err_set(&err, rv, "Node '%.100s' not found.", d.node);
		call_fail(c, rv, &err);
		return;
	}
	o = view_object();
	d.waits = view_list();
	view_each(c->api, NULL, look_at, &d);
	jset_str(o, "node", jget_str(doc, "name", d.node));
	jset_bool(o, "ready", json_object_array_length(d.waits) == 0);
	jset_i64(o, "replicas", d.replicas);
	jset_i64(o, "catching_up", d.catching_up);
	d.left.s = pace_left_s((double)d.left.kib_per_s, (double)d.left.kib);
	if (d.catching_up > 0)
		view_put_left(o, &d.left);
	jset(o, "waits", d.waits);
	json_object_put(doc);
	call_reply_json(c, 200, o);
}
