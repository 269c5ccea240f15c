/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.h - makes this node look like the desired state. Level-triggered: a watch on
 * the store (and a slow tick) -> plan.c (pure) -> run.c. Reports what is (observe.c) to
 * the leader when something changed, and every second as a sign of life.
 */
#ifndef SDSD_AGENT_AGENT_H
#define SDSD_AGENT_AGENT_H

#include <uv.h>

#include "replication/plane.h"
#include "storage/storage.h"
#include "store/store.h"

/* asks the leader (api/leader.h behind it): cb(http status, parsed body or NULL) */
typedef void (*agent_call)(const char *method, const char *path, const char *body, int deadline_ms,
			   void (*cb)(int status, json *doc, void *arg), void *cb_arg, void *arg);

struct agent_config {
	uv_loop_t *loop;
	struct store *store;
	const char *cluster; /* its uuid */
	const char *node;    /* this node's name */
	const char *version;
	const char *dir; /* state directory: <dir>/replicas/<uuid>, see marks.c; <dir>/attached */
	const char *run_dir; /* NBD sockets: <run_dir>/nbd/<resource>-<volume>.sock */
	uint64_t boot;
	int64_t certificate_ends; /* of this node; s since 1970, 0: unknown */
	const struct plane_ops *plane_ops;
	struct plane *plane;
	/* of what is not replicated (plane_nvme); NULL: there is none of it */
	const struct plane_ops *nvme_ops;
	struct plane *nvme;
	agent_call call;
	/* the key of an encrypted volume; -E_LOCKED: not now, see agent_unlocked */
	int (*unseal)(const char *sealed, uint8_t key[STORAGE_KEY_BYTES], struct err *err,
		      void *arg);
	void *arg;
};

struct agent;
int agent_new(const struct agent_config *config, struct agent **ret, struct err *err);
/* Begins nothing new; the memory goes when the last answer has come, so run the loop after it. The
 * plane keeps what it has. NULL is fine. */
void agent_free(struct agent *a);
/* unseal can now what it could not before: whatever waits for its key is looked at at once */
void agent_unlocked(struct agent *a);
/* snapshots.c: a snapshot that is being taken, of the copy here: all its volumes, one after the
 * other, as they are at that moment. cb once, later. -E_NOT_FOUND: this node's store has no such
 * snapshot, or not yet, or it is not being taken (any more), or not here. */
typedef void (*agent_snapshot_cb)(int status, const struct err *err, void *arg);
void agent_snapshot(struct agent *a, const char *resource, const char *name, const char *uuid,
		    agent_snapshot_cb cb, void *arg);
/* Writes to the resource, which is served here, are held back by the plane for at most deadline_ms
 * (plane.h). slots: mask of those that are in sync while they are; epoch: of then. cb once,
 * later. */
typedef void (*agent_freeze_cb)(int status, const struct err *err, uint32_t slots, uint32_t epoch,
				void *arg);
void agent_freeze(struct agent *a, const char *resource, uint64_t token, int deadline_ms,
		  agent_freeze_cb cb, void *arg);
/* 0: they were held without a gap until now */
void agent_thaw(struct agent *a, const char *resource, uint64_t token, agent_snapshot_cb cb,
		void *arg);
#define AGENT_REGION_BYTES 65536u
#define AGENT_CHECKSUM_REGIONS 64u
/* checksum.c: a CRC for each region of the stretch as the copy here has it; off: of a region; uuid:
 * of the volume. cb once, later. */
typedef void (*agent_checksum_cb)(int status, const struct err *err, const uint32_t *crc, int n,
				  void *arg);
void agent_checksum(struct agent *a, const char *resource, const char *uuid, uint64_t off,
		    uint64_t len, agent_checksum_cb cb, void *arg);
/* adopt.c: may this device of somebody else's become a volume? In which pool it is, what it is
 * called there, its size. -ENOENT: in none; else why not. cb once, later. */
typedef void (*agent_adoptable_cb)(int status, const struct err *err, const char *pool,
				   const char *name, uint64_t size_bytes, void *arg);
void agent_adoptable(struct agent *a, const char *device, agent_adoptable_cb cb, void *arg);
/* Pools and copies as in a report, whole; of copies whose plane counts also
 * "io": {"reads","writes","flushes","read_bytes","written_bytes"}, not older than a second. The
 * caller owns it. */
json *agent_report(struct agent *a);
/* plane_hooks.changed ends here: asks the plane for the resource's status and reports soon */
void agent_poke(struct agent *a, const char *resource);

#endif
