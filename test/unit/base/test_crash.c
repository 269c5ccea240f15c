// SPDX-License-Identifier: GPL-2.0-or-later
/* test_crash.c - places are listed, and a process ends at the one that is named. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash.h"

static char folder[64], passed[96], end[96];

static void begin(void)
{
	snprintf(folder, sizeof(folder), "/tmp/test-crash-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(passed, sizeof(passed), "%s/passed", folder);
	snprintf(end, sizeof(end), "%s/end", folder);
	setenv("SDSD_CRASH_POINTS", folder, 1);
}

static void finish(void)
{
	unlink(passed);
	unlink(end);
	rmdir(folder);
}

TestSuite(crash, .init = begin, .fini = finish);

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

static void has(const char *path, const char *text)
{
	char found[4096] = "";
	FILE *f = fopen(path, "r");

	cr_assert(f, "%s", path);
	found[fread(found, 1, sizeof(found) - 1, f)] = '\0';
	fclose(f);
	cr_expect_str_eq(found, text);
}

/* wait status of a process that passes "step one" and "step two", three times */
static int walk(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		crash_watch();
		for (int i = 0; i < 3; i++) {
			crash_point("step", "one");
			crash_point("step", "two");
		}
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void is_killed(int status)
{
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
}

Test(crash, nothing_without_the_environment)
{
	unsetenv("SDSD_CRASH_POINTS");
	put(end, "1 step one\n");
	cr_expect_eq(walk(), 0);
	cr_expect_eq(access(passed, F_OK), -1);
}

Test(crash, nothing_in_a_folder_whose_name_is_too_long)
{
	char name[300];

	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	setenv("SDSD_CRASH_POINTS", name, 1);
	crash_watch();
	cr_expect_not(crash_is_watched);
	name[255] = '\0';
	setenv("SDSD_CRASH_POINTS", name, 1);
	crash_watch();
	cr_expect(crash_is_watched);
	crash_point("step", "one"); /* there is no such folder: nothing happens */
}

Test(crash, places_are_listed)
{
	cr_expect_eq(walk(), 0);
	has(passed, "step one\nstep two\nstep one\nstep two\nstep one\nstep two\n");
}

Test(crash, ends_at_the_first)
{
	put(end, "1 step two\n");
	is_killed(walk());
	has(passed, "step one\nstep two\n");
	cr_expect_eq(access(end, F_OK), -1, "the next one would end, too");
	cr_expect_eq(walk(), 0);
}

Test(crash, ends_at_the_third)
{
	put(end, "3 step one\n");
	is_killed(walk());
	has(passed, "step one\nstep two\nstep one\nstep two\nstep one\n");
}

Test(crash, counts_over_processes)
{
	put(end, "5 step one\n");
	cr_expect_eq(walk(), 0);
	has(end, "2 step one\n");
	is_killed(walk());
}

Test(crash, goes_on_at_others)
{
	const char *const not_it[] = {
		"1 step three\n", "1 step\n", "0 step one\n", "-1 step one\n", "step one\n",
		"1step one\n",    ""
	};

	for (size_t i = 0; i < sizeof(not_it) / sizeof(not_it[0]); i++) {
		put(end, not_it[i]);
		cr_expect_eq(walk(), 0, "%s", not_it[i]);
		has(end, not_it[i]);
	}
}
