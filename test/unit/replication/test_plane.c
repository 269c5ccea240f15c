// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of the plane as a whole (plane_user.c, volume*.c, link.c): real
 * planes, files, TLS and NBD, the real core; consensus is the lab's struct.
 */
#include "base/clock.h"
#include "replication/core/meta.h"
#include "replication/volume.h"
#include "unit/replication/plane_clients.h"

TestSuite(plane, .init = setup, .fini = test_no_leaks, .timeout = 120);

static bool is_up(const struct plane_status *s)
{
	return s->up;
}

static bool has_failed(const struct plane_status *s)
{
	return !s->up && s->error[0];
}

Test(plane, one_copy)
{
	struct lab *l = make(1, 1);
	struct plane_status s;
	u8 zeros[BLOCK] = { 1 };
	int fd = enter(l, 0);

	cr_expect_eq(cl_read(fd, 0, zeros, BLOCK), 0);
	cr_expect(cl_all(zeros, BLOCK, 0), "a new volume reads as zeros");
	for (u32 i = 0; i < 64; i++)
		write_block(fd, i * 61 % 4096, i);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
	for (u32 i = 0; i < 64; i++)
		expect_block(fd, i * 61 % 4096, i);
	cr_expect_eq(cl_command(fd, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 0, 1 << 20), 0);
	cr_expect_eq(cl_command(fd, NBD_CMD_TRIM, NBD_CMD_FLAG_FUA, 1 << 20, 15 << 20), 0);
	cr_expect_eq(cl_read(fd, 61 * BLOCK, zeros, BLOCK), 0);
	cr_expect(cl_all(zeros, BLOCK, 0));
	s = lab_status(l, 0);
	cr_expect(s.up && s.open && s.serving);
	cr_expect_str_eq(s.role, "writer");
	cr_expect_str_eq(s.mode, "member");
	cr_expect_eq(s.in_sync, 1);
	cr_expect_str_eq(s.error, "");
	close(fd);
	cr_expect(status_is(l, 0, is_closed));
	lab_free(l);
}

Test(plane, survives_a_restart)
{
	struct lab *l = make(1, 1);
	int fd = enter(l, 0);

	write_block(fd, 7, 1);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
	lab_stop(l, 0);
	cr_expect(cl_closed(fd), "clients are cut when the plane stops");
	close(fd);
	lab_start(l, 0);
	fd = enter(l, 0);
	expect_block(fd, 7, 1);
	close(fd);
	lab_free(l);
}

Test(plane, diskless_writer_and_two_copies)
{
	struct lab *l = make(3, 3);
	int fd = enter(l, 2);

	cr_expect(lab_wait_in_sync(l, 3), "the other copy joins");
	for (u32 i = 0; i < 500; i++)
		write_block(fd, i * 37 % 4096, i);
	for (u32 i = 0; i < 500; i++)
		expect_block(fd, i * 37 % 4096, i);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
	cr_expect_str_eq(lab_status(l, 2).role, "writer");
	cr_expect_str_eq(lab_status(l, 2).mode, "none");
	cr_expect(lab_status(l, 2).peer[0].connected && lab_status(l, 2).peer[1].connected);
	close(fd);
	cr_expect(status_is(l, 0, is_closed));
	lab_stop(l, 0);
	lab_stop(l, 1);
	expect_alike(l, 0, 1);
	lab_free(l);
}

Test(plane, second_opener_is_told_who_has_it)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0), other;
	char text[1024];
	u64 size;

	write_block(fd, 0, 1);
	other = cl_connect(lab_socket(l, 1));
	cl_hello(other, NBD_FIXED_NEWSTYLE);
	cl_ask_go(other, NBD_OPT_INFO, "db");
	cr_expect_eq(cl_go_answer(other, NBD_OPT_INFO, &size, text), NBD_REP_ACK);
	cr_expect_eq(size, SIZE_BYTES);
	cl_ask_go(other, NBD_OPT_GO, "db");
	cr_expect_eq(cl_go_answer(other, NBD_OPT_GO, NULL, text), NBD_REP_ERR_SHUTDOWN);
	cr_expect(strstr(text, "in use on node n1"), "%s", text);
	write_block(fd, 1, 2);
	close(fd);
	cl_ask_go(other, NBD_OPT_GO, "db");
	cr_expect_eq(cl_go_answer(other, NBD_OPT_GO, NULL, text), NBD_REP_ACK, "%s", text);
	expect_block(other, 0, 1);
	expect_block(other, 1, 2);
	close(other);
	lab_free(l);
}

