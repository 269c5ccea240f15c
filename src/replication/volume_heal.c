// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_heal.c - brings copies back in sync while no application has the
 * volume open. A copy that is out of sync keeps a knock link to a member
 * (volume_link.c); that member opens the mirror for its sake, as writer without
 * a client, until nobody knocks any more. An application goes first: one here
 * takes the open mirror over, one on another node makes it close (WANTED).
 * Only where the record names no writer, or this node: never against somebody,
 * whom the core sees in the record that it reads, if the store was late.
 * A node that the record names, that serves no more and cannot heal (a client,
 * or out of sync itself: it died, or a copy was lost as it closed) opens and
 * closes the mirror, so that the record names nobody: then a member heals. One
 * that could heal and has no need to, as all are in sync, does the same when it
 * has been closed for VOLUME_RELEASE_MS: it died and came back, and as long as
 * it is named no snapshot can be taken. Not sooner, since its store may lag.
 */
#include "replication/volume.h"

#include "base/clock.h"
#include "base/log.h"

static bool may_heal(const struct volume *v)
{
	return (v->has_disk && plane_may_heal(&v->r) && links_knocked(v)) ||
	       plane_must_release(&v->r);
}

u64 heal_time(const struct volume *v)
{
	if (v->opened_mirror || v->next)
		return UINT64_MAX;
	if (may_heal(v))
		return v->heal_at;
	return plane_is_writer(&v->r) ? v->release_at : UINT64_MAX;
}

void heal_later(struct volume *v)
{
	u64 now = clock_boot_ns();

	v->heal_at = now + VOLUME_HEAL_PAUSE_MS * REPL_MS;
	v->release_at = now + VOLUME_RELEASE_MS * REPL_MS;
}

static void heal_end(struct volume *v, const char *why)
{
	log_info("plane", "volume=%s healing ended: %s", v->r.name, why);
	close_mirror(v);
	volume_report(v);
}

void heal_settle(struct volume *v, u64 now)
{
	struct repl_mirror_status s;

	if (v->opening || v->opened)
		return;
	if (!v->opened_mirror) {
		if (now < heal_time(v))
			return;
		log_info("plane", "volume=%s healing: %s", v->r.name,
			 plane_heal_reason(&v->r, links_knocked(v)));
		open_mirror(v, true);
		volume_report(v);
		return;
	}
	repl_mirror_status(v->mirror, &s);
	if (s.wanted)
		heal_end(v, "another node opens the volume");
	else if (s.stopped)
		heal_end(v, s.reason);
	else if (s.serving && !links_knocked(v))
		heal_end(v, plane_must_release(&v->r) ? "others may heal it"
						      : "the copies are in sync");
}
