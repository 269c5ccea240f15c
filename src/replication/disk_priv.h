/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_priv.h - what the files of the disk pool share: disk.c (the loop's side), disk_threads.c and
 * disk_ring.c (two ways to get a job done), disk_io.c (a job by blocking calls). */
#ifndef SDSD_REPLICATION_DISK_PRIV_H
#define SDSD_REPLICATION_DISK_PRIV_H

#include "replication/disk.h"

#define LINGER_NS 50000u      /* some times what a short write and the switch to its thread take */
#define LINGER_JOBS_MAX 2u    /* with more of them the loop has something to do */
#define LINGER_MISSED_MAX 10u /* slow disks: one lingering in 1023 chances */

struct disk_threads {
	uv_async_t wake;       /* something is in done */
	u32 missed;            /* lingerings in a row that no job ended in */
	u32 skipped;           /* chances to linger let pass since the last one */
	u32 jobs;              /* handed to threads and not finished */
	struct turn_item call; /* a thread, for what this turn has handed over */
	uv_mutex_t lock;
	uv_cond_t work;
	uv_thread_t thread[DISK_THREADS_MAX];
	/* below: lock */
	u32 threads;
	u32 idle;  /* threads that wait and were not told yet */
	u32 wakes; /* threads told and not awake yet */
	u32 fresh; /* threads made that have not looked for a job yet */
	struct disk *head, *tail;
	struct disk_job *done_head, *done_tail;
	bool lingering; /* the loop looks at done without being woken */
	bool stopping;
};

struct disk_ring;

struct disk_pool {
	uv_loop_t *loop;
	struct turn *turn; /* borrowed */
	struct disk_threads threads;
	struct disk_ring *ring; /* NULL: this kernel has none, or threads were asked for */
	bool both;              /* DISK_ENGINE_BOTH */
	bool linger;            /* there is a CPU for the threads besides the loop's */
	u32 handles;            /* not closed yet */
	void (*closed)(void *arg);
	void *closed_arg;
};

/* disk.c */
void disk_finish(struct disk_job *job); /* tells the owner; the loop's thread */
void disk_handle_closed(struct disk_pool *pool);

/* disk_io.c */
int disk_perform(const struct disk_job *job); /* blocks; 0 or negative errno */
bool disk_unsupported(int code); /* this errno says: not on this device or file system */
/* The range reads as zeros afterwards, and of it give_back() was asked for the whole units of
 * `unit` bytes; whether it has done anything is looked at. */
int disk_trim(int fd, u64 off, u32 len, u32 unit, int (*give_back)(int fd, u64 off, u64 len));
/* That is how this disk does op. */
static inline bool disk_trims(const struct disk *d, u8 op)
{
	return op == REPL_OP_TRIM && d->discard_bytes;
}
/* It takes some calls, one after the other. */
static inline bool disk_in_steps(const struct disk *d, u8 op)
{
	return op == REPL_OP_DISCARD || disk_trims(d, op);
}

/* disk_threads.c */
int disk_threads_start(struct disk_pool *pool);
void disk_threads_submit(struct disk_job *job);
void disk_threads_end(struct disk_pool *pool); /* disk_handle_closed follows once */
void disk_threads_release(struct disk_pool *pool);

/* disk_ring.c */
/* NULL: this kernel has none that serves, with the reason in words */
struct disk_ring *disk_ring_start(struct disk_pool *pool, const char **ret_why);
/* false: it is one for the threads */
bool disk_ring_submit(struct disk_ring *r, struct disk_job *job);
void disk_ring_end(struct disk_ring *r); /* disk_handle_closed follows twice */
void disk_ring_release(struct disk_ring *r);
/* What becomes of a job whose operation has ended with res. true: *ret_status is its end; false:
 * the threads shall do it (again, from its beginning). */
bool disk_ring_outcome(const struct disk_job *job, int res, int *ret_status);

#endif
