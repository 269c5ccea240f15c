/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_decide.h - where a service is to run: the one decision about it. Pure: asked by the
 * leader with what it sees, committed by change_service.c, obeyed by the agents.
 *
 * It stays where it is while its node answers, may have it and has not given up; it never goes
 * back by itself to a node that is preferred. What makes a wrong guess harmless is not here: the
 * volume is opened by one node at a time, whatever is decided (docs/service.md).
 */
#ifndef SDSD_MODEL_SERVICE_DECIDE_H
#define SDSD_MODEL_SERVICE_DECIDE_H

#include <stdbool.h>

#include "model/service.h"

/* Not heard of for so long: the node is gone. Longer than a report may be late. */
#define SERVICE_GONE_MS 5000
/* A node that could not start it is tried again after so long, if it is needed. */
#define SERVICE_FORGIVE_MS 600000

struct service_candidate {
	const char *node;
	int rank;          /* the lowest that can have it gets it; equal ones: the first */
	bool online;       /* heard of within SERVICE_GONE_MS */
	bool awaited;      /* the leader is too young to know that */
	const char *unfit; /* it cannot have it, why; NULL: it can */
	bool barred;       /* takes nothing new; what runs there stays */
	bool leaves;       /* it is being emptied: stays only while no other can have it */
	bool concerned;    /* it reports the service, or will: it has a replica */
	/* what it reported: */
	int64_t generation; /* that it acts upon; -1: nothing lately */
	bool holds;         /* something of it is there: mounted, running, or its address */
	bool gave_up;       /* it was tried often enough */
	const char *error;  /* "" none */
};

enum service_what {
	SERVICE_KEEP,
	SERVICE_ASSIGN,  /* node */
	SERVICE_RELEASE, /* nowhere, for now or until somebody helps */
};

struct service_decision {
	enum service_what what;
	int node;       /* candidate of SERVICE_ASSIGN; else -1 */
	bool gave_up;   /* the node where it was has; to be noted */
	bool drop_wish; /* it is fulfilled, or cannot be */
	bool stuck;     /* it should run, and nobody can have it */
	/* why; with SERVICE_KEEP what is waited for, "" nothing */
	char why[SERVICE_WHY_MAX + 1];
};

/* c: all nodes that can have it or may hold it, n of them. now_ms: wall clock */
void service_decide(const struct service *s, const struct service_candidate *c, int n,
		    int64_t now_ms, struct service_decision *ret);
/* What it changes in s, which is then another generation; nothing to change: false */
bool service_apply(struct service *s, const struct service_decision *d,
		   const struct service_candidate *c, int64_t now_ms);

#endif
