/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.h - runs a program as a killable child with a deadline, off the loop
 * (uv_spawn). Output is collected up to a limit. Used by storage backends.
 * The child sees LC_ALL=C and reads from /dev/null. At the deadline its process
 * group gets SIGTERM, two seconds later SIGKILL.
 */
#ifndef SDSD_BASE_PROC_H
#define SDSD_BASE_PROC_H

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"

#define PROC_OUTPUT_MAX (4u << 20)

struct proc_result {
	/* exit status, or -signal, or a negative code: -ENOENT (no such program; started is false),
	 * -ETIMEDOUT (killed), -EMSGSIZE (killed: standard output passed PROC_OUTPUT_MAX) */
	int status;
	bool started;      /* tells a -signal from the code that the start failed with */
	struct buf out;    /* standard output, owned by the proc, valid during the callback */
	struct buf errout; /* standard error */
};

/* 0 or -ENOMEM (then no cb). argv is copied. cb is called exactly once, later, on the loop.
 * deadline_ms > 0. */
int proc_run(uv_loop_t *loop, const char *const argv[], int deadline_ms,
	     void (*cb)(const struct proc_result *, void *arg), void *arg);

#endif
