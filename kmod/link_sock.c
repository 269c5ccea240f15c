// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link_sock.c - a socket that sdsd has handed over (with kTLS set, or plain for
 * tests): whether it may be taken, what it tells, and its end. A link has one,
 * and a second one while it is renewed.
 */
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "link.h"

static bool plain;
module_param(plain, bool, 0444);
MODULE_PARM_DESC(plain, "take links without TLS, for tests in one machine (default: no)");

/* ---- what it tells; softirq ---- */

static void on_data_ready(struct sock *sk)
{
	struct link_sock *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sk->sk_user_data;
	if (s)
		queue_work(rvol_wq, &s->l->rx_work);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void on_write_space(struct sock *sk)
{
	struct link_sock *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sk->sk_user_data;
	if (s) {
		s->old_write_space(sk); /* kTLS sends what it has kept */
		if (sk_stream_is_writeable(sk)) {
			if (sk->sk_socket)
				clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
			link_send_soon(s->l);
		}
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* of the socket that is not read from, a renewal knows what it means */
static void tell_change(struct link_sock *s, int state)
{
	struct rvol_link *l = s->l;

	if (READ_ONCE(l->now) != s) {
		link_send_soon(l); /* who sends on it finds out */
		rvol_work_soon(l->r);
	} else if (state == TCP_CLOSE_WAIT) {
		queue_work(rvol_wq, &l->rx_work); /* there may be what came before the end */
	} else if (state != TCP_ESTABLISHED) {
		link_give_up(l, "the connection has ended");
	}
}

static void on_state_change(struct sock *sk)
{
	struct link_sock *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sk->sk_user_data;
	if (s) {
		s->old_state_change(sk);
		tell_change(s, sk->sk_state);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

bool link_sock_attach(struct link_sock *s, struct rvol_link *l)
{
	struct sock *sk = s->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data) {
		write_unlock_bh(&sk->sk_callback_lock);
		return false;
	}
	s->l = l;
	s->old_data_ready = sk->sk_data_ready;
	s->old_write_space = sk->sk_write_space;
	s->old_state_change = sk->sk_state_change;
	sk->sk_user_data = s;
	sk->sk_data_ready = on_data_ready;
	sk->sk_write_space = on_write_space;
	sk->sk_state_change = on_state_change;
	write_unlock_bh(&sk->sk_callback_lock);
	return true;
}

static void restore_callbacks(struct link_sock *s)
{
	struct sock *sk = s->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data == s) {
		sk->sk_data_ready = s->old_data_ready;
		sk->sk_write_space = s->old_write_space;
		sk->sk_state_change = s->old_state_change;
		sk->sk_user_data = NULL;
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

/* ---- life ---- */

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

static void on_last_put(struct kref *ref)
{
	struct link_sock *s = container_of(ref, struct link_sock, ref);

	kvfree(s->ahead);
	if (s->sock)
		sockfd_put(s->sock);
	kfree(s);
}

void link_sock_put(struct link_sock *s)
{
	if (s)
		kref_put(&s->ref, on_last_put);
}

struct link_sock *link_sock_get(struct link_sock *s)
{
	kref_get(&s->ref);
	return s;
}

int link_sock_new(const struct rvol_link_order *o, struct link_sock **ret, const char **ret_why)
{
	struct link_sock *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int rv = -ENOMEM;

	*ret_why = "no memory";
	if (!s)
		return -ENOMEM;
	kref_init(&s->ref);
	s->tls = o->tls;
	s->ahead_len = o->ahead_len;
	s->ahead = o->ahead_len ? kvmalloc(o->ahead_len, GFP_KERNEL) : NULL;
	if (o->ahead_len && !s->ahead)
		goto put;
	if (o->ahead_len)
		memcpy(s->ahead, o->ahead, o->ahead_len);
	*ret_why = "that is no socket";
	s->sock = sockfd_lookup(o->fd, &rv);
	if (!s->sock)
		goto put;
	rv = check_socket(s->sock, o->tls, ret_why);
	if (rv < 0)
		goto put;
	prepare_socket(s->sock->sk);
	*ret = s;
	return 0;
put:
	link_sock_put(s);
	return rv;
}

void link_sock_shut(struct link_sock *s)
{
	restore_callbacks(s);
	kernel_sock_shutdown(s->sock, SHUT_RDWR);
}

bool link_sock_ended(const struct link_sock *s)
{
	return READ_ONCE(s->sock->sk->sk_state) != TCP_ESTABLISHED;
}
