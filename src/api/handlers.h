/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handlers.h - what routes.c puts into its table: one function per operation. Each
 * answers its call exactly once, now or later.
 */
#ifndef SDSD_API_HANDLERS_H
#define SDSD_API_HANDLERS_H

#include "api/state.h"

/* general.c */
void version_get(struct api_call *c);
void health_get(struct api_call *c);
/* history.c */
void history_get(struct api_call *c);
/* events.c, events_promotion.c: answers without an end */
void events_changes(struct api_call *c);
void events_nodes(struct api_call *c);
void events_promotion(struct api_call *c);
void promotions_list(struct api_call *c);
/* metrics.c */
void metrics_get(struct api_call *c);
void root_get(struct api_call *c);
/* stats.c: how many there are of each kind */
void stats_get(struct api_call *c);
/* absent.c: what this product does not have, and clients ask for in passing */
void absent_list(struct api_call *c);
void absent_delete(struct api_call *c);
void absent_data(struct api_call *c);
void absent_remotes(struct api_call *c);
/* nodes.c */
void nodes_list(struct api_call *c);
void nodes_get(struct api_call *c);
void nodes_post(struct api_call *c);
void nodes_modify(struct api_call *c);
void nodes_reconnect(struct api_call *c);
void nodes_delete(struct api_call *c);
/* node_state.c */
void nodes_evacuate(struct api_call *c);
void nodes_restore(struct api_call *c);
void nodes_lost(struct api_call *c);
void nodes_drain(struct api_call *c);
/* netifs.c: a node's addresses */
void netifs_list(struct api_call *c);
void netifs_get(struct api_call *c);
void netifs_create(struct api_call *c);
void netifs_modify(struct api_call *c);
void netifs_delete(struct api_call *c);
/* connections.c: pairs of nodes, and of a resource's replicas */
void node_connections_list(struct api_call *c);
void node_connections_get(struct api_call *c);
void node_connections_modify(struct api_call *c);
void resource_connections_list(struct api_call *c);
void resource_connections_get(struct api_call *c);
void resource_connections_modify(struct api_call *c);
/* controller.c: the properties that everything inherits */
void controller_props(struct api_call *c);
void controller_modify(struct api_call *c);
void controller_delete(struct api_call *c);
/* kvs.c: key-value stores */
void kvs_list(struct api_call *c);
void kvs_get(struct api_call *c);
void kvs_modify(struct api_call *c);
void kvs_delete(struct api_call *c);
/* pool_definitions.c */
void pool_definitions_list(struct api_call *c);
void pool_definitions_get(struct api_call *c);
void pool_definitions_create(struct api_call *c);
void pool_definitions_modify(struct api_call *c);
void pool_definitions_delete(struct api_call *c);
/* pools.c */
void pools_view(struct api_call *c);
void pools_list(struct api_call *c);
void pools_get(struct api_call *c);
void pools_create(struct api_call *c);
void pools_modify(struct api_call *c);
void pools_delete(struct api_call *c);
/* disks.c */
void disks_all(struct api_call *c);
void disks_physical(struct api_call *c);
void disks_physical_node(struct api_call *c);
/* pool_tasks.c: pools made of devices */
void pools_make(struct api_call *c);
void pools_extend(struct api_call *c);
void pools_replace(struct api_call *c);
void pools_destroy(struct api_call *c);
void disks_make(struct api_call *c);
void sds_pool_done(struct api_call *c);
/* groups.c */
void groups_list(struct api_call *c);
void groups_get(struct api_call *c);
void groups_create(struct api_call *c);
void groups_modify(struct api_call *c);
void groups_delete(struct api_call *c);
void groups_spawn(struct api_call *c);
/* volume_groups.c */
void volume_groups_list(struct api_call *c);
void volume_groups_get(struct api_call *c);
void volume_groups_create(struct api_call *c);
void volume_groups_modify(struct api_call *c);
void volume_groups_delete(struct api_call *c);
/* sizes.c: what would fit */
void sizes_group(struct api_call *c);
void sizes_groups(struct api_call *c);
void sizes_max_group(struct api_call *c);
void sizes_max(struct api_call *c);
/* adjust.c: as many copies as the group wants now */
void groups_adjust(struct api_call *c);
void groups_adjust_all(struct api_call *c);
/* explain.c */
void explain_post(struct api_call *c);
/* resources.c: definitions */
void definitions_list(struct api_call *c);
void definitions_get(struct api_call *c);
void definitions_create(struct api_call *c);
void definitions_modify(struct api_call *c);
void definitions_delete(struct api_call *c);
void definitions_truncate(struct api_call *c);
void definitions_synced(struct api_call *c);
/* volumes.c: volume definitions */
void volumes_list(struct api_call *c);
void volumes_get(struct api_call *c);
void volumes_create(struct api_call *c);
void volumes_modify(struct api_call *c);
void volumes_delete(struct api_call *c);
/* replicas.c: resources in LINSTOR's words */
void replicas_list(struct api_call *c);
void replicas_get(struct api_call *c);
void replicas_volumes(struct api_call *c);
void replicas_volume(struct api_call *c);
void replicas_view(struct api_call *c);
void replicas_create(struct api_call *c);
void replicas_create_many(struct api_call *c);
void replicas_delete(struct api_call *c);
void replicas_available(struct api_call *c);
void replicas_unavailable(struct api_call *c);
void replicas_autoplace(struct api_call *c);
/* toggle.c: they become something else */
void toggle_disk(struct api_call *c);
void toggle_diskful(struct api_call *c);
void toggle_diskless(struct api_call *c);
void toggle_migrate(struct api_call *c);
void replicas_activate(struct api_call *c);
void replicas_deactivate(struct api_call *c);
void replicas_modify(struct api_call *c);
void replicas_modify_volume(struct api_call *c);
/* quarantine.c */
void quarantine_failed(struct api_call *c);
void quarantine_repair(struct api_call *c);
void quarantine_replace(struct api_call *c);
/* balance.c */
void balance_step(struct api_call *c);

