// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/disk.c on real files, and of what it promises when a
 * job hangs. Each runs twice: with threads, and with io_uring where this
 * machine has it.
 */
#include "replication/disk_priv.h"
#include "replication/loopdev.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/leaks.h"

#define SIZE_BYTES (1u << 20)

static uv_loop_t loop;
static struct turn turn;
static struct disk_pool *pool;
static struct payload_pool payloads;
static struct payload_account account;
static char dir[32], data_path[64], meta_path[64];
static u32 done_count;
static int last_status;
static u64 last_id;

static void on_done(struct disk_job *job, void *owner)
{
	done_count++;
	last_status = job->status;
	last_id = job->id;
	if (owner)
		(*(u32 *)owner)++;
}

static void make_file(const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void setup(enum disk_engine engine)
{
	snprintf(dir, sizeof(dir), "/tmp/sdsd-disk-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(data_path, sizeof(data_path), "%s/d", dir);
	snprintf(meta_path, sizeof(meta_path), "%s/m", dir);
	make_file(data_path, SIZE_BYTES);
	make_file(meta_path, 65536);
	uv_loop_init(&loop);
	turn_init(&turn, &loop);
	pool = disk_pool_new(&loop, &turn, engine);
	turn.rest = disk_pool_linger;
	turn.rest_arg = pool;
	payload_pool_init(&payloads);
	payload_account_init(&account, &payloads);
}

static void teardown(void)
{
	turn.rest = NULL;
	disk_pool_free(pool, NULL, NULL);
	turn_close(&turn, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	payload_account_release(&account);
	payload_pool_release(&payloads);
	unlink(data_path);
	unlink(meta_path);
	rmdir(dir);
	test_no_leaks();
}

static void setup_threads(void)
{
	setup(DISK_ENGINE_THREADS);
	cr_assert_eq(disk_pool_engine(pool), DISK_ENGINE_THREADS);
}

static void setup_ring(void)
{
	setup(DISK_ENGINE_RING);
}

TestSuite(disk_threads, .init = setup_threads, .fini = teardown, .timeout = 60);
TestSuite(disk_ring, .init = setup_ring, .fini = teardown, .timeout = 60);

static bool have_ring(void)
{
	return disk_pool_engine(pool) == DISK_ENGINE_RING;
}

#define BOTH(name)                                                           \
	static void name(void);                                              \
	Test(disk_threads, name)                                             \
	{                                                                    \
		name();                                                      \
	}                                                                    \
	Test(disk_ring, name)                                                \
	{                                                                    \
		if (have_ring())                                             \
			name();                                              \
		else                                                         \
			cr_skip_test("this machine has no io_uring for us"); \
	}                                                                    \
	static void name(void)

static void wait_for(const u32 *count, u32 value)
{
	while (*count < value) {
		/* not ONCE: what is done at the turn's end may be all there is to come */
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(200);
	}
}

static void open_disk(struct disk *d, void *owner)
{
	struct err err = { 0 };

	disk_init(d, pool, on_done, owner);
	cr_assert_eq(disk_open(d, data_path, meta_path, SIZE_BYTES, &err), 0, "%s", err.text);
}

static int run_job(struct disk *d, enum disk_job_kind kind, u8 op, u64 off, u32 len,
		   struct payload *p)
{
	struct disk_job *job = disk_job_new(d, kind, false);
	u32 before = done_count;

	job->op = op;
	job->off = off;
	job->len = len;
	job->buf = p;
	job->id = off + 7;
	disk_submit(job);
	cr_assert_eq(d->jobs, 1);
	wait_for(&done_count, before + 1);
	cr_assert_eq(d->jobs, 0);
	cr_assert_eq(last_id, off + 7);
	return last_status;
}

BOTH(write_read_flush)
{
	struct payload *p = payload_new(&account, 65536), *q = payload_new(&account, 65536);
	struct disk d;

	open_disk(&d, NULL);
	memset(p->data, 5, 65536);
	cr_expect_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DATA, 4096, 65536, p), 0);
	cr_expect_eq(run_job(&d, DISK_JOB_FLUSH, 0, 0, 0, NULL), 0);
	cr_expect_eq(run_job(&d, DISK_JOB_READ, 0, 4096, 65536, q), 0);
	cr_expect_arr_eq(p->data, q->data, 65536);
	cr_expect_eq(run_job(&d, DISK_JOB_READ, 0, 0, 4096, q), 0);
	cr_expect_eq(q->data[0] | q->data[4095], 0);
	disk_release(&d);
}

BOTH(from_the_middle_of_a_payload)
{
	struct payload *p = payload_new(&account, 4096), *q = payload_new(&account, 4096);
	struct disk_job *job;
	struct disk d;

	open_disk(&d, NULL);
	memset(p->data, 1, 4096);
	memset(p->data + 1024, 2, 512);
	job = disk_job_new(&d, DISK_JOB_WRITE, false);
	job->op = REPL_OP_DATA;
	job->buf = p;
	job->buf_off = 1024;
	job->len = 512;
	disk_submit(job);
	wait_for(&done_count, done_count + 1);
	cr_expect_eq(run_job(&d, DISK_JOB_READ, 0, 0, 512, q), 0);
	cr_expect_eq(q->data[0], 2);
	cr_expect_eq(q->data[511], 2);
	disk_release(&d);
}

BOTH(zero_and_trim_read_as_zeros)
{
	static const u8 ops[] = { REPL_OP_ZERO, REPL_OP_TRIM };
	struct payload *p = payload_new(&account, SIZE_BYTES);
	struct disk d;
	struct stat st;

	open_disk(&d, NULL);
	for (size_t i = 0; i < PORT_ARRAY_SIZE(ops); i++) {
		memset(p->data, 9, SIZE_BYTES);
		cr_assert_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DATA, 0, SIZE_BYTES, p), 0);
		cr_expect_eq(run_job(&d, DISK_JOB_WRITE, ops[i], 512, SIZE_BYTES - 1024, NULL), 0);
		cr_assert_eq(run_job(&d, DISK_JOB_READ, 0, 0, SIZE_BYTES, p), 0);
		cr_expect_eq(p->data[511], 9);
		cr_expect_eq(p->data[SIZE_BYTES - 512], 9);
		for (u32 k = 512; k < SIZE_BYTES - 512; k++)
			cr_assert_eq(p->data[k], 0, "op %u byte %u", ops[i], k);
	}
	cr_assert_eq(stat(data_path, &st), 0);
	cr_expect_eq(st.st_size, SIZE_BYTES, "the file keeps its size");
	disk_release(&d);
}

