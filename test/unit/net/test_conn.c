// SPDX-License-Identifier: GPL-2.0-or-later
/* test_conn.c - bytes both ways, ends, pauses, queues and moves of one conn. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "unit/net/net_test.h"

#define BIG (6u << 20)

static const struct testpki_node node = { .name = "a", .id = 1 };
static struct tls *tls;
static struct end client, server;
static struct listener *listener;
static uint8_t *data; /* BIG random bytes */

static void begin(void)
{
	setup();
	tls = make_tls(pki, &node);
	end_init(&client);
	end_init(&server);
	data = malloc(BIG);
	rand_bytes(data, BIG);
}

static void finish(void)
{
	listener_free(listener);
	uv_run(&loop, UV_RUN_DEFAULT);
	tls_free(tls);
	buf_release(&client.got);
	buf_release(&server.got);
	free(data);
	teardown();
}

TestSuite(conn, .init = begin, .fini = finish);

static void on_accept(struct conn *c, void *arg)
{
	server.c = c;
	server.opened++;
	conn_set_ops(c, &end_ops, &server);
}

static void listen_tls(void)
{
	struct err err = { 0 };

	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, tls, 10, on_accept, NULL, &listener, &err),
		     0, "%s", err.text);
}

static void connect_tls(void)
{
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", listener_port(listener),
				    &end_ops, &client);
	cr_assert_not_null(client.c);
}

static void meet(void)
{
	listen_tls();
	connect_tls();
	WAIT(client.opened && server.opened);
}

static void meet_plain(void)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	client.c = conn_from_fd(&loop, fds[0], &end_ops, &client);
	server.c = conn_from_fd(&loop, fds[1], &end_ops, &server);
	cr_assert(client.c && server.c);
	cr_assert_eq(client.opened, 0, "called back from within");
	WAIT(client.opened == 1 && server.opened == 1);
}

static void expect_got(const struct end *e, size_t len)
{
	cr_assert_eq(e->got.len, len);
	cr_assert_eq(memcmp(e->got.data, data, len), 0);
}

/* ---------------------------------------------------------------- bytes -- */

static void send_in_pieces(struct conn *c)
{
	for (size_t at = 0, n = 1; at < BIG; at += n, n = n * 3 % 100003 + 1) {
		if (n > BIG - at)
			n = BIG - at;
		cr_assert_eq(conn_write(c, data + at, n), 0);
	}
}

static void exchange(void)
{
	send_in_pieces(client.c);
	cr_assert_eq(conn_write(server.c, data, BIG), 0);
	cr_expect_eq(server.got.len, 0);
	WAIT(server.got.len >= BIG && client.got.len >= BIG);
	expect_got(&server, BIG);
	expect_got(&client, BIG);
	cr_expect_eq(client.drained + server.drained > 0, true);
	cr_expect_eq(conn_queued(client.c), 0);
	conn_close(client.c);
	conn_close(client.c);
	cr_expect_eq(conn_write(client.c, "x", 1), -ENOTCONN);
	cr_expect_eq(client.closed, 0, "called back from within");
	WAIT(client.closed && server.closed);
	cr_expect_eq(client.reason.code, 0, "%s", client.reason.text);
	cr_expect_eq(server.reason.code, 0, "%s", server.reason.text);
}

Test(conn, tls_both_ways)
{
	meet();
	cr_expect_eq(strncmp(conn_name(server.c), "127.0.0.1:", 10), 0);
	exchange();
}

Test(conn, plain_both_ways)
{
	meet_plain();
	cr_expect_str_eq(conn_name(server.c), "unix");
	cr_expect_null(conn_peer(server.c));
	cr_expect_str_eq(conn_alpn(server.c), "");
	exchange();
}

Test(conn, what_is_queued_is_sent_before_the_end)
{
	meet();
	conn_write(client.c, data, BIG);
	conn_close(client.c);
	WAIT(client.closed && server.closed);
	expect_got(&server, BIG);
	cr_expect_eq(server.reason.code, 0, "%s", server.reason.text);
}

