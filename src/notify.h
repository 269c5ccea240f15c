/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify.h - tells systemd (Type=notify) how far the daemon is; nothing when not run by it. */
#ifndef SDSD_NOTIFY_H
#define SDSD_NOTIFY_H

void notify_systemd(const char *state); /* "READY=1", "STOPPING=1" */

#endif
