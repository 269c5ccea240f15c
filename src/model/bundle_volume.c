// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bundle_volume.c - the volumes of a loaded resource come, grow and go, with
 * what they take in the pools and leave on the nodes. Called by
 * change_volume.c, change_resource.c and bundle.c. The rules are there.
 */
#include "model/bundle.h"

#include <stdio.h>
#include <string.h>

#include "model/policy.h"
#include "model/promise.h"
#include "model/props.h"

/* The next minor that nobody has. Going on from the last one, and around at the end, keeps a
 * minor unused for as long as possible after its volume is gone. */
static int take_minor(struct bundle *b, int number, int *ret, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *cluster, *doc;
	int64_t minor;
	int rv, left = MINOR_LAST - MINOR_FIRST + 1;

	rv = txn_get(b->t, b->env->store, CLUSTER_KEY, &cluster);
	if (rv < 0)
		return err_set(err, rv, "cluster/self: %s", err_name(rv));
	/* of several in one transaction each begins where the one before ended */
	minor = b->next_minor ? b->next_minor : jget_i64_or(cluster, "next_minor", MINOR_FIRST);
	for (;; minor++) {
		if (minor < MINOR_FIRST || minor > MINOR_LAST)
			minor = MINOR_FIRST;
		minor_key((int)minor, key, sizeof(key));
		rv = txn_get(b->t, b->env->store, key, &doc);
		if (rv < 0 || --left == 0)
			break;
		json_object_put(doc);
	}
	if (rv != -E_NOT_FOUND) {
		json_object_put(cluster);
		if (rv < 0)
			return err_set(err, rv, "%s: %s", key, err_name(rv));
		json_object_put(doc);
		return err_set(
			err, -E_INVALID,
			"resource %s: the cluster has %d volumes, which is the limit; delete "
			"some first",
			b->resource.name, MINOR_LAST - MINOR_FIRST + 1);
	}
	doc = json_object_new_object();
	jset_str(doc, "resource", b->resource.name);
	jset_i64(doc, "number", number);
	txn_put(b->t, key, doc);
	b->next_minor = minor + 1;
	jset_i64(cluster, "next_minor", minor + 1);
	txn_put(b->t, CLUSTER_KEY, cluster);
	*ret = (int)minor;
	return 0;
}

/* what the pools of all copies are to hold, more or less by so much */
static int promise_more(struct bundle *b, int64_t kib, int64_t extra_kib, struct err *err)
{
	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];
		int rv = r->diskless ? 0
				     : bundle_promise(b, r->node, r->pool,
						      &(struct promise){ kib, extra_kib, 0 }, err);

		if (rv < 0)
			return rv;
	}
	return 0;
}

/* the same of the pools that keep the caches of a volume that comes (1) or goes (-1) */
static int promise_caches(struct bundle *b, const struct volume *v, int sign, struct err *err)
{
	for (int i = 0; i < b->n; i++) {
		int rv = b->replica[i].diskless
				 ? 0
				 : bundle_promise_cache(b, b->replica[i].node, b->replica[i].pool,
							v, sign, err);

		if (rv < 0)
			return rv;
	}
	return 0;
}

static int volume_at(const struct bundle *b, int number)
{
	for (int k = 0; k < b->resource.n_volumes; k++) {
		if (b->resource.volume[k].number == number)
			return k;
	}
	return -1;
}

json *bundle_volume_doc(const struct bundle *b, int number)
{
	int k = volume_at(b, number);

	return k < 0 ? NULL : json_object_array_get_idx(jget(b->doc, "volumes"), (size_t)k);
}

/* the list of documents anew: without, or with one more at its place in the order of numbers */
static void rewrite_list(struct bundle *b, int skip, json *add)
{
	json *old = jget(b->doc, "volumes"), *list = json_object_new_array();
	int64_t number = add ? jget_i64_or(add, "number", 0) : -1;

	for (int k = 0; k < b->resource.n_volumes; k++) {
		if (add && b->resource.volume[k].number > number) {
			json_object_array_add(list, add);
			add = NULL;
		}
		if (k != skip)
			json_object_array_add(
				list, json_object_get(json_object_array_get_idx(old, (size_t)k)));
	}
	if (add)
		json_object_array_add(list, add);
	jset(b->doc, "volumes", list);
	b->dirty = true;
}

static void insert(struct bundle *b, const struct volume *v)
{
	struct resource *r = &b->resource;
	int k = r->n_volumes++;

	for (; k > 0 && r->volume[k - 1].number > v->number; k--)
		r->volume[k] = r->volume[k - 1];
	r->volume[k] = *v;
}

