// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conn.c - the life of one byte stream: connecting, open, reading, the end,
 * and the move to another loop. Used by everything that talks to a socket
 * through libuv. It knows nothing of what the bytes mean; TLS is conn_tls.c,
 * the output queue conn_out.c.
 *
 * Nothing is reported from within the caller's own call: work is left to the
 * kick, an idle handle that is active for one loop turn only (an active idle
 * handle keeps the loop from sleeping, so the turn comes at once). Everything
 * that calls the owner looks at the stage again afterwards: the owner may have
 * closed, paused or detached the conn. The memory lives until the handles have
 * closed, that is, always longer than the callback that is on the stack.
 */
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/conn_priv.h"

#define CONN_KEEPALIVE_S 15

static _Thread_local struct conn_scratch scratch;

static int scratch_get(void)
{
	if (scratch.users == 0) {
		scratch.raw = malloc(CONN_READ_SIZE);
		scratch.plain = malloc(CONN_READ_SIZE);
		if (!scratch.raw || !scratch.plain) {
			free(scratch.raw);
			free(scratch.plain);
			return -ENOMEM;
		}
	}
	scratch.users++;
	return 0;
}

static void scratch_put(void)
{
	if (--scratch.users > 0)
		return;
	free(scratch.raw);
	free(scratch.plain);
	conn_spare_release(&scratch);
	scratch = (struct conn_scratch){ 0 };
}

struct conn_scratch *conn_scratch(void)
{
	return &scratch;
}

void conn_quota_take(struct conn_quota *q)
{
	atomic_fetch_add(&q->refs, 1);
	atomic_fetch_add(&q->open, 1);
	if (q->all)
		atomic_fetch_add(&q->all->open, 1);
}

void conn_quota_put(struct conn_quota *q, bool was_open)
{
	struct conn_quota *all;

	if (!q)
		return;
	all = q->all;
	if (was_open) {
		atomic_fetch_sub(&q->open, 1);
		if (all)
			atomic_fetch_sub(&all->open, 1);
	}
	if (atomic_fetch_sub(&q->refs, 1) == 1) {
		free(q);
		conn_quota_put(all, false);
	}
}

/* ---------------------------------------------------------- life and end -- */

static void conn_free(struct conn *c)
{
	conn_run_spent(c);
	queue_release(&c->inflight);
	queue_release(&c->out);
	if (!c->detached)
		c->ops->on_close(c, &c->reason, c->owner);
	SSL_free(c->ssl);
	ktls_free(c->ktls);
	buf_release(&c->left);
	buf_release(&c->early);
	buf_release(&c->corked_plain);
	conn_quota_put(c->quota, true);
	scratch_put();
	free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	if (--c->handles == 0)
		conn_free(c);
}

static void close_handles(struct conn *c)
{
	if (c->stage == CONN_CLOSED)
		return;
	c->stage = CONN_CLOSED;
	uv_close(&c->h.handle, on_handle_closed);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	uv_close((uv_handle_t *)&c->kick, on_handle_closed);
}

static void on_timer(uv_timer_t *timer);

static void begin_closing(struct conn *c)
{
	c->stage = CONN_CLOSING;
	c->paused = false;
	uv_timer_start(&c->timer, on_timer, CONN_LINGER_MS, 0);
	conn_kick(c);
}

void conn_fail(struct conn *c, const struct err *reason)
{
	if (c->stage == CONN_CLOSED || c->stage == CONN_CLOSING) {
		/* the end was decided for another reason; it cannot be an orderly one now */
		if (c->peer_ended)
			close_handles(c);
		return;
	}
	c->reason = *reason;
	/* a TLS alert, or what the owner wrote, may still reach the other end */
	if (c->stage != CONN_CONNECTING && !c->peer_ended && (c->out.head || c->writing))
		begin_closing(c);
	else
		close_handles(c);
}

static int fail_code(struct conn *c, int code, const char *what)
{
	struct err reason;

	err_set(&reason, code, "%s: %s: %s", c->name, what, err_name(code));
	conn_fail(c, &reason);
	return code;
}

void conn_close(struct conn *c)
{
	switch (c->stage) {
	case CONN_CONNECTING:
	case CONN_HANDSHAKING:
		close_handles(c);
		break;
	case CONN_OPEN:
		if (c->ssl)
			conn_tls_end(c);
		if (c->stage == CONN_OPEN) /* else it broke over its last bytes */
			begin_closing(c);
		break;
	case CONN_CLOSING:
	case CONN_CLOSED:
		break;
	}
}

