// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * api.c - from an HTTP request to the place that answers it, and back. Called by
 * the servers that daemon.c sets up (unix socket, node port, join) and by
 * leader.c for requests of this process. It knows who may ask what, and that
 * some answers are the leader's; it knows no objects.
 *
 * A user's request goes the same way on every node, the leader included: carried
 * by leader.c, which tries again when leadership moves in the middle. What a
 * node sends on arrives as a hop and is answered or sent back, never carried on.
 */
#include "api/api.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/peer.h"
#include "api/snapshot_take.h"
#include "api/state.h"
#include "api/view_texts.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/log.h"
#include "cluster/pki.h"

#define CARRY_MS 30000       /* longest a user waits for an answer */
#define APPLIED_WAIT_MS 2000 /* for the own store to catch up with what the leader answered */

int64_t api_mono_ms(void)
{
	return (int64_t)(clock_boot_ns() / 1000000);
}

struct change_env api_env(struct api *a)
{
	return (struct change_env){
		.store = a->config.store,
		.observed = a->observed,
		.now_ms = clock_wall_ms(),
		.mono_ms = api_mono_ms(),
		.uuid = text_uuid,
	};
}

void api_get(struct api *a)
{
	a->refs++;
}

void api_put(struct api *a)
{
	if (--a->refs > 0)
		return;
	observed_free(a->observed);
	json_object_put(a->listeners);
	free(a);
}

/* Time */

/* While nodes wait for their part in Raft the cluster is more vulnerable than it must be. */
static bool members_settled(struct api *a)
{
	struct consensus_server server[CONSENSUS_SERVERS_MAX];
	int n = consensus_servers(a->config.consensus, server, CONSENSUS_SERVERS_MAX), voters = 0;

	for (int i = 0; i < n && i < CONSENSUS_SERVERS_MAX; i++)
		voters += server[i].role == CONSENSUS_VOTER;
	return n == a->n_nodes && voters == members_voters_wanted(n);
}

static int tick_period_ms(struct api *a)
{
	return !a->members || members_settled(a) ? API_TICK_MS : API_UNSETTLED_MS;
}

/* The timer counts from the loop's time, which is older than now by what was done in between: one
 * that comes some milliseconds too early is in time, or every other tick would be left out. */
static bool slow_tick_is_due(struct api *a, int64_t now)
{
	return now - a->tick_ms >= tick_period_ms(a) - API_FAST_MS / 2;
}

static void slow_tick(struct api *a, int64_t now)
{
	a->tick_ms = now;
	texts_tick(a->texts, now);
	if (a->members) {
		api_update_members(a);
		api_observe(a);
		api_reap(a);
		take_tick(a);
		clone_tick(a);
		schedules_tick(a);
		upkeep_tick(a);
		balance_tick(a);
		scrub_tick(a);
		services_look(a);
	}
}

static void on_tick(uv_timer_t *t)
{
	struct api *a = t->data;
	int64_t now = api_mono_ms();
	int period_ms = API_FAST_MS;
	bool more;

	if (consensus_leader(a->config.consensus, NULL))
		a->leader_seen_ms = now;
	wait_check(a);
	leader_tick(a->leader);
	more = a->members && survey_tick(a);
	more |= a->members && texts_warm(a->texts, api_mono_ms());
	if (slow_tick_is_due(a, now))
		slow_tick(a, now);
	else if (services_has_more(a))
		services_look(a);
	more |= services_has_more(a);
	if (!a->waits && !more && leader_is_idle(a->leader))
		period_ms = tick_period_ms(a);
	if (period_ms != a->period_ms) {
		a->period_ms = period_ms;
		uv_timer_start(&a->timer, on_tick, (uint64_t)period_ms, (uint64_t)period_ms);
	}
}

void api_hurry(struct api *a)
{
	if (a->closing)
		return;
	a->period_ms = API_FAST_MS;
	uv_timer_start(&a->timer, on_tick, 0, API_FAST_MS);
}

/* Not at once: a timer that is due again in the loop's present time keeps the loop from polling */
void api_soon(struct api *a)
{
	if (!a->closing)
		uv_timer_start(&a->timer, on_tick, 1, API_FAST_MS);
}

/* Members */

struct wishes {
	struct api *api;
	struct member_wish wish[CONSENSUS_SERVERS_MAX];
	int n;
	int64_t now;
};

