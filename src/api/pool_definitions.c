// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pool_definitions.c - /v1/storage-pool-definitions: the names that pools have,
 * with the properties of each. Called through routes.c.
 */
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "model/pool_definition.h"

static json *find(json *list, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);

		if (strcasecmp(jget_str(o, "storage_pool_name", ""), name) == 0)
			return o;
	}
	return NULL;
}

static void add(json *list, const char *name, json *props)
{
	json *o = view_object();

	jset_str(o, "storage_pool_name", name);
	jset(o, "props", props);
	view_push(list, o);
}

static void add_pool(json *doc, void *arg)
{
	if (!find(arg, jget_str(doc, "name", "")))
		add(arg, jget_str(doc, "name", ""), view_object());
}

static void add_definition(json *doc, void *arg)
{
	add(arg, jget_str(doc, "name", ""), view_props(doc));
}

static int by_name(const void *a, const void *b)
{
	return strcasecmp(jget_str(*(json *const *)a, "storage_pool_name", ""),
			  jget_str(*(json *const *)b, "storage_pool_name", ""));
}

static json *all(struct api *a)
{
	json *list = view_list();

	view_docs(a, "pool-definition/", add_definition, list);
	if (!find(list, POOL_DISKLESS))
		add(list, POOL_DISKLESS, view_object());
	view_docs(a, "pool/", add_pool, list);
	json_object_array_sort(list, by_name);
	return list;
}

void pool_definitions_list(struct api_call *c)
{
	json *list = all(c->api), *wanted = view_list();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);

		if (call_query_has(c, "storage_pools", jget_str(o, "storage_pool_name", "")) &&
		    call_query_props(c, jget(o, "props")))
			view_push(wanted, json_object_get(o));
	}
	json_object_put(list);
	call_reply_json(c, 200, call_query_page(c, wanted));
}

void pool_definitions_get(struct api_call *c)
{
	json *list = all(c->api), *o = json_object_get(find(list, c->match.arg[0]));
	struct err err;

	json_object_put(list);
	if (o) {
		call_reply_json(c, 200, o);
		return;
	}
	err_set(&err, -E_NOT_FOUND, "Storage pool definition '%.100s' not found.", c->match.arg[0]);
	call_fail(c, -E_NOT_FOUND, &err);
}

static void say(struct mutation *m, unsigned number, const char *name, const char *done)
{
	rc_ref(mutation_done(m, number, "Storage pool definition '%s' %s.", name, done),
	       "StorPoolDfn", name);
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = jget_str(m->call->doc, "storage_pool_name", NULL);
	int rv = change_pool_definition_create(env, t, name, jget(m->call->doc, "props"), err);

	if (rv == 0)
		say(m, RC_CREATED, name, "created");
	return rv;
}

void pool_definitions_create(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "storage_pool_name", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "props", json_type_object, &err) < 0)
		call_bad_body(c, "%s", err.text);
	else
		mutate(c, 201, create, NULL);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_pool_definition_modify(env, t, name, m->call->doc, err);

	if (rv == 0)
		say(m, RC_MODIFIED, name, "modified");
	return rv;
}

void pool_definitions_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify, NULL);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_pool_definition_delete(env, t, name, err);

	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_STOR_POOL_DFN, RC_WARN_NOT_FOUND),
			      "Storage pool definition '%.100s' not found; nothing to delete.",
			      name);
		return 0;
	}
	if (rv == 0)
		say(m, RC_DELETED, name, "deleted");
	return rv;
}

void pool_definitions_delete(struct api_call *c)
{
	mutate(c, 200, delete, NULL);
}
