// SPDX-License-Identifier: GPL-2.0-or-later
/* test_httpc.c - answers good and bad, times, reconnecting, and whether a request was sent. */
#include <errno.h>
#include <openssl/crypto.h>

#include "base/buf.h"
#include "net/http.h"
#include "net/httpc.h"
#include "unit/net/net_test.h"

static char path[64];
static struct listener *listener;
static struct httpc *client;

/* the server: what it does for the n-th request, over all connections */
struct step {
	const char *answer; /* NULL: none */
	size_t split;       /* gives the answer in two pieces */
	bool close;         /* orderly, after the answer */
	bool abort;
};

static struct step steps[16];
static int n_steps, n_requests, n_accepted;
static struct buf received;
static struct conn *served;

/* the client: what it was told */
struct told {
	int calls, status, code;
	bool sent;
	char text[512], body[4096], header[256];
	size_t body_len;
};

static void on_answer(const struct httpc_answer *a, void *arg)
{
	struct told *t = arg;

	t->calls++;
	t->status = a->status;
	t->code = a->error.code;
	t->sent = a->sent;
	t->body_len = a->body->len;
	snprintf(t->text, sizeof(t->text), "%s", a->error.text);
	snprintf(t->body, sizeof(t->body), "%s", a->body->data ? (char *)a->body->data : "");
	snprintf(t->header, sizeof(t->header), "%s", a->header(a, "x-test") ?: "");
}

static void server_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	static const struct step silent;
	const struct step *s;

	cr_assert_eq(buf_append(&received, data, len), 0);
	if (!strstr((char *)received.data, "\r\n\r\n"))
		return;
	buf_clear(&received);
	s = n_requests < n_steps ? &steps[n_requests] : &silent;
	n_requests++;
	if (s->answer && s->split) {
		conn_cork(c);
		conn_write(c, s->answer, s->split);
		conn_uncork(c); /* sends the first piece now */
		conn_write(c, s->answer + s->split, strlen(s->answer) - s->split);
	} else if (s->answer) {
		conn_write(c, s->answer, strlen(s->answer));
	}
	if (s->close)
		conn_close(c);
	if (s->abort)
		conn_abort(c);
}

static void server_on_close(struct conn *c, const struct err *reason, void *owner)
{
	if (served == c)
		served = NULL;
}

static const struct conn_ops server_ops = {
	.on_data = server_on_data,
	.on_close = server_on_close,
};

static void on_accept(struct conn *c, void *arg)
{
	n_accepted++;
	served = c;
	conn_set_ops(c, &server_ops, NULL);
}

static void begin(void)
{
	struct err err;

	setup();
	buf_init(&received, 1u << 20);
	snprintf(path, sizeof(path), "%s/socket", dir);
	cr_assert_eq(listener_unix(&loop, path, 0600, 10, on_accept, NULL, &listener, &err), 0);
	client = httpc_new_unix(&loop, path);
}

static void finish(void)
{
	httpc_free(client);
	listener_free(listener);
	if (served)
		conn_abort(served);
	uv_run(&loop, UV_RUN_DEFAULT);
	buf_release(&received);
	teardown();
}

TestSuite(httpc, .init = begin, .fini = finish);

static struct told ask(const char *method, int timeout_ms)
{
	struct told t = { 0 };

	httpc_request(client, method, "/x", NULL, NULL, 0, timeout_ms, on_answer, &t);
	cr_assert_eq(t.calls, 0, "called back from within");
	WAIT(t.calls);
	run_for(5);
	cr_assert_eq(t.calls, 1);
	return t;
}

