// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_lvm.c - the LVM backends through the front door with programs of the test
 * in the place of LVM's: what pools are refused, and what becomes of answers. What
 * LVM really does is in test/vm/case_storage.py.
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

#define POOL(attr, data, meta, health)                                                            \
	"{\"report\":[{\"lv\":[{\"lv_name\":\"thin\",\"lv_size\":\"268435456\",\"lv_tags\":\"\"," \
	"\"lv_active\":\"active\",\"lv_layout\":\"thin,pool\",\"lv_role\":\"private\","           \
	"\"lv_attr\":\"" attr "\",\"data_percent\":\"" data "\",\"metadata_percent\":\"" meta     \
	"\",\"lv_health_status\":\"" health "\",\"pool_lv\":\"\",\"lv_when_full\":\"queue\"}]}]}"
#define NOTHING "{\"report\":[{\"lv\":[]}]}"
#define GROUP(free)                                                                               \
	"{\"report\":[{\"vg\":[{\"vg_name\":\"vg\",\"vg_size\":\"532676608\",\"vg_free\":\"" free \
	"\",\"vg_extent_size\":\"4194304\"}]}]}"

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

/* a program that answers so; its words are kept in <dir>/said */
static void put_tool(const char *name, const char *out, const char *errout, int exit_status)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fprintf(f,
		"#!/bin/sh\necho \"$0 $*\" >>%s/said\ncat <<'END'\n%s\nEND\n"
		"cat >&2 <<'END'\n%s\nEND\nexit %d\n",
		dir, out, errout, exit_status);
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
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
	cr_assert_eq(uv_loop_init(&loop), 0);
}

static void teardown(void)
{
	char cmd[100];

	cr_assert_eq(uv_loop_close(&loop), 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(lvm, .init = setup, .fini = teardown);

Test(lvm, sources)
{
	static const struct {
		const char *kind, *source;
		int status;
	} rows[] = {
		{ "LVM", "vg0", 0 },
		{ "LVM", "a+_.-b", 0 },
		{ "LVM", "", -E_INVALID },
		{ "LVM", "-vg", -E_INVALID },
		{ "LVM", ".", -E_INVALID },
		{ "LVM", "..", -E_INVALID },
		{ "LVM", "vg/thin", -E_INVALID },
		{ "LVM", "/dev/vg", -E_INVALID },
		{ "LVM", "v g", -E_INVALID },
		{ "LVM_THIN", "vg0/thin", 0 },
		{ "LVM_THIN", "vg0", -E_INVALID },
		{ "LVM_THIN", "vg0/", -E_INVALID },
		{ "LVM_THIN", "/thin", -E_INVALID },
		{ "LVM_THIN", "vg0/-t", -E_INVALID },
		{ "LVM_THIN", "a/b/c", -E_INVALID },
	};
	struct err err = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		use(rows[i].kind, rows[i].source);
		cr_expect_eq(storage_check_pool(&pool, &err), rows[i].status, "%s '%s'",
			     rows[i].kind, rows[i].source);
	}
	memset(pool.source, 'a', 200);
	pool.source[200] = 0;
	use("LVM", pool.source);
	cr_expect_eq(storage_check_pool(&pool, &err), -E_INVALID);
	cr_expect(storage_can_snapshot("LVM_THIN"));
	cr_expect_not(storage_can_snapshot("LVM"));
}

Test(lvm, no_lvm_here)
{
	setenv("PATH", dir, 1);
	use("LVM", "vg");
	cr_expect_eq(probe(), -ENOENT);
	cr_expect_str_eq(said.text, "pool ssd: the program vgs is not installed here");
}

Test(lvm, a_group)
{
	use("LVM", "vg");
	put_tool("vgs", GROUP("218103808"), "  WARNING: anything", 0);
	cr_assert_eq(probe(), 0, "%s", said.text);
	cr_expect_eq(space.total_kib, 532676608 / 1024);
	cr_expect_eq(space.free_kib, 218103808 / 1024);
	cr_expect_eq(space.meta_percent, -1);
	cr_expect_not(space.queues);
	put_tool("vgs", "", "  Volume group \"vg\" not found\n  Cannot process volume group vg", 5);
	cr_expect_eq(probe(), -ENOENT);
	cr_expect_str_eq(said.text, "pool ssd: vgs: Volume group \"vg\" not found");
	put_tool("vgs", "{\"report\":[", "", 0);
	cr_expect_eq(probe(), -E_CORRUPT);
}

Test(lvm, a_thin_pool)
{
	static const struct {
		const char *report;
		int status;
		const char *words;
	} rows[] = {
		{ POOL("twi-aotz--", "25.00", "11.90", ""), 0, "" },
		{ POOL("twi-aotzD-", "100.00", "11.90", "out_of_data"), 0, "" },
		{ POOL("twi-aot---", "25.00", "11.90", ""), -E_INVALID, "does not zero" },
		{ POOL("twi-aotzM-", "25.00", "99.90", "metadata_read_only"), -EIO,
		  "metadata_read_only" },
		{ POOL("twi---tz--", "", "", ""), -EAGAIN, "is not active" },
		{ NOTHING, -ENOENT, "there is no vg/thin" },
	};

	use("LVM_THIN", "vg/thin");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_tool("lvs", rows[i].report, "", 0);
		cr_expect_eq(probe(), rows[i].status, "row %zu: %d %s", i, status, said.text);
		cr_expect_not_null(strstr(said.text, rows[i].words), "row %zu: %s", i, said.text);
	}
	put_tool("lvs", rows[0].report, "", 0);
	probe();
	cr_expect_eq(space.total_kib, 262144);
	/* hundredths of a percent are all that is known */
	cr_expect(space.free_kib > 196500 && space.free_kib <= 196608, "%lld",
		  (long long)space.free_kib);
	cr_expect_eq(space.meta_percent, 11);
	cr_expect(space.queues);
}

