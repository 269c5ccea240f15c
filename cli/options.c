// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * options.c - the command line's grammar. Called by main.c for global options and
 * by each verb for its own. It prints nothing.
 */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/alike.h"

static const struct option_spec *find(const struct option_spec *specs, int n, const char *word,
				      size_t len)
{
	for (int i = 0; i < n; i++) {
		if (strlen(specs[i].name) == len && strncmp(specs[i].name, word, len) == 0)
			return &specs[i];
	}
	return NULL;
}

static int unknown(const struct option_spec *specs, int n, const char *word, size_t len,
		   struct err *err)
{
	const char *meant = NULL;
	char typed[ALIKE_LEN_MAX + 2];
	int least = ALIKE_NOT;

	snprintf(typed, sizeof(typed), "%.*s", (int)len, word);
	for (int i = 0; i < n; i++) {
		int d = alike_distance(typed, specs[i].name);

		if (d < least)
			meant = specs[i].name;
		least = d < least ? d : least;
	}
	if (meant)
		return err_set(err, -E_INVALID, "unknown option %.80s; is %s meant?", word, meant);
	return err_set(err, -E_INVALID, "unknown option %.80s", word);
}

/* How many further words the option took: 0 or 1 */
static int take_option(const struct option_spec *specs, int n, const char *word, const char *next,
		       struct err *err)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct option_spec *s = find(specs, n, word, len);

	if (!s)
		return unknown(specs, n, word, len, err);
	if (!s->value) {
		if (equals)
			return err_set(err, -E_INVALID, "option %s takes no value", s->name);
		*s->flag = true;
		return 0;
	}
	if (equals) {
		*s->value = equals + 1;
		return 0;
	}
	if (!next)
		return err_set(err, -E_INVALID, "option %s needs a value", s->name);
	*s->value = next;
	return 1;
}

int options_parse(int argc, char **argv, const struct option_spec *specs, int n_specs,
		  const char **words, int max_words, int *ret_n, struct err *err)
{
	bool ended = false;
	int n = 0;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!ended && strcmp(word, "--") == 0) {
			ended = true;
		} else if (!ended && word[0] == '-' && word[1]) {
			int rv = take_option(specs, n_specs, word,
					     i + 1 < argc ? argv[i + 1] : NULL, err);

			if (rv < 0)
				return rv;
			i += rv;
		} else {
			if (n == max_words)
				return err_set(err, -E_INVALID, "too many words: %.80s", word);
			words[n++] = word;
		}
	}
	*ret_n = n;
	return 0;
}

int options_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret,
		   struct err *err)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		return err_set(err, -E_INVALID, "%s must be a number from %lld to %lld, not %.40s",
			       what, (long long)min, (long long)max, text);
	*ret = n;
	return 0;
}

int options_seconds(const char *text, int64_t *ret, struct err *err)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (errno || end == text || n <= 0 || n > INT32_MAX ||
		    strcmp(end, units[i].unit) != 0)
			continue;
		*ret = n * units[i].seconds;
		return 0;
	}
	return err_set(err, -E_INVALID, "%.40s is no time: write 90s, 30m, 1h or 7d", text);
}
