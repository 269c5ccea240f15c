// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_link.c - which links a volume has: those its mirror wants to the
 * slots and for pulls (opened here, again and again with a back-off), and
 * those that other nodes opened to its replica. Called by volume_run.c when
 * the volume settles; the bytes are link.c's.
 */
#include "replication/volume.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"

static bool is_pull(const struct volume *v, const struct volume_dial *d)
{
	return d == &v->dial[VOLUME_DIAL_PULL];
}

static bool is_knock(const struct volume *v, const struct volume_dial *d)
{
	return d == &v->dial[VOLUME_DIAL_KNOCK];
}

static u32 dial_number(const struct volume *v, const struct volume_dial *d)
{
	if (is_knock(v, d))
		return 0; /* the mirror knows nothing of it */
	return is_pull(v, d) ? REPL_LINK_PULL : REPL_LINK_SLOT((u32)(d - v->dial));
}

static bool wanted(const struct volume *v, u32 i)
{
	if (i == VOLUME_DIAL_KNOCK)
		return v->has_disk && plane_knocks(&v->r) && !mend_failed(v);
	if (i == VOLUME_DIAL_PULL)
		return plane_usable(&v->r, v->pull_slot);
	return plane_usable(&v->r, (int)i) && repl_mirror_wants_link(v->mirror, (u8)i);
}

struct link *links_find(struct volume *v, u32 number)
{
	for (u32 i = 0; i < VOLUME_DIALS; i++)
		if (v->dial[i].up && number && dial_number(v, &v->dial[i]) == number)
			return v->dial[i].link;
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++)
		if (v->accepted[i] && v->accepted[i]->number == number)
			return v->accepted[i];
	return NULL;
}

/* ---- what the mirror hears ---- */

static void tell_up(struct volume *v, u32 number)
{
	u64 now = volume_enter(v);

	if (number == REPL_LINK_PULL)
		repl_mirror_pull_up(v->mirror, &v->sink, now);
	else
		repl_mirror_link_up(v->mirror, number, &v->sink, now);
	volume_report(v);
}

static void tell_down(struct volume *v, u32 number)
{
	u64 now = volume_enter(v);

	if (number == REPL_LINK_PULL)
		repl_mirror_pull_down(v->mirror, &v->sink, now);
	else
		repl_mirror_link_down(v->mirror, number, &v->sink, now);
	volume_report(v);
}

static void on_message(struct link *l, struct repl_msg *m, void *owner)
{
	struct volume *v = owner;
	u64 now = volume_enter(v);

	repl_mirror_receive(v->mirror, l->number, m, &v->sink, now);
}

static bool takes_always(struct link *l, void *owner)
{
	/* Answers to this node as writer. What they carry was asked for, and to hold back ECHOs
	 * would end the session. */
	return true;
}

static bool takes_bounded(struct link *l, void *owner)
{
	struct volume *v = owner;

	if (v->rx.bytes > 0 &&
	    (v->rx.bytes > VOLUME_RX_MAX || payload_pool_full(&v->env->payloads)))
		return false;
	return repl_mirror_takes_input(v->mirror, l->number);
}

/* ---- links opened here ---- */

static struct volume_dial *dial_of(struct volume *v, const struct link *l)
{
	for (u32 i = 0; i < VOLUME_DIALS; i++)
		if (v->dial[i].link == l)
			return &v->dial[i];
	return NULL;
}

static void dial_up(struct link *l, void *owner)
{
	struct volume *v = owner;
	struct volume_dial *d = dial_of(v, l);

	d->up = true;
	d->pace.up_at = clock_boot_ns();
	if (d->said[0])
		log_info("link", "volume=%s peer=%s connected", v->r.name, l->node);
	d->said[0] = '\0';
	tell_up(v, l->number);
}

static void dial_down(struct link *l, const char *why, void *owner)
{
	struct volume *v = owner;
	struct volume_dial *d = dial_of(v, l);
	bool was_up = d->up;

	if (strncmp(d->said, why, sizeof(d->said) - 1) != 0) { /* once, not with each attempt */
		snprintf(d->said, sizeof(d->said), "%s", why);
		log_warn("link", "volume=%s peer=%s %s: %s", v->r.name, l->node,
			 was_up ? "link lost" : "no link", why);
	}
	d->link = NULL;
	link_pace(&d->pace, d->up, clock_boot_ns());
	d->up = false;
	/* a pull link that does not come up is reported too: another source may do */
	if ((was_up || is_pull(v, d)) && !is_knock(v, d))
		tell_down(v, l->number);
	else
		volume_settle_soon(v);
}

/* what fails is said once, until one succeeds */
static void dial_renewed(struct link *l, const char *why, void *owner)
{
	struct volume *v = owner;
	struct volume_dial *d = dial_of(v, l);

	if (!why) {
		log_info("link", "volume=%s peer=%s renewed", v->r.name, l->node);
		d->renew_said = false;
		return;
	}
	if (!d->renew_said)
		log_warn("link",
			 "volume=%s peer=%s goes on with its old keys, cannot be renewed: %s",
			 v->r.name, l->node, why);
	d->renew_said = true;
	d->renew_at = clock_boot_ns() + LINK_RENEW_RETRY_MS * REPL_MS;
}

