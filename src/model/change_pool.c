// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_pool.c - pools of a node. Called by the API. What a pool is made of is
 * looked after by the node's agent.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/promise.h"
#include "model/props.h"

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

/* the node's name as it is written there */
static int find_node(struct change_env *env, struct txn *t, const char *node, char *out,
		     struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	node_key(node, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "node %.60s: there is no such node", node);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	snprintf(out, NAME_MAX_LEN + 1, "%s", jget_str(doc, "name", node));
	json_object_put(doc);
	return 0;
}

int change_pool_create(struct change_env *env, struct txn *t, const struct pool *p, json *props,
		       struct err *err)
{
	char key[STORE_KEY_MAX], prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	char what[2 * NAME_MAX_LEN + 16];
	struct pool made = *p;
	struct create_check c = { .p = &made, .err = err };
	json *doc, *checked;
	int rv;

	if ((rv = pool_check(p, err)) < 0 || (rv = find_node(env, t, p->node, made.node, err)) < 0)
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
	if (rv < 0)
		return rv;
	if (!made.uuid[0])
		env->uuid(made.uuid);
	doc = pool_doc(&made);
	jset(doc, "props", checked);
	pool_key(made.node, made.name, key, sizeof(key));
	txn_put(t, key, doc);
	return 0;
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

int change_pool_delete(struct change_env *env, struct txn *t, const char *node, const char *name,
		       struct err *err)
{
	char key[STORE_KEY_MAX];
	struct promise p;
	json *doc;
	int rv;

	pool_key(node, name, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "pool %.60s/%.60s: there is no such pool", node, name);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	json_object_put(doc);
	rv = promise_read(t, env->store, node, name, &p);
	if (rv < 0)
		return err_set(err, rv, "pool %s/%s: %s", node, name, err_name(rv));
	if (p.replicas > 0)
		return err_set(err, -E_IN_USE,
			       "pool %s/%s: has %lld replicas; delete or move them first", node,
			       name, (long long)p.replicas);
	if ((rv = change_snapshot_none_on(env, t, node, name, err)) < 0 ||
	    (rv = check_clean(env, t, node, name, err)) < 0)
		return rv;
	txn_put(t, key, NULL);
	return 0;
}
