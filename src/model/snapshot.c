// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * snapshot.c - the document of a snapshot and its struct. Called by
 * change_snapshot.c, the agent and the API.
 */
#include "model/snapshot.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/field.h"

int snapshot_check_name(const char *name, struct err *err)
{
	return name_check("snapshot name", name, NAME_MIN_LEN, err);
}

static int parse_volume(json *doc, const char *what, struct snapshot_volume *v, struct err *err)
{
	int64_t number;
	int rv;

	if ((rv = field_object(doc, what, err)) < 0 ||
	    (rv = field_i64(doc, what, "number", 0, VOLUMES_PER_RESOURCE_MAX - 1, &number, err)) <
		    0 ||
	    (rv = field_uuid(doc, what, v->uuid, err)) < 0 ||
	    (rv = field_i64(doc, what, "size_kib", VOLUME_KIB_MIN, VOLUME_KIB_MAX, &v->size_kib,
			    err)) < 0)
		return rv;
	v->number = (int)number;
	return 0;
}

static int parse_copy(json *doc, const char *what, struct snapshot_copy *c, struct err *err)
{
	int rv;

	if ((rv = field_object(doc, what, err)) < 0 ||
	    (rv = field_str(doc, what, "node", c->node, sizeof(c->node), err)) < 0 ||
	    (rv = name_check("node name", c->node, NAME_MIN_LEN, err)) < 0 ||
	    (rv = field_str(doc, what, "pool", c->pool, sizeof(c->pool), err)) < 0)
		return rv;
	return name_check("pool name", c->pool, POOL_NAME_MIN_LEN, err);
}

/* -1: it is no list of at most so many */
static int length_of(json *list, int max)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list)
							      : (size_t)max + 1;

	return n > (size_t)max ? -1 : (int)n;
}

static int parse_lists(json *doc, const char *what, struct snapshot *s, struct err *err)
{
	json *volumes = jget(doc, "volumes"), *copies = jget(doc, "copies");
	int rv = 0;

	s->n_volumes = length_of(volumes, VOLUMES_PER_RESOURCE_MAX);
	s->n_copies = length_of(copies, REPLICAS_MAX);
	if (s->n_volumes < 0 || s->n_copies < 0)
		return err_set(err, -E_INVALID,
			       "%s: \"volumes\" and \"copies\" must be lists of at most %d", what,
			       REPLICAS_MAX);
	for (int i = 0; i < s->n_volumes && rv == 0; i++) {
		rv = parse_volume(json_object_array_get_idx(volumes, (size_t)i), what,
				  &s->volume[i], err);
		if (rv == 0 && i > 0 && s->volume[i].number <= s->volume[i - 1].number)
			rv = err_set(err, -E_INVALID, "%s: \"volumes\" must be in order of number",
				     what);
	}
	for (int i = 0; i < s->n_copies && rv == 0; i++)
		rv = parse_copy(json_object_array_get_idx(copies, (size_t)i), what, &s->copy[i],
				err);
	return rv;
}

int snapshot_parse(json *doc, struct snapshot *ret, struct err *err)
{
	char what[2 * NAME_MAX_LEN + 24];
	struct snapshot s = { 0 };
	int rv;

	if ((rv = field_object(doc, "snapshot", err)) < 0 ||
	    (rv = field_str(doc, "snapshot", "resource", s.resource, sizeof(s.resource), err)) <
		    0 ||
	    (rv = field_str(doc, "snapshot", "name", s.name, sizeof(s.name), err)) < 0)
		return rv;
	snprintf(what, sizeof(what), "snapshot %s of %s", s.name, s.resource);
	if ((rv = resource_check_name(s.resource, err)) < 0 ||
	    (rv = snapshot_check_name(s.name, err)) < 0 ||
	    (rv = field_uuid(doc, what, s.uuid, err)) < 0 ||
	    (rv = field_i64(doc, what, "created_ms", 0, INT64_MAX, &s.created_ms, err)) < 0 ||
	    (rv = field_bool(doc, what, "taken", &s.taken, err)) < 0 ||
	    (rv = parse_lists(doc, what, &s, err)) < 0)
		return rv;
	*ret = s;
	return 0;
}

void snapshot_write_copies(json *doc, const struct snapshot *s)
{
	json *copies = json_object_new_array();

	for (int i = 0; i < s->n_copies; i++) {
		json *c = json_object_new_object();

		jset_str(c, "node", s->copy[i].node);
		jset_str(c, "pool", s->copy[i].pool);
		json_object_array_add(copies, c);
	}
	jset_bool(doc, "taken", s->taken);
	jset(doc, "copies", copies);
}

json *snapshot_doc(const struct snapshot *s)
{
	json *doc = json_object_new_object(), *volumes = json_object_new_array();

	for (int i = 0; i < s->n_volumes; i++) {
		json *v = json_object_new_object();

		jset_i64(v, "number", s->volume[i].number);
		jset_str(v, "uuid", s->volume[i].uuid);
		jset_i64(v, "size_kib", s->volume[i].size_kib);
		json_object_array_add(volumes, v);
	}
	jset_str(doc, "resource", s->resource);
	jset_str(doc, "name", s->name);
	jset_str(doc, "uuid", s->uuid);
	jset_i64(doc, "created_ms", s->created_ms);
	jset(doc, "volumes", volumes);
	snapshot_write_copies(doc, s);
	jset(doc, "props", json_object_new_object());
	return doc;
}

void snapshot_key(const char *resource, const char *name, char *out, size_t len)
{
	char low_resource[NAME_MAX_LEN + 1], low[NAME_MAX_LEN + 1];

	name_key(resource, low_resource);
	name_key(name, low);
	snprintf(out, len, "snapshot/%s/%s", low_resource, low);
}

const struct snapshot_copy *snapshot_copy_on(const struct snapshot *s, const char *node)
{
	for (int i = 0; i < s->n_copies; i++) {
		if (strcasecmp(s->copy[i].node, node) == 0)
			return &s->copy[i];
	}
	return NULL;
}

const struct snapshot_volume *snapshot_volume(const struct snapshot *s, int number)
{
	for (int i = 0; i < s->n_volumes; i++) {
		if (s->volume[i].number == number)
			return &s->volume[i];
	}
	return NULL;
}
