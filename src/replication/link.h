/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - one data link between two nodes for one resource: TLS, the greeting
 * both ways, then messages of core/wire.h. A link_set is all links of a plane.
 * Plane's thread. A link frees itself; its owner forgets it in down() or by
 * link_close().
 */
#ifndef SDSD_REPLICATION_LINK_H
#define SDSD_REPLICATION_LINK_H

#include "base/buf.h"
#include "net/conn.h"
#include "replication/core/renewal.h"
#include "replication/payload.h"
#include "replication/plane.h"
#include "replication/turn.h"

#define LINK_GREETING_MS 5000
#define LINK_QUEUE_MAX (48u << 20) /* bytes waiting to be sent; who does not take them is cut */
#define LINK_STASH_MAX (4u << 20)  /* bytes that were read and cannot be taken yet */
#define LINK_UNGREETED_MAX 128     /* accepted, greeting not judged yet */
#define LINK_COMPLAINTS_PER_S 2    /* log lines about peers that break rules */
#define LINK_PACE_MIN_MS 100       /* between attempts to open a link */
#define LINK_PACE_MAX_MS 1000
#define LINK_PACE_STABLE_MS 2000 /* one that lived so long begins the pace anew */
/* TLS records in one direction after which a link is renewed; AES-GCM bears 2^24.5 under a key */
#define LINK_RENEW_RECORDS (1u << 23)
#define LINK_RENEW_RETRY_MS 10000 /* after a renewal that did not succeed */

struct link;

struct link_ops {
	/* both sides have agreed */
	void (*up)(struct link *l, void *owner);
	/* false: keep messages back until link_resume */
	bool (*takes)(struct link *l, void *owner);
	/* m->buf: one reference, the owner's now */
	void (*message)(struct link *l, struct repl_msg *m, void *owner);
	/* it ended or never came up; the last call. why: a sentence */
	void (*down)(struct link *l, const char *why, void *owner);
	/* a renewal is over; why: a sentence, l goes on as before; NULL: over the new socket. Only
	 * links that are renewed have it. */
	void (*renewed)(struct link *l, const char *why, void *owner);
};

struct link_set { /* embedded in the plane */
	uv_loop_t *loop;
	struct turn *turn;
	struct tls *tls;
	u8 cluster[16];
	u64 boot;
	/* An accepted link's greeting: WIRE_WELCOME after link_adopt or link_take_renewal, or why
	 * not. */
	u8 (*judge)(struct link *l, const struct wire_greeting *g, void *arg);
	void *arg;
	bool for_kernel;   /* links may be given to the kernel, see link_to_kernel */
	u64 renew_records; /* LINK_RENEW_RECORDS, less in tests */
	u32 renewal;       /* number of the last one that was begun here */
	struct link *head;
	u32 ungreeted;
	u64 complaint_second;
	u32 complaints;
	bool ending;
	void (*ended)(void *arg);
	void *ended_arg;
};

/* LINK_SPARE: greeted, and its socket is one of the two that the link it renews has */
enum link_state { LINK_CONNECTING, LINK_GREETING, LINK_UP, LINK_SPARE, LINK_ENDING };

/* The stream of a link going over to another socket (link_renew.c, docs/protocol.md#renewal). */
struct link_renewal {
	struct repl_renewal rules; /* switched_out: l->out is the next socket; _in: l->conn */
	struct link *spare;        /* has the other socket: the next one, after SWITCH was read the
				    * old one; NULL when that has closed */
	bool switch_read; /* just now: reading goes on from the next when this call is over */
};

struct link {
	struct link *next, *prev;
	struct link_set *set;
	struct conn *conn; /* read from; NULL: has closed */
	struct conn *out;  /* sent on: the same one but during a renewal; NULL: nothing is sent */
	struct link_renewal renewal;
	struct link *renews; /* of a spare, also before it is one: that link; else NULL */
	enum link_state state;
	const struct link_ops *ops; /* NULL: nobody is told any more */
	void *owner;
	struct payload_account *account; /* the owner's: NULL with ops */
	u32 number;                      /* for the mirror */
	u8 slot;                         /* of the other side */
	u8 purpose;                      /* enum wire_purpose */
	bool opened;                     /* by us */
	bool paused, corked;
	bool broken; /* cannot be written to: down follows at the end of the turn */
	bool ack_due;
	bool timer_closed;
	char node[64];              /* that must be at the other end (opened) or is (accepted) */
	const char *why;            /* for down: static text */
	struct wire_greeting hello; /* ours */
	struct repl_msg ack;        /* not sent yet: a later one takes its place */
	struct turn_item flush;
	uv_timer_t timer;
	/* receiving */
	u8 head[WIRE_GREETING];
	u32 have;
	struct repl_msg msg;
	struct payload *payload; /* being filled; NULL: a header is */
	struct buf stash;
	u64 received; /* TLS records over conn, at most */
};

struct link_target {
	const char *host, *node;
	int port;
	u8 purpose, from, to;
	u8 resource[16];
	u32 number;
	u32 renewal; /* link_renewal_number(): to be given to the kernel as the next socket of its
		      * link; 0: a link of its own */
};

/* when a link that is wanted is tried next */
struct link_pace {
	u32 delay_ms;
	u64 next_at;
	u64 up_at; /* of the attempt that came up, the opener's to set */
};
/* An attempt has ended; was_up: it had come up. */
void link_pace(struct link_pace *p, bool was_up, u64 now);

void link_set_init(struct link_set *s, uv_loop_t *loop, struct turn *turn, struct tls *tls);
/* no new ones; ended when the last is freed, which may be now */
void link_set_end(struct link_set *s, void (*ended)(void *arg), void *arg);
void link_accept(struct link_set *s, struct conn *c); /* takes c */
/* one line of the log, unless there were too many just now */
void link_complain(struct link_set *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* NULL: no memory. up or down follows. */
struct link *link_open(struct link_set *s, const struct link_target *t, const struct link_ops *ops,
		       void *owner, struct payload_account *account);
/* for judge: up follows when it answers WIRE_WELCOME */
void link_adopt(struct link *l, u32 number, const struct link_ops *ops, void *owner,
		struct payload_account *account);
/* Copies; m->buf stays the caller's. Failure shows as down, later. */
void link_send(struct link *l, const struct repl_msg *m);
void link_resume(struct link *l);

/* One that was opened here, is up and nearly as long in use as its keys may be. */
bool link_renewal_due(const struct link *l);
/* Opens its next socket; renewed or down follows. t: as when it was opened. -ENOMEM */
int link_renew(struct link *l, const struct link_target *t);
/* for judge: next, whose greeting has g->renewal, is the next socket of l. What judge answers. */
u8 link_take_renewal(struct link *l, struct link *next, const struct wire_greeting *g);
u32 link_renewal_number(struct link_set *s); /* no other has it */
size_t link_queued(const struct link *l);    /* bytes that wait to be sent */
/* One that is up, of a set that is for_kernel: its socket goes to the kernel, with what was read
 * and not given to message() (malloced). Not inside up(). The link is gone after 0, down() is not
 * called. -EAGAIN: again in a moment. Other failures: the link is there, for link_close. */
int link_to_kernel(struct link *l, int *ret_fd, u8 **ret_ahead, size_t *ret_len, struct err *err);
/* the owner wants no more of it: what was sent still goes out */
void link_close(struct link *l);
const char *link_refusal(u8 status); /* enum wire_refusal in words */
/* for judge: whether the greeting fits to the resource and to the certificate of who sends it */
u8 link_judge(struct link *l, const struct wire_greeting *g, const struct plane_resource *r);

#endif
