/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta.c - pages of the metadata device. Each page carries a magic, a version,
 * its own number and a checksum, so that a torn, foreign or misplaced page is
 * recognised. Superblock and hot log have two copies written in turn: a torn
 * write costs the newest change only, and that one was not yet relied upon.
 */
#include "replication/core/meta.h"

#include "shared/crc32c.h"
#include "shared/cursor.h"

#define MAGIC_SUPER 0x31425353u /* "SSB1" */
#define MAGIC_HOT 0x31484853u   /* "SHH1" */
#define MAGIC_MAP 0x31504d53u   /* "SMP1" */
#define HEAD_BYTES 64u
#define CRC_AT 12u /* in the page head: magic, version, number, crc */

u32 meta_regions(u64 size_bytes)
{
	return (u32)((size_bytes + REPL_REGION_BYTES - 1) / REPL_REGION_BYTES);
}

u32 meta_map_pages(u64 size_bytes)
{
	return (meta_regions(size_bytes) + REPL_STAMPS_PER_PAGE - 1) / REPL_STAMPS_PER_PAGE;
}

u64 meta_bytes(u64 size_bytes)
{
	return REPL_META_MAP_OFF(meta_map_pages(size_bytes));
}

static struct cursor page_begin(u8 *page, u32 magic, u32 number)
{
	struct cursor c;

	memset(page, 0, REPL_META_PAGE);
	cursor_init(&c, page, REPL_META_PAGE);
	cursor_put(&c, magic, 4);
	cursor_put(&c, REPL_META_VERSION, 4);
	cursor_put(&c, number, 4);
	cursor_put(&c, 0, 4);
	return c;
}

static void page_end(u8 *page)
{
	struct cursor c;

	cursor_init(&c, page + CRC_AT, 4);
	cursor_put(&c, shared_crc32c(0, page, REPL_META_PAGE), 4);
}

/* checks the head; the cursor stands behind it. page is a private copy: its checksum is zeroed. */
static int page_open(u8 *page, u32 magic, u32 number, struct cursor *ret)
{
	struct cursor c;
	u32 crc, version;

	cursor_init(&c, page + CRC_AT, 4);
	crc = (u32)cursor_get(&c, 4);
	memset(page + CRC_AT, 0, 4);
	if (shared_crc32c(0, page, REPL_META_PAGE) != crc)
		return -EBADMSG;
	cursor_init(&c, page, REPL_META_PAGE);
	if (cursor_get(&c, 4) != magic)
		return -EBADMSG;
	version = (u32)cursor_get(&c, 4);
	if (version > REPL_META_VERSION)
		return -EPROTONOSUPPORT;
	if (!version || cursor_get(&c, 4) != number)
		return -EBADMSG;
	cursor_get(&c, 4);
	*ret = c;
	return 0;
}

void meta_put_super(u8 page[REPL_META_PAGE], const struct meta_super *s)
{
	struct cursor c = page_begin(page, MAGIC_SUPER, 0);

	cursor_put(&c, s->generation, 8);
	cursor_put_bytes(&c, s->replica, 16);
	cursor_put_bytes(&c, s->name, REPL_NAME_MAX);
	cursor_put(&c, s->size_bytes, 8);
	cursor_put(&c, REPL_REGION_BYTES, 4);
	cursor_put(&c, REPL_EXTENT_BYTES, 4);
	cursor_put(&c, s->epoch, 4);
	cursor_put(&c, s->learner_epoch, 4);
	page_end(page);
}

