// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * leader.c - carries requests to whoever leads. Called by api.c for users'
 * requests and by daemon.c for the agent's and the data plane's. It knows calls
 * and connections, not what they ask.
 *
 * A request is tried again under the same request id until its deadline: the
 * store remembers the id, so that a second execution answers what the first did.
 * That makes it safe to leave a connection to a leader that no longer leads.
 *
 * Those that wait for a connection go in the order in which they came.
 */
#include "api/leader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "base/log.h"
#include "base/text.h"
#include "net/httpc.h"

struct client {
	struct api *api;
	struct httpc *http;
	char address[CONSENSUS_ADDRESS_MAX];
	bool busy;
};

enum pending_state { PENDING_DUE, PENDING_HERE, PENDING_AWAY };

struct pending {
	struct leader *owner;
	struct pending *prev, *next;
	char method[16];
	char *url;
	struct buf body;
	char id[CALL_ID_MAX + 1];
	char author[CALL_AUTHOR_MAX];
	unsigned who;
	int64_t since_ms, deadline_ms, try_ms, alive_ms;
	enum pending_state state;
	bool read;               /* GET: nothing can be executed twice */
	bool want_doc;           /* the answer is wanted parsed */
	bool too_large;          /* for any leader to take */
	bool too_many;           /* of others wait already */
	uint64_t number;         /* in the order in which they came */
	bool maybe;              /* some attempt may have been executed */
	uint32_t target;         /* Raft id of the leader it is at */
	struct attempt *attempt; /* the one whose answer counts */
	struct api_call *call;   /* PENDING_HERE */
	leader_cb cb;
	void *arg;
};

/* One try over a connection; outlives its pending when that was given up. */
struct attempt {
	struct pending *pending; /* NULL: nobody waits for it any more */
	struct client *client;
};

struct leader {
	struct api *api;
	struct pending *pending, *last; /* the oldest first */
	struct pending *next;           /* the one a tick looks at next */
	int n_pending, n_users;         /* of these for users */
	uint64_t came;
	struct client clients[LEADER_CLIENTS_MAX];
};

static void pending_free(struct pending *p)
{
	struct leader *l = p->owner;

	if (p->prev)
		p->prev->next = p->next;
	else
		l->pending = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		l->last = p->prev;
	if (l->next == p)
		l->next = p->next;
	l->n_pending--;
	l->n_users -= p->who != WHO_NODE;
	if (p->body.data)
		explicit_bzero(p->body.data, p->body.cap); /* a passphrase, perhaps */
	buf_release(&p->body);
	free(p->url);
	free(p);
}

static void answer(struct pending *p, const struct leader_answer *a)
{
	leader_cb cb = p->cb;
	void *arg = p->arg;

	if (p->attempt)
		p->attempt->pending = NULL;
	if (p->call)
		p->call->reply_arg = NULL; /* its answer comes too late */
	pending_free(p);
	cb(a, arg);
}

/* give: as of leader_answer */
static void answer_body(struct pending *p, int status, const struct buf *body, struct buf *give,
			uint64_t revision, bool reached)
{
	struct leader_answer a = {
		.status = status,
		.body = body,
		.give = give,
		.revision = revision,
		.reached = reached,
	};
	json *doc = NULL;

	if (p->want_doc && body->len > 0)
		json_parse((const char *)body->data, body->len, &doc, NULL);
	a.doc = doc;
	answer(p, &a);
	json_object_put(doc);
}

/* An answer made here: 503 when certainly nothing was done, else 504. */
static void give_up(struct pending *p, const char *why)
{
	int code = p->maybe ? -E_UNKNOWN : -E_NO_LEADER;
	struct buf body;
	struct err err;
	json *list;

	err_set(&err, code, "%s%s", why,
		p->maybe ? "; whether the change was made is not known" : "");
	list = call_error_list(0, 0, code, &err);
	buf_init(&body, HTTP_BODY_MAX);
	buf_append(&body, json_text(list), strlen(json_text(list)));
	json_object_put(list);
	answer_body(p, p->maybe ? 504 : 503, &body, NULL, 0, false);
	buf_release(&body);
}

static void give_up_late(struct pending *p)
{
	struct api *a = p->owner->api;
	char why[ERR_TEXT_MAX];
	char address[CONSENSUS_ADDRESS_MAX] = "";
	int64_t now = api_mono_ms();

	p->maybe |= p->state != PENDING_DUE && !p->read;
	if (p->too_large)
		snprintf(why, sizeof(why), "a request may have %u bytes at most", HTTP_BODY_MAX);
	else if (p->too_many)
		snprintf(why, sizeof(why), "%d requests wait for the leader: try again later",
			 p->owner->n_pending);
	else if (consensus_leader(a->config.consensus, address))
		snprintf(why, sizeof(why), "the leader at %s did not answer within %lld s", address,
			 (long long)(now - p->since_ms + 500) / 1000);
	else
		snprintf(why, sizeof(why),
			 "the cluster has had no leader for %lld s: changes wait until more than "
			 "half of its voters run and reach each other",
			 (long long)(now - a->leader_seen_ms + 500) / 1000);
	give_up(p, why);
}

