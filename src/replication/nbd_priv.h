/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbd_priv.h - what the files of the NBD server share: nbd.c clients, nbd_hello.c handshake,
 * nbd_io.c requests. */
#ifndef SDSD_REPLICATION_NBD_PRIV_H
#define SDSD_REPLICATION_NBD_PRIV_H

#include "base/buf.h"
#include "net/conn.h"
#include "replication/nbd.h"
#include "replication/nbd_parse.h"

/* a piece ends at each extent's end and has at most REPL_WRITE_MAX; the first may begin in the
 * middle of one */
#define NBD_PIECES_MAX (NBD_DATA_MAX / REPL_WRITE_MAX + NBD_DATA_MAX / REPL_EXTENT_BYTES + 1)
#define NBD_FLUSH_PIECE 0xffffffffu

enum client_state {
	CLIENT_HELLO,   /* handshake */
	CLIENT_WAITING, /* asked to enter, the volume is being opened */
	CLIENT_INSIDE,  /* transmission */
	CLIENT_LEAVING  /* nothing is read any more; closed when all is answered */
};

struct nbd_request {
	struct nbd_request *next; /* in its queue */
	struct client *client;    /* lives as long as its requests */
	u32 index;                /* in nbd.request[] */
	bool used;
	bool waiting; /* in a queue */
	bool flush_sent;
	bool gone; /* its client left before the payload came: ends without an answer */
	u16 command;
	u16 flags;
	u64 cookie;
	u64 off;
	u32 len;
	int status;    /* first error */
	u32 submitted; /* bytes given to the volume */
	u32 received;  /* WRITE: bytes of payload that have come */
	u32 filling;   /* WRITE: index in data of the piece that is being filled */
	u32 pieces;    /* given to the volume */
	u32 under_way; /* of these not completed */
	u32 pins;      /* parts of data that the conn still reads from */
	struct payload *data[NBD_PIECES_MAX];
};

struct nbd_queue {
	struct nbd_request *head, *tail;
};

struct client {
	struct client *next, *prev;
	struct nbd *nbd;
	struct conn *conn; /* NULL: gone */
	enum client_state state;
	bool no_zeroes, structured;
	bool corked, paused;
	bool held_valid;
	u32 wait_option; /* CLIENT_WAITING: EXPORT_NAME or GO */
	u32 wait_infos;
	u32 requests; /* not freed */
	u32 read_bytes;
	struct nbd_request *receiving;
	struct nbd_event held; /* a request that found no room */
	struct buf stash;      /* bytes that came while nothing could be taken */
	struct turn_item flush;
	struct nbd_parse parse;
};

enum nbd_state {
	NBD_CLOSED,
	NBD_OPENING, /* ops->open was called, somebody waits */
	NBD_OPEN,
	NBD_CUT /* all are shown out; who comes waits until that is over */
};

struct nbd {
	struct nbd_config c;
	char name[64];
	struct listener *listener;
	struct client *clients;
	u32 n_clients; /* of any state */
	enum nbd_state state;
	bool ended; /* nbd_close was called */
	struct turn_item settle;
	u32 n_requests;
	u64 write_bytes;
	u64 read_bytes;                                /* of reads whose data has not come yet */
	struct nbd_request *request[NBD_REQUESTS_MAX]; /* made when first needed */
	struct nbd_queue wait;                         /* -EBUSY, in order */
	struct nbd_queue held;                         /* -EAGAIN, in order */
	u32 n_held;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* nbd.c */
void client_write(struct client *c, const void *data, size_t len);
void client_cork(struct client *c);
void client_leave(struct client *c); /* CLIENT_LEAVING */
void client_abort(struct client *c); /* it breaks the protocol, or cannot be written to */
void nbd_settle_soon(struct nbd *n);

/* nbd_hello.c */
void hello_send(struct client *c);
void hello_on_flags(struct client *c, u32 flags);
void hello_on_option(struct client *c, const struct nbd_event *ev);
void hello_on_big_option(struct client *c, u32 option);
void hello_enter(struct client *c); /* the answer to who waits */
void hello_refuse(struct client *c, const char *why);

/* nbd_io.c */
/* false: no room now, ask again after something was answered */
bool io_on_request(struct client *c, const struct nbd_event *ev);
void io_on_payload(struct client *c, const u8 *data, u32 len);
void io_on_client_gone(struct client *c);
void io_run_waiting(struct nbd *n);
void io_thawed(struct nbd *n);
void io_forget(struct nbd *n);  /* nothing will be completed any more: ends what is under way */
void io_release(struct nbd *n); /* frees the table; no request is used */

#endif
