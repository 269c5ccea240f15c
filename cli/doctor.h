/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.h - what sdsd doctor looks at, and how it says what it has found. To add a check: a
 * function that calls doctor_say once for each thing it finds, also when all is well, and a line
 * in one of the tables in doctor_host.c (this machine) or doctor_cluster.c (what the daemon says).
 */
#ifndef SDSD_CLI_DOCTOR_H
#define SDSD_CLI_DOCTOR_H

#include <stdbool.h>

#include "base/json.h"
#include "cluster/identity.h"

#define DOCTOR_LOOK_MS 5000      /* for one answer of the daemon */
#define DOCTOR_LISTED_MAX 10     /* of one kind, volumes for example; then "and so many more" */
#define DOCTOR_DAYS_LEFT 30      /* fewer than these of a certificate are a warning */
#define DOCTOR_CLOCK_MAX_MS 2000 /* a node's clock from most others'; reports take up to 1.5 s */
#define DOCTOR_NODES_MAX 256     /* whose clocks are compared */
#define DOCTOR_SPACE_WARN_MIB 1024
#define DOCTOR_SPACE_FAIL_MIB 128

enum doctor_result { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
	const char *dir;    /* state directory, borrowed */
	int64_t now_ms;     /* wall clock */
	bool member;        /* id is filled in */
	struct identity id; /* of this machine */
	json *local;        /* GET /v1/sds/local; NULL: no daemon answers; owned */
	json *status;       /* GET /v1/sds/status; NULL; owned */
	json *checks;       /* [{"check","result","text","mend"}], owned */
	int count[DOCTOR_FAIL + 1];
};

/* check: one or two words, the thing that was looked at. mend: what to do, "" when nothing. */
void doctor_say(struct doctor *d, enum doctor_result result, const char *check, const char *mend,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void doctor_host(struct doctor *d);
/* nothing when status is NULL */
void doctor_cluster(struct doctor *d);
/* the part of it that looks at the nodes of the status document; asks nobody */
void doctor_nodes(struct doctor *d);

/* of texts, so that they can be tested */

/* Of lvmconfig's full output: does LVM look into our devices? NULL: no; else what to say. nbd: the
 * machine has such devices. */
const char *doctor_judge_lvm(const char *config, bool nbd);
/* of /proc/swaps: is one of our devices there? Its path in out. */
bool doctor_find_swap(const char *swaps, char *out, size_t len);

#endif
