// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resource.c - the documents of a resource, its record and its replicas, and
 * their structs. Called by the change functions, the agent and the API. What
 * belongs together in one decision is loaded by bundle.c.
 */
#include "model/resource.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/field.h"
#include "model/layers.h"

int resource_check_name(const char *name, struct err *err)
{
	int rv = name_check("resource name", name, NAME_MIN_LEN, err);

	if (rv < 0)
		return rv;
	if (strcasecmp(name, "all") == 0 || strcasecmp(name, "proxy") == 0)
		return err_set(err, -E_INVALID,
			       "resource name \"%s\" is reserved; choose another name", name);
	return 0;
}

int volume_check_size(int64_t size_kib, struct err *err)
{
	char min[32], max[32];

	if (size_kib >= VOLUME_KIB_MIN && size_kib <= VOLUME_KIB_MAX)
		return 0;
	return err_set(err, -E_INVALID, "volume size %lld KiB: from %s to %s is possible",
		       (long long)size_kib, text_size_kib(VOLUME_KIB_MIN, min, sizeof(min)),
		       text_size_kib(VOLUME_KIB_MAX, max, sizeof(max)));
}

int64_t volume_round_size(int64_t size_kib, bool encrypted)
{
	int64_t unit = encrypted ? VOLUME_REGION_KIB : VOLUME_KIB_MIN;

	return (size_kib + unit - 1) / unit * unit;
}

static int origin_parse(json *doc, const char *what, struct volume_origin *o, struct err *err)
{
	int rv;

	if ((rv = field_object(doc, what, err)) < 0 ||
	    (rv = field_str(doc, what, "resource", o->resource, sizeof(o->resource), err)) < 0 ||
	    (rv = resource_check_name(o->resource, err)) < 0 ||
	    (rv = field_str(doc, what, "snapshot", o->snapshot, sizeof(o->snapshot), err)) < 0 ||
	    (rv = name_check("snapshot name", o->snapshot, NAME_MIN_LEN, err)) < 0 ||
	    (rv = field_uuid(doc, what, o->uuid, err)) < 0 ||
	    (rv = field_i64(doc, what, "size_kib", VOLUME_KIB_MIN, VOLUME_KIB_MAX, &o->size_kib,
			    err)) < 0)
		return rv;
	return 0;
}

static int adopted_parse(json *doc, const char *what, struct volume_adopted *a, struct err *err)
{
	int rv;

	if ((rv = field_object(doc, what, err)) < 0 ||
	    (rv = field_str(doc, what, "lv", a->lv, sizeof(a->lv), err)) < 0)
		return rv;
	return field_i64(doc, what, "size_kib", VOLUME_KIB_MIN, VOLUME_KIB_MAX, &a->size_kib, err);
}

void volume_write_adopted(json *doc, const struct volume_adopted *a)
{
	json *adopts = json_object_new_object();

	jset_str(adopts, "lv", a->lv);
	jset_i64(adopts, "size_kib", a->size_kib);
	jset(doc, "adopts", adopts);
}

void volume_write_origin(json *doc, const struct volume_origin *o)
{
	json *origin = json_object_new_object();

	jset_str(origin, "resource", o->resource);
	jset_str(origin, "snapshot", o->snapshot);
	jset_str(origin, "uuid", o->uuid);
	jset_i64(origin, "size_kib", o->size_kib);
	jset(doc, "origin", origin);
}

static int volume_parse(json *doc, const char *what, const char *resource_uuid, struct volume *ret,
			struct err *err)
{
	struct volume v = { 0 };
	int64_t number, size, minor;
	int rv;