/* ---- what gives space back, perhaps ---- */

#define UNIT 65536u

static struct {
	u32 calls;
	u64 off, len;
	int status;
	u64 share; /* bytes of the range that really go, from its beginning */
} thin;

static int give_back(int fd, u64 off, u64 len)
{
	u64 part = PORT_MIN(len, thin.share);

	thin.calls++;
	thin.off = off;
	thin.len = len;
	if (part > 0)
		cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
				       (off_t)part),
			     0);
	return thin.status;
}

static u64 taken(int fd)
{
	struct stat st;

	cr_assert_eq(fsync(fd), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	return (u64)st.st_blocks * 512;
}

static void fill(int fd, u8 *page, u8 with)
{
	memset(page, with, SIZE_BYTES);
	cr_assert_eq(pwrite(fd, page, SIZE_BYTES, 0), SIZE_BYTES);
}

static void expect_zeros_only_in(int fd, u8 *page, u64 off, u64 len, size_t row)
{
	cr_assert_eq(pread(fd, page, SIZE_BYTES, 0), SIZE_BYTES);
	for (u64 i = 0; i < SIZE_BYTES; i++)
		cr_assert_eq(page[i], i >= off && i < off + len ? 0 : 9, "row %zu byte %llu", row,
			     (unsigned long long)i);
}

/* what is written of the edges is none of the units between them */
static void expect_hole(int fd, u64 off, u64 len, size_t row)
{
	off_t next = lseek(fd, (off_t)off, SEEK_DATA);

	cr_expect(next < 0 || (u64)next >= off + len, "row %zu: data at %lld", row,
		  (long long)next);
}

#define ALL (~0ull)
static const struct trim_row {
	u64 off;
	u32 len, unit;
	u64 asked_off, asked_len; /* 0: it is not asked */
	int status;
	u64 share;
} trim_rows[] = {
	{ 0, SIZE_BYTES, UNIT, 0, SIZE_BYTES, 0, ALL },
	{ UNIT, UNIT, UNIT, UNIT, UNIT, 0, ALL },
	{ UNIT - 512, UNIT + 1024, UNIT, UNIT, UNIT, 0, ALL }, /* edges on both sides */
	{ UNIT + 512, 2 * UNIT - 512, UNIT, 2 * UNIT, UNIT, 0, ALL },
	{ UNIT, 2 * UNIT - 512, UNIT, UNIT, UNIT, 0, ALL },
	{ UNIT + 512, UNIT - 512, UNIT, 0, 0, 0, ALL },    /* up to the end of a unit */
	{ UNIT - 512, UNIT, UNIT, 0, 0, 0, ALL },          /* of two units, none whole */
	{ 512, 512, UNIT, 0, 0, 0, ALL },                  /* inside of one */
	{ 0, SIZE_BYTES, 3 * UNIT, 0, 15 * UNIT, 0, ALL }, /* no power of two */
	{ 0, SIZE_BYTES, 2 * SIZE_BYTES, 0, 0, 0, ALL },   /* larger than any request */
	{ 0, SIZE_BYTES, UNIT, 0, SIZE_BYTES, -EOPNOTSUPP, 0 },
	{ 0, SIZE_BYTES, UNIT, 0, SIZE_BYTES, -EIO, UNIT }, /* failed half-way */
	{ 0, SIZE_BYTES, UNIT, 0, SIZE_BYTES, 0, 0 },       /* said yes, did nothing */
	{ 512, SIZE_BYTES - 1024, UNIT, UNIT, SIZE_BYTES - 2 * UNIT, 0, 4096 },
};

Test(disk_trim, reads_as_zeros_exactly_in_the_range, .timeout = 60)
{
	FILE *f = tmpfile();
	u8 *page = malloc(SIZE_BYTES);

	for (size_t i = 0; i < PORT_ARRAY_SIZE(trim_rows); i++) {
		const struct trim_row *r = &trim_rows[i];

		fill(fileno(f), page, 9);
		memset(&thin, 0, sizeof(thin));
		thin.status = r->status;
		thin.share = r->share;
		cr_expect_eq(disk_trim(fileno(f), r->off, r->len, r->unit, give_back), 0);
		cr_expect_eq(thin.calls, r->asked_len > 0, "row %zu", i);
		cr_expect_eq(thin.off, r->asked_off, "row %zu", i);
		cr_expect_eq(thin.len, r->asked_len, "row %zu", i);
		if (r->share == ALL && r->asked_len)
			expect_hole(fileno(f), r->asked_off, r->asked_len, i);
		expect_zeros_only_in(fileno(f), page, r->off, r->len, i);
	}
	free(page);
	fclose(f);
}

Test(disk_trim, gives_space_back_and_takes_none, .timeout = 60)
{
	FILE *f = tmpfile();
	u8 *page = malloc(SIZE_BYTES);
	u64 full;

	cr_assert_eq(ftruncate(fileno(f), SIZE_BYTES), 0);
	if (taken(fileno(f)) > 0)
		cr_skip_test("no sparse files here");
	memset(&thin, 0, sizeof(thin));
	thin.status = -EOPNOTSUPP;
	cr_expect_eq(disk_trim(fileno(f), 512, SIZE_BYTES - 512, UNIT, give_back), 0);
	cr_expect_eq(taken(fileno(f)), 0, "nothing is written where there are zeros");
	fill(fileno(f), page, 9);
	full = taken(fileno(f));
	memset(&thin, 0, sizeof(thin));
	thin.share = ALL;
	cr_expect_eq(disk_trim(fileno(f), 512, SIZE_BYTES - 512, UNIT, give_back), 0);
	/* but for the first unit, and what the file system notes */
	cr_expect_leq(taken(fileno(f)), full - (SIZE_BYTES - 2 * UNIT), "%llu of %llu",
		      (unsigned long long)taken(fileno(f)), (unsigned long long)full);
	free(page);
	fclose(f);
}

Test(disk_trim, the_write_tells_what_is_wrong, .timeout = 60)
{
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC), only = open("/dev/full", O_WRONLY);

	memset(&thin, 0, sizeof(thin));
	cr_expect_eq(disk_trim(fd, 0, UNIT, UNIT, give_back), 0, "it reads as zeros");
	cr_expect_eq(disk_trim(only, 0, UNIT, UNIT, give_back), -ENOSPC, "it cannot be read");
	close(fd);
	close(only);
}

