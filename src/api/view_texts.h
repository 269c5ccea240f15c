/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view_texts.h - what lists show of a resource, kept until something that it shows changes: its
 * replicas as in GET /v1/view/resources, itself as in GET /v1/sds/status, and in a few numbers. Ten
 * thousand resources are asked for again and again, and few of them have changed in between.
 */
#ifndef SDSD_API_VIEW_TEXTS_H
#define SDSD_API_VIEW_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/view.h"

#define TEXTS_KEPT_MAX (24u << 20) /* bytes; what is beyond is made each time */
#define TEXTS_IDLE_MS 120000       /* nobody has asked for so long: all are forgotten */
/* not so on the leader, whom all are asked of */

struct view_text {
	const char *node, *pool; /* of the replica; of one without a disk POOL_DISKLESS */
	const char *json;
	size_t len;
};

struct view_texts {
	const char *name; /* as it was defined */
	struct view_summary sum;
	/* the resource, status_resource(); NULL: a node of it is away and the text says since when,
	 * so that it is to be made when it is asked for */
	const char *status;
	size_t status_len;
	int n;
	struct view_text text[REPLICAS_MAX]; /* in the order of the list */
};

struct api;
struct texts;
struct texts *texts_new(struct api *a);
void texts_free(struct texts *t); /* before the store is closed; NULL is fine */
/* name: lower case. Borrowed until the next call, or the next transaction. NULL: there is no such
 * resource, or its documents cannot be read. */
const struct view_texts *texts_of(struct texts *t, const char *name);
void texts_tick(struct texts *t, int64_t now_ms); /* once a second or more often; monotonic */
/* Leadership begins or ends. */
void texts_lead(struct texts *t, bool leads, int64_t now_ms);
/* On the leader: makes some of those that are missing, for a few ms, when nothing has changed
 * lately. true: there are more to make. */
bool texts_warm(struct texts *t, int64_t now_ms);
size_t texts_kept(const struct texts *t); /* bytes of memory, TEXTS_KEPT_MAX at most */

#endif
