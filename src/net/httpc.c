// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * httpc.c - the HTTP/1.1 client end. Called by the CLI (unix socket) and by
 * whatever forwards a request to another node (TLS). It knows nothing of what
 * is asked.
 *
 * The request at the head of the queue is the one under way; everything else
 * waits. A new connection is made when the head finds none. One that was kept
 * from an earlier request may be dead without our knowing: only then, and when
 * repeating can do no harm, the head is tried once more on a fresh one.
 */
#include "net/httpc.h"

#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http_message.h"

#define HTTPC_HANDLES 2
/* An unused connection is given up before the server does it (HTTP_IDLE_TIMEOUT_MS): so a request
 * hardly ever meets one that is just being closed. */
#define HTTPC_IDLE_MS (HTTP_IDLE_TIMEOUT_MS / 2)

struct call {
	struct call *next;
	struct buf text;      /* the whole request */
	bool is_safe;         /* GET, HEAD: may be repeated */
	bool is_head;         /* its answer has no body */
	uint64_t deadline_ms; /* of the loop's clock */
	struct err refused;   /* code != 0: never sent, told with the next turn */
	httpc_cb cb;
	void *arg;
};

enum httpc_stage {
	HTTPC_DOWN, /* no connection */
	HTTPC_CONNECTING,
	HTTPC_READY, /* connected, nothing under way */
	HTTPC_BUSY,  /* the head was written; its answer is due */
};

struct httpc {
	uv_loop_t *loop;
	struct tls *tls; /* NULL: unix socket */
	const char *alpn;
	char *host; /* address, or path of the unix socket */
	int port;
	uv_timer_t timer; /* the earliest deadline, or the end of an unused connection */
	uv_idle_t kick;
	int handles; /* not closed yet */
	bool freed;
	enum httpc_stage stage;
	struct conn *c; /* NULL while DOWN */
	bool kept;      /* c has answered before */
	uint64_t mark;  /* conn_handed() beyond this: a byte of the head has left */
	struct call *head, *tail;
	int count;
	http_parser parser;
	bool got_bytes, complete, headers_done;
	struct http_headers headers;
	struct buf body;
	struct err fault; /* what a parser callback refused */
};

/* ----------------------------------------------------------------- calls -- */

static void call_free(struct call *call)
{
	buf_release(&call->text);
	free(call);
}

static const char *answer_header(const struct httpc_answer *a, const char *name)
{
	return a->priv ? headers_get(a->priv, name, 0) : NULL;
}

/* removes call, which is the head or behind prev */
static void take_out(struct httpc *h, struct call *call, struct call *prev)
{
	if (prev)
		prev->next = call->next;
	else
		h->head = call->next;
	if (h->tail == call)
		h->tail = prev;
	h->count--;
}

static void tell_failure(struct call *call, const struct err *error, bool sent)
{
	static const struct buf empty;
	struct httpc_answer a = {
		.error = *error,
		.sent = sent,
		.body = &empty,
		.header = answer_header,
	};

	call->cb(&a, call->arg);
	call_free(call);
}

/* ------------------------------------------------------------ connection -- */

static void on_old_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
}

static void on_old_close(struct conn *c, const struct err *reason, void *owner)
{
}

/* of a connection that is no longer ours */
static const struct conn_ops old_ops = { .on_data = on_old_data, .on_close = on_old_close };

static void give_up_conn(struct httpc *h, bool orderly)
{
	struct conn *c = h->c;

	h->c = NULL;
	h->stage = HTTPC_DOWN;
	h->kept = false;
	if (!c)
		return;
	conn_set_ops(c, &old_ops, NULL);
	if (orderly)
		conn_close(c);
	else
		conn_abort(c);
}

static void answer_reset(struct httpc *h, bool init_parser)
{
	headers_release(&h->headers);
	headers_init(&h->headers);
	buf_release(&h->body);
	h->headers_done = h->complete = false;
	h->fault.code = 0;
	if (init_parser) {
		http_parser_init(&h->parser, HTTP_RESPONSE);
		h->parser.data = h;
	}
}

static bool head_has_left(const struct httpc *h)
{
	return h->stage == HTTPC_BUSY && h->c && conn_handed(h->c) > h->mark;
}

static void kick(struct httpc *h);

