// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * status.c - GET /v1/sds/status (the cluster on one page), nodes-raft and local
 * (what this node knows by itself, leader or not). Called through routes.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/verdict.h"
#include "api/view.h"
#include "api/view_texts.h"
#include "base/text.h"
#include "raft/members.h"

#define STATUS_PATIENCE_MS 1500 /* for the first reports to a new leader */

static const char *role_name(enum consensus_role role)
{
	static const char *const names[] = {
		[CONSENSUS_SPARE] = "spare",
		[CONSENSUS_STANDBY] = "stand-by",
		[CONSENSUS_VOTER] = "voter",
	};

	return names[role];
}

struct raft_view {
	struct consensus_server server[CONSENSUS_SERVERS_MAX];
	int n;
	uint32_t leader;
};

static void raft_load(struct api *a, struct raft_view *r)
{
	r->n = consensus_servers(a->config.consensus, r->server, CONSENSUS_SERVERS_MAX);
	if (r->n > CONSENSUS_SERVERS_MAX)
		r->n = CONSENSUS_SERVERS_MAX;
	r->leader = consensus_leader(a->config.consensus, NULL);
}

static const struct consensus_server *raft_server(const struct raft_view *r, uint32_t id)
{
	for (int i = 0; i < r->n; i++) {
		if (r->server[i].id == id)
			return &r->server[i];
	}
	return NULL;
}

/* Nodes */

struct node_status {
	struct api *api;
	struct raft_view raft;
	json *list;
	int64_t now;
	int online, voters, voters_online;
	char leader[NAME_MAX_LEN + 1];
	bool stale;
};

static void status_node(json *doc, void *arg)
{
	struct node_status *s = arg;
	struct api *a = s->api;
	const char *name = jget_str(doc, "name", "");
	uint32_t id = (uint32_t)jget_i64_or(doc, "id", 0);
	const struct consensus_server *server = raft_server(&s->raft, id);
	char word[16];
	json *o = view_object(), *seen = observed_node(a->observed, name, s->now);
	bool self = strcasecmp(name, a->config.node) == 0;
	const char *state = s->stale ? "UNKNOWN" : view_connection(a, name);
	bool online = strcmp(state, "ONLINE") == 0;

	jset_str(o, "name", name);
	jset_i64(o, "id", id);
	jset_str(o, "address", jget_str(doc, "address", ""));
	jset_i64(o, "port", jget_i64_or(doc, "port", 0));
	text_lower(state, word, sizeof(word));
	jset_str(o, "state", word);
	jset_str(o, "role",
		 id == s->raft.leader && id ? "leader"
		 : server                   ? role_name(server->role)
					    : "joining");
	jset_i64(o, "age_ms", self ? 0 : observed_age_ms(a->observed, name, s->now));
	jset_str(o, "version", jget_str(seen, "version", self ? a->config.version : ""));
	if (jget(seen, "applied"))
		jset_i64(o, "applied", jget_i64_or(seen, "applied", 0));
	if (jget(seen, "clock_ahead_ms"))
		jset_i64(o, "clock_ahead_ms", jget_i64_or(seen, "clock_ahead_ms", 0));
	if (jget_i64_or(seen, "certificate_ends", 0) > 0)
		jset_i64(o, "certificate_ends", jget_i64_or(seen, "certificate_ends", 0));
	view_push(s->list, o);
	s->online += online;
	if (id == s->raft.leader && id)
		snprintf(s->leader, sizeof(s->leader), "%s", name);
	if (server && server->role == CONSENSUS_VOTER) {
		s->voters++;
		s->voters_online += online;
	}
}

/* Resources */

static enum copy_state copy_state(const struct view *v, int i)
{
	const char *state = view_state(v, i);

	if (v->rep[i].r.inactive)
		return v->rep[i].r.refetch.wanted ? COPY_MENDING : COPY_INACTIVE;
	if (v->rep[i].r.quarantined)
		return COPY_QUARANTINED;
	if (strcmp(state, "up") == 0) {
		const char *mode = jget_str(v->rep[i].seen, "mode", "");

		return strcmp(mode, "broken") == 0   ? COPY_BROKEN
		       : strcmp(mode, "failed") == 0 ? COPY_SICK
						     : COPY_UP;
	}
	if (strcmp(state, "failed") == 0)
		return COPY_FAILED;
	return strcmp(state, "unknown") == 0 ? COPY_UNKNOWN : COPY_CREATING;
}

static void judge(struct api *a, bool stale, int64_t now, const struct view *v,
		  struct verdict_result *ret)
{
	struct verdict_input in = { .leader = !stale, .wanted = v->res.copies };
	struct verdict_difference d = { v->scrub.differing, v->scrub.nodes, v->scrub.again,
					v->res.name };
	struct view_left left;