static bool node_reachable(struct api *a, const char *node, int64_t now)
{
	if (strcasecmp(node, a->config.node) == 0)
		return true;
	if (observed_online(a->observed, node, now))
		return true;
	return observed_awaited(a->observed, node, now);
}

static int add_wish(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct wishes *w = arg;
	struct member_wish *wish;
	struct node node;
	struct err err;

	if (w->n == CONSENSUS_SERVERS_MAX || node_is_barred(doc))
		return 0;
	if (node_parse(doc, &node, &err) < 0) {
		/* a wish that lacks one node would remove it from the configuration */
		log_error("api", "key=%s error=%s", key, err.text);
		return -E_CORRUPT;
	}
	wish = &w->wish[w->n++];
	wish->id = node.id;
	consensus_address(node.address, node.port, wish->address);
	wish->reachable = node_reachable(w->api, node.name, w->now);
	return 0;
}

void api_hold_members(struct api *a, bool hold)
{
	a->members_held = hold;
}

void api_update_members(struct api *a)
{
	struct wishes *w;

	if (a->members_held)
		return;
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->api = a;
	w->now = api_mono_ms();
	/* an empty store (before the first transaction) wishes nothing */
	if (store_list(a->config.store, "node/", add_wish, w) == 0 && w->n > 0)
		members_update(a->members, w->wish, w->n);
	a->n_nodes = w->n;
	free(w);
}

void api_on_leader(struct api *a, bool is_leader)
{
	observed_clear(a->observed);
	if (is_leader && !a->members) {
		a->led_since_ms = api_mono_ms();
		observed_begin(a->observed, a->led_since_ms);
		a->members = members_new(a->config.consensus);
		survey_begin(a);
		texts_lead(a->texts, true, a->led_since_ms);
		api_update_members(a);
	} else if (!is_leader && a->members) {
		a->led_since_ms = -1;
		members_free(a->members);
		a->members = NULL;
		survey_end(a);
		texts_lead(a->texts, false, api_mono_ms());
		balance_stop(a);
		services_stop(a);
	}
	if (!a->closing)
		api_hurry(a);
}

/* The way of a request */

static void no_route(struct api_call *c, int rv)
{
	json *list = rc_list();
	int status = rv == -EOPNOTSUPP ? 405 : rv == -ENOENT ? 404 : 400;

	if (status == 405) {
		router_methods(api_routes, api_routes_count(), c->path, c->who, c->allow,
			       sizeof(c->allow));
		if (!c->allow[0])
			status = 404; /* it has none for the likes of him */
	}
	if (status == 405 && strcmp(c->method, "OPTIONS") == 0)
		status = 200;
	else if (status == 405)
		rc_add(list, rc_code(RC_ERROR, 0, 0, RC_UNKNOWN_ERROR),
		       "%s is not possible on %.200s", c->method, c->path);
	else if (status == 404)
		rc_add(list, rc_code(RC_ERROR, 0, 0, RC_UNKNOWN_ERROR),
		       "There is no %.200s in this API", c->path);
	else
		rc_add(list, RC_PARSE_ERROR,
		       "The path %.200s has a bad escape or an element that is too long", c->path);
	call_reply_json(c, status, list);
}

static void forbid(struct api_call *c, const char *why)
{
	struct err err;

	err_set(&err, -E_DENIED, "%s", why);
	call_fail(c, -E_DENIED, &err);
}

static void refuse_entry(struct api_call *c, const struct admission *m)
{
	json *list = rc_list();
	json *entry = rc_add(list, rc_code(RC_ERROR, 0, 0, m->number), "%s", m->why.text);

	if (m->status == 401)
		jset_str(entry, "correction",
			 "Have a token made on a node: sdsd access token create <name>.");
	c->challenge = m->status == 401;
	call_reply_json(c, m->status, list);
}

static bool only_reads(const struct api_call *c)
{
	const struct route *r = c->match.route;

	/* a question may have a body */
	return strcmp(c->method, "GET") == 0 ||
	       (r->op == 0 && (r->place == PLACE_READ || r->place == PLACE_FRESH));
}

