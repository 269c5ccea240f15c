// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_renew.c - links that the kernel module has are renewed before their
 * keys are worn out (docs/protocol.md#renewal): the next socket is opened, or
 * taken from who opened the link, greeted here and handed over. What follows is
 * the module's; its status tells when it is over. A renewal that does not succeed
 * leaves the link as it was. Called by kernel_link.c.
 */
#include "base/clock.h"
#include "base/log.h"
#include "replication/kernel_resource.h"

static struct kernel_renewal *renewal_of(struct kernel_resource *k, const struct link *l)
{
	for (u32 i = 0; i <= KERNEL_DIAL_PULL; i++)
		if (k->dial[i].renewal.link == l)
			return &k->dial[i].renewal;
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (k->accepted[i].used && k->accepted[i].renewal.link == l)
			return &k->accepted[i].renewal;
	return NULL;
}

void kernel_renewal_drop(struct kernel_renewal *n)
{
	if (n->link)
		link_close(n->link);
	*n = (struct kernel_renewal){ 0 };
}

/* ---- the next socket, until it is handed over ---- */

static void on_up(struct link *l, void *owner)
{
	struct kernel_resource *k = owner;
	struct kernel_renewal *n = renewal_of(k, l);

	n->greeted = true;
	n->greeted_at = clock_boot_ns();
	kernel_settle_soon(k);
}

static bool takes_nothing(struct link *l, void *owner)
{
	return false; /* it is for the module */
}

static void drop_message(struct link *l, struct repl_msg *m, void *owner)
{
	payload_put(payload_of(m->buf));
}

/* said once, until one succeeds */
static void dial_failed(struct kernel_resource *k, struct kernel_renewal *n, const char *node,
			const char *why)
{
	if (!n->said)
		log_warn("link",
			 "volume=%s peer=%s goes on with its old keys, cannot be renewed: %s",
			 k->r.name, node, why);
	*n = (struct kernel_renewal){
		.said = true,
		.not_before = clock_boot_ns() + LINK_RENEW_RETRY_MS * REPL_MS,
	};
	kernel_settle_soon(k);
}

static void dial_down(struct link *l, const char *why, void *owner)
{
	struct kernel_resource *k = owner;

	dial_failed(k, renewal_of(k, l), l->node, why);
}

static void accepted_down(struct link *l, const char *why, void *owner)
{
	struct kernel_resource *k = owner;

	*renewal_of(k, l) = (struct kernel_renewal){ 0 };
}

static const struct link_ops dial_ops = {
	.up = on_up,
	.takes = takes_nothing,
	.message = drop_message,
	.down = dial_down,
};
static const struct link_ops accepted_ops = {
	.up = on_up,
	.takes = takes_nothing,
	.message = drop_message,
	.down = accepted_down,
};

/* 0: it is the module's. -EAGAIN: not yet. Else the link is as it was. */
static int give(struct kernel_resource *k, struct kernel_renewal *n, u32 number, u8 slot, u64 now,
		struct err *err)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_LINK_ADD);
	struct link *l = n->link;
	bool gone;
	int rv;

	q.with = KERNEL_WITH(RENEW);
	q.renew = n->number;
	q.link = number;
	q.slot = slot;
	rv = kernel_link_give(k, l, &q, &gone, err);
	if (rv == -EAGAIN && now < n->greeted_at + LINK_GREETING_MS * REPL_MS)
		return rv;
	n->link = NULL;
	if (rv < 0 && !gone)
		link_close(l);
	return rv < 0 && rv == -EAGAIN ? -ETIMEDOUT : rv;
}

/* ---- of links opened here ---- */

static bool is_due(const struct kernel_resource *k, const struct rvol_link_info *info)
{
	u64 most = k->env->plane.links.renew_records;

	return !info->renewing && (info->sent >= most || info->received >= most);
}

static const struct rvol_link_info *info_of(const struct kernel_resource *k,
					    const struct kernel_dial *d)
{
	const struct rvol_link_info *info = kernel_view_link(&k->view, kernel_dial_number(k, d));

	return d->in_kernel && info && info->slot == d->to ? info : NULL;
}

