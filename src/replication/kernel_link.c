// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_link.c - the links of a resource of the kernel module. They are opened,
 * judged and greeted here, as those of a volume (volume_link.c); then the socket
 * goes to the module, which tells by its status what became of it. Knock links
 * stay: nothing is said on them. Called by kernel_resource.c when it settles.
 */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "replication/kernel_resource.h"

static u32 index_of(const struct kernel_resource *k, const struct kernel_dial *d)
{
	return (u32)(d - k->dial);
}

u32 kernel_dial_number(const struct kernel_resource *k, const struct kernel_dial *d)
{
	u32 i = index_of(k, d);

	return i == KERNEL_DIAL_PULL ? RVOL_LINK_PULL : RVOL_LINK_SLOT(i);
}

static u8 purpose_of(const struct kernel_resource *k, const struct kernel_dial *d)
{
	u32 i = index_of(k, d);

	if (i == KERNEL_DIAL_KNOCK)
		return WIRE_KNOCK;
	return i == KERNEL_DIAL_PULL ? WIRE_PULL : WIRE_SESSION;
}

/* whatever it answers: one that is not there is what was wanted */
static void delete_link(struct kernel_resource *k, u32 number)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_LINK_DEL);

	q.with = KERNEL_WITH(LINK);
	q.link = number;
	kernel_ask_module(k, &q, NULL);
	k->l.known = false;
}

/* ---- handing over ---- */

int kernel_link_give(struct kernel_resource *k, struct link *l, struct kernel_request *q,
		     bool *ret_gone, struct err *err)
{
	size_t len = 0;
	u8 *ahead = NULL;
	int rv;

	*ret_gone = false;
	rv = link_to_kernel(l, &q->fd, &ahead, &len, err);
	if (rv < 0)
		return rv;
	*ret_gone = true;
	q->with |= KERNEL_WITH(LINK) | KERNEL_WITH(SLOT) | KERNEL_WITH(FD) | KERNEL_WITH(TLS);
	if (len > 0) {
		q->with |= KERNEL_WITH(AHEAD);
		q->ahead = ahead;
		q->ahead_len = (u32)len;
	}
	if (len > KERNEL_AHEAD_MAX)
		rv = err_set(err, -EMSGSIZE, "%zu bytes were read ahead", len);
	else
		rv = kernel_ask_module(k, q, err);
	close(q->fd);
	free(ahead);
	k->l.known = false;
	return rv;
}

/* true: not yet, and there is time */
static bool again(int status, u64 since, u64 now)
{
	return status == -EAGAIN && now < since + LINK_GREETING_MS * REPL_MS;
}

/* ---- links opened here ---- */

static struct kernel_dial *dial_of(struct kernel_resource *k, const struct link *l)
{
	for (u32 i = 0; i < KERNEL_DIALS; i++)
		if (k->dial[i].link == l)
			return &k->dial[i];
	return NULL;
}

/* once, not with each attempt */
static void say(struct kernel_resource *k, struct kernel_dial *d, const char *what, const char *why)
{
	if (strncmp(d->said, why, sizeof(d->said) - 1) == 0)
		return;
	snprintf(d->said, sizeof(d->said), "%s", why);
	log_warn("link", "volume=%s peer=%s %s: %s", k->r.name, k->r.peer[d->to].node, what, why);
}

/* The module waits for a link for pulls until it hears that this source does not answer. */
static void dial_failed(struct kernel_resource *k, struct kernel_dial *d, const char *why, u64 now)
{
	say(k, d, "no link", why);
	link_pace(&d->pace, d->greeted, now);
	d->link = NULL;
	d->greeted = false;
	if (index_of(k, d) == KERNEL_DIAL_PULL)
		delete_link(k, RVOL_LINK_PULL);
	kernel_settle_soon(k);
}

static void dial_up(struct link *l, void *owner)
{
	struct kernel_resource *k = owner;
	struct kernel_dial *d = dial_of(k, l);

	d->greeted = true;
	d->greeted_at = d->pace.up_at = clock_boot_ns();
	kernel_settle_soon(k); /* not in here: link.c is not done with it */
}

static void dial_down(struct link *l, const char *why, void *owner)
{
	struct kernel_resource *k = owner;

	dial_failed(k, dial_of(k, l), why, clock_boot_ns());
}

static bool takes_nothing(struct link *l, void *owner)
{
	return false; /* it is for the module */
}

static bool takes_all(struct link *l, void *owner)
{
	return true;
}