/* a file takes no BLKDISCARD: the way of a device that refuses, by the disk's jobs */
BOTH(trim_of_a_disk_that_gives_space_back)
{
	struct payload *p = payload_new(&account, SIZE_BYTES);
	struct disk d;

	open_disk(&d, NULL);
	d.discard_bytes = UNIT;
	memset(p->data, 9, SIZE_BYTES);
	cr_assert_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DATA, 0, SIZE_BYTES, p), 0);
	cr_expect_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_TRIM, 512, SIZE_BYTES - 1024, NULL), 0);
	expect_zeros_only_in(d.data_fd, p->data, 512, SIZE_BYTES - 1024, 0);
	disk_release(&d);
}

/* The layer of a test is the file itself, a page further up: what is not read back from it would be
 * seen. */
BOTH(discard_below_a_layer)
{
	struct payload *p = payload_new(&account, SIZE_BYTES);
	u8 *back = malloc(SIZE_BYTES);
	struct err err;
	struct disk d;

	open_disk(&d, NULL);
	memset(p->data, 9, SIZE_BYTES);
	cr_assert_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DATA, 0, SIZE_BYTES, p), 0);
	cr_expect_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DISCARD, 0, 4096, NULL), -EOPNOTSUPP,
		     "nobody has said what it lies on");
	cr_expect_eq(disk_open_below(&d, data_path, "/nowhere", 0, &err), -ENOENT);
	cr_expect_eq(d.data_fd, -1, "all is closed");
	disk_release(&d);
	open_disk(&d, NULL);
	cr_assert_eq(disk_open_below(&d, data_path, data_path, 8192, &err), 0, "%s", err.text);
	cr_expect_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DISCARD, 65536, 262144, NULL), 0);
	cr_assert_eq(pread(d.data_fd, back, SIZE_BYTES, 0), SIZE_BYTES);
	/* zeros went to 8 KiB behind, and what was read at the place itself was written there */
	for (u32 i = 0; i < SIZE_BYTES; i++) {
		bool zero = i >= 65536 + 8192 && i < 65536 + 262144 + 8192;

		cr_assert_eq(back[i], zero ? 0 : 9, "byte %u", i);
	}
	free(back);
	disk_release(&d);
}

