// SPDX-License-Identifier: GPL-2.0-or-later
/* test_listener.c - bad guests at the TLS port, limits, socket files. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/buf.h"
#include "unit/net/net_test.h"

#define GUESTS 4

static const struct testpki_node node = { .name = "a", .id = 1 };
static struct tls *tls;
static struct listener *listener;
static struct end ends[2 * GUESTS];
static int accepted;
static char path[64];

static void begin(void)
{
	setup();
	tls = make_tls(pki, &node);
	snprintf(path, sizeof(path), "%s/socket", dir);
}

static void finish(void)
{
	listener_free(listener);
	uv_run(&loop, UV_RUN_DEFAULT);
	tls_free(tls);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		buf_release(&ends[i].got);
	teardown();
}

TestSuite(listener, .init = begin, .fini = finish);

static void on_accept(struct conn *c, void *arg)
{
	struct end *e = &ends[accepted++];

	end_init(e);
	e->c = c;
	conn_set_ops(c, &end_ops, e);
}

static void listen_tls(void)
{
	struct err err = { 0 };

	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, tls, GUESTS, on_accept, NULL, &listener,
				  &err),
		     0, "%s", err.text);
}

static void listen_unix(void)
{
	struct err err = { 0 };

	cr_assert_eq(listener_unix(&loop, path, 0600, GUESTS, on_accept, NULL, &listener, &err), 0,
		     "%s", err.text);
}

/* runs the loop until the server has closed fd; returns what it sent before */
static size_t wait_closed(int fd, uint8_t *to, size_t size)
{
	uint64_t end = clock_boot_ns() + (uint64_t)WAIT_MS * 1000000;
	size_t got = 0;

	while (clock_boot_ns() < end) {
		ssize_t n = recv(fd, to + got, size - got, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return got;
		if (n > 0)
			got += (size_t)n;
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(500);
	}
	cr_assert_fail("the server does not close");
	return 0;
}

static void expect_still_serving(void)
{
	struct end client;
	int before = accepted;

	end_init(&client);
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", listener_port(listener),
				    &end_ops, &client);
	WAIT(accepted == before + 1 && client.opened);
	conn_close(client.c);
	WAIT(client.closed && ends[before].closed);
}

static void garbage(const void *bytes, size_t len, bool half_close)
{
	uint8_t answer[4096];
	int fd = raw_connect(listener_port(listener));
	size_t n;

	cr_assert_eq(send(fd, bytes, len, 0), (ssize_t)len);
	if (half_close)
		shutdown(fd, SHUT_WR);
	n = wait_closed(fd, answer, sizeof(answer));
	/* if anything, a TLS alert */
	cr_expect(n == 0 || answer[0] == 21, "%zu bytes, the first is %d", n, answer[0]);
	close(fd);
	cr_expect_eq(accepted, 0);
}

