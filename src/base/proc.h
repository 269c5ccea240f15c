/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.h - runs a program as a killable child with a deadline. Blocking: called
 * from worker threads. Output is collected up to a limit. Used by storage
 * backends. The child sees LC_ALL=C, has no descriptors of ours, reads from
 * /dev/null, and goes before nobody, whatever the caller's niceness. At the
 * deadline its process group gets SIGTERM, two seconds later SIGKILL.
 */
#ifndef SDSD_BASE_PROC_H
#define SDSD_BASE_PROC_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"

#define PROC_OUTPUT_MAX (4u << 20)

struct proc_result {
	/* exit status, or -signal, or a negative code: -ENOENT (no such program; started is false),
	 * -ETIMEDOUT (killed), -EMSGSIZE (killed: standard output passed PROC_OUTPUT_MAX) */
	int status;
	bool started;      /* tells a -signal from the code that the start failed with */
	struct buf out;    /* standard output */
	struct buf errout; /* standard error */
};

/* What runs at the moment, for other threads to look at. */
struct proc_watch {
	_Atomic int pid;           /* 0: nothing */
	_Atomic uint64_t since_ns; /* clock_boot_ns */
};

struct proc_options {
	int deadline_ms;          /* > 0 */
	struct proc_watch *watch; /* may be NULL */
};

/* Fills ret, whose buffers the caller releases with proc_release whatever happened. Returns
 * ret->status. */
int proc_run(const char *const argv[], const struct proc_options *o, struct proc_result *ret);
void proc_release(struct proc_result *r);

#endif
