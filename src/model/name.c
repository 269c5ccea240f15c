// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * name.c - the rules for names and their form in store keys. Called by all
 * other files of this folder for whatever a user or a peer calls an object.
 */
#include "model/name.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

static bool is_first(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_later(char c)
{
	return is_first(c) || (c >= '0' && c <= '9') || c == '-';
}

int name_check(const char *what, const char *name, int min_len, struct err *err)
{
	size_t len = name ? strlen(name) : 0;

	if (len == 0)
		return err_set(err, -E_INVALID, "%s: missing", what);
	if (len < (size_t)min_len || len > NAME_MAX_LEN)
		return err_set(err, -E_INVALID, "%s \"%.60s\": %d to %d characters are possible",
			       what, name, min_len, NAME_MAX_LEN);
	for (size_t i = 0; i < len; i++) {
		if (i == 0 ? !is_first(name[i]) : !is_later(name[i]))
			return err_set(err, -E_INVALID,
				       "%s \"%.60s\": use letters, digits, _ and -, beginning "
				       "with a letter or _",
				       what, name);
	}
	return 0;
}

void name_key(const char *name, char out[NAME_MAX_LEN + 1])
{
	const char *p = name;

	while (p && is_later(*p))
		p++;
	if (!p || *p || p == name || text_lower(name, out, NAME_MAX_LEN + 1) < 0)
		memcpy(out, NAME_KEY_NONE, sizeof(NAME_KEY_NONE));
}
