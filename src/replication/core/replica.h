/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica.h - this node's copy of a resource: takes the writer's stream (R1-R8),
 * catches up as a learner (R9, R11), serves other learners (R10), promises
 * itself to a candidate (R13). docs/protocol.md#replica; the machine is drawn
 * in docs/states.md. Files: replica.c (sessions), replica_stream.c (writes and
 * flushes), replica_persist.c (metadata), replica_pull.c (learner),
 * replica_source.c (reads and questions of others).
 */
#ifndef SDSD_REPL_REPLICA_H
#define SDSD_REPL_REPLICA_H

#include "replication/core/brief.h"
#include "replication/core/hotlog.h"
#include "replication/core/repl.h"

enum replica_mode { REPLICA_OUT, REPLICA_LEARNER, REPLICA_MEMBER, REPLICA_FAILED, REPLICA_MODES };

/* One write of the stream, from arrival until it is known to be committed: the set U of protocol.md
 * is all of these (a superset is safe). Ring by seq. */
enum replica_io_state {
	IO_FREE,
	IO_COLD,    /* its extent is not hot yet */
	IO_BLOCKED, /* something older is in the way */
	IO_WRITING, /* at the disk */
	IO_APPLIED,
	IO_LOST /* its session ended before it went to the disk: others may have it */
};
struct replica_io {
	u8 state;
	u8 op;
	u32 len;
	u64 off;
	u64 seq;
	repl_buf buf; /* ours while COLD or BLOCKED */
};

/* One range that a learner asks for. Its regions are not synced while it is here. */
enum replica_pull_state { PULL_FREE, PULL_WANTED, PULL_ASKED, PULL_COLD, PULL_WRITING };
struct replica_pull {
	u8 state;
	u8 op;      /* of the answer */
	bool split; /* answered "differ": its regions are asked for in ranges of at most chunk */
	bool same;  /* answered "same", but written to meanwhile: there is no data, only a stamp */
	bool forgotten; /* the epoch changed under the answer's write: ask again after it */
	bool orphan;    /* the session ended under the answer's write: free it after it */
	u32 chunk;
	u32 region, count;
	u32 stamp;      /* sent with the question */
	u32 answer;     /* stamp of the answer */
	u64 retry_at;   /* WANTED: not before */
	repl_buf buf;   /* ours from the answer on */
	u32 len;        /* bytes of the answer */
	u32 at;         /* next sector of the region to look at */
	u64 touched[2]; /* sectors written by the stream since the question (single regions) */
	bool any_touched;
};

/* A question or read of somebody else that is being answered. */
enum replica_serve_state {
	SERVE_FREE,
	SERVE_WAITING,
	SERVE_READING,
	SERVE_READ /* the content is there; the stamp is sampled when its page is */
};
struct replica_serve {
	u8 state;
	bool cancelled; /* its link is gone */
	u32 link;
	struct repl_msg msg; /* PULL or READ; READ_DONE: buf is the content, ours */
	u32 compared;        /* regions of a PULL found alike */
	u64 since;
};

enum replica_flush_bit { FLUSH_STREAM = 1, FLUSH_JOIN = 2, FLUSH_EVICT = 4 };

/* what of the metadata is being written */
enum replica_persist_step {
	PERSIST_IDLE,
	PERSIST_START, /* the state; a START or EPOCH waits for it */
	PERSIST_HOT,
	PERSIST_MAP,
	PERSIST_MAP_FLUSH,
	PERSIST_LAZY /* the state; nobody waits */
};

/* Extents leave the hot log (R8): how far they are. */
enum replica_leave {
	LEAVE_NONE,
	LEAVE_FLUSH, /* the data */
	LEAVE_PAGES, /* of the map, one after another; what is on the disk like that is left out */
	LEAVE_SYNC,  /* the pages */
	LEAVE_GONE   /* the next page of the hot log is without them */
};

/* A page of the epoch map in memory. */
#ifndef REPL_MAP_CACHE
#define REPL_MAP_CACHE 32u /* pages: of 2 GiB */
#endif
enum replica_page_state { MAP_FREE, MAP_READING, MAP_VALID, MAP_WRITING };
struct replica_page {
	u8 state;
	bool differs; /* from the disk: unknown stamps got an epoch (V9) */
	u32 key;      /* volume and page, as one number */
	u64 used;
	u32 stamp[REPL_STAMPS_PER_PAGE];
};

struct repl_replica {
	/* config */
	struct repl_sink *sink;
	u8 self;
	u64 size[REPL_VOLUMES_MAX]; /* bytes of this copy's volumes; 0: not there */

