// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * snapshots.c - snapshots as users see them: listed, taken, deleted, restored, rolled
 * back to. Called through routes.c. How one is taken is snapshot_take.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/snapshot_take.h"
#include "api/view.h"

#define TAKE_WAIT_MS 30000

/* ---- shown ---- */

static json *shape_volumes(const struct snapshot *s)
{
	json *list = view_list();

	for (int i = 0; i < s->n_volumes; i++) {
		json *v = view_object();

		jset_i64(v, "volume_number", s->volume[i].number);
		jset_i64(v, "size_kib", s->volume[i].size_kib);
		jset(v, "volume_definition_props", view_object());
		view_push(list, v);
	}
	return list;
}

static json *shape_copy(const struct snapshot *s, const struct snapshot_copy *c)
{
	json *o = view_object(), *volumes = view_list();

	for (int i = 0; i < s->n_volumes; i++) {
		json *v = view_object();

		jset_i64(v, "vlm_nr", s->volume[i].number);
		jset_str(v, "state", s->taken ? "Ok" : "Taking");
		view_push(volumes, v);
	}
	jset_str(o, "snapshot_name", s->name);
	jset_str(o, "node_name", c->node);
	jset_str(o, "storage_pool_name", c->pool);
	jset_i64(o, "create_timestamp", s->created_ms);
	jset(o, "flags", view_list());
	jset(o, "snapshot_volumes", volumes);
	jset_str(o, "uuid", s->uuid);
	return o;
}

/* The nodes with copies of a resource, kept from one of its snapshots to the next. */
struct copies {
	char resource[NAME_MAX_LEN + 1]; /* "": none yet */
	int n;
	char node[REPLICAS_MAX][NAME_MAX_LEN + 1];
};

static void find_copies(struct api *a, const char *resource, struct copies *c)
{
	struct view v;

	if (strcasecmp(c->resource, resource) == 0)
		return;
	snprintf(c->resource, sizeof(c->resource), "%s", resource);
	c->n = 0;
	if (view_load(a, resource, &v) < 0)
		return; /* the snapshot has outlived it */
	for (int i = 0; i < v.n; i++) {
		if (!v.rep[i].r.diskless && !v.rep[i].r.deleting)
			memcpy(c->node[c->n++], v.rep[i].r.node, sizeof(c->node[0]));
	}
	view_release(&v);
}

/* copies of today's resource of that name that do not have it: added since, or not in sync then */
static json *missing_nodes(const struct snapshot *s, const struct copies *c)
{
	json *list = view_list();

	for (int i = 0; i < c->n && s->taken; i++) {
		if (!snapshot_copy_on(s, c->node[i]))
			view_push(list, json_object_new_string(c->node[i]));
	}
	return list;
}

static json *shape(struct api *a, const struct snapshot *s, json *doc, struct copies *of)
{
	static const char *const successful[] = { "SUCCESSFUL" };
	json *o = view_object(), *nodes = view_list(), *copies = view_list();

	find_copies(a, s->resource, of);
	for (int i = 0; i < s->n_copies; i++) {
		view_push(nodes, json_object_new_string(s->copy[i].node));
		view_push(copies, shape_copy(s, &s->copy[i]));
	}
	jset_str(o, "name", s->name);
	jset_str(o, "resource_name", s->resource);
	jset(o, "nodes", nodes);
	jset(o, "missing_nodes", missing_nodes(s, of));
	jset(o, "props", view_props(doc));
	jset(o, "snapshot_definition_props", view_props(doc));
	jset(o, "resource_definition_props", view_object());
	jset(o, "flags", s->taken ? view_strings(successful, 1) : view_list());
	jset(o, "volume_definitions", shape_volumes(s));
	jset(o, "snapshots", copies);
	jset_str(o, "uuid", s->uuid);
	return o;
}

struct listing {
	struct api_call *call;
	struct call_list list;
	struct copies copies;
};

static bool is_on_any(struct api_call *c, const struct snapshot *s)
{
	for (int i = 0; i < s->n_copies; i++) {
		if (call_query_has(c, "nodes", s->copy[i].node))
			return true;
	}
	return false;
}

static void list_one(json *doc, void *arg)
{
	struct listing *l = arg;
	struct snapshot s;

	if (snapshot_parse(doc, &s, NULL) == 0 &&
	    call_query_has(l->call, "resources", s.resource) &&
	    call_query_has(l->call, "snapshots", s.name) && is_on_any(l->call, &s))
		call_list_push(&l->list, shape(l->call->api, &s, doc, &l->copies));
}

