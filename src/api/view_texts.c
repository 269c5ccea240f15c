// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * view_texts.c - made by view_shape.c, kept here. A text shows documents of its resource and the
 * kinds of pools: the store's watches drop what they concern. And it shows what the nodes of its
 * replicas report, and whether they do: that is compared whenever it is asked for, as one number,
 * since nodes also fall silent. Called by replicas.c on the main loop, and by api.c on the leader,
 * which has them made while nothing else changes, so that a list finds them.
 */
#include "api/view_texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/view.h"

#define TEXTS_BUCKETS 8192
#define TEXTS_WATCHES 4
#define TEXTS_SLICE_MS 10 /* of making them before they are asked for */

struct entry {
	struct entry *next;
	char key[NAME_MAX_LEN + 1]; /* of the resource */
	uint64_t seen;              /* of its replicas: seen_of() */
	size_t bytes;               /* of all of this */
	struct view_texts *texts;   /* owned, with all its strings */
};

struct texts {
	struct api *api;
	struct store_watch *watch[TEXTS_WATCHES];
	struct entry *bucket[TEXTS_BUCKETS];
	struct entry *loose; /* the last one that found no room */
	size_t bytes;
	int64_t asked_ms;

	/* making them before they are asked for, while this node leads */
	bool leads, quiet;   /* quiet: nothing was changed since the last tick */
	bool all;            /* those of all resources */
	struct backlog cold; /* of these */
	int64_t warm_ms;     /* not before: nodes have still to report */
	uint64_t applied;    /* at the last tick */
};

static struct entry **bucket_of(struct texts *t, const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 16777619u;
	return &t->bucket[h % TEXTS_BUCKETS];
}

static struct entry **find(struct texts *t, const char *key)
{
	struct entry **at = bucket_of(t, key);

