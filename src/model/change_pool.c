// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_pool.c - pools of a node. Called by the API. What a pool is made of is
 * looked after by the node's agent: where sdsd itself makes it of devices, what
 * is to be done is a task in the pool's document, which stays until the node has
 * said that it is done, whenever that is.
 */
#include "model/node_docs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/pool_task.h"
#include "model/promise.h"
#include "model/props.h"
#include "model/tuning.h"

static int get_pool(struct change_env *env, struct txn *t, const char *node, const char *name,
		    json **ret, struct err *err)
{
	char key[STORE_KEY_MAX];
	int rv;

	pool_key(node, name, key, sizeof(key));
	rv = txn_get(t, env->store, key, ret);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "pool %.60s/%.60s: there is no such pool", node, name);
	return rv < 0 ? err_set(err, rv, "%s: %s", key, err_name(rv)) : 0;
}

static void put_pool(struct txn *t, const char *node, const char *name, json *doc)
{
	char key[STORE_KEY_MAX];

	pool_key(node, name, key, sizeof(key));
	txn_put(t, key, doc);
}

struct create_check {
	const struct pool *p;
	int count;
	struct err *err;
};

static int check_against(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct create_check *c = arg;
	const char *name = jget_str(doc, "name", "");

	c->count++;
	if (strcasecmp(name, c->p->name) == 0)
		return err_set(c->err, -E_EXISTS,
			       "pool %s/%s exists already; choose another name or delete it first",
			       c->p->node, name);
	if (strcmp(jget_str(doc, "source", ""), c->p->source) == 0)
		return err_set(c->err, -E_EXISTS,
			       "pool %s/%s: %s belongs to pool %s/%s already; choose another one",
			       c->p->node, c->p->name, c->p->source, c->p->node, name);
	return 0;
}

/* task NULL: somebody has made it already */
static int add(struct change_env *env, struct txn *t, const struct pool *p, json *props,
	       const struct pool_task *task, struct err *err)
{
	char key[STORE_KEY_MAX], prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	char what[2 * NAME_MAX_LEN + 16];
	struct pool made = *p;
	struct create_check c = { .p = &made, .err = err };
	json *doc, *checked;
	int rv;

	if ((rv = pool_check(p, err)) < 0 ||
	    (rv = node_docs_find(env, t, p->node, made.node, err)) < 0)
		return rv;
	name_key(p->node, low);
	snprintf(prefix, sizeof(prefix), "pool/%s/", low);
	rv = txn_list(t, env->store, prefix, check_against, &c);
	if (rv == -E_EXISTS)
		return rv;
	if (rv < 0)
		return err_set(err, rv, "%s: %s", prefix, err_name(rv));
	if (c.count >= POOLS_PER_NODE_MAX)
		return err_set(err, -E_INVALID,
			       "pool %s/%s: the node has %d pools, which is the limit", made.node,
			       made.name, POOLS_PER_NODE_MAX);
	snprintf(what, sizeof(what), "pool %s/%s", made.node, made.name);
	rv = props_new(what, props, &checked, err);
	if (rv == 0 && (rv = tuning_check(what, checked, err)) < 0)
		json_object_put(checked);
	if (rv < 0)
		return rv;
	if (!made.uuid[0])
		env->uuid(made.uuid);
	doc = pool_doc(&made);
	jset(doc, "props", checked);
	if (task) {
		jset(doc, "devices", json_object_new_array());
		jset(doc, "task", pool_task_doc(task));
	}
	pool_key(made.node, made.name, key, sizeof(key));
	txn_put(t, key, doc);
	return 0;
}

int change_pool_create(struct change_env *env, struct txn *t, const struct pool *p, json *props,
		       struct err *err)
{
	return add(env, t, p, props, NULL, err);
}

/* --- whose device is it? ---------------------------------------------------- */

struct owners {
	const struct pool_task *task;
	const char *but; /* of this pool they may be */
	struct err *err;
};

