/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror.h - this node's end of one resource: its writer role, its replica (if
 * it has a disk) and the loop between them. The only header a driver needs.
 * Every call takes the time and may emit effects to the sink.
 */
#ifndef SDSD_REPL_MIRROR_H
#define SDSD_REPL_MIRROR_H

#include "replication/core/meta.h"
#include "replication/core/repl.h"
#include "replication/core/replica.h"
#include "replication/core/writer.h"

#define REPL_LOCAL_MAX 2048 /* messages on the loop inside */

/* messages on the loop inside, one direction */
struct repl_queue {
	struct repl_msg msg[REPL_LOCAL_MAX];
	u32 head, len;
};

struct repl_mirror {
	struct repl_writer writer;
	struct repl_replica replica;
	struct repl_sink writer_sink,
		replica_sink;  /* pass on to out, keep what goes round inside */
	struct repl_sink *out; /* the driver's, during a call */
	u8 self;
	bool has_disk;
	bool local_up, local_broken;
	u64 local_up_at; /* the inner link was cut: up again then */
	struct repl_queue to_replica, to_writer;
	struct repl_effect payload; /* told of one that goes inside: for each only msg changes */
	struct map_brief brief[];   /* repl_mirror_config.n_briefs */
};

struct repl_mirror_config {
	u8 self;    /* own slot */
	u32 copies; /* mask of slots with a disk that exist and may be members */
	enum repl_read_policy read_policy;
	struct repl_tag tag;          /* node id and boot id */
	u64 seed;                     /* for random waits */
	const struct repl_disk *disk; /* NULL: no disk */
	u32 n_briefs;                 /* that the mirror's memory has room for */
};
/* What the driver has read from the heads of the metadata devices. */
struct repl_disk {
	u64 size[REPL_VOLUMES_MAX]; /* of the labels; 0: this copy does not have that volume */
	struct meta_state state;
	int state_copy; /* where it was found; the other is written next */
	u64 hot_generation;
	int hot_copy;
	const u32 *hot; /* extents, copied */
	u32 n_hot;
};

/* So many briefs are of use for volumes of these sizes: one for each page of the epoch map, up to
 * REPL_BRIEFS_MAX (132 bytes for 60 MiB); 0: all pages are kept whole anyway. */
#define REPL_BRIEFS_MAX 17480u /* of 1 TiB: 2.3 MiB */
u32 repl_briefs(const u64 size[REPL_VOLUMES_MAX]);
static inline size_t repl_mirror_bytes(u32 n_briefs)
{
	return sizeof(struct repl_mirror) + n_briefs * sizeof(struct map_brief);
}
/* m is repl_mirror_bytes(c->n_briefs) of zeroed memory: most of it is not touched until the volume
 * is opened */
void repl_mirror_init(struct repl_mirror *m, const struct repl_mirror_config *c, u64 now);
/* the set of copies changed (replica added, being removed) */
void repl_mirror_set_copies(struct repl_mirror *m, u32 copies, struct repl_sink *out, u64 now);
/* R14: the record as read at attach; before it the replica answers nothing */
void repl_mirror_boot(struct repl_mirror *m, const struct repl_record *r, struct repl_sink *out,
		      u64 now);

/* the application opens and closes; the driver asks repl_mirror_serving() / waits for
 * REPL_CHANGED */
void repl_mirror_open(struct repl_mirror *m, struct repl_sink *out, u64 now);
/* The same without an application, so that copies come back in sync (WANTED and healing): it is
 * stopped when the record names another node. repl_mirror_open goes on from it. */
void repl_mirror_heal(struct repl_mirror *m, struct repl_sink *out, u64 now);
void repl_mirror_close(struct repl_mirror *m, struct repl_sink *out,
		       u64 now); /* no request may be under way */
/* P11, planned move: the volume is released as soon as nothing is under way, so that another node
 * may open it; requests that come meanwhile wait. It stays open here: it is taken back by
 * repl_mirror_open, or for a request when nobody has it after REPL_YIELD_NS. */
void repl_mirror_yield(struct repl_mirror *m, struct repl_sink *out, u64 now);
/* Serving, and no copy of the set is left: requests do not wait for one of them any longer but fail
 * with -EIO, and the writer is stopped. Nothing happens in any other state. */
void repl_mirror_abandon(struct repl_mirror *m, struct repl_sink *out, u64 now);
void repl_mirror_set_read_policy(struct repl_mirror *m, enum repl_read_policy policy);
/* A volume of the own copy has grown; its label and the new part of its map are durable. 0 -> size:
 * a new volume. It is served at that size when it is so large on all members. */
void repl_mirror_grow(struct repl_mirror *m, u32 volume, u64 size_bytes, struct repl_sink *out,
		      u64 now);
/* It serves, its set is whole, and all of it has been heard so lately (P5) that no other node can
 * have served meanwhile. */
