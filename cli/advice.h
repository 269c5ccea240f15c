/* SPDX-License-Identifier: GPL-2.0-or-later */
/* advice.h - what a person can do about a volume. Pure: from a status document to words. */
#ifndef SDSD_CLI_ADVICE_H
#define SDSD_CLI_ADVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

#define ADVICE_MAX 320 /* bytes of a command or a sentence */

/* A sentence about one replica: what is wrong with it, or "fine". age_ms: since when its node does
 * not answer, -1 when it does, or when that is not known. Returns out. */
const char *advice_replica(json *replica, int64_t age_ms, char *out, size_t len);
/* The command to type next for a resource of a status document, and why, the worst trouble first;
 * quorum: of that document's cluster. "" when there is nothing to type. Returns command. */
const char *advice_command(json *resource, bool quorum, char command[ADVICE_MAX],
			   char why[ADVICE_MAX]);

#endif
