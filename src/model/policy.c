// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy.c - the meaning of properties. Checked by the change functions when
 * they are set, read by the agent for the plane. Pure but for policy_load.
 */
#include "model/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/connection.h"
#include "model/filesystem.h"
#include "model/group.h"
#include "model/schedule.h"
#include "model/scrub.h"
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

static int read_of(const char *text)
{
	return number_of(text, read_names, READ_POLICIES);
}

static int copy_of(const char *text)
{
	return number_of(text, copy_names, COPY_WAYS);
}

/* does the text mean something? */

static bool is_read(const char *text)
{
	return read_of(text) >= 0;
}

static bool is_copy(const char *text)
{
	return copy_of(text) >= 0;
}

static bool is_on_off(const char *text)
{
	return on_off(text) >= 0;
}

static bool is_freeze(const char *text)
{
	return freeze_ms_of(text) >= 0;
}

static bool is_after(const char *text)
{
	return upkeep_parse_after(text) != -2;
}

static bool is_scrub_every(const char *text)
{
	return scrub_parse_every(text) >= 0;
}

static bool is_scrub_rate(const char *text)
{
	return scrub_parse_rate(text) >= 0;
}

static bool is_snapshot_every(const char *text)
{
	return schedule_parse_every(text) >= 0;
}

static bool is_snapshot_keep(const char *text)
{
	return schedule_parse_keep(text) >= 0;
}

/* To add a property with a meaning: a row, a field of struct policy, docs/storage.md. */
static const struct meaning {
	const char *key;
	bool (*fits)(const char *text);
	const char *possible;
	int from, to; /* the range behind it; to 0: it says all */
} meanings[] = {
	{ POLICY_READ, is_read, "local, round-robin, least-pending and striped", 0, 0 },
	{ POLICY_HANDOVER, is_on_off, "on and off", 0, 0 },
	{ POLICY_NVME, is_on_off, "on and off", 0, 0 },
	{ POLICY_BALANCE, is_on_off, "on and off", 0, 0 },
	{ POLICY_COPY, is_copy, "always, direct and never", 0, 0 },
	{ POLICY_LUKS_DISCARDS, is_on_off, "on and off", 0, 0 },
	{ POLICY_FREEZE, is_freeze, "milliseconds", FREEZE_MS_MIN, FREEZE_MS_MAX },
	{ POLICY_REBUILD, is_after, "off and times such as 30s, 60m, 2d", 0, 0 },
	{ POLICY_DISKFUL, is_after, "off and times such as 30s, 60m, 2d", 0, 0 },
	{ POLICY_SCRUB_EVERY, is_scrub_every, "off and times such as 1d, 7d, 30d, up to 366d", 0,
	  0 },
	{ POLICY_SCRUB_RATE, is_scrub_rate, "MiB/s", 1, SCRUB_RATE_MAX },
	{ POLICY_SNAPSHOT_EVERY, is_snapshot_every,
	  "off and times such as 60s, 15m, 1h, 7d, up to 366d", 0, 0 },
	{ POLICY_SNAPSHOT_KEEP, is_snapshot_keep, "numbers", 1, SCHEDULE_KEEP_MAX },
};

int policy_check(const char *what, json *props, struct err *err)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		const struct meaning *m = &meanings[i];
		const char *text = jget_str(props, m->key, NULL);
		char range[40] = "";

		if (!text || m->fits(text))
			continue;
		if (m->to > 0)
			snprintf(range, sizeof(range), " from %d to %d", m->from, m->to);
		return err_set(err, -E_BAD_PROP, "%s: property %s is \"%.40s\"; possible are %s%s",
			       what, m->key, text, m->possible, range);
	}
	return filesystem_check(what, props, err);
}

/* the nearest value that means something; -1: there is none */
static int nearest(const struct props_chain *c, const char *key, int (*meaning)(const char *))
{
	enum props_level at = 0;
	const char *text;

	while ((text = props_value(c, key, &at)) != NULL) {
		int n = meaning(text);

		if (n >= 0)
			return n;
	}
	return -1;
}

/* a time in seconds that may be off; 0: that, or not said */
static int64_t every_of(const struct props_chain *c, const char *key,
			int64_t (*parse)(const char *))
{
	enum props_level at = 0;
	const char *text;

	while ((text = props_value(c, key, &at)) != NULL) {
		int64_t every_s = parse(text);

		if (every_s >= 0)
			return every_s;
	}
	return 0;
}

