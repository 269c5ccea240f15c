// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * view_walk.c - all resources, one after the other: at once (view_each), or with the rest of the
 * daemon in between (view_walk). Ten thousand of them take longer than an election, and a leader
 * that makes a list does not speak with the others meanwhile: it would not be the leader any more
 * when the list is ready.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/view.h"
#include "base/log.h"

#define RESOURCE_PREFIX "resource/"
#define WALK_AT_ONCE 64   /* resources that are not worth a pause */
#define WALK_SLICE_MS 40  /* then others have their turn; far below ELECTION_MS of raft/ */
#define WALK_MAX_MS 25000 /* below what a user waits for any answer */

struct names {
	view_want want;
	void *arg;
	char (*name)[NAME_MAX_LEN + 1];
	size_t n, cap;
};

static int add_name(const char *key, void *arg)
{
	const char *name = key + strlen(RESOURCE_PREFIX);
	struct names *l = arg;

	if (l->want && !l->want(name, l->arg))
		return 0;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : WALK_AT_ONCE;
		l->name = realloc(l->name, l->cap * sizeof(*l->name));
		if (!l->name)
			abort();
	}
	snprintf(l->name[l->n++], sizeof(*l->name), "%s", name);
	return 0;
}

static void names_load(struct api *a, struct names *l)
{
	if (store_list_keys(a->config.store, RESOURCE_PREFIX, add_name, l) < 0)
		log_error("api", "prefix=%s error=the store cannot be read", RESOURCE_PREFIX);
}

static void show(struct api *a, const char *name, view_each_cb each, void *arg)
{
	struct view v;

	if (view_load(a, name, &v) < 0)
		return; /* deleted meanwhile */
	each(&v, arg);
	view_release(&v);
}

void view_each(struct api *a, view_want want, view_each_cb each, void *arg)
{
	struct names l = { .want = want, .arg = arg };

	names_load(a, &l);
	for (size_t i = 0; i < l.n; i++)
		show(a, l.name[i], each, arg);
	free(l.name);
}

struct walk {
	struct api *api;
	struct names names;
	size_t at;
	view_each_cb each;
	view_name_cb each_name; /* or this */
	wait_finish done;
	void *arg;
	int64_t led_since_ms; /* of the api when it began: a new term has other reports */
	struct walk *next;    /* that waits for its turn: two at a time would be twice the pause */
};

static void walk_next(struct walk *w)
{
	const char *name = w->names.name[w->at++];

	if (w->each_name)
		w->each_name(name, w->arg);
	else
		show(w->api, name, w->each, w->arg);
}

/* One slice of the first walk; the others wait. */
static bool walk_on(void *arg, int64_t waited_ms)
{
	struct walk *w = arg;
	int64_t end = api_mono_ms() + WALK_SLICE_MS;

	if (w->api->walks != w)
		return false;
	while (w->at < w->names.n && api_mono_ms() < end)
		walk_next(w);
	if (w->at == w->names.n)
		return true;
	api_soon(w->api);
	return false;
}

static void walk_end(void *arg, bool in_time)
{
	struct walk *w = arg;
	struct walk **at = &w->api->walks;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	w->done(w->arg, in_time && w->led_since_ms == w->api->led_since_ms);
	free(w->names.name);
	free(w);
}

static void walk_begin(const struct walk *how)
{
	struct walk *w = malloc(sizeof(*w));
	struct api *a = how->api;
	struct walk **end = &a->walks;

	if (!w)
		abort();
	*w = *how;
	w->led_since_ms = a->led_since_ms;
	names_load(a, &w->names);
	while (*end)
		end = &(*end)->next;
	*end = w;
	if (w->names.n <= WALK_AT_ONCE) {
		while (w->at < w->names.n)
			walk_next(w);
		walk_end(w, true);
	} else {
		wait_start(a, WALK_MAX_MS, walk_on, walk_end, w);
	}
}

void view_walk(struct api *a, view_want want, view_each_cb each, wait_finish done, void *arg)
{
	walk_begin(&(struct walk){ .api = a,
				   .names = { .want = want, .arg = arg },
				   .each = each,
				   .done = done,
				   .arg = arg });
}

void view_walk_names(struct api *a, view_want want, view_name_cb each, wait_finish done, void *arg)
{
	walk_begin(&(struct walk){ .api = a,
				   .names = { .want = want, .arg = arg },
				   .each_name = each,
				   .done = done,
				   .arg = arg });
}
