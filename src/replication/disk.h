/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - a replica's data and metadata files, read and written off the loop:
 * by io_uring where the kernel has it, else by threads of the pool. One disk
 * has at most DISK_PARALLEL_MAX jobs running in each of them, so a device that
 * hangs holds that many workers and no other volume's.
 */
#ifndef SDSD_REPLICATION_DISK_H
#define SDSD_REPLICATION_DISK_H

#include <uv.h>

#include "base/err.h"
#include "replication/core/meta.h"
#include "replication/payload.h"
#include "replication/turn.h"

#define DISK_PARALLEL_MAX 8
#define DISK_THREADS_MAX 64 /* of a pool; a thread is made when none is free */

#define DISK_NOW_MAX 65536u /* longer reads go to a thread even when they are in the page cache */

enum disk_engine {
	DISK_ENGINE_THREADS,
	DISK_ENGINE_RING,
	DISK_ENGINE_BOTH /* threads for a job alone at its disk, the ring for others */
};

struct disk_pool;
/* NULL on no memory or no thread. RING, BOTH: where the kernel offers it. There are threads in any
 * case, for what may block long (attaching) and what the ring gives back. Called on the loop's
 * thread, or before that runs. */
struct disk_pool *disk_pool_new(uv_loop_t *loop, struct turn *turn, enum disk_engine engine);
enum disk_engine disk_pool_engine(const struct disk_pool *pool);
/* No disk may have jobs. Joins the threads; closed follows on the loop. */
void disk_pool_free(struct disk_pool *pool, void (*closed)(void *arg), void *arg);

enum disk_job_kind {
	DISK_JOB_READ, /* fills buf */
	/* op DATA: from buf + buf_off; ZERO, TRIM: reads as zeros afterwards; DISCARD: what is
	 * under the layer becomes zeros, -EOPNOTSUPP without disk_open_below() */
	DISK_JOB_WRITE,
	DISK_JOB_FLUSH,
	DISK_JOB_META_WRITE, /* page, fua */
	DISK_JOB_META_READ,  /* fills page */
	DISK_JOB_META_FLUSH,
	DISK_JOB_CALL /* call(call_arg) in the thread */
};

struct disk_job {
	struct disk_job *next, *prev; /* prev: in the ring only */
	struct disk *disk;
	u64 since; /* in the ring: loop's time, ms */
	enum disk_job_kind kind;
	u8 op; /* enum repl_op */
	bool fua;
	u64 id; /* the caller's */
	u64 off;
	u32 len;
	u32 buf_off;
	struct payload *buf; /* the caller's reference is held until done */
	u8 *page;            /* of metadata: owned copy, kept with the job */
	int (*call)(void *arg);
	void *call_arg;
	int status; /* 0 or negative errno */
};

struct disk { /* embedded in its owner */
	struct disk_pool *pool;
	/* on the loop; the job is taken back afterwards. The disk must not be released inside */
	void (*done)(struct disk_job *job, void *owner);
	void *owner;
	int data_fd, meta_fd; /* -1: not open */
	/* what the layer lies on, where content begins there, and the layer past the page cache */
	int below_fd, direct_fd;
	u64 below_off;
	u32 jobs; /* submitted and not done; loop's thread */
	struct disk_job *free;
	/* A discard of whole units of so many bytes gives space back, and what it has given back
	 * reads as zeros for good; 0: TRIM is as good as the device's or file's own zeros. Set by
	 * the owner, between jobs. */
	u32 discard_bytes;
	bool no_nowait;       /* the file system does not tell what is in the page cache */
	struct disk_job *now; /* done on the spot, told at the end of the turn */
	struct turn_item now_turn;
	struct {
		struct disk_job *head, *tail; /* wait for room */
		u32 running;
		bool queued;
		struct disk *next;
	} ring;
	/* below: the lock of the threads */
	struct disk_job *head, *tail;
	u32 running;
	bool queued;
	bool shared; /* see disk_open() */
	struct disk *next;
};

/* The rest of a turn (turn.h): waits awake, for LINGER_NS at most, for a job or two that are nearly
 * done; after waiting in vain it lets more and more turns pass. true: a job has ended. Not after
 * disk_pool_free has told that it is closed. */
bool disk_pool_linger(void *pool);

void disk_init(struct disk *d, struct disk_pool *pool,
	       void (*done)(struct disk_job *job, void *owner), void *owner);
void disk_release(struct disk *d); /* no jobs; closes the files */
/* Blocking; called from a DISK_JOB_CALL. Block devices are opened exclusively, unless d->shared
 * says that the kernel module has them for us. -E_INVALID when the data is smaller than
 * size_bytes. */
int disk_open(struct disk *d, const char *data_path, const char *meta_path, u64 size_bytes,
	      struct err *err);
/* data_path, which is open, is a layer that encrypts, over path, and its content begins at off
 * there. */
int disk_open_below(struct disk *d, const char *data_path, const char *path, u64 off,
		    struct err *err);
int disk_check_size(const struct disk *d, const char *data_path, u64 size_bytes, struct err *err);
void disk_close(struct disk *d); /* the files; no job is using them */
/* A job to be filled; with a page when meta_page. NULL on no memory */
struct disk_job *disk_job_new(struct disk *d, enum disk_job_kind kind, bool meta_page);
void disk_submit(struct disk_job *job);

#endif
