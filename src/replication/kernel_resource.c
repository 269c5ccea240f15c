// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_resource.c - the life of a resource of the kernel module: asks
 * kernel_plan.c what is next and does it, until there is nothing to do. What may
 * block is left to a worker (kernel_job.c); all other commands are answered at
 * once. Called by plane_kernel.c.
 */
#include "replication/kernel_resource.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "replication/kernel_names.h"
#include "replication/volume_times.h"

#define MS REPL_MS
#define LINK_NUMBERS_NS (64 * MS) /* numbers of links are no older lives': they begin at the time */

static void out_of_memory(const struct kernel_resource *k)
{
	log_error("plane", "volume=%s out of memory", k->r.name);
	abort(); /* as for any letter of the daemon */
}

void kernel_settle_soon(struct kernel_resource *k)
{
	if (!k->closed)
		turn_add(&k->env->plane.turn, &k->settle);
}

/* ---- the module ---- */

struct kernel_request kernel_request_of(const struct kernel_resource *k, enum rvol_cmd cmd)
{
	struct kernel_request q = { .cmd = cmd };

	memcpy(q.uuid, k->r.uuid, sizeof(q.uuid));
	return q;
}

int kernel_ask_module(struct kernel_resource *k, const struct kernel_request *q, struct err *err)
{
	struct err local = { 0 };
	int rv;

	err = err ? err : &local;
	rv = k->env->port->request(k->env->port, q, err);
	if (rv == -ENODEV)
		kernel_plane_lost(k->env, err->text);
	return rv;
}

/* ---- failures ---- */

static void retry_later(struct kernel_resource *k, u64 now)
{
	k->retry_ms =
		k->retry_ms ? PORT_MIN(2 * k->retry_ms, VOLUME_RETRY_MAX_MS) : VOLUME_RETRY_MIN_MS;
	k->l.retry_at = now + k->retry_ms * MS;
}

void kernel_failed(struct kernel_resource *k, const char *what, const char *why)
{
	char text[sizeof(k->error)];

	snprintf(text, sizeof(text), "%.250s", why);
	if (strcmp(k->error, text) != 0)
		log_error("plane", "volume=%s %s: %s", k->r.name, what, text);
	memcpy(k->error, text, sizeof(k->error));
	retry_later(k, clock_boot_ns());
}

static void succeeded(struct kernel_resource *k)
{
	k->error[0] = '\0';
	k->retry_ms = 0;
	k->l.retry_at = 0;
}

/* ---- a new view ---- */

/* what is known of a resource that the module does not have */
static void forget(struct kernel_resource *k)
{
	k->l.there = k->l.made = k->l.stale = false;
	k->l.check = KERNEL_UNCHECKED;
	k->l.boot_asked = k->l.boot_known = k->l.options_set = false;
	k->l.read_asked = k->l.cas_asked = 0;
	k->l.mend_at = k->l.away_since = 0;
	k->l.volumes_due = k->l.failed_before = false;
	k->boot = k->read = k->cas = (struct kernel_ask){ 0 };
	k->bad_pages = 0;
	memset(&k->view, 0, sizeof(k->view));
	k->view.status.pull_slot = REPL_NO_SLOT;
	kernel_links_forget(k);
	kernel_freeze_drop(k, "the freeze has ended as the resource is not in the kernel any more");
}

static void plan_mending(struct kernel_resource *k, u64 now)
{
	bool again = k->mended_at && now < k->mended_at + 2 * VOLUME_MEND_MAX_MS * MS;

	/* what a former life has found is what the restart was for */
	if (kernel_flush_failed(&k->view) && !k->l.failed_before) {
		k->l.flush_lost = true;
		snprintf(k->lost_flush, sizeof(k->lost_flush), "%s", k->view.status.disk_error);
	}
	k->mend_ms = again && k->mend_ms ? PORT_MIN(2 * k->mend_ms, VOLUME_MEND_MAX_MS)
					 : VOLUME_MEND_MIN_MS;
	k->l.mend_at = k->l.failed_before ? now : now + k->mend_ms * MS;
	k->l.failures++;
	log_error("plane", "volume=%s the disk of its copy here has failed: %s: %s", k->r.name,
		  k->view.status.disk_error,
		  k->l.flush_lost      ? "not used any more until the daemon is restarted"
		  : k->l.failed_before ? "attached again, as the daemon was restarted"
				       : "attached again when the other copies go on without it");
}

