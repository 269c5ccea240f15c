// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * view.c - loads resources with their replicas, record and observed state.
 * Called by the handlers that show or wait; the LINSTOR shapes are in
 * view_shape.c, the verdict in verdict.c.
 */
#include "api/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/pace.h"

json *view_object(void)
{
	json *o = json_object_new_object();

	if (!o)
		abort();
	return o;
}

json *view_list(void)
{
	return rc_list();
}

void view_push(json *list, json *value)
{
	if (json_object_array_add(list, value) < 0)
		abort();
}

json *view_strings(const char *const *texts, int n)
{
	json *list = view_list();

	for (int i = 0; i < n; i++) {
		json *text = json_object_new_string(texts[i]);

		if (!text)
			abort();
		view_push(list, text);
	}
	return list;
}

json *view_props(json *doc)
{
	json *props = jget(doc, "props");

	return json_object_is_type(props, json_type_object) ? json_copy(props) : view_object();
}

/* The documents are collected first: a callback may read the store again. */
static int collect(const char *key, json *doc, uint64_t revision, void *arg)
{
	view_push(arg, json_object_get(doc));
	return 0;
}

void view_docs(struct api *a, const char *prefix, void (*each)(json *doc, void *arg), void *arg)
{
	json *docs = view_list();

	if (store_list(a->config.store, prefix, collect, docs) < 0)
		log_error("api", "prefix=%s error=the store cannot be read", prefix);
	for (size_t i = 0; i < json_object_array_length(docs); i++)
		each(json_object_array_get_idx(docs, i), arg);
	json_object_put(docs);
}

struct loading {
	struct api *api;
	struct view *view;
	int64_t now;
};

static void add_replica(json *doc, void *arg)
{
	struct loading *l = arg;
	struct view *v = l->view;
	struct view_replica *rep = &v->rep[v->n];
	struct api *a = l->api;
	json *seen;

	if (v->n == REPLICAS_MAX || replica_parse(doc, &rep->r, NULL) < 0)
		return;
	rep->doc = json_object_get(doc);
	rep->online = observed_online(a->observed, rep->r.node, l->now);
	seen = observed_replica(a->observed, rep->r.node, v->res.name, l->now);
	/* what a node still says about a deleted resource of this name is not about this one */
	if (strcmp(jget_str(seen, "uuid", rep->r.uuid), rep->r.uuid) == 0)
		rep->seen = seen;
	else
		json_object_put(seen);
	v->n++;
}

static int load_record(struct api *a, struct view *v)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	record_key(v->res.name, key, sizeof(key));
	rv = store_get(a->config.store, key, &doc, NULL);
	if (rv == -E_NOT_FOUND)
		return 0; /* a definition without copies */
	if (rv < 0)
		return rv;
	rv = record_parse(doc, &v->rec, NULL);
	v->has_record = rv == 0;
	json_object_put(doc);
	return rv;
}

struct scrub view_scrub(struct api *a, const char *resource, const char *uuid)
{
	char key[STORE_KEY_MAX];
	struct scrub s;
	json *doc = NULL;

	scrub_key(resource, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return (struct scrub){ 0 };
	s = scrub_of(doc, uuid);
	json_object_put(doc);
	return s;
}

int view_snapshot(struct api *a, const char *resource, const char *name, struct snapshot *ret,
		  json **ret_doc)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	snapshot_key(resource, name, key, sizeof(key));
	rv = store_get(a->config.store, key, &doc, NULL);
	if (rv == 0)
		rv = snapshot_parse(doc, ret, NULL);
	if (rv == 0 && ret_doc)
		*ret_doc = doc;
	else
		json_object_put(doc);
	return rv;
}

