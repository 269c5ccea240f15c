// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of volume_freeze.c: whole planes with NBD clients, as in test_plane.c.
 */
#include "base/clock.h"
#include "replication/volume.h"
#include "unit/replication/plane_clients.h"

#include <sys/syscall.h>
#include <time.h>

TestSuite(volume_freeze, .init = setup, .fini = test_no_leaks, .timeout = 120);

#define LONG_MS 8000
#define LONG_NS ((u64)LONG_MS * REPL_MS)

static struct err err;

static volatile bool stalled; /* writes to data files, which only are memfds, take until then */
static volatile u64 slept_ns; /* all nodes slept for so long */

ssize_t pwrite(int fd, const void *data, size_t len, off_t off)
{
	while (stalled && fcntl(fd, F_GET_SEALS) >= 0)
		usleep(2000);
	return syscall(SYS_pwrite64, fd, data, len, off);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int rv = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock == CLOCK_BOOTTIME) {
		ret->tv_sec += (time_t)(slept_ns / 1000000000);
		ret->tv_nsec += (long)(slept_ns % 1000000000);
		ret->tv_sec += ret->tv_nsec / 1000000000;
		ret->tv_nsec %= 1000000000;
	}
	return rv;
}

static void send_block(int fd, u64 cookie, u32 block, u32 seed)
{
	u8 data[BLOCK];

	pattern(data, BLOCK, seed);
	cl_request(fd, NBD_CMD_WRITE, 0, cookie, (u64)block * BLOCK, BLOCK);
	cl_send(fd, data, BLOCK);
}

static void copy_of(struct lab *l, int node, u8 *to)
{
	int fd = open(lab_data_path(l, node), O_RDONLY | O_CLOEXEC);

	cr_assert_eq(pread(fd, to, SIZE_BYTES, 0), SIZE_BYTES);
	close(fd);
}

static void close_all(struct lab *l, int fd)
{
	close(fd);
	cr_expect(status_is(l, 0, is_closed));
	lab_stop(l, 0);
	lab_stop(l, 1);
	expect_alike(l, 0, 1);
	lab_free(l);
}

Test(volume_freeze, writes_wait_and_nothing_is_lost)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0), other;
	u64 cookie;

	cr_assert(lab_wait_in_sync(l, 3));
	for (u32 i = 0; i < 8; i++)
		write_block(fd, i, i);
	cr_assert_eq(lab_freeze(l, 0, 7, LONG_MS, &err), 0, "%s", err.text);
	send_block(fd, 1, 3, 100);
	cl_request(fd, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 2, 4 * BLOCK, BLOCK);
	cl_request(fd, NBD_CMD_TRIM, 0, 3, 5 * BLOCK, BLOCK);
	cl_request(fd, NBD_CMD_FLUSH, 0, 4, 0, 0);
	cr_expect_not(cl_readable(fd, 300));
	other = enter(l, 0);
	for (u32 i = 0; i < 8; i++) {
		expect_block(fd, i, i);
		expect_block(other, i, i);
	}
	close(other);
	cr_expect_eq(lab_thaw(l, 0, 7, &err), 0, "%s", err.text);
	for (u32 i = 0; i < 4; i++)
		cr_expect_eq(cl_simple(fd, &cookie), 0);
	cr_expect_eq(cookie, 4, "the flush is last");
	expect_block(fd, 3, 100);
	write_block(fd, 4, 101);
	close_all(l, fd);
}

static struct {
	int fd;
	volatile bool stop;
	u32 written;
} load;

static void write_on(void *arg)
{
	for (; !load.stop; load.written++)
		write_block(load.fd, load.written % 512, load.written);
}

