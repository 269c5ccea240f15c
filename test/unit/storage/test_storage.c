// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_storage.c - the front door: what it refuses before a backend sees it,
 * the order of jobs of one directory, and the limit of its queue.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/storage.h"

static uint64_t meta_bytes(uint64_t size)
{
	return 4096;
}

static int meta_format(int fd, const struct storage_volume *v, struct err *err)
{
	return pwrite(fd, v->owner, 16, 0) == 16 ? 0 : err_set(err, -EIO, "write");
}

static int meta_label(int fd, struct storage_label *l, struct err *err)
{
	return pread(fd, l->owner, 16, 0) == 16 ? 0 : err_set(err, -E_CORRUPT, "short");
}

static const struct storage_meta_ops ops = { .bytes = meta_bytes,
					     .format = meta_format,
					     .label = meta_label };
static uv_loop_t loop;
static char dir[64];
static int n_answers, n_busy, last_status;
static int order[4];

static void on_answer(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg)
{
	if (n_answers < 4)
		order[n_answers] = arg ? *(int *)arg : -1;
	n_answers++;
	n_busy += status == -EBUSY;
	last_status = status;
	if (status < 0)
		cr_expect_str_neq(err->text, "", "a refusal without a sentence");
}

static void setup(void)
{
	log_init(LOG_LEVEL_ERROR);
	storage_set_meta_ops(&ops);
	cr_assert_eq(uv_loop_init(&loop), 0);
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	n_answers = n_busy = 0;
}

static void teardown(void)
{
	char cmd[100];

	cr_assert_eq(uv_loop_close(&loop), 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(storage, .init = setup, .fini = teardown);

Test(storage, refuses)
{
	static const struct {
		const char *kind, *dir, *name;
		uint64_t size;
	} rows[] = {
		{ "LVM", NULL, "db_00000", 4096 },
		{ "", NULL, "db_00000", 4096 },
		{ "FILE", "relative/path", "db_00000", 4096 },
		{ "FILE", "", "db_00000", 4096 },
		{ "FILE", NULL, "", 4096 },
		{ "FILE", NULL, "../db", 4096 },
		{ "FILE", NULL, ".hidden", 4096 },
		{ "FILE", NULL, "a/b", 4096 },
		{ "FILE", NULL, "a\nb", 4096 },
		{ "FILE", NULL, "db_00000", 0 },
		{ "FILE", NULL, "db_00000", 4097 },
		{ "FILE", NULL, "db_00000", 1ull << 63 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct storage_pool p = { .name = "ssd" };
		struct storage_volume v = { .size_bytes = rows[i].size };

		snprintf(p.kind, sizeof(p.kind), "%s", rows[i].kind);
		snprintf(p.source, sizeof(p.source), "%s", rows[i].dir ? rows[i].dir : dir);
		snprintf(v.name, sizeof(v.name), "%s", rows[i].name);
		n_answers = 0;
		storage_create(&loop, &p, &v, on_answer, NULL);
		cr_expect_eq(n_answers, 0, "row %zu answered inside the call", i);
		uv_run(&loop, UV_RUN_DEFAULT);
		cr_expect_eq(n_answers, 1);
		cr_expect_eq(last_status, -E_INVALID, "row %zu", i);
	}
}

Test(storage, names_without_an_end)
{
	struct storage_pool p = { .kind = "FILE", .name = "ssd" };
	struct storage_volume v = { .size_bytes = 4096, .name = "a" };

	memset(p.source, '/', sizeof(p.source));
	storage_create(&loop, &p, &v, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(last_status, -E_INVALID);
	snprintf(p.source, sizeof(p.source), "%s", dir);
	memset(v.name, 'a', sizeof(v.name));
	storage_create(&loop, &p, &v, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(last_status, -E_INVALID);
}

Test(storage, one_at_a_time_in_order)
{
	struct storage_pool p = { .kind = "FILE_THIN", .name = "ssd" };
	struct storage_volume v = { .size_bytes = 1 << 20, .name = "a" };
	int tag[4] = { 0, 1, 2, 3 };

	snprintf(p.source, sizeof(p.source), "%s", dir);
	storage_create(&loop, &p, &v, on_answer, &tag[0]);
	storage_locate(&loop, &p, &v, on_answer, &tag[1]);
	storage_remove(&loop, &p, &v, on_answer, &tag[2]);
	storage_locate(&loop, &p, &v, on_answer, &tag[3]);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(n_answers, 4);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(order[i], i);
	cr_expect_eq(last_status, -ENOENT);
}

/* Before anything is made: what needs a key is not half made without one. */
Test(storage, locked)
{
	struct storage_pool p = { .kind = "FILE_THIN", .name = "ssd" };
	struct storage_volume v = { .size_bytes = 1 << 20, .name = "a", .encrypted = true };
	char path[100];

	snprintf(p.source, sizeof(p.source), "%s", dir);
	snprintf(path, sizeof(path), "%s/a", dir);
	storage_create(&loop, &p, &v, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(last_status, -E_LOCKED);
	cr_expect(access(path, F_OK) < 0, "a file was made");
	v.encrypted = false;
	v.size_bytes += 16 << 20; /* room for a header */
	storage_create(&loop, &p, &v, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(last_status, 0);
	/* also what is there stays closed */
	v.encrypted = true;
	v.size_bytes = 1 << 20;
	storage_locate(&loop, &p, &v, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(last_status, -E_LOCKED);
	storage_grow(&loop, &p, &v, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(last_status, -E_LOCKED);
	v.encrypted = false;
	storage_remove(&loop, &p, &v, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(last_status, 0);
}

Test(storage, queue_is_bounded)
{
	struct storage_pool p = { .kind = "FILE_THIN", .name = "ssd" };

	snprintf(p.source, sizeof(p.source), "%s", dir);
	for (int i = 0; i < STORAGE_QUEUE_MAX + 3; i++)
		storage_probe(&loop, &p, on_answer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(n_answers, STORAGE_QUEUE_MAX + 3);
	cr_expect_eq(n_busy, 3);
}

Test(storage, directories_are_not_made_of_devices)
{
	struct storage_task t = { .kind = STORAGE_MAKE, .device = { "/dev/null" }, .n = 1 };
	struct storage_pool p = { .kind = "FILE", .name = "ssd" };

	snprintf(p.source, sizeof(p.source), "%s", dir);
	for (int kind = STORAGE_MAKE; kind <= STORAGE_DESTROY; kind++) {
		t.kind = (enum storage_task_kind)kind;
		n_answers = 0;
		storage_task(&loop, &p, &t, on_answer, NULL);
		cr_expect_eq(n_answers, 0, "answered inside the call");
		uv_run(&loop, UV_RUN_DEFAULT);
		cr_expect_eq(n_answers, 1);
		cr_expect_eq(last_status, -EOPNOTSUPP);
	}
}