void snapshots_view(struct api_call *c)
{
	struct listing l = { .call = c };

	call_list_init(&l.list, c);
	view_docs(c->api, "snapshot/", list_one, &l);
	call_list_reply(&l.list);
}

static void no_definition(struct api_call *c)
{
	struct err err;

	err_set(&err, -E_NOT_FOUND, "Resource definition '%.100s' not found.", c->match.arg[0]);
	call_fail_object(c, RC_RSC_DFN, -E_NOT_FOUND, &err);
}

static bool is_defined(struct api *a, const char *resource)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	resource_key(resource, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return false;
	json_object_put(doc);
	return true;
}

void snapshots_list(struct api_call *c)
{
	struct listing l = { .call = c };
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];

	name_key(c->match.arg[0], low);
	snprintf(prefix, sizeof(prefix), "snapshot/%s/", low);
	call_list_init(&l.list, c);
	view_docs(c->api, prefix, list_one, &l);
	if (l.list.n == 0 && !is_defined(c->api, c->match.arg[0])) {
		call_list_release(&l.list);
		no_definition(c);
		return;
	}
	call_list_reply(&l.list);
}

void snapshots_get(struct api_call *c)
{
	struct copies copies = { 0 };
	struct snapshot s;
	struct err err;
	json *doc;
	int rv = view_snapshot(c->api, c->match.arg[0], c->match.arg[1], &s, &doc);

	if (rv == 0) {
		call_reply_json(c, 200, shape(c->api, &s, doc, &copies));
		json_object_put(doc);
		return;
	}
	err_set(&err, rv, "Snapshot '%.100s' of resource '%.100s' not found.", c->match.arg[1],
		c->match.arg[0]);
	call_fail(c, rv, &err);
}

/* ---- taken ---- */

struct wanted { /* of one request */
	int n;
	struct take_name name[];
};

static bool taken(void *arg, int64_t waited_ms)
{
	struct mutation *m = arg;
	struct wanted *w = m->own;
	bool all = true;

	for (int i = 0; i < w->n; i++)
		all &= take_is_over(m->call->api, &w->name[i]);
	return all || !consensus_is_leader(m->call->api->config.consensus);
}

static bool exists(struct api *a, const struct take_name *name, struct snapshot *ret)
{
	return view_snapshot(a, name->resource, name->name, ret, NULL) == 0 && ret->taken;
}

static void name_nodes(const struct snapshot *s, char *out, size_t len)
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < s->n_copies && used < len; i++)
		used += (size_t)snprintf(out + used, len - used, "%s%s", i ? ", " : "",
					 s->copy[i].node);
}

/* what the commit has said is replaced by how it went */
static void answer_taken(void *arg, bool in_time)
{
	struct mutation *m = arg;
	struct wanted *w = m->own;
	struct api *a = m->call->api;
	char nodes[REPLICAS_MAX * (NAME_MAX_LEN + 2)];

	json_object_put(m->answer);
	m->answer = NULL;
	for (int i = 0; i < w->n; i++) {
		const struct take_name *n = &w->name[i];
		struct snapshot s;
		const char *why;
		json *entry;

		if (exists(a, n, &s)) {
			name_nodes(&s, nodes, sizeof(nodes));
			entry = mutation_done(m, RC_CREATED,
					      "Snapshot '%s' of resource '%s' taken on %s.",
					      n->name, n->resource, nodes);
		} else {
			why = take_reason(a, n);
			entry = mutation_note(
				m, rc_code(RC_ERROR, RC_CRT, RC_SNAPSHOT, RC_UNKNOWN_ERROR),
				"Snapshot '%s' of resource '%s' was not taken: %s", n->name,
				n->resource,
				why[0] ? why : "its leader changed meanwhile: try again");
		}
		rc_ref(entry, "RscDfn", n->resource);
		rc_ref(entry, "Snapshot", n->name);
	}
	mutation_reply(m);
}

/* Only who has begun it takes it, and once: copies that another leader has had cut before it went
 * would be taken for this moment's. Then it is waited for until it is given up (take_tick). */
static void begun(struct mutation *m)
{
	struct wanted *w = m->own;

	if (!m->repeated)
		take_start(m->call->api, w->name, w->n);
	wait_start(m->call->api, TAKE_WAIT_MS, taken, answer_taken, m);
}