/* the head ends without an answer; the connection is of no use any more */
static void fail_head(struct httpc *h, const struct err *error)
{
	struct call *call = h->head;
	bool sent = head_has_left(h);

	give_up_conn(h, false);
	answer_reset(h, false);
	take_out(h, call, NULL);
	kick(h);
	tell_failure(call, error, sent);
}

/* the head is answered */
static void finish_head(struct httpc *h)
{
	struct call *call = h->head;
	struct http_headers headers = h->headers;
	struct buf body = h->body;
	struct httpc_answer a = {
		.status = h->parser.status_code,
		.sent = true,
		.body = &body,
		.header = answer_header,
		.priv = &headers,
	};

	headers_init(&h->headers);
	buf_init(&h->body, HTTPC_ANSWER_MAX);
	if (http_should_keep_alive(&h->parser) && h->c) {
		h->stage = HTTPC_READY;
		h->kept = true;
	} else {
		give_up_conn(h, true);
	}
	take_out(h, call, NULL);
	kick(h);
	call->cb(&a, call->arg);
	call_free(call);
	headers_release(&headers);
	buf_release(&body);
}

static void send_head(struct httpc *h)
{
	struct err error;
	int rv;

	answer_reset(h, true);
	h->stage = HTTPC_BUSY;
	h->got_bytes = false;
	conn_cork(h->c);
	h->mark = conn_handed(h->c) + conn_queued(h->c);
	rv = conn_write(h->c, h->head->text.data, h->head->text.len);
	conn_uncork(h->c);
	if (rv < 0 && rv != -ENOTCONN) { /* of that one on_close follows */
		err_set(&error, rv, "%s: request not sent: %s", conn_name(h->c), err_name(rv));
		fail_head(h, &error);
	}
}

static void on_open(struct conn *c, void *owner)
{
	struct httpc *h = owner;

	h->stage = HTTPC_READY;
	if (h->head)
		send_head(h);
}

/* true when the head may be tried again: nothing came back on a kept connection */
static bool may_repeat(const struct httpc *h)
{
	return h->stage == HTTPC_BUSY && h->kept && !h->got_bytes &&
	       (h->head->is_safe || !head_has_left(h));
}

static int parse(struct httpc *h, const uint8_t *data, size_t len, size_t *ret_used,
		 struct err *err);

static void on_close(struct conn *c, const struct err *reason, void *owner)
{
	struct httpc *h = owner;
	bool busy = h->stage == HTTPC_BUSY;
	struct err error = *reason, ignored;
	size_t used;

	/* the end of the stream may be the end of an answer without a length */
	if (busy && h->got_bytes && reason->code == 0 && parse(h, NULL, 0, &used, &ignored) == 0 &&
	    h->complete) {
		h->c = NULL;
		finish_head(h);
		return;
	}
	if (h->stage == HTTPC_READY || may_repeat(h)) {
		h->c = NULL;
		h->stage = HTTPC_DOWN;
		h->kept = false;
		kick(h);
		return;
	}
	if (error.code == 0)
		err_set(&error, -ECONNRESET, "%s: closed before the answer was complete",
			conn_name(c));
	if (h->head)
		fail_head(h, &error);
	h->c = NULL;
	h->stage = HTTPC_DOWN;
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct httpc *h = owner;
	struct err error;
	size_t used;

	if (h->stage != HTTPC_BUSY) {
		give_up_conn(h, false); /* nobody asked */
		return;
	}
	h->got_bytes = true;
	while (len > 0) {
		if (parse(h, data, len, &used, &error) < 0) {
			err_prefix(&error, "%s", conn_name(c));
			fail_head(h, &error);
			return;
		}
		data += used;
		len -= used;
		if (!h->complete)
			continue;
		if (h->parser.status_code < 200) { /* 100 Continue and the like */
			answer_reset(h, true);
			continue;
		}
		if (len > 0) /* bytes behind the answer belong to nothing */
			give_up_conn(h, false);
		finish_head(h);
		return;
	}
}

static const struct conn_ops httpc_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_close = on_close,
};

static void connect_for_head(struct httpc *h)
{
	struct err error;

	h->stage = HTTPC_CONNECTING;
	if (h->tls)
		h->c = conn_connect_tls(h->loop, h->tls, h->alpn, h->host, h->port, &httpc_ops, h);
	else
		h->c = conn_connect_unix(h->loop, h->host, &httpc_ops, h);
	if (!h->c) {
		err_set(&error, -ENOMEM, "out of memory");
		fail_head(h, &error);
	}
}

