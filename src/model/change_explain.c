// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_explain.c - placement looked at without placing: what would be chosen
 * and why not another, and whether a group could place at all. Called by the API
 * and by change_group.c. Nothing is written.
 */
#include "model/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/candidates.h"
#include "model/place.h"

static json *candidate_json(const struct placement_pool *p, const struct placement_verdict *v)
{
	json *o = json_object_new_object();

	jset_str(o, "node", p->node);
	jset_str(o, "pool", p->pool ? p->pool : "");
	jset_str(o, "verdict",
		 v->rule == PLACEMENT_CHOSEN     ? "chosen"
		 : v->rule == PLACEMENT_SUITABLE ? "suitable"
						 : "refused");
	jset_str(o, "rule", placement_rule_name(v->rule));
	jset_str(o, "reason", v->why);
	if (!p->pool)
		return o;
	jset_str(o, "provider", pool_kind_name(p->kind));
	if (p->free_kib >= 0 && p->total_kib >= 0) {
		jset_i64(o, "free_kib", p->free_kib);
		jset_i64(o, "total_kib", p->total_kib);
	}
	jset_i64(o, "promised_kib", p->promised_kib);
	jset_i64(o, "replicas", p->replicas);
	return o;
}

static json *candidates_json(const struct candidates *all, const struct placement_verdict *v)
{
	json *list = json_object_new_array();

	for (int i = 0; i < all->n; i++)
		json_object_array_add(list, candidate_json(&all->pool[i], &v[i]));
	return list;
}

/* *ret: filled in whether it is possible or not */
static int explain(struct bundle *b, const struct placement_want *given, json *ret, struct err *err)
{
	struct placement_verdict *verdicts = NULL;
	struct placement_want want = *given;
	struct err why = { 0 }, against = { 0 };
	struct candidates all;
	int chosen[COPIES_MAX], rv;

	rv = candidates_find(b->env, b, want.rules, &all, err);
	if (rv < 0)
		goto release;
	verdicts = calloc((size_t)all.n + 1, sizeof(*verdicts));
	if (!verdicts) {
		rv = err_set(err, -ENOMEM, "placement: out of memory");
		goto release;
	}
	want.weights = tuning_weights(all.cluster_props);
	rv = placement_choose(all.pool, all.n, &want, chosen, &why, verdicts);
	if (rv < 0 && rv != -E_NO_NODES) {
		*err = why;
		goto release;
	}
	jset_bool(ret, "possible", rv == 0);
	jset_i64(ret, "copies", want.copies);
	jset_i64(ret, "size_kib", want.size_kib);
	jset_str(ret, "message", why.text);
	rv = placement_violations(all.pool, all.n, &want, &against);
	jset_str(ret, "violations", rv > 0 ? against.text : "");
	jset(ret, "candidates", candidates_json(&all, verdicts));
	rv = 0;
release:
	free(verdicts);
	candidates_release(&all);
	return rv;
}

static int add_sizes(struct bundle *b, json *sizes, struct err *err)
{
	size_t n =
		json_object_is_type(sizes, json_type_array) ? json_object_array_length(sizes) : 0;
	struct resource *r = &b->resource;
	struct volume *v;
	int64_t size_kib;
	int rv = 0;

	if (n < 1 || n > VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID, "volume_sizes must be a list of 1 to %d KiB",
			       VOLUMES_PER_RESOURCE_MAX);
	for (size_t i = 0; i < n && rv == 0; i++) {
		json *one = json_object_new_object();

		jset(one, "size", json_object_get(json_object_array_get_idx(sizes, i)));
		rv = jget_i64(one, "size", &size_kib);
		json_object_put(one);
		if (rv < 0)
			return err_set(err, -E_INVALID, "volume_sizes[%zu] is no number of KiB", i);
		rv = volume_check_size(size_kib, err);
		v = &r->volume[r->n_volumes++];
		v->size_kib = volume_round_size(size_kib, r->encrypted);
		if (rv == 0)
			rv = bundle_cache_of(b, NULL, r->name, v, err);
	}
	return rv;
}

/* one that would be made by change_spawn; without keys, minors and documents */
static int imagine(struct change_env *env, struct txn *t, json *body, const struct change_place *p,
		   struct bundle *b, struct group_select *f, json **group, struct err *err)
{
	enum layers layers;
	int rv;

	*b = (struct bundle){ .env = env, .t = t, .record.writer = WRITER_NONE };
	snprintf(b->resource.name, sizeof(b->resource.name), "%s",
		 jget_str(body, "resource", "(new)"));
	snprintf(b->resource.group, sizeof(b->resource.group), "%s",
		 jget_str(body, "resource_group", GROUP_DEFAULT));
	rv = place_filter(b, f, group, err);
	if (rv < 0)
		return rv;
	layers = p->layers != LAYERS_UNSAID ? p->layers : f->layers;
	resource_set_layers(&b->resource, layers);
	b->doc = json_object_new_object();
	jset(b->doc, "props", json_copy(jget(body, "resource_definition_props")));
	return add_sizes(b, jget(body, "volume_sizes"), err);
}

