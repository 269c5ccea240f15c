// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pace.c - a mean in which the past fades. Called by the agent and the command line.
 */
#include "base/pace.h"

#include <string.h>

void pace_note(struct pace *p, int64_t now_ms, uint64_t done)
{
	double ms = (double)(now_ms - p->at_ms), now, weight;

	if (p->counted && done < p->done)
		memset(p, 0, sizeof(*p));
	if (!p->counted) {
		*p = (struct pace){ .counted = true, .at_ms = now_ms, .done = done };
		return;
	}
	if (ms < PACE_SAMPLE_MS)
		return;
	now = (double)(done - p->done) * 1000 / ms;
	weight = p->known ? ms / (ms + PACE_SETTLE_MS) : 1;
	p->per_s = p->per_s * (1 - weight) + now * weight;
	p->known = true;
	p->at_ms = now_ms;
	p->done = done;
}

int64_t pace_left_s(double per_s, double left)
{
	if (left <= 0)
		return 0;
	if (per_s <= 0 || left / per_s > PACE_LEFT_MAX_S)
		return -1;
	return (int64_t)(left / per_s + 0.999);
}
