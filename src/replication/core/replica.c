/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica.c - sessions of a replica: who may write here, in which epoch, as what.
 * State of the mode is changed in replica_move() only. Everything a message may
 * do in a wrong moment ends in REFUSED or in the end of its link, never in doubt.
 */
#include "replication/core/mirror.h"

static const char *const mode_names[REPLICA_MODES] = { "out", "learner", "member", "failed" };

/* to[from]: allowed moves, as bits */
static const u8 mode_to[REPLICA_MODES] = {
	[REPLICA_OUT] = 1 << REPLICA_LEARNER | 1 << REPLICA_MEMBER | 1 << REPLICA_FAILED,
	[REPLICA_LEARNER] = 1 << REPLICA_LEARNER | 1 << REPLICA_MEMBER | 1 << REPLICA_FAILED,
	[REPLICA_MEMBER] = 1 << REPLICA_LEARNER | 1 << REPLICA_MEMBER | 1 << REPLICA_FAILED,
	[REPLICA_FAILED] = 0,
};

const char *repl_replica_mode_name(enum replica_mode mode)
{
	return mode < REPLICA_MODES ? mode_names[mode] : "?";
}

void replica_changed(struct repl_replica *r)
{
	struct repl_effect e = { .kind = REPL_CHANGED };

	r->sink->emit(r->sink, &e);
}

static void replica_move(struct repl_replica *r, enum replica_mode to)
{
	if (!(mode_to[r->mode] & (1 << to)))
		return; /* failed is final until the disk is attached anew */
	r->mode = to;
	replica_changed(r);
}

void repl_replica_init(struct repl_replica *r, u8 self, const struct repl_disk *disk,
		       struct repl_sink *sink, u64 now)
{
	r->sink = sink;
	r->self = self;
	r->state = disk->state;
	r->state_copy = disk->state_copy;
	memcpy(r->size, disk->size, sizeof(r->size));
	r->pull_slot = REPL_NO_SLOT;
	r->echo_at = now; /* R13: as if the last ECHO had been given just before the restart */
	hotlog_init(&r->hot, disk->hot_generation, disk->hot_copy, disk->hot, disk->n_hot);
}

/* R14. The stamps of hot extents are unknown since hotlog_init; what a learner had stamped since
 * learner_epoch is made so at the next START, before anybody asks for it (start_settle). */
void repl_replica_boot(struct repl_replica *r, const struct repl_record *record)
{
	if (r->booted)
		return;
	r->fence = record->epoch;
	r->members = record->in_sync;
	r->booted = true;
}

bool replica_has(const struct repl_replica *r, u64 off, u64 len)
{
	u64 in_volume = REPL_ADDRESS_OFF(off);

	return REPL_ADDRESS_VOLUME(off) < REPL_VOLUMES_MAX &&
	       in_volume < r->size[REPL_ADDRESS_VOLUME(off)] &&
	       len <= r->size[REPL_ADDRESS_VOLUME(off)] - in_volume;
}

u32 replica_regions_of(const struct repl_replica *r, u32 volume)
{
	return meta_regions(r->size[volume]);
}

u64 replica_region_from(const struct repl_replica *r, u64 x)
{
	for (u32 v = (u32)(x / REPL_REGIONS_PER_VOLUME); v < REPL_VOLUMES_MAX; v++) {
		u64 first = (u64)v * REPL_REGIONS_PER_VOLUME;

		x = PORT_MAX(x, first);
		if (x - first < replica_regions_of(r, v))
			return x;
	}
	return REPL_REGIONS_END;
}

u64 repl_replica_regions(const struct repl_replica *r)
{
	u64 n = 0;

	for (u32 v = 0; v < REPL_VOLUMES_MAX; v++)
		n += replica_regions_of(r, v);
	return n;
}

bool repl_replica_intact(const struct repl_replica *r)
{
	return r->mode == REPLICA_MEMBER || (r->mode == REPLICA_LEARNER && r->ready);
}

