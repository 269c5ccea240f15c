// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_plan.c - the order of steps: rows for each decision, and whole lives
 * walked through with every step doing what it is meant to do.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent/plan.h"

#define DISK .wanted = true
#define MADE .wanted = true, .created = true

static const struct {
	const char *name;
	struct plan_replica r;
	enum plan_step step;
} replicas[] = {
	{ "new", { DISK }, PLAN_CREATE },
	{ "new, a leftover of the name here", { DISK, .leftover_here = true }, PLAN_WAIT },
	{ "new, to be deleted already", { DISK, .deleting = true }, PLAN_WAIT },
	{ "made", { DISK, .marked = true, .files = true }, PLAN_REPORT_CREATED },
	{ "made and told", { DISK, .marked = true, .files = true, .reported = true }, PLAN_WAIT },
	{ "made before a restart", { DISK, .marked = true }, PLAN_LOCATE },
	{ "made before a restart, a leftover here",
	  { DISK, .marked = true, .leftover_here = true },
	  PLAN_WAIT },
	{ "created", { MADE }, PLAN_LOCATE },
	{ "created elsewhere than this store knows", { MADE, .reported = true }, PLAN_LOCATE },
	{ "found", { MADE, .files = true }, PLAN_PLANE_SET },
	{ "found, the name is held", { MADE, .files = true, .name_held = true }, PLAN_WAIT },
	{ "attached", { MADE, .files = true, .plane = true }, PLAN_IDLE },
	{ "attached, peers changed",
	  { MADE, .files = true, .plane = true, .stamp = 1 },
	  PLAN_PLANE_SET },
	{ "attached, being deleted",
	  { MADE, .files = true, .plane = true, .deleting = true },
	  PLAN_IDLE },
	{ "attached, another waits for the name",
	  { MADE, .files = true, .plane = true, .stamp = 1, .name_held = true },
	  PLAN_PLANE_SET },
	{ "gone", { .plane = true, .files = true }, PLAN_PLANE_REMOVE },
	{ "gone and detached", { .files = true }, PLAN_FORGET },
	{ "gone before it was made", { .plane = false }, PLAN_FORGET },
	{ "diskless", { DISK, .diskless = true }, PLAN_PLANE_SET },
	{ "diskless, a leftover of the name",
	  { DISK, .diskless = true, .leftover_here = true },
	  PLAN_PLANE_SET },
	{ "diskless, the name is held", { DISK, .diskless = true, .name_held = true }, PLAN_WAIT },
	{ "diskless attached", { DISK, .diskless = true, .plane = true }, PLAN_IDLE },
};

static const struct {
	const char *name;
	struct plan_leftover l;
	enum plan_step step;
} leftovers[] = {
	{ "new", { .wanted = true }, PLAN_REMOVE_FILES },
	{ "still attached", { .wanted = true, .in_use = true }, PLAN_WAIT },
	{ "removed", { .wanted = true, .removed = true }, PLAN_LEFTOVER_DONE },
	{ "removed and told", { .wanted = true, .removed = true, .reported = true }, PLAN_WAIT },
	{ "document gone", { .removed = true, .reported = true }, PLAN_FORGET },
	{ "document gone before all", { .in_use = true }, PLAN_FORGET },
};

Test(plan, replica_rows)
{
	for (size_t i = 0; i < sizeof(replicas) / sizeof(replicas[0]); i++) {
		enum plan_step step = plan_replica_next(&replicas[i].r);

		cr_expect_eq(step, replicas[i].step, "'%s': %s", replicas[i].name,
			     plan_step_name(step));
	}
}

Test(plan, leftover_rows)
{
	for (size_t i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++) {
		enum plan_step step = plan_leftover_next(&leftovers[i].l);

		cr_expect_eq(step, leftovers[i].step, "'%s': %s", leftovers[i].name,
			     plan_step_name(step));
	}
}

static struct plan_replica numbered(unsigned bits)
{
	return (struct plan_replica){
		.wanted = bits & 1,
		.diskless = bits & 2,
		.created = bits & 4,
		.deleting = bits & 8,
		.marked = bits & 16,
		.files = bits & 32,
		.reported = bits & 64,
		.plane = bits & 128,
		.name_held = bits & 256,
		.leftover_here = bits & 512,
		.stamp = bits & 1024 ? 1 : 0,
	};
}

/* What must hold whatever the state. */
Test(plan, safety_in_every_state)
{
	for (unsigned bits = 0; bits < 2048; bits++) {
		struct plan_replica r = numbered(bits);
		enum plan_step step = plan_replica_next(&r);

		if (step == PLAN_CREATE) {
			cr_expect_not(r.created, "%x: made anew after it was committed", bits);
			cr_expect_not(r.marked, "%x: made anew after it was made", bits);
			cr_expect_not(r.leftover_here, "%x: over a leftover", bits);
			cr_expect(r.wanted && !r.diskless, "%x", bits);
		}
		if (step == PLAN_PLANE_SET) {
			cr_expect(r.wanted, "%x: attached and not wanted", bits);
			cr_expect(r.diskless || (r.created && r.files),
				  "%x: attached before it was committed", bits);
		}
		if (step == PLAN_FORGET)
			cr_expect(!r.wanted && !r.plane, "%x", bits);
	}
}

/* every step works and the store follows: it comes to rest in so many steps */
static int walk(struct plan_replica *r)
{
	for (int n = 0; n < 10; n++) {
		switch (plan_replica_next(r)) {
		case PLAN_CREATE:
			r->marked = r->files = true;
			break;
		case PLAN_REPORT_CREATED:
			r->created = true;
			break;
		case PLAN_LOCATE:
			r->files = true;
			break;
		case PLAN_PLANE_SET:
			r->plane = true;
			r->plane_stamp = r->stamp;
			break;
		case PLAN_PLANE_REMOVE:
			r->plane = false;
			break;
		default:
			return n;
		}
	}
	return -1;
}

Test(plan, lives)
{
	struct plan_replica r = { DISK, .stamp = 7 };

	cr_expect_eq(walk(&r), 3, "create, tell, attach");
	r.stamp = 8;
	cr_expect_eq(walk(&r), 1, "peers changed");
	r.files = r.plane = false;
	cr_expect_eq(walk(&r), 2, "restart: find, attach");
	r.wanted = false;
	cr_expect_eq(walk(&r), 1, "gone");
	cr_expect_eq(plan_replica_next(&r), PLAN_FORGET);
}

Test(plan, every_step_has_a_name)
{
	for (int s = 0; s < PLAN_STEPS; s++) {
		cr_assert_not_null(plan_step_name(s));
		for (int other = 0; other < s; other++)
			cr_expect_str_neq(plan_step_name(s), plan_step_name(other));
	}
}
