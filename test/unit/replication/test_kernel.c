// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of plane_kernel.c, kernel_resource.c, kernel_steps.c and kernel_job.c:
 * what the module is told and asked. Links are in test_kernel_link.c.
 */
#include "base/fs.h"
#include "replication/volume_times.h"
#include "unit/replication/kernel_lab.h"

TestSuite(kernel, .init = setup, .fini = teardown, .timeout = 60);

/* ---- attach ---- */

static bool is_optioned(void)
{
	return fake_count(RVOL_CMD_RESOURCE_SET, NULL) > 0;
}

Test(kernel, a_node_without_a_disk_asks_nobody)
{
	struct kernel_request q;
	char path[128], target[64] = "";

	r.handover = true;
	r.copy_writes = PLANE_COPY_DIRECT;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up), "%s", status.error);
	cr_assert(wait_for(is_optioned));
	cr_expect_eq(n_questions, 0);
	cr_expect_str_eq(status.role, "client");
	cr_expect_str_eq(status.mode, "none");
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_ADD, &q), 1);
	cr_expect_eq(q.self, 0);
	cr_expect_eq(q.copies, 2);
	cr_expect_eq(q.node, 1);
	cr_expect_eq(q.boot, 4711);
	cr_expect_not(q.with & KERNEL_WITH(STATE_PAGE));
	cr_expect_eq(fake_count(RVOL_CMD_VOLUME_ADD, &q), 1);
	cr_expect_eq(q.minor, MINOR);
	cr_expect_eq(q.size, SIZE_BYTES);
	cr_expect_not(q.with & KERNEL_WITH(DATA_PATH));
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_SET, &q), 1);
	cr_expect_eq(q.handover, 1);
	cr_expect_eq(q.copy_writes, RVOL_COPY_DIRECT);
	snprintf(path, sizeof(path), "%s/rvol/by-res/db/0", dev);
	cr_assert_gt(readlink(path, target, sizeof(target) - 1), 0);
	cr_expect_str_eq(target, "../../../rvol1007");
	snprintf(path, sizeof(path), "%s/drbd/by-res/db/0", dev);
	memset(target, 0, sizeof(target));
	cr_assert_gt(readlink(path, target, sizeof(target) - 1), 0);
	cr_expect_str_eq(target, "../../../rvol1007", "where LINSTOR's drivers look");
}

Test(kernel, a_copy_is_given_to_the_module)
{
	struct kernel_request q;
	struct fake_resource *f;
	struct meta_state s;
	u32 extent[REPL_HOT_MAX], n;
	u64 generation;

	volume.discard_bytes = 65536;
	attach_copy();
	cr_expect_eq(fake_count(RVOL_CMD_BOOT, &q), 1);
	cr_expect_eq(q.record.epoch, 1);
	cr_expect_eq(q.record.writer, REPL_NO_SLOT);
	cr_expect_eq(q.record.in_sync, 3);
	cr_expect_eq(fake_count(RVOL_CMD_VOLUME_ADD, &q), 1);
	cr_expect_eq(q.copy_size, SIZE_BYTES);
	cr_expect_eq(q.with & KERNEL_WITH(DISCARD), KERNEL_WITH(DISCARD));
	cr_expect_eq(q.discard, 65536);
	f = fake_find(r.uuid);
	cr_expect_eq(meta_get_state(f->state, &s), 0);
	cr_expect_eq(s.attached, 1, "it was counted");
	cr_expect_eq(meta_get_hot(f->hot, &generation, extent, &n), 0);
	cr_expect_str_eq(status.role, "replica");
	cr_expect_eq(access(mark, F_OK), 0);
}

/* An older module is not told what it does not know; what it needs it is told in any case. */
Test(kernel_nl, an_older_module)
{
	u64 with = KERNEL_WITH(NUMBER) | KERNEL_WITH(DISCARD);

	cr_expect_eq(kernel_nl_attrs(with, RVOL_A_COUNT), with);
	cr_expect_eq(kernel_nl_attrs(with, RVOL_A_DISCARD + 1), with);
	cr_expect_eq(kernel_nl_attrs(with, RVOL_A_DISCARD), KERNEL_WITH(NUMBER));
	cr_expect_eq(kernel_nl_attrs(with, 64), with);
	cr_expect_eq(kernel_nl_attrs(with, 1000), with);
	cr_expect_eq(kernel_nl_attrs(with, 0), KERNEL_WITH(NUMBER));
	/* with blocks of 512 bytes it would take what no copy can write: it has to refuse */
	cr_expect_eq(kernel_nl_attrs(KERNEL_WITH(BLOCK), RVOL_A_BLOCK), KERNEL_WITH(BLOCK));
}