bool repl_replica_takes_input(const struct repl_replica *r, u32 link)
{
	/* A full ring whose oldest write is still at the disk empties by itself; one whose
	 * oldest is applied waits for the commit point that the next message carries. For a
	 * member the writer waits: there is room for what it sends, and its PINGs must not wait
	 * for a slow disk, or the session ends. Answers to a learner's questions are not held up by
	 * its stream: under writes without a pause it would never get one. */
	bool full = r->session && link == r->session_link && r->mode == REPLICA_LEARNER &&
		    r->rseq - r->tail >= REPL_INFLIGHT_MAX &&
		    r->io[(r->tail + 1) % REPL_INFLIGHT_MAX].state != IO_APPLIED;

	return !r->start.kind && !full;
}

bool repl_replica_busy(const struct repl_replica *r)
{
	return r->session || r->start.kind || !persist_idle(r) || r->leave || r->disk_writes;
}

void replica_send(struct repl_replica *r, u32 link, const struct repl_msg *m)
{
	struct repl_effect e = { .kind = REPL_SEND, .link = link, .msg = m };

	r->sink->emit(r->sink, &e);
}

static void send_plain(struct repl_replica *r, u32 link, u8 kind, u32 epoch, u32 reason)
{
	struct repl_msg m = { .kind = kind, .epoch = epoch, .reason = reason };

	replica_send(r, link, &m);
}

void replica_drop(struct repl_replica *r, repl_buf buf)
{
	struct repl_effect e = { .kind = REPL_BUF_DROP, .buf = buf };

	if (buf)
		r->sink->emit(r->sink, &e);
}

static void session_end(struct repl_replica *r)
{
	if (!r->session)
		return;
	r->session = false; /* R12: mode, re and U stay */
	r->flush.set = r->join.set = r->synced_sent = false;
	r->flush_wanted &= FLUSH_EVICT; /* an answer to the old session must not serve a new one */
	r->flush_running &= FLUSH_EVICT;
	stream_end(r);
	pull_end(r);
	replica_changed(r);
}

static void forget_link(struct repl_replica *r, u32 link)
{
	source_link_down(r, link);
	if (link == REPL_LINK_LOCAL)
		r->told_inside = false;
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (r->told[i] == link)
			r->told[i] = 0;
}

static void link_close(struct repl_replica *r, u32 link)
{
	struct repl_effect e = { .kind = REPL_LINK_CLOSE, .link = link };

	forget_link(r, link);
	r->sink->emit(r->sink, &e);
}

void replica_break(struct repl_replica *r, u32 link)
{
	if (r->session && r->session_link == link)
		session_end(r);
	if (r->start.kind && r->start_link == link)
		r->start.kind = REPL_MSG_NONE;
	link_close(r, link);
}

void replica_fail(struct repl_replica *r)
{
	u32 link = r->start.kind ? r->start_link : r->session_link;
	bool told = r->session || r->start.kind;

	if (r->mode == REPLICA_FAILED)
		return;
	session_end(r);
	r->start.kind = REPL_MSG_NONE;
	persist_forget(r);
	replica_move(r, REPLICA_FAILED);
	if (told) {
		send_plain(r, link, REPL_MSG_REFUSED, r->re, REPL_DISK);
		link_close(r, link);
	}
}

/* R1, R2: may this START be carried out? */
static u32 start_judge(const struct repl_replica *r, const struct repl_msg *m)
{
	bool in = m->mask & (1u << r->self);

	if (!r->booted)
		return REPL_NOT_BOOTED;
	if (r->mode == REPLICA_FAILED)
		return REPL_DISK;
	if (m->epoch <= r->fence || m->epoch < REPL_EPOCH_FIRST)
		return REPL_STALE;
	if (in != (m->start != REPL_START_LEARNER))
		return REPL_BAD;
	if (m->start == REPL_START_MEMBER && !repl_replica_intact(r))
		return REPL_NOT_INTACT; /* [F10] */
	return REPL_OK;
}

static void on_start(struct repl_replica *r, u32 link, const struct repl_msg *m)
{
	u32 reason = start_judge(r, m);

	if (reason) {
		send_plain(r, link, REPL_MSG_REFUSED, m->epoch, reason);
		return;
	}
	r->fence = m->epoch;
	if (r->session && r->session_link != link)
		link_close(r, r->session_link);
	if (r->start.kind && r->start_link != link)
		link_close(r, r->start_link);
	session_end(r);
	r->start = *m;
	r->start_link = link; /* carried out by start_settle when the disk is quiet */
}

