// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volumes.c - the volumes of an object: which are wanted, which can be used, how
 * they are called in storage. Called by desired.c, run.c and observe.c. A number
 * that is used again is another volume beside the former one until that has gone.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

uint64_t volumes_hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

struct agent_volume *volumes_add(struct agent_object *o, int number, const char *uuid)
{
	struct agent_volume *v = calloc(1, sizeof(*v));
	struct agent_volume **list =
		realloc(o->volume, ((size_t)o->n_volumes + 1) * sizeof(struct agent_volume *));
	int at = o->n_volumes;

	if (!v || !list)
		abort();
	v->number = number;
	snprintf(v->uuid, sizeof(v->uuid), "%s", uuid);
	text_uuid_parse(uuid, v->id); /* checked by the caller */
	v->allocated_kib = -1;
	o->volume = list;
	for (; at > 0 && list[at - 1]->number > number; at--)
		list[at] = list[at - 1];
	list[at] = v;
	o->n_volumes++;
	return v;
}

static bool is_marked(const struct agent_object *o, const struct agent_volume *v)
{
	struct agent_mark mark;
	int rv = mark_read(o->agent->config.dir, o->uuid, v->number, &mark, NULL);

	/* a damaged one: rather lost than made anew */
	return rv == 0 ? !mark.volume[0] || strcasecmp(mark.volume, v->uuid) == 0 : rv != -ENOENT;
}

static struct agent_volume *find(const struct agent_object *o, const struct volume *wanted)
{
	for (int i = 0; i < o->n_volumes; i++) {
		struct agent_volume *v = o->volume[i];

		if (v->number == wanted->number && strcasecmp(v->uuid, wanted->uuid) == 0)
			return v;
	}
	return NULL;
}

static void forget_files(struct agent_volume *v)
{
	v->plan.marked = v->plan.files = v->plan.doubted = false;
	v->have_bytes = 0;
	v->tries = 0;
	agent_text_set(&v->data_path, NULL);
	agent_text_set(&v->meta_path, NULL);
	agent_text_set(&v->below_path, NULL);
	agent_text_set(&v->error, NULL);
}

void volumes_want(struct agent_object *o, const struct resource *r, const struct replica *own)
{
	for (int i = 0; i < o->n_volumes; i++)
		o->volume[i]->wanted = false;
	for (int i = 0; i < r->n_volumes; i++) {
		const struct volume *wanted = &r->volume[i];
		struct agent_volume *v = find(o, wanted);

		if (!v) {
			v = volumes_add(o, wanted->number, wanted->uuid);
			v->plan.marked = !own->diskless && is_marked(o, v);
		} else if (own->diskless) {
			forget_files(v); /* it had a disk, which is a leftover now */
		}
		v->wanted = true;
		v->minor = wanted->minor;
		v->size_bytes = (uint64_t)wanted->size_kib * 1024;
		v->origin = own->born ? wanted->origin : (struct volume_origin){ 0 };
		v->adopts = own->born ? wanted->adopts : (struct volume_adopted){ 0 };
		v->alike = wanted->key[0] && !wanted->origin.uuid[0];
		memcpy(v->key, wanted->key, sizeof(v->key));
		v->cache = wanted->cache;
		v->filesystem = wanted->filesystem;
		v->plan.made = own->made & 1u << wanted->number;
		v->retry_ns = 0; /* something is different: no reason to wait */
		if (v->plan.made)
			v->reported_ns = 0;
	}
}

static void volume_free(struct agent_volume *v)
{
	free(v->data_path);
	free(v->meta_path);
	free(v->below_path);
	free(v->note);
	free(v->error);
	free(v);
}

void volumes_tidy(struct agent_object *o)
{
	int n = 0;

	for (int i = 0; i < o->n_volumes; i++) {
		struct agent_volume *v = o->volume[i];

		if (v->wanted || v->plane || v == o->step_volume || v == o->measuring)
			o->volume[n++] = v;
		else
			volume_free(v);
	}
	o->n_volumes = n;
}

bool volumes_client(const struct agent_object *o)
{
	if (o->replica.diskless)
		return true;
	if (!o->replica.plane || o->replica.plane_disk)
		return false;
	for (int i = 0; i < o->n_volumes; i++) {
		const struct agent_volume *v = o->volume[i];

		if (v->wanted && !(v->plan.made && v->plan.files))
			return true;
	}
	return false;
}

