// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/link_renew.c: a link goes over to other sockets while
 * messages flow both ways; and, against an acceptor that is played by hand, each
 * step of a renewal with a socket that dies there, or with what must not come.
 */
#include "unit/replication/link_lab.h"

/* a build may use a part of the laboratory only */
TestSuite(link_renew, .init = setup, .fini = teardown, .timeout = 120);

static void renew(void)
{
	struct link_target t = target_of("b");

	cr_assert_eq(link_renew(one.link, &t), 0);
}

/* ---- two real ends ---- */

static u64 sent[2]; /* seqs, by one and by two */

static void begin_stream(void)
{
	one.in_order = two.in_order = true;
	both_up();
}

static void some_messages(struct side *s, u64 *seq)
{
	static const u32 lens[] = { 512, 4096, 512, 65536, 8192, 512, 262144, 1536 };
	struct repl_msg ping = { .kind = REPL_MSG_PING }, ack = { .kind = REPL_MSG_ACK };

	if (!s->link || link_queued(s->link) > (8u << 20))
		return;
	for (u32 i = 0; i < 6; i++) {
		++*seq;
		send_write(s->link, &s->account, *seq, lens[(*seq * 7) % PORT_ARRAY_SIZE(lens)]);
		if (*seq % 3 == 0)
			link_send(s->link, &ping);
		if (*seq % 5 == 0)
			link_send(s->link, &ack);
	}
}

static void turn_once(void)
{
	some_messages(&one, &sent[0]);
	some_messages(&two, &sent[1]);
	uv_run(&loop, UV_RUN_NOWAIT);
	if (one.link)
		link_resume(one.link);
	if (two.link)
		link_resume(two.link);
}

static void drained(void)
{
	one.closed_takes = two.closed_takes = false;
	WAIT((link_resume(one.link), link_resume(two.link), two.writes == sent[0]) &&
	     one.writes == sent[1]);
	cr_expect_not(one.down || two.down);
}

Test(link_renew, nothing_is_lost_doubled_or_out_of_order)
{
	u64 end = clock_boot_ns() + 20000 * REPL_MS;
	u32 turns = 0;

	begin_stream();
	while ((one.renewed < 25 || two.renewed < 25) && clock_boot_ns() < end) {
		if (!one.link->renewal.rules.number && !two.link->renewal.rules.number)
			renew();
		turn_once();
		/* now and then one of them takes nothing for a while */
		one.closed_takes = ++turns % 11 < 2;
		two.closed_takes = turns % 13 < 4;
		cr_assert_not(one.down, "%s", one.why);
		cr_assert_not(two.down, "%s", two.why);
	}
	drained();
	cr_expect_geq(one.renewed, 25);
	cr_expect_geq(two.renewed, 25);
	cr_expect_eq(one.not_renewed + two.not_renewed, 0, "%s", one.why);
	cr_expect_gt(sent[0], 1000);
	cr_expect_gt(sent[1], 1000);
	cr_expect_eq(two.link->number, 77, "it is the same link");
}

Test(link_renew, idle)
{
	begin_stream();
	for (u32 i = 1; i <= 3; i++) {
		renew();
		WAIT(one.renewed == i && two.renewed == i);
	}
	turn_once();
	drained();
	run_for(50);
	cr_expect_null(one.link->renewal.spare);
}

