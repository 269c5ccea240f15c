// SPDX-License-Identifier: GPL-2.0-or-later
/* test_fs.c - files are old or new, never half; failures leave nothing behind. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/leaks.h"

static char dir[] = "/tmp/sdsd-fs-XXXXXX";
static char path[256];

static void make_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
}

static void remove_dir(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_expect_eq(system(command), 0);
	test_no_leaks();
}

TestSuite(fs, .init = make_dir, .fini = remove_dir);

static int count_files(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void expect_content(const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	cr_expect_eq(fs_read(path, &b, NULL), 0);
	cr_expect_str_eq(b.data ? (char *)b.data : "", want);
	buf_release(&b);
}

Test(fs, write_and_replace)
{
	struct stat st;

	cr_expect_eq(fs_write(path, "one", 3, 0600, NULL), 0);
	expect_content("one");
	cr_expect_eq(fs_write(path, "", 0, 0640, NULL), 0);
	expect_content("");
	cr_expect_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0640);
	cr_expect_eq(count_files(), 1);
}

Test(fs, failed_write_keeps_the_old_file)
{
	struct rlimit limit = { 4096, 4096 };
	static char big[8192];
	struct err err = { 0 };

	cr_expect_eq(fs_write(path, "old", 3, 0600, NULL), 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	memset(big, 'n', sizeof(big));
	cr_expect_eq(fs_write(path, big, sizeof(big), 0600, &err), -EFBIG);
	cr_expect_not_null(strstr(err.text, path));
	expect_content("old");
	cr_expect_eq(count_files(), 1, "a temporary file was left");
}

Test(fs, failures_name_the_file)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 10);
	cr_expect_eq(fs_read(path, &b, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, path));
	cr_expect_eq(fs_read(dir, &b, &err), -EISDIR);
	snprintf(path, sizeof(path), "%s/none/file", dir);
	cr_expect_eq(fs_write(path, "x", 1, 0600, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, path));
	buf_release(&b);
}

Test(fs, read_limit)
{
	struct buf b;

	cr_expect_eq(fs_write(path, "0123456789", 10, 0600, NULL), 0);
	buf_init(&b, 12);
	cr_expect_eq(buf_append(&b, "abc", 3), 0);
	cr_expect_eq(fs_read(path, &b, NULL), -EMSGSIZE);
	cr_expect_str_eq((char *)b.data, "abc", "a failed read appended");
	buf_consume(&b, 1);
	cr_expect_eq(fs_read(path, &b, NULL), 0);
	cr_expect_str_eq((char *)b.data, "bc0123456789");
	buf_release(&b);
}

Test(fs, mkdir_with_parents)
{
	struct stat st;

	snprintf(path, sizeof(path), "%s/a//b/c/", dir);
	cr_expect_eq(fs_mkdir(path, 0700, NULL), 0);
	cr_expect_eq(fs_mkdir(path, 0700, NULL), 0, "existing is fine");
	cr_expect_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/file", dir);
	cr_expect_eq(fs_write(path, "x", 1, 0600, NULL), 0);
	cr_expect_eq(fs_mkdir(path, 0700, NULL), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/file/below", dir);
	cr_expect_eq(fs_mkdir(path, 0700, NULL), -ENOTDIR);
	cr_expect_eq(fs_mkdir("", 0700, NULL), -ENOENT);
}

Test(fs, remove)
{
	cr_expect_eq(fs_write(path, "x", 1, 0600, NULL), 0);
	cr_expect_eq(fs_remove(path), 0);
	cr_expect_eq(fs_remove(path), 0, "missing is fine");
	cr_expect_eq(fs_remove(dir) < 0, true);
	cr_expect_eq(fs_sync_dir(dir), 0);
	cr_expect_eq(fs_sync_dir(path), -ENOENT);
}
