// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * device.c - volumes as block devices /dev/rvol<minor>. The first open for
 * writing makes this node the writer, the last close gives that up; an open for
 * reading never does. Requests become struct rvol_io; those that a task submits
 * under a plug go together. Calls resource.c and requests.c.
 */
#include <linux/idr.h>
#include <linux/slab.h>
#include <linux/sched/signal.h>

#include "rvol.h"

#define LOOK_AGAIN_MS 100 /* a waiting open looks at least so often */

static int major;
static DEFINE_IDA(minors); /* of volumes that are shown, or will be */

/* ---- requests ---- */

/* What the application most probably sleeps for goes at once, with all that waits. */
static bool may_wait(const struct rvol_io *io)
{
	return !io->read && !(io->todo & (IO_PREFLUSH | IO_POSTFLUSH));
}

static void on_unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct rvol_plug *plug = container_of(cb, struct rvol_plug, cb);
	struct rvol *r = cb->data;
	struct rvol_io *io, *next;
	LIST_HEAD(ios);
	bool wait = list_is_singular(&plug->ios); /* several have company already */

	rvol_get(r);                   /* the requests' own may go before we are through, */
	list_splice(&plug->ios, &ios); /* and the plug with the first of them */
	list_for_each_entry_safe(io, next, &ios, list) {
		wait &= may_wait(io);
		llist_add(&io->incoming, &r->incoming);
	}
	if (from_schedule) /* the task is about to sleep: it must not do anything else before */
		rvol_work_soon(r);
	else if (!wait || !lull_takes_write(r))
		rvol_kick(r);
	rvol_put(r);
}

/* As blk_check_plugged, but the first request brings the memory: a write alone has a plug, too. */
static struct rvol_plug *plug_for(struct rvol *r, struct rvol_io *io)
{
	struct rvol_plug *mine = &io->plug;
	struct blk_plug_cb *cb;

	list_for_each_entry(cb, &current->plug->cb_list, list)
		if (cb->callback == on_unplug && cb->data == r)
			return container_of(cb, struct rvol_plug, cb);
	mine->cb.callback = on_unplug;
	mine->cb.data = r;
	INIT_LIST_HEAD(&mine->ios);
	list_add(&mine->cb.list, &current->plug->cb_list);
	return mine;
}

static void submit_io(struct rvol *r, struct rvol_io *io)
{
	bool wait = may_wait(io);
	struct bio_list *outer;

	if (current->plug) {
		list_add_tail(&io->list, &plug_for(r, io)->ios);
		return;
	}
	rvol_get(r);
	llist_add(&io->incoming, &r->incoming);
	if (wait && lull_takes_write(r)) {
		rvol_put(r);
		return;
	}
	/* Inside of submit_bio what goes to other devices is put off until we have returned: then
	 * nobody would look for its end but a worker. */
	outer = current->bio_list;
	current->bio_list = NULL;
	rvol_kick(r);
	current->bio_list = outer;
	rvol_put(r);
}

/* at and left are set */
static bool take_op(struct rvol_io *io, const struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		io->read = true;
		return true;
	case REQ_OP_WRITE:
		io->op = REPL_OP_DATA;
		return true;
	case REQ_OP_DISCARD:
		io->op = repl_discard_op(READ_ONCE(io->vol->r->below_discards), &io->at, &io->left);
		return true;
	case REQ_OP_WRITE_ZEROES:
		/* both read back as zeros; who does not ask for the space to be kept gives it up */
		io->op = bio->bi_opf & REQ_NOUNMAP ? REPL_OP_ZERO : REPL_OP_TRIM;
		return true;
	default:
		return false;
	}
}

/* Pages of the page cache that are being written back do not change (the device asks for that); all
 * other memory may, a database's as well as a virtual machine's. */
static bool is_stable(struct bio *bio)
{
	struct bvec_iter it;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, it)
	{
		if (!folio_test_writeback(page_folio(bv.bv_page)))
			return false;
	}
	return true;
}