/* what is refused before anything is made: no other program is there */
Test(lvm, no_room)
{
	use("LVM", "vg");
	put_tool("lvs", NOTHING, "", 0);
	put_tool("vgs", GROUP("16777216"), "", 0);
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENOSPC);
	cr_expect_str_eq(said.text, "pool ssd: volume group vg is full: 20.00 MiB more wanted, "
				    "16.00 MiB free");
	use("LVM_THIN", "vg/thin");
	put_tool("lvs", POOL("twi-aotz--", "100.00", "11.90", ""), "", 0);
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENOSPC, "%s", said.text);
	put_tool("lvs", POOL("twi-aotz--", "10.00", "95.10", ""), "", 0);
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENOSPC, "%s", said.text);
	cr_expect_not_null(strstr(said.text, "95.10 %"), "%s", said.text);
}

/* LVM says itself that there is no room: its words, our code */
Test(lvm, no_room_after_all)
{
	use("LVM", "vg");
	put_tool("lvs", NOTHING, "", 0);
	put_tool("vgs", GROUP("167772160"), "", 0);
	put_tool("lvcreate", "",
		 "  Volume group \"vg\" has insufficient free space (1 extents): 4 required.", 5);
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENOSPC);
	cr_expect_str_eq(said.text, "pool ssd: lvcreate: Volume group \"vg\" has insufficient free "
				    "space (1 extents): 4 required");
}

Test(lvm, missing_and_foreign)
{
	char foreign[600];

	use("LVM", "vg");
	put_tool("lvs", NOTHING, "", 0);
	storage_locate(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -ENOENT);
	storage_remove(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), 0, "missing is fine");
	snprintf(foreign, sizeof(foreign), "%s",
		 "{\"report\":[{\"lv\":[{\"lv_name\":\"db_00000\",\"lv_size\":\"4194304\","
		 "\"lv_tags\":\"linstor\",\"lv_active\":\"\",\"lv_layout\":\"linear\","
		 "\"lv_role\":\"public\",\"lv_attr\":\"-wi-------\",\"data_percent\":\"\","
		 "\"metadata_percent\":\"\",\"lv_health_status\":\"\",\"pool_lv\":\"\","
		 "\"lv_when_full\":\"\"}]}]}");
	put_tool("lvs", foreign, "", 0);
	storage_create(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), -E_EXISTS);
	cr_expect_str_eq(said.text, "pool ssd: vg/db_00000 is there already and is not of sdsd: "
				    "rename it");
	storage_remove(&loop, &pool, &vol, on_answer, NULL);
	cr_expect_eq(answer(), 0, "it never was ours");
}

#define DATA(name, tags, pool)                                                     \
	"{\"report\":[{\"lv\":[{\"lv_name\":\"" name "\",\"lv_size\":\"4194304\"," \
	"\"lv_tags\":\"" tags "\",\"lv_active\":\"\",\"lv_layout\":\"linear\","    \
	"\"lv_role\":\"public\",\"lv_attr\":\"-wi-------\",\"data_percent\":\"\"," \
	"\"metadata_percent\":\"\",\"pool_lv\":\"" pool                            \
	"\",\"lv_health_status\":\"\",\"lv_when_full\":\"\"}]}]}"

static int adoptable(const char *device)
{
	storage_adoptable(&loop, &pool, device, on_answer, NULL);
	return answer();
}

