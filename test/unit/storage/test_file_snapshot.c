// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_file_snapshot.c - snapshots of file pools through the front door. What needs a file system
 * that shares blocks is skipped on others (SDSD_TEST_DIR: a folder on one); there is a case of it
 * in test/vm on xfs.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/storage.h"

#define SIZE (1ull << 20)
#define UUID "05050505-0505-0505-0505-050505050505"
#define OTHER_UUID "06050505-0505-0505-0505-050505050505"

static uint64_t meta_bytes(uint64_t size)
{
	return 4096;
}

/* owner, volume, size */
static int meta_format(int fd, const struct storage_volume *v, struct err *err)
{
	cr_assert_eq(pwrite(fd, v->owner, 16, 0), 16);
	cr_assert_eq(pwrite(fd, v->volume, 16, 16), 16);
	cr_assert_eq(pwrite(fd, &v->size_bytes, 8, 32), 8);
	return 0;
}

static int meta_label(int fd, struct storage_label *l, struct err *err)
{
	if (pread(fd, l->owner, 16, 0) != 16 || pread(fd, l->volume, 16, 16) != 16 ||
	    pread(fd, &l->size_bytes, 8, 32) != 8)
		return err_set(err, -E_CORRUPT, "short");
	return 0;
}

static const struct storage_meta_ops ops = { .bytes = meta_bytes,
					     .format = meta_format,
					     .label = meta_label };
static char dir[200];
static uv_loop_t loop;
static struct storage_pool pool;
static struct storage_volume vol, other;
static struct storage_snapshot snap;
static int status;
static struct err said;

static void on_answer(int rv, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg)
{
	status = rv;
	said = *err;
}

static int answer(void)
{
	status = 1;
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_leq(status, 0, "no answer");
	return status;
}

static int make(void)
{
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	return answer();
}

static int take(void)
{
	storage_snapshot(&loop, &pool, &vol, &snap, on_answer, NULL);
	return answer();
}

static int restore(void)
{
	storage_restore(&loop, &pool, &other, &snap, on_answer, NULL);
	return answer();
}

static int drop(void)
{
	storage_snapshot_remove(&loop, &pool, &snap, on_answer, NULL);
	return answer();
}

static const char *path(const char *name)
{
	static char out[300];

	snprintf(out, sizeof(out), "%s/%s", dir, name);
	return out;
}

static void put_file(const char *name, const char *uuid)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_EXCL, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, SIZE), 0);
	if (uuid && fsetxattr(fd, "user.sdsd.snapshot", uuid, strlen(uuid), 0) < 0) {
		close(fd);
		cr_skip_test("no attributes of users in %s", dir);
	}
	close(fd);
}

static char byte_at(const char *name, off_t at)
{
	char c = '?';
	int fd = open(path(name), O_RDONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, &c, 1, at), 1);
	close(fd);
	return c;
}

