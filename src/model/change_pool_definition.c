// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_pool_definition.c - storage pool definitions come, change and go. Called
 * by the API.
 */
#include <stdio.h>
#include <strings.h>

#include "model/change.h"
#include "model/pool_definition.h"
#include "model/props.h"

struct search {
	const char *name;
	char found[NAME_MAX_LEN + 1];
};

static int look(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct search *s = arg;

	if (strcasecmp(jget_str(doc, "name", ""), s->name) != 0)
		return 0;
	snprintf(s->found, sizeof(s->found), "%s", jget_str(doc, "name", ""));
	return 1;
}

bool pool_definition_in_use(struct store *store, const char *name, char out[NAME_MAX_LEN + 1])
{
	struct search s = { .name = name };

	if (store_list(store, "pool/", look, &s) != 1)
		return false;
	snprintf(out, NAME_MAX_LEN + 1, "%s", s.found);
	return true;
}

void pool_definition_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "pool-definition/%s", low);
}

/* the document (*ret NULL: it has none), and whether pools have the name; both are read */
static int read_both(struct change_env *env, struct txn *t, const char *name, json **ret,
		     struct search *pools, struct err *err)
{
	char key[STORE_KEY_MAX];
	int rv;

	*ret = NULL;
	pools->name = name;
	pools->found[0] = '\0';
	pool_definition_key(name, key, sizeof(key));
	rv = txn_get(t, env->store, key, ret);
	if (rv == 0 || rv == -E_NOT_FOUND)
		rv = txn_list(t, env->store, "pool/", look, pools);
	if (rv < 0) {
		json_object_put(*ret);
		*ret = NULL;
		return err_set(err, rv, "storage pool definition %.60s: %s", name, err_name(rv));
	}
	return 0;
}

static int count(const char *key, json *doc, uint64_t revision, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

static int make(struct change_env *env, struct txn *t, const char *name, json **ret,
		struct err *err)
{
	char uuid[37];
	int n = 0, rv;

	rv = txn_list(t, env->store, "pool-definition/", count, &n);
	if (rv < 0)
		return err_set(err, rv, "storage pool definitions: %s", err_name(rv));
	if (n >= POOL_DEFINITIONS_MAX)
		return err_set(err, -E_INVALID,
			       "storage pool definition %s: there are %d of them, which is the "
			       "limit",
			       name, n);
	env->uuid(uuid);
	*ret = json_object_new_object();
	jset_str(*ret, "name", name);
	jset_str(*ret, "uuid", uuid);
	return 0;
}

/* takes doc */
static int put(struct txn *t, const char *name, json *doc, json *body, struct err *err)
{
	char key[STORE_KEY_MAX], what[NAME_MAX_LEN + 40];
	int rv;

	snprintf(what, sizeof(what), "storage pool definition %.48s", name);
	rv = props_modify(what, doc, body, err);
	if (rv < 0) {
		json_object_put(doc);
		return rv;
	}
	pool_definition_key(name, key, sizeof(key));
	txn_put(t, key, doc);
	return 0;
}

int change_pool_definition_create(struct change_env *env, struct txn *t, const char *name,
				  json *props, struct err *err)
{
	struct search pools;
	json *doc, *body;
	int rv;

	rv = name_check("storage pool name", name, POOL_NAME_MIN_LEN, err);
	if (rv == 0)
		rv = read_both(env, t, name, &doc, &pools, err);
	if (rv < 0)
		return rv;
	if (doc || pools.found[0] || strcasecmp(name, POOL_DISKLESS) == 0) {
		json_object_put(doc);
		return err_set(err, -E_EXISTS, "storage pool definition %s exists already", name);
	}
	rv = make(env, t, name, &doc, err);
	if (rv < 0)
		return rv;
	body = json_object_new_object();
	jset(body, "override_props", json_object_get(props));
	rv = put(t, name, doc, body, err);
	json_object_put(body);
	return rv;
}

static int not_there(const char *name, struct err *err)
{
	return err_set(err, -E_NOT_FOUND,
		       "storage pool definition %.60s: there is none of this name, and no pool",
		       name);
}

int change_pool_definition_modify(struct change_env *env, struct txn *t, const char *name,
				  json *body, struct err *err)
{
	struct search pools;
	json *doc;
	int rv;

	rv = read_both(env, t, name, &doc, &pools, err);
	if (rv < 0)
		return rv;
	if (!doc && strcasecmp(name, POOL_DISKLESS) == 0)
		snprintf(pools.found, sizeof(pools.found), "%s", POOL_DISKLESS);
	if (!doc && !pools.found[0])
		return not_there(name, err);
	if (!doc)
		rv = make(env, t, pools.found, &doc, err);
	return rv < 0 ? rv : put(t, name, doc, body, err);
}

int change_pool_definition_delete(struct change_env *env, struct txn *t, const char *name,
				  struct err *err)
{
	char key[STORE_KEY_MAX];
	struct search pools;
	json *doc;
	int rv;

	rv = read_both(env, t, name, &doc, &pools, err);
	if (rv < 0)
		return rv;
	if (pools.found[0] || strcasecmp(name, POOL_DISKLESS) == 0)
		rv = err_set(err, -E_IN_USE,
			     "storage pool definition %.60s: there are pools of this name; delete "
			     "them first",
			     name);
	else if (!doc)
		rv = not_there(name, err);
	json_object_put(doc);
	if (rv < 0)
		return rv;
	pool_definition_key(name, key, sizeof(key));
	txn_put(t, key, NULL);
	return 0;
}
