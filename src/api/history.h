/* SPDX-License-Identifier: GPL-2.0-or-later */
/* history.h - an entry of the history as the API shows it, in lists (history.c) and events. */
#ifndef SDSD_API_HISTORY_H
#define SDSD_API_HISTORY_H

#include <stdbool.h>

#include "base/json.h"
#include "store/store.h"

#define HISTORY_LIST_DEFAULT 100
#define HISTORY_LIST_MAX 1000 /* entries of one answer */

/* entry with its index in it; borrowed from entry */
json *history_view(uint64_t index, json *entry);
/* "volume/db" (what belongs to the resource), "db" (the same), "node/n1", "pool/n1/ssd": does the
 * entry concern it? object "": every entry does */
bool history_concerns(json *entry, const char *object);
/* The query's object in the form for it, "" when there is none. false: the call was answered */
struct api_call;
bool history_query_object(struct api_call *c, char out[STORE_KEY_MAX]);

#endif
