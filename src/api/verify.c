// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verify.c - the copies of a resource are compared, stretch by stretch, while it is used:
 * each node in sync says the checksums of its own, at the pace of the slowest and not
 * faster than VERIFY_MIB_S, or, by the clock (scrub.c), sds/scrub-rate. What differs may
 * have been written at that moment: it is looked at again while the writer holds writes
 * back, and only what differs then differs. On the leader that was asked, who forgets the
 * details when it does not lead any more. Called through routes.c. It changes nothing:
 * that is verify_repair.c's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/peer.h"
#include "api/verify.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/policy.h"

#define REGION VERIFY_REGION
#define STRETCH_REGIONS VERIFY_STRETCH_REGIONS
#define STRETCH (STRETCH_REGIONS * (uint64_t)REGION)
#define CALL_MS 30000

struct verify_ask {
	struct verify *v;
	struct verify_copy *copy; /* NULL: of the writer */
	enum verify_step step;
};

static void look(struct verify *v);

static void put(struct verify *v)
{
	if (--v->refs == 0)
		free(v);
}

static void end(struct verify *v, const char *error)
{
	v->step = STEP_OVER;
	v->ended_ms = clock_wall_ms();
	snprintf(v->error, sizeof(v->error), "%s", error);
	log_info("api", "resource=%s verified: regions=%" PRIu64 " differ=%" PRIu64 " %s",
		 v->resource, v->compared, v->n_differences, error);
	scrub_ended(v);
}

/* ---- comparing ---- */

static uint32_t odd_ones(const struct verify *v, int region, uint32_t *in, uint32_t *crc)
{
	*in = 0;
	for (int i = 0; i < v->n; i++) {
		*in |= v->copy[i].in ? 1u << i : 0;
		crc[i] = v->copy[i].crc[region];
	}
	return blame_odd(*in, crc, v->n);
}

static bool all_alike(const struct verify *v)
{
	uint32_t in, crc[REPLICAS_MAX];

	for (int r = 0; r < STRETCH_REGIONS; r++) {
		if (odd_ones(v, r, &in, crc))
			return false;
	}
	return true;
}

static uint64_t stretch_len(const struct verify *v)
{
	uint64_t size = (uint64_t)v->view.res.volume[v->at_volume].size_kib * 1024;

	return size - v->at < STRETCH ? size - v->at : STRETCH;
}

static void note_unlike(struct verify *v, const struct difference *d)
{
	for (int i = 0; i < v->n; i++) {
		v->copy[i].regions_off += d->odd >> i & 1;
		for (int k = 0; k < v->n; k++) {
			if ((d->in >> i & 1) && (d->in >> k & 1) && d->crc[i] != d->crc[k])
				v->unlike[i] |= 1u << k;
		}
	}
}

static void note_differences(struct verify *v)
{
	for (int r = 0; r < STRETCH_REGIONS; r++) {
		struct difference d = { .number = v->view.res.volume[v->at_volume].number,
					.off = v->at + (uint64_t)r * REGION };

		d.odd = odd_ones(v, r, &d.in, d.crc);
		if (!d.odd)
			continue;
		note_unlike(v, &d);
		if (v->n_differences++ >= VERIFY_SHOWN_MAX)
			continue; /* a whole copy may differ: at the end it is said in how much */
		v->shown[v->n_differences - 1] = d;
		log_error("api", "resource=%s volume=%d offset=%" PRIu64 " copies differ (mask %x)",
			  v->resource, d.number, d.off, d.odd);
	}
}

/* ---- the pace ---- */

static int pause_ms(const struct verify *v)
{
	return (int)(STRETCH * 1000 / ((uint64_t)v->mib_s << 20));
}

static bool is_time(void *arg, int64_t waited_ms)
{
	return waited_ms >= pause_ms(arg);
}

static void go_on(void *arg, bool in_time)
{
	struct verify *v = arg;

	if (v->step != STEP_OVER && !v->api->closing)
		look(v);
	put(v);
}

static void pause_then_look(struct verify *v)
{
	v->refs++;
	wait_start(v->api, 10 * pause_ms(v) + CALL_MS, is_time, go_on, v);
}

