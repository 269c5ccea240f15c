/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refetch.h - regions of a copy that are to be fetched from the other copies again, since what it
 * has there is wrong. Part of the replica's document (resource.h) while it is inactive for it:
 *   "refetch":{"whole":true} or "refetch":{"regions":[{"number":0,"offset":65536}]}
 * number: of the volume; offset: in bytes, where a region begins. Pure.
 */
#ifndef SDSD_MODEL_REFETCH_H
#define SDSD_MODEL_REFETCH_H

#include "base/json.h"
#include "model/limits.h"

#define REFETCH_MAX 64       /* regions; more of them: the whole copy */
#define REFETCH_REGION 65536 /* bytes: the replication's */

struct refetch {
	bool wanted; /* there is something to fetch again */
	bool whole;  /* everything */
	int n;
	struct {
		int number;
		uint32_t region; /* index in the volume */
	} at[REFETCH_MAX];
};

/* One more region; more than REFETCH_MAX of them make it the whole copy. */
void refetch_add(struct refetch *r, int number, uint32_t region);
/* doc: of a replica; what: how errors call it. -E_INVALID */
int refetch_parse(json *doc, const char *what, struct refetch *ret, struct err *err);
void refetch_write(json *doc, const struct refetch *r); /* nothing wanted: removes it */
bool refetch_same(const struct refetch *a, const struct refetch *b);

#endif
