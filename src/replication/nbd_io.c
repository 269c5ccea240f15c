// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nbd_io.c - NBD requests from arrival to answer: checked, cut into pieces
 * that the mirror takes, completed when all pieces are. A write's piece goes
 * out as soon as its bytes are here. FUA is a flush after the pieces. Called
 * by nbd.c; it knows the volume only as nbd_ops.
 */
#include "replication/nbd_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_ID(r, piece) ((u64)(r)->index << 32 | (piece))

static bool has_data(u16 command)
{
	return command == NBD_CMD_READ || command == NBD_CMD_WRITE;
}

/* ---- answers ---- */

static u32 wire_error(int status)
{
	switch (status) {
	case 0:
		return 0;
	case -EPERM:
		return NBD_EPERM;
	case -ENOMEM:
		return NBD_ENOMEM;
	case -EINVAL:
		return NBD_EINVAL;
	case -ENOSPC:
		return NBD_ENOSPC;
	case -EOVERFLOW:
		return NBD_EOVERFLOW;
	case -ESHUTDOWN:
		return NBD_ESHUTDOWN;
	default:
		return NBD_EIO;
	}
}

static void put_simple(u8 *out, u64 cookie, u32 error)
{
	nbd_put32(out, NBD_MAGIC_SIMPLE);
	nbd_put32(out + 4, error);
	nbd_put64(out + 8, cookie);
}

static void put_chunk(u8 *out, u64 cookie, u16 type, u32 len)
{
	nbd_put32(out, NBD_MAGIC_CHUNK);
	nbd_put16(out + 4, NBD_CHUNK_DONE);
	nbd_put16(out + 6, type);
	nbd_put64(out + 8, cookie);
	nbd_put32(out + 16, len);
}

static void answer_error(struct client *c, u64 cookie, int status)
{
	const char *text = err_name(status);
	size_t text_len = strlen(text);
	u8 out[20 + 6 + 64];

	if (!c->structured) {
		put_simple(out, cookie, wire_error(status));
		client_write(c, out, 16);
		return;
	}
	text_len = PORT_MIN(text_len, (size_t)64);
	put_chunk(out, cookie, NBD_CHUNK_ERROR, (u32)(6 + text_len));
	nbd_put32(out + 20, wire_error(status));
	nbd_put16(out + 24, (u16)text_len);
	memcpy(out + 26, text, text_len);
	client_write(c, out, 26 + text_len);
}

static void answer_done(struct client *c, u64 cookie, u16 command)
{
	u8 out[20];

	if (command == NBD_CMD_READ && c->structured) { /* a read of no bytes */
		put_chunk(out, cookie, NBD_CHUNK_NONE, 0);
		client_write(c, out, 20);
		return;
	}
	put_simple(out, cookie, 0);
	client_write(c, out, 16);
}

static void request_free(struct nbd_request *r);

static void on_sent(void *arg)
{
	struct nbd_request *r = arg;

	if (--r->pins == 0)
		request_free(r);
}

/* the request is freed when the conn has taken the last part */
static void answer_read(struct nbd_request *r)
{
	struct client *c = r->client;
	u8 out[28];

	if (c->structured) {
		put_chunk(out, r->cookie, NBD_CHUNK_DATA, 8 + r->len);
		nbd_put64(out + 20, r->off);
		client_write(c, out, 28);
	} else {
		put_simple(out, r->cookie, 0);
		client_write(c, out, 16);
	}
	r->pins = 1;
	for (u32 i = 0; i < r->pieces && c->conn; i++) {
		r->pins++;
		if (conn_write_borrowed(c->conn, r->data[i]->data, r->data[i]->len, on_sent, r) ==
		    0)
			continue;
		r->pins--;
		client_abort(c);
		break;
	}
	on_sent(r);
}

/* ---- the table ---- */

static struct nbd_request *request_new(struct client *c, const struct nbd_event *ev)
{
	struct nbd *n = c->nbd;
	struct nbd_request *r;
	u32 i = 0;

