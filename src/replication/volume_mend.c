// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_mend.c - a copy whose disk has refused an operation takes no part
 * until it is attached anew. That is done here, as for another disk, with a
 * growing pause, once the other copies go on without it: then it comes back as
 * any restarted copy does. Not after a failed flush: the kernel may call pages
 * clean that never reached the disk, and what is read back then proves nothing.
 */
#include "replication/volume.h"

#include "base/clock.h"
#include "base/log.h"

static const char *const words[] = {
	[DISK_JOB_WRITE] = "data write",          [DISK_JOB_FLUSH] = "data flush",
	[DISK_JOB_META_WRITE] = "metadata write", [DISK_JOB_META_READ] = "metadata read",
	[DISK_JOB_META_FLUSH] = "metadata flush",
};

/* metadata that must be durable at once is written and flushed in one */
static bool is_flush(const struct disk_job *job)
{
	return job->kind == DISK_JOB_FLUSH || job->kind == DISK_JOB_META_FLUSH ||
	       (job->kind == DISK_JOB_META_WRITE && job->fua);
}

void mend_note(struct volume *v, const struct disk_job *job)
{
	if (job->kind == DISK_JOB_READ) /* others are asked; the copy stays */
		return;
	if (!v->sick[0] || (is_flush(job) && !v->flush_lost))
		snprintf(v->sick, sizeof(v->sick), "%s: %s", words[job->kind],
			 err_name(job->status));
	v->flush_lost |= is_flush(job);
}

bool mend_failed(const struct volume *v)
{
	return v->has_disk && v->mirror && v->mirror->replica.mode == REPLICA_FAILED;
}

bool mend_by_itself(const struct volume *v)
{
	return !v->flush_lost && v->r.in_sync && !plane_in_sync(&v->r, v->r.self);
}

void mend_on_timer(uv_timer_t *timer)
{
	struct volume *v = timer->data;

	if (volume_up(v))
		volume_settle_soon(v);
}

void mend_soon(struct volume *v)
{
	if (!v->mend_at)
		return;
	v->mend_at = clock_boot_ns();
	volume_settle_soon(v);
}

/* The loop's clock is not ours, and stands while the loop is busy: it may ring too early. */
static void wait_until_due(struct volume *v, u64 now)
{
	if (!uv_is_active((uv_handle_t *)&v->mend))
		uv_timer_start(&v->mend, mend_on_timer, (v->mend_at - now) / REPL_MS + 1, 0);
}

static void plan(struct volume *v, u64 now)
{
	bool again = v->mended_at && now < v->mended_at + 2 * VOLUME_MEND_MAX_MS * REPL_MS;

	v->mend_ms = again && v->mend_ms ? PORT_MIN(2 * v->mend_ms, VOLUME_MEND_MAX_MS)
					 : VOLUME_MEND_MIN_MS;
	v->mend_at = now + v->mend_ms * REPL_MS;
	v->failures++;
	log_error("plane", "volume=%s the disk of its copy here has failed: %s: %s", v->r.name,
		  v->sick,
		  v->flush_lost ? "not used any more until the daemon is restarted"
				: "attached again when the other copies go on without it");
	volume_report(v);
}

void mend_settle(struct volume *v, u64 now)
{
	if (!mend_failed(v))
		return;
	if (!v->mend_at)
		plan(v, now);
	if (now < v->mend_at) {
		wait_until_due(v, now);
		return;
	}
	/* A disk cannot come or go under an open volume: that waits for the last client. */
	if (!mend_by_itself(v) || v->opening || v->opened)
		return;
	log_info("plane", "volume=%s its disk is tried again", v->r.name);
	v->mended_at = now;
	volume_attach_again(v);
}
