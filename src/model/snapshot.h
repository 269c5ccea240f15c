/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot.h - all volumes of a resource as they were at one moment, on the nodes whose copies
 * were in sync then (docs/storage.md#snapshots).
 * "snapshot/<resource>/<name>": {"resource","name","uuid","created_ms","taken":false,
 *                     "volumes":[{"number":0,"uuid","size_kib"}],
 *                     "copies":[{"node","pool"}],"props":{}}
 * taken: false while the copies that are listed are asked to take it, true from the moment on when
 * those that are listed have it. The resource may be gone, and another one of its name be there.
 * What is not wanted any more of a snapshot is a leftover (resource.h) for each copy and volume,
 * with "snapshot":"<name>" and the snapshot's uuid in place of the replica's.
 */
#ifndef SDSD_MODEL_SNAPSHOT_H
#define SDSD_MODEL_SNAPSHOT_H

#include "model/resource.h"

struct snapshot_volume {
	int number;
	char uuid[37]; /* of the volume */
	int64_t size_kib;
};

struct snapshot_copy {
	char node[NAME_MAX_LEN + 1];
	char pool[NAME_MAX_LEN + 1];
};

struct snapshot {
	char resource[NAME_MAX_LEN + 1];
	char name[NAME_MAX_LEN + 1];
	char uuid[37];
	int64_t created_ms;
	bool taken;
	int n_volumes; /* by number, ascending */
	struct snapshot_volume volume[VOLUMES_PER_RESOURCE_MAX];
	int n_copies;
	struct snapshot_copy copy[REPLICAS_MAX];
};

int snapshot_check_name(const char *name, struct err *err);
int snapshot_parse(json *doc, struct snapshot *ret, struct err *err);
json *snapshot_doc(const struct snapshot *s);
void snapshot_write_copies(json *doc, const struct snapshot *s); /* and taken, in a present one */
void snapshot_key(const char *resource, const char *name, char *out, size_t len);
const struct snapshot_copy *snapshot_copy_on(const struct snapshot *s, const char *node);
const struct snapshot_volume *snapshot_volume(const struct snapshot *s, int number);

#endif
