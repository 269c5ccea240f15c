// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lower.c - the devices of the own copy: what the core emits for disks becomes
 * bios, and their ends become answers to the core. bios are collected in the
 * section and submitted after it; answers come back through r->answers and a
 * worker, so a device that never answers holds up nothing but what was asked of
 * it.
 */
#include "print.h"
#include "trace.h"

struct lower_op {
	struct llist_node node; /* in r->answers */
	struct list_head list;  /* in r->lower_ops */
	unsigned long began;    /* jiffies */
	struct rvol *r;         /* a reference */
	struct rvol_vol *v;
	enum repl_effect_kind kind;
	u64 id;
	struct rvol_buf *buf; /* a reference; what is written or read */
	struct rvol_io *io;   /* read straight into its bio; NULL mostly */
	u32 len;
	int status;
	u64 seq;                 /* of a write of the stream; 0 other */
	struct work_struct zero; /* a range of zeros has to sleep */
	u8 op;
	struct bio bio; /* last */
};

static struct bio_set ops, clones;

int lower_init(void)
{
	int rv = bioset_init(&ops, RVOL_OPS_MIN, offsetof(struct lower_op, bio),
			     BIOSET_NEED_BVECS | BIOSET_NEED_RESCUER);

	if (rv < 0)
		return rv;
	rv = bioset_init(&clones, BIO_POOL_SIZE, 0, BIOSET_NEED_RESCUER);
	if (rv < 0)
		bioset_exit(&ops);
	return rv;
}

void lower_exit(void)
{
	bioset_exit(&clones);
	bioset_exit(&ops);
}

/* One of ours is not opened at all: that would make this node its writer. And below another one it
 * could stand still: a section that finds no memory for a bio submits what it has and waits. */
static bool is_ours(const char *path)
{
	dev_t dev;

	return lookup_bdev(path, &dev) == 0 && MAJOR(dev) == device_major();
}

int lower_open(struct lower_dev *d, const char *path, u64 bytes, bool shared, const char **ret_why)
{
	int rv;

	*ret_why = "a device of it is a volume of this module";
	if (is_ours(path))
		return -ELOOP;
	rv = compat_bdev_open(d, path, shared ? NULL : d);

	*ret_why = rv == -EBUSY ? "a device of it is mounted or used by another program"
				: "a device of it cannot be opened";
	if (rv < 0)
		return rv;
	rv = -ENOSPC;
	*ret_why = "a device of it is smaller than the label says";
	if (bdev_nr_bytes(d->bdev) < bytes)
		goto close;
	rv = -EINVAL;
	*ret_why = "a device of it has blocks of more than 4096 bytes";
	if (bdev_logical_block_size(d->bdev) > REPL_META_PAGE)
		goto close;
	return 0;

close:
	compat_bdev_close(d);
	return rv;
}

void lower_close(struct rvol_vol *v)
{
	compat_bdev_close(&v->below);
	compat_bdev_close(&v->data);
	compat_bdev_close(&v->meta);
}

/* ---- answers ---- */

/* While others are under way more answers are to come, and one section may hear several. */
static void tell_soon(struct rvol *r, int status)
{
	if (status == 0 && atomic_read(&r->n_lower) > 1)
		lull_wait(r);
	else
		rvol_work_soon(r);
}

static void answer(struct lower_op *op, int status)
{
	struct rvol *r = op->r;
	bool late = status == 0 && op->seq;
	u64 seq = op->seq;

	op->status = status;
	/* a device without interrupts has ended it at once: who submitted goes on, no worker */
	if (in_task() && READ_ONCE(r->submitter) == current) {
		llist_add(&op->node, &r->answers);
		return;
	}
	/* as soon as it is in the list a section may take it, and with it the last user of r */
	rvol_get(r);
	llist_add(&op->node, &r->answers);
	/* Unless nothing waits for it yet. llist_add is a full barrier, settle() has one between
	 * the new value and its look at the answers: one of both sees the other. */
	if (!late || seq <= READ_ONCE(r->acked_elsewhere))
		tell_soon(r, status);
	rvol_put(r);
}

static void on_bio_end(struct bio *bio)
{
	answer(container_of(bio, struct lower_op, bio), blk_status_to_errno(bio->bi_status));
}

static const char *const words[] = {
	[REPL_DISK_WRITE] = "data write",   [REPL_DISK_READ] = "data read",
	[REPL_DISK_FLUSH] = "data flush",   [REPL_META_WRITE] = "metadata write",
	[REPL_META_READ] = "metadata read", [REPL_META_FLUSH] = "metadata flush",
};

