// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/kernel_plan.c: what is next, which links are wanted, and
 * what is reported, in tables of one change each to a resource that is well.
 */
#include "replication/kernel_plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "replication/volume_times.h"

#define NOW (1000ull * 1000 * REPL_MS)

static struct plane_resource r;
static struct plane_volume volume;
static struct kernel_view v;
static struct kernel_local l;

/* slot 0 is we, with a copy; slots 1 and 2 have one, too; all is as it should be */
static void well(void)
{
	r = (struct plane_resource){ .name = "db", .in_sync = 7, .writer = -1, .n_volumes = 1 };
	volume = (struct plane_volume){ .minor = 1000, .data_path = "x", .meta_path = "y" };
	r.volume = &volume;
	for (int i = 0; i < 3; i++)
		r.peer[i].used = true;
	v = (struct kernel_view){ .n_volumes = 1 };
	v.volume[0].minor = 1000;
	v.status.flags = RVOL_STATUS_BOOTED | RVOL_STATUS_HAS_COPY;
	v.status.mode = RVOL_MEMBER;
	v.status.pull_slot = 0xff;
	l = (struct kernel_local){ .now = NOW,
				   .known = true,
				   .there = true,
				   .check = KERNEL_OURS,
				   .options_set = true,
				   .copies = 7 };
}

TestSuite(kernel_plan, .init = well);

static void expect(enum kernel_step step, const char *what)
{
	enum kernel_step is = kernel_next(&r, &v, &l);

	cr_expect_eq(is, step, "%s: %s, not %s", what, kernel_step_name(is),
		     kernel_step_name(step));
	well();
}

Test(kernel_plan, a_life)
{
	expect(KERNEL_IDLE, "well");
	l.known = false;
	expect(KERNEL_LOOK, "not looked yet");
	l.there = false;
	expect(KERNEL_ATTACH, "the module does not have it");
	l.there = false;
	l.retry_at = NOW + 1;
	expect(KERNEL_WAIT, "it failed a moment ago");
	l.there = false;
	l.busy = true;
	expect(KERNEL_WAIT, "it is being made");
	l.made = true;
	v.status.flags &= ~RVOL_STATUS_BOOTED;
	expect(KERNEL_ASK_BOOT, "it was made");
	l.made = l.boot_asked = true;
	v.status.flags &= ~RVOL_STATUS_BOOTED;
	expect(KERNEL_WAIT, "nobody has answered");
	l.made = l.boot_asked = l.boot_known = true;
	v.status.flags &= ~RVOL_STATUS_BOOTED;
	expect(KERNEL_BOOT, "the record is known");
	l.made = true;
	v.status.flags = 0;
	v.status.mode = RVOL_NO_COPY;
	volume.data_path = NULL;
	expect(KERNEL_BOOT, "no copy: the record does not matter");
	l.options_set = false;
	expect(KERNEL_SET, "options not told in this life");
	r.handover = true;
	expect(KERNEL_SET, "handover");
	r.copy_writes = PLANE_COPY_NEVER;
	expect(KERNEL_SET, "what is copied");
	r.read_policy = PLANE_READ_STRIPED;
	expect(KERNEL_SET, "read policy");
	r.peer[2].leaving = true;
	expect(KERNEL_SET, "a copy leaves");
	l.volumes_due = true;
	expect(KERNEL_VOLUMES, "another configuration");
	l.volumes_due = l.looking = true;
	expect(KERNEL_WAIT, "one worker at a time");
}

Test(kernel_plan, what_was_there_before_us)
{
	l.check = KERNEL_UNCHECKED;
	expect(KERNEL_CHECK, "it runs");
	v.status.flags &= ~RVOL_STATUS_BOOTED;
	expect(KERNEL_DELETE, "half made by a former life");
	v.status.flags |= RVOL_STATUS_FAILED;
	expect(KERNEL_DELETE, "fenced in a former life");
	v.status.flags |= RVOL_STATUS_FAILED;
	l.made = true;
	expect(KERNEL_WAIT, "fenced in this life");
	l.check = KERNEL_FOREIGN;
	expect(KERNEL_DELETE, "other files");
	v.status.flags |= RVOL_STATUS_ENDING;
	l.retry_at = NOW + 1;
	expect(KERNEL_WAIT, "it ends");
	v.status.flags |= RVOL_STATUS_ENDING;
	expect(KERNEL_LOOK, "it may have ended");
}