void conn_abort(struct conn *c)
{
	close_handles(c);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct conn *c = req->data;

	if (c->stage == CONN_CLOSING && (status < 0 || c->peer_ended))
		close_handles(c);
}

/* One step of the orderly end: all sent -> end of stream -> the peer's end of stream. Waiting for
 * the latter matters: closing with unread bytes resets the connection, and the reset overtakes
 * what the peer has not read yet. */
static void closing_step(struct conn *c)
{
	if (c->out.head || c->writing)
		return;
	if (c->peer_ended) {
		close_handles(c);
		return;
	}
	if (c->fin_sent)
		return;
	c->fin_sent = true;
	c->shutdown.data = c;
	if (uv_shutdown(&c->shutdown, &c->h.stream, on_shutdown) < 0)
		close_handles(c);
}

static void on_timer(uv_timer_t *timer)
{
	struct conn *c = timer->data;

	switch (c->stage) {
	case CONN_CONNECTING:
		fail_code(c, -ETIMEDOUT, "connecting");
		break;
	case CONN_HANDSHAKING:
		fail_code(c, -ETIMEDOUT, "TLS handshake");
		break;
	case CONN_CLOSING:
		close_handles(c);
		break;
	case CONN_OPEN:
	case CONN_CLOSED:
		break;
	}
}

static void on_kick(uv_idle_t *idle)
{
	struct conn *c = idle->data;

	uv_idle_stop(idle);
	conn_run_spent(c);
	if (c->open_due && c->stage == CONN_OPEN) {
		c->open_due = false;
		if (c->ops->on_open)
			c->ops->on_open(c, c->owner);
	}
	if (c->resume_due && c->stage == CONN_OPEN && !c->paused) {
		c->resume_due = false;
		if (c->ssl)
			conn_tls_resume(c);
	}
	conn_read_more(c);
	if (c->corked == 0 || c->stage == CONN_CLOSING)
		conn_flush(c);
	if (c->was_above && c->stage == CONN_OPEN && queue_bytes(c) < CONN_LOW_MARK) {
		c->was_above = false;
		if (c->ops->on_drain)
			c->ops->on_drain(c, c->owner);
	}
	if (c->stage == CONN_CLOSING)
		closing_step(c);
}

void conn_kick(struct conn *c)
{
	if (c->stage != CONN_CLOSED)
		uv_idle_start(&c->kick, on_kick);
}

static struct conn *conn_new(uv_loop_t *loop, bool is_unix, const struct conn_ops *ops, void *owner)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	if (scratch_get() < 0) {
		free(c);
		return NULL;
	}
	c->loop = loop;
	c->ops = ops;
	c->owner = owner;
	c->handles = CONN_HANDLES;
	c->handshake_ms = CONN_HANDSHAKE_TIMEOUT_MS;
	buf_init(&c->left, 2 * CONN_READ_SIZE);
	buf_init(&c->early, CONN_QUEUE_MAX);
	buf_init(&c->corked_plain, CONN_SEG_SIZE);
	if (is_unix)
		uv_pipe_init(loop, &c->h.pipe, 0);
	else
		uv_tcp_init(loop, &c->h.tcp);
	uv_timer_init(loop, &c->timer);
	uv_idle_init(loop, &c->kick);
	c->h.handle.data = c->timer.data = c->kick.data = c;
	return c;
}

/* --------------------------------------------------------------- reading -- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	const struct conn *c = handle->data;
	unsigned int size = CONN_READ_SIZE;

	if (c->exact && c->stage != CONN_CLOSING)
		size = (unsigned int)ktls_framer_want(&c->framer);
	*buf = uv_buf_init((char *)scratch.raw, size);
}

static void on_end_of_stream(struct conn *c)
{
	c->peer_ended = true;
	switch (c->stage) {
	case CONN_HANDSHAKING:
		fail_code(c, -ECONNRESET, "closed during the TLS handshake");
		break;
	case CONN_OPEN:
		/* without TLS's own goodbye, somebody may have cut the stream */
		if (c->ssl)
			fail_code(c, -ECONNRESET, "closed without notice");
		else
			begin_closing(c);
		break;
	case CONN_CLOSING:
		closing_step(c);
		break;
	case CONN_CONNECTING:
	case CONN_CLOSED:
		break;
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;

	if (n == 0 || c->stage == CONN_CLOSED)
		return;
	if (n < 0) {
		uv_read_stop(stream);
		c->reading = false;
		if (n == UV_EOF) {
			on_end_of_stream(c);
			return;
		}
		c->peer_ended = true;
		fail_code(c, (int)n, "reading failed");
		return;
	}
	if (c->stage == CONN_CLOSING)
		return; /* too late for the owner */
	if (c->ssl)
		conn_tls_input(c, (const uint8_t *)buf->base, (size_t)n);
	else
		c->ops->on_data(c, (const uint8_t *)buf->base, (size_t)n, c->owner);
}

