// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer.c - requests to single nodes, over the node port or, to this one, in this
 * process. Called by snapshot_take.c and adopt.c. It knows calls and connections, not what they
 * ask.
 */
#include "api/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "model/node.h"
#include "net/httpc.h"

struct peer { /* a connection, with one call at a time */
	struct peer *next;
	struct api *api;
	struct httpc *http; /* NULL: to this node */
	struct api_call *here;
	bool beginning; /* here: the call has not returned yet */
	char address[ADDRESS_LEN_MAX + 16];
	bool busy;
	peer_cb cb;
	void *arg;
};

static void drop(struct api *a, struct peer *p)
{
	struct peer **at = &a->peers;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (p->http)
		httpc_free(p->http);
	free(p);
}

/* p is not busy any more: the longest kept of too many goes, which is not p, as its connection is
 * just telling us. */
static void keep(struct peer *p)
{
	struct peer *oldest = NULL;
	int n_idle = 0;

	p->busy = false;
	for (struct peer *q = p->api->peers; q; q = q->next) {
		n_idle += !q->busy;
		oldest = q->busy || q == p ? oldest : q; /* the newest are first */
	}
	if (n_idle > PEER_IDLE_MAX)
		drop(p->api, oldest);
}

static void finish(struct peer *p, int http, const void *data, size_t len)
{
	json *doc = NULL;
	peer_cb cb = p->cb;
	void *arg = p->arg;

	p->here = NULL;
	keep(p);
	if (len > 0)
		json_parse(data, len, &doc, NULL);
	cb(http, doc, arg);
	json_object_put(doc);
}

static void on_answer(const struct httpc_answer *a, void *arg)
{
	if (a->error.code < 0)
		finish(arg, 0, NULL, 0);
	else
		finish(arg, a->status, a->body->data, a->body->len);
}

/* An answer that is known already: nobody expects it inside of his call. */
struct late {
	int http;
	json *doc; /* owned */
	peer_cb cb;
	void *arg;
};

static bool at_once(void *arg, int64_t waited_ms)
{
	return true;
}

static void tell(void *arg, bool in_time)
{
	struct late *l = arg;

	l->cb(l->http, l->doc, l->arg);
	json_object_put(l->doc);
	free(l);
}

/* takes doc */
static void tell_later(struct api *a, int http, json *doc, peer_cb cb, void *arg)
{
	struct late *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	*l = (struct late){ http, doc, cb, arg };
	wait_start(a, 0, at_once, tell, l);
}

static void on_own_reply(struct api_call *c, int status, const void *data, size_t len, void *arg)
{
	struct peer *p = arg;
	json *doc = NULL;

	if (!p)
		return;
	if (!p->beginning) {
		finish(p, status, data, len);
		return;
	}
	if (len > 0)
		json_parse(data, len, &doc, NULL);
	p->here = NULL;
	keep(p);
	tell_later(p->api, status, doc, p->cb, p->arg);
}

static void say_full(struct api *a, const char *node)
{
	int64_t now = api_mono_ms();

	if (a->peers_full_ms && now - a->peers_full_ms < PEER_FULL_EVERY_MS)
		return;
	a->peers_full_ms = now;
	log_warn("api", "node=%s not asked: %d requests to nodes are under way", node,
		 PEER_CALLS_MAX);
}

/* an idle one to that address, or a new one; NULL: too many are under way */
static struct peer *peer_for(struct api *a, const char *node, const char *address)
{
	struct peer *p;
	int n_busy = 0;

	for (p = a->peers; p; p = p->next) {
		if (!p->busy && strcmp(p->address, address) == 0)
			return p;
		n_busy += p->busy;
	}
	if (n_busy >= PEER_CALLS_MAX) {
		say_full(a, node);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->api = a;
	snprintf(p->address, sizeof(p->address), "%s", address);
	p->next = a->peers;
	a->peers = p;
	return p;
}

static bool find_node(struct api *a, const char *name, struct node *ret)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	bool found;

	node_key(name, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return false;
	found = node_parse(doc, ret, NULL) == 0;
	json_object_put(doc);
	return found;
}

static void call_here(struct peer *p, const char *method, const char *path, const char *text)
{
	struct api *a = p->api;
	struct api_call *c = call_new(a, method, path, text, strlen(text));

	if (!c)
		abort(); /* a path of ours is one */
	snprintf(c->author, sizeof(c->author), "node=%s", a->config.node);
	snprintf(c->node, sizeof(c->node), "%s", a->config.node);
	c->node_id = a->config.node_id;
	c->who = WHO_NODE;
	c->hop = true;
	c->reply = on_own_reply;
	c->reply_arg = p;
	p->here = c;
	p->beginning = true;
	api_dispatch(c);
	p->beginning = false;
}

void peer_call(struct api *a, const char *node, const char *method, const char *path, json *body,
	       int deadline_ms, peer_cb cb, void *arg)
{
	const char *text = body ? json_text(body) : "";
	bool here = strcasecmp(node, a->config.node) == 0;
	char address[ADDRESS_LEN_MAX + 16] = "";
	struct peer *p = NULL;
	struct node n;

	if (here || find_node(a, node, &n)) {
		if (!here)
			snprintf(address, sizeof(address), "%s %d", n.address, n.port);
		p = peer_for(a, node, address);
	}
	if (p && !here && !p->http)
		p->http =
			httpc_new_tls(a->config.loop, a->config.tls, ALPN_HTTP, n.address, n.port);
	if (!p || (!here && !p->http)) {
		tell_later(a, 0, NULL, cb, arg);
		return;
	}
	p->busy = true;
	p->cb = cb;
	p->arg = arg;
	if (here)
		call_here(p, method, path, text);
	else
		httpc_request(p->http, method, path, NULL, text, strlen(text), deadline_ms,
			      on_answer, p);
}

void peer_abandon(struct api *a)
{
	while (a->peers) {
		struct peer *p = a->peers;

		if (p->here) {
			p->here->reply_arg = NULL; /* its answer comes too late */
			finish(p, 0, NULL, 0);
		}
		drop(a, p);
	}
}