/* an answer must survive that the other end is still sending */
Test(conn, the_end_does_not_overtake_the_last_words)
{
	meet_plain();
	server.close_after = 1;
	conn_write(client.c, data, BIG);
	WAIT(server.got.len > 0);
	WAIT(client.closed && server.closed);
	cr_expect_eq(server.reason.code, 0);
}

Test(conn, written_before_open)
{
	listen_tls();
	connect_tls();
	cr_assert_eq(conn_write(client.c, data, 100000), 0);
	cr_expect_eq(conn_queued(client.c), 100000);
	WAIT(server.got.len >= 100000);
	expect_got(&server, 100000);
	conn_abort(client.c);
	WAIT(client.closed && server.closed);
	cr_expect_eq(server.reason.code, -ECONNRESET, "no goodbye: %s", server.reason.text);
}

static int done_count;

static void on_done(void *arg)
{
	done_count++;
}

static void borrowed(void)
{
	cr_assert_eq(conn_write_borrowed(client.c, data, BIG / 2, on_done, NULL), 0);
	cr_assert_eq(conn_write_borrowed(client.c, data + BIG / 2, BIG / 2, on_done, NULL), 0);
	cr_expect_eq(done_count, 0, "called back from within");
	WAIT(server.got.len >= BIG);
	WAIT(done_count == 2);
	expect_got(&server, BIG);
	/* done is also called for what never leaves */
	conn_read_pause(server.c);
	cr_assert_eq(conn_write_borrowed(client.c, data, BIG, on_done, NULL), 0);
	conn_abort(client.c);
	cr_expect_eq(done_count, 2, "called back from within");
	cr_expect_eq(conn_write_borrowed(client.c, data, 1, on_done, NULL), -ENOTCONN);
	WAIT(client.closed);
	cr_expect_eq(done_count, 3);
	conn_abort(server.c);
	WAIT(server.closed);
}

Test(conn, borrowed_plain)
{
	meet_plain();
	borrowed();
}

Test(conn, borrowed_tls)
{
	meet();
	borrowed();
}

Test(conn, queue_limit)
{
	size_t piece = CONN_QUEUE_MAX / 8, taken = 0;
	uint8_t *bytes = calloc(1, piece);

	meet_plain();
	conn_read_pause(server.c);
	while (conn_write(client.c, bytes, piece) == 0)
		taken += piece;
	cr_expect_eq(taken, CONN_QUEUE_MAX);
	cr_expect_eq(conn_queued(client.c), CONN_QUEUE_MAX);
	cr_expect_eq(conn_write(client.c, bytes, 1), -ENOBUFS);
	cr_expect_eq(conn_write_borrowed(client.c, bytes, 1, on_done, NULL), -ENOBUFS);
	cr_expect_eq(conn_write(client.c, bytes, SIZE_MAX), -ENOBUFS);
	free(bytes);
	conn_read_resume(server.c);
	WAIT(server.got.len == taken);
	cr_expect_eq(client.drained, 1);
	cr_expect_eq(conn_write(client.c, "x", 1), 0);
	WAIT(server.got.len == taken + 1);
	conn_close(client.c);
	WAIT(client.closed && server.closed);
}

Test(conn, cork)
{
	uint8_t buf[16];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	client.c = conn_from_fd(&loop, fds[0], &end_ops, &client);
	conn_cork(client.c);
	conn_cork(client.c);
	conn_write(client.c, "ab", 2);
	conn_uncork(client.c);
	run_for(20);
	cr_expect_eq(recv(fds[1], buf, sizeof(buf), MSG_DONTWAIT), -1, "sent while corked");
	conn_write(client.c, "cd", 2);
	conn_uncork(client.c);
	cr_expect_eq(recv(fds[1], buf, sizeof(buf), MSG_DONTWAIT), 4);
	cr_expect_eq(conn_handed(client.c), 4);
	/* without a cork, one turn of the loop sends it */
	conn_write(client.c, "ef", 2);
	conn_write(client.c, "gh", 2);
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_eq(recv(fds[1], buf, sizeof(buf), MSG_DONTWAIT), 4);
	close(fds[1]);
	WAIT(client.closed);
	cr_expect_eq(client.reason.code, 0);
}

