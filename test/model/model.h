/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - a small model of the replication protocol (docs/protocol.md) for
 * exhaustive search: one state is plain bytes, without pointers or padding, so
 * that states are compared by their bytes. Who calls: main.c and search.c. The
 * model knows nothing of the code in src/; README.md says what it leaves out.
 */
#ifndef SDSD_TEST_MODEL_H
#define SDSD_TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define NODES_MAX 3
#define BLOCKS 2    /* of the one region */
#define QUEUE_MAX 7 /* messages under way from a writer to a replica */
#define WRITES_MAX 6
#define PENDING_MAX 2 /* received and not yet given to the disk */
#define NONE 0xf      /* no slot */
#define BIT(n) (1u << (n))

enum msg_kind { MSG_START = 1, MSG_EPOCH, MSG_WRITE, MSG_COMMIT, MSG_FLUSH, MSG_JOIN, MSG_RELEASE };
enum start_kind { START_MEMBER, START_RESTARTED, START_LEARNER };

/* id: of the write (WRITE) or of the flush; set: I (START, EPOCH) */
struct msg {
	u8 kind : 4, epoch : 4;
	u8 seq : 4, id : 4;
	u8 set : 3, start : 2, commit : 3;
};

/* writer -> replica, and what comes back. The replica's answers are cumulative, so the way back
 * holds their latest state (r_); the writer's view (v_) lags behind it, and both outlive the
 * replica. wopen, ropen: the two ends, which notice a cut one after the other. lease: the writer's
 * lease of this replica still runs. */
struct chan {
	u8 wopen : 1, ropen : 1, lease : 1, r_started : 1, r_synced : 1, r_ready : 1;
	u8 v_started : 1, v_synced : 1, v_ready : 1, r_refused : 1, n : 4;
	u8 r_acked : 4, v_acked : 4;
	u8 r_flushed : 4, v_flushed : 4;
	struct msg q[QUEUE_MAX];
};

enum writer_state { IDLE, PROMISING, PROPOSING, SERVING, RELEASING };
enum cas_kind {
	CAS_NONE,
	CAS_PROMOTE,
	CAS_SHRINK,
	CAS_REVIVE,
	CAS_LEARNERS,
	CAS_GROW,
	CAS_RELEASE,
	CAS_KINDS
};
enum cas_result { CAS_OUT = 1, CAS_WON, CAS_REFUSED };

struct writer {
	u8 state;
	u8 epoch, set;        /* the record as read (candidate) or as made (pe, pI) */
	u8 released;          /* candidate: the record as read names no writer */
	u8 restarted, intact; /* candidate: who promised itself */
	u8 lost, join, join_seq, dirty;
	u8 seq, committed, commit_sent;
	u8 log[WRITES_MAX + 1]; /* seq -> id */
	u8 cas, cas_set, cas_start, cas_result, learners;
	u8 flush, flush_id, flush_seq;
	u8 flush_holds[BLOCKS]; /* ghost: acknowledged when the flush began */
	u8 read, read_block, read_source, read_value;
	u8 read_floor; /* ghost: acknowledged when the read began */
};

enum read_state { READ_NONE, READ_ASKED, READ_ARRIVED };

enum replica_mode { OUT, LEARNER, MEMBER };
enum pull_state { PULL_NONE, PULL_ASKED, PULL_ANSWERED, PULL_SYNCED };

struct replica {
	/* durable */
	u8 may[BLOCKS]; /* contents that a crash may leave, as bits */
	u8 d_stamp, hot, d_learner_epoch;
	/* RAM (now: as a read sees it) */
	u8 now[BLOCKS];
	u8 mode, ready, re, fence, set, session; /* session: its writer, or NONE */
	u8 rseq, committed;                      /* U: replica_uncommitted() */
	struct {
		u8 seq : 4, id : 4; /* seq 0: free */
	} pending[PENDING_MAX];
	u8 left;       /* some were pending when the session ended: they are in U */
	u8 epoch_wait; /* a learner: EPOCH is not durable yet, nothing is taken */
	u8 stamp, learner_epoch;
	u8 grant; /* an ECHO was given and G has not gone by */
	u8 pull, pull_source, pull_stamp, pull_seen, pull_touched;
	u8 answer_same, answer_stamp, answer[BLOCKS];
};

struct state {
	u8 epoch, owner, set; /* the record */
	struct {
		u8 epoch, owner, set, lossy;
	} orphan; /* a proposal of a dead writer that may still land; epoch 0: none */
	struct writer w[NODES_MAX];
	struct replica r[NODES_MAX];
	struct chan c[NODES_MAX][NODES_MAX];
	u8 n_writes, n_crashes, n_cuts, n_flushes, n_opens, n_closes, n_evictions, n_reads;
	u8 block_of[WRITES_MAX + 1];
	u8 acked[BLOCKS]; /* ghost: the last acknowledged (or read) content */
	u8 flushed[BLOCKS];
	u8 forgiven; /* ghost: writes up to this one may be lost, see record_land() */
};