static blk_status_t take_payload(struct rvol_io *io)
{
	struct rvol *r = io->vol->r;
	u8 copy = READ_ONCE(r->copy_writes);
	bool lend = copy == RVOL_COPY_NEVER || (copy == RVOL_COPY_DIRECT && is_stable(io->bio));

	if (lend && READ_ONCE(r->no_learner)) {
		io->buf = buf_lent(io, false);
		return BLK_STS_OK;
	}
	if (READ_ONCE(r->only_copy)) {
		io->buf = buf_lent(io, true);
		return BLK_STS_OK;
	}
	io->buf = buf_new((u32)io->left);
	if (!io->buf)
		return BLK_STS_RESOURCE;
	buf_from_bio(io->buf, io->bio, io->bio->bi_iter);
	return BLK_STS_OK;
}

/* 0; else how the bio ends */
static blk_status_t fill_io(struct rvol_io *io, struct rvol_vol *v, struct bio *bio)
{
	memset(io, 0, offsetof(struct rvol_io, plug));
	io->vol = v;
	io->bio = bio;
	io->at = bio->bi_iter.bi_sector << SECTOR_SHIFT;
	io->left = bio->bi_iter.bi_size;
	if (!take_op(io, bio))
		return BLK_STS_NOTSUPP;
	io->todo = (io->left ? IO_RANGE : 0) | (bio->bi_opf & REQ_PREFLUSH ? IO_PREFLUSH : 0) |
		   (bio->bi_opf & REQ_FUA ? IO_POSTFLUSH : 0);
	if (io->left && !io->read && io->op == REPL_OP_DATA)
		return take_payload(io);
	return BLK_STS_OK;
}

static void count(struct rvol_vol *v, const struct rvol_io *io)
{
	if (io->read)
		v->n_reads++;
	else if (io->left)
		v->n_writes++;
	if (io->todo & (IO_PREFLUSH | IO_POSTFLUSH))
		v->n_flushes++;
}

static void end_bio(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio_endio(bio);
}

static bool readable(const struct rvol *r);

/* A reader looks at the own copy as it is, or in vain: without a word of the kernel's, since it is
 * mostly somebody who looks what is on all devices there are. */
static void not_served(struct rvol_vol *v, struct bio *bio)
{
	bool reads = bio_op(bio) == REQ_OP_READ;
	bool may = false;

	if (reads) {
		rvol_enter(v->r);
		may = v->has_lower && readable(v->r);
		v->n_reads++;
		rvol_leave(v->r);
		bio_set_flag(bio, BIO_QUIET);
	}
	if (may)
		lower_read_through(v, bio);
	else
		bio_io_error(bio);
}

void vol_submit_long(struct bio *bio)
{
	struct rvol_vol *v = bio->bi_bdev->bd_disk->private_data;
	struct rvol *r = v->r;
	bool writes = op_is_write(bio_op(bio));
	struct rvol_io *io;
	blk_status_t status;

	if (!READ_ONCE(r->opened)) {
		not_served(v, bio);
		return;
	}
	if (writes && !freeze_admits(r, bio))
		return;
	io = mempool_alloc(&r->ios, GFP_NOIO);
	status = fill_io(io, v, bio);
	if (status || !io->todo) {
		mempool_free(io, &r->ios);
		if (writes)
			freeze_write_over(r);
		end_bio(bio, status);
		return;
	}
	io->began = bio_start_io_acct(bio);
	count(v, io);
	rvol_get(r); /* until it has ended */
	submit_io(r, io);
}

static void device_submit_bio(struct bio *bio)
{
	bio = bio_split_to_limits(bio);
	if (!bio ||
	    (bio_op(bio) == REQ_OP_READ && shortcut_read(bio->bi_bdev->bd_disk->private_data, bio)))
		return;
	vol_submit_long(bio);
}

/* ---- open and close ---- */

/* Is the own copy, as it is, what a reader of a volume that is not served here may see? */
static bool readable(const struct rvol *r)
{
	if (!rvol_live(r) || !r->has_copy)
		return false;
	return r->mirror->replica.mode == REPLICA_MEMBER ||
	       (r->mirror->replica.mode == REPLICA_OUT && r->was_in_sync);
}