/* upkeep.c */
void upkeep_step(struct api_call *c);
void upkeep_away(struct api_call *c);
void upkeep_forget(struct api_call *c);
/* encryption.c */
void encryption_status(struct api_call *c);
void encryption_create(struct api_call *c);
void encryption_modify(struct api_call *c);
void encryption_enter(struct api_call *c);
void encryption_key(struct api_call *c);
/* snapshots.c */
void snapshots_list(struct api_call *c);
void snapshots_get(struct api_call *c);
void snapshots_view(struct api_call *c);
void snapshots_create(struct api_call *c);
void snapshots_create_many(struct api_call *c);
void snapshots_modify(struct api_call *c);
void snapshots_delete(struct api_call *c);
void snapshots_restore_volumes(struct api_call *c);
void snapshots_restore(struct api_call *c);
void snapshots_rollback(struct api_call *c);
/* clones.c */
void clones_create(struct api_call *c);
void clones_get(struct api_call *c);
void clones_advance(struct api_call *c);
/* snapshot_node.c: what nodes are asked, and the verdict */
void snapshot_freeze(struct api_call *c);
void snapshot_thaw(struct api_call *c);
void snapshot_here(struct api_call *c);
void snapshot_taken(struct api_call *c);
void snapshot_checksum(struct api_call *c);
/* verify.c, verify_repair.c, scrub.c */
void verify_start(struct api_call *c);
void verify_get(struct api_call *c);
void verify_repair(struct api_call *c);
void verify_refetched(struct api_call *c);
void scrub_done(struct api_call *c);
/* services.c: those that follow a volume */
void services_list(struct api_call *c);
void services_get(struct api_call *c);
void services_create(struct api_call *c);
void services_delete(struct api_call *c);
void services_enable(struct api_call *c);
void services_disable(struct api_call *c);
void services_retry(struct api_call *c);
void services_move(struct api_call *c);
void services_decide(struct api_call *c);
/* adopt.c: and what the node is asked for it */
void adopt_create(struct api_call *c);
void adopt_look(struct api_call *c);
/* access.c: tokens and certificates of users */
void access_list(struct api_call *c);
void access_token_create(struct api_call *c);
void access_token_delete(struct api_call *c);
void access_certificate_create(struct api_call *c);
void access_certificate_delete(struct api_call *c);
void access_applied(struct api_call *c);
void access_policy_get(struct api_call *c);
void access_policy_put(struct api_call *c);
/* sds.c, status.c: our own, below /v1/sds */
void sds_join(struct api_call *c);
void sds_token_create(struct api_call *c);
void sds_token_list(struct api_call *c);
void sds_token_delete(struct api_call *c);
void sds_report(struct api_call *c);
void sds_record_read(struct api_call *c);
void sds_record_cas(struct api_call *c);
void sds_replica_created(struct api_call *c);
void sds_filesystem(struct api_call *c);
void sds_leftover_done(struct api_call *c);
void sds_reap(struct api_call *c);
void status_get(struct api_call *c);
void status_raft(struct api_call *c);
void status_local(struct api_call *c);

/* The body names the node that speaks, or none; false: c was answered. */
bool call_from_itself(struct api_call *c);
/* After -E_NO_NODES: what speaks against each pool becomes the details of the refusal. The
 * request's volume_sizes and select_filter count; resource: of one that is there, or group; NULL:
 * none. */
void explain_refusal(struct mutation *m, const struct change_env *env, const char *resource,
		     const char *group);
/* select_filter of a request -> where copies go; names are borrowed from body. -E_INVALID */
int place_of_body(json *body, struct change_place *ret, struct err *err);
/* The name that a request gives a resource, or, where it gives only what its user calls it, the one
 * that follows from that: itself, if it is a name, else one made of its digest. Too long: cut, so
 * that it is refused. */
void name_of_body(json *body, const char *name_key, const char *external_key,
		  char out[ROUTER_ARG_MAX]);
/* Layers that a request names for a copy of a resource, which has its own already: -E_BAD_LAYERS
 * when it asks for encryption and the resource is not encrypted. */
int check_layers(struct api *a, const char *resource, json *list, struct err *err);

#endif
