// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_freeze.c - writes of the application are held for a moment, so that all
 * copies can be cut at one point, as kmod/freeze.c does it. The NBD servers keep
 * what is held; the mirror does not know of it. A freeze ends by thaw, or lapses:
 * looked at with each tick and whenever something happens to the volume.
 */
#include "replication/volume.h"

#include "base/clock.h"
#include "base/log.h"

#define GAVE_UP "the freeze has ended as this node gave up serving"

static bool serving(const struct volume *v)
{
	return volume_up(v) && v->mirror->writer.state == WRITER_SERVING;
}

/* the last client has left: it is closed when what it asked for is done, so nothing may wait */
static bool closing(const struct volume *v)
{
	return v->opened && open_clients(v) == 0;
}

static bool member_lost(const struct volume *v)
{
	const struct repl_writer *w = &v->mirror->writer;

	return !repl_writer_serving(w) || (v->freeze.members & ~w->members);
}

static void answer(struct volume *v, int status, const char *why)
{
	struct plane_freeze *asked = v->freeze.asked;

	v->freeze.asked = NULL;
	if (asked)
		plane_freeze_done(asked, status, "%s", why);
}

void freeze_begin(struct volume *v, struct plane_freeze *f)
{
	struct volume_freeze *z = &v->freeze;

	if (!serving(v)) {
		plane_freeze_done(f, -EREMOTE, "only the node where it is served can freeze it");
		return;
	}
	if (freeze_on(v)) {
		plane_freeze_done(f, -EBUSY, "it is frozen already");
		return;
	}
	z->state = VOLUME_FREEZING;
	z->token = f->token;
	z->until = f->until;
	z->lapsed = NULL;
	z->asked = f;
	volume_settle_soon(v);
}

/* why it lapses; NULL: it is thawed */
static void end(struct volume *v, const char *why)
{
	if (!freeze_on(v))
		return;
	if (why)
		log_warn("plane", "volume=%s %s", v->r.name, why);
	v->freeze.state = VOLUME_THAWED;
	v->freeze.lapsed = why;
	if (why)
		answer(v, -ETIMEDOUT, why);
	else
		answer(v, -ECANCELED, "it was thawed before it held");
	open_thawed(v);
}

void freeze_thaw(struct volume *v, struct plane_freeze *f)
{
	struct volume_freeze *z = &v->freeze;
	u64 now = clock_boot_ns();
	bool on;

	if (f->token != z->token) {
		plane_freeze_done(f, -ENOENT,
				  "it was not frozen under that token, or has been frozen anew "
				  "since");
		return;
	}
	freeze_settle(v, now);
	if (z->state == VOLUME_FROZEN && !repl_mirror_leased(v->mirror, now))
		end(v, "the freeze has ended as a copy was not heard of: another node may "
		       "have written");
	on = freeze_on(v);
	end(v, NULL);
	if (z->lapsed)
		plane_freeze_done(f, -ETIMEDOUT, "%s", z->lapsed);
	else if (!on)
		plane_freeze_done(f, -EALREADY, "it was thawed already");
	else
		plane_freeze_done(f, 0, NULL);
}

void freeze_forget(struct volume *v)
{
	end(v, GAVE_UP);
	v->freeze.writing = 0;
}

void freeze_settle(struct volume *v, u64 now)
{
	struct volume_freeze *z = &v->freeze;

	if (!freeze_on(v))
		return;
	if (now >= z->until) {
		end(v, "the freeze has ended at its deadline");
	} else if (!serving(v) || closing(v)) {
		end(v, GAVE_UP);
	} else if (z->state == VOLUME_FROZEN && member_lost(v)) {
		end(v, "the freeze has ended as a copy was lost");
	} else if (z->state == VOLUME_FREEZING && z->writing == 0 &&
		   repl_mirror_leased(v->mirror, now)) {
		z->state = VOLUME_FROZEN;
		z->members = v->mirror->writer.members;
		answer(v, 0, "");
	}
}
