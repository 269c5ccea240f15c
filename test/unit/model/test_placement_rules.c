// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_placement_rules.c - the rules that speak of properties and of several
 * copies together: rows, and small worlds by chance against an oracle that looks at
 * every choice there is (model/rules.c, placement.c, placement_search.c).
 */
#include "model/placement.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/modelworld.h"

#define WORLD_NODES 6

TestSuite(placement_rules, .fini = world_no_leaks);

/* nodes n1.. of a suitable pool each; text: "a=1,b=2 a=2 +a=1 -": their properties, "+": with a
 * copy, "-": none */
struct field {
	struct placement_pool pool[NODES_MAX];
	char name[NODES_MAX][8];
	int n;
};

static void add_node(struct field *f, const char *word)
{
	struct placement_pool *p = &f->pool[f->n];
	char text[64], *save, *eq;
	bool copy = *word == '+';

	snprintf(f->name[f->n], sizeof(f->name[0]), "n%d", f->n + 1);
	*p = (struct placement_pool){ .node = f->name[f->n],
				      .pool = "ssd",
				      .kind = POOL_FILE_THIN,
				      .online = true,
				      .thin = true,
				      .free_kib = 100 * GIB,
				      .total_kib = 100 * GIB,
				      .has_replica = copy,
				      .has_copy = copy,
				      .props = json_object_new_object() };
	snprintf(text, sizeof(text), "%s", word + copy);
	for (char *one = strtok_r(text, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		eq = strchr(one, '=');
		if (!eq)
			continue;
		*eq = '\0';
		jset_str(p->props, one, eq + 1);
	}
	f->n++;
}

static void field_make(struct field *f, const char *text)
{
	char copy[512], *save;

	f->n = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		add_node(f, word);
}

static void field_free(struct field *f)
{
	for (int i = 0; i < f->n; i++)
		json_object_put(f->pool[i].props);
}

#define SAME(k) "{\"replicas_on_same\":[\"" k "\"]}"
#define DIFF(k) "{\"replicas_on_different\":[\"" k "\"]}"

struct row {
	const char *nodes, *filter;
	int copies;
	const char *chosen, *text; /* one of them */
};

static const struct row rows[] = {
	{ "a=1 a=2 a=2", SAME("a"), 2, "1 2", NULL }, /* the best first is a dead end */
	{ "a=1 a=2 a=2", SAME("/a"), 2, "1 2", NULL },
	{ "a=1 a=2 - a=3", SAME("a"), 2, NULL,
	  "2 copies wanted, 1 possible: n1/ssd chosen; n2: a is 2, of the copy on n1 1; n3: has no "
	  "property a; n4: a is 3, of the copy on n1 1" },
	{ "a=1 +a=2 a=2", SAME("a"), 1, "2", NULL },
	{ "a=1 +- a=2", SAME("a"), 1, NULL,
	  "1 copy wanted, 0 possible: n1: a must be as of the copy on n2, which has no such "
	  "property; n2: has a replica already; n3: a must be as of the copy on n2, which has no "
	  "such property" },
	{ "a=1 a=2 a=2", SAME("a=2"), 1, "1", NULL },
	{ "a=1 a=2 -", SAME("a=2"), 2, NULL,
	  "2 copies wanted, 1 possible: n2/ssd chosen; n1: a is 1, not 2; n3: has no property a" },
	{ "a=1 a=1 a=2", DIFF("a"), 2, "0 2", NULL },
	{ "+a=1 a=1 a=2", DIFF("a"), 1, "2", NULL },
	{ "+a=1 a=1", DIFF("a"), 1, NULL,
	  "1 copy wanted, 0 possible: n1: has a replica already; n2: a is 1, as of the copy on "
	  "n1" },
	{ "- a=1 - a=1", DIFF("a"), 3, "0 1 2", NULL }, /* no property: a value of its own */
	{ "a=1 a=2 -", DIFF("a=1"), 2, "1 2", NULL },
	{ "a=1 a=2", DIFF("a=1"), 2, NULL,
	  "2 copies wanted, 1 possible: n2/ssd chosen; n1: a is 1, which is excluded" },
	{ "a=1 a=1 a=1 a=2", "{\"x_replicas_on_different_map\":{\"a\":2}}", 3, "0 1 3", NULL },
	{ "a=1 a=1 a=1", "{\"x_replicas_on_different_map\":{\"a\":\"2\"}}", 3, NULL,
	  "3 copies wanted, 2 possible: n1/ssd chosen; n2/ssd chosen; n3: a is 1, as of 2 other "
	  "copies, 2 can be" },
	/* greedy takes n1 and then finds no second: r=1 and s=1 are both used up by it */
	{ "r=1,s=2 r=1,s=1 r=2,s=2", "{\"replicas_on_different\":[\"r\",\"s\"]}", 2, "1 2", NULL },
	{ "s=1,r=1 s=1,r=1 s=2,r=1 s=2,r=2",
	  "{\"replicas_on_same\":[\"s\"],\"replicas_on_different\":[\"r\"]}", 2, "2 3", NULL },
	{ "- -", "{\"provider_list\":[\"FILE_THIN\",\"lvm\"]}", 2, "0 1", NULL },
	{ "- -", "{\"provider_list\":[\"ZFS\"]}", 1, NULL,
	  "1 copy wanted, 0 possible: n1/ssd: is FILE_THIN, which is not among the providers asked "
	  "for; n2/ssd: is FILE_THIN, which is not among the providers asked for" },
};

Test(placement_rules, rows)
{
	static struct field f;
	static struct place_rules rules;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		json *filter = world_json(r->filter);
		struct placement_want want = { .size_kib = GIB,
					       .copies = r->copies,
					       .rules = &rules };
		int chosen[COPIES_MAX], rv;
		struct err err = { 0 };
		char text[64] = "";

		field_make(&f, r->nodes);
		cr_assert_eq(rules_parse(filter, &rules, &err), 0, "%s", err.text);
		rv = placement_choose(f.pool, f.n, &want, chosen, &err, NULL);
		cr_expect_eq(rv, r->chosen ? 0 : -E_NO_NODES, "row %zu: %d %s", i, rv, err.text);
		for (int k = 0; rv == 0 && k < r->copies; k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d",
				 k ? " " : "", chosen[k]);
		if (r->chosen)
			cr_expect_str_eq(text, r->chosen, "row %zu: %s", i, text);
		else
			cr_expect_str_eq(err.text, r->text, "row %zu: %s", i, err.text);
		field_free(&f);
		json_object_put(filter);
	}
}

