// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link.c - connected sockets that sdsd hands over: messages of the core out,
 * messages in. What is sent is collected in
 * the section and goes out after it in as few calls as possible; what comes is
 * read by a worker, many messages in one section. A link that breaks is told to
 * the core and to sdsd, which brings another. It opens nothing and judges
 * nobody.
 */
#include <linux/slab.h>

#include "link.h"

/* ---- life ---- */

/* process context: nobody uses the socket any more */
static void on_last_put(struct kref *ref)
{
	struct rvol_link *l = container_of(ref, struct rvol_link, ref);
	struct link_msg *m, *next;

	list_for_each_entry_safe(m, next, &l->queue, list)
		link_msg_free(m);
	buf_put(l->buf);
	buf_page_put(l->page);
	link_sock_put(l->renewal.other);
	link_sock_put(l->now);
	link_sock_put(l->out);
	rvol_put(l->r);
	kfree(l);
}

void link_put(struct rvol_link *l)
{
	kref_put(&l->ref, on_last_put);
}

/* any context */
void link_give_up(struct rvol_link *l, const char *why)
{
	if (cmpxchg(&l->dead, NULL, why) == NULL)
		rvol_work_soon(l->r);
}

static void on_end(struct work_struct *work)
{
	struct rvol_link *l = container_of(work, struct rvol_link, end_work);

	link_sock_shut(l->now);
	if (l->renewal.other)
		link_sock_shut(l->renewal.other);
	cancel_work_sync(&l->rx_work);
	if (cancel_work_sync(&l->tx_work))
		link_put(l);
	link_put(l);
}

/* entered: it is not ours any more; its worker may be the caller */
static void retire(struct rvol_link *l)
{
	list_del(&l->list);
	l->up = l->flush_due = false;
	l->r->changed = true;
	/* our own queue: the module must not go while it runs */
	queue_work(rvol_wq, &l->end_work);
}

struct rvol_link *link_find(const struct rvol *r, u32 number)
{
	struct rvol_link *l;

	list_for_each_entry(l, &r->links, list)
		if (l->number == number)
			return l;
	return NULL;
}

bool link_is_up(const struct rvol *r, u32 number)
{
	return link_find(r, number) != NULL;
}

u32 links_accepted(const struct rvol *r)
{
	struct rvol_link *l;
	u32 mask = 0;

	list_for_each_entry(l, &r->links, list)
		if (l->number >= RVOL_LINK_FIRST)
			mask |= 1u << l->slot;
	return mask;
}

struct rvol_link *links_next(const struct rvol *r, const struct rvol_link *after)
{
	const struct list_head *at = after ? after->list.next : r->links.next;

	return at == &r->links ? NULL : list_entry(at, struct rvol_link, list);
}

static u8 purpose_of(const struct rvol_link *l)
{
	if (l->number >= RVOL_LINK_FIRST)
		return l->purpose;
	return l->number == RVOL_LINK_PULL ? RVOL_PURPOSE_PULL : RVOL_PURPOSE_SESSION;
}

void link_info(const struct rvol_link *l, struct rvol_link_info *ret)
{
	*ret = (struct rvol_link_info){
		.number = l->number,
		.slot = l->slot,
		.purpose = purpose_of(l),
		.sent = READ_ONCE(l->tx_records),
		.received = l->rx_records,
		.renewing = l->renewal.rules.number,
		.renewed = l->renewed,
	};
}

void link_close(struct rvol *r, u32 number)
{
	struct rvol_link *l = link_find(r, number);

	if (l)
		retire(l);
}

void links_end(struct rvol *r)
{
	struct rvol_link *l, *next;

	list_for_each_entry_safe(l, next, &r->links, list)
		retire(l);
}

static void tell_up(struct rvol *r, u32 number)
{
	if (!rvol_live(r))
		return;
	if (number == RVOL_LINK_PULL)
		repl_mirror_pull_up(r->mirror, &r->sink, r->now);
	else
		repl_mirror_link_up(r->mirror, number, &r->sink, r->now);
}

static void tell_down(struct rvol *r, u32 number)
{
	if (!rvol_live(r))
		return;
	if (number == RVOL_LINK_PULL)
		repl_mirror_pull_down(r->mirror, &r->sink, r->now);
	else
		repl_mirror_link_down(r->mirror, number, &r->sink, r->now);
}

/* ---- adding and settling ---- */

/* sock is the link's on success */
static struct rvol_link *link_new(struct rvol *r, const struct rvol_link_order *o,
				  struct link_sock *sock)
{
	struct rvol_link *l = kzalloc(sizeof(*l), GFP_KERNEL);

