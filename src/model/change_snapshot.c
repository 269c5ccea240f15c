// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_snapshot.c - snapshots come and go, and resources are made from them or go
 * back to them. Called by the API. A snapshot belongs to its name and not to the
 * resource: it stays when that is deleted. Deleting never waits for a node, as with
 * resources.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/bundle.h"
#include "model/props.h"

/* ---- one that is there ---- */

static int load(struct change_env *env, struct txn *t, const char *resource, const char *name,
		struct snapshot *s, json **ret_doc, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	snapshot_key(resource, name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource %.60s: has no snapshot %.60s", resource, name);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	rv = snapshot_parse(doc, s, err);
	if (rv == 0 && ret_doc)
		*ret_doc = doc;
	else
		json_object_put(doc);
	return rv;
}

static int check_taken(const struct snapshot *s, struct err *err)
{
	if (s->taken)
		return 0;
	return err_set(err, -E_IN_USE, "resource %s: snapshot %s is being taken: wait for it",
		       s->resource, s->name);
}

static int load_taken(struct change_env *env, struct txn *t, const char *resource, const char *name,
		      struct snapshot *s, struct err *err)
{
	int rv = load(env, t, resource, name, s, NULL, err);

	return rv < 0 ? rv : check_taken(s, err);
}

static void put_leftovers(struct change_env *env, struct txn *t, const struct snapshot *s,
			  const struct snapshot_copy *c)
{
	for (int i = 0; i < s->n_volumes; i++) {
		const struct snapshot_volume *v = &s->volume[i];
		char key[STORE_KEY_MAX], id[LEFTOVER_ID_MAX];
		json *doc = json_object_new_object();

		jset_str(doc, "node", c->node);
		jset_str(doc, "pool", c->pool);
		jset_str(doc, "resource", s->resource);
		jset_str(doc, "snapshot", s->name);
		jset_str(doc, "uuid", s->uuid);
		jset_i64(doc, "number", v->number);
		jset_str(doc, "volume", v->uuid);
		jset_i64(doc, "deleted_ms", env->now_ms);
		leftover_id(s->uuid, v->number, v->uuid, id);
		leftover_key(c->node, id, key, sizeof(key));
		txn_put(t, key, doc);
	}
}

/* ---- begin ---- */

struct present {
	const char *resource;
	int n;
	struct err *err;
};

static int look_at_present(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct present *p = arg;

	p->n++;
	if (jget_bool(doc, "taken", false))
		return 0;
	return err_set(p->err, -E_IN_USE,
		       "resource %s: snapshot %.48s is being taken: try again when it is there",
		       p->resource, jget_str(doc, "name", "?"));
}

/* none of b is being taken; *ret_n: how many it has, then */
static int check_none_under_way(struct bundle *b, int *ret_n, struct err *err)
{
	struct present p = { .resource = b->resource.name, .err = err };
	char key[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	int rv;

	name_key(b->resource.name, low);
	snprintf(key, sizeof(key), "snapshot/%s/", low);
	rv = txn_list(b->t, b->env->store, key, look_at_present, &p);
	if (rv < 0 && rv != -E_IN_USE)
		err_set(err, rv, "%s: %s", key, err_name(rv));
	*ret_n = p.n;
	return rv;
}

/* of the name nothing is there, none is under way, and there are not too many */
static int check_new(struct bundle *b, const char *name, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv, n;

	snapshot_key(b->resource.name, name, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &doc);
	if (rv == 0) {
		json_object_put(doc);
		return err_set(err, -E_EXISTS,
			       "resource %s: has a snapshot %s already; choose another name or "
			       "delete it first",
			       b->resource.name, name);
	}
	if (rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	rv = check_none_under_way(b, &n, err);
	if (rv == 0 && n >= SNAPSHOTS_PER_RESOURCE_MAX)
		rv = err_set(err, -E_INVALID,
			     "resource %s: has %d snapshots, which is the limit; delete some first",
			     b->resource.name, n);
	return rv;
}

/* Its clients write without a word to us: nobody holds them back for the moment of the cut. */
static int check_replicated(const struct bundle *b, struct err *err)
{
	if (!b->resource.nvme)
		return 0;
	return err_set(err, -E_INVALID,
		       "resource %s: no snapshots are taken of what is reached by NVMe",
		       b->resource.name);
}

static bool pool_can(struct bundle *b, const struct replica *r)
{
	char key[STORE_KEY_MAX];
	struct pool p;
	bool can = false;
	json *doc;

	pool_key(r->node, r->pool, key, sizeof(key));
	if (txn_get(b->t, b->env->store, key, &doc) < 0)
		return false;
	if (pool_parse(doc, &p, NULL) == 0)
		can = pool_kind_can_snapshot(p.kind);
	json_object_put(doc);
	return can;
}

static bool has_all_volumes(const struct bundle *b, const struct replica *r)
{
	for (int i = 0; i < b->resource.n_volumes; i++) {
		if (!(r->made & 1u << b->resource.volume[i].number))
			return false;
	}
	return true;
}

static int choose_copies(struct bundle *b, struct snapshot *s, struct err *err)
{
	int n_thick = 0;

	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];
		struct snapshot_copy *c = &s->copy[s->n_copies];

		if (r->diskless || r->deleting || !has_all_volumes(b, r))
			continue;
		if (!pool_can(b, r)) {
			n_thick++;
			continue;
		}
		memcpy(c->node, r->node, sizeof(c->node));
		memcpy(c->pool, r->pool, sizeof(c->pool));
		s->n_copies++;
	}
	if (s->n_copies > 0)
		return 0;
	if (n_thick > 0)
		return err_set(
			err, -E_INVALID,
			"resource %s: none of its copies is in a pool that can take "
			"snapshots: use a thin pool (LVM_THIN), ZFS, or a directory whose file "
			"system can share blocks",
			s->resource);
	return err_set(err, -E_INVALID, "resource %s: no copy of it is made yet", s->resource);
}

int change_snapshot_begin(struct change_env *env, struct txn *t, const char *resource,
			  const char *name, json *props, struct err *err)
{
	struct snapshot s = { .created_ms = env->now_ms };
	char key[STORE_KEY_MAX], what[2 * NAME_MAX_LEN + 24];
	json *checked, *doc;
	struct bundle b;
	int rv;

	rv = snapshot_check_name(name, err);
	if (rv == 0)
		rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	memcpy(s.resource, b.resource.name, sizeof(s.resource));
	snprintf(s.name, sizeof(s.name), "%s", name);
	for (int i = 0; i < b.resource.n_volumes; i++) {
		struct snapshot_volume *v = &s.volume[s.n_volumes++];

		v->number = b.resource.volume[i].number;
		memcpy(v->uuid, b.resource.volume[i].uuid, sizeof(v->uuid));
		v->size_kib = b.resource.volume[i].size_kib;
		memcpy(v->key, b.resource.volume[i].key, sizeof(v->key));
	}
	rv = check_replicated(&b, err);
	if (rv == 0)
		rv = check_new(&b, name, err);
	if (rv == 0)
		rv = choose_copies(&b, &s, err);
	bundle_release(&b);
	snprintf(what, sizeof(what), "snapshot %s of %s", s.name, s.resource);
	if (rv < 0 || (rv = props_new(what, props, &checked, err)) < 0)
		return rv;
	env->uuid(s.uuid);
	doc = snapshot_doc(&s);
	jset(doc, "props", checked);
	snapshot_key(s.resource, s.name, key, sizeof(key));
	txn_put(t, key, doc);
	return 0;
}

/* ---- taken, deleted ---- */

static bool is_named(const char *node, const char *const nodes[], int n)
{
	for (int i = 0; i < n; i++) {
		if (strcasecmp(node, nodes[i]) == 0)
			return true;
	}
	return false;
}

int change_snapshot_taken(struct change_env *env, struct txn *t, const char *resource,
			  const char *name, const char *uuid, const char *const nodes[], int n,
			  struct err *err)
{
	char key[STORE_KEY_MAX];
	struct snapshot s;
	json *doc = NULL;
	int kept = 0, rv;

	rv = load(env, t, resource, name, &s, &doc, err);
	if (rv < 0)
		return rv;
	if (s.taken || strcasecmp(s.uuid, uuid) != 0) {
		json_object_put(doc);
		return err_set(err, -E_NOT_FOUND,
			       "resource %s: snapshot %s (%.36s) is not being taken any more",
			       s.resource, s.name, uuid);
	}
	for (int i = 0; i < s.n_copies; i++) {
		if (is_named(s.copy[i].node, nodes, n))
			s.copy[kept++] = s.copy[i];
		else
			put_leftovers(env, t, &s, &s.copy[i]);
	}
	s.n_copies = kept;
	s.taken = true;
	snapshot_write_copies(doc, &s);
	snapshot_key(s.resource, s.name, key, sizeof(key));
	txn_put(t, key, kept > 0 ? json_object_get(doc) : NULL);
	json_object_put(doc);
	return 0;
}

int change_snapshot_modify(struct change_env *env, struct txn *t, const char *resource,
			   const char *name, json *body, struct err *err)
{
	char key[STORE_KEY_MAX], what[2 * NAME_MAX_LEN + 24];
	struct snapshot s;
	json *doc = NULL;
	int rv = load(env, t, resource, name, &s, &doc, err);

	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "snapshot %s of %s", s.name, s.resource);
	rv = props_modify(what, doc, body, err);
	if (rv < 0) {
		json_object_put(doc);
		return rv;
	}
	snapshot_key(s.resource, s.name, key, sizeof(key));
	txn_put(t, key, doc);
	return 0;
}

