// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * link.c - greeting, frames in, frames out. Called by volume.c for links it
 * opens and sends on, and by plane_user.c for those that others opened. It
 * judges no greeting and knows no message beyond its frame; what breaks the
 * frame ends the link. How a link changes its socket is link_renew.c's.
 */
#include "replication/link_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

void link_complain(struct link_set *s, const char *fmt, ...)
{
	u64 second = clock_boot_ns() / (1000 * REPL_MS);
	char text[256];
	va_list ap;

	if (second != s->complaint_second) {
		s->complaint_second = second;
		s->complaints = 0;
	}
	if (++s->complaints > LINK_COMPLAINTS_PER_S)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("link", "%s", text);
}

const char *link_refusal(u8 status)
{
	switch (status) {
	case WIRE_WELCOME:
		return "welcome";
	case WIRE_BAD_VERSION:
		return "it speaks another version of the protocol";
	case WIRE_BAD_CLUSTER:
		return "it belongs to another cluster";
	case WIRE_NO_RESOURCE:
		return "it does not have this resource (yet)";
	case WIRE_BAD_SLOT:
		return "it does not know this node under this number (yet)";
	case WIRE_NOT_READY:
		return "its replica is not attached yet";
	case WIRE_NO_RENEWAL:
		return "it has no such link that can be renewed now";
	default:
		return "it gives no reason";
	}
}

/* ---- life ---- */

static void check_ended(struct link_set *s)
{
	if (s->ending && !s->head && s->ended) {
		void (*ended)(void *arg) = s->ended;

		s->ended = NULL;
		ended(s->ended_arg);
	}
}

