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

#include "rvol.h"

#define TX_SEGMENTS 64u
#define RX_SEGMENTS 32u
#define RX_BATCH 64u /* messages of one section */

/* one message on its way out */
struct link_msg {
	struct list_head list;
	struct rvol_buf *buf; /* a reference; NULL: no payload */
	u32 len;              /* head and payload */
	u8 head[WIRE_HEADER];
};

struct rvol_link {
	struct kref ref;
	struct list_head list; /* r->links while it is up */
	struct rvol *r;        /* a reference */
	u32 number;
	u8 slot;
	bool tls;
	struct socket *sock;
	const char *dead; /* why it has to go; set anywhere, told by links_settle */

	/* r->lock */
	bool up, lags, held, flush_due, ack_due, commit_due;
	struct repl_msg ack, commit; /* not sent yet: a later one takes its place */

	/* out */
	spinlock_t queue_lock;
	struct list_head queue; /* struct link_msg */
	atomic_t queued;        /* bytes in it */
	atomic_t want;          /* how often sending was asked for since the sender looked */
	u32 sent;               /* bytes of the first message; the sender's */
	struct bio_vec vec[TX_SEGMENTS];
	struct work_struct tx_work;

	/* in; the worker's */
	struct work_struct rx_work;
	u8 head[WIRE_HEADER];
	u32 have;
	struct repl_msg msg;
	struct rvol_buf *buf; /* being filled; NULL: a header is */
	u8 *ahead;
	u32 ahead_len, ahead_at;

	struct work_struct end_work;
	void (*old_data_ready)(struct sock *sk);
	void (*old_write_space)(struct sock *sk);
	void (*old_state_change)(struct sock *sk);
};

static bool plain;
module_param(plain, bool, 0444);
MODULE_PARM_DESC(plain, "take links without TLS, for tests in one machine (default: no)");

static struct kmem_cache *msg_cache;
static mempool_t msgs;

int links_init(void)
{
	int rv;

	msg_cache = KMEM_CACHE(link_msg, 0);
	if (!msg_cache)
		return -ENOMEM;
	rv = mempool_init_slab_pool(&msgs, RVOL_IOS_MIN, msg_cache);
	if (rv < 0)
		kmem_cache_destroy(msg_cache);
	return rv;
}

void links_exit(void)
{
	mempool_exit(&msgs);
	kmem_cache_destroy(msg_cache);
}

/* ---- life ---- */

static void msg_free(struct link_msg *m)
{
	buf_put(m->buf);
	mempool_free(m, &msgs);
}

/* process context: nobody uses the socket any more */
static void on_last_put(struct kref *ref)
{
	struct rvol_link *l = container_of(ref, struct rvol_link, ref);
	struct link_msg *m, *next;

	list_for_each_entry_safe(m, next, &l->queue, list)
		msg_free(m);
	buf_put(l->buf);
	kvfree(l->ahead);
	sockfd_put(l->sock);
	rvol_put(l->r);
	kfree(l);
}

static void put(struct rvol_link *l)
{
	kref_put(&l->ref, on_last_put);
}

/* any context */
static void give_up(struct rvol_link *l, const char *why)
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
	cancel_work_sync(&l->tx_work);
	put(l);
}

/* entered: it is not ours any more; its worker may be the caller */
static void retire(struct rvol_link *l)
{
	list_del(&l->list);
	l->up = l->flush_due = false;
	l->r->changed = true;
	queue_work(system_unbound_wq, &l->end_work);
}

static struct rvol_link *find(const struct rvol *r, u32 number)
{
	struct rvol_link *l;

	list_for_each_entry(l, &r->links, list)
		if (l->number == number)
			return l;
	return NULL;
}

