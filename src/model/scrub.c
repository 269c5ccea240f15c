// SPDX-License-Identifier: GPL-2.0-or-later
/* scrub.c - see scrub.h. Called by policy.c, change_scrub.c and api/scrub.c. */
#include "model/scrub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/name.h"
#include "model/schedule.h"

int64_t scrub_parse_every(const char *text)
{
	int64_t s = schedule_parse_every(text);

	return s > 0 && (s < SCRUB_EVERY_MIN_S || s > SCRUB_EVERY_MAX_S) ? -1 : s;
}

int scrub_parse_rate(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && n >= 1 && n <= SCRUB_RATE_MAX ? (int)n : -1;
}

struct scrub scrub_of(json *doc, const char *resource_uuid)
{
	struct scrub s = { .any = doc != NULL };
	json *nodes = jget(doc, "nodes");
	size_t n = nodes ? json_object_array_length(nodes) : 0, used = 0;

	if (!doc || strcasecmp(jget_str(doc, "uuid", ""), resource_uuid) != 0)
		return (struct scrub){ 0 };
	s.ended_ms = jget_i64_or(doc, "ended_ms", 0);
	s.compared = jget_i64_or(doc, "regions_compared", 0);
	s.unsettled = jget_i64_or(doc, "regions_unsettled", 0);
	s.differing = jget_i64_or(doc, "regions_differing", 0);
	s.failed = jget_str(doc, "error", "")[0] != '\0';
	s.again = jget_bool(doc, "again", false);
	for (size_t i = 0; i < n && used < sizeof(s.nodes); i++)
		used += (size_t)snprintf(
			s.nodes + used, sizeof(s.nodes) - used, "%s%s", i ? ", " : "",
			json_object_get_string(json_object_array_get_idx(nodes, i)));
	return s;
}

int64_t scrub_due_ms(const struct scrub *s, int64_t every_s, int64_t created_ms)
{
	if (s->any && s->again)
		return s->ended_ms + (s->failed ? SCRUB_RETRY_S : SCRUB_AGAIN_S) * 1000;
	if (every_s <= 0)
		return -1;
	if (!s->any)
		return created_ms + every_s * 1000;
	return s->ended_ms + (s->failed ? SCRUB_RETRY_S : every_s) * 1000;
}

void scrub_key(const char *resource, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(resource, low);
	snprintf(out, len, "scrub/%s", low);
}
