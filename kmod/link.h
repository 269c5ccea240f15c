/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - what the files of the links share: link.c (life), link_sock.c (sockets), link_out.c
 * (sending), link_in.c (receiving), link_renew.c (the change to another socket).
 */
#ifndef RVOL_LINK_H
#define RVOL_LINK_H

#include "replication/core/renewal.h"
#include "rvol.h"

#define LINK_TX_SEGMENTS 64u
/* Payloads from so many bytes on are not copied into the socket: it gets references of their pages,
 * which for fewer cost more than the copy. */
#define LINK_SHARE_MIN (32u << 10)

struct link_sock {
	struct kref ref;     /* of its link, and of who sends on it */
	struct rvol_link *l; /* while the callbacks are ours */
	struct socket *sock;
	bool tls;
	void *ahead; /* what was read before it was handed over; NULL: nothing, or taken */
	u32 ahead_len;
	void (*old_data_ready)(struct sock *sk);
	void (*old_write_space)(struct sock *sk);
	void (*old_state_change)(struct sock *sk);
};

/* one message on its way out */
struct link_msg {
	struct list_head list;
	struct rvol_buf *buf;   /* a reference; NULL: no payload */
	struct link_sock *then; /* a reference; it is SWITCH: what is behind it goes there */
	u32 len;                /* head and payload */
	u8 head[WIRE_HEADER];
};

struct link_renewal {
	struct repl_renewal rules; /* switched_out: SWITCH is in the queue, or sent */
	struct link_sock *other;   /* the next socket; when SWITCH was read the old one */
};

struct rvol_link {
	struct kref ref;
	struct list_head list; /* r->links while it is up */
	struct rvol *r;        /* a reference */
	u32 number;
	u8 slot, purpose;      /* purpose: as uapi/rvol.h has it; 0 not told */
	struct link_sock *now; /* read from; changed with r->lock held */
	const char *dead;      /* why it has to go; set anywhere, told by links_settle */

	/* r->lock */
	bool up, lags, held, flush_due, ack_due;
	struct repl_msg ack; /* not sent yet: a later one takes its place */
	struct link_renewal renewal;
	u32 renewed;  /* how often */
	u64 renew_at; /* so many TLS records in either direction are told to sdsd; 0: none are */
	bool due;     /* there were so many */

	/* out */
	struct link_sock *out; /* the sender's; a reference */
	u64 tx_records;        /* over it; the sender's */
	spinlock_t queue_lock;
	struct list_head queue; /* struct link_msg */
	atomic_t queued;        /* bytes in it */
	atomic_t want;          /* how often sending was asked for since the sender looked */
	u32 sent;               /* bytes of the first message; the sender's */
	struct bio_vec vec[LINK_TX_SEGMENTS];
	struct work_struct tx_work;

	/* in; the worker's */
	struct work_struct rx_work;
	u8 head[WIRE_HEADER];
	u32 have;
	struct repl_msg msg;
	struct rvol_buf *buf; /* being filled; NULL: a header is */
	struct page *page;    /* for what comes behind a header */
	const u8 *ahead;      /* read and not looked at: in page, or in now->ahead; NULL: nothing */
	u32 ahead_len;
	bool drained;   /* the socket had no more than it gave */
	bool starved;   /* head is whole, and there was no memory for its payload; r->lock */
	u64 rx_records; /* over now, at most */

	struct work_struct end_work;
};

/* link.c */
void link_give_up(struct rvol_link *l, const char *why); /* any context; the first reason counts */
void link_put(struct rvol_link *l);                      /* process context */
struct rvol_link *link_find(const struct rvol *r, u32 number);

/* link_sock.c */
int link_sock_new(const struct rvol_link_order *o, struct link_sock **ret, const char **ret_why);
struct link_sock *link_sock_get(struct link_sock *s);
void link_sock_put(struct link_sock *s); /* NULL is fine; process context */
/* It tells l from now on. false: another link was given the same socket at the same time */
bool link_sock_attach(struct link_sock *s, struct rvol_link *l);
void link_sock_shut(struct link_sock *s);        /* and no more; it is ended */
bool link_sock_ended(const struct link_sock *s); /* by the other side, or broken */

/* link_renew.c; entered */
/* next is the link's on success. l NULL: there is none */
int renewal_admit(struct rvol_link *l, struct link_sock *next, const struct rvol_link_order *o,
		  const char **ret_why);
bool renewal_on_message(struct rvol_link *l, const struct wire_link_msg *m); /* false: it ends */
void renewal_settle(struct rvol_link *l);

/* link_out.c */
/* entered: a message of the link's own; then: as in struct link_msg, or NULL */
void link_say(struct rvol_link *l, u8 kind, u32 renewal, struct link_sock *then);
void link_msg_free(struct link_msg *m);
void link_on_tx(struct work_struct *work);
void link_send_soon(struct rvol_link *l); /* any context, with a reference */

/* link_in.c */
void link_on_rx(struct work_struct *work);
bool link_takes(const struct rvol_link *l); /* entered: may what comes be read? */

#endif
