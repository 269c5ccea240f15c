// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_crash.c - a node is killed while it acknowledges proposals: after the
 * restart each acknowledged one is there, with its revision. Then its files
 * are damaged: it must refuse to start with a sentence that names the file,
 * and never go on without what the file held.
 */
#include "support/raftcluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "raft/instance.h"
#include "raft/segment.h"

#define ROUNDS 12

static struct cluster cl;

static void teardown(void)
{
	cluster_release(&cl);
}

TestSuite(crash, .fini = teardown, .timeout = 120);

struct ack {
	int64_t n;
	uint64_t revision;
};

static struct {
	struct cluster_node *node;
	int64_t n;
	int out, open;
} child;

static void child_fill(void);

static void child_on_answer(int status, const struct txn_result *r, void *arg)
{
	struct ack a = { .n = (int64_t)(intptr_t)arg };

	if (status != 0 || r->outcome != TXN_APPLIED)
		_exit(3);
	a.revision = r->revision;
	if (write(child.out, &a, sizeof(a)) != sizeof(a))
		_exit(4);
	child.open--;
	child_fill();
}

/* keeps some proposals under way */
static void child_fill(void)
{
	while (child.open < 8) {
		char text[128];
		int64_t n = child.n++;
		int len =
			snprintf(text, sizeof(text),
				 "{\"v\":1,\"w\":[[\"k/%d\",\"{\\\"n\\\":%d}\"]]}", (int)n, (int)n);

		child.open++;
		consensus_propose(child.node->consensus, text, (size_t)len, child_on_answer,
				  (void *)(intptr_t)n);
	}
}

static void child_run(int64_t from, int out)
{
	child.node = &cl.nodes[0];
	child.n = from;
	child.out = out;
	/* the loop's descriptors came over the fork; a loop of its own is cleaner */
	if (uv_loop_fork(&cl.loop) != 0)
		_exit(5);
	node_start(child.node);
	cluster_leader(&cl);
	child_fill();
	uv_run(&cl.loop, UV_RUN_DEFAULT);
	_exit(6);
}

/* Runs a child until killed; adds its acknowledged proposals to acks; the next n to use */
static int64_t kill_once(int64_t from, struct ack *acks, int *n_acks, int acks_max)
{
	struct timespec pause = { 0 };
	int fds[2], status;
	uint32_t rnd;
	struct ack a;
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child_run(from, fds[1]);
	}
	close(fds[1]);
	rand_bytes(&rnd, sizeof(rnd));
	pause.tv_nsec = 1000000 + rnd % 80000000;
	cr_assert_eq(read(fds[0], &a, sizeof(a)), (ssize_t)sizeof(a));
	nanosleep(&pause, NULL);
	kill(pid, SIGKILL);
	do {
		cr_assert_lt(*n_acks, acks_max);
		acks[(*n_acks)++] = a;
		if (a.n >= from)
			from = a.n + 1;
	} while (read(fds[0], &a, sizeof(a)) == (ssize_t)sizeof(a));
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		  "the child ended by itself: %x", status);
	return from + 100; /* what was under way may be there or not */
}

static void expect_acks(const struct ack *acks, int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t revision = 0;
		char key[32];

		snprintf(key, sizeof(key), "k/%d", (int)acks[i].n);
		cr_expect_eq(scratch_n(cl.nodes[0].store, key, &revision), acks[i].n,
			     "%s was acknowledged and is not there", key);
		cr_expect_eq(revision, acks[i].revision, "%s", key);
	}
}

Test(crash, acknowledged_proposals_survive_kills)
{
	enum { ACKS_MAX = 200000 };
	struct ack *acks = calloc(ACKS_MAX, sizeof(*acks));
	int64_t next = 0;
	int n = 0;

	cluster_init(&cl, 1);
	cluster_bootstrap(&cl);
	for (int round = 0; round < ROUNDS; round++) {
		next = kill_once(next, acks, &n, ACKS_MAX);
		node_start(&cl.nodes[0]);
		cluster_leader(&cl);
		expect_acks(acks, n);
		node_stop(&cl.nodes[0]);
	}
	cr_expect_gt(n, ROUNDS);
	/* the log alone makes the same store again */
	char path[160];

	snprintf(path, sizeof(path), "%s/store.mdb", cl.nodes[0].dir);
	cr_assert_eq(remove(path), 0);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	expect_acks(acks, n);
	free(acks);
}

