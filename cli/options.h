/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - takes options out of a command line. Pure. Options may stand
 * before, between and after the other words; "--" ends them.
 */
#ifndef SDSD_CLI_OPTIONS_H
#define SDSD_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define OPTIONS_WORDS_MAX 256 /* words beside the options */

struct option_spec {
	const char *name;   /* "--copies" */
	const char **value; /* takes a value ("--copies 2", "--copies=2"); NULL: a flag */
	bool *flag;
};

/* words[0..*ret_n] are what is no option, in order, borrowed from argv (argv[0] is passed over).
 * -E_INVALID: an unknown option, a missing or superfluous value, too many words. */
int options_parse(int argc, char **argv, const struct option_spec *specs, int n_specs,
		  const char **words, int max_words, int *ret_n, struct err *err);
/* "90s" "30m" "1h" "7d", a bare number is seconds; -E_INVALID */
int options_seconds(const char *text, int64_t *ret, struct err *err);
/* a whole number between min and max; -E_INVALID */
int options_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret,
		   struct err *err);

#endif
