/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict.h - one word about a resource, why, and what happens next by itself.
 * Pure: from what is wanted and what is seen. "unknown" is never taken for good.
 */
#ifndef SDSD_API_VERDICT_H
#define SDSD_API_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/limits.h"

#define VERDICT_TEXT_MAX 256

enum verdict { VERDICT_SAFE, VERDICT_DEGRADED, VERDICT_AT_RISK, VERDICT_UNAVAILABLE };

/* QUARANTINED: its disk has failed time and again, and is left alone until somebody says so.
 * SICK, BROKEN: attached, but its disk refused I/O; it takes no part until it is attached anew, by
 * itself or when its daemon is restarted. FAILED: it could not be made or attached, and its node
 * tries again. */
enum copy_state {
	COPY_UP,
	COPY_CREATING,
	COPY_FAILED,
	COPY_SICK,
	COPY_BROKEN,
	COPY_QUARANTINED,
	COPY_MENDING,  /* about to fetch again what was wrong in it */
	COPY_INACTIVE, /* not served on its node: somebody has said so */
	COPY_UNKNOWN
};

struct verdict_copy {
	const char *node;
	const char *resource; /* its name, where a command is to be named */
	enum copy_state state;
	bool in_sync;      /* in the record's set */
	bool leaving;      /* being deleted */
	double progress;   /* per cent caught up; -1 not catching up */
	int64_t left_s;    /* seconds until it has caught up; 0 or less: not known */
	int64_t away_ms;   /* COPY_UNKNOWN: its node's last report; -1 none yet */
	const char *error; /* what it complains of, or is in quarantine for; "" nothing */
	bool no_space;     /* COPY_SICK, COPY_BROKEN: the pool had none; error says which */
};

struct verdict_input {
	int wanted;  /* copies it is to have; 0: as many as there are */
	bool leader; /* some node leads: what is seen is worth something */
	int n;       /* copies with a disk; clients are not here */
	struct verdict_copy copy[REPLICAS_MAX];
};

struct verdict_result {
	enum verdict verdict;
	int good; /* copies in sync on nodes that answer */
	char reason[VERDICT_TEXT_MAX];
	char next[VERDICT_TEXT_MAX]; /* "" when there is nothing to do */
};

void verdict_of(const struct verdict_input *in, struct verdict_result *ret);

struct verdict_difference { /* as the last comparison of the copies has found */
	int64_t regions;
	const char *nodes;    /* whose copies are not as most are: "n2, n3" */
	bool mended;          /* something was repaired since */
	const char *resource; /* its name, where a command is to be named */
};
void verdict_add_difference(const struct verdict_difference *d, struct verdict_result *r);

/* the resource is not replicated, but reached by NVMe */
void verdict_add_nvme(struct verdict_result *r);

const char *verdict_name(enum verdict v); /* "safe", "degraded", "at risk", "unavailable" */

#endif
