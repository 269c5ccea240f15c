// SPDX-License-Identifier: GPL-2.0-or-later
/* test_alike.c - words that are mistyped (cli/alike.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/alike.h"

Test(alike, distances)
{
	static const struct {
		const char *typed, *word;
		int distance;
	} rows[] = {
		{ "volume", "volume", 0 },
		{ "volum", "volume", 1 },
		{ "volumes", "volume", 1 },
		{ "vloume", "volume", 1 },
		{ "folume", "volume", 1 },
		{ "fulome", "volume", ALIKE_NOT },
		{ "vol", "volume", 1 }, /* its beginning */
		{ "v", "volume", ALIKE_NOT },
		{ "", "volume", ALIKE_NOT },
		{ "", "", 0 },
		{ "lst", "list", 1 },
		{ "lits", "list", 1 },
		{ "last", "lost", 1 },
		{ "dran", "drain", 1 },
		{ "dpol", "pool", ALIKE_NOT },
		{ "snapsoht", "snapshot", 1 },
		{ "snpasoht", "snapshot", 2 },
		{ "status", "why", ALIKE_NOT },
		{ "1234567890123456789012345678901", "1234567890123456789012345678902", 1 },
		{ "12345678901234567890123456789012", "12345678901234567890123456789012",
		  ALIKE_NOT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(alike_distance(rows[i].typed, rows[i].word), rows[i].distance,
			     "%s, %s: %d", rows[i].typed, rows[i].word,
			     alike_distance(rows[i].typed, rows[i].word));
}

static const struct cli_verb *verb_at(int i)
{
	static const struct cli_verb verbs[] = {
		{ .noun = "status" },
		{ .noun = "volume", .verb = "create" },
		{ .noun = "volume", .verb = "list" },
		{ .noun = "node", .verb = "list" },
		{ .noun = "node", .verb = "lost" },
		{ .noun = "node", .verb = "drain" },
		{ .noun = "pool", .verb = "create" },
	};

	return i < (int)(sizeof(verbs) / sizeof(verbs[0])) ? &verbs[i] : NULL;
}

Test(alike, commands)
{
	static const struct {
		const char *noun, *verb, *want;
	} rows[] = {
		{ "stauts", NULL, "status" },
		{ "volum", NULL, "volume" },
		{ "volum", "creat", "volume create" },
		{ "volume", "creat", "volume create" },
		{ "volume", "lost", "volume list" }, /* of the noun that was said */
		{ "create", "volume", "volume create" },
		{ "create", "db", "volume create,pool create" },
		{ "drain", "n1", "node drain" },
		{ "node", "lisst", "node list" },
		{ "nodes", "xyz", "node" },
		{ "node", "xyz", "" },
		{ "xyz", "xyz", "" },
		{ "xyz", NULL, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct alike_command c[ALIKE_MAX];
		int n = alike_commands(verb_at, rows[i].noun, rows[i].verb, c);
		char got[256] = "";

		for (int k = 0; k < n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s%s%s",
				 k ? "," : "", c[k].noun, c[k].verb ? " " : "",
				 c[k].verb ? c[k].verb : "");
		cr_expect_str_eq(got, rows[i].want, "row %zu: %s", i, got);
	}
}

static const struct cli_verb *many_at(int i)
{
	static const char *const nouns[] = { "aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh" };
	static struct cli_verb v;

	if (i == (int)(sizeof(nouns) / sizeof(nouns[0])))
		return NULL;
	v = (struct cli_verb){ .noun = nouns[i], .verb = "create" };
	return &v;
}

Test(alike, not_more_than_a_person_reads)
{
	struct alike_command c[ALIKE_MAX];

	cr_expect_eq(alike_commands(many_at, "create", NULL, c), ALIKE_MAX);
	cr_expect_str_eq(c[ALIKE_MAX - 1].noun, "ff");
}
