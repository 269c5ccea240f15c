// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_run.c - drives the mirror: calls it with what happened and carries
 * out what it emits. Nothing in emit() calls the mirror again: completions are
 * collected and delivered when the volume settles, at the end of the turn;
 * disk, links and consensus answer through the loop anyway.
 */
#include "replication/volume.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define DONE_CAP_FIRST 64

void volume_out_of_memory(const struct volume *v)
{
	/* an effect of the mirror cannot be refused, and a replica that skipped one would differ */
	log_error("plane", "volume=%s out of memory", v->r.name);
	abort();
}

void volume_settle_soon(struct volume *v)
{
	turn_add(&v->env->plane.turn, &v->settle);
}

u64 volume_enter(struct volume *v)
{
	assert(v->mirror);
	volume_settle_soon(v);
	return clock_boot_ns();
}

/* ---- consensus ---- */

/* next NULL: the record as it is */
static void ask(struct volume *v, const struct volume_ask *what, const struct repl_record *next)
{
	struct volume_ask *a = malloc(sizeof(*a));

	if (!a)
		volume_out_of_memory(v);
	*a = *what;
	a->next = v->asks;
	a->token = plane_ask(&v->item, next);
	v->asks = a;
}

/* false: the question was forgotten meanwhile */
static bool ask_take(struct volume *v, u64 token, struct volume_ask *ret)
{
	for (struct volume_ask **at = &v->asks; *at; at = &(*at)->next) {
		struct volume_ask *a = *at;

		if (a->token != token)
			continue;
		*at = a->next;
		*ret = *a;
		free(a);
		return true;
	}
	return false;
}

void volume_forget_asks(struct volume *v)
{
	struct volume_ask *a;

	while ((a = v->asks)) {
		v->asks = a->next;
		free(a);
	}
}

void volume_ask_boot(struct volume *v)
{
	ask(v, &(struct volume_ask){ .boot = true }, NULL);
}

void volume_record(struct volume *v, u64 token, const struct repl_record *r)
{
	struct volume_ask a;
	u64 now;

	if (!ask_take(v, token, &a) || !v->mirror)
		return;
	now = volume_enter(v);
	if (!a.boot) {
		repl_mirror_record(v->mirror, a.id, r, &v->sink, now);
		return;
	}
	assert(v->state == VOLUME_BOOTING);
	repl_mirror_boot(v->mirror, r, &v->sink, now);
	v->state = VOLUME_UP;
	log_info("plane", "volume=%s epoch=%u replica attached", v->r.name, r->epoch);
	volume_report(v);
	open_attached(v);
}

void volume_cas(struct volume *v, u64 token, bool accepted, const struct repl_record *r)
{
	struct volume_ask a;
	u64 now;

	if (!ask_take(v, token, &a) || !v->mirror)
		return;
	now = volume_enter(v);
	repl_mirror_cas_done(v->mirror, a.id, accepted, r, &v->sink, now);
}

/* ---- effects ---- */

static void send_msg(struct volume *v, const struct repl_effect *e)
{
	const struct repl_msg *m = e->msg;
	struct link *l;

	if (e->link == REPL_LINK_LOCAL) {
		/* the own replica takes the writer's payload along: one more user of it */
		if (m->buf)
			payload_get(payload_of(m->buf));
		return;
	}
	l = links_find(v, e->link);
	if (l)
		link_send(l, m);
	if (m->kind == REPL_MSG_READ_DATA || m->kind == REPL_MSG_DATA)
		payload_put(payload_of(m->buf));
}

static void complete(struct volume *v, const struct repl_effect *e)
{
	if (v->n_done == v->done_cap) {
		u32 cap = v->done_cap ? 2 * v->done_cap : DONE_CAP_FIRST;
		struct volume_done *done = realloc(v->done, cap * sizeof(*done));

		if (!done)
			volume_out_of_memory(v);
		v->done = done;
		v->done_cap = cap;
	}
	v->done[v->n_done++] =
		(struct volume_done){ .id = e->id, .status = e->status, .buf = e->buf };
}

