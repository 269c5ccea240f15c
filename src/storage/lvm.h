/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lvm.h - the backends that keep volumes as logical volumes of LVM (storage.c's table only). */
#ifndef SDSD_STORAGE_LVM_H
#define SDSD_STORAGE_LVM_H

#include "storage/storage.h"

extern const struct storage_ops storage_lvm;      /* in a volume group, space is reserved */
extern const struct storage_ops storage_lvm_thin; /* in a thin pool of one */

#endif
