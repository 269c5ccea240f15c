/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change.h - one function per request: reads the store through a transaction
 * and fills its write set, or refuses with an error. No clock, no randomness,
 * no I/O: what is needed of these comes in struct change_env. The caller (api/)
 * proposes the transaction and, on -E_CONFLICT, calls again from fresh state.
 * When there is nothing to change the transaction stays without writes
 * (txn_is_empty) and need not be proposed.
 *
 * A transaction whose change function failed may hold half of it: throw it away.
 * One call for one transaction: a function does not see what an earlier call put
 * into the same transaction. Exception: change_token_use with change_node_add.
 *
 * Documents that belong to no header of their own:
 * "cluster/self": {"cluster":"<uuid>","name","next_node_id":2,"next_minor":1000,"options":{},
 *   "recovering":"<key>"}: of the last record whose epoch was raised, while that goes on
 * "ca/self": {"cert_pem","key_sealed"}
 * "encryption/self": the sealed master key of encrypted volumes (cluster/vault.h)
 * "access/<name>": model/access.h
 * "kvs/<name>": {"name","props":{}}: a client's own
 * "token/<id>": {"id","secret_sha256","expires_ms","used_by":""}
 * "promise/<node>/<pool>": {"kib","extra_kib","replicas"}: what is placed in a pool; changed
 *   with each placement, so that two of them in one pool conflict and its capacity is exact.
 *   Missing: nothing.
 */
#ifndef SDSD_MODEL_CHANGE_H
#define SDSD_MODEL_CHANGE_H

#include "model/access.h"
#include "model/group.h"
#include "model/node.h"
#include "model/observed.h"
#include "model/pool_task.h"
#include "model/resource.h"
#include "model/snapshot.h"
#include "store/txn.h"

#define TOKENS_MAX 1000 /* documents; delete old ones */
#define CLUSTER_KEY "cluster/self"
#define CA_KEY "ca/self"
#define ENCRYPTION_KEY "encryption/self"

struct change_env {
	struct store *store;
	struct observed *observed;
	int64_t now_ms;  /* wall clock, for created_ms and expiry */
	int64_t mono_ms; /* for observed */
	/* a fresh uuid at each call (text_uuid) */
	void (*uuid)(char out[37]);
	/* A fresh key for an encrypted volume, sealed; -E_LOCKED with a sentence: the master key is
	 * not open. NULL: as that. */
	int (*volume_key)(char out[VOLUME_SEALED_MAX], struct err *err, void *arg);
	void *arg; /* for volume_key */
};

/* nodes: the cluster folder checks token and certificate, then calls change_node_add */
int change_node_add(struct change_env *env, struct txn *t,
		    const struct node *n /* id 0: next free */, uint32_t *ret_id, struct err *err);
int change_node_delete(struct change_env *env, struct txn *t, const char *name,
		       struct err *err); /* -E_IN_USE with replicas */
int change_node_modify(struct change_env *env, struct txn *t, const char *name, json *body,
		       struct err *err);

/* change_netif.c: further addresses of a node (netif.h). body: LINSTOR's NetInterface. The node's
 * own one, NETIF_DEFAULT, stays as it is: -E_INVALID, -E_IN_USE. -E_NOT_FOUND: node or interface */
int change_netif_create(struct change_env *env, struct txn *t, const char *node, json *body,
			struct err *err);
int change_netif_modify(struct change_env *env, struct txn *t, const char *node, const char *name,
			json *body, struct err *err);
int change_netif_delete(struct change_env *env, struct txn *t, const char *node, const char *name,
			struct err *err);

/* change_connection.c: properties of pairs of nodes, in either order. body: override_props and so
 * on. -E_NOT_FOUND: a node, the resource, or a replica of it; -E_INVALID: twice the same node */
int change_node_connection(struct change_env *env, struct txn *t, const char *a, const char *b,
			   json *body, struct err *err);
int change_resource_connection(struct change_env *env, struct txn *t, const char *resource,
			       const char *a, const char *b, json *body, struct err *err);