/* a device that is well and cannot take it, such as a full thin pool's */
static const char *const no_space[] = {
	[REPL_DISK_WRITE] = "data write: no space left",
	[REPL_DISK_READ] = "data read: no space left",
	[REPL_DISK_FLUSH] = "data flush: no space left",
	[REPL_META_WRITE] = "metadata write: no space left",
	[REPL_META_READ] = "metadata read: no space left",
	[REPL_META_FLUSH] = "metadata flush: no space left",
};

/* The words that STATUS shows. What was to make something durable counts most: after it nobody
 * knows what the device has. */
static void note_error(struct lower_op *op)
{
	bool fua = op->kind == REPL_META_WRITE && (op->bio.bi_opf & REQ_FUA);
	const char *const *said = op->status == -ENOSPC ? no_space : words;
	bool durable = fua || op->kind == REPL_DISK_FLUSH || op->kind == REPL_META_FLUSH;
	struct rvol *r = op->r;

	if (r->disk_error && (!durable || r->flush_failed))
		return;
	r->flush_failed = durable;
	r->disk_error = !fua                    ? said[op->kind]
			: op->status == -ENOSPC ? "metadata write, FUA: no space left"
						: "metadata write, FUA";
	r->changed = true;
	pr_err("rvol: resource=%s volume=%u its disk has failed: %s, error %d\n", r->name,
	       op->v->number, r->disk_error, op->status);
}

static void flush_answer(struct lower_op *op, u64 now)
{
	struct rvol *r = op->r;
	struct rvol_flush *f = op->kind == REPL_DISK_FLUSH ? &r->data_flush : &r->meta_flush;

	if (op->status < 0)
		f->status = op->status;
	if (f->left == 0)
		rvol_fence(r, "a flush ends that is not under way");
	else if (--f->left == 0)
		repl_mirror_disk_done(r->mirror, f->id, f->status, &r->sink, now);
}

static void tell(struct lower_op *op, u64 now)
{
	struct rvol *r = op->r;
	struct repl_mirror *m = r->mirror;
	struct rvol_buf *buf = op->buf;

	switch (op->kind) {
	case REPL_DISK_FLUSH:
	case REPL_META_FLUSH:
		flush_answer(op, now);
		break;
	case REPL_DISK_READ:
		op->buf = NULL; /* the core's now */
		repl_mirror_disk_read_done(m, op->id, op->status, buf_handle(buf), op->len,
					   &r->sink, now);
		break;
	case REPL_META_READ:
		repl_mirror_meta_read_done(m, op->id, op->status, page_address(buf->page[0]),
					   &r->sink, now);
		break;
	default:
		repl_mirror_disk_done(m, op->id, op->status, &r->sink, now);
		break;
	}
}

/* who calls has a reference of its own, too */
static void done(struct rvol *r)
{
	if (atomic_dec_and_test(&r->n_lower))
		lower_close_soon(r);
	rvol_put(r);
}

static void begin(struct rvol *r)
{
	atomic_inc(&r->n_lower);
	rvol_get(r);
}

/* A flush covers what has ended before it: what is under way then, and ends later, is written
 * since. */
static void note_written(const struct lower_op *op)
{
	if (op->kind == REPL_DISK_WRITE)
		op->v->data_written = true;
	else if (op->kind == REPL_META_WRITE && !(op->bio.bi_opf & REQ_FUA))
		op->v->meta_written = true;
}

void lower_answers(struct rvol *r, u64 now)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&r->answers));
	struct lower_op *op, *next;

	llist_for_each_entry_safe(op, next, list, node)
	{
		trace_rvol_lower_end(r, op->v->number, op->kind, op->id, 0, op->len, op->status);
		if (op->status < 0 && !r->ending)
			note_error(op);
		note_written(op);
		if (op->io)
			io_lower_done(r, op->io);
		if (rvol_live(r))
			tell(op, now);
		list_del(&op->list);
		buf_put(op->buf);
		bio_put(&op->bio);
		done(r);
	}
}

void lower_print(struct seq_file *s, const struct rvol *r)
{
	struct lower_op *op;
	u32 n = 0;

	list_for_each_entry(op, &r->lower_ops, list)
		if (n++ < PRINT_MAX)
			seq_printf(s, "%u ms %s volume=%u len=%u id=%llx%s\n",
				   jiffies_to_msecs(jiffies - op->began), words[op->kind],
				   op->v->number, op->len, op->id,
				   op->io ? " for the application" : "");
	seq_printf(s, "lower=%u\n", n);
}

/* ---- what the core wants; entered ---- */

