/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lvm_devices.h - volume groups and thin pools that sdsd makes of devices itself.
 */
#ifndef SDSD_STORAGE_LVM_DEVICES_H
#define SDSD_STORAGE_LVM_DEVICES_H

#include "storage/disks.h"
#include "storage/storage.h"

int lvm_task(const struct storage_pool *p, const struct storage_task *t, struct err *err);

/* --- for lvm_devices.c and its test; pure, all of them ----------------------- */

/* How a volume group of so many bytes is shared when it holds nothing but a thin pool: 95 % of it
 * are the pool and its metadata, twice, as LVM keeps a spare of these for repairs; the rest stays
 * free for an administrator who has to help. The metadata has room for the whole pool to be mapped
 * four times, so by that many snapshots that have nothing left in common: 64 bytes for each chunk.
 * LVM allows about 16 GiB of metadata; a pool that would need more gets larger chunks. */
#define LVM_CHUNK_MIN (64ull << 10)
#define LVM_CHUNK_MAX (1ull << 20)
#define LVM_THIN_META_MIN (8ull << 20)
#define LVM_THIN_META_MAX (15ull << 30)
struct lvm_share {
	uint64_t data_bytes, meta_bytes, chunk_bytes;
};
/* chunk_bytes: of a pool that is there; 0: chosen. -ENOSPC: too small for a pool */
int lvm_share(uint64_t group_bytes, uint64_t extent_bytes, uint64_t chunk_bytes,
	      struct lvm_share *ret);

/* The uuid of each physical volume that we make begins like this, so that a crash before its group
 * is there leaves nothing that we would take for somebody else's. */
#define LVM_MARK_LEN 28
void lvm_mark(const uint8_t pool[16], char ret[LVM_MARK_LEN + 1]);
/* it, and four characters, in LVM's form */
#define LVM_PV_TEXT 40
void lvm_mark_uuid(const char *mark, uint32_t number, char ret[LVM_PV_TEXT]);
/* It was made by sdsd, for whatever pool. */
bool lvm_is_marked(const char *pv);

#endif
