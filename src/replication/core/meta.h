/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta.h - the metadata devices of a replica as bytes (docs/ondisk.md). Each
 * volume has one: its label (whose it is, how large), and its part of the epoch
 * map. That of volume 0 is the home of what concerns all volumes: the state of
 * the replica and the hot log. Pure: pages in, pages out.
 */
#ifndef SDSD_REPL_META_H
#define SDSD_REPL_META_H

#include "replication/core/repl.h"

#define REPL_META_PAGE 4096u
#define REPL_META_VERSION 1u
#define REPL_META_LABEL_OFF(copy) ((u64)(copy)*REPL_META_PAGE)
#define REPL_META_STATE_OFF(copy) ((2u + (u64)(copy)) * REPL_META_PAGE)
#define REPL_META_HOT_OFF(copy) ((4u + (u64)(copy)) * REPL_META_PAGE)
#define REPL_META_HEAD_PAGES 6u
#define REPL_META_MAP_OFF(page) ((REPL_META_HEAD_PAGES + (u64)(page)) * REPL_META_PAGE)
#define REPL_META_HOME 0u /* the volume whose device has state and hot log */
#ifndef REPL_HOT_MAX
#define REPL_HOT_MAX 1000u /* extents in use at a time: 4 GiB */
#endif
#ifndef META_VOIDS_MAX
#define META_VOIDS_MAX 64u
#endif
#define META_NAME_MAX 64u

/* Whose device this is, for attaching and for people who have nothing but disks. Written by the
 * driver only, when the volume is made, grows, or the other copies change. */
struct meta_label {
	u64 generation; /* the copy with the higher one counts */
	u8 cluster[16], resource[16], replica[16], volume[16]; /* uuids */
	u32 number;                                            /* of the volume */
	u32 slot;
	u64 size_bytes;
	char name[META_NAME_MAX]; /* of the resource */
	char node[META_NAME_MAX];
	char peer[REPL_SLOTS_MAX][META_NAME_MAX]; /* nodes with the other copies, "" none */
};

/* Stamps from..to-1 on pages of the epoch map that were written before it count as unknown (R3). */
struct meta_void {
	u32 number; /* a page says the last one that it has seen */
	u32 from, to;
};

/* Of the replica, in its home; written by the core only. */
struct meta_state {
	u64 generation; /* the copy with the higher one counts */
	u64 attached;   /* how often the replica was attached: an older copy of it is found out */
	u32 epoch;      /* last known, for people */
	u32 learner_epoch; /* R3, R14; 0 none */
	u32 n_voids;
	struct meta_void voids[META_VOIDS_MAX]; /* numbers ascending */
};

u32 meta_regions(u64 size_bytes);
u32 meta_map_pages(u64 size_bytes);
u64 meta_bytes(u64 size_bytes); /* size of the metadata device of a volume */

/* Two copies each of label, state and hot log, written in turn. get: -EBADMSG damaged or not ours,
 * -EPROTONOSUPPORT written by a newer version. pick: of two copies the valid one with the higher
 * generation; -EBADMSG when none is; *ret_copy 0 or 1. */
void meta_put_label(u8 page[REPL_META_PAGE], const struct meta_label *l);
int meta_get_label(const u8 page[REPL_META_PAGE], struct meta_label *ret);
int meta_pick_label(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], struct meta_label *ret,
		    int *ret_copy);
void meta_put_state(u8 page[REPL_META_PAGE], const struct meta_state *s);
int meta_get_state(const u8 page[REPL_META_PAGE], struct meta_state *ret);
int meta_pick_state(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], struct meta_state *ret,
		    int *ret_copy);
/* extent[n] < 2^32-1 each */
void meta_put_hot(u8 page[REPL_META_PAGE], u64 generation, const u32 *extent, u32 n);
int meta_get_hot(const u8 page[REPL_META_PAGE], u64 *ret_generation, u32 extent[REPL_HOT_MAX],
		 u32 *ret_n);
int meta_pick_hot(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], u64 *ret_generation,
		  u32 extent[REPL_HOT_MAX], u32 *ret_n, int *ret_copy);

/* The whole page, whatever the volume's size: stamps behind its end are written and not used.
 * number: of the page in its volume; void_seen: number of the last void applied. */
void meta_put_map(u8 page[REPL_META_PAGE], u32 number, u32 void_seen,
		  const u32 stamp[REPL_STAMPS_PER_PAGE]);
int meta_get_map(const u8 page[REPL_META_PAGE], u32 number, u32 *ret_void_seen,
		 u32 stamp[REPL_STAMPS_PER_PAGE]); /* -EBADMSG */

/* Adds a void; the list is bounded: the two oldest become one that covers both, which makes more
 * stamps unknown than needed and none valid. */
void meta_void_add(struct meta_state *s, u32 from, u32 to);
/* the stamp as it counts on a page that has seen that void */
u32 meta_void_apply(const struct meta_state *s, u32 void_seen, u32 stamp);
u32 meta_void_last(const struct meta_state *s); /* number; 0 none */

#endif