/* change_kvs.c: a key-value store is made by the first change of it */
int change_kvs_modify(struct change_env *env, struct txn *t, const char *name, json *body,
		      struct err *err);
int change_kvs_delete(struct change_env *env, struct txn *t, const char *name, struct err *err);
void kvs_key(const char *name, char *out, size_t len);
/* the properties that all objects inherit (policy.h) */
int change_controller_modify(struct change_env *env, struct txn *t, json *body, struct err *err);

/* change_pool_definition.c. -E_EXISTS with a pool of the name, too; props may be NULL */
int change_pool_definition_create(struct change_env *env, struct txn *t, const char *name,
				  json *props, struct err *err);
int change_pool_definition_modify(struct change_env *env, struct txn *t, const char *name,
				  json *body, struct err *err);
/* -E_IN_USE while there are pools of the name */
int change_pool_definition_delete(struct change_env *env, struct txn *t, const char *name,
				  struct err *err);

/* p->uuid "": a fresh one; props may be NULL, here and below */
int change_pool_create(struct change_env *env, struct txn *t, const struct pool *p, json *props,
		       struct err *err);
/* The node makes it of the task's devices, in a volume group of its own; p->source is filled. */
int change_pool_make(struct change_env *env, struct txn *t, const struct pool *p, json *props,
		     const struct pool_task *task, struct err *err);
/* extend or replace, of a pool that sdsd has made; takes the place of one that is not done yet.
 * -E_IN_USE while it is being made or destroyed */
int change_pool_task(struct change_env *env, struct txn *t, const char *node, const char *name,
		     const struct pool_task *task, struct err *err);
/* its properties; what it is made of is none that could change. -E_NOT_FOUND, -E_BAD_PROP */
int change_pool_modify(struct change_env *env, struct txn *t, const char *node, const char *name,
		       json *body, struct err *err);
/* Forgets it; what it is made of stays as it is. */
int change_pool_delete(struct change_env *env, struct txn *t, const char *node, const char *name,
		       struct err *err);

/* The node gives its devices back empty, then it is forgotten. -E_INVALID: sdsd has not made it */
int change_pool_destroy(struct change_env *env, struct txn *t, const char *node, const char *name,
			struct err *err);

/* body: the LINSTOR request (docs: linstor REST v1, resource groups); "volume_groups" is taken
 * too. A raised
 * place_count changes no resource by itself: the caller autoplaces those of the group. */
/* -E_INVALID also for rules that contradict each other. warn (may be NULL; text "": nothing) says
 * why no resource of the group could be placed with the present nodes, whoever is online and
 * however full they are. */
int change_group_create(struct change_env *env, struct txn *t, json *body, struct err *warn,
			struct err *err);
int change_group_modify(struct change_env *env, struct txn *t, const char *name, json *body,
			struct err *warn, struct err *err);
int change_group_delete(struct change_env *env, struct txn *t, const char *name, struct err *err);

/* change_volume_group.c: what a group says about volume `number` of its resources. body: LINSTOR's;
 * *ret_number: given, or the lowest free one. -E_NOT_FOUND (the group), -E_EXISTS, -E_INVALID */
int change_volume_group_create(struct change_env *env, struct txn *t, const char *group, json *body,
			       int *ret_number, struct err *err);
/* -E_NOT_FOUND: no such group, or no such number in it */
int change_volume_group_modify(struct change_env *env, struct txn *t, const char *group, int number,
			       json *body, struct err *err);
int change_volume_group_delete(struct change_env *env, struct txn *t, const char *group, int number,
			       struct err *err);

struct change_place {   /* where copies go */
	int copies;     /* total wanted; 0: the group's place_count, else COPIES_DEFAULT */
	int additional; /* > 0: this many more instead */
	const char *nodes[NODES_MAX];
	int n_nodes; /* restrict to; 0: the group's, else any */
	const char *pools[NODES_MAX];
	int n_pools;
	bool diskless_on_remaining; /* or the group's */
	struct place_rules rules;   /* each field that is there instead of the group's */
	/* of a resource that is made with it: */
	enum layers layers;        /* unsaid: the group's */
	const char *external_name; /* what its user calls it, if not as it is named; NULL: so */
	bool partial;              /* fewer volumes than the group has volume groups */
};
/* what a request's select_filter (NULL: none) asks for; strings borrowed from it. -E_INVALID */
int change_place_parse(json *select_filter, struct change_place *ret, struct err *err);
int change_resource_create(struct change_env *env, struct txn *t, const char *name,
			   const char *group, enum layers layers /* unsaid: the group's */,
			   json *props, struct err *err);