static bool is_device(json *text, const char *device)
{
	return text && strcmp(json_object_get_string(text), device) == 0;
}

static bool lists(json *list, const char *device)
{
	if (!json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (is_device(json_object_array_get_idx(list, i), device))
			return true;
	}
	return false;
}

static int check_owner(const char *key, json *doc, uint64_t revision, void *arg)
{
	const struct owners *o = arg;
	const char *name = jget_str(doc, "name", "");

	for (int i = 0; i < o->task->n; i++) {
		const char *device = o->task->device[i];

		if (strcasecmp(name, o->but) != 0 &&
		    (lists(jget(doc, "devices"), device) ||
		     lists(jget(jget(doc, "task"), "devices"), device)))
			return err_set(o->err, -E_EXISTS, "device %s: it belongs to pool %s/%s",
				       device, jget_str(doc, "node", ""), name);
	}
	return 0;
}

static int check_owners(struct change_env *env, struct txn *t, const char *node, const char *but,
			const struct pool_task *task, struct err *err)
{
	struct owners o = { .task = task, .but = but, .err = err };
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	int rv;

	name_key(node, low);
	snprintf(prefix, sizeof(prefix), "pool/%s/", low);
	rv = txn_list(t, env->store, prefix, check_owner, &o);
	if (rv == -E_EXISTS || rv == 0)
		return rv;
	return err_set(err, rv, "%s: %s", prefix, err_name(rv));
}

/* As its node has reported it last: the answer is at hand then. The node decides. */
static int check_reported(struct change_env *env, const char *node, const struct pool_task *task,
			  struct err *err)
{
	json *disks = jget(observed_node(env->observed, node, env->mono_ms), "disks");
	size_t n =
		json_object_is_type(disks, json_type_array) ? json_object_array_length(disks) : 0;

	for (size_t i = 0; i < n; i++) {
		json *o = json_object_array_get_idx(disks, i);
		const char *path = jget_str(o, "device", ""), *id = jget_str(o, "by_id", "");
		const char *reason = jget_str(o, "reason", "");
		bool wipeable = jget_bool(o, "wipeable", false);

		for (int k = 0; k < task->n; k++) {
			const char *device = task->device[k];

			if ((strcmp(device, path) != 0 && strcmp(device, id) != 0) || !reason[0] ||
			    (wipeable && task->wipe))
				continue;
			return err_set(err, wipeable ? -E_INVALID : -E_IN_USE, "device %s: %s%s",
				       device, reason,
				       wipeable ? "; asked to wipe it, sdsd would erase that" : "");
		}
	}
	return 0;
}

int change_pool_make(struct change_env *env, struct txn *t, const struct pool *p, json *props,
		     const struct pool_task *task, struct err *err)
{
	struct pool made = *p;
	struct pool_task own = *task;
	int rv;

	own.kind = TASK_MAKE;
	if ((rv = pool_task_source(&made, err)) < 0 || (rv = pool_task_check(&own, err)) < 0) {
		err_prefix(err, "pool %s/%s", p->node, p->name);
		return rv;
	}
	if ((rv = check_owners(env, t, p->node, "", &own, err)) < 0 ||
	    (rv = check_reported(env, p->node, &own, err)) < 0)
		return rv;
	env->uuid(own.uuid);
	return add(env, t, &made, props, &own, err);
}

struct leftovers {
	const char *pool;
	int n;
};

static int count_leftover(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct leftovers *l = arg;

	l->n += strcasecmp(jget_str(doc, "pool", ""), l->pool) == 0;
	return 0;
}

/* The agent finds a leftover's files through the pool, so the pool stays until they are gone. */
static int check_clean(struct change_env *env, struct txn *t, const char *node, const char *name,
		       struct err *err)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	struct leftovers l = { .pool = name };
	int rv;

	name_key(node, low);
	snprintf(prefix, sizeof(prefix), "leftover/%s/", low);
	rv = txn_list(t, env->store, prefix, count_leftover, &l);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", prefix, err_name(rv));
	if (l.n == 0)
		return 0;
	if (observed_online(env->observed, node, env->mono_ms))
		return err_set(err, -E_IN_USE,
			       "pool %s/%s: files of %d deleted replicas are being removed; try "
			       "again in a moment",
			       node, name, l.n);
	return err_set(err, -E_IN_USE,
		       "pool %s/%s: has files of %d deleted replicas and its node is offline; try "
		       "again when it is back, or delete the node when it is gone for good",
		       node, name, l.n);
}

