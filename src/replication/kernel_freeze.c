// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_freeze.c - the module holds the application's writes for a moment, and
 * keeps the deadline. FREEZE only begins it: that it holds is seen in the
 * status. Nothing of a freeze is kept here but who waits for it to hold.
 */
#include "base/clock.h"
#include "base/log.h"
#include "replication/kernel_resource.h"

#define MS REPL_MS
#define LATE_MS 500 /* after the deadline: the module should have said something */

static struct plane_freeze *take_asked(struct kernel_resource *k)
{
	struct plane_freeze *f = k->freezing;

	k->freezing = NULL;
	return f;
}

void kernel_freeze_drop(struct kernel_resource *k, const char *why)
{
	if (k->freezing)
		plane_freeze_done(take_asked(k), -ETIMEDOUT, "%s", why);
}

void kernel_freeze(struct kernel_resource *k, struct plane_freeze *f)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_FREEZE);
	struct err err = { 0 };
	u64 now = clock_boot_ns();

	if (now + MS > f->until) {
		plane_freeze_done(f, -ETIMEDOUT, "the deadline has passed");
		return;
	}
	q.with = KERNEL_WITH(TOKEN) | KERNEL_WITH(DEADLINE_MS);
	q.token = f->token;
	q.deadline_ms = (u32)((f->until - now) / MS);
	if (kernel_ask_module(k, &q, &err) < 0) {
		plane_freeze_done(f, err.code, "%s", err.text);
		return;
	}
	/* it is not seen here yet that the one before has ended */
	kernel_freeze_drop(k, "the freeze has ended, and another has begun");
	k->freezing = f;
	k->l.known = false;
	kernel_settle_soon(k);
}

static int thaw(struct kernel_resource *k, u64 token, struct err *err)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_THAW);

	q.with = KERNEL_WITH(TOKEN);
	q.token = token;
	k->l.known = false; /* who waits for the freeze is told */
	kernel_settle_soon(k);
	return kernel_ask_module(k, &q, err);
}

void kernel_thaw(struct kernel_resource *k, struct plane_freeze *f)
{
	struct err err = { 0 };

	if (thaw(k, f->token, &err) < 0)
		plane_freeze_done(f, err.code, "%s", err.text);
	else
		plane_freeze_done(f, 0, NULL);
}

void kernel_freeze_seen(struct kernel_resource *k)
{
	const struct rvol_status *s = &k->view.status;
	bool own = k->freezing && s->freeze_token == k->freezing->token;
	struct err err = { 0 };
	struct plane_freeze *f;

	if (!k->freezing || (own && (s->flags & RVOL_STATUS_FREEZING)))
		return;
	f = take_asked(k);
	if (own && (s->flags & RVOL_STATUS_FROZEN))
		plane_freeze_done(f, 0, NULL);
	else if (own && (s->flags & RVOL_STATUS_LAPSED) && thaw(k, f->token, &err) < 0)
		plane_freeze_done(f, -ETIMEDOUT, "%s", err.text); /* it says why */
	else
		plane_freeze_done(f, -ECANCELED, "it was thawed before it held");
}

u64 kernel_freeze_due(const struct kernel_resource *k)
{
	return k->freezing ? k->freezing->until + LATE_MS * MS : UINT64_MAX;
}