/* A START waits until no write of an older session is at the disk: one that is late must not
 * land on top of a newer one. */
static void start_settle(struct repl_replica *r, u64 now)
{
	struct repl_msg *m = &r->start;
	bool unsure;

	if (m->kind != REPL_MSG_START || r->disk_writes || !persist_idle(r) || !stream_hot(r))
		return; /* the stamps of U are about to change: they must be there, and stay */
	/* R3, R14: since then a learner's stamps count inside their session only. An intact learner
	 * goes on with them as a member. */
	unsure = m->start != REPL_START_MEMBER && r->state.learner_epoch;
	if (unsure)
		map_void(r, r->state.learner_epoch, m->epoch);
	r->state.epoch = m->epoch;
	if (m->start == REPL_START_LEARNER) {
		/* The zeros are durable as they are: these extents are in the hot log. */
		stream_stamp_uncommitted(r, REPL_STAMP_UNKNOWN, false);
		r->state.learner_epoch = m->epoch;
		persist_start(r);
		return;
	}
	/* R2; after a restart the stamps of hot extents are unknown and get the epoch in
	 * start_finish */
	stream_stamp_uncommitted(r, m->epoch, false);
	r->state.learner_epoch = 0;
	if (unsure) {
		persist_start(r);
		return;
	}
	r->state_stale = true;
	replica_start_durable(r, now);
}

static void start_finish(struct repl_replica *r, u64 now)
{
	struct repl_msg m = r->start;

	r->start.kind = REPL_MSG_NONE;
	stream_forget(r);
	r->re = m.epoch;
	r->members = m.mask;
	r->rseq = r->acked = r->ack_sent = r->committed = r->tail = m.seq;
	r->session = true;
	r->session_link = r->start_link;
	r->heard_at = now;
	r->ready = false;
	replica_move(r, m.start == REPL_START_LEARNER ? REPLICA_LEARNER : REPLICA_MEMBER);
	if (m.start != REPL_START_LEARNER)
		map_raise_unknown(r);
	send_plain(r, r->session_link, REPL_MSG_STARTED, m.epoch, REPL_OK);
	if (m.start == REPL_START_LEARNER)
		pull_begin(r);
}

void replica_start_durable(struct repl_replica *r, u64 now)
{
	if (r->start.kind == REPL_MSG_START) {
		start_finish(r, now);
	} else if (r->start.kind == REPL_MSG_EPOCH) {
		r->start.kind = REPL_MSG_NONE;
	}
}

/* R4 */
static void on_epoch(struct repl_replica *r, const struct repl_msg *m)
{
	bool in = m->mask & (1u << r->self);

	if (m->epoch <= r->re || (in && !repl_replica_intact(r)) ||
	    (!in && r->mode == REPLICA_MEMBER)) {
		replica_break(r, r->session_link);
		return;
	}
	r->re = m->epoch;
	r->fence = PORT_MAX(r->fence, m->epoch);
	r->members = m->mask;
	stream_stamp_uncommitted(r, m->epoch, r->mode == REPLICA_LEARNER);
	r->state.epoch = m->epoch;
	if (in) {
		r->state.learner_epoch = 0;
		r->state_stale = true;
		if (r->mode == REPLICA_LEARNER)
			pull_end(r);
		replica_move(r, REPLICA_MEMBER);
		map_raise_unknown(r);
		return;
	}
	/* At once: what is being written now must not end with the stamp of its answer, U has just
	 * been given the new epoch. */
	pull_forget(r);
	r->start = *m;
	r->start_link = r->session_link; /* begun by replica_settle when metadata is idle */
}

