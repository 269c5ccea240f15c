// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_meta.c - the metadata pages of a copy, as a disk may give them back:
 * the first byte says which of the two pages get a right checksum, so that the
 * checks behind it are reached too. What is picked can be written and read
 * again, the same.
 */
#include "fuzz/fuzz.h"

#include "replication/core/meta.h"
#include "shared/crc32c.h"
#include "shared/cursor.h"

#define CRC_AT 12u /* docs/ondisk.md: computed with zeros here */

enum { SEAL_A = 1, SEAL_B = 2, BASE_SUPER = 4, BASE_HOT = 8 };

static u8 page[2][REPL_META_PAGE];

static void seal(u8 *p)
{
	struct cursor c;

	memset(p + CRC_AT, 0, 4);
	cursor_init(&c, p + CRC_AT, 4);
	cursor_put(&c, shared_crc32c(0, p, REPL_META_PAGE), 4);
}

/* a good page, then changes of it: offset, bytes */
static void fill(struct input *in, u8 *p, u8 how)
{
	static const u32 extents[] = { 0, 7, 1023 };
	struct meta_super s = { .generation = 5, .name = "db-0", .size_bytes = 1u << 26 };
	u32 changes = input_u8(in) % 64;

	memset(p, 0, REPL_META_PAGE);
	if (how & BASE_SUPER)
		meta_put_super(p, &s);
	else if (how & BASE_HOT)
		meta_put_hot(p, 9, extents, PORT_ARRAY_SIZE(extents));
	for (u32 i = 0; i < changes && in->left > 0; i++) {
		u32 at = (u32)input_take(in, 2) % REPL_META_PAGE;

		p[at] = input_u8(in);
	}
}

static void supers(void)
{
	struct meta_super s, t;
	u8 again[REPL_META_PAGE];
	int copy = -1;

	meta_get_super(page[0], &s);
	if (meta_pick_super(page[0], page[1], &s, &copy) < 0)
		return;
	FUZZ_CHECK(copy == 0 || copy == 1);
	FUZZ_CHECK(memchr(s.name, 0, sizeof(s.name)));
	meta_put_super(again, &s);
	FUZZ_CHECK(meta_get_super(again, &t) == 0);
	FUZZ_CHECK(s.generation == t.generation && s.size_bytes == t.size_bytes);
	FUZZ_CHECK(s.epoch == t.epoch && s.learner_epoch == t.learner_epoch);
	FUZZ_CHECK(strcmp(s.name, t.name) == 0 && memcmp(s.replica, t.replica, 16) == 0);
}

static void hots(void)
{
	u32 *extent = malloc(REPL_HOT_MAX * sizeof(*extent));
	u32 *twice = malloc(REPL_HOT_MAX * sizeof(*twice));
	u64 generation, generation2;
	u8 again[REPL_META_PAGE];
	u32 n, n2;
	int copy = -1;

	FUZZ_CHECK(extent && twice);
	meta_get_hot(page[0], &generation, extent, &n);
	if (meta_pick_hot(page[0], page[1], &generation, extent, &n, &copy) == 0) {
		FUZZ_CHECK((copy == 0 || copy == 1) && n <= REPL_HOT_MAX);
		meta_put_hot(again, generation, extent, n);
		FUZZ_CHECK(meta_get_hot(again, &generation2, twice, &n2) == 0);
		FUZZ_CHECK(generation == generation2 && n == n2);
		FUZZ_CHECK(memcmp(extent, twice, n * sizeof(*extent)) == 0);
	}
	free(extent);
	free(twice);
}

static void maps(u32 number, u32 n)
{
	u32 *stamp = malloc(n * sizeof(*stamp) + 1); /* exactly: more is seen */

	FUZZ_CHECK(stamp);
	meta_get_map(page[0], number, stamp, n);
	free(stamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	u8 how = input_u8(&in);
	u32 number = (u32)input_take(&in, 2);
	u32 n = (u32)input_take(&in, 2) % (REPL_STAMPS_PER_PAGE + 1);

	fill(&in, page[0], how);
	fill(&in, page[1], how >> 4);
	if (how & SEAL_A)
		seal(page[0]);
	if (how & SEAL_B)
		seal(page[1]);
	supers();
	hots();
	maps(number, n);
	return 0;
}
