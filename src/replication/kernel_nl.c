// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_nl.c - the way to the kernel module over generic netlink. Called by
 * kernel_resource.c on the plane's thread for what the module does at once, and
 * by kernel_job.c in workers for what may take its time: the module answers
 * inside send(), so a command that hangs holds its own thread only. Each user
 * has a socket of its own meanwhile.
 */
#include "replication/kernel_nl.h"

#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/family.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#define IDLE_MAX 8                /* sockets that are kept for the next */
#define RECEIVE_BYTES (64 << 10)  /* a part of a dump */
#define SOCKET_BYTES (256 << 10)  /* what the kernel keeps for us, and takes at once */
#define MESSAGE_BYTES (16u << 10) /* a request without what was read ahead */

struct kernel_nl {
	struct kernel_port port; /* first */
	struct nl_sock *events;
	int group;
	pthread_mutex_t lock; /* of all below */
	int family;
	u32 n_attrs; /* that the module knows */
	struct nl_sock *idle[IDLE_MAX];
	u32 n_idle;
};

/* ---- libnl's words ---- */

/* Only for what goes wrong on this side: the module's answers come with their errno. */
static int errno_of(int nl_code)
{
	switch (-nl_code) {
	case NLE_OBJ_NOTFOUND:
	case NLE_NOADDR:
		return -ENODEV;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	case NLE_AGAIN:
	case NLE_INTR:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

static int nl_failed(int nl_code, struct err *err)
{
	int code = errno_of(nl_code);

	return err_set(err, code, "the kernel module cannot be spoken to: %s%s",
		       nl_geterror(nl_code), code == -ENODEV ? " (is the module loaded?)" : "");
}

/* ---- sockets ---- */

static struct nl_sock *socket_new(struct err *err)
{
	struct timeval wait = { .tv_sec = KERNEL_NL_WAIT_MS / 1000 };
	struct nl_sock *s = nl_socket_alloc();
	int on = 1, rv = s ? genl_connect(s) : -NLE_NOMEM;

	if (rv < 0) {
		nl_socket_free(s);
		nl_failed(rv, err);
		return NULL;
	}
	nl_socket_set_buffer_size(s, SOCKET_BYTES, SOCKET_BYTES);
	nl_socket_set_msg_buf_size(s, RECEIVE_BYTES);
	setsockopt(nl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(nl_socket_get_fd(s), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl_socket_get_fd(s), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return s;
}

static struct nl_sock *socket_take(struct kernel_nl *nl, int *ret_family, u32 *ret_attrs,
				   struct err *err)
{
	struct nl_sock *s = NULL;

	pthread_mutex_lock(&nl->lock);
	*ret_family = nl->family;
	*ret_attrs = nl->n_attrs;
	if (nl->n_idle > 0)
		s = nl->idle[--nl->n_idle];
	pthread_mutex_unlock(&nl->lock);
	return s ? s : socket_new(err);
}

/* one with which something went wrong may still get an answer that nobody waits for */
static void socket_give(struct kernel_nl *nl, struct nl_sock *s, bool sound)
{
	pthread_mutex_lock(&nl->lock);
	if (sound && nl->n_idle < IDLE_MAX) {
		nl->idle[nl->n_idle++] = s;
		s = NULL;
	}
	pthread_mutex_unlock(&nl->lock);
	nl_socket_free(s);
}

/* ---- one exchange ---- */

struct exchange {
	void (*each)(const struct kernel_view *view, void *arg);
	void *arg;
	bool done;
	int status; /* of the module */
	struct err *err;
};

static void take_struct(void *to, size_t size, struct nlattr *from)
{
	size_t len = (size_t)nla_len(from);

	memset(to, 0, size);
	memcpy(to, nla_data(from), PORT_MIN(len, size));
}

/* false: it is no answer to STATUS */
static bool parse_view(struct nlmsghdr *h, struct kernel_view *ret)
{
	struct genlmsghdr *g = genlmsg_hdr(h);
	struct nlattr *a;
	bool known = false;
	int left;

	memset(ret, 0, sizeof(*ret));
	if (!genlmsg_valid_hdr(h, 0) || g->cmd != RVOL_CMD_STATUS)
		return false;
	nla_for_each_attr(a, genlmsg_attrdata(g, 0), genlmsg_attrlen(g, 0), left)
	{
		switch (nla_type(a)) {
		case RVOL_A_UUID:
			take_struct(ret->uuid, sizeof(ret->uuid), a);
			break;
		case RVOL_A_STATUS:
			take_struct(&ret->status, sizeof(ret->status), a);
			known = true;
			break;
		case RVOL_A_VOLUME:
			if (ret->n_volumes < RVOL_VOLUMES_MAX)
				take_struct(&ret->volume[ret->n_volumes++], sizeof(ret->volume[0]),
					    a);
			break;
		case RVOL_A_LINK_INFO:
			if (ret->n_links < RVOL_LINKS_MAX)
				take_struct(&ret->link[ret->n_links++], sizeof(ret->link[0]), a);
			break;
		}
	}
	ret->status.name[RVOL_NAME_MAX - 1] = '\0';
	ret->status.reason[RVOL_NAME_MAX - 1] = '\0';
	ret->status.disk_error[RVOL_NAME_MAX - 1] = '\0';
	return known;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct exchange *x = arg;
	struct kernel_view view;

	if (x->each && parse_view(nlmsg_hdr(msg), &view))
		x->each(&view, x->arg);
	return NL_OK;
}

static int on_end(struct nl_msg *msg, void *arg)
{
	((struct exchange *)arg)->done = true;
	return NL_STOP;
}

/* the sentence of an extended acknowledgement, NULL: there is none */
static const char *sentence(struct nlmsgerr *e)
{
	struct nlmsghdr *h = (struct nlmsghdr *)((char *)e - NLMSG_HDRLEN);
	size_t skip = sizeof(*e);
	struct nlattr *a;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += e->msg.nlmsg_len - NLMSG_HDRLEN;
	if (h->nlmsg_len < NLMSG_HDRLEN + skip)
		return NULL;
	a = nla_find((struct nlattr *)((char *)e + skip), (int)(h->nlmsg_len - NLMSG_HDRLEN - skip),
		     NLMSGERR_ATTR_MSG);
	return a ? nla_get_string(a) : NULL;
}

static int on_refused(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct exchange *x = arg;
	const char *why = sentence(e);

	x->done = true;
	x->status = e->error;
	if (why)
		err_set(x->err, e->error, "kernel module: %.300s", why);
	else
		err_set(x->err, e->error, "kernel module: %s", err_name(e->error));
	return NL_STOP;
}

static int exchange_on(struct nl_sock *s, struct nl_msg *msg, struct exchange *x)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rv = cb ? nl_send_auto(s, msg) : -NLE_NOMEM;

	if (cb) {
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, x);
		nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, x);
		nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, x);
		nl_cb_err(cb, NL_CB_CUSTOM, on_refused, x);
	}
	while (rv >= 0 && !x->done)
		rv = nl_recvmsgs(s, cb);
	nl_cb_put(cb);
	if (x->done)
		return x->status;
	return nl_failed(rv, x->err);
}

