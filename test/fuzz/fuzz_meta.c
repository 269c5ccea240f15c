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

enum { SEAL_A = 1, SEAL_B = 2, BASE_LABEL = 4, BASE_HOT = 8 }; /* LABEL and HOT: the state */

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
	struct meta_label l = { .generation = 5, .name = "db", .size_bytes = 1u << 26 };
	struct meta_state s = { .generation = 5,
				.n_voids = 2,
				.voids = { { 1, 2, 3 }, { 4, 5, 6 } } };
	u32 changes = input_u8(in) % 64;

	memset(p, 0, REPL_META_PAGE);
	if ((how & BASE_LABEL) && (how & BASE_HOT))
		meta_put_state(p, &s);
	else if (how & BASE_LABEL)
		meta_put_label(p, &l);
	else if (how & BASE_HOT)
		meta_put_hot(p, 9, extents, PORT_ARRAY_SIZE(extents));
	for (u32 i = 0; i < changes && in->left > 0; i++) {
		u32 at = (u32)input_take(in, 2) % REPL_META_PAGE;

		p[at] = input_u8(in);
	}
}

static void labels(void)
{
	struct meta_label l, t;
	u8 again[REPL_META_PAGE];
	int copy = -1;

	meta_get_label(page[0], &l);
	if (meta_pick_label(page[0], page[1], &l, &copy) < 0)
		return;
	FUZZ_CHECK(copy == 0 || copy == 1);
	FUZZ_CHECK(l.number < REPL_VOLUMES_MAX && l.size_bytes <= REPL_VOLUME_BYTES_MAX);
	FUZZ_CHECK(memchr(l.name, 0, sizeof(l.name)) && memchr(l.node, 0, sizeof(l.node)));
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		FUZZ_CHECK(memchr(l.peer[s], 0, sizeof(l.peer[s])));
	meta_put_label(again, &l);
	FUZZ_CHECK(meta_get_label(again, &t) == 0);
	FUZZ_CHECK(l.generation == t.generation && l.size_bytes == t.size_bytes);
	FUZZ_CHECK(l.number == t.number && l.slot == t.slot);
	FUZZ_CHECK(strcmp(l.name, t.name) == 0 && memcmp(l.replica, t.replica, 16) == 0);
}

static void states(void)
{
	struct meta_state s, t;
	u8 again[REPL_META_PAGE];
	int copy = -1;

	meta_get_state(page[0], &s);
	if (meta_pick_state(page[0], page[1], &s, &copy) < 0)
		return;
	FUZZ_CHECK((copy == 0 || copy == 1) && s.n_voids <= META_VOIDS_MAX);
	meta_put_state(again, &s);
	FUZZ_CHECK(meta_get_state(again, &t) == 0);
	FUZZ_CHECK(s.generation == t.generation && s.attached == t.attached);
	FUZZ_CHECK(s.epoch == t.epoch && s.learner_epoch == t.learner_epoch);
	FUZZ_CHECK(memcmp(s.voids, t.voids, sizeof(s.voids)) == 0);
	meta_void_add(&s, 5, 9);
	FUZZ_CHECK(s.n_voids <= META_VOIDS_MAX);
	FUZZ_CHECK(meta_void_apply(&s, 0, 7) == REPL_STAMP_UNKNOWN);
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

static void maps(u32 number)
{
	u32 *stamp = malloc(REPL_STAMPS_PER_PAGE * sizeof(*stamp)); /* exactly: more is seen */
	u32 seen;

	FUZZ_CHECK(stamp);
	meta_get_map(page[0], number, &seen, stamp);
	free(stamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	u8 how = input_u8(&in);
	u32 number = (u32)input_take(&in, 2);

	fill(&in, page[0], how);
	fill(&in, page[1], how >> 4);
	if (how & SEAL_A)
		seal(page[0]);
	if (how & SEAL_B)
		seal(page[1]);
	labels();
	states();
	hots();
	maps(number);
	return 0;
}
