// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * snapshot_take.c - a snapshot is taken: the writers of its resources hold back what
 * the applications write, every copy that is in sync then is cut on its node, the
 * writers go on. Called by snapshots.c on the leader; asks nodes by peer.c.
 *
 * A freeze ends by itself, whatever becomes of this process. The snapshot counts only
 * when each writer says at the end that it has held without a gap, or, where nobody
 * wrote, when the record is the same as before: whoever opens the resource changes it.
 * All copies that were asked must have been cut, or it has failed.
 */
#include "api/snapshot_take.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/peer.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "model/policy.h"

#define FREEZE_TRIES_MAX 10 /* of a writer that is just opening or closing */
#define FREEZE_RETRY_MS 300
#define VERDICT_CALL_MS 10000

_Static_assert(PEER_CALLS_MAX >= SNAPSHOTS_AT_ONCE_MAX * COPIES_MAX,
	       "all copies of one request are cut at a time");

enum phase { PHASE_FREEZE, PHASE_CUT, PHASE_THAW, PHASE_VERDICT, PHASE_OVER };

static const char *const phase_names[] = { "freeze", "cut", "thaw", "verdict", "over" };

struct copy {
	struct snapshot_copy at;
	bool asked, cut;
};

struct item { /* one snapshot */
	struct take *take;
	struct take_name name;
	char uuid[37];
	struct record before;
	char writer[NAME_MAX_LEN + 1]; /* node that has it open for writing; "": nobody */
	uint64_t token;
	int tries;
	int64_t asked_ms; /* to hold writes back, the last time */
	bool frozen;
	uint32_t slots; /* in sync while frozen */
	int n;
	struct copy copy[REPLICAS_MAX];
};

struct take {
	struct take *next;
	struct api *api;
	enum phase phase;
	int freeze_ms;
	int64_t cut_until_ms, over_ms;
	int pending;            /* calls of this phase that count */
	char why[ERR_TEXT_MAX]; /* the first failure; "": none */
	int refs;               /* the list, and calls under way */
	int n;
	struct item item[];
};

/* a call under way; its answer counts in the phase that it was made in only */
struct ask {
	struct item *item;
	struct copy *copy; /* PHASE_CUT */
	enum phase phase;
};

static void advance(struct take *t);

static void put(struct take *t)
{
	if (--t->refs == 0)
		free(t);
}