/* Small worlds by chance */

static unsigned seed;

static int draw(int n)
{
	return (int)((unsigned)rand_r(&seed) % (unsigned)n);
}

static void random_world(struct field *f)
{
	static const char *const keys[] = { "a", "b" };
	int n = 1 + draw(WORLD_NODES);

	f->n = 0;
	for (int i = 0; i < n; i++) {
		char word[64] = "", *at = word;

		if (draw(6) == 0)
			*at++ = '+';
		for (int k = 0; k < 2; k++) {
			if (draw(5) > 0)
				at += snprintf(at, 16, "%s=%d,", keys[k], 1 + draw(3));
		}
		add_node(f, word);
		f->pool[i].total_kib = f->pool[i].free_kib = (50 + draw(50)) * GIB;
	}
}

static json *random_filter(void)
{
	static const char *const same[] = { "a", "b", "a=1", "b=2" };
	json *filter = json_object_new_object(), *list, *map;

	for (int pass = 0; pass < 2; pass++) {
		list = json_object_new_array();
		for (int n = draw(3); n > 1; n--)
			json_object_array_add(list, json_object_new_string(same[draw(4)]));
		if (pass == 1 && json_object_array_length(list) == 0)
			json_object_array_add(list, json_object_new_string(same[draw(4)]));
		jset(filter, pass ? "replicas_on_different" : "replicas_on_same", list);
	}
	map = json_object_new_object();
	if (draw(2))
		jset_i64(map, draw(2) ? "a" : "b", 1 + draw(2));
	jset(filter, "x_replicas_on_different_map", map);
	return filter;
}