/* --------------------------------------------------------------- parsing -- */

static int on_header_field(http_parser *parser, const char *at, size_t len)
{
	struct httpc *h = parser->data;

	if (h->headers_done || headers_name(&h->headers, at, len) == 0)
		return 0;
	return err_set(&h->fault, -EPROTO, "bad answer: headers too long") != 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t len)
{
	struct httpc *h = parser->data;

	if (h->headers_done || headers_value(&h->headers, at, len) == 0)
		return 0;
	return err_set(&h->fault, -EPROTO, "bad answer: headers too long") != 0;
}

static int on_headers_complete(http_parser *parser)
{
	struct httpc *h = parser->data;
	struct err err;

	h->headers_done = true;
	if (headers_finish(&h->headers, &err) < 0) {
		err_set(&h->fault, -EPROTO, "bad answer: %s", err.text);
		return -1;
	}
	parser->upgrade = 0;
	return h->head->is_head; /* 1: no body whatever the headers say */
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
	struct httpc *h = parser->data;

	if (buf_append(&h->body, at, len) == 0)
		return 0;
	return err_set(&h->fault, -EMSGSIZE, "the answer is longer than %u bytes",
		       HTTPC_ANSWER_MAX) != 0;
}

static int on_message_complete(http_parser *parser)
{
	struct httpc *h = parser->data;

	h->complete = true;
	http_parser_pause(parser, 1); /* the callback must not run on the parser's stack */
	return 0;
}

