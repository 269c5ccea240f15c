/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta.h - the metadata device of a replica as bytes (docs/ondisk.md): two
 * copies of the superblock, two copies of each hot log page, the epoch map.
 * Pure: pages in, pages out.
 */
#ifndef SDSD_REPL_META_H
#define SDSD_REPL_META_H

#include "replication/core/repl.h"

#define REPL_META_PAGE 4096u
#define REPL_META_VERSION 1u
#define REPL_META_SUPER_OFF(copy) ((u64)(copy)*REPL_META_PAGE)
#define REPL_META_HOT_OFF(copy) ((2u + (u64)(copy)) * REPL_META_PAGE)
#define REPL_META_MAP_OFF(page) ((4u + (u64)(page)) * REPL_META_PAGE)
#ifndef REPL_HOT_MAX
#define REPL_HOT_MAX 1000u /* extents in use at a time: 4 GiB */
#endif
#define REPL_STAMPS_PER_PAGE 1008u
#define REPL_NAME_MAX 64u

struct meta_super {
	u64 generation;           /* the copy with the higher one counts */
	u8 replica[16];           /* uuid: whose files these are */
	char name[REPL_NAME_MAX]; /* of the resource and volume, for people */
	u64 size_bytes;
	u32 epoch;         /* last known, for people */
	u32 learner_epoch; /* R3, R14; 0 none */
};

u32 meta_regions(u64 size_bytes);
u32 meta_map_pages(u64 size_bytes);
u64 meta_bytes(u64 size_bytes); /* size of the metadata device */

void meta_put_super(u8 page[REPL_META_PAGE], const struct meta_super *s);
/* -EBADMSG damaged or not ours; -EPROTONOSUPPORT written by a newer version */
int meta_get_super(const u8 page[REPL_META_PAGE], struct meta_super *ret);
/* of two copies the valid one with the higher generation; -EBADMSG when none is; *ret_copy 0/1 */
int meta_pick_super(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], struct meta_super *ret,
		    int *ret_copy);

/* extent[n] < 2^32-1 each */
void meta_put_hot(u8 page[REPL_META_PAGE], u64 generation, const u32 *extent, u32 n);
int meta_get_hot(const u8 page[REPL_META_PAGE], u64 *ret_generation, u32 extent[REPL_HOT_MAX],
		 u32 *ret_n);
int meta_pick_hot(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], u64 *ret_generation,
		  u32 extent[REPL_HOT_MAX], u32 *ret_n, int *ret_copy);

/* n <= REPL_STAMPS_PER_PAGE stamps of the regions from page*REPL_STAMPS_PER_PAGE on */
void meta_put_map(u8 page[REPL_META_PAGE], u32 number, const u32 *stamp, u32 n);
int meta_get_map(const u8 page[REPL_META_PAGE], u32 number, u32 *stamp, u32 n); /* -EBADMSG */

#endif
