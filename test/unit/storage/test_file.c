// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_file.c - the file backends through the front door: what is made, what a
 * crash leaves behind and what the next try does with it, and each refusal.
 * The metadata is a stand-in: 16 bytes of magic, 16 of owner, 16 of volume, 8
 * of size.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/storage.h"

#define MIB (1ull << 20)
static const char magic[16] = "test metadata 1";

static bool format_fails, grow_fails;
static int n_grown;

static uint64_t meta_bytes(uint64_t size)
{
	return 65536 + size / 16384;
}

static int meta_format(int fd, const struct storage_volume *v, struct err *err)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq((uint64_t)st.st_size, meta_bytes(v->size_bytes));
	if (format_fails)
		return err_set(err, -EIO, "format failed");
	cr_assert_eq(pwrite(fd, magic, 16, 0), 16);
	cr_assert_eq(pwrite(fd, v->owner, 16, 16), 16);
	cr_assert_eq(pwrite(fd, v->volume, 16, 32), 16);
	cr_assert_eq(pwrite(fd, &v->size_bytes, 8, 48), 8);
	return 0;
}

static int meta_grow(int fd, const struct storage_volume *v, struct err *err)
{
	struct stat st;
	uint64_t size;

	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_geq((uint64_t)st.st_size, meta_bytes(v->size_bytes));
	cr_assert_eq(pread(fd, &size, 8, 48), 8);
	if (v->size_bytes < size)
		return err_set(err, -E_INVALID, "it cannot be made smaller");
	n_grown++;
	if (grow_fails)
		return err_set(err, -EIO, "grow failed");
	cr_assert_eq(pwrite(fd, &v->size_bytes, 8, 48), 8);
	return 0;
}

static int meta_label(int fd, struct storage_label *l, struct err *err)
{
	char head[16];

	if (pread(fd, head, 16, 0) != 16 || memcmp(head, magic, 16) != 0)
		return err_set(err, -E_CORRUPT, "no metadata");
	cr_assert_eq(pread(fd, l->owner, 16, 16), 16);
	/* what put_meta lays down tells no more */
	if (pread(fd, l->volume, 16, 32) == 16)
		cr_assert_eq(pread(fd, &l->size_bytes, 8, 48), 8);
	return 0;
}

static const struct storage_meta_ops ops = {
	.bytes = meta_bytes,
	.format = meta_format,
	.label = meta_label,
	.grow = meta_grow,
};

static char dir[64];
static uv_loop_t loop;
static struct storage_pool pool;
static struct storage_volume vol;

struct answer {
	int calls, status;
	char text[ERR_TEXT_MAX];
	struct storage_paths paths;
	struct storage_space space;
};

static void on_answer(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg)
{
	struct answer *a = arg;

	a->calls++;
	a->status = status;
	snprintf(a->text, sizeof(a->text), "%s", err->text);
	if (status == 0) {
		a->paths = *paths;
		a->space = *space;
	}
}

typedef void (*verb)(uv_loop_t *, const struct storage_pool *, const struct storage_volume *,
		     storage_cb, void *);

static struct answer call(verb f)
{
	struct answer a = { 0 };

	f(&loop, &pool, &vol, on_answer, &a);
	cr_assert_eq(a.calls, 0, "answered inside the call");
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(a.calls, 1);
	return a;
}

static const char *path(const char *name)
{
	static char out[200];

	snprintf(out, sizeof(out), "%s/%s", dir, name);
	return out;
}

static void put_file(const char *name, const char *content, size_t len)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, content, len), (ssize_t)len);
	close(fd);
}

static void put_meta(const char *name, uint8_t owner)
{
	char content[32];

	memcpy(content, magic, 16);
	memset(content + 16, owner, 16);
	put_file(name, content, sizeof(content));
}

static int64_t size_of(const char *name)
{
	struct stat st;

	return stat(path(name), &st) < 0 ? -1 : (int64_t)st.st_size;
}