/* external: what its user calls it, any text of up to EXTERNAL_NAME_MAX bytes; kept and shown */
int change_resource_create_as(struct change_env *env, struct txn *t, const char *name,
			      const char *external, const char *group, enum layers layers,
			      json *props, struct err *err);
int change_resource_modify(struct change_env *env, struct txn *t, const char *name, json *body,
			   struct err *err);
int change_resource_delete(struct change_env *env, struct txn *t, const char *name,
			   struct err *err);
/* All replicas at once; the definition stays, unless delete_empty and it has no snapshots: *ret
 * true. -E_IN_USE: open somewhere, or copies are being brought up to date */
int change_resource_truncate(struct change_env *env, struct txn *t, const char *name,
			     bool delete_empty, bool *ret, struct err *err);
/* The definition goes when it has neither replicas nor snapshots, but for the snapshot `but` (NULL:
 * none), which the same transaction deletes. *ret: whether */
int change_resource_delete_empty(struct change_env *env, struct txn *t, const char *name,
				 const char *but, bool *ret, struct err *err);
int change_volume_create(struct change_env *env, struct txn *t, const char *resource,
			 int number /* -1: lowest free */, int64_t size_kib, json *props,
			 int *ret_number, struct err *err);
/* size_kib 0: stays. Growing is possible at any time, also while nodes are away; -ENOSPC names each
 * pool. body: LINSTOR's, for its properties. */
int change_volume_modify(struct change_env *env, struct txn *t, const char *resource, int number,
			 int64_t size_kib, json *body, struct err *err);
/* the last one takes the replicas with it */
int change_volume_delete(struct change_env *env, struct txn *t, const char *resource, int number,
			 struct err *err);
/* resource + volumes + placement in one transaction (spawn, sdsd volume create); place NULL: as
 * the group says */
int change_spawn(struct change_env *env, struct txn *t, const char *group, const char *name,
		 const int64_t *sizes_kib, int n_sizes, bool definitions_only, json *props,
		 const struct change_place *place, struct err *err);
/* change_probe.c. How large a volume could be that were spawned now as place (NULL: the group)
 * says: *ret_kib, 0: none at all, and ret_spots, where its copies would be. Nothing is changed.
 * -E_NOT_FOUND: no such group */
struct change_spots {
	int n;
	struct {
		char node[NAME_MAX_LEN + 1], pool[NAME_MAX_LEN + 1];
	} spot[COPIES_MAX];
};
int change_probe(struct change_env *env, const char *group, const struct change_place *place,
		 int64_t *ret_kib, struct change_spots *ret_spots, struct err *err);
int change_autoplace(struct change_env *env, struct txn *t, const char *resource,
		     const struct change_place *place, int *ret_added, struct err *err);
/* change_explain.c: what change_spawn (name of no resource) or change_autoplace (of one that is
 * there) would choose, without choosing it. body: {"resource","resource_group",
 * "volume_sizes":[KiB],"select_filter"}. *ret: {"possible":true,"copies":2,"message","size_kib",
 * "violations", "candidates":[{"node","pool","verdict":"chosen|suitable|refused",
 * "rule":"no-room","reason","provider","free_kib","total_kib","promised_kib","replicas"}]}, the
 * caller's. copies: to be added; violations: of the present copies, in words. */
int change_explain(struct change_env *env, json *body, json **ret, struct err *err);
/* One more replica; pool NULL: one of those that the resource's group says, or any. */
int change_replica_create(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, const char *pool /* NULL: choose, as the group says */,
			  bool diskless, struct err *err);
/* For a live migration to the node, whose replica is made by this (create) or there: who has the
 * resource open may share it with the node from now on, until change_replica_unavailable. *ret:
 * somebody has. */