static void check_gone(struct link *l)
{
	struct link_set *s = l->set;

	if (l->conn || !l->timer_closed)
		return;
	if (l->prev)
		l->prev->next = l->next;
	else
		s->head = l->next;
	if (l->next)
		l->next->prev = l->prev;
	turn_drop(s->turn, &l->flush);
	buf_release(&l->stash);
	free(l);
	check_ended(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;

	l->timer_closed = true;
	check_gone(l);
}

/* from now on nothing is received and nobody told; the conn may still send */
void link_end(struct link *l)
{
	if (l->state == LINK_ENDING)
		return;
	if (!l->opened && l->state == LINK_GREETING)
		l->set->ungreeted--;
	l->state = LINK_ENDING;
	/* it lies on the owner's account, which may end before the link */
	payload_put(l->payload);
	l->payload = NULL;
	l->ops = NULL;
	l->account = NULL;
	l->out = NULL;
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

static void report_down(struct link *l, const char *why)
{
	const struct link_ops *ops = l->ops;
	void *owner = l->owner;

	if (l->state == LINK_ENDING)
		return;
	link_end(l);
	renewal_drop(l, false);
	if (l->renews)
		renewal_spare_down(l, why);
	if (ops)
		ops->down(l, why, owner);
}

void link_uncork(struct link *l)
{
	if (l->corked && l->out)
		conn_uncork(l->out);
	l->corked = false;
}

void link_fail(struct link *l, const char *why)
{
	report_down(l, why);
	if (l->conn)
		conn_abort(l->conn);
}

/* ---- sending ---- */

void link_put(struct link *l, const void *data, size_t len)
{
	if (l->broken || !l->out)
		return;
	l->set->turn->sent = true;
	if (!l->corked) {
		l->corked = true;
		conn_cork(l->out);
		turn_add(l->set->turn, &l->flush);
	}
	if (link_queued(l) + len > LINK_QUEUE_MAX) {
		l->broken = true;
		l->why = "it takes what is sent too slowly";
	} else if (conn_write(l->out, data, len) < 0) {
		l->broken = true;
		l->why = "it cannot be written to";
	}
	if (l->broken)
		turn_add(l->set->turn, &l->flush);
}

static void put_message(struct link *l, const struct repl_msg *m)
{
	u8 head[WIRE_HEADER];

	wire_put(head, m);
	link_put(l, head, sizeof(head));
	if (m->payload_len > 0)
		link_put(l, payload_of(m->buf)->data, m->payload_len);
}

static void put_ack(struct link *l)
{
	if (!l->ack_due)
		return;
	l->ack_due = false;
	put_message(l, &l->ack);
}

void link_send(struct link *l, const struct repl_msg *m)
{
	if (l->state != LINK_UP)
		return;
	if (m->kind == REPL_MSG_ACK) { /* cumulative: the last of a turn says it all */
		l->ack = *m;
		l->ack_due = true;
		turn_add(l->set->turn, &l->flush);
		return;
	}
	put_ack(l);
	put_message(l, m);
}

static void on_flush_turn(struct turn_item *item)
{
	struct link *l = (struct link *)((char *)item - offsetof(struct link, flush));

	put_ack(l);
	link_uncork(l);
	if (l->broken)
		link_fail(l, l->why);
}

static void put_greeting(struct link *l)
{
	u8 out[WIRE_GREETING];

	wire_put_greeting(out, &l->hello);
	link_put(l, out, sizeof(out));
}

/* ---- greeting ---- */

static void go_up(struct link *l)
{
	l->have = 0;
	uv_timer_stop(&l->timer);
	if (!l->set->for_kernel)
		conn_keep_buffers(l->conn);
	if (l->renews) {
		l->state = LINK_SPARE;
		renewal_begin(l->renews);
		return;
	}
	l->state = LINK_UP;
	l->ops->up(l, l->owner);
}

static void judge(struct link *l, const struct wire_greeting *g)
{
	struct link_set *s = l->set;
	struct wire_greeting *answer = &l->hello;

	*answer = (struct wire_greeting){ .version = WIRE_VERSION,
					  .purpose = g->purpose,
					  .from = g->to,
					  .to = g->from,
					  .boot = s->boot,
					  .renewal = g->renewal };
	memcpy(answer->cluster, s->cluster, sizeof(answer->cluster));
	memcpy(answer->resource, g->resource, sizeof(answer->resource));
	l->slot = g->from;
	l->purpose = g->purpose;
	if (g->version != WIRE_VERSION)
		answer->status = WIRE_BAD_VERSION;
	else if (memcmp(g->cluster, s->cluster, sizeof(g->cluster)) != 0)
		answer->status = WIRE_BAD_CLUSTER;
	else if (s->ending)
		answer->status = WIRE_NOT_READY;
	else
		answer->status = s->judge(l, g, s->arg);
	put_greeting(l);
	if (answer->status == WIRE_WELCOME) {
		assert(l->ops || l->renews);
		s->ungreeted--;
		go_up(l);
		return;
	}
	/* the other refusals are a matter of time, and the opener says them */
	if (answer->status == WIRE_BAD_VERSION || answer->status == WIRE_BAD_CLUSTER)
		link_complain(s, "peer=%s refused: %s", l->node, link_refusal(answer->status));
	else
		log_debug("link", "peer=%s refused: %s", l->node, link_refusal(answer->status));
	link_close(l);
}

static void on_answer(struct link *l, const struct wire_greeting *g)
{
	if (g->status != WIRE_WELCOME) {
		link_fail(l, link_refusal(g->status));
		return;
	}
	if (g->version != WIRE_VERSION ||
	    memcmp(g->resource, l->hello.resource, sizeof(g->resource)) != 0 ||
	    g->from != l->hello.to || g->to != l->hello.from || g->renewal != l->hello.renewal) {
		link_fail(l, "its greeting does not answer ours");
		return;
	}
	go_up(l);
}

static void on_greeting(struct link *l)
{
	struct wire_greeting g;

	l->have = 0;
	if (wire_get_greeting(l->head, &g) < 0) {
		link_complain(l->set, "peer=%s sends no greeting but something else", l->node);
		link_fail(l, "it sends no greeting");
	} else if (l->opened) {
		on_answer(l, &g);
	} else {
		judge(l, &g);
	}
}

u8 link_judge(struct link *l, const struct wire_greeting *g, const struct plane_resource *r)
{
	if (g->purpose < WIRE_SESSION || g->purpose > WIRE_KNOCK)
		return WIRE_BAD_VERSION;
	if (g->to != r->self || !plane_usable(r, g->from))
		return WIRE_BAD_SLOT;
	if (strcmp(r->peer[g->from].node, l->node) != 0) {
		link_complain(l->set, "volume=%s peer=%s claims to be node %s", r->name, l->node,
			      r->peer[g->from].node);
		return WIRE_BAD_SLOT;
	}
	return WIRE_WELCOME;
}

/* ---- receiving ---- */

static u32 gather(u8 *to, u32 have, u32 want, const u8 **data, size_t *len)
{
	u32 n = (u32)PORT_MIN(*len, (size_t)(want - have));

	memcpy(to + have, *data, n);
	*data += n;
	*len -= n;
	return have + n;
}

static void deliver(struct link *l)
{
	struct repl_msg m = l->msg;

	m.buf = payload_handle(l->payload);
	l->payload = NULL; /* the owner's now */
	l->have = 0;
	l->received += wire_records(m.payload_len);
	l->ops->message(l, &m, l->owner);
}

static void on_header(struct link *l)
{
	struct wire_link_msg m;

	l->have = 0;
	if (wire_get_link(l->head, &m) == 0) {
		renewal_on_message(l, &m);
		return;
	}
	if (wire_get(l->head, &l->msg) < 0) {
		link_complain(l->set, "peer=%s sends what is no message, hanging up", l->node);
		link_fail(l, "it sends what is no message");
		return;
	}
	if (l->msg.payload_len == 0) {
		deliver(l);
		return;
	}
	l->payload = payload_new(l->account, l->msg.payload_len);
	if (!l->payload)
		link_fail(l, "no memory for what it sends");
}

/* at a message's beginning only: a message that has begun is read to its end */
static bool holds_back(struct link *l)
{
	return l->state == LINK_UP && l->have == 0 && !l->payload && !l->ops->takes(l, l->owner);
}

/* one step; false: nothing more can be done with these bytes */
static bool take(struct link *l, const u8 **data, size_t *len)
{
	if (l->state == LINK_GREETING) {
		l->have = gather(l->head, l->have, WIRE_GREETING, data, len);
		if (l->have == WIRE_GREETING)
			on_greeting(l);
		return true;
	}
	if (l->state != LINK_UP || l->renewal.switch_read || holds_back(l))
		return false;
	if (l->payload) {
		l->have = gather(l->payload->data, l->have, l->payload->len, data, len);
		if (l->have == l->payload->len)
			deliver(l);
		return true;
	}
	l->have = gather(l->head, l->have, WIRE_HEADER, data, len);
	if (l->have == WIRE_HEADER)
		on_header(l);
	return true;
}

static size_t consume(struct link *l, const u8 *data, size_t len)
{
	const u8 *at = data;

	while (len > 0 && take(l, &at, &len))
		;
	return (size_t)(at - data);
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct link *l = owner;
	size_t used = 0;

	if (l->stash.len == 0)
		used = consume(l, data, len);
	if (l->state == LINK_ENDING)
		return;
	if (l->renewal.switch_read) {
		renewal_read_on(l, len - used);
		return;
	}
	if (used == len)
		return;
	if (!l->paused) {
		l->paused = true;
		conn_read_pause(c);
	}
	if (renewal_is_old(l))
		link_fail(l->renews, "it goes on sending after its SWITCH");
	else if (buf_append(&l->stash, data + used, len - used) < 0)
		link_fail(l, "no memory for what it sends");
}

size_t link_queued(const struct link *l)
{
	const struct link *spare = l->renewal.spare;

	return (l->conn ? conn_queued(l->conn) : 0) +
	       (spare && spare->conn ? conn_queued(spare->conn) : 0);
}

void link_resume(struct link *l)
{
	if (l->state != LINK_UP || !l->paused)
		return;
	if (l->stash.len > 0)
		buf_consume(&l->stash, consume(l, l->stash.data, l->stash.len));
	if (l->renewal.switch_read) {
		renewal_read_on(l, l->stash.len);
		return;
	}
	if (l->state == LINK_UP && l->stash.len == 0 && !holds_back(l)) {
		l->paused = false;
		conn_read_resume(l->conn);
	}
}

/* ---- conn ---- */

static void on_open(struct conn *c, void *owner)
{
	struct link *l = owner;
	const struct tls_peer *peer = conn_peer(c);

	if (l->state != LINK_CONNECTING)
		return;
	if (!peer || strcmp(peer->node, l->node) != 0) {
		link_complain(l->set, "peer=%s at %s: the certificate there is node %s's", l->node,
			      conn_name(c), peer ? peer->node : "nobody");
		link_fail(l, "another node answers at its address");
		return;
	}
	l->state = LINK_GREETING;
	put_greeting(l);
}

static void on_close(struct conn *c, const struct err *reason, void *owner)
{
	struct link *l = owner;

	if (l->out == c)
		l->corked = false;
	l->conn = NULL;
	report_down(l, reason->code ? reason->text : "the other side closed it");
	check_gone(l);
}

const struct conn_ops link_conn_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_close = on_close,
};

static void on_timeout(uv_timer_t *timer)
{
	struct link *l = timer->data;

	link_fail(l, "no greeting came in time");
}

static struct link *link_new(struct link_set *s)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->set = s;
	l->flush.run = on_flush_turn;
	l->slot = REPL_NO_SLOT;
	buf_init(&l->stash, LINK_STASH_MAX);
	uv_timer_init(s->loop, &l->timer);
	l->timer.data = l;
	l->next = s->head;
	if (s->head)
		s->head->prev = l;
	s->head = l;
	return l;
}

