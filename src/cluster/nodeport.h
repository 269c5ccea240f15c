/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nodeport.h - the one TLS port of a node: accepts, and hands each connection to
 * whom its ALPN names. It knows none of them; daemon.c registers them.
 */
#ifndef SDSD_CLUSTER_NODEPORT_H
#define SDSD_CLUSTER_NODEPORT_H

#include "net/conn.h"

#define NODEPORT_CONNS_MAX 4096

/* Each takes the connection (conn_set_ops, conn_detach or conn_close before it returns). */
struct nodeport_ops {
	void (*on_raft)(struct conn *c, void *arg);
	void (*on_data)(struct conn *c, void *arg);
	void (*on_http)(struct conn *c, void *arg);
	void (*on_join)(struct conn *c, void *arg);
	/* false: the peer, which has a valid certificate, may not speak alpn here */
	bool (*is_member)(const struct tls_peer *peer, const char *alpn, void *arg);
};

struct nodeport;
/* -EADDRINUSE etc. with a sentence */
int nodeport_new(uv_loop_t *loop, const char *host, int port, struct tls *tls,
		 const struct nodeport_ops *ops, void *arg, struct nodeport **ret, struct err *err);
/* data links accepted from now on may be given to the kernel (conn_for_kernel) */
void nodeport_data_for_kernel(struct nodeport *np);
int nodeport_port(const struct nodeport *np);
void nodeport_free(struct nodeport *np); /* NULL is fine; accepted connections go on */

#endif
