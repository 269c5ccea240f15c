/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - one connection between two nodes for Raft: a TLS conn ("far") and
 * one end of a socketpair ("near") whose other end the Raft library reads or
 * writes as a plain stream. Bytes travel one way: from the side that connected
 * to the side that accepted; the other way come one answer and then a sign of
 * life every LINK_TICK_MS, so that a peer which lost power is noticed. Used by
 * transport.c only.
 *
 * Greeting of the connecting side, little-endian:
 *   "SRFT" | version u16 | address length u16 | id u32 | address
 */
#ifndef SDSD_RAFT_LINK_H
#define SDSD_RAFT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/conn.h"
#include "raft/consensus.h"

#define LINK_VERSION 1
#define LINK_HEAD 12
#define LINK_GREETING_MAX (LINK_HEAD + CONSENSUS_ADDRESS_MAX)
#define LINK_QUEUE_HIGH (1u << 20) /* bytes waiting on one end before the other is not read */
#define LINK_TICK_MS 1000
#define LINK_GREET_MS 8000   /* from the start of connecting or accepting to the answer */
#define LINK_SILENCE_MS 4000 /* without a sign of life the connecting side gives up */

enum link_state {
	LINK_CONNECTING, /* out: TLS and greeting; waits for the answer */
	LINK_GREETED,    /* in: waits for the greeting */
	LINK_OPEN,       /* bytes flow */
	LINK_CLOSING     /* both ends are told to close */
};

struct link;

struct link_ops {
	/* The greeting is done. fd is the library's end of the pair; taken. */
	void (*on_open)(struct link *l, int fd, void *owner);
	/* Last call; why->code is 0 for an orderly end. The link is freed after it. */
	void (*on_close)(struct link *l, const struct err *why, void *owner);
};

struct link {
	enum link_state state;
	bool outgoing;
	bool was_open;
	bool greeted; /* out: the greeting was sent */
	uv_loop_t *loop;
	struct conn *far, *near; /* NULL: not yet or no longer */
	uint32_t id;             /* the peer's; out: expected, in: after the greeting */
	char address[CONSENSUS_ADDRESS_MAX];
	uint64_t since_ms, heard_ms; /* uv_now() */
	uint8_t greeting[LINK_GREETING_MAX];
	size_t greeting_len;
	struct err why; /* what ended it; code 0 until then */
	const struct link_ops *ops;
	void *owner;
	struct link *next, **at; /* the transport's list */
};

/* NULL with err: bad address, no memory. Either on_open then on_close, or on_close alone follow. */
struct link *link_connect(uv_loop_t *loop, struct tls *tls, uint32_t my_id, const char *my_address,
			  uint32_t id, const char *address, const struct link_ops *ops, void *owner,
			  struct err *err);
/* takes far (open); NULL on no memory (far is aborted) */
struct link *link_accepted(uv_loop_t *loop, struct conn *far, const struct link_ops *ops,
			   void *owner);
/* Begins the end; on_close follows later. Idempotent. */
void link_abort(struct link *l, const struct err *why);
/* Every LINK_TICK_MS: signs of life, deadlines */
void link_tick(struct link *l);

#endif