	/* durable state as it is in RAM */
	struct meta_state state;
	int state_copy;
	bool state_stale; /* it differs from the disk; written lazily */
	struct hotlog hot;
	struct replica_page map[REPL_MAP_CACHE];
	u64 map_clock;
	struct map_brief *brief; /* of pages as the disk has them, n_briefs; lent */
	u32 n_briefs;
	u32 bad_pages; /* read with a wrong checksum since the attach */

	/* protocol.md section 1 */
	enum replica_mode mode;
	bool booted;
	bool ready;
	u32 re, fence, members; /* members: I as last told by the stream */
	u64 rseq, acked, ack_sent, committed;
	u64 tail; /* io entries up to this seq are free */
	struct replica_io io[REPL_INFLIGHT_MAX];
	u32 n_held; /* of them: cold or blocked */

	/* the session */
	bool session;
	u32 session_link;
	/* links that were told STATE are told of growth: the one inside, and others; 0 free */
	bool told_inside;
	u32 told[REPL_ACCEPTED_MAX];
	u64 heard_at;          /* last PING */
	u64 echo_at;           /* last ECHO given; boot counts as one; 0 after RELEASE */
	struct repl_msg start; /* START or EPOCH being carried out; kind 0: none */
	u32 start_link;
	struct {
		bool set, asked;
		u64 id, after;
	} flush; /* FLUSH of the stream */
	struct {
		bool set, asked;
		u64 after;
	} join;
	bool synced_sent;
	u32 disk_writes;                 /* at the disk now: a START waits for 0 */
	bool flush_busy;                 /* a flush is at the disk */
	u32 flush_wanted, flush_running; /* enum replica_flush_bit: whom it is for */

	/* metadata writes, one at a time */
	enum replica_persist_step step;
	u32 start_epoch; /* PERSIST_START: of the START or EPOCH it is for */
	bool hot_last;   /* the one before was of the hot log: it is another's turn */
	bool hot_short;  /* extents have to leave */
	enum replica_leave leave;
	bool map_written; /* some page needs the flush */
	u32 victim_at;    /* next whose page is written */
	u32 wanted_at;    /* next whose page is read */
	u32 victim[HOTLOG_VICTIMS_MAX], n_victims;

	/* learner */
	u64 cursor;     /* region; REPL_REGIONS_END behind the last one */
	bool pull_link; /* is up */
	u8 pull_slot;   /* wanted; REPL_NO_SLOT */
	u32 refused;    /* answers "no" of it in a row */
	u32 n_pulls;    /* not free */
	struct replica_pull pull[REPL_PULLS_MAX];

	/* what others asked */
	u32 n_serves; /* not free */
	struct replica_serve serve[REPL_SERVES_MAX + REPL_REQUESTS_MAX];

	u8 page[REPL_META_PAGE];
};

struct repl_disk;
void repl_replica_init(struct repl_replica *r, u8 self, const struct repl_disk *disk,
		       struct repl_sink *sink, u64 now);
void repl_replica_boot(struct repl_replica *r, const struct repl_record *record);
void repl_replica_grow(struct repl_replica *r, u32 volume, u64 size);
void repl_replica_link_up(struct repl_replica *r, u32 link);
void repl_replica_link_down(struct repl_replica *r, u32 link, u64 now);
void repl_replica_receive(struct repl_replica *r, u32 link, const struct repl_msg *m, u64 now);
void repl_replica_pull_up(struct repl_replica *r, u64 now);
void repl_replica_pull_down(struct repl_replica *r, u64 now);
void repl_replica_disk_done(struct repl_replica *r, u64 id, int status, u64 now);
void repl_replica_read_done(struct repl_replica *r, u64 id, int status, repl_buf buf, u32 len,
			    u64 now);
void repl_replica_meta_read_done(struct repl_replica *r, u64 id, int status, const u8 *page,
				 u64 now);
void repl_replica_tick(struct repl_replica *r, u64 now);
/* false while a START or EPOCH is being made durable, or a learner's stream is ahead of its disk:
 * messages of that link must wait outside, in order */
bool repl_replica_takes_input(const struct repl_replica *r, u32 link);
bool repl_replica_busy(const struct repl_replica *r);
bool repl_replica_intact(const struct repl_replica *r);
u64 repl_replica_synced(const struct repl_replica *r); /* regions */
u64 repl_replica_regions(const struct repl_replica *r);
const char *repl_replica_mode_name(enum replica_mode mode);

/* between the files of the replica ------------------------------------------------ */

/* disk ids: what an operation was for */
enum replica_disk_kind { DISK_STREAM = 1, DISK_PULL, DISK_SERVE, DISK_FLUSH, DISK_META, DISK_MAP };
#define DISK_ID(kind, index) (((u64)(kind) << 32) | (u32)(index))

