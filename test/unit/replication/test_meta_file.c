// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/meta_file.c on real files: format, grow and read back,
 * what is said when pages are damaged, and when metadata is older than this
 * node remembers.
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

static const struct meta_label label = {
	.replica = "abcdefghijklmno",
	.name = "db",
	.node = "n1",
	.size_bytes = SIZE_BYTES,
};

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
	struct meta_label l = label;
	struct err err = { 0 };
	int fd = make_file(meta_file_bytes(size_bytes));

	l.size_bytes = size_bytes;
	cr_assert_eq(meta_file_format(fd, &l, REPL_STAMP_FRESH, &err), 0, "%s", err.text);
	return fd;
}

static u32 stamp_at(int fd, u32 region)
{
	u32 stamp[REPL_STAMPS_PER_PAGE], seen;
	u8 page[REPL_META_PAGE];
	u32 number = region / REPL_STAMPS_PER_PAGE;

	cr_assert_eq(pread(fd, page, sizeof(page), (off_t)REPL_META_MAP_OFF(number)), sizeof(page));
	cr_assert_eq(meta_get_map(page, number, &seen, stamp), 0);
	return stamp[region % REPL_STAMPS_PER_PAGE];
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
		struct meta_label l;
		struct err err = { 0 };
		int fd = make_formatted(sizes[i]);

		cr_assert_eq(meta_file_label(fd, &l, &err), 0, "%s", err.text);
		cr_expect_eq(l.size_bytes, sizes[i]);
		cr_expect_str_eq(l.name, "db");
		cr_expect_arr_eq(l.replica, label.replica, 16);
		cr_assert_eq(meta_file_attach(fd, NULL, m, &err), 0, "%s", err.text);
		cr_expect_eq(m->disk.n_hot, 0);
		cr_expect_eq(m->disk.state.learner_epoch, 0);
		cr_expect_eq(m->disk.state.attached, 1);
		cr_expect_eq(m->disk.hot, m->hot);
		for (u32 r = 0; r < meta_regions(sizes[i]); r += 97)
			cr_assert_eq(stamp_at(fd, r), REPL_STAMP_FRESH, "region %u", r);
		close(fd);
		free(m);
	}
}

Test(meta_file, growing)
{
	struct meta_label l = label, got;
	struct err err = { 0 };
	int fd = make_formatted(SIZE_BYTES);

	l.size_bytes = 3 * SIZE_BYTES;
	cr_expect_eq(meta_file_grow(fd, &l, &err), -ENOSPC, "the device itself grows first");
	cr_assert_eq(ftruncate(fd, (off_t)meta_file_bytes(l.size_bytes)), 0);
	for (int again = 0; again < 2; again++) {
		cr_assert_eq(meta_file_grow(fd, &l, &err), 0, "%s", err.text);
		cr_assert_eq(meta_file_label(fd, &got, &err), 0);
		cr_expect_eq(got.size_bytes, l.size_bytes);
		for (u32 r = 0; r < meta_regions(l.size_bytes); r += 97)
			cr_assert_eq(stamp_at(fd, r), REPL_STAMP_FRESH, "region %u", r);
	}
	l.size_bytes = SIZE_BYTES;
	cr_expect_eq(meta_file_grow(fd, &l, &err), -E_INVALID);
	cr_expect(strstr(err.text, "smaller"), "%s", err.text);
	l.size_bytes = 4 * SIZE_BYTES;
	l.replica[0] ^= 1;
	cr_expect_eq(meta_file_grow(fd, &l, &err), -E_CORRUPT);
	cr_assert_eq(meta_file_label(fd, &got, &err), 0);
	cr_expect_eq(got.size_bytes, 3 * SIZE_BYTES);
	close(fd);
}

Test(meta_file, names_of_the_other_copies)
{
	char peer[REPL_SLOTS_MAX][META_NAME_MAX] = { "", "n2", "n3" };
	struct meta_label first, second;
	struct err err = { 0 };
	int fd = make_formatted(SIZE_BYTES);

	cr_assert_eq(meta_file_name_peers(fd, peer, &err), 0, "%s", err.text);
	cr_assert_eq(meta_file_label(fd, &first, &err), 0);
	cr_expect_str_eq(first.peer[2], "n3");
	cr_assert_eq(meta_file_name_peers(fd, peer, &err), 0);
	cr_assert_eq(meta_file_label(fd, &second, &err), 0);
	cr_expect_eq(second.generation, first.generation, "nothing new, nothing written");
	close(fd);
}