static int begin(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct wanted *w = m->own;
	int rv = 0;

	for (int i = 0; i < w->n && rv == 0; i++)
		rv = change_snapshot_begin(env, t, w->name[i].resource, w->name[i].name,
					   jget(m->call->doc, "props"), err);
	if (rv == -E_NOT_FOUND)
		m->object = RC_RSC_DFN;
	if (rv == 0)
		mutation_done(m, RC_CREATED, "Snapshot begun.");
	if (w->n > 0)
		mutation_what(m,
			      w->n > 1 ? "Snapshot '%s' of resource '%s' and of others begun."
				       : "Snapshot '%s' of resource '%s' begun.",
			      w->name[0].name, w->name[0].resource);
	return rv;
}

static void want(struct api_call *c, const char *const resources[], const char *const names[],
		 int n)
{
	struct wanted *w = calloc(1, sizeof(*w) + (size_t)n * sizeof(w->name[0]));

	if (!w)
		abort();
	w->n = n;
	for (int i = 0; i < n; i++) {
		/* what is too long is refused by the name's rules, so it may be cut here */
		snprintf(w->name[i].resource, sizeof(w->name[i].resource), "%s", resources[i]);
		snprintf(w->name[i].name, sizeof(w->name[i].name), "%s", names[i]);
	}
	mutate_own(c, 201, begin, begun, w);
}

static bool name_is_bad(struct api_call *c, const char *resource, const char *name)
{
	struct err err;

	if (strlen(resource) <= NAME_MAX_LEN && snapshot_check_name(name, &err) == 0)
		return false;
	if (strlen(resource) > NAME_MAX_LEN)
		err_set(&err, -E_INVALID, "a resource name of more than %d characters",
			NAME_MAX_LEN);
	call_fail(c, -E_INVALID, &err);
	return true;
}

void snapshots_create(struct api_call *c)
{
	const char *resource = c->match.arg[0], *name;
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "name", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "props", json_type_object, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	name = jget_str(c->doc, "name", "");
	if (!name_is_bad(c, resource, name))
		want(c, &resource, &name, 1);
}

static bool is_twice(struct api_call *c, const char *const resources[], int last)
{
	for (int i = 0; i < last; i++) {
		if (strcasecmp(resources[i], resources[last]) != 0)
			continue;
		call_bad_body(c, "resource %s is in the list twice", resources[last]);
		return true;
	}
	return false;
}

void snapshots_create_many(struct api_call *c)
{
	const char *resources[SNAPSHOTS_AT_ONCE_MAX], *names[SNAPSHOTS_AT_ONCE_MAX];
	json *list;
	size_t n;

	if (!call_object(c))
		return;
	list = jget(c->doc, "snapshots");
	n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	if (n == 0 || n > SNAPSHOTS_AT_ONCE_MAX) {
		call_bad_body(c, "field snapshots must be a list of 1 to %d",
			      SNAPSHOTS_AT_ONCE_MAX);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		json *one = json_object_array_get_idx(list, i);

		resources[i] = jget_str(one, "resource_name", "");
		names[i] = jget_str(one, "name", "");
		if (name_is_bad(c, resources[i], names[i]) || is_twice(c, resources, (int)i))
			return;
	}
	want(c, resources, names, (int)n);
}

/* ---- deleted ---- */

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0], *name = m->call->match.arg[1];
	int rv = change_snapshot_modify(env, t, resource, name, m->call->doc, err);
	json *entry;

	if (rv < 0) {
		if (rv == -E_NOT_FOUND && !is_defined(m->call->api, resource))
			m->object = RC_RSC_DFN;
		return rv;
	}
	entry = mutation_done(m, RC_MODIFIED, "Snapshot '%s' of resource '%s' modified.", name,
			      resource);
	rc_ref(entry, "RscDfn", resource);
	rc_ref(entry, "Snapshot", name);
	return 0;
}

void snapshots_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify, NULL);
}

/* all of it, or only what the nodes have that the query names; *ret_gone: nothing is left */
static int delete_on(struct mutation *m, struct change_env *env, struct txn *t, bool *ret_gone,
		     struct err *err)
{
	const char *resource = m->call->match.arg[0], *name = m->call->match.arg[1];
	const char *nodes[REPLICAS_MAX];
	struct snapshot s;
	int n = 0;

	*ret_gone = true;
	if (call_query_has(m->call, "nodes", "") ||
	    view_snapshot(m->call->api, resource, name, &s, NULL) < 0)
		return change_snapshot_delete(env, t, resource, name, err);
	for (int i = 0; i < s.n_copies; i++) {
		if (call_query_has(m->call, "nodes", s.copy[i].node))
			nodes[n++] = s.copy[i].node;
	}
	return change_snapshot_delete_on(env, t, resource, name, nodes, n, ret_gone, err);
}

/* The definition, too, when it has nothing left and the query says so */
static int delete_definition(struct mutation *m, struct change_env *env, struct txn *t,
			     struct err *err)
{
	const char *resource = m->call->match.arg[0], *name = m->call->match.arg[1];
	bool gone = false;
	int rv;

