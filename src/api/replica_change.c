// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replica_change.c - makes, places and removes replicas. Called through routes.c.
 * Every operation is safe to repeat: what is there already is a success.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/buf.h"

static void replica_refs(json *entry, const char *resource, const char *node)
{
	rc_ref(entry, "RscDfn", resource);
	rc_ref(entry, "Node", node);
}

/* Which of the objects that a request names is missing? */
static uint64_t missing_object(struct api *a, const char *resource, const char *node)
{
	char key[STORE_KEY_MAX];
	struct view v;
	json *doc = NULL;

	if (view_load(a, resource, &v) < 0)
		return RC_RSC_DFN;
	view_release(&v);
	if (name_check("node name", node, NAME_MIN_LEN, NULL) < 0)
		return RC_NODE;
	node_key(node, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return RC_NODE;
	json_object_put(doc);
	return RC_STOR_POOL;
}

static bool has_flag(json *resource, const char *wanted)
{
	json *flags = jget(resource, "flags");
	size_t n =
		json_object_is_type(flags, json_type_array) ? json_object_array_length(flags) : 0;

	for (size_t i = 0; i < n; i++) {
		json *flag = json_object_array_get_idx(flags, i);

		if (flag && strcasecmp(json_object_get_string(flag), wanted) == 0)
			return true;
	}
	return false;
}

/* by a flag, or the pool of that kind */
static bool wants_diskless(json *resource)
{
	const char *pool = jget_str(jget(resource, "props"), "StorPoolName", "");

	return has_flag(resource, "DISKLESS") || has_flag(resource, "DRBD_DISKLESS") ||
	       has_flag(resource, "NVME_INITIATOR") || strcasecmp(pool, POOL_DISKLESS) == 0;
}

/* A client is what the layers of its resource make of it: one by NVMe of a replicated resource, or
 * the other way round, is a mistake. */
static int check_client(struct api *a, const char *name, json *resource, struct err *err)
{
	bool nvme = has_flag(resource, "NVME_INITIATOR");
	bool drbd = has_flag(resource, "DRBD_DISKLESS");
	struct view v;
	int rv = 0;

	if ((!nvme && !drbd) || view_load(a, name, &v) < 0)
		return 0;
	if (v.res.nvme ? drbd : nvme)
		rv = err_set(err, -E_BAD_LAYERS,
			     "resource %s is made of %s,STORAGE: flag %s is of others", v.res.name,
			     v.res.nvme ? "NVME" : "DRBD",
			     nvme ? "NVME_INITIATOR" : "DRBD_DISKLESS");
	view_release(&v);
	return rv;
}

/* 1: there and of this kind, noted; 0: not there; negative: there and of the other kind */
static int already_there(struct mutation *m, const char *resource, const char *node, bool diskless,
			 int64_t code, struct err *err)
{
	struct view v;
	int i, rv = 0;

	if (view_load(m->call->api, resource, &v) < 0)
		return 0;
	i = view_find(&v, node);
	if (i >= 0 && !v.rep[i].r.deleting) {
		rv = 1;
		if (v.rep[i].r.diskless != diskless)
			rv = err_set(err, -E_EXISTS,
				     "Resource '%s' on node '%s' exists %s a disk; delete it first "
				     "to have it %s one.",
				     v.res.name, v.rep[i].r.node, diskless ? "with" : "without",
				     diskless ? "without" : "with");
		else
			replica_refs(mutation_note(m, code,
						   "Resource '%s' already deployed as requested "
						   "on node '%s'.",
						   v.res.name, v.rep[i].r.node),
				     v.res.name, v.rep[i].r.node);
	}
	view_release(&v);
	return rv;
}

static void note_created(struct mutation *m, const char *resource, const char *node, bool diskless)
{
	replica_refs(mutation_done(m, RC_CREATED, "New %sresource '%s' on node '%s' registered.",
				   diskless ? "diskless " : "", resource, node),
		     resource, node);
}

/* To placement a node that is not there is one that does not suit; who named it wants to know. */
static int no_replica(struct mutation *m, int rv, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	uint64_t object;

	if (rv != -E_NOT_FOUND && rv != -E_NO_NODES)
		return rv;
	object = missing_object(m->call->api, name, node);
	if (rv == -E_NO_NODES && object != RC_NODE)
		return rv;
	m->object = object;
	if (object == RC_NODE)
		return err_set(err, -E_NOT_FOUND, "Node '%.100s' not found.", node);
	return -E_NOT_FOUND;
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	json *resource = jget(m->call->doc, "resource");
	bool diskless = wants_diskless(resource);
	const char *pool =
		diskless ? NULL : jget_str(jget(resource, "props"), "StorPoolName", NULL);
	int rv = check_layers(m->call->api, name, jget(m->call->doc, "layer_list"), err);

	if (rv == 0)
		rv = check_client(m->call->api, name, resource, err);
	if (rv < 0)
		return rv;
	/* the first entry is a plain success: some clients look at nothing else */
	rv = already_there(m, name, node, diskless,
			   rc_code(RC_INFO, RC_CRT, RC_RSC, RC_INFO_RSC_ALREADY_EXISTS), err);
	if (rv != 0)
		return rv < 0 ? rv : 0;
	rv = change_replica_create(env, t, name, node, pool, diskless, err);
	if (rv == 0)
		note_created(m, name, node, diskless);
	return no_replica(m, rv, err);
}

static void created(struct mutation *m)
{
	mutation_wait_ready(m, m->call->match.arg[0], m->call->match.arg[1]);
}

void replicas_create(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "resource", json_type_object, &err) < 0 ||
	    call_check_type(jget(c->doc, "resource"), "props", json_type_object, &err) < 0 ||
	    call_check_type(jget(c->doc, "resource"), "flags", json_type_array, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 201, create, created);
}

