// SPDX-License-Identifier: GPL-2.0-or-later
/* apilab.c - see apilab.h */
#include "support/apilab.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void on_request(struct http_request *r, void *arg)
{
	struct apilab *l = arg;

	cr_assert_lt(l->n_held, APILAB_HELD);
	l->held[l->n_held++] = r;
	l->n_came++;
	if (l->n_held > l->most_held)
		l->most_held = l->n_held;
}

static void on_http(struct conn *c, void *arg)
{
	http_serve(c, on_request, arg);
}

void apilab_answer(struct apilab *l, int i, int status, const char *body)
{
	struct http_request *r = l->held[i];

	cr_assert_lt(i, l->n_held);
	memmove(&l->held[i], &l->held[i + 1], (size_t)(l->n_held - i - 1) * sizeof(l->held[0]));
	l->n_held--;
	http_reply(r, status, body, strlen(body));
}

void apilab_answer_all(struct apilab *l, int status, const char *body)
{
	while (l->n_held > 0)
		apilab_answer(l, 0, status, body);
}

/* the node whose port is the lab's */
static struct cluster_node *port_of(struct apilab *l)
{
	return &l->cl.nodes[l->cl.n - 1];
}

int apilab_port(const struct apilab *l)
{
	return listener_port(l->cl.nodes[l->cl.n - 1].listener);
}

static void to_the_present(struct apilab *l)
{
	struct change_env env = api_env(l->a);

	l->w.env.now_ms = env.now_ms;
	l->w.env.mono_ms = env.mono_ms;
}

static enum txn_outcome propose(struct txn *t, void *arg)
{
	struct apilab *l = arg;
	struct txn_result result = { 0 };
	int rv;

	if (txn_is_empty(t)) {
		txn_free(t);
		return TXN_APPLIED;
	}
	rv = cluster_propose(&l->cl.nodes[0], t, &result);
	cr_assert_eq(rv, 0, "%s", err_name(rv));
	to_the_present(l);
	return result.outcome;
}

static bool knows_leader(struct cluster *cl, void *arg)
{
	return consensus_leader(cl->nodes[0].consensus, NULL) == cl->nodes[1].id;
}

/* n2 leads, n1 hears of it */
static void follow(struct apilab *l)
{
	struct cluster_node *leader = &l->cl.nodes[1], *own = &l->cl.nodes[0];
	struct err err = { 0 };

	cr_assert_eq(consensus_bootstrap(leader->dir, leader->id, leader->address, &err), 0, "%s",
		     err.text);
	node_start(leader);
	node_start(own);
	cr_assert_eq(cluster_leader(&l->cl), leader);
	cr_assert_eq(cluster_add(leader, own), 0);
	cr_assert_eq(cluster_assign(leader, own->id, CONSENSUS_STANDBY), 0);
	cr_assert(cluster_until(&l->cl, knows_leader, NULL, 5000));
}

static void begin_api(struct apilab *l)
{
	struct cluster_node *own = &l->cl.nodes[0];
	struct api_config config = {
		.loop = &l->cl.loop,
		.store = own->store,
		.consensus = own->consensus,
		.tls = own->tls,
		.node = "n1",
		.node_id = own->id,
		.version = "lab",
	};
	struct err err = { 0 };

	cr_assert_eq(api_new(&config, &l->a, &err), 0, "%s", err.text);
	api_hold_members(l->a, true); /* the other nodes of the store are none of consensus */
	l->w = (struct world){ .store = own->store,
			       .observed = api_observed(l->a),
			       .env = api_env(l->a),
			       .propose = propose,
			       .propose_arg = l };
}

void apilab_open(struct apilab *l, enum apilab_kind kind)
{
	memset(l, 0, sizeof(*l));
	cluster_init(&l->cl, 2);
	port_of(l)->on_http = on_http;
	port_of(l)->http_arg = l;
	if (kind == APILAB_FOLLOWS) {
		follow(l);
	} else {
		if (kind == APILAB_LEADS)
			cluster_bootstrap(&l->cl);
		node_start(&l->cl.nodes[0]);
	}
	begin_api(l);
	if (kind != APILAB_LEADS)
		return;
	cluster_leader(&l->cl);
	api_on_leader(l->a, true);
	world_init(&l->w);
	to_the_present(l);
}

void apilab_close(struct apilab *l)
{
	api_free(l->a);
	apilab_answer_all(l, 503, "");
	cluster_release(&l->cl);
}

struct wish {
	struct apilab *lab;
	bool (*what)(struct apilab *l, void *arg);
	void *arg;
};

static bool is_so(struct cluster *cl, void *arg)
{
	struct wish *w = arg;

	return w->what(w->lab, w->arg);
}

void apilab_until(struct apilab *l, bool (*what)(struct apilab *l, void *arg), void *arg,
		  int timeout_ms)
{
	struct wish w = { l, what, arg };

	cr_assert(cluster_until(&l->cl, is_so, &w, timeout_ms), "it takes more than %d ms",
		  timeout_ms);
	to_the_present(l);
}

void apilab_run(struct apilab *l, int ms)
{
	cluster_run(&l->cl, ms);
	to_the_present(l);
}

bool apilab_is_idle(struct apilab *l, void *arg)
{
	return leader_is_idle(api_leader(l->a));
}

void apilab_report(struct apilab *l, int n)
{
	char name[16];

	to_the_present(l);
	for (int i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		world_report(&l->w, name, "ssd", 100 * GIB, 100 * GIB);
	}
}

static void on_answer(const struct leader_answer *a, void *arg)
{
	struct apilab_answer *ret = arg;

	ret->status = a->status;
	ret->calls++;
	snprintf(ret->text, sizeof(ret->text), "%.*s", (int)a->body->len,
		 a->body->len ? (const char *)a->body->data : "");
}

void apilab_ask(struct apilab *l, const char *method, const char *url, const char *body,
		struct apilab_answer *ret)
{
	*ret = (struct apilab_answer){ 0 };
	leader_call(api_leader(l->a), method, url, body, NULL, 30000, on_answer, ret);
	cr_assert_eq(ret->calls, 0, "answered inside of the call");
}

static bool is_answered(struct apilab *l, void *arg)
{
	return ((struct apilab_answer *)arg)->calls > 0;
}

struct apilab_answer apilab_get(struct apilab *l, const char *method, const char *url,
				const char *body)
{
	struct apilab_answer a;

	apilab_ask(l, method, url, body, &a);
	apilab_until(l, is_answered, &a, 30000);
	return a;
}