/* Do the copies of the mask follow the rule? Written from the words of rules.h. */
static bool follows(const struct field *f, unsigned mask, unsigned added,
		    const struct place_rule *r)
{
	for (int i = 0; i < f->n; i++) {
		const char *v = jget_str(f->pool[i].props, r->key, NULL);
		int equal = 0;

		if (!(mask & 1u << i))
			continue;
		if (r->value) { /* present copies may be wherever they are */
			bool is = v && strcmp(v, r->value) == 0;

			if ((added & 1u << i) && is != (r->kind == RULE_SAME))
				return false;
			continue;
		}
		for (int k = 0; k < f->n; k++) {
			const char *w = jget_str(f->pool[k].props, r->key, NULL);
			bool same = v && w && strcmp(v, w) == 0;

			if (!(mask & 1u << k))
				continue;
			equal += same;
			/* not against copies that contradict each other already */
			if (r->kind == RULE_SAME && ((added & 1u << i) || (added & 1u << k)) &&
			    !same)
				return false;
		}
		if (r->kind != RULE_SAME && v && equal > r->most && (added & 1u << i))
			return false;
	}
	return true;
}

static bool is_fine(const struct field *f, unsigned added, const struct place_rules *rules)
{
	unsigned present = 0;

	for (int i = 0; i < f->n; i++)
		present |= f->pool[i].has_copy ? 1u << i : 0;
	if (present & added)
		return false;
	for (int i = 0; i < rules->n; i++) {
		if (!follows(f, present | added, added, &rules->rule[i]))
			return false;
	}
	return true;
}

/* the oracle: the best choice of all, in the order of free space; 0: none */
static unsigned best_choice(const struct field *f, int copies, const struct place_rules *rules,
			    const int *order)
{
	for (unsigned mask = (1u << f->n) - 1; mask > 0; mask--) {
		unsigned added = 0;

		/* the highest bit of mask is the best node, so that larger masks are better */
		for (int i = 0; i < f->n; i++)
			added |= mask & 1u << (f->n - 1 - i) ? 1u << order[i] : 0;
		if (__builtin_popcount(mask) == copies && is_fine(f, added, rules))
			return added;
	}
	return 0;
}

static const struct field *sorted;

static int by_space(const void *a, const void *b)
{
	const struct placement_pool *x = &sorted->pool[*(const int *)a];
	const struct placement_pool *y = &sorted->pool[*(const int *)b];
	int64_t step = 0, sx, sy;

	for (int i = 0; i < sorted->n; i++)
		step = sorted->pool[i].total_kib > step ? sorted->pool[i].total_kib : step;
	step /= PLACEMENT_STEPS;
	sx = x->free_kib / step;
	sy = y->free_kib / step;
	return sx != sy ? (sx < sy ? 1 : -1) : strcmp(x->node, y->node);
}

/* *ret: of copies that were possible */
static void check_world(unsigned number, int *ret)
{
	static struct field f;
	static struct place_rules rules;
	int order[WORLD_NODES], chosen[COPIES_MAX], copies, rv;
	struct err err = { 0 };
	unsigned want_mask, got = 0;
	json *filter;

	seed = number;
	random_world(&f);
	filter = random_filter();
	copies = 1 + draw(4);
	cr_assert_eq(rules_parse(filter, &rules, &err), 0, "%s", err.text);
	for (int i = 0; i < f.n; i++)
		order[i] = i;
	sorted = &f;
	qsort(order, (size_t)f.n, sizeof(*order), by_space);
	want_mask = best_choice(&f, copies, &rules, order);
	rv = placement_choose(
		f.pool, f.n,
		&(struct placement_want){ .size_kib = GIB, .copies = copies, .rules = &rules },
		chosen, &err, NULL);
	for (int i = 0; rv == 0 && i < copies; i++)
		got |= 1u << chosen[i];
	cr_assert_eq(got, want_mask, "world %u: chosen %x, best %x, %d copies by %s: %s", number,
		     got, want_mask, copies, json_text(filter), err.text);
	cr_assert_eq(rv, want_mask ? 0 : -E_NO_NODES, "world %u", number);
	*ret += rv == 0;
	field_free(&f);
	json_object_put(filter);
}