static const struct {
	const char *name;
	int page[4];       /* overwritten with rubbish; -1: none more */
	int label, attach; /* codes */
	const char *text;  /* in the message */
} damage[] = {
	{ "nothing", { -1 }, 0, 0, "" },
	{ "newer label", { 0, -1 }, 0, 0, "" },
	{ "older label", { 1, -1 }, 0, 0, "" },
	{ "both labels", { 0, 1, -1 }, -E_CORRUPT, 0, "label" },
	{ "newer state", { 2, -1 }, 0, 0, "" },
	{ "both states", { 2, 3, -1 }, 0, -E_CORRUPT, "state" },
	{ "newer hot log", { 4, -1 }, 0, 0, "" },
	{ "both hot logs", { 4, 5, -1 }, 0, -E_CORRUPT, "hot log" },
	{ "one of everything", { 0, 3, 5, -1 }, 0, 0, "" },
};

Test(meta_file, damage)
{
	u8 rubbish[REPL_META_PAGE];

	memset(rubbish, 0x5a, sizeof(rubbish));
	for (size_t i = 0; i < PORT_ARRAY_SIZE(damage); i++) {
		struct meta_file *m = malloc(sizeof(*m));
		struct err err = { 0 };
		struct meta_label l;
		int fd = make_formatted(SIZE_BYTES);

		for (int k = 0; k < 4 && damage[i].page[k] >= 0; k++)
			cr_assert_eq(pwrite(fd, rubbish, sizeof(rubbish),
					    (off_t)damage[i].page[k] * REPL_META_PAGE),
				     sizeof(rubbish));
		cr_expect_eq(meta_file_label(fd, &l, &err), damage[i].label, "row '%s': %s",
			     damage[i].name, err.text);
		if (!damage[i].label)
			cr_expect_eq(meta_file_attach(fd, NULL, m, &err), damage[i].attach,
				     "row '%s': %s", damage[i].name, err.text);
		cr_expect(strstr(err.text, damage[i].text), "row '%s': %s", damage[i].name,
			  err.text);
		close(fd);
		free(m);
	}
}

Test(meta_file, refuses_what_is_none)
{
	struct meta_file *m = malloc(sizeof(*m));
	struct err err = { 0 };
	struct meta_label l;
	int fd = make_file(meta_file_bytes(SIZE_BYTES));

	cr_expect_eq(meta_file_attach(fd, NULL, m, &err), -E_CORRUPT, "all zeros");
	cr_expect_eq(meta_file_label(fd, &l, &err), -E_CORRUPT);
	close(fd);
	fd = make_file(100);
	cr_expect_eq(meta_file_attach(fd, NULL, m, &err), -E_CORRUPT, "cut short");
	cr_expect(strstr(err.text, "cut short"), "%s", err.text);
	cr_expect_eq(meta_file_format(fd, &label, REPL_STAMP_FRESH, &err), -ENOSPC);
	close(fd);
	fd = make_formatted(SIZE_BYTES);
	cr_expect_eq(meta_file_whole(fd, &label, &err), 0);
	cr_assert_eq(ftruncate(fd, (off_t)meta_file_bytes(SIZE_BYTES) - 1), 0);
	cr_expect_eq(meta_file_whole(fd, &label, &err), -E_CORRUPT);
	cr_expect(strstr(err.text, "cut short"), "%s", err.text);
	close(fd);
	free(m);
}

Test(meta_file, metadata_put_back_from_a_backup)
{
	struct meta_file *m = malloc(sizeof(*m));
	u8 backup[REPL_META_HEAD_PAGES * REPL_META_PAGE];
	struct err err = { 0 };
	char dir[] = "/tmp/sdsd-mark-XXXXXX", mark[80];
	int fd = make_formatted(SIZE_BYTES);

	cr_assert(mkdtemp(dir));
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	cr_assert_eq(meta_file_attach(fd, mark, m, &err), 0, "%s", err.text);
	cr_assert_eq(pread(fd, backup, sizeof(backup), 0), sizeof(backup));
	for (u64 n = 2; n < 5; n++) {
		cr_assert_eq(meta_file_attach(fd, mark, m, &err), 0, "%s", err.text);
		cr_expect_eq(m->disk.state.attached, n);
	}
	cr_assert_eq(pwrite(fd, backup, sizeof(backup), 0), sizeof(backup));
	cr_expect_eq(meta_file_attach(fd, mark, m, &err), -E_CORRUPT);
	cr_expect(strstr(err.text, "attached 1 times, this node remembers 4"), "%s", err.text);
	cr_expect(strstr(err.text, mark), "it says what to do: %s", err.text);
	cr_assert_eq(unlink(mark), 0);
	cr_expect_eq(meta_file_attach(fd, mark, m, &err), 0, "the administrator's word");
	close(fd);
	free(m);
	unlink(mark);
	rmdir(dir);
}

