// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume.c - the life of one resource on the plane: attach the disk (in a
 * worker), read the record, up; begin again when its disk changes; end when it
 * is removed, after its disk jobs and NBD clients have. Called by
 * plane_user.c. What happens while it is up is in the files beside.
 */
#include "replication/volume.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define TIMERS 4

void volume_report(struct volume *v)
{
	v->env->changed(v);
}

/* ---- up ---- */

static u32 copies_of(const struct plane_resource *r)
{
	u32 copies = 0;

	for (u32 s = 0; s < PLANE_SLOTS; s++)
		if (r->peer[s].used && !r->peer[s].diskless && !r->peer[s].leaving)
			copies |= 1u << s;
	return copies;
}

static int make_mirror(struct volume *v)
{
	struct repl_mirror_config c = {
		.self = (u8)v->r.self,
		.copies = copies_of(&v->r),
		.size_bytes = v->r.size_bytes,
		.tag = { .node = v->env->node_id, .boot = v->env->boot },
		.disk = v->has_disk ? &v->meta.disk : NULL,
	};

	v->mirror = calloc(1, sizeof(*v->mirror));
	if (!v->mirror)
		return -ENOMEM;
	rand_bytes(&c.seed, sizeof(c.seed));
	/* boot is the process's: another life of the volume in it has other tags */
	rand_bytes(&c.tag.counter, sizeof(c.tag.counter));
	repl_mirror_init(v->mirror, &c, clock_boot_ns());
	v->pull_slot = REPL_NO_SLOT;
	return 0;
}

static void on_retry(uv_timer_t *timer);

static void retry_later(struct volume *v)
{
	v->retry_ms =
		v->retry_ms ? PORT_MIN(2 * v->retry_ms, VOLUME_RETRY_MAX_MS) : VOLUME_RETRY_MIN_MS;
	uv_timer_start(&v->retry, on_retry, v->retry_ms, 0);
}

static void failed(struct volume *v, const char *why)
{
	if (strncmp(v->error, why, sizeof(v->error) - 1) != 0)
		log_error("plane", "volume=%s not attached: %s", v->r.name, why);
	snprintf(v->error, sizeof(v->error), "%s", why);
	v->state = VOLUME_FAILED;
	retry_later(v);
	volume_report(v);
	volume_settle_soon(v);
}

/* in a worker: only disk, meta and attach_err are touched */
static int attach(void *arg)
{
	struct volume *v = arg;
	int rv;

	rv = disk_open(&v->disk, v->r.data_path, v->r.meta_path, v->r.size_bytes, &v->attach_err);
	if (rv < 0)
		return rv;
	rv = meta_file_read(v->disk.meta_fd, v->r.replica_uuid, v->r.size_bytes, &v->meta,
			    &v->attach_err);
	if (rv < 0)
		disk_close(&v->disk);
	return rv;
}

static void begin_attach(struct volume *v)
{
	struct disk_job *job = disk_job_new(&v->disk, DISK_JOB_CALL, false);

	if (!job) {
		failed(v, "out of memory");
		return;
	}
	v->state = VOLUME_ATTACHING;
	job->call = attach;
	job->call_arg = v;
	disk_submit(job);
}

void volume_attach_done(struct volume *v, int status)
{
	if (v->state == VOLUME_ENDING) {
		volume_settle_soon(v);
		return;
	}
	if (status < 0) {
		failed(v, v->attach_err.text[0] ? v->attach_err.text : err_name(status));
		return;
	}
	if (make_mirror(v) < 0) {
		meta_file_release(&v->meta);
		disk_close(&v->disk);
		failed(v, "out of memory");
		return;
	}
	if (v->meta.bad_pages > 0)
		log_warn("plane",
			 "volume=%s %u damaged pages of the epoch map: their regions "
			 "will be compared anew",
			 v->r.name, v->meta.bad_pages);
	v->state = VOLUME_BOOTING;
	v->retry_ms = 0;
	v->error[0] = '\0';
	volume_ask_boot(v);
	volume_report(v);
}

