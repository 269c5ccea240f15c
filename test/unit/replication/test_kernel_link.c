// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of kernel_link.c: links that are opened, judged and handed over; the
 * other node is a bare conn.
 */
#include "unit/replication/kernel_lab.h"

TestSuite(kernel_link, .init = setup, .fini = teardown, .timeout = 60);

static struct conn *peer;
static u8 greeting[WIRE_GREETING];
static u32 n_greeting;
static bool peer_closed;
static u8 verdict;
static u32 n_accepted, renewal; /* of the last greeting, or for the next */

static void peer_data(struct conn *c, const uint8_t *bytes, size_t len, void *owner)
{
	struct wire_greeting g;
	u8 out[WIRE_GREETING];

	for (size_t i = 0; i < len && n_greeting < WIRE_GREETING; i++)
		greeting[n_greeting++] = bytes[i];
	if (n_greeting < WIRE_GREETING || owner) /* owner: we opened it */
		return;
	cr_assert_eq(wire_get_greeting(greeting, &g), 0);
	cr_assert_eq(g.purpose, WIRE_SESSION);
	cr_assert_eq(g.from, 0);
	cr_assert_eq(g.to, 1);
	renewal = g.renewal;
	g.from = 1;
	g.to = 0;
	g.status = verdict;
	wire_put_greeting(out, &g);
	conn_write(c, out, sizeof(out));
}

static void peer_close(struct conn *c, const struct err *reason, void *owner)
{
	peer = NULL;
	peer_closed = true;
}

static const struct conn_ops peer_ops = { .on_data = peer_data, .on_close = peer_close };

static void on_accept(struct conn *c, void *arg)
{
	peer = c;
	n_accepted++;
	n_greeting = 0;
	conn_set_ops(c, &peer_ops, NULL);
}

static void listen_as_b(void)
{
	struct err err = { 0 };

	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, tls_b, 8, on_accept, NULL, &listener,
				  &err),
		     0, "%s", err.text);
	r.peer[1].port = listener_port(listener);
}

static void want_link(struct fake_resource *f)
{
	f->view.status.links_wanted = 2;
}

static void drop_link(struct fake_resource *f)
{
	f->view.status.links_up = 0;
	f->view.n_links = 0;
}

static bool is_link_given(void)
{
	return fake_count(RVOL_CMD_LINK_ADD, NULL) > 0;
}

static bool is_link_given_again(void)
{
	return fake_count(RVOL_CMD_LINK_ADD, NULL) > 1;
}

Test(kernel_link, a_link_that_is_wanted_is_opened_and_handed_over)
{
	struct kernel_request q;

	listen_as_b();
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up));
	show(want_link);
	cr_assert(wait_for(is_link_given));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_eq(q.link, RVOL_LINK_SLOT(1));
	cr_expect_eq(q.slot, 1);
	cr_expect(q.with & KERNEL_WITH(TLS));
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_LINK_ADD, NULL), 1);
	cr_expect(status.peer[1].connected);
	show(drop_link);
	cr_assert(wait_for(is_link_given_again), "it was lost");
}

static bool is_greeted(void)
{
	return n_greeting == WIRE_GREETING;
}

Test(kernel_link, a_refused_link_is_tried_again)
{
	listen_as_b();
	verdict = WIRE_NOT_READY;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up));
	show(want_link);
	cr_assert(wait_for(is_greeted));
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_LINK_ADD, NULL), 0);
	verdict = WIRE_WELCOME;
	cr_assert(wait_for(is_link_given));
}

static void peer_open(struct conn *c, void *owner)
{
	struct wire_greeting g = { .version = WIRE_VERSION, .purpose = *(u8 *)owner, .from = 1 };
	g.renewal = renewal;
	u8 out[WIRE_GREETING];

	memset(g.resource, 0xdb, sizeof(g.resource));
	memcpy(g.cluster, "\x12\x34\x56\x78\x12\x34\x42\x34\x82\x34\x12\x34\x56\x78\x90\x12", 16);
	wire_put_greeting(out, &g);
	conn_write(c, out, sizeof(out));
}

static const struct conn_ops opener_ops = {
	.on_open = peer_open,
	.on_data = peer_data,
	.on_close = peer_close,
};

static void give_to_plane(struct conn *c, void *arg)
{
	plane_kernel.accept(plane, c);
}

