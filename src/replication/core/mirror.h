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
};

struct repl_mirror_config {
	u8 self;    /* own slot */
	u32 copies; /* mask of slots with a disk that exist and may be members */
	u64 size_bytes;
	struct repl_tag tag; /* node id and boot id */
	u64 seed;            /* for random waits */
	/* NULL: no disk. Everything read from the metadata device by the driver; stamp is
	 * memory of the driver's for meta_regions(size) stamps, kept by the core for its life;
	 * map_dirty likewise meta_map_pages(size) bits (u8 each, zero). bad_pages: map pages
	 * that failed their checksum have stamps 0 already. */
	const struct repl_disk *disk;
};
struct repl_disk {
	struct meta_super super;
	int super_copy; /* where it was found; the other is written next */
	u64 hot_generation;
	int hot_copy;
	const u32 *hot; /* extents, copied */
	u32 n_hot;
	u32 *stamp;
	u8 *map_dirty;
};

/* m is zeroed memory: most of it is not touched until the volume is opened */
void repl_mirror_init(struct repl_mirror *m, const struct repl_mirror_config *c, u64 now);
/* the set of copies changed (replica added, being removed) */
void repl_mirror_set_copies(struct repl_mirror *m, u32 copies, struct repl_sink *out, u64 now);
/* R14: the record as read at attach; before it the replica answers nothing */
void repl_mirror_boot(struct repl_mirror *m, const struct repl_record *r, struct repl_sink *out,
		      u64 now);

/* the application opens and closes; the driver asks repl_mirror_serving() / waits for
 * REPL_CHANGED */
void repl_mirror_open(struct repl_mirror *m, struct repl_sink *out, u64 now);
void repl_mirror_close(struct repl_mirror *m, struct repl_sink *out,
		       u64 now); /* no request may be under way */
/* op as enum repl_op for writes. off, len in bytes, multiples of REPL_SECTOR, inside the
 * volume, not across an extent's end, len <= REPL_WRITE_MAX for data and reads. id: the
 * driver's, comes back in REPL_COMPLETE. 0; -EBUSY: table full, submit again after a
 * REPL_COMPLETE; -EINVAL; -EIO: stopped (see writer state). */
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
void repl_mirror_record(struct repl_mirror *m, u64 token, const struct repl_record *r,
			struct repl_sink *out, u64 now);
void repl_mirror_cas_done(struct repl_mirror *m, u64 token, bool accepted,
			  const struct repl_record *now_is, struct repl_sink *out, u64 now);

void repl_mirror_tick(struct repl_mirror *m, struct repl_sink *out, u64 now);
/* something needs ticks every REPL_TICK_NS (a session, a candidacy); false: no timer needed */
bool repl_mirror_busy(const struct repl_mirror *m);

/* what reports and logs show */
struct repl_mirror_status {
	bool serving; /* this node is writer and its set is whole: I/O goes on */
	bool wanted;  /* it serves, and another node asks for it */
	bool stopped; /* was writer or candidate and cannot go on: reason; open again to retry */
	const char *role;    /* "idle" "candidate" "writer" "releasing" "stopped" */
	const char *reason;  /* last refusal or loss in words, "" */
	const char *mode;    /* own replica: "none" "out" "learner" "member" "failed" */
	u32 epoch, in_sync;  /* writer: pe, pI; else what the replica last heard */
	u32 regions, synced; /* learner */
	const char *peer
		[REPL_SLOTS_MAX]; /* writer's view: "none" "member" "learner" "joining" "lost" */
	bool peer_up[REPL_SLOTS_MAX]; /* link is up */
};
void repl_mirror_status(const struct repl_mirror *m, struct repl_mirror_status *ret);

#endif