static const struct link_ops slot_ops = {
	.up = dial_up,
	.takes = takes_always,
	.message = on_message,
	.down = dial_down,
	.renewed = dial_renewed,
};
static const struct link_ops pull_ops = {
	.up = dial_up,
	.takes = takes_bounded,
	.message = on_message,
	.down = dial_down,
	.renewed = dial_renewed,
};

/* nothing is said on it, either way */
static void knock_message(struct link *l, struct repl_msg *m, void *owner)
{
	payload_put(payload_of(m->buf));
}

static void knock_up(struct link *l, void *owner)
{
	struct volume *v = owner;
	struct volume_dial *d = dial_of(v, l);

	d->up = true;
	d->pace.up_at = clock_boot_ns();
}

static const struct link_ops knock_ops = {
	.up = knock_up,
	.takes = takes_always,
	.message = knock_message,
	.down = dial_down,
};

static const struct link_ops *ops_of(const struct volume *v, const struct volume_dial *d)
{
	if (is_knock(v, d))
		return &knock_ops;
	return is_pull(v, d) ? &pull_ops : &slot_ops;
}

static u8 dial_slot(struct volume *v, const struct volume_dial *d)
{
	if (is_knock(v, d))
		return v->knock_slot = (u8)plane_next_member(&v->r, v->knock_slot % REPL_SLOTS_MAX);
	return is_pull(v, d) ? v->pull_slot : (u8)(d - v->dial);
}

static u8 dial_purpose(const struct volume *v, const struct volume_dial *d)
{
	if (is_knock(v, d))
		return WIRE_KNOCK;
	return is_pull(v, d) ? WIRE_PULL : WIRE_SESSION;
}

static struct link_target target_of(const struct volume *v, const struct volume_dial *d)
{
	const struct plane_peer *peer = &v->r.peer[d->to];
	struct link_target t = {
		.host = peer->address,
		.node = peer->node,
		.port = peer->port,
		.purpose = dial_purpose(v, d),
		.from = (u8)v->r.self,
		.to = d->to,
		.number = dial_number(v, d),
	};

	memcpy(t.resource, v->r.uuid, sizeof(t.resource));
	return t;
}

static void dial(struct volume *v, struct volume_dial *d, u64 now)
{
	struct link_target t;

	d->to = dial_slot(v, d);
	t = target_of(v, d);
	d->up = d->renew_said = false;
	d->renew_at = 0;
	d->link = link_open(&v->env->plane.links, &t, ops_of(v, d), v, &v->rx);
	if (!d->link)
		link_pace(&d->pace, d->up, now);
}

/* ends a link without a word to the mirror */
static void hang_up(struct volume_dial *d)
{
	struct link *l = d->link;

	if (!l)
		return;
	d->link = NULL;
	link_pace(&d->pace, d->up, clock_boot_ns());
	d->up = false;
	link_close(l);
}

void links_pull(struct volume *v, u8 slot)
{
	hang_up(&v->dial[VOLUME_DIAL_PULL]);
	v->pull_slot = slot;
	volume_settle_soon(v);
}

static void renew(struct volume *v, struct volume_dial *d, u64 now)
{
	struct link_target t;

	if (!d->up || now < d->renew_at || !link_renewal_due(d->link))
		return;
	t = target_of(v, d);
	if (link_renew(d->link, &t) < 0)
		dial_renewed(d->link, "no memory", v);
}

static void on_dial_timer(uv_timer_t *timer)
{
	volume_settle_soon(timer->data);
}

/* a learner that cannot keep up slows the writer down, a little */
static void lag_settle(struct volume *v)
{
	for (u8 s = 0; s < REPL_SLOTS_MAX; s++) {
		struct volume_dial *d = &v->dial[s];
		size_t queued = d->link && d->up ? link_queued(d->link) : 0;
		bool lags = queued > (d->lags ? VOLUME_LAG_LOW : VOLUME_LAG_HIGH);

		if (lags == d->lags)
			continue;
		d->lags = lags;
		repl_mirror_link_lags(v->mirror, s, lags, &v->sink, volume_enter(v));
	}
}

void links_settle(struct volume *v, u64 now)
{
	u64 next = heal_time(v);

	lag_settle(v);
	for (u32 i = 0; i < VOLUME_DIALS; i++) {
		struct volume_dial *d = &v->dial[i];
		bool want = wanted(v, i);

		if (want && !d->link && now >= d->pace.next_at)
			dial(v, d, now);
		if (want && !d->link)
			next = PORT_MIN(next, d->pace.next_at);
		renew(v, d, now);
		if (!want && d->link) {
			bool was_up = d->up;

			hang_up(d);
			d->pace.next_at = 0; /* wanted again, it is dialled at once */
			if (was_up && !is_knock(v, d))
				tell_down(v, dial_number(v, d));
		}
	}
	if (next == UINT64_MAX)
		uv_timer_stop(&v->dial_timer);
	else
		uv_timer_start(&v->dial_timer, on_dial_timer,
			       next > now ? (next - now) / REPL_MS + 1 : 1, 0);
	if (v->dial[VOLUME_DIAL_PULL].up)
		link_resume(v->dial[VOLUME_DIAL_PULL].link);
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++)
		if (v->accepted[i])
			link_resume(v->accepted[i]);
}