Test(kernel_plan, another_disk_comes_when_nobody_has_it_open)
{
	l.stale = true;
	expect(KERNEL_DELETE, "other files");
	v.status.self = 1;
	expect(KERNEL_DELETE, "another slot");
	volume.data_path = NULL;
	expect(KERNEL_DELETE, "no disk any more");
	v.volume[0].minor = 1001;
	expect(KERNEL_DELETE, "another minor");
	v.volume[v.n_volumes++].number = 5;
	expect(KERNEL_DELETE, "a volume that is not wanted");
	l.stale = true;
	v.volume[0].opens = 1;
	cr_expect(kernel_waits_for_close(&r, &v, &l));
	expect(KERNEL_WAIT, "open, for reading");
	v.volume[0].opens = 1;
	cr_expect_not(kernel_waits_for_close(&r, &v, &l), "it is open, and well");
	well();
	l.stale = true;
	v.status.flags |= RVOL_STATUS_OPEN;
	expect(KERNEL_WAIT, "open");
	l.stale = l.looking = true;
	expect(KERNEL_WAIT, "a worker looks at its files");
	l.stale = true;
	v.status.flags |= RVOL_STATUS_OPEN;
	r.peer[2].leaving = true;
	expect(KERNEL_SET, "open: other copies come and go meanwhile");
	l.stale = true;
	v.status.flags |= RVOL_STATUS_OPEN;
	r.peer[2].leaving = true;
	l.retry_at = NOW + 1;
	expect(KERNEL_WAIT, "but not at once after a failure");
	l.stale = true;
	v.status.flags |= RVOL_STATUS_OPEN;
	l.away_since = 1;
	expect(KERNEL_ABANDON, "open: who waits for what does not come is told");
}

/* The module has none yet, and is not told of it: nobody is to wait for it as a member. */
Test(kernel_plan, a_client_that_is_to_have_a_disk_is_no_copy_yet)
{
	cr_expect_eq(kernel_copies(&r, &v), plane_copies(&r));
	v.status.flags &= ~RVOL_STATUS_HAS_COPY;
	cr_expect_eq(kernel_copies(&r, &v), plane_copies(&r) & ~(1u << r.self));
	cr_expect(plane_copies(&r) & 1u << r.self);
	r.in_sync = 1u << (r.self ^ 1);
	cr_expect(plane_knocks(&r));
	cr_expect_not(kernel_links_wanted(&r, &v, &l) & 1u << KERNEL_DIAL_KNOCK);
	v.status.flags |= RVOL_STATUS_HAS_COPY;
	cr_expect(kernel_links_wanted(&r, &v, &l) & 1u << KERNEL_DIAL_KNOCK);
	r.peer[r.self].diskless = true;
	cr_expect_not(plane_knocks(&r), "it loses its disk: it does not come back");
}

Test(kernel_plan, questions_come_before_everything)
{
	v.status.cas_token = 9;
	expect(KERNEL_ASK_CAS, "a proposal");
	v.status.cas_token = l.cas_asked = 9;
	expect(KERNEL_IDLE, "asked");
	v.status.cas_token = 10;
	l.cas_asked = 9;
	expect(KERNEL_ASK_CAS, "the next");
	v.status.read_token = 3;
	expect(KERNEL_ASK_READ, "the record");
	v.status.read_token = l.read_asked = 3;
	expect(KERNEL_IDLE, "asked");
	v.status.cas_token = 9;
	l.looking = true;
	expect(KERNEL_ASK_CAS, "a worker hangs in its files");
	v.status.cas_token = 9;
	l.check = KERNEL_UNCHECKED;
	expect(KERNEL_ASK_CAS, "adopted a moment ago");
	v.status.cas_token = 9;
	l.stale = true;
	v.status.flags |= RVOL_STATUS_OPEN;
	expect(KERNEL_ASK_CAS, "it waits to be closed");
	v.status.cas_token = 9;
	l.removing = true;
	expect(KERNEL_DELETE_FORCE, "it goes");
}