	if ((rv = field_object(doc, what, err)) < 0 ||
	    (rv = field_i64(doc, what, "number", 0, VOLUMES_PER_RESOURCE_MAX - 1, &number, err)) <
		    0 ||
	    (rv = field_i64(doc, what, "size_kib", VOLUME_KIB_MIN, VOLUME_KIB_MAX, &size, err)) <
		    0 ||
	    (rv = field_i64(doc, what, "minor", MINOR_FIRST, MINOR_LAST, &minor, err)) < 0)
		return rv;
	if (size % VOLUME_KIB_MIN)
		return err_set(err, -E_INVALID, "%s: \"size_kib\" must be a multiple of %d", what,
			       VOLUME_KIB_MIN);
	rv = field_str_or_empty(doc, what, "key", v.key, sizeof(v.key), err);
	if (rv < 0)
		return rv;
	if (number == 0 && !jget(doc, "uuid"))
		snprintf(v.uuid, sizeof(v.uuid), "%s", resource_uuid);
	else if ((rv = field_uuid(doc, what, v.uuid, err)) < 0)
		return rv;
	if (jget(doc, "origin") &&
	    (rv = origin_parse(jget(doc, "origin"), what, &v.origin, err)) < 0)
		return rv;
	if (jget(doc, "adopts") &&
	    (rv = adopted_parse(jget(doc, "adopts"), what, &v.adopts, err)) < 0)
		return rv;
	if (jget(doc, "filesystem") &&
	    (rv = filesystem_parse(jget(doc, "filesystem"), what, &v.filesystem, err)) < 0)
		return rv;
	if (jget(doc, "cache") &&
	    (rv = volume_cache_parse(jget(doc, "cache"), what, &v.cache, err)) < 0)
		return rv;
	v.number = (int)number;
	v.size_kib = size;
	v.minor = (int)minor;
	*ret = v;
	return 0;
}

static int volumes_parse(json *list, const char *what, struct resource *r, struct err *err)
{
	size_t n;
	int rv;

	if (!list)
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return err_set(err, -E_INVALID, "%s: \"volumes\" must be a list", what);
	n = json_object_array_length(list);
	if (n > VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID, "%s: %zu volumes, %d can be", what, n,
			       VOLUMES_PER_RESOURCE_MAX);
	for (size_t i = 0; i < n; i++) {
		rv = volume_parse(json_object_array_get_idx(list, i), what, r->uuid, &r->volume[i],
				  err);
		if (rv < 0)
			return rv;
		if (i == 0 ? r->volume[0].number != 0
			   : r->volume[i].number <= r->volume[i - 1].number)
			return err_set(err, -E_INVALID,
				       "%s: \"volumes\" must be in order of number, from 0 on",
				       what);
		if (r->cached != !!r->volume[i].cache.pool[0])
			return err_set(err, -E_INVALID,
				       r->cached ? "%s: volume %d has no \"cache\""
						 : "%s: volume %d has a \"cache\", but there is "
						   "no WRITECACHE or CACHE layer",
				       what, r->volume[i].number);
		r->volume[i].cache.reads = r->reads;
		if (r->encrypted != !!r->volume[i].key[0])
			return err_set(err, -E_INVALID,
				       r->encrypted ? "%s: volume %d has no \"key\""
						    : "%s: volume %d has a \"key\", but there is "
						      "no LUKS layer",
				       what, r->volume[i].number);
	}
	r->n_volumes = (int)n;
	return 0;
}

int resource_parse(json *doc, struct resource *ret, struct err *err)
{
	char what[NAME_MAX_LEN + 16];
	struct resource r = { 0 };
	enum layers layers;
	int64_t copies = 0;
	int rv;

	rv = field_object(doc, "resource", err);
	if (rv == 0)
		rv = field_str(doc, "resource", "name", r.name, sizeof(r.name), err);
	if (rv == 0)
		rv = resource_check_name(r.name, err);
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "resource %s", r.name);
	if ((rv = field_uuid(doc, what, r.uuid, err)) < 0 ||
	    (rv = field_str(doc, what, "group", r.group, sizeof(r.group), err)) < 0 ||
	    (rv = field_i64(doc, what, "created_ms", 0, INT64_MAX, &r.created_ms, err)) < 0 ||
	    (rv = layers_parse(jget(doc, "layers"), &layers, err)) < 0)
		return rv;
	resource_set_layers(&r, layers);
	if (jget(doc, "copies") &&
	    (rv = field_i64(doc, what, "copies", 1, COPIES_MAX, &copies, err)) < 0)
		return rv;
	r.copies = (int)copies;
	if ((rv = volumes_parse(jget(doc, "volumes"), what, &r, err)) < 0)
		return rv;
	*ret = r;
	return 0;
}

