/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - a deterministic world for the control plane: servers with the real
 * src/raft (consensus.c and all of its folder), the real store in LMDB and the
 * shipped Raft library, over simulated disks, links, clocks and libuv handles.
 * One seed gives one run. docs/testing.md#the-control-plane
 *
 * Nothing of src/ is compiled anew: the linker's --wrap puts loop.c between
 * src/raft and what it asks of libuv and of the library's file I/O, and
 * checker.c between the state machine and the store.
 */
#ifndef TEST_RAFTSIM_WORLD_H
#define TEST_RAFTSIM_WORLD_H

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "model/change.h"
#include "raft/consensus.h"
#include "raft/instance.h"
#include "shared/port.h"
#include "store/store.h"

#define SERVERS_MAX 5
#define CLIENTS_MAX 6
#define ASKS_MAX 64 /* of test/joint: what data planes ask at a time */
#define US 1ull
#define MS 1000ull
#define SEC 1000000ull
#define MODEL_NODES 3 /* of the documents; they have nothing to do with the servers */

/* What a run is made of, drawn from its seed by ctl_options_draw. Times in us, rates per 1000. */
struct ctl_options {
	u64 seed;
	bool trace;
	u32 mutant;
	u32 servers;   /* at the beginning */
	bool founded;  /* by one server, which adds the others; else all are voters at once */
	u64 fault_for; /* how long faults go on */
	u32 clients;
	u64 think; /* between two requests of a client */
	u64 patience;
	/* disk */
	u64 disk_fast, disk_slow;
	u32 slow_rate;    /* operations that take disk_slow */
	u32 append_error; /* per 100000 */
	u32 sync_error;   /* of term and vote, per 100000 */
	u32 put_error;    /* of snapshots, per 10000 */
	u32 torn_rate;    /* crashes in the middle of a callback */
	u32 store_lost;   /* restarts that find no store */
	u32 stall_rate;   /* term and vote writes that take long */
	/* links */
	u64 delay, delay_tail;
	u32 tail_rate, loss_rate, reconnect_rate, send_fail;
	/* what happens now and then; mean time between two, 0: never */
	u64 crash_every, cut_every, stop_every, change_every, transfer_every, down_for, pause_every;
	u64 lag_every, lag; /* lag: how late, in the end */
	u32 oneway_rate, all_crash_rate;
	bool policy; /* membership by members_decide, not by chance */
	u32 skew;    /* clocks, per 1000 */
	/* the library */
	u32 threshold, trailing, catch_up_ms;
	/* test/joint: the record of a resource with so many copies, and who is in sync first */
	u32 joint_copies, joint_in_sync;
};

/* --- events --- */

enum event_kind {
	EV_NONE,
	EV_TICK,
	EV_WAKE,
	EV_TIMER,
	EV_CLOSE,
	EV_DISK,
	EV_EARLY, /* a mutant acknowledges */
	EV_WORK,
	EV_GET,
	EV_SENT,
	EV_DELIVER,
	EV_RESTART,
	EV_CLIENT,
	EV_FAULT,
	EV_HEAL,
	EV_LOOK,
};

struct message;

struct ctl_event {
	u64 at, birth;
	enum event_kind kind;
	u32 server;
	u64 life; /* of the instance it is meant for; others do not get it */
	u64 arg;
	void *ptr;
};

/* --- disk --- */

/* Bytes shared by all who hold them: entries and snapshots are copied a lot */
struct blob {
	u32 refs;
	size_t len;
	unsigned char data[];
};

struct disk_entry {
	raft_term term;
	unsigned short type;
	struct blob *blob;
};

struct disk_snapshot {
	raft_index index;
	raft_term term;
	raft_index conf_index;
	struct blob *conf; /* encoded by ctl_conf_save */
	struct blob *data;
};

/* What survives a crash */
struct ctl_disk {
	raft_term term;
	raft_id vote;
	raft_index first; /* of entries[0] */
	u32 n, cap;
	struct disk_entry *entries;
	bool has_snapshot;
	struct disk_snapshot snapshot;
};

enum op_kind { OP_APPEND, OP_TRUNCATE, OP_INSTALL, OP_PUT };

/* An operation on its way to the disk; they are carried out in the order they were asked for */
struct disk_op {
	struct disk_op *next;
	enum op_kind kind;
	raft_index index; /* of the first entry; where to truncate */
	u32 n;
	struct disk_entry *entries;
	struct raft_io_append *append;
	struct raft_io_truncate *truncate;
	struct raft_io_snapshot_put *put;
	raft_io_snapshot_put_cb put_cb;
	u32 trailing;
	struct disk_snapshot snapshot;
	bool answered; /* a mutant has */
};

/* --- an instance: one life of a server's process --- */

struct pending { /* a send, snapshot_get or async_work with its callback to come */
	struct pending *next, **at;
	struct inst *inst;
	enum event_kind kind; /* EV_SENT, EV_GET, EV_WORK */
	int status;
	void *req;
};

