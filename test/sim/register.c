// SPDX-License-Identifier: GPL-2.0-or-later
/* register.c - questions to a register outside of this world, and their answers. */
#include "sim/register.h"

#include "sim/world.h"

#define ASKS_MAX 64
#define ANSWER_NS 200000

static struct {
	bool used;
	struct sim_event event;
} asks[ASKS_MAX];

void register_reset(void)
{
	memset(asks, 0, sizeof(asks));
}

void register_run(struct sim_world *w)
{
	if (w->opt.reg)
		w->opt.reg->run(w->now);
}

void register_ask(struct sim_world *w, const struct sim_event *e)
{
	for (u64 k = 0; k < ASKS_MAX; k++) {
		if (asks[k].used)
			continue;
		asks[k].used = true;
		asks[k].event = *e;
		if (e->kind == EV_CAS_LAND)
			w->opt.reg->cas(k, &e->record);
		else
			w->opt.reg->read(k);
		return;
	}
	sim_fail(w, "more than %d questions to the register", ASKS_MAX);
}

u32 register_pending(void)
{
	u32 mask = 0;

	for (u64 k = 0; k < ASKS_MAX; k++)
		if (asks[k].used && asks[k].event.kind == EV_CAS_LAND)
			mask |= asks[k].event.record.in_sync;
	return mask;
}

static bool same(const struct repl_record *a, const struct repl_record *b)
{
	return a->epoch == b->epoch && a->tag.node == b->tag.node && a->tag.boot == b->tag.boot &&
	       a->tag.counter == b->tag.counter;
}

void sim_decided(struct sim_world *w, const struct repl_record *record)
{
	if (record->epoch != w->record.epoch + 1)
		sim_fail(w, "epoch %u is decided after %u", record->epoch, w->record.epoch);
	for (u64 k = 0; k < ASKS_MAX; k++) {
		struct sim_event *e = &asks[k].event;

		if (asks[k].used && e->kind == EV_CAS_LAND && same(&e->record, record))
			record_decided(w, e);
	}
	if (!same(&w->record, record))
		sim_fail(w, "epoch %u is decided, and nobody has asked for it", record->epoch);
}

void sim_answered(struct sim_world *w, u64 ticket, bool ok, const struct repl_record *present)
{
	struct sim_event e = asks[ticket].event;

	asks[ticket].used = false;
	e.kind = e.kind == EV_CAS_LAND ? EV_CAS_ANSWER : EV_RECORD;
	if (e.kind == EV_CAS_ANSWER)
		e.flag = ok;
	e.record = *present;
	sim_schedule(w, 1 + sim_random(w, ANSWER_NS), &e);
}