/* What a cut is taken for: while it holds the copies are alike and stay so. */
Test(volume_freeze, copies_are_alike_under_an_application_that_writes)
{
	struct lab *l = make(2, 3);
	u8 *a = malloc(SIZE_BYTES), *b = malloc(SIZE_BYTES), *again = malloc(SIZE_BYTES);
	uv_thread_t thread;
	u32 cuts = 0;

	load.fd = enter(l, 0);
	cr_assert(lab_wait_in_sync(l, 3));
	cr_assert_eq(uv_thread_create(&thread, write_on, NULL), 0);
	for (u64 token = 1; token <= 10; token++) {
		usleep(20000);
		cr_assert_eq(lab_freeze(l, 0, token, LONG_MS, &err), 0, "%s", err.text);
		copy_of(l, 0, a);
		copy_of(l, 1, b);
		usleep(20000);
		copy_of(l, 0, again);
		if (lab_thaw(l, 0, token, &err) < 0)
			continue; /* a machine that is too slow */
		cuts++;
		cr_expect_eq(memcmp(a, b, SIZE_BYTES), 0, "token %u", (u32)token);
		cr_expect_eq(memcmp(a, again, SIZE_BYTES), 0, "token %u", (u32)token);
	}
	load.stop = true;
	uv_thread_join(&thread);
	cr_expect_gt(cuts, 0);
	cr_expect_gt(load.written, 10);
	for (u32 i = load.written > 512 ? load.written - 512 : 0; i < load.written; i++)
		expect_block(load.fd, i % 512, i);
	close_all(l, load.fd);
	free(a);
	free(b);
	free(again);
}

/* All is well but for a disk: what it was given is waited for. */
Test(volume_freeze, a_slow_disk_is_waited_for)
{
	struct lab *l;
	struct lab_answer *a;
	int fd;

	setenv("SDSD_DISK_ENGINE", "threads", 1); /* that is what is made slow here */
	l = make(2, 3);
	fd = enter(l, 0);
	cr_assert(lab_wait_in_sync(l, 3));
	write_block(fd, 0, 1);
	stalled = true;
	send_block(fd, 1, 0, 2);
	cr_expect_not(cl_readable(fd, 100));
	cr_expect_eq(lab_freeze(l, 0, 1, 200, &err), -ETIMEDOUT);
	a = lab_freeze_begin(l, 0, 2, LONG_MS);
	usleep(200000);
	cr_expect_not(cl_readable(fd, 1));
	stalled = false;
	cr_expect_eq(lab_answer_wait(a, &err), 0, "%s", err.text);
	cr_expect(cl_readable(fd, 1000), "it was answered before");
	cr_expect_eq(cl_simple(fd, NULL), 0);
	cr_expect_eq(lab_thaw(l, 0, 2, &err), 0, "%s", err.text);
	expect_block(fd, 0, 2);
	close_all(l, fd);
}

/* A machine that was suspended: before its links and ticks say something, nothing is wrong here. */
Test(volume_freeze, its_node_has_slept)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	cr_assert_eq(lab_freeze(l, 0, 1, PLANE_FREEZE_MAX_MS, &err), 0, "%s", err.text);
	slept_ns = REPL_LEASE_NS;
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -ETIMEDOUT, "another may have been writer");
	cr_expect_not(strstr(err.text, "deadline"), "%s", err.text);
	write_block(fd, 0, 1);
	close(fd);
	lab_free(l);
}

/* A member is lost and consensus is silent: a write that is under way cannot be answered. */
static int begin_stuck_write(struct lab *l)
{
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	write_block(fd, 0, 1);
	lab_hold_consensus(l, true);
	lab_isolate(l, 1, true);
	send_block(fd, 5, 1, 2);
	cr_assert_not(cl_readable(fd, 200));
	return fd;
}

static void end_stuck_write(struct lab *l, int fd)
{
	lab_isolate(l, 1, false);
	cr_expect(lab_wait_in_sync(l, 3));
	expect_block(fd, 1, 2);
	close_all(l, fd);
}

Test(volume_freeze, writes_under_way_are_waited_for)
{
	struct lab *l = make(2, 3);
	int fd = begin_stuck_write(l);
	struct lab_answer *a = lab_freeze_begin(l, 0, 1, LONG_MS);

	usleep(200000);
	cr_expect_eq(lab_freeze(l, 0, 2, LONG_MS, &err), -EBUSY, "it is not frozen yet");
	lab_hold_consensus(l, false);
	cr_expect_eq(lab_answer_wait(a, &err), 0, "%s", err.text);
	cr_expect(cl_readable(fd, 1000), "it was answered before");
	cr_expect_eq(cl_simple(fd, NULL), 0);
	send_block(fd, 6, 2, 3);
	cr_expect_not(cl_readable(fd, 100));
	cr_expect_eq(lab_thaw(l, 0, 1, &err), 0, "%s", err.text);
	cr_expect_eq(cl_simple(fd, NULL), 0);
	end_stuck_write(l, fd);
}

