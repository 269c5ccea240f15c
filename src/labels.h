/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * labels.h - what the storage calls for metadata, done by the replication:
 * neither of the two knows the other.
 */
#ifndef SDSD_LABELS_H
#define SDSD_LABELS_H

#include "storage/storage.h"

extern const struct storage_meta_ops labels_meta_ops;

#endif