/* ---- requests as bytes ---- */

enum field_kind {
	FIELD_NONE,
	FIELD_U8,
	FIELD_U32,
	FIELD_U64,
	FIELD_S32,
	FIELD_FLAG,
	FIELD_TEXT,
	FIELD_PAGE,
	FIELD_RECORD,
	FIELD_AHEAD
};

#define FIELD(kind_, member)                                                 \
	{                                                                    \
		.kind = kind_, .at = offsetof(struct kernel_request, member) \
	}
static const struct field {
	enum field_kind kind;
	size_t at;
} fields[RVOL_A_COUNT] = {
	[RVOL_A_NAME] = FIELD(FIELD_TEXT, name),
	[RVOL_A_SELF] = FIELD(FIELD_U8, self),
	[RVOL_A_COPIES] = FIELD(FIELD_U32, copies),
	[RVOL_A_NODE] = FIELD(FIELD_U32, node),
	[RVOL_A_BOOT] = FIELD(FIELD_U64, boot),
	[RVOL_A_TAG_COUNTER] = FIELD(FIELD_U32, tag_counter),
	[RVOL_A_SEED] = FIELD(FIELD_U64, seed),
	[RVOL_A_READ_POLICY] = FIELD(FIELD_U8, read_policy),
	[RVOL_A_HANDOVER] = FIELD(FIELD_U8, handover),
	[RVOL_A_COPY_WRITES] = FIELD(FIELD_U8, copy_writes),
	[RVOL_A_STATE_PAGE] = FIELD(FIELD_PAGE, state_page),
	[RVOL_A_STATE_COPY] = FIELD(FIELD_U8, state_copy),
	[RVOL_A_HOT_PAGE] = FIELD(FIELD_PAGE, hot_page),
	[RVOL_A_HOT_COPY] = FIELD(FIELD_U8, hot_copy),
	[RVOL_A_FORCE] = { .kind = FIELD_FLAG },
	[RVOL_A_NUMBER] = FIELD(FIELD_U8, number),
	[RVOL_A_MINOR] = FIELD(FIELD_U32, minor),
	[RVOL_A_SIZE] = FIELD(FIELD_U64, size),
	[RVOL_A_COPY_SIZE] = FIELD(FIELD_U64, copy_size),
	[RVOL_A_DATA_PATH] = FIELD(FIELD_TEXT, data_path),
	[RVOL_A_META_PATH] = FIELD(FIELD_TEXT, meta_path),
	[RVOL_A_RECORD] = FIELD(FIELD_RECORD, record),
	[RVOL_A_TOKEN] = FIELD(FIELD_U64, token),
	[RVOL_A_ACCEPTED] = FIELD(FIELD_U8, accepted),
	[RVOL_A_LINK] = FIELD(FIELD_U32, link),
	[RVOL_A_SLOT] = FIELD(FIELD_U8, slot),
	[RVOL_A_FD] = FIELD(FIELD_S32, fd),
	[RVOL_A_TLS] = { .kind = FIELD_FLAG },
	[RVOL_A_PLAIN] = { .kind = FIELD_FLAG },
	[RVOL_A_AHEAD] = FIELD(FIELD_AHEAD, ahead),
	[RVOL_A_ON] = FIELD(FIELD_U8, on),
	[RVOL_A_DEADLINE_MS] = FIELD(FIELD_U32, deadline_ms),
	[RVOL_A_PURPOSE] = FIELD(FIELD_U8, purpose),
	[RVOL_A_RENEW] = FIELD(FIELD_U32, renew),
	[RVOL_A_RENEW_AT] = FIELD(FIELD_U64, renew_at),
	[RVOL_A_DISCARD] = FIELD(FIELD_U32, discard),
	[RVOL_A_BLOCK] = FIELD(FIELD_U32, block),
	[RVOL_A_BELOW_PATH] = FIELD(FIELD_TEXT, below_path),
	[RVOL_A_BELOW_OFF] = FIELD(FIELD_U64, below_off),
	[RVOL_A_BELOW_DISCARDS] = FIELD(FIELD_U8, below_discards),
};

