/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement.h - which nodes and pools get the copies of a new or growing
 * resource. Pure: same input, same answer. docs/placement.md has the rules in
 * their order. Of the suitable pools one that is below WATERMARK_HIGH is taken before
 * one that is not; then, where weights are set, the one with the largest sum of them;
 * then the one with the most free space, in steps of 1/PLACEMENT_STEPS of the largest
 * pool, so that noise does not decide; then the one with the fewest replicas; then by
 * name. At most one replica on a node. Where rules speak of several copies together,
 * the best choice in this order that follows them is found, if there is one.
 */
#ifndef SDSD_MODEL_PLACEMENT_H
#define SDSD_MODEL_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/limits.h"
#include "model/rules.h"
#include "model/tuning.h"

#define PLACEMENT_STEPS 32
/* Choices that are tried before the search gives up and says so. What one key alone makes
 * impossible is seen without trying; several keys that cross each other can need many. */
#define PLACEMENT_TRIES_MAX 20000
#define PLACEMENT_REASON_MAX 200

struct placement_pool {          /* one candidate; strings borrowed */
	const char *node, *pool; /* pool NULL: the node has none (a witness) */
	enum pool_kind kind;
	const char *error; /* what its node says is wrong with the pool; NULL or "": nothing */
	bool online, thin;
	bool has_replica;            /* the resource has one on this node already */
	bool has_copy;               /* with a disk, which stays there: counts for the rules */
	const char *closed;          /* why the node takes nothing new; NULL: it does */
	const char *neighbour;       /* a resource that is there and must not be; NULL: none */
	const char *cache;           /* why no cache can be beside a copy here; NULL: it can */
	json *props;                 /* of the node, borrowed; NULL: none */
	int64_t free_kib, total_kib; /* -1 unknown */
	int meta_percent;            /* used of a thin pool's own metadata; -1: none, or unknown */
	int64_t promised_kib;        /* sizes of all replicas placed here, this one not counted */
	int64_t owed_kib;     /* of that, in a thick pool, what is not made yet: still free */
	int replicas;         /* count of replicas in this pool, for spreading */
	struct ratios ratios; /* of a thin pool; 0: RATIO_DEFAULT */
	double throughput;    /* for its weight */
};
struct placement_want {
	int64_t size_kib;
	int copies;               /* to add now */
	const char *const *nodes; /* allowed nodes; n_nodes 0: all */
	int n_nodes;
	const char *const *pools;
	int n_pools;
	const struct place_rules *rules; /* NULL: none */
	struct weights weights;
	/* Only the rules that do not change by themselves: not who is online, closed, full, or has
	 * a replica. For "could this ever be?" */
	bool ever;
};

/* in the order in which they are looked at */
enum placement_rule {
	PLACEMENT_CHOSEN,
	PLACEMENT_SUITABLE, /* but not needed */
	PLACEMENT_NODE_LIST,
	PLACEMENT_HAS_REPLICA,
	PLACEMENT_NO_POOL,
	PLACEMENT_OFFLINE,
	PLACEMENT_CLOSED,
	PLACEMENT_PROPERTY,  /* Key=value, or no such property */
	PLACEMENT_NEIGHBOUR, /* not_place_with_rsc */
	PLACEMENT_POOL_LIST,
	PLACEMENT_KIND,
	PLACEMENT_FAILED,
	PLACEMENT_SILENT, /* no report */
	PLACEMENT_FULL,
	PLACEMENT_ROOM,
	PLACEMENT_CACHE,    /* the pool for its cache */
	PLACEMENT_TOGETHER, /* not beside the copies that are there or chosen */
	PLACEMENT_RULES
};
struct placement_verdict {
	enum placement_rule rule;
	char why[PLACEMENT_REASON_MAX]; /* in words */
};
const char *placement_rule_name(enum placement_rule r); /* "no-room" */

/* Whether so much more can be in this pool now: why not, in words. Nothing is asked of its node. */
bool placement_fits(const struct placement_pool *p, int64_t size_kib,
		    char why[PLACEMENT_REASON_MAX]);
/* chosen[copies]: indexes into pools. -E_NO_NODES: err says how many were found of how many wanted,
 * and for each node the first rule that failed, with numbers. verdicts[n_pools], filled in both
 * cases; may be NULL. */
int placement_choose(const struct placement_pool *pools, int n_pools,
		     const struct placement_want *want, int *chosen, struct err *err,
		     struct placement_verdict *verdicts);
/* Whether copies that are in these pools may grow together by so much: the rules of placement that
 * concern pools. A pool without a report is passed over: its node finds out when it is back.
 * -ENOSPC: err says it of each pool, with numbers. */
int placement_room(const struct placement_pool *pools, int n_pools, int64_t more_kib,
		   struct err *err);
/* How many of the present copies (has_copy) are against the rules of want: its lists, properties,
 * neighbours, kinds, and the other copies. 0: none; else err (may be NULL) names them. Where one
 * more copy would go is what placement_choose answers, with the same want and copies 1. */
int placement_violations(const struct placement_pool *pools, int n_pools,
			 const struct placement_want *want, struct err *err);

#endif