int record_parse(json *doc, struct record *ret, struct err *err)
{
	int64_t epoch, writer, in_sync, node = 0, counter = 0;
	struct record r = { 0 };
	json *tag;
	int rv;

	if ((rv = field_object(doc, "record", err)) < 0 ||
	    (rv = field_i64(doc, "record", "epoch", 1, UINT32_MAX, &epoch, err)) < 0 ||
	    (rv = field_i64(doc, "record", "writer", WRITER_NONE, REPLICAS_MAX - 1, &writer, err)) <
		    0 ||
	    (rv = field_i64(doc, "record", "in_sync", 1, (1 << REPLICAS_MAX) - 1, &in_sync, err)) <
		    0)
		return rv;
	tag = jget(doc, "tag");
	if (tag) {
		if ((rv = field_object(tag, "record: \"tag\"", err)) < 0 ||
		    (rv = field_i64(tag, "record tag", "node", 0, UINT32_MAX, &node, err)) < 0 ||
		    (rv = field_i64(tag, "record tag", "counter", 0, UINT32_MAX, &counter, err)) <
			    0 ||
		    (rv = field_u64_text(tag, "record tag", "boot", &r.tag.boot, err)) < 0)
			return rv;
	}
	r.epoch = (uint32_t)epoch;
	r.writer = (int)writer;
	r.in_sync = (uint32_t)in_sync;
	r.tag.node = (uint32_t)node;
	r.tag.counter = (uint32_t)counter;
	*ret = r;
	return 0;
}

/* "created" and "made" */
static int made_parse(json *doc, const char *what, uint32_t *ret, struct err *err)
{
	json *list = jget(doc, "made");
	bool created;
	int rv = field_bool(doc, what, "created", &created, err);

	if (rv < 0)
		return rv;
	*ret = created ? 1u : 0;
	if (!list)
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return err_set(err, -E_INVALID, "%s: \"made\" must be a list", what);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *one = json_object_array_get_idx(list, i);
		int64_t n =
			json_object_is_type(one, json_type_int) ? json_object_get_int64(one) : -1;

		if (n < 1 || n >= VOLUMES_PER_RESOURCE_MAX)
			return err_set(err, -E_INVALID,
				       "%s: \"made\" must hold numbers from 1 to %d", what,
				       VOLUMES_PER_RESOURCE_MAX - 1);
		*ret |= 1u << n;
	}
	return 0;
}

int replica_parse(json *doc, struct replica *ret, struct err *err)
{
	char what[2 * NAME_MAX_LEN + 24];
	struct replica r = { 0 };
	int64_t slot;
	int rv;

	if ((rv = field_object(doc, "replica", err)) < 0 ||
	    (rv = field_str(doc, "replica", "resource", r.resource, sizeof(r.resource), err)) < 0 ||
	    (rv = field_str(doc, "replica", "node", r.node, sizeof(r.node), err)) < 0)
		return rv;
	snprintf(what, sizeof(what), "replica %s on %s", r.resource, r.node);
	if ((rv = resource_check_name(r.resource, err)) < 0 ||
	    (rv = name_check("node name", r.node, NAME_MIN_LEN, err)) < 0 ||
	    (rv = field_uuid(doc, what, r.uuid, err)) < 0 ||
	    (rv = field_i64(doc, what, "slot", 0, REPLICAS_MAX - 1, &slot, err)) < 0 ||
	    (rv = field_bool(doc, what, "diskless", &r.diskless, err)) < 0 ||
	    (rv = made_parse(doc, what, &r.made, err)) < 0 ||
	    (rv = field_bool(doc, what, "born", &r.born, err)) < 0 ||
	    (rv = field_bool(doc, what, "deleting", &r.deleting, err)) < 0 ||
	    (rv = field_bool(doc, what, "becomes_client", &r.becomes_client, err)) < 0 ||
	    (rv = field_bool(doc, what, "inactive", &r.inactive, err)) < 0 ||
	    (rv = refetch_parse(doc, what, &r.refetch, err)) < 0 ||
	    (rv = field_str_or_empty(doc, what, "migrates", r.migrates, sizeof(r.migrates), err)) <
		    0 ||
	    (rv = field_bool(doc, what, "quarantined", &r.quarantined, err)) < 0 ||
	    (rv = field_str_or_empty(doc, what, "complaint", r.complaint, sizeof(r.complaint),
				     err)) < 0 ||
	    (rv = field_str_or_empty(doc, what, "pool", r.pool, sizeof(r.pool), err)) < 0)
		return rv;
	if (r.diskless != !r.pool[0])
		return err_set(err, -E_INVALID,
			       r.diskless ? "%s: without a disk, but in a pool"
					  : "%s: \"pool\" is missing",
			       what);
	if (r.pool[0] && (rv = name_check("pool name", r.pool, POOL_NAME_MIN_LEN, err)) < 0)
		return rv;
	r.slot = (int)slot;
	r.open_ms = r.diskless ? jget_i64_or(doc, "open_ms", 0) : 0;
	r.drawn_ms = r.diskless ? 0 : jget_i64_or(doc, "drawn_ms", 0);
	r.quarantined_ms = r.quarantined ? jget_i64_or(doc, "quarantined_ms", 0) : 0;
	*ret = r;
	return 0;
}