static void again(struct pending *p)
{
	p->state = PENDING_DUE;
	p->try_ms = api_mono_ms() + LEADER_RETRY_MS;
	p->attempt = NULL;
	p->call = NULL;
	api_hurry(p->owner->api);
}

/* In this process */

static void on_own_reply(struct api_call *c, int status, const void *data, size_t len, void *arg)
{
	struct pending *p = arg;
	/* lent: lives as long as this call */
	struct buf body = { .data = (uint8_t *)(uintptr_t)data, .len = len };

	if (!p)
		return;
	p->call = NULL;
	if (c->moved != CALL_STAYS) {
		p->maybe |= c->moved == CALL_MOVED_MAYBE;
		again(p);
		return;
	}
	answer_body(p, status, &body, c->give, c->revision, true);
}

static void try_here(struct pending *p)
{
	struct api *a = p->owner->api;
	struct api_call *c = call_new(a, p->method, p->url, p->body.data, p->body.len);

	if (!c) {
		give_up(p, "the request is too large");
		return;
	}
	snprintf(c->id, sizeof(c->id), "%s", p->id);
	/* as it would be said of a request that another node has sent on */
	if (p->who == WHO_NODE)
		snprintf(c->author, sizeof(c->author), "%s", p->author);
	else
		snprintf(c->author, sizeof(c->author), "%.40s via %.40s", p->author,
			 a->config.node);
	snprintf(c->node, sizeof(c->node), "%s", a->config.node);
	c->node_id = a->config.node_id;
	c->who = p->who;
	c->hop = true;
	c->reply = on_own_reply;
	c->reply_arg = p;
	p->state = PENDING_HERE;
	p->call = c;
	p->target = a->config.node_id;
	api_dispatch(c);
}

/* Over a connection */

static struct client *client_for(struct leader *l, const char *address, int max)
{
	struct client *spare = NULL;
	char host[CONSENSUS_ADDRESS_MAX];
	struct err err;
	int port;

	for (int i = 0; i < max; i++) {
		struct client *c = &l->clients[i];

		if (c->busy)
			continue;
		if (c->http && strcmp(c->address, address) == 0)
			return c;
		if (!spare || !c->http)
			spare = c;
	}
	if (!spare)
		return NULL;
	if (text_host_port(address, 0, host, sizeof(host), &port, &err) < 0)
		return NULL;
	if (spare->http)
		httpc_free(spare->http);
	snprintf(spare->address, sizeof(spare->address), "%s", address);
	spare->api = l->api;
	spare->http = httpc_new_tls(l->api->config.loop, l->api->config.tls, ALPN_HTTP, host, port);
	return spare->http ? spare : NULL;
}

static uint64_t answer_revision(const struct httpc_answer *a)
{
	const char *text = a->header(a, "X-Revision");

	return text ? strtoull(text, NULL, 10) : 0;
}

static void on_answer(const struct httpc_answer *a, void *arg)
{
	struct attempt *t = arg;
	struct pending *p = t->pending;
	const char *elsewhere;

	t->client->busy = false;
	api_soon(t->client->api); /* others may wait for it */
	free(t);
	if (!p)
		return;
	p->attempt = NULL;
	if (a->error.code < 0) {
		log_debug("api", "request=%s leader=%u error=%s", p->id, p->target, a->error.text);
		p->maybe |= a->sent && !p->read;
		again(p);
		return;
	}
	elsewhere = a->header(a, "X-Sdsd-Leader");
	if (elsewhere) {
		p->maybe |= strcmp(elsewhere, "unknown") == 0 && !p->read;
		again(p);
		return;
	}
	answer_body(p, a->status, a->body, NULL, answer_revision(a), true);
}

static const char *origin_name(unsigned who)
{
	return who == WHO_NODE ? "node" : who == WHO_JOIN ? "join" : "user";
}

static void try_away(struct pending *p, uint32_t target, const char *address)
{
	struct leader *l = p->owner;
	struct client *client = client_for(
		l, address, p->who == WHO_NODE ? LEADER_CLIENTS_MAX : LEADER_CLIENTS_USERS);
	struct attempt *t;
	char headers[768];

	if (!client)
		return; /* all connections are busy: it stays due */
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	snprintf(headers, sizeof(headers),
		 "X-Request-Id: %s\r\nX-Sdsd-Origin: %s\r\nX-Sdsd-Author: %s\r\n", p->id,
		 origin_name(p->who), p->author);
	t->pending = p;
	t->client = client;
	client->busy = true;
	p->attempt = t;
	p->state = PENDING_AWAY;
	p->target = target;
	httpc_request(client->http, p->method, p->url, headers, p->body.data, p->body.len,
		      (int)(p->deadline_ms - api_mono_ms()) + 1, on_answer, t);
}