static void fail(struct take *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct take *t, const char *fmt, ...)
{
	va_list ap;

	if (t->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
}

/* ---- asking nodes ---- */

static void on_asked(int http, json *doc, void *arg);

static void ask(struct item *it, struct copy *copy, const char *node, const char *path, json *body,
		int deadline_ms)
{
	struct take *t = it->take;
	struct ask *q = calloc(1, sizeof(*q));

	if (!q)
		abort();
	q->item = it;
	q->copy = copy;
	q->phase = t->phase;
	t->refs++;
	t->pending++;
	jset_str(body, "resource", it->name.resource);
	peer_call(t->api, node, "POST", path, body, deadline_ms, on_asked, q);
	json_object_put(body);
	crash_point("asked", phase_names[t->phase]);
}

static json *token_body(const struct item *it)
{
	json *body = view_object();
	char token[24];

	snprintf(token, sizeof(token), "%" PRIu64, it->token);
	jset_str(body, "token", token);
	return body;
}

static void ask_freeze(struct item *it)
{
	json *body = token_body(it);

	it->tries++;
	it->asked_ms = api_mono_ms();
	jset_i64(body, "deadline_ms", it->take->freeze_ms);
	ask(it, NULL, it->writer, "/v1/sds/freeze", body, it->take->freeze_ms + TAKE_RESERVE_MS);
}

/* ---- what an item is about ---- */

/* slots in sync, and who writes, or has to release it; false: it is not there any more */
static bool look(struct item *it)
{
	struct api *a = it->take->api;
	struct view v;

	if (view_load(a, it->name.resource, &v) < 0)
		return false;
	if (!v.has_record) {
		view_release(&v);
		return false;
	}
	it->before = v.rec;
	it->slots = v.rec.in_sync;
	snprintf(it->writer, sizeof(it->writer), "%s", view_settler(&v));
	view_release(&v);
	return true;
}

static void retry_freeze(void *arg, bool in_time)
{
	struct ask *q = arg;
	struct item *it = q->item;
	struct take *t = it->take;

	free(q);
	t->pending--;
	if (t->phase == PHASE_FREEZE && !t->api->closing && look(it) && it->writer[0])
		ask_freeze(it);
	if (t->phase == PHASE_FREEZE)
		advance(t);
	put(t);
}

static bool is_time(void *arg, int64_t waited_ms)
{
	return waited_ms >= FREEZE_RETRY_MS;
}

/* ---- answers ---- */

static void frozen(struct item *it, json *doc)
{
	struct take *t = it->take;
	int64_t until_ms = it->asked_ms + t->freeze_ms - TAKE_MARGIN_MS;

	if (until_ms < t->cut_until_ms)
		t->cut_until_ms = until_ms;
	it->frozen = true;
	it->slots = (uint32_t)jget_i64_or(doc, "slots", 0);
}

static void refused(struct ask *q, int http, json *doc)
{
	struct item *it = q->item;
	const char *why = http ? rc_message(doc) : "it does not answer";
	const char *node = q->copy ? q->copy->at.node : it->writer;

	switch (q->phase) {
	case PHASE_FREEZE:
		fail(it->take, "node %s could not hold back writes: %s", node, why);
		break;
	case PHASE_CUT:
		fail(it->take, "node %s could not take it: %s", node, why);
		break;
	default:
		fail(it->take, "writes were not held until the end: %s", why);
		break;
	}
}

/* Its writer is opening it, or closing, or its node has just died: the record will say. */
static bool try_again(struct ask *q, int http)
{
	struct take *t = q->item->take;

	if (q->phase != PHASE_FREEZE || http == 200 || q->item->tries >= FREEZE_TRIES_MAX)
		return false;
	t->refs++;
	wait_start(t->api, 10 * FREEZE_RETRY_MS, is_time, retry_freeze, q);
	return true;
}

static void on_asked(int http, json *doc, void *arg)
{
	struct ask *q = arg;
	struct item *it = q->item;
	struct take *t = it->take;

	crash_point("answered", phase_names[q->phase]);
	if (q->phase == t->phase && !try_again(q, http)) {
		if (http != 200)
			refused(q, http, doc);
		else if (q->phase == PHASE_FREEZE)
			frozen(it, doc);
		else if (q->phase == PHASE_CUT)
			q->copy->cut = true;
		free(q);
		t->pending--;
		advance(t);
	} else if (q->phase != t->phase) {
		free(q); /* it came too late */
	}
	put(t);
}

/* ---- phases ---- */

static bool no_longer_cutting(void *arg, int64_t waited_ms)
{
	const struct take *t = arg;

	return t->phase != PHASE_CUT || api_mono_ms() >= t->cut_until_ms;
}

static void name_late(struct take *t, const struct item *it)
{
	for (int k = 0; k < it->n; k++) {
		if (it->copy[k].asked && !it->copy[k].cut)
			fail(t,
			     "node %s did not take it in time: writes are held for %d ms at most "
			     "(property " POLICY_FREEZE ")",
			     it->copy[k].at.node, t->freeze_ms);
	}
}

static void end_of_cutting(void *arg, bool in_time)
{
	struct take *t = arg;

	if (t->phase == PHASE_CUT) {
		for (int i = 0; i < t->n; i++)
			name_late(t, &t->item[i]);
		t->pending = 0;
		advance(t);
	}
	put(t);
}

static int slot_on(const struct view *v, const char *node)
{
	int i = view_find(v, node);

	return i < 0 ? -1 : v->rep[i].r.slot;
}

/* Where nobody writes all copies in sync are alike, and one whose node is away is not missed. */
static void cut_item(struct item *it)
{
	struct take *t = it->take;
	struct view v;

	if (view_load(t->api, it->name.resource, &v) < 0)
		return;
	for (int k = 0; k < it->n; k++) {
		struct copy *c = &it->copy[k];
		int slot = slot_on(&v, c->at.node);
		json *body;

		if (slot < 0 || !(it->slots & 1u << slot) ||
		    (!it->frozen && !observed_online(t->api->observed, c->at.node, api_mono_ms())))
			continue;
		c->asked = true;
		body = view_object();
		jset_str(body, "snapshot", it->name.name);
		jset_str(body, "uuid", it->uuid);
		ask(it, c, c->at.node, "/v1/sds/snapshot-here", body, TAKE_UNHELD_MS);
	}
	view_release(&v);
}

static void enter_cut(struct take *t)
{
	t->phase = PHASE_CUT;
	if (t->cut_until_ms == INT64_MAX) /* nobody waits for it */
		t->cut_until_ms = api_mono_ms() + TAKE_UNHELD_MS;
	for (int i = 0; i < t->n; i++) {
		int before = t->pending;

		cut_item(&t->item[i]);
		if (t->pending == before)
			fail(t, "no copy of %s that is in sync can be reached",
			     t->item[i].name.resource);
	}
	t->refs++;
	wait_start(t->api, TAKE_UNHELD_MS, no_longer_cutting, end_of_cutting, t);
}

static void check_untouched(struct item *it)
{
	struct record before = it->before;

	if (!look(it) || !record_same(&before, &it->before))
		fail(it->take, "%s was opened while it was being taken: try again",
		     it->name.resource);
}

static void enter_thaw(struct take *t)
{
	t->phase = PHASE_THAW;
	for (int i = 0; i < t->n; i++) {
		struct item *it = &t->item[i];

		if (it->frozen)
			ask(it, NULL, it->writer, "/v1/sds/thaw", token_body(it), VERDICT_CALL_MS);
		else
			check_untouched(it);
	}
}

static void on_verdict(const struct leader_answer *answer, void *arg)
{
	struct ask *q = arg;
	struct take *t = q->item->take;

	/* not written for want of a leader: the next one finds it orphaned */
	free(q);
	t->pending--;
	if (t->phase == PHASE_VERDICT)
		advance(t);
	put(t);
}

static void tell(struct item *it)
{
	struct take *t = it->take;
	struct ask *q = calloc(1, sizeof(*q));
	json *body = view_object(), *nodes = view_list();

	if (!q)
		abort();
	for (int k = 0; k < it->n && !t->why[0]; k++) {
		if (it->copy[k].cut)
			view_push(nodes, json_object_new_string(it->copy[k].at.node));
	}
	jset_str(body, "resource", it->name.resource);
	jset_str(body, "snapshot", it->name.name);
	jset_str(body, "uuid", it->uuid);
	jset(body, "nodes", nodes);
	q->item = it;
	t->refs++;
	t->pending++;
	leader_call(t->api->leader, "POST", "/v1/sds/snapshot-taken", json_text(body), NULL,
		    VERDICT_CALL_MS, on_verdict, q);
	json_object_put(body);
}

static void enter_verdict(struct take *t)
{
	t->phase = PHASE_VERDICT;
	for (int i = 0; i < t->n; i++) {
		if (t->why[0])
			log_warn("api", "resource=%s snapshot=%s failed: %s",
				 t->item[i].name.resource, t->item[i].name.name, t->why);
		tell(&t->item[i]);
	}
}

/* all that the phase waited for is there */
static void advance(struct take *t)
{
	while (t->pending == 0 && t->phase != PHASE_OVER && !t->api->closing) {
		switch (t->phase) {
		case PHASE_FREEZE:
			if (t->why[0])
				enter_thaw(t);
			else
				enter_cut(t);
			break;
		case PHASE_CUT:
			enter_thaw(t);
			break;
		case PHASE_THAW:
			enter_verdict(t);
			break;
		default:
			t->phase = PHASE_OVER;
			t->over_ms = api_mono_ms();
			api_hurry(t->api);
			break;
		}
	}
}

/* ---- from outside ---- */

static struct item *find(struct api *a, const struct take_name *name, struct take **ret)
{
	for (struct take *t = a->takes; t; t = t->next) {
		for (int i = 0; i < t->n; i++) {
			if (strcasecmp(t->item[i].name.resource, name->resource) != 0 ||
			    strcasecmp(t->item[i].name.name, name->name) != 0)
				continue;
			*ret = t;
			return &t->item[i];
		}
	}
	return NULL;
}

static bool prepare(struct item *it, const struct take_name *name)
{
	struct snapshot s;

	it->name = *name;
	rand_bytes(&it->token, sizeof(it->token));
	it->token |= 1; /* 0 is none */
	if (view_snapshot(it->take->api, name->resource, name->name, &s, NULL) < 0 || s.taken)
		return false;
	memcpy(it->uuid, s.uuid, sizeof(it->uuid));
	it->n = s.n_copies;
	for (int k = 0; k < s.n_copies; k++)
		it->copy[k].at = s.copy[k];
	return look(it);
}

/* the shortest that any of the resources, or their groups, allow */
static int freeze_ms(struct api *a, const char *resource)
{
	struct view v;
	int ms = FREEZE_MS_DEFAULT;

	if (view_load(a, resource, &v) < 0)
		return ms;
	ms = policy_load(a->config.store, v.doc).freeze_ms;
	view_release(&v);
	return ms;
}

void take_start(struct api *a, const struct take_name *names, int n)
{
	struct take *t = calloc(1, sizeof(*t) + (size_t)n * sizeof(t->item[0])), *other;

	if (!t)
		abort();
	t->api = a;
	t->refs = 1;
	t->freeze_ms = FREEZE_MS_MAX;
	for (int i = 0; i < n; i++) {
		int ms = freeze_ms(a, names[i].resource);
		struct item *present = find(a, &names[i], &other);

		t->freeze_ms = ms < t->freeze_ms ? ms : t->freeze_ms;
		t->item[i].take = t;
		if ((present && other->phase != PHASE_OVER) || !prepare(&t->item[i], &names[i])) {
			free(t);
			return; /* in hand, or over already */
		}
	}
	t->n = n;
	t->next = a->takes;
	a->takes = t;
	t->cut_until_ms = INT64_MAX;
	for (int i = 0; i < n; i++) {
		if (t->item[i].writer[0])
			ask_freeze(&t->item[i]);
	}
	advance(t);
}

bool take_is_over(struct api *a, const struct take_name *name)
{
	struct snapshot s;

	return view_snapshot(a, name->resource, name->name, &s, NULL) < 0 || s.taken;
}

const char *take_reason(struct api *a, const struct take_name *name)
{
	struct take *t;

	return find(a, name, &t) ? t->why : "";
}

/* ---- those of a former leader, and former ones of this ---- */

static void forget_old(struct api *a)
{
	struct take **at = &a->takes;

	while (*at) {
		struct take *t = *at;

		if (t->phase != PHASE_OVER || api_mono_ms() - t->over_ms < TAKE_KEPT_MS) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		put(t);
	}
}

struct orphans {
	struct api *api;
	int n;
};

static void on_orphan_told(const struct leader_answer *answer, void *arg)
{
}

static void look_for_orphan(json *doc, void *arg)
{
	struct orphans *o = arg;
	struct take_name name;
	struct snapshot s;
	struct take *t;
	int64_t age_ms;
	json *body;

	if (snapshot_parse(doc, &s, NULL) < 0 || s.taken)
		return;
	memcpy(name.resource, s.resource, sizeof(name.resource));
	memcpy(name.name, s.name, sizeof(name.name));
	o->n++;
	age_ms = clock_wall_ms() - s.created_ms;
	if ((age_ms >= 0 && age_ms < TAKE_FRESH_MS) ||
	    (find(o->api, &name, &t) && t->phase != PHASE_OVER))
		return;
	log_warn("api", "resource=%s snapshot=%s was left untaken by another leader: it failed",
		 s.resource, s.name);
	body = view_object();
	jset_str(body, "resource", s.resource);
	jset_str(body, "snapshot", s.name);
	jset_str(body, "uuid", s.uuid);
	jset(body, "nodes", view_list());
	leader_call(o->api->leader, "POST", "/v1/sds/snapshot-taken", json_text(body), NULL,
		    VERDICT_CALL_MS, on_orphan_told, NULL);
	json_object_put(body);
}

void take_tick(struct api *a)
{
	struct orphans o = { .api = a };
	struct store_count count;

	forget_old(a);
	if (a->led_since_ms < 0 || api_mono_ms() - a->led_since_ms < TAKE_ORPHAN_MS ||
	    store_count(a->config.store, "snapshot/", &count) < 0)
		return;
	if (count.changed == a->snapshots)
		return;
	view_docs(a, "snapshot/", look_for_orphan, &o);
	if (o.n == 0)
		a->snapshots = count.changed;
}

void take_abandon(struct api *a)
{
	while (a->takes) {
		struct take *t = a->takes;

		a->takes = t->next;
		t->phase = PHASE_OVER;
		put(t);
	}
}
