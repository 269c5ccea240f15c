/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stall.h - how long a loop does not poll, that is, lets everybody else wait: of the main loop an
 * election is lost by that. Measured from the moment when poll has returned to the next poll.
 */
#ifndef SDSD_BASE_STALL_H
#define SDSD_BASE_STALL_H

#include <stdint.h>
#include <uv.h>

#define STALL_WARN_MS 200 /* of CPU in one turn: a third of the time after which others elect */

struct stall {
	uv_check_t after;    /* poll has returned, and what it brought was handled */
	uv_prepare_t before; /* it is polled next */
	uint64_t began_ms;   /* uv_now when poll returned */
	uint64_t cpu_ns;     /* of the thread, at the last poll */
	uint64_t turns;
	uint64_t longest_ms;     /* by the clock: a busy machine makes these long, too */
	uint64_t longest_cpu_ns; /* of this thread, while it did not poll */
};

/* Watches loop from now on, on its own thread; does not keep it alive. A turn that takes more than
 * STALL_WARN_MS of CPU is logged as what the daemon has to answer for. */
void stall_start(struct stall *s, uv_loop_t *loop);
/* Closes its handles: s must stay until the loop has run once more. Nothing when it is all zero. */
void stall_stop(struct stall *s);

#endif
