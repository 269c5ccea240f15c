// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * snapshots.c - does this node's part of a snapshot, when the leader says that now
 * is the moment (api/snapshot_take.c): holds writes back, takes it of its copy. It is
 * taken only while the store says that it is: what the leader has given up and left
 * over is not begun after that, and what has begun then is removed when it has ended
 * (run.c). It keeps copies of all it needs, since the
 * replica may go meanwhile.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/crash.h"
#include "base/log.h"

struct agent_taking {
	struct agent_taking *next; /* of agent->takings */
	struct agent *agent;
	struct storage_pool pool;
	char resource[NAME_MAX_LEN + 1], key[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];
	struct storage_volume volume[VOLUMES_PER_RESOURCE_MAX];
	struct storage_snapshot snapshot[VOLUMES_PER_RESOURCE_MAX];
	int n, at;
	agent_snapshot_cb cb;
	void *arg;
	/* when it is refused at once */
	int status;
	struct err err;
	uv_timer_t timer;
};

static void finish(struct agent_taking *t, int status, const struct err *err)
{
	struct agent_taking **at = &t->agent->takings;
	struct agent *a = t->agent;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (status < 0)
		log_warn("agent", "resource=%s snapshot=%s not taken: %s", t->resource, t->name,
			 err->text);
	else
		log_info("agent", "resource=%s snapshot=%s taken", t->resource, t->name);
	t->cb(status, err, t->arg);
	if (!a->closing)
		run_bucket(a, t->key); /* it may be a leftover already */
	free(t);
	agent_put(a);
}

bool snapshots_taking(const struct agent *a, const char *key, const char *snapshot)
{
	for (const struct agent_taking *t = a->takings; t; t = t->next) {
		if (strcmp(t->key, key) == 0 && strcasecmp(t->name, snapshot) == 0)
			return true;
	}
	return false;
}

static void on_taken(int status, const struct err *err, const struct storage_paths *paths,
		     const struct storage_space *space, void *arg);

static void take_next(struct agent_taking *t)
{
	storage_snapshot(t->agent->config.loop, &t->pool, &t->volume[t->at], &t->snapshot[t->at],
			 on_taken, t);
}

static void on_taken(int status, const struct err *err, const struct storage_paths *paths,
		     const struct storage_space *space, void *arg)
{
	struct agent_taking *t = arg;

	crash_point("cut", "volume");
	if (status < 0 || ++t->at == t->n)
		finish(t, status, err);
	else
		take_next(t);
}

/* ---- what is to be taken ---- */

static int find_snapshot(struct agent *a, const char *resource, const char *name, const char *uuid,
			 struct snapshot *ret, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	snapshot_key(resource, name, key, sizeof(key));
	rv = store_get(a->config.store, key, &doc, NULL);
	if (rv == 0)
		rv = snapshot_parse(doc, ret, err);
	json_object_put(doc);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return rv;
	if (rv < 0 || ret->taken || strcasecmp(ret->uuid, uuid) != 0 ||
	    !snapshot_copy_on(ret, a->config.node))
		return err_set(err, -E_NOT_FOUND,
			       "snapshot %.48s of %.48s is not being taken on node %s", name,
			       resource, a->config.node);
	return 0;
}

static struct agent_object *find_copy(struct agent *a, const char *resource)
{
	char key[NAME_MAX_LEN + 1];

	name_key(resource, key);
	for (struct agent_object *o = *agent_bucket(a, key); o; o = o->next) {
		if (o->kind == AGENT_REPLICA && strcmp(o->key, key) == 0 && o->replica.wanted &&
		    !o->replica.diskless)
			return o;
	}
	return NULL;
}

static const struct agent_volume *find_volume(const struct agent_object *o,
					      const struct snapshot_volume *wanted)
{
	for (int i = 0; o && i < o->n_volumes; i++) {
		const struct agent_volume *v = o->volume[i];

		if (v->number == wanted->number && strcasecmp(v->uuid, wanted->uuid) == 0 &&
		    v->plan.files)
			return v;
	}
	return NULL;
}

static int gather(struct agent_taking *t, const struct snapshot *s, struct err *err)
{
	struct agent_object *o = find_copy(t->agent, s->resource);
	struct agent_pool *p = o ? agent_pool_find(t->agent, o->pool) : NULL;

	for (int i = 0; i < s->n_volumes; i++) {
		const struct snapshot_volume *of = &s->volume[i];
		const struct agent_volume *v = find_volume(o, of);

		if (!v || !p)
			return err_set(err, -ENODEV,
				       "volume %d of %s is not there on node %s at the moment",
				       of->number, s->resource, t->agent->config.node);
		volumes_storage(o, v, &t->volume[i]);
		explicit_bzero(t->volume[i].key, sizeof(t->volume[i].key));
		volumes_snapshot(s->resource, of->number, s->name, s->uuid,
				 (uint64_t)of->size_kib * 1024, &t->snapshot[i]);
	}
	t->pool = p->pool;
	t->n = s->n_volumes;
	return 0;
}

