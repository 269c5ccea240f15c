// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor_cluster.c - the part of sdsd doctor that judges what the daemon says of the
 * cluster. Called by doctor.c.
 */
#include <stdio.h>
#include <string.h>

#include "cli/advice.h"
#include "cli/client.h"
#include "cli/doctor.h"

static void look_at_quorum(struct doctor *d)
{
	json *c = jget(d->status, "cluster");
	int voters = (int)jget_i64_or(c, "voters", 0);
	int online = (int)jget_i64_or(c, "voters_online", 0);

	if (!jget_bool(c, "quorum", false))
		doctor_say(d, DOCTOR_FAIL, "quorum", "start sdsd on the nodes that do not answer",
			   "no leader: changes wait until more than half of the %d voters run",
			   voters);
	else if (online < voters)
		doctor_say(d, DOCTOR_WARN, "quorum", "start sdsd on the nodes that do not answer",
			   "%d of %d voters answer", online, voters);
	else
		doctor_say(d, DOCTOR_OK, "quorum", "", "leader %s, %d of %d voters answer",
			   jget_str(c, "leader", "-"), online, voters);
}

static void look_at_nodes(struct doctor *d)
{
	json *list = jget(d->status, "nodes");
	const char *version = jget_str(d->local, "version", "");
	int other = 0, away = 0;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *n = json_object_array_get_idx(list, i);
		const char *name = jget_str(n, "name", ""), *has = jget_str(n, "version", "");

		if (strcmp(jget_str(n, "state", ""), "online") != 0) {
			away++;
			doctor_say(d, DOCTOR_WARN, "node",
				   "systemctl status sdsd there; for good: sdsd node lost",
				   "%s is %s", name, jget_str(n, "state", ""));
		}
		if (has[0] && strcmp(has, version) != 0) {
			other++;
			doctor_say(d, DOCTOR_WARN, "version",
				   "bring all nodes to one version, one after the other",
				   "node %s has %s, this one %s", name, has, version);
		}
	}
	if (!away)
		doctor_say(d, DOCTOR_OK, "nodes", "", "all answer");
	if (!other)
		doctor_say(d, DOCTOR_OK, "version", "", "all nodes that answer have %s", version);
}

/* severity in the two highest bits: 3 error, 2 warning */
static int pool_reports(struct doctor *d, json *pool)
{
	json *list = jget(pool, "reports");
	int n = 0;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);
		unsigned severity = (uint64_t)jget_i64_or(o, "ret_code", 0) >> 62;

		if (severity < 2)
			continue;
		n++;
		doctor_say(d, severity == 3 ? DOCTOR_FAIL : DOCTOR_WARN, "pool",
			   jget_str(o, "correction", ""), "%s on %s: %s",
			   jget_str(pool, "storage_pool_name", ""), jget_str(pool, "node_name", ""),
			   jget_str(o, "message", ""));
	}
	return n;
}

static void look_at_pools(struct doctor *d)
{
	struct err err = { 0 };
	json *list;
	int troubles = 0;

	if (client_look("/v1/view/storage-pools", DOCTOR_LOOK_MS, &list, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "pools", "", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		troubles += pool_reports(d, json_object_array_get_idx(list, i));
	if (!troubles)
		doctor_say(d, DOCTOR_OK, "pools", "", "nothing is reported of %zu pools",
			   json_object_array_length(list));
	json_object_put(list);
}

static void look_at_volume(struct doctor *d, json *r, bool quorum)
{
	const char *verdict = jget_str(r, "verdict", "");
	char command[ADVICE_MAX], why[ADVICE_MAX];
	/* without a leader the verdict only says that nobody knows */
	bool gone = quorum && strcmp(verdict, "unavailable") == 0;

	advice_command(r, quorum, command, why);
	doctor_say(d, gone ? DOCTOR_FAIL : DOCTOR_WARN, "volume", command, "%s is %s: %s",
		   jget_str(r, "name", ""), verdict, jget_str(r, "reason", ""));
}

static void look_at_volumes(struct doctor *d)
{
	json *list = jget(d->status, "resources");
	bool quorum = jget_bool(jget(d->status, "cluster"), "quorum", false);
	size_t n = list ? json_object_array_length(list) : 0;
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		json *r = json_object_array_get_idx(list, i);

		if (strcmp(jget_str(r, "verdict", ""), "safe") != 0 && bad++ < DOCTOR_LISTED_MAX)
			look_at_volume(d, r, quorum);
	}
	if (bad > DOCTOR_LISTED_MAX)
		doctor_say(d, DOCTOR_WARN, "volume", "sdsd status", "and %d more that are not safe",
			   bad - DOCTOR_LISTED_MAX);
	else if (!bad)
		doctor_say(d, DOCTOR_OK, "volumes", "", "all %zu are safe", n);
}

static void look_at_leftovers(struct doctor *d)
{
	int n = (int)jget_i64_or(jget(d->status, "cluster"), "leftovers", 0);

	if (n > 0)
		doctor_say(d, DOCTOR_WARN, "leftovers",
			   "they go when their nodes are back; of a node that stays away: sdsd "
			   "node lost",
			   "%d files of former copies have still to be removed", n);
	else
		doctor_say(d, DOCTOR_OK, "leftovers", "", "no files of former copies are left");
}

void doctor_cluster(struct doctor *d)
{
	if (!d->status)
		return;
	look_at_quorum(d);
	look_at_nodes(d);
	look_at_pools(d);
	look_at_volumes(d);
	look_at_leftovers(d);
}