int change_snapshot_delete(struct change_env *env, struct txn *t, const char *resource,
			   const char *name, struct err *err)
{
	char key[STORE_KEY_MAX];
	struct snapshot s;
	int rv = load_taken(env, t, resource, name, &s, err);

	if (rv < 0)
		return rv;
	for (int i = 0; i < s.n_copies; i++)
		put_leftovers(env, t, &s, &s.copy[i]);
	snapshot_key(s.resource, s.name, key, sizeof(key));
	txn_put(t, key, NULL);
	return 0;
}

int change_snapshot_delete_on(struct change_env *env, struct txn *t, const char *resource,
			      const char *name, const char *const nodes[], int n, bool *ret,
			      struct err *err)
{
	char key[STORE_KEY_MAX];
	struct snapshot s;
	json *doc = NULL;
	int kept = 0, rv;

	rv = load(env, t, resource, name, &s, &doc, err);
	if (rv == 0)
		rv = check_taken(&s, err);
	for (int i = 0; rv == 0 && i < s.n_copies; i++) {
		if (is_named(s.copy[i].node, nodes, n))
			put_leftovers(env, t, &s, &s.copy[i]);
		else
			s.copy[kept++] = s.copy[i];
	}
	if (rv == 0 && kept == s.n_copies)
		rv = err_set(err, -E_NOT_FOUND, "resource %s: none of these nodes has snapshot %s",
			     s.resource, s.name);
	if (rv == 0) {
		s.n_copies = kept;
		snapshot_write_copies(doc, &s);
		snapshot_key(s.resource, s.name, key, sizeof(key));
		txn_put(t, key, kept > 0 ? json_object_get(doc) : NULL);
		*ret = kept == 0;
	}
	json_object_put(doc);
	return rv;
}

