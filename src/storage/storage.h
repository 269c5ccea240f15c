/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage.h - backends behind one table, and the checked front door to them.
 * A backing is the pair of devices of one volume of a replica: data (content from
 * offset 0) and metadata (docs/ondisk.md). To add a backend: one file with one ops table,
 * one line in storage_backends[], one row in the test matrix (docs/storage.md).
 * Calls are asynchronous: files and tools are handled in threads, one at a time for what
 * cannot be used by two at once, so that what hangs holds up nothing but its own pool.
 */
#ifndef SDSD_STORAGE_STORAGE_H
#define SDSD_STORAGE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/proc.h"

#define STORAGE_PATH_MAX 1200
#define STORAGE_SLOTS 16 /* of a resource */
#define STORAGE_KEY_BYTES 96

struct storage_pool {  /* copied by calls */
	char kind[16]; /* "FILE", "FILE_THIN", "LVM", "LVM_THIN", "ZFS", "ZFS_THIN" */
	char name[64];
	/* what it is made of: a directory, a volume group, "<group>/<thin pool>",
	 * a zpool or a file system of one */
	char source[1024];
	struct proc_watch *watch; /* of the tool that runs; the front door's, NULL elsewhere */
};
struct storage_volume {
	char name[64];      /* "<resource>_00000"; metadata: name + ".meta" */
	uint8_t owner[16];  /* replica uuid, in the metadata's label, against foreign files */
	uint8_t volume[16]; /* uuid of the volume: another one had this number before */
	/* To backends: of the data device, header included. To everybody else: of the content. */
	uint64_t size_bytes;
	uint64_t header_bytes; /* filled by the front door: of a LUKS header, 0: none */
	uint64_t meta_bytes;   /* filled by the front door from storage_meta_ops.bytes */
	/* It begins with a snapshot's content, and its metadata says so of all regions
	 * (docs/protocol.md#born-from-a-snapshot). */
	bool born;
	/* For the label only, so that a cluster can be told from its disks. Zeros and "" when the
	 * files are only to be found or removed. */
	uint8_t cluster[16], resource[16];
	int number, slot;
	char node[64];
	char copy[STORAGE_SLOTS][64]; /* nodes of the other copies, by slot; "": none */
	/* LUKS2 is between the backend's data device and the content (docs/storage.md). */
	bool encrypted;
	bool has_key;                   /* else only what is open already can be used */
	uint8_t key[STORAGE_KEY_BYTES]; /* of the volume, on all copies; printed nowhere */
	bool label_stays;               /* the front door's: only the devices grow for now */
	/* A cache is over the backend's data device, and under LUKS (docs/storage.md): the pool of
	 * this node that keeps it, an LVM one. Not said for a removal. */
	struct storage_cache {
		char pool[64];    /* "": there is none */
		char source[128]; /* a volume group */
		uint64_t bytes;
		bool reads; /* dm-cache, of what is read; else dm-writecache */
	} cache;
	/* The front door's: this range of the data device was made zero since the backend asked for
	 * it. Equal: none. */
	uint64_t zeroed_from, zeroed_to;
};
/* The data of a volume as it was at one moment, in the pool of that volume. */
struct storage_snapshot {
	char volume[64];     /* of which: storage_volume.name at that time */
	char name[128];      /* of its device: "<volume>_<snapshot>" */
	uint8_t uuid[16];    /* against foreign ones of the same name */
	uint64_t size_bytes; /* of the volume then */
};
/* What a pool is to be made of. Idempotent: a task that was cut is done again and finishes. */
#define STORAGE_DEVICES_MAX 32
#define STORAGE_DEVICE_MAX 256
enum storage_task_kind {
	STORAGE_MAKE,    /* the source, of these devices */
	STORAGE_EXTEND,  /* by these */
	STORAGE_REPLACE, /* old by the only one; -EINPROGRESS with a sentence: ask again later */
	STORAGE_DESTROY, /* nothing of the source is left; its devices are empty */
};
struct storage_task {
	enum storage_task_kind kind;
	uint8_t pool[16]; /* its uuid: what is made bears it */
	char device[STORAGE_DEVICES_MAX][STORAGE_DEVICE_MAX];
	int n;
	char old[STORAGE_DEVICE_MAX];
	bool wipe;  /* what is on the devices may be erased; never what is in use */
	bool stuck; /* it is in progress and does not seem to go on, or nobody knows */
};
/* A volume that is not of sdsd, in the place of a pool. */
struct storage_foreign {
	char name[STORAGE_DEVICE_MAX]; /* as the pool knows it: of the logical volume */
	uint64_t size_bytes;
};
struct storage_paths {
	char data[STORAGE_PATH_MAX], meta[STORAGE_PATH_MAX];
	uint64_t size_bytes; /* what the pair is good for: at least that long is the data */
	/* A discard of the data gives back whole units of so many bytes, which read as zeros from
	 * then on, for good; what it does not give back is as it was. 0: nothing is known of
	 * discards. When it is encrypted: of below. */
	uint32_t discard_bytes;
	/* Of an encrypted one: the device under the layer that data is, and where the content of
	 * data begins there. "": it is not encrypted. */
	char below[STORAGE_PATH_MAX];
	uint64_t below_off;
	/* Why it goes on without its read cache. "": it has what it is to have. */
	char no_cache[ERR_TEXT_MAX];
	/* From backends to the front door: this range of data is to be made zero, then the call is
	 * to be made again, with v->zeroed_*. Equal: none, it is finished. */
	uint64_t zero_from, zero_to;
};
/* what metadata says of itself */
struct storage_label {
	uint8_t owner[16];
	uint8_t volume[16];  /* zeros: it does not tell (an older format, volume 0 only) */
	uint64_t size_bytes; /* of the volume; 0: it does not tell */
};
struct storage_space {
	int64_t total_kib, free_kib; /* storage_probe */
	int64_t allocated_kib;       /* storage_allocated: what the pair takes on the disk */
	int meta_percent; /* storage_probe: used of a thin pool's own metadata; -1: it has none */
	bool queues;      /* storage_probe: when it is full, writes wait (60 s) before they fail */
};
/* What a pool is busy with, for people who wonder why nothing goes on. */
struct storage_activity {
	const char *what;                /* "create", "snapshot"; NULL: nothing */
	char volume[64];                 /* "" when it is about the pool */
	int pid;                         /* of the tool that runs, 0: none */
	uint64_t since_ns, pid_since_ns; /* clock_boot_ns */
	int waiting;                     /* calls behind it */
};

