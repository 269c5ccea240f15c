/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metric.h - writes the text format of Prometheus: HELP and TYPE once, the
 * values of one name together, labels escaped. Pure.
 */
#ifndef SDSD_API_METRIC_H
#define SDSD_API_METRIC_H

#include "base/buf.h"

#define METRIC_TEXT_MAX (32u << 20) /* bytes of one answer */

/* Begins a metric: the values that follow belong to it. type: "gauge", "counter", "histogram" */
void metric_begin(struct buf *out, const char *name, const char *type, const char *help);
/* One value. labels: name, value, name, value, ... NULL. suffix: "" or, of a histogram, "_bucket",
 * "_sum", "_count". What does not fit into out is left out. */
void metric_add(struct buf *out, const char *name, const char *suffix, double value, ...)
	__attribute__((sentinel));
/* begin and one value without labels */
void metric_one(struct buf *out, const char *name, const char *type, const char *help,
		double value);

#endif
