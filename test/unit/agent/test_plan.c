// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_plan.c - the order of steps: rows for each decision, and whole lives
 * walked through with every step doing what it is meant to do.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent/plan.h"

#define VOLUMES 3

/* a copy of one volume */
static const struct {
	const char *name;
	struct plan_replica r;
	struct plan_volume v;
	enum plan_step step;
} replicas[] = {
	{ "new", { .wanted = true }, { 0 }, PLAN_CREATE },
	{ "new, a leftover of the name here",
	  { .wanted = true },
	  { .leftover_here = true },
	  PLAN_WAIT },
	{ "new, to be deleted already", { .wanted = true, .deleting = true }, { 0 }, PLAN_WAIT },
	{ "new, failed a moment ago", { .wanted = true }, { .failed = true }, PLAN_WAIT },
	{ "made", { .wanted = true }, { .marked = true, .files = true }, PLAN_REPORT_CREATED },
	{ "made and told",
	  { .wanted = true },
	  { .marked = true, .files = true, .reported = true },
	  PLAN_WAIT },
	{ "made before a restart", { .wanted = true }, { .marked = true }, PLAN_LOCATE },
	{ "made before a restart, a leftover here",
	  { .wanted = true },
	  { .marked = true, .leftover_here = true },
	  PLAN_WAIT },
	{ "created", { .wanted = true }, { .made = true }, PLAN_LOCATE },
	{ "created elsewhere than this store knows",
	  { .wanted = true },
	  { .made = true, .reported = true },
	  PLAN_LOCATE },
	{ "found", { .wanted = true }, { .made = true, .files = true }, PLAN_PLANE_SET },
	{ "found, and it has grown meanwhile",
	  { .wanted = true },
	  { .made = true, .files = true, .small = true },
	  PLAN_GROW },
	{ "found, growing has failed: as it is",
	  { .wanted = true },
	  { .made = true, .files = true, .small = true, .failed = true },
	  PLAN_PLANE_SET },
	{ "not found, tried a moment ago",
	  { .wanted = true },
	  { .made = true, .failed = true },
	  PLAN_WAIT },
	{ "found, the name is held",
	  { .wanted = true, .name_held = true },
	  { .made = true, .files = true },
	  PLAN_WAIT },
	{ "attached",
	  { .wanted = true, .plane = true },
	  { .made = true, .files = true },
	  PLAN_IDLE },
	{ "attached, it grows",
	  { .wanted = true, .plane = true },
	  { .made = true, .files = true, .small = true },
	  PLAN_GROW },
	{ "attached, peers changed",
	  { .wanted = true, .plane = true, .stamp = 1 },
	  { .made = true, .files = true },
	  PLAN_PLANE_SET },
	{ "attached, being deleted",
	  { .wanted = true, .plane = true, .deleting = true },
	  { .made = true, .files = true },
	  PLAN_IDLE },
	{ "its disk has failed, while it is attached",
	  { .wanted = true, .plane = true, .open = true },
	  { .made = true, .files = true, .doubted = true },
	  PLAN_LOCATE },
	{ "its disk has failed too often",
	  { .wanted = true, .plane = true, .open = true, .quarantined = true },
	  { .made = true, .files = true, .doubted = true },
	  PLAN_LOCATE },
	{ "its disk has failed, looked for in vain a moment ago",
	  { .wanted = true, .plane = true },
	  { .made = true, .files = true, .doubted = true, .failed = true },
	  PLAN_IDLE },
	{ "its disk has failed, and it is gone",
	  { .plane = true },
	  { .made = true, .files = true, .doubted = true },
	  PLAN_PLANE_REMOVE },
	{ "attached, being deleted: it needs not grow",
	  { .wanted = true, .plane = true, .deleting = true },
	  { .made = true, .files = true, .small = true },
	  PLAN_IDLE },
	{ "attached, another waits for the name",
	  { .wanted = true, .plane = true, .stamp = 1, .name_held = true },
	  { .made = true, .files = true },
	  PLAN_PLANE_SET },
	{ "its disk fails too often",
	  { .wanted = true, .plane = true, .failing = true },
	  { .made = true, .files = true },
	  PLAN_REPORT_FAILED },
	{ "quarantined",
	  { .wanted = true, .plane = true, .quarantined = true },
	  { .made = true, .files = true },
	  PLAN_PLANE_REMOVE },
	{ "quarantined and open",
	  { .wanted = true, .plane = true, .quarantined = true, .open = true },
	  { .made = true, .files = true },
	  PLAN_IDLE },
	{ "quarantined and open, peers changed",
	  { .wanted = true, .plane = true, .quarantined = true, .open = true, .stamp = 1 },
	  { .made = true, .files = true },
	  PLAN_PLANE_SET },
	{ "quarantined and detached",
	  { .wanted = true, .quarantined = true },
	  { .made = true, .files = true },
	  PLAN_WAIT },
	{ "quarantined before a restart",
	  { .wanted = true, .quarantined = true },
	  { .made = true },
	  PLAN_WAIT },
	{ "inactive, a member still",
	  { .wanted = true, .plane = true, .inactive = true, .member = true },
	  { .made = true, .files = true },
	  PLAN_WAIT },
	{ "inactive",
	  { .wanted = true, .plane = true, .inactive = true },
	  { .made = true, .files = true },
	  PLAN_PLANE_REMOVE },
	{ "inactive and detached",
	  { .wanted = true, .inactive = true },
	  { .made = true, .files = true },
	  PLAN_WAIT },
	{ "to fetch again what is wrong, a member still",
	  { .wanted = true, .plane = true, .inactive = true, .refetch = true, .member = true },
	  { .made = true, .files = true },
	  PLAN_WAIT },
	{ "the same, not attached after a restart",
	  { .wanted = true, .inactive = true, .refetch = true, .member = true },
	  { .made = true, .files = true },
	  PLAN_WAIT },
	{ "it has left the set",
	  { .wanted = true, .plane = true, .inactive = true, .refetch = true },
	  { .made = true, .files = true },
	  PLAN_PLANE_REMOVE },
	{ "it is detached",
	  { .wanted = true, .inactive = true, .refetch = true },
	  { .made = true, .files = true },
	  PLAN_VOID },
	{ "detached before a restart",
	  { .wanted = true, .inactive = true, .refetch = true },
	  { .made = true },
	  PLAN_LOCATE },
	{ "detached, its files not found a moment ago",
	  { .wanted = true, .inactive = true, .refetch = true },
	  { .made = true, .failed = true },
	  PLAN_WAIT },
	{ "made unknown",
	  { .wanted = true, .inactive = true, .refetch = true, .voided = true },
	  { .made = true, .files = true },
	  PLAN_REPORT_VOIDED },
	{ "it has lost its disk meanwhile",
	  { .wanted = true, .inactive = true, .refetch = true, .diskless = true },
	  { 0 },
	  PLAN_VOID },
	{ "inactive, opened at the last moment",
	  { .wanted = true, .plane = true, .inactive = true, .open = true },
	  { .made = true, .files = true },
	  PLAN_IDLE },
	{ "an inactive client",
	  { .wanted = true, .plane = true, .inactive = true, .diskless = true },
	  { 0 },
	  PLAN_PLANE_REMOVE },
	{ "gone", { .plane = true }, { .files = true }, PLAN_PLANE_REMOVE },
	{ "gone and detached", { .plane = false }, { .files = true }, PLAN_FORGET },
	{ "gone before it was made", { .plane = false }, { 0 }, PLAN_FORGET },
	{ "diskless", { .wanted = true, .diskless = true }, { 0 }, PLAN_PLANE_SET },
	{ "diskless, a leftover of the name",
	  { .wanted = true, .diskless = true },
	  { .leftover_here = true },
	  PLAN_PLANE_SET },
	{ "diskless, the name is held",
	  { .wanted = true, .diskless = true, .name_held = true },
	  { 0 },
	  PLAN_WAIT },
	{ "diskless attached",
	  { .wanted = true, .diskless = true, .plane = true },
	  { 0 },
	  PLAN_IDLE },
};

