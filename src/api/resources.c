// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resources.c - resource definitions: list, one, make, modify, delete. Called
 * through routes.c. Their replicas are LINSTOR's "resources": replicas.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"

struct definition_listing {
	struct api_call *call;
	struct call_list list;
	bool with_volumes;
};

static bool is_wanted(const char *name, void *arg)
{
	struct definition_listing *l = arg;

	return call_query_has(l->call, "resource_definitions", name);
}

/* some clients ask for this list before every step: no replicas are looked at */
static void list_one(const char *name, void *arg)
{
	struct definition_listing *l = arg;
	char key[STORE_KEY_MAX];
	struct view v = { .n = 0 };

	resource_key(name, key, sizeof(key));
	if (call_list_is_done(&l->list) ||
	    store_get(l->call->api->config.store, key, &v.doc, NULL) < 0)
		return;
	if (call_query_props(l->call, jget(v.doc, "props")) &&
	    resource_parse(v.doc, &v.res, NULL) == 0)
		call_list_push(&l->list, view_definition(&v, l->with_volumes));
	view_release(&v);
}

static void list_done(void *arg, bool in_time)
{
	struct definition_listing *l = arg;

	call_list_finish(l->call, &l->list, in_time);
	free(l);
}

void definitions_list(struct api_call *c)
{
	struct definition_listing *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->call = c;
	l->with_volumes = call_query_bool(c, "with_volume_definitions", false);
	call_list_init(&l->list, c);
	view_walk_names(c->api, is_wanted, list_one, list_done, l);
}

void definitions_get(struct api_call *c)
{
	struct view v;
	struct err err;
	int rv = view_load(c->api, c->match.arg[0], &v);

	if (rv < 0) {
		err_set(&err, rv, "Resource definition '%.100s' not found.", c->match.arg[0]);
		call_fail(c, rv, &err);
		return;
	}
	call_reply_json(c, 200,
			view_definition(&v, call_query_bool(c, "with_volume_definitions", true)));
	view_release(&v);
}

/* every copy has all that was acknowledged */
void definitions_synced(struct api_call *c)
{
	bool all = true;
	struct err err;
	struct view v;
	json *o;
	int rv = view_load(c->api, c->match.arg[0], &v);

	if (rv < 0) {
		err_set(&err, rv, "Resource definition '%.100s' not found.", c->match.arg[0]);
		call_fail(c, rv, &err);
		return;
	}
	for (int i = 0; i < v.n; i++) {
		const struct replica *r = &v.rep[i].r;

		if (!r->diskless && !r->deleting && !r->inactive)
			all &= view_in_sync(&v, i) && strcmp(view_state(&v, i), "up") == 0;
	}
	view_release(&v);
	o = view_object();
	jset_bool(o, "synced_on_all", all);
	call_reply_json(c, 200, o);
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *definition = jget(m->call->doc, "resource_definition");
	const char *external = jget_str(definition, "external_name", NULL);
	const char *group = jget_str(definition, "resource_group_name", NULL);
	char name[ROUTER_ARG_MAX];
	enum layers layers;
	int rv = layers_parse(jget(definition, "layer_data"), &layers, err);

	if (rv < 0)
		return rv;
	name_of_body(definition, "name", "external_name", name);
	rv = change_resource_create_as(env, t, name, external, group, layers,
				       jget(definition, "props"), err);
	if (rv == -E_NOT_FOUND)
		m->object = RC_RSC_GRP;
	if (rv == 0)
		rc_ref(mutation_done(m, RC_CREATED, "New resource definition '%s' created.", name),
		       "RscDfn", name);
	return rv;
}

void definitions_create(struct api_call *c)
{
	json *definition;
	struct err err;

	if (!call_object(c))
		return;
	definition = jget(c->doc, "resource_definition");
	if (!json_object_is_type(definition, json_type_object)) {
		call_bad_body(c, "field resource_definition must be an object");
		return;
	}
	if (call_check_type(definition, "name", json_type_string, &err) < 0 ||
	    call_check_type(definition, "external_name", json_type_string, &err) < 0 ||
	    call_check_type(definition, "layer_data", json_type_array, &err) < 0 ||
	    call_check_type(definition, "props", json_type_object, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 201, create, NULL);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_resource_modify(env, t, name, m->call->doc, err);
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	resource_key(name, key, sizeof(key));
	if (rv == -E_NOT_FOUND && store_get(env->store, key, &doc, NULL) == 0)
		m->object = RC_RSC_GRP; /* it is the group that is missing */
	json_object_put(doc);
	if (rv == 0)
		rc_ref(mutation_done(m, RC_MODIFIED, "Resource definition '%s' modified.", name),
		       "RscDfn", name);
	return rv;
}

void definitions_modify(struct api_call *c)
{
	struct err err;

	if (!call_props_change(c))
		return;
	if (call_check_type(c->doc, "resource_group", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "layer_stack", json_type_array, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 200, modify, NULL);
}

static int gone_already(struct mutation *m)
{
	const char *name = m->call->match.arg[0];

	rc_ref(mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_RSC_DFN, RC_WARN_NOT_FOUND),
			     "Resource definition '%s' not found; nothing to delete.", name),
	       "RscDfn", name);
	return 0;
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_resource_delete(env, t, name, err);

	if (rv == -E_NOT_FOUND)
		return gone_already(m);
	if (rv == 0)
		rc_ref(mutation_done(m, RC_DELETED, "Resource definition '%s' deleted.", name),
		       "RscDfn", name);
	return rv;
}

/* What is missing is gone already, as with a deletion. */
static int take_all(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	bool gone = false;
	int rv = change_resource_truncate(
		env, t, name, call_query_bool(m->call, "delete_empty_resource_definition", false),
		&gone, err);

	if (rv == -E_NOT_FOUND)
		return gone_already(m);
	if (rv < 0)
		return rv;
	rc_ref(mutation_done(m, RC_DELETED, "All resources of '%s' deleted.", name), "RscDfn",
	       name);
	if (gone)
		rc_ref(mutation_note(m, rc_code(RC_SUCCESS, RC_DEL, RC_RSC_DFN, RC_DELETED),
				     "Resource definition '%s' deleted.", name),
		       "RscDfn", name);
	return 0;
}

static void deleted(struct mutation *m)
{
	mutation_wait_removed(m, m->call->match.arg[0], NULL);
}

void definitions_delete(struct api_call *c)
{
	mutate(c, 200, delete, deleted);
}

void definitions_truncate(struct api_call *c)
{
	mutate(c, 200, take_all, deleted);
}