static void begin(struct volume *v)
{
	v->error[0] = '\0';
	v->retry_ms = 0;
	v->has_disk = v->r.data_path[0] != '\0';
	disk_init(&v->disk, v->env->disks, volume_on_disk_done, v);
	if (open_listen(v) < 0)
		retry_later(v);
	if (v->has_disk) {
		begin_attach(v);
		return;
	}
	if (make_mirror(v) < 0) {
		failed(v, "out of memory");
		return;
	}
	v->state = VOLUME_UP;
	volume_report(v);
	volume_settle_soon(v);
}

static void on_retry(uv_timer_t *timer)
{
	struct volume *v = timer->data;

	if (v->state == VOLUME_ENDING)
		return;
	if (v->state == VOLUME_FAILED && v->has_disk)
		begin_attach(v);
	else if (v->state == VOLUME_FAILED)
		begin(v);
	if (v->nbd)
		return;
	if (open_listen(v) < 0) {
		retry_later(v);
	} else if (volume_up(v)) {
		v->error[0] = '\0';
		v->retry_ms = 0;
	}
	volume_report(v);
}

struct volume *volume_new(struct volume_env *env, const struct plane_resource *r, void *owner,
			  u32 index)
{
	struct volume *v = calloc(1, sizeof(*v));
	uv_timer_t *timers[TIMERS];

	if (!v)
		return NULL;
	v->sink.emit = volume_emit;
	v->env = env;
	v->owner = owner;
	v->index = index;
	v->r = *r;
	v->pull_slot = v->knock_slot = REPL_NO_SLOT;
	v->settle.run = volume_on_settle;
	timers[0] = &v->tick;
	timers[1] = &v->dial_timer;
	timers[2] = &v->retry;
	timers[3] = &v->deadline;
	for (u32 i = 0; i < TIMERS; i++) {
		uv_timer_init(env->loop, timers[i]);
		timers[i]->data = v;
	}
	v->open_timers = TIMERS;
	payload_account_init(&v->rx, &env->payloads);
	payload_account_init(&v->data, &env->payloads);
	begin(v);
	return v;
}

/* ---- changes ---- */

static bool needs_restart(const struct plane_resource *a, const struct plane_resource *b)
{
	return a->self != b->self || strcmp(a->data_path, b->data_path) != 0 ||
	       strcmp(a->meta_path, b->meta_path) != 0 ||
	       strcmp(a->socket_path, b->socket_path) != 0 ||
	       memcmp(a->replica_uuid, b->replica_uuid, sizeof(a->replica_uuid)) != 0;
}

static void take_peers(struct volume *v, const struct plane_resource *r)
{
	struct plane_resource old = v->r;
	u64 now;

	memcpy(v->r.peer, r->peer, sizeof(v->r.peer));
	v->r.in_sync = r->in_sync;
	v->r.writer = r->writer;
	if (!v->mirror)
		return;
	links_peers_changed(v, &old);
	now = volume_enter(v);
	if (copies_of(&old) != copies_of(&v->r))
		repl_mirror_set_copies(v->mirror, copies_of(&v->r), &v->sink, now);
}

static void begin_ending(struct volume *v)
{
	open_end(v);
	links_end(v);
	uv_timer_stop(&v->tick);
	uv_timer_stop(&v->dial_timer);
	uv_timer_stop(&v->retry);
	v->ticking = false;
	v->state = VOLUME_ENDING;
	free(v->mirror);
	v->mirror = NULL;
	volume_forget_asks(v);
	volume_settle_soon(v);
}

static void begin_restart(struct volume *v)
{
	v->restart = true;
	begin_ending(v);
}

void volume_closed_here(struct volume *v)
{
	if (v->next && v->state != VOLUME_ENDING)
		begin_restart(v);
}

/* NULL: nothing waits any more */
static void set_next(struct volume *v, const struct plane_resource *r)
{
	if (!r) {
		free(v->next);
		v->next = NULL;
		return;
	}
	if (!v->next)
		v->next = malloc(sizeof(*v->next));
	if (!v->next) {
		log_error("plane", "volume=%s out of memory", v->r.name);
		abort(); /* as for any letter of the daemon */
	}
	*v->next = *r;
}