	for (int i = 0; i < v->n; i++) {
		struct verdict_copy *c = &in.copy[in.n];

		if (v->rep[i].r.diskless)
			continue;
		in.n++;
		c->node = v->rep[i].r.node;
		c->resource = v->res.name;
		c->state = copy_state(v, i);
		c->in_sync = view_in_sync(v, i);
		c->leaving = v->rep[i].r.deleting;
		c->progress = view_progress(v, i);
		c->left_s = view_left(v, i, &left) ? left.s : -1;
		c->away_ms = observed_age_ms(a->observed, c->node, now);
		c->error = v->rep[i].r.quarantined ? v->rep[i].r.complaint
						   : jget_str(v->rep[i].seen, "error", "");
		c->no_space = jget_bool(v->rep[i].seen, "no_space", false);
	}
	verdict_of(&in, ret);
	if (d.regions > 0 && !stale)
		verdict_add_difference(&d, ret);
	if (v->res.nvme)
		verdict_add_nvme(ret);
}

/* one volume on one node */
static json *status_volume(const struct view *v, int i, int k)
{
	json *o = view_object(), *seen = view_volume_seen(v, i, k);

	jset_i64(o, "number", v->res.volume[k].number);
	jset_str(o, "state", jget_str(seen, "state", v->rep[i].online ? "creating" : "unknown"));
	jset_i64(o, "size_kib", jget_i64_or(seen, "size_kib", 0));
	jset_str(o, "error", jget_str(seen, "error", ""));
	jset_str(o, "nbd", jget_str(seen, "nbd", ""));
	return o;
}

/* the last comparison */
static json *status_scrub(const struct view *v)
{
	json *o = view_object();

	jset_i64(o, "ended_ms", v->scrub.ended_ms);
	jset_i64(o, "regions_compared", v->scrub.compared);
	jset_i64(o, "regions_unsettled", v->scrub.unsettled);
	jset_i64(o, "regions_differing", v->scrub.differing);
	jset_str(o, "nodes", v->scrub.nodes);
	jset_bool(o, "failed", v->scrub.failed);
	jset_bool(o, "again", v->scrub.again);
	return o;
}

static json *status_replica(const struct view *v, int i)
{
	json *o = view_object(), *volumes = view_list();
	struct view_left left;

	jset_str(o, "node", v->rep[i].r.node);
	jset_bool(o, "diskless", v->rep[i].r.diskless);
	jset_str(o, "pool", v->rep[i].r.pool);
	jset_str(o, "state", view_state(v, i));
	jset_str(o, "mode", jget_str(v->rep[i].seen, "mode", ""));
	jset_bool(o, "in_sync", view_in_sync(v, i));
	jset_bool(o, "open", view_open(v, i));
	jset_bool(o, "deleting", v->rep[i].r.deleting);
	jset_bool(o, "quarantined", v->rep[i].r.quarantined);
	jset_bool(o, "inactive", v->rep[i].r.inactive);
	jset_bool(o, "refetching", v->rep[i].r.refetch.wanted);
	jset_str(o, "migrates", v->rep[i].r.migrates);
	if (view_left(v, i, &left))
		view_put_left(o, &left);
	jset_str(o, "error", jget_str(v->rep[i].seen, "error", ""));
	for (int k = 0; k < v->res.n_volumes; k++)
		view_push(volumes, status_volume(v, i, k));
	/* of volume 0: what there was before there were others */
	jset_str(o, "nbd", v->res.n_volumes ? jget_str(view_volume_seen(v, i, 0), "nbd", "") : "");
	jset(o, "volumes", volumes);
	return o;
}

/* The writer is who serves now; the record names the last one, who may be gone. */
static const char *writer_name(const struct view *v)
{
	for (int i = 0; i < v->n; i++) {
		if (strcmp(jget_str(v->rep[i].seen, "role", ""), "writer") == 0)
			return v->rep[i].r.node;
	}
	return "";
}

static void summarize(const struct view *v, const struct verdict_result *r,
		      struct view_summary *ret)
{
	*ret = (struct view_summary){
		.verdict = r->verdict,
		.in_sync = r->good,
		.compared = v->scrub.any,
		.compared_ms = v->scrub.ended_ms,
		.differing = v->scrub.differing,
		.size_kib = resource_size_kib(&v->res),
	};
	for (int i = 0; i < v->n; i++) {
		ret->copies += !v->rep[i].r.diskless;
		ret->quarantined += v->rep[i].r.quarantined;
		ret->open |= view_open(v, i);
	}
}