struct inst {
	u64 life;
	struct server *server;
	struct consensus *c;
	struct raft_io *io;
	bool dying;   /* the machine has stopped in the middle of something */
	bool closing; /* the library has closed its I/O */
	bool stopped; /* consensus_stop has been called */
	bool closed;  /* and has answered */
	uv_loop_t loop;
	uv_async_t *wake;
	bool wake_sent;
	uv_timer_t *timer;
	bool timer_active;
	u64 timer_gen;
	struct {
		uv_handle_t *handle;
		uv_close_cb cb;
	} closes[2];
	int n_closes;
	raft_io_close_cb close_cb;
	raft_io_tick_cb tick;
	raft_io_recv_cb recv;
	u64 tick_every;
	struct disk_op *ops, **ops_end;
	u64 disk_free_at;
	bool disk_broken;
	raft_index next_index; /* of the next append */
	struct pending *pending;
	bool fatal, leader;
	u64 reign_since;
	struct change_env env;
	u64 busy_until; /* a write of term or vote keeps the process */
};

struct server {
	u32 slot, id; /* id is 0 while the slot is out of the cluster */
	u32 births;   /* ids used so far */
	char address[32];
	char dir[64];
	struct ctl_disk disk;
	struct store *store;
	struct inst *inst; /* NULL: down */
	u64 down_until;    /* a restart is under way */
	u64 clock_base;
	u32 clock_rate; /* per 1000 */
	bool retired;   /* removed from the cluster: to be wiped */
};

/* --- clients --- */

enum op_verb {
	VERB_COUNT, /* n -> n + 1 in a document */
	VERB_SPAWN,
	VERB_CREATED,
	VERB_CAS,
	VERB_DELETE,
	VERB_POOL,
	VERB_FOUND, /* the first steps of a cluster */
	VERB_ASK,   /* joint.c */
	VERBS
};

struct client {
	u32 id;
	u32 number; /* of its present request */
	bool busy;  /* a request is not finished yet */
	bool asked; /* an attempt is under way */
	u64 turn;   /* the one event that counts */
	u32 attempt, tries;
	u64 asked_at;
	u32 hint; /* slot believed to lead */
	enum op_verb verb;
	char name[24];
	char request[32];
	u32 step;
	u32 cas_epoch; /* what the CAS asked for, in its last attempt */
	char cas_uuid[40];
	/* VERB_ASK */
	u64 ticket;
	bool reads;
	struct record next;
};

/* --- the world --- */

struct ctl_stats {
	u64 steps, messages, lost, elections, reigns, crashes, all_crashes, restarts, disk_errors,
		snapshots, installs, restores, changes, transfers, proposals, acked, duplicates,
		conflicts, refused, unknown, barriers, entries, cuts, stores_lost, looks, casses,
		truncates, torn, lags;
};

struct ctl_world {
	struct ctl_options o;
	u64 now, hash, rng, lives;
	bool quiet; /* faults have stopped */
	bool over;  /* and everybody agrees */
	u64 quiet_since;
	bool failed;
	char failure[500];
	struct server server[SERVERS_MAX];
	struct client client[CLIENTS_MAX + ASKS_MAX];
	u32 founding;  /* steps of the first documents done */
	bool changing; /* a membership change or transfer of ours is under way */
	u32 change_id;
	int change_what;
	u64 cut_until[SERVERS_MAX][SERVERS_MAX]; /* from, to */
	u64 last_delivery[SERVERS_MAX][SERVERS_MAX];
	struct { /* of a server: what is sent to it comes late, more and more */
		u64 since, until, by;
		u64 unheard_at; /* from then on nobody hears it; 0: never */
	} lag[SERVERS_MAX];
	u32 uuids;
	char dir[64];
	struct ctl_stats stats;
};

extern struct ctl_world ctl; /* libuv's callbacks have no room for a pointer to it */

/* mutants of the simulated machine: 1 << number */
enum ctl_mutant {
	MUTANT_EARLY_ACK = 1,  /* an append is acknowledged before it is durable */
	MUTANT_LOSE_VOTE = 2,  /* a restart forgets the vote */
	MUTANT_LOSE_TERM = 4,  /* a restart finds the term of the last log entry */
	MUTANT_META_LATE = 8,  /* the snapshot's metadata may be that of the one before */
	MUTANT_PUT_EARLY = 16, /* a snapshot cuts the log before it is durable */
	MUTANT_TWO_IDS = 32,   /* a client makes a new request id for a retry */
	MUTANT_AMNESIA = 64,   /* a member comes back with its id and an empty disk */
};

