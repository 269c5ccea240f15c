// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link_renew.c - the stream of a link goes over to another socket, with new
 * keys, while it is in use (docs/protocol.md#renewal): no message is lost,
 * doubled or out of order, and the core does not hear of it. sdsd brings the
 * next socket; all of this is done with the mutex of the resource held.
 */
#include "link.h"
#include "trace.h"

static void begin(struct rvol_link *l, struct link_sock *next, u32 number)
{
	l->renewal.rules.number = number;
	l->renewal.other = next;
	l->r->changed = true;
	link_say(l, WIRE_LINK_READY, number, NULL);
}

static void over(struct rvol_link *l)
{
	struct link_renewal *rn = &l->renewal;

	link_sock_shut(rn->other);
	link_sock_put(rn->other);
	rn->other = NULL;
	repl_renewal_end(&rn->rules);
	l->r->changed = true;
}

static void switch_if_ready(struct rvol_link *l)
{
	struct link_renewal *rn = &l->renewal;

	if (repl_renewal_switches(&rn->rules, rn->other))
		link_say(l, WIRE_LINK_SWITCH, rn->rules.number, rn->other);
}

int renewal_admit(struct rvol_link *l, struct link_sock *next, const struct rvol_link_order *o,
		  const char **ret_why)
{
	*ret_why = "no link of that number is up that could be renewed";
	if (!l)
		return -ENOENT;
	*ret_why = "the link of that number is another slot's";
	if (l->slot != o->slot)
		return -EINVAL;
	*ret_why = "the link is being renewed already";
	if (l->renewal.rules.number)
		return -EBUSY;
	*ret_why = "the socket is somebody else's already";
	if (!link_sock_attach(next, l))
		return -EBUSY;
	begin(l, next, o->renew);
	switch_if_ready(l);
	return 0;
}

/* What had come over the next socket before it was handed over is read now, then the rest. */
static bool read_on(struct rvol_link *l)
{
	struct link_sock *old = l->now;

	if (l->ahead) {
		link_give_up(l, "it goes on sending after its SWITCH");
		return false;
	}
	WRITE_ONCE(l->now, l->renewal.other);
	l->renewal.other = old;
	l->renewal.rules.switched_in = true;
	l->ahead = l->now->ahead;
	l->ahead_len = l->now->ahead_len;
	l->drained = false;
	l->rx_records = 0;
	link_say(l, WIRE_LINK_SWITCHED, l->renewal.rules.number, NULL);
	return true;
}

bool renewal_on_message(struct rvol_link *l, const struct wire_link_msg *m)
{
	trace_rvol_renewal(l->r, l->number, false, m);
	switch (repl_renewal_hear(&l->renewal.rules, m)) {
	case REPL_RENEWAL_NOTHING:
		switch_if_ready(l);
		return true;
	case REPL_RENEWAL_READ_ON:
		return read_on(l);
	case REPL_RENEWAL_OVER:
		over(l);
		l->renewed++;
		return true;
	default:
		link_give_up(l, "it breaks the rules of renewals");
		return false;
	}
}

static bool is_due(const struct rvol_link *l)
{
	return l->renew_at &&
	       (l->rx_records >= l->renew_at || READ_ONCE(l->tx_records) >= l->renew_at);
}

void renewal_settle(struct rvol_link *l)
{
	struct link_renewal *rn = &l->renewal;

	if (is_due(l) != l->due) {
		l->due = !l->due;
		l->r->changed |= l->due;
	}
	/* what becomes of the old socket after SWITCH does not matter: all of it was read */
	if (!rn->other || rn->rules.switched_in || !link_sock_ended(rn->other))
		return;
	if (rn->rules.switched_out)
		link_give_up(l, "its next socket has ended");
	else
		over(l);
}
