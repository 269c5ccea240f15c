/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror.c - joins the two halves: the writer's "link to itself" is a queue in
 * here, everything else passes through. A call runs until nothing goes round
 * any more, so a driver never sees half a step.
 */
#include "replication/core/mirror.h"

static struct repl_mirror *of_writer(struct repl_sink *s)
{
	return (struct repl_mirror *)((char *)s - offsetof(struct repl_mirror, writer_sink));
}

static struct repl_mirror *of_replica(struct repl_sink *s)
{
	return (struct repl_mirror *)((char *)s - offsetof(struct repl_mirror, replica_sink));
}

static void pass(struct repl_mirror *m, const struct repl_effect *e)
{
	m->out->emit(m->out, e);
}

static void drop(struct repl_mirror *m, repl_buf buf)
{
	struct repl_effect e = { .kind = REPL_BUF_DROP, .buf = buf };

	if (buf)
		pass(m, &e);
}

/* false: full */
static bool push(struct repl_queue *q, const struct repl_msg *msg)
{
	if (q->len == REPL_LOCAL_MAX)
		return false;
	q->msg[(q->head + q->len++) % REPL_LOCAL_MAX] = *msg;
	return true;
}

static const struct repl_msg *first(const struct repl_queue *q)
{
	return &q->msg[q->head];
}

static void pop(struct repl_queue *q)
{
	q->head = (q->head + 1) % REPL_LOCAL_MAX;
	q->len--;
}

static void from_writer(struct repl_sink *sink, const struct repl_effect *e)
{
	struct repl_mirror *m = of_writer(sink);
	if (e->link != REPL_LINK_SLOT(m->self) ||
	    (e->kind != REPL_SEND && e->kind != REPL_LINK_CLOSE)) {
		pass(m, e);
		return;
	}
	if (e->kind == REPL_LINK_CLOSE || !m->local_up || !push(&m->to_replica, e->msg)) {
		m->local_broken = true;
		return;
	}
	if (!e->msg->buf)
		return;
	m->payload.msg = e->msg;
	pass(m, &m->payload); /* the driver takes a reference for the replica */
}

static void from_replica(struct repl_sink *sink, const struct repl_effect *e)
{
	struct repl_mirror *m = of_replica(sink);

	if ((e->kind != REPL_SEND && e->kind != REPL_LINK_CLOSE) || e->link != REPL_LINK_LOCAL) {
		pass(m, e);
		return;
	}
	if (e->kind == REPL_LINK_CLOSE || !m->local_up || !push(&m->to_writer, e->msg)) {
		m->local_broken = true;
		if (e->kind == REPL_SEND)
			drop(m, e->msg->buf);
	}
}

static void local_raise(struct repl_mirror *m, u64 now)
{
	if (m->local_up || !m->has_disk || !m->replica.booted || now < m->local_up_at ||
	    m->replica.mode == REPLICA_FAILED)
		return;
	m->local_up = true;
	repl_writer_link_up(&m->writer, m->self, now);
	repl_replica_link_up(&m->replica, REPL_LINK_LOCAL);
}

static void empty(struct repl_mirror *m, struct repl_queue *q)
{
	for (; q->len; pop(q))
		drop(m, first(q)->buf);
}

static void local_cut(struct repl_mirror *m, u64 now)
{
	m->local_broken = false;
	m->local_up = false;
	m->local_up_at = now + REPL_RETRY_NS;
	empty(m, &m->to_replica);
	empty(m, &m->to_writer);
	repl_replica_link_down(&m->replica, REPL_LINK_LOCAL, now);
	repl_writer_link_down(&m->writer, m->self, now);
	m->local_broken = false;
}

/* Until nothing goes round. A message stays in its queue while it is looked at: only the other side
 * puts something there. */
static void run(struct repl_mirror *m, u64 now)
{
	for (;;) {
		if (m->local_broken) {
			local_cut(m, now);
		} else if (m->to_replica.len &&
			   repl_replica_takes_input(&m->replica, REPL_LINK_LOCAL)) {
			repl_replica_receive(&m->replica, REPL_LINK_LOCAL, first(&m->to_replica),
					     now);
			pop(&m->to_replica);
		} else if (m->to_writer.len) {
			repl_writer_receive(&m->writer, m->self, first(&m->to_writer), now);
			pop(&m->to_writer);
		} else {
			return;
		}
	}
}

void repl_mirror_init(struct repl_mirror *m, const struct repl_mirror_config *c, u64 now)
{
	m->self = c->self;
	m->has_disk = c->disk != NULL;
	m->payload.kind = REPL_SEND;
	m->payload.link = REPL_LINK_LOCAL;
	m->writer_sink.emit = from_writer;
	m->replica_sink.emit = from_replica;
	repl_writer_init(&m->writer, c->self, m->has_disk, c->copies, &c->tag, c->seed,
			 &m->writer_sink);
	m->writer.read_policy = c->read_policy;
	if (!c->disk)
		return;
	repl_replica_init(&m->replica, c->self, c->disk, &m->replica_sink, now);
	m->replica.brief = m->brief;
	m->replica.n_briefs = c->n_briefs;
}