/* What a born volume grows by is zeros, also on the page of the map where it ended. */
Test(meta_file, born_and_grown)
{
	const u64 size = 1000ull * REPL_REGION_BYTES, grown = 2000ull * REPL_REGION_BYTES;
	struct meta_label l = label;
	struct err err = { 0 };
	int fd = make_file(meta_file_bytes(grown));

	l.size_bytes = size;
	cr_assert_eq(meta_file_format(fd, &l, 2, &err), 0, "%s", err.text);
	cr_expect_eq(stamp_at(fd, 0), 2);
	cr_expect_eq(stamp_at(fd, 999), 2);
	cr_expect_eq(stamp_at(fd, 1000), REPL_STAMP_FRESH);
	l.size_bytes = grown;
	cr_assert_eq(meta_file_grow(fd, &l, &err), 0, "%s", err.text);
	cr_expect_eq(stamp_at(fd, 999), 2);
	cr_expect_eq(stamp_at(fd, 1000), REPL_STAMP_FRESH);
	cr_expect_eq(stamp_at(fd, 1999), REPL_STAMP_FRESH);
	close(fd);
}

Test(meta_file, formatting_again_takes_everything_along)
{
	struct meta_label l = { .replica = "other", .size_bytes = 4096 }, got;
	struct err err = { 0 };
	int fd = make_formatted(SIZE_BYTES);

	cr_assert_eq(meta_file_format(fd, &l, REPL_STAMP_FRESH, &err), 0);
	cr_assert_eq(meta_file_label(fd, &got, &err), 0);
	cr_expect_arr_eq(got.replica, l.replica, 16);
	close(fd);
}

Test(meta_file, read_only_file)
{
	struct err err = { 0 };
	int fd = make_formatted(SIZE_BYTES), ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(ro, 0);
	cr_expect_eq(meta_file_format(ro, &label, REPL_STAMP_FRESH, &err), -EBADF);
	cr_expect(strstr(err.text, "cannot write metadata"), "%s", err.text);
	close(ro);
	close(fd);
}

Test(meta_file, regions_made_unknown)
{
	const u32 last = (u32)(SIZE_BYTES / REPL_REGION_BYTES) - 1;
	const u32 regions[] = { 3, REPL_STAMPS_PER_PAGE, last, last + 1, 0xffffffff };
	int fd = make_formatted(SIZE_BYTES);
	struct err err = { 0 };
	u8 page[REPL_META_PAGE] = { 1 };

	for (int i = 0; i < 2; i++) /* repeatable */
		cr_assert_eq(meta_file_void(fd, regions, PORT_ARRAY_SIZE(regions), false, &err), 0,
			     "%s", err.text);
	for (u32 i = 0; i <= last; i++)
		cr_expect_eq(stamp_at(fd, i),
			     i == 3 || i == REPL_STAMPS_PER_PAGE || i == last ? 0
									      : REPL_STAMP_FRESH,
			     "region %u", i);
	/* a page that is damaged has none that could be trusted */
	cr_assert_eq(pwrite(fd, page, sizeof(page), (off_t)REPL_META_MAP_OFF(0)), sizeof(page));
	cr_assert_eq(meta_file_void(fd, regions, 1, false, &err), 0, "%s", err.text);
	cr_expect_eq(stamp_at(fd, 0), 0);
	cr_expect_eq(stamp_at(fd, REPL_STAMPS_PER_PAGE + 1), REPL_STAMP_FRESH);
	cr_assert_eq(meta_file_void(fd, NULL, 0, true, &err), 0, "%s", err.text);
	for (u32 i = 0; i <= last; i++)
		cr_expect_eq(stamp_at(fd, i), 0, "region %u", i);
	close(fd);
	fd = make_file(meta_file_bytes(SIZE_BYTES));
	cr_expect_eq(meta_file_void(fd, regions, 1, false, &err), -E_CORRUPT, "no metadata");
	close(fd);
}

/* What was voided by a learner's session stays so: the page says as before what it has seen. */
Test(meta_file, unknown_regions_and_voids)
{
	int fd = make_formatted(SIZE_BYTES);
	u32 stamp[REPL_STAMPS_PER_PAGE], seen;
	const u32 region = 7;
	u8 page[REPL_META_PAGE];
	struct err err = { 0 };

	for (u32 i = 0; i < REPL_STAMPS_PER_PAGE; i++)
		stamp[i] = 5;
	meta_put_map(page, 0, 2, stamp);
	cr_assert_eq(pwrite(fd, page, sizeof(page), (off_t)REPL_META_MAP_OFF(0)), sizeof(page));
	cr_assert_eq(meta_file_void(fd, &region, 1, false, &err), 0, "%s", err.text);
	cr_assert_eq(pread(fd, page, sizeof(page), (off_t)REPL_META_MAP_OFF(0)), sizeof(page));
	cr_assert_eq(meta_get_map(page, 0, &seen, stamp), 0);
	cr_expect_eq(seen, 2);
	cr_expect_eq(stamp[6], 5);
	cr_expect_eq(stamp[7], 0);
	close(fd);
}