/* the document of a pool that holds nothing any more, for the caller to put */
static int get_empty(struct change_env *env, struct txn *t, const char *node, const char *name,
		     json **ret, struct err *err)
{
	struct promise p;
	int rv = get_pool(env, t, node, name, ret, err);

	if (rv < 0)
		return rv;
	rv = promise_read(t, env->store, node, name, &p);
	if (rv < 0)
		err_set(err, rv, "pool %s/%s: %s", node, name, err_name(rv));
	else if (p.replicas > 0)
		rv = err_set(err, -E_IN_USE,
			     "pool %s/%s: has %lld replicas; delete or move them first", node, name,
			     (long long)p.replicas);
	else if ((rv = change_snapshot_none_on(env, t, node, name, err)) == 0)
		rv = check_clean(env, t, node, name, err);
	if (rv < 0)
		json_object_put(*ret);
	return rv;
}

/* What it is made of is no property that could change, though it is shown as one. */
static int modify_props(const char *what, json *doc, json *body, struct err *err)
{
	static const char *const fixed[] = { "StorDriver/StorPoolName", "StorDriver/FileDir" };
	const char *source = jget_str(doc, "source", "");
	json *props = jget(doc, "props");
	int rv;

	for (size_t i = 0; i < 2; i++)
		jset_str(props, fixed[i], source);
	rv = props_modify(what, doc, body, err);
	if (rv == 0)
		rv = tuning_check(what, jget(doc, "props"), err);
	props = jget(doc, "props");
	for (size_t i = 0; i < 2 && rv == 0; i++) {
		if (strcmp(jget_str(props, fixed[i], ""), source) != 0)
			rv = err_set(err, -E_BAD_PROP,
				     "%s: is made of %s, and %s stays so: create another pool",
				     what, source, fixed[i]);
		json_object_object_del(props, fixed[i]);
	}
	return rv;
}

int change_pool_modify(struct change_env *env, struct txn *t, const char *node, const char *name,
		       json *body, struct err *err)
{
	char what[2 * NAME_MAX_LEN + 16];
	json *doc;
	int rv = get_pool(env, t, node, name, &doc, err);

	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "pool %.48s/%.48s", node, name);
	if (!json_object_is_type(jget(doc, "props"), json_type_object))
		jset(doc, "props", json_object_new_object());
	rv = modify_props(what, doc, body, err);
	if (rv == 0)
		put_pool(t, node, name, json_object_get(doc));
	json_object_put(doc);
	return rv;
}

int change_pool_delete(struct change_env *env, struct txn *t, const char *node, const char *name,
		       struct err *err)
{
	json *doc;
	int rv = get_empty(env, t, node, name, &doc, err);

	if (rv < 0)
		return rv;
	json_object_put(doc);
	put_pool(t, node, name, NULL);
	return 0;
}

int change_pool_destroy(struct change_env *env, struct txn *t, const char *node, const char *name,
			struct err *err)
{
	struct pool_task task = { .kind = TASK_DESTROY };
	json *doc;
	int rv = get_empty(env, t, node, name, &doc, err);

	if (rv < 0)
		return rv;
	if (!jget(doc, "devices")) {
		rv = err_set(err, -E_INVALID,
			     "pool %s/%s: was not made by sdsd: %s is not ours to destroy", node,
			     name, jget_str(doc, "source", ""));
	} else if (pool_task_kind(doc) != TASK_DESTROY) {
		env->uuid(task.uuid);
		jset(doc, "task", pool_task_doc(&task));
		put_pool(t, node, name, json_object_get(doc));
	}
	json_object_put(doc);
	return rv;
}