Test(placement_rules, as_an_oracle_would)
{
	int possible = 0;

	for (unsigned i = 1; i <= 20000; i++)
		check_world(i, &possible);
	/* worlds that are worth it: both answers are frequent */
	cr_expect_gt(possible, 4000, "%d", possible);
	cr_expect_lt(possible, 16000, "%d", possible);
}

/* Keys that cross each other: of the cells of a square whose third property is the sum of the first
 * two, modulo an even number, no full set differs in all three. Each key alone would do. */
Test(placement_rules, gives_up_honestly)
{
	static struct field f;
	static struct place_rules rules;
	json *filter = world_json("{\"replicas_on_different\":[\"a\",\"b\",\"c\",\"d\"]}");
	struct placement_want want = { .size_kib = GIB, .copies = 6, .rules = &rules };
	struct err err = { 0 };
	int chosen[COPIES_MAX];
	char word[64];

	cr_assert_eq(rules_parse(filter, &rules, NULL), 0);
	f.n = 0;
	for (int i = 0; i < 6 * 6 * 3; i++) { /* d: no two nodes are alike */
		snprintf(word, sizeof(word), "a=%d,b=%d,c=%d,d=%d", i % 6, i / 6 % 6,
			 (i % 6 + i / 6 % 6) % 6, i);
		add_node(&f, word);
	}
	cr_assert_eq(placement_choose(f.pool, f.n, &want, chosen, &err, NULL), -E_NO_NODES);
	cr_expect(strstr(err.text, "6 copies wanted, 5 found; "), "%s", err.text);
	snprintf(word, sizeof(word), "%d tries did not show", PLACEMENT_TRIES_MAX);
	cr_expect(strstr(err.text, word), "%s", err.text);
	want.copies = 5;
	cr_expect_eq(placement_choose(f.pool, f.n, &want, chosen, &err, NULL), 0);
	field_free(&f);
	json_object_put(filter);
}

Test(placement_rules, what_cannot_be_read)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "{\"replicas_on_same\":[1]}", "must be a list of texts" },
		{ "{\"replicas_on_same\":{}}", "must be a list of texts" },
		{ "{\"replicas_on_same\":[null]}", "must be a list of texts" },
		{ "{\"replicas_on_same\":[\"\"]}", "names no property" },
		{ "{\"replicas_on_different\":[\"=a\"]}", "names no property" },
		{ "{\"replicas_on_different\":[\"//\"]}", "names no property" },
		{ "{\"x_replicas_on_different_map\":[]}", "must be an object" },
		{ "{\"x_replicas_on_different_map\":{\"a\":0}}", "a number from 1 on" },
		{ "{\"x_replicas_on_different_map\":{\"a\":\"x\"}}", "a number from 1 on" },
		{ "{\"x_replicas_on_different_map\":{\"\":1}}", "names no property" },
		{ "{\"not_place_with_rsc\":[\"a/b\"]}", "not_place_with_rsc" },
		{ "{\"not_place_with_rsc_regex\":7}", "must be a text" },
		{ "{\"not_place_with_rsc_regex\":\"(\"}", "is no regular expression: " },
		{ "{\"not_place_with_rsc_regex\":\"a{2,1}\"}", "is no regular expression: " },
		{ "{\"not_place_with_rsc_regex\":\"(a)\\\\1\"}", "\\1 is not supported" },
		{ "{\"not_place_with_rsc_regex\":\"((a{100}){5}){3}\"}", "more than 1000" },
		{ "{\"not_place_with_rsc_regex\":\"a{1,1001}\"}", "more than 1000" },
		{ "{\"not_place_with_rsc_regex\":\"a{99999999999999999999}\"}", "more than 1000" },
		{ "{\"provider_list\":[\"FLOPPY\"]}", "is no kind of pool" },
	};
	static struct place_rules rules;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json *filter = world_json(bad[i].text);
		struct err err = { 0 };

		cr_expect_eq(rules_parse(filter, &rules, &err), -E_INVALID, "%s", bad[i].text);
		cr_expect(strstr(err.text, bad[i].says), "%s: %s", bad[i].text, err.text);
		json_object_put(filter);
	}
	cr_expect_eq(rules_parse(NULL, &rules, NULL), 0);
}

