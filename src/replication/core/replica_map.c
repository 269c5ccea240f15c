/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replica_map.c - the epoch map as a replica sees it. Stamps that have changed
 * since their extent is in the hot log are in the hot log; of all others the page
 * on the disk is the truth. A few pages are kept in memory, others in brief. Nothing here
 * waits: who asks for stamps that are not there gets NULL, and is called again by
 * replica_settle when the page has come.
 */
#include "replication/core/mirror.h"

#define PAGES_PER_VOLUME \
	((REPL_REGIONS_PER_VOLUME + REPL_STAMPS_PER_PAGE - 1) / REPL_STAMPS_PER_PAGE)
#define EXTENTS_PER_PAGE (REPL_STAMPS_PER_PAGE / REPL_REGIONS_PER_EXTENT)
#define EXTENTS_PER_VOLUME (REPL_REGIONS_PER_VOLUME / REPL_REGIONS_PER_EXTENT)

u32 repl_briefs(const u64 size[REPL_VOLUMES_MAX])
{
	u64 pages = 0;

	for (u32 v = 0; v < REPL_VOLUMES_MAX; v++)
		pages += meta_map_pages(size[v]);
	return pages <= REPL_MAP_CACHE ? 0 : (u32)PORT_MIN(pages, REPL_BRIEFS_MAX);
}

u32 map_key(u32 extent)
{
	return extent / EXTENTS_PER_VOLUME * PAGES_PER_VOLUME +
	       extent % EXTENTS_PER_VOLUME / EXTENTS_PER_PAGE;
}

/* the first of the page's extents */
static u32 extent_of(u32 key)
{
	return key / PAGES_PER_VOLUME * EXTENTS_PER_VOLUME +
	       key % PAGES_PER_VOLUME * EXTENTS_PER_PAGE;
}

/* where the extent's stamps begin in its page */
static u32 place_in_page(u32 extent)
{
	return extent % EXTENTS_PER_VOLUME % EXTENTS_PER_PAGE * REPL_REGIONS_PER_EXTENT;
}

u32 map_page_rest(u32 region)
{
	return REPL_STAMPS_PER_PAGE - region % REPL_REGIONS_PER_VOLUME % REPL_STAMPS_PER_PAGE;
}

static struct replica_page *find(struct repl_replica *r, u32 key)
{
	for (u32 i = 0; i < REPL_MAP_CACHE; i++)
		if (r->map[i].state != MAP_FREE && r->map[i].key == key)
			return &r->map[i];
	return NULL;
}

/* What leaves the hot log waits for it: others' questions do not drive it out. */
static bool is_awaited(const struct repl_replica *r, const struct replica_page *p)
{
	return r->leave == LEAVE_PAGES && r->victim_at < r->n_victims &&
	       map_key(r->victim[r->victim_at]) == p->key;
}

/* room for one more; NULL when all are on their way to or from the disk */
static struct replica_page *room(struct repl_replica *r)
{
	struct replica_page *oldest = NULL;

	for (u32 i = 0; i < REPL_MAP_CACHE; i++) {
		struct replica_page *p = &r->map[i];

		if (p->state == MAP_FREE)
			return p;
		if (p->state == MAP_VALID && (!oldest || p->used < oldest->used) &&
		    !is_awaited(r, p))
			oldest = p;
	}
	return oldest;
}

/* What is kept of the page in brief, in a place of the cache; NULL: nothing, or none is free. */
static struct replica_page *recall(struct repl_replica *r, u32 key)
{
	const struct map_brief *b = brief_find(r->brief, r->n_briefs, key);
	struct replica_page *p = b ? room(r) : NULL;

	if (!p)
		return NULL;
	p->key = key;
	p->state = MAP_VALID;
	p->differs = false;
	brief_expand(b, p->stamp);
	return p;
}

