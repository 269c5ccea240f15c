/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - what the files of the links share: link.c (life, callbacks of the socket), link_out.c
 * (sending), link_in.c (receiving).
 */
#ifndef RVOL_LINK_H
#define RVOL_LINK_H

#include "rvol.h"

#define LINK_TX_SEGMENTS 64u

/* one message on its way out */
struct link_msg {
	struct list_head list;
	struct rvol_buf *buf; /* a reference; NULL: no payload */
	u32 len;              /* head and payload */
	u8 head[WIRE_HEADER];
};

struct rvol_link {
	struct kref ref;
	struct list_head list; /* r->links while it is up */
	struct rvol *r;        /* a reference */
	u32 number;
	u8 slot;
	bool tls;
	struct socket *sock;
	const char *dead; /* why it has to go; set anywhere, told by links_settle */

	/* r->lock */
	bool up, lags, held, flush_due, ack_due, commit_due;
	struct repl_msg ack, commit; /* not sent yet: a later one takes its place */

	/* out */
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
	const u8 *ahead; /* read and not looked at: in page, or in ahead_memory; NULL: nothing */
	u32 ahead_len;
	void *ahead_memory;
	bool drained; /* the socket had no more than it gave */

	struct work_struct end_work;
	void (*old_data_ready)(struct sock *sk);
	void (*old_write_space)(struct sock *sk);
	void (*old_state_change)(struct sock *sk);
};

/* link.c */
void link_give_up(struct rvol_link *l, const char *why); /* any context; the first reason counts */
void link_put(struct rvol_link *l);                      /* process context */
struct rvol_link *link_find(const struct rvol *r, u32 number);

/* link_out.c */
void link_msg_free(struct link_msg *m);
void link_on_tx(struct work_struct *work);
void link_send_soon(struct rvol_link *l); /* any context, with a reference */

/* link_in.c */
void link_on_rx(struct work_struct *work);
bool link_takes(const struct rvol_link *l); /* entered: may what comes be read? */

#endif
