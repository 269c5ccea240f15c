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
#define SIM_BLOCKS (SIM_EXTENTS * SIM_PER_EXTENT) /* 80 MiB of all volumes together, at most */
/* A device of more than so many extents is two volumes, one behind the other on the simulated disk.
 * Blocks and regions in here count through both; sim_address and sim_region say what the core calls
 * them. */
#define SIM_SPLIT 12u
#define SIM_SPLIT_BLOCKS (SIM_SPLIT * SIM_PER_EXTENT)
#define SIM_VOLUMES 2u
#define SIM_PER_REGION (REPL_REGION_BYTES / SIM_BLOCK)
#define SIM_REGIONS (SIM_BLOCKS / SIM_PER_REGION)
#define SIM_USED_MAX 1024u /* blocks that the workload touches; the checker knows these */
#define SIM_META_PAGES 16u /* of each volume */
#define SIM_BRIEFS 7u      /* some pages have the same place */
#define SIM_PAYLOADS 65536u
#define SIM_LINKS 4096u
#define SIM_REQUESTS 64u   /* of one application */
#define SIM_SENT_MAX 4096u /* writes of a writer that are remembered, see struct sim_sent */
/* Nothing may grow without bound. Each is some times what 3000 seeds reached. */
#define SIM_PAYLOADS_LIMIT 30000u /* alive at a time: at disks, in the core, on links */
#define SIM_LINKS_LIMIT 200u
#define SIM_EVENTS_LIMIT 60000u
#define SIM_LOOP_LIMIT 2048u  /* messages on the loop inside a mirror: REPL_LOCAL_MAX */
#define SIM_HELD_LIMIT 30000u /* messages of one link that the receiver does not take yet */
#define SIM_BURST_LIMIT 2000u /* effects of one call into the core */

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
	u32 partition;          /* chance in a million, each ms: the network falls in two */
	u32 ambush;             /* chance in 1000 that a moment of ambush_at is followed by
                               one of ambush_how */
	u64 ambush_at;          /* mask of message kinds and enum sim_moment */
	u32 ambush_how;         /* mask of enum sim_trick */
	u32 restart_fast;       /* chance in 100 that a crashed node is back within 0.1 s */
	u32 notice_ms;          /* a broken link is noticed so late, at most */
	u64 stall_max;          /* ns */
	u32 device_blocks;      /* size of all volumes */
	u32 first_blocks;       /* size of the disks at first; they grow one by one */
	u32 grow;               /* chance in a million, each ms: a disk grows to device_blocks */
	u32 stride;             /* from one block of the workload to the next */
	u32 moods;              /* chance in a million, each ms: the workload changes */
	u32 writeback;          /* chance in 100 that a written block is durable without a
                     flush */
	u32 torn;               /* chance in 100 that a page under way at a crash is torn */
	u32 disk_error;         /* chance in a million for each operation: EIO or ENOSPC */
	u32 spike;              /* the same: it takes up to 3 s */
	u32 hang;               /* the same: it does not come back before the node restarts */
	u32 latent;             /* chance in a million, each ms: a block can't be read any more */
	u32 rot;                /* chance in 100 that a crash leaves a bad page of stamps */
	u32 reshape;            /* chance in a million, each ms: a replica is added or removed */
	u32 slow;               /* mask of nodes with a slow disk */
	u32 slow_factor;
	u32 pause;            /* chance in a million, each ms: a node stands still for some
                  seconds */
	u32 drift_ppm;        /* clocks run so much faster or slower, at most */
	u32 heal_pace;        /* the workload after the faults: w->pace */
	u64 faults_ns;        /* length of the phase with faults */
	u32 openers_max;      /* opens elsewhere while the old writer may live */
	u32 depth;            /* requests of an application at a time, at most */
	u32 open_more, close; /* chance in a million, each ms */
	u64 patience;         /* so long after its open one of several gives up; ns */
	bool heals;           /* some open it without an application, for the copies */
	bool handover;        /* who is asked for the volume yields it (P11) */
	bool scripted;        /* a scenario: nothing happens by chance */
	bool trace;
	const struct sim_register *reg; /* register.h; NULL: the record is kept here */
};

