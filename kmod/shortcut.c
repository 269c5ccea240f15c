// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shortcut.c - a read of what is served here goes to the own disk and ends where
 * the disk's bio ends, without the mutex and without the core, while the core
 * could do nothing else with it. Called by device.c with each read and by
 * resource.c at the end of each section; knows the own disk and nobody else.
 *
 * What the core does for a read is P1 and P5 (docs/protocol.md): it holds the
 * read back behind writes of the same blocks and these behind the read, sends it
 * to a member, and gives no answer unless every lease runs after the data has
 * arrived. Here nothing is held back. What must hold is looked at when the read
 * begins and once more when its data is there; if it does not hold then, the
 * data counts for nothing, and the same bio takes the long way: vol_submit_long,
 * as if it had just been submitted. A device's error does so, too: what it means
 * is the core's business. Nothing waits for a shortcut, so it needs no undoing.
 *
 * The argument. D is the moment at which the data has arrived: the bio's end.
 *
 * P1. Each write is counted in the places of its regions: begun, in the section
 * before the core gets it (so before it can be at any disk), and ended, in that
 * in which it was committed or has failed. At the beginning all that had begun
 * in these places has ended; after D no other one has begun. So no write of
 * these blocks was under way from the beginning to D: what was read is what was
 * committed last. A write that begins later is concurrent with the read, which
 * counts as having happened before it.
 *
 * P5. until is repl_mirror_reads_until(), told anew at the end of each section
 * (of each one while there are readers; when there are none it is closed):
 * this node serves with a whole set, the own copy is one of it and in session,
 * and nobody who could let another writer in does so before that time by itself.
 * It is looked at after D, and the clock after D as well: so no other node had
 * served at D, and what was read at D is what is served. How long the bio's end
 * takes from there on does not matter: it is the same with a read that the core
 * has completed.
 *
 * What ends it earlier than its time:
 * - RELEASE and PROMISED let another writer in at once. They may be sent by
 *   another task as soon as they are queued, before the section has ended: so
 *   emit closes the shortcut before. Whoever sees until as it was before that
 *   has got its data before any other writer could serve.
 * - The own copy leaves the set (its disk, its session), or the set is not whole:
 *   no write completes without it before consensus has agreed, which hears of it
 *   after the section, by STATUS.
 * - A proposal that needs another lease (GROW) is made known in the same way.
 * - A fence closes it at once, an end and a close at the end of their sections:
 *   nothing of another node depends on these, but on RELEASE and the lease.
 * It is opened again in another term only, and a read of the former one takes
 * the long way: the own copy may have been anything between.
 *
 * A freeze does not concern reads.
 */
#include "trace.h"

struct shortcut {
	struct llist_node node; /* in r->shortcut.again */
	struct rvol_vol *v;
	struct bio *bio;     /* the application's */
	unsigned long began; /* jiffies, for the statistics */
	u32 term;
	u32 begun;        /* writes of its places, up to its beginning */
	struct bio clone; /* last */
};

#define WANTED_TICKS 100u /* it is closed when nothing was read for so long */

static struct bio_set clones;
/* Its own queue: a read that goes on may wait for requests to end, which rvol_wq sees to. */
static struct workqueue_struct *again_wq;

int shortcut_init(void)
{
	int rv = bioset_init(&clones, BIO_POOL_SIZE, offsetof(struct shortcut, clone),
			     BIOSET_NEED_RESCUER);

	if (rv < 0)
		return rv;
	again_wq = alloc_workqueue("rvol_again", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!again_wq)
		bioset_exit(&clones);
	return again_wq ? 0 : -ENOMEM;
}

void shortcut_exit(void)
{
	destroy_workqueue(again_wq);
	bioset_exit(&clones);
}

/* ---- writes, by the regions that they touch; entered ---- */

static u32 first_region(const struct bio *bio)
{
	return (u32)(bio->bi_iter.bi_sector / (REPL_REGION_BYTES >> SECTOR_SHIFT));
}

static u32 end_region(const struct bio *bio) /* the one after the last */
{
	return (u32)DIV_ROUND_UP(bio_end_sector(bio), REPL_REGION_BYTES >> SECTOR_SHIFT);
}

/* volumes share places: it costs a detour now and then, and no more */
static struct rvol_place *place_of(struct rvol *r, u32 region)
{
	return &r->shortcut.place[region % RVOL_PLACES];
}

void shortcut_write_begins(struct rvol *r, const struct bio *bio)
{
	for (u32 x = first_region(bio), end = end_region(bio); x < end; x++)
		WRITE_ONCE(place_of(r, x)->begun, place_of(r, x)->begun + 1);
}

void shortcut_write_ends(struct rvol *r, const struct bio *bio)
{
	for (u32 x = first_region(bio), end = end_region(bio); x < end; x++)
		WRITE_ONCE(place_of(r, x)->ended, place_of(r, x)->ended + 1);
}

/* Counts only go up: sums are alike when all of them are. */
static u32 begun_at(struct rvol *r, const struct bio *bio)
{
	u32 sum = 0;

	for (u32 x = first_region(bio), end = end_region(bio); x < end; x++)
		sum += READ_ONCE(place_of(r, x)->begun);
	return sum;
}

