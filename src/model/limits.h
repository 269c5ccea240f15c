/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limits.h - every limit of the object model, by name; docs/limits in README. */
#ifndef SDSD_MODEL_LIMITS_H
#define SDSD_MODEL_LIMITS_H

#define NAME_MAX_LEN 48 /* node, resource, group */
#define NAME_MIN_LEN 2
#define EXTERNAL_NAME_MAX 255 /* bytes of what a resource's user calls it */
#define POOL_NAME_MIN_LEN 3
#define NODES_MAX 256 /* of a cluster; node ids 1.. */
#define POOLS_PER_NODE_MAX 32
#define POOL_DEVICES_MAX 32 /* that a pool was made of */
#define DEVICE_LEN_MAX 255  /* of a path such as /dev/disk/by-id/... */
#define RESOURCES_MAX 100000
#define VOLUMES_PER_RESOURCE_MAX 16
#define REPLICAS_MAX 16 /* slots of a resource, copies and diskless clients together */
#define SNAPSHOTS_PER_RESOURCE_MAX 256
#define COPIES_MAX 7
#define COPIES_DEFAULT 2
#define VOLUME_KIB_MIN 4
#define VOLUME_REGION_KIB 64 /* of the replication */
/* as the replication and the encryption lay it out (docs/ondisk.md); test/unit/agent/test_extra.c
 * compares */
#define META_PAGE_KIB 4
#define META_HEAD_PAGES 6
#define META_PAGE_REGIONS 960
#define LUKS_HEADER_KIB (16 << 10)
#define VOLUME_KIB_MAX (16ll << 30) /* 16 TiB */
#define PROPS_MAX 128               /* per object */
#define KVS_MAX 256                 /* key-value stores */
#define KVS_PROPS_MAX 2048          /* of one of them */
#define POOL_DEFINITIONS_MAX 256    /* that have properties, or no pool yet */
#define NETIFS_MAX 16               /* of a node, with its own address */
#define NETIF_NAME_MIN_LEN 3
#define NETIF_NAME_MAX_LEN 32
#define PROP_KEY_MAX 256
#define PROP_VALUE_MAX 4096
#define MINOR_FIRST 1000
#define MINOR_LAST 1048575
#define PATH_LEN_MAX 1024
#define ADDRESS_LEN_MAX 128

#endif