Test(kernel_plan, removal)
{
	l.removing = true;
	v.status.flags |= RVOL_STATUS_OPEN;
	expect(KERNEL_DELETE_FORCE, "open or not");
	l.removing = true;
	l.there = false;
	expect(KERNEL_GONE, "it is not there");
	l.removing = l.looking = true;
	expect(KERNEL_WAIT, "a worker has its files");
	l.removing = l.lost = true;
	expect(KERNEL_GONE, "nothing is there");
	l.lost = true;
	expect(KERNEL_WAIT, "no module");
}

Test(kernel_plan, healing)
{
	l.knocked = true;
	expect(KERNEL_HEAL_ON, "a copy knocks");
	l.knocked = true;
	l.heal_at = NOW + 1;
	expect(KERNEL_IDLE, "not so soon");
	l.knocked = true;
	r.writer = 1;
	expect(KERNEL_IDLE, "another node is writer");
	l.knocked = true;
	r.in_sync = 6;
	expect(KERNEL_IDLE, "not in sync itself");
	l.knocked = true;
	v.status.flags |= RVOL_STATUS_OPEN;
	expect(KERNEL_IDLE, "an application does it");
	l.knocked = true;
	v.status.role = RVOL_CANDIDATE;
	expect(KERNEL_IDLE, "an application opens it");
	l.knocked = true;
	v.status.flags |= RVOL_STATUS_HEALING | RVOL_STATUS_SERVING;
	v.status.role = RVOL_WRITER;
	expect(KERNEL_IDLE, "it heals");
	v.status.flags |= RVOL_STATUS_HEALING | RVOL_STATUS_SERVING;
	v.status.role = RVOL_WRITER;
	expect(KERNEL_HEAL_OFF, "in sync");
	l.knocked = true;
	v.status.flags |= RVOL_STATUS_HEALING | RVOL_STATUS_SERVING | RVOL_STATUS_WANTED;
	v.status.role = RVOL_WRITER;
	expect(KERNEL_HEAL_OFF, "another node opens it");
	l.knocked = true;
	v.status.flags |= RVOL_STATUS_HEALING | RVOL_STATUS_STOPPED;
	v.status.role = RVOL_STOPPED;
	expect(KERNEL_HEAL_OFF, "it was stopped");
}

Test(kernel_plan, the_writer_is_none_any_more)
{
	r.writer = 0;
	expect(KERNEL_IDLE, "all are in sync");
	r.writer = 0;
	l.release_at = NOW + 1;
	expect(KERNEL_IDLE, "we are since a crash, all are in sync: not so soon");
	r.writer = 0;
	l.release_at = NOW;
	expect(KERNEL_HEAL_ON, "for so long that the store must be right");
	r.writer = 0;
	l.release_at = NOW;
	v.status.flags |= RVOL_STATUS_OPEN;
	expect(KERNEL_IDLE, "an application has it open");
	r.writer = 0;
	l.release_at = NOW;
	v.status.flags |= RVOL_STATUS_HEALING | RVOL_STATUS_SERVING;
	v.status.role = RVOL_WRITER;
	expect(KERNEL_HEAL_OFF, "it serves: that is all");
	r.writer = 1;
	l.release_at = NOW;
	expect(KERNEL_IDLE, "another node is");
	r.writer = 0;
	r.in_sync = 6;
	expect(KERNEL_HEAL_ON, "we are, out of sync");
	r.writer = 0;
	r.in_sync = 6;
	l.heal_at = NOW + 1;
	expect(KERNEL_IDLE, "not so soon");
	r.writer = 0;
	r.in_sync = 2;
	r.peer[0].diskless = true;
	volume.data_path = NULL;
	v.status.flags &= ~RVOL_STATUS_HAS_COPY;
	l.copies = 6;
	expect(KERNEL_HEAL_ON, "we are, without a copy, and one is out of sync");
	r.writer = 0;
	r.in_sync = 6;
	v.status.flags |= RVOL_STATUS_HEALING | RVOL_STATUS_SERVING;
	v.status.role = RVOL_WRITER;
	expect(KERNEL_HEAL_OFF, "it serves: that is all");
}

static void closed(u8 role)
{
	l.stale = true;
	l.release_by = NOW + 1;
	v.status.role = role;
}