void conn_read_more(struct conn *c)
{
	int rv;

	if (c->reading || c->peer_ended || (c->paused && c->stage == CONN_OPEN))
		return;
	if (c->stage == CONN_CONNECTING || c->stage == CONN_CLOSED)
		return;
	rv = uv_read_start(&c->h.stream, on_alloc, on_read);
	if (rv < 0)
		fail_code(c, rv, "reading failed");
	else
		c->reading = true;
}

void conn_read_pause(struct conn *c)
{
	c->paused = true;
	if (c->reading && c->stage == CONN_OPEN) {
		uv_read_stop(&c->h.stream);
		c->reading = false;
	}
}

void conn_read_resume(struct conn *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	c->resume_due = true;
	conn_kick(c);
}

/* ------------------------------------------------------------ connecting -- */

static void wrote(struct conn *c)
{
	if (queue_bytes(c) >= CONN_LOW_MARK)
		c->was_above = true;
	if (c->corked == 0) /* else uncorking sends it, and saves the loop a turn */
		conn_kick(c);
}

void conn_opened(struct conn *c)
{
	uv_timer_stop(&c->timer);
	c->stage = CONN_OPEN;
	c->tls = NULL;
	if (c->early.len > 0 && conn_tls_write(c, c->early.data, c->early.len) == 0)
		wrote(c);
	buf_release(&c->early);
	if (c->paused)
		conn_read_pause(c); /* until now the handshake had to be read */
	conn_kick(c);
	if (c->stage == CONN_OPEN && c->ops->on_open)
		c->ops->on_open(c, c->owner);
}

static void set_tcp_options(struct conn *c)
{
	uv_tcp_nodelay(&c->h.tcp, 1);
	uv_tcp_keepalive(&c->h.tcp, 1, CONN_KEEPALIVE_S);
}

static void start_handshake(struct conn *c, SSL *ssl)
{
	/* before the first step, which may end the handshake's timer with a failure */
	uv_timer_start(&c->timer, on_timer, (uint64_t)c->handshake_ms, 0);
	if (conn_tls_start(c, ssl) < 0)
		fail_code(c, -ENOMEM, "TLS");
}

static void on_connect(uv_connect_t *req, int status)
{
	struct conn *c = req->data;

	if (c->stage != CONN_CONNECTING)
		return;
	if (status < 0) {
		fail_code(c, status, "cannot connect");
		return;
	}
	if (c->h.handle.type == UV_TCP)
		set_tcp_options(c);
	if (c->tls)
		start_handshake(c, tls_client_ssl(c->tls, c->alpn));
	else
		conn_opened(c);
	conn_read_more(c);
}

static void connect_tcp(struct conn *c, const char *host, int port)
{
	struct sockaddr_storage addr;
	struct err reason;
	int rv;

	if (hosts_resolve(host, port, &addr, &reason) < 0) {
		conn_fail(c, &reason);
		return;
	}
	c->connect.data = c;
	rv = uv_tcp_connect(&c->connect, &c->h.tcp, (struct sockaddr *)&addr, on_connect);
	if (rv < 0)
		fail_code(c, rv, "cannot connect");
	else
		uv_timer_start(&c->timer, on_timer, CONN_CONNECT_TIMEOUT_MS, 0);
}

struct conn *conn_connect_tls(uv_loop_t *loop, struct tls *tls, const char *alpn, const char *host,
			      int port, const struct conn_ops *ops, void *owner)
{
	struct conn *c = conn_new(loop, false, ops, owner);

	if (!c)
		return NULL;
	snprintf(c->name, sizeof(c->name), strchr(host, ':') ? "[%.64s]:%d" : "%.64s:%d", host,
		 port);
	c->tls = tls;
	c->alpn = alpn;
	connect_tcp(c, host, port);
	return c;
}

