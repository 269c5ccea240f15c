// SPDX-License-Identifier: GPL-2.0-or-later
/* test_tool.c - programs that hang, fail, lie or say too much, and the sentences of it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/tool.h"
#include "support/leaks.h"

static struct storage_pool pool = { .kind = "LVM", .name = "ssd", .source = "vg0" };
static struct err err;

static int run(const char *script, int deadline_ms, json **ret)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	err = (struct err){ 0 };
	return tool_run(&pool, argv, deadline_ms, ret, &err);
}

TestSuite(tool, .fini = test_no_leaks);

Test(tool, sentences)
{
	static const struct {
		const char *said, *sentence;
	} rows[] = {
		{ "", "" },
		{ "\n  \n", "" },
		{ "  Volume group \"vg0\" not found.\n  Cannot process volume group vg0\n",
		  "Volume group \"vg0\" not found" },
		{ "  WARNING: Failed to monitor vg/thin.\n  warning: x\n  Insufficient space\n",
		  "Insufficient space" },
		{ "File descriptor 7 (/x) leaked on lvs invocation. Parent PID 3: sdsd\n  real\n",
		  "real" },
		{ "  WARNING: nothing but that", "" },
		{ "without an end", "without an end" },
		{ " . \n\t second \t\n", "second" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[100] = "x";

		tool_sentence(rows[i].said, out, sizeof(out));
		cr_expect_str_eq(out, rows[i].sentence, "row %zu: '%s'", i, out);
	}
}

Test(tool, a_long_sentence_is_cut)
{
	char said[1000], out[20];

	memset(said, 'a', sizeof(said));
	said[999] = 0;
	tool_sentence(said, out, sizeof(out));
	cr_expect_eq(strlen(out), 19);
}

Test(tool, ends_well)
{
	cr_expect_eq(run("echo anything; echo WARNING >&2", 5000, NULL), 0);
	cr_expect_str_eq(err.text, "");
}

Test(tool, fails_with_a_sentence)
{
	cr_expect_eq(run("echo '  WARNING: no' >&2; echo '  it is full.' >&2; exit 5", 5000, NULL),
		     -EIO);
	cr_expect_str_eq(err.text, "pool ssd: sh: it is full");
	cr_expect_eq(run("exit 5", 5000, NULL), -EIO);
	cr_expect_str_eq(err.text, "pool ssd: sh failed with status 5 and without a word");
	cr_expect_eq(run("kill -9 $$", 5000, NULL), -EIO);
	cr_expect_str_eq(err.text, "pool ssd: sh was ended by signal 9");
}

Test(tool, is_not_there)
{
	const char *const argv[] = { "sdsd-no-such-tool", NULL };

	cr_expect_eq(tool_run(&pool, argv, 5000, NULL, &err), -ENOENT);
	cr_expect_str_eq(err.text, "pool ssd: the program sdsd-no-such-tool is not installed here");
}

Test(tool, hangs)
{
	uint64_t began = clock_boot_ns();

	cr_expect_eq(run("sleep 100", 1000, NULL), -ETIMEDOUT);
	cr_expect_str_eq(err.text,
			 "pool ssd: sh did not end within 1 s and was killed: does something hold "
			 "a lock of vg0, or does a disk hang?");
	cr_expect_lt(clock_boot_ns() - began, 60000000000ull);
}

Test(tool, says_too_much)
{
	cr_expect_eq(run("exec yes", 60000, NULL), -EMSGSIZE);
	cr_expect(strstr(err.text, "said more than"), "%s", err.text);
}

Test(tool, answers_in_json)
{
	json *o = NULL;

	cr_expect_eq(run("echo ' {\"a\":\"b\"} '", 5000, &o), 0);
	cr_expect_str_eq(jget_str(o, "a", ""), "b");
	json_object_put(o);
}

Test(tool, answers_in_something_else)
{
	static const char *const said[] = { "", "{\"a\":", "garbage", "{} {}",
					    "{\"a\":\"b\"}\n{\"c\":1}" };

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		char script[100];
		json *o = NULL;

		snprintf(script, sizeof(script), "printf '%%s' '%s'", said[i]);
		cr_expect_eq(run(script, 5000, &o), -E_CORRUPT, "row %zu", i);
		cr_expect(strstr(err.text, "pool ssd: the answer of sh is not understood: "), "%s",
			  err.text);
	}
	/* what it says before it fails is no answer */
	cr_expect_eq(run("echo '{}'; echo no >&2; exit 1", 5000, &(json *){ NULL }), -EIO);
}

static struct proc_watch watch;
static int seen_pid;

static void *look(void *arg)
{
	for (int i = 0; i < 500 && !seen_pid; i++) {
		seen_pid = atomic_load(&watch.pid);
		usleep(10000);
	}
	return NULL;
}

Test(tool, is_seen_while_it_runs)
{
	pthread_t thread;

	pool.watch = &watch;
	pthread_create(&thread, NULL, look, NULL);
	cr_expect_eq(run("sleep 1", 30000, NULL), 0);
	pthread_join(thread, NULL);
	cr_expect_gt(seen_pid, 0);
	cr_expect_eq(atomic_load(&watch.pid), 0);
}
