// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link_renew.c - a link goes over to another socket, with new keys, while it is
 * in use (docs/protocol.md#renewal): its owner and the order of its messages do
 * not notice. The next socket is opened and greeted as a link of its own; then
 * that one is the spare of the link it renews, which reads from one of the two
 * sockets and sends on one of them. Called by link.c.
 */
#include "replication/link_priv.h"

static void say(struct link *l, u8 kind)
{
	struct wire_link_msg m = { .kind = kind, .renewal = l->renewal.rules.number };
	u8 out[WIRE_HEADER];

	wire_put_link(out, &m);
	link_put(l, out, sizeof(out));
}

u32 link_renewal_number(struct link_set *s)
{
	if (++s->renewal == 0)
		s->renewal = 1;
	return s->renewal;
}

/* ---- beginning ---- */

bool link_renewal_due(const struct link *l)
{
	return l->state == LINK_UP && l->opened && l->purpose != WIRE_KNOCK &&
	       !l->renewal.rules.number &&
	       (conn_records(l->out) >= l->set->renew_records ||
		l->received >= l->set->renew_records);
}

static void adopt_spare(struct link *l, struct link *spare, u32 number)
{
	l->renewal.rules.number = number;
	l->renewal.spare = spare;
	spare->renews = l;
}

int link_renew(struct link *l, const struct link_target *t)
{
	struct link_target next = *t;
	struct link *spare;

	next.renewal = link_renewal_number(l->set);
	spare = link_open(l->set, &next, NULL, NULL, NULL);
	if (!spare)
		return -ENOMEM;
	adopt_spare(l, spare, next.renewal);
	return 0;
}

u8 link_take_renewal(struct link *l, struct link *next, const struct wire_greeting *g)
{
	if (l->state != LINK_UP || l->renewal.rules.number || l->purpose == WIRE_KNOCK)
		return WIRE_NO_RENEWAL;
	adopt_spare(l, next, g->renewal);
	return WIRE_WELCOME;
}

static void switch_out(struct link *l)
{
	struct link *spare = l->renewal.spare;

	say(l, WIRE_LINK_SWITCH);
	link_uncork(l);
	link_uncork(spare);
	l->out = spare->conn;
	spare->out = NULL;
}

static bool has_next(const struct link *l)
{
	return l->renewal.spare && l->renewal.spare->state == LINK_SPARE;
}

static void switch_if_ready(struct link *l)
{
	if (repl_renewal_switches(&l->renewal.rules, has_next(l)))
		switch_out(l);
}

void renewal_begin(struct link *l)
{
	say(l, WIRE_LINK_READY);
	switch_if_ready(l);
}

/* ---- the end of one ---- */

static void over(struct link *l, const char *why)
{
	repl_renewal_end(&l->renewal.rules);
	if (l->ops && l->ops->renewed)
		l->ops->renewed(l, why, l->owner);
}

/* no word of it any more to the link that it renewed */
static struct link *part(struct link *l)
{
	struct link *spare = l->renewal.spare;

	l->renewal.spare = NULL;
	if (spare)
		spare->renews = NULL;
	return spare;
}

static void close_spare(struct link *spare, bool flush)
{
	if (!spare)
		return;
	if (flush)
		link_uncork(spare);
	link_end(spare);
	if (spare->conn && flush)
		conn_close(spare->conn);
	else if (spare->conn)
		conn_abort(spare->conn);
}

void renewal_drop(struct link *l, bool flush)
{
	close_spare(part(l), flush);
	l->renewal = (struct link_renewal){ 0 };
}

void renewal_spare_down(struct link *spare, const char *why)
{
	struct link *l = spare->renews;
	struct repl_renewal *n = &l->renewal.rules;

	part(l);
	if (n->switched_in)
		return; /* it was the old socket; SWITCHED may still be on its way */
	if (n->switched_out)
		link_fail(l, why);
	else
		over(l, why);
}

/* ---- what the other side says ---- */

void renewal_on_message(struct link *l, const struct wire_link_msg *m)
{
	enum repl_renewal_step step = l->purpose == WIRE_KNOCK
					      ? REPL_RENEWAL_WRONG
					      : repl_renewal_hear(&l->renewal.rules, m);

	switch (step) {
	case REPL_RENEWAL_NOTHING:
		switch_if_ready(l);
		break;
	case REPL_RENEWAL_READ_ON:
		l->renewal.switch_read = true;
		break;
	case REPL_RENEWAL_OVER:
		close_spare(part(l), true);
		over(l, NULL);
		break;
	case REPL_RENEWAL_WRONG:
		link_complain(l->set, "peer=%s breaks the rules of renewals, hanging up", l->node);
		link_fail(l, "it breaks the rules of renewals");
		break;
	}
}

/* What had come over the next socket is read now, and the rest as it comes. */
void renewal_read_on(struct link *l, size_t behind)
{
	struct link *spare = l->renewal.spare;
	struct conn *old = l->conn;
	bool paused = l->paused;

	l->renewal.switch_read = false;
	if (behind > 0) {
		link_fail(l, "it goes on sending after its SWITCH");
		return;
	}
	l->renewal.rules.switched_in = true;
	l->conn = spare->conn;
	l->paused = spare->paused;
	l->received = 0;
	buf_release(&l->stash);
	l->stash = spare->stash;
	conn_set_ops(l->conn, &link_conn_ops, l);
	spare->conn = old;
	spare->paused = false;
	buf_init(&spare->stash, LINK_STASH_MAX);
	conn_set_ops(old, &link_conn_ops, spare);
	if (paused)
		conn_read_resume(old); /* its end is to be noticed */
	say(l, WIRE_LINK_SWITCHED);
	link_resume(l);
}

bool renewal_is_old(const struct link *spare)
{
	return spare->state == LINK_SPARE && spare->renews &&
	       spare->renews->renewal.rules.switched_in;
}
