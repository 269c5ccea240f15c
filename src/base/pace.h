/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pace.h - how fast something that is counted goes on, and how long the rest of it takes: of a copy
 * that catches up, of a comparison. Pure: the caller says what time it is.
 */
#ifndef SDSD_BASE_PACE_H
#define SDSD_BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SAMPLE_MS 500      /* counts nearer to the one before tell nothing */
#define PACE_SETTLE_MS 3000     /* what is newer than this has more weight than all before it */
#define PACE_LEFT_MAX_S 8640000 /* 100 days: nothing is said of what would take longer */

struct pace {         /* all zero: nothing was counted yet */
	bool counted; /* done and at_ms are valid */
	bool known;   /* per_s is, from two counts */
	int64_t at_ms;
	uint64_t done;
	double per_s;
};

/* So much of it is done now (monotonic ms). Less than before: it has begun anew. */
void pace_note(struct pace *p, int64_t now_ms, uint64_t done);
/* Seconds for what is left, rounded up; -1: not known, standing still, or over PACE_LEFT_MAX_S.
 * per_s and left in the same unit. */
int64_t pace_left_s(double per_s, double left);

#endif
