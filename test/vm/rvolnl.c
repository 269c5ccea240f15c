/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rvolnl.c - generic netlink by hand: requests, answers, the id of the family. */
#include "vm/rvolnl.h"

#include <assert.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

#define ANSWER_MAX (64u << 10)
#define HEAD (NLMSG_HDRLEN + GENL_HDRLEN)

/* a message of an answer: cmd and its attributes */
typedef void on_message(uint8_t cmd, const uint8_t *attrs, size_t len, void *arg);

/* ---- attributes ---- */

static const uint8_t *value_of(const struct nlattr *a)
{
	return (const uint8_t *)a + NLA_HDRLEN;
}

static size_t len_of(const struct nlattr *a)
{
	return a->nla_len - NLA_HDRLEN;
}

/* the next one at *at, which moves on; NULL behind the last */
static const struct nlattr *next_attr(const uint8_t **at, size_t *left)
{
	const struct nlattr *a = (const struct nlattr *)*at;
	size_t step;

	if (*left < NLA_HDRLEN || a->nla_len < NLA_HDRLEN || a->nla_len > *left)
		return NULL;
	step = NLA_ALIGN(a->nla_len);
	if (step > *left)
		step = *left;
	*at += step;
	*left -= step;
	return a;
}

void rvolnl_begin(struct rvolnl *n, uint8_t cmd, const uint8_t *uuid)
{
	struct nlmsghdr *h = (struct nlmsghdr *)n->request;
	struct genlmsghdr *g = (struct genlmsghdr *)(n->request + NLMSG_HDRLEN);

	memset(n->request, 0, HEAD);
	h->nlmsg_type = n->family;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = ++n->seq;
	g->cmd = cmd;
	g->version = RVOL_GENL_VERSION;
	n->len = HEAD;
	if (uuid)
		rvolnl_put(n, RVOL_A_UUID, uuid, RVOL_UUID_BYTES);
}

void rvolnl_put(struct rvolnl *n, uint16_t attr, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)(n->request + n->len);
	size_t room = NLA_ALIGN(NLA_HDRLEN + len);

	assert(n->len + room <= sizeof(n->request));
	memset(a, 0, room);
	a->nla_type = attr;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len > 0)
		memcpy((uint8_t *)a + NLA_HDRLEN, data, len);
	n->len += room;
}

void rvolnl_u8(struct rvolnl *n, uint16_t attr, uint8_t value)
{
	rvolnl_put(n, attr, &value, sizeof(value));
}

void rvolnl_u32(struct rvolnl *n, uint16_t attr, uint32_t value)
{
	rvolnl_put(n, attr, &value, sizeof(value));
}

void rvolnl_u64(struct rvolnl *n, uint16_t attr, uint64_t value)
{
	rvolnl_put(n, attr, &value, sizeof(value));
}

void rvolnl_text(struct rvolnl *n, uint16_t attr, const char *text)
{
	rvolnl_put(n, attr, text, strlen(text) + 1);
}

void rvolnl_flag(struct rvolnl *n, uint16_t attr)
{
	rvolnl_put(n, attr, NULL, 0);
}

/* ---- requests ---- */

/* With NETLINK_CAP_ACK the attributes of a refusal follow the header of what was refused. */
static int read_error(struct rvolnl *n, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = (const struct nlmsgerr *)((const uint8_t *)h + NLMSG_HDRLEN);
	const uint8_t *at = (const uint8_t *)(e + 1);
	const struct nlattr *a;
	size_t left = h->nlmsg_len - NLMSG_HDRLEN - sizeof(*e);

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return e->error;
	while ((a = next_attr(&at, &left)))
		if (a->nla_type == NLMSGERR_ATTR_MSG)
			snprintf(n->why, sizeof(n->why), "%.*s", (int)len_of(a),
				 (const char *)value_of(a));
	return e->error;
}

/* 1: go on, 0: the answer is complete, or what went wrong */
static int read_message(struct rvolnl *n, const struct nlmsghdr *h, on_message *on, void *arg)
{
	const uint8_t *body = (const uint8_t *)h + NLMSG_HDRLEN;

	if (h->nlmsg_seq != n->seq)
		return 1;
	if (h->nlmsg_type == NLMSG_ERROR)
		return read_error(n, h);
	if (h->nlmsg_type == NLMSG_DONE) {
		int rv;

		memcpy(&rv, body, sizeof(rv));
		return rv < 0 ? rv : 0;
	}
	if (h->nlmsg_len >= HEAD && on)
		on(((const struct genlmsghdr *)body)->cmd, body + GENL_HDRLEN, h->nlmsg_len - HEAD,
		   arg);
	return 1;
}

static int read_answer(struct rvolnl *n, on_message *on, void *arg)
{
	static _Alignas(8) uint8_t answer[ANSWER_MAX];
	int rv = 1;

	while (rv > 0) {
		ssize_t got = recv(n->fd, answer, sizeof(answer), 0);
		size_t at = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		while (rv > 0 && (size_t)got - at >= NLMSG_HDRLEN) {
			const struct nlmsghdr *h = (const struct nlmsghdr *)(answer + at);

			if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > (size_t)got - at)
				return -EBADMSG;
			rv = read_message(n, h, on, arg);
			at += NLMSG_ALIGN(h->nlmsg_len);
			if (at > (size_t)got)
				break;
		}
	}
	return rv;
}

