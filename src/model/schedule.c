// SPDX-License-Identifier: GPL-2.0-or-later
/* schedule.c - see schedule.h. Called by api/schedules.c once in a while, and by policy.c. */
#include "model/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t schedule_parse_every(const char *text)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	char *end;
	long n;

	if (strcmp(text, "off") == 0)
		return 0;
	n = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || n <= 0 || n > SCHEDULE_EVERY_MAX_S || !*end || end[1])
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		int64_t s = n * units[i].s;

		if (units[i].unit == *end)
			return s >= SCHEDULE_EVERY_MIN_S && s <= SCHEDULE_EVERY_MAX_S ? s : -1;
	}
	return -1;
}

int schedule_parse_keep(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && n >= 1 && n <= SCHEDULE_KEEP_MAX ? (int)n
											 : -1;
}

bool schedule_is_due(const int64_t *made_ms, int n, int64_t every_s, int64_t now_ms)
{
	int64_t newest_ms = INT64_MIN;

	for (int i = 0; i < n; i++)
		newest_ms = made_ms[i] > newest_ms ? made_ms[i] : newest_ms;
	return n == 0 || (newest_ms <= now_ms && now_ms - newest_ms >= every_s * 1000);
}

int schedule_excess(const int64_t *made_ms, int n, int keep)
{
	int oldest = 0;

	if (n <= keep)
		return -1;
	for (int i = 1; i < n; i++)
		oldest = made_ms[i] < made_ms[oldest] ? i : oldest;
	return oldest;
}

void schedule_name(int64_t now_ms, char out[SCHEDULE_NAME_MAX])
{
	time_t s = (time_t)(now_ms / 1000);
	struct tm utc;

	gmtime_r(&s, &utc);
	if (strftime(out, SCHEDULE_NAME_MAX, "auto-%Y%m%d-%H%M%S", &utc) == 0)
		out[0] = '\0';
}
