// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * desired.c - reads the documents that concern this node and writes the wanted
 * half of the agent's objects. Called by agent.c's work timer after the store
 * has changed; looks only at resources that were touched.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "model/name.h"
#include "model/node.h"
#include "model/policy.h"

#define SOCKET_PATH_MAX 107 /* sun_path without its end */

/* a resource and all its replicas, read at once */
struct bundle {
	struct resource resource;
	struct record record;
	struct replica replica[REPLICAS_MAX];
	int n;
	struct policy policy;
};

/* --- what is to be looked at -------------------------------------------- */

void desired_dirty(struct agent *a, const char *key)
{
	if (a->dirty_n > a->dirty_head && strcmp(a->dirty[a->dirty_n - 1].text, key) == 0)
		return;
	if (a->dirty_n == a->dirty_cap) {
		a->dirty_cap = a->dirty_cap ? 2 * a->dirty_cap : 64;
		a->dirty = realloc(a->dirty, a->dirty_cap * sizeof(*a->dirty));
		if (!a->dirty)
			abort();
	}
	snprintf(a->dirty[a->dirty_n++].text, sizeof(a->dirty->text), "%s", key);
}

static void dirty_object(struct agent_object *o)
{
	if (o->kind == AGENT_REPLICA)
		desired_dirty(o->agent, o->key);
}

/* key: "replica/<resource>/<node>" */
static int dirty_replica(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct agent *a = arg;
	const char *resource = key + strlen("replica/"), *node = strchr(resource, '/');
	char text[NAME_MAX_LEN + 1];

	if (node && strcmp(node + 1, a->node_key) == 0 &&
	    (size_t)(node - resource) < sizeof(text)) {
		memcpy(text, resource, (size_t)(node - resource));
		text[node - resource] = '\0';
		desired_dirty(a, text);
	}
	return 0;
}

/* --- one resource ------------------------------------------------------- */

static int take_replica(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct bundle *b = arg;
	struct err err = { 0 };

	if (b->n == REPLICAS_MAX)
		return 0;
	if (replica_parse(doc, &b->replica[b->n], &err) < 0) {
		log_error("agent", "%s: %s", key, err.text);
		return 0;
	}
	if (b->replica[b->n].slot >= 0 && b->replica[b->n].slot < PLANE_SLOTS)
		b->n++;
	return 0;
}

/* A hint for the plane: without one it heals nothing. */
static void load_record(struct agent *a, const char *key, struct record *ret)
{
	char doc_key[STORE_KEY_MAX];
	json *doc;

	memset(ret, 0, sizeof(*ret));
	ret->writer = WRITER_NONE;
	record_key(key, doc_key, sizeof(doc_key));
	if (store_get(a->config.store, doc_key, &doc, NULL) < 0)
		return;
	record_parse(doc, ret, NULL);
	json_object_put(doc);
}

/* -ENOENT: no such resource, or no volume in it yet */
static int bundle_load(struct agent *a, const char *key, struct bundle *b)
{
	char doc_key[STORE_KEY_MAX], prefix[STORE_KEY_MAX];
	struct err err = { 0 };
	json *doc;
	int rv;

	resource_key(key, doc_key, sizeof(doc_key));
	rv = store_get(a->config.store, doc_key, &doc, NULL);
	if (rv == 0) {
		rv = resource_parse(doc, &b->resource, &err);
		if (rv == 0)
			b->policy = policy_load(a->config.store, doc);
		json_object_put(doc);
	}
	if (rv < 0) {
		if (rv != -E_NOT_FOUND)
			log_error("agent", "%s: %s", doc_key, err.code ? err.text : err_name(rv));
		return -ENOENT;
	}
	if (b->resource.n_volumes == 0)
		return -ENOENT;
	load_record(a, key, &b->record);
	b->n = 0;
	snprintf(prefix, sizeof(prefix), "replica/%s/", key);
	store_list(a->config.store, prefix, take_replica, b);
	return 0;
}