/* --- tasks ------------------------------------------------------------------ */

/* A task that has failed gives way to another, so that a wrong device can be corrected; but what is
 * being made is not there yet, and what is being destroyed is not there any more. */
static int check_present(json *doc, const char *what, struct err *err)
{
	enum pool_task_kind present = pool_task_kind(doc);

	if (!jget(doc, "devices"))
		return err_set(
			err, -E_INVALID,
			"%s: was not made by sdsd: extend or remove %s with the tools of its "
			"machine",
			what, jget_str(doc, "source", ""));
	if (present == TASK_MAKE)
		return err_set(err, -E_IN_USE, "%s: is still being made", what);
	if (present == TASK_DESTROY)
		return err_set(err, -E_IN_USE, "%s: is being destroyed", what);
	return 0;
}

static int check_replace(json *doc, const struct pool_task *task, struct err *err)
{
	struct pool p;

	if (task->kind != TASK_REPLACE || pool_parse(doc, &p, NULL) < 0 ||
	    !pool_kind_is_zfs(p.kind))
		return 0;
	return err_set(
		err, -E_INVALID,
		"pool %s/%s: a disk of a zpool is replaced with ZFS itself: zpool replace %s",
		p.node, p.name, p.source);
}

int change_pool_task(struct change_env *env, struct txn *t, const char *node, const char *name,
		     const struct pool_task *task, struct err *err)
{
	char what[2 * NAME_MAX_LEN + 16];
	struct pool_task own = *task;
	json *doc;
	int rv = get_pool(env, t, node, name, &doc, err);

	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "pool %.48s/%.48s", node, name);
	if ((rv = check_present(doc, what, err)) < 0 || (rv = check_replace(doc, &own, err)) < 0)
		goto out;
	rv = pool_task_check(&own, err);
	if (rv < 0) {
		err_prefix(err, "%s", what);
		goto out;
	}
	if ((rv = check_owners(env, t, node, name, &own, err)) < 0 ||
	    (rv = check_reported(env, node, &own, err)) < 0)
		goto out;
	env->uuid(own.uuid);
	jset(doc, "task", pool_task_doc(&own));
	put_pool(t, node, name, json_object_get(doc));
out:
	json_object_put(doc);
	return rv;
}

/* --- what was done ---------------------------------------------------------- */

static void devices_change(json *doc, const struct pool_task *task)
{
	json *before = jget(doc, "devices"), *after = json_object_new_array();
	size_t n =
		json_object_is_type(before, json_type_array) ? json_object_array_length(before) : 0;

	for (size_t i = 0; i < n; i++) {
		json *device = json_object_array_get_idx(before, i);

		if (task->kind == TASK_REPLACE && is_device(device, task->old))
			continue;
		json_object_array_add(after, json_object_get(device));
	}
	for (int i = 0; i < task->n; i++) {
		if (!lists(after, task->device[i]))
			json_object_array_add(after, json_object_new_string(task->device[i]));
	}
	jset(doc, "devices", after);
}

int change_pool_done(struct change_env *env, struct txn *t, const char *node, const char *name,
		     const char *uuid, struct err *err)
{
	struct pool_task task;
	json *doc;
	int rv = get_pool(env, t, node, name, &doc, err);

	if (rv < 0)
		return rv;
	rv = pool_task_parse(doc, &task, err);
	if (rv == 0 && (task.kind == TASK_NONE || strcasecmp(task.uuid, uuid) != 0))
		rv = err_set(err, -E_NOT_FOUND, "pool %.60s/%.60s: there is no such task", node,
			     name);
	if (rv < 0)
		goto out;
	if (task.kind == TASK_DESTROY) {
		put_pool(t, node, name, NULL);
		goto out;
	}
	devices_change(doc, &task);
	json_object_object_del(doc, "task");
	put_pool(t, node, name, json_object_get(doc));
out:
	json_object_put(doc);
	return rv;
}
