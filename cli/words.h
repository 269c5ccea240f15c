/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * words.h - what may come next on a command line, read out of the args text of the
 * verbs' tables, so that no second list has to be kept. Pure.
 */
#ifndef SDSD_CLI_WORDS_H
#define SDSD_CLI_WORDS_H

#include "base/json.h"
#include "cli/cli.h"

enum words_kind { WORDS_NONE, WORDS_VOLUME, WORDS_NODE, WORDS_POOL, WORDS_GROUP };

/* Appends to list, of texts, what can follow the n words given (without "sdsd"): nouns, verbs,
 * options, literal words. *ret: names of which objects may follow too. verb_at(i): the i-th verb,
 * NULL behind the last. */
void words_next(const struct cli_verb *(*verb_at)(int i), const char *const *given, int n,
		json *list, enum words_kind *ret);

#endif