static int give_key(struct bundle *b, struct volume *v, struct err *err)
{
	struct change_env *env = b->env;

	if (!b->resource.encrypted)
		return 0;
	if (!env->volume_key)
		return err_set(err, -E_LOCKED, "resource %s: there are no keys here",
			       b->resource.name);
	return env->volume_key(v->key, err, env->arg);
}

static json *props_of(struct bundle *b, const char *key, json **ret)
{
	return txn_get(b->t, b->env->store, key, ret) == 0 ? jget(*ret, "props") : NULL;
}

/* what a volume that has these properties of its own inherits */
struct inherited {
	struct props_chain chain;
	json *group, *controller;
};

static void inherit(struct bundle *b, json *props, struct inherited *ret)
{
	char key[STORE_KEY_MAX];

	*ret = (struct inherited){ .group = NULL };
	group_key(b->resource.group, key, sizeof(key));
	ret->chain.level[PROPS_VOLUME_DEFINITION] = props;
	ret->chain.level[PROPS_RESOURCE_DEFINITION] = jget(b->doc, "props");
	ret->chain.level[PROPS_RESOURCE_GROUP] = props_of(b, key, &ret->group);
	ret->chain.level[PROPS_CONTROLLER] = props_of(b, CONTROLLER_KEY, &ret->controller);
}

static void inherited_release(struct inherited *i)
{
	json_object_put(i->controller);
	json_object_put(i->group);
}

/* what all properties together say of its file system */
static bool wants_filesystem(struct bundle *b, json *props, struct filesystem *ret)
{
	struct inherited i;
	bool wanted;

	inherit(b, props, &i);
	wanted = filesystem_of(&i.chain, ret);
	inherited_release(&i);
	return wanted;
}

int bundle_cache_of(struct bundle *b, json *props, const char *what, struct volume *v,
		    struct err *err)
{
	struct inherited i;
	int rv;

	if (!b->resource.cached)
		return 0;
	inherit(b, props, &i);
	rv = volume_cache_of(&i.chain, what, b->resource.reads, v->size_kib, &v->cache, err);
	inherited_release(&i);
	return rv;
}

/* They are made on the replication's devices. */
static int check_filesystem(struct bundle *b, json *props, struct err *err)
{
	struct filesystem f;

	if (!b->resource.nvme || !wants_filesystem(b, props, &f))
		return 0;
	return err_set(err, -E_INVALID,
		       "resource %s: no file system is made on a volume that is reached by NVMe: "
		       "unset FileSystem/Type and make it on the node that uses it",
		       b->resource.name);
}

int bundle_add_volume(struct bundle *b, int number, int64_t size_kib, json *props, struct err *err)
{
	struct volume v = { .number = number };
	char what[NAME_MAX_LEN + 32];
	json *checked, *doc;
	int rv;

	rv = volume_check_size(size_kib, err);
	if (rv < 0)
		return rv;
	v.size_kib = volume_round_size(size_kib, b->resource.encrypted);
	snprintf(what, sizeof(what), "volume %s/%d", b->resource.name, number);
	rv = props_new(what, props, &checked, err);
	if (rv < 0)
		return rv;
	if ((rv = filesystem_check(what, checked, err)) < 0 ||
	    (rv = check_filesystem(b, checked, err)) < 0 || (rv = give_key(b, &v, err)) < 0 ||
	    (rv = bundle_cache_of(b, checked, what, &v, err)) < 0 ||
	    (rv = promise_caches(b, &v, 1, err)) < 0 ||
	    (rv = take_minor(b, number, &v.minor, err)) < 0 ||
	    (rv = promise_more(b, v.size_kib, volume_extra_kib(v.size_kib, b->resource.encrypted),
			       err)) < 0) {
		json_object_put(checked);
		return rv;
	}
	b->env->uuid(v.uuid);
	doc = json_object_new_object();
	jset_i64(doc, "number", number);
	jset_str(doc, "uuid", v.uuid);
	jset_i64(doc, "size_kib", v.size_kib);
	jset_i64(doc, "minor", v.minor);
	jset(doc, "props", checked);
	if (v.key[0])
		jset_str(doc, "key", v.key);
	if (v.cache.pool[0])
		volume_cache_write(doc, &v.cache);
	rewrite_list(b, -1, doc);
	insert(b, &v);
	if (b->record_doc) /* its copies are made at once */
		bundle_want_filesystem(b, number);
	return 0;
}

void bundle_write_filesystem(struct bundle *b, int number, const struct filesystem *f)
{
	b->resource.volume[volume_at(b, number)].filesystem = *f;
	filesystem_write(bundle_volume_doc(b, number), f);
	b->dirty = true;
}

