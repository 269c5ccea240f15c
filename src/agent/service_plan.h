/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_plan.h - the next step of a service on this node, from what is wanted and what is there.
 * Pure. A step at a time: what it led to is looked at before the next.
 */
#ifndef SDSD_AGENT_SERVICE_PLAN_H
#define SDSD_AGENT_SERVICE_PLAN_H

#include <stdbool.h>

enum service_unit {
	SERVICE_UNIT_OFF,     /* inactive or failed; or the service has none */
	SERVICE_UNIT_BETWEEN, /* starting or stopping */
	SERVICE_UNIT_ON,
};

/* what was found on the machine */
struct service_sight {
	bool mounted;  /* the volume, at its place */
	bool broken;   /* and the kernel has made it read-only, after errors */
	bool occupied; /* something else is mounted there */
	bool address;  /* this node has it */
	enum service_unit unit;
};

struct service_want {
	bool run;           /* it was decided, and this node may */
	bool urgent;        /* another node may take it any moment: the address goes first */
	bool device;        /* the volume can be opened */
	bool unit, address; /* it has one */
};

enum service_step {
	SERVICE_STEP_NONE,    /* as wanted */
	SERVICE_STEP_WAIT,    /* for the device, or the unit */
	SERVICE_STEP_BLOCKED, /* the place is taken */
	SERVICE_STEP_MOUNT,
	SERVICE_STEP_ADDRESS,
	SERVICE_STEP_START,
	SERVICE_STEP_STOP,
	SERVICE_STEP_UNADDRESS,
	SERVICE_STEP_UNMOUNT,
	SERVICE_STEPS
};

enum service_step service_plan_next(const struct service_want *w, const struct service_sight *s);
/* Nothing of it is there. */
bool service_plan_clear(const struct service_sight *s);
/* "mount" */
const char *service_step_name(enum service_step step);

#endif
