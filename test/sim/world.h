/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - a deterministic world for the replication core: nodes with the real
 * core, disks with a volatile cache, links that delay and break, a record that
 * answers late. One thread, one generator: the same seed gives the same trace.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "replication/core/mirror.h"

#define SIM_NODES 4
#define SIM_BLOCK 4096u
#define SIM_EXTENTS 20u
#define SIM_PER_EXTENT (REPL_EXTENT_BYTES / SIM_BLOCK)
#define SIM_BLOCKS (SIM_EXTENTS * SIM_PER_EXTENT) /* 80 MiB: two pages of stamps */
#define SIM_USED_MAX 1024u /* blocks that the workload touches; the checker knows these */
#define SIM_SIZE ((u64)SIM_BLOCKS * SIM_BLOCK)
#define SIM_META_PAGES 8u
#define SIM_PAYLOADS 65536u
#define SIM_LINKS 4096u
#define SIM_REQUESTS 64u /* of one application */

/* drawn from the seed */
struct sim_options {
	u64 seed;
	int nodes;
	u32 copies;         /* mask of nodes with a disk, at first */
	u32 alike;          /* in the first record */
	u64 link_delay_max; /* ns */
	u64 disk_delay_max;
	u64 record_delay_max;
	u32 crash, cut, stall;  /* each a chance in a million for each fault step (1 ms) */
	u32 record_late;        /* chance in 100 that the record takes seconds */
	u32 keep_cached;        /* chance in 100 that a cached block survives a crash */
	u32 write, read, flush; /* weights of the workload */
	u32 blocks, extents;    /* the workload stays in so many blocks, spread over so
                          many extents */
	u32 blackout, silence;  /* chance in a million, each ms: all disks' nodes crash; one way
                * between two nodes nothing comes through */
	u32 ambush;             /* chance in 1000 that a telling moment is followed by a crash or
                  cut */
	u32 writeback;          /* chance in 100 that a written block is durable without a
                     flush */
	u32 torn;               /* chance in 100 that a page under way at a crash is torn */
	u32 disk_error;         /* chance in a million for each operation */
	u32 reshape;            /* chance in a million, each ms: a replica is added or removed */
	u32 slow;               /* mask of nodes with a slow disk */
	u32 pause;              /* chance in a million, each ms: a node stands still for some
                  seconds */
	u32 drift_ppm;          /* clocks run so much faster or slower, at most */
	u64 faults_ns;          /* length of the phase with faults */
	u32 openers_max;        /* opens elsewhere while the old writer may live */
	bool trace;
	const struct sim_register *reg; /* register.h; NULL: the record is kept here */
};

/* simulated content: one number for each block; 0 is zeros */
struct sim_disk {
	u32 cached[SIM_BLOCKS]; /* what a read returns */
	u32 durable[SIM_BLOCKS];
	u8 meta[SIM_META_PAGES][REPL_META_PAGE];
	u8 meta_durable[SIM_META_PAGES][REPL_META_PAGE];
	u32 stamp[SIM_BLOCKS]; /* the core's memory */
	u8 dirty[SIM_META_PAGES];
	u32 hot[REPL_HOT_MAX];
	u32 back[SIM_BLOCKS]; /* number of the write-back that made the block durable
                         */
	u32 backs;
};
/* stamps of a disk that was never compared with another are REPL_STAMP_UNKNOWN,
 * its blocks this */
#define SIM_GARBAGE 0xdeadbeefu

struct sim_payload {
	u32 refs, n;
	u32 block[256];
};

enum sim_request_kind { SIM_FREE, SIM_WRITE, SIM_READ, SIM_FLUSH };
struct sim_request {
	enum sim_request_kind kind;
	u32 first, n, value;
	u64 serial;
	repl_buf buf;
	u32 *completed; /* flush: what was completed in each block when it began;
                     owned */
	u32 ok[16][64]; /* read: values that may be returned, for each block */
	u8 n_ok[16];
	bool loose[16]; /* too many to list */
};

struct sim_node {
	bool up, open;
	u64 boot;
	u64 paused_until; /* nothing runs on it, the world goes on */
	int drift_ppm;
	u64 clock_offset;
	struct repl_mirror *mirror;
	struct sim_disk *disk; /* NULL: none */
	u64 reopen_at, opened_at;
	bool booted;
	u32 slot_link[SIM_NODES]; /* sim link + 1 to that node's replica */
	u32 pull_link;            /* + 1 */
	bool closing;
	u64 retry_at[SIM_NODES];
	u8 pull_slot;
	u64 pull_retry_at;
	struct sim_request request[SIM_REQUESTS];
};

/* what the checker knows of a block */
struct sim_block {
	u32 completed;        /* value of the last completed write */
	u64 completed_at;     /* w->serial then */
	u32 flushed;          /* value at the last completed flush, or later */
	u64 flushed_at;       /* w->serial then */
	u32 since_flush[128]; /* submitted, and not covered by it */
	u64 since_done[128];  /* w->serial when they completed; 0: outcome open */
	u8 n_since;
	u32 maybe[128]; /* submitted, outcome open */
	u8 n_maybe;
	bool loose; /* more than fit: anything since goes */
};

