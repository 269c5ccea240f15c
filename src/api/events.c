// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * events.c - GET /v1/sds/events and LINSTOR's /v1/events/...: who listens, what
 * each has got, when there is more. Called through routes.c, by api.c when
 * something has changed, by the store's watch. What a stream says is read from
 * the store when there is room for it, so a slow client costs no memory; one that
 * takes nothing at all is cut and can go on where it was.
 */
#include "api/events.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/events_promotion.h"
#include "api/handlers.h"
#include "api/history.h"
#include "api/view.h"
#include "base/log.h"
#include "net/http_stream.h"

#define TICK_MS 500

enum event_kind { EVENTS_CHANGES, EVENTS_NODES, EVENTS_PROMOTION };

struct event_stream {
	struct events *owner;
	struct event_stream *prev, *next;
	struct http_stream *out;
	enum event_kind kind;
	uint64_t index;                /* the next one that it has not got */
	char object[STORE_KEY_MAX];    /* only what concerns it; "" */
	struct promotions *promotions; /* EVENTS_PROMOTION: what it was told */
	bool state;                    /* it has to be told of changed state */
	bool broken;                   /* cut at the next opportunity */
	int64_t said_ms;               /* something was written then */
	int64_t state_ms;              /* "state" was */
	int64_t moved_ms;              /* it took something, or nothing waited */
	uint64_t taken;                /* until then */
};

struct events {
	struct api *api;
	struct event_stream *streams;
	int n;
	struct store_watch *watch;
	uv_timer_t tick, kick;
	int handles; /* not closed yet */
	bool closing;
	uint32_t leader;    /* at the last tick */
	int64_t heard;      /* version of the leader's observations, as of its last answer */
	int64_t asked_ms;   /* the leader was asked for promotions then */
	bool asking, again; /* an answer is on its way; something has changed meanwhile */
};

static void stream_free(struct event_stream *s)
{
	struct events *e = s->owner;

	if (s->prev)
		s->prev->next = s->next;
	else
		e->streams = s->next;
	if (s->next)
		s->next->prev = s->prev;
	e->n--;
	if (e->n == 0 && !e->closing)
		uv_timer_stop(&e->tick);
	promotions_free(s->promotions);
	free(s);
}

static void stream_cut(struct event_stream *s)
{
	log_info("api", "a stream of events is cut: its client takes nothing");
	http_stream_end(s->out, true);
	stream_free(s);
}

static void put(struct event_stream *s, const struct buf *text)
{
	if (http_stream_write(s->out, text->data, text->len) < 0)
		s->broken = true;
	s->said_ms = api_mono_ms();
}

/* id 0: none */
static void put_event(struct event_stream *s, uint64_t id, const char *name, json *data)
{
	struct buf text;

	buf_init(&text, HTTP_STREAM_UNSENT_MAX);
	if (id > 0)
		buf_printf(&text, "id: %llu\n", (unsigned long long)id);
	if (buf_printf(&text, "event: %s\ndata: %s\n\n", name, json_text(data)) < 0)
		s->broken = true;
	else
		put(s, &text);
	buf_release(&text);
	json_object_put(data);
}

/* What is committed */

static void put_node_events(struct event_stream *s, json *entry)
{
	json *changes = jget(entry, "changes");
	struct store *store = s->owner->api->config.store;

	for (size_t i = 0; i < json_object_array_length(changes); i++) {
		json *change = json_object_array_get_idx(changes, i), *data, *doc, *node = NULL;
		const char *key = jget_str(change, "key", ""), *op = jget_str(change, "op", "");

		if (strncmp(key, "node/", 5) != 0 || strcmp(op, "changed") == 0)
			continue;
		if (strcmp(op, "made") == 0 && store_get(store, key, &doc, NULL) == 0) {
			node = view_node(s->owner->api, doc);
			json_object_put(doc);
		}
		if (!node) { /* gone: its name, as the key has it */
			node = view_object();
			jset_str(node, "name", key + 5);
		}
		data = view_object();
		jset(data, "node", node);
		put_event(s, 0, strcmp(op, "made") == 0 ? "node-create" : "node-delete", data);
	}
}

static int put_entry(uint64_t index, json *entry, void *arg)
{
	struct event_stream *s = arg;

	s->index = index + 1;
	if (s->kind == EVENTS_NODES)
		put_node_events(s, entry);
	else if (history_concerns(entry, s->object))
		put_event(s, index, "change", json_object_get(history_view(index, entry)));
	return s->broken || http_stream_unsent(s->out) > EVENT_UNSENT_MAX;
}

/* What it waits for is gone, or never was: from here on it gets what comes. */
static void reset_if_lost(struct event_stream *s)
{
	struct store *store = s->owner->api->config.store;
	json *data;

	if (s->index > store_history_floor(store) && s->index <= store_applied(store) + 1)
		return;
	data = view_object();
	jset_i64(data, "applied", (int64_t)store_applied(store));
	jset_i64(data, "floor", (int64_t)store_history_floor(store));
	s->index = store_applied(store) + 1;
	if (s->kind == EVENTS_CHANGES)
		put_event(s, store_applied(store), "reset", data);
	else
		json_object_put(data);
}