struct holder {
	const char *node, *pool;
	struct err *err;
};

static int look_for_copy(const char *key, json *doc, uint64_t revision, void *arg)
{
	const struct holder *h = arg;
	const struct snapshot_copy *c;
	struct snapshot s;

	if (snapshot_parse(doc, &s, NULL) < 0)
		return 0;
	c = snapshot_copy_on(&s, h->node);
	if (!c || (h->pool && strcasecmp(c->pool, h->pool) != 0))
		return 0;
	return err_set(h->err, -E_IN_USE,
		       "node %.60s: has snapshot %s of %s in pool %s; delete the snapshot first",
		       h->node, s.name, s.resource, c->pool);
}

int change_snapshot_none_on(struct change_env *env, struct txn *t, const char *node,
			    const char *pool, struct err *err)
{
	struct holder h = { .node = node, .pool = pool, .err = err };
	int rv = txn_list(t, env->store, "snapshot/", look_for_copy, &h);

	return rv < 0 && rv != -E_IN_USE ? err_set(err, rv, "snapshots: %s", err_name(rv)) : rv;
}

/* ---- restore ---- */

/* a snapshot that is taken, and the resource that is to have its content; on an error neither */
static int load_both(struct change_env *env, struct txn *t, const char *resource, const char *name,
		     const char *to, struct snapshot *s, struct bundle *b, struct err *err)
{
	int rv = load_taken(env, t, resource, name, s, err);

	return rv < 0 ? rv : bundle_load(env, t, to, b, err);
}

