// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of what the NBD server (nbd_io.c) does while its volume is frozen, in
 * front of the fake volume of nbd_fake.h.
 */
#include "unit/replication/nbd_fake.h"

TestSuite(nbd_freeze, .init = setup, .fini = teardown, .timeout = 60);

static void freeze(void)
{
	SET(frozen, true);
}

static void thaw(void)
{
	post(on_thaw);
}

static void send_write(int fd, u64 cookie, u16 flags, u64 off, u8 byte, u32 len)
{
	u8 *data = malloc(len);

	memset(data, byte, len);
	cl_request(fd, NBD_CMD_WRITE, flags, cookie, off, len);
	cl_send(fd, data, len);
	free(data);
}

Test(nbd_freeze, writes_are_held_in_order_and_reads_go_on)
{
	int fd = cl_enter(f->path, false);
	u8 back[4096];
	u64 cookie;

	freeze();
	for (u8 i = 1; i <= 3; i++)
		send_write(fd, i, 0, 0, i, 4096);
	cl_request(fd, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 4, 4096, 4096);
	cl_request(fd, NBD_CMD_TRIM, 0, 5, 8192, 4096);
	cl_request(fd, NBD_CMD_FLUSH, 0, 6, 0, 0);
	cr_assert(comes(&f->held, 6));
	cr_expect_eq(cl_read(fd, 0, back, 4096), 0, "on the same connection, behind them");
	cr_expect(cl_all(back, 4096, 0));
	cr_expect_eq(look(&f->writes) + look(&f->zeros) + look(&f->trims) + look(&f->flushes), 0);
	thaw();
	for (u64 i = 1; i <= 6; i++) {
		cr_expect_eq(cl_simple(fd, &cookie), 0);
		cr_expect_eq(cookie, i);
	}
	cr_expect_eq(cl_read(fd, 0, back, 4096), 0);
	cr_expect(cl_all(back, 4096, 3), "the last one wins: %u", back[0]);
	close(fd);
}

/* What the volume has is waited for, by the volume; the rest of such a write is held. */
Test(nbd_freeze, a_write_is_held_in_the_middle)
{
	int fd = cl_enter(f->path, false);
	u8 *data = malloc(4 << 20);

	memset(data, 7, 4 << 20);
	cl_request(fd, NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 1, 0, 4 << 20);
	cl_send(fd, data, 2 << 20);
	cr_assert(comes(&f->writes, 2));
	freeze();
	cl_send(fd, data, 2 << 20);
	cr_expect(comes(&f->held, 1));
	cr_expect_not(cl_readable(fd, 50));
	thaw();
	cr_expect_eq(cl_simple(fd, NULL), 0);
	cr_expect_eq(look(&f->writes), 4);
	cr_expect_eq(look(&f->flushes), 1);
	SET(hold, true);
	send_write(fd, 2, NBD_CMD_FLAG_FUA, 0, 8, 4096);
	cr_assert(comes(&f->writes, 5));
	freeze();
	SET(hold, false);
	post(on_release);
	cr_expect(comes(&f->held, 2), "the flush of a write that was under way");
	cr_expect_not(cl_readable(fd, 50));
	thaw();
	cr_expect_eq(cl_simple(fd, NULL), 0);
	cr_expect_eq(look(&f->flushes), 2);
	close(fd);
	free(data);
}

/* Writes that wait for room when it begins stay older than those that come later. */
Test(nbd_freeze, of_a_volume_that_was_full)
{
	int fd = cl_enter(f->path, false);
	u8 back[4096];

	SET(hold, true);
	SET(full_at, 1);
	send_write(fd, 1, 0, 0, 1, 4096);
	cr_assert(comes(&f->writes, 1));
	send_write(fd, 2, 0, 0, 2, 4096);
	cr_assert(comes(&f->busy, 1));
	freeze();
	send_write(fd, 3, 0, 0, 3, 4096);
	SET(hold, false);
	post(on_release);
	cr_expect_eq(cl_simple(fd, NULL), 0);
	cr_assert(comes(&f->held, 2));
	send_write(fd, 4, 0, 0, 4, 4096);
	thaw();
	for (u32 i = 0; i < 3; i++)
		cr_expect_eq(cl_simple(fd, NULL), 0);
	cr_expect_eq(cl_read(fd, 0, back, 4096), 0);
	cr_expect(cl_all(back, 4096, 4), "%u", back[0]);
	close(fd);
}

