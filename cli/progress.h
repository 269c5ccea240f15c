/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress.h - what a verb says while it waits for work that the cluster does: on a terminal one
 * line that is written again in its place, else a line now and then. On standard error, so that the
 * answer stands alone on standard output.
 */
#ifndef SDSD_CLI_PROGRESS_H
#define SDSD_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define PROGRESS_LINE_MS 10000 /* no terminal: a line at most so often */
#define PROGRESS_LOOK_MS 1000  /* how often a verb that waits looks */
#define PROGRESS_WAIT_S 3600   /* how long one waits that was not told */

struct progress {
	bool quiet;
	bool terminal;
	int64_t next_ms; /* no terminal: the next line not before */
};

/* quiet: nothing is said. goes_on, borrowed: what Ctrl-C says before it ends the program, as it
 * ends the waiting and not the work. */
void progress_begin(struct progress *p, bool quiet, const char *goes_on);
/* how it stands now */
void progress_say(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* a line that stays: something that somebody has to know */
void progress_tell(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* nothing more is said; Ctrl-C is what it was */
void progress_end(void);

struct progress_goal {
	const char *goes_on; /* as in progress_begin */
	const char *late;    /* what is said when it takes too long: "db: not in sync" */
	/* CLI_OK, and *ret: is it reached? else the waiting ends. Says by p how it stands. */
	int (*look)(struct progress *p, void *arg, bool *ret);
	void *arg;
};
/* Looks until it is reached: CLI_OK; CLI_FAILED, and has said so, after timeout_s; else as look.
 * All of the above is done in it. */
int progress_wait(const struct progress_goal *goal, bool quiet, int64_t timeout_s);

int64_t progress_now_ms(void); /* monotonic */
void progress_pause(int ms);

/* progress_say of a resource of a status document */
void progress_volume(struct progress *p, json *resource);
/* Waits until all copies that volume name is to have are in sync. CLI_OK; CLI_FAILED, and has said
 * so: not within timeout_s, or it is gone; else as client_call. */
int progress_wait_volume(const char *name, bool quiet, int64_t timeout_s);
/* "1h", or NULL: PROGRESS_WAIT_S. CLI_OK or CLI_USAGE, and has said why */
int progress_timeout(const char *text, int64_t *ret_s);

#endif
