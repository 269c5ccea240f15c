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

#define MAGIC_LABEL 0x314c4253u /* "SBL1" */
#define MAGIC_STATE 0x31545353u /* "SST1" */
#define MAGIC_HOT 0x31484853u   /* "SHH1" */
#define MAGIC_MAP 0x31504d53u   /* "SMP1" */
#define NUMBER_AT 8u            /* in the page head: magic, version, number, crc */
#define CRC_AT 12u
#define MAP_STAMPS_AT 256u /* in a page of the map; before: the head, void_seen, zeros */

_Static_assert(MAP_STAMPS_AT + 4 * REPL_STAMPS_PER_PAGE <= REPL_META_PAGE, "map page too small");
_Static_assert(REPL_STAMPS_PER_PAGE % REPL_REGIONS_PER_EXTENT == 0, "an extent in two pages");

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

/* as if its own field were 0 */
static u32 page_crc(const u8 *page)
{
	static const u8 zeros[4];
	u32 crc = shared_crc32c(0, page, CRC_AT);

	crc = shared_crc32c(crc, zeros, sizeof(zeros));
	return shared_crc32c(crc, page + CRC_AT + sizeof(zeros),
			     REPL_META_PAGE - CRC_AT - sizeof(zeros));
}

static void page_end(u8 *page)
{
	struct cursor c;

	cursor_init(&c, page + CRC_AT, 4);
	cursor_put(&c, page_crc(page), 4);
}

/* Nothing is put through it. There is no copy of the page: kernel stacks are small. */
static struct cursor read_from(const u8 *page, u32 at)
{
	struct cursor c;

	cursor_init(&c, (u8 *)page + at, REPL_META_PAGE - at);
	return c;
}

/* checks the head; the cursor stands behind it */
static int page_open(const u8 *page, u32 magic, u32 number, struct cursor *ret)
{
	struct cursor c = read_from(page, CRC_AT);
	u32 version;

	if (cursor_get(&c, 4) != page_crc(page))
		return -EBADMSG;
	c = read_from(page, 0);
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

void meta_put_label(u8 page[REPL_META_PAGE], const struct meta_label *l)
{
	struct cursor c = page_begin(page, MAGIC_LABEL, l->number);

	cursor_put(&c, l->generation, 8);
	cursor_put_bytes(&c, l->cluster, 16);
	cursor_put_bytes(&c, l->resource, 16);
	cursor_put_bytes(&c, l->replica, 16);
	cursor_put_bytes(&c, l->volume, 16);
	cursor_put(&c, l->slot, 4);
	cursor_put(&c, REPL_REGION_BYTES, 4);
	cursor_put(&c, REPL_EXTENT_BYTES, 4);
	cursor_put(&c, 0, 4);
	cursor_put(&c, l->size_bytes, 8);
	cursor_put_bytes(&c, l->name, META_NAME_MAX);
	cursor_put_bytes(&c, l->node, META_NAME_MAX);
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		cursor_put_bytes(&c, l->peer[s], META_NAME_MAX);
	page_end(page);
}

static void get_name(struct cursor *c, char out[META_NAME_MAX])
{
	cursor_get_bytes(c, out, META_NAME_MAX);
	out[META_NAME_MAX - 1] = 0;
}

int meta_get_label(const u8 page[REPL_META_PAGE], struct meta_label *ret)
{
	struct cursor c;
	int rc;

	memset(ret, 0, sizeof(*ret));
	/* the page's number is the volume's, which the label tells */
	c = read_from(page, NUMBER_AT);
	ret->number = (u32)cursor_get(&c, 4);
	rc = page_open(page, MAGIC_LABEL, ret->number, &c);
	if (rc)
		return rc;
	if (ret->number >= REPL_VOLUMES_MAX)
		return -EBADMSG;
	ret->generation = cursor_get(&c, 8);
	cursor_get_bytes(&c, ret->cluster, 16);
	cursor_get_bytes(&c, ret->resource, 16);
	cursor_get_bytes(&c, ret->replica, 16);
	cursor_get_bytes(&c, ret->volume, 16);
	ret->slot = (u32)cursor_get(&c, 4);
	if (cursor_get(&c, 4) != REPL_REGION_BYTES || cursor_get(&c, 4) != REPL_EXTENT_BYTES)
		return -EPROTONOSUPPORT;
	cursor_get(&c, 4);
	ret->size_bytes = cursor_get(&c, 8);
	if (ret->size_bytes > REPL_VOLUME_BYTES_MAX)
		return -EBADMSG;
	get_name(&c, ret->name);
	get_name(&c, ret->node);
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		get_name(&c, ret->peer[s]);
	return 0;
}

/* Which of two copies counts; ra, rb: what reading them gave. A copy of a newer version must not
 * be passed over for an old one. */
static int pick(int ra, int rb, u64 ga, u64 gb, int *ret_copy)
{
	if (ra == -EPROTONOSUPPORT || rb == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	if (ra && rb)
		return -EBADMSG;
	*ret_copy = ra || (!rb && gb > ga);
	return 0;
}

int meta_pick_label(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], struct meta_label *ret,
		    int *ret_copy)
{
	struct meta_label seen; /* one, not two: kernel stacks are small */
	int ra = meta_get_label(a, &seen);
	u64 ga = seen.generation;
	int rb = meta_get_label(b, &seen);
	int rc = pick(ra, rb, ga, seen.generation, ret_copy);

	return rc ? rc : meta_get_label(*ret_copy ? b : a, ret);
}

void meta_put_state(u8 page[REPL_META_PAGE], const struct meta_state *s)
{
	struct cursor c = page_begin(page, MAGIC_STATE, 0);

	cursor_put(&c, s->generation, 8);
	cursor_put(&c, s->attached, 8);
	cursor_put(&c, s->epoch, 4);
	cursor_put(&c, s->learner_epoch, 4);
	cursor_put(&c, s->n_voids, 4);
	for (u32 i = 0; i < s->n_voids; i++) {
		cursor_put(&c, s->voids[i].number, 4);
		cursor_put(&c, s->voids[i].from, 4);
		cursor_put(&c, s->voids[i].to, 4);
	}
	page_end(page);
}

int meta_get_state(const u8 page[REPL_META_PAGE], struct meta_state *ret)
{
	struct cursor c;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = page_open(page, MAGIC_STATE, 0, &c);
	if (rc)
		return rc;
	ret->generation = cursor_get(&c, 8);
	ret->attached = cursor_get(&c, 8);
	ret->epoch = (u32)cursor_get(&c, 4);
	ret->learner_epoch = (u32)cursor_get(&c, 4);
	ret->n_voids = (u32)cursor_get(&c, 4);
	if (ret->n_voids > META_VOIDS_MAX)
		return -EBADMSG;
	for (u32 i = 0; i < ret->n_voids; i++) {
		struct meta_void *v = &ret->voids[i];

		v->number = (u32)cursor_get(&c, 4);
		v->from = (u32)cursor_get(&c, 4);
		v->to = (u32)cursor_get(&c, 4);
		if (!v->number || (i && v->number <= v[-1].number))
			return -EBADMSG;
	}
	return 0;
}

int meta_pick_state(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], struct meta_state *ret,
		    int *ret_copy)
{
	struct meta_state seen; /* one, not two: kernel stacks are small */
	int ra = meta_get_state(a, &seen);
	u64 ga = seen.generation;
	int rb = meta_get_state(b, &seen);
	int rc = pick(ra, rb, ga, seen.generation, ret_copy);

	return rc ? rc : meta_get_state(*ret_copy ? b : a, ret);
}

