/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement_search.h - the rules that speak of several copies together, and
 * the search for a choice that follows all of them. For placement.c only. Pure.
 */
#ifndef SDSD_MODEL_PLACEMENT_SEARCH_H
#define SDSD_MODEL_PLACEMENT_SEARCH_H

#include "model/placement.h"

struct search;

/* order[n]: candidates, one of each node, the best first; they and the pools with a copy are what
 * the rules are applied to. pools and rules (NULL: none) are borrowed. NULL: out of memory */
struct search *search_new(const struct placement_pool *pools, int n_pools,
			  const struct place_rules *rules, const int *order, int n);
void search_free(struct search *s);
/* The best choice of so many (0 to COPIES_MAX) beside the present copies: picked[copies], indexes
 * into pools. False: there is none, or (search_gave_up) none was found. */
bool search_choose(struct search *s, int copies, int *picked);
bool search_gave_up(const struct search *s); /* PLACEMENT_TRIES_MAX was met in some search */
/* Why this pool does not go with the present copies and those chosen last, one rule in words;
 * false: it does. It need not be one of the order. */
bool search_conflict(const struct search *s, int pool, char why[PLACEMENT_REASON_MAX]);

#endif
