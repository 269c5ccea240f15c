/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd.h - the front of a volume: an NBD server on a unix socket, fixed
 * newstyle. A client that asks to enter opens the volume; when the last one
 * has left and all it asked for is done, the volume is closed. Plane's thread.
 */
#ifndef SDSD_REPLICATION_NBD_H
#define SDSD_REPLICATION_NBD_H

#include "base/err.h"
#include "replication/payload.h"
#include "replication/turn.h"

#define NBD_CLIENTS_MAX 32
#define NBD_REQUESTS_MAX 256 /* of all clients, under way or being answered */
#define NBD_CLIENT_REQUESTS_MAX 128
#define NBD_DATA_MAX (32u << 20)        /* bytes of one read or write */
#define NBD_WRITE_BYTES_MAX (32u << 20) /* of writes under way: below what a link may queue */
/* of reads of one client, until it has taken them; and of all that wait for data, which may come
 * over one link */
#define NBD_READ_BYTES_MAX (32u << 20)
#define NBD_REPLY_QUEUE_MAX (1u << 20) /* a client that does not take answers is not heard */
#define NBD_STASH_MAX (1u << 20)
#define NBD_BLOCK_PREFERRED 4096u
#define NBD_SOCKET_MODE 0600

#define NBD_HELD_MAX 128 /* writes that a freeze holds: the other requests are left to reads */

/* What the server asks of its volume. 0 or a negative errno; -EBUSY: after nbd_complete again;
 * -EAGAIN of write and flush: it is frozen, after nbd_thawed again. */
struct nbd_ops {
	void (*open)(void *owner);  /* nbd_opened or nbd_refused follows, not inside the call */
	void (*close)(void *owner); /* nobody is in, nothing under way */
	/* op: enum repl_op. The payload stays ours until nbd_complete */
	int (*write)(void *owner, u64 id, u8 op, u64 off, u32 len, struct payload *data);
	int (*read)(void *owner, u64 id, u64 off, u32 len);
	int (*flush)(void *owner, u64 id);
};

struct nbd_config {
	uv_loop_t *loop;
	struct turn *turn;
	struct payload_account *account; /* borrowed, as are turn and owner */
	const char *socket_path;
	const char *name; /* of the resource */
	u64 size_bytes;
	u32 block_bytes; /* requests are whole blocks of so many, 512 or 4096; 0: 512 */
	const struct nbd_ops *ops;
	void *owner;
};

struct nbd;
/* listens from now on */
int nbd_start(const struct nbd_config *config, struct nbd **ret, struct err *err);
/* answers to open, exactly one. After a refusal the volume is closed (no call of close); clients
 * that wait hear why and may ask again */
void nbd_opened(struct nbd *n);
void nbd_refused(struct nbd *n, const char *why);
/* the answer to write, read (data: one reference, taken) or flush */
void nbd_complete(struct nbd *n, u64 id, int status, struct payload *data);
void nbd_thawed(struct nbd *n);
/* all that are inside are shown out, what is under way is still answered, then close is called;
 * only while open */
void nbd_cut(struct nbd *n);
u32 nbd_clients(const struct nbd *n); /* inside or waiting to enter */
/* larger than before; clients that are inside hear of it when they enter anew */
void nbd_set_size(struct nbd *n, u64 size_bytes);
/* Ends everything: requests under way are forgotten, no call to ops any more. closed (not inside
 * the call) when no payload is used any more. */
void nbd_close(struct nbd *n, void (*closed)(void *arg), void *arg);

#endif