BOTH(meta_pages)
{
	struct disk_job *job;
	struct disk d;
	u8 back[REPL_META_PAGE];
	int fd;

	open_disk(&d, NULL);
	for (int fua = 0; fua < 2; fua++) {
		job = disk_job_new(&d, DISK_JOB_META_WRITE, true);
		memset(job->page, 0x40 + fua, REPL_META_PAGE);
		job->len = REPL_META_PAGE;
		job->off = (u64)fua * REPL_META_PAGE;
		job->fua = fua;
		disk_submit(job);
		wait_for(&done_count, (u32)fua + 1);
		cr_expect_eq(last_status, 0);
	}
	cr_expect_eq(run_job(&d, DISK_JOB_META_FLUSH, 0, 0, 0, NULL), 0);
	fd = open(meta_path, O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pread(fd, back, sizeof(back), (off_t)i * REPL_META_PAGE),
			     sizeof(back));
		cr_expect_eq(back[0], 0x40 + i);
		cr_expect_eq(back[REPL_META_PAGE - 1], 0x40 + i);
	}
	close(fd);
	disk_release(&d);
}

BOTH(errors)
{
	struct payload *p = payload_new(&account, 4096);
	struct disk d;

	open_disk(&d, NULL);
	cr_expect_eq(run_job(&d, DISK_JOB_READ, 0, SIZE_BYTES, 4096, p), -EIO, "past the end");
	cr_expect_eq(run_job(&d, DISK_JOB_READ, 0, SIZE_BYTES - 512, 4096, p), -EIO, "short");
	close(d.data_fd);
	d.data_fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	cr_expect_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DATA, 0, 4096, p), -ENOSPC);
	close(d.data_fd);
	d.data_fd = open(data_path, O_RDONLY | O_CLOEXEC);
	cr_expect_eq(run_job(&d, DISK_JOB_WRITE, REPL_OP_DATA, 0, 4096, p), -EBADF);
	cr_expect_lt(run_job(&d, DISK_JOB_WRITE, REPL_OP_ZERO, 0, 4096, NULL), 0);
	disk_release(&d);
}

