/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http.h - an HTTP/1.1 server on a conn: keep-alive, pipelining (answered in
 * order), limits, slow clients. It knows nothing of routes: each whole request
 * is handed to one callback, which answers now or later.
 */
#ifndef SDSD_NET_HTTP_H
#define SDSD_NET_HTTP_H

#include <stdbool.h>

#include "base/buf.h"
#include "net/conn.h"

#define HTTP_URL_MAX 8192
#define HTTP_HEADERS_MAX 16384 /* bytes, all headers of one request */
#define HTTP_HEADER_COUNT_MAX 64
#define HTTP_BODY_MAX (4u << 20) /* a node with thousands of replicas reports them all */
#define HTTP_IDLE_TIMEOUT_MS 60000
#define HTTP_HEAD_TIMEOUT_MS 10000 /* from the first byte of a request to the end of its headers */
#define HTTP_BODY_TIMEOUT_MS 30000 /* from there to its last byte */
#define HTTP_READ_LEAST \
	(64u << 10) /* of an answer, within the idle time, or the client is given up */
#define HTTP_UNSENT_MAX (4u << 20)  /* bytes of answers waiting; requests then wait unread */
#define HTTP_PIPELINE_MAX 16        /* requests being answered on one conn; more wait unread */
#define HTTP_HELD_MAX HTTP_BODY_MAX /* bytes of their bodies; the same */

struct http_request; /* one request; lives until its answer is given */

/* Called for each whole request; requests of one conn overlap only while all are GET or HEAD. The
 * handler must end it with exactly one http_reply, now or
 * later, on the same loop; when the client is gone meanwhile the reply is dropped silently. */
typedef void (*http_handler)(struct http_request *r, void *arg);

struct http_options {
	int idle_ms, head_ms, body_ms; /* 0: HTTP_IDLE_TIMEOUT_MS and so on */
	/* When the headers of a request are there: how many bytes its body may have. A stranger
	 * need not be listened to for as long as somebody who may do something. Path and query are
	 * not told apart yet. NULL: HTTP_BODY_MAX */
	size_t (*body_max)(const struct http_request *r, void *arg);
};

/* Takes c (open). Bad syntax, too large, too slow: answered 400/413/414/431/408 and closed. */
void http_serve(struct conn *c, http_handler handler, void *arg);
void http_serve_with(struct conn *c, http_handler handler, void *arg,
		     const struct http_options *options);

const char *http_method(const struct http_request *r); /* "GET" ... */
/* raw, still percent-encoded, without query */
const char *http_path(const struct http_request *r);
const char *http_query(const struct http_request *r); /* raw, without '?'; "" */
/* name without case; the first of several; NULL when missing */
const char *http_header(const struct http_request *r, const char *name);
const struct buf *http_body(const struct http_request *r);
const struct tls_peer *http_peer(const struct http_request *r); /* NULL on the unix socket */
bool http_is_unix(const struct http_request *r);

/* Adds a header to the coming answer; a Content-Type replaces the usual one. Ignored when it holds
 * control characters. */
void http_reply_header(struct http_request *r, const char *name, const char *value);
/* body is copied; content type application/json. HEAD gets the length only. Frees r. */
void http_reply(struct http_request *r, int status, const void *body, size_t len);
/* The same, but the memory of body is taken, which is empty after it: for long ones. */
void http_reply_take(struct http_request *r, int status, struct buf *body);

/* Takes the conn away from HTTP, for an answer without an end (http_stream.h): the caller gives it
 * ops of its own at once. r is freed, and nothing else on the conn is answered. Not from inside of
 * the handler. NULL, and r is still to be answered: the client has gone, or waits for the answer to
 * an earlier request. */
struct conn *http_take(struct http_request *r);
bool http_is_1_0(const struct http_request *r);

/* Percent-decodes len bytes of in to out; -E_INVALID on bad escapes or a NUL; -ENAMETOOLONG */
int http_unescape(const char *in, size_t len, char *out, size_t out_len);
/* Percent-encodes a path element to out; -ENAMETOOLONG */
int http_escape(const char *in, char *out, size_t out_len);
/* n-th (0..) decoded value of key in a query string ('+' is a blank there); 0, -ENOENT, or as
 * http_unescape */
int http_query_value(const char *query, const char *key, int nth, char *out, size_t out_len);

#endif
