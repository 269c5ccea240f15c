/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scrub.h - what the last comparison of a resource's copies has found, and when the next one is
 * due. Pure. Properties (policy.h) say how often, and how fast.
 * "scrub/<resource>": {"resource","uuid","ended_ms","regions_compared","regions_unsettled",
 *                      "regions_differing","nodes":["n2"],"error","again":true}
 *                     uuid: of the resource; nodes: whose copies are not as most are; error: it
 *                     did not come to its end; again: something was repaired since. Gone with
 *                     the resource.
 */
#ifndef SDSD_MODEL_SCRUB_H
#define SDSD_MODEL_SCRUB_H

#include "base/json.h"

#define SCRUB_EVERY_MIN_S 86400
#define SCRUB_EVERY_MAX_S (366 * 86400)
#define SCRUB_RATE_MAX 1024 /* MiB/s that each node reads */
#define SCRUB_RATE_DEFAULT 4
#define SCRUB_RETRY_S 3600 /* after one that did not come to its end */
#define SCRUB_AGAIN_S 10   /* of what was repaired */
#define SCRUB_NODES_MAX 96

struct scrub {
	bool any; /* there was a comparison */
	int64_t ended_ms;
	int64_t compared, unsettled, differing; /* regions */
	char nodes[SCRUB_NODES_MAX];            /* "n2, n3", cut; "" */
	bool failed, again;
};

/* "1d".."366d", also in hours and so on -> seconds; 0: "off"; -1: none of these, or out of range */
int64_t scrub_parse_every(const char *text);
int scrub_parse_rate(const char *text); /* MiB/s; -1: no number from 1 to SCRUB_RATE_MAX */
/* doc: of that resource, else it counts as none; NULL: none */
struct scrub scrub_of(json *doc, const char *resource_uuid);
/* wall clock, ms; -1: never. every_s 0: only what was repaired is compared again. */
int64_t scrub_due_ms(const struct scrub *s, int64_t every_s, int64_t created_ms);
void scrub_key(const char *resource, char *out, size_t len);

#endif