static int n_files(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void setup(void)
{
	log_init(LOG_LEVEL_ERROR);
	storage_set_meta_ops(&ops);
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(uv_loop_init(&loop), 0);
	pool = (struct storage_pool){ .kind = "FILE_THIN", .name = "ssd" };
	snprintf(pool.source, sizeof(pool.source), "%s", dir);
	vol = (struct storage_volume){ .name = "db_00000", .size_bytes = 8 * MIB };
	memset(vol.owner, 7, sizeof(vol.owner));
	memset(vol.volume, 3, sizeof(vol.volume));
	format_fails = grow_fails = false;
	n_grown = 0;
}

static void teardown(void)
{
	char cmd[100];

	cr_assert_eq(uv_loop_close(&loop), 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(file, .init = setup, .fini = teardown);

Test(file, life_of_a_volume)
{
	static const char *const kinds[] = { "FILE", "FILE_THIN" };

	for (int i = 0; i < 2; i++) {
		struct answer a;

		snprintf(pool.kind, sizeof(pool.kind), "%s", kinds[i]);
		a = call(storage_locate);
		cr_expect_eq(a.status, -ENOENT, "%s", kinds[i]);
		a = call(storage_create);
		cr_assert_eq(a.status, 0, "%s: %s", kinds[i], a.text);
		cr_expect_str_eq(a.paths.data, path("db_00000"));
		cr_expect_str_eq(a.paths.meta, path("db_00000.meta"));
		cr_expect_eq(size_of("db_00000"), 8 * MIB);
		cr_expect_eq(size_of("db_00000.meta"), (int64_t)meta_bytes(8 * MIB));
		a = call(storage_locate);
		cr_expect_eq(a.status, 0, "%s", a.text);
		cr_expect_str_eq(a.paths.meta, path("db_00000.meta"));
		a = call(storage_allocated);
		cr_expect_eq(a.status, 0);
		if (i == 0)
			cr_expect_geq(a.space.allocated_kib, 8192);
		else
			cr_expect_lt(a.space.allocated_kib, 1024);
		a = call(storage_remove);
		cr_expect_eq(a.status, 0);
		cr_expect_eq(n_files(), 0, "%s", kinds[i]);
		a = call(storage_remove);
		cr_expect_eq(a.status, 0, "missing is fine");
	}
}

Test(file, create_again_keeps_content)
{
	int fd;
	char byte;

	cr_assert_eq(call(storage_create).status, 0);
	fd = open(path("db_00000"), O_RDWR);
	cr_assert_eq(pwrite(fd, "z", 1, 4096), 1);
	cr_assert_eq(call(storage_create).status, 0);
	cr_assert_eq(pread(fd, &byte, 1, 4096), 1);
	cr_expect_eq(byte, 'z');
	close(fd);
}

/* what lies there before; 0 absent, 7 ours, 8 another's, 1 garbage */
static const struct {
	const char *name;
	int meta, fresh, data; /* data: 0 absent, else its size in bytes */
	int create, remove;
} crashes[] = {
	{ "nothing", 0, 0, 0, 0, 0 },
	{ "half formatted", 0, 1, 0, 0, 0 },
	{ "formatted", 0, 7, 0, 0, 0 },
	{ "data made", 0, 7, 4096, 0, 0 },
	{ "data of full size", 0, 7, 8 << 20, 0, 0 },
	{ "complete", 7, 0, 8 << 20, 0, 0 },
	{ "removal cut after the data", 7, 0, 0, 0, 0 },
	{ "complete and a stale new", 7, 7, 8 << 20, 0, 0 },
	{ "another's", 8, 0, 8 << 20, -E_EXISTS, -E_EXISTS },
	{ "another's half made", 0, 8, 4096, -E_EXISTS, 0 },
	{ "a user's file", 0, 0, 100, -E_EXISTS, 0 },
	{ "a user's file and half formatted", 0, 1, 100, -E_EXISTS, 0 },
	{ "garbage metadata", 1, 0, 8 << 20, -E_EXISTS, -E_CORRUPT },
};

static void lay(size_t i)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -f %s/*", dir);
	cr_assert_eq(system(cmd), 0);
	if (crashes[i].meta == 1)
		put_file("db_00000.meta", "garbage", 7);
	else if (crashes[i].meta)
		put_meta("db_00000.meta", (uint8_t)crashes[i].meta);
	if (crashes[i].fresh == 1)
		put_file("db_00000.meta.new", "", 0);
	else if (crashes[i].fresh)
		put_meta("db_00000.meta.new", (uint8_t)crashes[i].fresh);
	if (crashes[i].data) {
		put_file("db_00000", "user", 4);
		cr_assert_eq(truncate(path("db_00000"), crashes[i].data), 0);
	}
}

Test(file, what_a_crash_left)
{
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
		struct answer a;
		int before;

		lay(i);
		before = n_files();
		a = call(storage_create);
		cr_expect_eq(a.status, crashes[i].create, "create '%s': %d %s", crashes[i].name,
			     a.status, a.text);
		if (a.status == 0) {
			cr_expect_eq(size_of("db_00000"), 8 << 20, "'%s'", crashes[i].name);
			cr_expect_eq(n_files(), 2, "'%s'", crashes[i].name);
			cr_expect_eq(call(storage_locate).status, 0, "'%s'", crashes[i].name);
		} else {
			cr_expect_str_neq(a.text, "");
			if (crashes[i].fresh != 1)
				cr_expect_eq(n_files(), before, "'%s'", crashes[i].name);
			if (crashes[i].data)
				cr_expect_eq(size_of("db_00000"), crashes[i].data, "'%s'",
					     crashes[i].name);
		}
		lay(i);
		before = n_files();
		a = call(storage_remove);
		cr_expect_eq(a.status, crashes[i].remove, "remove '%s': %d %s", crashes[i].name,
			     a.status, a.text);
		if (crashes[i].meta == 7 || (crashes[i].meta == 0 && crashes[i].fresh == 7))
			cr_expect_eq(n_files(), 0, "'%s'", crashes[i].name);
		else
			cr_expect_eq(n_files(), before, "'%s'", crashes[i].name);
	}
}

Test(file, locate_says_what_is_wrong)
{
	struct answer a;

	cr_assert_eq(call(storage_create).status, 0);
	cr_assert_eq(truncate(path("db_00000"), 4096), 0);
	a = call(storage_locate);
	cr_expect_eq(a.status, -E_CORRUPT);
	cr_expect_not_null(strstr(a.text, "4096 bytes"));
	cr_assert_eq(unlink(path("db_00000")), 0);
	a = call(storage_locate);
	cr_expect_eq(a.status, -ENOENT);
	cr_expect_not_null(strstr(a.text, "is missing"));
	vol.owner[0] = 9;
	cr_expect_eq(call(storage_locate).status, -E_EXISTS);
	put_file("db_00000.meta", "garbage", 7);
	cr_expect_eq(call(storage_locate).status, -E_CORRUPT);
	cr_assert_eq(unlink(path("db_00000.meta")), 0);
	cr_assert_eq(symlink("/dev/null", path("db_00000.meta")), 0);
	cr_expect_lt(call(storage_locate).status, 0, "symbolic links are not followed");
}

/* a number used again: the files of the former volume are another's */
Test(file, another_volume_of_the_same_replica)
{
	cr_assert_eq(call(storage_create).status, 0);
	vol.volume[0] = 4;
	cr_expect_eq(call(storage_locate).status, -E_EXISTS);
	cr_expect_eq(call(storage_create).status, -E_EXISTS);
	cr_expect_eq(call(storage_grow).status, -E_EXISTS);
	cr_expect_eq(call(storage_remove).status, -E_EXISTS);
	cr_expect_eq(n_files(), 2);
	vol.volume[0] = 3;
	cr_expect_eq(call(storage_remove).status, 0);
	cr_expect_eq(n_files(), 0);
}

static void expect_zeros(off_t from, off_t to)
{
	static const char zeros[4096];
	char block[4096];
	int fd = open(path("db_00000"), O_RDONLY);

	for (; from < to; from += 4096) {
		cr_assert_eq(pread(fd, block, sizeof(block), from), 4096);
		cr_assert_eq(memcmp(block, zeros, sizeof(block)), 0, "at %lld", (long long)from);
	}
	close(fd);
}

Test(file, grow)
{
	static const char *const kinds[] = { "FILE", "FILE_THIN" };

	for (int i = 0; i < 2; i++) {
		struct answer a;
		struct stat st;
		char byte = 0;
		int fd;

		snprintf(pool.kind, sizeof(pool.kind), "%s", kinds[i]);
		vol.size_bytes = 8 * MIB;
		cr_expect_eq(call(storage_grow).status, -ENOENT, "nothing to grow");
		cr_assert_eq(call(storage_create).status, 0);
		fd = open(path("db_00000"), O_RDWR);
		cr_assert_eq(pwrite(fd, "z", 1, 8 * MIB - 1), 1);
		vol.size_bytes = 20 * MIB;
		a = call(storage_locate);
		cr_expect_eq(a.status, 0, "the label counts, not what is wanted: %s", a.text);
		cr_expect_eq(a.paths.size_bytes, 8 * MIB);
		for (int k = 0; k < 2; k++) { /* twice: it may be cut before it is noted */
			a = call(storage_grow);
			cr_assert_eq(a.status, 0, "%s: %s", kinds[i], a.text);
			cr_expect_eq(a.paths.size_bytes, 20 * MIB);
			cr_expect_str_eq(a.paths.data, path("db_00000"));
		}
		cr_expect_eq(size_of("db_00000"), 20 * MIB);
		cr_expect_eq(size_of("db_00000.meta"), (int64_t)meta_bytes(20 * MIB));
		expect_zeros(8 * MIB, 20 * MIB);
		cr_assert_eq(pread(fd, &byte, 1, 8 * MIB - 1), 1);
		cr_expect_eq(byte, 'z', "what was there stays");
		cr_assert_eq(fstat(fd, &st), 0);
		if (i == 0)
			cr_expect_geq(st.st_blocks * 512, 20 * (int64_t)MIB, "reserved");
		else
			cr_expect_lt(st.st_blocks * 512, (int64_t)MIB);
		close(fd);
		a = call(storage_locate);
		cr_expect_eq(a.paths.size_bytes, 20 * MIB);
		vol.size_bytes = 12 * MIB; /* never smaller */
		a = call(storage_grow);
		cr_expect_eq(a.status, 0, "%s", a.text);
		cr_expect_eq(size_of("db_00000"), 20 * MIB);
		cr_expect_eq(a.paths.size_bytes, 20 * MIB);
		cr_assert_eq(call(storage_remove).status, 0);
	}
}

Test(file, grow_again_after_each_cut)
{
	struct answer a;

	cr_assert_eq(call(storage_create).status, 0);
	vol.size_bytes = 20 * MIB;
	/* after the data file */
	cr_assert_eq(truncate(path("db_00000"), 20 * MIB), 0);
	a = call(storage_locate);
	cr_expect_eq(a.paths.size_bytes, 8 * MIB, "not yet");
	cr_expect_eq(call(storage_grow).status, 0);
	/* before the label */
	vol.size_bytes = 40 * MIB;
	grow_fails = true;
	a = call(storage_grow);
	cr_expect_eq(a.status, -EIO);
	cr_expect_not_null(strstr(a.text, "grow failed"), "%s", a.text);
	a = call(storage_locate);
	cr_expect_eq(a.paths.size_bytes, 20 * MIB);
	grow_fails = false;
	cr_expect_eq(call(storage_grow).status, 0);
	cr_expect_eq(call(storage_locate).paths.size_bytes, 40 * MIB);
}

Test(file, grow_without_room_changes_nothing)
{
	struct answer a;

	snprintf(pool.kind, sizeof(pool.kind), "FILE");
	cr_assert_eq(call(storage_create).status, 0);
	vol.size_bytes = 1ull << 50;
	a = call(storage_grow);
	cr_expect_eq(a.status, -ENOSPC, "%s", a.text);
	cr_expect_not_null(strstr(a.text, "wanted to grow by"), "%s", a.text);
	cr_expect_eq(size_of("db_00000"), 8 * MIB);
	cr_expect_eq(size_of("db_00000.meta"), (int64_t)meta_bytes(8 * MIB));
	cr_expect_eq(n_grown, 0);
}

/* what was cut off must not come back as zeros */
Test(file, a_file_cut_short_does_not_grow)
{
	struct answer a;

	cr_assert_eq(call(storage_create).status, 0);
	cr_assert_eq(truncate(path("db_00000"), 4 * MIB), 0);
	vol.size_bytes = 20 * MIB;
	a = call(storage_grow);
	cr_expect_eq(a.status, -E_CORRUPT, "%s", a.text);
	cr_expect_eq(size_of("db_00000"), 4 * MIB);
	cr_expect_eq(n_grown, 0);
}

Test(file, failed_creation_leaves_nothing)
{
	struct answer a;

	format_fails = true;
	a = call(storage_create);
	cr_expect_eq(a.status, -EIO);
	cr_expect_eq(n_files(), 0);
	format_fails = false;
	snprintf(pool.kind, sizeof(pool.kind), "FILE");
	vol.size_bytes = 1ull << 50;
	a = call(storage_create);
	cr_expect_eq(a.status, -ENOSPC, "%s", a.text);
	cr_expect_not_null(strstr(a.text, "full"), "%s", a.text);
	cr_expect_eq(n_files(), 0);
}

static void probe(uv_loop_t *l, const struct storage_pool *p, const struct storage_volume *v,
		  storage_cb cb, void *arg)
{
	storage_probe(l, p, cb, arg);
}

Test(file, directory_errors)
{
	struct answer a = call(probe);

	cr_expect_eq(a.status, 0, "%s", a.text);
	cr_expect_gt(a.space.total_kib, 0);
	cr_expect_leq(a.space.free_kib, a.space.total_kib);
	snprintf(pool.source, sizeof(pool.source), "%s/none", dir);
	for (int i = 0; i < 3; i++) {
		a = call(i == 0 ? probe : i == 1 ? storage_create : storage_remove);
		cr_expect_eq(a.status, -ENOENT);
		cr_expect_not_null(strstr(a.text, "does not exist"), "%s", a.text);
	}
	put_file("none", "x", 1);
	a = call(probe);
	cr_expect_eq(a.status, -ENOTDIR);
	cr_expect_not_null(strstr(a.text, "is not a directory"), "%s", a.text);
	snprintf(pool.source, sizeof(pool.source), "/proc");
	cr_expect_lt(call(storage_create).status, 0);
	if (geteuid() != 0) {
		snprintf(pool.source, sizeof(pool.source), "%s", dir);
		cr_assert_eq(chmod(dir, 0500), 0);
		a = call(probe);
		cr_expect_eq(a.status, -EACCES);
		cr_expect_not_null(strstr(a.text, "no permission"), "%s", a.text);
		cr_assert_eq(chmod(dir, 0700), 0);
	}
}