static void next_stretch(struct verify *v)
{
	v->compared += (stretch_len(v) + REGION - 1) / REGION;
	v->at += STRETCH;
	v->looks = 0;
	pause_then_look(v);
}

/* ---- asking ---- */

static void on_asked(int http, json *doc, void *arg);

static void ask(struct verify *v, struct verify_copy *copy, const char *node, const char *path,
		json *body)
{
	struct verify_ask *q = calloc(1, sizeof(*q));

	if (!q)
		abort();
	q->v = v;
	q->copy = copy;
	q->step = v->step;
	v->refs++;
	v->pending++;
	jset_str(body, "resource", v->resource);
	peer_call(v->api, node, "POST", path, body, CALL_MS, on_asked, q);
	json_object_put(body);
}

static void ask_checksums(struct verify *v)
{
	v->bad_look = false;
	for (int i = 0; i < v->n; i++) {
		json *body;

		memset(v->copy[i].crc, 0, sizeof(v->copy[i].crc));
		if (!v->copy[i].in)
			continue;
		body = view_object();
		jset_str(body, "volume", v->view.res.volume[v->at_volume].uuid);
		jset_i64(body, "offset", (int64_t)v->at);
		jset_i64(body, "length", (int64_t)stretch_len(v));
		ask(v, &v->copy[i], v->copy[i].node, "/v1/sds/checksum", body);
	}
}

static void ask_writer(struct verify *v, const char *path)
{
	json *body = view_object();
	char token[24];

	snprintf(token, sizeof(token), "%" PRIu64, v->token);
	jset_str(body, "token", token);
	jset_i64(body, "deadline_ms", FREEZE_MS_DEFAULT);
	ask(v, NULL, v->writer, path, body);
}

static void take_checksums(struct verify *v, struct verify_copy *c, int http, json *doc)
{
	json *list = jget(doc, "crc");

	if (http != 200 || !json_object_is_type(list, json_type_array)) {
		v->bad_look = true;
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list) && i < STRETCH_REGIONS; i++)
		c->crc[i] = (uint32_t)json_object_get_int64(json_object_array_get_idx(list, i));
}

/* ---- steps ---- */

/* It could not be seen at one moment: again, or left. */
static void not_settled(struct verify *v)
{
	if (++v->looks < VERIFY_LOOKS_MAX) {
		pause_then_look(v);
		return;
	}
	v->unsettled += (stretch_len(v) + REGION - 1) / REGION;
	next_stretch(v);
}

static bool untouched(struct verify *v)
{
	struct view now;
	bool same;

	if (view_load(v->api, v->resource, &now) < 0)
		return false;
	same = now.has_record && record_same(&now.rec, &v->before);
	view_release(&now);
	return same;
}

static void looked_while_held(struct verify *v)
{
	if (v->writer[0]) {
		v->step = STEP_THAW;
		ask_writer(v, "/v1/sds/thaw");
	} else if (v->bad_look || !untouched(v)) {
		not_settled(v);
	} else {
		note_differences(v);
		next_stretch(v);
	}
}

static void advance(struct verify *v, int http)
{
	switch (v->step) {
	case STEP_LOOK:
		if (!v->bad_look && all_alike(v)) {
			next_stretch(v);
		} else if (v->bad_look) {
			not_settled(v);
		} else if (v->writer[0]) {
			v->step = STEP_FREEZE;
			rand_bytes(&v->token, sizeof(v->token));
			v->token |= 1;
			ask_writer(v, "/v1/sds/freeze");
		} else {
			v->step = STEP_LOOK_HELD;
			ask_checksums(v);
		}
		break;
	case STEP_FREEZE:
		v->step = STEP_LOOK_HELD;
		if (http == 200)
			ask_checksums(v);
		else
			not_settled(v);
		break;
	case STEP_LOOK_HELD:
		looked_while_held(v);
		break;
	case STEP_THAW:
		if (http != 200 || v->bad_look) {
			not_settled(v);
		} else {
			note_differences(v);
			next_stretch(v);
		}
		break;
	case STEP_OVER:
		break;
	}
}

