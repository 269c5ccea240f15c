// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * server.c - lives of servers: start on what disk and store hold, crash, stop,
 * join the cluster, leave it. The store is the real one; LMDB commits with
 * fsync, so a crash between two callbacks leaves it as it was.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "raftsim/world.h"

#define MAP_BYTES (32u << 20)

struct server *server_by_id(u64 id)
{
	for (u32 k = 0; k < SERVERS_MAX; k++)
		if (id && ctl.server[k].id == id)
			return &ctl.server[k];
	return NULL;
}

struct server *server_leader(void)
{
	struct server *best = NULL;

	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct server *s = &ctl.server[k];

		if (s->inst && consensus_is_leader(s->inst->c) &&
		    (!best || consensus_term(s->inst->c) > consensus_term(best->inst->c)))
			best = s;
	}
	return best;
}

void server_busy(struct server *s, u64 time)
{
	if (s->inst->busy_until < ctl.now + time)
		s->inst->busy_until = ctl.now + time;
}

static void on_leader(bool is_leader, void *arg)
{
	struct inst *i = arg;

	i->leader = is_leader;
	ctl_note("s%u %s", i->server->slot, is_leader ? "is ready to lead" : "leads no more");
	if (is_leader)
		ctl.stats.reigns++;
}

static void on_fatal(const struct err *why, void *arg)
{
	struct inst *i = arg;

	i->fatal = true;
	ctl_note("s%u fatal: %s", i->server->slot, err_name(why->code));
}

static void schedule_restart(struct server *s, u64 after)
{
	struct ctl_event e = { .kind = EV_RESTART, .server = s->slot };

	s->down_until = ctl.now + after;
	e.arg = s->down_until;
	ctl_schedule(after, &e);
}

static void lose_store(struct server *s)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/store.mdb", s->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/store.mdb-lock", s->dir);
	unlink(path);
}

static void inst_free(struct inst *i)
{
	env_close(i);
	free(i);
}

static void set_limits(struct inst *i)
{
	raft_set_snapshot_threshold(&i->c->raft, ctl.o.threshold);
	raft_set_snapshot_trailing(&i->c->raft, ctl.o.trailing);
	raft_set_max_catch_up_round_duration(&i->c->raft, ctl.o.catch_up_ms);
}

/* The instance has come to nothing: an error of the disk in the middle of the start */
static void start_failed(struct server *s, struct inst *i, const struct err *err)
{
	if (i->io)
		loop_close(i);
	ctl_note("s%u does not start: %s", s->slot, err_name(err->code));
	if (!i->dying && (ctl.o.sync_error == 0 || ctl.quiet))
		ctl_fail("s%u does not start: %s", s->slot, err->text);
	s->inst = NULL;
	inst_free(i);
	store_close(s->store);
	s->store = NULL;
	schedule_restart(s, ctl_around(ctl.o.down_for));
}

void server_start(struct server *s)
{
	struct consensus_config config = {
		.dir = s->dir,
		.id = s->id,
		.address = s->address,
		.on_leader = on_leader,
		.on_fatal = on_fatal,
	};
	struct err err = { 0 };
	struct inst *i;

	assert(!s->inst && s->id);
	if (ctl_chance(ctl.o.store_lost, 1000) && !ctl.quiet) {
		ctl.stats.stores_lost++;
		ctl_note("s%u has lost its store", s->slot);
		lose_store(s);
	}
	if ((ctl.o.mutant & MUTANT_AMNESIA) && !ctl.quiet && ctl_chance(1, 8)) {
		disk_wipe(&s->disk);
		lose_store(s);
	}
	if (store_open(s->dir, MAP_BYTES, &s->store, &err) < 0) {
		ctl_fail("s%u: the store does not open: %s", s->slot, err.text);
		return;
	}
	i = calloc(1, sizeof(*i));
	i->life = ++ctl.lives;
	i->server = s;
	i->ops_end = &i->ops;
	i->loop.data = i;
	s->inst = i;
	env_init(i);
	config.loop = &i->loop;
	config.store = s->store;
	config.arg = i;
	ctl_note("s%u starts: term %llu, log to %llu, store at %llu", s->slot,
		 (unsigned long long)s->disk.term,
		 (unsigned long long)(s->disk.first + s->disk.n - 1),
		 (unsigned long long)store_applied(s->store));
	if (consensus_start(&config, &i->c, &err) < 0) {
		start_failed(s, i, &err);
		return;
	}
	ctl.stats.restarts++;
	set_limits(i);
}

static void end_life(struct server *s)
{
	struct inst *i = s->inst;

	disk_power_lost(i);
	i->stopped = true;
	consensus_stop(i->c, NULL, NULL);
	loop_close(i);
	s->inst = NULL;
	inst_free(i);
	store_close(s->store);
	s->store = NULL;
}

void server_crash(struct server *s, u64 down_for)
{
	if (!s->inst)
		return;
	ctl.stats.crashes++;
	ctl_note("s%u crashes", s->slot);
	s->inst->dying = true;
	end_life(s);
	schedule_restart(s, down_for);
}

void server_stop(struct server *s)
{
	ctl_note("s%u is stopped", s->slot);
	end_life(s);
}

void server_join(struct server *s)
{
	s->births++;
	s->id = s->births * 10 + s->slot + 1;
	snprintf(s->address, sizeof(s->address), "s%u.%u:7000", s->slot, s->births);
	s->retired = false;
	disk_wipe(&s->disk);
	lose_store(s);
	ctl_note("s%u is new, id %u", s->slot, s->id);
	server_start(s);
}

void server_retire(struct server *s)
{
	if (s->inst)
		server_stop(s);
	s->id = 0;
	s->down_until = 0;
	disk_wipe(&s->disk);
}

void server_settle(struct server *s)
{
	struct inst *i = s->inst;

	if (!i)
		return;
	if (i->dying)
		server_crash(s, ctl_around(ctl.o.down_for));
	else if (i->fatal) {
		server_stop(s);
		schedule_restart(s, ctl.quiet ? 1 : ctl_around(ctl.o.down_for));
	}
}

void servers_close(void)
{
	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct server *s = &ctl.server[k];

		if (s->inst) {
			s->inst->dying = true;
			end_life(s);
		}
		disk_wipe(&s->disk);
		free(s->disk.entries);
		lose_store(s);
	}
}
