// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * view_texts.c - made by view_shape.c and status.c, kept here, squeezed: they are alike, and a list
 * of ten thousand resources takes more memory than all else that a daemon needs. A text shows
 * documents of its resource and the kinds of pools: the store's watches drop what they concern. And
 * it shows what the nodes of its replicas report, and whether they do: that is compared whenever it
 * is asked for, as one number, since nodes also fall silent. Called by replicas.c, status.c and
 * metrics.c on the main loop, and by api.c on the leader, which has them made while nothing else
 * changes, so that a list finds them.
 */
#include "api/view_texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/squeeze.h"

#define TEXTS_BUCKETS 8192
#define TEXTS_WATCHES 5
#define TEXTS_SLICE_MS 10 /* of making them before they are asked for */

struct entry {
	struct entry *next;
	char key[NAME_MAX_LEN + 1]; /* of the resource */
	uint64_t seen;              /* of its replicas: seen_of() */
	struct view_summary sum;
	uint8_t *block;   /* owned: all texts, pack(), squeezed */
	size_t block_len; /* bytes */
	size_t len;       /* of the texts as they are */
	uint32_t n;       /* replicas */
	char nodes[];     /* theirs, one behind the other, each with its 0 */
};

struct texts {
	struct api *api;
	struct store_watch *watch[TEXTS_WATCHES];
	struct entry *bucket[TEXTS_BUCKETS];
	size_t bytes;            /* of all entries */
	struct buf raw;          /* the texts of the resource that was asked for last */
	struct view_texts shown; /* in it */
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

static size_t nodes_len(const struct entry *e)
{
	size_t len = 0;

	for (uint32_t i = 0; i < e->n; i++)
		len += strlen(e->nodes + len) + 1;
	return len;
}

static size_t bytes_of(const struct entry *e)
{
	return sizeof(*e) + nodes_len(e) + e->block_len;
}

static void entry_free(struct entry *e)
{
	free(e->block);
	free(e);
}

static void drop(struct texts *t, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	t->bytes -= bytes_of(e);
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
							     "scrub/", "pool/" };
	struct texts *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->api = a;
	buf_init(&t->raw, SQUEEZE_MAX);
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
	buf_release(&t->raw);
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
	buf_release(&t->raw);
}

/* what is observed of all replicas, as one number */
static uint64_t seen_of(struct texts *t, const struct entry *e, int64_t now_ms)
{
	const char *node = e->nodes;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < e->n; i++) {
		sum = sum * 31 + observed_stamp(t->api->observed, node, e->key, now_ms);
		node += strlen(node) + 1;
	}
	return sum;
}

/* with its 0 */
static void put(struct buf *b, const char *text)
{
	if (buf_append(b, text, strlen(text) + 1) < 0)
		abort();
}

/* All texts of a resource, one behind the other: its name; node, pool and JSON of each replica; its
 * status, which is empty when it would not hold. */
static void pack(struct texts *t, const struct view *v, struct view_summary *ret)
{
	json *o = status_resource(t->api, v, ret);
	bool away = false;

	buf_clear(&t->raw);
	put(&t->raw, v->res.name);
	for (int i = 0; i < v->n; i++) {
		json *shown = view_resource(t->api, v, i, true);

		put(&t->raw, v->rep[i].r.node);
		put(&t->raw, v->rep[i].r.diskless ? POOL_DISKLESS : v->rep[i].r.pool);
		put(&t->raw, json_text(shown));
		json_object_put(shown);
		away |= !v->rep[i].online;
	}
	put(&t->raw, away ? "" : json_text(o));
	json_object_put(o);
}

static const char *next(const char **at, size_t *ret_len)
{
	const char *text = *at;

	*ret_len = strlen(text);
	*at += *ret_len + 1;
	return text;
}

/* of t->raw */
static const struct view_texts *show(struct texts *t, const struct view_summary *sum, int n)
{
	struct view_texts *s = &t->shown;
	const char *at = (const char *)t->raw.data;
	size_t len;

	s->name = next(&at, &len);
	s->sum = *sum;
	s->n = n;
	for (int i = 0; i < n; i++) {
		s->text[i].node = next(&at, &len);
		s->text[i].pool = next(&at, &len);
		s->text[i].json = next(&at, &s->text[i].len);
	}
	s->status = next(&at, &s->status_len);
	if (s->status_len == 0)
		s->status = NULL;
	return s;
}

static const struct view_texts *show_kept(struct texts *t, const struct entry *e)
{
	buf_clear(&t->raw);
	if (buf_extend(&t->raw, e->len) < 0)
		abort();
	unsqueeze(e->block, e->block_len, t->raw.data, e->len);
	return show(t, &e->sum, (int)e->n);
}

/* of t->raw */
static struct entry *make(struct texts *t, const char *key, const struct view *v,
			  const struct view_summary *sum)
{
	size_t len = 0;
	struct entry *e;

	for (int i = 0; i < v->n; i++)
		len += strlen(v->rep[i].r.node) + 1;
	e = calloc(1, sizeof(*e) + len);
	if (!e)
		abort();
	snprintf(e->key, sizeof(e->key), "%s", key);
	e->sum = *sum;
	len = 0;
	for (e->n = 0; e->n < (uint32_t)v->n; e->n++) {
		const char *node = v->rep[e->n].r.node;

		memcpy(e->nodes + len, node, strlen(node));
		len += strlen(node) + 1;
	}
	e->len = t->raw.len;
	e->block = squeeze(t->raw.data, t->raw.len, &e->block_len);
	return e;
}

/* false: there is no room */
static bool keep(struct texts *t, struct entry *e)
{
	struct entry **bucket = bucket_of(t, e->key);

	if (t->bytes + bytes_of(e) > TEXTS_KEPT_MAX) {
		entry_free(e);
		return false;
	}
	e->next = *bucket;
	*bucket = e;
	t->bytes += bytes_of(e);
	return true;
}

/* ret_kept: it is kept */
static const struct view_texts *texts_at(struct texts *t, const char *name, int64_t now_ms,
					 bool *ret_kept)
{
	struct entry **at = find(t, name), *e;
	struct view_summary sum;
	struct view v;

	*ret_kept = true;
	if (*at && seen_of(t, *at, now_ms) == (*at)->seen)
		return show_kept(t, *at);
	if (*at)
		drop(t, at);
	if (view_load(t->api, name, &v) < 0)
		return NULL;
	pack(t, &v, &sum);
	e = make(t, name, &v, &sum);
	e->seen = seen_of(t, e, now_ms);
	*ret_kept = keep(t, e);
	show(t, &sum, v.n);
	view_release(&v);
	return &t->shown;
}

const struct view_texts *texts_of(struct texts *t, const char *name)
{
	bool kept;

	/* before anything is read: a node that falls silent meanwhile counts as different later */
	t->asked_ms = api_mono_ms();
	return texts_at(t, name, t->asked_ms, &kept);
}

bool texts_warm(struct texts *t, int64_t now_ms)
{
	int64_t end = now_ms + TEXTS_SLICE_MS;
	const char *name;
	bool kept;

	if (!t->leads || !t->quiet || now_ms < t->warm_ms)
		return false;
	if (t->all && !backlog_has_rest(&t->cold) && survey_all(t->api, &t->cold))
		t->all = false;
	while (now_ms < end && (name = backlog_next(&t->cold)) != NULL) {
		texts_at(t, name, now_ms, &kept);
		now_ms = api_mono_ms();
		if (!kept) { /* there is no room for more: they would be made for nothing */
			backlog_clear(&t->cold);
			return false;
		}
	}
	return !backlog_is_empty(&t->cold);
}
