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
#include "agent/plan.h"
#include "base/json.h"
#include "model/limits.h"
#include "model/pool.h"
#include "model/resource.h"

#define AGENT_BUCKETS 4096
#define AGENT_POOL_STEPS_MAX 32 /* storage steps of one pool handed over and not answered */
#define AGENT_CALLS_MAX 64      /* calls of the leader under way, reports not counted */
#define AGENT_BATCH 200         /* resources looked at in one turn of the loop */
#define AGENT_RETRY_MIN_MS 200
#define AGENT_RETRY_MAX_MS 10000
#define AGENT_STARVED_MS 50    /* a limit above was met: again after */
#define AGENT_REPORTED_MS 5000 /* how long the store may take to show what was reported */
#define AGENT_CALL_MS 10000
#define AGENT_REPORT_CALL_MS 1500
#define AGENT_TICK_MS 1000       /* report as a sign of life */
#define AGENT_REPORT_MAX 400     /* replicas in one report, so that a request can hold it */
#define AGENT_COALESCE_MS 20     /* changes gather so long before a report */
#define AGENT_PROBE_MS 10000     /* pools */
#define AGENT_ALLOCATED_MS 30000 /* space of one replica */
#define AGENT_ALLOCATED_BATCH 64 /* replicas measured in one tick */

/* a pool document of this node and what the last probe found */
struct agent_pool {
	struct agent_pool *next;
	struct storage_pool pool;
	bool wanted; /* the document is there */
	bool probing;
	bool due;   /* probe again as soon as the present one has ended */
	bool known; /* space is valid */
	struct storage_space space;
	char *error; /* of the last probe, or NULL */
	int n_steps; /* under way */
};

/* the plane's view of a replica, as last told */
struct agent_seen {
	bool up, open, serving;
	char role[16], mode[16];
	uint32_t epoch;
	uint64_t regions, synced_regions;
	uint32_t peers; /* mask of slots that follow */
	uint32_t connected;
	char peer_mode[PLANE_SLOTS][12];
};

enum agent_kind { AGENT_REPLICA, AGENT_LEFTOVER };

struct agent_object {
	struct agent_object *next; /* bucket */
	struct agent *agent;
	enum agent_kind kind;
	char key[NAME_MAX_LEN + 1];  /* of the resource: lower case */
	char name[NAME_MAX_LEN + 1]; /* of the resource, as written */
	char uuid[37];               /* of the replica */
	uint8_t owner[16];           /* the same */
	char pool[NAME_MAX_LEN + 1];
	uint64_t size_bytes;
	uint8_t resource_uuid[16];
	struct plan_replica replica; /* kind says which of the two is used */
	struct plan_leftover leftover;
	bool plane_disk;              /* the plane was given paths */
	enum plan_step step;          /* under way; PLAN_IDLE: none */
	struct agent_pool *step_pool; /* whose n_steps counts it */
	int tries;
	uint64_t retry_ns;           /* not before; 0: any time */
	uint64_t reported_ns;        /* reported until then */
	char *data_path, *meta_path; /* while replica.files */
	char *error;                 /* of the last failed step, or NULL */
	char *plane_error;           /* as the plane told, or NULL */
	struct agent_seen seen;
	bool report_due;       /* differs from what the leader was told */
	int64_t allocated_kib; /* -1 unknown */
	uint64_t allocated_ns; /* measure again at */
	bool measuring;
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
	struct store_watch *watch[6];
	/* resources to look at again; head..n of the array */
	struct agent_key *dirty;
	size_t dirty_head, dirty_n, dirty_cap;
	bool reload_all, reload_nodes, reload_pools, reload_leftovers;
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
	int n_calls;
	bool closing;
	int refs; /* the owner, four timers, and answers still to come */
};

void agent_get(struct agent *a);
void agent_put(struct agent *a);

/* object.c */
struct agent_object **agent_bucket(struct agent *a, const char *key);
struct agent_object *agent_object_find(struct agent *a, enum agent_kind kind, const char *key,
				       const char *uuid);
struct agent_object *agent_object_new(struct agent *a, enum agent_kind kind, const char *key,
				      const char *name, const char *uuid);
void agent_object_drop(struct agent_object *o); /* out of its bucket, freed */
void agent_each(struct agent *a, void (*each)(struct agent_object *o));
struct agent_pool *agent_pool_find(struct agent *a, const char *name);
void agent_text_set(char **text, const char *value); /* value NULL or "": none */

/* desired.c: store documents -> the wanted half of objects */
void desired_dirty(struct agent *a, const char *key);
void desired_work(struct agent *a); /* a batch; arms the work timer when there is more */
/* what the plane is to be given for o now; -ENOENT when it is not wanted (any more) */
int desired_plane(struct agent_object *o, struct plane_resource *ret, struct err *err);

/* run.c */
void run_advance(struct agent_object *o);          /* takes its next steps; o may be gone after */
void run_bucket(struct agent *a, const char *key); /* all objects of a resource */
void run_retry(struct agent *a);                   /* those whose time has come */

/* observe.c */
void observe_changed(struct agent *a);                /* report soon */
void observe_object(struct agent_object *o);          /* it is to be in the report */
void observe_gone(struct agent *a, const char *name); /* there is no replica of it any more */
void observe_status(struct agent_object *o);
void observe_tick(struct agent *a);
void observe_pool(struct agent *a, struct agent_pool *p); /* probe it soon */
void observe_report(struct agent *a);                     /* the report timer */

/* marks.c: <dir>/replicas/<uuid>: this node has made these files once. Kept apart from the pool, so
 * that a pool whose file system is not mounted is not taken for a new one. */
struct agent_mark {
	char name[64];
	struct storage_pool pool;
};
int mark_write(const char *dir, const char *uuid, const struct agent_mark *m, struct err *err);
int mark_read(const char *dir, const char *uuid, struct agent_mark *ret, struct err *err);
void mark_remove(const char *dir, const char *uuid);

#endif