static void put_changes(struct event_stream *s)
{
	if (http_stream_unsent(s->out) > EVENT_UNSENT_MAX)
		return; /* goes on in on_room */
	reset_if_lost(s);
	if (!s->broken && store_history(s->owner->api->config.store, s->index, put_entry, s) < 0)
		s->broken = true;
}

/* Who may be promoted */

static void put_promotion(const char *resource, const char *node, bool may, void *arg)
{
	json *data = view_object();

	jset_str(data, "resource_name", resource);
	jset_str(data, "node_name", node);
	jset_bool(data, "may_promote", may);
	put_event(arg, 0, "may-promote-change", data);
}

static void sweep(struct events *e)
{
	struct event_stream *next;

	for (struct event_stream *s = e->streams; s; s = next) {
		next = s->next;
		if (s->broken)
			stream_cut(s);
	}
}

static void ask_promotions(struct events *e);

static void on_promotions(const struct leader_answer *answer, void *arg)
{
	struct events *e = arg;
	bool again = e->again;

	e->asking = e->again = false;
	if (e->closing)
		return;
	for (struct event_stream *s = e->streams; s && answer->status == 200; s = s->next) {
		if (s->kind == EVENTS_PROMOTION)
			promotions_update(s->promotions, answer->doc, put_promotion, s);
	}
	sweep(e);
	/* asked again by the tick, not at once: an answer may be long */
	e->again = again || answer->status != 200;
}

/* The leader knows, also for the streams of this node if that is another one. */
static void ask_promotions(struct events *e)
{
	bool wanted = false;

	for (struct event_stream *s = e->streams; s; s = s->next)
		wanted |= s->kind == EVENTS_PROMOTION;
	if (!wanted || e->closing)
		return;
	if (e->asking || api_mono_ms() - e->asked_ms < EVENT_STATE_MS) {
		e->again = true;
		return;
	}
	e->asking = true;
	e->again = false;
	e->asked_ms = api_mono_ms();
	leader_call(e->api->leader, "GET", "/v1/sds/promotions", NULL, NULL, EVENT_STALL_MS,
		    on_promotions, e);
}

/* Time */

static void put_state(struct event_stream *s, int64_t now)
{
	if (!s->state || s->kind != EVENTS_CHANGES || now - s->state_ms < EVENT_STATE_MS)
		return;
	s->state = false;
	s->state_ms = now;
	put_event(s, 0, "state", view_object());
}

static void look_after(struct event_stream *s, int64_t now)
{
	static const char comment[] = ": \n\n";
	struct buf text = { .data = (uint8_t *)(uintptr_t)comment, .len = sizeof(comment) - 1 };

	put_state(s, now);
	if (now - s->said_ms >= EVENT_COMMENT_MS)
		put(s, &text);
	if (http_stream_unsent(s->out) == 0 || http_stream_taken(s->out) != s->taken)
		s->moved_ms = now;
	else if (now - s->moved_ms >= EVENT_STALL_MS)
		s->broken = true;
	s->taken = http_stream_taken(s->out);
}

static void on_tick(uv_timer_t *t)
{
	struct events *e = t->data;
	uint32_t leader = consensus_leader(e->api->config.consensus, NULL);
	int64_t now = api_mono_ms();

	if (leader != e->leader) {
		e->leader = leader;
		events_state(e);
	}
	for (struct event_stream *s = e->streams; s; s = s->next)
		look_after(s, now);
	if (e->again)
		ask_promotions(e);
	sweep(e);
}

static void on_kick(uv_timer_t *t)
{
	struct events *e = t->data;

	for (struct event_stream *s = e->streams; s; s = s->next) {
		if (s->kind != EVENTS_PROMOTION)
			put_changes(s);
	}
	ask_promotions(e);
	sweep(e);
}

/* called for each key of a transaction: looked at once, after all of them */
static void on_store(const char *key, uint64_t revision, void *arg)
{
	struct events *e = arg;

	if (e->streams)
		uv_timer_start(&e->kick, on_kick, 0, 0);
}

void events_state(struct events *e)
{
	int64_t now = api_mono_ms();

	for (struct event_stream *s = e->streams; s; s = s->next) {
		s->state = true;
		put_state(s, now);
	}
	ask_promotions(e);
}

void events_heard(struct events *e, json *answer)
{
	int64_t state = jget_i64_or(answer, "state", -1);

	if (state < 0 || state == e->heard)
		return;
	e->heard = state;
	events_state(e);
}

int events_count(const struct events *e)
{
	return e->n;
}

/* Begin and end of a stream */

static void on_room(void *owner)
{
	struct event_stream *s = owner;

	if (s->kind != EVENTS_PROMOTION && !s->broken)
		put_changes(s);
}

static void on_gone(void *owner)
{
	stream_free(owner);
}

static const struct http_stream_ops stream_ops = {
	.on_room = on_room,
	.on_gone = on_gone,
};

struct beginning { /* a call that becomes a stream in the next turn of the loop */
	struct api_call *call;
	struct event_stream *stream; /* not in the list yet */
};