Test(listener, garbage_at_the_tls_port)
{
	uint8_t noise[2000];

	listen_tls();
	memset(noise, 0, sizeof(noise));
	garbage(noise, sizeof(noise), false);
	memset(noise, 0xff, sizeof(noise));
	garbage(noise, sizeof(noise), false);
	noise[0] = 22; /* a handshake record of the largest length */
	noise[1] = 3;
	noise[2] = 1;
	garbage(noise, sizeof(noise), true);
	for (int i = 0; i < 20; i++) {
		rand_bytes(noise, sizeof(noise));
		noise[0] |= 0x80; /* not a record that waits for more */
		garbage(noise, sizeof(noise), false);
	}
	garbage("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, false);
	garbage("", 0, true);
	run_for(20);
	accepted = 0;
	expect_still_serving();
}

/* A client stops in the middle of its hello; the connection must not stay. */
Test(listener, stopped_in_the_middle_of_a_handshake)
{
	static const uint8_t hello[] = { 22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3 };
	uint64_t start = clock_boot_ns();
	uint8_t answer[64];
	int fd[2], took;

	listen_tls();
	listener_set_handshake_ms(listener, 200);
	fd[0] = raw_connect(listener_port(listener));
	fd[1] = raw_connect(listener_port(listener)); /* says nothing at all */
	cr_assert_eq(send(fd[0], hello, sizeof(hello), 0), (ssize_t)sizeof(hello));
	for (int i = 0; i < 2; i++) {
		wait_closed(fd[i], answer, sizeof(answer));
		close(fd[i]);
	}
	took = (int)((clock_boot_ns() - start) / 1000000);
	cr_expect_geq(took, 190);
	cr_expect_lt(took, 2000);
	expect_still_serving();
}

Test(listener, maximum)
{
	uint8_t answer[64];
	int fd[GUESTS], more;

	listen_tls();
	for (int i = 0; i < GUESTS; i++)
		fd[i] = raw_connect(listener_port(listener));
	run_for(20);
	more = raw_connect(listener_port(listener));
	cr_expect_eq(wait_closed(more, answer, sizeof(answer)), 0);
	close(more);
	for (int i = 0; i < GUESTS; i++)
		close(fd[i]);
	run_for(50);
	expect_still_serving();
}

/* open ones count until they are gone, also when they were moved */
Test(listener, maximum_of_open_ones)
{
	struct end clients[GUESTS + 1];
	struct conn_parcel *parcel;

	listen_unix();
	for (int i = 0; i <= GUESTS; i++) {
		end_init(&clients[i]);
		clients[i].c = conn_connect_unix(&loop, path, &end_ops, &clients[i]);
	}
	WAIT(clients[GUESTS].closed);
	cr_expect_eq(accepted, GUESTS);
	parcel = conn_detach(ends[0].c);
	run_for(20);
	clients[GUESTS].c = conn_connect_unix(&loop, path, &end_ops, &clients[GUESTS]);
	WAIT(clients[GUESTS].closed == 2);
	cr_expect_eq(accepted, GUESTS, "a moved one was forgotten");
	conn_parcel_free(parcel);
	/* conns of one turn are not accepted in any order */
	WAIT(clients[0].closed + clients[1].closed + clients[2].closed + clients[3].closed == 1);
	clients[GUESTS].c = conn_connect_unix(&loop, path, &end_ops, &clients[GUESTS]);
	WAIT(accepted == GUESTS + 1);
	/* accepted conns outlive their listener, and are counted to the end */
	listener_free(listener);
	listener = NULL;
	run_for(20);
	for (int i = 0; i <= GUESTS; i++) {
		if (!clients[i].c)
			continue;
		cr_assert_eq(conn_write(clients[i].c, "x", 1), 0);
		conn_close(clients[i].c);
	}
	WAIT(clients[GUESTS].closed == 3);
	for (int i = 1; i <= GUESTS; i++)
		WAIT(ends[i].closed);
	cr_expect_eq(ends[1].got.len, 1);
	run_for(20);
}

Test(listener, freed_during_handshakes)
{
	uint8_t answer[64];
	int fd;

	listen_tls();
	fd = raw_connect(listener_port(listener));
	run_for(20);
	listener_free(listener);
	listener = NULL;
	cr_expect_eq(wait_closed(fd, answer, sizeof(answer)), 0);
	close(fd);
	listener_free(NULL);
}

static void on_tick(uv_timer_t *timer)
{
	uv_stop(&loop);
}

Test(listener, out_of_descriptors_is_no_busy_loop)
{
	struct rlimit limit;
	struct rusage before, after;
	uv_timer_t timer;
	int fd, fill[64], n = 0;
	long cpu_us;

	listen_tls();
	fd = raw_connect(listener_port(listener));
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 48;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (n < 64 && (fill[n] = dup(fd)) >= 0)
		n++;
	getrusage(RUSAGE_SELF, &before);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_tick, 500, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	getrusage(RUSAGE_SELF, &after);
	cpu_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
		 (after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
		 (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
		 (after.ru_stime.tv_usec - before.ru_stime.tv_usec);
	cr_expect_lt(cpu_us, 150000);
	while (n > 0)
		close(fill[--n]);
	uv_close((uv_handle_t *)&timer, NULL);
	/* and it comes back by itself */
	close(fd);
	expect_still_serving();
}

Test(listener, a_flood_of_bad_ones_is_no_flood_of_lines)
{
	char text[65536];
	int fds[2], saved = dup(STDERR_FILENO), lines = 0;
	ssize_t n;

	listen_tls();
	cr_assert_eq(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	for (int i = 0; i < 60; i++) {
		int fd = raw_connect(listener_port(listener));
		uint8_t answer[64];

		send(fd, "garbage garbage", 15, 0);
		wait_closed(fd, answer, sizeof(answer));
		close(fd);
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	text[n > 0 ? n : 0] = '\0';
	for (char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	cr_expect_gt(lines, 0);
	cr_expect_lt(lines, 40, "%d lines:\n%s", lines, text);
	cr_expect_not_null(strstr(text, "peer=127.0.0.1:"));
	cr_expect_not_null(strstr(text, "does not speak TLS"), "%s", text);
}

Test(listener, port_in_use)
{
	struct listener *second = NULL;
	struct err err = { 0 };

	listen_tls();
	cr_expect_eq(listener_tcp(&loop, "127.0.0.1", listener_port(listener), tls, GUESTS,
				  on_accept, NULL, &second, &err),
		     -EADDRINUSE);
	cr_expect_not_null(strstr(err.text, "127.0.0.1"));
	cr_expect_eq(listener_tcp(&loop, "no.such.host", 0, tls, GUESTS, on_accept, NULL, &second,
				  &err),
		     -E_INVALID);
	cr_expect_null(second);
}

Test(listener, socket_file)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct listener *second = NULL;
	struct err err = { 0 };
	struct stat st;
	char longer[200];
	int fd;

	/* left behind by one that was killed */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	listen_unix();
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	/* one in use */
	cr_expect_eq(listener_unix(&loop, path, 0600, GUESTS, on_accept, NULL, &second, &err),
		     -EADDRINUSE);
	listener_free(listener);
	listener = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(stat(path, &st), -1, "the file is left");
	/* something else of that name */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	cr_expect_eq(listener_unix(&loop, path, 0600, GUESTS, on_accept, NULL, &second, &err),
		     -EADDRINUSE);
	cr_expect_eq(stat(path, &st), 0, "somebody's file was removed");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_expect_eq(listener_unix(&loop, longer, 0600, GUESTS, on_accept, NULL, &second, &err),
		     -ENAMETOOLONG);
	cr_expect_null(second);
}

/* what another process put at the path meanwhile is not ours to remove */
Test(listener, a_successors_socket_file_stays)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	listen_unix();
	unlink(path);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	listener_free(listener);
	listener = NULL;
	cr_expect_eq(stat(path, &st), 0);
	close(fd);
}

static void on_accept_closing(struct conn *c, void *arg)
{
	accepted++;
	conn_close(c);
}

Test(listener, closed_by_its_user_at_once)
{
	struct end client;
	struct err err;

	end_init(&client);
	cr_assert_eq(listener_unix(&loop, path, 0600, GUESTS, on_accept_closing, NULL, &listener,
				   &err),
		     0);
	client.c = conn_connect_unix(&loop, path, &end_ops, &client);
	WAIT(client.closed);
	cr_expect_eq(accepted, 1);
	cr_expect_eq(client.reason.code, 0);
}

/* a connection from an address of our own choice; -1: it is closed at once */
static int come_from(const char *address)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), before = accepted;
	char byte;

	inet_pton(AF_INET, address, &from.sin_addr);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	to.sin_port = htons((uint16_t)listener_port(listener));
	cr_assert_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	for (int i = 0; i < 2000; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		if (accepted > before)
			return fd;
		if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN)) {
			close(fd);
			return -1;
		}
		usleep(500);
	}
	cr_assert_fail("neither taken nor refused");
	return -1;
}

Test(listener, limit_of_an_address)
{
	int fd[GUESTS], other;
	struct err err = { 0 };

	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, NULL, GUESTS, on_accept, NULL, &listener,
				  &err),
		     0, "%s", err.text);
	listener_limit_address(listener, 2);
	fd[0] = come_from("127.0.0.1");
	fd[1] = come_from("127.0.0.1");
	cr_expect_geq(fd[0], 0);
	cr_expect_geq(fd[1], 0);
	cr_expect_eq(come_from("127.0.0.1"), -1);
	other = come_from("127.0.0.2");
	cr_expect_geq(other, 0);
	/* one of them goes: the next one may come */
	close(fd[0]);
	run_for(50);
	fd[0] = come_from("127.0.0.1");
	cr_expect_geq(fd[0], 0);
	/* and the limit of all is what it was */
	fd[2] = come_from("127.0.0.3");
	cr_expect_geq(fd[2], 0);
	cr_expect_eq(come_from("127.0.0.4"), -1);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	close(other);
	run_for(50);
}
