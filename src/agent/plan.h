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
	PLAN_CREATE,         /* make a volume's files */
	PLAN_REPORT_FAILED,  /* tell the leader that its disk fails time and again */
	PLAN_VOID,           /* make regions that are wrong unknown */
	PLAN_REPORT_VOIDED,  /* tell the leader: it may be attached again */
	PLAN_REPORT_CREATED, /* tell the leader: from then on they are never made anew */
	PLAN_LOCATE,         /* find a volume's files made earlier */
	PLAN_GROW,           /* make them as large as the volume is now */
	PLAN_PLANE_SET,      /* attach, or give the plane the present peers and volumes */
	PLAN_PLANE_REMOVE,   /* detach */
	PLAN_REMOVE_FILES,
	PLAN_LEFTOVER_DONE, /* tell the leader that the files are gone */
	PLAN_FORGET,        /* nothing desired, nothing there */
	PLAN_STEPS
};

struct plan_volume {        /* of a copy with a disk */
	bool made;          /* committed: its files exist and have a meaning */
	bool marked;        /* this node has made its files once (marks.c) */
	bool files;         /* their paths are known */
	bool small;         /* they are known and smaller than the volume is to be */
	bool reported;      /* told a moment ago; the store will follow */
	bool failed;        /* its last step did, and it is too early to try again */
	bool leftover_here; /* a leftover of the same file name lies in the same pool */
	bool doubted;       /* its disk has failed, and what is over it is to be opened anew */
};

struct plan_replica {
	/* desired, from the store */
	bool wanted; /* the replica document is there */
	bool diskless;
	bool deleting;
	bool quarantined; /* its disk is to be left alone */
	bool inactive;    /* it is not to be served here */
	bool refetch;     /* inactive until some of its regions are made unknown */
	bool member;      /* it is in the set still, as the record says */
	/* of all that the plane is to be given: peers, and the volumes whose files can be used */
	uint64_t stamp;
	/* local */
	bool plane;      /* the plane has it */
	bool plane_disk; /* it was given to it with its disk */
	uint64_t plane_stamp;
	bool voided;    /* these regions are */
	bool open;      /* some application has it open here */
	bool failing;   /* its disk has failed too often, and the leader does not know */
	bool name_held; /* the plane still has another resource of this name */
};
/* v: the wanted volumes by number, n of them; *ret_volume: index of the one that the step is about.
 * A copy is attached the first time when the files of all volumes are there, since all are
 * replicated as one. Later a volume that cannot be made or grown does not hold up the others. */
enum plan_step plan_replica_next(const struct plan_replica *r, const struct plan_volume *v, int n,
				 int *ret_volume);

struct plan_leftover {
	bool wanted;   /* the leftover document is there */
	bool removed;  /* its files are gone */
	bool reported; /* told a moment ago */
	bool in_use;   /* the plane may still have these files open, or they are being made */
};
enum plan_step plan_leftover_next(const struct plan_leftover *l);

const char *plan_step_name(enum plan_step s); /* "create" */

#endif