static void forbid_change(struct api_call *c)
{
	json *list = rc_list();

	rc_add(list,
	       rc_code(RC_ERROR, c->match.route->op, c->match.route->object, RC_ACC_DENIED_COMMAND),
	       "%s is for reading only: %s %.200s would change something", c->author, c->method,
	       c->path);
	call_reply_json(c, 403, list);
}

struct carried {
	struct api_call *call;
	int status;
	uint64_t revision;
	struct buf body;
};

static bool carried_applied(void *arg, int64_t waited_ms)
{
	struct carried *k = arg;

	return store_applied(k->call->api->config.store) >= k->revision;
}

static void carried_finish(void *arg, bool in_time)
{
	struct carried *k = arg;

	k->call->api->following--;
	k->call->revision = k->revision;
	call_reply(k->call, k->status, k->body.data, k->body.len);
	buf_release(&k->body);
	free(k);
}

/* The store got further: perhaps as far as somebody waits for. */
static void on_applied(const char *key, uint64_t revision, void *arg)
{
	struct api *a = arg;

	if (a->following > 0)
		api_soon(a);
}

static void on_carried(const struct leader_answer *answer, void *arg)
{
	struct api_call *c = arg;
	struct carried *k;

	if (!answer->reached && c->match.route->place == PLACE_READ && !c->api->closing) {
		c->stale = true;
		api_run(c);
		return;
	}
	if (c->api->closing || store_applied(c->api->config.store) >= answer->revision) {
		c->revision = answer->revision;
		c->give = answer->give;
		call_reply(c, answer->status, answer->body->data, answer->body->len);
		return;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	k->call = c;
	k->status = answer->status;
	k->revision = answer->revision;
	buf_init(&k->body, answer->body->len + 1);
	if (buf_append(&k->body, answer->body->data, answer->body->len) < 0)
		abort();
	c->api->following++;
	wait_start(c->api, APPLIED_WAIT_MS, carried_applied, carried_finish, k);
}

static void carry(struct api_call *c)
{
	struct leader_request r = {
		.method = c->method,
		.url = c->url,
		.body = (const char *)c->body.data,
		.body_len = c->body.len,
		.id = c->id,
		.author = c->author,
		.who = c->who,
		.deadline_ms = CARRY_MS,
	};

	leader_carry(c->api->leader, &r, on_carried, c);
}

static void on_fresh(int status, void *arg)
{
	struct api_call *c = arg;
	struct api *a = c->api;

	if (status < 0 || a->closing)
		call_moved(c, CALL_MOVED);
	else
		api_run(c);
	api_put(a);
}

void api_run(struct api_call *c)
{
	c->match.route->handler(c);
}

static void answer_as_leader(struct api_call *c)
{
	if (c->match.route->place == PLACE_LEADER) {
		api_run(c);
		return;
	}
	/* a leader that was deposed without knowing would show an old state */
	api_get(c->api);
	consensus_barrier(c->api->config.consensus, on_fresh, c);
}

static bool parse_body(struct api_call *c)
{
	struct err err;

	if (c->body.len == 0 || c->doc)
		return true;
	if (json_parse((const char *)c->body.data, c->body.len, &c->doc, &err) == 0)
		return true;
	call_bad_body(c, "%s", err.text);
	return false;
}

void api_dispatch(struct api_call *c)
{
	int rv = router_find(api_routes, api_routes_count(), c->method, c->path, &c->match);

	if (rv < 0)
		no_route(c, rv);
	else if (!(c->match.route->who & c->who))
		forbid(c, c->match.route->who & WHO_USER
				  ? "this operation needs a token or certificate, or the node's "
				    "own socket (sdsd as root)"
				  : "this operation is for nodes of the cluster only");
	else if (c->read_only && !only_reads(c))
		forbid_change(c);
	else if (!parse_body(c))
		return;
	else if (c->match.route->place == PLACE_HERE)
		api_run(c);
	else if (!c->hop)
		carry(c);
	else if (consensus_is_leader(c->api->config.consensus))
		answer_as_leader(c);
	else
		call_moved(c, CALL_MOVED);
}

/* From and to HTTP */

static void on_http_reply(struct api_call *c, int status, const void *body, size_t len, void *arg)
{
	struct http_request *r = arg;
	char number[32];

	http_reply_header(r, "X-Request-Id", c->id);
	if (c->type)
		http_reply_header(r, "Content-Type", c->type);
	if (c->revision > 0) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)c->revision);
		http_reply_header(r, "X-Revision", number);
	}
	if (c->moved != CALL_STAYS)
		http_reply_header(r, "X-Sdsd-Leader",
				  c->moved == CALL_MOVED_MAYBE ? "unknown" : "elsewhere");
	if (c->stale)
		http_reply_header(r, "X-Sdsd-Stale", "no leader");
	if (c->challenge)
		http_reply_header(r, "WWW-Authenticate", "Bearer realm=\"linstor-controller\"");
	if (c->allow[0])
		http_reply_header(r, "Allow", c->allow);
	if (c->give)
		http_reply_take(r, status, c->give);
	else
		http_reply(r, status, body, len);
}

