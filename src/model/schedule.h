/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schedule.h - snapshots that are taken by the clock, and go when there are newer ones: what is to
 * be done now. Pure. Which resources have a schedule say the properties of policy.h.
 */
#ifndef SDSD_MODEL_SCHEDULE_H
#define SDSD_MODEL_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/limits.h"

#define SCHEDULE_EVERY_MIN_S 60
#define SCHEDULE_EVERY_MAX_S (366 * 86400)
#define SCHEDULE_KEEP_MAX (SNAPSHOTS_PER_RESOURCE_MAX - 16) /* the others are for people */
#define SCHEDULE_KEEP_DEFAULT 10
#define SCHEDULE_PROP "sds/by-schedule" /* of a snapshot: "yes" */
#define SCHEDULE_NAME_MAX 32

/* "90s", "15m", "1h", "7d" -> seconds; 0: "off"; -1: none of these, or out of range */
int64_t schedule_parse_every(const char *text);
int schedule_parse_keep(const char *text); /* -1: no number from 1 to SCHEDULE_KEEP_MAX */
/* Is it time? made_ms: when each of the n present ones was made. One from the future (the clock was
 * put back) counts as made now. */
bool schedule_is_due(const int64_t *made_ms, int n, int64_t every_s, int64_t now_ms);
/* The one that goes, an index: the oldest, while there are more than keep; -1: none */
int schedule_excess(const int64_t *made_ms, int n, int keep);
/* "auto-20261126-190000", UTC */
void schedule_name(int64_t now_ms, char out[SCHEDULE_NAME_MAX]);

#endif
