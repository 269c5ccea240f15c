// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_plan.c - see kernel_plan.h. Called by kernel_resource.c and
 * kernel_link.c whenever something about a resource has changed. No clock, no
 * I/O, no memory: test_kernel_plan.c has the tables.
 */
#include "replication/kernel_plan.h"

#include <stdio.h>
#include <string.h>

#include "replication/core/writer.h"
#include "replication/volume_times.h"

#define ALL_SLOTS ((1u << PLANE_SLOTS) - 1)

static bool is(const struct kernel_view *v, u32 flag)
{
	return v->status.flags & flag;
}

/* ---- what the view says ---- */

bool kernel_disk_failed(const struct kernel_view *v)
{
	return v->status.mode == RVOL_DISK_FAILED;
}

bool kernel_flush_failed(const struct kernel_view *v)
{
	/* metadata that must be durable at once is written and flushed in one (FUA) */
	return strstr(v->status.disk_error, "flush") || strstr(v->status.disk_error, "FUA");
}

bool kernel_mends(const struct plane_resource *r, const struct kernel_local *l)
{
	return l->failed_before || (!l->flush_lost && r->in_sync && !plane_in_sync(r, r->self));
}

bool kernel_open(const struct kernel_view *v)
{
	for (u32 i = 0; i < v->n_volumes; i++)
		if (v->volume[i].opens > 0)
			return true;
	return is(v, RVOL_STATUS_OPEN);
}

bool kernel_away(const struct kernel_view *v)
{
	bool writer = v->status.role == RVOL_WRITER || v->status.role == RVOL_RELEASING;

	return is(v, RVOL_STATUS_OPEN) && v->status.requests > 0 &&
	       (is(v, RVOL_STATUS_ALONE) || !writer);
}

/* It serves, or tries to, for an application: or it was stopped and not closed yet. */
static bool in_use(const struct kernel_view *v)
{
	bool busy = v->status.role != RVOL_IDLE && v->status.role != RVOL_STOPPED;

	return is(v, RVOL_STATUS_OPEN) || (busy && !is(v, RVOL_STATUS_HEALING));
}

/* What runs is not what is wanted: another disk, or what no command can change. */
static bool differs(const struct plane_resource *r, const struct kernel_view *v,
		    const struct kernel_local *l)
{
	if (l->stale || l->check == KERNEL_FOREIGN || v->status.self != r->self ||
	    is(v, RVOL_STATUS_HAS_COPY) != plane_has_disk(r))
		return true;
	for (u32 i = 0; i < v->n_volumes; i++) {
		const struct plane_volume *spec = plane_volume_of(r, (int)v->volume[i].number);

		if (!spec || (u32)spec->minor != v->volume[i].minor)
			return true;
	}
	/* begun by a life that ended before it was complete, or fenced: from the beginning */
	if (!l->made && (!is(v, RVOL_STATUS_BOOTED) || is(v, RVOL_STATUS_FAILED)))
		return true;
	return kernel_disk_failed(v) && l->mend_at && l->now >= l->mend_at && kernel_mends(r, l);
}

bool kernel_waits_for_close(const struct plane_resource *r, const struct kernel_view *v,
			    const struct kernel_local *l)
{
	return !l->busy && !l->lost && !l->removing && l->there && kernel_open(v) &&
	       differs(r, v, l);
}

/* ---- steps ---- */

/* A writer waits for these, whatever else is wrong. */
static enum kernel_step question(const struct kernel_view *v, const struct kernel_local *l)
{
	if (!is(v, RVOL_STATUS_BOOTED))
		return KERNEL_IDLE;
	if (v->status.read_token && v->status.read_token != l->read_asked)
		return KERNEL_ASK_READ;
	if (v->status.cas_token && v->status.cas_token != l->cas_asked)
		return KERNEL_ASK_CAS;
	return KERNEL_IDLE;
}

static enum kernel_step boot(const struct plane_resource *r, const struct kernel_local *l)
{
	/* without a copy here the record is not looked at */
	if (l->boot_known || !plane_has_disk(r))
		return KERNEL_BOOT;
	return l->boot_asked ? KERNEL_WAIT : KERNEL_ASK_BOOT;
}

u32 kernel_copies(const struct plane_resource *r, const struct kernel_view *v)
{
	u32 own = is(v, RVOL_STATUS_HAS_COPY) ? 0 : 1u << r->self;

	return plane_copies(r) & ~own;
}

static bool options_differ(const struct plane_resource *r, const struct kernel_view *v,
			   const struct kernel_local *l)
{
	return !l->options_set || l->copies != kernel_copies(r, v) ||
	       l->read_policy != r->read_policy || l->handover != r->handover ||
	       l->copy_writes != r->copy_writes || l->below_discards != r->below_discards;
}