Test(plane, a_member_goes_and_comes_back)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	for (u32 i = 0; i < 100; i++)
		write_block(fd, i, i);
	lab_stop(l, 1);
	for (u32 i = 100; i < 200; i++)
		write_block(fd, i * 13 % 4096, i);
	cr_expect_eq(lab_record(l).in_sync, 1);
	lab_start(l, 1);
	for (u32 i = 200; i < 300; i++)
		write_block(fd, i * 17 % 4096, i);
	cr_expect(lab_wait_in_sync(l, 3), "caught up and joined");
	for (u32 i = 300; i < 400; i++)
		write_block(fd, i * 19 % 4096, i);
	close(fd);
	cr_expect(status_is(l, 0, is_closed));
	lab_stop(l, 0);
	lab_stop(l, 1);
	expect_alike(l, 0, 1);
	lab_free(l);
}

Test(plane, failover_to_the_other_copy)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	for (u32 i = 0; i < 100; i++)
		write_block(fd, i, i);
	lab_hold_consensus(l, true); /* first: else it makes the set smaller by the other copy */
	lab_isolate(l, 0, true);
	close(fd);
	lab_stop(l, 0);
	lab_hold_consensus(l, false);
	fd = enter(l, 1);
	for (u32 i = 0; i < 100; i++)
		expect_block(fd, i, i);
	write_block(fd, 50, 1000);
	lab_start(l, 0);
	lab_isolate(l, 0, false);
	cr_expect(lab_wait_in_sync(l, 3));
	expect_block(fd, 50, 1000);
	close(fd);
	cr_expect(status_is(l, 1, is_closed));
	lab_stop(l, 0);
	lab_stop(l, 1);
	expect_alike(l, 0, 1);
	lab_free(l);
}

Test(plane, nothing_completes_until_consensus_has_the_smaller_set)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);
	u8 data[BLOCK];

	cr_assert(lab_wait_in_sync(l, 3));
	write_block(fd, 0, 1);
	lab_hold_consensus(l, true);
	lab_isolate(l, 1, true);
	usleep(300000);
	pattern(data, BLOCK, 2);
	cl_request(fd, NBD_CMD_WRITE, 0, 5, BLOCK, BLOCK);
	cl_send(fd, data, BLOCK);
	cr_expect_not(cl_readable(fd, 500));
	cr_expect(lab_status(l, 0).open);
	cr_expect_not(lab_status(l, 0).serving, "a member is lost and consensus is silent");
	lab_hold_consensus(l, false);
	cr_expect_eq(cl_simple(fd, NULL), 0, "the set was made smaller, the write completes");
	cr_expect_eq(lab_record(l).in_sync, 1);
	lab_isolate(l, 1, false);
	cr_expect(lab_wait_in_sync(l, 3));
	expect_block(fd, 1, 2);
	close(fd);
	lab_free(l);
}

