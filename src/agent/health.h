/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * health.h - how often the disk of a copy has failed lately: a copy whose disk
 * fails time and again is not attached for ever. No clock: the caller's time.
 */
#ifndef SDSD_AGENT_HEALTH_H
#define SDSD_AGENT_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_FAILURES 3            /* so many of them */
#define AGENT_FAILURES_MS 600000    /* within so long are too many */
#define AGENT_FAILURE_APART_MS 9000 /* closer ones are one and the same */

/* All zero: nothing has failed. */
struct agent_health {
	uint32_t told;                  /* the plane's number of failures, as seen last */
	uint64_t at_ns[AGENT_FAILURES]; /* of those that count, the oldest first */
	int n;
};

/* failures: the plane's number now, which begins anew with the plane. True: there are more of them,
 * and that is too often now. */
bool health_look(struct agent_health *h, uint32_t failures, uint64_t now);
void health_forget(struct agent_health *h); /* a new beginning; what the plane told is known */
/* "its disk failed 3 times in 4 min: data write: EIO"; error may be NULL */
void health_say(const struct agent_health *h, const char *error, char *out, size_t len);

#endif