BOTH(opening)
{
	struct err err = { 0 };
	struct disk d;

	disk_init(&d, pool, on_done, NULL);
	cr_expect_eq(disk_open(&d, "/tmp/sdsd-there-is-none", meta_path, 4096, &err), -ENOENT);
	cr_expect(strstr(err.text, "sdsd-there-is-none"), "%s", err.text);
	cr_expect_eq(disk_open(&d, data_path, "/tmp/sdsd-there-is-none", 4096, &err), -ENOENT);
	cr_expect_eq(d.data_fd, -1, "nothing stays open");
	cr_expect_eq(disk_open(&d, data_path, meta_path, SIZE_BYTES + 1, &err), -E_INVALID);
	cr_expect(strstr(err.text, "1048577"), "%s", err.text);
	disk_release(&d);
}

/* whether or not the file system tells what is in the page cache: never inside submit */
BOTH(reads_are_done_later)
{
	struct payload *p = payload_new(&account, 4096);
	struct disk d;
	u32 done = 0;

	open_disk(&d, &done);
	cr_assert_eq(run_job(&d, DISK_JOB_READ, 0, 0, 4096, p), 0);
	for (u32 i = 0; i < 10; i++) {
		struct disk_job *job = disk_job_new(&d, DISK_JOB_READ, false);

		job->len = 4096;
		job->buf = p;
		disk_submit(job);
		cr_expect_eq(done, 1);
	}
	cr_expect_eq(d.jobs, 10);
	wait_for(&done, 11);
	cr_expect_eq(d.jobs, 0);
	disk_release(&d);
}

static uv_sem_t gate;

static int hang(void *arg)
{
	uv_sem_wait(&gate);
	return 0;
}

BOTH(one_that_hangs_does_not_stop_others)
{
	struct payload *p = payload_new(&account, 4096);
	struct disk hung, well;
	u32 hung_done = 0, well_done = 0;

	uv_sem_init(&gate, 0);
	open_disk(&hung, &hung_done);
	open_disk(&well, &well_done);
	for (u32 i = 0; i < 4 * DISK_PARALLEL_MAX; i++) {
		struct disk_job *job = disk_job_new(&hung, DISK_JOB_CALL, false);

		job->call = hang;
		disk_submit(job);
	}
	for (u32 i = 0; i < 100; i++) {
		struct disk_job *job = disk_job_new(&well, DISK_JOB_READ, false);

		job->len = 4096;
		job->buf = p;
		disk_submit(job);
		wait_for(&well_done, i + 1);
	}
	cr_expect_eq(hung_done, 0);
	cr_expect_eq(hung.running, DISK_PARALLEL_MAX);
	for (u32 i = 0; i < 4 * DISK_PARALLEL_MAX; i++)
		uv_sem_post(&gate);
	wait_for(&hung_done, 4 * DISK_PARALLEL_MAX);
	disk_release(&hung);
	disk_release(&well);
	uv_sem_destroy(&gate);
}

/* more hung disks than there are threads: the pool's last limit */
BOTH(all_threads_hang_and_go_on)
{
	enum { DISKS = DISK_THREADS_MAX / DISK_PARALLEL_MAX + 1 };
	static struct disk d[DISKS];
	u32 done = 0;

	uv_sem_init(&gate, 0);
	for (u32 i = 0; i < DISKS; i++) {
		open_disk(&d[i], &done);
		for (u32 k = 0; k < DISK_PARALLEL_MAX; k++) {
			struct disk_job *job = disk_job_new(&d[i], DISK_JOB_CALL, false);

			job->call = hang;
			disk_submit(job);
		}
	}
	for (u32 i = 0; i < DISKS * DISK_PARALLEL_MAX; i++)
		uv_sem_post(&gate);
	wait_for(&done, DISKS * DISK_PARALLEL_MAX);
	for (u32 i = 0; i < DISKS; i++)
		disk_release(&d[i]);
	uv_sem_destroy(&gate);
}

