// SPDX-License-Identifier: GPL-2.0-or-later
/* test_http.c - requests in one piece and byte by byte, every limit, order of answers. */
#include <errno.h>
#include <openssl/crypto.h>

#include "base/buf.h"
#include "net/http.h"
#include "unit/net/net_test.h"

#define PENDING_MAX 64
#define IDLE_MS 300
#define REQUEST_MS 200
#define STRANGER_MAX 100

static int fd = -1; /* the client's end */
static struct buf got;
static int handled;
static bool hold; /* keep requests for later */
static struct http_request *held[PENDING_MAX];
static int n_held;
static size_t answer_size;
static int idle_ms = IDLE_MS;

static void finish(void)
{
	if (fd >= 0)
		close(fd);
	uv_run(&loop, UV_RUN_DEFAULT);
	buf_release(&got);
	teardown();
}

TestSuite(http, .init = setup, .fini = finish);

static void answer(struct http_request *r)
{
	static const char *const shown[] = { "X-Test", "Host" };
	struct buf text;

	buf_init(&text, 16u << 20);
	buf_printf(&text, "%s %s?%s body=%zu", http_method(r), http_path(r), http_query(r),
		   http_body(r)->len);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (http_header(r, shown[i]))
			buf_printf(&text, " %s=%s", shown[i], http_header(r, shown[i]));
	}
	while (text.len < answer_size)
		buf_append(&text, "................", 16);
	http_reply_header(r, "X-Answer", "yes");
	http_reply_header(r, "X-Evil", "a\r\nSet-Cookie: b");
	if (strncmp(http_path(r), "/take", 5) == 0) {
		http_reply_take(r, 200, &text);
		cr_expect_eq(text.len, 0, "its memory is not ours any more");
	} else {
		http_reply(r, 200, text.data, text.len);
	}
	buf_release(&text);
}

static void on_request(struct http_request *r, void *arg)
{
	handled++;
	cr_expect(http_is_unix(r));
	cr_expect_null(http_peer(r));
	if (hold && n_held < PENDING_MAX)
		held[n_held++] = r;
	else
		answer(r);
}

static struct end nobody;

static size_t stranger(const struct http_request *r, void *arg)
{
	return http_header(r, "X-Stranger") ? STRANGER_MAX : HTTP_BODY_MAX;
}

static void serve(void)
{
	const struct http_options options = {
		.idle_ms = idle_ms,
		.head_ms = REQUEST_MS,
		.body_ms = REQUEST_MS,
		.body_max = stranger,
	};
	struct conn *c;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	if (fd >= 0)
		close(fd);
	fd = fds[0];
	uv_update_time(&loop); /* its times begin now, not when it was last run */
	c = conn_from_fd(&loop, fds[1], &end_ops, &nobody);
	http_serve_with(c, on_request, NULL, &options);
	buf_release(&got);
	buf_init(&got, 64u << 20);
	handled = 0;
}

/* one turn for the server; takes what it sent. False when it has closed. */
static bool turn(void)
{
	uint8_t bytes[65536];
	ssize_t n;

	uv_run(&loop, UV_RUN_NOWAIT);
	n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0)
		cr_assert_eq(buf_append(&got, bytes, (size_t)n), 0);
	else if (n == 0)
		return false;
	if (n < 0)
		usleep(200);
	return true;
}

static void say(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return; /* it has closed */
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		turn();
	}
}