/* A read waits for room, and a write behind it: what was held before is older. */
Test(nbd_freeze, what_is_held_is_older_than_what_waits)
{
	int fd = cl_enter(f->path, false);
	u8 back[4096];
	u64 cookie;

	SET(hold, true);
	SET(full_at, 1);
	freeze();
	send_write(fd, 1, 0, 0, 1, 4096);
	cr_assert(comes(&f->held, 1));
	cl_request(fd, NBD_CMD_READ, 0, 2, 8192, 512);
	cr_assert(comes(&f->reads, 1));
	cl_request(fd, NBD_CMD_READ, 0, 3, 8192, 512);
	cr_assert(comes(&f->busy, 1));
	send_write(fd, 4, 0, 0, 4, 4096);
	usleep(50000);
	thaw();
	SET(hold, false);
	post(on_release);
	for (u32 i = 0; i < 4; i++) {
		cr_expect_eq(cl_simple(fd, &cookie), 0);
		if (cookie == 2 || cookie == 3)
			cr_assert(cl_recv(fd, back, 512));
	}
	cr_expect_eq(cl_read(fd, 0, back, 4096), 0);
	cr_expect(cl_all(back, 4096, 4), "%u", back[0]);
	close(fd);
}

Test(nbd_freeze, what_is_held_leaves_room_for_reads)
{
	int fd = cl_enter(f->path, false), other = cl_enter(f->path, false), reader;
	u8 back[512];

	freeze();
	for (u32 i = 0; i < NBD_CLIENT_REQUESTS_MAX; i++) {
		cl_request(fd, NBD_CMD_WRITE_ZEROES, 0, i, (u64)i * 512, 512);
		cl_request(other, NBD_CMD_WRITE_ZEROES, 0, i, (u64)i * 512, 512);
	}
	usleep(50000);
	cr_expect_leq(look(&f->held), NBD_HELD_MAX);
	reader = cl_enter(f->path, false);
	for (u32 i = 0; i < 2 * NBD_CLIENT_REQUESTS_MAX; i++)
		cr_assert_eq(cl_read(reader, 0, back, sizeof(back)), 0);
	thaw();
	for (u32 i = 0; i < NBD_CLIENT_REQUESTS_MAX; i++) {
		cr_assert_eq(cl_simple(fd, NULL), 0);
		cr_assert_eq(cl_simple(other, NULL), 0);
	}
	cr_expect_eq(look(&f->trims), 2 * NBD_CLIENT_REQUESTS_MAX);
	close(fd);
	close(other);
	close(reader);
}

Test(nbd_freeze, its_client_goes)
{
	int fd = cl_enter(f->path, false);
	u8 half[2048] = { 0 };

	freeze();
	send_write(fd, 1, 0, 0, 1, 4096);
	cl_request(fd, NBD_CMD_WRITE, 0, 2, 4096, 4096);
	cl_send(fd, half, sizeof(half));
	cr_assert(comes(&f->held, 1));
	close(fd);
	usleep(50000);
	cr_expect_eq(look(&f->closes), 0, "it is not done");
	thaw();
	cr_expect(comes(&f->closes, 1));
	cr_expect_eq(look(&f->writes), 1, "the whole one was asked for, the other not");
}

Test(nbd_freeze, its_server_ends)
{
	int fd = cl_enter(f->path, false);

	freeze();
	send_write(fd, 1, 0, 0, 1, 4096);
	cr_assert(comes(&f->held, 1));
	close(fd);
}
