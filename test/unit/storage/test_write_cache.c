// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_write_cache.c - the first blocks of a write cache: which are taken for one. What the kernel
 * does with them is in test/vm/case_storage_cache.py.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "storage/write_cache.h"

#define ROOM (32ull << 20)

Test(write_cache, labels)
{
	struct storage_volume a = { .owner = { 1 }, .volume = { 2 } }, b = a;
	uint8_t one[WRITE_CACHE_BLOCK], other[WRITE_CACHE_BLOCK];

	write_cache_label(&a, one);
	write_cache_label(&b, other);
	cr_expect_arr_eq(one, other, WRITE_CACHE_BLOCK);
	cr_expect(memcmp(one, "sdsdwcache", 10) == 0);
	for (int i = 0; i < 16; i++) {
		b = a;
		b.owner[i] ^= 1;
		write_cache_label(&b, other);
		cr_expect_neq(memcmp(one, other, WRITE_CACHE_BLOCK), 0, "owner %d", i);
		b = a;
		b.volume[i] ^= 1;
		write_cache_label(&b, other);
		cr_expect_neq(memcmp(one, other, WRITE_CACHE_BLOCK), 0, "volume %d", i);
	}
}

static void put(uint8_t *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* as Linux 6.1 writes it */
static void superblock(uint8_t out[WRITE_CACHE_BLOCK])
{
	memset(out, 0, WRITE_CACHE_BLOCK);
	put(out, 0x23489321, 4);
	put(out + 4, 1, 4);
	put(out + 8, 4096, 4);
	put(out + 16, 8000, 8);
	put(out + 24, 77, 8);
}

Test(write_cache, superblocks)
{
	static const struct {
		const char *what;
		int at, bytes;
		uint64_t value;
		bool ok;
	} rows[] = {
		{ "whole", 0, 4, 0x23489321, true },
		{ "another sequence", 24, 8, 1ull << 40, true },
		{ "no magic", 0, 4, 0, false },
		{ "another magic", 0, 4, 0x23489320, false },
		{ "version 2", 4, 4, 2, false },
		{ "blocks of 512", 8, 4, 512, false },
		{ "no blocks", 16, 8, 0, false },
		{ "as many as there is room for", 16, 8, ROOM / 4096 - 1, true },
		{ "more", 16, 8, ROOM / 4096, false },
		{ "many more", 16, 8, UINT64_MAX, false },
	};
	uint8_t block[WRITE_CACHE_BLOCK];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		superblock(block);
		put(block + rows[i].at, rows[i].value, rows[i].bytes);
		cr_expect_eq(write_cache_superblock_ok(block, ROOM), rows[i].ok, "%s",
			     rows[i].what);
	}
	memset(block, 0, sizeof(block));
	cr_expect_not(write_cache_superblock_ok(block, ROOM), "zeros are no cache");
}
