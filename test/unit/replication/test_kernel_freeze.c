// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of kernel_freeze.c: what the module is told, and when who asked is told.
 * What the module does is played by kernel_fake.h.
 */
#include "unit/replication/kernel_lab.h"

TestSuite(kernel_freeze, .init = setup, .fini = teardown, .timeout = 60);

#define LONG_MS 9000

static struct answer {
	int n, status;
	char text[ERR_TEXT_MAX];
} frozen, thawed;

static void on_answer(int code, const struct err *err, void *arg)
{
	struct answer *a = arg;

	a->n++;
	a->status = code;
	snprintf(a->text, sizeof(a->text), "%s", err->text);
}

static bool is_frozen(void)
{
	return frozen.n > 0;
}

static bool is_thawed(void)
{
	return thawed.n > 0;
}

static bool is_told(void)
{
	return fake_count(RVOL_CMD_FREEZE, NULL) > 0;
}

static void begin_freeze(u64 token, int ms)
{
	frozen = (struct answer){ 0 };
	plane_kernel.freeze(plane, "db", r.uuid, token, ms, on_answer, &frozen);
}

static int freeze_fails(u64 token, int ms)
{
	begin_freeze(token, ms);
	cr_assert(wait_for(is_frozen));
	cr_expect(frozen.status == 0 || frozen.text[0]);
	return frozen.status;
}

static int thaw(u64 token)
{
	thawed = (struct answer){ 0 };
	plane_kernel.thaw(plane, "db", r.uuid, token, on_answer, &thawed);
	cr_assert(wait_for(is_thawed));
	cr_expect_eq(thawed.n, 1);
	return thawed.status;
}

static void hold(struct fake_resource *f)
{
	f->view.status.flags &= ~RVOL_STATUS_FREEZING;
	f->view.status.flags |= RVOL_STATUS_FROZEN;
}

static void lapse(struct fake_resource *f)
{
	f->view.status.flags &= ~FAKE_FREEZE;
	f->view.status.flags |= RVOL_STATUS_LAPSED;
}

static void attach_open(void)
{
	attach_copy();
	show(open_it);
	settle();
}

/* as far as the module's answer to FREEZE, which is not ours */
static void begin_and_settle(u64 token)
{
	begin_freeze(token, LONG_MS);
	cr_assert(wait_for(is_told));
	settle();
	cr_assert_eq(frozen.n, 0, "it has only begun: %s", frozen.text);
}

Test(kernel_freeze, is_answered_when_it_holds)
{
	struct kernel_request q;

	attach_open();
	begin_and_settle(7);
	cr_expect_eq(fake_count(RVOL_CMD_FREEZE, &q), 1);
	cr_expect_eq(q.with, KERNEL_WITH(TOKEN) | KERNEL_WITH(DEADLINE_MS));
	cr_expect_eq(q.token, 7);
	cr_expect(q.deadline_ms > 0 && q.deadline_ms <= LONG_MS, "%u", q.deadline_ms);
	show(hold);
	cr_assert(wait_for(is_frozen));
	cr_expect_eq(frozen.status, 0, "%s", frozen.text);
	cr_expect_eq(thaw(7), 0, "%s", thawed.text);
	cr_expect_eq(fake_count(RVOL_CMD_THAW, &q), 1);
	cr_expect_eq(q.token, 7);
	cr_expect_eq(thaw(7), -EALREADY);
	settle();
	cr_expect_eq(frozen.n, 1, "once");
}

Test(kernel_freeze, that_does_not_come_to_hold)
{
	attach_open();
	begin_and_settle(1);
	show(lapse);
	cr_assert(wait_for(is_frozen));
	cr_expect_eq(frozen.status, -ETIMEDOUT);
	cr_expect_eq(thaw(1), -ETIMEDOUT);
	begin_and_settle(2);
	cr_expect_eq(thaw(2), 0);
	cr_assert(wait_for(is_frozen));
	cr_expect_eq(frozen.status, -ECANCELED, "thawed before it held");
}

Test(kernel_freeze, that_is_refused)
{
	cr_expect_eq(freeze_fails(1, LONG_MS), -ENOENT, "it is not here");
	cr_expect_eq(thaw(1), -ENOENT);
	attach_copy();
	cr_expect_eq(freeze_fails(1, LONG_MS), -EREMOTE, "nobody has it open");
	show(open_it);
	settle();
	cr_expect_eq(freeze_fails(0, LONG_MS), -E_INVALID);
	cr_expect_eq(freeze_fails(1, PLANE_FREEZE_MAX_MS + 1), -E_INVALID);
	begin_freeze(1, LONG_MS);
	cr_expect_eq(thaw(2), -ENOENT, "another token");
	show(hold);
	cr_assert(wait_for(is_frozen));
	cr_expect_eq(frozen.status, 0, "%s", frozen.text);
	cr_expect_eq(freeze_fails(2, LONG_MS), -EBUSY);
	cr_expect_eq(thaw(1), 0, "%s", thawed.text);
}

/* It is the module that holds it: the daemon's next life goes on with the token. */
Test(kernel_freeze, outlives_the_daemon)
{
	attach_open();
	for (u64 token = 1; token <= 2; token++) {
		begin_freeze(token, LONG_MS);
		cr_assert(wait_for(is_told));
		show(hold);
		cr_assert(wait_for(is_frozen));
		cr_assert_eq(frozen.status, 0, "%s", frozen.text);
		restart();
		plane_kernel.set(plane, &r);
		cr_assert(wait_for(is_up), "%s", status.error);
		cr_expect_eq(fake_count(RVOL_CMD_THAW, NULL), 0);
		if (token == 2)
			show(lapse);
		cr_expect_eq(thaw(token), token == 1 ? 0 : -ETIMEDOUT, "%s", thawed.text);
	}
}

Test(kernel_freeze, is_answered_when_the_daemon_ends)
{
	attach_open();
	begin_and_settle(1);
	stop();
	cr_expect_eq(frozen.n, 1);
	cr_expect_eq(frozen.status, -ETIMEDOUT);
	cr_expect_eq(fake_count(RVOL_CMD_THAW, NULL), 0, "the module keeps its deadline");
}

static void on_removed(void *arg)
{
	flag = true;
}

Test(kernel_freeze, is_answered_when_the_resource_goes)
{
	attach_open();
	begin_and_settle(1);
	flag = false;
	plane_kernel.remove(plane, "db", r.uuid, on_removed, NULL);
	cr_assert(wait_for(is_flagged));
	cr_expect_eq(frozen.n, 1);
	cr_expect_eq(frozen.status, -ETIMEDOUT);
	cr_expect_eq(freeze_fails(2, LONG_MS), -ENOENT);
}

Test(kernel_freeze, of_a_module_that_says_nothing)
{
	attach_open();
	cr_expect_eq(freeze_fails(1, 50), -ETIMEDOUT, "its deadline, and some time");
	cr_expect_eq(frozen.n, 1);
}

Test(kernel_freeze, of_a_module_that_goes)
{
	u64 began = clock_boot_ns();

	attach_open();
	begin_and_settle(1);
	pthread_mutex_lock(&fake.lock);
	fake.absent = true;
	fake_wake();
	pthread_mutex_unlock(&fake.lock);
	cr_expect_eq(thaw(1), -ENODEV);
	cr_assert(wait_for(is_frozen));
	cr_expect_eq(frozen.status, -ETIMEDOUT);
	cr_expect_lt(clock_boot_ns() - began, LONG_MS / 2 * REPL_MS, "at once");
	cr_expect_eq(freeze_fails(2, LONG_MS), -ENODEV);
}