/* [F22], P10: another node took over while this one was cut off */
Test(plane, a_deposed_writer_fails_its_clients)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0), other;
	u8 data[BLOCK];

	cr_assert(lab_wait_in_sync(l, 3));
	write_block(fd, 0, 1);
	lab_mute(l, 0, true); /* consensus does not hear node 0 */
	lab_isolate(l, 0, true);
	usleep(100000);
	pattern(data, BLOCK, 2);
	cl_request(fd, NBD_CMD_WRITE, 0, 5, BLOCK, BLOCK);
	cl_send(fd, data, BLOCK);
	other = enter(l, 1); /* after the lease has run out */
	expect_block(other, 0, 1);
	write_block(other, 2, 3);
	lab_mute(l, 0, false);
	cr_expect_eq(cl_simple(fd, NULL), NBD_EIO);
	cr_expect(cl_closed(fd));
	lab_isolate(l, 0, false);
	cr_expect(lab_wait_in_sync(l, 3), "its copy comes back as a learner");
	close(fd);
	close(other);
	cr_expect(status_is(l, 1, is_closed));
	fd = enter(l, 0);
	expect_block(fd, 2, 3);
	close(fd);
	cr_expect(status_is(l, 0, is_closed));
	lab_stop(l, 0);
	lab_stop(l, 1);
	expect_alike(l, 0, 1);
	lab_free(l);
}

Test(plane, own_disk_fails)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	for (u32 i = 0; i < 50; i++)
		write_block(fd, i, i);
	lab_break_disk(l, 0);
	for (u32 i = 50; i < 100; i++)
		write_block(fd, i, i);
	cr_expect_eq(lab_record(l).in_sync, 2);
	for (u32 i = 0; i < 100; i++)
		expect_block(fd, i, i);
	lab_set(l, 0); /* tells it the set that it is no longer in */
	cr_expect_str_eq(lab_status(l, 0).mode, "failed");
	close(fd);
	lab_free(l);
}

Test(plane, disk_of_a_member_fails)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	lab_break_disk(l, 1);
	for (u32 i = 0; i < 100; i++)
		write_block(fd, i, i);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
	for (u32 i = 0; i < 100; i++)
		expect_block(fd, i, i);
	cr_expect_eq(lab_record(l).in_sync, 1);
	close(fd);
	lab_free(l);
}

Test(plane, a_copy_comes_back_when_its_disk_is_well)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 3));
	lab_break_disk(l, 1);
	for (u32 i = 0; i < 50; i++)
		write_block(fd, i, i);
	cr_expect_str_eq(lab_status(l, 1).mode, "broken",
			 "the record here still has it in the set");
	cr_expect(strstr(lab_status(l, 1).error, "data write"), "%s", lab_status(l, 1).error);
	lab_set(l, 1);
	cr_expect_str_eq(lab_status(l, 1).mode, "failed");
	cr_expect_eq(lab_status(l, 1).failures, 1);
	lab_mend_disk(l, 1);
	for (u32 i = 50; i < 100; i++)
		write_block(fd, i, i);
	cr_assert(lab_wait_in_sync(l, 3));
	for (u32 i = 0; i < 100; i++)
		expect_block(fd, i, i);
	close(fd);
	lab_stop(l, 0);
	lab_stop(l, 1);
	expect_alike(l, 0, 1);
	lab_free(l);
}

Test(plane, a_copy_comes_back_at_once_when_there_is_room)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);
	u64 began;

	cr_assert(lab_wait_in_sync(l, 3));
	lab_break_disk(l, 1);
	for (u32 i = 0; i < 50; i++)
		write_block(fd, i, i);
	cr_assert(lab_wait_in_sync(l, 1));
	lab_set(l, 1);
	lab_mend_disk(l, 1);
	began = clock_boot_ns();
	lab_more_room(l, 1);
	cr_assert(lab_wait_in_sync(l, 3));
	cr_expect_lt(clock_boot_ns() - began, VOLUME_MEND_MIN_MS * REPL_MS / 2);
	close(fd);
	lab_free(l);
}

