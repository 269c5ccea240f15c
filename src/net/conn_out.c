// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conn_out.c - the bytes of one conn on their way to the kernel. Writes are
 * collected in segments and handed over once a loop turn (conn.c's kick) or at
 * uncork: first directly, and only what the kernel does not take at once
 * becomes a uv_write, of which there is at most one under way.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/conn_priv.h"

static void queue_push(struct conn_queue *q, struct conn_seg *seg)
{
	seg->next = NULL;
	if (q->tail)
		q->tail->next = seg;
	else
		q->head = seg;
	q->tail = seg;
}

static struct conn_seg *queue_pop(struct conn_queue *q)
{
	struct conn_seg *seg = q->head;

	q->head = seg->next;
	if (!q->head)
		q->tail = NULL;
	return seg;
}

static struct conn_seg *take_spare(struct conn_spare *spare)
{
	struct conn_seg *seg = spare->head;

	if (seg) {
		spare->head = seg->next;
		spare->n--;
	}
	return seg;
}

static struct conn_seg *seg_new(size_t room)
{
	struct conn_scratch *t = conn_scratch();
	struct conn_seg *seg = NULL;

	if (room == CONN_SEG_SIZE)
		seg = take_spare(&t->own);
	else if (room == 0)
		seg = take_spare(&t->borrowed);
	if (!seg)
		seg = malloc(sizeof(*seg) + room);
	if (seg)
		*seg = (struct conn_seg){ .room = room };
	return seg;
}

static void seg_free(struct conn_seg *seg)
{
	struct conn_scratch *t = conn_scratch();
	struct conn_spare *spare = seg->room == 0 ? &t->borrowed : &t->own;

	if ((seg->room != 0 && seg->room != CONN_SEG_SIZE) || spare->n >= CONN_SPARE_MAX ||
	    t->users == 0) {
		free(seg);
		return;
	}
	seg->next = spare->head;
	spare->head = seg;
	spare->n++;
}

void conn_spare_release(struct conn_scratch *t)
{
	struct conn_seg *seg;

	while ((seg = take_spare(&t->own)) || (seg = take_spare(&t->borrowed)))
		free(seg);
}

int queue_copy(struct conn_queue *q, const void *data, size_t len)
{
	struct conn_seg *seg = q->tail;
	size_t room;

	if (len == 0)
		return 0;
	if (!seg || seg->room == 0 || seg->room - seg->len < len) {
		room = len > CONN_SEG_SIZE ? len : CONN_SEG_SIZE;
		seg = seg_new(room);
		if (!seg)
			return -ENOMEM;
		seg->data = seg->own;
		queue_push(q, seg);
	}
	memcpy(seg->own + seg->len, data, len);
	seg->len += len;
	q->bytes += len;
	return 0;
}

int queue_borrow(struct conn_queue *q, const void *data, size_t len, void (*done)(void *arg),
		 void *arg)
{
	struct conn_seg *seg = seg_new(0);

	if (!seg)
		return -ENOMEM;
	seg->data = data;
	seg->len = len;
	seg->done = done;
	seg->arg = arg;
	queue_push(q, seg);
	q->bytes += len;
	return 0;
}

static void seg_finish(struct conn_seg *seg)
{
	if (seg->done)
		seg->done(seg->arg);
	seg_free(seg);
}

void queue_release(struct conn_queue *q)
{
	while (q->head)
		seg_finish(queue_pop(q));
	q->bytes = 0;
}

size_t queue_bytes(const struct conn *c)
{
	return c->out.bytes + c->corked_plain.len +
	       (c->writing ? uv_stream_get_write_queue_size(&c->h.stream) : 0);
}

/* A written segment: its memory goes at once, but done() of the owner waits for the loop. */
static void retire(struct conn *c, struct conn_seg *seg)
{
	struct conn_seg **at = &c->spent;

	if (!seg->done) {
		seg_free(seg);
		return;
	}
	while (*at)
		at = &(*at)->next;
	seg->next = NULL;
	*at = seg;
}

void conn_run_spent(struct conn *c)
{
	struct conn_seg *seg;

	while ((seg = c->spent)) {
		c->spent = seg->next;
		seg_finish(seg);
	}
}

/* n bytes of the queue's front are written */
static void consume(struct conn *c, struct conn_queue *q, size_t n)
{
	q->bytes -= n;
	while (q->head) {
		struct conn_seg *seg = q->head;
		size_t part = seg->len - seg->off;

		if (part > n) {
			seg->off += n;
			return;
		}
		n -= part;
		retire(c, queue_pop(q));
	}
	assert(n == 0);
}

static unsigned int gather(const struct conn_queue *q, uv_buf_t bufs[CONN_GATHER_MAX],
			   size_t *ret_bytes)
{
	unsigned int n = 0;
	size_t bytes = 0;

	for (struct conn_seg *seg = q->head; seg && n < CONN_GATHER_MAX; seg = seg->next) {
		bufs[n++] = uv_buf_init((char *)seg->data + seg->off,
					(unsigned int)(seg->len - seg->off));
		bytes += seg->len - seg->off;
	}
	*ret_bytes = bytes;
	return n;
}

static void write_failed(struct conn *c, int code)
{
	struct err reason;

	err_set(&reason, code, "%s: writing failed: %s", c->name, err_name(code));
	c->out.bytes = 0; /* nothing of it can be sent any more */
	while (c->out.head)
		retire(c, queue_pop(&c->out));
	c->peer_ended = true;
	conn_fail(c, &reason);
}

static void on_written(uv_write_t *req, int status)
{
	struct conn *c = req->data;

	c->writing = false;
	/* how much of a failed write has left is not known: it counts as all */
	c->handed += c->inflight.bytes;
	c->inflight.bytes = 0;
	while (c->inflight.head)
		retire(c, queue_pop(&c->inflight));
	if (c->stage == CONN_CLOSED)
		return;
	if (status < 0)
		write_failed(c, status);
	else
		conn_kick(c); /* done(), on_drain and the next segments */
}

/* the first count segments of out become the write under way */
static void write_rest(struct conn *c, const uv_buf_t bufs[], unsigned int count, size_t bytes)
{
	int rv;

	for (unsigned int i = 0; i < count; i++)
		queue_push(&c->inflight, queue_pop(&c->out));
	c->out.bytes -= bytes;
	c->inflight.bytes = bytes;
	c->write.data = c;
	c->writing = true;
	rv = uv_write(&c->write, &c->h.stream, bufs, count, on_written);
	if (rv < 0)
		on_written(&c->write, rv);
}

void conn_flush(struct conn *c)
{
	uv_buf_t bufs[CONN_GATHER_MAX];
	size_t bytes;
	unsigned int n;
	int rv;

	if (c->stage != CONN_HANDSHAKING && c->stage != CONN_OPEN && c->stage != CONN_CLOSING)
		return;
	if (c->corked_plain.len > 0 && conn_tls_push(c) < 0)
		return; /* it has failed, and begun its end */
	while (c->out.head && !c->writing) {
		n = gather(&c->out, bufs, &bytes);
		rv = bytes > 0 ? uv_try_write(&c->h.stream, bufs, n) : 0;
		if (rv < 0 && rv != UV_EAGAIN) {
			write_failed(c, rv);
			return;
		}
		if (rv > 0)
			c->handed += (size_t)rv;
		if (rv > 0 || bytes == 0)
			consume(c, &c->out, rv > 0 ? (size_t)rv : 0);
		if (rv >= 0 && (size_t)rv == bytes)
			continue;
		n = gather(&c->out, bufs, &bytes);
		write_rest(c, bufs, n, bytes);
	}
	if (c->spent || (c->was_above && queue_bytes(c) < CONN_LOW_MARK))
		conn_kick(c); /* for done(), on_drain */
}

/* the last rest bytes of q, which may begin in the middle of a segment, as copies */
static int copy_tail(const struct conn_queue *q, size_t rest, struct conn_queue *ret)
{
	size_t total = 0, skip;
	int rv;

	for (struct conn_seg *seg = q->head; seg; seg = seg->next)
		total += seg->len - seg->off;
	assert(rest <= total);
	skip = total - rest;
	for (struct conn_seg *seg = q->head; seg; seg = seg->next) {
		size_t len = seg->len - seg->off, over = skip < len ? skip : len;

		skip -= over;
		rv = queue_copy(ret, seg->data + seg->off + over, len - over);
		if (rv < 0)
			return rv;
	}
	return 0;
}

int conn_take_unwritten(struct conn *c, struct conn_queue *ret)
{
	struct conn_queue q = { 0 };
	size_t rest = c->writing ? uv_stream_get_write_queue_size(&c->h.stream) : 0;
	int rv;

	rv = copy_tail(&c->inflight, rest, &q);
	if (rv == 0)
		rv = copy_tail(&c->out, c->out.bytes, &q);
	if (rv < 0) {
		queue_release(&q);
		return rv;
	}
	c->out.bytes = 0;
	while (c->out.head)
		retire(c, queue_pop(&c->out));
	*ret = q;
	return 0;
}
