/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify.h - a comparison of the copies of a resource, as the leader keeps it: shared by verify.c
 * (compares), verify_repair.c (what is done about differences) and scrub.c (by the clock).
 */
#ifndef SDSD_API_VERIFY_H
#define SDSD_API_VERIFY_H

#include "api/blame.h"
#include "api/view.h"

#define VERIFY_REGION 65536u
#define VERIFY_STRETCH_REGIONS 64
#define VERIFY_MIB_S 40     /* asked for by people; by the clock: sds/scrub-rate */
#define VERIFY_SHOWN_MAX 64 /* differences that are kept, of all that are counted */
#define VERIFY_LOOKS_MAX 8  /* at one stretch: then it is left as not settled */
#define VERIFY_KEPT_MAX 100 /* comparisons, under way and over */

enum verify_step { STEP_LOOK, STEP_FREEZE, STEP_LOOK_HELD, STEP_THAW, STEP_OVER };

struct verify_copy {
	char node[NAME_MAX_LEN + 1];
	bool in; /* in sync at this look */
	uint32_t crc[VERIFY_STRETCH_REGIONS];
	int64_t regions_off; /* where it was not like the first one */
};

struct verify {
	struct verify *next;
	struct api *api;
	struct view view; /* of this look */
	bool loaded;
	char resource[NAME_MAX_LEN + 1];
	int64_t started_ms, ended_ms;
	int mib_s; /* not faster */
	enum verify_step step;
	int at_volume; /* index */
	uint64_t at;
	int looks, pending;
	bool bad_look; /* some node could not say */
	struct record before;
	uint64_t token;
	char writer[NAME_MAX_LEN + 1];
	int n;
	struct verify_copy copy[REPLICAS_MAX];
	uint64_t regions;                            /* of all its volumes, as at the last look */
	uint64_t compared, unsettled, n_differences; /* regions */
	struct difference shown[VERIFY_SHOWN_MAX];
	uint32_t unlike[REPLICAS_MAX]; /* of all differences, as blame.h has it */
	bool repaired;                 /* it says how things were before that */
	bool moved;                    /* it ended as another node leads now */
	char error[ERR_TEXT_MAX];
	int refs; /* the list, and what is under way */
};

/* The newest of that resource; NULL: none, or this leader does not know it */
struct verify *verify_find(struct api *a, const char *resource);
/* Begins one, unless one is under way, which is made as fast. -E_NOT_FOUND; -EBUSY: too many are
 * under way */
int verify_begin(struct api *a, const char *resource, int mib_s, struct verify **ret,
		 struct err *err);
bool verify_running(const struct api *a); /* any */
void scrub_ended(const struct verify *v); /* scrub.c: its result is kept */

#endif
