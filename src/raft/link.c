// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link.c - carries the Raft library's bytes over TLS. Both ends are conns, so
 * back-pressure is the same both ways: the end that is read pauses while the
 * end that is written has too much waiting. A link lives until both conns have
 * closed; whichever closes first takes the other along.
 */
#include "raft/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#define LINK_MAGIC "SRFT"
#define LINK_OK "+" /* the answer to a greeting, and the sign of life */

static void put_le(uint8_t *out, uint32_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_le(const uint8_t *in, int bytes)
{
	uint32_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint32_t)in[i] << (8 * i);
	return v;
}

static void maybe_free(struct link *l)
{
	if (l->far || l->near)
		return;
	l->ops->on_close(l, &l->why, l->owner);
	free(l);
}

void link_abort(struct link *l, const struct err *why)
{
	if (l->state == LINK_CLOSING)
		return;
	l->state = LINK_CLOSING;
	if (why)
		l->why = *why;
	if (l->near)
		conn_abort(l->near);
	if (l->far)
		conn_abort(l->far);
}

static void end(struct link *l, int code, const char *text)
{
	struct err why = { 0 };

	err_set(&why, code, "%s", text);
	link_abort(l, &why);
}

/* Hands bytes on; pauses the source when the target has enough */
static void carry(struct link *l, struct conn *from, struct conn *to, const uint8_t *data,
		  size_t len)
{
	int rv = conn_write(to, data, len);

	if (rv < 0)
		end(l, rv, "cannot hand bytes on");
	else if (conn_queued(to) > LINK_QUEUE_HIGH)
		conn_read_pause(from);
}

/* --- the near end --- */

static void near_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct link *l = owner;

	/* the library only reads what it accepted: nothing comes back */
	if (l->state == LINK_OPEN && l->outgoing)
		carry(l, l->near, l->far, data, len);
}

static void near_on_drain(struct conn *c, void *owner)
{
	struct link *l = owner;

	if (l->state == LINK_OPEN && !l->outgoing)
		conn_read_resume(l->far);
}

static void near_on_close(struct conn *c, const struct err *reason, void *owner)
{
	struct link *l = owner;

	l->near = NULL;
	if (l->state != LINK_CLOSING) {
		l->state = LINK_CLOSING;
		l->why = *reason;
		if (l->far)
			conn_close(l->far); /* what was handed over is still sent */
	}
	maybe_free(l);
}

static const struct conn_ops near_ops = {
	.on_data = near_on_data,
	.on_drain = near_on_drain,
	.on_close = near_on_close,
};

/* Makes the pair and tells the owner */
static void open_pair(struct link *l)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
		end(l, -errno, "cannot make a socketpair");
		return;
	}
	l->near = conn_from_fd(l->loop, fds[0], &near_ops, l);
	if (!l->near) {
		close(fds[1]);
		end(l, -ENOMEM, "out of memory");
		return;
	}
	l->state = LINK_OPEN;
	l->was_open = true;
	l->heard_ms = uv_now(l->loop);
	l->ops->on_open(l, fds[1], l->owner);
}

/* --- the far end, connecting --- */

static void out_on_open(struct conn *c, void *owner)
{
	const struct tls_peer *peer = conn_peer(c);
	struct link *l = owner;
	struct err why = { 0 };

	if (l->state != LINK_CONNECTING)
		return;
	if (!peer || peer->node_id != l->id) {
		err_set(&why, -E_DENIED, "%s is node %u, not node %u", l->address,
			peer ? peer->node_id : 0, l->id);
		link_abort(l, &why);
		return;
	}
	l->greeted = true;
	if (conn_write(c, l->greeting, l->greeting_len) < 0)
		end(l, -EIO, "cannot send the greeting");
}

static void out_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct link *l = owner;

	l->heard_ms = uv_now(l->loop);
	if (l->state == LINK_CLOSING)
		return;
	for (size_t i = 0; i < len; i++) {
		if (data[i] != LINK_OK[0]) {
			end(l, -E_INVALID, "the answer is no Raft link's");
			return;
		}
	}
	if (l->state == LINK_CONNECTING)
		open_pair(l);
}

static void out_on_drain(struct conn *c, void *owner)
{
	struct link *l = owner;

	if (l->state == LINK_OPEN)
		conn_read_resume(l->near);
}

/* both directions */
static void far_on_close(struct conn *c, const struct err *reason, void *owner)
{
	struct link *l = owner;

	l->far = NULL;
	if (l->state != LINK_CLOSING) {
		/* the node port closes so before it hands anything on */
		if (l->state == LINK_CONNECTING && l->greeted && reason->code == 0)
			err_set(&l->why, -E_DENIED,
				"it closes the connection when this node has shown who it is: to "
				"it this is not, or not any more, a node of the cluster");
		else
			l->why = *reason;
		l->state = LINK_CLOSING;
		/* accepted: what has arrived is still read by the library; connected: its next
		 * write must fail, so that it connects anew */
		if (l->near && l->outgoing)
			conn_abort(l->near);
		else if (l->near)
			conn_close(l->near);
	}
	maybe_free(l);
}

static const struct conn_ops out_ops = {
	.on_open = out_on_open,
	.on_data = out_on_data,
	.on_drain = out_on_drain,
	.on_close = far_on_close,
};