/* --- damage --- */

/* The first file in <dir>/raft whose name begins so, not ending in ".meta" */
static void find_file(const char *prefix, char path[512])
{
	struct dirent *e;
	char dir[256];
	DIR *d;

	path[0] = 0;
	snprintf(dir, sizeof(dir), "%s/raft", cl.nodes[0].dir);
	d = opendir(dir);
	cr_assert(d);
	while ((e = readdir(d))) {
		struct stat st;
		char full[512];

		snprintf(full, sizeof(full), "%s/%s", dir, e->d_name);
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
		    !strstr(e->d_name, ".meta") && stat(full, &st) == 0 && st.st_size > 0 &&
		    (!path[0] || strcmp(full, path) < 0))
			memcpy(path, full, sizeof(full));
	}
	closedir(d);
	cr_assert(path[0], "no file %s*", prefix);
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, &byte, 1, at), 1, "%s at %d", path, (int)at);
	byte ^= 0x10;
	cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void expect_refused(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	struct err err = { 0 };
	struct stat st;
	int rv;

	rv = node_try_start(&cl.nodes[0], &err);
	cr_assert_eq(rv, -E_CORRUPT, "%d %s", rv, err.text);
	cr_expect(strstr(err.text, name), "'%s' does not name %s", err.text, name);
	cr_expect(strstr(err.text, "join again"), "%s", err.text);
	cr_expect_eq(stat(path, &st), 0, "%s was taken away", path);
}

static void fill(int n)
{
	for (int i = 0; i < n; i++) {
		char key[32];

		snprintf(key, sizeof(key), "k/%d", i);
		cluster_put(&cl.nodes[0], key, i);
	}
}

static void start_with(int n)
{
	cluster_init(&cl, 1);
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	fill(n);
	node_stop(&cl.nodes[0]);
}

Test(crash, a_damaged_closed_segment_is_refused)
{
	char path[512];
	struct stat st;

	start_with(50);
	find_file("00000000", path); /* the one of the bootstrap: an older one */
	flip(path, 30);
	expect_refused(path);
	flip(path, 30);
	find_file("0000000000000002", path); /* the newest */
	cr_assert_eq(stat(path, &st), 0);
	flip(path, st.st_size / 2);
	expect_refused(path);
	flip(path, st.st_size / 2);
	flip(path, st.st_size - 5);
	expect_refused(path);
	flip(path, st.st_size - 5);
	flip(path, 0);
	expect_refused(path);
	flip(path, 0);
	cr_assert_eq(truncate(path, st.st_size - 9), 0);
	expect_refused(path);
}

Test(crash, a_missing_segment_is_refused)
{
	struct err err = { 0 };
	char path[512];

	start_with(20);
	find_file("0000000000000002", path);
	cr_assert_eq(remove(path), 0);
	/* nothing is torn: but the store knows of entries that the log has not */
	cr_expect_eq(node_try_start(&cl.nodes[0], &err), -E_CORRUPT);
	cr_expect(strstr(err.text, "lost committed entries"), "%s", err.text);
}

static struct ack some_acks[20000];

/* A node that was killed, so that its newest segment is still open */
static int start_killed(char path[512])
{
	int n = 0;

	cluster_init(&cl, 1);
	cluster_bootstrap(&cl);
	kill_once(0, some_acks, &n, 20000);
	find_file("open-", path);
	return n;
}

static size_t readable_end(const char *path)
{
	struct buf b;
	size_t at;

	buf_init(&b, SEGMENT_BYTES_MAX);
	FILE *f = fopen(path, "rb");
	static uint8_t chunk[65536];

	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		buf_append(&b, chunk, n);
	fclose(f);
	cr_assert_eq(segment_check(b.data, b.len, &at), SEGMENT_WHOLE);
	/* every damage before the last batch is told from a torn tail */
	for (size_t i = 0; i < at; i += 41) {
		size_t where;

		b.data[i] ^= 0x20;
		enum segment_verdict v = segment_check(b.data, b.len, &where);

		cr_expect(v == SEGMENT_DAMAGED || (v == SEGMENT_TORN && where + 200 > at),
			  "byte %zu of %zu: %d", i, at, v);
		b.data[i] ^= 0x20;
	}
	buf_release(&b);
	return at;
}

