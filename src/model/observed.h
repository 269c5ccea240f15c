/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observed.h - what nodes last reported (not in Raft): lives on the leader, in
 * memory. What is not reported is unknown since a time, never the last good value.
 * A report is the JSON body of POST /v1/sds/report (made by agent/observe.c):
 * {"node":"n1","boot":123,"version":"0.1.0","applied":17,
 *  "clock_ms":wall clock of the node, "clock_ahead_ms":noted by the leader: the same less its own
 *  when it came, "certificate_ends":s since 1970,
 *  "pools":{"ssd":{"free_kib":..,"total_kib":..,"ours_kib":..,"meta_percent":..,"queues":true,
 *      "error":"",
 *      "busy":{"what":"create","volume":"","pid":..,"program":"lvcreate","since_ms":..,
 *          "waiting":3},
 *      "task":{"uuid","text":"how it goes","error":""}}},
 *  "replicas":{"<resource>":{"state":"up|creating|failed|removing","error":"","allocated_kib":..,
 *      "role":"writer|replica|client|idle",
 *      "mode":"out|learner|member|failed","no_space":true,"epoch":5,"open":true,
 *      "volumes":{"<number>":{"state":"up|creating|growing|failed","uuid","error":"","size_kib":..,
 *          "allocated_kib":..,"nbd":"/path.sock"}},
 *      "synced_regions":..,"regions":..,"sync_kib_s":.., "serving":true,
 *      "peers":{"<slot>":{"connected":true,"mode":"member|learner|lost"}} (writer only) }}}
 * "disks":[{"device":"/dev/sda","by_id","model","serial","size_bytes":..,"rotational":..,
 *      "content":"ext4","reason":"why it is not usable","wipeable":..}]
 * "plane":"kernel|user", "services":{"<name, in lower case>":{"generation":3,
 *      "state":"running|starting|stopping|stopped","holds":true,"gave_up":false,"error":""}}: those
 *      it has a part in (service.h)
 * A node of many replicas reports what has changed: "seq" counts its reports, and one with "base"
 * builds on the report of that seq and the same boot; a replica of null is gone, and "disks" is
 * there when something of it is different. Without "base" it replaces everything.
 */
#ifndef SDSD_MODEL_OBSERVED_H
#define SDSD_MODEL_OBSERVED_H

#include "base/json.h"

#define OBSERVED_STALE_MS 3000 /* no report for so long: the node is OFFLINE, its states unknown */
#define OBSERVED_FRESH_MS 5000 /* reports need a while to find a new leader */

struct observed;
struct observed *observed_new(void);
void observed_free(struct observed *o);
void observed_clear(struct observed *o); /* leadership was lost */
/* leadership began: who is not heard of yet may be about to report */
void observed_begin(struct observed *o, int64_t now_ms);
/* The node was never heard of, and it is too early to take that for absence. */
bool observed_awaited(struct observed *o, const char *node, int64_t now_ms);
/* takes a copy of the report; -E_INVALID when it has no node name; -E_CONFLICT when its base is not
 * what is here: the node has to report everything. now_ms: monotonic ms */
int observed_report(struct observed *o, json *report, int64_t now_ms, struct err *err);
/* Borrowed until the next call that changes o; NULL when never or not lately reported (stale). */
json *observed_node(struct observed *o, const char *node, int64_t now_ms);
json *observed_pool(struct observed *o, const char *node, const char *pool, int64_t now_ms);
/* The same, but owned by the caller: replicas are kept as texts. */
json *observed_replica(struct observed *o, const char *node, const char *resource, int64_t now_ms);
/* A number that changes whenever something of what is observed does, also by nothing but time (a
 * node goes off line); space and progress count, too. */
int64_t observed_version(struct observed *o, int64_t now_ms);
bool observed_online(struct observed *o, const char *node, int64_t now_ms);
/* ms since the last report; -1 never */
int64_t observed_age_ms(struct observed *o, const char *node, int64_t now_ms);
void observed_forget(struct observed *o, const char *node);

#endif