static json *show(struct api *a, bool stale, const struct view *v, struct view_summary *ret)
{
	json *o = view_object(), *replicas = view_list(), *volumes = view_list();
	struct verdict_result r;

	judge(a, stale, api_mono_ms(), v, &r);
	summarize(v, &r, ret);
	for (int i = 0; i < v->n; i++)
		view_push(replicas, status_replica(v, i));
	for (int k = 0; k < v->res.n_volumes; k++) {
		json *one = view_object();

		jset_i64(one, "number", v->res.volume[k].number);
		jset_i64(one, "size_kib", v->res.volume[k].size_kib);
		jset_i64(one, "minor", v->res.volume[k].minor);
		view_push(volumes, one);
	}
	jset_str(o, "name", v->res.name);
	jset_str(o, "verdict", verdict_name(r.verdict));
	jset_i64(o, "copies", ret->copies);
	jset_i64(o, "in_sync", ret->in_sync);
	jset_str(o, "writer", writer_name(v));
	jset_str(o, "reason", r.reason);
	jset_str(o, "next", r.next);
	jset_i64(o, "size_kib", ret->size_kib);
	jset(o, "volumes", volumes);
	jset_i64(o, "epoch", v->has_record ? v->rec.epoch : 0);
	if (v->scrub.any)
		jset(o, "scrub", status_scrub(v));
	jset(o, "replicas", replicas);
	return o;
}

json *status_resource(struct api *a, const struct view *v, struct view_summary *ret)
{
	return show(a, false, v, ret);
}

struct resource_status {
	struct call_list list;
	int count[VERDICT_UNAVAILABLE + 1];
	struct buf text; /* of the present one */
};

struct page { /* one answer that is being made */
	struct api_call *call;
	struct node_status nodes;
	struct resource_status resources;
};

/* text: an object, to which one more field is added */
static void push_resource(struct page *page, const char *name, const char *text, size_t len)
{
	json *upkeep = json_object_new_string(upkeep_note(page->call->api, name));
	struct buf *b = &page->resources.text;

	buf_clear(b);
	if (!upkeep || buf_append(b, text, len - 1) < 0 ||
	    buf_printf(b, ",\"upkeep\":%s}", json_text(upkeep)) < 0)
		abort();
	call_list_push_text(&page->resources.list, (const char *)b->data, b->len);
	json_object_put(upkeep);
}

/* It is not kept: nodes are away since some time, or this one is not the leader. */
static void make_resource(struct page *page, const char *name)
{
	struct view_summary sum;
	struct view v;
	json *o;

	if (view_load(page->call->api, name, &v) < 0)
		return; /* deleted meanwhile */
	o = show(page->call->api, page->nodes.stale, &v, &sum);
	page->resources.count[sum.verdict]++;
	push_resource(page, name, json_text(o), strlen(json_text(o)));
	json_object_put(o);
	view_release(&v);
}

static void page_resource(const char *name, void *arg)
{
	struct page *page = arg;
	const struct view_texts *t = NULL;

	if (!page->nodes.stale)
		t = texts_of(page->call->api->texts, name);
	if (!t || !t->status) {
		make_resource(page, name);
		return;
	}
	page->resources.count[t->sum.verdict]++;
	push_resource(page, name, t->status, t->status_len);
}

static json *cluster_line(struct node_status *n, const struct resource_status *r)
{
	struct api *a = n->api;
	json *o = view_object(), *doc = NULL;
	struct store_count leftovers;

	store_get(a->config.store, "cluster/self", &doc, NULL);
	jset_str(o, "name", jget_str(doc, "name", ""));
	jset_str(o, "uuid", jget_str(doc, "cluster", jget_str(doc, "uuid", "")));
	json_object_put(doc);
	jset_str(o, "leader", n->stale ? "" : n->leader);
	jset_i64(o, "nodes", (int64_t)json_object_array_length(n->list));
	jset_i64(o, "online", n->online);
	jset_i64(o, "voters", n->voters);
	jset_i64(o, "voters_online", n->voters_online);
	jset_i64(o, "voters_wanted", members_voters_wanted((int)json_object_array_length(n->list)));
	jset_bool(o, "quorum", !n->stale);
	jset_i64(o, "term", (int64_t)consensus_term(a->config.consensus));
	jset_i64(o, "applied", (int64_t)store_applied(a->config.store));
	jset_i64(o, "no_leader_ms", n->stale ? n->now - a->leader_seen_ms : 0);
	store_count(a->config.store, "leftover/", &leftovers);
	jset_i64(o, "leftovers", (int64_t)leftovers.documents);
	jset_str(o, "balance", a->balance.note);
	for (int v = VERDICT_SAFE; v <= VERDICT_UNAVAILABLE; v++)
		jset_i64(o, verdict_name(v), r->count[v]);
	return o;
}