static int parse_list(const char *field, const char *word, int n)
{
	static struct place_rules rules;
	json *filter = json_object_new_object(), *list = json_object_new_array();
	char text[400];
	int rv;

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%s%d", word, i);
		json_object_array_add(list, json_object_new_string(text));
	}
	jset(filter, field, list);
	rv = rules_parse(filter, &rules, NULL);
	json_object_put(filter);
	return rv;
}

static int parse_regex(int len)
{
	static struct place_rules rules;
	json *filter = json_object_new_object();
	char text[RULE_REGEX_MAX + 2];
	int rv;

	memset(text, 'a', sizeof(text));
	text[len] = '\0';
	jset_str(filter, "not_place_with_rsc_regex", text);
	rv = rules_parse(filter, &rules, NULL);
	json_object_put(filter);
	return rv;
}

Test(placement_rules, limits)
{
	char key[PROP_KEY_MAX + 1];

	cr_expect_eq(parse_list("replicas_on_same", "Aux/", RULES_MAX), 0);
	cr_expect_eq(parse_list("replicas_on_same", "Aux/", RULES_MAX + 1), -E_INVALID);
	cr_expect_eq(parse_list("not_place_with_rsc", "db", RULE_NAMES_MAX), 0);
	cr_expect_eq(parse_list("not_place_with_rsc", "db", RULE_NAMES_MAX + 1), -E_INVALID);
	cr_expect_eq(parse_regex(RULE_REGEX_MAX), 0);
	cr_expect_eq(parse_regex(RULE_REGEX_MAX + 1), -E_INVALID);
	memset(key, 'k', sizeof(key)); /* the list's numbers make it one longer */
	key[PROP_KEY_MAX - 1] = '\0';
	cr_expect_eq(parse_list("replicas_on_same", key, 1), 0);
	key[PROP_KEY_MAX - 1] = 'k';
	key[PROP_KEY_MAX] = '\0';
	cr_expect_eq(parse_list("replicas_on_same", key, 1), -E_INVALID);
}

Test(placement_rules, contradictions)
{
	static const struct {
		const char *text;
		int copies;
		const char *says; /* NULL: fine */
	} rows_[] = {
		{ "{\"replicas_on_same\":[\"a\"],\"replicas_on_different\":[\"a\"]}", 2,
		  "replicas_on_same a and replicas_on_different a contradict each other for 2 "
		  "copies: all copies would have the same value" },
		{ "{\"replicas_on_same\":[\"a\"],\"replicas_on_different\":[\"a\"]}", 1, NULL },
		{ "{\"replicas_on_same\":[\"a\"],\"replicas_on_different\":[\"b\"]}", 3, NULL },
		{ "{\"replicas_on_same\":[\"a=1\",\"a=2\"]}", 1, "it cannot have both values" },
		{ "{\"replicas_on_same\":[\"a=1\"],\"replicas_on_different\":[\"a=1\"]}", 1,
		  "asked for and excluded" },
		{ "{\"replicas_on_same\":[\"a=1\"],\"replicas_on_different\":[\"a=2\"]}", 2, NULL },
		{ "{\"replicas_on_same\":[\"a\"],\"x_replicas_on_different_map\":{\"a\":2}}", 3,
		  "all copies would have" },
		{ "{\"replicas_on_same\":[\"a\"],\"x_replicas_on_different_map\":{\"a\":2}}", 2,
		  NULL },
	};
	static struct place_rules rules;

	for (size_t i = 0; i < sizeof(rows_) / sizeof(rows_[0]); i++) {
		json *filter = world_json(rows_[i].text);
		struct err err = { 0 };

		cr_assert_eq(rules_parse(filter, &rules, NULL), 0);
		cr_expect_eq(rules_check(&rules, rows_[i].copies, &err),
			     rows_[i].says ? -E_INVALID : 0, "%zu", i);
		cr_expect(!rows_[i].says || strstr(err.text, rows_[i].says), "%s", err.text);
		json_object_put(filter);
	}
}

