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
#include "api/verify.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/policy.h"

#define SCRUB_CALL_MS 10000
#define SCRUB_WAIT_MS 10000 /* for copies that are not in sync yet */
#define SCRUB_NEVER INT64_MAX

struct search {
	struct api *api;
	int64_t due_ms; /* of the resource below, or the first to come */
	char resource[NAME_MAX_LEN + 1];
	int mib_s;
};

/* As one number: has anything changed that could make something due? */
static uint64_t basis(struct api *a)
{
	static const char *const prefixes[] = { "resource/", "group/", "controller/", "scrub/" };
	struct store_count count;
	uint64_t sum = 1;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (store_count(a->config.store, prefixes[i], &count) < 0)
			return 0;
		sum = sum * 31 + count.changed;
	}
	return sum;
}

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

static void look_at(json *doc, void *arg)
{
	struct search *s = arg;
	const char *name = jget_str(doc, "name", "");
	struct policy policy = policy_load(s->api->config.store, doc);
	struct scrub last = view_scrub(s->api, name, jget_str(doc, "uuid", ""));
	int64_t due = scrub_due_ms(&last, policy.scrub_every_s, jget_i64_or(doc, "created_ms", 0));
	int64_t now = clock_wall_ms();

	if (due < 0)
		return;
	if (last.again && due <= now && !all_in_sync(s->api, name))
		due = now + SCRUB_WAIT_MS;
	if (due >= s->due_ms)
		return;
	s->due_ms = due;
	s->mib_s = policy.scrub_rate;
	snprintf(s->resource, sizeof(s->resource), "%s", name);
}

void scrub_tick(struct api *a)
{
	struct search s = { .api = a, .due_ms = SCRUB_NEVER };
	int64_t now = clock_wall_ms();
	uint64_t seen;

	if (verify_running(a))
		return;
	seen = basis(a);
	if (seen == a->scrubs.seen && now < a->scrubs.due_ms)
		return;
	a->scrubs.seen = seen;
	view_docs(a, "resource/", look_at, &s);
	a->scrubs.due_ms = s.due_ms;
	if (s.due_ms > now)
		return;
	/* the result changes what is due; if it cannot be kept, that is not at once again */
	a->scrubs.due_ms = now + SCRUB_WAIT_MS;
	log_info("api", "resource=%s its copies are compared by the clock", s.resource);
	verify_begin(a, s.resource, s.mib_s);
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