	while (i < NBD_REQUESTS_MAX && n->request[i] && n->request[i]->used)
		i++;
	assert(i < NBD_REQUESTS_MAX); /* room() was asked */
	r = n->request[i];
	if (!r) {
		r = malloc(sizeof(*r));
		if (!r)
			return NULL;
		n->request[i] = r;
	}
	*r = (struct nbd_request){
		.client = c,
		.index = i,
		.used = true,
		.command = ev->command,
		.flags = (u16)ev->flags,
		.cookie = ev->cookie,
		.off = ev->off,
		.len = ev->len,
	};
	n->n_requests++;
	c->requests++;
	if (r->command == NBD_CMD_WRITE)
		n->write_bytes += r->len;
	if (r->command == NBD_CMD_READ) {
		c->read_bytes += r->len;
		n->read_bytes += r->len;
	}
	return r;
}

static void request_free(struct nbd_request *r)
{
	struct client *c = r->client;
	struct nbd *n = c->nbd;

	for (u32 i = 0; has_data(r->command) && i < NBD_PIECES_MAX; i++) {
		payload_put(r->data[i]);
		r->data[i] = NULL;
	}
	if (r->command == NBD_CMD_WRITE)
		n->write_bytes -= r->len;
	if (r->command == NBD_CMD_READ)
		c->read_bytes -= r->len;
	r->used = false;
	n->n_requests--;
	c->requests--;
	nbd_settle_soon(n);
}

/* all pieces are done, or none will be */
static void finish(struct nbd_request *r)
{
	struct client *c = r->client;

	if (r->command == NBD_CMD_READ) {
		c->nbd->read_bytes -= r->len;
		nbd_settle_soon(c->nbd); /* there may be room for another client's */
	}
	if (c->conn && !r->gone && r->status == 0 && r->command == NBD_CMD_READ && r->len > 0) {
		answer_read(r);
		return;
	}
	if (c->conn && !r->gone) {
		if (r->status == 0)
			answer_done(c, r->cookie, r->command);
		else
			answer_error(c, r->cookie, r->status);
	}
	request_free(r);
}

/* ---- pieces ---- */

static u32 piece_len(const struct nbd_request *r, u32 from)
{
	u64 off = r->off + from;
	u32 to_border = REPL_EXTENT_BYTES - (u32)(off % REPL_EXTENT_BYTES);
	u32 len = PORT_MIN(r->len - from, to_border);

	return has_data(r->command) ? PORT_MIN(len, REPL_WRITE_MAX) : len;
}

static int submit_piece(struct nbd_request *r, u32 len)
{
	struct nbd *n = r->client->nbd;
	const struct nbd_ops *ops = n->c.ops;
	u64 off = r->off + r->submitted, id = PIECE_ID(r, r->pieces);

	switch (r->command) {
	case NBD_CMD_READ:
		return ops->read(n->c.owner, id, off, len);
	case NBD_CMD_WRITE:
		return ops->write(n->c.owner, id, REPL_OP_DATA, off, len, r->data[r->pieces]);
	case NBD_CMD_TRIM:
		return ops->write(n->c.owner, id, REPL_OP_DISCARD, off, len, NULL);
	default: /* both read as zeros afterwards; only ZERO keeps the space */
		return ops->write(n->c.owner, id,
				  r->flags & NBD_CMD_FLAG_NO_HOLE ? REPL_OP_ZERO : REPL_OP_TRIM,
				  off, len, NULL);
	}
}

static bool put_off(int rv)
{
	return rv == -EBUSY || rv == -EAGAIN;
}

/* gives the volume what it takes; -EBUSY, -EAGAIN: the rest later */
static int submit_all(struct nbd_request *r)
{
	u32 len;
	int rv;

	while (r->status == 0 && !r->gone && r->submitted < r->len) {
		len = piece_len(r, r->submitted);
		if (r->command == NBD_CMD_WRITE && r->received < r->submitted + len)
			return 0;
		rv = submit_piece(r, len);
		if (put_off(rv))
			return rv;
		if (rv < 0) {
			r->status = rv;
			break;
		}
		r->pieces++;
		r->under_way++;
		r->submitted += len;
	}
	return 0;
}

static int submit_flush(struct nbd_request *r)
{
	struct nbd *n = r->client->nbd;
	int rv = n->c.ops->flush(n->c.owner, PIECE_ID(r, NBD_FLUSH_PIECE));

	if (put_off(rv))
		return rv;
	r->flush_sent = true;
	if (rv < 0)
		r->status = rv;
	else
		r->under_way++;
	return 0;
}

