// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_heal.c - brings copies back in sync while no application has the
 * volume open. A copy that is out of sync keeps a knock link to a member
 * (volume_link.c); that member opens the mirror for its sake, as writer without
 * a client, until nobody knocks any more. An application goes first: one here
 * takes the open mirror over, one on another node makes it close (WANTED).
 * Only where the record names no writer, or this node: never against somebody.
 */
#include "replication/volume.h"

#include "base/clock.h"
#include "base/log.h"

static bool may_heal(const struct volume *v)
{
	return v->has_disk && plane_in_sync(&v->r, v->r.self) &&
	       (v->r.writer < 0 || v->r.writer == v->r.self) && !v->opened_mirror &&
	       links_knocked(v);
}

u64 heal_time(const struct volume *v)
{
	return may_heal(v) ? v->heal_at : UINT64_MAX;
}

void heal_later(struct volume *v)
{
	v->heal_at = clock_boot_ns() + VOLUME_HEAL_PAUSE_MS * REPL_MS;
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
		log_info("plane", "volume=%s healing: a copy is out of sync", v->r.name);
		open_mirror(v);
		v->healing = true;
		volume_report(v);
		return;
	}
	repl_mirror_status(v->mirror, &s);
	if (s.wanted)
		heal_end(v, "another node opens the volume");
	else if (s.stopped)
		heal_end(v, s.reason);
	else if (s.serving && !links_knocked(v))
		heal_end(v, "the copies are in sync");
}
