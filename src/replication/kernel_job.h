/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_job.h - what may take its time about a resource of the kernel module:
 * files are checked and flushed, devices made and given to it. One job does one
 * thing from its beginning to its end, in a worker thread, on copies of all that
 * it needs.
 */
#ifndef SDSD_REPLICATION_KERNEL_JOB_H
#define SDSD_REPLICATION_KERNEL_JOB_H

#include "replication/kernel_nl.h"
#include "replication/kernel_plan.h"
#include "replication/plane.h"

enum kernel_job_kind {
	KERNEL_JOB_ATTACH,  /* everything up to BOOT; undone when some of it fails */
	KERNEL_JOB_CHECK,   /* of what was there before us */
	KERNEL_JOB_VOLUMES, /* those that are new or have grown */
	KERNEL_JOB_DELETE
};

struct kernel_job {
	enum kernel_job_kind kind;
	struct kernel_port *port;
	struct plane_resource r;
	struct kernel_view view; /* CHECK, VOLUMES */
	u32 node;                /* ATTACH: of the tag, as boot */
	u64 boot;
	bool force; /* DELETE */
	/* the end */
	int status;
	bool flush_lost;         /* ATTACH: what was written before is not on the disk */
	enum kernel_check check; /* CHECK; UNCHECKED when it failed */
	struct err err;
};

struct kernel_job *kernel_job_new(enum kernel_job_kind kind, struct kernel_port *port,
				  const struct plane_resource *r); /* copied; NULL: no memory */
void kernel_job_free(struct kernel_job *job);
int kernel_job_run(void *job); /* in the worker */

#endif
