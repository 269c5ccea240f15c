// SPDX-License-Identifier: GPL-2.0-or-later
/* events.c - chance, the queue of what happens later, and what is remembered of the past. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

#define NOTES 60
#define NOTE_LEN 160

static struct ctl_event *heap;
static u32 n_heap, cap_heap;
static u64 births;
static char notes[NOTES][NOTE_LEN];
static u64 n_notes;

u64 ctl_random(void)
{
	u64 z = (ctl.rng += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

u64 ctl_below(u64 n)
{
	return n ? ctl_random() % n : 0;
}

bool ctl_chance(u32 per, u32 of)
{
	return per && ctl_below(of) < per;
}

/* A flat spread is enough: half of the time less than the mean, and never more than twice it */
u64 ctl_around(u64 mean)
{
	return 1 + ctl_below(2 * mean);
}

static bool before(const struct ctl_event *a, const struct ctl_event *b)
{
	return a->at < b->at || (a->at == b->at && a->birth < b->birth);
}

static void swap(u32 a, u32 b)
{
	struct ctl_event e = heap[a];

	heap[a] = heap[b];
	heap[b] = e;
}

void ctl_schedule(u64 delay, const struct ctl_event *e)
{
	u32 i = n_heap;

	if (n_heap == cap_heap) {
		cap_heap = cap_heap ? cap_heap * 2 : 1024;
		heap = realloc(heap, cap_heap * sizeof(*heap));
		if (!heap)
			abort();
	}
	heap[n_heap] = *e;
	heap[n_heap].at = ctl.now + delay;
	heap[n_heap++].birth = births++;
	for (; i && before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

bool ctl_next(u64 until, struct ctl_event *ret)
{
	u32 i = 0;

	if (!n_heap || heap[0].at > until)
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

void ctl_events_clear(void)
{
	for (u32 i = 0; i < n_heap; i++)
		net_event_drop(&heap[i]);
	free(heap);
	heap = NULL;
	n_heap = cap_heap = 0;
	births = 0;
	n_notes = 0;
}

void ctl_mix(u64 value)
{
	ctl.hash = (ctl.hash ^ value) * 0x100000001b3ull;
	ctl.hash ^= ctl.hash >> 29;
}

void ctl_mix_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	u64 h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	ctl_mix(h);
}

/* A line of the past: part of the trace and so of its hash */
void ctl_note(const char *fmt, ...)
{
	char *line = notes[n_notes++ % NOTES];
	va_list ap;
	int n;

	n = snprintf(line, NOTE_LEN, "%8llu.%03llu ", (unsigned long long)(ctl.now / MS),
		     (unsigned long long)(ctl.now % MS));
	va_start(ap, fmt);
	vsnprintf(line + n, NOTE_LEN - (size_t)n, fmt, ap);
	va_end(ap);
	ctl_mix_bytes(line, strlen(line));
	if (ctl.o.trace)
		printf("%s\n", line);
}

void ctl_notes_print(FILE *to)
{
	u64 from = n_notes > NOTES ? n_notes - NOTES : 0;

	for (u64 i = from; i < n_notes; i++)
		fprintf(to, "# %s\n", notes[i % NOTES]);
}
