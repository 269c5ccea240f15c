/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot_take.h - has the snapshots taken that were begun (change_snapshot_begin): of one
 * resource, or of several at one moment (docs/storage.md#snapshots). On the leader that begun them;
 * what another leader had under way fails.
 */
#ifndef SDSD_API_SNAPSHOT_TAKE_H
#define SDSD_API_SNAPSHOT_TAKE_H

#include "api/state.h"

#define SNAPSHOTS_AT_ONCE_MAX 64 /* of one request: all of them are held at a time */
#define TAKE_MARGIN_MS 150       /* before the freeze ends no copy may be cut any more */
#define TAKE_RESERVE_MS 4000     /* beyond the freeze: for what comes before and after it */
#define TAKE_UNHELD_MS 20000     /* for cutting where nobody writes; at least FREEZE_MS_MAX */
#define TAKE_KEPT_MS 60000       /* so long the reason of a failure is told */
#define TAKE_ORPHAN_MS 15000     /* of a former leader */
#define TAKE_FRESH_MS 10000      /* so young, one of its own may be committed and not in hand yet */

struct take_name {
	char resource[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];
};

/* They exist and are not taken. When this leader has it in hand already nothing begins. */
void take_start(struct api *a, const struct take_name *names, int n);
/* Is this one over, taken or not? */
bool take_is_over(struct api *a, const struct take_name *name);
/* why it failed, "" when nothing is known of it; borrowed for a moment */
const char *take_reason(struct api *a, const struct take_name *name);
/* once a second on the leader */
void take_tick(struct api *a);
void take_abandon(struct api *a);

#endif
