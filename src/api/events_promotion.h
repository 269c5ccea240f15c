/* SPDX-License-Identifier: GPL-2.0-or-later */
/* events_promotion.h - where resources may be opened: what a listener was told, and what is new. */
#ifndef SDSD_API_EVENTS_PROMOTION_H
#define SDSD_API_EVENTS_PROMOTION_H

#include <stdbool.h>

#include "base/json.h"

struct promotions;
/* all: the first list is news, too; otherwise it is what the listener knows by itself */
struct promotions *promotions_new(bool all);
void promotions_free(struct promotions *p); /* NULL is fine */
/* list: as GET /v1/sds/promotions answers. Calls for each place that is new or different; a place
 * that has gone counts as one where it may not be opened. */
void promotions_update(struct promotions *p, json *list,
		       void (*tell)(const char *resource, const char *node, bool may, void *arg),
		       void *arg);

#endif