static int put_field(struct nl_msg *msg, int attr, const struct kernel_request *q)
{
	const void *at = (const char *)q + fields[attr].at;

	switch (fields[attr].kind) {
	case FIELD_U8:
		return nla_put(msg, attr, sizeof(u8), at);
	case FIELD_U32:
	case FIELD_S32:
		return nla_put(msg, attr, sizeof(u32), at);
	case FIELD_U64:
		return nla_put(msg, attr, sizeof(u64), at);
	case FIELD_FLAG:
		return nla_put_flag(msg, attr);
	case FIELD_TEXT:
		return nla_put_string(msg, attr, *(const char *const *)at);
	case FIELD_PAGE:
		return nla_put(msg, attr, RVOL_META_PAGE, *(const u8 *const *)at);
	case FIELD_RECORD:
		return nla_put(msg, attr, sizeof(struct rvol_record), at);
	case FIELD_AHEAD:
		return nla_put(msg, attr, (int)q->ahead_len, q->ahead);
	default:
		return -NLE_INVAL;
	}
}

u64 kernel_nl_attrs(u64 with, u32 n_attrs)
{
	u64 known = n_attrs < 64 ? (1ull << n_attrs) - 1 : ~0ull;

	return with & (known | ~KERNEL_MAY_LACK);
}

static int put_request(struct nl_msg *msg, const struct kernel_request *q, u32 n_attrs)
{
	u64 with = kernel_nl_attrs(q->with, n_attrs);
	int rv = nla_put(msg, RVOL_A_UUID, sizeof(q->uuid), q->uuid);

	for (int attr = 0; rv >= 0 && attr < RVOL_A_COUNT; attr++)
		if (with & (1ull << attr))
			rv = put_field(msg, attr, q);
	return rv;
}