void repl_mirror_boot(struct repl_mirror *m, const struct repl_record *r, struct repl_sink *out,
		      u64 now)
{
	m->out = out;
	if (m->has_disk)
		repl_replica_boot(&m->replica, r);
	local_raise(m, now);
	run(m, now);
}

void repl_mirror_set_copies(struct repl_mirror *m, u32 copies, struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_writer_set_copies(&m->writer, copies, now);
	run(m, now);
}

static void open_for(struct repl_mirror *m, bool heals, struct repl_sink *out, u64 now)
{
	m->out = out;
	local_raise(m, now);
	repl_writer_open(&m->writer, heals, now);
	run(m, now);
}

void repl_mirror_open(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	open_for(m, false, out, now);
}

void repl_mirror_heal(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	open_for(m, true, out, now);
}

void repl_mirror_close(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_writer_close(&m->writer, now);
	run(m, now);
}

void repl_mirror_yield(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_writer_yield(&m->writer, now);
	run(m, now);
}

void repl_mirror_abandon(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_writer_abandon(&m->writer);
	run(m, now);
}

void repl_mirror_set_read_policy(struct repl_mirror *m, enum repl_read_policy policy)
{
	m->writer.read_policy = policy;
}

void repl_mirror_grow(struct repl_mirror *m, u32 volume, u64 size_bytes, struct repl_sink *out,
		      u64 now)
{
	m->out = out;
	if (m->has_disk && volume < REPL_VOLUMES_MAX && size_bytes <= REPL_VOLUME_BYTES_MAX)
		repl_replica_grow(&m->replica, volume, size_bytes);
	run(m, now);
}

bool repl_mirror_leased(const struct repl_mirror *m, u64 now)
{
	return repl_writer_serving(&m->writer) && peers_lease(&m->writer, now);
}

u64 repl_mirror_size(const struct repl_mirror *m, u32 volume)
{
	return volume < REPL_VOLUMES_MAX ? m->writer.size[volume] : 0;
}

static bool range_ok(const struct repl_mirror *m, u64 off, u32 len, u32 len_max, u32 unit)
{
	u64 size = m->writer.size[REPL_ADDRESS_VOLUME(off) % REPL_VOLUMES_MAX];

	return len && len <= len_max && !(off % unit) && !(len % unit) &&
	       REPL_ADDRESS_VOLUME(off) < REPL_VOLUMES_MAX && REPL_ADDRESS_OFF(off) < size &&
	       len <= size - REPL_ADDRESS_OFF(off) &&
	       off / REPL_EXTENT_BYTES == (off + len - 1) / REPL_EXTENT_BYTES;
}

int repl_mirror_write(struct repl_mirror *m, u64 id, u8 op, u64 off, u32 len, repl_buf buf,
		      struct repl_sink *out, u64 now)
{
	int rc;

	if (op >= REPL_OPS ||
	    !range_ok(m, off, len, op == REPL_OP_DATA ? REPL_WRITE_MAX : REPL_EXTENT_BYTES,
		      repl_op_unit(op)))
		return -EINVAL;
	m->out = out;
	rc = repl_writer_submit(&m->writer, REQ_WRITE, id, op, off, len, buf, now);
	run(m, now);
	return rc;
}

int repl_mirror_read(struct repl_mirror *m, u64 id, u64 off, u32 len, struct repl_sink *out,
		     u64 now)
{
	int rc;

	if (!range_ok(m, off, len, REPL_WRITE_MAX, REPL_SECTOR))
		return -EINVAL;
	m->out = out;
	rc = repl_writer_submit(&m->writer, REQ_READ, id, 0, off, len, 0, now);
	run(m, now);
	return rc;
}

int repl_mirror_flush(struct repl_mirror *m, u64 id, struct repl_sink *out, u64 now)
{
	int rc;

	m->out = out;
	rc = repl_writer_submit(&m->writer, REQ_FLUSH, id, 0, 0, 0, 0, now);
	run(m, now);
	return rc;
}

bool repl_mirror_wants_link(const struct repl_mirror *m, u8 slot)
{
	return repl_writer_wants_link(&m->writer, slot);
}

static bool is_slot_link(u32 link)
{
	return link >= REPL_LINK_SLOT(0) && link < REPL_LINK_SLOT(REPL_SLOTS_MAX);
}

void repl_mirror_link_up(struct repl_mirror *m, u32 link, struct repl_sink *out, u64 now)
{
	m->out = out;
	if (is_slot_link(link))
		repl_writer_link_up(&m->writer, (u8)(link - REPL_LINK_SLOT(0)), now);
	else if (m->has_disk)
		repl_replica_link_up(&m->replica, link);
	run(m, now);
}

