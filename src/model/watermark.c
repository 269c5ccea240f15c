// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * watermark.c - see watermark.h. Called by placement.c, api/view_space.c and
 * agent/observe.c.
 */
#include "model/watermark.h"

#include <stdio.h>

#define FULL 100

static const int marks[] = { FULL, WATERMARK_STOP, WATERMARK_HIGH, WATERMARK_LOW };

int watermark_used(int64_t free_kib, int64_t total_kib)
{
	if (free_kib < 0 || total_kib <= 0)
		return -1;
	if (free_kib >= total_kib)
		return 0;
	/* in floating point, as other people's file systems may be of any size */
	return (int)((double)(total_kib - free_kib) * FULL / (double)total_kib);
}

int watermark_of(int percent)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (percent >= marks[i])
			return marks[i];
	}
	return 0;
}

int watermark_next(int mark, int percent)
{
	int now = watermark_of(percent);

	if (percent < 0 || (now < mark && percent + WATERMARK_CALM > mark))
		return mark;
	return now;
}

const char *watermark_text(int percent, char *out, size_t len)
{
	switch (watermark_of(percent)) {
	case FULL:
		snprintf(out, len, "%d %% full: what needs new space fails", percent);
		break;
	case WATERMARK_STOP:
		snprintf(out, len, "%d %% full: no new volumes, and none grows", percent);
		break;
	case WATERMARK_HIGH:
		snprintf(out, len, "%d %% full: no new volumes from %d %% on", percent,
			 WATERMARK_STOP);
		break;
	case WATERMARK_LOW:
		snprintf(out, len, "%d %% full", percent);
		break;
	default:
		snprintf(out, len, "%s", "");
		break;
	}
	return out;
}
