/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement.h - which nodes and pools get the copies of a new or growing
 * resource. Pure: same input, same answer. Of the suitable pools one that is below
 * WATERMARK_HIGH is taken before one that is not; then the one with the most free
 * space, in steps of 1/PLACEMENT_STEPS of the largest pool, so that noise does not
 * decide; then the one with the fewest replicas; then by name. At most one replica
 * on a node.
 */
#ifndef SDSD_MODEL_PLACEMENT_H
#define SDSD_MODEL_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/limits.h"

#define PLACEMENT_OVERCOMMIT 2.0 /* promised / capacity of a thin pool */
#define PLACEMENT_STEPS 32

struct placement_pool {          /* one candidate; strings borrowed */
	const char *node, *pool; /* pool NULL: the node has none (a witness) */
	const char *error; /* what its node says is wrong with the pool; NULL or "": nothing */
	bool online, thin;
	bool has_replica;            /* the resource has one on this node already */
	bool target;                 /* node property AutoplaceTarget is not "false" */
	int64_t free_kib, total_kib; /* -1 unknown */
	int meta_percent;            /* used of a thin pool's own metadata; -1: none, or unknown */
	int64_t promised_kib;        /* sizes of all replicas placed here, this one not counted */
	int replicas;                /* count of replicas in this pool, for spreading */
};
struct placement_want {
	int64_t size_kib;
	int copies;               /* to add now */
	const char *const *nodes; /* allowed nodes; n_nodes 0: all */
	int n_nodes;
	const char *const *pools;
	int n_pools;
};
/* chosen[copies]: indexes into pools. -E_NO_NODES: err says how many were found of how many wanted,
 * and for each node the first rule that failed, with numbers. */
int placement_choose(const struct placement_pool *pools, int n_pools,
		     const struct placement_want *want, int *chosen, struct err *err,
		     struct buf *explain /* may be NULL: all nodes, a line each */);
/* Whether copies that are in these pools may grow together by so much: the rules of placement that
 * concern pools. A pool without a report is passed over: its node finds out when it is back.
 * -ENOSPC: err says it of each pool, with numbers. */
int placement_room(const struct placement_pool *pools, int n_pools, int64_t more_kib,
		   struct err *err);

#endif