/* Requests end, the client too, and whoever asks next is told why. */
static void expect_end(int client)
{
	struct lab *l = make(2, 1);
	int fd = enter(l, client);
	u64 began = clock_boot_ns();
	u8 data[BLOCK] = { 1 };
	char text[1024];

	write_block(fd, 0, 0);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
	lab_break_disk(l, 0);
	cr_expect_neq(cl_write(fd, BLOCK, data, BLOCK, 0), 0);
	cr_expect(clock_boot_ns() - began < 2 * VOLUME_AWAY_MS * REPL_MS);
	cr_expect(status_is(l, client, is_closed_anywhere));
	close(fd);
	cr_expect_str_eq(lab_status(l, 0).mode, "broken");
	cr_expect(strstr(lab_status(l, 0).error, "data write"), "%s", lab_status(l, 0).error);
	fd = cl_connect(lab_socket(l, 0));
	cl_hello(fd, NBD_FIXED_NEWSTYLE);
	cl_ask_go(fd, NBD_OPT_GO, "");
	cr_expect_eq(cl_go_answer(fd, NBD_OPT_GO, NULL, text), NBD_REP_ERR_SHUTDOWN);
	cr_expect(strstr(text, "the disk of its copy here has failed: data write"), "%s", text);
	close(fd);
	lab_free(l);
}

Test(plane, the_last_copy_fails_here)
{
	expect_end(0);
}

Test(plane, the_last_copy_fails_elsewhere)
{
	expect_end(1);
}

/* Not lost for ever: a copy that is only away may be back in a moment. */
Test(plane, the_last_copy_is_away)
{
	struct lab *l = make(2, 1);
	int fd = enter(l, 1);
	u8 data[BLOCK] = { 1 };

	write_block(fd, 0, 0);
	lab_isolate(l, 0, true);
	cl_request(fd, NBD_CMD_WRITE, 0, 1, BLOCK, BLOCK);
	cl_send(fd, data, BLOCK);
	cr_expect_not(cl_readable(fd, VOLUME_AWAY_MS / 3));
	lab_isolate(l, 0, false);
	cr_expect_eq(cl_simple(fd, NULL), 0);
	lab_isolate(l, 0, true);
	cr_expect_neq(cl_write(fd, BLOCK, data, BLOCK, 0), 0);
	lab_isolate(l, 0, false);
	close(fd);
	fd = enter(l, 1);
	expect_block(fd, 0, 0);
	close(fd);
	lab_free(l);
}

/* A client that is killed does not keep the volume, whatever it waits for. */
Test(plane, the_client_of_a_failed_copy_is_killed)
{
	struct lab *l = make(2, 1);
	int fd = enter(l, 0);
	u8 data[BLOCK] = { 1 };

	write_block(fd, 0, 0);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
	lab_break_disk(l, 0);
	cl_request(fd, NBD_CMD_WRITE, 0, 1, BLOCK, BLOCK);
	cl_send(fd, data, BLOCK);
	close(fd);
	usleep(VOLUME_AWAY_MS * 1000);
	cr_expect(status_is(l, 0, is_closed_anywhere));
	lab_free(l);
}

Test(plane, nobody_to_open_it_from)
{
	struct lab *l = make(3, 3);
	char text[1024];
	int fd;

	lab_stop(l, 0);
	lab_stop(l, 1);
	for (int i = 0; i < 400 && access(lab_socket(l, 2), F_OK) < 0; i++)
		usleep(5000);
	fd = cl_connect(lab_socket(l, 2));
	cl_hello(fd, NBD_FIXED_NEWSTYLE);
	cl_ask_go(fd, NBD_OPT_GO, "");
	cr_expect_eq(cl_go_answer(fd, NBD_OPT_GO, NULL, text), NBD_REP_ERR_SHUTDOWN);
	cr_expect(strstr(text, "n1, n2"), "%s", text);
	close(fd);
	lab_free(l);
}

