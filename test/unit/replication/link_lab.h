/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link_lab.h - two link_sets on one loop, joined by TLS on loopback, for the tests of link.c and
 * link_renew.c: side one opens, side two accepts, each writes down what happens. Where the other
 * side has to misbehave, it is a bare conn.
 */
#ifndef SDSD_TEST_LINK_LAB_H
#define SDSD_TEST_LINK_LAB_H

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "replication/link.h"
#include "support/leaks.h"
#include "support/testpki.h"

#define CLUSTER "12345678-1234-4234-8234-123456789012"
#define WAIT_MS 15000
#define GOT_MAX 4096

struct side { /* one end of a link, writes down what happened */
	struct link *link;
	struct payload_account account;
	bool up, down, closed_takes;
	char why[256];
	u32 got;
	u64 bytes;
	bool in_order; /* the seqs of writes are to have no gap */
	u64 writes;    /* seq of the last one */
	struct repl_msg first, last;
	u32 renewed, not_renewed;
};

static uv_loop_t loop;
static struct turn turn;
static struct payload_pool pool;
static struct link_set opener, acceptor;
static struct tls *tls_a, *tls_b;
static struct listener *listener;
static struct testpki *pki;
static char dir[32];
static struct side one, two; /* opener's, acceptor's */
static u8 verdict;
static struct wire_greeting judged;
static struct conn *bare; /* instead of a link */
static void (*accept_by_hand)(struct conn *c);
static struct buf bare_got;
static bool bare_closed;

static void on_up(struct link *l, void *owner)
{
	struct side *s = owner;

	s->link = l;
	s->up = true;
}

static bool takes(struct link *l, void *owner)
{
	return !((struct side *)owner)->closed_takes;
}

static void on_message(struct link *l, struct repl_msg *m, void *owner)
{
	struct side *s = owner;

	if (!s->got)
		s->first = *m;
	s->last = *m;
	s->got++;
	if (s->in_order && m->kind == REPL_MSG_WRITE) {
		cr_assert_eq(m->seq, s->writes + 1, "%llu after %llu", (unsigned long long)m->seq,
			     (unsigned long long)s->writes);
		s->writes = m->seq;
	}
	if (m->payload_len) {
		struct payload *p = payload_of(m->buf);

		cr_assert_eq(p->len, m->payload_len);
		cr_assert_eq(p->data[0], (u8)m->seq);
		cr_assert_eq(p->data[p->len - 1], (u8)m->seq);
		s->bytes += p->len;
		payload_put(p);
	}
}

static void on_down(struct link *l, const char *why, void *owner)
{
	struct side *s = owner;

	cr_assert_not(s->down, "down is the last call");
	s->down = true;
	s->link = NULL;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static void on_renewed(struct link *l, const char *why, void *owner)
{
	struct side *s = owner;

	cr_assert_eq(l, s->link);
	if (!why) {
		s->renewed++;
		return;
	}
	s->not_renewed++;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static const struct link_ops ops = {
	.up = on_up,
	.takes = takes,
	.message = on_message,
	.down = on_down,
	.renewed = on_renewed,
};

static u8 judge(struct link *l, const struct wire_greeting *g, void *arg)
{
	judged = *g;
	if (verdict == WIRE_WELCOME && g->renewal)
		return two.link ? link_take_renewal(two.link, l, g) : WIRE_NO_RENEWAL;
	if (verdict == WIRE_WELCOME)
		link_adopt(l, 77, &ops, &two, &two.account);
	return verdict;
}

static void bare_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	buf_append(&bare_got, data, len);
}

static void bare_on_close(struct conn *c, const struct err *reason, void *owner)
{
	bare = NULL;
	bare_closed = true;
}

static const struct conn_ops bare_ops = { .on_data = bare_on_data, .on_close = bare_on_close };

static void on_accept(struct conn *c, void *arg)
{
	if (accept_by_hand)
		accept_by_hand(c);
	else
		link_accept(&acceptor, c);
}

static struct tls *make_tls(const char *name, u32 id)
{
	return testpki_tls(pki, dir, &(struct testpki_node){ .name = name, .id = id });
}

static void setup(void)
{
	struct err err = { 0 };

	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_LEVEL_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/sdsd-link-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	pki = testpki_new(CLUSTER);
	tls_a = make_tls("a", 1);
	tls_b = make_tls("b", 2);
	uv_loop_init(&loop);
	turn_init(&turn, &loop);
	payload_pool_init(&pool);
	payload_account_init(&one.account, &pool);
	payload_account_init(&two.account, &pool);
	link_set_init(&opener, &loop, &turn, tls_a);
	link_set_init(&acceptor, &loop, &turn, tls_b);
	acceptor.judge = judge;
	verdict = WIRE_WELCOME;
	buf_init(&bare_got, 1 << 20);
	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, tls_b, 300, on_accept, NULL, &listener,
				  &err),
		     0, "%s", err.text);
}

static u32 ended;

static void on_ended(void *arg)
{
	ended++;
}

static void teardown(void)
{
	char command[64];

	if (one.link)
		link_close(one.link);
	if (two.link)
		link_close(two.link);
	if (bare)
		conn_abort(bare);
	link_set_end(&opener, on_ended, NULL);
	link_set_end(&acceptor, on_ended, NULL);
	while (ended < 2)
		uv_run(&loop, UV_RUN_ONCE);
	listener_free(listener);
	turn_close(&turn, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	cr_expect_null(one.account.head, "a payload is left");
	cr_expect_null(two.account.head, "a payload is left");
	payload_pool_release(&pool);
	buf_release(&bare_got);
	tls_free(tls_a);
	tls_free(tls_b);
	testpki_free(pki);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
	OPENSSL_cleanup();
	test_no_leaks();
}

#define WAIT(condition)                                            \
	do {                                                       \
		u64 end = clock_boot_ns() + WAIT_MS * REPL_MS;     \
		while (!(condition) && clock_boot_ns() < end) {    \
			uv_run(&loop, UV_RUN_NOWAIT);              \
			usleep(200);                               \
		}                                                  \
		cr_assert(condition, "not within %d ms", WAIT_MS); \
	} while (0)

static void run_for(int ms)
{
	u64 end = clock_boot_ns() + (u64)ms * REPL_MS;

	while (clock_boot_ns() < end) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(500);
	}
}

static struct link_target target_of(const char *node)
{
	return (struct link_target){
		.host = "127.0.0.1",
		.node = node,
		.port = listener_port(listener),
		.purpose = WIRE_SESSION,
		.from = 0,
		.to = 1,
		.resource = { 9 },
		.number = 3,
	};
}

static void dial(const char *node)
{
	struct link_target t = target_of(node);

	one.link = link_open(&opener, &t, &ops, &one, &one.account);
	cr_assert_not_null(one.link);
}

static void both_up(void)
{
	dial("b");
	WAIT(one.up && two.up);
}

static void send_write(struct link *l, struct payload_account *a, u64 seq, u32 len)
{
	struct payload *p = payload_new(a, len);
	struct repl_msg m = { .kind = REPL_MSG_WRITE,
			      .epoch = 2,
			      .seq = seq,
			      .op = REPL_OP_DATA,
			      .len = len,
			      .payload_len = len,
			      .buf = payload_handle(p) };

	memset(p->data, (int)(u8)seq, len);
	link_send(l, &m);
	payload_put(p);
}

#endif
