// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rules.c - the rules of a select_filter, read and compared with each other.
 * Called by group.c (filters of groups and requests) and change_place.c. Which
 * nodes follow them is placement.c's and placement_search.c's business. Pure.
 */
#include "model/rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/name.h"

static const char *const fields[RULE_KINDS] = {
	[RULE_SAME] = "replicas_on_same",
	[RULE_DIFFERENT] = "replicas_on_different",
	[RULE_MOST] = "x_replicas_on_different_map",
};

/* What LINSTOR knows beside ours; a pool here is never one of them. */
static const char *const foreign_kinds[] = {
	"DISKLESS",
	"ZFS",
	"ZFS_THIN",
	"SPDK",
	"REMOTE_SPDK",
	"EXOS",
	"EBS_INIT",
	"EBS_TARGET",
	"OPENFLEX_TARGET",
	"STORAGE_SPACES",
	"STORAGE_SPACES_THIN",
};

static int add_rule(struct place_rules *rules, enum rule_kind kind, const char *text, int most,
		    struct err *err)
{
	const char *field = fields[kind], *end;
	struct place_rule *r;

	while (*text == '/')
		text++;
	end = kind == RULE_MOST ? NULL : strchr(text, '=');
	if (!end)
		end = text + strlen(text);
	if (end == text || end - text > PROP_KEY_MAX)
		return err_set(err, -E_INVALID,
			       "%s: \"%.60s\" names no property; give its key, such as Aux/rack",
			       field, text);
	if (rules->n == RULES_MAX)
		return err_set(err, -E_INVALID,
			       "replicas_on_same, replicas_on_different and "
			       "x_replicas_on_different_map hold more than %d rules",
			       RULES_MAX);
	r = &rules->rule[rules->n++];
	*r = (struct place_rule){ .kind = kind, .most = most };
	memcpy(r->key, text, (size_t)(end - text));
	r->value = *end ? end + 1 : NULL;
	return 0;
}

typedef int (*take_text)(struct place_rules *rules, const char *field, const char *text,
			 struct err *err);

static int take_same(struct place_rules *rules, const char *field, const char *text,
		     struct err *err)
{
	return add_rule(rules, RULE_SAME, text, 0, err);
}

static int take_different(struct place_rules *rules, const char *field, const char *text,
			  struct err *err)
{
	return add_rule(rules, RULE_DIFFERENT, text, 1, err);
}

static int take_neighbour(struct place_rules *rules, const char *field, const char *text,
			  struct err *err)
{
	int rv = name_check(field, text, NAME_MIN_LEN, err);

	if (rv < 0)
		return rv;
	if (rules->n_not_with == RULE_NAMES_MAX)
		return err_set(err, -E_INVALID, "%s holds more than %d names", field,
			       RULE_NAMES_MAX);
	rules->not_with[rules->n_not_with++] = text;
	return 0;
}

static int take_kind(struct place_rules *rules, const char *field, const char *text,
		     struct err *err)
{
	enum pool_kind kind;

	rules->has_kinds = true;
	if (pool_kind_parse(text, &kind) == 0) {
		rules->kinds |= 1u << kind;
		return 0;
	}
	for (size_t i = 0; i < sizeof(foreign_kinds) / sizeof(foreign_kinds[0]); i++) {
		if (strcasecmp(text, foreign_kinds[i]) == 0)
			return 0;
	}
	return err_set(err, -E_INVALID, "%s: \"%.40s\" is no kind of pool; there are %s", field,
		       text, POOL_KINDS_TEXT);
}

/* a list of texts, or one text */
static int texts_of(json *filter, const char *field, take_text take, struct place_rules *rules,
		    struct err *err)
{
	json *list = jget(filter, field), *one;
	bool is_list = json_object_is_type(list, json_type_array);
	size_t n = is_list ? json_object_array_length(list) : list ? 1 : 0;
	int rv;

	for (size_t i = 0; i < n; i++) {
		one = is_list ? json_object_array_get_idx(list, i) : list;
		if (!json_object_is_type(one, json_type_string))
			return err_set(err, -E_INVALID, "%s must be a list of texts", field);
		if (!is_list && !json_object_get_string_len(one))
			return 0;
		rv = take(rules, field, json_object_get_string(one), err);
		if (rv < 0)
			return rv;
	}
	return 0;
}

static int most_of(json *filter, struct place_rules *rules, struct err *err)
{
	const char *field = fields[RULE_MOST];
	json *map = jget(filter, field);
	int64_t most;
	int rv;

	if (!map)
		return 0;
	if (!json_object_is_type(map, json_type_object))
		return err_set(err, -E_INVALID, "%s must be an object: {\"Aux/room\": 2}", field);
	json_object_object_foreach(map, key, value)
	{
		if (!value)
			continue;
		if (jget_i64(map, key, &most) < 0 || most < 1)
			return err_set(err, -E_INVALID,
				       "%s: \"%.60s\" must have a number from 1 on", field, key);
		rv = add_rule(rules, RULE_MOST, key, most < COPIES_MAX ? (int)most : COPIES_MAX,
			      err);
		if (rv < 0)
			return rv;
	}
	return 0;
}

/* What makes an expression take more memory or time than its length: nested counts, and
 * references to what was matched before. Characters in brackets count too: rather too careful. */