/* R13 */
static void on_promise(struct repl_replica *r, u32 link, const struct repl_msg *m, u64 now)
{
	struct repl_msg a = { .kind = REPL_MSG_UNPROMISED,
			      .epoch = m->epoch,
			      .time = REPL_RETRY_NS };

	if (!r->booted)
		a.reason = REPL_NOT_BOOTED;
	else if (r->mode == REPLICA_FAILED)
		a.reason = REPL_DISK;
	else if (!(m->mask & (1u << r->self)))
		a.reason = REPL_NOT_MEMBER;
	else if (m->epoch < r->fence)
		a.reason = REPL_STALE;
	else if (r->start.kind == REPL_MSG_START ||
		 (r->session && now < r->heard_at + REPL_SILENCE_NS))
		a.reason = REPL_HEARS;
	else if (r->echo_at && now < r->echo_at + REPL_GRACE_NS) {
		a.reason = REPL_LEASED;
		a.time = r->echo_at + REPL_GRACE_NS - now;
	}
	if (!a.reason) {
		u32 old = r->session_link;
		bool had = r->session;

		r->fence = PORT_MAX(r->fence, m->epoch);
		session_end(r);
		if (had && old != link)
			link_close(r, old);
		a.kind = REPL_MSG_PROMISED;
		a.intact = repl_replica_intact(r);
	}
	replica_send(r, link, &a);
	if (a.reason == REPL_HEARS && r->session) /* a writer without an application makes room */
		send_plain(r, r->session_link, REPL_MSG_WANTED, r->re, REPL_OK);
}

static void on_ping(struct repl_replica *r, const struct repl_msg *m, u64 now)
{
	struct repl_msg a = { .kind = REPL_MSG_ECHO, .time = m->time };

	r->heard_at = r->echo_at = now;
	stream_commit(r, m->commit);
	replica_send(r, r->session_link, &a);
}

/* messages that count inside a session only */
static void on_session(struct repl_replica *r, u32 link, const struct repl_msg *m, u64 now)
{
	switch (m->kind) {
	case REPL_MSG_EPOCH:
		on_epoch(r, m);
		break;
	case REPL_MSG_WRITE:
		stream_write(r, m);
		break;
	case REPL_MSG_COMMIT:
		stream_commit(r, m->commit);
		break;
	case REPL_MSG_FLUSH:
		if (r->flush.set) {
			replica_break(r, link);
			break;
		}
		r->flush.set = true;
		r->flush.asked = false;
		r->flush.id = m->id;
		r->flush.after = r->rseq;
		break;
	case REPL_MSG_JOIN:
		if (r->mode != REPLICA_LEARNER || !r->synced_sent || r->join.set) {
			replica_break(r, link);
			break;
		}
		r->join.set = true;
		r->join.asked = false;
		r->join.after = r->rseq;
		break;
	case REPL_MSG_PING:
		on_ping(r, m, now); /* R15 */
		break;
	case REPL_MSG_RELEASE:
		r->echo_at = 0; /* docs/protocol.md#release */
		session_end(r);
		break;
	}
}

void repl_replica_receive(struct repl_replica *r, u32 link, const struct repl_msg *m, u64 now)
{
	switch (m->kind) {
	case REPL_MSG_START:
		on_start(r, link, m);
		break;
	case REPL_MSG_PROMISE:
		on_promise(r, link, m, now);
		break;
	case REPL_MSG_PULL:
	case REPL_MSG_READ:
		source_ask(r, link, m, now);
		break;
	case REPL_MSG_SAME:
	case REPL_MSG_DIFFER:
	case REPL_MSG_DATA:
	case REPL_MSG_NO:
		pull_answer(r, m, now);
		break;
	default:
		if (r->session && r->session_link == link && m->kind < REPL_MSG_STATE) {
			on_session(r, link, m, now);
		} else {
			replica_drop(r, m->buf);
		}
	}
	replica_settle(r, now);
}

static void send_size(struct repl_replica *r, u32 link, u32 volume)
{
	struct repl_msg m = { .kind = REPL_MSG_SIZE, .id = volume, .seq = r->size[volume] };

	replica_send(r, link, &m);
}

static void note_told(struct repl_replica *r, u32 link)
{
	u32 i = 0;

	if (link == REPL_LINK_LOCAL) {
		r->told_inside = true;
		return;
	}
	while (i < REPL_ACCEPTED_MAX - 1 && r->told[i])
		i++;
	r->told[i] = link;
}