static struct link *link_new(uv_loop_t *loop, const struct link_ops *ops, void *owner)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->ops = ops;
	l->owner = owner;
	l->since_ms = l->heard_ms = uv_now(loop);
	return l;
}

struct link *link_connect(uv_loop_t *loop, struct tls *tls, uint32_t my_id, const char *my_address,
			  uint32_t id, const char *address, const struct link_ops *ops, void *owner,
			  struct err *err)
{
	char host[CONSENSUS_ADDRESS_MAX];
	size_t len = strlen(my_address);
	struct link *l;
	int port;

	if (text_host_port(address, 0, host, sizeof(host), &port, err) < 0)
		return NULL;
	assert(len < CONSENSUS_ADDRESS_MAX && strlen(address) < CONSENSUS_ADDRESS_MAX);
	l = link_new(loop, ops, owner);
	if (!l) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	l->outgoing = true;
	l->state = LINK_CONNECTING;
	l->id = id;
	memcpy(l->address, address, strlen(address) + 1);
	memcpy(l->greeting, LINK_MAGIC, 4);
	put_le(l->greeting + 4, LINK_VERSION, 2);
	put_le(l->greeting + 6, (uint32_t)len, 2);
	put_le(l->greeting + 8, my_id, 4);
	memcpy(l->greeting + LINK_HEAD, my_address, len);
	l->greeting_len = LINK_HEAD + len;
	l->far = conn_connect_tls(loop, tls, ALPN_RAFT, host, port, &out_ops, l);
	if (!l->far) {
		free(l);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	return l;
}

/* --- the far end, accepted --- */

static bool is_address(const char *text, size_t len)
{
	if (len == 0 || len >= CONSENSUS_ADDRESS_MAX || !memchr(text, ':', len))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return true;
}

/* 1: whole and right, 0: more must come, negative: wrong, with why */
static int read_greeting(struct link *l, struct err *why)
{
	const struct tls_peer *peer = conn_peer(l->far);
	const uint8_t *p = l->greeting;
	uint32_t id, len;

	if (l->greeting_len < LINK_HEAD)
		return 0;
	if (memcmp(p, LINK_MAGIC, 4) != 0)
		return err_set(why, -E_INVALID, "not a Raft greeting");
	if (get_le(p + 4, 2) != LINK_VERSION)
		return err_set(why, -E_INVALID, "speaks version %u of the Raft link, known is %d",
			       get_le(p + 4, 2), LINK_VERSION);
	len = get_le(p + 6, 2);
	if (len == 0 || len >= CONSENSUS_ADDRESS_MAX)
		return err_set(why, -E_INVALID, "greets with an address of %u bytes", len);
	if (l->greeting_len < LINK_HEAD + len)
		return 0;
	if (!is_address((const char *)p + LINK_HEAD, len))
		return err_set(why, -E_INVALID, "greets with no address");
	id = get_le(p + 8, 4);
	if (!peer || id == 0 || id != peer->node_id)
		return err_set(why, -E_DENIED, "says it is node %u, its certificate says node %u",
			       id, peer ? peer->node_id : 0);
	l->id = id;
	memcpy(l->address, p + LINK_HEAD, len);
	l->address[len] = 0;
	return 1;
}

static void in_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct link *l = owner;
	struct err why = { 0 };
	int rv;

	if (l->state == LINK_OPEN) {
		carry(l, l->far, l->near, data, len);
		return;
	}
	if (l->state == LINK_CLOSING)
		return;
	if (len > sizeof(l->greeting) - l->greeting_len) {
		/* it waits for our answer, so more than a greeting cannot be right */
		end(l, -E_INVALID, "greets with too many bytes");
		return;
	}
	memcpy(l->greeting + l->greeting_len, data, len);
	l->greeting_len += len;
	rv = read_greeting(l, &why);
	if (rv < 0)
		link_abort(l, &why);
	else if (rv > 0 && l->greeting_len != LINK_HEAD + strlen(l->address))
		end(l, -E_INVALID, "greets with too many bytes");
	else if (rv > 0 && conn_write(l->far, LINK_OK, 1) < 0)
		end(l, -EIO, "cannot answer");
	else if (rv > 0)
		open_pair(l);
}

static const struct conn_ops in_ops = {
	.on_data = in_on_data,
	.on_close = far_on_close,
};

static void ignore_close(struct conn *c, const struct err *reason, void *owner)
{
}

struct link *link_accepted(uv_loop_t *loop, struct conn *far, const struct link_ops *ops,
			   void *owner)
{
	static const struct conn_ops none = { .on_close = ignore_close };
	struct link *l = link_new(loop, ops, owner);

	if (!l) {
		conn_set_ops(far, &none, NULL);
		conn_abort(far);
		return NULL;
	}
	l->state = LINK_GREETED;
	l->far = far;
	conn_set_ops(far, &in_ops, l);
	return l;
}

void link_tick(struct link *l)
{
	uint64_t now = uv_now(l->loop);

	switch (l->state) {
	case LINK_CONNECTING:
	case LINK_GREETED:
		if (now - l->since_ms > LINK_GREET_MS)
			end(l, -ETIMEDOUT, "no greeting in time");
		break;
	case LINK_OPEN:
		if (!l->outgoing)
			conn_write(l->far, LINK_OK, 1);
		else if (now - l->heard_ms > LINK_SILENCE_MS)
			end(l, -ETIMEDOUT, "silent");
		break;
	case LINK_CLOSING:
		break;
	}
}
