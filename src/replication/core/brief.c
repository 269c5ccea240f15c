/* SPDX-License-Identifier: GPL-2.0-or-later */
/* brief.c - see brief.h. A page has its place by its number. */
#include "replication/core/brief.h"

#define WORDS (REPL_STAMPS_PER_PAGE / 32)
#define ALL_REGIONS (~0ull >> (64 - REPL_REGIONS_PER_EXTENT))

struct map_brief *brief_find(struct map_brief *b, u32 n, u32 key)
{
	return n && b[key % n].page == key + 1 ? &b[key % n] : NULL;
}

static bool is_all(const struct map_brief *b, u32 word)
{
	for (u32 i = 0; i < WORDS; i++)
		if (b->second[i] != word)
			return false;
	return true;
}

/* There is room for it where one of the two is nowhere any more; false: it would be a third one. */
static bool admit(struct map_brief *b, u32 stamp)
{
	if (is_all(b, 0))
		b->stamp[1] = stamp;
	else if (is_all(b, ~0u))
		b->stamp[0] = stamp;
	else
		return false;
	return true;
}

void brief_change(struct map_brief *b, u32 from, const u32 stamp[REPL_REGIONS_PER_EXTENT],
		  u64 changed)
{
	for (; changed; changed &= changed - 1) {
		u32 x = (u32)__builtin_ctzll(changed);
		u32 *word = &b->second[(from + x) / 32], bit = 1u << (from + x) % 32;

		if (stamp[x] != b->stamp[0] && stamp[x] != b->stamp[1] && !admit(b, stamp[x])) {
			b->page = 0;
			return;
		}
		if (stamp[x] == b->stamp[0])
			*word &= ~bit;
		else
			*word |= bit;
	}
}

void brief_keep(struct map_brief *b, u32 n, u32 key, const u32 stamp[REPL_STAMPS_PER_PAGE])
{
	struct map_brief *p;

	if (!n)
		return;
	p = &b[key % n];
	memset(p->second, 0, sizeof(p->second));
	p->page = key + 1;
	p->stamp[0] = p->stamp[1] = stamp[0];
	for (u32 from = 0; p->page && from < REPL_STAMPS_PER_PAGE; from += REPL_REGIONS_PER_EXTENT)
		brief_change(p, from, stamp + from, ALL_REGIONS);
}

static void fill(u32 to[32], u32 stamp)
{
	u64 two = (u64)stamp << 32 | stamp;

	for (u32 i = 0; i < 32; i += 2)
		memcpy(to + i, &two, sizeof(two));
}

void brief_expand(const struct map_brief *b, u32 stamp[REPL_STAMPS_PER_PAGE])
{
	for (u32 i = 0; i < WORDS; i++) {
		u32 word = b->second[i], *to = stamp + i * 32;

		fill(to, b->stamp[word == ~0u]);
		for (word = word == ~0u ? 0 : word; word; word &= word - 1)
			to[__builtin_ctz(word)] = b->stamp[1];
	}
}

u32 brief_stamp(const struct map_brief *b, u32 at)
{
	return b->stamp[b->second[at / 32] >> at % 32 & 1];
}

void brief_forget(struct map_brief *b, u32 n)
{
	for (u32 i = 0; i < n; i++)
		b[i].page = 0;
}
