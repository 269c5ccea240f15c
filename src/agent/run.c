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

#include "base/backoff.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "model/name.h"

#define MS 1000000ull
#define BODY_MAX 512

/* --- when --------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer)
{
	run_retry(timer->data);
}

/* objects are looked at again at ns */
static void arm(struct agent *a, uint64_t ns)
{
	uint64_t now = clock_boot_ns();

	if (a->closing || (a->retry_ns && a->retry_ns <= ns))
		return;
	a->retry_ns = ns;
	uv_timer_start(&a->retry, on_retry, ns > now ? (ns - now) / MS + 1 : 0, 0);
}

static uint64_t later(struct agent_object *o, uint64_t ms)
{
	uint64_t ns = clock_boot_ns() + ms * MS;

	arm(o->agent, ns);
	return ns;
}

static bool waits(const struct agent_object *o)
{
	bool any = o->retry_ns || o->reported_ns;

	for (int i = 0; i < o->n_volumes; i++)
		any |= o->volume[i]->retry_ns || o->volume[i]->reported_ns;
	return any;
}

static void retry_object(struct agent_object *o)
{
	if (waits(o))
		run_advance(o);
}

void run_retry(struct agent *a)
{
	a->retry_ns = 0;
	agent_each(a, retry_object);
}

/* --- ends of steps ------------------------------------------------------ */

static void step_begin(struct agent_object *o, enum plan_step step, struct agent_volume *v)
{
	o->step = step;
	o->step_volume = v;
	agent_get(o->agent);
	log_debug("agent", "resource=%s volume=%d replica=%s step=%s", o->name, v ? v->number : -1,
		  o->uuid, plan_step_name(step));
	crash_point("begins", plan_step_name(step));
}

/* why NULL: nobody's fault; it stays shown as it was */
static void note_failure(struct agent_object *o, const char *why)
{
	struct agent_volume *v = o->kind == AGENT_REPLICA ? o->step_volume : NULL;
	char **error = v ? &v->error : &o->error;
	int *tries = v ? &v->tries : &o->tries;
	uint64_t *retry_ns = v ? &v->retry_ns : &o->retry_ns;

	if (why && (!*error || strcmp(*error, why) != 0))
		log_warn("agent", "resource=%s step=%s failed: %s", o->name,
			 plan_step_name(o->step), why);
	if (why)
		agent_text_set(error, why);
	++*tries;
	*retry_ns = later(o, backoff_ms(*tries, AGENT_RETRY_MIN_MS, AGENT_RETRY_MAX_MS));
}

static void note_success(struct agent_object *o)
{
	struct agent_volume *v = o->kind == AGENT_REPLICA ? o->step_volume : NULL;

	if (v) {
		v->tries = 0;
		agent_text_set(&v->error, NULL);
		return;
	}
	o->tries = 0;
	agent_text_set(&o->error, NULL);
}

/* The step ended; what it achieved is noted in o already. why NULL: it failed through no fault of
 * the object; it is tried again and shown as it was. */
static void step_end(struct agent_object *o, int status, const char *why)
{
	struct agent *a = o->agent;
	char key[NAME_MAX_LEN + 1];

	crash_point("ends", plan_step_name(o->step));
	if (o->step_pool) {
		o->step_pool->n_steps--;
		observe_pool(a, o->step_pool);
		o->step_pool = NULL;
	}
	if (!a->closing && status < 0)
		note_failure(o, why);
	else if (!a->closing)
		note_success(o);
	o->step = PLAN_IDLE;
	o->step_volume = NULL;
	if (!a->closing) {
		memcpy(key, o->key, sizeof(key));
		observe_object(o);
		run_bucket(a, key); /* others may have waited for it */
	}
	agent_put(a);
}

/* --- storage ------------------------------------------------------------ */

static void take_paths(struct agent_volume *v, const struct storage_paths *paths)
{
	agent_text_set(&v->data_path, paths->data);
	agent_text_set(&v->meta_path, paths->meta);
	v->have_bytes = paths->size_bytes;
	v->discard_bytes = paths->discard_bytes;
	agent_text_set(&v->below_path, paths->below[0] ? paths->below : NULL);
	v->below_off = paths->below_off;
	volumes_note_cache(v, paths->no_cache);
	v->plan.files = true;
	v->allocated_ns = 0;
}

/* the mark is written (two syncs) off the loop */
struct mark_work {
	uv_work_t work;
	struct agent_object *object; /* busy, so it stays */
	const char *dir;
	char uuid[37];
	int number;
	struct agent_mark mark;
	struct storage_paths paths;
	int status;
	struct err err;
};

