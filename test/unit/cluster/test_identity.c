// SPDX-License-Identifier: GPL-2.0-or-later
/* test_identity.c - the identity file and the lock of a state directory. */
#include <criterion/criterion.h>
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "cluster/identity.h"

static char dir[64];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(identity, .init = setup, .fini = teardown);

static const struct identity good = {
	.cluster = "01234567-89ab-4cde-8f01-23456789abcd",
	.cluster_name = "lab",
	.node = "n1",
	.node_id = 1,
	.uuid = "11234567-89ab-4cde-8f01-23456789abcd",
	.address = "10.0.0.1",
	.port = 7700,
};

Test(identity, round_trip)
{
	struct identity id = good, back;
	struct err err = { 0 };
	char path[128];
	struct stat st;

	snprintf(id.dir, sizeof(id.dir), "%s", dir);
	cr_assert_eq(identity_save(&id, &err), 0, "%s", err.text);
	cr_assert_eq(identity_load(dir, &back, &err), 0, "%s", err.text);
	cr_expect_str_eq(back.dir, dir);
	cr_expect_str_eq(back.cluster, id.cluster);
	cr_expect_str_eq(back.cluster_name, id.cluster_name);
	cr_expect_str_eq(back.node, id.node);
	cr_expect_str_eq(back.uuid, id.uuid);
	cr_expect_str_eq(back.address, id.address);
	cr_expect_eq(back.node_id, 1);
	cr_expect_eq(back.port, 7700);
	snprintf(path, sizeof(path), "%s/identity.json", dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 077, 0);
}

Test(identity, missing)
{
	struct identity id;
	struct err err = { 0 };
	char none[128];

	cr_expect_eq(identity_load(dir, &id, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, "sdsd init"));
	snprintf(none, sizeof(none), "%s/none", dir);
	cr_expect_eq(identity_load(none, &id, NULL), -ENOENT);
	cr_expect_eq(identity_lock(none, NULL), -ENOENT);
}

Test(identity, damaged)
{
	static const char *const rows[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"cluster\":\"x\"}",
		"{\"cluster\":\"01234567-89ab-4cde-8f01-23456789abcd\",\"cluster_name\":\"lab\","
		"\"node\":\"n1\",\"node_id\":0,\"uuid\":\"01234567-89ab-4cde-8f01-23456789abcd\","
		"\"address\":\"10.0.0.1\",\"port\":7700}",
		"{\"cluster\":\"01234567-89ab-4cde-8f01-23456789abcd\",\"cluster_name\":\"lab\","
		"\"node\":\"n1\",\"node_id\":1,\"uuid\":\"01234567-89ab-4cde-8f01-23456789abcd\","
		"\"address\":\"example\",\"port\":7700}",
		"{\"cluster\":\"01234567-89ab-4cde-8f01-23456789abcd\",\"cluster_name\":\"lab\","
		"\"node\":\"n1\",\"node_id\":1,\"uuid\":\"01234567-89ab-4cde-8f01-23456789abcd\","
		"\"address\":\"::1\",\"port\":77000}",
	};
	struct identity id;
	char path[128];

	snprintf(path, sizeof(path), "%s/identity.json", dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };

		cr_assert_eq(fs_write(path, rows[i], strlen(rows[i]), 0600, NULL), 0);
		cr_expect_eq(identity_load(dir, &id, &err), -E_CORRUPT, "row %zu", i);
		cr_expect_not_null(strstr(err.text, "identity.json"), "row %zu", i);
	}
}

Test(identity, lock)
{
	struct err err = { 0 };
	int status;

	cr_assert_eq(identity_lock(dir, &err), 0, "%s", err.text);
	if (fork() == 0) {
		int rv = identity_lock(dir, &err);

		_exit(rv == -EBUSY && strstr(err.text, "another sdsd") ? 0 : 1);
	}
	cr_assert_neq(wait(&status), -1);
	cr_expect_eq(status, 0);
	cr_expect_eq(identity_lock(dir, NULL), -EBUSY, "also in the same process");
}
