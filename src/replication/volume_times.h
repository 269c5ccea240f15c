/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volume_times.h - how long a resource waits for what, on whichever plane it is. */
#ifndef SDSD_REPLICATION_VOLUME_TIMES_H
#define SDSD_REPLICATION_VOLUME_TIMES_H

/* Requests wait so long for a volume that was handed over, and for copies when all of the set are
 * lost. */
#define VOLUME_AWAY_MS 15000
#define VOLUME_RETRY_MIN_MS 500 /* attaching the disk, listening: again after */
#define VOLUME_RETRY_MAX_MS 10000
#define VOLUME_MEND_MIN_MS 10000ull  /* a disk that has failed is tried again after */
#define VOLUME_MEND_MAX_MS 300000ull /* doubled each time up to */
#define VOLUME_RELEASE_MS 10000      /* closed: its disk changes once it is released, or after */
#define VOLUME_HEAL_PAUSE_MS 1000    /* after a close, a refusal or a healing, before the next */

#endif
