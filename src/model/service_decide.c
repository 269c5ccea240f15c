// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service_decide.c - see service_decide.h. Called by change_service.c. Pure.
 *
 * A service changes its node in two steps where the old one answers: nowhere, so that the old one
 * stops it, and when all have said that they have nothing of it, the new node. A node that is gone
 * is not waited for.
 */
#include "model/service_decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAMED_MAX 3 /* nodes whose reasons are said in one sentence */

static void say(struct service_decision *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct service_decision *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
}

static int find(const struct service_candidate *c, int n, const char *node)
{
	for (int i = 0; i < n && node[0]; i++) {
		if (strcasecmp(c[i].node, node) == 0)
			return i;
	}
	return -1;
}

/* It could not start it, and that counts: for a while, and as long as it runs nowhere. */
static bool is_marked(const struct service *s, const char *node, int64_t now_ms)
{
	const struct service_failure *f = service_failure_on(s, node);

	return f && (!s->node[0] || now_ms - f->at_ms < SERVICE_FORGIVE_MS);
}

/* NULL: it can have it now */
static const char *why_not(const struct service *s, const struct service_candidate *c,
			   int64_t now_ms)
{
	if (c->unfit)
		return c->unfit;
	if (!c->online)
		return c->awaited ? "has not been heard of yet" : "does not answer";
	if (is_marked(s, c->node, now_ms))
		return "could not start it";
	return c->barred ? "takes nothing new" : NULL;
}

/* cur: the node that is to be left, no candidate; -1 */
static int choose(const struct service *s, const struct service_candidate *c, int n, int cur,
		  int64_t now_ms)
{
	int best = -1;

	for (int i = 0; i < n; i++) {
		if (i != cur && !why_not(s, &c[i], now_ms) &&
		    (best < 0 || c[i].rank < c[best].rank))
			best = i;
	}
	return best;
}

/* Somebody may have something of it still; false: nobody has, but for target */
static bool is_held(const struct service *s, const struct service_candidate *c, int n, int target,
		    struct service_decision *d)
{
	for (int i = 0; i < n; i++) {
		if (i == target || !c[i].online)
			continue;
		if (c[i].holds) {
			say(d, "%s has not stopped it yet%s%.150s", c[i].node,
			    c[i].error[0] ? ": " : "", c[i].error);
			return true;
		}
		if (c[i].concerned && c[i].generation < s->generation) {
			say(d, "%s has not said yet that it has nothing of it", c[i].node);
			return true;
		}
	}
	return false;
}

static void say_nobody(const struct service *s, const struct service_candidate *c, int n,
		       int64_t now_ms, struct service_decision *d)
{
	size_t at = (size_t)snprintf(d->why, sizeof(d->why), "no node can have it");
	int named = 0;

	for (int i = 0; i < n && named < NAMED_MAX && at < sizeof(d->why); i++) {
		const char *why = why_not(s, &c[i], now_ms);

		if (why && c[i].concerned)
			at += (size_t)snprintf(d->why + at, sizeof(d->why) - at, "%s %s %s",
					       named++ ? "," : ":", c[i].node, why);
	}
}

/* The node where it is could go on. */
static bool can_go_on(const struct service *s, const struct service_candidate *c, int cur)
{
	return cur >= 0 && !c[cur].unfit && (c[cur].online || c[cur].awaited) &&
	       !(c[cur].gave_up && c[cur].generation == s->generation);
}

/* The node where somebody wants it, if that can have it. Being barred does not count: it was
 * named. */
static int wish_of(const struct service *s, const struct service_candidate *c, int n, int cur,
		   int64_t now_ms)
{
	int wish = find(c, n, s->wish);

	if (wish < 0 || wish == cur || c[wish].unfit || !c[wish].online ||
	    is_marked(s, c[wish].node, now_ms))
		return -1;
	return wish;
}

static void leave(const struct service *s, const struct service_candidate *c, int cur,
		  struct service_decision *d)
{
	if (d->gave_up)
		say(d, "%s could not start it: %.200s", c[cur].node, c[cur].error);
	else if (c[cur].unfit)
		say(d, "%s %.200s", c[cur].node, c[cur].unfit);
	else if (c[cur].leaves)
		say(d, "%s is being evacuated", c[cur].node);
	else if (!c[cur].online)
		say(d, "%s does not answer", c[cur].node);
	else
		say(d, "it moves from %s to %s", c[cur].node, s->wish);
}

static void decide(const struct service *s, const struct service_candidate *c, int n, int cur,
		   int wish, int64_t now_ms, struct service_decision *d)
{
	struct service_decision held = { .node = -1 };
	int target = wish >= 0 ? wish : choose(s, c, n, cur, now_ms);
	bool asks = cur >= 0 && c[cur].online; /* it can be asked to stop */

	if (target < 0) {
		say_nobody(s, c, n, now_ms, d);
		d->stuck = !can_go_on(s, c, cur);
		/* one that comes back goes on */
		if (asks && d->stuck)
			d->what = SERVICE_RELEASE;
		return;
	}
	if (asks && (!d->gave_up || c[cur].holds)) {
		d->what = SERVICE_RELEASE;
		leave(s, c, cur, d);
		return;
	}
	if (is_held(s, c, n, target, &held)) {
		memcpy(d->why, held.why, sizeof(d->why));
		return;
	}
	d->what = SERVICE_ASSIGN;
	d->node = target;
	d->drop_wish = s->wish[0];
	if (cur >= 0)
		leave(s, c, cur, d);
}

void service_decide(const struct service *s, const struct service_candidate *c, int n,
		    int64_t now_ms, struct service_decision *ret)
{
	int cur = find(c, n, s->node), wish;

	*ret = (struct service_decision){ .what = SERVICE_KEEP, .node = -1 };
	if (!s->enabled)
		return;
	ret->gave_up = cur >= 0 && c[cur].gave_up && c[cur].generation == s->generation;
	wish = wish_of(s, c, n, cur, now_ms);
	ret->drop_wish = s->wish[0] && wish < 0;
	if (can_go_on(s, c, cur) && wish < 0 && !c[cur].leaves)
		return;
	decide(s, c, n, cur, wish, now_ms, ret);
}

bool service_apply(struct service *s, const struct service_decision *d,
		   const struct service_candidate *c, int64_t now_ms)
{
	if (d->what == SERVICE_KEEP && !d->drop_wish)
		return false;
	if (d->drop_wish)
		s->wish[0] = '\0';
	if (d->what == SERVICE_KEEP)
		return true;
	for (int i = 0; d->gave_up && s->node[0]; i++) {
		if (strcasecmp(c[i].node, s->node) != 0)
			continue;
		service_note_failure(s, s->node, c[i].error, now_ms);
		break;
	}
	snprintf(s->node, sizeof(s->node), "%s", d->what == SERVICE_ASSIGN ? c[d->node].node : "");
	/* what it left its former node for is still of interest once it has got to the next one */
	if (d->why[0] || d->what == SERVICE_RELEASE)
		snprintf(s->why, sizeof(s->why), "%s", d->why);
	s->decided_ms = now_ms;
	s->generation++;
	s->starts += d->what == SERVICE_ASSIGN;
	return true;
}