bool link_is_up(const struct rvol *r, u32 number)
{
	return find(r, number) != NULL;
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
	struct rvol_link *l = find(r, number);

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

/* ---- out ---- */

static void queue_msg(struct rvol_link *l, const struct repl_msg *m)
{
	struct link_msg *out = mempool_alloc(&msgs, GFP_NOIO);

	wire_put(out->head, m);
	out->buf = m->payload_len ? buf_get(buf_of(m->buf)) : NULL;
	out->len = WIRE_HEADER + m->payload_len;
	spin_lock(&l->queue_lock);
	list_add_tail(&out->list, &l->queue);
	spin_unlock(&l->queue_lock);
	l->flush_due = true;
	if (atomic_add_return((int)out->len, &l->queued) > (int)RVOL_QUEUE_MAX)
		give_up(l, "it takes what is sent too slowly");
}

static void queue_ack(struct rvol_link *l)
{
	if (l->ack_due)
		queue_msg(l, &l->ack);
	l->ack_due = false;
}

static void queue_commit(struct rvol_link *l)
{
	if (l->commit_due)
		queue_msg(l, &l->commit);
	l->commit_due = false;
}

/* An acknowledgement counts for all before it, and a commit point is in the next write: neither is
 * sent alone when it can be avoided. */
void link_send(struct rvol *r, const struct repl_effect *e)
{
	struct rvol_link *l = find(r, e->link);
	const struct repl_msg *m = e->msg;

	if (!l)
		return;
	if (m->kind == REPL_MSG_ACK) {
		l->ack = *m;
		l->ack_due = l->flush_due = true;
		return;
	}
	if (m->kind == REPL_MSG_COMMIT) {
		l->commit = *m;
		l->commit_due = true;
		return;
	}
	queue_ack(l);
	if (m->kind == REPL_MSG_WRITE || m->kind == REPL_MSG_PING)
		l->commit_due = false; /* they carry it */
	queue_commit(l);
	queue_msg(l, m);
}

void links_tick(struct rvol *r)
{
	struct rvol_link *l;

	list_for_each_entry(l, &r->links, list)
		queue_commit(l);
}

u32 links_take(struct rvol *r, struct rvol_link **ret, u32 max)
{
	struct rvol_link *l;
	u32 n = 0;

	list_for_each_entry(l, &r->links, list) {
		if (!l->flush_due)
			continue;
		queue_ack(l);
		l->flush_due = false;
		if (n == max) {
			queue_work(rvol_wq, &l->tx_work);
			continue;
		}
		kref_get(&l->ref);
		ret[n++] = l;
	}
	return n;
}

/* segments of one message from l->sent on (of the first) or whole; how many */
static u32 msg_segments(struct link_msg *m, u32 skip, struct bio_vec *vec, u32 max)
{
	u32 n = 0;

	if (skip < WIRE_HEADER) {
		vec[n++] = (struct bio_vec){ .bv_page = virt_to_page(m->head + skip),
					     .bv_len = WIRE_HEADER - skip,
					     .bv_offset = offset_in_page(m->head + skip) };
		skip = WIRE_HEADER;
	}
	if (m->buf)
		n += buf_segments(m->buf, skip - WIRE_HEADER, m->len - skip, vec + n, max - n);
	return n;
}

/* bytes; *ret_n segments */
static u32 gather(struct rvol_link *l, u32 *ret_n)
{
	u32 n = 0, bytes = 0, skip = l->sent;
	struct link_msg *m;

	spin_lock(&l->queue_lock);
	list_for_each_entry(m, &l->queue, list) {
		if (n == TX_SEGMENTS)
			break;
		n += msg_segments(m, skip, l->vec + n, TX_SEGMENTS - n);
		skip = 0;
	}
	spin_unlock(&l->queue_lock);
	for (u32 i = 0; i < n; i++)
		bytes += l->vec[i].bv_len;
	*ret_n = n;
	return bytes;
}

static void consume(struct rvol_link *l, u32 bytes)
{
	struct link_msg *m;

	atomic_sub((int)bytes, &l->queued);
	l->sent += bytes;
	for (;;) {
		spin_lock(&l->queue_lock);
		m = list_first_entry_or_null(&l->queue, struct link_msg, list);
		if (!m || l->sent < m->len) {
			spin_unlock(&l->queue_lock);
			return;
		}
		list_del(&m->list);
		spin_unlock(&l->queue_lock);
		l->sent -= m->len;
		msg_free(m);
	}
}

/* the only sender at the moment */
static void send_all(struct rvol_link *l)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	u32 n, bytes;
	int rv;

	while (!READ_ONCE(l->dead) && (bytes = gather(l, &n)) > 0) {
		iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, l->vec, n, bytes);
		rv = sock_sendmsg(l->sock, &msg);
		if (rv == -EAGAIN)
			return; /* on_write_space goes on */
		if (rv == -EINTR || rv == -ERESTARTSYS) { /* of who submitted: a worker can */
			queue_work(rvol_wq, &l->tx_work);
			return;
		}
		if (rv <= 0) {
			give_up(l, "it cannot be sent to");
			return;
		}
		consume(l, (u32)rv);
	}
}