Test(volume_freeze, that_is_not_reached)
{
	struct lab *l = make(2, 3);
	int fd = begin_stuck_write(l);
	struct lab_answer *a;

	cr_expect_eq(lab_freeze(l, 0, 1, 300, &err), -ETIMEDOUT);
	cr_expect(strstr(err.text, "deadline"), "%s", err.text);
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -ETIMEDOUT);
	a = lab_freeze_begin(l, 0, 2, LONG_MS);
	cr_expect_eq(lab_thaw(l, 0, 2, &err), 0);
	cr_expect_eq(lab_answer_wait(a, &err), -ECANCELED);
	lab_hold_consensus(l, false);
	cr_expect_eq(cl_simple(fd, NULL), 0);
	write_block(fd, 2, 3);
	end_stuck_write(l, fd);
}

Test(volume_freeze, nobody_thaws)
{
	struct lab *l = make(1, 1);
	int fd = enter(l, 0);
	u64 began = clock_boot_ns();

	cr_assert_eq(lab_freeze(l, 0, 1, 500, &err), 0, "%s", err.text);
	write_block(fd, 0, 1);
	cr_expect_geq(clock_boot_ns() - began, 500 * REPL_MS);
	cr_expect_lt(clock_boot_ns() - began, LONG_NS);
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(lab_thaw(l, 0, 1, &err), -ETIMEDOUT);
		cr_expect(strstr(err.text, "at its deadline"), "%s", err.text);
	}
	cr_expect_eq(lab_freeze(l, 0, 2, LONG_MS, &err), 0, "%s", err.text);
	cr_expect_eq(lab_thaw(l, 0, 2, &err), 0, "%s", err.text);
	close(fd);
	lab_free(l);
}

Test(volume_freeze, who_may_and_when)
{
	struct lab *l = make(2, 3);
	int fd;

	cr_expect_eq(lab_freeze(l, 0, 1, 1000, &err), -EREMOTE, "nobody has it open");
	cr_expect(strstr(err.text, "where it is served"), "%s", err.text);
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -ENOENT);
	fd = enter(l, 0);
	cr_assert(lab_wait_in_sync(l, 3));
	cr_expect_eq(lab_freeze(l, 1, 1, 1000, &err), -EREMOTE, "open elsewhere");
	cr_expect_eq(lab_freeze(l, 0, 0, 1000, &err), -E_INVALID);
	cr_expect_eq(lab_freeze(l, 0, 1, 0, &err), -E_INVALID);
	cr_expect_eq(lab_freeze(l, 0, 1, PLANE_FREEZE_MAX_MS + 1, &err), -E_INVALID);
	cr_expect_eq(lab_freeze(l, 0, 1, PLANE_FREEZE_MAX_MS, &err), 0, "%s", err.text);
	cr_expect_eq(lab_freeze(l, 0, 1, 1000, &err), -EBUSY);
	cr_expect_eq(lab_freeze(l, 0, 2, 1000, &err), -EBUSY);
	cr_expect_eq(lab_thaw(l, 0, 2, &err), -ENOENT);
	cr_expect_eq(lab_thaw(l, 0, 1, &err), 0, "%s", err.text);
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -EALREADY);
	cr_expect_eq(lab_freeze(l, 0, 2, LONG_MS, &err), 0, "%s", err.text);
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -ENOENT, "frozen anew since");
	cr_expect_eq(lab_thaw(l, 0, 2, &err), 0, "%s", err.text);
	lab_remove(l, 1);
	cr_expect_eq(lab_freeze(l, 1, 1, 1000, &err), -ENOENT);
	close(fd);
	lab_free(l);
}