/* rv: of all that was done to b, which is released */
static int save(struct bundle *b, int rv)
{
	if (rv == 0)
		bundle_save(b);
	bundle_release(b);
	return rv;
}

/* volumes of the snapshot's sizes, in a resource that has none */
static int add_volumes(struct bundle *b, const struct snapshot *s, struct err *err)
{
	int rv = 0;

	if (b->resource.n_volumes > 0)
		return err_set(err, -E_EXISTS, "resource %s: has volumes already",
			       b->resource.name);
	/* clients make it without a word about layers, and mean those of the snapshot */
	if (s->n_volumes > 0 && s->volume[0].key[0])
		bundle_encrypt(b);
	for (int i = 0; i < s->n_volumes && rv == 0; i++)
		rv = bundle_add_volume(b, s->volume[i].number, s->volume[i].size_kib, NULL, err);
	return rv;
}

int change_snapshot_volumes(struct change_env *env, struct txn *t, const char *resource,
			    const char *name, const char *to, struct err *err)
{
	struct snapshot s;
	struct bundle b;
	int rv = load_both(env, t, resource, name, to, &s, &b, err);

	if (rv < 0)
		return rv;
	rv = add_volumes(&b, &s, err);
	return save(&b, rv);
}

/* the resource has the snapshot's volumes, none smaller, and no others */
static int check_volumes(const struct bundle *b, const struct snapshot *s, struct err *err)
{
	const struct resource *r = &b->resource;

	for (int i = 0; i < r->n_volumes; i++) {
		const struct snapshot_volume *v = snapshot_volume(s, r->volume[i].number);

		if (!v)
			return err_set(err, -E_INVALID,
				       "resource %s: volume %d is not in snapshot %s of %s",
				       r->name, r->volume[i].number, s->name, s->resource);
		if (r->volume[i].size_kib < v->size_kib)
			return err_set(err, -E_INVALID,
				       "resource %s: volume %d is smaller than in snapshot %s of "
				       "%s",
				       r->name, v->number, s->name, s->resource);
		if (r->encrypted != !!v->key[0])
			return err_set(err, -E_INVALID,
				       "resource %s: snapshot %s of %s %s LUKS layer, and it %s",
				       r->name, s->name, s->resource,
				       v->key[0] ? "has a" : "has no",
				       v->key[0] ? "has none" : "has one");
	}
	if (r->n_volumes == s->n_volumes)
		return 0;
	return err_set(err, -E_INVALID, "resource %s: has %d volumes, snapshot %s of %s has %d",
		       r->name, r->n_volumes, s->name, s->resource, s->n_volumes);
}

static void set_origins(struct bundle *b, const struct snapshot *s)
{
	for (int i = 0; i < s->n_volumes; i++) {
		struct volume_origin o = { .size_kib = s->volume[i].size_kib };

		memcpy(o.resource, s->resource, sizeof(o.resource));
		memcpy(o.snapshot, s->name, sizeof(o.snapshot));
		memcpy(o.uuid, s->uuid, sizeof(o.uuid));
		bundle_set_origin(b, s->volume[i].number, &o);
		if (s->volume[i].key[0])
			bundle_set_key(b, s->volume[i].number, s->volume[i].key);
	}
}

