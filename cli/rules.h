/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rules.h - where copies go, as options of several verbs: read, and made a select_filter. */
#ifndef SDSD_CLI_RULES_H
#define SDSD_CLI_RULES_H

#include "base/json.h"
#include "cli/options.h"

struct rules_options { /* as they were given; NULL: not */
	const char *copies, *nodes, *pool, *same, *different, *most, *not_with, *not_with_regex,
		*provider;
};

#define RULES_SPECS 9
#define RULES_ARGS                                                                 \
	"[--copies N] [--nodes A,B] [--pool POOL] [--same KEY] [--different KEY] " \
	"[--max-per KEY=N] [--not-with NAME] [--not-with-regex REGEX] [--provider KIND]"
#define RULES_HELP                                                                               \
	"  --copies N     how many copies\n"                                                     \
	"  --nodes A,B    only on these nodes\n"                                                 \
	"  --pool POOL    only in pools of this name\n"                                          \
	"  --same KEY     all copies on nodes where this label has the same value; KEY=VALUE:\n" \
	"                 this value (sdsd node label sets labels)\n"                            \
	"  --different KEY  no two copies where it has the same value; KEY=VALUE: none there\n"  \
	"  --max-per KEY=N  at most N copies where it has the same value\n"                      \
	"  --not-with NAME  on no node with a replica of this volume\n"                          \
	"  --not-with-regex REGEX  nor of volumes whose name matches\n"                          \
	"  --provider KIND  only in pools of this kind: file-thin, lvm-thin ...\n"               \
	"  Each takes several, by commas; the empty text takes a rule back.\n"

/* the options of RULES_ARGS, to be parsed beside others; specs[RULES_SPECS] */
void rules_specs(struct rules_options *o, struct option_spec *specs);
/* -E_INVALID; filter: an object, of which only what was given is set */
int rules_filter(const struct rules_options *o, json *filter, struct err *err);
/* "rack" -> "Aux/rack"; a key with a slash stays as it is */
const char *rules_key(const char *key, char *out, size_t len);
/* the rules of a group's filter, one a line */
void rules_print(json *filter);

#endif