static struct lower_op *op_of(struct bio *bio, struct rvol_vol *v, const struct repl_effect *e)
{
	struct lower_op *op = container_of(bio, struct lower_op, bio);

	op->r = v->r;
	op->v = v;
	op->kind = e->kind;
	op->id = e->id;
	op->buf = NULL;
	op->io = NULL;
	op->len = e->len;
	op->op = e->op;
	op->status = 0;
	op->seq = 0;
	bio->bi_end_io = on_bio_end;
	bio->bi_iter.bi_sector = e->off >> SECTOR_SHIFT;
	op->began = jiffies;
	list_add_tail(&op->list, &v->r->lower_ops);
	begin(v->r);
	trace_rvol_lower_begin(v->r, v->number, e->kind, e->id, e->off, e->len, 0);
	return op;
}

static struct lower_op *op_new(struct rvol_vol *v, struct block_device *bdev, u32 segments,
			       blk_opf_t opf, const struct repl_effect *e)
{
	struct bio *bio = bio_alloc_bioset(bdev, segments, opf, GFP_NOWAIT | __GFP_NOWARN, &ops);

	if (!bio) {
		/* those that were collected may be all there are: they must go first */
		lower_submit(&v->r->lower);
		bio = bio_alloc_bioset(bdev, segments, opf, GFP_NOIO, &ops);
	}
	return op_of(bio, v, e);
}

static void add_payload(struct lower_op *op, u32 off, u32 len)
{
	struct bio_vec *vec = op->bio.bi_io_vec;
	u32 n = buf_segments(op->buf, off, len, vec, op->bio.bi_max_vecs);

	op->bio.bi_vcnt = n;
	op->bio.bi_iter.bi_size = len;
}

static void collect(struct lower_op *op)
{
	bio_list_add(&op->r->lower, &op->bio);
}

/* in sectors, of a TRIM; 0: zeros are written */
static u32 trim_unit(const struct rvol_vol *v)
{
	return v->below.bdev ? 0 : v->discard_bytes >> SECTOR_SHIFT;
}

/* A daemon that does not know of it has not said what the copy lies on: it fails, and is attached
 * anew. */
static int discard_below(const struct rvol_vol *v, sector_t at, u32 n)
{
	if (!v->below.bdev)
		return -EOPNOTSUPP;
	return trim_range(v->below.bdev, (v->below_off >> SECTOR_SHIFT) + at, n,
			  v->discard_bytes >> SECTOR_SHIFT);
}

/* All copies must be alike, whatever their devices can: ZERO and TRIM read back as zeros, DISCARD
 * as what zeros below are. */
static void on_zero(struct work_struct *work)
{
	struct lower_op *op = container_of(work, struct lower_op, zero);
	const struct rvol_vol *v = op->v;
	sector_t at = op->bio.bi_iter.bi_sector;
	u32 n = op->len >> SECTOR_SHIFT;
	unsigned int flags = op->op == REPL_OP_ZERO ? BLKDEV_ZERO_NOUNMAP : 0;

	if (op->op == REPL_OP_DISCARD)
		answer(op, discard_below(v, at, n));
	else if (op->op == REPL_OP_TRIM && trim_unit(v))
		answer(op, trim_range(v->data.bdev, at, n, trim_unit(v)));
	else
		answer(op, blkdev_issue_zeroout(v->data.bdev, at, n, GFP_NOIO, flags));
}

static void zero(struct rvol_vol *v, const struct repl_effect *e, u8 how)
{
	struct lower_op *op = op_new(v, v->data.bdev, 0, REQ_OP_WRITE, e);

	op->op = how;
	INIT_WORK(&op->zero, on_zero);
	queue_work(rvol_wq, &op->zero);
}

/* What a learner fetches of zeros, most of it discarded at the source, takes no space where that
 * can be had. What an application writes is written. */
static u8 how_to_write(const struct rvol_vol *v, const struct repl_effect *e)
{
	if (!trim_unit(v) || e->id >> 32 != DISK_PULL || !e->shared)
		return e->op;
	if (e->op == REPL_OP_DATA && !buf_is_zeros(buf_of(e->buf), e->buf_off, e->len))
		return e->op;
	return REPL_OP_TRIM;
}

