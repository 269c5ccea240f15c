// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ktls.c - hands the ends of TLS conns over to the kernel this runs on, and
 * lets them talk by plain read and write. For case_ktls.py: a static program
 * that says "ok" or what was wrong, and the numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/conn_priv.h"
#include "support/testpki.h"

#define DIR "/tmp/ktls"
#define MESSAGES 1000
#define MESSAGE_LEN 4096
#define EARLY 3 /* messages before the hand-over */

#define CHECK(condition)                                                               \
	do {                                                                           \
		if (!(condition)) {                                                    \
			printf("line %d: %s (%s)\n", __LINE__, #condition, last.text); \
			exit(1);                                                       \
		}                                                                      \
	} while (0)

/* one end: a conn, and then a descriptor */
struct end {
	struct conn *c;
	bool open;
	struct buf got;
	int fd;
};

static uv_loop_t loop;
static struct err last;
static struct end client, server;
static const char *cipher;

/* a message of its own for each number and direction */
static void make(uint8_t out[MESSAGE_LEN], uint32_t number, uint8_t way)
{
	uint32_t x = number * 2654435761u + way;

	for (size_t i = 0; i < MESSAGE_LEN; i++) {
		x = x * 1103515245u + 12345u;
		out[i] = (uint8_t)(x >> 16);
	}
}

static void on_open(struct conn *c, void *owner)
{
	((struct end *)owner)->open = true;
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	CHECK(buf_append(&((struct end *)owner)->got, data, len) == 0);
}

static void on_close(struct conn *c, const struct err *reason, void *owner)
{
	last = *reason;
	((struct end *)owner)->c = NULL;
	((struct end *)owner)->open = false;
}

static const struct conn_ops ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_close = on_close,
};

static void on_accept(struct conn *c, void *arg)
{
	server.c = c;
	server.open = true;
	conn_set_ops(c, &ops, &server);
	CHECK(conn_for_kernel(c) == 0);
}

/* both ends open, and some messages have been each way */
static void meet(struct tls *tls, struct listener *l)
{
	uint8_t message[MESSAGE_LEN];

	client = server = (struct end){ .fd = -1 };
	buf_init(&client.got, 1u << 20);
	buf_init(&server.got, 1u << 20);
	uv_update_time(&loop); /* it has stood still while the kernel talked */
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", listener_port(l), &ops,
				    &client);
	CHECK(client.c && conn_for_kernel(client.c) == 0);
	while (!client.open || !server.open)
		CHECK(uv_run(&loop, UV_RUN_ONCE) && client.c);
	cipher = SSL_get_cipher_name(client.c->ssl); /* a constant */
	for (uint32_t i = 0; i < EARLY; i++) {
		make(message, i, 'c');
		CHECK(conn_write(client.c, message, sizeof(message)) == 0);
	}
	CHECK(conn_write(server.c, message, 100) == 0);
	while (client.got.len < 100 || server.got.len < EARLY * MESSAGE_LEN)
		CHECK(uv_run(&loop, UV_RUN_ONCE) && client.c && server.c);
	CHECK(client.got.len == 100 && server.got.len == EARLY * MESSAGE_LEN);
}

static void hand_over(struct end *e)
{
	uint8_t *ahead;
	size_t len;

	CHECK(conn_to_kernel(e->c, &e->fd, &ahead, &len, &last) == 0);
	CHECK(len == 0 && !ahead);
	e->c = NULL;
	CHECK(fcntl(e->fd, F_SETFL, 0) == 0); /* blocking */
}

static void fd_send(int fd, uint32_t number, uint8_t way)
{
	uint8_t message[MESSAGE_LEN];

	make(message, number, way);
	CHECK(write(fd, message, sizeof(message)) == (ssize_t)sizeof(message));
}

static void fd_expect(int fd, uint32_t number, uint8_t way)
{
	uint8_t want[MESSAGE_LEN], have[MESSAGE_LEN];
	ssize_t n;

	make(want, number, way);
	for (size_t at = 0; at < sizeof(have); at += (size_t)n) {
		n = read(fd, have + at, sizeof(have) - at);
		if (n <= 0)
			err_set(&last, -EIO, "message %u: read: %zd %s", number, n,
				strerror(errno));
		CHECK(n > 0);
	}
	CHECK(memcmp(have, want, sizeof(want)) == 0);
}

/* the kernel at both ends */
static void talk(void)
{
	hand_over(&client);
	hand_over(&server);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		fd_send(client.fd, i, 'c');
		fd_send(server.fd, i, 's');
		fd_expect(server.fd, i, 'c');
		fd_expect(client.fd, i, 's');
	}
}

/* the kernel at one end, OpenSSL at the other */
static void talk_mixed(struct end *kernel, struct end *library)
{
	uint8_t message[MESSAGE_LEN];

	hand_over(kernel);
	buf_clear(&library->got);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		fd_send(kernel->fd, i, 'k');
		make(message, i, 'l');
		CHECK(conn_write(library->c, message, sizeof(message)) == 0);
		while (library->got.len < MESSAGE_LEN || conn_queued(library->c) > 0)
			CHECK(uv_run(&loop, UV_RUN_ONCE) && library->c);
		fd_expect(kernel->fd, i, 'l');
		make(message, i, 'k');
		CHECK(library->got.len == MESSAGE_LEN);
		CHECK(memcmp(library->got.data, message, MESSAGE_LEN) == 0);
		buf_clear(&library->got);
	}
}

static void part(const char *what)
{
	for (int i = 0; i < 2; i++) {
		struct end *e = i ? &client : &server;

		if (e->fd >= 0)
			close(e->fd);
		if (e->c)
			conn_abort(e->c);
		while (e->c)
			uv_run(&loop, UV_RUN_ONCE);
		buf_release(&e->got);
	}
	printf("ok %s: %s\n", cipher, what);
	fflush(stdout);
}

int main(void)
{
	static const struct testpki_node node = { .name = "a", .id = 1 };
	struct testpki *pki = testpki_new("12345678-1234-4234-8234-123456789012");
	struct listener *l;
	struct tls *tls;

	signal(SIGPIPE, SIG_IGN);
	alarm(300);
	mkdir(DIR, 0700);
	testpki_write(pki, DIR, &node);
	tls = tls_new(DIR "/ca.pem", DIR "/node.pem", DIR "/node.key", &last);
	CHECK(tls && uv_loop_init(&loop) == 0);
	CHECK(listener_tcp(&loop, "127.0.0.1", 0, tls, 10, on_accept, NULL, &l, &last) == 0);
	listener_for_kernel(l, ALPN_DATA);
	meet(tls, l);
	talk();
	part("kernel, kernel");
	meet(tls, l);
	talk_mixed(&client, &server);
	part("kernel, library");
	meet(tls, l);
	talk_mixed(&server, &client);
	part("library, kernel");
	return 0;
}