Test(lvm, adoptable)
{
	use("LVM", "vg");
	put_tool("lvs", DATA("data", "x", ""), "", 0);
	cr_expect_eq(adoptable("/dev/vg/data"), 0, "%s", said.text);
	cr_expect_eq(adoptable("/dev/mapper/vg-data"), 0, "%s", said.text);
	cr_expect_eq(adoptable("/dev/vg/other"), -ENOENT);
	cr_expect_eq(adoptable("/dev/sda"), -E_INVALID);
	cr_expect_eq(adoptable(""), -E_INVALID);
	cr_expect_eq(adoptable("/dev/beside/data"), -ENOENT);
	cr_expect_str_eq(said.text, "/dev/beside/data is not in volume group vg of pool ssd");
	put_tool("lvs", DATA("data", "sdsd.replica.01010101-0101-0101-0101-010101010101", ""), "",
		 0);
	cr_expect_eq(adoptable("/dev/vg/data"), -E_EXISTS);
	use("FILE", dir);
	cr_expect_eq(adoptable("/dev/vg/data"), -EOPNOTSUPP);
	cr_expect_not(storage_can_adopt("FILE"));
	cr_expect(storage_can_adopt("LVM") && storage_can_adopt("LVM_THIN"));
}

/* No program that changes anything is there: one that was run would be an error of its own. */
Test(lvm, adopts_nothing_else)
{
	struct storage_foreign from = { .name = "data", .size_bytes = 4 << 20 };
	struct storage_volume v = vol;

	use("LVM", "vg");
	put_tool("lvs", DATA("db_00000", "", ""), "", 0);
	v.born = true;
	storage_adopt(&loop, &pool, &v, &from, on_answer, NULL);
	cr_expect_eq(answer(), -E_EXISTS);
	cr_expect_str_eq(said.text, "pool ssd: vg/db_00000 is there already and is not of sdsd: "
				    "rename it");
	put_tool("lvs", NOTHING, "", 0);
	storage_adopt(&loop, &pool, &v, &from, on_answer, NULL);
	cr_expect_eq(answer(), -ENOENT);
	put_tool("lvs", DATA("data", "", ""), "", 0);
	from.size_bytes = 8 << 20;
	storage_adopt(&loop, &pool, &v, &from, on_answer, NULL);
	cr_expect_eq(answer(), -E_INVALID);
	cr_expect_str_eq(said.text, "vg/data has become smaller meanwhile");
	from.size_bytes = 32 << 20;
	storage_adopt(&loop, &pool, &v, &from, on_answer, NULL);
	cr_expect_eq(answer(), -E_INVALID, "smaller than what it adopts");
	v.encrypted = true;
	from.size_bytes = 4 << 20;
	storage_adopt(&loop, &pool, &v, &from, on_answer, NULL);
	cr_expect_eq(answer(), -E_INVALID);
}

static struct storage_volume with_cache(const char *group, uint64_t bytes)
{
	struct storage_volume v = vol;

	snprintf(v.cache.pool, sizeof(v.cache.pool), "fast");
	snprintf(v.cache.source, sizeof(v.cache.source), "%s", group);
	v.cache.bytes = bytes;
	return v;
}

Test(lvm, a_write_cache_that_cannot_be)
{
	static const struct {
		const char *kind, *source, *group;
		uint64_t bytes;
		const char *says;
	} rows[] = {
		{ "FILE", "/tmp", "fast", 16 << 20, "it takes one of LVM" },
		{ "ZFS", "tank", "fast", 16 << 20, "it takes one of LVM" },
		{ "LVM", "vg", "", 16 << 20, "is not defined on this node" },
		{ "LVM", "vg", "fast/thin", 16 << 20, "no name of a volume group" },
		{ "LVM", "vg", "fast", 8 << 20, "cannot be" },
		{ "LVM_THIN", "vg/thin", "fast", (16 << 20) + 512, "cannot be" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct storage_volume v = with_cache(rows[i].group, rows[i].bytes);

		use(rows[i].kind, rows[i].source);
		storage_create(&loop, &pool, &v, on_answer, NULL);
		cr_expect_eq(answer(), -E_INVALID, "row %zu: %s", i, said.text);
		cr_expect(strstr(said.text, rows[i].says), "row %zu: %s", i, said.text);
	}
}

static bool was_called(const char *tool)
{
	char cmd[160];

	snprintf(cmd, sizeof(cmd), "grep -q '/%s ' %s/said", tool, dir);
	return system(cmd) == 0;
}

/* before the pair is made, which would have to be removed again */
Test(lvm, no_room_for_a_write_cache)
{
	struct storage_volume v = with_cache("fast", 32 << 20);

	use("LVM", "vg");
	put_tool("lvs", NOTHING, "", 0);
	put_tool("vgs", GROUP("16777216"), "", 0);
	put_tool("lvcreate", "", "", 1);
	storage_create(&loop, &pool, &v, on_answer, NULL);
	cr_expect_eq(answer(), -ENOSPC, "%s", said.text);
	cr_expect(strstr(said.text, "volume group fast is full"), "%s", said.text);
	cr_expect(strstr(said.text, "pool fast"), "%s", said.text);
	cr_expect(was_called("vgs"));
	cr_expect_not(was_called("lvcreate"));
}