static void drop_message(struct link *l, struct repl_msg *m, void *owner)
{
	payload_put(payload_of(m->buf));
}

static const struct link_ops dial_ops = {
	.up = dial_up,
	.takes = takes_nothing,
	.message = drop_message,
	.down = dial_down,
};
/* nothing is said on it, either way */
static const struct link_ops knock_ops = {
	.up = dial_up,
	.takes = takes_all,
	.message = drop_message,
	.down = dial_down,
};

static u8 slot_for(struct kernel_resource *k, const struct kernel_dial *d)
{
	u32 i = index_of(k, d);

	if (i == KERNEL_DIAL_KNOCK)
		return (u8)(k->knock_slot = plane_next_member(&k->r, k->knock_slot));
	return i == KERNEL_DIAL_PULL ? k->view.status.pull_slot : (u8)i;
}

struct link_target kernel_dial_target(const struct kernel_resource *k, const struct kernel_dial *d)
{
	const struct plane_peer *peer = &k->r.peer[d->to];
	struct link_target t = {
		.host = peer->address,
		.node = peer->node,
		.port = peer->port,
		.purpose = purpose_of(k, d),
		.from = (u8)k->r.self,
		.to = d->to,
		.number = kernel_dial_number(k, d),
	};

	memcpy(t.resource, k->r.uuid, sizeof(t.resource));
	return t;
}

static void dial(struct kernel_resource *k, struct kernel_dial *d, u64 now)
{
	bool knock = index_of(k, d) == KERNEL_DIAL_KNOCK;
	struct link_target t;

	d->to = slot_for(k, d);
	d->greeted = false;
	t = kernel_dial_target(k, d);
	d->link =
		link_open(&k->env->plane.links, &t, knock ? &knock_ops : &dial_ops, k, &k->account);
	if (!d->link)
		link_pace(&d->pace, false, now);
}

static void hang_up(struct kernel_dial *d)
{
	struct link *l = d->link;

	if (!l)
		return;
	d->link = NULL;
	link_pace(&d->pace, d->greeted, clock_boot_ns());
	d->greeted = false;
	link_close(l);
}

static void give_dial(struct kernel_resource *k, struct kernel_dial *d, u64 now)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_LINK_ADD);
	struct link *l = d->link;
	struct err err = { 0 };
	bool gone;
	int rv;

	q.with = KERNEL_WITH(RENEW_AT);
	q.renew_at = k->env->plane.links.renew_records;
	q.link = kernel_dial_number(k, d);
	q.slot = d->to;
	rv = kernel_link_give(k, l, &q, &gone, &err);
	if (again(rv, d->greeted_at, now))
		return;
	if (rv < 0) {
		dial_failed(k, d, err.text, now);
		if (!gone)
			link_close(l);
		return;
	}
	if (d->said[0])
		log_info("link", "volume=%s peer=%s connected", k->r.name, k->r.peer[d->to].node);
	d->said[0] = '\0';
	d->link = NULL;
	d->greeted = false;
	d->in_kernel = true;
}

static void dial_settle(struct kernel_resource *k, struct kernel_dial *d, bool want, u64 now)
{
	bool knock = index_of(k, d) == KERNEL_DIAL_KNOCK;

	if (index_of(k, d) == KERNEL_DIAL_PULL && d->link && d->to != k->view.status.pull_slot)
		hang_up(d);
	if (!want && d->link) {
		hang_up(d);
		d->pace.next_at = 0; /* wanted again, it is dialled at once */
	}
	if (!want && d->in_kernel && index_of(k, d) < KERNEL_DIAL_PULL)
		delete_link(k, kernel_dial_number(k, d));
	if (want && !d->link && !d->in_kernel && now >= d->pace.next_at)
		dial(k, d, now);
	if (d->link && d->greeted && !knock)
		give_dial(k, d, now);
}

/* ---- links opened by others ---- */

static struct kernel_accepted *accepted_of(struct kernel_resource *k, const struct link *l)
{
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (k->accepted[i].used && k->accepted[i].link == l)
			return &k->accepted[i];
	return NULL;
}

static void accepted_end(struct kernel_resource *k, struct kernel_accepted *a)
{
	a->used = false;
	kernel_renewal_drop(&a->renewal);
	if (a->link)
		link_close(a->link);
	else
		delete_link(k, a->number);
	a->link = NULL;
}

static void accepted_up(struct link *l, void *owner)
{
	struct kernel_resource *k = owner;
	struct kernel_accepted *a = accepted_of(k, l);

	a->greeted = true;
	a->greeted_at = clock_boot_ns();
	kernel_settle_soon(k);
}

