// SPDX-License-Identifier: GPL-2.0-or-later
/* test_cursor.c - fields in and out, and the sticky error at every length. */
#include "shared/cursor.h"

#include <criterion/criterion.h>

TestSuite(cursor, .timeout = 60);

Test(cursor, fields_are_little_endian_and_come_back)
{
	static const struct {
		u64 value;
		u32 bytes;
	} rows[] = {
		{ 0, 1 },          { 0xff, 1 },  { 0x1234, 2 },
		{ 0xdeadbeef, 4 }, { ~0ull, 8 }, { 0x0123456789abcdefull, 8 },
	};
	u8 area[64];
	struct cursor c;

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		cursor_init(&c, area, sizeof(area));
		cursor_put(&c, rows[i].value, rows[i].bytes);
		cr_expect_eq(c.left, sizeof(area) - rows[i].bytes);
		for (u32 b = 0; b < rows[i].bytes; b++)
			cr_expect_eq(area[b], (u8)(rows[i].value >> (8 * b)), "row %zu", i);
		cursor_init(&c, area, sizeof(area));
		cr_expect_eq(cursor_get(&c, rows[i].bytes), rows[i].value, "row %zu", i);
		cr_expect_not(c.bad);
	}
}

Test(cursor, a_field_that_does_not_fit_touches_nothing)
{
	static const u32 sizes[] = { 1, 2, 4, 8 };

	for (size_t i = 0; i < PORT_ARRAY_SIZE(sizes); i++)
		for (size_t room = 0; room < 10; room++) {
			u8 area[10];
			struct cursor c;

			memset(area, 0xa5, sizeof(area));
			cursor_init(&c, area, room);
			cursor_put(&c, 0, sizes[i]);
			cr_expect_eq(c.bad, sizes[i] > room);
			for (size_t b = c.bad ? 0 : sizes[i]; b < sizeof(area); b++)
				cr_expect_eq(area[b], 0xa5, "size %u room %zu", sizes[i], room);
			cursor_init(&c, area, room);
			cr_expect(cursor_get(&c, sizes[i]) == 0 || sizes[i] <= room);
			cr_expect_eq(c.bad, sizes[i] > room);
		}
}

Test(cursor, words_are_fields_of_four_bytes)
{
	static const u32 value[3] = { 1, 0xdeadbeef, 0x01020304 };
	u8 one_by_one[12], area[16];
	u32 out[3] = { 9, 9, 9 };
	struct cursor c;

	cursor_init(&c, one_by_one, sizeof(one_by_one));
	for (u32 i = 0; i < 3; i++)
		cursor_put(&c, value[i], 4);
	cursor_init(&c, area, sizeof(area));
	cursor_put_words(&c, value, 3);
	cr_expect_eq(c.left, sizeof(area) - sizeof(one_by_one));
	cr_expect_eq(memcmp(area, one_by_one, sizeof(one_by_one)), 0);
	cursor_init(&c, area, sizeof(area));
	cursor_get_words(&c, out, 3);
	cr_expect_eq(memcmp(out, value, sizeof(value)), 0);
	cursor_get_words(&c, out, 2);
	cr_expect(c.bad);
	cr_expect_eq(out[0] | out[1], 0, "what was not read is zero");
	cr_expect_eq(out[2], value[2]);
	memset(area, 0xa5, sizeof(area));
	cursor_init(&c, area, 11);
	cursor_put_words(&c, value, 3);
	cr_expect(c.bad);
	cr_expect_eq(area[0], 0xa5, "all of them or none");
	cursor_init(&c, area, sizeof(area));
	cursor_put_words(&c, NULL, 0);
	cr_expect_not(c.bad);
}

Test(cursor, the_error_is_sticky)
{
	u8 area[4] = { 1, 2, 3, 4 }, out[4] = { 9, 9, 9, 9 };
	struct cursor c;

	cursor_init(&c, area, sizeof(area));
	cr_expect_eq(cursor_get(&c, 8), 0);
	cr_expect(c.bad);
	cr_expect_eq(cursor_get(&c, 1), 0, "would fit, but the record is lost already");
	cursor_get_bytes(&c, out, 2);
	cr_expect_eq(out[0] | out[1], 0, "what was not read is zero");
	cr_expect_eq(out[2], 9);
	cursor_put(&c, 7, 1);
	cursor_put_bytes(&c, "xy", 2);
	cr_expect_eq(area[0], 1);
	cr_expect_eq(c.left, 4);
}

Test(cursor, bytes_fill_exactly_the_room)
{
	u8 area[6] = { 0 }, out[6];
	struct cursor c;

	cursor_init(&c, area, 5);
	cursor_put_bytes(&c, "hello", 5);
	cr_expect_not(c.bad);
	cr_expect_eq(c.left, 0);
	cursor_put_bytes(&c, "", 0);
	cr_expect_not(c.bad, "nothing fits into nothing");
	cursor_put(&c, 1, 1);
	cr_expect(c.bad);
	cr_expect_eq(area[5], 0);
	cursor_init(&c, area, 5);
	cursor_get_bytes(&c, out, 5);
	cr_expect_arr_eq(out, "hello", 5);
}