static bool has_error(void)
{
	get_status();
	return !status.up && status.error[0] && strcmp(status.error, "attaching the disk") != 0;
}

Test(kernel, files_of_another_replica_are_refused)
{
	with_copy();
	format(0xa1);
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(has_error));
	cr_expect(strstr(status.error, "another replica"), "%s", status.error);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_ADD, NULL), 0);
}

Test(kernel, what_was_begun_is_undone)
{
	fake.refuse = -EBUSY;
	fake.refuse_cmd = RVOL_CMD_VOLUME_ADD;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up), "it is tried again: %s", status.error);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 1);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_ADD, NULL), 2);
}

/* ---- a restart of the daemon ---- */

Test(kernel, a_restart_finds_it_running)
{
	attach_copy();
	restart();
	cr_expect_not_null(fake_find(r.uuid), "the module goes on without us");
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up), "%s", status.error);
	cr_assert(wait_for(is_optioned));
	settle();
	cr_expect_eq(n_questions, 0);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_ADD, NULL), 0);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0);
	cr_expect_eq(fake_count(RVOL_CMD_BOOT, NULL), 0);
	cr_expect_eq(fake_count(RVOL_CMD_LINK_DEL, NULL), 0);
	cr_expect_eq(fake_count(RVOL_CMD_HEAL, NULL), 0);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_SET, NULL), 1);
}

static void close_it(struct fake_resource *f)
{
	f->view.volume[0].opens = 0;
	f->view.status.flags &= ~(RVOL_STATUS_OPEN | RVOL_STATUS_SERVING);
	f->view.status.role = RVOL_IDLE;
}

static bool is_added(void)
{
	return fake_count(RVOL_CMD_RESOURCE_ADD, NULL) > 0;
}

Test(kernel, what_runs_on_files_that_were_removed_goes_when_it_is_closed)
{
	attach_copy();
	show(open_it);
	restart();
	fake.no_devices = true;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(has_error));
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0, "it is open");
	show(close_it);
	cr_assert(wait_for(is_added));
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 1);
}

static bool is_deleted(void)
{
	return fake_count(RVOL_CMD_RESOURCE_DEL, NULL) > 0;
}

Test(kernel, orphans_go_unless_they_are_open)
{
	u8 one[16] = { 1 }, two[16] = { 2 }, three[16] = { 3 };
	struct kernel_request q;

	pthread_mutex_lock(&fake.lock);
	fake_new(one, "one")->view.status.flags = RVOL_STATUS_BOOTED;
	fake_new(two, "two")->view.status.flags = RVOL_STATUS_BOOTED | RVOL_STATUS_OPEN;
	fake_new(three, "three")->view.status.flags = RVOL_STATUS_BOOTED;
	pthread_mutex_unlock(&fake.lock);
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0, "it is not known yet");
	plane_kernel.defined(plane, three, 1);
	cr_assert(wait_for(is_deleted));
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, &q), 1);
	cr_expect_arr_eq(q.uuid, one, 16);
	cr_expect_not(q.with & KERNEL_WITH(FORCE));
	cr_expect_not_null(fake_find(two));
	cr_expect_not_null(fake_find(three), "defined, though its files are not found yet");
}

/* ---- questions ---- */

static void ask_both(struct fake_resource *f)
{
	f->view.status.read_token = 5;
	f->view.status.cas_token = 6;
	f->view.status.cas = (struct rvol_record){
		.epoch = 2, .in_sync = 1, .writer = 0, .tag_node = 1, .tag_boot = 9
	};
}

static bool are_two_asked(void)
{
	return n_questions >= 2;
}

static void nothing(struct fake_resource *f)
{
}

static bool is_cas_done(void)
{
	return fake_count(RVOL_CMD_CAS_DONE, NULL) > 0;
}

