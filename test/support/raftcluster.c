// SPDX-License-Identifier: GPL-2.0-or-later
/* raftcluster.c - see raftcluster.h */
#include "support/raftcluster.h"

#include <errno.h>

#include "base/log.h"

#define LISTEN_MAX 1024

static void drop_closed(struct conn *c, const struct err *reason, void *owner)
{
}

static void on_accept(struct conn *conn, void *arg)
{
	static const struct conn_ops drop = { .on_close = drop_closed };
	struct cluster_node *node = arg;

	if (node->on_http && strcmp(conn_alpn(conn), ALPN_HTTP) == 0) {
		node->on_http(conn, node->http_arg);
		return;
	}
	if (node->consensus && !node->deaf) {
		consensus_accept(node->consensus, conn);
		return;
	}
	conn_set_ops(conn, &drop, NULL);
	conn_abort(conn);
}

static void on_leader(bool is_leader, void *arg)
{
	struct cluster_node *node = arg;

	cr_assert_neq(is_leader, node->is_leader);
	node->is_leader = is_leader;
	node->leader_calls++;
}

static void on_fatal(const struct err *why, void *arg)
{
	struct cluster_node *node = arg;

	cr_expect_eq(node->fatal.code, 0, "on_fatal twice");
	node->fatal = *why;
}

void cluster_init(struct cluster *cl, int n)
{
	memset(cl, 0, sizeof(*cl));
	log_init(getenv("SDSD_TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	scratch_make(cl->dir);
	cr_assert_eq(uv_loop_init(&cl->loop), 0);
	uv_timer_init(&cl->loop, &cl->timer);
	cl->timer.data = cl;
	cl->pki = testpki_new("11111111-2222-4333-8444-555555555555");
	cl->n = n;
	for (int i = 0; i < n; i++) {
		struct cluster_node *node = &cl->nodes[i];
		struct testpki_node cert = { .id = (uint32_t)i + 1 };
		char name[16];
		struct err err = { 0 };

		node->cluster = cl;
		node->id = cert.id;
		snprintf(node->dir, sizeof(node->dir), "%s/n%u", cl->dir, node->id);
		cr_assert_eq(mkdir(node->dir, 0700), 0);
		snprintf(name, sizeof(name), "n%u", node->id);
		cert.name = name;
		node->tls = testpki_tls(cl->pki, node->dir, &cert);
		cr_assert_eq(listener_tcp(&cl->loop, "127.0.0.1", 0, node->tls, LISTEN_MAX,
					  on_accept, node, &node->listener, &err),
			     0, "%s", err.text);
		snprintf(node->address, sizeof(node->address), "127.0.0.1:%d",
			 listener_port(node->listener));
	}
}

void cluster_release(struct cluster *cl)
{
	for (int i = 0; i < cl->n; i++)
		node_stop(&cl->nodes[i]);
	for (int i = 0; i < cl->n; i++)
		listener_free(cl->nodes[i].listener);
	uv_close((uv_handle_t *)&cl->timer, NULL);
	uv_run(&cl->loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&cl->loop), 0, "something is still open on the loop");
	for (int i = 0; i < cl->n; i++)
		tls_free(cl->nodes[i].tls);
	testpki_free(cl->pki);
	scratch_remove(cl->dir);
	uv_library_shutdown();
	test_no_leaks();
}

void cluster_bootstrap(struct cluster *cl)
{
	struct err err = { 0 };

	cr_assert_eq(consensus_bootstrap(cl->nodes[0].dir, 1, cl->nodes[0].address, &err), 0, "%s",
		     err.text);
}

int node_try_start(struct cluster_node *node, struct err *err)
{
	struct consensus_config config = {
		.loop = &node->cluster->loop,
		.dir = node->dir,
		.id = node->id,
		.address = node->address,
		.tls = node->tls,
		.election_timeout_ms = 300,
		.heartbeat_ms = 50,
		.on_leader = on_leader,
		.on_fatal = on_fatal,
		.arg = node,
	};
	int rv;

	node->store = scratch_open(node->dir, node->map_bytes);
	config.store = node->store;
	node->is_leader = false;
	node->closed = false;
	memset(&node->fatal, 0, sizeof(node->fatal));
	rv = consensus_start(&config, &node->consensus, err);
	if (rv < 0) {
		cluster_run(node->cluster, 50); /* it ends on the loop */
		store_close(node->store);
		node->store = NULL;
	}
	return rv;
}

void node_start(struct cluster_node *node)
{
	struct err err = { 0 };

	cr_assert_eq(node_try_start(node, &err), 0, "%s", err.text);
}

static void on_closed(void *arg)
{
	((struct cluster_node *)arg)->closed = true;
}

static bool is_closed(struct cluster *cl, void *arg)
{
	return ((struct cluster_node *)arg)->closed;
}

void node_stop(struct cluster_node *node)
{
	if (!node->consensus)
		return;
	consensus_stop(node->consensus, on_closed, node);
	cr_assert(cluster_until(node->cluster, is_closed, node, 5000), "node %u does not end",
		  node->id);
	node->consensus = NULL;
	node->is_leader = false;
	store_close(node->store);
	node->store = NULL;
}

static void on_timeout(uv_timer_t *timer)
{
	((struct cluster *)timer->data)->timed_out = true;
}

bool cluster_until(struct cluster *cl, bool (*what)(struct cluster *cl, void *arg), void *arg,
		   int timeout_ms)
{
	bool yes;

	cl->timed_out = false;
	uv_update_time(&cl->loop);
	uv_timer_start(&cl->timer, on_timeout, (uint64_t)timeout_ms, 0);
	while (!(yes = what(cl, arg)) && !cl->timed_out)
		uv_run(&cl->loop, UV_RUN_ONCE);
	uv_timer_stop(&cl->timer);
	return yes;
}

static bool never(struct cluster *cl, void *arg)
{
	return false;
}

void cluster_run(struct cluster *cl, int ms)
{
	cluster_until(cl, never, NULL, ms);
}

static bool has_leader(struct cluster *cl, void *arg)
{
	for (int i = 0; i < cl->n; i++) {
		if (cl->nodes[i].consensus && cl->nodes[i].is_leader) {
			*(struct cluster_node **)arg = &cl->nodes[i];
			return true;
		}
	}
	return false;
}

struct cluster_node *cluster_leader(struct cluster *cl)
{
	struct cluster_node *leader = NULL;

	cr_assert(cluster_until(cl, has_leader, &leader, 15000), "no leader");
	cr_assert(consensus_is_leader(leader->consensus));
	return leader;
}

static bool has_converged(struct cluster *cl, void *arg)
{
	uint64_t want = *(uint64_t *)arg;

	for (int i = 0; i < cl->n; i++) {
		if (cl->nodes[i].consensus && store_applied(cl->nodes[i].store) < want)
			return false;
	}
	return true;
}

void cluster_converge(struct cluster *cl)
{
	struct cluster_node *leader = cluster_leader(cl);
	uint64_t want = store_applied(leader->store);

	cr_assert(cluster_until(cl, has_converged, &want, 15000), "not all nodes reach %d",
		  (int)want);
}

void cluster_expect_equal(struct cluster *cl)
{
	struct buf first, other;
	bool have = false;

	buf_init(&first, 256u << 20);
	buf_init(&other, 256u << 20);
	for (int i = 0; i < cl->n; i++) {
		struct buf *b = have ? &other : &first;

		if (!cl->nodes[i].consensus)
			continue;
		buf_clear(b);
		cr_assert_eq(store_dump(cl->nodes[i].store, b, NULL), 0);
		if (have)
			cr_expect(other.len == first.len &&
					  memcmp(other.data, first.data, first.len) == 0,
				  "node %u differs", cl->nodes[i].id);
		have = true;
	}
	buf_release(&first);
	buf_release(&other);
}

struct outcome {
	bool done;
	int status;
	struct txn_result result;
};

static bool is_done(struct cluster *cl, void *arg)
{
	return ((struct outcome *)arg)->done;
}

static void on_proposed(int status, const struct txn_result *result, void *arg)
{
	struct outcome *o = arg;

	cr_assert_not(o->done);
	cr_assert((result != NULL) == (status == 0));
	o->done = true;
	o->status = status;
	if (result)
		o->result = *result;
}

int cluster_propose(struct cluster_node *node, struct txn *t, struct txn_result *ret)
{
	struct outcome o = { 0 };
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, TXN_BYTES_MAX);
	cr_assert_eq(txn_encode(t, &b, &err), 0, "%s", err.text);
	txn_free(t);
	consensus_propose(node->consensus, b.data, b.len, on_proposed, &o);
	buf_release(&b);
	cr_assert_not(o.done, "answered inside of the call");
	cr_assert(cluster_until(node->cluster, is_done, &o, 20000), "no answer");
	if (ret && o.status == 0)
		*ret = o.result;
	return o.status;
}

