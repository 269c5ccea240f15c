// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * listener.c - accepts connections, sees the TLS handshake through and hands
 * open conns to its user. Used by the daemon for the node port and the unix
 * socket. It knows nothing of what is spoken on them.
 *
 * It accepts by itself (uv_poll) rather than through uv_listen: out of
 * descriptors, libuv 1.44 may call back for ever without leaving its loop;
 * here the listener rests for LISTENER_REST_MS.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn_priv.h"

#define LISTENER_BACKLOG 256
#define LISTENER_BATCH_MAX 32 /* accepted in one loop turn */
#define LISTENER_REST_MS 100  /* after running out of descriptors or memory */
#define LISTENER_LOG_MAX 10   /* lines a second about what failed */

/* one conn between accept and on_accept */
struct pending {
	struct pending *next, **at;
	struct listener *l;
	struct conn *c;
};

struct listener {
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t rest;
	int handles; /* not closed yet */
	int fd;
	int max, handshake_ms, port;
	struct tls *tls;         /* borrowed */
	const char *kernel_alpn; /* such conns may go to the kernel; NULL: none */
	listener_cb on_accept;
	void *arg;
	struct conn_quota *quota;
	struct conn_quota
		*addresses; /* when those of one address are limited; open ones and some */
	int max_address;    /* 0: they are not */
	struct pending *pending;
	char name[CONN_NAME_MAX + 16];                             /* for logs and errors */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* unix; "" for TCP */
	dev_t dev;
	ino_t ino; /* of path: what somebody else put there is not removed */
	uint64_t log_second;
	unsigned int log_lines, log_dropped;
};

/* A warning about one connection. A flood of bad ones must not become a flood of lines. */
static void warn_peer(struct listener *l, const char *peer, const char *text)
{
	uint64_t second = uv_now(l->loop) / 1000;
	size_t len = strlen(peer);

	if (strncmp(text, peer, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2; /* a conn's reason begins with its name */
	if (second != l->log_second) {
		if (l->log_dropped > 0)
			log_warn("net", "listen=%s dropped_lines=%u", l->name, l->log_dropped);
		l->log_second = second;
		l->log_lines = l->log_dropped = 0;
	}
	if (l->log_lines >= LISTENER_LOG_MAX) {
		l->log_dropped++;
		return;
	}
	l->log_lines++;
	log_warn("net", "listen=%s peer=%s refused: %s", l->name, peer, text);
}

/* -------------------------------------------------------------- pending -- */

static void pending_remove(struct pending *p)
{
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	free(p);
}

static void on_nothing(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
}

static void on_orphan_close(struct conn *c, const struct err *reason, void *owner)
{
}

/* of a conn that the user closed instead of taking it, or whose listener went */
static const struct conn_ops orphan_ops = {
	.on_data = on_nothing,
	.on_close = on_orphan_close,
};

static void on_pending_open(struct conn *c, void *owner)
{
	struct pending *p = owner;
	struct listener *l = p->l;

	pending_remove(p);
	conn_set_ops(c, &orphan_ops, NULL);
	l->on_accept(c, l->arg); /* l may be gone after */
	assert(c->ops != &orphan_ops || c->stage != CONN_OPEN);
}

static void on_pending_close(struct conn *c, const struct err *reason, void *owner)
{
	struct pending *p = owner;

	warn_peer(p->l, conn_name(c), reason->code ? reason->text : "closed at once");
	pending_remove(p);
}

static const struct conn_ops pending_ops = {
	.on_open = on_pending_open,
	.on_data = on_nothing,
	.on_close = on_pending_close,
};

/* --------------------------------------------------------------- quotas -- */

/* who is counted as one: an IPv4 address, or the network that an IPv6 customer has to himself */
static void count_as(const struct sockaddr_storage *addr, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(out, 0, 16);
	if (addr->ss_family == AF_INET) {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
	} else if (addr->ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)addr)->sin6_addr;

		memcpy(out, in6->s6_addr, IN6_IS_ADDR_V4MAPPED(in6) ? 16 : 8);
	}
}

/* The count of one address, those that have no conn any more thrown away on the way. At most max
 * are left to look at. NULL: no memory */
static struct conn_quota *quota_of(struct listener *l, const struct sockaddr_storage *addr)
{
	struct conn_quota **at = &l->addresses, *found = NULL, *q;
	uint8_t address[16];