static void note_changes(struct kernel_resource *k, const struct kernel_view *old, u64 now)
{
	const struct rvol_status *s = &k->view.status, *o = &old->status;
	u32 busy = RVOL_STATUS_OPEN | RVOL_STATUS_HEALING;
	u32 served = RVOL_STATUS_OPEN | RVOL_STATUS_SERVING;

	if ((o->flags & busy) && !(s->flags & busy)) {
		k->l.heal_at = now + VOLUME_HEAL_PAUSE_MS * MS;
		k->l.release_by = k->l.release_at = now + VOLUME_RELEASE_MS * MS;
	}
	if (!k->served && (s->flags & served) == served) {
		log_info("plane", "volume=%s epoch=%u opened", k->r.name, s->epoch);
		k->served = true;
	} else if (k->served && !(s->flags & RVOL_STATUS_OPEN)) {
		log_info("plane", "volume=%s closed", k->r.name);
		k->served = false;
	}
	/* one that only heals may give way: kernel_heal says so */
	if ((s->flags & RVOL_STATUS_STOPPED) && !(o->flags & RVOL_STATUS_STOPPED) &&
	    !(s->flags & RVOL_STATUS_HEALING))
		log_error("plane", "volume=%s epoch=%u I/O has ended: %s", k->r.name, s->epoch,
			  s->reason);
	if ((s->flags & RVOL_STATUS_LAPSED) && !(o->flags & RVOL_STATUS_LAPSED))
		log_warn("plane", "volume=%s a freeze has ended without a thaw", k->r.name);
	if ((s->flags & RVOL_STATUS_FAILED) && !(o->flags & RVOL_STATUS_FAILED))
		log_error("plane", "volume=%s fenced by the kernel module: %s", k->r.name,
			  s->reason);
	if (s->bad_pages > k->bad_pages)
		log_warn("plane",
			 "volume=%s damaged pages of the epoch map: their regions will be compared "
			 "anew",
			 k->r.name);
	k->bad_pages = s->bad_pages;
	if (kernel_disk_failed(&k->view) && !k->l.mend_at)
		plan_mending(k, now);
	else if (!kernel_disk_failed(&k->view))
		k->l.mend_at = 0;
	if (!kernel_away(&k->view))
		k->l.away_since = 0;
	else if (!k->l.away_since)
		k->l.away_since = now;
	if (s->flags & RVOL_STATUS_ENDING)
		k->l.retry_at = now + KERNEL_ENDING_MS * MS;
}

static void see(struct kernel_resource *k, const struct kernel_view *view, u64 now)
{
	struct kernel_view old = k->view;

	if (!k->l.there && !k->l.made) {
		k->grace_until = now + KERNEL_GRACE_MS * MS;
		k->l.failed_before = kernel_disk_failed(view);
		log_info("plane", "volume=%s is in the kernel already", k->r.name);
	}
	k->view = *view;
	k->l.there = true;
	note_changes(k, &old, now);
	kernel_links_seen(k, now);
	kernel_freeze_seen(k);
}

/* false: not now */
static bool look(struct kernel_resource *k, u64 now)
{
	struct kernel_view view;
	struct err err = { 0 };
	int rv = k->env->port->status(k->env->port, k->r.uuid, &view, &err);

	k->l.known = true;
	k->look_at = 0;
	if (rv == 0) {
		see(k, &view, now);
		return true;
	}
	if (rv == -ENOENT) {
		if (k->l.there && !k->l.removing) {
			log_warn("plane", "volume=%s is not in the kernel any more", k->r.name);
			retry_later(k, now);
		}
		forget(k);
		return true;
	}
	if (rv == -ENODEV) {
		kernel_plane_lost(k->env, err.text);
		return false;
	}
	log_warn("plane", "volume=%s its status cannot be read: %s", k->r.name, err.text);
	k->look_at = now + KERNEL_LOOK_AGAIN_MS * MS;
	return false;
}

/* ---- jobs ---- */

static void begin_job(struct kernel_resource *k, enum kernel_job_kind kind)
{
	struct disk_job *work = disk_job_new(&k->worker, DISK_JOB_CALL, false);
	struct kernel_job *j = kernel_job_new(kind, k->env->port, &k->r);

	if (!work || !j)
		out_of_memory(k);
	assert(!k->job);
	j->view = k->view;
	j->node = k->env->plane.node_id;
	j->boot = k->env->plane.boot;
	j->force = k->l.removing;
	k->job = j;
	k->l.looking = kind == KERNEL_JOB_CHECK || kind == KERNEL_JOB_VOLUMES;
	k->l.busy = !k->l.looking;
	work->call = kernel_job_run;
	work->call_arg = j;
	disk_submit(work);
}

