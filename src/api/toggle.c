// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * toggle.c - replicas become something else where they are: a client gets a
 * disk, a copy loses its own, moves to another node, is served or not. Called
 * through routes.c. What has to happen first, such as leaving the in-sync set,
 * is model/change_replica.c's decision; what cannot happen at once reap.c
 * finishes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"

enum toggle_to { TO_DISKFUL, TO_DISKLESS, TO_MOVED };

struct toggle { /* what one request wants */
	enum toggle_to to;
	char pool[NAME_MAX_LEN + 1]; /* "": placement chooses */
	char from[ROUTER_ARG_MAX];   /* TO_MOVED: the node whose copy comes */
};

static bool is_there(struct api *a, const char *key)
{
	json *doc = NULL;

	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return false;
	json_object_put(doc);
	return true;
}

/* What is missing, or named wrong, for the number of the refusal */
static int refusal(struct mutation *m, int rv, const char *pool, struct err *err)
{
	const char *resource = m->call->match.arg[0], *node = m->call->match.arg[1];
	struct api *a = m->call->api;
	char key[STORE_KEY_MAX];

	if (rv != -E_NOT_FOUND && rv != -E_NO_NODES)
		return rv;
	resource_key(resource, key, sizeof(key));
	if (!is_there(a, key)) {
		m->object = RC_RSC_DFN;
		return -E_NOT_FOUND;
	}
	node_key(node, key, sizeof(key));
	if (!is_there(a, key)) {
		m->object = RC_NODE;
		return err_set(err, -E_NOT_FOUND, "Node '%.100s' not found.", node);
	}
	pool_key(node, pool, key, sizeof(key));
	if (pool[0] && !is_there(a, key)) {
		m->object = RC_STOR_POOL;
		return err_set(err, -E_NOT_FOUND, "Storage pool '%.100s' on node '%s' not found.",
			       pool, node);
	}
	return rv;
}

static void note(struct mutation *m, const char *what)
{
	const char *resource = m->call->match.arg[0], *node = m->call->match.arg[1];
	json *entry = mutation_done(m, RC_MODIFIED, "Resource '%s' on node '%s' %s.", resource,
				    node, what);

	rc_ref(entry, "RscDfn", resource);
	rc_ref(entry, "Node", node);
}

static int change(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0], *node = m->call->match.arg[1];
	const struct toggle *g = m->own;
	const char *pool = g->pool[0] ? g->pool : NULL;
	bool changed = false;
	int rv = check_layers(m->call->api, resource, jget(m->call->doc, "layer_list"), err);

	if (rv < 0)
		return rv;
	if (g->to == TO_MOVED) {
		rv = change_replica_migrate(env, t, resource, g->from, node, pool, &changed, err);
		if (rv == 0)
			note(m, changed ? "gets the copy" : "is getting the copy already");
	} else if (g->to == TO_DISKFUL) {
		rv = change_replica_diskful(env, t, resource, node, pool, &changed, err);
		if (rv == 0)
			note(m, changed ? "gets a disk" : "has a disk already");
	} else {
		rv = change_replica_diskless(env, t, resource, node, &changed, err);
		if (rv == 0)
			note(m, changed ? "loses its disk" : "has no disk already");
	}
	return refusal(m, rv, g->pool, err);
}

static void changed(struct mutation *m)
{
	const char *resource = m->call->match.arg[0], *node = m->call->match.arg[1];
	const struct toggle *g = m->own;

	if (g->to == TO_DISKLESS)
		mutation_wait_removed(m, resource, node);
	else
		mutation_wait_ready(m, resource, node);
}