Test(kernel_plan, a_disk_changes_after_the_release)
{
	closed(RVOL_RELEASING);
	expect(KERNEL_WAIT, "it is being released");
	closed(RVOL_WRITER);
	expect(KERNEL_WAIT, "a change of the set is under way");
	closed(RVOL_RELEASING);
	v.status.cas_token = 7;
	expect(KERNEL_ASK_CAS, "the release itself");
	closed(RVOL_IDLE);
	expect(KERNEL_DELETE, "it is released");
	closed(RVOL_STOPPED);
	expect(KERNEL_DELETE, "it was stopped");
	closed(RVOL_RELEASING);
	l.release_by = NOW;
	expect(KERNEL_DELETE, "nobody answers");
	closed(RVOL_WRITER);
	v.status.flags |= RVOL_STATUS_HEALING;
	l.release_by = 0;
	expect(KERNEL_HEAL_OFF, "it heals: closed first");
	closed(RVOL_WRITER);
	v.status.flags |= RVOL_STATUS_HEALING | RVOL_STATUS_FAILED;
	l.release_by = 0;
	expect(KERNEL_DELETE, "fenced: no command helps");
}

Test(kernel_plan, hand_over_and_giving_up)
{
	u32 wanted = RVOL_STATUS_OPEN | RVOL_STATUS_SERVING | RVOL_STATUS_WANTED;

	v.status.role = RVOL_WRITER;
	v.status.flags |= wanted;
	expect(KERNEL_IDLE, "not allowed");
	v.status.role = RVOL_WRITER;
	v.status.flags |= wanted;
	r.handover = l.handover = true;
	expect(KERNEL_YIELD, "another node wants it");
	v.status.flags |= wanted;
	r.handover = l.handover = l.yielded = true;
	expect(KERNEL_IDLE, "told a moment ago");
	l.away_since = NOW - VOLUME_AWAY_MS * REPL_MS;
	expect(KERNEL_ABANDON, "it has waited long enough");
	l.away_since = NOW - VOLUME_AWAY_MS * REPL_MS + 1;
	expect(KERNEL_IDLE, "not yet");
	v.status.flags |= RVOL_STATUS_OPEN | RVOL_STATUS_ALONE;
	v.status.role = RVOL_WRITER;
	cr_expect_not(kernel_away(&v), "nothing waits");
	v.status.requests = 1;
	cr_expect(kernel_away(&v));
	v.status.flags &= ~RVOL_STATUS_ALONE;
	cr_expect_not(kernel_away(&v), "some copy is there");
	v.status.role = RVOL_IDLE;
	cr_expect(kernel_away(&v), "handed over");
	v.status.flags &= ~RVOL_STATUS_OPEN;
	cr_expect_not(kernel_away(&v));
}

static void fail(void)
{
	v.status.mode = RVOL_DISK_FAILED;
	l.mend_at = NOW;
}

Test(kernel_plan, mending)
{
	struct plane_status status;

	fail();
	expect(KERNEL_IDLE, "the others do not go on without it yet");
	fail();
	r.in_sync = 6;
	expect(KERNEL_DELETE, "they do");
	fail();
	r.in_sync = 6;
	l.mend_at = NOW + 1;
	expect(KERNEL_IDLE, "not so soon");
	fail();
	r.in_sync = 6;
	l.flush_lost = true;
	expect(KERNEL_IDLE, "what was flushed may be lost");
	fail();
	l.failed_before = l.flush_lost = true;
	expect(KERNEL_DELETE, "the only copy, after a restart of the daemon");
	fail();
	r.in_sync = 6;
	v.status.flags |= RVOL_STATUS_OPEN;
	expect(KERNEL_WAIT, "open");
	snprintf(v.status.disk_error, sizeof(v.status.disk_error), "data flush");
	cr_expect(kernel_flush_failed(&v));
	snprintf(v.status.disk_error, sizeof(v.status.disk_error), "data write");
	cr_expect_not(kernel_flush_failed(&v));
	fail();
	kernel_status(&r, &v, &l, "", &status);
	cr_expect_not(status.no_space);
	snprintf(v.status.disk_error, sizeof(v.status.disk_error), "data write: no space left");
	kernel_status(&r, &v, &l, "", &status);
	cr_expect(status.no_space);
	cr_expect_str_eq(status.error, "data write: no space left");
}