int change_replica_migration(struct change_env *env, struct txn *t, const char *resource,
			     const char *node, bool create, bool diskless, bool *ret,
			     struct err *err);
/* No user on the node any more: a client goes (*ret true), a copy stays; with either what a
 * migration from or to it has set. -E_IN_USE: it is open there; -E_NOT_FOUND */
int change_replica_unavailable(struct change_env *env, struct txn *t, const char *resource,
			       const char *node, bool *ret, struct err *err);
/* A copy in the set of an active writer is only marked (deleting): the writer drops it from the
 * set, then
 * change_replica_reap makes it a leftover. Everything else is gone at once. The last copy is kept
 * (-E_IN_USE) while there is any other replica; alone and unused it goes, and leaves a definition
 * without copies. */
int change_replica_delete(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, struct err *err);
/* The copy on the node goes and a client stays, which goes on where the resource is open there: a
 * copy in the set of an active writer is marked first, as above. *ret false: it was a client. The
 * last copy, and the only one in sync, is kept: -E_IN_USE. */
int change_replica_diskless(struct change_env *env, struct txn *t, const char *resource,
			    const char *node, bool *ret, struct err *err);
/* The client on the node becomes a copy, in that pool or one that placement chooses; *ret false: it
 * was one. -E_EXISTS: it is in another pool; -E_IN_USE: its former disk is still being removed */
int change_replica_diskful(struct change_env *env, struct txn *t, const char *resource,
			   const char *node, const char *pool /* NULL: choose, as the group says */,
			   bool *ret, struct err *err);
/* A new copy on the node, or the client there with a disk; once it is in sync change_replica_reap
 * removes the one on `from`, or only its disk where the resource is open there. *ret false: it was
 * asked for already. -E_NOT_FOUND: from has no copy; -E_EXISTS: node has one */
int change_replica_migrate(struct change_env *env, struct txn *t, const char *resource,
			   const char *from, const char *node, const char *pool, bool *ret,
			   struct err *err);
/* Whether the replica is served on its node; its files stay. *ret false: it was so already.
 * -E_IN_USE: it is open there, or the only copy in sync */
int change_replica_active(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, bool active, bool *ret, struct err *err);
/* change_refetch.c: what is wrong in copies is fetched again from the others. */
struct refetch;
struct change_refetch {
	const char *node;
	const struct refetch *what; /* wanted */
};
/* These copies leave the in-sync set and are not served until their nodes have made the regions
 * unknown. All others are in sync, one at least. -E_NOT_FOUND, -E_IN_USE: one of them is open
 * there, or some copy is not in sync, or no other is */
int change_replica_refetch(struct change_env *env, struct txn *t, const char *resource,
			   const struct change_refetch *of, int n, struct err *err);
/* From its node: that is done, it is served again and catches up. uuid: of the replica,
 * -E_NOT_FOUND when that is gone. -E_IN_USE: it is in the set (the node's store lags behind).
 * Nothing to do: 0, without writes */
int change_replica_refetched(struct change_env *env, struct txn *t, const char *resource,
			     const char *node, const char *uuid, struct err *err);

/* change_scrub.c: result (scrub.h, without the fields that are known) of a comparison that has
 * ended. -E_NOT_FOUND */
int change_scrub_done(struct change_env *env, struct txn *t, const char *resource, json *result,
		      struct err *err);
/* It was repaired, so that the copies are compared again soon, if they were at all */
int change_scrub_again(struct change_env *env, struct txn *t, const char *resource,
		       struct err *err);

/* change_replica_props.c: properties of a replica, and of a volume at it; body: LINSTOR's */
int change_replica_modify(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, json *body, struct err *err);
int change_replica_volume_modify(struct change_env *env, struct txn *t, const char *resource,
				 const char *node, int number, json *body, struct err *err);
/* Finishes what can be finished of the replicas marked deleting or inactive, and of migrations; the
 * leader calls it when the resource's record or its writer's state changes. Nothing to do: 0,
 * without writes. */