/* a copy of three volumes: each a letter, see volume_of */
static const struct {
	const char *name;
	struct plan_replica r;
	const char *volumes;
	enum plan_step step;
	int volume;
} several[] = {
	{ "new", { .wanted = true }, "nnn", PLAN_CREATE, 0 },
	{ "the second next", { .wanted = true }, "fnn", PLAN_CREATE, 1 },
	{ "all there", { .wanted = true }, "fff", PLAN_PLANE_SET, -1 },
	{ "one more, not attached: first all", { .wanted = true }, "ffn", PLAN_CREATE, 2 },
	{ "one cannot be made, not attached", { .wanted = true }, "fxf", PLAN_WAIT, -1 },
	{ "one cannot be made, the next can", { .wanted = true }, "fxn", PLAN_CREATE, 2 },
	{ "one more", { .wanted = true, .plane = true }, "fn", PLAN_CREATE, 1 },
	{ "one more cannot be made: peers change all the same",
	  { .wanted = true, .plane = true, .stamp = 1 },
	  "fx",
	  PLAN_PLANE_SET,
	  -1 },
	{ "one more waits for a leftover: peers change all the same",
	  { .wanted = true, .plane = true, .stamp = 1 },
	  "fw",
	  PLAN_PLANE_SET,
	  -1 },
	{ "one grows", { .wanted = true, .plane = true }, "fgf", PLAN_GROW, 1 },
	{ "two grow, the first in vain", { .wanted = true, .plane = true }, "Gfg", PLAN_GROW, 2 },
	{ "growing in vain: attached as it is", { .wanted = true }, "Gff", PLAN_PLANE_SET, -1 },
	{ "none", { .wanted = true }, "", PLAN_WAIT, -1 },
};