void repl_replica_link_up(struct repl_replica *r, u32 link)
{
	struct repl_msg m = { .kind = REPL_MSG_STATE,
			      .epoch = r->fence,
			      .intact = repl_replica_intact(r) };

	if (!r->booted || r->mode == REPLICA_FAILED) /* nobody counts on a failed one (P7) */
		return;
	for (u32 v = 0; v < REPL_VOLUMES_MAX; v++)
		if (r->size[v])
			send_size(r, link, v);
	replica_send(r, link, &m);
	note_told(r, link);
}

/* The new regions are FRESH on the disk: alike on all copies, whether compared or not. */
void repl_replica_grow(struct repl_replica *r, u32 volume, u64 size)
{
	if (size <= r->size[volume])
		return;
	r->size[volume] = size;
	if (!r->booted)
		return;
	if (r->told_inside)
		send_size(r, REPL_LINK_LOCAL, volume);
	for (u32 i = 0; i < REPL_ACCEPTED_MAX; i++)
		if (r->told[i])
			send_size(r, r->told[i], volume);
}

void repl_replica_link_down(struct repl_replica *r, u32 link, u64 now)
{
	forget_link(r, link);
	if (r->start.kind && r->start_link == link)
		r->start.kind = REPL_MSG_NONE;
	if (r->session && r->session_link == link)
		session_end(r);
	replica_settle(r, now);
}

void repl_replica_pull_up(struct repl_replica *r, u64 now)
{
	r->pull_link = true;
	replica_settle(r, now);
}

void repl_replica_pull_down(struct repl_replica *r, u64 now)
{
	r->pull_link = false;
	pull_unask(r);
	replica_settle(r, now);
}

void repl_replica_disk_done(struct repl_replica *r, u64 id, int status, u64 now)
{
	u32 kind = (u32)(id >> 32), index = (u32)id;

	if (kind == DISK_STREAM || kind == DISK_PULL)
		r->disk_writes--;
	if (status < 0)
		replica_fail(r);
	if (kind == DISK_STREAM)
		stream_done(r, index);
	else if (kind == DISK_PULL)
		pull_done(r, index);
	else if (kind == DISK_FLUSH)
		stream_flushed(r);
	else if (kind == DISK_META && r->mode != REPLICA_FAILED)
		persist_done(r, now);
	replica_settle(r, now);
}

void repl_replica_read_done(struct repl_replica *r, u64 id, int status, repl_buf buf, u32 len,
			    u64 now)
{
	source_read_done(r, (u32)id, status, buf, len);
	replica_settle(r, now);
}

void repl_replica_meta_read_done(struct repl_replica *r, u64 id, int status, const u8 *page,
				 u64 now)
{
	map_read_done(r, (u32)id, status, page);
	replica_settle(r, now);
}

/* R4 for a learner: learner_epoch is durable before the first stamp of the epoch can be; and the
 * extents of all writes before it are in the hot log then, or a crash would leave a stamp that is
 * older than learner_epoch with content that lacks one of them. */
static void epoch_settle(struct repl_replica *r)
{
	if (r->start.kind != REPL_MSG_EPOCH || !persist_idle(r) || !stream_hot(r))
		return;
	/* Not earlier: an EPOCH whose session ends before this is never written. */
	r->state.learner_epoch = r->start.epoch;
	persist_start(r);
}

void replica_settle(struct repl_replica *r, u64 now)
{
	if (r->mode == REPLICA_FAILED) {
		source_settle(r, now);
		return;
	}
	persist_want(r);
	stream_settle(r);
	start_settle(r, now);
	epoch_settle(r);
	if (r->mode == REPLICA_LEARNER)
		pull_settle(r, now);
	source_settle(r, now);
	persist_settle(r);
}

void repl_replica_tick(struct repl_replica *r, u64 now)
{
	/* a learner's PINGs stand behind what it has not taken yet */
	u64 limit = r->mode == REPLICA_LEARNER ? REPL_START_NS : REPL_SILENCE_NS;

	if (r->session && r->session_link != REPL_LINK_LOCAL && now >= r->heard_at + limit)
		replica_break(r, r->session_link);
	replica_settle(r, now);
}