static void flush(struct rvol_link *l)
{
	int want;

	if (atomic_inc_return(&l->want) != 1)
		return; /* who is at it looks again */
	do {
		want = atomic_read(&l->want);
		send_all(l);
	} while (atomic_sub_return(want, &l->want) > 0);
	if (l->lags && atomic_read(&l->queued) < (int)RVOL_LAG_LOW)
		rvol_work_soon(l->r);
}

void link_flush(struct rvol_link *l)
{
	flush(l);
	put(l);
}

static void on_tx(struct work_struct *work)
{
	flush(container_of(work, struct rvol_link, tx_work));
}

/* ---- in ---- */

/* What has come of a TLS link that is not data: an alert, a new key. It is not asked for, and what
 * follows it could not be read. */
static bool is_control(const struct msghdr *msg, const struct cmsghdr *cmsg, size_t room)
{
	return msg->msg_controllen != room && cmsg->cmsg_level == SOL_TLS &&
	       cmsg->cmsg_type == TLS_GET_RECORD_TYPE &&
	       *(const u8 *)CMSG_DATA(cmsg) != TLS_RECORD_TYPE_DATA;
}

static int receive(struct rvol_link *l, struct msghdr *msg)
{
	union {
		struct cmsghdr cmsg;
		u8 bytes[CMSG_SPACE(sizeof(u8))];
	} control;
	int rv;

	msg->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	if (l->tls) {
		msg->msg_control = &control;
		msg->msg_controllen = sizeof(control);
	}
	rv = sock_recvmsg(l->sock, msg, msg->msg_flags);
	if (rv > 0 && l->tls && is_control(msg, &control.cmsg, sizeof(control)))
		return -EPROTO;
	return rv;
}

static int from_ahead(struct rvol_link *l, void *to, u32 len)
{
	u32 n = min(len, l->ahead_len - l->ahead_at);

	memcpy(to, l->ahead + l->ahead_at, n);
	l->ahead_at += n;
	if (l->ahead_at == l->ahead_len) {
		kvfree(l->ahead);
		l->ahead = NULL;
	}
	return (int)n;
}

static int receive_head(struct rvol_link *l)
{
	struct kvec vec = { .iov_base = l->head + l->have, .iov_len = WIRE_HEADER - l->have };
	struct msghdr msg = { 0 };

	if (l->ahead)
		return from_ahead(l, vec.iov_base, (u32)vec.iov_len);
	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, vec.iov_len);
	return receive(l, &msg);
}

static int receive_payload(struct rvol_link *l)
{
	struct bio_vec vec[RX_SEGMENTS];
	u32 n = buf_segments(l->buf, l->have, l->buf->len - l->have, vec, RX_SEGMENTS);
	struct msghdr msg = { 0 };
	size_t bytes = 0;

	if (l->ahead)
		return from_ahead(l, page_address(vec[0].bv_page) + vec[0].bv_offset,
				  vec[0].bv_len);
	for (u32 i = 0; i < n; i++)
		bytes += vec[i].bv_len;
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, vec, n, bytes);
	return receive(l, &msg);
}

static void deliver(struct rvol_link *l)
{
	struct rvol *r = l->r;
	struct repl_msg m = l->msg;

	m.buf = buf_handle(l->buf);
	l->buf = NULL; /* the core's now */
	l->have = 0;
	repl_mirror_receive(r->mirror, l->number, &m, &r->sink, r->now);
}