static void mark_run(uv_work_t *work)
{
	struct mark_work *w = (struct mark_work *)work;

	w->status = mark_write(w->dir, w->uuid, w->number, &w->mark, &w->err);
}

static void mark_done(uv_work_t *work, int status)
{
	struct mark_work *w = (struct mark_work *)work;
	struct agent_object *o = w->object;

	if (status == UV_ECANCELED)
		w->status = err_set(&w->err, -ECANCELED, "the daemon is stopping");
	if (w->status == 0) {
		o->step_volume->plan.marked = true;
		take_paths(o->step_volume, &w->paths);
	}
	step_end(o, w->status, w->err.text);
	free(w);
}

static void on_created(int status, const struct err *err, const struct storage_paths *paths,
		       const struct storage_space *space, void *arg)
{
	struct agent_object *o = arg;
	struct agent_volume *v = o->step_volume;
	struct mark_work *w;

	if (status < 0 || o->agent->closing) {
		step_end(o, status, err->text);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->object = o;
	w->dir = o->agent->config.dir;
	memcpy(w->uuid, o->uuid, sizeof(w->uuid));
	w->number = v->number;
	snprintf(w->mark.name, sizeof(w->mark.name), "%s_%05d", o->name, v->number);
	memcpy(w->mark.volume, v->uuid, sizeof(w->mark.volume));
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
		take_paths(o->step_volume, paths);
	else
		volumes_doubt(o->step_volume);
	step_end(o, status, err->text);
}

static void on_grown(int status, const struct err *err, const struct storage_paths *paths,
		     const struct storage_space *space, void *arg)
{
	struct agent_object *o = arg;

	if (status == 0) {
		take_paths(o->step_volume, paths);
		log_info("agent", "resource=%s volume=%d has grown to %llu bytes", o->name,
			 o->step_volume->number, (unsigned long long)paths->size_bytes);
	}
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
		if (!o->snapshot[0])
			mark_remove(o->agent->config.dir, o->uuid, o->volume[0]->number);
	}
	step_end(o, status, err->text);
}

static void adopt(struct agent *a, const struct agent_pool *p, const struct storage_volume *s,
		  struct agent_object *o)
{
	const struct volume_adopted *from = &o->step_volume->adopts;
	struct storage_foreign foreign = { .size_bytes = (uint64_t)from->size_kib * 1024 };

	snprintf(foreign.name, sizeof(foreign.name), "%s", from->lv);
	storage_adopt(a->config.loop, &p->pool, s, &foreign, on_created, o);
}

/* of zeros, or with the content that the volume is born with, a snapshot's or an adopted volume's,
 * and then of nothing else: the in-sync set may count on it */
static void make(struct agent *a, const struct agent_pool *p, const struct storage_volume *s,
		 struct agent_object *o)
{
	const struct volume_origin *from = &o->step_volume->origin;
	struct storage_snapshot snapshot;

	if (o->step_volume->adopts.lv[0]) {
		adopt(a, p, s, o);
		return;
	}
	if (!from->uuid[0]) {
		storage_create(a->config.loop, &p->pool, s, on_created, o);
		return;
	}
	volumes_snapshot(from->resource, o->step_volume->number, from->snapshot, from->uuid,
			 (uint64_t)from->size_kib * 1024, &snapshot);
	storage_restore(a->config.loop, &p->pool, s, &snapshot, on_created, o);
}

static void storage_step(struct agent_object *o, enum plan_step step, struct agent_volume *v)
{
	struct agent *a = o->agent;
	struct agent_pool *p = agent_pool_find(a, o->pool);
	struct storage_volume s;

	step_begin(o, step, v);
	if (!p || !p->wanted) {
		char why[128];

		snprintf(why, sizeof(why), "storage pool %s is not defined on this node", o->pool);
		step_end(o, -E_NOT_FOUND, why);
		return;
	}
	o->step_pool = p;
	p->n_steps++;
	volumes_storage(o, v, &s);
	desired_label(o, &s);
	v->plan.doubted = false; /* by a failure from now on it is again */
	if (step == PLAN_CREATE)
		make(a, p, &s, o);
	else if (step == PLAN_GROW)
		storage_grow(a->config.loop, &p->pool, &s, on_grown, o);
	else
		storage_locate(a->config.loop, &p->pool, &s, on_located, o);
	explicit_bzero(s.key, sizeof(s.key));
}

