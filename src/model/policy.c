// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy.c - the meaning of properties. Checked by the change functions when
 * they are set, read by the agent for the plane. Pure.
 */
#include "model/policy.h"

#include <string.h>
#include <strings.h>

static const char *const read_names[READ_POLICIES] = {
	[READ_LOCAL] = "local",
	[READ_ROUND_ROBIN] = "round-robin",
	[READ_LEAST_PENDING] = "least-pending",
	[READ_STRIPED] = "striped",
};

/* -1: none of them */
static int read_number(const char *text)
{
	for (int i = 0; i < READ_POLICIES; i++) {
		if (strcmp(read_names[i], text) == 0)
			return i;
	}
	return -1;
}

/* 1 on, 0 off, -1 neither */
static int on_off(const char *text)
{
	return strcmp(text, "on") == 0 ? 1 : strcmp(text, "off") == 0 ? 0 : -1;
}

int policy_check(const char *what, json *props, struct err *err)
{
	const char *text = jget_str(props, POLICY_READ, NULL);

	if (text && read_number(text) < 0)
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
	return 0;
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

static int read_of(json *props)
{
	const char *text = jget_str(props, POLICY_READ, NULL);

	return text ? read_number(text) : -1;
}

struct policy policy_of(json *props, json *group_props)
{
	int read = read_of(props), handover = handover_of(props);

	if (read < 0)
		read = read_of(group_props);
	if (handover < 0)
		handover = handover_of(group_props);
	return (struct policy){ .read = read < 0 ? READ_LOCAL : (enum read_policy)read,
				.handover = handover > 0 };
}