struct sim_world {
	struct sim_options opt;
	u64 now, random, steps;
	u64 hash; /* of the trace */
	struct sim_node node[SIM_NODES];
	struct repl_record record;
	u32 copies;                             /* present */
	u64 silent_until[SIM_NODES][SIM_NODES]; /* from, to */
	u32 pace; /* of the workload: a request in one of so many steps */
	struct sim_block block[SIM_USED_MAX];
	struct sim_payload *payload;
	u32 n_payloads;
	u32 payload_free, payload_top;
	u32 next_value;
	u64 serial;
	bool faults;
	char failure[256];
	u64 writes_done, reads_done, flushes_done, crashes, promotions, restarts_promoted;
	u64 disk_errors, reshapes, joins;
};

u64 sim_random(struct sim_world *w, u64 below);
void sim_trace(struct sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

u64 node_now(const struct sim_world *w, u8 n); /* its own clock */
/* where the workload's block is on the device */
u32 sim_device_block(const struct sim_world *w, u32 block);
/* something may well break just after this */
void sim_ambush(struct sim_world *w, u8 node);

/* payloads */
repl_buf sim_payload_new(struct sim_world *w, u32 n);
struct sim_payload *sim_payload(struct sim_world *w, repl_buf b);
void sim_payload_ref(struct sim_world *w, repl_buf b);
void sim_payload_drop(struct sim_world *w, repl_buf b);

/* events.c: things that happen later, in order of time and then of birth */
enum sim_event_kind {
	EV_DELIVER,
	EV_LINK_OPEN,
	EV_LINK_DOWN,
	EV_DISK_WRITE,
	EV_DISK_READ,
	EV_DISK_FLUSH,
	EV_META_WRITE,
	EV_META_FLUSH,
	EV_RECORD,
	EV_CAS_LAND,
	EV_CAS_ANSWER,
	EV_CRASH,
	EV_START
};
struct sim_event {
	u64 at, birth;
	enum sim_event_kind kind;
	u8 node, other, op, side;
	u64 boot;
	u32 link, gen; /* which use of the link */
	u64 id, off;
	u32 len, buf_off;
	repl_buf buf;
	bool fua, flag;
	bool restarted; /* CAS: of a copy that restarted, since there is none better */
	struct repl_record record;
	struct repl_msg msg;
	u8 *page;      /* owned */
	u32 *snapshot; /* owned */
};
void sim_schedule(struct sim_world *w, u64 delay, const struct sim_event *e);
bool sim_next(struct sim_world *w, struct sim_event *ret);
void sim_events_each(struct sim_world *w, void (*fn)(struct sim_world *w, struct sim_event *e));
void sim_events_clear(struct sim_world *w);

/* checker.c */
void check_write_begin(struct sim_world *w, u32 node, struct sim_request *q);
void check_write_done(struct sim_world *w, u32 node, struct sim_request *q, int status);
void check_read_begin(struct sim_world *w, struct sim_request *q);
void check_read_done(struct sim_world *w, u32 node, struct sim_request *q, const u32 *values);
void check_flush_begin(struct sim_world *w, struct sim_request *q);
void check_flush_done(struct sim_world *w, struct sim_request *q);
void check_cache_lost(struct sim_world *w); /* C2: a restarted copy was promoted; unflushed writes
                             may be gone */
void check_quiescent(struct sim_world *w);  /* all copies in sync, nothing in flight */

void sim_options_draw(struct sim_options *o, u64 seed);
/* 0 fine; otherwise w->failure says what */
int sim_run(struct sim_world *w, const struct sim_options *o);

/* between the files of the simulator
 * ---------------------------------------------- */

struct sim_queue {
	struct repl_msg *msg;
	u32 head, len, cap;
};
struct sim_link {
	bool used, cut;
	u32 slow;   /* delays are so many times as long */
	u32 gen;    /* events of an earlier use are void */
	u8 node[2]; /* opener, acceptor */
	u64 boot[2];
	bool open[2];
	u32 core[2];    /* the number the core knows it by */
	u64 last[2];    /* time of the last delivery toward that end */
	u64 stalled[2]; /* nothing toward that end before */
	struct sim_queue held[2];
};

struct node_sink {
	struct repl_sink sink;
	struct sim_world *w;
	u8 node;
};

extern struct sim_link links[SIM_LINKS];
extern u32 links_high; /* from here on unused */
extern u32 next_core_link;
extern struct node_sink sinks[SIM_NODES];

bool chance(struct sim_world *w, u32 of_million);
void hold_clear(struct sim_world *w, struct sim_queue *q);
void hold_push(struct sim_queue *q, const struct repl_msg *m);
bool end_alive(struct sim_world *w, const struct sim_link *l, int side);
void link_gc(struct sim_world *w, struct sim_link *l);
void schedule_down(struct sim_world *w, u32 index, int side, u64 max_delay);
void link_send(struct sim_world *w, u32 index, int to, const struct repl_msg *m);
void link_cut(struct sim_world *w, u32 index);
u32 link_open(struct sim_world *w, u8 from, u8 to, u32 core);
int find_end(struct sim_world *w, u8 node, u32 core, u32 *ret_index);
void end_close(struct sim_world *w, u32 index, int side);
void node_emit(struct repl_sink *sink, const struct repl_effect *e);
void forget_link(struct sim_node *n, u32 index);
bool node_runs(const struct sim_world *w, u8 n);
void node_start(struct sim_world *w, u8 n);
void node_crash(struct sim_world *w, u8 n);
void node_after(struct sim_world *w, u8 n);
void node_add_disk(struct sim_world *w, u8 n, bool alike);
u64 record_delay(struct sim_world *w);
void record_decided(struct sim_world *w, struct sim_event *e); /* e->record is the new one */
void dispatch(struct sim_world *w, struct sim_event *e);

#endif