/* what the ring says about an operation's end: done, or one for the threads */
Test(disk_ring, outcomes)
{
	static const struct {
		enum disk_job_kind kind;
		u8 op;
		int res;
		bool done;
		int status;
	} rows[] = {
		{ DISK_JOB_WRITE, REPL_OP_DATA, 4096, true, 0 },
		{ DISK_JOB_WRITE, REPL_OP_DATA, 512, false, 0 }, /* short */
		{ DISK_JOB_WRITE, REPL_OP_DATA, 0, false, 0 },
		{ DISK_JOB_WRITE, REPL_OP_DATA, -EIO, true, -EIO },
		{ DISK_JOB_WRITE, REPL_OP_DATA, -ENOSPC, true, -ENOSPC },
		{ DISK_JOB_WRITE, REPL_OP_DATA, -EAGAIN, false, 0 },
		{ DISK_JOB_WRITE, REPL_OP_DATA, -ECANCELED, false, 0 },
		{ DISK_JOB_WRITE, REPL_OP_TRIM, 0, true, 0 },
		{ DISK_JOB_WRITE, REPL_OP_TRIM, -EOPNOTSUPP, false, 0 },
		{ DISK_JOB_WRITE, REPL_OP_ZERO, -EIO, true, -EIO },
		{ DISK_JOB_READ, 0, 4096, true, 0 },
		{ DISK_JOB_READ, 0, 0, false, 0 },
		{ DISK_JOB_READ, 0, -EIO, true, -EIO },
		{ DISK_JOB_META_WRITE, 0, 4096, true, 0 },
		{ DISK_JOB_META_WRITE, 0, 4095, false, 0 },
		{ DISK_JOB_META_WRITE, 0, -EOPNOTSUPP, false, 0 }, /* no RWF_DSYNC there */
		{ DISK_JOB_FLUSH, 0, 0, true, 0 },
		{ DISK_JOB_FLUSH, 0, -EINTR, false, 0 },
		/* a lost write is reported once: asked again, all would seem well */
		{ DISK_JOB_FLUSH, 0, -EIO, true, -EIO },
		{ DISK_JOB_FLUSH, 0, -EINVAL, true, -EINVAL },
		{ DISK_JOB_META_FLUSH, 0, -EOPNOTSUPP, true, -EOPNOTSUPP },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		struct disk_job job = { .kind = rows[i].kind, .op = rows[i].op, .len = 4096 };
		int status = 0;

		cr_expect_eq(disk_ring_outcome(&job, rows[i].res, &status), rows[i].done, "row %zu",
			     i);
		cr_expect_eq(status, rows[i].status, "row %zu", i);
	}
}

/* the read end of a pipe: in the ring it waits for ever */
static void open_hanging_disk(struct disk *d, u32 *done, int pipe_fd[2])
{
	disk_init(d, pool, on_done, done);
	cr_assert_eq(pipe(pipe_fd), 0);
	d->data_fd = pipe_fd[0];
}

static void submit_read(struct disk *d, struct payload *p)
{
	struct disk_job *job = disk_job_new(d, DISK_JOB_READ, false);

	job->len = p->len;
	job->buf = p;
	disk_submit(job);
}

/* What hangs in the ring is called back and goes to the threads (which find that a pipe has no
 * places to read from); meanwhile others go on, and all that came is done once. */
Test(disk_ring, what_hangs_is_called_back)
{
	struct payload *p, *big;
	struct disk hung, well;
	u32 hung_done = 0, well_done = 0;
	int pipe_fd[2];

	if (!have_ring())
		cr_skip_test("this machine has no io_uring for us");
	p = payload_new(&account, 4096);
	big = payload_new(&account, 2 * DISK_NOW_MAX); /* too long to be read on the spot */
	open_hanging_disk(&hung, &hung_done, pipe_fd);
	open_disk(&well, &well_done);
	for (u32 i = 0; i < 2 * DISK_PARALLEL_MAX; i++)
		submit_read(&hung, big);
	for (u32 i = 0; i < 100; i++) {
		submit_read(&well, big);
		wait_for(&well_done, i + 1);
	}
	cr_expect_eq(hung_done, 0, "nothing was called back so soon");
	cr_expect_eq(hung.ring.running, DISK_PARALLEL_MAX);
	wait_for(&hung_done, 2 * DISK_PARALLEL_MAX);
	cr_expect_eq(last_status, -ESPIPE);
	cr_expect_eq(hung.ring.running, 0);
	cr_expect_eq(run_job(&well, DISK_JOB_WRITE, REPL_OP_DATA, 0, 4096, p), 0);
	close(pipe_fd[1]);
	disk_release(&hung);
	disk_release(&well);
}