/* replica.c */
void replica_send(struct repl_replica *r, u32 link, const struct repl_msg *m);
void replica_fail(struct repl_replica *r);            /* own disk broke: leave every session */
void replica_break(struct repl_replica *r, u32 link); /* the peer broke the protocol: close */
void replica_settle(struct repl_replica *r, u64 now); /* goes on with whatever can go on */
void replica_changed(struct repl_replica *r);
void replica_drop(struct repl_replica *r, repl_buf buf); /* 0 is fine */
/* is that range (of one extent) inside a volume of this copy? */
bool replica_has(const struct repl_replica *r, u64 off, u64 len);
/* the first region from x on that is inside a volume; REPL_REGIONS_END: none */
#define REPL_REGIONS_END (1ull << 32)
u64 replica_region_from(const struct repl_replica *r, u64 x);
u32 replica_regions_of(const struct repl_replica *r, u32 volume);
/* replica_stream.c */
void stream_write(struct repl_replica *r, const struct repl_msg *m);
void stream_commit(struct repl_replica *r, u64 commit);
void stream_end(struct repl_replica *r); /* the session ended: what waits stays in U only */
bool stream_hot(struct repl_replica *r); /* all of U is in the hot log; else it is on the way */
void stream_stamp_uncommitted(struct repl_replica *r, u32 stamp, bool synced_only);
void stream_forget(struct repl_replica *r); /* U := {} */
void stream_settle(struct repl_replica *r);
void stream_done(struct repl_replica *r, u32 index);
/* a write of at most that seq that is not applied yet */
bool stream_overlaps(const struct repl_replica *r, u64 off, u64 len, u64 seq);
void stream_mark_extents(struct repl_replica *r); /* of U, in the hot log */
void stream_flushed(struct repl_replica *r);
void stream_want_flush(struct repl_replica *r, u32 bit);
/* replica_persist.c */
bool persist_hot(struct repl_replica *r, u32 extent); /* true: durable; else asks for it */
/* nothing of the metadata is being written */
bool persist_idle(const struct repl_replica *r);
/* the state, for r->start; idle before. replica_start_durable is called when it is done. */
void persist_start(struct repl_replica *r);
/* asks for the pages that are needed next, before others ask for pages */
void persist_want(struct repl_replica *r);
void persist_settle(struct repl_replica *r);
void persist_done(struct repl_replica *r, u64 now);
void persist_flushed(struct repl_replica *r); /* FLUSH_EVICT is done */
void persist_forget(struct repl_replica *r);  /* the disk is not written to any more */
/* replica_map.c */
u32 map_key(u32 extent);       /* of the page with its stamps */
u32 map_page_rest(u32 region); /* regions from this one to the end of its page */
/* false: it comes later, replica_settle is called then */
bool map_stamp(struct repl_replica *r, u32 region, u32 *ret);
void map_set(struct repl_replica *r, u32 region, u32 stamp); /* its extent is hot */
void map_want(struct repl_replica *r, u32 extent);           /* of a victim: its page, soon */
void map_read_done(struct repl_replica *r, u32 index, int status, const u8 *page);
void map_raise_unknown(struct repl_replica *r);          /* it became a member: V8 */
void map_void(struct repl_replica *r, u32 from, u32 to); /* R3; the state must be persisted */
/* fills r->page and where it belongs with the page of the victim whose turn it is */
enum map_write {
	MAP_WRITE_WAIT, /* it is not in memory yet */
	MAP_WRITE_SAME, /* it is on the disk like that */
	MAP_WRITE_READY
};
enum map_write map_write(struct repl_replica *r, struct repl_effect *ret);
void map_written(struct repl_replica *r);
/* replica.c, called by persist when the goal is reached */
void replica_start_durable(struct repl_replica *r, u64 now);
/* replica_pull.c */
void pull_begin(struct repl_replica *r);
void pull_end(struct repl_replica *r);
void pull_forget(struct repl_replica *r); /* R4: outstanding questions are void, answers too */
void pull_unask(struct repl_replica *r);  /* the pull link is gone: ask again */
void pull_touch(struct repl_replica *r, u64 off, u32 len);
bool pull_synced(const struct repl_replica *r, u32 region);
bool pull_overlaps(const struct repl_replica *r, u64 off, u64 len); /* its data is being written */
void pull_mark_extents(struct repl_replica *r);
bool pull_all_synced(const struct repl_replica *r);
void pull_answer(struct repl_replica *r, const struct repl_msg *m, u64 now);
void pull_settle(struct repl_replica *r, u64 now);
void pull_done(struct repl_replica *r, u32 index);
/* replica_source.c */
void source_ask(struct repl_replica *r, u32 link, const struct repl_msg *m, u64 now);
void source_link_down(struct repl_replica *r, u32 link);
void source_settle(struct repl_replica *r, u64 now);
void source_read_done(struct repl_replica *r, u32 index, int status, repl_buf buf, u32 len);

#endif
