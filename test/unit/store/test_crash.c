// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_crash.c - a child applies entries and is killed at a random moment;
 * then the applied index, the content and the history must agree exactly: the
 * state is a function of the index, so it is computed anew and compared.
 */
#include "support/scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "store/history.h"

#define ROUNDS 24
#define KEYS 37

/* Entry i: puts key i%KEYS, deletes another when i%5==0, is malformed when i%11==0 */
static int apply_entry(struct store *s, uint64_t i)
{
	struct txn_result r;
	char text[256];
	int len;

	if (i % 11 == 0)
		len = snprintf(text, sizeof(text), "nonsense");
	else if (i % 5 == 0)
		len = snprintf(text, sizeof(text),
			       "{\"v\":1,\"id\":\"r%d\",\"w\":[[\"k/%d\",\"{\\\"n\\\":%d}\"],"
			       "[\"k/%d\",null]]}",
			       (int)i, (int)(i % KEYS), (int)i, (int)(i * 7 % KEYS));
	else
		len = snprintf(text, sizeof(text),
			       "{\"v\":1,\"w\":[[\"k/%d\",\"{\\\"n\\\":%d}\"]]}", (int)(i % KEYS),
			       (int)i);
	return store_apply(s, i, text, (size_t)len, &r, NULL);
}

static void expect(uint64_t applied, int64_t want[KEYS])
{
	for (int k = 0; k < KEYS; k++)
		want[k] = -1;
	for (uint64_t i = 1; i <= applied; i++) {
		if (i % 11 == 0)
			continue;
		want[i % KEYS] = (int64_t)i;
		if (i % 5 == 0)
			want[i * 7 % KEYS] = -1;
	}
}

static int count_entry(uint64_t index, json *entry, void *arg)
{
	uint64_t *last = arg;

	/* every entry but the malformed ones changes something */
	cr_expect_eq(index, *last + 1 + ((*last + 1) % 11 == 0), "after %d", (int)*last);
	*last = index;
	return 0;
}

/* floor + 1 to the applied index, without a gap */
static void check_history(struct store *s, uint64_t applied)
{
	uint64_t last = store_history_floor(s);

	cr_expect_eq(store_history(s, last + 1, count_entry, &last), 0);
	cr_expect_eq(last, applied - (applied > 0 && applied % 11 == 0), "applied %d",
		     (int)applied);
}

static void child_run(const char *dir, int out)
{
	struct store *s = NULL;

	if (store_open(dir, 0, &s, NULL) < 0)
		_exit(1);
	for (uint64_t i = store_applied(s) + 1;; i++) {
		if (apply_entry(s, i) < 0 || write(out, &i, sizeof(i)) != sizeof(i))
			_exit(2);
	}
}

Test(crash, killed_while_applying, .timeout = 120)
{
	uint64_t applied, seen = 0;
	int64_t want[KEYS];
	struct store *s;
	char dir[64] = "/tmp/sdsd-test-XXXXXX"; /* a real disk */

	cr_assert(mkdtemp(dir));
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t pause_us;
		struct timespec pause = { 0 };
		uint64_t last;
		int fds[2], status;
		pid_t pid;

		cr_assert_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			close(fds[0]);
			child_run(dir, fds[1]);
		}
		close(fds[1]);
		rand_bytes(&pause_us, sizeof(pause_us));
		pause.tv_nsec = 1000000 + pause_us % 60000000;
		cr_assert_eq(read(fds[0], &last, sizeof(last)), (ssize_t)sizeof(last));
		seen = last;
		nanosleep(&pause, NULL);
		kill(pid, SIGKILL);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert(WIFSIGNALED(status), "the child ended by itself");
		while (read(fds[0], &last, sizeof(last)) == (ssize_t)sizeof(last))
			seen = last;
		close(fds[0]);

		s = scratch_open(dir, 0);
		applied = store_applied(s);
		cr_expect(applied == seen || applied == seen + 1, "applied %d, acknowledged %d",
			  (int)applied, (int)seen);
		expect(applied, want);
		check_history(s, applied);
		for (int k = 0; k < KEYS; k++) {
			char key[16];

			snprintf(key, sizeof(key), "k/%d", k);
			cr_expect_eq(scratch_n(s, key, NULL), want[k], "round %d applied %d key %s",
				     round, (int)applied, key);
		}
		store_close(s);
	}
	scratch_remove(dir);
	test_no_leaks();
}