/* q NULL: a dump of all */
static int exchange_once(struct kernel_nl *nl, const struct kernel_request *q, struct exchange *x)
{
	bool ahead = q && (q->with & KERNEL_WITH(AHEAD));
	struct nl_msg *msg = nlmsg_alloc_size(MESSAGE_BYTES + (ahead ? q->ahead_len : 0));
	struct nl_sock *s;
	int family, rv = -NLE_NOMEM;
	u32 n_attrs;

	if (!msg)
		return nl_failed(rv, x->err);
	s = socket_take(nl, &family, &n_attrs, x->err);
	if (!s) {
		nlmsg_free(msg);
		return x->err->code;
	}
	if (genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, q ? 0 : NLM_F_DUMP,
			q ? q->cmd : RVOL_CMD_STATUS, RVOL_GENL_VERSION))
		rv = q ? put_request(msg, q, n_attrs) : 0;
	if (rv >= 0)
		rv = exchange_on(s, msg, x);
	else
		rv = nl_failed(rv, x->err);
	socket_give(nl, s, x->done);
	nlmsg_free(msg);
	return rv;
}

/* the family has gone, or it has come back as another: *ret_changed */
static int find_family(struct kernel_nl *nl, bool *ret_changed, struct err *err)
{
	struct nl_sock *s = socket_new(err);
	int id;

	if (!s)
		return err->code;
	id = genl_ctrl_resolve(s, RVOL_GENL_NAME);
	nl_socket_free(s);
	if (id < 0)
		return nl_failed(id, err);
	pthread_mutex_lock(&nl->lock);
	*ret_changed = id != nl->family;
	nl->family = id;
	pthread_mutex_unlock(&nl->lock);
	return 0;
}

static int exchange(struct kernel_nl *nl, const struct kernel_request *q, struct exchange *x)
{
	struct err local = { 0 }, gone = { 0 };
	bool changed = false;
	int rv;

	if (!x->err)
		x->err = &local;
	rv = exchange_once(nl, q, x);
	if (rv != -ENOENT)
		return rv;
	/* the module says so of what it does not have, the kernel of a module that is gone */
	if (find_family(nl, &changed, &gone) < 0) {
		*x->err = gone;
		return gone.code;
	}
	if (!changed)
		return rv;
	x->done = false;
	x->status = 0;
	return exchange_once(nl, q, x);
}

/* ---- the port ---- */

static struct kernel_nl *of(struct kernel_port *port)
{
	return (struct kernel_nl *)port;
}

static int port_request(struct kernel_port *port, const struct kernel_request *q, struct err *err)
{
	struct exchange x = { .err = err };

	return exchange(of(port), q, &x);
}

static void keep_view(const struct kernel_view *view, void *arg)
{
	*(struct kernel_view *)arg = *view;
}

static int port_status(struct kernel_port *port, const u8 uuid[RVOL_UUID_BYTES],
		       struct kernel_view *ret, struct err *err)
{
	struct exchange x = { .each = keep_view, .arg = ret, .err = err };
	struct kernel_request q = { .cmd = RVOL_CMD_STATUS };

	memcpy(q.uuid, uuid, sizeof(q.uuid));
	return exchange(of(port), &q, &x);
}

static int port_dump(struct kernel_port *port,
		     void (*each)(const struct kernel_view *view, void *arg), void *arg,
		     struct err *err)
{
	struct exchange x = { .each = each, .arg = arg, .err = err };

	return exchange(of(port), NULL, &x);
}

static int check_version(struct kernel_nl *nl, struct nl_sock *s, struct err *err)
{
	struct nl_cache *cache;
	struct genl_family *f;
	int version = -1, rv = genl_ctrl_alloc_cache(s, &cache);

	if (rv < 0)
		return nl_failed(rv, err);
	f = genl_ctrl_search_by_name(cache, RVOL_GENL_NAME);
	if (f) {
		version = (int)genl_family_get_version(f);
		pthread_mutex_lock(&nl->lock);
		nl->n_attrs = genl_family_get_maxattr(f) + 1;
		pthread_mutex_unlock(&nl->lock);
	}
	genl_family_put(f);
	nl_cache_free(cache);
	if (version < 0)
		return nl_failed(-NLE_OBJ_NOTFOUND, err);
	if (version != RVOL_GENL_VERSION)
		return err_set(err, -EPROTONOSUPPORT,
			       "the kernel module speaks version %d, this sdsd %d", version,
			       RVOL_GENL_VERSION);
	return 0;
}

