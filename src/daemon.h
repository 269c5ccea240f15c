/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.h - one node's daemon: builds the layers in their order, joins them by
 * callbacks, runs the loop, takes them down in reverse.
 */
#ifndef SDSD_DAEMON_H
#define SDSD_DAEMON_H

#include "config.h"

#define DAEMON_STOP_MS 5000 /* the end may take so long before the process ends anyway */
#define DAEMON_UNIX_CONNS_MAX 1024

/* Runs until SIGTERM or SIGINT. Returns the exit status: 0 after an ordered end, 1 when it could
 * not start (one sentence on standard error) or failed. */
int daemon_run(const struct config *config);

#endif
