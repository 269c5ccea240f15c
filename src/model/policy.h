/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.h - the properties of a resource (or its group, or the controller) that have
 * a meaning to the data plane:
 *   sds/read-policy   local (default), round-robin, least-pending, striped
 *   sds/handover      on, off (default): a second node may open it for a moment
 *   sds/copy-writes   always (default), direct, never: what the kernel plane
 *                     copies before it is written
 *   sds/luks-discards off (default), on: what an application discards on an encrypted
 *                     volume is told to what is under the layer (docs/storage.md#discards)
 *   sds/freeze-ms     100 to 10000 (default 2000): for how long a snapshot may hold
 *                     writes back at most
 *   sds/snapshot-every  off (default), or a time such as 15m, 1h, 7d: a snapshot is taken
 *                     so often
 *   sds/snapshot-keep 1 to 240 (default 10): of those so many are kept
 *   sds/scrub-every   off (default), or 1d to 366d: the copies are compared by themselves so often
 *   sds/scrub-rate    1 to 1024 (default 4): MiB/s that each node reads for that
 *   sds/rebuild-after off, or 10s to 366d (default 60m): a copy that is out of service for so
 *                     long is made anew elsewhere (upkeep.h). LINSTOR's word for it is
 *                     DrbdOptions/AutoEvictAfterTime, in minutes
 *   sds/diskful-after off (default), or 10s to 366d: a client that has the volume open for so
 *                     long becomes a copy (upkeep.h), of a replica, too. LINSTOR's word for it is
 *                     DrbdOptions/auto-diskful, in minutes; with
 *                     DrbdOptions/auto-diskful-allow-cleanup no or false there is one copy more
 *                     from then on, else another one goes for it
 *   sds/balance       off (default), on; of the controller only: copies move from full pools to
 *                     emptier ones (balance.h)
 *   sds/nvme-plaintext off (default), on: volumes may be reached by NVMe over TCP, which
 *                     nobody encrypts (docs/security.md)
 * LINSTOR's drivers ask for a handover, for a live migration, by setting
 * DrbdOptions/Net/allow-two-primaries to "yes", of the resource or of the connection
 * between two of its nodes; that counts as on.
 */
#ifndef SDSD_MODEL_POLICY_H
#define SDSD_MODEL_POLICY_H

#include "model/props.h"
#include "store/store.h"

#define POLICY_READ "sds/read-policy"
#define POLICY_HANDOVER "sds/handover"
#define POLICY_COPY "sds/copy-writes"
#define POLICY_LUKS_DISCARDS "sds/luks-discards"
#define POLICY_FREEZE "sds/freeze-ms"
#define POLICY_SNAPSHOT_EVERY "sds/snapshot-every"
#define POLICY_SNAPSHOT_KEEP "sds/snapshot-keep"
#define POLICY_SCRUB_EVERY "sds/scrub-every"
#define POLICY_SCRUB_RATE "sds/scrub-rate"
#define POLICY_REBUILD "sds/rebuild-after"
#define POLICY_AUTO_EVICT "DrbdOptions/AutoEvictAfterTime"
#define POLICY_NVME "sds/nvme-plaintext"
#define POLICY_BALANCE "sds/balance"
#define POLICY_DISKFUL "sds/diskful-after"
#define POLICY_AUTO_DISKFUL "DrbdOptions/auto-diskful"
#define POLICY_DISKFUL_CLEANUP "DrbdOptions/auto-diskful-allow-cleanup"
#define POLICY_TWO_PRIMARIES "DrbdOptions/Net/allow-two-primaries"

#define FREEZE_MS_MIN 100
#define FREEZE_MS_MAX 10000 /* as the planes have it */
#define FREEZE_MS_DEFAULT 2000

enum read_policy { READ_LOCAL, READ_ROUND_ROBIN, READ_LEAST_PENDING, READ_STRIPED, READ_POLICIES };

enum copy_writes {
	COPY_ALWAYS,
	COPY_DIRECT, /* not what is in the page cache */
	COPY_NEVER,
	COPY_WAYS
};

struct policy {
	enum read_policy read;
	bool handover;
	enum copy_writes copy_writes;
	bool luks_discards; /* what it is told to discard, if it is encrypted, gives space back */
	int freeze_ms;
	int64_t snapshot_every_s; /* 0: never */
	int snapshot_keep;
	int64_t scrub_every_s;    /* 0: never */
	int scrub_rate;           /* MiB/s */
	int64_t rebuild_after_ms; /* -1: never */
	int64_t diskful_after_ms; /* -1: never */
	bool diskful_stays;       /* the copies that are there stay, too */
	bool nvme_plaintext;
};

/* the cluster's own properties, which all objects inherit: {"props":{}} */
#define CONTROLLER_KEY "controller/self"

/* -E_BAD_PROP, with what is possible, when a property has another value; what: "resource db" */
int policy_check(const char *what, json *props, struct err *err);
/* What the properties of a resource and of all it inherits from say. connections: of the resource
 * (connection.h), may be NULL. A value that policy_check refuses counts as not set. */
struct policy policy_of(const struct props_chain *c, json *connections);
/* of a resource's document, with what the store says of its group and the controller */
struct policy policy_load(struct store *store, json *resource);
/* the same, of one of its replicas: its own properties count first */
struct policy policy_load_replica(struct store *store, json *resource, json *replica);

#endif