static void on_asked(int http, json *doc, void *arg)
{
	struct verify_ask *q = arg;
	struct verify *v = q->v;

	if (q->copy)
		take_checksums(v, q->copy, http, doc);
	free(q);
	if (--v->pending == 0 && !v->api->closing)
		advance(v, http);
	put(v);
}

/* who is in sync now, who writes; the number of copies */
static int gather(struct verify *v)
{
	int n = 0;

	for (int i = 0; i < v->n; i++)
		v->copy[i].in = false;
	for (int i = 0; i < v->view.n; i++) {
		const struct view_replica *rep = &v->view.rep[i];
		int k = 0;

		if (rep->r.diskless || !view_in_sync(&v->view, i) || !rep->online)
			continue;
		while (k < v->n && strcmp(v->copy[k].node, rep->r.node) != 0)
			k++;
		if (k == REPLICAS_MAX)
			continue;
		if (k == v->n)
			memcpy(v->copy[v->n++].node, rep->r.node, sizeof(v->copy[k].node));
		v->copy[k].in = true;
		n++;
	}
	v->before = v->view.rec;
	snprintf(v->writer, sizeof(v->writer), "%s", view_settler(&v->view));
	return n;
}

static uint64_t count_regions(const struct view *view)
{
	uint64_t n = 0;

	for (int i = 0; i < view->res.n_volumes; i++)
		n += ((uint64_t)view->res.volume[i].size_kib * 1024 + REGION - 1) / REGION;
	return n;
}

/* this leader is new: there may be copies that it has not heard of */
static bool awaits_copies(const struct verify *v)
{
	for (int i = 0; i < v->view.n; i++) {
		if (observed_awaited(v->api->observed, v->view.rep[i].r.node, api_mono_ms()))
			return true;
	}
	return false;
}

static void look(struct verify *v)
{
	if (v->loaded)
		view_release(&v->view);
	v->loaded = view_load(v->api, v->resource, &v->view) == 0;
	if (!v->loaded) {
		end(v, "the resource is gone");
		return;
	}
	v->regions = count_regions(&v->view);
	while (v->at_volume < v->view.res.n_volumes &&
	       v->at >= (uint64_t)v->view.res.volume[v->at_volume].size_kib * 1024) {
		v->at_volume++;
		v->at = 0;
	}
	if (v->at_volume >= v->view.res.n_volumes) {
		end(v, "");
	} else if (!consensus_is_leader(v->api->config.consensus)) {
		v->moved = true;
		end(v, "another node leads now: begin again");
	} else if (gather(v) >= 2) {
		v->step = STEP_LOOK;
		ask_checksums(v);
	} else if (awaits_copies(v)) {
		pause_then_look(v);
	} else {
		end(v,
		    "fewer than two copies are in sync and reachable: there is nothing to compare");
	}
}

/* ---- from outside ---- */

struct verify *verify_find(struct api *a, const char *resource)
{
	for (struct verify *v = a->verifies; v; v = v->next) {
		if (strcasecmp(v->resource, resource) == 0)
			return v;
	}
	return NULL;
}

static void drop(struct api *a, struct verify *v)
{
	struct verify **at = &a->verifies;

	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	v->step = STEP_OVER;
	if (v->loaded)
		view_release(&v->view);
	v->loaded = false;
	put(v);
}

/* The oldest result goes for a new one. -EBUSY: none is over */
static int make_room(struct api *a, struct err *err)
{
	struct verify *oldest = NULL;
	int n = 0;

	for (struct verify *v = a->verifies; v; v = v->next, n++) {
		if (v->step == STEP_OVER)
			oldest = v; /* the list begins with the newest */
	}
	if (n < VERIFY_KEPT_MAX)
		return 0;
	if (!oldest)
		return err_set(err, -EBUSY,
			       "%d comparisons are under way: try again when one of them is over",
			       n);
	drop(a, oldest);
	return 0;
}

