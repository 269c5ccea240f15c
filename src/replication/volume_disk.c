// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_disk.c - the devices of the own copy, one pair for each volume of the
 * resource: attached by a worker before the mirror is made, looked at again
 * when the configuration says that some are new or larger, and used for what
 * the mirror emits. A flush of the mirror is one of all devices written to.
 */
#include "replication/volume.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "replication/attach.h"
#include "replication/loopdev.h"

/* What a worker does for us. It has copies of all that it needs: the loop goes on meanwhile. */
struct volume_call {
	struct volume *v;
	bool attach; /* else: look */
	bool flush;  /* what is open has to take a flush */
	bool flush_lost;
	struct plane_resource r;
	struct meta_file home;
	u64 size[PLANE_VOLUMES]; /* of labels; 0 not there */
	struct err err;
};

static struct volume_part *home_of(const struct volume *v)
{
	return v->part[REPL_META_HOME];
}

/* ---- in the worker ---- */

static int flush_part(struct volume_call *c, const struct disk *d)
{
	int rv = attach_flush(d, &c->err);

	c->flush_lost |= rv < 0;
	return rv;
}

/* A file that is a loop device is the kernel module's, or somebody else's: two at once would ruin
 * it. */
static int check_free(const char *path, struct err *err)
{
	char dev[LOOPDEV_PATH_MAX];

	if (loopdev_find(path, dev, NULL) < 0)
		return 0;
	return err_set(err, -EBUSY, "%s is in use as %s (by the kernel module?)", path, dev);
}

static int open_part(struct volume_call *c, struct disk *d, const struct plane_volume *spec)
{
	int rv = 0;

	if (d->data_fd < 0) { /* it has no other jobs */
		d->discard_bytes = spec->below_path ? 0 : spec->discard_bytes;
		rv = check_free(spec->data_path, &c->err);
	}
	if (rv == 0)
		rv = attach_open(d, &c->r, spec, &c->size[spec->number], &c->err);
	if (rv == 0 && spec->below_path && d->below_fd < 0)
		rv = disk_open_below(d, spec->data_path, spec->below_path, spec->below_off,
				     &c->err);
	return rv;
}

static int work(void *arg)
{
	struct volume_call *c = arg;
	int rv = 0;

	for (int i = 0; rv == 0 && i < c->r.n_volumes; i++) {
		const struct plane_volume *spec = &c->r.volume[i];
		struct disk *d = &c->v->part[spec->number]->disk;

		if (!spec->data_path) /* its files are being made */
			continue;
		rv = open_part(c, d, spec);
		if (rv == 0 && c->flush)
			rv = flush_part(c, d);
	}
	if (rv == 0 && c->attach)
		rv = meta_file_attach(home_of(c->v)->disk.meta_fd, c->r.mark_path, &c->home,
				      &c->err);
	return rv;
}

/* ---- on the loop ---- */

static void begin_call(struct volume *v, bool attach)
{
	struct disk_job *job = disk_job_new(&home_of(v)->disk, DISK_JOB_CALL, false);
	struct volume_call *c = calloc(1, sizeof(*c));

	if (!job || !c)
		volume_out_of_memory(v);
	c->v = v;
	c->attach = attach;
	c->flush = attach;
	plane_resource_copy(&c->r, &v->r);
	v->call = c;
	v->look_again = false;
	job->call = work;
	job->call_arg = c;
	disk_submit(job);
}

void disks_attach(struct volume *v)
{
	begin_call(v, true);
}

void disks_look(struct volume *v)
{
	if (v->call)
		v->look_again = true;
	else if (v->has_disk && (v->state == VOLUME_UP || v->state == VOLUME_BOOTING))
		begin_call(v, false);
}

static void close_all(struct volume *v)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i])
			disk_close(&v->part[i]->disk);
}

