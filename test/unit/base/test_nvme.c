// SPDX-License-Identifier: GPL-2.0-or-later
/* test_nvme.c - which devices are ours, in a sysfs of files; as many as fit. */
#include "base/nvme.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "support/scratch_dir.h"

static char root[64];

static void setup(void)
{
	scratch_make(root);
}

static void teardown(void)
{
	scratch_remove(root);
}

TestSuite(nvme, .init = setup, .fini = teardown);

static void put(const char *name, const char *subsystem)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/class/block/%s/device", root, name);
	cr_assert_eq(fs_mkdir(path, 0755, NULL), 0);
	strncat(path, "/subsysnqn", sizeof(path) - strlen(path) - 1);
	f = fopen(path, "w");
	cr_assert(f);
	fprintf(f, "%s\n", subsystem);
	fclose(f);
}

Test(nvme, ours)
{
	char names[64], partition[256];

	cr_expect_eq(nvme_ours(root, names, sizeof(names)), 0, "no sysfs");
	put("nvme0n1", "nqn.2014-08.org.nvmexpress:uuid:1");
	put("nvme2n1", "nqn.2026");
	cr_expect_eq(nvme_ours(root, names, sizeof(names)), 0);
	cr_expect_str_eq(names, "");
	put("nvme1n1", NVME_PREFIX "copy:x");
	snprintf(partition, sizeof(partition), "%s/sys/class/block/nvme1n1/nvme1n1p1", root);
	cr_assert_eq(fs_mkdir(partition, 0755, NULL), 0);
	cr_expect_eq(nvme_ours(root, names, sizeof(names)), 1);
	cr_expect_str_eq(names, "nvme1n1");
	cr_expect(nvme_is_ours(root, "nvme1n1"));
	cr_expect(nvme_is_ours(root, "nvme1n1/nvme1n1p1"), "its partition, where sysfs leads");
	cr_expect(!nvme_is_ours(root, "nvme0n1"));
	cr_expect(!nvme_is_ours(root, "nvme9n1"));
	cr_expect(!nvme_is_ours(root, "sda"));
}

Test(nvme, more_than_fit)
{
	char names[16], name[16];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "nvme%dn1", i);
		put(name, NVME_PREFIX "copy:x");
	}
	cr_expect_eq(nvme_ours(root, names, sizeof(names)), 4);
	cr_expect_eq(strlen(names), 15, "%s", names);
	cr_expect_eq(names[7], '|');
}
