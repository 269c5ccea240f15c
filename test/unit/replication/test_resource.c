// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_resource.c - copies of what a plane is told share no memory with the
 * original (replication/plane.c). The sanitizer sees what is not freed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "replication/plane.h"
#include "support/leaks.h"

TestSuite(resource, .fini = test_no_leaks);

static struct plane_resource filled(void)
{
	struct plane_resource r = { .name = "db", .self = 3, .n_volumes = 2 };

	r.volume = calloc(2, sizeof(*r.volume));
	cr_assert(r.volume);
	r.volume[0].socket_path = strdup("/run/db-0.sock");
	r.volume[1] = (struct plane_volume){ .number = 4, .size_bytes = 4096 };
	r.volume[1].data_path = strdup("/pool/db_00004");
	r.volume[1].meta_path = strdup("/pool/db_00004.meta");
	r.mark_path = strdup("/dir/attached/x");
	return r;
}

Test(resource, a_copy_is_on_its_own)
{
	struct plane_resource r = filled(), copy;

	plane_resource_copy(&copy, &r);
	memset(r.volume[1].data_path, 'x', 5);
	memset(r.mark_path, 'x', 4);
	plane_resource_release(&r);
	cr_expect_eq(r.n_volumes, 0);
	cr_expect_null(r.volume);
	cr_expect_null(r.mark_path);
	cr_assert_eq(copy.n_volumes, 2);
	cr_expect_eq(copy.self, 3);
	cr_expect_str_eq(copy.volume[0].socket_path, "/run/db-0.sock");
	cr_expect_null(copy.volume[0].data_path);
	cr_expect_eq(copy.volume[1].number, 4);
	cr_expect_eq(copy.volume[1].size_bytes, 4096);
	cr_expect_str_eq(copy.volume[1].data_path, "/pool/db_00004");
	cr_expect_str_eq(copy.volume[1].meta_path, "/pool/db_00004.meta");
	cr_expect_str_eq(copy.mark_path, "/dir/attached/x");
	plane_resource_release(&copy);
	plane_resource_release(&copy); /* again: nothing is left */
}

Test(resource, of_nothing)
{
	struct plane_resource r = { .name = "db" }, copy;

	plane_resource_copy(&copy, &r);
	cr_expect_null(copy.volume);
	cr_expect_null(copy.mark_path);
	plane_resource_release(&copy);
}
