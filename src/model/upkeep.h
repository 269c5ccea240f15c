/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upkeep.h - what the cluster does by itself so that a resource has its copies: one
 * plan for each resource, made by one function, so that what moves a copy away, what replaces a
 * lost one and what trims one too many cannot work against each other. Pure.
 * The rules, in their order: docs/upkeep.md.
 */
#ifndef SDSD_MODEL_UPKEEP_H
#define SDSD_MODEL_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "model/limits.h"

#define UPKEEP_REBUILD_MIN_S 10
#define UPKEEP_REBUILD_MAX_S (366 * 86400)
#define UPKEEP_REBUILD_DEFAULT_S 3600
/* More of the nodes than this are away: that is the network, not the nodes, and nothing is made
 * anew because of it. */
#define UPKEEP_AWAY_MAX_PERCENT 34
/* A leader that is younger than this, or than sds/rebuild-after, has not seen for itself that
 * somebody is away: all may just have been switched on. */
#define UPKEEP_PATIENCE_S 120
#define UPKEEP_TEXT_MAX 160
/* Records and reports of who has a volume open come one after the other: who sees them disagree
 * looks again so soon. */
#define UPKEEP_AGREE_MS 2000

struct upkeep_sight {       /* of the leader, for all resources */
	bool many_away;     /* UPKEEP_AWAY_MAX_PERCENT is passed */
	int64_t watched_ms; /* since it leads */
};

enum upkeep_fate {
	UPKEEP_STAYS,
	UPKEEP_LEAVES, /* its node is being evacuated, or it moves: goes when it is not needed */
	UPKEEP_LOST,   /* its node will never be back */
};

struct upkeep_replica {
	const char *node;
	bool diskless;
	bool deleting; /* somebody has said that it goes */
	bool in_set;   /* the record's */
	bool fit;      /* its node answers and it is attached; with in_set: it has everything */
	bool open;
	enum upkeep_fate fate;
	int64_t out_ms; /* for so long its node does not answer or it is in quarantine; -1: it is
			 * not so */
	bool writer;    /* the record's */
	bool lives;     /* such a one that is out serves, or another node's link to it is up */
	/* a copy: since then (wall clock) it has the disk that it got because the volume was in use
	 * there; 0: it has been placed */
	int64_t drawn_ms;
	bool waits; /* such a copy whose disk takes part when the volume was closed there once */
	/* a client */
	int64_t diskful_ms; /* it gets a disk when it was open for so long (policy.h); -1: never */
	int64_t open_ms;    /* noted to be open for so long; -1: nothing is noted */
};

struct upkeep_input {
	int copies;       /* wanted */
	int64_t after_ms; /* sds/rebuild-after (policy.h); -1: off */
	struct upkeep_sight sight;
	bool no_place; /* for another copy, as placement has just said */
	int n;
	struct upkeep_replica replica[REPLICAS_MAX];
};

enum upkeep_what {
	UPKEEP_NOTHING,
	UPKEEP_ADD,    /* a copy, where the rules of placement say */
	UPKEEP_REMOVE, /* replica[which] */
	UPKEEP_UNNAME, /* replica[which] died as writer: the record does not name it any more */
	UPKEEP_NOTE,   /* the client replica[which] is open, from now on; or it is not (any more) */
	UPKEEP_DISK,   /* the client replica[which] gets a disk */
};

struct upkeep_plan {
	enum upkeep_what what;
	int which;
	int64_t again_ms;          /* NOTHING: something is due in so much time; -1: no */
	bool refused;              /* NOTHING, since the rules of leaving or placement say no */
	bool calm;                 /* NOTHING, and nothing but a change of documents or of nodes
				    * can lead to something */
	bool learning;             /* a copy that counts has not everything yet */
	char why[UPKEEP_TEXT_MAX]; /* what is done, or waited for, and why; "": all is well */
};

/* "60m" -> 3 600 000; -1: "off"; -2: not possible */
int64_t upkeep_parse_after(const char *text);
/* a copy that is there to stay: those that do not count are replaced */
bool upkeep_counts(const struct upkeep_input *in, const struct upkeep_replica *r);
void upkeep_decide(const struct upkeep_input *in, struct upkeep_plan *ret);

#endif
