/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view.h - documents and observed state put together, and the LINSTOR shapes of
 * them. What the clients crash without is always there (empty lists and maps
 * included); what is not known is left out or called unknown, never guessed.
 */
#ifndef SDSD_API_VIEW_H
#define SDSD_API_VIEW_H

#include "api/state.h"
#include "api/verdict.h"
#include "model/scrub.h"

#define VIEW_UNLIMITED_KIB INT64_MAX /* capacity of a diskless pool */

struct view_replica {
	struct replica r;
	json *doc;   /* owned */
	json *seen;  /* what its node reported, owned; NULL: unknown */
	bool online; /* its node reports */
};

/* one resource with all that belongs to it */
struct view {
	json *doc; /* owned */
	struct resource res;
	struct record rec;
	bool has_record;
	struct scrub scrub; /* the last comparison of its copies */
	int n;
	struct view_replica rep[REPLICAS_MAX];
};

/* -E_NOT_FOUND, -E_CORRUPT; *ret is released by view_release */
int view_load(struct api *a, const char *resource, struct view *ret);
void view_release(struct view *v);
/* the last comparison of the copies of that very resource */
struct scrub view_scrub(struct api *a, const char *resource, const char *uuid);
/* one snapshot, taken or not. -E_NOT_FOUND, -E_INVALID; ret_doc: the caller's, may be NULL */
int view_snapshot(struct api *a, const char *resource, const char *name, struct snapshot *ret,
		  json **ret_doc);
/* Every resource in order of name that want (NULL: all) says yes to, asked with the name in lower
 * case; each may keep nothing. */
typedef bool (*view_want)(const char *name, void *arg);
typedef void (*view_each_cb)(struct view *v, void *arg);
void view_each(struct api *a, view_want want, view_each_cb each, void *arg);
/* The same with pauses when there are many: for answers that show each of them. The resources are
 * those that there are now, each as it is when its turn comes. done is called once, now or later;
 * in_time false: it took too long, leadership came or went, or the api ends. */
void view_walk(struct api *a, view_want want, view_each_cb each, wait_finish done, void *arg);
/* The same, of which only the names are read: in lower case. */
typedef void (*view_name_cb)(const char *name, void *arg);
void view_walk_names(struct api *a, view_want want, view_name_cb each, wait_finish done, void *arg);
int view_find(const struct view *v, const char *node); /* index or -1 */
int view_slot(const struct view *v, int slot);         /* index or -1 */
const char *view_settler(const struct view *v); /* node of record_settler, borrowed; "" none */
bool view_in_sync(const struct view *v, int i); /* in the record's set */
/* "up", "creating", ...; "unknown" when its node does not report */
const char *view_state(const struct view *v, int i);
bool view_open(const struct view *v, int i);
/* what its node reported of volume k, borrowed; NULL: nothing */
json *view_volume_seen(const struct view *v, int i, int k);
/* It is up with all its volumes, in their present size. */
bool view_ready(const struct view *v, int i);

struct view_summary { /* a resource in a few numbers */
	enum verdict verdict;
	int copies, in_sync, quarantined; /* in_sync: on nodes that answer */
	bool open;                        /* somewhere */
	bool compared;
	int64_t compared_ms, differing; /* when, wall clock; regions that differed then */
	int64_t size_kib;               /* of all volumes */
};
/* status.c: as GET /v1/sds/status shows it on the leader, but for what upkeep waits for; the
 * caller's. */
json *status_resource(struct api *a, const struct view *v, struct view_summary *ret);

/* Could it be opened there now, and does nobody have it open? Who listens takes a place where it
 * could for the sign that its user is lost. false: its node does not report: nobody knows */
bool view_may_promote(const struct view *v, int i, bool *ret);
/* per cent of the regions that a learner has; -1 when it is not catching up */
double view_progress(const struct view *v, int i);

struct view_left {         /* of one learner, or of several together */
	double progress;   /* per cent; negative: of several */
	int64_t kib;       /* to be compared or fetched */
	int64_t kib_per_s; /* -1 not known yet */
	int64_t s;         /* at that pace; -1 not known, or standing still */
};
/* false: it is not catching up */
bool view_left(const struct view *v, int i, struct view_left *ret);
/* "progress","left_kib","sync_kib_s","left_s", as far as they are known */
void view_put_left(json *o, const struct view_left *l);

/* New objects, owned by the caller */
/* "ONLINE", "OFFLINE"; "UNKNOWN": this leader is too young to have heard of it */
const char *view_connection(struct api *a, const char *node);
json *view_node(struct api *a, json *doc);
json *view_netifs(const struct node *n, json *doc); /* all of a node, its own address first */
json *view_pool(struct api *a, const struct pool *p, json *doc);
/* view_space.c: warnings about its space; seen: what its node reported of it, or NULL */
void view_space_reports(const struct pool *p, json *seen, json *reports);
/* view_space.c: [{"node","name","used_percent","meta_percent","text"}], from WATERMARK_HIGH on */
json *view_full_pools(struct api *a);
json *view_pool_diskless(struct api *a, const char *node);
json *view_group(json *doc);
json *view_definition(const struct view *v, bool with_volumes);
json *view_volume_definition(const struct view *v, int k);
json *view_resource(struct api *a, const struct view *v, int i, bool with_volumes);
json *view_volume(struct api *a, const struct view *v, int i, int k);

/* small builders */
json *view_object(void);
json *view_list(void);
json *view_strings(const char *const *texts, int n);
void view_push(json *list, json *value); /* takes value */
/* a copy of doc's props, {} when there are none */
json *view_props(json *doc);

/* Calls for every document below prefix; the store may be read inside. doc borrowed. */
void view_docs(struct api *a, const char *prefix, void (*each)(json *doc, void *arg), void *arg);

#endif