static bool at_once(void *arg, int64_t waited_ms)
{
	return true;
}

static void enter(struct events *e, struct event_stream *s)
{
	s->owner = e;
	s->next = e->streams;
	if (s->next)
		s->next->prev = s;
	e->streams = s;
	if (e->n++ == 0) {
		e->leader = consensus_leader(e->api->config.consensus, NULL);
		uv_timer_start(&e->tick, on_tick, TICK_MS, TICK_MS);
	}
	s->said_ms = s->moved_ms = api_mono_ms();
}

static void begin(void *arg, bool in_time)
{
	struct beginning *b = arg;
	struct api_call *c = b->call;
	struct event_stream *s = b->stream;
	struct events *e = c->api->events;
	struct err err;

	free(b);
	if (in_time && e->n < EVENT_STREAMS_MAX)
		s->out = http_stream_begin(c->http, "text/event-stream", &stream_ops, s);
	if (!s->out) {
		promotions_free(s->promotions);
		free(s);
		if (in_time && e->n >= EVENT_STREAMS_MAX)
			err_set(&err, -EBUSY, "this node has %d streams of events: close some",
				EVENT_STREAMS_MAX);
		else
			err_set(&err, -EBUSY, "a stream of events needs a connection of its own");
		c->error_status = 503;
		call_fail(c, -EBUSY, &err);
		return;
	}
	call_drop(c);
	enter(e, s);
	uv_timer_start(&e->kick, on_kick, 0, 0);
}

static void start(struct api_call *c, struct event_stream *s)
{
	struct beginning *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	*b = (struct beginning){ c, s };
	wait_start(c->api, EVENT_STALL_MS, at_once, begin, b);
}

static struct event_stream *stream_new(struct api_call *c, enum event_kind kind)
{
	struct event_stream *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->kind = kind;
	s->index = store_applied(c->api->config.store) + 1;
	return s;
}

/* false: the call was answered */
static bool from_http(struct api_call *c)
{
	struct err err;

	if (c->http)
		return true;
	err_set(&err, -EOPNOTSUPP, "a stream of events is for clients of HTTP");
	call_fail(c, -EOPNOTSUPP, &err);
	return false;
}

static bool is_number(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n < 19 && text[n] == '\0';
}

/* Where it begins: behind Last-Event-ID, at from, or with what comes. false: it was answered */
static bool query_start(struct api_call *c, uint64_t *ret)
{
	const char *last = http_header(c->http, "Last-Event-ID");
	char from[32];
	struct err err;
	int rv = http_query_value(c->query, "from", 0, from, sizeof(from));

	if (last && last[0]) {
		if (is_number(last)) {
			*ret = strtoull(last, NULL, 10) + 1;
			return true;
		}
	} else if (rv == -ENOENT) {
		return true;
	} else if (rv == 0 && is_number(from)) {
		*ret = strtoull(from, NULL, 10);
		return true;
	}
	err_set(&err, -E_INVALID, "%s must be the number of an event",
		last && last[0] ? "Last-Event-ID" : "from");
	c->error_status = 400;
	call_fail(c, -E_INVALID, &err);
	return false;
}

void events_changes(struct api_call *c)
{
	uint64_t index = store_applied(c->api->config.store) + 1;
	char object[STORE_KEY_MAX];
	struct event_stream *s;

	if (!from_http(c) || !query_start(c, &index) || !history_query_object(c, object))
		return;
	s = stream_new(c, EVENTS_CHANGES);
	s->index = index > 0 ? index : 1;
	memcpy(s->object, object, sizeof(object));
	start(c, s);
}

void events_nodes(struct api_call *c)
{
	if (from_http(c))
		start(c, stream_new(c, EVENTS_NODES));
}

void events_promotion(struct api_call *c)
{
	struct event_stream *s;
	const char *last;

	if (!from_http(c))
		return;
	last = http_header(c->http, "Last-Event-ID");
	s = stream_new(c, EVENTS_PROMOTION);
	s->promotions = promotions_new(last && strcmp(last, "current") == 0);
	start(c, s);
}

struct events *events_new(struct api *a)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		abort();
	e->api = a;
	e->heard = -1;
	e->asked_ms = -EVENT_STATE_MS;
	e->watch = store_watch(a->config.store, "", on_store, e);
	if (!e->watch || uv_timer_init(a->config.loop, &e->tick) < 0 ||
	    uv_timer_init(a->config.loop, &e->kick) < 0)
		abort();
	e->tick.data = e->kick.data = e;
	e->handles = 2;
	return e;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct events *e = h->data;

	if (--e->handles == 0)
		free(e);
}

void events_free(struct events *e)
{
	if (!e)
		return;
	e->closing = true;
	store_unwatch(e->api->config.store, e->watch);
	while (e->streams) {
		http_stream_end(e->streams->out, false);
		stream_free(e->streams);
	}
	uv_close((uv_handle_t *)&e->tick, on_handle_closed);
	uv_close((uv_handle_t *)&e->kick, on_handle_closed);
}
