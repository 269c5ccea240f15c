/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.h - hears from the daemon when something has changed: the stream of
 * events, read line by line, and a verb that is shown again and again.
 */
#ifndef SDSD_CLI_WATCH_H
#define SDSD_CLI_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define WATCH_EVENT_MAX (128u << 10) /* bytes of one event */
#define WATCH_REDRAW_MS 5000         /* shown again at least so often */
#define WATCH_GATHER_MS 200          /* what happens together is shown together */

struct watch { /* a connection; fd -1: none */
	int fd;
	struct buf in;
	size_t lent; /* bytes of in that belong to the event that was given last */
};

struct watch_event {
	char name[32]; /* "" for a sign of life */
	char *data;    /* one line; borrowed until the next call */
};

void watch_init(struct watch *w);
void watch_close(struct watch *w);
/* GET path, an event stream. 0; -errno; -EPROTO: the daemon answered something else. Blocks. */
int watch_open(struct watch *w, const char *path);
/* 1 and an event; 0: none within timeout_ms (negative: no limit); -errno, -EPIPE: the stream has
 * ended, and w is closed. */
int watch_next(struct watch *w, int timeout_ms, struct watch_event *ret);
/* Runs show until it fails the first time it is called: at once, when something has changed, and
 * every WATCH_REDRAW_MS. On a terminal on a cleared screen. Returns what show did. */
int watch_run(int (*show)(void *arg), void *arg);

#endif