/* rules taken out, one at a time */
enum rule_out {
	RULES_KEPT,
	NO_FENCE,
	NO_BOOT_FENCE,
	NO_LEASE,
	NO_OWN_LEASE,
	NO_GRACE,
	NO_RESTAMP,
	NO_ZERO_U,
	ZERO_NOT_PERSISTED,
	PROMO_ANY,
	COMPLETE_LOST,
	SHRINK_NOWAIT,
	START_NOCHECK,
	DIRTY_GOES_ON,
	NO_JOIN_FLUSH,
	GROW_NOACK,
	PULL_NOSEEN,
	PULL_NOHOT,
	HOT_EARLY,
	RELEASE_SERVING,
	RELEASE_ANY_LINK,
	RELEASED_NOT_WHOLE,
	RELEASED_ANY,
	RELEASED_RESTARTED,
	YIELD_NODRAIN,
	READ_UNHELD,
	LOST_NOT_IN_U,
	EPOCH_COLD,
	EPOCH_LAZY
};

/* how: the writer's own copy lags behind, too; reads take time; a write is received, and applied
 * later; epochs come for the sake of learners that are not in the world */
#define OWN_QUEUE 1u
#define SLOW_READS 2u
#define SPLIT 4u
#define ELSEWHERE 8u

struct config {
	const char *name, *about;
	u8 nodes, disks, candidates; /* number, masks */
	u8 set, writer;              /* the set of epoch 2 (mask), and who serves it; or NONE:
				      * of epoch 1, nobody has served yet */
	u8 may_crash;                /* mask */
	/* bounds: the highest epoch, and how often what may happen */
	u8 epochs, writes, crashes, cuts, flushes, opens, closes, evictions, reads;
	u8 how;
};

/* what happened: printed only in a trace */
enum action {
	ACT_BEGIN,
	ACT_OPEN,
	ACT_REREAD,
	ACT_PROMISE,
	ACT_CHOOSE,
	ACT_LAND,
	ACT_LAND_ORPHAN,
	ACT_ANSWER,
	ACT_WRITE,
	ACT_FLUSH,
	ACT_CLOSE,
	ACT_LEARN,
	ACT_REVIVE,
	ACT_RECEIVE,
	ACT_WRITER_BREAK,
	ACT_REPLICA_BREAK,
	ACT_CONSUME,
	ACT_CRASH,
	ACT_ASK,
	ACT_SOURCE,
	ACT_PULLED,
	ACT_EVICT,
	ACT_PAGE,
	ACT_SUPER,
	ACT_READ,
	ACT_READ_BEGIN,
	ACT_READ_DATA,
	ACT_STAMP,
	ACT_APPLY,
	ACT_EPOCH,
	ACTIONS
};
struct label {
	u8 action, a, b, c, d;
};

extern const struct config *cfg;
extern enum rule_out out;

/* worlds.c */
struct missing {
	enum rule_out rule;
	const char *cites;
	struct config world;
};
extern const struct config worlds[];
extern const struct missing missing[];
extern const u32 n_worlds, n_missing;
/* model.c: every state that may follow s, passed to emit(); the next-state relation */
typedef void (*emit_fn)(const struct state *next, struct label label);
void model_first(struct state *s);
void model_expand(const struct state *s, emit_fn emit);
/* replica.c */
bool replica_intact(const struct replica *r);
bool replica_uncommitted(const struct replica *r);
bool replica_pending(const struct replica *r);
bool replica_takes(const struct state *s, u8 w, u8 n);
void replica_consume(struct state *s, u8 w, u8 n);
void replica_session_end(struct state *s, u8 n);
void replica_crash(struct state *s, u8 n, u8 v0, u8 v1);
void replica_expand(const struct state *s, u8 n, emit_fn emit);
void chan_close_replica_end(struct chan *c);
/* writer.c */
void writer_settle(struct state *s, u8 n);
void writer_break(struct state *s, u8 w, u8 n);
void writer_stop(struct state *s, u8 n);
void writer_expand(const struct state *s, u8 n, emit_fn emit);
bool writer_may_read(const struct state *s, u8 n);
bool writer_flying(const struct state *s, u8 n, u8 block);
void chan_receive(struct state *s, u8 w, u8 n);
void record_land(struct state *s, u8 owner, u8 set, bool lossy);
/* check.c: NULL, or what is wrong with the state */
const char *check(const struct state *s);
/* trace.c */
extern const char *const action_names[ACTIONS], *const cas_names[CAS_KINDS];
void trace_print(const struct state *before, const struct state *s, struct label l, u32 step);
/* search.c */
struct search_result {
	u64 states, moves;
	u32 depth;
	bool complete;
	const char *wrong;
	u64 seen[ACTIONS], answered[CAS_KINDS]; /* moves; proposals that were taken */
};
void search(u64 states_max, bool trace, struct search_result *ret);

#endif
