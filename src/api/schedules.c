// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * schedules.c - snapshots by the clock, on the leader: which resources have a schedule is
 * looked up when their definition has changed (survey.c), what is due every few seconds. Taking and
 * deleting are the requests that people make, too. When something is due is
 * model/schedule.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/metric.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/policy.h"
#include "model/schedule.h"

#define SCHEDULES_MS 5000
#define SCHEDULE_AGAIN_MS 300000 /* after a failure */
#define SCHEDULE_CALL_MS 40000

struct schedule {
	struct schedule *next;
	char resource[NAME_MAX_LEN + 1];
	struct policy policy;
	int64_t retry_ms; /* monotonic: not before */
	bool wanted;
	int asked; /* requests under way */
};

/* ---- which resources ---- */

static struct schedule *find(struct api *a, const char *name)
{
	for (struct schedule *s = a->schedules.list; s; s = s->next) {
		if (strcasecmp(s->resource, name) == 0)
			return s;
	}
	return NULL;
}

static struct schedule *add(struct api *a, const char *resource)
{
	struct schedule *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	snprintf(s->resource, sizeof(s->resource), "%s", resource);
	s->next = a->schedules.list;
	a->schedules.list = s;
	return s;
}

static void drop_unwanted(struct api *a)
{
	struct schedule **at = &a->schedules.list;

	while (*at) {
		struct schedule *s = *at;

		if (s->wanted || s->asked) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		free(s);
	}
}

void schedules_look(struct api *a, const char *name, json *doc)
{
	struct schedule *s = find(a, name);
	struct policy policy;

	if (doc && (policy = policy_load(a->config.store, doc)).snapshot_every_s) {
		if (!s)
			s = add(a, jget_str(doc, "name", ""));
		s->policy = policy;
		s->wanted = true;
	} else if (s) {
		s->wanted = false;
		drop_unwanted(a);
	}
}

void schedules_forget(struct api *a)
{
	for (struct schedule *s = a->schedules.list; s; s = s->next)
		s->wanted = false;
	drop_unwanted(a);
}

/* ---- what is due ---- */

struct present { /* snapshots of a schedule */
	int64_t made_ms[SNAPSHOTS_PER_RESOURCE_MAX];
	char name[SNAPSHOTS_PER_RESOURCE_MAX][NAME_MAX_LEN + 1];
	int n;
};

static void gather(json *doc, void *arg)
{
	struct present *p = arg;

	if (p->n == SNAPSHOTS_PER_RESOURCE_MAX ||
	    !jget_str(jget(doc, "props"), SCHEDULE_PROP, "")[0])
		return;
	p->made_ms[p->n] = jget_i64_or(doc, "created_ms", 0);
	snprintf(p->name[p->n++], sizeof(p->name[0]), "%s", jget_str(doc, "name", ""));
}

static void present_of(struct api *a, const char *resource, struct present *p)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];

	p->n = 0;
	name_key(resource, low);
	snprintf(prefix, sizeof(prefix), "snapshot/%s/", low);
	view_docs(a, prefix, gather, p);
}

static void on_done(const struct leader_answer *answer, void *arg)
{
	struct schedule *s = arg;

	s->asked--;
	if (answer->status >= 200 && answer->status < 300)
		return;
	s->retry_ms = api_mono_ms() + SCHEDULE_AGAIN_MS;
	log_warn("api", "resource=%s its schedule of snapshots waits %d min: %s", s->resource,
		 SCHEDULE_AGAIN_MS / 60000, rc_message(answer->doc));
}

static void take(struct api *a, struct schedule *s)
{
	json *body = view_object(), *props = view_object();
	char path[NAME_MAX_LEN + 64], name[SCHEDULE_NAME_MAX];

	schedule_name(clock_wall_ms(), name);
	snprintf(path, sizeof(path), "/v1/resource-definitions/%s/snapshots", s->resource);
	jset_str(props, SCHEDULE_PROP, "yes");
	jset_str(body, "name", name);
	jset(body, "props", props);
	s->asked++;
	leader_call(a->leader, "POST", path, json_text(body), NULL, SCHEDULE_CALL_MS, on_done, s);
	json_object_put(body);
}

static void drop(struct api *a, struct schedule *s, const char *name)
{
	char path[2 * NAME_MAX_LEN + 64];

	snprintf(path, sizeof(path), "/v1/resource-definitions/%s/snapshots/%s", s->resource, name);
	s->asked++;
	leader_call(a->leader, "DELETE", path, NULL, NULL, SCHEDULE_CALL_MS, on_done, s);
}

static void keep(struct api *a, struct schedule *s, struct present *p)
{
	int excess;

	if (!s->wanted || s->asked || api_mono_ms() < s->retry_ms)
		return;
	present_of(a, s->resource, p);
	excess = schedule_excess(p->made_ms, p->n, s->policy.snapshot_keep);
	if (schedule_is_due(p->made_ms, p->n, s->policy.snapshot_every_s, clock_wall_ms()))
		take(a, s);
	else if (excess >= 0)
		drop(a, s, p->name[excess]);
}

void schedules_tick(struct api *a)
{
	int64_t now = api_mono_ms();
	struct present *p;

	if (now < a->schedules.next_ms)
		return;
	a->schedules.next_ms = now + SCHEDULES_MS;
	drop_unwanted(a); /* those that waited for an answer */
	if (!a->schedules.list)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	for (struct schedule *s = a->schedules.list; s; s = s->next)
		keep(a, s, p);
	free(p);
}

static int64_t newest(const struct present *p)
{
	int64_t ms = 0;

	for (int i = 0; i < p->n; i++)
		ms = p->made_ms[i] > ms ? p->made_ms[i] : ms;
	return ms;
}

void schedules_write(struct api *a, struct buf *out)
{
	static const char every[] = "sdsd_snapshot_schedule_interval_seconds";
	static const char last[] = "sdsd_snapshot_schedule_last_timestamp_seconds";
	struct present *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	metric_begin(out, every, "gauge", "How often a snapshot is to be taken by the clock.");
	for (struct schedule *s = a->schedules.list; s; s = s->next)
		metric_add(out, every, "", (double)s->policy.snapshot_every_s, "resource",
			   s->resource, NULL);
	metric_begin(out, last, "gauge", "When the newest of a schedule was taken; 0 none yet.");
	for (struct schedule *s = a->schedules.list; s; s = s->next) {
		present_of(a, s->resource, p);
		metric_add(out, last, "", (double)newest(p) / 1000, "resource", s->resource, NULL);
	}
	free(p);
}
