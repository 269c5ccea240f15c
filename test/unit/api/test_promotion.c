// SPDX-License-Identifier: GPL-2.0-or-later
/* test_promotion.c - what is news for a listener that knows where resources may be opened. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "api/events_promotion.h"

static char told[1024];

static void tell(const char *resource, const char *node, bool may, void *arg)
{
	size_t at = strlen(told);

	snprintf(told + at, sizeof(told) - at, "%s@%s=%d ", resource, node, may);
}

/* "db@n1=1 db@n2=0" as the API's list */
static const char *update(struct promotions *p, const char *places)
{
	json *list = json_object_new_array();
	char resource[16], node[16];
	int may, n;

	while (sscanf(places, " %15[^@]@%15[^=]=%d%n", resource, node, &may, &n) == 3) {
		json *o = json_object_new_object();

		jset_str(o, "resource_name", resource);
		jset_str(o, "node_name", node);
		jset_bool(o, "may_promote", may);
		json_object_array_add(list, o);
		places += n;
	}
	told[0] = 0;
	promotions_update(p, list, tell, NULL);
	json_object_put(list);
	return told;
}

Test(promotion, what_is_told)
{
	struct promotions *p = promotions_new(false);

	cr_expect_str_eq(update(p, "db@n1=1 db@n2=1"), "", "it knows that");
	cr_expect_str_eq(update(p, "db@n1=1 db@n2=1"), "");
	cr_expect_str_eq(update(p, "db@n1=0 db@n2=1"), "db@n1=0 ");
	cr_expect_str_eq(update(p, "db@n1=1 db@n2=1 db@n3=0"), "db@n1=1 db@n3=0 ");
	cr_expect_str_eq(update(p, "db@n1=1"), "db@n2=0 ",
			 "one that could not be opened is no news");
	cr_expect_str_eq(update(p, ""), "db@n1=0 ");
	cr_expect_str_eq(update(p, ""), "");
	promotions_free(p);
}

Test(promotion, everything_first)
{
	struct promotions *p = promotions_new(true);

	cr_expect_str_eq(update(p, "db@n1=1 db@n2=0"), "db@n1=1 db@n2=0 ");
	cr_expect_str_eq(update(p, "db@n1=1 db@n2=0"), "");
	promotions_free(p);
}
