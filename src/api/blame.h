/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blame.h - copies differ: which of them are wrong, and what they have to fetch again. Pure. Copies
 * are numbers here, those of one comparison (verify.h).
 */
#ifndef SDSD_API_BLAME_H
#define SDSD_API_BLAME_H

#include "model/refetch.h"

#define BLAME_MAJORITY (-1)

struct difference {
	int number;   /* of the volume */
	uint64_t off; /* of the region, bytes */
	uint32_t in;  /* mask of the copies that were compared there */
	uint32_t odd; /* of those that are not like most; without a majority all of them */
	uint32_t crc[REPLICAS_MAX];
};

struct blame_input {
	int n; /* copies */
	const struct difference *d;
	int n_d;
	bool more; /* there are more differences than these */
	/* mask of copies that each one differs from somewhere, of all differences */
	const uint32_t *unlike;
};

/* mask of copies that are not like most of those in; of two that differ both; 0: all are alike */
uint32_t blame_odd(uint32_t in, const uint32_t *crc, int n);
/* Which copies fetch what, so that at each of these regions all others are right: a mask; 0:
 * nobody knows. from: the copy that is right, whatever the others say, or BLAME_MAJORITY: more
 * than half of three copies or more. Where different copies are wrong at different places it is
 * one round of several. ret: of the copies in the mask */
uint32_t blame_plan(const struct blame_input *in, int from, struct refetch ret[REPLICAS_MAX]);

#endif