/* messages of a turn share TLS records */
Test(conn, corked_tls)
{
	enum { PIECES = 200, PIECE = 64 };
	uint64_t before;

	meet();
	before = conn_handed(client.c);
	conn_cork(client.c);
	for (int i = 0; i < PIECES; i++)
		cr_assert_eq(conn_write(client.c, data + (size_t)i * PIECE, PIECE), 0);
	run_for(20);
	cr_expect_eq(server.got.len, 0, "sent while corked");
	cr_expect_eq(conn_queued(client.c), PIECES * PIECE);
	conn_uncork(client.c);
	WAIT(server.got.len >= PIECES * PIECE);
	expect_got(&server, PIECES * PIECE);
	cr_expect_lt(conn_handed(client.c) - before, PIECES * PIECE + 100, "one record");
	conn_close(client.c);
	WAIT(client.closed && server.closed);
}

/* all sizes around a record's, in order, and what is corked leaves with the orderly end */
Test(conn, corked_tls_keeps_the_order)
{
	meet();
	for (size_t at = 0, n = 1; at < BIG; at += n, n = n * 3 % 50021 + 1) {
		if (n > BIG - at)
			n = BIG - at;
		if (n % 3 == 0)
			conn_cork(client.c);
		cr_assert_eq(conn_write(client.c, data + at, n), 0);
		if (n % 3 == 0 && n % 2)
			conn_uncork(client.c);
	}
	conn_close(client.c);
	WAIT(client.closed && server.closed);
	expect_got(&server, BIG);
	cr_expect_eq(server.reason.code, 0, "%s", server.reason.text);
}

/* --------------------------------------------------------------- pausing -- */

/* pauses itself at every call */
static void on_data_pausing(struct conn *c, const uint8_t *bytes, size_t len, void *owner)
{
	struct end *e = owner;

	cr_assert_eq(buf_append(&e->got, bytes, len), 0);
	e->drained++;
	conn_read_pause(c);
}

static const struct conn_ops pausing_ops = {
	.on_data = on_data_pausing,
	.on_close = end_on_close,
};

static void pause_and_resume(void)
{
	size_t seen;

	conn_set_ops(server.c, &pausing_ops, &server);
	cr_assert_eq(conn_write(client.c, data, BIG), 0);
	WAIT(server.got.len > 0);
	seen = server.got.len;
	run_for(50);
	cr_expect_eq(server.got.len, seen, "given although paused");
	cr_expect_leq(seen, CONN_READ_SIZE);
	cr_expect_gt(conn_queued(client.c), 0, "the sender feels nothing of the pause");
	while (server.got.len < BIG) {
		seen = server.got.len;
		conn_read_resume(server.c);
		cr_expect_eq(server.got.len, seen, "called back from within");
		WAIT(server.got.len > seen);
	}
	expect_got(&server, BIG);
	conn_read_resume(server.c);
	conn_close(client.c);
	WAIT(client.closed && server.closed);
	cr_expect_eq(server.reason.code, 0, "%s", server.reason.text);
}

Test(conn, pause_plain)
{
	meet_plain();
	pause_and_resume();
}

Test(conn, pause_tls)
{
	meet();
	pause_and_resume();
}

static void on_accept_paused(struct conn *c, void *arg)
{
	on_accept(c, arg);
	conn_read_pause(c);
}

