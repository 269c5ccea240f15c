// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * observed.c - the nodes' latest reports, in memory of the leader. Called by
 * the API (reports come in, views go out) and by the change functions (is it
 * open, is there room). It knows no clock: the caller says what time it is.
 */
#include "model/observed.h"

#include <stdlib.h>
#include <string.h>

#include "model/name.h"

struct seen {
	char key[NAME_MAX_LEN + 1]; /* lower-case node name */
	json *report;               /* owned copy, without the replicas */
	json *pools;                /* owned: the report's, with lower-case names, for look-ups */
	json *replicas;             /* the same, each as a text: packed() */
	int64_t at_ms;
	bool online; /* at the last observed_version */
};

struct observed {
	struct seen node[NODES_MAX]; /* sorted by key */
	int n;
	int64_t began_ms; /* 0: unknown */
	int64_t version;
};

struct observed *observed_new(void)
{
	return calloc(1, sizeof(struct observed));
}

static void seen_release(struct seen *s)
{
	json_object_put(s->report);
	json_object_put(s->pools);
	json_object_put(s->replicas);
}

void observed_clear(struct observed *o)
{
	for (int i = 0; i < o->n; i++)
		seen_release(&o->node[i]);
	o->n = 0;
	o->version++;
}

void observed_free(struct observed *o)
{
	if (!o)
		return;
	observed_clear(o);
	free(o);
}

/* where key is or belongs */
static int find(const struct observed *o, const char *key, bool *ret_found)
{
	int lo = 0, hi = o->n;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		int c = strcmp(o->node[mid].key, key);

		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = false;
	return lo;
}

static struct seen *seen_of(struct observed *o, const char *node)
{
	char key[NAME_MAX_LEN + 1];
	bool found;
	int i;

	name_key(node, key);
	i = find(o, key, &found);
	return found ? &o->node[i] : NULL;
}

/* Of replicas there are tens of thousands, and what is parsed takes ten times the memory. */
static json *packed(json *value)
{
	json *text = json_object_new_string(json_text(value));

	if (!text)
		abort();
	return text;
}

/* values are shared with map, or packed; anything but an object counts as empty */
static json *lower_keys(json *map, bool pack)
{
	json *low = json_object_new_object();
	char key[NAME_MAX_LEN + 1];

	if (!json_object_is_type(map, json_type_object))
		return low;
	json_object_object_foreach(map, name, value)
	{
		name_key(name, key);
		jset(low, key, pack ? packed(value) : json_object_get(value));
	}
	return low;
}

/* true when the report may be laid over what s has */
static bool builds_on(const struct seen *s, json *report)
{
	return jget_i64_or(report, "base", -1) == jget_i64_or(s->report, "seq", -2) &&
	       jget_i64_or(report, "boot", -1) == jget_i64_or(s->report, "boot", -2);
}

/* the changed replicas over the known ones; takes neither */
static void merge(json *known, json *changed)
{
	char key[NAME_MAX_LEN + 1];

	if (!json_object_is_type(changed, json_type_object))
		return;
	json_object_object_foreach(changed, name, value)
	{
		name_key(name, key);
		if (value)
			jset(known, key, packed(value));
		else
			json_object_object_del(known, key);
	}
}

/* the place of the report's node, made when it is new; NULL when there is no room */
static struct seen *place(struct observed *o, const char *key)
{
	bool found;
	int i = find(o, key, &found);
	struct seen *s = &o->node[i];

	if (found)
		return s;
	if (o->n == NODES_MAX)
		return NULL;
	memmove(s + 1, s, (size_t)(o->n - i) * sizeof(*s));
	o->n++;
	*s = (struct seen){ .report = NULL };
	memcpy(s->key, key, sizeof(s->key));
	return s;
}

/* everything of the report but its replicas */
static json *copy_head(json *report)
{
	json *copy = json_object_new_object();

	json_object_object_foreach(report, name, value)
	{
		if (strcmp(name, "replicas") != 0)
			jset(copy, name, json_copy(value));
	}
	return copy;
}

/* Does the report say anything new? replicas: all of them as they will be */
static bool differs(const struct seen *s, json *report, json *replicas)
{
	json *changed = jget(report, "replicas");

	if (jget(report, "base")) {
		if (json_object_is_type(changed, json_type_object) &&
		    json_object_object_length(changed) > 0)
			return true;
	} else if (!s->replicas || !json_object_equal(s->replicas, replicas)) {
		return true;
	}
	return !json_object_equal(jget(s->report, "pools"), jget(report, "pools")) ||
	       !json_object_equal(jget(s->report, "services"), jget(report, "services"));
}