Test(kernel, each_question_is_asked_once)
{
	struct plane_record now = {
		.epoch = 2, .writer = 0, .in_sync = 1, .tag_node = 1, .tag_boot = 9
	};
	struct kernel_request q;
	int read, cas;

	attach_copy();
	show(ask_both);
	cr_assert(wait_for(are_two_asked));
	show(nothing);
	settle();
	cr_assert_eq(n_questions, 2);
	cas = question[0].cas ? 0 : 1;
	read = 1 - cas;
	cr_expect_eq(question[cas].next.epoch, 2);
	cr_expect_eq(question[cas].next.tag_boot, 9);
	plane_kernel.record_read(plane, question[read].token, &first);
	/* refused, but the record is this very proposal: another try of it was faster */
	plane_kernel.record_cas(plane, question[cas].token, false, &now);
	cr_assert(wait_for(is_cas_done));
	cr_expect_eq(fake_count(RVOL_CMD_RECORD, &q), 1);
	cr_expect_eq(q.token, 5);
	cr_expect_eq(q.record.epoch, 1);
	cr_expect_eq(fake_count(RVOL_CMD_CAS_DONE, &q), 1);
	cr_expect_eq(q.token, 6);
	cr_expect_eq(q.accepted, 1);
	plane_kernel.record_cas(plane, question[cas].token, false, &now);
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_CAS_DONE, NULL), 1);
	cr_expect_eq(n_questions, 2);
}

Test(kernel, a_question_of_a_former_life_is_asked_again)
{
	attach_copy();
	show(ask_both);
	cr_assert(wait_for(are_two_asked));
	restart();
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(are_two_asked));
}

static bool is_open(void)
{
	get_status();
	return status.open;
}

static bool is_closed(void)
{
	return !is_open();
}

Test(kernel, lost_events_are_made_up_for)
{
	attach_copy();
	pthread_mutex_lock(&fake.lock);
	open_it(fake_find(r.uuid)); /* and no event of it */
	fake_overrun();
	pthread_mutex_unlock(&fake.lock);
	cr_assert(wait_for(is_open));
	cr_expect_str_eq(status.role, "writer");
	cr_expect(status.serving);

	/* and those that come later are heard */
	pthread_mutex_lock(&fake.lock);
	close_it(fake_find(r.uuid));
	fake_event(fake_find(r.uuid));
	pthread_mutex_unlock(&fake.lock);
	cr_assert(wait_for(is_closed));
}

/* ---- a disk that fails ---- */

static void fail_write(struct fake_resource *f)
{
	f->view.status.mode = RVOL_DISK_FAILED;
	snprintf(f->view.status.disk_error, RVOL_NAME_MAX, "data write");
}

static void fail_flush(struct fake_resource *f)
{
	f->view.status.mode = RVOL_DISK_FAILED;
	snprintf(f->view.status.disk_error, RVOL_NAME_MAX, "data flush");
}

static bool is_sick(void)
{
	get_status();
	return status.error[0];
}

/* the others go on without it, and an administrator has changed something */
static void go_on_without(void)
{
	r.in_sync = 2;
	r.peer[1].port++;
	plane_kernel.set(plane, &r);
}

Test(kernel, a_disk_that_has_failed_is_attached_again)
{
	attach_copy();
	show(fail_write);
	cr_assert(wait_for(is_sick));
	cr_expect_str_eq(status.error, "data write");
	cr_expect_str_eq(status.mode, "broken", "the only copy");
	settle();
	cr_expect_eq(status.failures, 1);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0);
	show(open_it);
	settle();
	go_on_without();
	settle();
	cr_expect_str_eq(status.mode, "failed");
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0, "it is open");
	show(close_it);
	cr_assert(wait_for(is_asked));
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 1);
	plane_kernel.record_read(plane, question[0].token, &first);
	cr_assert(wait_for(is_up), "%s", status.error);
}

/* with the same record and the same peers: nothing else is a reason not to wait */
Test(kernel, more_room_is_a_reason_not_to_wait)
{
	u64 began = clock_boot_ns();

	r.in_sync = 2;
	attach_copy();
	show(fail_write);
	cr_assert(wait_for(is_sick));
	plane_kernel.set(plane, &r);
	settle();
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0, "it waits");
	r.room++;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_asked));
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 1);
	cr_expect_lt(clock_boot_ns() - began, VOLUME_MEND_MIN_MS * REPL_MS / 2);
}

/* also the only copy, also after a flush: the status asks for it */
Test(kernel, a_restart_tries_a_disk_that_has_failed)
{
	attach_copy();
	show(fail_flush);
	cr_assert(wait_for(is_sick));
	cr_expect_str_eq(status.mode, "broken");
	restart();
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_asked));
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 1);
	plane_kernel.record_read(plane, question[n_questions - 1].token, &first);
	cr_assert(wait_for(is_up), "%s", status.error);
}