static void take_sizes(struct volume *v, const struct volume_call *c)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++) {
		struct volume_part *p = v->part[i];

		if (!p || c->size[i] <= p->size_bytes)
			continue;
		p->attached = true;
		p->size_bytes = c->size[i];
		if (c->attach)
			continue; /* the mirror is made with it */
		log_info("plane", "volume=%s number=%u has %llu bytes here now", v->r.name, i,
			 (unsigned long long)p->size_bytes);
		repl_mirror_grow(v->mirror, i, p->size_bytes, &v->sink, volume_enter(v));
	}
}

static void call_done(struct volume *v, int status)
{
	struct volume_call *c = v->call;

	v->call = NULL;
	if (c->flush_lost) {
		v->flush_lost = true;
		snprintf(v->sick, sizeof(v->sick), "%.90s", err_name(status));
	}
	if (v->state == VOLUME_ENDING) {
		volume_settle_soon(v);
	} else if (status == 0) {
		take_sizes(v, c);
		if (c->attach)
			volume_attached(v, &c->home, NULL);
	} else if (c->attach) {
		close_all(v);
		volume_attached(v, NULL, c->err.text[0] ? c->err.text : err_name(status));
	} else {
		log_error("plane", "volume=%s what is new of it cannot be used: %s", v->r.name,
			  c->err.text);
		snprintf(v->error, sizeof(v->error), "%.250s", c->err.text);
		volume_report(v);
	}
	plane_resource_release(&c->r);
	free(c);
	if (v->look_again)
		disks_look(v);
}

bool disks_busy(const struct volume *v)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i] && v->part[i]->disk.jobs > 0)
			return true;
	return false;
}

void disks_release(struct volume *v)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++) {
		if (!v->part[i])
			continue;
		disk_release(&v->part[i]->disk);
		free(v->part[i]);
		v->part[i] = NULL;
	}
}

/* ---- what the mirror wants ---- */

static struct disk_job *job_new(struct volume_part *p, enum disk_job_kind kind,
				const struct repl_effect *e)
{
	struct disk_job *job = disk_job_new(
		&p->disk, kind, kind == DISK_JOB_META_WRITE || kind == DISK_JOB_META_READ);

	if (!job)
		volume_out_of_memory(p->whole);
	job->id = e->id;
	job->off = e->off;
	job->len = e->len;
	return job;
}

