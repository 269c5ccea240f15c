// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_read_cache.c - how the bytes of a read cache are shared, and which states of the kernel's
 * are well. What the kernel does with it is in test/vm/case_storage_read_cache.py.
 */
#include <criterion/criterion.h>

#include "storage/read_cache.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

Test(read_cache, shares)
{
	static const struct {
		uint64_t bytes, block, meta;
	} rows[] = {
		{ CACHE_BYTES_MIN, 64 << 10, 8 * MIB }, { 4 * GIB, 64 << 10, 8 * MIB },
		{ 64 * GIB, 64 << 10, 68 * MIB },       { 65 * GIB, 128 << 10, 40 * MIB },
		{ 256 * GIB, 256 << 10, 68 * MIB },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct read_cache_share s;

		read_cache_share(rows[i].bytes, &s);
		cr_expect_eq(s.block_bytes, rows[i].block, "%zu: blocks of %llu", i,
			     (unsigned long long)s.block_bytes);
		cr_expect_eq(s.meta_bytes, rows[i].meta, "%zu: metadata of %llu", i,
			     (unsigned long long)s.meta_bytes);
		cr_expect_eq(s.data_bytes + s.meta_bytes, rows[i].bytes, "%zu", i);
		cr_expect_leq(s.data_bytes / s.block_bytes, READ_CACHE_BLOCKS_MAX);
		/* what the kernel takes of it for each block, and for changes under way */
		cr_expect_geq(s.meta_bytes, 4 * MIB + s.data_bytes / s.block_bytes * 44);
	}
}

Test(read_cache, states)
{
#define HEAD "8 27/2048 128 1/128 0 7 0 0 0 1 0 1 writethrough 2 migration_threshold 2048 "
	static const struct {
		const char *state;
		bool well;
	} rows[] = {
		/* as Linux 6.1 tells it */
		{ HEAD "smq 0 rw - ", true },
		{ HEAD "smq 0 rw -", true },
		{ HEAD "smq 0 ro - ", false },
		{ HEAD "smq 0 rw needs_check ", false },
		{ HEAD, false }, /* cut */
		{ "Fail", false },
		{ "Error", false },
		{ " rw - ", false },
		{ "", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(read_cache_is_well(rows[i].state), rows[i].well, "%s", rows[i].state);
}