static int ask(struct rvolnl *n, uint16_t flags, on_message *on, void *arg)
{
	struct nlmsghdr *h = (struct nlmsghdr *)n->request;

	h->nlmsg_len = (uint32_t)n->len;
	h->nlmsg_flags |= flags;
	n->why[0] = '\0';
	if (send(n->fd, n->request, n->len, 0) < 0)
		return -errno;
	return read_answer(n, on, arg);
}

int rvolnl_call(struct rvolnl *n)
{
	return ask(n, 0, NULL, NULL);
}

/* ---- status ---- */

struct reader {
	rvolnl_on_status *on;
	void *arg;
};

/* what is longer than we know it is cut, what is shorter is 0 at its end */
static void take(void *to, size_t room, const struct nlattr *a)
{
	memcpy(to, value_of(a), len_of(a) < room ? len_of(a) : room);
}

static void on_status(uint8_t cmd, const uint8_t *attrs, size_t len, void *arg)
{
	struct rvolnl_status s = { 0 };
	struct reader *r = arg;
	const struct nlattr *a;

	if (cmd != RVOL_CMD_STATUS)
		return;
	while ((a = next_attr(&attrs, &len))) {
		if (a->nla_type == RVOL_A_UUID)
			take(s.uuid, sizeof(s.uuid), a);
		else if (a->nla_type == RVOL_A_STATUS)
			take(&s.status, sizeof(s.status), a);
		else if (a->nla_type == RVOL_A_VOLUME && s.n_volumes < RVOL_VOLUMES_MAX)
			take(&s.volume[s.n_volumes++], sizeof(s.volume[0]), a);
		else if (a->nla_type == RVOL_A_LINK_INFO && s.n_links < RVOL_LINKS_MAX)
			take(&s.link[s.n_links++], sizeof(s.link[0]), a);
	}
	r->on(&s, r->arg);
}

static void keep_status(const struct rvolnl_status *s, void *arg)
{
	*(struct rvolnl_status *)arg = *s;
}

int rvolnl_status(struct rvolnl *n, const uint8_t *uuid, struct rvolnl_status *ret)
{
	struct reader r = { keep_status, ret };

	rvolnl_begin(n, RVOL_CMD_STATUS, uuid);
	return ask(n, 0, on_status, &r);
}

int rvolnl_dump(struct rvolnl *n, rvolnl_on_status *on, void *arg)
{
	struct reader r = { on, arg };

	rvolnl_begin(n, RVOL_CMD_STATUS, NULL);
	return ask(n, NLM_F_DUMP, on_status, &r);
}

/* ---- life ---- */

static void on_group(struct rvolnl *n, const struct nlattr *group)
{
	const uint8_t *at = value_of(group);
	size_t left = len_of(group);
	const struct nlattr *a;
	uint32_t id = 0;
	const char *name = "";

	while ((a = next_attr(&at, &left))) {
		if (a->nla_type == CTRL_ATTR_MCAST_GRP_ID)
			take(&id, sizeof(id), a);
		else if (a->nla_type == CTRL_ATTR_MCAST_GRP_NAME)
			name = (const char *)value_of(a);
	}
	if (strcmp(name, RVOL_GENL_EVENTS) == 0)
		n->group = id;
}

static void on_family(uint8_t cmd, const uint8_t *attrs, size_t len, void *arg)
{
	struct rvolnl *n = arg;
	const struct nlattr *a;

	while ((a = next_attr(&attrs, &len))) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			take(&n->family, sizeof(n->family), a);
		if ((a->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_MCAST_GROUPS) {
			const uint8_t *at = value_of(a);
			size_t left = len_of(a);
			const struct nlattr *group;

			while ((group = next_attr(&at, &left)))
				on_group(n, group);
		}
	}
}

static int open_socket(void)
{
	int on = 1, size = 1 << 20;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return fd;
}

int rvolnl_open(struct rvolnl *n)
{
	int rv;

	*n = (struct rvolnl){ .fd = open_socket(), .family = GENL_ID_CTRL };
	if (n->fd < 0)
		return n->fd;
	rvolnl_begin(n, CTRL_CMD_GETFAMILY, NULL);
	rvolnl_text(n, CTRL_ATTR_FAMILY_NAME, RVOL_GENL_NAME);
	rv = ask(n, 0, on_family, n);
	if (rv < 0)
		rvolnl_close(n);
	return rv;
}

void rvolnl_close(struct rvolnl *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

int rvolnl_events(const struct rvolnl *n)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int fd = open_socket();

	if (fd < 0)
		return fd;
	/* without a port of its own it would be taken for the kernel, which is not sent to */
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &n->group, sizeof(n->group)) < 0) {
		int rv = -errno;

		close(fd);
		return rv;
	}
	return fd;
}

int rvolnl_drain(int events_fd)
{
	uint8_t event[4096];
	int some = 0;

	for (;;) {
		if (recv(events_fd, event, sizeof(event), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
			some = 1;
		else if (errno != EINTR)
			return some;
	}
}