/* bytes that came along with the end of the handshake wait, too */
Test(conn, pause_from_the_start)
{
	struct err err;

	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, tls, 10, on_accept_paused, NULL, &listener,
				  &err),
		     0);
	connect_tls();
	conn_read_pause(client.c);
	conn_write(client.c, data, 1000000);
	WAIT(server.opened && client.opened);
	conn_write(server.c, data, 1000);
	run_for(50);
	cr_expect_eq(server.got.len, 0);
	cr_expect_eq(client.got.len, 0);
	conn_read_resume(server.c);
	conn_read_resume(client.c);
	WAIT(server.got.len == 1000000 && client.got.len == 1000);
	expect_got(&server, 1000000);
	conn_close(client.c);
	WAIT(client.closed && server.closed);
}

/* -------------------------------------------------------------- failures -- */

static void expect_failure(int code, const char *text)
{
	cr_assert_eq(client.closed, 0, "called back from within");
	WAIT(client.closed);
	cr_expect_eq(client.opened, 0);
	cr_expect_eq(client.reason.code, code, "%d %s", client.reason.code, client.reason.text);
	cr_expect_not_null(strstr(client.reason.text, text), "%s", client.reason.text);
	client.closed = 0;
}

Test(conn, cannot_connect)
{
	char path[200];
	int port;

	listen_tls();
	port = listener_port(listener);
	listener_free(listener);
	listener = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", port, &end_ops, &client);
	expect_failure(-ECONNREFUSED, "Connection refused");
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "no.such.host", 1, &end_ops, &client);
	expect_failure(-E_INVALID, "/etc/hosts");
	snprintf(path, sizeof(path), "%s/none", dir);
	client.c = conn_connect_unix(&loop, path, &end_ops, &client);
	expect_failure(-ENOENT, "No such file");
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	client.c = conn_connect_unix(&loop, path, &end_ops, &client);
	expect_failure(-ENAMETOOLONG, "too long");
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", port, &end_ops, &client);
	conn_close(client.c);
	WAIT(client.closed);
	cr_expect_eq(client.reason.code, 0);
}

Test(conn, localhost_is_in_etc_hosts)
{
	listen_tls();
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "LocalHost", listener_port(listener),
				    &end_ops, &client);
	WAIT(client.opened && server.opened);
	conn_close(client.c);
	WAIT(client.closed && server.closed);
}

/* the kernel completes the connection, but nobody ever answers */
Test(conn, a_silent_server)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	uint64_t start = clock_boot_ns();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), took;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&addr, &len);
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", ntohs(addr.sin_port),
				    &end_ops, &client);
	WAIT(client.closed);
	took = (int)((clock_boot_ns() - start) / 1000000);
	cr_expect_eq(client.reason.code, -ETIMEDOUT, "%s", client.reason.text);
	cr_expect_geq(took, CONN_HANDSHAKE_TIMEOUT_MS - 50);
	cr_expect_lt(took, CONN_HANDSHAKE_TIMEOUT_MS + 1500);
	close(fd);
}

/* what is behind the handshake is checked as well */
Test(conn, a_flipped_bit)
{
	int up, port;
	uint8_t bytes[4096];
	ssize_t n;
	size_t passed = 0;

	/* the test is a proxy: client <-> down, up <-> listener */
	listen_tls();
	port = listener_port(listener);
	up = raw_connect(port);
	{
		struct sockaddr_in addr = { .sin_family = AF_INET };
		socklen_t len = sizeof(addr);
		int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), down;

		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		cr_assert_eq(bind(l, (struct sockaddr *)&addr, sizeof(addr)), 0);
		cr_assert_eq(listen(l, 1), 0);
		getsockname(l, (struct sockaddr *)&addr, &len);
		client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1",
					    ntohs(addr.sin_port), &end_ops, &client);
		down = accept(l, NULL, NULL);
		for (int i = 0; i < 2000 && !server.closed; i++) {
			uv_run(&loop, UV_RUN_NOWAIT);
			if (client.opened == 1 && server.opened) {
				client.opened++;
				conn_write(client.c, data, 1000);
			}
			n = recv(down, bytes, sizeof(bytes), MSG_DONTWAIT);
			if (n > 0) {
				if (client.opened > 1)
					bytes[n - 1] ^= 1;
				passed += (size_t)send(up, bytes, (size_t)n, 0);
			}
			n = recv(up, bytes, sizeof(bytes), MSG_DONTWAIT);
			if (n > 0)
				send(down, bytes, (size_t)n, 0);
			usleep(500);
		}
		close(l);
		close(down);
	}
	close(up);
	cr_expect_gt(passed, 0);
	WAIT(server.closed && client.closed);
	cr_expect_eq(server.got.len, 0);
	cr_expect_eq(server.reason.code, -EPROTO, "%s", server.reason.text);
}