static const struct replica *own_replica(const struct agent *a, const struct bundle *b)
{
	char key[NAME_MAX_LEN + 1];

	for (int i = 0; i < b->n; i++) {
		name_key(b->replica[i].node, key);
		if (strcmp(key, a->node_key) == 0)
			return &b->replica[i];
	}
	return NULL;
}

/* A peer whose node document is gone stays in its slot without an address. */
static void fill_peer(struct agent *a, const struct replica *r, struct plane_peer *peer)
{
	char key[STORE_KEY_MAX];
	struct node n;
	json *doc;

	peer->used = true;
	peer->diskless = r->diskless;
	peer->leaving = r->deleting || r->inactive;
	snprintf(peer->node, sizeof(peer->node), "%s", r->node);
	node_key(r->node, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return;
	if (node_parse(doc, &n, NULL) == 0) {
		snprintf(peer->address, sizeof(peer->address), "%s", n.address);
		peer->port = n.port;
	}
	json_object_put(doc);
}

/* all but the volumes */
static void fill_plane(struct agent *a, const struct bundle *b, const struct replica *own,
		       struct plane_resource *r)
{
	static const enum plane_read_policy read[READ_POLICIES] = {
		[READ_LOCAL] = PLANE_READ_LOCAL,
		[READ_ROUND_ROBIN] = PLANE_READ_ROUND_ROBIN,
		[READ_LEAST_PENDING] = PLANE_READ_LEAST_PENDING,
		[READ_STRIPED] = PLANE_READ_STRIPED,
	};
	static const enum plane_copy_writes copy[COPY_WAYS] = {
		[COPY_ALWAYS] = PLANE_COPY_ALWAYS,
		[COPY_DIRECT] = PLANE_COPY_DIRECT,
		[COPY_NEVER] = PLANE_COPY_NEVER,
	};

	memset(r, 0, sizeof(*r)); /* also the gaps: it is hashed */
	snprintf(r->name, sizeof(r->name), "%s", b->resource.name);
	text_uuid_parse(b->resource.uuid, r->uuid);
	r->self = own->slot;
	r->in_sync = b->record.in_sync;
	/* who is to release it acts as if it had died as its writer */
	r->writer = record_settler(&b->record) == own->slot ? own->slot : b->record.writer;
	r->read_policy = read[b->policy.read];
	r->handover = b->policy.handover;
	r->copy_writes = copy[b->policy.copy_writes];
	r->below_discards = b->policy.luks_discards && b->resource.encrypted;
	text_uuid_parse(own->uuid, r->replica_uuid);
	for (int i = 0; i < b->n; i++) {
		struct plane_peer *peer = &r->peer[b->replica[i].slot];

		fill_peer(a, &b->replica[i], peer);
		if (b->resource.nvme)
			text_uuid_parse(b->replica[i].uuid, peer->replica);
	}
}

static void want_replica(struct agent *a, const struct bundle *b, const struct replica *own)
{
	struct plane_resource plane;
	struct agent_object *o;
	char key[NAME_MAX_LEN + 1];

	name_key(b->resource.name, key);
	o = agent_object_find(a, AGENT_REPLICA, key, own->uuid, NULL);
	if (!o)
		o = agent_object_new(a, AGENT_REPLICA, key, b->resource.name, own->uuid);
	fill_plane(a, b, own, &plane);
	memcpy(o->resource_uuid, plane.uuid, sizeof(o->resource_uuid));
	memcpy(o->pool, own->pool, sizeof(o->pool));
	o->nvme = b->resource.nvme;
	o->replica.wanted = true;
	o->replica.diskless = own->diskless;
	o->replica.deleting = own->deleting;
	o->replica.inactive = own->inactive;
	/* who has it open; else the first copy, as change_record.c sees to */
	o->maker =
		b->record.writer == own->slot || (b->record.writer == WRITER_NONE &&
						  filesystem_maker(b->replica, b->n) == own->slot);
	o->replica.refetch = own->inactive && own->refetch.wanted;
	if (!refetch_same(&o->refetch, &own->refetch))
		o->replica.voided = false;
	o->refetch = own->refetch;
	o->replica.member = b->record.in_sync & 1u << own->slot;
	if (own->quarantined != o->replica.quarantined) {
		o->replica.quarantined = own->quarantined;
		o->replica.failing = false;
		health_forget(&o->health);
	}
	memcpy(o->complaint, own->complaint, sizeof(o->complaint));
	o->base_stamp = volumes_hash(14695981039346656037u, &plane, sizeof(plane));
	volumes_want(o, &b->resource, own);
}

static void load_resource(struct agent *a, const char *key)
{
	struct bundle b;
	const struct replica *own = NULL;

	for (struct agent_object *o = *agent_bucket(a, key); o; o = o->next) {
		if (o->kind == AGENT_REPLICA && strcmp(o->key, key) == 0) {
			o->replica.wanted = false;
			o->retry_ns = 0; /* something is different: no reason to wait */
			o->report_due = true;
		}
	}
	if (bundle_load(a, key, &b) == 0)
		own = own_replica(a, &b);
	if (own)
		want_replica(a, &b, own);
	run_bucket(a, key);
}

/* the bundle of o's resource, and its replica in it; -ENOENT when that is not wanted any more */
static int load_own(struct agent_object *o, struct bundle *b, const struct replica **ret,
		    struct err *err)
{
	if (bundle_load(o->agent, o->key, b) < 0)
		return err_set(err, -ENOENT, "resource %s is not defined any more", o->name);
	*ret = own_replica(o->agent, b);
	if (!*ret || strcmp((*ret)->uuid, o->uuid) != 0)
		return err_set(err, -ENOENT, "resource %s: no replica here any more", o->name);
	return 0;
}

static int give_volume(const struct agent_object *o, const struct agent_volume *v,
		       struct plane_volume *ret, struct err *err)
{
	char path[PATH_LEN_MAX + NAME_MAX_LEN + 32];

	volumes_nbd(o, v->number, path, sizeof(path));
	if (strlen(path) > SOCKET_PATH_MAX)
		return err_set(err, -ENAMETOOLONG,
			       "the socket path %s has %zu characters, %d are possible: run sdsd "
			       "with a shorter --run-dir than %s",
			       path, strlen(path), SOCKET_PATH_MAX, o->agent->config.run_dir);
	ret->number = v->number;
	ret->minor = v->minor;
	memcpy(ret->uuid, v->id, sizeof(ret->uuid));
	ret->size_bytes = volumes_size(o, v);
	agent_text_set(&ret->socket_path, path);
	ret->discard_bytes = v->discard_bytes;
	/* what dm-writecache can do; dm-cache takes what its devices take */
	ret->block_bytes = v->cache.pool[0] && !v->cache.reads ? STORAGE_BLOCK : 0;
	if (volumes_client(o)) /* files that are being made are not to be used yet */
		return 0;
	agent_text_set(&ret->data_path, v->data_path);
	agent_text_set(&ret->meta_path, v->meta_path);
	agent_text_set(&ret->below_path, v->below_path);
	ret->below_off = v->below_off;
	return 0;
}

int desired_plane(struct agent_object *o, struct plane_resource *ret, struct err *err)
{
	char path[PATH_LEN_MAX + 64];
	const struct replica *own;
	struct bundle b;
	int rv = load_own(o, &b, &own, err);

	if (rv < 0)
		return rv;
	fill_plane(o->agent, &b, own, ret);
	ret->peer[own->slot].diskless = volumes_client(o);
	ret->room = o->room;
	ret->volume = calloc((size_t)o->n_volumes + 1, sizeof(*ret->volume));
	if (!ret->volume)
		abort();
	for (int i = 0; i < o->n_volumes && rv == 0; i++) {
		if (volumes_usable(o, o->volume[i]))
			rv = give_volume(o, o->volume[i], &ret->volume[ret->n_volumes++], err);
	}
	/* the one that the others depend on */
	if (rv == 0 && (ret->n_volumes == 0 || ret->volume[0].number != 0))
		rv = err_set(err, -ENOENT, "resource %s: its volume 0 is not there", o->name);
	if (rv < 0) {
		plane_resource_release(ret);
		return rv;
	}
	if (!volumes_client(o)) {
		snprintf(path, sizeof(path), "%s/attached/%s", o->agent->config.dir, o->uuid);
		agent_text_set(&ret->mark_path, path);
	}
	return 0;
}

void desired_label(struct agent_object *o, struct storage_volume *v)
{
	const struct replica *own;
	struct bundle b;

	/* not defined any more: the files will be removed again */
	if (load_own(o, &b, &own, NULL) < 0)
		return;
	text_uuid_parse(o->agent->config.cluster, v->cluster);
	text_uuid_parse(b.resource.uuid, v->resource);
	v->slot = own->slot;
	snprintf(v->node, sizeof(v->node), "%s", own->node);
	for (int i = 0; i < b.n; i++) {
		const struct replica *r = &b.replica[i];

		if (r != own && !r->diskless && r->slot < STORAGE_SLOTS)
			snprintf(v->copy[r->slot], sizeof(v->copy[r->slot]), "%s", r->node);
	}
}

/* --- leftovers and pools ------------------------------------------------ */

static void unwant_leftover(struct agent_object *o)
{
	if (o->kind == AGENT_LEFTOVER)
		o->leftover.wanted = false;
}

static int want_leftover(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct agent *a = arg;
	const char *name = jget_str(doc, "resource", ""), *uuid = jget_str(doc, "uuid", "");
	char res_key[NAME_MAX_LEN + 1];
	/* one without a number is of an older version, which knew volume 0 only */
	int64_t number = jget_i64_or(doc, "number", 0);
	const char *volume = jget_str(doc, "volume", "");
	const char *snapshot = jget_str(doc, "snapshot", "");
	struct agent_object *o;
	uint8_t raw[16];

	if (name_check("resource name", name, 1, NULL) < 0 || text_uuid_parse(uuid, raw) < 0 ||
	    number < 0 || number >= VOLUMES_PER_RESOURCE_MAX ||
	    ((number > 0 || volume[0]) && text_uuid_parse(volume, raw) < 0) ||
	    (snapshot[0] && snapshot_check_name(snapshot, NULL) < 0)) {
		log_error("agent", "%s is no leftover that can be cleaned", key);
		return 0;
	}
	name_key(name, res_key);
	o = agent_object_find(a, AGENT_LEFTOVER, res_key, uuid, volume);
	if (!o) {
		o = agent_object_new(a, AGENT_LEFTOVER, res_key, name, uuid);
		volumes_add(o, (int)number, volume)->wanted = true;
	}
	snprintf(o->pool, sizeof(o->pool), "%s", jget_str(doc, "pool", ""));
	snprintf(o->snapshot, sizeof(o->snapshot), "%s", snapshot);
	o->leftover.wanted = true;
	return 0;
}

static void run_if_leftover(struct agent_object *o)
{
	if (o->kind != AGENT_LEFTOVER)
		return;
	if (!o->leftover.wanted && o->reported_ns) {
		/* the store shows what was reported: whoever waits for the name goes on now */
		o->reported_ns = 0;
		o->retry_ns = 0;
	}
	desired_dirty(o->agent, o->key);
}

static void load_leftovers(struct agent *a)
{
	char prefix[STORE_KEY_MAX];

	agent_each(a, unwant_leftover);
	snprintf(prefix, sizeof(prefix), "leftover/%s/", a->node_key);
	store_list(a->config.store, prefix, want_leftover, a);
	agent_each(a, run_if_leftover);
}

static int want_pool(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct agent *a = arg;
	struct err err = { 0 };
	struct agent_pool *p;
	struct storage_pool before;
	struct pool parsed;
	bool hidden;

	if (pool_parse(doc, &parsed, &err) < 0) {
		log_error("agent", "%s: %s", key, err.text);
		return 0;
	}
	p = agent_pool_find(a, parsed.name);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			abort();
		p->next = a->pools;
		a->pools = p;
	}
	before = p->pool;
	memset(&p->pool, 0, sizeof(p->pool));
	snprintf(p->pool.kind, sizeof(p->pool.kind), "%s", pool_kind_name(parsed.kind));
	snprintf(p->pool.name, sizeof(p->pool.name), "%s", parsed.name);
	snprintf(p->pool.source, sizeof(p->pool.source), "%s", parsed.source);
	text_uuid_parse(parsed.uuid, p->uuid);
	hidden = tasks_hide(p);
	tasks_want(a, p, doc);
	if (hidden != tasks_hide(p) || memcmp(&before, &p->pool, sizeof(before)) != 0)
		observe_pool(a, p);
	p->wanted = true;
	return 0;
}