/* A list of them: one call after the other, each with a request id of its own made from the
 * list's, so that the list can be repeated too. */

struct many {
	struct api_call *call;
	json *entries;
	size_t next;
};

static void many_step(struct many *k);

static void many_end(struct many *k)
{
	struct api_call *c = k->call;
	json *entries = k->entries;

	free(k);
	call_reply_rc(c, 201, entries);
}

static void on_one(struct api_call *one, int status, const void *body, size_t len, void *arg)
{
	struct many *k = arg;
	struct api_call *c = k->call;
	json *list = NULL;

	if (one->moved != CALL_STAYS) {
		enum call_moved how =
			one->moved == CALL_MOVED && k->next == 1 ? CALL_MOVED : CALL_MOVED_MAYBE;

		json_object_put(k->entries);
		free(k);
		call_moved(c, how);
		return;
	}
	if (one->revision > c->revision)
		c->revision = one->revision;
	json_parse(body, len, &list, NULL);
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		view_push(k->entries, json_object_get(json_object_array_get_idx(list, i)));
	json_object_put(list);
	if (rc_status(k->entries, 201) == 201 && k->next < json_object_array_length(c->doc))
		many_step(k);
	else
		many_end(k);
}

static void many_step(struct many *k)
{
	struct api_call *c = k->call, *one;
	json *body = json_object_array_get_idx(c->doc, k->next);
	const char *node = jget_str(jget(body, "resource"), "node_name", "");
	const char *text = json_text(body);
	char url[HTTP_URL_MAX], resource_part[3 * ROUTER_ARG_MAX], node_part[3 * ROUTER_ARG_MAX];

	if (http_escape(c->match.arg[0], resource_part, sizeof(resource_part)) < 0 ||
	    http_escape(node, node_part, sizeof(node_part)) < 0)
		node_part[0] = resource_part[0] = '\0';
	snprintf(url, sizeof(url), "/v1/resource-definitions/%s/resources/%s", resource_part,
		 node_part);
	one = call_new(c->api, "POST", url, text, strlen(text));
	if (!one)
		abort(); /* a part of a body that passed, and a path of checked parts */
	snprintf(one->id, sizeof(one->id), "%.56s.%zu", c->id, k->next);
	snprintf(one->author, sizeof(one->author), "%s", c->author);
	one->who = c->who;
	one->hop = true;
	one->reply = on_one;
	one->reply_arg = k;
	k->next++;
	api_dispatch(one);
}