/* takes nothing: pool and from are copied */
static void start(struct api_call *c, enum toggle_to to, const char *pool, const char *from)
{
	struct toggle *g;
	struct err err;

	if (to == TO_DISKLESS && pool[0]) {
		/* there is one pool without disks, and it is on every node */
		if (strcasecmp(pool, POOL_DISKLESS) != 0) {
			err_set(&err, -E_NOT_FOUND, "Diskless storage pool '%.100s' not found.",
				pool);
			call_fail_object(c, RC_STOR_POOL, -E_NOT_FOUND, &err);
			return;
		}
		pool = "";
	}
	if (pool[0] && name_check("pool name", pool, POOL_NAME_MIN_LEN, &err) < 0) {
		call_fail_object(c, RC_STOR_POOL, -E_INVALID, &err);
		return;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		abort();
	g->to = to;
	snprintf(g->pool, sizeof(g->pool), "%s", pool);
	snprintf(g->from, sizeof(g->from), "%s", from);
	mutate_own(c, 200, change, changed, g);
}

static bool body_is_fine(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return false;
	if (call_check_type(c->doc, "operation", json_type_string, &err) == 0 &&
	    call_check_type(c->doc, "storage_pool", json_type_string, &err) == 0 &&
	    call_check_type(c->doc, "migrate_from", json_type_string, &err) == 0)
		return true;
	call_bad_body(c, "%s", err.text);
	return false;
}

void toggle_disk(struct api_call *c)
{
	const char *operation, *pool, *from;

	if (!body_is_fine(c))
		return;
	operation = jget_str(c->doc, "operation", "");
	pool = jget_str(c->doc, "storage_pool", "");
	from = jget_str(c->doc, "migrate_from", "");
	if (strcasecmp(operation, "INTO_DRBD_DISKFUL") == 0)
		start(c, from[0] ? TO_MOVED : TO_DISKFUL, pool, from);
	else if (strcasecmp(operation, "INTO_DRBD_DISKLESS") == 0 ||
		 strcasecmp(operation, "INTO_DRBD_CLIENT") == 0)
		start(c, TO_DISKLESS, pool, "");
	else
		call_bad_body(c, "field operation must be INTO_DRBD_DISKFUL, INTO_DRBD_DISKLESS or "
				 "INTO_DRBD_CLIENT");
}

void toggle_diskful(struct api_call *c)
{
	if (body_is_fine(c))
		start(c, TO_DISKFUL, c->match.n_args > 2 ? c->match.arg[2] : "", "");
}

void toggle_diskless(struct api_call *c)
{
	if (body_is_fine(c))
		start(c, TO_DISKLESS, c->match.n_args > 2 ? c->match.arg[2] : "", "");
}

void toggle_migrate(struct api_call *c)
{
	if (body_is_fine(c))
		start(c, TO_MOVED, c->match.n_args > 3 ? c->match.arg[3] : "", c->match.arg[2]);
}

/* ---- served or not ---- */

static int activate(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	bool was_not;
	int rv = change_replica_active(env, t, m->call->match.arg[0], m->call->match.arg[1], true,
				       &was_not, err);

	if (rv == 0)
		note(m, was_not ? "activated" : "is active already");
	return refusal(m, rv, "", err);
}

static void activated(struct mutation *m)
{
	mutation_wait_ready(m, m->call->match.arg[0], m->call->match.arg[1]);
}

void replicas_activate(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, activate, activated);
}

static int deactivate(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	bool was_not;
	int rv = change_replica_active(env, t, m->call->match.arg[0], m->call->match.arg[1], false,
				       &was_not, err);

	if (rv == 0)
		note(m, was_not ? "deactivated" : "is inactive already");
	return refusal(m, rv, "", err);
}

static void deactivated(struct mutation *m)
{
	mutation_wait_ready(m, m->call->match.arg[0], m->call->match.arg[1]);
}

void replicas_deactivate(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, deactivate, deactivated);
}

/* ---- properties ---- */

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	int rv = change_replica_modify(env, t, m->call->match.arg[0], m->call->match.arg[1],
				       m->call->doc, err);

	if (rv == 0)
		note(m, "modified");
	return refusal(m, rv, "", err);
}

void replicas_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify, NULL);
}

/* the number in the path, -1 when it is none */
static int number_of(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > UINT16_MAX ? -1 : (int)n;
}

static int modify_volume(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0], *node = m->call->match.arg[1];
	int number = number_of(m->call->match.arg[2]);
	char key[STORE_KEY_MAX], text[16];
	json *entry;
	int rv = change_replica_volume_modify(env, t, resource, node, number, m->call->doc, err);

	if (rv < 0) {
		replica_key(resource, node, key, sizeof(key));
		if (rv == -E_NOT_FOUND && !is_there(m->call->api, key))
			m->object = RC_RSC;
		return refusal(m, rv, "", err);
	}
	snprintf(text, sizeof(text), "%d", number);
	entry = mutation_done(m, RC_MODIFIED, "Volume %d of resource '%s' on node '%s' modified.",
			      number, resource, node);
	rc_ref(entry, "RscDfn", resource);
	rc_ref(entry, "Node", node);
	rc_ref(entry, "VlmNr", text);
	return 0;
}

void replicas_modify_volume(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify_volume, NULL);
}
