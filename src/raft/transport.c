// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * transport.c - connects and accepts links for the Raft library and hands it
 * the stream end of each. Nothing here knows what is said on them. The
 * library owns a stream it was given and closes it itself; the transport's
 * part of it, the link, closes when either end does.
 */
#include "raft/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define WARN_EVERY_MS 10000

/* One connect() of the library until its callback */
struct dial {
	struct transport *t;
	struct raft_uv_connect *req;
	raft_uv_connect_cb cb;
};

static void link_insert(struct transport *t, struct link *l)
{
	l->next = t->links;
	l->at = &t->links;
	if (l->next)
		l->next->at = &l->next;
	t->links = l;
}

static void link_remove(struct link *l)
{
	*l->at = l->next;
	if (l->next)
		l->next->at = l->at;
}

static void maybe_closed(struct transport *t)
{
	if (!t->closing || t->timer_open || t->links)
		return;
	t->closed(&t->ops);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct transport *t = handle->data;

	t->timer_open = false;
	maybe_closed(t);
}

/* Refusals are worth a line, but a peer that tries five times a second is not */
static void warn(struct transport *t, const char *who, const struct err *why)
{
	uint64_t now = uv_now(t->loop);

	if (t->warned_ms && now - t->warned_ms < WARN_EVERY_MS)
		return;
	t->warned_ms = now;
	log_warn("raft", "peer=%s refused: %s", who, why->text);
}

/* The library's end of the pair as a stream that it will free; NULL: fd is closed */
static uv_stream_t *stream_of(struct transport *t, int fd)
{
	uv_pipe_t *pipe = raft_malloc(sizeof(*pipe));

	if (!pipe || uv_pipe_init(t->loop, pipe, 0) != 0) {
		raft_free(pipe);
		close(fd);
		return NULL;
	}
	if (uv_pipe_open(pipe, fd) != 0) {
		close(fd);
		uv_close((uv_handle_t *)pipe, (uv_close_cb)raft_free);
		return NULL;
	}
	return (uv_stream_t *)pipe;
}

/* --- connecting --- */

static void out_on_open(struct link *l, int fd, void *owner)
{
	struct dial *d = owner;
	uv_stream_t *stream = stream_of(d->t, fd);

	if (!stream) {
		link_abort(l, NULL);
		return; /* on_close tells the library */
	}
	log_info("raft", "peer=%u connected to %s", l->id, l->address);
	d->cb(d->req, stream, 0);
	d->req = NULL;
}

static void out_on_close(struct link *l, const struct err *why, void *owner)
{
	struct dial *d = owner;
	struct transport *t = d->t;

	link_remove(l);
	if (d->req) {
		if (why->code == -E_DENIED || why->code == -E_INVALID)
			warn(t, l->address, why);
		else if (why->code)
			log_debug("raft", "peer=%u cannot connect to %s: %s", l->id, l->address,
				  why->text);
		d->cb(d->req, NULL, t->closing ? RAFT_CANCELED : RAFT_NOCONNECTION);
	} else if (!t->closing) {
		log_info("raft", "peer=%u connection to %s ended: %s", l->id, l->address,
			 why->code ? why->text : "closed");
	}
	free(d);
	maybe_closed(t);
}

static const struct link_ops out_ops = { .on_open = out_on_open, .on_close = out_on_close };

static int transport_connect(struct raft_uv_transport *ops, struct raft_uv_connect *req, raft_id id,
			     const char *address, raft_uv_connect_cb cb)
{
	struct transport *t = ops->impl;
	struct dial *d = calloc(1, sizeof(*d));
	struct err err = { 0 };
	struct link *l;

	if (!d)
		return RAFT_NOMEM;
	d->t = t;
	d->req = req;
	d->cb = cb;
	l = strlen(address) < CONSENSUS_ADDRESS_MAX
		    ? link_connect(t->loop, t->tls, t->id, t->address, (uint32_t)id, address,
				   &out_ops, d, &err)
		    : NULL;
	if (!l) {
		warn(t, "(address)", &err);
		free(d);
		return RAFT_NOCONNECTION;
	}
	link_insert(t, l);
	return 0;
}

/* --- accepting --- */

static void in_on_open(struct link *l, int fd, void *owner)
{
	struct transport *t = owner;
	uv_stream_t *stream;
	struct link *other;

	/* A peer has one connection to us. When it comes again, the older one is dead: its host
	 * may have lost power, which TCP would find out much later. */
	for (other = t->links; other; other = other->next) {
		if (other != l && !other->outgoing && other->id == l->id)
			link_abort(other, NULL);
	}
	stream = stream_of(t, fd);
	if (!stream) {
		link_abort(l, NULL);
		return;
	}
	log_info("raft", "peer=%u accepted from %s", l->id, conn_name(l->far));
	t->accept(&t->ops, l->id, l->address, stream);
}

static void in_on_close(struct link *l, const struct err *why, void *owner)
{
	struct transport *t = owner;

	link_remove(l);
	if (!l->was_open && !t->closing) {
		struct err none = { 0 };

		if (!why->code)
			err_set(&none, -E_INVALID, "closed without a greeting");
		warn(t, l->id ? l->address : "unknown", why->code ? why : &none);
	}
	maybe_closed(t);
}

static const struct link_ops in_ops = { .on_open = in_on_open, .on_close = in_on_close };

static void ignore_close(struct conn *c, const struct err *reason, void *owner)
{
}

void transport_accept(struct transport *t, struct conn *conn)
{
	static const struct conn_ops refused = { .on_close = ignore_close };
	struct link *l;

	if (t->closing || !t->accept) {
		conn_set_ops(conn, &refused, NULL);
		conn_abort(conn);
		return;
	}
	l = link_accepted(t->loop, conn, &in_ops, t);
	if (l)
		link_insert(t, l);
}

/* --- life --- */

static void on_tick(uv_timer_t *timer)
{
	struct transport *t = timer->data;

	for (struct link *l = t->links; l; l = l->next)
		link_tick(l);
}

static int transport_init_cb(struct raft_uv_transport *ops, raft_id id, const char *address)
{
	struct transport *t = ops->impl;
	size_t len = strlen(address);

	if (len >= sizeof(t->address))
		return RAFT_NAMETOOLONG;
	t->id = (uint32_t)id;
	memcpy(t->address, address, len + 1);
	uv_timer_init(t->loop, &t->timer);
	t->timer.data = t;
	t->timer_open = true;
	return 0;
}

static int transport_listen(struct raft_uv_transport *ops, raft_uv_accept_cb cb)
{
	struct transport *t = ops->impl;

	t->accept = cb;
	return uv_timer_start(&t->timer, on_tick, LINK_TICK_MS, LINK_TICK_MS) == 0 ? 0 : RAFT_IOERR;
}

static void transport_close(struct raft_uv_transport *ops, raft_uv_transport_close_cb cb)
{
	struct transport *t = ops->impl;

	assert(!t->closing);
	t->closing = true;
	t->closed = cb;
	t->accept = NULL;
	for (struct link *l = t->links; l; l = l->next)
		link_abort(l, NULL);
	/* the timer's close comes on a later turn of the loop, so closed never runs in here */
	uv_close((uv_handle_t *)&t->timer, on_timer_closed);
}

void transport_init(struct transport *t, uv_loop_t *loop, struct tls *tls)
{
	*t = (struct transport){ .loop = loop, .tls = tls };
	t->ops.version = 1;
	t->ops.impl = t;
	t->ops.init = transport_init_cb;
	t->ops.listen = transport_listen;
	t->ops.connect = transport_connect;
	t->ops.close = transport_close;
}