/* run.c; ctl_run is the others in their order */
void ctl_begin(const struct ctl_options *o);
bool ctl_step(u64 until); /* one event; false: none before that time, or it has failed */
void ctl_heal(void);
void ctl_end(void);
void ctl_options_draw(struct ctl_options *o, u64 seed);
int ctl_run(const struct ctl_options *o); /* 0, or 1 with ctl.failure */
void ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* events.c */
u64 ctl_random(void);
u64 ctl_below(u64 n); /* 0..n-1 */
bool ctl_chance(u32 per, u32 of);
u64 ctl_around(u64 mean); /* at least 1, on average mean */
void ctl_schedule(u64 delay, const struct ctl_event *e);
bool ctl_next(u64 until, struct ctl_event *ret);
void ctl_events_clear(void);
void ctl_mix(u64 value);
void ctl_mix_bytes(const void *data, size_t len);
void ctl_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ctl_notes_print(FILE *to);

/* disk.c */
struct blob *blob_new(const void *data, size_t len);
struct blob *blob_hold(struct blob *b);
void blob_drop(struct blob *b);
void disk_wipe(struct ctl_disk *d);
void disk_bootstrap(struct ctl_disk *d, const struct raft_configuration *conf);
void disk_step(struct inst *i);       /* the oldest operation is carried out */
void disk_early(struct inst *i);      /* the mutant's acknowledgement */
void disk_power_lost(struct inst *i); /* decides what of the rest gets there */
void disk_cancel(struct inst *i);     /* answers all that waits with RAFT_CANCELED */
void disk_ops(struct raft_io *io);
struct raft_snapshot *disk_snapshot(const struct ctl_disk *d); /* a copy for the library, or NULL */
u64 disk_time(void);                                           /* that one operation takes */
bool disk_holds(const struct ctl_disk *d, raft_index index, raft_term *ret_term);
struct blob *ctl_conf_save(const struct raft_configuration *conf);
void ctl_conf_load(const struct blob *b, struct raft_configuration *conf);

/* net.c */
int net_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *msg,
	     raft_io_send_cb cb);
void net_deliver(const struct ctl_event *e);
void net_event_drop(struct ctl_event *e);

/* loop.c */
void loop_wake(struct inst *i);
void loop_timer(struct inst *i, u64 gen);
void loop_close(struct inst *i);
void pending_add(struct inst *i, enum event_kind kind, void *req, int status, u64 delay);
void pending_done(struct inst *i, struct pending *p);
struct inst *inst_of(struct raft_io *io);
u64 server_clock_us(const struct server *s);
u64 server_delay(const struct server *s, u64 local_us); /* local time -> the world's */

/* server.c */
void server_start(struct server *s);
void server_crash(struct server *s, u64 down_for);
void server_stop(struct server *s); /* in order; the disk gets nothing more */
void server_join(struct server *s); /* a free slot: a new id, empty disk and store */
void server_retire(struct server *s);
void server_busy(struct server *s, u64 time); /* does nothing for a while */
void server_settle(struct server *s);         /* after each event: what happened inside of it */
struct server *server_by_id(u64 id);
struct server *server_leader(void); /* ready to take proposals, of the highest term; NULL */
void servers_close(void);

/* clients.c */
void client_step(u32 id, u64 turn);
void clients_init(void);

u32 founding_steps(void);

/* joint.c: the record of JOINT_RESOURCE for data planes (test/joint) */
#define JOINT_RESOURCE "joint"
#define JOINT_UUID "33333333-3333-4333-8333-333333333333"
struct ctl_joint {
	void (*decided)(const struct record *r); /* as soon as it is committed */
	void (*answered)(u64 ticket, bool ok, const struct record *present);
};
extern struct ctl_joint ctl_joint;
/* next NULL: a read */
void joint_ask(u64 ticket, const struct record *next);
void joint_answer(struct client *c, struct server *s, bool done);
void joint_written(const char *key, json *doc);
int joint_decide(struct client *c, struct change_env *env, struct txn *t, struct err *err);
void joint_found(struct txn *t);

/* decide.c */
int client_decide(struct client *c, struct inst *i, struct txn *t, struct err *err);
void client_draw(struct client *c);
void env_init(struct inst *i);
void env_close(struct inst *i);

/* faults.c */
void faults_start(void);
void ctl_fault_step(u64 which);
void faults_heal(void);

/* checker.c */
void checker_reset(void);
void checker_leaders(void);
void checker_acked(const char *request, u64 revision, bool duplicate);
void checker_refused(const char *author); /* this attempt was certainly not executed */
u64 checker_last_acked(void);
void checker_dump(u64 index, const void *data, size_t len, const char *who);
void checker_look(void);
void checker_end(void);
u64 checker_entries(void);

/* refstore.c: what transactions should do, written a second time */
struct ref_result {
	enum txn_outcome outcome;
	u64 revision;
	char request[32], author[32];
};
void ref_reset(void);
void ref_apply(u64 index, const void *data, size_t len, struct ref_result *ret);
bool ref_request(const char *id, u64 *ret_revision);
void ref_compare(struct store *s, const char *who);
u64 ref_casses(void);

#endif