int meta_get_super(const u8 page[REPL_META_PAGE], struct meta_super *ret)
{
	u8 copy[REPL_META_PAGE];
	struct meta_super s;
	struct cursor c;
	int rc;

	memcpy(copy, page, REPL_META_PAGE);
	rc = page_open(copy, MAGIC_SUPER, 0, &c);
	if (rc)
		return rc;
	memset(&s, 0, sizeof(s));
	s.generation = cursor_get(&c, 8);
	cursor_get_bytes(&c, s.replica, 16);
	cursor_get_bytes(&c, s.name, REPL_NAME_MAX);
	s.name[REPL_NAME_MAX - 1] = 0;
	s.size_bytes = cursor_get(&c, 8);
	if (cursor_get(&c, 4) != REPL_REGION_BYTES || cursor_get(&c, 4) != REPL_EXTENT_BYTES)
		return -EPROTONOSUPPORT;
	s.epoch = (u32)cursor_get(&c, 4);
	s.learner_epoch = (u32)cursor_get(&c, 4);
	*ret = s;
	return 0;
}

int meta_pick_super(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], struct meta_super *ret,
		    int *ret_copy)
{
	struct meta_super sa, sb;
	int ra = meta_get_super(a, &sa), rb = meta_get_super(b, &sb);

	/* a copy of a newer version must not be passed over for an old one */
	if (ra == -EPROTONOSUPPORT || rb == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	if (ra && rb)
		return -EBADMSG;
	*ret_copy = ra || (!rb && sb.generation > sa.generation);
	*ret = *ret_copy ? sb : sa;
	return 0;
}

void meta_put_hot(u8 page[REPL_META_PAGE], u64 generation, const u32 *extent, u32 n)
{
	struct cursor c = page_begin(page, MAGIC_HOT, 0);

	cursor_put(&c, generation, 8);
	cursor_put(&c, n, 4);
	for (u32 i = 0; i < n; i++)
		cursor_put(&c, extent[i], 4);
	page_end(page);
}

int meta_get_hot(const u8 page[REPL_META_PAGE], u64 *ret_generation, u32 extent[REPL_HOT_MAX],
		 u32 *ret_n)
{
	u8 copy[REPL_META_PAGE];
	struct cursor c;
	u64 generation;
	u32 n;
	int rc;

	memcpy(copy, page, REPL_META_PAGE);
	rc = page_open(copy, MAGIC_HOT, 0, &c);
	if (rc)
		return rc;
	generation = cursor_get(&c, 8);
	n = (u32)cursor_get(&c, 4);
	if (n > REPL_HOT_MAX)
		return -EBADMSG;
	for (u32 i = 0; i < n; i++)
		extent[i] = (u32)cursor_get(&c, 4);
	*ret_generation = generation;
	*ret_n = n;
	return 0;
}

int meta_pick_hot(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], u64 *ret_generation,
		  u32 extent[REPL_HOT_MAX], u32 *ret_n, int *ret_copy)
{
	u64 ga, gb;
	int ra = meta_get_hot(a, &ga, extent, ret_n), rb = meta_get_hot(b, &gb, extent, ret_n);

	if (ra == -EPROTONOSUPPORT || rb == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	if (ra && rb)
		return -EBADMSG;
	*ret_copy = ra || (!rb && gb > ga);
	return meta_get_hot(*ret_copy ? b : a, ret_generation, extent, ret_n);
}

void meta_put_map(u8 page[REPL_META_PAGE], u32 number, const u32 *stamp, u32 n)
{
	struct cursor c = page_begin(page, MAGIC_MAP, number);

	cursor_put_bytes(&c, (u8[HEAD_BYTES - 16]){ 0 }, HEAD_BYTES - 16);
	for (u32 i = 0; i < n; i++)
		cursor_put(&c, stamp[i], 4);
	page_end(page);
}

int meta_get_map(const u8 page[REPL_META_PAGE], u32 number, u32 *stamp, u32 n)
{
	u8 copy[REPL_META_PAGE], unused[HEAD_BYTES - 16];
	struct cursor c;
	int rc;

	memcpy(copy, page, REPL_META_PAGE);
	rc = page_open(copy, MAGIC_MAP, number, &c);
	if (rc)
		return rc;
	cursor_get_bytes(&c, unused, sizeof(unused));
	for (u32 i = 0; i < n; i++)
		stamp[i] = (u32)cursor_get(&c, 4);
	return 0;
}