/* node b, or who says to be b, opens a link to us; the status of our answer */
static u8 open_as(struct tls *tls, u8 purpose)
{
	struct wire_greeting g;
	struct err err = { 0 };

	if (!listener) {
		cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, tls_a, 8, give_to_plane, NULL,
					  &listener, &err),
			     0, "%s", err.text);
		listener_for_kernel(listener, ALPN_DATA);
	}
	n_greeting = 0;
	peer_closed = false;
	peer = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", listener_port(listener),
				&opener_ops, &purpose);
	cr_assert(wait_for(is_greeted));
	cr_assert_eq(wire_get_greeting(greeting, &g), 0);
	return g.status;
}

static bool is_peer_closed(void)
{
	return peer_closed;
}

static void end_peer(void)
{
	if (peer)
		conn_abort(peer);
	cr_assert(wait_for(is_peer_closed));
}

Test(kernel_link, an_accepted_link_is_judged_and_handed_over)
{
	struct kernel_request q;
	u32 number;

	attach_copy();
	cr_expect_eq(open_as(tls_a, WIRE_SESSION), WIRE_BAD_SLOT, "it is not node b");
	end_peer();
	cr_expect_eq(open_as(tls_b, 7), WIRE_BAD_VERSION);
	end_peer();
	cr_expect_eq(fake_count(RVOL_CMD_LINK_ADD, NULL), 0);
	cr_expect_eq(open_as(tls_b, WIRE_SESSION), WIRE_WELCOME);
	cr_assert(wait_for(is_link_given));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_geq(q.link, RVOL_LINK_FIRST);
	cr_expect_eq(q.slot, 1);
	number = q.link;
	end_peer();
	cr_expect_eq(open_as(tls_b, WIRE_SESSION), WIRE_WELCOME);
	cr_assert(wait_for(is_link_given_again));
	cr_expect_eq(fake_count(RVOL_CMD_LINK_DEL, &q), 1, "the former one is taken down");
	cr_expect_eq(q.link, number);
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_gt(q.link, number);
	end_peer();
}

static bool is_healing(void)
{
	struct kernel_request q;

	return fake_count(RVOL_CMD_HEAL, &q) > 0 && q.on;
}

static bool is_healed(void)
{
	struct kernel_request q;

	return fake_count(RVOL_CMD_HEAL, &q) > 1 && !q.on;
}

Test(kernel_link, who_knocks_is_healed)
{
	attach_copy();
	cr_expect_eq(open_as(tls_b, WIRE_KNOCK), WIRE_WELCOME);
	cr_assert(wait_for(is_healing));
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_HEAL, NULL), 1);
	end_peer();
	cr_assert(wait_for(is_healed));
	cr_expect_eq(fake_count(RVOL_CMD_LINK_ADD, NULL), 0, "a knock stays here");
}

/* ---- renewal ---- */

static void wear_out(struct fake_resource *f)
{
	f->view.link[0].sent = LINK_RENEW_RECORDS;
}

static void receive_much(struct fake_resource *f)
{
	f->view.link[0].received = LINK_RENEW_RECORDS;
}

static void renew(struct fake_resource *f)
{
	f->view.link[0].renewing = 0;
	f->view.link[0].renewed++;
	f->view.link[0].sent = f->view.link[0].received = 0;
}

static void drop_next(struct fake_resource *f)
{
	f->view.link[0].renewing = 0;
}

static void up_with_link(void)
{
	listen_as_b();
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up));
	show(want_link);
	cr_assert(wait_for(is_link_given));
	settle();
	cr_assert_eq(n_accepted, 1);
	cr_expect_eq(renewal, 0);
}

static bool is_accepted_again(void)
{
	return n_accepted > 1 && is_greeted();
}

static bool is_renewed_twice(void)
{
	return fake_count(RVOL_CMD_LINK_ADD, NULL) > 2;
}

Test(kernel_link, a_link_is_renewed_when_its_keys_are_nearly_worn_out)
{
	struct kernel_request q;
	u32 number;

	up_with_link();
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_eq(q.renew_at, LINK_RENEW_RECORDS);
	cr_expect(q.with & KERNEL_WITH(RENEW_AT));
	show(wear_out);
	cr_assert(wait_for(is_link_given_again));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect(q.with & KERNEL_WITH(RENEW));
	cr_expect_eq(q.link, RVOL_LINK_SLOT(1));
	cr_expect_eq(q.slot, 1);
	cr_expect_neq(renewal, 0);
	cr_expect_eq(q.renew, renewal, "as it was greeted");
	number = renewal;
	settle();
	cr_expect_eq(n_accepted, 2, "one at a time");
	show(renew);
	settle();
	cr_expect_eq(n_accepted, 2, "it is over");
	show(receive_much);
	cr_assert(wait_for(is_renewed_twice));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_neq(q.renew, number);
	cr_expect_eq(fake_count(RVOL_CMD_LINK_DEL, NULL), 0);
}