Test(crash, damage_inside_an_open_segment_is_refused)
{
	char path[512];
	size_t end;

	start_killed(path);
	end = readable_end(path);
	cr_assert_gt(end, 400u);
	flip(path, (off_t)(end / 2));
	expect_refused(path);
	flip(path, (off_t)(end / 2));
	flip(path, 2); /* the format number */
	expect_refused(path);
	flip(path, 2);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
}

Test(crash, a_torn_tail_is_dropped_and_nothing_acknowledged_with_it)
{
	char path[512];
	size_t end;
	int n, fd;

	n = start_killed(path);
	end = readable_end(path);
	/* half of a write that was never acknowledged */
	fd = open(path, O_WRONLY);
	cr_assert_eq(pwrite(fd, "\x11\x22\x33\x44\x55\x66\x77\x88\x01\0\0\0\0\0\0\0torn", 20,
			    (off_t)end),
		     20);
	close(fd);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	expect_acks(some_acks, n);
	cluster_put(&cl.nodes[0], "k/new", 1);
}

Test(crash, acknowledged_entries_are_not_a_torn_tail)
{
	struct err err = { 0 };
	static uint8_t zeros[1u << 20];
	char path[512];
	size_t end;
	int fd;

	start_killed(path);
	end = readable_end(path);
	cr_assert_lt(end / 2, sizeof(zeros));
	/* looks like a torn write with nothing behind it, but the store has applied more: a single
	 * voter would use the indexes a second time */
	fd = open(path, O_WRONLY);
	cr_assert_eq(pwrite(fd, zeros, end - end / 2, (off_t)end / 2), (ssize_t)(end - end / 2));
	close(fd);
	cr_expect_eq(node_try_start(&cl.nodes[0], &err), -E_CORRUPT, "%s", err.text);
	cr_expect(strstr(err.text, "lost committed entries"), "%s", err.text);
}

/* the library forgets a configuration when it cannot load a snapshot; the process ends then */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

Test(crash, a_damaged_snapshot_is_refused)
{
	char path[512];
	struct stat st;
	struct err err = { 0 };

	start_with(10);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	fill(4300);
	cluster_run(&cl, 200);
	node_stop(&cl.nodes[0]);
	find_file("snapshot-", path);
	cr_assert_eq(stat(path, &st), 0);
	flip(path, st.st_size / 2);
	if (__lsan_disable)
		__lsan_disable();
	cr_expect_eq(node_try_start(&cl.nodes[0], &err), -E_CORRUPT, "%s", err.text);
	if (__lsan_enable)
		__lsan_enable();
	cr_expect(strstr(err.text, "join again"), "%s", err.text);
	flip(path, st.st_size / 2);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
}

static bool is_fatal(struct cluster *c, void *arg)
{
	return cl.nodes[0].fatal.code != 0;
}

Test(crash, a_log_that_cannot_be_written_is_fatal)
{
	struct rlimit limit = { 1u << 20, 1u << 20 };

	cluster_init(&cl, 1);
	cluster_bootstrap(&cl);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	node_start(&cl.nodes[0]);
	cr_assert(cluster_until(&cl, is_fatal, NULL, 5000));
	cr_expect(strstr(cl.nodes[0].fatal.text, "cannot write the Raft log"), "%s",
		  cl.nodes[0].fatal.text);
	cr_expect_not(cl.nodes[0].is_leader);
	cr_expect_eq(cluster_barrier(&cl.nodes[0]), -ECANCELED);
}

/* --- a log that cannot be written, of three nodes --- */

static bool has_failed(struct cluster *c, void *arg)
{
	return ((struct cluster_node *)arg)->fatal.code != 0;
}

static struct cluster_node *start_three(void)
{
	struct cluster_node *leader;

	cluster_init(&cl, 3);
	cluster_bootstrap(&cl);
	for (int i = 0; i < 3; i++)
		node_start(&cl.nodes[i]);
	leader = cluster_leader(&cl);
	for (int i = 1; i < 3; i++) {
		cr_assert_eq(cluster_add(leader, &cl.nodes[i]), 0);
		cr_assert_eq(cluster_assign(leader, cl.nodes[i].id, CONSENSUS_VOTER), 0);
	}
	cluster_put(leader, "k/old", 1);
	cluster_converge(&cl);
	return leader;
}

