// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * buf.c - payloads: what a write carries, what a read brings, what a link
 * receives. Pages of their own, so that all copies get the same bytes whatever
 * the application does with its memory meanwhile; or lent ones of a bio, where
 * that cannot be (docs/kernel.md#payloads). Called from everywhere; it knows
 * nobody but the request whose pages it has.
 */
#include "rvol.h"

static struct kmem_cache *cache;
static mempool_t bufs, pages;
/* Who has to take from the reserve does so alone: two with half of it each would wait for ever. */
static DEFINE_MUTEX(reserve_lock);

/* Pages that were given back lately, for each CPU: to have a new one costs more than to copy 4 KiB
 * into it, and most kernels clear it first. As many as the largest payload has. */
#define STASH_PAGES 256u

struct stash {
	u32 n;
	struct page *page[STASH_PAGES];
};

static DEFINE_PER_CPU(struct stash, stashes);

static struct page *from_stash(void)
{
	struct stash *s = get_cpu_ptr(&stashes);
	struct page *page = s->n > 0 ? s->page[--s->n] : NULL;

	put_cpu_ptr(&stashes);
	return page;
}

static void give_back(struct page *page)
{
	struct stash *s;

	if (page_ref_count(page) > 1) { /* a socket may have to send it again: it must not change */
		put_page(page);
		return;
	}
	if (READ_ONCE(pages.curr_nr) < pages.min_nr) { /* the reserve comes first */
		mempool_free(page, &pages);
		return;
	}
	s = get_cpu_ptr(&stashes);
	if (s->n < STASH_PAGES) {
		s->page[s->n++] = page;
		page = NULL;
	}
	put_cpu_ptr(&stashes);
	if (page)
		__free_page(page);
}

static void empty_stashes(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
	{
		struct stash *s = per_cpu_ptr(&stashes, cpu);

		while (s->n > 0)
			__free_page(s->page[--s->n]);
	}
}

int buf_init(void)
{
	int rv;

	cache = KMEM_CACHE(rvol_buf, SLAB_HWCACHE_ALIGN);
	if (!cache)
		return -ENOMEM;
	rv = mempool_init_slab_pool(&bufs, RVOL_MSGS_MIN, cache);
	if (rv < 0)
		goto destroy_cache;
	rv = mempool_init_page_pool(&pages, RVOL_PAGES_MIN, 0);
	if (rv < 0)
		goto exit_bufs;
	return 0;

exit_bufs:
	mempool_exit(&bufs);
destroy_cache:
	kmem_cache_destroy(cache);
	return rv;
}

void buf_exit(void)
{
	empty_stashes();
	mempool_exit(&pages);
	mempool_exit(&bufs);
	kmem_cache_destroy(cache);
}

struct page *buf_page(void)
{
	struct page *page = from_stash();

	if (!page)
		page = alloc_page(GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY);
	return page;
}

void buf_page_put(struct page *page)
{
	if (page)
		give_back(page);
}

/* Waits for one, with the lock. */
static struct page *reserved_page(void)
{
	return mempool_alloc(&pages, GFP_NOIO);
}

/* The kernel's last ones, before a section waits for what only another section can give back. */
static struct page *last_page(void)
{
	struct page *page = buf_page();

	while (!page) {
		page = alloc_page(GFP_NOIO | __GFP_MEMALLOC | __GFP_NOWARN);
		if (!page)
			schedule_timeout_uninterruptible(1);
	}
	return page;
}

static struct page *page_now(void)
{
	struct page *page = buf_page();

	return page ? page : mempool_alloc(&pages, GFP_NOWAIT | __GFP_NOWARN);
}

static bool fill(struct rvol_buf *b, struct page *(*take)(void))
{
	while (b->n_pages < DIV_ROUND_UP(b->len, PAGE_SIZE)) {
		struct page *page = take();

		if (!page)
			return false;
		b->page[b->n_pages++] = page;
	}
	return true;
}

static void free_pages_of(struct rvol_buf *b)
{
	while (b->n_pages > 0)
		give_back(b->page[--b->n_pages]);
	if (b->page != b->few)
		kfree(b->page);
	b->page = NULL;
}

static struct rvol_buf *without_pages(u32 len, atomic_t *account, gfp_t gfp)
{
	struct rvol_buf *b = mempool_alloc(&bufs, gfp);
	u32 want = DIV_ROUND_UP(len, PAGE_SIZE);

	if (!b)
		return NULL;
	*b = (struct rvol_buf){ .len = len, .account = account };
	refcount_set(&b->ref, 1);
	b->page = b->few;
	if (want > ARRAY_SIZE(b->few))
		b->page = kmalloc_array(want, sizeof(*b->page), gfp);
	if (!b->page) {
		mempool_free(b, &bufs);
		return NULL;
	}
	if (account)
		atomic_add(len, account);
	return b;
}

struct rvol_buf *buf_new(u32 len)
{
	struct rvol_buf *b = without_pages(len, NULL, GFP_NOIO);

	if (b && !fill(b, buf_page)) {
		mutex_lock(&reserve_lock);
		fill(b, reserved_page);
		mutex_unlock(&reserve_lock);
	}
	return b;
}

struct rvol_buf *buf_of_section(u32 len)
{
	struct rvol_buf *b = without_pages(len, NULL, GFP_NOIO);

	if (b)
		fill(b, last_page);
	return b;
}

struct rvol_buf *buf_try(u32 len, atomic_t *account, struct page *first)
{
	struct rvol_buf *b = without_pages(len, account, GFP_NOWAIT | __GFP_NOWARN);

	if (!b)
		return NULL;
	if (first)
		b->page[b->n_pages++] = first;
	if (fill(b, page_now))
		return b;
	if (first) /* stays the caller's */
		b->page[0] = b->page[--b->n_pages];
	buf_put(b);
	return NULL;
}

struct rvol_buf *buf_lent(struct rvol_io *io, bool stays)
{
	struct rvol_buf *b = &io->lent;

	*b = (struct rvol_buf){ .len = (u32)io->left, .lender = io, .stays = stays };
	refcount_set(&b->ref, 1);
	return b;
}

bool buf_keep(struct rvol_buf *b)
{
	u32 want = DIV_ROUND_UP(b->len, PAGE_SIZE);

	if (!b->lender || !b->stays)
		return true;
	b->page = want > ARRAY_SIZE(b->few) ? kmalloc_array(want, sizeof(*b->page), GFP_NOWAIT)
					    : b->few;
	if (!b->page || !fill(b, buf_page)) {
		free_pages_of(b); /* it stays what it was: the own copy is written from it */
		return false;
	}
	buf_from_bio(b, b->lender->bio, b->lender->bio->bi_iter);
	b->stays = false;
	return true;
}

struct rvol_buf *buf_get(struct rvol_buf *b)
{
	refcount_inc(&b->ref);
	return b;
}

void buf_put(struct rvol_buf *b)
{
	if (!b || !refcount_dec_and_test(&b->ref))
		return;
	if (b->account)
		atomic_sub(b->len, b->account);
	if (b->lender) {
		io_given_back(b->lender);
		return;
	}
	free_pages_of(b);
	mempool_free(b, &bufs);
}

bool buf_put_lent(struct rvol_buf *b)
{
	return refcount_dec_and_test(&b->ref);
}

void buf_end_lent(struct rvol_buf *b)
{
	free_pages_of(b);
}

/* one segment of a bio against the payload at off */
static void copy_segment(const struct rvol_buf *b, u32 off, const struct bio_vec *bv, bool to_bio)
{
	char *theirs = bvec_kmap_local((struct bio_vec *)bv);
	u32 at = 0;

	while (at < bv->bv_len) {
		u32 in_page = offset_in_page(off + at);
		u32 n = min_t(u32, bv->bv_len - at, PAGE_SIZE - in_page);
		char *ours = (char *)page_address(b->page[(off + at) / PAGE_SIZE]) + in_page;

		if (to_bio)
			memcpy(theirs + at, ours, n);
		else
			memcpy(ours, theirs + at, n);
		at += n;
	}
	kunmap_local(theirs);
}

static void copy(const struct rvol_buf *b, struct bio *bio, struct bvec_iter iter, bool to_bio)
{
	struct bvec_iter it;
	struct bio_vec bv;
	u32 off = 0;

	__bio_for_each_segment(bv, bio, it, iter)
	{
		if (off + bv.bv_len > b->len)
			return; /* not reached: a payload is as long as its bio */
		copy_segment(b, off, &bv, to_bio);
		off += bv.bv_len;
	}
}

bool buf_is_zeros(const struct rvol_buf *b, u32 off, u32 len)
{
	bool zeros = !(b->lender && b->n_pages == 0);

	for (u32 at = 0, n; zeros && at < len; at += n) {
		u32 in_page = offset_in_page(off + at);

		n = min_t(u32, len - at, PAGE_SIZE - in_page);
		zeros = !memchr_inv(page_address(b->page[(off + at) / PAGE_SIZE]) + in_page, 0, n);
	}
	return zeros;
}

bool buf_may_be_shared(const struct rvol_buf *b)
{
	return b->n_pages > 0 && READ_ONCE(pages.curr_nr) >= pages.min_nr;
}

void buf_from_bio(struct rvol_buf *b, struct bio *bio, struct bvec_iter iter)
{
	copy(b, bio, iter, false);
}

void buf_to_bio(const struct rvol_buf *b, struct bio *bio, struct bvec_iter iter)
{
	copy(b, bio, iter, true);
}

/* The segments of a bio that has lent its pages; ret may be NULL. Not page by page: 1 MiB that
 * begins inside a page touches one page more than a bio below can have segments. */
static u32 lent_segments(const struct bio *bio, u32 off, u32 len, struct bio_vec *ret, u32 max)
{
	struct bvec_iter it = bio->bi_iter, at;
	struct bio_vec bv;
	u32 n = 0;

	bio_advance_iter(bio, &it, off);
	it.bi_size = min(it.bi_size, len);
	__bio_for_each_bvec(bv, bio, at, it)
	{
		if (n == max)
			break;
		if (ret)
			ret[n] = bv;
		n++;
	}
	return n;
}

u32 buf_n_segments(const struct rvol_buf *b, u32 off, u32 len)
{
	if (b->lender && b->n_pages == 0)
		return lent_segments(b->lender->bio, off, len, NULL, U32_MAX);
	return DIV_ROUND_UP(offset_in_page(off) + len, PAGE_SIZE);
}

u32 buf_segments(const struct rvol_buf *b, u32 off, u32 len, struct bio_vec *ret, u32 max)
{
	u32 n = 0;

	if (b->lender && b->n_pages == 0)
		return lent_segments(b->lender->bio, off, len, ret, max);

	while (len > 0 && n < max) {
		u32 in_page = offset_in_page(off);
		u32 part = min_t(u32, len, PAGE_SIZE - in_page);

		ret[n++] = (struct bio_vec){ .bv_page = b->page[off / PAGE_SIZE],
					     .bv_len = part,
					     .bv_offset = in_page };
		off += part;
		len -= part;
	}
	return n;
}