static bool elements_are_fine(struct api_call *c)
{
	size_t n =
		json_object_is_type(c->doc, json_type_array) ? json_object_array_length(c->doc) : 0;

	if (n == 0 || n > REPLICAS_MAX) {
		call_bad_body(c, "a list of 1 to %d resources is expected", REPLICAS_MAX);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		json *resource = jget(json_object_array_get_idx(c->doc, i), "resource");
		const char *node = jget_str(resource, "node_name", "");

		if (!node[0] || strlen(node) >= ROUTER_ARG_MAX) {
			call_bad_body(c, "element %zu lacks a usable resource.node_name", i);
			return false;
		}
	}
	return true;
}

void replicas_create_many(struct api_call *c)
{
	struct many *k;

	if (!elements_are_fine(c))
		return;
	k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	k->call = c;
	k->entries = view_list();
	many_step(k);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	int rv = change_replica_delete(env, t, name, node, err);

	if (rv == -E_NOT_FOUND) {
		replica_refs(mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_RSC, RC_WARN_NOT_FOUND),
					   "Resource '%s' on node '%s' not found; nothing to "
					   "delete.",
					   name, node),
			     name, node);
		return 0;
	}
	if (rv == 0)
		replica_refs(mutation_done(m, RC_DELETED, "Resource '%s' on node '%s' deleted.",
					   name, node),
			     name, node);
	return rv;
}

static void deleted(struct mutation *m)
{
	mutation_wait_removed(m, m->call->match.arg[0], m->call->match.arg[1]);
}

void replicas_delete(struct api_call *c)
{
	mutate(c, 200, delete, deleted);
}

/* It is there and only has to be served, or given a disk. 1: so it is, noted; 0: not there */
static int revive(struct mutation *m, struct change_env *env, struct txn *t, bool diskful,
		  struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	bool inactive, client, changed;
	struct view v;
	int i, rv;

	if (view_load(m->call->api, name, &v) < 0)
		return 0;
	i = view_find(&v, node);
	inactive = i >= 0 && v.rep[i].r.inactive;
	client = i >= 0 && v.rep[i].r.diskless && !v.rep[i].r.deleting;
	view_release(&v);
	if (inactive)
		rv = change_replica_active(env, t, name, node, true, &changed, err);
	else if (client && diskful)
		rv = change_replica_diskful(env, t, name, node, NULL, &changed, err);
	else
		return 0;
	if (rv < 0)
		return rv;
	replica_refs(mutation_done(m, RC_CREATED, "Resource '%s' on node '%s' %s.", name, node,
				   inactive ? "activated" : "gets a disk"),
		     name, node);
	return 1;
}

/* Made available while it is open elsewhere: for a live migration both may have it open. What was
 * there and only had to be served or given a disk is prepared when it is asked for again. */
static int migration(struct mutation *m, struct change_env *env, struct txn *t, bool create,
		     bool diskless, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	bool some = false;
	int rv = change_replica_migration(env, t, name, node, create, diskless, &some, err);

	if (rv == 0 && some)
		replica_refs(mutation_note(m, rc_code(RC_SUCCESS, RC_MOD, RC_RSC, RC_MODIFIED),
					   "Resource '%s' can be open on node '%s' and where it is "
					   "open now, for a live migration.",
					   name, node),
			     name, node);
	return rv;
}

