/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place.h - placing copies of a loaded resource, and taking one away; for the change functions of
 * this folder only.
 */
#ifndef SDSD_MODEL_PLACE_H
#define SDSD_MODEL_PLACE_H

#include "model/bundle.h"
#include "model/placement.h"
#include "model/upkeep.h"

/* -E_INVALID without a volume, or when there would be more copies than COPIES_MAX */
int place_check(struct bundle *b, int more_copies, struct err *err);
/* What place asks for over what the group's filter f says, which becomes both; *ret borrows from
 * them. -E_INVALID */
int place_want(struct bundle *b, const struct change_place *place, struct group_select *f,
	       struct placement_want *ret, struct err *err);
/* The filter of the bundle's group; it borrows from *ret_group, which is the caller's. */
int place_filter(struct bundle *b, struct group_select *ret, json **ret_group, struct err *err);
/* Adds want->copies copies and, with the first, the record; the cluster's weights count. named:
 * cordoned nodes too, since a person named the node. -E_NO_NODES with the reasons */
int place_copies(struct bundle *b, const struct placement_want *want, bool named, struct err *err);
/* why no resource could be placed by this filter with the present nodes; "": some could */
int place_outlook(struct change_env *env, json *filter, struct err *warn, struct err *err);
/* Whether the pools of all copies can hold so much more, by the rules of placement. Pools that
 * nothing is known of at present are passed over. -ENOSPC with a word on each pool */
int place_room(struct bundle *b, int64_t more_kib, struct err *err);
/* As place says, with the group's filter for what it leaves open; *ret_added: copies. */
int place_bundle(struct bundle *b, const struct change_place *place, int *ret_added,
		 struct err *err);

/* One more copy on this node, in that pool (NULL: in one that the group allows), by all rules: the
 * cluster itself wants it, no person has named the node. -E_NO_NODES, -E_INVALID */
int place_by_rules(struct bundle *b, const char *node, const char *pool, struct err *err);

/* change_replica.c. A client that can get a disk at once: it is not open, and nothing is left of a
 * disk that it had before. */
bool place_takes(struct bundle *b, const struct replica *r);
/* change_replica.c. The client gets a disk where the rules of placement say, open or not; its times
 * are put as they are in r. -E_IN_USE: its former one is still being removed; -E_NO_NODES,
 * -E_INVALID */
int place_draw(struct bundle *b, struct replica *r, struct err *err);
/* change_replica.c. It goes, or is marked to go. The rules of leaving are there. -E_IN_USE */
int place_leave(struct bundle *b, struct replica *r, struct err *err);
/* change_replica.c. Nobody writes: a member leaves the set, and the record names it as writer no
 * more. -E_IN_USE: it is the only one in sync */
int place_retire(struct bundle *b, const struct replica *r, struct err *err);
/* change_replica.c. The replica, just added to the bundle, is to replace the copy on that node. */
void place_migrates(struct bundle *b, struct replica *r, const char *from);
/* change_upkeep.c. What upkeep.h knows of the bundle's replicas; names are borrowed from it */
int place_look(struct bundle *b, const struct upkeep_sight *sight, struct upkeep_input *ret,
	       struct err *err);

#endif
