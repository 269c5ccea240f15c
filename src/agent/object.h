/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * object.h - what the files of agent/ share: the agent, its objects (replicas
 * and leftovers of this node) and its pools. Nobody outside agent/ includes this.
 * All of it lives on the main loop.
 */
#ifndef SDSD_AGENT_OBJECT_H
#define SDSD_AGENT_OBJECT_H

#include <uv.h>

#include "agent/agent.h"
#include "agent/health.h"
#include "agent/plan.h"
#include "base/json.h"
#include "base/pace.h"
#include "model/limits.h"
#include "model/pool.h"
#include "model/resource.h"
#include "model/snapshot.h"

#define AGENT_BUCKETS 4096
#define AGENT_POOL_STEPS_MAX 32 /* storage steps of one pool handed over and not answered */
#define AGENT_CALLS_MAX 64      /* calls of the leader under way, reports not counted */
#define SERVICES_JOBS_MAX 8     /* steps of services in workers at a time */
#define AGENT_BATCH 200         /* resources looked at in one turn of the loop */
#define AGENT_RETRY_MIN_MS 200
#define AGENT_RETRY_MAX_MS 10000
#define AGENT_STARVED_MS 50    /* a limit above was met: again after */
#define AGENT_REPORTED_MS 5000 /* how long the store may take to show what was reported */
#define AGENT_CALL_MS 10000
#define AGENT_REPORT_CALL_MS 1500
#define AGENT_TICK_MS 1000       /* report as a sign of life */
#define AGENT_REPORT_MAX 400     /* volumes in one report, so that a request can hold it */
#define AGENT_COALESCE_MS 20     /* changes gather so long before a report */
#define AGENT_PROBE_MS 10000     /* pools */
#define AGENT_ROOM_KIB 4096      /* more free space than at the last probe counts as more */
#define AGENT_DISKS_MS 15000     /* block devices */
#define AGENT_BUSY_MS 2000       /* what a pool is busy with for longer is told */
#define AGENT_ERROR_MAX 640      /* of a replica, in a report; longer ones are cut */
#define AGENT_PROGRAM_MAX 17     /* the kernel's name of a process */
#define AGENT_ALLOCATED_MS 30000 /* space of one volume */
#define AGENT_ALLOCATED_BATCH 64 /* volumes measured in one tick */

/* a pool document of this node and what the last probe found */
struct agent_pool {
	struct agent_pool *next;
	struct storage_pool pool;
	bool wanted; /* the document is there */
	bool probing;
	bool due;   /* probe again as soon as the present one has ended */
	bool known; /* space is valid */
	struct storage_space space;
	int data_mark, meta_mark; /* of its space (model/watermark.h), as logged last */
	char *error;              /* of the last probe, or NULL */
	int n_steps;              /* under way */
	uint8_t uuid[16];
	struct agent_task *task; /* what is to be done with its devices; NULL: nothing */
};

/* the plane's view of a replica, as last told */
struct agent_seen {
	bool up, open, serving;
	bool waits; /* not up, and nothing has failed */
	bool no_space;
	char role[16], mode[16];
	uint32_t epoch;
	uint64_t regions, synced_regions;
	struct plane_io io;
	uint32_t peers; /* mask of slots that follow */
	uint32_t connected;
	char peer_mode[PLANE_SLOTS][12];
};

enum agent_kind { AGENT_REPLICA, AGENT_LEFTOVER };

/* a volume of a replica, or the one that a leftover is of */
struct agent_volume {
	bool wanted; /* it is defined */
	int number;
	char uuid[37];
	uint8_t id[16];               /* the same */
	int minor;                    /* of its block device */
	uint64_t size_bytes;          /* as defined */
	struct volume_origin origin;  /* what it is made from; uuid "": zeros, or */
	struct volume_adopted adopts; /* what becomes its data as it is; lv "": nothing */
	uint64_t have_bytes;          /* what its files are good for, while plan.files */
	char key[VOLUME_SEALED_MAX];  /* sealed; "": it is not encrypted */
	struct volume_cache cache;    /* pool "": none */
	struct filesystem filesystem; /* that it is born with */
	bool making;                  /* that, at this moment */
	uint64_t making_ns;           /* not before */
	bool alike; /* made of no zeros, but what nobody has written is the same on all copies */
	struct plan_volume plan;
	bool plane;                  /* the plane was given it */
	char *data_path, *meta_path; /* while plan.files */
	/* while plan.files; of storage_paths */
	uint32_t discard_bytes;
	char *below_path; /* or NULL */
	uint64_t below_off;
	char *note;  /* what is to be known though it works (its read cache is missing), or NULL */
	char *error; /* of its last failed step, or NULL */
	int tries;
	uint64_t retry_ns;     /* no step of it before; 0: any time */
	uint64_t reported_ns;  /* reported until then */
	int64_t allocated_kib; /* -1 unknown */
	uint64_t allocated_ns; /* measure again at */
};

