/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport.h - the Raft library's way to other nodes: TLS on the node port
 * instead of its plain TCP. Used by consensus.c only.
 */
#ifndef SDSD_RAFT_TRANSPORT_H
#define SDSD_RAFT_TRANSPORT_H

#include <raft.h>
#include <stdbool.h>

#include "raft/link.h"

struct transport {
	struct raft_uv_transport ops; /* what the library calls */
	uv_loop_t *loop;
	struct tls *tls; /* borrowed */
	uint32_t id;
	char address[CONSENSUS_ADDRESS_MAX];
	raft_uv_accept_cb accept; /* NULL: not listening */
	raft_uv_transport_close_cb closed;
	bool closing;
	bool timer_open;
	uv_timer_t timer;
	struct link *links; /* all, in any state */
	uint64_t warned_ms; /* uv_now() of the last warning about a refused connection */
};

/* Fills t->ops. t must stay until the library's close callback. */
void transport_init(struct transport *t, uv_loop_t *loop, struct tls *tls);
/* takes conn; closes it with a log line when it is not a Raft peer's */
void transport_accept(struct transport *t, struct conn *conn);

#endif
