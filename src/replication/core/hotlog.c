/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hotlog.c - see hotlog.h. At most one page is on its way at a time (the caller sees to it). */
#include "replication/core/hotlog.h"

static u32 hash_of(u32 extent)
{
	return (extent * 2654435761u) >> 21; /* top 11 bits: 0..HOTLOG_HASH-1 */
}

static void hash_put(struct hotlog *h, u32 slot)
{
	u32 i = hash_of(h->extent[slot]);

	while (h->hash[i])
		i = (i + 1) % HOTLOG_HASH;
	h->hash[i] = (u16)(slot + 1);
}

static void hash_rebuild(struct hotlog *h)
{
	memset(h->hash, 0, sizeof(h->hash));
	for (u32 s = 0; s < REPL_HOT_MAX; s++)
		if (h->state[s] != HOTLOG_FREE)
			hash_put(h, s);
}

u32 hotlog_find(const struct hotlog *h, u32 extent)
{
	for (u32 i = hash_of(extent); h->hash[i]; i = (i + 1) % HOTLOG_HASH)
		if (h->extent[h->hash[i] - 1] == extent)
			return h->hash[i] - 1u;
	return REPL_HOT_MAX;
}

static void list_add(struct hotlog *h, u32 slot)
{
	h->listed[slot] = (u16)h->n;
	h->list[h->n++] = h->extent[slot];
}

/* the last one takes its place */
static void list_drop(struct hotlog *h, u32 slot)
{
	u32 last = h->list[--h->n];

	h->list[h->listed[slot]] = last;
	h->listed[hotlog_find(h, last)] = h->listed[slot];
}

void hotlog_init(struct hotlog *h, u64 generation, int copy, const u32 *extent, u32 n)
{
	h->generation = generation;
	h->copy = copy;
	for (u32 i = 0; i < n; i++) {
		if (hotlog_find(h, extent[i]) < REPL_HOT_MAX)
			continue; /* a damaged list names one twice */
		h->extent[h->n] = extent[i];
		h->state[h->n] = HOTLOG_HOT;
		h->known[h->n] = ~0ull;
		hash_put(h, h->n);
		list_add(h, h->n);
	}
	h->free_from = h->n;
}

enum hotlog_state hotlog_touch(struct hotlog *h, u32 extent)
{
	u32 s = hotlog_find(h, extent);

	if (s == REPL_HOT_MAX)
		return HOTLOG_FREE;
	h->used[s] = ++h->clock;
	if (h->state[s] == HOTLOG_LEAVING)
		h->state[s] = HOTLOG_HOT;
	return h->state[s];
}

bool hotlog_stamp(const struct hotlog *h, u32 at, u32 region, u32 *ret)
{
	u32 x = region % REPL_REGIONS_PER_EXTENT;

	*ret = h->stamp[at][x];
	return h->known[at] >> x & 1;
}

void hotlog_stamp_set(struct hotlog *h, u32 at, u32 region, u32 stamp)
{
	u32 x = region % REPL_REGIONS_PER_EXTENT;

	h->stamp[at][x] = stamp;
	h->known[at] |= 1ull << x;
}

u64 hotlog_merge(const struct hotlog *h, u32 at, u32 stamp[REPL_REGIONS_PER_EXTENT])
{
	u64 other = 0;

	for (u64 known = h->known[at]; known; known &= known - 1) {
		u32 x = (u32)__builtin_ctzll(known);

		if (stamp[x] == h->stamp[at][x])
			continue;
		stamp[x] = h->stamp[at][x];
		other |= 1ull << x;
	}
	return other;
}

bool hotlog_add(struct hotlog *h, u32 extent)
{
	u32 s = h->free_from;

	if (h->n == REPL_HOT_MAX)
		return false;
	while (h->state[s] != HOTLOG_FREE)
		s++;
	h->free_from = s + 1;
	h->extent[s] = extent;
	h->state[s] = HOTLOG_ADDING;
	h->used[s] = ++h->clock;
	h->known[s] = 0;
	list_add(h, s);
	h->adding[h->n_adding++] = (u16)s;
	hash_put(h, s);
	return true;
}

void hotlog_unmark(struct hotlog *h)
{
	memset(h->marked, 0, sizeof(h->marked));
}

void hotlog_mark(struct hotlog *h, u32 extent)
{
	u32 s = hotlog_find(h, extent);

	if (s < REPL_HOT_MAX)
		h->marked[s] = 1;
}

static bool may_leave(const struct hotlog *h, u32 s)
{
	return h->state[s] == HOTLOG_HOT && !h->marked[s];
}

bool hotlog_is_short(const struct hotlog *h)
{
	return REPL_HOT_MAX - h->n < HOTLOG_ROOM;
}

u32 hotlog_pick(struct hotlog *h)
{
	u32 oldest[HOTLOG_VICTIMS_MAX]; /* places, in the order of their last use */
	u32 n = 0;

	for (u32 s = 0; s < REPL_HOT_MAX; s++) {
		u32 i;

		if (!may_leave(h, s))
			continue;
		if (n < HOTLOG_VICTIMS_MAX)
			n++;
		else if (h->used[s] >= h->used[oldest[n - 1]])
			continue;
		for (i = n - 1; i && h->used[oldest[i - 1]] > h->used[s]; i--)
			oldest[i] = oldest[i - 1];
		oldest[i] = s;
	}
	for (u32 i = 0; i < n; i++)
		h->state[oldest[i]] = HOTLOG_LEAVING;
	return n;
}

u32 hotlog_leaving(const struct hotlog *h, u32 out[HOTLOG_VICTIMS_MAX])
{
	u32 n = 0, i;

	for (u32 s = 0; s < REPL_HOT_MAX && n < HOTLOG_VICTIMS_MAX; s++) {
		if (h->state[s] != HOTLOG_LEAVING)
			continue;
		for (i = n++; i && out[i - 1] > h->extent[s]; i--)
			out[i] = out[i - 1];
		out[i] = h->extent[s];
	}
	return n;
}

void hotlog_drop_leaving(struct hotlog *h)
{
	u32 n = h->n;

	for (u32 s = REPL_HOT_MAX; s-- > 0;)
		if (h->state[s] == HOTLOG_LEAVING) {
			h->state[s] = HOTLOG_FREE;
			h->free_from = PORT_MIN(h->free_from, s);
			list_drop(h, s);
		}
	if (h->n != n)
		hash_rebuild(h);
}

void hotlog_page(struct hotlog *h, u8 page[REPL_META_PAGE])
{
	h->n_in_page = h->n_adding;
	h->generation++;
	h->copy = !h->copy;
	meta_put_hot(page, h->generation, h->list, h->n);
}

void hotlog_durable(struct hotlog *h)
{
	for (u32 i = 0; i < h->n_in_page; i++)
		h->state[h->adding[i]] = HOTLOG_HOT;
	h->n_adding -= h->n_in_page;
	memmove(h->adding, h->adding + h->n_in_page, h->n_adding * sizeof(h->adding[0]));
	h->n_in_page = 0;
}
