/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * register.h - who keeps the record of the simulated volume: the simulator
 * itself (sim_options.reg NULL), or somebody else, asked here. test/joint puts
 * the simulated control plane in its place.
 */
#ifndef TEST_SIM_REGISTER_H
#define TEST_SIM_REGISTER_H

#include "replication/core/repl.h"

struct sim_world;
struct sim_event;

/* ticket: to be given back with the answer. Time is that of the asking world, in ns. */
struct sim_register {
	void (*read)(u64 ticket);
	/* the record shall become next, if its epoch is the present one plus one */
	void (*cas)(u64 ticket, const struct repl_record *next);
	void (*run)(u64 now);  /* what happens there until now */
	void (*calm)(u64 now); /* the faults end */
};

/* What the register calls, from inside of run: a change is decided, a question is answered */
void sim_decided(struct sim_world *w, const struct repl_record *record);
void sim_answered(struct sim_world *w, u64 ticket, bool ok, const struct repl_record *present);

/* register.c, for the rest of the simulator: e is the event that the answer shall become */
void register_ask(struct sim_world *w, const struct sim_event *e);
void register_run(struct sim_world *w);
void register_reset(void);
u32 register_pending(void); /* slots in sets that may still be decided */

#endif