static void page_reply(struct page *p)
{
	struct api_call *c = p->call;
	const struct buf *list = call_list_end(&p->resources.list);
	json *cluster = cluster_line(&p->nodes, &p->resources);
	json *pools = view_full_pools(c->api);
	json *services = services_view(c->api, c->stale);
	struct buf text;

	buf_init(&text, CALL_LIST_MAX);
	if (list && buf_printf(&text,
			       "{\"cluster\":%s,\"nodes\":%s,\"full_pools\":%s,\"services\":%s,"
			       "\"resources\":%s}",
			       json_text(cluster), json_text(p->nodes.list), json_text(pools),
			       json_text(services), (const char *)list->data) == 0)
		call_reply_take(c, 200, &text);
	else
		call_fail(c, -EMSGSIZE, NULL);
	buf_release(&text);
	json_object_put(services);
	json_object_put(pools);
	json_object_put(cluster);
}

static void page_done(void *arg, bool in_time)
{
	struct page *p = arg;

	if (in_time)
		page_reply(p);
	else
		call_moved(p->call, CALL_MOVED);
	buf_release(&p->resources.text);
	call_list_release(&p->resources.list);
	json_object_put(p->nodes.list);
	free(p);
}

static void status_answer(struct api_call *c)
{
	struct page *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->call = c;
	p->nodes.api = c->api;
	p->nodes.list = view_list();
	p->nodes.now = api_mono_ms();
	p->nodes.stale = c->stale;
	buf_init(&p->resources.text, CALL_LIST_MAX);
	call_list_init(&p->resources.list, c);
	raft_load(c->api, &p->nodes.raft);
	view_docs(c->api, "node/", status_node, &p->nodes);
	view_walk_names(c->api, NULL, page_resource, page_done, p);
}

struct awaited {
	struct api *api;
	int64_t now;
	bool any;
};

static void await_node(json *doc, void *arg)
{
	struct awaited *w = arg;
	const char *name = jget_str(doc, "name", "");

	if (strcasecmp(name, w->api->config.node) != 0)
		w->any |= observed_awaited(w->api->observed, name, w->now);
}

static bool all_heard(void *arg, int64_t waited_ms)
{
	struct api_call *c = arg;
	struct awaited w = { .api = c->api, .now = api_mono_ms() };

	view_docs(c->api, "node/", await_node, &w);
	return !w.any;
}

static void on_heard(void *arg, bool in_time)
{
	status_answer(arg); /* who has not reported by now is shown as unknown */
}

/* A leader of a moment ago has heard of nobody yet: what it would say is true and of no use. */
void status_get(struct api_call *c)
{
	if (c->stale || all_heard(c, 0))
		status_answer(c);
	else
		wait_start(c->api, STATUS_PATIENCE_MS, all_heard, on_heard, c);
}

static json *raft_list(struct api *a)
{
	struct raft_view r;
	json *list = view_list();

	raft_load(a, &r);
	for (int i = 0; i < r.n; i++) {
		json *o = view_object();

		jset_i64(o, "id", r.server[i].id);
		jset_str(o, "address", r.server[i].address);
		jset_str(o, "role", role_name(r.server[i].role));
		jset_bool(o, "leader", r.server[i].id == r.leader);
		view_push(list, o);
	}
	return list;
}

void status_raft(struct api_call *c)
{
	call_reply_json(c, 200, raft_list(c->api));
}

void status_local(struct api_call *c)
{
	struct api *a = c->api;
	char address[CONSENSUS_ADDRESS_MAX] = "";
	uint32_t leader = consensus_leader(a->config.consensus, address);
	json *o = view_object();

	jset_str(o, "node", a->config.node);
	jset_i64(o, "node_id", a->config.node_id);
	jset_str(o, "version", a->config.version);
	jset_bool(o, "is_leader", consensus_is_leader(a->config.consensus));
	jset_i64(o, "leader_id", leader);
	jset_str(o, "leader_address", address);
	jset_i64(o, "no_leader_ms", leader ? 0 : api_mono_ms() - a->leader_seen_ms);
	jset_i64(o, "term", (int64_t)consensus_term(a->config.consensus));
	jset_i64(o, "applied", (int64_t)store_applied(a->config.store));
	jset_i64(o, "uptime_ms", api_mono_ms() - a->started_ms);
	jset(o, "servers", raft_list(a));
	jset(o, "listeners", a->listeners ? json_copy(a->listeners) : view_list());
	call_reply_json(c, 200, o);
}
