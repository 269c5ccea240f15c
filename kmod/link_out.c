// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link_out.c - sending: messages are queued in the section and go out after it, as many in one call
 * as there are, by whoever leaves the section; by a worker when the socket was full.
 */
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "link.h"
#include "trace.h"

static struct kmem_cache *msg_cache;
static mempool_t msgs;

int links_init(void)
{
	int rv;

	msg_cache = KMEM_CACHE(link_msg, 0);
	if (!msg_cache)
		return -ENOMEM;
	rv = mempool_init_slab_pool(&msgs, RVOL_MSGS_MIN, msg_cache);
	if (rv < 0)
		kmem_cache_destroy(msg_cache);
	return rv;
}

void links_exit(void)
{
	mempool_exit(&msgs);
	kmem_cache_destroy(msg_cache);
}

void link_msg_free(struct link_msg *m)
{
	buf_put(m->buf);
	link_sock_put(m->then);
	mempool_free(m, &msgs);
}

static void put_last(struct rvol_link *l, struct link_msg *out)
{
	spin_lock(&l->queue_lock);
	list_add_tail(&out->list, &l->queue);
	spin_unlock(&l->queue_lock);
	l->flush_due = true;
	if (atomic_add_return((int)out->len, &l->queued) > (int)RVOL_QUEUE_MAX)
		link_give_up(l, "it takes what is sent too slowly");
}

static void queue_msg(struct rvol_link *l, const struct repl_msg *m)
{
	struct link_msg *out = mempool_alloc(&msgs, GFP_NOIO);

	trace_rvol_send(l->r, l->number, m);
	wire_put(out->head, m);
	out->buf = m->payload_len ? buf_get(buf_of(m->buf)) : NULL;
	out->then = NULL;
	out->len = WIRE_HEADER + m->payload_len;
	put_last(l, out);
}

void link_say(struct rvol_link *l, u8 kind, u32 renewal, struct link_sock *then)
{
	const struct wire_link_msg m = { .kind = kind, .renewal = renewal };
	struct link_msg *out = mempool_alloc(&msgs, GFP_NOIO);

	trace_rvol_renewal(l->r, l->number, true, &m);
	wire_put_link(out->head, &m);
	out->buf = NULL;
	out->then = then ? link_sock_get(then) : NULL;
	out->len = WIRE_HEADER;
	put_last(l, out);
}

static void queue_ack(struct rvol_link *l)
{
	if (l->ack_due)
		queue_msg(l, &l->ack);
	l->ack_due = false;
}

/* An acknowledgement counts for all before it: it waits for the end of the section. */
void link_send(struct rvol *r, const struct repl_effect *e)
{
	struct rvol_link *l = link_find(r, e->link);
	const struct repl_msg *m = e->msg;

	if (!l) {
		rvol_fence(r, "message %u is for link %u, which is not there", m->kind, e->link);
		return;
	}
	if (m->payload_len && !buf_keep(buf_of(m->buf))) {
		link_give_up(l, "no memory for a payload");
		return;
	}
	if (m->kind == REPL_MSG_ACK) {
		l->ack = *m;
		l->ack_due = l->flush_due = true;
		return;
	}
	queue_ack(l);
	queue_msg(l, m);
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
			link_send_soon(l);
			continue;
		}
		kref_get(&l->ref);
		ret[n++] = l;
	}
	return n;
}

/* What goes out in one call */
struct run {
	u32 n, bytes;
	bool shared; /* pages that the socket keeps; otherwise it copies */
	bool more;   /* of the same message comes right behind it */
};

static void run_add(struct run *run, struct bio_vec *vec, u32 n)
{
	for (u32 i = 0; i < n; i++)
		run->bytes += vec[run->n + i].bv_len;
	run->n += n;
}

static void run_add_head(struct run *run, struct link_msg *m, u32 skip, struct bio_vec *vec)
{
	vec[run->n] = (struct bio_vec){ .bv_page = virt_to_page(m->head + skip),
					.bv_len = WIRE_HEADER - skip,
					.bv_offset = offset_in_page(m->head + skip) };
	run_add(run, vec, 1);
}

/* One message, what of it is not sent yet. false: the run ends here. */
static bool run_add_msg(struct run *run, struct link_msg *m, u32 skip, struct bio_vec *vec)
{
	bool share = m->buf && m->buf->len >= LINK_SHARE_MIN && buf_may_be_shared(m->buf);

	if (skip < WIRE_HEADER) {
		run_add_head(run, m, skip, vec);
		skip = WIRE_HEADER;
	}
	if (!m->buf)
		return true;
	run->more = share && run->n > 0;
	if (run->more)
		return false;
	run->shared = share;
	run_add(run, vec,
		buf_segments(m->buf, skip - WIRE_HEADER, m->len - skip, vec + run->n,
			     LINK_TX_SEGMENTS - run->n));
	return !share;
}

/* As far as it goes over the same socket, in the same way. */
static struct run gather(struct rvol_link *l)
{
	struct run run = { 0 };
	u32 skip = l->sent;
	struct link_msg *m;

	spin_lock(&l->queue_lock);
	list_for_each_entry(m, &l->queue, list) {
		if (run.n == LINK_TX_SEGMENTS || !run_add_msg(&run, m, skip, l->vec) || m->then)
			break;
		skip = 0;
	}
	spin_unlock(&l->queue_lock);
	return run;
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
		if (m->then)
			swap(l->out, m->then);
		if (m->then)
			WRITE_ONCE(l->tx_records, 0);
		link_msg_free(m);
	}
}

/* kTLS makes records of what it gets in one call */
static void count(struct rvol_link *l, u32 bytes)
{
	u64 before = l->tx_records, after = before + DIV_ROUND_UP(bytes, TLS_MAX_PAYLOAD_SIZE);

	WRITE_ONCE(l->tx_records, after);
	if (before < l->renew_at && after >= l->renew_at)
		rvol_work_soon(l->r); /* renewal_settle looks */
}

static int transmit(struct rvol_link *l, const struct run *run)
{
	struct socket *sock = l->out->sock;
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (run->more ? MSG_MORE : 0);
	struct msghdr msg = { .msg_flags = flags };

	if (run->shared)
		return compat_send_pages(sock, l->vec, run->n, run->bytes, flags);
	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, l->vec, run->n, run->bytes);
	return READ_ONCE(sock->ops)->sendmsg(sock, &msg, run->bytes);
}

/* the only sender at the moment */
static void send_all(struct rvol_link *l)
{
	struct run run;
	int rv;

	while (!READ_ONCE(l->dead) && (run = gather(l)).bytes > 0) {
		rv = transmit(l, &run);
		if (rv == -EAGAIN)
			return;                           /* on_write_space goes on */
		if (rv == -EINTR || rv == -ERESTARTSYS) { /* of who submitted: a worker can */
			link_send_soon(l);
			return;
		}
		if (rv <= 0) {
			link_give_up(l, "it cannot be sent to");
			return;
		}
		count(l, (u32)rv);
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
	link_put(l);
}

/* With a reference: who asks may be the last user of a link that has ended. */
void link_send_soon(struct rvol_link *l)
{
	kref_get(&l->ref);
	if (!queue_work(rvol_wq, &l->tx_work))
		link_put(l); /* not the last: the caller has one */
}

/* as in a section: memory for this must not wait for a write to this very volume */
void link_on_tx(struct work_struct *work)
{
	struct rvol_link *l = container_of(work, struct rvol_link, tx_work);
	unsigned int noio = memalloc_noio_save();

	flush(l);
	memalloc_noio_restore(noio);
	link_put(l);
}
