// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor_cluster.c - the part of sdsd doctor that judges what the daemon says of the
 * cluster. Called by doctor.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/advice.h"
#include "cli/client.h"
#include "cli/doctor.h"

#define DAY_S 86400

static void look_at_quorum(struct doctor *d)
{
	json *c = jget(d->status, "cluster");
	int voters = (int)jget_i64_or(c, "voters", 0);
	int online = (int)jget_i64_or(c, "voters_online", 0);
	int wanted = (int)jget_i64_or(c, "voters_wanted", voters);

	if (!jget_bool(c, "quorum", false))
		doctor_say(d, DOCTOR_FAIL, "quorum", "start sdsd on the nodes that do not answer",
			   "no leader: changes wait until more than half of the %d voters run",
			   voters);
	else if (online < voters)
		doctor_say(d, DOCTOR_WARN, "quorum", "start sdsd on the nodes that do not answer",
			   "%d of %d voters answer", online, voters);
	else if (voters < wanted)
		doctor_say(d, DOCTOR_WARN, "quorum",
			   "wait a minute; if it stays so, the leader's log says why (membership)",
			   "only %d of %d nodes vote so far", voters, wanted);
	else
		doctor_say(d, DOCTOR_OK, "quorum", "", "leader %s, %d of %d voters answer",
			   jget_str(c, "leader", "-"), online, voters);
}

/* ---- nodes ---- */

static json *node_at(struct doctor *d, size_t i)
{
	json *list = jget(d->status, "nodes");

	return list && i < json_object_array_length(list) ? json_object_array_get_idx(list, i)
							  : NULL;
}

static void look_at_states(struct doctor *d)
{
	int away = 0;
	json *n;

	for (size_t i = 0; (n = node_at(d, i)); i++) {
		if (strcmp(jget_str(n, "state", ""), "online") == 0)
			continue;
		away++;
		doctor_say(d, DOCTOR_WARN, "node",
			   "systemctl status sdsd there; for good: sdsd node lost", "%s is %s",
			   jget_str(n, "name", ""), jget_str(n, "state", ""));
	}
	if (!away)
		doctor_say(d, DOCTOR_OK, "nodes", "", "all answer");
}

static void look_at_versions(struct doctor *d)
{
	const char *version = jget_str(d->local, "version", "");
	int other = 0;
	json *n;

	for (size_t i = 0; (n = node_at(d, i)); i++) {
		const char *has = jget_str(n, "version", "");

		if (!has[0] || strcmp(has, version) == 0)
			continue;
		other++;
		doctor_say(d, DOCTOR_WARN, "version",
			   "bring all nodes to one version, one after the other",
			   "node %s has %s, this one %s", jget_str(n, "name", ""), has, version);
	}
	if (!other)
		doctor_say(d, DOCTOR_OK, "version", "", "all nodes that answer have %s", version);
}

static int compare_ms(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The clock of most nodes, not the leader's, is taken for right: ms that it is ahead of that one.
 * false: nobody has told the time */
static bool median_clock(struct doctor *d, int64_t *ret)
{
	int64_t ahead[DOCTOR_NODES_MAX];
	size_t n = 0;
	json *o;

	for (size_t i = 0; (o = node_at(d, i)) && n < DOCTOR_NODES_MAX; i++) {
		if (jget(o, "clock_ahead_ms"))
			ahead[n++] = jget_i64_or(o, "clock_ahead_ms", 0);
	}
	qsort(ahead, n, sizeof(*ahead), compare_ms);
	if (n > 0)
		*ret = ahead[n / 2];
	return n > 0;
}

static void look_at_clocks(struct doctor *d)
{
	int64_t right, worst = 0;
	int off = 0;
	json *n;

	if (!median_clock(d, &right))
		return;
	for (size_t i = 0; (n = node_at(d, i)); i++) {
		int64_t ms = jget_i64_or(n, "clock_ahead_ms", right) - right;
		int64_t apart = ms < 0 ? -ms : ms;

		worst = apart > worst ? apart : worst;
		if (apart <= DOCTOR_CLOCK_MAX_MS)
			continue;
		off++;
		doctor_say(d, DOCTOR_WARN, "clocks",
			   "there: systemctl enable --now chrony, or systemd-timesyncd; then "
			   "chronyc tracking, or timedatectl",
			   "the clock of %s is %lld s %s those of most nodes: tokens, certificates "
			   "and snapshots by the clock go by it",
			   jget_str(n, "name", ""), (long long)apart / 1000,
			   ms > 0 ? "ahead of" : "behind");
	}
	if (!off)
		doctor_say(d, DOCTOR_OK, "clocks", "",
			   "those of the nodes that answer agree to %lld ms", (long long)worst);
}

/* of the other nodes: the own one is read where it is kept */
static void look_at_certificates(struct doctor *d)
{
	const char *self = jget_str(d->local, "node", "");
	int64_t least = INT64_MAX;
	bool bad = false;
	json *n;

	for (size_t i = 0; (n = node_at(d, i)); i++) {
		const char *name = jget_str(n, "name", "");
		int64_t left_s = jget_i64_or(n, "certificate_ends", 0) - d->now_ms / 1000;

		if (strcmp(name, self) == 0 || !jget(n, "certificate_ends"))
			continue;
		least = left_s < least ? left_s : least;
		if (left_s >= DOCTOR_DAYS_LEFT * DAY_S)
			continue;
		bad = true;
		doctor_say(d, left_s < 0 ? DOCTOR_FAIL : DOCTOR_WARN, "certificate",
			   "is the clock right? Else that node has to be joined anew",
			   left_s < 0 ? "that of node %s has ended, %lld days ago"
				      : "that of node %s ends in %lld days",
			   name, (long long)(left_s < 0 ? -left_s : left_s) / DAY_S);
	}
	if (!bad && least < INT64_MAX)
		doctor_say(d, DOCTOR_OK, "certificates", "",
			   "those of the other nodes that answer are valid for %lld days or more",
			   (long long)least / DAY_S);
}

void doctor_nodes(struct doctor *d)
{
	look_at_states(d);
	look_at_versions(d);
	look_at_clocks(d);
	look_at_certificates(d);
}

/* ---- what is kept ---- */

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
	doctor_nodes(d);
	look_at_pools(d);
	look_at_volumes(d);
	look_at_leftovers(d);
}
