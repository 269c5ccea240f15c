// SPDX-License-Identifier: GPL-2.0-or-later
/* test_backlog.c - names that are to be looked at (api/backlog.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "api/backlog.h"

static json *list(const char *const *names)
{
	json *l = json_object_new_array();

	for (; *names; names++)
		json_object_array_add(l, json_object_new_string(*names));
	return l;
}

static void expect(struct backlog *b, const char *name)
{
	const char *next = backlog_next(b);

	if (name)
		cr_assert_str_eq(next ? next : "(none)", name);
	else
		cr_assert_null(next, "%s", next);
}

Test(backlog, what_has_changed_comes_once_and_in_its_order)
{
	struct backlog b = { 0 };

	cr_expect(backlog_is_empty(&b));
	expect(&b, NULL);
	backlog_add(&b, "db");
	backlog_add(&b, "web");
	backlog_add(&b, "db");
	cr_expect(!backlog_is_empty(&b));
	expect(&b, "db");
	backlog_add(&b, "db"); /* changed again while it is looked at: once more */
	expect(&b, "web");
	cr_expect(!backlog_is_empty(&b));
	expect(&b, "db");
	cr_expect(backlog_is_empty(&b));
	expect(&b, NULL);
}

Test(backlog, what_has_changed_comes_before_all_others)
{
	struct backlog b = { 0 };

	backlog_add_all(&b, list((const char *const[]){ "a", "b", "c", NULL }));
	expect(&b, "a");
	backlog_add(&b, "c");
	expect(&b, "c");
	expect(&b, "b");
	cr_expect(backlog_has_rest(&b));
	expect(&b, "c");
	cr_expect(!backlog_has_rest(&b), "also before it was asked for one more");
	backlog_add(&b, "c");
	cr_expect(!backlog_has_rest(&b));
	expect(&b, "c");
	backlog_add_all(&b, list((const char *const[]){ "a", "b", NULL }));
	expect(&b, "a");
	expect(&b, "b");
	cr_expect(backlog_is_empty(&b));
	expect(&b, NULL);
	backlog_add_all(&b, list((const char *const[]){ NULL }));
	cr_expect(backlog_is_empty(&b));
	expect(&b, NULL);
}

Test(backlog, it_can_be_given_up_at_any_time)
{
	struct backlog b = { 0 };

	backlog_add_all(&b, list((const char *const[]){ "a", "b", NULL }));
	backlog_add(&b, "c");
	expect(&b, "c");
	backlog_add(&b, "d");
	backlog_clear(&b);
	cr_expect(backlog_is_empty(&b));
	expect(&b, NULL);
}

Test(backlog, none_is_lost_among_many)
{
	static bool seen[5000];
	struct backlog b = { 0 };
	char name[16];
	int n = 0;

	for (int round = 0; round < 3; round++) {
		memset(seen, 0, sizeof(seen));
		for (int i = 0; i < 5000; i++) {
			snprintf(name, sizeof(name), "vol%d", i);
			backlog_add(&b, name);
		}
		for (const char *next = backlog_next(&b); next; next = backlog_next(&b)) {
			cr_assert_eq(sscanf(next, "vol%d", &n), 1);
			cr_assert(!seen[n], "%s twice", next);
			seen[n] = true;
		}
		for (int i = 0; i < 5000; i++)
			cr_assert(seen[i], "vol%d is missing", i);
	}
}
