// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * placement_search.c - a choice of several copies that follows the rules about
 * all of them, by trying: the best candidate first, and back when the rest cannot be
 * placed any more. Called by placement.c.
 *
 * Two things keep the tries few. Nodes with the same values are alike to the rules:
 * when one of them has failed at a place, the others are passed over. And before
 * each step every rule is asked alone how many copies it leaves room for (bound).
 */
#include "model/placement_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUES_MAX (NODES_MAX + REPLICAS_MAX)
#define NO_VALUE (-1)  /* the node has no such property */
#define ANY_VALUE (-2) /* nothing has fixed the value yet */
#define NONE_FITS (-3) /* the copies that are there differ */

struct key { /* one rule about several copies: what is counted for it */
	const struct place_rule *rule;
	const char *value[VALUES_MAX];
	int n_values;
	short present[VALUES_MAX];    /* copies with this value: present and chosen */
	const char *node[VALUES_MAX]; /* the first of them, for the reason; borrowed */
	int fixed;                    /* RULE_SAME: the value of all */
	int fixed_present;            /* the same, by the present copies alone */
	const char *fixed_node;
};

struct search {
	const struct placement_pool *pools;
	struct key *key;
	int n_keys;
	const int *order;
	int n;
	short *values; /* of candidate c under key k: values[c * n_keys + k] */
	short class_of[NODES_MAX];
	int last[COPIES_MAX], n_last; /* chosen last: indexes into order */
	int tries;
	bool gave_up, gave_up_before; /* in the last search, in earlier ones */
};

static bool speaks_of_several(const struct place_rule *r)
{
	return !r->value;
}

static int value_of(struct key *k, const struct placement_pool *p)
{
	const char *text = jget_str(p->props, k->rule->key, NULL);

	if (!text)
		return NO_VALUE;
	for (int i = 0; i < k->n_values; i++) {
		if (strcmp(k->value[i], text) == 0)
			return i;
	}
	if (k->n_values == VALUES_MAX)
		return NO_VALUE;
	k->value[k->n_values] = text;
	return k->n_values++;
}

static void count_copy(struct key *k, int value, const char *node)
{
	if (k->rule->kind == RULE_SAME && k->fixed == ANY_VALUE) {
		k->fixed = value;
		k->fixed_node = node;
	} else if (k->rule->kind == RULE_SAME) {
		k->fixed = k->fixed == value ? value : NONE_FITS;
	} else if (value != NO_VALUE && k->present[value]++ == 0) {
		k->node[value] = node;
	}
}

/* the copies that are there */
static void count_present(struct search *s, int n_pools)
{
	for (int i = 0; i < n_pools; i++) {
		const struct placement_pool *p = &s->pools[i];
		bool counted = !p->has_copy;

		for (int k = 0; k < i && !counted; k++)
			counted =
				s->pools[k].has_copy && strcasecmp(s->pools[k].node, p->node) == 0;
		for (int k = 0; k < s->n_keys && !counted; k++)
			count_copy(&s->key[k], value_of(&s->key[k], p), p->node);
	}
	for (int k = 0; k < s->n_keys; k++)
		s->key[k].fixed_present = s->key[k].fixed;
}

static const short *values_of(const struct search *s, int c)
{
	return &s->values[(size_t)c * (size_t)s->n_keys];
}

static void sort_into_classes(struct search *s)
{
	size_t len = (size_t)s->n_keys * sizeof(s->values[0]);

	for (int c = 0; c < s->n; c++) {
		for (int k = 0; k < s->n_keys; k++)
			s->values[c * s->n_keys + k] =
				(short)value_of(&s->key[k], &s->pools[s->order[c]]);
		s->class_of[c] = (short)c;
		for (int b = 0; b < c && s->class_of[c] == c; b++) {
			if (memcmp(values_of(s, b), values_of(s, c), len) == 0)
				s->class_of[c] = s->class_of[b];
		}
	}
}

struct search *search_new(const struct placement_pool *pools, int n_pools,
			  const struct place_rules *rules, const int *order, int n)
{
	struct search *s = calloc(1, sizeof(*s));
	int n_rules = rules ? rules->n : 0;

	if (!s)
		return NULL;
	s->pools = pools;
	s->order = order;
	s->n = n < NODES_MAX ? n : NODES_MAX;
	s->key = calloc((size_t)n_rules + 1, sizeof(*s->key));
	s->values = calloc((size_t)(n_rules + 1) * (size_t)(s->n + 1), sizeof(*s->values));
	if (!s->key || !s->values) {
		search_free(s);
		return NULL;
	}
	for (int i = 0; i < n_rules; i++) {
		if (speaks_of_several(&rules->rule[i]))
			s->key[s->n_keys++] =
				(struct key){ .rule = &rules->rule[i], .fixed = ANY_VALUE };
	}
	count_present(s, n_pools);
	sort_into_classes(s);
	return s;
}

void search_free(struct search *s)
{
	if (!s)
		return;
	free(s->key);
	free(s->values);
	free(s);
}

static bool key_allows(const struct key *k, int value)
{
	if (k->rule->kind == RULE_SAME)
		return value != NO_VALUE && (k->fixed == ANY_VALUE || k->fixed == value);
	return value == NO_VALUE || k->present[value] < k->rule->most;
}