static void write(struct rvol_vol *v, const struct repl_effect *e)
{
	u8 how = how_to_write(v, e);
	struct lower_op *op;

	if (how != REPL_OP_DATA) {
		zero(v, e, how);
		return;
	}
	op = op_new(v, v->data.bdev, buf_n_segments(buf_of(e->buf), e->buf_off, e->len),
		    REQ_OP_WRITE | REQ_SYNC, e);
	if (e->id >> 32 == DISK_STREAM)
		op->seq = v->r->mirror->replica.io[(u32)e->id % REPL_INFLIGHT_MAX].seq;
	op->buf = buf_of(e->buf);
	if (e->shared)
		buf_get(op->buf); /* the core keeps its own reference */
	add_payload(op, e->buf_off, e->len);
	collect(op);
}

/* Is that read for a request of the application here, and of its whole range? */
static struct rvol_io *asked_by(struct rvol *r, const struct repl_effect *e)
{
	const struct repl_mirror *m = r->mirror;
	const struct replica_serve *s;
	const struct writer_request *q;
	struct rvol_io *io;

	if (e->id >> 32 != DISK_SERVE)
		return NULL;
	s = &m->replica.serve[(u32)e->id % ARRAY_SIZE(m->replica.serve)];
	if (s->link != REPL_LINK_LOCAL || s->msg.kind != REPL_MSG_READ)
		return NULL;
	q = &m->writer.request[(s->msg.id & 0xffff) % REPL_REQUESTS_MAX];
	if (q->state != REQ_READING || (q->order & ~0ull >> 16) != s->msg.id >> 16)
		return NULL;
	io = (struct rvol_io *)(uintptr_t)q->id;
	return io->flying && io->read && !io->lower && io->step == e->len ? io : NULL;
}

/* Nothing of the application's that lets a device fail where it could wait, as a RAID does with
 * what is read ahead: an error means that this copy's disk is broken. */
blk_opf_t lower_read_flags(const struct bio *bio)
{
	return REQ_OP_READ | (bio->bi_opf & (REQ_SYNC | REQ_META | REQ_PRIO));
}

/* Into the application's own pages where it can be; no copy. Its bio has to wait then for the
 * device, even if another member answers sooner. */
static bool read_straight(struct rvol_vol *v, const struct repl_effect *e)
{
	struct rvol_io *io = asked_by(v->r, e);
	struct lower_op *op;
	struct bio *bio;

	if (!io)
		return false;
	bio = bio_alloc_clone(v->data.bdev, io->bio, GFP_NOWAIT | __GFP_NOWARN, &ops);
	if (!bio)
		return false;
	bio->bi_opf = lower_read_flags(io->bio);
	op = op_of(bio, v, e);
	op->io = io;
	io->lower = io->straight = true;
	collect(op);
	return true;
}

static void read(struct rvol_vol *v, const struct repl_effect *e)
{
	struct lower_op *op;

	if (read_straight(v, e))
		return;
	op = op_new(v, v->data.bdev, DIV_ROUND_UP(e->len, PAGE_SIZE), REQ_OP_READ, e);
	op->buf = buf_of_section(e->len);
	if (!op->buf) {
		answer(op, -ENOMEM);
		return;
	}
	add_payload(op, 0, e->len);
	collect(op);
}

static void meta(struct rvol_vol *v, const struct repl_effect *e)
{
	bool is_write = e->kind == REPL_META_WRITE;
	blk_opf_t opf = is_write ? REQ_OP_WRITE | (e->fua ? REQ_FUA : 0) : REQ_OP_READ;
	struct lower_op *op = op_new(v, v->meta.bdev, 1, opf | REQ_META | REQ_SYNC, e);

	op->len = REPL_META_PAGE;
	op->buf = buf_of_section(REPL_META_PAGE);
	if (is_write)
		memcpy(page_address(op->buf->page[0]), e->page, REPL_META_PAGE);
	add_payload(op, 0, REPL_META_PAGE);
	collect(op);
}

/* Devices without a write since their last flush have nothing to flush; one there is always, since
 * the answer must not come inside emit(). */
static void flush(struct rvol *r, const struct repl_effect *e)
{
	bool data = e->kind == REPL_DISK_FLUSH;
	struct rvol_flush *f = data ? &r->data_flush : &r->meta_flush;

	*f = (struct rvol_flush){ .id = e->id };
	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++) {
		struct rvol_vol *v = r->vol[i];
		bool *written;

		if (!v || !v->has_lower)
			continue;
		written = data ? &v->data_written : &v->meta_written;
		if (!*written && i != REPL_META_HOME)
			continue;
		*written = false;
		f->left++;
		v->n_lower_flushes += data;
		collect(op_new(v, data ? v->data.bdev : v->meta.bdev, 0,
			       REQ_OP_WRITE | REQ_PREFLUSH, e));
	}
}

