/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view_texts.h - the replicas of a resource as GET /v1/view/resources shows them: texts of JSON,
 * which are kept until something that they show changes. Ten thousand resources are asked for
 * again and again, and few of them have changed in between.
 */
#ifndef SDSD_API_VIEW_TEXTS_H
#define SDSD_API_VIEW_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#define TEXTS_KEPT_MAX (60u << 20) /* bytes of memory; what is beyond is made each time */
#define TEXTS_IDLE_MS 120000       /* nobody has asked for so long: all are forgotten */

struct view_text {
	const char *node, *pool; /* of the replica; of one without a disk POOL_DISKLESS */
	const char *json;
	size_t len;
};

struct view_texts {
	int n;
	struct view_text text[]; /* in the order of the list */
};

struct api;
struct texts;
/* max_bytes: of what is kept; TEXTS_KEPT_MAX */
struct texts *texts_new(struct api *a, size_t max_bytes);
void texts_free(struct texts *t); /* before the store is closed; NULL is fine */
/* name: lower case. Borrowed until the next call, or the next transaction. NULL: there is no such
 * resource, or its documents cannot be read. */
const struct view_texts *texts_of(struct texts *t, const char *name);
void texts_tick(struct texts *t, int64_t now_ms);
size_t texts_bytes(const struct texts *t); /* that are kept */

#endif
