/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity.h - who this node is: the files of its state directory that init or
 * join wrote. <dir>/identity.json {"cluster","cluster_name","node","node_id","uuid","address",
 * "port"}, ca.pem, node.pem, node.key (0600, never leaves), cluster.key (0600: 32 bytes in hex,
 * seals the CA key in the store), init.json (first node, until its first transaction is
 * committed), lock (held by the daemon), store.mdb, raft/, replicas/ (agent/marks.c).
 */
#ifndef SDSD_CLUSTER_IDENTITY_H
#define SDSD_CLUSTER_IDENTITY_H

#include <stdint.h>

#include "base/err.h"
#include "model/limits.h"

struct identity {
	char dir[PATH_LEN_MAX];
	char cluster[37], cluster_name[NAME_MAX_LEN + 1];
	char node[NAME_MAX_LEN + 1];
	uint32_t node_id;
	char uuid[37];
	char address[ADDRESS_LEN_MAX]; /* literal IP */
	int port;
};

/* -ENOENT "not a member of a cluster: run sdsd init or sdsd join"; -E_CORRUPT */
int identity_load(const char *dir, struct identity *ret, struct err *err);
int identity_save(const struct identity *id, struct err *err);
/* the state directory lock, held till exit; -EBUSY "another sdsd runs on ..." */
int identity_lock(const char *dir, struct err *err);

#endif