Test(placement_rules, request_over_group)
{
	static struct place_rules group, request;
	json *g =
		world_json("{\"replicas_on_same\":[\"a\"],\"replicas_on_different\":[\"b\",\"c\"],"
			   "\"not_place_with_rsc\":[\"db\"],\"not_place_with_rsc_regex\":\"x\","
			   "\"provider_list\":[\"LVM\"]}");
	json *r =
		world_json("{\"replicas_on_different\":[\"d\"],\"not_place_with_rsc_regex\":\"y\","
			   "\"provider_list\":[\"FILE\"]}");

	cr_assert_eq(rules_parse(g, &group, NULL), 0);
	cr_assert_eq(rules_parse(r, &request, NULL), 0);
	cr_assert_eq(rules_over(&group, &request, NULL), 0);
	cr_assert_eq(group.n, 2);
	cr_expect_str_eq(group.rule[0].key, "a");
	cr_expect_str_eq(group.rule[1].key, "d");
	cr_expect_eq(group.n_not_with, 1);
	cr_expect_str_eq(group.not_with_regex, "y");
	cr_expect_eq(group.kinds, 1u << POOL_FILE);
	/* too many together */
	request.n = 0;
	for (int i = 0; i < RULES_MAX; i++)
		request.rule[request.n++] = (struct place_rule){ .kind = RULE_MOST, .most = 1 };
	cr_expect_eq(rules_over(&group, &request, NULL), -E_INVALID);
	json_object_put(g);
	json_object_put(r);
}

Test(placement_rules, present_copies_against_the_rules)
{
	static const struct {
		const char *nodes, *filter;
		int n;
		const char *text;
	} rows_[] = {
		{ "+a=1 +a=1 +a=2", DIFF("a"), 2,
		  "n1: a is 1, as of the copy on n2; n2: a is 1, as of the copy on n1" },
		{ "+a=1 +a=2", DIFF("a"), 0, "" },
		{ "+a=1 +a=2 a=3", SAME("a"), 2,
		  "n1: a is 1, of the copy on n2 2; n2: a is 2, of the copy on n1 1" },
		{ "+a=1 +-", SAME("a=1"), 1, "n2: has no property a" },
		{ "+a=1 +a=2", "{\"provider_list\":[\"LVM\"]}", 2,
		  "n1/ssd: is FILE_THIN, which is not among the providers asked for; n2/ssd: is "
		  "FILE_THIN, which is not among the providers asked for" },
		{ "+a=1 +a=1 +a=1", "{\"x_replicas_on_different_map\":{\"a\":2}}", 3,
		  "n1: a is 1, as of 2 other copies, 2 can be; n2: a is 1, as of 2 other copies, 2 "
		  "can be; n3: a is 1, as of 2 other copies, 2 can be" },
	};
	static struct field f;
	static struct place_rules rules;

	for (size_t i = 0; i < sizeof(rows_) / sizeof(rows_[0]); i++) {
		json *filter = world_json(rows_[i].filter);
		struct placement_want want = { .rules = &rules };
		struct err err = { 0 };

		field_make(&f, rows_[i].nodes);
		f.pool[0].online = false; /* that is no rule of where copies are */
		cr_assert_eq(rules_parse(filter, &rules, NULL), 0);
		cr_expect_eq(placement_violations(f.pool, f.n, &want, &err), rows_[i].n, "%zu", i);
		cr_expect_str_eq(err.text, rows_[i].text, "%zu: %s", i, err.text);
		field_free(&f);
		json_object_put(filter);
	}
}