static bool id_is_fine(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)id[i]) && !strchr("-_.:", id[i]))
			return false;
	}
	return n > 0 && n <= CALL_ID_MAX;
}

/* One that cannot be kept as it is must still tell a request from its repetition. */
static void take_id(struct api_call *c, const char *id)
{
	_Static_assert(CALL_ID_MAX == 64, "as a hash in hex");

	if (id_is_fine(id))
		snprintf(c->id, sizeof(c->id), "%s", id);
	else if (id[0])
		pki_sha256_hex(id, strlen(id), c->id);
}

static struct api_call *call_of(struct api *a, struct http_request *r)
{
	const struct buf *body = http_body(r);
	const char *id = http_header(r, "X-Request-Id");
	const char *query = http_query(r), *method = http_method(r);
	char url[HTTP_URL_MAX + 2];
	struct api_call *c;

	snprintf(url, sizeof(url), "%s%s%s", http_path(r), query[0] ? "?" : "", query);
	/* the answer to HEAD is that to GET; http.c leaves its body out */
	c = call_new(a, strcmp(method, "HEAD") == 0 ? "GET" : method, url, body->data, body->len);
	if (!c) {
		static const char text[] = "[{\"ret_code\":-3458764513820540931,"
					   "\"message\":\"Not a usable request\"}]";

		http_reply(r, 400, text, sizeof(text) - 1);
		return NULL;
	}
	if (id)
		take_id(c, id);
	c->reply = on_http_reply;
	c->reply_arg = r;
	c->http = r;
	return c;
}

void api_handle_local(struct http_request *r, void *api)
{
	struct api_call *c = call_of(api, r);

	if (!c)
		return;
	c->who = WHO_USER;
	snprintf(c->author, sizeof(c->author), "local");
	api_dispatch(c);
}

static void admitted(struct api_call *c, const struct admission *m)
{
	c->who = m->guest ? WHO_GUEST : WHO_USER;
	if (m->status) {
		refuse_entry(c, m);
		return;
	}
	c->read_only = m->read_only;
	snprintf(c->author, sizeof(c->author), "%s", m->author);
	api_dispatch(c);
}

void api_handle_user(struct http_request *r, struct api *a, bool open)
{
	struct api_call *c = call_of(a, r);
	struct admission m;

	if (!c)
		return;
	access_admit(a, r, open, &m);
	if (!access_wait(c, r, open, &m, admitted))
		admitted(c, &m);
}

size_t api_body_max(const struct http_request *r, struct api *a, bool open)
{
	struct admission m;

	access_admit(a, r, open, &m);
	return m.status ? ACCESS_STRANGER_BODY_MAX : HTTP_BODY_MAX;
}

void api_handle_join(struct http_request *r, void *api)
{
	struct api_call *c = call_of(api, r);

	if (!c)
		return;
	c->who = WHO_JOIN;
	snprintf(c->author, sizeof(c->author), "join");
	api_dispatch(c);
}

static int stop_at_first(const char *key, json *doc, uint64_t revision, void *arg)
{
	return 1;
}

/* Does the store still know the node of this certificate? A store without any node (a newcomer's,
 * before its first snapshot) cannot tell. */
