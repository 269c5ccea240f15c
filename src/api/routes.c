// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * routes.c - the table of the API. To add an operation: a handler in handlers.h
 * and one row here. The order does not matter: no two patterns of one method
 * match the same path.
 */
#include "api/handlers.h"

#define N "/v1/nodes/{}"
#define RG "/v1/resource-groups/{}"
#define RD "/v1/resource-definitions/{}"
#define SDS "/v1/sds/"
#define PROPS "/v1/controller/properties"
#define KVS "/v1/key-value-store"
#define NC "/v1/node-connections"
#define SPD "/v1/storage-pool-definitions"
#define ENC "/v1/encryption/passphrase"
#define ANY (WHO_USER | WHO_GUEST | WHO_NODE)
#define KNOWN (WHO_USER | WHO_NODE) /* what leads to more than the API itself */

const struct route api_routes[] = {
	{ "GET", "/v1/controller/version", ANY, PLACE_HERE, 0, RC_CTRL, version_get },
	{ "GET", "/health", ANY, PLACE_HERE, 0, RC_CTRL, health_get },
	{ "GET", "/", ANY, PLACE_HERE, 0, RC_CTRL, root_get },

	{ "GET", PROPS, ANY, PLACE_READ, 0, RC_CTRL, controller_props },
	{ "POST", PROPS, ANY, PLACE_LEADER, RC_MOD, RC_CTRL, controller_modify },
	{ "DELETE", PROPS "/{*}", ANY, PLACE_LEADER, RC_DEL, RC_CTRL, controller_delete },
	{ "GET", KVS, ANY, PLACE_READ, 0, RC_KVS, kvs_list },
	{ "GET", KVS "/{}", ANY, PLACE_READ, 0, RC_KVS, kvs_get },
	{ "PUT", KVS "/{}", ANY, PLACE_LEADER, RC_MOD, RC_KVS, kvs_modify },
	{ "DELETE", KVS "/{}", ANY, PLACE_LEADER, RC_DEL, RC_KVS, kvs_delete },
	{ "GET", "/v1/stats/{}", ANY, PLACE_READ, 0, RC_CTRL, stats_get },
	{ "GET", "/v1/remotes", ANY, PLACE_HERE, 0, RC_CTRL, absent_remotes },
	{ "GET", "/v1/remotes/s3", ANY, PLACE_HERE, 0, RC_CTRL, absent_list },
	{ "GET", "/v1/remotes/linstor", ANY, PLACE_HERE, 0, RC_CTRL, absent_list },
	{ "GET", "/v1/remotes/ebs", ANY, PLACE_HERE, 0, RC_CTRL, absent_list },
	{ "GET", "/v1/error-reports", ANY, PLACE_HERE, 0, RC_CTRL, absent_list },
	{ "GET", "/v1/error-reports/{}", ANY, PLACE_HERE, 0, RC_CTRL, absent_list },
	{ "GET", "/v1/files", ANY, PLACE_HERE, 0, RC_CTRL, absent_list },
	{ "GET", "/v1/schedules", ANY, PLACE_HERE, 0, RC_CTRL, absent_data },
	{ "GET", "/v1/view/schedules-by-resource", ANY, PLACE_HERE, 0, RC_CTRL, absent_data },

	{ "GET", "/v1/nodes", ANY, PLACE_READ, 0, RC_NODE, nodes_list },
	{ "POST", "/v1/nodes", ANY, PLACE_HERE, RC_CRT, RC_NODE, nodes_post },
	{ "GET", N, ANY, PLACE_READ, 0, RC_NODE, nodes_get },
	{ "PUT", N, ANY, PLACE_LEADER, RC_MOD, RC_NODE, nodes_modify },
	{ "DELETE", N, ANY, PLACE_LEADER, RC_DEL, RC_NODE, nodes_delete },
	{ "PUT", N "/evacuate", ANY, PLACE_LEADER, RC_MOD, RC_NODE, nodes_evacuate },
	{ "PUT", N "/restore", ANY, PLACE_LEADER, RC_MOD, RC_NODE, nodes_restore },
	{ "DELETE", N "/lost", ANY, PLACE_LEADER, RC_DEL, RC_NODE, nodes_lost },
	{ "GET", SDS "drain/{}", ANY, PLACE_FRESH, 0, RC_NODE, nodes_drain },
	{ "PUT", N "/reconnect", ANY, PLACE_FRESH, RC_MOD, RC_NODE, nodes_reconnect },
	{ "GET", N "/net-interfaces", ANY, PLACE_READ, 0, RC_NET_IF, netifs_list },
	{ "POST", N "/net-interfaces", ANY, PLACE_LEADER, RC_CRT, RC_NET_IF, netifs_create },
	{ "GET", N "/net-interfaces/{}", ANY, PLACE_READ, 0, RC_NET_IF, netifs_get },
	{ "PUT", N "/net-interfaces/{}", ANY, PLACE_LEADER, RC_MOD, RC_NET_IF, netifs_modify },
	{ "DELETE", N "/net-interfaces/{}", ANY, PLACE_LEADER, RC_DEL, RC_NET_IF, netifs_delete },
	{ "GET", NC, ANY, PLACE_READ, 0, RC_NODE_CONN, node_connections_list },
	{ "GET", NC "/{}/{}", ANY, PLACE_READ, 0, RC_NODE_CONN, node_connections_get },
	{ "PUT", NC "/{}/{}", ANY, PLACE_LEADER, RC_MOD, RC_NODE_CONN, node_connections_modify },

	{ "GET", "/v1/view/storage-pools", ANY, PLACE_READ, 0, RC_STOR_POOL, pools_view },
	{ "GET", N "/storage-pools", ANY, PLACE_READ, 0, RC_STOR_POOL, pools_list },
	{ "POST", N "/storage-pools", ANY, PLACE_LEADER, RC_CRT, RC_STOR_POOL, pools_create },
	{ "GET", N "/storage-pools/{}", ANY, PLACE_READ, 0, RC_STOR_POOL, pools_get },
	{ "PUT", N "/storage-pools/{}", ANY, PLACE_LEADER, RC_MOD, RC_STOR_POOL, pools_modify },
	{ "DELETE", N "/storage-pools/{}", ANY, PLACE_LEADER, RC_DEL, RC_STOR_POOL, pools_delete },
	{ "GET", SPD, ANY, PLACE_READ, 0, RC_STOR_POOL_DFN, pool_definitions_list },
	{ "POST", SPD, ANY, PLACE_LEADER, RC_CRT, RC_STOR_POOL_DFN, pool_definitions_create },
	{ "GET", SPD "/{}", ANY, PLACE_READ, 0, RC_STOR_POOL_DFN, pool_definitions_get },
	{ "PUT", SPD "/{}", ANY, PLACE_LEADER, RC_MOD, RC_STOR_POOL_DFN, pool_definitions_modify },
	{ "DELETE", SPD "/{}", ANY, PLACE_LEADER, RC_DEL, RC_STOR_POOL_DFN,
	  pool_definitions_delete },

	{ "GET", "/v1/physical-storage", ANY, PLACE_READ, 0, RC_NODE, disks_physical },
	{ "GET", "/v1/physical-storage/{}", ANY, PLACE_READ, 0, RC_NODE, disks_physical_node },
	{ "POST", "/v1/physical-storage/{}", ANY, PLACE_LEADER, RC_CRT, RC_STOR_POOL, disks_make },

	{ "GET", "/v1/resource-groups", ANY, PLACE_READ, 0, RC_RSC_GRP, groups_list },
	{ "POST", "/v1/resource-groups", ANY, PLACE_LEADER, RC_CRT, RC_RSC_GRP, groups_create },
	{ "GET", RG, ANY, PLACE_READ, 0, RC_RSC_GRP, groups_get },
	{ "PUT", RG, ANY, PLACE_LEADER, RC_MOD, RC_RSC_GRP, groups_modify },
	{ "DELETE", RG, ANY, PLACE_LEADER, RC_DEL, RC_RSC_GRP, groups_delete },
	{ "POST", RG "/spawn", ANY, PLACE_LEADER, RC_CRT, RC_RSC_DFN, groups_spawn },

	{ "GET", "/v1/resource-definitions", ANY, PLACE_READ, 0, RC_RSC_DFN, definitions_list },
	{ "POST", "/v1/resource-definitions", ANY, PLACE_LEADER, RC_CRT, RC_RSC_DFN,
	  definitions_create },
	{ "GET", RD, ANY, PLACE_READ, 0, RC_RSC_DFN, definitions_get },
	{ "PUT", RD, ANY, PLACE_LEADER, RC_MOD, RC_RSC_DFN, definitions_modify },
	{ "DELETE", RD, ANY, PLACE_LEADER, RC_DEL, RC_RSC_DFN, definitions_delete },

	{ "GET", RD "/volume-definitions", ANY, PLACE_READ, 0, RC_VLM_DFN, volumes_list },
	{ "POST", RD "/volume-definitions", ANY, PLACE_LEADER, RC_CRT, RC_VLM_DFN, volumes_create },
	{ "GET", RD "/volume-definitions/{}", ANY, PLACE_READ, 0, RC_VLM_DFN, volumes_get },
	{ "PUT", RD "/volume-definitions/{}", ANY, PLACE_LEADER, RC_MOD, RC_VLM_DFN,
	  volumes_modify },
	{ "DELETE", RD "/volume-definitions/{}", ANY, PLACE_LEADER, RC_DEL, RC_VLM_DFN,
	  volumes_delete },

	{ "GET", RD "/resource-connections", ANY, PLACE_READ, 0, RC_RSC_CONN,
	  resource_connections_list },
	{ "GET", RD "/resource-connections/{}/{}", ANY, PLACE_READ, 0, RC_RSC_CONN,
	  resource_connections_get },
	{ "PUT", RD "/resource-connections/{}/{}", ANY, PLACE_LEADER, RC_MOD, RC_RSC_CONN,
	  resource_connections_modify },

	{ "GET", "/v1/view/resources", ANY, PLACE_READ, 0, RC_RSC, replicas_view },
	{ "GET", RD "/resources", ANY, PLACE_READ, 0, RC_RSC, replicas_list },
	{ "POST", RD "/resources", ANY, PLACE_LEADER, RC_CRT, RC_RSC, replicas_create_many },
	{ "GET", RD "/resources/{}", ANY, PLACE_READ, 0, RC_RSC, replicas_get },
	{ "POST", RD "/resources/{}", ANY, PLACE_LEADER, RC_CRT, RC_RSC, replicas_create },
	{ "DELETE", RD "/resources/{}", ANY, PLACE_LEADER, RC_DEL, RC_RSC, replicas_delete },
	{ "POST", RD "/resources/{}/make-available", ANY, PLACE_LEADER, RC_CRT, RC_RSC,
	  replicas_available },
	{ "GET", RD "/resources/{}/volumes", ANY, PLACE_READ, 0, RC_RSC, replicas_volumes },
	{ "GET", RD "/resources/{}/volumes/{}", ANY, PLACE_READ, 0, RC_RSC, replicas_volume },
	{ "POST", RD "/autoplace", ANY, PLACE_LEADER, RC_CRT, RC_RSC, replicas_autoplace },

	{ "GET", ENC, ANY, PLACE_READ, 0, RC_CTRL, encryption_status },
	{ "POST", ENC, ANY, PLACE_LEADER, RC_CRT, RC_CTRL, encryption_create },
	{ "PUT", ENC, ANY, PLACE_LEADER, RC_MOD, RC_CTRL, encryption_modify },
	{ "PATCH", ENC, ANY, PLACE_LEADER, RC_MOD, RC_CTRL, encryption_enter },
	{ "POST", SDS "master-key", WHO_NODE, PLACE_LEADER, RC_MOD, RC_CTRL, encryption_key },

	{ "GET", "/v1/view/snapshots", ANY, PLACE_READ, 0, RC_SNAPSHOT, snapshots_view },
	{ "POST", "/v1/actions/snapshot/multi", ANY, PLACE_LEADER, RC_CRT, RC_SNAPSHOT,
	  snapshots_create_many },
	{ "GET", RD "/snapshots", ANY, PLACE_READ, 0, RC_SNAPSHOT, snapshots_list },
	{ "POST", RD "/snapshots", ANY, PLACE_LEADER, RC_CRT, RC_SNAPSHOT, snapshots_create },
	{ "GET", RD "/snapshots/{}", ANY, PLACE_READ, 0, RC_SNAPSHOT, snapshots_get },
	{ "DELETE", RD "/snapshots/{}", ANY, PLACE_LEADER, RC_DEL, RC_SNAPSHOT, snapshots_delete },
	{ "POST", RD "/snapshot-restore-volume-definition/{}", ANY, PLACE_LEADER, RC_CRT,
	  RC_VLM_DFN, snapshots_restore_volumes },
	{ "POST", RD "/snapshot-restore-resource/{}", ANY, PLACE_LEADER, RC_CRT, RC_RSC,
	  snapshots_restore },
	{ "POST", RD "/snapshot-rollback/{}", ANY, PLACE_LEADER, RC_MOD, RC_SNAPSHOT,
	  snapshots_rollback },
	{ "POST", RD "/clone", ANY, PLACE_LEADER, RC_CRT, RC_RSC_DFN, clones_create },
	{ "GET", RD "/clone/{}", ANY, PLACE_READ, 0, RC_RSC_DFN, clones_get },

	{ "POST", SDS "pools/{}/{}/extend", ANY, PLACE_LEADER, RC_MOD, RC_STOR_POOL, pools_extend },
	{ "POST", SDS "pools/{}/{}/replace", ANY, PLACE_LEADER, RC_MOD, RC_STOR_POOL,
	  pools_replace },
	{ "POST", SDS "pool-done", WHO_NODE, PLACE_LEADER, RC_MOD, RC_STOR_POOL, sds_pool_done },
	{ "GET", SDS "disks", ANY, PLACE_READ, 0, RC_NODE, disks_all },
	{ "GET", SDS "status", ANY, PLACE_READ, 0, RC_CTRL, status_get },
	{ "GET", SDS "nodes-raft", ANY, PLACE_HERE, 0, RC_CTRL, status_raft },
	{ "GET", SDS "local", ANY, PLACE_HERE, 0, RC_CTRL, status_local },
	{ "GET", SDS "tokens", ANY, PLACE_READ, 0, RC_CTRL, sds_token_list },
	{ "POST", SDS "tokens", KNOWN, PLACE_LEADER, RC_CRT, RC_CTRL, sds_token_create },
	{ "DELETE", SDS "tokens/{}", KNOWN, PLACE_LEADER, RC_DEL, RC_CTRL, sds_token_delete },
	{ "GET", SDS "access", ANY, PLACE_READ, 0, RC_CTRL, access_list },
	{ "POST", SDS "access/tokens", KNOWN, PLACE_LEADER, RC_CRT, RC_CTRL, access_token_create },
	{ "DELETE", SDS "access/tokens/{}", KNOWN, PLACE_LEADER, RC_DEL, RC_CTRL,
	  access_token_delete },
	{ "POST", SDS "access/certificates", KNOWN, PLACE_LEADER, RC_CRT, RC_CTRL,
	  access_certificate_create },
	{ "DELETE", SDS "access/certificates/{}", KNOWN, PLACE_LEADER, RC_DEL, RC_CTRL,
	  access_certificate_delete },
	{ "GET", SDS "access-policy", ANY, PLACE_READ, 0, RC_CTRL, access_policy_get },
	{ "PUT", SDS "access-policy", KNOWN, PLACE_LEADER, RC_MOD, RC_CTRL, access_policy_put },
	{ "POST", SDS "join", WHO_JOIN, PLACE_LEADER, RC_CRT, RC_NODE, sds_join },

	{ "POST", SDS "adopt", KNOWN, PLACE_LEADER, RC_CRT, RC_RSC_DFN, adopt_create },
	{ "POST", SDS "adopt-look", WHO_NODE, PLACE_HERE, 0, RC_RSC_DFN, adopt_look },
	{ "POST", SDS "freeze", WHO_NODE, PLACE_HERE, RC_MOD, RC_RSC_DFN, snapshot_freeze },
	{ "POST", SDS "thaw", WHO_NODE, PLACE_HERE, RC_MOD, RC_RSC_DFN, snapshot_thaw },
	{ "POST", SDS "snapshot-here", WHO_NODE, PLACE_HERE, RC_CRT, RC_SNAPSHOT, snapshot_here },
	{ "POST", SDS "snapshot-taken", WHO_NODE, PLACE_LEADER, RC_MOD, RC_SNAPSHOT,
	  snapshot_taken },
	{ "POST", SDS "checksum", WHO_NODE, PLACE_HERE, 0, RC_RSC_DFN, snapshot_checksum },
	{ "POST", SDS "verify/{}", ANY, PLACE_LEADER, RC_MOD, RC_RSC_DFN, verify_start },
	{ "GET", SDS "verify/{}", ANY, PLACE_FRESH, 0, RC_RSC_DFN, verify_get },
	{ "POST", SDS "clone-advance", WHO_NODE, PLACE_LEADER, RC_MOD, RC_SNAPSHOT,
	  clones_advance },
	{ "POST", SDS "report", WHO_NODE, PLACE_LEADER, 0, RC_NODE, sds_report },
	{ "POST", SDS "record-read", WHO_NODE, PLACE_FRESH, 0, RC_RSC_DFN, sds_record_read },
	{ "POST", SDS "record-cas", WHO_NODE, PLACE_LEADER, RC_MOD, RC_RSC_DFN, sds_record_cas },
	{ "POST", SDS "replica-created", WHO_NODE, PLACE_LEADER, RC_MOD, RC_RSC,
	  sds_replica_created },
	{ "POST", SDS "replica-failed", WHO_NODE, PLACE_LEADER, RC_MOD, RC_RSC, quarantine_failed },
	{ "POST", SDS "replicas/{}/{}/repair", ANY, PLACE_LEADER, RC_MOD, RC_RSC,
	  quarantine_repair },
	{ "POST", SDS "replicas/{}/{}/replace", ANY, PLACE_LEADER, RC_MOD, RC_RSC,
	  quarantine_replace },
	{ "POST", SDS "upkeep", WHO_NODE, PLACE_LEADER, RC_MOD, RC_RSC, upkeep_step },
	{ "POST", SDS "node-away", WHO_NODE, PLACE_LEADER, RC_MOD, RC_NODE, upkeep_away },
	{ "POST", SDS "node-forget", WHO_NODE, PLACE_LEADER, RC_DEL, RC_NODE, upkeep_forget },
	{ "POST", SDS "leftover-done", WHO_NODE, PLACE_LEADER, RC_DEL, RC_RSC, sds_leftover_done },
	{ "POST", SDS "reap", WHO_NODE, PLACE_LEADER, RC_DEL, RC_RSC, sds_reap },
};

size_t api_routes_count(void)
{
	return sizeof(api_routes) / sizeof(api_routes[0]);
}
