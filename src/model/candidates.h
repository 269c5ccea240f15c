/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * candidates.h - all pools of the cluster as placement looks at them: from the
 * documents, what nodes report, and what is promised. For the change functions
 * of this folder only.
 */
#ifndef SDSD_MODEL_CANDIDATES_H
#define SDSD_MODEL_CANDIDATES_H

#include "model/bundle.h"
#include "model/placement.h"

struct spot { /* owns the strings of a candidate */
	char node[NAME_MAX_LEN + 1];
	char pool[NAME_MAX_LEN + 1]; /* "": the node has no pool */
	char neighbour[NAME_MAX_LEN + 1];
	char cache[PLACEMENT_REASON_MAX]; /* why no cache can be beside it; "": it can */
	enum pool_kind kind;
	enum pool_task_kind task;
	const char *closed, *closed_named; /* when a person has named the node */
	json *node_props, *pool_props;     /* one reference each */
	uint64_t node_revision, pool_revision;
};

struct candidates {
	struct spot *spot;
	struct placement_pool *pool; /* of the same index */
	int n, cap;
	json *cluster_props; /* owned; may be NULL */
};

/* All of them, by the names of node and pool. b: the resource that they are for, or NULL. rules:
 * where neighbours are looked for, or NULL. Nothing of it is noted as read, so that two placements
 * conflict only in what they chose. Release it also after an error. */
int candidates_find(struct change_env *env, struct bundle *b, const struct place_rules *rules,
		    struct candidates *c, struct err *err);
/* those of the bundle's copies alone, at most REPLICAS_MAX */
int candidates_present(struct bundle *b, struct candidates *c, struct err *err);
void candidates_release(struct candidates *c);
/* this one was chosen: its node and its pool must still be the same */
void candidates_note(const struct candidates *c, int i, struct txn *t);

#endif