Test(plane, damaged_metadata)
{
	struct lab *l = lab_new(1, 1, SIZE_BYTES);
	int fd = open(lab_meta_path(l, 0), O_RDWR | O_CLOEXEC), client;
	u8 old[2 * REPL_META_PAGE], rubbish[2 * REPL_META_PAGE] = { 0 };
	char text[1024];

	cr_assert_eq(pread(fd, old, sizeof(old), 0), sizeof(old));
	cr_assert_eq(pwrite(fd, rubbish, sizeof(rubbish), 0), sizeof(rubbish));
	lab_start(l, 0);
	cr_expect(status_is(l, 0, has_failed));
	client = cl_connect(lab_socket(l, 0));
	cl_hello(client, NBD_FIXED_NEWSTYLE);
	cl_ask_go(client, NBD_OPT_GO, "");
	cr_expect_eq(cl_go_answer(client, NBD_OPT_GO, NULL, text), NBD_REP_ERR_SHUTDOWN);
	cr_expect(strstr(text, "label"), "%s", text);
	cr_assert_eq(pwrite(fd, old, sizeof(old), 0), sizeof(old));
	cr_expect(status_is(l, 0, is_up), "it is tried again by itself");
	cl_ask_go(client, NBD_OPT_GO, "");
	cr_expect_eq(cl_go_answer(client, NBD_OPT_GO, NULL, text), NBD_REP_ACK);
	close(client);
	close(fd);
	lab_free(l);
}

Test(plane, removed_while_in_use)
{
	struct lab *l = make(2, 3);
	int fd = enter(l, 0);
	u8 data[BLOCK] = { 0 };

	write_block(fd, 0, 1);
	for (int i = 0; i < 16; i++) {
		cl_request(fd, NBD_CMD_WRITE, 0, (u64)i, BLOCK, BLOCK);
		cl_send(fd, data, BLOCK);
	}
	lab_remove(l, 0);
	cr_expect_neq(access(lab_socket(l, 0), F_OK), 0);
	close(fd);
	cr_expect_null(lab_status(l, 0).role, "no such resource");
	lab_remove(l, 0); /* again: nothing to remove */
	lab_set(l, 0);
	fd = enter(l, 0);
	expect_block(fd, 0, 1);
	close(fd);
	lab_free(l);
}

/* A proposal of a life before, in the same process, must not pass for one of this life: both begin
 * to count their proposals. */
Test(plane, no_tag_comes_twice)
{
	struct lab *l = make(1, 1);
	struct plane_record first, second;
	int fd = enter(l, 0);

	first = lab_record(l);
	lab_remove(l, 0);
	close(fd);
	lab_set(l, 0);
	fd = enter(l, 0);
	second = lab_record(l);
	cr_expect_eq(first.tag_boot, second.tag_boot, "the same process");
	cr_expect_neq(first.tag_counter, second.tag_counter, "%u", first.tag_counter);
	close(fd);
	lab_free(l);
}

Test(plane, a_copy_more)
{
	struct lab *l = make(3, 3);
	int fd = enter(l, 0), third;

	for (u32 i = 0; i < 100; i++)
		write_block(fd, i * 31 % 4096, i);
	lab_give_disk(l, 2);
	cr_expect(lab_wait_in_sync(l, 7), "the new copy is filled and joins");
	write_block(fd, 1, 1000);
	close(fd);
	cr_expect(status_is(l, 0, is_closed));
	third = enter(l, 2);
	expect_block(third, 1, 1000);
	expect_block(third, 31, 1);
	close(third);
	cr_expect(status_is(l, 2, is_closed));
	for (int i = 0; i < 3; i++)
		lab_stop(l, i);
	expect_alike(l, 0, 1);
	expect_alike(l, 0, 2);
	lab_free(l);
}

Test(plane, a_disk_does_not_come_under_an_open_volume)
{
	struct lab *l = make(3, 3);
	int fd = enter(l, 2);

	for (u32 i = 0; i < 50; i++)
		write_block(fd, i, i);
	lab_give_disk(l, 2);
	for (u32 i = 50; i < 100; i++)
		write_block(fd, i, i);
	cr_expect(strstr(lab_status(l, 2).error, "until it is closed"), "%s",
		  lab_status(l, 2).error);
	cr_expect_str_eq(lab_status(l, 2).mode, "none");
	close(fd);
	fd = enter(l, 0);
	cr_expect(lab_wait_in_sync(l, 7));
	for (u32 i = 0; i < 100; i++)
		expect_block(fd, i, i);
	close(fd);
	lab_free(l);
}