static int port_open(struct kernel_port *port, int *ret_fd, struct err *err)
{
	struct kernel_nl *nl = of(port);
	struct nl_sock *s = socket_new(err);
	bool changed;
	int group, families, rv;

	*ret_fd = nl_socket_get_fd(nl->events);
	if (!s)
		return err->code;
	rv = find_family(nl, &changed, err); /* by its name first: this loads the module */
	if (rv == 0)
		rv = check_version(nl, s, err);
	group = rv == 0 ? genl_ctrl_resolve_grp(s, RVOL_GENL_NAME, RVOL_GENL_EVENTS) : 0;
	families = rv == 0 ? genl_ctrl_resolve_grp(s, "nlctrl", "notify") : 0;
	nl_socket_free(s);
	if (group < 0)
		rv = nl_failed(group, err);
	if (rv < 0)
		return rv;
	if (families > 0) /* a module that is unloaded says nothing any more */
		nl_socket_add_membership(nl->events, families);
	if (nl->group && nl->group != group)
		nl_socket_drop_membership(nl->events, nl->group);
	rv = nl_socket_add_membership(nl->events, group);
	if (rv < 0)
		return nl_failed(rv, err);
	nl->group = group;
	return 0;
}

struct listening {
	void (*each)(const u8 uuid[RVOL_UUID_BYTES], void *arg);
	void *arg;
	bool unsure; /* some family has come or gone, perhaps ours */
};

static int on_event(struct nl_msg *msg, void *arg)
{
	struct listening *l = arg;
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlattr *a;

	l->unsure |= h->nlmsg_type == GENL_ID_CTRL;
	if (h->nlmsg_type == GENL_ID_CTRL || !genlmsg_valid_hdr(h, 0) ||
	    genlmsg_hdr(h)->cmd != RVOL_CMD_EVENT)
		return NL_OK;
	a = nla_find(genlmsg_attrdata(genlmsg_hdr(h), 0), genlmsg_attrlen(genlmsg_hdr(h), 0),
		     RVOL_A_UUID);
	if (a && nla_len(a) == RVOL_UUID_BYTES)
		l->each(nla_data(a), l->arg);
	return NL_OK;
}

static int any_seq(struct nl_msg *msg, void *arg)
{
	return NL_OK;
}

static int port_events(struct kernel_port *port,
		       void (*each)(const u8 uuid[RVOL_UUID_BYTES], void *arg), void *arg)
{
	struct kernel_nl *nl = of(port);
	struct listening l = { .each = each, .arg = arg };
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rv = 0;

	if (!cb)
		return -ENOBUFS;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_event, &l);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_seq, NULL);
	while (rv >= 0)
		rv = nl_recvmsgs(nl->events, cb);
	nl_cb_put(cb);
	/* whatever it was: something may be missing */
	return rv == -NLE_AGAIN && !l.unsure ? 0 : -ENOBUFS;
}

static void port_free(struct kernel_port *port)
{
	struct kernel_nl *nl = of(port);

	while (nl->n_idle > 0)
		nl_socket_free(nl->idle[--nl->n_idle]);
	nl_socket_free(nl->events);
	pthread_mutex_destroy(&nl->lock);
	free(nl);
}

struct kernel_port *kernel_nl_new(void)
{
	struct kernel_nl *nl = calloc(1, sizeof(*nl));

	if (!nl)
		return NULL;
	nl->port = (struct kernel_port){ .open = port_open,
					 .events = port_events,
					 .request = port_request,
					 .status = port_status,
					 .dump = port_dump,
					 .device_find = loopdev_find,
					 .device_attach = loopdev_attach,
					 .device_refresh = loopdev_refresh,
					 .free = port_free };
	nl->events = nl_socket_alloc();
	if (!nl->events || genl_connect(nl->events) < 0) {
		nl_socket_free(nl->events);
		free(nl);
		return NULL;
	}
	nl_socket_set_buffer_size(nl->events, SOCKET_BYTES, 0);
	nl_socket_set_nonblocking(nl->events);
	pthread_mutex_init(&nl->lock, NULL);
	return &nl->port;
}

const struct rvol_volume *kernel_view_volume(const struct kernel_view *view, u32 number)
{
	for (u32 i = 0; i < view->n_volumes; i++)
		if (view->volume[i].number == number)
			return &view->volume[i];
	return NULL;
}

const struct rvol_link_info *kernel_view_link(const struct kernel_view *view, u32 number)
{
	for (u32 i = 0; i < view->n_links; i++)
		if (view->link[i].number == number)
			return &view->link[i];
	return NULL;
}