static json *shape_difference(const struct verify *v, const struct difference *d)
{
	json *o = view_object(), *nodes = view_list();

	for (int i = 0; i < v->n; i++) {
		if (d->odd >> i & 1)
			view_push(nodes, json_object_new_string(v->copy[i].node));
	}
	jset_i64(o, "volume_number", d->number);
	jset_i64(o, "offset", (int64_t)d->off);
	jset_i64(o, "length", REGION);
	jset(o, "nodes", nodes);
	return o;
}

static json *shape(const struct verify *v)
{
	json *o = view_object(), *list = view_list(), *copies = view_list();
	uint64_t shown = v->n_differences < VERIFY_SHOWN_MAX ? v->n_differences : VERIFY_SHOWN_MAX;

	for (uint64_t i = 0; i < shown; i++)
		view_push(list, shape_difference(v, &v->shown[i]));
	for (int i = 0; i < v->n; i++) {
		json *c = view_object();

		jset_str(c, "node", v->copy[i].node);
		jset_i64(c, "regions_differing", v->copy[i].regions_off);
		view_push(copies, c);
	}
	jset_str(o, "resource", v->resource);
	jset_bool(o, "running", v->step != STEP_OVER);
	jset_i64(o, "started_ms", v->started_ms);
	if (v->ended_ms)
		jset_i64(o, "ended_ms", v->ended_ms);
	jset_str(o, "error", v->error);
	jset_i64(o, "regions", (int64_t)v->regions);
	jset_i64(o, "regions_compared", (int64_t)v->compared);
	jset_i64(o, "regions_unsettled", (int64_t)v->unsettled);
	jset_i64(o, "regions_differing", (int64_t)v->n_differences);
	jset(o, "copies", copies);
	jset(o, "differences", list);
	return o;
}

void verify_get(struct api_call *c)
{
	struct verify *v = verify_find(c->api, c->match.arg[0]);
	struct err err;

	if (v) {
		call_reply_json(c, 200, shape(v));
		return;
	}
	err_set(&err, -E_NOT_FOUND,
		"Resource '%.100s' is none of the last %d that were verified since this leader was "
		"elected.",
		c->match.arg[0], VERIFY_KEPT_MAX);
	call_fail(c, -E_NOT_FOUND, &err);
}

bool verify_running(const struct api *a)
{
	for (const struct verify *v = a->verifies; v; v = v->next) {
		if (v->step != STEP_OVER)
			return true;
	}
	return false;
}

int verify_begin(struct api *a, const char *resource, int mib_s, struct verify **ret,
		 struct err *err)
{
	struct verify *v = verify_find(a, resource);
	struct view view;
	int rv;

	*ret = v;
	if (v && v->step != STEP_OVER) {
		v->mib_s = v->mib_s > mib_s ? v->mib_s : mib_s;
		return 0;
	}
	if (view_load(a, resource, &view) < 0)
		return err_set(err, -E_NOT_FOUND, "Resource definition '%.100s' not found.",
			       resource);
	if (v)
		drop(a, v);
	rv = make_room(a, err);
	if (rv < 0) {
		view_release(&view);
		return rv;
	}
	v = calloc(1, sizeof(*v));
	if (!v)
		abort();
	v->api = a;
	v->refs = 1;
	v->mib_s = mib_s;
	v->started_ms = clock_wall_ms();
	memcpy(v->resource, view.res.name, sizeof(v->resource));
	view_release(&view);
	v->next = a->verifies;
	a->verifies = v;
	*ret = v;
	look(v);
	return 0;
}

/* With "started_ms" somebody asks for the comparison that he has begun. It is told as long as this
 * leader knows it; its leader may have gone meanwhile, and then it begins again. */
void verify_start(struct api_call *c)
{
	struct verify *v = verify_find(c->api, c->match.arg[0]);
	struct err err;
	int rv = 0;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "started_ms", json_type_int, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	if (!v || v->moved || v->started_ms != jget_i64_or(c->doc, "started_ms", 0))
		rv = verify_begin(c->api, c->match.arg[0], VERIFY_MIB_S, &v, &err);
	if (rv < 0)
		call_fail(c, rv, &err);
	else
		call_reply_json(c, 200, shape(v));
}

void verify_abandon(struct api *a)
{
	while (a->verifies)
		drop(a, a->verifies);
}
