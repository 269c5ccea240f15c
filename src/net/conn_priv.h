/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn_priv.h - what the files of one conn share: conn.c (life, reading),
 * conn_out.c (the queue of bytes to write), conn_tls.c (TLS between the two),
 * conn_kernel.c (the kernel takes over), listener.c (accepting). Nobody else includes it.
 */
#ifndef SDSD_NET_CONN_PRIV_H
#define SDSD_NET_CONN_PRIV_H

#include <netinet/in.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "net/conn.h"
#include "net/ktls.h"

#define CONN_NAME_MAX 96
#define CONN_LOW_MARK (64u << 10) /* on_drain when fewer bytes wait */
#define CONN_LINGER_MS 2000       /* from conn_close to the end, whatever waits */
#define CONN_GATHER_MAX 64        /* segments given to the kernel at once */
#define CONN_SEG_SIZE (64u << 10) /* room of a segment that collects small writes */
#define CONN_SPARE_MAX 8          /* segments of each sort a thread keeps for the next write */
/* TLS records under one key; AES-GCM bears 2^24.5. Data links change their socket long before
 * (LINK_RENEW_RECORDS), for the kernel cannot follow a new key. */
#define CONN_REKEY_RECORDS (1u << 24)
#define CONN_HANDLES 3

enum conn_stage {
	CONN_CONNECTING,  /* TCP or unix connect under way */
	CONN_HANDSHAKING, /* TLS handshake under way */
	CONN_OPEN,
	CONN_CLOSING, /* sends what is queued, then the end of stream, then waits for the peer's */
	CONN_CLOSED,  /* handles are being closed; on_close comes last */
};

/* one piece of the output queue */
struct conn_seg {
	struct conn_seg *next;
	const uint8_t *data;
	size_t len, off; /* off bytes are written */
	size_t room;     /* of own[]; 0 for borrowed data */
	void (*done)(void *arg);
	void *arg;
	uint8_t own[];
};

struct conn_queue {
	struct conn_seg *head, *tail;
	size_t bytes;
};

/* How many conns of one listener live, on whatever thread; where it limits those of one address,
 * one for each of them, too. Owned by all that count in it. */
struct conn_quota {
	atomic_int refs;
	atomic_int open;
	struct conn_quota *all; /* of one address: that of the listener, which is held; else NULL */
	struct conn_quota *next; /* the listener's list of addresses */
	uint8_t address[16];     /* IPv6; mapped for IPv4 */
};

/* What the conns of a thread share: read buffers, each used within one callback only, and segments
 * that were written and wait for the next write. */
struct conn_scratch {
	uint8_t *raw;   /* CONN_READ_SIZE as read from the kernel */
	uint8_t *plain; /* CONN_READ_SIZE decrypted */
	struct conn_spare {
		struct conn_seg *head;
		int n;
	} own, borrowed; /* with CONN_SEG_SIZE of room, with none */
	int users;
};

struct conn {
	uv_loop_t *loop;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} h;
	uv_timer_t timer; /* connect, handshake, linger: whichever the stage has */
	uv_idle_t kick;   /* runs once, early in the next loop turn: flush, resume, report */
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	int handles; /* not closed yet */

	enum conn_stage stage;
	bool reading, paused;
	bool writing;    /* write is under way with the segments of inflight */
	bool fin_sent;   /* shutdown was called */
	bool peer_ended; /* the peer's end of stream was seen */
	bool was_above;  /* passed CONN_LOW_MARK since the last on_drain */
	bool detached;   /* no callback any more */
	bool open_due;   /* open from the start; on_open comes with the next turn */
	bool resume_due; /* reading goes on with the next turn, first with left */
	int corked;
	int handshake_ms;
	struct err reason; /* for on_close */

	const struct conn_ops *ops;
	void *owner;

	uint64_t handed;            /* bytes the kernel took, without those of inflight */
	struct conn_queue out;      /* waiting for the kernel */
	struct conn_queue inflight; /* given to uv_write; its rest is stream.write_queue_size */
	struct conn_seg *spent;     /* done() is due, never inside the caller's call */
	struct buf early;           /* TLS: plaintext written before on_open */
	struct buf corked_plain;    /* TLS: plaintext written while corked, less than a record */

	SSL *ssl;          /* owned; NULL for plain */
	struct tls *tls;   /* borrowed until the handshake is over */
	const uint8_t *in; /* encrypted bytes being read: in the scratch buffer or in left; NULL
			    * while none are */
	size_t in_len;
	struct buf left;           /* encrypted bytes kept over a pause */
	uint64_t records;          /* written under the present key */
	struct ktls_framer framer; /* where the bytes received so far end */
	struct ktls *ktls;         /* owned; NULL when it never goes to the kernel */
	bool exact;                /* nothing is read beyond the present record */
	struct tls_peer peer;
	const char *alpn;
	char name[CONN_NAME_MAX];
	struct conn_quota *quota; /* counted there; NULL when not accepted */
};

