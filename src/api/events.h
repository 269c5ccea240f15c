/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.h - streams of events (text/event-stream): what is committed, from an
 * index on and without gaps, and word of it when what nodes report has changed.
 * Each node serves them from its own store.
 */
#ifndef SDSD_API_EVENTS_H
#define SDSD_API_EVENTS_H

#include <stdbool.h>

#include "base/json.h"

#define EVENT_STREAMS_MAX 64         /* on one node */
#define EVENT_COMMENT_MS 15000       /* a sign of life when nothing happens */
#define EVENT_STATE_MS 500           /* "state" comes at most once in this time */
#define EVENT_STALL_MS 30000         /* a client that takes nothing for so long is cut */
#define EVENT_UNSENT_MAX (64u << 10) /* with so much waiting no more is read from the history */

struct api;
struct events;
struct events *events_new(struct api *a);
void events_free(struct events *e); /* ends all streams; NULL is fine */
/* what nodes report has changed, or who leads */
void events_state(struct events *e);
/* the leader's answer to a report of this node: says whether something has changed there */
void events_heard(struct events *e, json *answer);
/* streams that are open now */
int events_count(const struct events *e);

#endif
