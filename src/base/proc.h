/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.h - runs a program as a killable child with a deadline, off the loop
 * (uv_spawn). Output is collected up to a limit. Used by storage backends.
 */
#ifndef SDSD_BASE_PROC_H
#define SDSD_BASE_PROC_H

#include <uv.h>

#include "base/buf.h"

#define PROC_OUTPUT_MAX (4u << 20)

struct proc_result {
	int status;        /* exit status, or -signal, or negative code: -ENOENT (no such program), -ETIMEDOUT (killed) */
	struct buf out;    /* standard output, owned by the proc, valid during the callback */
	struct buf errout; /* standard error */
};

/* argv is copied. cb is called exactly once, later, on the loop. deadline_ms > 0. */
int proc_run(uv_loop_t *loop, const char *const argv[], int deadline_ms,
	     void (*cb)(const struct proc_result *, void *arg), void *arg);

#endif
