/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writer.h - the writer's role at this node: from candidate (C1-C4) to serving
 * (P1-P9) to released (P10). docs/protocol.md#writer; docs/states.md draws the
 * machine. Files: writer.c (states, consensus), writer_peers.c (receivers:
 * sessions, learners, lease), writer_requests.c (requests of the application).
 */
#ifndef SDSD_REPL_WRITER_H
#define SDSD_REPL_WRITER_H

#include "replication/core/repl.h"

enum writer_state {
	WRITER_IDLE,
	WRITER_READING,   /* C1: the record is being read */
	WRITER_PROMISING, /* C1, C2: copies are asked for their promise */
	WRITER_PROPOSING, /* CAS(e, me, {s}) is out */
	WRITER_BACKOFF,   /* C4 */
	WRITER_SERVING,   /* primary of epoch pe; may still wait for members */
	WRITER_RELEASING, /* closed: CAS(pe, none, pI) is out */
	WRITER_STOPPED,   /* cannot go on: all I/O fails until it is opened anew */
	WRITER_STATES
};

enum writer_role { ROLE_NONE, ROLE_MEMBER, ROLE_LEARNER, ROLE_JOIN };

/* what the outstanding CAS is for */
enum writer_cas {
	CAS_NONE,
	CAS_PROMOTE,
	CAS_SHRINK,
	CAS_REVIVE,
	CAS_LEARNERS,
	CAS_GROW,
	CAS_RELEASE
};

/* what a copy said to PROMISE */
enum writer_promise {
	PROMISE_NONE,
	PROMISE_ASKED,
	PROMISE_INTACT,
	PROMISE_RESTARTED,
	PROMISE_LATER
};

/* one copy, as the writer sees it */
struct writer_peer {
	bool up;    /* link is open, greeting done */
	bool known; /* STATE came on this link: intact says something */
	bool intact;
	bool started; /* STARTED came, in this session */
	u8 start;     /* enum repl_start of it */
	u32 start_epoch;
	u32 tried_epoch;            /* P8: START at most once per (e, receiver) */
	u64 size[REPL_VOLUMES_MAX]; /* of its volumes, as it said on this link */
	u64 acked;
	u64 moved_at;   /* its disk answered last, or had nothing to do */
	u32 reading;    /* reads sent to it and not answered */
	u64 echo;       /* latest ECHO(t); 0 none */
	u64 since;      /* when START was sent, for the silence limit */
	u64 not_before; /* do not start it again earlier */
	u32 failures;   /* sessions that ended before it was a member: the pause grows */
	bool synced, join_sent, ready;
	u64 join_seq;
	u64 flushed;    /* highest flush id answered */
	u8 promise;     /* enum writer_promise */
	u64 promise_at; /* ask (again) then */
};

/* a request of the application */
enum writer_request_state {
	REQ_FREE,
	REQ_WAITING,
	REQ_FLYING,
	REQ_READING,
	REQ_LEASE,
	REQ_FLUSHING
};
enum writer_request_kind { REQ_WRITE, REQ_READ, REQ_FLUSH };
struct writer_request {
	u8 state, kind, op, source; /* source: slot a read was sent to */
	u16 tried;                  /* mask of sources that failed */
	u32 len;
	u64 off, id, order, seq;
	repl_buf buf; /* write: the payload, read: the data that waits for the lease */
};

struct repl_writer {
	struct repl_sink *sink;
	u8 self;
	bool self_disk;
	/* served: what all members have. Never less than any writer before served, since each
	 * of its members had that, too. */
	u64 size[REPL_VOLUMES_MAX];
	bool sizes_due; /* who counts for it has changed, or has grown */
	enum repl_read_policy read_policy;
	u32 copies;          /* mask of slots that may be members */
	struct repl_tag tag; /* of this incarnation; counter goes up with each CAS */
	u64 random;
	bool wanted; /* another node has asked for the volume */
	bool opened; /* somebody wants it: */
	bool heals;  /* no application, only the copies that are out of sync */
	/* P11: requests wait; when nothing is under way the volume is released, and not taken
	 * back before yield_until */
	bool yielding;
	u64 yield_until;
	u32 pace_left; /* bytes that may be written in this tick although a learner lags */

	enum writer_state state;
	const char *reason;        /* last refusal or loss, "" */
	u64 wake;                  /* BACKOFF until then; SERVING: no proposal before */
	u64 reread_at;             /* PROMISING: the record may have moved on */
	u64 gather_until;          /* PROMISING, released record: more promises may come */
	struct repl_record record; /* as read (candidate); as it is by us (serving) */
	u8 cas_out;                /* enum writer_cas */
	u64 cas_token;
	u64 read_out; /* token of a read of the record that is not answered; 0 none */
	struct repl_record cas;
	u8 cas_start;     /* PROMOTE, REVIVE: how the one copy will be started */
	u8 grow_slot;     /* the learner of an outstanding GROW, else REPL_NO_SLOT */
	u32 learners_out; /* P8: whom the outstanding CAS is to start */