static void begin_open(struct rvol *r, struct rvol_vol *v)
{
	if (!v->writing)
		r->writers++;
	v->writing = true;
	r->close_wanted = false;
	/* also when it was handed over and nobody here has asked for it since */
	if (r->opened && !r->healing && r->mirror->writer.state != WRITER_IDLE &&
	    r->mirror->writer.state != WRITER_STOPPED)
		return;
	r->healing = false;
	r->opened = r->changed = true;
	repl_mirror_open(r->mirror, &r->sink, r->now);
}

static void end_open(struct rvol *r, struct rvol_vol *v)
{
	if (--v->opens > 0 || !v->writing)
		return;
	v->writing = false;
	if (--r->writers == 0)
		r->close_wanted = true;
	r->changed = true;
}

/* entered */
static int check_open(const struct rvol *r)
{
	if (r->failed)
		return -EIO;
	return rvol_live(r) ? 0 : -ENXIO;
}

/* 1: not decided yet; entered */
static int open_verdict(struct rvol *r, struct rvol_vol *v, u64 *in_use_since)
{
	const struct repl_writer *w;
	int rv = check_open(r);

	if (rv < 0)
		return rv;
	w = &r->mirror->writer;
	if (repl_writer_serving(w))
		return repl_mirror_size(r->mirror, v->number) > 0 ? 0 : -ENXIO;
	if (w->state == WRITER_STOPPED)
		return -EIO;
	if (strncmp(w->reason, "in use", 6) != 0) {
		*in_use_since = 0;
		return 1;
	}
	if (!*in_use_since)
		*in_use_since = r->now;
	return r->now >= *in_use_since + RVOL_IN_USE_MS * REPL_MS ? -EBUSY : 1;
}

static int wait_open(struct rvol *r, struct rvol_vol *v)
{
	unsigned long end = jiffies + msecs_to_jiffies(RVOL_OPEN_DEADLINE_MS);
	u64 in_use_since = 0, event;
	char reason[RVOL_NAME_MAX];
	int rv;

	for (;;) {
		rvol_enter(r);
		rv = open_verdict(r, v, &in_use_since);
		event = r->event;
		strscpy(reason, r->mirror->writer.reason, sizeof(reason));
		rvol_leave(r);
		if (rv == 1 && time_after(jiffies, end))
			rv = -ETIMEDOUT;
		if (rv <= 0)
			break;
		if (wait_event_killable_timeout(r->opens, READ_ONCE(r->event) != event,
						msecs_to_jiffies(LOOK_AGAIN_MS)) < 0)
			return -EINTR;
	}
	if (rv < 0)
		pr_warn_ratelimited("rvol: resource=%s volume=%u not opened: %s\n", r->name,
				    v->number, reason[0] ? reason : "no copy has agreed in time");
	return rv;
}

static int open_for_writing(struct rvol *r, struct rvol_vol *v)
{
	int rv;

	rvol_enter(r);
	rv = check_open(r);
	if (rv == 0) {
		v->opens++;
		begin_open(r, v);
	}
	rvol_leave(r);
	if (rv < 0)
		return rv;
	rv = wait_open(r, v);
	if (rv == 0) {
		/* what readers have seen of the own copy before may be old */
		invalidate_bdev(v->disk->part0);
		return 0;
	}
	rvol_enter(r);
	end_open(r, v);
	rvol_leave(r);
	return rv;
}

static int device_open(COMPAT_OPEN_ARGS)
{
	struct rvol_vol *v = COMPAT_OPEN_DISK->private_data;
	struct rvol *r = v->r;
	int rv;

	if (COMPAT_FOR_WRITING(mode))
		return open_for_writing(r, v);
	rvol_enter(r);
	rv = check_open(r);
	if (rv == 0)
		v->opens++;
	rvol_leave(r);
	return rv;
}

