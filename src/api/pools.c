// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pools.c - storage pools: per node, in one view, made, modified and deleted. Called through
 * routes.c. What a pool is made of travels in LINSTOR's properties.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"

struct pool_listing {
	struct api_call *call;
	json *list;
	const char *node; /* of these only; NULL: all */
};

static bool wanted(struct pool_listing *l, const char *node, const char *pool, json *props)
{
	if (l->node && strcasecmp(l->node, node) != 0)
		return false;
	return call_query_has(l->call, "nodes", node) &&
	       call_query_has(l->call, "storage_pools", pool) && call_query_props(l->call, props);
}

static void list_diskless(json *doc, void *arg)
{
	struct pool_listing *l = arg;
	const char *node = jget_str(doc, "name", "");

	if (wanted(l, node, POOL_DISKLESS, NULL))
		view_push(l->list, view_pool_diskless(l->call->api, node));
}

static void list_pool(json *doc, void *arg)
{
	struct pool_listing *l = arg;
	struct pool p;
	json *o;

	if (pool_parse(doc, &p, NULL) < 0)
		return;
	o = view_pool(l->call->api, &p, doc);
	if (wanted(l, p.node, p.name, jget(o, "props")))
		view_push(l->list, o);
	else
		json_object_put(o);
}

static json *listing(struct api_call *c, const char *node)
{
	struct pool_listing l = { c, view_list(), node };

	view_docs(c->api, "node/", list_diskless, &l);
	view_docs(c->api, "pool/", list_pool, &l);
	return call_query_page(c, l.list);
}

void pools_view(struct api_call *c)
{
	call_reply_json(c, 200, listing(c, NULL));
}

static bool node_exists(struct api *a, const char *node)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	if (name_check("node name", node, NAME_MIN_LEN, NULL) < 0)
		return false;
	node_key(node, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return false;
	json_object_put(doc);
	return true;
}

static void no_node(struct api_call *c)
{
	struct err err;

	err_set(&err, -E_NOT_FOUND, "Node '%.100s' not found.", c->match.arg[0]);
	call_fail_object(c, RC_NODE, -E_NOT_FOUND, &err);
}

void pools_list(struct api_call *c)
{
	if (node_exists(c->api, c->match.arg[0]))
		call_reply_json(c, 200, listing(c, c->match.arg[0]));
	else
		no_node(c);
}

void pools_get(struct api_call *c)
{
	const char *name = c->match.arg[1];
	struct err err;
	json *list;

	if (!node_exists(c->api, c->match.arg[0])) {
		no_node(c);
		return;
	}
	list = listing(c, c->match.arg[0]);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);

		if (strcasecmp(jget_str(o, "storage_pool_name", ""), name) == 0) {
			json_object_get(o);
			json_object_put(list);
			call_reply_json(c, 200, o);
			return;
		}
	}
	json_object_put(list);
	err_set(&err, -E_NOT_FOUND, "Storage pool '%.100s' on node '%.100s' not found.", name,
		c->match.arg[0]);
	call_fail(c, -E_NOT_FOUND, &err);
}

/* From the request to a pool and the properties that are kept beside it. */
static int pool_of_body(struct api_call *c, struct pool *ret, json **ret_props, struct err *err)
{
	json *props = jget(c->doc, "props");
	const char *name = jget_str(c->doc, "storage_pool_name", "");
	const char *kind = jget_str(c->doc, "provider_kind", "");
	const char *source = jget_str(props, "StorDriver/StorPoolName",
				      jget_str(props, "StorDriver/FileDir", ""));
	struct pool p = { 0 };

	if (strlen(name) > NAME_MAX_LEN || strlen(c->match.arg[0]) > NAME_MAX_LEN)
		return err_set(err, -E_INVALID, "a name of more than %d characters", NAME_MAX_LEN);
	if (strlen(source) >= sizeof(p.source))
		return err_set(err, -E_INVALID, "a directory or group of more than %zu characters",
			       sizeof(p.source) - 1);
	if (pool_kind_parse(kind, &p.kind) < 0)
		return err_set(err, -E_INVALID,
			       "Storage pools of kind '%.40s' are not supported by this version: "
			       "use " POOL_KINDS_TEXT,
			       kind);
	if (!source[0])
		return err_set(err, -E_INVALID,
			       "Storage pool '%s' needs what it is made of, a directory, a volume "
			       "group, group/thin pool or zpool: property StorDriver/StorPoolName",
			       name);
	snprintf(p.node, sizeof(p.node), "%.*s", NAME_MAX_LEN, c->match.arg[0]);
	snprintf(p.name, sizeof(p.name), "%.*s", NAME_MAX_LEN, name);
	snprintf(p.source, sizeof(p.source), "%s", source);
	*ret_props = json_copy(props);
	if (*ret_props) {
		json_object_object_del(*ret_props, "StorDriver/FileDir");
		json_object_object_del(*ret_props, "StorDriver/StorPoolName");
	}
	*ret = p;
	return 0;
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *props = NULL;
	struct pool p;
	int rv = pool_of_body(m->call, &p, &props, err);

	if (rv < 0)
		return rv;
	env->uuid(p.uuid);
	rv = change_pool_create(env, t, &p, props, err);
	json_object_put(props);
	if (rv == -E_NOT_FOUND)
		m->object = RC_NODE;
	if (rv == 0) {
		json *entry = mutation_done(m, RC_CREATED,
					    "New storage pool '%s' on node '%s' registered.",
					    p.name, p.node);

		rc_ref(entry, "Node", p.node);
		rc_ref(entry, "StorPoolDfn", p.name);
		rc_ref(entry, "UUID", p.uuid);
	}
	return rv;
}