struct conn *conn_connect_unix(uv_loop_t *loop, const char *path, const struct conn_ops *ops,
			       void *owner)
{
	struct conn *c = conn_new(loop, true, ops, owner);

	if (!c)
		return NULL;
	snprintf(c->name, sizeof(c->name), "unix");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		fail_code(c, -ENAMETOOLONG, path);
		return c;
	}
	c->connect.data = c;
	uv_pipe_connect(&c->connect, &c->h.pipe, path, on_connect);
	uv_timer_start(&c->timer, on_timer, CONN_CONNECT_TIMEOUT_MS, 0);
	return c;
}

void conn_name_of(const struct sockaddr_storage *addr, char out[CONN_NAME_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (addr->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

		uv_ip4_name(in, host, sizeof(host));
		snprintf(out, CONN_NAME_MAX, "%s:%d", host, ntohs(in->sin_port));
	} else if (addr->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

		uv_ip6_name(in6, host, sizeof(host));
		snprintf(out, CONN_NAME_MAX, "[%s]:%d", host, ntohs(in6->sin6_port));
	} else {
		snprintf(out, CONN_NAME_MAX, "unix");
	}
}

static bool fd_is_unix(int fd)
{
	int domain = AF_UNIX;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain == AF_UNIX;
}

static int open_fd(struct conn *c, int fd)
{
	int rv;

	if (c->h.handle.type == UV_NAMED_PIPE)
		return uv_pipe_open(&c->h.pipe, fd);
	rv = uv_tcp_open(&c->h.tcp, fd);
	if (rv == 0)
		set_tcp_options(c);
	return rv;
}

struct conn *conn_from_fd(uv_loop_t *loop, int fd, const struct conn_ops *ops, void *owner)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	struct conn *c;
	int rv;

	c = conn_new(loop, fd_is_unix(fd), ops, owner);
	if (!c) {
		close(fd);
		return NULL;
	}
	getpeername(fd, (struct sockaddr *)&addr, &len);
	conn_name_of(&addr, c->name);
	rv = open_fd(c, fd);
	if (rv < 0) {
		close(fd);
		fail_code(c, rv, "cannot use the descriptor");
		return c;
	}
	c->stage = CONN_OPEN;
	c->open_due = true;
	conn_kick(c);
	return c;
}

struct conn *conn_accepted(uv_loop_t *loop, int fd, struct tls *tls, int handshake_ms,
			   const char *name, struct conn_quota *quota, const struct conn_ops *ops,
			   void *owner)
{
	struct conn *c = conn_new(loop, fd_is_unix(fd), ops, owner);
	int rv;

	if (!c) {
		close(fd);
		return NULL;
	}
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->handshake_ms = handshake_ms;
	c->quota = quota;
	conn_quota_take(quota);
	rv = open_fd(c, fd);
	if (rv < 0) {
		close(fd);
		fail_code(c, rv, "cannot use the descriptor");
		return c;
	}
	c->tls = tls;
	if (tls) {
		start_handshake(c, tls_server_ssl(tls));
	} else {
		c->stage = CONN_OPEN;
		c->open_due = true;
		conn_kick(c);
	}
	return c;
}

/* --------------------------------------------------------------- writing -- */

static int may_write(struct conn *c, size_t len)
{
	if (c->stage == CONN_CLOSING || c->stage == CONN_CLOSED)
		return -ENOTCONN;
	if (len > CONN_QUEUE_MAX || queue_bytes(c) + c->early.len > CONN_QUEUE_MAX - len)
		return -ENOBUFS;
	return 0;
}

int conn_write(struct conn *c, const void *data, size_t len)
{
	int rv = may_write(c, len);

	if (rv == 0)
		rv = c->ssl || c->tls ? conn_tls_write(c, data, len)
				      : queue_copy(&c->out, data, len);
	if (rv == 0)
		wrote(c);
	return rv;
}

int conn_write_borrowed(struct conn *c, const void *data, size_t len, void (*done)(void *arg),
			void *arg)
{
	int rv = may_write(c, len);

	if (rv < 0)
		return rv;
	if (!c->ssl && !c->tls) {
		rv = queue_borrow(&c->out, data, len, done, arg);
	} else {
		rv = conn_tls_write(c, data, len);
		if (rv < 0)
			return rv;
		/* it was taken already; an empty segment carries done to the loop */
		rv = queue_borrow(&c->out, data, 0, done, arg);
		if (rv < 0) {
			fail_code(c, rv, "writing");
			return -ENOTCONN;
		}
	}
	if (rv == 0)
		wrote(c);
	return rv;
}