struct link *link_open(struct link_set *s, const struct link_target *t, const struct link_ops *ops,
		       void *owner, struct payload_account *account)
{
	struct link *l;

	if (s->ending)
		return NULL;
	l = link_new(s);
	if (!l)
		return NULL;
	l->opened = true;
	l->state = LINK_CONNECTING;
	l->number = t->number;
	l->slot = t->to;
	l->purpose = t->purpose;
	snprintf(l->node, sizeof(l->node), "%s", t->node);
	l->hello = (struct wire_greeting){ .version = WIRE_VERSION,
					   .purpose = t->purpose,
					   .from = t->from,
					   .to = t->to,
					   .boot = s->boot,
					   .renewal = t->renewal };
	memcpy(l->hello.cluster, s->cluster, sizeof(l->hello.cluster));
	memcpy(l->hello.resource, t->resource, sizeof(l->hello.resource));
	l->conn = conn_connect_tls(s->loop, s->tls, ALPN_DATA, t->host, t->port, &link_conn_ops, l);
	if (!l->conn) {
		link_end(l);
		return NULL;
	}
	l->out = l->conn;
	if (s->for_kernel)
		conn_for_kernel(l->conn); /* link_to_kernel says so when it cannot be */
	l->ops = ops;
	l->owner = owner;
	l->account = account;
	uv_timer_start(&l->timer, on_timeout,
		       CONN_CONNECT_TIMEOUT_MS + CONN_HANDSHAKE_TIMEOUT_MS + LINK_GREETING_MS, 0);
	return l;
}

