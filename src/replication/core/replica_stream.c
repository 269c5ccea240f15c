/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica_stream.c - the writer's stream at a replica: writes from arrival to
 * commit (R5, R7), flush and join (R6). The ring io[] holds every write that is
 * not known to be committed: it is the set U.
 */
#include "replication/core/replica.h"

static struct replica_io *io_at(struct repl_replica *r, u64 seq)
{
	return &r->io[seq % REPL_INFLIGHT_MAX];
}

static bool ranges_overlap(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

bool stream_overlaps(const struct repl_replica *r, u64 off, u64 len, u64 seq)
{
	for (u64 s = r->acked + 1; s <= PORT_MIN(r->rseq, seq); s++) {
		const struct replica_io *io = &r->io[s % REPL_INFLIGHT_MAX];

		if (io->state != IO_APPLIED && ranges_overlap(io->off, io->len, off, len))
			return true;
	}
	return false;
}

void stream_mark_extents(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++)
		if (r->io[i].state != IO_FREE)
			hotlog_mark(&r->hot, (u32)(r->io[i].off / REPL_EXTENT_BYTES));
}

/* an older write of the stream that is not done yet and overlaps: stream order is kept (R5) */
static bool older_overlaps(const struct repl_replica *r, const struct replica_io *io)
{
	for (u64 s = r->acked + 1; s < io->seq; s++) {
		const struct replica_io *o = &r->io[s % REPL_INFLIGHT_MAX];

		if (o->state != IO_APPLIED && ranges_overlap(o->off, o->len, io->off, io->len))
			return true;
	}
	return false;
}

static void stamp_write(struct repl_replica *r, const struct replica_io *io)
{
	u32 first = (u32)(io->off / REPL_REGION_BYTES);
	u32 last = (u32)((io->off + io->len - 1) / REPL_REGION_BYTES);

	for (u32 x = first; x <= last; x++)
		map_set(r, x, pull_synced(r, x) ? r->re : REPL_STAMP_UNKNOWN);
}

static bool is_held(const struct replica_io *io)
{
	return io->state == IO_COLD || io->state == IO_BLOCKED;
}

static void hold(struct repl_replica *r, struct replica_io *io, u8 state)
{
	r->n_held += !is_held(io);
	io->state = state;
}

/* goes as far as it can: extent hot and durable, nothing older in the way, stamp, then the disk */
static void io_go(struct repl_replica *r, struct replica_io *io)
{
	struct repl_effect e;

	hold(r, io, IO_COLD);
	if (!persist_hot(r, (u32)(io->off / REPL_EXTENT_BYTES)))
		return;
	hold(r, io, IO_BLOCKED);
	if (older_overlaps(r, io) || pull_overlaps(r, io->off, io->len))
		return;
	stamp_write(r, io);
	if (r->mode == REPLICA_FAILED)
		return;
	io->state = IO_WRITING;
	r->n_held--;
	e = (struct repl_effect){
		.kind = REPL_DISK_WRITE,
		.id = DISK_ID(DISK_STREAM, io->seq % REPL_INFLIGHT_MAX),
		.op = io->op,
		.volume = (u8)REPL_ADDRESS_VOLUME(io->off),
		.off = REPL_ADDRESS_OFF(io->off),
		.len = io->len,
		.buf = io->buf,
	};
	io->buf = 0;
	r->disk_writes++;
	r->sink->emit(r->sink, &e);
}

void stream_write(struct repl_replica *r, const struct repl_msg *m)
{
	struct replica_io *io = io_at(r, m->seq);

	stream_commit(r, m->commit);
	if (m->epoch != r->re || m->seq != r->rseq + 1 || io->state != IO_FREE ||
	    !replica_has(r, m->off, m->len)) {
		replica_drop(r, m->buf);
		replica_break(r, r->session_link); /* never drop silently */
		return;
	}
	*io = (struct replica_io){
		.op = m->op, .len = m->len, .off = m->off, .seq = m->seq, .buf = m->buf
	};
	r->rseq = m->seq;
	pull_touch(r, io->off, io->len);
	io_go(r, io);
}

static void free_committed(struct repl_replica *r)
{
	while (r->tail < r->committed && io_at(r, r->tail + 1)->state == IO_APPLIED)
		io_at(r, ++r->tail)->state = IO_FREE;
}

