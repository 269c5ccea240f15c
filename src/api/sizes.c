// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sizes.c - what would fit: the largest volume that could be spawned from a
 * group, and how much its pools hold of as many copies as the group wants.
 * Called through routes.c. The largest volume is found by the rules of placement
 * themselves (model/change_probe.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "model/placement.h"

/* Of the pools of one node; a pool counts where it reports */
struct node_space {
	char node[NAME_MAX_LEN + 1];
	int64_t free_kib, total_kib;
};

struct spaces {
	struct api *api;
	const struct change_place *place;
	struct node_space node[NODES_MAX];
	int n;
};

static bool is_asked_for(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcasecmp(names[i], name) == 0)
			return true;
	}
	return n == 0;
}

static void add_pool(json *doc, void *arg)
{
	struct spaces *s = arg;
	struct node_space *at = NULL;
	int64_t free_kib, total_kib;
	struct pool p;
	json *seen;

	if (pool_parse(doc, &p, NULL) < 0 ||
	    !is_asked_for(s->place->nodes, s->place->n_nodes, p.node) ||
	    !is_asked_for(s->place->pools, s->place->n_pools, p.name))
		return;
	seen = observed_pool(s->api->observed, p.node, p.name, api_mono_ms());
	if (jget_i64(seen, "free_kib", &free_kib) < 0 || free_kib < 0 ||
	    jget_i64(seen, "total_kib", &total_kib) < 0 || total_kib < 0)
		return;
	for (int i = 0; i < s->n && !at; i++) {
		if (strcasecmp(s->node[i].node, p.node) == 0)
			at = &s->node[i];
	}
	if (!at && s->n == NODES_MAX)
		return;
	if (!at) {
		at = &s->node[s->n++];
		*at = (struct node_space){ 0 };
		memcpy(at->node, p.node, sizeof(at->node));
	}
	at->free_kib += free_kib;
	at->total_kib += total_kib;
}

/* The most that can be stored in `copies` copies, each on another node: as much as makes every copy
 * of it fit, where a node holds any part of it once at most. */
static int64_t storable(const struct spaces *s, int copies, bool total)
{
	int64_t fits = 0, fails = INT64_MAX / NODES_MAX;

	while (fails - fits > 1) {
		int64_t size = fits + (fails - fits) / 2, sum = 0;

		for (int i = 0; i < s->n; i++) {
			int64_t has = total ? s->node[i].total_kib : s->node[i].free_kib;

			sum += has < size ? has : size;
		}
		if (sum / copies >= size)
			fits = size;
		else
			fails = size;
	}
	return fits;
}

static json *spots_shape(const struct change_spots *spots)
{
	json *list = view_list();

	for (int i = 0; i < spots->n; i++) {
		json *o = view_object();

		jset_str(o, "node_name", spots->spot[i].node);
		jset_str(o, "stor_pool_name", spots->spot[i].pool);
		view_push(list, o);
	}
	return list;
}

/* place as the request says where it says anything, else as the group does */
static int merged(struct api *a, const char *group, const struct change_place *asked,
		  struct change_place *ret, json **ret_doc, struct err *err)
{
	struct change_place of_group;
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	group_key(group, key, sizeof(key));
	rv = store_get(a->config.store, key, &doc, NULL);
	if (rv < 0)
		return err_set(err, rv, "Resource group '%.100s' not found.", group);
	rv = change_place_parse(jget(doc, "select_filter"), &of_group, err);
	if (rv < 0) {
		json_object_put(doc);
		return rv;
	}
	*ret = *asked;
	if (ret->copies == 0)
		ret->copies = of_group.copies > 0 ? of_group.copies : COPIES_DEFAULT;
	if (ret->n_nodes == 0) {
		memcpy(ret->nodes, of_group.nodes, sizeof(ret->nodes));
		ret->n_nodes = of_group.n_nodes;
	}
	if (ret->n_pools == 0) {
		memcpy(ret->pools, of_group.pools, sizeof(ret->pools));
		ret->n_pools = of_group.n_pools;
	}
	*ret_doc = doc; /* names are borrowed from it */
	return 0;
}

