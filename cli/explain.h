/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain.h - where copies would go, as a table. */
#ifndef SDSD_CLI_EXPLAIN_H
#define SDSD_CLI_EXPLAIN_H

#include "base/json.h"

/* Asks what a volume of these sizes and rules would get, and prints it; takes sizes, filter and
 * props (of the resource; NULL: none). CLI_OK also when nothing can be placed: that was the
 * question. */
int explain_volume(const char *name, const char *group, json *sizes, json *filter, json *props);

#endif
