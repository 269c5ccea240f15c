// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nodeport.c - accepts on the node port and dispatches by ALPN. Made by
 * daemon.c when all who take connections are ready. To add a protocol: its
 * ALPN in net/tls.h, a callback in nodeport_ops, a row in the table below.
 */
#include "cluster/nodeport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/limits.h"

#define WARN_EVERY_NS (60 * 1000000000ull) /* of one node that is refused; it tries on and on */

struct nodeport {
	struct listener *listener;
	struct nodeport_ops ops;
	void *arg;
	char refused[NAME_MAX_LEN + 1]; /* the node that was refused last; "" none, or unknown */
	uint64_t warned_ns;             /* that was said then */
};

typedef void (*taker)(struct conn *c, void *arg);

static taker find(const struct nodeport *np, const char *alpn)
{
	const struct {
		const char *alpn;
		taker take;
	} table[] = {
		{ ALPN_RAFT, np->ops.on_raft },
		{ ALPN_DATA, np->ops.on_data },
		{ ALPN_HTTP, np->ops.on_http },
		{ ALPN_JOIN, np->ops.on_join },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].alpn, alpn) == 0)
			return table[i].take;
	}
	return NULL;
}

static void warn(struct nodeport *np, const struct conn *c, const char *node)
{
	uint64_t now = clock_boot_ns();

	if (np->warned_ns && now - np->warned_ns < WARN_EVERY_NS && strcmp(np->refused, node) == 0)
		return;
	np->warned_ns = now;
	snprintf(np->refused, sizeof(np->refused), "%s", node);
	log_warn("node-port", "peer=%s node=%s closed: not known as a node of this cluster",
		 conn_name(c), node);
}

static void on_accept(struct conn *c, void *arg)
{
	struct nodeport *np = arg;
	const struct tls_peer *peer = conn_peer(c);
	taker take = find(np, conn_alpn(c));

	if (!take) {
		log_info("node-port", "peer=%s closed: no protocol agreed on", conn_name(c));
		conn_close(c);
		return;
	}
	/* a newcomer has no certificate yet */
	if (take != np->ops.on_join && (!peer || !np->ops.is_member(peer, conn_alpn(c), np->arg))) {
		warn(np, c, peer ? peer->node : "unknown");
		conn_close(c);
		return;
	}
	take(c, np->arg);
}

int nodeport_new(uv_loop_t *loop, const char *host, int port, struct tls *tls,
		 const struct nodeport_ops *ops, void *arg, struct nodeport **ret, struct err *err)
{
	struct nodeport *np = calloc(1, sizeof(*np));
	int rv;

	if (!np)
		return err_set(err, -ENOMEM, "no memory");
	np->ops = *ops;
	np->arg = arg;
	rv = listener_tcp(loop, host, port, tls, NODEPORT_CONNS_MAX, on_accept, np, &np->listener,
			  err);
	if (rv < 0) {
		free(np);
		return rv;
	}
	*ret = np;
	return 0;
}

void nodeport_data_for_kernel(struct nodeport *np)
{
	listener_for_kernel(np->listener, ALPN_DATA);
}

int nodeport_port(const struct nodeport *np)
{
	return listener_port(np->listener);
}

void nodeport_free(struct nodeport *np)
{
	if (!np)
		return;
	listener_free(np->listener);
	free(np);
}
