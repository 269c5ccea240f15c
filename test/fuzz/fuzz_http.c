// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_http.c - bytes of a client for the HTTP server, through a socket pair.
 * The first byte says in which pieces they come and whether answers are given
 * late. Whatever comes, whole requests come out, each answered once, and in
 * the end nothing is left on the loop.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "net/http.h"

#define TURNS_MAX 4000
#define HELD_MAX 32

static uv_loop_t loop;
static struct http_request *held[HELD_MAX];
static int n_held;
static bool late; /* answers come after the next piece of input */

static void answer(struct http_request *r)
{
	char value[64] = "", path[512];

	FUZZ_CHECK(http_method(r)[0] && http_path(r) && http_query(r) && http_is_unix(r));
	http_query_value(http_query(r), "a", 0, value, sizeof(value));
	http_unescape(http_path(r), strlen(http_path(r)), path, sizeof(path));
	if (http_header(r, "host"))
		http_reply_header(r, "X-Host", http_header(r, "host"));
	http_reply_header(r, "Content-Type", value);
	http_reply(r, 200, http_body(r)->data, http_body(r)->len);
}

static void answer_held(void)
{
	int n = n_held;

	n_held = 0;
	for (int i = 0; i < n; i++)
		answer(held[i]);
}

static void on_request(struct http_request *r, void *arg)
{
	FUZZ_CHECK(http_body(r)->len <= HTTP_BODY_MAX);
	if (late && n_held < HELD_MAX)
		held[n_held++] = r;
	else
		answer(r);
}

/* what the other side sent is thrown away; false: it has closed */
static bool turn(int fd)
{
	char bytes[65536];
	ssize_t n;

	uv_run(&loop, UV_RUN_NOWAIT);
	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	return n < 0 && errno == EAGAIN;
}

static void say(int fd, struct input *in, size_t piece)
{
	for (int i = 0; in->left > 0 && i < TURNS_MAX; i++) {
		size_t len = in->left < piece ? in->left : piece;
		ssize_t n = send(fd, in->at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			in->at += n;
			in->left -= (size_t)n;
		}
		if (!turn(fd))
			return;
		answer_held();
	}
}

static void server(struct input *in, size_t piece)
{
	static const struct conn_ops none = { 0 };
	struct conn *c;
	int fds[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	c = conn_from_fd(&loop, fds[1], &none, NULL);
	FUZZ_CHECK(c);
	http_serve(c, on_request, NULL);
	say(fds[0], in, piece);
	shutdown(fds[0], SHUT_WR);
	for (int i = 0; i < 20 && turn(fds[0]); i++)
		answer_held();
	close(fds[0]);
	for (int i = 0; uv_run(&loop, UV_RUN_NOWAIT) && i < TURNS_MAX; i++)
		answer_held();
	answer_held();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	signal(SIGPIPE, SIG_IGN);
	return uv_loop_init(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	uint8_t how = input_u8(&in);

	late = how & 1;
	n_held = 0;
	server(&in, (size_t)1 << (how >> 4));
	FUZZ_CHECK(!uv_loop_alive(&loop) && n_held == 0);
	return 0;
}
