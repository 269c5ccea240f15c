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
	trace_rvol_receive(r, l->number, &m);
	repl_mirror_receive(r->mirror, l->number, &m, &r->sink, r->now);
}

/* false: it ends */
static bool head_done(struct rvol_link *l)
{
	l->have = 0;
	if (wire_get(l->head, &l->msg) < 0) {
		link_give_up(l, "it sends what is no message");
		return false;
	}
	if (l->msg.payload_len == 0) {
		deliver(l);
		return true;
	}
	l->buf = buf_new(l->msg.payload_len, &l->r->rx_bytes);
	if (!l->buf)
		link_give_up(l, "no memory for what it sends");
	return l->buf != NULL;
}

bool link_takes(const struct rvol_link *l)
{
	return atomic_read(&l->r->rx_bytes) < (int)RVOL_RX_MAX &&
	       (l->number < RVOL_LINK_PULL || repl_mirror_takes_input(l->r->mirror, l->number));
}

/* One receiving call. 1: it brought something, 0: nothing for now or no more. */
static int step(struct rvol_link *l)
{
	bool at_head = !l->buf;
	int rv;

	if (at_head && l->have == 0 && !link_takes(l)) {
		l->held = true; /* links_settle goes on */
		return 0;
	}
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
	if (at_head)
		return l->have < WIRE_HEADER || head_done(l);
	if (l->have == l->buf->len)
		deliver(l);
	return 1;
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