static const char *check_data(const struct rvol_vol *v, const struct repl_effect *e)
{
	u32 most = e->op == REPL_OP_DATA ? REPL_WRITE_MAX : REPL_EXTENT_BYTES;
	const struct rvol_buf *b = buf_of(e->buf);

	if (!e->len || e->len > most || (e->off | e->len) % REPL_SECTOR)
		return "of an odd size";
	if (e->off > v->copy_size || e->len > v->copy_size - e->off)
		return "behind the end";
	if (e->kind == REPL_DISK_WRITE && e->op == REPL_OP_DATA &&
	    (!b || e->buf_off > b->len || e->len > b->len - e->buf_off))
		return "without its data";
	return NULL;
}

static const char *check_meta(const struct rvol_vol *v, const struct repl_effect *e)
{
	if (e->off % REPL_META_PAGE || e->off >= meta_bytes(v->copy_size))
		return "behind the end";
	return e->kind == REPL_META_WRITE && !e->page ? "without its page" : NULL;
}

/* What is wrong with it, or NULL. The core is ours, and the devices are somebody's data. */
static const char *check_effect(const struct rvol *r, const struct repl_effect *e)
{
	bool flushes = e->kind == REPL_DISK_FLUSH || e->kind == REPL_META_FLUSH;
	const struct rvol_flush *f = e->kind == REPL_DISK_FLUSH ? &r->data_flush : &r->meta_flush;
	u32 number = flushes ? REPL_META_HOME : e->volume;
	const struct rvol_vol *v = number < RVOL_VOLUMES_MAX ? r->vol[number] : NULL;

	if (!v || !v->has_lower)
		return "of a volume that has no disk here";
	if (flushes)
		return f->left ? "before the last one has ended" : NULL;
	return e->kind == REPL_DISK_WRITE || e->kind == REPL_DISK_READ ? check_data(v, e)
								       : check_meta(v, e);
}

void lower_effect(struct rvol *r, const struct repl_effect *e)
{
	const char *wrong = check_effect(r, e);
	struct rvol_vol *v;

	if (wrong) {
		rvol_fence(r, "%s %s", words[e->kind], wrong);
		fence_effect(e);
		return;
	}
	v = r->vol[e->volume];
	switch (e->kind) {
	case REPL_DISK_WRITE:
		write(v, e);
		break;
	case REPL_DISK_READ:
		read(v, e);
		break;
	case REPL_META_WRITE:
	case REPL_META_READ:
		meta(v, e);
		break;
	default:
		flush(r, e);
		break;
	}
}

void lower_submit(struct bio_list *list)
{
	struct blk_plug plug;
	struct bio *bio;

	if (bio_list_empty(list))
		return;
	blk_start_plug(&plug);
	while ((bio = bio_list_pop(list)))
		submit_bio_noacct(bio);
	blk_finish_plug(&plug);
}

static void on_read_through_end(struct bio *clone)
{
	struct bio *bio = clone->bi_private;
	struct rvol_vol *v = bio->bi_bdev->bd_disk->private_data;
	struct rvol *r = v->r;

	bio->bi_status = clone->bi_status;
	bio_put(clone);
	rvol_get(r); /* the end of bio may be the end of its volume */
	bio_endio(bio);
	done(r);
	rvol_put(r);
}

bool lower_hold(struct rvol_vol *v)
{
	struct rvol *r = v->r;

	begin(r);
	smp_mb__after_atomic(); /* ending is set before n_lower is looked at: one sees the other */
	if (!READ_ONCE(r->ending) && READ_ONCE(v->has_lower))
		return true;
	done(r);
	return false;
}

void lower_release(struct rvol *r)
{
	done(r);
}

void lower_read_through(struct rvol_vol *v, struct bio *bio)
{
	struct bio *clone;

	if (!lower_hold(v)) {
		bio_io_error(bio);
		return;
	}
	clone = bio_alloc_clone(v->data.bdev, bio, GFP_NOIO, &clones);
	clone->bi_private = bio;
	clone->bi_end_io = on_read_through_end;
	submit_bio_noacct(clone);
}

/* ---- the end ---- */

void lower_on_close(struct work_struct *work)
{
	struct rvol *r = container_of(work, struct rvol, close_work);

	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++) {
		struct rvol_vol *v = r->vol[i];

		if (!v || !v->has_lower)
			continue;
		v->has_lower = false;
		lower_close(v);
	}
	rvol_put(r);
}

void lower_close_soon(struct rvol *r)
{
	if (!READ_ONCE(r->ending) || atomic_read(&r->n_lower) > 0)
		return;
	rvol_get(r);
	if (!queue_work(rvol_wq, &r->close_work))
		rvol_put(r);
}
