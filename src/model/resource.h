/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resource.h - what is replicated as one: its volumes, its group, and who is
 * writer and in sync.
 * "resource/<name>": {"name","uuid","group","created_ms","props":{},"external_name",
 *                     "layers":["DRBD","LUKS","STORAGE"],"copies":2,
 *                     "connections":[connection.h],
 *                     "volumes":[{"number":0,"uuid","size_kib":1048576,"minor":1000,"props":{},
 *                     "origin":{"resource","snapshot","uuid","size_kib"},
 *                     "adopts":{"lv","size_kib"},"key":"<hex>","filesystem":{},
 *                     "cache":{volume_cache.h}}]}
 *                     by number; when there is any, there is number 0. A volume 0 that an older
 *                     version made has no uuid: the resource's stands for it. origin: it began
 *                     with the content of a snapshot (docs/protocol.md#born-from-a-snapshot).
 *                     adopts: it began as this logical volume of somebody else's, with its
 *                     content, on the node of its first copy. filesystem: it is born with
 *                     (filesystem.h). external_name: what its user calls
 *                     it, where that is no name of a resource; for the API only. No layers: DRBD
 *                     and STORAGE; NVME may stand in the place of DRBD. key: of an encrypted
 *                     volume, sealed by the master key (cluster/vault.h). copies: it is to have
 *                     so many; unsaid: as many as it has.
 * "record/<name>":   {"uuid","epoch":1,"writer":-1,"in_sync":3,
 *                     "tag":{"node":0,"boot":"0","counter":0}}
 *                     (boot, 64 bit, is a decimal string). Exists from the first copy on.
 * "replica/<resource>/<node>": {"resource","node","uuid","slot":0,"diskless":false,"pool":"ssd",
 *                     "created":false,"made":[1],"born":false,"deleting":false,
 *                     "quarantined":true,"quarantined_ms","complaint","props":{},
 *                     "becomes_client":true,"migrates":"<node>","inactive":true,
 *                     "open_ms","drawn_ms",
 *                     "refetch":{refetch.h},
 *                     "volumes":{"0":{"props":{}}}}
 *                     created: the files of volume 0 were made; made: those of further volumes;
 *                     born: volumes with an origin are made from it, one that adopts is that
 *                     logical volume; never of zeros.
 *                     quarantined: not attached by its node, since its disk failed time
 *                     and again, as complaint says. becomes_client: with deleting: what goes is
 *                     the disk only. migrates: once it is in sync the copy on that node goes.
 *                     inactive: not served on its node, whatever it has there is kept.
 *                     refetch: with inactive: until its node has made these regions unknown.
 *                     open_ms: a client that is to get a disk after a while (policy.h) is open
 *                     since then. drawn_ms: it got it then, and another copy may go for it.
 *                     Replicas exist only while the resource has a volume.
 * "placed/<node>/<resource>": {"resource","node"}: one beside each replica, so that a node's
 *                     replicas are found
 * "leftover/<node>/<id>": {"node","pool","resource","uuid","number":0,"volume","deleted_ms"}: files
 *                     of one volume of a replica (uuid), to be removed by the node's agent, which
 *                     then deletes this document. The resource's name and the volume's number are
 *                     free at once. id: leftover_id; volume: the volume's uuid. No number: 0.
 * "minor/<minor>":    {"resource","number"}: this minor is taken
 */
#ifndef SDSD_MODEL_RESOURCE_H
#define SDSD_MODEL_RESOURCE_H

#include "base/json.h"
#include "model/filesystem.h"
#include "model/layers.h"
#include "model/name.h"
#include "model/refetch.h"
#include "model/volume_cache.h"

#define WRITER_NONE (-1)
#define EPOCH_LAST (UINT32_MAX - 1) /* the number behind it is REPL_STAMP_BORN */
#define LEFTOVER_ID_MAX 80
#define REPLICA_VOLUMES "volumes" /* what is said of a volume at this replica only, by number */
#define ADOPTED_NAME_MAX 127
#define COMPLAINT_MAX 160     /* with the end */
#define VOLUME_SEALED_MAX 257 /* of a volume's sealed key, with the end */

struct volume_origin {
	char resource[NAME_MAX_LEN + 1];
	char snapshot[NAME_MAX_LEN + 1];
	char uuid[37];    /* of the snapshot; "": it has no origin */
	int64_t size_kib; /* of the snapshot */
};

struct volume_adopted {
	char lv[ADOPTED_NAME_MAX + 1]; /* its name in the pool; "": nothing was adopted */
	int64_t size_kib;
};

struct volume {
	int number;
	char uuid[37];    /* so that a number used again is not taken for the former volume */
	int64_t size_kib; /* multiple of 4; only grows */
	int minor;        /* cluster-wide unique */
	char key[VOLUME_SEALED_MAX]; /* sealed; "": it is not encrypted */
	struct volume_origin origin;
	struct volume_adopted adopts; /* or this, never both */
	struct filesystem filesystem; /* type FILESYSTEM_NONE: it is born without one */
	struct volume_cache cache;    /* of each copy; pool "": none */
};

struct resource {
	char name[NAME_MAX_LEN + 1];
	char uuid[37];
	char group[NAME_MAX_LEN + 1];
	int64_t created_ms;
	bool encrypted; /* a LUKS layer under each of its copies */
	bool nvme;      /* not replicated: clients reach its only copy by NVMe over TCP */
	bool cached;    /* a cache under each of its copies, below LUKS */
	bool reads;     /* of what is read (volume_cache.h), where it has one */
	int copies;     /* it is to have; 0: unsaid */
	int n_volumes;
	struct volume volume[VOLUMES_PER_RESOURCE_MAX];
};

/* protocol.md: the record {e, p, I, tag}. slots instead of nodes. */
struct record_tag {
	uint32_t node; /* 0: of no writer */
	uint64_t boot;
	uint32_t counter; /* of no writer: 1 nobody has written, 0 the writer was taken out */
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
	/* mask of volume numbers whose files its node made; missing ones are a failure now, never
	 * made anew */
	uint32_t made;
	bool born;                       /* made from what the volumes have begun with */
	bool deleting;                   /* must leave the in-sync set first */
	bool becomes_client;             /* and stays, without its disk */
	bool inactive;                   /* not given to its node's plane */
	struct refetch refetch;          /* for this reason, until it is prepared */
	char migrates[NAME_MAX_LEN + 1]; /* the node whose copy it is to replace; "" */
	int64_t open_ms, drawn_ms;       /* wall clock; 0: not so */
	bool quarantined;
	int64_t quarantined_ms;        /* wall clock, since when; 0: not known */
	char complaint[COMPLAINT_MAX]; /* why, as its node has put it; "" */
};

int resource_check_name(const char *name, struct err *err);
int resource_parse(json *doc, struct resource *ret, struct err *err);
int record_parse(json *doc, struct record *ret, struct err *err);
/* Nobody has it open, and all copies of the set hold the same (protocol.md, released records). A
 * writer that was taken out of the record has not said so. */
bool record_is_released(const struct record *r);
/* A later epoch that no writer has taken; that nobody has written stays known. */
void record_raise(struct record *r, uint32_t epoch);
/* The slot whose node has to release the record: its writer; of one that was taken out of it the
 * first copy in sync. WRITER_NONE: it is released. */
int record_settler(const struct record *r);
int replica_parse(json *doc, struct replica *ret, struct err *err);
void resource_set_layers(struct resource *r, enum layers layers); /* unsaid: DRBD and STORAGE */
enum layers resource_layers(const struct resource *r);
json *resource_doc(const struct resource *r);
json *record_doc(const struct record *r, const char *resource_uuid);
/* sets the record's fields in a present document, whose uuid and unknown fields stay */
void record_write(json *doc, const struct record *r);
bool record_same(const struct record *a, const struct record *b); /* tag included */
json *replica_doc(const struct replica *r);
void replica_write_made(json *doc, uint32_t made); /* in a present document */
/* the same: deleting, becomes_client, inactive and, with it, refetch, migrates, open_ms and
 * drawn_ms */
void replica_write_plans(json *doc, const struct replica *r);
/* the same; complaint NULL: not quarantined (any more) */
void replica_write_quarantine(json *doc, const char *complaint, int64_t now_ms);
void resource_key(const char *name, char *out, size_t len);
void record_key(const char *name, char *out, size_t len);
void replica_key(const char *resource, const char *node, char *out, size_t len);
void placed_key(const char *node, const char *resource, char *out, size_t len);
void leftover_key(const char *node, const char *id, char *out, size_t len);
/* of the files of one volume of a replica: "<replica>", or "<replica>.<volume>" but for volume 0 */
void leftover_id(const char *replica, int number, const char *volume, char out[LEFTOVER_ID_MAX]);
void minor_key(int minor, char *out, size_t len);
void volume_write_origin(json *doc, const struct volume_origin *o); /* in a volume's document */
void volume_write_adopted(json *doc, const struct volume_adopted *a);
/* NULL when there is none of this number */
const struct volume *resource_volume(const struct resource *r, int number);
int64_t resource_size_kib(const struct resource *r); /* of all volumes */
/* What a copy of a volume takes beside its content: the metadata of the replication, and the header
 * of encryption */
int64_t volume_extra_kib(int64_t size_kib, bool encrypted);
int64_t resource_extra_kib(const struct resource *r);     /* of all volumes */
int volume_check_size(int64_t size_kib, struct err *err); /* range; callers round it up */
/* Up to 4 KiB; encrypted: to a whole region of the replication, since what an encrypted one grows
 * by is zeros, and what it was made of is not: no region may have some of both. */
int64_t volume_round_size(int64_t size_kib, bool encrypted);

#endif