static void expect_links(u32 wanted, const char *what)
{
	u32 is = kernel_links_wanted(&r, &v, &l);

	cr_expect_eq(is, wanted, "%s: %#x, not %#x", what, is, wanted);
	well();
}

Test(kernel_plan, links)
{
	expect_links(0, "none");
	v.status.links_wanted = 0xe;
	expect_links(0x6, "to those that there are");
	v.status.pull_slot = 2;
	expect_links(1u << KERNEL_DIAL_PULL, "for pulls");
	v.status.pull_slot = 5;
	expect_links(0, "to a slot that is empty");
	r.in_sync = 6;
	expect_links(1u << KERNEL_DIAL_KNOCK, "out of sync");
	r.in_sync = 6;
	v.status.mode = RVOL_DISK_FAILED;
	expect_links(0, "its disk has failed");
	v.status.links_wanted = 0xe;
	l.check = KERNEL_UNCHECKED;
	expect_links(0, "not looked at yet");
	v.status.links_wanted = 0xe;
	l.removing = true;
	expect_links(0, "it goes");
	v.status.links_wanted = 0xe;
	v.status.flags |= RVOL_STATUS_FAILED;
	expect_links(0, "fenced");
	v.status.links_up = 0x6;
	v.status.pull_up = 1;
	cr_expect_eq(kernel_links_up(&v), 0x6 | 1u << KERNEL_DIAL_PULL);
}

static struct plane_status told(const char *why)
{
	struct plane_status s;

	kernel_status(&r, &v, &l, why, &s);
	return s;
}

Test(kernel_plan, status)
{
	struct plane_status s;

	v.status.flags |= RVOL_STATUS_OPEN | RVOL_STATUS_SERVING;
	v.status.role = RVOL_RELEASING;
	v.status.epoch = 7;
	v.status.in_sync = 3;
	v.status.peer[1] = RVOL_PEER_JOINING;
	v.status.links_up = 2;
	v.status.accepted[2] = 1;
	s = told("");
	cr_expect(s.up && s.open && s.serving);
	cr_expect_str_eq(s.role, "writer");
	cr_expect_str_eq(s.mode, "member");
	cr_expect_str_eq(s.error, "");
	cr_expect_eq(s.epoch, 7);
	cr_expect_str_eq(s.peer[1].mode, "joining");
	cr_expect(s.peer[1].connected && s.peer[2].connected && !s.peer[3].connected);
	cr_expect(kernel_status_same(&s, &s));
	well();
	fail();
	s = told("");
	cr_expect_str_eq(s.mode, "broken");
	cr_expect_str_eq(s.error, "its disk has failed");
	r.in_sync = 6;
	cr_expect_str_eq(told("").mode, "failed", "it will be tried again");
	well();
	v.status.flags |= RVOL_STATUS_FAILED;
	s = told("");
	cr_expect_not(s.up);
	cr_expect_str_eq(s.mode, "broken");
	well();
	l.there = false;
	s = told("");
	cr_expect(!s.up && s.waits, "nothing has failed");
	cr_expect_str_eq(s.error, "attaching the disk");
	s = told("no file");
	cr_expect(!s.up && !s.waits);
	cr_expect_str_eq(s.role, "idle");
	cr_expect_str_eq(s.error, "no file");
	l.lost = true;
	cr_expect(strstr(told("").error, "not loaded"));
	cr_expect_not(told("").waits);
}

Test(kernel_plan, proposals)
{
	struct rvol_record next = { .epoch = 4, .tag_node = 1, .tag_boot = 2, .tag_counter = 3 };
	struct repl_record now = { .epoch = 4, .tag = { 1, 2, 3 } }, back;

	cr_expect(kernel_accepted(&next, true, &now));
	cr_expect(kernel_accepted(&next, false, &now), "another try of it has won");
	now.tag.counter = 4;
	cr_expect_not(kernel_accepted(&next, false, &now));
	next.writer = 77;
	kernel_get_record(&back, &next);
	cr_expect_eq(back.writer, REPL_NO_SLOT);
	cr_expect_eq(back.tag.boot, 2);
}
