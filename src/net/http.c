// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http.c - the HTTP/1.1 server end of a conn. Called by the daemon for each
 * accepted conn that speaks HTTP; it hands whole requests to one handler and
 * knows nothing of paths or of what they mean.
 *
 * A struct http lives as long as its conn; a request lives until http_reply.
 * When the conn goes first, its requests lose their http pointer and the
 * answers fall on the floor. Requests are kept in the order they came in;
 * answers leave from the front of that list.
 *
 * Input that cannot be taken yet (too many requests or too large answers under
 * way) stays in h->in and the conn is paused. All of it is taken up again in
 * one place, take_up(), which runs from on_data and from the kick.
 */
#include "net/http.h"

#include <assert.h>
#include <errno.h>
#include <http_parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "net/http_message.h"

/* what LINSTOR's clients take for an error: one of parsing, and any other */
#define HTTP_CODE_PARSE "-3458764513820540931"
#define HTTP_CODE_OTHER "-4611686018427386906"
#define HTTP_EXTRA_MAX 8192 /* headers added to one answer */
#define HTTP_HANDLES 2
#define HTTP_LENT_LEAST (1u << 20) /* bytes of an answer that is not copied to be sent */

struct http_request {
	struct http_request *next;
	struct http *h;  /* NULL when the conn is gone */
	bool dispatched; /* given to the handler */
	bool answered;
	bool close;                  /* the conn ends after the answer */
	bool is_unix, has_peer, old; /* old: HTTP/1.0 */
	bool wants_continue;         /* the client waits for "100 Continue" */
	bool has_type;               /* extra holds a Content-Type */
	unsigned int method;
	size_t body_max;
	char *query; /* in url */
	struct buf url, body;
	struct http_headers headers;
	struct buf extra;  /* headers of the answer */
	struct buf answer; /* the whole of it, when it has to wait for those before */
	struct buf taken;  /* but for this body, when its memory was taken */
	struct tls_peer peer;
};

enum http_timer {
	HTTP_TIMER_OFF,  /* the handler is at work */
	HTTP_TIMER_IDLE, /* no request; perhaps an answer is being read by the client */
	HTTP_TIMER_HEAD, /* the headers of one are being received */
	HTTP_TIMER_BODY,
};

struct http {
	struct conn *c; /* NULL when gone */
	http_handler handler;
	void *arg;
	struct http_options options;
	http_parser parser;
	uv_timer_t timer; /* slow request or idle conn */
	uv_idle_t kick;
	int handles;                      /* not closed yet */
	struct http_request *reading;     /* being received; not in the list */
	struct http_request *head, *tail; /* received, not answered */
	int count;
	size_t held; /* bytes of their bodies */
	enum http_timer timer_for;
	bool ending;    /* nothing is read any more: error, or the last request was read */
	bool draining;  /* the last answer is on its way; the conn is closed behind it */
	bool taking_up; /* take_up() is on the stack */
	bool headers_done;
	uint64_t handed_seen; /* conn_handed() when the idle time began */
	int fault;            /* status for what a parser callback refused; 0 */
	struct err fault_text;
	struct buf in;
};

/* ------------------------------------------------------------- requests -- */

static struct http_request *request_new(struct http *h)
{
	struct http_request *r = calloc(1, sizeof(*r));
	const struct tls_peer *peer;

	if (!r)
		return NULL;
	r->h = h;
	buf_init(&r->url, HTTP_URL_MAX);
	buf_init(&r->body, HTTP_BODY_MAX);
	r->body_max = HTTP_BODY_MAX;
	buf_init(&r->extra, HTTP_EXTRA_MAX);
	buf_init(&r->answer, CONN_QUEUE_MAX);
	headers_init(&r->headers);
	peer = conn_peer(h->c);
	if (peer) {
		r->peer = *peer;
		r->has_peer = true;
	}
	r->is_unix = strcmp(conn_name(h->c), "unix") == 0;
	return r;
}

static void request_free(struct http_request *r)
{
	if (!r)
		return;
	buf_release(&r->url);
	buf_release(&r->body);
	buf_release(&r->extra);
	buf_release(&r->answer);
	buf_release(&r->taken);
	headers_release(&r->headers);
	free(r);
}

static void list_append(struct http *h, struct http_request *r)
{
	if (h->tail)
		h->tail->next = r;
	else
		h->head = r;
	h->tail = r;
	h->count++;
	h->held += r->body.len;
}

static struct http_request *list_pop(struct http *h)
{
	struct http_request *r = h->head;

