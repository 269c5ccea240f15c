// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * run.c - takes the steps that plan.c decides: one at a time for each object,
 * objects side by side. Called by desired.c (something else is wanted) and by
 * the ends of its own steps. A failed step is kept as the object's error, shown
 * in the report and tried again after 0.2 to 10 s, for ever.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/name.h"

#define MS 1000000ull
#define BODY_MAX 512

/* --- when --------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer)
{
	run_retry(timer->data);
}

/* the object is looked at again at o->retry_ns */
static void arm(struct agent_object *o)
{
	struct agent *a = o->agent;
	uint64_t now = clock_boot_ns();

	if (a->closing || (a->retry_ns && a->retry_ns <= o->retry_ns))
		return;
	a->retry_ns = o->retry_ns;
	uv_timer_start(&a->retry, on_retry, o->retry_ns > now ? (o->retry_ns - now) / MS + 1 : 0,
		       0);
}

static void later(struct agent_object *o, uint64_t ms)
{
	o->retry_ns = clock_boot_ns() + ms * MS;
	arm(o);
}

static void retry_object(struct agent_object *o)
{
	if (o->retry_ns)
		run_advance(o);
}

void run_retry(struct agent *a)
{
	a->retry_ns = 0;
	agent_each(a, retry_object);
}

static uint64_t backoff_ms(int tries)
{
	uint64_t ms = AGENT_RETRY_MIN_MS;

	while (tries-- > 1 && ms < AGENT_RETRY_MAX_MS)
		ms *= 2;
	return ms < AGENT_RETRY_MAX_MS ? ms : AGENT_RETRY_MAX_MS;
}

/* --- ends of steps ------------------------------------------------------ */

static void step_begin(struct agent_object *o, enum plan_step step)
{
	o->step = step;
	agent_get(o->agent);
	log_debug("agent", "resource=%s replica=%s step=%s", o->name, o->uuid,
		  plan_step_name(step));
}

/* The step ended; what it achieved is noted in o already. why NULL: it failed through no fault of
 * the object; it is tried again and shown as it was. */
static void step_end(struct agent_object *o, int status, const char *why)
{
	struct agent *a = o->agent;
	enum plan_step step = o->step;
	char key[NAME_MAX_LEN + 1];

	o->step = PLAN_IDLE;
	if (o->step_pool) {
		o->step_pool->n_steps--;
		observe_pool(a, o->step_pool);
		o->step_pool = NULL;
	}
	if (a->closing)
		goto out;
	if (status < 0) {
		if (why && (!o->error || strcmp(o->error, why) != 0))
			log_warn("agent", "resource=%s step=%s failed: %s", o->name,
				 plan_step_name(step), why);
		if (why)
			agent_text_set(&o->error, why);
		o->tries++;
		later(o, backoff_ms(o->tries));
	} else {
		o->tries = 0;
		agent_text_set(&o->error, NULL);
	}
	memcpy(key, o->key, sizeof(key));
	observe_object(o);
	run_bucket(a, key); /* others may have waited for it */
out:
	agent_put(a);
}

/* --- storage ------------------------------------------------------------ */

static void fill_volume(const struct agent_object *o, struct storage_volume *v)
{
	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s_00000", o->name);
	memcpy(v->owner, o->owner, sizeof(v->owner));
	v->size_bytes = o->size_bytes ? o->size_bytes : STORAGE_BLOCK;
}

static void take_paths(struct agent_object *o, const struct storage_paths *paths)
{
	agent_text_set(&o->data_path, paths->data);
	agent_text_set(&o->meta_path, paths->meta);
	o->replica.files = true;
	o->allocated_ns = 0;
}

/* the mark is written (two syncs) off the loop */
struct mark_work {
	uv_work_t work;
	struct agent_object *object; /* busy, so it stays */
	const char *dir;
	char uuid[37];
	struct agent_mark mark;
	struct storage_paths paths;
	int status;
	struct err err;
};

static void mark_run(uv_work_t *work)
{
	struct mark_work *w = (struct mark_work *)work;

	w->status = mark_write(w->dir, w->uuid, &w->mark, &w->err);
}

static void mark_done(uv_work_t *work, int status)
{
	struct mark_work *w = (struct mark_work *)work;
	struct agent_object *o = w->object;

	if (status == UV_ECANCELED)
		w->status = err_set(&w->err, -ECANCELED, "the daemon is stopping");
	if (w->status == 0) {
		o->replica.marked = true;
		take_paths(o, &w->paths);
	}
	step_end(o, w->status, w->err.text);
	free(w);
}