bool repl_mirror_leased(const struct repl_mirror *m, u64 now);
/* bytes that requests may reach; 0 until it has served */
u64 repl_mirror_size(const struct repl_mirror *m, u32 volume);
/* op as enum repl_op for writes. off: REPL_ADDRESS(volume, bytes); off and len multiples of
 * REPL_SECTOR, inside the volume, not across an extent's end, len <= REPL_WRITE_MAX for data and
 * reads. id: the driver's, comes back in REPL_COMPLETE. 0; -EBUSY: table full, submit again after
 * a REPL_COMPLETE; -EINVAL; -EIO: stopped (see writer state). */
int repl_mirror_write(struct repl_mirror *m, u64 id, u8 op, u64 off, u32 len, repl_buf buf,
		      struct repl_sink *out, u64 now);
int repl_mirror_read(struct repl_mirror *m, u64 id, u64 off, u32 len, struct repl_sink *out,
		     u64 now);
int repl_mirror_flush(struct repl_mirror *m, u64 id, struct repl_sink *out, u64 now);

/* links. A slot link is up after the greeting both ways. Wanted: repl_mirror_wants_link(m,
 * slot). */
bool repl_mirror_wants_link(const struct repl_mirror *m, u8 slot);
void repl_mirror_link_up(struct repl_mirror *m, u32 link, struct repl_sink *out,
			 u64 now); /* also for accepted links */
void repl_mirror_link_down(struct repl_mirror *m, u32 link, struct repl_sink *out, u64 now);
void repl_mirror_receive(struct repl_mirror *m, u32 link, const struct repl_msg *msg,
			 struct repl_sink *out, u64 now);
/* what waits to be sent on a slot link piles up / no longer: writes are slowed for a learner */
void repl_mirror_link_lags(struct repl_mirror *m, u8 slot, bool lags, struct repl_sink *out,
			   u64 now);
/* false: stop reading that link (an accepted one or the pull link) until it is true again after
 * some call */
bool repl_mirror_takes_input(const struct repl_mirror *m, u32 link);
void repl_mirror_pull_up(struct repl_mirror *m, struct repl_sink *out, u64 now);
void repl_mirror_pull_down(struct repl_mirror *m, struct repl_sink *out, u64 now);

/* disk and consensus answers */
void repl_mirror_disk_done(struct repl_mirror *m, u64 id, int status, struct repl_sink *out,
			   u64 now);
void repl_mirror_disk_read_done(struct repl_mirror *m, u64 id, int status, repl_buf buf, u32 len,
				struct repl_sink *out, u64 now);
/* page: REPL_META_PAGE bytes, read during the call; any when status is negative */
void repl_mirror_meta_read_done(struct repl_mirror *m, u64 id, int status, const u8 *page,
				struct repl_sink *out, u64 now);
void repl_mirror_record(struct repl_mirror *m, u64 token, const struct repl_record *r,
			struct repl_sink *out, u64 now);
void repl_mirror_cas_done(struct repl_mirror *m, u64 token, bool accepted,
			  const struct repl_record *now_is, struct repl_sink *out, u64 now);

void repl_mirror_tick(struct repl_mirror *m, struct repl_sink *out, u64 now);
/* something needs ticks every REPL_TICK_NS (a session, a candidacy); false: no timer needed */
bool repl_mirror_busy(const struct repl_mirror *m);
/* P5 for who reads the own disk by itself: until then (by the clock, after the data has arrived)
 * what it says is what is served, where no write is under way (P1), and unless the mirror emits
 * RELEASE or PROMISED before. To be asked for anew after each call. 0: not now. */
u64 repl_mirror_reads_until(const struct repl_mirror *m);

/* what reports and logs show */
struct repl_mirror_status {
	bool serving; /* this node is writer and its set is whole: I/O goes on */
	bool wanted;  /* it serves, and another node asks for it */
	bool stopped; /* was writer or candidate and cannot go on: reason; open again to retry */
	const char *role;    /* "idle" "candidate" "writer" "releasing" "stopped" */
	const char *reason;  /* last refusal or loss in words, "" */
	const char *mode;    /* own replica: "none" "out" "learner" "member" "failed" */
	u32 epoch, in_sync;  /* writer: pe, pI; else what the replica last heard */
	u64 regions, synced; /* of all volumes; learner */
	u32 bad_pages;       /* of the epoch map, found damaged since the attach */
	const char *peer
		[REPL_SLOTS_MAX]; /* writer's view: "none" "member" "learner" "joining" "lost" */
	bool peer_up[REPL_SLOTS_MAX]; /* link is up */
};
void repl_mirror_status(const struct repl_mirror *m, struct repl_mirror_status *ret);
/* Of what always holds between two calls, as far as it is cheap to see: NULL, or a sentence about
 * what does not. Then nothing that the mirror says can be relied on. */
const char *repl_mirror_check(const struct repl_mirror *m);

#endif
