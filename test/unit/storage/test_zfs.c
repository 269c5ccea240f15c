// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_zfs.c - the ZFS backends through the front door with programs of the test
 * in the place of ZFS's: what pools are refused, and what becomes of answers. What
 * ZFS really does is in test/vm/case_zfs.py.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/storage.h"

#define REST "\t-\t-\t-\t-\t-\t-"
#define SOURCE(available) \
	"tank/sdsd\tfilesystem\t-\t1048576\t" available "\t24576\t24576\t8\t0" REST
#define VOLUME(name, tags) \
	"\ntank/sdsd/" name "\tvolume\t16777216\t1\t1\t1\t1\t9\t0\t-\t-\t" tags "\t-\t-"
#define OURS "01010101-0101-0101-0101-010101010101\t02020202-0202-0202-0202-020202020202"
#define OTHERS "03030303-0303-0303-0303-030303030303\t02020202-0202-0202-0202-020202020202"
#define MISSING(name) "cannot open 'tank/sdsd/" name "': dataset does not exist"

static uint64_t meta_bytes(uint64_t size)
{
	return 65536;
}

static int meta_never(int fd, const struct storage_volume *v, struct err *err)
{
	cr_assert_fail("nothing was made");
	return 0;
}

static const struct storage_meta_ops ops = { .bytes = meta_bytes, .format = meta_never };
static char dir[64];
static uv_loop_t loop;
static struct storage_pool pool;
static struct storage_volume vol = { .name = "db_00000", .size_bytes = 16 << 20 };
static int status;
static struct err said;
static struct storage_space space;

static void on_answer(int rv, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *s, void *arg)
{
	status = rv;
	said = *err;
	space = *s;
}

static int answer(void)
{
	status = 1;
	uv_run(&loop, UV_RUN_DEFAULT);
	return status;
}

/* A program that answers so to its first word; all others it has are errors of their own. */
static void put_tool(const char *name, const char *verb, const char *out, const char *errout,
		     int exit_status)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fprintf(f,
		"#!/bin/sh\n[ \"$1\" = %s ] || { echo unexpected $1 >&2; exit 9; }\n"
		"cat <<'END'\n%s%sEND\ncat >&2 <<'END'\n%s%sEND\nexit %d\n",
		verb, out, out[0] ? "\n" : "", errout, errout[0] ? "\n" : "", exit_status);
	fclose(f);
	cr_assert_eq(chmod(path, 0700), 0);
}

static void use(const char *kind, const char *source)
{
	pool = (struct storage_pool){ .name = "ssd" };
	snprintf(pool.kind, sizeof(pool.kind), "%s", kind);
	snprintf(pool.source, sizeof(pool.source), "%s", source);
}

static int probe(void)
{
	storage_probe(&loop, &pool, on_answer, NULL);
	return answer();
}

static void setup(void)
{
	char path[200];

	log_init(LOG_LEVEL_ERROR);
	storage_set_meta_ops(&ops);
	memset(vol.owner, 1, sizeof(vol.owner));
	memset(vol.volume, 2, sizeof(vol.volume));
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
	cr_assert_eq(uv_loop_init(&loop), 0);
	put_tool("zpool", "list", "ONLINE", "", 0);
	use("ZFS_THIN", "tank/sdsd");
}

static void teardown(void)
{
	char cmd[100];

	cr_assert_eq(uv_loop_close(&loop), 0);
	snprintf(cmd, sizeof(cmd), "/bin/rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(zfs, .init = setup, .fini = teardown);

Test(zfs, sources)
{
	static const struct {
		const char *source;
		int status;
	} rows[] = {
		{ "tank", 0 },
		{ "tank/a/b_c.d-e:f", 0 },
		{ "", -E_INVALID },
		{ "/tank", -E_INVALID },
		{ "tank/", -E_INVALID },
		{ "tank//a", -E_INVALID },
		{ "1tank", -E_INVALID },
		{ "-tank", -E_INVALID },
		{ "tank/-a", -E_INVALID },
		{ "tank/..", -E_INVALID },
		{ "tank@a", -E_INVALID },
		{ "tank a", -E_INVALID },
		{ "tank/sdsd:new", -E_INVALID },
	};
	struct err err = { 0 };
	char name[102];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		use("ZFS", rows[i].source);
		cr_expect_eq(storage_check_pool(&pool, &err), rows[i].status, "'%s'",
			     rows[i].source);
	}
	memset(name, 'a', sizeof(name));
	name[100] = 0;
	use("ZFS_THIN", name);
	cr_expect_eq(storage_check_pool(&pool, &err), 0, "as long as it may be");
	name[100] = 'a';
	name[101] = 0;
	use("ZFS_THIN", name);
	cr_expect_eq(storage_check_pool(&pool, &err), -E_INVALID);
	cr_expect(storage_can_snapshot("ZFS") && storage_can_snapshot("ZFS_THIN"));
	cr_expect_not(storage_can_adopt("ZFS"));
}

Test(zfs, no_zfs_here)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/zpool", dir);
	unlink(path);
	setenv("PATH", dir, 1);
	cr_expect_eq(probe(), -ENOENT);
	cr_expect_str_eq(said.text, "pool ssd: the program zpool is not installed here");
}