static bool is_there(struct change_env *env, json *body)
{
	const char *name = jget_str(body, "resource", "");
	char key[STORE_KEY_MAX];
	json *doc;

	if (resource_check_name(name, NULL) < 0)
		return false;
	resource_key(name, key, sizeof(key));
	if (store_get(env->store, key, &doc, NULL) < 0)
		return false;
	json_object_put(doc);
	return true;
}

int change_explain(struct change_env *env, json *body, json **ret, struct err *err)
{
	struct group_select *f = malloc(sizeof(*f));
	struct txn *t = txn_new("explain", "");
	struct placement_want want;
	struct change_place place;
	json *group = NULL, *answer = json_object_new_object();
	struct bundle b = { 0 };
	int rv = f ? change_place_parse(jget(body, "select_filter"), &place, err)
		   : err_set(err, -ENOMEM, "placement: out of memory");

	if (rv < 0)
		goto release;
	if (is_there(env, body)) {
		rv = bundle_load(env, t, jget_str(body, "resource", ""), &b, err);
		if (rv == 0)
			rv = place_filter(&b, f, &group, err);
	} else {
		rv = imagine(env, t, body, &place, &b, f, &group, err);
	}
	if (rv == 0)
		rv = place_want(&b, &place, f, &want, err);
	if (rv == 0)
		rv = place_check(&b, want.copies, err);
	if (rv == 0)
		rv = explain(&b, &want, answer, err);
release:
	if (rv == 0)
		*ret = answer;
	else
		json_object_put(answer);
	bundle_release(&b);
	json_object_put(group);
	txn_free(t);
	free(f);
	return rv;
}

/* The outlook of a group */

static bool has_pool(const struct candidates *all, const char *name)
{
	for (int i = 0; i < all->n; i++) {
		if (strcasecmp(all->spot[i].pool, name) == 0)
			return true;
	}
	return false;
}

static bool has_node(const struct candidates *all, const char *name)
{
	for (int i = 0; i < all->n; i++) {
		if (strcasecmp(all->spot[i].node, name) == 0)
			return true;
	}
	return false;
}

static bool has_property(const struct candidates *all, const char *key)
{
	for (int i = 0; i < all->n; i++) {
		if (jget(all->spot[i].node_props, key))
			return true;
	}
	return false;
}

/* Names in the filter that nothing has: likely a slip, also where there are others. */
static void find_unknown(const struct candidates *all, const struct group_select *f,
			 struct err *warn)
{
	for (int i = 0; i < f->n_nodes; i++) {
		if (!has_node(all, f->nodes[i]))
			err_set(warn, -E_NOT_FOUND, "there is no node %.60s at present",
				f->nodes[i]);
	}
	for (int i = 0; i < f->n_pools; i++) {
		if (!has_pool(all, f->pools[i]))
			err_set(warn, -E_NOT_FOUND, "no node has a pool %.60s at present",
				f->pools[i]);
	}
	for (int i = 0; i < f->rules.n; i++) {
		if (!has_property(all, f->rules.rule[i].key))
			err_set(warn, -E_NOT_FOUND, "no node has the property %.80s at present",
				f->rules.rule[i].key);
	}
}

int place_outlook(struct change_env *env, json *filter, struct err *warn, struct err *err)
{
	struct placement_want want = { .ever = true };
	struct err why = { 0 };
	struct group_select f;
	struct candidates all;
	int chosen[COPIES_MAX], rv;

	*warn = (struct err){ 0 };
	rv = group_filter_parse(filter, &f, err);
	if (rv < 0 ||
	    (!f.place_count && !f.n_nodes && !f.n_pools && !f.rules.n && !f.rules.has_kinds))
		return rv;
	rv = candidates_find(env, NULL, NULL, &all, err);
	if (rv == 0) {
		want.copies = f.place_count > 0 ? f.place_count : COPIES_DEFAULT;
		want.nodes = f.nodes;
		want.n_nodes = f.n_nodes;
		want.pools = f.pools;
		want.n_pools = f.n_pools;
		want.rules = &f.rules;
		if (placement_choose(all.pool, all.n, &want, chosen, &why, NULL) < 0)
			err_set(warn, -E_NO_NODES,
				"with the present nodes nothing can be placed by it: %.400s",
				why.text);
		else
			find_unknown(&all, &f, warn);
	}
	candidates_release(&all);
	return rv;
}