u32 meta_void_last(const struct meta_state *s)
{
	return s->n_voids ? s->voids[s->n_voids - 1].number : 0;
}

void meta_void_add(struct meta_state *s, u32 from, u32 to)
{
	u32 number = meta_void_last(s) + 1;

	if (s->n_voids == META_VOIDS_MAX) {
		s->voids[1].from = PORT_MIN(s->voids[0].from, s->voids[1].from);
		s->voids[1].to = PORT_MAX(s->voids[0].to, s->voids[1].to);
		s->n_voids--;
		memmove(s->voids, s->voids + 1, s->n_voids * sizeof(s->voids[0]));
	}
	s->voids[s->n_voids++] = (struct meta_void){ .number = number, .from = from, .to = to };
}

u32 meta_void_apply(const struct meta_state *s, u32 void_seen, u32 stamp)
{
	for (u32 i = s->n_voids; i && s->voids[i - 1].number > void_seen; i--)
		if (stamp >= s->voids[i - 1].from && stamp < s->voids[i - 1].to)
			return REPL_STAMP_UNKNOWN;
	return stamp;
}

void meta_put_hot(u8 page[REPL_META_PAGE], u64 generation, const u32 *extent, u32 n)
{
	struct cursor c = page_begin(page, MAGIC_HOT, 0);

	cursor_put(&c, generation, 8);
	cursor_put(&c, n, 4);
	cursor_put_words(&c, extent, n);
	page_end(page);
}

int meta_get_hot(const u8 page[REPL_META_PAGE], u64 *ret_generation, u32 extent[REPL_HOT_MAX],
		 u32 *ret_n)
{
	struct cursor c;
	u64 generation;
	u32 n;
	int rc;

	rc = page_open(page, MAGIC_HOT, 0, &c);
	if (rc)
		return rc;
	generation = cursor_get(&c, 8);
	n = (u32)cursor_get(&c, 4);
	if (n > REPL_HOT_MAX)
		return -EBADMSG;
	cursor_get_words(&c, extent, n);
	*ret_generation = generation;
	*ret_n = n;
	return 0;
}

int meta_pick_hot(const u8 a[REPL_META_PAGE], const u8 b[REPL_META_PAGE], u64 *ret_generation,
		  u32 extent[REPL_HOT_MAX], u32 *ret_n, int *ret_copy)
{
	u64 ga = 0, gb = 0;
	int ra = meta_get_hot(a, &ga, extent, ret_n), rb = meta_get_hot(b, &gb, extent, ret_n);
	int rc = pick(ra, rb, ga, gb, ret_copy);

	return rc ? rc : meta_get_hot(*ret_copy ? b : a, ret_generation, extent, ret_n);
}

void meta_put_map(u8 page[REPL_META_PAGE], u32 number, u32 void_seen,
		  const u32 stamp[REPL_STAMPS_PER_PAGE])
{
	struct cursor c = page_begin(page, MAGIC_MAP, number);

	cursor_put(&c, void_seen, 4);
	cursor_init(&c, page + MAP_STAMPS_AT, REPL_META_PAGE - MAP_STAMPS_AT);
	cursor_put_words(&c, stamp, REPL_STAMPS_PER_PAGE);
	page_end(page);
}

int meta_get_map(const u8 page[REPL_META_PAGE], u32 number, u32 *ret_void_seen,
		 u32 stamp[REPL_STAMPS_PER_PAGE])
{
	struct cursor c;
	int rc;

	rc = page_open(page, MAGIC_MAP, number, &c);
	if (rc)
		return rc;
	*ret_void_seen = (u32)cursor_get(&c, 4);
	c = read_from(page, MAP_STAMPS_AT);
	cursor_get_words(&c, stamp, REPL_STAMPS_PER_PAGE);
	return 0;
}
