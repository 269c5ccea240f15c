/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verbs.h - the verbs that work without a daemon: run, init, join, recover. */
#ifndef SDSD_VERBS_H
#define SDSD_VERBS_H

/* adds them to the command line's table */
void verbs_register(void);

#endif
