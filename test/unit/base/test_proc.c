// SPDX-License-Identifier: GPL-2.0-or-later
/* test_proc.c - exits, signals, deadlines, output limits, children of children. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "support/leaks.h"

TestSuite(proc, .fini = test_no_leaks);

static int status;
static bool started;
static char out[4096], errout[4096];
static size_t out_len, errout_len;

static void copy(char *to, size_t size, const struct buf *from)
{
	snprintf(to, size, "%s", from->data ? (char *)from->data : "");
}

/* milliseconds it took */
static int run_with(const char *const argv[], const struct proc_options *o)
{
	uint64_t start = clock_boot_ns();
	struct proc_result r;

	status = proc_run(argv, o, &r);
	cr_expect_eq(status, r.status);
	started = r.started;
	copy(out, sizeof(out), &r.out);
	copy(errout, sizeof(errout), &r.errout);
	out_len = r.out.len;
	errout_len = r.errout.len;
	proc_release(&r);
	return (int)((clock_boot_ns() - start) / 1000000);
}

static int run(const char *const argv[], int deadline_ms)
{
	return run_with(argv, &(struct proc_options){ .deadline_ms = deadline_ms });
}

#define SH(script) ((const char *const[]){ "sh", "-c", script, NULL })

Test(proc, exit_and_output)
{
	run(SH("echo out; echo err >&2; cat; exit 3"), 5000);
	cr_expect_eq(status, 3);
	cr_expect(started);
	cr_expect_str_eq(out, "out\n");
	cr_expect_str_eq(errout, "err\n");
}

Test(proc, arguments_are_not_words_of_a_shell)
{
	run((const char *const[]){ "printf", "%s|", "a b", "$HOME", "", "*", NULL }, 5000);
	cr_expect_str_eq(out, "a b|$HOME||*|");
}

Test(proc, environment)
{
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	unsetenv("PATH");
	run(SH("echo $LC_ALL; command -v sleep >/dev/null && echo path"), 5000);
	cr_expect_str_eq(out, "C\npath\n");
}

Test(proc, goes_before_nobody)
{
	if (setpriority(PRIO_PROCESS, 0, -20) < 0)
		cr_skip_test("who tests may not go first");
	run(SH("nice"), 5000); /* says its own */
	cr_expect_str_eq(out, "0\n");
	cr_expect_eq(getpriority(PRIO_PROCESS, 0), -20);
}

Test(proc, missing_program)
{
	run((const char *const[]){ "/nonexistent/program", NULL }, 5000);
	cr_expect_eq(status, -ENOENT);
	cr_expect_not(started);
	run((const char *const[]){ "sdsd-no-such-program", NULL }, 5000);
	cr_expect_eq(status, -ENOENT);
}

Test(proc, killed_by_signal)
{
	run(SH("kill -INT $$"), 5000);
	cr_expect_eq(status, -SIGINT);
	cr_expect(started, "must be told from -ENOENT, which is the same number");
}

Test(proc, deadline)
{
	int took = run((const char *const[]){ "sleep", "60", NULL }, 100);

	cr_expect_eq(status, -ETIMEDOUT);
	cr_expect_lt(took, 1500);
}

Test(proc, deadline_of_a_deaf_one)
{
	int took = run(SH("trap '' TERM; echo deaf; while :; do sleep 60; done"), 200);

	cr_expect_eq(status, -ETIMEDOUT);
	cr_expect_str_eq(out, "deaf\n");
	cr_expect_lt(took, 5000);
}

Test(proc, one_that_finishes_at_the_deadline)
{
	run(SH("trap 'echo done; exit 0' TERM; sleep 60 & wait"), 200);
	cr_expect_eq(status, 0);
	cr_expect_str_eq(out, "done\n");
}

Test(proc, the_whole_group_dies)
{
	int pid;

	run(SH("sleep 60 & echo $!; wait"), 200);
	cr_expect_eq(status, -ETIMEDOUT);
	pid = (int)strtol(out, NULL, 10);
	usleep(100000);
	/* gone, or waiting for init to reap it */
	if (kill(pid, 0) == 0) {
		char path[64], state[256] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "r");
		if (f) {
			cr_expect_not_null(fgets(state, sizeof(state), f));
			fclose(f);
			cr_expect_not_null(strstr(state, ") Z "), "%s", state);
		}
	}
}

Test(proc, output_held_open_by_a_grandchild)
{
	int took = run(SH("sleep 5 & echo done"), 10000);

	cr_expect_eq(status, 0);
	cr_expect_str_eq(out, "done\n");
	cr_expect_lt(took, 3000);
}

Test(proc, output_limit)
{
	char script[128];

	snprintf(script, sizeof(script), "head -c %u /dev/zero", PROC_OUTPUT_MAX);
	run(SH(script), 20000);
	cr_expect_eq(status, 0);
	cr_expect_eq(out_len, PROC_OUTPUT_MAX);
	run(SH("cat /dev/zero"), 20000);
	cr_expect_eq(status, -EMSGSIZE);
	cr_expect_leq(out_len, PROC_OUTPUT_MAX);
	snprintf(script, sizeof(script), "head -c %u /dev/zero >&2; echo fine",
		 PROC_OUTPUT_MAX + 100000);
	run(SH(script), 20000);
	cr_expect_eq(status, 0, "complaints are cut, that is all");
	cr_expect_str_eq(out, "fine\n");
	cr_expect_leq(errout_len, PROC_OUTPUT_MAX);
}

static void *look(void *arg)
{
	struct proc_watch *w = arg;

	while (!atomic_load(&w->pid))
		usleep(1000);
	cr_expect_leq(atomic_load(&w->since_ns), clock_boot_ns());
	kill(atomic_load(&w->pid), SIGUSR1);
	return NULL;
}

Test(proc, watched)
{
	struct proc_watch w = { 0 };
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, look, &w), 0);
	run_with(SH("exec sleep 20"), &(struct proc_options){ .deadline_ms = 5000, .watch = &w });
	pthread_join(thread, NULL);
	cr_expect_eq(status, -SIGUSR1);
	cr_expect_eq(w.pid, 0);
}

Test(proc, descriptors_stay_here)
{
	int fd = open("/dev/null", O_RDONLY); /* not marked to be closed */

	cr_assert_geq(fd, 3);
	run(SH("ls /proc/self/fd | wc -l"), 5000);
	cr_expect_str_eq(out, "4\n", "0, 1, 2 and that of ls: %s", out);
	close(fd);
}
