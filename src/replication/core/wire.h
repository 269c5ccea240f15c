/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.h - messages as bytes (docs/protocol.md#wire): a 64-byte little-endian
 * header, then the payload. The greeting is the first thing on a link, each way.
 */
#ifndef SDSD_REPL_WIRE_H
#define SDSD_REPL_WIRE_H

#include "replication/core/repl.h"

#define WIRE_HEADER 64u
#define WIRE_GREETING 128u
#define WIRE_VERSION 1u
#define WIRE_PAYLOAD_MAX REPL_WRITE_MAX
#define WIRE_SEQ_MAX (1ull << 62) /* of START and WRITE: from here nobody counts to an overflow */

/* KNOCK carries nothing: it lives while the opener's copy is out of sync and nobody is writer */
enum wire_purpose { WIRE_SESSION = 1, WIRE_PULL = 2, WIRE_KNOCK = 3 };
enum wire_refusal {
	WIRE_WELCOME,
	WIRE_BAD_VERSION,
	WIRE_BAD_CLUSTER,
	WIRE_NO_RESOURCE,
	WIRE_BAD_SLOT,
	WIRE_NOT_READY,
	WIRE_NO_RENEWAL /* of a renewal: there is no such link, or it cannot be renewed now */
};

/* opener -> acceptor (status unused), then acceptor -> opener with status */
struct wire_greeting {
	/* lowest == highest in version 1; a peer of another version gets WIRE_BAD_VERSION with
	 * ours */
	u32 version;
	u8 purpose;
	u8 status;   /* enum wire_refusal */
	u8 from, to; /* slots */
	u8 cluster[16];
	u8 resource[16];
	u64 boot; /* incarnation of the sender */
	/* Not 0: this socket is to go on with the stream of the link of the same purpose and slots;
	 * a number that the opener has given no other. The answer repeats it. */
	u32 renewal;
};
void wire_put_greeting(u8 out[WIRE_GREETING], const struct wire_greeting *g);
/* 0; -EPROTO when it is no greeting (magic, checksum). Version and the rest are the caller's to
 * judge. */
int wire_get_greeting(const u8 in[WIRE_GREETING], struct wire_greeting *ret);

/* Between the two ends of a link whose socket is being replaced (docs/protocol.md#renewal): never
 * the core's, wire_get refuses them. */
enum wire_link_kind {
	WIRE_LINK_READY = 48, /* the sender has the next socket */
	WIRE_LINK_SWITCH,     /* its last message on the old one */
	WIRE_LINK_SWITCHED    /* first on the next: it has read the other side's SWITCH */
};
struct wire_link_msg {
	u8 kind; /* enum wire_link_kind */
	u32 renewal;
};
void wire_put_link(u8 out[WIRE_HEADER], const struct wire_link_msg *m);
/* -EPROTO when it is none of them: then it may be the core's */
int wire_get_link(const u8 in[WIRE_HEADER], struct wire_link_msg *ret);

void wire_put(u8 out[WIRE_HEADER], const struct repl_msg *m);
/* Checks everything that needs no state: checksum, kind, op, lengths, alignment, limits.
 * ret->buf = 0, ret->payload_len says how many bytes follow. -EPROTO. */
int wire_get(const u8 in[WIRE_HEADER], struct repl_msg *ret);
/* How many TLS records a message is in at most, if its sender does not split it at odd places. */
static inline u32 wire_records(u32 payload_len)
{
	return 1 + (payload_len + 16383) / 16384;
}
const char *wire_name(u8 kind); /* "write" */

#endif