int change_replica_reap(struct change_env *env, struct txn *t, const char *resource,
			struct err *err);

/* change_upkeep.c: what the cluster does by itself for the copies of a resource (upkeep.h), the
 * next step. Nothing to do: 0, without writes; *ret says what is done or waited for. What cannot be
 * done (no place for a copy) is no error: *ret says it. */
struct upkeep_plan;
struct upkeep_sight;
int change_upkeep(struct change_env *env, struct txn *t, const char *resource,
		  const struct upkeep_sight *sight, struct upkeep_plan *ret, struct err *err);
/* change_balance.c: the next step to make pools equally full (balance.h), if sds/balance is on: one
 * copy begins to move, or is seen to have moved. Nothing to do: 0, without writes. why: of len
 * bytes, BALANCE_TEXT_MAX at least: what is done, or waited for; "" */
int change_balance(struct change_env *env, struct txn *t, const struct upkeep_sight *sight,
		   char *why, size_t len, struct err *err);
bool change_balance_is_on(struct store *store);
/* Whether UPKEEP_AWAY_MAX_PERCENT of the nodes is passed, by their documents */
int change_upkeep_many_away(struct change_env *env, bool *ret, struct err *err);
/* The node has (not) been heard of lately: its document says since when */
int change_node_away(struct change_env *env, struct txn *t, const char *name, bool away,
		     struct err *err);
/* What is on it is to move to others, or may stay */
int change_node_evacuate(struct change_env *env, struct txn *t, const char *name, bool on,
			 struct err *err);
/* It will never be back: its replicas are dropped, here those that can be at once. -E_IN_USE while
 * it answers; -EAGAIN: this leader is too young to know */
int change_node_lose(struct change_env *env, struct txn *t, const char *name, struct err *err);
/* A node that is lost, when nothing is on it any more: forgotten, its snapshots with it. Not yet:
 * 0, without writes */
int change_node_forget(struct change_env *env, struct txn *t, const char *name, struct err *err);

/* change_quarantine.c: copies whose disk fails time and again.
 * From its node: it is not to be attached any more. uuid: of the replica, -E_NOT_FOUND when that is
 * gone. Where no other copy is in sync that is fit it stays as it was: *ret false. */
int change_replica_failed(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, const char *uuid, const char *complaint, bool *ret,
			  struct err *err);
/* The disk is well: it is attached again and catches up. -E_NOT_FOUND; *ret false: it was not in
 * quarantine */
int change_replica_repair(struct change_env *env, struct txn *t, const char *resource,
			  const char *node, bool *ret, struct err *err);
/* The copy goes, and a new one is made at its place. -E_IN_USE when it is needed, or open */
int change_replica_replace(struct change_env *env, struct txn *t, const char *resource,
			   const char *node, struct err *err);

/* change_service.c. body: a service's document, without what is decided. -E_EXISTS; -E_NOT_FOUND:
 * the resource; -E_IN_USE: it shares its volume, place, unit or address with another service */
int change_service_create(struct change_env *env, struct txn *t, json *body, struct err *err);
/* Its node stops it; who has lost sight of it does so when it is back. -E_NOT_FOUND, here and
 * below */
int change_service_delete(struct change_env *env, struct txn *t, const char *name, struct err *err);
/* Whether it is to run at all; what nodes could not do is forgotten. *ret false: it was so */
int change_service_enable(struct change_env *env, struct txn *t, const char *name, bool on,
			  bool *ret, struct err *err);
/* All nodes may try again. */
int change_service_retry(struct change_env *env, struct txn *t, const char *name, struct err *err);
struct service;
struct service_decision;
/* Somebody wants it on this node, NULL: on another than now. ret: with wish. -E_INVALID: it is
 * stopped, or that node cannot have it; -E_NO_NODES */
int change_service_move(struct change_env *env, struct txn *t, const char *name, const char *node,
			struct service *ret, struct err *err);
/* The decision of service_decide.h, from what is defined and observed. Nothing to do: 0, without
 * writes. ret_service: as it is then */
int change_service_decide(struct change_env *env, struct txn *t, const char *name,
			  struct service_decision *ret, struct service *ret_service,
			  struct err *err);
