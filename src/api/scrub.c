// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scrub.c - copies are compared by the clock, on the leader: one resource at a time, the one that
 * has been due for longest, slowly (sds/scrub-every, sds/scrub-rate); and soon after a repair. The
 * result of every comparison goes into the store (model/scrub.h), so that a new leader knows what
 * is due. One that is cut by a change of leaders begins anew.
 */
#include "model/scrub.h"

#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/known.h"
#include "api/verify.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/policy.h"

#define SCRUB_CALL_MS 10000
#define SCRUB_WAIT_MS 10000 /* for copies that are not in sync yet */
#define SCRUB_NEVER INT64_MAX

/* What was repaired is compared when it has caught up, and not before. */
static bool all_in_sync(struct api *a, const char *resource)
{
	struct view v;
	bool all = true;

	if (view_load(a, resource, &v) < 0)
		return false;
	for (int i = 0; i < v.n; i++)
		all &= v.rep[i].r.diskless || (view_in_sync(&v, i) && v.rep[i].online);
	view_release(&v);
	return all;
}

static int64_t due_of(struct api *a, const char *name, json *doc)
{
	struct policy policy = policy_load(a->config.store, doc);
	struct scrub last = view_scrub(a, name, jget_str(doc, "uuid", ""));

	return scrub_due_ms(&last, policy.scrub_every_s, jget_i64_or(doc, "created_ms", 0));
}

/* due_ms < 0: at no time */
static void set_due(struct api *a, const char *name, int64_t due_ms)
{
	struct scrubber *s = &a->scrubs;

	if (due_ms >= 0) {
		known_set(&s->due, name, json_object_new_int64(due_ms));
		if (due_ms < s->next_ms)
			s->next_ms = due_ms;
	} else {
		known_drop(&s->due, name); /* next_ms: then it is seen that nothing is */
	}
}

void scrub_look(struct api *a, const char *name, json *doc)
{
	set_due(a, name, doc ? due_of(a, name, doc) : -1);
}

void scrub_forget(struct api *a)
{
	json_object_put(a->scrubs.due);
	a->scrubs.due = NULL;
	a->scrubs.next_ms = SCRUB_NEVER;
}

/* the one that is due for longest, or next, or NULL; *ret_ms: when; borrowed */
static const char *first_due(struct api *a, int64_t *ret_ms)
{
	const char *first = NULL;

	*ret_ms = SCRUB_NEVER;
	if (!a->scrubs.due)
		return NULL;
	json_object_object_foreach(a->scrubs.due, name, value)
	{
		if (json_object_get_int64(value) >= *ret_ms)
			continue;
		*ret_ms = json_object_get_int64(value);
		first = name;
	}
	return first;
}

/* false: not yet, though it is due */
static bool begin(struct api *a, const char *name)
{
	char key[STORE_KEY_MAX];
	struct verify *v;
	struct scrub last;
	json *doc = NULL;
	bool ready;

	resource_key(name, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return false; /* deleted a moment ago */
	last = view_scrub(a, name, jget_str(doc, "uuid", ""));
	ready = (!last.again || all_in_sync(a, name)) &&
		verify_begin(a, jget_str(doc, "name", ""),
			     policy_load(a->config.store, doc).scrub_rate, &v, NULL) == 0;
	if (ready)
		log_info("api", "resource=%s its copies are compared by the clock",
			 jget_str(doc, "name", ""));
	json_object_put(doc);
	return ready;
}

void scrub_tick(struct api *a)
{
	int64_t now = clock_wall_ms(), due_ms;
	char name[NAME_MAX_LEN + 1];
	const char *first;

	if (now < a->scrubs.next_ms || verify_running(a))
		return;
	while ((first = first_due(a, &due_ms)) && due_ms <= now) {
		snprintf(name, sizeof(name), "%s", first);
		/* the result changes what is due; if it cannot be kept, that is not at once again
		 */
		set_due(a, name, now + SCRUB_WAIT_MS);
		if (begin(a, name))
			return;
	}
	a->scrubs.next_ms = due_ms;
}

/* ---- results ---- */

static void on_kept(const struct leader_answer *answer, void *arg)
{
	if (answer->status >= 300 && answer->status != 404)
		log_warn("api", "the result of a comparison could not be kept: %s",
			 rc_message(answer->doc));
}

void scrub_ended(const struct verify *v)
{
	struct api *a = v->api;
	json *body, *nodes;

	if (!a->leader || a->closing || !consensus_is_leader(a->config.consensus))
		return;
	body = view_object();
	nodes = view_list();
	for (int i = 0; i < v->n; i++) {
		if (v->copy[i].regions_off > 0)
			view_push(nodes, json_object_new_string(v->copy[i].node));
	}
	jset_str(body, "resource", v->resource);
	jset_i64(body, "regions_compared", (int64_t)v->compared);
	jset_i64(body, "regions_unsettled", (int64_t)v->unsettled);
	jset_i64(body, "regions_differing", (int64_t)v->n_differences);
	jset_str(body, "error", v->error);
	jset(body, "nodes", nodes);
	leader_call(a->leader, "POST", "/v1/sds/verify-ended", json_text(body), NULL, SCRUB_CALL_MS,
		    on_kept, NULL);
	json_object_put(body);
}

static int done(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	const char *resource = jget_str(doc, "resource", "");
	long long differing = (long long)jget_i64_or(doc, "regions_differing", 0);
	int rv = change_scrub_done(env, t, resource, doc, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Noted.");
	mutation_what(m, "Copies of '%.48s' compared: %lld regions differ.", resource, differing);
	return rv;
}

void scrub_done(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, done, NULL);
}
