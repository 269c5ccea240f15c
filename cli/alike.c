// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * alike.c - the distance of two words, by dynamic programming over their beginnings, and of what
 * was typed from all commands. Called by main.c and options.c.
 */
#include "cli/alike.h"

#include <stdbool.h>
#include <string.h>

static int least(int a, int b)
{
	return a < b ? a : b;
}

int alike_distance(const char *a, const char *b)
{
	int row[ALIKE_LEN_MAX + 1][ALIKE_LEN_MAX + 1] = { 0 }, na = (int)strlen(a),
						   nb = (int)strlen(b);
	int most = nb / 3 > 1 ? nb / 3 : 1;

	if (na > ALIKE_LEN_MAX || nb > ALIKE_LEN_MAX)
		return ALIKE_NOT;
	for (int i = 0; i <= na; i++) {
		for (int k = 0; k <= nb; k++) {
			int *d = &row[i][k];

			if (i == 0 || k == 0) {
				*d = i + k;
				continue;
			}
			*d = row[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
			*d = least(*d, least(row[i - 1][k], row[i][k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				*d = least(*d, row[i - 2][k - 2] + 1);
		}
	}
	if (row[na][nb] > 1 && na >= 2 && strncmp(a, b, (size_t)na) == 0)
		return 1;
	return row[na][nb] <= most ? row[na][nb] : ALIKE_NOT;
}

/* of what was typed; what makes it unlikely is added to the distance */
#define SWAPPED 1    /* verb and noun have changed places */
#define VERB_ALONE 2 /* the noun is missing */
#define NOUN_ALONE 3 /* the verb is like none of the noun */

struct guess {
	int distance;
	int n;
	struct alike_command *command;
};

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void add(struct guess *g, int distance, const char *noun, const char *verb)
{
	if (distance >= ALIKE_NOT || distance > g->distance)
		return;
	if (distance < g->distance)
		g->n = 0;
	g->distance = distance;
	for (int i = 0; i < g->n; i++) {
		if (same(g->command[i].noun, noun) && same(g->command[i].verb, verb))
			return;
	}
	if (g->n < ALIKE_MAX)
		g->command[g->n++] = (struct alike_command){ noun, verb };
}

int alike_commands(const struct cli_verb *(*verb_at)(int i), const char *noun, const char *verb,
		   struct alike_command ret[ALIKE_MAX])
{
	struct guess g = { .distance = ALIKE_NOT, .command = ret };
	const struct cli_verb *v;

	for (int i = 0; (v = verb_at(i)); i++) {
		int of_noun = alike_distance(noun, v->noun);

		if (!v->verb) {
			add(&g, of_noun, v->noun, NULL);
			continue;
		}
		if (verb) {
			add(&g, of_noun + alike_distance(verb, v->verb), v->noun, v->verb);
			if (same(noun, v->verb) && same(verb, v->noun))
				add(&g, SWAPPED, v->noun, v->verb);
		}
		if (of_noun > 0)
			add(&g, of_noun + (verb ? NOUN_ALONE : 0), v->noun, NULL);
		if (same(noun, v->verb))
			add(&g, VERB_ALONE, v->noun, v->verb);
	}
	return g.n;
}
