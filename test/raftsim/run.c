// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * run.c - one run: options from the seed, servers, then events until the
 * faults end, and after that until everybody agrees.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "raftsim/world.h"

#define LEADER_BOUND (45 * SEC) /* after the last fault there is one; 30 s if it needs this one */
#define AGREE_BOUND \
	(100 * SEC) /* and everybody has everything; the library repeats a snapshot
				  * whose answer was lost after 30 s */
#define LOOK_EVERY (400 * MS)
#define STEPS_MAX 3000000

struct ctl_world ctl;

void __wrap_log_write(enum log_level level, const char *subsystem, const char *fmt, ...);

void __wrap_log_write(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	va_list ap;

	if (!ctl.o.trace)
		return;
	printf("         log: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void ctl_fail(const char *fmt, ...)
{
	va_list ap;

	if (ctl.failed)
		return;
	va_start(ap, fmt);
	vsnprintf(ctl.failure, sizeof(ctl.failure), fmt, ap);
	va_end(ap);
	ctl.failed = true;
	ctl_note("FAILURE: %s", ctl.failure);
}

/* --- what a seed means --- */

static u64 one_of(u64 a, u64 b, u64 c, u64 d)
{
	const u64 v[] = { a, b, c, d };

	return v[ctl_below(4)];
}

static u32 some(u32 a, u32 b, u32 c)
{
	return (u32)one_of(0, a, b, c);
}

static void draw_machines(struct ctl_options *o)
{
	o->disk_fast = one_of(300, MS, 3 * MS, 10 * MS);
	o->disk_slow = one_of(20 * MS, 100 * MS, 400 * MS, 2 * SEC);
	o->slow_rate = some(5, 30, 200);
	o->append_error = some(20, 100, 300);
	o->sync_error = some(200, 1000, 3000);
	o->put_error = some(100, 500, 2000);
	o->torn_rate = some(20, 100, 300);
	o->store_lost = some(0, 50, 200);
	o->stall_rate = some(10, 50, 200);
	o->skew = some(5, 30, 100);
}

static void draw_links(struct ctl_options *o)
{
	o->delay = one_of(200, MS, 5 * MS, 20 * MS);
	o->delay_tail = one_of(20 * MS, 100 * MS, 400 * MS, SEC);
	o->tail_rate = some(5, 30, 150);
	o->loss_rate = some(5, 30, 150);
	o->reconnect_rate = some(5, 30, 200);
	o->send_fail = some(1, 10, 50);
	o->oneway_rate = some(20, 50, 100);
}

/* What takes seconds to build up is soon ended by other faults: mostly it is alone, with clients
 * that do not wait for long. */
static void draw_lag(struct ctl_options *o)
{
	o->lag_every = one_of(0, 0, 0, SEC);
	o->lag = one_of(300 * MS, 1500 * MS, 2 * SEC, 3 * SEC);
	if (!o->lag_every || o->founded || ctl_chance(1, 4))
		return;
	o->fault_for = 20 * SEC;
	o->patience = 300 * MS;
	o->delay = MS;
	o->tail_rate = o->loss_rate = o->reconnect_rate = o->send_fail = 0;
	o->append_error = o->sync_error = o->put_error = 0;
	o->crash_every = o->stop_every = o->cut_every = o->pause_every = 0;
	o->change_every = o->transfer_every = 0;
}

void ctl_options_draw(struct ctl_options *o, u64 seed)
{
	memset(o, 0, sizeof(*o));
	ctl.rng = seed * 0x2545f4914f6cdd1dull + 1;
	o->seed = seed;
	o->servers = (u32)one_of(3, 3, 4, 5);
	o->founded = ctl_chance(1, 4);
	o->policy = o->founded || ctl_chance(1, 3);
	o->fault_for = one_of(4, 6, 8, 12) * SEC;
	o->clients = 2 + (u32)ctl_below(CLIENTS_MAX - 1);
	o->think = one_of(3 * MS, 20 * MS, 80 * MS, 300 * MS);
	o->patience = one_of(300 * MS, SEC, 2 * SEC, 5 * SEC);
	draw_machines(o);
	draw_links(o);
	o->crash_every = one_of(0, 500 * MS, 1500 * MS, 4 * SEC);
	o->stop_every = one_of(0, 0, 2 * SEC, 5 * SEC);
	o->cut_every = one_of(0, 700 * MS, 2 * SEC, 4 * SEC);
	o->pause_every = one_of(0, 0, SEC, 3 * SEC);
	o->change_every = one_of(0, 100 * MS, 300 * MS, SEC);
	o->transfer_every = one_of(0, 0, 700 * MS, 3 * SEC);
	if (o->founded && !o->change_every)
		o->change_every = 100 * MS;
	o->down_for = one_of(20 * MS, 300 * MS, SEC, 3 * SEC);
	o->all_crash_rate = some(5, 20, 60);
	o->threshold = (u32)one_of(4, 12, 40, 4096);
	o->trailing = (u32)one_of(1, 4, 16, 64);
	o->catch_up_ms = (u32)one_of(300, 1000, 5000, 5000);
	draw_lag(o); /* the last draws: others stay as they are */
}

/* --- the beginning --- */

static void make_dirs(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(ctl.dir, sizeof(ctl.dir), "%s/raftsim.%d", base, (int)getpid());
	mkdir(ctl.dir, 0700);
	for (u32 k = 0; k < SERVERS_MAX; k++)
		snprintf(ctl.server[k].dir, sizeof(ctl.server[k].dir), "%.50s/s%u", ctl.dir, k);
}

static void remove_dirs(void)
{
	char path[128];

	for (u32 k = 0; k < SERVERS_MAX; k++) {
		snprintf(path, sizeof(path), "%s/raft", ctl.server[k].dir);
		rmdir(path);
		rmdir(ctl.server[k].dir);
	}
	rmdir(ctl.dir);
}

static void init_server(struct server *s, u32 slot)
{
	s->slot = slot;
	s->disk.first = 1;
	s->clock_base = ctl_below(100 * SEC);
	s->clock_rate = 1000 - ctl.o.skew + (u32)ctl_below(2 * ctl.o.skew + 1);
	if (slot >= ctl.o.servers)
		return;
	s->births = 1;
	s->id = 10 + slot + 1;
	snprintf(s->address, sizeof(s->address), "s%u.1:7000", slot);
}

static void begin_servers(void)
{
	struct raft_configuration conf;
	u32 voters = ctl.o.founded ? 1 : ctl.o.servers;

	make_dirs();
	checker_reset();
	raft_configuration_init(&conf);
	for (u32 k = 0; k < SERVERS_MAX; k++)
		init_server(&ctl.server[k], k);
	for (u32 k = 0; k < voters; k++)
		if (raft_configuration_add(&conf, ctl.server[k].id, ctl.server[k].address,
					   RAFT_VOTER))
			abort();
	for (u32 k = 0; k < voters; k++)
		disk_bootstrap(&ctl.server[k].disk, &conf);
	raft_configuration_close(&conf);
	for (u32 k = 0; k < ctl.o.servers; k++)
		server_start(&ctl.server[k]);
	clients_init();
	faults_start();
	ctl_schedule(LOOK_EVERY, &(struct ctl_event){ .kind = EV_LOOK });
	if (ctl.o.fault_for)
		ctl_schedule(ctl.o.fault_for, &(struct ctl_event){ .kind = EV_HEAL });
}

/* --- events --- */

static void to_instance(struct inst *i, const struct ctl_event *e)
{
	struct ctl_event next = { .kind = EV_TICK, .server = e->server, .life = e->life };

	switch (e->kind) {
	case EV_TICK:
		ctl_schedule(i->tick_every, &next);
		i->tick(i->io);
		break;
	case EV_WAKE:
		if (i->wake_sent)
			loop_wake(i);
		break;
	case EV_TIMER:
		loop_timer(i, e->arg);
		break;
	case EV_DISK:
		disk_step(i);
		break;
	case EV_EARLY:
		disk_early(i);
		break;
	default: /* EV_WORK, EV_GET, EV_SENT */
		pending_done(i, e->ptr);
		break;
	}
}

static void run_event(struct ctl_event *e)
{
	struct server *s = &ctl.server[e->server];
	bool own = e->kind >= EV_TICK && e->kind <= EV_SENT;

	if (own && (!s->inst || s->inst->life != e->life))
		return;
	if ((own || e->kind == EV_DELIVER) && s->inst && s->inst->busy_until > ctl.now) {
		ctl_schedule(s->inst->busy_until - ctl.now, e);
		return;
	}
	ctl.stats.steps++;
	ctl_mix(ctl.now * 32 + e->kind);
	if (own)
		to_instance(s->inst, e);
	else if (e->kind == EV_DELIVER)
		net_deliver(e);
	else if (e->kind == EV_RESTART && !s->inst && s->id && s->down_until == e->arg)
		server_start(s);
	else if (e->kind == EV_CLIENT)
		client_step((u32)e->arg, e->life);
	else if (e->kind == EV_FAULT)
		ctl_fault_step(e->arg);
	for (u32 k = 0; k < SERVERS_MAX; k++)
		server_settle(&ctl.server[k]);
	checker_leaders();
}

/* --- the end --- */

/* Everybody in the leader's configuration has applied what is committed */
static bool all_agree(void)
{
	struct server *leader = server_leader();
	struct consensus_server list[SERVERS_MAX + 1];
	int n;

	if (!leader || ctl.changing)
		return false;
	for (u32 k = 0; k < ctl.o.clients; k++)
		if (ctl.client[k].busy)
			return false;
	n = consensus_servers(leader->inst->c, list, SERVERS_MAX + 1);
	for (int k = 0; k < n && k <= SERVERS_MAX; k++) {
		struct server *s = server_by_id(list[k].id);

		if (list[k].role == CONSENSUS_SPARE)
			continue;
		if (!s || !s->inst)
			return false;
		if (raft_last_applied(&s->inst->c->raft) !=
			    raft_last_index(&leader->inst->c->raft) ||
		    store_applied(s->store) != store_applied(leader->store))
			return false;
	}
	return true;
}

static void say_stuck(const char *what)
{
	char text[400] = "";

	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct inst *i = ctl.server[k].inst;
		size_t len = strlen(text);

		if (i)
			snprintf(text + len, sizeof(text) - len,
				 " s%u:state %d role %d term %llu log %llu/%llu commit %llu/%llu",
				 k, raft_state(&i->c->raft), raft_role(&i->c->raft),
				 (unsigned long long)i->c->raft.current_term,
				 (unsigned long long)i->c->raft.last_stored,
				 (unsigned long long)raft_last_index(&i->c->raft),
				 (unsigned long long)raft_last_applied(&i->c->raft),
				 (unsigned long long)i->c->raft.commit_index);
	}
	ctl_fail("%s:%s", what, text);
}

static void look(void)
{
	u64 since = ctl.now - ctl.quiet_since;

	if (!ctl.quiet) {
		checker_look();
	} else if (all_agree()) {
		ctl.over = true;
		ctl.quiet_since = ctl.now;
	} else if (since > LEADER_BOUND && !server_leader()) {
		say_stuck("no leader");
	} else if (since > AGREE_BOUND) {
		say_stuck("no agreement");
	}
	ctl_schedule(LOOK_EVERY, &(struct ctl_event){ .kind = EV_LOOK });
}

void ctl_heal(void)
{
	if (ctl.quiet)
		return;
	ctl_note("the faults end");
	ctl.quiet = true;
	ctl.quiet_since = ctl.now;
	faults_heal();
}

void ctl_begin(const struct ctl_options *o)
{
	memset(&ctl, 0, sizeof(ctl));
	ctl.o = *o;
	ctl.rng = o->seed;
	ctl.hash = o->seed;
	begin_servers();
}

bool ctl_step(u64 until)
{
	struct ctl_event e;

	if (ctl.failed || !ctl_next(until, &e))
		return false;
	ctl.now = e.at;
	if (e.kind == EV_LOOK)
		look();
	else if (e.kind == EV_HEAL)
		ctl_heal();
	else
		run_event(&e);
	if (ctl.stats.steps > STEPS_MAX)
		say_stuck("too many steps");
	return !ctl.failed;
}

void ctl_end(void)
{
	if (!ctl.failed)
		checker_end();
	servers_close();
	remove_dirs();
	if (ctl.failed)
		ctl_notes_print(stdout);
	ctl_events_clear();
}

int ctl_run(const struct ctl_options *o)
{
	ctl_begin(o);
	while (!ctl.over && ctl_step(UINT64_MAX))
		;
	ctl_end();
	return ctl.failed;
}