static void on_refused(uv_handle_t *handle)
{
	struct agent_taking *t = handle->data;

	finish(t, t->status, &t->err);
}

void agent_snapshot(struct agent *a, const char *resource, const char *name, const char *uuid,
		    agent_snapshot_cb cb, void *arg)
{
	struct agent_taking *t = calloc(1, sizeof(*t));
	struct snapshot s;

	if (!t)
		abort();
	agent_get(a);
	t->agent = a;
	t->cb = cb;
	t->arg = arg;
	snprintf(t->resource, sizeof(t->resource), "%s", resource);
	snprintf(t->name, sizeof(t->name), "%s", name);
	name_key(resource, t->key);
	t->next = a->takings;
	a->takings = t;
	t->status = a->closing ? err_set(&t->err, -ECANCELED, "the daemon is stopping")
			       : find_snapshot(a, resource, name, uuid, &s, &t->err);
	if (t->status == 0)
		t->status = gather(t, &s, &t->err);
	crash_point("cut", "begins");
	if (t->status == 0) {
		take_next(t);
		return;
	}
	/* later, as is promised: when the loop closes what it never started */
	uv_timer_init(a->config.loop, &t->timer);
	t->timer.data = t;
	uv_close((uv_handle_t *)&t->timer, on_refused);
}

/* ---- writes held back ---- */

struct holding {
	struct agent *agent;
	char key[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];
	agent_freeze_cb frozen;
	agent_snapshot_cb thawed;
	void *arg;
	int status;
	struct err err;
	uv_timer_t timer;
};

static void held(struct holding *h, int status, const struct err *err, uint32_t slots,
		 uint32_t epoch)
{
	struct agent *a = h->agent;

	crash_point(h->frozen ? "freeze" : "thaw", "done");
	if (h->frozen)
		h->frozen(status, err, slots, epoch, h->arg);
	else
		h->thawed(status, err, h->arg);
	free(h);
	agent_put(a);
}

static void on_held_status(const struct plane_status *s, void *arg)
{
	static const struct err gone = { -ENOENT, "it is not served here any more" };

	if (s && s->serving)
		held(arg, 0, NULL, s->in_sync, s->epoch);
	else
		held(arg, -ENOENT, &gone, 0, 0);
}

/* Who is in sync is asked while they are held: whoever is then has all of it. */
static void on_frozen(int status, const struct err *err, void *arg)
{
	struct holding *h = arg;
	struct agent *a = h->agent;

	if (status < 0)
		held(h, status, err, 0, 0);
	else
		a->config.plane_ops->status(a->config.plane, h->name, on_held_status, h);
}

static void on_thawed(int status, const struct err *err, void *arg)
{
	held(arg, status, err, 0, 0);
}

static void on_not_here(uv_handle_t *handle)
{
	struct holding *h = handle->data;

	held(h, h->status, &h->err, 0, 0);
}

static struct holding *hold(struct agent *a, const char *resource, void *arg)
{
	struct holding *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	agent_get(a);
	h->agent = a;
	h->arg = arg;
	name_key(resource, h->key);
	return h;
}

/* the resource that the plane has under this name; NULL: h is answered later */
static const struct agent_object *planned(struct holding *h, const char *resource)
{
	struct agent *a = h->agent;

	for (struct agent_object *o = *agent_bucket(a, h->key); o && !a->closing; o = o->next) {
		if (o->kind == AGENT_REPLICA && strcmp(o->key, h->key) == 0 && o->replica.plane) {
			memcpy(h->name, o->name, sizeof(h->name));
			return o;
		}
	}
	h->status = err_set(&h->err, -ENOENT, "node %s has no replica of %.48s attached",
			    a->config.node, resource);
	uv_timer_init(a->config.loop, &h->timer);
	h->timer.data = h;
	uv_close((uv_handle_t *)&h->timer, on_not_here);
	return NULL;
}

void agent_freeze(struct agent *a, const char *resource, uint64_t token, int deadline_ms,
		  agent_freeze_cb cb, void *arg)
{
	struct holding *h = hold(a, resource, arg);
	const struct agent_object *o;

	crash_point("freeze", "told");
	h->frozen = cb;
	o = planned(h, resource);
	if (o)
		agent_plane_of(o).ops->freeze(agent_plane_of(o).plane, o->name, o->resource_uuid,
					      token, deadline_ms, on_frozen, h);
}

void agent_thaw(struct agent *a, const char *resource, uint64_t token, agent_snapshot_cb cb,
		void *arg)
{
	struct holding *h = hold(a, resource, arg);
	const struct agent_object *o;

	crash_point("thaw", "told");
	h->thawed = cb;
	o = planned(h, resource);
	if (o)
		agent_plane_of(o).ops->thaw(agent_plane_of(o).plane, o->name, o->resource_uuid,
					    token, on_thawed, h);
}
