// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * backlog.c - see backlog.h. Filled by survey.c, emptied by it and by upkeep.c. What has changed
 * is taken in batches: to take keys out of a set one by one would make it slow with time.
 */
#include "api/backlog.h"

#include <stdlib.h>

void backlog_add(struct backlog *b, const char *name)
{
	if (!b->changed)
		b->changed = json_object_new_object();
	if (!b->changed)
		abort();
	jset_bool(b->changed, name, true);
}

void backlog_add_all(struct backlog *b, json *names)
{
	json_object_put(b->all);
	b->all = names;
	b->all_at = 0;
}

static json *keys_of(json *set)
{
	json *list = json_object_new_array();

	if (!list)
		abort();
	json_object_object_foreach(set, name, value)
	{
		(void)value;
		if (json_object_array_add(list, json_object_new_string(name)) < 0)
			abort();
	}
	return list;
}

/* the next of a list, or NULL when it was taken whole: it goes then */
static const char *take(json **list, size_t *at)
{
	if (*list && *at < json_object_array_length(*list))
		return json_object_get_string(json_object_array_get_idx(*list, (*at)++));
	json_object_put(*list);
	*list = NULL;
	*at = 0;
	return NULL;
}

const char *backlog_next(struct backlog *b)
{
	const char *name = take(&b->batch, &b->at);

	if (name)
		return name;
	if (b->changed) {
		b->batch = keys_of(b->changed);
		json_object_put(b->changed);
		b->changed = NULL;
		return take(&b->batch, &b->at);
	}
	return take(&b->all, &b->all_at);
}

bool backlog_has_rest(const struct backlog *b)
{
	return b->all && b->all_at < json_object_array_length(b->all);
}

bool backlog_is_empty(const struct backlog *b)
{
	return !b->changed && (!b->batch || b->at == json_object_array_length(b->batch)) &&
	       !backlog_has_rest(b);
}

void backlog_clear(struct backlog *b)
{
	json_object_put(b->changed);
	json_object_put(b->batch);
	json_object_put(b->all);
	*b = (struct backlog){ .changed = NULL };
}
