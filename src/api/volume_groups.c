// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_groups.c - what a resource group says about single volumes: list, one,
 * make, modify, delete. Called through routes.c. Their properties become those
 * of the volumes that are spawned from the group.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/view.h"

/* the number in the path; -1 when it is none */
static int number_of(struct api_call *c)
{
	const char *text = c->match.arg[1];
	char *end;
	long n = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > UINT16_MAX ? -1 : (int)n;
}

/* the group's document, the caller's; NULL: the call was answered */
static json *load(struct api_call *c)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	struct err err;

	group_key(c->match.arg[0], key, sizeof(key));
	if (store_get(c->api->config.store, key, &doc, NULL) == 0)
		return doc;
	err_set(&err, -E_NOT_FOUND, "Resource group '%.100s' not found.", c->match.arg[0]);
	call_fail_object(c, RC_RSC_GRP, -E_NOT_FOUND, &err);
	return NULL;
}

static json *shape(json *one)
{
	json *o = view_object(), *flags = jget(one, "flags");

	jset_i64(o, "volume_number", jget_i64_or(one, "volume_number", 0));
	jset(o, "props", view_props(one));
	jset(o, "flags",
	     json_object_is_type(flags, json_type_array) ? json_copy(flags) : view_list());
	jset_str(o, "uuid", jget_str(one, "uuid", ""));
	return o;
}

static json *shapes(json *group)
{
	json *list = view_list(), *all = jget(group, "volume_groups");
	size_t n = json_object_is_type(all, json_type_array) ? json_object_array_length(all) : 0;

	for (size_t i = 0; i < n; i++)
		view_push(list, shape(json_object_array_get_idx(all, i)));
	return list;
}

void volume_groups_list(struct api_call *c)
{
	json *group = load(c);

	if (!group)
		return;
	call_reply_json(c, 200, call_query_page(c, shapes(group)));
	json_object_put(group);
}

void volume_groups_get(struct api_call *c)
{
	json *group = load(c), *list;
	int number = number_of(c);
	struct err err;

	if (!group)
		return;
	list = shapes(group);
	json_object_put(group);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *one = json_object_array_get_idx(list, i);

		if (jget_i64_or(one, "volume_number", -1) != number)
			continue;
		call_reply_json(c, 200, json_object_get(one));
		json_object_put(list);
		return;
	}
	json_object_put(list);
	err_set(&err, -E_NOT_FOUND, "Volume group %.20s of resource group '%.100s' not found.",
		c->match.arg[1], c->match.arg[0]);
	call_fail(c, -E_NOT_FOUND, &err);
}

static void refs(json *entry, const char *group, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	rc_ref(entry, "RscGrp", group);
	rc_ref(entry, "VlmNr", text);
}

/* Which of the two is missing? */
static int not_found(struct mutation *m, int rv)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;

	group_key(m->call->match.arg[0], key, sizeof(key));
	if (rv == -E_NOT_FOUND && store_get(m->call->api->config.store, key, &doc, NULL) < 0)
		m->object = RC_RSC_GRP;
	json_object_put(doc);
	return rv;
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *group = m->call->match.arg[0];
	int number, rv;

	rv = change_volume_group_create(env, t, group, m->call->doc, &number, err);
	if (rv == 0)
		refs(mutation_done(m, RC_CREATED,
				   "Volume group with number '%d' of resource group '%s' created.",
				   number, group),
		     group, number);
	return not_found(m, rv);
}

void volume_groups_create(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "props", json_type_object, &err) < 0 ||
	    call_check_type(c->doc, "flags", json_type_array, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 201, create, NULL);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *group = m->call->match.arg[0];
	int number = number_of(m->call);
	int rv = change_volume_group_modify(env, t, group, number, m->call->doc, err);

	if (rv == 0)
		refs(mutation_done(m, RC_MODIFIED,
				   "Volume group with number '%d' of resource group '%s' modified.",
				   number, group),
		     group, number);
	return not_found(m, rv);
}

void volume_groups_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify, NULL);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *group = m->call->match.arg[0];
	int number = number_of(m->call);
	int rv = change_volume_group_delete(env, t, group, number, err);

	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_VLM_GRP, RC_WARN_NOT_FOUND),
			      "Volume group %.20s of resource group '%s' not found; nothing to "
			      "delete.",
			      m->call->match.arg[1], group);
		return 0;
	}
	if (rv == 0)
		refs(mutation_done(m, RC_DELETED,
				   "Volume group with number '%d' of resource group '%s' deleted.",
				   number, group),
		     group, number);
	return rv;
}

void volume_groups_delete(struct api_call *c)
{
	mutate(c, 200, delete, NULL);
}
