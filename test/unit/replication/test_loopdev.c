// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/loopdev.c with real loop devices: for root, where there
 * are some.
 */
#include "replication/loopdev.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define BYTES (1 << 20)

static char path[64];
static int file;

static void setup(void)
{
	snprintf(path, sizeof(path), "/tmp/sdsd-loop-XXXXXX");
	file = mkstemp(path);
	cr_assert_geq(file, 0);
	cr_assert_eq(ftruncate(file, BYTES), 0);
}

static void teardown(void)
{
	close(file);
	unlink(path);
}

TestSuite(loopdev, .init = setup, .fini = teardown, .timeout = 30);

static bool missing(void)
{
	int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return true;
	close(fd);
	return false;
}

static u64 size_of(int fd)
{
	u64 bytes = 0;

	cr_assert_eq(ioctl(fd, BLKGETSIZE64, &bytes), 0);
	return bytes;
}

/* it is detached by whoever closes it last, which the kernel may do a moment later */
static bool is_gone(void)
{
	char dev[LOOPDEV_PATH_MAX];

	for (int i = 0; i < 200; i++) {
		if (loopdev_find(path, dev, NULL) == -ENOENT)
			return true;
		usleep(10000);
	}
	return false;
}

Test(loopdev, a_file_is_a_device_as_long_as_somebody_has_it)
{
	char dev[LOOPDEV_PATH_MAX], again[LOOPDEV_PATH_MAX];
	struct err err = { 0 };
	int fd, second;

	if (missing())
		cr_skip_test("no loop devices here");
	cr_expect_eq(loopdev_find(path, dev, &err), -ENOENT);
	cr_assert_eq(loopdev_attach(path, dev, &fd, &err), 0, "%s", err.text);
	cr_expect_eq(size_of(fd), BYTES);
	cr_assert_eq(loopdev_find(path, again, &err), 0, "%s", err.text);
	cr_expect_str_eq(again, dev);
	cr_assert_eq(loopdev_attach(path, again, &second, &err), 0, "%s", err.text);
	cr_expect_str_eq(again, dev, "the same");
	cr_assert_eq(ftruncate(file, 3 * BYTES), 0);
	cr_expect_eq(loopdev_refresh(path, &err), 0, "%s", err.text);
	cr_expect_eq(size_of(fd), 3 * BYTES);
	close(fd);
	cr_expect_eq(loopdev_find(path, again, &err), 0, "the other one has it");
	close(second);
	cr_expect(is_gone());
	cr_expect_eq(loopdev_refresh(path, &err), -ENOENT);
}

Test(loopdev, another_file_of_that_name_is_not_it)
{
	char dev[LOOPDEV_PATH_MAX];
	struct err err = { 0 };
	int fd;

	if (missing())
		cr_skip_test("no loop devices here");
	cr_assert_eq(loopdev_attach(path, dev, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(unlink(path), 0);
	close(file);
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(file, 0);
	cr_expect_eq(loopdev_find(path, dev, &err), -ENOENT);
	close(fd);
	cr_expect_eq(loopdev_find("/tmp/sdsd-there-is-none", dev, &err), -ENOENT);
	cr_expect(err.text[0]);
}