static bool may_heal(const struct plane_resource *r, const struct kernel_local *l)
{
	if ((plane_may_heal(r) && l->knocked) || plane_must_release(r))
		return l->now >= l->heal_at;
	return plane_is_writer(r) && l->release_at && l->now >= l->release_at;
}

/* volume_heal.c has the reasons */
static enum kernel_step heal(const struct plane_resource *r, const struct kernel_view *v,
			     const struct kernel_local *l)
{
	if (in_use(v))
		return KERNEL_IDLE;
	if (!is(v, RVOL_STATUS_HEALING))
		return may_heal(r, l) ? KERNEL_HEAL_ON : KERNEL_IDLE;
	if (is(v, RVOL_STATUS_WANTED) || is(v, RVOL_STATUS_STOPPED) ||
	    (is(v, RVOL_STATUS_SERVING) && !l->knocked))
		return KERNEL_HEAL_OFF;
	return KERNEL_IDLE;
}

/* it is up: what its state asks for */
static enum kernel_step care(const struct plane_resource *r, const struct kernel_view *v,
			     const struct kernel_local *l)
{
	if (is(v, RVOL_STATUS_OPEN) && is(v, RVOL_STATUS_SERVING) && is(v, RVOL_STATUS_WANTED) &&
	    r->handover && !l->yielded)
		return KERNEL_YIELD;
	if (l->away_since && l->now >= l->away_since + VOLUME_AWAY_MS * REPL_MS)
		return KERNEL_ABANDON;
	return heal(r, v, l);
}

static enum kernel_step when_due(const struct kernel_local *l, enum kernel_step step)
{
	return l->now < l->retry_at ? KERNEL_WAIT : step;
}

/* a step of a worker, one at a time */
static enum kernel_step by_worker(const struct kernel_local *l, enum kernel_step step)
{
	return l->looking ? KERNEL_WAIT : when_due(l, step);
}

/* A disk cannot come or go under an open volume. Other copies can. */
static enum kernel_step while_open(const struct plane_resource *r, const struct kernel_view *v,
				   const struct kernel_local *l)
{
	bool usable = l->check == KERNEL_OURS && v->status.self == r->self &&
		      is(v, RVOL_STATUS_BOOTED) && !is(v, RVOL_STATUS_FAILED);

	enum kernel_step step;

	if (!usable)
		return KERNEL_WAIT;
	if (options_differ(r, v, l) && l->now >= l->retry_at)
		return KERNEL_SET;
	step = care(r, v, l);
	return step == KERNEL_YIELD || step == KERNEL_ABANDON ? step : KERNEL_WAIT;
}

/* What was closed is released before it is deleted: the record would go on naming a writer that is
 * gone, and then nobody heals. Not waited for without end, as it takes a majority. */
static enum kernel_step give_up(const struct kernel_view *v, const struct kernel_local *l)
{
	if (is(v, RVOL_STATUS_HEALING) && !is(v, RVOL_STATUS_FAILED))
		return when_due(l, KERNEL_HEAL_OFF);
	if (in_use(v) && l->now < l->release_by)
		return KERNEL_WAIT;
	return by_worker(l, KERNEL_DELETE);
}

static enum kernel_step when_there(const struct plane_resource *r, const struct kernel_view *v,
				   const struct kernel_local *l)
{
	enum kernel_step step = question(v, l);

	if (step != KERNEL_IDLE)
		return step;
	if (differs(r, v, l))
		return kernel_open(v) ? while_open(r, v, l) : give_up(v, l);
	if (l->check == KERNEL_UNCHECKED)
		return by_worker(l, KERNEL_CHECK);
	if (!is(v, RVOL_STATUS_BOOTED)) {
		step = boot(r, l);
		return step == KERNEL_BOOT ? when_due(l, step) : step;
	}
	if (is(v, RVOL_STATUS_FAILED))
		return KERNEL_WAIT;
	if (options_differ(r, v, l) && l->now >= l->retry_at)
		return KERNEL_SET;
	step = care(r, v, l);
	if (step == KERNEL_IDLE && l->volumes_due)
		return by_worker(l, KERNEL_VOLUMES);
	return step;
}

