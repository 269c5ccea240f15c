/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash.h - places at which a test can end the daemon, as kill -9 does: before and after each
 * step of what more than one node, or more than one program, takes part in. With
 * SDSD_CRASH_POINTS=FOLDER in the environment each place that is passed is a line of
 * FOLDER/passed, so the list of them comes from the code; and the daemon ends at the place that
 * FOLDER/end names: "<n> <what> <which>", the nth time that it is passed from then on. The file
 * is removed before that, so the next daemon goes on. Without it, which is always but in tests,
 * a place is the test of one bool.
 *
 * One more place: a line crash_point("what", "which"), both short and in lower case.
 */
#ifndef SDSD_BASE_CRASH_H
#define SDSD_BASE_CRASH_H

#include <stdbool.h>

/* fixed before there are threads */
extern bool crash_is_watched;

/* Reads the environment; once, before there are threads. */
void crash_watch(void);
/* Any thread. Does not return when the daemon is to end here. */
void crash_pass(const char *what, const char *which);

static inline void crash_point(const char *what, const char *which)
{
	if (__builtin_expect(crash_is_watched, false))
		crash_pass(what, which);
}

#endif
