// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * health.c - see health.h. Called by observe.c with each status of the plane.
 */
#include "agent/health.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull

static void drop_first(struct agent_health *h)
{
	memmove(h->at_ns, h->at_ns + 1, sizeof(h->at_ns) - sizeof(h->at_ns[0]));
	h->n--;
}

bool health_look(struct agent_health *h, uint32_t failures, uint64_t now)
{
	bool more = failures > h->told;

	h->told = failures;
	if (!more || (h->n && now < h->at_ns[h->n - 1] + AGENT_FAILURE_APART_MS * MS))
		return false;
	while (h->n && (h->n == AGENT_FAILURES || now >= h->at_ns[0] + AGENT_FAILURES_MS * MS))
		drop_first(h);
	h->at_ns[h->n++] = now;
	return h->n == AGENT_FAILURES;
}

void health_forget(struct agent_health *h)
{
	h->n = 0;
}

void health_say(const struct agent_health *h, const char *error, char *out, size_t len)
{
	uint64_t s = h->n ? (h->at_ns[h->n - 1] - h->at_ns[0]) / (1000 * MS) : 0;
	bool minutes = s >= 120;

	snprintf(out, len, "its disk failed %d times in %llu %s%s%s", h->n,
		 (unsigned long long)(minutes ? s / 60 : s), minutes ? "min" : "s",
		 error && error[0] ? ": " : "", error ? error : "");
}
