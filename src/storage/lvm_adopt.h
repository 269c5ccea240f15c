/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lvm_adopt.h - a logical volume that somebody else has made becomes the data of
 * a volume of sdsd, as it is.
 */
#ifndef SDSD_STORAGE_LVM_ADOPT_H
#define SDSD_STORAGE_LVM_ADOPT_H

#include "storage/lvm_tool.h"

/* the operations of storage_ops */
int lvm_adoptable(const struct storage_pool *p, const char *device, struct storage_foreign *ret,
		  struct err *err);
int lvm_adopt(const struct storage_pool *p, const struct storage_volume *v,
	      const struct storage_foreign *from, struct storage_paths *ret, struct err *err);

/* Pure: "/dev/vg/lv", "/dev/mapper/vg-lv" or "vg/lv" in its parts. -E_INVALID */
int lvm_adopt_parse(const char *device, struct lvm_source *ret);
/* Pure: may it be taken, as LVM describes it? name: in the pool's group. -ENOENT: it is not in this
 * pool */
int lvm_adopt_judge(const struct storage_pool *p, const char *name, const struct lvm_lv *lv,
		    struct err *err);

#endif