void bundle_want_filesystem(struct bundle *b, int number)
{
	const struct volume *v = &b->resource.volume[volume_at(b, number)];
	struct filesystem f;

	if (v->origin.uuid[0] || v->adopts.lv[0] || b->resource.nvme ||
	    !wants_filesystem(b, jget(bundle_volume_doc(b, number), "props"), &f))
		return;
	b->env->uuid(f.uuid);
	f.since_ms = b->env->now_ms;
	bundle_write_filesystem(b, number, &f);
}

void bundle_set_origin(struct bundle *b, int number, const struct volume_origin *o)
{
	struct volume *v = &b->resource.volume[volume_at(b, number)];

	v->origin = *o;
	v->adopts = (struct volume_adopted){ 0 };
	v->filesystem = (struct filesystem){ 0 };
	volume_write_origin(bundle_volume_doc(b, number), o);
	json_object_object_del(bundle_volume_doc(b, number), "adopts");
	json_object_object_del(bundle_volume_doc(b, number), "filesystem");
	b->dirty = true;
}

void bundle_set_adopted(struct bundle *b, int number, const struct volume_adopted *a)
{
	b->resource.volume[volume_at(b, number)].adopts = *a;
	volume_write_adopted(bundle_volume_doc(b, number), a);
	b->dirty = true;
}

void bundle_encrypt(struct bundle *b)
{
	b->resource.encrypted = true;
	jset(b->doc, "layers", layers_doc(resource_layers(&b->resource)));
	b->dirty = true;
}

void bundle_set_key(struct bundle *b, int number, const char *sealed)
{
	struct volume *v = &b->resource.volume[volume_at(b, number)];

	snprintf(v->key, sizeof(v->key), "%s", sealed);
	jset_str(bundle_volume_doc(b, number), "key", sealed);
	b->dirty = true;
}

int bundle_grow_volume(struct bundle *b, int number, int64_t size_kib, struct err *err)
{
	struct volume *v = &b->resource.volume[volume_at(b, number)];
	bool encrypted = b->resource.encrypted;
	int rv = promise_more(b, size_kib - v->size_kib,
			      volume_extra_kib(size_kib, encrypted) -
				      volume_extra_kib(v->size_kib, encrypted),
			      err);

	if (rv < 0)
		return rv;
	v->size_kib = size_kib;
	jset_i64(bundle_volume_doc(b, number), "size_kib", size_kib);
	b->dirty = true;
	return 0;
}

void bundle_put_leftover(struct bundle *b, const struct replica *r, const struct volume *v)
{
	json *doc = json_object_new_object();
	char key[STORE_KEY_MAX], id[LEFTOVER_ID_MAX];

	jset_str(doc, "node", r->node);
	jset_str(doc, "pool", r->pool);
	jset_str(doc, "resource", r->resource);
	jset_str(doc, "uuid", r->uuid);
	jset_i64(doc, "number", v->number);
	jset_str(doc, "volume", v->uuid);
	jset_i64(doc, "deleted_ms", b->env->now_ms);
	leftover_id(r->uuid, v->number, v->uuid, id);
	leftover_key(r->node, id, key, sizeof(key));
	txn_put(b->t, key, doc);
}

/* its files are not waited for any more: of a new volume of this number they must be made */
static int forget_made(struct bundle *b, struct replica *r, int number, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	if (!(r->made & 1u << number))
		return 0;
	rv = bundle_replica_doc(b, r, key, &doc, err);
	if (rv < 0)
		return rv;
	r->made &= ~(1u << number);
	replica_write_made(doc, r->made);
	txn_put(b->t, key, doc);
	return 0;
}

int bundle_drop_volume(struct bundle *b, int number, struct err *err)
{
	int k = volume_at(b, number), rv;
	struct volume v = b->resource.volume[k];
	char key[STORE_KEY_MAX];

	rv = promise_more(b, -v.size_kib, -volume_extra_kib(v.size_kib, b->resource.encrypted),
			  err);
	if (rv == 0)
		rv = promise_caches(b, &v, -1, err);
	if (rv < 0)
		return rv;
	for (int i = 0; i < b->n; i++) {
		if (b->replica[i].diskless)
			continue;
		bundle_put_leftover(b, &b->replica[i], &v);
		rv = forget_made(b, &b->replica[i], number, err);
		if (rv < 0)
			return rv;
	}
	minor_key(v.minor, key, sizeof(key));
	txn_put(b->t, key, NULL);
	rewrite_list(b, k, NULL);
	b->resource.n_volumes--;
	memmove(&b->resource.volume[k], &b->resource.volume[k + 1],
		(size_t)(b->resource.n_volumes - k) * sizeof(v));
	return 0;
}
