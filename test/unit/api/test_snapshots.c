// SPDX-License-Identifier: GPL-2.0-or-later
/* test_snapshots.c - how many snapshots one request may ask for (api/snapshots.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/snapshot_take.h"
#include "support/apilab.h"

TestSuite(snapshots, .timeout = 60);

static struct apilab_answer ask(struct apilab *l, int n)
{
	json *body = json_object_new_object(), *list = json_object_new_array();
	struct apilab_answer a;

	for (int i = 0; i < n; i++) {
		char name[32];
		json *one = json_object_new_object();

		snprintf(name, sizeof(name), "vol%d", i);
		jset_str(one, "resource_name", name);
		jset_str(one, "name", "snap");
		json_object_array_add(list, one);
	}
	jset(body, "snapshots", list);
	a = apilab_get(l, "POST", "/v1/actions/snapshot/multi", json_text(body));
	json_object_put(body);
	return a;
}

Test(snapshots, so_many_in_one_request)
{
	static struct apilab l;
	struct apilab_answer a;

	apilab_open(&l, APILAB_LEADS);
	a = ask(&l, SNAPSHOTS_AT_ONCE_MAX + 1);
	cr_expect_eq(a.status, 400);
	cr_expect(strstr(a.text, "field snapshots must be a list of 1 to 64"), "%s", a.text);
	a = ask(&l, SNAPSHOTS_AT_ONCE_MAX);
	cr_expect_eq(a.status, 404, "%s", a.text);
	cr_expect(strstr(a.text, "vol0"), "it is looked at: there are no such resources: %s",
		  a.text);
	apilab_close(&l);
}