/* false: it ends */
static bool head_done(struct rvol_link *l)
{
	l->have = 0;
	if (wire_get(l->head, &l->msg) < 0) {
		give_up(l, "it sends what is no message");
		return false;
	}
	if (l->msg.payload_len == 0) {
		deliver(l);
		return true;
	}
	l->buf = buf_new(l->msg.payload_len, &l->r->rx_bytes);
	if (!l->buf)
		give_up(l, "no memory for what it sends");
	return l->buf != NULL;
}

static bool takes(const struct rvol_link *l)
{
	return atomic_read(&l->r->rx_bytes) < (int)RVOL_RX_MAX &&
	       (l->number < RVOL_LINK_PULL || repl_mirror_takes_input(l->r->mirror, l->number));
}

/* One receiving call. 1: it brought something, 0: nothing for now or no more. */
static int step(struct rvol_link *l)
{
	bool at_head = !l->buf;
	int rv;

	if (at_head && l->have == 0 && !takes(l)) {
		l->held = true; /* links_settle goes on */
		return 0;
	}
	rv = at_head ? receive_head(l) : receive_payload(l);
	if (rv == -EAGAIN || rv == -EINTR || rv == -ERESTARTSYS)
		return 0;
	if (rv <= 0) {
		give_up(l, rv == 0 ? "the other side has closed it" :
			   rv == -EPROTO ? "it sends a TLS message that is no data" :
					   "it cannot be read from");
		return 0;
	}
	l->have += (u32)rv;
	if (at_head)
		return l->have < WIRE_HEADER || head_done(l);
	if (l->have == l->buf->len)
		deliver(l);
	return 1;
}

static void on_rx(struct work_struct *work)
{
	struct rvol_link *l = container_of(work, struct rvol_link, rx_work);
	struct rvol *r = l->r;
	bool more = true;

	rvol_enter(r);
	for (u32 i = 0; more && i < 2 * RX_BATCH; i++)
		more = l->up && !READ_ONCE(l->dead) && rvol_live(r) && step(l);
	if (more)
		queue_work(rvol_wq, &l->rx_work);
	rvol_leave(r);
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
			queue_work(rvol_wq, &l->tx_work);
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
			give_up(l, "the connection has ended");
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static void take_callbacks(struct rvol_link *l)
{
	struct sock *sk = l->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	l->old_data_ready = sk->sk_data_ready;
	l->old_write_space = sk->sk_write_space;
	l->old_state_change = sk->sk_state_change;
	sk->sk_user_data = l;
	sk->sk_data_ready = on_data_ready;
	sk->sk_write_space = on_write_space;
	sk->sk_state_change = on_state_change;
	write_unlock_bh(&sk->sk_callback_lock);
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
	if ((sk->sk_family != AF_INET && sk->sk_family != AF_INET6) ||
	    sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP)
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
		l->ahead = kvmalloc(len, GFP_KERNEL);
		if (!l->ahead) {
			kfree(l);
			return NULL;
		}
		memcpy(l->ahead, ahead, len);
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
	INIT_WORK(&l->tx_work, on_tx);
	INIT_WORK(&l->rx_work, on_rx);
	INIT_WORK(&l->end_work, on_end);
	rvol_get(r);
	return l;
}

/* entered */
static int admit(struct rvol *r, struct rvol_link *l, const char **ret_why)
{
	struct rvol_link *old = find(r, l->number);
	u32 accepted = 0;

	*ret_why = "the resource is not up";
	if (!rvol_live(r))
		return -EINVAL;
	*ret_why = "too many links";
	list_for_each_entry(old, &r->links, list)
		accepted += old->number >= RVOL_LINK_FIRST;
	if (l->number >= RVOL_LINK_FIRST && accepted >= REPL_ACCEPTED_MAX)
		return -ENOSPC;
	old = find(r, l->number);
	if (old) {
		retire(old);
		tell_down(r, l->number);
	}
	list_add_tail(&l->list, &r->links);
	l->up = r->changed = true;
	take_callbacks(l);
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
		put(l);
	return rv;
}

int link_del(struct rvol *r, u32 number)
{
	struct rvol_link *l;

	rvol_enter(r);
	l = find(r, number);
	if (l) {
		retire(l);
		if (rvol_live(r))
			tell_down(r, number);
	}
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
	if (l->held && takes(l)) {
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
