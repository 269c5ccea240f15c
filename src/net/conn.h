/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.h - one byte stream: a unix socket, TCP, or TLS over TCP, all with the
 * same four verbs. Lives on one loop; conn_detach/conn_attach move it to
 * another thread's loop. Callbacks never run inside the call that caused them,
 * except on_data, on_close from the loop. After on_close the conn is freed by
 * conn.c itself: the owner must forget the pointer.
 */
#ifndef SDSD_NET_CONN_H
#define SDSD_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "net/tls.h"

#define CONN_READ_SIZE (256u << 10)
#define CONN_HANDSHAKE_TIMEOUT_MS 5000
#define CONN_CONNECT_TIMEOUT_MS 3000

struct conn;

struct conn_ops {
	/* connected and (TLS) authenticated; called once. NULL allowed */
	void (*on_open)(struct conn *c, void *owner);
	/* len > 0 bytes arrived, borrowed during the call */
	void (*on_data)(struct conn *c, const uint8_t *data, size_t len, void *owner);
	/* bytes waiting to be written fell below the low mark (64 KiB); NULL allowed */
	void (*on_drain)(struct conn *c, void *owner);
	/* last call, exactly once, on any end: reason->code 0 for an orderly end by the peer or
	 * by conn_close; else what broke (refused, timed out, certificate...) */
	void (*on_close)(struct conn *c, const struct err *reason, void *owner);
};

/* Connecting: returns at once; on_open or on_close follows. host: a numeric address or a
 * name from /etc/hosts (no NSS plug-ins in a static program). NULL only on no memory. */
struct conn *conn_connect_tls(uv_loop_t *loop, struct tls *tls, const char *alpn, const char *host,
			      int port, const struct conn_ops *ops, void *owner);
struct conn *conn_connect_unix(uv_loop_t *loop, const char *path, const struct conn_ops *ops,
			       void *owner);
/* An already connected descriptor (socketpair, accepted unix socket); takes fd. on_open follows. */
struct conn *conn_from_fd(uv_loop_t *loop, int fd, const struct conn_ops *ops, void *owner);

uv_loop_t *conn_loop(const struct conn *c);
void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *owner);
/* Copies data; until on_open it waits. 0; -ENOTCONN when closing; -ENOBUFS when more than
 * CONN_QUEUE_MAX wait. */
#define CONN_QUEUE_MAX (64u << 20)
int conn_write(struct conn *c, const void *data, size_t len);
/* As above without a copy for plain streams: data stays valid until done(arg) is called
 * (always called, also on failure after a 0 return). For TLS it is encrypted at once. */
int conn_write_borrowed(struct conn *c, const void *data, size_t len, void (*done)(void *arg),
			void *arg);
/* Many writes in one loop turn are sent together: cork, write..., uncork. Nests. TLS: they share
 * records. */
void conn_cork(struct conn *c);
void conn_uncork(struct conn *c);
/* TLS: buffers stay between records (34 KiB), for a stream that is seldom silent. Open conns. */
void conn_keep_buffers(struct conn *c);
void conn_read_pause(struct conn *c);
void conn_read_resume(struct conn *c);
size_t conn_queued(const struct conn *c);    /* bytes not yet handed to the kernel */
uint64_t conn_records(const struct conn *c); /* TLS: written under the present key */
uint64_t conn_handed(const struct conn *c);  /* bytes the kernel took so far; valid in on_close */
/* Begins the end (what is queued is sent first, at most 2 s); on_close follows. Idempotent. */
void conn_close(struct conn *c);
/* Ends now, queued bytes are dropped; on_close follows (later). */
void conn_abort(struct conn *c);

const struct tls_peer *conn_peer(const struct conn *c); /* NULL for plain; valid after on_open */
const char *conn_alpn(const struct conn *c);            /* ALPN_ constant or "" */
const char *conn_name(const struct conn *c);            /* "10.0.0.2:7000" or "unix" */