static const http_parser_settings settings = {
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* len 0: the end of the stream */
static int parse(struct httpc *h, const uint8_t *data, size_t len, size_t *ret_used,
		 struct err *err)
{
	enum http_errno e;

	*ret_used = http_parser_execute(&h->parser, &settings, (const char *)data, len);
	e = HTTP_PARSER_ERRNO(&h->parser);
	if (e == HPE_PAUSED)
		http_parser_pause(&h->parser, 0);
	else if (h->fault.code)
		return err_set(err, h->fault.code, "%s", h->fault.text);
	else if (e != HPE_OK)
		return err_set(err, -EPROTO, "bad answer: %s", http_errno_description(e));
	return 0;
}

/* ---------------------------------------------------------------- timing -- */

static void on_timer(uv_timer_t *timer);

static void rearm(struct httpc *h)
{
	uint64_t now = uv_now(h->loop), next = UINT64_MAX;

	for (struct call *call = h->head; call; call = call->next)
		next = call->deadline_ms < next ? call->deadline_ms : next;
	if (h->head)
		uv_timer_start(&h->timer, on_timer, next > now ? next - now : 0, 0);
	else if (h->c)
		uv_timer_start(&h->timer, on_timer, HTTPC_IDLE_MS, 0);
	else
		uv_timer_stop(&h->timer);
}

/* the first call that is over, by refusal or time; NULL */
static struct call *find_over(struct httpc *h, struct call **ret_prev)
{
	uint64_t now = uv_now(h->loop);

	*ret_prev = NULL;
	for (struct call *call = h->head; call; call = call->next) {
		if (call->refused.code || call->deadline_ms <= now)
			return call;
		*ret_prev = call;
	}
	return NULL;
}

/* Tells those that are over. A callback may free h or add calls: the list is looked at anew. */
static void end_calls(struct httpc *h)
{
	struct call *call, *prev;
	struct err error;

	while (!h->freed && (call = find_over(h, &prev))) {
		if (call->refused.code)
			error = call->refused;
		else
			err_set(&error, -ETIMEDOUT, "%s: no answer in time",
				h->tls ? h->host : "unix socket");
		if (call == h->head && h->stage != HTTPC_DOWN && h->stage != HTTPC_READY) {
			fail_head(h, &error);
		} else {
			take_out(h, call, prev);
			tell_failure(call, &error, false);
		}
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct httpc *h = timer->data;

	if (!h->head && h->c)
		give_up_conn(h, true);
	end_calls(h);
	if (!h->freed)
		kick(h);
}

static void on_kick(uv_idle_t *idle)
{
	struct httpc *h = idle->data;

	uv_idle_stop(idle);
	end_calls(h);
	if (h->freed)
		return;
	if (h->head && h->stage == HTTPC_READY)
		send_head(h);
	else if (h->head && h->stage == HTTPC_DOWN)
		connect_for_head(h);
	if (!h->freed)
		rearm(h);
}

static void kick(struct httpc *h)
{
	if (!h->freed)
		uv_idle_start(&h->kick, on_kick);
}

/* ------------------------------------------------------------- interface -- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct httpc *h = handle->data;

	if (--h->handles > 0)
		return;
	answer_reset(h, false);
	free(h->host);
	free(h);
}

static struct httpc *httpc_new(uv_loop_t *loop, const char *host)
{
	struct httpc *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->host = strdup(host);
	if (!h->host) {
		free(h);
		return NULL;
	}
	h->loop = loop;
	h->handles = HTTPC_HANDLES;
	headers_init(&h->headers);
	buf_init(&h->body, HTTPC_ANSWER_MAX);
	uv_timer_init(loop, &h->timer);
	uv_idle_init(loop, &h->kick);
	h->timer.data = h->kick.data = h;
	return h;
}

struct httpc *httpc_new_unix(uv_loop_t *loop, const char *path)
{
	return httpc_new(loop, path);
}

struct httpc *httpc_new_tls(uv_loop_t *loop, struct tls *tls, const char *alpn, const char *host,
			    int port)
{
	struct httpc *h = httpc_new(loop, host);

	if (h) {
		h->tls = tls;
		h->alpn = alpn;
		h->port = port;
	}
	return h;
}

/* no blanks or control characters: they would end the request line */
static bool is_word(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++) {
		if ((unsigned char)*text <= 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static int write_request(struct buf *text, const struct httpc *h, const char *method,
			 const char *url, const char *headers, const void *body, size_t len)
{
	bool has_body = len > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
			strcmp(method, "PATCH") == 0;
	int rv;

	rv = buf_printf(text, "%s %s HTTP/1.1\r\n", method, url);
	if (rv == 0 && !h->tls)
		rv = buf_printf(text, "Host: localhost\r\n");
	else if (rv == 0)
		rv = buf_printf(text,
				strchr(h->host, ':') ? "Host: [%s]:%d\r\n" : "Host: %s:%d\r\n",
				h->host, h->port);
	if (rv == 0 && headers)
		rv = buf_append(text, headers, strlen(headers));
	if (rv == 0 && has_body)
		rv = buf_printf(text, "Content-Length: %zu\r\n", len);
	if (rv == 0 && len > 0 && !(headers && strcasestr(headers, "content-type:")))
		rv = buf_printf(text, "Content-Type: application/json\r\n");
	if (rv == 0)
		rv = buf_append(text, "\r\n", 2);
	return rv < 0 ? rv : buf_append(text, body, len);
}

void httpc_request(struct httpc *h, const char *method, const char *url, const char *headers,
		   const void *body, size_t len, int timeout_ms, httpc_cb cb, void *arg)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		abort(); /* cb is promised, and there is nothing to keep the promise with */
	buf_init(&call->text, CONN_QUEUE_MAX);
	call->is_head = strcmp(method, "HEAD") == 0;
	call->is_safe = call->is_head || strcmp(method, "GET") == 0;
	call->cb = cb;
	call->arg = arg;
	uv_update_time(h->loop);
	call->deadline_ms = uv_now(h->loop) + (uint64_t)timeout_ms;
	if (h->count >= HTTPC_QUEUE_MAX)
		err_set(&call->refused, -EBUSY, "%d requests wait for %s already", HTTPC_QUEUE_MAX,
			h->host);
	else if (!is_word(method) || !is_word(url))
		err_set(&call->refused, -E_INVALID, "the request target holds blanks");
	else if (write_request(&call->text, h, method, url, headers, body, len) < 0)
		err_set(&call->refused, -EMSGSIZE, "the request is too large");
	if (h->tail)
		h->tail->next = call;
	else
		h->head = call;
	h->tail = call;
	h->count++;
	kick(h);
}

void httpc_free(struct httpc *h)
{
	struct err error;

	if (!h)
		return;
	h->freed = true;
	err_set(&error, -ECANCELED, "given up");
	while (h->head) {
		struct call *call = h->head;
		bool sent = head_has_left(h);

		give_up_conn(h, false);
		take_out(h, call, NULL);
		tell_failure(call, &error, sent);
	}
	give_up_conn(h, true);
	uv_close((uv_handle_t *)&h->timer, on_handle_closed);
	uv_close((uv_handle_t *)&h->kick, on_handle_closed);
}