static bool all_zeros(const u8 *data, u32 len)
{
	return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* What a learner fetches of zeros, most of it discarded at the source, takes no space where that
 * can be had. What an application writes is written. */
static u8 op_of(const struct volume_part *p, const struct repl_effect *e)
{
	if (!p->disk.discard_bytes || e->id >> 32 != DISK_PULL)
		return e->op;
	if (e->op == REPL_OP_DATA && !all_zeros(payload_of(e->buf)->data + e->buf_off, e->len))
		return e->op;
	return REPL_OP_TRIM;
}

static void submit_write(struct volume_part *p, const struct repl_effect *e)
{
	struct disk_job *job = job_new(p, DISK_JOB_WRITE, e);

	job->op = op_of(p, e);
	job->buf = payload_of(e->buf);
	job->buf_off = e->buf_off;
	if (e->shared && job->buf)
		payload_get(job->buf); /* the mirror keeps its own reference */
	disk_submit(job);
}

static void submit_read(struct volume_part *p, const struct repl_effect *e)
{
	struct disk_job *job = job_new(p, DISK_JOB_READ, e);

	job->buf = payload_new(&p->whole->data, e->len);
	if (!job->buf)
		volume_out_of_memory(p->whole);
	disk_submit(job);
}

static void submit_meta(struct volume_part *p, const struct repl_effect *e)
{
	bool write = e->kind == REPL_META_WRITE;
	struct disk_job *job = job_new(p, write ? DISK_JOB_META_WRITE : DISK_JOB_META_READ, e);

	if (write)
		memcpy(job->page, e->page, REPL_META_PAGE);
	job->len = REPL_META_PAGE;
	job->fua = e->fua;
	disk_submit(job);
}

/* Devices without a write since their last flush have nothing to flush; one job there is always,
 * since the answer must not come inside emit(). */
static void submit_flush(struct volume *v, const struct repl_effect *e)
{
	bool data = e->kind == REPL_DISK_FLUSH;
	struct volume_flush *f = data ? &v->data_flush : &v->meta_flush;

	*f = (struct volume_flush){ .id = e->id };
	for (u32 i = 0; i < PLANE_VOLUMES; i++) {
		struct volume_part *p = v->part[i];
		bool *written;

		if (!p || !p->attached)
			continue;
		written = data ? &p->data_written : &p->meta_written;
		if (!*written && i != REPL_META_HOME)
			continue;
		*written = false;
		f->left++;
		disk_submit(job_new(p, data ? DISK_JOB_FLUSH : DISK_JOB_META_FLUSH, e));
	}
}

void disks_effect(struct volume *v, const struct repl_effect *e)
{
	struct volume_part *p = v->part[e->volume];

	switch (e->kind) {
	case REPL_DISK_WRITE:
		submit_write(p, e);
		break;
	case REPL_DISK_READ:
		submit_read(p, e);
		break;
	case REPL_META_WRITE:
	case REPL_META_READ:
		submit_meta(p, e);
		break;
	default:
		submit_flush(v, e);
		break;
	}
}

static void log_disk_error(const struct volume_part *p, const struct disk_job *job)
{
	static const char *const words[] = {
		[DISK_JOB_READ] = "data read",          [DISK_JOB_WRITE] = "data write",
		[DISK_JOB_FLUSH] = "data flush",        [DISK_JOB_META_WRITE] = "metadata write",
		[DISK_JOB_META_READ] = "metadata read", [DISK_JOB_META_FLUSH] = "metadata flush",
	};

	log_error("plane", "volume=%s number=%u %s of %u bytes at %llu failed: %s",
		  p->whole->r.name, p->number, words[job->kind], job->len,
		  (unsigned long long)job->off, err_name(job->status));
}

/* The flush covers what was written before it: what is done later is written since. */
static void note_written(struct volume_part *p, const struct disk_job *job)
{
	if (job->kind == DISK_JOB_WRITE)
		p->data_written = true;
	else if (job->kind == DISK_JOB_META_WRITE && !job->fua)
		p->meta_written = true;
}

static void flush_done(struct volume *v, struct volume_flush *f, int status)
{
	f->status = f->status ? f->status : status;
	if (--f->left == 0)
		repl_mirror_disk_done(v->mirror, f->id, f->status, &v->sink, volume_enter(v));
}

/* the mirror's answer; buf, a reference, is the mirror's afterwards */
static void tell_mirror(struct volume *v, struct disk_job *job)
{
	u64 now = volume_enter(v);

	switch (job->kind) {
	case DISK_JOB_FLUSH:
		flush_done(v, &v->data_flush, job->status);
		break;
	case DISK_JOB_META_FLUSH:
		flush_done(v, &v->meta_flush, job->status);
		break;
	case DISK_JOB_META_READ:
		repl_mirror_meta_read_done(v->mirror, job->id, job->status, job->page, &v->sink,
					   now);
		break;
	case DISK_JOB_READ:
		if (job->status < 0)
			payload_put(job->buf);
		repl_mirror_disk_read_done(v->mirror, job->id, job->status,
					   job->status < 0 ? 0 : payload_handle(job->buf),
					   job->status < 0 ? 0 : job->len, &v->sink, now);
		break;
	default:
		payload_put(job->buf);
		repl_mirror_disk_done(v->mirror, job->id, job->status, &v->sink, now);
	}
}

void disks_done(struct disk_job *job, void *owner)
{
	struct volume_part *p = owner;
	struct volume *v = p->whole;

	if (job->kind == DISK_JOB_CALL) {
		call_done(v, job->status);
		return;
	}
	if (job->status < 0) {
		log_disk_error(p, job);
		mend_note(v, job);
	}
	note_written(p, job);
	if (v->mirror) {
		tell_mirror(v, job);
	} else { /* ENDING */
		payload_put(job->buf);
		volume_settle_soon(v);
	}
}