struct agent_object {
	struct agent_object *next; /* bucket */
	struct agent *agent;
	enum agent_kind kind;
	char key[NAME_MAX_LEN + 1];  /* of the resource: lower case */
	char name[NAME_MAX_LEN + 1]; /* of the resource, as written */
	char uuid[37];               /* of the replica */
	uint8_t owner[16];           /* the same */
	char pool[NAME_MAX_LEN + 1];
	char snapshot[NAME_MAX_LEN + 1]; /* the leftover is of this one, whose uuid it has; or "" */
	uint8_t resource_uuid[16];
	bool nvme; /* not replicated: plane_nvme has it */
	/* by number; several of one number while a former one is in use; a leftover has one */
	struct agent_volume **volume;
	int n_volumes;
	struct plan_replica replica; /* kind says which of the two is used */
	struct plan_leftover leftover;
	uint64_t base_stamp;              /* of what the plane is to be given, but for volumes */
	enum plan_step step;              /* under way; PLAN_IDLE: none */
	struct agent_volume *step_volume; /* that it is about, or NULL */
	struct agent_pool *step_pool;     /* whose n_steps counts it */
	int tries;            /* of steps that concern no volume, as are the next three */
	uint64_t retry_ns;    /* not before; 0: any time */
	uint64_t reported_ns; /* of a leftover */
	char *error;
	char *plane_error; /* as the plane told, or NULL */
	struct agent_seen seen;
	struct pace pace; /* of regions, while it catches up */
	struct agent_health health;
	bool maker;                     /* of its file systems: this node */
	uint32_t room;                  /* of plane_resource */
	char complaint[COMPLAINT_MAX];  /* of a quarantined one; "" */
	struct refetch refetch;         /* regions to be made unknown */
	bool report_due;                /* differs from what the leader was told */
	struct agent_volume *measuring; /* NULL: none */
};

struct agent_key {
	char text[NAME_MAX_LEN + 1];
};

struct agent {
	struct agent_config config;
	char node_key[NAME_MAX_LEN + 1];
	char nbd_dir[PATH_LEN_MAX];
	struct agent_object *bucket[AGENT_BUCKETS];
	struct agent_pool *pools;
	struct agent_service *services;
	int n_service_jobs;
	uint64_t heard_ns; /* a leader answered */
	struct store_watch *watch[9];
	/* resources to look at again; head..n of the array */
	struct agent_key *dirty;
	size_t dirty_head, dirty_n, dirty_cap;
	bool reload_all, reload_nodes, reload_pools, reload_leftovers, reload_services;
	bool told;         /* the planes, what is defined */
	uv_timer_t work;   /* 0 ms: what changed in the store */
	uv_timer_t retry;  /* at retry_ns */
	uint64_t retry_ns; /* 0: not armed */
	uv_timer_t report; /* coalesces */
	uv_timer_t tick;
	bool report_due, report_busy;
	bool report_based;      /* the leader has what was reported as report_seq */
	int64_t report_seq;     /* of the last report */
	struct agent_key *gone; /* replicas to be reported as gone, n_gone of them */
	size_t n_gone, gone_cap;
	uint64_t probe_ns; /* probe all pools at */
	json *disks;       /* as looked at last; NULL: not yet */
	bool disks_due;    /* differs from what the leader was told */
	bool disks_busy;   /* a look is under way */
	uint64_t disks_ns; /* look again at */
	int n_calls;
	int n_making;                 /* file systems */
	struct agent_taking *takings; /* snapshots.c: under way */
	bool closing;
	int refs; /* the owner, four timers, and answers still to come */
};

void agent_get(struct agent *a);
void agent_put(struct agent *a);

/* object.c */
struct agent_object **agent_bucket(struct agent *a, const char *key);
/* of leftovers the one of this volume; NULL: any */
struct agent_object *agent_object_find(struct agent *a, enum agent_kind kind, const char *key,
				       const char *uuid, const char *volume);
struct agent_object *agent_object_new(struct agent *a, enum agent_kind kind, const char *key,
				      const char *name, const char *uuid);
void agent_object_drop(struct agent_object *o); /* out of its bucket, freed */
void agent_work_soon(struct agent *a);          /* desired_work, from the loop */
void agent_each(struct agent *a, void (*each)(struct agent_object *o));
struct agent_pool *agent_pool_find(struct agent *a, const char *name);
/* which of this node's planes a resource is given to */
struct agent_plane {
	const struct plane_ops *ops;
	struct plane *plane;
};
struct agent_plane agent_plane_of(const struct agent_object *o);
void agent_text_set(char **text, const char *value); /* value NULL or "": none */

/* desired.c: store documents -> the wanted half of objects */
void desired_dirty(struct agent *a, const char *key);
void desired_work(struct agent *a);   /* a batch; arms the work timer when there is more */
void desired_retell(struct agent *a); /* the planes hear soon, once more, what is to be here */
/* what the plane is to be given for o now, for the caller to release; -ENOENT when it is not wanted
 * (any more) */
