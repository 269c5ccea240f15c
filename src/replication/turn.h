/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * turn.h - work that is done once at the end of a loop turn, however often it
 * was asked for in it: many small causes, one write, one look around.
 * One loop's thread only.
 */
#ifndef SDSD_REPLICATION_TURN_H
#define SDSD_REPLICATION_TURN_H

#include <stdbool.h>
#include <uv.h>

struct turn_item { /* embedded in who wants to be called */
	struct turn_item *next, *prev;
	void (*run)(struct turn_item *item);
	bool queued;
};

struct turn {
	uv_prepare_t before; /* what timers and closing handles left */
	uv_check_t after;    /* what sockets and wake-ups left */
	struct turn_item *head, *tail;
	int open_handles;
	void (*closed)(struct turn *t);
	/* Called when nothing is left to do and the loop is about to sleep; may be NULL. true: it
	 * may have made something to do. */
	bool (*rest)(void *arg);
	void *rest_arg;
	/* Something was sent to another node in this turn: it takes longer than anything here, and
	 * may want this CPU. There is no rest then. Set by who sends. */
	bool sent;
};

int turn_init(struct turn *t, uv_loop_t *loop);
/* run is called once before the loop sleeps again; an item may add others, and itself */
void turn_add(struct turn *t, struct turn_item *item);
void turn_drop(struct turn *t, struct turn_item *item); /* forget it; not queued is fine */
/* nothing may be queued; closed follows */
void turn_close(struct turn *t, void (*closed)(struct turn *t));

#endif
