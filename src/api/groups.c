// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * groups.c - resource groups: list, one, make, modify, delete, and spawn, the usual
 * way to a replicated volume. Called through routes.c. What a group's filter
 * means is model/placement's business.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "model/group.h"

struct group_listing {
	struct api_call *call;
	json *list;
};

static void list_one(json *doc, void *arg)
{
	struct group_listing *l = arg;

	if (call_query_has(l->call, "resource_groups", jget_str(doc, "name", "")) &&
	    call_query_props(l->call, jget(doc, "props")))
		view_push(l->list, view_group(doc));
}

void groups_list(struct api_call *c)
{
	struct group_listing l = { c, view_list() };

	view_docs(c->api, "group/", list_one, &l);
	call_reply_json(c, 200, call_query_page(c, l.list));
}

static json *find_group(struct api_call *c, const char *name)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	if (name_check("group name", name, NAME_MIN_LEN, NULL) < 0)
		return NULL;
	group_key(name, key, sizeof(key));
	return store_get(c->api->config.store, key, &doc, NULL) == 0 ? doc : NULL;
}

void groups_get(struct api_call *c)
{
	json *doc = find_group(c, c->match.arg[0]);
	struct err err;

	if (!doc) {
		err_set(&err, -E_NOT_FOUND, "Resource group '%.100s' not found.", c->match.arg[0]);
		call_fail(c, -E_NOT_FOUND, &err);
		return;
	}
	call_reply_json(c, 200, view_group(doc));
	json_object_put(doc);
}

/* after the entry of success, which clients look at alone */
static void note_outlook(struct mutation *m, const char *name, const struct err *warn)
{
	if (warn->text[0])
		rc_ref(mutation_note(m,
				     rc_code(RC_WARN, m->call->match.route->op, RC_RSC_GRP,
					     RC_NOT_ENOUGH_NODES),
				     "Resource group '%s': %.400s", name, warn->text),
		       "RscGrp", name);
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = jget_str(m->call->doc, "name", "");
	struct err warn = { 0 };
	int rv = change_group_create(env, t, m->call->doc, &warn, err);

	if (rv < 0)
		return rv;
	rc_ref(mutation_done(m, RC_CREATED, "New resource group '%s' created.", name), "RscGrp",
	       name);
	note_outlook(m, name, &warn);
	return 0;
}

static bool body_is_fine(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return false;
	if (call_check_type(c->doc, "name", json_type_string, &err) == 0 &&
	    call_check_type(c->doc, "props", json_type_object, &err) == 0 &&
	    call_check_type(c->doc, "override_props", json_type_object, &err) == 0 &&
	    call_check_type(c->doc, "delete_props", json_type_array, &err) == 0 &&
	    call_check_type(c->doc, "select_filter", json_type_object, &err) == 0)
		return true;
	call_bad_body(c, "%s", err.text);
	return false;
}

void groups_create(struct api_call *c)
{
	if (body_is_fine(c))
		mutate(c, 201, create, NULL);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	struct err warn = { 0 };
	int rv = change_group_modify(env, t, name, m->call->doc, &warn, err);

	if (rv < 0)
		return rv;
	rc_ref(mutation_done(m, RC_MODIFIED, "Resource group '%s' modified.", name), "RscGrp",
	       name);
	note_outlook(m, name, &warn);
	return 0;
}

static void ignore(const struct leader_answer *answer, void *arg)
{
}

/* More copies wanted: each resource of the group is asked to have as many. Never fewer. What does
 * not fit now is tried by the next change or autoplace; it shows in the resource's verdict. */
static void grow_one(json *doc, void *arg)
{
	struct mutation *m = arg;
	char url[3 * ROUTER_ARG_MAX];

	if (strcasecmp(jget_str(doc, "group", ""), m->call->match.arg[0]) != 0)
		return;
	snprintf(url, sizeof(url), "/v1/resource-definitions/%s/autoplace",
		 jget_str(doc, "name", ""));
	leader_call(m->call->api->leader, "POST", url, "{}", NULL, READY_WAIT_MS * 2, ignore, NULL);
}

static void modified(struct mutation *m)
{
	if (m->wrote && jget(jget(m->call->doc, "select_filter"), "place_count"))
		view_docs(m->call->api, "resource/", grow_one, m);
	mutation_reply(m);
}