int desired_plane(struct agent_object *o, struct plane_resource *ret, struct err *err);

/* what is written into the metadata's label beside owner and volume */
void desired_label(struct agent_object *o, struct storage_volume *v);

/* volumes.c */
/* a new one, in its place */
struct agent_volume *volumes_add(struct agent_object *o, int number, const char *uuid);
/* the wanted half, of a replica; own: its document */
void volumes_want(struct agent_object *o, const struct resource *r, const struct replica *own);
/* what is not wanted any more and nobody uses goes */
void volumes_tidy(struct agent_object *o);
/* It is given to the plane without a disk: it has none, or was a client and its files are not all
 * there yet. */
bool volumes_client(const struct agent_object *o);
/* The plane is given it: all of it is there, or nothing has to be. */
bool volumes_usable(const struct agent_object *o, const struct agent_volume *v);
/* Its disk has failed. A cache of what is read may have what the disk has not, or fail itself: it
 * is opened anew (storage/read_cache.h). */
void volumes_doubt(struct agent_volume *v);
bool volumes_doubted(const struct agent_object *o); /* any of them */
/* what the plane may use of it */
uint64_t volumes_size(const struct agent_object *o, const struct agent_volume *v);
uint64_t volumes_stamp(const struct agent_object *o);
/* What storage is to know of it, with its key when that can be had: the caller wipes ret. */
void volumes_storage(const struct agent_object *o, const struct agent_volume *v,
		     struct storage_volume *ret);
/* how a snapshot of a volume is called in storage; resource: its name as it was written then */
void volumes_snapshot(const char *resource, int number, const char *snapshot, const char *uuid,
		      uint64_t size_bytes, struct storage_snapshot *ret);
/* The first error of a volume, or NULL */
const char *volumes_error(const struct agent_object *o);
/* why it goes on without its read cache; "": it does not */
void volumes_note_cache(struct agent_volume *v, const char *why);
/* The first note of a volume, or NULL */
const char *volumes_note(const struct agent_object *o);
void volumes_nbd(const struct agent_object *o, int number, char *out, size_t len);
uint64_t volumes_hash(uint64_t h, const void *data, size_t len);

/* run.c */
void run_advance(struct agent_object *o);          /* takes its next steps; o may be gone after */
void run_bucket(struct agent *a, const char *key); /* all objects of a resource */

/* snapshots.c */
/* A snapshot of that name is being taken of the copy here. key: of the resource */
bool snapshots_taking(const struct agent *a, const char *key, const char *snapshot);
void run_retry(struct agent *a); /* those whose time has come */

/* refetch.c: makes the regions of o->refetch unknown; done once, later */
typedef void (*refetch_done)(struct agent_object *o, int status, const char *why);
void refetch_prepare(struct agent_object *o, refetch_done done);

/* observe.c */
void observe_changed(struct agent *a);                /* report soon */
void observe_object(struct agent_object *o);          /* it is to be in the report */
void observe_gone(struct agent *a, const char *name); /* there is no replica of it any more */
void observe_status(struct agent_object *o);
void observe_tick(struct agent *a);
void observe_pool(struct agent *a, struct agent_pool *p); /* probe it soon */
void observe_report(struct agent *a);                     /* the report timer */

/* filesystems.c: begins to make those of o that this node is to make */
void filesystems_tick(struct agent_object *o, uint64_t now);

/* services.c: services that follow a volume */
/* reads what was begun in an earlier life */
int services_start(struct agent *a, struct err *err);
void services_reload(struct agent *a); /* documents have changed */
void services_tick(struct agent *a);   /* what its time has come for */
json *services_json(struct agent *a);  /* for the report */
void services_free(struct agent *a);

/* tasks.c: what is to be done with the devices of pools */
/* doc: the pool's */
void tasks_want(struct agent *a, struct agent_pool *p, json *doc);
/* It is not there yet, or not any more: there is nothing to probe. */
bool tasks_hide(const struct agent_pool *p);
bool tasks_busy(const struct agent_pool *p);
void tasks_run(struct agent *a); /* what its time has come for */
json *tasks_json(const struct agent_pool *p);
void tasks_drop(struct agent_pool *p);

/* disks.c */
void observe_disks(struct agent *a); /* soon; nothing while a look is under way */

/* marks.c: <dir>/replicas/<uuid>[.<number>]: this node has made these files once. Kept apart from
 * the pool, so that a pool whose file system is not mounted is not taken for a new one. */
struct agent_mark {
	char name[64];
	char volume[37]; /* its uuid; "" not told */
	struct storage_pool pool;
};
int mark_write(const char *dir, const char *uuid, int number, const struct agent_mark *m,
	       struct err *err);
int mark_read(const char *dir, const char *uuid, int number, struct agent_mark *ret,
	      struct err *err);
/* with volume 0's goes <dir>/attached/<uuid>, the plane's */
void mark_remove(const char *dir, const char *uuid, int number);

#endif