#define STORAGE_QUEUE_MAX 1024 /* calls waiting for one pool; more get -EBUSY */
#define STORAGE_BLOCK 4096     /* sizes are multiples of it */

/* err is borrowed during the call; paths/space are set on status 0 */
typedef void (*storage_cb)(int status, const struct err *err, const struct storage_paths *paths,
			   const struct storage_space *space, void *arg);

struct storage_ops {
	const char *kind;
	/* Is the pool's source the name of something this backend could have? Pure. */
	int (*check)(const struct storage_pool *p, struct err *err);
	/* What cannot be used by two calls at once: calls with the same kind of lock and the same
	 * text of it run one after the other. NULL: the source. */
	void (*lock)(const struct storage_pool *p, char *out, size_t len);
	/* All others run in a worker thread; blocking is fine. Idempotent: made again after a crash
	 * they finish the job. create calls storage_meta_ops()->format for a new volume. */
	int (*probe)(const struct storage_pool *p, struct storage_space *ret, struct err *err);
	int (*create)(const struct storage_pool *p, const struct storage_volume *v,
		      struct storage_paths *ret, struct err *err);
	int (*locate)(const struct storage_pool *p, const struct storage_volume *v,
		      struct storage_paths *ret, struct err *err); /* -ENOENT */
	/* Data and metadata device of a pair that may be in use become large enough for
	 * v->size_bytes; the new space reads as zeros. Larger already is fine. -ENOSPC before
	 * anything is changed. Calls storage_meta_ops()->grow when data is large enough. */
	int (*grow)(const struct storage_pool *p, const struct storage_volume *v,
		    struct storage_paths *ret, struct err *err);
	int (*remove)(
		const struct storage_pool *p, const struct storage_volume *v,
		struct err *
			err); /* missing is fine; another owner's: -E_EXISTS; damaged: -E_CORRUPT */
	int (*allocated)(const struct storage_pool *p, const struct storage_volume *v,
			 int64_t *ret_kib, struct err *err);
	/* The next three are NULL where the pool cannot.
	 * The data device of v, which may be in use, as it is now. There already: fine, when it is
	 * this snapshot's; -E_EXISTS when it is something else. */
	int (*snapshot)(const struct storage_pool *p, const struct storage_volume *v,
			const struct storage_snapshot *s, struct err *err);
	/* create, with the content of the snapshot; v may be larger: zeros behind it. -ENOENT: the
	 * snapshot is not there. */
	int (*restore)(const struct storage_pool *p, const struct storage_volume *v,
		       const struct storage_snapshot *s, struct storage_paths *ret,
		       struct err *err);
	/* missing is fine; another's of the same name: -E_EXISTS */
	int (*snapshot_remove)(const struct storage_pool *p, const struct storage_snapshot *s,
			       struct err *err);
	/* The next two are NULL where a pool has nothing to adopt. Is device, as a person calls it,
	 * a volume of somebody else's that may be taken? -ENOENT: it is not in this pool */
	int (*adoptable)(const struct storage_pool *p, const char *device,
			 struct storage_foreign *ret, struct err *err);
	/* create, of that volume as it is: its content is not written, and whatever is cut, it is
	 * there with its name or as the data device of v. v->born; v may be larger: zeros behind
	 * it. */
	int (*adopt)(const struct storage_pool *p, const struct storage_volume *v,
		     const struct storage_foreign *from, struct storage_paths *ret,
		     struct err *err);
	/* NULL where none of these asks for it. paths: what the call has answered. It takes long
	 * and runs beside the other calls of the lock, only one of its kind at a time. */
	int (*zero)(const struct storage_pool *p, const struct storage_paths *paths,
		    struct err *err);
	/* NULL where a pool is not made of devices. All devices are judged before the first is
	 * touched. */
	int (*task)(const struct storage_pool *p, const struct storage_task *t, struct err *err);
};

