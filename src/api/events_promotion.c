// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * events_promotion.c - GET /v1/sds/promotions: where each resource may be opened
 * now, of all copies and clients whose nodes report; and the difference between
 * two such lists. Called through routes.c and by events.c.
 */
#include "api/events_promotion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"

#define PLACE_KEY_MAX (2 * NAME_MAX_LEN + 2)

struct places {
	struct api_call *call;
	struct call_list list;
};

static void list_places(struct view *v, void *arg)
{
	struct places *p = arg;

	for (int i = 0; i < v->n; i++) {
		bool may;
		json *o;

		if (!view_may_promote(v, i, &may))
			continue;
		o = view_object();
		jset_str(o, "resource_name", v->res.name);
		jset_str(o, "node_name", v->rep[i].r.node);
		jset_bool(o, "may_promote", may);
		call_list_push(&p->list, o);
	}
}

static void places_done(void *arg, bool in_time)
{
	struct places *p = arg;

	call_list_finish(p->call, &p->list, in_time);
	free(p);
}

void promotions_list(struct api_call *c)
{
	struct places *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->call = c;
	call_list_init(&p->list, c);
	view_walk(c->api, NULL, list_places, places_done, p);
}

struct promotions {
	bool silent; /* the next list is taken without a word */
	json *known; /* "<resource>/<node>": may it */
};

struct promotions *promotions_new(bool all)
{
	struct promotions *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->silent = !all;
	p->known = view_object();
	return p;
}

void promotions_free(struct promotions *p)
{
	if (!p)
		return;
	json_object_put(p->known);
	free(p);
}

static void place_key(const char *resource, const char *node, char out[PLACE_KEY_MAX])
{
	snprintf(out, PLACE_KEY_MAX, "%.*s/%.*s", NAME_MAX_LEN, resource, NAME_MAX_LEN, node);
}

/* those of former that are not in now */
static void tell_gone(json *former, json *now,
		      void (*tell)(const char *resource, const char *node, bool may, void *arg),
		      void *arg)
{
	json_object_object_foreach(former, key, was)
	{
		const char *slash = strchr(key, '/');
		char resource[NAME_MAX_LEN + 1];

		if (jget(now, key) || !json_object_get_boolean(was))
			continue;
		snprintf(resource, sizeof(resource), "%.*s", (int)(slash - key), key);
		tell(resource, slash + 1, false, arg);
	}
}

void promotions_update(struct promotions *p, json *list,
		       void (*tell)(const char *resource, const char *node, bool may, void *arg),
		       void *arg)
{
	json *now = view_object();

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i), *was;
		const char *resource = jget_str(o, "resource_name", "");
		const char *node = jget_str(o, "node_name", "");
		bool may = jget_bool(o, "may_promote", false);
		char key[PLACE_KEY_MAX];

		place_key(resource, node, key);
		jset_bool(now, key, may);
		was = jget(p->known, key);
		if (!p->silent && (was ? json_object_get_boolean(was) != may : true))
			tell(resource, node, may, arg);
	}
	if (!p->silent)
		tell_gone(p->known, now, tell, arg);
	p->silent = false;
	json_object_put(p->known);
	p->known = now;
}