static int restore(struct bundle *b, const struct snapshot *s, const char *const nodes[], int n,
		   struct err *err)
{
	uint32_t slots = 0;
	int slot, rv;

	for (int i = 0; i < n; i++) {
		if (!snapshot_copy_on(s, nodes[i]))
			return err_set(
				err, -E_INVALID,
				"node %.60s: has no snapshot %s of %s; leave it out, and add "
				"a copy there later",
				nodes[i], s->name, s->resource);
	}
	set_origins(b, s);
	for (int i = 0; i < s->n_copies; i++) {
		const struct snapshot_copy *c = &s->copy[i];

		if (n > 0 && !is_named(c->node, nodes, n))
			continue;
		rv = bundle_bear_replica(b, c->node, c->pool, &slot, err);
		if (rv < 0)
			return rv;
		slots |= 1u << slot;
	}
	bundle_add_record(b, slots);
	return 0;
}

int change_snapshot_spawn(struct change_env *env, struct txn *t, const char *resource,
			  const char *name, const char *to, struct err *err)
{
	struct snapshot s;
	struct bundle b;
	int rv = load_both(env, t, resource, name, to, &s, &b, err);

	if (rv < 0)
		return rv;
	rv = add_volumes(&b, &s, err);
	if (rv == 0)
		rv = restore(&b, &s, NULL, 0, err);
	return save(&b, rv);
}

int change_snapshot_restore(struct change_env *env, struct txn *t, const char *resource,
			    const char *name, const char *to, const char *const nodes[], int n,
			    struct err *err)
{
	struct snapshot s;
	struct bundle b;
	int rv = load_both(env, t, resource, name, to, &s, &b, err);

	if (rv < 0)
		return rv;
	if (b.n > 0 || b.record_doc)
		rv = err_set(err, -E_EXISTS,
			     "resource %s: has copies already; restore into a new resource, or "
			     "roll it back",
			     b.resource.name);
	else
		rv = check_volumes(&b, &s, err);
	if (rv == 0)
		rv = restore(&b, &s, nodes, n, err);
	return save(&b, rv);
}

/* ---- roll back ---- */

/* The resource becomes another one of the same name, with copies at the places of the former ones:
 * a node that has slept through it has a copy of a resource that is not there any more, and nobody
 * takes that for one of these. */
static int roll_back(struct bundle *b, const struct snapshot *s, struct err *err)
{
	uint32_t slots = 0;
	int rv;

	for (int i = b->n - 1; i >= 0; i--) {
		struct replica *r = &b->replica[i];
		const struct snapshot_copy *c = snapshot_copy_on(s, r->node);
		bool born = !r->diskless && c && strcasecmp(c->pool, r->pool) == 0;

		slots |= born && !r->deleting ? 1u << r->slot : 0;
		rv = r->deleting ? bundle_drop_replica(b, r, err)
				 : bundle_renew_replica(b, r, born, err);
		if (rv < 0)
			return rv;
	}
	if (slots == 0)
		return err_set(
			err, -E_INVALID,
			"resource %s: none of its copies is where snapshot %s is; restore it "
			"into a new resource",
			b->resource.name, s->name);
	bundle_renew(b);
	set_origins(b, s);
	bundle_renew_record(b, slots);
	return 0;
}

int change_snapshot_rollback(struct change_env *env, struct txn *t, const char *resource,
			     const char *name, struct err *err)
{
	struct snapshot s;
	struct bundle b;
	int n, rv = load_both(env, t, resource, name, resource, &s, &b, err);

	if (rv < 0)
		return rv;
	rv = bundle_check_closed(&b, err);
	if (rv == 0)
		rv = check_none_under_way(&b, &n, err);
	if (rv == 0 && !b.record_doc)
		rv = err_set(err, -E_INVALID, "resource %s: has no copies to roll back; restore it",
			     b.resource.name);
	if (rv == 0)
		rv = check_volumes(&b, &s, err);
	if (rv == 0)
		rv = roll_back(&b, &s, err);
	return save(&b, rv);
}