struct conn_parcel {
	int fd;
	bool is_unix;
	SSL *ssl;
	struct conn_queue out;
	struct buf left;
	uint64_t records;
	struct ktls_framer framer;
	struct ktls *ktls;
	bool exact;
	struct tls_peer peer;
	const char *alpn;
	char name[CONN_NAME_MAX];
	struct conn_quota *quota;
};

/* conn.c */
struct conn_scratch *conn_scratch(void);
void conn_read_more(struct conn *c); /* reads when the stage and pause allow */
void conn_kick(struct conn *c);
/* the end with a reason: CONN_CLOSING when something may still be sent, else CONN_CLOSED */
void conn_fail(struct conn *c, const struct err *reason);
void conn_opened(struct conn *c);
/* one accepted descriptor as a conn (takes fd, counts in quota); tls NULL: plain and open.
 * Reading begins with the next turn. NULL on failure (fd is closed). */
struct conn *conn_accepted(uv_loop_t *loop, int fd, struct tls *tls, int handshake_ms,
			   const char *name, struct conn_quota *quota, const struct conn_ops *ops,
			   void *owner);
void conn_quota_take(struct conn_quota *q); /* one more is open */
void conn_quota_put(struct conn_quota *q, bool was_open);
void conn_name_of(const struct sockaddr_storage *addr, char out[CONN_NAME_MAX]);

/* conn_out.c: the queue */
size_t queue_bytes(const struct conn *c);
int queue_copy(struct conn_queue *q, const void *data, size_t len);
int queue_borrow(struct conn_queue *q, const void *data, size_t len, void (*done)(void *arg),
		 void *arg);
void queue_release(struct conn_queue *q); /* done() of what is left is called */
void conn_spare_release(struct conn_scratch *scratch);
/* hands to the kernel what it takes; the rest goes on by itself */
void conn_flush(struct conn *c);
void conn_run_spent(struct conn *c);
/* everything not written yet as own copies in ret; c keeps what done() is due for */
int conn_take_unwritten(struct conn *c, struct conn_queue *ret);

/* conn_tls.c */
/* takes ssl (NULL: no memory); the handshake begins */
int conn_tls_start(struct conn *c, SSL *ssl);
int conn_tls_bind(struct conn *c); /* the SSL now reads from and writes to c */
/* len encrypted bytes arrived; handshake or on_data follow from it */
void conn_tls_input(struct conn *c, const uint8_t *data, size_t len);
void conn_tls_resume(struct conn *c); /* goes on with what a pause left behind */
int conn_tls_write(struct conn *c, const void *data, size_t len);
int conn_tls_push(struct conn *c); /* encrypts what was collected while corked */
void conn_tls_end(struct conn *c); /* queues the close_notify */
/* everything received that on_data has not seen, decrypted; it must end with a whole record */
int conn_tls_ahead(struct conn *c, struct buf *ret, struct err *err);

/* conn_kernel.c: before the handshake; alpn as in struct ktls. 0 or -ENOMEM */
int conn_keep_keys(struct conn *c, const char *alpn);

/* hosts.c: numeric address or /etc/hosts. -E_INVALID with a sentence */
int hosts_resolve(const char *host, int port, struct sockaddr_storage *ret, struct err *err);

#endif
