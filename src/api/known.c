// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * known.c - see known.h. Used by those that survey.c tells of changes: reap.c, scrub.c, upkeep.c.
 * Begun anew when it is empty: a table that was never empty becomes slow by what was taken out.
 */
#include "api/known.h"

#include "api/view.h"

void known_set(json **known, const char *name, json *value)
{
	if (!*known)
		*known = view_object();
	jset(*known, name, value);
}

void known_drop(json **known, const char *name)
{
	if (!*known)
		return;
	json_object_object_del(*known, name);
	if (json_object_object_length(*known) > 0)
		return;
	json_object_put(*known);
	*known = NULL;
}

void known_mark(json **known, const char *name, bool yes)
{
	if (yes)
		known_set(known, name, json_object_new_boolean(true));
	else
		known_drop(known, name);
}

int known_count(json *known)
{
	return known ? json_object_object_length(known) : 0;
}