/* -E_IN_USE when a service uses the volume (number -1: any of the resource) */
int change_service_none_of(struct change_env *env, struct txn *t, const char *resource, int number,
			   struct err *err);

/* change_snapshot.c. Defined, to be taken by those copies whose pools can and that are in sync at
 * the moment when it is taken: the caller sees to that and says how it went. */
int change_snapshot_begin(struct change_env *env, struct txn *t, const char *resource,
			  const char *name, json *props, struct err *err);
/* uuid: of the snapshot. These nodes have it, others have or will have leftovers; n 0: it is gone.
 * -E_NOT_FOUND: it is not being taken (any more) */
int change_snapshot_taken(struct change_env *env, struct txn *t, const char *resource,
			  const char *name, const char *uuid, const char *const nodes[], int n,
			  struct err *err);
/* -E_IN_USE while it is being taken */
int change_snapshot_delete(struct change_env *env, struct txn *t, const char *resource,
			   const char *name, struct err *err);
/* Only what these nodes have of it; with its last copy it is gone: *ret true. -E_NOT_FOUND: none of
 * them has it. */
int change_snapshot_delete_on(struct change_env *env, struct txn *t, const char *resource,
			      const char *name, const char *const nodes[], int n, bool *ret,
			      struct err *err);
/* its properties; body: LINSTOR's. -E_NOT_FOUND */
int change_snapshot_modify(struct change_env *env, struct txn *t, const char *resource,
			   const char *name, json *body, struct err *err);
/* -E_IN_USE when a snapshot is on the node (in that pool of it; NULL: in any) */
int change_snapshot_none_on(struct change_env *env, struct txn *t, const char *node,
			    const char *pool, struct err *err);
/* Volumes of the snapshot's sizes in a resource that has none of their numbers. */
int change_snapshot_volumes(struct change_env *env, struct txn *t, const char *resource,
			    const char *name, const char *to, struct err *err);
/* Copies of `to`, which has the snapshot's volumes and no copy yet, on the nodes that have the
 * snapshot (of those given when n > 0), with its content. */
int change_snapshot_restore(struct change_env *env, struct txn *t, const char *resource,
			    const char *name, const char *to, const char *const nodes[], int n,
			    struct err *err);
/* both at once, on all nodes that have it */
int change_snapshot_spawn(struct change_env *env, struct txn *t, const char *resource,
			  const char *name, const char *to, struct err *err);
/* The resource, which nobody has open, goes back to the snapshot: its volumes become new ones.
 * Copies without the snapshot catch up. */
int change_snapshot_rollback(struct change_env *env, struct txn *t, const char *resource,
			     const char *name, struct err *err);

/* change_clone.c: a copy of a resource under another name, by way of a snapshot that goes when the
 * copies are made. Begins it: the new resource without volumes, and the snapshot, to be taken.
 * group NULL: the source's; props: beside the source's, may be NULL; ret_snapshot: its name. */
int change_clone_begin(struct change_env *env, struct txn *t, const char *source,
		       const char *target, const char *group, json *props,
		       char ret_snapshot[NAME_MAX_LEN + 1], struct err *err);
/* Does the next step of what such a snapshot is for; nothing to do yet: 0, without writes. */
int change_clone_advance(struct change_env *env, struct txn *t, const char *source,
			 const char *snapshot, struct err *err);

/* change_adopt.c: a resource whose volume 0 is the logical volume that is in that pool, as it is,
 * with its only copy there; the node has said that it may be taken. group NULL: the default one.
 * It is never encrypted, whatever the group says. */
int change_adopt(struct change_env *env, struct txn *t, const char *name, const char *group,
		 const char *node, const char *pool, const struct volume_adopted *from,
		 struct err *err);

/* from agents and data planes */
/* its node has made the files of this volume; volume: its uuid, "" from a node that knows volume 0
 * only */
int change_replica_created(struct change_env *env, struct txn *t, const char *resource,
			   const char *node, const char *uuid, int number, const char *volume,
			   struct err *err);