static void ask(struct repl_replica *r, u32 key)
{
	struct repl_effect e = { .kind = REPL_META_READ,
				 .volume = (u8)(key / PAGES_PER_VOLUME),
				 .off = REPL_META_MAP_OFF(key % PAGES_PER_VOLUME),
				 .len = REPL_META_PAGE };
	struct replica_page *p = room(r);

	if (!p)
		return; /* asked again when one of them is done */
	p->key = key;
	p->state = MAP_READING;
	e.id = DISK_ID(DISK_MAP, p - r->map);
	r->sink->emit(r->sink, &e);
}

static struct replica_page *page_of(struct repl_replica *r, u32 key)
{
	struct replica_page *p = find(r, key);

	if (!p)
		p = recall(r, key);
	if (!p) {
		ask(r, key);
		return NULL;
	}
	if (p->state == MAP_READING)
		return NULL;
	p->used = ++r->map_clock;
	return p;
}

bool map_stamp(struct repl_replica *r, u32 region, u32 *ret)
{
	u32 extent = region / REPL_REGIONS_PER_EXTENT, at = hotlog_find(&r->hot, extent);
	struct replica_page *p;

	if (at < REPL_HOT_MAX && hotlog_stamp(&r->hot, at, region, ret))
		return true;
	p = page_of(r, map_key(extent));
	if (p)
		*ret = p->stamp[place_in_page(extent) + region % REPL_REGIONS_PER_EXTENT];
	return p != NULL;
}

void map_set(struct repl_replica *r, u32 region, u32 stamp)
{
	u32 at = hotlog_find(&r->hot, region / REPL_REGIONS_PER_EXTENT);

	if (at < REPL_HOT_MAX)
		hotlog_stamp_set(&r->hot, at, region, stamp);
	else
		replica_fail(r); /* a stamp that would be lost: stop here rather than trust it */
}

/* V8: a member knows every region; V9: it may give any of them the present epoch. */
static bool raise_unknown(const struct repl_replica *r, u32 *stamp, u32 n)
{
	bool any = false;

	for (u32 i = 0; i < n; i++)
		if (stamp[i] == REPL_STAMP_UNKNOWN) {
			stamp[i] = r->re;
			any = true;
		}
	return any;
}

void map_raise_unknown(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_HOT_MAX; i++)
		if (r->hot.state[i] != HOTLOG_FREE)
			raise_unknown(r, r->hot.stamp[i], REPL_REGIONS_PER_EXTENT);
	for (u32 i = 0; i < REPL_MAP_CACHE; i++)
		if ((r->map[i].state == MAP_VALID || r->map[i].state == MAP_WRITING) &&
		    raise_unknown(r, r->map[i].stamp, REPL_STAMPS_PER_PAGE))
			r->map[i].differs = true;
	brief_forget(r->brief, r->n_briefs); /* as their pages are on the disk */
}

/* A page that fails its checksum has no stamp that could be trusted. */
static void decode(struct repl_replica *r, struct replica_page *p, const u8 *page)
{
	u32 seen = 0;

	if (meta_get_map(page, p->key % PAGES_PER_VOLUME, &seen, p->stamp)) {
		memset(p->stamp, 0, sizeof(p->stamp));
		r->bad_pages++;
		replica_changed(r);
	}
	for (u32 i = 0; seen < meta_void_last(&r->state) && i < REPL_STAMPS_PER_PAGE; i++)
		p->stamp[i] = meta_void_apply(&r->state, seen, p->stamp[i]);
	p->differs = r->mode == REPLICA_MEMBER && raise_unknown(r, p->stamp, REPL_STAMPS_PER_PAGE);
	if (!p->differs)
		brief_keep(r->brief, r->n_briefs, p->key, p->stamp);
}

void map_read_done(struct repl_replica *r, u32 index, int status, const u8 *page)
{
	struct replica_page *p = &r->map[index % REPL_MAP_CACHE];

	if (p->state != MAP_READING)
		return;
	if (status < 0) {
		p->state = MAP_FREE;
		replica_fail(r);
		return;
	}
	decode(r, p, page);
	p->state = MAP_VALID;
	p->used = ++r->map_clock;
}

/* R3: what was stamped since then is not known any more. Pages on the disk are told so by the list
 * in the state, which is made durable before any page is written again. */
