// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nbd.c - the NBD server of one volume: its socket, its clients, when they are
 * heard and when not. The handshake is nbd_hello.c's, requests are nbd_io.c's.
 * Called by volume.c; it knows the volume only as nbd_ops.
 */
#include "replication/nbd_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

void nbd_settle_soon(struct nbd *n)
{
	turn_add(n->c.turn, &n->settle);
}

/* ---- writing ---- */

void client_cork(struct client *c)
{
	if (c->corked || !c->conn)
		return;
	c->corked = true;
	conn_cork(c->conn);
	turn_add(c->nbd->c.turn, &c->flush);
}

static void on_flush_turn(struct turn_item *item)
{
	struct client *c = (struct client *)((char *)item - offsetof(struct client, flush));

	if (!c->corked)
		return;
	c->corked = false;
	if (c->conn)
		conn_uncork(c->conn);
}

void client_write(struct client *c, const void *data, size_t len)
{
	if (!c->conn)
		return;
	client_cork(c);
	if (conn_write(c->conn, data, len) < 0)
		client_abort(c);
}

void client_leave(struct client *c)
{
	if (c->state == CLIENT_LEAVING)
		return;
	c->state = CLIENT_LEAVING;
	c->held_valid = false;
	io_on_client_gone(c);
	nbd_settle_soon(c->nbd);
}

void client_abort(struct client *c)
{
	client_leave(c);
	if (c->conn)
		conn_abort(c->conn); /* client_on_close follows */
}

/* ---- life ---- */

static void client_free(struct client *c)
{
	struct nbd *n = c->nbd;

	if (c->prev)
		c->prev->next = c->next;
	else
		n->clients = c->next;
	if (c->next)
		c->next->prev = c->prev;
	n->n_clients--;
	turn_drop(n->c.turn, &c->flush);
	buf_release(&c->stash);
	free(c);
}

/* only from settling, never while somebody up the stack has one in hand */
static void reap(struct nbd *n)
{
	struct client *c, *next;

	for (c = n->clients; c; c = next) {
		next = c->next;
		if (!c->conn && c->requests == 0 && c->state == CLIENT_LEAVING)
			client_free(c);
	}
}

static void client_on_close(struct conn *conn, const struct err *reason, void *owner)
{
	struct client *c = owner;

	c->conn = NULL;
	c->corked = false;
	client_leave(c);
	nbd_settle_soon(c->nbd);
}

/* ---- reading ---- */

static bool deaf(const struct client *c)
{
	return c->held_valid || c->state == CLIENT_WAITING || c->state == CLIENT_LEAVING ||
	       !c->conn || conn_queued(c->conn) > NBD_REPLY_QUEUE_MAX + c->read_bytes;
}

static void on_event(struct client *c, const struct nbd_event *ev)
{
	switch (ev->kind) {
	case NBD_EV_NONE:
		break;
	case NBD_EV_FLAGS:
		hello_on_flags(c, ev->flags);
		break;
	case NBD_EV_OPTION:
		hello_on_option(c, ev);
		break;
	case NBD_EV_OPTION_BIG:
		hello_on_big_option(c, ev->option);
		break;
	case NBD_EV_REQUEST:
		if (!io_on_request(c, ev)) {
			c->held = *ev;
			c->held_valid = true;
		}
		break;
	case NBD_EV_PAYLOAD:
		io_on_payload(c, ev->data, ev->len);
		break;
	case NBD_EV_BAD:
		log_debug("nbd", "volume=%s client hung up on: %s", c->nbd->name, ev->text);
		client_abort(c);
		break;
	}
}

/* returns how many bytes were taken */
static size_t consume(struct client *c, const u8 *data, size_t len)
{
	const u8 *at = data;
	struct nbd_event ev;

	while (len > 0 && !deaf(c)) {
		nbd_parse_next(&c->parse, &at, &len, &ev);
		on_event(c, &ev);
	}
	return (size_t)(at - data);
}

static void client_on_data(struct conn *conn, const uint8_t *data, size_t len, void *owner)
{
	struct client *c = owner;
	size_t used = 0;

	if (c->state == CLIENT_LEAVING)
		return; /* dropped */
	if (c->stash.len == 0)
		used = consume(c, data, len);
	if (c->state == CLIENT_LEAVING || used == len)
		return;
	if (!c->paused) {
		c->paused = true;
		conn_read_pause(conn);
	}
	if (buf_append(&c->stash, data + used, len - used) < 0)
		client_abort(c);
}

/* goes on with what was held back; true when something could be done */
static void client_resume(struct client *c)
{
	if (c->held_valid && c->state == CLIENT_INSIDE && io_on_request(c, &c->held))
		c->held_valid = false;
	if (c->stash.len > 0 && !deaf(c))
		buf_consume(&c->stash, consume(c, c->stash.data, c->stash.len));
	if (c->paused && c->stash.len == 0 && !deaf(c)) {
		c->paused = false;
		conn_read_resume(c->conn);
	}
}

static void client_on_drain(struct conn *conn, void *owner)
{
	struct client *c = owner;

	nbd_settle_soon(c->nbd);
}

static const struct conn_ops client_ops = {
	.on_data = client_on_data,
	.on_drain = client_on_drain,
	.on_close = client_on_close,
};