bool volumes_usable(const struct agent_object *o, const struct agent_volume *v)
{
	return v->wanted && (volumes_client(o) || (v->plan.made && v->plan.files));
}

void volumes_doubt(struct agent_volume *v)
{
	v->plan.doubted = v->plan.files && v->cache.pool[0] && v->cache.reads;
}

bool volumes_doubted(const struct agent_object *o)
{
	for (int i = 0; i < o->n_volumes; i++) {
		if (o->volume[i]->plan.doubted)
			return true;
	}
	return false;
}

uint64_t volumes_size(const struct agent_object *o, const struct agent_volume *v)
{
	return volumes_client(o) || v->size_bytes < v->have_bytes ? v->size_bytes : v->have_bytes;
}

uint64_t volumes_stamp(const struct agent_object *o)
{
	bool client = volumes_client(o);
	uint64_t h = volumes_hash(o->base_stamp, &client, sizeof(client));

	h = volumes_hash(h, &o->room, sizeof(o->room));

	for (int i = 0; i < o->n_volumes; i++) {
		const struct agent_volume *v = o->volume[i];
		uint64_t size = volumes_size(o, v);

		if (!volumes_usable(o, v))
			continue;
		h = volumes_hash(h, v->id, sizeof(v->id));
		h = volumes_hash(h, &v->number, sizeof(v->number));
		h = volumes_hash(h, &size, sizeof(size));
	}
	return h;
}

static void give_cache(const struct agent_object *o, const struct agent_volume *v,
		       struct storage_volume *ret)
{
	const struct agent_pool *p = agent_pool_find(o->agent, v->cache.pool);

	if (!v->cache.pool[0])
		return;
	snprintf(ret->cache.pool, sizeof(ret->cache.pool), "%s", v->cache.pool);
	if (p &&
	    p->wanted) /* else it has no source, and the storage refuses with the pool's name */
		snprintf(ret->cache.source, sizeof(ret->cache.source), "%.127s", p->pool.source);
	ret->cache.bytes = (uint64_t)v->cache.size_kib * 1024;
	ret->cache.reads = v->cache.reads;
}

void volumes_storage(const struct agent_object *o, const struct agent_volume *v,
		     struct storage_volume *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s_%05d", o->name, v->number);
	memcpy(ret->owner, o->owner, sizeof(ret->owner));
	memcpy(ret->volume, v->id, sizeof(ret->volume));
	ret->number = v->number;
	ret->size_bytes = v->size_bytes ? v->size_bytes : STORAGE_BLOCK;
	ret->born = v->origin.uuid[0] || v->adopts.lv[0] || v->alike;
	give_cache(o, v, ret);
	ret->encrypted = v->key[0] != '\0';
	ret->has_key = ret->encrypted && o->agent->config.unseal &&
		       o->agent->config.unseal(v->key, ret->key, NULL, o->agent->config.arg) == 0;
}

void volumes_snapshot(const char *resource, int number, const char *snapshot, const char *uuid,
		      uint64_t size_bytes, struct storage_snapshot *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->volume, sizeof(ret->volume), "%s_%05d", resource, number);
	snprintf(ret->name, sizeof(ret->name), "%s_%s", ret->volume, snapshot);
	text_uuid_parse(uuid, ret->uuid); /* checked by the caller */
	ret->size_bytes = size_bytes;
}

const char *volumes_error(const struct agent_object *o)
{
	for (int i = 0; i < o->n_volumes; i++) {
		if (o->volume[i]->wanted && o->volume[i]->error)
			return o->volume[i]->error;
	}
	return NULL;
}

void volumes_note_cache(struct agent_volume *v, const char *why)
{
	char text[ERR_TEXT_MAX + 128];

	snprintf(text, sizeof(text),
		 "works without its read cache, which is tried again when sdsd starts: %s", why);
	agent_text_set(&v->note, why[0] ? text : NULL);
}

const char *volumes_note(const struct agent_object *o)
{
	for (int i = 0; i < o->n_volumes; i++) {
		if (o->volume[i]->wanted && o->volume[i]->note)
			return o->volume[i]->note;
	}
	return NULL;
}

void volumes_nbd(const struct agent_object *o, int number, char *out, size_t len)
{
	snprintf(out, len, "%s/%s-%d.sock", o->agent->nbd_dir, o->name, number);
}
