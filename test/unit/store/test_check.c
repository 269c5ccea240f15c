// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_check.c - damaged files: cut anywhere, any page overwritten, any bit
 * flipped. Opening must end with the data as it was, or with -E_CORRUPT and a
 * sentence; never with a crash or different data.
 */
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>

#include "store/check.h"

#define DOCS 300
#define FLIPS 4000
#define FLIP_OPENS 400 /* of them, so many are also opened when the check lets them pass */

static char dir[64], path[128];
static uint8_t *image;
static size_t image_len;

static void read_image(void)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	image_len = (size_t)st.st_size;
	image = malloc(image_len);
	cr_assert_eq(read(fd, image, image_len), (ssize_t)image_len);
	close(fd);
}

/* A store with long values, several levels, free pages. */
static void setup(void)
{
	struct store *s = scratch_open(scratch_make(dir), 0);
	char pad[6001] = "", key[64], id[32];

	memset(pad, 'p', 6000);
	for (int i = 1; i <= DOCS; i++) {
		struct txn *t;
		json *doc = scratch_doc(i);

		snprintf(id, sizeof(id), "request-%d", i);
		t = txn_new(id, "");
		if (i % 20 == 0)
			jset_str(doc, "pad", pad);
		snprintf(key, sizeof(key), "volumes/some-longer-name-%03d/%d", i % 150, i);
		txn_put(t, key, doc);
		txn_answer(t, scratch_doc(i));
		scratch_apply(s, (uint64_t)i, t);
	}
	store_close(s);
	snprintf(path, sizeof(path), "%s/store.mdb", dir);
	read_image();
}

static void teardown(void)
{
	free(image);
	scratch_remove(dir);
	test_no_leaks();
}

TestSuite(check, .init = setup, .fini = teardown, .timeout = 300);

static void write_image(const uint8_t *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static int sum(const char *key, json *doc, uint64_t revision, void *arg)
{
	*(int64_t *)arg += jget_i64_or(doc, "n", 0);
	return 0;
}

/* 0 when the content is the one of setup; else the error of opening */
static int open_and_compare(struct err *err)
{
	struct store *s = NULL;
	int64_t total = 0;
	int rv;

	rv = store_open(dir, 0, &s, err);
	if (rv < 0)
		return rv;
	cr_expect_eq(store_list(s, "", sum, &total), 0);
	cr_expect_eq(total, (int64_t)DOCS * (DOCS + 1) / 2);
	cr_expect_eq(store_applied(s), DOCS);
	/* the free list was right, too: writing harms nothing */
	scratch_put(s, DOCS + 1, "volumes/new/1", 1);
	store_close(s);
	s = NULL;
	rv = store_open(dir, 0, &s, err);
	cr_expect_eq(rv, 0, "%s", err->text);
	if (rv == 0)
		store_close(s);
	return rv;
}

Test(check, whole_missing_and_empty_files_pass)
{
	struct err err = { 0 };

	cr_expect_eq(check_file(path, &err), 0, "%s", err.text);
	cr_expect_eq(open_and_compare(&err), 0);
	write_image(image, 0);
	cr_expect_eq(check_file(path, &err), 0);
	remove(path);
	cr_expect_eq(check_file(path, &err), 0);
}

Test(check, cut_anywhere)
{
	for (size_t len = 1; len < image_len; len += len < 9000 ? 97 : 4096) {
		struct err err = { 0 };
		int rv;

		write_image(image, len);
		rv = open_and_compare(&err);
		if (rv == 0)
			continue; /* only free pages were cut */
		cr_expect_eq(rv, -E_CORRUPT, "cut at %zu: %d %s", len, rv, err.text);
		cr_expect(strstr(err.text, "store.mdb"), "%s", err.text);
		cr_expect(strstr(err.text, "join again"), "%s", err.text);
	}
}

Test(check, each_page_overwritten)
{
	uint8_t *copy = malloc(image_len);
	static const int fills[] = { 0, 0xff, 0x5a };
	int refused = 0;

	for (size_t at = 0; at < image_len; at += 4096) {
		for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
			struct err err = { 0 };
			int rv;

			memcpy(copy, image, image_len);
			memset(copy + at, fills[i], 4096);
			write_image(copy, image_len);
			rv = open_and_compare(&err);
			cr_expect(rv == 0 || rv == -E_CORRUPT, "page %zu: %d %s", at / 4096, rv,
				  err.text);
			refused += rv != 0;
		}
	}
	cr_expect_gt(refused, 30);
	free(copy);
}

Test(check, flipped_bits)
{
	uint32_t seed = 12345;
	int opened = 0, refused = 0;

	for (int i = 0; i < FLIPS; i++) {
		struct err err = { 0 };
		size_t at;
		int fd, rv;

		seed = seed * 1664525 + 1013904223;
		at = seed % image_len;
		if (i < 2 * 16 * 16) /* all of both meta pages' heads */
			at = (size_t)(i % 256) + (i >= 256 ? 4096 : 0);
		if (i == 0)
			write_image(image, image_len);
		fd = open(path, O_WRONLY);
		image[at] ^= (uint8_t)(1u << (seed >> 29));
		cr_assert_eq(pwrite(fd, image + at, 1, (off_t)at), 1);
		rv = check_file(path, &err);
		cr_expect(rv == 0 || rv == -E_CORRUPT, "byte %zu: %d %s", at, rv, err.text);
		refused += rv != 0;
		if (rv == 0 && opened < FLIP_OPENS) {
			opened++;
			rv = open_and_compare(&err);
			cr_expect(rv == 0 || rv == -E_CORRUPT, "byte %zu: %d %s", at, rv, err.text);
			image[at] ^= (uint8_t)(1u << (seed >> 29));
			write_image(image, image_len);
		} else {
			image[at] ^= (uint8_t)(1u << (seed >> 29));
			cr_assert_eq(pwrite(fd, image + at, 1, (off_t)at), 1);
		}
		close(fd);
	}
	cr_expect_gt(refused, 100);
}

Test(check, another_file_or_newer_format)
{
	struct err err = { 0 };
	struct store *s = NULL;

	write_image((const uint8_t *)"hello, this is not a database\n", 30);
	cr_expect_eq(store_open(dir, 0, &s, &err), -E_CORRUPT);
	cr_expect(strstr(err.text, "store.mdb"), "%s", err.text);
	cr_expect_null(s);
}
