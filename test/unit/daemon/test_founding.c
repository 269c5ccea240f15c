// SPDX-License-Identifier: GPL-2.0-or-later
/* test_founding.c - who counts as a node of the cluster, by what this node's store knows. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "founding.h"
#include "support/modelworld.h"

static struct world w;

static void teardown(void)
{
	world_close(&w);
}

TestSuite(founding, .fini = teardown);

static enum membership find(const char *name, uint32_t id, int fingerprint)
{
	char text[65];

	snprintf(text, sizeof(text), "%064d", fingerprint);
	return membership_find(w.store, name, id, text);
}

Test(founding, membership)
{
	world_open(&w);
	cr_expect_eq(find("n1", 1, 1), MEMBERSHIP_UNKNOWN, "an empty store cannot tell");
	world_close(&w);
	world_start(&w); /* n1: id 1 */
	world_add_node(&w, "n2", 2);
	cr_expect_eq(find("n1", 1, 1), MEMBERSHIP_YES);
	cr_expect_eq(find("N2", 2, 2), MEMBERSHIP_YES);
	cr_expect_eq(find("n2", 2, 7), MEMBERSHIP_NO, "another certificate");
	cr_expect_eq(find("n2", 1, 2), MEMBERSHIP_NO, "another's id");
	cr_expect_eq(find("n3", 3, 3), MEMBERSHIP_UNKNOWN, "newer than this store");
	cr_expect_eq(find("", 3, 3), MEMBERSHIP_NO);
	cr_expect_eq(find("a/b", 3, 3), MEMBERSHIP_NO);
	cr_assert_eq(WORLD(&w, change_node_delete, "n2"), 0, "%s", w.err.text);
	cr_expect_eq(find("n2", 2, 2), MEMBERSHIP_NO, "removed");
	world_add_node(&w, "n2", 4);
	cr_expect_eq(find("n2", 2, 2), MEMBERSHIP_NO, "removed, and the name given again");
	cr_expect_eq(find("n2", 3, 4), MEMBERSHIP_YES);
	json *file = world_json("{\"lost\":[{\"name\":\"n2\",\"id\":3}]}");

	cr_assert_eq(WORLD(&w, change_cluster_recover, file), 0, "%s", w.err.text);
	json_object_put(file);
	cr_expect_eq(find("n2", 3, 4), MEMBERSHIP_NO, "barred");
	cr_expect_eq(find("n7", 7, 7), MEMBERSHIP_NO, "unknown, and of before the recovery");
	cr_expect_eq(find("n1", 1, 1), MEMBERSHIP_YES);
}
