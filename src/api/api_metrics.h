/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_metrics.h - how many requests this node was asked, how they ended, how long they took. */
#ifndef SDSD_API_API_METRICS_H
#define SDSD_API_API_METRICS_H

#include <stdint.h>

#include "base/buf.h"

#define API_CLASSES 4    /* user's reads, user's changes, nodes' requests, everything else */
#define API_CODES_MAX 32 /* different HTTP codes of one class; others count as code 0 */
#define API_BUCKETS 12

struct api_counts {
	struct {
		int code;
		uint64_t n;
	} code[API_CLASSES][API_CODES_MAX];
	uint64_t bucket[API_CLASSES][API_BUCKETS + 1]; /* not yet cumulated; the last: +Inf */
	double seconds[API_CLASSES];
	int in_flight;
};

struct api_call;
void api_count_begin(struct api_call *c);
/* status 0: it got no answer here (a stream) */
void api_count_end(struct api_call *c, int status);
void api_counts_write(const struct api_counts *n, struct buf *out);

#endif