	count_as(addr, address);
	while ((q = *at)) {
		if (memcmp(q->address, address, sizeof(address)) == 0) {
			found = q;
		} else if (atomic_load(&q->open) == 0) {
			*at = q->next;
			conn_quota_put(q, false);
			continue;
		}
		at = &q->next;
	}
	if (found)
		return found;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	memcpy(q->address, address, sizeof(address));
	atomic_init(&q->refs, 1);
	atomic_init(&q->open, 0);
	atomic_fetch_add(&l->quota->refs, 1);
	q->all = l->quota;
	q->next = l->addresses;
	l->addresses = q;
	return q;
}

/* where one from there counts; NULL: it is one too many, or no memory */
static struct conn_quota *quota_for(struct listener *l, const struct sockaddr_storage *addr,
				    const char *name)
{
	struct conn_quota *q = l->quota;

	if (atomic_load(&q->open) >= l->max) {
		warn_peer(l, name, "too many connections");
		return NULL;
	}
	if (l->max_address == 0)
		return q;
	q = quota_of(l, addr);
	if (q && atomic_load(&q->open) >= l->max_address) {
		warn_peer(l, name, "too many connections from this address");
		return NULL;
	}
	return q;
}

/* ------------------------------------------------------------- accepting -- */

/* takes fd */
static void take_in(struct listener *l, int fd, const struct sockaddr_storage *addr,
		    const char *name)
{
	struct conn_quota *quota = quota_for(l, addr, name);
	struct pending *p;

	if (!quota) {
		close(fd);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		close(fd);
		return;
	}
	p->l = l;
	p->next = l->pending;
	p->at = &l->pending;
	if (p->next)
		p->next->at = &p->next;
	l->pending = p;
	p->c = conn_accepted(l->loop, fd, l->tls, l->handshake_ms, name, quota, &pending_ops, p);
	if (!p->c)
		pending_remove(p);
	else if (l->tls && l->kernel_alpn)
		/* without memory for it, conn_for_kernel will refuse */
		conn_keep_keys(p->c, l->kernel_alpn);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void take_rest(struct listener *l, int code)
{
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->rest, on_rested, LISTENER_REST_MS, 0);
	warn_peer(l, "-", err_name(code));
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	struct sockaddr_storage addr;
	char name[CONN_NAME_MAX];
	socklen_t len;
	int fd;

	for (int i = 0; i < LISTENER_BATCH_MAX; i++) {
		addr = (struct sockaddr_storage){ 0 };
		len = sizeof(addr);
		fd = accept4(l->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				take_rest(l, -errno);
			return; /* EAGAIN, or that one has gone; poll tells of the next */
		}
		conn_name_of(&addr, name);
		take_in(l, fd, &addr, name);
	}
}

/* --------------------------------------------------------- making, ending -- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	if (--l->handles > 0)
		return;
	while (l->addresses) {
		struct conn_quota *q = l->addresses;

		l->addresses = q->next;
		conn_quota_put(q, false);
	}
	conn_quota_put(l->quota, false);
	free(l);
}

/* fd is taken on success only */
static int listener_new(uv_loop_t *loop, int fd, int max, listener_cb on_accept, void *arg,
			struct listener **ret)
{
	struct listener *l = calloc(1, sizeof(*l));
	struct conn_quota *quota = calloc(1, sizeof(*quota));
	int rv;

	if (!l || !quota) {
		free(l);
		free(quota);
		return -ENOMEM;
	}
	rv = uv_poll_init(loop, &l->poll, fd);
	if (rv < 0) {
		free(l);
		free(quota);
		return rv;
	}
	uv_timer_init(loop, &l->rest);
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
	atomic_init(&quota->refs, 1);
	atomic_init(&quota->open, 0);
	l->poll.data = l->rest.data = l;
	l->handles = 2;
	l->loop = loop;
	l->fd = fd;
	l->max = max;
	l->handshake_ms = CONN_HANDSHAKE_TIMEOUT_MS;
	l->on_accept = on_accept;
	l->arg = arg;
	l->quota = quota;
	*ret = l;
	return 0;
}

