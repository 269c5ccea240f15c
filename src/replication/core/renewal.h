/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * renewal.h - the rules by which the stream of a link goes over to another
 * socket (docs/protocol.md#renewal), as one of its two ends sees them. Both
 * planes keep sockets and queues in their own way and follow these. No
 * allocation, no I/O; the caller serializes.
 */
#ifndef SDSD_REPL_RENEWAL_H
#define SDSD_REPL_RENEWAL_H

#include "replication/core/wire.h"

struct repl_renewal {
	u32 number;        /* 0: none is under way */
	u32 ready;         /* the other side has that one's next socket; 0: has not said so */
	bool switched_out; /* SWITCH was said: sending goes on over the next socket */
	bool switched_in;  /* SWITCH was read: reading goes on from the next; the caller's to set */
};

enum repl_renewal_step {
	REPL_RENEWAL_NOTHING, /* READY: repl_renewal_switches may be true now */
	REPL_RENEWAL_READ_ON, /* from the next socket */
	REPL_RENEWAL_OVER,    /* the old socket has no use any more: repl_renewal_end */
	REPL_RENEWAL_WRONG    /* the link has to end */
};

/* Both sides have both sockets (has_next: this one has), and it was false until now: SWITCH is the
 * last message over the old one. */
bool repl_renewal_switches(struct repl_renewal *n, bool has_next);
/* what follows from a message of the other side */
enum repl_renewal_step repl_renewal_hear(struct repl_renewal *n, const struct wire_link_msg *m);
/* It has succeeded, or its next socket has ended before SWITCH was said. */
void repl_renewal_end(struct repl_renewal *n);

#endif
