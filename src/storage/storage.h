/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage.h - backends behind one table, and the checked front door to them.
 * A backing is the pair of devices of one replica: data (content from offset 0)
 * and metadata (docs/ondisk.md). To add a backend: one file with one ops table,
 * one line in storage_backends[], one row in the test matrix.
 * Calls are asynchronous: files and tools are handled off the loop.
 */
#ifndef SDSD_STORAGE_STORAGE_H
#define SDSD_STORAGE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"

#define STORAGE_PATH_MAX 1200

struct storage_pool {  /* copied by calls */
	char kind[16]; /* "FILE", "FILE_THIN" */
	char name[64];
	char dir[1024];
};
struct storage_volume {
	char name[64];     /* "<resource>_00000"; metadata: name + ".meta" */
	uint8_t owner[16]; /* replica uuid, in the metadata superblock, against foreign files */
	uint64_t size_bytes;
	uint64_t meta_bytes; /* filled by the front door from storage_meta_ops.bytes */
};
struct storage_paths {
	char data[STORAGE_PATH_MAX], meta[STORAGE_PATH_MAX];
};
struct storage_space {
	int64_t total_kib, free_kib; /* storage_probe */
	int64_t allocated_kib;       /* storage_allocated: what the pair takes on the disk */
};

#define STORAGE_QUEUE_MAX 1024 /* calls waiting for one pool directory; more get -EBUSY */
#define STORAGE_BLOCK 4096     /* sizes are multiples of it */

/* err is borrowed during the call; paths/space are set on status 0 */
typedef void (*storage_cb)(int status, const struct err *err, const struct storage_paths *paths,
			   const struct storage_space *space, void *arg);

struct storage_ops {
	const char *kind;
	/* All run in a worker thread; blocking is fine. Idempotent: made again after a crash they
	 * finish the job. create calls storage_meta_ops()->format for a new volume. */
	int (*probe)(const struct storage_pool *p, struct storage_space *ret, struct err *err);
	int (*create)(const struct storage_pool *p, const struct storage_volume *v,
		      struct storage_paths *ret, struct err *err);
	int (*locate)(const struct storage_pool *p, const struct storage_volume *v,
		      struct storage_paths *ret, struct err *err); /* -ENOENT */
	int (*remove)(
		const struct storage_pool *p, const struct storage_volume *v,
		struct err *
			err); /* missing is fine; another owner's: -E_EXISTS; damaged: -E_CORRUPT */
	int (*allocated)(const struct storage_pool *p, const struct storage_volume *v,
			 int64_t *ret_kib, struct err *err);
};

/* Formats and identifies metadata; registered once by daemon.c, so that storage/ does not know the
 * replication. All run in worker threads. */
struct storage_meta_ops {
	uint64_t (*bytes)(uint64_t size_bytes); /* size of the metadata device for a data size */
	int (*format)(int fd, const struct storage_volume *v,
		      struct err *err); /* writes and syncs fresh metadata */
	int (*owner)(int fd, uint8_t ret_owner[16],
		     struct err *err); /* -E_CORRUPT when it is none of ours */
};
void storage_set_meta_ops(const struct storage_meta_ops *ops);

/* The front door: checks the contract (names, sizes, kind known), runs the op in a worker, logs and
 * traces; one at a time per pool directory. cb exactly once, later, on the loop. */
void storage_probe(uv_loop_t *loop, const struct storage_pool *p, storage_cb cb, void *arg);
/* -E_EXISTS when files of another owner are there; -ENOSPC, -EROFS, -ENOENT (directory missing)
 * with a sentence */
void storage_create(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg);
void storage_locate(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg);
void storage_remove(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg);
/* space->allocated_kib */
void storage_allocated(uv_loop_t *loop, const struct storage_pool *p,
		       const struct storage_volume *v, storage_cb cb, void *arg);

/* for backends */
const struct storage_meta_ops *storage_meta_ops(void);

#endif