static void accepted_down(struct link *l, const char *why, void *owner)
{
	struct kernel_resource *k = owner;
	struct kernel_accepted *a = accepted_of(k, l);

	log_debug("link", "volume=%s peer=%s its link ended: %s", k->r.name, l->node, why);
	a->used = false;
	a->link = NULL;
	kernel_settle_soon(k);
}

static const struct link_ops accepted_ops = {
	.up = accepted_up,
	.takes = takes_nothing,
	.message = drop_message,
	.down = accepted_down,
};
static const struct link_ops knocked_ops = {
	.up = accepted_up,
	.takes = takes_all,
	.message = drop_message,
	.down = accepted_down,
};

/* A peer has one link of a purpose. It opens another when it knows that the old one is dead, which
 * the module may not have noticed yet. */
static void replace_old(struct kernel_resource *k, const struct wire_greeting *g)
{
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++) {
		struct kernel_accepted *a = &k->accepted[i];

		if (a->used && a->slot == g->from && a->purpose == g->purpose)
			accepted_end(k, a);
	}
}

u8 kernel_links_judge(struct kernel_resource *k, struct link *l, const struct wire_greeting *g)
{
	u8 status = link_judge(l, g, &k->r);
	struct kernel_accepted *a;

	if (status != WIRE_WELCOME)
		return status;
	if (!kernel_takes_links(&k->r, &k->view, &k->l) || !plane_has_disk(&k->r))
		return WIRE_NOT_READY;
	if (g->renewal)
		return kernel_renewal_judge(k, l, g);
	replace_old(k, g);
	for (a = k->accepted; a < k->accepted + REPL_ACCEPTED_MAX && a->used; a++)
		;
	if (a == k->accepted + REPL_ACCEPTED_MAX)
		return WIRE_NOT_READY; /* not reached: 16 slots, three purposes */
	*a = (struct kernel_accepted){
		.used = true,
		.link = l,
		.number = k->next_link++,
		.slot = g->from,
		.purpose = g->purpose,
	};
	link_adopt(l, a->number, g->purpose == WIRE_KNOCK ? &knocked_ops : &accepted_ops, k,
		   &k->account);
	return WIRE_WELCOME;
}

static void give_accepted(struct kernel_resource *k, struct kernel_accepted *a, u64 now)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_LINK_ADD);
	struct link *l = a->link;
	struct err err = { 0 };
	bool gone;
	int rv;

	q.with = KERNEL_WITH(PURPOSE);
	q.purpose = a->purpose;
	q.link = a->number;
	q.slot = a->slot;
	rv = kernel_link_give(k, l, &q, &gone, &err);
	if (again(rv, a->greeted_at, now))
		return;
	a->link = NULL;
	if (rv == 0)
		return;
	a->used = false;
	/* who has closed it meanwhile knows why */
	log_write(rv == -ENOTCONN ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "link",
		  "volume=%s peer=%s its link is not taken: %s", k->r.name, k->r.peer[a->slot].node,
		  err.text);
	if (!gone)
		link_close(l);
}

static bool waits_to_go(const struct kernel_accepted *a)
{
	return a->used && a->link && a->greeted && a->purpose != WIRE_KNOCK;
}

bool kernel_links_knocked(const struct kernel_resource *k)
{
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (k->accepted[i].used && k->accepted[i].purpose == WIRE_KNOCK)
			return true;
	return false;
}

/* ---- all of them ---- */

void kernel_links_settle(struct kernel_resource *k, u64 now)
{
	u32 wanted = kernel_links_wanted(&k->r, &k->view, &k->l);

	if (!kernel_takes_links(&k->r, &k->view, &k->l))
		return; /* what is there stays */
	for (u32 i = 0; i < KERNEL_DIALS; i++)
		dial_settle(k, &k->dial[i], wanted & (1u << i), now);
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (waits_to_go(&k->accepted[i]))
			give_accepted(k, &k->accepted[i], now);
	kernel_renewals_settle(k, now);
}

