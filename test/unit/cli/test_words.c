// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_words.c - what may follow on a command line (cli/words.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/words.h"
#include "support/leaks.h"

TestSuite(words, .fini = test_no_leaks);

static const struct cli_verb *verb_at(int i)
{
	static const struct cli_verb verbs[] = {
		{ "status", NULL, "", "", NULL, NULL },
		{ "volume", "create", "<name> <size> [--copies N] [--pool POOL] [--encrypt]", "",
		  NULL, NULL },
		{ "volume", "move", "<volume> <from> <to> [--pool POOL]", "", NULL, NULL },
		{ "volume", "replica", "add|remove <volume> [<node>]", "", NULL, NULL },
		{ "volume", "delete", "<name>... | <name> --volume N", "", NULL, NULL },
	};

	return i < (int)(sizeof(verbs) / sizeof(verbs[0])) ? &verbs[i] : NULL;
}

static void expect(const char *line, const char *want, enum words_kind kind)
{
	char copy[256], got[512] = "", *save = NULL;
	const char *given[32];
	json *list = json_object_new_array();
	enum words_kind found;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
		given[n++] = p;
	words_next(verb_at, given, n, list, &found);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		size_t used = strlen(got);

		snprintf(got + used, sizeof(got) - used, "%s%s", used ? " " : "",
			 json_object_get_string(json_object_array_get_idx(list, i)));
	}
	cr_expect_str_eq(got, want, "after \"%s\": got %s", line, got);
	cr_expect_eq(found, kind, "after \"%s\": kind %d", line, found);
	json_object_put(list);
}

Test(words, what_may_follow)
{
	static const struct {
		const char *line, *want;
		enum words_kind kind;
	} rows[] = {
		{ "", "status volume help", WORDS_NONE },
		{ "volume", "create move replica delete", WORDS_NONE },
		{ "nothing", "", WORDS_NONE },
		{ "volume nothing", "", WORDS_NONE },
		{ "status", "--output --help", WORDS_NONE },
		{ "status --output", "table json", WORDS_NONE },
		{ "--output json volume", "create move replica delete", WORDS_NONE },
		{ "volume create", "--copies --pool --encrypt --output --help", WORDS_NONE },
		{ "volume create db", "--copies --pool --encrypt --output --help", WORDS_NONE },
		{ "volume create db 1G --pool", "", WORDS_POOL },
		{ "volume create db 1G --copies", "", WORDS_NONE },
		{ "volume create db 1G --encrypt", "--copies --pool --encrypt --output --help",
		  WORDS_NONE },
		{ "volume move", "--pool --output --help", WORDS_VOLUME },
		{ "volume move db", "--pool --output --help", WORDS_NODE },
		{ "volume move db n1 --pool p", "--pool --output --help", WORDS_NODE },
		{ "volume move db n1 n2", "--pool --output --help", WORDS_NONE },
		{ "volume replica", "add remove --output --help", WORDS_NONE },
		{ "volume replica add", "--output --help", WORDS_VOLUME },
		{ "volume replica add db", "--output --help", WORDS_NODE },
		{ "volume delete", "--volume --output --help", WORDS_VOLUME },
		{ "volume delete a --volume", "", WORDS_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].line, rows[i].want, rows[i].kind);
}