Test(zfs, space)
{
	put_tool("zfs", "list", SOURCE("3145728"), "", 0);
	cr_assert_eq(probe(), 0, "%s", said.text);
	cr_expect_eq(space.total_kib, 4096);
	cr_expect_eq(space.free_kib, 3072);
	cr_expect_eq(space.meta_percent, -1);
	put_tool("zpool", "list", "DEGRADED", "", 0);
	cr_expect_eq(probe(), 0);
	put_tool("zpool", "list", "SUSPENDED", "", 0);
	cr_expect_eq(probe(), -EIO);
	cr_expect_str_eq(said.text, "pool ssd: zpool tank is SUSPENDED: zpool status");
	put_tool("zpool", "list", "", "cannot open 'tank': no such pool", 1);
	cr_expect_eq(probe(), -ENOENT);
	put_tool("zpool", "list", "ONLINE", "", 0);
	put_tool("zfs", "list", "", "cannot open 'tank/sdsd': dataset does not exist", 1);
	cr_expect_eq(probe(), -ENOENT);
	cr_expect_str_eq(said.text, "pool ssd: there is no tank/sdsd in ZFS here: is it imported?");
	put_tool("zfs", "list", "tank/sdsd", "", 0);
	cr_expect_eq(probe(), -E_CORRUPT);
	put_tool("zfs", "list", "tank/sdsd\tvolume\t16384\t1\t1\t1\t1\t8\t0" REST, "", 0);
	cr_expect_eq(probe(), -E_INVALID, "a volume is no place for volumes");
}

/* what is refused before anything is made */
Test(zfs, no_room)
{
	put_tool("zfs", "list", SOURCE("1048576"), "", 0);
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENOSPC, "%s", said.text);
	cr_expect_not_null(strstr(said.text, "tank/sdsd is full: 2.06 MiB more wanted, 1.00 MiB"),
			   "%s", said.text);
	use("ZFS", "tank/sdsd");
	put_tool("zfs", "list", SOURCE("16777216"), "", 0);
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENOSPC, "%s", said.text);
}

Test(zfs, missing_and_foreign)
{
	static const struct {
		const char *out;
		int create, locate, remove;
	} rows[] = {
		{ SOURCE("99999999") VOLUME("db_00000", "-\t-"), -E_EXISTS, -ENOENT, 0 },
		{ SOURCE("99999999") VOLUME("db_00000.meta", "-\t-"), -E_EXISTS, -E_EXISTS, 0 },
		{ SOURCE("99999999") VOLUME("db_00000", OTHERS), -E_EXISTS, -ENOENT, -E_EXISTS },
		{ SOURCE("99999999") VOLUME("db_00000.meta", OTHERS), -E_EXISTS, -E_EXISTS,
		  -E_EXISTS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_tool("zfs", "list", rows[i].out, MISSING("sdsd:new:x") "\n" MISSING("y"), 1);
		storage_create(&loop, &pool, &vol, on_answer, NULL);
		cr_expect_eq(answer(), rows[i].create, "row %zu: %s", i, said.text);
		storage_locate(&loop, &pool, &vol, on_answer, NULL);
		cr_expect_eq(answer(), rows[i].locate, "row %zu: %s", i, said.text);
		storage_remove(&loop, &pool, &vol, on_answer, NULL);
		cr_expect_eq(answer(), rows[i].remove, "row %zu: %s", i, said.text);
	}
	put_tool("zfs", "list", SOURCE("99999999"), "cannot open 'tank/sdsd/db_00000': I/O error",
		 1);
	storage_remove(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -EIO, "what is not known is not gone");
}

/* A pair that is complete, by what ZFS says, and has no device: it is waited for, then refused. */
Test(zfs, without_device)
{
	put_tool("zfs", "list",
		 SOURCE("99999999") VOLUME("db_00000", OURS) VOLUME("db_00000.meta", OURS), "", 0);
	storage_locate(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENODEV);
	cr_expect_not_null(strstr(said.text, "has no device"), "%s", said.text);
}
