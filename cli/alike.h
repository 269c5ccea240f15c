/* SPDX-License-Identifier: GPL-2.0-or-later */
/* alike.h - which of the words that there are was meant by one that is mistyped. Pure. */
#ifndef SDSD_CLI_ALIKE_H
#define SDSD_CLI_ALIKE_H

#include "cli/cli.h"

#define ALIKE_LEN_MAX 31 /* bytes; a longer word is like no other */
#define ALIKE_NOT 100    /* more than any distance */
#define ALIKE_MAX 6      /* commands that are named at most */

/* 0: the same; n: n letters are wrong, missing, too many, or two of them have changed places; a
 * beginning of word counts as 1. ALIKE_NOT: too different to have been meant, which is more than
 * one letter in three, at least one. */
int alike_distance(const char *typed, const char *word);

struct alike_command {
	const char *noun, *verb; /* borrowed of the table; verb NULL: the noun alone */
};
/* The commands that were most likely meant by noun and verb (NULL: none, or an argument); also a
 * verb without its noun, or before it. verb_at(i): the i-th verb, NULL behind the last. Returns how
 * many, 0 to ALIKE_MAX. */
int alike_commands(const struct cli_verb *(*verb_at)(int i), const char *noun, const char *verb,
		   struct alike_command ret[ALIKE_MAX]);

#endif