Test(link_renew, due_by_what_was_sent_or_received)
{
	opener.renew_records = acceptor.renew_records = 60;
	begin_stream();
	cr_expect_not(link_renewal_due(one.link));
	while (!link_renewal_due(one.link)) {
		some_messages(&one, &sent[0]);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	drained();
	renew();
	cr_expect_not(link_renewal_due(one.link), "under way");
	WAIT(one.renewed == 1 && two.renewed == 1);
	cr_expect_not(link_renewal_due(one.link), "new keys");
	while (!link_renewal_due(one.link)) {
		some_messages(&two, &sent[1]);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_expect_not(link_renewal_due(two.link), "who has accepted it waits");
	drained();
}

Test(link_renew, only_one_at_a_time)
{
	struct wire_greeting g = { .renewal = 9 };

	begin_stream();
	renew();
	WAIT(two.link->renewal.rules.number);
	cr_expect_eq(link_take_renewal(two.link, NULL, &g), WIRE_NO_RENEWAL);
	WAIT(one.renewed == 1 && two.renewed == 1);
}

Test(link_renew, of_a_link_that_is_not_there)
{
	struct link *gone;

	begin_stream();
	gone = two.link;
	two.link = NULL; /* as the judge sees it */
	renew();
	WAIT(one.not_renewed == 1);
	cr_expect_str_eq(one.why, link_refusal(WIRE_NO_RENEWAL));
	two.link = gone;
	turn_once();
	drained();
	renew();
	WAIT(one.renewed == 1);
}

Test(link_renew, closed_in_the_middle)
{
	struct link *l;

	begin_stream();
	renew();
	WAIT(two.link->renewal.rules.number);
	some_messages(&one, &sent[0]);
	l = one.link;
	one.link = NULL;
	link_close(l);
	WAIT(two.down);
	cr_expect_eq(two.writes, sent[0], "what was sent before still arrives");
	cr_expect_not(one.down);
}

/* ---- an acceptor by hand ---- */

#define HANDS 3

static struct hand { /* the acceptor's end of a socket */
	struct conn *conn;
	bool opened, closed;
	u8 head[4096];
	size_t have;
} hand[HANDS]; /* of the old socket, of the next one, and of one more */
static u32 hands;
static u32 number; /* of the renewal, as one has said in its greeting */

static void hand_on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct hand *h = owner;

	cr_assert_leq(h->have + len, sizeof(h->head));
	memcpy(h->head + h->have, data, len);
	h->have += len;
}

static void hand_on_close(struct conn *c, const struct err *reason, void *owner)
{
	struct hand *h = owner;

	h->conn = NULL;
	h->closed = true;
}

static const struct conn_ops hand_ops = { .on_data = hand_on_data, .on_close = hand_on_close };

static void take_by_hand(struct conn *c)
{
	struct hand *h = &hand[hands++];

	cr_assert_leq(hands, HANDS);
	h->conn = c;
	h->opened = true;
	conn_set_ops(c, &hand_ops, h);
}

/* its greeting, and ours with that status and number */
static void greet_as(struct hand *h, u8 status, u32 renewal)
{
	struct wire_greeting g, answer;
	u8 out[WIRE_GREETING];

	WAIT(h->have >= WIRE_GREETING);
	cr_assert_eq(wire_get_greeting(h->head, &g), 0);
	h->have = 0;
	if (h != hand)
		number = g.renewal;
	answer = g;
	answer.from = g.to;
	answer.to = g.from;
	answer.status = status;
	answer.renewal = renewal ? renewal : g.renewal;
	wire_put_greeting(out, &answer);
	conn_write(h->conn, out, sizeof(out));
}

static void say(struct hand *h, u8 kind, u32 renewal)
{
	struct wire_link_msg m = { kind, renewal };
	u8 out[WIRE_HEADER];

	wire_put_link(out, &m);
	conn_write(h->conn, out, sizeof(out));
}

static void hear(struct hand *h, u8 kind)
{
	struct wire_link_msg m;

	WAIT(h->have >= WIRE_HEADER);
	cr_assert_eq(wire_get_link(h->head, &m), 0, "kind %u", h->head[0]);
	cr_expect_eq(m.kind, kind);
	cr_expect_eq(m.renewal, number);
	h->have -= WIRE_HEADER;
	memmove(h->head, h->head + WIRE_HEADER, h->have);
}

/* It goes on: a message each way, over that socket. */
static void alive_on(struct hand *h)
{
	struct repl_msg m = { .kind = REPL_MSG_JOIN };
	u32 got = one.got;
	u8 out[WIRE_HEADER];

	link_send(one.link, &m);
	WAIT(h->have >= WIRE_HEADER);
	cr_expect_eq(h->head[0], REPL_MSG_JOIN);
	h->have = 0;
	m.kind = REPL_MSG_READY;
	wire_put(out, &m);
	conn_write(h->conn, out, sizeof(out));
	WAIT(one.got == got + 1);
	cr_expect_not(one.down, "%s", one.why);
}

static void up_by_hand(u8 purpose)
{
	struct link_target t = target_of("b");

	accept_by_hand = take_by_hand;
	t.purpose = purpose;
	one.link = link_open(&opener, &t, &ops, &one, &one.account);
	greet_as(&hand[0], WIRE_WELCOME, 0);
	WAIT(one.up);
}

enum step {
	DIALLED,  /* the next socket is not greeted yet */
	GREETED,  /* one has it and has said READY */
	SENDS,    /* one has sent SWITCH */
	READS,    /* one has read SWITCH, too, and said SWITCHED */
	FINISHED, /* one has heard SWITCHED */
	STEPS
};

static void go_to(enum step step)
{
	up_by_hand(WIRE_SESSION);
	renew();
	WAIT(hand[1].have >= WIRE_GREETING);
	if (step >= GREETED) {
		greet_as(&hand[1], WIRE_WELCOME, 0);
		hear(&hand[0], WIRE_LINK_READY);
	}
	if (step >= SENDS) {
		say(&hand[0], WIRE_LINK_READY, number);
		hear(&hand[0], WIRE_LINK_SWITCH);
	}
	if (step >= READS) {
		say(&hand[0], WIRE_LINK_SWITCH, number);
		hear(&hand[1], WIRE_LINK_SWITCHED);
	}
	if (step >= FINISHED) {
		say(&hand[1], WIRE_LINK_SWITCHED, number);
		WAIT(one.renewed == 1);
		WAIT(hand[0].closed);
	}
}

static void let_go(void)
{
	run_for(50);
	for (u32 i = 0; i < HANDS; i++)
		if (hand[i].conn)
			conn_abort(hand[i].conn);
	WAIT(one.down || !one.link);
	WAIT(!hand[0].conn && !hand[1].conn && !hand[2].conn);
}

Test(link_renew, the_way_through)
{
	go_to(FINISHED);
	alive_on(&hand[1]);
	let_go();
}

Test(link_renew, next_dies_before_it_is_greeted)
{
	go_to(DIALLED);
	conn_abort(hand[1].conn);
	WAIT(one.not_renewed == 1);
	alive_on(&hand[0]);
	let_go();
}

Test(link_renew, next_dies_before_the_switch)
{
	go_to(GREETED);
	conn_abort(hand[1].conn);
	WAIT(one.not_renewed == 1);
	alive_on(&hand[0]);
	say(&hand[0], WIRE_LINK_READY, number); /* it had not noticed yet */
	alive_on(&hand[0]);
	say(&hand[0], WIRE_LINK_SWITCH, number);
	WAIT(one.down);
	let_go();
}

Test(link_renew, next_dies_and_the_other_side_has_another_already)
{
	go_to(GREETED);
	say(&hand[0], WIRE_LINK_READY, number + 1);
	alive_on(&hand[0]);
	conn_abort(hand[1].conn);
	WAIT(one.not_renewed == 1);
	renew();
	greet_as(&hand[2], WIRE_WELCOME, 0);
	hear(&hand[0], WIRE_LINK_READY);
	hear(&hand[0], WIRE_LINK_SWITCH);
	let_go();
}

Test(link_renew, next_dies_after_the_switch)
{
	go_to(SENDS);
	conn_abort(hand[1].conn);
	WAIT(one.down);
	let_go();
}

Test(link_renew, next_dies_after_both_switches)
{
	go_to(READS);
	conn_abort(hand[1].conn);
	WAIT(one.down);
	let_go();
}

Test(link_renew, old_dies_before_next_is_greeted)
{
	go_to(DIALLED);
	conn_abort(hand[0].conn);
	WAIT(one.down);
	WAIT(hand[1].closed);
}

Test(link_renew, old_dies_before_the_switch)
{
	go_to(GREETED);
	conn_abort(hand[0].conn);
	WAIT(one.down);
	WAIT(hand[1].closed);
}

Test(link_renew, old_dies_after_one_switch)
{
	go_to(SENDS);
	conn_abort(hand[0].conn);
	WAIT(one.down);
	WAIT(hand[1].closed);
}

Test(link_renew, old_dies_after_both_switches)
{
	go_to(READS);
	conn_abort(hand[0].conn);
	run_for(50);
	alive_on(&hand[1]);
	say(&hand[1], WIRE_LINK_SWITCHED, number);
	WAIT(one.renewed == 1);
	alive_on(&hand[1]);
	let_go();
}

Test(link_renew, refused)
{
	go_to(DIALLED);
	greet_as(&hand[1], WIRE_NO_RENEWAL, 0);
	WAIT(one.not_renewed == 1);
	cr_expect_str_eq(one.why, link_refusal(WIRE_NO_RENEWAL));
	alive_on(&hand[0]);
	let_go();
}

Test(link_renew, answered_by_who_does_not_know_it)
{
	go_to(DIALLED);
	greet_as(&hand[1], WIRE_WELCOME, 12345);
	WAIT(one.not_renewed == 1);
	cr_expect(strstr(one.why, "does not answer"), "%s", one.why);
	alive_on(&hand[0]);
	let_go();
}

Test(link_renew, ready_before_the_answer)
{
	struct wire_greeting g;

	go_to(DIALLED);
	cr_assert_eq(wire_get_greeting(hand[1].head, &g), 0);
	say(&hand[0], WIRE_LINK_READY, g.renewal);
	run_for(20);
	cr_expect_eq(hand[0].have, 0);
	greet_as(&hand[1], WIRE_WELCOME, 0);
	hear(&hand[0], WIRE_LINK_READY);
	hear(&hand[0], WIRE_LINK_SWITCH);
	let_go();
}

Test(link_renew, stale_ready)
{
	up_by_hand(WIRE_SESSION);
	say(&hand[0], WIRE_LINK_READY, 99);
	alive_on(&hand[0]);
	renew();
	greet_as(&hand[1], WIRE_WELCOME, 0);
	hear(&hand[0], WIRE_LINK_READY);
	say(&hand[0], WIRE_LINK_READY, number + 1);
	alive_on(&hand[0]);
	let_go();
}

Test(link_renew, what_comes_over_next_waits_for_the_switch)
{
	struct repl_msg m = { .kind = REPL_MSG_FLUSHED, .id = 1 };
	u8 out[WIRE_HEADER];

	go_to(SENDS);
	wire_put(out, &m);
	conn_write(hand[1].conn, out, sizeof(out)); /* overtakes */
	run_for(50);
	cr_expect_eq(one.got, 0);
	m.id = 2;
	wire_put(out, &m);
	conn_write(hand[0].conn, out, sizeof(out));
	say(&hand[0], WIRE_LINK_SWITCH, number);
	WAIT(one.got == 2);
	cr_expect_eq(one.first.id, 2);
	cr_expect_eq(one.last.id, 1);
	let_go();
}

/* ---- what breaks the rules ---- */

static void breaks(enum step step, u32 which, u8 kind)
{
	go_to(step);
	if (step == DIALLED)
		number = one.link->renewal.rules.number;
	say(&hand[which], kind, number);
	WAIT(one.down);
	cr_expect(strstr(one.why, "rules of renewals") || strstr(one.why, "after its SWITCH"), "%s",
		  one.why);
	let_go();
}

Test(link_renew, switch_without_next)
{
	breaks(DIALLED, 0, WIRE_LINK_SWITCH);
}

Test(link_renew, switch_without_ready)
{
	breaks(GREETED, 0, WIRE_LINK_SWITCH);
}

Test(link_renew, switched_before_the_switch)
{
	breaks(SENDS, 0, WIRE_LINK_SWITCHED);
}

Test(link_renew, two_switches)
{
	breaks(READS, 1, WIRE_LINK_SWITCH);
}

Test(link_renew, more_after_the_switch)
{
	breaks(READS, 0, WIRE_LINK_READY);
}

Test(link_renew, switched_twice)
{
	breaks(FINISHED, 1, WIRE_LINK_SWITCHED);
}

Test(link_renew, more_in_one_piece_with_the_switch)
{
	go_to(SENDS);
	conn_cork(hand[0].conn);
	say(&hand[0], WIRE_LINK_SWITCH, number);
	say(&hand[0], WIRE_LINK_READY, number);
	conn_uncork(hand[0].conn);
	WAIT(one.down);
	cr_expect(strstr(one.why, "after its SWITCH"), "%s", one.why);
	let_go();
}

Test(link_renew, switch_of_another)
{
	go_to(SENDS);
	say(&hand[0], WIRE_LINK_SWITCH, number + 1);
	WAIT(one.down);
	let_go();
}

Test(link_renew, knocks_are_not_renewed)
{
	up_by_hand(WIRE_KNOCK);
	opener.renew_records = 0;
	cr_expect_not(link_renewal_due(one.link));
	say(&hand[0], WIRE_LINK_READY, 5);
	WAIT(one.down);
	let_go();
}