static void on_created(int status, const struct err *err, const struct storage_paths *paths,
		       const struct storage_space *space, void *arg)
{
	struct agent_object *o = arg;
	struct storage_volume v;
	struct mark_work *w;

	if (status < 0 || o->agent->closing) {
		step_end(o, status, err->text);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	fill_volume(o, &v);
	w->object = o;
	w->dir = o->agent->config.dir;
	memcpy(w->uuid, o->uuid, sizeof(w->uuid));
	memcpy(w->mark.name, v.name, sizeof(w->mark.name));
	w->mark.pool = o->step_pool->pool;
	w->paths = *paths;
	if (uv_queue_work(o->agent->config.loop, &w->work, mark_run, mark_done) < 0)
		abort(); /* fails only without a function to run */
}

static void on_located(int status, const struct err *err, const struct storage_paths *paths,
		       const struct storage_space *space, void *arg)
{
	struct agent_object *o = arg;

	if (status == 0)
		take_paths(o, paths);
	step_end(o, status, err->text);
}

static void on_removed_files(int status, const struct err *err, const struct storage_paths *paths,
			     const struct storage_space *space, void *arg)
{
	struct agent_object *o = arg;

	if (status == -E_EXISTS) {
		/* Files of another replica bear the name, so ours are gone: nothing to remove. */
		log_info("agent", "resource=%s leftover=%s: %s", o->name, o->uuid, err->text);
		status = 0;
	}
	if (status == 0) {
		o->leftover.removed = true;
		mark_remove(o->agent->config.dir, o->uuid);
	}
	step_end(o, status, err->text);
}

static void storage_step(struct agent_object *o, enum plan_step step)
{
	struct agent *a = o->agent;
	struct agent_pool *p = agent_pool_find(a, o->pool);
	struct storage_volume v;

	step_begin(o, step);
	if (!p || !p->wanted) {
		char why[128];

		snprintf(why, sizeof(why), "storage pool %s is not defined on this node", o->pool);
		step_end(o, -E_NOT_FOUND, why);
		return;
	}
	o->step_pool = p;
	p->n_steps++;
	fill_volume(o, &v);
	if (step == PLAN_CREATE)
		storage_create(a->config.loop, &p->pool, &v, on_created, o);
	else
		storage_locate(a->config.loop, &p->pool, &v, on_located, o);
}

/* By the mark where there is one: the pool's document may be gone or name another directory now. */
static void remove_files(struct agent_object *o)
{
	struct agent *a = o->agent;
	struct agent_pool *p = agent_pool_find(a, o->pool);
	struct agent_mark mark;
	struct storage_volume v;
	struct err err = { 0 };
	int rv;

	step_begin(o, PLAN_REMOVE_FILES);
	fill_volume(o, &v);
	rv = mark_read(a->config.dir, o->uuid, &mark, &err);
	if (rv == 0) {
		memcpy(v.name, mark.name, sizeof(v.name));
		storage_remove(a->config.loop, &mark.pool, &v, on_removed_files, o);
	} else if (p && p->wanted) {
		storage_remove(a->config.loop, &p->pool, &v, on_removed_files, o);
	} else if (rv == -ENOENT) {
		/* no mark: never made here; no pool: nowhere to look for a half-made one */
		o->leftover.removed = true;
		step_end(o, 0, "");
	} else {
		step_end(o, rv, err.text);
	}
}

/* --- the leader --------------------------------------------------------- */

static void on_told(int status, json *doc, void *arg)
{
	struct agent_object *o = arg;
	char why[256];

	o->agent->n_calls--;
	/* 404: what it was about is gone; the store will show it */
	if (status == 404 || (status >= 200 && status < 300)) {
		o->reported_ns = clock_boot_ns() + AGENT_REPORTED_MS * MS;
		step_end(o, 0, "");
		return;
	}
	snprintf(why, sizeof(why), "the leader answered %d: %s", status,
		 jget_str(json_object_is_type(doc, json_type_array)
				  ? json_object_array_get_idx(doc, 0)
				  : doc,
			  "message", "no reason given"));
	/* No leader for a moment is no failure of the replica. */
	step_end(o, -EIO, status == 503 || status == 504 ? NULL : why);
}

static void tell(struct agent_object *o, enum plan_step step)
{
	struct agent *a = o->agent;
	json *doc = json_object_new_object();
	bool created = step == PLAN_REPORT_CREATED;

	step_begin(o, step);
	if (created)
		jset_str(doc, "resource", o->name);
	jset_str(doc, "node", a->config.node);
	jset_str(doc, "uuid", o->uuid);
	a->n_calls++;
	a->config.call("POST", created ? "/v1/sds/replica-created" : "/v1/sds/leftover-done",
		       json_text(doc), AGENT_CALL_MS, on_told, o, a->config.arg);
	json_object_put(doc);
}

/* --- the plane ---------------------------------------------------------- */

/* at once; 0 or the error that keeps it from being set */
static int plane_set(struct agent_object *o)
{
	struct agent *a = o->agent;
	struct plane_resource r;
	struct err err = { 0 };
	int rv = desired_plane(o, &r, &err);

	if (rv < 0) {
		agent_get(a);
		step_end(o, rv, err.text);
		return rv;
	}
	log_debug("agent", "resource=%s replica=%s step=plane-set", o->name, o->uuid);
	o->replica.plane = true;
	o->replica.plane_stamp = o->replica.stamp;
	o->plane_disk = r.data_path[0] != '\0';
	a->config.plane_ops->set(a->config.plane, &r);
	observe_status(o);
	return 0;
}

static void on_plane_removed(void *arg)
{
	struct agent_object *o = arg;

	o->replica.plane = false;
	o->plane_disk = false;
	step_end(o, 0, "");
}

static void plane_remove(struct agent_object *o)
{
	struct agent *a = o->agent;

	step_begin(o, PLAN_PLANE_REMOVE);
	a->config.plane_ops->remove(a->config.plane, o->name, o->resource_uuid, on_plane_removed,
				    o);
}

/* --- the next step ------------------------------------------------------ */

static void look_around(struct agent_object *o)
{
	bool held = false, leftover = false, in_use = false;

	for (struct agent_object *n = *agent_bucket(o->agent, o->key); n; n = n->next) {
		if (n == o || strcmp(n->key, o->key) != 0)
			continue;
		if (n->kind == AGENT_REPLICA) {
			held |= n->replica.plane;
			/* its files may be open, or being made at this moment */
			in_use |= strcmp(n->uuid, o->uuid) == 0 &&
				  (n->plane_disk || n->step != PLAN_IDLE);
		} else {
			leftover |= strcasecmp(n->pool, o->pool) == 0;
		}
	}
	o->replica.name_held = held;
	o->replica.leftover_here = leftover;
	o->leftover.in_use = in_use;
}

static enum plan_step next_step(struct agent_object *o, uint64_t now)
{
	bool reported = now < o->reported_ns;
	enum plan_step step;

	look_around(o);
	o->replica.reported = o->leftover.reported = reported;
	step = o->kind == AGENT_REPLICA ? plan_replica_next(&o->replica)
					: plan_leftover_next(&o->leftover);
	if (step == PLAN_WAIT && reported) {
		o->retry_ns = o->reported_ns;
		arm(o);
	}
	return step;
}

/* A limit of what may be under way: true when o has to wait for its turn. */
static bool starved(struct agent_object *o, enum plan_step step)
{
	struct agent *a = o->agent;
	struct agent_pool *p;

	switch (step) {
	case PLAN_CREATE:
	case PLAN_LOCATE:
		p = agent_pool_find(a, o->pool);
		if (!p || p->n_steps < AGENT_POOL_STEPS_MAX)
			return false;
		break;
	case PLAN_REPORT_CREATED:
	case PLAN_LEFTOVER_DONE:
		if (a->n_calls < AGENT_CALLS_MAX)
			return false;
		break;
	default:
		return false;
	}
	later(o, AGENT_STARVED_MS);
	return true;
}

static void forget(struct agent_object *o)
{
	struct agent *a = o->agent;
	char key[NAME_MAX_LEN + 1];

	memcpy(key, o->key, sizeof(key));
	if (o->kind == AGENT_REPLICA)
		observe_gone(a, o->name);
	agent_object_drop(o);
	run_bucket(a, key); /* the name or the files are free now */
}

void run_advance(struct agent_object *o)
{
	uint64_t now = clock_boot_ns();
	enum plan_step step;

	if (o->agent->closing || o->step != PLAN_IDLE || o->measuring)
		return;
	if (o->retry_ns > now) {
		arm(o);
		return;
	}
	o->retry_ns = 0;
	step = next_step(o, now);
	if (starved(o, step))
		return;
	switch (step) {
	case PLAN_CREATE:
	case PLAN_LOCATE:
		storage_step(o, step);
		break;
	case PLAN_REMOVE_FILES:
		remove_files(o);
		break;
	case PLAN_REPORT_CREATED:
	case PLAN_LEFTOVER_DONE:
		tell(o, step);
		break;
	case PLAN_PLANE_SET:
		plane_set(o);
		break;
	case PLAN_PLANE_REMOVE:
		plane_remove(o);
		break;
	case PLAN_FORGET:
		forget(o);
		break;
	default:
		break;
	}
}

/* Each step may free its object or begin this again: mark first, then take one after the other. */
void run_bucket(struct agent *a, const char *key)
{
	struct agent_object *o, *all[64];
	int n = 0;

	for (o = *agent_bucket(a, key); o && n < 64; o = o->next) {
		if (strcmp(o->key, key) == 0)
			all[n++] = o;
	}
	for (int i = 0; i < n; i++) {
		/* still there? a step of a former one may have dropped it */
		for (o = *agent_bucket(a, key); o && o != all[i]; o = o->next)
			;
		if (o)
			run_advance(o);
	}
}
