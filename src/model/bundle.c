// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bundle.c - a resource with its record and replicas, and the steps of changing
 * it; those of its volumes are in bundle_volume.c. Called by change_resource.c,
 * change_volume.c, change_place.c and change_replica.c. It decides nothing by
 * itself: the rules are there.
 */
#include "model/bundle.h"
#include "model/scrub.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/connection.h"
#include "model/policy.h"
#include "model/promise.h"
#include "model/props.h"

struct load_arg {
	struct bundle *b;
	struct err *err;
};

static int load_replica(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct load_arg *a = arg;
	struct bundle *b = a->b;
	int rv;

	if (b->n == REPLICAS_MAX)
		return err_set(a->err, -E_CORRUPT, "%s: more than %d replicas", key, REPLICAS_MAX);
	rv = replica_parse(doc, &b->replica[b->n], a->err);
	if (rv < 0)
		return rv;
	b->n++;
	return 0;
}

static int load_record(struct bundle *b, struct err *err)
{
	char key[STORE_KEY_MAX];
	int rv;

	record_key(b->resource.name, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &b->record_doc);
	if (rv == -E_NOT_FOUND)
		return 0;
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	return record_parse(b->record_doc, &b->record, err);
}

int bundle_load(struct change_env *env, struct txn *t, const char *name, struct bundle *b,
		struct err *err)
{
	struct load_arg a = { .b = b, .err = err };
	char key[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	int rv;

	*b = (struct bundle){ .env = env, .t = t, .record.writer = WRITER_NONE };
	resource_key(name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &b->doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource %.60s: there is no such resource", name);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	name_key(name, low);
	if ((rv = resource_parse(b->doc, &b->resource, err)) < 0 || (rv = load_record(b, err)) < 0)
		goto release;
	snprintf(key, sizeof(key), "replica/%s/", low);
	if (err)
		err->code = 0;
	rv = txn_list(t, env->store, key, load_replica, &a);
	if (rv < 0) {
		if (err && err->code == 0)
			err_set(err, rv, "%s: %s", key, err_name(rv));
		goto release;
	}
	return 0;
release:
	bundle_release(b);
	return rv;
}

static int check_new(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	struct store_count count;
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = resource_check_name(name, err);
	if (rv < 0)
		return rv;
	resource_key(name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == 0) {
		rv = err_set(err, -E_EXISTS,
			     "resource %s exists already; choose another name or delete it first",
			     jget_str(doc, "name", name));
		json_object_put(doc);
		return rv;
	}
	if (rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	/* Not noted as read: requests in flight together may pass the limit by their number,
	 * which is better than every creation conflicting with every other. */
	rv = store_count(env->store, "resource/", &count);
	if (rv < 0)
		return err_set(err, rv, "resources: %s", err_name(rv));
	if (count.documents >= RESOURCES_MAX)
		return err_set(err, -E_INVALID,
			       "resource %s: the cluster has %d resources, which is the limit; "
			       "delete some first",
			       name, RESOURCES_MAX);
	return 0;
}

/* the group's name as it is written there, and its layers where the request says nothing */
static int find_group(struct change_env *env, struct txn *t, const char *group, char *out,
		      enum layers *layers, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	if (!group || !*group)
		group = GROUP_DEFAULT;
	group_key(group, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv,
			       "resource group %.60s: there is no such group; create it first",
			       group);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	snprintf(out, NAME_MAX_LEN + 1, "%s", jget_str(doc, "name", group));
	rv = *layers == LAYERS_UNSAID
		     ? layers_parse(jget(jget(doc, "select_filter"), "layer_stack"), layers, err)
		     : 0;
	json_object_put(doc);
	return rv;
}

/* the keys of its volumes will be sealed by it */
static int need_encryption(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	json *doc;
	int rv = txn_get(t, env->store, ENCRYPTION_KEY, &doc);

	if (rv == -E_NOT_FOUND)
		return err_set(err, -E_LOCKED,
			       "resource %s: this cluster has no passphrase yet, which encryption "
			       "begins with: sdsd encryption create-passphrase",
			       name);
	if (rv < 0)
		return err_set(err, rv, ENCRYPTION_KEY ": %s", err_name(rv));
	json_object_put(doc);
	return 0;
}

/* All else that leaves a node is encrypted: whoever wants this has to say so. */
static int check_plaintext(struct bundle *b, struct err *err)
{
	if (!b->resource.nvme || policy_load(b->env->store, b->doc).nvme_plaintext)
		return 0;
	return err_set(err, -E_BAD_LAYERS,
		       "resource %s: NVMe over TCP carries its content unencrypted: set the "
		       "property " POLICY_NVME " to on, of the resource, its group or the "
		       "controller, where the network is trusted",
		       b->resource.name);
}

int bundle_make(struct change_env *env, struct txn *t, const char *name, const char *group,
		enum layers layers, json *props, struct bundle *b, struct err *err)
{
	char what[NAME_MAX_LEN + 16];
	json *checked;
	int rv;

	*b = (struct bundle){ .env = env, .t = t, .dirty = true, .record.writer = WRITER_NONE };
	if ((rv = check_new(env, t, name, err)) < 0 ||
	    (rv = find_group(env, t, group, b->resource.group, &layers, err)) < 0)
		return rv;
	resource_set_layers(&b->resource, layers);
	if (b->resource.encrypted && (rv = need_encryption(env, t, name, err)) < 0)
		return rv;
	snprintf(what, sizeof(what), "resource %s", name);
	rv = props_new(what, props, &checked, err);
	if (rv < 0)
		return rv;
	snprintf(b->resource.name, sizeof(b->resource.name), "%s", name);
	env->uuid(b->resource.uuid);
	b->resource.created_ms = env->now_ms;
	b->doc = resource_doc(&b->resource);
	jset(b->doc, "props", checked);
	rv = policy_check(what, checked, err);
	return rv < 0 ? rv : check_plaintext(b, err);
}

void bundle_release(struct bundle *b)
{
	json_object_put(b->doc);
	json_object_put(b->record_doc);
	b->doc = b->record_doc = NULL;
}

void bundle_save(struct bundle *b)
{
	char key[STORE_KEY_MAX];

	if (b->dirty) {
		resource_key(b->resource.name, key, sizeof(key));
		txn_put(b->t, key, json_object_get(b->doc));
	}
	record_key(b->resource.name, key, sizeof(key));
	if (b->record_gone)
		txn_put(b->t, key, NULL);
	else if (b->record_dirty)
		txn_put(b->t, key, json_object_get(b->record_doc));
	b->dirty = b->record_dirty = b->record_gone = false;
}

struct replica *bundle_replica_on(struct bundle *b, const char *node)
{
	for (int i = 0; i < b->n; i++) {
		if (strcasecmp(b->replica[i].node, node) == 0)
			return &b->replica[i];
	}
	return NULL;
}

struct replica *bundle_replica_at(struct bundle *b, int slot)
{
	for (int i = 0; i < b->n; i++) {
		if (b->replica[i].slot == slot)
			return &b->replica[i];
	}
	return NULL;
}

int bundle_replica_doc(const struct bundle *b, const struct replica *r, char key[STORE_KEY_MAX],
		       json **ret, struct err *err)
{
	int rv;

	replica_key(r->resource, r->node, key, STORE_KEY_MAX);
	rv = txn_get(b->t, b->env->store, key, ret);
	return rv < 0 ? err_set(err, rv, "%s: %s", key, err_name(rv)) : 0;
}

int bundle_copies(const struct bundle *b)
{
	int n = 0;

	for (int i = 0; i < b->n; i++)
		n += !b->replica[i].diskless && !b->replica[i].deleting;
	return n;
}

int bundle_wanted(const struct bundle *b)
{
	return b->resource.copies ? b->resource.copies : bundle_copies(b);
}

void bundle_want(struct bundle *b, int copies)
{
	if (copies < 1 || copies == b->resource.copies)
		return;
	b->resource.copies = copies;
	jset_i64(b->doc, "copies", copies);
	b->dirty = true;
}

void bundle_want_those(struct bundle *b)
{
	int n = 0;

	for (int i = 0; i < b->n; i++) {
		const struct replica *r = &b->replica[i];

		n += !r->diskless && !r->deleting && !r->quarantined &&
		     observed_online(b->env->observed, r->node, b->env->mono_ms);
	}
	bundle_want(b, n > b->resource.copies ? n : b->resource.copies);
}

/* owned by the caller */
static json *report_of(struct bundle *b, const char *node)
{
	return observed_replica(b->env->observed, node, b->resource.name, b->env->mono_ms);
}

int bundle_check_heard(struct bundle *b, struct err *err)
{
	for (int i = 0; i < b->n; i++) {
		const char *node = b->replica[i].node;

		if (observed_awaited(b->env->observed, node, b->env->mono_ms))
			return err_set(err, -EAGAIN,
				       "resource %s: %s has not told the new leader yet whether it "
				       "is open there",
				       b->resource.name, node);
	}
	return 0;
}

bool bundle_in_set(const struct bundle *b, const struct replica *r)
{
	return b->record_doc && (b->record.in_sync & (1u << r->slot));
}

bool bundle_is_open_on(struct bundle *b, const char *node)
{
	json *report = report_of(b, node);
	bool open = jget_bool(report, "open", false);

	json_object_put(report);
	return open;
}

bool bundle_writer_is_active(struct bundle *b)
{
	struct replica *w = NULL;
	json *report;
	bool active;

	if (b->record_doc && b->record.writer != WRITER_NONE)
		w = bundle_replica_at(b, b->record.writer);
	if (!w)
		return false;
	report = report_of(b, w->node);
	active = jget_bool(report, "open", false) || jget_bool(report, "serving", false);
	json_object_put(report);
	return active;
}

int bundle_check_closed(struct bundle *b, struct err *err)
{
	int rv = bundle_check_heard(b, err);

	if (rv < 0)
		return rv;
	for (int i = 0; i < b->n; i++) {
		if (bundle_is_open_on(b, b->replica[i].node))
			return err_set(err, -E_IN_USE,
				       "resource %s: open on %s: close it there first",
				       b->resource.name, b->replica[i].node);
	}
	return 0;
}

int bundle_check_unused(struct bundle *b, struct err *err)
{
	const struct replica *writer;
	int rv;

	if ((rv = bundle_check_closed(b, err)) < 0)
		return rv;
	if (!bundle_writer_is_active(b))
		return 0;
	writer = bundle_replica_at(b, b->record.writer);
	return err_set(
		err, -E_IN_USE,
		"resource %s: %s is bringing other copies up to date; try again when they are",
		b->resource.name, writer->node);
}

static int free_slot(struct bundle *b)
{
	for (int slot = 0; slot < REPLICAS_MAX; slot++) {
		if (!bundle_replica_at(b, slot))
			return slot;
	}
	return -1;
}

/* What goes over NVMe is not replicated. */
static int check_one(const struct bundle *b, struct err *err)
{
	int copies = 0;

	for (int i = 0; i < b->n; i++)
		copies += !b->replica[i].diskless;
	if (!b->resource.nvme || copies == 0)
		return 0;
	return err_set(err, -E_INVALID,
		       "resource %s: of the layers NVME and STORAGE, which have one copy: others "
		       "reach it without a disk",
		       b->resource.name);
}

int bundle_promise(struct bundle *b, const char *node, const char *pool, const struct promise *more,
		   struct err *err)
{
	int rv = promise_add(b->t, b->env->store, node, pool, more);

	return rv < 0 ? err_set(err, rv, "pool %s/%s: %s", node, pool, err_name(rv)) : 0;
}

/* What placement sees to, for those who name pools themselves. */
static int check_cache(struct bundle *b, const char *node, const char *pool, const char *cache,
		       struct err *err)
{
	const char *noun = volume_cache_noun(b->resource.reads);
	char key[STORE_KEY_MAX];
	struct pool found;
	json *doc = NULL;
	int rv;

	pool_key(node, cache, key, sizeof(key));
	rv = txn_get(b->t, b->env->store, key, &doc);
	if (rv == 0)
		rv = pool_parse(doc, &found, err);
	json_object_put(doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, -E_NO_NODES, "resource %s: %s has no pool %s for its %s",
			       b->resource.name, node, cache, noun);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	if (found.kind == POOL_LVM && strcasecmp(pool, cache) != 0)
		return 0;
	return err_set(err, -E_NO_NODES, "resource %s: pool %s/%s cannot keep its %s: %s",
		       b->resource.name, node, cache, noun,
		       found.kind == POOL_LVM ? "the copy is in it" : "it is not of kind LVM");
}

int bundle_promise_cache(struct bundle *b, const char *node, const char *pool,
			 const struct volume *v, int sign, struct err *err)
{
	const struct promise more = { sign * v->cache.size_kib, 0, sign };
	int rv;

	if (!v->cache.pool[0])
		return 0;
	rv = sign > 0 ? check_cache(b, node, pool, v->cache.pool, err) : 0;
	return rv < 0 ? rv : bundle_promise(b, node, v->cache.pool, &more, err);
}

/* of a copy that comes (1) or goes (-1) */
static int promise_copy(struct bundle *b, const char *node, const char *pool, int sign,
			struct err *err)
{
	const struct resource *r = &b->resource;
	int rv = bundle_promise(b, node, pool,
				&(struct promise){ sign * resource_size_kib(r),
						   sign * resource_extra_kib(r), sign },
				err);

	for (int i = 0; i < r->n_volumes && rv == 0; i++)
		rv = bundle_promise_cache(b, node, pool, &r->volume[i], sign, err);
	return rv;
}

static int add_replica(struct bundle *b, const char *node, const char *pool, bool born,
		       int *ret_slot, struct err *err)
{
	struct replica *r = &b->replica[b->n];
	char key[STORE_KEY_MAX];
	int slot = free_slot(b), rv;
	json *doc;

	if (slot < 0)
		return err_set(
			err, -E_INVALID,
			"resource %s: %d nodes have a replica, which is the limit; delete one "
			"that is not needed first",
			b->resource.name, REPLICAS_MAX);
	rv = pool ? check_one(b, err) : check_plaintext(b, err);
	if (rv < 0)
		return rv;
	*r = (struct replica){ .slot = slot, .diskless = !pool, .born = born };
	snprintf(r->resource, sizeof(r->resource), "%s", b->resource.name);
	snprintf(r->node, sizeof(r->node), "%s", node);
	snprintf(r->pool, sizeof(r->pool), "%s", pool ? pool : "");
	b->env->uuid(r->uuid);
	if (pool && (rv = promise_copy(b, node, pool, 1, err)) < 0)
		return rv;
	replica_key(r->resource, node, key, sizeof(key));
	txn_put(b->t, key, replica_doc(r));
	doc = json_object_new_object();
	jset_str(doc, "resource", r->resource);
	jset_str(doc, "node", r->node);
	placed_key(node, r->resource, key, sizeof(key));
	txn_put(b->t, key, doc);
	b->n++;
	if (ret_slot)
		*ret_slot = slot;
	return 0;
}

int bundle_add_replica(struct bundle *b, const char *node, const char *pool, int *ret_slot,
		       struct err *err)
{
	return add_replica(b, node, pool, false, ret_slot, err);
}

int bundle_bear_replica(struct bundle *b, const char *node, const char *pool, int *ret_slot,
			struct err *err)
{
	return add_replica(b, node, pool, true, ret_slot, err);
}

void bundle_renew_record(struct bundle *b, uint32_t slots)
{
	b->record = (struct record){ .epoch = 1, .writer = WRITER_NONE, .in_sync = slots };
	json_object_put(b->record_doc);
	b->record_doc = record_doc(&b->record, b->resource.uuid);
	b->record_dirty = true;
}

void bundle_add_record(struct bundle *b, uint32_t slots)
{
	if (b->record_doc || !slots)
		return;
	bundle_renew_record(b, slots);
	for (int i = 0; i < b->resource.n_volumes; i++)
		bundle_want_filesystem(b, b->resource.volume[i].number);
}

/* its pool promises less, and its files are to be removed */
static int leave_disk(struct bundle *b, const struct replica *r, struct err *err)
{
	int rv;

	if (r->diskless)
		return 0;
	rv = promise_copy(b, r->node, r->pool, -1, err);
	if (rv < 0)
		return rv;
	for (int i = 0; i < b->resource.n_volumes; i++)
		bundle_put_leftover(b, r, &b->resource.volume[i]);
	return 0;
}

int bundle_put_plans(struct bundle *b, const struct replica *r, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = bundle_replica_doc(b, r, key, &doc, err);
	if (rv < 0)
		return rv;
	replica_write_plans(doc, r);
	txn_put(b->t, key, doc);
	return 0;
}

int bundle_drop_disk(struct bundle *b, struct replica *r, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = leave_disk(b, r, err);

	if (rv < 0)
		return rv;
	rv = bundle_replica_doc(b, r, key, &doc, err);
	if (rv < 0)
		return rv;
	r->diskless = true;
	r->pool[0] = r->migrates[0] = '\0';
	r->open_ms = r->drawn_ms = 0; /* whoever is to get a disk again has to wait again */
	r->made = 0;
	r->born = r->deleting = r->becomes_client = r->quarantined = false;
	r->inactive &= !r->refetch.wanted; /* there is nothing left to fetch again */
	jset_bool(doc, "diskless", true);
	jset_str(doc, "pool", "");
	json_object_object_del(doc, "born");
	replica_write_made(doc, 0);
	replica_write_plans(doc, r);
	replica_write_quarantine(doc, NULL, 0);
	txn_put(b->t, key, doc);
	return 0;
}

int bundle_give_disk(struct bundle *b, struct replica *r, const char *pool, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = check_one(b, err);

	if (rv < 0)
		return rv;
	rv = promise_copy(b, r->node, pool, 1, err);
	if (rv < 0)
		return rv;
	rv = bundle_replica_doc(b, r, key, &doc, err);
	if (rv < 0)
		return rv;
	r->diskless = false;
	snprintf(r->pool, sizeof(r->pool), "%s", pool);
	jset_bool(doc, "diskless", false);
	jset_str(doc, "pool", r->pool);
	replica_write_plans(doc, r);
	txn_put(b->t, key, doc);
	return 0;
}

int bundle_drop_replica(struct bundle *b, struct replica *r, struct err *err)
{
	char key[STORE_KEY_MAX];
	int rv = leave_disk(b, r, err);

	if (rv < 0)
		return rv;
	replica_key(r->resource, r->node, key, sizeof(key));
	txn_put(b->t, key, NULL);
	placed_key(r->node, r->resource, key, sizeof(key));
	txn_put(b->t, key, NULL);
	b->dirty |= connection_forget(b->doc, r->node, NULL);
	b->n--;
	memmove(r, r + 1, (size_t)(&b->replica[b->n] - r) * sizeof(*r));
	return 0;
}

int bundle_renew_replica(struct bundle *b, struct replica *r, bool born, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = bundle_replica_doc(b, r, key, &doc, err);
	if (rv < 0)
		return rv;
	for (int i = 0; i < b->resource.n_volumes && !r->diskless; i++)
		bundle_put_leftover(b, r, &b->resource.volume[i]);
	b->env->uuid(r->uuid);
	r->made = 0;
	r->born = born;
	r->quarantined = false;
	r->inactive &= !r->refetch.wanted; /* it fetches everything */
	jset_str(doc, "uuid", r->uuid);
	replica_write_plans(doc, r);
	replica_write_made(doc, r->made);
	jset_bool(doc, "born", born);
	replica_write_quarantine(doc, NULL, 0);
	txn_put(b->t, key, doc);
	return 0;
}

void bundle_renew(struct bundle *b)
{
	b->env->uuid(b->resource.uuid);
	jset_str(b->doc, "uuid", b->resource.uuid);
	for (int i = 0; i < b->resource.n_volumes; i++) {
		struct volume *v = &b->resource.volume[i];

		b->env->uuid(v->uuid);
		jset_str(bundle_volume_doc(b, v->number), "uuid", v->uuid);
	}
	b->dirty = true;
}

int bundle_bump_record(struct bundle *b, uint32_t in_sync, struct err *err)
{
	if (b->record.epoch >= EPOCH_LAST)
		return err_set(err, -E_INVALID, "resource %s: its epochs are used up",
			       b->resource.name);
	if (!record_is_released(&b->record))
		b->record.tag = (struct record_tag){ 0 };
	record_raise(&b->record, b->record.epoch + 1);
	b->record.writer = WRITER_NONE;
	b->record.in_sync = in_sync;
	record_write(b->record_doc, &b->record);
	b->record_dirty = true;
	return 0;
}

int bundle_drop_replicas(struct bundle *b, struct err *err)
{
	while (b->n > 0) {
		int rv = bundle_drop_replica(b, &b->replica[b->n - 1], err);

		if (rv < 0)
			return rv;
	}
	b->record_gone = b->record_doc != NULL;
	return 0;
}

int bundle_drop_all(struct bundle *b, struct err *err)
{
	char key[STORE_KEY_MAX];
	int rv = bundle_drop_replicas(b, err);

	if (rv < 0)
		return rv;
	scrub_key(b->resource.name, key, sizeof(key));
	txn_put(b->t, key, NULL);
	for (int i = 0; i < b->resource.n_volumes; i++) {
		minor_key(b->resource.volume[i].minor, key, sizeof(key));
		txn_put(b->t, key, NULL);
	}
	return 0;
}
