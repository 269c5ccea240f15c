/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules.h - what a select_filter says beyond counts and lists of names: which
 * copies may be beside which. In LINSTOR's words:
 *  "replicas_on_same": ["Aux/site", "Aux/kind=ssd"]   all copies on nodes where this property
 *      has the same value; with "=": where it has this one
 *  "replicas_on_different": ["Aux/rack", "Aux/site=lab"]   no two copies where it has the same
 *      value; with "=": none where it has this one
 *  "x_replicas_on_different_map": {"Aux/room": 2}   at most so many where it has the same value
 *  "not_place_with_rsc": ["db"]   on no node with a replica of these resources
 *  "not_place_with_rsc_regex": "^db"   or of such whose name matches: POSIX
 *      extended, any part of the name, upper and lower case alike
 *  "provider_list": ["LVM_THIN"]   only in pools of these kinds
 * A node without the property has a value of its own for "different" and the map, and cannot be
 * the same as anything.
 */
#ifndef SDSD_MODEL_RULES_H
#define SDSD_MODEL_RULES_H

#include <regex.h>

#include "base/json.h"
#include "model/limits.h"
#include "model/pool.h"

#define RULES_MAX 32       /* of all three kinds together */
#define RULE_NAMES_MAX 64  /* resources to keep away from */
#define RULE_REGEX_MAX 256 /* bytes */
/* The counts of an expression's {n,m}, multiplied: nested ones multiply the memory it takes. */
#define RULE_REPEAT_MAX 1000

enum rule_kind { RULE_SAME, RULE_DIFFERENT, RULE_MOST, RULE_KINDS };

struct place_rule {
	enum rule_kind kind;
	char key[PROP_KEY_MAX + 1]; /* without leading slashes */
	const char *value;          /* borrowed from the filter; NULL: whichever */
	int most;                   /* copies of one value; RULE_DIFFERENT: 1 */
};

struct place_rules { /* strings borrowed from the filter */
	struct place_rule rule[RULES_MAX];
	int n;
	const char *not_with[RULE_NAMES_MAX];
	int n_not_with;
	const char *not_with_regex; /* NULL: none; it compiles */
	bool has_kinds;
	uint32_t kinds; /* mask of enum pool_kind; may be 0: none that we have */
};

/* filter NULL: no rules. -E_INVALID */
int rules_parse(json *filter, struct place_rules *ret, struct err *err);
/* What request says replaces what rules say of the same field; -E_INVALID: too many in all */
int rules_over(struct place_rules *rules, const struct place_rules *request, struct err *err);
/* Whether so many copies can be by these rules on any nodes at all. -E_INVALID: which two rules
 * exclude each other */
int rules_check(const struct place_rules *rules, int copies, struct err *err);
/* The expression, to be freed by regfree. -E_INVALID: what is wrong with it */
int rules_regex(const char *text, regex_t *ret, struct err *err);
/* the rule as a person would write it: "Aux/rack", "Aux/site=lab" */
const char *rule_text(const struct place_rule *r, char *out, size_t len);

#endif
