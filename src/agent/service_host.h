/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_host.h - what a service is to this machine: looked at, and done. Blocking, each program
 * with a deadline; called in worker threads. Mounts are made and looked for where process 1 sees
 * them, since the daemon may be in a mount namespace of its own (packaging/sdsd.service).
 */
#ifndef SDSD_AGENT_SERVICE_HOST_H
#define SDSD_AGENT_SERVICE_HOST_H

#include "agent/service_plan.h"
#include "model/service.h"

#define SERVICE_LOOK_MS 10000  /* of a program that only asks */
#define SERVICE_MOUNT_MS 90000 /* the journal may be replayed */
#define SERVICE_STOP_MS 60000
#define SERVICE_URGENT_MS 8000 /* to stop when another node may take it; then it is killed */
#define SERVICE_KILL_MS 15000
#define SERVICE_UNMOUNT_MS 30000
#define SERVICE_DEVICE_LEN 32

struct service_host {
	const struct service *service;
	const char *device;    /* "/dev/rvol1000" */
	const char *mountinfo; /* the kernel's table; NULL: process 1's. For tests */
	bool urgent;
};

/* A unit is begun to be started; looking shows how that goes. -EAGAIN: the device cannot be opened
 * yet. What else fails is a failure of this node. */
int service_host_do(const struct service_host *h, enum service_step step, struct err *err);
int service_host_look(const struct service_host *h, struct service_sight *ret, struct err *err);

/* The line of a table of mounts that is of this path, the last one. false: nothing is mounted
 * there. Pure. */
struct service_mount {
	char source[64];
	bool read_only; /* as a whole, not only here */
};
bool service_host_find_mount(const char *table, const char *path, struct service_mount *ret);
/* What `systemctl show --property=LoadState,ActiveState,Job` says. -ENOENT: no such unit. Pure. */
int service_host_unit_state(const char *text, enum service_unit *ret);

#endif
