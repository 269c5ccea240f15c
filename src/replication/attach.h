/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach.h - what has to hold of the files of a copy before a plane uses them:
 * they are those of this replica and volume, whole, and large enough. Blocking;
 * called from worker threads.
 */
#ifndef SDSD_REPLICATION_ATTACH_H
#define SDSD_REPLICATION_ATTACH_H

#include "replication/disk.h"
#include "replication/meta_file.h"
#include "replication/plane.h"

/* Opens what d does not have open yet, checks it, and writes the names of the other copies into the
 * label. *ret_size_bytes: of the label. Whatever happens, what is open stays d's. */
int attach_open(struct disk *d, const struct plane_resource *r, const struct plane_volume *spec,
		u64 *ret_size_bytes, struct err *err);
/* What the last life of these files had written and not flushed: when that is lost it is told once,
 * to whom flushes first. */
int attach_flush(const struct disk *d, struct err *err);
/* the metadata is of this replica and volume */
int attach_check_label(const struct plane_resource *r, const struct plane_volume *spec,
		       const struct meta_label *l, struct err *err);

#endif
