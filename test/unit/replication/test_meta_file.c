// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/meta_file.c on real files: format and read back, and
 * what is said when pages are damaged.
 */
#include "replication/meta_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/leaks.h"

TestSuite(meta_file, .fini = test_no_leaks);

#define SIZE_BYTES (256ull << 20) /* 4096 regions: five map pages, the last not full */

static const uint8_t owner[16] = "abcdefghijklmno";
static const uint8_t other[16] = "bbcdefghijklmno";

static int make_file(u64 bytes)
{
	char path[] = "/tmp/sdsd-meta-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	unlink(path);
	cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static int make_formatted(u64 size_bytes)
{
	struct err err = { 0 };
	int fd = make_file(meta_file_bytes(size_bytes));

	cr_assert_eq(meta_file_format(fd, owner, "db/0", size_bytes, &err), 0, "%s", err.text);
	return fd;
}

Test(meta_file, format_and_read)
{
	static const u64 sizes[] = { 4096,
				     REPL_REGION_BYTES,
				     REPL_REGION_BYTES + 512,
				     (u64)REPL_STAMPS_PER_PAGE * REPL_REGION_BYTES,
				     SIZE_BYTES,
				     (u64)REPL_STAMPS_PER_PAGE * REPL_REGION_BYTES * 300 };

	for (size_t i = 0; i < PORT_ARRAY_SIZE(sizes); i++) {
		struct meta_file *m = malloc(sizeof(*m));
		struct err err = { 0 };
		uint8_t who[16];
		int fd = make_formatted(sizes[i]);

		cr_assert_eq(meta_file_read(fd, owner, sizes[i], m, &err), 0, "%s", err.text);
		cr_expect_eq(m->bad_pages, 0);
		cr_expect_eq(m->disk.n_hot, 0);
		cr_expect_eq(m->disk.super.size_bytes, sizes[i]);
		cr_expect_eq(m->disk.super.learner_epoch, 0);
		cr_expect_str_eq(m->disk.super.name, "db/0");
		cr_expect_eq(m->disk.stamp, m->stamp);
		cr_expect_eq(m->disk.hot, m->hot);
		for (u32 r = 0; r < meta_regions(sizes[i]); r++)
			cr_assert_eq(m->stamp[r], REPL_STAMP_FRESH, "region %u", r);
		for (u32 p = 0; p < meta_map_pages(sizes[i]); p++)
			cr_assert_eq(m->map_dirty[p], 0);
		cr_assert_eq(meta_file_owner(fd, who, &err), 0);
		cr_expect_arr_eq(who, owner, 16);
		meta_file_release(m);
		close(fd);
		free(m);
	}
}

static const struct {
	const char *name;
	int page[4]; /* overwritten with rubbish; -1: none more */
	int rv;
	const char *text; /* in the message */
	u32 bad_pages;
} damage[] = {
	{ "nothing", { -1 }, 0, "", 0 },
	{ "newer superblock", { 0, -1 }, 0, "", 0 },
	{ "older superblock", { 1, -1 }, 0, "", 0 },
	{ "both superblocks", { 0, 1, -1 }, -E_CORRUPT, "superblock", 0 },
	{ "newer hot log", { 2, -1 }, 0, "", 0 },
	{ "both hot logs", { 2, 3, -1 }, -E_CORRUPT, "hot log", 0 },
	{ "first map page", { 4, -1 }, 0, "", 1 },
	{ "last map page", { 8, -1 }, 0, "", 1 },
	{ "one of everything", { 0, 3, 5, -1 }, 0, "", 1 },
};

Test(meta_file, damage)
{
	u8 rubbish[REPL_META_PAGE];

	memset(rubbish, 0x5a, sizeof(rubbish));
	for (size_t i = 0; i < PORT_ARRAY_SIZE(damage); i++) {
		struct meta_file *m = malloc(sizeof(*m));
		struct err err = { 0 };
		int fd = make_formatted(SIZE_BYTES), rv;

		for (int k = 0; k < 4 && damage[i].page[k] >= 0; k++)
			cr_assert_eq(pwrite(fd, rubbish, sizeof(rubbish),
					    (off_t)damage[i].page[k] * REPL_META_PAGE),
				     sizeof(rubbish));
		rv = meta_file_read(fd, owner, SIZE_BYTES, m, &err);
		cr_expect_eq(rv, damage[i].rv, "row '%s': %d %s", damage[i].name, rv, err.text);
		cr_expect(strstr(err.text, damage[i].text), "row '%s': %s", damage[i].name,
			  err.text);
		cr_expect_eq(m->bad_pages, damage[i].bad_pages, "row '%s'", damage[i].name);
		for (int k = 0; rv == 0 && k < 4 && damage[i].page[k] >= 0; k++) {
			u32 first = ((u32)damage[i].page[k] - 4) * REPL_STAMPS_PER_PAGE;

			if (damage[i].page[k] >= 4)
				cr_expect_eq(m->stamp[first], REPL_STAMP_UNKNOWN, "row '%s'",
					     damage[i].name);
		}
		meta_file_release(m);
		close(fd);
		free(m);
	}
}

Test(meta_file, a_map_page_in_the_wrong_place_is_damage)
{
	struct meta_file *m = malloc(sizeof(*m));
	struct err err = { 0 };
	u8 page[REPL_META_PAGE];
	int fd = make_formatted(SIZE_BYTES);

	cr_assert_eq(pread(fd, page, sizeof(page), REPL_META_MAP_OFF(0)), sizeof(page));
	cr_assert_eq(pwrite(fd, page, sizeof(page), REPL_META_MAP_OFF(1)), sizeof(page));
	cr_assert_eq(meta_file_read(fd, owner, SIZE_BYTES, m, &err), 0);
	cr_expect_eq(m->bad_pages, 1);
	meta_file_release(m);
	close(fd);
	free(m);
}

Test(meta_file, refuses_what_is_not_its_own)
{
	struct meta_file *m = malloc(sizeof(*m));
	struct err err = { 0 };
	uint8_t who[16];
	int fd = make_formatted(SIZE_BYTES);

	cr_expect_eq(meta_file_read(fd, other, SIZE_BYTES, m, &err), -E_CORRUPT);
	cr_expect(strstr(err.text, "another replica"), "%s", err.text);
	cr_expect_eq(meta_file_read(fd, owner, SIZE_BYTES * 2, m, &err), -E_CORRUPT);
	cr_expect(strstr(err.text, "bytes"), "%s", err.text);
	close(fd);

	fd = make_file(meta_file_bytes(SIZE_BYTES));
	cr_expect_eq(meta_file_read(fd, owner, SIZE_BYTES, m, &err), -E_CORRUPT, "all zeros");
	cr_expect_eq(meta_file_owner(fd, who, &err), -E_CORRUPT);
	close(fd);

	fd = make_file(100);
	cr_expect_eq(meta_file_read(fd, owner, SIZE_BYTES, m, &err), -E_CORRUPT, "cut short");
	cr_expect_eq(meta_file_format(fd, owner, "db/0", SIZE_BYTES, &err), -ENOSPC);
	close(fd);
	free(m);
}

Test(meta_file, cut_in_the_map)
{
	struct meta_file *m = malloc(sizeof(*m));
	struct err err = { 0 };
	int fd = make_formatted(SIZE_BYTES);

	cr_assert_eq(ftruncate(fd, REPL_META_MAP_OFF(2)), 0);
	cr_expect_eq(meta_file_read(fd, owner, SIZE_BYTES, m, &err), -E_CORRUPT);
	cr_expect(strstr(err.text, "cut short"), "%s", err.text);
	close(fd);
	free(m);
}

Test(meta_file, formatting_again_takes_everything_along)
{
	struct meta_file *m = malloc(sizeof(*m));
	struct err err = { 0 };
	int fd = make_formatted(SIZE_BYTES);

	cr_assert_eq(meta_file_format(fd, other, "x", 4096, &err), 0);
	cr_expect_eq(meta_file_read(fd, owner, SIZE_BYTES, m, &err), -E_CORRUPT);
	cr_expect_eq(meta_file_read(fd, other, 4096, m, &err), 0);
	meta_file_release(m);
	close(fd);
	free(m);
}

Test(meta_file, read_only_file)
{
	struct err err = { 0 };
	int fd = make_formatted(SIZE_BYTES), ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(ro, 0);
	cr_expect_eq(meta_file_format(ro, owner, "db", SIZE_BYTES, &err), -EBADF);
	cr_expect(strstr(err.text, "cannot write metadata"), "%s", err.text);
	close(ro);
	close(fd);
}