	if (!call_query_bool(m->call, "delete_empty_resource_definition", false))
		return 0;
	rv = change_resource_delete_empty(env, t, resource, name, &gone, err);
	if (rv == 0 && gone)
		rc_ref(mutation_note(m, rc_code(RC_SUCCESS, RC_DEL, RC_RSC_DFN, RC_DELETED),
				     "Resource definition '%s' deleted.", resource),
		       "RscDfn", resource);
	return rv == -E_NOT_FOUND ? 0 : rv; /* it can be gone before its snapshots */
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0], *name = m->call->match.arg[1];
	bool gone = false;
	int rv = delete_on(m, env, t, &gone, err);
	json *entry;

	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_SNAPSHOT, RC_WARN_NOT_FOUND),
			      "Snapshot '%.60s' of resource '%.60s' not found; nothing to delete.",
			      name, resource);
		return 0;
	}
	if (rv < 0)
		return rv;
	entry = mutation_done(m, RC_DELETED, "Snapshot '%s' of resource '%s' deleted%s.", name,
			      resource, gone ? "" : " on the nodes that were named");
	rc_ref(entry, "RscDfn", resource);
	rc_ref(entry, "Snapshot", name);
	return gone ? delete_definition(m, env, t, err) : 0;
}

static void deleted(struct mutation *m)
{
	mutation_wait_removed(m, m->call->match.arg[0], NULL);
}

void snapshots_delete(struct api_call *c)
{
	mutate(c, 200, delete, deleted);
}

/* ---- restored ---- */

static const char *target(const struct mutation *m)
{
	return jget_str(m->call->doc, "to_resource", "");
}

static int restore_volumes(struct mutation *m, struct change_env *env, struct txn *t,
			   struct err *err)
{
	const char *resource = m->call->match.arg[0], *name = m->call->match.arg[1];
	int rv = change_snapshot_volumes(env, t, resource, name, target(m), err);

	if (rv == -E_NOT_FOUND)
		m->object = RC_SNAPSHOT;
	if (rv == 0)
		rc_ref(mutation_done(m, RC_CREATED,
				     "Volumes of snapshot '%s' of resource '%s' defined in '%s'.",
				     name, resource, target(m)),
		       "RscDfn", target(m));
	return rv;
}

/* false: c was answered */
static bool has_target(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return false;
	if (call_check_type(c->doc, "to_resource", json_type_string, &err) == 0 &&
	    call_check_type(c->doc, "nodes", json_type_array, &err) == 0 &&
	    jget_str(c->doc, "to_resource", "")[0])
		return true;
	call_bad_body(c, "field to_resource must name the resource to restore into");
	return false;
}

void snapshots_restore_volumes(struct api_call *c)
{
	if (has_target(c))
		mutate(c, 200, restore_volumes, NULL);
}

static int restore(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0], *name = m->call->match.arg[1];
	json *list = jget(m->call->doc, "nodes");
	const char *nodes[REPLICAS_MAX];
	int n = 0, rv;

	for (size_t i = 0; list && i < json_object_array_length(list) && n < REPLICAS_MAX; i++) {
		const char *node = json_object_get_string(json_object_array_get_idx(list, i));

		nodes[n++] = node ? node : "";
	}
	rv = change_snapshot_restore(env, t, resource, name, target(m), nodes, n, err);
	if (rv == -E_NOT_FOUND)
		m->object = RC_SNAPSHOT;
	if (rv == 0)
		rc_ref(mutation_done(m, RC_CREATED,
				     "Snapshot '%s' of resource '%s' restored into '%s'.", name,
				     resource, target(m)),
		       "RscDfn", target(m));
	return rv;
}

static void restored(struct mutation *m)
{
	mutation_wait_ready(m, target(m), NULL);
}

void snapshots_restore(struct api_call *c)
{
	if (has_target(c))
		mutate(c, 200, restore, restored);
}

static int roll_back(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0], *name = m->call->match.arg[1];
	int rv = change_snapshot_rollback(env, t, resource, name, err);

	if (rv == 0)
		rc_ref(mutation_done(m, RC_MODIFIED, "Resource '%s' goes back to snapshot '%s'.",
				     resource, name),
		       "RscDfn", resource);
	return rv;
}

static void rolled_back(struct mutation *m)
{
	mutation_wait_ready(m, m->call->match.arg[0], NULL);
}

void snapshots_rollback(struct api_call *c)
{
	mutate(c, 200, roll_back, rolled_back);
}