static int space_info(struct api *a, const char *group, const struct change_place *asked,
		      json **ret, struct err *err)
{
	struct change_env env = api_env(a);
	struct change_spots spots;
	struct change_place place;
	struct spaces *s;
	int64_t max_kib;
	json *doc, *o;
	int rv = merged(a, group, asked, &place, &doc, err);

	if (rv < 0)
		return rv;
	rv = change_probe(&env, group, asked, &max_kib, &spots, err);
	if (rv < 0) {
		json_object_put(doc);
		return rv;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->api = a;
	s->place = &place;
	view_docs(a, "pool/", add_pool, s);
	o = view_object();
	jset_i64(o, "max_vlm_size_in_kib", max_kib);
	jset_i64(o, "available_size_in_kib", storable(s, place.copies, false));
	jset_i64(o, "capacity_in_kib", storable(s, place.copies, true));
	jset(o, "default_max_oversubscription_ratio", json_object_new_double(RATIO_DEFAULT));
	jset(o, "next_spawn_result", spots_shape(&spots));
	free(s);
	json_object_put(doc);
	*ret = o;
	return 0;
}

void sizes_group(struct api_call *c)
{
	struct change_place asked;
	json *info = NULL, *o;
	struct err err;
	int rv;

	if (!call_object(c))
		return;
	rv = place_of_body(c->doc, &asked, &err);
	if (rv == 0)
		rv = space_info(c->api, c->match.arg[0], &asked, &info, &err);
	if (rv < 0) {
		call_fail(c, rv, &err);
		return;
	}
	o = view_object();
	jset(o, "space_info", info);
	jset(o, "reports", view_list());
	call_reply_json(c, 200, o);
}

struct all_sizes {
	struct api *api;
	json *result;
};

static void add_group(json *doc, void *arg)
{
	static const struct change_place as_group_says;
	struct all_sizes *all = arg;
	const char *name = jget_str(doc, "name", "");
	json *info, *o;

	if (space_info(all->api, name, &as_group_says, &info, NULL) < 0)
		return;
	o = view_object();
	jset(o, "space_info", info);
	jset(o, "reports", view_list());
	jset(all->result, name, o);
}

void sizes_groups(struct api_call *c)
{
	struct all_sizes all = { c->api, NULL };
	json *o;

	if (!call_object(c)) /* how old the answer may be: it is always fresh */
		return;
	all.result = view_object();
	view_docs(c->api, "group/", add_group, &all);
	o = view_object();
	jset(o, "result", all.result);
	jset(o, "reports", view_list());
	call_reply_json(c, 200, o);
}

/* ---- by pool ---- */

struct pool_names {
	const struct change_place *place;
	json *all_thin; /* by name, as it is written first: whether all pools of it are thin */
};

static void add_name(json *doc, void *arg)
{
	struct pool_names *names = arg;
	const char *name;
	struct pool p;
	bool thin;

	if (pool_parse(doc, &p, NULL) < 0 ||
	    !is_asked_for(names->place->nodes, names->place->n_nodes, p.node) ||
	    !is_asked_for(names->place->pools, names->place->n_pools, p.name))
		return;
	thin = pool_kind_is_thin(p.kind);
	name = p.name;
	json_object_object_foreach(names->all_thin, key, value)
	{
		if (strcasecmp(key, p.name) != 0)
			continue;
		name = key;
		thin &= json_object_get_boolean(value);
	}
	jset_bool(names->all_thin, name, thin);
}

/* what could be spawned with all copies in pools of this name; NULL: nothing */
static json *candidate(struct api *a, const char *group, const struct change_place *place,
		       const char *pool, bool all_thin)
{
	struct change_env env = api_env(a);
	struct change_place one = *place;
	struct change_spots spots;
	int64_t max_kib;
	json *o, *nodes;

	one.pools[0] = pool;
	one.n_pools = 1;
	if (change_probe(&env, group, &one, &max_kib, &spots, NULL) < 0 || max_kib == 0)
		return NULL;
	o = view_object();
	nodes = view_list();
	for (int i = 0; i < spots.n; i++)
		view_push(nodes, json_object_new_string(spots.spot[i].node));
	jset_str(o, "storage_pool", pool);
	jset_i64(o, "max_volume_size_kib", max_kib);
	jset(o, "node_names", nodes);
	jset_bool(o, "all_thin", all_thin);
	return o;
}

static void reply_candidates(struct api_call *c, const char *group,
			     const struct change_place *asked)
{
	json *list = view_list(), *o, *doc;
	struct pool_names names;
	struct change_place place;
	struct err err;
	int rv = merged(c->api, group, asked, &place, &doc, &err);

	if (rv < 0) {
		json_object_put(list);
		call_fail(c, rv, &err);
		return;
	}
	names = (struct pool_names){ &place, view_object() };
	view_docs(c->api, "pool/", add_name, &names);
	json_object_object_foreach(names.all_thin, name, thin)
	{
		json *one = candidate(c->api, group, &place, name, json_object_get_boolean(thin));

		if (one)
			view_push(list, one);
	}
	json_object_put(names.all_thin);
	json_object_put(doc);
	o = view_object();
	jset(o, "candidates", list);
	jset(o, "default_max_oversubscription_ratio", json_object_new_double(RATIO_DEFAULT));
	call_reply_json(c, 200, o);
}

void sizes_max_group(struct api_call *c)
{
	static const struct change_place as_group_says;

	reply_candidates(c, c->match.arg[0], &as_group_says);
}

/* The body is the filter itself. */
void sizes_max(struct api_call *c)
{
	struct change_place asked;
	struct err err;
	int rv;

	if (!call_object(c))
		return;
	rv = change_place_parse(c->doc, &asked, &err);
	if (rv < 0)
		call_fail(c, rv, &err);
	else
		reply_candidates(c, GROUP_DEFAULT, &asked);
}