/* the nearest of both words; LINSTOR's is in minutes */
static int64_t after_of(const struct props_chain *c, const char *word, const char *minutes_word,
			int64_t otherwise_ms)
{
	for (int i = 0; i < PROPS_LEVELS; i++) {
		const char *own = jget_str(c->level[i], word, NULL);
		int64_t minutes = jget_i64_or(c->level[i], minutes_word, 0);
		int64_t ms = own ? upkeep_parse_after(own) : -2;

		if (ms != -2)
			return ms;
		if (minutes > 0 && minutes * 60 <= UPKEEP_REBUILD_MAX_S)
			return minutes * 60000;
	}
	return otherwise_ms;
}

/* LINSTOR's booleans: 1 yes, 0 no, -1 neither */
static int yes_no(const char *text)
{
	if (strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0)
		return 1;
	return strcasecmp(text, "false") == 0 || strcasecmp(text, "no") == 0 ? 0 : -1;
}

/* 1 on, 0 off, -1 silent. What is said in sdsd's own words counts first. */
static int handover_at(json *props)
{
	const char *own = jget_str(props, POLICY_HANDOVER, NULL);
	const char *drbd = jget_str(props, POLICY_TWO_PRIMARIES, NULL);

	if (own && on_off(own) >= 0)
		return on_off(own);
	return drbd ? strcasecmp(drbd, "yes") == 0 : -1;
}

/* "yes" between two of its nodes is nearer than what the definition says in the same word */
static bool handover_of(const struct props_chain *c, json *connections)
{
	const char *own = jget_str(c->level[PROPS_RESOURCE_DEFINITION], POLICY_HANDOVER, NULL);
	int on = -1;

	if (own && on_off(own) >= 0)
		return on_off(own) == 1;
	if (connection_any(connections, POLICY_TWO_PRIMARIES, "yes"))
		return true;
	for (int i = 0; i < PROPS_LEVELS && on < 0; i++)
		on = handover_at(c->level[i]);
	return on > 0;
}

static int or_else(int n, int otherwise)
{
	return n < 0 ? otherwise : n;
}

struct policy policy_of(const struct props_chain *c, json *connections)
{
	return (struct policy){
		.read = (enum read_policy)or_else(nearest(c, POLICY_READ, read_of), READ_LOCAL),
		.handover = handover_of(c, connections),
		.copy_writes =
			(enum copy_writes)or_else(nearest(c, POLICY_COPY, copy_of), COPY_ALWAYS),
		.luks_discards = nearest(c, POLICY_LUKS_DISCARDS, on_off) == 1,
		.freeze_ms = or_else(nearest(c, POLICY_FREEZE, freeze_ms_of), FREEZE_MS_DEFAULT),
		.snapshot_every_s = every_of(c, POLICY_SNAPSHOT_EVERY, schedule_parse_every),
		.snapshot_keep = or_else(nearest(c, POLICY_SNAPSHOT_KEEP, schedule_parse_keep),
					 SCHEDULE_KEEP_DEFAULT),
		.scrub_every_s = every_of(c, POLICY_SCRUB_EVERY, scrub_parse_every),
		.scrub_rate = or_else(nearest(c, POLICY_SCRUB_RATE, scrub_parse_rate),
				      SCRUB_RATE_DEFAULT),
		.rebuild_after_ms = after_of(c, POLICY_REBUILD, POLICY_AUTO_EVICT,
					     UPKEEP_REBUILD_DEFAULT_S * 1000),
		.diskful_after_ms = after_of(c, POLICY_DISKFUL, POLICY_AUTO_DISKFUL, -1),
		.nvme_plaintext = nearest(c, POLICY_NVME, on_off) == 1,
		.diskful_stays = nearest(c, POLICY_DISKFUL_CLEANUP, yes_no) == 0,
	};
}

struct policy policy_load_replica(struct store *store, json *resource, json *replica)
{
	struct props_chain c = { { NULL } };
	json *group = NULL, *controller = NULL;
	char key[STORE_KEY_MAX];
	struct policy policy;

	group_key(jget_str(resource, "group", ""), key, sizeof(key));
	store_get(store, key, &group, NULL);
	store_get(store, CONTROLLER_KEY, &controller, NULL);
	c.level[PROPS_RESOURCE] = jget(replica, "props");
	c.level[PROPS_RESOURCE_DEFINITION] = jget(resource, "props");
	c.level[PROPS_RESOURCE_GROUP] = jget(group, "props");
	c.level[PROPS_CONTROLLER] = jget(controller, "props");
	policy = policy_of(&c, jget(resource, "connections"));
	json_object_put(controller);
	json_object_put(group);
	return policy;
}

struct policy policy_load(struct store *store, json *resource)
{
	return policy_load_replica(store, resource, NULL);
}