/* The pool is of use once its node has looked at it: capacity is known, or why not. */
static bool pool_seen(void *arg, int64_t waited_ms)
{
	struct mutation *m = arg;
	struct api *a = m->call->api;
	const char *node = m->call->match.arg[0];
	const char *name = jget_str(m->call->doc, "storage_pool_name", "");
	int64_t now = api_mono_ms();

	if (!consensus_is_leader(a->config.consensus) ||
	    observed_pool(a->observed, node, name, now))
		return true;
	return waited_ms > OBSERVED_STALE_MS && !observed_online(a->observed, node, now);
}

static void pool_answer(void *arg, bool in_time)
{
	struct mutation *m = arg;
	struct api *a = m->call->api;
	const char *node = m->call->match.arg[0];
	const char *name = jget_str(m->call->doc, "storage_pool_name", "");
	json *seen = observed_pool(a->observed, node, name, api_mono_ms());
	const char *error = jget_str(seen, "error", "");

	if (error[0])
		mutation_note(m, rc_code(RC_WARN, RC_CRT, RC_STOR_POOL, RC_STOR_POOL_CONFIGURATION),
			      "Node '%s' cannot use the pool yet: %s", node, error);
	else if (!seen)
		mutation_note(m, rc_code(RC_WARN, RC_CRT, RC_STOR_POOL, RC_WARN_NOT_CONNECTED),
			      "Node '%s' has not reported about the pool yet.", node);
	mutation_reply(m);
}

static void wait_seen(struct mutation *m)
{
	wait_start(m->call->api, REMOVED_WAIT_MS, pool_seen, pool_answer, m);
}

void pools_create(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (jget(c->doc, "devices")) {
		pools_make(c);
		return;
	}
	if (call_check_type(c->doc, "props", json_type_object, &err) < 0 ||
	    call_check_type(c->doc, "storage_pool_name", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "provider_kind", json_type_string, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 201, create, wait_seen);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *node = m->call->match.arg[0], *name = m->call->match.arg[1];
	json *entry;
	int rv;

	if (!node_exists(m->call->api, node)) {
		m->object = RC_NODE;
		return err_set(err, -E_NOT_FOUND, "Node '%.100s' not found.", node);
	}
	if (strcasecmp(name, POOL_DISKLESS) == 0)
		return err_set(err, -E_INVALID,
			       "Pool '%s' stands for replicas without a disk and has no properties",
			       POOL_DISKLESS);
	rv = change_pool_modify(env, t, node, name, m->call->doc, err);
	if (rv < 0)
		return rv;
	entry = mutation_done(m, RC_MODIFIED, "Storage pool '%s' on node '%s' modified.", name,
			      node);
	rc_ref(entry, "Node", node);
	rc_ref(entry, "StorPoolDfn", name);
	return 0;
}

void pools_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify, NULL);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *node = m->call->match.arg[0], *name = m->call->match.arg[1];
	int rv;

	if (strcasecmp(name, POOL_DISKLESS) == 0)
		return err_set(err, -E_INVALID,
			       "Pool '%s' is always there: it stands for replicas without a disk",
			       POOL_DISKLESS);
	rv = change_pool_delete(env, t, node, name, err);
	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_STOR_POOL, RC_WARN_NOT_FOUND),
			      "Storage pool '%s' on node '%s' not found; nothing to delete.", name,
			      node);
		return 0;
	}
	if (rv == 0) {
		json *entry = mutation_done(m, RC_DELETED,
					    "Storage pool '%s' on node '%s' deleted.", name, node);

		rc_ref(entry, "Node", node);
		rc_ref(entry, "StorPoolDfn", name);
	}
	return rv;
}

void pools_delete(struct api_call *c)
{
	if (call_query_bool(c, "destroy", false))
		pools_destroy(c);
	else
		mutate(c, 200, delete, NULL);
}