Test(kernel_link, a_renewal_that_is_refused_changes_nothing)
{
	up_with_link();
	verdict = WIRE_NO_RENEWAL;
	show(wear_out);
	cr_assert(wait_for(is_accepted_again));
	settle();
	cr_expect_eq(n_accepted, 2, "it is not asked again at once");
	cr_expect_eq(fake_count(RVOL_CMD_LINK_ADD, NULL), 1);
	cr_expect_eq(fake_count(RVOL_CMD_LINK_DEL, NULL), 0);
	cr_expect(status.peer[1].connected);
}

Test(kernel_link, a_renewal_that_the_module_gives_up)
{
	up_with_link();
	show(wear_out);
	cr_assert(wait_for(is_link_given_again));
	settle();
	show(drop_next);
	settle();
	cr_expect_eq(n_accepted, 2, "it is tried again later");
	cr_expect(status.peer[1].connected);
}

Test(kernel_link, a_renewal_that_the_module_refuses)
{
	up_with_link();
	pthread_mutex_lock(&fake.lock);
	fake.refuse = -EBUSY;
	fake.refuse_cmd = RVOL_CMD_LINK_ADD;
	pthread_mutex_unlock(&fake.lock);
	show(wear_out);
	cr_assert(wait_for(is_link_given_again));
	settle();
	cr_expect_eq(n_accepted, 2);
	cr_expect(status.peer[1].connected);
}

Test(kernel_link, a_link_that_ends_while_it_is_renewed)
{
	struct kernel_request q;

	up_with_link();
	show(wear_out);
	cr_assert(wait_for(is_link_given_again));
	show(drop_link);
	cr_assert(wait_for(is_renewed_twice));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_not(q.with & KERNEL_WITH(RENEW), "another link");
	cr_expect_eq(renewal, 0);
}

Test(kernel_link, an_accepted_link_is_renewed_by_who_opened_it)
{
	struct kernel_request q;
	u32 number;

	attach_copy();
	renewal = 7;
	cr_expect_eq(open_as(tls_b, WIRE_SESSION), WIRE_NO_RENEWAL, "there is none");
	end_peer();
	renewal = 0;
	cr_expect_eq(open_as(tls_b, WIRE_SESSION), WIRE_WELCOME);
	cr_assert(wait_for(is_link_given));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_eq(q.purpose, RVOL_PURPOSE_SESSION);
	number = q.link;
	end_peer();
	renewal = 7;
	cr_expect_eq(open_as(tls_b, WIRE_PULL), WIRE_NO_RENEWAL, "it is another purpose's");
	end_peer();
	cr_expect_eq(open_as(tls_b, WIRE_SESSION), WIRE_WELCOME);
	cr_assert(wait_for(is_link_given_again));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_eq(q.link, number);
	cr_expect_eq(q.slot, 1);
	cr_expect_eq(q.renew, 7);
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_LINK_DEL, NULL), 0, "the link stays");
	end_peer();
}

static void accepted_before(struct fake_resource *f)
{
	fake_list(f, 70, 1, RVOL_PURPOSE_PULL);
	f->view.status.accepted[1] = 1;
}

Test(kernel_link, a_link_that_a_former_life_has_accepted_is_renewed)
{
	struct kernel_request q;

	attach_copy();
	show(accepted_before);
	settle();
	renewal = 9;
	cr_expect_eq(open_as(tls_b, WIRE_PULL), WIRE_WELCOME);
	cr_assert(wait_for(is_link_given));
	fake_count(RVOL_CMD_LINK_ADD, &q);
	cr_expect_eq(q.link, 70);
	cr_expect_eq(q.renew, 9);
	end_peer();
	renewal = 0;
	cr_expect_eq(open_as(tls_b, WIRE_PULL), WIRE_WELCOME);
	cr_assert(wait_for(is_link_given_again));
	cr_expect_eq(fake_count(RVOL_CMD_LINK_DEL, &q), 1, "one of its own replaces it");
	cr_expect_eq(q.link, 70);
	end_peer();
}
