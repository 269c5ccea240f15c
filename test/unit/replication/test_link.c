// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/link.c: greetings that are refused, frames that are none,
 * pausing, queues.
 */
#include "unit/replication/link_lab.h"

TestSuite(link, .init = setup, .fini = teardown, .timeout = 60);

Test(link, greeting_both_ways)
{
	opener.boot = 111;
	both_up();
	cr_expect_eq(judged.from, 0);
	cr_expect_eq(judged.to, 1);
	cr_expect_eq(judged.boot, 111);
	cr_expect_eq(judged.resource[0], 9);
	cr_expect_eq(two.link->number, 77);
	cr_expect_eq(one.link->number, 3);
	cr_expect_str_eq(two.link->node, "a", "from the certificate");
	cr_expect_eq(acceptor.ungreeted, 0);
}

Test(link, refusals)
{
	static const u8 all[] = { WIRE_NO_RESOURCE, WIRE_BAD_SLOT, WIRE_NOT_READY };

	for (size_t i = 0; i < PORT_ARRAY_SIZE(all); i++) {
		verdict = all[i];
		one.down = false;
		dial("b");
		WAIT(one.down);
		cr_expect_str_eq(one.why, link_refusal(all[i]));
		cr_expect_not(one.up);
	}
	acceptor.cluster[0] = 1;
	one.down = false;
	dial("b");
	WAIT(one.down);
	cr_expect_str_eq(one.why, link_refusal(WIRE_BAD_CLUSTER));
	cr_expect_eq(acceptor.ungreeted, 0);
}

Test(link, another_node_at_the_address)
{
	dial("c");
	WAIT(one.down);
	cr_expect(strstr(one.why, "another node"), "%s", one.why);
}

Test(link, nobody_listens)
{
	struct link_target t = { .host = "127.0.0.1", .node = "b", .port = 1 };

	one.link = link_open(&opener, &t, &ops, &one, &one.account);
	WAIT(one.down);
	cr_expect(strstr(one.why, "refused"), "%s", one.why);
}

static void send_greeting_of(u32 version)
{
	struct wire_greeting g = { .version = version, .purpose = WIRE_SESSION, .resource = { 9 } };
	u8 out[WIRE_GREETING];

	wire_put_greeting(out, &g);
	conn_write(bare, out, sizeof(out));
}

static void bare_dial(void)
{
	bare = conn_connect_tls(&loop, tls_a, ALPN_DATA, "127.0.0.1", listener_port(listener),
				&bare_ops, NULL);
}

Test(link, another_version)
{
	struct wire_greeting g;

	bare_dial();
	send_greeting_of(WIRE_VERSION + 1);
	WAIT(bare_got.len >= WIRE_GREETING);
	cr_assert_eq(wire_get_greeting(bare_got.data, &g), 0);
	cr_expect_eq(g.status, WIRE_BAD_VERSION);
	cr_expect_eq(g.version, WIRE_VERSION, "it hears ours");
	WAIT(bare_closed);
}

Test(link, no_greeting)
{
	char junk[WIRE_GREETING] = "GET / HTTP/1.1\r\n";

	bare_dial();
	conn_write(bare, junk, sizeof(junk));
	WAIT(bare_closed);
	cr_expect_eq(bare_got.len, 0);
	cr_expect_eq(acceptor.ungreeted, 0);
}

Test(link, silent_opener_is_given_up)
{
	u64 begin = clock_boot_ns();

	bare_dial();
	WAIT(acceptor.ungreeted == 1);
	WAIT(bare_closed);
	cr_expect_geq(clock_boot_ns() - begin, (LINK_GREETING_MS - 100) * REPL_MS);
	cr_expect_eq(acceptor.ungreeted, 0);
}

Test(link, what_is_no_message)
{
	u8 junk[WIRE_HEADER];

	bare_dial();
	send_greeting_of(WIRE_VERSION);
	WAIT(two.up);
	memset(junk, 0x77, sizeof(junk));
	conn_write(bare, junk, sizeof(junk));
	WAIT(two.down);
	cr_expect(strstr(two.why, "no message"), "%s", two.why);
	WAIT(bare_closed);
}

