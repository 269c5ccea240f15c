// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * turn.c - a list that is run right after the loop has polled, and again
 * before it polls (timers run in between). Used by volumes (settle), links and
 * NBD clients (send what was collected). It knows nothing of them.
 */
#include "replication/turn.h"

#include <assert.h>

static void run_all(struct turn *t)
{
	struct turn_item *item;

	while ((item = t->head)) {
		turn_drop(t, item);
		item->run(item);
	}
}

static void on_prepare(uv_prepare_t *handle)
{
	struct turn *t = handle->data;

	do
		run_all(t);
	while (!t->sent && t->rest && t->rest(t->rest_arg));
	t->sent = false;
}

static void on_check(uv_check_t *handle)
{
	run_all(handle->data);
}

int turn_init(struct turn *t, uv_loop_t *loop)
{
	*t = (struct turn){ .open_handles = 2 };
	/* these four cannot fail: they only fill in the handle */
	uv_prepare_init(loop, &t->before);
	uv_check_init(loop, &t->after);
	t->before.data = t;
	t->after.data = t;
	uv_prepare_start(&t->before, on_prepare);
	return uv_check_start(&t->after, on_check);
}

void turn_add(struct turn *t, struct turn_item *item)
{
	if (item->queued)
		return;
	item->queued = true;
	item->next = NULL;
	item->prev = t->tail;
	if (t->tail)
		t->tail->next = item;
	else
		t->head = item;
	t->tail = item;
}

void turn_drop(struct turn *t, struct turn_item *item)
{
	if (!item->queued)
		return;
	item->queued = false;
	if (item->prev)
		item->prev->next = item->next;
	else
		t->head = item->next;
	if (item->next)
		item->next->prev = item->prev;
	else
		t->tail = item->prev;
	item->next = item->prev = NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct turn *t = handle->data;

	if (--t->open_handles == 0 && t->closed)
		t->closed(t);
}

void turn_close(struct turn *t, void (*closed)(struct turn *t))
{
	assert(!t->head);
	t->closed = closed;
	uv_close((uv_handle_t *)&t->before, on_closed);
	uv_close((uv_handle_t *)&t->after, on_closed);
}