static int open_tcp(const struct sockaddr_storage *addr, int *ret_port)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t len = sizeof(bound);
	int fd, one = 1, none = 0, code;

	fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* [::] is for IPv4, too, whatever the machine's setting */
	if (addr->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &none, sizeof(none));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)addr,
		 addr->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					    : sizeof(struct sockaddr_in6)) < 0 ||
	    listen(fd, LISTENER_BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &len) < 0) {
		code = -errno;
		close(fd);
		return code;
	}
	*ret_port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
						     : ((struct sockaddr_in6 *)&bound)->sin6_port);
	return fd;
}

int listener_tcp(uv_loop_t *loop, const char *host, int port, struct tls *tls, int max,
		 listener_cb on_accept, void *arg, struct listener **ret, struct err *err)
{
	struct sockaddr_storage addr;
	struct listener *l;
	int fd, real = 0, rv;

	rv = hosts_resolve(host, port, &addr, err);
	if (rv < 0)
		return rv;
	fd = open_tcp(&addr, &real);
	if (fd < 0)
		return err_set(err, fd, "cannot listen on %s port %d: %s", host, port,
			       err_name(fd));
	rv = listener_new(loop, fd, max, on_accept, arg, &l);
	if (rv < 0) {
		close(fd);
		return err_set(err, rv, "cannot listen on %s port %d: %s", host, port,
			       err_name(rv));
	}
	l->tls = tls;
	l->port = real;
	snprintf(l->name, sizeof(l->name), "%.64s:%d", host, real);
	*ret = l;
	return 0;
}

static int unix_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* removes a socket file that nobody listens on; 0 or -EADDRINUSE */
static int remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, rv;

	if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = unix_socket();
	if (fd < 0)
		return fd;
	rv = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
	close(fd);
	if (rv != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(addr->sun_path) < 0 ? -errno : 0;
}

static int open_unix(const struct sockaddr_un *addr, mode_t mode)
{
	int fd = unix_socket(), rv = 0;

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		rv = -errno;
	if (rv == -EADDRINUSE) {
		rv = remove_stale(addr);
		if (rv == 0 && bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
			rv = -errno;
	}
	if (rv < 0)
		goto close_fd;
	/* nobody can connect before listen(): the mode is never too wide */
	if (chmod(addr->sun_path, mode) < 0 || listen(fd, LISTENER_BACKLOG) < 0) {
		rv = -errno;
		unlink(addr->sun_path);
		goto close_fd;
	}
	return fd;
close_fd:
	close(fd);
	return rv;
}

int listener_unix(uv_loop_t *loop, const char *path, mode_t mode, int max, listener_cb on_accept,
		  void *arg, struct listener **ret, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct listener *l;
	struct stat st;
	int fd, rv;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "socket path %s is longer than the %zu bytes that are possible",
			       path, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = open_unix(&addr, mode);
	if (fd < 0)
		return err_set(err, fd, "cannot listen on %s: %s", path, err_name(fd));
	rv = listener_new(loop, fd, max, on_accept, arg, &l);
	if (rv < 0) {
		unlink(path);
		close(fd);
		return err_set(err, rv, "cannot listen on %s: %s", path, err_name(rv));
	}
	if (lstat(path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	memcpy(l->path, addr.sun_path, sizeof(l->path));
	snprintf(l->name, sizeof(l->name), "%.96s", path);
	*ret = l;
	return 0;
}

void listener_set_handshake_ms(struct listener *l, int timeout_ms)
{
	l->handshake_ms = timeout_ms;
}

void listener_limit_address(struct listener *l, int max)
{
	l->max_address = max;
}

void listener_for_kernel(struct listener *l, const char *alpn)
{
	l->kernel_alpn = alpn;
}

int listener_port(const struct listener *l)
{
	return l->port;
}

void listener_free(struct listener *l)
{
	struct stat st;

	if (!l)
		return;
	while (l->pending) {
		struct conn *c = l->pending->c;

		pending_remove(l->pending);
		conn_set_ops(c, &orphan_ops, NULL);
		conn_abort(c);
	}
	if (l->path[0] && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	uv_close((uv_handle_t *)&l->poll, on_handle_closed);
	uv_close((uv_handle_t *)&l->rest, on_handle_closed);
	close(l->fd); /* libuv has stopped watching it */
	l->fd = -1;
}