Test(kernel, not_after_a_flush)
{
	attach_copy();
	show(fail_flush);
	cr_assert(wait_for(is_sick));
	go_on_without();
	settle();
	cr_expect_str_eq(status.mode, "broken");
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0);
}

/* ---- the module comes and goes ---- */

static bool is_lost(void)
{
	get_status();
	return strstr(status.error, "not loaded");
}

Test(kernel, a_module_that_went_is_used_when_it_is_back)
{
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up));
	pthread_mutex_lock(&fake.lock);
	fake.absent = true;
	memset(fake.resource, 0, sizeof(fake.resource));
	fake_overrun();
	pthread_mutex_unlock(&fake.lock);
	cr_assert(wait_for(is_lost), "%s", status.error);
	cr_expect_not(status.up);
	fake.absent = false;
	cr_assert(wait_for(is_up), "%s", status.error);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_ADD, NULL), 2);
}

Test(kernel, what_is_removed_goes_open_or_not)
{
	struct kernel_request q;
	char path[128];

	attach_copy();
	show(open_it);
	flag = false;
	plane_kernel.remove(plane, "db", r.uuid, on_flag, NULL);
	cr_assert(wait_for(is_flagged));
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, &q), 1);
	cr_expect(q.with & KERNEL_WITH(FORCE));
	cr_expect_null(fake_find(r.uuid));
	snprintf(path, sizeof(path), "%s/rvol/by-res/db", dev);
	cr_expect_neq(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/drbd/by-res/db", dev);
	cr_expect_neq(access(path, F_OK), 0);
}

/* a resource of DRBD itself that has the same name */
Test(kernel, the_name_of_somebody_elses_device_stays)
{
	char by_res[128], path[140], target[64] = "";

	snprintf(by_res, sizeof(by_res), "%s/drbd/by-res/db", dev);
	cr_assert_eq(fs_mkdir(by_res, 0755, NULL), 0);
	snprintf(path, sizeof(path), "%s/0", by_res);
	cr_assert_eq(symlink("../../../drbd1000", path), 0);
	attach_copy();
	cr_assert_gt(readlink(path, target, sizeof(target) - 1), 0);
	cr_expect_str_eq(target, "../../../drbd1000");
	flag = false;
	plane_kernel.remove(plane, "db", r.uuid, on_flag, NULL);
	cr_assert(wait_for(is_flagged));
	cr_expect_eq(readlink(path, target, sizeof(target) - 1), (ssize_t)strlen(target));
}

/* ---- volumes ---- */

static bool is_second_there(void)
{
	return fake_count(RVOL_CMD_VOLUME_ADD, NULL) == 2;
}

Test(kernel, a_volume_comes_later)
{
	struct plane_volume two[2] = { volume, { .number = 3, .size_bytes = 4096, .minor = 1009 } };
	struct kernel_request q;

	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_up));
	r.volume = two;
	r.n_volumes = 2;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_second_there));
	fake_count(RVOL_CMD_VOLUME_ADD, &q);
	cr_expect_eq(q.number, 3);
	cr_expect_eq(q.minor, 1009);
	cr_expect_eq(fake_count(RVOL_CMD_RESOURCE_DEL, NULL), 0);
	r.volume = &volume;
	r.n_volumes = 1;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_deleted), "no command takes a volume alone");
	cr_assert(wait_for(is_up), "%s", status.error);
}

static bool has_grown(void)
{
	return fake_count(RVOL_CMD_VOLUME_GROW, NULL) > 0;
}

Test(kernel, a_volume_grows)
{
	struct meta_label label = { .name = "db", .size_bytes = 2 * SIZE_BYTES };
	struct kernel_request q;
	struct err err = { 0 };
	int fd;

	attach_copy();
	make_file(data, 2 * SIZE_BYTES);
	make_file(meta, meta_file_bytes(2 * SIZE_BYTES));
	memset(label.replica, 0xa0, sizeof(label.replica));
	fd = open(meta, O_RDWR | O_CLOEXEC);
	cr_assert_eq(meta_file_grow(fd, &label, &err), 0, "%s", err.text);
	close(fd);
	volume.size_bytes = 2 * SIZE_BYTES;
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(has_grown));
	fake_count(RVOL_CMD_VOLUME_GROW, &q);
	cr_expect_eq(q.copy_size, 2 * SIZE_BYTES);
}