static void attach_done(struct kernel_resource *k, const struct kernel_job *j)
{
	if (j->flush_lost) {
		k->l.flush_lost = true;
		snprintf(k->lost_flush, sizeof(k->lost_flush), "%.60s", err_name(j->status));
	}
	if (j->status < 0) {
		k->l.failures += k->l.mending;
		kernel_failed(k, "not attached", j->err.text);
		return;
	}
	succeeded(k);
	k->l.mending = false;
	k->l.made = true;
	k->l.check = KERNEL_OURS;
}

static void check_done(struct kernel_resource *k, const struct kernel_job *j)
{
	k->l.check = j->check;
	if (j->check == KERNEL_OURS) {
		succeeded(k);
		k->l.volumes_due = true;
		log_info("plane", "volume=%s goes on as it was in the kernel", k->r.name);
	} else if (j->check == KERNEL_FOREIGN) {
		log_warn("plane", "volume=%s what is in the kernel is another replica's: %s",
			 k->r.name, j->err.text);
	} else {
		kernel_failed(k, "its devices cannot be looked at", j->err.text);
	}
}

static void delete_done(struct kernel_resource *k, const struct kernel_job *j, u64 now)
{
	if (j->status == -EBUSY) {
		k->l.retry_at = now + KERNEL_BUSY_MS * MS;
	} else if (j->status < 0) {
		kernel_failed(k, "cannot be taken out of the kernel", j->err.text);
	} else {
		forget(k);
		if (!k->l.removing)
			log_info("plane", "volume=%s is attached anew", k->r.name);
	}
}

/* what was found belongs to a configuration that may have changed meanwhile: the plan tells */
static void on_job_done(struct disk_job *work, void *owner)
{
	struct kernel_resource *k = owner;
	struct kernel_job *j = k->job;

	k->job = NULL;
	k->l.busy = k->l.looking = false;
	k->l.known = false;
	if (j->status == -ENODEV && !k->leaving)
		kernel_plane_lost(k->env, j->err.text);
	switch (j->kind) {
	case KERNEL_JOB_ATTACH:
		attach_done(k, j);
		break;
	case KERNEL_JOB_CHECK:
		check_done(k, j);
		break;
	case KERNEL_JOB_VOLUMES:
		if (j->status == 0) {
			succeeded(k);
			kernel_names_set(k->env->dev_dir, &k->r);
		} else {
			kernel_failed(k, "what is new of it cannot be used", j->err.text);
			k->l.volumes_due = true;
		}
		break;
	case KERNEL_JOB_DELETE:
		delete_done(k, j, clock_boot_ns());
		break;
	}
	kernel_job_free(j);
	kernel_settle_soon(k);
}

/* ---- steps ---- */

static void attach(struct kernel_resource *k)
{
	char why[160];

	if (!k->l.flush_lost || !plane_has_disk(&k->r)) {
		begin_job(k, KERNEL_JOB_ATTACH);
		return;
	}
	snprintf(why, sizeof(why),
		 "a flush of its disk has failed (%s): restart sdsd here when the disk is well",
		 k->lost_flush);
	kernel_failed(k, "not attached", why);
}

static void check(struct kernel_resource *k)
{
	if (plane_has_disk(&k->r)) {
		begin_job(k, KERNEL_JOB_CHECK);
		return;
	}
	k->l.check = KERNEL_OURS;
	k->l.volumes_due = true;
	log_info("plane", "volume=%s goes on as it was in the kernel", k->r.name);
}

static void close_here(struct kernel_resource *k);

static void delete (struct kernel_resource *k, u64 now)
{
	if (kernel_disk_failed(&k->view) && !k->l.removing) {
		log_info("plane", "volume=%s its disk is tried again", k->r.name);
		k->mended_at = now;
		k->l.mending = true;
	}
	begin_job(k, KERNEL_JOB_DELETE);
}

