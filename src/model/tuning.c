// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tuning.c - see tuning.h. Called by candidates.c, and by change functions
 * where the properties are set. Pure. To add a property: a row below.
 */
#include "model/tuning.h"

#include <math.h>
#include <stdlib.h>

#define WEIGHTS "Autoplacer/Weights/"

static const struct number {
	const char *key;
	double min, max;
} numbers[] = {
	{ "MaxOversubscriptionRatio", RATIO_MIN, RATIO_MAX },
	{ "MaxTotalCapacityOversubscriptionRatio", RATIO_MIN, RATIO_MAX },
	{ "MaxFreeCapacityOversubscriptionRatio", RATIO_MIN, RATIO_MAX },
	{ WEIGHTS "MaxFreeSpace", 0, WEIGHT_MAX },
	{ WEIGHTS "MinReservedSpace", 0, WEIGHT_MAX },
	{ WEIGHTS "MinRscCount", 0, WEIGHT_MAX },
	{ WEIGHTS "MaxThroughput", 0, WEIGHT_MAX },
	{ "Autoplacer/MaxThroughput", 0, 1e15 },
};
enum { RATIO, RATIO_TOTAL, RATIO_FREE, FREE_SPACE, RESERVED, COUNT, THROUGHPUT, POOL_THROUGHPUT };

static bool parse(const struct number *n, const char *text, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !isfinite(value) || value < n->min || value > n->max)
		return false;
	*ret = value;
	return true;
}

static bool find(json *props, int which, double *ret)
{
	const char *text = jget_str(props, numbers[which].key, NULL);

	return text && parse(&numbers[which], text, ret);
}

/* The narrower property before the wider one at the pool, then both at the cluster, as LINSTOR
 * looks for them. */
static double ratio_of(json *pool_props, json *cluster_props, int which)
{
	double value = RATIO_DEFAULT;

	if (!find(pool_props, which, &value) && !find(pool_props, RATIO, &value) &&
	    !find(cluster_props, which, &value))
		find(cluster_props, RATIO, &value);
	return value;
}

struct ratios tuning_ratios(json *pool_props, json *cluster_props)
{
	return (struct ratios){ .total = ratio_of(pool_props, cluster_props, RATIO_TOTAL),
				.free = ratio_of(pool_props, cluster_props, RATIO_FREE) };
}

struct weights tuning_weights(json *cluster_props)
{
	struct weights w = { .free_space = 1 };

	w.set = find(cluster_props, FREE_SPACE, &w.free_space);
	w.set |= find(cluster_props, RESERVED, &w.reserved);
	w.set |= find(cluster_props, COUNT, &w.count);
	w.set |= find(cluster_props, THROUGHPUT, &w.throughput);
	return w;
}

double tuning_throughput(json *pool_props)
{
	double value = 0;

	find(pool_props, POOL_THROUGHPUT, &value);
	return value;
}

int tuning_check(const char *what, json *props, struct err *err)
{
	double value;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const char *text = jget_str(props, numbers[i].key, NULL);

		if (text && !parse(&numbers[i], text, &value))
			return err_set(err, -E_BAD_PROP,
				       "%s: property %s is \"%.40s\"; possible are numbers from "
				       "%g to %g",
				       what, numbers[i].key, text, numbers[i].min, numbers[i].max);
	}
	return 0;
}