void map_void(struct repl_replica *r, u32 from, u32 to)
{
	meta_void_add(&r->state, from, to);
	for (u32 i = 0; i < REPL_HOT_MAX; i++)
		for (u32 x = 0; r->hot.state[i] != HOTLOG_FREE && x < REPL_REGIONS_PER_EXTENT; x++)
			if (r->hot.stamp[i][x] >= from && r->hot.stamp[i][x] < to)
				r->hot.stamp[i][x] = REPL_STAMP_UNKNOWN;
	for (u32 i = 0; i < REPL_MAP_CACHE; i++)
		if (r->map[i].state == MAP_VALID)
			r->map[i].state = MAP_FREE;
	brief_forget(r->brief, r->n_briefs);
}

/* It leaves with stamps that its page may not have, of a volume that is there. */
static bool leaves(const struct repl_replica *r, u32 extent, u32 *ret_at)
{
	u32 at = *ret_at = hotlog_find(&r->hot, extent);

	return at < REPL_HOT_MAX && r->hot.state[at] == HOTLOG_LEAVING && r->hot.known[at] &&
	       replica_has(r, (u64)extent * REPL_EXTENT_BYTES, REPL_SECTOR);
}

/* What is kept of its page says so already. */
static bool is_same(const struct repl_replica *r, u32 extent, u32 at)
{
	const struct map_brief *b = brief_find(r->brief, r->n_briefs, map_key(extent));
	u64 known = r->hot.known[at];

	for (; b && known; known &= known - 1) {
		u32 x = (u32)__builtin_ctzll(known);

		if (brief_stamp(b, place_in_page(extent) + x) != r->hot.stamp[at][x])
			return false;
	}
	return b;
}

void map_want(struct repl_replica *r, u32 extent)
{
	u32 at;

	if (leaves(r, extent, &at) && !is_same(r, extent, at))
		page_of(r, map_key(extent));
}

/* Brings the page up to date with all its extents that are hot; true: it differs from the disk.
 * Those that stay are unknown after a crash, whatever it says (R14), but when they leave it may
 * say their stamps already. One that is ADDING has none. */
static bool merge(struct repl_replica *r, struct replica_page *p)
{
	struct map_brief *b = brief_find(r->brief, r->n_briefs, p->key);
	u32 first = extent_of(p->key);
	bool differs = p->differs;

	/* the last page of a volume has room for more than there are */
	for (u32 i = 0; i < EXTENTS_PER_PAGE && map_key(first + i) == p->key; i++) {
		u32 from = i * REPL_REGIONS_PER_EXTENT, at = hotlog_find(&r->hot, first + i);
		u64 changed = at < REPL_HOT_MAX ? hotlog_merge(&r->hot, at, p->stamp + from) : 0;

		if (b && changed)
			brief_change(b, from, p->stamp + from, changed);
		differs |= changed != 0;
	}
	return differs;
}

enum map_write map_write(struct repl_replica *r, struct repl_effect *ret)
{
	u32 extent = r->victim[r->victim_at], key = map_key(extent), at;
	struct replica_page *p;

	if (!leaves(r, extent, &at) || is_same(r, extent, at))
		return MAP_WRITE_SAME;
	p = page_of(r, key);
	if (!p)
		return MAP_WRITE_WAIT;
	if (!merge(r, p))
		return MAP_WRITE_SAME;
	meta_put_map(r->page, key % PAGES_PER_VOLUME, meta_void_last(&r->state), p->stamp);
	if (p->differs)
		brief_keep(r->brief, r->n_briefs, key, p->stamp);
	p->state = MAP_WRITING;
	p->differs = false;
	ret->volume = (u8)(key / PAGES_PER_VOLUME);
	ret->off = REPL_META_MAP_OFF(key % PAGES_PER_VOLUME);
	return MAP_WRITE_READY;
}

void map_written(struct repl_replica *r)
{
	for (u32 i = 0; i < REPL_MAP_CACHE; i++)
		if (r->map[i].state == MAP_WRITING)
			r->map[i].state = MAP_VALID;
}