void link_accept(struct link_set *s, struct conn *c)
{
	const struct tls_peer *peer = conn_peer(c);
	struct link *l = NULL;

	if (!s->ending && s->ungreeted < LINK_UNGREETED_MAX)
		l = link_new(s);
	if (!l) {
		conn_abort(c);
		return;
	}
	l->conn = l->out = c;
	l->state = LINK_GREETING;
	s->ungreeted++;
	snprintf(l->node, sizeof(l->node), "%s", peer ? peer->node : "");
	conn_set_ops(c, &link_conn_ops, l);
	if (s->for_kernel)
		conn_for_kernel(c);
	uv_timer_start(&l->timer, on_timeout, LINK_GREETING_MS, 0);
}

void link_adopt(struct link *l, u32 number, const struct link_ops *ops, void *owner,
		struct payload_account *account)
{
	l->number = number;
	l->ops = ops;
	l->owner = owner;
	l->account = account;
}

/* what was read before, and then what conn had */
static int join_ahead(struct link *l, u8 **ahead, size_t *len)
{
	size_t before = l->stash.len;
	u8 *all;

	if (before == 0)
		return 0;
	all = malloc(before + *len);
	if (!all)
		return -ENOMEM;
	memcpy(all, l->stash.data, before);
	if (*len > 0)
		memcpy(all + before, *ahead, *len);
	free(*ahead);
	*ahead = all;
	*len += before;
	return 0;
}

int link_to_kernel(struct link *l, int *ret_fd, u8 **ret_ahead, size_t *ret_len, struct err *err)
{
	u8 *ahead = NULL;
	size_t len = 0;
	int fd, rv;

	if (l->state != LINK_UP || !l->conn)
		return err_set(err, -ENOTCONN, "the link has ended");
	link_uncork(l);
	rv = conn_to_kernel(l->conn, &fd, &ahead, &len, err);
	if (rv < 0)
		return rv;
	l->conn = l->out = NULL;
	rv = join_ahead(l, &ahead, &len);
	link_end(l);
	if (rv < 0) {
		close(fd);
		free(ahead);
		return err_set(err, rv, "no memory for what was read");
	}
	*ret_fd = fd;
	*ret_ahead = ahead;
	*ret_len = len;
	return 0;
}

void link_close(struct link *l)
{
	put_ack(l);
	link_uncork(l);
	link_end(l);
	renewal_drop(l, !l->broken);
	if (!l->conn)
		return;
	if (l->broken)
		conn_abort(l->conn);
	else
		conn_close(l->conn);
}

void link_pace(struct link_pace *p, bool was_up, u64 now)
{
	bool stable = was_up && now - p->up_at >= LINK_PACE_STABLE_MS * REPL_MS;
	u32 jitter;

	p->delay_ms = stable || !p->delay_ms ? LINK_PACE_MIN_MS
					     : PORT_MIN(2 * p->delay_ms, LINK_PACE_MAX_MS);
	rand_bytes(&jitter, sizeof(jitter));
	/* between half and the whole: nodes that lost each other together do not dial together */
	p->next_at = now + (p->delay_ms / 2 + jitter % (p->delay_ms / 2 + 1)) * REPL_MS;
}

void link_set_init(struct link_set *s, uv_loop_t *loop, struct turn *turn, struct tls *tls)
{
	*s = (struct link_set){ .loop = loop, .turn = turn, .tls = tls };
	s->renew_records = LINK_RENEW_RECORDS;
	/* what a former life has begun may still be there at the other side */
	rand_bytes(&s->renewal, sizeof(s->renewal));
}

void link_set_end(struct link_set *s, void (*ended)(void *arg), void *arg)
{
	struct link *l, *next;

	s->ending = true;
	s->ended = ended;
	s->ended_arg = arg;
	for (l = s->head; l; l = next) {
		next = l->next;
		if (l->state == LINK_GREETING || l->state == LINK_CONNECTING)
			link_fail(l, "this node stops");
	}
	check_ended(s);
}
