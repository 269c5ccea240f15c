/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hotlog.h - write intents: the extents that may hold writes whose stamps are
 * not on the disk yet (docs/protocol.md R5, R8; docs/ondisk.md#hot-log). A fixed
 * table; which entries are durable is known by the generation of the page that
 * was written last. Who writes that page and when is replica_persist.c's.
 *
 * Stamps that change while an extent is here are here: the page of the epoch map
 * is brought up to date when the extent leaves. So no other stamp ever differs from
 * what is on the disk, the page is not needed before that, and the memory does not
 * depend on the volume's size.
 */
#ifndef SDSD_REPL_HOTLOG_H
#define SDSD_REPL_HOTLOG_H

#include "replication/core/meta.h"

#define HOTLOG_HASH 2048u
#define HOTLOG_VICTIMS_MAX 64u
#define HOTLOG_ROOM (REPL_HOT_MAX / 6) /* with fewer free places extents begin to leave */

_Static_assert(REPL_REGIONS_PER_EXTENT <= 64, "a bit for each region");

enum hotlog_state {
	HOTLOG_FREE,
	HOTLOG_ADDING, /* wanted; the page with it is not durable yet */
	HOTLOG_HOT,    /* durable: writes to it may go on */
	HOTLOG_LEAVING /* flushed and persisted step by step; a new write takes it back to HOT */
};

struct hotlog {
	u32 extent[REPL_HOT_MAX];
	u8 state[REPL_HOT_MAX];
	u8 marked[REPL_HOT_MAX];
	u32 stamp[REPL_HOT_MAX][REPL_REGIONS_PER_EXTENT];
	u64 known[REPL_HOT_MAX];  /* bit x: stamp[][x] is it; else what the map's page says */
	u64 used[REPL_HOT_MAX];   /* clock of the last touch, for choosing victims */
	u16 hash[HOTLOG_HASH];    /* slot + 1; open addressing */
	u32 list[REPL_HOT_MAX];   /* the n extents that are not free, as the page names them */
	u16 listed[REPL_HOT_MAX]; /* where in the list the extent of each place is */
	u32 free_from;            /* no place before it is free */
	u16 adding[REPL_HOT_MAX]; /* places of what is ADDING, in that order */
	u32 n;                    /* not free */
	u32 n_adding;
	u32 n_in_page; /* of adding[]: named by the page that is on its way to the disk */
	u64 clock;
	u64 generation; /* of the page written last */
	int copy;       /* where it is; the next goes to the other */
};

/* h is zeroed memory. The stamps of these extents are unknown (R14). */
void hotlog_init(struct hotlog *h, u64 generation, int copy, const u32 *extent, u32 n);
/* HOTLOG_FREE when it is not in the table; touching makes it young and takes LEAVING back to HOT */
enum hotlog_state hotlog_touch(struct hotlog *h, u32 extent);
/* its place in the table, in any state but FREE; REPL_HOT_MAX: it is not there */
u32 hotlog_find(const struct hotlog *h, u32 extent);
/* the stamp of a region of the extent at this place; false: the page of the map says it */
bool hotlog_stamp(const struct hotlog *h, u32 at, u32 region, u32 *ret);
void hotlog_stamp_set(struct hotlog *h, u32 at, u32 region, u32 stamp);
/* brings the extent's stamps of a page up to date; bit x: that one was another */
u64 hotlog_merge(const struct hotlog *h, u32 at, u32 stamp[REPL_REGIONS_PER_EXTENT]);
/* asks for an extent that is FREE; false: the table is full, victims must leave first */
bool hotlog_add(struct hotlog *h, u32 extent);
/* fewer than HOTLOG_ROOM places are free */
bool hotlog_is_short(const struct hotlog *h);
/* Choosing victims: forget the marks, mark each extent that must stay, then pick: up to
 * HOTLOG_VICTIMS_MAX of the oldest unmarked HOT extents become LEAVING; returns how many. */
void hotlog_unmark(struct hotlog *h);
void hotlog_mark(struct hotlog *h, u32 extent);
u32 hotlog_pick(struct hotlog *h);
/* lists the extents still LEAVING, in ascending order */
u32 hotlog_leaving(const struct hotlog *h, u32 out[HOTLOG_VICTIMS_MAX]);
/* what is LEAVING is not in the table any more, nor in the pages from now on */
void hotlog_drop_leaving(struct hotlog *h);
/* the page for the disk; advances generation and copy */
void hotlog_page(struct hotlog *h, u8 page[REPL_META_PAGE]);
/* that page is durable: what was ADDING when it was made is HOT */
void hotlog_durable(struct hotlog *h);

#endif
