// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_process.c - whose turn it is: the loop's before others, what it starts has no part in that.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

static int nice_now(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

static void *of_thread(void *found)
{
	*(int *)found = nice_now();
	return NULL;
}

static int of_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(nice_now() == 0 ? 0 : 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	return status;
}

static bool is_allowed(void)
{
	int before = nice_now();

	return setpriority(PRIO_PROCESS, 0, PROCESS_NICE) == 0 &&
	       setpriority(PRIO_PROCESS, 0, before) == 0;
}

Test(process, only_the_loop_goes_first)
{
	pthread_t thread;
	int found = PROCESS_NICE;

	if (!is_allowed()) {
		process_precede(); /* and runs on without */
		cr_skip_test("who tests may not go first");
	}
	process_precede();
	cr_expect_eq(nice_now(), PROCESS_NICE);
	cr_assert_eq(pthread_create(&thread, NULL, of_thread, &found), 0);
	pthread_join(thread, NULL);
	cr_expect_eq(found, 0);
	cr_expect_eq(of_child(), 0);
}
