/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * known.h - what a leader remembers of some resources, by their names in lower case. NULL: of none.
 */
#ifndef SDSD_API_KNOWN_H
#define SDSD_API_KNOWN_H

#include "base/json.h"

void known_set(json **known, const char *name, json *value); /* takes value */
void known_drop(json **known, const char *name);             /* fine if it is not there */
void known_mark(json **known, const char *name, bool yes);   /* set to true, or dropped */
int known_count(json *known);

#endif
