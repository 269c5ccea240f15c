/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme_plan.h - what to do next so that the kernel shows a copy to others by NVMe over TCP, or
 * reaches one that another node shows: wanted x seen -> one step. Pure. nvme_sys.c looks, takes
 * the step, and asks again. What is ours is known by its name (nvme_subsystem, nvme_host): of
 * anything else in the kernel this knows nothing.
 */
#ifndef SDSD_REPLICATION_NVME_PLAN_H
#define SDSD_REPLICATION_NVME_PLAN_H

#include "base/nvme.h"
#include "replication/plane.h"
#include "shared/port.h"

#define NVME_PORT 3373        /* TCP, of all that a node shows */
#define NVME_NAME_MAX 224     /* with the end, as the kernel has it */
#define NVME_ADDRESS_MAX 46   /* numeric, with the end */
#define NVME_PATH_MAX 512     /* of what is shown, with the end */
#define NVME_DEVICE_MAX 32    /* "nvme0n1" */
#define NVME_OPTIONS_MAX 1024 /* of a connection */
#define NVME_RECONNECT_S 2    /* between attempts to reach a target that is away */
#define NVME_GIVE_UP_S 600    /* for so long; I/O waits until then, and fails after it */
#define NVME_KEEP_ALIVE_S 5   /* a target that is silent for so long counts as away */

enum nvme_step {
	NVME_IDLE, /* as wanted */
	NVME_WAIT, /* the kernel does it, or something else must happen first */
	/* the target */
	NVME_MAKE,       /* the subsystem */
	NVME_CLOSE,      /* not for any host */
	NVME_SPACE_MAKE, /* a volume in it */
	NVME_SPACE_TELL, /* its size is another now */
	NVME_SPACE_DROP,
	NVME_HOST_MAKE, /* somebody who may connect */
	NVME_HOST_DROP,
	NVME_PORT_SET, /* where all of them are shown */
	NVME_SHOW,     /* there */
	NVME_HIDE,     /* ends all connections */
	NVME_DROP,
	/* the initiator */
	NVME_CONNECT,
	NVME_DISCONNECT,
	NVME_STEPS
};

/* One volume, in the place of its number. Wanted: there, path, uuid, size_bytes. */
struct nvme_space {
	bool there;
	bool enabled;
	char path[NVME_PATH_MAX];
	char uuid[37];
	u64 size_bytes; /* seen: of when the kernel was told last; 0: it was not */
};

struct nvme_target { /* as wanted, or as seen */
	bool there;
	bool any_host; /* seen */
	bool shown;    /* seen: on our port */
	bool port;     /* seen: that has the address that is wanted */
	int n_hosts;
	char host[PLANE_SLOTS][NVME_NAME_MAX];
	struct nvme_space space[PLANE_VOLUMES];
};

struct nvme_initiator { /* wanted: there, address, subsystem, host */
	bool there;
	char subsystem[NVME_NAME_MAX];
	char controller[NVME_DEVICE_MAX];
	char state[24]; /* seen: as the kernel has it: "live", "connecting", ... */
	char address[NVME_ADDRESS_MAX];
	char host[NVME_NAME_MAX];
};

/* Node names in lower case, whatever they were written in: a node is the same in any case. */
void nvme_subsystem(const u8 cluster[16], const char *node, const u8 resource[16],
		    char out[NVME_NAME_MAX]);
void nvme_host(const u8 cluster[16], const char *node, const u8 replica[16],
	       char out[NVME_NAME_MAX]);
/* Whether a name of a subsystem (of a host) is one that this node has made, and the uuid of its
 * resource (replica). Names of other nodes and clusters are none. */
bool nvme_own_subsystem(const char *name, const u8 cluster[16], const char *node, u8 ret[16]);
/* the same of a subsystem that any node shows */
bool nvme_resource(const char *name, u8 ret[16]);
bool nvme_own_host(const char *name, const u8 cluster[16], const char *node, u8 ret[16]);

/* *ret_i: index of the host (of seen when it is dropped, else of want), or number of the volume */
enum nvme_step nvme_target_next(const struct nvme_target *want, const struct nvme_target *seen,
				int *ret_i);
enum nvme_step nvme_initiator_next(const struct nvme_initiator *want,
				   const struct nvme_initiator *seen);

/* What is written to /dev/nvme-fabrics for it. hostid: the uuid in host's name. -ENAMETOOLONG */
int nvme_options(const struct nvme_initiator *want, const u8 hostid[16],
		 char out[NVME_OPTIONS_MAX]);
/* The value of "traddr" in what the kernel says of a controller ("traddr=10.0.0.1,trsvcid=3373");
 * -ENOENT */
int nvme_traddr(const char *text, char out[NVME_ADDRESS_MAX]);

const char *nvme_step_name(enum nvme_step s);

#endif