void volume_emit(struct repl_sink *sink, const struct repl_effect *e)
{
	struct volume *v = (struct volume *)sink;

	switch (e->kind) {
	case REPL_SEND:
		send_msg(v, e);
		break;
	case REPL_LINK_CLOSE:
		links_close(v, e->link);
		break;
	case REPL_DISK_WRITE:
	case REPL_DISK_READ:
	case REPL_DISK_FLUSH:
	case REPL_META_WRITE:
	case REPL_META_READ:
	case REPL_META_FLUSH:
		disks_effect(v, e);
		break;
	case REPL_BUF_DROP:
		payload_put(payload_of(e->buf));
		break;
	case REPL_COMPLETE:
		complete(v, e);
		break;
	case REPL_READ_RECORD:
		ask(v, &(struct volume_ask){ .id = e->id }, NULL);
		break;
	case REPL_CAS:
		ask(v, &(struct volume_ask){ .id = e->id }, &e->record);
		break;
	case REPL_PULL_LINK:
		links_pull(v, e->slot);
		break;
	case REPL_CHANGED:
		v->changed = true;
		break;
	}
}

/* ---- the end of a turn ---- */

static void deliver_done(struct volume *v)
{
	/* delivering leads to new requests, which may be done at once: the list grows meanwhile */
	for (u32 i = 0; i < v->n_done; i++) {
		struct volume_done d = v->done[i];

		open_complete(v, &d);
	}
	v->n_done = 0;
}

static void set_ticking(struct volume *v, bool on)
{
	if (on == v->ticking)
		return;
	v->ticking = on;
	if (on)
		uv_timer_start(&v->tick, volume_on_tick, REPL_TICK_NS / REPL_MS,
			       REPL_TICK_NS / REPL_MS);
	else
		uv_timer_stop(&v->tick);
}

void volume_on_tick(uv_timer_t *timer)
{
	struct volume *v = timer->data;
	u64 now;

	if (!volume_up(v))
		return;
	now = volume_enter(v);
	repl_mirror_tick(v->mirror, &v->sink, now);
	if (++v->ticks % VOLUME_PROGRESS_TICKS == 0 && v->has_disk &&
	    v->mirror->replica.mode == REPLICA_LEARNER)
		volume_report(v);
}

static void tell_bad_pages(struct volume *v)
{
	struct repl_mirror_status s;

	repl_mirror_status(v->mirror, &s);
	if (s.bad_pages > v->bad_pages)
		log_warn("plane",
			 "volume=%s damaged pages of the epoch map: their regions will be compared "
			 "anew",
			 v->r.name);
	v->bad_pages = s.bad_pages;
}

void volume_on_settle(struct turn_item *item)
{
	struct volume *v = (struct volume *)((char *)item - offsetof(struct volume, settle));

	if (v->state == VOLUME_ENDING) {
		volume_check_ended(v);
		return;
	}
	if (v->state == VOLUME_FAILED)
		open_refuse(v, v->error);
	if (!volume_up(v))
		return;
	deliver_done(v);
	if (v->changed) {
		v->changed = false;
		volume_report(v);
		tell_bad_pages(v);
		open_settle(v);
	} else if (v->opening) {
		open_settle(v);
	}
	if (!volume_up(v))
		return; /* closing it was what a new configuration waited for */
	volume_change_settle(v, clock_boot_ns());
	if (!volume_up(v))
		return;
	freeze_settle(v, clock_boot_ns());
	open_away(v, clock_boot_ns());
	heal_settle(v, clock_boot_ns());
	mend_settle(v, clock_boot_ns());
	if (!volume_up(v))
		return;
	links_settle(v, clock_boot_ns());
	set_ticking(v, repl_mirror_busy(v->mirror) || freeze_on(v));
}
