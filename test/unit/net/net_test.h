/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_test.h - what the tests of net/ share: a loop, a directory with
 * certificates, ends of a conn that write down what happened to them.
 */
#ifndef SDSD_TEST_UNIT_NET_TEST_H
#define SDSD_TEST_UNIT_NET_TEST_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/conn.h"
#include "support/leaks.h"
#include "support/testpki.h"

#define CLUSTER "12345678-1234-4234-8234-123456789012"
#define WAIT_MS 10000

/* one end of a conn */
struct end {
	struct conn *c;
	int opened, closed, drained;
	struct buf got;
	struct err reason;
	size_t close_after; /* conn_close when so many bytes are there; 0: never */
	bool echo;
};

static uv_loop_t loop;
static char dir[] = "/tmp/sdsd-net-XXXXXX";
static struct testpki *pki;

__attribute__((unused)) static void setup(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	cr_assert_not_null(mkdtemp(dir));
	pki = testpki_new(CLUSTER);
	uv_loop_init(&loop);
}

__attribute__((unused)) static void teardown(void)
{
	char command[64];

	cr_expect_eq(uv_loop_close(&loop), 0, "handles are left on the loop");
	testpki_free(pki);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
	OPENSSL_cleanup();
	test_no_leaks();
}

/* a node's context, its files made by ca */
__attribute__((unused)) static struct tls *make_tls(const struct testpki *ca,
						    const struct testpki_node *node)
{
	return testpki_tls(ca, dir, node);
}

static void end_on_open(struct conn *c, void *owner)
{
	struct end *e = owner;

	e->opened++;
}

static void end_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct end *e = owner;

	cr_assert_eq(buf_append(&e->got, data, len), 0);
	if (e->echo)
		cr_assert_eq(conn_write(c, data, len), 0);
	if (e->close_after && e->got.len >= e->close_after)
		conn_close(c);
}

static void end_on_drain(struct conn *c, void *owner)
{
	struct end *e = owner;

	e->drained++;
}

static void end_on_close(struct conn *c, const struct err *reason, void *owner)
{
	struct end *e = owner;

	e->closed++;
	e->reason = *reason;
	e->c = NULL;
}

__attribute__((unused)) static const struct conn_ops end_ops = {
	.on_open = end_on_open,
	.on_data = end_on_data,
	.on_drain = end_on_drain,
	.on_close = end_on_close,
};

__attribute__((unused)) static void end_init(struct end *e)
{
	*e = (struct end){ 0 };
	buf_init(&e->got, 256u << 20);
}

__attribute__((unused)) static bool out_of_time;

__attribute__((unused)) static void on_wait_over(uv_timer_t *timer)
{
	out_of_time = true;
}

/* runs the loop until the condition holds; fails the test after WAIT_MS */
#define WAIT(condition)                                                \
	do {                                                           \
		uv_timer_t wait_timer;                                 \
                                                                       \
		out_of_time = false;                                   \
		uv_timer_init(&loop, &wait_timer);                     \
		uv_update_time(&loop);                                 \
		uv_timer_start(&wait_timer, on_wait_over, WAIT_MS, 0); \
		while (!(condition) && !out_of_time)                   \
			uv_run(&loop, UV_RUN_ONCE);                    \
		uv_close((uv_handle_t *)&wait_timer, NULL);            \
		uv_run(&loop, UV_RUN_NOWAIT);                          \
		cr_assert(condition, "not within %d ms", WAIT_MS);     \
	} while (0)

/* runs the loop for some time */
__attribute__((unused)) static void run_for(int ms)
{
	uint64_t end = clock_boot_ns() + (uint64_t)ms * 1000000;

	while (clock_boot_ns() < end) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
}

/* a blocking client socket of the test itself */
__attribute__((unused)) static int raw_connect(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

#endif
