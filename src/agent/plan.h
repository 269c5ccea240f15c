/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.h - what to do next about one object of this node: a replica, or the
 * leftover of one that is deleted. Pure: desired x local state -> one step.
 * run.c takes the step and asks again, so the order of steps is the order in
 * which plan_next returns them.
 */
#ifndef SDSD_AGENT_PLAN_H
#define SDSD_AGENT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum plan_step {
	PLAN_IDLE,           /* as desired */
	PLAN_WAIT,           /* something else must happen first; asked again when it has */
	PLAN_CREATE,         /* make the files */
	PLAN_REPORT_CREATED, /* tell the leader: from then on they are never made anew */
	PLAN_LOCATE,         /* find the files made earlier */
	PLAN_PLANE_SET,      /* attach, or give the plane the present peers */
	PLAN_PLANE_REMOVE,   /* detach */
	PLAN_REMOVE_FILES,
	PLAN_LEFTOVER_DONE, /* tell the leader that the files are gone */
	PLAN_FORGET,        /* nothing desired, nothing there */
	PLAN_STEPS
};

struct plan_replica {
	/* desired, from the store */
	bool wanted; /* the replica document is there */
	bool diskless;
	bool created; /* committed: its files exist and have a meaning */
	bool deleting;
	uint64_t stamp; /* of all that the plane is to be given */
	/* local */
	bool marked;   /* this node has made its files once (marks.c) */
	bool files;    /* their paths are known */
	bool reported; /* told a moment ago; the store will follow */
	bool plane;    /* the plane has it */
	uint64_t plane_stamp;
	/* others on this node */
	bool name_held;     /* the plane still has another resource of this name */
	bool leftover_here; /* a leftover of this name lies in the same pool */
};
enum plan_step plan_replica_next(const struct plan_replica *r);

struct plan_leftover {
	bool wanted;   /* the leftover document is there */
	bool removed;  /* its files are gone */
	bool reported; /* told a moment ago */
	bool in_use;   /* the plane may still have these files open */
};
enum plan_step plan_leftover_next(const struct plan_leftover *l);

const char *plan_step_name(enum plan_step s); /* "create" */

#endif
