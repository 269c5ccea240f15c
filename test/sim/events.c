/* SPDX-License-Identifier: GPL-2.0-or-later */
/* events.c - a binary heap of what happens later. */
#include <stdlib.h>

#include "sim/world.h"

static struct sim_event *heap;
static u32 n_heap, cap_heap;
static u64 births;

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at < b->at || (a->at == b->at && a->birth < b->birth);
}

static void swap(u32 a, u32 b)
{
	struct sim_event e = heap[a];

	heap[a] = heap[b];
	heap[b] = e;
}

void sim_schedule(struct sim_world *w, u64 delay, const struct sim_event *e)
{
	u32 i = n_heap;

	if (n_heap == cap_heap) {
		cap_heap = cap_heap ? cap_heap * 2 : 1024;
		heap = realloc(heap, cap_heap * sizeof(*heap));
		if (!heap)
			abort();
	}
	heap[n_heap] = *e;
	heap[n_heap].at = w->now + delay;
	heap[n_heap++].birth = births++;
	for (; i && before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

bool sim_next(struct sim_world *w, struct sim_event *ret)
{
	u32 i = 0;

	if (!n_heap || heap[0].at > w->now)
		return false;
	*ret = heap[0];
	heap[0] = heap[--n_heap];
	for (;;) {
		u32 least = i;

		for (u32 c = 2 * i + 1; c <= 2 * i + 2 && c < n_heap; c++)
			if (before(&heap[c], &heap[least]))
				least = c;
		if (least == i)
			return true;
		swap(i, least);
		i = least;
	}
}

void sim_events_each(struct sim_world *w, void (*fn)(struct sim_world *w, struct sim_event *e))
{
	for (u32 i = 0; i < n_heap; i++)
		fn(w, &heap[i]);
}

static int by_time(const void *a, const void *b)
{
	return before(a, b) ? -1 : 1;
}

void sim_events_sort(void)
{
	if (n_heap)
		qsort(heap, n_heap, sizeof(*heap), by_time);
}

u32 sim_events(void)
{
	return n_heap;
}

void sim_events_clear(struct sim_world *w)
{
	for (u32 i = 0; i < n_heap; i++) {
		free(heap[i].page);
		free(heap[i].snapshot);
		if (heap[i].kind == EV_DELIVER && heap[i].msg.buf)
			sim_payload_drop(w, heap[i].msg.buf);
		if (heap[i].kind == EV_DISK_WRITE && heap[i].buf)
			sim_payload_drop(w, heap[i].buf);
	}
	free(heap);
	heap = NULL;
	n_heap = cap_heap = 0;
	births = 0;
}