static void nothing_to_remove(struct agent_object *o)
{
	o->leftover.removed = true;
	step_end(o, 0, "");
}

static void remove_snapshot(struct agent_object *o)
{
	struct agent *a = o->agent;
	struct agent_pool *p = agent_pool_find(a, o->pool);
	struct storage_snapshot s;

	step_begin(o, PLAN_REMOVE_FILES, o->volume[0]);
	if (!p || !p->wanted) {
		nothing_to_remove(
			o); /* a pool with snapshots is not deleted: it went with its node */
		return;
	}
	volumes_snapshot(o->name, o->volume[0]->number, o->snapshot, o->uuid, 0, &s);
	storage_snapshot_remove(a->config.loop, &p->pool, &s, on_removed_files, o);
}

/* By the mark where there is one: the pool's document may be gone or name another directory now. */
static void remove_files(struct agent_object *o)
{
	struct agent *a = o->agent;
	struct agent_pool *p = agent_pool_find(a, o->pool);
	struct agent_volume *v = o->volume[0];
	struct agent_mark mark;
	struct storage_volume s;
	struct err err = { 0 };
	int rv;

	step_begin(o, PLAN_REMOVE_FILES, v);
	volumes_storage(o, v, &s);
	rv = mark_read(a->config.dir, o->uuid, v->number, &mark, &err);
	if (rv == 0 && mark.volume[0] && v->uuid[0] && strcasecmp(mark.volume, v->uuid) != 0) {
		/* Files that this node made for a later volume of the number: the store, which
		 * still has this leftover, lags behind. */
		nothing_to_remove(o);
	} else if (rv == 0) {
		memcpy(s.name, mark.name, sizeof(s.name));
		storage_remove(a->config.loop, &mark.pool, &s, on_removed_files, o);
	} else if (p && p->wanted) {
		storage_remove(a->config.loop, &p->pool, &s, on_removed_files, o);
	} else if (rv == -ENOENT) {
		/* no mark: never made here; no pool: nowhere to look for a half-made one */
		nothing_to_remove(o);
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
		*(o->kind == AGENT_REPLICA ? &o->step_volume->reported_ns : &o->reported_ns) =
			clock_boot_ns() + AGENT_REPORTED_MS * MS;
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

static void tell(struct agent_object *o, enum plan_step step, struct agent_volume *v)
{
	struct agent *a = o->agent;
	json *doc = json_object_new_object();
	bool created = step == PLAN_REPORT_CREATED;

	step_begin(o, step, v);
	if (created)
		jset_str(doc, "resource", o->name);
	jset_str(doc, "node", a->config.node);
	jset_str(doc, "uuid", o->uuid);
	jset_i64(doc, "number", v->number);
	jset_str(doc, "volume", v->uuid);
	a->n_calls++;
	a->config.call("POST", created ? "/v1/sds/replica-created" : "/v1/sds/leftover-done",
		       json_text(doc), AGENT_CALL_MS, on_told, o, a->config.arg);
	json_object_put(doc);
}

/* Taken or not (the last valid copy is none to be left alone): it is known there. */
static void on_failed_told(int status, json *doc, void *arg)
{
	struct agent_object *o = arg;

	o->agent->n_calls--;
	if (status == 503 || status == 504) { /* no leader for a moment */
		step_end(o, -EIO, NULL);
		return;
	}
	o->replica.failing = false;
	step_end(o, 0, "");
}

static void tell_failed(struct agent_object *o)
{
	struct agent *a = o->agent;
	json *doc = json_object_new_object();
	char complaint[COMPLAINT_MAX];

	step_begin(o, PLAN_REPORT_FAILED, NULL);
	health_say(&o->health, o->plane_error, complaint, sizeof(complaint));
	jset_str(doc, "resource", o->name);
	jset_str(doc, "node", a->config.node);
	jset_str(doc, "uuid", o->uuid);
	jset_str(doc, "complaint", complaint);
	a->n_calls++;
	a->config.call("POST", "/v1/sds/replica-failed", json_text(doc), AGENT_CALL_MS,
		       on_failed_told, o, a->config.arg);
	json_object_put(doc);
}

static void on_voided_told(int status, json *doc, void *arg)
{
	struct agent_object *o = arg;

	o->agent->n_calls--;
	if (status == 503 || status == 504) { /* no leader for a moment */
		step_end(o, -EIO, NULL);
		return;
	}
	/* the store will show it; and 409: the leader knows more than this node's store */
	o->retry_ns = later(o, AGENT_REPORTED_MS);
	step_end(o, 0, "");
}

static void tell_voided(struct agent_object *o)
{
	struct agent *a = o->agent;
	json *doc = json_object_new_object();

	step_begin(o, PLAN_REPORT_VOIDED, NULL);
	jset_str(doc, "resource", o->name);
	jset_str(doc, "node", a->config.node);
	jset_str(doc, "uuid", o->uuid);
	a->n_calls++;
	a->config.call("POST", "/v1/sds/replica-refetched", json_text(doc), AGENT_CALL_MS,
		       on_voided_told, o, a->config.arg);
	json_object_put(doc);
}

/* --- the plane ---------------------------------------------------------- */

/* at once; refused is what keeps it from being set */
static void plane_set(struct agent_object *o)
{
	struct agent_plane p = agent_plane_of(o);
	struct plane_resource r;
	struct err err = { 0 };
	int rv;

	step_begin(o, PLAN_PLANE_SET, NULL);
	rv = desired_plane(o, &r, &err);
	if (rv < 0) {
		step_end(o, rv, err.text);
		return;
	}
	o->replica.plane_stamp = o->replica.stamp;
	o->replica.plane_disk = plane_has_disk(&r);
	for (int i = 0; i < o->n_volumes; i++)
		o->volume[i]->plane = volumes_usable(o, o->volume[i]);
	o->replica.plane = true;
	p.ops->set(p.plane, &r);
	plane_resource_release(&r);
	observe_status(o);
	step_end(o, 0, ""); /* a leftover may have waited until its volume was not given any more */
}

static void on_plane_removed(void *arg)
{
	struct agent_object *o = arg;

	o->replica.plane = o->replica.plane_disk = o->replica.open = false;
	for (int i = 0; i < o->n_volumes; i++)
		o->volume[i]->plane = false;
	step_end(o, 0, "");
}

static void plane_remove(struct agent_object *o)
{
	struct agent_plane p = agent_plane_of(o);

	step_begin(o, PLAN_PLANE_REMOVE, NULL);
	p.ops->remove(p.plane, o->name, o->resource_uuid, on_plane_removed, o);
}

/* --- the next step ------------------------------------------------------ */

/* A leftover's files may be open, or being made at this moment. */
static bool is_using(const struct agent_object *replica, const struct agent_object *leftover)
{
	const struct agent_volume *of = leftover->volume[0];
	bool using = replica->step != PLAN_IDLE || replica->measuring;

	if (strcmp(replica->uuid, leftover->uuid) != 0)
		return false;
	for (int i = 0; i < replica->n_volumes; i++) {
		const struct agent_volume *v = replica->volume[i];

		using |= v->plane && v->number == of->number &&
			 (!of->uuid[0] || strcasecmp(v->uuid, of->uuid) == 0) &&
			 replica->replica.plane_disk;
	}
	return using;
}

/* mask of numbers whose file names are taken by leftovers in o's pool */
static uint32_t look_around(struct agent_object *o)
{
	bool held = false, in_use = false;
	uint32_t leftovers = 0;

	for (struct agent_object *n = *agent_bucket(o->agent, o->key); n; n = n->next) {
		if (n == o || strcmp(n->key, o->key) != 0)
			continue;
		if (n->kind == AGENT_REPLICA) {
			held |= n->replica.plane;
			in_use |= o->kind == AGENT_LEFTOVER && is_using(n, o);
		} else if (!n->snapshot[0] && strcasecmp(n->pool, o->pool) == 0) {
			leftovers |= 1u << n->volume[0]->number;
		}
	}
	if (o->kind == AGENT_LEFTOVER && o->snapshot[0])
		in_use |= snapshots_taking(o->agent, o->key, o->snapshot);
	o->replica.name_held = held;
	o->leftover.in_use = in_use;
	return leftovers;
}

/* when it will be looked at again for this, at the latest */
static bool is_before(struct agent_object *o, uint64_t now, uint64_t *ns)
{
	if (now < *ns) {
		arm(o->agent, *ns);
		return true;
	}
	*ns = 0;
	return false;
}

static enum plan_step replica_step(struct agent_object *o, uint64_t now, struct agent_volume **ret)
{
	struct agent_volume *wanted[VOLUMES_PER_RESOURCE_MAX];
	struct plan_volume plan[VOLUMES_PER_RESOURCE_MAX];
	uint32_t leftovers = look_around(o);
	enum plan_step step;
	int n = 0, at = -1;

	for (int i = 0; i < o->n_volumes && n < VOLUMES_PER_RESOURCE_MAX; i++) {
		struct agent_volume *v = o->volume[i];

		if (!v->wanted)
			continue;
		v->plan.reported = is_before(o, now, &v->reported_ns);
		v->plan.failed = is_before(o, now, &v->retry_ns);
		v->plan.small = v->plan.files && v->have_bytes < v->size_bytes;
		v->plan.leftover_here = leftovers & 1u << v->number;
		plan[n] = v->plan;
		wanted[n++] = v;
	}
	o->replica.stamp = volumes_stamp(o);
	step = plan_replica_next(&o->replica, plan, n, &at);
	*ret = at >= 0 ? wanted[at] : NULL;
	return step;
}

static enum plan_step next_step(struct agent_object *o, uint64_t now, struct agent_volume **ret)
{
	if (o->kind == AGENT_REPLICA)
		return replica_step(o, now, ret);
	look_around(o);
	o->leftover.reported = is_before(o, now, &o->reported_ns);
	*ret = o->volume[0];
	return plan_leftover_next(&o->leftover);
}

/* A limit of what may be under way: true when o has to wait for its turn. */
static bool starved(struct agent_object *o, enum plan_step step)
{
	struct agent *a = o->agent;
	struct agent_pool *p;

	switch (step) {
	case PLAN_CREATE:
	case PLAN_LOCATE:
	case PLAN_GROW:
		p = agent_pool_find(a, o->pool);
		if (!p || p->n_steps < AGENT_POOL_STEPS_MAX)
			return false;
		break;
	case PLAN_REPORT_FAILED:
	case PLAN_REPORT_VOIDED:
	case PLAN_REPORT_CREATED:
	case PLAN_LEFTOVER_DONE:
		if (a->n_calls < AGENT_CALLS_MAX)
			return false;
		break;
	default:
		return false;
	}
	o->retry_ns = later(o, AGENT_STARVED_MS);
	return true;
}

static void forget(struct agent_object *o)
{
	struct agent *a = o->agent;
	char key[NAME_MAX_LEN + 1];

	memcpy(key, o->key, sizeof(key));
	if (o->kind == AGENT_REPLICA) {
		observe_gone(a, o->name);
		desired_retell(a); /* the kernel may have it from an earlier life */
	}
	agent_object_drop(o);
	run_bucket(a, key); /* the name or the files are free now */
}

void run_advance(struct agent_object *o)
{
	uint64_t now = clock_boot_ns();
	struct agent_volume *v;
	enum plan_step step;

	if (o->agent->closing || o->step != PLAN_IDLE || o->measuring ||
	    is_before(o, now, &o->retry_ns))
		return;
	if (o->kind == AGENT_REPLICA)
		volumes_tidy(o);
	step = next_step(o, now, &v);
	if (starved(o, step))
		return;
	switch (step) {
	case PLAN_CREATE:
	case PLAN_LOCATE:
	case PLAN_GROW:
		storage_step(o, step, v);
		break;
	case PLAN_REMOVE_FILES:
		if (o->snapshot[0])
			remove_snapshot(o);
		else
			remove_files(o);
		break;
	case PLAN_REPORT_CREATED:
	case PLAN_LEFTOVER_DONE:
		tell(o, step, v);
		break;
	case PLAN_REPORT_FAILED:
		tell_failed(o);
		break;
	case PLAN_VOID:
		step_begin(o, step, NULL);
		refetch_prepare(o, step_end);
		break;
	case PLAN_REPORT_VOIDED:
		tell_voided(o);
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

/* Each step may free its object or begin this again: mark first, then take one after the other.
 * There may be many: a leftover for each volume that came and went while the node was away. */
void run_bucket(struct agent *a, const char *key)
{
	struct agent_object *o, **all;
	size_t n = 0;

	for (o = *agent_bucket(a, key); o; o = o->next)
		n++;
	all = calloc(n + 1, sizeof(struct agent_object *));
	if (!all)
		abort();
	n = 0;
	for (o = *agent_bucket(a, key); o; o = o->next) {
		if (strcmp(o->key, key) == 0)
			all[n++] = o;
	}
	for (size_t i = 0; i < n; i++) {
		/* still there? a step of a former one may have dropped it */
		for (o = *agent_bucket(a, key); o && o != all[i]; o = o->next)
			;
		if (o)
			run_advance(o);
	}
	free(all);
}