static void device_release(COMPAT_RELEASE_ARGS)
{
	struct rvol_vol *v = COMPAT_RELEASE_DISK->private_data;

	rvol_enter(v->r);
	end_open(v->r, v);
	rvol_leave(v->r);
}

static void device_free_disk(struct gendisk *disk)
{
	struct rvol_vol *v = disk->private_data;

	rvol_put(v->r);
}

static const struct block_device_operations fops = {
	.owner = THIS_MODULE,
	.submit_bio = device_submit_bio,
	.open = device_open,
	.release = device_release,
	.free_disk = device_free_disk,
};

/* ---- volumes ---- */

static int open_lower(struct rvol_vol *v, const struct rvol_vol_config *c, const char **ret_why)
{
	int rv = lower_open(&v->data, c->data_path, v->copy_size, false, ret_why);

	if (rv == 0)
		rv = lower_open(&v->meta, c->meta_path, meta_bytes(v->copy_size), false, ret_why);
	if (rv == 0 && c->below_path) /* data has it exclusively */
		rv = lower_open(&v->below, c->below_path, c->below_off + v->copy_size, true,
				ret_why);
	if (rv < 0) {
		lower_close(v);
		return rv;
	}
	v->below_off = c->below_off;
	v->has_lower = true;
	v->block_bytes = max_t(u32, v->block_bytes, bdev_logical_block_size(v->data.bdev));
	return 0;
}

/* The kernel complains loudly when a device is made twice. */
static int take_minor(struct rvol_vol *v, const char **ret_why)
{
	int rv = ida_alloc_range(&minors, v->minor, v->minor, GFP_KERNEL);

	if (rv == -ENOSPC) {
		*ret_why = "another volume has that minor";
		return -EBUSY;
	}
	v->has_minor = rv >= 0;
	return PORT_MIN(rv, 0);
}

static void give_minor(struct rvol_vol *v)
{
	if (v->has_minor)
		ida_free(&minors, v->minor);
	v->has_minor = false;
}

void vol_free(struct rvol_vol *v)
{
	give_minor(v);
	lower_close(v);
	kfree(v);
}

/* entered; false: it cannot be taken any more */
static bool take(struct rvol *r, struct rvol_vol *v, const char **ret_why)
{
	*ret_why = "the resource is being deleted";
	if (r->ending)
		return false;
	*ret_why = "the volume is there already";
	if (r->vol[v->number])
		return false;
	r->vol[v->number] = v;
	r->changed = true;
	if (rvol_live(r) && v->has_lower)
		repl_mirror_grow(r->mirror, v->number, v->copy_size, &r->sink, r->now);
	return true;
}

int vol_add(struct rvol *r, const struct rvol_vol_config *c, const char **ret_why)
{
	struct rvol_vol *v = kzalloc(sizeof(*v), GFP_KERNEL);
	bool taken, booted;
	int rv;

	*ret_why = "no memory";
	if (!v)
		return -ENOMEM;
	v->r = r;
	v->number = c->number;
	v->minor = c->minor;
	v->size = c->copy_size ? c->copy_size : c->size;
	v->copy_size = c->data_path ? c->copy_size : 0;
	v->discard_bytes = c->discard_bytes;
	v->block_bytes = c->block_bytes;
	rv = take_minor(v, ret_why);
	if (rv == 0 && c->data_path)
		rv = open_lower(v, c, ret_why);
	if (rv < 0) {
		vol_free(v);
		return rv;
	}
	rvol_enter(r);
	taken = take(r, v, ret_why);
	booted = r->booted;
	rvol_leave(r);
	if (!taken) {
		vol_free(v);
		return -EEXIST;
	}
	*ret_why = "the block device cannot be made";
	return booted ? vol_show(v) : 0;
}

