/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change.h - one function per request: reads the store through a transaction
 * and fills its write set, or refuses with an error. No clock, no randomness,
 * no I/O: what is needed of these comes in struct change_env. The caller (api/)
 * proposes the transaction and, on -E_CONFLICT, calls again from fresh state.
 */
#ifndef SDSD_MODEL_CHANGE_H
#define SDSD_MODEL_CHANGE_H

#include "model/node.h"
#include "model/observed.h"
#include "model/pool.h"
#include "model/resource.h"
#include "store/txn.h"

struct change_env {
	struct store *store;
	struct observed *observed;
	int64_t now_ms;     /* wall clock, for created_ms and expiry */
	int64_t mono_ms;    /* for observed */
	/* fresh uuids for this call: change_uuid(env, i) */
	void (*uuid)(char out[37]);
};

/* nodes: the cluster folder checks token and certificate, then calls change_node_add */
int change_node_add(struct change_env *env, struct txn *t, const struct node *n /* id 0: next free */, uint32_t *ret_id, struct err *err);
int change_node_delete(struct change_env *env, struct txn *t, const char *name, struct err *err); /* -E_IN_USE with replicas */
int change_node_modify(struct change_env *env, struct txn *t, const char *name, json *body, struct err *err);

int change_pool_create(struct change_env *env, struct txn *t, const struct pool *p, json *props, struct err *err);
int change_pool_delete(struct change_env *env, struct txn *t, const char *node, const char *name, struct err *err);

/* body: the LINSTOR request (docs: linstor REST v1, resource groups) */
int change_group_create(struct change_env *env, struct txn *t, json *body, struct err *err);
int change_group_modify(struct change_env *env, struct txn *t, const char *name, json *body, struct err *err);
int change_group_delete(struct change_env *env, struct txn *t, const char *name, struct err *err);

struct change_place {       /* where copies go */
	int copies;         /* total wanted; 0: the group's place_count, else COPIES_DEFAULT */
	int additional;     /* > 0: this many more instead */
	const char *nodes[REPLICAS_MAX]; int n_nodes; /* restrict to; 0: any */
	const char *pools[REPLICAS_MAX]; int n_pools;
	bool diskless_on_remaining;
};
int change_resource_create(struct change_env *env, struct txn *t, const char *name, const char *group, json *props, struct err *err);
int change_resource_modify(struct change_env *env, struct txn *t, const char *name, json *body, struct err *err);
int change_resource_delete(struct change_env *env, struct txn *t, const char *name, struct err *err);
int change_volume_create(struct change_env *env, struct txn *t, const char *resource, int number /* -1: lowest free */, int64_t size_kib, json *props, int *ret_number, struct err *err);
int change_volume_delete(struct change_env *env, struct txn *t, const char *resource, int number, struct err *err);
/* resource + volumes + placement in one transaction (spawn, sdsd volume create) */
int change_spawn(struct change_env *env, struct txn *t, const char *group, const char *name, const int64_t *sizes_kib, int n_sizes, bool definitions_only, json *props, const struct change_place *place, struct err *err);
int change_autoplace(struct change_env *env, struct txn *t, const char *resource, const struct change_place *place, int *ret_added, struct err *err);
int change_replica_create(struct change_env *env, struct txn *t, const char *resource, const char *node, const char *pool /* NULL: choose */, bool diskless, struct err *err);
int change_replica_delete(struct change_env *env, struct txn *t, const char *resource, const char *node, struct err *err);

/* from agents and data planes */
int change_replica_created(struct change_env *env, struct txn *t, const char *resource, const char *node, const char *uuid, struct err *err);
int change_leftover_done(struct change_env *env, struct txn *t, const char *node, const char *uuid, struct err *err);
/* protocol: CAS(e -> e+1, p, I, tag). -E_CONFLICT: the record is not at next->epoch - 1 (ret_present is filled);
 * -E_INVALID: next breaks a rule (empty set, unknown slot, writer without replica). uuid: the resource's, against name reuse. */
int change_record(struct change_env *env, struct txn *t, const char *resource, const char *uuid, const struct record *next, struct record *ret_present, struct err *err);
/* the first transaction of a cluster: cluster/self, ca/self, node, DfltRscGrp, first token */
int change_cluster_init(struct change_env *env, struct txn *t, json *init, struct err *err);
int change_token_create(struct change_env *env, struct txn *t, const char *id, const char *secret_sha256, int64_t expires_ms, struct err *err);
/* checks the token (exists, secret, unused, unexpired: -E_DENIED with which) and marks it used by node */
int change_token_use(struct change_env *env, struct txn *t, const char *id, const char *secret_sha256, const char *node, struct err *err);
int change_token_delete(struct change_env *env, struct txn *t, const char *id, struct err *err);

#endif
