// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link_in.c - receiving: a worker reads many messages in one section, payloads straight into pages.
 * When the core takes no more, or too much waits for the disk, what comes stays in the socket.
 */
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/socket.h>

#include "link.h"
#include "trace.h"

#define RX_SEGMENTS 32u
#define RX_BATCH 64u /* messages of one section */

/* What has come of a TLS link that is not data: an alert, a new key. It is not asked for, and what
 * follows it could not be read. */
static bool is_control(const struct msghdr *msg, const struct cmsghdr *cmsg, size_t room)
{
	return msg->msg_controllen != room && cmsg->cmsg_level == SOL_TLS &&
	       cmsg->cmsg_type == TLS_GET_RECORD_TYPE &&
	       *(const u8 *)CMSG_DATA(cmsg) != TLS_RECORD_TYPE_DATA;
}

/* Straight at the protocol: whoever may use this socket was asked when it was handed over. */
static int receive(struct rvol_link *l, struct msghdr *msg)
{
	union {
		struct cmsghdr cmsg;
		u8 bytes[CMSG_SPACE(sizeof(u8))];
	} control;
	size_t room = msg_data_left(msg);
	int rv;

	msg->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	if (l->now->tls) {
		msg->msg_control = &control;
		msg->msg_controllen = sizeof(control);
	}
	rv = READ_ONCE(l->now->sock->ops)->recvmsg(l->now->sock, msg, room, msg->msg_flags);
	if (rv > 0 && l->now->tls && is_control(msg, &control.cmsg, sizeof(control)))
		return -EPROTO;
	/* a TLS socket may stop at the end of a record, a plain one only when it is empty */
	l->drained = !l->now->tls && rv > 0 && (size_t)rv < room;
	return rv;
}

static u32 from_ahead(struct rvol_link *l, void *to, u32 len)
{
	u32 n = min(len, l->ahead_len);

	memcpy(to, l->ahead, n);
	l->ahead += n;
	l->ahead_len -= n;
	if (l->ahead_len == 0) {
		l->ahead = NULL;
		kvfree(l->now->ahead);
		l->now->ahead = NULL;
	}
	return n;
}

/* The rest of a header, and in the same call what follows it, into l->page: mostly the payload and
 * no byte more. */
static int receive_head(struct rvol_link *l)
{
	u32 rest = WIRE_HEADER - l->have;
	struct kvec vec[2] = { { .iov_base = l->head + l->have, .iov_len = rest } };
	struct msghdr msg = { 0 };
	int rv;

	if (l->ahead)
		return (int)from_ahead(l, l->head + l->have, rest);
	if (!l->page)
		l->page = buf_page();
	vec[1].iov_base = l->page ? page_address(l->page) : NULL;
	vec[1].iov_len = l->page ? PAGE_SIZE : 0;
	iov_iter_kvec(&msg.msg_iter, ITER_DEST, vec, l->page ? 2 : 1, rest + vec[1].iov_len);
	rv = receive(l, &msg);
	if (rv <= (int)rest)
		return rv;
	l->ahead = vec[1].iov_base;
	l->ahead_len = (u32)rv - rest;
	return (int)rest;
}

static int receive_payload(struct rvol_link *l)
{
	struct bio_vec vec[RX_SEGMENTS];
	u32 n = buf_segments(l->buf, l->have, l->buf->len - l->have, vec, RX_SEGMENTS);
	struct msghdr msg = { 0 };
	size_t bytes = 0;

	if (l->ahead)
		return (int)from_ahead(l, page_address(vec[0].bv_page) + vec[0].bv_offset,
				       vec[0].bv_len);
	for (u32 i = 0; i < n; i++)
		bytes += vec[i].bv_len;
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, vec, n, bytes);
	return receive(l, &msg);
}

/* The payload's buffer; when all that came with the header is part of it, it lies there. */
static struct rvol_buf *payload_new(struct rvol_link *l)
{
	u32 len = l->msg.payload_len;
	struct rvol_buf *b;

	if (!l->page || l->ahead != page_address(l->page) || l->ahead_len > len)
		return buf_try(len, &l->r->rx_bytes, NULL);
	b = buf_try(len, &l->r->rx_bytes, l->page);
	if (!b)
		return NULL;
	l->have = l->ahead_len;
	l->ahead = NULL;
	l->page = NULL;
	return b;
}

static void deliver(struct rvol_link *l)
{
	struct rvol *r = l->r;
	struct repl_msg m = l->msg;

	m.buf = buf_handle(l->buf);
	l->buf = NULL; /* the core's now */
	l->have = 0;
	l->rx_records += wire_records(m.payload_len);
	trace_rvol_receive(r, l->number, &m);
	repl_mirror_receive(r->mirror, l->number, &m, &r->sink, r->now);
}

/* false: it ends, or there is no memory for what follows */
static bool head_done(struct rvol_link *l)
{
	struct wire_link_msg m;

	l->have = 0;
	if (wire_get_link(l->head, &m) == 0)
		return renewal_on_message(l, &m);
	if (wire_get(l->head, &l->msg) < 0) {
		link_give_up(l, "it sends what is no message");
		return false;
	}
	if (l->msg.payload_len == 0) {
		deliver(l);
		return true;
	}
	l->buf = payload_new(l);
	if (!l->buf) { /* links_retry goes on, with this head */
		l->have = WIRE_HEADER;
		l->starved = l->r->starved = true;
		return false;
	}
	if (l->have == l->buf->len)
		deliver(l);
	return !READ_ONCE(l->dead);
}

bool link_takes(const struct rvol_link *l)
{
	return atomic_read(&l->r->rx_bytes) < (int)RVOL_RX_MAX &&
	       (l->number < RVOL_LINK_PULL || repl_mirror_takes_input(l->r->mirror, l->number));
}

void links_retry(struct rvol *r)
{
	struct rvol_link *l;

	r->starved = false;
	list_for_each_entry(l, &r->links, list) {
		if (!l->starved)
			continue;
		l->starved = false;
		queue_work(rvol_wq, &l->rx_work);
	}
}

/* One receiving call. 1: there may be more, 0: nothing more for now, or for ever. */
static int step(struct rvol_link *l)
{
	bool at_head = !l->buf;
	int rv;

	if (at_head && l->have == 0 && !link_takes(l)) {
		l->held = true; /* links_settle goes on */
		return 0;
	}
	if (at_head && l->have == WIRE_HEADER)
		return head_done(l);
	rv = at_head ? receive_head(l) : receive_payload(l);
	if (rv == -EAGAIN || rv == -EINTR || rv == -ERESTARTSYS)
		return 0;
	if (rv <= 0) {
		link_give_up(l, rv == 0         ? "the other side has closed it"
				: rv == -EPROTO ? "it sends a TLS message that is no data"
						: "it cannot be read from");
		return 0;
	}
	l->have += (u32)rv;
	if (at_head && l->have == WIRE_HEADER && !head_done(l))
		return 0;
	if (!at_head && l->have == l->buf->len)
		deliver(l);
	return l->ahead || !l->drained;
}

void link_on_rx(struct work_struct *work)
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