void resource_set_layers(struct resource *r, enum layers layers)
{
	r->encrypted = layers_has(layers, LAYERS_LUKS);
	r->nvme = layers_has(layers, LAYERS_NVME);
	r->reads = layers_has(layers, LAYERS_CACHE);
	r->cached = r->reads || layers_has(layers, LAYERS_WRITECACHE);
}

enum layers resource_layers(const struct resource *r)
{
	enum layers cache = r->reads ? LAYERS_CACHE : LAYERS_WRITECACHE;

	return LAYERS_PLAIN | (r->encrypted ? LAYERS_LUKS : LAYERS_PLAIN) |
	       (r->nvme ? LAYERS_NVME : LAYERS_PLAIN) | (r->cached ? cache : LAYERS_PLAIN);
}

json *resource_doc(const struct resource *r)
{
	json *doc = json_object_new_object(), *volumes = json_object_new_array(), *v;

	for (int i = 0; i < r->n_volumes; i++) {
		v = json_object_new_object();
		jset_i64(v, "number", r->volume[i].number);
		jset_str(v, "uuid", r->volume[i].uuid);
		jset_i64(v, "size_kib", r->volume[i].size_kib);
		jset_i64(v, "minor", r->volume[i].minor);
		jset(v, "props", json_object_new_object());
		if (r->volume[i].key[0])
			jset_str(v, "key", r->volume[i].key);
		if (r->volume[i].origin.uuid[0])
			volume_write_origin(v, &r->volume[i].origin);
		if (r->volume[i].adopts.lv[0])
			volume_write_adopted(v, &r->volume[i].adopts);
		if (r->volume[i].cache.pool[0])
			volume_cache_write(v, &r->volume[i].cache);
		if (r->volume[i].filesystem.type != FILESYSTEM_NONE)
			filesystem_write(v, &r->volume[i].filesystem);
		json_object_array_add(volumes, v);
	}
	jset_str(doc, "name", r->name);
	jset_str(doc, "uuid", r->uuid);
	jset_str(doc, "group", r->group);
	jset_i64(doc, "created_ms", r->created_ms);
	jset(doc, "props", json_object_new_object());
	if (resource_layers(r) != LAYERS_PLAIN)
		jset(doc, "layers", layers_doc(resource_layers(r)));
	if (r->copies)
		jset_i64(doc, "copies", r->copies);
	jset(doc, "volumes", volumes);
	return doc;
}

bool record_is_released(const struct record *r)
{
	const struct record_tag *t = &r->tag;

	return r->writer == WRITER_NONE && (t->node || t->boot || t->counter || r->epoch <= 1);
}

void record_raise(struct record *r, uint32_t epoch)
{
	if (r->writer == WRITER_NONE && r->epoch <= 1)
		r->tag.counter = 1;
	r->epoch = epoch;
}

int record_settler(const struct record *r)
{
	if (r->writer != WRITER_NONE || record_is_released(r) || !r->in_sync)
		return r->writer;
	return __builtin_ctz(r->in_sync);
}

void record_write(json *doc, const struct record *r)
{
	json *tag = json_object_new_object();
	char boot[24];

	snprintf(boot, sizeof(boot), "%" PRIu64, r->tag.boot);
	jset_i64(tag, "node", r->tag.node);
	jset_str(tag, "boot", boot);
	jset_i64(tag, "counter", r->tag.counter);
	jset_i64(doc, "epoch", r->epoch);
	jset_i64(doc, "writer", r->writer);
	jset_i64(doc, "in_sync", r->in_sync);
	jset(doc, "tag", tag);
}

bool record_same(const struct record *a, const struct record *b)
{
	return a->epoch == b->epoch && a->writer == b->writer && a->in_sync == b->in_sync &&
	       a->tag.node == b->tag.node && a->tag.boot == b->tag.boot &&
	       a->tag.counter == b->tag.counter;
}

json *record_doc(const struct record *r, const char *resource_uuid)
{
	json *doc = json_object_new_object();

	jset_str(doc, "uuid", resource_uuid);
	record_write(doc, r);
	return doc;
}

void replica_write_made(json *doc, uint32_t made)
{
	json *list = json_object_new_array();

	for (int n = 1; n < VOLUMES_PER_RESOURCE_MAX; n++) {
		if (made & 1u << n)
			json_object_array_add(list, json_object_new_int(n));
	}
	jset_bool(doc, "created", made & 1u);
	if (json_object_array_length(list) > 0) {
		jset(doc, "made", list);
		return;
	}
	json_object_put(list);
	json_object_object_del(doc, "made");
}