/* false: nothing more can be done now */
static bool take(struct kernel_resource *k, enum kernel_step step, u64 now)
{
	switch (step) {
	case KERNEL_LOOK:
		return look(k, now);
	case KERNEL_ATTACH:
		attach(k);
		break;
	case KERNEL_CHECK:
		check(k);
		break;
	case KERNEL_ASK_BOOT:
		kernel_ask_boot(k);
		break;
	case KERNEL_BOOT:
		kernel_boot(k);
		break;
	case KERNEL_DELETE:
	case KERNEL_DELETE_FORCE:
		delete (k, now);
		break;
	case KERNEL_VOLUMES:
		k->l.volumes_due = false;
		begin_job(k, KERNEL_JOB_VOLUMES);
		break;
	case KERNEL_SET:
		kernel_set_options(k);
		break;
	case KERNEL_ASK_READ:
		kernel_ask_read(k);
		break;
	case KERNEL_ASK_CAS:
		kernel_ask_cas(k);
		break;
	case KERNEL_HEAL_ON:
	case KERNEL_HEAL_OFF:
		kernel_heal(k, step == KERNEL_HEAL_ON, now);
		break;
	case KERNEL_YIELD:
		kernel_yield(k, now);
		break;
	case KERNEL_ABANDON:
		kernel_abandon(k, now);
		break;
	case KERNEL_GONE:
		kernel_names_remove(k->env->dev_dir, k->r.name);
		close_here(k);
		return false;
	default:
		return false;
	}
	return true;
}

/* ---- the end of a turn ---- */

static void refresh_local(struct kernel_resource *k, u64 now)
{
	k->l.now = now;
	if (k->env->lost && !k->l.lost)
		forget(k); /* with the module went all that it had */
	k->l.lost = k->env->lost;
	/* who has knocked at a former life, which healed, has to find the way first */
	k->l.knocked = kernel_links_knocked(k) ||
		       (now < k->grace_until && (k->view.status.flags & RVOL_STATUS_HEALING));
	k->l.yielded = k->yield_at && now < k->yield_at + KERNEL_YIELD_MS * MS;
	if (k->look_at && now >= k->look_at) {
		k->look_at = 0;
		k->l.known = false;
	}
}

static u64 sooner(u64 due, u64 at, u64 now)
{
	return at > now && at < due ? at : due;
}

static void on_timer(uv_timer_t *timer)
{
	kernel_settle_soon(timer->data);
}

static void set_timer(struct kernel_resource *k, u64 now)
{
	u64 due = kernel_links_due(k, now);

	due = sooner(due, k->l.retry_at, now);
	due = sooner(due, k->look_at, now);
	due = sooner(due, k->grace_until, now);
	due = sooner(due, kernel_freeze_due(k), now);
	if (k->l.there) {
		due = sooner(due, k->l.heal_at, now);
		due = sooner(due, k->l.release_at, now);
		due = sooner(due, k->l.mend_at, now);
		due = sooner(due, k->l.release_by, now);
		if (k->l.away_since)
			due = sooner(due, k->l.away_since + VOLUME_AWAY_MS * MS, now);
		if (k->yield_at)
			due = sooner(due, k->yield_at + KERNEL_YIELD_MS * MS, now);
	}
	if (due == UINT64_MAX)
		uv_timer_stop(&k->timer);
	else
		uv_timer_start(&k->timer, on_timer, (due - now) / MS + 1, 0);
}

static void tell(struct kernel_resource *k)
{
	struct plane_status s;

	kernel_status(&k->r, &k->view, &k->l, k->error, &s);
	if (kernel_status_same(&s, &k->told))
		return;
	k->told = s;
	plane_report(&k->item);
}

static void take_steps(struct kernel_resource *k)
{
	for (u32 i = 0; i < KERNEL_STEPS_MAX && !k->closed; i++) {
		u64 now = clock_boot_ns();
		enum kernel_step step;

		refresh_local(k, now);
		step = kernel_next(&k->r, &k->view, &k->l);
		if (step != KERNEL_IDLE && step != KERNEL_WAIT)
			log_debug("plane", "volume=%s step=%s", k->r.name, kernel_step_name(step));
		if (!take(k, step, now))
			return;
	}
}

static void on_settle(struct turn_item *item)
{
	struct kernel_resource *k =
		(struct kernel_resource *)((char *)item - offsetof(struct kernel_resource, settle));

	bool late;

	if (k->leaving) {
		close_here(k);
		return;
	}
	late = clock_boot_ns() >= kernel_freeze_due(k);
	if (late)
		k->l.known = false;
	take_steps(k);
	if (k->closed)
		return;
	if (late)
		kernel_freeze_drop(k, "the kernel module does not say whether the freeze holds");
	kernel_links_settle(k, clock_boot_ns());
	if (kernel_waits_for_close(&k->r, &k->view, &k->l)) /* who reads makes no event */
		k->look_at = clock_boot_ns() + KERNEL_LOOK_AGAIN_MS * MS;
	if (!k->l.known && !k->env->lost && !k->l.busy && !k->look_at)
		kernel_settle_soon(k); /* the links have changed something */
	set_timer(k, clock_boot_ns());
	tell(k);
}