int observed_report(struct observed *o, json *report, int64_t now_ms, struct err *err)
{
	const char *node = jget_str(report, "node", NULL);
	char key[NAME_MAX_LEN + 1];
	json *copy, *replicas;
	struct seen *s;
	int rv;

	rv = name_check("report: node name", node, NAME_MIN_LEN, err);
	if (rv < 0)
		return rv;
	name_key(node, key);
	s = seen_of(o, node);
	if (jget(report, "base") && (!s || !builds_on(s, report)))
		return err_set(err, -E_CONFLICT,
			       "report of %s: the one that it builds on is not known here", node);
	s = place(o, key);
	if (!s)
		return err_set(err, -E_INVALID, "report of %s: %d nodes reported already", node,
			       NODES_MAX);
	copy = copy_head(report);
	if (jget(report, "base")) {
		replicas = json_object_get(s->replicas);
		merge(replicas, jget(report, "replicas"));
		if (!jget(copy, "disks"))
			jset(copy, "disks", json_object_get(jget(s->report, "disks")));
	} else {
		replicas = lower_keys(jget(report, "replicas"), true);
	}
	if (differs(s, report, replicas))
		o->version++;
	seen_release(s);
	s->report = copy;
	s->pools = lower_keys(jget(copy, "pools"), false);
	s->replicas = replicas;
	s->at_ms = now_ms;
	return 0;
}

static struct seen *fresh(struct observed *o, const char *node, int64_t now_ms)
{
	struct seen *s = seen_of(o, node);

	return s && now_ms - s->at_ms < OBSERVED_STALE_MS ? s : NULL;
}

static json *object_in(json *map, const char *name)
{
	char key[NAME_MAX_LEN + 1];
	json *value;

	name_key(name, key);
	value = jget(map, key);
	return json_object_is_type(value, json_type_object) ? value : NULL;
}

json *observed_node(struct observed *o, const char *node, int64_t now_ms)
{
	struct seen *s = fresh(o, node, now_ms);

	return s ? s->report : NULL;
}

json *observed_pool(struct observed *o, const char *node, const char *pool, int64_t now_ms)
{
	struct seen *s = fresh(o, node, now_ms);

	return s ? object_in(s->pools, pool) : NULL;
}

json *observed_replica(struct observed *o, const char *node, const char *resource, int64_t now_ms)
{
	struct seen *s = fresh(o, node, now_ms);
	char key[NAME_MAX_LEN + 1];
	json *text, *value = NULL;

	name_key(resource, key);
	text = s ? jget(s->replicas, key) : NULL;
	if (!text || json_parse(json_object_get_string(text),
				(size_t)json_object_get_string_len(text), &value, NULL) < 0)
		return NULL;
	if (json_object_is_type(value, json_type_object))
		return value;
	json_object_put(value);
	return NULL;
}

int64_t observed_version(struct observed *o, int64_t now_ms)
{
	for (int i = 0; i < o->n; i++) {
		bool online = now_ms - o->node[i].at_ms < OBSERVED_STALE_MS;

		if (online != o->node[i].online)
			o->version++;
		o->node[i].online = online;
	}
	return o->version;
}

bool observed_online(struct observed *o, const char *node, int64_t now_ms)
{
	return fresh(o, node, now_ms) != NULL;
}

int64_t observed_age_ms(struct observed *o, const char *node, int64_t now_ms)
{
	struct seen *s = seen_of(o, node);

	return !s ? -1 : now_ms > s->at_ms ? now_ms - s->at_ms : 0;
}

void observed_begin(struct observed *o, int64_t now_ms)
{
	o->began_ms = now_ms;
}

bool observed_awaited(struct observed *o, const char *node, int64_t now_ms)
{
	return o->began_ms && now_ms - o->began_ms < OBSERVED_FRESH_MS && !seen_of(o, node);
}

void observed_forget(struct observed *o, const char *node)
{
	struct seen *s = seen_of(o, node);

	if (!s)
		return;
	seen_release(s);
	o->version++;
	o->n--;
	memmove(s, s + 1, (size_t)(&o->node[o->n] - s) * sizeof(*s));
}
