// SPDX-License-Identifier: GPL-2.0-or-later
/* test_http_stream.c - answers without an end: their bytes, their limit, and both ends of them. */
#include <errno.h>
#include <openssl/crypto.h>

#include "net/http_stream.h"
#include "unit/net/net_test.h"

static int fd = -1; /* the client's end */
static struct buf got;
static struct http_request *held[4];
static int n_held, n_room, n_gone;

static void finish(void)
{
	if (fd >= 0)
		close(fd);
	uv_run(&loop, UV_RUN_DEFAULT);
	buf_release(&got);
	teardown();
}

TestSuite(http_stream, .init = setup, .fini = finish);

static void on_request(struct http_request *r, void *arg)
{
	held[n_held++] = r;
}

static void on_room(void *owner)
{
	n_room++;
}

static void on_gone(void *owner)
{
	n_gone++;
}

static const struct http_stream_ops ops = { .on_room = on_room, .on_gone = on_gone };
static struct end nobody;

/* turns of the loop until the server has nothing to do; what it sent is in got. False: closed. */
static bool turns(bool read)
{
	uint8_t bytes[65536];

	for (int i = 0; i < 50; i++) {
		ssize_t n = 0;

		uv_run(&loop, UV_RUN_NOWAIT);
		if (read)
			n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			cr_assert_eq(buf_append(&got, bytes, (size_t)n), 0);
		else if (read && n == 0)
			return false;
	}
	return true;
}

static void ask(const char *text)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fd = fds[0];
	buf_init(&got, 64u << 20);
	http_serve(conn_from_fd(&loop, fds[1], &end_ops, &nobody), on_request, NULL);
	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	turns(true);
}

#define GET_1_1 "GET /e HTTP/1.1\r\nHost: a\r\n\r\n"

Test(http_stream, chunks_and_an_end)
{
	struct http_stream *s;
	const char *body;

	ask(GET_1_1);
	cr_assert_eq(n_held, 1);
	s = http_stream_begin(held[0], "text/event-stream", &ops, held);
	cr_assert_not_null(s);
	cr_assert_eq(http_stream_write(s, "one\n", 4), 0);
	turns(true);
	cr_assert_eq(http_stream_write(s, "and seventeen....", 17), 0);
	turns(true);
	cr_expect_eq(http_stream_unsent(s), 0);
	http_stream_end(s, false);
	cr_expect(!turns(true), "the connection ends");
	cr_expect_eq(n_gone, 0, "the owner has ended it");
	cr_expect(strstr((char *)got.data, "HTTP/1.1 200 OK\r\n"));
	cr_expect(strstr((char *)got.data, "Content-Type: text/event-stream\r\n"));
	cr_expect(strstr((char *)got.data, "Transfer-Encoding: chunked\r\n"));
	body = strstr((char *)got.data, "\r\n\r\n") + 4;
	cr_expect_str_eq(body, "4\r\none\n\r\n11\r\nand seventeen....\r\n0\r\n\r\n");
}

Test(http_stream, bytes_alone_for_an_old_client)
{
	struct http_stream *s;

	ask("GET /e HTTP/1.0\r\n\r\n");
	s = http_stream_begin(held[0], "text/event-stream", &ops, held);
	cr_assert_eq(http_stream_write(s, "one\n", 4), 0);
	http_stream_end(s, false);
	turns(true);
	cr_expect_null(strstr((char *)got.data, "chunked"));
	cr_expect_str_eq(strstr((char *)got.data, "\r\n\r\n") + 4, "one\n");
}

Test(http_stream, a_client_that_reads_nothing)
{
	static char block[4096];
	struct http_stream *s;
	uint64_t taken;
	int rv = 0, n;

	ask(GET_1_1);
	s = http_stream_begin(held[0], "text/event-stream", &ops, held);
	for (n = 0; n < 1000 && rv == 0; n++) {
		rv = http_stream_write(s, block, sizeof(block));
		turns(false);
	}
	cr_assert_eq(rv, -ENOBUFS, "after %d blocks", n);
	cr_expect_leq(http_stream_unsent(s), HTTP_STREAM_UNSENT_MAX);
	cr_expect_gt(http_stream_unsent(s), HTTP_STREAM_UNSENT_MAX - 2 * sizeof(block));
	/* it reads after all: there is room again */
	taken = http_stream_taken(s);
	while (got.len < HTTP_STREAM_UNSENT_MAX)
		turns(true);
	cr_expect_gt(n_room, 0);
	cr_expect_gt(http_stream_taken(s), taken);
	cr_expect_eq(http_stream_write(s, block, sizeof(block)), 0);
	http_stream_end(s, true);
	turns(true);
	cr_expect_eq(n_gone, 0);
}

Test(http_stream, the_client_goes)
{
	ask(GET_1_1);
	cr_assert_not_null(http_stream_begin(held[0], "text/event-stream", &ops, held));
	turns(true);
	close(fd);
	fd = -1;
	turns(false);
	cr_expect_eq(n_gone, 1);
}

Test(http_stream, the_client_is_gone_before)
{
	ask(GET_1_1);
	close(fd);
	fd = -1;
	turns(false);
	cr_expect_null(http_stream_begin(held[0], "text/event-stream", &ops, held));
	http_reply(held[0], 503, "", 0); /* into the void */
}

Test(http_stream, not_behind_another_request)
{
	ask(GET_1_1 GET_1_1);
	cr_assert_eq(n_held, 2);
	cr_expect_null(http_stream_begin(held[1], "text/event-stream", &ops, held));
	http_reply(held[1], 503, "no", 2);
	http_reply(held[0], 200, "yes", 3);
	turns(true);
	cr_expect(strstr((char *)got.data, "yes"));
	cr_expect(strstr((char *)got.data, "no"));
}

Test(http_stream, requests_behind_it_fall_on_the_floor)
{
	struct http_stream *s;

	ask(GET_1_1 GET_1_1 GET_1_1);
	cr_assert_eq(n_held, 3);
	s = http_stream_begin(held[0], "text/event-stream", &ops, held);
	cr_assert_not_null(s);
	http_reply(held[1], 200, "hidden", 6);
	cr_expect_eq(send(fd, GET_1_1, strlen(GET_1_1), 0), (ssize_t)strlen(GET_1_1));
	turns(true);
	http_reply(held[2], 200, "hidden", 6);
	cr_assert_eq(http_stream_write(s, "shown", 5), 0);
	http_stream_end(s, false);
	turns(true);
	cr_expect_eq(n_held, 3);
	cr_expect_null(strstr((char *)got.data, "hidden"));
	cr_expect(strstr((char *)got.data, "shown"));
}
