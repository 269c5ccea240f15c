// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_httpc.c - what a server may answer to the HTTP client. Two requests are
 * asked; the input is what comes back, in pieces as its first byte says, and
 * then the end of the stream. Each request is called back exactly once.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/httpc.h"

#define REQUESTS 2
#define TURNS_MAX 4000

static uv_loop_t loop;
static int listening = -1;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int told[REQUESTS];

static void on_answer(const struct httpc_answer *a, void *arg)
{
	int *calls = arg;

	++*calls;
	FUZZ_CHECK((a->error.code == 0) == (a->status != 0));
	if (a->error.code < 0) {
		FUZZ_CHECK(a->error.text[0]);
		return;
	}
	FUZZ_CHECK(a->status >= 100 && a->status <= 999 && a->sent);
	a->header(a, "content-type");
}

/* one turn of the client, which may open its connection anew; the server's end of it */
static int turn(int fd)
{
	char bytes[4096];
	int next;

	uv_run(&loop, UV_RUN_NOWAIT);
	next = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (next >= 0) {
		if (fd >= 0)
			close(fd);
		fd = next;
	}
	if (fd >= 0)
		while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
	return fd;
}

static void serve(struct input *in, size_t piece)
{
	int fd = -1;

	for (int i = 0; i < TURNS_MAX && in->left > 0; i++) {
		size_t len = in->left < piece ? in->left : piece;
		ssize_t n;

		fd = turn(fd);
		n = fd >= 0 ? send(fd, in->at, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
		if (n > 0) {
			in->at += n;
			in->left -= (size_t)n;
		}
		if (n < 0 && errno != EAGAIN)
			break;
	}
	fd = turn(turn(fd));
	if (fd >= 0)
		close(fd);
	turn(-1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	signal(SIGPIPE, SIG_IGN);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", fuzz_dir());
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(bind(listening, (struct sockaddr *)&address, sizeof(address)) == 0);
	FUZZ_CHECK(listen(listening, 8) == 0);
	return uv_loop_init(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct httpc *h = httpc_new_unix(&loop, address.sun_path);
	uint8_t how = input_u8(&in);
	int fd;

	FUZZ_CHECK(h);
	memset(told, 0, sizeof(told));
	httpc_request(h, how & 1 ? "HEAD" : "GET", "/v1/x", NULL, NULL, 0, 60000, on_answer,
		      &told[0]);
	httpc_request(h, "POST", "/v1/y?a=b", "X-A: b\r\n", "{}", 2, 60000, on_answer, &told[1]);
	serve(&in, (size_t)1 << (how >> 4));
	httpc_free(h);
	FUZZ_CHECK(told[0] == 1 && told[1] == 1);
	for (int i = 0; uv_run(&loop, UV_RUN_NOWAIT) && i < TURNS_MAX; i++)
		;
	FUZZ_CHECK(!uv_loop_alive(&loop));
	while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		close(fd);
	return 0;
}