static void on_accept(struct conn *conn, void *arg)
{
	struct nbd *n = arg;
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		conn_abort(conn);
		return;
	}
	c->nbd = n;
	c->conn = conn;
	c->state = CLIENT_HELLO;
	c->flush.run = on_flush_turn;
	buf_init(&c->stash, NBD_STASH_MAX);
	nbd_parse_init(&c->parse);
	c->next = n->clients;
	if (n->clients)
		n->clients->prev = c;
	n->clients = c;
	n->n_clients++;
	conn_set_ops(conn, &client_ops, c);
	hello_send(c);
}

/* ---- the server ---- */

static u32 count(const struct nbd *n, enum client_state state)
{
	u32 found = 0;

	for (const struct client *c = n->clients; c; c = c->next)
		found += c->state == state;
	return found;
}

void nbd_set_size(struct nbd *n, u64 size_bytes)
{
	n->c.size_bytes = size_bytes;
}

u32 nbd_clients(const struct nbd *n)
{
	return count(n, CLIENT_WAITING) + count(n, CLIENT_INSIDE);
}

/* opens and closes the volume as clients come and go */
static void check_open(struct nbd *n)
{
	bool done = n->n_requests == 0 && count(n, CLIENT_INSIDE) == 0;

	if ((n->state == NBD_OPEN && done) || (n->state == NBD_CUT && done) ||
	    (n->state == NBD_OPENING && count(n, CLIENT_WAITING) == 0)) {
		n->state = NBD_CLOSED;
		n->c.ops->close(n->c.owner);
	}
	if (n->state == NBD_CLOSED && count(n, CLIENT_WAITING) > 0) {
		n->state = NBD_OPENING;
		n->c.ops->open(n->c.owner);
	}
}

static void check_closed(struct nbd *n)
{
	void (*closed)(void *arg) = n->closed;
	void *arg = n->closed_arg;

	if (n->clients)
		return;
	turn_drop(n->c.turn, &n->settle);
	io_release(n);
	free(n);
	closed(arg);
}

static void see_out(struct nbd *n)
{
	struct client *c, *next;

	for (c = n->clients; c; c = next) {
		next = c->next;
		if (c->state == CLIENT_LEAVING && c->conn && c->requests == 0) {
			on_flush_turn(&c->flush);
			conn_close(c->conn);
		}
	}
}

static void on_settle(struct turn_item *item)
{
	struct nbd *n = (struct nbd *)((char *)item - offsetof(struct nbd, settle));
	struct client *c, *next;

	reap(n);
	if (n->ended) {
		check_closed(n);
		return;
	}
	io_run_waiting(n);
	for (c = n->clients; c; c = next) {
		next = c->next;
		client_resume(c);
	}
	see_out(n);
	check_open(n);
}

int nbd_start(const struct nbd_config *config, struct nbd **ret, struct err *err)
{
	struct nbd *n = calloc(1, sizeof(*n));
	int rv;

	if (!n)
		return err_set(err, -ENOMEM, "no memory for an NBD server");
	n->c = *config;
	snprintf(n->name, sizeof(n->name), "%s", config->name);
	n->c.name = n->name;
	n->c.block_bytes = config->block_bytes ? config->block_bytes : REPL_SECTOR;
	n->settle.run = on_settle;
	rv = listener_unix(config->loop, config->socket_path, NBD_SOCKET_MODE, NBD_CLIENTS_MAX,
			   on_accept, n, &n->listener, err);
	if (rv < 0) {
		free(n);
		return rv;
	}
	n->c.socket_path = NULL; /* the caller's, not needed again */
	*ret = n;
	return 0;
}

void nbd_opened(struct nbd *n)
{
	struct client *c, *next;

	assert(n->state == NBD_OPENING);
	n->state = NBD_OPEN;
	for (c = n->clients; c; c = next) {
		next = c->next;
		if (c->state == CLIENT_WAITING)
			hello_enter(c);
	}
	nbd_settle_soon(n);
}

void nbd_refused(struct nbd *n, const char *why)
{
	struct client *c, *next;

	assert(n->state == NBD_OPENING);
	n->state = NBD_CLOSED;
	for (c = n->clients; c; c = next) {
		next = c->next;
		if (c->state == CLIENT_WAITING)
			hello_refuse(c, why);
	}
	nbd_settle_soon(n);
}

void nbd_thawed(struct nbd *n)
{
	io_thawed(n);
	nbd_settle_soon(n);
}

void nbd_cut(struct nbd *n)
{
	struct client *c, *next;

	assert(n->state == NBD_OPEN);
	n->state = NBD_CUT;
	for (c = n->clients; c; c = next) {
		next = c->next;
		if (c->state == CLIENT_INSIDE)
			client_leave(c);
	}
	nbd_settle_soon(n);
}

void nbd_close(struct nbd *n, void (*closed)(void *arg), void *arg)
{
	struct client *c, *next;

	n->ended = true;
	n->closed = closed;
	n->closed_arg = arg;
	listener_free(n->listener);
	for (c = n->clients; c; c = next) {
		next = c->next;
		client_abort(c);
	}
	io_forget(n);
	nbd_settle_soon(n);
}