static void begin(struct kernel_resource *k, struct kernel_dial *d,
		  const struct rvol_link_info *info)
{
	struct kernel_renewal *n = &d->renewal;
	struct link_target t = kernel_dial_target(k, d);

	t.renewal = link_renewal_number(&k->env->plane.links);
	n->link = link_open(&k->env->plane.links, &t, &dial_ops, k, &k->account);
	if (!n->link) {
		dial_failed(k, n, t.node, "no memory");
		return;
	}
	n->greeted = false;
	n->number = t.renewal;
	n->renewed = info->renewed;
}

/* The module has shown what became of it. */
static void end(struct kernel_resource *k, struct kernel_dial *d, const struct rvol_link_info *info)
{
	const char *node = k->r.peer[d->to].node;

	if (info->renewed == d->renewal.renewed) {
		dial_failed(k, &d->renewal, node, "its next connection has ended");
		return;
	}
	d->renewal = (struct kernel_renewal){ 0 };
	log_info("link", "volume=%s peer=%s renewed", k->r.name, node);
}

static void dial_settle(struct kernel_resource *k, struct kernel_dial *d, u64 now)
{
	const struct rvol_link_info *info = info_of(k, d);
	struct kernel_renewal *n = &d->renewal;
	struct err err = { 0 };
	int rv;

	if (!info)
		return; /* it is on its way here, or gone: kernel_links_seen */
	if (n->link && n->greeted) {
		rv = give(k, n, info->number, d->to, now, &err);
		if (rv < 0 && rv != -EAGAIN)
			dial_failed(k, n, k->r.peer[d->to].node, err.text);
	} else if (n->number && !n->link && k->l.known && info->renewing != n->number) {
		end(k, d, info);
	} else if (!n->number && now >= n->not_before && is_due(k, info)) {
		begin(k, d, info);
	}
}

/* ---- of links opened by others ---- */

u8 kernel_renewal_judge(struct kernel_resource *k, struct link *l, const struct wire_greeting *g)
{
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++) {
		struct kernel_accepted *a = &k->accepted[i];

		if (!a->used || a->slot != g->from || a->purpose != g->purpose)
			continue;
		if (a->link || a->renewal.link)
			return WIRE_NO_RENEWAL;
		a->renewal = (struct kernel_renewal){ .link = l, .number = g->renewal };
		link_adopt(l, a->number, &accepted_ops, k, &k->account);
		return WIRE_WELCOME;
	}
	return WIRE_NO_RENEWAL;
}

static void accepted_settle(struct kernel_resource *k, struct kernel_accepted *a, u64 now)
{
	struct kernel_renewal *n = &a->renewal;
	struct err err = { 0 };
	int rv;

	if (!a->used || !n->link || !n->greeted)
		return;
	rv = give(k, n, a->number, a->slot, now, &err);
	if (rv == -EAGAIN)
		return;
	if (rv < 0) /* who has opened it says more */
		log_debug("link", "volume=%s peer=%s a renewal is not taken: %s", k->r.name,
			  k->r.peer[a->slot].node, err.text);
	*n = (struct kernel_renewal){ 0 };
}

/* ---- all of them ---- */

void kernel_renewals_settle(struct kernel_resource *k, u64 now)
{
	for (u32 i = 0; i <= KERNEL_DIAL_PULL; i++)
		dial_settle(k, &k->dial[i], now);
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		accepted_settle(k, &k->accepted[i], now);
}

static bool waits_to_go(const struct kernel_renewal *n)
{
	return n->link && n->greeted;
}

u64 kernel_renewals_due(const struct kernel_resource *k, u64 now)
{
	u64 due = UINT64_MAX;

	for (u32 i = 0; i <= KERNEL_DIAL_PULL; i++) {
		const struct kernel_renewal *n = &k->dial[i].renewal;
		const struct rvol_link_info *info = info_of(k, &k->dial[i]);

		if (waits_to_go(n))
			due = PORT_MIN(due, now + KERNEL_HAND_MS * REPL_MS);
		else if (info && !n->number && is_due(k, info))
			due = PORT_MIN(due, PORT_MAX(n->not_before, now + 1));
	}
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (k->accepted[i].used && waits_to_go(&k->accepted[i].renewal))
			due = PORT_MIN(due, now + KERNEL_HAND_MS * REPL_MS);
	return due;
}
