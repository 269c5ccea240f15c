/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme_sys.h - NVMe over TCP as the kernel has it: configfs of the target, sysfs and
 * /dev/nvme-fabrics of the initiator. Blocking: called in a worker. No program is run for it.
 */
#ifndef SDSD_REPLICATION_NVME_SYS_H
#define SDSD_REPLICATION_NVME_SYS_H

#include "base/err.h"
#include "replication/nvme_plan.h"

#define NVME_TARGET_DIR "/sys/kernel/config/nvmet"
#define NVME_STEPS_MAX 256 /* of one job: more are none that get anywhere */
#define NVME_FILE_PATH_MAX 1024
#define NVME_FILE_MAX 1024 /* of a file's content that is read, with the end */
#define NVME_SWEEP_MAX 256 /* what was left behind, of one kind, in one sweep */

/* For tests: in front of /sys, /dev and /proc from now on; NULL: nothing */
void nvme_sys_fake(const char *root);

/* nvme_files.c */
void nvme_path(char out[NVME_FILE_PATH_MAX], const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* behind the root */
/* the first line; -errno */
int nvme_read(const char *path, char out[NVME_FILE_MAX]);
int nvme_write(const char *path, const char *text); /* -errno */
/* Calls for each name in a folder, but for those that begin with a dot; no folder: no name. A
 * negative answer ends it and is the answer. */
int nvme_each(const char *folder, int (*each)(const char *name, void *arg), void *arg);

/* nvme_target.c. address: numeric; told: sizes, by number, as the kernel was told them */
void nvme_target_look(const char *subsystem, const char *address, const u64 told[PLANE_VOLUMES],
		      struct nvme_target *ret);
struct nvme_place { /* of a target */
	const char *subsystem;
	char address[NVME_ADDRESS_MAX];
	bool v6;
	u8 resource[16];
};
/* told: a step that tells a size notes it. -errno with a sentence */
int nvme_target_act(const struct nvme_place *at, enum nvme_step step, int i,
		    const struct nvme_target *want, const struct nvme_target *seen,
		    u64 told[PLANE_VOLUMES], struct err *err);
void nvme_target_tidy(void); /* our port goes when it shows nothing */
/* The kernel has one at all; with a sentence of what to load. -ENODEV */
int nvme_target_there(struct err *err);

/* nvme_initiator.c */
/* Asked for each controller that this node has made, of whatever resource; negative: no more */
typedef int (*nvme_controller_cb)(const struct nvme_initiator *seen, const u8 resource[16],
				  void *arg);
int nvme_controllers(const u8 cluster[16], const char *node, nvme_controller_cb each, void *arg);
/* -errno with a sentence. hostid: as in nvme_options */
int nvme_initiator_act(enum nvme_step step, const u8 hostid[16], const struct nvme_initiator *want,
		       const struct nvme_initiator *seen, struct err *err);
/* The block device of this volume number, as it is called below /dev, and its size. -ENOENT: it is
 * not there (yet) */
int nvme_device(const char *subsystem, int number, const char *uuid, char out[NVME_DEVICE_MAX],
		u64 *ret_bytes);
/* Somebody on this node uses it: a file system, a swap area, a device above it, or a process that
 * has it open. Mounts of other namespaces are seen by the process that made them only. */
bool nvme_is_open(const char *device);

/* nvme_job.c: what one resource is to be, made so */
struct nvme_job {
	u8 cluster[16];
	char node[64]; /* this one */
	bool wanted;   /* else all of it goes */
	struct plane_resource r;
	u64 told[PLANE_VOLUMES];
	/* the answer */
	bool settled; /* all is as it is to be */
	bool open;
	struct err err;                              /* why it is not settled */
	char device[PLANE_VOLUMES][NVME_DEVICE_MAX]; /* of a client; "" none (yet) */
};
int nvme_job_run(void *arg); /* a struct nvme_job; 0 */

struct nvme_sweep { /* what this node's resources of an earlier life have left behind goes */
	u8 cluster[16];
	char node[64];
	const u8 (*defined)[16]; /* resources, n of them, which are left alone */
	size_t n;
	int failed;
};
int nvme_sweep_run(void *arg); /* a struct nvme_sweep; 0 */

#endif