	h->head = r->next;
	if (!h->head)
		h->tail = NULL;
	h->count--;
	h->held -= r->body.len;
	return r;
}

/* -------------------------------------------------------------- answers -- */

static int write_head(const struct http_request *r, int status, size_t len, struct buf *head)
{
	const char *connection = r->close ? "close" : r->old ? "keep-alive" : NULL;

	return message_head(status, len, !r->has_type, &r->extra, connection, head);
}

static void drop_conn(struct http *h)
{
	h->ending = true;
	conn_abort(h->c);
}

static void send_continue(struct http *h)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	/* never before the answers of earlier requests */
	if (!h->reading || !h->reading->wants_continue || h->head)
		return;
	h->reading->wants_continue = false;
	if (conn_write(h->c, text, sizeof(text) - 1) < 0)
		drop_conn(h);
}

/* A conn that is closed has little time for what is still queued: a long answer to a slow client
 * is waited for here, as long as it is being read. */
static void close_behind_answer(struct http *h)
{
	h->ending = true;
	h->draining = conn_queued(h->c) > HTTP_READ_LEAST;
	if (!h->draining)
		conn_close(h->c);
}

/* b is empty after 0 */
static int lend(struct http *h, struct buf *b)
{
	int rv = conn_write_borrowed(h->c, b->data, b->len, free, b->data);

	if (rv == 0)
		buf_init(b, b->max);
	return rv;
}

/* A long one is lent to the conn, which would need the same memory again. */
static int send_answer(struct http *h, struct http_request *r)
{
	int rv = r->answer.len >= HTTP_LENT_LEAST ? lend(h, &r->answer)
						  : conn_write(h->c, r->answer.data, r->answer.len);

	return rv == 0 && r->taken.len > 0 ? lend(h, &r->taken) : rv;
}

/* sends the answers whose turn it is */
static void send_answers(struct http *h)
{
	conn_cork(h->c);
	while (h->head && h->head->answered) {
		struct http_request *r = list_pop(h);
		bool last = r->close;
		int rv;

		rv = send_answer(h, r);
		if (rv < 0 && rv != -ENOTCONN) /* that one is ending, earlier answers are leaving */
			drop_conn(h);
		request_free(r);
		if (last) {
			conn_uncork(h->c);
			close_behind_answer(h);
			return;
		}
	}
	send_continue(h);
	conn_uncork(h->c);
}

static void on_kick(uv_idle_t *idle);

/* take: memory of body, or NULL */
static void give_answer(struct http_request *r, int status, const void *body, size_t len,
			struct buf *take)
{
	bool shown = r->method != HTTP_HEAD && message_has_body(status);
	int rv;

	buf_clear(&r->answer);
	rv = write_head(r, status, len, &r->answer);
	if (rv == 0 && shown && take) {
		r->taken = *take;
		buf_init(take, take->max);
	} else if (rv == 0 && shown) {
		rv = buf_append(&r->answer, body, len);
	}
	r->answered = true;
	if (rv < 0) {
		/* too large for the queue of a conn, or no memory */
		log_warn("http", "path=%s status=%d bytes=%zu answer dropped: %s", http_path(r),
			 status, len, err_name(rv));
		drop_conn(r->h);
	}
}

static void reply(struct http_request *r, int status, const void *body, size_t len,
		  struct buf *take)
{
	struct http *h = r->h;

	assert(r->dispatched && !r->answered);
	if (!h) {
		request_free(r);
		return;
	}
	give_answer(r, status, body, len, take);
	if (!h->taking_up) {
		send_answers(h);
		/* the next request must not be handled inside of this call */
		uv_idle_start(&h->kick, on_kick);
	}
}

void http_reply(struct http_request *r, int status, const void *body, size_t len)
{
	reply(r, status, body, len, NULL);
}

void http_reply_take(struct http_request *r, int status, struct buf *body)
{
	reply(r, status, body->data, body->len, body);
	buf_release(body);
}

static bool is_clean(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
	if (!is_clean(name) || !is_clean(value))
		return;
	if (buf_printf(&r->extra, "%s: %s\r\n", name, value) == 0 &&
	    strcasecmp(name, "content-type") == 0)
		r->has_type = true;
}