/* ---- life ---- */

struct kernel_resource *kernel_resource_new(struct kernel_plane *env,
					    const struct plane_resource *r, u32 index)
{
	struct kernel_resource *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->env = env;
	plane_item_init(&k->item, &env->plane, r, index);
	plane_resource_copy(&k->r, r);
	k->settle.run = on_settle;
	k->knock_slot = PLANE_SLOTS - 1;
	k->l.release_at = clock_boot_ns() + VOLUME_RELEASE_MS * MS;
	k->view.status.pull_slot = REPL_NO_SLOT;
	k->next_link = RVOL_LINK_FIRST + (u32)(clock_boot_ns() / LINK_NUMBERS_NS);
	disk_init(&k->worker, env->plane.disks, on_job_done, k);
	uv_timer_init(&env->plane.loop, &k->timer);
	k->timer.data = k;
	payload_account_init(&k->account, &env->payloads);
	kernel_settle_soon(k);
	return k;
}

/* but for what the record says */
static bool same_config(const struct plane_resource *a, const struct plane_resource *b)
{
	if (memcmp(a->peer, b->peer, sizeof(a->peer)) != 0 || a->n_volumes != b->n_volumes ||
	    a->room != b->room)
		return false;
	for (int i = 0; i < a->n_volumes; i++)
		if (a->volume[i].number != b->volume[i].number ||
		    a->volume[i].size_bytes != b->volume[i].size_bytes ||
		    !a->volume[i].data_path != !b->volume[i].data_path)
			return false;
	return true;
}

void kernel_resource_set(struct kernel_resource *k, const struct plane_resource *r)
{
	struct plane_resource old = k->r;

	if (plane_replaced(&old, r))
		k->l.stale = k->l.there || k->l.busy;
	if (memcmp(old.replica_uuid, r->replica_uuid, sizeof(old.replica_uuid)) != 0)
		k->l.flush_lost = k->l.mending = false; /* another copy */
	plane_resource_copy(&k->r, r);
	if (!same_config(&old, r)) {
		k->l.volumes_due = true;
		if (k->l.mend_at)
			k->l.mend_at = clock_boot_ns(); /* perhaps what was wrong was set right */
	}
	k->l.retry_at = 0;
	kernel_links_peers(k, &old);
	plane_resource_release(&old);
	kernel_settle_soon(k);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct kernel_resource *k = handle->data;

	turn_drop(&k->env->plane.turn, &k->settle);
	disk_release(&k->worker);
	payload_account_release(&k->account);
	plane_resource_release(&k->r);
	k->removed(k->removed_arg);
	free(k);
}

/* once no job is under way */
static void close_here(struct kernel_resource *k)
{
	if (k->job || k->closed)
		return;
	k->closed = true;
	kernel_freeze_drop(k, "it is not known whether it holds: the daemon ends");
	kernel_links_end(k);
	uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}

void kernel_resource_remove(struct kernel_resource *k, void (*removed)(void *arg), void *arg)
{
	k->removed = removed;
	k->removed_arg = arg;
	k->l.removing = true;
	k->l.retry_at = 0;
	kernel_links_end(k);
	kernel_settle_soon(k);
}

void kernel_resource_leave(struct kernel_resource *k, void (*removed)(void *arg), void *arg)
{
	k->removed = removed;
	k->removed_arg = arg;
	k->leaving = true;
	kernel_links_end(k);
	kernel_settle_soon(k);
}

void kernel_resource_event(struct kernel_resource *k)
{
	k->l.known = false;
	kernel_settle_soon(k);
}

void kernel_resource_status(struct kernel_resource *k, struct plane_status *ret)
{
	u64 now = clock_boot_ns();

	/* how far a learner has got is no event */
	if (k->l.known && k->l.there && k->view.status.mode == RVOL_LEARNER && !k->env->lost)
		look(k, now);
	refresh_local(k, now);
	kernel_status(&k->r, &k->view, &k->l, k->error, ret);
}
