// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verdict.c - decides what to call a resource's state. Called by status.c. It knows
 * neither documents nor reports, so that a table of rows can test it.
 */
#include "api/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const names[] = {
	[VERDICT_SAFE] = "safe",
	[VERDICT_DEGRADED] = "degraded",
	[VERDICT_AT_RISK] = "at risk",
	[VERDICT_UNAVAILABLE] = "unavailable",
};

const char *verdict_name(enum verdict v)
{
	return names[v];
}

/* appends, "; " between; what does not fit is cut */
static void say(char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(char *text, const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list ap;

	if (used > 0 && used + 2 < VERDICT_TEXT_MAX) {
		memcpy(text + used, "; ", 3);
		used += 2;
	}
	va_start(ap, fmt);
	vsnprintf(text + used, VERDICT_TEXT_MAX - used, fmt, ap);
	va_end(ap);
}

static bool is_good(const struct verdict_copy *c)
{
	return c->in_sync && c->state == COPY_UP;
}

static void explain_unknown(const struct verdict_copy *c, struct verdict_result *r)
{
	if (c->away_ms >= 0)
		say(r->reason, "%s does not answer since %lld s", c->node,
		    (long long)c->away_ms / 1000);
	else
		say(r->reason, "%s has not reported yet", c->node);
	say(r->next, "%s catches up when it is back", c->node);
}

static void explain_up(const struct verdict_copy *c, struct verdict_result *r)
{
	char left[32];

	if (c->progress >= 0) {
		if (c->left_s > 0)
			say(r->reason, "%s is catching up (%.0f %%, %s to go)", c->node,
			    c->progress, text_age(1000 * c->left_s, left, sizeof(left)));
		else
			say(r->reason, "%s is catching up (%.0f %%)", c->node, c->progress);
		say(r->next, "%s joins when it has everything", c->node);
	} else {
		say(r->reason, "%s is out of date", c->node);
		say(r->next, "%s catches up by itself", c->node);
	}
}

static void explain_disk(const struct verdict_copy *c, struct verdict_result *r)
{
	if (c->no_space)
		say(r->reason, "%s: %s", c->node, c->error);
	else if (c->error && c->error[0])
		say(r->reason, "the disk of %s has failed: %s", c->node, c->error);
	else
		say(r->reason, "the disk of %s has failed", c->node);
}

static void explain(const struct verdict_copy *c, struct verdict_result *r)
{
	if (c->leaving) {
		say(r->reason, "the copy on %s is being removed", c->node);
		return;
	}
	switch (c->state) {
	case COPY_UNKNOWN:
		explain_unknown(c, r);
		break;
	case COPY_CREATING:
		if (c->error && c->error[0])
			say(r->reason, "%s is not ready yet: %s", c->node, c->error);
		else
			say(r->reason, "%s is making its copy", c->node);
		say(r->next, "%s goes on by itself", c->node);
		break;
	case COPY_FAILED:
		say(r->reason, "%s failed: %s", c->node,
		    c->error[0] ? c->error : "no reason given");
		say(r->next, "%s tries again by itself", c->node);
		break;
	case COPY_SICK:
		explain_disk(c, r);
		say(r->next,
		    "%s%s tries again by itself, when no application has the volume open there",
		    c->no_space ? "extend that pool; " : "", c->node);
		break;
	case COPY_BROKEN:
		explain_disk(c, r);
		say(r->next,
		    "restart sdsd on %s when its disk is repaired or has room (see its log)",
		    c->node);
		break;
	case COPY_QUARANTINED:
		say(r->reason, "%s is quarantined: %s", c->node, c->error);
		say(r->next, "sdsd volume repair %s %s when its disk is well, or replace it",
		    c->resource, c->node);
		break;
	case COPY_MENDING:
		say(r->reason, "%s is about to fetch again what was wrong", c->node);
		say(r->next, "%s catches up by itself", c->node);
		break;
	case COPY_INACTIVE:
		say(r->reason, "the copy on %s is deactivated", c->node);
		say(r->next, "none: activate it when it is to catch up");
		break;
	case COPY_UP:
		explain_up(c, r);
		break;
	}
}

static enum verdict judge(int good, int wanted)
{
	if (good == 0)
		return VERDICT_UNAVAILABLE;
	if (good < wanted)
		return good == 1 ? VERDICT_AT_RISK : VERDICT_DEGRADED;
	return VERDICT_SAFE;
}

void verdict_of(const struct verdict_input *in, struct verdict_result *ret)
{
	struct verdict_result r = { 0 };
	int wanted = 0;

	for (int i = 0; i < in->n; i++) {
		wanted += !in->copy[i].leaving;
		r.good += is_good(&in->copy[i]);
	}
	for (int i = 0; i < in->n; i++) {
		const struct verdict_copy *c = &in->copy[i];

		if (!is_good(c) || c->leaving)
			explain(c, &r);
		else if (c->error && c->error[0])
			say(r.reason, "%s: %s", c->node, c->error); /* it works all the same */
	}
	if (in->wanted)
		wanted = in->wanted;
	r.verdict = judge(r.good, wanted);
	if (in->n == 0) {
		snprintf(r.reason, sizeof(r.reason), "no copies are placed");
		snprintf(r.next, sizeof(r.next), "none: place copies or delete it");
	} else if (!in->leader) {
		snprintf(r.reason, sizeof(r.reason), "no leader: the state is not known");
		snprintf(r.next, sizeof(r.next), "a leader is elected when enough nodes run");
	} else if (r.verdict == VERDICT_SAFE && wanted == 1 && !r.reason[0]) {
		snprintf(r.reason, sizeof(r.reason), "one copy, as asked for: no redundancy");
	}
	*ret = r;
}

void verdict_add_difference(const struct verdict_difference *d, struct verdict_result *r)
{
	say(r->reason, "copies differ in %lld %s (%s)", (long long)d->regions,
	    d->regions == 1 ? "region" : "regions", d->nodes);
	if (d->mended)
		say(r->next, "they are compared again when all are in sync");
	else
		say(r->next, "sdsd volume verify %s --repair", d->resource);
}

void verdict_add_nvme(struct verdict_result *r)
{
	say(r->reason, "reached by NVMe: no failover, not encrypted on the network");
}