/* ---------------------------------------------------------------- moving -- */

static struct conn_parcel *parcel;
static struct end moved;

static void on_first_data(struct conn *c, const uint8_t *bytes, size_t len, void *owner)
{
	struct end *e = owner;

	cr_assert_eq(buf_append(&e->got, bytes, len), 0);
	/* something unsent, and something unread, must come along */
	cr_assert_eq(conn_write(c, data, BIG), 0);
	parcel = conn_detach(c);
	cr_assert_not_null(parcel);
	e->c = NULL;
}

static const struct conn_ops moving_ops = {
	.on_data = on_first_data,
	.on_close = end_on_close,
};

static void on_idle_check(uv_idle_t *idle)
{
	struct end *e = idle->data;

	if (e->got.len == BIG)
		conn_close(e->c);
	if (e->got.len == BIG || e->closed) {
		uv_idle_stop(idle);
		uv_close((uv_handle_t *)idle, NULL);
	}
}

static void other_thread(void *arg)
{
	uv_loop_t other;
	uv_idle_t idle;

	uv_loop_init(&other);
	moved.c = conn_attach(&other, parcel, &end_ops, &moved);
	uv_idle_init(&other, &idle);
	idle.data = &moved;
	uv_idle_start(&idle, on_idle_check);
	uv_run(&other, UV_RUN_DEFAULT);
	if (uv_loop_close(&other) != 0)
		abort();
	OPENSSL_thread_stop();
}

static void move(bool corked)
{
	uv_thread_t thread;

	end_init(&moved);
	conn_set_ops(server.c, &moving_ops, &moved);
	if (corked)
		conn_cork(server.c); /* what it says then is still to come when it moves */
	cr_assert_eq(conn_write(client.c, data, BIG), 0);
	WAIT(parcel);
	run_for(20);
	cr_expect_eq(moved.closed, 0);
	cr_expect_lt(moved.got.len, BIG);
	uv_thread_create(&thread, other_thread, NULL);
	WAIT(client.closed);
	uv_thread_join(&thread);
	cr_expect_eq(moved.closed, 1);
	cr_expect_eq(moved.opened, 0);
	cr_expect_eq(moved.reason.code, 0, "%s", moved.reason.text);
	cr_expect_eq(client.reason.code, 0, "%s", client.reason.text);
	expect_got(&moved, BIG);
	expect_got(&client, BIG);
	buf_release(&moved.got);
}

Test(conn, move_tls)
{
	meet();
	move(false);
}

Test(conn, move_tls_corked)
{
	meet();
	move(true);
}

Test(conn, move_plain)
{
	meet_plain();
	move(false);
}

Test(conn, a_parcel_nobody_wants)
{
	meet();
	parcel = conn_detach(server.c);
	cr_assert_not_null(parcel);
	run_for(20);
	cr_expect_eq(server.closed, 0);
	cr_expect_eq(client.closed, 0);
	conn_parcel_free(parcel);
	conn_parcel_free(NULL);
	WAIT(client.closed);
	cr_expect_eq(client.reason.code, -ECONNRESET);
}

Test(conn, no_move_before_open)
{
	listen_tls();
	connect_tls();
	cr_expect_null(conn_detach(client.c));
	WAIT(client.opened && server.opened);
	conn_close(client.c);
	WAIT(client.closed && server.closed);
}