static bool is_allowed(const struct search *s, int c)
{
	for (int k = 0; k < s->n_keys; k++) {
		if (!key_allows(&s->key[k], values_of(s, c)[k]))
			return false;
	}
	return true;
}

/* how many of the allowed candidates from c on this rule alone lets be taken */
static int key_bound(const struct search *s, int k, const bool *allowed, int c)
{
	const struct key *key = &s->key[k];
	short left[VALUES_MAX] = { 0 };
	int bound = 0, largest = 0;

	for (; c < s->n; c++) {
		int value = values_of(s, c)[k];

		if (!allowed[c])
			continue;
		if (value == NO_VALUE)
			bound++;
		else if (key->rule->kind != RULE_SAME &&
			 left[value] >= key->rule->most - key->present[value])
			continue;
		else
			bound++;
		if (value != NO_VALUE && ++left[value] > largest)
			largest = left[value];
	}
	return key->rule->kind == RULE_SAME ? largest : bound;
}

static bool can_hold(const struct search *s, int from, int copies)
{
	bool allowed[NODES_MAX];
	int n = 0;

	for (int c = from; c < s->n; c++) {
		allowed[c] = is_allowed(s, c);
		n += allowed[c];
	}
	if (n < copies)
		return false;
	for (int k = 0; k < s->n_keys; k++) {
		if (key_bound(s, k, allowed, from) < copies)
			return false;
	}
	return true;
}

static void take(struct search *s, int c)
{
	for (int k = 0; k < s->n_keys; k++)
		count_copy(&s->key[k], values_of(s, c)[k], s->pools[s->order[c]].node);
	s->last[s->n_last++] = c;
}

/* the one taken last is not any more; the first taken is what fixed the values */
static void take_back(struct search *s)
{
	int c = s->last[--s->n_last];

	for (int k = 0; k < s->n_keys; k++) {
		struct key *key = &s->key[k];
		int value = values_of(s, c)[k];

		if (key->rule->kind != RULE_SAME && value != NO_VALUE)
			key->present[value]--;
		else if (s->n_last == 0)
			key->fixed = key->fixed_present;
	}
}

/* copies more, of the candidates from `from` on */
static bool place(struct search *s, int from, int copies)
{
	bool failed[NODES_MAX] = { false };

	if (copies == 0)
		return true;
	if (++s->tries > PLACEMENT_TRIES_MAX) {
		s->gave_up = true;
		return false;
	}
	if (!can_hold(s, from, copies))
		return false;
	for (int c = from; c + copies <= s->n && !s->gave_up; c++) {
		if (failed[s->class_of[c]] || !is_allowed(s, c))
			continue;
		take(s, c);
		if (place(s, c + 1, copies - 1))
			return true;
		take_back(s);
		failed[s->class_of[c]] = true;
	}
	return false;
}

bool search_choose(struct search *s, int copies, int *picked)
{
	if (copies > COPIES_MAX)
		return false;
	while (s->n_last > 0) /* the choice before is not there any more */
		take_back(s);
	s->gave_up_before |= s->gave_up;
	s->gave_up = false;
	s->tries = 0;
	if (!place(s, 0, copies))
		return false;
	for (int i = 0; i < copies; i++)
		picked[i] = s->order[s->last[i]];
	return true;
}

bool search_gave_up(const struct search *s)
{
	return s->gave_up || s->gave_up_before;
}

static void tell(const struct key *k, int value, char why[PLACEMENT_REASON_MAX])
{
	const char *key = k->rule->key, *text = value == NO_VALUE ? "" : k->value[value];

	if (value == NO_VALUE)
		snprintf(why, PLACEMENT_REASON_MAX, "has no property %.80s", key);
	else if (k->rule->kind == RULE_SAME && k->fixed == NONE_FITS)
		snprintf(why, PLACEMENT_REASON_MAX,
			 "%.60s must be as of the other copies, which differ in it", key);
	else if (k->rule->kind == RULE_SAME && k->fixed == NO_VALUE)
		snprintf(why, PLACEMENT_REASON_MAX,
			 "%.60s must be as of the copy on %.48s, which has no such property", key,
			 k->fixed_node);
	else if (k->rule->kind == RULE_SAME)
		snprintf(why, PLACEMENT_REASON_MAX, "%.60s is %.40s, of the copy on %.48s %.40s",
			 key, text, k->fixed_node, k->value[k->fixed]);
	else if (k->rule->most == 1)
		snprintf(why, PLACEMENT_REASON_MAX, "%.60s is %.40s, as of the copy on %.48s", key,
			 text, k->node[value]);
	else
		snprintf(why, PLACEMENT_REASON_MAX,
			 "%.60s is %.40s, as of %d other copies, %d can be", key, text,
			 k->present[value], k->rule->most);
}

bool search_conflict(const struct search *s, int pool, char why[PLACEMENT_REASON_MAX])
{
	for (int i = 0; i < s->n_keys; i++) {
		struct key *k = &s->key[i];
		int value = value_of(k, &s->pools[pool]);

		if (key_allows(k, value))
			continue;
		tell(k, value, why);
		return true;
	}
	return false;
}