/* the last answer of this conn, behind those of the requests before */
static void answer_error(struct http *h, int status, const char *text)
{
	struct http_request *r = h->reading;
	struct buf body;

	h->ending = true;
	h->reading = NULL;
	if (!r)
		r = request_new(h);
	if (!r) {
		drop_conn(h);
		return;
	}
	r->dispatched = true;
	r->close = true;
	r->method = HTTP_GET;
	list_append(h, r);
	buf_init(&body, 1024);
	if (buf_printf(&body, "[{\"ret_code\":%s,\"message\":\"%s\"}]",
		       status == 400 ? HTTP_CODE_PARSE : HTTP_CODE_OTHER, text) < 0)
		buf_clear(&body);
	give_answer(r, status, body.data, body.len, NULL);
	buf_release(&body);
}

/* --------------------------------------------------------------- parsing -- */

static int refuse(struct http *h, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct http *h, int status, const char *fmt, ...)
{
	va_list ap;

	h->fault = status;
	va_start(ap, fmt);
	vsnprintf(h->fault_text.text, sizeof(h->fault_text.text), fmt, ap);
	va_end(ap);
	return 1;
}

static void rearm(struct http *h);

static int on_message_begin(http_parser *parser)
{
	struct http *h = parser->data;

	h->reading = request_new(h);
	if (!h->reading)
		return refuse(h, 503, "out of memory");
	h->headers_done = false;
	h->timer_for = HTTP_TIMER_OFF;
	rearm(h);
	return 0;
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
	struct http *h = parser->data;

	if (buf_append(&h->reading->url, at, len) < 0)
		return refuse(h, 414, "the URL is longer than %d bytes", HTTP_URL_MAX);
	return 0;
}

static int too_many_headers(struct http *h)
{
	return refuse(h, 431, "more than %d bytes or %d lines of headers", HTTP_HEADERS_MAX,
		      HTTP_HEADER_COUNT_MAX);
}

static int on_header_field(http_parser *parser, const char *at, size_t len)
{
	struct http *h = parser->data;

	if (h->headers_done)
		return 0; /* trailers of a chunked body: not used by anybody */
	return headers_name(&h->reading->headers, at, len) < 0 ? too_many_headers(h) : 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t len)
{
	struct http *h = parser->data;

	if (h->headers_done)
		return 0;
	return headers_value(&h->reading->headers, at, len) < 0 ? too_many_headers(h) : 0;
}

static int body_too_large(struct http *h)
{
	return refuse(h, 413, "the body is longer than the %zu bytes that are taken%s",
		      h->reading->body_max,
		      h->reading->body_max < HTTP_BODY_MAX ? " from somebody unknown" : "");
}

static bool url_is_clean(const struct buf *url)
{
	for (size_t i = 0; i < url->len; i++) {
		if (url->data[i] <= 0x20 || url->data[i] >= 0x7f)
			return false;
	}
	return url->len > 0 && (url->data[0] == '/' || url->data[0] == '*');
}

