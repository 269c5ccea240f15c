// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_tasks.c - pools that are to be made of devices: what fails is told and
 * tried again, what is done is told until the store knows. LVM's programs are
 * scripts that know of nothing.
 */
/* not all of the world is needed here */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "agent_world.h"

#include "model/pool_task.h"

static char tools[128];

static void script(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", tools, name);
	cr_assert_eq(fs_write(path, text, strlen(text), 0755, NULL), 0);
}

static void begin(void)
{
	char path[512];

	setup();
	snprintf(tools, sizeof(tools), "%s/tools", dir);
	cr_assert_eq(fs_mkdir(tools, 0700, NULL), 0);
	script("vgs", "#!/bin/sh\necho '  Volume group \"sdsd_new\" not found' >&2\nexit 5\n");
	script("pvs", "#!/bin/sh\necho '{\"report\":[{\"pv\":[]}]}'\n");
	snprintf(path, sizeof(path), "%s:%s", tools, getenv("PATH"));
	setenv("PATH", path, 1);
}

static void end(void)
{
	teardown();
}

TestSuite(tasks, .init = begin, .fini = end, .timeout = 120);

static void make_new(void)
{
	struct pool p = { .node = "n1", .name = "new", .kind = POOL_LVM };
	struct pool_task t = { .kind = TASK_MAKE };

	cr_assert_eq(pool_task_add(&t, "/dev/does-not-exist", NULL), 0);
	cr_assert_eq(WORLD(&w, change_pool_make, &p, NULL, &t), 0, "%s", w.err.text);
}

static json *task(void)
{
	return jget(observed_pool(seen, "n1", "new", w.env.mono_ms), "task");
}

static bool has_failed(const void *arg)
{
	return strstr(jget_str(task(), "error", ""), "there is no such device");
}

static bool is_not_reported(const void *arg)
{
	return observed_node(seen, "n1", w.env.mono_ms) &&
	       !observed_pool(seen, "n1", "new", w.env.mono_ms);
}

static bool is_forgotten(const void *arg)
{
	return world_count(&w, "pool/n1/new") == 0;
}

Test(tasks, failed_and_deleted)
{
	make_new();
	cr_assert(until(has_failed, NULL));
	cr_expect_eq(jget_i64_or(observed_pool(seen, "n1", "new", w.env.mono_ms), "total_kib", -1),
		     -1, "it is not probed");
	cr_assert_eq(WORLD(&w, change_pool_delete, "n1", "new"), 0, "%s", w.err.text);
	cr_assert(until(is_not_reported, NULL));
	make_new(); /* the same name once more */
	cr_assert(until(has_failed, NULL));
}

Test(tasks, done_is_told_until_it_is_known)
{
	make_new();
	cr_assert(until(has_failed, NULL));
	refuse = 2;
	cr_assert_eq(WORLD(&w, change_pool_destroy, "n1", "new"), 0, "%s", w.err.text);
	cr_assert(until(is_forgotten, NULL));
	cr_expect_eq(refuse, 0);
	cr_assert(until(is_not_reported, NULL));
}

/* What the tool says is what people read. */
static bool says_why(const void *arg)
{
	return strstr(jget_str(task(), "error", ""), "vgs: the disks are on fire");
}

Test(tasks, tool_fails)
{
	script("vgs", "#!/bin/sh\necho 'WARNING: smoke' >&2; echo '  the disks are on fire.' >&2\n"
		      "exit 5\n");
	make_new();
	cr_assert(until(says_why, NULL));
	agent_down(); /* while it waits for its next try */
	agent_up();
	script("vgs", "#!/bin/sh\necho '  Volume group \"sdsd_new\" not found' >&2\nexit 5\n");
	cr_assert(until(has_failed, NULL), "tried again");
}