/* uuid: of the replica; volume: "" or 0's for its volume 0 */
int change_leftover_done(struct change_env *env, struct txn *t, const char *node, const char *uuid,
			 int number, const char *volume, struct err *err);
/* protocol: CAS(e -> e+1, p, I, tag). -E_CONFLICT: the record is not at next->epoch - 1
 * (ret_present is filled);
 * -E_INVALID: next breaks a rule (empty set, unknown slot, writer without replica). uuid: the
 * resource's, against name reuse. -E_IN_USE: a file system is to be made first, elsewhere */
int change_record(struct change_env *env, struct txn *t, const char *resource, const char *uuid,
		  const struct record *next, struct record *ret_present, struct err *err);
/* change_filesystem.c, filesystem.h. The node that has the resource open may write the file system
 * now. volume: its uuid. -E_NOT_FOUND: that volume is gone; -E_IN_USE: another node is the writer,
 * or it is not wanted (any more) */
int change_filesystem_begin(struct change_env *env, struct txn *t, const char *resource,
			    const char *node, int number, const char *volume, struct err *err);
/* It is made; or not, because of error (NULL: it is). Told again it changes nothing. */
int change_filesystem_done(struct change_env *env, struct txn *t, const char *resource, int number,
			   const char *volume, const char *error, struct err *err);
/* Another node than the one that makes it takes the resource: -E_IN_USE while one is wanted, for
 * FILESYSTEM_GATE_MS; after that there will be none. */
int change_filesystem_gate(struct change_env *env, struct txn *t, const char *resource,
			   struct err *err);
/* uuid: of the task. -E_NOT_FOUND: it is not the present one (any more) */
int change_pool_done(struct change_env *env, struct txn *t, const char *node, const char *name,
		     const char *uuid, struct err *err);
/* The first transaction of a cluster: cluster/self, ca/self, node, DfltRscGrp, first token.
 * -E_EXISTS after that.
 * init: {"cluster","name","ca_cert_pem","ca_key_sealed","node":{node document, id 1},
 *        "token":{"id","secret_sha256","expires_ms"} or null} */
int change_cluster_init(struct change_env *env, struct txn *t, json *init, struct err *err);
/* What sdsd recover leaves to be done, recovery is its file (cluster/recover.h): a step of it,
 * until there is nothing to do (txn_is_empty). First the epochs of all records become higher than
 * any that the others can have agreed on; then the nodes that are named are lost and barred, and
 * ids that the others may have given are not given again. */
#define RECOVER_RECORDS_MAX 1000 /* in one transaction */
#define RECOVER_EPOCH_STEP 65536
#define RECOVER_ID_STEP 10000
int change_cluster_recover(struct change_env *env, struct txn *t, json *recovery, struct err *err);
/* doc, borrowed: the sealed master key. -E_EXISTS */
int change_encryption_create(struct change_env *env, struct txn *t, json *doc, struct err *err);
/* The same key under another passphrase. former: the document it was taken from; -E_CONFLICT when
 * that is not the present one. */
int change_encryption_modify(struct change_env *env, struct txn *t, json *former, json *doc,
			     struct err *err);
int change_token_create(struct change_env *env, struct txn *t, const char *id,
			const char *secret_sha256, int64_t expires_ms, struct err *err);
/* checks the token (exists, secret, unused, unexpired: -E_DENIED with which) and marks it used by
 * node */
int change_token_use(struct change_env *env, struct txn *t, const char *id,
		     const char *secret_sha256, const char *node, struct err *err);
int change_token_delete(struct change_env *env, struct txn *t, const char *id, struct err *err);

/* change_access.c: users of the API over TCP. -E_EXISTS: the name is taken, by either kind */
int change_access_create(struct change_env *env, struct txn *t, const struct access *a,
			 struct err *err);
/* -E_NOT_FOUND also when it is of the other kind */
int change_access_delete(struct change_env *env, struct txn *t, const char *name,
			 enum access_kind kind, struct err *err);
/* whether loopback is closed to those without, too */
int change_access_require(struct change_env *env, struct txn *t, bool required, struct err *err);

#endif