int vol_grow(struct rvol *r, u32 number, u64 copy_size, const char **ret_why)
{
	struct rvol_vol *v;
	int rv = -ENOENT;

	rvol_enter(r);
	v = r->vol[number];
	*ret_why = "there is no such volume with a copy here";
	if (rvol_live(r) && v && v->has_lower) {
		rv = copy_size < v->copy_size ? -EINVAL : 0;
		*ret_why = "a volume cannot shrink";
	}
	if (rv == 0 && (bdev_nr_bytes(v->data.bdev) < copy_size ||
			bdev_nr_bytes(v->meta.bdev) < meta_bytes(copy_size))) {
		rv = -ENOSPC;
		*ret_why = "its devices have not grown";
	}
	if (rv == 0) {
		v->copy_size = copy_size;
		repl_mirror_grow(r->mirror, number, copy_size, &r->sink, r->now);
	}
	rvol_leave(r);
	return rv;
}

static int show(struct rvol_vol *v)
{
	struct compat_limits l = {
		.logical = v->block_bytes,
		.physical = REPL_META_PAGE,
		.chunk_sectors = REPL_EXTENT_BYTES >> SECTOR_SHIFT,
		.max_sectors = REPL_WRITE_MAX >> SECTOR_SHIFT,
		.max_discard_sectors = REPL_EXTENT_BYTES >> SECTOR_SHIFT,
	};
	int rv;

	v->disk = compat_alloc_disk(&l);
	if (!v->disk)
		return -ENOMEM;
	v->disk->major = major;
	v->disk->first_minor = (int)v->minor;
	v->disk->minors = 1;
	v->disk->flags |= GENHD_FL_NO_PART;
	v->disk->fops = &fops;
	v->disk->private_data = v;
	snprintf(v->disk->disk_name, DISK_NAME_LEN, "rvol%u", v->minor);
	set_capacity(v->disk, v->size >> SECTOR_SHIFT);
	rvol_get(v->r); /* device_free_disk */
	rv = add_disk(v->disk);
	if (rv < 0) {
		put_disk(v->disk);
		v->disk = NULL;
		rvol_put(v->r); /* not by device_free_disk, as it was never there */
		return rv;
	}
	v->added = true;
	return 0;
}

/* Of BOOT and of a volume that comes at that very time; of a resource that ends meanwhile. */
int vol_show(struct rvol_vol *v)
{
	struct rvol *r = v->r;
	int rv = 0;

	mutex_lock(&r->disks_lock);
	if (READ_ONCE(r->ending)) /* vol_hide comes after that, or has been */
		rv = -ESHUTDOWN;
	else if (!v->added)
		rv = show(v);
	mutex_unlock(&r->disks_lock);
	return rv;
}

void vol_hide(struct rvol_vol *v)
{
	mutex_lock(&v->r->disks_lock);
	if (v->added) {
		v->added = false;
		del_gendisk(v->disk);
		put_disk(v->disk);
	}
	give_minor(v);
	mutex_unlock(&v->r->disks_lock);
}

/* what is served decides; it never becomes less */
void vols_settle(struct rvol *r)
{
	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++) {
		struct rvol_vol *v = r->vol[i];
		u64 size = repl_mirror_size(r->mirror, i);

		if (!v || !v->added || !size || size == v->size)
			continue;
		v->size = size;
		set_capacity_and_notify(v->disk, size >> SECTOR_SHIFT);
	}
}

void vol_info(const struct rvol_vol *v, struct rvol_volume *ret)
{
	*ret = (struct rvol_volume){ .number = v->number,
				     .minor = v->minor,
				     .opens = v->opens,
				     .writing = v->writing,
				     .size = v->r->mirror
						     ? repl_mirror_size(v->r->mirror, v->number)
						     : 0,
				     .copy_size = v->copy_size,
				     .reads = v->n_reads,
				     .writes = v->n_writes,
				     .flushes = v->n_flushes,
				     .lower_flushes = v->n_lower_flushes };
}

/* ---- the module ---- */

int device_init(void)
{
	major = register_blkdev(0, "rvol");
	return min(major, 0);
}

unsigned int device_major(void)
{
	return (unsigned int)major;
}

void device_exit(void)
{
	unregister_blkdev(major, "rvol");
	ida_destroy(&minors);
}