static int available(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	bool diskful = jget_bool(m->call->doc, "diskful", false);
	bool migrates = jget_bool(m->call->doc, "auto_manage_dual_primary", false);
	struct err why = { 0 };
	struct view v;
	int i, rv;

	rv = check_layers(m->call->api, name, jget(m->call->doc, "layer_list"), err);
	if (rv < 0)
		return rv;
	rv = revive(m, env, t, diskful, &why);
	if (rv == 0 && view_load(m->call->api, name, &v) == 0) {
		i = view_find(&v, node);
		/* with a disk is more than what was asked for */
		diskful |= i >= 0 && !v.rep[i].r.diskless;
		view_release(&v);
		rv = already_there(m, name, node, !diskful,
				   rc_code(RC_SUCCESS, RC_CRT, RC_RSC, RC_CREATED), &why);
	}
	if (rv > 0)
		return migrates ? migration(m, env, t, false, !diskful, err) : 0;
	if (rv == 0) {
		rv = migrates ? migration(m, env, t, true, !diskful, &why)
			      : change_replica_create(env, t, name, node, NULL, !diskful, &why);
		if (rv == 0) {
			note_created(m, name, node, !diskful);
			return 0;
		}
	}
	rv = no_replica(m, rv, &why);
	if (diskful && (rv == -E_NO_NODES || m->object == RC_STOR_POOL)) {
		/* the text by which clients know to go on without a disk */
		m->object = RC_STOR_POOL;
		return err_set(err, -E_NOT_FOUND,
			       "Autoplacer could not find diskful stor pool on node '%s': %.300s",
			       node, why.text);
	}
	return err_set(err, rv, "%s", why.text[0] ? why.text : err_name(rv));
}

void replicas_available(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, available, created);
}

/* What is missing is no user's either, but for the node: that is likely a slip of the pen. */
static int not_there(struct mutation *m, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	uint64_t object = missing_object(m->call->api, name, node);

	if (object == RC_NODE) {
		m->object = RC_NODE;
		return err_set(err, -E_NOT_FOUND, "Node '%.100s' not found.", node);
	}
	replica_refs(mutation_note(m,
				   object == RC_RSC_DFN
					   ? rc_code(RC_WARN, RC_DEL, RC_RSC_DFN, RC_WARN_NOT_FOUND)
					   : rc_code(RC_INFO, RC_DEL, RC_RSC, RC_INFO_NOOP),
				   "Resource '%s' is not on node '%s'; nothing to do.", name, node),
		     name, node);
	return 0;
}

static int unavailable(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0], *node = m->call->match.arg[1];
	bool gone = false;
	int rv = change_replica_unavailable(env, t, name, node, &gone, err);

	if (rv == -E_NOT_FOUND)
		return not_there(m, err);
	if (rv == 0 && gone)
		replica_refs(mutation_done(m, RC_DELETED, "Resource '%s' on node '%s' deleted.",
					   name, node),
			     name, node);
	else if (rv == 0)
		replica_refs(mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_RSC, RC_INFO_NOOP),
					   "Resource '%s' on node '%s' has a disk and stays.", name,
					   node),
			     name, node);
	return rv;
}

void replicas_unavailable(struct api_call *c)
{
	mutate(c, 200, unavailable, deleted);
}

static int autoplace(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	struct change_place place;
	struct err why = { 0 };
	int added = 0, rv;

	rv = check_layers(m->call->api, name, jget(m->call->doc, "layer_list"), err);
	if (rv == 0)
		rv = place_of_body(m->call->doc, &place, err);
	if (rv < 0)
		return rv;
	rv = change_autoplace(env, t, name, &place, &added, &why);
	if (rv == -E_NOT_FOUND)
		m->object = missing_object(m->call->api, name, m->call->api->config.node);
	if (rv == -E_NO_NODES) {
		explain_refusal(m, env, name, NULL);
		return err_set(err, rv, "Not enough available nodes: %.450s", why.text);
	}
	if (rv < 0)
		return err_set(err, rv, "%s", why.text[0] ? why.text : err_name(rv));
	if (added == 0)
		rc_ref(mutation_note(m, rc_code(RC_WARN, RC_CRT, RC_RSC, RC_WARN_ALREADY_DEPLOYED),
				     "Resource '%s' was already deployed on as many nodes.", name),
		       "RscDfn", name);
	else
		rc_ref(mutation_done(m, RC_CREATED, "Resource '%s' autoplaced on %d more node%s.",
				     name, added, added == 1 ? "" : "s"),
		       "RscDfn", name);
	return 0;
}

static void autoplaced(struct mutation *m)
{
	mutation_wait_ready(m, m->call->match.arg[0], NULL);
}

void replicas_autoplace(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "select_filter", json_type_object, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 201, autoplace, autoplaced);
}
