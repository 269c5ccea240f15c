/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resource.h - what is replicated as one: its volumes, its group, and who is
 * writer and in sync.
 * "resource/<name>": {"name","uuid","group","created_ms","props":{},
 *                     "volumes":[{"number":0,"size_kib":1048576,"minor":1000,"props":{}}]}
 * "record/<name>":   {"uuid","epoch":1,"writer":-1,"in_sync":3,
 *                     "tag":{"node":0,"boot":"0","counter":0}}
 *                     (boot, 64 bit, is a decimal string). Exists from the first copy on.
 * "replica/<resource>/<node>": {"resource","node","uuid","slot":0,"diskless":false,"pool":"ssd",
 *                     "created":false,"deleting":false,"props":{}}
 *                     Replicas exist only while the resource has its volume.
 * "placed/<node>/<resource>": {"resource","node"}: one beside each replica, so that a node's
 *                     replicas are found
 * "leftover/<node>/<replica uuid>": {"node","pool","resource","uuid","deleted_ms"}: files to be
 *                     removed by the node's agent, which then deletes this document. The resource's
 *                     name is free at once.
 * "minor/<minor>":    {"resource","number"}: this minor is taken
 */
#ifndef SDSD_MODEL_RESOURCE_H
#define SDSD_MODEL_RESOURCE_H

#include "base/json.h"
#include "model/name.h"

#define WRITER_NONE (-1)

struct volume {
	int number;
	int64_t size_kib; /* multiple of 4 */
	int minor;        /* cluster-wide unique */
};

struct resource {
	char name[NAME_MAX_LEN + 1];
	char uuid[37];
	char group[NAME_MAX_LEN + 1];
	int64_t created_ms;
	int n_volumes;
	struct volume volume[VOLUMES_PER_RESOURCE_MAX];
};

/* protocol.md: the record {e, p, I, tag}. slots instead of nodes. */
struct record_tag {
	uint32_t node;
	uint64_t boot;
	uint32_t counter;
};
struct record {
	uint32_t epoch;   /* 1 at creation; the first serving epoch is 2 */
	int writer;       /* slot or WRITER_NONE */
	uint32_t in_sync; /* mask of slots, never 0 once the resource has a copy */
	struct record_tag tag;
};

struct replica {
	char resource[NAME_MAX_LEN + 1];
	char node[NAME_MAX_LEN + 1];
	char uuid[37];
	int slot; /* 0..REPLICAS_MAX-1, unique in the resource, freed with the replica */
	bool diskless;
	char pool[NAME_MAX_LEN + 1]; /* "" when diskless */
	bool created; /* its node made the files; missing ones are a failure now, never made anew */
	bool deleting; /* must leave the in-sync set first */
};

int resource_check_name(const char *name, struct err *err);
int resource_parse(json *doc, struct resource *ret, struct err *err);
int record_parse(json *doc, struct record *ret, struct err *err);
int replica_parse(json *doc, struct replica *ret, struct err *err);
json *resource_doc(const struct resource *r);
json *record_doc(const struct record *r, const char *resource_uuid);
/* sets the record's fields in a present document, whose uuid and unknown fields stay */
void record_write(json *doc, const struct record *r);
bool record_same(const struct record *a, const struct record *b); /* tag included */
json *replica_doc(const struct replica *r);
void resource_key(const char *name, char *out, size_t len);
void record_key(const char *name, char *out, size_t len);
void replica_key(const char *resource, const char *node, char *out, size_t len);
void placed_key(const char *node, const char *resource, char *out, size_t len);
void leftover_key(const char *node, const char *uuid, char *out, size_t len);
void minor_key(int minor, char *out, size_t len);
int64_t resource_size_kib(const struct resource *r);      /* of all volumes */
int volume_check_size(int64_t size_kib, struct err *err); /* range; callers round up to 4 KiB */

#endif