static bool is_member(struct api *a, const struct tls_peer *peer)
{
	char key[STORE_KEY_MAX];
	struct node node;
	json *doc = NULL;
	bool barred;
	int rv;

	if (name_check("node name", peer->node, NAME_MIN_LEN, NULL) < 0)
		return false;
	node_key(peer->node, key, sizeof(key));
	rv = store_get(a->config.store, key, &doc, NULL);
	if (rv == -E_NOT_FOUND)
		return store_list(a->config.store, "node/", stop_at_first, NULL) == 0;
	if (rv < 0)
		return false;
	rv = node_parse(doc, &node, NULL);
	barred = node_is_barred(doc);
	json_object_put(doc);
	return rv == 0 && !barred && node.id == peer->node_id &&
	       strcasecmp(node.fingerprint, peer->fingerprint) == 0;
}

void api_handle_node(struct http_request *r, void *api)
{
	struct api *a = api;
	const struct tls_peer *peer = http_peer(r);
	const char *origin = http_header(r, "X-Sdsd-Origin");
	const char *author = http_header(r, "X-Sdsd-Author");
	struct api_call *c = call_of(a, r);

	if (!c)
		return;
	c->hop = true;
	if (!peer || !is_member(a, peer)) {
		/* a follower may not have heard of a newcomer yet: the leader decides */
		if (!consensus_is_leader(a->config.consensus))
			c->moved = CALL_MOVED;
		forbid(c, "this certificate is not, or not any more, of a node of the cluster");
		return;
	}
	snprintf(c->node, sizeof(c->node), "%s", peer->node);
	c->node_id = peer->node_id;
	c->who = !origin || strcmp(origin, "node") == 0 ? WHO_NODE
		 : strcmp(origin, "join") == 0          ? WHO_JOIN
							: WHO_USER;
	if (author && c->who != WHO_NODE)
		snprintf(c->author, sizeof(c->author), "%.64s via %.64s", author, peer->node);
	else
		snprintf(c->author, sizeof(c->author), "node=%.64s", peer->node);
	api_dispatch(c);
}

/* Life */

int api_new(const struct api_config *config, struct api **ret, struct err *err)
{
	struct api *a = calloc(1, sizeof(*a));
	int rv;

	if (!a)
		return err_set(err, -ENOMEM, "no memory for the API");
	a->config = *config;
	a->refs = 1;
	a->led_since_ms = -1;
	a->started_ms = a->leader_seen_ms = a->tick_ms = api_mono_ms();
	a->observed = observed_new();
	if (!a->observed)
		abort();
	a->leader = leader_new(a);
	a->events = events_new(a);
	a->texts = texts_new(a);
	survey_watch(a);
	a->applied = store_watch(config->store, "", on_applied, a);
	if (!a->applied)
		abort();
	rv = uv_timer_init(config->loop, &a->timer);
	if (rv < 0)
		abort(); /* only a broken loop fails here */
	a->timer.data = a;
	api_get(a);
	api_hurry(a);
	*ret = a;
	return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
	api_put(h->data);
}

/* Calls that wait for consensus are answered when it answers them (at the latest when it stops);
 * the memory goes with the last of them. */
void api_free(struct api *a)
{
	if (!a)
		return;
	a->closing = true;
	leader_free(a->leader);
	a->leader = NULL;
	take_abandon(a);
	verify_abandon(a);
	peer_abandon(a);
	wait_abandon(a); /* before the events: streams that are about to begin */
	events_free(a->events);
	a->events = NULL;
	texts_free(a->texts);
	a->texts = NULL;
	survey_unwatch(a);
	store_unwatch(a->config.store, a->applied);
	survey_end(a);
	balance_stop(a);
	services_stop(a);
	mutations_abandon(a);
	members_free(a->members);
	a->members = NULL;
	uv_close((uv_handle_t *)&a->timer, on_timer_closed);
	api_put(a);
}

void api_set_node(struct api *a, const struct api_node_ops *ops, void *arg)
{
	a->node_ops = ops;
	a->node = arg;
}

void api_observe(struct api *a)
{
	int64_t version = observed_version(a->observed, api_mono_ms());

	if (version == a->state_seen)
		return;
	a->state_seen = version;
	events_state(a->events);
}

void api_heard(struct api *a, json *answer)
{
	/* the leader looks by itself */
	if (a->events && !a->members)
		events_heard(a->events, answer);
}

void api_set_listeners(struct api *a, json *list)
{
	json_object_put(a->listeners);
	a->listeners = list;
}

struct leader *api_leader(struct api *a)
{
	return a->leader;
}

struct observed *api_observed(struct api *a)
{
	return a->observed;
}