	if (!l)
		return NULL;
	kref_init(&l->ref);
	l->r = r;
	l->number = o->number;
	l->slot = o->slot;
	l->purpose = o->purpose;
	l->renew_at = o->renew_at;
	l->now = sock;
	l->out = link_sock_get(sock);
	l->ahead = sock->ahead;
	l->ahead_len = sock->ahead_len;
	spin_lock_init(&l->queue_lock);
	INIT_LIST_HEAD(&l->queue);
	INIT_WORK(&l->tx_work, link_on_tx);
	INIT_WORK(&l->rx_work, link_on_rx);
	INIT_WORK(&l->end_work, on_end);
	rvol_get(r);
	return l;
}

/* entered */
static int admit(struct rvol *r, struct rvol_link *l, const char **ret_why)
{
	struct rvol_link *old;
	u32 accepted = 0;

	*ret_why = "the resource is not up";
	if (!rvol_live(r))
		return -EINVAL;
	*ret_why = "too many links";
	list_for_each_entry(old, &r->links, list)
		accepted += old->number >= RVOL_LINK_FIRST;
	if (l->number >= RVOL_LINK_FIRST && accepted >= REPL_ACCEPTED_MAX)
		return -ENOSPC;
	*ret_why = "the socket is somebody else's already";
	if (!link_sock_attach(l->now, l))
		return -EBUSY;
	old = link_find(r, l->number);
	if (old) {
		retire(old);
		tell_down(r, l->number);
	}
	list_add_tail(&l->list, &r->links);
	l->up = r->changed = true;
	tell_up(r, l->number);
	/* what had come before the callbacks were there */
	queue_work(rvol_wq, &l->rx_work);
	return 0;
}

static int add_new(struct rvol *r, const struct rvol_link_order *o, struct link_sock *sock,
		   const char **ret_why)
{
	struct rvol_link *l = link_new(r, o, sock);
	int rv;

	*ret_why = "no memory";
	if (!l) {
		link_sock_put(sock);
		return -ENOMEM;
	}
	rvol_enter(r);
	rv = admit(r, l, ret_why);
	rvol_leave(r);
	if (rv < 0)
		link_put(l);
	return rv;
}

static int renew(struct rvol *r, const struct rvol_link_order *o, struct link_sock *sock,
		 const char **ret_why)
{
	int rv;

	rvol_enter(r);
	rv = renewal_admit(link_find(r, o->number), sock, o, ret_why);
	rvol_leave(r);
	if (rv < 0)
		link_sock_put(sock);
	return rv;
}

int link_add(struct rvol *r, const struct rvol_link_order *o, const char **ret_why)
{
	struct link_sock *sock;
	int rv = link_sock_new(o, &sock, ret_why);

	if (rv < 0)
		return rv;
	return o->renew ? renew(r, o, sock, ret_why) : add_new(r, o, sock, ret_why);
}

int link_del(struct rvol *r, u32 number)
{
	struct rvol_link *l;

	rvol_enter(r);
	l = link_find(r, number);
	if (l)
		retire(l);
	/* a link for pulls also that did not come up: the learner turns to another source */
	if (l || number == RVOL_LINK_PULL)
		tell_down(r, number);
	rvol_leave(r);
	return l ? 0 : -ENOENT;
}

/* true: the list has changed under us, begin anew */
static bool settle_one(struct rvol *r, struct rvol_link *l, u64 now)
{
	int queued = atomic_read(&l->queued);
	u32 number = l->number;

	renewal_settle(l);
	if (READ_ONCE(l->dead)) {
		pr_info("rvol: resource=%s link=%u slot=%u ended: %s\n", r->name, number, l->slot,
			l->dead);
		retire(l);
		tell_down(r, number);
		return true;
	}
	if (number < RVOL_LINK_PULL &&
	    (l->lags ? queued < (int)RVOL_LAG_LOW : queued > (int)RVOL_LAG_HIGH)) {
		l->lags = !l->lags;
		if (rvol_live(r))
			repl_mirror_link_lags(r->mirror, l->slot, l->lags, &r->sink, now);
		return true;
	}
	if (l->held && link_takes(l)) {
		l->held = false;
		queue_work(rvol_wq, &l->rx_work);
	}
	return false;
}

void links_settle(struct rvol *r, u64 now)
{
	struct rvol_link *l;

again:
	list_for_each_entry(l, &r->links, list)
		if (settle_one(r, l, now))
			goto again;
}
