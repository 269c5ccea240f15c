// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * advice.c - from what is the matter with a volume to what can be done. Called by
 * why.c and doctor.c. It asks nobody: a table of documents can test it.
 */
#include "cli/advice.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/show.h"

/* what is wrong with a copy, the worst last: that one is seen to first */
enum trouble {
	TROUBLE_NONE,
	TROUBLE_BEHIND,   /* out of sync, and nothing is known of a catching up */
	TROUBLE_LEARNING, /* catches up */
	TROUBLE_MAKING,   /* is being made */
	TROUBLE_INACTIVE, /* somebody has switched it off */
	TROUBLE_AWAY,     /* its node does not answer */
	TROUBLE_FAILED,   /* cannot be made or attached */
	TROUBLE_SICK,     /* its disk refuses */
	TROUBLE_BROKEN,   /* the same, and it is not tried again */
	TROUBLE_QUARANTINED
};

static enum trouble trouble_of(json *r)
{
	const char *state = jget_str(r, "state", ""), *mode = jget_str(r, "mode", "");

	if (jget_bool(r, "quarantined", false))
		return TROUBLE_QUARANTINED;
	if (jget_bool(r, "inactive", false))
		return TROUBLE_INACTIVE;
	if (strcmp(state, "unknown") == 0)
		return TROUBLE_AWAY;
	if (strcmp(state, "failed") == 0)
		return TROUBLE_FAILED;
	if (strcmp(mode, "broken") == 0)
		return TROUBLE_BROKEN;
	if (strcmp(mode, "failed") == 0)
		return TROUBLE_SICK;
	if (strcmp(state, "up") != 0)
		return TROUBLE_MAKING;
	if (jget_bool(r, "diskless", false) || jget_bool(r, "in_sync", false))
		return TROUBLE_NONE;
	return jget(r, "progress") ? TROUBLE_LEARNING : TROUBLE_BEHIND;
}

/* "what: error", or what alone */
static void with_error(char *out, size_t len, const char *what, json *r)
{
	const char *error = jget_str(r, "error", "");

	snprintf(out, len, "%s%s%s", what, error[0] ? ": " : "", error);
}

const char *advice_replica(json *r, int64_t age_ms, char *out, size_t len)
{
	char age[128];

	switch (trouble_of(r)) {
	case TROUBLE_QUARANTINED:
		with_error(out, len, "in quarantine, its disk has failed time and again", r);
		break;
	case TROUBLE_INACTIVE:
		snprintf(out, len, "deactivated");
		break;
	case TROUBLE_AWAY:
		if (age_ms >= 0)
			snprintf(out, len, "its node has not answered for %s",
				 text_age(age_ms, age, sizeof(age)));
		else
			snprintf(out, len, "nothing has been heard of it yet");
		break;
	case TROUBLE_FAILED:
		with_error(out, len, "failed, it is tried again", r);
		break;
	case TROUBLE_BROKEN:
	case TROUBLE_SICK:
		with_error(out, len, "its disk has failed", r);
		break;
	case TROUBLE_MAKING:
		with_error(out, len, "is being made", r);
		break;
	case TROUBLE_LEARNING:
		snprintf(out, len, "catches up: %s", show_progress(r, age, sizeof(age)));
		break;
	case TROUBLE_BEHIND:
		with_error(out, len, "out of date, it waits for its turn", r);
		break;
	case TROUBLE_NONE:
		if (jget_bool(r, "deleting", false))
			snprintf(out, len, "fine, is being removed");
		else
			with_error(out, len, "fine", r);
		break;
	}
	return out;
}

static json *worst_of(json *resource, enum trouble *ret)
{
	json *list = jget(resource, "replicas"), *worst = NULL;

	*ret = TROUBLE_NONE;
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *r = json_object_array_get_idx(list, i);
		enum trouble t = trouble_of(r);

		if (t <= *ret || jget_bool(r, "deleting", false))
			continue;
		*ret = t;
		worst = r;
	}
	return worst;
}

static void put(char out[ADVICE_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(char out[ADVICE_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, ADVICE_MAX, fmt, ap);
	va_end(ap);
}

const char *advice_command(json *resource, bool quorum, char command[ADVICE_MAX],
			   char why[ADVICE_MAX])
{
	const char *name = jget_str(resource, "name", "");
	enum trouble t;
	const char *node = jget_str(worst_of(resource, &t), "node", "");

	command[0] = why[0] = '\0';
	if (!quorum) {
		put(command, "systemctl start sdsd");
		put(why, "on the nodes that do not answer: more than half of the voters must run");
		return command;
	}
	switch (t) {
	case TROUBLE_QUARANTINED:
		put(command, "sdsd volume replace %s %s", name, node);
		put(why, "or, when the disk is well again: sdsd volume repair %s %s", name, node);
		break;
	case TROUBLE_BROKEN:
		put(command, "systemctl restart sdsd");
		put(why, "on %s, when its disk is mended; or sdsd volume replace %s %s", node, name,
		    node);
		break;
	case TROUBLE_SICK:
	case TROUBLE_FAILED:
		put(command, "sdsd pool list");
		put(why,
		    "has the pool on %s room, is its disk well? If not: sdsd volume replace "
		    "%s %s",
		    node, name, node);
		break;
	case TROUBLE_AWAY:
		put(command, "systemctl status sdsd");
		put(why, "on %s; if it will never be back: sdsd node lost %s", node, node);
		break;
	case TROUBLE_INACTIVE:
		put(command, "sdsd volume activate %s %s", name, node);
		put(why, "when the copy is to catch up");
		break;
	case TROUBLE_MAKING:
	case TROUBLE_LEARNING:
	case TROUBLE_BEHIND:
		put(command, "sdsd volume show %s --watch", name);
		put(why, "nothing has to be done but wait");
		break;
	case TROUBLE_NONE:
		if (strcmp(jget_str(resource, "verdict", "safe"), "safe") == 0)
			break;
		put(command, "sdsd volume replica add %s", name);
		put(why, "all copies are fine, but there are fewer than wanted");
		break;
	}
	return command;
}
