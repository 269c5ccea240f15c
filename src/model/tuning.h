/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuning.h - the properties that weigh placement, by LINSTOR's names:
 *   of a pool, else of the cluster:
 *     MaxOversubscriptionRatio              for both of the following
 *     MaxTotalCapacityOversubscriptionRatio what a thin pool promises at most, in parts of its size
 *     MaxFreeCapacityOversubscriptionRatio  what one more copy may have, in parts of what is free
 *   of the cluster: Autoplacer/Weights/{MaxFreeSpace,MinReservedSpace,MinRscCount,MaxThroughput}
 *   of a pool: Autoplacer/MaxThroughput     bytes per second, for the weight of this name
 *   of a node: AutoplaceTarget, sds/cordon  node.h
 * The cluster's are those of the controller (policy.h).
 */
#ifndef SDSD_MODEL_TUNING_H
#define SDSD_MODEL_TUNING_H

#include "base/json.h"

#define RATIO_DEFAULT 2.0 /* promised / capacity of a thin pool */
#define RATIO_MIN 0.01
#define RATIO_MAX 1000.0
#define WEIGHT_MAX 1000000.0

struct ratios {
	double total, free;
};
struct weights {
	bool set; /* some property says so; else placement.h's order holds */
	double free_space, reserved, count, throughput;
};

/* props may be NULL. A value that tuning_check refuses counts as not set. */
struct ratios tuning_ratios(json *pool_props, json *cluster_props);
struct weights tuning_weights(json *cluster_props);
double tuning_throughput(json *pool_props); /* 0: not set */
/* of a pool or the cluster; -E_BAD_PROP, with what is possible; what: "pool n1/ssd" */
int tuning_check(const char *what, json *props, struct err *err);

#endif
