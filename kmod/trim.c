// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * trim.c - a discard that gives space back to a thin pool and reads back as
 * zeros all the same, as it does on every copy. Called by lower.c in a worker:
 * it sleeps.
 *
 * Such a device says of no discard whether it was carried out: what covers no
 * whole unit is passed over, and a thin pool that has turned read-only answers
 * that all is well. But what it gives back reads as zeros for good. So a look
 * tells, and zeros are written where there are none; where there are nothing is
 * written, as that would take space.
 */
#include "rvol.h"

#define LOOK_PAGES 16u
#define LOOK_SECTORS (LOOK_PAGES * (u32)(PAGE_SIZE >> SECTOR_SHIFT))

struct look {
	struct page *page[LOOK_PAGES];
};

static void look_free(struct look *l)
{
	for (u32 i = 0; i < LOOK_PAGES && l->page[i]; i++)
		__free_page(l->page[i]);
}

static bool look_alloc(struct look *l)
{
	memset(l, 0, sizeof(*l));
	for (u32 i = 0; i < LOOK_PAGES; i++) {
		l->page[i] = alloc_page(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
		if (!l->page[i]) {
			look_free(l);
			return false;
		}
	}
	return true;
}

/* A range that cannot be read is none of zeros: the write tells what is wrong with the disk. */
static bool is_zeros(const struct look *l, struct block_device *bdev, sector_t at, u32 n)
{
	struct bio *bio = bio_alloc(bdev, LOOK_PAGES, REQ_OP_READ, GFP_NOIO);
	u32 left = n << SECTOR_SHIFT, part;
	bool zeros;

	bio->bi_iter.bi_sector = at;
	for (u32 i = 0; left; i++, left -= part) {
		part = min_t(u32, left, PAGE_SIZE);
		__bio_add_page(bio, l->page[i], part, 0);
	}
	zeros = submit_bio_wait(bio) == 0;
	bio_put(bio);
	left = n << SECTOR_SHIFT;
	for (u32 i = 0; zeros && left; i++, left -= part) {
		part = min_t(u32, left, PAGE_SIZE);
		zeros = !memchr_inv(page_address(l->page[i]), 0, part);
	}
	return zeros;
}

static int look_and_write(const struct look *l, struct block_device *bdev, sector_t at,
			  sector_t end)
{
	int rv = 0;

	for (u32 part; rv == 0 && at < end; at += part) {
		part = min_t(sector_t, end - at, LOOK_SECTORS);
		if (!is_zeros(l, bdev, at, part))
			rv = blkdev_issue_zeroout(bdev, at, part, GFP_NOIO, 0);
	}
	return rv;
}

int trim_range(struct block_device *bdev, sector_t at, u32 n, u32 unit)
{
	sector_t end = at + n, first = end, last = end;
	struct look l;
	int rv;

	if (unit) {
		first = div_u64(at + unit - 1, unit) * unit;
		last = div_u64(end, unit) * unit;
	}
	if (first < last)
		(void)blkdev_issue_discard(bdev, first, last - first, GFP_NOIO);
	else
		first = last = end;
	if (!look_alloc(&l)) /* what is right, at the price of space */
		return blkdev_issue_zeroout(bdev, at, n, GFP_NOIO, 0);
	/* the edges apart: what is written of them must not be of a unit that was given back */
	rv = look_and_write(&l, bdev, at, first);
	if (rv == 0)
		rv = look_and_write(&l, bdev, first, last);
	if (rv == 0)
		rv = look_and_write(&l, bdev, last, end);
	look_free(&l);
	return rv;
}