/* more jobs than all limits together take at a time, from many disks */
BOTH(many_jobs_of_many_disks)
{
	enum { DISKS = 40, JOBS = 64 };
	static struct disk d[DISKS];
	struct payload *p = payload_new(&account, 4096);
	u32 done = 0;

	for (u32 i = 0; i < DISKS; i++)
		open_disk(&d[i], &done);
	for (u32 k = 0; k < JOBS; k++) {
		for (u32 i = 0; i < DISKS; i++) {
			struct disk_job *job = disk_job_new(&d[i], DISK_JOB_WRITE, false);

			job->op = REPL_OP_DATA;
			job->off = (u64)k * 4096;
			job->len = 4096;
			job->buf = p;
			disk_submit(job);
		}
	}
	wait_for(&done, DISKS * JOBS);
	cr_expect_eq(last_status, 0);
	for (u32 i = 0; i < DISKS; i++) {
		cr_expect_eq(d[i].jobs, 0);
		disk_release(&d[i]);
	}
}

static int nap(void *arg)
{
	usleep(*(useconds_t *)arg);
	return 0;
}

/* in how many iterations of the loop that do not wait for anything a job came to its end */
static u32 iterations(struct disk *d, useconds_t us)
{
	struct disk_job *job = disk_job_new(d, DISK_JOB_CALL, false);
	u32 before = done_count, n = 0;

	job->call = nap;
	job->call_arg = &us;
	disk_submit(job);
	while (done_count == before) {
		uv_run(&loop, UV_RUN_NOWAIT);
		n++;
	}
	return n;
}

Test(disk_threads, a_short_job_is_waited_for_awake)
{
	struct disk_threads *t = &pool->threads;
	struct disk d;
	u32 tries = 0;

	if (!pool->linger)
		cr_skip_test("one CPU only: the loop never lingers");
	open_disk(&d, NULL);
	while (iterations(&d, 0) > 1) /* other load may take the thread's CPU */
		cr_assert_lt(++tries, 100000);
	tries = 0;
	do { /* nothing has ended when it looks, unless the loop itself lost the CPU */
		iterations(&d, 20000);
		cr_assert_lt(++tries, 100);
	} while (t->missed == 0);
	cr_expect_leq(t->missed, LINGER_MISSED_MAX);
	for (int i = 0; i < 5; i++)
		iterations(&d, 20000);
	tries = 0;
	while (t->missed > 0) { /* a disk that has become fast again is found out */
		iterations(&d, 0);
		cr_assert_lt(++tries, 100000);
	}
	disk_release(&d);
}

/* ---- opening ---- */

Test(disk_open, a_block_device_that_is_in_use_is_shared_or_refused, .timeout = 30)
{
	char file[] = "/tmp/sdsd-open-XXXXXX", dev[LOOPDEV_PATH_MAX];
	int fd = mkstemp(file), kept, holder;
	struct err err = { 0 };
	struct disk d;

	cr_assert_eq(ftruncate(fd, 1 << 20), 0);
	if (access("/dev/loop-control", R_OK | W_OK) < 0) {
		unlink(file);
		cr_skip_test("no loop devices here");
	}
	cr_assert_eq(loopdev_attach(file, dev, &kept, &err), 0, "%s", err.text);
	holder = open(dev, O_RDWR | O_EXCL | O_CLOEXEC); /* as the kernel module has it */
	cr_assert_geq(holder, 0);
	disk_init(&d, NULL, NULL, NULL);
	cr_expect_eq(disk_open(&d, dev, file, 0, &err), -EBUSY);
	d.shared = true;
	cr_expect_eq(disk_open(&d, dev, file, 1 << 20, &err), 0, "%s", err.text);
	disk_release(&d);
	close(holder);
	close(kept);
	close(fd);
	unlink(file);
}
