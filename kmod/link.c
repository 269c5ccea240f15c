// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link.c - connected sockets that sdsd hands over (with kTLS set, or plain for
 * tests): messages of the core out, messages in. What is sent is collected in
 * the section and goes out after it in as few calls as possible; what comes is
 * read by a worker, many messages in one section. A link that breaks is told to
 * the core and to sdsd, which brings another. It opens nothing and judges
 * nobody.
 */
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "link.h"

static bool plain;
module_param(plain, bool, 0444);
MODULE_PARM_DESC(plain, "take links without TLS, for tests in one machine (default: no)");

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
	kvfree(l->ahead_memory);
	sockfd_put(l->sock);
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

static void restore_callbacks(struct rvol_link *l)
{
	struct sock *sk = l->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data == l) {
		sk->sk_data_ready = l->old_data_ready;
		sk->sk_write_space = l->old_write_space;
		sk->sk_state_change = l->old_state_change;
		sk->sk_user_data = NULL;
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

static void on_end(struct work_struct *work)
{
	struct rvol_link *l = container_of(work, struct rvol_link, end_work);

	restore_callbacks(l);
	kernel_sock_shutdown(l->sock, SHUT_RDWR);
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
	if (number == RVOL_LINK_PULL)
		repl_mirror_pull_up(r->mirror, &r->sink, r->now);
	else
		repl_mirror_link_up(r->mirror, number, &r->sink, r->now);
}

static void tell_down(struct rvol *r, u32 number)
{
	if (number == RVOL_LINK_PULL)
		repl_mirror_pull_down(r->mirror, &r->sink, r->now);
	else
		repl_mirror_link_down(r->mirror, number, &r->sink, r->now);
}

/* ---- what the socket tells; softirq ---- */

static void on_data_ready(struct sock *sk)
{
	struct rvol_link *l;

	read_lock_bh(&sk->sk_callback_lock);
	l = sk->sk_user_data;
	if (l)
		queue_work(rvol_wq, &l->rx_work);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void on_write_space(struct sock *sk)
{
	struct rvol_link *l;

	read_lock_bh(&sk->sk_callback_lock);
	l = sk->sk_user_data;
	if (l) {
		l->old_write_space(sk); /* kTLS sends what it has kept */
		if (sk_stream_is_writeable(sk)) {
			if (sk->sk_socket)
				clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
			link_send_soon(l);
		}
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static void on_state_change(struct sock *sk)
{
	struct rvol_link *l;

	read_lock_bh(&sk->sk_callback_lock);
	l = sk->sk_user_data;
	if (l) {
		l->old_state_change(sk);
		/* a reader may still have what came before the end */
		if (sk->sk_state == TCP_CLOSE_WAIT)
			queue_work(rvol_wq, &l->rx_work);
		else if (sk->sk_state != TCP_ESTABLISHED)
			link_give_up(l, "the connection has ended");
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* false: another link was given the same socket at the same time */
static bool take_callbacks(struct rvol_link *l)
{
	struct sock *sk = l->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data) {
		write_unlock_bh(&sk->sk_callback_lock);
		return false;
	}
	l->old_data_ready = sk->sk_data_ready;
	l->old_write_space = sk->sk_write_space;
	l->old_state_change = sk->sk_state_change;
	sk->sk_user_data = l;
	sk->sk_data_ready = on_data_ready;
	sk->sk_write_space = on_write_space;
	sk->sk_state_change = on_state_change;
	write_unlock_bh(&sk->sk_callback_lock);
	return true;
}

/* ---- adding and settling ---- */

static bool has_ktls(const struct sock *sk)
{
	const struct tcp_ulp_ops *ulp = inet_csk(sk)->icsk_ulp_ops;

	return ulp && strcmp(ulp->name, "tls") == 0;
}

static int check_socket(struct socket *sock, bool tls, const char **ret_why)
{
	struct sock *sk = sock->sk;

	*ret_why = "that is no TCP socket";
	if ((sk->sk_family != AF_INET && sk->sk_family != AF_INET6) || sk->sk_type != SOCK_STREAM ||
	    sk->sk_protocol != IPPROTO_TCP)
		return -EINVAL;
	*ret_why = "the socket is not connected";
	if (sk->sk_state != TCP_ESTABLISHED)
		return -ENOTCONN;
	*ret_why = "the socket is somebody else's already";
	if (sk->sk_user_data)
		return -EBUSY;
	*ret_why = "the socket has no kernel TLS";
	if (tls && !has_ktls(sk))
		return -EPROTO;
	*ret_why = "links without TLS are for tests: load the module with plain=1";
	if (!tls && !plain)
		return -EPERM;
	return 0;
}

static void prepare_socket(struct sock *sk)
{
	lock_sock(sk);
	sk->sk_allocation = GFP_NOIO;
	compat_sock_no_task_frag(sk);
	release_sock(sk);
	tcp_sock_set_nodelay(sk);
}

static struct rvol_link *link_new(struct rvol *r, u32 number, u8 slot, struct socket *sock,
				  bool tls, const void *ahead, u32 len)
{
	struct rvol_link *l = kzalloc(sizeof(*l), GFP_KERNEL);

	if (!l)
		return NULL;
	if (len > 0) {
		l->ahead_memory = kvmalloc(len, GFP_KERNEL);
		if (!l->ahead_memory) {
			kfree(l);
			return NULL;
		}
		memcpy(l->ahead_memory, ahead, len);
		l->ahead = l->ahead_memory;
		l->ahead_len = len;
	}
	kref_init(&l->ref);
	l->r = r;
	l->number = number;
	l->slot = slot;
	l->sock = sock;
	l->tls = tls;
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
	if (!take_callbacks(l))
		return -EBUSY;
	old = link_find(r, l->number);
	if (old) {
		retire(old);
		tell_down(r, l->number);
	}
	list_add_tail(&l->list, &r->links);
	l->up = r->changed = true;
	tell_up(r, l->number);
	return 0;
}

int link_add(struct rvol *r, u32 number, u8 slot, int fd, bool tls, const void *ahead, u32 len,
	     const char **ret_why)
{
	struct socket *sock;
	struct rvol_link *l;
	int rv;

	*ret_why = "that is no socket";
	sock = sockfd_lookup(fd, &rv);
	if (!sock)
		return rv;
	rv = check_socket(sock, tls, ret_why);
	if (rv < 0) {
		sockfd_put(sock);
		return rv;
	}
	l = link_new(r, number, slot, sock, tls, ahead, len);
	*ret_why = "no memory";
	if (!l) {
		sockfd_put(sock);
		return -ENOMEM;
	}
	prepare_socket(sock->sk);
	rvol_enter(r);
	rv = admit(r, l, ret_why);
	if (rv == 0) /* what had come before the callbacks were there */
		queue_work(rvol_wq, &l->rx_work);
	rvol_leave(r);
	if (rv < 0)
		link_put(l);
	return rv;
}

int link_del(struct rvol *r, u32 number)
{
	struct rvol_link *l;

	rvol_enter(r);
	l = link_find(r, number);
	if (l)
		retire(l);
	/* a link for pulls also that did not come up: the learner turns to another source */
	if ((l || number == RVOL_LINK_PULL) && rvol_live(r))
		tell_down(r, number);
	rvol_leave(r);
	return l ? 0 : -ENOENT;
}

/* true: the list has changed under us, begin anew */
static bool settle_one(struct rvol *r, struct rvol_link *l, u64 now)
{
	int queued = atomic_read(&l->queued);
	u32 number = l->number;

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