static void try_now(struct pending *p)
{
	struct api *a = p->owner->api;
	char address[CONSENSUS_ADDRESS_MAX];
	uint32_t id = consensus_leader(a->config.consensus, address);

	if (id == 0 || (id == a->config.node_id && !consensus_is_leader(a->config.consensus))) {
		again(p);
		return;
	}
	p->alive_ms = api_mono_ms();
	if (id == a->config.node_id)
		try_here(p);
	else
		try_away(p, id, address);
}

/* The leader it is at is not the leader any more, or the connection's end was not noticed:
 * the new one answers the same request id. */
static void leave_if_moved(struct pending *p)
{
	uint32_t id = consensus_leader(p->owner->api->config.consensus, NULL);

	if (p->state != PENDING_AWAY || id == 0 || id == p->target)
		return;
	p->attempt->pending = NULL;
	p->maybe |= !p->read;
	again(p);
}

static bool is_late(const struct pending *p, int64_t now)
{
	struct api *a = p->owner->api;
	int64_t seen_ms = p->alive_ms > a->leader_seen_ms ? p->alive_ms : a->leader_seen_ms;

	if (p->too_large || now >= p->deadline_ms)
		return true;
	if (p->state != PENDING_DUE || p->maybe)
		return false;
	/* who comes long after the leader went need not wait for it as long */
	if (p->read)
		return now - seen_ms >= LEADER_SEARCH_READ_MS;
	return now - seen_ms >= LEADER_SEARCH_MS && now - p->since_ms >= LEADER_SEARCH_LEAST_MS;
}

static void advance(struct pending *p, int64_t now)
{
	leave_if_moved(p);
	if (is_late(p, now))
		give_up_late(p);
	else if (p->state == PENDING_DUE && now >= p->try_ms)
		try_now(p);
}

/* An answer given here may end any other pending, and begin new ones: those are the next tick's. */
void leader_tick(struct leader *l)
{
	int64_t now = api_mono_ms();
	uint64_t came = l->came;
	struct pending *p;

	for (l->next = l->pending; (p = l->next) != NULL && p->number <= came;) {
		l->next = p->next;
		advance(p, now);
	}
	l->next = NULL;
}

bool leader_is_idle(const struct leader *l)
{
	return !l->pending;
}

static void copy_request(struct pending *p, const struct leader_request *r)
{
	snprintf(p->method, sizeof(p->method), "%s", r->method);
	p->url = strdup(r->url);
	if (!p->url)
		abort();
	buf_init(&p->body, HTTP_BODY_MAX);
	p->too_large = r->body_len > 0 && buf_append(&p->body, r->body, r->body_len) < 0;
	if (r->id)
		snprintf(p->id, sizeof(p->id), "%s", r->id);
	else
		text_uuid(p->id);
	snprintf(p->author, sizeof(p->author), "%s", r->author);
	p->who = r->who;
	p->read = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
	p->since_ms = api_mono_ms();
	p->try_ms = p->since_ms;
	p->deadline_ms = p->since_ms + r->deadline_ms;
}

static struct pending *add(struct leader *l, const struct leader_request *r, leader_cb cb,
			   void *arg)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	copy_request(p, r);
	p->owner = l;
	p->cb = cb;
	p->arg = arg;
	p->number = ++l->came;
	p->too_many = l->n_pending >= LEADER_CALLS_MAX ||
		      (p->who != WHO_NODE && l->n_users >= LEADER_CALLS_USERS);
	if (p->too_many)
		p->deadline_ms = 0; /* answered by the next tick: the callback never comes inside */
	p->prev = l->last;
	if (p->prev)
		p->prev->next = p;
	else
		l->pending = p;
	l->last = p;
	l->n_pending++;
	l->n_users += p->who != WHO_NODE;
	api_hurry(l->api);
	return p;
}

void leader_carry(struct leader *l, const struct leader_request *r, leader_cb cb, void *arg)
{
	add(l, r, cb, arg);
}

void leader_call(struct leader *l, const char *method, const char *path_and_query, const char *body,
		 const char *request_id, int deadline_ms, leader_cb cb, void *arg)
{
	char author[CALL_AUTHOR_MAX];
	struct leader_request r = {
		.method = method,
		.url = path_and_query,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.id = request_id,
		.author = author,
		.who = WHO_NODE,
		.deadline_ms = deadline_ms,
	};

	snprintf(author, sizeof(author), "node=%s", l->api->config.node);
	add(l, &r, cb, arg)->want_doc = true;
}

struct leader *leader_new(struct api *api)
{
	struct leader *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->api = api;
	return l;
}

void leader_free(struct leader *l)
{
	if (!l)
		return;
	while (l->pending)
		give_up(l->pending, "this node is stopping");
	for (int i = 0; i < LEADER_CLIENTS_MAX; i++) {
		if (l->clients[i].http)
			httpc_free(l->clients[i].http);
	}
	free(l);
}