/* Formats and identifies metadata; registered once by daemon.c, so that storage/ does not know the
 * replication. All run in worker threads. */
struct storage_meta_ops {
	uint64_t (*bytes)(uint64_t size_bytes); /* size of the metadata device for a data size */
	int (*format)(int fd, const struct storage_volume *v,
		      struct err *err); /* writes and syncs fresh metadata */
	/* -E_CORRUPT when it is none of ours */
	int (*label)(int fd, struct storage_label *ret, struct err *err);
	/* Metadata for v->size_bytes of a volume that may be in use; the device is large enough.
	 * Synced on return, idempotent. NULL: nothing but the device grows. */
	int (*grow)(int fd, const struct storage_volume *v, struct err *err);
};
void storage_set_meta_ops(const struct storage_meta_ops *ops);

/* 0, or -E_INVALID: there is no such kind, or the source cannot be one of that kind */
int storage_check_pool(const struct storage_pool *p, struct err *err);
bool storage_can_snapshot(const char *kind);
bool storage_can_adopt(const char *kind);
/* what the pool is busy with; on the loop's thread */
void storage_activity(uv_loop_t *loop, const struct storage_pool *p, struct storage_activity *ret);

/* The front door: checks the contract (names, sizes, kind known), runs the op in a worker, logs and
 * traces; one at a time for each lock. cb exactly once, later, on the loop. */
void storage_probe(uv_loop_t *loop, const struct storage_pool *p, storage_cb cb, void *arg);
/* -E_EXISTS when files of another owner are there; -ENOSPC, -EROFS, -ENOENT (directory missing)
 * with a sentence */
void storage_create(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg);
/* v->size_bytes counts where the label tells no size; paths->size_bytes: as the label says.
 * -E_LOCKED: encrypted, and the key is not known */
void storage_locate(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg);
/* paths->size_bytes is at least v's then */
void storage_grow(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		  storage_cb cb, void *arg);
void storage_remove(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg);
/* space->allocated_kib */
void storage_allocated(uv_loop_t *loop, const struct storage_pool *p,
		       const struct storage_volume *v, storage_cb cb, void *arg);

/* -EOPNOTSUPP, with a sentence, where the pool's kind cannot */
void storage_snapshot(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		      const struct storage_snapshot *s, storage_cb cb, void *arg);
void storage_restore(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		     const struct storage_snapshot *s, storage_cb cb, void *arg);
void storage_snapshot_remove(uv_loop_t *loop, const struct storage_pool *p,
			     const struct storage_snapshot *s, storage_cb cb, void *arg);

/* paths->data: its name in the pool (struct storage_foreign), and its size. -ENOENT: not in this
 * pool; -EOPNOTSUPP: this pool adopts nothing; else why it cannot be taken */
void storage_adoptable(uv_loop_t *loop, const struct storage_pool *p, const char *device,
		       storage_cb cb, void *arg);
void storage_adopt(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		   const struct storage_foreign *from, storage_cb cb, void *arg);

/* -EOPNOTSUPP where a pool is not made of devices */
void storage_task(uv_loop_t *loop, const struct storage_pool *p, const struct storage_task *t,
		  storage_cb cb, void *arg);

/* for backends */
const struct storage_meta_ops *storage_meta_ops(void);
/* Does metadata of ours begin here? false also when nobody could tell. */
bool storage_is_meta(int fd);
/* Metadata with this label is that of v. */
bool storage_label_is(const struct storage_label *l, const struct storage_volume *v);

#endif