static int check_head(struct http *h, http_parser *parser)
{
	struct http_request *r = h->reading;
	const char *expect = headers_get(&r->headers, "expect", 0);
	struct err err;

	if (parser->http_major != 1 || parser->http_minor > 1)
		return refuse(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	if (parser->method == HTTP_CONNECT || !url_is_clean(&r->url))
		return refuse(h, 400, "the request target is malformed");
	if (headers_finish(&r->headers, &err) < 0)
		return refuse(h, 400, "%s", err.text);
	if (r->old && headers_get(&r->headers, "transfer-encoding", 0))
		return refuse(h, 400, "HTTP/1.0 has no Transfer-Encoding");
	if ((!r->old && !headers_get(&r->headers, "host", 0)) ||
	    headers_get(&r->headers, "host", 1))
		return refuse(h, 400, "exactly one Host header is needed");
	if (h->options.body_max)
		r->body_max = h->options.body_max(r, h->arg);
	if (parser->content_length != UINT64_MAX && parser->content_length > r->body_max)
		return body_too_large(h);
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return refuse(h, 417, "the only expectation understood is 100-continue");
	r->wants_continue = expect && !r->old;
	return 0;
}

static int on_headers_complete(http_parser *parser)
{
	struct http *h = parser->data;

	h->headers_done = true;
	h->reading->old = parser->http_minor == 0;
	h->reading->method = parser->method;
	if (check_head(h, parser) != 0)
		return -1;
	parser->upgrade = 0; /* an offer that we do not take */
	rearm(h);
	send_continue(h);
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
	struct http *h = parser->data;

	h->reading->wants_continue = false; /* it did not wait */
	if (len > h->reading->body_max - h->reading->body.len)
		return body_too_large(h);
	return buf_append(&h->reading->body, at, len) < 0 ? refuse(h, 503, "out of memory") : 0;
}

static int on_message_complete(http_parser *parser)
{
	struct http *h = parser->data;
	struct http_request *r = h->reading;

	h->reading = NULL;
	r->wants_continue = false;
	r->close = !http_should_keep_alive(parser);
	r->query = strchr((char *)r->url.data, '?');
	if (r->query)
		*r->query++ = '\0';
	list_append(h, r);
	if (r->close)
		h->ending = true;
	/* the handler is not called on the parser's stack */
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_message_begin,
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void parse_failed(struct http *h)
{
	enum http_errno e = HTTP_PARSER_ERRNO(&h->parser);

	if (h->fault)
		answer_error(h, h->fault, h->fault_text.text);
	else if (e == HPE_HEADER_OVERFLOW)
		answer_error(h, 431, "the headers are too long");
	else
		answer_error(h, 400, http_errno_description(e));
}

static bool is_full(const struct http *h)
{
	return h->count >= HTTP_PIPELINE_MAX || h->held > HTTP_HELD_MAX ||
	       conn_queued(h->c) > HTTP_UNSENT_MAX;
}

/* feeds the parser until the next whole request; returns how many bytes it took */
static size_t parse_some(struct http *h, const uint8_t *data, size_t len)
{
	size_t used = http_parser_execute(&h->parser, &settings, (const char *)data, len);

	switch (HTTP_PARSER_ERRNO(&h->parser)) {
	case HPE_OK:
		break;
	case HPE_PAUSED:
		http_parser_pause(&h->parser, 0);
		break;
	default:
		parse_failed(h);
		break;
	}
	return used;
}

/* --------------------------------------------------------------- working -- */

static bool is_safe(const struct http_request *r)
{
	return r->method == HTTP_GET || r->method == HTTP_HEAD;
}

/* A request that changes something waits for those before it, and those after wait for it: the
 * client cannot tell otherwise in which order they happened. */
static void dispatch(struct http *h)
{
	bool waiting = false, all_safe = true;

	for (struct http_request *r = h->head; r; r = r->next) {
		if (r->answered)
			continue;
		if (!r->dispatched) {
			if (waiting && !(all_safe && is_safe(r)))
				return;
			r->dispatched = true;
			h->handler(r,
				   h->arg); /* may answer r; it is freed by send_answers() only */
		}
		if (!r->answered) {
			waiting = true;
			all_safe = all_safe && is_safe(r);
		}
	}
}

static void on_timer(uv_timer_t *timer);

/* Each time runs from where it began: bytes that come one by one do not make it longer. */
static void rearm(struct http *h)
{
	enum http_timer want = HTTP_TIMER_OFF;
	int ms = 0;

	if (h->reading) {
		want = h->headers_done ? HTTP_TIMER_BODY : HTTP_TIMER_HEAD;
		ms = h->headers_done ? h->options.body_ms : h->options.head_ms;
	} else if ((!h->head && !h->ending) || h->draining) {
		want = HTTP_TIMER_IDLE;
		ms = h->options.idle_ms;
	}
	if (want == h->timer_for)
		return;
	h->timer_for = want;
	h->handed_seen = conn_handed(h->c);
	if (want == HTTP_TIMER_OFF)
		uv_timer_stop(&h->timer);
	else
		uv_timer_start(&h->timer, on_timer, (uint64_t)ms, 0);
}

/* Handles, answers and parses until the input is used up or must wait. Returns the bytes used. */
static size_t take_up(struct http *h, const uint8_t *data, size_t len)
{
	size_t used = 0;

	h->taking_up = true;
	for (;;) {
		dispatch(h);
		send_answers(h);
		if (h->ending || used == len || (is_full(h) && !h->reading))
			break;
		used += parse_some(h, data + used, len - used);
	}
	h->taking_up = false;
	rearm(h);
	return h->ending ? len : used;
}

static void pause_or_resume(struct http *h)
{
	if (!h->ending && (h->in.len > 0 || (is_full(h) && !h->reading)))
		conn_read_pause(h->c);
	else
		conn_read_resume(h->c);
}

static void on_kick(uv_idle_t *idle)
{
	struct http *h = idle->data;

	uv_idle_stop(idle);
	if (!h->c)
		return;
	buf_consume(&h->in, take_up(h, h->in.data, h->in.len));
	if (h->in.len == 0)
		buf_release(&h->in);
	pause_or_resume(h);
}

static void on_timer(uv_timer_t *timer)
{
	struct http *h = timer->data;
	uint64_t handed;

	if (!h->c || (h->ending && !h->draining))
		return;
	if (h->timer_for == HTTP_TIMER_HEAD || h->timer_for == HTTP_TIMER_BODY) {
		answer_error(h, 408, "the request did not arrive in time");
		send_answers(h);
		rearm(h);
		return;
	}
	/* a slow reader of a long answer is not idle while it makes progress */
	handed = conn_handed(h->c);
	if (conn_queued(h->c) > 0 && handed - h->handed_seen >= HTTP_READ_LEAST) {
		h->timer_for = HTTP_TIMER_OFF; /* begins anew */
		rearm(h);
		return;
	}
	if (conn_queued(h->c) > 0) {
		drop_conn(h);
		return;
	}
	h->ending = true;
	conn_close(h->c);
}

/* ------------------------------------------------------------------ conn -- */

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct http *h = owner;
	size_t used;

	if (h->ending)
		return; /* it will not be answered */
	used = h->in.len > 0 ? 0 : take_up(h, data, len);
	if (used < len && buf_append(&h->in, data + used, len - used) < 0)
		drop_conn(h);
	pause_or_resume(h);
}

static void on_drain(struct conn *c, void *owner)
{
	struct http *h = owner;

	if (h->draining) {
		h->draining = false;
		conn_close(c);
		return;
	}
	uv_idle_start(&h->kick, on_kick);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct http *h = handle->data;

	if (--h->handles > 0)
		return;
	buf_release(&h->in);
	free(h);
}

/* the conn is not ours any more */
static void let_go(struct http *h)
{
	h->c = NULL;
	request_free(h->reading);
	while (h->head) {
		struct http_request *r = list_pop(h);

		if (r->dispatched && !r->answered)
			r->h = NULL; /* freed by its http_reply */
		else
			request_free(r);
	}
	uv_close((uv_handle_t *)&h->timer, on_handle_closed);
	uv_close((uv_handle_t *)&h->kick, on_handle_closed);
}

static void on_close(struct conn *c, const struct err *reason, void *owner)
{
	let_go(owner);
}

struct conn *http_take(struct http_request *r)
{
	struct http *h = r->h;
	struct conn *c;

	assert(r->dispatched && !r->answered && !(h && h->taking_up));
	if (!h || h->head != r)
		return NULL;
	c = h->c;
	request_free(list_pop(h));
	let_go(h);
	return c;
}

static const struct conn_ops http_ops = {
	.on_data = on_data,
	.on_drain = on_drain,
	.on_close = on_close,
};

void http_serve_with(struct conn *c, http_handler handler, void *arg,
		     const struct http_options *options)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h) {
		conn_abort(c);
		return;
	}
	h->c = c;
	h->handler = handler;
	h->arg = arg;
	h->options = *options;
	h->options.idle_ms = options->idle_ms ?: HTTP_IDLE_TIMEOUT_MS;
	h->options.head_ms = options->head_ms ?: HTTP_HEAD_TIMEOUT_MS;
	h->options.body_ms = options->body_ms ?: HTTP_BODY_TIMEOUT_MS;
	h->handles = HTTP_HANDLES;
	buf_init(&h->in, 2 * CONN_READ_SIZE);
	http_parser_init(&h->parser, HTTP_REQUEST);
	h->parser.data = h;
	uv_timer_init(conn_loop(c), &h->timer);
	uv_idle_init(conn_loop(c), &h->kick);
	h->timer.data = h->kick.data = h;
	conn_set_ops(c, &http_ops, h);
	rearm(h);
}

void http_serve(struct conn *c, http_handler handler, void *arg)
{
	http_serve_with(c, handler, arg, &(struct http_options){ 0 });
}

/* -------------------------------------------------------------- requests -- */

const char *http_method(const struct http_request *r)
{
	return http_method_str((enum http_method)r->method);
}

const char *http_path(const struct http_request *r)
{
	return r->url.data ? (const char *)r->url.data : "";
}

const char *http_query(const struct http_request *r)
{
	return r->query ? r->query : "";
}

const char *http_header(const struct http_request *r, const char *name)
{
	return headers_get(&r->headers, name, 0);
}

const struct buf *http_body(const struct http_request *r)
{
	return &r->body;
}

const struct tls_peer *http_peer(const struct http_request *r)
{
	return r->has_peer ? &r->peer : NULL;
}

bool http_is_1_0(const struct http_request *r)
{
	return r->old;
}

bool http_is_unix(const struct http_request *r)
{
	return r->is_unix;
}
