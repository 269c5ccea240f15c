// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wait.c - calls that wait until something is true: replicas up, leftovers gone,
 * a revision applied. Looked at on every report and by api.c's fast timer. It
 * does not know what is waited for.
 */
#include <stdlib.h>

#include "api/state.h"

struct wait {
	struct wait *next;
	wait_ready ready;
	wait_finish finish;
	void *arg;
	int64_t since_ms, deadline_ms;
};

void wait_start(struct api *a, int deadline_ms, wait_ready ready, wait_finish finish, void *arg)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->ready = ready;
	w->finish = finish;
	w->arg = arg;
	w->since_ms = api_mono_ms();
	w->deadline_ms = w->since_ms + deadline_ms;
	w->next = a->waits;
	a->waits = w;
	api_hurry(a);
}

/* Takes out the first that is done. A finish may start and end others: begin anew after each. */
static struct wait *take_done(struct api *a, int64_t now, bool *in_time)
{
	for (struct wait **at = &a->waits; *at; at = &(*at)->next) {
		struct wait *w = *at;

		*in_time = w->ready(w->arg, now - w->since_ms);
		if (!*in_time && now < w->deadline_ms)
			continue;
		*at = w->next;
		return w;
	}
	return NULL;
}

void wait_check(struct api *a)
{
	int64_t now = api_mono_ms();
	struct wait *w;
	bool in_time;

	while ((w = take_done(a, now, &in_time)) != NULL) {
		w->finish(w->arg, in_time);
		free(w);
	}
}

void wait_abandon(struct api *a)
{
	while (a->waits) {
		struct wait *w = a->waits;

		a->waits = w->next;
		w->finish(w->arg, false);
		free(w);
	}
}
