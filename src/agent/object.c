// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * object.c - the agent's objects by resource name, and its pools by name. Used
 * by the other files of agent/; it decides nothing.
 */
#include "agent/object.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/name.h"

struct agent_object **agent_bucket(struct agent *a, const char *key)
{
	uint32_t hash = 2166136261u;

	for (const char *p = key; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return &a->bucket[hash % AGENT_BUCKETS];
}

struct agent_object *agent_object_find(struct agent *a, enum agent_kind kind, const char *key,
				       const char *uuid, const char *volume)
{
	for (struct agent_object *o = *agent_bucket(a, key); o; o = o->next) {
		if (o->kind == kind && strcmp(o->key, key) == 0 && strcmp(o->uuid, uuid) == 0 &&
		    (!volume || strcmp(o->volume[0]->uuid, volume) == 0))
			return o;
	}
	return NULL;
}

struct agent_object *agent_object_new(struct agent *a, enum agent_kind kind, const char *key,
				      const char *name, const char *uuid)
{
	struct agent_object *o = calloc(1, sizeof(*o));
	struct agent_object **bucket = agent_bucket(a, key);

	if (!o)
		abort();
	o->agent = a;
	o->kind = kind;
	memcpy(o->key, key, strnlen(key, sizeof(o->key) - 1));
	memcpy(o->name, name, strnlen(name, sizeof(o->name) - 1));
	memcpy(o->uuid, uuid, strnlen(uuid, sizeof(o->uuid) - 1));
	text_uuid_parse(uuid, o->owner); /* checked by the caller */
	o->report_due = true;
	o->next = *bucket;
	*bucket = o;
	return o;
}

void agent_object_drop(struct agent_object *o)
{
	struct agent_object **p = agent_bucket(o->agent, o->key);

	while (*p != o)
		p = &(*p)->next;
	*p = o->next;
	for (int i = 0; i < o->n_volumes; i++)
		o->volume[i]->wanted = o->volume[i]->plane = false;
	o->step_volume = o->measuring = NULL;
	volumes_tidy(o);
	free(o->volume);
	free(o->error);
	free(o->plane_error);
	free(o);
}

void agent_each(struct agent *a, void (*each)(struct agent_object *o))
{
	for (size_t i = 0; i < AGENT_BUCKETS; i++) {
		struct agent_object *o = a->bucket[i], *next;

		for (; o; o = next) {
			next = o->next;
			each(o);
		}
	}
}

struct agent_pool *agent_pool_find(struct agent *a, const char *name)
{
	for (struct agent_pool *p = a->pools; p; p = p->next) {
		if (strcasecmp(p->pool.name, name) == 0)
			return p;
	}
	return NULL;
}

struct agent_plane agent_plane_of(const struct agent_object *o)
{
	const struct agent_config *c = &o->agent->config;

	return o->nvme ? (struct agent_plane){ c->nvme_ops, c->nvme }
		       : (struct agent_plane){ c->plane_ops, c->plane };
}

void agent_text_set(char **text, const char *value)
{
	free(*text);
	*text = value && value[0] ? strdup(value) : NULL;
}