/* Nothing may keep it open that nobody can thaw for: the close comes when it is written. */
Test(volume_freeze, its_client_goes)
{
	struct lab *l = make(1, 1);
	int fd = enter(l, 0), other = enter(l, 0);
	u64 began = clock_boot_ns();

	cr_assert_eq(lab_freeze(l, 0, 1, LONG_MS, &err), 0, "%s", err.text);
	send_block(fd, 1, 1, 1);
	cr_expect_not(cl_readable(fd, 100));
	close(fd);
	send_block(other, 2, 2, 2);
	cr_expect_not(cl_readable(other, 200), "another one has it open");
	cr_expect_eq(lab_thaw(l, 0, 1, &err), 0, "%s", err.text);
	cr_expect_eq(cl_simple(other, NULL), 0);
	cr_assert_eq(lab_freeze(l, 0, 2, LONG_MS, &err), 0, "%s", err.text);
	send_block(other, 3, 3, 3);
	cr_expect_not(cl_readable(other, 100));
	close(other);
	cr_expect(status_is(l, 0, is_closed_anywhere));
	cr_expect_lt(clock_boot_ns() - began, LONG_NS);
	cr_expect_eq(lab_thaw(l, 0, 2, &err), -ETIMEDOUT);
	cr_expect(strstr(err.text, "gave up serving"), "%s", err.text);
	fd = enter(l, 0);
	for (u32 i = 1; i <= 3; i++)
		expect_block(fd, i, i);
	close(fd);
	lab_free(l);
}

Test(volume_freeze, a_member_dies)
{
	struct lab *l = make(3, 7);
	int fd = enter(l, 0);
	u64 began;

	cr_assert(lab_wait_in_sync(l, 7));
	write_block(fd, 1, 1);
	cr_assert_eq(lab_freeze(l, 0, 1, PLANE_FREEZE_MAX_MS, &err), 0, "%s", err.text);
	began = clock_boot_ns();
	send_block(fd, 1, 1, 2);
	cr_expect_not(cl_readable(fd, 100));
	lab_stop(l, 2);
	cr_expect_eq(cl_simple(fd, NULL), 0);
	cr_expect_lt(clock_boot_ns() - began, LONG_NS, "before the deadline");
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -ETIMEDOUT);
	cr_expect(strstr(err.text, "a copy was lost"), "%s", err.text);
	cr_expect_eq(lab_record(l).in_sync, 3);
	cr_expect_eq(lab_freeze(l, 0, 2, LONG_MS, &err), 0, "of those that are left: %s", err.text);
	cr_expect_eq(lab_thaw(l, 0, 2, &err), 0, "%s", err.text);
	close_all(l, fd);
}

/* It may be served elsewhere by now: consensus is not heard here. */
Test(volume_freeze, its_node_is_cut_off)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0), other;

	cr_assert(lab_wait_in_sync(l, 3));
	cr_assert_eq(lab_freeze(l, 0, 1, PLANE_FREEZE_MAX_MS, &err), 0, "%s", err.text);
	lab_mute(l, 0, true);
	lab_isolate(l, 0, true);
	other = enter(l, 1);
	write_block(other, 0, 5);
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -ETIMEDOUT, "another node has written");
	lab_mute(l, 0, false);
	lab_isolate(l, 0, false);
	cr_expect(cl_closed(fd));
	close(fd);
	cr_expect(lab_wait_in_sync(l, 3));
	close(other);
	lab_free(l);
}

Test(volume_freeze, its_resource_goes)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	write_block(fd, 1, 1);
	cr_assert_eq(lab_freeze(l, 0, 1, PLANE_FREEZE_MAX_MS, &err), 0, "%s", err.text);
	send_block(fd, 1, 1, 2);
	cr_expect_not(cl_readable(fd, 100));
	lab_remove(l, 0);
	cr_expect(cl_closed(fd));
	close(fd);
	cr_expect_eq(lab_thaw(l, 0, 1, &err), -ENOENT);
	lab_set(l, 0);
	fd = enter(l, 0);
	expect_block(fd, 1, 1);
	write_block(fd, 1, 3);
	close(fd);
	lab_free(l);
}

Test(volume_freeze, is_answered_when_the_plane_stops)
{
	struct lab *l = make(2, 3);
	int fd = begin_stuck_write(l);
	struct lab_answer *a = lab_freeze_begin(l, 0, 1, LONG_MS);

	lab_stop(l, 0);
	cr_expect_eq(lab_answer_wait(a, &err), -ETIMEDOUT);
	cr_expect(strstr(err.text, "gave up serving"), "%s", err.text);
	close(fd);
	lab_free(l);
}