/* A pool goes when its document is gone and nothing of it is under way. */
static void load_pools(struct agent *a)
{
	char prefix[STORE_KEY_MAX];
	struct agent_pool *p, **at;

	for (p = a->pools; p; p = p->next)
		p->wanted = false;
	snprintf(prefix, sizeof(prefix), "pool/%s/", a->node_key);
	store_list(a->config.store, prefix, want_pool, a);
	for (at = &a->pools; *at;) {
		p = *at;
		if (p->wanted || p->n_steps || p->probing || tasks_busy(p)) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p->error);
		tasks_drop(p);
		free(p);
	}
	tasks_run(a);
	observe_changed(a);
}

/* The planes hear what this node is to have at all, whether its files are found or not: all but
 * what is in quarantine. */
static void tell_defined(struct agent *a)
{
	uint8_t(*uuids)[16] = NULL;
	size_t n = 0;

	for (size_t i = 0; i < AGENT_BUCKETS; i++) {
		for (struct agent_object *o = a->bucket[i]; o; o = o->next) {
			if (o->kind != AGENT_REPLICA || !o->replica.wanted ||
			    o->replica.quarantined)
				continue;
			uuids = realloc(uuids, (n + 1) * sizeof(*uuids));
			if (!uuids)
				abort();
			memcpy(uuids[n++], o->resource_uuid, sizeof(*uuids));
		}
	}
	a->told = true;
	a->config.plane_ops->defined(a->config.plane, (uint8_t *)uuids, n);
	if (a->config.nvme)
		a->config.nvme_ops->defined(a->config.nvme, (uint8_t *)uuids, n);
	free(uuids);
}

void desired_retell(struct agent *a)
{
	a->told = false;
	agent_work_soon(a);
}

void desired_work(struct agent *a)
{
	if (a->reload_pools || a->reload_all)
		load_pools(a);
	if (a->reload_all || a->reload_nodes)
		agent_each(a, dirty_object);
	if (a->reload_all)
		store_list(a->config.store, "replica/", dirty_replica, a);
	if (a->reload_leftovers || a->reload_all)
		load_leftovers(a);
	if (a->reload_services || a->reload_all)
		services_reload(a);
	a->reload_all = a->reload_nodes = a->reload_pools = a->reload_leftovers = false;
	a->reload_services = false;
	for (int i = 0; i < AGENT_BATCH && a->dirty_head < a->dirty_n; i++) {
		struct agent_key key = a->dirty[a->dirty_head++];

		load_resource(a, key.text);
	}
	if (a->dirty_head == a->dirty_n) {
		a->dirty_head = a->dirty_n = 0;
		if (!a->told)
			tell_defined(a);
	}
	observe_changed(a);
}