/* ---- links opened by others ---- */

static void accepted_up(struct link *l, void *owner)
{
	tell_up(owner, l->number);
}

static void accepted_down(struct link *l, const char *why, void *owner)
{
	struct volume *v = owner;

	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++) {
		if (v->accepted[i] != l)
			continue;
		v->accepted[i] = NULL;
		log_debug("link", "volume=%s peer=%s its link ended: %s", v->r.name, l->node, why);
		tell_down(v, l->number);
		return;
	}
}

static const struct link_ops accepted_ops = {
	.up = accepted_up,
	.takes = takes_bounded,
	.message = on_message,
	.down = accepted_down,
};

/* A peer has one link of a purpose. It opens another when it knows that the old one is dead, which
 * this side may not have noticed yet. */
static void replace_old(struct volume *v, const struct wire_greeting *g)
{
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++) {
		struct link *old = v->accepted[i];

		if (!old || old->slot != g->from || old->purpose != g->purpose)
			continue;
		v->accepted[i] = NULL;
		tell_down(v, old->number);
		link_close(old);
	}
}

static u8 take_renewal(struct volume *v, struct link *next, const struct wire_greeting *g)
{
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++) {
		struct link *l = v->accepted[i];

		if (l && l->slot == g->from && l->purpose == g->purpose)
			return link_take_renewal(l, next, g);
	}
	return WIRE_NO_RENEWAL;
}

u8 volume_judge(struct volume *v, struct link *l, const struct wire_greeting *g)
{
	u8 status = link_judge(l, g, &v->r);
	u32 free = 0;

	if (status != WIRE_WELCOME)
		return status;
	if (!volume_up(v) || !v->has_disk)
		return WIRE_NOT_READY;
	if (g->renewal)
		return take_renewal(v, l, g);
	replace_old(v, g);
	while (free < VOLUME_ACCEPTED_MAX && v->accepted[free])
		free++;
	if (free == VOLUME_ACCEPTED_MAX)
		return WIRE_NOT_READY; /* not reached: 16 slots, three purposes */
	if (v->env->link_number < REPL_LINK_FIRST)
		v->env->link_number = REPL_LINK_FIRST;
	v->accepted[free] = l;
	link_adopt(l, v->env->link_number++, &accepted_ops, v, &v->rx);
	return WIRE_WELCOME;
}

bool links_knocked(const struct volume *v)
{
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++)
		if (v->accepted[i] && v->accepted[i]->purpose == WIRE_KNOCK)
			return true;
	return false;
}

/* ---- the mirror or the configuration ends some ---- */

void links_close(struct volume *v, u32 number)
{
	for (u32 i = 0; i < VOLUME_DIALS; i++)
		if (v->dial[i].up && dial_number(v, &v->dial[i]) == number)
			hang_up(&v->dial[i]);
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++) {
		struct link *l = v->accepted[i];

		if (!l || l->number != number)
			continue;
		v->accepted[i] = NULL;
		link_close(l);
	}
	volume_report(v);
	volume_settle_soon(v);
}

void links_end(struct volume *v)
{
	for (u32 i = 0; i < VOLUME_DIALS; i++)
		hang_up(&v->dial[i]);
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++) {
		struct link *l = v->accepted[i];

		v->accepted[i] = NULL;
		if (l)
			link_close(l);
	}
	v->pull_slot = REPL_NO_SLOT;
}

void links_peers_changed(struct volume *v, const struct plane_resource *old)
{
	for (u32 i = 0; i < VOLUME_DIALS; i++) {
		struct volume_dial *d = &v->dial[i];
		u8 slot = i < VOLUME_DIAL_PULL    ? (u8)i
			  : i == VOLUME_DIAL_PULL ? v->pull_slot
						  : v->knock_slot;
		bool was_up = d->up;

		if (slot == REPL_NO_SLOT || plane_same_peer(&old->peer[slot], &v->r.peer[slot]))
			continue;
		hang_up(d);
		d->pace.next_at = 0;
		if (was_up && !is_knock(v, d))
			tell_down(v, dial_number(v, d));
	}
	for (u32 i = 0; i < VOLUME_ACCEPTED_MAX; i++) {
		struct link *l = v->accepted[i];

		if (!l || plane_usable(&v->r, l->slot))
			continue;
		v->accepted[i] = NULL;
		tell_down(v, l->number);
		link_close(l);
	}
}