/* R7 */
void stream_commit(struct repl_replica *r, u64 commit)
{
	if (commit > r->rseq || commit <= r->committed)
		return;
	r->committed = commit;
	free_committed(r);
}

void stream_done(struct repl_replica *r, u32 index)
{
	if (index < REPL_INFLIGHT_MAX && r->io[index].state == IO_WRITING)
		r->io[index].state = IO_APPLIED;
}

void stream_end(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++) {
		struct replica_io *io = &r->io[i];

		if (!is_held(io))
			continue;
		replica_drop(r, io->buf);
		io->buf = 0;
		io->state = IO_LOST;
	}
	r->n_held = 0;
}

void stream_forget(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++)
		r->io[i].state = IO_FREE;
	r->n_held = 0;
}

void stream_stamp_uncommitted(struct repl_replica *r, u32 stamp, bool synced_only)
{
	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++) {
		const struct replica_io *io = &r->io[i];
		u32 last;

		/* what waits in a session takes the epoch of the moment when it goes to the disk
		 * (stamp_write) */
		if (io->state != IO_WRITING && io->state != IO_APPLIED && io->state != IO_LOST)
			continue;
		last = (u32)((io->off + io->len - 1) / REPL_REGION_BYTES);
		for (u32 x = (u32)(io->off / REPL_REGION_BYTES); x <= last; x++)
			if (!synced_only || pull_synced(r, x))
				map_set(r, x, stamp);
	}
}

bool stream_hot(struct repl_replica *r)
{
	bool all = true;

	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++)
		if (r->io[i].state != IO_FREE &&
		    !persist_hot(r, (u32)(r->io[i].off / REPL_EXTENT_BYTES)))
			all = false;
	return all;
}

static void flush_start(struct repl_replica *r)
{
	struct repl_effect e = { .kind = REPL_DISK_FLUSH, .id = DISK_ID(DISK_FLUSH, 0) };

	if (r->flush_busy || !r->flush_wanted)
		return;
	r->flush_running = r->flush_wanted;
	r->flush_wanted = 0;
	r->flush_busy = true;
	r->sink->emit(r->sink, &e);
}

void stream_want_flush(struct repl_replica *r, u32 bit)
{
	r->flush_wanted |= bit;
	flush_start(r);
}

void stream_flushed(struct repl_replica *r)
{
	struct repl_msg m = { .kind = REPL_MSG_FLUSHED, .id = r->flush.id };
	u32 bits = r->flush_running;

	r->flush_busy = false;
	r->flush_running = 0;
	if (r->mode == REPLICA_FAILED)
		return;
	if (bits & FLUSH_STREAM) {
		r->flush.set = false;
		replica_send(r, r->session_link, &m);
	}
	if (bits & FLUSH_JOIN) {
		m.kind = REPL_MSG_READY;
		r->join.set = false;
		r->ready = true;
		replica_send(r, r->session_link, &m);
	}
	if (bits & FLUSH_EVICT)
		persist_flushed(r);
	flush_start(r);
}

static void ack_settle(struct repl_replica *r)
{
	struct repl_msg m;

	while (r->acked < r->rseq && io_at(r, r->acked + 1)->state == IO_APPLIED)
		r->acked++;
	free_committed(r);
	if (r->acked == r->ack_sent)
		return;
	r->ack_sent = r->acked;
	m = (struct repl_msg){ .kind = REPL_MSG_ACK, .seq = r->acked };
	replica_send(r, r->session_link, &m);
}

void stream_settle(struct repl_replica *r)
{
	if (!r->session)
		return;
	for (u64 s = r->acked + 1; r->n_held && s <= r->rseq; s++)
		if (is_held(io_at(r, s)))
			io_go(r, io_at(r, s));
	ack_settle(r);
	if (r->flush.set && !r->flush.asked && r->acked >= r->flush.after) {
		r->flush.asked = true;
		stream_want_flush(r, FLUSH_STREAM);
	}
	if (r->join.set && !r->join.asked && r->acked >= r->join.after) {
		r->join.asked = true;
		stream_want_flush(r, FLUSH_JOIN);
	}
}
