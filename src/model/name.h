/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name.h - names: [A-Za-z_][A-Za-z0-9_-]*, case preserved, compared without case. */
#ifndef SDSD_MODEL_NAME_H
#define SDSD_MODEL_NAME_H

#include "base/err.h"
#include "model/limits.h"

#define NAME_KEY_NONE "?" /* the key of what cannot be a name: no object ever has it */

/* what: "resource name", for the sentence. -E_INVALID. Resource names "all" and "proxy" are
 * refused by resource_check. */
int name_check(const char *what, const char *name, int min_len, struct err *err);
/* Lower-case form used in store keys. Any text may be asked for: what is too long, empty,
 * NULL or has a character of no name gives NAME_KEY_NONE, so that looking it up finds nothing. */
void name_key(const char *name, char out[NAME_MAX_LEN + 1]);

#endif