static bool wants_flush(const struct nbd_request *r)
{
	if (r->flush_sent || r->status < 0 || r->gone)
		return false;
	return r->command == NBD_CMD_FLUSH ||
	       (r->command != NBD_CMD_READ && (r->flags & NBD_CMD_FLAG_FUA));
}

/* does what can be done now; ends the request when that was all. -EBUSY, -EAGAIN: it must
 * wait */
static int advance(struct nbd_request *r)
{
	int rv = submit_all(r);

	if (rv < 0)
		return rv;
	if (r->under_way > 0)
		return 0;
	if (r->command == NBD_CMD_WRITE && r->received < r->len && !r->gone)
		return 0; /* also after an error: the stream has to be read to its end */
	if (wants_flush(r)) {
		rv = submit_flush(r);
		if (rv < 0 || r->under_way > 0)
			return rv;
	}
	finish(r);
	return 0;
}

static void put_last(struct nbd_queue *q, struct nbd_request *r)
{
	r->next = NULL;
	if (q->tail)
		q->tail->next = r;
	else
		q->head = r;
	q->tail = r;
}

static void put_first(struct nbd_queue *q, struct nbd_request *first, struct nbd_request *last)
{
	last->next = q->head;
	q->head = first;
	if (!q->tail)
		q->tail = last;
}

static struct nbd_request *take_first(struct nbd_queue *q)
{
	struct nbd_request *r = q->head;

	if (!r)
		return NULL;
	q->head = r->next;
	if (!q->head)
		q->tail = NULL;
	return r;
}

static void hold(struct nbd_request *r)
{
	struct nbd *n = r->client->nbd;

	put_last(&n->held, r);
	n->n_held++;
}

/* in the order of arrival: who comes later does not overtake, but reads pass what is held */
static void advance_or_wait(struct nbd_request *r)
{
	struct nbd *n = r->client->nbd;
	int rv;

	if (r->waiting)
		return;
	rv = n->wait.head ? -EBUSY : advance(r);
	if (rv == 0)
		return; /* it may have ended */
	r->waiting = true;
	if (rv == -EAGAIN)
		hold(r);
	else
		put_last(&n->wait, r);
}

void io_run_waiting(struct nbd *n)
{
	struct nbd_request *r;
	int rv;

	/* taken off first: when it ends inside, its slot may be used again at once */
	while ((r = take_first(&n->wait))) {
		r->waiting = false;
		rv = advance(r);
		if (rv == 0)
			continue;
		r->waiting = true;
		if (rv == -EAGAIN) {
			hold(r);
			continue;
		}
		put_first(&n->wait, r, r);
		return;
	}
}

/* before those that wait: no write among them is older */
void io_thawed(struct nbd *n)
{
	if (n->held.head)
		put_first(&n->wait, n->held.head, n->held.tail);
	n->held = (struct nbd_queue){ 0 };
	n->n_held = 0;
}

void nbd_complete(struct nbd *n, u64 id, int status, struct payload *data)
{
	u32 index = (u32)(id >> 32), piece = (u32)id;
	struct nbd_request *r;

	assert(index < NBD_REQUESTS_MAX);
	r = n->request[index];
	assert(r && r->used && r->under_way > 0);
	r->under_way--;
	if (status < 0 && r->status == 0)
		r->status = status;
	if (r->command == NBD_CMD_READ && status == 0) {
		assert(piece < NBD_PIECES_MAX && data && !r->data[piece]);
		r->data[piece] = data;
		data = NULL;
	}
	payload_put(data);
	if (n->wait.head)
		nbd_settle_soon(n); /* there is room for one that waits */
	if (r->under_way == 0)
		advance_or_wait(r);
}

/* ---- arrival ---- */

static int check(const struct nbd *n, const struct nbd_event *ev)
{
	u32 known = NBD_CMD_FLAG_FUA;

	if (ev->command == NBD_CMD_WRITE_ZEROES)
		known |= NBD_CMD_FLAG_NO_HOLE;
	if (ev->flags & ~known)
		return -EINVAL;
	switch (ev->command) {
	case NBD_CMD_FLUSH:
		return 0;
	case NBD_CMD_READ:
	case NBD_CMD_WRITE:
		if (ev->len > NBD_DATA_MAX)
			return -EINVAL;
		break;
	case NBD_CMD_TRIM:
	case NBD_CMD_WRITE_ZEROES:
		break;
	default:
		return -EINVAL;
	}
	if (ev->off > n->c.size_bytes || ev->len > n->c.size_bytes - ev->off) {
		bool writes = ev->command == NBD_CMD_WRITE || ev->command == NBD_CMD_WRITE_ZEROES;

		return writes ? -ENOSPC : -EINVAL;
	}
	return ev->off % n->c.block_bytes || ev->len % n->c.block_bytes ? -EINVAL : 0;
}