static u32 ended_at(struct rvol *r, const struct bio *bio)
{
	u32 sum = 0;

	for (u32 x = first_region(bio), end = end_region(bio); x < end; x++)
		sum += READ_ONCE(place_of(r, x)->ended);
	return sum;
}

/* ---- open and closed; entered ---- */

void shortcut_close(struct rvol *r)
{
	if (!r->shortcut.until)
		return;
	WRITE_ONCE(r->shortcut.until, 0);
	smp_wmb(); /* see still_holds */
	WRITE_ONCE(r->shortcut.term, r->shortcut.term + 1);
	smp_mb(); /* before whatever follows is seen by others */
}

void shortcut_tick(struct rvol *r)
{
	u8 wanted = READ_ONCE(r->shortcut.wanted);

	if (wanted)
		WRITE_ONCE(r->shortcut.wanted, wanted - 1);
}

void shortcut_settle(struct rvol *r)
{
	u64 until = 0;

	if (READ_ONCE(r->shortcut.wanted) && rvol_live(r))
		until = repl_mirror_reads_until(r->mirror);
	if (until)
		WRITE_ONCE(r->shortcut.until, until);
	else
		shortcut_close(r);
}

/* ---- reads; not entered ---- */

/* after its data has arrived; any context */
static bool still_holds(const struct shortcut *s)
{
	struct rvol *r = s->v->r;
	u64 until;

	smp_rmb(); /* the data is from before what is looked at now */
	until = READ_ONCE(r->shortcut.until);
	smp_rmb(); /* a new until comes after its term */
	return READ_ONCE(r->shortcut.term) == s->term && begun_at(r, s->bio) == s->begun &&
	       ktime_get_boottime_ns() < until;
}

static void on_end(struct bio *clone)
{
	struct shortcut *s = container_of(clone, struct shortcut, clone);
	struct rvol_vol *v = s->v;
	struct rvol *r = v->r;
	struct bio *bio = s->bio;

	trace_rvol_lower_end(r, v->number, REPL_DISK_READ, 0, 0, bio->bi_iter.bi_size,
			     blk_status_to_errno(clone->bi_status));
	bio_end_io_acct(bio, s->began);
	if (unlikely(clone->bi_status || !still_holds(s))) {
		rvol_get(r); /* the worker's; else it may give back the last one before us */
		llist_add(&s->node, &r->shortcut.again);
		if (!queue_work(again_wq, &r->shortcut.work))
			rvol_put(r);
		return;
	}
	v->n_reads++;
	bio_put(clone);
	bio_endio(bio);
	lower_release(r);
}

static void on_again(struct work_struct *work)
{
	struct rvol *r = container_of(work, struct rvol, shortcut.work);
	struct llist_node *list = llist_reverse_order(llist_del_all(&r->shortcut.again));
	struct shortcut *s, *next;

	llist_for_each_entry_safe(s, next, list, node)
	{
		struct bio *bio = s->bio;

		bio_put(&s->clone);
		vol_submit_long(bio);
		lower_release(r);
	}
	rvol_put(r);
}

void shortcut_prepare(struct rvol *r)
{
	init_llist_head(&r->shortcut.again);
	INIT_WORK(&r->shortcut.work, on_again);
}

static void submit(struct rvol_vol *v, struct bio *bio, u32 term, u32 begun)
{
	struct bio *clone = bio_alloc_clone(v->data.bdev, bio, GFP_NOIO, &clones);
	struct shortcut *s = container_of(clone, struct shortcut, clone);

	s->v = v;
	s->bio = bio;
	s->term = term;
	s->begun = begun;
	s->began = bio_start_io_acct(bio);
	clone->bi_opf = lower_read_flags(bio);
	clone->bi_end_io = on_end;
	trace_rvol_lower_begin(v->r, v->number, REPL_DISK_READ, 0,
			       bio->bi_iter.bi_sector << SECTOR_SHIFT, bio->bi_iter.bi_size, 0);
	submit_bio_noacct(clone);
}

bool shortcut_read(struct rvol_vol *v, struct bio *bio)
{
	struct rvol *r = v->r;
	u32 term = READ_ONCE(r->shortcut.term), begun;

	if (READ_ONCE(r->shortcut.wanted) != WANTED_TICKS)
		WRITE_ONCE(r->shortcut.wanted, WANTED_TICKS);
	smp_rmb(); /* of a term that has ended there is no until any more */
	if (!READ_ONCE(r->shortcut.until) || !bio->bi_iter.bi_size ||
	    (bio->bi_opf & (REQ_PREFLUSH | REQ_FUA)) ||
	    bio_end_sector(bio) > repl_mirror_size(r->mirror, v->number) >> SECTOR_SHIFT)
		return false;
	begun = begun_at(r, bio);
	smp_rmb(); /* what begins after that is seen by still_holds */
	if (ended_at(r, bio) != begun || !lower_hold(v))
		return false;
	submit(v, bio, term, begun);
	return true;
}