enum kernel_step kernel_next(const struct plane_resource *r, const struct kernel_view *v,
			     const struct kernel_local *l)
{
	if (l->busy)
		return KERNEL_WAIT;
	if (l->lost)
		return l->removing && !l->looking ? KERNEL_GONE : KERNEL_WAIT;
	if (!l->known)
		return KERNEL_LOOK;
	if (l->removing)
		return by_worker(l, l->there ? KERNEL_DELETE_FORCE : KERNEL_GONE);
	if (!l->there)
		return by_worker(l, KERNEL_ATTACH);
	if (is(v, RVOL_STATUS_ENDING)) /* it says nothing more, not even that it has ended */
		return when_due(l, KERNEL_LOOK);
	return when_there(r, v, l);
}

const char *kernel_step_name(enum kernel_step step)
{
	static const char *const names[KERNEL_STEPS] = {
		[KERNEL_IDLE] = "idle",         [KERNEL_WAIT] = "wait",
		[KERNEL_LOOK] = "look",         [KERNEL_GONE] = "gone",
		[KERNEL_ATTACH] = "attach",     [KERNEL_CHECK] = "check",
		[KERNEL_ASK_BOOT] = "ask-boot", [KERNEL_BOOT] = "boot",
		[KERNEL_DELETE] = "delete",     [KERNEL_DELETE_FORCE] = "delete-force",
		[KERNEL_VOLUMES] = "volumes",   [KERNEL_SET] = "set",
		[KERNEL_ASK_READ] = "ask-read", [KERNEL_ASK_CAS] = "ask-cas",
		[KERNEL_HEAL_ON] = "heal-on",   [KERNEL_HEAL_OFF] = "heal-off",
		[KERNEL_YIELD] = "yield",       [KERNEL_ABANDON] = "abandon",
	};

	return names[step];
}

/* ---- links ---- */

bool kernel_takes_links(const struct plane_resource *r, const struct kernel_view *v,
			const struct kernel_local *l)
{
	return !l->lost && !l->removing && l->there && l->check == KERNEL_OURS &&
	       v->status.self == r->self && is(v, RVOL_STATUS_BOOTED) &&
	       !is(v, RVOL_STATUS_ENDING) && !is(v, RVOL_STATUS_FAILED);
}

u32 kernel_links_wanted(const struct plane_resource *r, const struct kernel_view *v,
			const struct kernel_local *l)
{
	u32 wanted = 0;

	if (!kernel_takes_links(r, v, l))
		return 0;
	for (int s = 0; s < PLANE_SLOTS; s++)
		if ((v->status.links_wanted & (1u << s)) && plane_usable(r, s))
			wanted |= 1u << s;
	if (plane_usable(r, v->status.pull_slot))
		wanted |= 1u << KERNEL_DIAL_PULL;
	if (plane_knocks(r) && is(v, RVOL_STATUS_HAS_COPY) && !kernel_disk_failed(v))
		wanted |= 1u << KERNEL_DIAL_KNOCK;
	return wanted;
}

u32 kernel_links_up(const struct kernel_view *v)
{
	return (v->status.links_up & ALL_SLOTS) | (v->status.pull_up ? 1u << KERNEL_DIAL_PULL : 0);
}

/* ---- status ---- */

static const char *role_of(const struct kernel_view *v)
{
	switch (v->status.role) {
	case RVOL_WRITER:
	case RVOL_RELEASING:
		return "writer";
	case RVOL_CANDIDATE:
		return "candidate";
	default:
		return is(v, RVOL_STATUS_HAS_COPY) ? "replica" : "client";
	}
}

static const char *mode_of(const struct plane_resource *r, const struct kernel_view *v,
			   const struct kernel_local *l)
{
	if (is(v, RVOL_STATUS_FAILED))
		return "broken";
	switch (v->status.mode) {
	case RVOL_LEARNER:
		return "learner";
	case RVOL_MEMBER:
		return "member";
	case RVOL_DISK_FAILED:
		return kernel_mends(r, l) ? "failed" : "broken";
	case RVOL_NO_COPY:
		return "none";
	default:
		return "out";
	}
}

static const char *peer_of(u8 peer)
{
	static const char *const words[] = {
		[RVOL_PEER_NONE] = "none",       [RVOL_PEER_MEMBER] = "member",
		[RVOL_PEER_LEARNER] = "learner", [RVOL_PEER_JOINING] = "joining",
		[RVOL_PEER_LOST] = "lost",
	};

	return peer < PORT_ARRAY_SIZE(words) ? words[peer] : "none";
}