/* simulated content: one number for each block; 0 is zeros */
struct sim_disk {
	u32 cached[SIM_BLOCKS]; /* what a read returns */
	u32 durable[SIM_BLOCKS];
	u32 blocks; /* its size; what is behind is zeros, with stamps that say so */
	u8 meta[SIM_VOLUMES * SIM_META_PAGES][REPL_META_PAGE];
	u8 meta_durable[SIM_VOLUMES * SIM_META_PAGES][REPL_META_PAGE];
	u32 hot[REPL_HOT_MAX];
	u32 back[SIM_BLOCKS]; /* number of the write-back that made the block durable
                         */
	u32 backs;
	int next_fails;     /* scenario: error of the next operation */
	u8 bad[SIM_BLOCKS]; /* can't be read until it is written */
	u32 meta_version;   /* goes up with each change of meta or meta_durable */
	/* watch.c: pages of stamps as they are in meta, read; version 0: not */
	u32 page_version[SIM_VOLUMES * SIM_META_PAGES], page_seen[SIM_VOLUMES * SIM_META_PAGES];
	u32 page_stamp[SIM_VOLUMES * SIM_META_PAGES][REPL_STAMPS_PER_PAGE];
	u32 after[2][SIM_REGIONS];  /* watch.c: the stamps that R14 makes of meta_durable, meta */
	u32 after_version[2];       /* and of what */
	u64 slow_until, hung_since; /* hung_since: an operation does not come back; 0 none */
};
/* stamps of a disk that was never compared with another are REPL_STAMP_UNKNOWN,
 * its blocks this */
#define SIM_GARBAGE 0xdeadbeefu
#define SIM_NOISE 0xd15ca2deu /* what was discarded under a layer that encrypts, on all copies */

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
	bool loose[16];  /* too many to list */
	u32 served_else; /* highest epoch in which another node had served when it began */
};

/* a write that was sent on a link: what a receiver that is behind still gets */
struct sim_sent {
	u64 seq;
	u32 first, n; /* blocks of the device */
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
	struct sim_sent *sent; /* [SIM_SENT_MAX], by seq */
	u32 served;            /* highest epoch in which something was completed here */
	bool was_member;       /* V9: and since then always */
	u32 *was_stamp;        /* V9: [SIM_REGIONS], as last seen */
	u32 burst;             /* effects of the present call */
	u64 said[SIM_NODES];   /* scenario: kinds of messages sent there since last asked for */
	u64 disk_takes;        /* scenario: each operation, ns; 0: as drawn */
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
	u32 seen;       /* value of a write under way that a read has returned; 0: none */
	u8 seen_node;
	u64 seen_boot;
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
	u32 mix_write, mix_read, mix_flush; /* the present weights of the workload */
	u64 script_land, script_answer;     /* scenario: delays of consensus */
	u64 record_slow_until;              /* consensus answers nothing before */
	u64 healed_ns;                      /* how long it took after the last fault */
	u32 high_payloads, high_links, high_events, high_loop, high_held, high_burst;
	u64 watched, compared; /* looks at the whole; regions compared */
	char failure[256];
	u64 writes_done, reads_done, flushes_done, crashes, promotions, restarts_promoted;
	u64 disk_errors, reshapes, joins, ambushes, yields, grown;
};

