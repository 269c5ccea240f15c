// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy.c - the meaning of properties. Checked by the change functions when
 * they are set, read by the agent for the plane. Pure.
 */
#include "model/policy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/schedule.h"
#include "model/upkeep.h"

static const char *const read_names[READ_POLICIES] = {
	[READ_LOCAL] = "local",
	[READ_ROUND_ROBIN] = "round-robin",
	[READ_LEAST_PENDING] = "least-pending",
	[READ_STRIPED] = "striped",
};

static const char *const copy_names[COPY_WAYS] = {
	[COPY_ALWAYS] = "always",
	[COPY_DIRECT] = "direct",
	[COPY_NEVER] = "never",
};

/* -1: none of them */
static int number_of(const char *text, const char *const *names, int n)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], text) == 0)
			return i;
	}
	return -1;
}

/* 1 on, 0 off, -1 neither */
static int on_off(const char *text)
{
	return strcmp(text, "on") == 0 ? 1 : strcmp(text, "off") == 0 ? 0 : -1;
}

/* -1: no number that is possible */
static int freeze_ms_of(const char *text)
{
	char *end;
	long ms = strtol(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && ms >= FREEZE_MS_MIN && ms <= FREEZE_MS_MAX
		       ? (int)ms
		       : -1;
}

static int check_schedule(const char *what, json *props, struct err *err)
{
	const char *text = jget_str(props, POLICY_SNAPSHOT_EVERY, NULL);

	if (text && schedule_parse_every(text) < 0)
		return err_set(err, -E_INVALID,
			       "%s: property " POLICY_SNAPSHOT_EVERY
			       " is \"%.40s\"; possible are off and times such as 60s, 15m, 1h, "
			       "7d, up to 366d",
			       what, text);
	text = jget_str(props, POLICY_SNAPSHOT_KEEP, NULL);
	if (text && schedule_parse_keep(text) < 0)
		return err_set(err, -E_INVALID,
			       "%s: property " POLICY_SNAPSHOT_KEEP
			       " is \"%.40s\"; possible are numbers from 1 to %d",
			       what, text, SCHEDULE_KEEP_MAX);
	return 0;
}

int policy_check(const char *what, json *props, struct err *err)
{
	const char *text = jget_str(props, POLICY_READ, NULL);

	if (text && number_of(text, read_names, READ_POLICIES) < 0)
		return err_set(err, -E_INVALID,
			       "%s: property " POLICY_READ " is \"%.40s\"; possible are local, "
			       "round-robin, least-pending and striped",
			       what, text);
	text = jget_str(props, POLICY_HANDOVER, NULL);
	if (text && on_off(text) < 0)
		return err_set(err, -E_INVALID,
			       "%s: property " POLICY_HANDOVER
			       " is \"%.40s\"; possible are on and off",
			       what, text);
	text = jget_str(props, POLICY_COPY, NULL);
	if (text && number_of(text, copy_names, COPY_WAYS) < 0)
		return err_set(err, -E_INVALID,
			       "%s: property " POLICY_COPY
			       " is \"%.40s\"; possible are always, direct and never",
			       what, text);
	text = jget_str(props, POLICY_FREEZE, NULL);
	if (text && freeze_ms_of(text) < 0)
		return err_set(err, -E_INVALID,
			       "%s: property " POLICY_FREEZE
			       " is \"%.40s\"; possible are milliseconds from %d to %d",
			       what, text, FREEZE_MS_MIN, FREEZE_MS_MAX);
	text = jget_str(props, UPKEEP_REBUILD_AFTER, NULL);
	if (text && upkeep_parse_after(text) == -2)
		return err_set(err, -E_INVALID,
			       "%s: property " UPKEEP_REBUILD_AFTER
			       " is \"%.40s\"; possible are off and times such as 30s, 60m, 2d",
			       what, text);
	return check_schedule(what, props, err);
}

/* 1 on, 0 off, -1 silent. What is said in sdsd's own words counts first. */
static int handover_of(json *props)
{
	const char *own = jget_str(props, POLICY_HANDOVER, NULL);
	const char *drbd = jget_str(props, POLICY_TWO_PRIMARIES, NULL);

	if (own && on_off(own) >= 0)
		return on_off(own);
	return drbd ? strcasecmp(drbd, "yes") == 0 : -1;
}

static int word_of(json *props, const char *key, const char *const *names, int n)
{
	const char *text = jget_str(props, key, NULL);

	return text ? number_of(text, names, n) : -1;
}

/* of the resource, else of its group, else the first of the words */
static int first_of(json *props, json *group_props, const char *key, const char *const *names,
		    int n)
{
	int word = word_of(props, key, names, n);

	if (word < 0)
		word = word_of(group_props, key, names, n);
	return word < 0 ? 0 : word;
}

/* of the resource, else of its group, else "" */
static const char *text_of(json *props, json *group_props, const char *key)
{
	return jget_str(props, key, jget_str(group_props, key, ""));
}

struct policy policy_of(json *props, json *group_props)
{
	int handover = handover_of(props);
	int freeze_ms = freeze_ms_of(text_of(props, group_props, POLICY_FREEZE));
	int64_t every_s = schedule_parse_every(text_of(props, group_props, POLICY_SNAPSHOT_EVERY));
	int keep = schedule_parse_keep(text_of(props, group_props, POLICY_SNAPSHOT_KEEP));

	if (handover < 0)
		handover = handover_of(group_props);
	return (struct policy){
		.read = (enum read_policy)first_of(props, group_props, POLICY_READ, read_names,
						   READ_POLICIES),
		.handover = handover > 0,
		.copy_writes = (enum copy_writes)first_of(props, group_props, POLICY_COPY,
							  copy_names, COPY_WAYS),
		.freeze_ms = freeze_ms < 0 ? FREEZE_MS_DEFAULT : freeze_ms,
		.snapshot_every_s = every_s < 0 ? 0 : every_s,
		.snapshot_keep = keep < 0 ? SCHEDULE_KEEP_DEFAULT : keep,
	};
}