void groups_modify(struct api_call *c)
{
	if (body_is_fine(c))
		mutate(c, 200, modify, modified);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_group_delete(env, t, name, err);

	if (rv == -E_IN_USE) {
		/* what LINSTOR answers while resources use it: clients keep the group then */
		m->object = RC_RSC_DFN;
		return -E_EXISTS;
	}
	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_RSC_GRP, RC_WARN_NOT_FOUND),
			      "Resource group '%s' not found; nothing to delete.", name);
		return 0;
	}
	if (rv == 0)
		rc_ref(mutation_done(m, RC_DELETED, "Resource group '%s' deleted.", name), "RscGrp",
		       name);
	return rv;
}

void groups_delete(struct api_call *c)
{
	mutate(c, 200, delete, NULL);
}

/* Spawn */

static int sizes_of(json *body, int64_t *sizes, int max, int *ret_n, struct err *err)
{
	json *list = jget(body, "volume_sizes");
	json *one = view_object();
	int n = 0, rv = 0;

	if (list && !json_object_is_type(list, json_type_array))
		rv = err_set(err, -E_INVALID, "volume_sizes must be a list of KiB");
	for (size_t i = 0; rv == 0 && list && i < json_object_array_length(list); i++) {
		jset(one, "size", json_object_get(json_object_array_get_idx(list, i)));
		if (n == max)
			rv = err_set(err, -E_INVALID, "at most %d volumes per resource", max);
		else if (jget_i64(one, "size", &sizes[n]) < 0)
			rv = err_set(err, -E_INVALID, "volume_sizes[%zu] is no number of KiB", i);
		else
			n++;
	}
	json_object_put(one);
	if (rv == 0)
		*ret_n = n;
	return rv;
}

/* Volumes are encrypted with the cluster's key: a passphrase of a single one opens nothing. */
static int no_passphrases(json *body, struct err *err)
{
	json *list = jget(body, "volume_passphrases");

	if (!list || json_object_array_length(list) == 0)
		return 0;
	return err_set(err, -E_INVALID,
		       "volume_passphrases are not supported: encrypted volumes are opened by the "
		       "passphrase of the cluster");
}

static int spawn(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct api_call *c = m->call;
	int64_t sizes[VOLUMES_PER_RESOURCE_MAX];
	struct change_place place;
	char name[ROUTER_ARG_MAX];
	json *entry, *group;
	int n = 0, rv;

	name_of_body(c->doc, "resource_definition_name", "resource_definition_external_name", name);
	rv = no_passphrases(c->doc, err);
	if (rv == 0)
		rv = sizes_of(c->doc, sizes, VOLUMES_PER_RESOURCE_MAX, &n, err);
	if (rv < 0) {
		m->object = RC_VLM_DFN;
		return rv;
	}
	rv = place_of_body(c->doc, &place, err);
	if (rv < 0)
		return rv;
	place.external_name = jget_str(c->doc, "resource_definition_external_name", NULL);
	place.partial = jget_bool(c->doc, "partial", false);
	group = find_group(c, c->match.arg[0]);
	if (!group) {
		m->object = RC_RSC_GRP;
		return err_set(err, -E_NOT_FOUND, "Resource group '%.100s' not found.",
			       c->match.arg[0]);
	}
	json_object_put(group);
	rv = change_spawn(env, t, c->match.arg[0], name, sizes, n,
			  jget_bool(c->doc, "definitions_only", false),
			  jget(c->doc, "resource_definition_props"), &place, err);
	if (rv == -E_NOT_FOUND)
		m->object = RC_STOR_POOL;
	if (rv == -E_NO_NODES)
		explain_refusal(m, env, NULL, c->match.arg[0]);
	if (rv < 0)
		return rv;
	entry = mutation_done(m, RC_CREATED, "Resource '%s' was created from group '%s'.", name,
			      c->match.arg[0]);
	rc_ref(entry, "RscDfn", name);
	rc_ref(entry, "RscGrp", c->match.arg[0]);
	return 0;
}

static void spawned(struct mutation *m)
{
	char name[ROUTER_ARG_MAX];

	name_of_body(m->call->doc, "resource_definition_name", "resource_definition_external_name",
		     name);
	mutation_wait_ready(m, name, NULL);
}

void groups_spawn(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "resource_definition_name", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "resource_definition_external_name", json_type_string, &err) <
		    0 ||
	    call_check_type(c->doc, "volume_passphrases", json_type_array, &err) < 0 ||
	    call_check_type(c->doc, "select_filter", json_type_object, &err) < 0 ||
	    call_check_type(c->doc, "volume_sizes", json_type_array, &err) < 0 ||
	    call_check_type(c->doc, "resource_definition_props", json_type_object, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 201, spawn, spawned);
}