static void write_time(json *doc, const char *key, int64_t ms)
{
	if (ms > 0)
		jset_i64(doc, key, ms);
	else
		json_object_object_del(doc, key);
}

static void write_flag(json *doc, const char *key, bool value)
{
	if (value)
		jset_bool(doc, key, true);
	else
		json_object_object_del(doc, key);
}

void replica_write_plans(json *doc, const struct replica *r)
{
	static const struct refetch none;

	jset_bool(doc, "deleting", r->deleting);
	write_flag(doc, "becomes_client", r->becomes_client);
	write_flag(doc, "inactive", r->inactive);
	refetch_write(doc, r->inactive ? &r->refetch : &none);
	if (r->migrates[0])
		jset_str(doc, "migrates", r->migrates);
	else
		json_object_object_del(doc, "migrates");
	write_time(doc, "open_ms", r->open_ms);
	write_time(doc, "drawn_ms", r->drawn_ms);
}

void replica_write_quarantine(json *doc, const char *complaint, int64_t now_ms)
{
	if (complaint) {
		jset_bool(doc, "quarantined", true);
		jset_i64(doc, "quarantined_ms", now_ms);
		jset_str(doc, "complaint", complaint);
		return;
	}
	json_object_object_del(doc, "quarantined");
	json_object_object_del(doc, "quarantined_ms");
	json_object_object_del(doc, "complaint");
}

json *replica_doc(const struct replica *r)
{
	json *doc = json_object_new_object();

	jset_str(doc, "resource", r->resource);
	jset_str(doc, "node", r->node);
	jset_str(doc, "uuid", r->uuid);
	jset_i64(doc, "slot", r->slot);
	jset_bool(doc, "diskless", r->diskless);
	jset_str(doc, "pool", r->pool);
	replica_write_made(doc, r->made);
	if (r->born)
		jset_bool(doc, "born", true);
	jset_bool(doc, "deleting", r->deleting);
	jset(doc, "props", json_object_new_object());
	return doc;
}

const struct volume *resource_volume(const struct resource *r, int number)
{
	for (int i = 0; i < r->n_volumes; i++) {
		if (r->volume[i].number == number)
			return &r->volume[i];
	}
	return NULL;
}

int64_t resource_size_kib(const struct resource *r)
{
	int64_t sum = 0;

	for (int i = 0; i < r->n_volumes; i++)
		sum += r->volume[i].size_kib;
	return sum;
}

int64_t volume_extra_kib(int64_t size_kib, bool encrypted)
{
	int64_t regions = (size_kib + VOLUME_REGION_KIB - 1) / VOLUME_REGION_KIB;
	int64_t pages = META_HEAD_PAGES + (regions + META_PAGE_REGIONS - 1) / META_PAGE_REGIONS;

	return pages * META_PAGE_KIB + (encrypted ? LUKS_HEADER_KIB : 0);
}

int64_t resource_extra_kib(const struct resource *r)
{
	int64_t sum = 0;

	for (int i = 0; i < r->n_volumes; i++)
		sum += volume_extra_kib(r->volume[i].size_kib, r->encrypted);
	return sum;
}

void resource_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "resource/%s", low);
}

void record_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "record/%s", low);
}

static void pair_key(const char *table, const char *a, const char *b, char *out, size_t len)
{
	char low_a[NAME_MAX_LEN + 1], low_b[NAME_MAX_LEN + 1];

	name_key(a, low_a);
	name_key(b, low_b);
	snprintf(out, len, "%s/%s/%s", table, low_a, low_b);
}

void replica_key(const char *resource, const char *node, char *out, size_t len)
{
	pair_key("replica", resource, node, out, len);
}

void placed_key(const char *node, const char *resource, char *out, size_t len)
{
	pair_key("placed", node, resource, out, len);
}

void leftover_key(const char *node, const char *id, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(node, low);
	snprintf(out, len, "leftover/%s/%s", low, id);
}

void leftover_id(const char *replica, int number, const char *volume, char out[LEFTOVER_ID_MAX])
{
	/* the files of volume 0 come and go with the replica */
	if (number == 0)
		snprintf(out, LEFTOVER_ID_MAX, "%.36s", replica);
	else
		snprintf(out, LEFTOVER_ID_MAX, "%.36s.%.36s", replica, volume);
}

void minor_key(int minor, char *out, size_t len)
{
	snprintf(out, len, "minor/%d", minor);
}