/* Moving to another thread: detach closes the handle here (no callback any more, c is gone) and
 * yields a parcel; attach makes a conn of it on the other loop, on that thread. Bytes that had
 * been read and not been given to on_data yet travel along and are given after attach. Only
 * after on_open; NULL on no memory (c then still lives). attach gives an open conn: no on_open;
 * NULL on no memory (p then still lives). */
struct conn_parcel;
struct conn_parcel *conn_detach(struct conn *c);
struct conn *conn_attach(uv_loop_t *loop, struct conn_parcel *p, const struct conn_ops *ops,
			 void *owner);
void conn_parcel_free(struct conn_parcel *p); /* closes it unattached */

/* A TLS conn whose socket shall go to the kernel, which then does the TLS itself (kTLS). To be said
 * right after conn_connect_tls, or when the conn is open for one accepted by a listener with
 * listener_for_kernel (in on_accept or later). Keeps the keys and, from now on, leaves in the
 * socket whatever is behind the TLS record being read: that is the kernel's. Costs a second read
 * for each record. 0; -ENOMEM; -EINVAL when it is too late, or no TLS. Moves with conn_detach. */
int conn_for_kernel(struct conn *c);
/* Hands the socket over; c is gone after 0, as after conn_detach: no callback any more. fd belongs
 * to the caller: what is written is encrypted by the kernel, what is read was decrypted by it, and
 * no goodbye (close_notify) is sent at its end. ahead: bytes that were decrypted or received and
 * not given to on_data; malloced, NULL when there are none; they come before what fd gives.
 * What is queued is flushed first. May be called from on_open and on_data. On failure:
 * -EAGAIN       something waits to be sent, or half of a record has arrived: c goes on as before;
 *               try again, when there was on_data or after some time
 * -EOPNOTSUPP   this kernel has no TLS or not this cipher: c goes on as before
 * -EPROTO       an end has changed its key (KeyUpdate), the kernel cannot follow: as before
 * -EINVAL, -ENOMEM, -EMFILE: not for the kernel (see above), no memory: as before
 * -ENOTCONN     c has ended, or could not go on after it was half handed over: on_close follows */
int conn_to_kernel(struct conn *c, int *ret_fd, uint8_t **ret_ahead, size_t *ret_len,
		   struct err *err);

/* Listeners. on_accept gets an open conn (TLS: handshake done, peer known); it must call
 * conn_set_ops before returning, or conn_detach/conn_close. At most max open at a time, more are
 * refused; a handshake has CONN_HANDSHAKE_TIMEOUT_MS. The conn is open: on_open of the new ops is
 * not called. */
struct listener;
typedef void (*listener_cb)(struct conn *c, void *arg);
/* -EADDRINUSE etc. with a sentence. tls NULL: plain. */
int listener_tcp(uv_loop_t *loop, const char *host, int port, struct tls *tls, int max,
		 listener_cb on_accept, void *arg, struct listener **ret, struct err *err);
/* an old socket file nobody listens on is replaced; one in use is -EADDRINUSE. mode e.g. 0600 */
int listener_unix(uv_loop_t *loop, const char *path, mode_t mode, int max, listener_cb on_accept,
		  void *arg, struct listener **ret, struct err *err);
/* another time for the handshake than CONN_HANDSHAKE_TIMEOUT_MS, for conns accepted from now on */
void listener_set_handshake_ms(struct listener *l, int timeout_ms);
/* At most max open at a time that come from one address (IPv6: one network of 64 bits); more are
 * refused. 0: no such limit, as at first. Before the first conn. */
void listener_limit_address(struct listener *l, int max);
/* conns accepted from now on that speak alpn (an ALPN_ constant) may be given to the kernel:
 * their keys are kept, see conn_for_kernel */
void listener_for_kernel(struct listener *l, const char *alpn);
int listener_port(const struct listener *l); /* the real port when 0 was asked */
/* closes; unix: removes the file. Accepted conns go on. */
void listener_free(struct listener *l);

#endif