void cluster_put(struct cluster_node *node, const char *key, int64_t n)
{
	struct txn *t = txn_new("", "");
	struct txn_result r = { 0 };
	int rv;

	txn_put(t, key, scratch_doc(n));
	rv = cluster_propose(node, t, &r);
	cr_assert_eq(rv, 0, "put: %s", err_name(rv));
	cr_assert_eq(r.outcome, TXN_APPLIED);
	cr_assert_eq(scratch_n(node->store, key, NULL), n, "not applied when answered");
}

static void on_status(int status, void *arg)
{
	struct outcome *o = arg;

	cr_assert_not(o->done);
	o->done = true;
	o->status = status;
}

static int wait_status(struct cluster *cl, struct outcome *o)
{
	cr_assert_not(o->done, "answered inside of the call");
	cr_assert(cluster_until(cl, is_done, o, 20000), "no answer");
	return o->status;
}

int cluster_barrier(struct cluster_node *node)
{
	struct outcome o = { 0 };

	consensus_barrier(node->consensus, on_status, &o);
	return wait_status(node->cluster, &o);
}

int cluster_add(struct cluster_node *leader, struct cluster_node *node)
{
	struct outcome o = { 0 };

	consensus_add(leader->consensus, node->id, node->address, on_status, &o);
	return wait_status(leader->cluster, &o);
}

int cluster_assign(struct cluster_node *leader, uint32_t id, enum consensus_role role)
{
	struct outcome o = { 0 };

	consensus_assign(leader->consensus, id, role, on_status, &o);
	return wait_status(leader->cluster, &o);
}

int cluster_remove(struct cluster_node *leader, uint32_t id)
{
	struct outcome o = { 0 };

	consensus_remove(leader->consensus, id, on_status, &o);
	return wait_status(leader->cluster, &o);
}

int cluster_transfer(struct cluster_node *leader, uint32_t id)
{
	struct outcome o = { 0 };

	consensus_transfer(leader->consensus, id, on_status, &o);
	return wait_status(leader->cluster, &o);
}