static void put_byte(const char *name, off_t at, char c)
{
	int fd = open(path(name), O_WRONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static int n_files(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void setup(void)
{
	const char *base = getenv("SDSD_TEST_DIR");

	log_init(LOG_LEVEL_ERROR);
	storage_set_meta_ops(&ops);
	snprintf(dir, sizeof(dir), "%s/sdsd-test-XXXXXX", base ? base : "/tmp");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(uv_loop_init(&loop), 0);
	pool = (struct storage_pool){ .kind = "FILE_THIN", .name = "ssd" };
	snprintf(pool.source, sizeof(pool.source), "%s", dir);
	vol = (struct storage_volume){ .name = "db_00000", .size_bytes = SIZE };
	memset(vol.owner, 1, 16);
	memset(vol.volume, 2, 16);
	other = (struct storage_volume){ .name = "new_00000", .size_bytes = 2 * SIZE };
	memset(other.owner, 3, 16);
	memset(other.volume, 4, 16);
	snap = (struct storage_snapshot){ .volume = "db_00000",
					  .name = "db_00000_monday",
					  .size_bytes = SIZE };
	memset(snap.uuid, 5, 16);
}

static void teardown(void)
{
	char cmd[300];

	cr_assert_eq(uv_loop_close(&loop), 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(file_snapshot, .init = setup, .fini = teardown);

Test(file_snapshot, foreign_names)
{
	cr_assert_eq(make(), 0);
	put_file("db_00000_monday", NULL);
	cr_expect_eq(take(), -E_EXISTS);
	cr_expect_eq(drop(), -E_EXISTS);
	cr_expect_eq(restore(), -ENOENT);
	cr_expect_eq(n_files(), 3, "half of a volume is left");
	cr_assert_eq(unlink(path("db_00000_monday")), 0);
	put_file("db_00000_monday", OTHER_UUID);
	cr_expect_eq(take(), -E_EXISTS);
	cr_expect_eq(drop(), -E_EXISTS);
	cr_expect_eq(restore(), -ENOENT);
	cr_assert_eq(unlink(path("db_00000_monday")), 0);
	cr_expect_eq(drop(), 0, "missing is fine");
	cr_expect_eq(restore(), -ENOENT);
	put_file("db_00000_monday", UUID);
	cr_expect_eq(take(), 0, "it is there");
	cr_expect_eq(drop(), 0);
	cr_expect_eq(n_files(), 2);
}

Test(file_snapshot, refusals)
{
	cr_expect_eq(take(), -ENOENT, "no volume");
	cr_assert_eq(make(), 0);
	vol.owner[0] = 9;
	cr_expect_eq(take(), -E_EXISTS, "another's volume");
	other.size_bytes = SIZE / 2;
	cr_expect_eq(restore(), -E_INVALID, "it would be smaller");
	snap.name[0] = '.';
	cr_expect_eq(drop(), -E_INVALID);
	cr_expect_eq(n_files(), 2);
}

Test(file_snapshot, where_it_cannot)
{
	cr_assert_eq(make(), 0);
	if (take() == 0)
		cr_skip_test("%s can take snapshots", dir);
	cr_expect_eq(status, -EOPNOTSUPP);
	cr_expect_not_null(strstr(said.text, "that takes xfs with reflink, or btrfs"));
	put_file("db_00000_monday", UUID);
	cr_expect_eq(restore(), -EOPNOTSUPP);
	cr_expect_eq(n_files(), 3, "half of a volume is left");
}

Test(file_snapshot, life)
{
	static const char *const kinds[] = { "FILE", "FILE_THIN" };

	for (int i = 0; i < 2; i++) {
		snprintf(pool.kind, sizeof(pool.kind), "%s", kinds[i]);
		cr_assert_eq(make(), 0, "%s", said.text);
		put_byte("db_00000", 5000, 'a');
		if (take() == -EOPNOTSUPP)
			cr_skip_test("%s cannot share blocks of files", dir);
		cr_assert_eq(status, 0, "%s", said.text);
		put_byte("db_00000", 5000, 'b');
		cr_assert_eq(take(), 0, "again");
		cr_assert_eq(restore(), 0, "%s", said.text);
		cr_expect_eq(byte_at("db_00000", 5000), 'b');
		cr_expect_eq(byte_at("db_00000_monday", 5000), 'a');
		cr_expect_eq(byte_at("new_00000", 5000), 'a');
		cr_expect_eq(byte_at("new_00000", 2 * SIZE - 1), 0);
		put_byte("new_00000", 5000, 'c');
		cr_expect_eq(byte_at("db_00000_monday", 5000), 'a');
		cr_assert_eq(drop(), 0);
		cr_expect_eq(byte_at("new_00000", 5000), 'c');
		storage_remove(&loop, &pool, &other, on_answer, NULL);
		cr_assert_eq(answer(), 0);
		storage_remove(&loop, &pool, &vol, on_answer, NULL);
		cr_assert_eq(answer(), 0);
		cr_expect_eq(n_files(), 0);
	}
}
