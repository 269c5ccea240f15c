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
#include "replication/core/writer.h"

#define TIMERS 5
#define FLUSH_LOST "a flush of its disk has failed (%s): restart sdsd here when the disk is well"

void volume_report(struct volume *v)
{
	plane_report(&v->item);
}

/* ---- up ---- */

/* home: what was read of the own copy; NULL: there is none */
static int make_mirror(struct volume *v, const struct meta_file *home)
{
	struct repl_mirror_config c = {
		.self = (u8)v->r.self,
		.copies = plane_copies(&v->r),
		.read_policy = (enum repl_read_policy)v->r.read_policy,
		.tag = { .node = v->env->plane.node_id, .boot = v->env->plane.boot },
	};
	struct repl_disk disk;

	if (home) {
		disk = home->disk;
		for (u32 i = 0; i < PLANE_VOLUMES; i++)
			disk.size[i] = v->part[i] ? v->part[i]->size_bytes : 0;
		c.disk = &disk;
		c.n_briefs = repl_briefs(disk.size);
	}
	v->mirror = calloc(1, repl_mirror_bytes(c.n_briefs));
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

void volume_attached(struct volume *v, const struct meta_file *home, const char *why)
{
	if (!home) {
		v->failures += v->mending;
		failed(v, why);
		return;
	}
	if (make_mirror(v, home) < 0) {
		failed(v, "out of memory");
		return;
	}
	v->state = VOLUME_BOOTING;
	v->mending = false;
	v->retry_ms = 0;
	v->error[0] = '\0';
	volume_ask_boot(v);
	volume_report(v);
}

struct volume_part *volume_part_new(struct volume *v, u32 number)
{
	struct volume_part *p = calloc(1, sizeof(*p));

	if (!p)
		volume_out_of_memory(v);
	p->whole = v;
	p->number = number;
	disk_init(&p->disk, v->env->plane.disks, disks_done, p);
	v->part[number] = p;
	return p;
}

static void make_parts(struct volume *v)
{
	for (int i = 0; i < v->r.n_volumes; i++)
		if (!v->part[v->r.volume[i].number])
			volume_part_new(v, (u32)v->r.volume[i].number);
}

static void attach(struct volume *v)
{
	char why[sizeof(v->error)];

	if (v->flush_lost) {
		snprintf(why, sizeof(why), FLUSH_LOST, v->sick);
		failed(v, why);
		return;
	}
	v->state = VOLUME_ATTACHING;
	disks_attach(v);
}

static void begin(struct volume *v)
{
	v->error[0] = '\0';
	v->retry_ms = 0;
	v->has_disk = plane_has_disk(&v->r);
	make_parts(v);
	if (open_listen(v) < 0)
		retry_later(v);
	if (!v->flush_lost)
		v->sick[0] = '\0';
	v->mend_at = 0;
	v->bad_pages = 0;
	if (v->has_disk) {
		attach(v);
		return;
	}
	if (make_mirror(v, NULL) < 0) {
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
	if (v->state == VOLUME_FAILED && v->has_disk) {
		attach(v);
	} else if (v->state == VOLUME_FAILED) {
		begin(v);
	}
	if (open_listens(v))
		return;
	if (open_listen(v) < 0) {
		retry_later(v);
	} else if (volume_up(v)) {
		v->error[0] = '\0';
		v->retry_ms = 0;
	}
	volume_report(v);
}

struct volume *volume_new(struct volume_env *env, const struct plane_resource *r, u32 index)
{
	struct volume *v = calloc(1, sizeof(*v));
	uv_timer_t *timers[TIMERS];

	if (!v)
		return NULL;
	v->sink.emit = volume_emit;
	v->env = env;
	plane_item_init(&v->item, &env->plane, r, index);
	plane_resource_copy(&v->r, r);
	v->pull_slot = v->knock_slot = REPL_NO_SLOT;
	v->settle.run = volume_on_settle;
	v->release_at = clock_boot_ns() + VOLUME_RELEASE_MS * REPL_MS;
	timers[0] = &v->tick;
	timers[1] = &v->dial_timer;
	timers[2] = &v->retry;
	timers[3] = &v->deadline;
	timers[4] = &v->mend;
	for (u32 i = 0; i < TIMERS; i++) {
		uv_timer_init(&env->plane.loop, timers[i]);
		timers[i]->data = v;
	}
	v->open_timers = TIMERS;
	payload_account_init(&v->rx, &env->payloads);
	payload_account_init(&v->data, &env->payloads);
	begin(v);
	return v;
}

/* ---- changes ---- */

/* what can change at any time: peers, hints about the record, options */
static void take_peers(struct volume *v, const struct plane_resource *r)
{
	struct plane_resource old = v->r;
	u64 now;

	memcpy(v->r.peer, r->peer, sizeof(v->r.peer));
	if (!v->has_disk) /* it is to get one, and waits for that until it is closed */
		v->r.peer[v->r.self].diskless = true;
	v->r.in_sync = r->in_sync;
	v->r.writer = r->writer;
	v->r.read_policy = r->read_policy;
	v->r.handover = r->handover;
	v->r.below_discards = r->below_discards;
	if (!v->mirror)
		return;
	repl_mirror_set_read_policy(v->mirror, (enum repl_read_policy)r->read_policy);
	links_peers_changed(v, &old);
	now = volume_enter(v);
	if (plane_copies(&old) != plane_copies(&v->r))
		repl_mirror_set_copies(v->mirror, plane_copies(&v->r), &v->sink, now);
}

/* nothing of it went: volumes that are new or have grown */
static void take_volumes(struct volume *v, const struct plane_resource *r)
{
	struct plane_resource old = v->r;

	plane_resource_copy(&v->r, r);
	plane_resource_release(&old);
	make_parts(v);
	if (open_listen(v) < 0)
		retry_later(v);
	disks_look(v);
}

static void begin_ending(struct volume *v)
{
	freeze_forget(v);
	open_end(v);
	links_end(v);
	uv_timer_stop(&v->tick);
	uv_timer_stop(&v->dial_timer);
	uv_timer_stop(&v->retry);
	uv_timer_stop(&v->mend);
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

/* What was closed is released before: the record would go on naming a writer that is another
 * replica by then. Not waited for without end, as it takes a majority. */
void volume_change_settle(struct volume *v, u64 now)
{
	if (!v->next || v->opening || v->opened)
		return;
	if (now >= v->change_by || !repl_writer_busy(&v->mirror->writer))
		begin_restart(v);
}

void volume_closed_here(struct volume *v)
{
	if (!v->next || v->state == VOLUME_ENDING)
		return;
	if (!volume_up(v)) {
		begin_restart(v);
		return;
	}
	close_mirror(v); /* it may be healing */
	v->change_by = clock_boot_ns() + VOLUME_RELEASE_MS * REPL_MS;
	volume_settle_soon(v);
}

/* NULL: nothing waits any more */
static void set_next(struct volume *v, const struct plane_resource *r)
{
	if (v->next)
		plane_resource_release(v->next);
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
	plane_resource_copy(v->next, r);
}

void volume_attach_again(struct volume *v)
{
	v->mending = true;
	if (!v->next)
		set_next(v, &v->r);
	begin_restart(v);
}

/* but for what the record says */
static bool same_config(const struct plane_resource *a, const struct plane_resource *b)
{
	if (memcmp(a->peer, b->peer, sizeof(a->peer)) != 0 || a->n_volumes != b->n_volumes ||
	    a->room != b->room)
		return false;
	for (int i = 0; i < a->n_volumes; i++)
		if (a->volume[i].size_bytes != b->volume[i].size_bytes)
			return false;
	return true;
}

void volume_set(struct volume *v, const struct plane_resource *r)
{
	bool same = same_config(&v->r, r);

	assert(!v->removed);
	if (v->state == VOLUME_ENDING) {
		set_next(v, r);
		return;
	}
	if (plane_replaced(&v->r, r)) {
		set_next(v, r);
		take_peers(v, r);
		/* A disk cannot come or go under an open volume: that waits for the last client. */
		if (!v->opened && !v->opening)
			volume_closed_here(v);
		return;
	}
	set_next(v, NULL);
	take_peers(v, r);
	take_volumes(v, r);
	if (!same)
		mend_soon(v);
	if (v->state == VOLUME_FAILED) /* what was wrong may just have been set right */
		uv_timer_start(&v->retry, on_retry, 0, 0);
}

/* ---- the end ---- */

static void on_timer_closed(uv_handle_t *handle)
{
	struct volume *v = handle->data;

	if (--v->open_timers > 0)
		return;
	turn_drop(&v->env->plane.turn, &v->settle);
	free(v->done);
	set_next(v, NULL);
	plane_resource_release(&v->r);
	v->removed(v->removed_arg);
	free(v);
}

static void close_timers(struct volume *v)
{
	uv_close((uv_handle_t *)&v->tick, on_timer_closed);
	uv_close((uv_handle_t *)&v->dial_timer, on_timer_closed);
	uv_close((uv_handle_t *)&v->retry, on_timer_closed);
	uv_close((uv_handle_t *)&v->deadline, on_timer_closed);
	uv_close((uv_handle_t *)&v->mend, on_timer_closed);
}

void volume_check_ended(struct volume *v)
{
	if (v->state != VOLUME_ENDING || disks_busy(v) || !open_ended(v) ||
	    uv_is_closing((uv_handle_t *)&v->tick))
		return;
	while (v->n_done > 0) /* read for a client that is gone */
		payload_put(payload_of(v->done[--v->n_done].buf));
	payload_account_release(&v->rx);
	payload_account_release(&v->data);
	disks_release(v);
	if (v->removed) {
		close_timers(v);
		return;
	}
	v->restart = false;
	if (memcmp(v->r.replica_uuid, v->next->replica_uuid, sizeof(v->r.replica_uuid)) != 0)
		v->flush_lost = v->mending = false; /* another copy */
	plane_resource_release(&v->r);
	plane_resource_copy(&v->r, v->next);
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
	if (mend_failed(v) && !mend_by_itself(v))
		ret->mode = "broken";
	ret->no_space = mend_failed(v) && strstr(v->sick, err_name(-ENOSPC));
	if (!ret->error[0] && mend_failed(v))
		snprintf(ret->error, sizeof(ret->error), "%s", v->sick);
	else if (!ret->error[0] && s.stopped)
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
	else if (phase[v->state]) {
		snprintf(ret->error, sizeof(ret->error), "%s", phase[v->state]);
		ret->waits = true;
	}
	ret->up = volume_up(v) && open_listens(v);
	ret->open = open_clients(v) > 0;
	ret->failures = v->failures;
	ret->io = v->io;
	ret->io.counted = true;
	if (volume_up(v))
		mirror_status(v, ret);
	if (!ret->error[0] && v->next)
		snprintf(ret->error, sizeof(ret->error),
			 "a change of its disk waits until it is closed here");
}
