// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_stream.c - answers without an end. Called by the API's streams of
 * events. A stream has the conn to itself: http.c has let go of it.
 */
#include "net/http_stream.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK_HEAD_MAX 24

struct http_stream {
	struct conn *c; /* NULL when gone */
	const struct http_stream_ops *ops;
	void *owner;  /* NULL: it hears no more */
	bool chunked; /* an HTTP/1.0 client gets the bytes alone */
};

/* after its request a client has nothing to say */
static void on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
}

static void on_drain(struct conn *c, void *owner)
{
	struct http_stream *s = owner;

	if (s->owner)
		s->ops->on_room(s->owner);
}

static void on_close(struct conn *c, const struct err *reason, void *owner)
{
	struct http_stream *s = owner;

	s->c = NULL;
	if (s->owner)
		s->ops->on_gone(s->owner);
	free(s);
}

static const struct conn_ops stream_ops = {
	.on_data = on_data,
	.on_drain = on_drain,
	.on_close = on_close,
};

static void write_head(struct http_stream *s, const char *type)
{
	struct buf head;

	buf_init(&head, 1024);
	if (buf_printf(&head,
		       "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-cache\r\n"
		       "%sConnection: close\r\n\r\n",
		       type, s->chunked ? "Transfer-Encoding: chunked\r\n" : "") < 0 ||
	    conn_write(s->c, head.data, head.len) < 0)
		conn_abort(s->c);
	buf_release(&head);
}

struct http_stream *http_stream_begin(struct http_request *r, const char *type,
				      const struct http_stream_ops *ops, void *owner)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->chunked = !http_is_1_0(r);
	s->c = http_take(r);
	if (!s->c) {
		free(s);
		return NULL;
	}
	s->ops = ops;
	s->owner = owner;
	conn_set_ops(s->c, &stream_ops, s);
	conn_read_resume(s->c);
	write_head(s, type);
	return s;
}

int http_stream_write(struct http_stream *s, const void *data, size_t len)
{
	char head[CHUNK_HEAD_MAX];
	int n = snprintf(head, sizeof(head), "%zx\r\n", len), rv = 0;

	if (conn_queued(s->c) + len + CHUNK_HEAD_MAX > HTTP_STREAM_UNSENT_MAX)
		return -ENOBUFS;
	conn_cork(s->c);
	if (s->chunked)
		rv = conn_write(s->c, head, (size_t)n);
	if (rv == 0)
		rv = conn_write(s->c, data, len);
	if (rv == 0 && s->chunked)
		rv = conn_write(s->c, "\r\n", 2);
	conn_uncork(s->c);
	return rv;
}

size_t http_stream_unsent(const struct http_stream *s)
{
	return conn_queued(s->c);
}

uint64_t http_stream_taken(const struct http_stream *s)
{
	return conn_handed(s->c);
}

void http_stream_end(struct http_stream *s, bool cut)
{
	s->owner = NULL;
	if (cut) {
		conn_abort(s->c);
		return;
	}
	if (s->chunked)
		conn_write(s->c, "0\r\n\r\n", 5);
	conn_close(s->c);
}
