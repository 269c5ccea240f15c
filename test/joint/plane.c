// SPDX-License-Identifier: GPL-2.0-or-later
/* plane.c - the control plane's side of joint.h: questions in, decisions and answers out. */
#include <string.h>

#include "joint/joint.h"
#include "raftsim/world.h"

#define CLIENTS 2 /* others who change documents meanwhile */
#define THINK (100 * MS)
#define FOUNDED_BOUND (120 * SEC)

static struct sim_world *asker;
static u64 base_us, base_ns; /* the same moment in both worlds */
static struct joint_stats stats;

static struct record to_model(const struct repl_record *r)
{
	struct record m = { .epoch = r->epoch, .in_sync = r->in_sync };

	m.writer = r->writer == REPL_NO_SLOT ? WRITER_NONE : r->writer;
	m.tag.node = r->tag.node;
	m.tag.boot = r->tag.boot;
	m.tag.counter = r->tag.counter;
	return m;
}

static struct repl_record to_core(const struct record *m)
{
	struct repl_record r = { .epoch = m->epoch, .in_sync = m->in_sync };

	r.writer = m->writer == WRITER_NONE ? REPL_NO_SLOT : (u8)m->writer;
	r.tag.node = m->tag.node;
	r.tag.boot = m->tag.boot;
	r.tag.counter = m->tag.counter;
	return r;
}

static void decided(const struct record *m)
{
	struct repl_record r = to_core(m);

	stats.decided++;
	sim_decided(asker, &r);
}

static void answered(u64 ticket, bool ok, const struct record *present)
{
	struct repl_record r = to_core(present);

	stats.refused += !ok;
	sim_answered(asker, ticket, ok, &r);
}

static void ask_read(u64 ticket)
{
	stats.reads++;
	joint_ask(ticket, NULL);
}

static void ask_cas(u64 ticket, const struct repl_record *next)
{
	struct record m = to_model(next);

	stats.changes++;
	joint_ask(ticket, &m);
}

static void run(u64 now)
{
	if (!base_ns)
		base_ns = now;
	while (ctl_step(base_us + (now - base_ns) / 1000))
		;
	ctl.over = false;
}

static void calm(u64 now)
{
	run(now);
	ctl_heal();
}

const struct sim_register joint_register = {
	.read = ask_read, .cas = ask_cas, .run = run, .calm = calm
};

int joint_begin(u64 seed, struct sim_world *w, u32 copies, u32 in_sync, bool trace)
{
	struct ctl_options o;

	memset(&stats, 0, sizeof(stats));
	asker = w;
	base_ns = 0;
	ctl_options_draw(&o, seed);
	o.trace = trace;
	o.joint_copies = copies;
	o.joint_in_sync = in_sync;
	o.fault_for = 0; /* they end when those of the data plane do */
	o.clients = CLIENTS;
	o.think = THINK;
	ctl_joint.decided = decided;
	ctl_joint.answered = answered;
	ctl_begin(&o);
	ctl.quiet = true; /* nothing goes wrong until there is a record */
	ctl.quiet_since = ctl.now;
	while (ctl.founding < founding_steps() && ctl_step(FOUNDED_BOUND))
		;
	if (!ctl.failed && ctl.founding < founding_steps())
		ctl_fail("no record after two minutes");
	ctl.quiet = ctl.over = false;
	faults_start();
	base_us = ctl.now;
	return ctl.failed;
}

int joint_end(struct joint_stats *t)
{
	ctl_heal();
	ctl.over = false;
	ctl.quiet_since = ctl.now;
	while (!ctl.over && ctl_step(UINT64_MAX))
		;
	ctl_end();
	t->decided += stats.decided;
	t->reads += stats.reads;
	t->changes += stats.changes;
	t->refused += stats.refused;
	t->elections += ctl.stats.elections;
	t->crashes += ctl.stats.crashes;
	t->snapshots += ctl.stats.snapshots;
	t->membership += ctl.stats.changes;
	return ctl.failed;
}

const char *joint_failure(void)
{
	return ctl.failure;
}

u64 joint_hash(void)
{
	return ctl.hash;
}
