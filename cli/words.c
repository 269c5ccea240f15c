// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * words.c - reads the args text of verbs: "<name> <size> [--copies N] [--encrypt]".
 * Called by complete.c.
 */
#include "cli/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_MAX 64

struct token {
	char text[TOKEN_MAX]; /* without brackets and dots: "--copies", "<name>", "add|remove" */
	bool closed;          /* a bracket ended behind it */
};

/* the next one of *at; false: none */
static bool next_token(const char **at, struct token *t)
{
	size_t len, n = 0;

	*at += strspn(*at, " ");
	len = strcspn(*at, " ");
	t->closed = false;
	for (size_t i = 0; i < len; i++) {
		char c = (*at)[i];

		t->closed |= c == ']';
		if (!strchr("[].", c) && n + 1 < TOKEN_MAX)
			t->text[n++] = c;
	}
	t->text[n] = '\0';
	*at += len;
	return len > 0;
}

/* Does the option take a value in these args? found: it is there at all */
static bool takes_value(const char *args, const char *option, bool *found)
{
	size_t len = strcspn(option, "=");
	struct token t;

	*found = false;
	while (next_token(&args, &t)) {
		if (strncmp(t.text, option, len) != 0 || t.text[len])
			continue;
		*found = true;
		return !t.closed && next_token(&args, &t) && t.text[0] != '-';
	}
	return false;
}

static bool global_takes_value(const char *option)
{
	return strcmp(option, "--output") == 0 || strcmp(option, "--socket") == 0;
}

static void add(json *list, const char *word)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), word) == 0)
			return;
	}
	json_object_array_add(list, json_object_new_string(word));
}

/* "add|remove" */
static void add_literals(json *list, const char *text)
{
	char copy[TOKEN_MAX], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = strtok_r(copy, "|", &save); p; p = strtok_r(NULL, "|", &save))
		add(list, p);
}

static bool in(const char *word, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

/* of "<volume>", "POOL" ...; a <name> is one of its noun's, unless it is made by this verb */
static enum words_kind kind_of(const struct cli_verb *v, const char *text)
{
	static const char *const nodes[] = { "<node>", "<from>", "<to>", "NODE", "A,B", NULL };
	static const char *const makes[] = { "create", "adopt", NULL };

	if (in(text, nodes))
		return WORDS_NODE;
	if (strcmp(text, "<volume>") == 0)
		return WORDS_VOLUME;
	if (strcmp(text, "<pool>") == 0 || strcmp(text, "POOL") == 0)
		return WORDS_POOL;
	if (strcmp(text, "<group>") == 0 || strcmp(text, "GROUP") == 0)
		return WORDS_GROUP;
	if (strcmp(text, "<name>") != 0 || (v->verb && in(v->verb, makes)))
		return WORDS_NONE;
	if (strcmp(v->noun, "volume") == 0)
		return WORDS_VOLUME;
	return strcmp(v->noun, "resource-group") == 0 ? WORDS_GROUP : WORDS_NONE;
}

/* what the value of this option is */
static enum words_kind value_kind(const struct cli_verb *v, const char *option)
{
	const char *args = v->args;
	struct token t;

	while (next_token(&args, &t)) {
		if (strcmp(t.text, option) == 0 && next_token(&args, &t))
			return kind_of(v, t.text);
	}
	return WORDS_NONE;
}

/* options of the verb, and its positional word of this number */
static enum words_kind add_args(const struct cli_verb *v, int position, json *list)
{
	enum words_kind kind = WORDS_NONE;
	const char *args = v->args ? v->args : "";
	struct token t;
	bool found;

	while (next_token(&args, &t)) {
		if (t.text[0] == '-') {
			add_literals(list, t.text);
			if (takes_value(v->args, t.text, &found))
				next_token(&args, &t);
		} else if (strcmp(t.text, "|") != 0 && position-- == 0) {
			kind = kind_of(v, t.text);
			/* what is meant literally is in lower case and in no brackets */
			if (t.text[0] >= 'a' && t.text[0] <= 'z')
				add_literals(list, t.text);
		}
	}
	return kind;
}

static const struct cli_verb *find(const struct cli_verb *(*verb_at)(int i), const char *noun,
				   const char *verb)
{
	const struct cli_verb *v;

	for (int i = 0; (v = verb_at(i)); i++) {
		if (strcmp(v->noun, noun) == 0 &&
		    (!v->verb || (verb && strcmp(v->verb, verb) == 0)))
			return v;
	}
	return NULL;
}

static void add_first_words(const struct cli_verb *(*verb_at)(int i), const char *noun, json *list)
{
	const struct cli_verb *v;

	for (int i = 0; (v = verb_at(i)); i++) {
		if (!noun)
			add(list, v->noun);
		else if (strcmp(v->noun, noun) == 0 && v->verb)
			add(list, v->verb);
	}
	if (!noun)
		add(list, "help");
}

void words_next(const struct cli_verb *(*verb_at)(int i), const char *const *given, int n,
		json *list, enum words_kind *ret)
{
	const char *noun = NULL, *verb = NULL, *option = NULL;
	const struct cli_verb *v = NULL;
	int position = 0;
	bool found;

	*ret = WORDS_NONE;
	for (int i = 0; i < n; i++) {
		const char *word = given[i];
		bool wanted = option != NULL; /* it is the value of the option before */

		option = NULL;
		if (wanted)
			continue;
		if (word[0] == '-') {
			if (!strchr(word, '=') &&
			    (global_takes_value(word) ||
			     (v && v->args && takes_value(v->args, word, &found))))
				option = word;
		} else if (!noun) {
			noun = word;
			v = find(verb_at, noun, NULL);
		} else if (!v && !verb) {
			verb = word;
			v = find(verb_at, noun, verb);
		} else {
			position++;
		}
	}
	if (option && strcmp(option, "--output") == 0)
		add_literals(list, "table|json");
	else if (option)
		*ret = v && v->args ? value_kind(v, option) : WORDS_NONE;
	else if (v)
		*ret = add_args(v, position, list);
	else if (!noun || !verb)
		add_first_words(verb_at, noun, list);
	if (v && !option)
		add_literals(list, "--output|--help");
}