/* n new, x new and failed, w new and a leftover here, f fine, g to grow, G in vain */
static struct plan_volume volume_of(char letter)
{
	return (struct plan_volume){
		.made = strchr("fgG", letter),
		.files = strchr("fgG", letter),
		.small = strchr("gG", letter),
		.failed = strchr("xG", letter),
		.leftover_here = letter == 'w',
	};
}

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
		int volume = -1;
		enum plan_step step = plan_replica_next(&replicas[i].r, &replicas[i].v, 1, &volume);

		cr_expect_eq(step, replicas[i].step, "'%s': %s", replicas[i].name,
			     plan_step_name(step));
	}
}

Test(plan, several_volumes)
{
	for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++) {
		struct plan_volume v[VOLUMES] = { 0 };
		int n = (int)strlen(several[i].volumes), volume = -1;
		enum plan_step step;

		for (int k = 0; k < n; k++)
			v[k] = volume_of(several[i].volumes[k]);
		step = plan_replica_next(&several[i].r, v, n, &volume);
		cr_expect_eq(step, several[i].step, "'%s': %s", several[i].name,
			     plan_step_name(step));
		cr_expect_eq(volume, several[i].volume, "'%s': volume %d", several[i].name, volume);
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

/* What must hold whatever the state, of two volumes of which the other is in one of six states. */
static void check_safety(const struct plan_replica *r, const struct plan_volume *v, unsigned bits)
{
	int at = -1;
	enum plan_step step = plan_replica_next(r, v, 2, &at);

	if (step == PLAN_CREATE) {
		cr_expect_not(v[at].made, "%x: made anew after it was committed", bits);
		cr_expect_not(v[at].marked, "%x: made anew after it was made", bits);
		cr_expect_not(v[at].leftover_here, "%x: over a leftover", bits);
		cr_expect(r->wanted && !r->diskless, "%x", bits);
	}
	if (step == PLAN_GROW)
		cr_expect(v[at].made && v[at].files && v[at].small && r->wanted, "%x", bits);
	if (step == PLAN_PLANE_SET) {
		cr_expect(r->wanted, "%x: attached and not wanted", bits);
		for (int k = 0; k < 2; k++)
			cr_expect(r->diskless || r->plane || (v[k].made && v[k].files),
				  "%x: attached before volume %d was committed", bits, k);
	}
	if (step == PLAN_FORGET)
		cr_expect(!r->wanted && !r->plane, "%x", bits);
}

Test(plan, safety_in_every_state)
{
	for (unsigned bits = 0; bits < 1u << 13; bits++) {
		struct plan_replica r = {
			.wanted = bits & 1,
			.diskless = bits & 2,
			.deleting = bits & 4,
			.plane = bits & 8,
			.name_held = bits & 16,
			.stamp = bits & 32 ? 1 : 0,
		};
		struct plan_volume one = {
			.made = bits & 64,
			.marked = bits & 128,
			.files = bits & 256,
			.small = bits & 512,
			.reported = bits & 1024,
			.failed = bits & 2048,
			.leftover_here = bits & 4096,
		};

		for (const char *other = "nxwfgG"; *other; other++) {
			check_safety(&r, (struct plan_volume[]){ one, volume_of(*other) }, bits);
			check_safety(&r, (struct plan_volume[]){ volume_of(*other), one }, bits);
		}
	}
}

/* every step works and the store follows: it comes to rest in so many steps */
static int walk(struct plan_replica *r, struct plan_volume *v, int n_volumes)
{
	for (int n = 0; n < 20; n++) {
		int at = -1;

		switch (plan_replica_next(r, v, n_volumes, &at)) {
		case PLAN_CREATE:
			v[at].marked = v[at].files = true;
			r->stamp++;
			break;
		case PLAN_REPORT_CREATED:
			v[at].made = true;
			break;
		case PLAN_LOCATE:
			v[at].files = true;
			break;
		case PLAN_GROW:
			v[at].small = false;
			r->stamp++;
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
	struct plan_replica r = { .wanted = true, .stamp = 7 };
	struct plan_volume v[2] = { 0 };
	int at;

	cr_expect_eq(walk(&r, v, 1), 3, "create, tell, attach");
	r.stamp = 80;
	cr_expect_eq(walk(&r, v, 1), 1, "peers changed");
	cr_expect_eq(walk(&r, v, 2), 3, "one more volume: create, tell, attach");
	v[0].small = v[1].small = true;
	cr_expect_eq(walk(&r, v, 2), 3, "both grow, attach");
	v[0].files = v[1].files = r.plane = false;
	cr_expect_eq(walk(&r, v, 2), 3, "restart: find both, attach");
	r.wanted = false;
	cr_expect_eq(walk(&r, v, 2), 1, "gone");
	cr_expect_eq(plan_replica_next(&r, v, 2, &at), PLAN_FORGET);
}

Test(plan, every_step_has_a_name)
{
	for (int s = 0; s < PLAN_STEPS; s++) {
		cr_assert_not_null(plan_step_name(s));
		for (int other = 0; other < s; other++)
			cr_expect_str_neq(plan_step_name(s), plan_step_name(other));
	}
}
