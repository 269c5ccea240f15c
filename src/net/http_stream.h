/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_stream.h - an answer without an end, such as a stream of events: what is
 * written goes out at once, and little of it may wait for a slow client.
 */
#ifndef SDSD_NET_HTTP_STREAM_H
#define SDSD_NET_HTTP_STREAM_H

#include "net/http.h"

#define HTTP_STREAM_UNSENT_MAX (256u << 10) /* bytes that may wait for one client */

struct http_stream_ops {
	/* less than before waits to be sent: more can be written */
	void (*on_room)(void *owner);
	/* the client has gone; the stream is freed after this */
	void (*on_gone)(void *owner);
};

struct http_stream;
/* Answers r with status 200 and this content type; r is freed. Not from inside of the handler.
 * NULL: r is still to be answered, see http_take. */
struct http_stream *http_stream_begin(struct http_request *r, const char *type,
				      const struct http_stream_ops *ops, void *owner);
/* -ENOBUFS: more than HTTP_STREAM_UNSENT_MAX would wait; -ENOTCONN: it is ending. Then nothing was
 * written. */
int http_stream_write(struct http_stream *s, const void *data, size_t len);
size_t http_stream_unsent(const struct http_stream *s);  /* bytes that wait */
uint64_t http_stream_taken(const struct http_stream *s); /* bytes that do not any more */
/* Ends it; what waits is sent when the client takes it soon, or with cut not at all. The owner
 * hears no more of it. */
void http_stream_end(struct http_stream *s, bool cut);

#endif