void volume_set(struct volume *v, const struct plane_resource *r)
{
	assert(!v->removed);
	if (v->state == VOLUME_ENDING) {
		set_next(v, r);
		return;
	}
	if (needs_restart(&v->r, r)) {
		set_next(v, r);
		take_peers(v, r);
		/* A disk cannot come or go under an open volume: that waits for the last client. */
		if (!v->opened && !v->opening)
			begin_restart(v);
		return;
	}
	set_next(v, NULL);
	take_peers(v, r);
	if (v->state == VOLUME_FAILED) /* what was wrong may just have been set right */
		uv_timer_start(&v->retry, on_retry, 0, 0);
}

/* ---- the end ---- */

static void on_timer_closed(uv_handle_t *handle)
{
	struct volume *v = handle->data;

	if (--v->open_timers > 0)
		return;
	turn_drop(&v->env->turn, &v->settle);
	free(v->done);
	free(v->next);
	v->removed(v->removed_arg);
	free(v);
}

static void close_timers(struct volume *v)
{
	uv_close((uv_handle_t *)&v->tick, on_timer_closed);
	uv_close((uv_handle_t *)&v->dial_timer, on_timer_closed);
	uv_close((uv_handle_t *)&v->retry, on_timer_closed);
	uv_close((uv_handle_t *)&v->deadline, on_timer_closed);
}

void volume_check_ended(struct volume *v)
{
	if (v->state != VOLUME_ENDING || v->disk.jobs > 0 || v->nbd ||
	    uv_is_closing((uv_handle_t *)&v->tick))
		return;
	v->n_done = 0;
	payload_account_release(&v->rx);
	payload_account_release(&v->data);
	meta_file_release(&v->meta);
	disk_release(&v->disk);
	if (v->removed) {
		close_timers(v);
		return;
	}
	v->restart = false;
	v->r = *v->next;
	set_next(v, NULL);
	begin(v);
}

void volume_remove(struct volume *v, void (*removed)(void *arg), void *arg)
{
	assert(!v->removed);
	v->removed = removed;
	v->removed_arg = arg;
	if (v->state != VOLUME_ENDING)
		begin_ending(v);
}

/* ---- status ---- */

static const char *role_of(const struct volume *v, const struct repl_mirror_status *s)
{
	if (strcmp(s->role, "writer") == 0 || strcmp(s->role, "releasing") == 0)
		return "writer";
	if (strcmp(s->role, "candidate") == 0)
		return "candidate";
	return v->has_disk ? "replica" : "client";
}

static void mirror_status(const struct volume *v, struct plane_status *ret)
{
	struct repl_mirror_status s;

	repl_mirror_status(v->mirror, &s);
	ret->serving = s.serving;
	ret->role = role_of(v, &s);
	ret->mode = s.mode;
	ret->epoch = s.epoch;
	ret->in_sync = s.in_sync;
	ret->regions = s.regions;
	ret->synced_regions = s.synced;
	for (u32 i = 0; i < PLANE_SLOTS; i++) {
		ret->peer[i].mode = s.peer[i];
		ret->peer[i].connected = s.peer_up[i];
	}
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++)
		if (v->accepted[i])
			ret->peer[v->accepted[i]->slot].connected = true;
	if (!ret->error[0] && s.stopped)
		snprintf(ret->error, sizeof(ret->error), "%s", s.reason);
}

void volume_status(const struct volume *v, struct plane_status *ret)
{
	static const char *const phase[VOLUME_STATES] = {
		[VOLUME_ATTACHING] = "attaching the disk",
		[VOLUME_BOOTING] = "waiting for the cluster to tell the resource's epoch",
		[VOLUME_ENDING] = "ending, waits for disk I/O",
	};

	*ret = (struct plane_status){ .role = "idle", .mode = v->has_disk ? "out" : "none" };
	for (u32 i = 0; i < PLANE_SLOTS; i++)
		ret->peer[i].mode = "none";
	if (v->error[0])
		snprintf(ret->error, sizeof(ret->error), "%s", v->error);
	else if (phase[v->state])
		snprintf(ret->error, sizeof(ret->error), "%s", phase[v->state]);
	ret->up = volume_up(v) && (v->nbd || !v->r.socket_path[0]);
	ret->open = v->nbd && nbd_clients(v->nbd) > 0;
	if (volume_up(v))
		mirror_status(v, ret);
	if (!ret->error[0] && v->next)
		snprintf(ret->error, sizeof(ret->error),
			 "a change of its disk waits until it is closed here");
}
