/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * instance.h - inside of struct consensus, for the files of this folder that
 * share it: consensus.c (life, leadership), propose.c (requests and their
 * answers), fsm.c (state machine), disk.c (watches the library's disk calls),
 * guard.c (and its messages).
 *
 * The library calls back from the middle of its own work and its state may
 * not be changed there. So nothing of ours is called from inside of a library
 * callback: every request to the library and every answer to a caller runs
 * from consensus_turn, at the top of a loop turn.
 */
#ifndef SDSD_RAFT_INSTANCE_H
#define SDSD_RAFT_INSTANCE_H

#include <raft.h>

#include "raft/consensus.h"
#include "raft/transport.h"

/* Something that was asked for and will be answered once. Embedded first in its kinds. */
struct ask {
	struct ask *next;
	int status;
	void (*submit)(struct consensus *c, struct ask *a); /* hands it to the library */
	void (*answer)(struct consensus *c, struct ask *a); /* calls back and frees it */
};

struct ask_queue {
	struct ask *head, **tail;
};

struct consensus {
	uv_loop_t *loop;
	struct store *store;
	uint32_t id;
	char address[CONSENSUS_ADDRESS_MAX];
	char *raft_dir;
	void (*on_leader)(bool is_leader, void *arg);
	void (*on_fatal)(const struct err *why, void *arg);
	void *arg;

	struct raft raft;
	struct raft_io io;
	struct raft_fsm fsm;
	struct transport transport;
	uv_async_t wake;
	uv_timer_t retry; /* asks for the barrier of a new leader again; at the end for disk.c */
	int handles;      /* wake and retry, while open */

	bool running;  /* raft_start succeeded */
	bool stopping; /* the end has begun */
	bool closing;  /* the library's has: with ours, or before it when its log is in doubt */
	bool fatal_told;
	struct err fatal; /* code 0: none */
	void (*closed)(void *arg);
	void *closed_arg;

	/* leadership: each time the library becomes leader is a reign of its own */
	uint64_t reign;         /* counts; the present or last one */
	uint64_t reign_told;    /* the one on_leader(true) was called for; 0: none */
	uint64_t reign_barrier; /* the one whose barrier is under way; 0: none */

	struct ask_queue waiting; /* to be submitted */
	struct ask_queue done;    /* to be answered */
	int proposals;            /* not answered yet */
	size_t proposal_bytes;
	struct ask_queue barrier_waiting, barrier_sharing; /* the next and the present barrier */
	bool barrier_busy;
	struct raft_barrier barrier;
	struct change *change; /* the membership change or transfer under way */

	/* the state machine */
	uint64_t last_index; /* of the entry applied last, and its result */
	struct txn_result last_result;
	struct store_view *view; /* of the snapshot being written */

	/* guard.c */
	int (*io_load)(struct raft_io *io, raft_term *term, raft_id *voted_for,
		       struct raft_snapshot **snapshot, raft_index *start_index,
		       struct raft_entry *entries[], size_t *n);
	int (*io_start)(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
			raft_io_recv_cb recv);
	raft_io_recv_cb io_recv;
	raft_io_tick_cb tick; /* the library's, from its start on */
	raft_index spread;    /* what the others were last told to be committed */
	int (*io_send)(struct raft_io *io, struct raft_io_send *req, const struct raft_message *msg,
		       raft_io_send_cb cb);

	/* disk.c */
	int (*io_append)(struct raft_io *io, struct raft_io_append *req,
			 const struct raft_entry entries[], unsigned n, raft_io_append_cb cb);
	int (*io_truncate)(struct raft_io *io, struct raft_io_truncate *req, raft_index index);
	struct raft_io_truncate *truncated; /* the last request, not freed yet */
	int (*io_snapshot_put)(struct raft_io *io, unsigned trailing,
			       struct raft_io_snapshot_put *req,
			       const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb);
	bool log_ended;           /* a write of the log has failed: nothing is written behind it */
	struct disk_append *lost; /* failed writes that the library has not been told of */
	raft_io_snapshot_put_cb snapshot_put_cb;
	bool snapshot_installing;
	void (*io_close)(struct raft_io *io, raft_io_close_cb cb);
	raft_io_close_cb close_cb;
	bool settling; /* the library has said that it is closed */
};

/* consensus.c */
int consensus_code(int raft_code); /* RAFT_* -> ours */
void consensus_wake(struct consensus *c);
/* The instance is lost: on_fatal comes with the next turn. Only the first one counts. */
void consensus_fail(struct consensus *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Once; not from inside of the library's consensus. What it holds is freed by consensus_stop. */
void consensus_close_library(struct consensus *c);

/* propose.c */
void ask_queue_init(struct ask_queue *q);
void ask_push(struct ask_queue *q, struct ask *a);
/* Submits what waits and answers what is done, as it stands now */
void consensus_turn_asks(struct consensus *c);
/* Ends all that the library does not know of; called when the library has closed */
void consensus_cancel_asks(struct consensus *c);
/* The barrier that begins a reign; others are taken after it has passed */
void consensus_first_barrier(struct consensus *c, void (*cb)(int status, void *arg), void *arg);

/* fsm.c */
void fsm_init(struct consensus *c);

/* guard.c: puts itself between the library and its messages */
void guard_watch(struct consensus *c);
/* On the leader, from the top of a turn: the others hear of a new commit now, and not with the next
 * heartbeat or entry. While entries are on their way these tell it. */
void guard_spread(struct consensus *c);

/* disk.c: puts itself between the library and its own I/O */
void disk_watch(struct consensus *c);
/* -ENOSPC when the log's file system has too little left to accept more */
#define DISK_RESERVE (32u << 20) /* the library preallocates segments of 8 MiB, three at a time */
int disk_room(const struct consensus *c, struct err *err);

#endif