void conn_cork(struct conn *c)
{
	c->corked++;
}

void conn_uncork(struct conn *c)
{
	assert(c->corked > 0);
	if (--c->corked == 0)
		conn_flush(c);
}

size_t conn_queued(const struct conn *c)
{
	return queue_bytes(c) + c->early.len;
}

uint64_t conn_handed(const struct conn *c)
{
	if (!c->writing)
		return c->handed;
	return c->handed + c->inflight.bytes - uv_stream_get_write_queue_size(&c->h.stream);
}

/* ------------------------------------------------------------ small ones -- */

uv_loop_t *conn_loop(const struct conn *c)
{
	return c->loop;
}

void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *owner)
{
	c->ops = ops;
	c->owner = owner;
}

const struct tls_peer *conn_peer(const struct conn *c)
{
	return c->ssl && !c->tls ? &c->peer : NULL;
}

const char *conn_alpn(const struct conn *c)
{
	return c->alpn ? c->alpn : "";
}

const char *conn_name(const struct conn *c)
{
	return c->name;
}

/* ---------------------------------------------------------------- moving -- */

/* what was received and not decrypted yet */
static int take_left(struct conn *c, struct buf *ret)
{
	buf_init(ret, c->left.max);
	if (c->in)
		return buf_append(ret, c->in, c->in_len);
	*ret = c->left;
	buf_init(&c->left, ret->max);
	return 0;
}

struct conn_parcel *conn_detach(struct conn *c)
{
	struct conn_parcel *p = calloc(1, sizeof(*p));
	uv_os_fd_t fd;

	if (!p)
		return NULL;
	p->fd = -1;
	if (c->stage != CONN_OPEN || uv_fileno(&c->h.handle, &fd) < 0)
		goto free_parcel;
	if (conn_tls_push(c) < 0)
		goto free_parcel;
	p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (p->fd < 0 || conn_take_unwritten(c, &p->out) < 0)
		goto free_parcel;
	if (take_left(c, &p->left) < 0)
		goto free_parcel;
	p->is_unix = c->h.handle.type == UV_NAMED_PIPE;
	p->ssl = c->ssl;
	p->records = c->records;
	p->framer = c->framer;
	p->ktls = c->ktls;
	p->exact = c->exact;
	p->peer = c->peer;
	p->alpn = c->alpn;
	memcpy(p->name, c->name, sizeof(p->name));
	p->quota = c->quota;
	c->ssl = NULL;
	c->ktls = NULL;
	c->quota = NULL;
	c->in_len = 0;
	c->detached = true;
	close_handles(c);
	return p;
free_parcel:
	if (p->fd >= 0)
		close(p->fd);
	queue_release(&p->out);
	free(p);
	return NULL;
}

struct conn *conn_attach(uv_loop_t *loop, struct conn_parcel *p, const struct conn_ops *ops,
			 void *owner)
{
	struct conn *c = conn_new(loop, p->is_unix, ops, owner);

	if (!c)
		return NULL;
	memcpy(c->name, p->name, sizeof(c->name));
	if (p->ssl) {
		c->ssl = p->ssl;
		if (conn_tls_bind(c) < 0) {
			c->ssl = NULL;
			c->detached = true; /* the owner never saw it */
			close_handles(c);
			return NULL;
		}
	}
	c->records = p->records;
	c->framer = p->framer;
	c->ktls = p->ktls;
	c->exact = p->exact;
	c->peer = p->peer;
	c->alpn = p->alpn;
	c->left = p->left;
	c->out = p->out;
	c->quota = p->quota;
	c->was_above = c->out.bytes >= CONN_LOW_MARK;
	if (open_fd(c, p->fd) < 0) {
		close(p->fd);
		fail_code(c, -EBADF, "cannot use the descriptor");
	} else {
		c->stage = CONN_OPEN;
		c->resume_due = true;
		conn_kick(c);
	}
	free(p);
	return c;
}

void conn_parcel_free(struct conn_parcel *p)
{
	if (!p)
		return;
	SSL_free(p->ssl);
	ktls_free(p->ktls);
	close(p->fd);
	queue_release(&p->out);
	buf_release(&p->left);
	conn_quota_put(p->quota, true);
	free(p);
}