static int count(const char *what)
{
	int n = 0;

	for (const char *p = got.data ? (char *)got.data : ""; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void wait_for(const char *what, int times)
{
	for (int i = 0; i < 20000 && count(what) < times; i++)
		turn();
	cr_assert_eq(count(what), times, "want %d '%s' in:\n%.2000s", times, what,
		     got.data ? (char *)got.data : "");
}

/* the answer is text, and then the conn ends */
static void expect_refusal(const char *name, int status, const char *text)
{
	char line[64];

	for (int i = 0; i < 20000 && turn(); i++)
		;
	snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
	cr_expect_eq(count(line), 1, "row '%s': %s", name, got.data ? (char *)got.data : "");
	cr_expect_eq(count(status == 400 ? "[{\"ret_code\":-3458764513820540931,\"message\":\""
					 : "[{\"ret_code\":-4611686018427386906,\"message\":\""),
		     1, "row '%s'", name);
	cr_expect_eq(count(text), 1, "row '%s': %s", name, got.data ? (char *)got.data : "");
	cr_expect_eq(count("Connection: close\r\n"), 1, "row '%s'", name);
	cr_expect_eq(handled, 0, "row '%s'", name);
}

#define GET "GET /a/b%20c?x=1&y=2 HTTP/1.1\r\nHost: h\r\nx-TEST:  v w \r\n\r\n"
#define POST "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED                                                                          \
	"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" \
	"6;x=y\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n"

Test(http, one_request)
{
	serve();
	say(GET, strlen(GET));
	wait_for("GET /a/b%20c?x=1&y=2 body=0 X-Test=v w Host=h", 1);
	cr_expect_eq(count("HTTP/1.1 200 OK\r\n"), 1);
	cr_expect_eq(count("Content-Type: application/json\r\n"), 1);
	cr_expect_eq(count("Content-Length: 45\r\n"), 1);
	cr_expect_eq(count("X-Answer: yes\r\n"), 1);
	cr_expect_eq(count("Set-Cookie"), 0);
	cr_expect_eq(count("Connection:"), 0);
	say(GET, strlen(GET));
	wait_for("200 OK", 2);
}

/* whatever the pieces in which they come */
Test(http, split_at_every_byte)
{
	static const char all[] = GET POST CHUNKED GET;
	size_t len = sizeof(all) - 1;

	for (size_t at = 0; at <= len; at++) {
		serve();
		say(all, at);
		turn();
		turn();
		say(all + at, len - at);
		wait_for("200 OK", 4);
		cr_assert_eq(count("POST /p? body=5"), 1);
		cr_assert_eq(count("PUT /c? body=11"), 1);
		cr_assert_eq(handled, 4);
	}
	serve();
	for (size_t at = 0; at < len; at++)
		say(all + at, 1);
	wait_for("200 OK", 4);
}

Test(http, refused)
{
	static const struct {
		const char *name, *request;
		int status;
		const char *text;
	} rows[] = {
		{ "no HTTP", "hello\r\n\r\n", 400, "" },
		{ "TLS", "\x16\x03\x01\x02\x00\x01\x00", 400, "" },
		{ "version", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "only HTTP/1.0" },
		{ "no host", "GET / HTTP/1.1\r\n\r\n", 400, "one Host" },
		{ "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "one Host" },
		{ "blank before colon", "GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n", 400, "" },
		{ "hidden coding",
		  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n", 400, "" },
		{ "length and coding",
		  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n",
		  400, "" },
		{ "coding and length",
		  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: "
		  "5\r\n\r\n",
		  400, "" },
		{ "two lengths",
		  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		  400, "" },
		{ "twice the same length",
		  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
		  400, "" },
		{ "length list", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n", 400,
		  "" },
		{ "negative length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
		  400, "" },
		{ "endless length",
		  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 400,
		  "" },
		{ "other coding",
		  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400,
		  "chunked" },
		{ "coding of 1.0",
		  "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "" },
		{ "chunk size",
		  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400,
		  "" },
		{ "folded header", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\x01\r\n\r\n", 400,
		  "" },
		{ "connect", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400, "" },
		{ "blank in target", "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n", 400, "" },
		{ "high byte in target", "GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400, "" },
		{ "absolute target", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "" },
		{ "expectation", "POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", 417,
		  "100-continue" },
		{ "announced too large",
		  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4194305\r\n\r\n", 413, "4194304" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		serve();
		say(rows[i].request, strlen(rows[i].request));
		expect_refusal(rows[i].name, rows[i].status,
			       rows[i].text[0] ? rows[i].text : "ret_code");
	}
}

/* a request with a URL and headers of exactly these sizes */
static void sized_request(size_t url_len, size_t header_bytes, int header_count)
{
	static char text[200000];
	size_t n = 0, used = strlen("Host") + 1 + 1 + 1; /* name, 0, value "h", 0 */

	n += (size_t)snprintf(text + n, sizeof(text) - n, "GET /");
	memset(text + n, 'u', url_len - 1);
	n += url_len - 1;
	n += (size_t)snprintf(text + n, sizeof(text) - n, " HTTP/1.1\r\nHost: h\r\n");
	for (int i = 1; i < header_count; i++) {
		size_t value = 1;

		/* the last one fills up; it has no closing 0 */
		if (i == header_count - 1 && header_bytes > used + 5)
			value = header_bytes - used - 4;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "X%02d: ", i);
		memset(text + n, 'v', value);
		n += value;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
		used += 3 + 1 + value + 1;
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
	say(text, n);
}

Test(http, limits_of_the_head)
{
	serve();
	sized_request(HTTP_URL_MAX, 0, 2);
	wait_for("200 OK", 1);
	serve();
	sized_request(HTTP_URL_MAX + 1, 0, 2);
	expect_refusal("url", 414, "8192");
	serve();
	sized_request(1, 0, HTTP_HEADER_COUNT_MAX);
	wait_for("200 OK", 1);
	serve();
	sized_request(1, 0, HTTP_HEADER_COUNT_MAX + 1);
	expect_refusal("count", 431, "64 lines");
	serve();
	sized_request(1, HTTP_HEADERS_MAX, 2);
	wait_for("200 OK", 1);
	serve();
	sized_request(1, HTTP_HEADERS_MAX + 1, 2);
	expect_refusal("bytes", 431, "16384");
	serve();
	sized_request(1, 100000, 2);
	expect_refusal("far too many bytes", 431, "ret_code");
}

Test(http, limits_of_the_body)
{
	static char body[HTTP_BODY_MAX];
	char head[128];

	serve();
	snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n",
		 HTTP_BODY_MAX);
	say(head, strlen(head));
	say(body, sizeof(body));
	wait_for("body=4194304", 1);
	snprintf(head, sizeof(head),
		 "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
		 HTTP_BODY_MAX);
	say(head, strlen(head));
	say(body, sizeof(body));
	say("\r\n0\r\n\r\n", 7);
	wait_for("body=4194304", 2);
	serve();
	say(head, strlen(head));
	say(body, sizeof(body));
	say("\r\n1\r\nx\r\n0\r\n\r\n", 13);
	expect_refusal("chunked", 413, "4194304");
}

Test(http, expect_continue)
{
	static const char head[] =
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";

	serve();
	say(head, strlen(head));
	wait_for("HTTP/1.1 100 Continue\r\n\r\n", 1);
	cr_expect_eq(handled, 0);
	say("ab", 2);
	wait_for("200 OK", 1);
	/* one that does not wait needs no go-ahead */
	serve();
	hold = true;
	say(GET, strlen(GET));
	say(head, strlen(head));
	for (int i = 0; i < 20; i++)
		turn();
	cr_expect_eq(count("100 Continue"), 0, "before the answer of the request ahead");
	answer(held[0]);
	wait_for("100 Continue", 1);
	cr_expect_lt(strstr((char *)got.data, "200 OK"), strstr((char *)got.data, "100 Continue"));
	hold = false;
	say("ab", 2);
	wait_for("200 OK", 2);
}

Test(http, head_and_old_clients)
{
	static const char head[] = "HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char old[] = "GET /old HTTP/1.0\r\n\r\n";
	static const char old_kept[] = "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
	static const char last[] = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" GET;
	static const char upgrade[] = "GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
				      "Upgrade: h2c\r\n\r\n" GET;

	serve();
	say(head, strlen(head));
	wait_for("Content-Length: 22\r\n", 1);
	cr_expect_eq(count("HEAD /h"), 0, "an answer to HEAD has no body");
	serve();
	say(old, strlen(old));
	while (turn())
		;
	cr_expect_eq(count("GET /old"), 1);
	cr_expect_eq(count("Connection: close"), 1);
	serve();
	say(old_kept, strlen(old_kept));
	wait_for("Connection: keep-alive", 1);
	say(old_kept, strlen(old_kept));
	wait_for("Connection: keep-alive", 2);
	serve();
	say(last, strlen(last));
	while (turn())
		;
	cr_expect_eq(count("200 OK"), 1, "what follows the last request is not handled");
	cr_expect_eq(handled, 1);
	serve();
	say(upgrade, strlen(upgrade));
	wait_for("200 OK", 2);
}

/* answers leave in the order of the requests, whatever the order they are given in */
Test(http, pipelining)
{
	char text[128];

	hold = true;
	serve();
	for (int i = 0; i < HTTP_PIPELINE_MAX + 5; i++) {
		snprintf(text, sizeof(text), "GET /%02d HTTP/1.1\r\nHost: h\r\n\r\n", i);
		say(text, strlen(text));
	}
	for (int i = 0; i < 50; i++)
		turn();
	cr_expect_eq(handled, HTTP_PIPELINE_MAX, "%d at once", handled);
	for (int i = HTTP_PIPELINE_MAX - 1; i > 0; i--)
		answer(held[i]);
	for (int i = 0; i < 50; i++)
		turn();
	cr_expect_eq(got.len, 0);
	hold = false;
	answer(held[0]);
	wait_for("200 OK", HTTP_PIPELINE_MAX + 5);
	for (int i = 1; i < HTTP_PIPELINE_MAX + 5; i++) {
		char one[32], two[32];

		snprintf(one, sizeof(one), "GET /%02d?", i - 1);
		snprintf(two, sizeof(two), "GET /%02d?", i);
		cr_expect_lt(strstr((char *)got.data, one), strstr((char *)got.data, two));
	}
}

/* what changes something is neither overtaken nor overtakes */
Test(http, changes_wait_their_turn)
{
	static const char text[] = GET POST GET GET;

	hold = true;
	serve();
	say(text, strlen(text));
	for (int i = 0; i < 50; i++)
		turn();
	cr_expect_eq(handled, 1);
	answer(held[0]);
	cr_expect_eq(handled, 1, "handled inside of http_reply");
	for (int i = 0; i < 50; i++)
		turn();
	cr_expect_eq(handled, 2);
	answer(held[1]);
	for (int i = 0; i < 50; i++)
		turn();
	cr_expect_eq(handled, 4);
	answer(held[3]);
	answer(held[2]);
	wait_for("200 OK", 4);
}

Test(http, the_client_vanishes)
{
	hold = true;
	serve();
	say(GET GET POST, strlen(GET GET POST));
	for (int i = 0; i < 50; i++)
		turn();
	cr_expect_eq(n_held, 2);
	close(fd);
	fd = -1;
	run_for(50);
	cr_expect_str_eq(http_path(held[0]), "/a/b%20c");
	answer(held[1]);
	answer(held[0]);
	run_for(20);
	cr_expect_eq(n_held, 2);
}

/* of somebody unknown less is taken; the next one on the same conn may be somebody else */
Test(http, body_of_a_stranger)
{
	static char body[STRANGER_MAX + 1];
	char head[128];

	serve();
	snprintf(head, sizeof(head),
		 "POST / HTTP/1.1\r\nHost: h\r\nX-Stranger: 1\r\nContent-Length: %d\r\n\r\n",
		 STRANGER_MAX);
	say(head, strlen(head));
	say(body, STRANGER_MAX);
	wait_for("body=100", 1);
	say(POST, strlen(POST));
	wait_for("200 OK", 2);
	serve();
	snprintf(head, sizeof(head),
		 "POST / HTTP/1.1\r\nHost: h\r\nX-Stranger: 1\r\nContent-Length: %d\r\n\r\n",
		 STRANGER_MAX + 1);
	say(head, strlen(head));
	expect_refusal("announced", 413, "from somebody unknown");
	serve();
	snprintf(head, sizeof(head),
		 "POST / HTTP/1.1\r\nHost: h\r\nX-Stranger: 1\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n%x\r\n",
		 STRANGER_MAX + 1);
	say(head, strlen(head));
	say(body, sizeof(body));
	expect_refusal("chunked", 413, "from somebody unknown");
}

/* bodies that wait for their turn are counted: the rest is not read before there is room */
Test(http, bodies_that_wait)
{
	static char body[HTTP_HELD_MAX / 4];
	char head[128];
	size_t sent = 0;

	hold = true;
	serve();
	snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
		 sizeof(body));
	for (int i = 0; i < 12; i++) {
		const char *part[] = { head, body };
		size_t len[] = { strlen(head), sizeof(body) };

		for (int p = 0; p < 2; p++) {
			for (int turns = 0; len[p] > 0 && turns < 200; turns++) {
				ssize_t n = send(fd, part[p], len[p], MSG_DONTWAIT);

				sent += n > 0 ? (size_t)n : 0;
				part[p] += n > 0 ? n : 0;
				len[p] -= n > 0 ? (size_t)n : 0;
				turn();
			}
			if (len[p] > 0)
				i = 12;
		}
	}
	cr_expect_lt(sent, 3u * HTTP_HELD_MAX, "%zu bytes were taken", sent);
	cr_expect_geq(sent, HTTP_HELD_MAX);
	cr_assert_eq(n_held, 1); /* changes are handled one after the other */
	answer(held[0]);
}

/* empty lines between requests are allowed, but they are no request */
Test(http, trickle_of_empty_lines)
{
	uint64_t start = clock_boot_ns();

	serve();
	while (clock_boot_ns() < start + (uint64_t)IDLE_MS * 5 * 1000000) {
		if (send(fd, "\r\n", 2, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 || !turn())
			break;
		run_for(20);
	}
	cr_expect_lt((clock_boot_ns() - start) / 1000000, IDLE_MS * 4);
}

/* The answer is longer than what sockets hold, and the client asked for the end after it. */
Test(http, long_answer_before_the_end)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
	static uint8_t bytes[HTTP_READ_LEAST + 1024];
	size_t total = 0;
	bool ended = false;

	answer_size = 4u << 20;
	serve();
	say(ask, strlen(ask));
	/* slowly, for longer than the idle time, but always enough of it */
	while (total < answer_size && !ended) {
		uint64_t start = clock_boot_ns();
		size_t part = 0;

		while (part < sizeof(bytes) && !ended) {
			ssize_t n = recv(fd, bytes, sizeof(bytes) - part, MSG_DONTWAIT);

			ended = n == 0;
			part += n > 0 ? (size_t)n : 0;
			uv_run(&loop, UV_RUN_NOWAIT);
		}
		total += part;
		while (total < answer_size / 2 &&
		       clock_boot_ns() < start + (uint64_t)IDLE_MS / 10 * 1000000)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect_geq(total + got.len, answer_size, "%zu bytes came", total);
}

/* the answer to method path, and nothing else */
static void fetch(const char *method, const char *path, struct buf *ret)
{
	char ask[128];

	serve();
	snprintf(ask, sizeof(ask), "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", method,
		 path);
	say(ask, strlen(ask));
	for (int i = 0; i < 100000 && turn(); i++)
		;
	*ret = got;
	buf_init(&got, got.max);
}

/* It makes no difference to who asks. */
Test(http, an_answer_whose_memory_is_taken)
{
	static const size_t sizes[] = { 0, 1000, 4u << 20 };
	struct buf copied, taken;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		answer_size = sizes[i];
		fetch("GET", "/copy", &copied);
		fetch("GET", "/take", &taken);
		cr_assert_eq(copied.len, taken.len, "%zu, %zu", copied.len, taken.len);
		cr_expect_gt(taken.len, sizes[i]);
		memcpy(strstr((char *)copied.data, "/copy"), "/take", 5);
		cr_expect_eq(memcmp(copied.data, taken.data, taken.len), 0, "%zu", sizes[i]);
		buf_release(&copied);
		buf_release(&taken);
		fetch("HEAD", "/take", &taken);
		cr_expect_lt(taken.len, 300, "%zu", taken.len);
		buf_release(&taken);
	}
}

/* one byte now and then is not reading */
Test(http, answer_read_too_slowly)
{
	static uint8_t bytes[65536];
	uint64_t start;
	size_t total = 0;

	answer_size = 4u << 20;
	serve();
	say(GET, strlen(GET));
	start = clock_boot_ns();
	while (clock_boot_ns() < start + (uint64_t)IDLE_MS * 4 * 1000000) {
		ssize_t n = recv(fd, bytes, 1, MSG_DONTWAIT);

		total += n > 0 ? (size_t)n : 0;
		run_for(10);
	}
	for (ssize_t n = 1; n > 0; total += n > 0 ? (size_t)n : 0)
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	cr_expect_lt(total, answer_size);
}

Test(http, slow_request)
{
	static const char body_start[] = "POST / HTTP/1.1\r\nHost: h\r\n"
					 "Content-Length: 9\r\n\r\nab";
	static const char *const starts[] = { "G", "GET / HTTP/1.1\r\nHo", body_start };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		uint64_t start = clock_boot_ns();
		int took;

		serve();
		say(starts[i], strlen(starts[i]));
		/* a trickle does not help */
		for (int n = 0; n < 3 && i == 1; n++) {
			run_for(40);
			say("o", 1);
		}
		expect_refusal(starts[i], 408, "in time");
		took = (int)((clock_boot_ns() - start) / 1000000);
		cr_expect_geq(took, REQUEST_MS - 20);
		cr_expect_lt(took, REQUEST_MS + 1000);
	}
}

Test(http, idle_and_slow_handlers)
{
	uint64_t start;

	serve();
	start = clock_boot_ns();
	while (turn())
		;
	cr_expect_geq((clock_boot_ns() - start) / 1000000, IDLE_MS - 20);
	cr_expect_eq(got.len, 0);
	/* a handler may take longer than either time */
	hold = true;
	serve();
	say(POST, strlen(POST));
	start = clock_boot_ns();
	while (clock_boot_ns() < start + (uint64_t)(IDLE_MS + REQUEST_MS) * 1000000)
		cr_assert(turn());
	answer(held[0]);
	wait_for("200 OK", 1);
}

/* who asks for much and reads nothing must not fill the memory */
Test(http, answers_nobody_reads)
{
	static uint8_t bytes[1u << 20];
	size_t total = 0;

	answer_size = 1u << 20;
	idle_ms = 60000; /* here it is slow only since the machine is */
	serve();
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(send(fd, GET, strlen(GET), MSG_DONTWAIT), (ssize_t)strlen(GET));
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	for (int i = 0; i < 100; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_lt(handled, 8, "%d answers wait", handled);
	for (int i = 0; i < 20000 && total < 20 * answer_size; i++) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		total += n > 0 ? (size_t)n : 0;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect_eq(handled, 20);
	cr_expect_geq(total, 20 * answer_size);
}

Test(http, url_tables)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} rows[] = {
		{ "", "" },       { "abc", "abc" },         { "a%20b", "a b" }, { "%2F%2f", "//" },
		{ "a+b", "a+b" }, { "%C3%A4", "\xc3\xa4" }, { "%", NULL },      { "%2", NULL },
		{ "%g0", NULL },  { "%0g", NULL },          { "a%00b", NULL },  { "%25", "%" },
	};
	char out[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rv = http_unescape(rows[i].in, strlen(rows[i].in), out, sizeof(out));

		cr_expect_eq(rv, rows[i].out ? 0 : -E_INVALID, "row '%s'", rows[i].in);
		if (rv == 0)
			cr_expect_str_eq(out, rows[i].out);
	}
	cr_expect_eq(http_unescape("0123456789abcde", 15, out, sizeof(out)), 0);
	cr_expect_eq(http_unescape("0123456789abcdef", 16, out, sizeof(out)), -ENAMETOOLONG);
	cr_expect_eq(http_escape("a b/\xc3\xa4~~", out, sizeof(out)), -ENAMETOOLONG);
	cr_expect_eq(http_escape("a b/\xc3~", out, sizeof(out)), 0);
	cr_expect_str_eq(out, "a%20b%2F%C3~");
}

Test(http, query_tables)
{
	static const struct {
		const char *query, *key;
		int nth, rv;
		const char *value;
	} rows[] = {
		{ "a=1&b=2&a=3", "a", 0, 0, "1" },
		{ "a=1&b=2&a=3", "a", 1, 0, "3" },
		{ "a=1&b=2&a=3", "a", 2, -ENOENT, "" },
		{ "a=1&b=2&a=3", "b", 0, 0, "2" },
		{ "ab=1", "a", 0, -ENOENT, "" },
		{ "a", "a", 0, 0, "" },
		{ "a=", "a", 0, 0, "" },
		{ "&&a=x=y&", "a", 0, 0, "x=y" },
		{ "a=b+c%2B", "a", 0, 0, "b c+" },
		{ "%61=1", "a", 0, 0, "1" },
		{ "a=%", "a", 0, -E_INVALID, "" },
		{ "%zz=1&a=2", "a", 0, 0, "2" },
		{ "a=0123456789abcdef", "a", 0, -ENAMETOOLONG, "" },
		{ "", "a", 0, -ENOENT, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[16] = "";
		int rv =
			http_query_value(rows[i].query, rows[i].key, rows[i].nth, out, sizeof(out));

		cr_expect_eq(rv, rows[i].rv, "row '%s'", rows[i].query);
		if (rv == 0)
			cr_expect_str_eq(out, rows[i].value, "row '%s'", rows[i].query);
	}
}