/* waits until nobody is writer */
static bool is_released(struct lab *l)
{
	for (int i = 0; i < 600 && lab_record(l).writer >= 0; i++)
		usleep(20000);
	return lab_record(l).writer < 0;
}

Test(plane, a_disk_that_comes_waits_for_the_release)
{
	struct lab *l = make(3, 3);
	int fd = enter(l, 2);

	cr_assert(lab_wait_in_sync(l, 3));
	write_block(fd, 0, 1);
	lab_give_disk(l, 2);
	lab_hold_consensus(l, true);
	close(fd);
	cr_expect(status_is(l, 2, is_closed_anywhere));
	usleep(300000);
	cr_expect_str_eq(lab_status(l, 2).mode, "none", "%s", lab_status(l, 2).error);
	cr_expect(strstr(lab_status(l, 2).error, "until it is closed"), "%s",
		  lab_status(l, 2).error);
	lab_hold_consensus(l, false);
	cr_expect(is_released(l), "the record names nobody");
	lab_set(l, 0); /* tells it the record */
	cr_expect(lab_wait_in_sync(l, 7), "healed");
	lab_free(l);
}

Test(plane, a_client_that_was_writer_releases_the_record)
{
	struct lab *l = make(3, 3);
	int fd = enter(l, 2);

	cr_assert(lab_wait_in_sync(l, 3));
	write_block(fd, 0, 1);
	lab_stop(l, 1);
	write_block(fd, 1, 2);
	lab_hold_consensus(l, true);
	close(fd);
	lab_stop(l, 2); /* what it has asked goes with it */
	lab_hold_consensus(l, false);
	cr_expect_eq(lab_record(l).writer, 2);
	lab_start(l, 1);
	lab_set(l, 0);
	usleep((VOLUME_HEAL_PAUSE_MS + 1000) * 1000);
	cr_expect_eq(lab_record(l).writer, 2, "nobody heals against it");
	cr_expect_eq(lab_record(l).in_sync, 1);
	lab_start(l, 2);
	cr_expect(is_released(l));
	lab_set(l, 0);
	cr_expect(lab_wait_in_sync(l, 3), "healed");
	lab_free(l);
}

Test(plane, who_heals_gives_way_to_a_writer_that_cannot_be_reached)
{
	struct lab *l = make(3, 3);
	int fd;

	lab_lag(l, 0, true); /* for it nobody has it open, whatever happens */
	fd = enter(l, 2);
	cr_assert(lab_wait_in_sync(l, 3));
	lab_stop(l, 1);
	write_block(fd, 0, 1);
	lab_isolate(l, 2, true); /* who would take node 1 back before it has knocked */
	lab_start(l, 1);
	usleep((REPL_GRACE_NS + REPL_SILENCE_NS) / 1000);
	cr_expect_eq(lab_record(l).writer, 2, "nobody takes it away");
	lab_isolate(l, 2, false);
	write_block(fd, 1, 2);
	lab_lag(l, 0, false);
	cr_expect(lab_wait_in_sync(l, 3));
	close(fd);
	cr_expect(is_released(l));
	lab_free(l);
}

Test(plane, links_that_flap)
{
	struct lab *l = make(3, 7);
	int fd = enter(l, 0);

	cr_assert(lab_wait_in_sync(l, 7));
	for (u32 round = 0; round < 4; round++) {
		lab_isolate(l, 1 + (int)round % 2, true);
		for (u32 i = 0; i < 50; i++)
			write_block(fd, (round * 50 + i) * 29 % 4096, round * 50 + i);
		lab_isolate(l, 1 + (int)round % 2, false);
	}
	cr_expect(lab_wait_in_sync(l, 7));
	for (u32 i = 0; i < 200; i++)
		expect_block(fd, i * 29 % 4096, i);
	close(fd);
	cr_expect(status_is(l, 0, is_closed));
	for (int i = 0; i < 3; i++)
		lab_stop(l, i);
	expect_alike(l, 0, 1);
	expect_alike(l, 0, 2);
	lab_free(l);
}
