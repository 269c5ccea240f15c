/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plane.h - how the daemon drives a data plane, whichever it is: the one that
 * runs the mirror itself (plane_user), the one that configures the kernel
 * module for it (plane_kernel), or the one without a mirror (plane_nvme). All
 * calls and callbacks on the main loop; a plane has threads of its own. Slots,
 * epochs and sets are those of docs/protocol.md.
 */
#ifndef SDSD_REPLICATION_PLANE_H
#define SDSD_REPLICATION_PLANE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/conn.h"

#define PLANE_SLOTS 16
#define PLANE_VOLUMES 16 /* of a resource; numbers from 0 */
#define PLANE_FREEZE_MAX_MS 10000

struct plane_record {
	uint32_t epoch;
	int writer;
	uint32_t in_sync;
	uint32_t tag_node;
	uint64_t tag_boot;
	uint32_t tag_counter;
};

struct plane_peer { /* one slot of a resource */
	bool used;
	bool diskless;
	bool leaving; /* being deleted: must not be made a member */
	char node[64];
	char address[128]; /* host */
	int port;
	uint8_t replica[16]; /* plane_nvme only: its uuid; zeros for the others */
};

/* Who answers reads at the writer: the own copy (another only when the own is not in sync), each in
 * its turn, the one with the fewest questions open, or one by offset. */
enum plane_read_policy {
	PLANE_READ_LOCAL,
	PLANE_READ_ROUND_ROBIN,
	PLANE_READ_LEAST_PENDING,
	PLANE_READ_STRIPED,
	PLANE_READ_POLICIES
};

struct plane_volume { /* its strings belong to the plane_resource it is in */
	int number;
	uint8_t uuid[16]; /* of the volume: one deleted and made again has another */
	int minor;        /* of its block device, the same on every node */
	/* As defined, once the own files have it: a copy that cannot grow is given its old size. A
	 * node without a disk gets it at once, perhaps before the copies have grown. */
	uint64_t size_bytes;
	/* of the own copy, at least of that size; both NULL when diskless */
	char *data_path, *meta_path;
	uint32_t discard_bytes; /* as storage_paths says, of the own copy, or of below_path */
	/* What the own copy's layer lies on and where content begins there, when it is encrypted:
	 * that is what a discard of below_discards makes zeros. NULL: it is not encrypted. */
	char *below_path;
	uint64_t below_off;
	/* All that is read or written is whole blocks of so many bytes, on every node alike, as a
	 * copy can do no others: 4096. 0: 512, or what the own copy says. */
	uint32_t block_bytes;
	char *socket_path; /* NBD unix socket to serve it on; NULL: none */
};

/* What the kernel plane copies before it is written, so that all copies get the same bytes (the
 * user-space plane always has its own): as enum rvol_copy of kmod/uapi/rvol.h. */
enum plane_copy_writes { PLANE_COPY_ALWAYS, PLANE_COPY_DIRECT, PLANE_COPY_NEVER };

/* What this node must have for one resource; given again whole whenever something changed. */
struct plane_resource {
	char name[64];
	uint8_t uuid[16];
	int self; /* own slot */
	/* the record as this node's store shows it, perhaps late: hints for healing only */
	uint32_t in_sync;
	int writer; /* slot, -1 none */
	struct plane_peer peer[PLANE_SLOTS];
	uint8_t replica_uuid[16];
	enum plane_read_policy read_policy;
	bool handover; /* a second node may open it for a moment, for a live migration */
	enum plane_copy_writes copy_writes;
	/* What the application discards is told to what is under the encrypting layer, on all
	 * copies (docs/storage.md#discards). */
	bool below_discards;
	/* Another one than before: there is more space for the copy here. One that has failed for
	 * lack of it is tried again at once. */
	uint32_t room;
	/* By number, ascending, at least one; volume 0 is there always: the metadata device of
	 * volume 0 is the resource's home. With a disk the first set has all volumes of the
	 * resource; one that is added later comes when its files are there. One that is left out
	 * is deleted: its files are removed after this, without waiting. */
	int n_volumes;
	struct plane_volume *volume;
	/* A small file of this node, apart from the pools, for the highest attach counter the
	 * plane has seen of the own replica: metadata put back from a backup is recognised by it.
	 * The plane makes and writes it; who removes the replica's files removes it. NULL when
	 * diskless. */
	char *mark_path;
};