int view_load(struct api *a, const char *resource, struct view *ret)
{
	struct loading l = { .api = a, .view = ret, .now = api_mono_ms() };
	char key[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	int rv;

	memset(ret, 0, sizeof(*ret));
	if (name_check("resource name", resource, NAME_MIN_LEN, NULL) < 0)
		return -E_NOT_FOUND;
	resource_key(resource, key, sizeof(key));
	rv = store_get(a->config.store, key, &ret->doc, NULL);
	if (rv < 0)
		return rv;
	rv = resource_parse(ret->doc, &ret->res, NULL);
	if (rv == 0)
		rv = load_record(a, ret);
	if (rv < 0) {
		view_release(ret);
		return rv;
	}
	ret->scrub = view_scrub(a, resource, ret->res.uuid);
	name_key(resource, low);
	snprintf(key, sizeof(key), "replica/%s/", low);
	view_docs(a, key, add_replica, &l);
	return 0;
}

void view_release(struct view *v)
{
	json_object_put(v->doc);
	v->doc = NULL;
	for (int i = 0; i < v->n; i++) {
		json_object_put(v->rep[i].doc);
		json_object_put(v->rep[i].seen);
	}
	v->n = 0;
}

int view_find(const struct view *v, const char *node)
{
	for (int i = 0; i < v->n; i++) {
		if (strcasecmp(v->rep[i].r.node, node) == 0)
			return i;
	}
	return -1;
}

int view_slot(const struct view *v, int slot)
{
	for (int i = 0; i < v->n; i++) {
		if (v->rep[i].r.slot == slot)
			return i;
	}
	return -1;
}

const char *view_settler(const struct view *v)
{
	int i = view_slot(v, record_settler(&v->rec));

	return i < 0 ? "" : v->rep[i].r.node;
}

bool view_in_sync(const struct view *v, int i)
{
	return v->has_record && !v->rep[i].r.diskless &&
	       (v->rec.in_sync & (1u << v->rep[i].r.slot)) != 0;
}

const char *view_state(const struct view *v, int i)
{
	return v->rep[i].seen     ? jget_str(v->rep[i].seen, "state", "unknown")
	       : v->rep[i].online ? "creating" /* its node has not come to it yet */
				  : "unknown";
}

bool view_open(const struct view *v, int i)
{
	return jget_bool(v->rep[i].seen, "open", false);
}

json *view_volume_seen(const struct view *v, int i, int k)
{
	const struct volume *vol = &v->res.volume[k];
	char number[12];
	json *seen;

	snprintf(number, sizeof(number), "%d", vol->number);
	seen = jget(jget(v->rep[i].seen, "volumes"), number);
	/* not of a former volume of this number */
	return strcasecmp(jget_str(seen, "uuid", vol->uuid), vol->uuid) == 0 ? seen : NULL;
}

bool view_ready(const struct view *v, int i)
{
	if (strcmp(view_state(v, i), "up") != 0)
		return false;
	for (int k = 0; k < v->res.n_volumes; k++) {
		json *seen = view_volume_seen(v, i, k);

		if (strcmp(jget_str(seen, "state", ""), "up") != 0 ||
		    jget_i64_or(seen, "size_kib", 0) < v->res.volume[k].size_kib)
			return false;
	}
	return true;
}

double view_progress(const struct view *v, int i)
{
	int64_t all = jget_i64_or(v->rep[i].seen, "regions", 0);
	int64_t done = jget_i64_or(v->rep[i].seen, "synced_regions", 0);

	if (strcmp(jget_str(v->rep[i].seen, "mode", ""), "learner") != 0 || all <= 0)
		return -1;
	return done >= all ? 100.0 : 100.0 * (double)done / (double)all;
}

bool view_left(const struct view *v, int i, struct view_left *ret)
{
	json *seen = v->rep[i].seen;

	ret->progress = view_progress(v, i);
	if (ret->progress < 0)
		return false;
	ret->kib = jget_i64_or(seen, "regions", 0) - jget_i64_or(seen, "synced_regions", 0);
	ret->kib = ret->kib > 0 ? ret->kib * VOLUME_REGION_KIB : 0;
	ret->kib_per_s = jget_i64_or(seen, "sync_kib_s", -1);
	ret->s = pace_left_s((double)ret->kib_per_s, (double)ret->kib);
	return true;
}

void view_put_left(json *o, const struct view_left *l)
{
	if (l->progress >= 0)
		jset(o, "progress", json_object_new_double(l->progress));
	jset_i64(o, "left_kib", l->kib);
	if (l->kib_per_s >= 0)
		jset_i64(o, "sync_kib_s", l->kib_per_s);
	if (l->s >= 0)
		jset_i64(o, "left_s", l->s);
}