static void expect_logs_to_be_read(void)
{
	cluster_put(cluster_leader(&cl), "k/end", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
	for (int i = 0; i < 3; i++)
		node_stop(&cl.nodes[i]);
	for (int i = 0; i < 3; i++)
		node_start(&cl.nodes[i]);
	cluster_put(cluster_leader(&cl), "k/again", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
}

Test(crash, nothing_is_written_behind_an_entry_that_was_not)
{
	struct cluster_node *leader = start_three(), *lost = &cl.nodes[leader->id % 3];
	unsigned long long last;
	char path[256];

	node_stop(lost);
	node_start(lost);
	last = raft_last_index(&lost->consensus->raft);
	/* the next segment cannot be made, the one after it can */
	snprintf(path, sizeof(path), "%s/raft/open-1", lost->dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	cluster_put(leader, "k/new", 0);
	cr_assert(cluster_until(&cl, has_failed, lost, 5000));
	cr_assert_eq(rmdir(path), 0);
	/* the owner takes its time, the others go on */
	for (int i = 1; i < 10; i++)
		cluster_put(leader, "k/new", i);
	cluster_run(&cl, 200);
	node_stop(lost);
	node_start(lost);
	cr_expect_eq(raft_last_index(&lost->consensus->raft), last);
	expect_logs_to_be_read();
}

/* The segment of the node that holds the entry */
static void find_segment(const struct cluster_node *node, unsigned long long index,
			 unsigned long long *ret_first)
{
	unsigned long long first, last;
	char dir[256];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/raft", node->dir);
	d = opendir(dir);
	cr_assert(d);
	while (!found && (e = readdir(d))) {
		found = sscanf(e->d_name, "%16llu-%16llu", &first, &last) == 2 && first <= index &&
			index <= last;
	}
	closedir(d);
	cr_assert(found, "no segment with %llu", index);
	*ret_first = first;
}

static bool leader_is_gone(struct cluster *c, void *arg)
{
	return !((struct cluster_node *)arg)->is_leader;
}

static void on_never_committed(int status, const struct txn_result *r, void *arg)
{
	cr_expect_eq(status, -E_UNKNOWN);
}

/* A leader writes two entries that no other gets, and stops; the others go on. The last index that
 * all have. */
static unsigned long long part(struct cluster_node *old)
{
	unsigned long long common;

	for (int i = 0; i < 3; i++) {
		if (&cl.nodes[i] != old)
			node_stop(&cl.nodes[i]);
	}
	common = raft_last_index(&old->consensus->raft);
	for (int i = 0; i < 2; i++)
		consensus_propose(old->consensus, "{\"v\":1}", 7, on_never_committed, NULL);
	cr_assert(cluster_until(&cl, leader_is_gone, old, 5000));
	cr_assert_eq(raft_last_index(&old->consensus->raft), common + 2);
	node_stop(old);
	for (int i = 0; i < 3; i++) {
		if (&cl.nodes[i] != old)
			node_start(&cl.nodes[i]);
	}
	for (int i = 0; i < 5; i++)
		cluster_put(cluster_leader(&cl), "k/new", i);
	return common;
}

Test(crash, a_log_that_cannot_be_truncated_is_fatal)
{
	struct cluster_node *old = start_three();
	unsigned long long common, first;
	char path[256];

	common = part(old);
	find_segment(old, common + 1, &first);
	cr_assert_leq(first, common, "nothing would be written");
	node_start(old);
	/* the shortened segment would get this name */
	snprintf(path, sizeof(path), "%s/raft/%016llu-%016llu", old->dir, first, common);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert(cluster_until(&cl, has_failed, old, 5000));
	cr_expect_eq(old->fatal.code, -EIO);
	cr_expect(strstr(old->fatal.text, "cannot truncate the Raft log in"), "%s",
		  old->fatal.text);
	cluster_run(&cl, 200); /* the owner takes its time */
	cr_expect_eq(cluster_barrier(old), -ECANCELED);
	cr_expect_eq(consensus_leader(old->consensus, NULL), 0u);
	node_stop(old);
	cr_assert_eq(rmdir(path), 0);
	/* the log is as it was, and the next try succeeds */
	node_start(old);
	cr_expect_eq(raft_last_index(&old->consensus->raft), common + 2);
	expect_logs_to_be_read();
}