/* What holds something already waits when the memory of the plane is used up; what holds nothing
 * goes on, so that all get forward. */
static bool room(const struct client *c, const struct nbd_event *ev)
{
	const struct nbd *n = c->nbd;
	bool full = payload_pool_full(n->c.account->pool);

	if (n->n_requests >= NBD_REQUESTS_MAX || c->requests >= NBD_CLIENT_REQUESTS_MAX)
		return false;
	if (ev->command != NBD_CMD_READ && n->n_held >= NBD_HELD_MAX)
		return false;
	if (ev->command == NBD_CMD_WRITE && n->write_bytes > 0)
		return !full && n->write_bytes + ev->len <= NBD_WRITE_BYTES_MAX;
	if (ev->command == NBD_CMD_READ && n->read_bytes + ev->len > NBD_READ_BYTES_MAX)
		return n->read_bytes == 0;
	if (ev->command == NBD_CMD_READ && c->read_bytes > 0)
		return !full && c->read_bytes + ev->len <= NBD_READ_BYTES_MAX;
	return true;
}

bool io_on_request(struct client *c, const struct nbd_event *ev)
{
	struct nbd_request *r;
	int rv;

	if (ev->command == NBD_CMD_DISC) {
		client_leave(c);
		return true;
	}
	rv = check(c->nbd, ev);
	if (rv < 0) {
		answer_error(c, ev->cookie, rv);
		return true; /* what a write brings is passed over: nothing is receiving */
	}
	if (!room(c, ev))
		return false;
	r = request_new(c, ev);
	if (!r) {
		answer_error(c, ev->cookie, -ENOMEM);
		return true;
	}
	if (r->command == NBD_CMD_FLUSH)
		r->len = 0; /* reserved there */
	if (r->command == NBD_CMD_WRITE && r->len > 0)
		c->receiving = r;
	else
		advance_or_wait(r);
	return true;
}

/* the piece that the next byte belongs to; NULL: no memory */
static struct payload *filling(struct nbd_request *r, u32 *ret_used)
{
	u32 start = 0, i = 0;

	for (; i < r->filling; i++)
		start += r->data[i]->len;
	if (!r->data[i])
		r->data[i] = payload_new(r->client->nbd->c.account, piece_len(r, start));
	*ret_used = r->received - start;
	return r->data[i];
}

void io_on_payload(struct client *c, const u8 *data, u32 len)
{
	struct nbd_request *r = c->receiving;

	while (r && len > 0) {
		struct payload *p = NULL;
		u32 used = 0, n = len;

		if (r->status == 0)
			p = filling(r, &used);
		if (p) {
			n = PORT_MIN(len, p->len - used);
			memcpy(p->data + used, data, n);
			if (used + n == p->len)
				r->filling++;
		} else if (r->status == 0) {
			r->status = -ENOMEM;
		}
		r->received += n;
		data += n;
		len -= n;
		if (r->received == r->len) {
			c->receiving = NULL;
			advance_or_wait(r);
			return;
		}
		if (p && used + n == p->len)
			advance_or_wait(r);
	}
}

void io_on_client_gone(struct client *c)
{
	struct nbd_request *r = c->receiving;

	c->receiving = NULL;
	if (!r)
		return;
	r->gone = true;
	if (r->under_way == 0)
		advance_or_wait(r);
}

void io_release(struct nbd *n)
{
	for (u32 i = 0; i < NBD_REQUESTS_MAX; i++) {
		assert(!n->request[i] || !n->request[i]->used);
		free(n->request[i]);
		n->request[i] = NULL;
	}
}

void io_forget(struct nbd *n)
{
	n->wait = n->held = (struct nbd_queue){ 0 };
	n->n_held = 0;
	for (u32 i = 0; i < NBD_REQUESTS_MAX; i++) {
		struct nbd_request *r = n->request[i];

		/* one with pins ends when its conn has let go */
		if (r && r->used && r->pins == 0)
			request_free(r);
	}
}