static void status_of_view(const struct plane_resource *r, const struct kernel_view *v,
			   const struct kernel_local *l, struct plane_status *ret)
{
	u32 up = kernel_links_up(v);

	ret->up = !is(v, RVOL_STATUS_FAILED | RVOL_STATUS_ENDING) && l->check == KERNEL_OURS;
	ret->open = is(v, RVOL_STATUS_OPEN);
	ret->serving = is(v, RVOL_STATUS_SERVING);
	ret->role = role_of(v);
	ret->mode = mode_of(r, v, l);
	/* STATUS has words only; lower.c of the module says it in these */
	ret->no_space = kernel_disk_failed(v) && strstr(v->status.disk_error, "no space");
	ret->epoch = v->status.epoch;
	ret->in_sync = v->status.in_sync;
	ret->regions = v->status.regions;
	ret->synced_regions = v->status.synced;
	for (u32 i = 0; i < PLANE_SLOTS; i++) {
		ret->peer[i].mode = peer_of(v->status.peer[i]);
		ret->peer[i].connected = (up & (1u << i)) || v->status.accepted[i];
	}
}

/* what one that is not there, or no more, waits for; NULL: nothing */
static const char *phase(const struct kernel_view *v, const struct kernel_local *l)
{
	if (l->removing)
		return "ending";
	if (!l->there || !is(v, RVOL_STATUS_BOOTED))
		return l->boot_asked ? "waiting for the cluster to tell the resource's epoch"
				     : "attaching the disk";
	return NULL;
}

/* why it is not as it should be; "" when it is. *ret_waits: nothing has failed */
static const char *reason(const struct kernel_view *v, const struct kernel_local *l,
			  const char *why, bool *ret_waits)
{
	const char *awaited = phase(v, l);

	if (l->lost)
		return "the kernel module rvol is not loaded";
	if (why[0])
		return why;
	*ret_waits = awaited;
	if (awaited)
		return awaited;
	if (is(v, RVOL_STATUS_FAILED))
		return v->status.reason[0] ? v->status.reason : "fenced by the kernel module";
	if (kernel_disk_failed(v))
		return v->status.disk_error[0] ? v->status.disk_error : "its disk has failed";
	if (is(v, RVOL_STATUS_STOPPED))
		return v->status.reason;
	if (l->stale || l->check == KERNEL_FOREIGN)
		return "a change of its disk waits until it is closed here";
	return "";
}

void kernel_status(const struct plane_resource *r, const struct kernel_view *v,
		   const struct kernel_local *l, const char *why, struct plane_status *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->role = "idle";
	ret->mode = plane_has_disk(r) ? "out" : "none";
	ret->failures = l->failures;
	for (u32 i = 0; i < PLANE_SLOTS; i++)
		ret->peer[i].mode = "none";
	if (!l->lost && l->there && is(v, RVOL_STATUS_BOOTED))
		status_of_view(r, v, l, ret);
	snprintf(ret->error, sizeof(ret->error), "%.250s", reason(v, l, why, &ret->waits));
}

bool kernel_status_same(const struct plane_status *a, const struct plane_status *b)
{
	bool same = a->up == b->up && a->open == b->open && a->serving == b->serving &&
		    a->waits == b->waits && a->failures == b->failures && a->epoch == b->epoch &&
		    a->in_sync == b->in_sync && a->regions == b->regions &&
		    a->synced_regions == b->synced_regions && a->role && b->role &&
		    strcmp(a->role, b->role) == 0 && strcmp(a->mode, b->mode) == 0 &&
		    strcmp(a->error, b->error) == 0;

	for (u32 i = 0; same && i < PLANE_SLOTS; i++)
		same = a->peer[i].connected == b->peer[i].connected &&
		       strcmp(a->peer[i].mode, b->peer[i].mode) == 0;
	return same;
}

/* ---- records ---- */

void kernel_put_record(struct rvol_record *to, const struct repl_record *from)
{
	*to = (struct rvol_record){
		.epoch = from->epoch,
		.in_sync = from->in_sync,
		.writer = from->writer,
		.tag_node = from->tag.node,
		.tag_boot = from->tag.boot,
		.tag_counter = from->tag.counter,
	};
}

void kernel_get_record(struct repl_record *to, const struct rvol_record *from)
{
	*to = (struct repl_record){
		.epoch = from->epoch,
		.in_sync = from->in_sync,
		.writer = from->writer < REPL_SLOTS_MAX ? (u8)from->writer : REPL_NO_SLOT,
		.tag = { .node = from->tag_node,
			 .boot = from->tag_boot,
			 .counter = from->tag_counter },
	};
}

bool kernel_accepted(const struct rvol_record *proposed, bool accepted,
		     const struct repl_record *now)
{
	return accepted ||
	       (now->epoch == proposed->epoch && now->tag.node == proposed->tag_node &&
		now->tag.boot == proposed->tag_boot && now->tag.counter == proposed->tag_counter);
}
