/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backlog.h - names of resources that are to be looked at: those that have changed first, in the
 * order in which they did, then, when all are to be looked at, the others. A name waits once,
 * however often it is added. Names are in lower case, as in keys of the store.
 */
#ifndef SDSD_API_BACKLOG_H
#define SDSD_API_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

struct backlog {       /* all zero: empty */
	json *changed; /* a set, as keys; owned, NULL: none */
	json *batch;   /* the former set, being taken from; a list, owned, NULL: none */
	size_t at;     /* the next of batch */
	json *all;     /* a list, owned, NULL: none */
	size_t all_at;
};

void backlog_add(struct backlog *b, const char *name);
/* names: a list of strings, taken; what is left of an earlier one is dropped, as it is in these */
void backlog_add_all(struct backlog *b, json *names);
/* Takes the next one out; NULL: there is none. Borrowed until the next call. */
const char *backlog_next(struct backlog *b);
bool backlog_is_empty(const struct backlog *b);
/* Not all of the last backlog_add_all was taken. Who begins anew before that never gets to the end.
 */
bool backlog_has_rest(const struct backlog *b);
void backlog_clear(struct backlog *b);

#endif