static int regex_is_small(const char *text, struct err *err)
{
	const char *field = "not_place_with_rsc_regex";
	long product = 1, count;
	char *end;

	if (strlen(text) > RULE_REGEX_MAX)
		return err_set(err, -E_INVALID, "%s has %zu bytes, %d can be", field, strlen(text),
			       RULE_REGEX_MAX);
	for (const char *p = text; *p; p++) {
		if (*p == '\\' && isdigit((unsigned char)p[1]))
			return err_set(err, -E_INVALID, "%s: \\%c is not supported", field, p[1]);
		if (*p != '{')
			continue;
		count = strtol(p + 1, &end, 10);
		if (*end == ',' && isdigit((unsigned char)end[1]))
			count = strtol(end + 1, NULL, 10);
		if (count > RULE_REPEAT_MAX)
			count = RULE_REPEAT_MAX + 1;
		product *= count > 1 ? count : 1;
		if (product > RULE_REPEAT_MAX)
			return err_set(err, -E_INVALID,
				       "%s: its {counts} multiplied are more than %d", field,
				       RULE_REPEAT_MAX);
	}
	return 0;
}

int rules_regex(const char *text, regex_t *ret, struct err *err)
{
	char why[80];
	int rv = regex_is_small(text, err);

	if (rv < 0)
		return rv;
	rv = regcomp(ret, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (rv == 0)
		return 0;
	regerror(rv, ret, why, sizeof(why));
	return err_set(err, -E_INVALID,
		       "not_place_with_rsc_regex \"%.80s\" is no regular expression: %s", text,
		       why);
}

static int regex_of(json *filter, struct place_rules *rules, struct err *err)
{
	json *value = jget(filter, "not_place_with_rsc_regex");
	regex_t compiled;
	int rv;

	if (!value)
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return err_set(err, -E_INVALID, "not_place_with_rsc_regex must be a text");
	if (!json_object_get_string_len(value))
		return 0;
	rv = rules_regex(json_object_get_string(value), &compiled, err);
	if (rv < 0)
		return rv;
	regfree(&compiled);
	rules->not_with_regex = json_object_get_string(value);
	return 0;
}

int rules_parse(json *filter, struct place_rules *ret, struct err *err)
{
	int rv;

	*ret = (struct place_rules){ 0 };
	if ((rv = texts_of(filter, fields[RULE_SAME], take_same, ret, err)) < 0 ||
	    (rv = texts_of(filter, fields[RULE_DIFFERENT], take_different, ret, err)) < 0 ||
	    (rv = most_of(filter, ret, err)) < 0 ||
	    (rv = texts_of(filter, "not_place_with_rsc", take_neighbour, ret, err)) < 0 ||
	    (rv = texts_of(filter, "provider_list", take_kind, ret, err)) < 0)
		return rv;
	return regex_of(filter, ret, err);
}

static bool has_kind(const struct place_rules *rules, enum rule_kind kind)
{
	for (int i = 0; i < rules->n; i++) {
		if (rules->rule[i].kind == kind)
			return true;
	}
	return false;
}

int rules_over(struct place_rules *rules, const struct place_rules *request, struct err *err)
{
	int n = 0;

	for (int i = 0; i < rules->n; i++) {
		if (!has_kind(request, rules->rule[i].kind))
			rules->rule[n++] = rules->rule[i];
	}
	if (n + request->n > RULES_MAX)
		return err_set(err, -E_INVALID,
			       "the rules of the request and of its group are more than %d",
			       RULES_MAX);
	memcpy(&rules->rule[n], request->rule, (size_t)request->n * sizeof(request->rule[0]));
	rules->n = n + request->n;
	if (request->n_not_with > 0) {
		memcpy(rules->not_with, request->not_with, sizeof(rules->not_with));
		rules->n_not_with = request->n_not_with;
	}
	if (request->not_with_regex)
		rules->not_with_regex = request->not_with_regex;
	if (request->has_kinds) {
		rules->has_kinds = true;
		rules->kinds = request->kinds;
	}
	return 0;
}

const char *rule_text(const struct place_rule *r, char *out, size_t len)
{
	snprintf(out, len, "%.80s%s%.40s", r->key, r->value ? "=" : "", r->value ? r->value : "");
	return out;
}

/* why a and b leave no place for so many copies; NULL: they do not */
static const char *clash(const struct place_rule *a, const struct place_rule *b, int copies)
{
	if (strcmp(a->key, b->key) != 0 || a->kind != RULE_SAME)
		return NULL;
	if (b->kind == RULE_SAME && a->value && b->value && strcmp(a->value, b->value) != 0)
		return "it cannot have both values";
	if (b->kind == RULE_DIFFERENT && b->value)
		return a->value && strcmp(a->value, b->value) == 0
			       ? "the same value is asked for and excluded"
			       : NULL;
	if (b->kind != RULE_SAME && copies > b->most)
		return "all copies would have the same value";
	return NULL;
}

int rules_check(const struct place_rules *rules, int copies, struct err *err)
{
	char a_text[128], b_text[128];

	for (int i = 0; i < rules->n; i++) {
		for (int k = 0; k < rules->n; k++) {
			const struct place_rule *a = &rules->rule[i], *b = &rules->rule[k];
			const char *why = clash(a, b, copies);

			if (!why)
				continue;
			return err_set(err, -E_INVALID,
				       "%s %s and %s %s contradict each other for %d %s: %s",
				       fields[a->kind], rule_text(a, a_text, sizeof(a_text)),
				       fields[b->kind], rule_text(b, b_text, sizeof(b_text)),
				       copies, copies == 1 ? "copy" : "copies", why);
		}
	}
	return 0;
}