void repl_mirror_link_down(struct repl_mirror *m, u32 link, struct repl_sink *out, u64 now)
{
	m->out = out;
	if (is_slot_link(link))
		repl_writer_link_down(&m->writer, (u8)(link - REPL_LINK_SLOT(0)), now);
	else if (m->has_disk)
		repl_replica_link_down(&m->replica, link, now);
	run(m, now);
}

void repl_mirror_receive(struct repl_mirror *m, u32 link, const struct repl_msg *msg,
			 struct repl_sink *out, u64 now)
{
	m->out = out;
	if (is_slot_link(link))
		repl_writer_receive(&m->writer, (u8)(link - REPL_LINK_SLOT(0)), msg, now);
	else if (m->has_disk)
		repl_replica_receive(&m->replica, link, msg, now);
	else
		drop(m, msg->buf);
	run(m, now);
}

void repl_mirror_link_lags(struct repl_mirror *m, u8 slot, bool lags, struct repl_sink *out,
			   u64 now)
{
	m->out = out;
	repl_writer_link_lags(&m->writer, slot, lags, now);
	run(m, now);
}

bool repl_mirror_takes_input(const struct repl_mirror *m, u32 link)
{
	return !m->has_disk || repl_replica_takes_input(&m->replica, link);
}

void repl_mirror_pull_up(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_replica_pull_up(&m->replica, now);
	run(m, now);
}

void repl_mirror_pull_down(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_replica_pull_down(&m->replica, now);
	run(m, now);
}

void repl_mirror_disk_done(struct repl_mirror *m, u64 id, int status, struct repl_sink *out,
			   u64 now)
{
	m->out = out;
	repl_replica_disk_done(&m->replica, id, status, now);
	run(m, now);
}

void repl_mirror_disk_read_done(struct repl_mirror *m, u64 id, int status, repl_buf buf, u32 len,
				struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_replica_read_done(&m->replica, id, status, buf, len, now);
	run(m, now);
}

void repl_mirror_meta_read_done(struct repl_mirror *m, u64 id, int status, const u8 *page,
				struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_replica_meta_read_done(&m->replica, id, status, page, now);
	run(m, now);
}

void repl_mirror_record(struct repl_mirror *m, u64 token, const struct repl_record *r,
			struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_writer_record(&m->writer, token, r, now);
	run(m, now);
}

void repl_mirror_cas_done(struct repl_mirror *m, u64 token, bool accepted,
			  const struct repl_record *now_is, struct repl_sink *out, u64 now)
{
	m->out = out;
	repl_writer_cas_done(&m->writer, token, accepted, now_is, now);
	run(m, now);
}

void repl_mirror_tick(struct repl_mirror *m, struct repl_sink *out, u64 now)
{
	m->out = out;
	local_raise(m, now);
	repl_writer_tick(&m->writer, now);
	if (m->has_disk)
		repl_replica_tick(&m->replica, now);
	run(m, now);
}

bool repl_mirror_busy(const struct repl_mirror *m)
{
	return repl_writer_busy(&m->writer) || (m->has_disk && repl_replica_busy(&m->replica));
}

u64 repl_mirror_reads_until(const struct repl_mirror *m)
{
	const struct repl_writer *w = &m->writer;
	const struct repl_replica *r = &m->replica;

	if (w->state != WRITER_SERVING || w->lost || !w->opened || w->yielding ||
	    w->read_policy != REPL_READ_LOCAL || !(w->members & (1u << w->self)))
		return 0;
	if (r->mode != REPLICA_MEMBER || !r->session || r->session_link != REPL_LINK_LOCAL)
		return 0;
	return repl_writer_lease_end(w);
}

void repl_mirror_status(const struct repl_mirror *m, struct repl_mirror_status *ret)
{
	static const char *const roles[WRITER_STATES] = {
		"idle",      "candidate", "candidate", "candidate",
		"candidate", "writer",    "releasing", "stopped",
	};
	const struct repl_writer *w = &m->writer;
	const struct repl_replica *r = &m->replica;
	bool serving = w->state == WRITER_SERVING;

	memset(ret, 0, sizeof(*ret));
	ret->serving = repl_writer_serving(w);
	ret->wanted = serving && w->wanted;
	ret->stopped = w->state == WRITER_STOPPED;
	ret->role = roles[w->state];
	ret->reason = w->reason;
	ret->mode = m->has_disk ? repl_replica_mode_name(r->mode) : "none";
	ret->epoch = serving ? w->pe : r->re;
	ret->in_sync = serving ? w->members : r->members;
	ret->regions = m->has_disk ? repl_replica_regions(r) : 0;
	ret->synced = m->has_disk ? repl_replica_synced(r) : 0;
	ret->bad_pages = r->bad_pages;
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		ret->peer[s] = repl_writer_peer_name(w, s);
		ret->peer_up[s] = w->peer[s].up;
	}
}
