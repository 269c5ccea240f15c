/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * brief.h - a page of the epoch map in brief: where it has two stamps at most, a bit for each
 * region says which. What is kept so of a page need not be read again
 * (docs/protocol.md#pages-of-the-epoch-map). The memory is lent by the driver, in proportion to the
 * volumes (repl_briefs).
 */
#ifndef SDSD_REPL_BRIEF_H
#define SDSD_REPL_BRIEF_H

#include "replication/core/meta.h"

struct map_brief {
	u32 page;                              /* its key + 1; 0: nothing is kept here */
	u32 stamp[2];                          /* the same twice: the page has only this one */
	u32 second[REPL_STAMPS_PER_PAGE / 32]; /* bit: it is stamp[1] */
};

_Static_assert(REPL_STAMPS_PER_PAGE % REPL_REGIONS_PER_EXTENT == 0, "an extent in two pages");
_Static_assert(REPL_REGIONS_PER_EXTENT % 32 == 0, "an extent begins within a word");

/* Of n, zeroed at first: the one of this page, NULL: nothing is kept of it. */
struct map_brief *brief_find(struct map_brief *b, u32 n, u32 key);
/* Keeps the page, in place of another one perhaps, if it has two stamps at most. */
void brief_keep(struct map_brief *b, u32 n, u32 key, const u32 stamp[REPL_STAMPS_PER_PAGE]);
/* The stamps of one extent, whose first region is number `from` of the page, are these now, and
 * others than before where a bit is set; with a third stamp nothing is kept of the page any more.
 */
void brief_change(struct map_brief *b, u32 from, const u32 stamp[REPL_REGIONS_PER_EXTENT],
		  u64 changed);
void brief_expand(const struct map_brief *b, u32 stamp[REPL_STAMPS_PER_PAGE]);
u32 brief_stamp(const struct map_brief *b, u32 at);
void brief_forget(struct map_brief *b, u32 n); /* all of them */

#endif
