// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_service_plan.c - the order of a service's steps on its node, walked through from every
 * state; and what is read of the kernel's mounts and systemd's answers.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/service_host.h"

static const struct service_want up = {
	.run = true, .device = true, .unit = true, .address = true
};
static const struct service_want down = { .unit = true, .address = true };
static const struct service_want flee = { .urgent = true, .unit = true, .address = true };

/* as if it had been done */
static void done(struct service_sight *s, enum service_step step)
{
	switch (step) {
	case SERVICE_STEP_MOUNT:
		s->mounted = true;
		break;
	case SERVICE_STEP_UNMOUNT:
		s->mounted = s->broken = false;
		break;
	case SERVICE_STEP_ADDRESS:
	case SERVICE_STEP_UNADDRESS:
		s->address = step == SERVICE_STEP_ADDRESS;
		break;
	case SERVICE_STEP_START:
		s->unit = SERVICE_UNIT_ON;
		break;
	case SERVICE_STEP_STOP:
		s->unit = SERVICE_UNIT_OFF;
		break;
	default:
		cr_assert_fail("%s is no step to be done", service_step_name(step));
	}
}

static void walk(const struct service_want *w, struct service_sight s, const char *want)
{
	char steps[256] = "";
	enum service_step step;
	int at = 0;

	for (int i = 0; i < 10; i++) {
		step = service_plan_next(w, &s);
		if (step == SERVICE_STEP_NONE)
			break;
		at += snprintf(steps + at, sizeof(steps) - (size_t)at, "%s;",
			       service_step_name(step));
		done(&s, step);
	}
	cr_expect_str_eq(steps, want);
}

Test(service_plan, walks)
{
	struct service_sight all = { .mounted = true, .address = true, .unit = SERVICE_UNIT_ON };
	struct service_sight none = { .mounted = false };
	struct service_sight astray = { .address = true, .unit = SERVICE_UNIT_ON };
	struct service_sight broken = {
		.mounted = true, .broken = true, .address = true, .unit = SERVICE_UNIT_ON
	};
	struct service_sight between = { .mounted = true, .unit = SERVICE_UNIT_BETWEEN };

	walk(&up, none, "mount;address;start;");
	walk(&up, all, "");
	walk(&down, all, "stop;remove address;unmount;");
	walk(&flee, all, "remove address;stop;unmount;");
	walk(&down, none, "");
	/* a unit without its volume writes into the folder below */
	walk(&up, astray, "stop;remove address;mount;address;start;");
	walk(&up, broken, "stop;remove address;unmount;mount;address;start;");
	walk(&down, between, "stop;unmount;");
}

Test(service_plan, waits)
{
	struct service_want without = { .run = true, .unit = true };
	struct service_want bare = { .run = true, .device = true };
	struct service_sight none = { .mounted = false };
	struct service_sight occupied = { .occupied = true };
	struct service_sight between = { .mounted = true,
					 .address = true,
					 .unit = SERVICE_UNIT_BETWEEN };

	cr_expect_eq(service_plan_next(&without, &none), SERVICE_STEP_WAIT);
	cr_expect_eq(service_plan_next(&up, &occupied), SERVICE_STEP_BLOCKED);
	cr_expect_eq(service_plan_next(&up, &between), SERVICE_STEP_WAIT);
	/* neither unit nor address: it is mounted */
	walk(&bare, none, "mount;");
	/* what is not ours is let be */
	cr_expect_eq(service_plan_next(&down, &occupied), SERVICE_STEP_NONE);
}