	while (*at && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

static void entry_free(struct entry *e)
{
	if (e)
		free(e->texts);
	free(e);
}

static void drop(struct texts *t, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	t->bytes -= e->bytes;
	entry_free(e);
}

static void drop_all(struct texts *t)
{
	for (size_t i = 0; t->bytes > 0 && i < TEXTS_BUCKETS; i++) {
		while (t->bucket[i])
			drop(t, &t->bucket[i]);
	}
}

/* key: "<table>/<resource>" or "<table>/<resource>/...", or "pool/..." or "" */
static void on_store(const char *key, uint64_t revision, void *arg)
{
	const char *start = strchr(key, '/');
	char name[NAME_MAX_LEN + 1];
	struct texts *t = arg;
	struct entry **at;
	size_t len;

	if (!start || strncmp(key, "pool/", 5) == 0) {
		drop_all(t);
		t->all = true;
		return;
	}
	len = strcspn(++start, "/");
	if (len >= sizeof(name))
		return;
	memcpy(name, start, len);
	name[len] = '\0';
	at = find(t, name);
	if (*at)
		drop(t, at);
	if (t->leads)
		backlog_add(&t->cold, name);
}

struct texts *texts_new(struct api *a)
{
	static const char *const prefixes[TEXTS_WATCHES] = { "resource/", "record/", "replica/",
							     "pool/" };
	struct texts *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->api = a;
	for (int i = 0; i < TEXTS_WATCHES; i++) {
		t->watch[i] = store_watch(a->config.store, prefixes[i], on_store, t);
		if (!t->watch[i])
			abort(); /* without it wrong texts would be shown */
	}
	return t;
}

void texts_free(struct texts *t)
{
	if (!t)
		return;
	for (int i = 0; i < TEXTS_WATCHES; i++)
		store_unwatch(t->api->config.store, t->watch[i]);
	backlog_clear(&t->cold);
	drop_all(t);
	entry_free(t->loose);
	free(t);
}

size_t texts_kept(const struct texts *t)
{
	return t->bytes;
}

void texts_lead(struct texts *t, bool leads, int64_t now_ms)
{
	t->leads = t->all = leads;
	t->warm_ms = now_ms + OBSERVED_FRESH_MS;
	backlog_clear(&t->cold);
}

void texts_tick(struct texts *t, int64_t now_ms)
{
	uint64_t applied = store_applied(t->api->config.store);

	t->quiet = applied == t->applied;
	t->applied = applied;
	if (t->leads || now_ms - t->asked_ms < TEXTS_IDLE_MS)
		return;
	drop_all(t);
	entry_free(t->loose);
	t->loose = NULL;
}

/* what is observed of all replicas, as one number */
static uint64_t seen_of(struct texts *t, const struct entry *e, int64_t now_ms)
{
	uint64_t sum = 0;

	for (int i = 0; i < e->texts->n; i++)
		sum = sum * 31 +
		      observed_stamp(t->api->observed, e->texts->text[i].node, e->key, now_ms);
	return sum;
}

static const char *put(char **at, const char *text, size_t len)
{
	char *start = *at;

	memcpy(start, text, len);
	start[len] = '\0';
	*at += len + 1;
	return start;
}

static const char *pool_of(const struct replica *r)
{
	return r->diskless ? POOL_DISKLESS : r->pool;
}

static struct entry *make(struct texts *t, const char *key, const struct view *v)
{
	struct entry *e = calloc(1, sizeof(*e));
	size_t size = sizeof(*e->texts) + (size_t)v->n * sizeof(e->texts->text[0]);
	json *shown[REPLICAS_MAX];
	char *at;

	if (!e)
		abort();
	snprintf(e->key, sizeof(e->key), "%s", key);
	for (int i = 0; i < v->n; i++) {
		shown[i] = view_resource(t->api, v, i, true);
		size += strlen(v->rep[i].r.node) + strlen(pool_of(&v->rep[i].r)) +
			strlen(json_text(shown[i])) + 3;
	}
	e->texts = malloc(size);
	if (!e->texts)
		abort();
	e->bytes = sizeof(*e) + size;
	e->texts->n = v->n;
	at = (char *)&e->texts->text[v->n];
	for (int i = 0; i < v->n; i++) {
		struct view_text *text = &e->texts->text[i];
		const struct replica *r = &v->rep[i].r;

		text->len = strlen(json_text(shown[i]));
		text->node = put(&at, r->node, strlen(r->node));
		text->pool = put(&at, pool_of(r), strlen(pool_of(r)));
		text->json = put(&at, json_text(shown[i]), text->len);
		json_object_put(shown[i]);
	}
	return e;
}

static void keep(struct texts *t, struct entry *e)
{
	struct entry **bucket = bucket_of(t, e->key);

	if (t->bytes + e->bytes > TEXTS_KEPT_MAX) {
		entry_free(t->loose);
		t->loose = e;
		return;
	}
	e->next = *bucket;
	*bucket = e;
	t->bytes += e->bytes;
}

static const struct view_texts *texts_at(struct texts *t, const char *name, int64_t now_ms)
{
	struct entry **at = find(t, name), *e;
	struct view v;

	if (*at && seen_of(t, *at, now_ms) == (*at)->seen)
		return (*at)->texts;
	if (*at)
		drop(t, at);
	if (view_load(t->api, name, &v) < 0)
		return NULL;
	e = make(t, name, &v);
	view_release(&v);
	e->seen = seen_of(t, e, now_ms);
	keep(t, e);
	return e->texts;
}

const struct view_texts *texts_of(struct texts *t, const char *name)
{
	/* before anything is read: a node that falls silent meanwhile counts as different later */
	t->asked_ms = api_mono_ms();
	return texts_at(t, name, t->asked_ms);
}

bool texts_warm(struct texts *t, int64_t now_ms)
{
	int64_t end = now_ms + TEXTS_SLICE_MS;
	const char *name;

	if (!t->leads || !t->quiet || now_ms < t->warm_ms)
		return false;
	if (t->all && !backlog_has_rest(&t->cold) && survey_all(t->api, &t->cold))
		t->all = false;
	while (now_ms < end && (name = backlog_next(&t->cold)) != NULL) {
		entry_free(t->loose);
		t->loose = NULL;
		texts_at(t, name, now_ms);
		now_ms = api_mono_ms();
		if (t->loose) { /* there is no room for more: they would be made for nothing */
			backlog_clear(&t->cold);
			return false;
		}
	}
	return !backlog_is_empty(&t->cold);
}
