// SPDX-License-Identifier: GPL-2.0-or-later
/* test_crc32c.c - the published test vectors (RFC 3720 B.4), pieces, and single-bit errors. */
#include "shared/crc32c.h"

#include <criterion/criterion.h>

TestSuite(crc32c, .timeout = 60);

static u8 data[48];

static void fill(const char *how)
{
	static const u8 read10[48] = {
		[0] = 0x01,  [1] = 0xc0,  [16] = 0x14, [22] = 0x04,
		[27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
	};

	for (u8 i = 0; i < 32; i++)
		data[i] = how[0] == '0' ? 0 : how[0] == 'f' ? 0xff : how[0] == '+' ? i : 31 - i;
	if (how[0] == 's')
		memcpy(data, read10, sizeof(data));
}

Test(crc32c, known_vectors)
{
	static const struct {
		const char *name;
		size_t len;
		u32 crc;
	} rows[] = {
		{ "0 zeros", 32, 0x8a9136aa },   { "ff ones", 32, 0x62a8ab43 },
		{ "+ rising", 32, 0x46dd794e },  { "- falling", 32, 0x113fdb5c },
		{ "scsi read", 48, 0xd9963a56 },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		fill(rows[i].name);
		cr_expect_eq(shared_crc32c(0, data, rows[i].len), rows[i].crc, "%s", rows[i].name);
	}
	cr_expect_eq(shared_crc32c(0, "123456789", 9), 0xe3069283);
	cr_expect_eq(shared_crc32c(0, "", 0), 0);
}

Test(crc32c, pieces_make_the_whole)
{
	u32 whole;

	fill("+");
	whole = shared_crc32c(0, data, 32);
	for (size_t cut = 0; cut <= 32; cut++)
		cr_expect_eq(shared_crc32c(shared_crc32c(0, data, cut), data + cut, 32 - cut),
			     whole, "cut at %zu", cut);
}

Test(crc32c, every_flipped_bit_shows)
{
	u32 whole;

	fill("-");
	whole = shared_crc32c(0, data, 32);
	for (u32 bit = 0; bit < 256; bit++) {
		data[bit / 8] ^= (u8)(1u << (bit % 8));
		cr_expect_neq(shared_crc32c(0, data, 32), whole, "bit %u", bit);
		data[bit / 8] ^= (u8)(1u << (bit % 8));
	}
}

/* as the polynomial says it, a bit at a time */
static u32 by_bits(const u8 *p, size_t len)
{
	u32 crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

Test(crc32c, every_length_from_every_place)
{
	u8 bytes[64 + 8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(i * 167 + 13);
	for (size_t from = 0; from < 8; from++)
		for (size_t len = 0; len <= 64; len++)
			cr_expect_eq(shared_crc32c(0, bytes + from, len),
				     by_bits(bytes + from, len), "%zu bytes from %zu", len, from);
}
