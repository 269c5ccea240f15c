// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_steps.c - what is said to the module about a resource of it, and asked
 * of consensus in its name. Called by kernel_resource.c, which knows when.
 */
#include "base/clock.h"
#include "base/log.h"
#include "replication/kernel_names.h"
#include "replication/kernel_resource.h"
#include "replication/volume_times.h"

#define MS REPL_MS

/* ---- consensus ---- */

void kernel_ask_boot(struct kernel_resource *k)
{
	k->boot.token = plane_ask(&k->item, NULL);
	k->l.boot_asked = true;
}

void kernel_ask_read(struct kernel_resource *k)
{
	k->l.read_asked = k->read.kernel_token = k->view.status.read_token;
	k->read.token = plane_ask(&k->item, NULL);
}

void kernel_ask_cas(struct kernel_resource *k)
{
	struct repl_record next;

	k->l.cas_asked = k->cas.kernel_token = k->view.status.cas_token;
	k->cas.proposed = k->view.status.cas;
	kernel_get_record(&next, &k->cas.proposed);
	k->cas.token = plane_ask(&k->item, &next);
}

/* The module asks no more, or something else, when it refuses: its status will say so. */
static void answer(struct kernel_resource *k, const struct kernel_request *q)
{
	struct err err = { 0 };

	if (kernel_ask_module(k, q, &err) < 0)
		log_debug("plane", "volume=%s an answer was not wanted: %s", k->r.name, err.text);
	k->l.known = false;
	kernel_settle_soon(k);
}

void kernel_resource_record(struct kernel_resource *k, u64 token, const struct repl_record *now)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_RECORD);

	if (token == k->boot.token) {
		k->boot.token = 0;
		k->l.boot_known = true;
		k->booted_with = *now;
		kernel_settle_soon(k);
		return;
	}
	if (token != k->read.token)
		return;
	q.with = KERNEL_WITH(TOKEN) | KERNEL_WITH(RECORD);
	q.token = k->read.kernel_token;
	kernel_put_record(&q.record, now);
	k->read = (struct kernel_ask){ 0 };
	answer(k, &q);
}

void kernel_resource_cas(struct kernel_resource *k, u64 token, bool accepted,
			 const struct repl_record *now)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_CAS_DONE);

	if (token != k->cas.token)
		return;
	q.with = KERNEL_WITH(TOKEN) | KERNEL_WITH(RECORD) | KERNEL_WITH(ACCEPTED);
	q.token = k->cas.kernel_token;
	q.accepted = kernel_accepted(&k->cas.proposed, accepted, now);
	kernel_put_record(&q.record, now);
	k->cas = (struct kernel_ask){ 0 };
	answer(k, &q);
}

/* ---- commands ---- */

void kernel_boot(struct kernel_resource *k)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_BOOT);
	struct repl_record nobody = { .epoch = 0, .writer = REPL_NO_SLOT };
	struct err err = { 0 };

	q.with = KERNEL_WITH(RECORD);
	kernel_put_record(&q.record, plane_has_disk(&k->r) ? &k->booted_with : &nobody);
	k->l.known = false;
	if (kernel_ask_module(k, &q, &err) < 0) {
		kernel_failed(k, "does not start", err.text);
		k->l.stale = true; /* perhaps half of it has: from the beginning */
		return;
	}
	kernel_names_set(k->env->dev_dir, &k->r);
	log_info("plane", "volume=%s epoch=%u replica attached, in the kernel", k->r.name,
		 q.record.epoch);
}

void kernel_set_options(struct kernel_resource *k)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_RESOURCE_SET);
	struct err err = { 0 };

	q.with = KERNEL_WITH(COPIES) | KERNEL_WITH(READ_POLICY) | KERNEL_WITH(HANDOVER) |
		 KERNEL_WITH(COPY_WRITES) | KERNEL_WITH(BELOW_DISCARDS);
	q.copies = kernel_copies(&k->r, &k->view);
	q.read_policy = (u8)k->r.read_policy;
	q.handover = k->r.handover;
	q.copy_writes = (u8)k->r.copy_writes;
	q.below_discards = k->r.below_discards;
	k->l.known = false;
	if (kernel_ask_module(k, &q, &err) < 0) {
		kernel_failed(k, "its options are not taken", err.text);
		return;
	}
	k->l.options_set = true;
	k->l.copies = q.copies;
	k->l.read_policy = k->r.read_policy;
	k->l.handover = k->r.handover;
	k->l.copy_writes = k->r.copy_writes;
	k->l.below_discards = k->r.below_discards;
}

void kernel_heal(struct kernel_resource *k, bool on, u64 now)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_HEAL);
	const struct rvol_status *s = &k->view.status;
	struct err err = { 0 };

	if (on)
		log_info("plane", "volume=%s healing: %s", k->r.name,
			 plane_heal_reason(&k->r, k->l.knocked));
	else
		log_info("plane", "volume=%s healing ended: %s", k->r.name,
			 s->flags & RVOL_STATUS_WANTED    ? "another node opens the volume"
			 : s->flags & RVOL_STATUS_STOPPED ? s->reason
			 : plane_must_release(&k->r)      ? "others may heal it"
							  : "the copies are in sync");
	q.with = KERNEL_WITH(ON);
	q.on = on;
	if (kernel_ask_module(k, &q, &err) < 0)
		log_warn("plane", "volume=%s healing: %s", k->r.name, err.text);
	k->l.heal_at = now + VOLUME_HEAL_PAUSE_MS * MS;
	k->l.release_at = now + VOLUME_RELEASE_MS * MS;
	k->l.known = false;
}

void kernel_yield(struct kernel_resource *k, u64 now)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_YIELD);

	log_info("plane", "volume=%s epoch=%u handed over: another node opens it", k->r.name,
		 k->view.status.epoch);
	kernel_ask_module(k, &q, NULL);
	k->yield_at = now;
	k->l.known = false;
}

void kernel_abandon(struct kernel_resource *k, u64 now)
{
	struct kernel_request q = kernel_request_of(k, RVOL_CMD_ABANDON);

	log_error("plane", "volume=%s its requests have waited for %d s: they fail", k->r.name,
		  VOLUME_AWAY_MS / 1000);
	kernel_ask_module(k, &q, NULL);
	k->l.away_since = now;
	k->l.known = false;
}