Test(link, messages_with_and_without_payload)
{
	struct repl_msg m = { .kind = REPL_MSG_PING, .time = 5 };
	u64 bytes = 0;

	both_up();
	link_send(one.link, &m);
	for (u32 i = 1; i <= 20; i++) {
		u32 len = i % 4 ? 512 * i : REPL_WRITE_MAX;

		send_write(one.link, &one.account, i, len);
		bytes += len;
	}
	link_send(one.link, &m);
	WAIT(two.got == 22);
	cr_expect_eq(two.first.kind, REPL_MSG_PING);
	cr_expect_eq(two.last.time, 5);
	cr_expect_eq(two.bytes, bytes);
}

Test(link, acks_of_a_turn_become_one)
{
	struct repl_msg ack = { .kind = REPL_MSG_ACK },
			flushed = { .kind = REPL_MSG_FLUSHED, .id = 4 };

	both_up();
	for (ack.seq = 1; ack.seq <= 100; ack.seq++)
		link_send(two.link, &ack);
	link_send(two.link, &flushed);
	ack.seq = 101;
	link_send(two.link, &ack);
	WAIT(one.got == 3);
	cr_expect_eq(one.first.kind, REPL_MSG_ACK);
	cr_expect_eq(one.first.seq, 100, "and it is ahead of what was sent after it");
	cr_expect_eq(one.last.seq, 101);
	run_for(20);
	cr_expect_eq(one.got, 3);
}

Test(link, holding_back)
{
	both_up();
	two.closed_takes = true;
	for (u32 i = 1; i <= 40; i++)
		send_write(one.link, &one.account, i, 256 << 10);
	run_for(200);
	cr_expect_eq(two.got, 0);
	cr_expect_leq(two.link->stash.len, LINK_STASH_MAX);
	link_resume(two.link);
	cr_expect_eq(two.got, 0, "still not taken");
	two.closed_takes = false;
	while (two.got < 40) {
		link_resume(two.link);
		run_for(2);
		cr_assert_not(two.down, "%s", two.why);
	}
	cr_expect_eq(two.bytes, 40ull * (256 << 10));
}

Test(link, who_does_not_take_what_is_sent_is_cut)
{
	u32 sent = 0;

	both_up();
	two.closed_takes = true;
	while (!one.down && sent < 2 * LINK_QUEUE_MAX / REPL_WRITE_MAX) {
		send_write(one.link, &one.account, ++sent, REPL_WRITE_MAX);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect(one.down);
	cr_expect(strstr(one.why, "too slowly"), "%s", one.why);
	cr_expect_geq(sent, LINK_QUEUE_MAX / REPL_WRITE_MAX - 2);
	two.closed_takes = false; /* who does not read does not see the end either */
	link_resume(two.link);
	WAIT(two.down);
}

Test(link, closed_by_its_owner)
{
	struct repl_msg m = { .kind = REPL_MSG_RELEASE };
	struct link *l;

	both_up();
	l = one.link;
	one.link = NULL;
	link_send(l, &m);
	link_close(l);
	WAIT(two.down);
	cr_expect_eq(two.got, 1, "what was sent before still arrives");
	cr_expect_not(one.down, "who closes it hears nothing");
}

Test(link, too_many_without_greeting)
{
	static const struct conn_ops quiet = { .on_data = bare_on_data, .on_close = bare_on_close };
	int port = listener_port(listener);

	/* a slow machine may give up the first before the last is there */
	for (u32 i = 0; i < LINK_UNGREETED_MAX && !bare_closed; i++) {
		cr_assert_not_null(
			conn_connect_tls(&loop, tls_a, ALPN_DATA, "127.0.0.1", port, &quiet, NULL));
		WAIT(acceptor.ungreeted == i + 1 || bare_closed);
	}
	cr_assert_not_null(
		conn_connect_tls(&loop, tls_a, ALPN_DATA, "127.0.0.1", port, &quiet, NULL));
	WAIT(bare_closed);
	cr_expect_leq(acceptor.ungreeted, LINK_UNGREETED_MAX);
	WAIT(acceptor.ungreeted == 0);
	run_for(50);
}