/* Who fills a plane_resource owns the volumes and strings in it, and frees them with
 * plane_resource_release. plane_ops.set copies: nothing given to it is kept. */
void plane_resource_copy(struct plane_resource *dst /* overwritten, not freed */,
			 const struct plane_resource *src);
void plane_resource_release(struct plane_resource *r); /* leaves n_volumes 0 */

/* What planes ask of a plane_resource. Pure. */
/* mask of slots with a disk that may be members */
uint32_t plane_copies(const struct plane_resource *r);
/* another node's, to which there can be links */
bool plane_usable(const struct plane_resource *r, int slot);
/* the next slot after last that is usable and, as the hint says, in sync; -1: none */
int plane_next_member(const struct plane_resource *r, int last);
bool plane_in_sync(const struct plane_resource *r, int slot); /* as the hint says */
/* the own copy is out of sync, as the hint says, and to be brought back */
bool plane_knocks(const struct plane_resource *r);
/* the own copy may be opened for the sake of another one: it is a member, as the hint says, and
 * nobody else is writer */
bool plane_may_heal(const struct plane_resource *r);
/* The record names this node as writer and keeps others from healing; it cannot heal itself, and
 * some copy is out of sync. When it has not been opened here it is opened and closed for that. */
bool plane_must_release(const struct plane_resource *r);
/* the record names this node as writer, as the hint says */
bool plane_is_writer(const struct plane_resource *r);
/* for the log: why it is opened without an application */
const char *plane_heal_reason(const struct plane_resource *r, bool knocked);
bool plane_has_disk(const struct plane_resource *r);
bool plane_same_peer(const struct plane_peer *a, const struct plane_peer *b); /* one link fits */
const struct plane_volume *plane_volume_of(const struct plane_resource *r,
					   int number); /* or NULL */
/* b is another replica than a, or some volume of a went or has other files. Volumes that are new
 * and files that were still being made are no such change. */
bool plane_replaced(const struct plane_resource *a, const struct plane_resource *b);

/* What the plane asks of the daemon. Answers come back by the functions of plane_ops with the same
 * token. */
struct plane_hooks {
	/* linearizable read of the record; retried by the daemon until answered or removed */
	void (*read_record)(const char *resource, const uint8_t uuid[16], uint64_t token,
			    void *arg);
	/* compare and swap: answered with accepted, or refused and the present record; never
	 * "unknown" (the daemon reads the record again and compares the tag) */
	void (*cas_record)(const char *resource, const uint8_t uuid[16],
			   const struct plane_record *next, uint64_t token, void *arg);
	void (*changed)(const char *resource,
			void *arg); /* status differs; fetch it with plane_ops.status */
	void *arg;
};

/* What clients of this node have done since the plane has the resource. Larger requests count as
 * those of 1 MiB that they are cut into; a trim counts as a write of its length. */
struct plane_io {
	bool counted; /* false: this plane does not count (the kernel does, of its block devices) */
	uint64_t reads, writes, flushes;
	uint64_t read_bytes, written_bytes;
};

struct plane_status {
	bool up;          /* replica attached or client ready */
	char error[256];  /* why not, "" when fine */
	bool waits;       /* not up, and nothing has failed: error says what it waits for */
	bool open;        /* some NBD client is connected here */
	bool serving;     /* this node is writer and I/O goes on */
	const char *role; /* "writer" "candidate" "replica" "client" "idle" */
	const char *mode; /* own replica: "out" "learner" "member" "none"; "failed" (its disk; tried
			   * again by itself), "broken" (not before the daemon is restarted) */
	bool no_space;    /* failed or broken, because its disk had no room left */
	/* how often the own disk has refused I/O since the plane has the resource; attaching it
	 * again in vain counts, too */
	uint32_t failures;
	uint32_t epoch;
	uint32_t in_sync;                 /* writer: pI */
	uint64_t regions, synced_regions; /* learner */
	struct plane_io io;
	struct {
		bool connected;
		const char *mode;
	} peer[PLANE_SLOTS]; /* writer's view: "member" "learner" "joining" "lost" "none" */
};

