// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm_share.c - numbers and names of what lvm_devices.c makes: how a group's space
 * is shared, and by what its physical volumes are known. Pure.
 */
#include "storage/lvm_devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define SHARE_PERCENT 95
#define MAPPINGS 4 /* of the whole pool, in its metadata */
#define MAPPING_BYTES 64
#define MARK "sdsd"

static uint64_t meta_for(uint64_t bytes, uint64_t chunk)
{
	return bytes / chunk * MAPPING_BYTES * MAPPINGS;
}

int lvm_share(uint64_t group_bytes, uint64_t extent_bytes, uint64_t chunk_bytes,
	      struct lvm_share *ret)
{
	uint64_t usable = group_bytes / 100 * SHARE_PERCENT;
	uint64_t chunk = chunk_bytes ? chunk_bytes : LVM_CHUNK_MIN, meta;

	while (!chunk_bytes && meta_for(usable, chunk) > LVM_THIN_META_MAX && chunk < LVM_CHUNK_MAX)
		chunk *= 2;
	meta = meta_for(usable, chunk);
	if (meta < LVM_THIN_META_MIN)
		meta = LVM_THIN_META_MIN;
	if (meta > LVM_THIN_META_MAX)
		meta = LVM_THIN_META_MAX;
	meta = (meta + extent_bytes - 1) / extent_bytes * extent_bytes;
	if (usable < 2 * meta + extent_bytes)
		return -ENOSPC;
	ret->chunk_bytes = chunk;
	ret->meta_bytes = meta;
	ret->data_bytes = (usable - 2 * meta) / extent_bytes * extent_bytes;
	return 0;
}

void lvm_mark(const uint8_t pool[16], char ret[LVM_MARK_LEN + 1])
{
	/* twelve bytes of the pool's uuid, without those that are the same in each */
	memcpy(ret, MARK, 4);
	text_hex(pool, 6, ret + 4);
	text_hex(pool + 10, 6, ret + 16);
}

void lvm_mark_uuid(const char *mark, uint32_t number, char ret[LVM_PV_TEXT])
{
	static const int groups[] = { 6, 4, 4, 4, 4, 4, 6 };
	char plain[DISK_PV_LEN + 1];
	const char *at = plain;
	size_t len = 0;

	snprintf(plain, sizeof(plain), "%.28s%04x", mark, number & 0xffff);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		len += (size_t)snprintf(ret + len, LVM_PV_TEXT - len, "%s%.*s", i ? "-" : "",
					groups[i], at);
		at += groups[i];
	}
}

bool lvm_is_marked(const char *pv)
{
	return strncmp(pv, MARK, 4) == 0;
}