static void script(const struct step *s, int n)
{
	memcpy(steps, s, (size_t)n * sizeof(*s));
	n_steps = n;
	n_requests = 0;
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define STEPS(...)                                                   \
	do {                                                         \
		static const struct step list[] = { __VA_ARGS__ };   \
		script(list, (int)(sizeof(list) / sizeof(list[0]))); \
	} while (0)

Test(httpc, good_answers)
{
	static const struct {
		const char *name, *answer;
		int status;
		const char *body, *header;
	} rows[] = {
		{ "length", "HTTP/1.1 200 OK\r\nX-Test: a \r\nContent-Length: 2\r\n\r\nok", 200,
		  "ok", "a" },
		{ "empty", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "", "" },
		{ "no content", "HTTP/1.1 204 No Content\r\nX-Test: b\r\n\r\n", 204, "", "b" },
		{ "chunked",
		  "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3\r\nabc\r\n2;e\r\nde\r\n"
		  "0\r\nX-Test: trailer\r\n\r\n",
		  201, "abcde", "" },
		{ "continued",
		  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nX-Test: no\r\n\r\n" OK, 200, "ok",
		  "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t split = 0; split < strlen(rows[i].answer); split++) {
			struct step s = { .answer = rows[i].answer, .split = split };
			struct told t;

			script(&s, 1);
			t = ask("GET", 5000);
			cr_assert_eq(t.status, rows[i].status, "row '%s' split %zu: %s",
				     rows[i].name, split, t.text);
			cr_expect_eq(t.code, 0);
			cr_expect(t.sent);
			cr_expect_str_eq(t.body, rows[i].body, "row '%s'", rows[i].name);
			cr_expect_str_eq(t.header, rows[i].header, "row '%s'", rows[i].name);
			cr_expect_leq(n_accepted, 1, "the connection was not kept");
		}
	}
}

Test(httpc, answers_that_end_the_connection)
{
	struct told t;

	STEPS({ .answer = "HTTP/1.1 200 OK\r\n\r\nuntil the end", .close = true },
	      { .answer = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok" },
	      { .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" },
	      { .answer = OK });
	t = ask("GET", 5000);
	cr_expect_eq(t.status, 200, "%s", t.text);
	cr_expect_str_eq(t.body, "until the end");
	for (int i = 0; i < 3; i++) {
		t = ask("POST", 5000);
		cr_expect_eq(t.status, 200, "%s", t.text);
	}
	cr_expect_eq(n_accepted, 4);
}

Test(httpc, head_has_no_body)
{
	STEPS({ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" }, { .answer = OK });
	cr_expect_eq(ask("HEAD", 5000).status, 200);
	cr_expect_eq(ask("GET", 5000).status, 200);
	cr_expect_eq(n_accepted, 1);
}

Test(httpc, bad_answers)
{
	static const struct {
		const char *name;
		struct step step;
		int code;
	} rows[] = {
		{ "nonsense", { .answer = "hello\r\n\r\n" }, -EPROTO },
		{ "no status", { .answer = "HTTP/1.1 abc\r\n\r\n" }, -EPROTO },
		{ "two lengths",
		  { .answer =
			    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok" },
		  -EPROTO },
		{ "length and coding",
		  { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: "
			      "chunked\r\n\r\n" },
		  -EPROTO },
		{ "bad chunk",
		  { .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" },
		  -EPROTO },
		{ "closed without a word", { .close = true }, -ECONNRESET },
		{ "closed in the head",
		  { .answer = "HTTP/1.1 200 O", .close = true },
		  -ECONNRESET },
		{ "closed in the body",
		  { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", .close = true },
		  -ECONNRESET },
		{ "closed in a chunk",
		  { .answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		    .close = true },
		  -ECONNRESET },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct told t;

		script(&rows[i].step, 1);
		t = ask("GET", 5000);
		cr_expect_eq(t.code, rows[i].code, "row '%s': %d %s", rows[i].name, t.code, t.text);
		cr_expect_eq(t.status, 0);
		cr_expect(t.sent, "row '%s'", rows[i].name);
		cr_expect_neq(t.text[0], '\0');
		cr_expect_eq(n_requests, 1, "row '%s' was repeated", rows[i].name);
	}
}

Test(httpc, limits_of_the_answer)
{
	static char text[3 * HTTP_HEADERS_MAX];
	struct step s = { .answer = text };
	struct told t;
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nX-Long: ");
	memset(text + n, 'a', HTTP_HEADERS_MAX);
	n += HTTP_HEADERS_MAX;
	snprintf(text + n, sizeof(text) - n, "\r\nContent-Length: 0\r\n\r\n");
	script(&s, 1);
	t = ask("GET", 5000);
	cr_expect_eq(t.code, -EPROTO);
	cr_expect_not_null(strstr(t.text, "headers too long"), "%s", t.text);
}

/* announces HTTPC_ANSWER_MAX + 1 bytes and sends them */
static size_t flood_left;

static void flood_on_drain(struct conn *c, void *owner)
{
	static uint8_t bytes[1u << 20];

	while (flood_left > 0 && conn_queued(c) < sizeof(bytes)) {
		size_t n = flood_left < sizeof(bytes) ? flood_left : sizeof(bytes);

		if (conn_write(c, bytes, n) < 0)
			return;
		flood_left -= n;
	}
}

static void flood_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", flood_left);
	conn_write(c, head, strlen(head));
	flood_on_drain(c, owner);
}

static const struct conn_ops flood_ops = {
	.on_data = flood_on_data,
	.on_drain = flood_on_drain,
	.on_close = server_on_close,
};

static void on_accept_flood(struct conn *c, void *arg)
{
	conn_set_ops(c, &flood_ops, NULL);
}

Test(httpc, largest_answer)
{
	struct err err;
	struct told t;

	listener_free(listener);
	cr_assert_eq(listener_unix(&loop, path, 0600, 10, on_accept_flood, NULL, &listener, &err),
		     0);
	flood_left = HTTPC_ANSWER_MAX;
	t = ask("GET", 9000);
	cr_expect_eq(t.status, 200, "%s", t.text);
	cr_expect_eq(t.body_len, HTTPC_ANSWER_MAX);
	flood_left = HTTPC_ANSWER_MAX + 1u;
	t = ask("GET", 9000);
	cr_expect_eq(t.code, -EMSGSIZE, "%s", t.text);
}

Test(httpc, no_server)
{
	struct told t;

	listener_free(listener);
	listener = NULL;
	t = ask("POST", 5000);
	cr_expect_eq(t.code, -ENOENT);
	cr_expect_not(t.sent);
}

Test(httpc, times)
{
	struct told t;
	uint64_t start = clock_boot_ns();

	/* accepted by the kernel, and read by the server, but not answered */
	t = ask("POST", 200);
	cr_expect_eq(t.code, -ETIMEDOUT);
	cr_expect(t.sent);
	cr_expect_geq((clock_boot_ns() - start) / 1000000, 190);
	cr_expect_lt((clock_boot_ns() - start) / 1000000, 1500);
	/* the late answer of that one must not become the answer of the next */
	STEPS({ .answer = OK });
	t = ask("GET", 5000);
	cr_expect_eq(t.status, 200);
	cr_expect_eq(n_accepted, 2);
}

/* behind a slow one: never sent, and told so */
Test(httpc, times_in_the_queue)
{
	struct told slow = { 0 }, waiting = { 0 }, last = { 0 };

	STEPS({ .answer = NULL }, { .answer = OK });
	httpc_request(client, "POST", "/slow", NULL, NULL, 0, 400, on_answer, &slow);
	httpc_request(client, "POST", "/b", NULL, NULL, 0, 100, on_answer, &waiting);
	httpc_request(client, "POST", "/c", NULL, NULL, 0, 5000, on_answer, &last);
	WAIT(waiting.calls);
	cr_expect_eq(slow.calls, 0);
	cr_expect_eq(waiting.code, -ETIMEDOUT);
	cr_expect_not(waiting.sent);
	WAIT(slow.calls && last.calls);
	cr_expect(slow.sent);
	cr_expect_eq(last.status, 200);
	cr_expect_eq(n_requests, 2);
}

/* the server ends a kept connection just when the next request comes */
static void stale(const char *method, struct told *ret)
{
	STEPS({ .answer = OK }, { .abort = true }, { .answer = OK });
	cr_expect_eq(ask("GET", 5000).status, 200);
	*ret = ask(method, 5000);
}

Test(httpc, a_stale_connection_and_a_question)
{
	struct told t;

	stale("GET", &t);
	cr_expect_eq(t.status, 200, "%s", t.text);
	cr_expect_eq(n_accepted, 2);
	cr_expect_eq(n_requests, 3);
}

Test(httpc, a_stale_connection_and_a_change)
{
	struct told t;

	stale("POST", &t);
	cr_expect_neq(t.code, 0);
	cr_expect(t.sent, "it may have been done");
	cr_expect_eq(n_requests, 2, "a change was repeated");
}

Test(httpc, a_question_is_repeated_once_only)
{
	struct told t;

	STEPS({ .answer = OK }, { .abort = true }, { .abort = true }, { .answer = OK });
	cr_expect_eq(ask("GET", 5000).status, 200);
	t = ask("GET", 5000);
	cr_expect_neq(t.code, 0);
	cr_expect_eq(n_requests, 3);
}

/* known to be closed before the request: nothing is lost by connecting anew */
Test(httpc, closed_while_unused)
{
	STEPS({ .answer = OK, .close = true }, { .answer = OK });
	cr_expect_eq(ask("GET", 5000).status, 200);
	run_for(50);
	cr_expect_eq(ask("POST", 5000).status, 200);
	cr_expect_eq(n_accepted, 2);
}

Test(httpc, unasked_bytes)
{
	STEPS({ .answer = OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" },
	      { .answer = OK });
	cr_expect_str_eq(ask("GET", 5000).body, "ok");
	cr_expect_str_eq(ask("GET", 5000).body, "ok");
	cr_expect_eq(n_accepted, 2);
}

Test(httpc, queue_limit)
{
	static struct told t[HTTPC_QUEUE_MAX + 1];

	for (int i = 0; i <= HTTPC_QUEUE_MAX; i++)
		httpc_request(client, "GET", "/x", NULL, NULL, 0, 5000, on_answer, &t[i]);
	WAIT(t[HTTPC_QUEUE_MAX].calls);
	cr_expect_eq(t[HTTPC_QUEUE_MAX].code, -EBUSY);
	cr_expect_not(t[HTTPC_QUEUE_MAX].sent);
	cr_expect_eq(t[HTTPC_QUEUE_MAX - 1].calls, 0);
	httpc_free(client);
	client = NULL;
	for (int i = 0; i < HTTPC_QUEUE_MAX; i++) {
		cr_expect_eq(t[i].calls, 1);
		cr_expect_eq(t[i].code, -ECANCELED);
	}
}

Test(httpc, requests_that_cannot_be)
{
	static const char *const urls[] = { "", "/a b", "/a\r\nX: y", "/a\n" };
	struct told t = { 0 };

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		t.calls = 0;
		httpc_request(client, "GET", urls[i], NULL, NULL, 0, 5000, on_answer, &t);
		WAIT(t.calls);
		cr_expect_eq(t.code, -E_INVALID);
		cr_expect_not(t.sent);
	}
	cr_expect_eq(n_accepted, 0);
}

static void on_answer_freeing(const struct httpc_answer *a, void *arg)
{
	on_answer(a, arg);
	httpc_free(client);
	client = NULL;
}

Test(httpc, freed_in_its_own_callback)
{
	struct told first = { 0 }, second = { 0 };

	STEPS({ .answer = OK });
	httpc_request(client, "GET", "/a", NULL, NULL, 0, 5000, on_answer_freeing, &first);
	httpc_request(client, "GET", "/b", NULL, NULL, 0, 5000, on_answer, &second);
	WAIT(first.calls);
	cr_expect_eq(first.status, 200);
	cr_expect_eq(second.calls, 1);
	cr_expect_eq(second.code, -ECANCELED);
	run_for(20);
	httpc_free(NULL);
}

/* ------------------------------------------- with our own server, over TLS -- */

static struct http_request *request;

static void on_request(struct http_request *r, void *arg)
{
	const struct buf *body = http_body(r);
	char text[512];

	if (strcmp(http_path(r), "/hold") == 0) {
		request = r;
		return;
	}
	snprintf(text, sizeof(text), "%s %s %s %s %s %zu", http_method(r), http_path(r),
		 http_header(r, "content-type") ?: "-", http_header(r, "x-more") ?: "-",
		 http_peer(r) ? http_peer(r)->node : "-", body->len);
	http_reply_header(r, "X-Test", "t");
	http_reply(r, 200, text, strlen(text));
}

static void on_accept_http(struct conn *c, void *arg)
{
	http_serve(c, on_request, NULL);
}

Test(httpc, over_tls)
{
	const struct testpki_node node = { .name = "a", .id = 1 };
	struct tls *tls = make_tls(pki, &node);
	static uint8_t body[HTTP_BODY_MAX];
	struct told t = { 0 };
	struct httpc *h;
	struct listener *l;
	struct err err;

	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, tls, 10, on_accept_http, NULL, &l, &err),
		     0);
	h = httpc_new_tls(&loop, tls, ALPN_HTTP, "127.0.0.1", listener_port(l));
	httpc_request(h, "POST", "/a", "X-More: m\r\n", body, sizeof(body), 5000, on_answer, &t);
	WAIT(t.calls == 1);
	cr_expect_str_eq(t.body, "POST /a application/json m a 4194304", "%s", t.text);
	cr_expect_str_eq(t.header, "t");
	httpc_request(h, "GET", "/b", NULL, NULL, 0, 5000, on_answer, &t);
	WAIT(t.calls == 2);
	cr_expect_str_eq(t.body, "GET /b - - a 0", "%s", t.text);
	httpc_request(h, "GET", "/hold", NULL, NULL, 0, 100, on_answer, &t);
	WAIT(t.calls == 3);
	cr_expect_eq(t.code, -ETIMEDOUT);
	run_for(20);
	http_reply(request, 200, "late", 4);
	httpc_free(h);
	listener_free(l);
	run_for(50);
	tls_free(tls);
}