/* From every state, whatever is wanted, it gets there. */
Test(service_plan, always_ends)
{
	const struct service_want *wants[] = { &up, &down, &flee };

	for (int i = 0; i < 3 * 2 * 2 * 2 * 2; i++) {
		struct service_sight first = { .mounted = i & 1,
					       .address = i & 2,
					       .broken = (i & 1) && (i & 4),
					       .unit = i & 8 ? SERVICE_UNIT_ON : SERVICE_UNIT_OFF };
		const struct service_want *w = wants[i / 16];
		struct service_sight s = first;
		int n = 0;

		while (service_plan_next(w, &s) != SERVICE_STEP_NONE) {
			done(&s, service_plan_next(w, &s));
			cr_assert_lt(n++, 10);
		}
		cr_expect_eq(s.mounted, w->run);
		cr_expect_eq(s.address, w->run);
		cr_expect_eq(s.unit, w->run ? SERVICE_UNIT_ON : SERVICE_UNIT_OFF);
	}
}

/* ---- what is read ---- */

static const char table[] =
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
	"30 22 0:25 / /srv rw shared:5 master:2 - tmpfs tmpfs rw,size=1k\n"
	"31 22 147:1000 / /srv/db rw,noatime shared:6 - ext4 /dev/rvol1000 rw,data=ordered\n"
	"32 31 0:26 / /srv/db2 ro - tmpfs none rw\n"
	"33 22 147:1001 / /srv/ro rw - ext4 /dev/rvol1001 ro\n"
	"34 22 8:2 / /srv/over rw - ext4 /dev/sda2 rw\n"
	"35 34 147:1002 / /srv/over rw - xfs /dev/rvol1002 rw,attr2\n";

Test(service_host, mounts)
{
	struct service_mount m;

	cr_assert(service_host_find_mount(table, "/srv/db", &m));
	cr_expect_str_eq(m.source, "/dev/rvol1000");
	cr_expect_not(m.read_only);
	cr_assert(service_host_find_mount(table, "/srv/ro", &m));
	cr_expect(m.read_only);
	cr_assert(service_host_find_mount(table, "/srv/db2", &m));
	cr_expect_not(m.read_only, "only here, not as a whole");
	cr_assert(service_host_find_mount(table, "/srv/over", &m));
	cr_expect_str_eq(m.source, "/dev/rvol1002");
	cr_expect_not(service_host_find_mount(table, "/srv/d", &m));
	cr_expect_not(service_host_find_mount("", "/srv/d", &m));
	cr_expect_not(service_host_find_mount("1 2 3\n\n- - -\n", "/srv/d", &m));
}

Test(service_host, units)
{
	static const struct {
		const char *text;
		int rv;
		enum service_unit unit;
	} rows[] = {
		{ "LoadState=loaded\nActiveState=active\n", 0, SERVICE_UNIT_ON },
		{ "ActiveState=active\nLoadState=loaded\nJob=\n", 0, SERVICE_UNIT_ON },
		{ "LoadState=loaded\nActiveState=inactive\n", 0, SERVICE_UNIT_OFF },
		{ "LoadState=loaded\nActiveState=inactive\nJob=17\n", 0, SERVICE_UNIT_BETWEEN },
		{ "LoadState=loaded\nActiveState=inactive\nJob=0\n", 0, SERVICE_UNIT_OFF },
		{ "LoadState=loaded\nActiveState=failed\n", 0, SERVICE_UNIT_OFF },
		{ "LoadState=loaded\nActiveState=activating\n", 0, SERVICE_UNIT_BETWEEN },
		{ "LoadState=loaded\nActiveState=deactivating\n", 0, SERVICE_UNIT_BETWEEN },
		{ "LoadState=not-found\nActiveState=inactive\n", -ENOENT, SERVICE_UNIT_OFF },
		{ "LoadState=not-found\nActiveState=active\n", 0, SERVICE_UNIT_ON },
		{ "", -EIO, SERVICE_UNIT_OFF },
		{ "nothing of use", -EIO, SERVICE_UNIT_OFF },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum service_unit unit;

		cr_expect_eq(service_host_unit_state(rows[i].text, &unit), rows[i].rv, "%s",
			     rows[i].text);
		cr_expect_eq(unit, rows[i].unit, "%s", rows[i].text);
	}
}
