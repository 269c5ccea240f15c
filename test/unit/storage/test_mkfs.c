// SPDX-License-Identifier: GPL-2.0-or-later
/* test_mkfs.c - real file systems in files, where mkfs is installed: what is on them is recognised,
 * and nothing is made over something else. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/mkfs.h"
#include "support/leaks.h"

#define UUID "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER "11234567-89ab-4cde-8f01-23456789abcd"
#define SIZE (400ll << 20) /* what mkfs.xfs makes at least is 300 MiB */

TestSuite(mkfs, .fini = test_no_leaks);

static char path[64];

static int sparse(void)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/sdsd-mkfs-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, SIZE), 0);
	return fd;
}

static struct mkfs how(bool xfs)
{
	return (struct mkfs){
		.xfs = xfs,
		.uuid = UUID,
		.params = "",
		.user = "",
		.group = "",
		.dir = "/tmp",
	};
}

static bool installed(bool xfs)
{
	const char *name = xfs ? "/sbin/mkfs.xfs" : "/sbin/mkfs.ext4";

	if (access(name, X_OK) == 0)
		return true;
	cr_log_warn("%s is not installed", name);
	return false;
}

static enum mkfs_found found(const struct mkfs *m, int fd, bool begun, bool zeros)
{
	enum mkfs_found f = MKFS_FOREIGN;
	struct err err = { 0 };

	cr_assert_eq(mkfs_look(m, path, fd, begun, zeros, &f, &err), 0, "%s", err.text);
	return f;
}

static void make_and_find(bool xfs)
{
	struct mkfs m = how(xfs), other = how(xfs);
	struct err err = { 0 };
	int fd;

	if (!installed(xfs))
		return;
	fd = sparse();
	m.user = "1000";
	m.group = "root";
	m.params = xfs ? " -L born  -m reflink=1 " : " -L born  -m 0 ";
	cr_expect_eq(found(&m, fd, false, true), MKFS_NOTHING);
	cr_assert_eq(mkfs_make(&m, path, MKFS_NOTHING, &err), 0, "%s", err.text);
	cr_expect_eq(found(&m, fd, false, true), MKFS_THERE);
	/* to who has not made it, it is something else, begun or not */
	memcpy(other.uuid, OTHER, sizeof(other.uuid));
	cr_expect_eq(found(&other, fd, false, true), MKFS_FOREIGN);
	cr_expect_eq(found(&other, fd, true, false), MKFS_FOREIGN);
	close(fd);
	unlink(path);
}

Test(mkfs, ext4)
{
	make_and_find(false);
}

Test(mkfs, xfs)
{
	make_and_find(true);
}

/* the power went while mkfs.xfs ran: it says so itself, and it is made again */
Test(mkfs, interrupted)
{
	struct mkfs m = how(true);
	struct err err = { 0 };
	uint8_t one = 1;
	int fd;

	if (!installed(true))
		return;
	fd = sparse();
	cr_assert_eq(mkfs_make(&m, path, MKFS_NOTHING, &err), 0, "%s", err.text);
	cr_assert_eq(pwrite(fd, &one, 1, 126), 1);
	cr_expect_eq(found(&m, fd, true, true), MKFS_PART);
	/* without -f mkfs.xfs itself refuses what looks like a file system */
	cr_expect_eq(mkfs_make(&m, path, MKFS_NOTHING, &err), -EIO);
	cr_assert_eq(mkfs_make(&m, path, MKFS_PART, &err), 0, "%s", err.text);
	cr_expect_eq(found(&m, fd, true, true), MKFS_THERE);
	close(fd);
	unlink(path);
}

/* data without a signature, at either end */
Test(mkfs, not_empty)
{
	static const off_t at[] = { 0, MKFS_LOOK_BYTES - 4, SIZE - MKFS_LOOK_BYTES, SIZE - 4 };
	struct mkfs m = how(false);

	for (int i = 0; i < 4; i++) {
		int fd = sparse();

		cr_assert_eq(pwrite(fd, "data", 4, at[i]), 4);
		cr_expect_eq(found(&m, fd, false, true), MKFS_FOREIGN, "at %lld", (long long)at[i]);
		/* a rest of our own, or a volume that was never zeros */
		cr_expect_eq(found(&m, fd, true, true), MKFS_NOTHING);
		cr_expect_eq(found(&m, fd, false, false), MKFS_NOTHING);
		close(fd);
		unlink(path);
	}
}

Test(mkfs, refusals)
{
	struct mkfs m = how(false);
	struct err err = { 0 };
	char many[2 * MKFS_WORDS_MAX + 2];
	int fd = sparse();

	m.user = "nobody-of-that-name";
	cr_expect_eq(mkfs_make(&m, path, MKFS_NOTHING, &err), -ENOENT);
	cr_expect(strstr(err.text, "nobody-of-that-name"), "%s", err.text);
	m.user = "1";
	m.params = "-E lazy_itable_init=0";
	cr_expect_eq(mkfs_make(&m, path, MKFS_NOTHING, &err), -E_INVALID);
	cr_expect(strstr(err.text, "root_owner=1:0"), "%s", err.text);
	for (size_t i = 0; i < sizeof(many) - 1; i++)
		many[i] = i % 2 ? ' ' : 'a';
	many[sizeof(many) - 1] = '\0';
	m.params = many;
	cr_expect_eq(mkfs_make(&m, path, MKFS_NOTHING, &err), -E_INVALID);
	cr_expect(strstr(err.text, "too many words"), "%s", err.text);
	if (installed(false)) {
		m.params = "-y";
		cr_expect_eq(mkfs_make(&m, path, MKFS_NOTHING, &err), -EIO);
		cr_expect(strstr(err.text, "mkfs.ext4 failed"), "%s", err.text);
	}
	close(fd);
	unlink(path);
}

/* too little to tell: nothing */
Test(mkfs, short_head)
{
	static uint8_t head[MKFS_LOOK_BYTES];
	struct mkfs m = how(true);

	memcpy(head, "XFSB", 4);
	cr_expect_eq(mkfs_recognise(&m, head, 512), MKFS_NOTHING);
	cr_expect_eq(mkfs_recognise(&m, head, sizeof(head)), MKFS_NOTHING); /* another uuid */
}