	u32 pe, members, lost; /* P: epoch, pI, lost of pI */
	u32 sent;              /* mask of slots: START went out, in this session */
	u32 lags;              /* mask of slots: what waits to be sent to it piles up */
	u8 join;               /* REPL_NO_SLOT */
	bool dirty;            /* P4, P7, C3 */
	u64 seq, committed;
	u64 ping_at;
	struct writer_peer peer[REPL_SLOTS_MAX];

	struct {
		bool out;
		u64 id, seq;
	} flush; /* one at a time */
	u64 flush_ids;

	u64 orders;
	u32 n_requests, n_waiting, n_lease;
	u32 n_flushes; /* of those that wait */
	u32 low;       /* requests below are not free */
	u32 high;      /* requests from here on are free */
	struct writer_request request[REPL_REQUESTS_MAX];
	u16 flying[REPL_INFLIGHT_MAX]; /* seq % max -> request */
	u8 read_next;                  /* round robin among remote sources */
};

void repl_writer_init(struct repl_writer *w, u8 self, bool self_disk, u32 copies,
		      const struct repl_tag *tag, u64 seed, struct repl_sink *sink);
void repl_writer_set_copies(struct repl_writer *w, u32 copies, u64 now);
void repl_writer_open(struct repl_writer *w, bool heals, u64 now);
void repl_writer_close(struct repl_writer *w, u64 now);
void repl_writer_yield(struct repl_writer *w, u64 now);
void repl_writer_abandon(struct repl_writer *w);
bool repl_writer_alone(const struct repl_writer *w); /* serving, and no session of the set lives */
void repl_writer_link_lags(struct repl_writer *w, u8 slot, bool lags, u64 now);
int repl_writer_submit(struct repl_writer *w, u8 kind, u64 id, u8 op, u64 off, u32 len,
		       repl_buf buf, u64 now);
bool repl_writer_wants_link(const struct repl_writer *w, u8 slot);
void repl_writer_link_up(struct repl_writer *w, u8 slot, u64 now);
void repl_writer_link_down(struct repl_writer *w, u8 slot, u64 now);
void repl_writer_receive(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now);
void repl_writer_record(struct repl_writer *w, u64 token, const struct repl_record *r, u64 now);
void repl_writer_cas_done(struct repl_writer *w, u64 token, bool accepted,
			  const struct repl_record *r, u64 now);
void repl_writer_tick(struct repl_writer *w, u64 now);
bool repl_writer_busy(const struct repl_writer *w);
bool repl_writer_serving(const struct repl_writer *w);  /* set whole, nothing lost: I/O goes on */
u64 repl_writer_lease_end(const struct repl_writer *w); /* P5; 0: it does not run */
const char *repl_writer_state_name(enum writer_state s);
const char *repl_writer_peer_name(const struct repl_writer *w, u8 slot);

/* between the files of the writer ------------------------------------------------ */

void writer_changed(struct repl_writer *w);
void writer_move(struct repl_writer *w, enum writer_state to, const char *reason);
void writer_stop(struct repl_writer *w, const char *reason); /* P10: no longer primary */
void writer_propose(struct repl_writer *w, enum writer_cas what, u8 writer, u32 in_sync);
void writer_settle(struct repl_writer *w, u64 now);
void writer_send(struct repl_writer *w, u8 slot, const struct repl_msg *m);
void writer_drop(struct repl_writer *w, repl_buf buf);
/* writer_peers.c */
void peers_receive(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now);
void peers_start(struct repl_writer *w, u8 slot, u8 start, u64 now);
void peers_epoch(struct repl_writer *w); /* EPOCH to every live session */
void peers_end(struct repl_writer *w, u8 slot,
	       u64 now); /* its session is over; the link may stay */
void peers_cut(struct repl_writer *w, u8 slot, u64 now); /* and its link */
void peers_commit(struct repl_writer *w);                /* COMMIT to every live session */
void peers_release(struct repl_writer *w);               /* tells every session that we stopped */
void peers_settle(struct repl_writer *w, u64 now);
void peers_tick(struct repl_writer *w, u64 now);
bool peers_lease(const struct repl_writer *w, u64 now); /* P5 */
bool peers_fit(const struct repl_writer *w, u8 slot);   /* its volumes are as large as served */
bool peers_lag(const struct repl_writer *w);            /* some learner's stream piles up */
enum writer_role peers_role(const struct repl_writer *w, u8 slot);
/* writer_requests.c */
void requests_settle(struct repl_writer *w, u64 now);
void requests_fail(struct repl_writer *w, int status);
void requests_read_data(struct repl_writer *w, u8 slot, const struct repl_msg *m, u64 now);
void requests_source_gone(struct repl_writer *w, u8 slot);
void requests_resend(struct repl_writer *w, u8 slot); /* P7 */
void requests_renew(struct repl_writer *w); /* those that wait may ask every member again */
void requests_flush_again(struct repl_writer *w,
			  u8 slot); /* a copy that must answer the flush under way too */
bool requests_idle(const struct repl_writer *w);
bool requests_quiet(const struct repl_writer *w); /* none is under way; some may wait */

#endif