u64 sim_random(struct sim_world *w, u64 below);
u64 sim_delay(struct sim_world *w, u64 max); /* up to max, short ones as likely as long ones */
void sim_trace(struct sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

u64 node_now(const struct sim_world *w, u8 n); /* its own clock */
/* where the workload's block is on the device */
u32 sim_device_block(const struct sim_world *w, u32 block);
u32 sim_regions(const struct sim_world *w);
u64 sim_address(u32 block);                   /* of the device, as the core knows it */
u32 sim_block(u64 address);                   /* and back */
u32 sim_volume_base(u32 volume);              /* block */
u64 sim_volume_bytes(u32 volume, u32 blocks); /* on a device of so many blocks */
u32 sim_region(u32 region);                   /* as the core knows it */
u8 *sim_map_page(u8 (*meta)[REPL_META_PAGE], u32 region, u32 *ret_number, u32 *ret_at);

/* moments after which something may well break: kinds of messages (enum repl_kind) and these */
enum sim_moment {
	AT_META = 48, /* a metadata page is on its way to the disk */
	AT_META_DONE,
	AT_CAS_OUT,
	AT_CAS_LAND,
	AT_COMPLETE,
	AT_DISK_WRITE,
	AT_DISK_FLUSH,
	AT_CHANGED,
	AT_MOMENTS
};
/* and what breaks then, at the node itself, its peer or a third one */
enum sim_trick {
	TRICK_CRASH,
	TRICK_CUT_ALL,
	TRICK_CUT_LINK,
	TRICK_PAUSE,
	TRICK_SILENCE,
	TRICK_STALL,
	TRICK_SLOW,   /* its disk, for some seconds */
	TRICK_RECORD, /* consensus answers late for some seconds */
	TRICK_OTHERS, /* all other nodes with a disk crash */
	TRICKS
};
void sim_ambush(struct sim_world *w, u8 moment, u8 node, u8 other);

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
	EV_META_READ,
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
u32 sim_events(void);
void sim_events_sort(void); /* after times were changed */
void sim_events_clear(struct sim_world *w);

/* checker.c: what the application sees */
void check_write_begin(struct sim_world *w, struct sim_request *q);
void check_write_done(struct sim_world *w, u32 node, struct sim_request *q, int status);
void check_read_begin(struct sim_world *w, u8 node, struct sim_request *q);
void check_read_done(struct sim_world *w, u32 node, struct sim_request *q, const u32 *values);
void check_flush_begin(struct sim_world *w, struct sim_request *q);
void check_flush_done(struct sim_world *w, struct sim_request *q);
/* may the block hold this now, for all that is known of it? */
bool check_allows(const struct sim_world *w, u32 block, u32 value);
bool check_allows_durable(const struct sim_world *w, u32 block, u32 value);
void check_cache_lost(struct sim_world *w); /* C2: a restarted copy was promoted; unflushed writes
                             may be gone */
void check_quiescent(struct sim_world *w);  /* all copies in sync, nothing in flight */

/* watch.c: what nobody inside can see: all copies and the record at once */
u32 sim_stamp(const struct sim_world *w, u8 node, u32 region); /* the only look at a map */
void watch_sent(struct sim_world *w, u8 node, const struct repl_msg *m);
void watch_served(struct sim_world *w, u8 node, const struct sim_request *q);
u32 watch_served_else(const struct sim_world *w, u8 node);
void watch_members(struct sim_world *w);              /* V1, V8, V9 */
void watch_durable(struct sim_world *w, u32 members); /* V2 */
void watch_maps(struct sim_world *w);                 /* V3, V4 */
void watch_after_crash(struct sim_world *w);          /* V3 if a node crashed now */
void watch_bounds(struct sim_world *w);

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
/* the other node of a replica's session, and whether both ends take it for alive */
bool session_writer(struct sim_world *w, u8 n, u8 *ret_writer);

/* disk.c */
void disk_grow(struct sim_world *w, u8 n);
u32 disk_value(struct sim_world *w, const struct sim_event *e, u32 i);
void do_disk(struct sim_world *w, u8 node, const struct repl_effect *e, enum sim_event_kind kind);
int disk_load(struct sim_world *w, struct sim_disk *d, struct repl_disk *ret);
void disk_crash(struct sim_world *w, u8 n, struct sim_disk *d);
void on_disk_write(struct sim_world *w, struct sim_event *e);
void on_disk_read(struct sim_world *w, struct sim_event *e);
void on_disk_flush(struct sim_world *w, struct sim_event *e);
void on_meta(struct sim_world *w, struct sim_event *e);
void on_meta_read(struct sim_world *w, struct sim_event *e);

/* faults.c */
void fault_step(struct sim_world *w);
void reshape_step(struct sim_world *w);
bool sick_disk(const struct sim_world *w, u8 n); /* somebody has to see to it */
void replica_add(struct sim_world *w, u8 n);
void forget_writer(struct sim_world *w);
void set_copies(struct sim_world *w, u32 copies);
void pause_node(struct sim_world *w, u8 n, u64 max);

/* say.c: a scenario in words. Does nothing outside of one. */
#define SAY_MAX (1u << 18)
#define SAY_LINE 160u
void say_begin(void);
const char *say_told(void);
void say(struct sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void say_message(struct sim_world *w, u8 from, u8 to, const struct repl_msg *m);
void say_changed(struct sim_world *w, u8 n);
void say_restarted(u8 n);
const char *say_mask(u32 mask);

/* scenario.c: 0 when all of it went as the file says */
int scenario_run(const char *path, bool accept, bool trace);
void scenario_answered(struct sim_world *w, u8 n, u32 slot, int status, u32 value);

/* run.c: one step of time, and what the application does; scenario.c drives them by hand */
void world_begin(struct sim_world *w, const struct sim_options *o);
void world_free(struct sim_world *w);
void world_step(struct sim_world *w);
void app_open(struct sim_world *w, u8 n, bool heals); /* heals: without an application */
int app_submit(struct sim_world *w, u8 n, u32 slot, u8 op);
int requests_of(const struct sim_node *n);

#endif