/* the answer to freeze or thaw: exactly once, later; err has a sentence when status is negative */
typedef void plane_freeze_cb(int status, const struct err *err, void *arg);

struct plane;
struct plane_ops {
	const char *name; /* "user" "kernel" */
	/* starts its threads; hooks are copied, tls is borrowed for its life; boot: this
	 * incarnation's random id */
	int (*start)(uv_loop_t *main_loop, struct tls *tls, const char *cluster_uuid,
		     const char *node, uint32_t node_id, uint64_t boot,
		     const struct plane_hooks *hooks, struct plane **ret, struct err *err);
	void (*stop)(struct plane *p, void (*stopped)(void *arg), void *arg);
	/* create or reconfigure; r is copied */
	void (*set)(struct plane *p, const struct plane_resource *r);
	/* Told when all definitions have been looked at: the uuids of all resources that this node
	 * is to have, 16 bytes each. What the plane has of an earlier life and is none of them was
	 * left behind. Told again when a resource was forgotten: it may have been deleted before it
	 * was given to the plane in this life. */
	void (*defined)(struct plane *p, const uint8_t *uuids, size_t n);
	void (*remove)(struct plane *p, const char *name, const uint8_t uuid[16],
		       void (*removed)(void *arg), void *arg);
	void (*status)(struct plane *p, const char *name,
		       void (*cb)(const struct plane_status *s /* NULL: no such */, void *arg),
		       void *arg);
	/* Holds back what the application writes, flushes or discards, on all volumes of the
	 * resource, until thaw or until the deadline, which counts from this call and which the
	 * plane keeps by itself (the kernel module, without this process). Reads go on. Answered
	 * with 0 when it holds: all that the application was answered is on every copy in sync, and
	 * nothing comes. It is not flushed: see docs/kernel.md#freezing. Else nothing is held:
	 * -ETIMEDOUT: not reached before the deadline, or the node gave up serving before.
	 * -EREMOTE: not served here. -EBUSY: frozen already, be it with this token.
	 * -ECANCELED: thawed before it held. -ENOENT: no such resource here. -E_INVALID: token 0,
	 * or deadline_ms is not 1 to PLANE_FREEZE_MAX_MS. */
	void (*freeze)(struct plane *p, const char *name, const uint8_t uuid[16], uint64_t token,
		       int deadline_ms, plane_freeze_cb *cb, void *arg);
	/* Ends it. 0: it has held without a gap until now, on all copies that were in sync when it
	 * began to, and no other node has written. -ETIMEDOUT: it had lapsed (deadline, close,
	 * hand-over, a copy that was lost or not heard of); what was cut under it may not be of one
	 * moment. -EALREADY: it was thawed. -ENOENT: the last freeze was not that one, or no such
	 * resource here. In the kernel a freeze outlives this process: the next life thaws it. */
	void (*thaw)(struct plane *p, const char *name, const uint8_t uuid[16], uint64_t token,
		     plane_freeze_cb *cb, void *arg);
	void (*accept)(struct plane *p,
		       struct conn *data_link); /* a conn of ALPN_DATA from the node port; taken */
	void (*record_read)(struct plane *p, uint64_t token, const struct plane_record *now);
	void (*record_cas)(struct plane *p, uint64_t token, bool accepted,
			   const struct plane_record *now);
};
extern const struct plane_ops plane_user, plane_kernel;
/* Beside either of them, for resources that are not replicated: the node with the copy shows it to
 * the others by NVMe over TCP, by the kernel's own means (nvme_sys.h). It has no records, takes no
 * links and freezes nothing. */
extern const struct plane_ops plane_nvme;

/* Whether the kernel module is there and speaks our version, and how many resources it has; why
 * not, in a sentence. Blocking, for a moment. */
int plane_kernel_probe(int *ret_resources, struct err *why);

#endif
