/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * search.c - breadth first search through all states. States seen are kept as
 * 64 bit hashes (two states with one hash would hide one of them: at 10^7
 * states the chance is 10^-5), only the two outermost layers as they are, packed
 * without their zeros. The way to a wrong state is found again by walking from the first
 * state along the hashes of its forerunners.
 */
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS ((sizeof(struct state) + 7) / 8)
_Static_assert(WORDS <= 64, "one bit for each word");

struct layer {
	u64 *data;
	size_t n, room;
};

static struct {
	u64 *hash; /* in the order found */
	u32 *from; /* its forerunner */
	u32 *slot; /* table of indexes + 1 into hash[] */
	u64 mask;
	u32 n, n_max;
	u32 now; /* being expanded */
	u64 moves, no_room;
	u64 seen[ACTIONS], answered[CAS_KINDS];
	struct layer next;
	const char *wrong;
	u32 wrong_at;
} b;

static u64 mix(u64 a, u64 c)
{
	unsigned __int128 m =
		(unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (c ^ 0xd6e8feb86659fd93u);

	return (u64)m ^ (u64)(m >> 64);
}

static u64 hash_of(const struct state *s)
{
	u64 word[WORDS] = { 0 }, h = 1;

	memcpy(word, s, sizeof(*s));
	for (size_t i = 0; i < WORDS; i++)
		if (word[i])
			h = mix(h ^ word[i], i + 0x51ed270b);
	return mix(h, 0x2545f4914f6cdd1d);
}

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "model: out of memory\n");
		exit(2);
	}
	return p;
}

static void layer_put(struct layer *l, const struct state *s)
{
	u64 word[WORDS] = { 0 }, *bits;

	memcpy(word, s, sizeof(*s));
	if (l->room - l->n < WORDS + 1) {
		l->room = l->room * 2 + 4096;
		l->data = must(realloc(l->data, l->room * sizeof(u64)));
	}
	bits = &l->data[l->n++];
	*bits = 0;
	for (size_t i = 0; i < WORDS; i++)
		if (word[i]) {
			*bits |= 1ull << i;
			l->data[l->n++] = word[i];
		}
}

static size_t layer_get(const struct layer *l, size_t at, struct state *ret)
{
	u64 word[WORDS] = { 0 }, bits = l->data[at++];

	for (; bits; bits &= bits - 1)
		word[__builtin_ctzll(bits)] = l->data[at++];
	memcpy(ret, word, sizeof(*ret));
	return at;
}

/* one form for what is the same */
static void normal(struct state *s)
{
	if (s->orphan.epoch && s->orphan.epoch != s->epoch)
		memset(&s->orphan, 0, sizeof(s->orphan));
}

static void add(const struct state *next, struct label l)
{
	struct state s = *next;
	u64 h, i;

	if (s.n_writes == 0xff) {
		b.no_room++;
		return;
	}
	b.seen[l.action]++;
	if (l.action == ACT_ANSWER && l.b == CAS_WON)
		b.answered[l.c]++;
	normal(&s);
	b.moves++;
	h = hash_of(&s);
	for (i = h & b.mask; b.slot[i]; i = (i + 1) & b.mask)
		if (b.hash[b.slot[i] - 1] == h)
			return;
	if (b.n == b.n_max || b.wrong)
		return;
	b.hash[b.n] = h;
	b.from[b.n] = b.now;
	b.slot[i] = ++b.n;
	b.wrong = check(&s);
	b.wrong_at = b.n - 1;
	layer_put(&b.next, &s);
}

/* --- the way to a wrong state -------------------------------------------------- */

static struct {
	u64 want;
	struct state found;
	struct label label;
	bool done;
} way;

static void look(const struct state *next, struct label l)
{
	struct state s = *next;

	if (s.n_writes == 0xff || way.done)
		return;
	normal(&s);
	if (hash_of(&s) != way.want)
		return;
	way.found = s;
	way.label = l;
	way.done = true;
}

static void trace(u32 depth)
{
	u32 *path = must(malloc((depth + 1) * sizeof(u32)));
	struct state s;
	u32 at = b.wrong_at;

	for (u32 i = depth; i > 0; i--, at = b.from[at])
		path[i] = at;
	model_first(&s);
	for (u32 i = 1; i <= depth; i++) {
		struct state before = s;

		way.want = b.hash[path[i]];
		way.done = false;
		model_expand(&s, look);
		s = way.found;
		trace_print(&before, &s, way.label, i);
	}
	free(path);
}

void search(u64 states_max, bool with_trace, struct search_result *ret)
{
	struct layer now = { 0 };
	struct state s;
	u64 room = 1024;

	memset(&b, 0, sizeof(b));
	while (room < states_max * 2)
		room *= 2;
	b.mask = room - 1;
	b.n_max = (u32)states_max;
	b.slot = must(calloc(room, sizeof(u32)));
	b.hash = must(malloc(states_max * sizeof(u64)));
	b.from = must(malloc(states_max * sizeof(u32)));
	memset(ret, 0, sizeof(*ret));
	model_first(&s);
	add(&s, (struct label){ ACT_BEGIN, 0, 0, 0, 0 });
	b.moves = 0;
	while (b.next.n && !b.wrong && b.n < b.n_max) {
		struct layer swap = now;

		now = b.next;
		b.next = swap;
		b.next.n = 0;
		for (size_t at = 0; at < now.n && !b.wrong; b.now++) {
			at = layer_get(&now, at, &s);
			model_expand(&s, add);
		}
		if (b.next.n)
			ret->depth++;
	}
	ret->states = b.n;
	ret->moves = b.moves;
	ret->wrong = b.wrong;
	memcpy(ret->seen, b.seen, sizeof(b.seen));
	memcpy(ret->answered, b.answered, sizeof(b.answered));
	ret->complete = !b.wrong && b.n < b.n_max && !b.no_room;
	if (b.wrong && with_trace)
		trace(ret->depth);
	free(now.data);
	free(b.next.data);
	free(b.slot);
	free(b.hash);
	free(b.from);
}