static void dial_seen(struct kernel_resource *k, struct kernel_dial *d, bool is_up, u64 now)
{
	u32 i = index_of(k, d);
	const struct rvol_status *s = &k->view.status;
	bool wanted = i == KERNEL_DIAL_PULL ? s->pull_slot == d->to : s->links_wanted & (1u << i);

	wanted &= d->to < PLANE_SLOTS;
	if (is_up && !d->in_kernel) { /* of a former life */
		d->to = i == KERNEL_DIAL_PULL ? s->pull_slot : (u8)i;
		d->pace.up_at = now;
	} else if (!is_up && d->in_kernel && wanted) {
		say(k, d, "link lost", "the kernel module has ended it");
		link_pace(&d->pace, true, now);
	} else if (!is_up && d->in_kernel) {
		d->pace.next_at = 0; /* wanted again, it is dialled at once */
	}
	d->in_kernel = is_up;
	if (!is_up)
		kernel_renewal_drop(&d->renewal);
}

/* one that a former life has accepted */
static void accepted_found(struct kernel_resource *k, const struct rvol_link_info *info)
{
	struct kernel_accepted *a = NULL;

	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++) {
		if (!k->accepted[i].used)
			a = a ? a : &k->accepted[i];
		else if (k->accepted[i].number == info->number)
			return;
	}
	if (a)
		*a = (struct kernel_accepted){
			.used = true,
			.greeted = true,
			.number = info->number,
			.slot = info->slot,
			.purpose = info->purpose,
		};
}

void kernel_links_seen(struct kernel_resource *k, u64 now)
{
	u32 up = kernel_links_up(&k->view);

	for (u32 i = 0; i <= KERNEL_DIAL_PULL; i++)
		dial_seen(k, &k->dial[i], up & (1u << i), now);
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++) {
		struct kernel_accepted *a = &k->accepted[i];

		if (!a->used || a->link || kernel_view_link(&k->view, a->number))
			continue;
		a->used = false;
		kernel_renewal_drop(&a->renewal);
	}
	for (u32 i = 0; i < k->view.n_links; i++)
		if (k->view.link[i].number >= RVOL_LINK_FIRST)
			accepted_found(k, &k->view.link[i]);
}

static u64 dial_due(const struct kernel_resource *k, const struct kernel_dial *d, bool want,
		    u64 now)
{
	bool knock = d == &k->dial[KERNEL_DIAL_KNOCK];

	if (d->link && d->greeted && !knock)
		return now + KERNEL_HAND_MS * REPL_MS;
	return want && !d->link && !d->in_kernel ? PORT_MAX(d->pace.next_at, now + 1) : UINT64_MAX;
}

u64 kernel_links_due(const struct kernel_resource *k, u64 now)
{
	u32 wanted = kernel_links_wanted(&k->r, &k->view, &k->l);
	u64 due = kernel_renewals_due(k, now);

	for (u32 i = 0; i < KERNEL_DIALS; i++)
		due = PORT_MIN(due, dial_due(k, &k->dial[i], wanted & (1u << i), now));
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (waits_to_go(&k->accepted[i]))
			due = PORT_MIN(due, now + KERNEL_HAND_MS * REPL_MS);
	return due;
}

void kernel_links_peers(struct kernel_resource *k, const struct plane_resource *old)
{
	for (u32 i = 0; i < KERNEL_DIALS; i++) {
		struct kernel_dial *d = &k->dial[i];

		if ((!d->link && !d->in_kernel) || d->to >= PLANE_SLOTS ||
		    plane_same_peer(&old->peer[d->to], &k->r.peer[d->to]))
			continue;
		if (d->in_kernel)
			delete_link(k, kernel_dial_number(k, d));
		kernel_renewal_drop(&d->renewal);
		hang_up(d);
		d->pace.next_at = 0;
	}
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (k->accepted[i].used && !plane_usable(&k->r, k->accepted[i].slot))
			accepted_end(k, &k->accepted[i]);
}

void kernel_links_end(struct kernel_resource *k)
{
	for (u32 i = 0; i < KERNEL_DIALS; i++) {
		hang_up(&k->dial[i]);
		kernel_renewal_drop(&k->dial[i].renewal);
	}
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++) {
		struct kernel_accepted *a = &k->accepted[i];

		if (!a->used)
			continue;
		kernel_renewal_drop(&a->renewal);
		if (!a->link)
			continue;
		a->used = false;
		link_close(a->link);
		a->link = NULL;
	}
}

void kernel_links_forget(struct kernel_resource *k)
{
	for (u32 i = 0; i < KERNEL_DIALS; i++) {
		k->dial[i].in_kernel = false;
		kernel_renewal_drop(&k->dial[i].renewal);
	}
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++) {
		struct kernel_accepted *a = &k->accepted[i];

		if (!a->used || a->link)
			continue;
		a->used = false;
		kernel_renewal_drop(&a->renewal);
	}
}
